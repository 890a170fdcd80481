"""Palindromes as schemes: A the linear part of the equation, exactly, B kicks by the network (`declare.compositions`).

A kick of one evaluation is an Euler step, and no word of these is of order 2: flows of B over lengths b1, b2, ... have
the word BB with weight (b1 + b2 + ...)^2 / 2, Euler steps have the sum over i < j of b_i b_j. They lack (b1^2 + b2^2 +
...)/2, which no real lengths make 0; and no network is constant along the flow of its own kick, since the score of
data with noise on what it moves depends on that. So kicks are rules of the order of the word, of several evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from numtoolkit.declare.compositions import RULES, composed, run_of
from numtoolkit.declare.entries import Entry, number
from numtoolkit.declare.numbers import decimal
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.errors import InputError
from numtoolkit.symbolic.intervals import Interval

KEPT = Fraction(1, 2 * 10**24)  # to which a length that is not rational is written


def scheme_of(
    word: str,
    flows: tuple[tuple[str, str], ...],
    lengths: Mapping[str, Interval | Fraction],
    order: int,
    name: str = "",
    kick: int | None = None,
    frozen: str = "score",
    clock: str = "time",
) -> Scheme:
    """A palindrome as a scheme.

    word, flows    of the family, and (letter, name of its length) of each flow
    lengths        by name: exact, or enclosed, and then known to the digits that the enclosure has
    order          of the word
    name           of the scheme, by default its word
    kick           order of the rule that takes the flow of B; by default the least that is no lower than `order`
    frozen, clock  whose linear part A is, in which abscissae are
    raises         InputError for a kick of one evaluation, where `order` is above 1
    """
    rule = min(own for own in RULES if own >= order) if kick is None else kick
    if rule not in RULES:
        raise InputError(f"kick = {kick} is no order of a rule of kicks; take {', '.join(map(str, RULES))}.")
    if rule == 1 < order:
        raise InputError(
            "kicks of one evaluation are Euler steps, which lack (b1^2 + b2^2 + ...)/2 of the word BB, whatever the "
            f"real lengths are, and leave {word} at order 1; take kick = {min(own for own in RULES if own >= order)}."
        )
    ends: list[Any] = [Fraction(0)]
    for letter, key in flows:
        ends.append(ends[-1] + lengths[key] if letter == "A" else ends[-1])
    half = len(flows) // 2  # what the second half ends at is what the first one leaves
    ends[half + 1 :] = [1 - end for end in ends[: len(flows) - half][::-1]]
    own = [(letter, _entry(lengths[key]), _entry(end)) for (letter, key), end in zip(flows, ends[1:], strict=True)]
    return Scheme(
        name or word.replace(" ", "-").lower(),
        family="palindrome",
        source=f"order conditions: order {order} of palindrome({word}), kicks of order {rule}",
        steps=run_of(composed(own, rule)),
        frozen=frozen,
        clock=clock,
        claims=Claims(classical=min(order, rule)),
    )


def _entry(length: Interval | Fraction) -> Entry:
    if isinstance(length, Interval):
        return number(decimal(length.centre, max(length.radius, KEPT)))
    return number(length)
