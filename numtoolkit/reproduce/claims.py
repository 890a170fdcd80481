"""Claims of papers beside what is found here: each with its value, what it was held against, and a verdict.

A list of claims says what papers say and nothing else. A check asks an engine (`numtoolkit.reproduce.asked`), or runs
schemes on a law or network (`errors`), and says which numbers the claim would have; the verdict follows.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError, StorageError, choice, unknown
from numtoolkit.files.result_store import Cell
from numtoolkit.files.tables import filled
from numtoolkit.reproduce import work
from numtoolkit.reproduce.asked import asked_cell, command_of
from numtoolkit.reproduce.kinds import Found, Question, Result, check_budgets, distinct
from numtoolkit.reproduce.subjects import DTYPE

CLOSED = ("derived", "closed form")  # kinds whose checks take seconds, and a quick run makes
KINDS_OF_CLAIMS = (*CLOSED, "simulated", "trained network", "needs weights")
REPRODUCED, DEVIATION, NOT, CONTRADICTED, BLOCKED, OPEN = VERDICTS = (
    "reproduced", "with deviation", "not reproduced", "contradicted", "blocked", "not yet judged",
)  # fmt: skip
ERRORS = "errors"  # the question that runs schemes
VALUES = ("error", "median", "law", "path", "frechet")  # of the records of a curve
OURS = 4  # digits of what is found
FILES = "[with the files](docs/checkpoints.md#a-number-of-a-paper)"  # what a blocked claim takes
COLUMNS = ["claim", "place", "kind", "numbers", "ours", "asked, and why", "verdict", "command", "result"]


@dataclass(frozen=True)
class Claim:
    """What a paper says, restated.

    place    section, table or equation
    kind     what it takes to judge it
    numbers  that it states, by what they are of
    needs    files that the judgement takes and that are not here
    """

    id: str
    place: str
    kind: str
    says: str
    numbers: dict[str, float] = field(default_factory=dict)
    needs: str = ""


@dataclass(frozen=True)
class Paper:
    """The claims of one paper: its arXiv number, its title."""

    paper: str
    title: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Runs:
    """What `errors` is asked with: schemes, a process, a law or network, a grid and budgets, as of an error curve.

    value      error, median, law, path or frechet
    samples, reference, classes, guidance, dtype   as of `numtoolkit.reproduce.kinds.Errors`
    """

    schemes: tuple[str, ...]
    process: str
    law: str
    grid: str
    nfe: tuple[int, ...]
    value: str = "error"
    samples: int = 0
    reference: int = 0
    classes: int = 0
    guidance: float = 1.0
    dtype: str = DTYPE

    def __post_init__(self) -> None:
        check_budgets(self.nfe)
        choice("value", self.value, VALUES)

    def cells(self) -> list[Cell]:
        """One a scheme: those of an experiment on the same law, budgets and samples are these."""
        told: dict[str, Any] = {name: getattr(self, name) for name in ("reference", "classes", "guidance", "dtype")}
        return [
            work.curve_cell(name, self.process, self.law, [self.grid], self.nfe, self.samples, **told)
            for name in distinct("schemes", self.schemes)
        ]

    def values(self, results: Sequence[Any]) -> dict[str, Any]:
        """By scheme, and by budget where there are several."""
        found = {}
        for name, data in zip(self.schemes, results, strict=True):
            for record in work.curve_records(name, data):
                found[name if len(self.nfe) == 1 else f"{name}, {record['nfe']}"] = record[self.value]
        return found

    def command(self) -> str:
        """The curve by itself."""
        words = ["curve", "--process", self.process, "--law", self.law, "--schemes", ",".join(self.schemes)]
        words += ["--grid", self.grid, "--nfe", ",".join(map(str, self.nfe))]
        return shlex.join(["numtoolkit", *words, *(["--samples", str(self.samples)] if self.samples else [])])


@dataclass(frozen=True)
class Check:
    """What a claim is held against.

    claim      its id
    ask, of    the question, and what it is asked with
    near       value -> what it would be: a number within `within`, relative, or just that text, truth or number
    below, above   value -> bound
    rising     values, each above the one before by the factor `by`
    why        where the tolerance comes from, or what is compared and why so
    deviation  what is other than in the paper though the claim holds
    contradiction   of a claim that does not hold: the derivation of what is so
    instead    the same of one that is not seen here and may be elsewhere: what is seen
    """

    claim: str
    ask: str
    of: dict[str, Any]
    near: dict[str, Any] = field(default_factory=dict)
    within: float = 0.0
    below: dict[str, float] = field(default_factory=dict)
    above: dict[str, float] = field(default_factory=dict)
    rising: tuple[str, ...] = ()
    by: float = 1.0
    why: str = ""
    deviation: str = ""
    contradiction: str = ""
    instead: str = ""

    @cached_property
    def runs(self) -> Runs | None:
        """What `errors` runs; None of another question."""
        return filled(Runs, self.of, f"claim {self.claim}") if self.ask == ERRORS else None

    @cached_property
    def cells(self) -> list[Cell]:
        """What must be computed."""
        return self.runs.cells() if self.runs else [asked_cell(self.ask, self.of)]

    @property
    def command(self) -> str:
        """What shows the values by themselves, "" where nothing does."""
        return self.runs.command() if self.runs else command_of(self.ask, self.of)

    def values(self, found: Found) -> dict[str, Any]:
        """By name."""
        results = [found[cell] for cell in self.cells]
        return self.runs.values(results) if self.runs else dict(results[0])

    def named(self) -> list[str]:
        """The values that the claim speaks of."""
        return list(dict.fromkeys([*self.near, *self.below, *self.above, *self.rising]))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether they are those that the claim would have. One that is not finite is above any other."""
        for name in self.named():
            if name not in values:
                raise unknown(f"value of claim {self.claim}", name, values)
        size = {name: float("inf") if values[name] is None else values[name] for name in self.named()}
        return (
            all(_near(values[name], wanted, self.within) for name, wanted in self.near.items())
            and all(size[name] < bound for name, bound in self.below.items())
            and all(size[name] > bound for name, bound in self.above.items())
            and all(size[more] > self.by * size[less] for less, more in pairwise(self.rising))
        )

    def verdict(self, values: Mapping[str, Any]) -> str:
        """Of the values."""
        if self.holds(values):
            return DEVIATION if self.deviation else REPRODUCED
        return CONTRADICTED if self.contradiction else NOT

    def said(self) -> str:
        """What the claim would have, and why that is asked."""
        parts = [f"{name}: {_text(own)}" for name, own in self.near.items()]
        parts += [f"{name} < {_text(own)}" for name, own in self.below.items()]
        parts += [f"{name} > {_text(own)}" for name, own in self.above.items()]
        factor = "" if self.by == 1 else f", each by a factor of {self.by:g}"
        parts += [f"{' < '.join(self.rising)}{factor}"] if self.rising else []
        within = f", to {100 * self.within:g} %" if self.within else ""
        return f"{', '.join(parts)}{within}{f' ({self.why})' if self.why else ''}"


def _near(value: Any, wanted: Any, within: float) -> bool:
    if within and isinstance(value, int | float) and isinstance(wanted, int | float):
        return abs(value - wanted) <= within * abs(wanted)
    return bool(value == wanted)


def _text(value: Any, digits: int = 6) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else "not finite" if value is None else str(value)


@dataclass(frozen=True, repr=False)
class Claims(Question):
    """The claims of papers, each judged by its checks, by the files that it needs, or not yet.

    lists   paths of TOML files, each a `Paper`
    """

    title: str
    lists: tuple[str, ...]
    checks: tuple[Check, ...]
    caption: str = ""

    def __post_init__(self) -> None:
        claims = [claim for paper in self.papers for claim in paper.claims]
        distinct("claims", [claim.id for claim in claims])
        for claim in claims:
            choice("kind", claim.kind, KINDS_OF_CLAIMS)
        known = {claim.id for claim in claims}
        for check in self.checks:
            if check.claim not in known:
                raise unknown("claim", check.claim, known)
            if not check.named():
                raise InputError(f"the check of {check.claim} says no value; give near, below, above or rising.")
            _ = check.cells

    @cached_property
    def texts(self) -> dict[str, bytes]:
        """The files of the lists."""
        try:
            return {path: Path(path).read_bytes() for path in distinct("lists", self.lists)}
        except OSError as error:
            raise StorageError(f"cannot read a list of claims: {error}; name one that is there.") from None

    @cached_property
    def papers(self) -> tuple[Paper, ...]:
        """What they hold."""
        try:
            tables = {path: tomllib.loads(text.decode()) for path, text in self.texts.items()}
        except ValueError as error:
            raise StorageError(f"cannot read a list of claims: {error}; mend it.") from None
        return tuple(filled(Paper, table, path) for path, table in tables.items())

    def _checks(self, claim: Claim, quick: bool) -> list[Check]:
        own = [check for check in self.checks if check.claim == claim.id]
        return own if claim.kind in CLOSED or not quick else []

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """Those of all checks; of a quick run, of what is derived or in closed form."""
        claims = [claim for paper in self.papers for claim in paper.claims]
        return list(
            dict.fromkeys(cell for claim in claims for check in self._checks(claim, quick) for cell in check.cells)
        )

    def result(self, quick: bool, found: Found) -> Result:
        """A table of counts, and a row a claim."""
        rows = [
            {"paper": paper.paper} | asdict(claim) | self._judged(claim, quick, found)
            for paper in self.papers
            for claim in paper.claims
        ]
        lists = {path: hashlib.sha256(text).hexdigest() for path, text in self.texts.items()}
        titles = {paper.paper: paper.title for paper in self.papers}
        return Result({"titles": titles, "lists": lists, "claims": rows}, table=summary(rows))

    def _judged(self, claim: Claim, quick: bool, found: Found) -> dict[str, Any]:
        checks = self._checks(claim, quick)
        if not checks:
            return {"verdict": BLOCKED if claim.needs else OPEN, "checks": []}
        judged = []
        for check in checks:
            values = check.values(found)
            verdict = check.verdict(values)
            because = {DEVIATION: check.deviation, CONTRADICTED: check.contradiction, NOT: check.instead}
            judged.append({
                "ours": {name: values[name] for name in check.named()},
                "asked": check.said(),
                "verdict": verdict,
                "because": because.get(verdict, ""),
                "command": check.command,
                "cells": [cell.address for cell in check.cells],
            })  # fmt: skip
        worst = max((own["verdict"] for own in judged), key=VERDICTS.index)
        return {"verdict": worst, "checks": judged}


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many claims of each paper, and of each kind, have which verdict, as a table in Markdown."""
    from tabulate import tabulate

    def counted(key: str, value: str) -> list[Any]:
        own = [row["verdict"] for row in rows if row[key] == value]
        return [value, len(own), *(own.count(verdict) or "" for verdict in VERDICTS)]

    papers = [counted("paper", own) for own in dict.fromkeys(row["paper"] for row in rows)]
    kinds = [counted("kind", own) for own in KINDS_OF_CLAIMS if any(row["kind"] == own for row in rows)]
    every = [row["verdict"] for row in rows]
    whole = ["all", len(every), *(every.count(verdict) or "" for verdict in VERDICTS)]
    return str(tabulate([*papers, *kinds, whole], ["", "claims", *VERDICTS], tablefmt="github", disable_numparse=True))


def page(data: Mapping[str, Any], title: str, caption: str, command: str) -> str:
    """The page of all claims in Markdown: counts, and a table a paper.

    data      of the result of `Claims`
    title, caption, command   of the experiment: what it asks, what it shows, what makes it
    """
    rows, lists = data["claims"], data["lists"]
    parts = [f"# {title}", " ".join(caption.split()), f"Made by `{command}` from `figures/claims.json`.", summary(rows)]
    fixed = [f"- `{path}`, SHA-256 `{digest}`" for path, digest in lists.items()]
    parts += ["The lists of claims, which were fixed before any was judged:", "\n".join(fixed)]
    for paper, name in data["titles"].items():
        lines = [COLUMNS, ["---"] * len(COLUMNS), *(_line(row, command) for row in rows if row["paper"] == paper)]
        parts += [f"## {name}, arXiv:{paper}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _line(row: Mapping[str, Any], command: str) -> list[str]:
    checks = row["checks"]
    ours = [_pairs(own["ours"], OURS) for own in checks]
    because = [own["because"] for own in checks if own["because"]]
    verdict = row["verdict"]
    because += [f"lacking {row['needs']}"] if verdict == BLOCKED else []
    commands = dict.fromkeys(f"`{own['command'] or command}`" for own in checks) or ([FILES] if verdict != OPEN else [])
    digests = [f"`{Path(cells[0]).stem}`{f' and {len(cells) - 1} more' if cells[1:] else ''}" for own in checks
               for cells in [own["cells"]]]  # fmt: skip
    said = f"**{verdict}**{': ' if because else ''}{'; '.join(because)}"
    cells = [f"{row['says']} (`{row['id']}`)", row["place"], row["kind"], _pairs(row["numbers"]), "; ".join(ours),
             "; ".join(own["asked"] for own in checks), said, ", ".join(commands), ", ".join(digests)]  # fmt: skip
    return [_escaped(" ".join(cell.split())) for cell in cells]


def _escaped(text: str) -> str:
    """Markdown in which nothing but what stands between back quotes, and bold words, has a meaning."""
    parts = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", text)
    plain = (
        re.sub(r"([*_<|])", r"\\\1", part) if i % 2 == 0 else part.replace("|", r"\|") for i, part in enumerate(parts)
    )
    return "".join(plain)


def _pairs(values: Mapping[str, Any], digits: int = 6) -> str:
    return ", ".join(f"{name}: {_text(value, digits)}" for name, value in values.items())
