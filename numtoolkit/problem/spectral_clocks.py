"""Clocks that know the spectrum of the data: how dense steps have to be at each noise level.

Gaussian data of variance v in one direction turn, on the way to the noise level s, by the angle arctan(s / sqrt(v)),
at the rate omega = s sqrt(v) / (s^2 + v) in log s. A step of length h there leaves sqrt(v) (omega h)^p in the output, p
the order of its local error. Which density n of steps makes the error of N of them least hangs on how errors add up:

    as independent ones   sum over modes of the integral of v omega^(2p) n^(1 - 2p);   n ~ (sum v omega^(2p))^(1/(2p))
    as parts of one       the sum of v (integral of omega^p n^(1 - p))^2;              n ~ (sum v c omega^p)^(1/p)

with c of a mode its integral of omega^p n^(1-p), its own error. `spectral` is the first, with q = 2p; where the density
is that of log-SNR the c of all modes are the same, and the second is the first with q = p. `tangent` is the second with
p = 2, in units of each direction's own deviation: DDIM shrinks a Gaussian by the cosine of each angle, exactly, so that
the Kullback-Leibler divergence of its law is the sum of c^2 / 4 to leading order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.problem.spectrum import Spectrum

Q, FLOOR = 4.0, 0.05  # of grid spectral, where it is told nothing else
NODES = 12  # of Gauss in a panel: a density with poles at a distance of 1 is known to 1e-14
WIDTH = 0.25  # of a panel, in log s
REACH = 20.0  # in log s beyond the scales of the data: the density is exponential to 1e-17 there
NEWTON = 12  # steps, of which half suffice
ROUNDS, SETTLED = 500, 1e-13  # of the fixed point, whose error falls by a half a round


@dataclass(frozen=True, eq=False)
class LevelClock:
    """The integral of a density over log s, from s = 0, and its inverse.

    edges   (m + 1,) of the panels, log s; below the first the density grows as s, above the last it falls as 1/s
    series  (NODES + 1, m), Legendre coefficients of the integral in each panel, from its lower edge
    totals  (m + 1,) the clock at the edges
    rates   (m + 1,) the density at the edges
    """

    edges: Floats
    series: Floats
    totals: Floats
    rates: Floats

    @classmethod
    def of(
        cls, density: Callable[[Floats], Floats], low: float, high: float, breaks: tuple[float, ...] = ()
    ) -> LevelClock:
        """The clock of a density (log s) that is smooth but for jumps.

        density   log s (n,) -> (n,), positive
        low, high that of log s beyond which it is exponential, slope 1 and -1
        breaks    log s of its jumps
        """
        inside = sorted(at for at in breaks if low < at < high)
        parts = [np.linspace(a, b, 1 + math.ceil((b - a) / WIDTH)) for a, b in pairwise([low, *inside, high])]
        edges = np.concatenate([*(part[:-1] for part in parts), [high]])
        nodes, weights = legendre.leggauss(NODES)
        middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        values = density((middle[:, None] + half[:, None] * nodes).ravel()).reshape(len(middle), NODES)
        orders = np.arange(NODES) + 0.5
        series = (orders[:, None] * (legendre.legvander(nodes, NODES - 1) * weights[:, None]).T) @ values.T
        grown = legendre.legint(series, axis=0) * half
        grown[0] -= legendre.legval(-1.0, grown)
        rates = density(edges)
        totals = rates[0] + np.concatenate([[0.0], np.cumsum(legendre.legval(1.0, grown))])
        return cls(edges, grown, totals, rates)

    def __call__(self, x: Floats) -> Floats:
        """The clock at log s = x, (n,); -inf and inf are its ends."""
        first, last = self.edges[0], self.edges[-1]
        below = self.rates[0] * np.exp(np.minimum(x - first, 0))
        above = self.totals[-1] - self.rates[-1] * np.expm1(np.minimum(last - x, 0))
        panel, at = self._local(np.clip(x, first, last))
        inner = self.totals[panel] + legendre.legval(at, self.series[:, panel], tensor=False)
        return np.where(x < first, below, np.where(x > last, above, inner))

    def inverse(self, total: Floats) -> Floats:
        """log s, (n,), at which the clock shows `total`."""
        first, last = self.edges[0], self.edges[-1]
        panel = np.clip(np.searchsorted(self.totals, total, side="right") - 1, 0, len(self.edges) - 2)
        wanted = np.clip(total, self.totals[0], self.totals[-1]) - self.totals[panel]
        series, half = self.series[:, panel], np.diff(self.edges)[panel] / 2
        slope = legendre.legder(series, axis=0)
        at = 2 * wanted / np.diff(self.totals)[panel] - 1
        for _ in range(NEWTON):
            miss = legendre.legval(at, series, tensor=False) - wanted
            at = np.clip(at - miss / legendre.legval(at, slope, tensor=False), -1, 1)
        inner = self.edges[panel] + half * (at + 1)
        with np.errstate(divide="ignore"):
            below = first + np.log(np.minimum(total / self.totals[0], 1))
            left = (total - self.totals[-1]) / self.rates[-1]  # of what is above the last edge, 0 to 1
            above = last - np.log1p(-np.clip(left, 0, 1))
        return np.where(total < self.totals[0], below, np.where(total > self.totals[-1], above, inner))

    def _local(self, x: Floats) -> tuple[NDArray[np.int64], Floats]:
        panel = np.searchsorted(self.edges, x, side="right").astype(np.int64).clip(1, len(self.edges) - 1) - 1
        return panel, 2 * (x - self.edges[panel]) / np.diff(self.edges)[panel] - 1


@dataclass(frozen=True, eq=False)
class Modes:
    """Directions of data by their scale: logarithms of deviations (n,), each once, and how many have it (n,)."""

    scales: Floats
    counts: Floats

    @classmethod
    def of(cls, spectrum: Spectrum, floor: float) -> Modes:
        """Those of a spectrum, none below `floor` of the root mean square deviation.

        raises   InputError for data that do not vary
        """
        each = spectrum.floored(floor)
        kept = (spectrum.multiplicity > 0) & (each > 0)
        if not kept.any():
            raise InputError("the spectrum has no direction of a variance above 0; give one of data that vary.")
        values, places = np.unique(each[kept], return_inverse=True)
        return cls(np.log(values) / 2, np.bincount(places, spectrum.multiplicity[kept]).astype(np.float64))

    @property
    def ends(self) -> tuple[float, float]:
        """log s beyond which every direction turns exponentially little."""
        return float(self.scales[0]) - REACH, float(self.scales[-1]) + REACH

    def log_rates(self, x: Floats) -> Floats:
        """log omega, (len(x), n), of the angle of each direction at log s = x."""
        apart = np.abs(x[:, None] - self.scales)
        return -apart - np.log1p(np.exp(-2 * apart))


def spectral_density(modes: Modes, q: float) -> Callable[[Floats], Floats]:
    """rho = (sum v omega^q)^(1/q) over all directions, in units of its largest value.

    modes   of the data
    q       twice the order of the local error of a step
    returns log s (n,) -> (n,)
    """
    weights = np.log(modes.counts) + 2 * modes.scales

    def log_density(x: Floats) -> Floats:
        terms = weights + q * modes.log_rates(x)
        top = terms.max(axis=1)
        return np.asarray((top + np.log(np.exp(terms - top[:, None]).sum(axis=1))) / q)

    highest = _maximum(log_density, float(modes.scales[0]), float(modes.scales[-1]))
    return lambda x: np.exp(log_density(x) - highest)


def _maximum(function: Callable[[Floats], Floats], low: float, high: float) -> float:
    """The largest value of a smooth function between two ends: of the best points of ever finer meshes."""
    for _ in range(6):
        x = np.linspace(low, high, 1 + max(64, math.ceil(min(high - low, 250.0) * 16)))
        values = function(x)
        best, step = int(values.argmax()), x[1] - x[0]
        low, high = max(low, x[best] - step), min(high, x[best] + step)
    return float(values[best])


def tangent_density(modes: Modes, low: float, high: float) -> Callable[[Floats], Floats]:
    """(sum c omega^2)^(1/2), c = integral of omega^2 over this density: what makes DDIM's divergence least.

    The divergence is convex in the density, so that the fixed point is its least value; it is found in rounds.
    modes      of the data
    low, high  log s, from which to which steps are taken; infinite ones too
    returns    log s (n,) -> (n,)
    """
    first, last = max(low, modes.ends[0]), min(high, modes.ends[1])
    nodes, weights = legendre.leggauss(NODES)
    edges = np.linspace(first, last, 1 + math.ceil((last - first) / WIDTH))
    half = np.diff(edges) / 2
    x = ((edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * nodes).ravel()
    squares, measure = np.exp(2 * modes.log_rates(x)), (half[:, None] * weights).ravel()
    costs = np.ones(len(modes.scales))
    for _ in range(ROUNDS):
        density = np.sqrt(squares @ (modes.counts * costs))
        found = (measure / density) @ squares
        found /= found.max()
        moved, costs = np.abs(found - costs).max(), found
        if moved < SETTLED:
            break
    shares = modes.counts * costs
    return lambda x: np.sqrt(np.exp(2 * modes.log_rates(x)) @ shares)
