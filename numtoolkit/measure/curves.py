"""Error against network evaluations: what a scheme does to a law whose network is exact, or to a network of one's own.

Errors are those of the data part of the state at the end of the grid, and of two kinds:

    path   of schemes of the flow: `relative-rms`, the RMS over samples and coordinates against the flow from the same
           starts, over the RMS of its ends; `median` is that of the median sample
    law    of every scheme: of a Gaussian law `wasserstein2`, the distance of the final law from the exact marginal,
           without samples; else `sliced-wasserstein`, between the samples of the run and as many of the law, with
           `floor`, the value for two sets of these. Of a network of one's own the others are the ends of its flow from
           the same starts: paths that end near one another tell errors far below the floor; or from those of a
           `reference`, so that one measure and one floor are those of schemes with noise and without

In phase space the law comes first: the flow only turns near T, and a run of a wrong phase, which no sample shows, is as
far from it along paths as a random one. On a scalar process the path does.

Runs start and draw as `numtoolkit.sample` does for the same seeds, but from the exact marginal, or from where the
network's own flow takes the starts, where a grid starts below T.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, choice, counted, several, whole
from numtoolkit.laws import Gaussian, Law
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.distances import (
    GROUPS,
    LEVEL,
    Interval,
    Moments,
    Squares,
    frechet,
    paired_ratio,
    relative_rms,
    relative_squares,
    sliced_squares,
)
from numtoolkit.measure.exact_networks import Ends, ExactNetwork, Seeds
from numtoolkit.measure.gaussian_moments import end_laws, wasserstein2
from numtoolkit.measure.own_networks import OwnNetwork, own_network
from numtoolkit.models.by_reference import law_or_network
from numtoolkit.models.conditions import Conditions, conditions_of
from numtoolkit.problem.predictions import DATA, Prediction
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Call, Program, check_defined, lower
from numtoolkit.program.runs import laid, program_of
from numtoolkit.sampling.state import seeds_of
from numtoolkit.schemes import scheme as scheme_of

Record = dict[str, Any]
Subject = ExactNetwork | OwnNetwork
PATH, EXACT_LAW, SAMPLED_LAW = "relative-rms", "wasserstein2", "sliced-wasserstein"
KIND_OF = {PATH: "path", EXACT_LAW: "law", SAMPLED_LAW: "law"}
SAMPLES = {PATH: 64, EXACT_LAW: 0, SAMPLED_LAW: 1024}  # of each metric, unless seeds are given
OWN_SAMPLES = {PATH: 64, SAMPLED_LAW: 256}  # the same with a network of one's own, whose flow costs hundreds of runs
FEWEST = {PATH: 1, EXACT_LAW: 0, SAMPLED_LAW: GROUPS}  # of each metric
OWN_FEWEST = FEWEST | {SAMPLED_LAW: 2 * GROUPS}  # whose floor is told by halves
CLEAR = 10  # times the error of the reference that an error must be to stand for itself
OVERFLOW = "the run left the finite numbers; give it more evaluations or a denser grid."


def error_curve(
    scheme: str | Scheme | Program,
    process: str | Process | None = None,
    network: Any = None,
    grid: str | Sequence[float] | Floats | None = None,
    nfe: Iterable[int] | None = None,
    seeds: Iterable[int] | None = None,
    *,
    metric: str | None = None,
    reference: Iterable[int] | None = None,
    conditions: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: Any = None,
    tolerance: float | None = None,
    tile: int | None = None,
) -> list[Record]:
    """The errors of a scheme at each budget of network evaluations, along paths and in law.

    Of a stochastic scheme the error is that of the law at the end, from a law at the start that is exact or nearly so:
    slopes are those of the order of the marginal (`sde_marginal`), not of the transition.
    scheme, process   as objects or specifications, "ddim", "edm"; or in place of process, grid and nfe too a Program
             alone, error_curve(program, network=...), for one record
    network  a law, by name too, "mixture(dim=2)", for its exact network; or a `numtoolkit.Network` of one's own, whose
             errors are those against its own probability flow
    grid     as for `numtoolkit.problem.grids.grid`; its last time may be 0, where the flow of a network of one's own
             ends by its data prediction at t_min. On one that rises, from the data to noise, runs start from the exact
             marginal at its first time, or from where the network's flow takes the starts by then
    seeds    one a sample; None is 0..63 along paths and 0..1023 in law. Of a network of one's own 0..63 tell both, the
             law from the same starts; 0..255 where the law stands alone, as of a stochastic scheme. With conditions
             0, 1, ... as many as there are of them
    metric   "path" or "law" measures that alone; None both, the one first that the head of this module says
    reference   seeds, none of them among `seeds`, from which the flow of one's own network draws what the law is told
             by; `floor` is then how far the ends of its flow from `seeds` are from these. None: the ends from `seeds`
    conditions   of one's own network, one a sample, as for `numtoolkit.sample`, and after them one a sample of the
             reference; its flow is kept by them too, and the groups of an interval in law hold each as often
    shape, dtype, device   of a sample of one's own network: float64 unless given, in torch unless a numpy dtype is, on
             the device of the network's parameters; the network computes in its own dtype all the same
    tolerance   relative, of its flow: by default 1e-8; 2e-6 in float32, 3e-3 in half precision, 16 units of rounding
             or what their average allows
    tile     samples that it sees at once, by default 64
    returns  a record {scheme, nfe, steps, plan, metric, error, median, low, high, path, law} a budget: `error` is that
             of `metric`, with a 95 % interval over samples where it has chance in it, `path` and `law` are both errors,
             null where they are not measured, as `law` is by fewer samples than 20 (40 on one's own network) unless it
             comes first; `path_low`, `path_high`, `law_low` and `law_high` are the interval of the one that is not
             `error`; `plan` says how the steps spend what whole steps do not, else null. Beside a law measured by
             samples stand `floor`; with a reference `excess`, by how much its square exceeds that of the ends from
             `seeds`, below 0 where it does not, with `excess_low` and `excess_high`; and, for more samples than
             coordinates, `frechet` of the moments, squared as in FID, and `frechet_floor`; beside one's own network
             `reference_nfe`, the evaluations that its flow cost a sample, and `reference_error`, how far a tenth of its
             tolerance moves the flow of 8 samples, relative as `path`. A budget the scheme cannot spend, whose run
             overflows, or that takes what the network does not tell, has error null and says `why`; so does a path
             error less than ten times that of the reference, which the reference blurs. A run that tends to another
             flow than the network's says so in `projects`
    raises   InputError for a process the scheme is not declared on, and for what cannot be used as given
    cost     the exact flow once for all schemes and budgets of one process, law, pair of grid ends and seeds; a law is
             that of another call where it is the same object. The flow of one's own network, some hundred evaluations a
             sample, is kept in the cache folder (`numtoolkit.files.user_cache`), tile by tile
    """
    own = {"shape": shape, "dtype": dtype, "device": device, "tolerance": tolerance, "tile": tile}
    own |= {"conditions": conditions, "reference": reference}
    network = law_or_network(network)
    law = _law(network, own)
    predicts = DATA if law is not None else network.predicts
    if isinstance(scheme, Program):
        if nfe is not None:
            raise InputError(f"the program of {scheme.scheme} fixes nfe already; leave nfe out.")
        declared: Scheme | Program = program_of(scheme, process, grid, predicts=predicts)
        on, budgets, wanted = scheme.process, [scheme.nfe], scheme.times
    else:
        declared, on, wanted = scheme_of(scheme), process_of(_needed("process", process)), _needed("grid", grid)
        budgets = [whole("nfe", budget, high=MOST_NFE) for budget in several("nfe", _needed("nfe", nfe))]
        check_defined(declared, on)
        laid(declared, on, wanted, 2 if isinstance(wanted, str) else None)
    metrics = metrics_of(declared, on, law, metric)
    given = None if seeds is None else seeds_of(seeds)
    others = own["reference"] = () if reference is None else seeds_of(reference)
    if conditions is not None:
        told = Conditions(conditions)
        given = tuple(range(max(len(told) - len(others), 0))) if given is None else given
        own["conditions"] = conditions_of(told, len(given) + len(others))
    if given is not None:
        check_samples(declared, on, law, len(given), metric)
    subject = ExactNetwork(law, on) if law is not None else own_network(network, on, **own)
    drawn = {each: _drawn(each, metrics, law, given) for each in metrics}
    if others:
        _check_reference(others, max(drawn.values(), key=len))
    measured_by = {each: drawn[each] for each in metrics if len(drawn[each]) >= _fewest(law)[each]}
    records = []
    for budget in budgets:
        record: Record = {"scheme": _spec(declared), "nfe": budget, "steps": None, "plan": None, "metric": metrics[0]}
        record |= dict.fromkeys(("error", "median", "low", "high", "path", "law"))
        record |= {} if law is not None else dict.fromkeys(("reference_nfe", "reference_error"))
        with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
            try:
                program, filled = run_of(declared, on, wanted, predicts, budget)
                if isinstance(subject, OwnNetwork):
                    subject.check(program)
            except InputError as refusal:
                records.append(record | {"why": str(refusal)})
                continue
            record |= {"steps": len(program.steps), "plan": program.plan if filled else None}
            record |= {} if program.projects is None else {"projects": program.projects}
            records.append(record | _measured(subject, program, measured_by))
    return records


def _needed(name: str, value: Any) -> Any:
    if value is None:
        raise InputError(f"an error curve needs a {name}; give one, or a Program in place of scheme, grid and nfe.")
    return value


def run_of(
    scheme: Scheme | Program,
    process: Process,
    grid: Any,
    predicts: Prediction,
    budget: int,
    lay: Callable[..., Floats] = laid,
) -> tuple[Program, bool]:
    """The run of a budget, and whether its steps are other ones than whole steps.

    scheme, process, grid   as of `error_curve`, the first two as objects; a Program is its own run
    predicts                what the network predicts
    lay                     makes the times of a grid, as `numtoolkit.program.runs.laid` does
    raises   InputError for a budget that cannot be spent
    """
    if isinstance(scheme, Program):
        return scheme, len({sum(isinstance(i, Call) for i in step.instructions) for step in scheme.steps}) > 1
    to_zero = lay(scheme, process, grid, 2 if isinstance(grid, str) else None)[-1] == 0
    steps = len(planned(scheme, budget, to_zero))
    program = lower(scheme, process, lay(scheme, process, grid, steps), predicts, budget)
    return program, evaluations(scheme, steps, to_zero) != budget


def _spec(scheme: Scheme | Program) -> str:
    return scheme.scheme if isinstance(scheme, Program) else scheme.spec


def _draws(scheme: Scheme | Program) -> bool:
    return scheme.draws if isinstance(scheme, Program) else scheme.kind != "ode"


def metrics_of(scheme: Scheme | Program, process: Process, law: Any, metric: str | None = None) -> tuple[str, ...]:
    """The metrics that judge a scheme on a process, keys of SAMPLES, the leading one first.

    law     a law; or a network of one's own, or None for it
    metric  "path", "law", or None for both where there are both
    raises  InputError for another metric, and for that of a path which a stochastic scheme does not have
    """
    if metric is not None:
        choice("metric", metric, ("path", "law"))
    in_law = EXACT_LAW if isinstance(law, Gaussian) else SAMPLED_LAW
    if _draws(scheme):
        if metric == "path":
            raise InputError(f"{_spec(scheme)} draws noise, so no path is its own; take metric='law'.")
        return (in_law,)
    both = (PATH, in_law) if process.blocks == 1 else (in_law, PATH)
    return tuple(each for each in both if metric in (None, KIND_OF[each]))


def metric_of(scheme: Scheme | Program, process: Process, law: Any, metric: str | None = None) -> str:
    """The leading one of `metrics_of`, of the same scheme, process, law and metric: that of `error` in records."""
    return metrics_of(scheme, process, law, metric)[0]


def check_samples(scheme: Scheme | Program, process: Process, law: Any, count: int, metric: str | None = None) -> None:
    """Refuse, before anything is computed, a count of samples that is too small for the leading metric.

    scheme, process, law, metric   as for `metrics_of`
    """
    leading = metric_of(scheme, process, law, metric)
    fewest = _fewest(law)[leading]
    if count < fewest:
        other = " or metric='path'" if metric is None and not _draws(scheme) else ""
        raise InputError(
            f"{counted(count, 'sample')} are too few for {leading} of {_spec(scheme)}; give {fewest}{other}."
        )


def _law(network: Any, own: dict[str, Any]) -> Law | None:
    """The law that was given, or None for a network of one's own, whose arguments `own` are."""
    if callable(getattr(network, "on", None)):
        return None
    law: Law = network
    for name, value in own.items():
        if value is not None:
            said = brief(repr(value), 80)
            raise InputError(f"{name} = {said} is of a network of your own, but law {law.name} was given; drop it.")
    return law


def _check_reference(reference: Seeds, seeds: Seeds) -> None:
    shared = sorted({*reference} & {*seeds})
    if shared:
        raise InputError(f"reference holds seed {shared[0]}, which runs start from too; give other seeds.")
    if len(reference) < GROUPS:
        raise InputError(f"reference has {counted(len(reference), 'seed')}; give {GROUPS} or more.")


def _fewest(law: Any) -> dict[str, int]:
    return FEWEST if hasattr(law, "denoise") else OWN_FEWEST


def _drawn(metric: str, metrics: Sequence[str], law: Law | None, seeds: Seeds | None) -> Seeds:
    """The seeds that a metric takes, the first of those of the one that takes most."""
    if seeds is not None:
        return seeds if metric != EXACT_LAW else ()
    if law is None:
        return tuple(range(OWN_SAMPLES[PATH if PATH in metrics else metric]))
    return tuple(range(SAMPLES[metric]))


# --- what is measured


@dataclass(frozen=True)
class Error:
    """An error, a 95 % interval of it where it has one, and what stands beside it in a record.

    parts   of which it is made, one a start or a group of them: squares along paths (n,), or `Squares` in law; None
            where no chance is in it
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    beside: Record = field(default_factory=dict)
    parts: Floats | Squares | None = field(default=None, repr=False)

    def over(self, other: Error) -> Interval:
        """This error over another of the same metric from the same starts, with a 95 % interval over the starts."""
        if isinstance(self.parts, Squares):
            assert isinstance(other.parts, Squares)
            return self.parts.over(other.parts)
        if self.parts is not None:
            assert isinstance(other.parts, np.ndarray)
            return paired_ratio(self.parts, other.parts)
        ratio = self.value / other.value if other.value else math.inf
        return Interval(ratio, ratio, ratio, LEVEL)


def error_by(metric: str, subject: Subject, program: Program, seeds: Seeds) -> Error:
    """The error of one run by a metric.

    metric   a key of SAMPLES
    subject  a network on the process of the program
    seeds    one a sample
    returns  an infinite one of a run that leaves the finite numbers
    """
    with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
        ends = subject.run(program, seeds) if seeds else np.empty(0)
        return MEASURES[metric](subject, program, ends, seeds)


def _measured(subject: Subject, program: Program, drawn: dict[str, Seeds]) -> Record:
    """The errors of a run by the metrics of `drawn`, the leading one first, as they stand in a record."""
    most = max(drawn.values(), key=len)
    ends = subject.run(program, most) if most else np.empty(0)
    errors = {
        KIND_OF[metric]: MEASURES[metric](subject, program, ends[: len(seeds)], seeds)
        for metric, seeds in drawn.items()
    }
    leading = next(iter(errors.values()))
    if not math.isfinite(leading.value):
        return {"why": OVERFLOW}
    found = {kind: error.value for kind, error in errors.items() if math.isfinite(error.value)}
    record: Record = {"error": leading.value, **found}
    if math.isfinite(leading.high):
        record |= {"low": leading.low, "high": leading.high}
    for kind in found:
        own = errors[kind]
        if own is not leading and math.isfinite(own.high):
            record |= {f"{kind}_low": own.low, f"{kind}_high": own.high}
        record |= own.beside
    return record


def _along_paths(subject: Subject, program: Program, ends: Floats, seeds: Seeds) -> Error:
    reference = subject.ends(*_interval(program), seeds)
    error, squares = relative_rms(ends, reference.data), relative_squares(ends, reference.data)[0]
    beside: Record = {"median": error.median, **_known(reference)}
    if reference.error is not None and error.rms < CLEAR * reference.error:
        beside["why"] = (
            f"the path error is below {CLEAR} times that of the reference, {reference.error:.2g}, which blurs it; "
            "give a smaller tolerance."
        )
    return Error(error.rms, error.low, error.high, beside, squares)


def _known(reference: Ends) -> Record:
    """What stands in a record of a reference that is not exact."""
    if reference.error is None:
        return {}
    return {"reference_nfe": reference.evaluations, "reference_error": reference.error}


def _between_moments(subject: Subject, program: Program, ends: Floats, seeds: Seeds) -> Error:
    assert isinstance(subject, ExactNetwork)
    final, exact = end_laws(program, subject.law)
    if not np.isfinite(final.covariance).all():
        return Error(math.inf)
    return Error(wasserstein2(final, exact))


def _between_samples(subject: Subject, program: Program, ends: Floats, seeds: Seeds) -> Error:
    if not np.isfinite(ends).all():
        return Error(math.inf)
    target = subject.target(*_interval(program), seeds)
    squares = sliced_squares(ends, target.samples, labels=target.labels)
    distance = squares.root
    beside: Record = {"floor": target.floor}
    if target.exact is not None:
        excess = squares.beyond(target.exact)
        beside |= {"excess": excess.value, "excess_low": excess.low, "excess_high": excess.high}
    if isinstance(subject, OwnNetwork):
        beside |= _known(subject.ends(*_interval(program), seeds))
    if target.mean is not None:
        drawn = Moments.of(ends)
        beside["frechet"] = frechet(drawn.mean, drawn.covariance(), target.mean, target.covariance)
        beside["frechet_floor"] = target.frechet_floor
    return Error(distance.value, distance.low, distance.high, beside, squares)


MEASURES = {PATH: _along_paths, EXACT_LAW: _between_moments, SAMPLED_LAW: _between_samples}


def _interval(program: Program) -> tuple[float, float]:
    return program.steps[0].start, program.steps[-1].end
