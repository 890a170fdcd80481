"""Torch modules behind the function of a network, as far as Python shows them, and the mode that they are in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dis import get_instructions
from functools import partial
from types import FunctionType, MethodType
from typing import Any

_DEEP = 5  # functions within functions that are looked into
_LONG = 1000  # the most entries of a container that is


def in_training(function: Any) -> str | None:
    """The name of the type of a torch module that `function` calls and that is in training mode; None without one.

    function  the module itself, a bound method, a partial or decorated function, one with modules among its defaults,
              in its closure or among the globals it names, or an object that has them as attributes
    cost      a tenth of a millisecond; nothing is imported, and nothing is asked of a device
    """
    return next((type(module).__name__ for module in modules(function) if module.training), None)


def modules(function: Any) -> Iterator[Any]:
    """The torch modules that `function` calls, as of `in_training`; none where torch is not loaded."""
    torch = sys.modules.get("torch")
    if torch is not None:
        yield from _modules(function, torch.nn.Module, _DEEP, set())


def _modules(value: Any, kind: type, deep: int, seen: set[int]) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif deep and id(value) not in seen:
        seen.add(id(value))
        for part in _parts(value):
            yield from _modules(part, kind, deep - 1, seen)


def _parts(value: Any) -> Iterator[Any]:
    """What a callable or a container of them may call."""
    if isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, FunctionType):
        yield from (value.__defaults__ or ())
        yield from (value.__kwdefaults__ or {}).values()
        yield from (own.cell_contents for own in value.__closure__ or () if _filled(own))
        named = {each.argval for each in get_instructions(value) if each.opname == "LOAD_GLOBAL"}
        yield from (value.__globals__[name] for name in named if name in value.__globals__)
        yield from vars(value).values()  # such as __wrapped__
    elif isinstance(value, (list, tuple, dict)) and len(value) <= _LONG:
        yield from value.values() if isinstance(value, dict) else value
    elif callable(value) and not isinstance(value, type):
        yield from getattr(value, "__dict__", {}).values()


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False
