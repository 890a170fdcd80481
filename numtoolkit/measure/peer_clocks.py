"""How schedulers of diffusers tell a network its time, in which state it is asked, and what they want for an answer.

table      the timesteps 0 .. 999 of the betas that it was made for, to be answered by the noise
edm        c_noise = log(sigma) / 4 of a network preconditioned as by Karras et al. (2022), to be answered by its raw
           output
angle      t with sigma = sin(pi t / 2) and alpha its cosine, to be answered by the velocity; it starts at alpha = 0
straight   the timesteps 0 .. 1000 of the straight path, a thousand sigma, to be answered by its velocity n - x_0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.measure.peers import ANGLE, IN_EDM, STRAIGHT, TABLE
from numtoolkit.problem.processes import ScalarProcess

LEAST_ALPHA = 1e-6  # below which a start is noise alone, and its noise level is told as that of this alpha


@dataclass(frozen=True)
class Clock:
    """How a scheduler tells the time to a network, and what it wants as an answer.

    process     of the network
    scheduler   with its timesteps
    """

    process: ScalarProcess
    scheduler: Any

    @staticmethod
    def of_model(process: ScalarProcess) -> dict[str, Any]:
        """What schedulers are told of a model on a process, whatever they have by default, as `from_config` does."""
        return {}

    def level(self, t: float) -> float:
        """Noise level s = sigma / alpha at a time that is told."""
        raise NotImplementedError

    def time(self, s: float) -> float:
        """The time that is told at a noise level."""
        raise NotImplementedError

    def alpha(self, s: float) -> float:
        """Of a state that is x, at a noise level: on a circle unless a clock says another."""
        return 1 / float(np.hypot(1.0, s))

    def sigmas(self, s: Floats) -> Floats:
        """What a scheduler calls its sigmas at noise levels."""
        return s

    def first(self) -> float:
        """Noise level at which the scheduler starts."""
        sigmas = getattr(self.scheduler, "sigmas", None)
        return self.level(float(self.scheduler.timesteps[0])) if sigmas is None else float(sigmas[0])

    def answer(self, data: Any, x: Any, t: float) -> Any:
        """What a network answers to a scaled state at a time.

        data   of y = x / alpha and a noise level, its data prediction
        x      as the scheduler scales it
        t      that is told
        """
        raise NotImplementedError


class Table(Clock):
    """Of a table of betas."""

    @staticmethod
    def of_model(process: ScalarProcess) -> dict[str, Any]:
        a = 1 / (1 + process.noise_level(np.arange(1.0, process.T + 1)) ** 2)
        return {"trained_betas": (1 - a / np.append(1.0, a[:-1])).tolist(), "num_train_timesteps": len(a)}

    def level(self, t: float) -> float:
        return float(self.process.noise_level(np.clip([t + 1.0], self.process.t_min, self.process.T))[0])

    def time(self, s: float) -> float:
        return float(self.process.time_of_noise_level(np.array([s]))[0]) - 1

    def answer(self, data: Any, x: Any, t: float) -> Any:
        s = self.level(t)
        y = x * float(np.hypot(1.0, s))
        return (y - data(y, s)) / s


class Preconditioned(Clock):
    """Of noise levels, a quarter of their logarithm."""

    def level(self, t: float) -> float:
        return float(np.exp(4 * t))

    def time(self, s: float) -> float:
        return float(np.log(s) / 4)

    def answer(self, data: Any, x: Any, t: float) -> Any:
        s, of_data = self.level(t), float(self.scheduler.config.sigma_data)
        root = float(np.hypot(s, of_data))
        y = x * root
        return (data(y, s) - (of_data / root) ** 2 * y) * root / (s * of_data)


class Angle(Clock):
    """Of a quarter of a turn."""

    def _alpha(self, t: float) -> float:
        return max(float(np.cos(np.pi * t / 2)), LEAST_ALPHA)

    def level(self, t: float) -> float:
        return float(np.sqrt(1 - self._alpha(t) ** 2)) / self._alpha(t)

    def time(self, s: float) -> float:
        return float(np.arctan(s) * 2 / np.pi)

    def first(self) -> float:
        return self.level(float(self.scheduler.timesteps[0]))  # whose sigmas are those of the circle

    def answer(self, data: Any, x: Any, t: float) -> Any:
        alpha, s = self._alpha(t), self.level(t)
        y = x / alpha
        found = data(y, s)
        return alpha * (y - found) / s - alpha * s * found


class Straight(Clock):
    """Of the straight path, whose sigmas are its times."""

    TOLD = 1000.0  # times t

    @staticmethod
    def of_model(process: ScalarProcess) -> dict[str, Any]:
        return {"prediction_type": "flow_prediction"}

    def level(self, t: float) -> float:
        return self._level(t / self.TOLD)

    def _level(self, t: float) -> float:
        return float(self.process.noise_level(np.array([min(t, self.process.T)]))[0])

    def time(self, s: float) -> float:
        return self.TOLD * float(self.process.time_of_noise_level(np.array([s]))[0])

    def alpha(self, s: float) -> float:
        return 1 / (1 + s)

    def sigmas(self, s: Floats) -> Floats:
        return s / (1 + s)

    def first(self) -> float:
        return self._level(float(self.scheduler.sigmas[0]))

    def answer(self, data: Any, x: Any, t: float) -> Any:
        s = self.level(t)
        y = x * (1 + s)
        found = data(y, s)
        return (y - found) / s - found


CLOCKS: dict[str, type[Clock]] = {TABLE: Table, IN_EDM: Preconditioned, ANGLE: Angle, STRAIGHT: Straight}
