"""Runs that hold every step of a scheme to a formula that is not its declaration, and when two schemes are one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Place
from numtoolkit.errors import InputError
from numtoolkit.files.fitted_coefficients import FittedCoefficients, FittedStep
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import PROCESSES, Process, process
from numtoolkit.program.budget import planned, whole_steps
from numtoolkit.program.canonical import canonical
from numtoolkit.program.program import Program, lower
from numtoolkit.sampling.loop import run
from tests.oracles import Run, states

BATCH = 3
AGREE = 1e-9  # relative; formulas agree to 1e-10, slips are of 1e-6
SAME = 1e-12  # of the largest coefficient: two programs of one map differ by roundings alone
LONGEST = 12  # of the budgets among which runs are chosen
WHOLE = 6
UNEVEN = {"scalar": ("rho(3)", "rho(7, zero=1)"), "phase space": ("rho(2)", "quadratic(zero=1)")}


def network(z: Any, t: float) -> Any:
    """A smooth bounded data prediction that bends in the state and in time; z is (n,), or (2, n) in phase space."""
    x = np.asarray(z)
    seen = x if x.ndim == 1 else x[0] - 0.3 * x[1]
    return np.tanh(0.7 * seen + 0.3) * (0.8 + 0.2 * np.cos(np.sqrt(t))) - 0.1


def normals(step: int, slot: int, blocks: int) -> Any:
    own = np.random.default_rng([step, slot]).standard_normal((blocks, BATCH))
    return own if blocks > 1 else own[0]


@dataclass(frozen=True, eq=False)
class Fact:
    """A run of a scheme, and the states after its steps that the independent formula gives.

    nfe   the budget of evaluations, None for whole steps
    """

    scheme: Scheme
    process: Process
    times: Any
    nfe: int | None

    @property
    def start(self) -> Any:
        blocks = self.process.blocks
        own = np.random.default_rng(7).standard_normal((blocks, BATCH))
        return own if blocks > 1 else own[0]

    @cached_property
    def expected(self) -> list[Any]:
        blocks, table = self.process.blocks, _columns(self.scheme)
        draw = lambda step, slot: normals(step, slot, blocks)  # noqa: E731
        own = Run(self.process, network, self.times, self.start, draw, self.nfe, table)
        return [np.asarray(z) for z in states(self.scheme, own)]

    def found(self, scheme: Scheme) -> list[Any]:
        """The states after the steps of the program of a scheme."""
        blocks, found = self.process.blocks, []
        program = lower(scheme, self.process, self.times, "data", self.nfe)
        shape = (lambda z: list(z)) if blocks > 1 else (lambda z: [z])
        run(
            program,
            lambda row, t: [network(np.stack(row) if blocks > 1 else row[0], t)],
            shape(self.start),
            lambda step, slot: shape(normals(step, slot, blocks)),
            watch=lambda n, step, state: found.append(np.stack(state) if blocks > 1 else state[0]),
        )
        return found

    def gap(self, scheme: Scheme) -> float:
        """How far the run of a scheme is from the formula, relative to the states; inf where it has no run.

        raises   nothing for a scheme that lowering refuses: that is a gap
        """
        try:
            with np.errstate(all="ignore"):
                found = self.found(scheme)
        except (InputError, ZeroDivisionError, np.linalg.LinAlgError):
            return np.inf
        if len(found) != len(self.expected):
            return np.inf
        far = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, self.expected, strict=True)]
        return float(np.max(far)) if np.isfinite(far).all() else np.inf


def _columns(scheme: Scheme) -> dict[str, Any]:
    table = scheme.table
    return {} if table is None else {name: np.array([s.values[i] for s in table.steps]) for i, name in
                                     enumerate(table.names)}  # fmt: skip


def with_random_table(scheme: Scheme, on: Process, times: Any) -> Scheme:
    """A fitted scheme with small random coefficients for a grid; another scheme as it is."""
    if not scheme.fitted:
        return scheme
    draws = 0.2 * np.random.default_rng(11).standard_normal((len(times) - 1, len(scheme.fitted)))
    steps = tuple(
        FittedStep(float(a), float(b), tuple(map(float, own)), 1, 0.0, 0.0)
        for a, b, own in zip(times[:-1], times[1:], draws, strict=True)
    )
    table = FittedCoefficients(scheme.spec, scheme.base, on.spec, "test", "test", scheme.fitted, steps, {})
    return scheme.with_table(table)


@dataclass(frozen=True)
class Budget:
    """A run: its evaluations, None for whole steps, whether it ends at t = 0, and where its steps are declared."""

    nfe: int | None
    to_zero: bool
    places: tuple[Place, ...]


def budgets(scheme: Scheme) -> list[Budget]:
    """Whole runs and as few others as every step of a scheme stands in, with steps before it where that may be."""
    found, left = [], {place for place, _ in scheme.steps.places()}
    for own in sorted(_budgets(scheme), key=lambda b: (b.nfe is not None, len(b.places) < 4, len(b.places))):
        if own.nfe is None or left & set(own.places):
            left -= set(own.places)
            found.append(own)
    return found


def _budgets(scheme: Scheme) -> Iterator[Budget]:
    own = replace(scheme, steps=scheme.steps.map(lambda _, step: replace(step)))  # equal steps, told apart by identity
    at = {id(step): place for place, step in own.steps.places()}
    for to_zero in (False, True):
        for nfe in (None, *range(1, LONGEST + 1)):
            try:
                steps = whole_steps(own, WHOLE, to_zero) if nfe is None else planned(own, nfe, to_zero)
            except InputError:
                continue
            if steps:
                yield Budget(nfe, to_zero, tuple(at[id(step)] for step in steps))


def facts(scheme: Scheme) -> list[Fact]:
    """Runs of a scheme in which every step of it stands, on a process of each kind it has."""
    found = []
    for kind in scheme.kinds:
        on = process("vp" if kind.name == "scalar" else "psld")
        for own in budgets(scheme):
            times = grid_of(on, len(own.places), own.to_zero)
            if times is not None:
                found.append(Fact(with_random_table(scheme, on, times), on, times, own.nfe))
    return found


def grid_of(on: Process, steps: int, to_zero: bool, which: int = 0) -> Any:
    """A grid of uneven steps, None where there is none of that many."""
    text = UNEVEN[on.kind.name][to_zero] if not which else ("log-snr(zero=1)" if to_zero else "log-snr")
    try:
        return grid(text, on, steps)
    except InputError:
        return None


def same_on_every_process(one: Scheme, other: Scheme, place: Place) -> bool:
    """Whether two schemes lower to the same runs in law, on every process they run on and two grids.

    place   the step in which they differ
    """
    for name in one.processes:
        on = PROCESSES[name]()
        for own in budgets(one):
            for which in (0, 1) if place in own.places else ():
                times = grid_of(on, len(own.places), own.to_zero, which)
                if times is None:
                    continue
                pair = [with_random_table(scheme, on, times) for scheme in (one, other)]
                if not _same_run(*pair, on, times, own.nfe):
                    return False
    return True


def _same_run(one: Scheme, other: Scheme, on: Process, times: Any, nfe: int | None) -> bool:
    programs = [_lowered(own, on, times, nfe) for own in (one, other)]
    if None in programs:
        return programs[0] is programs[1]
    return same_in_law(*programs)


def _lowered(own: Scheme, on: Process, times: Any, nfe: int | None) -> Program | None:
    try:
        return lower(own, on, times, "data", nfe)
    except (InputError, ZeroDivisionError):
        return None


def same_in_law(one: Program, other: Program) -> bool:
    """Whether two programs are the same map to rounding, but for the sign of a noise."""
    a, b = canonical(one), canonical(other)
    if not np.array_equal(a.times, b.times) or a.final.shape != b.final.shape:
        return False
    x, y = (np.concatenate([form.rows.reshape(-1, form.final.shape[1]), form.final]) for form in (a, b))
    size = SAME * max(np.abs(x).max(), np.abs(y).max())
    if np.abs(x - y).max() <= size:
        return True
    k = one.process.blocks
    last = x.shape[1] - 1
    first = last - k * sum(1 for step in one.steps for i in step.instructions if hasattr(i, "slot"))
    for column in range(first, last):
        if np.abs(x[:, column] + y[:, column]).max() <= size:
            y[:, column] *= -1
    return bool(np.abs(x - y).max() <= size)
