"""The quantities that schemes hold fixed over a step, each with its closed forms in the clocks that have one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numtoolkit.phi_functions import scaled_window_integral, window_integral
from numtoolkit.problem.clocks import ANGLE, ARSINH, LOG_SNR, NATURAL, NOISE_LEVEL, TIME
from numtoolkit.problem.kinds import PHASE_SPACE, Floats, Kind, Process
from numtoolkit.problem.operators import F, N, Q
from numtoolkit.problem.predictions import (
    DATA,
    FLOW,
    NOISE,
    NOISE_R,
    NOISE_SKIP,
    SCORE,
    VELOCITY,
    Prediction,
    beyond_data,
    complement,
    convert,
    deviation,
    outputs,
    residual,
    residual_to_score,
    to_score,
)
from numtoolkit.problem.problem import Clock, Frozen, Letters, Line, Problem, Window


def frozen_prediction(prediction: Prediction, **forms: Any) -> Frozen:
    """A prediction held over a step; `forms` are further fields of `Frozen`: closed forms, letters."""
    return Frozen(
        prediction.name,
        prediction.sentence,
        width=lambda process: outputs(prediction, process),
        to_score=lambda problem, t: to_score(prediction, problem.process, t),
        of_network=lambda problem, network, t: convert(network, prediction, problem.process, t),
        kinds=prediction.kinds,
        **forms,
    )


# --- the test equation

LOG_SNR_CLOCKS, LEVEL_CLOCKS = (LOG_SNR, NATURAL), (NOISE_LEVEL, TIME)  # in time: that of EDM, which is the level


def falling(linear: int, power: int) -> Callable[[Clock], Line]:
    """The line of a quantity that is a multiple of x over the noise level to some power, in the clocks that follow it.

    linear, power   as in `Line`; in other clocks coefficients are constant over a step
    """

    def line(clock: Clock) -> Line:
        if clock not in (*LOG_SNR_CLOCKS, *LEVEL_CLOCKS):
            return Line()
        return Line(linear, power, of_level=clock in LEVEL_CLOCKS)

    return line


# --- the data


def _data_log_flow(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    forward = F.log_flow(problem, start, end)
    fall = LOG_SNR.u(problem, start) - LOG_SNR.u(problem, end)
    return None if forward is None else forward + problem.q * fall


def _data_window(window: Window) -> Floats | None:
    problem, process = window.problem, window.problem.scalar
    if process is None:
        return None
    if problem.clock is not LOG_SNR:
        if len(window.weights) > 1:
            return None
        with np.errstate(divide="ignore"):  # down to noise level 0
            fall = np.log(process.noise_level(window.end) / process.noise_level(window.start))
        return -process.alpha(window.end) * np.expm1(problem.q * fall) * window.weights[0]
    integral = scaled_window_integral(-problem.q * window.h, window.a, window.b, list(window.weights))
    return process.alpha(window.end) * integral


def _data_covariance(window: Window) -> Floats | None:
    """alpha_b^2 s_b^2 (1 - (s_b / s_a)^(2 tau^2))."""
    process = window.problem.scalar
    if process is None:
        return None
    s0, s1 = process.noise_level(window.start), process.noise_level(window.end)
    with np.errstate(divide="ignore"):
        fall = np.log(s1 / s0)
    return (process.alpha(window.end) * s1) ** 2 * -np.expm1(2 * window.problem.tau**2 * fall)


# --- the noise


def _noise_window(window: Window) -> Floats | None:
    problem, process = window.problem, window.problem.scalar
    if process is None:
        return None
    scale = process.alpha(window.end)
    if len(window.weights) == 1:  # in any clock, and down to noise level 0
        fall = process.noise_level(window.start) - process.noise_level(window.end)
        return -problem.q * scale * fall * window.weights[0]
    if problem.clock is LOG_SNR:
        sigma = scale * process.noise_level(window.end)
        return -problem.q * sigma * window.h * window_integral(window.h, window.a, window.b, list(window.weights))
    if problem.clock is NOISE_LEVEL:
        return -problem.q * scale * window.h * window_integral(0.0, window.a, window.b, list(window.weights))
    return None


def _noise_letters(clock: Clock, kinds: tuple[Kind, ...]) -> Letters:
    """In the noise level z / alpha moves by the noise alone: dz = e ds."""
    return Letters(absent=("L",), steady=("N",)) if clock is NOISE_LEVEL else Letters()


def _score_letters(clock: Clock, kinds: tuple[Kind, ...]) -> Letters:
    """In a phase space, per unit of the integral of beta, every block is fixed."""
    fixed = clock is NATURAL and kinds == (PHASE_SPACE,)
    return Letters(steady=("L", "N", "O", "R", "Q", "g")) if fixed else Letters()


# --- what a network knows beyond a Gaussian law


def _every_block(process: Process) -> int:
    return process.blocks


def _residual_to_score(problem: Problem, t: Floats) -> tuple[Floats, Floats]:
    P, along = residual_to_score(problem.process, t, problem.sigma_at(t))
    return P, np.concatenate([along, complement(problem.process, t)], axis=2)


def _residual_of_network(problem: Problem, network: Prediction, t: Floats) -> tuple[Floats, Floats]:
    P, Q = convert(network, DATA, problem.process, t)
    own_z, own_data = residual(problem.process, t, problem.sigma_at(t))
    beyond_z, beyond_out = beyond_data(network, problem.process, t)
    return (
        np.concatenate([own_z + own_data @ P, beyond_z], axis=1),
        np.concatenate([own_data @ Q, beyond_out], axis=1),
    )


def _residual_log_flow(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    forward, process = F.log_flow(problem, start, end), problem.scalar
    if forward is None or process is None:
        return None
    width = [np.hypot(problem.sigma_at(t), process.noise_level(t)) for t in (start, end)]
    return forward + problem.q * np.log(width[1] / width[0])


def _residual_window(window: Window) -> Floats | None:
    problem, process = window.problem, window.problem.scalar
    if process is None or problem.clock is not ANGLE or problem.q != 1:
        return None
    width = np.hypot(problem.sigma_at(window.end), process.noise_level(window.end))
    scale = process.alpha(window.end)
    return scale * width * window.h * window_integral(0.0, window.a, window.b, list(window.weights))


def _residual_covariance(window: Window) -> Floats | None:
    """W_b (1 - (W_b / W_a)^(tau^2)), W the covariance of the law at either end."""
    problem, process = window.problem, window.problem.scalar
    if process is None:
        return None
    width0, width1 = (np.hypot(problem.sigma_at(t), process.noise_level(t)) for t in (window.start, window.end))
    fall = np.abs(np.expm1(2 * problem.tau**2 * np.log(width1 / width0)))
    return (process.alpha(window.end) * width1) ** 2 * fall


def _residual_offset(problem: Problem, t: Floats) -> Floats | None:
    """The generic formula without its cancellation; what no data make does not see their mean, g' e = 0."""
    own, sigma = np.zeros((len(t), problem.width, 1)), problem.sigma_at(t)
    own[:, 0, 0] = -problem.mean / sigma**2 * deviation(problem.process, t, sigma)
    return own


# --- the whole right-hand side


def _drift_of_network(problem: Problem, network: Prediction, t: Floats) -> tuple[Floats, Floats]:
    P, Q_out = to_score(network, problem.process, t)
    kick = problem.q / 2 * Q.blocks(problem, t)
    return F.blocks(problem, t) + kick @ P, kick @ Q_out


def _drift_to_score(problem: Problem, t: Floats) -> tuple[Floats, Floats]:
    raise AssertionError("the whole drift is no part of the score: L = 0 and N = 1")


def _drift_window(window: Window) -> Floats | None:
    return window.h * window_integral(0.0, window.a, window.b, list(window.weights))


FROZEN_DATA = frozen_prediction(
    DATA, log_flow=_data_log_flow, window=_data_window, covariance=_data_covariance, line=falling(1, 0)
)
FROZEN_NOISE = frozen_prediction(
    NOISE, of_score=True, window=_noise_window, letters=_noise_letters, line=falling(0, 1), data_clock=NOISE_LEVEL
)
FROZEN_NOISE_R = frozen_prediction(NOISE_R, of_score=True)
FROZEN_NOISE_SKIP = frozen_prediction(NOISE_SKIP)
FROZEN_SCORE = frozen_prediction(
    SCORE, of_score=True, fixed_forcing=True, diagonal=True, letters=_score_letters, line=falling(0, 2)
)
FROZEN_VELOCITY = frozen_prediction(VELOCITY)
FROZEN_FLOW = frozen_prediction(FLOW)
RESIDUAL = Frozen(
    "residual",
    "(D - D_g) / c, D_g and c^2 the posterior mean and variance under the Gaussian law N(mean, sigma_data^2 I); in a "
    "phase space also the noise that no data prediction makes",
    width=_every_block,
    to_score=_residual_to_score,
    of_network=_residual_of_network,
    log_flow=_residual_log_flow,
    window=_residual_window,
    covariance=_residual_covariance,
    smooth=ARSINH,
    offset=_residual_offset,
    line=lambda clock: Line(power=1) if clock is ANGLE else Line(),  # z / sqrt(V) moves by it alone
)
DRIFT = Frozen(
    "drift",
    "the whole right-hand side dz/du, as classical Runge-Kutta and multistep schemes freeze it",
    width=_every_block,
    to_score=_drift_to_score,
    of_network=_drift_of_network,
    whole=True,
    fixed_forcing=True,
    diagonal=True,
    window=_drift_window,
    letters=lambda clock, kinds: Letters(absent=("L",), steady=("N",)),
    line=lambda clock: Line(linear=0),
)

FROZEN = {
    frozen.name: frozen
    for frozen in (
        FROZEN_DATA,
        FROZEN_NOISE,
        FROZEN_NOISE_R,
        FROZEN_NOISE_SKIP,
        FROZEN_SCORE,
        FROZEN_VELOCITY,
        FROZEN_FLOW,
        RESIDUAL,
        DRIFT,
    )
}


def projects(problem: Problem, network: Prediction) -> bool:
    """Whether what is frozen keeps less of such networks than their own equation reads: it then has another solution.

    N e has to move with every output as (q/2) Q S does, at the ends of the process and between them.
    """
    if problem.scalar is not None:
        return False
    t = np.geomspace(problem.process.t_min, problem.process.T, 3)
    own = DRIFT.of_network(problem, network, t)[1]
    kept = N.blocks(problem, t) @ problem.freeze(network, t)[1]
    return bool((np.abs(kept - own) > 1e-6 * np.abs(own).max(axis=(1, 2), keepdims=True)).any())
