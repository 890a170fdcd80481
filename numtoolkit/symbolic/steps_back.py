"""One inner step of a scheme with its history: what a carried name stands for, in the clock of the step.

The step m steps back runs from abscissa -(r0 + ... + r_{m-1}) with length r_{m-1}; its ratios are r_{k+m} / r_{m-1},
and its step quantities are what they tend to as it falls in length (`numtoolkit.symbolic.expansions`).
Engines start each such step from the exact state and take evaluations beyond `depth` at exact states too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from numtoolkit.declare.entries import (
    ONE,
    ZERO,
    At,
    Entry,
    Flow,
    Int,
    L,
    N,
    Op,
    Product,
    Quotient,
    Sum,
    substitute,
    symbol,
    symbols,
    walk,
)
from numtoolkit.declare.scheme import LENGTH, Scheme
from numtoolkit.declare.steps import INNER, START, Eval, Place, Row, Step
from numtoolkit.problem.operators import N as N_PART
from numtoolkit.problem.operators import Q as Q_PART
from numtoolkit.symbolic.expansions import expansions, primed
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import SeriesExpansion


@dataclass(frozen=True)
class StepInClock:
    """A step with its entries in the clock of the step that is analysed, which comes `back` steps after it.

    scheme its scheme; of one with two outputs an evaluation the one that it is where they agree
    place  where it stands in `Scheme.steps`
    exact  whether step quantities stay symbols, for their values on one grid, instead of being expanded
    """

    scheme: Scheme
    back: int = 0
    place: Place = INNER
    exact: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "scheme", self.scheme.agreed)

    @property
    def declared(self) -> Step:
        """The step as declared."""
        return self.scheme.steps.at(self.place)

    @cached_property
    def origin(self) -> Entry:
        """Where it starts: -(r0 + ... + r_{back-1})."""
        total: Entry = ZERO
        for j in range(self.back):
            total = total - symbol(f"r{j}")
        return total

    @cached_property
    def scale(self) -> Entry:
        """Its length."""
        return symbol(f"r{self.back - 1}") if self.back else ONE

    @cached_property
    def step(self) -> Step:
        """The step as proofs read it, moved to its place."""
        inner = self.scheme.exact.at(self.place)
        quantities = self._quantities(step_symbols(inner))
        read = inner.map(lambda entry: substitute(entry, quantities)) if quantities else inner
        if not self.back:
            return read
        own: dict[str, Entry] = {name: symbol(f"r{int(name[1:]) + self.back}") / self.scale for name in _ratios(read)}
        own[LENGTH.name] = LENGTH * self.scale
        return read.map(lambda entry: substitute(entry, own)).moved(self.origin, self.scale)

    def scalar(self, entry: Entry | int) -> Entry:
        """A scalar of the scheme, such as its `reference`, as proofs of this step read it."""
        exact = self.scheme.exact_scalar(entry)
        read: Entry = substitute(exact, self._quantities(symbols(exact)))
        return read

    def _quantities(self, names: set[str]) -> dict[str, Entry]:
        """What stands for those of the names that are step quantities."""
        if self.exact:
            own = {*self.scheme.fitted, *(quantity.name for quantity in self.scheme.quantities)}
            return {name: primed(name, self.back) for name in own & names}
        return expansions(self.scheme, names, self.back)

    @cached_property
    def previous(self) -> StepInClock:
        """The step before: the inner step, but for a start, which follows the start before it."""
        kind, index = self.place
        place = (kind, index - 1) if index else INNER
        return replace(self, back=self.back + 1, place=place)

    def find(self, name: str) -> tuple[StepInClock, str]:
        """The frame and name of the item that a name carried into this frame's step stands for."""
        frame = self.previous
        old = dict(frame.declared.carry)[name]
        if any(item.name == old for item in frame.declared.items):
            return frame, old
        return frame.find(old)


def field_of(
    frame: StepInClock, depth: int, ratios: Mapping[str, Fraction] | None = None, variables: Iterable[str] = ()
) -> Field:
    """The field of the numbers that an analysis of a step reads.

    frame, depth  the step, and how many steps back it is followed
    ratios        values of step ratios that are no symbols then
    variables     further symbols
    """
    return Field({*scalars_of(frame, depth), *variables}, values=ratios, balls=frame.scheme.balls)


def expansion_of(scheme: Scheme, field: Field, order: int, absorb_linear_flow: bool = False) -> SeriesExpansion:
    """How a scheme's operators become letters.

    Rows are split where the scheme cuts one. Frozen drift has no linear part, and frozen noise none in the noise level:
    there z / alpha moves by the noise alone. Only phase-space schemes freeze the score; in their natural clock, the
    integral of beta, every block is fixed. `absorb_linear_flow` takes L = 0 where that is no loss. G, the noise of the
    dynamics, is tau^2 times the forward rate Q; the forward drift F is L itself where a noise or the score is frozen.
    Where rows are cut, words vanish in which a row of a diagonal operator meets the other row of the next one.
    field  of the coefficients; order  the highest power of h that is kept
    """
    blocks = [node for _, entry in scheme.steps.inner.entries() for node in walk(entry) if isinstance(node, Op)]
    cut = any(row for block in blocks for _, _, row in block.terms)
    letters = scheme.frozen.letters(scheme.clock, scheme.kinds)
    open_flow = absorb_linear_flow and not letters.steady
    absorbed = open_flow and all(covariant(step) for _, step in scheme.exact.places())
    absent = (*letters.absent, "L") if absorbed else letters.absent
    rename = [("G", field.scalar(scheme.exact_scalar(scheme.tau)) ** 2, "Q")]
    if scheme.frozen.of_score:
        rename.append(("F", field.number(1), "L"))
    used = {N_PART, Q_PART, *(operator for block in blocks for _, operator, _ in block.terms)}
    diagonal = ("g", *(operator.name for operator in used if operator.diagonal(scheme.frozen))) if cut else ()
    rows = ("x", "m") if cut else ("",)
    return SeriesExpansion(field, order, rows, absent, letters.steady, tuple(rename), diagonal)


def covariant(step: Step) -> bool:
    """Whether a change of frame z -> S(u) z carries the step over into the same step.

    True when a row at abscissa c takes states by the full flow to c, evaluations by integrals or kicks that end at c.
    Then L = 0 is no loss of generality: N and the network absorb the linear flow.
    """
    if step.noises:
        return False
    at = {START: ZERO} | {item.name: item.at for item in step.items if isinstance(item, Row)}
    evaluations = {item.name for item in step.items if isinstance(item, Eval)} | (step.needs - at.keys())
    return all(
        _ends_at(entry, None if source in evaluations else at[source], row.at)
        for row in step.items
        if isinstance(row, Row)
        for source, entry in row.terms
    )


def _ends_at(entry: Entry, start: Entry | None, end: Entry) -> bool:
    """Whether a block runs from `start` (None: from an evaluation) to `end` in the frame of L."""
    if isinstance(entry, Sum):
        return all(_ends_at(arg, start, end) for arg in entry.args)
    if isinstance(entry, Product):
        blocks = [arg for arg in entry.args if any(isinstance(n, (Flow, Int, At)) for n in walk(arg))]
        if len(blocks) == 2 and isinstance(blocks[0], Flow):  # a later flow of something that ends where it starts
            later = blocks[0]
            return (later.L, later.b) == (L, end) and _ends_at(blocks[1], start, later.a)
        return len(blocks) == 1 and _ends_at(blocks[0], start, end)
    if isinstance(entry, Quotient):
        return _ends_at(entry.top, start, end)
    if isinstance(entry, Flow):
        return start is not None and (entry.L, entry.a, entry.b) == (L, start, end)
    if isinstance(entry, Int):
        return start is None and (entry.L, entry.N, entry.b) == (L, N, end)
    if isinstance(entry, At):
        return start is None and (entry.X, entry.c) == (N, end)
    return start == end


def _ratios(step: Step) -> set[str]:
    return {name for name in step_symbols(step) if name[0] == "r" and name[1:].isdigit()}


def step_symbols(step: Step) -> set[str]:
    """Every scalar a step depends on, in its entries and abscissae."""
    found: set[str] = set()
    for item in step.items:
        for entry in item.scalars:
            found |= symbols(entry)
    return found


def scalars_of(start: StepInClock, depth: int) -> set[str]:
    """The scalars that an analysis of a step to that depth reads."""
    found: set[str] = symbols(start.scalar(start.scheme.tau)) | symbols(start.scalar(start.scheme.reference))
    seen: set[tuple[StepInClock, int]] = set()
    todo = [(start, depth)]
    while todo:
        frame, left = todo.pop()
        if (frame, left) in seen:
            continue
        seen.add((frame, left))
        found |= step_symbols(frame.step)
        for name in frame.step.needs:
            source, old = frame.find(name)
            item = next(i for i in source.step.items if i.name == old)
            found |= set().union(*(symbols(entry) for entry in item.scalars))
            if left and isinstance(item, Eval) and item.of != START:
                todo.append((source, left - 1))
    return found
