"""What a scheme is held to beside its declaration: runs by independent formulas, in which each of its steps stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Place
from numtoolkit.errors import InputError
from numtoolkit.problem.grids import grid
from numtoolkit.problem.kinds import SCALAR
from numtoolkit.problem.processes import PROCESSES, Process
from numtoolkit.program.budget import planned, whole_steps
from numtoolkit.program.canonical import CanonicalForm, canonical
from numtoolkit.program.program import lower
from tests.support import oracle_runs, phase_runs
from tests.support.fitted_schemes import table_of

SLIP = 1e-9  # relative: formulas and programs agree to 1e-10, what a slip by a thousandth changes is above
SAME = 1e-12  # of the largest coefficient: two programs of one map differ by roundings alone
LONGEST, WHOLE = 12, 6  # the largest budget that is looked at, steps of whole runs
GRIDS = ("rho(3)", "log-snr")


@dataclass(frozen=True)
class Fact:
    """A run: the places whose steps it takes, and how far that of a scheme is from the independent formula."""

    places: frozenset[Place]
    gap: Callable[[Scheme], float]

    def denies(self, scheme: Scheme) -> bool:
        """Whether the run of a scheme is another one, or there is none."""
        try:
            with np.errstate(all="ignore"):
                return not self.gap(scheme) < SLIP
        except (InputError, ZeroDivisionError, np.linalg.LinAlgError):
            return True


def facts(scheme: Scheme) -> list[Fact]:
    """The runs of a scheme that independent formulas give, on VP, EDM and PSLD, where it runs there."""
    found = []
    for on in ("vp", "edm") if SCALAR in scheme.kinds else ():  # on VP data of variance 1 have no linear part
        for case in oracle_runs.cases(scheme, on):
            found.append(Fact(oracle_runs.places(scheme, case), _in_image_space(scheme, case)))
    if "psld" in scheme.processes:
        above = _stops_above_zero(scheme)
        found += [_in_phase_space(scheme, run) for run in runs(scheme) if not (above and run.to_zero)]
    return found


def _stops_above_zero(scheme: Scheme) -> bool:
    """Whether a scheme that goes to t = 0 elsewhere does not in phase space."""
    try:
        lower(scheme, _process("psld"), np.array([0.5, 0.2, 0.1, 0.0]))
    except InputError:
        return True
    return False


def _in_image_space(own: Scheme, case: oracle_runs.Case) -> Callable[[Scheme], float]:
    def gap(scheme: Scheme) -> float:
        found = oracle_runs.states_of(oracle_runs.program_of(scheme, case), case)
        return oracle_runs.gap(found, oracle_runs.formula_of(own, case))

    return gap


def _in_phase_space(own: Scheme, run: PlannedRun) -> Fact:
    on, end = phase_runs.RISING, 0.03
    # from 0.4 on no scheme leaves the law so far that a network that levels off is the same everywhere
    times = end + (0.4 - end) * (phase_runs.uneven(on, len(run.places) - run.to_zero, 2, end) - end) / (on.T - end)
    case = phase_runs.case_of(own, on, np.append(times, 0.0) if run.to_zero else times, run.nfe)
    expected = phase_runs.states_of_formula(case)

    def gap(scheme: Scheme) -> float:
        case.scheme = scheme
        found = phase_runs.states_of_program(case)
        return float((np.abs(found - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))).max())

    return Fact(frozenset(run.places), gap)


@dataclass(frozen=True)
class PlannedRun:
    """A run: its evaluations, None for whole steps, whether it ends at t = 0, and the places of its steps."""

    nfe: int | None
    to_zero: bool
    places: tuple[Place, ...]


@cache
def runs(scheme: Scheme) -> tuple[PlannedRun, ...]:
    """Whole runs, and as few others as every step of a scheme stands in, with steps before it where that may be."""
    found, left = [], {place for place, _ in scheme.steps.places()}
    for own in sorted(_planned_runs(scheme), key=lambda b: (b.nfe is not None, len(b.places) < 4, len(b.places))):
        if own.nfe is None or left & set(own.places):
            left -= set(own.places)
            found.append(own)
    return tuple(found)


def _planned_runs(scheme: Scheme) -> Iterator[PlannedRun]:
    own = oracle_runs.told_apart(scheme)
    at = {id(step): place for place, step in own.steps.places()}
    for to_zero in (False, True):
        for nfe in (None, *range(1, LONGEST + 1)):
            try:
                steps = whole_steps(own, WHOLE, to_zero) if nfe is None else planned(own, nfe, to_zero)
            except InputError:
                continue
            if steps:
                yield PlannedRun(nfe, to_zero, tuple(at[id(step)] for step in steps))


def same_on_every_process(one: Scheme, other: Scheme, place: Place) -> bool:
    """Whether two schemes that differ in one step are one: to rounding they lower to the same runs, in law.

    It is asked of every process they run on, two grids, and every run that takes the step.
    """
    return all(
        _same(*(_lowered(own, process, text, run) for own in (one, other)))
        for process in map(_process, one.processes)
        for run in runs(one)
        if place in run.places
        for text in GRIDS
    )


_process = cache(lambda name: PROCESSES[name]())


def _lowered(own: Scheme, on: Process, text: str, run: PlannedRun) -> CanonicalForm | None:
    try:
        times = grid(text, on, len(run.places) - run.to_zero)
        times = np.append(times, 0.0) if run.to_zero else times
        if own.fitted:
            columns = oracle_runs.coefficients(own.fitted, len(times) - 1)
            own = own.with_table(table_of(own, on, times, columns))
        return canonical(lower(own, on, times, "data", run.nfe))
    except (InputError, ZeroDivisionError):
        return None


def _same(one: CanonicalForm | None, other: CanonicalForm | None) -> bool:
    """Whether two forms are one map, but for the sign of a normal, of which no law knows."""
    if one is None or other is None:
        return one is other
    if not np.array_equal(one.times, other.times) or one.final.shape != other.final.shape:
        return False
    a, b = (np.concatenate([*form.rows, form.final]) for form in (one, other))
    size = SAME * max(np.abs(a).max(), np.abs(b).max())
    first = len(one.final) + len(one.times)  # columns of the normals: those of the start and of the data come before
    signs = np.ones(a.shape[1])
    signs[first:-1] = np.where(np.abs(a + b).max(axis=0)[first:-1] <= size, -1, 1)
    return bool(np.abs(a - b * signs).max() <= size)
