"""Every slip in every declaration is noticed: a mutant is refused, or has another derived order or other residuals."""

import pytest

from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.weak import weak_order
from tests.mutants import mutants


def equivalent(name):
    """Mutants that are the same scheme: the sign of a noise is no part of its law."""
    return "<- xi" in name and name.endswith("sign")


def places(scheme):
    starts, lasts = range(len(scheme.start)), range(len(scheme.last))
    found = [("step", 0), *(("start", i) for i in starts), *(("last", i) for i in lasts)]
    found += [("fill", i) for i in range(sum(map(len, scheme.fill)))]
    return found + ([] if scheme.to_zero is None or scheme.to_zero.needs else [("to_zero", 0)])


def of_step(scheme, place):
    """What the engines say of a step; of a fitted scheme, whose free coefficients leave little order, also at 0."""
    return [said(own, place) for own in ((scheme, scheme.unfitted()) if scheme.fitted else (scheme,))]


def said(scheme, place):
    """Its order and exact residuals, or the reason why they refuse it."""
    try:
        if StepInClock(scheme, place=place).declared.noises:
            law = weak_order(scheme, place)
            return law.weak, tuple((row["tree"], row["value"]) for row in law.residuals)
        found = order(scheme, place)
        # a hash of the exact value: equal values of different fields have equal hashes
        return found.p, frozenset((term, hash(value)) for term, value in found.residuals.items())
    except (InputError, ZeroDivisionError) as refusal:
        return str(refusal)


@pytest.mark.parametrize("scheme", catalogue(), ids=lambda s: s.name)
def test_every_mutant_is_killed(scheme):
    original = {place: of_step(scheme, place) for place in places(scheme)}
    survivors = []
    count = 0
    for name, mutant in mutants(scheme):
        if name.startswith("to_zero") and ("to_zero", 0) not in original:
            continue  # sa-solver's, measured in test_denoise.py
        count += 1
        if mutant is None:
            continue
        kind, index = name.partition(":")[0].split()
        own = (kind, int(index))
        others = [place for place in original if place != own]  # a slip in one step may show in the next alone
        if all(of_step(mutant, place) == original[place] for place in (own, *others)) and not equivalent(name):
            survivors.append(name)
    assert count > 5
    assert survivors == []
