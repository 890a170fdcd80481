"""A stochastic scheme that a bound parameter leaves without noise is proved as the scheme of the flow that it is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.declare.entries import covariance, flow, op, phi, symbol
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.declare.steps import Noise
from numtoolkit.laws import Gaussian
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.noiseless import outside_window, without_noise
from numtoolkit.symbolic.verdict import verify


@pytest.mark.parametrize(
    ("text", "flow", "p"),
    [
        ("euler-ancestral(eta=0)", "ddim", 1),
        ("dpm2-ancestral(eta=0)", "dpm-solver-2", 2),
        ("res-2m-ancestral(eta=0)", "res-2m", 2),
        ("euler-churn(churn=0)", "ddim", 1),
        ("heun-edm-churn(churn=0)", "heun-edm", 2),
        ("heun-edm-churn(churn=0, s_noise=0)", "heun-edm", 2),
        ("res-2s-churn(churn=0)", "res-2s", 2),
    ],
)
def test_without_noise_the_orders_are_those_of_the_flow(text, flow, p):
    """Every order and residual, in law and along paths of that order too, and the same law at the end of a run."""
    found, known = verify(scheme(text)), verify(scheme(flow))
    assert found.ok
    assert [found.derived[name] for name in ("classical", "sde_weak", "sde_marginal", "sde_strong")] == [p] * 4
    assert found.verdict == ("higher" if p > 1 else "proved")
    if (scheme(text).frozen, scheme(text).clock) == (scheme(flow).frozen, scheme(flow).clock):
        assert found.residuals == known.residuals
        assert {key: q for key, q in found.derived.items() if "stiff" in key} == {
            key: q for key, q in known.derived.items() if "stiff" in key
        }
    on = EDM()
    times = grid("rho(7)", on, 8)
    law = Gaussian([0.3], [[0.3]])
    start = exact_marginal(on, law, times[0])
    ends = [moments(lower(scheme(each), on, times), law=law, start=start) for each in (text, flow)]
    np.testing.assert_allclose(ends[0].covariance, ends[1].covariance, rtol=1e-11)


def gap(own, steps):
    on, law = EDM(), Gaussian(np.zeros(1), np.eye(1))
    times = grid("rho(7)", on, steps)
    end = moments(lower(own, on, times), law=law, start=exact_marginal(on, law, times[0]))
    return wasserstein2(end, exact_marginal(on, law, times[-1]))


def test_noise_scaled_by_zero_alone_is_consistent_with_nothing():
    """s_noise = 0 with churn > 0 counts the score 1 + a times: refuted, as runs show, and the missing noise named."""
    own = scheme("heun-edm-churn(s_noise=0)")
    found = verify(own)
    assert (found.verdict, found.ok, found.derived["sde_weak"], found.derived["sde_marginal"]) == (
        "refuted",
        False,
        0,
        0,
    )
    assert [(row["tree"], row["value"]) for row in found.residuals] == [("Q", "-a*churn")]
    assert without_noise(own) is None
    assert gap(own, 512) > 0.9 * gap(own, 128) > 0.05


def test_a_scheme_with_noise_is_none_of_the_flow():
    """Neither where only part of it is gone."""
    for text in ("heun-edm-churn", "em", "roba(lambda_s=0)", "euler-ancestral(eta=1/2)", "sa-solver(2)"):
        assert without_noise(scheme(text)) is None


def test_noise_that_stays_beside_noise_that_vanishes_is_seen():
    """c = 0 takes out one of two noises and the reference: what is left follows no flow, and is of order 0."""
    c = symbol("c")
    noises = (Noise("xi", c * covariance(0, 1, op("F"), op("Q"))), Noise("zeta", covariance(0, 1, op("F"), op("Q"))))
    row = combine("out", 1, y=flow(), E0=phi(1), xi=1, zeta=1)
    step, claims = written([evaluate("E0"), *noises, row], "out"), Claims(sde_weak=1)
    params = (Param("c", Fraction(1), Fraction(0)),)
    own = Scheme("mine", "t", "t", step, "noise", "noise-level", reference=c, params=params, claims=claims)
    own = own.bind(c=Fraction(0))
    assert without_noise(own) is None
    assert (verify(own).verdict, verify(own).derived["sde_weak"]) == ("refuted", 0)


def test_tau_on_an_interval_is_proved_for_both_of_its_steps():
    """Steps with tau and without are of order 2; a run that changes between them loses none, as few steps do."""
    found = verify(scheme("sa-solver(2, s_min=1/20, s_max=1)"))
    assert (found.derived["sde_weak"], found.derived["sde_marginal"], found.run, found.run_marginal) == (2, 2, 2, 2)
    assert found.ends["change of tau"] == 1
    outside = outside_window(scheme("sa-solver(2, s_min=1/20, s_max=1)"))
    assert order(outside).p == order(scheme("sa-solver(2, tau=0)")).p == 3
    low = verify(scheme("sa-solver(1, 1, s_min=1/20, s_max=1)"))
    assert low.derived["sde_weak"] == 2
