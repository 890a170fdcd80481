"""Shards of a command, killed at random and run again: `python -m tests.support.random_kills FOLDER N KILLS SEED`.

The words of the command line follow, in which OUT stands for a folder in FOLDER. Folder 0 holds what one run writes.
Folders 1, 2, ... are filled by N shards at once, one of which is killed after a random time and started again, until
all have ended; as many folders as it takes for so many kills, the number of which it prints.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.support.kills import run

PAUSE = 0.1  # seconds until the first kill, at most; each later one may take a tenth longer, so that a slow run ends


def started(command: Sequence[str], folder: Path, part: int, parts: int) -> int:
    """The process of a shard."""
    child = os.fork()
    if not child:
        os._exit(run([*command, "--shard", f"{part}/{parts}"], folder))
    return child


def filled(command: Sequence[str], folder: Path, parts: int, draw: random.Random) -> int:
    """How many shards were killed until a folder was full."""
    running = {part: started(command, folder, part, parts) for part in range(1, parts + 1)}
    killed = 0
    while running:
        time.sleep(draw.uniform(0, PAUSE * (1 + killed / 10)))
        part = draw.choice(sorted(running))
        os.kill(running[part], signal.SIGKILL)  # of one that has ended and is not waited for, nothing
        ended = os.waitstatus_to_exitcode(os.waitpid(running.pop(part), 0)[1])
        assert ended in (0, -signal.SIGKILL), ended
        if ended:
            killed += 1
            running[part] = started(command, folder, part, parts)
    return killed


def killed_at_random(folder: Path, command: Sequence[str], parts: int, kills: int, draw: random.Random) -> int:
    """The number of kills in folders 1, 2, ..., at least `kills`."""
    assert run(command, folder / "0") == 0
    killed = 0
    for n in count(1):
        killed += filled(command, folder / str(n), parts, draw)
        if killed >= kills:
            return killed
    raise AssertionError


if __name__ == "__main__":
    where, parts, kills, seed, *words = sys.argv[1:]
    sys.stderr.write(f"{killed_at_random(Path(where), words, int(parts), int(kills), random.Random(int(seed)))}\n")
