"""The fast way to the order of a plain Runge-Kutta step: elementary weights over interned trees.

A step is plain where nothing but a fixed N acts: frozen drift, and frozen noise in the noise level. Rationals are
scaled to whole numbers over one common denominator; parameters, roots and intervals are taken as they are. Where the
network is told the row sums of the tableau, a time leaf weighs what a node does, and trees without time decide for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import count, islice
from typing import Any

from numtoolkit.declare.entries import Entry, L, N
from numtoolkit.declare.steps import Eval, Noise, Row, Step
from numtoolkit.declare.walk import Values
from numtoolkit.symbolic.numbers import Field, divided, over_one_denominator
from numtoolkit.symbolic.rooted_trees import FOREST, NODE, TIME
from numtoolkit.symbolic.series import SeriesExpansion, Word, add
from numtoolkit.symbolic.trees import ROWS, STATE, StateSeries, beside_one

DRIFT: Word = (("N", "", 0),)
Combination = tuple[Any, dict[int, Any]]  # the factor on the state at the start, None of an evaluation; weights


@dataclass(frozen=True)
class Tableau:
    """The numbers of an explicit Runge-Kutta step, elements of the `field`.

    A      weights of the evaluations before it, by number, an evaluation each
    times  what the network is told there
    b      weights of the new state, and `state` its factor on the old one
    beside what its factors at the evaluations are beside 1, all together: 0, or too little to tell
    """

    field: Field
    A: tuple[dict[int, Any], ...]
    times: tuple[Any, ...]
    b: dict[int, Any]
    state: Any
    beside: Any

    def __repr__(self) -> str:
        return f"<Tableau of {len(self.A)} stages>"

    def residuals(self, highest: int) -> tuple[Field, list[StateSeries]]:
        """The field of the numbers, and numerical minus exact coefficients by weight 0..highest, zeros left out."""
        return self.field, list(islice(self.graded(), highest + 1))

    def graded(self) -> Iterator[StateSeries]:
        """Numerical minus exact coefficients of weight 0, 1, 2, ... without end, zeros left out."""
        graded: StateSeries = {}
        add(graded, {STATE: self.state - 1, ROWS: self.beside})
        yield graded
        for defects in self._defects():
            graded = {}
            for number, defect, divisor in defects:
                twins = FOREST.twins[number] if self.autonomous else (number,)
                own: dict[int, Any] = {}  # by symmetry, of which the many twins of a tree have few
                for twin in twins if defect else ():
                    symmetry = FOREST.trees[twin].symmetry
                    if symmetry not in own:
                        own[symmetry] = self._value(defect, divisor * symmetry)
                    graded[DRIFT, FOREST.shape(twin)] = own[symmetry]
            yield graded

    def listed(self, highest: int) -> Iterator[tuple[int, Any]]:
        """Every tree to a weight, by its number in the forest, with its coefficient, numerical minus exact.

        Trees with time are left out where they say nothing new.
        """
        for defects in islice(self._defects(), highest):
            for number, defect, divisor in defects:
                yield number, self._value(defect, divisor * FOREST.trees[number].symmetry)

    def _value(self, defect: Any, divisor: int) -> Any:
        """A defect as an element of the field."""
        whole = isinstance(defect, int)
        return self.field.number(Fraction(defect, divisor)) if whole else divided(defect, divisor)

    @cached_property
    def autonomous(self) -> bool:
        """Whether the network is told the row sums: trees with time then ask for what those without it do."""
        _, times, rows, _, _ = self._scaled
        return _applied(rows, [1] * len(rows)) == times

    @cached_property
    def _scaled(self) -> tuple[int, list[Any], list[list[tuple[int, Any]]], int, list[tuple[int, Any]]]:
        """d, d times what the network is told and the rows of A; e, and e times the weights b."""
        inner = [*self.times, *(a for row in self.A for a in row.values())]
        (d, scaled), (e, weights) = over_one_denominator(inner, list(self.b.values()))
        values = iter(scaled)
        times = [next(values) for _ in self.times]
        return d, times, [[(j, next(values)) for j in row] for row in self.A], e, [*zip(self.b, weights, strict=True)]

    def _defects(self) -> Iterator[Iterator[tuple[int, Any, int]]]:
        """By weight 1, 2, ... what `listed` says, as (number, defect, divisor), its coefficient their quotient over the
        symmetry of the tree. Each weight is to be read to its end before the next.
        """
        d, times, rows, e, b = self._scaled
        own, below = {NODE: [1] * len(rows)}, {TIME: times}  # g of a tree, and A g

        def of_order(order: int) -> Iterator[tuple[int, Any, int]]:
            scale = e * d ** (order - 1)
            for number in FOREST.of_weight(order):
                tree = FOREST.trees[number]
                if self.autonomous and tree.timeless != number:
                    continue
                if number != NODE:
                    if tree.child not in below:
                        below[tree.child] = _applied(rows, own[tree.child])
                    own[number] = _product(own[tree.rest], below[tree.child])
                yield number, _dot(b, own[number]) * tree.density - scale, scale * tree.density

        return map(of_order, count(1))


def _product(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
    return [x * y if x and y else 0 for x, y in zip(left, right, strict=True)]


def _dot(weights: Sequence[tuple[int, Any]], vector: Sequence[Any]) -> Any:
    return sum(weight * vector[j] for j, weight in weights if vector[j])


def _applied(rows: Sequence[Sequence[tuple[int, Any]]], vector: Sequence[Any]) -> list[Any]:
    return [_dot(row, vector) for row in rows]


class _NotPlainError(Exception):
    """A step holds what a tableau of numbers does not."""


def tableau_of(name: str, step: Step, reading: SeriesExpansion) -> Tableau | None:
    """The tableau of a step, or None where it is no plain Runge-Kutta step.

    name, step  of the scheme, as proofs read it
    reading     of its entries
    raises      InputError for an evaluation at a row that does not tend to the state
    """
    if step.needs or step.noises or reading.jets(L) or [jet.letters for jet in reading.jets(N)] != [DRIFT]:
        return None
    stages = _Stages(name, reading)
    try:
        state, b = Values(step, stages)[step.out]
    except _NotPlainError:
        return None
    return Tableau(reading.field, tuple(stages.A), tuple(stages.times), b, state, stages.beside)


class _Stages:
    """Rows with the rows in between multiplied out; each evaluation becomes a stage."""

    def __init__(self, name: str, reading: SeriesExpansion) -> None:
        self.name, self.reading = name, reading
        self.A: list[dict[int, Any]] = []
        self.times: list[Any] = []
        self.beside: Any = reading.field.number(0)

    def begin(self, name: str) -> Combination:
        return self.reading.field.number(1), {}

    def combine(self, row: Row, terms: Sequence[tuple[Entry, Combination]]) -> Combination:
        factor: Any = self.reading.field.number(0)
        weights: dict[int, Any] = {}
        for entry, (inner, inherited) in terms:
            series = self.reading.read(entry)
            word = DRIFT if inner is None else ()
            if series.keys() - {word}:
                raise _NotPlainError
            scale = series.get(word, 0)
            factor = factor if inner is None else factor + scale * inner
            for j, weight in inherited.items():
                weights[j] = weights[j] + scale * weight if j in weights else scale * weight
        return factor, {j: weight for j, weight in weights.items() if weight}

    def evaluate(self, item: Eval, state: Combination) -> Combination:
        factor, weights = state
        self.beside = self.beside + beside_one(factor, self.reading.field, item.of, self.name)
        self.A.append(weights)
        self.times.append(self.reading.field.scalar(item.network_time))
        return None, {len(self.A) - 1: self.reading.field.number(1)}

    def draw(self, noise: Noise) -> Combination:
        raise _NotPlainError
