"""Laws for tests: one of each kind, random mixtures and images, and noisy draws."""

from __future__ import annotations

import numpy as np

from numtoolkit.laws import NAMED, Empirical, Gaussian, GaussianMixture

EPS = np.finfo(np.float64).eps


def random_mixture(seed: int, components: int = 3, dim: int = 3) -> GaussianMixture:
    return NAMED["mixture"](dim=dim, components=components, seed=seed)


def random_images(count: int = 60, shape: tuple[int, ...] = (3, 4), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape))


def every_law() -> list:
    """One law of each kind: full, diagonal, mixed, isotropic, degenerate, weighted data in several tiles."""
    rng = np.random.default_rng(5)
    weights = rng.dirichlet(np.ones(60))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    full = (turn * [0.0, 0.1, 0.5, 2.0]) @ turn.T
    return [
        Gaussian(np.arange(4.0), (full + full.T) / 2, "full"),
        Gaussian(np.zeros((2, 2)), np.array([[0.0, 1.0], [0.5, 2.0]]), "diagonal"),
        Gaussian(0.3, 0.25, "scalar event"),
        random_mixture(0),
        GaussianMixture(
            [0.5, 0.0, 0.5], rng.standard_normal((3, 4)), np.array([np.diag([0, 1, 2, 3]), np.eye(4), full + full.T])
        ),
        GaussianMixture([0.2, 0.8], rng.standard_normal((2, 2, 2)), rng.uniform(0, 1, (2, 2, 2)), "diagonals"),
        NAMED["ring"](),
        Empirical(random_images(), weights, tile=7),
    ]


def noisy(law, count: int, sigma: float, seed: int = 0) -> np.ndarray:
    x = law.sample(count, seed)
    return x + sigma * np.random.default_rng(seed + 1).standard_normal(x.shape)


def normal(n: int, seed: int, scale: float = 1.0, mean: float = 0.0, dim: int = 4) -> np.ndarray:
    """Samples of a Gaussian whose coordinates have deviations from 1 to 0.1 times `scale`."""
    return mean + np.random.default_rng(seed).standard_normal((n, dim)) * np.geomspace(1, 0.1, dim) * scale
