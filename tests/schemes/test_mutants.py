"""Every slip in every declaration is seen: a formula that does not read it denies what it makes."""

from __future__ import annotations

from collections import Counter

import pytest

from numtoolkit.schemes import catalogue, scheme
from tests.support.facts import facts, same_on_every_process
from tests.support.mutants import mutants
from tests.support.oracle_runs import FURTHER
from tests.support.phase_runs import HISTORY, NOT_TO_ZERO, ONE_STEP
from tests.support.tiers import breadth

FEW = {"heun-edm-churn", "dpmpp-2m", "iia-ddim", "roba"}
MEMBERS = {member.spec: member for member in map(scheme, (*FURTHER, *ONE_STEP, *HISTORY, *NOT_TO_ZERO))}
# Its runs to t = 0 too short for their opening are filled by a rule that its formula does not state
del MEMBERS["gddim(3, opening=runge-kutta, ending=ddim)"]
DECLARED = {own.spec: own for own in catalogue()}


@pytest.mark.parametrize(
    "own",
    breadth(
        (MEMBERS | DECLARED).values(),
        lambda own: own.name in FEW and own.spec in DECLARED,
        lambda own: own.spec in DECLARED,
    ),
    ids=lambda own: own.spec,
)
def test_every_slip_in_a_declaration_is_seen(own, record_property):
    """A mutant is refused, or its run is not that of the formula; if it is, it is the same scheme on every process."""
    held, slips, alive = [fact for fact in facts(own) if not fact.denies(own)], Counter(), []  # some overflow on EDM
    apart = {place for place, step in own.steps.places() if step != own.steps.inner}  # others are the inner one
    assert apart <= {place for fact in held for place in fact.places}
    for mutant in mutants(own):
        if mutant.scheme is None:
            slips["refused"] += 1
        elif any(fact.denies(mutant.scheme) for fact in sorted(held, key=lambda f: mutant.place not in f.places)):
            slips["denied by a formula"] += 1
        elif same_on_every_process(own, mutant.scheme, mutant.place):
            slips["the same scheme"] += 1
        else:
            alive.append(str(mutant))
    slips["alive"] = len(alive)
    record_property("slips", {f"slips in declarations: {what}": count for what, count in slips.items()})
    assert alive == []
