"""How runs open and end is a parameter of a scheme: orders of each step, budgets, proofs, what published code does."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.declare.entries import phi
from numtoolkit.declare.forms import noisy, tableau
from numtoolkit.declare.steps import Steps
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure.gaussian_moments import moments
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, VP
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Call, lower
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.verdict import verify
from tests.support.same_run import assert_same_run
from tests.support.tiers import breadth

ADAMS = ["dpmpp-2m", "res-3m", "exp-adams(4)", "deis-tab(2)", "deis-rhoab(3)", "ipndm(3)", "gddim(3)"]


def spent(name, nfe, to_zero=False):
    """Evaluations of each step of a run."""
    return [step.evaluations for step in planned(scheme(name), nfe, to_zero)]


def orders_of(name, nfe):
    """The order of each step of a run of exponential Adams steps: how many evaluations its last row weighs."""
    steps = planned(scheme(name), nfe)
    return [sum(source[0] == "E" for source, _ in step.items[-1].terms) for step in steps]


@pytest.mark.parametrize(
    ("name", "nfe", "orders"),
    [
        ("exp-adams(3)", 6, [1, 2, 3, 3, 3, 3]),
        ("exp-adams(3, ending=lower)", 6, [1, 2, 3, 3, 2, 1]),
        ("exp-adams(3, ending=ddim)", 6, [1, 2, 3, 3, 3, 1]),
        ("exp-adams(3, ending=lower)", 3, [1, 2, 1]),
        ("exp-adams(3, ending=lower)", 2, [1, 1]),
        ("exp-adams(3, opening=first)", 6, [1, 1, 3, 3, 3, 3]),
        ("dpmpp-2m(ending=lower)", 4, [1, 2, 2, 1]),
    ],
)
def test_orders_of_the_steps_are_those_the_choice_names(name, nfe, orders):
    """lower_order_final of diffusers is `lower`; a run too short for full order rises as far as its end lets it."""
    assert orders_of(name, nfe) == orders


@pytest.mark.parametrize("name", ADAMS)
@pytest.mark.parametrize("ending", ["lower", "ddim"])
def test_every_budget_is_spent_whatever_the_ending(name, ending):
    """One evaluation a step, 1 to 12 of them."""
    own = scheme(f"{name.rstrip(')')}{', ' if '(' in name else '('}ending={ending})")
    for nfe in range(1, 13):
        plan = planned(own, nfe)
        assert sum(step.evaluations for step in plan) == nfe == evaluations(own, len(plan))
        if nfe > 1:
            assert sum(step.evaluations for step in planned(own, nfe, to_zero=True)) == nfe


@pytest.mark.parametrize("name", ["dpm-solver-3(ending=lower)", "dpmpp-2s(ending=lower)"])
def test_a_singlestep_scheme_spends_every_budget_on_its_way_to_zero(name):
    """Its last step is one of first order, and what is left before it fits."""
    for nfe in range(1, 13):
        own = spent(name, nfe, to_zero=True)
        assert (sum(own), own[-1]) == (nfe, 1)


@pytest.mark.parametrize(
    ("nfe", "orders"),
    [
        (3, [2, 1]),
        (4, [3, 1]),
        (5, [3, 2]),
        (6, [3, 2, 1]),
        (7, [3, 3, 1]),
        (8, [3, 3, 2]),
        (15, [3, 3, 3, 3, 2, 1]),
    ],
)
def test_dpm_solver_fast_spends_its_budget_as_its_authors_do(nfe, orders):
    """arXiv:2206.00927, appendix D.3: K steps of order 3 but for the last, which are of orders 2 and 1, 1, or 2."""
    assert spent("dpm-solver-3(ending=lower)", nfe) == orders


def test_a_singlestep_scheme_of_order_two_ends_with_two_first_order_steps():
    """The order lists of the singlestep scheduler of diffusers, order 2: 2, ..., 2, 1, 1 and 2, ..., 2, 1."""
    assert spent("dpmpp-2s(ending=lower)", 8) == [2, 2, 2, 1, 1]
    assert spent("dpmpp-2s(ending=lower)", 9) == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("name", breadth(["exp-adams(3)", "res-3m"], lambda name: name == "exp-adams(3)"))
def test_a_run_opened_by_runge_kutta_is_of_its_inner_order(name):
    """Four evaluations each in the first steps buy back the order that DDIM's first step costs the whole run."""
    own = scheme(f"{name.rstrip(')')}{', ' if '(' in name else '('}opening=runge-kutta)")
    assert (verify(scheme(name)).run, verify(own).run) == (2, 3)
    assert [step.evaluations for step in planned(own, 8 + 4)] == [4, 4, 1, 1, 1, 1]


def test_lms_goes_to_noise_level_zero_at_full_order():
    """As k-diffusion's: the last step to 0 weighs four noises by the integrals of their Lagrange polynomials."""
    times = np.array([80.0, 20.0, 5.0, 1.0, 0.2, 0.0])
    last = lower(scheme("lms(4)"), EDM(), times, "noise").steps[-1]
    terms = dict(last.instructions[-1].terms)
    nodes = [0.2, 1.0, 5.0, 20.0]
    weights = []
    for j, own in enumerate(nodes):
        poly = np.polynomial.Polynomial([1.0])
        for k, other in enumerate(nodes):
            if k != j:
                poly = poly * np.polynomial.Polynomial([-other, 1.0]) / (own - other)
        primitive = poly.integ()
        weights.append(primitive(0.0) - primitive(0.2))
    found = [terms[f"E{j}"][0][0] for j in range(4)]
    np.testing.assert_allclose(found, weights, rtol=1e-12)
    assert "E1" not in dict(lower(scheme("deis-rhoab(3)"), EDM(), times, "noise").steps[-1].instructions[-1].terms)


@pytest.mark.parametrize("steps", [10, 20, 40])
def test_sa_solver_does_not_blow_up_on_a_long_last_step(steps):
    """B6: on Stable Diffusion's trailing noise levels the variance is 15.9, 10.4, 4.0 at full order; .42 is right."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alphas = np.cumprod(1 - betas)
    levels = np.sqrt((1 - alphas) / alphas)
    times = np.append(levels[1000 - np.arange(steps) * (1000 // steps) - 1], levels[0])
    law, process = Gaussian(np.zeros(1), np.full(1, 0.42)), EDM(T=times[0], t_min=times[-1])

    def variance(name):
        return moments(lower(scheme(name), process, times), law=law).covariance.item()

    assert 0.38 < variance("sa-solver(3)") < 0.43
    assert 0.35 < variance("sa-solver(3, ending=lower)") < 0.43
    assert variance("sa-solver(3, ending=full)") > 3


@pytest.mark.parametrize(
    ("name", "sde"), breadth([("sa-solver(3, 1)", 2), ("sa-solver(1, 3)", 2)], lambda name, sde: name.endswith("3)"))
)
def test_the_corrector_of_sa_solver_has_an_order_of_its_own(name, sde):
    """p past evaluations predict, c and the new one correct; the weak order on Gaussian laws is 2 whichever."""
    own = scheme(name)
    assert verify(own).derived["sde_weak"] == sde
    corrector = own.steps.inner.items[-1]
    assert sum(source[0] == "E" for source, _ in corrector.terms) == int(name[-2]) + 1


def test_sa_solver_without_noise_is_an_adams_moulton_scheme_of_the_flow():
    """tau = 0: no draw, and the order of a three-step corrector."""
    own = scheme("sa-solver(2, tau=0)")
    assert own.kind == "ode"
    assert order(own).p == 3
    program = lower(own, VP(), grid("log-snr", VP(), 6))
    assert sum(isinstance(i, Call) for step in program.steps for i in step.instructions) == 6
    assert_same_run(program, lower(scheme("sa-solver(2, 2, tau=0)"), VP(), grid("log-snr", VP(), 6)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dpmpp-2m(ending=zero)", "ending = zero is not that of a multistep scheme here; use full, lower, ddim, none"),
        ("dpmpp-2m(ending=last)", "ending = last is not that of a multistep scheme here"),
        ("exp-adams(3, opening=slow)", "opening = slow is not declared; use raised, first, runge-kutta"),
        ("res-2s(ending=ddim)", "ending = ddim is not that of a one-step scheme here; use full, lower, none"),
        ("deis-tab(2, ending=zero)", "ending = zero is not that of a multistep scheme here"),
        ("unipc(ending=zero)", "ending = zero is not that of a predictor-corrector scheme here"),
    ],
)
def test_a_choice_that_a_scheme_does_not_have_is_refused(text, sentence):
    """The choices it has are named."""
    with pytest.raises(InputError, match=sentence):
        scheme(text)


@pytest.mark.parametrize("name", ["dpmpp-2m(ending=none)", "res-2s(ending=none)", "unipc(2, ending=none)"])
def test_a_run_that_has_no_step_to_zero_refuses_such_grids(name):
    """The remedy is said."""
    with pytest.raises(InputError, match="has no step to t = 0; end the grid at a time above 0"):
        lower(scheme(name), EDM(), grid("rho(7, zero=1)", EDM(), 6))


@pytest.mark.parametrize("last", ["1/3", "1/2"], ids=["between", "taken"])
def test_a_step_whose_rows_turn_back_takes_no_noise(last):
    """After a row at 2/3: what is drawn up to there is no noise of a row that ends before."""
    nodes = [0, "1/2", "2/3", last]
    step = tableau(nodes, [[], [0], [0, 0], [0, 0, 0]], [phi(1), 0, 0, 0])
    with pytest.raises(InputError, match=f"row Y3 of a step turns back to abscissa {last}, past which its noise"):
        noisy(Steps(step))
    assert len(noisy(Steps(tableau(nodes[:3], [[], [0], [0, 0]], [phi(1), 0, 0]))).inner.noises) == 3
