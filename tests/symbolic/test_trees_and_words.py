"""Where two engines apply they agree: kicks x' = f(m), m' = g(x) are exact flows, so trees and words say the same."""

from __future__ import annotations

from itertools import product

import pytest
import sympy

from numtoolkit import local_error
from numtoolkit.declare.entries import N, at, number
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.declare.scheme import Scheme
from numtoolkit.symbolic.classical import residuals
from numtoolkit.symbolic.steps_back import StepInClock

STATE = x, m = sympy.symbols("x m")
DRIFT = (sympy.Function("f")(m), sympy.Function("g")(x))
ROWS = {"A": "x", "B": "m"}
WORDS = {"B A": 2, "B/2 A B/2": 3, "A/2 B A/2": 3, "A/3 B/2 A/3 B/2 A/3": 3}


def kicks(word):
    """The word as Euler steps of the rows of the whole drift, each with an evaluation of its own, told one time."""
    items, state, tokens = [], "y", word.split()
    for i, token in enumerate(tokens):
        letter, _, parts = token.partition("/")
        length = number(f"1/{parts or 1}")
        items += [
            evaluate(f"E{i}", state),
            combine(f"Z{i}", int(i + 1 == len(tokens)), **{state: 1, f"E{i}": length * at(N.row(ROWS[letter]))}),
        ]
        state = f"Z{i}"
    return Scheme("own", "test", "test", written(items, state), "drift", "time", kinds="phase space")


def by_trees(word, order):
    """The coefficient of a power of h of the step less the exact one, as a vector in f, g and their derivatives."""
    total = [sympy.Integer(0)] * 2
    for (letters, tree), value in residuals(StepInClock(kicks(word)), order)[1][order].items():
        for row, own in enumerate(cut(letters, differential(tree))):
            total[row] += sympy.Rational(value) * own
    return [sympy.expand(own) for own in total]


def cut(letters, vector):
    """A vector of which the letters of a word keep one row; N is 1."""
    for _, row, jet in letters:
        vector = [own if r == row and not jet else 0 for r, own in zip(("x", "m"), vector, strict=True)]
    return vector


def differential(tree):
    """The elementary differential of the drift, which does not change with time."""
    time, children = tree
    inner = [cut(letters, differential(below)) for letters, below in children]
    found = []
    for component in DRIFT:
        own = sympy.Integer(0)
        for parts in product(range(2), repeat=len(children)):
            slope = component
            for part in parts:
                slope = sympy.diff(slope, STATE[part])
            for child, part in zip(inner, parts, strict=True):
                slope = slope * child[part]
            own += slope
        found.append(sympy.Integer(0) if time else own)
    return found


def by_words(word):
    """The local error in brackets, applied to the two coordinates; A and B act as f d/dx and g d/dm."""
    found = local_error(word, "brackets")

    def act(bracket, own):
        if isinstance(bracket, str):
            row = "AB".index(bracket)
            return DRIFT[row] * sympy.diff(own, STATE[row])
        left, right = bracket
        return act(left, act(right, own)) - act(right, act(left, own))

    def read(text):
        """The nested pairs that a printed bracket stands for."""
        depth = 0
        if len(text) == 1:
            return text
        for i, character in enumerate(text):
            depth += (character == "[") - (character == "]")
            if character == "," and depth == 1:
                return read(text[1:i]), read(text[i + 1 : -1])
        raise AssertionError(text)

    terms = [(sympy.Rational(c.value), read(c.tree)) for c in found.terms]
    return found.order, [
        sympy.expand(sum(value * act(own, coordinate) for value, own in terms)) for coordinate in STATE
    ]


@pytest.mark.parametrize("word", WORDS)
def test_trees_and_words_find_the_same_local_error(word):
    """Lower powers of h vanish, and the first that does not is the sum of the brackets, for every f and g."""
    order, expected = by_words(word)
    assert order == WORDS[word]
    assert all(by_trees(word, n) == [0, 0] for n in range(1, order))
    assert by_trees(word, order) == expected
    assert expected != [0, 0]
