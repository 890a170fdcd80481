"""Grids: the points they are said to have."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import PSLD, VP, process


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
