"""Gaussians and mixtures of Gaussians, worked in the eigenbases of their covariances.

With C = Q diag(v) Q' the denoiser of N(m, C) is m + Q diag(v / (v + sigma^2)) Q' (y - m); a mixture averages those
of its components with responsibilities r_k ~ w_k N(y; m_k, C_k + sigma^2 I).  Both are formed as mean plus gain
times deviation, so the rounding error stays at a few eps (|y| + |m|) from sigma -> 0 to sigma -> infinity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.errors import InputError
from numtoolkit.laws.checks import host, probabilities, real, spectrum
from numtoolkit.laws.law import TILE_BYTES, Array, denoised, namespace, placed, streams


@dataclass(frozen=True, eq=False, init=False)
class Gaussian:
    """N(mean, covariance), kept as its eigenvectors and variances.

    mean        (*shape), real; a number is a law of shape ()
    covariance  number (isotropic), (*shape) (diagonal) or (d, d) (full, coordinates flattened in C order)
    errors      InputError unless finite, symmetric and positive semidefinite (variances of 0 are allowed)
    cost        one O(d^3) eigendecomposition if full; then two (batch, d, d) products a call, none if diagonal
    """

    mean: np.ndarray = field(repr=False)
    basis: np.ndarray | None = field(repr=False)
    variances: np.ndarray = field(repr=False)
    name: str

    def __init__(self, mean: Any, covariance: Any, name: str = "gaussian") -> None:
        centre = real("mean", mean)
        basis, variances = spectrum("covariance", covariance, centre.shape)
        for key, value in {"mean": centre, "basis": basis, "variances": variances, "name": name}.items():
            object.__setattr__(self, key, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one x0."""
        return self.mean.shape

    @property
    def variance(self) -> float:
        """Mean variance of a coordinate: trace of the covariance / d."""
        return float(self.variances.mean())

    def covariance(self) -> np.ndarray:
        """Cov[x0], float64 (d, d)."""
        if self.basis is None:
            return np.diag(self.variances)
        return (self.basis * self.variances) @ self.basis.T

    def eigen(self) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """(basis (d, d) with eigenvectors in columns, or None if diagonal; variances (d,); basis' mean (d,))."""
        flat = self.mean.ravel()
        return self.basis, self.variances, flat if self.basis is None else self.basis.T @ flat

    def denoise(self, y: Array, sigma: Array | float) -> Array:
        """E[x0 | y = x0 + sigma n]; shapes, dtypes and errors as in `laws.law.denoised`."""
        return denoised(self._posterior_mean, y, sigma, self.shape)

    def sample(self, n: int, seed: int) -> np.ndarray:
        """n independent x0, float64 (n, *shape); a shorter sample of the same seed is a prefix."""
        _, normals = streams(n, seed)
        x = normals.standard_normal((n, self.variances.size)) * np.sqrt(self.variances)
        return self.mean + (x if self.basis is None else x @ self.basis.T).reshape(n, *self.shape)

    def _posterior_mean(self, rows: Array, level: Array) -> Array:
        def build(move: Any) -> tuple[Any, ...]:
            basis = None if self.basis is None else move(self.basis)
            return move(self.mean.ravel()), move(np.sqrt(self.variances)), basis

        mean, deviation, basis = placed(self, rows, build)
        gain = (deviation / namespace(rows).hypot(deviation, level)) ** 2
        if basis is None:
            return mean + gain * (rows - mean)
        return mean + (gain * ((rows - mean) @ basis)) @ basis.T


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """sum_k weights_k N(means_k, covariances_k).

    weights      (K,) >= 0 summing to 1 within 1e-6, or None for equal ones
    means        (K, *shape)
    covariances  number, (K,) (isotropic), (K, *shape) (diagonal) or (K, d, d) (full), as for `Gaussian`
    variances    (K, d), in the basis bases[k]; bases (K, d, d), or None if all components are diagonal
    errors       InputError naming the component whose covariance is no covariance
    cost         K O(d^3) eigendecompositions if full; two (batch, d, K d) products a call, none if diagonal;
                 temporaries of one call stay below 64 MB apiece
    """

    weights: np.ndarray = field(repr=False)
    means: np.ndarray = field(repr=False)
    covariances: np.ndarray = field(repr=False)
    name: str = "gaussian-mixture"
    variances: np.ndarray = field(init=False, repr=False)
    bases: np.ndarray | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        means = real("means", self.means)
        if means.ndim == 0:
            raise InputError("means is a single number; give one mean for each component, (K, *shape).")
        count, shape = len(means), means.shape[1:]
        weights = probabilities("weights", self.weights, count)
        given = host("covariances", self.covariances)
        if given.ndim and given.shape[0] != count:
            raise InputError(
                f"covariances has {given.shape[0]} entries, but there are {count} means; give one for each."
            )
        each = given if given.ndim else np.broadcast_to(given, count)
        spectra = [spectrum(f"covariances[{k}]", each[k], shape) for k in range(count)]
        bases = None
        if any(basis is not None for basis, _ in spectra):
            identity = np.eye(math.prod(shape))
            bases = real("bases", np.stack([identity if basis is None else basis for basis, _ in spectra]))
        variances = real("variances", np.stack([values for _, values in spectra]))
        made = {"weights": weights, "means": means, "covariances": real("covariances", given)}
        for key, value in {**made, "variances": variances, "bases": bases}.items():
            object.__setattr__(self, key, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one x0."""
        return self.means.shape[1:]

    @cached_property
    def mean(self) -> np.ndarray:
        """E[x0], float64 (*shape)."""
        return np.tensordot(self.weights, self.means, 1)

    @cached_property
    def variance(self) -> float:
        """Mean variance of a coordinate: within the components plus between their means."""
        between = (self._flat_means() - self.mean.ravel()) ** 2
        return float(self.weights @ (self.variances + between).mean(axis=1))

    def covariance(self) -> np.ndarray:
        """Cov[x0], float64 (d, d): within the components plus between their means."""
        spread = self._flat_means() - self.mean.ravel()
        between = (spread.T * self.weights) @ spread
        if self.bases is None:
            return between + np.diag(self.weights @ self.variances)
        scaled = self.bases * (self.weights[:, None] * self.variances)[:, None, :]
        return between + np.einsum("kij,klj->il", scaled, self.bases, optimize=True)

    def denoise(self, y: Array, sigma: Array | float) -> Array:
        """E[x0 | y = x0 + sigma n]; shapes, dtypes and errors as in `laws.law.denoised`.

        Responsibilities are normalised in logarithms: finite for sigma from 1e-6 to 1e5 and |y| to 1e9 and beyond
        in float32 and float64.  In float32 with |y - m| far above sigma they are those of a nearby y.
        """
        return denoised(
            self._posterior_mean, y, sigma, self.shape, max(1, TILE_BYTES // (8 * self.variances.size))
        )

    def sample(self, n: int, seed: int) -> np.ndarray:
        """n independent x0, float64 (n, *shape); a shorter sample of the same seed is a prefix."""
        choices, normals = streams(n, seed)
        which = choices.choice(len(self.weights), n, p=self.weights)
        x = normals.standard_normal((n, self.variances.shape[1])) * np.sqrt(self.variances)[which]
        if self.bases is not None:
            for k, basis in enumerate(self.bases):
                x[which == k] = x[which == k] @ basis.T
        return self.means[which] + x.reshape(n, *self.shape)

    def _flat_means(self) -> np.ndarray:
        return self.means.reshape(self.variances.shape)

    def _posterior_mean(self, rows: Array, level: Array) -> Array:
        xp = namespace(rows)
        log_weights, means, deviations, centres, into, back = placed(self, rows, self._constants)
        if into is None:
            offsets = rows[:, None, :] - centres
        else:
            offsets = (rows @ into).reshape(len(rows), *centres.shape) - centres
        widths = xp.hypot(deviations, level[:, :, None])
        scores = log_weights - 0.5 * ((offsets / widths) ** 2).sum(-1) - xp.log(widths).sum(-1)
        shares = xp.exp(scores - xp.amax(scores, 1)[:, None])
        shares = shares / shares.sum(-1)[:, None]
        pulls = shares[:, :, None] * (deviations / widths) ** 2 * offsets
        if back is None:
            return shares @ means + pulls.sum(1)
        return shares @ means + pulls.reshape(len(rows), -1) @ back

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
