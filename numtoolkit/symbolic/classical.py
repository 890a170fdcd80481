"""Classical order of any declared ODE scheme, with every residual and the leading error term.

The step and the exact solution are expanded in h as exponential B-series with generic, non-commuting, time-dependent
blocks L and N and a generic smooth network; the scheme has order p when every coefficient to weight p agrees. What
holds here holds for every process the scheme is declared on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import cached_property
from itertools import islice
from typing import Any

from numtoolkit.declare.entries import ONE, Entry, L, N
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import INNER, START, Eval, Item, Noise, Place, Row
from numtoolkit.errors import InputError, counted
from numtoolkit.symbolic.condition import Condition, in_order, record
from numtoolkit.symbolic.history import History
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.rooted_trees import FOREST
from numtoolkit.symbolic.runge_kutta import DRIFT, Tableau, tableau_of
from numtoolkit.symbolic.series import LENGTH, add, latex_power, powers_of_h, show_power
from numtoolkit.symbolic.steps_back import StepInClock, expansion_of, field_of
from numtoolkit.symbolic.trees import (
    ROWS,
    STATE,
    Exact,
    StateSeries,
    Term,
    apply,
    beside_one,
    latex_term,
    network,
    show_term,
    term_weight,
    vanishes,
)

HIGHEST, HIGHEST_PLAIN = 8, 10  # orders that are looked for, the second of plain Runge-Kutta steps


@dataclass(frozen=True)
class Order:
    """Order p (-1 if not even the state is kept) and the residuals of order p + 1, numerical minus exact, by term.

    A residual is the coefficient of h^(p+1) and its term: a term of less weight has so many powers of h from the step
    quantities of the scheme.

    zeros   residuals to order p + 1, by order and term, that may be 0: the digits of the scheme's numbers leave it open
    graded  all residuals by order, as far as orders were looked at
    """

    p: int
    residuals: dict[Term, Any]
    field: Field
    zeros: dict[tuple[int, Term], Any] = dataclass_field(default_factory=dict)
    graded: Sequence[StateSeries] = dataclass_field(default=(), repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Order {self.p}: {counted(len(self.residuals), 'residual')} of order {self.p + 1}>"

    @cached_property
    def sizes(self) -> tuple[Fraction, ...]:
        """The largest absolute residual by order, as far as orders were looked at; none of a scheme with symbols."""
        graded = () if self.field.names else self.graded
        return tuple(max(map(self.field.size, terms.values()), default=Fraction(0)) for terms in graded)

    @property
    def doubt(self) -> Fraction:
        """How large the residuals to order p may be, which are taken for 0."""
        taken = (value for (order, _), value in self.zeros.items() if order <= self.p)
        return max(map(self.field.size, taken), default=Fraction(0))

    def table(self) -> list[dict[str, object]]:
        """Residuals as order, tree, value, simplest trees first."""
        return self._rows({(self.p + 1, term): value for term, value in self.residuals.items()})

    def open(self) -> list[dict[str, object]]:
        """What is taken for 0, likewise."""
        return self._rows(self.zeros)

    def _rows(self, found: Mapping[tuple[int, Term], Any]) -> list[dict[str, object]]:
        return in_order(
            [
                record(order, show_power(order - term_weight(term)) + show_term(term), self.field.text(value))
                for (order, term), value in found.items()
            ]
        )


def order(
    scheme: Scheme,
    place: Place = INNER,
    highest: int | None = None,
    ratios: Mapping[str, Fraction] | None = None,
) -> Order:
    """Exact classical order of a step of the scheme, unbound parameters and step ratios symbolic.

    scheme   a deterministic scheme; the history of a multistep one is what its own earlier steps make of exact states
    place    which step of `Scheme.steps`, by default the inner one
    highest  search bound, by default `HIGHEST_PLAIN` for plain Runge-Kutta steps and `HIGHEST` for others; it is taken
             to mean at least so much
    ratios   values for some of the step ratios r0, r1, ...: an order above 4 of a scheme with history takes minutes
             with symbols, seconds with numbers; of ratios drawn at random all but a null set have the symbolic order
    raises   InputError for schemes that draw noise
    cost     0.01 to 0.3 s up to order 3; no network calls
    """
    frame = StepInClock(scheme, place=place)
    plain = plain_tableau(frame, ratios)
    last = highest if highest is not None else HIGHEST if plain is None else HIGHEST_PLAIN
    first = (scheme.claims.classical or 1) + 1
    found: list[StateSeries] = []
    graded = iter(()) if plain is None else plain.graded()
    for weight in range(min(first, last), last + 1):
        if plain is None:
            field, found = residuals(frame, weight, ratios=ratios)
        else:
            field, found = plain.field, [*found, *islice(graded, weight + 1 - len(found))]
        failing = [w for w in range(weight + 1) if any(map(field.surely, found[w].values()))]
        if failing or weight == last:
            break
    p = failing[0] - 1 if failing else last
    sure: dict[Term, Any] = {}
    zeros: dict[tuple[int, Term], Any] = {}
    for order, terms in enumerate(found[: p + 2]):
        known: dict[int, bool] = {}  # many terms share one value
        for term, value in terms.items():
            if id(value) not in known:
                known[id(value)] = order > p and field.surely(value)
            if known[id(value)]:
                sure[term] = value
            else:
                zeros[order, term] = value
    return Order(p, sure, field, zeros, found)


def residuals(
    frame: StepInClock, highest: int, absorb_linear_flow: bool = True, ratios: Mapping[str, Fraction] | None = None
) -> tuple[Field, list[StateSeries]]:
    """Numerical minus exact coefficients of one step, by the power of h they come with, 0..highest, and their field.

    Zeros are left out.
    frame               the step
    absorb_linear_flow  take L = 0 where the step is covariant, which loses nothing (`steps_back.covariant`)
    ratios              values of step ratios that are no symbols then
    """
    plain = plain_tableau(frame, ratios)
    if plain is not None:
        return plain.residuals(highest)
    field, graded = _graded(frame, highest, absorb_linear_flow, ratios)
    return field, [{term: value for term, value in terms.items() if value} for terms in graded]


def listed(
    frame: StepInClock, highest: int, ratios: Mapping[str, Fraction] | None = None
) -> tuple[Field, list[Condition]]:
    """Every order condition of one step to an order, lower ones first: a coefficient, numerical minus exact, a term.

    Terms with time are left out where they say nothing new. There is none of order 0 that holds.
    frame    the step; highest  the order
    ratios   values of step ratios that are no symbols then
    raises   InputError for an order above `HIGHEST` of a step that is no plain Runge-Kutta step
    """
    plain = plain_tableau(frame, ratios)
    if plain is None and highest > HIGHEST:
        raise InputError(
            f"conditions of {frame.scheme.spec} above order {HIGHEST} are not analysed: its step is no plain "
            "Runge-Kutta step; ask for a lower order."
        )
    if plain is None:
        field, graded = _graded(frame, highest, True, ratios)
    else:
        field, graded = plain.field, [{} for _ in range(highest + 1)]
        add(graded[0], {STATE: plain.state - 1, ROWS: plain.beside})
        for number, value in plain.listed(highest):
            graded[FOREST.trees[number].weight][DRIFT, FOREST.shape(number)] = value
    return field, conditions_of(dict(enumerate(graded)))


def conditions_of(graded: Mapping[int, StateSeries]) -> list[Condition]:
    """The coefficients of terms, by the power of h that they come with, as conditions, simpler trees first."""
    found = []
    for order, terms in graded.items():
        for term, value in terms.items():
            power = order - term_weight(term)
            texts = show_power(power) + show_term(term), latex_power(power) + latex_term(term)
            found.append(Condition(order, texts[0], value, texts[1]))
    return sorted(found, key=lambda condition: (condition.order, len(condition.tree), condition.tree))


def _graded(
    frame: StepInClock, highest: int, absorb_linear_flow: bool, ratios: Mapping[str, Fraction] | None
) -> tuple[Field, list[StateSeries]]:
    """What `residuals` says by the general engine, with the zeros of the terms of the exact solution."""
    depth = _depth(frame, highest, ratios)
    expansion = _Expansion(frame, depth, highest, absorb_linear_flow, ratios)
    exact = expansion.state(ONE)
    difference: StateSeries = dict(expansion.values(frame, depth)[frame.step.out])
    add(difference, {term: -value for term, value in exact.items()})
    graded: list[StateSeries] = [{} for _ in range(highest + 1)]
    add(difference, {ROWS: expansion.beside})
    for term in {**exact, **difference}:
        if not vanishes(term, expansion.reading):
            own = term_weight(term)
            if own:
                graded[own][term] = expansion.field.number(0)
            for more, value in powers_of_h(expansion.field, difference.get(term, 0), highest - own):
                graded[own + more][term] = value
    return expansion.field, graded


def plain_tableau(frame: StepInClock, ratios: Mapping[str, Fraction] | None = None) -> Tableau | None:
    """A step as the tableau that it is, if it is a plain Runge-Kutta step; `ratios` as in `residuals`."""
    scheme = frame.scheme
    if frame.declared.needs or not scheme.frozen.letters(scheme.clock, scheme.kinds).steady:
        return None
    field = field_of(frame, 0, ratios)
    if LENGTH in field.names:
        return None
    return tableau_of(scheme.name, frame.step, expansion_of(scheme, field, HIGHEST_PLAIN))


def _depth(frame: StepInClock, highest: int, ratios: Mapping[str, Fraction] | None) -> int:
    """How many steps back evaluations at computed rows must be followed.

    A carried evaluation at a row of local order q is wrong by weight q + 1, enters the step with one h more, and
    after d steps of history, the oldest exact, is right to weight q + 1 + d.
    """
    carried = [frame.find(name) for name in frame.step.needs]
    rows = {(source, item.of) for source, old in carried for item in source.step.items
            if isinstance(item, Eval) and item.name == old and item.of != START}  # fmt: skip
    weakest = highest
    for source, name in rows:
        expansion = _Expansion(source, 0, highest, ratios=ratios)
        row = next(item for item in source.step.items if item.name == name)
        difference = dict(expansion.values(source, 0)[name])
        exact = expansion.state(row.at)  # type: ignore[union-attr]
        add(difference, {term: -value for term, value in exact.items()})
        weakest = min([weakest, *(term_weight(term) for term in difference)])
    return max(highest - weakest, 0)


class _Expansion(History[StateSeries]):
    """Rows and evaluations as series; the value of an evaluation is one of its trees under the empty word."""

    def __init__(
        self,
        frame: StepInClock,
        depth: int,
        order: int,
        absorb_linear_flow: bool = True,
        ratios: Mapping[str, Fraction] | None = None,
    ) -> None:
        super().__init__()
        self.scheme, self.order = frame.scheme, order
        self.field = field_of(frame, depth, ratios)
        self.beside: Any = self.field.number(0)
        self.reading = expansion_of(self.scheme, self.field, order, absorb_linear_flow)
        self.exactly = Exact(self.field, self.reading.jets(L), self.reading.jets(N), order)

    def state(self, c: Entry) -> StateSeries:
        """The exact state at abscissa c."""
        return self.exactly.state(self.field.scalar(c))

    def start(self, frame: StepInClock) -> StateSeries:
        return self.state(frame.origin)

    def exact(self, frame: StepInClock, item: Item) -> StateSeries:
        assert not isinstance(item, Noise)
        state = self.state(item.at)
        return self.evaluate(frame, item, state) if isinstance(item, Eval) else state

    def combine(self, frame: StepInClock, row: Row, terms: Sequence[tuple[Entry, StateSeries]]) -> StateSeries:
        total: StateSeries = {}
        for entry, value in terms:
            add(total, apply(self.reading.read(entry), value, self.order))
        return total

    def evaluate(self, frame: StepInClock, item: Eval, state: StateSeries) -> StateSeries:
        factor = state.get(STATE, self.field.number(0))
        self.beside = self.beside + beside_one(factor, self.field, item.of, self.scheme.name)
        # a network value enters the state under an integral, which brings one more power of h
        trees = network(state, self.field.scalar(item.network_time), self.order - 1, self.field)
        return {((), tree): value for tree, value in trees.items()}

    def draw(self, frame: StepInClock, noise: Noise) -> StateSeries:
        raise InputError(f"scheme {self.scheme.name} draws noise; its order is one in law.")
