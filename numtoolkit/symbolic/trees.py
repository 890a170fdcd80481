"""Exponential B-series: state and network values as sums over trees with operator words on their edges.

A *term* is (word, leaf): an operator word applied to the state at the step's start (leaf ()) or to a network tree. A
*tree* is (time, children): the derivative of the frozen quantity, `time` times in time and once along each child, the
children a sorted tuple of terms. Its weight is time + the weights of the children; a term weighs that of its word more
(Berland, Owren & Skaflestad 2005; Hairer, Lubich & Wanner 2006 III.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from numtoolkit.errors import InputError
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import (
    Jet,
    Series,
    SeriesExpansion,
    Word,
    add,
    latex_letter,
    pairs,
    put,
    show_letter,
    weight,
)

Tree = tuple[int, tuple[Any, ...]]  # (time, children)
Term = tuple[Word, Any]  # the leaf is () or a Tree
StateSeries = dict[Term, Any]
TreeSeries = dict[Tree, Any]

STATE: Term = ((), ())
ROWS: Term = ((), (0, (STATE,)))  # e'[y]: what the rows' factors on the state are beside 1, all together


@cache
def tree_weight(tree: Tree) -> int:
    """The power of h that a network tree comes with."""
    return tree[0] + sum(term_weight(child) for child in tree[1])


@cache
def term_weight(term: Term) -> int:
    """The power of h that a term comes with."""
    word, leaf = term
    return weight(word) + (tree_weight(leaf) if leaf else 0)


def beside_one(factor: Any, field: Field, row: str, scheme: str) -> Any:
    """What a row's factor on the state at the start is beside 1, the only one with which it can be expanded.

    factor, field  the number and where it lies; row, scheme  what the sentence of a refusal names
    raises         InputError for a factor that is surely another one
    """
    beside = factor - 1
    if field.surely(beside):
        raise InputError(f"row {row!r} of scheme {scheme} is not consistent: it does not tend to the state.")
    return beside


def network(state: StateSeries, network_time: Any, order: int, field: Field) -> TreeSeries:
    """e(u_n + c h, Y) expanded about the step's start, for Y given as a series with coefficient 1 on the state.

    state         Y; network_time  the abscissa c that the network is told
    order, field  trees heavier than `order` are dropped; `field` holds the coefficients
    """
    increments = sorted((term, c) for term, c in state.items() if term != STATE)
    partial: list[tuple[tuple[Term, ...], int, Any]] = [((), 0, field.number(1))]
    for term, c in increments:
        each = term_weight(term)
        grown = []
        for children, used, value in partial:
            power = value
            for count in range(1, (order - used) // each + 1):
                power = power * c / field.number(count)
                grown.append((children + (term,) * count, used + each * count, power))
        partial += grown
    trees: TreeSeries = {}
    for children, used, value in partial:
        clock = value
        for time in range(order - used + 1):
            if time:
                clock = clock * network_time / field.number(time)
            if not clock:
                break
            trees[time, children] = clock
    return trees


def apply(series: Series, state: StateSeries, order: int) -> StateSeries:
    """A block coefficient, the `series` of its words, times a state; terms heavier than `order` are dropped."""
    terms: StateSeries = {}
    for word, c, (inner, leaf), d in pairs(series, state, order, term_weight):
        put(terms, (word + inner, leaf), c * d)
    return terms


def apply_to_network(series: Series, value: TreeSeries, order: int) -> StateSeries:
    """A block coefficient, the `series` of its words, times a network value, to terms of weight `order`."""
    terms: StateSeries = {}
    for word, c, tree, d in pairs(series, value, order, tree_weight):
        put(terms, (word, tree), c * d)
    return terms


class Exact:
    """The exact solution's coefficients: the term of weight w at abscissa c has `coefficient * c^w`."""

    def __init__(self, field: Field, L: Sequence[Jet], N: Sequence[Jet], order: int) -> None:
        self.field, self.order = field, order
        one = field.number(1)
        self._L, self._N = L, N
        self.terms: list[StateSeries] = [{STATE: one}]
        self.trees: list[TreeSeries] = [{(0, ()): one}]
        for w in range(1, order + 1):
            self.terms.append(self._terms(w))
            if w < order:
                self.trees.append(self._trees(w))

    def state(self, c: Any) -> StateSeries:
        """The exact state at abscissa c."""
        series: StateSeries = {}
        power = self.field.number(1)
        for terms in self.terms:
            series |= {term: value * power for term, value in terms.items() if power}
            power = power * c
        return series

    def _terms(self, w: int) -> StateSeries:
        """Every term of weight w: the last letter put on the left of a lighter term divides by the new weight."""
        total: StateSeries = {}
        for jet in self._L:
            if 0 <= (lighter := w - weight(jet.letters)):
                scale = {jet.letters: jet.coefficient / self.field.number(w)}
                add(total, apply(scale, self.terms[lighter], w))
        for jet in self._N:
            if 0 <= (lighter := w - weight(jet.letters)):
                scale = {jet.letters: jet.coefficient / self.field.number(w)}
                add(total, apply_to_network(scale, self.trees[lighter], w))
        return total

    def _trees(self, w: int) -> TreeSeries:
        flat: StateSeries = {STATE: self.field.number(1)}
        for terms in self.terms[1 : w + 1]:
            flat |= terms
        trees = network(flat, self.field.number(1), w, self.field)
        return {tree: value for tree, value in trees.items() if tree_weight(tree) == w}


def vanishes(term: Term, reading: SeriesExpansion) -> bool:
    """Whether a term is zero on every process because one of its words is."""
    word, leaf = term
    return reading.vanishes(word) or (bool(leaf) and any(vanishes(child, reading) for child in leaf[1]))


def show_term(term: Term) -> str:
    """A term for people: "L N e'[N e]"; jets as L1, N2, rows as N.x, time derivatives as e_t."""
    word, leaf = term
    return " ".join([*map(show_letter, word), show_tree(leaf) if leaf else "y"])


def show_tree(tree: Tree) -> str:
    """A tree for people: "e'[N e]", time derivatives as e_t."""
    time, children = tree
    head = "e" + ("_" + "t" * time if time else "") + "'" * len(children)
    return f"{head}[{', '.join(map(show_term, children))}]" if children else head


def latex_term(term: Term) -> str:
    r"""A term in LaTeX: L\,N\,e'[N\,e]."""
    word, leaf = term
    return r"\,".join([*map(latex_letter, word), latex_tree(leaf) if leaf else "y"])


def latex_tree(tree: Tree) -> str:
    r"""A tree in LaTeX, time derivatives as e_{t}, more than three derivatives in the state as e^{(4)}."""
    time, children = tree
    count = len(children)
    head = "e" + (f"_{{{'t' * time}}}" if time else "") + ("'" * count if count < 4 else f"^{{({count})}}")
    return f"{head}[{', '.join(map(latex_term, children))}]" if children else head


def timeless(tree: Tree) -> bool:
    """Whether a tree has no derivative in time, in itself or below."""
    time, children = tree
    return not time and all(not leaf or timeless(leaf) for _, leaf in children)
