"""The runner: what runs is the program, with the same numbers in numpy and torch, for every split, dtype and rerun."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from numtoolkit import Network, process, sample
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.grids import grid
from numtoolkit.laws import NAMED, Empirical, Gaussian
from numtoolkit.program import Call, evaluations, lower
from numtoolkit.sampling import noise
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.locate import unrolled
from numtoolkit.sampling.loop import plain, run
from numtoolkit.sampling.runner import denoising
from numtoolkit.sampling.state import join, split
from numtoolkit.schemes import catalogue, scheme

STEPS, BATCH = 6, 5
GRIDS = {"vp": "log-snr", "edm": "rho", "flow": "angle", "psld": "quadratic"}
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
EPS = np.finfo(float).eps


def cases(keep=lambda own: True):
    """Every scheme of the catalogue on each of its processes, the conjugate ones also with a shift."""
    specs = [(own, own.spec) for own in catalogue() if keep(own)]
    specs += [(own, f"{own.name}(shift=1/3)") for own, _ in specs if own.family == "conjugate"]
    return [
        pytest.param(scheme(text), process(name), id=f"{text}-{name}") for own, text in specs for name in own.processes
    ]


def is_ode(own):
    return own.kind == "ode"


def cubic(z, t):
    """A bounded data prediction of exact comparisons, sums and products only; z is (batch, 4), on PSLD (batch, 2, 4)."""
    x = (z if z.ndim == 2 else z[:, 0] - z[:, 1] * 0.25).clip(-3.0, 3.0)
    return x * 0.5 - x * x * x * 0.0625 + t[:, None].clip(0.0, 1.0) * 0.125


def normal(law, seed, event=(4,)):
    """Standard normal numpy blocks of a batch on a process."""
    return list(np.random.default_rng(seed).standard_normal((law.blocks, BATCH, *event)))


def tensors(blocks):
    return [torch.from_numpy(block.copy()) for block in blocks]


def program_of(own, law, predicts="data", steps=STEPS):
    return lower(own, law, grid(GRIDS[law.name], law, steps), predicts)


def follow(own, law, network, start, turn=lambda blocks: blocks, **keywords):
    """The end of a run from `start` with fixed normals, each passed through `turn`."""
    return run(
        program_of(own, law, network.predicts),
        network.on(law),
        start,
        lambda step, slot: turn(normal(law, [step, slot])),
        **keywords,
    )


# --- one program, two libraries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), cases())
def test_numpy_and_torch_give_the_same_bits(own, law):
    program = program_of(own, law)
    program = replace(program, steps=(*program.steps, denoising(law, "data", law.t_min)))
    host = follow(own, law, Network(cubic, "data"), normal(law, 0))
    device = follow(own, law, Network(cubic, "data"), tensors(normal(law, 0)), turn=tensors)
    assert all(np.isfinite(block).all() for block in host)
    for ours, theirs in zip(host, device, strict=True):
        assert np.array_equal(ours, theirs.numpy())


@pytest.mark.parametrize(("own", "law"), cases(is_ode))
def test_sample_gives_the_same_bits_in_numpy_and_torch(own, law):
    start = np.array(join(normal(law, 1)))
    keywords = {"process": law, "grid": GRIDS[law.name], "steps": STEPS, "denoise": True}
    host = sample(Network(cubic, "data"), own, start=start, **keywords)
    device = sample(Network(cubic, "data"), own, start=torch.from_numpy(start), **keywords)
    assert isinstance(host.samples, np.ndarray)
    assert np.array_equal(host.samples, device.samples.numpy())


def test_seeded_numpy_and_torch_runs_agree_to_the_rounding_of_the_noise():
    """Normals agree to 4 ulp; the splitting is Lipschitz with a constant below 10 on this law, over 3 draws a step."""
    network = Network.of(NAMED["gaussian"](dim=4))
    keywords = {"process": "psld", "grid": "quadratic", "steps": STEPS, "seeds": range(BATCH)}
    host = sample(network, "sscs", dtype=np.float64, **keywords).samples
    device = sample(network, "sscs", dtype=torch.float64, **keywords).samples.numpy()
    assert host.dtype == np.float64
    np.testing.assert_allclose(host, device, rtol=0, atol=4 * EPS * 4 * 10 * 3 * STEPS)


# --- the fused update ------------------------------------------------------------------------------------------------


def gap_over_bound(terms):
    """|fused - plain| over n eps sum |c a| of the dtype, at worst; half precisions round each coefficient as well."""
    dtype = terms[0][1].dtype
    sides = 2 if dtype.itemsize == 2 else 1
    size = sum(abs(c) * a.double().abs() for c, a in terms)
    gap = (fused(terms).double() - plain(terms).double()).abs()
    bound = sides * len(terms) * torch.finfo(dtype).eps * size + torch.finfo(dtype).tiny
    return float((gap / bound).max())


@given(
    st.lists(st.floats(-4, 4, width=32).filter(lambda c: abs(c) > 1e-3), min_size=1, max_size=6),
    st.integers(0, 2**31),
    st.sampled_from(FLOATS),
)
def test_fused_is_within_its_bound_of_plain_and_changes_nothing(coefficients, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    arrays = [torch.randn(3, 37, generator=generator, dtype=torch.float64).to(dtype) for _ in coefficients]
    terms = list(zip([1.0, *coefficients[1:]] if seed % 2 else coefficients, arrays, strict=True))
    before = [array.clone() for array in arrays]
    assert gap_over_bound(terms) <= 1
    assert fused(terms).dtype == dtype
    assert all(map(torch.equal, arrays, before))


@pytest.mark.parametrize(("own", "law"), cases())
def test_fused_is_within_its_bound_in_every_row_of_every_scheme(own, law):
    worst = []

    def update(terms):
        worst.append(gap_over_bound(terms))
        return fused(terms)

    follow(own, law, Network(cubic, "data"), tensors(normal(law, 0)), turn=tensors, update=update)
    assert len(worst) >= STEPS
    assert max(worst) <= 1


def test_fused_runs_end_within_a_few_ulp_of_plain_ones():
    """Rows differ by at most 3 eps of their terms' size, which never exceeds that of the start, 400 after 4 sigma; the
    flow of 20 steps contracts, so that is the total too, with room for the sum over the steps (2 is measured)."""
    keywords = {"process": "edm", "grid": "rho", "steps": 20, "seeds": range(8), "dtype": torch.float64}
    network = Network.of(NAMED["gaussian"](dim=16))
    for own in ("dpmpp-2m", "heun-edm", "unipc"):
        ends = [sample(network, own, update=update, **keywords).samples for update in ("plain", "fused")]
        assert 0 < float((ends[0] - ends[1]).abs().max()) < 3 * EPS * 400


# --- counting, and what the network sees -----------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), cases())
def test_evaluations_are_the_calls_of_the_network_at_the_told_times(own, law):
    told = []

    def function(z, t):
        assert t.shape == (BATCH,)
        assert t.dtype == z.dtype
        told.append(float(t[0]))
        return cubic(z, t)

    network = Network(function, "data")
    keywords = {"process": law, "grid": GRIDS[law.name], "seeds": range(BATCH), "shape": 4, "dtype": torch.float64}
    result = sample(network, own, steps=STEPS, **keywords)
    calls = [i.time for step in result.program.steps for i in step.instructions if isinstance(i, Call)]
    assert result.nfe == network.calls == len(told) == evaluations(own, STEPS)
    assert told == calls
    assert result.steps == STEPS
    again = sample(network, own, nfe=result.nfe, **keywords)
    assert torch.equal(again.samples, result.samples)
    assert sample(network, own, nfe=result.nfe + 1, denoise=True, **keywords).nfe == result.nfe + 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("own", "law"), [("unipc", "edm"), ("heun-edm", "vp"), ("roba", "psld"), ("ddim", "flow")])
@pytest.mark.parametrize("update", ["plain", "fused"])
def test_dtype_and_device_are_kept(own, law, dtype, update):
    seen = set()

    def function(z, t):
        seen.update([z.dtype, t.dtype])
        return cubic(z, t)

    keywords = {"process": law, "grid": GRIDS[law], "steps": STEPS, "seeds": range(3), "update": update}
    drawn = sample(Network(function, "data"), own, shape=(4,), dtype=dtype, **keywords).samples
    given_ = sample(Network(function, "data"), own, start=torch.zeros_like(drawn), **keywords).samples
    assert seen == {drawn.dtype} == {given_.dtype} == {dtype}
    assert drawn.shape == ((3, 2, 4) if law == "psld" else (3, 4))
    assert not drawn.requires_grad


def test_a_network_may_run_in_another_dtype_than_the_state():
    seen = set()

    def function(z, t):
        seen.add((z.dtype, t.dtype))
        return z * 0.5

    keywords = {"process": "vp", "grid": "log-snr", "steps": STEPS, "seeds": range(3), "shape": 4}
    network = Network(function, "data", dtype=torch.bfloat16, time=torch.float32)
    state = sample(network, "ddim", dtype=torch.float64, **keywords).samples
    assert seen == {(torch.bfloat16, torch.float32)}
    assert state.dtype == torch.float64
    assert not torch.equal(state, state.bfloat16().double())


def test_the_clock_and_a_float_time():
    told = []

    def function(z, t):
        told.append(t)
        return z

    network = Network(function, "noise", time="float", clock=lambda t: 1000 * t)
    result = sample(network, "ddim", process="vp", grid="uniform", steps=4, seeds=[1], shape=2)
    assert told == [1000 * t for t in result.program.times[:-1]]
    assert all(type(t) is float for t in told)


@pytest.mark.parametrize("law", ["vp", "flow", "psld"])
def test_a_denoiser_of_noisy_data_runs_on_every_process_as_its_law_does(law):
    gaussian = NAMED["gaussian"](dim=4)
    denoiser = Network(lambda y, s: gaussian.denoise(y, s), "data", sees="observation")
    keywords = {"process": law, "grid": GRIDS[law], "steps": STEPS, "seeds": range(3), "dtype": torch.float64}
    ours = sample(denoiser, "euler", shape=4, **keywords)
    assert torch.equal(ours.samples, sample(Network.of(gaussian), "euler", **keywords).samples)


@pytest.mark.parametrize("predicts", ["noise", "score", "flow", "velocity"])
@pytest.mark.parametrize("law", ["vp", "edm", "psld"])
def test_every_prediction_of_one_law_ends_in_the_same_sample(law, predicts):
    """A data network rewritten as another prediction by `convert`: equal up to the rounding of the two maps, whose
    condition is at most (s_max / s_min)^2 = 1.6e9 eps on EDM (a velocity or a flow holds x_0 beside 80^2 s)."""
    from numtoolkit.predictions import convert

    own = process(law)
    if own.blocks > 1 and predicts == "velocity":
        pytest.skip("velocity is not defined on a phase space")
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
        ours = sample(network, "ddim" if law != "psld" else "rvv", denoise=denoise, **keywords).samples
        theirs = sample(Network.of(gaussian), "ddim" if law != "psld" else "rvv", denoise=denoise, **keywords).samples
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e9 * EPS)


# --- laws of every scheme --------------------------------------------------------------------------------------------


def largest(sizes):
    """A watch that records the size of the state."""
    return lambda n, step, state: sizes.append(max(float(np.abs(block).max()) for block in state))


@pytest.mark.parametrize(("own", "law"), cases())
def test_affine_maps_of_the_data_are_affine_maps_of_the_samples(own, law):
    """Rotated data, rotated noise: rotated samples; on EDM, where the mean does not move, shifted ones too.

    A run makes at most 6 x 30 roundings of numbers as large as its state; the maps of Gaussians with variances below 1
    do not amplify them beyond it, so 1000 eps of the largest state is 5 times what they can add up to.
    """
    rng = np.random.default_rng(5)
    Q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    d = rng.standard_normal(4) if law.name == "edm" else np.zeros(4)
    root = rng.standard_normal((4, 4)) / 4
    mean, covariance = rng.standard_normal(4) * (law.name == "edm"), root @ root.T
    sizes = []
    here = follow(own, law, Network.of(Gaussian(mean, covariance)), normal(law, 0), watch=largest(sizes))
    there = follow(
        own,
        law,
        Network.of(Gaussian(Q @ mean + d, Q @ covariance @ Q.T)),
        [block @ Q.T + d for block in normal(law, 0)],
        turn=lambda blocks: [block @ Q.T for block in blocks],
    )
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(ours @ Q.T + d, theirs, rtol=0, atol=1000 * EPS * max(sizes))


@pytest.mark.parametrize(("own", "law"), cases())
def test_a_linear_network_makes_a_linear_run(own, law):
    """S(x + a y) = S(x) + a S(y) with the noises combined alike; rounding bounded as above."""
    network = Network(lambda z, t: (z if z.ndim == 2 else z[:, 0] + z[:, 1] * 0.25) * 0.3, "data", time="float")
    x, y, a, sizes = normal(law, 1), normal(law, 2), 1.75, []

    def end(start, scale):
        turn = lambda blocks: [scale * block for block in blocks]  # noqa: E731
        return follow(own, law, network, start, turn=turn, watch=largest(sizes))

    together = end([p + a * q for p, q in zip(x, y, strict=True)], 1 + a)
    for ours, p, q in zip(together, end(x, 1.0), end(y, 1.0), strict=True):
        np.testing.assert_allclose(ours, p + a * q, rtol=0, atol=1000 * EPS * max(sizes))


def keeps_the_linear_part(own):
    return is_ode(own) and own.frozen in ("data", "noise")


@pytest.mark.parametrize("predicts", ["noise", "data"])
@pytest.mark.parametrize(("own", "law"), [case for case in cases(keeps_the_linear_part) if "shift" not in case.id])
def test_a_network_that_returns_zero_leaves_the_exact_linear_flow(own, law, predicts):
    """Noise 0 keeps z / alpha, data 0 keeps z / sigma; on PSLD noise 0 leaves the drift's propagator.

    Relative error: 6 steps of products whose factors carry the 1e-14 of the coefficients' own tests."""
    if law.blocks > 1 and predicts == "data":
        pytest.skip("data 0 is the linear flow of Sigma_t^(1/2) only in one block")
    start, ends = normal(law, 3), np.array([law.T, law.t_min])
    end = follow(own, law, Network(lambda z, t: z * 0.0, predicts), start)
    if law.blocks > 1:
        first, last = law.propagator(ends)
        exact = np.einsum("ij,jbe->ibe", last @ np.linalg.inv(first), np.stack(start))
    else:
        scale = law.alpha(ends) if predicts == "noise" else law.sigma(ends)
        exact = np.stack(start) * scale[1] / scale[0]
    np.testing.assert_allclose(np.stack(end), exact, rtol=1e-12, atol=1e-12 * np.abs(exact).max())


def test_denoising_a_point_mass_returns_the_point():
    """The data prediction of a single image is that image, whatever the state: exact, in every process."""
    image = np.linspace(-1, 1, 6).reshape(2, 3)
    for law in GRIDS:
        result = sample(
            Network.of(Empirical(image[None])),
            "euler",
            process=law,
            grid=GRIDS[law],
            nfe=4,
            seeds=range(3),
            denoise=True,
        )
        assert result.nfe == 4
        assert result.steps == 3
        assert result.samples.shape == (3, 2, 3)
        assert torch.equal(result.samples, torch.tensor(image, dtype=torch.float32).expand(3, 2, 3))


# --- the same numbers however they are asked for ---------------------------------------------------------------------

SPLITTABLE = [("dpmpp-2m", "vp"), ("heun-edm-churn", "edm"), ("sscs", "psld"), ("nvv", "psld")]


@pytest.mark.parametrize("dtype", [*FLOATS, np.float64])
@pytest.mark.parametrize(("own", "law"), SPLITTABLE)
def test_splits_permutations_and_reruns_give_the_same_bits(own, law, dtype):
    sizes = []

    def function(z, t):
        sizes.append(len(z))
        return cubic(z, t)

    def samples(seeds, batch=None):
        keywords = {"process": law, "grid": GRIDS[law], "steps": 3, "shape": 4, "dtype": dtype}
        return np.array(sample(Network(function, "data"), own, seeds=seeds, batch=batch, **keywords).samples.tolist())

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


def test_a_given_start_is_split_like_a_drawn_one_and_never_changed():
    start = torch.randn(7, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    seeds, before = list(range(7)), start.detach().clone()

    def function(z, t):
        out = cubic(z, t)
        z.zero_()  # a careless network must not reach the caller's start
        return out

    keywords = {"process": "psld", "grid": "quadratic", "steps": 3, "start": start, "seeds": seeds}
    whole = sample(Network(function, "data"), "roba", **keywords).samples
    assert torch.equal(sample(Network(function, "data"), "roba", batch=2, **keywords).samples, whole)
    assert torch.equal(start, before)
    assert seeds == list(range(7))
    assert not whole.requires_grad


def test_provenance_is_enough_to_run_again():
    keywords = {"process": "vp(beta_max=12)", "grid": "rho(5)", "nfe": 8, "seeds": range(4, 9), "batch": 2}
    first = sample(Network(cubic, "data"), "res-2s(c2=1/3)", shape=4, **keywords)
    told = json.loads(json.dumps(first.provenance, allow_nan=False))
    assert (told["scheme"], told["process"], told["grid"]) == ("res-2s(c2=1/3)", "vp(beta_max=12.0)", "rho(5)")
    again = sample(
        Network(cubic, told["predicts"]),
        told["scheme"],
        process=told["process"],
        grid=told["times"],
        seeds=told["seeds"],
        shape=told["shape"],
        batch=told["batch"],
        update=told["update"],
    )
    assert torch.equal(first.samples, again.samples)
    assert {"numtoolkit", "python", "numpy", "torch"} == set(told["versions"])


def test_starts_are_drawn_from_the_prior_or_from_the_kernel_below_it():
    seen = []

    def function(z, t):
        seen.append(z)
        return z * 0.0

    def starts(law, points):
        seen.clear()
        sample(Network(function, "score"), "euler", process=law, grid=points, seeds=[7, 8], shape=3, dtype=np.float64)
        return seen[0]

    def xi(*shape):
        return noise.normals([7, 8], noise.START, 0, shape)

    assert np.array_equal(starts("edm", [80.0, 1.0]), xi(3) * 80.0)
    assert np.array_equal(starts("edm", [10.0, 1.0]), xi(3) * 10.0)
    assert np.array_equal(starts("vp", [1.0, 0.5]), xi(3))
    mass = 1 / process("psld").inverse_mass
    assert np.array_equal(starts("psld", [1.0, 0.5]), xi(2, 3) * np.array([[1.0], [np.sqrt(mass)]]))


# --- nothing is read back in the loop --------------------------------------------------------------------------------

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


def test_the_check_for_reads_sees_them():
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
    own, inner = scheme(text), []
    law = process("edm" if "edm" in own.processes else "psld")
    gaussian = NAMED["gaussian"](dim=4)
    with Reads() as reads:

        def function(y, s):
            inner.append(list(reads.names))
            return gaussian.denoise(y, s)

        network = Network(function, "data", sees="observation", time="float", shape=(4,))
        sample(network, own, process=law, grid=GRIDS[law.name], steps=3, seeds=range(3), update=update)
    assert not any(inner)
    assert len(reads.names) == 1  # whether all samples are finite


@pytest.mark.parametrize(("own", "law"), cases())
def test_the_loop_runs_where_there_is_nothing_to_read(own, law):
    """Tensors without data: any value the host asked for would raise."""
    like = torch.empty(0, device="meta")

    def normals(step, slot):
        xi = noise.normals(range(BATCH), noise.STEP + slot, step, (law.blocks, 4), like)
        return [xi[:, j] for j in range(law.blocks)]

    start = [torch.empty(BATCH, 4, device="meta") for _ in range(law.blocks)]
    network = Network.of(NAMED["gaussian"](dim=4)).on(law)
    for update in (plain, fused):
        end = run(program_of(own, law), network, start, normals, update)
        assert all(block.shape == (BATCH, 4) and block.device.type == "meta" for block in end)


# --- what is not finite ----------------------------------------------------------------------------------------------


POISONED = Network(lambda z, t: torch.where((t[:, None] < 10) & (z == 0), float("nan"), z * 0.5), "data")


def marked_run(zero, own="heun-edm", seeds=range(100, 105), **keywords):
    """Five samples on EDM of which the listed ones start at 0, where the network returns NaN below t = 10."""
    start = torch.ones(5, 4)
    start[zero] = 0.0
    return sample(POISONED, own, process="edm", grid=[80.0, 20.0, 5.0, 1.0], start=start, seeds=seeds, **keywords)


@pytest.mark.parametrize("update", ["plain", "fused"])
@pytest.mark.parametrize("batch", [None, 2, 3, 4])
def test_a_nan_is_traced_to_its_step_stage_time_and_sample(batch, update):
    with pytest.raises(NonFiniteError) as caught:
        marked_run([3], batch=batch, update=update)
    assert str(caught.value) == (
        "sample 3 (seed 103) leaves the finite numbers in evaluation E1.data of step 1 (t = 20 to 5): told t = 5, the "
        "network returned NaN or infinity for a finite input; mend the network there."
    )
    with pytest.raises(
        NonFiniteError, match=r"^sample 1 \(seed 101\), the first of 2 lost among 5, leaves .* of step 1"
    ):
        marked_run([1, 4], batch=batch, update=update)


def test_marked_runs_return_the_good_samples_unchanged():
    good, marked = marked_run([]), marked_run([1, 4], on_nonfinite="mark")
    assert good.finite.tolist() == [True] * 5
    assert marked.finite.tolist() == [True, False, True, True, False]
    assert torch.equal(marked.samples[marked.finite], good.samples[marked.finite])
    assert not marked.samples[[1, 4]].isfinite().any()


def test_other_ways_to_leave_the_finite_numbers_are_told_apart():
    keywords = {"process": "vp", "grid": "uniform", "steps": 4}
    zero = Network(lambda z, t: z * 0.0, "noise")
    with pytest.raises(NonFiniteError, match=r"^sample 1 is not finite in its start; "):
        sample(zero, "ddim", start=np.array([[1.0], [np.inf]]), **keywords)
    with pytest.raises(NonFiniteError, match=r"^sample 0 leaves .* in row out of step 0 .* outgrows the dtype; "):
        sample(zero, "ddim", start=torch.full((1, 2), 6e4, dtype=torch.float16), **keywords)
    turns = itertools.count()
    fickle = Network(lambda z, t: z * (np.nan if next(turns) == 2 else 0.0), "noise")
    with pytest.raises(NonFiniteError, match=r"^sample 0 is not finite, but was when the run was repeated; "):
        sample(fickle, "ddim", start=np.ones((1, 2)), **keywords)


@pytest.mark.parametrize(("own", "law"), cases())
def test_a_replay_with_a_step_for_each_instruction_is_the_same_run(own, law):
    program, network = program_of(own, law), Network(cubic, "data").on(law)
    single, where = unrolled(program)
    direct = run(program, network, normal(law, 0), lambda step, slot: normal(law, [step, slot]))
    replay = run(single, network, normal(law, 0), lambda i, slot: normal(law, [where[i][0], slot]))
    assert all(map(np.array_equal, direct, replay))


# --- progress and callbacks ------------------------------------------------------------------------------------------


def test_progress_is_quiet_off_a_terminal_and_shown_on_request(capsys):
    keywords = {"process": "vp", "grid": "uniform", "steps": 3, "seeds": range(4), "shape": 2, "batch": 2}
    for progress in (None, False):
        sample(Network(lambda z, t: z, "data"), "ddim", progress=progress, **keywords)
    assert capsys.readouterr() == ("", "")
    sample(Network(lambda z, t: z, "data"), "ddim", progress=True, **keywords)
    out, err = capsys.readouterr()
    assert out == ""
    assert "ddim" in err
    assert "6/6" in err


@pytest.mark.parametrize(("law", "event"), [("edm", (3,)), ("psld", (2, 3))])
def test_a_callback_sees_every_state_and_cannot_touch_the_run(law, event):
    seen = []

    def callback(step, time, state):
        seen.append((step, time, state.clone()))
        state.fill_(torch.nan)

    keywords = {"process": law, "grid": GRIDS[law], "steps": 4, "seeds": range(5), "shape": 3, "batch": 3}
    network = Network.of(NAMED["gaussian"](dim=3))
    result = sample(network, "euler", callback=callback, **keywords)
    assert torch.equal(sample(network, "euler", **keywords).samples, result.samples)
    assert [step for step, _, _ in seen] == [0, 1, 2, 3] * 2
    assert [time for _, time, _ in seen] == list(result.program.times[1:]) * 2
    assert [tuple(state.shape) for _, _, state in seen] == [(3, *event)] * 4 + [(2, *event)] * 4
    assert torch.equal(torch.cat([seen[3][2], seen[7][2]]), result.samples)


# --- bad input -------------------------------------------------------------------------------------------------------

GOOD = {"process": "vp", "grid": "uniform", "steps": 4, "seeds": range(3), "shape": 2}
EYE = Network(lambda z, t: z, "data")


def drawn(**changes):
    return {key: value for key, value in (GOOD | changes).items() if value is not None}


def given_start(start, **changes):
    return drawn(**{"start": start, "shape": None} | changes)


@pytest.mark.parametrize(
    ("network", "own", "keywords", "names"),
    [
        (lambda z, t: z, "ddim", drawn(), ["function", "Network(function, predicts=...)"]),
        (NAMED["gaussian"](), "ddim", drawn(), ["Gaussian", "Network.of(law)"]),
        (EYE, "dimm", drawn(), ["'dimm'", "ddim"]),
        (EYE, "res-2s(c2=0)", drawn(), ["c2 = 0"]),
        (EYE, "ddim", drawn(process="vpp"), ["'vpp'", "vp"]),
        (EYE, "ddim", drawn(process="vp(beta=3)"), ["'beta'", "beta_min"]),
        (EYE, "ddim", drawn(grid="unifrom"), ["'unifrom'", "uniform"]),
        (EYE, "nse", drawn(), ["nse", "'vp'", "psld"]),
        (EYE, "ddim", drawn(grid=[1.0, 0.5, 0.5], steps=None), ["point 2", "0.5"]),
        (EYE, "ddim", drawn(grid=[1.0], steps=None), ["at least 2"]),
        (EYE, "ddim", drawn(grid=[1.0, 0.5], steps=None, nfe=3), ["1 evaluations", "3"]),
        (EYE, "ddim", drawn(steps=None), ["steps or nfe"]),
        (EYE, "ddim", drawn(nfe=4), ["steps or nfe"]),
        (EYE, "ddim", drawn(steps=2.5), ["steps = 2.5"]),
        (EYE, "ddim", drawn(steps=0), ["steps = 0"]),
        (EYE, "heun-edm", drawn(steps=None, nfe=7), ["heun-edm", "7", "6", "8"]),
        (EYE, "heun-edm", drawn(steps=None, nfe=8, denoise=True), ["7", "nfe = 8", "denoising"]),
        (EYE, "ddim", drawn(grid="uniform(zero=1)", denoise=True), ["noise level 0", "denoise"]),
        (EYE, "ddim", drawn(seeds=None), ["seeds"]),
        (EYE, "ddim", drawn(seeds=[]), ["seeds is empty"]),
        (EYE, "ddim", drawn(seeds=5), ["seeds = 5", "range(16)"]),
        (EYE, "ddim", drawn(seeds=[1, -1]), ["-1"]),
        (EYE, "ddim", drawn(seeds=[0.5]), ["0.5"]),
        (EYE, "ddim", drawn(shape=None), ["shape"]),
        (EYE, "ddim", drawn(shape=(3, -1)), ["(3, -1)"]),
        (EYE, "ddim", drawn(dtype=torch.int64), ["int64"]),
        (EYE, "ddim", drawn(dtype=torch.complex64), ["complex64"]),
        (EYE, "ddim", drawn(dtype="float32"), ["'float32'", "torch dtype"]),
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
        (Network(torch.nn.Bilinear(2, 1, 2).bfloat16(), "noise"), "ddim", drawn(), ["Bilinear", "bfloat16", "float32"]),
        (
            Network(lambda z, t: z, "data", dtype=torch.bfloat16),
            "ddim",
            drawn(dtype=np.float64),
            ["bfloat16", "ndarray"],
        ),
        (Network(lambda z, t: z, "data", time="double"), "ddim", drawn(), ["'double'", "'float'"]),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(network, own, keywords, names):
    with pytest.raises(InputError) as caught:
        sample(network, own, **keywords)
    message = str(caught.value)
    assert [name for name in names if name not in message] == []
    assert "\n" not in message
    assert message[-1] in ".?)"


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: Network(3, "data"), ["int", "callable"]),
        (lambda: Network(cubic, "epsilon"), ["'epsilon'", "noise"]),
        (lambda: Network(cubic, "data", sees="obs"), ["'obs'", "observation"]),
        (lambda: Network(cubic, "noise", sees="observation"), ["observation", "'noise'"]),
        (lambda: Network.of(cubic), ["function", "numtoolkit.laws"]),
        (lambda: process("vp(beta_max=0)"), ["beta_min"]),
    ],
)
def test_networks_and_processes_are_checked_when_they_are_made(make, names):
    with pytest.raises(InputError) as caught:
        make()
    assert [name for name in names if name not in str(caught.value)] == []


def test_errors_of_the_network_itself_come_through():
    def function(z, t):
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        sample(Network(function, "data"), "ddim", **GOOD)


# --- the front door --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["vp", "vp(beta_max=12.0)", "edm(T=50.0, t_min=0.01)", "flow", "psld(Gamma=0.02)"])
def test_a_process_is_read_from_its_specification(text):
    assert process(text).spec == text
    assert process(process(text)) is not None
    assert process(process(text).spec) == process(text)


def test_the_package_loads_its_names_when_they_are_asked_for():
    code = (
        "import sys, numtoolkit; assert not {'numpy', 'torch'} & set(sys.modules); numtoolkit.sample; "
        "assert 'torch' not in sys.modules; assert set(numtoolkit.__all__) <= set(dir(numtoolkit)); "
        "[getattr(numtoolkit, name) for name in numtoolkit.__all__]; numtoolkit.absent"
    )
    run_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run_.stderr.endswith("AttributeError: module 'numtoolkit' has no attribute 'absent'\n")
