"""The order in law of the marginal, decided at drawn points whose ties are those of Gaussian laws."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.problem.clocks import CLOCKS
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import PROCESSES
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.marginal import Drawn, marginal_order
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.weak import defects, exact_jets, first_defects, weak_order
from tests.support.tiers import breadth

VARIANCE, MEAN = 0.3, 0.7


def ties(problem, t):
    """(L + N J - F, N j) of the network that is exact for N(MEAN, VARIANCE), and what the marginal says they are."""
    L, N, F, Q = (problem.operator(OPERATORS[name], t) for name in "LNFQ")
    process = problem.process
    e, sigma = process.kernel(t)
    marginal = VARIANCE * e[:, :, None] * e[:, None, :] + sigma
    gain = VARIANCE * np.linalg.solve(marginal, e[:, :, None])  # D = mean + gain' (z - e mean)
    P, out = problem.freeze(DATA, t)
    J = P + out @ np.swapaxes(gain, 1, 2)
    j = out * (MEAN * (1 - np.einsum("nka,nk->na", gain, e)))[:, None, :]
    toward = problem.q / 2 * Q @ np.linalg.inv(marginal)
    return (L + N @ J - F, -toward), (N @ j, toward @ (MEAN * e)[:, :, None])


@pytest.mark.parametrize("tau", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(
    ("process", "frozen", "clock"),
    [
        ("vp", "data", "log-snr"),
        ("edm", "noise", "noise-level"),
        ("flow", "residual", "angle"),
        ("vp-cosine", "drift", "time"),
        ("psld", "score", "natural"),
        ("psld", "noise", "time"),
        ("cld", "residual", "angle"),
    ],
)
def test_the_ties_of_the_letters_are_those_of_a_gaussian_law(process, frozen, clock, tau):
    """L + N J - F = -(q/2) Q P^-1 and N j = (q/2) Q P^-1 m, in float64 on every kind of process."""
    on = PROCESSES[process]()
    problem = Problem(on, FROZEN[frozen], CLOCKS[clock].on(on), tau)
    for found, expected in ties(problem, np.array([0.2, 0.5, 0.9]) * on.T):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("process", ["vp", "edm", "psld"])
def test_the_marginal_moves_as_the_drawn_one_does(process):
    """m' = F m and P' = F P + P F' - Q in the clock, by central differences of 1e-4: errors of 1e-8 and less."""
    on = PROCESSES[process]()
    problem = Problem(on, FROZEN["score"], CLOCKS["time"])
    t = np.array([0.4, 0.7]) * on.T
    F, Q = (problem.operator(OPERATORS[name], t) for name in "FQ")

    def moments(t):
        e, sigma = on.kernel(t)
        return e[:, :, None], VARIANCE * e[:, :, None] * e[:, None, :] + sigma

    step = 1e-4 * on.T
    rates = [(past - future) / (2 * step) for past, future in zip(moments(t - step), moments(t + step), strict=True)]
    m, P = moments(t)
    for found, expected in zip(rates, (F @ m, F @ P + P @ np.swapaxes(F, 1, 2) - Q), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "text", ["sa-solver(1)", "sa-solver(1, tau=1/3)", "heun-edm-churn", "em", "roba", "gframe-ab(2, tau=1/2)", "coba"]
)
def test_every_sde_of_the_family_keeps_the_drawn_marginals(text):
    """The words of its exact transition take P(0) and m(0) to P and m, power by power to h^4, whatever tau is."""
    drawn = Drawn(StepInClock(scheme(text)), 4, seed=1)
    R, r, Q = exact_moments(drawn)
    P, m = drawn.letters["P"], drawn.letters["m"]
    for n in range(5):
        assert (after(R, P[0], Q, n) == P[n]).all()
        assert (R[n] @ m[0] + r[n] == m[n]).all()


def exact_moments(drawn):
    """(R, r, Q) of the exact transition of the reference SDE over the step, by power of h."""
    reading = drawn.reading
    zero, one = (reading.field.number(x) for x in (0, 1))
    drift, forcing, rate = exact_jets(drawn.frame, reading)
    mean = reading.flow(drift, zero, one) | reading.integral(drift, forcing, [one], zero, one)
    return drawn.moments(reading.field, mean, reading.spread(drift, rate, zero, one))


def after(R, P, Q, n):
    """The power n of h of R P R' + Q."""
    return sum(R[i] @ P @ R[n - i].T for i in range(n + 1)) + Q[n]


@pytest.mark.parametrize(
    "text", ["heun-edm-churn", "dpm2-ancestral", "res-2m-ancestral", "sscs", "sa-solver(1, tau=1/3)"]
)
def test_what_is_missed_of_the_marginal_is_the_difference_of_the_moments(text):
    """R P R' + Q and R m + r of the step itself less those of the exact transition, to one order beyond the first."""
    frame = StepInClock(scheme(text))
    first, _ = first_defects(frame)
    drawn = Drawn(frame, first + 1, seed=2)
    field, mean, covariance, _ = defects(frame, first + 1, drawn.numbers)
    missed = list(drawn.missed(field, mean, covariance, first))
    exact, own = exact_moments(drawn), drawn.moments(field, mean, covariance)
    step = [[x + y for x, y in zip(*pair, strict=True)] for pair in zip(exact, own, strict=True)]
    P, m = drawn.letters["P"][0], drawn.letters["m"][0]
    for n in range(first + 2):
        assert (missed[n][0] == own[0][n] @ m + own[1][n]).all()
        assert (missed[n][1] == after(step[0], P, step[2], n) - after(exact[0], P, exact[2], n)).all()
    assert any(part.any() for parts in missed for part in parts)


def test_noise_added_by_the_forward_law_costs_the_marginal_nothing():
    """Heun, DPM-Solver-2 and RES-2S with churn, and the ancestral step: order 2 there, 1 as a transition."""
    found = {each.name: (weak_order(each).weak, marginal_order(each)) for each in catalogue() if each.kind == "sde"}
    higher = {name for name, (weak, marginal) in found.items() if marginal > weak}
    ancestral = {"dpm2-ancestral", "dpmpp-2s-ancestral", "dpmpp-2sa-cfgpp"}
    assert higher == {"heun-edm-churn", "dpm2-churn", "res-2s-churn", *ancestral}
    assert {found[name] for name in higher} == {(1, 2)}
    assert all(marginal >= weak for weak, marginal in found.values())


@pytest.mark.parametrize("each", breadth(own for own in catalogue() if own.kind == "sde"), ids=lambda own: own.name)
def test_the_order_of_the_marginal_does_not_depend_on_the_point(each):
    """Other draws say the same."""
    assert marginal_order(each, seed=7) == marginal_order(each)


def test_noise_scaled_by_a_thousandth_too_much_costs_both_orders():
    """s_noise = 1.001 keeps no marginal: order 0 of either kind."""
    own = scheme("heun-edm-churn").bind(s_noise=Fraction(1001, 1000))
    assert (weak_order(own).weak, marginal_order(own)) == (0, 0)


def test_a_step_that_does_not_keep_the_state_is_of_order_0():
    """Twice the state is no order at all, of either kind."""
    own = scheme("em")
    step = own.steps.inner
    doubled = replace(step.items[-1], terms=tuple((s, 2 * e if s == "y" else e) for s, e in step.items[-1].terms))
    own = replace(own, steps=replace(step, items=(*step.items[:-1], doubled)))
    assert (weak_order(own).weak, marginal_order(own)) == (0, 0)
    assert {"tree": " y", "order": 1, "value": "1"} in weak_order(own).residuals


def test_a_step_with_history_is_given_one_order_beyond_its_transition_at_most():
    """Its states before it are drawn by that transition, and so is what it takes over from them."""
    own = scheme("res-2m-ancestral")
    assert own.steps.inner.needs
    assert marginal_order(own) <= weak_order(own).weak + 1
