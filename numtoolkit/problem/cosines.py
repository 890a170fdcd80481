"""The cosines of signals and images, and the power law of their variances that photographs have."""

from __future__ import annotations

import math

import numpy as np

from numtoolkit.arrays import Floats


def cosine_basis(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """The discrete cosine transform (DCT-II) over the last two axes of an event, or the last of signals, orthonormal.

    shape    (length,), (height, width) or (channels, ..., height, width), d coordinates in C order
    returns  waves in columns, (d, d), and their frequencies (d,), in half periods over the longer side
    """
    sides = shape[-2:]
    waves = np.eye(math.prod(shape) // math.prod(sides))
    for side in sides:
        waves = np.asarray(np.kron(waves, _cosines(side)))
    axes = [np.arange(side) * max(sides) / side for side in sides]
    frequency = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    return waves, np.tile(frequency.ravel(), math.prod(shape) // math.prod(sides))


def _cosines(side: int) -> Floats:
    k = np.arange(side)
    waves: Floats = np.cos(np.pi * (k[:, None] + 0.5) * k / side) * math.sqrt(2 / side)
    waves[:, 0] = side**-0.5
    return waves
