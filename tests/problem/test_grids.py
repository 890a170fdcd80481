"""Grids: the points they are said to have."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP, RectifiedFlow, process


@pytest.mark.parametrize(
    ("rule", "on", "even"),
    [
        ("uniform", VP(), lambda t: t),
        ("linear", PSLD(), lambda t: t),
        ("quadratic", EDM(), lambda t: np.sqrt(t - 0.002)),
        ("rho(5)", VP(), lambda t: np.expm1(0.1 * t + 9.95 * t**2) ** (1 / 10)),  # the root of s^2 = e^B - 1
        ("karras", EDM(), lambda t: t ** (1 / 7)),
        ("rho(3)", PSLD(), lambda t: t ** (1 / 3)),
        ("rho", PSLD(), lambda t: t ** (1 / 7)),
        ("logsnr", RectifiedFlow(), lambda t: np.log(t / (1 - t))),
    ],
)
def test_a_grid_has_equal_steps_of_what_its_name_says(rule, on, even):
    """N + 1 points from T to t_min: of the time, a root of the level or, in phase space, of the time, or log s."""
    times = grid(rule, on, 8)
    assert (len(times), times[0], times[-1]) == (9, on.T, on.t_min)
    steps = np.diff(even(times))
    np.testing.assert_allclose(steps, steps.mean(), rtol=0, atol=1e-12 * np.abs(even(times)).max())


def test_own_points_may_start_at_the_end_of_the_process_and_not_beyond():
    """A start 1 % beyond T is a slip, rounding is not."""
    np.testing.assert_array_equal(grid([1 + 1e-13, 0.5], VP()), [1 + 1e-13, 0.5])
    with pytest.raises(InputError, match="the grid has 1 steps but 3 were asked for"):
        grid([1, 0.5], VP(), 3)
    with pytest.raises(InputError, match=r"starts at 1\.01, beyond T = 1 of process vp"):
        grid([1.01, 0.5], VP())


def test_the_angle_grid_follows_its_power():
    """theta falls as (1 - n/N)^power, on one block and on two."""
    levels = VP().noise_level(grid("angle(0.3, 1.7, zero=1)", VP(), 9))
    theta = np.arctan(levels / 0.3)
    np.testing.assert_allclose(theta, theta[0] * (1 - np.arange(10) / 9) ** 1.7, atol=1e-14)
    inner = PSLD().level(grid("angle(0.3, 2)", PSLD(), 9))
    np.testing.assert_allclose(np.diff(np.sqrt(np.arctan(inner / 0.3)), 2), 0, atol=1e-12)


@pytest.mark.parametrize("rule", ["uniform", "quadratic", "rho(3)", "log-snr", "angle(0.5, 1.2)"])
def test_every_grid_of_phase_space_may_end_at_zero(rule):
    """zero=1 adds a last point at t = 0 to the points of the grid without."""
    text = rule[:-1] + ", zero=1)" if rule.endswith(")") else f"{rule}(zero=1)"
    for on in map(process, ["psld", "cld"]):
        times = grid(text, on, 6)
        assert times.tolist() == [*grid(rule, on, 5).tolist(), 0.0]
