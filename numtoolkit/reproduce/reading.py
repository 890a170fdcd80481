"""Experiments as files: a table of a few strict keys that says what to compute and which question the picture answers.

A file NAME.toml holds `kind` and the fields of the class of that kind, nothing else (`numtoolkit.reproduce.kinds`,
`panels`, `contest`, `found_steps`, `judging`, `peers`, `claims`). All specifications in it are read when it is, so that
a slip is found before anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError, brief, unknown
from numtoolkit.files.tables import filled, read_table
from numtoolkit.reproduce.claims import Claims
from numtoolkit.reproduce.contest import Contest
from numtoolkit.reproduce.found_steps import FoundSteps
from numtoolkit.reproduce.judging import Judging
from numtoolkit.reproduce.kinds import Curve, Defects, Errors, Orders, Samples, Stability
from numtoolkit.reproduce.panels import Panels
from numtoolkit.reproduce.peers import Peers

FOLDER = "experiments"  # where they lie unless another folder is named
LONGEST_TITLE = 200  # characters

Experiment = (
    Orders | Stability | Errors | Curve | Panels | Defects | Samples | Contest | FoundSteps | Judging | Peers | Claims
)
KINDS: dict[str, type[Experiment]] = {
    "orders": Orders, "stability": Stability, "errors": Errors, "curve": Curve, "panels": Panels, "defects": Defects,
    "samples": Samples, "contest": Contest, "found-steps": FoundSteps, "judging": Judging,
    "peers": Peers, "claims": Claims,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """An experiment that was read.

    name        of its file, without the ending, and of those of its results
    words       what names it on the command line
    table       what the file says
    experiment  what it asks
    """

    name: str
    words: tuple[str, ...]
    table: dict[str, Any] = field(repr=False)
    experiment: Experiment


def read_experiments(folder: Path, chosen: Sequence[str] = ()) -> list[Plan]:
    """The experiments of a folder, by kind and then by name.

    folder   of TOML files
    chosen   those alone: names of its files, without the ending, or paths of others, which end in .toml
    raises   InputError, naming the file and the key, for a folder without experiments, a name it has not, and an
             experiment that cannot be used; StorageError for a file that is not TOML
    """
    beside = () if folder == Path(FOLDER) else ("--experiments", str(folder))
    paths = [] if chosen and all(map(_is_path, chosen)) else sorted(folder.glob("*.toml"))
    if not paths and not (chosen and all(map(_is_path, chosen))):
        raise InputError(
            f"there are no experiments (*.toml) in {str(folder)!r}; run from the root of the repository, or name one."
        )
    known = {path.stem: path for path in paths}
    for word in chosen:
        if not _is_path(word) and word not in known:
            raise unknown("experiment", word, known)
    named = [(word, Path(word) if _is_path(word) else known[word]) for word in dict.fromkeys(chosen or known)]
    plans = [Plan(path.stem, (word, *(() if _is_path(word) else beside)), *_read(path)) for word, path in named]
    names = [plan.name for plan in plans]
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise InputError(f"two experiments are called {twice[0]!r}, and so would their results; rename one.")
    return sorted(plans, key=lambda plan: rank(plan.table, plan.name))


def rank(table: Mapping[str, Any], name: str) -> tuple[int, str]:
    """Where an experiment stands among others: by kind and then by name."""
    return list(KINDS).index(table["kind"]), name


def _is_path(word: str) -> bool:
    return word.endswith(".toml")


def _read(path: Path) -> tuple[dict[str, Any], Experiment]:
    raw = read_table(path)
    try:
        kind = str(raw.get("kind", ""))
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        if path.stem.lower() == "readme":
            raise InputError("its results would take the name of the index; name it after its question.")
        found = filled(KINDS[kind], {key: value for key, value in raw.items() if key != "kind"}, f"kind {kind}")
        _check_title(found.title)
        return raw, found
    except InputError as error:
        raise InputError(f"experiment {str(path)!r}: {error}") from None


def _check_title(title: str) -> None:
    if not title.strip() or not title.isprintable() or len(title) > LONGEST_TITLE:
        raise InputError(
            f"title = {brief(repr(title))} is no line of 1 to {LONGEST_TITLE} printable characters; give one."
        )
