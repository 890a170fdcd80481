"""Stable intervals by root isolation: nothing is too small to be seen, and touching the circle is not leaving it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.symbolic.unit_circle import (
    End,
    characteristic,
    on_imaginary_axis,
    on_negative_axis,
    stable_to,
)

ROOT_2 = 2**0.5


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        ([[0, 1], [1]], End(1.0, (-1, 1))),  # zeta = -r
        ([[1, -1], [1]], End(2.0, (-2, 1))),  # zeta = r - 1
        ([[Fraction(-1, 2)], [1]], End(float("inf"))),  # zeta = 1/2
        ([[1]], End(float("inf"))),  # no root but 0
        ([[-1, -1], [1]], End(0.0, (0, 1))),  # zeta = 1 + r
        ([[0, 2, -1], [1]], End(1 + ROOT_2, (-1, -2, 1))),  # zeta = (r - 1)^2 - 1 touches -1 at r = 1
        ([[1], [-2, 1], [1]], End(4.0, (-4, 1))),  # a pair on the circle up to r = 4, where it parts on the real axis
        ([[0, 0, 1], [0], [1]], End(1.0, (-1, 1))),  # zeta = i r and -i r
        ([[-1], [0, 2], [1]], End(0.0, (0, 1))),  # leapfrog: one of the roots is outside at once
    ],
)
def test_the_first_point_where_a_root_leaves_the_disc_is_found(rows: list, end: End) -> None:
    """One root, a pair, a touch, a pair that stays on the circle, none: algebraic numbers with their polynomials."""
    exact = [[Fraction(c) for c in row] for row in rows]
    assert stable_to(exact, exact=True) == end


@pytest.mark.parametrize(
    ("rows", "end"),
    [
        ([[-1], [0, -2], [1]], End(1.0, (-1, 1))),  # leapfrog: i (y +- sqrt(y^2 - 1)) beyond 1
        ([[-1], [0, 0, -2], [1]], End(0.0, (0, 1))),  # zeta and -1/zeta are real: -y^2 +- sqrt(y^4 + 1)
        ([[0, -1], [1]], End(1.0, (-1, 1))),  # zeta = w
        ([[1, 0, Fraction(1, 4)], [0, 0, 1], [1]], End(1.6**0.5, (-8, 0, 5))),  # no pair: 1 is a root at y^2 = 8/5
    ],
)
def test_roots_that_stay_on_the_circle_leave_it_where_they_meet(rows: list, end: End) -> None:
    """On the imaginary axis roots zeta and -1/zeta are pairs for all y: they part at a double root, which ends it."""
    exact = on_imaginary_axis([[Fraction(c) for c in row] for row in rows])
    assert stable_to(exact, exact=True, doubled=True) == end


@given(rows=st.lists(st.lists(st.integers(-3, 3).map(Fraction), min_size=1, max_size=3), min_size=1, max_size=2))
def test_of_a_product_with_the_conjugate_pairs_alone_are_asked(rows: list) -> None:
    """Whether roots at 1 and -1 are looked for apart changes nothing, since each is there twice."""
    product = on_imaginary_axis([*rows, [Fraction(1)]])
    assert stable_to(product, exact=True, doubled=True) == stable_to(product, exact=True)


def test_a_root_may_leave_through_infinity() -> None:
    """(1 - r) zeta = 1/2: stable up to 1/2, where |zeta| = 1; (1 - r)^2 zeta = 0 has no root but 0."""
    half = Fraction(1, 2)
    assert stable_to([[-half], [Fraction(1), Fraction(-1)]], exact=True) == End(0.5, (-1, 2))
    assert stable_to([[Fraction(0)], [Fraction(1), Fraction(-2), Fraction(1)]], exact=True) == End(float("inf"))


def test_a_window_of_a_billionth_part_is_seen_where_numbers_are_exact() -> None:
    """zeta = 1 - (r - 1)(r - 1 - d) r with d = 1e-9 lies outside between 0 and 1 only for the other sign."""
    d = Fraction(1, 10**9)
    product = [Fraction(0), 1 + d, -2 - d, Fraction(1)]  # r (r - 1)(r - 1 - d), negative in the window
    rows = [[-1 + product[0], *product[1:]], [Fraction(1)]]
    assert stable_to(rows, exact=True) == End(1.0, (-1, 1))


def test_roots_nearer_than_rounding_count_as_one_where_numbers_have_digits_only() -> None:
    """The same window of 1e-40 is a double root to any digits that are known, so it does not end the interval."""
    d = Fraction(1, 10**40)
    product = [Fraction(0), 1 + d, -2 - d, Fraction(1)]
    rows = [[-1 + product[0], *product[1:]], [Fraction(1)]]
    assert stable_to(rows, exact=True).value == 1
    assert stable_to(rows, exact=False) == End(pytest.approx(2, abs=1))
    assert stable_to(rows, exact=False).value > 1.5


COEFFICIENTS = st.fractions(-2, 2, max_denominator=7)


@given(rows=st.lists(st.lists(COEFFICIENTS, min_size=2, max_size=3), min_size=1, max_size=4))
def test_ends_are_where_the_largest_modulus_passes_one(rows: list) -> None:
    """Dense samples inside lie in the disc, and within a part of 10^-6 beyond the end one lies outside.

    A root of multiplicity m moves by eps^(1/m) in float64, 1e-4 at most here.
    """

    def radius(r: float) -> float:
        values = [1.0, *(float(np.polynomial.polynomial.polyval(r, [float(c) for c in row])) for row in rows[::-1])]
        return float(np.abs(np.roots(values)).max(initial=0.0))

    end = stable_to([*rows, [Fraction(1)]], exact=True).value
    top = min(end, 50.0)
    assert all(radius(r) <= 1 + 1e-4 for r in np.linspace(0, top, 41)[1:-1] if r)
    if np.isfinite(end):
        beyond = end + max(end, 1e-3) * np.geomspace(1e-12, 1e-2, 60)
        assert max(map(radius, beyond)) > 1


@given(rows=st.lists(st.lists(COEFFICIENTS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_the_axes_are_substituted(rows: list) -> None:
    """w = -r in P, and P(i y) P(-i y), coefficient by coefficient, at r = y = 3/4."""
    at = 0.75
    monic = [*rows, [Fraction(1)]]

    def values(own: list, w: complex) -> list:
        return [np.polynomial.polynomial.polyval(w, np.array([float(c) for c in row] or [0.0])) for row in own]

    np.testing.assert_allclose(values(on_negative_axis(monic), at), values(monic, -at), rtol=0, atol=1e-14)
    product = np.convolve(values(monic, 1j * at), values(monic, -1j * at))
    # Sums of at most 3 products of numbers below 7.
    np.testing.assert_allclose(values(on_imaginary_axis(monic), at), product, rtol=0, atol=1e-12)


@given(st.lists(st.lists(COEFFICIENTS, min_size=3, max_size=3), min_size=3, max_size=3))
def test_characteristic_polynomials_have_the_trace_and_the_determinant(matrix: list) -> None:
    """Of a matrix of numbers: c_2 = -trace, c_0 = -determinant by Sarrus' rule, and the middle one by minors."""
    (a, b, c), (d, e, f), (g, h, k) = matrix
    rows = [[[x] for x in row] for row in matrix]
    determinant = a * e * k + b * f * g + c * d * h - c * e * g - b * d * k - a * f * h
    minors = a * e - b * d + a * k - c * g + e * k - f * h
    found = [sum(p, start=Fraction(0)) for p in characteristic(rows, Fraction(1))]
    assert found == [-determinant, minors, -(a + e + k), 1]
