"""Work that kills the process it is done in, or takes its time, as functions that another process can import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError
from numtoolkit.files.result_store import Cell
from numtoolkit.reproduce import job

FILLED = job._filled
SLOW_SECONDS = 1.0  # of 8 cells, so that a loaded machine has time to do something to the job
FATAL = 3  # the x of the cell that kills


def square(cell: Cell) -> int:
    """The square of the x of a cell."""
    return int(cell.data["x"]) ** 2


def leaves(cell: Cell) -> int:
    """The same, by a worker that counts as one whose memory grows: joblib lets it go, and has another one come."""
    from joblib.externals.loky import process_executor

    process_executor._MEMORY_LEAK_CHECK_DELAY, process_executor._MAX_MEMORY_LEAK_SIZE = 0.0, -(10**12)
    return square(cell)


def dies_once(folder: Path, cell: Cell) -> int:
    """The same, but the process that is first at x = FATAL dies, and leaves a mark."""
    mark = folder / "died"
    if cell.data["x"] == FATAL and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(cell)


def dies(cell: Cell) -> int:
    """The same, but x = FATAL kills whatever computes it."""
    if cell.data["x"] == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(cell)


def fails(cell: Cell) -> int:
    """Raises what numtoolkit does of bad input."""
    raise InputError(f"{cell.data['x']} is no good; give another.")


def where(cell: Cell) -> tuple[str, str, int]:
    """What a file of the working folder holds, the threads that libraries may start, and the process."""
    return Path("note").read_text(encoding="utf-8"), os.environ["OMP_NUM_THREADS"], os.getpid()


def taken(cell: Cell) -> Any:
    """What a file of the working folder holds under a name."""
    from numtoolkit.schemes import scheme

    return scheme("mine.py:SCHEME").name


def slowly(path: Path, of: Mapping[str, str], cell: Cell) -> Any:
    """What the main job asks of a cell, after a while."""
    time.sleep(SLOW_SECONDS)
    return FILLED(path, of, cell)
