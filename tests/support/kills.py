"""A command that dies at its n-th file operation, for every n, and is then run again: `python -m tests.support.kills`.

Arguments are a folder, in which n = 0, 1, 2, ... get one each, and the words of the command line, in which OUT stands
for that. Folder 0 holds what the command writes undisturbed. It prints how many operations there are. With --every K
before the words, n = 0, 1, 1 + K, 1 + 2 K, ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from numtoolkit.cli import main

OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir"}  # audited before they are done
KILLED = 9


class Killer:
    """Ends the process at the n-th operation on files of a folder; data that were not synced by then are half lost."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.left, self.fsync = str(folder), n, os.fsync
        os.fsync = self.synced
        sys.addaudithook(self.audited)

    def audited(self, event: str, arguments: Sequence[Any]) -> None:
        if event in OPERATIONS and self.folder in str(arguments[0]):
            self.count(lambda: None)

    def synced(self, handle: int) -> None:
        self.count(lambda: _halve(handle))
        self.fsync(handle)

    def count(self, last: Callable[[], None]) -> None:
        self.left -= 1
        if not self.left:
            last()
            os._exit(KILLED)


def _halve(handle: int) -> None:
    if os.path.isfile(f"/dev/fd/{handle}"):
        os.truncate(handle, os.fstat(handle).st_size // 2)


def run(command: Sequence[str], folder: Path) -> int:
    """The exit status of a command line that writes to a folder."""
    return main([str(folder) if word == "OUT" else word for word in command])


def status(command: Sequence[str], folder: Path, n: int | None) -> int:
    """The exit status of a command line in a process of its own, which dies at operation n if there is one."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if n is not None:
        Killer(folder, n)
    os._exit(run(command, folder))


def kill_everywhere(folder: Path, command: Sequence[str], every: int = 1) -> int:
    """How many file operations the command has, or a few less; folder n has what it wrote after dying at the n-th."""
    assert run(command, folder / "0") == 0  # here, so that what it imports need not be imported again
    for n in count(1, every):
        ended = status(command, folder / str(n), n)
        if ended != KILLED:
            assert ended == 0
            return n - every
        assert status(command, folder / str(n), None) == 0
    raise AssertionError


if __name__ == "__main__":
    words = sys.argv[2:]
    every = int(words[1]) if words[0] == "--every" else 1
    sys.stderr.write(f"{kill_everywhere(Path(sys.argv[1]), words[2 * (words[0] == '--every') :], every)}\n")
