"""What a run cannot use is refused in one sentence that names it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import numtoolkit as nt
from numtoolkit import Network, process, sample
from numtoolkit.errors import InputError
from numtoolkit.laws import NAMED
from numtoolkit.schemes import scheme
from tests.support.sampling_cases import Linear, cubic

GOOD = {"process": "vp", "grid": "uniform", "steps": 4, "seeds": range(3), "shape": 2}
EYE = Network(lambda z, t: z, "data")


def drawn(**changes):
    return {key: value for key, value in (GOOD | changes).items() if value is not None}


def given_start(start, **changes):
    return drawn(**{"start": start, "shape": None} | changes)


BARE = replace(scheme("heun-edm"), steps=replace(scheme("heun-edm").steps, remainder=()))  # which fills no budget


@pytest.mark.parametrize(
    ("network", "own", "keywords", "names"),
    [
        (lambda z, t: z, "ddim", drawn(), ["function", "Network(function, predicts=...)"]),
        (None, "ddim", drawn(), ["network", "Network", "law"]),
        ("gaussiam(dim=2)", "ddim", drawn(), ["'gaussiam(dim=2)'", "gaussian,"]),
        (EYE, "dimm", drawn(), ["'dimm'", "ddim"]),
        (EYE, "res-2s(c2=0)", drawn(), ["c2 = 0"]),
        (EYE, "ddim", drawn(process="vpp"), ["'vpp'", "vp"]),
        (EYE, "ddim", drawn(process="vp(beta=3)"), ["'beta'", "beta_min"]),
        (EYE, "ddim", drawn(grid="unifrom"), ["'unifrom'", "uniform"]),
        (EYE, "nse", drawn(), ["nse", "'vp'", "phase space"]),
        (EYE, "ddim", drawn(grid=[1.0, 0.5, 0.5], steps=None), ["point 2", "0.5"]),
        (EYE, "ddim", drawn(grid=[1.0], steps=None), ["at least 2"]),
        (EYE, "ddim", drawn(grid=[1.0, 0.5], steps=None, nfe=3), ["3 evaluations in 3 steps", "has 1"]),
        (EYE, "ddim", drawn(steps=None), ["steps or nfe"]),
        (EYE, "ddim", drawn(nfe=4), ["steps or nfe"]),
        (EYE, "ddim", drawn(steps=2.5), ["steps = 2.5"]),
        (EYE, "ddim", drawn(steps=0), ["steps = 0"]),
        (EYE, BARE, drawn(steps=None, nfe=7), ["heun-edm", "7", "6", "8"]),
        (EYE, "heun-edm", drawn(steps=None, nfe=1, denoise=True), ["nfe = 1", "denoising", "at least 2"]),
        (EYE, "ddim", drawn(grid="uniform(zero=1)", denoise=True), ["noise level 0", "denoise"]),
        (EYE, "ddim", drawn(seeds=None), ["seeds"]),
        (EYE, "ddim", drawn(seeds=[]), ["seeds is empty"]),
        (EYE, "ddim", drawn(seeds=5), ["seeds = 5", "range(16)"]),
        (EYE, "ddim", drawn(seeds=[1, -1]), ["-1"]),
        (EYE, "ddim", drawn(seeds=[0.5]), ["0.5"]),
        (EYE, "ddim", drawn(shape=None), ["shape"]),
        (EYE, "ddim", drawn(shape=(3, -1)), ["(3, -1)"]),
        (EYE, "ddim", drawn(shape=(3, 0)), ["(3, 0)"]),
        (EYE, "ddim", drawn(dtype=torch.int64), ["int64"]),
        (EYE, "ddim", drawn(dtype=torch.complex64), ["complex64"]),
        (EYE, "ddim", drawn(dtype="float23"), ["'float23'", "numpy.float64"]),
        (EYE, "ddim", drawn(dtype="nn"), ["'nn'", "numpy.float64"]),
        (EYE, "ddim", drawn(dtype="jax.float32"), ["'jax.float32'", "numpy.float64"]),
        (EYE, "ddim", drawn(dtype="numpy.float32", device="cpu"), ["'numpy.float32'", "torch dtype"]),
        (EYE, "ddim", drawn(seeds={2, 1}), ["seeds = {1, 2}", "no order", "sorted(seeds)"]),
        (EYE, "ddim", drawn(seeds={2: 0, 1: 0}), ["no order"]),
        (EYE, "ddim", drawn(strength=0.5), ["strength", "start="]),
        (EYE, "ddim", given_start(torch.ones(3, 2), strength=1.5), ["strength = 1.5", "up to 1"]),
        (EYE, "ddim", given_start(torch.ones(3, 2), strength=float("nan")), ["strength = nan"]),
        (EYE, "ddim", given_start(torch.ones(3, 2), strength="all"), ["strength = 'all'"]),
        (EYE, "ddim", given_start(torch.ones(3, 2), strength=0.1), ["strength = 0.1", "no step", "2"]),
        (EYE, "ddim", given_start(torch.ones(3, 2), strength=0.9, seeds=None), ["seeds", "noise"]),
        (EYE, "ddim", given_start(torch.ones(3, 2), strength=0.9, grid="uniform(rising=1)"), ["rising"]),
        (EYE, "ddim", drawn(dtype=np.float64, device="cpu"), ["cpu", "torch dtype"]),
        (EYE, "ddim", drawn(dtype=np.int32), ["int32"]),
        (EYE, "ddim", drawn(device="nowhere"), ["'nowhere'"]),
        (EYE, "ddim", drawn(batch=0), ["batch = 0"]),
        (EYE, "ddim", drawn(update="quick"), ["'quick'", "fused", "plain"]),
        (EYE, "ddim", drawn(update="fused", dtype=np.float64), ["fused", "numpy"]),
        (EYE, "ddim", drawn(on_nonfinite="ignore"), ["'ignore'", "mark"]),
        (EYE, "ddim", given_start([[1.0, 2.0]]), ["list"]),
        (EYE, "ddim", given_start(torch.ones(3, 2, dtype=torch.int32)), ["int32"]),
        (EYE, "ddim", given_start(np.ones((3, 2), dtype=complex)), ["complex128"]),
        (EYE, "ddim", given_start(torch.ones(0, 2), seeds=None), ["(0, 2)"]),
        (EYE, "ddim", given_start(torch.ones(4, 2)), ["4 samples", "3 seeds"]),
        (EYE, "ddim", given_start(torch.ones(3, 2), dtype=torch.float64), ["start", "drop dtype="]),
        (EYE, "ddim", given_start(torch.ones(3, 2), shape=2), ["start", "drop shape="]),
        (EYE, "nse", given_start(torch.ones(3, 3, 8), process="psld"), ["(3, 3, 8)", "x, m"]),
        (EYE, "em", given_start(torch.ones(3, 2), seeds=None), ["em", "seeds", "3 samples"]),
        (Network.of(NAMED["gaussian"](dim=3)), "ddim", drawn(), ["(2,)", "(3,)"]),
        (Network(lambda z, t: z, "velocity"), "euler", drawn(process="psld"), ["velocity", "psld"]),
        (Network(lambda z, t: torch.cat([z, z], 1), "noise"), "ddim", drawn(), ["(3, 4)", "'noise'", "out[:, :2]"]),
        (Network(lambda z, t: z[:, 0], "noise"), "ddim", drawn(), ["(3,)", "(3, 2)"]),
        (Network(lambda z, t: z, "data"), "nse", drawn(process="psld"), ["(3, 2, 2)", "(3, 2)"]),
        (Network(lambda z, t: (z,), "noise"), "ddim", drawn(), ["tuple", "Tensor"]),
        (Network(lambda z, t: z.numpy(), "noise"), "ddim", drawn(), ["ndarray", "Tensor"]),
        (Network(lambda z, t: z.int(), "noise"), "ddim", drawn(), ["int32"]),
        (Network(lambda z, t: z.to("meta"), "noise"), "ddim", drawn(), ["meta", "cpu"]),
        (Network(Linear(2, 2).bfloat16().eval(), "noise"), "ddim", drawn(), ["Linear", "bfloat16", "float32"]),
        (
            Network(lambda z, t: z, "data", dtype=torch.bfloat16),
            "ddim",
            drawn(dtype=np.float64),
            ["bfloat16", "ndarray"],
        ),
        (Network(lambda z, t: z, "data", dtype="nn"), "ddim", drawn(), ["dtype=nn", "Tensor"]),
        (Network(lambda z, t: z, "data", time="duble"), "ddim", drawn(), ["'duble'", "'float'"]),
    ],
)
def test_a_run_refuses_in_one_sentence_what_cannot_be_used(network, own, keywords, names):
    """The sentence names the argument, its value and the remedy; nothing is drawn before."""
    with pytest.raises(InputError) as caught:
        sample(own, network=network, **keywords)
    message = str(caught.value)
    assert [name for name in names if name not in message] == []
    assert "\n" not in message
    assert message[-1] in ".?)"


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Network(3, "data"), ["int", "callable"]),
        (lambda: Network(cubic, "epsilo"), ["'epsilo'", "epsilon"]),
        (lambda: Network(cubic, "data", sees="obs"), ["'obs'", "observation"]),
        (lambda: Network(cubic, "noise", sees="observation"), ["observation", "'noise'"]),
        (lambda: Network.of(cubic), ["function", "numtoolkit.laws"]),
        (lambda: process("vp(beta_max=0)"), ["beta_min"]),
    ],
)
def test_networks_and_processes_are_checked_when_they_are_made(make, names):
    """A wrong prediction, view or rate is refused by its constructor, not by the first run."""
    with pytest.raises(InputError) as caught:
        make()
    assert [name for name in names if name not in str(caught.value)] == []


def test_errors_of_the_network_itself_come_through():
    """An exception of the caller's code is his own: neither caught nor renamed."""

    def function(z, t):
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        sample("ddim", network=Network(function, "data"), **GOOD)


def test_an_empty_list_is_filled_with_the_samples_and_one_of_another_length_refused():
    """One row a sample, tile by tile; a list that would keep what it held is none to store in."""
    run = ("ddim", "edm", "gaussian(dim=2)", "rho(7)", 3)
    rows, seeds = [], range(5)
    nt.sample(*run, seeds=seeds, dtype=np.float64, batch=2, into=rows)
    whole = nt.sample(*run, seeds=seeds, dtype=np.float64).samples
    assert [row.tolist() for row in rows] == whole.tolist()
    with pytest.raises(nt.InputError, match=r"into is a list of 3 for 5 samples; give an empty one\."):
        nt.sample(*run, seeds=seeds, dtype=np.float64, into=[0, 0, 0])


def test_what_is_no_law_or_has_no_map_says_what_is_to_be_given():
    """A guided network has no moments, and a program no map on another process or of another kind."""
    network = nt.Network(lambda z, t: z, "data", shape=(2,), name="mine")
    with pytest.raises(
        nt.InputError, match=r"network mine is no law, .*; give a law, or measure the network by samples"
    ):
        nt.moments("ddim", "edm", network.guided(2.0), "rho(7)", 5)
    with pytest.raises(
        nt.InputError, match="the program of ddim is one run on its own process; leave process and kind"
    ):
        nt.stability(nt.program_of("ddim", "edm", "rho(7)", 5), kind="step")
