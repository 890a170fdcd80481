"""What a network of torch modules is told, and what is said of modules that are not ready to be sampled."""

from __future__ import annotations

import functools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from numtoolkit import InputWarning, Network, sample
from numtoolkit.errors import InputError
from tests.support.sampling_cases import Linear

RUN = {"process": "vp", "grid": "uniform", "steps": 2, "seeds": range(3), "shape": 4}
MODULE = Linear(4, 4)


class Wrapper:
    """An object that calls a module."""

    def __init__(self, module):
        self.parts = {"unet": [module]}

    def __call__(self, z, t):
        return self.parts["unet"][0](z, t)

    def predict(self, z, t):
        """The same as a method."""
        return self(z, t)


def by_global(z, t):
    """A function that names a module of its file."""
    return MODULE(z, t)


def by_default(z, t, module=MODULE):
    """A function with a module as a default."""
    return module(z, t)


def by_closure(module):
    """A function that closes over a module."""
    return lambda z, t: module(z, t)


def decorated(module):
    """A function behind a decorator."""
    inner = by_closure(module)

    @functools.wraps(inner)
    def outer(*args):
        return inner(*args)

    return outer


WAYS = {
    "itself": lambda module: module,
    "a bound method": lambda module: module.forward,
    "a partial": lambda module: functools.partial(lambda z, t, inner: inner(z, t), inner=module),
    "a closure": by_closure,
    "a decorated function": decorated,
    "an object": Wrapper,
    "a method of an object": lambda module: Wrapper(module).predict,
    "a global": lambda module: by_global,
    "a default": lambda module: by_default,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_module_in_training_mode_is_named_once_a_run(way):
    """However it is wrapped; in evaluation mode nothing is said."""
    network = Network(WAYS[way](MODULE), "data")
    MODULE.train()
    with pytest.warns(
        InputWarning, match=r"its module Linear is in training mode, .*; call \.eval\(\) on it\.$"
    ) as seen:
        sample("dpmpp-2m", network=network, **RUN)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    MODULE.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        sample("dpmpp-2m", network=network, **RUN)


def test_a_module_that_a_network_does_not_call_may_be_in_training_mode():
    """Its name as an attribute of something else is not its call, and a data set is not searched."""
    parts, other = SimpleNamespace(MODULE=lambda z, t: z), Linear(4, 4).train()

    def network(z, t, data=[other] * 1001):
        return parts.MODULE(z, t)

    MODULE.train()
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        sample("ddim", network=Network(network, "data"), **RUN)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16, np.float16])
def test_half_networks_are_told_the_time_in_float32(half):
    """Unless said otherwise: 950.9 is 952 in bfloat16, and 200 steps of rho(7) are 189 times."""
    told = []

    def network(z, t):
        told.append(t)
        return z * 0.5

    run = RUN | {"steps": 200, "process": "edm", "grid": "rho(7)", "dtype": half}
    times = sample("ddim", network=Network(network, "data"), **run).program.times
    single = np.float32 if half is np.float16 else torch.float32
    assert {t.dtype for t in told} == {np.dtype(single) if half is np.float16 else single}
    np.testing.assert_array_equal([float(t[0]) for t in told], times[:-1].astype(np.float32))
    told.clear()
    state = np.float32 if half is np.float16 else torch.float32
    sample("ddim", network=Network(network, "data", dtype=half), **RUN | {"dtype": state})
    assert {t.dtype for t in told} == {np.dtype(single) if half is np.float16 else single}
    told.clear()
    sample("ddim", network=Network(network, "data", dtype=half, time=half), **RUN | {"dtype": state})
    assert {t.dtype for t in told} == {np.dtype(half) if half is np.float16 else half}


def test_dtypes_of_networks_may_be_named():
    """A name is a dtype of the library of the run."""
    seen = []

    def network(z, t):
        seen.append((z.dtype, t.dtype))
        return z

    for dtype in (torch.float32, np.float32):
        sample("ddim", network=Network(network, "data", dtype="float64", time="float16"), **RUN | {"dtype": dtype})
    assert {*seen} == {(torch.float64, torch.float16), (np.dtype("float64"), np.dtype("float16"))}


def test_a_module_that_cannot_take_a_float32_time_says_how_it_can():
    """A half module that multiplies its time by its weights: the sentence names both dtypes and the argument."""

    class Embedded(torch.nn.Linear):
        def forward(self, z, t):
            return z + super().forward(t[:, None].expand(len(t), 4))

    network = Network(Embedded(4, 4).bfloat16().eval(), "data", dtype=torch.bfloat16)
    with pytest.raises(InputError, match=r"told its time in torch.float32; .* time=torch.bfloat16\)\.$"):
        sample("ddim", network=network, **RUN)
    network.time = torch.bfloat16
    sample("ddim", network=network, **RUN)
