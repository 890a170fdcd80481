"""A contest: members of several sides chosen blind on some laws, and judged in cases that they have not seen.

For each budget every side sends the member, a scheme on a grid, with the smallest error on the tuning laws (geometric
mean), and one member for all budgets. A side with a single member has nothing to choose, and is there for reference.
Errors are those of the data part at the end of the grid, along paths against the exact flow from the same starts, or in
law. One in law that samples tell counts as no less than its floor, the distance of two sets of exact draws.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit import plots
from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, choice, real
from numtoolkit.files.result_store import Cell
from numtoolkit.laws import law_of
from numtoolkit.measure.candidates import informed, scale_of
from numtoolkit.problem.processes import process as process_of
from numtoolkit.reproduce import work
from numtoolkit.reproduce.kinds import Found, Question, Result, budgets_of, check, check_budgets, distinct
from numtoolkit.reproduce.subjects import law_at, resolved_law
from numtoolkit.schemes import catalogue

FLOOR = 1e-12  # relative; what the exact flow is good to: some runs end on the very image of a data set
LOST = 10.0  # what an error counts that a member does not have, where it is to stand for all budgets
QUICK = 2  # schemes and grids of a side, and cases, of a quick run
QUANTITIES = {
    "path": {
        "error": "Mean (RMS) error, members chosen for each budget",
        "median": "Error of the median sample, members chosen for each budget",
        "error of one": "Mean (RMS) error, one member of each side for all budgets",
        "median of one": "Error of the median sample, one member of each side for all budgets",
    },
    "law": {
        "error": "Error in law, members chosen for each budget",
        "error of one": "Error in law, one member of each side for all budgets",
    },
}
KEPT = {"path": ("error", "median"), "law": ("error", "floor")}  # of the records of a curve
Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Side:
    """A side: its members are all schemes on all grids.

    schemes    specifications, in which {s} and {m} stand for the deviation and the mean of the data
    grids      likewise
    catalogue  also every scheme of the catalogue that is deterministic, needs no fitting and runs on the process
    without    families of the catalogue that stay out
    misled     told a wrong deviation where the case has one
    """

    name: str
    grids: tuple[str, ...]
    schemes: tuple[str, ...] = ()
    catalogue: bool = False
    without: tuple[str, ...] = ()
    misled: bool = False


@dataclass(frozen=True)
class Field:
    """The sides that meet on processes of a kind; members are chosen on `process`. The others are held to the first."""

    process: str
    sides: tuple[Side, ...]


@dataclass(frozen=True)
class Case:
    """A law on a process; the factor by which the deviation that a side is told is wrong; the error of the network."""

    name: str
    process: str
    law: str
    factor: float = 1.0
    network_error: float = 0.0


@dataclass(frozen=True)
class Member:
    """A scheme on a grid, as a side has it."""

    scheme: str
    grid: str
    misled: bool

    def __str__(self) -> str:
        first = re.sub(r"\((\w+=)?\{s\}, ", "(", f"{self.scheme} on {self.grid}")
        return re.sub(r"(, )?(\w+=)?\{[sm]\}", "", first).replace("()", "")

    def told(self, law: str, factor: float = 1.0) -> tuple[str, str]:
        """Its scheme and grid, told deviation and mean of a law."""
        mean, deviation = scale_of(law_at(*resolved_law(law).values()))
        s, m = f"{deviation * (factor if self.misled else 1):.4f}", f"{mean:.4f}"
        scheme, grid = (text.replace("{s}", s).replace("{m}", m) for text in (self.scheme, self.grid))
        return scheme, grid


@dataclass(frozen=True)
class Choice:
    """The members of a side: for each budget, and one for all."""

    each: Mapping[int, Member]
    one: Member

    def budgets(self) -> dict[Member, list[int]]:
        """Each member that was chosen, and the budgets it runs at."""
        own = {member: [n for n, chosen in self.each.items() if chosen == member] for member in self.each.values()}
        return own | {self.one: list(self.each)}


@dataclass(frozen=True, repr=False)
class Contest(Question):
    """Which side is better where nobody could look? See the head of this file.

    tuning   laws on which members are chosen
    fields   one for each kind of process in the cases
    metric   of all errors, "path" or "law"
    """

    title: str
    nfe: tuple[int, ...]
    tuning: tuple[str, ...]
    fields: tuple[Field, ...]
    cases: tuple[Case, ...]
    caption: str = ""
    metric: str = "path"

    def __post_init__(self) -> None:
        check_budgets(self.nfe)
        choice("metric", self.metric, QUANTITIES)
        for law in distinct("tuning", self.tuning):
            law_of(law)
        distinct("cases", [case.name for case in self.cases])
        distinct("fields", [field.process for field in self.fields])
        names = {tuple(distinct("sides", [side.name for side in field.sides])) for field in self.fields}
        if len(names) != 1:
            raise InputError("the fields have sides of different names; give the same ones, in one order.")
        for field in self.fields:
            for side in field.sides:
                self._check_side(field, side)
        for case in self.cases:
            real("factor", case.factor, 1e-3, 1e3)
            real("network_error", case.network_error, 0.0, 1.0)
            law_of(case.law)
            self._field(case)

    def _check_side(self, field: Field, side: Side) -> None:
        members = self.members(field, side)
        if not members:
            raise InputError(f"side {side.name!r} has no members on {field.process}; give it schemes and grids.")
        schemes, grids = zip(*(member.told(self.tuning[0]) for member in members), strict=True)
        check(list(dict.fromkeys(schemes)), field.process, repeated=True)
        for grid in dict.fromkeys(grids):
            check(schemes[:1], field.process, None, grid)

    def _field(self, case: Case) -> Field:
        kind = process_of(case.process).kind
        for field in self.fields:
            if process_of(field.process).kind == kind:
                return field
        raise InputError(f"case {case.name!r}: no field is of the kind of process {case.process}; give one.")

    @cached_property
    def sides(self) -> list[str]:
        """Their names."""
        return [side.name for side in self.fields[0].sides]

    def members(self, field: Field, side: Side, quick: bool = False) -> list[Member]:
        """The members of a side: every scheme on every grid.

        field, side   of this contest
        quick         two schemes and two grids alone
        """
        kind, schemes = process_of(field.process).kind, list(side.schemes)
        if side.catalogue:
            own = [s for s in catalogue() if kind in s.kinds and s.kind == "ode" and not s.fitted]
            schemes[:0] = [informed(s) for s in own if s.family not in side.without]
        most = QUICK if quick else None
        return [Member(s, grid, side.misled) for s in schemes[:most] for grid in side.grids[:most]]

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """Those of choosing; once all of them are found, those of judging too."""
        tables = [self._tuning(field, side, quick) for field in self.fields for side in field.sides]
        tuning = list(dict.fromkeys(cell for table in tables for row in table for cell in row))
        if any(cell not in found for cell in tuning):
            return tuning
        chosen = self.chosen(quick, found)
        return [*tuning, *(cell for case in self._cases(quick) for cell in self._judging(case, chosen).values())]

    def result(self, quick: bool, found: Found) -> Result:
        """A figure of the errors, and tables of members and errors."""
        chosen = self.chosen(quick, found)
        records = [record for case in self._cases(quick) for record in self._records(case, chosen, found)]
        summary = [line for key in QUANTITIES[self.metric] for line in summarised(records, self.sides, key)]
        members = {
            process: {side: {str(n): str(m) for n, m in own.each.items()} | {"all": str(own.one)}
                      for side, own in sides.items()}
            for process, sides in chosen.items()
        }  # fmt: skip
        return Result(
            {"chosen": members, "summary": summary, "records": records},
            lambda: plots.contest_figure(records, self.title, self.sides, FLOOR),
            _tables(
                {pair: members[pair[0]][pair[1]] for pair in self._choosing(quick)},
                summary,
                records,
                self.sides,
                QUANTITIES[self.metric],
            ),
        )

    def _choosing(self, quick: bool) -> list[tuple[str, str]]:
        """The processes of fields and names of sides that have a choice."""
        sides = ((field, side) for field in self.fields for side in field.sides)
        return [(field.process, side.name) for field, side in sides if len(self.members(field, side, quick)) > 1]

    def _cases(self, quick: bool) -> Sequence[Case]:
        return self.cases[:QUICK] if quick else self.cases

    def _tuning(self, field: Field, side: Side, quick: bool) -> list[list[Cell]]:
        """The cells on which a side chooses, by scheme and law, all its grids in each; none if nothing is to choose."""
        members = self.members(field, side, quick)
        grids = list(dict.fromkeys(member.grid for member in members))
        if len(members) == 1:
            return []

        def cell(scheme: str, law: str) -> Cell:
            told = [Member(scheme, grid, side.misled).told(law) for grid in grids]
            return work.curve_cell(
                told[0][0],
                field.process,
                law,
                [grid for _, grid in told],
                budgets_of(self.nfe, quick),
                metric=self.metric,
            )

        return [[cell(scheme, law) for law in self.tuning] for scheme in dict.fromkeys(m.scheme for m in members)]

    def chosen(self, quick: bool, found: Found) -> dict[str, dict[str, Choice]]:
        """For each process of a field and name of a side, the members it sends.

        quick   as for `cells`
        found   the results of all cells of choosing
        """
        return {field.process: {side.name: self._choose(field, side, quick, found) for side in field.sides}
                for field in self.fields}  # fmt: skip

    def _choose(self, field: Field, side: Side, quick: bool, found: Found) -> Choice:
        members, nfe = self.members(field, side, quick), budgets_of(self.nfe, quick)
        if len(members) == 1:
            return Choice(dict.fromkeys(nfe, members[0]), members[0])
        own = [[_log_errors(found[cell]) for cell in row] for row in self._tuning(field, side, quick)]
        table = np.concatenate([np.mean(row, axis=0) for row in own])
        usable = np.where(np.isfinite(table), table, np.log(LOST))
        each = {n: members[int(np.argmin(table[:, j]))] for j, n in enumerate(nfe)}
        return Choice(each, members[int(np.argmin(usable.mean(axis=1)))])

    def _judging(self, case: Case, chosen: Mapping[str, Mapping[str, Choice]]) -> dict[tuple[str, Member], Cell]:
        """The cells of a case, by side and member."""
        cells = {}
        for side, sent in chosen[self._field(case).process].items():
            for member, nfe in sent.budgets().items():
                scheme, grid = member.told(case.law, case.factor)
                about = case.process, case.law, [grid], nfe
                cells[side, member] = work.curve_cell(
                    scheme, *about, network_error=case.network_error, metric=self.metric
                )
        return cells

    def _records(self, case: Case, chosen: Mapping[str, Mapping[str, Choice]], found: Found) -> list[dict[str, Any]]:
        """A record a side and budget: error and median of the member chosen for the budget, and of the one for all."""
        cells, records = self._judging(case, chosen), []
        for side, sent in chosen[self._field(case).process].items():
            curves = {}
            for member in sent.budgets():
                scheme, _ = member.told(case.law, case.factor)
                curve = work.curve_records(scheme, found[cells[side, member]])
                curves[member] = {record["nfe"]: record for record in curve}
            for n, member in sent.each.items():
                own, common = curves[member][n], curves[sent.one][n]
                records.append(
                    {"case": case.name, "side": side, "nfe": n, "member": str(member)}
                    | {key: own.get(key) for key in KEPT[self.metric]}
                    | {f"{key} of one": common.get(key) for key in KEPT[self.metric]}
                )
        return records


def _log_errors(data: Mapping[str, Any]) -> Floats:
    """(grids, budgets): logarithm of the error of a cell, inf where a budget cannot be spent."""
    none = [None] * len(data["nfe"])
    pairs = [zip(*(curve.get(key, none) for key in ("error", "floor")), strict=True) for curve in data["curves"]]
    return np.array([[np.inf if e is None else np.log(max(e, floor or FLOOR)) for e, floor in own] for own in pairs])


def summarised(records: Records, sides: Sequence[str], quantity: str) -> list[dict[str, Any]]:
    """How the sides after the first compare with it, one line a side.

    records   of a contest; quantity is a key of QUANTITIES of a metric
    sides     their names
    returns   {quantity, side, of, nfe, gain, worse}: for each budget the error of the first side over that of this one,
              geometric mean over the cases that both can spend it in, and in how many, of `of`, this one is worse
    """
    nfe = sorted({r["nfe"] for r in records})
    cases = list(dict.fromkeys(r["case"] for r in records))
    floor = quantity.replace("error", "floor") if quantity.startswith("error") else ""
    found = {
        (r["case"], r["side"], r["nfe"]): None if r[quantity] is None else max(r[quantity], r.get(floor) or FLOOR)
        for r in records
    }
    lines = []
    for side in sides[1:]:
        errors = np.array([[[found[c, own, n] for n in nfe] for c in cases] for own in (sides[0], side)], dtype=float)
        first, other = errors
        with np.errstate(invalid="ignore"):
            gain = [float(np.exp(np.nanmean(own))) for own in np.log(first / other).T]
            worse = (first < other).sum(axis=0)
        facts = {"of": len(cases), "nfe": nfe, "gain": gain, "worse": worse.tolist()}
        lines.append({"quantity": quantity, "side": side} | work.rounded(facts))
    return lines


def _tables(
    members: Mapping[tuple[str, str], Mapping[str, str]],
    summary: Records,
    records: Records,
    sides: Sequence[str],
    quantities: Mapping[str, str],
) -> str:
    """The members that were chosen, by (process, side) and budget, and a table for each quantity, as Markdown."""
    from tabulate import tabulate

    budgets = dict.fromkeys(n for own in members.values() for n in own)
    chosen = [[n, *(f"`{own[n]}`" for own in members.values())] for n in budgets]
    heads = ["NFE", *(f"{process}, {side}" for process, side in members)]
    parts = ["### Chosen", str(tabulate(chosen, heads, tablefmt="github", disable_numparse=True))] if chosen else []
    for key, title in quantities.items():
        own = [line for line in summary if line["quantity"] == key]
        parts += [f"### {title}", f"Errors of {' / '.join(sides)}.", _errors(records, own, sides, key)]
    return "\n\n".join(parts)


def _errors(records: Records, summary: Records, sides: Sequence[str], quantity: str) -> str:
    """A line a case, then how far, and how often, each side is better than the first."""
    from tabulate import tabulate

    nfe = sorted({r["nfe"] for r in records})
    found = {(r["case"], r["side"], r["nfe"]): r[quantity] for r in records}

    def cell(case: str, n: int) -> str:
        return " / ".join("-" if (e := found[case, side, n]) is None else f"{e:.1e}" for side in sides)

    rows = [[case, *(cell(case, n) for n in nfe)] for case in dict.fromkeys(r["case"] for r in records)]
    for line in summary:
        rows.append([f"**{sides[0]} over {line['side']}, geometric mean**", *(f"**{g:.2g}**" for g in line["gain"])])
        rows.append([f"cases in which {line['side']} is worse", *(f"{w} of {line['of']}" for w in line["worse"])])
    return str(tabulate(rows, ["case", *(f"NFE {n}" for n in nfe)], tablefmt="github", disable_numparse=True))
