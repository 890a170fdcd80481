"""A network that does not predict what is said of it shows it, and one that does is left alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from numtoolkit import InputError, InputWarning, Network, law, process, suspicion
from numtoolkit.models.suspicion import LEVELS, SHARES, warn_if_suspected
from numtoolkit.problem.predictions import DATA, NOISE_R, PREDICTIONS, convert
from tests.support.tiers import breadth

RUN = [float(t) for t in process("edm").time_of_level(np.array(LEVELS))]
SHIPPED = ("digits-image", "digits-class", "digits-flow", "digits-psld")


def said_of(name):
    """(network, process, what else could be said of it): predictions of as many outputs on its process."""
    own = Network.shipped(name)
    on = own.process or process("edm")
    kin = [p for p in PREDICTIONS.values() if on.kind in p.kinds and p.outputs(on) == own.predicts.outputs(on)]
    return own, on, [p for p in kin if p is not own.predicts]


PAIRS = [(name, wrong) for name in SHIPPED for wrong in said_of(name)[2]]


@pytest.mark.parametrize(
    ("name", "wrong"), breadth(PAIRS, lambda name, wrong: name == "digits-image" or wrong is NOISE_R)
)
def test_every_wrong_prediction_of_a_shipped_network_is_suspected(name, wrong):
    """The data, noise, score, velocity or flow said of one of the others, in image space and in phase space."""
    own, on, _ = said_of(name)
    claim = Network(own.function, wrong, time="float", dtype="float32", shape=own.shape, name="net")
    with pytest.warns(InputWarning, match=f"^network net hardly predicts '{wrong.name}', for "):
        assert warn_if_suspected(claim, on).suspected


@pytest.mark.parametrize("name", breadth(SHIPPED, lambda name: name in ("digits-image", "digits-psld")))
def test_what_a_shipped_network_predicts_is_not_suspected(name):
    """It is a better denoiser of what it makes of noise than a linear one, at every level; each call is counted."""
    own = Network.shipped(name)
    found = warn_if_suspected(own)
    assert not found.suspected
    assert max(found.excess) < 0.6
    assert own.calls == len(LEVELS) + len(SHARES)
    assert found.evaluations == 32 * own.calls


def exact(of, wanted, on):
    """The network of a law that says the prediction `wanted` on a process."""
    denoise = Network.of(of).on(on)

    def function(z, t):
        blocks = [z] if on.blocks == 1 else [z[:, 0], z[:, 1]]
        (data,) = denoise(blocks, t)
        P, Q = (part[0] for part in convert(DATA, wanted, on, np.array([t])))
        out = [sum(p * b for p, b in zip(P[i], blocks, strict=True)) + Q[i, 0] * data for i in range(len(P))]
        return out[0] if len(out) == 1 else np.stack(out, 1)

    return Network(function, wanted, time="float", shape=of.shape, process=on)


LAWS = ("gaussian(dim=64)", "digits", "mixture(dim=8)", "mixture(dim=2)", "ring")
CASES = [
    (of, on, each.name)
    for of in LAWS
    for on in ("edm", "vp", "flow", "sd", "psld", "cld")
    for each in PREDICTIONS.values()
    if process(on).kind in each.kinds and (on, each.name) != ("cld", "flow")  # which says nothing of a score there
]


@pytest.mark.parametrize(
    ("of", "on", "wanted"), breadth(CASES, lambda of, on, wanted: (of, wanted) == ("mixture(dim=8)", "noise"))
)
def test_no_prediction_of_a_law_is_suspected(of, on, wanted):
    """Whatever is exact passes: every prediction, on every process, of laws with structure and without."""
    assert not suspicion(exact(law(of), PREDICTIONS[wanted], process(on))).suspected


def test_what_a_network_makes_of_noise_is_made_by_ddim():
    """On EDM each of the five states is D + s' (z - D) / s of the one before, to rounding."""
    told = []

    def network(y, s):
        told.append((y, s, np.tanh(y)))
        return np.tanh(y)

    suspicion(Network(network, "data", sees="observation", time="float", shape=(3,)))
    assert [s for _, s, _ in told[:5]] == pytest.approx(LEVELS)
    for (y, s, data), (then, low, _) in pairwise(told[:5]):
        np.testing.assert_allclose(then, data + low * (y - data) / s, rtol=0, atol=1e-13)


def test_data_that_are_known_say_more():
    """A denoiser of other data passes on its own samples, and is seen on those that are given."""
    mixture = law("mixture(dim=8)")
    other = Network(lambda z, t: mixture.denoise(z - 3, t) + 3, "data", sees="observation", time="float", shape=(8,))
    data = mixture.sample(32, 0)
    assert not suspicion(other).suspected
    assert not suspicion(Network.of(mixture), data=data).suspected
    found = suspicion(other, data=data)
    assert not found.denoises
    assert found.predicts == "data"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda z, t: 0 * z, "as such it makes one and the same of all noise"),
        (lambda z, t: 0 * z + 0.1, "as such it makes one and the same of all noise"),
        (lambda z, t: z * np.nan, "a run of it as such leaves the finite numbers"),
        (lambda z, t: z * 1e200, "a run of it as such leaves the finite numbers"),
        (lambda z, t: np.where(t == 20, np.nan, z), "a run of it as such leaves the finite numbers"),
        (lambda z, t: z * np.where(t in RUN, 1, np.nan), "a run of it as such leaves the finite numbers"),
    ],
    ids=["zero", "constant", "not a number", "overflow", "once", "beside the run"],
)
def test_a_network_that_answers_nothing_of_use_is_suspected(function, said):
    """One that is always the same, is not a number, or overflows: in words, without a number that is none."""
    found = suspicion(Network(function, "data", time="float", shape=(4,)), "edm")
    assert found.suspected
    assert found.sentence("net").startswith(f"network net hardly predicts 'data', for {said}")
    asked = found.deviation > 0 and np.isfinite(found.deviation)
    assert found.evaluations == 32 * (len(LEVELS) + asked * len(SHARES))


def test_a_network_is_asked_where_its_parameters_are_and_told_its_conditions():
    """On tensors of its dtype, without autograd, with the first condition for all samples."""

    class Told(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.share, self.told = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64)), []

        def forward(self, z, t, label):
            self.told.append((z.dtype, torch.is_grad_enabled(), set(label.tolist())))
            return z / (1 + t[:, None] ** 2) * self.share

    module = Told().eval()
    network = Network(module, "data", sees="observation", shape=(5,))
    assert not suspicion(network, conditions=[3, 4]).suspected
    assert set(map(str, module.told)) == {str((torch.float64, False, {3}))}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "does not say the shape of a sample"),
        ({"shape": (0,)}, "shape = 0 is no whole number"),
        ({"shape": (2,), "data": np.eye(3, 4)}, r"samples of shape \(4,\), but the network takes \(2,\)"),
        ({"data": np.zeros((1, 4))}, r"float64 of shape \(1, 4\); give two samples or more"),
        ({"shape": (4,), "data": np.ones((3, 4))}, "data are 3 times one sample, which tells no denoiser"),
        ({"shape": (2,), "process": "nothing"}, "unknown process 'nothing'"),
        ({"shape": (2,), "seed": -1}, "seed = -1 is no whole number >= 0"),
    ],
)
def test_what_cannot_be_asked_of_a_network_is_one_sentence(given, said):
    """Its shape, its data, its process, the seed."""
    with pytest.raises(InputError, match=said):
        suspicion(Network(lambda z, t: z, "data", time="float"), **given)
