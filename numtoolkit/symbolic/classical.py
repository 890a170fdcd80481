"""Classical order of any declared ODE scheme, with every residual and the leading error term.

The step and the exact solution are expanded in h as exponential B-series with generic, non-commuting, time-dependent
blocks L and N and a generic smooth network; the scheme has order p when every coefficient to weight p agrees. What
holds here holds for every process the scheme is declared on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numtoolkit.entries import L, N, walk
from numtoolkit.errors import InputError
from numtoolkit.problem import FROZEN_DRIFT
from numtoolkit.scheme import START, Eval, Layout, Noise, Row, Scheme
from numtoolkit.symbolic.series import Field, Reading, add
from numtoolkit.symbolic.trees import (
    STATE,
    Exact,
    StateSeries,
    Term,
    TreeSeries,
    apply,
    network,
    show_term,
    term_weight,
)
from numtoolkit.symbolic.unroll import Frame, covariant, frames, layout_symbols

HIGHEST = 8


@dataclass(frozen=True)
class Order:
    """order p, and the residuals (numerical minus exact) of weight p + 1, by term."""

    p: int
    residuals: dict[Term, Any]

    def table(self) -> list[dict[str, object]]:
        """Residuals as order, tree, value, simplest trees first."""
        rows = sorted(
            ((show_term(term), str(value)) for term, value in self.residuals.items()),
            key=lambda r: (len(r[0]), r),
        )
        return [{"order": self.p + 1, "tree": tree, "value": value} for tree, value in rows]


def order(scheme: Scheme, highest: int = HIGHEST) -> Order:
    """Exact classical order of the inner step, unbound parameters and step ratios symbolic.

    scheme   a deterministic scheme; for a multistep one the history is what its own earlier steps produce from exact states
    highest  search bound; order 8 is taken to mean at least 8
    raises   InputError for schemes that draw noise
    cost     0.01 to 0.3 s up to order 3; no network calls
    """
    first = (scheme.claims.classical or 1) + 1
    for weight in range(min(first, highest), highest + 1):
        found = residuals(scheme, weight)
        failing = [w for w in range(1, weight + 1) if found[w]]
        if failing:
            return Order(failing[0] - 1, found[failing[0]])
    return Order(highest, {})


def residuals(scheme: Scheme, highest: int, frame_of_flow: bool = True) -> list[StateSeries]:
    """Numerical minus exact coefficients of one step, by weight 0..highest.

    frame_of_flow  take L = 0 where the step is covariant, which loses nothing (`unroll.covariant`)
    """
    depth = _depth(scheme, highest)
    steps = frames(scheme, depth)
    field = Field(set().union(*(layout_symbols(frame.layout) for frame in steps)))
    reading = reading_of(scheme, field, highest, frame_of_flow)
    exact = Exact(field, reading.jets(L), reading.jets(N), highest)
    difference: StateSeries = dict(_Expansion(scheme, reading, exact).out(Frame(scheme), depth))
    add(difference, {term: -value for term, value in exact.state(field.number(1)).items()})
    return _graded(difference, highest)


def _graded(series: StateSeries, highest: int) -> list[StateSeries]:
    graded: list[StateSeries] = [{} for _ in range(highest + 1)]
    for term, value in series.items():
        graded[term_weight(term)][term] = value
    return graded


def _depth(scheme: Scheme, highest: int) -> int:
    """How many steps back evaluations at computed rows must be followed: each step back weakens their error by h.

    A carried evaluation at a row of local order q is wrong by weight q + 1, enters the step with one h more, and after d
    steps of history, the oldest exact, is right to weight q + 1 + d.
    """
    kept = {old for _, old in scheme.step.carry}
    rows = {i.of for i in scheme.step.items if isinstance(i, Eval) and i.name in kept and i.of != START}
    if not rows:
        return 0
    steps = frames(scheme, 0)
    field = Field(set().union(*(layout_symbols(frame.layout) for frame in steps)))
    reading = reading_of(scheme, field, highest)
    exact = Exact(field, reading.jets(L), reading.jets(N), highest)
    states = _Expansion(scheme, reading, exact).names(Frame(scheme), 0)[1]
    weakest = highest
    for item in scheme.exact().items:
        if isinstance(item, Row) and item.name in rows:
            difference = dict(states[item.name])
            add(difference, {term: -value for term, value in exact.state(field.scalar(item.at)).items()})
            weakest = min([weakest, *(term_weight(term) for term in difference)])
    return max(highest - weakest, 0)


def reading_of(scheme: Scheme, field: Field, order: int, frame_of_flow: bool = True) -> Reading:
    """The letters of a scheme's operators: split into rows where the scheme cuts one, no linear part where it is no loss."""
    cut = any(
        row for _, entry in scheme.step.entries() for node in walk(entry) for _, _, row in getattr(node, "terms", ())
    )
    if scheme.frozen == FROZEN_DRIFT:
        return Reading(field, order, absent=("L",), steady=("N",))
    if frame_of_flow and covariant(scheme.exact()):
        return Reading(field, order, absent=("L",))
    return Reading(field, order, rows=("x", "m") if cut else ("",))


class _Expansion:
    """Series of the rows of a step and of what it carries."""

    def __init__(self, scheme: Scheme, reading: Reading, exact: Exact) -> None:
        self.scheme, self.reading, self.exact = scheme, reading, exact
        self.field, self.order = reading.field, reading.order

    def out(self, frame: Frame, depth: int) -> StateSeries:
        """The state after the step."""
        return self.names(frame, depth)[1][frame.layout.out]

    def names(self, frame: Frame, depth: int) -> tuple[dict[str, TreeSeries], dict[str, StateSeries]]:
        """The evaluations and the states of a step, its own start exact."""
        layout: Layout = frame.layout
        states: dict[str, StateSeries] = {START: self.exact.state(self.field.scalar(frame.origin))}
        values: dict[str, TreeSeries] = {}
        for name in layout.needs:
            source, old = frame.find(name)
            item = next(i for i in source.layout.items if i.name == old)
            if isinstance(item, Eval):
                values[name] = self._evaluation(source, item, depth)
            else:
                states[name] = self.exact.state(self.field.scalar(item.at))  # type: ignore[union-attr]
        for item in layout.items:
            if isinstance(item, Noise):
                raise InputError(f"scheme {self.scheme.name} draws noise; its order is one in law.")
            if isinstance(item, Row):
                states[item.name] = self._row(item, states, values)
            else:
                values[item.name] = self._network(states[item.of], item)
        return values, states

    def _evaluation(self, frame: Frame, item: Eval, depth: int) -> TreeSeries:
        """A carried evaluation: at the row the scheme computed if that is within depth, else at the exact state."""
        if item.of != START and depth:
            return self.names(frame, depth - 1)[0][item.name]
        return self._network(self.exact.state(self.field.scalar(item.at)), item)

    def _network(self, state: StateSeries, item: Eval) -> TreeSeries:
        if state.get(STATE) != self.field.number(1):
            raise InputError(
                f"row {item.of!r} of scheme {self.scheme.name} is not consistent: it does not tend to the state."
            )
        # a network value enters the state under an integral, which brings one more power of h
        return network(state, self.field.scalar(item.told), self.order - 1, self.field)

    def _row(self, row: Row, states: dict[str, StateSeries], values: dict[str, TreeSeries]) -> StateSeries:
        total: StateSeries = {}
        for source, entry in row.terms:
            series = self.reading.read(entry)
            if source in values:
                add(total, apply(series, values[source], self.order, tree=True))
            else:
                add(total, apply(series, states[source], self.order, tree=False))
        return total
