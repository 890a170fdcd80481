"""From names to values of the axes: the one place where text becomes a clock, a frozen quantity, an operator, a kind.

Every function takes an object where it takes a name, and hands it back as it is: a value of a person's own needs no
registration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from numtoolkit.errors import several, unknown
from numtoolkit.problem.clocks import CLOCKS
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.kinds import KINDS, Kind, Process
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.problem import Clock, Frozen, Operator, Problem

Value = TypeVar("Value")


def _named(what: str, text: Any, values: Mapping[str, Value], kind: type[Value]) -> Value:
    if isinstance(text, kind):
        return text
    if not isinstance(text, str) or text not in values:
        raise unknown(what, text, values)
    return values[text]


def clock(text: str | Clock) -> Clock:
    """A clock by its name; InputError, with the nearest names, for an unknown one."""
    return _named("clock", text, CLOCKS, Clock)


def frozen(text: str | Frozen) -> Frozen:
    """A frozen quantity by its name; InputError, with the nearest names, for an unknown one."""
    return _named("frozen quantity", text, FROZEN, Frozen)


def operator(text: str | Operator) -> Operator:
    """An operator by its name; InputError, with the nearest names, for an unknown one."""
    return _named("operator", text, OPERATORS, Operator)


def kinds(text: str | Kind | Iterable[str | Kind]) -> tuple[Kind, ...]:
    """Kinds of process by their names, one or several; InputError, with the nearest names, for an unknown one."""
    named = [text] if isinstance(text, (str, Kind)) else several("kinds", text)
    return tuple(_named("kind of process", each, KINDS, Kind) for each in named)


def problem(
    process: Process,
    frozen_quantity: str | Frozen,
    of_clock: str | Clock = "natural",
    tau: float = 0.0,
    sigma_data: float = 0.5,
    mean: float = 0.0,
) -> Problem:
    """A `Problem` from names: process, frozen_quantity, of_clock and tau as there, sigma_data and mean of the law."""
    return Problem(process, frozen(frozen_quantity), clock(of_clock).on(process), tau, sigma_data, mean)
