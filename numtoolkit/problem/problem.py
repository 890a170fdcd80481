"""The problem a scheme is run on: process x dynamics x frozen prediction x clock.

In a clock u that increases while sampling the equation is

    dz = (F z + (q/2) Q S) du + tau dW_Q,      q = 1 + tau^2,

F the forward drift and Q = G G' the covariance rate, both per unit of u; q = 1 is the probability flow, q = 2 the
reverse SDE. With the frozen quantity e, S = P z + P_e e, this reads dz = (L z + N e) du + noise. A `Problem` gives the
operators of `numtoolkit.declare.entries` as float64 blocks, and closed forms of their flows where there are any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.errors import InputError
from numtoolkit.problem.predictions import OF_SCORE, convert, deviation, outputs, residual, residual_to_score, to_score
from numtoolkit.problem.processes import Floats, Process, ScalarProcess

FROZEN_DRIFT = "drift"  # the whole right-hand side dz/du is the frozen quantity: classical Runge-Kutta
RESIDUAL = "residual"  # what a network knows beyond a Gaussian law: see `numtoolkit.problem.predictions`
PLACES = ("xx", "xm", "mx", "mm")  # operators that are 1 in one place of a block, its row and column
# (problem, grid times, step indices, parameter values and the `steps` of the run) -> float64 array, one value a step
Rule = Callable[..., Any]

ANGLE = "angle"  # the clock -arctan(s / sigma_data), s the effective noise level


@dataclass(frozen=True)
class Problem:
    """process, frozen quantity ("drift", "residual" or a prediction), clock name, dynamics tau (0 flow, 1 reverse SDE).

    sigma_data  of the Gaussian law that the residual, the clock "angle" and the best conjugations refer to
    mean        of that law, one number for all coordinates: the operators are those of z - e_t mean
    """

    process: Process
    frozen: str
    clock: str
    tau: float = 0.0
    sigma_data: float = 0.5
    mean: float = 0.0

    @property
    def q(self) -> float:
        return 1 + self.tau**2

    @property
    def scalar(self) -> ScalarProcess | None:
        return self.process if isinstance(self.process, ScalarProcess) else None

    @cached_property
    def width(self) -> int:
        """Blocks of the frozen quantity."""
        if self.frozen in (FROZEN_DRIFT, RESIDUAL):
            return self.process.blocks if self.frozen == FROZEN_DRIFT else 1
        return outputs(self.frozen, self.process)

    def u(self, t: Floats) -> Floats:
        if self.clock == ANGLE:
            return -np.arctan(self.process.level(t) / self.sigma_data)
        return self.process.clock(self.clock, t)

    def t(self, u: Floats) -> Floats:
        if self.clock == ANGLE:
            return self.process.time_of_level(self.sigma_data * np.tan(-u))
        return self.process.time(self.clock, u)

    def rate(self, t: Floats) -> Floats:
        """|dt/du|."""
        if self.clock == ANGLE:
            s = self.process.level(t)
            return (self.sigma_data**2 + s**2) / (self.sigma_data * self.process.level_rate(t))
        return self.process.rate(self.clock, t)

    def freeze(self, network: str, t: Floats) -> tuple[Floats, Floats]:
        """(P, Q) with e = P z + Q out for a network of prediction `network` told the times t (n,)."""
        if self.frozen == RESIDUAL:
            P, Q = convert(network, "data", self.process, t)
            own_z, own_data = residual(self.process, t, self.sigma_data)
            return own_z + own_data @ P, own_data @ Q
        if self.frozen != FROZEN_DRIFT:
            return convert(network, self.frozen, self.process, t)
        P, Q = to_score(network, self.process, t)
        kick = self.q / 2 * self.operator("Q", t)
        return self.operator("F", t) + kick @ P, kick @ Q

    def moved_mean(self, t: Floats) -> Floats:
        """e_t mean, (n, k, 1): where the forward flow takes the mean."""
        return self.mean * self.process.kernel(t)[0][:, :, None]

    def offset(self, t: Floats) -> Floats:
        """What the mean adds to P z + Q out of `freeze`, (n, width, 1): z - e_t mean stands for z, at one score."""
        if self.frozen == RESIDUAL:  # the formula below, without its cancellation
            return (-self.mean / self.sigma_data**2 * deviation(self.process, t, self.sigma_data))[:, None, None]
        return -self.freeze("score", t)[0] @ self.moved_mean(t)

    def _to_score(self, t: Floats) -> tuple[Floats, Floats]:
        if self.frozen == RESIDUAL:
            return residual_to_score(self.process, t, self.sigma_data)
        return to_score(self.frozen, self.process, t)

    def operator(self, name: str, t: Floats) -> Floats:
        """A named operator per unit of the clock at the times t (n,), as (n, k, k) or, for N, (n, k, width).

        F  forward drift; Q  covariance rate of the forward noise; G  tau^2 Q, that of the dynamics
        L, N  linear part and coefficient of the frozen quantity; O  Ornstein-Uhlenbeck damping while sampling
        R  reverse drift at the stationary law
        unit, ones  identity and all-ones matrix per unit of process time
        unit_beta, ones_beta  the same per unit of the integral of beta, which -2 log(alpha) is on a scalar process
        unit_time, ones_time  the same times the process time
        xx, xm, mx, mm  1 in that place and 0 elsewhere, per unit of process time; a scalar process has only xx
        """
        process, rate = self.process, self.rate(t)[:, None, None]
        k = process.blocks
        eye = np.broadcast_to(np.eye(k), (len(t), k, k))
        if name == "F":
            return -rate * process.drift(t)
        if name == "Q":
            return rate * process.diffusion(t)
        if name == "G":
            return self.tau**2 * self.operator("Q", t)
        if name == "L":
            if self.frozen == FROZEN_DRIFT:
                return np.zeros((len(t), k, k))
            return self.operator("F", t) + self.q / 2 * self.operator("Q", t) @ self._to_score(t)[0]
        if name == "N":
            if self.frozen == FROZEN_DRIFT:
                return eye
            return self.q / 2 * self.operator("Q", t) @ self._to_score(t)[1]
        if name == "O":
            return rate * np.stack([np.diag(np.diag(F)) for F in process.drift(t)])
        if name == "R":
            return self.operator("F", t) - self.q / 2 * self.operator("Q", t) @ np.linalg.inv(process.prior())
        if name == "unit":
            return rate * eye
        if name == "ones":
            return rate * np.ones((len(t), k, k))
        if name in ("unit_beta", "ones_beta"):
            beta = -2 * process.drift(t) if self.scalar else 1 / process.rate("beta", t)[:, None, None]
            return beta * self.operator(name.removesuffix("_beta"), t)
        if name in ("unit_time", "ones_time"):
            return t[:, None, None] * self.operator(name.removesuffix("_time"), t)
        if name in PLACES:
            return rate * np.array([[float(row + column == name) for column in process.rows] for row in process.rows])
        raise InputError(
            f"operator {name!r} is not defined; use F, Q, G, L, N, O, R, unit, ones, these with _beta or "
            f"_time, or {', '.join(PLACES)}."
        )

    def log_flow(self, name: str, start: Floats, end: Floats) -> Floats:
        """int of a scalar operator over the clock from time `start` to time `end`, (n,), in closed form."""
        process = self.scalar
        if process is None:
            raise InputError(f"process {self.process.name} has no scalar flows.")
        if name in ("unit", "ones", "xx"):
            return start - end
        if name in PLACES:
            return np.zeros_like(start)
        if name in ("unit_beta", "ones_beta"):
            return 2 * (process.log_alpha(end) - process.log_alpha(start))
        if name in ("unit_time", "ones_time"):
            return (start - end) * (start + end) / 2
        if name == "O":
            return process.log_alpha(start) - process.log_alpha(end)
        if name == "L" and self.frozen == FROZEN_DRIFT:
            return np.zeros_like(start)
        forward = process.log_alpha(end) - process.log_alpha(start)
        if name == "F" or self.frozen in OF_SCORE:
            return forward
        if name != "L":
            raise InputError(f"operator {name!r} has no closed scalar flow; use F, L, O, unit, ones or xx.")
        if self.frozen == RESIDUAL:
            width = [np.hypot(self.sigma_data, process.noise_level(t)) for t in (start, end)]
            return forward + self.q * np.log(width[1] / width[0])
        fall = self.process.clock("log-snr", start) - self.process.clock("log-snr", end)
        if self.frozen == "data":
            return forward + self.q * fall
        raise InputError(f"freezing {self.frozen!r} has no closed flow; freeze data, noise, score, residual or drift.")

    def constant(self, name: str) -> bool:
        """Whether an operator is one fixed matrix in this clock (a phase space in the integral of beta)."""
        if self.scalar is not None:
            return False
        if name in ("unit", "ones", *PLACES):
            return self.clock == "time" or self._steady
        fixed = (
            name in ("F", "Q", "G", "O", "R", "unit_beta", "ones_beta")
            or self.frozen in ("score", FROZEN_DRIFT)
            or (name == "L" and self.frozen in OF_SCORE)
        )
        return fixed and (self.clock == "beta" or self._steady)

    @cached_property
    def _steady(self) -> bool:
        ends = np.array([self.process.t_min, self.process.T])
        return bool(np.ptp(self.process.rate("beta", ends)) == 0)
