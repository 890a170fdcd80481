"""The condition number of a change of variables is that of the matrix that solves its equation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from numtoolkit.declare.entries import flow
from numtoolkit.declare.scheme import Claims
from numtoolkit.declare.steps import START, Row
from numtoolkit.errors import InputError
from numtoolkit.measure.conditioning import condition
from numtoolkit.problem.processes import PSLD
from numtoolkit.schemes import scheme


@pytest.mark.parametrize("name", ["ddim", "lambda-ddim-1(shift=3)", "gddim"])
def test_a_multiple_of_the_identity_conditions_as_the_critically_damped_flow(name: str) -> None:
    """exp(b (N + c I)), N^2 = 0, has kappa + 1/kappa = 2 + b^2 |N|^2, N = [[1, 2], [-1/2, -1]], b = 8 (t - t_min).

    It is 401 at t = 1: a shift lambda I is a factor, and mends nothing.
    """
    found = condition(name, "psld", "quadratic", 12)
    b = 8 * (found.t - found.t[-1])
    np.testing.assert_allclose(found.whole + 1 / found.whole, 2 + 6.25 * b**2, rtol=1e-11)
    steps = 8 * -np.diff(found.t)
    np.testing.assert_allclose(found.step + 1 / found.step, 2 + 6.25 * steps**2, rtol=1e-11)
    assert found.largest == found.whole[0] == pytest.approx(401.2, abs=0.05)


def test_a_multiple_of_the_ones_conditions_as_its_exponential() -> None:
    """A_t = exp((t - t_min)(lambda 1 - F)), which turns for 0 < lambda < 12 instead of shearing."""
    found, process = condition("lambda-ddim-2(shift=4)", "psld", "uniform", 9), PSLD()
    W = 4 * np.ones((2, 2)) - process.drift(np.array([0.5]))[0]
    expected = [np.linalg.cond(expm((t - found.t[-1]) * W)) for t in found.t]
    np.testing.assert_allclose(found.whole, expected, rtol=1e-10)
    assert found.largest < 40


def test_a_change_of_variables_that_does_not_commute_is_taken_in_the_order_of_time() -> None:
    """A' = A (B - F + G G' C_skip / 2), C_skip = -1 / Sigma_mm, from I at the end of the run."""
    found, process = condition("lambda-ddim-1(shift=1, skip=mm)", "psld", "quadratic", 8), PSLD()

    def slope(t: float, A: np.ndarray) -> np.ndarray:
        at = np.array([t])
        skip = -1 / process.kernel(at)[1][0, 1, 1]
        W = np.eye(2) - process.drift(at)[0] + process.diffusion(at)[0] / 2 * skip
        return (A.reshape(2, 2) @ W).ravel()

    rising = found.t[::-1]
    run = solve_ivp(slope, rising[[0, -1]], np.eye(2).ravel(), "DOP853", rising, rtol=1e-11, atol=1e-13)
    expected = np.linalg.cond(run.y.T.reshape(-1, 2, 2))[::-1]
    np.testing.assert_allclose(found.whole, expected, rtol=1e-8)


def test_a_number_is_conditioned_as_well_as_can_be() -> None:
    """On a scalar process A_t is one; where a scheme freezes the whole drift, A_t is the identity."""
    assert condition("dpmpp-2m", "vp", "log-snr", 6).largest == 1
    assert condition("euler", "psld", "quadratic", 6).largest == 1


def test_a_step_of_two_flows_is_no_change_of_variables() -> None:
    """The whole flow and half of it beside it, as the factor of the state."""
    ddim = scheme("ddim")
    inner = ddim.steps.inner
    items = [
        replace(i, terms=tuple((s, flow(0, "1/2") * e if s == START else e) for s, e in i.terms))
        if isinstance(i, Row)
        else i
        for i in inner.items
    ]
    own = replace(ddim, name="own", steps=replace(inner, items=tuple(items)), claims=Claims())
    with pytest.raises(InputError, match="own multiplies the state by no single flow"):
        condition(own, "psld", "quadratic", 6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: condition("rvv", "psld", "quadratic", 6), "rvv multiplies the state by no single flow"),
        (lambda: condition("coba", "psld", "quadratic", 6), "give a conjugate or exponential one"),
        (lambda: condition("ddim", "edm", "rho(7, zero=1)", 6), "ends at t = 0"),
        (lambda: condition("ddim", "edm", "rho(7)"), "give either steps or nfe"),
    ],
)
def test_what_changes_no_variables_is_said_in_one_sentence(call: object, words: str) -> None:
    """Splittings, grids to the data themselves, and grids of no length."""
    with pytest.raises(InputError, match=words):
        call()  # type: ignore[operator]
