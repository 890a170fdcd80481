"""What one step costs beside the network, next to one torch.lerp of the same shape: read the table's ratios.

New arrays cost more than the arithmetic where the C library returns freed pages at once: MALLOC_TRIM_THRESHOLD_ and
MALLOC_MMAP_THRESHOLD_ of 1000000000 show the arithmetic alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from numtoolkit import Network, grid, process
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.runner import UPDATES
from numtoolkit.schemes import scheme

SHAPE = (16, 3, 64, 64)
STEPS = 10  # inner steps of a run; the baseline is as many lerps

pytestmark = pytest.mark.benchmark(group=f"{STEPS} steps on {SHAPE}, float32")


def test_lerp(benchmark):
    """The measure of the step: as many interpolations of the same shape, torch alone."""
    x, y = torch.randn(2, *SHAPE)

    def lerps():
        for _ in range(STEPS):
            torch.lerp(x, y, 0.3)

    benchmark(lerps)


@pytest.mark.parametrize("update", ["fused", "plain"])
@pytest.mark.parametrize("text", ["dpmpp-2m", "heun-edm", "unipc"])
def test_step(benchmark, text, update):
    """Inner steps after the start-up, on a network that costs nothing and predicts what the scheme freezes."""
    own, law = scheme(text), process("edm")
    program = lower(own, law, grid("rho", law, STEPS + 2), own.frozen.name)
    program = replace(program, steps=program.steps[: STEPS + 1])
    network = Network(lambda z, t: z, own.frozen.name, time="float").on(law)
    start = [torch.randn(SHAPE)]
    with torch.no_grad():
        benchmark(run, program, network, start, update=UPDATES[update])
