"""A network may write into what it is given and into what it has returned: the run has the numbers of a clean one."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample, scheme, stepper
from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue
from tests.support.sampling_cases import BATCH, Linear, answered, cubic, program_of
from tests.support.tiers import breadth

RUN = {"process": "edm", "grid": "rho", "steps": 4, "seeds": range(BATCH), "shape": 4, "dtype": torch.float64}


def kept(kind):
    """(shape) -> an array of that shape, the same one whenever it is asked for."""
    arrays = {}

    def array(*shape):
        return arrays.setdefault(shape, np.zeros(shape) if kind is np else torch.zeros(shape, dtype=torch.float64))

    return array


def into_input(kind):
    """Leaves zeros where its input was."""

    def network(z, t):
        out = cubic(z, t)
        z *= 0
        return out

    return network


def computed_in_place(kind):
    """Returns its input, in a process with one block; elsewhere a part of it."""

    def network(z, t):
        part = z if z.ndim == 2 else z[:, 1]
        part[...] = cubic(z, t)
        return part

    return network


def one_buffer(kind):
    """Returns the same array at every call, as a captured graph does."""
    place = kept(kind)

    def network(z, t):
        out = cubic(z, t)
        buffer = place(*out.shape)
        buffer[...] = out
        return buffer

    return network


def two_buffers(kind):
    """Returns parts of one array, in turn."""
    place, calls = kept(kind), []

    def network(z, t):
        out = cubic(z, t)
        buffer = place(2, *out.shape)[len(calls) % 2]
        calls.append(t)
        buffer[...] = out
        return buffer

    return network


# One step, stages, history, both of them, evaluations used again, noise, a phase space, fitted coefficients
STRUCTURES = {"ddim", "res-2s", "dpmpp-2m", "unipc", "heun-edm-churn", "rvv", "gddim-pc", "iia-ddim"}


@pytest.mark.parametrize("name", breadth((own.name for own in catalogue()), STRUCTURES.__contains__))
def test_a_network_that_writes_gives_the_bits_of_a_clean_one(name):
    """For every scheme of the catalogue, in torch and in numpy."""
    own = scheme(name)
    program = program_of(own, process(own.processes[0]), steps=5)
    for kind, dtype in ((torch, torch.float64), (np, np.float64)):
        run = {"seeds": range(BATCH), "dtype": dtype, "shape": 4}
        clean = sample(program, network=answered(own, Network(cubic, "data")), **run).samples
        for writes in (into_input, computed_in_place, one_buffer, two_buffers):
            ours = sample(program, network=answered(own, Network(writes(kind), "data")), **run).samples
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(clean), err_msg=writes.__name__)


def test_a_result_is_not_the_array_that_a_network_keeps():
    """The end of a run of one evaluation is the network's output: the next run leaves it as it is."""
    network = Network(one_buffer(torch), "data")
    first = sample("ddim", network=network, **RUN | {"grid": [80.0, 0.0], "steps": None}).samples
    before = first.clone()
    sample("ddim", network=network, **RUN | {"grid": [80.0, 0.0], "steps": None, "seeds": range(9, 9 + BATCH)})
    assert torch.equal(first, before)


def test_torch_in_inference_mode_counts_no_writes_and_is_given_copies():
    """Where tensors have no versions, a network that writes into its input does no harm either."""
    clean = sample("dpmpp-2m", network=Network(cubic, "data"), **RUN).samples
    with torch.inference_mode():
        ours = sample("dpmpp-2m", network=Network(into_input(torch), "data"), **RUN).samples
    assert torch.equal(ours, clean)


def test_what_was_seen_in_torch_is_not_taken_for_numpy():
    """One network in a run of each library: a clean one gets copies where nobody counts writes."""

    def network(z, t):
        return cubic(z, t) if isinstance(z, torch.Tensor) else into_input(np)(z, t)

    run = RUN | {"dtype": np.float64}
    clean = sample("dpmpp-2m", network=Network(cubic, "data"), **run).samples
    own = Network(network, "data")
    sample("dpmpp-2m", network=own, **RUN)
    np.testing.assert_array_equal(sample("dpmpp-2m", network=own, **run).samples, clean)


def test_a_write_that_comes_too_late_to_be_mended_is_refused():
    """An input written into after the first call; a buffer that hides that somebody holds it."""
    calls, buffer = [], torch.zeros(BATCH, 4, dtype=torch.float64)

    def late(z, t):
        calls.append(t)
        return cubic(z, t) if len(calls) < 3 else z.mul_(0.5).clone()

    def hidden(z, t):
        buffer.copy_(cubic(z, t))
        return buffer.data

    with pytest.raises(InputError, match=r"^network late wrote into its input, but not at its first call; .*\.$"):
        sample("ddim", network=Network(late, "data"), **RUN)
    with pytest.raises(InputError, match=r"^network hidden wrote into an array that it had returned before; .*\.$"):
        sample("dpmpp-2m", network=Network(hidden, "data"), **RUN)


def test_nothing_is_copied_for_a_clean_network_after_its_first_call():
    """Neither input nor output: a run of a module costs what it did."""
    module, copies = Linear(4, 4).double().eval(), []

    class Counted(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function in (torch.Tensor.clone, torch.clone):
                copies.append(function)
            return function(*args, **(kwargs or {}))

    with Counted():
        sample("ddim", network=Network(module, "data"), **RUN)
    assert len(copies) == 1


def test_who_calls_a_network_may_write_into_what_it_returned():
    """With the loop in his hands a caller may change outputs: that is no fault of the network."""
    network = Network(cubic, "data")
    call, own = network.on(process("edm")), stepper("dpmpp-2m", network=network, **RUN)
    while not own.done:
        (output,) = call(own.row, own.time)
        own.send([output.mul_(0.5)])
    halved = sample("dpmpp-2m", network=Network(lambda z, t: cubic(z, t) * 0.5, "data"), **RUN).samples
    assert torch.equal(own.state[0], halved)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])  # noqa: S301
def test_a_network_that_has_run_may_be_copied_and_pickled(twin):
    """What it remembers of its calls stays behind."""
    network = Network(cubic, "data")
    first = sample("dpmpp-2m", network=network, **RUN).samples
    assert torch.equal(sample("dpmpp-2m", network=twin(network), **RUN).samples, first)


def test_an_output_that_is_changed_later_is_seen():
    """By a view of it that the network has kept, while it returns a new array at every call."""
    views = []

    def network(z, t):
        for view in views:
            view.mul_(2)
        out = cubic(z, t)
        views.append(out.detach())
        return out

    with pytest.raises(InputError, match="returned before"):
        sample("dpmpp-2m", network=Network(network, "data"), **RUN)
