"""A judging: a rule that was written down before, against all that others could have chosen, on what it never saw.

The file names by digest what the rule was developed on and what it is judged on, and is refused where one of them is
another one now, or both share a file, or a network its seed, data or architecture with one of the first. On a law the
rule meets every scheme of the catalogue on every usual grid, on a network the pairs that lead on the development set;
the best of them *in hindsight* is chosen for each subject, budget and quantity by the errors themselves, which nobody
could have known. One published default is the other rival. Paths are judged from the same starts, so that ratios have
paired intervals; the choice in hindsight is not in them. Errors in law count as no less than their floor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np

from numtoolkit import plots
from numtoolkit.errors import InputError, choice, real, unknown, whole
from numtoolkit.files.result_store import Cell
from numtoolkit.files.tables import filled, read_table
from numtoolkit.limits import MOST
from numtoolkit.measure.candidates import MEAN, SCALE, SPECTRUM, informed, scale_of
from numtoolkit.measure.candidates import Pair as Candidate
from numtoolkit.measure.distances import GROUPS
from numtoolkit.models.by_reference import checkpoint_of
from numtoolkit.models.checkpoints import read_checkpoint
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import check_defined
from numtoolkit.program.runs import times_of
from numtoolkit.reproduce import work
from numtoolkit.reproduce.contest import FLOOR
from numtoolkit.reproduce.kinds import (
    QUICK_NFE,
    Found,
    Question,
    Result,
    check_budgets,
    check_told,
    distinct,
)
from numtoolkit.reproduce.ratios import Pair, ratios_cell
from numtoolkit.reproduce.subjects import DTYPE, law_at, resolved_law, scheme_at
from numtoolkit.reproduce.verdicts import PATHS, RIVALS, summarised, tables
from numtoolkit.schemes import catalogue

DYNAMICS = ("ode", "sde")
PROBED, PLACES = 16, 6  # answers of the exact network of a law that tell it from another, and their decimals
WITHOUT = ("CFG++",)  # families of the catalogue that stay out: they follow no flow
LAWS, NETWORKS = "laws", "networks"  # what rows of a rule are for
STEPS = 8  # on which every grid is read once
QUICK, QUICK_PAIRS, QUICK_STARTS = 2, 3, 40  # subjects and pairs of a group, and starts, of a quick run
QUANTITIES = {"ode": ("path", "median", "law"), "sde": ("law",)}


@dataclass(frozen=True)
class Known:
    """What the rule was developed on: a law or a network, by name, and its digest."""

    law: str
    sha256: str


@dataclass(frozen=True)
class Subject:
    """What it is judged on.

    law         a law, or a network as of `numtoolkit.reproduce.kinds.Curve`
    sha256      of it, as `identity` has it
    spectrum    a file that stands for {spectrum} in schemes and grids, with its digest spectrum_sha256; "" for none
    deviation, mean   of the data of a network, which stand for {s} and {m}; of a law they are its own
    classes, guidance, dtype   as of `numtoolkit.reproduce.kinds.Errors`
    """

    name: str
    process: str
    law: str
    sha256: str
    spectrum: str = ""
    spectrum_sha256: str = ""
    deviation: float = 0.0
    mean: float = 0.0
    classes: int = 0
    guidance: float = 1.0
    dtype: str = DTYPE

    @property
    def is_network(self) -> bool:
        """Whether it is a trained network."""
        return checkpoint_of(self.law) is not None

    def told(self, pair: Candidate) -> Pair:
        """The scheme and the grid of a pair, told of the data."""
        own = (self.mean, self.deviation) if self.is_network else None
        return told(pair, self.law, own, self.spectrum)

    @property
    def about(self) -> dict[str, Any]:
        """What a cell is told of it besides schemes and grids."""
        return {
            "process": self.process, "law": self.law, "classes": self.classes, "guidance": self.guidance,
            "dtype": self.dtype,
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What the rule says for budgets from `first` to `last`.

    on   "networks", which are rough, "laws", closed forms, which are smooth, or "" for both
    """

    first: int
    last: int
    scheme: str
    grid: str
    on: str = ""

    def suits(self, nfe: int, network: bool) -> bool:
        """Whether it is for a budget on a network, or on a law."""
        return self.first <= nfe <= self.last and self.on in ("", NETWORKS if network else LAWS)


def told(pair: Candidate | Row, law: str, own: tuple[float, float] | None, spectrum: str) -> Pair:
    """The scheme and the grid of a pair, told of the data.

    pair       in which {s}, {m} and {spectrum} stand for what is known
    law        whose deviation and mean they are, where it is no network
    own        mean and deviation of the data of a network
    spectrum   the file of it
    """
    mean, deviation = scale_of(law_at(*resolved_law(law).values())) if own is None else own
    found = Candidate(pair.scheme, pair.grid).told({SCALE: f"{deviation:.4f}", MEAN: f"{mean:.4f}", SPECTRUM: spectrum})
    return found.scheme, found.grid


def row_of(rows: Sequence[Row], nfe: int, network: bool, whose: str, remedy: str) -> Row:
    """The one row for a budget on a network, or on a law.

    rows      of a rule
    nfe       the budget
    network   whether it is one
    whose     rows they are, and the remedy, as a refusal says them
    remedy    beside it
    raises    InputError where there is none, or two
    """
    found = [row for row in rows if row.suits(nfe, network)]
    if len(found) != 1:
        own = NETWORKS if network else LAWS
        raise InputError(f"{whose} has {len(found)} rows for {nfe} evaluations on {own}; {remedy}.")
    return found[0]


def rule_of(file: str, group: str) -> tuple[Row, ...]:
    """The rows of the rule of a group, as the file of a judging has them; nothing else in it is read.

    file     of an experiment of kind judging
    group    its name there
    raises   InputError where there is no such group, StorageError for a file that is no TOML
    """
    groups = {str(own.get("name")): own for own in read_table(file).get("groups", ())}
    if group not in groups:
        raise unknown("group", group, groups)
    return tuple(filled(Row, row, f"a row of group {group!r}") for row in groups[group].get("rule", ()))


@dataclass(frozen=True)
class Group:
    """What is judged together: processes of one kind under one dynamics.

    process   of whose kind subjects are
    dynamics  ode, along paths and in law, or sde, in law
    default   the best single published pair
    pairs     that lead on the development set: the rivals on networks, and on laws with the rest
    grids     usual ones, on which every scheme of the catalogue runs on laws
    rule      its rows, one for each budget
    most      budget above which networks, whose runs are dear, are not judged; 0 for none
    """

    name: str
    process: str
    dynamics: str
    default: Candidate
    pairs: tuple[Candidate, ...]
    grids: tuple[str, ...] = ()
    rule: tuple[Row, ...] = ()
    most: int = 0

    def ruled(self, nfe: int, subject: Subject) -> Candidate:
        """What the rule says for a budget on a subject.

        raises   InputError where it says nothing, or two things
        """
        whose, remedy = f"the rule of group {self.name!r}", "write one before anything is judged"
        row = row_of(self.rule, nfe, subject.is_network, whose, remedy)
        return Candidate(row.scheme, row.grid)

    def rivals(self, subject: Subject) -> list[Candidate]:
        """The pairs that the rule meets on a subject, the default among them."""
        rest: list[Candidate] = []
        if not subject.is_network:
            kind = process_of(self.process).kind
            own = [s for s in catalogue() if kind in s.kinds and s.kind == self.dynamics and not s.fitted]
            schemes = [informed(s) for s in own if s.family not in WITHOUT]
            rest = [Candidate(scheme, grid) for scheme, grid in product(schemes, self.grids)]
        return list(dict.fromkeys((self.default, *self.pairs, *rest)))


@dataclass(frozen=True, repr=False)
class Judging(Question):
    """Is the rule better than what people run, where nobody could look? See the head of this file.

    nfe         budgets
    starts      of a path, and of every error on a network
    law_starts  of an error in law alone, of schemes with noise, on laws
    seed        the first of them
    variants    of the rule that were tried on the development set, which the tables say
    """

    title: str
    nfe: tuple[int, ...]
    seed: int
    variants: int
    development: tuple[Known, ...]
    subjects: tuple[Subject, ...]
    groups: tuple[Group, ...]
    caption: str = ""
    starts: int = 128
    law_starts: int = 256

    def __post_init__(self) -> None:
        check_budgets(self.nfe)
        for name, low in (("seed", 0), ("variants", 1), ("starts", 2 * GROUPS), ("law_starts", 2 * GROUPS)):
            whole(name, getattr(self, name), low, MOST)
        for group in self.groups:
            whole("most", group.most, 0, MOST)
        distinct("subjects", [subject.name for subject in self.subjects])
        distinct("groups", [group.name for group in self.groups])
        for known in self.development:
            _check_digest(known.law, known.sha256)
        for subject in self.subjects:
            self._check_subject(subject)
        self._check_apart()
        for group in self.groups:
            choice("dynamics", group.dynamics, DYNAMICS)
            for row in group.rule:
                choice("on", row.on, ("", LAWS, NETWORKS))
            for subject in self.of(group):
                _check_group(group, subject, self.nfe)

    def _check_subject(self, subject: Subject) -> None:
        _check_digest(subject.law, subject.sha256)
        if subject.spectrum:
            _check_digest(subject.spectrum, subject.spectrum_sha256)
        if subject.is_network and not real("deviation", subject.deviation, 0, 100) > 0:
            raise InputError(f"subject {subject.name!r} has no deviation of its data; give that of the training data.")
        found = law_at(**resolved_law(subject.law), dtype=subject.dtype)
        check_told(found, process_of(subject.process), subject.classes, subject.guidance)
        kind = process_of(subject.process).kind
        if all(process_of(group.process).kind != kind for group in self.groups):
            raise InputError(f"subject {subject.name!r}: no group is of the kind of {subject.process}; give one.")

    def _check_apart(self) -> None:
        """raises InputError for a subject that the rule was developed on, or a network that is too near to one."""
        known = {own.sha256 for own in self.development}
        recipes = [_recipe(own.law) for own in self.development if checkpoint_of(own.law) is not None]
        for subject in self.subjects:
            if subject.sha256 in known:
                raise InputError(f"subject {subject.name!r} is of the development set too; judge on another.")
            own = _recipe(subject.law) if subject.is_network else {}
            for key, recipe in product(own, recipes):
                if own[key].strip() and own[key] == recipe[key]:
                    raise InputError(
                        f"subject {subject.name!r} shares its {key}, {own[key]}, with a network of the development "
                        "set; judge on another."
                    )

    def of(self, group: Group) -> list[Subject]:
        """The subjects of a group."""
        kind = process_of(group.process).kind
        return [subject for subject in self.subjects if process_of(subject.process).kind == kind]

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """The errors of all pairs; once all of them are found, how the rule compares with the best of them."""
        errors = [cell for run in self._runs(quick) for cell in self._errors(*run, quick).values()]
        errors = list(dict.fromkeys(errors))
        if any(cell not in found for cell in errors):
            return errors
        beside = [self._beside(*run, quick, found) for run in self._runs(quick) if run[0].dynamics == "ode"]
        return errors + beside

    def result(self, quick: bool, found: Found) -> Result:
        """Tables of ratios and a figure of errors along paths."""
        records = [record for run in self._runs(quick) for record in self._records(*run, quick, found)]
        summary = summarised(records)
        drawn = list(_drawn(records))
        sides = ["rule", *RIVALS.values()]
        figure = partial(plots.contest_figure, drawn, self.title, sides, FLOOR) if drawn else None
        said = f"Variants of the rule that were tried on the development set before: {self.variants}."
        data = {"variants": self.variants, "summary": summary, "records": records}
        return Result(data, figure, f"{said}\n\n{tables(records, summary)}")

    def _runs(self, quick: bool) -> list[tuple[Group, Subject]]:
        return [(group, own) for group in self.groups for own in self.of(group)[: QUICK if quick else None]]

    def _nfe(self, group: Group, subject: Subject, quick: bool) -> list[int]:
        most = QUICK_NFE if quick else group.most if group.most and subject.is_network else max(self.nfe)
        return [n for n in self.nfe if n <= most or n == min(self.nfe)]

    def _samples(self, group: Group, subject: Subject, quick: bool) -> int:
        own = self.starts if group.dynamics == "ode" or subject.is_network else self.law_starts
        return min(own, QUICK_STARTS) if quick else own

    def _rivals(self, group: Group, subject: Subject, quick: bool) -> list[Candidate]:
        return group.rivals(subject)[: QUICK_PAIRS if quick else None]

    def _errors(self, group: Group, subject: Subject, quick: bool) -> dict[str, Cell]:
        """The cells of the errors of all pairs, by scheme as told, all its grids in each."""
        wanted: dict[str, list[str]] = {}
        ruled = dict.fromkeys(group.ruled(n, subject) for n in self._nfe(group, subject, quick))
        for pair in (*self._rivals(group, subject, quick), *ruled):
            scheme, grid = subject.told(pair)
            wanted.setdefault(scheme, []).append(grid)
        count = self._samples(group, subject, quick)
        how: dict[str, Any] = {"samples": count, "first": self.seed, "reference": count if subject.is_network else 0}
        return {
            scheme: work.curve_cell(
                scheme, grids=list(dict.fromkeys(grids)), nfe=self._nfe(group, subject, quick), **subject.about, **how
            )
            for scheme, grids in wanted.items()
        }

    def _measured(self, group: Group, subject: Subject, quick: bool, found: Found) -> dict[Pair, dict[int, Any]]:
        """The records of all pairs, as told, by budget."""
        cells = self._errors(group, subject, quick)
        ruled = [group.ruled(n, subject) for n in self._nfe(group, subject, quick)]
        measured: dict[Pair, dict[int, Any]] = {}
        places: dict[str, list[str]] = {}
        for pair in (*self._rivals(group, subject, quick), *ruled):
            scheme, grid = subject.told(pair)
            own = places.setdefault(scheme, [])
            if grid not in own:
                own.append(grid)
                curve = work.curve_records(scheme, found[cells[scheme]], len(own) - 1)
                measured[scheme, grid] = {record["nfe"]: record for record in curve}
        return measured

    def _best(self, group: Group, subject: Subject, quick: bool, found: Found) -> dict[tuple[int, str], Candidate]:
        """The best of the rivals in hindsight, by budget and quantity; where none has an error, the default."""
        measured = self._measured(group, subject, quick, found)
        rivals = self._rivals(group, subject, quick)
        return {
            (n, quantity): min(rivals, key=lambda pair: _error(measured[subject.told(pair)][n], quantity))
            for n, quantity in product(self._nfe(group, subject, quick), QUANTITIES[group.dynamics])
        }

    def _beside(self, group: Group, subject: Subject, quick: bool, found: Found) -> Cell:
        best = self._best(group, subject, quick, found)
        runs = {
            n: [subject.told(pair) for pair in (group.ruled(n, subject), *(best[n, q] for q in PATHS), group.default)]
            for n in self._nfe(group, subject, quick)
        }
        return ratios_cell(runs, samples=self._samples(group, subject, quick), first=self.seed, **subject.about)

    def _records(self, group: Group, subject: Subject, quick: bool, found: Found) -> Iterator[dict[str, Any]]:
        """A record a budget and quantity: errors of the rule and of both rivals, and its own over theirs."""
        measured = self._measured(group, subject, quick, found)
        best = self._best(group, subject, quick, found)
        paired = found[self._beside(group, subject, quick, found)] if group.dynamics == "ode" else None
        for i, n in enumerate(self._nfe(group, subject, quick)):
            rule = group.ruled(n, subject)
            for quantity in QUANTITIES[group.dynamics]:
                record: dict[str, Any] = {
                    "group": group.name, "subject": subject.name, "network": subject.is_network, "nfe": n,
                    "quantity": quantity, "rule": str(rule), "best": str(best[n, quantity]),
                    "default": str(group.default),
                }  # fmt: skip
                pairs = {"rule": rule, "best": best[n, quantity], "default": group.default}
                own = {key: measured[subject.told(pair)][n] for key, pair in pairs.items()}
                errors = {key: _error(one, quantity) for key, one in own.items()}
                record["errors"] = {key: e if np.isfinite(e) else None for key, e in errors.items()}
                record["intervals"] = {key: _interval(one, quantity) for key, one in own.items()}
                over = _over(errors, quantity, paired and paired[i])
                record |= {f"over {rival}": ratio for rival, ratio in over.items()}
                yield work.rounded(record)


def identity(law: str) -> str:
    """The digest that tells a law or a file from every other: that of the file, or of the name and some answers.

    law   a law, a network or an .npz file by name
    """
    facts = resolved_law(law)
    if facts["law_sha256"]:
        return facts["law_sha256"]
    own = law_at(str(facts["law"]), None)
    noise = np.random.Generator(np.random.Philox(0)).standard_normal((PROBED, *own.shape))
    answers = np.round(own.denoise(own.mean + noise, 1.0), PLACES) + 0.0  # no -0
    text = " ".join([str(facts["law"]), *(f"{x:.{PLACES}f}" for x in answers.ravel())])
    return hashlib.sha256(text.encode()).hexdigest()


def _check_digest(law: str, sha256: str) -> None:
    if (own := identity(law)) != sha256:
        raise InputError(f"{law!r} is {own} now, not {sha256!r}; judge what the file was written for.")


def _check_group(group: Group, subject: Subject, nfe: Sequence[int]) -> None:
    """Read all that runs on a subject, once: every pair, and every usual grid under the default."""
    process = process_of(subject.process)
    usual = (Candidate(group.default.scheme, grid) for grid in group.grids)
    for pair in dict.fromkeys((group.default, *group.pairs, *(group.ruled(n, subject) for n in nfe), *usual)):
        text, grid = subject.told(pair)
        scheme = scheme_at(text)
        if scheme.kind != group.dynamics:
            raise InputError(f"{text} in group {group.name!r} is of kind {scheme.kind}; give {group.dynamics}.")
        check_defined(scheme, process)
        times_of(scheme, process, grid, steps=STEPS)


@lru_cache(maxsize=64)
def _recipe(law: str) -> dict[str, str]:
    """What a network must not share with one of the development set."""
    path = checkpoint_of(law)
    assert path is not None
    recipe = read_checkpoint(path)[0].get("recipe", {})
    parts = {
        "seed": ("seed",),
        "data": ("data",),
        "architecture": ("architecture", "width", "depth"),
    }
    said = {name: " ".join(str(recipe.get(key, "")) for key in keys) for name, keys in parts.items()}
    return said | {"data": said["data"].partition("(")[0]}  # whose parameters make no other pictures


def _error(record: Mapping[str, Any], quantity: str) -> float:
    """An error of a record, no less than it can be told; inf where there is none."""
    value = record.get(quantity)
    return np.inf if value is None else max(float(value), record.get("floor", 0.0) if quantity == "law" else FLOOR)


def _interval(record: Mapping[str, Any], quantity: str) -> list[float | None]:
    """The 95 % interval of an error of a record, where it has one."""
    leads = record.get(quantity) == record.get("error")
    return [record.get(end if leads else f"{quantity}_{end}") for end in ("low", "high")]


def _over(errors: Mapping[str, float], quantity: str, paired: Sequence[Any] | None) -> dict[str, list[float | None]]:
    """The error of the rule over that of each rival, and its interval where both are of the same starts.

    errors     of the rule and its rivals
    quantity   that they are of
    paired     the ratios of a `ratios_cell` at the budget: over the best of each of PATHS, and over the default
    """
    if paired and quantity in PATHS:
        names = ("rms", "low", "high") if quantity == "path" else ("median", "median_low", "median_high")
        places = {"best": paired[PATHS.index(quantity)], "default": paired[len(PATHS)]}
        return {rival: [own and own[name] for name in names] for rival, own in places.items()}
    able = {rival: np.isfinite([errors["rule"], errors[rival]]).all() for rival in RIVALS}
    return {rival: [errors["rule"] / errors[rival] if able[rival] else None, None, None] for rival in RIVALS}


def _drawn(records: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The errors along paths, as a figure of a contest takes them."""
    sides = {"rule": "rule"} | RIVALS
    paths: dict[tuple[str, str, int], dict[str, Any]] = {}
    for record in records:
        if record["quantity"] in PATHS:
            at = record["group"], record["subject"], record["nfe"]
            paths.setdefault(at, {})[record["quantity"]] = record["errors"]
    for (_, subject, nfe), own in paths.items():
        for key, side in sides.items():
            yield {"case": subject, "side": side, "nfe": nfe, "error": own["path"][key], "median": own["median"][key]}
