"""A budget of evaluations is spent to the last one, by whole steps and by what a scheme declares to fill it."""

from dataclasses import replace

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, exact_marginal, gaussian_flow, moments
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, process
from numtoolkit.program import budget
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Call, lower
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.verdict import verify
from tests.support.tiers import breadth

PARAMETERS = ["unipc(1)", "unipc(3)", "unipc(4, variant=bh1)", "gframe-abm(1)", "gframe-abm(5)", "gframe-abm(4, tau=1)"]
MEMBERS = [
    *catalogue(),
    *map(scheme, [*PARAMETERS, "sa-solver(3)", "gddim-pc(1)", "gddim-pc(4)", "exp-adams(6)", "iia-edm(3)", "lawson-4"]),
]
LAW = Gaussian(np.array([0.3, -0.5]), np.array([0.25, 0.02]))


@pytest.mark.parametrize("own", breadth(MEMBERS), ids=lambda own: own.spec)
def test_every_budget_is_spent(own):
    """1 to 30 evaluations are spent exactly, by filling steps only where no number of whole steps would do."""
    for to_zero in {False, own.steps.final_to_zero is not None or bool(own.steps.final)}:
        for nfe in range(1, 31):
            plan = planned(own, nfe, to_zero)
            assert sum(layout.evaluations for layout in plan) == nfe
            if plan != whole_steps(own, len(plan), to_zero):  # then no number of whole steps would do
                assert nfe not in {spent_by(own, steps, to_zero) for steps in range(1, nfe + 2)}
    on = process(own.processes[0])
    for nfe in (1, 2, 7):
        program = lower(own, on, grid("quadratic", on, len(planned(own, nfe))), nfe=nfe)
        assert program.nfe == nfe


def with_remainder(name, *runs):
    own = scheme(name)
    return replace(own, steps=replace(own.steps, remainder=runs))


def spent_by(own, steps, to_zero):
    return whole_steps(own, steps, to_zero) and evaluations(own, steps, to_zero)


def whole_steps(own, steps, to_zero):
    try:
        return budget.whole_steps(own, steps, to_zero)
    except InputError:
        return None


@pytest.mark.parametrize(
    ("own", "nfe", "to_zero", "plan"),
    [
        ("heun-edm", 4, False, "2 steps of 2 evaluations"),
        ("heun-edm", 5, False, "2 steps of 2 evaluations, 1 of 1"),
        ("heun-edm", 5, True, "2 steps of 2 evaluations, 1 of 1"),  # the last one goes to noise level 0
        ("heun-edm", 6, True, "2 steps of 2 evaluations, 2 of 1"),
        ("heun-edm", 1, False, "1 step of 1 evaluation"),
        ("res-3s", 8, False, "2 steps of 3 evaluations, 1 of 2"),
        ("pndm", 3, False, "1 step of 3 evaluations"),
        ("pndm", 7, False, "1 step of 4 evaluations, 1 of 3"),
        ("pndm", 14, False, "3 steps of 4 evaluations, 2 of 1"),
        ("unipc(4)", 3, False, "1 step of 2 evaluations, 1 of 1, 1 of 0"),
        ("gddim-pc(3)", 7, False, "3 steps of 2 evaluations, 1 of 1"),
        ("gddim-pc(3)", 8, False, "4 steps of 2 evaluations"),
        ("gddim-pc(3)", 2, False, "1 step of 2 evaluations"),
        ("nobab", 8, False, "2 steps of 3 evaluations, 1 of 2"),
    ],
)
def test_a_plan_is_told_in_words(own, nfe, to_zero, plan):
    """Equal steps are counted together, in the order of the run."""
    own = scheme(own)
    on = process(own.processes[-1])
    times = grid("uniform", on, len(planned(own, nfe, to_zero)))
    if to_zero:
        times[-1] = 0
    assert lower(own, on, times, nfe=nfe).plan == plan


@pytest.mark.parametrize(
    ("own", "lower_member", "steps"),
    [(f"gframe-abm(4{tau})", f"gframe-abm({n}{tau})", n) for tau in ("", ", tau=1") for n in (1, 2, 3)]
    + [("unipc(4)", f"unipc({p})", n) for p, n in ((2, 2), (2, 3), (3, 4), (3, 5))]
    + [("gddim-pc(4)", f"gddim-pc({n})", n) for n in (1, 2, 3)]
    + [(f"sa-solver({k})", f"sa-solver({n})", n) for k, n in ((3, 2), (4, 3), (4, 1))],
)
def test_a_run_too_short_for_a_scheme_is_that_of_a_lower_member(own, lower_member, steps):
    """Row by row the program of the member whose history fits."""
    on = process(scheme(own).processes[-1] if "gddim" in own else "edm")
    times = grid("rho(7)", on, steps)
    ours, theirs = (lower(scheme(name), on, times).steps for name in (own, lower_member))
    for one, other in zip(ours, theirs, strict=True):
        assert one.instructions == other.instructions


@pytest.mark.parametrize(("left", "order"), [(0, 4), (1, 2), (2, 3), (3, 4)])
def test_a_filling_step_of_order_p_leaves_a_run_at_p_plus_one(left, order):
    """One step of lower order among many costs no more than its own local error."""
    errors = []
    for steps in (40, 80, 160):
        nfe = 4 * steps + left
        times = grid("rho(7)", EDM(T=5, t_min=0.2), steps + bool(left))
        R, _ = affine_map(lower(scheme("krogstad-4"), EDM(T=5, t_min=0.2), times, nfe=nfe), LAW)
        errors.append(np.abs(R - gaussian_flow(EDM(T=5, t_min=0.2), LAW.eigen()[1], 5.0, 0.2)).max())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert slopes[-1] == pytest.approx(order, abs=0.15)  # the next order is a tenth of it at most


def test_a_scheme_that_fills_nothing_names_the_nearest_budgets():
    """The refusal says which budgets are next, below and above."""
    bare = with_remainder("heun-edm")
    with pytest.raises(InputError, match=r"heun-edm cannot spend 5 evaluations; the nearest it can are 4, 6\."):
        planned(bare, 5)
    with pytest.raises(InputError, match=r"cannot spend 0 evaluations; the nearest it can are 2, 4\."):
        planned(scheme("heun-edm"), 0)


@pytest.mark.parametrize(
    ("name", "nfe", "near"),
    [
        ("unipc(3, ending=full)", 1, "3, 4"),  # below its shortest run there is no history for an inner step
        ("unipc(3, ending=full)", 2, "3, 4"),
        ("dpm-solver-3(ending=lower)", 7, "6, 9"),  # an inner step spends three like the final ones, not one more
    ],
)
def test_an_inner_step_stands_for_final_ones_only_where_it_spends_what_is_left(name, nfe, near):
    """A scheme that fills nothing is refused what it cannot spend."""
    with pytest.raises(InputError, match=rf"cannot spend {nfe} evaluations; the nearest it can are {near}\."):
        planned(with_remainder(name), nfe)


@pytest.mark.parametrize("points", [[80.0, 0.0], [80.0, 1.0, 0.0], [80.0, 9.0, 1.0, 0.0]])
def test_a_multistep_run_too_short_for_its_history_may_end_at_zero(points):
    """Its last step returns the data prediction there, as that of a long run does."""
    last = lower(scheme("exp-adams(4)"), EDM(), np.array(points)).steps[-1]
    assert last.instructions[-1].terms == (("E0", ((1.0,),)),)


@pytest.mark.parametrize("nfe", [1, 2, 3, 4, 19, 20])
def test_nothing_is_evaluated_at_time_zero(nfe):
    """The data are not noisy there: runs of gddim-pc to t = 0 spend their budget before."""
    for name in ("gddim-pc(1)", "gddim-pc(3)"):
        steps = len(planned(scheme(name), nfe, to_zero=True))
        times = np.append(np.geomspace(1, 1e-3, steps), 0.0)
        program = lower(scheme(name), PSLD(), times, nfe=nfe)
        assert program.nfe == nfe
        assert min(i.time for step in program.steps for i in step.instructions if isinstance(i, Call)) > 0


def test_a_budget_must_fit_its_grid():
    """A budget for another number of steps than the grid has is refused with both numbers."""
    with pytest.raises(InputError, match=r"heun-edm spends 5 evaluations in 3 steps, but the grid has 4"):
        lower(scheme("heun-edm"), EDM(), grid("rho(7)", EDM(), 4), nfe=5)


def test_a_filling_step_must_spend_its_number_and_need_no_history():
    """A scheme with another filling step cannot be made."""
    own, inner = scheme("heun-edm"), scheme("res-2m").steps.inner
    with pytest.raises(InputError, match="remainder 1 spends 2 evaluations"):
        with_remainder("heun-edm", (own.steps.inner,))
    with pytest.raises(InputError, match="a step uses E1, which the step before does not hand on"):
        with_remainder("heun-edm", (inner,))


def test_filling_steps_are_proved():
    """Each has its derived order, the run its order with them, and a doubled weight in one refutes the scheme."""
    own = scheme("krogstad-4")
    assert {name: p for name, p in verify(own).ends.items() if "remainder" in name} == {
        "remainder 1": 1,
        "remainder 2": 2,
        "remainder 3": 3,
    }
    assert (verify(own).run, verify(own).filled) == (4, 2)
    assert verify(scheme("nobab")).ends == {"remainder 1": 1, "remainder 2": 1}
    assert verify(scheme("res-2m")).filled is None
    (layout,) = scheme("heun-edm").steps.remainder[0]
    out = layout.items[-1]
    doubled = replace(out, terms=tuple((s, 2 * e if s == "E0" else e) for s, e in out.terms))
    wrong = with_remainder("heun-edm", (replace(layout, items=(layout.items[0], doubled)),))
    assert verify(scheme("heun-edm")).ok
    assert not verify(wrong).ok


@pytest.mark.parametrize(
    ("name", "left", "order"),
    breadth(
        [("nobab", 1, 1), ("nobab", 2, 1), ("sscs-midpoint", 1, 2), ("heun-edm-churn", 1, 2), ("dpm2-ancestral", 1, 2)],
        lambda name, left, order: (name, left) in (("nobab", 2), ("heun-edm-churn", 1)),
    ),
)
def test_filled_runs_of_stochastic_schemes_keep_the_law(name, left, order):
    """Mean and covariance converge with the order of the scheme though one step is of another kind."""
    own = scheme(name)
    on = PSLD() if "psld" in own.processes else EDM(T=10, t_min=0.1)
    exact = exact_marginal(on, LAW, on.t_min)
    gaps = []
    for steps in (400, 800):
        times = grid("quadratic" if on.blocks > 1 else "rho(7)", on, steps + 1)
        program = lower(own, on, times, nfe=own.nfe_per_step * steps + left)
        found = moments(program, law=LAW, start=exact_marginal(on, LAW, on.T))
        gaps.append(
            np.hypot(np.linalg.norm(found.mean - exact.mean), np.linalg.norm(found.covariance - exact.covariance))
        )
    # churned and ancestral schemes keep marginals: what is left is the error of their flow, of order 2
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(order, abs=0.15)
