"""What commands share: how they are declared, how they read lists of numbers, and how they print."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.scheme_file import FORMAT as SCHEME
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.fitted_coefficients import FORMAT as FITTED
from numtoolkit.files.storage import (
    PICTURES,
    csv_text,
    folder,
    json_format,
    json_text,
    write,
    write_figure,
    write_json,
)
from numtoolkit.files.versions import versions
from numtoolkit.limits import MOST
from numtoolkit.problem.grids import ALIASES as OTHER_GRIDS
from numtoolkit.problem.grids import GRIDS
from numtoolkit.problem.processes import ALIASES as OTHER_PROCESSES
from numtoolkit.problem.processes import OF_IMAGES, PROCESSES, SCHEDULES
from numtoolkit.references import origin_of, origins
from numtoolkit.references import records as references
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.spec_text import split

KEPT = {FITTED: "fitted coefficients", SCHEME: "a scheme"}  # formats of .json files that no other result may replace


Record = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command: its name, one line of help, what declares its arguments and what runs it to an exit code."""

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


# --- printing


class Unheard(Exception):
    """A result could not be printed: stdout is closed or full. What was to be written to files was written before."""


def emit(text: str) -> None:
    """A result, on stdout.

    raises   BrokenPipeError where nobody reads it any more, Unheard where stdout is closed or full
    """
    if sys.stdout is None:
        raise Unheard("stdout is closed")
    try:
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unheard(f"cannot write to stdout: {error.strerror}") from error


def note(text: str) -> None:
    """A remark, on stderr; it is lost where that is closed or full, and nothing else is."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        except OSError:
            drop(sys.stderr)


def drop(stream: Any) -> None:
    """Let nothing more be written to a stream, or Python's own flush at exit complains."""
    with suppress(OSError, AttributeError):  # of a stream that is closed, or none of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def report(arguments: argparse.Namespace, value: Any, text: Callable[[], str]) -> None:
    """The result on stdout: `value` as JSON if `arguments` has --json, else what `text` makes of it."""
    emit(json_text(value) if arguments.json else text())


def width() -> int:
    """Columns of the terminal, 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def wrapped(text: str) -> list[str]:
    """The lines of a paragraph in that width, those after the first indented."""
    return textwrap.wrap(text, width(), subsequent_indent="  ", break_on_hyphens=False)


def grid(records: Sequence[Mapping[str, Any]], optional: Sequence[str] = ()) -> str:
    """Records as a table; columns named in `optional` go, the first first, until it fits the terminal."""
    from tabulate import tabulate

    hidden: list[str] = []
    while True:
        rows = [{key: show(value) for key, value in record.items() if key not in hidden} for record in records]
        text = tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True)
        if len(hidden) == len(optional) or max(map(len, text.split("\n"))) <= width():
            return "\n".join(line.rstrip() for line in text.split("\n"))
        hidden.append(optional[len(hidden)])


def show(value: Any) -> str:
    """A cell: numbers with four digits, nothing for None."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def progress(items: Sequence[Any], what: str) -> Iterable[Any]:
    """The items, with a bar on stderr where that is a terminal."""
    from tqdm import tqdm

    return tqdm(items, desc=what, disable=True if sys.stderr is None else None, leave=False)


# --- reading


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option --json, which every command has."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_process(parser: argparse.ArgumentParser) -> None:
    """The option --process, where it must be given."""
    known = [*PROCESSES, *OF_IMAGES, *SCHEDULES, *OTHER_PROCESSES]
    names = f"{', '.join(known)}; or a table, FILE.npz, or a scheduler_config.json"
    parser.add_argument("--process", required=True, metavar="P", help=names)


def add_grid(parser: argparse.ArgumentParser) -> None:
    """The option --grid, where it must be given."""
    names = f"{', '.join([*GRIDS, *OTHER_GRIDS])}; with parameters, 'rho(7)', 'trailing(shift=3)'"
    parser.add_argument("--grid", required=True, metavar="G", help=names)


def add_import(parser: argparse.ArgumentParser) -> None:
    """The option --import, which every command has."""
    parser.add_argument(
        "--import", action="store_true", dest="imports", help="run FILE.py of FILE.py:NAME, the module of MODULE:NAME"
    )


def taken_from(made: object) -> Record:
    """The key "from" of a record, which says by what reference an object was taken; empty for any other object."""
    origin = origin_of(made)
    return {} if origin is None else {"from": origin.record}


def schemes(texts: Iterable[str]) -> list[Scheme]:
    """The schemes of several specifications, each of them once.

    raises   InputError for two different schemes of one name, which no result could tell apart
    """
    chosen = list(dict.fromkeys(scheme_of(text) for text in texts))
    for name, count in Counter(scheme.spec for scheme in chosen).items():
        if count > 1:
            raise InputError(
                f"{count} different schemes are called {name}; rename one, or say what made it by with_structure."
            )
    return chosen


def listed(text: str, option: str) -> list[str]:
    """The specifications in a comma-separated list."""
    texts = [part.strip() for part in split(text)]
    if not texts or not all(texts):
        raise InputError(f"{option} {text!r} has an empty place; give names separated by commas.")
    return texts


def numbers(text: str, option: str, low: int = 0, high: int = 2**63 - 1) -> list[int]:
    """Whole numbers in `text`, "0-63", "5,10,20" or a mix, without repeats, in the order given.

    raises   InputError naming `option` for another text and for numbers below `low` or above `high`
    """
    wanted: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,40})(?:\s*-\s*([0-9]{1,40}))?\s*", part)
        if match is None:
            raise InputError(f"cannot read {part.strip()[:40]!r} in {option} {text[:60]!r}; write 5,10,20 or 0-63.")
        first, last = int(match[1]), int(match[2] or match[1])
        if first < low or last > high:
            raise InputError(f"{option} {part.strip()} is out of range; give whole numbers from {low} to {high}.")
        if last < first:
            raise InputError(f"{option} {part.strip()} runs backwards; write {last}-{first}.")
        if last - first >= MOST:
            raise InputError(f"{option} {part.strip()} is more than {MOST} numbers; give fewer at once.")
        wanted |= dict.fromkeys(range(first, last + 1))
    return list(wanted)


def number(text: str, option: str, low: int, high: int) -> int:
    """The one whole number in `text`; `option`, `low` and `high` as for `numbers`."""
    if not re.fullmatch(r"\s*[0-9]{1,40}\s*", text):
        raise InputError(f"{option} {text[:60]!r} is not one whole number; give one from {low} to {high}.")
    return numbers(text, option, low, high)[0]


def destination(text: str, endings: Sequence[str], formats: Sequence[str] = (), option: str = "--out") -> Path:
    """A file to write, checked before anything is computed: its ending, and its folder, which is made.

    A picture is written with its data beside it, in a .json file of its name.
    text     what the option was given; endings those that the command writes
    formats  of `KEPT` that the command writes
    option   that names the file
    raises   StorageError for a file of another of these formats, which the command would replace
    """
    if not text:
        raise InputError(f"{option} '' names no file; give one that ends in {', '.join(endings)}.")
    path = _path(text, option)
    if path.suffix.lower() not in endings:
        raise InputError(f"{option} {text!r} ends in {path.suffix or 'nothing'}; end it in {', '.join(endings)}.")
    if path.is_dir():
        raise StorageError(f"{option} {text!r} is a folder; name a file.")
    folder(path.parent)
    beside = path.with_suffix(".json")
    held = "" if path.suffix.lower() == ".csv" else json_format(beside)
    if held in KEPT and held not in formats:
        raise StorageError(f"{str(beside)!r} holds {KEPT[held]}, which {option} {text!r} would replace; name another.")
    return path


def directory(text: str, option: str) -> Path:
    """The folder that an option names.

    raises   InputError for an empty text, which would be the folder one is in, and for what is no path
    """
    if not text:
        raise InputError(f"{option} '' names no folder; give one, '.' for the one you are in.")
    return _path(text, option)


def _path(text: str, option: str) -> Path:
    """The text as a path that the system can look up."""
    path = Path(text)
    try:
        path.exists()
    except (OSError, ValueError) as error:  # of a name that is too long, or holds a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{option} {text!r} is no path here: {reason}; name another.") from None
    return path


def keep(
    path: Path,
    records: Sequence[Record],
    title: str,
    command: str,
    draw: Callable[[], Any],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write records as .csv or .json, or their picture with the records beside it, and say so.

    path   as `destination` returns it; title and command say what the records are and what made them
    draw   makes the picture, where the ending is that of one
    about  further facts of the .json file, such as the digest of weights
    """
    ending = path.suffix.lower()
    if ending == ".csv":
        write(path, csv_text(without_empty(records)))
    else:
        write_sidecar(path, records, title, command, about)
        if ending in PICTURES:
            write_figure(path, draw())
    note(f"wrote {path}")


def without_empty(records: Sequence[Record]) -> list[Record]:
    """The records with the same keys, those that are empty throughout left out."""
    keys = dict.fromkeys(key for record in records for key in record)
    used = [key for key in keys if any(record.get(key) is not None for record in records)]
    return [{key: record.get(key) for key in used} for record in records]


def write_sidecar(
    path: Path, records: Sequence[Record], title: str, command: str, about: Mapping[str, Any] | None = None
) -> None:
    """The records of the picture in `path` in a .json file of its name, with its title and the command that made it.

    path, records, title, command, about   as of `keep`
    """
    facts = {"title": title, "command": command, "versions": versions(), **references(origins()), **(about or {})}
    write_json(path.with_suffix(".json"), facts | {"data": records})
