"""Pictures that are drawn by a seed, to train on where no photograph is to be seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats

LEAVES = 48  # discs of a picture of leaves, one before the other
STEEPNESS = 3.0  # of the density r^-3 of their radii, with which leaves of all sizes cover as much

# Of each class, how far (u, v) lies inside a figure of size 1, in its own frame; negative outside.
FIGURES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "disc": lambda u, v: 1 - np.hypot(u, v),
    "square": lambda u, v: 0.85 - np.maximum(abs(u), abs(v)),
    "ring": lambda u, v: 0.3 - abs(np.hypot(u, v) - 0.75),
    "cross": lambda u, v: np.minimum(0.3 - np.minimum(abs(u), abs(v)), 1 - np.maximum(abs(u), abs(v))),
    "triangle": lambda u, v: 0.55 - np.maximum(-v, (v + np.sqrt(3) * abs(u)) / 2),
    "bar": lambda u, v: np.minimum(0.3 - abs(u), 1.2 - abs(v)),
}


def leaves(size: int, count: int, seed: int) -> Floats:
    """Dead leaves: discs of all sizes and greys that hide one another; they have the spectrum and edges of photographs.

    size, count   pixels of a side, pictures; seed of all that is drawn
    returns   (count, size, size), in [-1, 1]
    """
    rng, (y, x) = np.random.default_rng(seed), _pixels(size)
    out = np.broadcast_to(rng.uniform(-1, 1, (count, 1, 1)), (count, size, size)).copy()
    least, most = 1.0, float(size)
    power = 1 - STEEPNESS
    for _ in range(LEAVES):
        share, grey = rng.uniform(size=(count, 1, 1)), rng.uniform(-1, 1, (count, 1, 1))
        radius = (least**power + share * (most**power - least**power)) ** (1 / power)
        down, across = rng.uniform(-radius, size + radius, (2, count, 1, 1))
        cover = np.clip(radius - np.hypot(y - down, x - across) + 0.5, 0, 1)
        out += cover * (grey - out)
    return out


def shapes(size: int, count: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """One figure of `FIGURES` each, of some place, size, angle and grey, before a ground that runs from grey to grey.

    size, count   pixels of a side, pictures; seed of all that is drawn
    returns   (count, size, size), in [-1, 1]; the classes (count,), numbers of `FIGURES`
    """
    rng, (y, x) = np.random.default_rng(seed), _pixels(size)
    classes = rng.integers(0, len(FIGURES), count)
    radius = size * rng.uniform(0.2, 0.38, (count, 1, 1))
    down, across = size * rng.uniform(0.35, 0.65, (2, count, 1, 1))
    angle, slope = rng.uniform(0, 2 * np.pi, (2, count, 1, 1))
    ground, figure = (
        np.sign(rng.uniform(-1, 1, (count, 1, 1))) * rng.uniform(0.2, 0.8, (2, count, 1, 1)) * [[[[-1]]], [[[1]]]]
    )
    u = ((x - across) * np.cos(angle) + (y - down) * np.sin(angle)) / radius
    v = ((y - down) * np.cos(angle) - (x - across) * np.sin(angle)) / radius
    inside = np.choose(classes[:, None, None], [own(u, v) for own in FIGURES.values()])
    cover = np.clip(inside * radius + 0.5, 0, 1)
    tilt = 0.4 * ((x / size - 0.5) * np.cos(slope) + (y / size - 0.5) * np.sin(slope))
    return np.clip((1 - cover) * (ground + tilt) + cover * figure, -1, 1), classes


def _pixels(size: int) -> tuple[Floats, Floats]:
    """The middles of pixels, down and across."""
    middles = np.arange(0.5, size)
    return middles[:, None], middles[None, :]
