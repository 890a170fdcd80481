"""Which scheme on which grid? Every pair of the two judged on a law like the data, and how sure the answer is.

A network tells of its data by the outputs of one pilot run; their proxy law, closed form, has their modes and their
spectrum, is made as rough as the network is, and ranks schemes much as the network does, in seconds and without a
further call. What is known is the order on that law: the intervals are over starts, and say nothing of how far a
network is from its proxy, which `regret` does. Along paths the order is that of the median sample: a few starts that
end in another mode of the proxy decide its mean, and those are others on the network.
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
from numtoolkit.errors import InputError, choice, flag, several, whole
from numtoolkit.laws import Law
from numtoolkit.laws.named import is_law
from numtoolkit.laws.proxies import SHARE, proxy_of
from numtoolkit.laws.spectra import spectrum_of
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.candidates import MEAN, SCALE, SPECTRUM, Pair, candidates, scale_of
from numtoolkit.measure.curves import (
    KIND_OF,
    OVERFLOW,
    PATH,
    Error,
    Record,
    Subject,
    check_samples,
    error_by,
    metric_of,
    run_of,
)
from numtoolkit.measure.curves import SAMPLES as STARTS
from numtoolkit.measure.distances import Interval, paired_medians
from numtoolkit.measure.exact_networks import ExactNetwork, Seeds
from numtoolkit.measure.own_networks import OwnNetwork, own_network
from numtoolkit.measure.roughness import rough_law
from numtoolkit.models.by_reference import law_or_network
from numtoolkit.models.conditions import Conditions, conditions_of
from numtoolkit.problem.grids import asks_spectrum, knows_length
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import check_defined
from numtoolkit.program.runs import laid
from numtoolkit.sampling.adaptive import PILOT
from numtoolkit.sampling.pilot import Pilot, pilot
from numtoolkit.sampling.state import seeds_of
from numtoolkit.schemes import scheme as scheme_of

COUNT, RANK = 64, 16  # samples of a proxy, directions of their spectrum beside one isotropic rest
ROUNDING = 1e-9  # by which the errors of one run by two names may differ


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
    by         "median" or "error": what of a pair it is ranked by; "error" in law
    nfe_pilot  evaluations of the network, of each of its outputs, that this took; 0 without a network
    pilot      the run of the network, or the samples; None where a law was given
    found      the errors
    facts      what the words {s} and {m} in pairs stand for; {spectrum} is a file that `spectrum.save` writes
    """

    law: Law
    process: Process
    spectrum: Spectrum = field(repr=False)
    metric: str
    by: str
    nfe_pilot: int
    pilot: Pilot | None = field(repr=False)
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
        return sorted(own, key=lambda each: self._size(_of(each)))

    def _size(self, error: Error) -> float:
        return float(error.beside["median"]) if self.by == "median" else error.value

    def _over(self, error: Error, other: Error) -> Interval:
        """An error over another, as they are ranked, over starts."""
        if self.by != "median" or error is other:
            return error.over(other)
        assert isinstance(error.parts, np.ndarray)
        assert isinstance(other.parts, np.ndarray)
        return paired_medians(error.parts, other.parts)

    def _reasons(self, nfe: int) -> str:
        why = next((each.why for each in self.found if each.nfe == nfe), None)
        return f"another budget: {why}" if why else f"{', '.join(map(str, self.budgets))}."

    def table(self, spectrum: str = SPECTRUM) -> list[Record]:
        """A record a budget and pair, the best of each budget first.

        spectrum  the file by which the pairs name the spectrum
        returns   {nfe, rank, scheme, grid, steps, plan, metric, error, low, high, ratio, ratio_low, ratio_high, tied}
                  and `median` or `floor` where the metric has one: `low` and `high` are a 95 % interval of the error
                  over starts; `ratio` is what the pair is ranked by over that of the best pair, with the interval of
                  the ratio, in which starts that are hard for both do not count; `tied` where 1 is in it or below: no
                  difference was found
        """
        return [record for nfe in self.budgets for record in self._table(nfe, {**self.facts, SPECTRUM: spectrum})]

    def _table(self, nfe: int, facts: Mapping[str, str]) -> Iterator[Record]:
        ranked = self.ranked(nfe)
        for rank, each in enumerate(ranked, 1):
            error, pair = _of(each), each.pair.told(facts)
            over = self._over(error, _of(ranked[0]))
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
        returns   a record {nfe, scheme, grid, best_scheme, best_grid, regret, low, high, rank, pairs, rms_regret,
                  spearman, rms_spearman} a budget: `regret` is what the recommended pair is ranked by, on the network,
                  over that of the best pair there, with a 95 % interval over starts, `rank` its place, `rms_regret` its
                  error over the least there, `spearman` and `rms_spearman` the correlation of ranks over the pairs
        cost      of a network its flow, and all runs: hundreds of times those of one curve
        """
        other = law_or_network(network)
        subject: Subject = (
            ExactNetwork(other, self.process) if is_law(other) else own_network(other, self.process, **numbers)
        )
        pairs, starts = list(dict.fromkeys(each.pair for each in self.found)), seeds_of(seeds)
        with spectrum_file(self.spectrum) as path:
            facts = {**self.facts, SPECTRUM: path}
            first = scheme_of(pairs[0].told(facts).scheme)
            check_samples(first, self.process, other, len(starts), KIND_OF[self.metric])
            there = judged(subject, pairs, facts, self.budgets, self.metric, starts)
        return [self._regret(nfe, [each for each in there if each.nfe == nfe]) for nfe in self.budgets]

    def _regret(self, nfe: int, there: Sequence[Judged]) -> Record:
        own = {each.pair: _of(each) for each in self.ranked(nfe)}
        other = {each.pair: each.error for each in there if each.error is not None}
        both = [pair for pair in own if pair in other]
        chosen, least = both[0], min(both, key=lambda pair: self._size(other[pair]))
        over = self._over(other[chosen], other[least])
        names = chosen.told(self.facts), least.told(self.facts)
        return {
            "nfe": nfe, "scheme": names[0].scheme, "grid": names[0].grid, "best_scheme": names[1].scheme,
            "best_grid": names[1].grid, "regret": over.value, "low": _finite(over.low), "high": _finite(over.high),
            "rank": 1 + sum(self._size(other[pair]) < self._size(other[chosen]) for pair in both), "pairs": len(both),
            "rms_regret": other[chosen].value / min(other[pair].value for pair in both),
            "spearman": _spearman([(self._size(own[pair]), self._size(other[pair])) for pair in both]),
            "rms_spearman": _spearman([(own[pair].value, other[pair].value) for pair in both]),
        }  # fmt: skip


def _of(each: Judged) -> Error:
    assert each.error is not None
    return each.error


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
    by: str = "median",
    seeds: Iterable[int] | None = None,
    rough: bool = True,
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
    by        "median", along paths, or "error": what pairs are ranked by
    seeds     of the starts; by default 0..63 along paths and 0..1023 in law
    rough     whether the proxy of a network is made as rough as it is, `numtoolkit.measure.roughness`
    share     of the proxy law
    conditions, shape, dtype, device   of the pilot run
    returns   `Recommendation`: .best(10), .table(), .regret(network)
    raises    InputError for what cannot be used as given
    cost      the pilot run, 24 evaluations of 64 samples, and 24 more to see how rough it is; then
              hundreds of runs of 64 samples on the law
    """
    asked = several("nfe", nfe) if isinstance(nfe, Iterable) else [nfe]
    budgets = list(dict.fromkeys(whole("nfe", each, 1, MOST_NFE) for each in asked))
    if not budgets:
        raise InputError("nfe names no budget; give one, such as 10.")
    told = {"conditions": conditions, "shape": shape, "dtype": dtype, "device": device}
    source = law_or_network(of) if isinstance(of, str) or not _is_samples(of) else of
    on = process_of((getattr(source, "process", None) or "edm") if process is None else process)
    pairs = candidates(on, dynamics, schemes, grids)
    choice("by", by, ("median", "error"))
    law, spectrum, nfe_pilot, run = _known(source, on, share, told, flag("rough", rough))
    mean, deviation = scale_of(law)
    facts = {SCALE: f"{deviation:.4g}", MEAN: f"{mean:.4g}"}
    with spectrum_file(spectrum) as path:
        first = _checked(pairs, {**facts, SPECTRUM: path}, on, dynamics)
        leading = metric_of(first, on, law, metric)
        starts = tuple(range(STARTS[leading])) if seeds is None else seeds_of(seeds)
        check_samples(first, on, law, len(starts) or 1, metric)
        found = judged(ExactNetwork(law, on), pairs, {**facts, SPECTRUM: path}, budgets, leading, starts)
    by = by if leading == PATH else "error"
    made = Recommendation(law, on, spectrum, leading, by, nfe_pilot, run, tuple(found), facts)
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
        check_defined(own, process)
        if (own.kind == "ode") != (dynamics == "ode"):
            noise, other = ("no noise", "ode") if own.kind == "ode" else ("noise", "sde")
            raise InputError(f"{own.spec} draws {noise}; give dynamics={other!r}, or drop it.")
    for text in dict.fromkeys(pair.grid for pair in told):
        grid_of(text, process, None if knows_length(text) else 2)
    return read[told[0].scheme]


def _is_samples(of: Any) -> bool:
    return isinstance(of, Pilot | list | tuple) or (library(of) is not None and not is_law(of))


def _known(
    of: Any, process: Process, share: float, told: Mapping[str, Any], rough: bool
) -> tuple[Law, Spectrum, int, Pilot | None]:
    """The law to judge on, the spectrum to tell, the evaluations that they took, and the run of the network."""
    if is_law(of):
        for name, value in told.items():
            if value is not None:
                raise InputError(f"{name} is of the pilot run of a network, and a law was given; drop it.")
        every = spectrum_of(of)
        return of, every.reduced(min(RANK, len(every.values))), 0, None
    if isinstance(of, Pilot) or _is_samples(of):
        run = of if isinstance(of, Pilot) else Pilot(np.asarray(of)[:COUNT], 0, f"{len(of[:COUNT])} samples")
        return proxy_of(run.outputs, share, f"proxy of {run.source}"), run.spectrum(RANK), run.nfe, run
    run = pilot(of, process, outputs=COUNT, **told)
    law: Law = proxy_of(run.outputs, share, f"proxy of {run.source}")
    if not rough:
        return law, run.spectrum(RANK), run.nfe, run
    conditions = None if told["conditions"] is None else conditions_of(Conditions(told["conditions"]), COUNT)
    network = own_network(of, process, **{**told, "conditions": conditions})
    law, spent = rough_law(law, network, run.outputs, PILOT)
    return law, run.spectrum(RANK), run.nfe + spent, run
