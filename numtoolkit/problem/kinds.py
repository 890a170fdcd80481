"""What every process provides, and what processes of one kind share.

A process is dz = F(t) z dt + G(t) dW forward in the time t, and acts on k state blocks as (k x k) (x) I_d. Its *kind*
says which blocks these are; schemes are declared for kinds, not for processes, so a process of one's own is a subclass
of `ScalarProcess` or `PhaseSpaceProcess` and runs wherever its kind does.
All times are float64 arrays (n,) of the process time t, small at the data; blocks come back as (n, k, k) or (n, k).
The kernel is z_t | x_0 ~ N(e_t x_0, Sigma_t); a network that is exact for a law needs nothing else (`observe`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from numtoolkit.arrays import Floats as Floats
from numtoolkit.arrays import inverse, remembered
from numtoolkit.errors import InputError
from numtoolkit.problem.directions import Directions


@dataclass(frozen=True)
class Kind:
    """A kind of process: the letters of its state blocks, the data part first."""

    name: str
    rows: tuple[str, ...]
    sentence: str


SCALAR = Kind("scalar", ("x",), "one state block, z = alpha x_0 + sigma n")
PHASE_SPACE = Kind("phase space", ("x", "m"), "two state blocks, position and momentum")
KINDS = {kind.name: kind for kind in (SCALAR, PHASE_SPACE)}
EVERY_KIND = (SCALAR, PHASE_SPACE)


class AxisValue:
    """A value of an axis: one immutable object, the same after copying and, where its name is in use, pickling."""

    name: str
    kinds: tuple[Kind, ...]

    def __deepcopy__(self, memo: Any) -> AxisValue:
        return self

    def __reduce__(self) -> Any:
        kind = type(self).__name__.lower()
        return (_restored, (kind, self.name)) if _restored(kind, self.name) is self else object.__reduce_ex__(self, 2)


def _restored(kind: str, name: str) -> Any:
    """The value in use of that name on the axis `kind`, or None."""
    from importlib import import_module

    home, table = {
        "clock": ("clocks", "CLOCKS"),
        "operator": ("operators", "OPERATORS"),
        "frozen": ("frozen", "FROZEN"),
        "prediction": ("predictions", "PREDICTIONS"),
    }[kind]
    return getattr(import_module(f"numtoolkit.problem.{home}"), table).get(name)


class Process(ABC):
    """What every process provides. T is where sampling starts, t_min where it ends unless a grid says otherwise."""

    name: ClassVar[str]
    kind: ClassVar[Kind]
    T: float
    t_min: float

    @property
    def blocks(self) -> int:
        """k, the number of state blocks."""
        return len(self.kind.rows)

    @property
    def rows(self) -> tuple[str, ...]:
        """The letters of the state blocks."""
        return self.kind.rows

    @property
    def modes(self) -> tuple[Process, ...]:
        """The process of each group of `directions`, that by which grids are laid first; itself where it has none."""
        return (self,)

    @property
    def directions(self) -> Directions | None:
        """The groups of directions that have processes of their own; None where all data share one."""
        return None

    def check_one_mode(self, what: str) -> None:
        """raises InputError, saying that it is `what` that asks, for a process with many modes"""
        if self.directions is not None:
            raise InputError(
                f"{what} is of one process, and {self.spec} is {len(self.modes)}, one a frequency; take one of them, "
                f"such as '{self.modes[-1].spec}' of the finest."
            )

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
    def observe(self, z: Any, t: float) -> tuple[Any, Any]:
        """(y, s): all that z_t says about x_0 is the observation y = x_0 + s n (Gaussian n).

        z: the k state blocks as a sequence of arrays or tensors of one shape; y has that shape, dtype and device. s is
        a number, or `Levels` where it differs by direction.
        """

    def signal(self, x0: Any, t: float) -> list[Any]:
        """The mean of z_t | x_0, an array a block, for data (batch, *event)."""
        return [float(e) * x0 for e in self.kernel(np.array([t]))[0][0]]

    def noise(self, t: float) -> Floats:
        """The covariance (k, k) of z_t | x_0, in every direction."""
        return self.kernel(np.array([t]))[1][0]

    @property
    def spec(self) -> str:
        """The name with the parameters that are not at their defaults, as `process` reads it."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.init and getattr(self, f.name) != f.default}  # type: ignore[arg-type]
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in given.items())})" if given else self.name

    @remembered
    def level(self, t: Floats) -> Floats:
        """The effective noise level s: z_t is as informative about x_0 as x_0 + s n is, s = (e' Sigma^-1 e)^(-1/2)."""
        e, sigma = self.kernel(t)
        return np.einsum("ni,nij,nj->n", e, inverse(sigma), e) ** -0.5

    def level_rate(self, t: Floats) -> Floats:
        """ds/dt of the effective noise level, s^3 (Sigma^-1 e)' G G' (Sigma^-1 e) / 2, never negative."""
        e, sigma = self.kernel(t)
        a = (inverse(sigma) @ e[:, :, None])[:, :, 0]
        return self.level(t) ** 3 / 2 * np.einsum("ni,nij,nj->n", a, self.diffusion(t), a)

    @abstractmethod
    def time_of_level(self, s: Floats) -> Floats:
        """The inverse of `level`."""

    def _check_times(self) -> None:
        """raises InputError unless 0 < t_min < T and float64 can tell data from noise, and invert it, on the way."""
        in_range(self.name, "t_min", self.t_min, 0 < self.t_min < self.T, f"0 < t_min < T = {self.T}")
        with np.errstate(all="ignore"):
            e, sigma = self.kernel(np.geomspace(self.t_min, self.T, 16))
        usable = np.isfinite(sigma).all() and (np.abs(e).max(axis=1) > 1e-150).all()
        spread = np.linalg.eigvalsh(sigma) if usable else np.zeros((1, 1))
        if not (spread[:, 0] > 1e-13 * spread[:, -1]).all():
            raise InputError(
                f"process {self.spec}: somewhere from t_min to T its noise covariance cannot be inverted, or no data "
                "is left beside the noise; choose parameters nearer the defaults."
            )


class ScalarProcess(Process):
    """One state block: z = alpha x_0 + sigma n, s = sigma / alpha, lam = -log s."""

    kind = SCALAR

    @abstractmethod
    def log_alpha(self, t: Floats) -> Floats:
        """log alpha, (n,)."""

    @abstractmethod
    def noise_level(self, t: Floats) -> Floats:
        """s = sigma / alpha."""

    @abstractmethod
    def time_of_noise_level(self, s: Floats) -> Floats:
        """The inverse of `noise_level`."""

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
        """alpha, (n,)."""
        return np.exp(self.log_alpha(t))

    def sigma(self, t: Floats) -> Floats:
        """sigma, (n,)."""
        return self.alpha(t) * self.noise_level(t)

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


class PhaseSpaceProcess(Process):
    """Two state blocks, z = (x, m), whose blocks are fixed matrices per unit of the integral of beta.

    Position and momentum have noises of their own, G G' is diagonal: proofs drop words that vanish by that.
    """

    kind = PHASE_SPACE

    @abstractmethod
    def beta(self, t: Floats) -> Floats:
        """The rate of the process, (n,)."""

    @abstractmethod
    def beta_integral(self, t: Floats) -> Floats:
        """int_0^t beta, (n,)."""

    @abstractmethod
    def time_of_beta_integral(self, b: Floats) -> Floats:
        """The inverse of `beta_integral`."""

    def check_noises(self) -> None:
        """raises InputError where the noises of position and momentum are not independent"""
        rate = self.diffusion(np.array([self.t_min, self.T]))
        if (rate[:, 0, 1] != 0).any() or (rate[:, 1, 0] != 0).any():
            raise InputError(
                f"process {self.name}: the noises of its position and momentum are not independent, which proofs take "
                "them to be; write it in blocks that make G G' diagonal."
            )

    @abstractmethod
    def moving_root(self, t: Floats) -> Floats:
        """R_t (n, 2, 2) with R R' = Sigma_t and R' = (F + G G' Sigma^-1 / 2) R, which the flow into a point carries."""


class LinearBeta:
    """What processes share whose beta rises linearly from beta_min to beta_max over [0, 1]."""

    name: ClassVar[str]
    beta_min: float
    beta_max: float

    def beta(self, t: Floats) -> Floats:
        """beta(t), (n,)."""
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def beta_integral(self, t: Floats) -> Floats:
        """int_0^t beta."""
        return self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / 2

    def time_of_beta_integral(self, b: Floats) -> Floats:
        """The inverse of `beta_integral`."""
        slope = self.beta_max - self.beta_min
        return 2 * b / (self.beta_min + np.sqrt(self.beta_min**2 + 2 * slope * b))

    def _check_beta(self) -> None:
        rising = 0 < self.beta_min <= self.beta_max
        in_range(self.name, "beta_min", self.beta_min, rising, "0 < beta_min <= beta_max")


def in_range(process: str, name: str, value: float, ok: bool, rule: str) -> None:
    """raises InputError, naming the process, the parameter `name`, its value and the rule, unless it is ok."""
    if not ok:
        raise InputError(f"process {process}: {name} = {value} is out of range; it must satisfy {rule}.")
