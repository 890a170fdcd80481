"""Every slip in every declaration is noticed: a mutant has another derived order, other residuals, or is refused."""

import pytest

from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.law import law_order
from tests.mutants import mutants


def equivalent(name):
    """Mutants that are the same scheme: the sign of a noise is no part of its law."""
    return "<- xi" in name and name.endswith("sign")


def fingerprint(scheme):
    """What the engines say: orders and exact residuals of every step of a run; the reason, where they refuse it."""
    try:
        places = [("start", i) for i in range(len(scheme.start))] + [("last", i) for i in range(len(scheme.last))]
        places += [] if scheme.to_zero is None else [("to_zero", 0)]
        if scheme.kind == "sde":
            law = law_order(scheme)
            main = (law.weak, tuple((row["tree"], row["value"]) for row in law.residuals))
        else:
            main = _exact(order(scheme))
        if scheme.fitted:  # free coefficients leave little order to see a slip by; at 0 there is that of the base
            base = scheme.unfitted()
            main = (main, *(_exact(order(base, place)) for place in [("step", 0), *places]))
        return (main, *(_exact(order(scheme, place)) for place in places))
    except (InputError, ZeroDivisionError) as refusal:
        return str(refusal)


def _exact(found):
    return found.p, frozenset((term, str(found.field.expression(value))) for term, value in found.residuals.items())


@pytest.mark.parametrize("scheme", catalogue(), ids=lambda s: s.name)
def test_every_mutant_is_killed(scheme):
    original = fingerprint(scheme)
    survivors = []
    count = 0
    for name, mutant in mutants(scheme):
        count += 1
        if fingerprint(mutant) == original and not equivalent(name):
            survivors.append(name)
    assert count > 5
    assert survivors == []
