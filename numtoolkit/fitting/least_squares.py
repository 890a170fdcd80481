"""Fitted coefficients by least squares: every step of a scheme brought as near to its base with finer steps as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from numtoolkit import processes, schemes
from numtoolkit.entries import substitute, symbols
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.exact.flows import exact_flow
from numtoolkit.fitting.table import FittedStep, Table
from numtoolkit.laws import Gaussian, Law
from numtoolkit.models.network import Network
from numtoolkit.processes import Floats, Process
from numtoolkit.program import layouts, lower
from numtoolkit.sampling.loop import Blocks, NetworkCall, advance, plain, run
from numtoolkit.sampling.runner import times_of
from numtoolkit.sampling.state import Array, Origin, library, origin, start_factor
from numtoolkit.scheme import START, Layout, Row, Scheme

CALIBRATION = range(1_000_000, 1_000_200)  # seeds apart from those that samples are usually drawn with
CUT = 1e-4  # what quantities differ by below it is mostly the rounding of a float32 network

Target = Callable[[Blocks, float, float], Blocks]  # (state, its time, an earlier process time) -> the state then


def fit(
    scheme: str | Scheme,
    network: Network | Law,
    process: str | Process,
    grid: str | Sequence[float] | Floats,
    steps: int | None = None,
    nfe: int | None = None,
    *,
    seeds: Iterable[int] | None = CALIBRATION,
    substeps: int | None = 10,
    ridge: float = 0.0,
    cut: float = CUT,
    tile: int | None = None,
    shape: tuple[int, ...] | None = None,
    dtype: Any = np.float64,
    device: Any = None,
) -> Table:
    """The coefficients of a fitted scheme on one grid, by linear least squares over a batch, step after step.

    A step starts from the states that the coefficients found so far lead to. Its target is the base scheme over `substeps`
    equal steps of process time, from the same state; a multistep base begins anew there, with its own starting steps.

    network         a `Network`, or a law, whose network is exact
    grid, steps, nfe, shape, dtype, device   as for `numtoolkit.sample`; a numpy dtype runs in numpy
    seeds           one a sample of the batch; None fits the infinite batch, exactly, for the network of a Gaussian law
    substeps        None: the target is the exact probability flow, of a law
    ridge, cut      on quantities scaled to length 1: added to squared singular values; singular values below `cut` times
                    the largest count as 0, so that collinear quantities share the shortest solution
    tile            samples that the network sees at once, by default all
    returns         a table whose residuals are nowhere above those of the base
    raises          InputError for what cannot be used as given, NonFiniteError where a state leaves the finite numbers
    cost            batch * nfe * (1 + substeps) evaluations; memory for batch * coefficients states
    source          arXiv:2304.11328 section 4.1; the infinite batch is that of two points a normal variable
    """
    declared, on = schemes.scheme(scheme), processes.process(process)
    if not declared.fitted:
        raise InputError(f"scheme {declared.spec} has no coefficients to fit; take one of the family 'fitted'.")
    _check(substeps, ridge, cut)
    times = times_of(declared, on, grid, steps, nfe)
    law = None if isinstance(network, Network) else network
    drawn = None if seeds is None else list(seeds)
    if drawn is None:
        law, start = _infinite_batch(law, on, float(times[0]))
        begin = origin(on, float(times[0]), None, start, None, None, None, law.shape)
    called = Network.of(law) if law is not None else network
    assert isinstance(called, Network)
    if drawn is not None:
        begin = origin(on, float(times[0]), drawn, None, shape, dtype, device, called.shape)
    call = called.on(on)
    target = _target(declared, on, called.predicts, call, law, substeps)
    with _quiet(begin.like):
        found = _fit(declared, on, times, called.predicts, call, target, list(_tiles(begin, tile)), ridge, cut)
    about: dict[str, str | int | float] = {
        "batch": "infinite" if drawn is None else len(drawn),
        "seeds": "none" if drawn is None else f"{drawn[0]} to {drawn[-1]}",
        "target": "exact flow" if substeps is None else f"{declared.base}, {substeps} substeps",
        "ridge": ridge,
        "cut": cut,
        "dtype": str(begin.like.dtype),
    }
    named = replace(declared, table=None).spec
    points = grid if isinstance(grid, str) else "own points"
    return Table(named, declared.base, on.spec, points, called.name, declared.fitted, tuple(found), about)


def _fit(
    scheme: Scheme,
    process: Process,
    times: Floats,
    predicts: str,
    network: NetworkCall,
    target: Target,
    states: list[Blocks],
    ridge: float,
    cut: float,
) -> Iterator[FittedStep]:
    program = lower(probe(scheme), process, times, predicts)
    plan = layouts(scheme, len(times) - 1, to_zero=times[-1] == 0)
    names: list[dict[str, Blocks]] = [{START: state} for state in states]
    for n, (step, layout) in enumerate(zip(program.steps, plan, strict=True)):
        own = coefficients_of(layout, scheme.fitted)
        names = [advance(step, n, known, network) for known in names]
        values, rank, before, after = np.zeros(len(own)), 0, 0.0, 0.0
        if own:
            goals = [target(known[START], step.start, step.end) for known in names]
            gap = _column([[a - b for a, b in zip(goal, known[step.out], strict=True)]
                           for goal, known in zip(goals, names, strict=True)])  # fmt: skip
            quantities = [_column([known[_of(name)] for known in names]) for name in own]
            if not np.isfinite([gap, *quantities]).all():
                raise NonFiniteError(
                    f"the fit of {scheme.spec} leaves the finite numbers in step {n} (t = {step.start:.6g} to {step.end:.6g}); "
                    "take more steps or more substeps."
                )
            values, rank = least_squares(np.stack(quantities, axis=1), gap, ridge, cut)
            before, after = _rms(gap), _rms(gap - np.stack(quantities, axis=1) @ values)
            if after > before:  # by rounding, where nothing is to be gained
                values, after = np.zeros(len(own)), before
        by_name = dict(zip(own, values.tolist(), strict=True))
        row = tuple(by_name.get(name, 0.0) for name in scheme.fitted)
        yield FittedStep(step.start, step.end, row, rank, before, after)
        names = [
            {START: _corrected(known, step.out, by_name)} | {new: known[old] for new, old in step.carry} for known in names
        ]


def least_squares(Q: Floats, y: Floats, ridge: float, cut: float) -> tuple[Floats, int]:
    """(c, rank) with |Q c - y| least: columns scaled to length 1, small singular values cut, ridge added to the rest."""
    length = np.sqrt(np.sum(Q**2, axis=0))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    U, s, V = np.linalg.svd(Q * scale, full_matrices=False)
    kept = (s > cut * s[0]) & (s > 0)
    gain = np.divide(s, s**2 + ridge, out=np.zeros_like(s), where=kept)
    return scale * (V.T @ (gain * (U.T @ y))), int(kept.sum())


# --- what a coefficient multiplies


def probe(scheme: Scheme) -> Scheme:
    """The scheme with its coefficients 0 and, in every step, a row for what each of them multiplies."""
    start = tuple(_probed(layout, scheme.fitted) for layout in scheme.start)
    last = tuple(_probed(layout, scheme.fitted) for layout in scheme.last)
    return replace(scheme, start=start, last=last, step=_probed(scheme.step, scheme.fitted), table=None)


def coefficients_of(layout: Layout, fitted: Sequence[str]) -> list[str]:
    """Those of the fitted quantities that stand in a layout."""
    used = set().union(*(symbols(entry) for _, entry in layout.entries()))
    return [name for name in fitted if name in used]


def _probed(layout: Layout, fitted: Sequence[str]) -> Layout:
    """The new state is affine in the coefficients: the slope in each is a difference of its own entries."""
    own = coefficients_of(layout, fitted)
    out = next(item for item in layout.items if item.name == layout.out)
    assert isinstance(out, Row)
    none = dict.fromkeys(own, 0)
    rows = []
    for name in own:
        slopes = ((s, substitute(e, none | {name: 1}) - substitute(e, none)) for s, e in out.terms)
        rows.append(Row(_of(name), out.at, tuple(slopes)))
    return replace(layout, items=(*layout.items, *rows))


def _of(name: str) -> str:
    return f"of {name}"


def _corrected(names: dict[str, Blocks], out: str, values: dict[str, float]) -> Blocks:
    """The new state with its corrections."""
    terms = [(1.0, names[out]), *((value, names[_of(name)]) for name, value in values.items() if value)]
    return [plain([(c, blocks[j]) for c, blocks in terms]) for j in range(len(names[out]))]


# --- batches and targets


def _infinite_batch(law: Law | None, process: Process, t: float) -> tuple[Gaussian, Floats]:
    """A Gaussian law in its eigenbasis, and few starts with the second moments of all.

    Every state is an affine function of the k standard normals of a direction, and squares of affine functions have the
    same mean over the 2 k points +-sqrt(k) e_j as over the normal law.
    """
    if not isinstance(law, Gaussian):
        raise InputError("the infinite batch is that of a Gaussian law; give seeds, or a Gaussian law.")
    _, variances, mean = law.eigen()
    k, factor = process.blocks, start_factor(process, t)
    points = np.sqrt(k) * np.concatenate([factor.T, -factor.T])
    start = np.repeat(points[:, :, None], len(variances), axis=2)
    return Gaussian(mean, variances, law.name), start if k > 1 else start[:, 0]


def _target(
    scheme: Scheme, process: Process, predicts: str, network: NetworkCall, law: Law | None, substeps: int | None
) -> Target:
    if substeps is None:
        if law is None:
            raise InputError("the exact flow is that of a law, but a network was given; give substeps, such as 10.")
        return lambda state, t0, t1: list(exact_flow(process, law, state, t0, t1))
    base = schemes.scheme(scheme.base)

    def finer(state: Blocks, t0: float, t1: float) -> Blocks:
        return run(lower(base, process, np.linspace(t0, t1, substeps + 1), predicts), network, state)

    return finer


def _tiles(begin: Origin, tile: int | None) -> Iterator[Blocks]:
    size = tile or len(begin)
    for first in range(0, len(begin), size):
        yield begin.blocks(range(first, min(first + size, len(begin))))


def _column(tiles: Iterable[Blocks]) -> Floats:
    """Every number of the blocks of all tiles, in float64 on the host."""
    return np.concatenate([_host(block).ravel() for blocks in tiles for block in blocks])


def _host(block: Array) -> Floats:
    return np.asarray(block if library(block) is np else block.double().cpu(), np.float64)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _quiet(like: Array) -> AbstractContextManager[Any]:
    xp = library(like)
    return np.errstate(over="ignore", invalid="ignore") if xp is np else xp.no_grad()


def _check(substeps: int | None, ridge: float, cut: float) -> None:
    if substeps is not None and substeps < 1:
        raise InputError(f"substeps = {substeps} is out of range; give a whole number >= 1, or None for the exact flow.")
    if not (np.isfinite(ridge) and ridge >= 0):
        raise InputError(f"ridge = {ridge} is out of range; give a number >= 0.")
    if not 0 <= cut < 1:
        raise InputError(f"cut = {cut} is out of range; it must satisfy 0 <= cut < 1.")
