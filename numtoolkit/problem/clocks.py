"""The clocks in use: process time, log-SNR, noise level, the integral of beta, the angle, and each process's own."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np

from numtoolkit.problem.kinds import PHASE_SPACE, SCALAR, Floats, PhaseSpaceProcess, Process, ScalarProcess
from numtoolkit.problem.problem import Clock, Problem
from numtoolkit.problem.spectral_clocks import FLOOR, LevelClock, Modes, Q, spectral_density
from numtoolkit.problem.spectrum import Spectrum


def _scalar(problem: Problem) -> ScalarProcess:
    assert isinstance(problem.process, ScalarProcess)
    return problem.process


def _phase_space(problem: Problem) -> PhaseSpaceProcess:
    assert isinstance(problem.process, PhaseSpaceProcess)
    return problem.process


TIME = Clock(
    "time",
    "t",
    "process time, running down",
    u=lambda problem, t: -t,
    t=lambda problem, u: -u,
    rate=lambda problem, t: np.ones_like(t),
)


def _log_snr(problem: Problem, t: Floats) -> Floats:
    with np.errstate(divide="ignore"):  # infinite at noise level 0
        return -np.log(_scalar(problem).noise_level(t))


def _log_snr_fall(s: Any, h: Any) -> Any:
    """1 - exp(-h)."""
    return sum((h**k * Fraction((-1) ** (k + 1), factorial(k)) for k in range(2, 10)), start=h)


LOG_SNR = Clock(
    "log-snr",
    "lambda",
    "log(alpha / sigma)",
    u=_log_snr,
    t=lambda problem, u: _scalar(problem).time_of_noise_level(np.exp(-u)),
    rate=lambda problem, t: 1 / _scalar(problem).log_rates(t)[1],
    kinds=(SCALAR,),
    constant_linear=True,
    fall=_log_snr_fall,
)


def _noise_level_rate(problem: Problem, t: Floats) -> Floats:
    s, log_s = _scalar(problem).noise_level(t), _scalar(problem).log_rates(t)[1]
    return 1 / (s * log_s)


NOISE_LEVEL = Clock(
    "noise-level",
    "s",
    "the noise level sigma / alpha, running down",
    u=lambda problem, t: -_scalar(problem).noise_level(t),
    t=lambda problem, u: _scalar(problem).time_of_noise_level(-u),
    rate=_noise_level_rate,
    kinds=(SCALAR,),
    fall=lambda s, h: h / s,
)

BETA = Clock(
    "beta",
    "B",
    "the integral of beta, running down",
    u=lambda problem, t: -_phase_space(problem).beta_integral(t),
    t=lambda problem, u: _phase_space(problem).time_of_beta_integral(-u),
    rate=lambda problem, t: 1 / _phase_space(problem).beta(t),
    kinds=(PHASE_SPACE,),
    constant_linear=True,
)


def _angle_rate(problem: Problem, t: Floats) -> Floats:
    s, sigma = problem.process.level(t), problem.sigma_at(t)
    return np.asarray((sigma**2 + s**2) / (sigma * problem.process.level_rate(t)))


def _arsinh(scale: Callable[[Problem, Floats], Any]) -> Clock:
    """arsinh(s / scale) of the effective noise level s."""

    def rate(problem: Problem, t: Floats) -> Floats:
        level = problem.process.level(t) / scale(problem, t)
        return np.asarray(scale(problem, t) * np.hypot(1, level) / problem.process.level_rate(t))

    return Clock(
        "arsinh",
        "arsinh(s)",
        "arsinh of the noise level s over a scale of the data, running down: finite at s = 0",
        u=lambda problem, t: -np.arcsinh(_scalar(problem).noise_level(t) / scale(problem, t)),
        t=lambda problem, u: _scalar(problem).time_of_noise_level(scale(problem, u) * np.sinh(-u)),
        rate=rate,
        kinds=(SCALAR,),
    )


def spectral_clock(spectrum: Spectrum) -> Clock:
    """The integral of rho over log s, running down: of one variance it is twice the angle of its deviation.

    spectrum   of the data; `numtoolkit.problem.spectral_clocks` derives rho
    """
    modes = Modes.of(spectrum, FLOOR)
    density = spectral_density(modes, Q)
    clock = LevelClock.of(density, *modes.ends)

    def at(process: Process, t: Floats) -> Floats:
        with np.errstate(divide="ignore"):  # the clock is 0 at noise level 0
            return clock(np.log(process.level(t)))

    def rate(process: Process, t: Floats) -> Floats:
        level = process.level(t)
        return level / (density(np.log(level)) * process.level_rate(t))

    def once(function: Callable[[Process, Floats], Floats], process: Process, t: Floats) -> Floats:
        """Its values, computed once for each time: all directions ask for the same ones."""
        times, places = np.unique(t, return_inverse=True)
        return function(process, times)[places.reshape(t.shape)]

    return Clock(
        "spectral",
        "b",
        f"the integral over log s of the rate at which data of the spectrum {spectrum.digest} turn, running down",
        u=lambda problem, t: -once(at, problem.process, t),
        t=lambda problem, u: problem.process.time_of_level(np.exp(clock.inverse(-u))),
        rate=lambda problem, t: once(rate, problem.process, t),
        smooth=_arsinh(lambda problem, t: float(np.exp(modes.scales[0]))),
    )


ANGLE = Clock(
    "angle",
    "theta",
    "arctan(s / sigma_data) of the effective noise level s, running down",
    u=lambda problem, t: -np.arctan(problem.process.level(t) / problem.sigma_at(t)),
    t=lambda problem, u: problem.process.time_of_level(problem.sigma_at(u) * np.tan(-u)),
    rate=_angle_rate,
    told=spectral_clock,
)

NATURAL_OF = {SCALAR: LOG_SNR, PHASE_SPACE: BETA}


def _natural(process: Process) -> Clock:
    return NATURAL_OF[process.kind]


NATURAL = Clock(
    "natural",
    "u",
    "the process's own: log-snr, or beta on a phase space",
    u=lambda problem, t: _natural(problem.process).u(problem, t),
    t=lambda problem, u: _natural(problem.process).t(problem, u),
    rate=lambda problem, t: _natural(problem.process).rate(problem, t),
    constant_linear=True,
    of=_natural,
)

# --- clocks of quadrature: the operators are smooth in them from the data to the prior


ROOT_TIME = Clock(
    "root-time",
    "sqrt(t)",
    "the square root of process time, running down",
    u=lambda problem, t: -np.sqrt(t),
    t=lambda problem, u: u**2,
    rate=lambda problem, t: 2 * np.sqrt(t),
)


ARSINH = _arsinh(lambda problem, t: problem.sigma_at(t))
SMOOTH_OF = {SCALAR: LOG_SNR, PHASE_SPACE: ROOT_TIME}

CLOCKS = {clock.name: clock for clock in (NATURAL, TIME, LOG_SNR, NOISE_LEVEL, BETA, ANGLE)}
