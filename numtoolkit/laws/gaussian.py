"""Gaussians and mixtures of Gaussians, worked in the eigenbases of their covariances.

With C = Q diag(v) Q' the denoiser of N(m, C) is m + Q diag(v / (v + sigma^2)) Q' (y - m); a mixture averages
those of its components with responsibilities r_k ~ w_k N(y; m_k, C_k + sigma^2 I).  Both are formed as mean
plus gain times deviation, so for every sigma the rounding error stays at a few eps (gain |y - m| + |m|).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, Floats, host, library
from numtoolkit.errors import InputError
from numtoolkit.laws.checks import probabilities, real, spectrum
from numtoolkit.laws.law import TILE_BYTES, denoised, freeze, placed, streams, variances_along
from numtoolkit.problem.directions import Levels


@dataclass(frozen=True, eq=False, init=False)
class Gaussian:
    """N(mean, covariance), kept as its eigenvectors and variances.

    mean        (*shape), real; a number is a law of shape ()
    covariance  number (isotropic), (*shape) (diagonal) or (d, d) (full, coordinates flattened in C order)
    errors      InputError unless finite, symmetric and positive semidefinite (variances of 0 are allowed)
    cost        one O(d^3) eigendecomposition if full; then two (batch, d, d) products a call
    """

    mean: Floats = field(repr=False)
    basis: Floats | None = field(repr=False)
    variances: Floats = field(repr=False)
    name: str

    def __init__(self, mean: Any, covariance: Any, name: str = "gaussian") -> None:
        centre = real("mean", mean)
        basis, variances = spectrum("covariance", covariance, centre.shape)
        freeze(self, mean=centre, basis=basis, variances=variances, name=name)

    @classmethod
    def along_axes(cls, mean: Any, variances: Any, basis: Any, name: str = "gaussian") -> Gaussian:
        """The law with variances (d,) along the columns of `basis` (d, d), by which its samples are drawn.

        Where variances are equal a covariance alone does not tell the basis.

        mean    (*shape)
        name    of the law
        raises  InputError for another shape, a negative variance and a basis that is not orthonormal to 1e-6
        """
        law = cls(mean, 0.0, name)
        each, columns = _principal(variances, basis, law.mean.size)
        freeze(law, variances=each, basis=columns)
        return law

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one x0."""
        return self.mean.shape

    @property
    def variance(self) -> float:
        """Mean variance of a coordinate: trace of the covariance / d."""
        return float(self.variances.mean())

    def covariance(self) -> Floats:
        """Cov[x0], float64 (d, d)."""
        if self.basis is None:
            return np.diag(self.variances)
        return (self.basis * self.variances) @ self.basis.T

    def eigen(self) -> tuple[Floats | None, Floats, Floats]:
        """(basis (d, d) with eigenvectors in columns, None if diagonal; variances (d,); basis' mean)."""
        flat = self.mean.ravel()
        return self.basis, self.variances, flat if self.basis is None else self.basis.T @ flat

    def denoise(self, y: Array, sigma: Array | float | Levels) -> Array:
        """E[x0 | y = x0 + sigma n]; shapes, dtypes and errors as in `laws.law.denoised`."""
        return denoised(self.posterior_mean, y, sigma, self.shape, law=self)

    def sample(self, n: int, seed: int) -> Floats:
        """n independent x0, float64 (n, *shape); a shorter sample of the same seed is a prefix."""
        _, normals = streams(n, seed)
        x = normals.standard_normal((n, self.variances.size)) * np.sqrt(self.variances)
        return self.mean + (x if self.basis is None else x @ self.basis.T).reshape(n, *self.shape)

    def along(self, basis: Floats) -> Gaussian:
        """The law of the coordinates in an orthonormal basis (d, d), in which it is diagonal; else InputError."""
        return Gaussian(basis.T @ self.mean.ravel(), variances_along(self, self.covariance(), basis), self.name)

    def posterior_mean(self, rows: Array, level: Array) -> Array:
        """E[x0 | y] of rows (n, d) at levels (1, 1), (n, 1) or, of a diagonal law, (1, d), one a coordinate."""

        def build(move: Any) -> tuple[Any, ...]:
            basis = None if self.basis is None else move(self.basis)
            return move(self.mean.ravel()), move(np.sqrt(self.variances)), basis

        mean, deviation, basis = placed(self, rows, build)
        gain = (deviation / library(rows).hypot(deviation, level)) ** 2
        if basis is None:
            return mean + gain * (rows - mean)
        return mean + (gain * ((rows - mean) @ basis)) @ basis.T


def _principal(variances: Any, basis: Any, d: int) -> tuple[Floats, Floats]:
    each, columns = real("variances", variances), real("basis", basis)
    sound = each.shape == (d,) and each.min() >= 0 and columns.shape == (d, d)
    if not sound or np.abs(columns.T @ columns - np.eye(d)).max() > 1e-6:
        raise InputError(f"principal axes are variances ({d},) >= 0 and an orthonormal basis ({d}, {d}); give these.")
    return each, columns


@dataclass(frozen=True, eq=False, init=False)
class GaussianMixture:
    """sum_k weights_k N(means_k, covariances_k), the covariances kept as eigenvectors and variances.

    weights      (K,) >= 0 summing to 1 within 1e-6, or None for equal ones
    means        (K, *shape)
    covariances  number, (K,) (isotropic), (K, *shape) (diagonal) or (K, d, d) (full), as for `Gaussian`
    variances    (K, d), along the columns of bases (K, d, d), which is None if all components are diagonal, and
                 (1, d, d) of a mixture made by `shared`
    errors       InputError naming the component whose covariance is no covariance
    cost         K O(d^3) eigendecompositions if full; two (batch, d, K d) products a call, none if diagonal;
                 temporaries of one call stay below 64 MB apiece
    """

    weights: Floats = field(repr=False)
    means: Floats = field(repr=False)
    variances: Floats = field(repr=False)
    bases: Floats | None = field(repr=False)
    name: str

    def __init__(self, weights: Any, means: Any, covariances: Any, name: str = "gaussian-mixture") -> None:
        centres = real("means", means)
        if centres.ndim == 0:
            raise InputError("means is a single number; give one mean for each component, (K, *shape).")
        count, shape = len(centres), centres.shape[1:]
        given = host("covariances", covariances)
        if given.ndim and len(given) != count:
            raise InputError(f"covariances has {len(given)} entries for {count} means; give one for each.")
        each = given if given.ndim else np.broadcast_to(given, count)
        spectra = [spectrum(f"covariances[{k}]", each[k], shape) for k in range(count)]
        bases = None
        if any(basis is not None for basis, _ in spectra):
            identity = np.eye(math.prod(shape))
            bases = real("bases", np.stack([identity if basis is None else basis for basis, _ in spectra]))
        variances = real("variances", np.stack([values for _, values in spectra]))
        shares = probabilities("weights", weights, count)
        freeze(self, weights=shares, means=centres, variances=variances, bases=bases, name=name)

    @classmethod
    def shared(cls, means: Any, variances: Any, basis: Any, name: str = "gaussian-mixture") -> GaussianMixture:
        """Equal weights, and one covariance for all components: variances (d,) along the columns of `basis` (d, d).

        means   (K, *shape)
        name    of the law
        raises  InputError for another shape, a negative variance and a basis that is not orthonormal to 1e-6
        cost    products of (batch, d) with (d, d) and with (d, K), and no K d numbers a sample; of the last columns
                that share one variance, if they are more than half, the others stand for (d, d)
        """
        law = cls(None, means, 0.0, name)
        each, columns = _principal(variances, basis, law.variances.shape[1])
        wide = np.broadcast_to(each, law.variances.shape)
        freeze(law, variances=real("variances", wide), bases=real("bases", columns[None]))
        return law

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one x0."""
        return self.means.shape[1:]

    @cached_property
    def mean(self) -> Floats:
        """E[x0], float64 (*shape)."""
        return np.tensordot(self.weights, self.means, 1)

    @cached_property
    def variance(self) -> float:
        """Mean variance of a coordinate: within the components plus between their means."""
        between = (self._flat_means() - self.mean.ravel()) ** 2
        return float(self.weights @ (self.variances + between).mean(axis=1))

    def covariance(self) -> Floats:
        """Cov[x0], float64 (d, d): within the components plus between their means."""
        spread = self._flat_means() - self.mean.ravel()
        between = (spread.T * self.weights) @ spread
        if self.bases is None:
            return between + np.diag(self.weights @ self.variances)
        if self._is_shared:
            return between + (self.bases[0] * (self.weights @ self.variances)) @ self.bases[0].T
        scaled = self.bases * (self.weights[:, None] * self.variances)[:, None, :]
        within: Floats = np.einsum("kij,klj->il", scaled, self.bases, optimize=True)
        return between + within

    def denoise(self, y: Array, sigma: Array | float | Levels) -> Array:
        """E[x0 | y = x0 + sigma n]; shapes, dtypes and errors as in `laws.law.denoised`.

        Responsibilities are normalised in logarithms: finite in float32 and float64 for sigma from 1e-6 to
        1e5 and |y| up to 1e9.  With |y - m| far above sigma they are those of a nearby y.
        """
        return denoised(
            self.posterior_mean, y, sigma, self.shape, max(1, TILE_BYTES // (8 * self.variances.size)), self
        )

    def sample(self, n: int, seed: int) -> Floats:
        """n independent x0, float64 (n, *shape); a shorter sample of the same seed is a prefix."""
        choices, normals = streams(n, seed)
        which = choices.choice(len(self.weights), n, p=self.weights)
        x = normals.standard_normal((n, self.variances.shape[1])) * np.sqrt(self.variances)[which]
        if self._is_shared:
            x = x @ self.bases[0].T  # type: ignore[index]
        elif self.bases is not None:
            for k, basis in enumerate(self.bases):
                x[which == k] = x[which == k] @ basis.T
        return self.means[which] + x.reshape(n, *self.shape)

    @property
    def _is_shared(self) -> bool:
        return self.bases is not None and len(self.bases) < len(self.means)

    def _flat_means(self) -> Floats:
        return self.means.reshape(self.variances.shape)

    def along(self, basis: Floats) -> GaussianMixture:
        """The law of the coordinates in an orthonormal basis (d, d), in which all components are diagonal.

        raises   InputError where one is not
        """
        bases = [None] * len(self.means) if self.bases is None else self.bases
        covariances = [
            np.diag(own) if axes is None else (axes * own) @ axes.T
            for own, axes in zip(self.variances[: len(bases)], bases, strict=True)
        ]
        variances = np.stack([variances_along(self, own, basis) for own in covariances])
        return GaussianMixture(
            self.weights, self._flat_means() @ basis, np.broadcast_to(variances, self.variances.shape), self.name
        )

    def posterior_mean(self, rows: Array, level: Array) -> Array:
        """E[x0 | y] of rows (n, d) at levels (1, 1), (n, 1) or, of diagonal components, (1, d), one a coordinate."""
        if self._is_shared:
            return self._of_one_covariance(rows, level)
        xp = library(rows)
        log_weights, means, deviations, centres, into, back = placed(self, rows, self._constants)
        if into is None:
            offsets = rows[:, None, :] - centres
        else:
            d = centres.shape[1]
            offsets = (rows @ into).reshape(len(rows), into.shape[1] // d, d) - centres
        widths = xp.hypot(deviations, level[:, None, :])
        scores = log_weights - 0.5 * ((offsets / widths) ** 2).sum(-1) - xp.log(widths).sum(-1)
        shares = _normalised(scores)
        pulls = shares[:, :, None] * (deviations / widths) ** 2 * offsets
        if back is None:
            return shares @ means + pulls.sum(1)
        return shares @ means + pulls.reshape(len(rows), len(back)) @ back

    def _of_one_covariance(self, rows: Array, level: Array) -> Array:
        """Of equal weights, responsibilities differ by c_k' V^-1 (x - c_k / 2) alone, x and c_k rows and means less m.

        V is diagonal in the basis; of directions outside it, where there are any, it is a number.
        """
        xp = library(rows)
        mean, centres, basis, deviations, inside, outside = placed(self, rows, self._one_covariance)
        offsets = rows - mean
        along = offsets @ basis
        widths = xp.hypot(deviations, level)  # (n or 1, r), or of r + 1 with what is outside
        precisions = 1 / widths[:, : basis.shape[1]] ** 2
        scores = (precisions * along) @ inside.T - 0.5 * precisions @ (inside**2).T
        if outside is not None:
            across = offsets - along @ basis.T
            scores = scores + (across @ outside.T - 0.5 * (outside**2).sum(-1)) / widths[:, -1:] ** 2
        shares = _normalised(scores)
        gains = (deviations / widths) ** 2
        means = mean + shares @ centres + (gains[:, : basis.shape[1]] * (along - shares @ inside)) @ basis.T
        return means if outside is None else means + gains[:, -1:] * (across - shares @ outside)

    def _one_covariance(self, move: Any) -> tuple[Any, ...]:
        """Mean, (K, d) centres about it, (d, r) basis, deviations in it, what of the centres is in and outside it."""
        mean, variances = self.mean.ravel(), self.variances[0]
        centres, basis = self._flat_means() - mean, self.bases[0]  # type: ignore[index]
        led = len(variances) - int(np.argmin(np.append(variances[::-1] == variances[-1], False)))
        if 2 * led >= len(variances):
            return move(mean), move(centres), move(basis), move(np.sqrt(variances)), move(centres @ basis), None
        basis = basis[:, :led]
        inside = centres @ basis
        outside = centres - inside @ basis.T
        return move(mean), move(centres), move(basis), move(np.sqrt(variances[: led + 1])), move(inside), move(outside)

    def _constants(self, move: Any) -> tuple[Any, ...]:
        means = self._flat_means()
        with np.errstate(divide="ignore"):  # a component of weight 0 gets responsibility exp(-inf) = 0
            log_weights = move(np.log(self.weights))
        common = log_weights, move(means), move(np.sqrt(self.variances))
        if self.bases is None:
            return *common, move(means), None, None
        d = means.shape[1]
        centres = np.einsum("ki,kij->kj", means, self.bases)
        into = self.bases.transpose(1, 0, 2).reshape(d, -1)  # columns: the eigenvectors of all components
        return *common, move(centres), move(into), move(into.T)


def _normalised(scores: Array) -> Array:
    """Responsibilities of logarithms (n, K) known to a constant a row, (n, K)."""
    xp = library(scores)
    shares = xp.exp(scores - xp.amax(scores, 1)[:, None])
    return shares / shares.sum(-1)[:, None]
