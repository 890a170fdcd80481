"""Plain Runge-Kutta and multistep schemes, declared from the numbers of a book like any other scheme."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from numtoolkit import printing
from numtoolkit.declare.entries import N, at, sqrt, symbol
from numtoolkit.declare.forms import multistep, runge_kutta, tableau
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.measure.stability import real_interval
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP
from numtoolkit.program.program import Affine, lower
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.verdict import verify
from tests.support.declarations import on_its_own_network

c2, HALF = symbol("c2"), Fraction(1, 2)


def plain(name, steps, claim=None, **params):
    """A scheme of the whole drift in process time."""
    claims = Claims(classical=claim)
    return Scheme(name, "classical", "a book", steps, frozen="drift", clock="time", claims=claims, **params)


BOOK = {
    "classical-rk4": ([0, "1/2", "1/2", 1], [[], ["1/2"], [0, "1/2"], [0, 0, 1]], ["1/6", "1/3", "1/3", "1/6"], 4),
    "kutta-3-8": (
        [0, "1/3", "2/3", 1],
        [[], ["1/3"], ["-1/3", 1], [1, -1, 1]],
        ["1/8", "3/8", "3/8", "1/8"],
        4,
    ),
    "heun-3": ([0, "1/3", "2/3"], [[], ["1/3"], [0, "2/3"]], ["1/4", 0, "3/4"], 3),
    "ralston": ([0, "2/3"], [[], ["2/3"]], ["1/4", "3/4"], 2),
    "midpoint": ([0, 0.5], [[], [0.5]], [0, 1], 2),
}
AB2, AB3 = ([1], ["3/2", "-1/2"]), ([1], ["3/2", "-1/2"], ["23/12", "-4/3", "5/12"])
MULTISTEPS = [(AB2, 2), (AB3, 3)]


@pytest.mark.parametrize("name", BOOK)
def test_a_tableau_of_numbers_has_the_order_of_the_books(name):
    """`runge_kutta` takes a tableau as printed in a book, and the engines derive the order that the book gives."""
    c, A, b, p = BOOK[name]
    found = verify(plain(name, runge_kutta(c, A, b), p))
    assert (found.derived["classical"], found.verdict, found.run) == (p, "proved", p)


def test_a_tableau_of_parameters_is_proved_for_all_of_them():
    """Every explicit two-stage scheme of order 2, with its free abscissa."""
    step = runge_kutta([0, c2], [[], [c2]], [1 - 1 / (2 * c2), 1 / (2 * c2)])
    own = plain("two-stage", step, 2, params=(Param("c2", HALF, Fraction(0), Fraction(1), open=True),))
    assert verify(own).verdict == "proved"


def test_roots_in_a_tableau_are_exact():
    """Gill's scheme, whose coefficients are in Q(sqrt 2), is proved of order 4; a slip in one of them is not."""
    half = 1 / sqrt(2)

    def gill(a):
        A = [[], ["1/2"], [a, 1 - half], [0, -half, 1 + half]]
        return plain("gill", runge_kutta([0, 0.5, 0.5, 1], A, ["1/6", (1 - half) / 3, (1 + half) / 3, "1/6"]), 4)

    assert verify(gill(half - 0.5)).verdict == "proved"
    assert verify(gill(half - 0.25)).verdict == "refuted"


@pytest.mark.parametrize(("weights", "p"), MULTISTEPS)
def test_multistep_weights_of_numbers_have_their_order_on_equal_steps(weights, p):
    """Adams-Bashforth from numbers: order p at step ratios 1, and order 1 for arbitrary ones, which verify says."""
    own = plain(f"ab{p}", steps=multistep(*weights), claim=p)
    ones = dict.fromkeys(("r0", "r1"), Fraction(1))
    assert order(own, ratios=ones).p == p
    found = verify(own)
    assert (found.derived["classical"], found.verdict) == (1, "refuted")
    recorded = replace(own, claims=Claims(p, refuted=("classical",)))
    assert verify(recorded).ok


def test_multistep_steps_hand_on_what_later_ones_weigh():
    """A start that weighs more than the steps after it leaves nothing behind; a long history is handed on in time."""
    assert [step.carry for step in (*multistep(*AB3).start, multistep(*AB3).inner)] == [
        (("E1", "E0"),),
        (("E1", "E0"), ("E2", "E1")),
        (("E1", "E0"), ("E2", "E1")),
    ]
    assert multistep([1], ["3/2", "-1/2"], [1]).inner.carry == ()
    late = multistep([1], [1], [1, 0, 0])
    assert [step.carry for step in late.start] == [(("E1", "E0"),), (("E1", "E0"), ("E2", "E1"))]
    assert multistep([2]).start == ()


@pytest.mark.parametrize("process", [VP(), EDM(), PSLD()], ids=lambda process: process.name)
def test_a_tableau_of_numbers_runs_as_the_book_says(process):
    """Lowered on any process, the rows weigh the drift by exactly a_ij h, h the step in process time."""
    c, A, b, _ = BOOK["kutta-3-8"]
    times = grid("quadratic", process, 3)
    program = lower(on_its_own_network(plain("kutta", runge_kutta(c, A, b))), process, times)
    for step in program.steps:
        rows = [i for i in step.instructions if isinstance(i, Affine) and i.name in ("Y1", "Y2", "Y3", "out")]
        h = -(step.end - step.start)
        for row, weights in zip(rows, [*A[1:], b], strict=True):
            own = {source: block for source, block in row.terms}
            assert np.array_equal(own.pop("y"), np.eye(process.blocks))
            expected = {f"E{j}": float(Fraction(w)) * h for j, w in enumerate(weights) if w}
            assert {source: block[0][0] for source, block in own.items()} == pytest.approx(expected, rel=4e-16)


def test_schemes_of_numbers_are_stable_to_where_the_books_say():
    """The real stability intervals of RK4 and AB2: 2.7853 and 1."""
    c, A, b, _ = BOOK["classical-rk4"]
    assert real_interval(plain("classical-rk4", runge_kutta(c, A, b))) == pytest.approx(2.785293563405282, abs=1e-9)
    assert real_interval(plain("ab2", steps=multistep(*AB2))) == pytest.approx(1, abs=1e-9)


def test_schemes_of_numbers_are_printed_as_the_books_print_them():
    """Nothing but h and the numbers stands in the printed tableau of a plain scheme."""
    c, A, b, _ = BOOK["ralston"]
    own = plain("ralston", runge_kutta(c, A, b))
    assert [row["is"] for row in printing.rows(own, own.steps.inner)] == [
        "drift(y)",
        "y + 2*h/3 E0",
        "drift(Y1)",
        "y + h/4 E0 + 3*h/4 E1",
    ]


def test_numbers_may_weigh_h_n_in_any_frozen_quantity():
    """at(N, c) is h N(c): the noise frozen in the noise level makes the tableau of Heun's method heun-edm."""
    own = replace(scheme("heun-edm"), steps=tableau([0, 1], [[], [at(N, 1)]], [at(N, 1) / 2, at(N, 1) / 2]))
    assert order(own).p == 2
