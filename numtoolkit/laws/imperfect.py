"""Laws whose network is wrong by known amounts: what a trained network does to a scheme, without training one."""

from __future__ import annotations

from typing import Any

import numpy as np

from numtoolkit.arrays import Array, Floats, host
from numtoolkit.errors import InputError
from numtoolkit.laws.checks import real
from numtoolkit.laws.law import Law, alike
from numtoolkit.problem.directions import Levels

WAVES = 32  # of the field


class _Wrong:
    """A law with another denoiser: that of the law and a smooth random field, sines of the state and of the level.

    law    whose samples and moments are kept
    seed   of the field, whose size is about 1
    """

    def __init__(self, law: Law, how: str, seed: int) -> None:
        self.law = law
        self.shape, self.mean, self.variance = law.shape, law.mean, law.variance
        self.name = f"{law.name}, network {how}"
        rng = np.random.default_rng(seed)
        d = int(np.prod(law.shape))
        self._directions = rng.standard_normal((d, WAVES)) / np.sqrt(d) * 2
        self._speeds, self._phases = rng.standard_normal(WAVES), rng.uniform(0, 2 * np.pi, WAVES)
        self._mix = rng.standard_normal((WAVES, d)) * np.sqrt(2 / WAVES)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def covariance(self) -> Floats:
        """That of the law."""
        return self.law.covariance()

    def sample(self, n: int, seed: int) -> Floats:
        """That of the law."""
        return self.law.sample(n, seed)

    def denoise(self, y: Array, sigma: Any) -> Array:
        """The wrong denoiser at y (batch, *shape), as `laws.law.denoised`; sigma a number > 0, or (batch,).

        raises   InputError for noise that differs by direction
        cost     the field in float64 on the host, which autograd does not see
        """
        if isinstance(sigma, Levels):
            raise InputError(f"law {self.name} is wrong by one noise level, and here it differs by direction.")
        exact = self.law.denoise(y, sigma)
        rows, levels = (host(name, value).astype(np.float64) for name, value in (("y", y), ("sigma", sigma)))
        return exact + alike(self._error(rows, levels.reshape(-1, 1)).reshape(rows.shape), exact)

    def _error(self, y: Floats, s: Floats) -> Floats:
        """What is added, (batch, d), at levels s (batch or 1, 1)."""
        raise NotImplementedError

    def _waves(self, y: Floats, width: Floats, clock: Floats) -> Floats:
        """The field, (batch, d)."""
        seen = (y - self.mean).reshape(len(y), -1) / width @ self._directions
        found: Floats = np.sin(seen + self._speeds * clock + self._phases) @ self._mix
        return found


class Imperfect(_Wrong):
    """A law with the denoiser D + size r g, r the deviation of the posterior of a Gaussian of the law's mean variance.

    g is a smooth random field, of size about 1: sines of the state over its deviation and of the logarithm of the noise
    level. The flow of the wrong denoiser is smooth too; errors of a scheme are those against it, not of the network.

    law    whose samples and moments are kept
    size   0.03 is a good network, 0.1 a rough one
    seed   of the field
    """

    def __init__(self, law: Law, size: float, seed: int = 0) -> None:
        super().__init__(law, f"wrong by {size:g}", seed)
        self.size = size

    def _error(self, y: Floats, s: Floats) -> Floats:
        width = np.hypot(np.sqrt(self.variance), s)
        field = self._waves(y, width, np.log(s / width))
        return self.size * np.sqrt(self.variance) * s / width * field


class Rough(_Wrong):
    """A law with the denoiser D + r g, r of the noise level as it was measured of a network, g a field of size about 1.

    At high noise a trained network is not the mean of its data, as a denoiser is, but goes on changing with the
    logarithm of the level; a scheme, and a grid, that count on rest there are misled.
    law     whose samples and moments are kept
    levels  (n,), rising, of noise; between them r is linear in log s, above the last that of the last, below the first
            proportional to s
    sizes   (n,), r there, >= 0
    seed    of the field
    raises  InputError for levels that do not rise from above 0, and for other sizes
    """

    def __init__(self, law: Law, levels: Any, sizes: Any, seed: int = 0) -> None:
        super().__init__(law, "rough", seed)
        self.levels, self.sizes = real("levels", levels), real("sizes", sizes)
        rising = self.levels.ndim == 1 and self.levels.min() > 0 and (np.diff(self.levels) > 0).all()
        if not rising or self.sizes.shape != self.levels.shape or self.sizes.min() < 0:
            raise InputError("a rough law has levels (n,) that rise from above 0, and sizes (n,) >= 0; give these.")

    def _error(self, y: Floats, s: Floats) -> Floats:
        return self.size(s) * self.field(y, s)

    def size(self, s: Floats) -> Floats:
        """r at noise levels s, of any shape."""
        first = self.levels[0]
        inside = np.interp(np.log(np.maximum(s, first)), np.log(self.levels), self.sizes)
        return inside * np.minimum(s / first, 1.0)

    def field(self, y: Floats, s: Floats) -> Floats:
        """g, (batch, d), at y (batch, *shape) and levels s (batch or 1, 1)."""
        tiny = np.maximum(s, 1e-3 * self.levels[0])  # below it r is next to nothing
        return self._waves(y, np.hypot(np.sqrt(self.variance), s), np.log(tiny))
