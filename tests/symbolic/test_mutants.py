"""Every slip in every declaration is noticed: a mutant has another derived order, other residuals, or is refused."""

import pytest

from numtoolkit.schemes import catalogue
from tests.support.mutants import mutants, of_step, places
from tests.support.tiers import breadth


def equivalent(name):
    """Mutants that are the same scheme: the sign of a noise is no part of its law."""
    return "<- xi" in name and name.endswith("sign")


@pytest.mark.parametrize("scheme", breadth(catalogue()), ids=lambda s: s.name)
def test_every_mutant_is_killed(scheme):
    """No slip in any entry of any layout leaves every derived order and residual as it was."""
    original = {place: of_step(scheme, place) for place in places(scheme)}
    survivors = []
    count = 0
    for own, name, mutant in mutants(scheme):
        if own not in original:
            continue
        count += 1
        if mutant is None:
            continue
        others = [place for place in original if place != own]  # a slip in one step may show in the next alone
        if all(of_step(mutant, place) == original[place] for place in (own, *others)) and not equivalent(name):
            survivors.append(name)
    assert count > 5
    assert survivors == []
