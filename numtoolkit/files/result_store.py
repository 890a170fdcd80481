"""A store of results: one small JSON file each, at an address that is the hash of what was computed.

A *cell* is a question in plain data: a kind of work, which names the function that answers it, and everything that
decides the answer. It is computed once, whoever asks for it, in which order and by how many workers: a worker claims a
cell before it computes it, and others pass it by. Where a worker dies, its claim is taken over. A file that is damaged,
was changed or holds the answer to something else is set aside, with a sentence, and its cell computed anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from numtoolkit.errors import StorageError, brief
from numtoolkit.files.storage import claimed, folder, plain, read_json, set_aside, tidy, write

FORMAT = "numtoolkit result 1"
DIGITS = 16  # hexadecimal, of the hash in a file's name: two of a billion cells share one with chance 3 in 100
KEYS = ("format", "kind", "of", "versions", "sha256", "data")


@dataclass(frozen=True)
class Cell:
    """What one result is of. Two cells of the same kind and data are one.

    kind   of work; the folder of its results
    text   canonical JSON of the data that decide the result
    """

    kind: str
    text: str = field(repr=False)

    def __repr__(self) -> str:
        return f"<Cell {self.address}: {brief(self.text, 200)}>"

    @classmethod
    def of(cls, kind: str, **data: Any) -> Cell:
        """The cell of plain data; a value that is None says nothing and is left out."""
        return cls(kind, _canonical({key: value for key, value in data.items() if value is not None}))

    @property
    def data(self) -> dict[str, Any]:
        """The data that decide the result."""
        return dict(json.loads(self.text))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the format of results, the kind and the data, in hexadecimal."""
        return hashlib.sha256("\n".join((FORMAT, self.kind, self.text)).encode()).hexdigest()

    @property
    def address(self) -> str:
        """Where the result lies in a store: KIND/HASH.json."""
        return f"{self.kind}/{self.digest[:DIGITS]}.json"


@dataclass(frozen=True)
class Kept:
    """A result, and the versions of what computed it."""

    data: Any = field(repr=False)
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Store:
    """The results in a folder, which any number of processes may fill at once.

    versions  of what computes here, written into each result
    warn      told of a file that is set aside
    """

    path: Path
    versions: Mapping[str, str] = field(repr=False)
    warn: Callable[[str], None] = field(default=lambda line: None, repr=False)

    def find(self, cell: Cell) -> Kept | None:
        """The result of a cell; None where there is none, or none that can be trusted."""
        found = self._judged(cell)
        return found if isinstance(found, Kept) else None

    def compute(self, cell: Cell, work: Callable[[Cell], Any]) -> Kept | None:
        """The result of a cell, which is in the folder afterwards; None where another worker is at it.

        work     cell -> plain data, the same whenever it is called
        raises   what `work` does; StorageError where the result cannot be written
        """
        path = self.path / cell.address
        folder(path.parent)
        with claimed(path) as own:
            if not own:
                return None
            found = self._judged(cell)
            if isinstance(found, str):
                self.warn(f"{path} {found}; it is now {set_aside(path).name}, and is computed anew")
            if not isinstance(found, Kept):
                found = Kept(plain(work(cell)), self.versions)
                write(path, _text(cell, found))
            return found

    def keep(self, cell: Cell, kept: Kept) -> None:
        """Let a result be in the folder that a worker elsewhere computed, whose folder may be another one.

        raises   StorageError where it cannot be written
        """
        if self.find(cell) is None:
            write(self.path / cell.address, _text(cell, kept))

    def others(self, cells: Iterable[Cell] = ()) -> list[Path]:
        """The files of results of none of the cells."""
        known = {self.path / cell.address for cell in cells}
        return sorted(set(self.path.glob("*/*.json")) - known)

    def tidy(self) -> None:
        """Remove claims whose workers have died."""
        tidy(self.path.glob("*/*.claim"))

    def _judged(self, cell: Cell) -> Kept | str | None:
        """The result of a cell, or why its file is not trusted; None where there is no file."""
        path = self.path / cell.address
        if not path.exists():
            return None
        try:
            record = read_json(path)
        except StorageError:
            return None if not path.exists() else "is damaged"
        if not isinstance(record, dict) or tuple(record) != KEYS or record["format"] != FORMAT:
            return "is no result"
        if (record["kind"], _canonical(record["of"])) != (cell.kind, cell.text):
            return "is the result of something else"
        if record["sha256"] != _seal(record["versions"], record["data"]):
            return "does not hold what was written"
        return Kept(record["data"], record["versions"])


def _text(cell: Cell, kept: Kept) -> str:
    """The file of a result: a line for each of KEYS."""
    versions = dict(kept.versions)
    values = (FORMAT, cell.kind, cell.data, versions, _seal(versions, kept.data), kept.data)
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in zip(KEYS, values, strict=True))
    return "{" + ",\n ".join(lines) + "}\n"


def _seal(versions: Any, data: Any) -> str:
    return hashlib.sha256(_canonical([versions, data]).encode()).hexdigest()


def _canonical(value: Any) -> str:
    """JSON that depends on the value alone, not on the order of keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
