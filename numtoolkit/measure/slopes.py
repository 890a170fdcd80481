"""How fast what is frozen, and the slope of the flow, change along paths of a Gaussian law, of others, of networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, host
from numtoolkit.errors import whole
from numtoolkit.laws import Gaussian
from numtoolkit.models.by_reference import law_or_network
from numtoolkit.sampling.runner import sample

LEVELS = 1e4, 1e-4, 4001  # noise levels over the deviation of the data: highest, lowest, how many
PATH = "exp-adams(4)"  # what follows a path; it evaluates once a step, at its start


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


@dataclass(frozen=True, eq=False)
class PathSlopes:
    """Sizes of derivatives along paths of the probability flow, over the distance of their ends from the mean.

    levels    (n,), noise levels s from high to low
    data      (n, batch), |dD / dlambda| of the data prediction, lambda = -log s, over |x_0 - m|
    noise     (n, batch), |de / dlambda| of the noise prediction, over |x_0 - m| / sqrt(v)
    slope     (n, batch), |de / ds| of the slope of the flow in the noise level, over |x_0 - m| / v
    variance  v, of a coordinate of the data; of a network that of the ends of its paths, as their mean m is
    """

    levels: Floats = field(repr=False)
    data: Floats = field(repr=False)
    noise: Floats = field(repr=False)
    slope: Floats = field(repr=False)
    variance: float


def path_slopes(network: Any, seeds: Iterable[int] = range(64), steps: int = 800) -> PathSlopes:
    """How fast the frozen quantities change along the flow of a law or network, on EDM.

    network  as of `numtoolkit.error_curve`
    seeds    one a path
    steps    of equal length in log s, 8 to 10000, between which differences are taken: relative errors of the second
             order in their length, 1e-4 by default for a Gaussian law
    returns  `PathSlopes`
    raises   as `numtoolkit.sample`
    cost     steps evaluations a path, and memory for as many states
    """
    whole("steps", steps, 8, 10_000)
    own = law_or_network(network)
    is_law = hasattr(own, "denoise")
    run = sample(PATH, "edm", own, "log-snr", steps=steps, seeds=list(seeds), trajectory=True,
                 dtype=np.float64 if is_law else None)  # fmt: skip
    assert run.trajectory is not None
    s = run.trajectory.times[:-1]
    shape = len(s), len(run.samples), -1
    parts = run.trajectory.states[:-1], run.trajectory.x0
    x, D = (host("a path", part).astype(np.float64).reshape(shape) for part in parts)
    ends = D[-1]
    mean = own.mean.ravel() if is_law else ends.mean(axis=0)
    variance = float(own.variance if is_law else ((ends - mean) ** 2).mean())
    far = np.linalg.norm(ends - mean, axis=1)
    e = (x - D) / s[:, None, None]

    def size(quantity: Floats, clock: Floats) -> Floats:
        found: Floats = np.linalg.norm(np.gradient(quantity, clock, axis=0), axis=2) / far
        return found

    return PathSlopes(s, size(D, -np.log(s)), size(e, -np.log(s)) * np.sqrt(variance), size(e, s) * variance, variance)


def data_slope(law: Any, y: Floats, s: float, apart: float = 1e-4) -> Floats:
    """dD / dlambda of the data prediction of a law along the flow, through states y at noise level s, like y.

    y        (batch, *shape), states over alpha
    s        above 0
    apart    of the two levels, in log s, that the difference is taken over: good to its square
    cost     three denoiser calls
    """
    up = law.denoise(y, s) - y  # dy / dlambda
    early, late = (law.denoise(y + h * up, s * np.exp(-h)) for h in (-apart / 2, apart / 2))
    found: Floats = (late - early) / apart
    return found
