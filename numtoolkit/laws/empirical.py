"""A data set as its own law: every image carries probability, and the denoiser is a softmax average."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from numtoolkit.arrays import Array, Floats, host, library
from numtoolkit.errors import InputError
from numtoolkit.laws.checks import probabilities, real
from numtoolkit.laws.law import TILE_BYTES, denoised, freeze, placed, streams
from numtoolkit.problem.directions import Levels


@dataclass(frozen=True, eq=False, init=False)
class Empirical:
    """sum_i weights_i delta(x0 - images_i), denoised by sum_i softmax_i(log w_i - |y - x_i|^2/2 sigma^2) x_i.

    images   (N, *shape); float32 stays float32 on the host, every other dtype becomes float64
    weights  (N,) >= 0 summing to 1 within 1e-6, or None for equal ones
    tile     images at a time; None keeps the (batch, tile) matrix of exponents below 64 MB
    errors   InputError for data that are empty, not finite or of fewer than one axis, and for pixels from 0 to 255
    cost     two (batch, N, d) matrix products a call; the data move once to each dtype and device

    Exponents are formed as (y' x - |x|^2/2) / sigma^2, y and x centred on the mean image: |y|^2 is common to
    all images and cancels in the softmax, so far-away y lose nothing.  What is left is the rounding of one
    inner product, at most d eps (|y| |x| + |x|^2) / sigma^2 in an exponent: as if y were moved by d eps times
    the size of y and the data.  It shows only where images compete, for elsewhere the softmax is flat.  On
    the 8x8 digits a point halfway between two images is denoised to 2e-9, 2e-11, 2e-13 at sigma = 1e-3, 1e-2,
    0.1 in float64 and to 1, 1e-2, 1e-4 in float32 (true float32, torch's default, not TF32); an image with noise
    of these sizes to eps.
    """

    images: npt.NDArray[np.floating] = field(repr=False)
    weights: Floats = field(repr=False)
    name: str
    tile: int | None = field(repr=False)

    def __init__(self, images: Any, weights: Any = None, name: str = "empirical", tile: int | None = None) -> None:
        given = host("images", images)
        data = real("images", given, np.float32 if given.dtype == np.float32 else np.float64)
        if data.min() >= 0 and 127 < data.max() <= 255:
            raise InputError(
                f"images go from {data.min():g} to {data.max():g}, as pixels of 8 bits do, and processes "
                "expect data near 1; give images / 127.5 - 1."
            )
        if data.ndim == 0:
            raise InputError("images is a single number; give one entry for each image, (N, *shape).")
        if tile is not None and tile < 1:
            raise InputError(f"tile = {tile} images at a time is too few; give at least 1.")
        freeze(self, images=data, weights=probabilities("weights", weights, len(data)), name=name, tile=tile)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.images.shape[1:]

    @cached_property
    def mean(self) -> Floats:
        """The weighted mean image, float64 (*shape)."""
        return np.tensordot(self.weights, self.images, 1)

    @cached_property
    def variance(self) -> float:
        """Mean weighted variance of a coordinate."""
        return float(np.mean(np.tensordot(self.weights, (self.images - self.mean) ** 2, 1)))

    def covariance(self) -> Floats:
        """Weighted covariance of the flattened images, (d, d); no N - 1, for the data are the law."""
        spread = (self.images - self.mean).reshape(len(self.images), -1)
        return (spread.T * self.weights) @ spread

    def denoise(self, y: Array, sigma: Array | float | Levels) -> Array:
        """E[x0 | y = x0 + sigma n]; shapes, dtypes and errors as in `laws.law.denoised`."""
        return denoised(self.posterior_mean, y, sigma, self.shape, law=self)

    def sample(self, n: int, seed: int) -> Floats:
        """n images with replacement, float64 (n, *shape); a shorter sample of the same seed is a prefix."""
        choices, _ = streams(n, seed)
        return self.images[choices.choice(len(self.images), n, p=self.weights)].astype(np.float64)

    def along(self, basis: Floats) -> Empirical:
        """The law of the coordinates in an orthonormal basis (d, d)."""
        turned = self.images.reshape(len(self.images), -1).astype(np.float64) @ basis
        return Empirical(turned, self.weights, self.name, self.tile)

    def posterior_mean(self, rows: Array, level: Array) -> Array:
        """E[x0 | y] of rows (n, d) at levels (1, 1), (n, 1) or (1, d), one a coordinate.

        Softmax average by running maximum, total and moment over tiles of the data (online softmax).
        """
        xp = library(rows)
        centre, points, halves, log_weights = placed(self, rows, self._constants)
        precision = level**-2
        queries = (rows - centre) * precision
        top = xp.full((len(rows),), -math.inf, dtype=rows.dtype, device=rows.device)
        total, moment = 0 * rows[:, 0], 0 * rows
        tile = self.tile or max(1, TILE_BYTES // (rows.dtype.itemsize * max(1, len(rows))))
        for i in range(0, len(points), tile):
            part = slice(i, i + tile)
            exponents = queries @ points[part].T
            if len(precision) == 1 and precision.shape[1] > 1:
                exponents -= points[part] ** 2 @ precision[0] / 2
            else:
                exponents -= halves[part] * precision  # in place: fresh pages cost more than the arithmetic
            exponents += log_weights[part]
            peak = xp.maximum(top, xp.amax(exponents, 1))
            shares, fade = xp.exp(exponents - peak[:, None]), xp.exp(top - peak)
            total = total * fade + shares.sum(1)
            moment = moment * fade[:, None] + shares @ points[part]
            top = peak
        return centre + moment / total[:, None]

    def _constants(self, move: Any) -> tuple[Any, ...]:
        weights = self.weights
        flat = self.images.reshape(len(self.images), -1)
        if weights.min() == 0:
            flat, weights = flat[weights > 0], weights[weights > 0]
        centre = move(self.mean.ravel())
        points = move(flat) - centre
        return centre, points, (points * points).sum(-1) / 2, move(np.log(weights))
