"""How fast the frozen quantities change along paths."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import Network
from numtoolkit.laws import Gaussian, law_of
from numtoolkit.measure.slopes import data_slope, path_slopes, steepest

BOUND = 2 / (3 * np.sqrt(3))


@pytest.mark.parametrize("variance", [1e-4, 0.25, 9.0])
def test_the_steepest_slopes_of_a_gaussian_are_those_of_its_closed_form(variance: float) -> None:
    """2 / (3 sqrt 3) in log-SNR, 1 over the variance in the noise level; exponential-iia.md 6.2.

    Differences over steps of 0.5 % in the noise level are good to the square of that.
    """
    in_log, in_level = steepest(variance)
    assert in_log == pytest.approx(2 / (3 * np.sqrt(3)), rel=1e-4)
    assert in_level == pytest.approx(1 / variance, rel=1e-4)


def test_slopes_along_gaussian_paths_are_those_of_the_closed_form() -> None:
    """sqrt(J) (1 - J), J sqrt(1 - J) and J^(3/2), to the square of the step."""
    found = path_slopes("gaussian(mean=0.3, std=0.5)", range(3), 400)
    J = 0.25 / (0.25 + found.levels**2)
    inner = slice(2, -2)  # the ends have one-sided differences
    for size, exact in ((found.data, np.sqrt(J) * (1 - J)), (found.noise, J * np.sqrt(1 - J)), (found.slope, J**1.5)):
        np.testing.assert_allclose(size[inner], np.broadcast_to(exact[inner, None], (396, 3)), rtol=2e-3)


def test_of_data_with_many_variances_the_slope_stays_below_the_bound_of_one() -> None:
    """Squares of directions add, in the slope and in the distance."""
    found = path_slopes("anisotropic", range(8), 200)
    assert found.data.max() < BOUND
    assert found.slope.max() > 5


def test_a_network_has_the_slopes_of_its_law_about_the_mean_of_its_ends() -> None:
    """Each path has those of the law but for the distance, which is that from another mean."""
    law = Gaussian(0.3, 0.25)
    exact, found = path_slopes(law, range(4), 50), path_slopes(Network.of(law), range(4), 50)
    ratio = found.data / exact.data
    high = ratio[:30]  # below, differences of float32 have no digits left
    np.testing.assert_allclose(high, np.broadcast_to(ratio[20], high.shape), rtol=1e-2)
    assert found.variance != exact.variance == 0.25


def test_the_data_slope_at_a_state_is_that_of_the_path_through_it() -> None:
    """Of Gaussian data sqrt(J) (1 - J) times the distance at its end, and between two modes that of narrow ones."""
    y, s, v = np.array([[1.3], [-4.0]]), 0.8, 0.25
    J = v / (v + s**2)
    np.testing.assert_allclose(data_slope(Gaussian([0.3], v), y, s), J * (1 - J) * (y - 0.3), rtol=1e-7)
    law, width = law_of("two-modes(weight=0.5, separation=1.2, std=0.02)"), 0.02
    most = np.abs(data_slope(law, np.linspace(0, 0.01, 400)[:, None], 2**0.5 * width)).max()
    assert most / 0.6 == pytest.approx(BOUND**3 * (0.6 / width) ** 2, rel=0.01)
