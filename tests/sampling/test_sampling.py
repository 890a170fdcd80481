"""What runs is the program: the same numbers in numpy and torch, for every split of the batch, dtype and rerun."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample
from numtoolkit.arrays import join, split
from numtoolkit.laws import NAMED
from numtoolkit.problem.predictions import PREDICTIONS, convert
from numtoolkit.program.budget import evaluations
from numtoolkit.program.program import Call
from numtoolkit.program.runs import denoising
from numtoolkit.sampling import noise
from numtoolkit.sampling.state import origin
from tests.support.sampling_cases import (
    BATCH,
    EPS,
    FLOATS,
    GRIDS,
    STEPS,
    answered,
    at_first,
    cases,
    cubic,
    follow,
    is_ode,
    normal,
    program_of,
    tensors,
)
from tests.support.tiers import breadth

# --- one program, two libraries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), breadth(cases(), at_first))
def test_numpy_and_torch_give_the_same_bits(own, law):
    """The plain loop in float64 is one sequence of products and sums, denoising step included."""
    program = program_of(own, law)
    program = replace(program, steps=(*program.steps, denoising(law, "data", law.t_min)))
    host = follow(own, law, Network(cubic, "data"), normal(law, 0))
    device = follow(own, law, Network(cubic, "data"), tensors(normal(law, 0)), turn=tensors)
    assert all(np.isfinite(block).all() for block in host)
    for ours, theirs in zip(host, device, strict=True):
        assert np.array_equal(ours, theirs.numpy())


@pytest.mark.parametrize(("own", "law"), breadth(cases(is_ode), at_first))
def test_sample_gives_the_same_bits_in_numpy_and_torch(own, law):
    """One start gives one end, bit for bit, through the public function."""
    start = np.array(join(normal(law, 1)))
    keywords = {"process": law, "grid": GRIDS[law.name], "steps": STEPS, "denoise": True}
    network = answered(own, Network(cubic, "data"))
    host = sample(own, network=network, start=start, **keywords)
    device = sample(own, network=network, start=torch.from_numpy(start), **keywords)
    assert isinstance(host.samples, np.ndarray)
    assert np.array_equal(host.samples, device.samples.numpy())


def test_seeded_numpy_and_torch_runs_agree_to_the_rounding_of_the_noise():
    """Normals agree to 4 ulp; the splitting is Lipschitz with a constant below 10 on this law, over 3 draws a step."""
    network = Network.of(NAMED["gaussian"](dim=4))
    keywords = {"process": "psld", "grid": "quadratic", "steps": STEPS, "seeds": range(BATCH)}
    host = sample("sscs", network=network, dtype=np.float64, **keywords).samples
    device = sample("sscs", network=network, dtype=torch.float64, **keywords).samples.numpy()
    assert host.dtype == np.float64
    np.testing.assert_allclose(host, device, rtol=0, atol=4 * EPS * 4 * 10 * 3 * STEPS)


# --- counting, and what the network sees -----------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), breadth(cases()))
def test_evaluations_are_the_calls_of_the_network_at_the_told_times(own, law):
    """nfe is counted, not claimed: the network sees each time of the program once, and a budget gives the same run."""
    told = []

    def function(z, t):
        assert t.shape == (BATCH,)
        assert t.dtype == z.dtype == torch.float64
        told.append(float(t[0]))
        return cubic(z, t)

    network = answered(own, Network(function, "data"))
    keywords = {"process": law, "grid": GRIDS[law.name], "seeds": range(BATCH), "shape": 4, "dtype": torch.float64}
    result = sample(own, network=network, steps=STEPS, **keywords)
    calls = [i.time for step in result.program.steps for i in step.instructions if isinstance(i, Call)]
    assert result.nfe == network.calls == len(told) == evaluations(own, STEPS)
    assert told == calls
    assert result.steps == STEPS
    again = sample(own, network=network, nfe=result.nfe, **keywords)
    assert torch.equal(again.samples, result.samples)
    assert sample(own, network=network, nfe=result.nfe + 1, denoise=True, **keywords).nfe == result.nfe + 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("own", "law"), [("unipc", "edm"), ("heun-edm", "vp"), ("roba", "psld"), ("ddim", "flow")])
@pytest.mark.parametrize("update", ["plain", "fused"])
def test_dtype_and_device_are_kept(own, law, dtype, update):
    """The state has the dtype of the start from the first call to the last, with either update."""
    seen = set()

    def function(z, t):
        seen.add(z.dtype)
        return cubic(z, t)

    keywords = {"process": law, "grid": GRIDS[law], "steps": STEPS, "seeds": range(3), "update": update}
    drawn = sample(own, network=Network(function, "data"), shape=(4,), dtype=dtype, **keywords).samples
    given_ = sample(own, network=Network(function, "data"), start=torch.zeros_like(drawn), **keywords).samples
    assert seen == {drawn.dtype} == {given_.dtype} == {dtype}
    assert drawn.shape == ((3, 2, 4) if law == "psld" else (3, 4))
    assert not drawn.requires_grad


def test_a_network_may_run_in_another_dtype_than_the_state():
    """The state stays float64 around a bfloat16 network that is told float32 times."""
    seen = set()

    def function(z, t):
        seen.add((z.dtype, t.dtype))
        return z * 0.5

    keywords = {"process": "vp", "grid": "log-snr", "steps": STEPS, "seeds": range(3), "shape": 4}
    network = Network(function, "data", dtype=torch.bfloat16, time=torch.float32)
    state = sample("ddim", network=network, dtype=torch.float64, **keywords).samples
    assert seen == {(torch.bfloat16, torch.float32)}
    assert state.dtype == torch.float64
    careful = Network(lambda z, t: (z.bfloat16() * 0.5).double(), "data")
    assert torch.equal(sample("ddim", network=careful, dtype=torch.float64, **keywords).samples, state)
    assert not torch.equal(state, state.bfloat16().double())


def test_a_network_is_told_plain_floats_in_its_own_clock():
    """time="float" and clock=1000 t: each told time is a Python float in the network's unit."""
    told = []

    def function(z, t):
        told.append(t)
        return z

    network = Network(function, "noise", time="float", clock=lambda t: 1000 * t)
    result = sample("ddim", network=network, process="vp", grid="uniform", steps=4, seeds=[1], shape=2)
    assert told == [1000 * t for t in result.program.times[:-1]]
    assert all(type(t) is float for t in told)


@pytest.mark.parametrize("law", ["vp", "flow", "psld"])
def test_a_denoiser_of_noisy_data_runs_on_every_process_as_its_law_does(law):
    """sees="observation" hands over x and its noise level, whatever the process."""
    gaussian = NAMED["gaussian"](dim=4)
    denoiser = Network(lambda y, s: gaussian.denoise(y, s), "data", sees="observation")
    keywords = {"process": law, "grid": GRIDS[law], "steps": STEPS, "seeds": range(3), "dtype": torch.float64}
    ours = sample("euler", network=denoiser, shape=4, **keywords)
    assert torch.equal(ours.samples, sample("euler", network=Network.of(gaussian), **keywords).samples)


# cld adds no noise to the position: its flow does not determine the score
PHASE = {"data", "noise", "noise-r", "noise-skip", "score"}
DEFINED = {"psld": {*PHASE, "flow"}, "cld": PHASE}
SCALAR = {*PREDICTIONS} - {"noise-r", "noise-skip"}


@pytest.mark.parametrize(
    ("law", "predicts"),
    [(law, predicts) for law in GRIDS for predicts in PREDICTIONS if predicts in DEFINED.get(law, SCALAR)],
)
def test_every_prediction_of_one_law_ends_in_the_same_sample(law, predicts):
    """A data network rewritten as another prediction by `convert`: equal up to the rounding of the two maps.

    The data enter the state at T times e_T, so what is rounded there comes back magnified by 1 / |e_T|: 20 eps of that,
    in a phase space times what the factor of Sigma_t magnifies that turns a noise into a score.
    """
    own = process(law)
    gaussian = NAMED["gaussian"](dim=4)

    def function(z, t):
        P, Q = (np.asarray(X)[0] for X in convert("data", predicts, own, np.array([t])))
        blocks = split(z, own.blocks)
        y, s = own.observe(blocks, t)
        x0 = gaussian.denoise(y, s)
        rows = [sum(P[i, j] * block for j, block in enumerate(blocks)) + Q[i, 0] * x0 for i in range(len(P))]
        return join(rows)

    keywords = {"process": own, "grid": GRIDS[law], "steps": STEPS, "seeds": range(3), "dtype": np.float64}
    network = Network(function, predicts, time="float", shape=(4,))
    for denoise in (False, True):
        name = "ddim" if own.blocks == 1 else "rvv"
        ours = sample(name, network=network, denoise=denoise, **keywords).samples
        theirs = sample(name, network=Network.of(gaussian), denoise=denoise, **keywords).samples
        e, sigma = own.kernel(np.array([own.T, own.t_min]))
        factor = np.sqrt(np.linalg.cond(sigma[1])) if own.blocks == 2 else 1.0
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=20 * EPS * factor / np.abs(e[0]).max())


# --- the same numbers however they are asked for ---------------------------------------------------------------------

SPLITTABLE = [("dpmpp-2m", "vp"), ("heun-edm-churn", "edm"), ("sscs", "psld"), ("nvv", "psld")]


@pytest.mark.parametrize("dtype", [*FLOATS, np.float64])
@pytest.mark.parametrize(("own", "law"), SPLITTABLE)
def test_splits_permutations_and_reruns_give_the_same_bits(own, law, dtype):
    """A sample is a function of its seed; the last tile is padded to the size of the others."""
    sizes = []

    def function(z, t):
        sizes.append(len(z))
        return cubic(z, t)

    def samples(seeds, batch=None):
        keywords = {"process": law, "grid": GRIDS[law], "steps": 3, "shape": 4, "dtype": dtype}
        return np.array(
            sample(own, network=Network(function, "data"), seeds=seeds, batch=batch, **keywords).samples.tolist()
        )

    seeds = [3, 14, 15, 9, 26, 5, 35]
    whole = samples(seeds)
    assert np.array_equal(samples(seeds), whole)
    assert np.array_equal(samples(seeds[::-1]), whole[::-1])
    assert set(sizes) == {7}
    for batch in (1, 3, 7, 12):
        sizes.clear()
        assert np.array_equal(samples(seeds, batch), whole)
        assert set(sizes) == {batch}
    assert np.array_equal(samples([5, 5]), whole[[5, 5]])


@pytest.mark.parametrize(("own", "law", "event"), [("roba", "psld", (2, 4)), ("heun-edm-churn", "edm", (4,))])
def test_a_given_start_is_split_like_a_drawn_one_and_never_changed(own, law, event):
    """No network reaches the caller's tensor, seeds or gradients."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(7, *event, dtype=torch.float64, generator=generator).requires_grad_()
    seeds, before, sizes = list(range(7)), start.detach().clone(), set()

    def function(z, t):
        sizes.add(len(z))
        assert not z.requires_grad
        out = cubic(z, t)
        z.zero_()  # a careless network must not reach the caller's start
        return out

    keywords = {"process": law, "grid": GRIDS[law], "steps": 3, "start": start, "seeds": seeds}
    whole = sample(own, network=Network(function, "data"), **keywords).samples
    assert torch.equal(sample(own, network=Network(function, "data"), batch=2, **keywords).samples, whole)
    assert sizes == {2, 7}
    assert torch.equal(start, before)
    assert seeds == list(range(7))
    assert not whole.requires_grad


def test_provenance_is_enough_to_run_again():
    """The JSON record alone repeats the samples bit for bit."""
    keywords = {"process": "vp(beta_max=12)", "grid": "rho(5)", "nfe": 8, "seeds": range(4, 9), "batch": 2}
    first = sample("res-2s(c2=1/3)", network=Network(cubic, "data"), shape=4, **keywords)
    told = json.loads(json.dumps(first.provenance, allow_nan=False))
    assert (told["scheme"], told["process"], told["grid"]) == (
        "res-2s(c2=1/3)",
        "vp(beta_max=12.0)",
        "rho(5)",
    )
    again = sample(
        told["scheme"],
        network=Network(cubic, told["predicts"]),
        process=told["process"],
        grid=told["times"],
        seeds=told["seeds"],
        shape=told["shape"],
        batch=told["batch"],
        update=told["update"],
    )
    assert torch.equal(first.samples, again.samples)
    assert {"numtoolkit", "python", "numpy", "torch"} == set(told["versions"])


def test_starts_are_drawn_from_the_prior_or_the_kernel_at_their_time():
    """At T the prior, below it the noise of the kernel, in phase space with the mass of the momentum."""
    seen = []

    def function(z, t):
        seen.append(z)
        return z * 0.0

    def starts(law, points):
        seen.clear()
        sample(
            "euler",
            network=Network(function, "score"),
            process=law,
            grid=points,
            seeds=[7, 8],
            shape=3,
            dtype=np.float64,
        )
        return seen[0]

    def xi(*shape):
        return noise.normals([7, 8], noise.START, 0, shape)

    assert np.array_equal(starts("edm", [80.0, 1.0]), xi(3) * 80.0)
    assert np.array_equal(starts("edm", [10.0, 1.0]), xi(3) * 10.0)
    assert np.array_equal(starts("vp", [1.0, 0.5]), xi(3))
    mass = 1 / process("psld").inverse_mass  # the prior is N(0, 1) in x and N(0, M) in m
    assert np.array_equal(starts("psld", [1.0, 0.5]), xi(2, 3) * np.array([[1.0], [np.sqrt(mass)]]))


def test_each_noise_of_a_step_has_its_own_stream():
    """Step and slot select the numbers, and rows of a tile their seeds."""
    begin = origin(process("psld"), 1.0, [7, 8, 9], None, 3, np.float64, None)
    for step, slot in [(0, 0), (0, 1), (4, 1)]:
        xi = noise.normals([9, 7], noise.STEP + slot, step, (2, 3))
        assert all(map(np.array_equal, begin.noise([2, 0])(step, slot), [xi[:, 0], xi[:, 1]]))


def test_a_budget_counts_the_step_to_noise_level_zero():
    """Heun's last step to zero is a single evaluation: 5 steps spend 9, which no grid that ends above zero can."""
    keywords = {"process": "edm", "grid": "rho(7, zero=1)", "seeds": range(2), "shape": 3}
    result = sample("heun-edm", network=Network(cubic, "data"), nfe=9, **keywords)
    assert (result.steps, result.nfe, result.program.times[-1]) == (5, 9, 0.0)
