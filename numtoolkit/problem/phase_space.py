"""Processes with two state blocks, position and momentum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from numtoolkit.arrays import cholesky, remembered
from numtoolkit.errors import InputError
from numtoolkit.phi_functions import phi
from numtoolkit.problem.kinds import Floats, LinearBeta, PhaseSpaceProcess, in_range

TERMS = 400  # of the series of theta: enough for every process that is not refused, 250 radians and t_min = 1e-6
NOISE = 3e-16  # of the largest of these terms: those at the end that are below hold no digit, and most are


@dataclass(frozen=True)
class PSLD(LinearBeta, PhaseSpaceProcess):
    """Phase-space Langevin diffusion (arXiv:2303.01748) at critical damping, 1/M = (Gamma - nu)^2/4.

    F = (beta/2) [[-Gamma, 1/M], [-1, -nu]], G = diag(sqrt(Gamma beta), sqrt(M nu beta)), m_0 ~ N(0, gamma M). beta
    rises linearly from beta_min to beta_max over [0, 1]; the papers take it constant.
    """

    beta_min: float = 8.0
    beta_max: float = 8.0
    Gamma: float = 0.01
    nu: float = 4.01
    gamma: float = 0.04
    T: float = 1.0
    t_min: float = 1e-3
    name = "psld"

    def __post_init__(self) -> None:
        self._check_beta()
        in_range(self.name, "Gamma", self.Gamma, 0 <= self.Gamma < self.nu, "0 <= Gamma < nu")
        in_range(self.name, "gamma", self.gamma, self.gamma > 0, "gamma > 0")
        self._check_times()

    @cached_property
    def inverse_mass(self) -> float:
        """1 / M, critically damped: (Gamma - nu)^2 / 4."""
        return (self.Gamma - self.nu) ** 2 / 4

    @property
    def unit_drift(self) -> Floats:
        """F / beta, (2, 2)."""
        return np.array([[-self.Gamma, self.inverse_mass], [-1.0, -self.nu]]) / 2

    @property
    def unit_diffusion(self) -> Floats:
        """G G' / beta, (2, 2)."""
        return np.diag([self.Gamma, self.nu / self.inverse_mass])

    def drift(self, t: Floats) -> Floats:
        return self.unit_drift / (1 / self.beta(t))[:, None, None]

    def diffusion(self, t: Floats) -> Floats:
        return self.unit_diffusion / (1 / self.beta(t))[:, None, None]

    def propagator(self, t: Floats) -> Floats:
        """E(t) = exp(F tau / beta) with tau the integral of beta over [0, t] (critical damping), (n, 2, 2)."""
        tau = self.beta_integral(t)
        half = (self.Gamma + self.nu) / 4
        nilpotent = self.unit_drift + half * np.eye(2)
        return np.exp(-half * tau)[:, None, None] * (np.eye(2) + tau[:, None, None] * nilpotent)

    @remembered
    def kernel(self, t: Floats) -> tuple[Floats, Floats]:
        """Sigma_t = S - E (S - diag(0, gamma M)) E', S = diag(1, M), summed so that no digit is lost at small t.

        The difference S - E S E' is the covariance of the pure noise, int E(s) G G' E(s)' ds, integrated in closed form
        term by term: with E = exp(-a s)(I + s K) it is Q I_0 + (K Q + Q K') I_1 + K Q K' I_2,
        I_j = int_0^tau s^j e^(-2 a s) ds.
        """
        tau, mass = self.beta_integral(t), 1 / self.inverse_mass
        E = self.propagator(t)
        half = (self.Gamma + self.nu) / 4
        K, Q = self.unit_drift + half * np.eye(2), self.unit_diffusion
        I0, I1, I2 = _damped_moments(2 * half, tau)
        noise = I0 * Q + I1 * (K @ Q + Q @ K.T) + I2 * (K @ Q @ K.T)
        start = self.gamma * mass * E[:, :, 1, None] * E[:, None, :, 1]
        return E[:, :, 0], noise + start

    @remembered
    def moving_root(self, t: Floats) -> Floats:
        """R_t, (n, 2, 2), with R R' = Sigma_t, which the flow of a point mass carries along (arXiv:2206.05564).

        R solves R' = K R, K = F + G G' Sigma^-1 / 2, and is L rot(theta) with the lower Cholesky factor L. As L^-1 L'
        has nothing above its diagonal, theta' = -(L^-1 K L)_xm: one integral. It starts with theta = 0 at t = 0, as
        R does in the authors' code.
        """
        low = 1e-4 * self.t_min
        theta = np.sqrt(np.minimum(t / low, 1)) * _turning(self, low)(np.log(np.maximum(t, low)))
        turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
        root: Floats = cholesky(self.kernel(t)[1]) @ np.moveaxis(turn, 2, 0)
        return root

    def time_of_level(self, s: Floats) -> Floats:
        """By bisection in log t to the last digits: 60 kernels of the shape of s.

        raises   InputError for a level not reached from t_min to T
        """
        low, high = (np.full(s.shape, np.log(end) + margin) for end, margin in ((self.t_min, -1e-9), (self.T, 1e-9)))
        if not ((self.level(np.exp(low)) <= s) & (s <= self.level(np.exp(high)))).all():
            raise InputError(
                f"process {self.spec} reaches a noise level of the grid at no time; choose parameters nearer the "
                "defaults."
            )
        for _ in range(60):
            middle = (low + high) / 2
            above = self.level(np.exp(middle)) > s
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.exp(high)

    def prior(self) -> Floats:
        return np.diag([1.0, 1 / self.inverse_mass])

    def observe(self, z: Any, t: float) -> tuple[Any, float]:
        e, sigma = self.kernel(np.array([t]))
        gain = np.linalg.solve(sigma[0], e[0])
        information = float(gain @ e[0])
        y = z[0] * float(gain[0] / information) + z[1] * float(gain[1] / information)
        return y, float(information**-0.5)


def _damped_moments(a: float, tau: Floats) -> tuple[Floats, Floats, Floats]:
    """int_0^tau s^j exp(-a s) ds for j = 0, 1, 2, each (n, 1, 1): reversed windows of the phi functions."""
    z = -a * tau
    p1, p2, p3 = phi(1, z), phi(2, z), phi(3, z)
    return tuple((tau ** (j + 1) * value)[:, None, None] for j, value in enumerate((p1, p1 - p2, p1 - 2 * p2 + 2 * p3)))


@lru_cache
def _turning(process: PSLD, low: float) -> np.polynomial.Chebyshev:
    """theta of `PSLD.moving_root` in log t over [low, T], to some 1e-15 of its size; on [0, low] it is as sqrt(t)."""

    def per_log_time(log_t: Floats) -> Floats:
        t = np.exp(log_t)
        L = cholesky(process.kernel(t)[1])
        a, b, c = L[:, 0, 0], L[:, 1, 0], L[:, 1, 1]
        rate: Floats = t / a * (process.diffusion(t)[:, 0, 0] * b / (2 * a * c) - process.drift(t)[:, 0, 1] * c)
        return rate

    ends = np.log([low, process.T])
    rate = np.polynomial.Chebyshev.interpolate(per_log_time, TERMS, ends)
    theta = rate.integ(k=2 * rate(ends[0]), lbnd=ends[0])
    return theta.trim(NOISE * np.abs(theta.coef).max())


@dataclass(frozen=True)
class CLD(PSLD):
    """Critically damped Langevin diffusion (arXiv:2112.07068): PSLD without noise on the position, Gamma = 0."""

    Gamma: float = 0.0
    nu: float = 4.0
    name = "cld"

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range(self.name, "Gamma", self.Gamma, self.Gamma == 0, "Gamma = 0 (with Gamma > 0 it is psld)")
