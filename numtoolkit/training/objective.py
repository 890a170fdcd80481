"""What training regresses on: score matching of every prediction on every process, as one table of coefficients.

With z = e x0 + L eps, L L' = Sigma, the score of the kernel is S = -L^-T eps, and a network of any prediction learns

    out = P' z + Q' S = a x0 + B eps        a = P' e, B = P' L - Q' L^-T

whose mean given z is the prediction of the law, for it is affine in the score (Vincent 2011): the noise is eps, the
data are x0, the flow is the velocity of the straight path, `noise-skip` is PSLD's mixed score. In a phase space the
kernel has the momentum averaged out, so that this is hybrid score matching (arXiv:2112.07068), of both outputs. What is
trained is F of `numtoolkit.models.blueprint.Scales`, and the loss is the mean of |F - (out - skip z) / outer|^2: with a
Gaussian skip the weighting of Karras et al. (2022) at each output, without one that of Ho et al. (2020) for the noise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from numtoolkit.arrays import Floats, cholesky, inverse
from numtoolkit.models.blueprint import Blueprint, scales

MESH = 4096  # times that training draws from, each as likely


class Mesh(NamedTuple):
    """The regression at times of equal probability: F(E x0 + R eps, level) against A x0 + B eps.

    level  (n,)
    E, R   (n, k), (n, k, k)
    A, B   (n, q), (n, q, k)
    """

    level: Any
    E: Any
    R: Any
    A: Any
    B: Any


def mesh(own: Blueprint, levels: tuple[float, ...] = (), size: int = MESH) -> Mesh:
    """The regression of a blueprint at the quantiles of the times, float64.

    own     the blueprint
    levels  mean and deviation of the logarithm of the noise level, which is normal, cut at the ends of the process; of
            none the time is uniform between them
    size    number of times
    """
    t = times(own, levels, size)
    e, sigma = own.on.kernel(t)
    L = cholesky(sigma)
    by_state, by_score = own.prediction.from_score(own.on, t)
    scaled = scales(own, t)
    left = by_state - scaled.skip
    a, B = (left @ e[:, :, None])[:, :, 0], left @ L - by_score @ np.swapaxes(inverse(L), 1, 2)
    E, R = scaled.inner * e, scaled.inner[:, :, None] * L
    return Mesh(scaled.level, E, R, a / scaled.outer, B / scaled.outer[:, :, None])


def times(own: Blueprint, levels: tuple[float, ...], size: int) -> Floats:
    """The quantiles (i + 1/2) / size of the times of a process.

    own, levels, size   as of `mesh`
    """
    process, share = own.on, (np.arange(size) + 0.5) / size
    if not levels:
        return process.t_min + share * (process.T - process.t_min)
    ends = np.array([process.t_min, process.T])
    low, high = process.level(ends)
    return np.clip(process.time_of_level(np.clip(np.exp(levels[0] + levels[1] * ndtri(share)), low, high)), *ends)


def loss(raw: Any, at: Mesh, x0: Any, eps: Any, labels: Any = None) -> Any:
    """The mean of the squares, over samples, outputs and coordinates, in float32 whatever the module computes in.

    raw      the trained function, raw(x, level, labels)
    at       rows of a mesh as tensors, one a sample
    x0       (batch, *shape); eps (batch, k, *shape), standard normal
    labels   (batch,) or None
    """
    data, noise = x0.flatten(1)[:, None], eps.flatten(2)
    x = at.E[:, :, None] * data + at.R @ noise
    wanted = at.A[:, :, None] * data + at.B @ noise
    out = raw(x.reshape(eps.shape), at.level, labels)
    return ((out.flatten(2).to(wanted.dtype) - wanted) ** 2).mean()
