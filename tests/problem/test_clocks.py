"""Each clock is the variable it is called, and its inverse and rate are its own."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.clocks import ARSINH, CLOCKS, ROOT_TIME
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import EDM, PSLD, VP, RectifiedFlow

SIGMA_DATA = 0.3
T = np.array([0.8, 0.5, 0.1])
ON = [
    pytest.param(clock, process, id=f"{clock.name}-{process.spec}")
    for clock in (*CLOCKS.values(), ARSINH, ROOT_TIME)
    for process in (VP(), EDM(), RectifiedFlow(), PSLD(beta_min=4, beta_max=12))
    if process.kind in clock.kinds
]


def values(name, process):
    """The clock, from the noise level or the integral of beta of the paper."""
    scalar = {"vp": np.sqrt(np.expm1(0.1 * T + 9.95 * T**2)), "edm": T, "flow": T / (1 - T)}
    level = scalar.get(process.name, process.level(T))
    beta = -(4 * T + 4 * T**2)
    own = {
        "time": -T,
        "log-snr": -np.log(level),
        "noise-level": -level,
        "beta": beta,
        "angle": -np.arctan(level / SIGMA_DATA),
        "arsinh": -np.arcsinh(level / SIGMA_DATA),
        "root-time": -np.sqrt(T),
        "natural": beta if process.blocks == 2 else -np.log(level),
    }
    return own[name]


@pytest.mark.parametrize(("clock", "process"), ON)
def test_a_clock_its_inverse_and_its_rate_fit_together(clock, process):
    """u is what the name says, t(u(t)) = t, and |dt/du| is the central difference."""
    own = Problem(process, FROZEN["score"], clock, sigma_data=SIGMA_DATA)
    np.testing.assert_allclose(own.u(T), values(clock.name, process), rtol=1e-12)
    np.testing.assert_allclose(own.t(own.u(T)), T, rtol=1e-11)
    h = 1e-5 * T
    np.testing.assert_allclose(own.rate(T), 2 * h / (own.u(T - h) - own.u(T + h)), rtol=1e-6)  # h^2 and eps / h
