"""A step with its history as an engine sees it: how far back its values are those the scheme computed.

Each step begins anew at the exact state. An evaluation that it takes over is the one that the step before computed,
from an exact state in its turn, as long as there is depth left. Then, and where it was taken at the start of its step,
it is the evaluation at the exact state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from numtoolkit.declare.entries import Entry
from numtoolkit.declare.steps import START, Eval, Item, Noise, Row
from numtoolkit.declare.walk import Values
from numtoolkit.symbolic.steps_back import StepInClock

V = TypeVar("V")


class History(ABC, Generic[V]):
    """An engine: what the values of the steps are. One rule for all of them says which are exact."""

    def __init__(self) -> None:
        self._known: dict[tuple[StepInClock, int], Values[V]] = {}

    def values(self, frame: StepInClock, depth: int) -> Values[V]:
        """The values of a step whose history is followed `depth` steps back."""
        if (frame, depth) not in self._known:
            self._known[frame, depth] = Values(frame.step, _InFrame(self, frame, depth))
        return self._known[frame, depth]

    @abstractmethod
    def start(self, frame: StepInClock) -> V:
        """The exact state at the start of a step."""

    @abstractmethod
    def exact(self, frame: StepInClock, item: Item) -> V:
        """An item that a step hands on, taken at the exact state."""

    @abstractmethod
    def combine(self, frame: StepInClock, row: Row, terms: Sequence[tuple[Entry, V]]) -> V:
        """A `row` of the step `frame`, as the sum of entry * value over `terms`."""

    @abstractmethod
    def evaluate(self, frame: StepInClock, item: Eval, state: V) -> V:
        """An evaluation `item` of the step `frame`, at a row whose value is `state`."""

    @abstractmethod
    def draw(self, frame: StepInClock, noise: Noise) -> V:
        """A noise of a step."""


@dataclass(frozen=True)
class _InFrame(Generic[V]):
    """The algebra of one step of a history."""

    history: History[V]
    frame: StepInClock
    depth: int

    def begin(self, name: str) -> V:
        if name == START:
            return self.history.start(self.frame)
        source, old = self.frame.find(name)
        item = next(item for item in source.step.items if item.name == old)
        if isinstance(item, Eval) and item.of != START and self.depth:
            return self.history.values(source, self.depth - 1)[old]
        return self.history.exact(source, item)

    def combine(self, row: Row, terms: Sequence[tuple[Entry, V]]) -> V:
        return self.history.combine(self.frame, row, terms)

    def evaluate(self, item: Eval, state: V) -> V:
        return self.history.evaluate(self.frame, item, state)

    def draw(self, noise: Noise) -> V:
        return self.history.draw(self.frame, noise)
