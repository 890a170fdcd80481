"""One inner step of a scheme with its history: what a carried name stands for, in the clock of the step.

The step m steps back runs from abscissa -(r0 + ... + r_{m-1}) with length r_{m-1}; its own ratios are r_{k+m} / r_{m-1}.
Engines start each such step from the exact state and take evaluations beyond `depth` at exact states too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from numtoolkit.entries import (
    ONE,
    ZERO,
    At,
    Entry,
    Flow,
    Int,
    L,
    N,
    Product,
    Quotient,
    Sum,
    reframe,
    substitute,
    symbol,
    symbols,
    walk,
)
from numtoolkit.scheme import START, Eval, Item, Layout, Noise, Row, Scheme


@dataclass(frozen=True)
class Frame:
    """The inner step `back` steps before the one that is analysed, its entries in that step's clock."""

    scheme: Scheme
    back: int = 0

    @cached_property
    def origin(self) -> Entry:
        total: Entry = ZERO
        for j in range(self.back):
            total = total - symbol(f"r{j}")
        return total

    @cached_property
    def scale(self) -> Entry:
        return symbol(f"r{self.back - 1}") if self.back else ONE

    @cached_property
    def layout(self) -> Layout:
        inner = self.scheme.exact()
        if not self.back:
            return inner
        ratios = {name: symbol(f"r{int(name[1:]) + self.back}") / self.scale for name in _ratios(inner)}
        shifted = inner.map(lambda entry: substitute(entry, ratios))
        blocks = shifted.map(lambda entry: reframe(entry, self.origin, self.scale))
        return Layout(
            tuple(self._item(block, own) for block, own in zip(blocks.items, shifted.items, strict=True)),
            inner.out,
            inner.carry,
        )

    def _item(self, block: Item, own: Item) -> Item:
        """A row with its entries reframed, and its abscissae, which are plain scalars, moved."""
        if isinstance(own, Row) and isinstance(block, Row):
            return Row(own.name, self._move(own.at), block.terms)
        if isinstance(own, Eval):
            return Eval(own.name, own.of, self._move(own.at), self._move(own.told))
        return block

    def _move(self, c: Entry) -> Entry:
        return self.origin + self.scale * c

    @property
    def previous(self) -> Frame:
        return Frame(self.scheme, self.back + 1)

    def find(self, name: str) -> tuple[Frame, str]:
        """The frame and name of the item that a name carried into this frame's step stands for."""
        frame, old = self.previous, dict(self.scheme.step.carry)[name]
        if any(item.name == old for item in self.scheme.step.items):
            return frame, old
        return frame.find(old)


def covariant(layout: Layout) -> bool:
    """Whether a change of frame z -> S(u) z carries the step over into the same step.

    True when a row at abscissa c takes states by the full flow to c and evaluations by integrals or kicks that end at c.
    Then L = 0 is no loss of generality: N and the network absorb the linear flow.
    """
    at = {START: ZERO} | {item.name: item.at for item in layout.items if isinstance(item, Row)}
    evaluations = {item.name for item in layout.items if isinstance(item, Eval)} | (layout.needs - at.keys())
    return all(
        _ends_at(entry, None if source in evaluations else at[source], row.at)
        for row in layout.items
        if isinstance(row, Row)
        for source, entry in row.terms
    )


def _ends_at(entry: Entry, start: Entry | None, end: Entry) -> bool:
    """Whether a block runs from `start` (None: from an evaluation) to `end` in the frame of L."""
    if isinstance(entry, Sum):
        return all(_ends_at(arg, start, end) for arg in entry.args)
    if isinstance(entry, Product):
        *scalars, block = entry.args
        return not any(isinstance(n, (Flow, Int, At)) for s in scalars for n in walk(s)) and _ends_at(block, start, end)
    if isinstance(entry, Quotient):
        return _ends_at(entry.top, start, end)
    if isinstance(entry, Flow):
        return start is not None and (entry.L, entry.a, entry.b) == (L, start, end)
    if isinstance(entry, Int):
        return start is None and (entry.L, entry.N, entry.b) == (L, N, end)
    if isinstance(entry, At):
        return start is None and (entry.X, entry.c) == (N, end)
    return start == end


def _ratios(layout: Layout) -> set[str]:
    return {name for name in layout_symbols(layout) if name[0] == "r" and name[1:].isdigit()}


def layout_symbols(layout: Layout) -> set[str]:
    """Every scalar a layout depends on, in its entries and abscissae."""
    found: set[str] = set()
    for item in layout.items:
        for entry in _scalars(item):
            found |= symbols(entry)
    return found


def _scalars(item: Item) -> Iterator[Entry]:
    if isinstance(item, Row):
        yield item.at
        yield from (entry for _, entry in item.terms)
    elif isinstance(item, Eval):
        yield from (item.at, item.told)
    elif isinstance(item, Noise):
        yield item.covariance


def frames(scheme: Scheme, depth: int) -> list[Frame]:
    """The frames whose rows an analysis to that depth reads."""
    reached, todo = [], [(Frame(scheme), depth)]
    while todo:
        frame, left = todo.pop()
        if frame in reached:
            continue
        reached.append(frame)
        for name in sorted(frame.layout.needs):
            source, old = frame.find(name)
            item = next(i for i in source.layout.items if i.name == old)
            if left and isinstance(item, Eval):
                todo.append((source, left - 1))
    return reached
