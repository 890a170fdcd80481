"""The fast way to the order of a plain Runge-Kutta step: elementary weights over interned trees.

A step is plain where nothing but a fixed N acts: frozen drift, and frozen noise in the noise level. Rationals are
scaled to whole numbers over one common denominator; parameters, roots and intervals are taken as they are. Where the
network is told the row sums of the tableau, a time leaf weighs what a node does, and trees without time decide for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
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
        graded: list[StateSeries] = [{} for _ in range(highest + 1)]
        add(graded[0], {STATE: self.state - 1, ROWS: self.beside})
        for number, defect, divisor in self._defects(highest):
            if defect:
                for twin in FOREST.twins[number] if self.autonomous else (number,):
                    value = divided(defect, divisor * FOREST.trees[twin].symmetry)
                    graded[FOREST.trees[number].weight][DRIFT, FOREST.shape(twin)] = value
        return self.field, graded

    def listed(self, highest: int) -> Iterator[tuple[int, Any]]:
        """Every tree to a weight, by its number in the forest, with its coefficient, numerical minus exact.

        Trees with time are left out where they say nothing new.
        """
        for number, defect, divisor in self._defects(highest):
            own = divided(defect, divisor * FOREST.trees[number].symmetry) if defect else self.field.number(0)
            yield number, own

    @cached_property
    def autonomous(self) -> bool:
        """Whether the network is told the row sums: trees with time then ask for what those without it do."""
        _, times, rows = self._scaled
        return _applied(rows, [1] * len(rows)) == times

    @cached_property
    def _scaled(self) -> tuple[int, list[Any], list[list[tuple[int, Any]]]]:
        """d, and d times what the network is told and the rows of A."""
        d, scaled = over_one_denominator([*self.times, *(a for row in self.A for a in row.values())])
        values = iter(scaled)
        times = [next(values) for _ in self.times]
        return d, times, [[(j, next(values)) for j in row] for row in self.A]

    def _defects(self, highest: int) -> Iterator[tuple[int, Any, Any]]:
        """What `listed` says, as (number, defect, divisor): defect over divisor times the symmetry of the tree."""
        d, times, rows = self._scaled
        e, weights = over_one_denominator(list(self.b.values()))
        b = list(zip(self.b, weights, strict=True))
        sums = _applied(rows, [1] * len(rows))
        own, below = {NODE: [1] * len(rows)}, {NODE: sums, TIME: times}  # g of a tree, and A g
        for order in range(1, highest + 1):
            scale = e * d ** (order - 1)
            for number in FOREST.of_weight(order):
                tree = FOREST.trees[number]
                if self.autonomous and tree.timeless != number:
                    continue
                if number != NODE:
                    own[number] = _product(own[tree.rest], below[tree.child])
                    if order < highest:
                        below[number] = _applied(rows, own[number])
                defect = _dot(b, own[number]) * tree.density - scale
                yield number, defect, scale * tree.density


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
