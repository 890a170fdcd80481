"""Processor time of what a table of a benchmark compares."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

Task = Callable[[], Any]


def least(task: Task, times: int) -> float:
    """Milliseconds of processor time that a task takes, the least of some times."""
    found = []
    for _ in range(times):
        start = process_time()
        task()
        found.append(1e3 * (process_time() - start))
    return min(found)
