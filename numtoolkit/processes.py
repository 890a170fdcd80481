"""Diffusion processes: dz = F(t) z dt + G(t) dW forward in the time t, and their perturbation kernels.

A process acts on k state blocks as (k x k) (x) I_d: k = 1 for VP, EDM and the flow, k = 2 for phase space, z = (x, m).
All times are float64 arrays (n,) of the process time t, small at the data; blocks come back as (n, k, k) or (n, k).
The kernel is z_t | x_0 ~ N(e_t x_0, Sigma_t); a network that is exact for a law needs nothing else (`observe`).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, unknown
from numtoolkit.specs import Spec, parse

Floats = NDArray[np.float64]


class Process(ABC):
    """What every process provides. T is where sampling starts, t_min where it ends unless a grid says otherwise."""

    name: ClassVar[str]
    blocks: ClassVar[int]
    rows: ClassVar[tuple[str, ...]]
    natural_clock: ClassVar[str]
    T: float
    t_min: float

    @abstractmethod
    def clock(self, name: str, t: Floats) -> Floats:
        """The clock u(t) of that name; every clock increases while sampling, so it falls with t."""

    @abstractmethod
    def time(self, name: str, u: Floats) -> Floats:
        """The inverse of `clock`."""

    @abstractmethod
    def rate(self, name: str, t: Floats) -> Floats:
        """|dt/du| of a clock."""

    @abstractmethod
    def drift(self, t: Floats) -> Floats:
        """F(t), (n, k, k)."""

    @abstractmethod
    def diffusion(self, t: Floats) -> Floats:
        """G(t) G(t)', the covariance rate, (n, k, k)."""

    @abstractmethod
    def kernel(self, t: Floats) -> tuple[Floats, Floats]:
        """(e_t (n, k), Sigma_t (n, k, k)) of the perturbation kernel."""

    @abstractmethod
    def prior(self) -> Floats:
        """Covariance (k, k) per coordinate of the law that sampling starts from at T."""

    @abstractmethod
    def observe(self, z: Any, t: float) -> tuple[Any, float]:
        """(y, s): all that z_t says about x_0 is the observation y = x_0 + s n (Gaussian n).

        z: the k state blocks as a sequence of arrays or tensors of one shape; y has that shape, dtype and device.
        """

    @property
    def spec(self) -> str:
        """The name with the parameters that are not at their defaults, as `process` reads it."""
        own = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]  # type: ignore[arg-type]
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in own)})" if own else self.name

    def level(self, t: Floats) -> Floats:
        """The effective noise level s: z_t is as informative about x_0 as x_0 + s n is, s = (e' Sigma^-1 e)^(-1/2)."""
        e, sigma = self.kernel(t)
        return np.einsum("ni,nij,nj->n", e, np.linalg.inv(sigma), e) ** -0.5

    def level_rate(self, t: Floats) -> Floats:
        """ds/dt of the effective noise level, s^3 (Sigma^-1 e)' G G' (Sigma^-1 e) / 2, never negative."""
        e, sigma = self.kernel(t)
        a = np.linalg.solve(sigma, e[:, :, None])[:, :, 0]
        return self.level(t) ** 3 / 2 * np.einsum("ni,nij,nj->n", a, self.diffusion(t), a)

    @abstractmethod
    def time_of_level(self, s: Floats) -> Floats:
        """The inverse of `level`."""

    def _check_times(self) -> None:
        """raises InputError unless 0 < t_min < T and float64 can tell data from noise, and invert it, on the way."""
        _in_range(self.name, "t_min", self.t_min, 0 < self.t_min < self.T, f"0 < t_min < T = {self.T}")
        with np.errstate(all="ignore"):
            e, sigma = self.kernel(np.geomspace(self.t_min, self.T, 16))
        usable = np.isfinite(sigma).all() and (np.abs(e).max(axis=1) > 1e-150).all()
        spread = np.linalg.eigvalsh(sigma) if usable else np.zeros((1, 1))
        if not (spread[:, 0] > 1e-13 * spread[:, -1]).all():
            raise InputError(
                f"process {self.spec}: somewhere from t_min to T its noise covariance cannot be inverted, or no data "
                "is left beside the noise; choose parameters nearer the defaults."
            )

    def clocks(self) -> tuple[str, ...]:
        """The names `clock` knows."""
        return ("time", self.natural_clock)

    def unknown_clock(self, name: str) -> InputError:
        return InputError(f"process {self.name} has no clock {name!r}; use one of {', '.join(self.clocks())}.")


class ScalarProcess(Process):
    """One state block: z = alpha x_0 + sigma n, s = sigma / alpha, lam = -log s."""

    blocks = 1
    rows = ("x",)
    natural_clock = "log-snr"

    @abstractmethod
    def log_alpha(self, t: Floats) -> Floats: ...

    @abstractmethod
    def noise_level(self, t: Floats) -> Floats:
        """s = sigma / alpha."""

    @abstractmethod
    def time_of_noise_level(self, s: Floats) -> Floats: ...

    @abstractmethod
    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        """d log(alpha)/dt and d log(s)/dt."""

    def level(self, t: Floats) -> Floats:
        return self.noise_level(t)

    def level_rate(self, t: Floats) -> Floats:
        return self.noise_level(t) * self.log_rates(t)[1]

    def time_of_level(self, s: Floats) -> Floats:
        return self.time_of_noise_level(s)

    def alpha(self, t: Floats) -> Floats:
        return np.exp(self.log_alpha(t))

    def sigma(self, t: Floats) -> Floats:
        return self.alpha(t) * self.noise_level(t)

    def clocks(self) -> tuple[str, ...]:
        return ("time", "log-snr", "noise-level")

    def clock(self, name: str, t: Floats) -> Floats:
        if name == "time":
            return -t
        s = self.noise_level(t)
        if name == "log-snr":
            with np.errstate(divide="ignore"):
                return -np.log(s)
        if name == "noise-level":
            return -s
        raise self.unknown_clock(name)

    def time(self, name: str, u: Floats) -> Floats:
        if name == "time":
            return -u
        if name == "log-snr":
            return self.time_of_noise_level(np.exp(-u))
        if name == "noise-level":
            return self.time_of_noise_level(-u)
        raise self.unknown_clock(name)

    def rate(self, name: str, t: Floats) -> Floats:
        if name == "time":
            return np.ones_like(t)
        s, log_s = self.noise_level(t), self.log_rates(t)[1]
        if name == "log-snr":
            return 1 / log_s
        if name == "noise-level":
            return 1 / (s * log_s)
        raise self.unknown_clock(name)

    def drift(self, t: Floats) -> Floats:
        return self.log_rates(t)[0][:, None, None]

    def diffusion(self, t: Floats) -> Floats:
        return (2 * self.sigma(t) ** 2 * self.log_rates(t)[1])[:, None, None]

    def kernel(self, t: Floats) -> tuple[Floats, Floats]:
        return self.alpha(t)[:, None], (self.sigma(t) ** 2)[:, None, None]

    def prior(self) -> Floats:
        return self.kernel(np.array([self.T]))[1][0]

    def observe(self, z: Any, t: float) -> tuple[Any, float]:
        at = np.array([t])
        return z[0] * float(np.exp(-self.log_alpha(at)[0])), float(self.noise_level(at)[0])


@dataclass(frozen=True)
class VP(ScalarProcess):
    """Variance preserving, beta(t) = beta_min + (beta_max - beta_min) t (Song et al. 2021; `log_alpha` = -b(t)/2)."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    T: float = 1.0
    t_min: float = 1e-3
    name = "vp"

    def __post_init__(self) -> None:
        _in_range(
            self.name,
            "beta_min",
            self.beta_min,
            0 < self.beta_min <= self.beta_max,
            "0 < beta_min <= beta_max",
        )
        self._check_times()

    def _b(self, t: Floats) -> Floats:
        return self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / 2

    def log_alpha(self, t: Floats) -> Floats:
        return -self._b(t) / 2

    def noise_level(self, t: Floats) -> Floats:
        return np.sqrt(np.expm1(self._b(t)))

    def time_of_noise_level(self, s: Floats) -> Floats:
        b = np.log1p(s**2)
        slope = self.beta_max - self.beta_min
        return 2 * b / (self.beta_min + np.sqrt(self.beta_min**2 + 2 * slope * b))

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        beta = self.beta_min + (self.beta_max - self.beta_min) * t
        return -beta / 2, -beta / (2 * np.expm1(-self._b(t)))

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
        _in_range(self.name, "offset", self.offset, self.offset > 0, "offset > 0")
        _in_range(self.name, "T", self.T, 0 < self.T < 1, "0 < T < 1 (at 1 the noise level is infinite)")
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
    """The straight path z = (1 - t) x_0 + t n (Liu et al. 2023, Lipman et al. 2023). At t = 1 alpha is 0, so T < 1."""

    T: float = 0.999
    t_min: float = 1e-3
    name = "flow"

    def __post_init__(self) -> None:
        _in_range(self.name, "T", self.T, 0 < self.T < 1, "0 < T < 1 (at 1 the noise level is infinite)")
        self._check_times()

    def log_alpha(self, t: Floats) -> Floats:
        return np.log1p(-t)

    def noise_level(self, t: Floats) -> Floats:
        return t / (1 - t)

    def time_of_noise_level(self, s: Floats) -> Floats:
        return s / (1 + s)

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        return -1 / (1 - t), 1 / (t * (1 - t))


@dataclass(frozen=True)
class PSLD(Process):
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
    blocks = 2
    rows = ("x", "m")
    natural_clock = "beta"

    def __post_init__(self) -> None:
        _in_range(
            self.name,
            "beta_min",
            self.beta_min,
            0 < self.beta_min <= self.beta_max,
            "0 < beta_min <= beta_max",
        )
        _in_range(self.name, "Gamma", self.Gamma, 0 <= self.Gamma < self.nu, "0 <= Gamma < nu")
        _in_range(self.name, "gamma", self.gamma, self.gamma > 0, "gamma > 0")
        self._check_times()

    @cached_property
    def inverse_mass(self) -> float:
        return (self.Gamma - self.nu) ** 2 / 4

    @property
    def unit_drift(self) -> Floats:
        """F / beta, (2, 2)."""
        return np.array([[-self.Gamma, self.inverse_mass], [-1.0, -self.nu]]) / 2

    @property
    def unit_diffusion(self) -> Floats:
        """G G' / beta, (2, 2)."""
        return np.diag([self.Gamma, self.nu / self.inverse_mass])

    def clock(self, name: str, t: Floats) -> Floats:
        if name == "time":
            return -t
        if name == "beta":
            return -(self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / 2)
        raise self.unknown_clock(name)

    def time(self, name: str, u: Floats) -> Floats:
        if name == "time":
            return -u
        if name == "beta":
            slope = self.beta_max - self.beta_min
            return -2 * u / (self.beta_min + np.sqrt(self.beta_min**2 - 2 * slope * u))
        raise self.unknown_clock(name)

    def rate(self, name: str, t: Floats) -> Floats:
        if name == "time":
            return np.ones_like(t)
        if name == "beta":
            return 1 / (self.beta_min + (self.beta_max - self.beta_min) * t)
        raise self.unknown_clock(name)

    def drift(self, t: Floats) -> Floats:
        return self.unit_drift / self.rate("beta", t)[:, None, None]

    def diffusion(self, t: Floats) -> Floats:
        return self.unit_diffusion / self.rate("beta", t)[:, None, None]

    def propagator(self, t: Floats) -> Floats:
        """E(t) = exp(F tau / beta) with tau the integral of beta over [0, t] (critical damping), (n, 2, 2)."""
        tau = -self.clock("beta", t)
        half = (self.Gamma + self.nu) / 4
        nilpotent = self.unit_drift + half * np.eye(2)
        return np.exp(-half * tau)[:, None, None] * (np.eye(2) + tau[:, None, None] * nilpotent)

    def kernel(self, t: Floats) -> tuple[Floats, Floats]:
        """Sigma_t = S - E (S - diag(0, gamma M)) E', S = diag(1, M), summed so that no digit is lost at small t.

        The difference S - E S E' is the covariance of the pure noise, int E(s) G G' E(s)' ds, integrated in closed form
        term by term: with E = exp(-a s)(I + s K) it is Q I_0 + (K Q + Q K') I_1 + K Q K' I_2,
        I_j = int_0^tau s^j e^(-2 a s) ds.
        """
        tau, mass = -self.clock("beta", t), 1 / self.inverse_mass
        E = self.propagator(t)
        half = (self.Gamma + self.nu) / 4
        K, Q = self.unit_drift + half * np.eye(2), self.unit_diffusion
        I0, I1, I2 = _damped_moments(2 * half, tau)
        noise = I0 * Q + I1 * (K @ Q + Q @ K.T) + I2 * (K @ Q @ K.T)
        start = self.gamma * mass * E[:, :, 1, None] * E[:, None, :, 1]
        return E[:, :, 0], noise + start

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
    from numtoolkit.phi import phi

    z = -a * tau
    p1, p2, p3 = phi(1, z), phi(2, z), phi(3, z)
    return tuple((tau ** (j + 1) * value)[:, None, None] for j, value in enumerate((p1, p1 - p2, p1 - 2 * p2 + 2 * p3)))


def _in_range(process: str, name: str, value: float, ok: bool, rule: str) -> None:
    if not ok:
        raise InputError(f"process {process}: {name} = {value} is out of range; it must satisfy {rule}.")


@dataclass(frozen=True)
class CLD(PSLD):
    """Critically damped Langevin diffusion (arXiv:2112.07068): PSLD without noise on the position, Gamma = 0."""

    Gamma: float = 0.0
    nu: float = 4.0
    name = "cld"

    def __post_init__(self) -> None:
        super().__post_init__()
        _in_range(self.name, "Gamma", self.Gamma, self.Gamma == 0, "Gamma = 0 (with Gamma > 0 it is psld)")


PROCESSES: dict[str, type[Process]] = {p.name: p for p in (VP, CosineVP, EDM, RectifiedFlow, PSLD, CLD)}


def process(text: str | Spec | Process) -> Process:
    """A process from its name with optional parameters: "psld", "vp(beta_max=12)"; a Process comes back as it is.

    raises   InputError for unknown names (nearest matches named), unknown parameters and values out of range
    """
    if isinstance(text, Process):
        return text
    spec = parse(text) if isinstance(text, str) else text
    if spec.name not in PROCESSES:
        raise unknown("process", spec.name, PROCESSES)
    kind = PROCESSES[spec.name]
    return kind(**spec.arguments(inspect.signature(kind), f"process {spec.name}"))
