"""Blurring diffusion: a process that takes the cosines of images apart, each frequency a scalar process of its own.

In the cosines u of an image (DCT-II) the forward process is

    u_t = alpha u_0 + sigma eps,    alpha = a d,    d = (1 - d_min) exp(-rate tau) + d_min,    tau = sigma_B(t)^2 / 2

with a and sigma of the cosine schedule, common to all frequencies, sigma_B = sigma_blur sin(pi t / 2)^2 the width of
the blur in pixels, and rate = pi^2 (i^2 / height^2 + j^2 / width^2) of the frequency (i, j): heat that spreads for a
time tau multiplies a cosine by exp(-rate tau) (Rissanen et al., arXiv:2206.13397), and d_min keeps a signal that can be
scaled up again (Hoogeboom & Salimans, arXiv:2209.05557). Every frequency is du = f u dt + g dW, f = d log alpha / dt,
g^2 = d sigma^2 / dt - 2 f sigma^2 = 2 sigma^2 d log s / dt, s = sigma / alpha. As s rises with t, g is real: the
reverse flow and SDE of a frequency are those of any scalar process. sigma_blur = 0 is the cosine VP.

The schedule of a and sigma is that of Nichol & Dhariwal, whose s is 0 at t = 0; networks of another schedule are of
another process, since d is a function of the time and not of s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from numtoolkit.errors import InputError, brief
from numtoolkit.limits import MOST_COORDINATES
from numtoolkit.problem.cosines import cosine_basis
from numtoolkit.problem.directions import Directions, Levels
from numtoolkit.problem.kinds import SCALAR, Floats, Process, in_range
from numtoolkit.problem.scalar import CosineVP

MOST_BLUR = 1e4  # pixels
ROUNDS = 200  # of the search for a time, which takes some ten


def _check(name: str, sigma_blur: float, d_min: float) -> None:
    in_range(name, "sigma_blur", sigma_blur, 0 <= sigma_blur <= MOST_BLUR, f"0 <= sigma_blur <= {MOST_BLUR:g}")
    in_range(name, "d_min", d_min, 1e-6 <= d_min <= 1, "1e-6 <= d_min <= 1")


@dataclass(frozen=True)
class Dissipation(CosineVP):
    """The cosine VP of a signal that dissipates too: one frequency of `Blurring`, or heat alone.

    rate  of the frequency, pi^2 times the sum of its squared numbers of half periods a pixel
    """

    rate: float = 0.0
    sigma_blur: float = 20.0
    d_min: float = 0.001
    name = "dissipation"

    def __post_init__(self) -> None:
        in_range(self.name, "rate", self.rate, 0 <= self.rate <= 2 * np.pi**2, "0 <= rate <= 2 pi^2")
        _check(self.name, self.sigma_blur, self.d_min)
        super().__post_init__()

    def _log_left(self, t: Floats) -> Floats:
        """log d."""
        return np.log1p((1 - self.d_min) * np.expm1(-self.rate * self._heat(t)))

    def _heat(self, t: Floats) -> Floats:
        """tau."""
        return (self.sigma_blur * np.sin(np.pi / 2 * t) ** 2) ** 2 / 2

    def log_alpha(self, t: Floats) -> Floats:
        return -np.log1p(super().noise_level(t) ** 2) / 2 + self._log_left(t)

    def noise_level(self, t: Floats) -> Floats:
        return super().noise_level(t) * np.exp(-self._log_left(t))

    def time_of_noise_level(self, s: Floats) -> Floats:
        """Newton's method in log t, kept between the times at which the cosine VP has the levels s and d_min s."""
        high, low = super().time_of_noise_level(s), super().time_of_noise_level(self.d_min * s)
        if self.rate * self.sigma_blur == 0 or self.d_min == 1:
            return high
        t = high
        with np.errstate(divide="ignore", invalid="ignore"):
            for _ in range(ROUNDS):
                over = np.log(self.noise_level(t) / s)
                high, low = np.where(over > 0, t, high), np.where(over < 0, t, low)
                step = t * np.exp(-over / (t * self.log_rates(t)[1]))
                after = np.where((step >= low) & (step <= high), step, np.sqrt(low * high))
                moved = np.abs(after - t) > 2e-16 * t  # not at s = 0, whose time is 0
                if not moved.any():
                    break
                t = np.where(moved, after, t)
        return t

    def log_rates(self, t: Floats) -> tuple[Floats, Floats]:
        alpha, level = super().log_rates(t)
        heating = self.sigma_blur**2 * np.pi / 2 * np.sin(np.pi / 2 * t) ** 2 * np.sin(np.pi * t)
        left = (1 - self.d_min) * np.exp(-self.rate * self._heat(t))
        fall = self.rate * heating * left / (left + self.d_min)
        return alpha - fall, level + fall


@dataclass(frozen=True)
class Blurring(Process):
    """Blurring diffusion of images (Hoogeboom & Salimans 2023): a `Dissipation` for each frequency of their cosines.

    size        of the images, (height, width), or the side of square ones; channels repeat them
    sigma_blur  the width of the blur at t = 1, in pixels
    d_min       what is left of a signal whatever the blur
    offset, T, t_min   of the cosine schedule

    The noise, its level in pixels and the law that sampling starts from are common to all frequencies; alpha and the
    noise level s are each frequency's own, so what asks for one of them is refused. Times of grids are laid by the
    frequency 0, whose mode is the cosine VP.
    """

    size: int | tuple[int, int] = 32
    sigma_blur: float = 20.0
    d_min: float = 0.001
    offset: float = 0.008
    T: float = 0.999
    t_min: float = 1e-3
    name = "blurring"
    kind = SCALAR

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, tuple) else (self.size,)
        sound = len(sides) in (1, 2) and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in sides)
        if not sound or sides[0] * sides[-1] > MOST_COORDINATES:
            raise InputError(
                f"process {self.name}: size = {brief(repr(self.size))} is no size of images; give (height, width) or a "
                f"side, of at most {MOST_COORDINATES} pixels."
            )
        object.__setattr__(self, "size", sides[0] if sides[0] == sides[-1] else sides)
        _check(self.name, self.sigma_blur, self.d_min)
        self.modes[0], self.modes[-1]  # which check the rest

    @cached_property
    def _frequencies(self) -> tuple[Floats, Floats, Floats]:
        """The rate of each group, the number of its cosines, and the cosines in order, (d, d)."""
        height, width = self.shape
        across, down = np.meshgrid(np.arange(width) * height, np.arange(height) * width)
        keys, places, counts = np.unique((across**2 + down**2).ravel(), return_inverse=True, return_counts=True)
        waves, _ = cosine_basis(self.shape)
        return np.pi**2 * keys / (height * width) ** 2, counts, waves[:, np.argsort(places.ravel(), kind="stable")]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.size if isinstance(self.size, tuple) else (self.size, self.size)

    @cached_property
    def modes(self) -> tuple[Dissipation, ...]:
        own = (self.sigma_blur, self.d_min)
        rates, _, _ = self._frequencies
        return tuple(Dissipation(self.offset, self.T, self.t_min, float(rate), *own) for rate in rates)

    @cached_property
    def directions(self) -> Directions:
        _, counts, waves = self._frequencies
        waves.flags.writeable = False
        return Directions(self.shape, counts.astype(np.float64), waves, self.spec)

    def prior(self) -> Floats:
        return np.eye(1)

    def observe(self, z: Any, t: float) -> tuple[Any, Levels]:
        at = np.array([t])
        alpha = np.array([mode.log_alpha(at)[0] for mode in self.modes])
        level = np.array([mode.noise_level(at)[0] for mode in self.modes])
        return self.directions.scaled(np.exp(-alpha), z[0]), Levels(self.directions, level)

    def signal(self, x0: Any, t: float) -> list[Any]:
        alpha = np.array([mode.kernel(np.array([t]))[0][0, 0] for mode in self.modes])
        return [self.directions.scaled(alpha, x0)]

    def noise(self, t: float) -> Floats:
        return self.modes[0].noise(t)

    def drift(self, t: Floats) -> NoReturn:
        self._refuse("drift")

    def diffusion(self, t: Floats) -> NoReturn:
        self._refuse("diffusion")

    def kernel(self, t: Floats) -> NoReturn:
        self._refuse("kernel")

    def level(self, t: Floats) -> NoReturn:  # no number of what has many
        self._refuse("noise level")

    def time_of_level(self, s: Floats) -> NoReturn:
        self._refuse("noise level")

    def _refuse(self, what: str) -> NoReturn:
        raise InputError(
            f"process {self.spec} has no one {what}: every frequency has its own; ask one of them, such as "
            f"'{self.modes[-1].spec}' of the finest, or samples and moments of runs."
        )
