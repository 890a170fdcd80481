"""A step as a composition of flows of two parts: A the linear one, exactly, B what the network gives, by kicks.

    A    the flow of L, exact; the time of the step runs on with it
    B    x' = N E(x, t) at the time t that it is at, held fixed, while the state moves

Time is a part of A, so that a word of A and B has the order that it has for two vector fields, whatever changes with
time. The flow of B is that of a nonlinear equation: E is the network's, and depends on what it moves. It is taken by a
Runge-Kutta rule of an order that the word does not exceed, as many evaluations a kick as the rule has stages.
"""

from __future__ import annotations

from collections.abc import Sequence

from numtoolkit.declare.entries import ONE, ZERO, Entry, N, Scalarlike, as_scalar, at, flow
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.declare.runs import REMAINDER
from numtoolkit.declare.steps import START, Item, Step, Steps

Rule = tuple[Sequence[Sequence[Scalarlike]], Sequence[Scalarlike]]  # A and b of a tableau; its times are all one

# By order: Euler's method, the midpoint rule, Kutta 1901, Butcher 1964 (On Runge-Kutta processes of high order, eq. 11)
RULES: dict[int, Rule] = {
    1: ([[]], [1]),
    2: ([[], ["1/2"]], [0, 1]),
    4: ([[], ["1/2"], [0, "1/2"], [0, 0, 1]], ["1/6", "1/3", "1/3", "1/6"]),
    6: (
        [
            [],
            ["1/3"],
            [0, "2/3"],
            ["1/12", "1/3", "-1/12"],
            ["-1/16", "9/8", "-3/16", "-3/8"],
            [0, "9/8", "-3/8", "-3/4", "1/2"],
            ["9/44", "-9/11", "63/44", "18/11", 0, "-16/11"],
        ],
        ["11/120", 0, "27/40", "27/40", "-4/15", "-4/15", "11/120"],
    ),
}


def composed(flows: Sequence[tuple[str, Entry, Entry]], kick: int) -> Step:
    """A step of flows of A and B, the first one first.

    flows   (letter, length in steps, abscissa that the time is at when it ends) of each
    kick    the order of the rule of B, a key of `RULES`
    """
    rows, weights = RULES[kick]
    items: list[Item] = []
    state, calls = START, 0
    now: Entry = ZERO

    def moved(name: str, length: Entry, taken: Sequence[str], by: Sequence[Scalarlike]) -> Item:
        own = {one: length * as_scalar(weight) * at(N, now) for one, weight in zip(taken, by, strict=True)}
        return combine(name, now, **{state: ONE}, **own)

    for i, (letter, length, end) in enumerate(flows, 1):
        if letter == "A":
            items.append(combine(f"Z{i}", end, **{state: flow(now, end)}))
            now = end
        else:
            taken: list[str] = []
            for row in rows:
                stage = f"Y{calls}" if row else state
                items += [moved(stage, length, taken, row)] if row else []
                items.append(evaluate(f"E{calls}", stage, now))
                taken.append(f"E{calls}")
                calls += 1
            items.append(moved(f"Z{i}", length, taken, weights))
        state = f"Z{i}"
    return written(items, state)


def run_of(step: Step) -> Steps:
    """A run of such steps, above t = 0, and exponential Runge-Kutta steps of four evaluations and less for a rest."""
    whole = REMAINDER[-1]
    rest = tuple((*whole * (n // 4), *(REMAINDER[n % 4 - 1] if n % 4 else ())) for n in range(1, step.evaluations))
    return Steps(step, remainder=rest)
