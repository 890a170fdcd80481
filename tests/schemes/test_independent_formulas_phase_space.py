"""Every scheme of phase space runs as its paper's formulas do, written again in plain numpy."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from numtoolkit.problem.processes import CLD, PSLD
from numtoolkit.program.budget import planned
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import catalogue, scheme
from tests.oracles.langevin import Langevin, flow_into
from tests.oracles.phase_space import PHASE_SPACE

RISING = PSLD(beta_min=4, beta_max=12, Gamma=0.1, nu=3.6, gamma=0.06)  # every number another than the default

ONE_STEP = """
    euler heun heun(ending=lower) nse rse nvv rvv rvv-unshifted ddim cse cse(shift=2) cvv cvv(shift=-3/2)
    em sscs sscs-midpoint noba nbao rbao nobab robab coba coba(shift=1)
    roba roba(lambda_s=2) roba(amp,lambda_s=2) roba(tbar,lambda_s=1/2) roba(rate,part=m,lambda_s=2)
    roba(amp,part=m,lambda_s=2) roba(tbar,part=m,lambda_s=1/2) coba(amp,shift=1,lambda_s=2)
    coba(tbar,part=m,shift=1,lambda_s=1/2)
    lambda-ddim-1(2) lambda-ddim-1(1,B=beta) lambda-ddim-1(2,B=time) lambda-ddim-1(B=optimal,mean=1/3)
    lambda-ddim-2(2) lambda-ddim-2(1/4,B=beta) lambda-ddim-2(2,B=time) lambda-ddim-2(B=optimal)
    conjugate-optimal conjugate-optimal(mean=1/3,sigma_data=1)
""".split()
HISTORY = """
    gddim(1) gddim(2) gddim(3) gddim(4) gddim(3,opening=first,ending=lower) gddim(3,opening=runge-kutta,ending=ddim)
    gddim-pc(1) gddim-pc(2) gddim-pc(3) gddim-pc(4)
""".split()
NOT_TO_ZERO = """
    lambda-ddim-1(2,skip=mm) lambda-ddim-2(2,B=beta,skip=mm) lambda-ddim-2(B=optimal,skip=mm,mean=1/3)
    heun(ending=none) gddim(3,ending=none)
    gframe-ab(1) gframe-ab(2) gframe-ab(3,mean=1/3) gframe-ab(5) gframe-ab(3,opening=first,ending=lower)
    gframe-ab(3,opening=runge-kutta,ending=ddim) gframe-ab(2,tau=1/2,mean=-1/3)
    gframe-abm(1) gframe-abm(2) gframe-abm(4,sigma_data=1,mean=1/3) gframe-abm(3,ending=lower)
    gframe-abm(3,ending=ddim,tau=1) gframe-abm(5)
""".split()
SHORT = """
    nvv nobab gddim(4) gddim(4,ending=lower) gddim(3,opening=first,ending=lower) gddim-pc(3) gddim-pc(4)
    gframe-ab(4) gframe-abm(4) gframe-abm(4,ending=lower) gframe-abm(4,ending=ddim)
""".split()


def two_outputs(z, t):
    """Smooth, nonlinear, and another function of x, m and t in each output."""
    x, m = z
    return np.stack([np.sin(x + 0.3 * m) + 0.2 * np.cos(3 * t) * x, np.tanh(2 * m - x) - 0.3 * np.sin(5 * t)])


def one_output(z, t):
    x, m = z
    return 0.8 * np.tanh(1.3 * x - 0.4 * m) + 0.1 * np.cos(4 * t)


def uneven(process, steps, power, to):
    """Falling times whose ratios of steps are not alike, as (1 - i/N)^power down to `to`."""
    lengths = 1 + 0.4 * np.cos(2.0 * np.arange(steps))
    left = 1 - np.append(0, np.cumsum(lengths)) / lengths.sum()
    left[-1] = 0
    return to + (process.T - to) * left**power


def case_of(own, process, times, nfe=None):
    """A run as formulas are given it; the network predicts the noise, on CLD the data."""
    return SimpleNamespace(
        scheme=own,
        process=process,
        network=one_output if process.name == "cld" else two_outputs,
        times=times,
        start=np.linalg.cholesky(process.prior()) @ np.random.default_rng(1).standard_normal((2, 3)),
        normals=lambda step, slot: np.random.default_rng([7, step, slot]).standard_normal((2, 3)),
        nfe=nfe,
    )


def states_of_program(case):
    """The states after each step of the scheme's own program, (N, 2, 3)."""
    one = case.network is one_output
    program = lower(case.scheme, case.process, case.times, "data" if one else "noise", case.nfe)
    assert case.nfe in (None, program.nfe)
    seen = []
    run(
        program,
        lambda z, t: [case.network(np.stack(z), t)] if one else list(case.network(np.stack(z), t)),
        list(case.start),
        lambda step, slot: list(case.normals(step, slot)),
        watch=lambda n, step, state: seen.append(np.stack(state)),
    )
    return np.stack(seen)


def states_of_formula(case):
    """The same by the formula of the scheme's paper."""

    def plain(value):
        try:
            number = Fraction(value)
        except ValueError:
            return value
        return number.numerator if number.denominator == 1 else float(number)

    own = case.scheme
    positional = [plain(value) for key, value in own.structure if not key]
    named = {key: plain(value) for key, value in own.structure if key}
    named |= {name: float(value) for name, value in own.parameters().items()}
    return np.stack(list(PHASE_SPACE[own.name](case, *positional, **named)))


def gap(case):
    """The largest difference of a component over the largest component of that step."""
    found, expected = states_of_program(case), states_of_formula(case)
    assert found.shape == expected.shape
    return float((np.abs(found - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))).max())


def budgets(own):
    """One that whole steps spend, and every other remainder that they may leave; more where a start takes more."""
    least = 9 + sum(step.evaluations - 1 for step in own.steps.start)
    return range(least, least + own.nfe_per_step)


def cases(texts, *processes):
    return [
        pytest.param(own, p, id=f"{text}-{p.name}-{p.beta_max:g}")
        for text, own in zip(texts, map(scheme, texts), strict=True)
        for p in processes
    ]


# The weights of a step are up to e^(beta h) = 40 times what they leave of the state, and a network that sees the data
# divides by a noise that is nearly singular: 1e5 roundings at t_min. gDDIM holds a noise of e^(beta h) as well, and on
# CLD, where position and momentum are one at t = 0, its factor loses half of its digits there.
DIGITS, GDDIM_ON_CLD, GDDIM_ON_CLD_AT_ZERO = 1e-11, 1e-9, 3e-8


def tolerance(own, process, at_zero=False):
    if (own.family, process.name) == ("gDDIM", "cld"):
        return GDDIM_ON_CLD_AT_ZERO if at_zero else GDDIM_ON_CLD
    return DIGITS


def test_every_scheme_of_phase_space_has_an_independent_formula():
    """By its name; a new one that has none is seen here."""
    assert {own.name for own in catalogue() if "psld" in own.processes} == set(PHASE_SPACE)
    assert {scheme(text).name for text in ONE_STEP + HISTORY + NOT_TO_ZERO} == set(PHASE_SPACE)


@pytest.mark.parametrize(("own", "process"), cases(ONE_STEP + HISTORY + NOT_TO_ZERO, PSLD(), CLD()))
def test_a_run_in_phase_space_is_that_of_the_published_formulas(own, process):
    """Every state of runs of whole steps on an uneven grid, to the last digits."""
    assert gap(case_of(own, process, uneven(process, 6, 1, 0.1))) < tolerance(own, process)


@pytest.mark.parametrize(("own", "process"), cases(ONE_STEP + HISTORY + NOT_TO_ZERO, RISING))
def test_a_budget_in_phase_space_is_spent_as_published(own, process):
    """Every state, for every remainder of whole steps, on a grid as dense at the data as the quadratic one."""
    for nfe in budgets(own):
        times = uneven(process, len(planned(own, nfe)), 2, process.t_min)
        assert gap(case_of(own, process, times, nfe)) < tolerance(own, process), nfe


@pytest.mark.parametrize(("own", "process"), cases(ONE_STEP + HISTORY, RISING, CLD()))
def test_a_run_in_phase_space_ends_at_zero_as_published(own, process):
    """The step to t = 0, after every remainder of whole steps."""
    for nfe in budgets(own):
        times = np.append(uneven(process, len(planned(own, nfe, True)) - 1, 2, 0.03), 0.0)
        assert gap(case_of(own, process, times, nfe)) < tolerance(own, process, at_zero=True), nfe


@pytest.mark.parametrize(("own", "process"), cases(SHORT, RISING))
def test_a_budget_too_short_for_a_scheme_of_phase_space_is_spent_as_published(own, process):
    """One to six evaluations, which leave no room for the history, or for the whole step, of a scheme."""
    for nfe in range(1, 7):
        times = uneven(process, len(planned(own, nfe)), 1, 0.2)
        assert gap(case_of(own, process, times, nfe)) < tolerance(own, process), nfe


@pytest.mark.parametrize(("end", "start"), [(0.001, 0.02), (0.1, 1.0)])
def test_the_flow_of_the_formulas_solves_its_equation(end, start):
    """Against an adaptive solver, on the stiffest equation that the formulas have, that of gDDIM's factor."""
    p = Langevin.of(RISING)

    def rate(t):
        return p.F(t) + p.Q(t) @ np.linalg.inv(p.covariance(t)) / 2

    (*_, last) = solve_ivp(
        lambda t, U: (U.reshape(2, 2) @ rate(np.float64(t))).ravel(),
        (start, end),
        np.eye(2).ravel(),
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
    ).y.T
    np.testing.assert_allclose(flow_into(rate, start, end)[1].ravel(), last, rtol=0, atol=1e-11)  # the solver's
