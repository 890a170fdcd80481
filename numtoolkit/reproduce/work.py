"""What a cell computes: a function of its data alone for each kind of work, and the makers of such cells.

All specifications in a cell are resolved: they say every parameter of a law, and the digest of what a scheme, a table
or a file holds, so that a result belongs to what it was computed from and to nothing that has its name later. Numbers
of results are rounded to DIGITS: machines and thread counts differ in the last bits, not in these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from numtoolkit import plots, references
from numtoolkit.arrays import split
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.result_store import Cell
from numtoolkit.fitting import fit
from numtoolkit.laws import Gaussian, Law
from numtoolkit.laws.named import is_law
from numtoolkit.measure import error_curve
from numtoolkit.measure import stability as measured
from numtoolkit.measure.curves import metric_of, metrics_of
from numtoolkit.measure.distances import Ratio, relative_rms
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.measure.planes import Plane
from numtoolkit.measure.step_defects import StepDefects, step_defects
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.budget import planned
from numtoolkit.program.runs import program_of
from numtoolkit.reproduce.asked import answer
from numtoolkit.reproduce.peer_cells import able, against
from numtoolkit.reproduce.pictures import draw, draw_exactly
from numtoolkit.reproduce.ratios import compared
from numtoolkit.reproduce.subjects import (
    CLAIMED,
    DTYPE,
    TILE,
    conditions_of,
    guided,
    law_and_process,
    law_at,
    process_name,
    resolved_law,
    scheme_at,
    scheme_facts,
    sources_of,
    unchanged,
    usual_samples,
)

DIGITS = 6  # significant ones of measured numbers
CHECKED = 4  # of them, that a result computed again must share
ERRORS = ("error", "median", "low", "high", "path", "law")  # of a record, null where they were not measured
BESIDE = (
    "path_low", "path_high", "law_low", "law_high", "floor", "excess", "excess_low", "excess_high", "frechet",
    "frechet_floor",
)  # fmt: skip
COLUMNS = ("steps", "plan", *ERRORS, *BESIDE, "why")  # of a curve, a value a budget
ALONE = ("steps", "plan", "error", "median", "floor", "why")  # of one by a single metric, of which there are hundreds

GRID, PILOT, OWN = "grid", "pilot", "own"  # where the steps of a run come from
FOUND = ("nfe", "steps", "error", "median", "low", "high", "why")  # of a run beside the tolerance that found its steps

THREADS = "OMP_NUM_THREADS"
REACHED = (0.1, 1.0, 10.0)  # scales at which the reach of a plane is told

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """A kind of work.

    run       data of a cell -> plain data
    absolute  key -> how much a number under it may differ when it is computed again, whatever its size
    packages  that decide it, beside those of every result
    able      of the data of a cell, whether this machine has what it takes beside this package and those
    """

    run: Callable[..., Any]
    absolute: Mapping[str, float] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    able: Callable[[Data], bool] = lambda data: True


def compute(cell: Cell) -> Any:
    """The result of a cell: plain data, rounded; the same in any order, process and number of workers.

    raises   InputError for data that no longer describe what is there: a scheme or file that has changed
    """
    data = dict(cell.data)
    sources = data.pop("sources", {})
    with _one_thread():
        found = rounded(WORK[cell.kind].run(**data))
    for reference, sha256 in sources.items():
        if references.digest_of(reference) != sha256:
            raise InputError(f"{reference!r} has changed since its results were asked for; run again.")
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrix products here are small: more threads take longer, and sum in an order of their own.

    A library that is loaded meanwhile, as torch is by the first network, asks the environment and keeps to one.
    """
    before = os.environ.get(THREADS)
    os.environ[THREADS] = "1"
    try:
        with threadpool_limits(1):
            yield
    finally:
        if before is None:
            del os.environ[THREADS]
        else:
            os.environ[THREADS] = before


def rounded(value: Any) -> Any:
    """Plain data with every float at DIGITS significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def difference(cell: Cell, kept: Any, again: Any) -> str:
    """Where a result that was computed again is another one, to CHECKED digits; nothing where it is the same.

    cell         whose result it is; where it names the dtype of a network, a number may differ by ROUGH of that as well
    kept, again  plain data
    """
    rough = ROUGH[cell.data.get("dtype", DTYPE)]
    absolute = {key: max(own, rough) for key, own in WORK[cell.kind].absolute.items()}
    return _difference(kept, again, "", 0.0, absolute)


def _difference(kept: Any, again: Any, where: str, slack: float, absolute: Mapping[str, float]) -> str:
    numbers = [x for x in (kept, again) if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(numbers) == 2:
        near = abs(kept - again) <= max(slack, 10.0**-CHECKED * max(abs(kept), abs(again)))
        return "" if near else f"{where or 'it'} was {kept} and is {again}"
    if isinstance(kept, Mapping) and isinstance(again, Mapping) and kept.keys() == again.keys():
        parts = ((f"{where}.{key}" if where else key, key, kept[key], again[key]) for key in kept)
        found = (_difference(a, b, name, absolute.get(key, slack), absolute) for name, key, a, b in parts)
        return next(filter(None, found), "")
    if isinstance(kept, list) and isinstance(again, list) and len(kept) == len(again):
        found = (_difference(a, b, f"{where}[{i}]", slack, absolute) for i, (a, b) in enumerate(zip(kept, again)))  # noqa: B905
        return next(filter(None, found), "")
    return "" if kept == again else f"{where or 'it'} has changed"


# --- makers of cells


def order_cell(scheme: str) -> Cell:
    """What `verify` says of a scheme, its claims among it."""
    return Cell.of("orders", **scheme_facts(scheme, CLAIMED), **sources_of(scheme))


def curve_cell(
    scheme: str,
    process: str,
    law: str,
    grids: Sequence[str],
    nfe: Sequence[int],
    samples: int = 0,
    network_error: float = 0.0,
    metric: str | None = None,
    reference: int = 0,
    classes: int = 0,
    guidance: float = 1.0,
    dtype: str = DTYPE,
    first: int = 0,
    substeps: int = 0,
) -> Cell:
    """The error curves of a scheme on some grids.

    scheme, process, law, grids   specifications
    nfe      budgets of network evaluations
    samples  number of seeds, 0 for as many as each metric needs
    network_error   as `size` of `numtoolkit.laws.imperfect.Imperfect`; 0 for the exact network
    metric   "path" or "law" for that alone, without what else stands in records; None for both
    reference, classes, guidance, dtype   as of `numtoolkit.reproduce.kinds.Errors`
    first    seed; those of the reference follow on the last
    substeps of the target of a fitted scheme, whose coefficients are fitted for each budget; 0 for none
    """
    about = law_and_process(process, law) | sources_of(scheme, process, law)
    metrics = metrics_of(scheme_at(scheme), process_of(process), law_at(*resolved_law(law).values()), metric)
    seeds = {each: samples or usual_samples(law)[each] for each in metrics}
    return Cell.of(
        "curve",
        **scheme_facts(scheme),
        **about,
        grids=list(map(resolved, grids)),
        nfe=list(nfe),
        seeds=seeds,
        given=bool(samples),
        network_error=network_error or None,
        metric=metric,
        reference=reference or None,
        classes=classes or None,
        guidance=None if guidance == 1 else guidance,
        dtype=None if dtype == DTYPE else dtype,
        first=first or None,
        substeps=substeps or None,
    )


def found_steps_cell(
    scheme: str, corrected: bool, steps: str, process: str, law: str, grid: str, samples: int, **asked: Any
) -> Cell:
    """The errors along paths of a scheme whose steps are those of a grid, of a pilot run, or of each sample's own.

    scheme, process, law, grid   specifications; where steps are found the ends of the grid alone matter
    corrected  whether it goes on from its companions
    steps      grid, pilot or own
    samples    number of seeds
    asked      nfe, budgets, where steps are not each sample's own; tolerances where they are found, one of a pilot
    """
    about = law_and_process(process, law) | sources_of(scheme, process, law)
    return Cell.of("found-steps", **scheme_facts(scheme, CLAIMED), **about, grid=resolved(grid), samples=samples,
                   steps=steps, corrected=corrected or None, **asked)  # fmt: skip


def curve_records(scheme: str, data: Data, grid: int = 0) -> list[dict[str, Any]]:
    """The records of an error curve, as `numtoolkit.measure.error_curve` returns them, rounded.

    scheme   of the cell
    data     result of a `curve_cell`
    grid     number of its grid
    """
    spec, columns = scheme_at(scheme).spec, data["curves"][grid]
    records = []
    for i, nfe in enumerate(data["nfe"]):
        record = {"scheme": spec, "nfe": nfe, "steps": None, "plan": None, "metric": data["metric"]}
        record |= dict.fromkeys(ERRORS)
        given = {key: columns[key][i] for key in COLUMNS if key in columns}
        records.append(record | {key: value for key, value in given.items() if value is not None})
    return records


def stability_cell(
    scheme: str, linear: Sequence[float], process: str, variance: float, size: int, **plane: Any
) -> Cell:
    """Where a scheme is stable, as `numtoolkit.measure.stability.stability` has it.

    scheme    its specification
    linear    values of h L
    process   its specification, "" for the choice of `stability`
    variance  of a coordinate of the data, on a process
    size      points along each axis of a map
    plane     of, the kind, where it is not the choice of `stability`; grid and nfe of whole runs
    """
    about = {"linear": list(linear), "process": process_name(process) if process else None, "variance": variance}
    plane |= {"grid": resolved(plane["grid"])} if plane.get("grid") else {}
    return Cell.of("stability", **scheme_facts(scheme), **about, size=size, **plane, **sources_of(scheme, process))


def drawn_stability(data: Data) -> plots.Boundary | measured.StepLimit | Plane:
    """What a figure shows of one of the results of a `stability_cell`."""
    if "value" in data:
        value = [[np.inf if v is None else np.nan if v < 0 else v for v in row] for row in data["value"]]
        x, y = (np.array(data[key], dtype=float) for key in "xy")
        return Plane(data["scheme"], data["kind"], data["panel"], x, y, np.array(value, dtype=float))
    if "t" not in data:
        lines = (np.array(axes).T for axes in zip(data["x"], data["y"], strict=True))
        return plots.Boundary(data["scheme"], data["panel"], tuple(lines))
    t, h, longest = (np.array(data[key], dtype=float) for key in ("t", "longest_stable_step", "longest"))
    return measured.StepLimit(data["scheme"], data["panel"], t, np.nan_to_num(h, nan=np.inf), longest)


def defects_cell(scheme: str, process: str, law: str, grid: str, nfe: int, samples: int) -> Cell:
    """What each step of a run of a scheme misses, as `numtoolkit.step_defects` has it.

    scheme, process, law, grid   specifications
    nfe      evaluations
    samples  seeds 0 .. samples - 1, of a law that is not Gaussian
    """
    about = law_and_process(process, law) | sources_of(scheme, process, law)
    return Cell.of("defects", **scheme_facts(scheme), **about, grid=resolved(grid), nfe=nfe, samples=samples)


def drawn_defects(cell: Cell, data: Data) -> StepDefects:
    """What a figure shows of the result of a `defects_cell`."""
    process, grid = (str(cell.data[key]) for key in ("process", "grid"))
    program = program_of(scheme_at(str(cell.data["scheme"])), process_of(process), grid, int(cell.data["nfe"]))
    return StepDefects(program, data["law"], *(np.array(data[key]) for key in ("state", "noise", "deviation")))


# --- kinds of work


def _orders(scheme: str, scheme_sha256: str) -> dict[str, Any]:
    from numtoolkit.symbolic.verdict import verify

    found = unchanged(scheme, scheme_sha256, CLAIMED)
    verdict = verify(found)
    own = {
        name: getattr(verdict, name) for name in ("claimed", "derived", "run", "run_marginal", "verdict", "holds", "ok")
    }
    for name in ("claimed", "derived"):  # that of a companion is of another run, which no table here shows
        own[name] = {key: order for key, order in own[name].items() if key != "companion"}
    return {"scheme": found.spec, "family": found.family, "nfe_per_step": found.nfe_per_step} | own


def _curve(
    scheme: str,
    scheme_sha256: str,
    process: str,
    law: str,
    grids: Sequence[str],
    nfe: Sequence[int],
    seeds: Mapping[str, int],
    given: bool,
    law_sha256: str | None = None,
    network_error: float = 0.0,
    metric: str | None = None,
    reference: int = 0,
    classes: int = 0,
    guidance: float = 1.0,
    dtype: str = DTYPE,
    first: int = 0,
    substeps: int = 0,
) -> dict[str, Any]:
    found, on = unchanged(scheme, scheme_sha256), guided(law_at(law, law_sha256, network_error, dtype), guidance)
    count = max(seeds.values())
    how: dict[str, Any] = {"metric": metric} | ({} if is_law(on) else {"tile": TILE})
    how |= {"reference": range(first + count, first + count + reference)} if reference else {}
    how |= {"conditions": conditions_of(classes, count + reference)} if classes else {}
    drawn = range(first, first + count) if given else None
    curves = [
        _fitted_curve(found, process_of(process), on, grid, nfe, substeps, drawn, **how)
        if substeps
        else error_curve(found, process_of(process), on, grid, nfe, drawn, **how)
        for grid in grids
    ]
    wanted = COLUMNS if metric is None else ALONE
    columns = [{key: [record.get(key) for record in curve] for key in wanted} for curve in curves]
    used = [{key: column for key, column in own.items() if any(x is not None for x in column)} for own in columns]
    return {"metric": metric_of(found, process_of(process), on, metric), "nfe": nfe, "curves": used}


def _fitted_curve(
    scheme: Scheme, process: Process, on: Any, grid: str, nfe: Sequence[int], substeps: int, seeds: Any, **how: Any
) -> list[dict[str, Any]]:
    """The error curve of a scheme whose coefficients are fitted anew for each budget, on other samples."""
    records = []
    for n in nfe:
        try:
            own = scheme.with_table(fit(scheme, process, on, grid, n, substeps=substeps))
        except InputError as refusal:  # of a budget that leaves no coefficient to fit
            records.append({"nfe": n, "why": str(refusal)})
            continue
        records += error_curve(own, process, on, grid, [n], seeds, **how)
    return records


def _found_steps(
    scheme: str,
    scheme_sha256: str,
    process: str,
    law: str,
    grid: str,
    samples: int,
    steps: str,
    nfe: Sequence[int] = (),
    tolerances: Sequence[float] = (),
    corrected: bool = False,
    law_sha256: str | None = None,
) -> list[dict[str, Any]]:
    from numtoolkit.sampling.adaptive import adaptive_grid, spread

    found, on, at = unchanged(scheme, scheme_sha256, CLAIMED), law_at(law, law_sha256), process_of(process)
    found, seeds = found.corrected() if corrected else found, range(samples)
    if steps == OWN:
        return [_with_own_steps(found, at, on, grid, tolerance, samples) for tolerance in tolerances]
    own = None if steps == GRID else adaptive_grid(found, at, on, tolerances[0], grid, dtype=np.float64).times

    def times(budget: int) -> Any:
        return grid if own is None else spread(own, at, len(planned(found, budget, bool(own[-1] == 0))))

    curve = [record for n in nfe for record in error_curve(found, at, on, times(n), [n], seeds, metric="path")]
    return [{key: record[key] for key in FOUND if record.get(key) is not None} for record in curve]


def _with_own_steps(
    scheme: Scheme, process: Process, law: Law, grid: str, tolerance: float, samples: int
) -> dict[str, Any]:
    """The error of a run with steps of each sample's own, its evaluations the mean over samples."""
    from numtoolkit.sampling.adaptive import Adaptive
    from numtoolkit.sampling.runner import sample

    drawn = sample(scheme, process, law, grid, adaptive=Adaptive(tolerance, pilot=0), seeds=range(samples),
                   dtype=np.float64, progress=False, on_nonfinite="mark")  # fmt: skip
    grids = drawn.adaptive or ()
    times = grids[0].times
    ends = ExactNetwork(law, process).ends(float(times[0]), float(times[-1]), tuple(range(samples))).data
    error = relative_rms(split(drawn.samples, process.blocks)[0], ends)
    nfe = float(np.mean([own.evaluations for own in grids]))
    taken = float(np.mean([len(own.times) - 1 for own in grids]))
    return {"tolerance": tolerance, "nfe": nfe, "steps": taken, "error": _finite(error.rms),
            "median": _finite(error.median), "low": _finite(error.low), "high": _finite(error.high)}  # fmt: skip


def _stability(
    scheme: str,
    scheme_sha256: str,
    linear: Sequence[float],
    variance: float,
    size: int,
    process: str | None = None,
    of: str | None = None,
    **runs: Any,
) -> list[dict[str, Any]]:
    found = unchanged(scheme, scheme_sha256)
    on = process_of(process) if process else None
    maps = measured.stability(found, on, variance, kind=of, linear=linear, size=size, **runs)
    return [_stable(found, own) for own in maps]


def _stable(scheme: Scheme, region: measured.Region | measured.StepLimit | Plane) -> dict[str, Any]:
    row: dict[str, Any] = {"scheme": region.scheme, "panel": region.panel}
    if isinstance(region, Plane):
        reach = {f"reach at {scale:g}": _finite(region.reach(scale)) for scale in REACHED}
        value = [[-1.0 if np.isnan(v) else _finite(v) for v in own] for own in region.value]
        return row | {"kind": region.kind} | reach | {"x": region.x.tolist(), "y": region.y.tolist(), "value": value}
    if isinstance(region, measured.StepLimit):
        steps = {"t": region.t.tolist(), "longest_stable_step": [_finite(h) for h in region.h]}
        return row | steps | {"longest": region.longest.tolist()}
    lines = plots.boundary(region).lines
    row["real_interval"] = _finite(measured.real_interval(scheme, region.linear))
    return row | {axis: [line[:, i].tolist() for line in lines] for i, axis in enumerate("xy")}


def _defects(
    scheme: str,
    scheme_sha256: str,
    process: str,
    law: str,
    grid: str,
    nfe: int,
    samples: int,
    law_sha256: str | None = None,
) -> dict[str, Any]:
    on = law_at(law, law_sha256)
    seeds = None if isinstance(on, Gaussian) else range(samples)
    found = step_defects(unchanged(scheme, scheme_sha256), process_of(process), on, grid, nfe, seeds=seeds)
    parts = {"state": found.state, "noise": found.noise, "deviation": found.deviation}
    return {"law": found.law} | {key: own.tolist() for key, own in parts.items()}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


ERROR = 1e-11  # absolute, of an error: what the exact flow it is measured against is good to
BY_PEERS = ("error", "low", "high", "median", "law", "law_low", "law_high")
SINGLE = 1e-6  # the same of a run in float32, as other libraries run
FLOW = 1e-8  # the same of states, which are a hundred times as large at the start of a run
RATIO = 0.05  # the same of one error over another, where either is near what its flow is good to
# The same of what a network computes in: twice what a factor 1 + eps n, n ~ N(0, 1), on each number that `patches-psld`
# answers moves ends of its flow, whose tolerance is 16 eps (3.6e-5 of their size), and of runs (1.1e-5) together.
ROUGH = {DTYPE: 0.0, "float32": 1e-4}
WORK = {
    "asked": Work(answer),
    "orders": Work(_orders),
    "curve": Work(_curve, dict.fromkeys((*ERRORS, *BESIDE), ERROR)),
    "ratios": Work(compared, dict.fromkeys(Ratio._fields, RATIO)),
    "peers": Work(against, dict.fromkeys(BY_PEERS, SINGLE) | dict.fromkeys(Ratio._fields, RATIO), ("torch",), able),
    "found-steps": Work(_found_steps, dict.fromkeys(ERRORS, ERROR)),
    "stability": Work(_stability, {"x": 1e-3, "y": 1e-3}),
    "defects": Work(_defects, dict.fromkeys(("state", "noise"), FLOW)),
    "exact-pictures": Work(draw_exactly, {"images": 1}),
    "pictures": Work(draw, {"images": 1}),
}
