"""Every scheme of phase space runs as its paper's formulas do, written again in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from numtoolkit.problem.processes import CLD, PSLD
from numtoolkit.program.budget import planned
from numtoolkit.schemes import catalogue, scheme
from tests.oracles.langevin import Langevin, flow_into
from tests.oracles.phase_space import PHASE_SPACE
from tests.support.phase_runs import HISTORY, NOT_TO_ZERO, ONE_STEP, RISING, budgets, case_of, gap, uneven
from tests.support.tiers import breadth, in_sample

SHORT = """
    nvv nobab gddim(4) gddim(4,ending=lower) gddim(3,opening=first,ending=lower) gddim-pc(3) gddim-pc(4)
    gframe-ab(4) gframe-abm(4) gframe-abm(4,ending=lower) gframe-abm(4,ending=ddim)
""".split()


def cases(texts, *processes):
    return [
        pytest.param(own, p, id=f"{text}-{p.name}-{p.beta_max:g}")
        for text, own in zip(texts, map(scheme, texts), strict=True)
        for p in processes
    ]


def on_psld(own, process):
    return process.name == "psld"


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


@pytest.mark.parametrize(("own", "process"), breadth(cases(ONE_STEP + HISTORY + NOT_TO_ZERO, PSLD(), CLD()), on_psld))
def test_a_run_in_phase_space_is_that_of_the_published_formulas(own, process):
    """Every state of runs of whole steps on an uneven grid, to the last digits."""
    assert gap(case_of(own, process, uneven(process, 6, 1, 0.1))) < tolerance(own, process)


@pytest.mark.parametrize(("own", "process"), breadth(cases(ONE_STEP + HISTORY + NOT_TO_ZERO, RISING), in_sample))
def test_a_budget_in_phase_space_is_spent_as_published(own, process):
    """Every state, for every remainder of whole steps, on a grid as dense at the data as the quadratic one."""
    for nfe in budgets(own):
        times = uneven(process, len(planned(own, nfe)), 2, process.t_min)
        assert gap(case_of(own, process, times, nfe)) < tolerance(own, process), nfe


@pytest.mark.parametrize(("own", "process"), breadth(cases(ONE_STEP + HISTORY, RISING, CLD()), in_sample))
def test_a_run_in_phase_space_ends_at_zero_as_published(own, process):
    """The step to t = 0, after every remainder of whole steps."""
    for nfe in budgets(own):
        times = np.append(uneven(process, len(planned(own, nfe, True)) - 1, 2, 0.03), 0.0)
        assert gap(case_of(own, process, times, nfe)) < tolerance(own, process, at_zero=True), nfe


@pytest.mark.parametrize(("own", "process"), breadth(cases(SHORT, RISING), in_sample))
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
