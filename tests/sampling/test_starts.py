"""Where runs begin: the start noise of seeds, data with noise added, and runs from the middle of a grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from numtoolkit import InputError, Network, add_noise, grid, process, sample, start_noise
from numtoolkit.laws import NAMED
from numtoolkit.sampling import noise
from tests.support.sampling_cases import EPS, GRIDS

SEEDS, SHAPE = range(3, 8), (2, 3)
KINDS = pytest.mark.parametrize("on", ["vp", "edm", "flow", "psld", "cld"])
LAW = NAMED["gaussian"](dim=3)


def event(on):
    """The axes of one state: SHAPE, behind position and momentum in phase space."""
    return (2, *SHAPE) if on in ("psld", "cld") else SHAPE


def images(dtype=torch.float64):
    """Data near 1."""
    return torch.linspace(-1, 1, 5 * 6, dtype=torch.float64).reshape(5, *SHAPE).to(dtype)


def started(own="ddim", **keywords):
    """The start of a run, read off its trajectory."""
    return sample(own, network=Network(lambda z, t: z[:, 0] if z.ndim == 4 else z, "data"), trajectory=True, **keywords)


@KINDS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, np.float64])
def test_the_start_noise_of_seeds_is_what_a_run_begins_with(on, dtype):
    """From the prior at T, and from the kernel at a time below it, bit for bit."""
    own = "rvv" if on in ("psld", "cld") else "ddim"
    law = process(on)
    for first in (law.T, 0.6 * law.T):
        run = started(own, process=on, grid=[first, law.t_min], seeds=SEEDS, shape=SHAPE, dtype=dtype)
        given = start_noise(on, SEEDS, SHAPE, None if first == law.T else first, dtype=dtype)
        assert given.shape == (5, *event(on))
        assert given.dtype == run.trajectory.states.dtype
        np.testing.assert_array_equal(np.asarray(given), np.asarray(run.trajectory.states[0]))


@KINDS
@pytest.mark.parametrize("part", [0.4, 1.0])
def test_added_noise_is_a_sample_of_the_kernel(on, part):
    """e_t x0 + L_t n, n the normals of the seeds, at T too, where a run without data begins with the prior.

    Some ten roundings an entry, of numbers as large as the largest.
    """
    law = process(on)
    t, k = part * law.T, law.blocks
    e, sigma = law.kernel(np.array([t]))
    xi = noise.normals(SEEDS, noise.START, 0, (k, *SHAPE))
    exact = e[0][:, None, None] * images().numpy()[:, None] + np.einsum(
        "ij,bj...->bi...", np.linalg.cholesky(sigma[0]), xi
    )
    for x0 in (images(), images().numpy()):
        ours = np.asarray(add_noise(on, x0, t, SEEDS)).reshape(exact.shape)
        np.testing.assert_allclose(ours, exact, rtol=0, atol=20 * EPS * np.abs(exact).max())
    assert add_noise(on, images(torch.bfloat16), t, SEEDS).dtype == torch.bfloat16
    other = np.asarray(add_noise(on, images(), t, SEEDS, draw=1)).reshape(exact.shape)
    assert np.abs(other - exact).min() > 0


def test_noise_added_at_the_data_is_none():
    """At t = 0 the kernel is the point itself."""
    assert torch.equal(add_noise("edm", images(), 0.0, SEEDS), images())


@KINDS
@pytest.mark.parametrize(("strength", "taken"), [(0.6, 3), (0.59, 2), (1.0, 5), (1, 5), (0.2, 1)])
def test_a_run_of_some_strength_is_the_rest_of_the_grid_from_the_noised_start(on, strength, taken):
    """int(strength N) of N steps, as diffusers counts them, from what `add_noise` gives at the time they begin at."""
    own = "rvv" if on in ("psld", "cld") else "dpmpp-2m"
    times = grid(GRIDS[on], on, 5)[5 - taken :]
    run = started(own, process=on, grid=GRIDS[on], steps=5, start=images(), strength=strength, seeds=SEEDS, batch=2)
    begin = add_noise(on, images(), times[0], SEEDS)
    rest = started(own, process=on, grid=times, start=begin, seeds=SEEDS, batch=2)
    assert torch.equal(run.trajectory.states[0], begin)
    assert torch.equal(run.samples, rest.samples)
    assert run.steps == taken == len(times) - 1
    np.testing.assert_array_equal(run.provenance["times"], times)
    assert (run.provenance["start"], run.provenance["strength"]) == ("noised", strength)


def test_a_budget_of_a_run_of_some_strength_is_of_the_whole_grid():
    """Ten evaluations of two a step are five steps, of which three are taken; one of nine denoises, of four."""
    network = Network.of(LAW)
    run = {"network": network, "process": "vp", "grid": "uniform", "start": torch.zeros(2, 3), "seeds": [1, 2]}
    assert sample("heun", nfe=10, strength=0.6, **run).nfe == 6
    assert sample("heun", nfe=9, strength=0.8, denoise=True, **run).nfe == 7


def test_noise_of_a_run_in_the_middle_keeps_its_seeds():
    """A sample of a stochastic scheme depends on its own seed, whatever the tiles."""
    run = {"process": "edm", "grid": "rho", "steps": 5, "strength": 0.6}
    whole = started("em", start=images(), seeds=SEEDS, **run).samples
    last = started("em", start=images()[3:], seeds=SEEDS[3:], **run).samples
    assert torch.equal(whole[3:], last)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: add_noise("vp", images(), 1.5, SEEDS), r"t = 1\.5 is no time of process vp; .* from 0 to 1\.$"),
        (lambda: add_noise("vp", images(), "late", SEEDS), "t = 'late' is no time"),
        (lambda: add_noise("vp", images(), 0.5, range(2)), "start holds 5 samples but there are 2 seeds"),
        (lambda: add_noise("vp", images(), 0.5, {1, 2, 3, 4, 5}), "no order"),
        (lambda: add_noise("vp", images().long(), 0.5, SEEDS), "int64"),
        (lambda: add_noise("vp", 3.0, 0.5, SEEDS), "start is a float"),
        (lambda: add_noise("vp", images(), 0.5, None), "noise is added to a start by seeds"),
        (lambda: add_noise("vp", images(), 0.5, SEEDS, draw=-1), "draw = -1"),
        (lambda: start_noise("vp", SEEDS, SHAPE, -0.5), r"t = -0\.5"),
        (lambda: start_noise("vp", SEEDS, (0,)), r"shape = \(0,\)"),
    ],
)
def test_what_cannot_be_noised_is_refused_in_one_sentence(call, words):
    """By the thing, its value and the remedy."""
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("float64", torch.float64), ("torch.bfloat16", torch.bfloat16), ("numpy.float32", np.dtype("float32"))],
)
def test_dtypes_may_be_named(name, dtype):
    """A bare name is one of torch."""
    assert start_noise("vp", [1], 2, dtype=name).dtype == dtype
    assert started(process="vp", grid="uniform", steps=1, seeds=[1], shape=2, dtype=name).samples.dtype == dtype
