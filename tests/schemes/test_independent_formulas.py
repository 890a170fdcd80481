"""Every scheme is the formula of its paper or of its authors' code, state by state, which no declaration supplies."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.declare.entries import number
from numtoolkit.schemes import catalogue, scheme
from tests.oracles import ORACLES
from tests.support.checkout import ROOT, imported_names
from tests.support.oracle_runs import FURTHER, cases, formula_of, gap, places, program_of, states_of
from tests.support.tiers import breadth

IMAGE_SPACE = [own for own in catalogue() if "edm" in own.processes]

# Eight steps of some ten terms on either side, with weights of up to 340 (Adams of order 5 at these ratios): 1e4
# roundings of the largest state, of which 500 are met. What slips change is 1e-6 and more.
ROUNDING = 1e4 * np.finfo(float).eps


WHERE = [(own, on) for own in IMAGE_SPACE for on in ("vp", "edm")] + [(scheme(spec), "vp") for spec in FURTHER]


@pytest.mark.parametrize(
    ("own", "on"),
    breadth(WHERE, lambda own, on: on == "vp" and own in IMAGE_SPACE),
    ids=lambda value: value if isinstance(value, str) else value.spec,
)
def test_every_state_is_that_of_the_published_formula(own, on):
    """On two uneven grids, to t = 0, and for budgets that leave a rest."""
    for case in cases(own, on):
        assert gap(states_of(program_of(own, case), case), formula_of(own, case)) < ROUNDING, case


@pytest.mark.parametrize("own", IMAGE_SPACE, ids=lambda own: own.name)
def test_the_straight_path_is_that_formula_too(own):
    """A third process, whose alpha and sigma are rational: one run of each scheme, to t = 0."""
    case = next(case for case in cases(own, "flow") if case.to_zero)
    assert gap(states_of(program_of(own, case), case), formula_of(own, case)) < ROUNDING


def test_every_scheme_of_image_space_has_an_independent_formula():
    """By name, and no formula is left over."""
    assert {own.name for own in IMAGE_SPACE} == set(ORACLES["scalar"])


@pytest.mark.parametrize("own", [*IMAGE_SPACE, *map(scheme, FURTHER)], ids=lambda own: own.spec)
def test_the_runs_compared_take_every_step_of_a_scheme(own):
    """Start, inner, end, the step to t = 0 and what fills a budget: none stays without a fact."""
    taken = frozenset().union(*(places(own, case) for case in cases(own, "edm")))
    assert taken == {at for at, _ in own.steps.places()}


def test_an_independent_formula_imports_nothing_of_the_package():
    """Not an entry, not a weight, not a function phi: nothing that a slip in the package could reach."""
    for path in (ROOT / "tests" / "oracles").glob("*.py"):
        foreign = [name for name in imported_names(path.read_text("utf-8"), "tests.oracles") if "numtoolkit" in name]
        assert foreign == [], path.name


@pytest.mark.parametrize("own", IMAGE_SPACE, ids=lambda own: own.name)
def test_a_weight_wrong_by_a_millionth_is_seen(own):
    """The comparison can fail: the last weight of the last row of a step."""
    nudge = number(Fraction(1_000_001, 1_000_000))

    def slipped(at, step):
        *others, out = step.items
        (source, weight), *rest = reversed(out.terms)
        return replace(step, items=(*others, replace(out, terms=(*reversed(rest), (source, nudge * weight)))))

    wrong = replace(own, steps=own.steps.map(slipped))
    case = cases(own, "vp")[0]
    assert gap(states_of(program_of(wrong, case), case), formula_of(own, case)) > 1e3 * ROUNDING
