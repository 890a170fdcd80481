"""Enclosures of what polynomials have: their real roots, and their values at intervals."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.numbers import Field

NARROW = Fraction(1, 2**120)  # how narrow the enclosures of roots are


def real_roots(f: Any) -> list[Interval]:
    """The real roots of a polynomial f of sympy in one symbol, each once, narrowly enclosed, the lowest first."""
    import sympy

    if f.is_ground:
        return []
    eps = sympy.Rational(NARROW.numerator, NARROW.denominator)
    found = sympy.Poly(sympy.Poly(f, f.gen, domain="QQ").sqf_part()).intervals(eps=eps)
    ends = [(Fraction(int(a.p), int(a.q)), Fraction(int(b.p), int(b.q))) for (a, b), _ in found]
    return [Interval.of((a + b) / 2, (b - a) / 2) for a, b in ends]


def polynomial_at(f: Any, at: Interval) -> Interval:
    """A polynomial f of sympy in one symbol at an interval, by Horner's rule."""
    total = Interval.of(0)
    for c in f.all_coeffs():
        total = total * at + Fraction(int(c.p), int(c.q))
    return total


def value_at(value: Any, numbers: Field, at: Mapping[str, Interval]) -> Interval:
    """An element `value` of the field `numbers` at intervals for its symbols, by name in `at`."""

    def polynomial(f: Any) -> Interval:
        total = Interval.of(0)
        for powers, c in f.to_dict().items():
            term = Interval.of(int(c))
            for name, e in zip(numbers.variables, powers, strict=True):
                term = term * at[name] ** int(e) if e else term
            total = total + term
        return total

    return polynomial(value.top) / polynomial(value.bottom)
