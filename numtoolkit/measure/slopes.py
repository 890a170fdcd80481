"""How fast the data prediction, and the slope of the flow, change along the exact paths of a Gaussian law."""

from __future__ import annotations

import numpy as np

from numtoolkit.laws import Gaussian

LEVELS = 1e4, 1e-4, 4001  # noise levels over the deviation of the data: highest, lowest, how many


def steepest(variance: float) -> tuple[float, float]:
    """The largest slopes along the path that ends at 1, of data N(0, variance) under the variance exploding process.

    variance   of the data, above 0
    returns    |dD / dlambda|, of the data prediction in lambda = -log(noise level); |d^2 x / ds^2|, of the state in the
               noise level itself
    cost       no evaluations: both by differences of the closed form, whose relative error is 1e-4
    """
    highest, lowest, count = LEVELS
    deviation = np.sqrt(variance)
    s = deviation * np.geomspace(highest, lowest, count)
    x = np.sqrt(1 + (s / deviation) ** 2)
    law = Gaussian(0.0, variance)
    data = np.array([law.denoise(np.array([own]), level)[0] for own, level in zip(x, s, strict=True)])
    by_log, by_level = np.gradient(data, -np.log(s)), np.gradient((x - data) / s, s)
    return float(np.abs(by_log).max()), float(np.abs(by_level).max())
