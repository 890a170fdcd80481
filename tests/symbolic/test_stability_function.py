"""Stability functions as formulas: what is known of books' methods and of the catalogue comes out, exactly."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import numtoolkit as nt
from numtoolkit.declare.forms import runge_kutta
from numtoolkit.errors import InputError
from numtoolkit.problem.kinds import SCALAR
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.stability_function import StabilityFunction, stability_function
from numtoolkit.symbolic.unit_circle import End
from tests.support import tableaus
from tests.support.implicit_methods import GAMMA_2, GAMMA_3, PADE, adams, bdf, pade, sdirk_2, sdirk_3
from tests.support.tableaus import book, plain
from tests.support.tiers import breadth

z, w, zeta = sympy.symbols("z w zeta")
RATIONAL = sympy.Rational


def of_tableau(tableau) -> StabilityFunction:
    """That of a tableau (A, b), or of (c, A, b) with rows as short as they are printed."""
    *_, A, b = tableau
    return stability_function(A=[[*row, *[0] * (len(b) - len(row))] for row in A], b=b)


def polynomial(coefficients) -> sympy.Expr:
    """The sum of coefficients times powers of w."""
    return sum(RATIONAL(c.numerator, c.denominator) * w**i for i, c in enumerate(coefficients))


# --- methods of numbers


@pytest.mark.parametrize("name", breadth(PADE, lambda name: name in ("Gauss 2", "Radau IIA 3", "Lobatto IIIC 2")))
def test_the_implicit_methods_of_books_have_pade_approximants(name):
    """R = P/Q is the approximant itself, with its constant, A-stable for j - 2 <= k <= j and L-stable for k < j.

    The constant is that of reference-values 20; the bounds are Ehle's (Wanner, Hairer & Norsett 1978, theorem 5).
    """
    tableau, k, j = PADE[name]
    found = of_tableau(tableau)
    P, Q = map(polynomial, pade(k, j))
    assert sympy.expand(found.numerator - P) == 0
    assert sympy.expand(found.denominator - Q) == 0
    constant = RATIONAL((-1) ** j * factorial(j) * factorial(k), factorial(j + k) * factorial(j + k + 1))
    assert (found.order, sympy.expand(found.error - constant * w ** (j + k + 1))) == (j + k, 0)
    assert (found.A_stable, found.L_stable) == (True, k < j)
    assert (found.alpha.degrees, found.real.value, found.imaginary.value) == (90, float("inf"), float("inf"))
    assert len(found.poles) == j
    if j < 3:  # the digits of roots of cubics take sympy seconds
        poles = sorted(map(complex, found.poles), key=lambda pole: pole.imag)
        assert poles == pytest.approx(
            sorted(np.roots([float(c) for c in sympy.Poly(Q, w).all_coeffs()]), key=lambda x: x.imag), rel=1e-12
        )
        assert all(pole.real > 0 for pole in poles)


SINGLY = {  # tableau, order, A-stable, L-stable, real interval
    "L-stable of order 2": (sdirk_2(GAMMA_2), 2, True, True, sympy.oo),
    "its conjugate": (sdirk_2(2 - GAMMA_2), 2, True, True, sympy.oo),
    "A-stable of order 3": (sdirk_3(GAMMA_3), 3, True, False, sympy.oo),
    "its conjugate of order 3": (sdirk_3(1 - GAMMA_3), 3, False, False, 6 + 4 * sympy.sqrt(3)),
}


@pytest.mark.parametrize("name", breadth(SINGLY, lambda name: name.startswith("its")))
def test_singly_implicit_methods_with_irrational_numbers_are_judged_exactly(name):
    """gamma lies in Q(sqrt 2) or Q(sqrt 3): the sign of its elements, a double pole, an irrational end."""
    tableau, order, A_stable, L_stable, end = SINGLY[name]
    found = of_tableau(tableau)
    assert (found.order, found.A_stable, found.L_stable) == (order, A_stable, L_stable)
    assert sympy.simplify(found.real.number - end) == 0 if end != sympy.oo else found.real.value == float("inf")
    gamma = tableau[0][0][0]
    assert [sympy.simplify(pole * gamma) for pole in found.poles] == [1, 1]


def test_a_root_that_has_no_radicals_is_a_number_too():
    """The SDIRK of three stages and order 3 (Alexander 1977): gamma the middle root of 6 x^3 - 18 x^2 + 9 x - 1."""
    pytest.importorskip("sympy", "1.14")  # from which on a CRootOf is an element of a field
    x = sympy.Symbol("x")
    g = sympy.CRootOf(6 * x**3 - 18 * x**2 + 9 * x - 1, 1)
    b1, b2 = -(6 * g**2 - 16 * g + 1) / 4, (6 * g**2 - 20 * g + 5) / 4
    found = stability_function(A=[[g, 0, 0], [(1 - g) / 2, g, 0], [b1, b2, g]], b=[b1, b2, g])
    assert (found.order, found.A_stable, found.L_stable) == (3, True, True)


@settings(max_examples=20)
@given(theta=st.fractions(0, 1, max_denominator=40))
def test_theta_methods_are_a_stable_from_a_half_on(theta):
    """R = (1 + (1 - theta) w)/(1 - theta w): L-stable at 1, below 1/2 stable on [-2/(1 - 2 theta), 0]."""
    found = stability_function(A=[[theta]], b=[1])
    assert sympy.cancel(found.R - (1 + (1 - theta) * w) / (1 - theta * w)) == 0
    assert (found.A_stable, found.L_stable) == (theta >= Fraction(1, 2), theta == 1)
    if theta < Fraction(1, 2):
        top, bottom = (2 / (1 - 2 * theta)).as_integer_ratio()
        assert found.real.polynomial == (-top, bottom)
        assert found.alpha is None
    assert found.order == 1 + (theta == Fraction(1, 2))


def test_common_factors_of_numerator_and_denominator_are_taken_out():
    """Implicit Euler beside a stage that nothing uses: det(I - w A) has a factor more than R has poles."""
    found = stability_function(A=[[1, 0], [3, -7]], b=[1, 0])
    assert sympy.cancel(found.R - 1 / (1 - w)) == 0
    assert (found.poles, found.L_stable) == ((1,), True)


def test_the_numbers_of_rk4_are_the_known_ones():
    """Reference-values 12: the real end is the root of r^3 - 4 r^2 + 12 r - 24, the imaginary one 2 sqrt 2."""
    found = of_tableau(tableaus.RK4)
    assert found.R == 1 + w + w**2 / 2 + w**3 / 6 + w**4 / 24
    assert found.real == End(2.785293563405282, (-24, 12, -4, 1))
    assert (found.imaginary.number, found.imaginary.value) == (2 * sympy.sqrt(2), 2.8284271247461903)
    assert (found.order, found.error) == (4, w**5 / 120)
    assert (found.alpha, found.A_stable, found.poles) == (None, False, ())


ENDS = {  # reference-values 14, 16, 17
    "DP5": (5, 3.306567892634946, 0.997189008632530),
    "RKF45": (5, 3.677706621321896, 0),
    "RKF45_4": (4, 3.020017543970503, 0),
    "RKF78": (8, 5.00758884894057, 2.36515761405798),
}


@pytest.mark.parametrize("name", breadth(ENDS, lambda name: name == "DP5"))
def test_a_tableau_and_the_scheme_that_it_is_have_one_function(name):
    """Both ways give the same coefficients at z = 0, of the published intervals."""
    own, scheme_ = of_tableau(getattr(tableaus, name)), stability_function(book(name.lower(), getattr(tableaus, name)))
    order, real, imaginary = ENDS[name]
    assert sympy.expand(own.R - scheme_.classical.R) == 0
    assert sympy.expand(own.R.subs(w, z + w) - scheme_.R) == 0  # the whole drift is frozen: a function of z + w
    assert own.order == scheme_.order == order
    assert own.real.value == scheme_.real.value == pytest.approx(real, rel=1e-14)
    assert own.imaginary.value == scheme_.imaginary.value == pytest.approx(imaginary, rel=1e-14, abs=0)


def test_a_scheme_with_a_square_root_is_exact_at_0():
    """Cooper & Verner's eleven stages of order 8 in Q(sqrt 21): order, and the real end as a root of its polynomial."""
    own = book("cooper-verner", tableaus.COOPER_VERNER)
    found = stability_function(own, z=0)
    assert (found.exact, found.order) == (True, 8)
    assert found.real.polynomial
    end = sympy.N(found.R.subs(w, -found.real.number), 20)
    assert abs(abs(end) - 1) < 1e-15
    with pytest.raises(InputError, match="give z a value"):
        stability_function(own)
    elsewhere = stability_function(own, z=-1)
    assert abs(elsewhere.R.subs(w, 1) - 1) < 1e-15  # a function of z + w, at 0
    assert elsewhere.R.has(sympy.Float)


def test_of_linear_equations_a_method_may_be_of_a_higher_order_than_it_is():
    """Reference-values 24: NSSP(3,2) is of order 2, its stability polynomial of order 3."""
    assert of_tableau(tableaus.NSSP_32).order == 3
    assert nt.verify(book("nssp-32", tableaus.NSSP_32, 2)).derived["classical"] == 2


# --- multistep methods


ANGLES = (90, 90, 86.0323668602, 73.3516704746, 51.8397558360, 17.8397777922)  # reference-values 27


@pytest.mark.parametrize("k", range(1, 7))
def test_backward_differences_have_the_known_angles(k):
    """To all published digits, with error constant -1/(k + 1); roots tend to 0 far out, so BDF1, BDF2 are L-stable.

    The cosine is a root of its polynomial to rounding.
    """
    rho, sigma = bdf(k)
    found = stability_function(rho=rho, sigma=sigma)
    assert found.alpha.degrees == pytest.approx(ANGLES[k - 1], abs=5e-11)
    assert (found.A_stable, found.L_stable, found.zero_stable) == (k <= 2, k <= 2, True)
    assert (found.order, found.error) == (k, -(w ** (k + 1)) / (k + 1))
    cosine = found.alpha.cosine
    assert abs(sympy.Poly(cosine.polynomial[::-1], w).eval(sympy.N(cosine.number, 30))) < 1e-3
    assert cosine.value == float(cosine.number)


def test_angles_of_backward_differences_have_these_cosines():
    """In radicals for k = 3, 4, 6; for k = 5 of degree 4: squares of the cosines by a root locus in 40 digits."""
    closed = {
        3: 27 * sympy.sqrt(65) / 3146,
        4: 256 * sympy.sqrt(5110) / 63875,
        6: 10125 * sympy.sqrt(9141405) / 32158994,
    }
    for k in (3, 4, 5, 6):
        rho, sigma = bdf(k)
        cosine = stability_function(rho=rho, sigma=sigma).alpha.cosine
        if k in closed:
            assert sympy.simplify(cosine.number - closed[k]) == 0
        with mpmath.workdps(40):
            numbers = [mpmath.mpf(c.numerator) / c.denominator for c in reversed(rho)]

            def size(theta, numbers=numbers):
                point = mpmath.expj(theta)
                at = mpmath.polyval(numbers, point) / point ** (len(numbers) - 1)
                return -at.real / abs(at)

            start = max((mpmath.mpf(i) / 100 for i in range(1, 314)), key=size)
            theta = mpmath.findroot(lambda t: mpmath.diff(size, t), start)
            assert abs(size(theta) - mpmath.mpf(str(sympy.N(cosine.number, 35)))) < 1e-20


def test_the_seventh_backward_difference_is_not_zero_stable():
    """Reference-values 27: a parasitic root of modulus 1.022, so that no w on the left is of use."""
    rho, sigma = bdf(7)
    found = stability_function(rho=rho, sigma=sigma)
    assert (found.zero_stable, found.alpha, found.A_stable, found.order) == (False, None, False, 7)
    assert max(abs(complex(x)) for x in sympy.Poly(rho[::-1], zeta).nroots()) == pytest.approx(1.02221824436, abs=1e-11)


BASHFORTH = ("1/2", "5/12", "3/8", "251/720", "95/288", "19087/60480"), ("2", "1", "6/11", "3/10", "90/551", "5/57")
MOULTON = ("-1/12", "-1/24", "-19/720", "-3/160", "-863/60480"), ("oo", "6", "3", "90/49", "45/38")


@pytest.mark.parametrize("k", [pytest.param(k, marks=[pytest.mark.check] * (k > 3)) for k in range(1, 7)])
def test_adams_methods_have_the_known_constants_and_intervals(k):
    """Reference-values 25 and 26; the intervals of the implicit ones are those of Hairer & Wanner 1996, V.1."""
    for implicit, (constants, ends) in ((False, BASHFORTH), (True, MOULTON)):
        if k > len(constants):
            continue
        rho, sigma = adams(k, implicit)
        found = stability_function(rho=rho, sigma=sigma)
        p = k + implicit
        assert (found.order, found.error) == (p, sympy.Rational(constants[k - 1]) * w ** (p + 1))
        assert found.real.number == sympy.sympify(ends[k - 1])
        assert found.A_stable is (implicit and k == 1)
        assert (found.alpha is None) is not found.A_stable


def test_an_explicit_method_given_both_ways_is_one():
    """AB2 as rho and sigma, and as the scheme exp-adams(2) at z = 0: one polynomial."""
    rho, sigma = adams(2, False)
    own = stability_function(rho=rho, sigma=sigma).characteristic
    twice = stability_function(rho=[2 * c for c in rho], sigma=[2 * c for c in sigma])
    assert sympy.expand(own - twice.characteristic) == 0
    assert sympy.expand(own - stability_function("exp-adams(2)", z=0).characteristic) == 0


def test_a_method_that_stays_on_the_circle_is_stable_on_an_interval_alone():
    """Leapfrog: order 2, stable for w in [-1, 1] i and nowhere else."""
    found = stability_function(rho=[-1, 0, 1], sigma=[0, 2, 0])
    assert (found.order, found.zero_stable, found.A_stable) == (2, True, False)
    assert (found.real.value, found.imaginary) == (0, End(1.0, (-1, 1)))


def test_what_is_zero_stable_is_told_by_simple_roots():
    """(zeta - 1)^2 is not, and has no principal root; Milne's method is, with a second root on the circle."""
    double = stability_function(rho=[1, -2, 1], sigma=[0, 0, 1])
    assert (double.zero_stable, double.order, double.alpha) == (False, None, None)
    milne = stability_function(rho=[-1, 0, 1], sigma=["1/3", "4/3", "1/3"])
    assert (milne.zero_stable, milne.order, milne.error) == (True, 4, -(w**5) / 180)


# --- schemes


def growth(function, point, share):
    """The principal root of a step of length t, z = a t and w = b t, near 1, to 40 digits."""
    values = {z: RATIONAL(share[0]) * point, w: RATIONAL(share[1]) * point}
    if function.steps < 2:
        return sympy.N(function.R.subs(values), 40)
    rows = [sympy.N(sum(c * w**i for i, c in enumerate(row)).subs(values), 40) for row in function.rows]
    with mpmath.workdps(40):
        root = mpmath.findroot(lambda x: mpmath.polyval([mpmath.mpf(str(c)) for c in rows[::-1]], x), 1)
        return sympy.Float(mpmath.nstr(root, 40), 40)


NAMES = [
    "ddim",
    "res-2s",
    "heun-edm",
    "dpmpp-2m",
    "rk4",
    "spndm",
    "unipc",
    "etd4rk",
    "lawson-4",
    "gframe-ab",
    "seeds-2",
]


@pytest.mark.parametrize("name", breadth(NAMES, lambda name: name in ("res-2s", "heun-edm", "dpmpp-2m")))
def test_the_error_is_what_short_steps_are_off_by(name):
    """exp(z + w) less the principal root over t^(p + 1) at z = a t, w = b t, t = 1e-6: the terms of `error` to O(t)."""
    found = stability_function(name)
    t, p = RATIONAL(1, 10**6), found.order
    for a, b in ((-1, RATIONAL(1, 3)), (-2, 3)):
        off = (sympy.N(sympy.exp((a + b) * t), 40) - growth(found, t, (a, b))) / t ** (p + 1)
        expected = found.error.subs({z: a, w: b})
        assert abs(off - expected) < 1e-4 * max(1, abs(expected))


SHORT = {"dpmpp-3m": 2, "ipndm": 2, "pndm": 2, "stork-2": 1}
ORDERED = [
    member
    for member in catalogue()
    if member.kind == "ode" and not member.of_grid and SCALAR in member.kinds and member.claims.classical
]


@pytest.mark.parametrize("name", breadth([m.name for m in ORDERED], lambda name: name in ("res-3s", "ipndm", "pndm")))
def test_the_order_on_linear_equations_reaches_the_claims_that_stand(name):
    """It is at least the classical order that a scheme claims; less of those claims that fail for equal steps too."""
    order, claim = stability_function(name).order, scheme(name).claims.classical
    assert order == SHORT[name] if name in SHORT else order >= claim


FLAGS = {  # exact in z, limit for z -> -oo
    "euler": (False, sympy.oo),
    "ddim": (True, 0),
    "res-2s": (True, 0),
    "lawson-4": (True, 0),
    "heun-edm": (True, sympy.oo),
    "dpm-solver-2": (True, sympy.oo),
    "dpmpp-2m": (True, zeta**2),
    "spndm": (True, zeta**2 + zeta / 2),
    "seeds-1": (False, -1),
}


@pytest.mark.parametrize("name", breadth(FLAGS, lambda name: name in ("ddim", "heun-edm", "dpmpp-2m", "seeds-1")))
def test_what_long_steps_in_log_snr_do_is_told(name):
    """Data frozen: damped. Noise frozen: R grows as exp(-z) does. DDIM: w (exp(z) - 1)/z tends to 0; SEEDS-1 to -1."""
    found = stability_function(name)
    exact, limit = FLAGS[name]
    assert (found.L_exact, found.limit) == (exact, limit)
    assert found.L_damped is (limit in (0, zeta**2))
    if limit != sympy.oo:
        far = found.R if found.steps < 2 else found.characteristic
        assert sympy.limit(far.subs(w, 3), z, -sympy.oo) == sympy.sympify(limit).subs(w, 3)


def test_at_a_given_z_the_formula_is_that_with_the_value_put_in():
    """res-2s at z = -3/4: exponentials stay, numbers are those of `amplification`, and the interval is that one."""
    whole, at = stability_function("res-2s"), stability_function("res-2s").at("-3/4")
    assert (at.z, at.exact, at.order) == (Fraction(-3, 4), False, None)
    assert sympy.simplify(at.R - whole.R.subs(z, RATIONAL(-3, 4))) == 0
    for own, c in zip(at.coefficients[0], at.rows[0], strict=True):
        assert abs(sympy.N(c, 40) - RATIONAL(own.numerator, own.denominator)) < 1e-30
    assert at.real.value == pytest.approx(nt.stability_function("res-2s", z=-0.75).real.value)
    edge = whole.R.subs({z: RATIONAL(-3, 4), w: -RATIONAL(str(at.real.value))})
    assert abs(abs(sympy.N(edge, 20)) - 1) < 1e-14


def test_rounding_in_a_stage_counts_as_its_internal_function_says():
    """A unit in all stages is a unit in the state they start from: 1 + the sum is R; RK4's last stage weighs w/6."""
    for tableau in (tableaus.RK4, PADE["Radau IIA 2"][0], sdirk_2(GAMMA_2)):
        found = of_tableau(tableau)
        assert sympy.simplify(1 + sum(found.internal.values()) - found.R) == 0
    own = of_tableau(tableaus.RK4).internal
    assert own["Y3"] == w / 6
    assert sympy.expand(own["Y1"] - (w / 3 + w**2 / 6 + w**3 / 12)) == 0


def test_a_scheme_has_the_internal_functions_of_its_tableau():
    """Of a frozen drift in z + w; the first stage is the state itself. res-2s: phi_2/c2 times w, c2 = 1/2."""
    own, whole = of_tableau(tableaus.RK4).internal, stability_function(book("own", tableaus.RK4)).internal
    assert list(whole) == ["Y1", "Y2", "Y3"]
    assert all(sympy.expand(whole[name] - own[name].subs(w, z + w)) == 0 for name in whole)
    phi_2 = (sympy.exp(z) - 1 - z) / z**2
    assert sympy.simplify(stability_function("res-2s").internal["Y1"] - 2 * phi_2 * w) == 0


def test_numbers_known_to_digits_have_intervals_and_no_order():
    """Tsit5's printed digits: reference-values 18, the imaginary end that the digits allow."""
    found = stability_function(book("tsit5", tableaus.TSIT5))
    assert (found.exact, found.order, found.error) == (False, None, None)
    assert found.imaginary.value == pytest.approx(0.477978868882763, rel=1e-11)


# --- on paper


def test_the_table_and_the_display_say_what_the_object_knows():
    """Each row is a property; the display is LaTeX between dollars in a notebook."""
    found = stability_function("ddim")
    table = {row["of"]: (row["value"], row["exact"]) for row in found.table()}
    assert table["order on linear equations"] == (1, None)
    assert table["real interval at h L = 0"] == (2.0, "2")
    assert table["A-stable at h L = 0"] == (False, None)
    assert "R(z, w) &= e^{z}" in found.latex()
    assert found._repr_latex_().startswith("$\\displaystyle\n\\begin{aligned}")
    rho, sigma = bdf(3)
    table = {row["of"]: (row["value"], row["exact"]) for row in stability_function(rho=rho, sigma=sigma).table()}
    assert table["A(alpha), degrees"] == (pytest.approx(86.0323668602), "cosine: 27*sqrt(65)/3146")
    assert table["real interval"] == ("no bound", None)
    assert r"\quad - \frac{18}{11}\,\zeta^{2}" in stability_function(rho=rho, sigma=sigma).latex()
    assert r"\frac{" in of_tableau(PADE["Radau IIA 2"][0]).latex()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "give a scheme, or A and b, or rho and sigma"),
        ({"A": [[1]]}, "give a scheme, or A and b, or rho and sigma"),
        ({"scheme": "ddim", "A": [[1]], "b": [1]}, "give a scheme, or A and b, or rho and sigma"),
        ({"A": [[1, 2]], "b": [1]}, "A has 1 row of 2 numbers and b has 1 weight"),
        ({"A": [], "b": []}, "s = 1 to 20"),
        ({"A": [[0.1]], "b": [1]}, r"A\[0\]\[0\] = 0.1 is a decimal"),
        ({"A": [["0.1"]], "b": [1]}, r"A\[0\]\[0\] = 0.1 is a decimal"),
        ({"A": [[sympy.pi]], "b": [1]}, "no algebraic numbers of one field"),
        ({"A": [[sympy.I]], "b": [1]}, "is no real number"),
        ({"A": [[w]], "b": [1]}, "is no real number"),
        ({"A": [[sympy.Float(0.1)]], "b": [1]}, "is a decimal"),
        ({"A": [[1]], "b": [1], "z": -1}, "has no meaning for a method of numbers"),
        ({"A": [[1]], "b": [1], "name": 3}, "give a text"),
        ({"rho": [1], "sigma": [1]}, "as many of each"),
        ({"rho": [-1, 1], "sigma": [1]}, "as many of each"),
        ({"rho": [-1, nt.sqrt(2)], "sigma": [1, 0]}, "give rational ones"),
        ({"rho": [-1, 0], "sigma": [1, 0]}, "a method that moves the state"),
        ({"scheme": "rvv"}, "no state part 'm'"),
        ({"scheme": "ddim", "z": float("nan")}, "finite"),
    ],
)
def test_what_has_no_stability_function_is_refused_in_one_sentence(given, words):
    """Another shape, numbers that are none or not exact, nothing, or two methods at once."""
    with pytest.raises(InputError, match=words):
        stability_function(**given)


def test_what_is_not_asked_of_a_method_is_refused_in_one_sentence():
    """R of a method with history, a z of one without a linear part, limits at a z, stages of a multistep method."""
    rho, sigma = bdf(2)
    two = stability_function(rho=rho, sigma=sigma)
    cases = [
        (lambda: two.R, "read its characteristic"),
        (lambda: two.internal, "has no stages"),
        (lambda: two.at(-1), "has no meaning"),
        (lambda: stability_function("ddim", z=-1).limit, "whose z is a letter"),
        (lambda: stability_function("ddim", z=-1).L_exact, "whose z is a letter"),
        (lambda: stability_function("ddim", z=-1).internal, "take the one"),
    ]
    for ask, words in cases:
        with pytest.raises(InputError, match=words):
            ask()
    assert two.at(0) is two


def test_a_method_that_forgets_its_state_is_l_stable():
    """The weights of a scheme that returns 0: no root but 0, so R = 0."""
    found = stability_function(plain("own", runge_kutta([0], [[]], [1])), z=-1)
    assert (found.R, found.real.value) == (w, 1.0)
