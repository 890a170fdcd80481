"""The step of phase space to t = 0: the published denoising step, its place in a budget, and what cannot take it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from numtoolkit import Network, sample
from numtoolkit.errors import InputError
from numtoolkit.laws import Empirical, Gaussian, GaussianMixture
from numtoolkit.laws.named import mixture
from numtoolkit.measure import affine_map, error_curve, exact_flow, exact_marginal, gaussian_flow, moments
from numtoolkit.printing import text
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, VP, process
from numtoolkit.program.budget import planned
from numtoolkit.program.program import Affine, Draw, Program, lower
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from tests.support.tiers import breadth

ODE = "euler heun nse rse nvv rvv rvv-unshifted cse cse(shift=2) cvv".split()
SDE = "em sscs sscs-midpoint noba roba roba(lambda_s=2) nbao rbao nobab robab coba coba(shift=1)".split()
PHASE = ["psld", "cld"]
LAW = Gaussian(np.array([0.3, -0.5]), np.array([0.25, 0.02]))
Z = [np.array([[0.7, -1.2]]), np.array([[0.05, 0.3]])]


def score(z, t):
    """Any function will do for a score."""
    return [np.sin(z[0]) - t, z[0] * z[1] + 2]


def last_step(name: str, on: str, eps: float = 1e-3, network: str = "score") -> Program:
    """The run of one step from eps to 0 that ends the runs of a scheme."""
    whole = lower(scheme(name), process(on), np.array([2 * eps, eps, 0.0]), network)
    return replace(whole, steps=whole.steps[-1:])


@pytest.mark.parametrize("on", PHASE)
@pytest.mark.parametrize("name", ODE + SDE)
def test_the_step_to_zero_is_the_published_one(name, on):
    """z + eps drift(z, eps) with the half or the full score (psld.md 2.6), one evaluation, no noise."""
    eps, beta, gamma, nu = 1e-3, 8.0, process(on).Gamma, process(on).nu
    mass = 4 / (gamma - nu) ** 2
    part = 1.0 if name in SDE else 0.5
    x, m = Z
    sx, sm = score(Z, eps)
    expected = [
        x + eps * (beta / 2 * (gamma * x - m / mass) + part * gamma * beta * sx),
        m + eps * (beta / 2 * (x + nu * m) + part * mass * nu * beta * sm),
    ]
    own = last_step(name, on)
    assert own.nfe == 1
    for found, wanted in zip(run(own, score, Z), expected, strict=True):  # without normals a draw would raise
        # coefficients up to 2 / eps in the noise of the conjugate splittings, there and back: some 1e3 roundings
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_where_beta_rises_a_splitting_steps_in_its_integral_and_em_in_time():
    """The last step is as long as the scheme's own clock says."""
    on, eps = "psld(beta_min=4, beta_max=12)", 1e-2
    beta, integral = 4 + 8 * eps, 4 * eps + 4 * eps**2
    for name, length in (("sscs", integral / beta), ("em", eps)):
        moved = run(last_step(name, on, eps), score, Z)[0] - Z[0]
        drift = beta / 2 * (0.01 * Z[0] - 4 * Z[1]) + 0.01 * beta * score(Z, eps)[0]
        np.testing.assert_allclose(moved, length * drift, rtol=1e-12)


def test_em_ends_without_noise_on_a_scalar_process():
    """z + eps drift(z, eps) with the full score, and no draw."""
    z, eps = [Z[0]], VP().t_min
    beta = 0.1 + 19.9 * eps
    (found,) = run(last_step("em", "vp", eps), lambda z, t: [np.cos(z[0])], z)
    np.testing.assert_allclose(found, z[0] + eps * beta * (z[0] / 2 + np.cos(z[0])), rtol=1e-12)


@pytest.mark.parametrize("on", PHASE)
@pytest.mark.parametrize("name", ["euler", "rvv", "cvv"])
def test_the_step_to_zero_is_of_order_one(name, on):
    """Its error against the exact flow to 0, where Sigma is singular and the law is not, falls as eps^2."""
    errors = []
    for eps in (2e-6, 1e-6):
        R, _ = affine_map(last_step(name, on, eps), LAW)
        errors.append(np.abs(R - gaussian_flow(process(on), LAW.variances, eps, 0.0)).max())
    # the next term is that times some 1e3 eps, twice the rate 401 of the momentum and more: 0.1 %
    assert errors[0] / errors[1] == pytest.approx(4, rel=2e-3)


@pytest.mark.parametrize("on", [*PHASE, "psld(beta_min=4, beta_max=12)"])
def test_the_flow_to_time_zero_carries_the_marginal_into_the_data(on):
    """X V X' = diag(v, M gamma) though Sigma is singular at 0."""
    on = process(on)
    X = gaussian_flow(on, LAW.variances, 1.0, 0.0)
    whole = X @ exact_marginal(on, LAW, 1.0).covariance @ np.swapaxes(X, 1, 2)
    data = np.array([np.diag([v, on.gamma / on.inverse_mass]) for v in LAW.variances])
    np.testing.assert_allclose(exact_marginal(on, LAW, 0.0).covariance, data, rtol=1e-15)
    np.testing.assert_allclose(whole, data, atol=1e-11)  # the flow to a relative 1e-12


@pytest.mark.parametrize(("on", "order"), breadth([("psld", 1), ("cld", 0.5)], lambda on, order: on == "psld"))
def test_the_flow_into_a_point_is_the_limit_of_those_that_stop_above_zero(on, order):
    """The momentum nears its end as t, or as sqrt(t) where the position has no noise of its own."""
    none = np.zeros(1)
    end = gaussian_flow(process(on), none, 1.0, 0.0)[0]
    assert (end[0] == 0).all()
    gaps = [np.abs(gaussian_flow(process(on), none, 1.0, t)[0, 1] - end[1]).max() for t in (1e-6, 1e-8)]
    assert np.log10(gaps[0] / gaps[1]) / 2 == pytest.approx(order, abs=0.02)


@pytest.mark.parametrize("on", breadth(PHASE, lambda on: on == "psld"))
def test_the_general_flow_reaches_time_zero(on):
    """The integrated flow meets the closed form at 0, and on a data set ends on an image."""
    on = process(on)
    same = GaussianMixture(None, LAW.mean[None], LAW.variances[None])
    # the position from t = 1e-8 on by the denoiser: s^2 / v = 8e-10 / 0.02 times the deviation, at most
    for found, exact in zip(exact_flow(on, same, Z, 1.0, 0.0), exact_flow(on, LAW, Z, 1.0, 0.0), strict=True):
        np.testing.assert_allclose(found, exact, atol=2e-8)
    images = Empirical(np.array([[0.3, -0.5], [1.0, 1.0]]))
    (end,) = exact_flow(on, images, Z, 1.0, 0.0)[0]
    assert np.abs(images.images - end).max(axis=1).min() == 0


@pytest.mark.parametrize("on", PHASE)
@pytest.mark.parametrize("text", breadth(["gddim(1)", "gddim(3)"], lambda text: text == "gddim(3)"))
def test_gddim_meets_a_point_exactly(text, on):
    """Its own first-order step goes to 0, where what it freezes is constant, so a run of two steps has no error.

    But for that of the factor R at times below 1e-4 t_min: the angle is taken as sqrt(t) there, true to some t^(3/2).
    """
    point = Gaussian(np.array([0.3, -0.5]), 0.0)
    R, _ = affine_map(lower(scheme(text), process(on), grid("quadratic(zero=1)", process(on), 2)), point)
    np.testing.assert_allclose(R, gaussian_flow(process(on), point.variances, 1.0, 0.0), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "nfe", "plan"),
    [
        ("sscs", 10, "10 steps of 1 evaluation"),
        ("em", 1, "1 step of 1 evaluation"),
        ("rvv", 7, "3 steps of 2 evaluations, 1 of 1"),
        ("rvv", 8, "3 steps of 2 evaluations, 2 of 1"),
        ("nobab", 9, "2 steps of 3 evaluations, 1 of 2, 1 of 1"),
    ],
)
def test_the_budget_includes_the_step_to_zero(name, nfe, plan):
    """Whole and filling steps leave one evaluation for the step to 0."""
    own, on = scheme(name), process("psld")
    steps = len(planned(own, nfe, to_zero=True))
    times = grid("quadratic(zero=1)", on, steps) if steps > 1 else np.array([on.t_min, 0.0])
    program = lower(own, on, times, nfe=nfe)
    assert (program.nfe, program.plan) == (nfe, plan)
    assert program.times[-2:].tolist() == [on.t_min, 0.0]


def test_samples_end_at_time_zero_with_both_parts_of_the_state():
    """Through the public function: position and momentum, the budget spent, the times recorded."""
    network = Network.of(LAW)
    for name in ("sscs", "rvv"):
        found = sample(
            name, network=network, process="psld", grid="quadratic(zero=1)", nfe=9, seeds=range(4), dtype=np.float64
        )
        assert found.samples.shape == (4, 2, 2)
        assert found.nfe == 9
        assert found.provenance["times"][-2:] == [1e-3, 0.0]


def test_the_step_to_zero_is_shown_on_the_page():
    """The page has the cost and the rows of the step, and no noise in it."""
    shown = text(scheme("rvv"))
    assert "2 a step, 1 in the last step to t = 0" in shown
    assert "last step to t = 0\n  0  E0 = score(y)\n  1  y' = (1 + h*L(0)) y + h*N(0) E0\n" in shown
    assert "xi" not in text(scheme("em")).partition("last step to t = 0")[2]


ENDING = ["rvv", "sscs", "em", "ddim", "lambda-ddim-2(shift=1)", "gddim", "gddim-pc"]


@pytest.mark.parametrize("on", breadth(PHASE, lambda on: on == "psld"))
@pytest.mark.parametrize("name", breadth(ENDING, lambda name: name in ("rvv", "sscs", "gddim-pc")))
def test_errors_at_time_zero_fall_with_the_budget(name, on):
    """The error at t = 0 itself falls, for every kind of scheme that can end there."""
    records = error_curve(scheme(name), process(on), LAW, "quadratic(zero=1)", [19, 79, 319])
    errors = [record["error"] for record in records]
    assert errors[0] > 2 * errors[1] > 2.5 * errors[2]


def test_the_law_at_time_zero_is_measured_by_samples():
    """With an interval on a mixture; exact moments approach those of the data."""
    (record,) = error_curve(scheme("sscs"), process("psld"), mixture(dim=2), "quadratic(zero=1)", [20], seeds=range(64))
    assert record["low"] <= record["error"] <= record["high"]
    end = moments(lower(scheme("sscs"), process("psld"), grid("quadratic(zero=1)", process("psld"), 400)), law=LAW)
    data = exact_marginal(process("psld"), LAW, 0.0)
    np.testing.assert_allclose(end.mean[:, 0], data.mean[:, 0], atol=0.02)
    np.testing.assert_allclose(end.covariance[:, 0, 0], LAW.variances, rtol=0.1)


def test_schemes_and_grids_that_cannot_end_at_zero_say_why():
    """Singular noise, no step to 0 and a time below 0 are each refused with their reason."""
    on, nse = process("psld"), scheme("nse")
    for name in ("gframe-ab(2)", "gframe-abm(2)"):
        with pytest.raises(InputError, match="no step to t = 0 on process psld, whose noise is singular there; end"):
            lower(scheme(name), on, grid("angle(zero=1)", on, 6))
    with pytest.raises(InputError, match="scheme nse has no step to t = 0; end the grid at a time above 0"):
        lower(replace(nse, steps=replace(nse.steps, final_to_zero=None)), on, grid("quadratic(zero=1)", on, 6))
    with pytest.raises(InputError, match="ends at time -1, but no time is below that of the data"):
        grid([1.0, 0.0, -1.0], on)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 9])
def test_sa_solver_ends_at_no_noise_with_its_last_data_prediction(p, steps):
    """x' = E[x_0 | x]: the exponential step of order 1 to noise level 0, with nothing left to draw."""
    on = EDM()
    times = np.append(np.geomspace(80, 0.1, steps), 0.0)
    step = lower(scheme(f"sa-solver({p})"), on, times).steps[-1]
    rows = {i.name: dict(i.terms) for i in step.instructions if isinstance(i, Affine)}
    draws = {i.name: i.factor for i in step.instructions if isinstance(i, Draw)}
    assert {source: block for source, block in rows["out"].items() if source not in draws} == {"E0": ((1.0,),)}
    assert set(draws.values()) <= {((0.0,),)}  # a run of one step draws, with no effect
