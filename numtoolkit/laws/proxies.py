"""Laws that stand for a network: the modes and the spectrum of what it draws, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from numtoolkit.errors import InputError
from numtoolkit.errors import real as number
from numtoolkit.laws.checks import real
from numtoolkit.laws.gaussian import GaussianMixture
from numtoolkit.limits import MOST_COORDINATES

FEWEST = 2  # samples of a proxy law
SHARE = 0.8  # of their variance between its components: chosen from three on two networks of digits and one of patches
SPREAD, BLUR = 0.05, 0.02  # of its covariance over all directions, and of its deviation about each component


def proxy_of(samples: Any, share: float = SHARE, name: str = "proxy") -> GaussianMixture:
    """A law with the modes and the spectrum of some samples: it ranks schemes as a network trained on such data does.

    Equal components m + sqrt(share) (x_k - m) about their mean m, with the covariance (1 - share) C + 0.02^2 w I: C is
    that of the samples, of which 0.05 is spread over all directions, w the mean variance of one.

    samples  (n, *shape), such as outputs of a pilot run
    share    of their variance that lies between the components, 0..1
    name     of the law
    raises   InputError for fewer than two samples, and for more than 4096 coordinates
    cost     the singular values of a matrix (n, d)
    """
    rows = real("samples", samples)
    if rows.ndim < 2 or len(rows) < FEWEST:
        raise InputError(f"samples of shape {rows.shape} make no proxy; give (n, *shape) of at least two.")
    if not 0 <= number("share", share) <= 1:
        raise InputError(f"share = {share} is out of range; it must satisfy 0 <= share <= 1.")
    if rows[0].size > MOST_COORDINATES:
        raise InputError(
            f"samples of {name!r} have {rows[0].size} coordinates; a proxy takes {MOST_COORDINATES} at most."
        )
    mean = rows.mean(axis=0)
    spread = (rows - mean).reshape(len(rows), -1) / np.sqrt(len(rows))
    _, deviations, axes = np.linalg.svd(spread, full_matrices=True)
    variances = np.zeros(mean.size)
    variances[: len(deviations)] = deviations**2
    w = variances.mean()
    blurred = (1 - share) * ((1 - SPREAD) * variances + SPREAD * w) + BLUR**2 * w
    return GaussianMixture.shared(mean + np.sqrt(share) * (rows - mean), blurred, axes.T, name)
