"""Whole runs beside those of diffusers and k-diffusion, as their users call them, on a network that costs nothing.

Neither is a dependency: where `pip install diffusers k-diffusion` was not done, theirs are skipped. A run has 20
evaluations, on one thread, and is drawn from its first noise on, with noise of each library's own: k-diffusion's of a
Brownian tree, diffusers' one torch.randn a step, ours a function of the seed of a sample and the step.
"""

from __future__ import annotations

from time import process_time

import pytest
import torch

from numtoolkit import Network, grid, sample

pytestmark = [pytest.mark.long, pytest.mark.benchmark(timer=process_time)]  # it compiles; the cores may be shared
SHAPES = (16, 3, 64, 64), (64, 4, 128, 128)
STEPS = 20
NAMES = {"dpmpp-2m": ("dpmsolver++", "sample_dpmpp_2m"), "sde-dpmpp-2m": ("sde-dpmsolver++", "sample_dpmpp_2m_sde")}
PAIRS = [(text, shape) for text in NAMES for shape in SHAPES]
CASES = pytest.mark.parametrize(("text", "shape"), PAIRS, ids=[f"{text} {shape}" for text, shape in PAIRS])


def group(benchmark, text, shape):
    benchmark.group = f"{text}, {STEPS} evaluations on {'x'.join(map(str, shape))}, float32"


@pytest.mark.filterwarnings("default")  # of the compiler's own
@pytest.mark.parametrize("update", ["fused", "compiled"])
@CASES
def test_numtoolkit(benchmark, text, shape, update):
    """`sample` with its default update, and with steps and noise that torch compiles; the start is drawn too."""
    group(benchmark, text, shape)
    network = Network(lambda z, t: z * 0.5, predicts="data", time="float")
    times = [*grid("rho", "edm", STEPS), 0.0]
    how = {"seeds": range(shape[0]), "shape": shape[1:], "dtype": torch.float32, "update": update}
    with torch.no_grad():
        sample(text, "edm", network, times, **how)  # what is compiled stays so
        benchmark(sample, text, "edm", network, times, **how)


@pytest.mark.filterwarnings("ignore")  # its own
@CASES
def test_diffusers(benchmark, text, shape):
    """`DPMSolverMultistepScheduler` with Karras' levels, the loop of its pipelines."""
    group(benchmark, text, shape)
    scheduler_of = pytest.importorskip("diffusers").DPMSolverMultistepScheduler

    def whole():
        own = scheduler_of(algorithm_type=NAMES[text][0], use_karras_sigmas=True, prediction_type="sample")
        own.set_timesteps(STEPS)
        x = torch.randn(shape)
        for t in own.timesteps:
            x = own.step(x * 0.5, t, x).prev_sample

    with torch.no_grad():
        benchmark(whole)


@pytest.mark.filterwarnings("ignore")  # its own
@CASES
def test_k_diffusion(benchmark, text, shape):
    """Its function of the same name, without its bar."""
    group(benchmark, text, shape)
    function = getattr(pytest.importorskip("k_diffusion.sampling"), NAMES[text][1])
    levels = torch.tensor([*grid("rho", "edm", STEPS - 1), 0.0], dtype=torch.float32)

    def whole():
        function(lambda x, sigma: x * 0.5, 80 * torch.randn(shape), levels, disable=True)

    with torch.no_grad():
        benchmark(whole)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_units(benchmark, shape):
    """The unit: as many interpolations and draws of the same shape, torch alone."""
    group(benchmark, "sde-dpmpp-2m", shape)

    def units():
        for _ in range(STEPS):
            torch.lerp(torch.randn(shape), torch.randn(shape), 0.3)

    benchmark(units)
