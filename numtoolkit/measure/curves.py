"""Error against network evaluations: what a scheme does to a law whose network is exact.

Errors are those of the data part of the state at the end of the grid. Three metrics, by kind of scheme and law:

    relative-rms        ODE schemes: RMS over samples and coordinates against the exact flow from the same start, over
                        the RMS of the exact end points; `median` is that of the median sample
    wasserstein2        SDE schemes, Gaussian law: distance of the final law from the exact marginal, without samples
    sliced-wasserstein  SDE schemes, other laws: between equally many samples of the run and of the exact marginal, with
                        `low` and `high` of its 95 % interval, and `floor`, the value for two sets from the marginal

Runs start and draw as `numtoolkit.sample` does for the same seeds, but from the exact marginal where a grid starts
below T.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, lower_factor
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, counted
from numtoolkit.laws import Gaussian, Law, law_of
from numtoolkit.measure.distances import GROUPS, relative_rms, sliced_wasserstein
from numtoolkit.measure.flows import exact_flow
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Program, lower, problem_of
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, normals
from numtoolkit.sampling.state import Origin, coloured, origin
from numtoolkit.schemes import scheme as scheme_of

Record = dict[str, Any]
Seeds = tuple[int, ...]
SAMPLES = {"relative-rms": 64, "wasserstein2": 0, "sliced-wasserstein": 1024}  # of each metric, unless seeds are given
FEWEST = {"relative-rms": 1, "wasserstein2": 0, "sliced-wasserstein": GROUPS}  # of each metric
OVERFLOW = "the run left the finite numbers; give it more evaluations or a denser grid."


def error_curve(
    scheme: str | Scheme,
    process: str | Process,
    law: str | Law,
    grid: str | Sequence[float] | Floats,
    nfe: Iterable[int],
    seeds: Iterable[int] | None = None,
) -> list[Record]:
    """The error of a scheme at each budget of network evaluations.

    Of a stochastic scheme it is that of the law at the end, from a law at the start that is exact or nearly so: slopes
    are those of the order of the marginal (`sde_marginal`), not of the transition.
    scheme, process, law   as objects or specifications, "ddim", "edm", "mixture(dim=2)"
    grid     as for `numtoolkit.problem.grids.grid`; its last time may be 0. On one that rises, from the data to noise,
             runs start from the exact marginal at its first time
    seeds    one a sample; None is 0..63 against the exact flow, 0..1023 for sliced-wasserstein
    returns  a record {scheme, nfe, steps, plan, metric, error, median} a budget: `plan` says how the steps spend what
             whole steps do not, else null; median is null but for relative-rms; the fields of the interval beside it. A
             budget the scheme cannot spend, or whose run overflows, has error null and says `why`
    raises   InputError for a process the scheme is not declared on, and for a grid or law that cannot be used
    cost     the exact flow once for all schemes and budgets of one process, law, pair of grid ends and seeds; a law is
             that of another call where it is the same object
    """
    scheme, process, law = scheme_of(scheme), process_of(process), law_of(law)
    problem_of(scheme, process)
    to_zero = grid_of(grid, process, 2 if isinstance(grid, str) else None)[-1] == 0
    metric = metric_of(scheme, law)
    drawn = tuple(range(SAMPLES[metric]) if seeds is None else seeds)
    check_samples(scheme, law, len(drawn))
    records = []
    for budget in nfe:
        record: Record = {"scheme": scheme.spec, "nfe": budget, "steps": None, "plan": None, "metric": metric}
        record |= {"error": None, "median": None}
        with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
            try:
                steps = len(planned(scheme, budget, to_zero))
                program = lower(scheme, process, grid_of(grid, process, steps), nfe=budget)
            except InputError as refusal:
                records.append(record | {"why": str(refusal)})
                continue
            measured = _measured(metric, program, law, drawn)
        filled = evaluations(scheme, steps, to_zero) != budget
        record |= {"steps": steps, "plan": program.plan if filled else None}
        record |= measured if np.isfinite(measured["error"]) else {"why": OVERFLOW}
        records.append(record)
    return records


def metric_of(scheme: Scheme, law: Law) -> str:
    """The metric that judges a scheme on a law: a key of SAMPLES, which the head of this file explains."""
    if scheme.kind == "ode":
        return "relative-rms"
    return "wasserstein2" if isinstance(law, Gaussian) else "sliced-wasserstein"


def check_samples(scheme: Scheme, law: Law, count: int) -> None:
    """Refuse, before anything is computed, a count of samples that is too small for the metric of a scheme on a law."""
    metric = metric_of(scheme, law)
    if count < FEWEST[metric]:
        raise InputError(
            f"{counted(count, 'sample')} are too few for {metric} of {scheme.spec}; give {FEWEST[metric]}."
        )


def _measured(metric: str, program: Program, law: Law, seeds: Seeds) -> Record:
    """The error of a run and what stands beside it; an error that is not finite for a run that overflows."""
    if metric == "relative-rms":
        return _flow_error(program, law, seeds)
    return _law_distance(program, law) if metric == "wasserstein2" else _sample_distance(program, law, seeds)


def _flow_error(program: Program, law: Law, seeds: Seeds) -> Record:
    exact = _flow_end(program.process, law, *_ends(program), seeds)  # type: ignore[arg-type]  # laws hash by identity
    error = relative_rms(_run(program, law, seeds), exact)
    return {"error": error.rms, "median": error.median}


def _law_distance(program: Program, law: Law) -> Record:
    process, (first, last) = program.process, _ends(program)
    final = moments(program, law=law, start=exact_marginal(process, law, first) if first < process.T else None)
    if not np.isfinite(final.covariance).all():
        return {"error": np.inf}
    return {"error": wasserstein2(final.block(0), exact_marginal(process, law, last).block(0))}


def _sample_distance(program: Program, law: Law, seeds: Seeds) -> Record:
    samples = _run(program, law, seeds)
    if not np.isfinite(samples).all():
        return {"error": np.inf}
    exact, floor = _marginal_samples(program.process, law, _ends(program)[1], seeds)  # type: ignore[arg-type]
    distance = sliced_wasserstein(samples, exact)
    return {"error": distance.value, "low": distance.low, "high": distance.high, "floor": floor}


def _ends(program: Program) -> tuple[float, float]:
    return program.steps[0].start, program.steps[-1].end


def _run(program: Program, law: Law, seeds: Seeds) -> Floats:
    """The data part of the final states, (len(seeds), *law.shape)."""
    process = program.process

    def network(z: list[Floats], t: float) -> list[Floats]:
        return [law.denoise(*process.observe(z, t))] * (1 + program.both)  # without guidance both outputs agree

    first = program.steps[0].start
    noise = _origin(process, law, first, seeds).noise(range(len(seeds)))
    final: Floats = run(program, network, _start(process, law, first, seeds), noise)[0]
    return final


@lru_cache(maxsize=8)
def _flow_end(process: Process, law: Law, t0: float, t1: float, seeds: Seeds) -> Floats:
    return exact_flow(process, law, _start(process, law, t0, seeds), t0, t1)[0]


@lru_cache(maxsize=8)
def _marginal_samples(process: Process, law: Law, t: float, seeds: Seeds) -> tuple[Floats, float]:
    """The data part of samples of the marginal at t, and their sliced distance from as many others."""
    exact, other = (_noised(process, law, t, seeds, part)[0] for part in (1, 2))
    return exact, sliced_wasserstein(exact, other).value


def _origin(process: Process, law: Law, t: float, seeds: Seeds) -> Origin:
    return origin(process, t, seeds, None, law.shape, np.float64, None)


def _start(process: Process, law: Law, t: float, seeds: Seeds) -> list[Floats]:
    if t < process.T:
        return _noised(process, law, t, seeds, 0)
    return _origin(process, law, t, seeds).blocks(range(len(seeds)))


def _noised(process: Process, law: Law, t: float, seeds: Seeds, part: int) -> list[Floats]:
    """Samples of the marginal at t; parts are independent of one another and of the noise of runs."""
    e, sigma = process.kernel(np.array([t]))
    xi = normals(seeds, START, 1 + part, (process.blocks, *law.shape))
    noise = coloured(lower_factor(sigma)[0], np.moveaxis(xi, 1, 0))
    data = law.sample(len(seeds), part)
    return [e[0, i] * data + block for i, block in enumerate(noise)]
