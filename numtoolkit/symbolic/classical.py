"""Classical order of any declared ODE scheme, with every residual and the leading error term.

The step and the exact solution are expanded in h as exponential B-series with generic, non-commuting, time-dependent
blocks L and N and a generic smooth network; the scheme has order p when every coefficient to weight p agrees. What
holds here holds for every process the scheme is declared on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numtoolkit.declare.entries import L, N
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import INNER, START, Eval, Noise, Place, Row, Step
from numtoolkit.errors import InputError, counted
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import add
from numtoolkit.symbolic.steps_back import StepInClock, expansion_of, scalars_of
from numtoolkit.symbolic.trees import (
    STATE,
    Exact,
    StateSeries,
    Term,
    TreeSeries,
    apply,
    apply_to_network,
    network,
    show_term,
    term_weight,
)

HIGHEST = 8


@dataclass(frozen=True)
class Order:
    """Order p (-1 if not even the state is kept) and the residuals of weight p + 1, numerical minus exact, by term."""

    p: int
    residuals: dict[Term, Any]
    field: Field

    def __repr__(self) -> str:
        return f"<Order {self.p}: {counted(len(self.residuals), 'residual')} of order {self.p + 1}>"

    def table(self) -> list[dict[str, object]]:
        """Residuals as order, tree, value, simplest trees first."""
        rows = sorted(
            ((show_term(term), self.field.text(value)) for term, value in self.residuals.items()),
            key=lambda r: (len(r[0]), r),
        )
        return [{"order": self.p + 1, "tree": tree, "value": value} for tree, value in rows]


def order(
    scheme: Scheme,
    place: Place = INNER,
    highest: int = HIGHEST,
    ratios: Mapping[str, Fraction] | None = None,
) -> Order:
    """Exact classical order of a step of the scheme, unbound parameters and step ratios symbolic.

    scheme   a deterministic scheme; the history of a multistep one is what its own earlier steps make of exact states
    place    which step of `Scheme.steps`, by default the inner one
    highest  search bound; order 8 is taken to mean at least 8
    ratios   values for some of the step ratios r0, r1, ...: an order above 4 of a scheme with history takes minutes
             with symbols, seconds with numbers; of ratios drawn at random all but a null set have the symbolic order
    raises   InputError for schemes that draw noise
    cost     0.01 to 0.3 s up to order 3; no network calls
    """
    frame = StepInClock(scheme, place=place)
    first = (scheme.claims.classical or 1) + 1
    for weight in range(min(first, highest), highest + 1):
        field, found = residuals(frame, weight, ratios=ratios)
        failing = [w for w in range(weight + 1) if found[w]]
        if failing:
            return Order(failing[0] - 1, found[failing[0]], field)
    return Order(highest, {}, field)


def residuals(
    frame: StepInClock, highest: int, absorb_linear_flow: bool = True, ratios: Mapping[str, Fraction] | None = None
) -> tuple[Field, list[StateSeries]]:
    """Numerical minus exact coefficients of one step, by weight 0..highest, and the field they lie in.

    frame_of_flow  take L = 0 where the step is covariant, which loses nothing (`unroll.covariant`)
    """
    depth = _depth(frame, highest, ratios)
    expansion = _Expansion(frame, depth, highest, absorb_linear_flow, ratios)
    difference: StateSeries = dict(expansion.names(frame, depth)[1][frame.layout.out])
    add(difference, {term: -value for term, value in expansion.exact.state(expansion.field.number(1)).items()})
    graded: list[StateSeries] = [{} for _ in range(highest + 1)]
    for term, value in difference.items():
        graded[term_weight(term)][term] = value
    return expansion.field, graded


def _depth(frame: StepInClock, highest: int, ratios: Mapping[str, Fraction] | None) -> int:
    """How many steps back evaluations at computed rows must be followed.

    A carried evaluation at a row of local order q is wrong by weight q + 1, enters the step with one h more, and
    after d steps of history, the oldest exact, is right to weight q + 1 + d.
    """
    carried = [frame.find(name) for name in frame.layout.needs]
    rows = {(source, item.of) for source, old in carried for item in source.layout.items
            if isinstance(item, Eval) and item.name == old and item.of != START}  # fmt: skip
    weakest = highest
    for source, name in rows:
        expansion = _Expansion(source, 0, highest, ratios=ratios)
        row = next(item for item in source.layout.items if item.name == name)
        difference = dict(expansion.names(source, 0)[1][name])
        exact = expansion.exact.state(expansion.field.scalar(row.at))  # type: ignore[union-attr]
        add(difference, {term: -value for term, value in exact.items()})
        weakest = min([weakest, *(term_weight(term) for term in difference)])
    return max(highest - weakest, 0)


class _Expansion:
    """Series of the rows of a step and of what it carries."""

    def __init__(
        self,
        frame: StepInClock,
        depth: int,
        order: int,
        absorb_linear_flow: bool = True,
        ratios: Mapping[str, Fraction] | None = None,
    ) -> None:
        self.scheme, self.order = frame.scheme, order
        self.field = Field(scalars_of(frame, depth), values=ratios)
        self.reading = expansion_of(self.scheme, self.field, order, absorb_linear_flow)
        self.exact = Exact(self.field, self.reading.jets(L), self.reading.jets(N), order)
        self._known: dict[tuple[StepInClock, int], tuple[dict[str, TreeSeries], dict[str, StateSeries]]] = {}

    def names(self, frame: StepInClock, depth: int) -> tuple[dict[str, TreeSeries], dict[str, StateSeries]]:
        """The evaluations and the states of a step, its own start exact."""
        if (frame, depth) in self._known:
            return self._known[frame, depth]
        layout: Step = frame.layout
        states: dict[str, StateSeries] = {START: self.exact.state(self.field.scalar(frame.origin))}
        values: dict[str, TreeSeries] = {}
        self._known[frame, depth] = values, states
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

    def _evaluation(self, frame: StepInClock, item: Eval, depth: int) -> TreeSeries:
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
        return network(state, self.field.scalar(item.network_time), self.order - 1, self.field)

    def _row(self, row: Row, states: dict[str, StateSeries], values: dict[str, TreeSeries]) -> StateSeries:
        total: StateSeries = {}
        for source, entry in row.terms:
            series = self.reading.read(entry)
            if source in values:
                add(total, apply_to_network(series, values[source], self.order))
            else:
                add(total, apply(series, states[source], self.order))
        return total
