"""Processes are read back from their specification, and their kernels, levels and times fit together."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import process
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


@pytest.mark.parametrize(
    "text",
    ["vp", "vp(beta_max=12.0)", "edm(T=50.0, t_min=0.01)", "flow", "psld(Gamma=0.02)", "sigmoid(N=10, rescale=1)"],
)
def test_a_process_is_read_from_its_specification(text):
    """`process(p.spec) == p`, with defaults left out and given parameters as numbers."""
    assert process(text).spec == text
    assert process(process(text)) is not None
    assert process(process(text).spec) == process(text)


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
