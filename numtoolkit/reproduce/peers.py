"""Samplers of other libraries beside ours, from common starts: as their users run them, and their integrators alone.

For every budget the scheme and grid of `ours` meets each peer twice: as its users call it, on its own noise levels,
both held to the data; and, where it can be given levels, on those of our grid, both held to the flow at its end.
Samplers that draw noise are held to the law there. The best peer is chosen in hindsight for each subject, budget and
quantity. Results name the version of the library that computed them; where it is not installed, what is kept is drawn,
and what is missing says what to install.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from numtoolkit import plots
from numtoolkit.errors import InputError, choice, whole
from numtoolkit.files.result_store import Cell
from numtoolkit.limits import MOST
from numtoolkit.measure.distances import GROUPS
from numtoolkit.measure.peers import ANGLE, peer
from numtoolkit.problem.processes import ScalarProcess
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import check_defined
from numtoolkit.program.runs import times_of
from numtoolkit.reproduce.contest import FLOOR
from numtoolkit.reproduce.judging import DYNAMICS, LAWS, NETWORKS, Row, row_of, rule_of, told
from numtoolkit.reproduce.kinds import Found, Question, Result, budgets_of, check_budgets, distinct
from numtoolkit.reproduce.peer_cells import OURS, peers_cell
from numtoolkit.reproduce.peer_tables import ALONE, TO_ZERO, USUAL, best_of, drawn, sides_of, tables
from numtoolkit.reproduce.ratios import Pair
from numtoolkit.reproduce.subjects import DTYPE, is_network, scheme_at

STEPS = 8  # on which every grid is read once
QUICK_PEERS, QUICK_STARTS = 2, 2 * GROUPS  # of a quick run


@dataclass(frozen=True)
class Ruled:
    """A rule that stands elsewhere: that of a group of a judging, by the file of this."""

    file: str = ""
    group: str = ""


@dataclass(frozen=True)
class Place:
    """What runs are compared on.

    process    scalar: edm, or a table such as linear
    law        a law, or a network as of `numtoolkit.reproduce.kinds.Curve`
    spectrum   a file that stands for {spectrum} in schemes and grids; "" for none
    deviation, mean   of the data of a network, which stand for {s} and {m}; of a law they are its own
    dtype      as of `numtoolkit.reproduce.kinds.Errors`
    starts     of its runs, where they are others than those of the rest; 0 for as many
    """

    name: str
    process: str
    law: str
    spectrum: str = ""
    deviation: float = 0.0
    mean: float = 0.0
    dtype: str = DTYPE
    starts: int = 0

    def told(self, row: Row) -> Pair:
        """The scheme and the grid of a row, told of the data."""
        own = (self.mean, self.deviation) if is_network(self.law) else None
        return told(row, self.law, own, self.spectrum)

    def peers(self, texts: Sequence[str]) -> list[str]:
        """Those of some peers that run on the process, on a network none that starts above all its noise levels."""
        found = {text: peer(text) for text in texts}
        without = ANGLE if is_network(self.law) else None
        return [text for text, own in found.items() if own.runs_on(process_of(self.process)) and own.tells != without]


@dataclass(frozen=True, repr=False)
class Peers(Question):
    """Where are others ahead of what is recommended here? See the head of this file.

    nfe        budgets
    versions   of the libraries, by the name that pip has
    rule       what is recommended; or, where no judging holds it,
    ours       its rows, one a budget
    to_zero    rows of ours on grids that end at t = 0, for the budgets where it matters that the others do not
    peers      as their users run them, as `numtoolkit.measure.peers.peer` reads them
    alone      those whose integrators are given our levels too
    dynamics   ode, along paths and in law; sde, of samplers that draw noise, in law
    starts     of every run; seed is the first
    """

    title: str
    nfe: tuple[int, ...]
    versions: dict[str, str]
    subjects: tuple[Place, ...]
    peers: tuple[str, ...]
    alone: tuple[str, ...] = ()
    rule: Ruled = Ruled()
    ours: tuple[Row, ...] = ()
    to_zero: tuple[Row, ...] = ()
    dynamics: str = DYNAMICS[0]
    caption: str = ""
    starts: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        check_budgets(self.nfe)
        for count in (self.starts, *(own.starts for own in self.subjects if own.starts)):
            whole("starts", count, 2 * GROUPS, MOST)
        choice("dynamics", self.dynamics, DYNAMICS)
        if bool(self.ours) == bool(self.rule.file):
            raise InputError("a comparison has either a rule, that of a judging, or rows of ours; give one of them.")
        whole("seed", self.seed, 0, MOST)
        distinct("subjects", [own.name for own in self.subjects])
        for text in (*distinct("peers", self.peers), *dict.fromkeys(self.alone)):
            if (own := peer(text)).library not in self.versions:
                raise InputError(f"peer {text} is of {own.library}, whose version is not given; add it to versions.")
        for row in (*self.rows, *self.to_zero):
            choice("on", row.on, ("", LAWS, NETWORKS))
        for place in self.subjects:
            process = process_of(place.process)
            if not isinstance(process, ScalarProcess) or not place.peers(self.peers):
                raise InputError(f"subject {place.name!r} is on {place.process}, where no peer runs; leave it out.")
            pairs = [self.ruled(nfe, place) for nfe in self.nfe]
            for pair in (*pairs, *self._to_zero(place, self.nfe).values()):
                self._check(*pair, process)
        plots.check_figure(own.name for own in self.subjects)

    def _check(self, scheme: str, grid: str, process: ScalarProcess) -> None:
        found = scheme_at(scheme)
        if found.kind != self.dynamics:
            raise InputError(f"{scheme} is of kind {found.kind}; give one of {self.dynamics}, or other dynamics.")
        check_defined(found, process)
        times_of(found, process, grid, steps=STEPS)

    @property
    def rows(self) -> tuple[Row, ...]:
        """Those of ours."""
        return self.ours or rule_of(self.rule.file, self.rule.group)

    @property
    def draws(self) -> bool:
        """Whether runs draw noise."""
        return self.dynamics != DYNAMICS[0]

    def ruled(self, nfe: int, place: Place) -> Pair:
        """The scheme and the grid of ours for a budget on a subject, told of the data.

        raises   InputError where there is none, or two
        """
        return place.told(row_of(self.rows, nfe, is_network(place.law), "ours", "give one"))

    def _to_zero(self, place: Place, nfe: Sequence[int]) -> dict[int, Pair]:
        """The same of the rows to t = 0, at the budgets that they are for."""
        own = is_network(place.law)
        found = {n: [row for row in self.to_zero if row.suits(n, own)] for n in nfe}
        return {n: place.told(row_of(rows, n, own, "to_zero", "give one")) for n, rows in found.items() if rows}

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """For each subject ours, each peer, and each integrator alone."""
        return [cell for place in self._places(quick) for _, _, cell in self._runs(place, quick)]

    def result(self, quick: bool, found: Found) -> Result:
        """Tables of the best peers and of all, and a figure."""
        records = [record for place in self._places(quick) for record in self._records(place, quick, found)]
        best = [own for place in self._places(quick) for own in best_of(records, place.name, self.draws)]
        figure = partial(plots.contest_figure, list(drawn(best, self.draws)), self.title, sides_of(best, self.draws),
                         FLOOR, *(["distance to the law"] if self.draws else []))  # fmt: skip
        data = {"versions": self.versions, "best": best, "records": records}
        return Result(data, figure, tables(records, best, self.draws))

    def _places(self, quick: bool) -> Sequence[Place]:
        return self.subjects[:1] if quick else self.subjects

    def _runs(self, place: Place, quick: bool) -> Iterator[tuple[str, str, Cell]]:
        """(side, peer, cell): of ours first."""
        most = QUICK_PEERS if quick else None
        nfe = budgets_of(self.nfe, quick)
        starts = place.starts or self.starts
        starts = min(starts, QUICK_STARTS) if quick else starts

        def cell(ours: Mapping[int, Pair], text: str = OURS, alone: bool = False) -> Cell:
            version = self.versions[peer(text).library] if text else ""
            return peers_cell(ours, place.process, place.law, starts, self.seed, place.dtype, text, version, alone,
                              self.draws)  # fmt: skip

        ours, to_zero = {n: self.ruled(n, place) for n in nfe}, self._to_zero(place, nfe)
        yield OURS, OURS, cell(ours)
        if to_zero:
            yield TO_ZERO, OURS, cell(to_zero)
        for side, texts in ((USUAL, self.peers), (ALONE, self.alone)):
            for text in place.peers(texts)[:most]:
                yield side, text, cell(ours, text, side == ALONE)

    def _records(self, place: Place, quick: bool, found: Found) -> Iterator[dict[str, Any]]:
        for side, text, cell in self._runs(place, quick):
            for own in found[cell]:
                told = text
                if not text:
                    pairs = self._to_zero(place, [own["nfe"]]) if side else {own["nfe"]: self.ruled(own["nfe"], place)}
                    told = " on ".join(pairs[own["nfe"]])
                yield {"subject": place.name, "side": side, "sampler": told} | own
