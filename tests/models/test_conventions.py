"""Networks of other people's code run as they are: those of EDM, PSLD, CLD and diffusers, on tiny models of them."""

from __future__ import annotations

import itertools
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from numtoolkit import InputError, Network, grid, sample, start_noise

SEEDS, EVENT = range(3), (2, 4, 4)


class EDMNet(torch.nn.Module):
    """A denoiser as EDMPrecond is: sigma of any shape, labels as rows, computed in float32."""

    img_channels, img_resolution, label_dim = 2, 4, 3

    def __init__(self):
        super().__init__()
        self.asked = []
        self.weight = torch.nn.Parameter(torch.tensor([0.5, -0.25, 0.125], dtype=torch.float64))
        self.eval()

    def forward(self, x, sigma, class_labels=None, force_fp32=False):
        self.asked.append((x, sigma, class_labels))
        sigma = sigma.reshape(-1, 1, 1, 1)
        labels = torch.zeros(1, 3) if class_labels is None else class_labels.reshape(-1, self.label_dim)
        shift = (labels.to(x.dtype) @ self.weight.to(x.dtype)).reshape(-1, 1, 1, 1)
        return (0.25 * x + shift * sigma) / (0.25 + sigma**2)


def heun_of_edm(net, latents, times, labels):
    """Algorithm 1 of Karras et al. (2022), as their code calls a network: the state at t = 0."""
    x = latents * times[0]
    for n, (now, then) in enumerate(itertools.pairwise(times)):
        slope = (x - net(x, now, labels)) / now
        euler = x + (then - now) * slope
        if n < len(times) - 2:
            end = (euler - net(euler, then, labels)) / then
            euler = x + (then - now) * (slope / 2 + end / 2)
        x = euler
    return x


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        (None, None),
        (1, [[0.0, 1.0, 0.0]]),
        (np.int64(2), [[0.0, 0.0, 1.0]]),
        (torch.tensor([[0.0, 1.0, 0.0]]), [[0.0, 1.0, 0.0]]),
        ([0.0, 0.5, 0.5], [[0.0, 0.5, 0.5]]),
    ],
)
def test_a_network_of_edm_gives_the_samples_of_its_own_sampler(labels, row):
    """In float64, eight steps to t = 0: some 40 roundings, of states up to 80 and data of size 1."""
    net = EDMNet()
    network = Network.edm(net, labels)
    run = sample("heun-edm", "edm", network, "rho(7, zero=1)", steps=8, seeds=SEEDS, dtype=torch.float64)
    assert run.samples.shape == (3, *EVENT)
    assert network.name == "EDMNet"
    asked = net.asked[0][2]
    assert row == (None if asked is None else asked.tolist())
    times = [torch.tensor(t, dtype=torch.float64) for t in grid("rho(7, zero=1)", "edm", 8)]
    exact = heun_of_edm(net, start_noise("edm", SEEDS, EVENT, dtype=torch.float64) / 80, times, asked)
    np.testing.assert_allclose(run.samples.detach(), exact.detach(), rtol=0, atol=40 * 2**-52 * 80)


def test_a_network_of_edm_is_given_the_labels_of_a_run_before_its_own():
    """As a third argument, which is where the network itself takes them."""
    net, rows = EDMNet(), torch.eye(3)
    Network.edm(net, 1).function(torch.zeros(3, *EVENT), torch.ones(3), rows)
    assert net.asked[-1][2] is rows


def stacked(z, t):
    """The network of PSLD below, written for states (batch, 2, *event)."""
    return z.flip(1) * 0.5 + t[:, None, None, None, None]


class PSLDNet:
    """Takes (x, m) on the channel axis, and returns both parts."""

    def __call__(self, u, t):
        x, m = u.chunk(2, 1)
        return torch.cat([m, x], 1) * 0.5 + t[:, None, None, None]


class CLDNet(PSLDNet):
    """Returns the part of the momentum."""

    def __call__(self, u, t):
        return super().__call__(u, t).chunk(2, 1)[1]


@pytest.mark.parametrize("predicts", ["noise", "score"])
def test_a_network_on_channels_gives_the_bits_of_one_on_blocks(predicts):
    """x before m, in and out; the official networks of PSLD predict the noise."""
    run = {"grid": "quadratic", "steps": 4, "seeds": SEEDS, "shape": EVENT, "dtype": torch.float64}
    given = {} if predicts == "noise" else {"predicts": predicts}
    ours = sample("rvv", "psld", Network.channels(PSLDNet(), **given), **run).samples
    assert torch.equal(ours, sample("rvv", "psld", Network(stacked, predicts), **run).samples)


def test_a_network_of_the_momentum_alone_has_nothing_to_say_of_the_position():
    """On CLD, whose noise drives the momentum: a block of zeros, and the run does not depend on it."""

    def padded(z, t, position=0.0):
        out = stacked(z, t)
        return torch.stack([torch.full_like(out[:, 0], position), out[:, 1]], 1)

    run = {"grid": "quadratic", "steps": 4, "seeds": SEEDS, "shape": EVENT, "dtype": torch.float64}
    ours = sample("sscs", "cld", Network.channels(CLDNet()), **run).samples
    assert torch.equal(ours, sample("sscs", "cld", Network(padded, "noise"), **run).samples)
    other = sample("sscs", "cld", Network(partial(padded, position=3.0), "noise", name="padded"), **run).samples
    np.testing.assert_allclose(ours, other, rtol=1e-12)


def test_a_data_prediction_on_channels_has_the_channels_of_the_data():
    """C of them, of a state of 2 C."""
    network = Network.channels(lambda u, t: u[:, :2] * 0.5, "data")
    run = {"grid": "quadratic", "steps": 3, "seeds": SEEDS, "shape": EVENT, "dtype": torch.float64}
    ours = sample("rvv", "psld", network, **run).samples
    assert torch.equal(ours, sample("rvv", "psld", Network(lambda z, t: z[:, 0] * 0.5, "data"), **run).samples)


class Unet(torch.nn.Module):
    """A model as diffusers has them: keyword arguments, an object with a sample."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.asked = []
        self.scale = torch.nn.Parameter(torch.tensor(0.5, dtype=dtype))
        self.eval()

    @property
    def dtype(self):
        """As ModelMixin says it."""
        return self.scale.dtype

    def forward(self, sample, timestep, encoder_hidden_states=None, return_dict=True):
        self.asked.append((timestep, encoder_hidden_states, sample.dtype))
        out = sample * self.scale
        return SimpleNamespace(sample=out) if return_dict else (out,)


LINEAR = {
    "_class_name": "DDIMScheduler",
    "prediction_type": "v_prediction",
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "num_train_timesteps": 1000,
}
MATCHING = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}


@pytest.mark.parametrize("bound", [{}, {"encoder_hidden_states": 7}, {"return_dict": False}])
@pytest.mark.parametrize("scheduler", [LINEAR, SimpleNamespace(config=LINEAR)])
def test_a_model_of_diffusers_is_told_the_timesteps_of_its_scheduler(scheduler, bound):
    """Leading spacing in ten steps: 901, 801, ... in float32 or wider, and the prediction that the scheduler names."""
    module = Unet()
    network = Network.diffusers(partial(module, **bound) if bound else module, scheduler)
    run = {"grid": "leading(1)", "nfe": 10, "seeds": SEEDS, "shape": EVENT, "dtype": torch.float64}
    ours = sample("ddim", LINEAR, network, **run)
    assert [float(t[0]) for t, *_ in module.asked] == [901.0 - 100 * n for n in range(10)]
    assert {extra for _, extra, _ in module.asked} == {bound.get("encoder_hidden_states")}
    assert network.name == "Unet"
    by_hand = Network(lambda z, t: z * 0.5, "velocity")
    assert torch.equal(ours.samples, sample("ddim", LINEAR, by_hand, **run).samples)


def test_a_model_of_a_flow_is_told_a_thousand_times_the_time():
    """As SD3's is; a pipeline that divides by 1000 has a clock of its own."""
    for clock, scale in ((None, 1000.0), (lambda t: t, 1.0)):
        module = Unet()
        network = Network.diffusers(module, MATCHING, **({} if clock is None else {"clock": clock}))
        run = sample("euler", "flow(T=1)", network, "trailing(shift=3)", 4, seeds=SEEDS, shape=EVENT, dtype="float64")
        assert [float(t[0]) for t, *_ in module.asked] == (scale * run.program.times[:-1]).tolist()
        assert network.predicts.name == "flow"


def test_a_half_model_of_diffusers_computes_in_its_own_dtype():
    """The state stays in float32, and so do the timesteps."""
    module = Unet(torch.bfloat16)
    run = sample("ddim", LINEAR, Network.diffusers(module, LINEAR), "leading(1)", 4, seeds=SEEDS, shape=EVENT)
    assert run.samples.dtype == torch.float32
    assert {(seen, t.dtype) for t, _, seen in module.asked} == {(torch.bfloat16, torch.float32)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Network.edm(3), r"called as net\(x, sigma, class_labels\), and an int cannot be"),
        (lambda: Network.channels(None), r"called as net\(u, t\), and a NoneType cannot be"),
        (lambda: Network.diffusers("unet", LINEAR), r"called as module\(z, timestep=t\), and a str cannot be"),
        (lambda: Network.channels(PSLDNet()).function(torch.ones(3, 2), 1), r"shape \(3, 2\) has no blocks"),
        (lambda: Network.diffusers(Unet()), "give its scheduler, or predicts="),
        (lambda: Network.diffusers(Unet(), 3), "scheduler is an int; give a scheduler of diffusers"),
        (lambda: Network.diffusers(Unet(), {"beta_start": 1e-4}), "the config of dict names no prediction_type"),
        (lambda: Network.diffusers(Unet(), LINEAR | {"sigma_data": 0.5}), "scales the input and output .* Network.edm"),
        (lambda: Network.diffusers(Unet(), LINEAR | {"prediction_type": "epsilom"}), "did you mean"),
        (
            lambda: Network.edm(EDMNet(), 3).function(torch.ones(1), torch.ones(1)),
            "labels = 3 is no class",
        ),
        (
            lambda: Network.edm(EDMNet(), torch.eye(3)).function(torch.ones(1), torch.ones(1)),
            r"shape \(3, 3\)",
        ),
    ],
)
def test_what_says_nothing_of_a_network_is_refused_in_one_sentence(make, words):
    """By the thing and the remedy, as the network is made or called."""
    with pytest.raises(InputError, match=words):
        make()
