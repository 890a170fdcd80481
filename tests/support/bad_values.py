"""Values that no caller means, from one that is right: another type, sign or size, nothing, not a number, misspelt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

NOTHING: tuple[Any, ...] = (object(), [], {}, b"ddim", 1j, lambda *given: given, np.zeros(0), np.array([np.nan, 1.0]))
NUMBERS: tuple[Any, ...] = (0, -1, 1, 2.5, 10**30, -(10**30), 1e308, 1e-308, float("nan"), float("inf"), True)
TEXTS: tuple[Any, ...] = (
    "",
    " ",
    "(",
    "a(b=",
    "ddim)",
    "\n",
    "\x00",
    "é" * 300,
    "a" * 10**4,
    "../..",
    "nan",
    "-1",
    "1e400",
)


def bad_values(good: Any) -> Iterator[Any]:
    """Values to put in the place of a good one; some may turn out to be meant, which is no fault."""
    yield None
    yield from NOTHING
    yield from NUMBERS
    yield from TEXTS
    if isinstance(good, str):
        yield from (
            good[:-1],
            good + "x",
            good.upper() + "?",
            f"{good}(",
            f"{good}(nope=1)",
            f"{good}(nan)",
            [good],
            (good, good),
        )
    if isinstance(good, bool):
        yield from ("True", 2)
    elif isinstance(good, int | float):
        yield from (-good, str(good), [good], np.array([good, good]), good * 10**9)
    if isinstance(good, list | tuple | range):
        yield from _sequences(list(good), type(good))
    if isinstance(good, np.ndarray):
        yield from (
            good.astype(int),
            good.astype(complex),
            good.astype(object),
            good[..., None],
            good[:0],
            good.ravel(),
        )
        yield from (np.full_like(good, np.nan), np.full_like(good, np.inf), good.tolist(), good.astype(str))
    if callable(good) and not isinstance(good, type):
        yield from _functions()


def _sequences(good: list[Any], kind: Callable[[Any], Any]) -> Iterator[Any]:
    as_such = list if kind is range else kind
    yield from (
        as_such(good * 2),
        as_such(good[:-1]),
        as_such(good[::-1]),
        as_such([*good, None]),
        as_such([*good, "x"]),
    )
    yield from (set(good) if all(isinstance(x, int | str) for x in good) else None, iter(good), dict(enumerate(good)))
    yield from (as_such([good]), as_such([*good, float("nan")]), as_such([*good, -1]), as_such([*good, 2.5]))


def _functions() -> Iterator[Any]:
    yield from (lambda: None, lambda *given: None, lambda *given: "text", lambda *given: given)
