"""The loop never waits for the device."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from numtoolkit import Network, process, sample
from numtoolkit.laws import NAMED
from numtoolkit.sampling import noise
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.loop import plain, run
from numtoolkit.schemes import scheme
from tests.support.sampling_cases import (
    BATCH,
    GRIDS,
    answering,
    at_first,
    cases,
    program_of,
    stands_for_its_structure,
)
from tests.support.tiers import breadth

READS = {"_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "allclose", "unique_dim", "masked_select"}


class Reads(TorchDispatchMode):
    """Lists the operations that make the host wait for the device."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in READS:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


def test_the_watch_for_device_reads_sees_each_kind():
    """A branch, a float, a comparison and a search of nonzero elements are listed in order."""
    with Reads() as reads:
        x = torch.ones(3)
        assert bool(x.sum() > 0)
        float(x[0])
        torch.equal(x, x)
        x.nonzero()
    assert reads.names == ["_local_scalar_dense", "_local_scalar_dense", "equal", "nonzero"]


@pytest.mark.parametrize("update", ["plain", "fused"])
@pytest.mark.parametrize("text", ["unipc", "heun-edm-churn", "sscs"])
def test_nothing_is_read_from_the_device_before_the_last_call(text, update):
    """No operation of the loop makes the host wait; one read at the end says whether all samples are finite."""
    own, inner = scheme(text), []
    law = process("edm" if "edm" in own.processes else "psld")
    gaussian = NAMED["gaussian"](dim=4)
    with Reads() as reads:

        def function(y, s):
            inner.append(list(reads.names))
            return gaussian.denoise(y, s)

        network = Network(function, "data", sees="observation", time="float", shape=(4,))
        sample(own, network=network, process=law, grid=GRIDS[law.name], steps=3, seeds=range(3), update=update)
    assert not any(inner)
    assert len(reads.names) == 1  # whether all samples are finite


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_the_loop_runs_where_there_is_nothing_to_read(own, law):
    """Tensors without data: any value the host asked for would raise."""
    like = torch.empty(0, device="meta")

    def normals(step, slot):
        xi = noise.normals(range(BATCH), noise.STEP + slot, step, (law.blocks, 4), like)
        return [xi[:, j] for j in range(law.blocks)]

    start = [torch.empty(BATCH, 4, device="meta") for _ in range(law.blocks)]
    program = program_of(own, law)
    network = answering(program, Network.of(NAMED["gaussian"](dim=4)).on(law))
    for update in (plain, fused):
        end = run(program, network, start, normals, update)
        assert all(block.shape == (BATCH, 4) and block.device.type == "meta" for block in end)
