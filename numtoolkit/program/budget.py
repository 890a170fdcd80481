"""Which steps make a run: the layouts of a number of steps, or of a budget of evaluations."""

from __future__ import annotations

from numtoolkit.declare.scheme import Scheme, Step
from numtoolkit.errors import InputError
from numtoolkit.problem.processes import Floats


def layouts(scheme: Scheme, steps: int, to_zero: bool = False) -> list[Step]:
    """The layout of each step of a run.

    raises   InputError when the run is too short for the scheme's starting and final steps
    """
    last = scheme.last
    if to_zero and scheme.to_zero != scheme.step:
        if scheme.to_zero is None and not last:
            raise InputError(f"scheme {scheme.name} has no step to t = 0; end the grid at a time above 0.")
        last = last if scheme.to_zero is None else (*last[:-1], scheme.to_zero)
    inner = steps - len(scheme.start) - len(last)
    if inner >= 0:
        return [*scheme.start, *[scheme.step] * inner, *last]
    if steps >= 1 and not scheme.last:  # a short run of a scheme without a special end is all start
        return [*scheme.start[: steps - len(last)], *last]
    for run in scheme.fill:
        if len(run) == steps:
            handed = bool(to_zero and scheme.to_zero and steps > 1)
            return [*run[:-1], last[-1]] if handed else list(run)
    raise InputError(
        f"scheme {scheme.name} needs at least {steps - inner} steps for its start and end, got {steps}; take more."
    )


def evaluations(scheme: Scheme, steps: int, to_zero: bool = False) -> int:
    """Network evaluations of a run of that many whole steps, without lowering it."""
    further = max(steps - _shortest(scheme), 0)
    own = layouts(scheme, steps - further, to_zero)
    return sum(layout.evaluations for layout in own) + further * scheme.nfe_per_step


def _shortest(scheme: Scheme) -> int:
    """Steps beyond which every further one is an inner step."""
    return len(scheme.start) + max(len(scheme.last), 1) + 1


def planned(scheme: Scheme, nfe: int, to_zero: bool = False) -> list[Step]:
    """The layout of each step of a run that spends exactly `nfe` evaluations.

    As many whole steps as the budget has room for. What they leave is spent by `fill` at the end, before the step that
    goes to t = 0. Where a scheme has last steps, an inner one that takes as many evaluations more stands for them; on
    the way to t = 0, where nothing can be evaluated, `fill` then comes before the first step.
    raises   InputError naming the nearest budgets of whole steps, for a scheme whose `fill` does not reach
    """
    reachable = _reachable(scheme, nfe, to_zero)
    if nfe in reachable:
        return layouts(scheme, reachable[nfe], to_zero)
    spent = max((found for found in reachable if found < nfe), default=0)
    whole = layouts(scheme, reachable[spent], to_zero) if spent else []
    if scheme.last and not to_zero:
        if len(whole) < len(scheme.start) + len(scheme.last) and 0 < nfe <= len(scheme.fill):
            return list(scheme.fill[nfe - 1])
        if nfe - spent == scheme.nfe_per_step - sum(layout.evaluations for layout in scheme.last):
            return [*whole[: -len(scheme.last)], scheme.step]
    elif 0 < nfe - spent <= len(scheme.fill):
        end = 0 if scheme.last else len(whole) - (to_zero and bool(whole))
        return [*whole[:end], *scheme.fill[nfe - spent - 1], *whole[end:]]
    near = sorted(sorted(reachable, key=lambda found: abs(found - nfe))[:2])
    raise InputError(
        f"scheme {scheme.name} cannot spend {nfe} evaluations; the nearest it can are {', '.join(map(str, near))}."
    )


def _reachable(scheme: Scheme, nfe: int, to_zero: bool) -> dict[int, int]:
    """The budgets of whole steps about `nfe`, with their steps."""
    base = _shortest(scheme)
    near = base + max(nfe - evaluations(scheme, base, to_zero), 0) // max(scheme.nfe_per_step, 1)
    found: dict[int, int] = {}
    for steps in (*range(1, base + 1), near, near + 1):
        try:
            found[evaluations(scheme, steps, to_zero)] = steps
        except InputError:  # too short for the scheme's start and end
            continue
    return found


def plan(scheme: Scheme, times: Floats, nfe: int | None = None) -> list[Step]:
    """The layout of each step of a run on a grid: whole steps, or those of a budget of evaluations.

    raises   InputError for a budget that takes another number of steps
    """
    steps, to_zero = len(times) - 1, bool(times[-1] == 0)
    if nfe is None:
        return layouts(scheme, steps, to_zero)
    found = planned(scheme, nfe, to_zero)
    if len(found) != steps:
        raise InputError(
            f"scheme {scheme.spec} spends {nfe} evaluations in {len(found)} steps, but the grid has {steps}; drop nfe "
            f"or give {len(found) + 1} times."
        )
    return found
