"""Distances between sample sets and between Gaussians, and moments gathered from a stream.

Arrays are numpy arrays or torch tensors of any real dtype and device; everything is computed in float64 on
the host.  Samples are (n, *shape) with the coordinates flattened to d; a covariance is a number (isotropic),
of the shape of its mean (diagonal), or (d, d) (full), and must be symmetric and positive semidefinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.laws.checks import real, spectrum
from numtoolkit.laws.law import streams

LEVEL = 0.95  # confidence of the intervals
GROUPS = 20  # of the jackknife
RESAMPLES = 400  # of the bootstrap
_STUDENT = 2.0930240544083096  # 0.975 quantile of Student's t with GROUPS - 1 degrees of freedom
_BLOCK = 1 << 22  # entries of one block of projected samples

Labels = tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]  # of the samples of two sets


class RelativeError(NamedTuple):
    """Error of samples relative to the RMS of the exact ones: over all of them, with an interval, and of the median."""

    rms: float
    median: float
    low: float
    high: float


class Ratio(NamedTuple):
    """Errors of one run over those of another from the same starts: RMS and median, with intervals."""

    rms: float
    low: float
    high: float
    median: float
    median_low: float
    median_high: float


class Interval(NamedTuple):
    """A value with a confidence interval of the given level."""

    value: float
    low: float
    high: float
    level: float


def relative_rms(samples: Any, exact: Any) -> RelativeError:
    """Per-sample error of a solver against exact end points of the same starts.

    rms      RMS over samples and coordinates of samples - exact, over the RMS of exact
    median   median over samples of the RMS over coordinates of samples - exact, over the RMS of exact: the
             fair figure when a few starts near a separatrix end in another mode and dominate the RMS
    low, high  95 % interval of rms, the samples a draw of all: from the delete-one jackknife of the logarithm of the
             ratio of mean squares (Shao & Tu 1995, "The Jackknife and Bootstrap", section 2.1), with Student's t. NaN
             for one sample, and where all the error is one sample's. Squares of samples that spread by a factor e are
             covered at 92 % by 64 samples, by e^2 at 80 %: a few large ones are known as badly as they are few
    samples  (n, *shape), paired with exact (n, *shape); inf or NaN of a run that blew up show in the result
    errors   InputError for shapes that differ, and for an exact that is empty, not finite or zero throughout
    """
    squares, sizes = relative_squares(samples, exact)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rms = math.sqrt(np.mean(squares))
        spread = math.exp(_jackknifed(squares, sizes) / 2) if rms > 0 else 1.0
    return RelativeError(rms, math.sqrt(np.median(squares)), rms / spread, rms * spread)


def ratio(first: Floats, second: Floats) -> Ratio:
    """How two runs from the same starts compare: what is common to a start does not blur it.

    first, second   the squares of `relative_squares`, (n,), above 0
    returns  those of `paired_ratio` and of `paired_medians`
    """
    mean, middle = paired_ratio(first, second), paired_medians(first, second)
    return Ratio(mean.value, mean.low, mean.high, middle.value, middle.low, middle.high)


def relative_squares(samples: Any, exact: Any) -> tuple[Floats, Floats]:
    """The mean square of each sample's error and that of its exact end, (n,) both, over the mean square of all ends.

    samples, exact   as of `relative_rms`, whose rms is the root of the mean of the first
    errors           as of `relative_rms`
    """
    truth = real("exact", exact)
    got = real("samples", samples, finite=False)
    if got.shape != truth.shape or truth.ndim == 0:
        raise InputError(f"samples {got.shape} and exact {truth.shape} differ in shape; give paired (n, *shape).")
    scale = math.sqrt(np.mean(truth**2))
    if scale == 0:
        raise InputError("exact is zero throughout, so no error is relative to it; compare absolute errors.")
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.mean(((got - truth) / scale).reshape(len(truth), -1) ** 2, axis=1)
    return squares, np.mean((truth / scale).reshape(len(truth), -1) ** 2, axis=1)


def paired_ratio(squares: Floats, others: Floats) -> Interval:
    """The RMS error of one run over that of another from the same starts, with a 95 % interval.

    squares, others   (n,), as `relative_squares` has them of each run
    returns  Interval(value, low, high, 0.95) by the jackknife of `relative_rms`: what the starts have in common is in
             both and goes. NaN for ends where all the error of one run is one sample's, or there is none; of a run and
             itself 1 to 1
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = math.sqrt(np.mean(squares) / np.mean(others))
        half = _jackknifed(squares, others) / 2 if squares is not others else 0.0
    return Interval(value, value * math.exp(-half), value * math.exp(half), LEVEL)


def paired_medians(squares: Floats, others: Floats) -> Interval:
    """The error of the median sample of one run over that of another from the same starts, with a 95 % interval.

    squares, others   as of `paired_ratio`
    returns  Interval(value, low, high, 0.95) of the percentiles of 400 draws of starts with replacement, by a fixed
             seed, both medians of one draw (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13)
    """
    drawn = np.random.default_rng(0).integers(0, len(squares), (RESAMPLES, len(squares)))
    with np.errstate(invalid="ignore", divide="ignore"):
        value = math.sqrt(np.median(squares) / np.median(others))
        ratios = np.sqrt(np.median(squares[drawn], axis=1) / np.median(others[drawn], axis=1))
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), LEVEL)


def _jackknifed(parts: Floats, wholes: Floats) -> float:
    """Half the 95 % interval of log(sum of parts / sum of wholes), both (n,) and >= 0; NaN where it is unknown."""
    from scipy.special import stdtrit

    n = len(parts)
    left_out = np.log(parts.sum() - parts) - np.log(wholes.sum() - wholes)  # not finite where nothing is left
    return float(stdtrit(n - 1, (1 + LEVEL) / 2) * math.sqrt((n - 1) * left_out.var()))


def wasserstein2_gaussian(mean1: Any, covariance1: Any, mean2: Any, covariance2: Any) -> float:
    """Wasserstein-2 distance between N(mean1, covariance1) and N(mean2, covariance2).

    Full covariances: with A A' = covariance1 and B B' = covariance2, W2^2 = |mean1 - mean2|^2 + min over
    orthogonal U of |A - B U|_F^2, with U from the singular vectors of B' A (Bhatia, Jain & Lim 2019, "On the
    Bures-Wasserstein distance between positive definite matrices", theorem 1).  No matrix square root and no
    difference of traces: laws of well-conditioned covariance are told apart to eps |A|, not to sqrt(eps) |A|.

    cost    two eigendecompositions and one singular value decomposition if a covariance is full, else O(d)
    """
    return wasserstein2_factors(*_factored(mean1, covariance1, mean2, covariance2))


def wasserstein2_factors(gap: Floats, A: Floats, B: Floats) -> float:
    """`wasserstein2_gaussian` of products of n independent Gaussians, from any factors of their covariances.

    gap    (n, k), the difference of the means
    A, B   (n, k, k), with A A' and B B' the covariances of the n parts
    cost   n singular value decompositions
    """
    left, _, right = np.linalg.svd(np.swapaxes(B, 1, 2) @ A)
    return math.hypot(np.linalg.norm(gap), np.linalg.norm(A - B @ (left @ right)))


def wasserstein2_marginals(mean1: Any, variance1: Any, mean2: Any, variance2: Any) -> Floats:
    """Wasserstein-2 distances between products of independent 1-d Gaussians, a stack at once.

    mean1, variance1, mean2, variance2   (..., d) or broadcast to it, variances >= 0; the last axis holds the marginals
                                         of one product, whose squared distances add
    returns                              float64 (...)
    """
    given = {"mean1": mean1, "variance1": variance1, "mean2": mean2, "variance2": variance2}
    arrays = [np.atleast_1d(real(name, value)) for name, value in given.items()]
    try:
        first, variances1, second, variances2 = np.broadcast_arrays(*arrays)
    except ValueError:
        raise InputError("the means and variances do not broadcast to one shape (..., d); give such.") from None
    if min(variances1.min(), variances2.min()) < 0:
        raise InputError("a variance is negative; give variances >= 0.")
    squares: Floats = (first - second) ** 2 + (np.sqrt(variances1) - np.sqrt(variances2)) ** 2
    distances: Floats = np.sqrt(squares.sum(-1))
    return distances


def frechet(mean1: Any, covariance1: Any, mean2: Any, covariance2: Any) -> float:
    """Frechet distance in the convention of FID: the square of `wasserstein2_gaussian`.

    mean1, covariance1, mean2, covariance2   as there

    Moments of N samples bias it upwards by about C / N, where C grows with d and depends on the law (Chong &
    Forsyth 2020, "Effectively unbiased FID"): compare values of equal N only, or extrapolate in 1 / N, as
    `numtoolkit.measure.frechet.frechet_distance` does.
    """
    return wasserstein2_gaussian(mean1, covariance1, mean2, covariance2) ** 2


def kl_gaussian(mean1: Any, covariance1: Any, mean2: Any, covariance2: Any) -> float:
    """Kullback-Leibler divergence KL(N(mean1, covariance1) || N(mean2, covariance2)), in nats.

    (|covariance2^-1/2 (mean1 - mean2)|^2 + sum of l - 1 - log l) / 2 over the eigenvalues l of covariance1
    relative to covariance2.  inf if either covariance is singular.

    cost    two eigendecompositions if a covariance is full, else O(d)
    """
    return kl_factors(*_factored(mean1, covariance1, mean2, covariance2))


def kl_factors(gap: Floats, A: Floats, B: Floats) -> float:
    """`kl_gaussian` of products of n independent Gaussians, from `principal_factor`s of their covariances.

    gap    (n, k), the difference of the means
    A, B   (n, k, k), with A A' and B B' the covariances of the n parts and columns orthogonal to one another
    cost   n singular value decompositions
    """
    lengths = np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1)
    if min(length.min() for length in lengths) == 0:
        return math.inf
    whiten = np.swapaxes(B / lengths[1][:, None, :], 1, 2) / lengths[1][:, :, None]  # the inverse of B
    white = whiten @ gap[:, :, None]
    excess = np.linalg.svd(whiten @ A, compute_uv=False) ** 2 - 1
    with np.errstate(divide="ignore"):  # an eigenvalue that underflows to 0 means a singular covariance: inf
        return float(np.sum(white**2) + np.sum(excess - np.log1p(excess))) / 2


def sliced_wasserstein(x: Any, y: Any, projections: int = 256, seed: int = 0) -> Interval:
    """Sliced Wasserstein-2 distance of two sample sets: RMS over random directions of the 1-d distances.

    x, y         (n, *shape) and (m, *shape), 20 samples or more; n and m may differ: the 1-d plan is exact
    projections  directions, uniform on the sphere, a function of seed and d alone; at least 20
    returns      Interval(value, low, high, 0.95) from the delete-a-group jackknife of the squared distance
                 (Shao & Tu 1995, "The Jackknife and Bootstrap", chapter 2): 20 groups of samples and
                 directions are left out in turn, which covers both sources of chance, for paired sets too
    bias         finite sets of one law are about n^-1/2 apart, which the interval does not know: judge a
                 small value by that of two exact sets of the same sizes
    cost         O(projections n (log n + 20)); blocks of 4 M numbers at a time
    """
    return sliced_squares(x, y, projections, seed).root


@dataclass(frozen=True, eq=False)
class Squares:
    """A squared sliced Wasserstein distance of two sample sets, and what the jackknife needs of it.

    value     of all samples and directions
    left_out  (GROUPS,), without one group of them each
    """

    value: float
    left_out: Floats = field(repr=False)

    @property
    def root(self) -> Interval:
        """The distance."""
        error = jackknife_error(self.left_out)
        low, high = (math.sqrt(max(0.0, self.value + sign * error)) for sign in (-1, 1))
        return Interval(math.sqrt(self.value), low, high, LEVEL)

    def beyond(self, exact: Squares) -> Interval:
        """By how much this square exceeds that of an exact set: about that of the laws, below 0 by chance.

        exact    of samples of the law of the second set, from that set too: the chance that they share, where the exact
                 ones are from the same starts, goes; so does what bias of finite sets both have, and the rest of it,
                 in proportion to 1/N, by the jackknife
        returns  Interval(value, low, high, 0.95), by the same groups
        """
        return jackknifed(self.value - exact.value, self.left_out - exact.left_out)

    def over(self, other: Squares) -> Interval:
        """The distance over another, both of samples from the same starts to one set, by the same groups."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(np.sqrt(np.float64(self.value) / other.value))
            half = jackknife_error(np.log(self.left_out) - np.log(other.left_out)) / 2
        return Interval(value, value * math.exp(-half), value * math.exp(half), LEVEL)


def jackknifed(value: float, left_out: Floats) -> Interval:
    """A value without its bias of order 1/N, and its 95 % interval, from those without one group each (GROUPS,).

    The mean of the lines through both; Shao & Tu 1995, "The Jackknife and Bootstrap", sections 1.3 and 2.1.
    """
    limit, error = GROUPS * value - (GROUPS - 1) * float(left_out.mean()), jackknife_error(left_out)
    return Interval(limit, limit - error, limit + error, LEVEL)


def jackknife_error(left_out: Floats) -> float:
    """Half the 95 % interval of a value, from those without one group each, `left_out` (GROUPS,)."""
    return _STUDENT * math.sqrt((GROUPS - 1) * float(left_out.var()))


def sliced_squares(x: Any, y: Any, projections: int = 256, seed: int = 0, labels: Labels = (None, None)) -> Squares:
    """The square of `sliced_wasserstein`, at the same cost.

    x, y, projections, seed   as there
    labels   of the samples of either, whole numbers (n,) and (m,), or None: each group of the jackknife holds each as
             often as the others. In the order of the samples, classes that take turns would be of few groups each, and
             to leave one out would change the law
    raises   InputError as there
    """
    sets = real("x", x), real("y", y)
    for name, points in zip("xy", sets, strict=True):
        if points.ndim == 0 or len(points) < GROUPS:
            raise InputError(f"{name} has shape {points.shape}; give at least {GROUPS} samples, (n, *shape).")
    if sets[0].shape[1:] != sets[1].shape[1:]:
        raise InputError(f"x {sets[0].shape} and y {sets[1].shape} hold samples of two shapes; give one.")
    if projections < GROUPS:
        raise InputError(f"projections = {projections} is too few for an interval; give at least {GROUPS}.")
    x, y = (points.reshape(len(points), -1) for points in sets)
    _, normals = streams(projections, seed)
    directions = normals.standard_normal((projections, x.shape[1]))
    directions = directions / np.linalg.norm(directions, axis=1)[:, None]
    count = max(1, _BLOCK // max(len(x), len(y)))
    blocks = (directions[i : i + count] for i in range(0, projections, count))
    dealt = tuple(_dealt(len(points), own) for points, own in zip((x, y), labels, strict=True))
    squares = np.concatenate([_leave_out(block @ x.T, block @ y.T, dealt) for block in blocks])
    square = float(squares[:, GROUPS].mean())
    groups = np.arange(projections) % GROUPS
    left_out = np.array([squares[groups != g, g].mean() for g in range(GROUPS)])
    return Squares(square, left_out)


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter (sum of outer products about the mean) of samples seen so far, in float64.

    A stream is gathered by functools.reduce(Moments.merge, map(Moments.of, batches)), processes likewise; up
    to rounding the order does not matter (Chan, Golub & LeVeque 1983, "Algorithms for computing the sample
    variance"), and nothing cancels as in E[x x'] - E[x] E[x]'.

    mean     (d,);  scatter  (d, d)
    """

    count: int
    mean: Floats = field(repr=False)
    scatter: Floats = field(repr=False)

    @classmethod
    def of(cls, samples: Any) -> Moments:
        """Moments of samples (n, *shape), n >= 1; InputError if they are not finite."""
        values = real("samples", samples)
        rows = values.reshape(len(np.atleast_1d(values)), -1)
        mean = rows.mean(axis=0)
        spread = rows - mean
        return cls(len(rows), mean, spread.T @ spread)

    def merge(self, other: Moments) -> Moments:
        """Moments of the samples of both; O(d^2)."""
        if self.mean.shape != other.mean.shape:
            raise InputError(f"moments of {self.mean.size} and of {other.mean.size} coordinates do not merge.")
        count = self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.count / count)
        between = np.outer(gap, gap) * (self.count * (other.count / count))
        return Moments(count, mean, self.scatter + other.scatter + between)

    def covariance(self, ddof: int = 1) -> Floats:
        """scatter / (count - ddof), (d, d); ddof 1 is the unbiased estimate, as in FID."""
        if self.count <= ddof:
            raise InputError(f"{self.count} sample(s) give no covariance with ddof = {ddof}; add samples.")
        return self.scatter / (self.count - ddof)


def _factored(mean1: Any, covariance1: Any, mean2: Any, covariance2: Any) -> tuple[Floats, Floats, Floats]:
    """Difference of the means and factors of the covariances: d parts of one coordinate, or one part of d."""
    centre1, centre2 = real("mean1", mean1), real("mean2", mean2)
    if centre1.shape != centre2.shape:
        raise InputError(f"mean1 {centre1.shape} and mean2 {centre2.shape} differ in shape; give one shape.")
    spectra = spectrum("covariance1", covariance1, centre1.shape), spectrum("covariance2", covariance2, centre2.shape)
    gap = (centre1 - centre2).ravel()
    if all(basis is None for basis, _ in spectra):
        A, B = (np.sqrt(variances)[:, None, None] for _, variances in spectra)
        return gap[:, None], A, B
    eye = np.eye(len(gap))
    A, B = ((eye if basis is None else basis) * np.sqrt(variances) for basis, variances in spectra)
    return gap[None], A[None], B[None]


def _dealt(n: int, labels: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The group of each of n samples: dealt in turn, class by class where they have labels (n,)."""
    groups = np.arange(n) % GROUPS
    if labels is None:
        return groups
    own = np.empty_like(groups)
    own[np.argsort(labels, kind="stable")] = groups
    return own


def _leave_out(x: Floats, y: Floats, dealt: tuple[NDArray[np.int64], ...]) -> Floats:
    """Squared 1-d W2 of projected samples (p, n), (p, m): without group g in column g, of all in the last.

    dealt   the groups of the samples of either, (n,) and (m,)
    """
    order_x, order_y = np.argsort(x, axis=1), np.argsort(y, axis=1)
    x, y = np.take_along_axis(x, order_x, 1), np.take_along_axis(y, order_y, 1)
    rows, (group_x, group_y) = len(x), (own[order] for own, order in zip(dealt, (order_x, order_y), strict=True))
    without = (_squared_1d(x[group_x != g].reshape(rows, -1), y[group_y != g].reshape(rows, -1)) for g in range(GROUPS))
    return np.stack([*without, _squared_1d(x, y)], axis=1)


def _squared_1d(x: Floats, y: Floats) -> Floats:
    """Squared W2 of sorted samples (p, n) and (p, m): mean over the joint quantile levels."""
    n, m = x.shape[1], y.shape[1]
    if n == m:
        paired: Floats = np.mean((x - y) ** 2, axis=1)
        return paired
    levels = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)  # in units of 1 / (n m), hence exact
    start, width = levels[:-1], np.diff(levels) / (n * m)
    squares: Floats = (x[:, start // m] - y[:, start // n]) ** 2 @ width
    return squares
