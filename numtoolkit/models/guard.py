"""What a network does to the arrays of a run: those it is given stay as they are, those it returns stay what they were.

A run keeps rows and outputs for later steps. A network may write into its input (`z.mul_(0)`), and it may return an
array that it keeps and writes into at its next call, as a captured graph does. Neither is read off the numbers, which
would wait for the device, but off what the libraries count beside them: versions, storages, references.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, copied, library
from numtoolkit.errors import InputError


def _called(function: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, int]:
    """What the function returns, and how many references there are to it."""
    out = function(*arguments, **named)
    return out, sys.getrefcount(out)


_ALONE = _called(object)[1]  # the references to what nobody else holds


class Guard:
    """Between a run and the function of a network: hands out inputs, takes outputs, and copies where it has to."""

    def __init__(self) -> None:
        self._writes: bool | None = None  # None: not known before the first call
        self._returned: list[tuple[weakref.ref[Any], int | None]] = []  # outputs taken as they came, and their places

    def __reduce__(self) -> Any:  # a copy has not called anything yet
        return Guard, ()

    def call(self, who: str, function: Callable[..., Any], seen: Array, *rest: Any, **named: Any) -> tuple[Any, bool]:
        """The output of function(seen, *rest, **named), and whether somebody else may still write into it.

        At the first call the function gets a copy of what it may see, and if it has written into that, or where nobody
        would know (numpy, torch in inference mode), at every call.
        who     the network, in messages; rest and named are handed through
        raises  InputError where it has written into an array that the run may need
        """
        counted = _version(seen) is not None
        given = seen if counted and self._writes is False else copied(seen)
        self._returned = [own for own in self._returned if own[0]() is not None]
        watched = [given, *(reference() for reference, _ in self._returned)]
        before = [_version(array) for array in watched]
        out, references = _called(function, given, *rest, **named)
        written = [_version(array) != count for array, count in zip(watched, before, strict=True)]
        if counted:
            self._writes = written[0]
        if self._writes and given is seen:
            raise InputError(f"{who} wrote into its input, but not at its first call; let it write into z.clone().")
        place = _place(out) if self._returned else None
        if any(written[1:]) or (place is not None and any(place == other for _, other in self._returned)):
            raise InputError(
                f"{who} wrote into an array that it had returned before; let it return a new one, such as out.clone()."
            )
        return out, references != _ALONE or library(out) is None or _lent(out)

    def keep(self, out: Array) -> None:
        """Remember an output that a run takes as it came, as long as it lives."""
        self._returned.append((weakref.ref(out), _place(out)))


def _version(array: Any) -> int | None:
    """How often an array was written into, None where nobody counts."""
    try:
        return int(array._version)
    except (AttributeError, RuntimeError):  # of numpy, and in inference mode
        return None


def _lent(out: Array) -> bool:
    """Whether an array is a part of another one, or its memory not its own."""
    if isinstance(out, np.ndarray):
        return not out.flags.owndata
    if out._is_view():
        return True
    try:
        return not out.untyped_storage().resizable()
    except NotImplementedError:  # inside torch.func a tensor stands for others
        return False


def _place(array: Any) -> int | None:
    """Where the memory of an array begins that is no part of another one; None where it has none of its own."""
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])
    torch = sys.modules.get("torch")
    if torch is None or type(array) not in (torch.Tensor, torch.nn.Parameter):
        return None
    try:
        return array.untyped_storage().data_ptr() or None
    except NotImplementedError:
        return None
