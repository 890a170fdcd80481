"""A law whose network is wrong by a known amount: what a trained network does to a scheme, without training one."""

from __future__ import annotations

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.laws.law import Law

WAVES = 32  # of the field


class Imperfect:
    """A law with the denoiser D + size r g, r the deviation of the posterior of a Gaussian of the law's mean variance.

    g is a smooth random field, of size about 1: sines of the state over its deviation and of the logarithm of the noise
    level. The flow of the wrong denoiser is smooth too; errors of a scheme are those against it, not of the network.

    law    whose samples and moments are kept
    size   0.03 is a good network, 0.1 a rough one
    seed   of the field
    """

    def __init__(self, law: Law, size: float, seed: int = 0) -> None:
        self.law, self.size = law, size
        self.shape, self.mean, self.variance = law.shape, law.mean, law.variance
        self.name = f"{law.name}, network wrong by {size:g}"
        rng = np.random.default_rng(seed)
        d = int(np.prod(law.shape))
        self._directions = rng.standard_normal((d, WAVES)) / np.sqrt(d) * 2
        self._speeds, self._phases = rng.standard_normal(WAVES), rng.uniform(0, 2 * np.pi, WAVES)
        self._mix = rng.standard_normal((WAVES, d)) * np.sqrt(2 / WAVES)

    def __repr__(self) -> str:
        return f"<Imperfect {self.name}>"

    def covariance(self) -> Floats:
        """That of the law."""
        return self.law.covariance()

    def sample(self, n: int, seed: int) -> Floats:
        """That of the law."""
        return self.law.sample(n, seed)

    def denoise(self, y: Floats, sigma: Floats | float) -> Floats:
        """The wrong denoiser at y (batch, *shape), float64 of numpy; sigma a number > 0, or (batch,)."""
        s = np.asarray(sigma, dtype=np.float64).reshape(-1, 1)
        width = np.hypot(np.sqrt(self.variance), s)
        seen = (y - self.mean).reshape(len(y), -1) / width @ self._directions
        field = np.sin(seen + self._speeds * np.log(s / width) + self._phases) @ self._mix
        wrong = self.size * np.sqrt(self.variance) * s / width * field
        exact: Floats = self.law.denoise(y, sigma)
        return exact + wrong.reshape(y.shape)
