"""What numtoolkit raises: each message is one sentence naming the thing, its value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


class NumtoolkitError(Exception):
    """Base of every error numtoolkit raises on purpose."""


class InputError(NumtoolkitError, ValueError):
    """An argument, name, shape or parameter that cannot be used as given."""


class InputWarning(UserWarning):
    """What can be used as given, but hardly gives what it is meant for; the sentence says why, and the remedy."""


class StorageError(NumtoolkitError, OSError):
    """A file or folder that cannot be read, trusted or written."""


class NonFiniteError(NumtoolkitError, FloatingPointError):
    """A run left the finite numbers; the message says at which step, stage, time and sample."""


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
