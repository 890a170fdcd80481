"""Sums of entries, tested without a scheme: where they are wrong, none can be declared."""

from __future__ import annotations

from fractions import Fraction

from numtoolkit.declare.entries import number, phi


def test_like_terms_of_a_sum_are_one_term():
    """Coefficients of equal factors add up, and a term of none is gone."""
    half = phi(1) * Fraction(1, 2)
    assert half + half == phi(1)
    assert phi(2) * 3 + phi(1) - phi(2) * 2 == phi(2) + phi(1)
    assert phi(1) - phi(1) == number(0)
