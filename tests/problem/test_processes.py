"""Processes are read back from their specification, and their kernels, levels and times fit together."""

from __future__ import annotations

import re

import numpy as np
import pytest

from numtoolkit import process
from numtoolkit.errors import InputError
from numtoolkit.problem.processes import CLD, EDM, PSLD, SCHEDULES, VP, CosineVP, RectifiedFlow
from numtoolkit.problem.tabulated import Linear, ScaledLinear

ALL = (
    VP(), CosineVP(), EDM(), RectifiedFlow(), RectifiedFlow(T=1), PSLD(), PSLD(beta_min=4, beta_max=12), CLD(),
    *(schedule() for schedule in SCHEDULES.values()), Linear(N=10, rescale=1), ScaledLinear(scaling="ve"),
)  # fmt: skip


def test_the_phase_space_kernel_takes_the_printed_values():
    """Sigma, the propagator and L^-T are as printed at four times.

    psld.md 1.2 and 1.5, to the printed digits.
    """
    process = PSLD()
    sigma = process.kernel(np.array([1e-3]))[1][0]
    np.testing.assert_allclose(sigma, [[8.32e-5, 2.19e-4], [2.19e-4, 1.758e-2]], rtol=2.5e-3)
    at_one, propagator = process.kernel(np.array([1.0]))[1][0], process.propagator(np.array([1.0]))[0]
    assert np.abs(np.diag([1, 0.25]) - at_one).max() < 1.5e-5
    assert np.abs(propagator).max() < 5.2e-3
    factors = {1e-3: (109.6, -20.2, 7.67), 0.01: (24.8, -18.9, 4.56), 0.1: (2.09, -1.49, 2.64), 1.0: (1, 0, 2)}
    for t, (l11, l12, l22) in factors.items():
        lower_factor = np.linalg.cholesky(process.kernel(np.array([t]))[1][0])
        np.testing.assert_allclose(np.linalg.inv(lower_factor).T, [[l11, l12], [0, l22]], rtol=2.5e-3, atol=2.5e-3)


def closed_forms(process, t):
    """alpha, sigma^2, drift, covariance rate and prior covariance of a scalar process, as its paper writes them."""
    if process.name == "vp":
        beta, integral = 0.1 + 19.9 * t, 0.1 * t + 9.95 * t**2
        return np.exp(-integral / 2), 1 - np.exp(-integral), -beta / 2, beta, 1.0
    if process.name == "vp-cosine":
        f, f0 = np.pi / 2 * (t + 0.008) / 1.008, np.pi / 2 * 0.008 / 1.008
        alpha, rate = np.cos(f) / np.cos(f0), np.pi / 2 / 1.008 * np.tan(f)
        return alpha, 1 - alpha**2, -rate, 2 * rate, 1.0
    if process.name == "edm":
        return np.ones_like(t), t**2, np.zeros_like(t), 2 * t, 6400.0
    return 1 - t, t**2, -1 / (1 - t), 2 * t / (1 - t), 0.999**2


@pytest.mark.parametrize("process", [VP(), CosineVP(), EDM(), RectifiedFlow()], ids=lambda p: p.spec)
def test_a_scalar_process_is_that_of_its_paper(process):
    """Kernel, drift, covariance rate and prior; what is observed of x_0 is z / alpha, with deviation sigma / alpha."""
    t = np.array([0.01, 0.3, 0.8])
    alpha, variance, drift, rate, prior = closed_forms(process, t)
    e, sigma = process.kernel(t)
    found = e[:, 0], sigma[:, 0, 0], process.drift(t)[:, 0, 0], process.diffusion(t)[:, 0, 0]
    for own, expected in zip(found, (alpha, variance, drift, rate), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-12)
    assert process.prior() == pytest.approx(np.array([[prior]]), rel=1e-12)
    y, s = process.observe([np.array([3.0])], 0.3)
    assert (y.item(), s) == pytest.approx((3 / alpha[1], np.sqrt(variance[1]) / alpha[1]), rel=1e-12)


@pytest.mark.parametrize("process", [PSLD(), PSLD(beta_min=4, beta_max=12), CLD()], ids=lambda p: p.spec)
def test_a_phase_space_process_is_that_of_its_papers(process):
    """F = beta/2 [[-Gamma, 1/M], [-1, -nu]], G G' = beta diag(Gamma, M nu), their kernel, the prior at rest.

    What is observed of x_0 in a state e_t x_0 is x_0, with the deviation that `level` says.
    """
    t = np.array([0.05, 0.3, 0.8])
    beta = process.beta_min + (process.beta_max - process.beta_min) * t
    mass = 4 / (process.Gamma - process.nu) ** 2
    unit = np.array([[-process.Gamma, 1 / mass], [-1, -process.nu]]) / 2
    F, Q = process.drift(t), process.diffusion(t)
    np.testing.assert_allclose(F, beta[:, None, None] * unit, rtol=1e-14)
    np.testing.assert_allclose(Q, beta[:, None, None] * np.diag([process.Gamma, mass * process.nu]), rtol=1e-14)
    (e, sigma), h = process.kernel(t), 1e-5
    (above, sigma_above), (below, sigma_below) = process.kernel(t + h), process.kernel(t - h)
    # central differences err by h^2 of the third derivative, some beta^3 of what moves
    np.testing.assert_allclose((above - below) / (2 * h), np.einsum("nij,nj->ni", F, e), rtol=0, atol=1e-6)
    grown = F @ sigma
    np.testing.assert_allclose(
        (sigma_above - sigma_below) / (2 * h), grown + np.swapaxes(grown, 1, 2) + Q, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        process.kernel(np.zeros(1))[1][0], np.diag([0, process.gamma * mass]), rtol=0, atol=1e-17
    )
    rest = unit @ process.prior()
    np.testing.assert_allclose(rest + rest.T + np.diag([process.Gamma, mass * process.nu]), 0, rtol=0, atol=1e-14)
    for n, time in enumerate(t):
        y, s = process.observe(list(2.5 * e[n]), time)
        assert (y, s) == pytest.approx((2.5, process.level(t)[n]), rel=1e-9)


@pytest.mark.parametrize(
    "text",
    ["vp", "vp(beta_max=12.0)", "edm(T=50.0, t_min=0.01)", "flow", "psld(Gamma=0.02)", "sigmoid(N=10, rescale=1)"],
)
def test_a_process_is_read_from_its_specification(text):
    """`process(p.spec) == p`, with defaults left out and given parameters as numbers."""
    assert process(text).spec == text
    assert process(process(text)) is not None
    assert process(process(text).spec) == process(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("vp(beta_min=0)", "it must satisfy 0 < beta_min <= beta_max"),
        ("vp(beta_min=21)", "it must satisfy 0 < beta_min <= beta_max"),
        ("vp(t_min=0)", "it must satisfy 0 < t_min < T"),
        ("vp(beta_max=2000)", "no data is left beside the noise"),
        ("vp-cosine(offset=0)", "it must satisfy offset > 0"),
        ("vp-cosine(T=1)", "it must satisfy 0 < T < 1"),
        ("flow(T=1.01)", "it must satisfy 0 < T <= 1"),
        ("psld(gamma=0)", "it must satisfy gamma > 0"),
        ("psld(Gamma=4.01)", "it must satisfy 0 <= Gamma < nu"),
        ("psld(nu=4, Gamma=3.9999999)", "its noise covariance cannot be inverted"),
        ("cld(Gamma=0.1)", "with Gamma > 0 it is psld"),
    ],
)
def test_a_process_of_no_meaning_is_refused_by_its_rule(text, rule):
    """At the ends of each range, and where float64 has no digits for it."""
    with pytest.raises(InputError, match=re.escape(rule)):
        process(text)


@pytest.mark.parametrize("process", ALL, ids=lambda p: p.spec)
def test_levels_and_their_rate_and_times_fit_together(process):
    """time_of_level inverts level, and level_rate is its derivative by central differences."""
    t = np.geomspace(1.1 * process.t_min, 0.9003 * process.T, 9)  # between the points of a table
    np.testing.assert_allclose(process.time_of_level(process.level(t)), t, rtol=1e-12)
    h = 1e-5 * t
    difference = (process.level(t + h) - process.level(t - h)) / (2 * h)
    np.testing.assert_allclose(process.level_rate(t), difference, rtol=1e-6)  # h^2 and eps / h


def test_names_of_other_libraries_are_processes():
    """Aliases, _ for -, either case; the specification is that of the schedule."""
    for text in ("sd", "scaled_linear", "Scaled-Linear", "sd(beta_end=0.012)"):
        assert process(text) == ScaledLinear()
    assert process("sd").spec == "scaled-linear"
    assert process("ddpm").spec == "linear"
    assert process("squaredcos_cap_v2").spec == "squared-cosine"


def test_pure_noise_is_read_as_a_little_data():
    """At t = 1 alpha is 2^-24, sigma 1, and the rates are those of the straight path; below, nothing changes."""
    flow, t = RectifiedFlow(T=1), np.array([1e-3, 0.5, 0.999])
    one = np.array([1.0])
    assert flow.alpha(one)[0] == pytest.approx(2.0**-24, rel=1e-15)
    assert flow.prior().tolist() == [[pytest.approx(1.0, rel=1e-14)]]
    # dz/dt = alpha' x_0 + sigma' n = n - x_0
    log_alpha, log_s = flow.log_rates(one)
    assert log_alpha[0] * flow.alpha(one)[0] == pytest.approx(-1, rel=1e-14)
    assert (log_alpha + log_s)[0] == 1
    np.testing.assert_array_equal(flow.noise_level(t), RectifiedFlow().noise_level(t))
    np.testing.assert_array_equal(flow.log_alpha(t), RectifiedFlow().log_alpha(t))
