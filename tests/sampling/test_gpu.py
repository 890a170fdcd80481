"""On a CUDA device: the numbers of the CPU, dtypes kept, and no wait for the device inside the loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import NAMED
from numtoolkit.sampling import noise
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.loop import plain, run
from tests.support.sampling_cases import (
    BATCH,
    EPS,
    FLOATS,
    GRIDS,
    STEPS,
    Linear,
    cases,
    cubic,
    follow,
    gap_over_bound,
    is_ode,
    normal,
    program_of,
    tensors,
)

pytestmark = pytest.mark.gpu
if not torch.cuda.is_available():
    pytest.skip("no CUDA device here", allow_module_level=True)  # once, not for each of a thousand cases

DEVICE = "cuda"
SEEDS = [0, 1, 2**32, 2**64 - 1]


def placed(blocks):
    return [block.to(DEVICE) for block in tensors(blocks)]


# --- noise -----------------------------------------------------------------------------------------------------------


def test_cuda_draws_the_same_integers_behind_the_noise():
    """Philox words are equal on both devices, for seeds of 64 bits."""
    here, there = (noise.words(SEEDS, 3, 5, 1001, torch.empty(0, device=device)) for device in ("cpu", DEVICE))
    assert there.device.type == DEVICE
    assert torch.equal(here, there.cpu())


def test_cuda_normals_agree_to_rounding():
    """log, sqrt and cos or sin of the same numbers: each within 2 ulp on both sides, so 8 eps relative."""
    here, there = (noise.normals(SEEDS, 0, 0, (3, 333), torch.empty(0, dtype=torch.float64, device=device)).cpu()
                   for device in ("cpu", DEVICE))  # fmt: skip
    np.testing.assert_allclose(there, here, rtol=8 * EPS, atol=8 * EPS * 1e-3)


# --- the loop --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), cases())
def test_the_plain_update_on_cuda_gives_the_numbers_of_the_cpu(own, law):
    """Each product and sum is rounded alike, so the bits should agree; 4 ulp of the largest number are allowed."""
    here = follow(own, law, Network(cubic, "data"), tensors(normal(law, 0)), turn=tensors)
    there = follow(own, law, Network(cubic, "data"), placed(normal(law, 0)), turn=placed)
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(theirs.cpu(), ours, rtol=0, atol=4 * EPS * float(ours.abs().max()))


@pytest.mark.parametrize(("own", "law"), cases())
def test_the_fused_update_on_cuda_is_within_its_bound_in_every_row(own, law):
    """The bound of the CPU holds: n eps of the sum of absolute terms."""
    worst = []

    def update(terms):
        worst.append(gap_over_bound(terms))
        return fused(terms)

    follow(own, law, Network(cubic, "data"), placed(normal(law, 0)), turn=placed, update=update)
    assert max(worst) <= 1


@pytest.mark.parametrize("update", [plain, fused])
@pytest.mark.parametrize(("own", "law"), cases(is_ode))
def test_the_loop_never_waits_for_the_device(own, law, update):
    """torch raises on any synchronisation in the second run, the first one having placed the law's constants."""
    program, network = program_of(own, law), Network.of(NAMED["gaussian"](dim=4)).on(law)
    start = placed(normal(law, 0))
    run(program, network, start, update=update)  # places the constants of the law
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run(program, network, start, update=update)
    finally:
        torch.cuda.set_sync_debug_mode(before)


# --- whole runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("own", "law"), [("unipc", "edm"), ("heun-edm-churn", "edm"), ("roba", "psld")])
def test_dtypes_are_kept_and_splits_give_the_same_bits_on_cuda(own, law, dtype):
    """State and time reach the network in the dtype of the run, on the device."""
    seen = set()

    def function(z, t):
        seen.update([(z.dtype, z.device.type), (t.dtype, t.device.type)])
        return cubic(z, t)

    keywords = {"process": law, "grid": GRIDS[law], "steps": STEPS, "shape": 4, "dtype": dtype, "device": DEVICE}
    whole = sample(own, network=Network(function, "data"), seeds=range(7), **keywords).samples
    assert seen == {(dtype, DEVICE)} == {(whole.dtype, whole.device.type)}
    for batch in (1, 3):
        assert torch.equal(
            sample(own, network=Network(function, "data"), seeds=range(7), batch=batch, **keywords).samples, whole
        )


@pytest.mark.parametrize(("own", "law"), [("dpmpp-2m", "vp"), ("sscs", "psld")])
def test_a_seed_gives_on_cuda_the_sample_of_the_cpu(own, law):
    """The normals agree to 8 ulp and matrix products to d eps; this law's flow magnifies neither more than 10 times."""
    network = Network.of(NAMED["mixture"](dim=4, components=3))
    keywords = {"process": law, "grid": GRIDS[law], "steps": 20, "seeds": range(BATCH), "dtype": torch.float64}
    here, there = (sample(own, network=network, device=device, **keywords).samples.cpu() for device in ("cpu", DEVICE))
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-10)


def test_a_large_batch_on_cuda_is_drawn_in_tiles():
    """4096 images of 3 x 32 x 32 in half precision on a network of another one."""
    network = Network(lambda z, t: z * 0.5, "data", dtype=torch.bfloat16)
    keywords = {"process": "edm", "grid": "rho", "nfe": 9, "shape": (3, 32, 32), "device": DEVICE, "denoise": True}
    for dtype in (torch.float16, torch.float32):
        tiled = sample("unipc", network=network, seeds=range(4096), batch=640, dtype=dtype, **keywords)
        assert tiled.samples.shape == (4096, 3, 32, 32)
        assert bool(tiled.finite.all())
        some = sample("unipc", network=network, seeds=range(4000, 4096), dtype=dtype, **keywords).samples
        assert torch.equal(tiled.samples[4000:], some)


def test_a_nan_on_the_device_is_traced():
    """Step, told time and sample are named as on the CPU."""
    network = Network(lambda z, t: torch.where((t[:, None] < 10) & (z == 0), float("nan"), z * 0.5), "data")
    start = torch.ones(5, 4, device=DEVICE)
    start[3] = 0.0
    with pytest.raises(NonFiniteError, match=r"^sample 3 leaves .* of step 1 .* told t = 5, "):
        sample("heun-edm", network=network, process="edm", grid=[80.0, 20.0, 5.0, 1.0], start=start, batch=2)


def test_a_network_on_another_device_is_named():
    """Parameters on the CPU, or a device that does not exist: the sentence names it."""
    keywords = {"process": process("vp"), "grid": "log-snr", "steps": 2, "seeds": range(2), "shape": 4}
    with pytest.raises(InputError, match=r"parameters on cpu but the samples are on cuda"):
        sample("ddim", network=Network(Linear(4, 4).eval(), "noise"), device=DEVICE, **keywords)
    with pytest.raises(InputError, match=r"device 'cuda:99'"):
        sample("ddim", network=Network(cubic, "data"), device="cuda:99", **keywords)
