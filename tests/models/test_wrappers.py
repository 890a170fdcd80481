"""Guided, clipped and thresholded networks are what their papers say, in every prediction, and count as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample
from numtoolkit.arrays import join
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.problem.predictions import convert, outputs
from tests.support.sampling_cases import EPS, GRIDS, cubic

WITH, WITHOUT = Gaussian([1.0, -0.5], 0.25), Gaussian([0.25, 0.5], 0.25)
SCALE = 2.5
RUN = {"nfe": 8, "seeds": range(4), "dtype": np.float64}


def predicting(law, what, on):
    """The exact network of a law, predicting what it is told to."""

    def function(z, t):
        blocks = [z] if on.blocks == 1 else [z[:, 0], z[:, 1]]
        y, s = on.observe(blocks, float(t[0]))
        P, Q = (X[0] for X in convert("data", what, on, t[:1]))
        data = law.denoise(y, s)
        out = [sum(p * x for p, x in zip(P[i], blocks, strict=True)) + Q[i, 0] * data for i in range(len(P))]
        return join(out)

    return Network(function, what, shape=law.shape)


def labelled(z, t, label):
    """A data prediction that differs by its label; 0 is the null condition."""
    return z * (0.5 + 0.01 * label[:, None]) + 0.1 * label[:, None]


GUIDED = {
    "vp": ("data", "noise", "score", "velocity", "flow"),
    "flow": ("noise", "flow"),
    "psld": ("data", "noise", "noise-r"),
}


@pytest.mark.parametrize(("name", "what"), [(name, what) for name, each in GUIDED.items() for what in each])
def test_guidance_between_gaussians_of_one_covariance_is_a_gaussian(name, what):
    """u + w (c - u) is then the exact network of N(m_u + w (m_c - m_u), C), in whatever prediction it is combined.

    Means of size 1 and states of size at most 5 in 8 evaluations, whose coefficients stay below 1e3: 1e4 eps.
    """
    on = process(name)
    own = "gddim" if on.blocks == 2 else "dpmpp-2m"
    mean = WITHOUT.mean + SCALE * (WITH.mean - WITHOUT.mean)
    guided = predicting(WITH, what, on).guided(SCALE, predicting(WITHOUT, what, on))
    found, exact = (sample(own, on, net, GRIDS[name], **RUN).samples for net in (guided, Gaussian(mean, 0.25)))
    assert np.abs(found - exact).max() < 1e4 * EPS


def test_the_flow_of_a_guided_gaussian_is_its_closed_form():
    """dy/ds = (y - D_g)/s with variances v_c, v_u and one mean m has y - m grow as (v_u + s^2)^((1-w)/2) times
    (v_c + s^2)^(w/2), and a scheme of order 2 comes 4 times nearer with twice the steps."""
    v_c, v_u, w, start = 0.25, 1.0, 2.5, np.array([[3.0], [-40.0]])
    guided = Network.of(Gaussian([0.5], v_c)).guided(w, Network.of(Gaussian([0.5], v_u)))
    grown = np.array([(v_u + s**2) ** ((1 - w) / 2) * (v_c + s**2) ** (w / 2) for s in (20.0, 0.1)])
    exact = 0.5 + (start - 0.5) * grown[1] / grown[0]
    errors = []
    for steps in (80, 160):
        times = np.geomspace(20.0, 0.1, steps + 1)
        errors.append(np.abs(sample("res-2s", "edm", guided, times, start=start).samples / exact - 1).max())
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.3)


def test_conditions_and_negative_are_the_two_predictions():
    """out = u + w (c - u): the bits of the function that combines them itself, and two calls of it an evaluation."""
    labels, network = [3, 1, 2], Network(labelled, "data")
    own = {**RUN, "seeds": range(3), "shape": 2, "conditions": labels}
    found = sample("heun-edm", "edm", network.guided(SCALE, 0), "rho", **own)

    def by_hand(z, t, label):
        u, c = labelled(z, t, label * 0), labelled(z, t, label)
        return u + (c - u) * SCALE

    assert found.samples.tolist() == sample("heun-edm", "edm", Network(by_hand, "data"), "rho", **own).samples.tolist()
    assert (network.calls, found.nfe) == (16, 8)
    (about,) = found.provenance["output"]
    assert (about["guided"], about["network_calls"]) == (SCALE, 16)


@pytest.mark.parametrize(
    ("negative", "seen"),
    [
        (None, "NoneType"),
        (7, "ndarray (4,)"),
        ("", "list (4,)"),
        (np.zeros((5, 2)), "ndarray (4, 5, 2)"),
        (torch.zeros(5), "Tensor (4, 5)"),
    ],
)
def test_one_negative_stands_for_every_sample(negative, seen):
    """As often as the tile has samples, in the run's library; None as it is."""
    told = []

    def network(z, t, condition):
        size = "" if condition is None else f" {tuple(np.shape(condition))}"
        told.append(type(condition).__name__ + size)
        return z * 0.5

    dtype = torch.float32 if isinstance(negative, torch.Tensor) else np.float64
    given = {**RUN, "dtype": dtype, "conditions": list("abcd"), "shape": 2}
    sample("ddim", "vp", Network(network, "data").guided(2, negative), "log-snr", **given)
    assert told == ["list (4,)", seen] * 8


def test_a_negative_by_name_goes_by_name():
    """A dict is handed on by its names."""
    network = Network(lambda z, t, *, label: labelled(z, t, label), "data")
    given = {**RUN, "shape": 2}
    found = sample(
        "ddim", "vp", network.guided(2, {"label": 0}), "log-snr", conditions={"label": [1, 2, 3, 4]}, **given
    )
    same = sample("ddim", "vp", Network(labelled, "data").guided(2, 0), "log-snr", conditions=[1, 2, 3, 4], **given)
    assert found.samples.tolist() == same.samples.tolist()


def test_a_weaker_network_guides_with_the_same_conditions():
    """Autoguidance: the other network sees the labels, if it takes them."""
    weak = Network(lambda z, t, label: labelled(z, t, label) * 0.5, "data")
    both = Network(lambda z, t, label: labelled(z, t, label) * (0.5 + 2 * 0.5), "data")
    given = {**RUN, "shape": 2, "conditions": [1, 2, 3, 4]}
    found = sample("ddim", "vp", Network(labelled, "data").guided(2, weak), "log-snr", **given).samples
    np.testing.assert_allclose(found, sample("ddim", "vp", both, "log-snr", **given).samples, rtol=1e-12)


@pytest.mark.parametrize("name", ["vp", "edm", "psld"])
def test_guidance_acts_in_its_interval_alone(name):
    """Where low < sigma/alpha <= high, both ends as said: one call more there, and none elsewhere."""
    on = process(name)
    levels = []
    weak = Network(lambda y, s: (levels.append(float(s[0])), y * 0.5)[1], "data", sees="observation")
    main = Network.of(Gaussian([0.0, 0.0], 0.25))
    times = np.linspace(on.T, on.t_min, 5)
    low, high = (float(on.level(times[n : n + 1])[0]) for n in (3, 1))
    run = {"start": np.ones((3, 2) if on.blocks == 1 else (3, 2, 2))}
    own = "gddim" if on.blocks == 2 else "ddim"
    found = sample(own, on, main.guided(2, weak, interval=(low, high)), times, **run)
    np.testing.assert_allclose(levels, on.level(times)[[1, 2]], rtol=1e-9)
    assert found.provenance["output"][0]["network_calls"] == 4 + 2
    never = sample(own, on, main.guided(2, weak, interval=(1e5, 1e6)), times, **run).samples
    assert never.tolist() == sample(own, on, main, times, **run).samples.tolist()


def test_scale_one_is_the_network_itself():
    """The same bits, and one call an evaluation."""
    network = Network(labelled, "data")
    given = {**RUN, "shape": 2, "conditions": [1, 2, 3, 4]}
    guided = sample("ddim", "vp", network.guided(1, 0), "log-snr", **given).samples
    assert network.calls == 8
    assert guided.tolist() == sample("ddim", "vp", network, "log-snr", **given).samples.tolist()


@pytest.mark.parametrize("what", ["velocity", "noise"])
@pytest.mark.parametrize("dtype", [np.float64, torch.float32, torch.bfloat16])
def test_rescale_brings_deviations_to_those_with_the_condition(what, dtype):
    """The standard deviation of a sample is phi that of c and 1 - phi that of the guided output (2305.08891 eq. 16)."""
    phi, on, rng = 0.7, process("vp"), np.random.default_rng(0)
    z = rng.standard_normal((3, 4, 5)) * [[[1]], [[2]], [[3]]]
    z = z.astype(dtype) if isinstance(dtype, type) else torch.from_numpy(z).to(dtype)
    c, u = (Network(lambda z, t, k=k: z * k + z[:, :1] * k**2, what) for k in (0.5, 0.2))
    (out,), (plain,), (with_condition,) = (
        net.on(on)([z], 0.5) for net in (c.guided(3, u, rescale=phi), c.guided(3, u), c)
    )
    assert out.dtype == z.dtype
    one, two, three = (np.asarray(x.tolist()).reshape(3, -1) for x in (out, plain, with_condition))
    eps = EPS if dtype is np.float64 else torch.finfo(dtype).eps
    expected = two * (phi * three.std(1) / two.std(1) + 1 - phi)[:, None]
    np.testing.assert_allclose(one, expected, rtol=20 * eps)


CHANGES = {
    "clipped": (lambda net: net.clipped(0.75), lambda x: x.clip(-0.75, 0.75)),
    "thresholded": (
        lambda net: net.thresholded(0.8, 0.6),
        lambda x: np.stack([row.clip(-s, s) * 0.6 / s for row in x for s in [max(np.quantile(np.abs(row), 0.8), 0.6)]]),
    ),
}
CONVERTED = [
    ("vp", "data"), ("vp", "noise"), ("vp", "score"), ("vp", "velocity"), ("edm", "noise"), ("flow", "flow"),
    ("psld", "data"), ("psld", "noise"), ("cld", "noise"),
]  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize(("name", "what"), CONVERTED)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_changed_output_is_changed_in_data_prediction(kind, name, what, library):
    """Whatever the network predicts, its data prediction becomes the changed one, and what the data do not see stays.

    Both conversions at a time of moderate noise: some 1e3 eps.
    """
    on, rng = process(name), np.random.default_rng(1)
    t = 0.4 * on.T if name != "edm" else 1.0
    wrap, formula = CHANGES[kind]
    q = outputs(what, on)
    z, out = (list(rng.standard_normal((count, 3, 7))) for count in (on.blocks, q))
    turn = (lambda a: a) if library == "numpy" else torch.from_numpy
    network = Network(lambda z, t: join([turn(x) for x in out]), what)
    changed = [np.asarray(x) for x in wrap(network).on(on)([turn(x) for x in z], t)]

    def data(blocks):
        P, Q = (X[0, 0] for X in convert(what, "data", on, np.array([t])))
        return sum(c * x for c, x in zip([*P, *Q], [*z, *blocks], strict=True))

    assert np.abs(data(out)).max() > 0.9  # or there were nothing to change
    np.testing.assert_allclose(data(changed), formula(data(out)), atol=1e4 * EPS)
    if q == 2:
        step = np.stack([b - a for a, b in zip(out, changed, strict=True)])
        back = convert("data", what, on, np.array([t]))[1][0, :, 0]
        assert np.abs(step[0] * back[1] - step[1] * back[0]).max() < 1e4 * EPS


def test_changes_of_the_output_compose():
    """Guided and then clipped: the last data prediction of a run that ends at noise level 0 lies in the limits."""
    network = Network(labelled, "data").guided(9, 0).clipped(0.5)
    given = {**RUN, "shape": 2, "conditions": [1, 2, 3, 4]}
    found = sample("dpmpp-2m", "edm", network, "rho(7, zero=1)", **given)
    assert np.abs(found.samples).max() == 0.5
    assert [next(iter(about)) for about in found.provenance["output"]] == ["guided", "clipped"]


def test_a_learned_variance_is_dropped():
    """A network of twice the channels gives the bits of its first half; one of another shape is refused."""

    def wide(z, t):
        return torch.cat([z * 0.5, z * 9.0], 1)

    given = {"nfe": 4, "seeds": range(2), "shape": (3, 4, 4)}
    found = sample("ddim", "vp", Network(wide, "noise", learned_variance=True), "log-snr", **given).samples
    plain = sample("ddim", "vp", Network(lambda z, t: z * 0.5, "noise"), "log-snr", **given).samples
    assert torch.equal(found, plain)
    with pytest.raises(InputError, match="learned_variance=True"):
        sample("ddim", "vp", Network(wide, "noise"), "log-snr", **given)
    with pytest.raises(InputError, match=r"needed, twice the channels; leave learned_variance out"):
        sample("ddim", "vp", Network(lambda z, t: z, "noise", learned_variance=True), "log-snr", **given)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda net: net.guided(float("nan")), ["scale = nan"]),
        (lambda net: net.guided(2, rescale=1.5), ["rescale = 1.5"]),
        (lambda net: net.guided(2, interval=(2, 1)), ["(2, 1)", "low < high"]),
        (lambda net: net.guided(2, interval=(2, float("nan"))), ["interval = nan"]),
        (lambda net: net.guided(2, interval=(2, "5")), ["interval = '5'"]),
        (lambda net: net.guided(2, interval=2), ["interval = 2"]),
        (lambda net: net.guided("4"), ["scale = '4'"]),
        (lambda net: net.clipped("1"), ["limit = '1'"]),
        (lambda net: net.thresholded(None), ["quantile = None"]),
        (lambda net: net.guided(2, Network(cubic, "noise")), ["'data'", "'noise'"]),
        (lambda net: net.clipped(0), ["limit = 0"]),
        (lambda net: net.thresholded(1.5), ["quantile = 1.5"]),
        (lambda net: net.thresholded(limit=-1), ["limit = -1"]),
    ],
)
def test_wrappers_refuse_numbers_out_of_range_and_no_numbers(make, names):
    """One sentence that names it."""
    with pytest.raises(InputError) as refused:
        make(Network(cubic, "data"))
    assert all(name in str(refused.value) for name in names)


def test_rescale_leaves_a_constant_output_alone():
    """A sample whose guided numbers are all the same has no deviation to bring to another."""
    z = np.arange(6.0).reshape(2, 3)
    network = Network(lambda z, t: z * 0 + 1, "data")
    out = network.guided(2, Network(lambda z, t: z * 0, "data"), rescale=0.5).on(process("vp"))([z], 0.5)
    assert out[0].tolist() == [[2.0] * 3] * 2


def test_rescale_of_a_sample_of_one_number_is_refused():
    """It has no deviation."""
    network = Network(lambda z, t: z, "data")
    with pytest.raises(InputError, match="which has one"):
        network.guided(2, network, rescale=0.5).on(process("vp"))([np.ones((3, 1))], 0.5)


def test_a_wrapped_law_is_an_exact_network_still():
    """What has no conditions is told none: `replace` keeps the wrapper a plain dataclass."""
    guided = Network.of(WITH).guided(2, Network.of(WITHOUT))
    assert replace(guided, scale=1.0).shape == WITH.shape == guided.clipped().shape
    assert guided.name == WITH.name == guided.thresholded().name


def test_both_outputs_are_clipped():
    """Of a guided network under a wrapper: the guided one and the unguided one, each."""
    strong, weak = Network(lambda z, t: z * 9, "data"), Network(lambda z, t: z * -7, "data")
    call = strong.guided(2, weak).clipped(0.5).on(process("vp"), both=True)
    assert [block.tolist() for block in call([np.ones((1, 2))], 0.5)] == [[[0.5, 0.5]], [[-0.5, -0.5]]]


def test_a_threshold_below_the_limit_leaves_the_data_alone():
    """The bits of what lies within: s is the limit then."""
    z = np.random.default_rng(0).uniform(-1, 1, (3, 9))
    call = Network(lambda z, t: z, "data").thresholded(0.5, 1.0).on(process("vp"))
    assert call([z], 0.5)[0].tolist() == z.tolist()


def test_a_network_that_is_not_guided_is_called_once():
    """At scale 1 the result says as many calls as there are evaluations."""
    network = Network(labelled, "data").guided(1, 0)
    (about,) = sample("ddim", "vp", network, "log-snr", **RUN, shape=2, conditions=[1, 2, 3, 4]).provenance["output"]
    assert about["network_calls"] == 8
