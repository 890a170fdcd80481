"""Companions: second new states of a step, whose distance from the first estimates the error of the step.

A companion is a row to the end of the step, by what the step has and by evaluations that a run makes anyway:

    EN          at the new state, which the next step begins with
    H1, H2, ... those at the starts of the steps before

A scheme declares one for its first step, its second, ..., the last of them for all further ones. Runs make none of them
unless they are asked to: by `paired` they stand beside the new state, or in its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from numtoolkit.declare.entries import ONE
from numtoolkit.declare.steps import START, Eval, Item, Row, Step, Steps
from numtoolkit.errors import InputError

NEXT, BACK = "EN", "H"


def paired(steps: Steps, companions: Sequence[Row], corrected: bool = False) -> Steps:
    """The steps of a run that makes companions, each EN handed on as the evaluation that the next step begins with.

    steps       of a deterministic run
    companions  of its first step, its second, ..., the last of them for all further ones; one at least
    corrected   whether the run goes on from the companion, and ends with a step that makes none: N whole steps take as
                many evaluations as those of `steps`. Else it goes on from the new state, and the companion is a row
    raises      InputError for companions that weigh EN or H1 of steps that do not begin with an evaluation of the state
    """
    used = {source for row in companions for source, _ in row.terms}
    reach = max((int(name[1:]) for name in used if re.fullmatch(rf"{BACK}[1-9][0-9]?", name)), default=0)
    opening = max(len(steps.start), len(companions) - 1, int(NEXT in used))

    def base(n: int) -> Step:
        return steps.start[n] if n < len(steps.start) else steps.inner

    def made(n: int) -> Step:
        own, row = base(n), companions[min(n, len(companions) - 1)]
        if NEXT not in used and not reach:
            return ended(own, (*own.items, row), own.carry)
        first = _first(own)
        items: list[Item] = [*own.items, row]
        carry = [*own.carry, *((f"{BACK}{j + 1}", f"{BACK}{j}" if j else first) for j in range(min(reach, n + 1)))]
        if NEXT in used:
            items = [*(_without(own, first) if n else own).items, Eval(NEXT, own.out, ONE, ONE), row]
            carry.append((first, NEXT))
        return ended(own, items, carry)

    def ended(own: Step, items: Sequence[Item], carry: Sequence[tuple[str, str]]) -> Step:
        if not corrected:
            return Step(tuple(items), own.out, tuple(carry))
        return _needed(Step(tuple(items), items[-1].name, tuple(carry)))

    start, inner = tuple(map(made, range(opening))), made(opening)
    if not corrected:
        return Steps(inner, start)
    if NEXT not in used:
        return replace(steps, inner=inner, start=start, remainder=() if start else steps.remainder)
    # EN of the last step would be evaluated for nothing else: it is the step itself, on the EN of the one before
    last = _without(base(opening), _first(base(opening)))
    zero = steps.final_to_zero
    if zero is not None:
        zero = last if zero == base(opening) else _without(zero, _first(zero))
    alone = not steps.start and not steps.inner.needs and len(steps.remainder) == steps.inner.evaluations - 1
    short = (*steps.remainder, (steps.inner,)) if alone else ()
    return Steps(inner, start, (replace(last, carry=()),), zero, short)


def _first(step: Step) -> str:
    """The evaluation of the state that a step begins with."""
    first = step.items[0] if step.items else None
    if not isinstance(first, Eval) or first.of != START or first.unguided:
        raise InputError(
            f"its companion weighs {NEXT} or {BACK}1, but a step of it begins with no evaluation of the state; weigh "
            "what the step itself has."
        )
    return first.name


def _needed(step: Step) -> Step:
    """The step without what neither its new state nor the next step needs."""
    used, kept = {step.out, *(old for _, old in step.carry)}, list[Item]()
    for item in reversed(step.items):
        if item.name in used:
            kept.append(item)
            used |= (
                {s for s, _ in item.terms} if isinstance(item, Row) else {item.of} if isinstance(item, Eval) else set()
            )
    return replace(step, items=tuple(reversed(kept)))


def _without(step: Step, name: str) -> Step:
    """The step that takes an evaluation over instead of making it."""
    return replace(step, items=tuple(item for item in step.items if item.name != name))
