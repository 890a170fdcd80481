"""The order of every scheme is derived: as published, for every parameter, and without the claims."""

from dataclasses import replace
from fractions import Fraction as F

import pytest
import sympy

from numtoolkit.declare.entries import N, phi
from numtoolkit.declare.scheme import Claims
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.classical import order, residuals
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import SeriesExpansion
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import StiffConditions, applies, stiff_order
from numtoolkit.symbolic.trees import Exact
from numtoolkit.symbolic.verdict import verify
from numtoolkit.symbolic.weak import weak_order
from tests.support.declarations import (
    HALF,
    THIRD,
    TWO_THIRDS,
    WRONG_GAMMA,
    dpmpp_3s_taylor,
    exponential,
    res_3s,
    wrong_gamma,
)
from tests.support.tiers import breadth


def test_every_claim_of_the_catalogue_is_what_the_engines_derive():
    """Derived below claimed only where the scheme records the claim as refuted."""
    for member in catalogue():
        verdict = verify(member)
        assert verdict.ok, verdict
        refuted = {name for name, own in verdict.claimed.items() if own is not None and verdict.derived[name] < own}
        assert refuted == set(member.claims.refuted), verdict


def test_the_order_of_a_whole_run_is_that_of_its_weakest_step():
    """A first-order step at the start or the end is an error of h^2 that nothing takes back."""
    assert {name: verify(scheme(name)).run for name in ("dpmpp-2m", "res-3m", "unipc", "exp-adams(4)", "etd4rk")} == {
        "dpmpp-2m": 2,
        "res-3m": 2,
        "unipc": 2,
        "exp-adams(4)": 2,
        "etd4rk": 4,
    }


def test_conditions_are_as_many_as_trees():
    """Exponential (and non-autonomous) trees: 1, 2, 5, 13, 37, 108 an order; stiff conditions: 1, 2, 4, 9, 20, 48."""
    field = Field()
    reading = SeriesExpansion(field, 6, absent=("L",), steady=("N",))
    exact = Exact(field, [], reading.jets(N), 6)
    assert [len(terms) for terms in exact.terms[1:]] == [1, 2, 5, 13, 37, 108]
    conditions = StiffConditions(scheme("ddim"))
    assert [len(list(conditions.values(p))) for p in range(2, 8)] == [1, 2, 4, 9, 20, 48]


@pytest.mark.parametrize(
    ("member", "classical", "strong", "weak"),
    [
        (scheme("res-2s(c2=1)"), 2, 2, 2),
        (scheme("dpmpp-2s"), 2, 1, 2),
        (scheme("etd3rk"), 3, 2, 2),
        (scheme("etd4rk"), 4, 2, 2),
        (scheme("krogstad-4"), 4, 3, 3),
        (scheme("strehmel-weiner-4"), 4, 3, 3),
        (scheme("hochbruck-ostermann-4"), 4, 3, 4),
        (scheme("lawson-4"), 4, 0, 1),
        (scheme("lawson-2"), 2, 0, 1),
        (res_3s(THIRD, TWO_THIRDS), 3, 2, 3),
        (scheme("dpmpp-3s(1/3, 2/3)"), 3, 2, 3),
        (scheme("dpmpp-3s(1/3, 1)"), 2, 2, 2),
        (dpmpp_3s_taylor(THIRD, TWO_THIRDS), 3, 2, 3),
        (res_3s(HALF, F(1)), 3, 2, 3),
        (scheme("res-3s"), 3, 2, 3),
        (WRONG_GAMMA, 2, 2, 2),
        (wrong_gamma(F(1), HALF), 2, 2, 2),
        (wrong_gamma(HALF, F(1)), 3, 2, 3),  # harmless only at c3 = 1
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_orders_are_the_published_ones(member, classical, strong, weak):
    """`reference-values` 39, 40; RES-3S(1/3, 2/3) is DPM-Solver++(3S), which loses an order at c3 = 1."""
    assert order(member).p == classical
    stiff = stiff_order(member, highest=4)
    assert (stiff.strong, stiff.weak) == (strong, weak)
    assert stiff.strong <= stiff.commuting


def test_the_shipped_dpmpp_3m_is_second_order_and_doubling_one_weight_makes_it_third():
    """Its psi_3 residual is 1/12, which the corrected weight takes away."""
    assert order(scheme("dpmpp-3m")).p == 2
    assert order(scheme("dpmpp-3m-corrected")).p == 3
    assert StiffConditions(scheme("dpmpp-3m")).psi_taylor(3)[0] == F(1, 12)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_ipndm_loses_an_order_to_unequal_steps(k):
    """exponential-iia.md 2.4: for k = 2 the residual is (1 - r0)/2, exact minus numerical; it vanishes at r = 1."""
    found = order(scheme(f"ipndm({k})"))
    (residual,) = {found.field.expression(value) for value in found.residuals.values()}
    assert found.p == 1
    assert residual.subs({f"r{j}": 1 for j in range(k)}) == 0
    assert k > 2 or residual.equals(-(1 - sympy.Symbol("r0")) / 2)


DRAWN = {f"r{j}": F(r) for j, r in enumerate(["5/7", "9/4", "2/3", "8/5", "7/6", "3/11", "13/9", "4/5", "17/6", "6/5"])}


@pytest.mark.parametrize("p", breadth([3, 4], lambda p: p == 3))
def test_the_order_of_unipc_at_step_ratios_drawn_at_random(p):
    """unipc(p) is of order p + 1 inside a run, for p = 3 and 4."""
    member = scheme(f"unipc({p})")
    assert order(member, ratios=DRAWN).p == p + 1 == member.claims.classical


def test_without_the_accelerator_the_proofs_are_the_same(monkeypatch):
    """flint makes the exact arithmetic faster and changes no verdict."""
    import numtoolkit.symbolic.numbers as fields

    names = ("res-2s", "dpmpp-2m", "gauss-fit-2m", "dpm2-ancestral")
    fast = [verify(scheme(name)) for name in names]
    monkeypatch.setattr(fields, "accelerator", lambda: None)
    assert [verify(scheme(name)) for name in names] == fast


def test_absorbing_the_linear_flow_loses_no_residual():
    """Fewer words, the same verdict at every order, the same coefficients of the words that stay."""
    for name in ("ddim", "heun-edm", "res-2s(c2=1/3)", "dpmpp-2s(c2=1/2)", "res-2m"):
        frame = StepInClock(scheme(name))
        full = residuals(frame, 3, absorb_linear_flow=False)[1]
        short = residuals(frame, 3, absorb_linear_flow=True)[1]
        assert [bool(g) for g in full] == [bool(g) for g in short]
        # words without L keep their coefficient
        assert all(full[w].get(term) == value for w in range(4) for term, value in short[w].items())


def test_stiff_order_is_for_exponential_schemes_only():
    """Its conditions have a meaning where the linear part is exact: four families."""
    found = {m.family for m in catalogue() if applies(m)}
    assert found == {"exponential", "exponential multistep", "CFG++", "fitted"}


def test_wrong_parameters_are_refuted_with_their_residual():
    """lambda_s = 2 and a weight 1 % off are refuted, unless the claim is recorded so; claiming less is "higher"."""
    verdict = verify(scheme("roba(lambda_s=2)"))
    assert (verdict.verdict, verdict.ok, verdict.derived["sde_weak"]) == ("refuted", False, 0)
    assert verdict.residuals == [{"order": 1, "tree": "Q.x", "value": "1"}]
    typo = exponential("typo", [0, HALF], [[]], [phi(2) * F(201, 100)], 2)
    assert verify(typo).verdict == "refuted"
    assert verify(replace(typo, claims=Claims(2, refuted=("classical",)))).ok
    assert verify(replace(typo, claims=Claims(0))).verdict == "higher"


def test_a_step_with_twice_its_drift_has_no_order_along_paths_either():
    """Its mean misses the first power of the step, though its noise is that of Euler and Maruyama, of order 1."""
    own = scheme("em")

    def doubled(step):
        out = step.items[-1]
        terms = tuple((source, 2 * entry if source == "E0" else entry) for source, entry in out.terms)
        return replace(step, items=(*step.items[:-1], replace(out, terms=terms)))

    wrong = replace(own, steps=replace(own.steps, inner=doubled(own.steps.inner)))
    assert (weak_order(own).weak, weak_order(own).strong) == (1, 1)
    assert (weak_order(wrong).weak, weak_order(wrong).strong) == (0, 0)
