"""Conjugate integrators with B a function of time, the means they are shifted by, and what they refuse."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.integrate import solve_ivp

from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map
from numtoolkit.phi_functions import expm
from numtoolkit.problem.grids import grid
from numtoolkit.problem.predictions import outputs
from numtoolkit.problem.processes import PSLD, VP, CosineVP
from numtoolkit.program.program import lower, problem_of
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.verdict import verify
from tests.support.conjugate_runs import ALL, IDS, OFF_CENTRE, RISING, SCALAR, factors, largest_error
from tests.support.tiers import breadth

# B a function of time


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("process", [PSLD(), VP(beta_min=8, beta_max=8)], ids=["psld", "vp"])
def test_where_beta_is_constant_the_unit_of_the_shift_is_all_that_changes(number, process):
    """With beta = 8, B = beta at shift 1/4 is B = constant at shift 2."""
    times = grid("quadratic", process, 12)
    for ours, theirs in zip(
        factors(f"lambda-ddim-{number}(B=beta, shift=1/4)", process, times),
        factors(f"lambda-ddim-{number}(shift=2)", process, times),
        strict=True,
    ):
        np.testing.assert_allclose(np.hstack(ours), np.hstack(theirs), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("process", SCALAR, ids=["vp", "vp-cosine"])
def test_the_conjugate_step_on_a_scalar_process_is_the_published_one_with_lambda_b(process):
    """psld.md 2.4 with lambda beta for lambda: A = exp((lambda + 1/2) b), b' = beta, Phi' = A beta / (2 sigma)."""
    lam, (t, end) = Fraction(-2, 3), (0.7, 0.55)

    def b(time):
        return -2 * process.log_alpha(time)

    def slope(time):
        beta = -2 * process.log_rates(time)[0]
        return beta * np.exp((float(lam) + 0.5) * (b(time) - b(np.array([end])))) / (2 * process.sigma(time))

    x, w = leggauss(40)
    nodes = (t + end) / 2 + (t - end) / 2 * x
    Phi = (t - end) / 2 * w @ slope(nodes)
    now, last = np.array([t]), np.array([end])
    A = np.exp((float(lam) + 0.5) * (b(now) - b(last)))[0]
    beta = -2 * process.log_rates(now)[0][0]
    ((own, weight),) = factors(f"lambda-ddim-1(B=beta, shift={lam})", process, [t, end])
    np.testing.assert_allclose(own[0, 0], A * (1 - (t - end) * float(lam) * beta), rtol=1e-13)
    np.testing.assert_allclose(weight[0, 0], -Phi, rtol=1e-13)


@pytest.mark.parametrize("process", ALL, ids=IDS)
def test_b_that_falls_with_time_flows_as_its_equation_says(process):
    """X' = X (F + lambda t 1) backwards in time from 1, by scipy; the step takes h lambda t back at its start."""
    t, end, lam = 0.7, 0.6, 3.0
    k = process.blocks
    ones = np.ones((k, k))

    def slope(time, x):
        return (x.reshape(k, k) @ (lam * time * ones - process.drift(np.array([time]))[0])).ravel()

    X = solve_ivp(slope, (end, t), np.eye(k).ravel(), rtol=1e-12, atol=1e-13).y[:, -1].reshape(k, k)
    ((own, _),) = factors("lambda-ddim-2(B=time, shift=3)", process, [t, end])
    np.testing.assert_allclose(own, X @ (np.eye(k) - (t - end) * lam * t * ones), rtol=0, atol=1e-10 * np.abs(X).max())


@pytest.mark.parametrize(("B", "commutes"), [("beta", True), ("constant", False)])
def test_the_flow_of_rising_beta_is_the_time_ordered_one(B, commutes):
    """With B = beta times a matrix the integrand commutes and the exponential of its integral is exact, else not."""
    t, end, lam = 0.8, 0.5, 2.0
    ((own, _),) = factors(f"lambda-ddim-2(B={B}, shift=2)", RISING, [t, end])
    width = RISING.beta_integral(np.array([t])) - RISING.beta_integral(np.array([end]))
    beta = RISING.beta(np.array([t]))[0]
    weight, at_start = (width[0], beta) if B == "beta" else (t - end, 1.0)
    literal = expm(lam * weight * np.ones((2, 2)) - width[0] * RISING.unit_drift)
    gap = np.abs(own - literal @ (np.eye(2) - (t - end) * lam * at_start * np.ones((2, 2)))).max() / np.abs(own).max()
    assert gap < 1e-13 if commutes else gap > 1e-2
    # the time-ordered product of 4000 short exponentials at their middles: errors of their length squared, 1e-8
    h = (t - end) / 4000
    rates = RISING.beta(t - (np.arange(4000)[:, None, None] + 0.5) * h)
    product = np.eye(2)
    for factor in expm(h * (lam * (rates if B == "beta" else 1.0) * np.ones((2, 2)) - rates * RISING.unit_drift)):
        product = factor @ product
    expected = product @ (np.eye(2) - (t - end) * lam * at_start * np.ones((2, 2)))
    np.testing.assert_allclose(own, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "text", ["lambda-ddim-1(B=beta)", "lambda-ddim-1(B=time)", "lambda-ddim-2(B=time)", "lambda-ddim-2(B=optimal)"]
)
def test_the_order_of_a_conjugate_step_is_proved_for_every_shift(text):
    """Order 1 with the shift as a symbol, which shows in the residuals."""
    found = verify(scheme(text))
    assert (found.derived["classical"], found.verdict, found.holds) == (1, "proved", "general")
    assert any("shift" in row["value"] for row in found.residuals)


@pytest.mark.parametrize(
    "process",
    breadth(
        [VP(t_min=0.02), CosineVP(T=0.95, t_min=0.02), PSLD(beta_min=4, beta_max=12, t_min=0.02)],
        lambda process: process.name == "psld",
    ),
)
@pytest.mark.parametrize(
    "text", ["lambda-ddim-1(B=beta, shift=1/8)", "lambda-ddim-2(B=beta, shift=-1/8)", "lambda-ddim-2(B=time, shift=1)"]
)
def test_the_order_of_a_conjugate_step_is_measured_on_a_rising_beta(process, text):
    """Slopes at 512 and 1024 steps, where the equation changes with time."""
    coarse, fine = (largest_error(text, process, OFF_CENTRE, steps) for steps in (512, 1024))
    assert abs(np.log2(coarse / fine) - 1) < 0.05  # 1.00 to 1.03 at these steps


@pytest.mark.parametrize("network", ["data", "noise", "noise-skip"])
@pytest.mark.parametrize("text", ["conjugate-optimal({})", "lambda-ddim-1(B=optimal, skip=mm, {})"])
def test_a_mean_shifts_the_run_of_a_conjugate_scheme(text, network):
    """With data, mean and start moved together (e_t d at time t) the end moves by the same: rows see z - e_t mean."""
    process = RISING
    times = grid("quadratic", process, 9)
    first, last = process.kernel(times[[0, -1]])[0]
    here, there = (
        affine_map(lower(scheme(text.format(f"mean={d}")), process, times, network), Gaussian(float(d), 0.3))
        for d in (Fraction(0), Fraction(7, 10))
    )
    np.testing.assert_allclose(there[0], here[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(here[1], 0, atol=1e-12)
    # R is up to 1e3 here, where the start is far from the law in a thin direction
    np.testing.assert_allclose(there[1][0], 0.7 * (last - here[0][0] @ first), rtol=0, atol=1e-10)


def test_the_last_conjugate_step_to_noise_level_zero_is_ddim():
    """Bit for bit: there is nothing left to conjugate."""
    times = np.array([0.4, 0.1, 0.0])
    ours, theirs = (factors(name, VP(), times)[-1] for name in ("conjugate-optimal", "ddim"))
    np.testing.assert_array_equal(np.hstack(ours), np.hstack(theirs))


# what it refuses


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lambda-ddim-1(B=alpha)", "use B = constant, beta, time or optimal"),
        ("lambda-ddim-2(skip=xx)", "use skip = none or mm"),
        ("lambda-ddim-1(1, B=optimal)", "chooses its shift"),
        ("lambda-ddim-2(B=optimal, sigma_data=0)", "0 < sigma_data"),
        ("lambda-ddim-1(sigma_data=1)", "has no parameter 'sigma_data'"),
        ("conjugate-optimal(shift=1)", "has no parameter 'shift'"),
    ],
)
def test_conjugate_schemes_refuse_choices_that_are_not_declared(text, says):
    """The sentence lists the choices, or says what a parameter excludes."""
    with pytest.raises(InputError, match=says):
        scheme(text)


def test_a_scalar_process_has_no_momentum_to_split():
    """Prediction and scheme name the processes that have one."""
    with pytest.raises(InputError, match="'noise-skip' is not defined on process vp, a scalar process; use data"):
        outputs("noise-skip", VP())
    with pytest.raises(InputError, match="it runs on phase space processes"):
        problem_of(scheme("lambda-ddim-1(skip=mm)"), VP())


def test_specifications_of_conjugate_schemes_read_back():
    """Names, choices and exact numbers, positional or by name."""
    for text in (
        "lambda-ddim-1(shift=1/3)",
        "lambda-ddim-2(B=beta, shift=-1)",
        "lambda-ddim-1(B=optimal, skip=mm, sigma_data=1, mean=1/5)",
        "conjugate-optimal(mean=1/5)",
    ):
        assert scheme(text).spec == text
    assert scheme("lambda-ddim-1(1/3)") == scheme("lambda-ddim-1(shift=1/3)")
