"""Samplers of other libraries beside ours, from common starts: as their users run them, and their integrators alone.

For every budget the scheme and grid of `ours` meets each peer twice: as its users call it, on its own noise levels,
both held to the data; and, where it can be given levels, on those of our grid, both held to the flow at its end.
The best peer is chosen in hindsight for each subject, budget and quantity. Results name the version of the library that
computed them; where it is not installed, what is kept is drawn, and what is missing says what to install.
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
from numtoolkit.reproduce.judging import LAWS, NETWORKS, Row, row_of, told
from numtoolkit.reproduce.kinds import QUICK_NFE, Found, Question, Result, check_budgets, distinct
from numtoolkit.reproduce.peer_cells import OURS, peers_cell
from numtoolkit.reproduce.ratios import Pair
from numtoolkit.reproduce.subjects import DTYPE, is_network, scheme_at
from numtoolkit.reproduce.verdicts import ratio_text

USUAL, ALONE = "usual", "alone"
SIDES = {OURS: "ours", USUAL: "best peer as its users run it", ALONE: "best integrator of a peer on our grid"}
QUANTITIES = {"error": "RMS error along paths", "median": "median error along paths", "law": "error in law"}
STEPS = 8  # on which every grid is read once
QUICK_PEERS, QUICK_STARTS = 2, 2 * GROUPS  # of a quick run


@dataclass(frozen=True)
class Place:
    """What runs are compared on.

    process    scalar: edm, or a table such as linear
    law        a law, or a network as of `numtoolkit.reproduce.kinds.Curve`
    spectrum   a file that stands for {spectrum} in schemes and grids; "" for none
    deviation, mean   of the data of a network, which stand for {s} and {m}; of a law they are its own
    dtype      as of `numtoolkit.reproduce.kinds.Errors`
    """

    name: str
    process: str
    law: str
    spectrum: str = ""
    deviation: float = 0.0
    mean: float = 0.0
    dtype: str = DTYPE

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
    ours       what is recommended, one row a budget
    peers      as their users run them, as `numtoolkit.measure.peers.peer` reads them
    alone      those whose integrators are given our levels too
    starts     of every run; seed is the first
    """

    title: str
    nfe: tuple[int, ...]
    versions: dict[str, str]
    subjects: tuple[Place, ...]
    ours: tuple[Row, ...]
    peers: tuple[str, ...]
    alone: tuple[str, ...] = ()
    caption: str = ""
    starts: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        check_budgets(self.nfe)
        whole("starts", self.starts, 2 * GROUPS, MOST)
        whole("seed", self.seed, 0, MOST)
        distinct("subjects", [own.name for own in self.subjects])
        for text in (*distinct("peers", self.peers), *dict.fromkeys(self.alone)):
            if (own := peer(text)).library not in self.versions:
                raise InputError(f"peer {text} is of {own.library}, whose version is not given; add it to versions.")
        for row in self.ours:
            choice("on", row.on, ("", LAWS, NETWORKS))
        for place in self.subjects:
            process = process_of(place.process)
            if not isinstance(process, ScalarProcess) or not place.peers(self.peers):
                raise InputError(f"subject {place.name!r} is on {place.process}, where no peer runs; leave it out.")
            for nfe in self.nfe:
                scheme, grid = place.told(self.ruled(nfe, place))
                check_defined(scheme_at(scheme), process)
                times_of(scheme_at(scheme), process, grid, steps=STEPS)
        plots.check_figure(own.name for own in self.subjects)

    def ruled(self, nfe: int, place: Place) -> Row:
        """The row of ours for a budget on a subject.

        raises   InputError where there is none, or two
        """
        return row_of(self.ours, nfe, is_network(place.law), "ours", "give one")

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """For each subject ours, each peer, and each integrator alone."""
        return [cell for place in self._places(quick) for _, _, cell in self._runs(place, quick)]

    def result(self, quick: bool, found: Found) -> Result:
        """Tables of the best peers and of all, and a figure."""
        records = [record for place in self._places(quick) for record in self._records(place, quick, found)]
        best = [own for place in self._places(quick) for own in _best(records, place.name)]
        drawn = list(_drawn(best))
        figure = partial(plots.contest_figure, drawn, self.title, list(SIDES.values()), FLOOR)
        data = {"versions": self.versions, "best": best, "records": records}
        return Result(data, figure, tables(records, best))

    def _places(self, quick: bool) -> Sequence[Place]:
        return self.subjects[:1] if quick else self.subjects

    def _runs(self, place: Place, quick: bool) -> Iterator[tuple[str, str, Cell]]:
        """(side, peer, cell): of ours first."""
        most = QUICK_PEERS if quick else None
        nfe = [n for n in self.nfe if n <= QUICK_NFE or n == min(self.nfe)] if quick else list(self.nfe)
        ours = {n: place.told(self.ruled(n, place)) for n in nfe}
        starts = min(self.starts, QUICK_STARTS) if quick else self.starts
        cell = partial(peers_cell, ours, place.process, place.law, starts, self.seed, place.dtype)
        yield OURS, OURS, cell(OURS, "", False)
        for side, texts in ((USUAL, self.peers), (ALONE, self.alone)):
            for text in place.peers(texts)[:most]:
                yield side, text, cell(text, self.versions[peer(text).library], side == ALONE)

    def _records(self, place: Place, quick: bool, found: Found) -> Iterator[dict[str, Any]]:
        for side, text, cell in self._runs(place, quick):
            for own in found[cell]:
                ours = " on ".join(place.told(self.ruled(own["nfe"], place))) if side == OURS else text
                yield {"subject": place.name, "side": side, "sampler": ours} | own


# --- what they say


def _best(records: Sequence[Mapping[str, Any]], subject: str) -> Iterator[dict[str, Any]]:
    """For each budget and quantity of a subject ours and the best of each side, with the ratio of ours to it."""
    own = [r for r in records if r["subject"] == subject]
    for nfe in dict.fromkeys(r["nfe"] for r in own):
        for quantity in QUANTITIES:
            line: dict[str, Any] = {"subject": subject, "nfe": nfe, "quantity": quantity}
            ours = None
            for side in SIDES:
                among = [r for r in own if (r["side"], r["nfe"]) == (side, nfe) and r.get(quantity) is not None]
                if among:
                    best = min(among, key=lambda r: _told(r, quantity))
                    line[side or "ours"] = {"sampler": best["sampler"], "error": _told(best, quantity)}
                    if side:
                        line[side]["over"] = _over(ours, best, quantity)
                    else:
                        ours = best
            yield line


def _told(record: Mapping[str, Any], quantity: str, end: str = "") -> float:
    """An error, or an end of its interval, no less than it can be told: in law than the distance of two exact sets."""
    found = record.get(f"{quantity}{end}")
    return max(float(record[quantity] if found is None else found), record["floor"] if quantity == "law" else FLOOR)


def _over(ours: Mapping[str, Any] | None, best: Mapping[str, Any], quantity: str) -> list[float | None]:
    """The error of ours over that of a peer, with an interval: paired along paths, in law from the ends of both."""
    if ours is None:
        return [None, None, None]
    if quantity == "law":
        ends = (("", ""), ("_low", "_high"), ("_high", "_low"))
        return [_told(ours, quantity, one) / _told(best, quantity, other) for one, other in ends]
    names = ("rms", "low", "high") if quantity == "error" else ("median", "median_low", "median_high")
    over = best.get("over")
    return [over[name] if over else None for name in names]


def _drawn(best: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The errors along paths, as a figure of a contest takes them."""
    for line in best:
        if line["quantity"] == "error":
            medians = next(b for b in best if b["quantity"] == "median"
                           and (b["subject"], b["nfe"]) == (line["subject"], line["nfe"]))  # fmt: skip
            for side, label in SIDES.items():
                key = side or "ours"
                error, median = (own.get(key, {}).get("error") for own in (line, medians))
                yield {"case": line["subject"], "side": label, "nfe": line["nfe"], "error": error, "median": median}


def tables(records: Sequence[Mapping[str, Any]], best: Sequence[Mapping[str, Any]]) -> str:
    """How often ours is ahead; for each subject and quantity ours and the best peers; and the errors of all.

    records   of all runs
    best      of `_best`
    returns   Markdown
    """
    from tabulate import tabulate

    def table(rows: list[list[Any]], heads: list[str]) -> str:
        return str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))

    parts = ["### How often ours is ahead", table(list(_counts(best)), ["quantity", "against", *_WORDS])]
    for subject, quantity in dict.fromkeys((b["subject"], b["quantity"]) for b in best):
        own = [b for b in best if (b["subject"], b["quantity"]) == (subject, quantity)]
        sides = [side for side in (USUAL, ALONE) if any(side in b for b in own)]
        heads = ["NFE", "ours", *(head for side in sides for head in (SIDES[side], "", "ours over it"))]
        rows = [[b["nfe"], _error(b.get("ours")), *(x for side in sides for x in _beside(b.get(side)))] for b in own]
        parts += [f"### {subject}: {QUANTITIES[quantity]}", table(rows, heads)]
    for subject, side in dict.fromkeys((r["subject"], r["side"]) for r in records if r["side"]):
        own = [r for r in records if (r["subject"], r["side"]) == (subject, side)]
        nfe = list(dict.fromkeys(r["nfe"] for r in own))
        found = {(r["sampler"], r["nfe"]): r for r in own}
        how = "as their users run them" if side == USUAL else "on our grid"
        rows = [
            [f"`{name}`", *(_error(found.get((name, n))) for n in nfe)] for name in dict.fromkeys(s for s, _ in found)
        ]
        parts += [f"### {subject}: RMS errors of all {how}", table(rows, ["", *(f"NFE {n}" for n in nfe)])]
    return "\n\n".join(parts)


_WORDS = ("ahead", "not told apart", "behind", "of")


def _counts(best: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """(quantity, side, ahead, not told apart, behind, of), over subjects and budgets; by intervals where there are."""
    for quantity in QUANTITIES:
        for side in (USUAL, ALONE):
            ratios = [b[side]["over"] for b in best if b["quantity"] == quantity and side in b]
            known = [(value, low or value, high or value) for value, low, high in ratios if value is not None]
            ahead, behind = sum(high < 1 for _, _, high in known), sum(low > 1 for _, low, _ in known)
            if known:
                yield [QUANTITIES[quantity], SIDES[side], ahead, len(known) - ahead - behind, behind, len(known)]


def _error(own: Mapping[str, Any] | None) -> str:
    return "-" if own is None or own.get("error") is None else f"{own['error']:.1e}"


def _beside(own: Mapping[str, Any] | None) -> list[str]:
    return ["-", "-", "-"] if own is None else [f"`{own['sampler']}`", _error(own), ratio_text(own["over"])]
