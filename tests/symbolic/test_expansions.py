"""Step quantities are what their expansions say as steps fall in length, and proofs take them for that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from numtoolkit.declare.entries import number, phi, substitute, symbol, symbols
from numtoolkit.declare.forms import ancestral, predict_correct, tableau
from numtoolkit.declare.scheme import END_LEVEL, LENGTH, LEVEL, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Steps
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, process
from numtoolkit.program.evaluator import Evaluator
from numtoolkit.program.program import lower, problem_of, step_quantities
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.expansions import NotAnalysedError, expansion
from numtoolkit.symbolic.steps_back import StepInClock, step_symbols
from numtoolkit.symbolic.verdict import verify
from tests.support.declarations import MEMBERS
from tests.support.tiers import breadth

d, h, s, s_end = symbol("d"), LENGTH, LEVEL, END_LEVEL

# --- against the rules, in float64


def with_quantities():
    """A scheme for each quantity and process it may stand on."""
    members = [*catalogue(), *map(scheme, (*MEMBERS, "dpm2-ancestral(eta=1/3)", "lambda-ddim-2(B=optimal, skip=mm)"))]
    members = [own for own in members if own.quantities]
    return [pytest.param(own, name, id=f"{own.spec} on {name}") for own in members for name in own.processes]


def remainders(own, on, steps):
    """By quantity, the bounded number that its expansion leaves open, solved from the rule on equal log-SNR steps."""
    times, index = grid("log-snr", on, steps), np.arange(1, steps)
    problem, values = problem_of(own, on), own.parameters()
    known = values | step_quantities(own, problem, times, index, values)
    known |= {h.name: np.diff(problem.u(times))[index], s.name: problem.process.level(times)[index]}
    evaluator = Evaluator(problem, times, index, known)

    def remainder(quantity):
        at_zero, at_one = (evaluator.scalar(substitute(quantity.expansion, {quantity.name: number(x)})) for x in (0, 1))
        open_ = at_one - at_zero if quantity.name in symbols(quantity.expansion) else 1.0  # else it says all
        return (known[quantity.name] - at_zero) / open_

    return {quantity.name: remainder(quantity) for quantity in own.quantities if quantity.expansion is not None}


@pytest.mark.parametrize(("own", "name"), breadth(with_quantities(), lambda own, name: name in ("vp", "edm", "cld")))
def test_what_an_expansion_leaves_open_stays_bounded_and_converges(own, name):
    """As steps are halved its values at common times tend to a limit, faster than they would to none.

    The largest may still rise as the grid comes nearer to its ends. Differences of quotients lose digits, 1e-16 over
    the square of a step.
    """
    on, begin = process(name), len(own.steps.start)  # before which weights of past values may not be there
    coarse, fine, finest = (remainders(own, on, steps) for steps in (512, 1024, 2048))
    for quantity, values in coarse.items():
        value = values[begin:]
        common = fine[quantity][1::2][begin : len(values)], finest[quantity][3::4][begin : len(values)]
        assert np.abs(finest[quantity][begin:]).max() < 1.25 * np.abs(value).max() + 1e-6, quantity
        first, second = np.abs(common[0] - value).max(), np.abs(common[1] - common[0]).max()
        assert second <= 0.6 * first + 1e-6, quantity


def test_an_expansion_that_is_wrong_does_not_pass():
    """d = 1 + h d and a = a h leave what grows as 1/h."""
    for text, wrong in (("euler-ancestral", 1 + h * d), ("euler-churn", h * symbol("a"))):
        own = scheme(text)
        own = replace(own, quantities=(replace(own.quantities[0], expansion=wrong),))
        (coarse,), (fine,) = (remainders(own, EDM(), steps).values() for steps in (512, 1024))
        assert np.abs(fine).max() > 1.9 * np.abs(coarse).max()


def test_every_step_quantity_of_the_catalogue_has_an_expansion():
    """Given, or derived from a rule that is an entry: nothing of the catalogue is proved or refused unread.

    Those that drop out where both outputs of an evaluation agree grow as 1/h, and no proof reads them.
    """
    for own in catalogue():
        for quantity in own.agreed.quantities:
            expansion(own, quantity)
        for quantity in set(own.quantities).difference(own.agreed.quantities):
            with pytest.raises(NotAnalysedError, match="does not stay bounded"):
                expansion(own, quantity)


# --- rules that are entries


def test_the_expansion_of_a_rule_in_the_noise_levels_is_derived():
    """1 - h/s over a step of noise level, exp(-h) over one of log-SNR, of first order in any other clock."""
    fall = StepQuantity("fall", s_end / s)
    step = tableau([0], [[]], [symbol("fall") * phi(1)])

    def derived(clock, frozen="noise"):
        own = Scheme("mine", "t", "t", step, frozen, clock, kinds="scalar", quantities=(fall,))
        return expansion(own, fall)

    def value(entry, **scalars):
        given = {name: number(x) for name, x in scalars.items()}
        return float(substitute(entry, given).value)

    assert value(derived("noise-level"), s=3, h="1/4") == pytest.approx(1 - 1 / 12, abs=1e-15)
    assert value(derived("log-snr", "data"), h="1/4") == pytest.approx(np.exp(-1 / 4), abs=1e-12)  # 4^-10/10!
    assert value(derived("time", "drift"), fall=2, h="1/4") == 1 - 2 / 4


def test_a_rule_that_is_an_entry_runs_as_its_function_does():
    """s_end / s is the quotient of the noise levels at both ends, down to 0."""
    own, on = scheme("iia-ddim(two)"), EDM()
    times = grid("rho(7, zero=1)", on, 6)
    found = step_quantities(own, problem_of(own, on), times, np.arange(6), own.parameters())["fall"]
    np.testing.assert_array_equal(found, times[1:] / times[:-1])


# --- what proofs make of them


def consistency(rule, **given):
    """The sampler of consistency models: to the data and back up by all the noise of the next level."""
    step = ancestral(tableau([0], [[]], [phi(1)]), d)
    quantity = StepQuantity("d", rule, **given)
    claims = Claims(sde_weak=1)
    return Scheme(
        "consistency", "t", "t", step, "noise", "noise-level", reference=d - 1, quantities=(quantity,), claims=claims
    )


def gap(own, steps):
    """Wasserstein-2 distance of a run's law from the exact one, data N(0, 1) on EDM."""
    law, on = Gaussian(np.zeros(1), np.eye(1)), EDM()
    times = grid("rho(7)", on, steps)
    end = moments(lower(own, on, times), law=law, start=exact_marginal(on, law, times[0]))
    return wasserstein2(end, exact_marginal(on, law, times[-1]))


def test_a_rule_that_grows_as_the_step_falls_is_not_analysed():
    """The consistency sampler, d = s/(s - s'), tends to no law of the reverse SDE, and its rule says why."""
    own = consistency(s / (s - s_end))
    assert [gap(own, steps) for steps in (4, 16, 64, 256)] == pytest.approx([0.628, 0.393, 0.324, 0.302], abs=1e-3)
    found = verify(own)
    assert (found.verdict, found.ok, found.derived["sde_weak"], found.run) == ("not analysed", False, None, None)
    assert "the step quantity d = s/(s - s_end) does not stay bounded as the step falls in length" in found.why
    with pytest.raises(NotAnalysedError, match="does not stay bounded"):
        StepInClock(own).step  # noqa: B018


def test_a_rule_of_which_nothing_is_said_is_not_analysed():
    """The same rule as a function, which no proof reads."""

    def rule(problem, t, index, values):
        level = problem.process.level(t)
        return level[index] / (level[index] - level[index + 1])

    found = verify(consistency(rule))
    assert (found.verdict, found.ok) == ("not analysed", False)
    assert "nothing is known of the step quantity d" in found.why


def test_with_a_constant_the_same_step_is_of_weak_order_1():
    """d = 3, as an expansion says: the law converges, and the proof is true."""
    own = consistency(lambda problem, t, index, values: np.full(len(index), 3.0), expansion=number(3))
    found = verify(own)
    assert (found.verdict, found.derived["sde_weak"]) == ("proved", 1)
    assert np.log2(gap(own, 256) / gap(own, 1024)) / 2 == pytest.approx(1, abs=0.05)


def test_the_fit_to_a_gaussian_is_of_order_2():
    """bend = 1 + O(h): what is left is of third order, and names the power of h that it has from there."""
    found = verify(scheme("gauss-fit-2m"))
    assert (found.derived["classical"], found.derived["stiff_weak"], found.run) == (2, 2, 2)
    residuals = {row["tree"]: row["value"] for row in found.residuals}
    assert residuals["h N e_t"] == "bend/2"
    assert {row["order"] for row in found.residuals} == {3}


def test_quantities_of_different_steps_are_different_numbers():
    """A predictor weighed with q = 1 + h q keeps Adams-Moulton's order 2; a step back q bears a prime and h is r0 h."""
    q = symbol("q")
    first, inner = (predict_correct([q * phi(1)], [phi(1) / 2, phi(1) / 2], 0, first) for first in (True, False))
    quantity = StepQuantity("q", lambda *given: np.ones(1), expansion=1 + h * q)
    own = Scheme("mine", "t", "t", Steps(inner, (first,)), "drift", "time", quantities=(quantity,))
    assert step_symbols(StepInClock(own).step) == {"q", "h"}
    assert step_symbols(StepInClock(own).previous.step) == {"q'", "h", "r0"}
    found = verify(own)
    assert found.derived["classical"] == 2
    assert {"order": 3, "tree": "h N e'[N e]", "value": "(q + q'*r0**2)/2"} in found.residuals


def test_a_fitted_coefficient_proves_no_claim():
    """Its values are a table's: what is derived holds where they stay bounded, and the claim stays open."""
    own = replace(scheme("iia-ddim(two)"), claims=Claims(classical=1))
    found = verify(own)
    assert (found.derived["classical"], found.verdict, found.ok) == (1, "not analysed", False)
    assert "kappa_0, kappa_1 are fitted" in found.why


def test_a_reading_with_an_unbounded_quantity_says_why_it_is_not_analysed():
    """roba(tbar): w, the middle of the step over its length, has h below; the claim is recorded as one that fails."""
    found = verify(scheme("roba(tbar)"))
    assert (found.verdict, found.ok, found.derived["sde_weak"]) == ("not analysed", True, None)
    assert "w = w/h does not stay bounded" in found.why


def test_a_weight_that_grows_where_a_bounded_quantity_does_not_is_not_analysed():
    """1/(d - 1) with d = 1 + h d: no entry stays bounded for being made of what does."""
    step = ancestral(tableau([0], [[]], [phi(1) / (d - 1)]), 2)
    quantity = StepQuantity("d", lambda *given: np.ones(1), expansion=1 + h * d)
    claims = Claims(sde_weak=1)
    own = Scheme(
        "m", "t", "t", step, "noise", "noise-level", reference=number(1), quantities=(quantity,), claims=claims
    )
    found = verify(own)
    assert (found.verdict, found.ok) == ("not analysed", False)
    assert "does not stay bounded as h falls to 0" in found.why


REFUSED = [
    ("rule", StepQuantity("d", symbol("x") / s), "the rule of d reads 'x'; it may read parameters and s and s_end"),
    ("expansion", StepQuantity("d", s, expansion=symbol("x")), "the expansion of d reads 'x'; it may read parameters"),
    ("code", StepQuantity("d", s, expansion=lambda: 1), "the expansion of d is <function .*, no scalar entry"),
    ("block", StepQuantity("d", phi(1)), "the rule of d is .*, no scalar entry"),
]


@pytest.mark.parametrize(("what", "quantity", "sentence"), REFUSED, ids=[case[0] for case in REFUSED])
def test_an_expansion_reads_only_what_a_step_has(what, quantity, sentence):
    """Parameters, step ratios, h and its own name; a rule the two noise levels."""
    with pytest.raises(InputError, match=sentence):
        Scheme("m", "t", "t", ancestral(tableau([0], [[]], [phi(1)]), d), "noise", "noise-level", reference=d - 1,
               quantities=(quantity,))  # fmt: skip


def test_a_parameter_is_not_called_as_a_noise_level_of_a_rule():
    """s in a rule is the noise level at the start of the step."""
    with pytest.raises(InputError, match="'s' is a noise level in the rule of d; give the parameter another name"):
        Scheme("m", "t", "t", ancestral(tableau([0], [[]], [phi(1)]), d), "noise", "noise-level", reference=d - 1,
               params=(Param("s", 1),), quantities=(StepQuantity("d", s / s_end),))  # fmt: skip
