"""The one walk through a declared step: the value of a name from the values of the names that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from numtoolkit.declare.entries import Entry
from numtoolkit.declare.steps import Eval, Noise, Row, Step
from numtoolkit.errors import InputError

V = TypeVar("V")


class Algebra(Protocol[V]):
    """What the values of a declared step are."""

    def begin(self, name: str) -> V:
        """The state at the start of the step, "y", or a name that the step before hands on."""

    def combine(self, row: Row, terms: Sequence[tuple[Entry, V]]) -> V:
        """A row, as the sum of entry * value over its terms."""

    def evaluate(self, item: Eval, state: V) -> V:
        """An evaluation at a row of that value."""

    def draw(self, noise: Noise) -> V:
        """A noise."""


class Values(Generic[V]):
    """The values of a step by name, each made once, when it is first asked for: what nothing asks for costs nothing.

    raises   InputError for a step that takes a name over and makes another value of that name
    """

    def __init__(self, step: Step, algebra: Algebra[V]) -> None:
        self._items = {item.name: item for item in step.items}
        doubled = sorted(step.needs & self._items.keys())
        if doubled:
            raise InputError(f"a step uses {doubled[0]} before it makes a value of that name; give one another name.")
        self._algebra = algebra
        self._known: dict[str, V] = {}

    def __getitem__(self, name: str) -> V:
        if name not in self._known:
            self._known[name] = self._made(name)
        return self._known[name]

    def _made(self, name: str) -> V:
        item = self._items.get(name)
        if item is None:
            return self._algebra.begin(name)
        if isinstance(item, Row):
            return self._algebra.combine(item, [(entry, self[source]) for source, entry in item.terms])
        if isinstance(item, Eval):
            return self._algebra.evaluate(item, self[item.of])
        return self._algebra.draw(item)
