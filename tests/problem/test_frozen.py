"""Closed windows and covariances of frozen quantities are the integrals that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.axes import problem
from numtoolkit.problem.frozen import FROZEN, projects
from numtoolkit.problem.kinds import PHASE_SPACE, SCALAR
from numtoolkit.problem.operators import F, G, L, N, Q, forward_noise
from numtoolkit.problem.predictions import DATA, PREDICTIONS, SCORE, complement, to_score
from numtoolkit.problem.problem import Window
from numtoolkit.problem.processes import CLD, EDM, PSLD, VP, RectifiedFlow
from tests.support.momentum import MOMENTUM

FROM, TO = np.array([0.9, 0.4]), np.array([0.6, 0.25])  # two steps
A, B = np.array([0.2, 0.0]), np.array([0.9, 1.0])  # a window in each, in abscissae
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(30)
CLOSED = {("data", "log-snr"), ("noise", "log-snr"), ("noise", "noise-level"), ("residual", "angle")}


def window_of(own, weights):
    u, h = own.u(FROM), own.u(TO) - own.u(FROM)
    return Window(own, h, A, B, own.t(u + A * h), own.t(u + B * h), tuple(np.full(2, w) for w in weights))


def integral(window, integrand):
    """Of a function of (times (n, m), flow from them to the end of the window by an operator, abscissae), by Gauss."""
    own, middle, half = window.problem, (A + B)[:, None] / 2, (B - A)[:, None] / 2
    c = middle + half * POINTS
    t = own.t(own.u(FROM)[:, None] + c * window.h[:, None])
    end = np.repeat(window.end, len(POINTS))

    def flow(operator):
        return np.exp(own.log_flow(operator, t.ravel(), end)).reshape(t.shape)

    def block(operator):
        return own.operator(operator, t.ravel())[:, 0, 0].reshape(t.shape)

    return window.h * half[:, 0] * (integrand(flow, block, c) @ WEIGHTS)


@pytest.mark.parametrize("tau", [0.0, 0.5])
@pytest.mark.parametrize("process", [VP(), EDM(), RectifiedFlow()], ids=lambda p: p.name)
@pytest.mark.parametrize("clock", ["log-snr", "noise-level", "angle"])
@pytest.mark.parametrize("frozen", ["data", "noise", "residual", "drift"])
@pytest.mark.parametrize("weights", [(0.7,), (0.3, -1.2, 0.5)], ids=["fixed", "quadratic"])
def test_a_closed_window_is_the_integral_it_stands_for(frozen, clock, process, tau, weights):
    """int Flow(L, s, b) N(s) w(s) du by 30 Gauss points; the forms that exact runs lean on are there."""
    window = window_of(problem(process, frozen, clock, tau=tau), weights)
    closed = window.problem.frozen.window(window)
    if closed is None:
        assert (frozen, clock) not in CLOSED or (frozen == "residual" and tau)
        return
    expected = integral(window, lambda flow, block, c: flow(L) * block(N) * np.polynomial.Polynomial(weights)(c))
    np.testing.assert_allclose(closed, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("process", [VP(), EDM(), RectifiedFlow()], ids=lambda p: p.name)
@pytest.mark.parametrize("clock", ["log-snr", "angle"])
@pytest.mark.parametrize("frozen", ["data", "residual"])
@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_a_closed_covariance_is_the_integral_it_stands_for(frozen, clock, process, tau):
    """int Flow(L, s, b)^2 G(s) du, and the same of the forward drift and noise."""
    window = window_of(problem(process, frozen, clock, tau=tau), ())
    closed = window.problem.frozen.covariance(window)
    np.testing.assert_allclose(closed, integral(window, lambda flow, block, c: flow(L) ** 2 * block(G)), rtol=1e-11)
    forward = integral(window, lambda flow, block, c: flow(F) ** 2 * block(Q))
    np.testing.assert_allclose(forward_noise(window), forward, rtol=1e-11)


@pytest.mark.parametrize("process", [VP(), EDM(), RectifiedFlow()], ids=lambda p: p.name)
@pytest.mark.parametrize(
    "network", [each for each in PREDICTIONS.values() if SCALAR in each.kinds], ids=lambda p: p.name
)
@pytest.mark.parametrize("frozen", ["data", "noise", "velocity", "residual", "drift"])
def test_what_a_scheme_freezes_of_a_network_is_what_the_network_says(frozen, network, process):
    """Its score is the network's; the whole drift is F z + (q/2) G G' S, at half strength and any sigma_data."""
    own = problem(process, frozen, "log-snr", tau=0.5, sigma_data=0.3)
    P, Q = own.freeze(network, FROM)
    wanted = to_score(network, process, FROM)
    if frozen == "drift":
        kick = own.rate(FROM)[:, None, None] * (1 + 0.25) / 2 * process.diffusion(FROM)
        wanted = kick @ wanted[0] - own.rate(FROM)[:, None, None] * process.drift(FROM), kick @ wanted[1]
    else:
        of_state, of_frozen = own.frozen.to_score(own, FROM)
        P, Q = of_state + of_frozen @ P, of_frozen @ Q
    np.testing.assert_allclose(P, wanted[0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(Q, wanted[1], rtol=1e-10, atol=1e-10)


# two outputs in phase space

PHASE = (PSLD(), PSLD(beta_min=4, beta_max=12), PSLD(Gamma=1e-6), CLD())
WHEN = np.array([1e-9, 1e-5, 1e-3, 0.02, 0.3, 1.0])  # down to where only the momentum has noise
PREDICTED = [each for each in PREDICTIONS.values() if PHASE_SPACE in each.kinds]


@pytest.mark.parametrize("process", PHASE, ids=lambda p: p.spec)
def test_the_complement_is_unit_noise_that_shows_no_data(process):
    """e' g = 0, g' Sigma g = 1, g' a = 0 but for the metric, and one sign: (0, Sigma_mm^-1/2) at t = 0."""
    (e, sigma), g = process.kernel(WHEN), complement(process, WHEN)[:, :, 0]
    np.testing.assert_allclose(np.sum(e * g, axis=1), 0, atol=1e-16)  # of two products below 10, in the end 1e-8
    np.testing.assert_allclose(np.einsum("ni,nij,nj->n", g, sigma, g), 1, rtol=1e-14)
    assert (g[:, 1] > 0).all()
    np.testing.assert_allclose(g[0], [0, process.gamma**-0.5 * process.inverse_mass**0.5], rtol=1e-6, atol=1e-7)
    assert complement(VP(), WHEN).shape == (len(WHEN), 1, 0)


@pytest.mark.parametrize("process", PHASE, ids=lambda p: p.spec)
@pytest.mark.parametrize("network", PREDICTED, ids=lambda p: p.name)
def test_the_residual_keeps_every_output_of_a_network(network, process):
    """S = -V^-1 z + K u with u of two blocks is the network's score, at t_min as at T; of data the second is 0."""
    if network.name == "flow" and not process.Gamma:
        return  # it has no such network
    t, own = np.array([process.t_min, 0.02, 0.3, process.T]), problem(process, "residual", "angle", sigma_data=0.3)
    P, Q = own.freeze(network, t)
    assert P.shape[1] == Q.shape[1] == own.width == 2
    assert network is not DATA or not (P[:, 1].any() or Q[:, 1].any())
    of_state, of_frozen = own.frozen.to_score(own, t)
    wanted = to_score(network, process, t)
    for found, exact in zip((of_state + of_frozen @ P, of_frozen @ Q), wanted, strict=True):
        # what cancels is of the size of Sigma^-1
        size = (np.abs(np.linalg.inv(process.kernel(t)[1])) + np.abs(exact).max()).max(axis=(1, 2), keepdims=True)
        assert (np.abs(found - exact) <= 1e-13 * size).all()


@pytest.mark.parametrize("process", [PSLD(), CLD()], ids=lambda p: p.name)
def test_what_is_frozen_keeps_all_that_the_equation_reads_but_the_data(process):
    """One data prediction of two free outputs is another equation; on CLD the momentum's score alone is all of it."""
    clock = "natural"
    for name, frozen in FROZEN.items():
        if PHASE_SPACE in frozen.kinds and not (name == "flow" and not process.Gamma):
            own = problem(process, name, clock)
            assert projects(own, SCORE) == (name == "data")
            assert not projects(own, DATA)
            assert process.Gamma or not projects(own, MOMENTUM)
    assert not any(projects(problem(VP(), name, clock), DATA) for name in ("data", "noise", "residual"))
