"""Plain Runge-Kutta steps by interned trees: the orders of the literature, and the verdicts of the general engine."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import factorial

import pytest

from numtoolkit.declare.entries import N, at, sqrt, symbol
from numtoolkit.declare.forms import combine, evaluate, runge_kutta, written
from numtoolkit.declare.scheme import Param, Scheme
from numtoolkit.declare.steps import Eval
from numtoolkit.schemes import scheme
from numtoolkit.symbolic import classical
from numtoolkit.symbolic.classical import order, residuals
from numtoolkit.symbolic.rooted_trees import Forest
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.trees import show_term
from numtoolkit.symbolic.verdict import verify
from tests.support import tableaus
from tests.support.tableaus import book, plain

c2 = symbol("c2")
HALF = 1 / sqrt(2)
GILL = (
    [0, 0.5, 0.5, 1],
    [[], [0.5], [HALF - 0.5, 1 - HALF], [0, -HALF, 1 + HALF]],
    ["1/6", (1 - HALF) / 3, (1 + HALF) / 3, "1/6"],
)
TWO_STAGE = plain(
    "two-stage",
    runge_kutta([0, c2], [[], [c2]], [1 - 1 / (2 * c2), 1 / (2 * c2)]),
    2,
    params=(Param("c2", Fraction(1, 2), Fraction(0), Fraction(1), open=True),),
)
UNEVEN = replace(  # abscissae that are no row sums
    book("uneven", tableaus.KUTTA_3_8),
    steps=runge_kutta([0, "1/2", "2/3", 1], *tableaus.KUTTA_3_8[1:]),
)


def late(own):
    """The scheme with a network that is told another time than that of the row."""
    items = tuple(
        replace(item, network_time=item.at / 3) if isinstance(item, Eval) else item for item in own.steps.inner.items
    )
    return replace(own, steps=replace(own.steps.inner, items=items))


BOTH_WAYS = [
    (book("rk4", tableaus.RK4), 6),
    (book("kutta", tableaus.KUTTA_3_8), 5),
    (book("nssp", tableaus.NSSP_32), 5),
    (book("dp5", tableaus.DP5), 6),
    (book("cash-karp-4", tableaus.CASH_KARP_4), 5),
    (book("cash-karp-typo", tableaus.CASH_KARP_TYPO), 5),
    (book("rkf45", tableaus.RKF45), 6),
    (book("lambert", tableaus.LAMBERT), 6),
    (book("gill", GILL), 6),
    (TWO_STAGE, 4),
    (UNEVEN, 5),
    (late(book("late", tableaus.RK4)), 5),
    (tableaus.ssp_53(), 4),
    (scheme("heun-edm"), 4),
]


@pytest.mark.parametrize(("own", "highest"), BOTH_WAYS, ids=lambda x: getattr(x, "name", ""))
def test_both_engines_find_the_same_residuals_of_plain_runge_kutta_steps(own, highest, monkeypatch):
    """The fast path and the general engine agree in every tree, those of the time included, and in every value.

    Intervals, which each engine rounds in its own order, hold a number in common.
    """
    frame = StepInClock(own)
    field, fast = residuals(frame, highest)
    assert classical.plain_tableau(frame) is not None
    monkeypatch.setattr(classical, "plain_tableau", lambda frame, ratios=None: None)
    slow = residuals(frame, highest)[1]
    assert [terms.keys() for terms in fast] == [terms.keys() for terms in slow]
    pairs = [(value, slow[w][term]) for w, terms in enumerate(fast) for term, value in terms.items()]
    assert pairs
    assert all(a == b if field._exact(a) else field.interval(a - b).holds_zero for a, b in pairs)


@pytest.mark.parametrize(
    ("tableau", "p"),
    [
        (tableaus.RK4, 4),
        (tableaus.NSSP_32, 2),  # although its stability polynomial has order 3
        (tableaus.DP5, 5),
        (tableaus.CASH_KARP, 5),
        (tableaus.CASH_KARP_4, 4),
        (tableaus.RKF45, 5),
        (tableaus.RKF45_4, 4),
        (tableaus.RKF78, 8),
        (tableaus.RKF78_7, 7),
        (tableaus.LAMBERT, 5),
        (tableaus.COOPER_VERNER, 8),
        (GILL, 4),
    ],
)
def test_explicit_tableaus_have_their_published_orders(tableau, p):
    """`reference-values` 12-17, 21, 24: derived without the claim, in rationals and square roots."""
    own = order(book("own", tableau))
    assert own.p == p
    assert own.sizes[: p + 1] == (0,) * (p + 1)
    assert own.doubt == 0


def altered(tableau, row, column, value):
    """A tableau with another entry of A."""
    c, A, b = tableau
    return c, [[value if (i, j) == (row, column) else a for j, a in enumerate(r)] for i, r in enumerate(A)], b


@pytest.mark.parametrize(
    ("tableau", "p", "size"),
    [
        (altered(altered(tableaus.LAMBERT, 2, 0, "1/8"), 2, 1, "1/8"), 2, None),
        (altered(tableaus.RKF45, 5, 2, "-3554/2565"), 1, None),
        (altered(tableaus.RKF45_4, 5, 2, "-3554/2565"), 4, None),  # the weights do not use that row
        (tableaus.CASH_KARP_TYPO, 0, Fraction(1, 48384)),  # 2.07e-5
        ((*tableaus.RKF45[:2], "1/360 0 -128/4275 -2197/75240 1/50 2/55".split()), 0, None),  # 1/50 + 2/55 + ... = 0
    ],
)
def test_misprints_found_in_published_programs_are_flagged(tableau, p, size):
    """`reference-values` 50: the order of the table as it was printed, and how far it is off."""
    own = order(book("own", tableau))
    assert own.p == p
    assert size is None or own.sizes[1] == size
    assert own.residuals


def timeless(time, children):
    """Whether a tree has no derivative in time."""
    return not time and all(timeless(*tree) for _, tree in children)


def test_residuals_of_rkf78_are_as_many_as_published():
    """All 286 trees of order 9 fail for the weights of order 8, 40 of the 115 of order 8 for those of order 7."""

    def failing(own):
        found = order(own).residuals
        return sum(timeless(*tree) for _, tree in found)

    assert failing(book("eighth", tableaus.RKF78)) == 286
    assert failing(book("seventh", tableaus.RKF78_7)) == 40


def test_error_norms_are_the_published_ones():
    """`reference-values` 12, 14: of RK4 sqrt(1745)/2880 and of DP5 sqrt(16719)/324000, over trees without time."""
    for tableau, square in ((tableaus.RK4, Fraction(1745, 2880**2)), (tableaus.DP5, Fraction(16719, 324000**2))):
        found = order(book("own", tableau)).residuals
        assert sum(value**2 for (_, tree), value in found.items() if timeless(*tree)) == square


def test_a_network_told_another_time_loses_the_order_in_the_state_alone():
    """Euler's method told the middle of the step is of order 2 in time, and of order 1 in the state at its start."""
    step = runge_kutta([0], [[]], [1])
    items = tuple(replace(i, network_time=i.at + Fraction(1, 2)) if isinstance(i, Eval) else i for i in step.items)
    found = order(plain("told", replace(step, items=items)))
    assert found.p == 1
    assert [row["tree"] for row in found.table()] == ["N e'[N e]"]


def test_trees_are_counted_as_by_butcher_with_and_without_time():
    """1, 1, 2, 4, 9, 20, 48, 115 trees, 1, 2, 5, 13, 37, 108, 332 with time; n!/(sigma gamma) sums up to (n - 1)!."""
    forest = Forest()
    timed = [forest.of_weight(n) for n in range(1, 9)]
    plain_ones = [[forest.trees[i] for i in numbers if forest.trees[i].timeless == i] for numbers in timed]
    assert [len(numbers) for numbers in timed[:7]] == [1, 2, 5, 13, 37, 108, 332]
    assert [len(trees) for trees in plain_ones] == [1, 1, 2, 4, 9, 20, 48, 115]
    for n, trees in enumerate(plain_ones, 1):
        assert sum(Fraction(factorial(n), t.symmetry * t.density) for t in trees) == factorial(n - 1)


def test_plain_steps_are_looked_at_beyond_the_order_of_the_general_engine():
    """A plain step is looked at to order 10: RKF78 is known to miss order 9, and not only to reach 8."""
    found = verify(book("rkf78", tableaus.RKF78, 8))
    assert (found.verdict, found.derived["classical"], found.residuals[0]["order"]) == ("proved", 8, 9)
    assert found.tolerances[8] == 0 < found.tolerances[9] < 1e-4


def test_a_step_is_plain_only_where_nothing_but_a_fixed_drift_acts():
    """A linear part that the rows leave out, or a product of kicks, is seen: such a step goes the general way."""
    step = written([evaluate("E0"), combine("out", 1, y=1, E0=at(N))], "out")
    without_linear = Scheme("own", "test", "test", step, frozen="score", clock="natural", kinds="phase space")
    assert "N" in without_linear.frozen.letters(without_linear.clock, without_linear.kinds).steady
    kicked = written([evaluate("E0"), combine("out", 1, y=1, E0=at(N) + at(N) * at(N) * at(N))], "out")
    for own, trees in ((without_linear, ["L y"]), (plain("kicked", kicked), ["N N N e"])):
        assert classical.plain_tableau(StepInClock(own)) is None
        highest = 3 if own.name == "kicked" else 1
        found = residuals(StepInClock(own), highest)[1][highest]
        assert {show_term(term) for term in found} >= set(trees)
