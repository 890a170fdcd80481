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
from tests.support.oracle_runs import cases, formula_of, gap, places, program_of, states_of

# Members of families, openings and endings, and parameters at which a term vanishes.
FURTHER = """
heun(ending=lower) heun-edm(ending=lower) res-2s(ending=lower) dpmpp-2s(ending=lower) dpm-solver-2(ending=none)
res-3s(ending=lower) dpm-solver-3(ending=lower) etd3rk(ending=lower) etd4rk(ending=lower) krogstad-4(ending=none)
hochbruck-ostermann-4(ending=lower) lawson-4(ending=lower)
dpmpp-2m(ending=ddim) dpmpp-2m(opening=runge-kutta,ending=lower) res-2m(ending=lower) res-3m(opening=first)
dpmpp-3m(opening=first,ending=lower) dpmpp-3m-corrected(opening=runge-kutta,ending=ddim)
exp-adams(1) exp-adams(2) exp-adams(3) exp-adams(5,ending=none) exp-adams(6) exp-adams(4,opening=runge-kutta)
unipc(1) unipc(1,variant=bh1) unipc(2,variant=bh1) unipc(2,ending=ddim) unipc(3) unipc(3,ending=full) unipc(4)
deis-tab(0) deis-tab(1) deis-tab(2,opening=runge-kutta,ending=lower) deis-tab(4) deis-tab(5)
deis-rhoab(0) deis-rhoab(1) deis-rhoab(2,opening=first) deis-rhoab(4) deis-rhoab(5,ending=ddim) lms(2) lms
ipndm(1) ipndm(2,ending=lower) ipndm(3,ending=zero) ipndm(4,opening=runge-kutta)
heun-edm-churn(s_noise=0) euler-churn(churn=0) dpm2-ancestral(eta=0) res-2m-ancestral(eta=0)
sde-dpmpp-2m(ending=lower) sa-solver(2) sa-solver(3,1) sa-solver(1,3) sa-solver(4,ending=lower) sa-solver(2,ending=full)
sa-solver(2,tau=0) sa-solver(2,s_min=1/5,s_max=10)
lambda-ddim-1(B=beta) lambda-ddim-2(B=time) lambda-ddim-1(B=optimal) lambda-ddim-2(B=optimal)
gframe-ab(1) gframe-ab(3) gframe-ab(4) gframe-ab(5) gframe-ab(3,tau=1) gframe-ab(2,tau=1/2,opening=first,ending=lower)
gframe-ab(3,opening=runge-kutta,ending=full) gframe-abm(1) gframe-abm(3) gframe-abm(5) gframe-abm(2,tau=1/2)
gframe-ab(3,tau=1,opening=runge-kutta) gframe-abm(4,ending=lower) gframe-abm(2,ending=full) gframe-abm(2,ending=ddim)
dpmpp-2m(frozen=noise) dpmpp-3m(frozen=noise,ending=lower) exp-adams(2,frozen=noise) exp-adams(4,frozen=noise)
gradient-estimation(gamma=1) gradient-estimation(ending=zero) dpmpp-2s-ancestral(eta=0) er-sde(1) er-sde(2)
seeds-2(frozen=data) seeds-3(frozen=data) seeds-3(ending=lower) sde-dpmpp-2m(solver=heun) sde-dpmpp-3m(ending=ddim)
iia-ddim(one) iia-ddim(guided) biia-edm(0) biia-edm(2) biia-edm(3) iia-edm(0) iia-edm(2) iia-edm(3)
""".split()
IMAGE_SPACE = [own for own in catalogue() if "edm" in own.processes]

# Eight steps of some ten terms on either side, with weights of up to 340 (Adams of order 5 at these ratios): 1e4
# roundings of the largest state, of which 500 are met. What slips change is 1e-6 and more.
ROUNDING = 1e4 * np.finfo(float).eps


WHERE = [(own, on) for own in IMAGE_SPACE for on in ("vp", "edm")] + [(scheme(spec), "vp") for spec in FURTHER]


@pytest.mark.parametrize(("own", "on"), WHERE, ids=lambda value: value if isinstance(value, str) else value.spec)
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
