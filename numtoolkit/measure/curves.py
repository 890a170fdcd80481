"""Error against network evaluations: what a scheme does to a law whose network is exact.

Errors are those of the data part of the state at the end of the grid. Three metrics, by kind of scheme and law:

    relative-rms        ODE schemes: RMS over samples and coordinates against the exact flow from the same start, over
                        the RMS of the exact end points; `median` is that of the median sample
    wasserstein2        SDE schemes, Gaussian law: distance of the final law from the exact marginal, without samples
    sliced-wasserstein  SDE schemes, other laws: between equally many samples of the run and of the exact marginal, with
                        `low` and `high` of its 95 % interval, and `floor`, the value for two sets from the marginal

Runs start from normal noise with the covariance of process.prior(), or from the exact marginal where a grid starts
below T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian, Law
from numtoolkit.measure.distances import relative_rms, sliced_wasserstein
from numtoolkit.measure.flows import exact_flow
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Program, lower, problem_of
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, STEP, normals

Record = dict[str, Any]
Seeds = tuple[int, ...]
OVERFLOW = "the run left the finite numbers; give it more evaluations or a denser grid."


def error_curve(
    scheme: Scheme,
    process: Process,
    law: Law,
    grid: str | Sequence[float] | Floats,
    nfe: Iterable[int],
    seeds: Iterable[int] | None = None,
) -> list[Record]:
    """The error of a scheme at each budget of network evaluations.

    grid     as for `numtoolkit.problem.grids.grid`; its last time may be 0
    seeds    one a sample; None is 0..63 against the exact flow, 0..1023 for sliced-wasserstein
    returns  a record {scheme, nfe, steps, plan, metric, error, median} a budget: `plan` says how the steps spend what
             whole steps do not, else null; median is null but for relative-rms; the fields of the interval beside it. A
             budget the scheme cannot spend, or whose run overflows, has error null and says `why`
    raises   InputError for a process the scheme is not declared on, and for a grid or law that cannot be used
    cost     the exact flow once for all schemes and budgets of one process, law, pair of grid ends and seeds
    """
    problem_of(scheme, process)
    to_zero = grid_of(grid, process, 2 if isinstance(grid, str) else None)[-1] == 0
    metric, measure, count = _metric(scheme, law)
    drawn = tuple(range(count) if seeds is None else seeds)
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
            found = measure(program, law, drawn)
        filled = evaluations(scheme, steps, to_zero) != budget
        record |= {"steps": steps, "plan": program.plan if filled else None}
        record |= found if np.isfinite(found["error"]) else {"why": OVERFLOW}
        records.append(record)
    return records


def _metric(scheme: Scheme, law: Law) -> tuple[str, Callable[[Program, Law, Seeds], Record], int]:
    """Name, measure (whose error is not finite for a run that overflows) and default number of samples."""
    if scheme.kind == "ode":
        return "relative-rms", _flow_error, 64
    if isinstance(law, Gaussian):
        return "wasserstein2", _law_distance, 0
    return "sliced-wasserstein", _sample_distance, 1024


def _flow_error(program: Program, law: Law, seeds: Seeds) -> Record:
    exact = _flow_end(program.process, law, *_ends(program), seeds)  # type: ignore[arg-type]  # laws hash by identity
    error = relative_rms(_run(program, law, seeds), exact)
    return {"error": error.rms, "median": error.median}


def _law_distance(program: Program, law: Law, seeds: Seeds) -> Record:
    process, (first, last) = program.process, _ends(program)
    final = moments(program, law, exact_marginal(process, law, first) if first < process.T else None)
    if not np.isfinite(final.covariance).all():
        return {"error": np.inf}
    return {"error": wasserstein2(final.block(0), exact_marginal(process, law, last).block(0))}


def _sample_distance(program: Program, law: Law, seeds: Seeds) -> Record:
    found = _run(program, law, seeds)
    if not np.isfinite(found).all():
        return {"error": np.inf}
    exact, floor = _marginal_samples(program.process, law, _ends(program)[1], seeds)  # type: ignore[arg-type]
    distance = sliced_wasserstein(found, exact)
    return {"error": distance.value, "low": distance.low, "high": distance.high, "floor": floor}


def _ends(program: Program) -> tuple[float, float]:
    return program.steps[0].start, program.steps[-1].end


def _run(program: Program, law: Law, seeds: Seeds) -> Floats:
    """The data part of the final states, (len(seeds), *law.shape)."""
    process = program.process

    def network(z: list[Floats], t: float) -> list[Floats]:
        return [law.denoise(*process.observe(z, t))]

    def noise(step: int, slot: int) -> list[Floats]:
        return _normals(process, law, seeds, STEP + slot, step)

    final: Floats = run(program, network, _start(process, law, program.steps[0].start, seeds), noise)[0]
    return final


@lru_cache(maxsize=8)
def _flow_end(process: Process, law: Law, t0: float, t1: float, seeds: Seeds) -> Floats:
    return exact_flow(process, law, _start(process, law, t0, seeds), t0, t1)[0]


@lru_cache(maxsize=8)
def _marginal_samples(process: Process, law: Law, t: float, seeds: Seeds) -> tuple[Floats, float]:
    """The data part of samples of the marginal at t, and their sliced distance from as many others."""
    exact, other = (_noised(process, law, t, seeds, part)[0] for part in (1, 2))
    return exact, sliced_wasserstein(exact, other).value


def _start(process: Process, law: Law, t: float, seeds: Seeds) -> list[Floats]:
    if t < process.T:
        return _noised(process, law, t, seeds, 0)
    return _coloured(process.prior(), _normals(process, law, seeds, START, 0))


def _noised(process: Process, law: Law, t: float, seeds: Seeds, part: int) -> list[Floats]:
    """Samples of the marginal at t; parts are independent of one another and of the noise of runs."""
    e, sigma = (array[0] for array in process.kernel(np.array([t])))
    data = law.sample(len(seeds), part)
    noise = _coloured(sigma, _normals(process, law, seeds, START, 1 + part))
    return [e[i] * data + n for i, n in enumerate(noise)]


def _coloured(covariance: Floats, noise: list[Floats]) -> list[Floats]:
    values, vectors = np.linalg.eigh(covariance)
    factor = vectors * np.sqrt(np.maximum(values, 0))
    return list(np.tensordot(factor, np.stack(noise), 1))


def _normals(process: Process, law: Law, seeds: Seeds, purpose: int, step: int) -> list[Floats]:
    return list(np.moveaxis(normals(seeds, purpose, step, (process.blocks, *law.shape)), 1, 0))
