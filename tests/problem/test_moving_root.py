"""The factor R_t of the noise covariance that a point mass carries along."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.measure import gaussian_flow
from numtoolkit.problem import axes
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.predictions import convert, from_score, to_score
from numtoolkit.problem.processes import CLD, PSLD, VP
from tests.support.tiers import breadth

PHASE = (PSLD(), PSLD(beta_min=4, beta_max=12), CLD())
# theta over wide ranges of what the processes allow, where its series needs the most terms or turns the most
EXTREME = (
    *(PSLD(beta_min=0.1, beta_max=20, nu=30, gamma=10, t_min=1e-6), PSLD(beta_min=1e-3, beta_max=100, t_min=1e-6)),
    *(PSLD(Gamma=1e-6, t_min=1e-6), PSLD(Gamma=3.9, T=10), CLD(gamma=1e-4, t_min=1e-4)),
)
named = partial(pytest.mark.parametrize, "process", ids=lambda process: process.spec)


@named([*PHASE, *EXTREME])
def test_the_moving_root_is_a_root_of_the_noise_covariance(process):
    """R R' = Sigma to ten roundings of its scales, also on processes at the edge of what is allowed."""
    t = np.geomspace(process.t_min, process.T, 50)
    R, sigma = process.moving_root(t), process.kernel(t)[1]
    scale = np.sqrt(sigma.diagonal(axis1=1, axis2=2))
    error = (R @ np.swapaxes(R, 1, 2) - sigma) / scale[:, :, None] / scale[:, None, :]
    np.testing.assert_allclose(error, 0, atol=10 * 2.2e-16)


@named(breadth([*PHASE, *EXTREME], lambda process: process in PHASE))
def test_the_flow_of_a_point_mass_carries_the_moving_root_along(process):
    """R' = (F + G G' Sigma^-1 / 2) R: the propagator between any two times is R R^-1."""
    t = np.geomspace(process.T, process.t_min, 4)
    R = process.moving_root(t)
    for n in range(3):
        exact = gaussian_flow(process, np.zeros(1), t[n], t[n + 1])[0]
        found = R[n + 1] @ np.linalg.inv(R[n])
        # the integration is to 1e-12 relative a step, and there are some hundred steps the more it turns
        np.testing.assert_allclose(found, exact, rtol=0, atol=3e-10 * np.abs(exact).max())


def test_the_cholesky_factor_turns_against_the_moving_root():
    """They differ by a rotation whose angle grows to more than ten radians.

    psld.md 7.2: R^-1 L is a rotation, its angle from t = 0.001 on to two digits; 8 radians a unit of time beyond
    0.3.
    """
    t = np.geomspace(1e-3, 1, 601)
    turn = np.linalg.solve(PSLD().moving_root(t), np.linalg.cholesky(PSLD().kernel(t)[1]))
    np.testing.assert_allclose(turn[:, 0, 0], turn[:, 1, 1], atol=1e-12)
    angle = np.unwrap(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
    found = np.interp(np.log([0.01, 0.05, 0.1, 0.3, 1]), np.log(t), angle - angle[0])
    np.testing.assert_allclose(found, [0.86, 2.2, 3.0, 4.9, 10.5], rtol=0.011)  # half a unit of the second digit
    assert abs((angle[-1] - np.interp(np.log(0.5), np.log(t), angle)) / 0.5 - 8) < 0.05


def test_the_moving_root_starts_at_time_zero_as_the_cholesky_factor():
    """The angle between them goes to 0 as sqrt(t), also at times far below t_min, which own grids may have."""
    t = np.array([1e-12, 1e-10, 1e-8])
    turn = np.linalg.solve(PSLD().moving_root(t), np.linalg.cholesky(PSLD().kernel(t)[1]))
    angle = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
    np.testing.assert_allclose(angle / angle[0], [1, 10, 100], rtol=1e-3)
    assert 0 < angle[2] < 0.01


@named(PHASE)
def test_freezing_the_noise_of_the_moving_root_leaves_the_forward_drift(process):
    """L = -F, and N = -G G' R^-T / 2; L is constant in time if beta is, and always in the integral of beta."""
    problem, t = axes.problem(process, "noise-r", "time"), np.array([0.9, 0.1, 0.004])
    np.testing.assert_array_equal(problem.operator(OPERATORS["L"], t), -process.drift(t))
    expected = -process.diffusion(t) @ np.linalg.inv(np.swapaxes(process.moving_root(t), 1, 2)) / 2
    np.testing.assert_allclose(problem.operator(OPERATORS["N"], t), expected, rtol=1e-13)
    assert problem.constant(OPERATORS["L"]) == (process.beta_min == process.beta_max)
    assert axes.problem(process, "noise-r", "beta").constant(OPERATORS["L"])
    assert not axes.problem(process, "noise-r", "beta").constant(OPERATORS["N"])


def test_noise_r_is_the_noise_of_an_exact_score():
    """z = e x0 + R n has the prediction n, there and back from the score and from the data."""
    process, t, n = PSLD(), np.array([0.02]), np.array([0.4, -1.1])
    e, sigma = (part[0] for part in process.kernel(t))
    R = process.moving_root(t)[0]
    z = 0.7 * e + R @ n
    score = -np.linalg.solve(sigma, z - 0.7 * e)
    P, Q = from_score("noise-r", process, t)
    np.testing.assert_allclose(P[0] @ z + Q[0] @ score, n, rtol=1e-11)
    P, Q = to_score("noise-r", process, t)
    np.testing.assert_allclose(P[0] @ z + Q[0] @ n, score, rtol=1e-11)
    P, Q = convert("data", "noise-r", process, t)
    np.testing.assert_allclose(P[0] @ z + 0.7 * Q[0][:, 0], n, rtol=1e-11)


def test_noise_r_is_refused_on_one_block():
    """A scalar process has one root: the sentence names its prediction, noise."""
    with pytest.raises(InputError, match="'noise-r' is not defined on process vp, a scalar process; use data, noise"):
        convert("data", "noise-r", VP(), np.array([0.5]))
