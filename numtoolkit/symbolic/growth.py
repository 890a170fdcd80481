"""How well a step approximates exp(z + w): the first terms of what its principal root is off by.

Where P(zeta) is the polynomial whose roots a step has, exp(z + w) less the root near it is P(exp(z + w)) / P'(1) but
for terms of higher degree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import count
from math import factorial
from typing import Any

from numtoolkit.symbolic.line_numbers import Formula
from numtoolkit.symbolic.unit_circle import Polynomial

Terms = dict[tuple[int, int], Any]  # by the powers of z and w


def defect(coefficients: Sequence[Polynomial], field: Formula | None) -> tuple[int, Terms] | None:
    """The lowest degree p + 1 in z and w of exp(z + w) less the principal root, and its terms.

    coefficients   [j][i] of zeta^j w^i, exact: elements of the `field`, None for numbers at z = 0
    returns        None where 1 is no simple root at z = w = 0
    """
    slope = _lowest(coefficients, field, 0, lambda j: j)
    if slope is None or slope[0]:
        return None
    degree, terms = None, Terms()
    for b in count():
        if degree is not None and b > degree:
            return degree, {at: c / slope[1] for at, c in terms.items()}
        found = _lowest(coefficients, field, b, lambda j: 1)
        if found is not None and (degree is None or found[0] + b <= degree):
            terms = terms if degree == found[0] + b else Terms()
            degree, terms[found[0], b] = found[0] + b, found[1]
    raise AssertionError


def _lowest(
    coefficients: Sequence[Polynomial], field: Formula | None, b: int, weigh: Callable[[int], int]
) -> tuple[int, Any] | None:
    """n and c of the lowest term c z^n w^b of the sum of weigh(j) times row j at zeta = exp(z + w); None of 0."""
    total = field.number(0) if field else Fraction(0)
    for j, row in enumerate(coefficients):
        for i, c in enumerate(row[: b + 1]):
            own = c * Fraction(j ** (b - i), factorial(b - i)) if field is None else _times(field, c, j, b - i)
            total = total + own * weigh(j)
    if not total:
        return None
    return field.leading(total) if field else (0, total)


def _times(field: Formula, c: Any, j: int, n: int) -> Any:
    """c times the coefficient of w^n in exp(j (z + w))."""
    return c * field.grown(j) * field.number(Fraction(j**n, factorial(n)))
