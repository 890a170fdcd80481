"""CFG++: the schemes that they are where both outputs agree, and what they do where these differ."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import Network, error_curve, process, sample, stepper, verify
from numtoolkit.declare.entries import ONE, flow, phi, symbol
from numtoolkit.declare.forms import combine, evaluate, moved_by_guidance, tableau, written
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.declare.steps import Step
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure import moments
from numtoolkit.measure.stability import extents
from numtoolkit.problem.predictions import convert
from numtoolkit.program.canonical import canonical
from numtoolkit.program.runs import program_of
from numtoolkit.program.walk import follow
from numtoolkit.schemes import catalogue, scheme
from tests.support.sampling_cases import EPS, cubic
from tests.support.tiers import breadth

FAMILY = [own for own in catalogue() if own.family == "CFG++"]
WITH, WITHOUT = Gaussian([1.0, -0.5], 0.25), Gaussian([0.25, 0.5], 0.25)
RUN = {"seeds": range(4), "dtype": np.float64}


BASES = {"dpmpp-2sa-cfgpp": "dpmpp-2s-ancestral", "gradient-est-cfgpp": "gradient-estimation"}


def base(own):
    """The scheme without CFG++, with that clock and frozen quantity."""
    plain = scheme(BASES.get(own.name, own.name.removesuffix("-cfgpp")))
    return Scheme("base", "t", "t", plain.steps, own.frozen, own.clock, "scalar", reference=plain.reference,
                  params=plain.params, quantities=plain.quantities)  # fmt: skip


def predicting(law, what, on):
    """The exact network of a law, predicting what it is told to."""

    def function(z, t):
        P, Q = (X[0, 0, 0] for X in convert("data", what, on, t[:1]))
        return P * z + Q * law.denoise(*on.observe([z], float(t[0])))

    return Network(function, what, shape=law.shape)


@pytest.mark.parametrize("own", breadth(FAMILY), ids=lambda own: own.name)
def test_where_both_outputs_agree_each_is_its_base_entry_for_entry(own):
    """The very steps, whose orders are proved; and the verdict says that it is about no more."""
    assert own.both
    assert own.agreed.steps == base(own).steps
    assert own.agreed.quantities == base(own).quantities
    verdict, plain = verify(own), verify(base(own))
    assert (verdict.derived, verdict.ends, verdict.run, verdict.verdict) == (
        plain.derived, plain.ends, plain.run, "proved"
    )  # fmt: skip
    assert "where they differ each step moves by their difference however short it is" in verdict.where
    assert plain.where == ""


@pytest.mark.parametrize("own", breadth(FAMILY), ids=lambda own: own.name)
@pytest.mark.parametrize("name", ["vp", "edm", "flow"])
def test_unguided_runs_are_those_of_the_base(own, name):
    """Exact moments of a Gaussian law, whose network has no guidance: to rounding those of the base.

    What cancels is g h alpha (E - U), of size 10 on these grids, in 8 steps.
    """
    one, two = (moments(each, name, WITH, "log-snr", steps=8) for each in (own, base(own)))
    np.testing.assert_allclose(one.mean, two.mean, atol=1e3 * EPS)
    np.testing.assert_allclose(one.covariance, two.covariance, atol=1e3 * EPS)


@pytest.mark.parametrize("name", ["vp", "flow", "edm"])
@pytest.mark.parametrize("grid", ["log-snr", "log-snr(zero=1)"])
def test_ddim_cfgpp_is_ddim_with_a_scale_that_grows_as_steps_fall(name, grid):
    """Each step is DDIM's with classifier-free guidance of scale w / (1 - s'/s), at s' = 0 of scale w."""
    w, on = 0.6, process(name)
    guided = Network.of(WITH).guided(w, Network.of(WITHOUT))
    found = sample("ddim-cfgpp", on, guided, grid, 6, **RUN)
    times, levels = found.program.times, on.level(found.program.times)
    scale = w / (1 - levels[1:] / levels[:-1])
    state = None
    for n in range(6):
        net = Network.of(WITH).guided(float(scale[n]), Network.of(WITHOUT))
        begin = RUN if state is None else {"start": state}
        state = sample("ddim", on, net, times[n : n + 2], **begin).samples
    np.testing.assert_allclose(found.samples, state, atol=1e5 * EPS * np.abs(state).max())


def test_weights_in_proportion_to_the_step_follow_the_guided_flow():
    """w = k h with k = 2: the end tends to that of the flow guided with scale 2, which is a Gaussian's, at first order.

    With one w for all steps twice the steps move the mean nearly twice as far: there is no limit.
    """
    k, ends, moved = 2.0, [], []
    exact = Gaussian(WITHOUT.mean + k * (WITH.mean - WITHOUT.mean), 0.25)
    start = np.array([[0.3, -1.0]]) * 20.0
    fine = np.geomspace(20.0, 0.1, 2001)
    far, unguided = (sample("res-2s", "edm", law, fine, start=start).samples for law in (exact, WITHOUT))
    for steps in (100, 200, 400):
        times = np.geomspace(20.0, 0.1, steps + 1)
        h = float(np.log(times[0] / times[1]))
        at_rate = Network.of(WITH).guided(k * h, Network.of(WITHOUT))
        fixed = Network.of(WITH).guided(0.5, Network.of(WITHOUT))
        ends.append(np.abs(sample("ddim-cfgpp", "edm", at_rate, times, start=start).samples - far).max())
        moved.append(np.abs(sample("ddim-cfgpp", "edm", fixed, times, start=start).samples - unguided).max())
    assert ends[0] / ends[1] == pytest.approx(2, abs=0.1) == pytest.approx(ends[1] / ends[2], abs=0.1)
    assert moved[1] / moved[0] == pytest.approx(2, abs=0.1) == pytest.approx(moved[2] / moved[1], abs=0.1)


def test_a_run_sees_both_outputs_of_every_prediction():
    """Noise, velocity and flow networks give the samples of the data network: the second output is converted too."""
    on, w = process("vp"), 0.7
    ends = []
    for what in ("data", "noise", "velocity", "flow", "score"):
        nets = [predicting(law, what, on) for law in (WITH, WITHOUT)]
        found = sample("dpmpp-2m-cfgpp", on, nets[0].guided(w, nets[1]), "log-snr", 8, denoise=True, **RUN)
        assert (found.nfe, nets[0].calls, nets[1].calls) == (8, 8, 8)
        assert found.provenance["output"][-1]["network_calls"] == 16
        ends.append(found.samples)
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], atol=1e4 * EPS)


def test_outside_its_interval_the_scheme_is_its_base():
    """There both outputs are the conditional one, of one call."""
    guided = Network.of(WITH).guided(0.7, Network.of(WITHOUT), interval=(1e8, 1e9))
    one = sample("dpmpp-2m-cfgpp", "vp", guided, "log-snr", 8, **RUN)
    two = sample("dpmpp-2m", "vp", WITH, "log-snr", 8, **RUN)
    np.testing.assert_allclose(one.samples, two.samples, atol=1e3 * EPS)
    assert guided.calls == 8


def test_scale_one_is_no_base_scheme():
    """At w = 1 the noise that is added back is the unguided one still."""
    guided = Network.of(WITH).guided(1.0, Network.of(WITHOUT))
    one = sample("ddim-cfgpp", "vp", guided, "log-snr", 8, **RUN).samples
    assert np.abs(one - sample("ddim", "vp", WITH, "log-snr", 8, **RUN).samples).max() > 0.1
    assert guided.calls == 16


@pytest.mark.parametrize("network", [WITH, Network(cubic, "data"), Network.of(WITH).clipped()], ids=lambda n: n.name)
def test_a_network_of_one_output_is_refused(network):
    """One sentence with the remedy."""
    with pytest.raises(InputError, match=r"which network .* does not tell apart; give network\.guided\(scale"):
        sample("ddim-cfgpp", "vp", network, "log-snr", 4, seeds=range(2), shape=2)


def test_the_canonical_form_has_a_column_for_each_output():
    """One step on the noise levels 2 to 1, alpha = 1: y' = (y - U)/2 + G."""
    form = canonical(program_of("ddim-cfgpp", "edm", [2.0, 1.0]))
    np.testing.assert_allclose(form.final, [[0.5, 1.0, -0.5, 0.0]], atol=4 * EPS)


def test_a_scheme_may_weigh_two_outputs_as_a_step_does():
    """A second output with a share of h jumps nowhere: nothing is proved where they differ, and no more is said."""
    items = (
        evaluate("E0", unguided="U0"),
        combine("out", 1, y=flow(), E0=phi(1) * 2, U0=-phi(1)),
    )
    own = Scheme("twice", "t", "t", written(list(items), "out"), "data", "log-snr", claims=Claims(classical=1))
    verdict = verify(own)
    assert (verdict.verdict, verdict.derived["classical"]) == ("proved", 1)
    assert verdict.where.endswith("nothing is proved of steps in which they differ.")


def test_a_second_output_survives_its_file():
    """What is written is read as an equal scheme, and a scheme without one is written without it."""
    own = scheme("dpmpp-2m-cfgpp")
    assert Scheme.from_json(own.to_json()) == own
    assert Scheme.from_json(own.to_json()).steps == own.steps


@pytest.mark.parametrize(
    ("items", "names"),
    [
        ((evaluate("E0", unguided="U0"), combine("out", 1, y=flow(), E0=phi(1))), ["U0", "never used"]),
        ((evaluate("E0", unguided="E0"), combine("out", 1, y=flow(), E0=phi(1))), ["'E0'", "twice"]),
        ((evaluate("E0", unguided="y"), combine("out", 1, y=flow(), E0=phi(1))), ["'y'"]),
        ((evaluate("E0", unguided="U0"), combine("out", 1, y=flow(), E0=phi(1), U0=ONE)), ["U0", "lacks h N"]),
    ],
)
def test_a_second_output_without_a_meaning_is_refused(items, names):
    """As the scheme is made, in one sentence."""
    with pytest.raises(InputError) as refused:
        Scheme("mine", "t", "t", Step(items, "out"), "data", "log-snr")
    assert all(name in str(refused.value) for name in names)


def test_a_step_that_does_not_begin_with_its_evaluation_cannot_be_moved():
    """The second row would see a start that is not there yet."""
    step = tableau([0], [[]], [phi(1)])
    with pytest.raises(InputError, match="evaluates E0 at its start"):
        moved_by_guidance(Step(step.items[1:], "out"), symbol("g"))


def test_ports_hand_on_unguided_predictions():
    """The second step of dpmpp-2m-cfgpp weighs U of the first, by -(1 - s'/s) / (2 r); no weight is on its G."""
    form = canonical(program_of("dpmpp-2m-cfgpp", "edm", [4.0, 2.0, 1.0]))
    first = np.array([0.5, 1.0, -0.5])  # y, G, U of the first step, as the state after it is made of them
    weight = (1 - 0.5) / 2  # both steps halve the level: r = 1
    expected = [0.5 * first[0], 0.5 * first[1], 0.5 * first[2] - weight, 1.0 + weight, -0.5, 0.0]
    np.testing.assert_allclose(form.final, [expected], atol=8 * EPS)


def test_the_denoising_step_takes_the_guided_output():
    """Its own evaluation, of nothing else."""
    form = canonical(program_of("ddim-cfgpp", "edm", [2.0, 1.0], denoise=True))
    np.testing.assert_allclose(form.final, [[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]], atol=EPS)


def test_a_run_by_hand_asks_for_both_outputs():
    """A stepper is sent the blocks of both, as the guided network returns them; one of them is refused."""
    on, guided = process("vp"), Network.of(WITH).guided(0.7, Network.of(WITHOUT))
    walk = stepper("dpmpp-2m-cfgpp", on, guided, "log-snr", 8, **RUN)
    call = guided.on(on, both=True)
    with pytest.raises(InputError, match="but 1 came; send both"):
        walk.send(call(walk.row, walk.time)[:1])
    end = follow(walk, call)[0]
    assert end.tolist() == sample("dpmpp-2m-cfgpp", on, guided, "log-snr", 8, **RUN).samples.tolist()


def test_a_region_of_stability_is_that_of_the_base():
    """Where both outputs agree no coefficient of the grid is left."""
    assert scheme("dpmpp-2m-cfgpp").of_grid == set()
    assert extents("dpmpp-2m-cfgpp") == extents("dpmpp-2m")


def test_an_error_curve_is_that_of_the_base():
    """A law is an exact network without guidance: errors agree to what rounding leaves of them."""
    names = "dpmpp-2m-cfgpp", "dpmpp-2m"
    (one,), (two,) = (error_curve(name, "edm", "mixture(dim=2)", "rho(7)", [5], range(8)) for name in names)
    assert one["error"] == pytest.approx(two["error"], rel=1e-10)
