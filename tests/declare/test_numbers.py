"""A number in a declaration says how exact it is, and nothing is proved for a number that is not known."""

import math
import random
from dataclasses import asdict, replace
from fractions import Fraction

import numpy as np
import pytest

from numtoolkit import printing
from numtoolkit.cli.verify import _verdicts
from numtoolkit.declare.entries import Ball, Const, Root, ball, balls, number, phi, sqrt, substitute, symbol, symbols
from numtoolkit.declare.forms import runge_kutta, tableau
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.errors import InputError
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import VP
from numtoolkit.program.evaluator import Evaluator
from numtoolkit.program.program import Affine, lower, problem_of
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.error_norm import error_constant
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.verdict import verify
from tests.support.declarations import on_its_own_network

c2 = symbol("c2")
HALF_ULP = Fraction(math.ulp(0.1)) / 2


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (2, 2),
        (-3, -3),
        (Fraction(2, 3), Fraction(2, 3)),
        ("2/3", Fraction(2, 3)),
        ("-4/6", Fraction(-2, 3)),
        (" 5 ", 5),
        (0.5, Fraction(1, 2)),
        (2.5, Fraction(5, 2)),
        (-0.0, 0),
        (2.0**-20, Fraction(1, 2**20)),
        (np.int64(3), 3),
        (np.float64(0.25), Fraction(1, 4)),
    ],
)
def test_rationals_and_short_binary_fractions_are_exact(given, value):
    """Integers, rationals and floats that are multiples of 2^-20 are exactly the number they are written as."""
    assert number(given) == Const(Fraction(value))
    assert repr(number(given)) == f"number {Fraction(value)}, exact"


@pytest.mark.parametrize(
    ("given", "centre", "radius", "shown"),
    [
        ("0.161", Fraction(161, 1000), Fraction(1, 2000), "0.161 +- 0.0005"),
        ("-0.161", Fraction(-161, 1000), Fraction(1, 2000), "-0.161 +- 0.0005"),
        ("0.5", Fraction(1, 2), Fraction(1, 20), "0.5 +- 0.05"),
        ("0.500", Fraction(1, 2), Fraction(1, 2000), "0.500 +- 0.0005"),
        (".5", Fraction(1, 2), Fraction(1, 20), "0.5 +- 0.05"),
        ("5.", Fraction(5), Fraction(1, 2), "5 +- 0.5"),
        ("1e3", Fraction(1000), Fraction(500), "1E+3 +- 5e+02"),
        ("1.5E-3", Fraction(3, 2000), Fraction(1, 20000), "0.0015 +- 5e-05"),
        (0.1, Fraction(0.1), HALF_ULP, "0.10000000000000001 +- 6.9e-18"),
        (2.0**-21, Fraction(1, 2**21), Fraction(1, 2**74), "4.768371582031250E-7 +- 5.3e-23"),
        (2.0**33 + 0.5, Fraction(2.0**33 + 0.5), Fraction(1, 2**20), "8589934592.500000 +- 9.5e-07"),
    ],
)
def test_decimals_and_other_floats_are_balls(given, centre, radius, shown):
    """Decimal text is known to half a unit of its last digit, a float to half an ulp; both say so when shown."""
    assert number(given) == Ball(centre, radius)
    assert repr(number(given)) == shown


def test_the_float_next_to_a_rational_holds_it():
    """The ball of a float contains the rational that rounds to it; that of a decimal, what it is printed for."""
    for top in range(1, 50):
        exact = Fraction(top, 49)
        near = number(float(exact))
        distance = abs(near.centre - exact) if isinstance(near, Ball) else abs(near.value - exact)
        assert distance <= (near.radius if isinstance(near, Ball) else 0)
        text = number(f"{float(exact):.6f}")
        assert abs(text.centre - exact) <= text.radius


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (math.nan, "nan is no number of a declaration; give a finite one"),
        (math.inf, "inf is no number of a declaration; give a finite one"),
        (np.float64("-inf"), "-inf.* is no number of a declaration"),
        (True, "True, a bool, is no number of a declaration"),
        (np.True_, "a bool.*, is no number of a declaration"),
        (1j, "1j, a complex, is no number of a declaration"),
        (None, "None, a NoneType, is no number"),
        ([1], r"\[1\], a list, is no number"),
        (np.float32(0.1), "a float32, is no number of a declaration"),
        ("", 'cannot read the number \'\'; write "2", "2/3", or a decimal such as "0.161"'),
        ("one", "cannot read the number 'one'"),
        ("nan", "cannot read the number 'nan'"),
        ("inf", "cannot read the number 'inf'"),
        ("1_000", "cannot read the number '1_000'"),
        ("1 / 2", "cannot read the number '1 / 2'"),
        ("0.5/2", "cannot read the number '0.5/2'"),
        ("٣", "cannot read the number '٣'"),
        ("9" * 400, "cannot read the number '9999"),
        ("1/0", "the number '1/0' divides by zero; give another denominator"),
        (10**400, "the number 1000.* has no float64 to compute with"),
        (Fraction(1, 10**400), "has no float64 to compute with"),
        (5e-324, "the number 5e-324 has no float64 to compute with"),
        ("1e-999", "the number '1e-999' has no float64 to compute with"),
    ],
)
def test_what_is_no_number_is_refused(given, sentence):
    """nan, infinity, truths, complex and unreadable numbers are refused in one sentence."""
    with pytest.raises(InputError, match=sentence):
        number(given)


def test_plain_numbers_stand_in_entries():
    """Operators take plain numbers on either side, each as exact as it is."""
    assert 2.5 * phi(1) == Fraction(5, 2) * phi(1) == phi(1) * 2.5
    assert c2 + 0.161 == c2 + number(0.161)
    assert 0.161 + c2 == number(0.161) + c2
    assert c2 - "0.161" == c2 + -number("0.161")
    assert np.float64(2.5) * phi(1) == 2.5 * phi(1)
    assert 1 / c2 == 1.0 / c2
    assert phi(1) / 4.0 == phi(1) / 4
    assert symbols(c2 * 0.1 + sqrt(2)) == {"c2"}
    assert substitute(c2 * phi(1), {"c2": 0.5}) == phi(1) / 2
    with pytest.raises(InputError, match="no number of a declaration"):
        phi(1) * math.nan


@pytest.mark.parametrize(
    ("square", "text"),
    [
        (2, "sqrt(2)"),
        (8, "2*sqrt(2)"),
        ("2/3", "1/3*sqrt(6)"),
        (0.5, "1/2*sqrt(2)"),
        (9, "3"),
        ("9/4", "3/2"),
        (0, "0"),
        (2 * 3 * 5**2 * 7**3, "35*sqrt(42)"),
        (999983 * 1000003, "sqrt(999985999949)"),
        (1000003**2, "1000003"),
        (2 * 1000003**2, "1000003*sqrt(2)"),
    ],
)
def test_roots_are_rational_multiples_of_roots_without_square_factors(square, text):
    """sqrt of an exact number has one form, so that equal numbers are equal entries; squares become rational."""
    assert str(sqrt(square)) == text


def test_products_of_roots_are_collected():
    """A product of roots is one root, and a quotient by a root has it above the line."""
    assert sqrt(2) * sqrt(2) == sqrt(2) ** 2 == number(2)
    assert sqrt(2) * sqrt(6) == 2 * sqrt(3) == sqrt(12)
    assert 1 / sqrt(2) == sqrt(2) / 2 == sqrt(0.5)
    assert sqrt(2) * c2 * sqrt(2) == 2 * c2
    assert sqrt(3) / sqrt(2) == sqrt("3/2")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (-1, r"sqrt\(-1\) is not real; take the root of a number that is not negative"),
        ("0.161", "is of the ball 0.161 .- 0.0005; give an exact number"),
        (0.1, "is of the ball 0.1"),
        (10**16 + 1, "has too many digits"),
        (True, "True, a bool, is no number"),
        (c2, "c2, a Symbol, is no number"),
    ],
)
def test_roots_of_other_things_are_refused(given, sentence):
    """The root of a negative number, a ball or a symbol is refused."""
    with pytest.raises(InputError, match=sentence):
        sqrt(given)


def test_every_number_has_a_text_of_its_own():
    """str tells numbers apart that are not the same: rationals, roots, and balls with all their digits."""
    inexact = [number("0.161"), number("0.1610"), number(0.161), ball(Fraction(161, 1000), Fraction(1, 10**9))]
    numbers = [number("161/1000"), *inexact, sqrt(2), Root(3), -number("0.161"), number("-0.161")]
    assert len({*map(str, numbers)}) == len(numbers)
    assert [str(n) for n in (number("2/3"), number("0.161"), number("-0.5"), sqrt(3))] == [
        "2/3",
        "ball(161/1000, 1/2000)",
        "ball(-1/2, 1/20)",
        "sqrt(3)",
    ]
    assert ball(1, 0) == number(1)
    with pytest.raises(InputError, match=r"ball\(1, -1\) has a negative radius"):
        ball(1, -1)


# --- the float64 reader


def read(entry):
    """A scalar entry in float64, as runs read it."""
    own, process = scheme("ddim"), VP()
    times = grid("log-snr", process, 2)
    values = Evaluator(problem_of(own, process), times, np.array([0]), {"c2": 0.3}).scalar(entry)
    return float(values[0])


def test_runs_take_the_centre_of_a_ball_to_full_float64_precision():
    """What a run computes with is the float that was given, or the one nearest to the decimal, and the rounded root."""
    for value in (0.1, 0.161, -2 / 3, 1e-7, 123456.789):
        assert read(number(value)) == value
        assert read(number(repr(value))) == value
    for square in (2, 3, 5, 6, 7, 999983 * 1000003):
        assert read(sqrt(square)) == math.sqrt(square)
    assert read(sqrt("1/2")) == pytest.approx(math.sqrt(0.5), rel=3e-16)
    assert read(c2 * number(0.1)) == 0.3 * 0.1


def test_a_scheme_of_decimals_runs_as_written():
    """A tableau of decimals lowers to the products of these floats with h, though nothing is proved of it."""
    own = declared(runge_kutta([0, 0.7], [[], [0.7]], [0.3, 0.7]))
    program = lower(on_its_own_network(own), VP(), grid("quadratic", VP(), 2))
    for step in program.steps:
        h = -(step.end - step.start)
        (row,) = [i for i in step.instructions if isinstance(i, Affine) and i.name == "out"]
        assert dict(row.terms) == {"y": ((1.0,),), "E0": ((0.3 * h,),), "E1": ((0.7 * h,),)}


# --- proofs


def declared(step, **changed):
    given = {"name": "own", "family": "classical", "source": "test", "frozen": "drift", "clock": "time", "steps": step}
    return Scheme(**(given | {"claims": Claims(classical=2)} | changed))


def ralston(two_thirds):
    return declared(runge_kutta([0, two_thirds], [[], [two_thirds]], [0.25, 0.75]))


@pytest.mark.parametrize(
    ("two_thirds", "verdict", "within"),
    [
        ("2/3", "proved", None),
        ("667/1000", "refuted", None),
        ("0.667", "within", 10),
        ("0.6666666666666667", "within", 53),
        (2 / 3, "within", 53),
        ("0.5", "refuted", None),
    ],
)
def test_a_scheme_of_decimals_is_judged_by_what_its_digits_allow(two_thirds, verdict, within):
    """Decimals near 2/3 are of order 2 within their digits, one of another number is refuted."""
    found = verify(ralston(two_thirds))
    assert (found.verdict, found.within) == (verdict, within)
    assert found.derived["classical"] == (1 if verdict == "refuted" else 2)


def test_balls_are_seen_wherever_they_stand():
    """A ball in an abscissa, in a network time, in the reference or in the last step alone leaves its mark."""
    own, near, one = scheme("res-2s").bind(c2=Fraction(2, 3)), ball(0, Fraction(1, 10**9)), number("1.00000000")
    inner = own.steps.inner
    first = replace(inner.items[0], network_time=near)
    cases = [
        replace(own, steps=replace(inner, items=(first, *inner.items[1:]))),
        replace(own, steps=replace(own.steps, final_to_zero=tableau([0], [[]], [phi(1) * one]))),
        replace(scheme("sde-dpmpp-1"), reference=one),
    ]
    for case in cases:
        found = verify(case)
        assert found.verdict == "within"
        assert 25 <= found.within <= 32
    # a companion, which begins a step with an evaluation told that time, is of its order only within the digits
    even = replace(
        own.bind(c2=Fraction(1, 2)), companions=(), claims=Claims(2, 2, 2, 2)
    )  # whose first weight is of higher order: of order 2 for every number of the ball
    assert (
        verify(replace(even, steps=replace(even.steps, inner=replace(inner, items=(first, *inner.items[1:]))))).verdict
        == "proved"
    )


def test_a_division_by_zero_in_a_proof_is_refused():
    """A denominator that vanishes for the symbols at hand is named, whatever it is made of."""
    field = Field(["c2"])
    with pytest.raises(InputError, match="divides by zero"):
        field.scalar(1 / ((c2 - 1) * (c2 + 1) - c2 * c2 + 1))
    with pytest.raises(InputError, match="divides by zero"):
        field.scalar(1 / ((1 + sqrt(2)) * (1 - sqrt(2)) + 1))


FIELDS = [Field(), Field(["c2"]), Field(["c2"], accelerate=False)]


def drawn(random, field):
    """A random element with roots of some of 1, 2, 3, 6, 10, 15, 30, and what it is as a float at c2 = 1/3."""
    entry, value = number(0), 0.0
    for n in random.sample([1, 2, 3, 6, 10, 15, 30], 3):
        q = Fraction(random.randint(-4, 4), random.randint(1, 4))
        shift = random.randint(0, 2)
        factor = c2 + shift if field.names else number(shift)
        entry = entry + q * sqrt(n) * factor
        value += float(q) * math.sqrt(n) * (1 / 3 * bool(field.names) + shift)
    return field.scalar(entry), value


@pytest.mark.parametrize("field", FIELDS, ids=["rationals", "flint", "plain"])
def test_numbers_with_roots_are_a_field(field):
    """Sums, products and quotients of numbers with square roots obey the laws of a field and have the right value."""
    source = random.Random(0)
    for _ in range(30):
        (a, x), (b, y), (c, _) = (drawn(source, field) for _ in range(3))
        assert (a + b) * c == a * c + b * c
        assert (a * b) * c == a * (b * c)
        assert a - a == 0
        assert hash((a + b) * c) == hash(a * c + b * c)
        if not b:
            continue
        assert (a / b) * b == a
        assert 1 / b * b == b / b == 1
        if abs(y) > 1e-3:
            found = field.expression(a / b)
            assert float(found.subs({"c2": Fraction(1, 3)})) == pytest.approx(x / y, abs=1e-9)


@pytest.mark.parametrize("field", FIELDS, ids=["rationals", "flint", "plain"])
def test_roots_mix_with_plain_numbers_on_either_side(field):
    """A root plus, times and over a rational is the same from the left and from the right, and can become rational."""
    root, three = field.scalar(sqrt(2)), field.number(3)
    assert three + root == root + three
    assert three - root == -(root - three)
    assert three * root == root * three
    assert three / root == 1 / (root / three)
    assert root * root == root**2 == 2
    assert root**4 - 4 == 0
    assert root != three
    assert field.text(three * root + 1) == "1 + 3*sqrt(2)"


def test_roots_are_printed_as_roots_and_decimals_as_decimals():
    """A printed scheme shows sqrt(2) and 0.667 as they are, and says how well a decimal is known."""
    own = declared(runge_kutta([0, 0.5], [[], [1 / sqrt(2)]], ["-0.667", 1]))
    text = printing.text(own)
    assert "Y1 = y + sqrt(2)*h/2 E0" in text
    assert "y' = y - 0.667*h E0 + h E1" in text
    assert "a decimal is known to about half a unit of its last digit" in text
    latex = printing.latex(own)
    assert r"\frac{\sqrt{2}}{2}" in latex
    assert r"-0.667" in latex


def test_the_error_constant_of_a_scheme_with_roots_is_a_number():
    """Residuals in Q(sqrt 2) have the norm of their exact values."""
    plain, rooted = (declared(runge_kutta([0, 1], [[], [1]], [1 - b, b])) for b in (Fraction(1, 3), 1 / sqrt(2)))
    assert error_constant(plain).square == Fraction(1, 18)
    defect = 1 / math.sqrt(2) - 0.5
    assert float(error_constant(rooted).square) == pytest.approx(2 * defect**2, rel=1e-14)


def test_the_catalogue_holds_exact_numbers_only():
    """Every scheme that numtoolkit ships is of rationals and parameters: none is known to some digits only."""
    entries = [
        (own.name, entry) for own in catalogue() for layout in own.steps.distinct for _, entry in layout.entries()
    ]
    assert [name for name, entry in entries if balls(entry)] == []


def test_verify_prints_why_a_scheme_is_not_analysed():
    """The command's report has the sentence in place of residuals, and never says that there is no residual."""
    report = " ".join(_verdicts([asdict(verify(ralston(1 / (number("0.5000") - number("1/2")))))]).split())
    assert "may divide by zero within its digits; give more of them." in report
    assert "no residual" not in report


@pytest.mark.parametrize(("centre", "radius"), [(0, 1), (1, 1), (-1, 2)])
def test_a_ball_that_may_be_zero_divides_nothing(centre, radius):
    """Zero on its rim is zero in it."""
    with pytest.raises(InputError, match="divide by a number that is surely not 0"):
        number(1) / ball(centre, radius)
