"""Closed windows and covariances of frozen quantities are the integrals that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.axes import problem
from numtoolkit.problem.kinds import SCALAR
from numtoolkit.problem.operators import F, G, L, N, Q, forward_noise
from numtoolkit.problem.predictions import PREDICTIONS, to_score
from numtoolkit.problem.problem import Window
from numtoolkit.problem.processes import EDM, VP, RectifiedFlow

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
