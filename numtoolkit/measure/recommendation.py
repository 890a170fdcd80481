"""Which scheme on which grid? Every pair of the two judged on a law like the data, and how sure the answer is.

A network tells of its data by the outputs of one pilot run; their proxy law, closed form, has their modes and their
spectrum, and ranks schemes much as the network does, in seconds and without a further call. What is known is the order
on that law: the intervals are over starts, and say nothing of how far a network is from its proxy, which `regret` does.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, library
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, choice, several, whole
from numtoolkit.laws import Law
from numtoolkit.laws.named import is_law
from numtoolkit.laws.proxies import SHARE, proxy_of
from numtoolkit.laws.spectra import spectrum_of
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.curves import OVERFLOW, Error, Record, Subject, check_samples, error_by, metric_of, run_of
from numtoolkit.measure.curves import SAMPLES as STARTS
from numtoolkit.measure.exact_networks import ExactNetwork, Seeds
from numtoolkit.measure.own_networks import OwnNetwork, own_network
from numtoolkit.models.by_reference import law_or_network
from numtoolkit.problem.grids import asks_spectrum, knows_length
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import check_runs
from numtoolkit.program.runs import laid
from numtoolkit.sampling.pilot import Pilot, pilot
from numtoolkit.sampling.state import seeds_of
from numtoolkit.schemes import catalogue
from numtoolkit.schemes import scheme as scheme_of

SCALE, MEAN, SPECTRUM = "{s}", "{m}", "{spectrum}"  # what is told: deviation and mean of the data, file of the spectrum
TOLD = {"sigma_data": SCALE, "mean": MEAN}  # parameters of a scheme by which it is told
OUTSIDE = ("CFG++",)  # families that are judged nowhere here: without guidance they are schemes that are there already
ROUNDING = 1e-9  # by which the errors of one run by two names may differ
COUNT, RANK = 64, 16  # samples of a proxy, directions of their spectrum beside one isotropic rest

# Candidates beside the catalogue, whose families are there at their defaults: by kind of process and of dynamics.
FURTHER: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("scalar", "ode"): (
        "ipndm(2)", "ipndm(3)", "unipc(3)", "exp-adams(2)", "exp-adams(3)", "deis-tab(2)",
        "gframe-abm(3, sigma_data={s}, mean={m})", "gframe-abm(2, spectrum={spectrum})",
        "gframe-abm(3, spectrum={spectrum})",
    ),
    ("scalar", "sde"): (
        "er-sde(2)", "sa-solver(2)", "sa-solver(3)", "gframe-ab(2, tau=1, spectrum={spectrum})",
    ),
    ("phase space", "ode"): ("gddim(1)", "gddim(3)", "gddim-pc(1)", "gframe-abm(3, sigma_data={s}, mean={m})",
        "gframe-abm(2, spectrum={spectrum})",
    ),
    ("phase space", "sde"): ("roba(lambda_s=2)",),
}  # fmt: skip
GRIDS: Mapping[str, tuple[str, ...]] = {
    "scalar": (
        "log-snr", "log-snr(zero=1)", "rho(7)", "rho(7, zero=1)", "angle({s}, power=1.4)",
        "angle({s}, power=1.4, zero=1)", "tangent({spectrum})", "spectral({spectrum})",
        "spectral({spectrum}, zero=1)",
    ),
    "phase space": (
        "quadratic", "log-snr", "rho(7)", "angle({s}, power=1.2)", "tangent({spectrum})", "spectral({spectrum})",
    ),
}  # fmt: skip
IN_TIME: Mapping[str, tuple[str, ...]] = {  # grids in the time of a process, where people take them
    "vp": ("uniform", "quadratic", "trailing"),
    "flow": ("uniform", "trailing(shift=3)"),
    "psld": ("uniform",),
    "cld": ("uniform",),
}


@dataclass(frozen=True)
class Pair:
    """A scheme on a grid: specifications in which {s}, {m} and {spectrum} stand for what they are told of the data."""

    scheme: str
    grid: str

    def told(self, facts: Mapping[str, str]) -> Pair:
        """The pair with each word of `facts` replaced by what it stands for."""
        scheme, grid = self.scheme, self.grid
        for word, fact in facts.items():
            scheme, grid = scheme.replace(word, fact), grid.replace(word, fact)
        return Pair(scheme, grid)

    @property
    def needs_spectrum(self) -> bool:
        """Whether the scheme or the grid is told a file with the spectrum."""
        return SPECTRUM in self.scheme or SPECTRUM in self.grid

    def __str__(self) -> str:
        return f"{self.scheme} on {self.grid}"


def informed(own: Scheme) -> str:
    """The specification of a scheme of the catalogue that is told what it asks for of the data."""
    asked = {p.name for p in own.params}
    told = ", ".join(f"{name}={value}" for name, value in TOLD.items() if name in asked)
    if not told:
        return own.spec
    return f"{own.spec[:-1]}, {told})" if own.spec.endswith(")") else f"{own.spec}({told})"


def scale_of(law: Law) -> tuple[float, float]:
    """The mean over coordinates, and the deviation about it, of the data of a law."""
    mean = float(law.mean.mean())
    return mean, float(np.sqrt(law.variance + np.mean((law.mean - mean) ** 2)))


def candidates(
    process: Process,
    dynamics: str = "ode",
    schemes: Iterable[str] | None = None,
    grids: Iterable[str] | None = None,
) -> list[Pair]:
    """The pairs that are judged: every scheme on every grid.

    process   that they run on
    dynamics  "ode" for the deterministic ones, "sde" for those with noise
    schemes   None for every one of the catalogue that needs no fitting, and what FURTHER has of its families
    grids     None for those of GRIDS and IN_TIME
    raises    InputError for schemes that do not go with the dynamics
    """
    choice("dynamics", dynamics, ("ode", "sde"))
    kind = process.kind
    if schemes is None:
        own = [s for s in catalogue() if kind in s.kinds and (s.kind == "ode") == (dynamics == "ode") and not s.fitted]
        chosen = [informed(s) for s in own if s.family not in OUTSIDE] + [*FURTHER[kind.name, dynamics]]
    else:
        chosen = several("schemes", schemes)
    laid = [*GRIDS[kind.name], *IN_TIME.get(process.name, ())] if grids is None else several("grids", grids)
    return [Pair(s, g) for s in dict.fromkeys(chosen) for g in dict.fromkeys(laid)]


@dataclass(frozen=True)
class Judged:
    """A pair at a budget, and its error; or why there is none.

    filled  how the steps spend the budget, where whole steps do not
    """

    pair: Pair
    nfe: int
    steps: int | None = None
    filled: str | None = None
    error: Error | None = field(default=None, repr=False)
    why: str | None = None


def judged(
    subject: Subject,
    pairs: Sequence[Pair],
    facts: Mapping[str, str],
    budgets: Sequence[int],
    metric: str,
    seeds: Seeds,
) -> list[Judged]:
    """The errors of pairs on a network, all from the same starts.

    subject   the exact network of a law, or one's own
    facts     what the words in the pairs stand for
    budgets   of network evaluations
    metric    of `numtoolkit.measure.curves.SAMPLES`
    seeds     one a start
    cost      the flow of the starts to each end of a grid, and every run
    """
    from tqdm import tqdm

    once, read = lru_cache(maxsize=None)(grid_of), lru_cache(maxsize=None)(scheme_of)  # each grid, and each scheme

    def lay(scheme: Scheme, process: Process, points: str, steps: int | None) -> Floats:
        return laid(scheme, process, points, steps) if asks_spectrum(points) else once(points, process, steps)

    predicts = subject.network.predicts if isinstance(subject, OwnNetwork) else DATA
    found = []
    for pair in tqdm(pairs, "judging", disable=True if sys.stderr is None else None, leave=False):
        told = pair.told(facts)
        for nfe in budgets:
            try:
                program, filled = run_of(read(told.scheme), subject.process, told.grid, predicts, nfe, lay)
                if isinstance(subject, OwnNetwork):
                    subject.check(program)
            except InputError as refusal:
                found.append(Judged(pair, nfe, why=str(refusal)))
                continue
            error = error_by(metric, subject, program, seeds)
            lost = {} if math.isfinite(error.value) else {"why": OVERFLOW}
            plan = program.plan if filled else None
            found.append(Judged(pair, nfe, len(program.steps), plan, None if lost else error, **lost))
    return found


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Every pair of a scheme and a grid, ranked on a law at each budget.

    law        on which they were judged: the one that was given, or a proxy
    process    of the runs
    spectrum   that the grids `spectral` and `tangent` were told
    metric     of the errors, as in `error_curve`
    nfe_pilot  evaluations of the network, of each of its outputs, that this took; 0 without a network
    found      the errors
    facts      what the words {s} and {m} in pairs stand for; {spectrum} is a file that `spectrum.save` writes
    """

    law: Law
    process: Process
    spectrum: Spectrum = field(repr=False)
    metric: str
    nfe_pilot: int
    found: tuple[Judged, ...] = field(repr=False)
    facts: Mapping[str, str] = field(repr=False)

    def __repr__(self) -> str:
        best = "; ".join(f"{nfe}: {self.best(nfe)['scheme']} on {self.best(nfe)['grid']}" for nfe in self.budgets)
        return f"<Recommendation on {self.process.spec}: {best}>"

    @cached_property
    def budgets(self) -> list[int]:
        """Of network evaluations, those that were asked for."""
        return list(dict.fromkeys(each.nfe for each in self.found))

    def ranked(self, nfe: int) -> list[Judged]:
        """The pairs that can spend a budget, the smallest error first, of equal errors the first candidate first."""
        own = [each for each in self.found if each.nfe == nfe and each.error is not None]
        if not own:
            raise InputError(f"nothing was judged at {nfe} evaluations; ask for one of {self._reasons(nfe)}")
        return sorted(own, key=_size)

    def _reasons(self, nfe: int) -> str:
        why = next((each.why for each in self.found if each.nfe == nfe), None)
        return f"another budget: {why}" if why else f"{', '.join(map(str, self.budgets))}."

    def table(self, spectrum: str = SPECTRUM) -> list[Record]:
        """A record a budget and pair, the best of each budget first.

        spectrum  the file by which the pairs name the spectrum
        returns   {nfe, rank, scheme, grid, steps, plan, metric, error, low, high, ratio, ratio_low, ratio_high, tied}
                  and `median` or `floor` where the metric has one: `low` and `high` are a 95 % interval of the error
                  over starts; `ratio` is the error over that of the best pair, with the interval of the ratio, in
                  which starts that are hard for both do not count; `tied` where 1 is in it or below: no difference was
                  found
        """
        return [record for nfe in self.budgets for record in self._table(nfe, {**self.facts, SPECTRUM: spectrum})]

    def _table(self, nfe: int, facts: Mapping[str, str]) -> Iterator[Record]:
        ranked = self.ranked(nfe)
        for rank, each in enumerate(ranked, 1):
            error, pair = _of(each), each.pair.told(facts)
            over = error.over(_of(ranked[0]))
            yield {
                "nfe": nfe, "rank": rank, "scheme": pair.scheme, "grid": pair.grid, "steps": each.steps,
                "plan": each.filled, "metric": self.metric, "error": error.value, "low": _finite(error.low),
                "high": _finite(error.high), **{k: v for k, v in error.beside.items() if k in ("median", "floor")},
                "ratio": over.value, "ratio_low": _finite(over.low), "ratio_high": _finite(over.high),
                "tied": rank == 1 or not over.low > 1 + ROUNDING,
            }  # fmt: skip

    def best(self, nfe: int, spectrum: str = SPECTRUM) -> Record:
        """The record of the best pair at a budget; `spectrum` as of `table`."""
        return next(self._table(nfe, {**self.facts, SPECTRUM: spectrum}))

    def refused(self) -> list[tuple[Pair, int, str]]:
        """The pairs and budgets that were not judged, and why."""
        return [(each.pair.told(self.facts), each.nfe, each.why) for each in self.found if each.why is not None]

    def regret(
        self,
        network: Any,
        seeds: Iterable[int] = range(64),
        **numbers: Any,
    ) -> list[Record]:
        """What the recommendation costs on a network, or another law, where every pair is run too.

        network   as for `error_curve`, beside a law: a network of one's own, whose flow is the reference
        seeds     one a start
        numbers   conditions, shape, dtype, device, tolerance and tile, as of `error_curve`
        returns   a record {nfe, scheme, grid, error, best_scheme, best_grid, best, regret, low, high, rank, spearman}
                  a budget: `best` the least error of all pairs there, `regret` the error of the recommended one over
                  it, with a 95 % interval over starts, `rank` its place and `spearman` the correlation of ranks over
                  the pairs; along paths `median_regret` and `median_spearman` likewise, of the pair with the least
                  median
        cost      of a network its flow, and all runs: hundreds of times those of one curve
        """
        other = law_or_network(network)
        subject: Subject = (
            ExactNetwork(other, self.process) if is_law(other) else own_network(other, self.process, **numbers)
        )
        pairs = list(dict.fromkeys(each.pair for each in self.found))
        with spectrum_file(self.spectrum) as path:
            facts = {**self.facts, SPECTRUM: path}
            there = judged(subject, pairs, facts, self.budgets, self.metric, seeds_of(seeds))
        return [self._regret(nfe, [each for each in there if each.nfe == nfe]) for nfe in self.budgets]

    def _regret(self, nfe: int, there: Sequence[Judged]) -> Record:
        own = {each.pair: _of(each) for each in self.ranked(nfe)}
        other = {each.pair: each.error for each in there if each.error is not None}
        both = [pair for pair in own if pair in other]
        chosen, least = both[0], min(both, key=lambda pair: other[pair].value)
        over = other[chosen].over(other[least])
        names = chosen.told(self.facts), least.told(self.facts)
        record: Record = {
            "nfe": nfe, "scheme": names[0].scheme, "grid": names[0].grid, "error": other[chosen].value,
            "best_scheme": names[1].scheme, "best_grid": names[1].grid, "best": other[least].value,
            "regret": over.value, "low": _finite(over.low), "high": _finite(over.high),
            "rank": 1 + sum(other[pair].value < other[chosen].value for pair in both), "pairs": len(both),
            "spearman": _spearman([(own[pair].value, other[pair].value) for pair in both]),
        }  # fmt: skip
        if "median" in other[chosen].beside:
            medians = [other[pair].beside["median"] for pair in both]
            record["median_regret"] = other[chosen].beside["median"] / min(medians)
            record["median_spearman"] = _spearman(
                [(own[pair].beside["median"], median) for pair, median in zip(both, medians, strict=True)]
            )
        return record


def _of(each: Judged) -> Error:
    assert each.error is not None
    return each.error


def _size(each: Judged) -> float:
    return _of(each).value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _spearman(values: Sequence[tuple[float, float]]) -> float | None:
    """The correlation of ranks of pairs of numbers, equal ones at their mean rank; None of fewer than three."""
    from scipy.stats import rankdata

    if len(values) < 3:
        return None
    ranks = [rankdata(column) for column in zip(*values, strict=True)]
    return float(np.corrcoef(*ranks)[0, 1])


@contextmanager
def spectrum_file(spectrum: Spectrum) -> Iterator[str]:
    """The path of a file with a spectrum, there for as long as the block runs: specifications name it."""
    with TemporaryDirectory(prefix="numtoolkit-") as folder:
        yield str(spectrum.save(Path(folder) / "spectrum.npz"))


def recommend(
    of: Any,
    process: str | Process | None = None,
    nfe: int | Iterable[int] = 10,
    *,
    dynamics: str = "ode",
    schemes: Iterable[str] | None = None,
    grids: Iterable[str] | None = None,
    metric: str | None = None,
    seeds: Iterable[int] | None = None,
    share: float = SHARE,
    conditions: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Recommendation:
    """The scheme and grid for some data at each budget, of all pairs judged on a law like the data.

    of        what is known: a network, by name too, which makes one pilot run as `numtoolkit.pilot` does by default, or
              such a run, a `Pilot`, or samples (n, *event), of data or of a network, of which the first 64 are taken:
              they are judged by their proxy law (`numtoolkit.laws.proxies`); or a law itself, on which they are judged
    process   by default that of the network, else edm
    nfe       budgets of network evaluations
    dynamics  "ode", or "sde" for schemes with noise
    schemes, grids   specifications, in place of those of `candidates`; {s} and {m} in them stand for the deviation and
              mean of the data, {spectrum} for a file with their spectrum, "angle({s})", "spectral({spectrum}, q=2)"
    metric    "path" or "law", as of `error_curve`; by default the one that comes first there
    seeds     of the starts; by default 0..63 along paths and 0..1023 in law
    share     of the proxy law
    conditions, shape, dtype, device   of the pilot run
    returns   `Recommendation`: .best(10), .table(), .regret(network)
    raises    InputError for what cannot be used as given
    cost      the pilot run, 24 evaluations of 64 samples, and then none; hundreds of runs of 64 samples on the law
    """
    asked = several("nfe", nfe) if isinstance(nfe, Iterable) else [nfe]
    budgets = list(dict.fromkeys(whole("nfe", each, 1, MOST_NFE) for each in asked))
    if not budgets:
        raise InputError("nfe names no budget; give one, such as 10.")
    told = {"conditions": conditions, "shape": shape, "dtype": dtype, "device": device}
    source = law_or_network(of) if isinstance(of, str) or not _is_samples(of) else of
    on = process_of(process or getattr(source, "process", None) or "edm")
    pairs = candidates(on, dynamics, schemes, grids)
    law, spectrum, nfe_pilot = _known(source, on, share, told)
    mean, deviation = scale_of(law)
    facts = {SCALE: f"{deviation:.4g}", MEAN: f"{mean:.4g}"}
    with spectrum_file(spectrum) as path:
        first = _checked(pairs, {**facts, SPECTRUM: path}, on, dynamics)
        leading = metric_of(first, on, law, metric)
        starts = tuple(range(STARTS[leading])) if seeds is None else seeds_of(seeds)
        check_samples(first, on, law, len(starts) or 1, metric)
        found = judged(ExactNetwork(law, on), pairs, {**facts, SPECTRUM: path}, budgets, leading, starts)
    made = Recommendation(law, on, spectrum, leading, nfe_pilot, tuple(found), facts)
    for budget in budgets:
        made.ranked(budget)
    return made


def _checked(pairs: Sequence[Pair], facts: Mapping[str, str], process: Process, dynamics: str) -> Scheme:
    """The scheme of the first pair.

    raises   InputError for a scheme or a grid that there is not, or that is not of the process and the dynamics
    """
    if not pairs:
        raise InputError("no pair of a scheme and a grid is left to judge; give one of each, or neither.")
    told = [pair.told(facts) for pair in pairs]
    read = {text: scheme_of(text) for text in dict.fromkeys(pair.scheme for pair in told)}
    for own in read.values():
        check_runs(own, process)
        if (own.kind == "ode") != (dynamics == "ode"):
            noise, other = ("no noise", "ode") if own.kind == "ode" else ("noise", "sde")
            raise InputError(f"{own.spec} draws {noise}; give dynamics={other!r}, or drop it.")
    for text in dict.fromkeys(pair.grid for pair in told):
        grid_of(text, process, None if knows_length(text) else 2)
    return read[told[0].scheme]


def _is_samples(of: Any) -> bool:
    return isinstance(of, Pilot | list | tuple) or (library(of) is not None and not is_law(of))


def _known(of: Any, process: Process, share: float, told: Mapping[str, Any]) -> tuple[Law, Spectrum, int]:
    """The law to judge on, the spectrum to tell, and the evaluations that they took."""
    if is_law(of):
        for name, value in told.items():
            if value is not None:
                raise InputError(f"{name} is of the pilot run of a network, and a law was given; drop it.")
        whole_spectrum = spectrum_of(of)
        return of, whole_spectrum.reduced(min(RANK, len(whole_spectrum.values))), 0
    run = of
    if not isinstance(of, Pilot):
        if _is_samples(of):
            rows = np.asarray(of)[:COUNT]
            run = Pilot(rows, 0, f"{len(rows)} samples")
        else:
            run = pilot(of, process, outputs=COUNT, **told)
    return proxy_of(run.outputs, share, f"proxy of {run.source}"), run.spectrum(RANK), run.nfe
