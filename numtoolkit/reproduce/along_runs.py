"""Questions about runs, step by step and end to end, that claims are held against; `numtoolkit.reproduce.asked` lists
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product
from math import floor, log10
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.steps import START
from numtoolkit.errors import InputError
from numtoolkit.files.fitted_coefficients import FittedCoefficients
from numtoolkit.fitting import fit
from numtoolkit.laws import Gaussian, Law, law_of
from numtoolkit.measure import affine_map, error_curve, exact_flow, gaussian_flow, moments
from numtoolkit.measure.exact_networks import noised
from numtoolkit.measure.gaussian_moments import exact_marginal, wasserstein2
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.processes import Process, ScalarProcess
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.matrices import gaussian_networks
from numtoolkit.program.program import CONSTANT, Affine, Call, Program
from numtoolkit.program.runs import program_of
from numtoolkit.program.walk import Blocks, Walk, arrays_of, follow, handed
from numtoolkit.sampling.runner import sample
from numtoolkit.schemes import scheme as scheme_of

DIGITS = 12  # of agreement, more than which rounding takes
ROUGH = 7  # of slopes by differences, and of fits, whose equations lose the others
SPREAD = Gaussian(np.zeros(4), [1e-3, 0.1, 0.5, 2.0])  # data of several scales
LEVELS = 50.0, 0.02  # noise levels that runs on several processes go through
APART = 1e-5  # of the two times that a slope is taken over, relative
SEEDS = range(1_000_000, 1_000_064)  # a batch to fit on

Answer = dict[str, Any]


def digits(ours: Any, theirs: Any, most: int = DIGITS) -> int:
    """How many digits arrays share, relative to the largest number of the second, or to 1 where that is 0.

    ours, theirs   of shapes that go together
    most           that count
    """
    gap = float(np.abs(ours - theirs).max() / (np.abs(theirs).max() or 1.0))
    return min(most, floor(-log10(gap))) if gap else most


# --- the equation, and its errors


def semilinear(process: str, t: Sequence[float]) -> Answer:
    """To how many digits u' = -u + g at times t of a scalar process: of z / alpha in -log s with the data for g, and of
    z / sigma in log s with the noise.

    Slopes of alpha and sigma are differences of the kernel, good to 8 digits.
    """
    on, at = _scalar(process), np.array(t)
    f, by_noise = on.drift(at)[:, 0, 0], on.diffusion(at)[:, 0, 0] / (2 * on.kernel(at)[1][:, 0, 0])
    (e0, v0), (e1, v1) = (on.kernel(at * (1 + way * APART)) for way in (-1, 1))
    of_alpha = np.log(e1 / e0)[:, 0] / (2 * APART * at)
    of_sigma = np.log(v1 / v0)[:, 0, 0] / (4 * APART * at)
    # dz/dt = f z + by_noise sigma noise, where sigma noise = z - alpha data: u' as a number times u and one times g.
    found = {
        "data": np.array([f + by_noise - of_alpha, -by_noise]) / (of_alpha - of_sigma),
        "noise": np.array([f - of_sigma, by_noise]) / (of_sigma - of_alpha),
    }
    return {name: digits(own, np.array([[-1.0], [1.0]]), ROUGH) for name, own in found.items()}


def _scalar(process: str) -> ScalarProcess:
    on = process_of(process)
    if not isinstance(on, ScalarProcess):
        raise InputError(f"process {process!r} has no one noise level; take a scalar process, such as vp.")
    return on


def recursion(scheme: str, process: str, grid: str, steps: int, variance: float = 0.25) -> Answer:
    """To how many digits the error of a run is what defects of its rows make, each carried through the steps after it.

    A row is a stage or the new state; its defect is what it makes of exact values, less the exact value.
    scheme     a deterministic one, of `steps` of `grid` on `process`, a scalar one
    variance   of one coordinate of Gaussian data
    returns    "all" defects, and those of "steps alone"
    """
    program = program_of(scheme, _scalar(process), grid, steps=steps)
    one = np.array([variance])
    networks = gaussian_networks(program, one, np.zeros(1))
    run = float(affine_map(program, Gaussian(0.0, variance))[0][0, 0, 0])
    first, last = program.times[[0, -1]].tolist()
    wrong = run - float(gaussian_flow(program.process, one, first, last)[0, 0, 0])
    # Each name is (exact value, error by all defects, error by those of steps).
    names = {START: np.array([1.0, 0.0, 0.0]), CONSTANT: np.zeros(3)}
    for step in program.steps:
        times = {i.of: i.time for i in step.instructions if isinstance(i, Call)} | {step.out: step.end}
        begin = names[START][0]
        for i in step.instructions:
            if isinstance(i, Call):
                names[i.name] = networks[i.time][0][0, 0, 0] * names[i.of]
            else:
                assert isinstance(i, Affine)  # as the run draws nothing, which affine_map has seen to
                made = sum((block[0][0] * names[source] for source, block in i.terms), np.zeros(3))
                if i.name in times:
                    exact = begin * gaussian_flow(program.process, one, step.start, times[i.name])[0, 0, 0]
                    defect = made[0] - exact
                    made = np.array([exact, made[1] + defect, made[2] + defect * (i.name == step.out)])
                names[i.name] = made
        names = handed(0, step, names)
    _, every, alone = names[START]
    return {"all": digits(every, wrong), "steps alone": digits(alone, wrong)}


# --- evaluations, ends, gains


def scores_apart(schemes: Sequence[str], process: str, law: str, grid: str, steps: int, samples: int) -> Answer:
    """How far the scores of a step's first two evaluations lie apart, relative to the first, in root mean square.

    schemes   with two evaluations a step or more
    process, law, grid, steps   of the runs, with the exact network
    samples   of the law, whose exact marginal runs start from
    returns   the median and the largest over steps, of all blocks of the score
    """
    found: Answer = {}
    for name in schemes:
        of_steps = _scores(program_of(name, process, grid, steps=steps), law_of(law), samples)
        apart = [np.linalg.norm(own[1] - own[0]) / np.linalg.norm(own[0]) for own in of_steps if own[1:]]
        if not apart:
            raise InputError(f"scheme {name!r} evaluates once a step; take one of two evaluations, such as noba.")
        found |= {f"median of {name}": float(np.median(apart)), f"largest of {name}": float(max(apart))}
    return found


def _scores(program: Program, law: Law, samples: int) -> list[list[Floats]]:
    """The scores of every step at the evaluations of a run, each (blocks, samples, *law.shape)."""
    on, drawn = program.process, np.random.default_rng(0)
    start = noised(on, law, float(program.times[0]), tuple(range(samples)), 0)
    draw = arrays_of(program, start, lambda n, slot: [drawn.standard_normal(block.shape) for block in start])
    walk = Walk(program, start, draw)
    found: list[list[Floats]] = [[] for _ in program.steps]
    while walk.call is not None:
        z, t = walk.row, walk.time
        data = law.denoise(*on.observe(z, t))
        found[walk.step].append(np.tensordot(np.linalg.inv(on.noise(t)), np.stack(on.signal(data, t)) - z, 1))
        walk.send([data])
    return found


def to_data(schemes: Sequence[str], process: str, law: str, grids: Sequence[str], nfe: int) -> Answer:
    """What runs on grids end with beside the data: their Wasserstein-2 distance, over the deviation of the data, and
    "variance of" what they end with, over that of the data.

    schemes, grids    of runs on `process` with `nfe` evaluations, in every combination
    law               a Gaussian one
    """
    on, data, found = process_of(process), law_of(law), {}
    exact = exact_marginal(on, data, 0.0).block(0)
    total = exact.covariance.sum()
    for name, grid in product(schemes, grids):
        end = moments(name, on, data, grid, nfe).block(0)
        found[f"{name}, {grid}"] = wasserstein2(end, exact) / np.sqrt(total)
        found[f"variance of {name}, {grid}"] = end.covariance.sum() / total
    return found


def gains(
    schemes: Sequence[str], bases: Sequence[str], process: str, law: str, grid: str, nfe: int, value: str = "law"
) -> Answer:
    """By which factor the error of each of `bases` is above that of the scheme in its place among `schemes`.

    process, law, grid, nfe   of the runs
    value                     path or law
    """

    def error(name: str) -> float:
        (record,) = error_curve(name, process, law_of(law), grid, [nfe], metric=value)
        return float(record["error"])

    return {name: error(base) / error(name) for name, base in zip(schemes, bases, strict=True)}


# --- where a scheme runs, and as what


def runs(schemes: Sequence[str], process: str, grid: str, steps: int) -> Answer:
    """Whether schemes are defined on a process, for a run of so many `steps` of `grid`."""

    def runs_there(name: str) -> bool:
        try:
            return bool(program_of(name, process, grid, steps=steps).steps)
        except InputError:
            return False

    return {name: runs_there(name) for name in schemes}


def modes(scheme: str, process: str, grid: str, steps: int) -> Answer:
    """To how many digits a run on a process of many directions is, in each, a run on the scalar process of that one.

    scheme, grid, steps   of the runs, all over the same times
    process               one that takes directions apart, on a square image
    """
    on = process_of(process)
    if on.directions is None:
        raise InputError(f"process {process!r} takes no directions apart; take blurring(size=4).")
    basis, groups = on.directions.basis, on.directions.groups
    variances, times = np.geomspace(1.0, 0.01, len(groups)), grid_of(grid, on, steps)
    side = int(len(groups) ** 0.5)
    law = Gaussian(np.zeros((side, side)), (basis * variances) @ basis.T)
    whole = affine_map(program_of(scheme, on, times), law)[0][:, 0, 0]
    alone = [affine_map(program_of(scheme, on.modes[group], times), Gaussian(0.0, own))[0][0, 0, 0]
             for group, own in zip(groups, variances, strict=True)]  # fmt: skip
    return {"digits": digits(np.sort(whole), np.sort(alone))}


def same_levels(schemes: Sequence[str], processes: Sequence[str], steps: int) -> Answer:
    """To how many digits fitted schemes are one on scalar processes, over the same noise levels from 50 to 0.02.

    processes   the first is the one that others are compared to
    steps       of equal length in log s
    returns     "runs NAME": of z / alpha, with one table, drawn at random; "tables NAME": fitted to the exact flow on
                the infinite batch
    """
    levels, found = np.geomspace(*LEVELS, steps + 1), {}
    for own in map(scheme_of, schemes):
        maps, tables = [], []
        for on in map(_scalar, processes):
            times, drawn = on.time_of_level(levels), np.random.default_rng(0)
            table = fit(own, on, SPREAD, times, seeds=None, substeps=None)
            tables.append(np.array([step.values for step in table.steps]))
            for n in range(steps):
                table = _with(table, n, drawn.normal(size=len(table.names)))
            first, last = on.alpha(times[[0, -1]])
            program = program_of(own.with_table(table), on, times)
            maps.append(affine_map(program, SPREAD)[0][:, 0, 0] * first / last)
        found[f"runs {own.spec}"] = min(digits(each, maps[0], ROUGH) for each in maps[1:])
        found[f"tables {own.spec}"] = min(digits(each, tables[0], ROUGH) for each in tables[1:])
    return found


# --- fits and their targets


def normal_equations(schemes: Sequence[str], process: str, law: str, grid: str, steps: int, substeps: int) -> Answer:
    """To how many digits fitted coefficients c solve Q'Q c = Q'y, at the step where they do so worst.

    Q is by how much the state at the end of the step moves with each coefficient, and y what the state without them
    lacks to the base scheme over `substeps` steps: both by runs, with other tables.
    schemes                     fitted ones, without a cut of small singular values
    process, law, grid, steps   of the runs
    """
    found, data = {}, law_of(law)
    for own in map(scheme_of, schemes):
        table = fit(own, process, data, grid, steps=steps, substeps=substeps, seeds=SEEDS, cut=0.0)

        def states(given: FittedCoefficients, own: Any = own) -> Floats:
            run = sample(own.with_table(given), process, data, grid, steps=steps, seeds=list(SEEDS), trajectory=True,
                         dtype=np.float64)  # fmt: skip
            assert run.trajectory is not None
            return np.asarray(run.trajectory.states)

        along, worst = states(table), ROUGH
        for n, step in enumerate(table.steps):
            used = [j for j in range(len(table.names)) if step.values[j]]
            if not used:
                continue
            units = np.eye(len(table.names))
            plain = states(_with(table, n, 0 * units[0]))[n + 1]
            Q = np.stack([(states(_with(table, n, units[j]))[n + 1] - plain).ravel() for j in used], axis=1)
            finer = np.linspace(step.start, step.end, substeps + 1)
            fine = sample(own.base, process, data, finer, start=along[n]).samples
            Q, c = Q / (length := np.linalg.norm(Q, axis=0)), np.array(step.values)[used] * length
            worst = min(worst, digits(Q.T @ (Q @ c), Q.T @ (fine - plain).ravel(), ROUGH))
        found[own.spec] = worst
    return found


def _with(table: FittedCoefficients, n: int, values: Any) -> FittedCoefficients:
    """The table with other values at step n."""
    steps = list(table.steps)
    steps[n] = replace(steps[n], values=tuple(float(own) for own in values))
    return replace(table, steps=tuple(steps))


def targets(
    schemes: Sequence[str], process: str, law: str, grid: str, steps: int, substeps: int, samples: int
) -> Answer:
    """How far `substeps` steps end from the exact flow, over how far one step does, at the step where that is most.

    schemes   whose steps begin from exact states
    process, law, grid, steps   of the runs
    samples   of the law, whose exact marginal they start from
    """
    on, data, found = process_of(process), law_of(law), {}
    times = grid_of(grid, on, steps).tolist()
    for name in schemes:
        exact, ratios = noised(on, data, times[0], tuple(range(samples)), 0), []
        for start, end in pairwise(times):
            flow = exact_flow(on, data, exact, start, end)
            coarse, fine = (_left(name, on, data, np.linspace(start, end, n + 1), exact, flow) for n in (1, substeps))
            ratios.append(fine / coarse)
            exact = flow
        found[name] = max(ratios)
    return found


def _left(name: str, process: Process, law: Law, times: Floats, start: Blocks, exact: Blocks) -> float:
    """What a run over the times from the start is off by."""
    program = program_of(name, process, times)
    end = follow(Walk(program, start, arrays_of(program, start)), lambda z, t: [law.denoise(*process.observe(z, t))])
    return float(np.linalg.norm(np.stack(end) - np.stack(exact)))
