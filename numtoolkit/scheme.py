"""A scheme as data: layouts of rows, claims, parameters; and the constructors that write layouts for the usual forms.

A layout is one step: an ordered tuple of rows, evaluations and noises. A `Row` is an affine combination of earlier
names; the state at the start of the step is "y"; names carried over from the step before are declared by `carry`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from numtoolkit.entries import (
    NONE,
    ONE,
    ZERO,
    Entry,
    G,
    L,
    N,
    Op,
    Scalarlike,
    adams,
    at,
    covariance,
    expand_phi,
    flow,
    integral,
    number,
    op,
    reframe,
    substitute,
    symbol,
    symbols,
)
from numtoolkit.errors import InputError

START = "y"


@dataclass(frozen=True)
class Row:
    """name = sum of entry * source; `at` is the abscissa of the state it approximates."""

    name: str
    at: Entry
    terms: tuple[tuple[str, Entry], ...]


@dataclass(frozen=True)
class Eval:
    """name = the frozen quantity at the row `of`, a state at abscissa `at`; the network is told the time at `told`."""

    name: str
    of: str
    at: Entry
    told: Entry


@dataclass(frozen=True)
class Noise:
    """name = a normal draw, independent of all others, with the given covariance."""

    name: str
    covariance: Entry


Item = Row | Eval | Noise


@dataclass(frozen=True)
class Layout:
    """One step: items in order, the row that is the new state, and (new name, old name) pairs carried to the next step."""

    items: tuple[Item, ...]
    out: str
    carry: tuple[tuple[str, str], ...] = ()

    @property
    def needs(self) -> set[str]:
        """Names the step takes over from the step before it."""
        known, needed = {START}, set()
        for item in self.items:
            used = [s for s, _ in item.terms] if isinstance(item, Row) else [item.of] if isinstance(item, Eval) else []
            needed |= set(used) - known
            known.add(item.name)
        return needed | {old for _, old in self.carry if old not in known} | ({self.out} - known)

    @property
    def evaluations(self) -> int:
        return sum(isinstance(item, Eval) for item in self.items)

    @property
    def noises(self) -> tuple[Noise, ...]:
        return tuple(item for item in self.items if isinstance(item, Noise))

    def map(self, change: Callable[[Entry], Entry]) -> Layout:
        """The layout with `change` applied to every entry, abscissae included."""

        def item(i: Item) -> Item:
            if isinstance(i, Row):
                return Row(i.name, change(i.at), tuple((s, change(e)) for s, e in i.terms))
            if isinstance(i, Eval):
                return Eval(i.name, i.of, change(i.at), change(i.told))
            return Noise(i.name, change(i.covariance))

        return replace(self, items=tuple(item(i) for i in self.items))

    def entries(self) -> list[tuple[str, Entry]]:
        """(where, entry) for every block entry, noise covariances included."""
        rows = [(f"{i.name} <- {s}", e) for i in self.items if isinstance(i, Row) for s, e in i.terms]
        return rows + [(f"cov {i.name}", i.covariance) for i in self.noises]


@dataclass(frozen=True)
class Param:
    """A named scalar a user may set: exact default and range (None is unbounded; `open` excludes the lower end).

    Proofs keep a `free` parameter symbolic and take the others, which only one value makes consistent, at their default.
    """

    name: str
    default: Fraction
    low: Fraction | None = None
    high: Fraction | None = None
    open: bool = False
    meaning: str = ""
    free: bool = True

    def check(self, scheme: str, value: Fraction) -> Fraction:
        below = self.low is not None and (value <= self.low if self.open else value < self.low)
        if below or (self.high is not None and value > self.high):
            low = "" if self.low is None else f"{self.low} {'<' if self.open else '<='} "
            high = "" if self.high is None else f" <= {self.high}"
            raise InputError(
                f"{scheme}: {self.name} = {value} is out of range; it must satisfy {low}{self.name}{high}."
            )
        return value


@dataclass(frozen=True)
class Claims:
    """Published orders; None where the publication claims nothing. `refuted` says openly which the engines contradict."""

    classical: int | None = None
    stiff_strong: int | None = None
    stiff_commuting: int | None = None
    stiff_weak: int | None = None
    sde_weak: int | None = None
    sde_strong: int | None = None
    refuted: tuple[str, ...] = ()


Rule = Callable[..., Any]  # (problem, grid times, step indices, parameter values) -> float64 array, one value a step


@dataclass(frozen=True)
class Scheme:
    """A declared scheme.

    frozen     what is held over a step: a prediction of `numtoolkit.predictions`, or "drift"
    clock      of the nodes and polynomial weights; "natural" is the process's own
    tau        dynamics of the operators L, N, G: 0 the probability flow, 1 the reverse SDE
    reference  tau^2 of the SDE whose law the scheme follows (a scalar entry; churn makes it a step quantity)
    start, last  layouts of the first and final steps; to_zero replaces the final step of a grid that ends at noise level 0
    values     parameters bound so far; unbound ones stay symbols in proofs and take their defaults in runs
    quantities rules for step quantities other than the ratios r0, r1, ...
    """

    name: str
    family: str
    source: str
    step: Layout
    frozen: str
    clock: str = "natural"
    processes: tuple[str, ...] = ("vp", "edm", "flow", "psld")
    start: tuple[Layout, ...] = ()
    last: tuple[Layout, ...] = ()
    to_zero: Layout | None = None
    tau: int = 0
    reference: Entry = ZERO
    params: tuple[Param, ...] = ()
    quantities: tuple[tuple[str, Rule], ...] = ()
    claims: Claims = field(default_factory=Claims)
    aliases: tuple[str, ...] = ()
    values: tuple[tuple[str, Fraction], ...] = ()
    structure: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        known = {p.name for p in self.params} | {name for name, _ in self.quantities}
        for layout in self.layouts:
            for name in set().union(*(symbols(e) for _, e in layout.entries())) - known:
                if not re.fullmatch(r"r\d", name):
                    raise InputError(f"scheme {self.name}: {name!r} is neither a parameter nor a step quantity.")
        final = () if self.to_zero is None else (self.to_zero,)
        handed: set[str] = set()
        for layout in (*self.start, self.step, self.step, *(self.last or final)):
            if layout.needs - handed:
                lost = ", ".join(sorted(layout.needs - handed))
                raise InputError(f"scheme {self.name}: a step uses {lost}, which the step before does not hand on.")
            handed = {name for name, _ in layout.carry}

    @property
    def kind(self) -> str:
        return "ode" if self.reference == ZERO else "sde"

    @property
    def layouts(self) -> tuple[Layout, ...]:
        return (*self.start, self.step, *self.last, *(() if self.to_zero is None else (self.to_zero,)))

    @property
    def nfe_per_step(self) -> int:
        return self.step.evaluations

    @property
    def spec(self) -> str:
        """The name with its bound parameters, as the command line reads it."""
        given = [value if key == "" else f"{key}={value}" for key, value in self.structure]
        given += [f"{name}={value}" for name, value in self.values]
        return f"{self.name}({', '.join(given)})" if given else self.name

    def bind(self, **given: Fraction) -> Scheme:
        """The scheme with parameters set to exact values."""
        known = {p.name: p for p in self.params}
        for name in given:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise InputError(f"{self.name} has no parameter {name!r}; {has}.")
        checked = {name: known[name].check(self.name, Fraction(value)) for name, value in given.items()}
        return replace(self, values=tuple((dict(self.values) | checked).items()))

    def parameters(self) -> dict[str, Fraction]:
        """Every parameter's value: bound or default."""
        return {p.name: p.default for p in self.params} | dict(self.values)

    def exact(self, layout: Layout | None = None) -> Layout:
        """A layout (by default the inner step) as proofs read it: free parameters that are not bound stay symbols."""
        values = {p.name: p.default for p in self.params if not p.free} | dict(self.values)
        return (layout or self.step).map(lambda entry: substitute(entry, values))


def _layout(items: Sequence[Item], out: str, carry: dict[str, str] | None = None) -> Layout:
    """A layout with every phi written out for the row it stands in."""
    rows = [replace(i, terms=tuple((s, expand_phi(e, i.at)) for s, e in i.terms if e != ZERO)) if isinstance(i, Row) else i
            for i in items]  # fmt: skip
    return Layout(tuple(rows), out, tuple((carry or {}).items()))


def _entry(value: Scalarlike) -> Entry:
    return value if isinstance(value, Entry) else number(Fraction(value))


def evaluate(name: str, of: str = START, c: Scalarlike = 0, told: Scalarlike | None = None) -> Eval:
    """An evaluation at abscissa c, told the same time unless stated."""
    return Eval(name, of, _entry(c), _entry(c if told is None else told))


def combine(name: str, c: Scalarlike, **terms: Scalarlike) -> Row:
    """The row name = sum of terms at abscissa c."""
    return Row(name, _entry(c), tuple((source, _entry(entry)) for source, entry in terms.items()))


def tableau(c: Sequence[Scalarlike], A: Sequence[Sequence[Entry]], b: Sequence[Entry]) -> Layout:
    """An exponential Runge-Kutta step from its Butcher tableau: A and b multiply evaluations, h and N included."""
    items: list[Item] = [evaluate("E0")]
    for i in range(1, len(c)):
        stages = {f"E{j}": a for j, a in enumerate(A[i])}
        items += [combine(f"Y{i}", c[i], y=flow(0, c[i]), **stages), evaluate(f"E{i}", f"Y{i}", c[i])]
    items.append(combine("out", 1, y=flow(), **{f"E{i}": w for i, w in enumerate(b)}))
    return _layout(items, "out")


def past(count: int) -> tuple[Entry, ...]:
    """Abscissae of the step start and count - 1 steps before it: 0, -r0, -(r0 + r1), ..."""
    nodes: list[Entry] = [ZERO]
    for j in range(count - 1):
        nodes.append(nodes[-1] - symbol(f"r{j}"))
    return tuple(nodes)


def history(weights: Sequence[Entry], keep: int) -> Layout:
    """A multistep step: evaluate at the start, combine with carried evaluations E1, E2, ..., hand on the last `keep`."""
    row = combine("out", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(weights)})
    return _layout([evaluate("E0"), row], "out", {f"E{j + 1}": f"E{j}" for j in range(min(keep, len(weights)))})


def predict_correct(predictor: Sequence[Entry], corrector: Sequence[Entry], keep: int, first: bool) -> Layout:
    """Predict to 1, evaluate there, correct with the new value (last weight); the value is kept, at the predicted state.

    E0, E1, ... are carried from earlier steps; the first step of a run evaluates E0 itself.
    """
    names = [f"E{j}" for j in range(len(corrector) - 1)]
    items: list[Item] = [evaluate("E0")] if first else []
    items += [
        combine("P", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(predictor)}),
        evaluate("EP", "P", 1),
        combine("out", 1, y=flow(), **dict(zip([*names, "EP"], corrector, strict=True))),
    ]
    carry = {"E0": "EP"} | {f"E{j + 1}": f"E{j}" for j in range(min(keep, len(names)))}
    return _layout(items, "out", carry)


ANALYTIC = {"O": op("O"), "L": op("R")}  # letters whose sub-flow is exact in law
KICKS = {
    "A": "x",
    "B": "m",
    "K": "",
}  # letters whose sub-flow is an Euler kick of what the analytic letters leave
TOLD = {"S0": ZERO, "S1": ONE, "Sm": number("1/2")}


def word(text: str, scale: Callable[[Op], Op] = lambda X: X) -> Layout:
    """A splitting step from its word, letters applied from left to right.

    S0 S1 Sm   call the network now, told the time of the start, end or middle of the step
    A B K      Euler kick of the x row, the m row or both: linear drift not taken by an analytic letter, plus the score
    O L        exact in law: Ornstein-Uhlenbeck damping with its noise, the reverse drift at equilibrium with its noise
    X/2        the letter over its next half window

    scale maps the damping and diffusion that set the covariance of an analytic letter's noise, not its flow.
    """
    tokens = text.split()
    rest = L
    for letter, part in ANALYTIC.items():
        if any(token.split("/")[0] == letter for token in tokens):
            rest = rest - part
    items: list[Item] = []
    state, quantity, elapsed = START, "", dict.fromkeys([*ANALYTIC, *KICKS], Fraction(0))
    for i, token in enumerate(tokens, 1):
        if token in TOLD:
            quantity = f"E{sum(isinstance(item, Eval) for item in items)}"
            items.append(Eval(quantity, state, TOLD[token], TOLD[token]))
            continue
        letter, _, parts = token.partition("/")
        if letter not in elapsed:
            raise InputError(
                f"letter {token!r} of the splitting word {text!r} is unknown; use {' '.join([*TOLD, *elapsed])}."
            )
        a = elapsed[letter]
        b = elapsed[letter] = a + Fraction(1, int(parts or 1))
        new = f"Z{i}"
        if letter in ANALYTIC:
            part = ANALYTIC[letter]
            items.append(Noise(f"xi{i}", covariance(a, b, scale(part), scale(G))))
            moved: dict[str, Scalarlike] = {state: flow(a, b, part), f"xi{i}": 1}
            items.append(combine(new, b, **moved))
        else:
            row = KICKS[letter]
            drift, score = (rest.row(row), N.row(row)) if row else (rest, N)
            items.append(combine(new, b, **{state: 1 + (b - a) * at(drift, a), quantity: (b - a) * at(score, a)}))
        state = new
    return _layout(items, state)


def conjugate_euler(B: Op) -> Layout:
    """The conjugate Euler step y' = Flow(L + B)(1 - h B) y + Int(L + B, N) e; B = 0 is the exponential Euler step."""
    W = L + B
    row = combine("out", 1, y=flow(L=W) * (1 - at(B)), E0=integral(L=W))
    return _layout([evaluate("E0"), row], "out")


def churned(layout: Layout, a: Entry, scale: Entry) -> Layout:
    """Noise is added back to abscissa -a with the forward law (covariance times `scale`), then the step runs from there."""
    prefix: list[Item] = [
        Noise("xi", scale * covariance(0, -a, L, op("Q"))),
        combine("up", -a, y=flow(0, -a), xi=1),
    ]
    moved = layout.map(lambda entry: reframe(entry, -a, 1 + a))

    def abscissa(c: Entry) -> Entry:
        return (1 + a) * c - a

    items: list[Item] = []
    for new, old in zip(moved.items, layout.items, strict=True):
        if isinstance(new, Row) and isinstance(old, Row):
            items.append(Row(new.name, abscissa(old.at), tuple(("up" if s == START else s, e) for s, e in new.terms)))
        elif isinstance(old, Eval):
            items.append(Eval(old.name, "up" if old.of == START else old.of, abscissa(old.at), abscissa(old.told)))
    return Layout((*prefix, *items), layout.out)


__all__ = [  # what a declaration needs
    "NONE",
    "Claims",
    "Layout",
    "Param",
    "Scheme",
    "adams",
    "churned",
    "combine",
    "conjugate_euler",
    "evaluate",
    "history",
    "past",
    "predict_correct",
    "tableau",
    "word",
]
