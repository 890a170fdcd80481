"""Every slip in every declaration is seen: a formula that does not read it denies what it makes."""

from __future__ import annotations

from collections import Counter

import pytest

from numtoolkit.schemes import catalogue
from tests.support.facts import facts, same_on_every_process
from tests.support.mutants import mutants
from tests.support.tiers import breadth

FEW = {"heun-edm-churn", "dpmpp-2m", "iia-ddim", "rvv", "roba"}


@pytest.mark.parametrize("scheme", breadth(catalogue(), lambda scheme: scheme.name in FEW), ids=lambda s: s.name)
def test_every_slip_in_a_declaration_is_seen(scheme, record_property):
    """A mutant is refused, or its run is not that of the formula; if it is, it is the same scheme on every process."""
    held, count, alive = facts(scheme), Counter(), []
    assert not any(fact.denies(scheme) for fact in held)
    for mutant in mutants(scheme):
        if mutant.scheme is None:
            count["refused"] += 1
        elif any(fact.denies(mutant.scheme) for fact in sorted(held, key=lambda f: mutant.place not in f.places)):
            count["denied by a formula"] += 1
        elif same_on_every_process(scheme, mutant.scheme, mutant.place):
            count["the same scheme"] += 1
        else:
            alive.append(str(mutant))
    record_property("mutants", dict(count))
    assert alive == []
