"""Processes with one state block: variance preserving, EDM, the straight path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numtoolkit.problem.kinds import Floats, LinearBeta, ScalarProcess, in_range

LEAST_ALPHA = 2.0**-24  # of the straight path at t = 1
LARGEST_LEVEL = 2.0**53  # float64 holds no digit of the data beside more noise


@dataclass(frozen=True)
class VP(LinearBeta, ScalarProcess):
    """Variance preserving, beta(t) = beta_min + (beta_max - beta_min) t (Song et al. 2021; `log_alpha` = -b(t)/2)."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    T: float = 1.0
    t_min: float = 1e-3
    name = "vp"

    def __post_init__(self) -> None:
        self._check_beta()
        self._check_times()

    def log_alpha(self, t: Floats) -> Floats:
        return -self.beta_integral(t) / 2

    def noise_level(self, t: Floats) -> Floats:
        return np.sqrt(np.expm1(self.beta_integral(t)))

    def time_of_noise_level(self, s: Floats) -> Floats:
        return self.time_of_beta_integral(np.log1p(s**2))

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        beta = self.beta(t)
        return -beta / 2, -beta / (2 * np.expm1(-self.beta_integral(t)))

    def prior(self) -> Floats:
        return np.eye(1)


@dataclass(frozen=True)
class CosineVP(ScalarProcess):
    """Variance preserving with alpha = cos(f) / cos(f0), f = (pi/2)(t + offset)/(1 + offset) (Nichol & Dhariwal 2021).

    At t = 1 alpha is 0, so T < 1. All forms below keep their digits at both ends.
    """

    offset: float = 0.008
    T: float = 0.999
    t_min: float = 1e-3
    name = "vp-cosine"

    def __post_init__(self) -> None:
        in_range(self.name, "offset", self.offset, self.offset > 0, "offset > 0")
        in_range(self.name, "T", self.T, 0 < self.T < 1, "0 < T < 1 (at 1 the noise level is infinite)")
        self._check_times()

    @property
    def _scale(self) -> float:
        return float(np.pi / (2 * (1 + self.offset)))

    @property
    def _f0(self) -> float:
        return self._scale * self.offset

    def log_alpha(self, t: Floats) -> Floats:
        return -np.log1p(self.noise_level(t) ** 2) / 2

    def noise_level(self, t: Floats) -> Floats:
        f = self._scale * t + self._f0
        return np.sqrt(np.sin(self._scale * t) * np.sin(f + self._f0)) / np.cos(f)

    def time_of_noise_level(self, s: Floats) -> Floats:
        # tan(f)^2 - tan(f0)^2 = s^2 / cos(f0)^2; the difference of the angles by the tangent of a difference
        high, low = np.sqrt(s**2 + np.sin(self._f0) ** 2) / np.cos(self._f0), np.tan(self._f0)
        difference = (s / np.cos(self._f0)) ** 2 / (high + low)
        return np.arctan2(difference, 1 + high * low) / self._scale

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        f = self._scale * t + self._f0
        cotangents = 1 / np.tan(self._scale * t) + 1 / np.tan(f + self._f0)
        return -self._scale * np.tan(f), self._scale * (cotangents / 2 + np.tan(f))

    def prior(self) -> Floats:
        return np.eye(1)


@dataclass(frozen=True)
class EDM(ScalarProcess):
    """Variance exploding in the noise level itself, z = x_0 + t n (Karras et al. 2022)."""

    T: float = 80.0
    t_min: float = 0.002
    name = "edm"

    def __post_init__(self) -> None:
        in_range(self.name, "T", self.T, self.T <= LARGEST_LEVEL, f"T <= {LARGEST_LEVEL:.0e}, where data still shows")
        self._check_times()

    def log_alpha(self, t: Floats) -> Floats:
        return np.zeros_like(t)

    def noise_level(self, t: Floats) -> Floats:
        return np.asarray(t, dtype=np.float64)

    def time_of_noise_level(self, s: Floats) -> Floats:
        return s

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        return np.zeros_like(t), 1 / t


@dataclass(frozen=True)
class RectifiedFlow(ScalarProcess):
    """The straight path z = (1 - t) x_0 + t n (Liu et al. 2023, Lipman et al. 2023); flow(T=1) starts from pure noise.

    At t = 1 alpha is 0 and the noise level s infinite. There alpha is taken as LEAST_ALPHA, delta: z = n is read as
    delta x_0 + n. This changes a run by less than 1e-7: for data of mean m and deviation d the exact flow keeps
    (z / alpha - m) / sqrt(d^2 + s^2) at high noise, up to s^-3 of the shape of the law. At s = 1 / delta that is
    (n - delta m) / sqrt(1 + (delta d)^2), at infinity n: an error of delta |m| <= 6e-8 |m|. A step of first order
    takes n - delta D in place of n. The rates at t = 1 are those of the straight path, dz/dt = n - x_0. Schemes whose
    first step has stages in the noise level (heun-edm, rk4, pndm) err by 1 / alpha, and cannot start there.
    """

    T: float = 0.999
    t_min: float = 1e-3
    name = "flow"

    def __post_init__(self) -> None:
        in_range(self.name, "T", self.T, 0 < self.T <= 1, "0 < T <= 1")
        self._check_times()

    def _data_left(self, t: Floats) -> Floats:
        return np.maximum(1 - t, LEAST_ALPHA)

    def log_alpha(self, t: Floats) -> Floats:
        return np.log1p(-np.minimum(t, 1 - LEAST_ALPHA))

    def noise_level(self, t: Floats) -> Floats:
        return t / self._data_left(t)

    def time_of_noise_level(self, s: Floats) -> Floats:
        return s / (1 + s)

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        left = self._data_left(t)
        return -1 / left, 1 / t + 1 / left
