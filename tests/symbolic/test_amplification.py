"""The characteristic polynomial of a step with a linear network: as a formula, in rational numbers, in digits."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy

from numtoolkit.declare.entries import L, flow, integral, op, phi, sqrt
from numtoolkit.declare.forms import combine, evaluate, runge_kutta, written
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.amplification import amplification
from numtoolkit.symbolic.stability_function import stability_function
from tests.support.tiers import breadth

z, w, zeta = sympy.symbols("z w zeta")
phi_1 = (sympy.exp(z) - 1) / z
phi_2 = (phi_1 - 1) / z
LEVEL = sympy.exp(z)  # at the end of the step, over that at its start
FORMULAE = {
    "ddim": zeta - sympy.exp(z) - phi_1 * w,
    "res-2s(c2=1)": zeta - sympy.exp(z) - (phi_1 - phi_2) * w - phi_2 * w * (sympy.exp(z) + phi_1 * w),
    "res-2m": zeta**2 - (sympy.exp(z) + (phi_1 + phi_2) * w) * zeta + phi_2 * w,
    # Heun's method on dx/ds = (x - D)/s, in units of the noise level at the start.
    "heun-edm": zeta - 1 - phi_1 / 2 * (z + w) - phi_1 / 2 * (z + w) / LEVEL * (1 + phi_1 * (z + w)),
    "spndm": zeta**2 - (1 + sympy.Rational(3, 2) * phi_1 * (z + w)) * zeta + phi_1 / 2 * (z + w) * LEVEL,
}


@pytest.mark.parametrize("name", FORMULAE)
def test_stability_functions_are_the_ones_on_paper(name: str) -> None:
    """As functions of z and w: exponentials and rational functions, so that the difference cancels to 0."""
    assert sympy.simplify(stability_function(name).characteristic - FORMULAE[name]) == 0


NAMES = [
    "rk4",
    "res-2s",
    "etd3rk",
    "dpm-solver-3",
    "seeds-1",
    "unipc",
    "deis-rhoab(2)",
    "lawson-4",
    "gframe-abm",
    "heun",
]


@pytest.mark.parametrize("name", breadth(NAMES, lambda name: name in ("rk4", "etd3rk", "unipc")))
@pytest.mark.parametrize("linear", [Fraction(0), Fraction(-3, 4)])
def test_numbers_are_the_values_of_the_formula(name: str, linear: Fraction) -> None:
    """At z = -3/4 to 30 digits; at 0 the limit of the formula, for which z = 10^-40 stands, rationally."""
    found = amplification(scheme(name), linear)
    assert found.exact == (linear == 0)
    near = linear or Fraction(1, 10**40)
    point = sympy.Rational(near.numerator, near.denominator)
    formula = sympy.Poly(stability_function(name).characteristic, zeta, w)
    shift = formula.degree(zeta) + 1 - len(found.coefficients)  # roots 0
    for j, row in enumerate(found.coefficients):
        for i, value in enumerate(row):
            expected = formula.coeff_monomial(zeta ** (j + shift) * w**i)
            difference = sympy.N(
                expected.subs(z, point) - sympy.Rational(value.numerator, value.denominator), 30, maxn=2000
            )
            assert abs(difference) <= (10**-30 if linear else 10**-38)


@pytest.mark.parametrize("c2", [Fraction(1, 10**14), Fraction(1, 10**29), Fraction(1, 10**300)])
def test_digits_that_cancel_are_made_up_for(c2: Fraction) -> None:
    """res-2s takes c2 phi_1(c2 z) over c2 twice: what is left of R differs from its limit c2 = 0 by some c2.

    R(-1, w) = 1/e + phi_1 w + phi_2 w (w - 1) with phi_1 = 1 - 1/e, phi_2 = 1/e in the limit.
    """
    ((constant, linear, square), _) = amplification(scheme("res-2s").bind(c2=c2), -1).coefficients
    inverse = sympy.exp(-1)
    for value, expected in ((constant, inverse), (linear, 1 - 2 * inverse), (square, inverse)):
        difference = sympy.N(sympy.Rational(value.numerator, value.denominator) + expected, 30, maxn=1000)
        assert abs(difference) <= max(float(c2), 1e-30)


@pytest.mark.parametrize(
    "linear", [Fraction(-1, 10**40), Fraction(-1), Fraction(-19), Fraction(-21), Fraction(-(10**6))]
)
def test_numbers_are_right_however_long_the_step(linear: Fraction) -> None:
    """exp-adams(2) has the weights phi_1 + phi_2 and -phi_2: against sympy's digits, small and large h L alike."""
    found = amplification(scheme("exp-adams(2)"), linear).coefficients
    x = sympy.Rational(linear.numerator, linear.denominator)
    first = (sympy.exp(x) - 1) / x
    second = (first - 1) / x
    for value, expected in ((found[0][1], second), (found[1][1], -first - second)):
        difference = sympy.N(sympy.Rational(value.numerator, value.denominator) / expected - 1, 30, maxn=1000)
        assert abs(difference) < 10**-30


@pytest.mark.parametrize("linear", [float("nan"), float("-inf"), -(10**400)])
def test_a_step_of_no_length_is_refused_in_one_sentence(linear: float) -> None:
    """What is no finite number is no h L."""
    with pytest.raises(InputError, match="give a finite one"):
        amplification(scheme("ddim"), linear)


def test_square_roots_are_exact_at_0_and_taken_to_digits_elsewhere() -> None:
    """The midpoint rule with a weight sqrt(2)/2 in its stage has R = 1 + v + sqrt(2)/2 v^2, v = z + w."""
    half = sqrt(2) / 2
    own = Scheme("own", "test", "test", runge_kutta([0, half], [[], [half]], [0, 1]), frozen="drift", clock="time")
    found = amplification(own, 0)
    assert (found.exact, found.coefficients[0][:2]) == (True, (-1, -1))
    assert found.coefficients[0][2] ** 2 == Fraction(1, 2)
    found = amplification(own, -1)
    assert not found.exact
    assert abs(found.coefficients[0][2] ** 2 - Fraction(1, 2)) < Fraction(1, 10**30)


def test_a_linear_part_that_is_no_power_of_the_level_is_refused_in_one_sentence() -> None:
    """Data frozen in the noise level: L flows as a power of it, and L times a root or a constant beside it as none."""
    rows = {
        "has no flow on the test equation here": combine("out", 1, y=flow(L=sqrt(2) * L), E0=phi(1)),
        "no closed form": combine("out", 1, y=flow(), E0=integral(L=L + op("unit"))),
    }
    for words, row in rows.items():
        own = Scheme("own", "test", "test", written([evaluate("E0"), row], "out"), "data", "noise-level", "scalar")
        with pytest.raises(InputError, match=words):
            amplification(own, -1)
