"""What numtoolkit raises: each message is one sentence naming the thing, its value and the remedy."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from collections.abc import Iterable
from math import inf
from numbers import Integral, Real
from typing import Any

LONGEST_WORD, LONGEST_SENTENCE = 200, 2000  # characters of what a sentence quotes, and of a sentence


class NumtoolkitError(Exception):
    """Base of every error numtoolkit raises on purpose.

    message   one sentence; what it quotes is escaped where it cannot be printed, and cut where nobody would read on
    """

    def __init__(self, message: str) -> None:
        printed = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
        short = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: _cut(word[0]), printed)
        super().__init__(brief(short, LONGEST_SENTENCE))


class InputError(NumtoolkitError, ValueError):
    """An argument, name, shape or parameter that cannot be used as given."""


class InputWarning(UserWarning):
    """What can be used as given, but hardly gives what it is meant for; the sentence says why, and the remedy."""


class StorageError(NumtoolkitError, OSError):
    """A file or folder that cannot be read, trusted or written."""


class WorkerError(NumtoolkitError, RuntimeError):
    """Processes that were to compute something died over it, or cannot be reached any more."""


class NonFiniteError(NumtoolkitError, FloatingPointError):
    """A run left the finite numbers; the message says at which step, stage, time and sample."""


def warn(message: str) -> None:
    """Warn by an InputWarning of the line that called into the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "numtoolkit":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, InputWarning, stacklevel=level)


def counted(count: int, noun: str) -> str:
    """A number of things in words: "1 step", "2 steps"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def typed(value: object) -> str:
    """The type of a value with its article: "an int", "a list"."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def brief(text: str, most: int = 60) -> str:
    """The text, its end replaced by three dots where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _cut(word: str) -> str:
    return f"{word[: LONGEST_WORD // 2]}...{word[-LONGEST_WORD // 4 :]}"


def whole(name: str, value: object, low: int = 1, high: int | None = None) -> int:
    """The value as an int.

    raises   InputError, calling it `name`, unless it is a whole number from `low` to `high`, None for no bound
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if low <= number and (high is None or number <= high):
            return number
    bounds = f">= {low}" if high is None else f"from {low} to {high}"
    raise InputError(f"{name} = {value!r} is no whole number {bounds}; give one.")


def real(name: str, value: object, low: float = -inf, high: float = inf) -> float:
    """The value as a float.

    raises   InputError, calling it `name`, unless it is a finite real number from `low` to `high`
    """
    if isinstance(value, Real) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:  # type: ignore[operator]
        number = float(value)
        if low <= number <= high:
            return number
    ends = [f">= {low:g}"] * (low > -inf) + [f"<= {high:g}"] * (high < inf)
    raise InputError(f"{name} = {value!r} is no finite number {' and '.join(ends)}".rstrip() + "; give one.")


def several(name: str, values: object) -> list[Any]:
    """The values of a list, tuple or the like.

    raises   InputError, calling it `name`, for a text, a set or mapping, which have no order, and what is no list
    """
    if isinstance(values, str | bytes | set | frozenset | dict) or not isinstance(values, Iterable):
        raise InputError(f"{name} = {values!r} is {typed(values)}; give a list.")
    return list(values)


def text(name: str, value: object) -> str:
    """The value as a text.

    raises   InputError, calling it `name`, unless it is one
    """
    if isinstance(value, str):
        return value
    raise InputError(f"{name} = {value!r} is {typed(value)}; give a text.")


def flag(name: str, value: object) -> bool:
    """The value, which must be True or False; InputError, calling it `name`, for any other."""
    if isinstance(value, bool):
        return value
    raise InputError(f"{name} = {value!r} is neither True nor False; give one.")


def choice(kind: str, name: object, known: Iterable[str]) -> str:
    """The name, which must be one of those `known`; `kind` is what it names, for the InputError that says it is not."""
    if isinstance(name, str) and name in known:
        return name
    raise unknown(kind, name, known)


def unknown(kind: str, name: object, known: Iterable[str], aliases: Iterable[str] = ()) -> InputError:
    """An InputError for a name that is not in `known`, quoting the nearest matches; `kind` is what it names.

    aliases   other names that may match, not listed where none does
    """
    names = sorted(known)
    if not isinstance(name, str):
        return InputError(f"{name!r} is no {kind}; known: {', '.join(names)}.")
    near = difflib.get_close_matches(name, sorted({*names, *aliases}), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
    return InputError(f"unknown {kind} {brief(name)!r}; {hint}")
