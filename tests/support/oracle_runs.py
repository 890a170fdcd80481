"""Runs that programs and independent formulas share: network, normals, grids, and budgets that reach every step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Step
from numtoolkit.errors import InputError
from numtoolkit.problem import processes
from numtoolkit.program.budget import plan, planned
from numtoolkit.program.program import Program, lower
from numtoolkit.sampling.loop import run
from tests.oracles import states
from tests.oracles.common import Run
from tests.support.fitted_schemes import table_of

# Noise levels of two grids: their first, and each over the next. Ratios of neighbouring steps are far from 1.
GRIDS = {"long": (40.0, (2.9, 1.7, 3.4, 2.2, 2.5, 1.5, 2.7, 1.9)), "short": (5.0, (1.3, 2.1, 1.2, 1.7, 1.4, 1.9))}
STARTS = np.array([0.3, -1.1, 0.8])  # over sigma
process = cache(processes.process)


def network(z: Any, t: float) -> Any:
    """A smooth bounded data prediction that no scheme integrates exactly, and that tells times apart."""
    return np.tanh(0.8 * z / (1 + t) + 0.3) - 0.4 * np.cos(1.7 * np.sqrt(t))


def normals(step: int, slot: int) -> Any:
    """Standard normals of a noise, the same for every run."""
    return np.random.default_rng([step, slot]).standard_normal(len(STARTS))


@dataclass(frozen=True)
class Case:
    """A run of N steps, or of a budget, on a process and a grid of `GRIDS`, perhaps to t = 0."""

    process: str
    grid: str
    steps: int
    to_zero: bool = False
    nfe: int | None = None

    @cached_property
    def times(self) -> Any:
        """(steps + 1,) process times; a run longer than the grid repeats its ratios."""
        top, ratios = GRIDS[self.grid]
        levels = top / np.cumprod([1.0, *np.resize(ratios, self.steps - self.to_zero)])
        times = process(self.process).time_of_noise_level(levels)
        return np.append(times, 0.0) if self.to_zero else times

    @property
    def start(self) -> Any:
        """The state that the run starts from."""
        return STARTS * process(self.process).sigma(self.times[:1])[0]


@cache
def coefficients(own: Scheme, case: Case) -> dict[str, Any]:
    """Coefficients of a fitted scheme, an own number for every step."""
    rng = np.random.default_rng(3)
    return {name: rng.uniform(-0.3, 0.3, case.steps) for name in own.fitted}


def program_of(own: Scheme, case: Case, like: Scheme | None = None) -> Program:
    """The program of a case; the coefficients are those of the scheme `like`, of which `own` may be a mutant."""
    on, times = process(case.process), case.times
    if own.fitted:
        own = own.with_table(table_of(own, on, times, coefficients(like or own, case)))
    return lower(own, on, times, "data", case.nfe)


def states_of(program: Program, case: Case) -> list[Any]:
    """The state after each step of a program."""
    seen: list[Any] = []
    run(
        program,
        lambda z, t: [network(z[0], t)],
        [case.start],
        lambda step, slot: [normals(step, slot)],
        watch=lambda n, step, z: seen.append(z[0]),
    )
    return seen


def formula_of(own: Scheme, case: Case) -> list[Any]:
    """The state after each step by the independent formula of a scheme."""
    run_of = Run(process(case.process), network, case.times, case.start, normals, case.nfe, coefficients(own, case))
    return states(own, run_of)


def gap(one: list[Any], other: list[Any]) -> float:
    """The largest difference of two runs in any step, over the largest state from there on or 1; inf without one."""
    if len(one) != len(other):
        return np.inf
    difference, size = (np.abs(part).max(axis=1) for part in (np.array(one) - np.array(other), np.array(other)))
    return float(np.nan_to_num(difference / np.maximum(size, 1.0), nan=np.inf).max())


@cache
def cases(own: Scheme, on: str, longest: int = 8, budgets: int = 40) -> tuple[Case, ...]:
    """Runs on a process in which every step of a scheme occurs: whole ones, to t = 0, and budgets.

    longest  steps of whole runs
    budgets  the largest budget that is looked at for a step that occurs in none of the others
    """
    if on != "edm":  # what a run is made of does not depend on the process
        return tuple(replace(case, process=on) for case in cases(own, "edm", longest, budgets))
    ends = (False, True) if own.steps.final_to_zero else (False,)
    found = [Case(on, grid, longest, to_zero) for grid in GRIDS for to_zero in ends]
    missing = _without(own.steps.distinct, *(plan(own, case.times) for case in found))
    some = range(own.nfe_per_step + 1, 2 * own.nfe_per_step)  # a whole step and a rest
    for nfe, to_zero in product(range(1, budgets), ends):
        if not missing and nfe not in some:
            continue
        try:
            steps = planned(own, nfe, to_zero)
        except InputError:  # a budget that the scheme cannot spend
            continue
        left = _without(missing, steps)
        if nfe in some or len(left) < len(missing):
            found.append(Case(on, "long", len(steps), to_zero, nfe))
            missing = left
    return tuple(found)


def _without(steps: Iterable[Step], *runs: Iterable[Step]) -> list[Step]:
    """The steps that none of some runs takes."""
    seen = {step for run in runs for step in run}
    return [step for step in steps if step not in seen]
