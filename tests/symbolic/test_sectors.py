"""Half planes and sectors: Routh's table, Ehle's bounds, angles against scans, and numbers with an order."""

from __future__ import annotations

from fractions import Fraction
from math import degrees, inf

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from numtoolkit.declare.entries import sqrt
from numtoolkit.errors import InputError
from numtoolkit.symbolic.algebraic import Algebraic, complex_roots, exact_numbers, norm, rational_where_all_are
from numtoolkit.symbolic.sectors import (
    RIGHT,
    bounded_on_the_left,
    e_polynomial,
    in_left_half_plane,
    never_negative,
    sector_of_function,
    sector_of_locus,
)
from numtoolkit.symbolic.unit_circle import (
    common,
    derivative,
    divided,
    in_closed_disc,
    on_circle,
    times,
    trimmed,
)
from tests.support.implicit_methods import bdf, pade
from tests.support.tiers import breadth

WHOLE = st.lists(st.integers(-6, 6).map(Fraction), min_size=2, max_size=6).filter(lambda p: p[-1] != 0)


def roots(p):
    """The roots in float64."""
    return np.roots([float(c) for c in reversed(p)])


# --- half planes


@given(p=WHOLE)
def test_routh_sees_the_roots_on_the_right(p):
    """Whether all real parts are negative, where float64 is sure of their signs."""
    parts = roots(p).real
    assume(np.abs(parts).min() > 1e-3)
    assert in_left_half_plane(p) is bool((parts < 0).all())


def test_routh_counts_the_axis_as_right():
    """w^2 + 1, w^2 + w, and (w + 1)(w^2 + 4) have roots on the axis."""
    for p in ([1, 0, 1], [0, 1, 1], [4, 4, 1, 1]):
        assert not in_left_half_plane([Fraction(c) for c in p])


@given(p=WHOLE)
def test_a_polynomial_that_is_never_negative_is_told_from_one_that_is(p):
    """A square and a square plus 1 are; p itself is if no sample of [0, 50] and its end is below 0."""
    assert never_negative(times(p, p))
    samples = np.polynomial.polynomial.polyval(np.linspace(1e-6, 50, 4001), [float(c) for c in p])
    if samples.min() < -1e-9 or p[-1] < 0:
        assert not never_negative(p)
    elif samples.min() > 1e-3:
        assert never_negative(p)


@pytest.mark.parametrize(
    ("k", "j"), breadth([(k, j) for k in range(5) for j in range(5) if k + j], lambda k, j: k + j == 4)
)
def test_pade_approximants_are_a_stable_in_ehles_strip(k, j):
    """Where j - 2 <= k <= j and nowhere else (Wanner, Hairer & Norsett 1978, theorem 5)."""
    assert bounded_on_the_left(*pade(k, j)) is (j - 2 <= k <= j)


def test_the_e_polynomial_of_rk4_begins_as_published():
    """Reference-values 12: y^6/72 - y^8/576, with Q = 1."""
    P = [1 / Fraction(n) for n in (1, 1, 2, 6, 24)]
    assert trimmed(e_polynomial(P, [Fraction(1)])) == [0] * 6 + [Fraction(1, 72), 0, Fraction(-1, 576)]


# --- sectors


def scanned(P, Q):
    """The angle in degrees up to which 40,000 points of a ray do not exceed 1, halved 40 times; 0 where none."""
    r = np.geomspace(1e-3, 1e4, 40000)
    low, high = 0.0, np.pi / 2
    for _ in range(40):
        middle = (low + high) / 2
        w = -r * np.exp(1j * middle)
        top, bottom = (np.polynomial.polynomial.polyval(w, [float(c) for c in p]) for p in (P, Q))
        low, high = (middle, high) if (np.abs(top) <= np.abs(bottom) * (1 + 1e-14)).all() else (low, middle)
    return degrees(low)


SECTORS = [(0, 3), (0, 4), (1, 4), (0, 5), (2, 5)]


@pytest.mark.parametrize(("k", "j"), [pytest.param(*kj, marks=[pytest.mark.check] * (kj != (0, 3))) for kj in SECTORS])
def test_pade_approximants_beyond_the_strip_have_a_sector(k, j):
    """The angle is that of a scan, and its cosine a number of its polynomial; [0/3]: 88.23 degrees."""
    angle = sector_of_function(*pade(k, j))
    assert angle.degrees == pytest.approx(scanned(*pade(k, j)), abs=1e-4)
    assert (k, j) != (0, 3) or angle.degrees == pytest.approx(88.2301520, abs=1e-6)
    assert angle.cosine.value == float(angle.cosine.number)


IRRATIONAL = sympy.sqrt(2) / 8  # below 1/4, from which (1 + (1 - 2 g) w)/(1 - g w)^2 is A-stable


def test_a_function_with_irrational_coefficients_has_a_sector():
    """(1 + (1 - 2 g) w)/(1 - g w)^2 with g = sqrt(2)/8 is of order 2 - 1 and A(53.29): the norm has its cosine."""
    one, linear, first, square = exact_numbers(
        [("a", 1), ("b", 1 - 2 * IRRATIONAL), ("c", -2 * IRRATIONAL), ("d", IRRATIONAL**2)]
    )
    P, Q = [one, linear], [one, first, square]
    angle = sector_of_function(P, Q)
    assert angle.degrees == pytest.approx(scanned(P, Q), abs=1e-4)
    assert angle.degrees == pytest.approx(53.2949253, abs=1e-6)


def test_what_leaves_the_disc_on_the_negative_axis_has_no_sector():
    """Explicit Euler, and 1/(1 + w), whose pole is at -1."""
    one = Fraction(1)
    assert sector_of_function([one, one], [one]) is None
    assert sector_of_function([one], [one, one]) is None
    assert sector_of_function([one], [one, -one]) == RIGHT


def largest(rho, sigma, alpha):
    """The largest modulus of a root at 300 points of the ray at alpha degrees to the negative axis."""
    w = -np.geomspace(1e-2, 1e3, 300) * np.exp(1j * np.radians(alpha))
    rows = np.stack([float(a) - w * float(b) for a, b in zip(rho, sigma, strict=True)], axis=1)
    return max(np.abs(np.roots(row[::-1])).max(initial=0.0) for row in rows)


@settings(max_examples=20)
@given(sigma=st.lists(st.fractions(-1, 1, max_denominator=3), min_size=3, max_size=3))
def test_the_angle_of_a_locus_is_that_of_a_scan(sigma):
    """rho of BDF2 with any sigma: all w of a ray inside are stable; without a sector one of the axis is not."""
    rho, _ = bdf(2)
    assume(any(sigma))
    angle = sector_of_locus(rho, sigma)
    if angle is None:
        assert largest(rho, sigma, 1e-3) > 1 - 1e-9
    else:
        assert largest(rho, sigma, angle.degrees * 0.99) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("k", "sigma"),
    [(4, "1/2 1/4 1/5 -1/5 1"), (4, "1/2 0 -1/5 0 1"), (4, "1/4 0 -1/4 0 1"), (3, "0 1/4 0 1"), (3, "0 0 0 1")],
)
def test_the_nearest_of_several_branches_of_a_locus_is_the_edge(k, sigma):
    """rho of BDF3 and BDF4 with other sigmas, three of which come near the axis twice: stable before, not behind."""
    rho, weights = bdf(k)[0], [Fraction(x) for x in sigma.split()]
    angle = sector_of_locus(rho, weights).degrees
    assert largest(rho, weights, angle - 0.5) <= 1 + 1e-9
    assert largest(rho, weights, angle + 0.5) > 1 + 1e-9


def test_a_locus_on_the_negative_axis_leaves_no_sector():
    """Explicit Euler, where zeta = -1 at w = -2; and zeta = 1/2 - w/4, stable at -1, where zeta = 1 at w = -2."""
    assert sector_of_locus([Fraction(-1), Fraction(1)], [Fraction(1), Fraction(0)]) is None
    assert sector_of_locus([Fraction(-1, 2), Fraction(1)], [Fraction(-1, 4), Fraction(0)]) is None


def test_a_locus_that_touches_the_axis_where_both_parts_vanish_keeps_its_angle():
    """The trapezoidal rule: sigma is 0 at zeta = -1, where w is infinite, and the locus is the imaginary axis."""
    assert sector_of_locus([Fraction(-1), Fraction(1)], [Fraction(1, 2)] * 2) == RIGHT


# --- the unit circle


@given(p=st.lists(st.integers(-3, 3), min_size=1, max_size=3), n=st.integers(1, 6))
def test_roots_of_unity_are_found_on_the_circle(p, n):
    """zeta^n - 1 times the roots 1/p_i inside: the factor is zeta^n - 1 itself, and one root outside spoils it."""
    unity = [Fraction(-1), *[Fraction(0)] * (n - 1), Fraction(1)]
    inside = [[Fraction(-1), Fraction(c) if abs(c) > 1 else Fraction(2)] for c in p]
    whole = unity
    for factor in inside:
        whole = times(whole, factor)
    assert on_circle(whole) == unity
    assert in_closed_disc(whole)
    assert on_circle(times(whole, [Fraction(-3), Fraction(2)])) is None
    assert on_circle(times(whole, [Fraction(1), Fraction(-5, 2), Fraction(1)])) is None  # 2 and 1/2


@pytest.mark.parametrize(
    ("p", "simple"),
    [([1, -2, 1], False), ([1, 0, 2, 0, 1], False), ([1, 1, 1], True), ([5, -6, 5], True), ([-1, 0, 1], True)],
)
def test_double_roots_on_the_circle_are_in_its_factor(p, simple):
    """(zeta - 1)^2, (zeta^2 + 1)^2; cube roots of unity, (3 + 4 i)/5, 1 and -1."""
    own = on_circle([Fraction(c) for c in p])
    assert (len(own) == len(p), len(common(own, derivative(own))) < 2) == (True, simple)


@given(p=WHOLE, q=WHOLE)
def test_quotient_and_rest_make_the_polynomial(p, q):
    """p = q quotient + rest, the rest of lower degree; the common divisor divides both."""
    quotient, rest = divided(p, q)
    whole = times(quotient, q)
    whole += [Fraction(0)] * (len(p) - len(whole))
    assert [a + (rest[i] if i < len(rest) else 0) for i, a in enumerate(whole)] == p
    assert len(rest) < len(q)
    assert not any(divided(p, common(p, q))[1] + divided(q, common(p, q))[1])


# --- algebraic numbers


def test_elements_of_a_field_are_ordered_as_on_the_line():
    """sqrt 2 and sqrt 3 in one field: signs of what differs in the twentieth digit, and arithmetic with fractions."""
    two, three = exact_numbers([("a", sympy.sqrt(2)), ("b", sympy.sqrt(3))])
    near = Fraction(141421356237309504880, 10**20)
    assert (near < two < near + Fraction(1, 10**20), two < three, abs(two - three) == three - two) == (True, True, True)
    assert (two * two == 2, 1 / two == two / 2, 2 - two - 2 == -two, hash(two) == hash(two + 0)) == (True,) * 4
    assert float(two + three) == pytest.approx(2**0.5 + 3**0.5)
    assert sorted([three, Fraction(3, 2), two, 0]) == [0, two, Fraction(3, 2), three]
    assert (two - two).sign == 0


def test_the_norm_has_the_roots_of_a_polynomial_and_of_its_conjugates():
    """Of w - sqrt 2 it is w^2 - 2; a rational one is its own. Of both roots one is that of the polynomial."""
    two, minus = exact_numbers([("a", sqrt(2)), ("b", -1)])
    assert norm([-two, -minus]) == [-2, 0, 1]
    assert norm([Fraction(1), Fraction(3)]) == [1, 3]
    assert complex_roots([-two, -minus]) == (sympy.sqrt(2),)
    assert complex_roots([Fraction(1), Fraction(0), Fraction(1)]) == (-sympy.I, sympy.I)
    assert complex_roots([Fraction(1)]) == ()


def test_numbers_are_read_exactly():
    """Whole numbers, fractions, texts, halves as floats, roots of entries and of sympy; rational sums come back so."""
    values = [("a", 1), ("b", Fraction(2, 3)), ("c", "1/3"), ("d", 0.5)]
    assert exact_numbers(values) == [1, Fraction(2, 3), Fraction(1, 3), Fraction(1, 2)]
    assert exact_numbers([("a", 0.25 - sympy.sqrt(2))]) == exact_numbers([("a", 0.25 - sqrt(2))])
    third, root = exact_numbers([("a", "1/3"), ("b", sqrt(6) / 3)])
    assert isinstance(third, Algebraic)
    assert root * root == Fraction(2, 3)
    assert rational_where_all_are([third, root * root]) == [Fraction(1, 3), Fraction(2, 3)]
    assert rational_where_all_are([third, root]) == [third, root]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.1, "is a decimal"),
        ("0.25", "is a decimal"),
        (inf, "finite"),
        (None, "no number"),
        (sympy.Symbol("x"), "no real number"),
        (sympy.sqrt(-2), "no real number"),
        (sympy.E, "no algebraic numbers"),
        (sympy.root(2, 29), "of degree 24 at most"),
    ],
)
def test_numbers_that_are_not_exact_are_refused_in_one_sentence(value, words):
    """Decimals, what is not real, what is not algebraic, fields too large to compute in."""
    with pytest.raises(InputError, match=words):
        exact_numbers([("A[0][0]", value)])
