"""The steepest slopes along the exact paths of Gaussian data are those of the closed form."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.measure.slopes import steepest


@pytest.mark.parametrize("variance", [1e-4, 0.25, 9.0])
def test_the_steepest_slopes_of_a_gaussian_are_those_of_its_closed_form(variance: float) -> None:
    """2 / (3 sqrt 3) in log-SNR, 1 over the variance in the noise level; exponential-iia.md 6.2.

    Differences over steps of 0.5 % in the noise level are good to the square of that.
    """
    in_log, in_level = steepest(variance)
    assert in_log == pytest.approx(2 / (3 * np.sqrt(3)), rel=1e-4)
    assert in_level == pytest.approx(1 / variance, rel=1e-4)
