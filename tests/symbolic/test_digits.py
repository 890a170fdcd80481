"""Schemes in decimals: proved as far as their digits say, refuted where no digit that was left out could mend them."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import log2

import pytest

from numtoolkit.declare.entries import ball, number, phi, symbol
from numtoolkit.declare.forms import multistep, runge_kutta, tableau
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.declare.steps import Row
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order, residuals
from numtoolkit.symbolic.error_norm import error_constant
from numtoolkit.symbolic.intervals import Interval, bits
from numtoolkit.symbolic.numbers import Field, UndecidedError
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import stiff_order
from numtoolkit.symbolic.verdict import verify
from tests.support import tableaus
from tests.support.tableaus import book, digits, plain, ssp_53

c2 = symbol("c2")
THIRD = number("0.3333333333333333")
HEUN_3 = ([0, THIRD, 2 / 3], [[], [THIRD], [0, 2 / 3]], ["0.2500000000000000", 0, "0.7500000000000000"])


def exponential(name, steps, claims, **changed):
    """A scheme of the data in log-SNR."""
    return Scheme(name, "exponential", "test", steps, frozen="data", clock="log-snr", claims=claims, **changed)


@pytest.mark.parametrize(
    ("own", "p"),
    [
        (book("tsit5", tableaus.TSIT5, 5), 5),
        (ssp_53(), 3),
        (book("cash-karp", digits(tableaus.CASH_KARP, 16), 5), 5),
        (book("cash-karp-4", digits(tableaus.CASH_KARP_4, 16), 4), 4),
        (book("lambert", digits(tableaus.LAMBERT, 15), 5), 5),
        (book("heun-3", HEUN_3, 3), 3),
    ],
    ids=lambda x: getattr(x, "name", ""),
)  # fmt: skip
def test_published_decimals_have_their_order_within_their_digits(own, p):
    """What is taken for 0 is of the size of the last digit, 2^-44 and less, and the next order is missed by far."""
    found = verify(own)
    assert (found.verdict, found.derived["classical"], found.run, found.ok) == ("within", p, p, True)
    assert 44 <= found.within <= 60
    assert max(found.tolerances[q] for q in range(1, p + 1)) <= 2.0**-found.within < 2e-6 < found.tolerances[p + 1]
    assert found.residuals[0]["order"] == p + 1
    assert {row["order"] for row in found.zeros} >= set(range(1, p + 1))
    assert all("+-" in str(row["value"]) for row in found.zeros)


def test_a_misprint_is_refuted_in_fractions_and_in_decimals_alike():
    """Cash & Karp's 18574 for 18575 is off by 1/48384 = 2.07e-5, which no digit left out can be."""
    exact, near = (verify(book("typo", t, 4)) for t in (tableaus.CASH_KARP_TYPO, digits(tableaus.CASH_KARP_TYPO, 16)))
    for found in (exact, near):
        assert (found.verdict, found.derived["classical"], found.ok) == ("refuted", 0, False)
        assert found.tolerances[4] == pytest.approx(1 / 48384, rel=1e-9)
    assert exact.residuals == [{"order": 1, "tree": "N e", "value": "-1/48384"}]
    assert near.residuals[0]["value"].startswith("-2.0668e-05 +- ")
    assert (exact.within, near.within) == (None, None)


def test_fewer_digits_say_less():
    """The bound of what is taken for 0 follows the digits: ten times as large for each that is left out."""
    found = [verify(book("own", digits(tableaus.CASH_KARP, places), 5)).within for places in (8, 12, 16)]
    lost = [later - earlier for earlier, later in pairwise(found)]
    assert all(abs(more - 4 * log2(10)) < 2 for more in lost)  # a bit each at either end


def test_an_exact_reading_of_rounded_numbers_says_how_well_each_order_holds():
    """Decimals written as fractions are other numbers, and refuted; the tolerances still tell them from a misprint."""
    c, A, b = digits(tableaus.CASH_KARP, 16)
    exact = [list(map(Fraction, row)) for row in (c, *A, b)]
    found = verify(book("rounded", (exact[0], exact[1:-1], exact[-1]), 5))
    assert (found.verdict, found.within) == ("refuted", None)
    assert found.tolerances[5] < 1e-15 < 1e-4 < found.tolerances[6]


def test_every_number_of_the_balls_agrees_with_an_interval_of_residuals():
    """Tables drawn from the balls, at their ends too, have residuals inside the intervals, by every tree to order 5."""
    c, A, b = digits(tableaus.CASH_KARP, 3)
    _, near = residuals(StepInClock(book("near", (c, A, b))), 5)
    source = random.Random(3)

    def drawn(values):
        return [
            x if isinstance(x, Fraction) else Fraction(x) + source.randint(-2, 2) * Fraction(1, 4000) for x in values
        ]

    for _ in range(5):
        own = book("drawn", (drawn(c), list(map(drawn, A)), drawn(b)))
        for known, found in zip(near, residuals(StepInClock(own), 5)[1], strict=True):
            assert known.keys() >= found.keys()
            assert all((value - found.get(term, 0)).holds_zero for term, value in known.items())


def test_a_number_used_twice_is_one_number():
    """An abscissa and its row are the same ball: among symbols its errors cancel, and an identity is proved for it."""
    own = exponential(
        "res-2s-third",
        tableau([0, THIRD], [[], [THIRD * phi(1, THIRD)]], [phi(1) - phi(2) / THIRD, phi(2) / THIRD]),
        Claims(classical=2, stiff_strong=2, stiff_weak=2),
    )
    found = verify(own)
    assert (found.verdict, found.derived["stiff_strong"]) == ("within", 2)
    assert stiff_order(own).doubt == 0  # of all numbers in the ball, and of others
    other = exponential(
        "res-2s-other",
        tableau([0, THIRD], [[], [THIRD * phi(1, THIRD)]], [phi(1) - 3 * phi(2), 3 * phi(2)]),
        Claims(classical=2, stiff_strong=2),
    )
    assert 0 < stiff_order(other).doubt < 1e-15
    assert verify(other).verdict == "within"


def test_stiff_conditions_in_decimals_are_refuted_where_no_digit_mends_them():
    """Half of psi_2 is missing whatever the last digits are, and the order falls to 1 in every form."""
    half = number("1.5000") * phi(2)
    step = tableau([0, THIRD], [[], [THIRD * phi(1, THIRD)]], [phi(1) - half, half])
    own = exponential("wrong", step, Claims(classical=2, stiff_strong=2))
    found = verify(own)
    assert (found.verdict, found.derived["classical"], found.derived["stiff_strong"]) == ("refuted", 1, 1)


def test_parameters_stay_symbols_beside_decimals():
    """With a free parameter a residual is a function of it: 0 within its digits if each coefficient may be 0."""
    params = (Param("c2", Fraction(1, 2), Fraction(0), Fraction(1), open=True),)

    def own(half):
        step = tableau([0, c2], [[], [c2 * phi(1, c2)]], [phi(1) - 2 * half * phi(2) / c2, phi(2) / c2])
        return exponential("own", step, Claims(classical=2, stiff_strong=2), params=params)

    near, wrong = verify(own(number("0.50000"))), verify(own(number("0.51000")))
    assert (near.verdict, near.derived["classical"], near.tolerances) == ("within", 2, {})
    stiff = stiff_order(own(number("0.50000"))).doubt
    assert near.within == bits(stiff) < bits(order(own(number("0.50000"))).doubt)
    assert near.zeros[0] == {"order": 1, "tree": "N e", "value": "-(2*0.50000 - 1)/(2*c2)"}
    assert near.residuals[0]["value"] == "(3*c2 - 2)/12"
    assert (wrong.verdict, wrong.derived["classical"]) == ("refuted", 0)


def test_step_ratios_stay_symbols_beside_decimals():
    """Adams-Bashforth in decimals: of order 1 for arbitrary ratios, and of order 2 within its digits at equal ones."""
    own = plain("ab2", multistep([1], ["1.50000", "-0.50000"]), 1)
    found = verify(own)
    assert (found.verdict, found.derived["classical"], found.run) == ("within", 1, 1)
    equal = order(own, ratios={"r0": Fraction(1)})
    assert (equal.p, bits(equal.doubt)) == (2, 16)  # half of the last digits of both weights: 1e-5


def test_stochastic_schemes_in_decimals_have_their_orders_within_their_digits():
    """A covariance of weight 1.0000 is Euler-Maruyama's within its digits; of weight 1.1000 it is another law's."""
    own = scheme("em")

    def scaled(factor):
        noise = own.steps.inner.noises[0]
        items = tuple(replace(i, covariance=number(factor) * i.covariance) if i == noise else i
                      for i in own.steps.inner.items)  # fmt: skip
        return replace(own, steps=replace(own.steps.inner, items=items), claims=Claims(sde_weak=own.claims.sde_weak))

    near, wrong = verify(scaled("1.0000")), verify(scaled("1.1000"))
    assert (near.verdict, near.derived["sde_weak"]) == ("within", own.claims.sde_weak)
    assert (wrong.verdict, wrong.derived["sde_weak"]) == ("refuted", 0)
    rows = tuple(replace(i, terms=tuple((name, number("1.00000") * entry if name != "y" else entry)
                                        for name, entry in i.terms)) if isinstance(i, Row) else i
                 for i in own.steps.inner.items)  # fmt: skip
    drift = verify(replace(own, steps=replace(own.steps, inner=replace(own.steps.inner, items=rows))))
    exact = verify(own).derived | {"sde_marginal": None}  # which is decided at a point
    assert (drift.verdict, drift.derived) == ("within", exact)


def test_the_ends_of_a_run_in_decimals_have_their_orders():
    """A last step of weight 1.000 is consistent within its digits, one of 0.9 is not: its order is 0."""
    own = scheme("res-2s").bind(c2=Fraction(1, 2))
    for weight, p in (("1.000", 1), ("0.9", 0)):
        last = tableau([0], [[]], [phi(1) * number(weight)])
        found = verify(replace(own, steps=replace(own.steps, final_to_zero=last)))
        assert found.ends == {"to zero": p, "remainder 1": 1}
        assert found.within == (10 if p else None)  # half of 1e-3


def test_what_the_digits_leave_open_is_not_analysed_and_says_why():
    """A denominator that may be 0, and exponentials that may be one and the same, are neither proved nor refuted."""
    near, half = number("0.5000"), Fraction(1, 2)
    weight = phi(1) + near * phi(1, near) - half * phi(1, half)  # psi_1 is (exp(z/2) - exp(near z)) / z
    found = verify(exponential("exponents", tableau([0], [[]], [weight]), Claims(classical=1, stiff_strong=1)))
    assert (found.verdict, found.derived["classical"], found.derived["stiff_strong"]) == ("not analysed", 1, None)
    assert found.why == (
        "nothing is derived of its stiff order: exponentials may coincide within the digits that are given; "
        "give more of them."
    )
    found = verify(exponential("division", tableau([0], [[]], [phi(1) / (near - half)]), Claims(classical=1)))
    assert (found.verdict, set(found.derived.values()), found.ok) == ("not analysed", {None}, False)
    assert found.why.endswith("may divide by zero within its digits; give more of them.")
    field = Field(["c2"], balls={near})
    with pytest.raises(UndecidedError, match="a denominator may be 0 within the digits that are given; give more"):
        field.surely(field.scalar(c2) / (field.scalar(near) - half))


def test_the_error_constant_of_decimals_is_that_of_their_centres():
    """Tsit5's, to the digits of its numbers, has the size that its authors minimised it to."""
    near = error_constant(book("cash-karp", digits(tableaus.CASH_KARP, 16), 5))
    exact = error_constant(book("cash-karp", tableaus.CASH_KARP, 5))
    assert near.order == exact.order == 6
    assert float(near.square) == pytest.approx(float(exact.square), rel=1e-11)


def test_intervals_hold_every_sum_product_and_quotient_of_their_numbers():
    """For ends and inner points of two balls, each operation's result lies in the interval of the operation."""
    a, b = Interval.of(Fraction(-1, 3), Fraction(1, 2)), Interval.of(Fraction(7, 5), Fraction(1, 7))
    for i in range(-2, 3):
        for j in range(-2, 3):
            x, y = a.centre + i * a.radius / 2, b.centre + j * b.radius / 2
            pairs = [(a + b, x + y), (a - b, x - y), (a * b, x * y), (b * a, x * y), (a / b, x / y), (1 / b, 1 / y)]
            pairs += [(a**3, x**3), (2 - a, 2 - x), (-3 * a, -3 * x), (a / 3, x / 3), (a * Fraction(-2, 7), -2 * x / 7)]
            assert all(own.low <= exact * 2**256 <= own.high for own, exact in pairs)
    assert Interval.of(1, 1).holds_zero  # 0 is one of its ends
    assert not Interval.of(1, Fraction(2**256 - 1, 2**256)).holds_zero
    assert Interval.root(2) ** 2 - 2 != 0
    assert (Interval.root(2) ** 2 - 2).holds_zero
    assert Interval.root(9) == 3
    with pytest.raises(ZeroDivisionError):
        1 / a
    assert [bits(Fraction(*q)) for q in ((1, 2), (1, 1), (3, 8), (1, 1000), (0, 1))] == [1, 0, 1, 9, None]


def test_a_ball_that_is_wide_enough_leaves_everything_open():
    """An order is refuted by a residual that is surely not 0, and not by one that may be."""
    half = ball(Fraction(1, 2), Fraction(1, 2))
    found = order(plain("wide", runge_kutta([0, half], [[], [half]], [0, 1]), 1))
    assert found.p == 2  # two stages have no third derivative along a chain
    assert [row["tree"] for row in found.table()] == ["N e'[N e_t]", "N e'[N e'[N e]]"]
