"""Which steps make a run: those of a number of steps, or of a budget of evaluations."""

from __future__ import annotations

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Step
from numtoolkit.errors import InputError
from numtoolkit.problem.processes import Floats


def whole_steps(scheme: Scheme, count: int, to_zero: bool = False) -> list[Step]:
    """The steps of a run of that many, by their places.

    scheme   any
    count    steps of the grid
    to_zero  whether the grid ends at t = 0
    raises   InputError when the run is too short for the scheme's starting and final steps
    """
    steps = scheme.steps
    final = steps.final
    if to_zero and steps.final_to_zero != steps.inner:
        if steps.final_to_zero is None:
            raise InputError(f"scheme {scheme.name} has no step to t = 0; end the grid at a time above 0.")
        final = (*final[:-1], steps.final_to_zero)
    inner = count - len(steps.start) - len(final)
    if inner >= 0:
        return [*steps.start, *[steps.inner] * inner, *final]
    if count >= 1 and not steps.final:  # a short run of a scheme without a special end is all start
        return [*steps.start[: count - len(final)], *final]
    for run in steps.remainder:
        if len(run) == count:
            # where the last step of a run serves at t = 0 too, that of a short run does, whose history is shorter
            other = to_zero and count > 1 and steps.final_to_zero != steps.final[-1]
            return [*run[:-1], final[-1]] if other else list(run)
    raise InputError(
        f"scheme {scheme.name} needs at least {count - inner} steps for its start and end, got {count}; take more."
    )


def evaluations(scheme: Scheme, steps: int, to_zero: bool = False) -> int:
    """Network evaluations of a run of a scheme in that many whole steps, not lowered for it; to_zero as there."""
    further = max(steps - _shortest(scheme), 0)
    own = whole_steps(scheme, steps - further, to_zero)
    return sum(step.evaluations for step in own) + further * scheme.nfe_per_step


def _shortest(scheme: Scheme) -> int:
    """Steps beyond which every further one is an inner step."""
    return len(scheme.steps.start) + max(len(scheme.steps.final), 1) + 1


def planned(scheme: Scheme, nfe: int, to_zero: bool = False) -> list[Step]:
    """The steps of a run that spends exactly `nfe` evaluations.

    As many whole steps as the budget has room for. What they leave is spent by `remainder` at the end, before the step
    that goes to t = 0. Where a scheme has final steps, an inner one that takes as many evaluations more stands for
    them; on the way to t = 0 (`to_zero`), where nothing can be evaluated, `remainder` then comes before the first step.
    raises   InputError naming the nearest budgets of whole steps, for a scheme whose `remainder` does not reach
    """
    steps = scheme.steps
    reachable = _reachable(scheme, nfe, to_zero)
    if nfe in reachable:
        return whole_steps(scheme, reachable[nfe], to_zero)
    spent = max((budget for budget in reachable if budget < nfe), default=0)
    whole = whole_steps(scheme, reachable[spent], to_zero) if spent else []
    left = nfe % scheme.nfe_per_step
    if steps.final and not steps.start and not steps.inner.needs and 0 < left <= len(steps.remainder):
        # what is left is of lower order itself, and stands for the final steps of a one-step scheme
        inner = [steps.inner] * (nfe // scheme.nfe_per_step)
        if to_zero and steps.final_to_zero is not None:
            return [*inner, *(steps.remainder[left - 2] if left > 1 else ()), steps.final_to_zero]
        return [*inner, *steps.remainder[left - 1]]
    if steps.final and not to_zero:
        if len(whole) < len(steps.start) + len(steps.final) and 0 < nfe <= len(steps.remainder):
            return list(steps.remainder[nfe - 1])
        if whole and nfe - spent == scheme.nfe_per_step - sum(step.evaluations for step in steps.final):
            return [*whole[: -len(steps.final)], steps.inner]
    elif 0 < nfe - spent <= len(steps.remainder):
        end = 0 if steps.final else len(whole) - (to_zero and bool(whole))
        return [*whole[:end], *steps.remainder[nfe - spent - 1], *whole[end:]]
    near = sorted(sorted(reachable, key=lambda budget: abs(budget - nfe))[:2])
    raise InputError(
        f"scheme {scheme.name} cannot spend {nfe} evaluations; the nearest it can are {', '.join(map(str, near))}."
    )


def _reachable(scheme: Scheme, nfe: int, to_zero: bool) -> dict[int, int]:
    """The budgets of whole steps about `nfe`, with their steps."""
    base = _shortest(scheme)
    near = base + max(nfe - evaluations(scheme, base, to_zero), 0) // max(scheme.nfe_per_step, 1)
    steps_of: dict[int, int] = {}
    for steps in (*range(1, base + 1), near, near + 1):
        try:
            steps_of[evaluations(scheme, steps, to_zero)] = steps
        except InputError:  # too short for the scheme's start and end
            continue
    return steps_of


def plan(scheme: Scheme, times: Floats, nfe: int | None = None) -> list[Step]:
    """The steps of a run on a grid: whole ones, or those of a budget of evaluations.

    scheme   any
    times    N + 1 process times, falling
    nfe      the budget, None for whole steps
    raises   InputError for a budget that takes another number of steps
    """
    count, to_zero = len(times) - 1, bool(times[-1] == 0)
    if nfe is None:
        return whole_steps(scheme, count, to_zero)
    run = planned(scheme, nfe, to_zero)
    if len(run) != count:
        raise InputError(
            f"scheme {scheme.spec} spends {nfe} evaluations in {len(run)} steps, but the grid has {count}; drop nfe "
            f"or give {len(run) + 1} times."
        )
    return run
