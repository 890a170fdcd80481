"""Processes given by a table: the noise level at each of the N times a network was trained at.

Point i = 0 .. N - 1 of a table is time i + 1, so T = N, and a network told timesteps 0 .. N - 1 has the clock t - 1:
`Network(model, "noise", clock=lambda t: t - 1)`. Between points the log-SNR is linear in time; below the first point
sigma / alpha is linear down to 0 at t = 0. A table is alphas_cumprod, betas or sigmas (sigma / alpha): three forms of
one table, of which betas and sigmas keep all digits, and alphas_cumprod loses those of 1 - alphas_cumprod near 1, half
an ulp in 1 - a.

The slope of log-SNR jumps at the points. Coefficients in closed form, those of all schemes that freeze data or noise in
log-SNR or noise level, or the residual in the angle, do not see it. Those that are quadratures in process time do:
on `scaled-linear` with 10 to 50 steps the coefficients of `deis-tab` are good to 2e-5, those of `conjugate-optimal` to
1e-7. Schemes that freeze the drift in time (euler, heun) sample the slope itself and do not converge faster than the
first power of their step, most slowly at time 1, where the slope triples downwards.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.arrays import host
from numtoolkit.errors import InputError, choice, whole
from numtoolkit.problem.kinds import Floats, ScalarProcess, in_range

FLOOR = 2.0**-24  # what diffusers takes for an alphas_cumprod of 0 at the last point
SCALINGS = ("vp", "ve")  # alpha^2 + sigma^2 = 1, and alpha = 1
MOST = 1_000_000  # points of a table


# --- the three forms of a table, as log(sigma / alpha)


def floor(before: float) -> float:
    """alphas_cumprod at the last point in place of 0: FLOOR, or half of that of the point before if this is less."""
    return min(FLOOR, before / 2)


def _of_log_alphas(log_a: Floats) -> Floats:
    """log(sigma / alpha) for log(alphas_cumprod), (N,): no digit of 1 - a is lost."""
    return (np.log(-np.expm1(log_a)) - log_a) / 2


def of_alphas_cumprod(a: Floats) -> Floats:
    """log(sigma / alpha), (N,), for alpha^2 = a of a process with alpha^2 + sigma^2 = 1; a last 0 is `floor`."""
    floored = np.append(a[:-1], a[-1] or floor(a[-2]))
    return (np.log1p(-floored) - np.log(floored)) / 2


def of_betas(betas: Floats) -> Floats:
    """log(sigma / alpha), (N,), for alpha^2 the running product of 1 - beta; a last beta of 1 makes it `floor`."""
    log_a = np.cumsum(np.log1p(-np.append(betas[:-1], betas[-1] if betas[-1] < 1 else 0.0)))
    if betas[-1] == 1:
        log_a[-1] = np.log(floor(np.exp(log_a[-2])))
    return _of_log_alphas(log_a)


def of_sigmas(sigmas: Floats) -> Floats:
    """log(sigma / alpha), (N,), for sigmas = sigma / alpha, k-diffusion's; a last infinite one is that of `floor`."""
    last = sigmas[-1] if np.isfinite(sigmas[-1]) else (1 / floor(1 / (1 + sigmas[-2] ** 2)) - 1) ** 0.5
    return np.log(np.append(sigmas[:-1], last))


@dataclass(frozen=True)
class Form:
    """How a table is given.

    log_levels    (table (N,)) -> log(sigma / alpha)
    rises         whether its values rise with the index, None where they need not
    low, high     its values lie strictly between; the last one may be `last`
    """

    log_levels: Callable[[Floats], Floats]
    rises: bool | None
    low: float
    high: float
    last: float


FORMS = {
    "alphas_cumprod": Form(of_alphas_cumprod, False, 0.0, 1.0, 0.0),
    "betas": Form(of_betas, None, 0.0, 1.0, 1.0),
    "sigmas": Form(of_sigmas, True, 0.0, np.inf, np.inf),
}


def checked(form: str, table: Any) -> Floats:
    """The table as float64 (N,), named by its form.

    raises   InputError, naming the first bad index and its value
    """
    values = host(form, table)
    if values.ndim != 1 or not 2 <= len(values) <= MOST or values.dtype.kind not in "fiu":
        raise InputError(
            f"{form} has shape {values.shape} of {values.dtype}; give a list of 2 numbers or more, one a timestep."
        )
    own, values = FORMS[form], values.astype(np.float64)
    within = (own.low < values) & (values < own.high)
    within[-1] |= values[-1] == own.last
    if not within.all():
        i = int(np.argmin(within))
        raise InputError(f"{form}[{i}] = {values[i]:g} is not between {own.low:g} and {own.high:g}; mend the table.")
    if own.rises is not None:
        _check_direction(form, values, own.rises)
    return values


def _check_direction(form: str, values: Floats, rises: bool) -> None:
    steps = np.diff(values) if rises else -np.diff(values)
    if (steps <= 0).any():
        i = int(np.argmax(steps <= 0)) + 1
        way, other = ("rise", "falls") if rises else ("fall", "rises")
        remedy = f"it {other} throughout: turn it round" if (steps < 0).all() else "mend the table"
        raise InputError(
            f"{form}[{i}] = {values[i]:.9g} after {values[i - 1]:.9g}: a table must {way} strictly with the "
            f"timestep; {remedy}."
        )


# --- the processes


@dataclass(frozen=True)
class Tabulated(ScalarProcess):
    """A process whose log-SNR is given at the times 1 .. N and linear in between; sigma / alpha is linear below 1.

    scaling   "vp": alpha^2 + sigma^2 = 1; "ve": alpha = 1, the same noise levels

    The rate at a point is the mean of those on its two sides, at time 1 the one above: the errors of a jump at the
    end of a step and at the start of the next then cancel. Beyond T, where churn may lead, the last segment goes on.
    """

    scaling: str = field(default="vp", kw_only=True)
    T: float = field(init=False, repr=False, compare=False)
    t_min = 1.0

    def __post_init__(self) -> None:
        choice("scaling", self.scaling, SCALINGS)
        self._check_parameters()
        object.__setattr__(self, "T", float(len(self.log_levels)))
        rises = np.diff(self.log_levels) > 0
        if not rises.all():
            i = int(np.argmin(rises)) + 1
            raise InputError(
                f"process {self.spec}: the noise level of point {i} is not above that of point {i - 1}; give a table "
                "whose noise grows with the timestep."
            )
        self._check_times()

    def _check_parameters(self) -> None:
        """raises InputError for parameters out of range"""

    @property
    @abstractmethod
    def log_levels(self) -> Floats:
        """log(sigma / alpha) at the times 1 .. N, (N,)."""

    def noise_level(self, t: Floats) -> Floats:
        levels = self.log_levels
        first = np.clip(np.floor(t).astype(int), 1, len(levels) - 1)
        f, low, high = t - first, levels[first - 1], levels[first]
        return np.where(t < 1, np.exp(self.log_levels[0]) * t, np.exp((1 - f) * low + f * high))

    def time_of_noise_level(self, s: Floats) -> Floats:
        levels = self.log_levels
        log_s = np.log(np.maximum(s, np.exp(levels[0])))
        first = np.clip(np.searchsorted(levels, log_s, side="right"), 1, len(levels) - 1)
        low, high = levels[first - 1], levels[first]
        return np.where(s < np.exp(levels[0]), s / np.exp(levels[0]), first + (log_s - low) / (high - low))

    def log_alpha(self, t: Floats) -> Floats:
        s = self.noise_level(t)
        return -np.log1p(s**2) / 2 if self.scaling == "vp" else np.zeros_like(s)

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        slopes, s = np.diff(self.log_levels), self.noise_level(t)
        above = slopes[np.clip(np.floor(t).astype(int), 1, len(slopes)) - 1]
        below = slopes[np.clip(np.ceil(t).astype(int), 2, len(slopes) + 1) - 2]
        rise = np.where(t < 1, np.exp(self.log_levels[0]), s * (above + below) / 2)  # ds/dt
        return -s * rise / (1 + s**2) if self.scaling == "vp" else np.zeros_like(s), rise / s


@dataclass(frozen=True)
class Table(Tabulated):
    """A table that was given: two are the same process where their bytes and scaling are.

    levels   log(sigma / alpha), (N,)
    sha256   of the table as it was given: its form and its float64 bytes
    file     that it was read from, if it was
    """

    levels: Floats = field(repr=False, compare=False)
    sha256: str
    file: str = field(default="", compare=False)
    name = "table"

    @classmethod
    def of(cls, form: str, table: Any, scaling: str = "vp", file: str = "") -> Table:
        """The process of a table of that form: "alphas_cumprod", "betas" or "sigmas", array-like (N,).

        scaling, file   as the fields
        raises          InputError, naming the first bad index and value
        """
        values = checked(form, table)
        sha256 = hashlib.sha256(form.encode() + values.astype("<f8").tobytes()).hexdigest()
        return cls(FORMS[form].log_levels(values), sha256, file, scaling=scaling)

    @property
    def log_levels(self) -> Floats:
        return self.levels

    @property
    def digest(self) -> str:
        """The word that names the bytes in a specification."""
        return f"sha256-{self.sha256[:16]}"

    @property
    def spec(self) -> str:
        """The file it is read from, where there is one, and the digest of its bytes."""
        scaling = f"scaling={self.scaling}" if self.scaling != "vp" else ""
        return f"table({', '.join(filter(None, (self.file, self.digest, scaling)))})"


@dataclass(frozen=True)
class Schedule(Tabulated):
    """N betas by a formula.

    N        how many timesteps
    rescale  1 for zero terminal SNR (Lin et al. 2305.08891, algorithm 1)
    """

    N: int = field(default=1000, kw_only=True)
    rescale: int = field(default=0, kw_only=True)

    def _check_parameters(self) -> None:
        whole("N", self.N, 2, MOST)
        in_range(self.name, "rescale", self.rescale, self.rescale in (0, 1), "0, or 1 for zero terminal SNR")

    @abstractmethod
    def log_kept(self) -> Floats:
        """log(1 - beta), (N,)."""

    @cached_property
    def log_levels(self) -> Floats:
        log_a = np.cumsum(self.log_kept())
        return _zero_terminal(log_a) if self.rescale else _of_log_alphas(log_a)


def _zero_terminal(log_a: Floats) -> Floats:
    """log(sigma / alpha) where x = sqrt(a) is moved to x' = x_0 (x - x_last) / (x_0 - x_last): the first a stays.

    The last a is `floor`. No digit is lost: 1 - x' = (1 - x_0) + x_0 (x_0 - x) / (x_0 - x_last), all terms positive.
    """
    above, below = np.expm1((log_a - log_a[-1]) / 2), -np.expm1((log_a - log_a[0]) / 2)
    x = np.exp(log_a[0] / 2) * above / above[0]
    rest = -np.expm1(log_a[0] / 2) + np.exp(log_a[0] / 2) * below / below[-1]
    x[-1] = floor(x[-2] ** 2) ** 0.5
    rest[-1] = 1 - x[-1]
    return (np.log(rest) + np.log1p(x)) / 2 - np.log(x)


@dataclass(frozen=True)
class _BetweenBetas(Schedule):
    """A schedule from beta_start to beta_end."""

    beta_start: float = 1e-4
    beta_end: float = 0.02

    def _check_parameters(self) -> None:
        super()._check_parameters()
        in_range(self.name, "beta_start", self.beta_start, 0 < self.beta_start < 1, "0 < beta_start < 1")
        in_range(self.name, "beta_end", self.beta_end, 0 < self.beta_end < 1, "0 < beta_end < 1")


@dataclass(frozen=True)
class Linear(_BetweenBetas):
    """N betas linear from beta_start to beta_end (Ho et al. 2020)."""

    name = "linear"

    def log_kept(self) -> Floats:
        return np.log1p(-np.linspace(self.beta_start, self.beta_end, self.N))


@dataclass(frozen=True)
class ScaledLinear(_BetweenBetas):
    """N betas whose roots are linear (Rombach et al. 2022), with the numbers of Stable Diffusion."""

    beta_start: float = 0.00085
    beta_end: float = 0.012
    name = "scaled-linear"

    def log_kept(self) -> Floats:
        return np.log1p(-(np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.N) ** 2))


@dataclass(frozen=True)
class Sigmoid(_BetweenBetas):
    """N betas along the logistic function on [-6, 6] (GeoDiff, Xu et al. 2022)."""

    name = "sigmoid"

    def log_kept(self) -> Floats:
        rise = 1 / (1 + np.exp(-np.linspace(-6, 6, self.N)))
        return np.log1p(-(self.beta_start + (self.beta_end - self.beta_start) * rise))


@dataclass(frozen=True)
class SquaredCosine(Schedule):
    """alphas_cumprod = cos(f)^2 / cos(f_0)^2, f = (pi/2)(t/N + offset)/(1 + offset) (Nichol & Dhariwal 2021, eq. 17).

    No beta is above `cap`. Digits of small ones are kept: 1 - cos(g)^2 / cos(f)^2 = sin(g - f) sin(g + f) / cos(f)^2.
    """

    offset: float = 0.008
    cap: float = 0.999
    name = "squared-cosine"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        in_range(self.name, "offset", self.offset, self.offset > 0, "offset > 0")
        in_range(self.name, "cap", self.cap, 0 < self.cap < 1, "0 < cap < 1")

    def log_kept(self) -> Floats:
        f = (np.arange(self.N + 1) / self.N + self.offset) / (1 + self.offset) * (np.pi / 2)
        width = np.pi / 2 / (1 + self.offset) / self.N
        betas = np.sin(width) * np.sin(f[1:] + f[:-1]) / np.cos(f[:-1]) ** 2
        return np.log1p(-np.minimum(betas, self.cap))


SCHEDULES: dict[str, type[Schedule]] = {each.name: each for each in (Linear, ScaledLinear, Sigmoid, SquaredCosine)}
