"""What one step costs beside the network, next to one torch.lerp of the same shape: read the table's ratios.

New arrays cost more than the arithmetic where the C library returns freed pages at once: MALLOC_TRIM_THRESHOLD_ and
MALLOC_MMAP_THRESHOLD_ of 1000000000 show the arithmetic alone.
"""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest
import torch

from numtoolkit import Network, grid, process
from numtoolkit.program.program import lower
from numtoolkit.sampling import noise
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.samples import UPDATES
from numtoolkit.schemes import scheme
from tests.support.tiers import breadth

pytestmark = pytest.mark.benchmark(timer=process_time)  # the cores may be shared
SMALL, LARGE = (16, 3, 64, 64), (64, 4, 128, 128)  # of which the larger is one that is compiled
SHAPES = breadth([pytest.param(SMALL), pytest.param(LARGE)], lambda shape: shape is SMALL)
CHEAP = "dpmpp-2m", "fused", "plain", "eager"  # of `make test`: a compiler takes half a minute to start
STEPS = 10  # inner steps of a run; the baseline is as many lerps


def of(shape):
    return "x".join(map(str, shape))


def group(benchmark, what, shape):
    benchmark.group = f"{what} on {of(shape)}, float32"


@pytest.mark.parametrize("shape", SHAPES, ids=of)
def test_lerp(benchmark, shape):
    """The measure of the step: as many interpolations of the same shape, torch alone."""
    group(benchmark, f"{STEPS} steps", shape)
    x, y = torch.randn(2, *shape)

    def lerps():
        for _ in range(STEPS):
            torch.lerp(x, y, 0.3)

    benchmark(lerps)


@pytest.mark.filterwarnings("default")  # of the compiler's own
@pytest.mark.parametrize("shape", SHAPES, ids=of)
@pytest.mark.parametrize("update", breadth(["compiled", "fused", "plain"], CHEAP.__contains__))
@pytest.mark.parametrize("text", breadth(["dpmpp-2m", "heun-edm", "unipc"], CHEAP.__contains__))
def test_step(benchmark, text, update, shape):
    """Inner steps after the start-up, on a network that costs nothing and predicts what the scheme freezes."""
    group(benchmark, f"{STEPS} steps", shape)
    own, law = scheme(text), process("edm")
    program = lower(own, law, grid("rho", law, STEPS + 2), own.frozen.name)
    program = replace(program, steps=program.steps[: STEPS + 1])
    network = Network(lambda z, t: z, own.frozen.name, time="float").on(law)
    start = [torch.randn(shape)]
    with torch.no_grad():
        benchmark(run, program, network, start, update=UPDATES[update])


@pytest.mark.parametrize("shape", SHAPES, ids=of)
def test_randn(benchmark, shape):
    """The measure of the noise: torch's own generator, which one seed fills from end to end."""
    group(benchmark, "noise", shape)
    benchmark(torch.randn, shape)


@pytest.mark.filterwarnings("default")  # of the compiler's own
@pytest.mark.parametrize("how", breadth(["eager", "compiled"], CHEAP.__contains__))
@pytest.mark.parametrize("shape", SHAPES, ids=of)
def test_noise(benchmark, shape, how):
    """The noise of a step, of which each sample's is a function of its seed and the step."""
    group(benchmark, "noise", shape)
    like = torch.empty(0)
    benchmark(noise.normals, noise.keys(range(shape[0]), like), noise.STEP, 0, shape[1:], like, how == "compiled")
