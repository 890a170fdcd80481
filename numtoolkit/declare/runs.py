"""The steps of whole runs: how they open and end, and what spends the rest of a budget.

A multistep run *opens* before it has its history, and *ends* in one of several ways; both are parameters of a scheme:

    opening  raised       orders 1, 2, ... with all the history there is by then
             first        steps of first order until there is enough
             runge-kutta  one-step steps of order 4, four evaluations each, whose first evaluations are the history
    ending   full         full order to the end; a step to t = 0 is DDIM's
             lower        orders fall to 1 over the last steps (lower_order_final of diffusers and DPM-Solver)
             ddim         the last step is of first order
             zero         full order, a step to t = 0 included, in clocks that are finite there
             none         full order, and no step to t = 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from numtoolkit.declare.entries import ZERO, Entry, Scalarlike, adams, flow, number, phi
from numtoolkit.declare.forms import LONGEST, check_whole, combine, history, past, predict_correct, tableau, written
from numtoolkit.declare.steps import Row, Step, Steps
from numtoolkit.errors import InputError

HALF = Fraction(1, 2)
OPENINGS = ("raised", "first", "runge-kutta")
ENDINGS = ("full", "lower", "ddim", "zero", "none")
BEFORE_ZERO = ("full", "lower", "ddim", "none")  # endings in a clock that is infinite at t = 0

# --- steps of one evaluation and more, without history

EXPONENTIAL_EULER = tableau([0], [[]], [phi(1)])


def filled(c: Sequence[Scalarlike], A: Sequence[Sequence[Entry]], b: Sequence[Entry]) -> Step:
    """A tableau of nodes c whose first column fills the rows of A up to c_i phi_1(c_i), the weights b up to phi_1."""
    rows = [[], *([c[i] * phi(1, c[i]) - sum(row, start=ZERO), *row] for i, row in enumerate(A, 1))]
    return tableau(c, rows, [phi(1) - sum(b, start=ZERO), *b])


def two_stages(c2: Entry) -> Step:
    """The step of RES-2S (arXiv:2308.02157 Table 3)."""
    return tableau([0, c2], [[], [c2 * phi(1, c2)]], [phi(1) - phi(2) / c2, phi(2) / c2])


def three_stages(c2: Entry, c3: Entry) -> Step:
    """The step of RES-3S (arXiv:2308.02157 Table 3; Hochbruck & Ostermann 2005 eq. 5.9)."""
    gamma = (3 * c3**2 - 2 * c3) / (c2 * (2 - 3 * c2))
    b3 = phi(2) / (gamma * c2 + c3)
    return filled([0, c2, c3], [[], [gamma * c2 * phi(2, c2) + c3**2 / c2 * phi(2, c3)]], [gamma * b3, b3])


C4: list[Scalarlike] = [0, HALF, HALF, 1]
B4 = [2 * phi(2) - 4 * phi(3), 2 * phi(2) - 4 * phi(3), 4 * phi(3) - phi(2)]
KROGSTAD = filled(C4, [[], [phi(2, HALF)], [ZERO, 2 * phi(2)]], B4)

SINGLE = ((EXPONENTIAL_EULER,),)  # what spends the rest of a budget of two evaluations a step
REMAINDER = (*SINGLE, (two_stages(number("1/2")),), (three_stages(number("1/2"), number(1)),), (KROGSTAD,))

# --- openings and endings


def one_step(step: Step, remainder: Sequence[Sequence[Step]] = REMAINDER, ending: str = "full") -> Steps:
    """A run of one step of several evaluations, without history.

    remainder  runs of 1, 2, ... evaluations for what whole steps leave of a budget
    ending     full; lower: the last whole step gives way to steps of fewer evaluations, the last of them of one; none
    """
    check_ending("a one-step scheme", ending, ("full", "lower", "none"))
    rest = tuple(map(tuple, remainder[: step.evaluations - 1]))
    final = (*rest[-1], *rest[0]) if ending == "lower" and rest else ()
    return Steps(step, final=final, final_to_zero=None if ending == "none" else EXPONENTIAL_EULER, remainder=rest)


def multistep(
    weights: Callable[[int], Sequence[Entry]],
    k: int,
    opening: str = "raised",
    ending: str = "full",
    endings: Sequence[str] = BEFORE_ZERO,
    kept: int | None = None,
) -> Steps:
    """A run of steps that weigh the last k evaluations, one a step.

    weights  (q) -> those of the step of order q, the newest evaluation first
    opening, ending   as above
    endings  those of `ENDINGS` that the clock of the scheme allows
    kept     evaluations handed on, k - 1 unless given
    """
    if opening not in OPENINGS:
        raise InputError(f"opening = {opening} is not declared; use {', '.join(OPENINGS)}.")
    check_ending("a multistep scheme", ending, endings)

    def step(q: int, have: int) -> Step:
        """The step of order q where there are that many evaluations."""
        own = list(weights(q))
        return history([*own, *[ZERO] * (have - q)], keep=min(have, k - 1 if kept is None else kept))

    raised = [step(q, q) for q in range(1, k + 1)]
    if opening == "first":
        start = [step(1, have) for have in range(1, k)]
    elif opening == "runge-kutta":
        start = [_starter(own.carry) for own in raised[:-1]]
    else:
        start = raised[:-1]
    ends = {"lower": raised[-2::-1], "ddim": raised[:1]}.get(ending, []) if k > 1 else []
    to_zero = raised[-1] if ending == "zero" else None if ending == "none" else EXPONENTIAL_EULER

    def short(count: int) -> tuple[Step, ...]:
        """A whole run that has no inner step: its orders rise as far as its end lets them."""
        orders = [min(n + 1, k) for n in range(count)]
        for n in range(count):
            limit = count - n if ending == "lower" else 1 if n == count - 1 else k
            orders[n] = min(orders[n], limit)
        return tuple(step(q, min(n + 1, k)) for n, q in enumerate(orders))

    shorter = range(1, len(start) + len(ends)) if ends else ()
    return Steps(raised[-1], tuple(start), tuple(ends), to_zero, tuple(map(short, shorter)))


def predictor_corrector(
    steps: Sequence[Step], last: Sequence[Step], ending: str, endings: Sequence[str] = BEFORE_ZERO
) -> Steps:
    """A run of steps of orders 1, 2, ..., k that correct with an evaluation at the predicted state, which is kept.

    last     steps of those orders that only predict: the last step of every run is one, so N steps take N evaluations
    ending   as above; full is the last step of order k
    endings  those of `ENDINGS` that are allowed; zero where the last step can end at t = 0
    """
    check_ending("a predictor-corrector scheme", ending, endings)
    k = len(last)
    final = {"lower": (*steps[k - 2 : 0 : -1], last[0]), "ddim": (last[0],)}.get(ending, (last[-1],))
    final = final if k > 1 else (last[0],)
    to_zero = None if ending == "none" else final[-1] if ending in ("lower", "zero") else last[0]

    def short(count: int) -> tuple[Step, ...]:
        """A whole run, too short to reach order k and come down from it."""
        if ending == "lower":
            middle = [min(n, count - 1 - n) for n in range(count - 1)]
            return (*(steps[m] for m in middle), last[0])
        return (*steps[: count - 1], last[0] if ending == "ddim" else last[count - 1])

    alone = replace(last[0], items=(EXPONENTIAL_EULER.items[0], *last[0].items))
    longest = 2 * k - 2 if ending == "lower" else k
    remainder = ((alone,), *(short(count) for count in range(2, longest)))
    return Steps(steps[-1], tuple(steps[:-1]), tuple(final), to_zero, remainder)


def adams_bashforth(k: int, opening: str = "raised", ending: str = "full") -> Steps:
    """The (exponential) Adams-Bashforth run of order k; opening and ending as above."""
    check_whole("the order k", k, 1, LONGEST)
    return multistep(lambda q: adams(past(q)), k, opening, ending, ENDINGS)


def adams_moulton(p: int, c: int | None = None, ending: str = "full", endings: Sequence[str] = ENDINGS) -> Steps:
    """A p-step predictor corrected with c past evaluations (p unless given) and its own, which is kept.

    Orders are raised at the start; ending as above, of those `endings` allowed.
    """
    past_used = p if c is None else c
    check_whole("the number of steps p", p, 1, LONGEST)
    check_whole("the number of steps c", past_used, 1, LONGEST)
    k = max(p, past_used)

    def step(q: int, first: bool) -> Step:
        predictor, corrector = adams(past(min(q, p))), adams((*past(min(q, past_used)), 1))
        fill = [ZERO] * (q - len(predictor)), [ZERO] * (q + 1 - len(corrector))
        return predict_correct([*predictor, *fill[0]], [*corrector[:-1], *fill[1], corrector[-1]], k - 1, first)

    steps = [step(q, first=q == 1) for q in range(1, k + 1)]
    steps += [step(1, first=False)] if k == 1 else []
    last = [predicted(adams(past(min(q, p)))) for q in range(1, k + 1)]
    return predictor_corrector(steps, last, ending, endings)


def adams_moulton_again(k: int) -> Steps:
    """`adams_moulton` with corrected states evaluated again as the history (PECE): N steps take 2 N - 1 evaluations.

    So every step begins as the first one does, and hands on no value at a predicted state.
    """
    steps = [predict_correct(adams(past(q)), adams((*past(q), 1)), k - 1, first=True) for q in range(1, k + 1)]
    steps = [replace(step, carry=tuple(pair for pair in step.carry if pair[1] != "EP")) for step in steps]
    last = [history(adams(past(q)), keep=0) for q in range(1, k + 1)]
    short = [run for q in range(1, k) for run in ((*steps[: q - 1], last[q - 1]), tuple(steps[:q]))]
    return Steps(steps[-1], tuple(steps[:-1]), (last[-1],), last[-1], tuple(short) or ((last[0],),))


def predicted(weights: Sequence[Entry]) -> Step:
    """A step that predicts from evaluations handed on, and evaluates nothing."""
    return written([combine("out", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(weights)})], "out")


def check_ending(what: str, ending: str, allowed: Sequence[str]) -> None:
    """raises   InputError for an ending that `what` does not have, of those `allowed`"""
    if ending not in allowed:
        raise InputError(f"ending = {ending} is not that of {what} here; use {', '.join(allowed)}.")


def _starter(carry: tuple[tuple[str, str], ...]) -> Step:
    """Krogstad's step handing on history, its stages named apart from it."""

    def apart(name: str) -> str:
        return f"S{name[1:]}" if name[0] == "E" and name != "E0" else name

    items = [
        replace(item, name=apart(item.name), terms=tuple((apart(source), entry) for source, entry in item.terms))
        if isinstance(item, Row)
        else replace(item, name=apart(item.name))
        for item in KROGSTAD.items
    ]
    return Step(tuple(items), KROGSTAD.out, carry)


def structure(**choices: tuple[str, str]) -> dict[str, str]:
    """Those of some choices, name = (value, default), that are not at their default: what a specification says."""
    return {name: value for name, (value, default) in choices.items() if value != default}


def ends(opening: str, ending: str) -> dict[str, str]:
    """What a specification says of how a run opens and ends: raised and full go without saying."""
    return structure(opening=(opening, "raised"), ending=(ending, "full"))
