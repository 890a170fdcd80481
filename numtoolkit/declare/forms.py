"""The usual forms of schemes, as functions that write their layouts.

tableau             an exponential Runge-Kutta step from A, b, c
history, past       a multistep step; predict_correct adds an evaluation at the predicted state
adams_*             the steps of a whole Adams run, orders raised at the start
noisy               a run of the probability flow turned into one of the reverse SDE
word                a splitting step from its word, with evaluation letters
conjugate_euler     an exponential Euler step with another linear operator
churned, ancestral  noise added back before or after a step
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from numtoolkit.declare.entries import (
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
    symbol,
)
from numtoolkit.declare.steps import START, Eval, Item, Noise, Row, Step, Steps
from numtoolkit.errors import InputError


def written(items: Sequence[Item], out: str, carry: dict[str, str] | None = None) -> Step:
    """A layout with every phi written out for the row it stands in."""

    def _item(item: Item) -> Item:
        if not isinstance(item, Row):
            return item
        return replace(item, terms=tuple((s, expand_phi(e, item.at)) for s, e in item.terms if e != ZERO))

    return Step(tuple(map(_item, items)), out, tuple((carry or {}).items()))


def _entry(value: Scalarlike) -> Entry:
    return value if isinstance(value, Entry) else number(Fraction(value))


def evaluate(name: str, of: str = START, c: Scalarlike = 0, network_time: Scalarlike | None = None) -> Eval:
    """An evaluation at abscissa c, told the same time unless stated."""
    return Eval(name, of, _entry(c), _entry(c if network_time is None else network_time))


def combine(name: str, c: Scalarlike, **terms: Scalarlike) -> Row:
    """The row name = sum of terms at abscissa c."""
    return Row(name, _entry(c), tuple((source, _entry(entry)) for source, entry in terms.items()))


def tableau(c: Sequence[Scalarlike], A: Sequence[Sequence[Entry]], b: Sequence[Entry]) -> Step:
    """An exponential Runge-Kutta step from its Butcher tableau: A and b multiply evaluations, h and N included."""
    items: list[Item] = [evaluate("E0")]
    for i in range(1, len(c)):
        stages = {f"E{j}": a for j, a in enumerate(A[i])}
        items += [combine(f"Y{i}", c[i], y=flow(0, c[i]), **stages), evaluate(f"E{i}", f"Y{i}", c[i])]
    items.append(combine("out", 1, y=flow(), **{f"E{i}": w for i, w in enumerate(b)}))
    return written(items, "out")


def check_declared(name: str, k: int, high: int, low: int = 1, letter: str = "k") -> None:
    """raises   InputError for a member that a family, of low <= k <= high, does not have"""
    if not low <= k <= high:
        raise InputError(f"{name}({k}) is not declared; use {letter} = {low} to {high}.")


def past(count: int) -> tuple[Entry, ...]:
    """Abscissae of the step start and count - 1 steps before it: 0, -r0, -(r0 + r1), ..."""
    nodes: list[Entry] = [ZERO]
    for j in range(count - 1):
        nodes.append(nodes[-1] - symbol(f"r{j}"))
    return tuple(nodes)


def history(weights: Sequence[Entry], keep: int) -> Step:
    """A multistep step: evaluate at the start, combine with carried evaluations E1, E2, ..., hand on `keep` of them."""
    row = combine("out", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(weights)})
    return written([evaluate("E0"), row], "out", {f"E{j + 1}": f"E{j}" for j in range(min(keep, len(weights)))})


def predict_correct(predictor: Sequence[Entry], corrector: Sequence[Entry], keep: int, first: bool) -> Step:
    """Predict to 1, evaluate there, correct with the new value (last weight), which is kept as evaluated.

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
    return written(items, "out", carry)


def adams_bashforth(k: int) -> Steps:
    """The step of order k after those of orders 1 to k - 1, each with all the history there is by then."""
    steps = [history(adams(past(q)), keep=min(q, k - 1)) for q in range(1, k + 1)]
    return Steps(steps[-1], tuple(steps[:-1]))


def adams_moulton(k: int) -> Steps:
    """A k-step predictor corrected with its own evaluation, which is kept.

    Orders are raised at the start; the last step only predicts, so N steps take N evaluations. A run of q < k steps is
    that of the q-step scheme.
    """
    steps = [predict_correct(adams(past(q)), adams((*past(q), 1)), k - 1, first=q == 1) for q in range(1, k + 1)]
    if k == 1:
        steps.append(predict_correct(adams(past(1)), adams((*past(1), 1)), 0, first=False))
    last = [
        written([combine("out", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(adams(past(q)))})], "out")
        for q in range(1, k + 1)
    ]
    short = [(history(adams(past(1)), keep=0),), *((*steps[: q - 1], last[q - 1]) for q in range(2, k))]
    return Steps(steps[-1], tuple(steps[:-1]), (last[-1],), remainder=tuple(short))


def adams_moulton_again(k: int) -> Steps:
    """`adams_moulton` with corrected states evaluated again as the history (PECE): N steps take 2 N - 1 evaluations.

    So every step begins as the first one does, and hands on no value at a predicted state.
    """
    steps = [predict_correct(adams(past(q)), adams((*past(q), 1)), k - 1, first=True) for q in range(1, k + 1)]
    steps = [replace(own, carry=tuple(pair for pair in own.carry if pair[1] != "EP")) for own in steps]
    last = [history(adams(past(q)), keep=0) for q in range(1, k + 1)]
    short = [run for q in range(1, k) for run in ((*steps[: q - 1], last[q - 1]), tuple(steps[:q]))]
    return Steps(steps[-1], tuple(steps[:-1]), (last[-1],), remainder=tuple(short) or ((last[0],),))


def noisy(run: Steps) -> Steps:
    """A run of the reverse SDE: each step draws the exact noise of the linear part once, for all its rows."""
    return run.map(lambda _, step: _noisy(step))


def _noisy(layout: Step) -> Step:
    """Every row of a step gets the noise; all of them end where the step does."""
    items = [replace(i, terms=(*i.terms, ("xi", ONE))) if isinstance(i, Row) else i for i in layout.items]
    return replace(layout, items=(Noise("xi", covariance()), *items))


ANALYTIC = {"O": op("O"), "L": op("R")}  # letters whose sub-flow is exact in law
KICKS = {
    "A": "x",
    "B": "m",
    "K": "",
}  # letters whose sub-flow is an Euler kick of what the analytic letters leave
TOLD = {"S0": ZERO, "S1": ONE, "Sm": number("1/2")}


def word(text: str, conjugation: Op | None = None) -> Step:
    """A splitting step from its word, letters applied from left to right.

    S0 S1 Sm   call the network now, told the time of the start, end or middle of the step
    A B K      kick of the x row, the m row or both: linear drift not taken by an analytic letter, plus the score
    O L        exact in law: Ornstein-Uhlenbeck damping with its noise, the reverse drift at equilibrium with its noise
    X/2        the letter over its next half window

    conjugation  None: kicks are Euler steps; an operator B: their rows of L + B flow exactly, B is taken back by Euler
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
            known = " ".join([*TOLD, *elapsed])
            raise InputError(f"letter {token!r} of the splitting word {text!r} is unknown; use {known}.")
        a = elapsed[letter]
        b = elapsed[letter] = a + Fraction(1, int(parts or 1))
        terms: dict[str, Scalarlike] = {}
        if letter in ANALYTIC:
            part = ANALYTIC[letter]
            items.append(Noise(f"xi{i}", covariance(a, b, part, G)))
            terms = {state: flow(a, b, part), f"xi{i}": 1}
        else:
            row = KICKS[letter]
            drift, score = (rest.row(row), N.row(row)) if row else (rest, N)
            if conjugation is None:
                terms = {state: 1 + (b - a) * at(drift, a), quantity: (b - a) * at(score, a)}
            else:
                back = conjugation.row(row)
                undone = flow(a, b, drift + back) * (1 - (b - a) * at(back, a)) if back.terms else flow(a, b, drift)
                terms = {state: undone, quantity: integral(a, b, L=drift + back, N=score)}
        state = f"Z{i}"
        items.append(combine(state, b, **terms))
    return written(items, state)


def conjugate_euler(B: Op) -> Step:
    """The conjugate Euler step y' = Flow(L + B)(1 - h B) y + Int(L + B, N) e; B = 0 is the exponential Euler step."""
    W = L + B
    row = combine("out", 1, y=flow(L=W) * (1 - at(B)), E0=integral(L=W))
    return written([evaluate("E0"), row], "out")


def churned(layout: Step, a: Entry, scale: Entry) -> Step:
    """Noise is added back to abscissa -a by the forward law (covariance times `scale`), then the step runs."""
    prefix: list[Item] = [
        Noise("xi", scale * covariance(0, -a, op("F"), op("Q"))),
        combine("up", -a, y=flow(0, -a, op("F")), xi=1),
    ]

    def lifted(item: Item) -> Item:
        if isinstance(item, Row):
            return replace(item, terms=tuple(("up" if s == START else s, e) for s, e in item.terms))
        return replace(item, of="up") if isinstance(item, Eval) and item.of == START else item

    return Step((*prefix, *map(lifted, layout.moved(-a, 1 + a).items)), layout.out)


def ancestral(layout: Step, d: Entry) -> Step:
    """The step run on to abscissa d >= 1, then noise of the forward law back to 1."""
    noise = Noise("xi", covariance(d, 1, op("F"), op("Q")))
    back: dict[str, Scalarlike] = {layout.out: flow(d, 1, op("F")), "xi": 1}
    return Step((*layout.moved(ZERO, d).items, noise, combine("down", 1, **back)), "down", layout.carry)
