"""What step quantities are as the step falls in length, for proofs to put in their place.

A rule is a function of a grid, which no proof can read. Its *expansion* is an entry in the length h of the step, in
parameters and step ratios, and in numbers of which no more is known than that they stay bounded while a grid is refined
everywhere alike (h of order 1/N in N steps, step ratios bounded): 1 + h*bend. Coefficients of words are then functions
of h, and count by the power of h they have (`Field.powers`). Numbers of different steps are different: those of the
step m steps back bear m primes. What has no expansion, or is infinite at h = 0, is not analysed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from numtoolkit.declare.entries import Entry, Symbol, balls, substitute, symbols
from numtoolkit.declare.scheme import END_LEVEL, LENGTH, LEVEL, Scheme, StepQuantity
from numtoolkit.errors import InputError
from numtoolkit.problem.problem import Clock
from numtoolkit.symbolic.numbers import Field

TERMS = 10  # of the series of a rule: no order above 8 is looked for
FALL = Symbol("s_end/s")  # 1 - s_end / s in a rule that is being expanded; no declared scalar has such a name


class NotAnalysedError(InputError):
    """A sentence on what keeps a scheme from being analysed."""


def expansions(scheme: Scheme, names: Iterable[str], back: int = 0) -> dict[str, Entry]:
    """What stands in proofs for those of the names that are step quantities of a scheme, in the length of their step.

    back     of which step: the one that is analysed, or so many steps before it
    raises   NotAnalysedError for a quantity without an expansion, or with one that does not stay bounded
    """
    wanted = set(names)
    found = {q.name: _in_step(scheme, q, back) for q in scheme.quantities if q.name in wanted}
    return found | {name: primed(name, back) for name in scheme.fitted}


def _in_step(scheme: Scheme, quantity: StepQuantity, back: int) -> Entry:
    """An expansion whose bounded numbers, and the noise level of a derived one, are those of one step."""
    own = {quantity.name} if quantity.expansion is not None else {quantity.name, LEVEL.name}
    entry: Entry = substitute(expansion(scheme, quantity), {name: primed(name, back) for name in own})
    return entry


def primed(name: str, back: int) -> Entry:
    """The scalar of that name of the step so many steps back: as many primes."""
    return Symbol(name + "'" * back)


def expansion(scheme: Scheme, quantity: StepQuantity) -> Entry:
    """What a step quantity of a scheme is as the step falls in length, bound parameters put in.

    raises   NotAnalysedError where nothing is known, or what is known does not stay bounded
    """
    given = quantity.rule if quantity.expansion is None else quantity.expansion
    if not isinstance(given, Entry):
        raise NotAnalysedError(
            f"nothing is known of the step quantity {quantity.name} as the step falls in length; give its expansion, "
            "or an entry as its rule."
        )
    exact = scheme.exact_scalar(given)
    try:
        if quantity.expansion is None:
            return _derived(exact, scheme.clock, quantity.name)
        field = Field(symbols(exact) | {LENGTH.name}, balls=balls(exact))
        field.powers(field.scalar(exact), LENGTH.name, 1)
    except InputError:
        raise NotAnalysedError(
            f"the step quantity {quantity.name} = {exact} does not stay bounded as the step falls in length; a "
            "scheme needs coefficients that do."
        ) from None
    return exact


@cache
def _derived(rule: Entry, clock: Clock, name: str) -> Entry:
    """The series in h of a rule in the noise levels: first in their relative fall, then that in h."""
    own = Symbol(name)  # a bounded number where the clock does not say how the noise level falls
    fall = LENGTH * own if clock.fall is None else clock.fall(LEVEL, LENGTH)
    ends = substitute(rule, {END_LEVEL.name: LEVEL * (1 - FALL)})
    field = Field(symbols(ends) | symbols(fall), balls=balls(ends))
    step, power, total = field.scalar(fall), field.number(1), field.number(0)
    for c in field.powers(field.scalar(ends), FALL.name, TERMS):
        total, power = total + c * power, _cut(field, power * step)
    return field.entry(_cut(field, total))


def _cut(field: Field, value: Any) -> Any:
    """A polynomial in h without the powers that no proof looks at."""
    kept, h = field.number(0), field.scalar(LENGTH)
    for c in reversed(field.powers(value, LENGTH.name, TERMS)):
        kept = kept * h + c
    return kept
