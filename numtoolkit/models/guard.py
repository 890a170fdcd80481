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
        self._returned: list[weakref.ref[Any]] = []  # outputs that were taken as they came

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
        earlier = [old for reference in self._returned if (old := reference()) is not None]
        before = [_version(array) for array in (given, *earlier)]
        out, references = _called(function, given, *rest, **named)
        written = [_version(array) != count for array, count in zip((given, *earlier), before, strict=True)]
        if counted:
            self._writes = written[0]
        if self._writes and given is seen:
            raise InputError(f"{who} wrote into its input, but not at its first call; let it write into z.clone().")
        if any(written[1:]) or any(_shared(old, out) for old in earlier):
            raise InputError(
                f"{who} wrote into an array that it had returned before; let it return a new one, such as out.clone()."
            )
        self._returned = [weakref.ref(old) for old in earlier]
        return out, references != _ALONE or library(out) is None or _lent(out)

    def keep(self, out: Array) -> None:
        """Remember an output that a run takes as it came, as long as it lives."""
        self._returned.append(weakref.ref(out))


def _version(array: Any) -> int | None:
    """How often an array was written into, None where nobody counts."""
    if isinstance(array, np.ndarray) or library(array) is None or array.is_inference():
        return None
    return int(array._version)


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


def _shared(old: Array, out: Any) -> bool:
    """Whether two arrays, both alive, lie in one memory."""
    if isinstance(old, np.ndarray):
        return isinstance(out, np.ndarray) and bool(np.may_share_memory(old, out))
    place = _place(out)
    return place is not None and place == _place(old)


def _place(array: Any) -> int | None:
    """Where a tensor's memory begins; None of one without memory of its own."""
    torch = sys.modules.get("torch")
    if torch is None or type(array) not in (torch.Tensor, torch.nn.Parameter):
        return None
    try:
        return array.untyped_storage().data_ptr() or None
    except NotImplementedError:
        return None
