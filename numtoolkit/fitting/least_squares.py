"""Fitted coefficients by least squares: every step of a scheme brought close to its base scheme with finer steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numtoolkit import schemes
from numtoolkit.arrays import Array, Floats, host, library, quiet
from numtoolkit.declare.entries import substitute, symbols
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Row, Step
from numtoolkit.errors import InputError, NonFiniteError, real, several, whole
from numtoolkit.files.fitted_coefficients import Fact, FittedCoefficients, FittedStep
from numtoolkit.laws import Gaussian, Law, law_of
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.flows import exact_flow
from numtoolkit.models.by_reference import network_of
from numtoolkit.models.calls import call_of
from numtoolkit.models.conditions import conditions_of
from numtoolkit.models.network import Network
from numtoolkit.problem import processes
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.predictions import Prediction
from numtoolkit.problem.processes import Process
from numtoolkit.program.budget import plan
from numtoolkit.program.program import ProgramStep, lower
from numtoolkit.program.runs import times_of
from numtoolkit.program.walk import Blocks, NetworkCall, Stepper, follow, handed, plain
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.state import origin, start_factor

CALIBRATION = range(1_000_000, 1_000_200)  # seeds apart from those that samples are usually drawn with
CUT = 1e-4  # what quantities differ by below it is mostly the rounding of a float32 network

Target = Callable[[NetworkCall, Blocks, ProgramStep], Blocks]  # where a state at a step's start should be at its end
Tiles = list[tuple[slice, NetworkCall]]  # samples that the network sees at once, and how they call it


def fit(
    scheme: str | Scheme,
    process: str | Process,
    network: str | Network | Law,
    grid: str | Sequence[float] | Floats,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    seeds: Iterable[int] | None = CALIBRATION,
    start: Array | None = None,
    substeps: int | None = 10,
    ridge: float = 0.0,
    cut: float = CUT,
    tile: int | None = None,
    conditions: Any = None,
    shape: tuple[int, ...] | None = None,
    dtype: Any = np.float64,
    device: Any = None,
) -> FittedCoefficients:
    """The coefficients of a fitted scheme on one grid, by linear least squares over a batch, step after step.

    A step starts from the states that the coefficients found so far lead to. Its target is the base scheme over
    `substeps` equal steps of process time from the same state; a base with history begins anew there, like a run.

    network      a `Network`, or a law or its name, whose network is exact
    scheme, process, grid, nfe, steps, conditions, shape, dtype, device   as for `numtoolkit.sample`; a numpy dtype runs
                 in numpy
    seeds        one a sample of the batch; None fits the infinite batch, exactly, for the network of a Gaussian law
    start        the states of the batch at the first time, (batch, *shape), in place of those that seeds draw
    substeps     None: the target is the exact probability flow of a law
    ridge, cut   for quantities scaled to length 1: added to squared singular values; those below `cut` times the
                 largest count as 0, so that collinear quantities share the shortest solution
    tile         samples that the network sees at once, by default all
    returns      a table; no residual in it is above that of the base
    raises       InputError for what cannot be used as given, NonFiniteError where a state leaves the finite numbers
    cost         batch * nfe * (1 + substeps) evaluations; memory for 2 + coefficients states of the batch, in float64
    source       arXiv:2304.11328; the infinite batch by two points for each normal variable
    """
    declared, on = replace(schemes.scheme(scheme), table=None), processes.process(process)
    network = law_of(network) if isinstance(network, str) else network
    if not declared.fitted:
        able = ", ".join(own.name for own in schemes.catalogue() if own.fitted)
        raise InputError(f"scheme {declared.spec} has no coefficients to fit; take one of {able}.")
    _check(substeps, tile, ridge, cut)
    times = times_of(declared, on, grid, steps, nfe)
    drawn = None if seeds is None or start is not None else several("seeds", seeds)
    if start is not None:
        begin = origin(on, float(times[0]), None, start, None, None, None, network_of(network).shape)
    elif drawn is None:
        network, start = _infinite_batch(network, on, float(times[0]))
        begin = origin(on, float(times[0]), None, start, None, None, None, network.shape)
    called = network_of(network)
    if drawn is not None:
        begin = origin(on, float(times[0]), drawn, None, shape, dtype, device, called.shape)
    told, size = conditions_of(conditions, len(begin)), tile or len(begin)
    rows = [range(i, min(i + size, len(begin))) for i in range(0, len(begin), size)]
    tiles = [(slice(r.start, r.stop), call_of(called, on, None if told is None else told.rows(r))) for r in rows]
    target = _target(declared.base, on, called.predicts, network, substeps)
    on.check_one_mode("a table of fitted coefficients")
    program = lower(probe(declared), on, times, called.predicts, nfe)
    planned = plan(declared, times, nfe)
    if not any(coefficients_of(step, declared.fitted) for step in planned):
        raise InputError(
            f"none of the {len(planned)} steps of this run has a coefficient of {declared.spec}; take more steps."
        )
    found: list[FittedStep] = []

    def corrected(n: int, step: ProgramStep, names: dict[str, Blocks]) -> dict[str, Blocks]:
        own = coefficients_of(planned[n], declared.fitted)
        goal = _by_tiles(lambda call, state: target(call, state, step), names[START], tiles) if own else []
        values, rank, before, after = _solved(own, goal, names, step, ridge, cut) if own else ({}, 0, 0.0, 0.0)
        row = tuple(values.get(name, 0.0) for name in declared.fitted)
        found.append(FittedStep(step.start, step.end, row, rank, before, after))
        terms = [(1.0, names[step.out]), *((value, names[_of(name)]) for name, value in values.items() if value)]
        state = [plain([(c, blocks[j]) for c, blocks in terms]) for j in range(len(names[START]))]
        return handed(n, step, names) | {START: state}

    with quiet(begin.like):
        walk = Stepper(program, begin.blocks(range(len(begin))), hand=corrected)
        follow(walk, lambda row, t: _by_tiles(lambda call, blocks: call(blocks, t), row, tiles))
    about: dict[str, Fact] = {
        "batch": "infinite" if seeds is None else len(begin),
        "seeds": "none" if drawn is None else f"{drawn[0]} to {drawn[-1]}",
        "target": "exact flow" if substeps is None else f"{declared.base}, {substeps} substeps",
        "ridge": ridge,
        "cut": cut,
        "dtype": str(begin.like.dtype),
        "nfe": program.nfe,
    }
    points = resolved(grid) if isinstance(grid, str) else "own points"
    return FittedCoefficients(
        declared.spec, declared.base, on.spec, points, called.name, declared.fitted, tuple(found), about
    )


def least_squares(Q: Floats, y: Floats, ridge: float = 0.0, cut: float = CUT) -> tuple[Floats, int]:
    """(c, rank) with |Q c - y| least, for columns scaled to length 1; `ridge` and `cut` as in `fit`."""
    length = np.sqrt(np.sum(Q**2, axis=0))
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    U, s, V = np.linalg.svd(Q * scale, full_matrices=False)
    kept = (s > cut * s[0]) & (s > 0)
    gain = np.divide(s, s**2 + ridge, out=np.zeros_like(s), where=kept)
    return scale * (V.T @ (gain * (U.T @ y))), int(kept.sum())


def _solved(
    own: Sequence[str], goal: Blocks, names: dict[str, Blocks], step: ProgramStep, ridge: float, cut: float
) -> tuple[dict[str, float], int, float, float]:
    """(values by name, rank, residual of the base, residual) of a step with the coefficients `own`."""
    y = _column(goal) - _column(names[step.out])
    Q = np.stack([_column(names[_of(name)]) for name in own], axis=1)
    if not (np.isfinite(y).all() and np.isfinite(Q).all()):
        raise NonFiniteError(
            f"the fit leaves the finite numbers between t = {step.start:.6g} and {step.end:.6g}; take more steps there "
            "or more substeps."
        )
    c, rank = least_squares(Q, y, ridge, cut)
    before, after = _rms(y), _rms(y - Q @ c)
    if after > before:  # by rounding, where nothing can be gained
        c, after = 0 * c, before
    return dict(zip(own, c.tolist(), strict=True)), rank, before, after


# --- what a coefficient multiplies


def probe(scheme: Scheme) -> Scheme:
    """The scheme with its coefficients 0 and, in every step, a row for what each of them multiplies."""
    return replace(scheme, steps=scheme.steps.map(lambda _, step: _probed(step, scheme.fitted)))


def coefficients_of(step: Step, fitted: Sequence[str]) -> list[str]:
    """Those of the fitted quantities that stand in a step."""
    used = set().union(*(symbols(entry) for _, entry in step.entries()))
    return [name for name in fitted if name in used]


def _probed(step: Step, fitted: Sequence[str]) -> Step:
    """The new state is affine in the coefficients: the slope in one is a difference of its own entries."""
    own = coefficients_of(step, fitted)
    none = dict.fromkeys(own, 0)
    out = next(item for item in step.items if item.name == step.out)
    assert isinstance(out, Row)
    rows = []
    for name in own:
        slopes = tuple((s, substitute(e, none | {name: 1}) - substitute(e, none)) for s, e in out.terms)
        rows.append(Row(_of(name), out.at, slopes))
    return replace(step, items=(*step.items, *rows))


def _of(name: str) -> str:
    return f"of {name}"


# --- batches and targets


def _infinite_batch(law: Network | Law, process: Process, t: float) -> tuple[Gaussian, Floats]:
    """A Gaussian law in its eigenbasis, and few starts with the second moments of all.

    Every state is an affine function of the k standard normals of its direction, and products of two such have the same
    mean over the 2 k points +-sqrt(k) e_j as over the normal law.
    """
    if not isinstance(law, Gaussian):
        raise InputError("the infinite batch is that of a Gaussian law; give seeds, or a Gaussian law.")
    _, variances, mean = law.eigen()
    k, factor = process.blocks, start_factor(process, t)
    points = np.sqrt(k) * np.concatenate([factor.T, -factor.T])
    start = np.repeat(points[:, :, None], len(variances), axis=2)
    return Gaussian(mean, variances, law.name), start if k > 1 else start[:, 0]


def _target(base: str, process: Process, predicts: Prediction, network: Network | Law, substeps: int | None) -> Target:
    if substeps is None:
        if isinstance(network, Network):
            raise InputError("the exact flow is that of a law, but a network was given; give substeps, such as 10.")
        law = network
        return lambda call, state, step: exact_flow(process, law, state, step.start, step.end)
    finer, count = schemes.scheme(base), substeps + 1

    def followed(call: NetworkCall, state: Blocks, step: ProgramStep) -> Blocks:
        return run(lower(finer, process, np.linspace(step.start, step.end, count), predicts), call, state)

    return followed


def _by_tiles(function: Callable[[NetworkCall, Blocks], Blocks], blocks: Blocks, tiles: Tiles) -> Blocks:
    """A function of the samples applied to one tile of them after the other, each with its own call."""
    parts = [function(call, [block[rows] for block in blocks]) for rows, call in tiles]
    return [own[0] if len(own) == 1 else library(own[0]).concatenate(own) for own in zip(*parts, strict=True)]


def _column(blocks: Blocks) -> Floats:
    """Every number of the blocks, in float64 on the host."""
    return np.concatenate([host("a state", block).ravel() for block in blocks], dtype=np.float64)


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _check(substeps: int | None, tile: int | None, ridge: float, cut: float) -> None:
    for name, value in (("substeps", substeps), ("tile", tile)):
        if value is not None:
            whole(name, value, high=MOST_NFE)
    real("ridge", ridge, 0)
    real("cut", cut, 0, 1 - 1e-15)
