"""What is left of each frequency: the power of samples over that of data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.laws.checks import real
from numtoolkit.laws.spectra import FEWEST
from numtoolkit.measure.distances import LEVEL


@dataclass(frozen=True, eq=False)
class PowerRatio:
    """The power of samples over that of data, by frequency.

    frequency  (m,), in periods over the longer side
    ratio      (m,), mean power of the samples over that of the data: below 1 it is blur, above 1 noise
    low, high  (m,), a 95 % interval over samples and data, both draws
    samples, data   (m,), the powers themselves, a coefficient each
    """

    frequency: Floats
    ratio: Floats
    low: Floats
    high: Floats
    samples: Floats = field(repr=False)
    data: Floats = field(repr=False)

    def __repr__(self) -> str:
        span = f"{self.ratio.min():.3g} to {self.ratio.max():.3g}"
        return f"<PowerRatio at frequencies 0 to {self.frequency[-1]:g}: {span}>"

    def table(self) -> list[dict[str, float]]:
        """A record {frequency, ratio, low, high} a frequency."""
        columns = {name: getattr(self, name).tolist() for name in ("frequency", "ratio", "low", "high")}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def power_ratio(samples: Any, data: Any) -> PowerRatio:
    """The power spectrum of samples over that of data, averaged over directions: T, measured on what a network draws.

    Powers are squares of Fourier coefficients of what is left of a sample less the mean of the data, averaged over
    channels and over the coefficients of one whole frequency. Where directions of one scale are those of one frequency,
    as of data whose statistics are the same everywhere, the ratio is (1 + T)^2 of `transfer`.
    samples  (n, *event): of images the last two axes are height and width, of signals (n, length) the last is
    data     (m, *event), numpy arrays or tensors
    returns  `PowerRatio`, at the frequencies 0, 1, ... to the largest at which there is a whole circle
    raises   InputError for arrays of other events, for fewer than two samples, and for data without power somewhere
    cost     the Fourier transforms; for the intervals both are taken as independent draws
    """
    own, other = real("samples", samples), real("data", data)
    if own.ndim < 2 or own.shape[1:] != other.shape[1:] or min(len(own), len(other)) < FEWEST:
        raise InputError(
            f"samples {own.shape} and data {other.shape} are no two sets of one event; give (n, *event), two samples "
            "of each at least."
        )
    mean = other.mean(axis=0)
    bins = _frequencies(own.shape[1:])
    drawn, exact = (_powers(each - mean, bins) for each in (own, other))
    power, truth = drawn.mean(axis=0), exact.mean(axis=0)
    if not (truth > 0).all():
        empty = int(np.flatnonzero(truth <= 0)[0])
        raise InputError(
            f"data have no power at frequency {empty}, so no ratio there; give data that vary at all of them."
        )
    # of the logarithm, by the central limit; of powers their spread over samples is all there is
    spread = [each.var(axis=0, ddof=1) / len(each) / each.mean(axis=0).clip(1e-300) ** 2 for each in (drawn, exact)]
    half = np.exp(_normal_quantile() * np.sqrt(spread[0] + spread[1]))
    ratio = power / truth
    return PowerRatio(np.unique(bins[bins >= 0]).astype(float), ratio, ratio / half, ratio * half, power, truth)


def _normal_quantile() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + LEVEL) / 2))


def _frequencies(event: tuple[int, ...]) -> NDArray[np.int64]:
    """The whole frequency of each Fourier coefficient of the last axes, -1 for those outside the largest circle."""
    sides = event[-2:]
    axes = [np.fft.fftfreq(side, 1 / max(sides)) for side in sides]
    found = np.rint(np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))).astype(np.int64)
    return np.where(found > min(max(sides) // 2, int(found.max())), -1, found)


def _powers(samples: Floats, bins: NDArray[np.int64]) -> Floats:
    """(n, frequencies), the mean power of a sample's coefficients of each frequency."""
    axes = tuple(range(-bins.ndim, 0))
    squares = np.abs(np.fft.fftn(samples, axes=axes)) ** 2 / math.prod(bins.shape)
    squares = squares.reshape(len(samples), -1, bins.size).mean(axis=1)
    inside = bins.ravel() >= 0
    count = np.bincount(bins.ravel()[inside])
    found = np.stack([np.bincount(bins.ravel()[inside], row[inside]) for row in squares])
    kept: Floats = (found / count.clip(1))[:, count > 0]
    return kept
