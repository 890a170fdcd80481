"""The exact flow carries marginals into marginals, on every law and process."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import Empirical, Gaussian, GaussianMixture
from numtoolkit.laws.named import digits, mixture
from numtoolkit.measure import (
    exact_flow,
    exact_marginal,
    gaussian_flow,
)
from numtoolkit.measure.flows import gaussian_flows
from numtoolkit.problem.processes import PSLD, VP
from numtoolkit.problem.processes import process as process_of
from tests.support.gaussian_runs import IDS, PROCESSES, ROTATED, starts
from tests.support.tiers import breadth


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_gaussian_flow_carries_marginals_into_marginals(process):
    """X V(t0) X' = V(t1), on every process, between three pairs of times."""
    law = Gaussian(np.array([0.3, -1.0, 0.0]), np.array([1e-3, 0.25, 4.0]))
    for t0, t1 in [(process.T, process.t_min), (process.T, process.T / 2), (process.T / 10, process.t_min)]:
        X = gaussian_flow(process, law.variances, t0, t1)
        before, after = (exact_marginal(process, law, t).covariance for t in (t0, t1))
        # The integrator's relative 1e-12 a step, a few dozen steps.
        np.testing.assert_allclose(X @ before @ np.swapaxes(X, 1, 2), after, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["flow", "psld"])
def test_flows_between_many_times_are_those_between_two(name):
    """Of the flow and of the reverse SDE, at once; between a time and itself there is none."""
    process = process_of(name)
    start, end = (process.T * np.array(own) for own in ([1.0, 0.3, 0.02, 0.5], [0.1, 0.29, 0.002, 0.5]))
    for reference in (0.0, 1.0):
        found = gaussian_flows(process, 0.25, start, end, np.full(4, reference))
        for own, t0, t1 in zip(found[:3], start, end, strict=False):
            (expected,) = gaussian_flow(process, np.array([0.25]), t0, t1, reference)
            np.testing.assert_allclose(own, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
        np.testing.assert_array_equal(found[3], np.eye(process.blocks))


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_general_flow_of_a_gaussian_is_the_linear_map(process):
    """The integrated flow of a mixture of one is the matrix of the closed form, down to noise level 0."""
    z = starts(process, ROTATED.shape, 6)
    one = GaussianMixture([1.0], ROTATED.mean[None], ROTATED.covariance()[None])
    linear = exact_flow(process, ROTATED, z, process.T, process.t_min)
    solved = exact_flow(process, one, z, process.T, process.t_min)
    for a, b in zip(linear, solved, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)  # the default tolerance 1e-10 over some dozens of steps
    if process.blocks == 1:
        (linear,), (solved,) = (exact_flow(process, law, z, process.T, 0.0) for law in (ROTATED, one))
        np.testing.assert_allclose(linear, solved, rtol=0, atol=1e-9)


@pytest.mark.parametrize("process", breadth(PROCESSES, lambda process: process.spec in ("edm", "psld")), ids=IDS)
@pytest.mark.parametrize(
    "law",
    breadth([mixture(dim=2, components=4), digits(count=40)], lambda law: law.shape == (2,)),
    ids=["mixture", "digits"],
)
def test_two_tolerances_of_the_flow_agree(process, law):
    """A hundredth of the tolerance moves the end by less than 1e-9: the reference is no better known than that."""
    z = starts(process, law.shape, 8)
    usual, strict = (exact_flow(process, law, z, process.T, process.t_min, tol, tol / 10) for tol in (1e-10, 1e-12))
    # Measured 1e-11 (scalar) and 1e-10 (phase space) RMS; a start near a separatrix may be some times worse.
    assert np.sqrt(np.mean((usual[0] - strict[0]) ** 2)) < 1e-9


@pytest.mark.parametrize("process", PROCESSES[:4], ids=IDS[:4])
def test_flows_compose(process):
    """From T to t_min by way of T / 5 is from T to t_min."""
    law = mixture(dim=2, components=4)
    z = starts(process, law.shape, 4)
    middle = process.T / 5
    there = exact_flow(process, law, exact_flow(process, law, z, process.T, middle), middle, process.t_min)
    np.testing.assert_allclose(there[0], exact_flow(process, law, z, process.T, process.t_min)[0], rtol=0, atol=2e-9)


@pytest.mark.parametrize("process", PROCESSES[:3], ids=IDS[:3])
def test_the_flow_of_a_data_set_ends_on_its_images(process):
    """At t = 0 every path is on one of the images, to rounding."""
    law = digits(count=60)
    end = exact_flow(process, law, starts(process, law.shape, 12), process.T, 0.0)[0]
    nearest = np.abs(end[:, None] - law.images).max(axis=(2, 3)).min(axis=1)
    assert nearest.max() < 1e-12


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_flow_into_one_point_is_a_straight_line_in_noise_level(process):
    """A data set of one image flows as the Gaussian without variance.

    With all mass in one point the score is Sigma^-1 (e x_0 - z): Gaussian data of variance 0.
    """
    point = Empirical(np.array([[0.7, -0.2]]))
    z = starts(process, point.shape, 3)
    found = exact_flow(process, point, z, process.T, process.t_min)
    expected = exact_flow(process, Gaussian([0.7, -0.2], 0.0), z, process.T, process.t_min)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    if process.blocks == 1:
        assert exact_flow(process, point, z, process.T, 0.0)[0] == pytest.approx(
            np.tile([0.7, -0.2], (3, 1)), abs=1e-14
        )


def test_a_denoiser_that_is_not_finite_stops_the_flow():
    """The integrator says whose fault it is instead of halving its step for ever."""
    broken = mixture(dim=2)
    object.__setattr__(broken, "denoise", lambda y, sigma: y * np.nan)
    for process in (VP(), PSLD()):
        with pytest.raises(NonFiniteError, match="check the law"):
            exact_flow(process, broken, starts(process, (2,), 3), 1.0, 0.5)


def test_the_flow_keeps_its_start_and_refuses_times_out_of_order():
    """The caller's blocks stay; equal times, times below 0, a rise from 0, NaN and too large states are refused."""
    z = starts(PSLD(), (2,), 3)
    copies = [block.copy() for block in z]
    exact_flow(PSLD(), mixture(dim=2, components=2), z, 1.0, 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(z, copies, strict=True))
    for t0, t1 in [(0.0, 0.2), (0.1, 0.1), (0.1, -0.1), (0.1, np.nan)]:
        with pytest.raises(InputError, match="t0"):
            exact_flow(VP(), ROTATED, z[:1], t0, t1)
    with pytest.raises(InputError, match="NaN"):
        exact_flow(VP(), ROTATED, [np.full((1, 2), np.nan)], 1.0, 0.5)
    for process in (VP(), PSLD()):
        with pytest.raises(NonFiniteError, match="smaller states"):
            exact_flow(process, mixture(dim=2), [np.full((1, 2), 1e200)] * process.blocks, 1.0, 0.5)


@pytest.mark.parametrize(
    "process", breadth(PROCESSES[:4], lambda process: process.name in ("edm", "psld")), ids=IDS[:4]
)
@pytest.mark.parametrize("law", [ROTATED, mixture(dim=2)], ids=["gaussian", "mixture"])
def test_the_flow_rises_to_where_it_falls_from(process, law):
    """From t_min to a third of T and back, to the integrator's 1e-10 times what the way back magnifies."""
    data = law.sample(3, 0)
    z = [data, np.full_like(data, 0.1)][: process.blocks]
    up = exact_flow(process, law, z, process.t_min, process.T / 3)
    down = exact_flow(process, law, up, process.T / 3, process.t_min)
    for a, b in zip(down, z, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_flow_to_time_zero_takes_the_momentum_along():
    """In phase space the last stretch is Euler's for the momentum: one Gaussian as a mixture of one ends as its map."""
    start = starts(PSLD(), (1,), 4)
    one = Gaussian([0.3], [0.25])
    mixed = GaussianMixture([1.0], [[0.3]], [[0.25]])
    exact, found = (exact_flow(PSLD(), law, start, 0.2, 0.0)[1] for law in (one, mixed))
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-9)
