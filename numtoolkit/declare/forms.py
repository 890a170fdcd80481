"""The usual forms of schemes, as functions that write their layouts.

companion           a second new state of a step; corrector, those of exponential Adams-Moulton steps
tableau             an exponential Runge-Kutta step from A, b, c
runge_kutta         a plain Runge-Kutta step from the numbers of a book
history, past       a multistep step; predict_correct adds an evaluation at the predicted state
multistep    a plain multistep run from numbers
noisy               a run of the probability flow turned into one of the reverse SDE
word                a splitting step from its word, with evaluation letters
conjugate_euler     an exponential Euler step with another linear operator
churned, ancestral  noise added back before or after a step
moved_by_guidance   the start of a step moved by what guidance adds (CFG++)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from numtoolkit.declare.checks import check_weight
from numtoolkit.declare.companions import BACK, NEXT
from numtoolkit.declare.entries import (
    ONE,
    ZERO,
    Const,
    Entry,
    G,
    L,
    N,
    Op,
    Scalarlike,
    adams,
    as_entry,
    as_scalar,
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
from numtoolkit.errors import InputError, counted

LONGEST = 12  # evaluations of the past


def written(items: Sequence[Item], out: str, carry: dict[str, str] | None = None) -> Step:
    """A step of `items` to the row `out`, `carry` its history (name -> item), every phi written out for its row."""

    def _item(item: Item) -> Item:
        if not isinstance(item, Row):
            return item
        return replace(item, terms=tuple((s, expand_phi(e, item.at)) for s, e in item.terms if e != ZERO))

    return Step(tuple(map(_item, items)), out, tuple((carry or {}).items()))


def evaluate(
    name: str, of: str = START, c: Scalarlike = 0, network_time: Scalarlike | None = None, unguided: str = ""
) -> Eval:
    """The evaluation `name` at the row `of`, abscissa c; the network is told `network_time`, c unless given.

    unguided   the name of its second output, the unguided one, if the scheme uses it
    """
    return Eval(name, of, as_scalar(c), as_scalar(c if network_time is None else network_time), unguided)


def combine(name: str, c: Scalarlike, **terms: Scalarlike) -> Row:
    """The row `name` = sum of `terms` at abscissa c."""
    return Row(name, as_scalar(c), tuple((source, as_entry(entry)) for source, entry in terms.items()))


def companion(**weights: Scalarlike) -> Row:
    """A companion of a step (`numtoolkit.declare.companions`): the flow of its start and `weights` of evaluations."""
    row = combine("companion", 1, **{START: flow()}, **weights)
    return replace(row, terms=tuple((source, expand_phi(entry, ONE)) for source, entry in row.terms if entry != ZERO))


def corrector(k: int) -> tuple[Row, ...]:
    """Companions that are exponential Adams-Moulton steps, free of evaluations: of order k + 1, and below at the start.

    They weigh the evaluation at the new state and those at the starts of the last k steps, this one, E0, among them.
    """
    check_whole("k", k, 1, LONGEST)

    def row(q: int) -> Row:
        *old, new = adams((*past(q), 1))
        names = ["E0", *(f"{BACK}{j}" for j in range(1, q))]
        return companion(**dict(zip(names, old, strict=True)), **{NEXT: new})

    return tuple(row(q) for q in range(1, k + 1))


def tableau(c: Sequence[Scalarlike], A: Sequence[Sequence[Scalarlike]], b: Sequence[Scalarlike]) -> Step:
    """An exponential Runge-Kutta step from its Butcher tableau: A and b multiply evaluations, h and N included.

    c   abscissae of the stages E0, E1, ..., the first one 0
    A   a row a stage, with a weight for each stage before it: A[0] is empty, A[2] has two. A shorter row is refused
        and not filled with zeros, since the coefficient that is missing may be any of them
    b   a weight a stage
    A weight is a block; 0 alone may stand for one. A number w has neither h nor N with it: write w*phi(1) or
    w*at(N, c), which is h w N(c); a tableau of numbers is `runge_kutta`.
    raises   InputError, naming the row and its length, for another shape or an entry on or above the diagonal
    """
    nodes, rows, weights = _shaped(c, A, b)
    _weights("b", weights)
    items: list[Item] = [evaluate("E0")]
    for i in range(1, len(nodes)):
        stages = {f"E{j}": a for j, a in enumerate(_weights(f"A[{i}]", rows[i]))}
        items += [combine(f"Y{i}", nodes[i], y=flow(0, nodes[i]), **stages), evaluate(f"E{i}", f"Y{i}", nodes[i])]
    items.append(combine("out", 1, y=flow(), **{f"E{i}": w for i, w in enumerate(weights)}))
    return written(items, "out")


def _shaped(
    c: Sequence[Scalarlike], A: Sequence[Sequence[Scalarlike]], b: Sequence[Scalarlike]
) -> tuple[list[Entry], list[list[Entry]], list[Entry]]:
    """The entries of an explicit tableau.

    raises   InputError for any other shape
    """
    nodes, weights = list(map(as_scalar, _listed("c", c))), _entries("b", b)
    count = len(nodes)
    if not count or nodes[0] != ZERO:
        has = f"c[0] = {nodes[0]}" if count else "c is empty"
        raise InputError(f"{has}: the first stage of a tableau is the state itself; begin c with 0.")
    rows = [_entries(f"A[{i}]", row) for i, row in enumerate(_listed("A", A))]
    if len(rows) != count:
        raise InputError(
            f"A has {counted(len(rows), 'row')} for {counted(count, 'stage')}; give one a stage, A[0] empty."
        )
    for i, row in enumerate(rows):
        for j in range(i, len(row)):
            if row[j] != ZERO:
                beyond = "itself" if i == j else f"stage {j}, a later one"
                raise InputError(f"A[{i}][{j}] = {row[j]}: stage {i} uses {beyond}; give an explicit tableau.")
        if len(row) != i:
            before = f"{counted(i, 'stage')} before it"
            raise InputError(f"A[{i}] has {counted(len(row), 'weight')}, but stage {i} has {before}; give {i}.")
    if len(weights) != count:
        raise InputError(f"b has {counted(len(weights), 'weight')} for {counted(count, 'stage')}; give {count}.")
    return nodes, rows, weights


def _listed(what: str, values: object) -> list[Any]:
    """raises   InputError for what is no sequence"""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{what} = {values!r} is no sequence; give a list.")
    return list(values)


def _entries(what: str, values: object) -> list[Entry]:
    return list(map(as_entry, _listed(what, values)))


def _weights(what: str, values: object) -> list[Entry]:
    """A row of weights of evaluations.

    raises   InputError for one without h N
    """
    weights = _entries(what, values)
    for j, weight in enumerate(weights):
        check_weight(f"{what}[{j}]", weight, evaluation=True)
    return weights


def runge_kutta(c: Sequence[Scalarlike], A: Sequence[Sequence[Scalarlike]], b: Sequence[Scalarlike]) -> Step:
    """A plain Runge-Kutta step from its Butcher tableau of numbers or parameters, for a scheme that freezes the drift.

    runge_kutta([0, "1/2"], [[], ["1/2"]], [0, 1]) is the midpoint rule. c, A and b have the shape of `tableau`.
    raises   InputError for another shape, or a weight that is a block
    """
    nodes, rows, weights = _shaped(c, A, b)
    return tableau(nodes, [_slopes(row, d) for row, d in zip(rows, nodes, strict=True)], _slopes(weights, ONE))


def _slopes(weights: Sequence[Scalarlike], d: Entry) -> list[Entry]:
    """Numbers as weights of a row that ends at abscissa d: h N times them, N = 1 where the drift is frozen."""
    return [as_scalar(weight) * at(N, d) for weight in weights]


def check_declared(name: str, k: int, high: int, low: int = 1, letter: str = "k") -> None:
    """Checks that the family `name` has a member of index k, low <= k <= high; `letter` is what the sentence calls it.

    raises   InputError for a member that there is not
    """
    if not low <= k <= high:
        raise InputError(f"{name}({k}) is not declared; use {letter} = {low} to {high}.")


def check_whole(what: str, value: object, low: int, high: int) -> None:
    """Checks that `value` is a whole number of low to high; `what` is what the sentence calls it.

    raises   InputError for any other value
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{what} = {value!r} is no whole number from {low} to {high}; give one.")


def past(count: int) -> tuple[Entry, ...]:
    """Abscissae of the step start and count - 1 steps before it: 0, -r0, -(r0 + r1), ..."""
    check_whole("the count of past evaluations", count, 1, LONGEST)
    nodes: list[Entry] = [ZERO]
    for j in range(count - 1):
        nodes.append(nodes[-1] - symbol(f"r{j}"))
    return tuple(nodes)


def history(weights: Sequence[Scalarlike], keep: int) -> Step:
    """A multistep step: evaluate at the start, combine with carried evaluations E1, E2, ..., hand on `keep` of them.

    raises   InputError for no weights, a weight without h N, or a `keep` beyond the evaluations there are
    """
    own = _weights("weights", weights)
    check_whole("the number of weights", len(own), 1, LONGEST)
    check_whole("keep", keep, 0, len(own))
    row = combine("out", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(own)})
    return written([evaluate("E0"), row], "out", {f"E{j + 1}": f"E{j}" for j in range(keep)})


def multistep(*weights: Sequence[Scalarlike]) -> Steps:
    """A plain multistep run from numbers, for a scheme that freezes the drift: y' = y + h sum_j w_j E_j, E0 the newest.

    weights   of the first step, which has one evaluation, of the second, which may use two, ... and, last, of every
              further step: multistep([1], ["3/2", "-1/2"]) is AB2 for equal steps, started by Euler's method

    Fixed weights are those of one step ratio: on a grid of other ratios AB2 and its like are of order 1, as proofs say.
    Past states have no weights: with them a run may diverge whatever its order is, and no engine here looks into that.
    raises   InputError for more weights than there are evaluations by then, or a weight that is a block
    """
    if not weights:
        raise InputError("multistep has no weights; give those of each starting step and of the further ones.")
    rows = [_entries(f"the weights of step {n}", own) for n, own in enumerate(weights, 1)]
    for n, own in enumerate(rows, 1):
        if not 1 <= len(own) <= n:
            has, got = counted(n, "evaluation"), counted(len(own), "weight")
            raise InputError(
                f"step {n} of a multistep run has {has} to weigh, got {got}; give the weights of the starting steps "
                "before it."
            )
    keep = [len(rows[-1]) - 1]  # what each step hands on: what the next one weighs and, one less, what that hands on
    for own in rows[:0:-1]:
        keep.insert(0, max(len(own), keep[0]) - 1)
    steps = [
        history([*_slopes(own, ONE), *[ZERO] * (n - len(own))], kept)
        for n, (own, kept) in enumerate(zip(rows, keep, strict=True), 1)
    ]
    return Steps(steps[-1], tuple(steps[:-1]))


def predict_correct(predictor: Sequence[Scalarlike], corrector: Sequence[Scalarlike], keep: int, first: bool) -> Step:
    """Predict to 1, evaluate there, correct with the new value (last weight), which is kept as evaluated.

    E0, E1, ... are carried from earlier steps; the first step of a run evaluates E0 itself.
    raises   InputError unless the corrector has one weight more than the predictor
    predictor   weights of E0, E1, ...
    corrector   the same with one more, last, of the new evaluation
    keep        how many evaluations the next step is handed
    first       whether this is the first step of a run
    """
    predictor, corrector = _weights("the predictor", predictor), _weights("the corrector", corrector)
    if not predictor or len(corrector) != len(predictor) + 1:
        have = f"{counted(len(predictor), 'weight')} and the corrector {len(corrector)}"
        raise InputError(f"the predictor has {have}; give the corrector one more, for the predicted value.")
    check_whole("keep", keep, 0, LONGEST)
    names = [f"E{j}" for j in range(len(corrector) - 1)]
    items: list[Item] = [evaluate("E0")] if first else []
    items += [
        combine("P", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(predictor)}),
        evaluate("EP", "P", 1),
        combine("out", 1, y=flow(), **dict(zip([*names, "EP"], corrector, strict=True))),
    ]
    carry = {"E0": "EP"} | {f"E{j + 1}": f"E{j}" for j in range(min(keep, len(names)))}
    return written(items, "out", carry)


def noisy(run: Steps) -> Steps:
    """A run of the reverse SDE: each step draws the exact noise of the linear part, each row that until its own end.

    Rows that end at one abscissa share their noise, and later ones flow it on: one path of the SDE passes through all.
    raises   InputError for a step whose rows turn back to an abscissa that others have passed
    """
    return run.map(lambda _, step: _noisy(step))


def _noisy(layout: Step) -> Step:
    """The step with noise in every row, drawn in parts between the abscissae where rows end."""
    ends = list(dict.fromkeys(item.at for item in layout.items if isinstance(item, Row)))
    names = ["xi"] if len(ends) == 1 else [f"xi{i}" for i in range(1, len(ends) + 1)]
    starts = dict(zip(ends, [ZERO, *ends[:-1]], strict=True))
    items: list[Item] = []
    reached = 0  # how many of the ends rows have come to
    for item in layout.items:
        if not isinstance(item, Row):
            items.append(item)
            continue
        place = ends.index(item.at)
        if place < reached - 1 or (place == reached and _turns(starts[item.at], item.at)):
            raise InputError(
                f"row {item.name} of a step turns back to abscissa {item.at}, past which its noise has been drawn; "
                "give a step whose rows end one after the other."
            )
        if place == reached:
            items.append(Noise(names[place], covariance(starts[item.at], item.at)))
            reached += 1
        so_far = [(name, flow(end, item.at)) for name, end in zip(names[:reached], ends, strict=False)]
        items.append(replace(item, terms=(*item.terms, *so_far[:-1], (names[place], ONE))))
    return replace(layout, items=tuple(items))


def _turns(start: Entry, end: Entry) -> bool:
    """Whether an abscissa lies before the one before it, as far as numbers say."""
    return isinstance(start, Const) and isinstance(end, Const) and end.value < start.value


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
    raises   InputError for a letter that is unknown, a kick before any call, or windows that do not fill the step
    """
    tokens = text.split() if isinstance(text, str) else []
    if not tokens:
        raise InputError(f"the splitting word {text!r} is empty; write one such as 'S0 B A'.")
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
        letter, window = _window(token, text)
        a = elapsed[letter]
        b = elapsed[letter] = a + window
        terms: dict[str, Scalarlike] = {}
        if letter in ANALYTIC:
            part = ANALYTIC[letter]
            items.append(Noise(f"xi{i}", covariance(a, b, part, G)))
            terms = {state: flow(a, b, part), f"xi{i}": 1}
        else:
            if not quantity:
                call = " ".join(TOLD)
                raise InputError(
                    f"the kick {token!r} of the splitting word {text!r} comes before any of {call}; put one first."
                )
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
    for letter, end in elapsed.items():
        if end not in (0, 1):
            raise InputError(f"the windows of {letter} in the splitting word {text!r} sum to {end}; let them sum to 1.")
    if not any(isinstance(item, Eval) for item in items) or state == START:
        lacks = "moves nothing" if state == START else "calls no network"
        raise InputError(f"the splitting word {text!r} {lacks}; write one such as 'S0 B A'.")
    return written(items, state)


def _window(token: str, text: str) -> tuple[str, Fraction]:
    """The letter of a token of a word and the part of the step it takes."""
    letter, slash, parts = token.partition("/")
    if letter not in (*ANALYTIC, *KICKS):
        known = " ".join([*TOLD, *ANALYTIC, *KICKS])
        raise InputError(f"letter {token!r} of the splitting word {text!r} is unknown; use {known}.")
    if slash and not (re.fullmatch("[0-9]{1,6}", parts) and int(parts)):
        raise InputError(
            f"the window of {token!r} in the splitting word {text!r} is no part; write {letter}/2 for a half."
        )
    return letter, Fraction(1, int(parts or 1))


def conjugate_euler(B: Op) -> Step:
    """The conjugate Euler step y' = Flow(L + B)(1 - h B) y + Int(L + B, N) e; B = 0 is the exponential Euler step."""
    W = L + B
    row = combine("out", 1, y=flow(L=W) * (1 - at(B)), E0=integral(L=W))
    return written([evaluate("E0"), row], "out")


def churned(layout: Step, a: Scalarlike, scale: Scalarlike = 1) -> Step:
    """Noise is added back to abscissa -a by the forward law (covariance times `scale`), then the step `layout` runs.

    raises   InputError for a step with history, which noise would set apart from the state, or one that draws noise
    """
    a, scale = as_scalar(a), as_scalar(scale)
    if layout.needs or layout.carry or layout.noises:
        raise InputError(
            "a churned step takes no history and draws no other noise; give a deterministic one-step scheme's."
        )
    prefix: list[Item] = [
        Noise("xi", scale * covariance(0, -a, op("F"), op("Q"))),
        combine("up", -a, y=flow(0, -a, op("F")), xi=1),
    ]

    def lifted(item: Item) -> Item:
        if isinstance(item, Row):
            return replace(item, terms=tuple(("up" if s == START else s, e) for s, e in item.terms))
        return replace(item, of="up") if isinstance(item, Eval) and item.of == START else item

    return Step((*prefix, *map(lifted, layout.moved(-a, 1 + a).items)), layout.out)


def ancestral(layout: Step, d: Scalarlike) -> Step:
    """The step run on to abscissa d >= 1, then noise of the forward law back to 1.

    raises   InputError for a step that draws noise of its own
    """
    d = as_scalar(d)
    if layout.noises:
        raise InputError("an ancestral step draws no other noise; give a deterministic scheme's.")
    noise = Noise("xi", covariance(d, 1, op("F"), op("Q")))
    back: dict[str, Scalarlike] = {layout.out: flow(d, 1, op("F")), "xi": 1}
    return Step((*layout.moved(ZERO, d).items, noise, combine("down", 1, **back)), "down", layout.carry)


def moved_by_guidance(layout: Step, weight: Scalarlike, unguided: bool = False) -> Step:
    """The step from a start that is moved by the guided minus the unguided data prediction, as CFG++ takes it.

    The history it hands on is that of the unguided predictions.
    layout    a step whose first item evaluates E0 at its start
    weight    of guided minus unguided E0 in the start, alpha for the data and -sigma for the noise. Where the data are
              frozen in log-SNR h N is h alpha, and at(N, 0) over h is the weight; where the noise is in the noise level
              h N is -alpha (s - s_end), and the weight is at(N, 0) times s / (s - s_end)
    unguided  whether its rows weigh the unguided output of E0 rather than the guided one
    raises    InputError for a step that begins otherwise
    """
    first, *rest = layout.items
    if not isinstance(first, Eval) or (first.name, first.of) != ("E0", START):
        raise InputError("a step moved by guidance evaluates E0 at its start, first of all; give such a step.")
    own = as_entry(weight)
    start = combine("P", 0, y=1, E0=own, U0=-own)
    names = {START: start.name} | ({"E0": "U0"} if unguided else {})
    items = [
        replace(item, terms=tuple((names.get(source, source), entry) for source, entry in item.terms))
        if isinstance(item, Row)
        else item
        for item in rest
    ]
    carry = tuple((new, "U0" if old == "E0" else old) for new, old in layout.carry)
    return Step((replace(first, unguided="U0"), start, *items), layout.out, carry)
