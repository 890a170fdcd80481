"""Palindromic splittings of order 4 are the published ones, and the least error of them is proved."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
import sympy
from scipy.linalg import expm

from numtoolkit.errors import InputError
from numtoolkit.symbolic.derivation import derive
from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.least_error import error_brackets
from numtoolkit.symbolic.local_minimum import Polynomial, verified
from numtoolkit.symbolic.lyndon import expanded
from numtoolkit.symbolic.palindromes import LETTERS, palindrome

THREE, FOUR = "A B A B A B A", "A B A B A B A B A"
SEVEN = " ".join(["A", *["B A"] * 7])


def centres(lengths):
    """Enclosed lengths as floats."""
    return {name: float(own.centre) for name, own in lengths.items()}


def distance(word, lengths, h, A, B):
    """How far a splitting is from the exact flow of two matrices over a step h.

    Letters are Lie derivatives: the flow that comes first in the word is the rightmost factor.
    """
    product = np.eye(len(A))
    for letter, name in palindrome(word).flows:
        product = expm(h * lengths[name] * {"A": A, "B": B}[letter]) @ product
    return np.linalg.norm(product - expm(h * (A + B)))


def test_the_members_of_three_kicks_of_order_4_are_forest_and_ruths():
    """a1^3 - a1^2 + a1/4 - 1/48 = 0, b1 = 2 a1, b2 = 1 - 4 a1 (Forest & Ruth 1990, eq. 4.8), and no other."""
    found = derive(THREE, 4, "lie")
    (branch,) = found.branches
    b1, a1 = sympy.symbols("b1 a1")
    assert branch.values == {"a1": b1 / 2, "a2": sympy.Rational(1, 2) - b1 / 2, "b2": 1 - 2 * b1}
    (binding,) = branch.open
    polynomial = 48 * (a1**3 - a1**2 + a1 / 4 - sympy.Rational(1, 48))
    assert sympy.expand(binding.as_expr().subs(b1, 2 * a1) - polynomial) == 0
    (point,) = branch.points()
    assert centres(point)["b1"] == pytest.approx(1 / (2 - 2 ** (1 / 3)), rel=1e-15)
    assert branch.dimension == 0


@pytest.mark.parametrize("word", ["A B A", "B A B", "A B A B A"])
def test_fewer_kicks_have_no_order_4(word):
    """Strang's splitting is all there is of one, and of order 2."""
    assert [branch.dimension for branch in derive(word, 2).branches] == [len(word.split()) // 4]
    none = derive(word, 4)
    assert none.branches == ()
    assert none.witness.order == 3


def test_the_error_in_brackets_is_what_matrices_show():
    """The leading error of three kicks on 3x3 matrices is the sum of the six brackets with their coefficients."""
    (point,) = derive(THREE, 4).branches[0].points()
    flows = [(letter, point[name]) for letter, name in palindrome(THREE).flows]
    found = error_brackets(flows, Interval.of(1))
    A, B = np.random.default_rng(0).normal(size=(2, 3, 3))
    letters = {"A": A, "B": B}

    def matrix(word):
        """A word of Lie derivatives as the product of matrices in reverse."""
        total = np.zeros((3, 3))
        for own, c in expanded(word, LETTERS).items():
            product = np.eye(3)
            for letter in own:
                product = letters[letter] @ product
            total += c * product
        return total

    leading = sum(float(c.centre) * matrix(word) for word, c in found.items())
    h = 1e-2
    lengths = centres(point)
    product = np.eye(3)
    for letter, name in palindrome(THREE).flows:
        product = expm(h * lengths[name] * letters[letter]) @ product
    error = (product - expm(h * (A + B))) / h**5
    assert error == pytest.approx(leading, abs=0.2 * np.abs(leading).max())  # the next term is of relative size h


@pytest.mark.parametrize(("word", "norm"), [(THREE, 2.791e-2), (FOUR, 1.228e-3)])
def test_the_least_error_of_three_and_four_kicks_is_proved(word, norm):
    """2.79e-2 and 1.228e-3; both splittings are of order 4 on matrices that do not commute."""
    least = derive(word, 4).least_error()
    assert least.proved
    assert least.norm == pytest.approx(norm, rel=5e-4)
    assert least.square.radius < F(1, 10**30)
    A, B = np.random.default_rng(1).normal(size=(2, 3, 3))
    errors = [distance(word, centres(least.lengths), h, A, B) for h in (0.08, 0.04)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(5, abs=0.3)


@pytest.mark.check
def test_no_splitting_of_four_kicks_on_a_grid_has_a_smaller_error():
    """The curve in a float64 scan of its own: the least of 400 points is a little above the proved one."""
    least = derive(FOUR, 4).least_error()
    flows = palindrome(FOUR).flows
    below = float(least.square.centre)
    found = []
    for b in np.concatenate([np.linspace(-3, -1e-2, 100), np.linspace(0.51, 3, 100)]):
        root = np.sqrt(288 * b * (2 * b - 1) * (12 * b**2 - 6 * b + 1))
        for sign in (1, -1):
            a2 = 2 / (sign * root - 48 * b * (2 * b - 1))
            a3 = 2 * (12 * a2 * b**2 - 12 * a2 * b + 1) / 3
            known = {"a1": 0.5 - a2 - a3 / 2, "a2": a2, "a3": a3, "b1": b, "b2": 0.5 - b}
            own = error_brackets([(letter, known[name]) for letter, name in flows], 1.0)
            found.append(sum(value**2 for value in own.values()))
    assert below * (1 - 1e-9) < min(found) < below * 1.1


@pytest.mark.parametrize(
    ("kicks", "norm"),
    [
        pytest.param(5, 1.575e-4, marks=pytest.mark.check),
        pytest.param(6, 6.99e-5, marks=pytest.mark.long),
    ],
)
def test_of_more_kicks_a_local_minimum_is_verified(kicks, norm):
    """It is said to be no more than that, and is a splitting of order 4 with that error."""
    word = " ".join(["A", *["B A"] * kicks])
    least = derive(word, 4).least_error()
    assert not least.proved
    assert least.norm == pytest.approx(norm, rel=5e-4)
    assert repr(least).endswith("a local minimum>")
    A, B = np.random.default_rng(1).normal(size=(2, 3, 3))
    errors = [distance(word, centres(least.lengths), h, A, B) for h in (0.08, 0.04)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(5, abs=0.3)


def test_a_point_that_is_no_minimum_is_not_verified():
    """A saddle and a maximum of a sum of squares on a circle are found wanting, its minimum is enclosed."""
    x, y = ((1, 0), F(1)), ((0, 1), F(2))
    squares = [Polynomial((x,)), Polynomial((y,))]  # x^2 + 4 y^2 where x^2 + y^2 = 1
    circle = Polynomial((((2, 0), F(1)), ((0, 2), F(1)), ((0, 0), F(-1))))
    assert verified(squares, [circle], np.array([0.0, 1.0])) is None
    least = verified(squares, [circle], np.array([0.9, 0.1]))
    assert least.square.low <= 2**256 <= least.square.high


def test_no_error_is_minimised_where_none_is_proved():
    """Another order, schemes."""
    with pytest.raises(InputError, match="the error that is minimised is that of order 4, not 2"):
        derive("A B A", 2).least_error()
    with pytest.raises(InputError, match="has no least error here"):
        derive("exponential-rk(2)", 2).least_error()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("A B", "is no palindrome of A and B"),
        ("A A", "is no palindrome of A and B"),
        ("A C A", "is no palindrome of A and B"),
        ("A B B A", "has the same letter twice in a row"),
    ],
)
def test_what_is_no_palindrome_is_refused(word, sentence):
    """In a sentence."""
    with pytest.raises(InputError, match=sentence):
        palindrome(word)


def test_a_palindrome_has_conditions_of_one_kind_and_orders_to_4_or_6():
    """lie, which it is unless given."""
    with pytest.raises(InputError, match="has order conditions of kind lie, not classical"):
        derive("A B A", 2, "classical")
    with pytest.raises(InputError, match="the order of a splitting to derive = 5"):
        derive(palindrome("A B A"), 5)
    with pytest.raises(InputError, match="that of compositions of 7 kicks, and A B A has 3 flows; give a word of 15"):
        derive(palindrome("A B A"), 6)
    with pytest.raises(InputError, match="more than 13 flows, which are for order 6"):
        derive(SEVEN, 4)


def test_a_palindrome_shows_what_it_is():
    """In a line, and in LaTeX."""
    found = derive(THREE, 4)
    assert repr(found.family) == "<Palindrome A B A B A B A: 4 unknowns>"
    assert repr(found) == "<Derivation of palindrome(A B A B A B A), lie order 4: 1 branch, 0 free parameters>"
    assert repr(found.least_error()) == "<LeastError 0.02791, proved>"
    assert r"0 &= 6 b_{1}^{3} - 12 b_{1}^{2} + 6 b_{1} - 1 \\" in found.latex()


@pytest.mark.check
def test_splittings_of_order_6_are_yoshidas():
    """His solutions A, B and C of seven kicks (Yoshida 1990, table 1), each enclosed; on matrices the order is 6."""
    first, *others = derive(SEVEN, 6).branches
    w3, w2, w1 = -1.17767998417887, 0.235573213359357, 0.784513610477560  # of A
    assert [float(w.centre) for w in first.weights] == pytest.approx([w1, w2, w3, 1 - 2 * (w1 + w2 + w3)], abs=1e-12)
    ends = [float(own.weights[0].centre) for own in others]
    assert ends == pytest.approx([1.43984816797678, 1.44778256239930], abs=1e-12)
    assert all(length.radius < F(1, 10**24) for length in first.lengths.values())
    assert first.norm < min(own.norm for own in others)
    A, B = np.random.default_rng(1).normal(size=(2, 3, 3)) / 2
    errors = [distance(SEVEN, centres(first.lengths), h, A, B) for h in (0.4, 0.2)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(7, abs=0.3)
