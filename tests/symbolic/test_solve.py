"""Polynomial systems are solved branch by branch, each unknown rationally, and what cannot be is said."""

from __future__ import annotations

from fractions import Fraction as F

import pytest

from numtoolkit.declare.entries import symbol
from numtoolkit.symbolic import numbers
from numtoolkit.symbolic.derivation import derive
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.solve import Contradiction, Solution, solve

X, Y, W, c = (symbol(name) for name in ("x", "y", "w", "c"))


def solved(*equations):
    """The outcomes of a system in x, y and w with the generic symbol c, all equations of one order."""
    field = Field({"x", "y", "w", "c"})
    return field, list(solve(field, [(1, field.scalar(own).top) for own in equations], ("x", "y", "w")))


def shown(field, solution):
    """A solution as text."""
    values = {name: field.text(value) for name, value in solution.values.items()}
    return values, solution.free, {str(f) for f in solution.nonzero}, [str(f) for f in solution.open]


def test_linear_equations_give_the_first_unknowns_in_the_last():
    """One Vandermonde system, its nodes generic: the pivot that must not vanish is part of the answer."""
    field, (found,) = solved(X + Y + W - 1, 2 * X + c * Y)
    assert shown(field, found) == (
        {"x": "-c*(w - 1)/(c - 2)", "y": "2*(w - 1)/(c - 2)"}, ("w",), {"c - 2"}, [],
    )  # fmt: skip


def test_a_product_vanishes_where_a_factor_does():
    """Two branches that exclude each other and leave nothing out."""
    field, outcomes = solved(X * Y - X, W - X)
    assert [shown(field, own) for own in outcomes] == [
        ({"x": "w", "y": "1"}, ("w",), set(), []),
        ({"x": "0", "w": "0"}, ("y",), {"y - 1"}, []),
    ]


def test_where_the_factor_of_an_unknown_vanishes_another_branch_begins():
    """x y = 1 + x w: y is found where x is not 0, and where it is there is none."""
    field, (found, none) = solved(X * Y - 1 - X * W)
    assert isinstance(none, Contradiction)
    assert shown(field, found) == ({"y": "(w*x + 1)/x"}, ("x", "w"), {"x"}, [])


def test_a_contradiction_says_which_equation_is_left_and_what_it_is():
    """The second equation is -1 where the first holds."""
    field, (none,) = solved(X + Y - c, 2 * X + 2 * Y - 2 * c - 1)
    assert none.equation == 1
    assert none.left(field.scalar(2 * X + 2 * Y - 2 * c - 1)) == F(-1)


def test_equations_of_low_order_are_used_first():
    """The contradiction stands in the equation of the highest order, although it is the shorter one."""
    field = Field({"x", "y", "w", "c"})
    (none,) = solve(field, [(2, field.scalar(X).top), (1, field.scalar(X + c - 1).top)], ("x", "y", "w"))
    assert isinstance(none, Contradiction)
    assert (none.equation, field.text(none.left(field.scalar(X)))) == (0, "1 - c")


def test_what_is_not_found_rationally_stays_open():
    """y^2 = c has no root here; x is still found."""
    field, (found,) = solved(X**2 - c, Y + X)
    assert shown(field, found) == ({"x": "-y"}, ("y", "w"), set(), ["c - y^2"])


def test_branches_whose_nonzero_factor_vanishes_are_left_out():
    """(x - y) w is -1, where x and y turn out to be 1."""
    _, outcomes = solved((X - Y) * W + 1, (X - Y) * W + X, (X - Y) * W + Y)
    assert not any(isinstance(own, Solution) for own in outcomes)


@pytest.mark.parametrize("family", ["exponential-rk(2)", "exponential-rk(3)"])
def test_derivations_are_the_same_without_python_flint(family, monkeypatch):
    """The package's own polynomials give the same branches."""
    found = derive(family, 2, "stiff_weak").record()
    monkeypatch.setattr(numbers, "accelerator", lambda: None)
    assert derive(family, 2, "stiff_weak").record() == found
