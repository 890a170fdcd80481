"""Edits of the package by hand, read from tests/edits: a typical slip each, and the tests that must see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.checkout import PACKAGE, ROOT

FOLDER = ROOT / "tests" / "edits"


@dataclass(frozen=True)
class Edit:
    """`old`, which stands once in the module `file` of the package, becomes `new`; `tests` fail then, one at least."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def source(self) -> str:
        """What the module holds now."""
        return _text(PACKAGE / self.file)

    @property
    def edited(self) -> str:
        """What it holds after the edit."""
        return self.source.replace(self.old, self.new)

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        return ".".join(("numtoolkit", *Path(self.file).with_suffix("").parts)).removesuffix(".__init__")

    @property
    def text(self) -> str:
        """The edit in a line."""
        return f"{self.file}: {' '.join(self.old.split())} -> {' '.join(self.new.split())}"

    def order(self) -> dict[str, Any]:
        """What the server is asked to try."""
        tests = [f"tests/{test}" for test in self.tests]
        return {"module": self.module, "path": str(PACKAGE / self.file), "source": self.edited, "tests": tests}


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def edits() -> Iterator[Edit]:
    """Every edit: in each file of the folder one table a module, `[["room/module.py"]]`."""
    for path in sorted(FOLDER.glob("*.toml")):
        for file, rows in tomllib.loads(path.read_text(encoding="utf-8")).items():
            for row in rows:
                yield Edit(file, row["old"], row["new"], tuple(row["tests"]))


class Server:
    """A running `tests.support.edit_server`."""

    def __init__(self) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.edit_server"],
            cwd=ROOT,
            env=own | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, order: dict[str, Any]) -> tuple[int, str]:
        """pytest's exit status on an order, and what it printed."""
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["said"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
