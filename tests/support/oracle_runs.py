"""Runs that programs and independent formulas share: network, normals, grids, and budgets that reach every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Place
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
STEPS = 8  # of a whole run
BUDGETS = range(1, 40)  # among which one is looked for that reaches a place which whole runs do not
# Parameters away from their defaults, at which weights may vanish or terms be equal.
OTHER = {
    "c2": "1/3", "c3": "3/4", "r_1": "1/4", "r_2": "1/2", "shift": "1/30", "tau": "1/2", "eta": "1/2",
    "sigma_data": "3/4", "mean": "1/3", "churn": "1", "cap": "3/2", "s_min": "1/3", "s_max": "20", "s_noise": "3/2",
    "gamma": "5/4", "shape_p": "7/4", "shape_c": "2/3",
}  # fmt: skip
# Members of families, openings and endings, and parameters at which a term vanishes.
FURTHER = """
heun(ending=lower) heun-edm(ending=lower) res-2s(ending=lower) dpmpp-2s(ending=lower) dpm-solver-2(ending=none)
res-3s(ending=lower) dpm-solver-3(ending=lower) etd3rk(ending=lower) etd4rk(ending=lower) krogstad-4(ending=none)
hochbruck-ostermann-4(ending=lower) lawson-4(ending=lower)
dpmpp-2m(ending=ddim) dpmpp-2m(opening=runge-kutta,ending=lower) res-2m(ending=lower) res-3m(opening=first)
dpmpp-3m(opening=first,ending=lower) dpmpp-3m-corrected(opening=runge-kutta,ending=ddim)
exp-adams(1) exp-adams(2) exp-adams(3) exp-adams(5,ending=none) exp-adams(6) exp-adams(4,opening=runge-kutta)
unipc(1) unipc(1,variant=bh1) unipc(2,variant=bh1) unipc(2,ending=ddim) unipc(3) unipc(3,ending=full) unipc(4)
rbf-solver(1) rbf-solver(2,predictor=rbf) rbf-solver(2,ending=full) rbf-solver(3,predictor=rbf,ending=ddim)
rbf-solver(4,predictor=rbf,shape_p=3,shape_c=4)
deis-tab(0) deis-tab(1) deis-tab(2,opening=runge-kutta,ending=lower) deis-tab(4) deis-tab(5)
deis-rhoab(0) deis-rhoab(1) deis-rhoab(2,opening=first) deis-rhoab(4) deis-rhoab(5,ending=ddim) lms(2) lms
ipndm(1) ipndm(2,ending=lower) ipndm(3,ending=zero) ipndm(4,opening=runge-kutta)
heun-edm-churn(s_noise=0) euler-churn(churn=0) dpm2-ancestral(eta=0) res-2m-ancestral(eta=0)
sde-dpmpp-2m(ending=lower) sa-solver(2) sa-solver(3,1) sa-solver(1,3) sa-solver(4,ending=lower) sa-solver(2,ending=full)
sa-solver(2,tau=0) sa-solver(2,s_min=1/5,s_max=10)
lambda-ddim-1(B=beta) lambda-ddim-2(B=time) lambda-ddim-1(B=optimal) lambda-ddim-2(B=optimal)
gframe-ab(1) gframe-ab(3) gframe-ab(4) gframe-ab(5) gframe-ab(3,tau=1) gframe-ab(2,tau=1/2,opening=first,ending=lower)
gframe-ab(3,opening=runge-kutta,ending=full) gframe-abm(1) gframe-abm(3) gframe-abm(5) gframe-abm(2,tau=1/2)
gframe-ab(3,tau=1,opening=runge-kutta) gframe-abm(4,ending=lower) gframe-abm(2,ending=full) gframe-abm(2,ending=ddim)
dpmpp-2m(frozen=noise) dpmpp-3m(frozen=noise,ending=lower) exp-adams(2,frozen=noise) exp-adams(4,frozen=noise)
stork-2(2) stork-2(2,nodes=gegenbauer,substeps=3) stork-2(substeps=2) stork-2(nodes=gegenbauer)
stork-2(frozen=noise,substeps=2) stork-2(frozen=noise,substeps=4) stork-2(frozen=noise,nodes=gegenbauer,substeps=3)
gradient-estimation(gamma=1) gradient-estimation(ending=zero) dpmpp-2s-ancestral(eta=0) er-sde(1) er-sde(2)
dpmpp-2sa-cfgpp(eta=0)
euler-ancestral-cfgpp(eta=0) seeds-2(frozen=data) seeds-3(frozen=data) seeds-3(ending=lower)
sde-dpmpp-2m(solver=heun) sde-dpmpp-3m(ending=ddim)
iia-ddim(one) iia-ddim(guided) biia-edm(0) biia-edm(2) biia-edm(3) iia-edm(0) iia-edm(2) iia-edm(3)
""".split()

process = cache(processes.process)


def network(z: Any, t: float) -> Any:
    """A smooth bounded data prediction that no scheme integrates exactly, and that tells times apart."""
    return np.tanh(0.8 * z / (1 + t) + 0.3) - 0.4 * np.cos(1.7 * np.sqrt(t))


def unguided(z: Any, t: float) -> Any:
    """Another one, the second output of a network that is guided."""
    return np.tanh(0.5 * z / (1 + t) - 0.2) + 0.3 * np.sin(1.3 * np.sqrt(t))


def normals(step: int, slot: int) -> Any:
    """Standard normals of a noise, the same for every run."""
    return np.random.default_rng([step, slot]).standard_normal(len(STARTS))


@dataclass(frozen=True)
class Case:
    """A run of N steps, or of a budget, on a process and a grid of `GRIDS`, perhaps to t = 0.

    values  of parameters that the scheme leaves open; it takes the others at their defaults
    """

    process: str
    grid: str
    steps: int
    to_zero: bool = False
    nfe: int | None = None
    values: tuple[tuple[str, Fraction], ...] = ()

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
def coefficients(names: tuple[str, ...], steps: int) -> dict[str, Any]:
    """Fitted coefficients of those names, (steps,) each: another number for every step."""
    rng = np.random.default_rng(3)
    return {name: rng.uniform(-0.3, 0.3, steps) for name in names}


def program_of(own: Scheme, case: Case) -> Program:
    """The program of a case."""
    on, own = process(case.process), own.bind(**dict(case.values))
    if own.fitted:
        own = own.with_table(table_of(own, on, case.times, coefficients(own.fitted, case.steps)))
    return lower(own, on, case.times, "data", case.nfe)


def states_of(program: Program, case: Case) -> list[Any]:
    """The state after each step of a program."""
    seen: list[Any] = []
    run(
        program,
        lambda z, t: [network(z[0], t), *([unguided(z[0], t)] if program.both else [])],
        [case.start],
        lambda step, slot: [normals(step, slot)],
        watch=lambda n, step, z, latest: seen.append(z[0]),
    )
    return seen


@cache
def formula_of(own: Scheme, case: Case) -> list[Any]:
    """The state after each step by the independent formula of a scheme."""
    table = coefficients(own.fitted, case.steps)
    of_case = Run(process(case.process), network, case.times, case.start, normals, case.nfe, table, unguided)
    return states(own.bind(**dict(case.values)), of_case)


def gap(one: list[Any], other: list[Any]) -> float:
    """The largest difference of two runs in any step, over the largest state there or 1; inf where there is none."""
    if len(one) != len(other):
        return np.inf
    difference, size = (np.abs(part).max(axis=1) for part in (np.array(one) - np.array(other), np.array(other)))
    return float(np.nan_to_num(difference / np.maximum(size, 1.0), nan=np.inf).max())


@cache
def cases(own: Scheme, on: str) -> tuple[Case, ...]:
    """Runs on a process in which the step at every place of a scheme occurs: whole ones, to t = 0, and budgets.

    Where parameters are open there are two more runs with other values of them.
    """
    if on != "edm":  # what a run is made of does not depend on the process
        return tuple(replace(case, process=on) for case in cases(own, "edm"))
    ends = (False, True) if own.steps.final_to_zero else (False,)
    found = [Case(on, grid, STEPS, to_zero) for grid in GRIDS for to_zero in ends]
    missing = {at for at, _ in own.steps.places()}.difference(*(places(own, case) for case in found))
    some = range(own.nfe_per_step + 1, 2 * own.nfe_per_step)  # a whole step and a rest
    for nfe, to_zero in product(BUDGETS, ends):
        if not missing and nfe not in some:
            continue
        try:
            case = Case(on, "short", len(planned(own, nfe, to_zero)), to_zero, nfe)
        except InputError:  # a budget that the scheme cannot spend
            continue
        if nfe in some or missing & places(own, case):
            found.append(case)
            missing -= places(own, case)
    bound = dict(own.values)
    others = tuple((p.name, Fraction(OTHER[p.name])) for p in own.params if p.name not in bound)
    return (*found, *(replace(case, values=others) for case in found[: len(ends)] if others))


@cache
def places(own: Scheme, case: Case) -> frozenset[Place]:
    """The places whose steps a run takes."""
    apart = told_apart(own)
    names = {id(step): at for at, step in apart.steps.places()}
    taken = {names[id(step)] for step in plan(apart, case.times, case.nfe)}
    if case.to_zero and own.steps.final_to_zero == own.steps.inner:  # which then stands for it
        taken.add(("final_to_zero", 0))
    return frozenset(taken)


@cache
def told_apart(own: Scheme) -> Scheme:
    """The scheme with an object of its own for the step at every place, equal as some are."""
    return replace(own, steps=own.steps.map(lambda _, step: replace(step)))
