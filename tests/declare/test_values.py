"""The one walk through a declared step: what is asked for is made once, from what it is made of."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import pytest

from numtoolkit.declare.entries import covariance, integral
from numtoolkit.declare.forms import combine, evaluate
from numtoolkit.declare.steps import Noise, Step
from numtoolkit.declare.walk import Values
from numtoolkit.errors import InputError
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.trees import show_term


class Words:
    """Values as what they are made of, and a list of what was made."""

    def __init__(self):
        self.made = []

    def begin(self, name):
        self.made.append(name)
        return name

    def combine(self, row, terms):
        self.made.append(row.name)
        return f"({' + '.join(f'{entry} {value}' for entry, value in terms)})"

    def evaluate(self, item, state):
        self.made.append(item.name)
        return f"e{state}"

    def draw(self, noise):
        self.made.append(noise.name)
        return noise.name


STEP = Step(
    (
        Noise("xi", covariance()),
        Noise("other", covariance()),
        evaluate("E0"),
        combine("Y", 1, y=1, E0=2, E1=3),
        evaluate("E2", "Y", 1),
        combine("unused", 1, y=1, other=1),
        combine("out", 1, Y=1, E2=5, xi=1),
    ),
    "out",
    (("E1", "E2"), ("E5", "E1")),
)


def test_a_name_is_made_of_the_values_of_its_terms():
    """Rows in between are multiplied out by the algebra, names handed on are begun with."""
    values = Values(STEP, Words())
    assert values["Y"] == "(1 y + 2 ey + 3 E1)"
    assert values["out"] == "(1 (1 y + 2 ey + 3 E1) + 5 e(1 y + 2 ey + 3 E1) + 1 xi)"


def test_each_value_is_made_once_and_what_nothing_asks_for_is_not():
    """Rows are shared between names; a noise and a row that do not count are never made."""
    algebra = Words()
    values = Values(STEP, algebra)
    for name in ("out", *(old for _, old in STEP.carry), "out"):
        values[name]
    assert algebra.made == ["y", "E0", "E1", "Y", "E2", "xi", "out"]


def test_a_name_taken_over_and_made_anew_is_refused():
    """Which of the two a row means depends on its place, so a proof might be of another step than the one that runs."""
    step = Step((combine("out", 1, y=1, E0=integral()), evaluate("E0", "out", 1)), "out", (("E0", "E0"),))
    with pytest.raises(InputError, match=r"^a step uses E0 before it makes a value of that name; "):
        Values(step, Words())


def times(one, other):
    """The product of two truncated power series."""
    return [sum(one[i] * other[n - i] for i in range(n + 1)) for n in range(len(one))]


def plus(*terms):
    """The sum of (number, series)."""
    return [sum(c * series[n] for c, series in terms) for n in range(len(terms[0][1]))]


def test_history_at_predicted_states_is_in_the_error_constant():
    """UniPC-2 on y' = y with equal steps: the tallest tree of weight 4 holds what predictions of earlier steps add.

    Each step begins at the exact state, P_n = q(h) y(t_n) with q = e^-h + h (3/2 e^-h q - 1/2 e^-2h q).
    """
    half, h = Fraction(1, 2), [Fraction(n == 1) for n in range(5)]
    back, twice, ahead = ([Fraction(c**n, factorial(n)) for n in range(5)] for c in (-1, -2, 1))
    q = ahead
    for _ in range(5):
        q = plus((1, back), (1, times(h, plus((3 * half, times(back, q)), (-half, times(twice, q))))))
    one = [Fraction(n == 0) for n in range(5)]
    predicted = plus((1, one), (1, times(h, plus((3 * half, q), (-half, times(back, q))))))
    weights = [(Fraction(5, 12), predicted), (Fraction(8, 12), q), (Fraction(-1, 12), times(back, q))]
    error = plus((1, one), (1, times(h, plus(*weights))), (-1, ahead))
    found = order(scheme("unipc(2)"), ratios={f"r{j}": Fraction(1) for j in range(6)})
    residuals = {show_term(term): found.field.text(value) for term, value in found.residuals.items()}
    assert error == [0, 0, 0, 0, Fraction(residuals["N e'[N e'[N e'[N e]]]"])]


@pytest.mark.parametrize("spec", ["heun-edm", "krogstad-4", "unipc(4)", "exp-adams(3, ending=lower)", "gddim-pc(3)"])
def test_a_run_whose_steps_are_kept_is_the_same_run(spec):
    """Every step stands again where it stood, those of short runs too, and is asked for under its place."""
    steps, seen = scheme(spec).steps, []
    assert steps.map(lambda place, step: (seen.append((place, step)), step)[1]) == steps
    assert seen == list(steps.places())
    assert all(steps.at(place) == step for place, step in seen)
