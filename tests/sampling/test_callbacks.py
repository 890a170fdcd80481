"""A callback sees every step of a run, may change its state, and may end it; a trajectory keeps what it sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from numtoolkit import STOP, Network, NonFiniteError, grid, process, sample
from numtoolkit.errors import InputError
from numtoolkit.laws import NAMED
from tests.support.sampling_cases import EPS, GRIDS, cubic

LAW = NAMED["gaussian"](dim=3)


def run(own, on="edm", callback=None, network=None, **changes):
    """A run of four steps of five samples in tiles of three, in float64."""
    given = {"grid": GRIDS[on], "steps": 4, "seeds": range(5), "shape": 3, "batch": 3, "dtype": torch.float64} | changes
    return sample(own, on, Network.of(LAW) if network is None else network, callback=callback, **given)


# --- what it sees


@pytest.mark.parametrize(("on", "event"), [("edm", (3,)), ("psld", (2, 3))])
def test_a_callback_sees_every_state_and_cannot_touch_the_run(on, event):
    """Steps, times, samples and states of each tile in turn; what it does to its copies does not matter."""
    seen = []

    def callback(progress):
        seen.append((progress.step, progress.time, progress.samples, progress.state.clone(), progress.steps))
        progress.state.fill_(torch.nan)
        progress.x0.fill_(torch.nan)

    result = run("euler", on, callback)
    assert torch.equal(run("euler", on).samples, result.samples)
    assert [step for step, *_ in seen] == [0, 1, 2, 3] * 2
    assert [time for _, time, *_ in seen] == list(result.program.times[1:]) * 2
    assert [samples for _, _, samples, *_ in seen] == [range(3)] * 4 + [range(3, 5)] * 4
    assert [tuple(state.shape) for *_, state, _ in seen] == [(3, *event)] * 4 + [(2, *event)] * 4
    assert {steps for *_, steps in seen} == {4}
    assert torch.equal(torch.cat([seen[3][3], seen[7][3]]), result.samples)
    assert result.done.tolist() == [4] * 5


def as_noise(z, x0, alpha, sigma):
    return (z - alpha * x0) / sigma


BY_HAND = {
    "data": lambda z, x0, alpha, sigma: x0,
    "noise": as_noise,
    "score": lambda z, x0, alpha, sigma: -as_noise(z, x0, alpha, sigma) / sigma,
    "velocity": lambda z, x0, alpha, sigma: alpha * as_noise(z, x0, alpha, sigma) - sigma * x0,
}


@pytest.mark.parametrize("predicts", BY_HAND)
def test_a_callback_is_shown_the_data_prediction_of_the_step(predicts):
    """x0 is what the denoiser says of the state that the step began with, whatever the network returns.

    The conversion divides by alpha >= 6e-3, or sigma >= 1e-2, of numbers of the size of z / alpha and z / sigma: 20 eps
    of what that magnifies.
    """
    vp, found = process("vp"), []

    def function(z, t):
        alpha, sigma = (float(x[0]) for x in (vp.alpha(np.array([t])), vp.sigma(np.array([t]))))
        return BY_HAND[predicts](z, LAW.denoise(z / alpha, sigma / alpha), alpha, sigma)

    path = run("ddim", "vp", found.append, Network(function, predicts, time="float"), trajectory=True, batch=5)
    states, times = path.trajectory.states, path.trajectory.times
    for progress, z, t in zip(found, states, times, strict=False):
        alpha, sigma = (float(x[0]) for x in (vp.alpha(np.array([t])), vp.sigma(np.array([t]))))
        wanted = LAW.denoise(z / alpha, sigma / alpha)
        size = float((z.abs().max() + 1) / min(alpha, sigma**2))
        np.testing.assert_allclose(progress.x0, wanted, rtol=0, atol=20 * EPS * size)


def test_the_data_prediction_is_of_the_latest_evaluation():
    """In phase space and within a step too: of the network's last row, bit for bit where it predicts data."""
    outputs, shown = [], []

    def function(z, t):
        outputs.append(cubic(z, t))
        return outputs[-1]

    for own, on in (("heun-edm", "edm"), ("rvv", "psld")):
        outputs.clear(), shown.clear()
        run(own, on, lambda p: shown.append((len(outputs), p.x0)), Network(function, "data"), shape=4, batch=5)
        assert [count for count, _ in shown] == sorted({count for count, _ in shown})
        assert all(torch.equal(x0, outputs[count - 1]) for count, x0 in shown)


# --- a trajectory


@pytest.mark.parametrize("denoise", [False, True])
@pytest.mark.parametrize(("own", "on"), [("unipc", "edm"), ("sscs", "psld")])
def test_a_trajectory_holds_the_states_that_a_callback_is_shown(own, on, denoise):
    """From the start to the end, at the times of the grid: the denoising step is none of them."""
    states, x0s = [], []

    def callback(progress):
        if progress.step < 4:
            states.append(progress.state)
            x0s.append(progress.x0)

    whole = run(own, on, callback, trajectory=True, denoise=denoise, batch=None)
    path = whole.trajectory
    tiled = run(own, on, trajectory=True, denoise=denoise).trajectory
    np.testing.assert_array_equal(path.times, grid(GRIDS[on], on, 4))
    assert path.states.shape == (5, 5, 3) if on == "edm" else (5, 5, 2, 3)
    assert torch.equal(path.states[1:], torch.stack(states))
    assert torch.equal(path.x0, torch.stack(x0s))
    if not denoise:
        assert torch.equal(path.states[-1], whole.samples)
    assert torch.equal(tiled.states, path.states)
    assert torch.equal(tiled.x0, path.x0)
    again = run(own, on, start=path.states[0], shape=None, dtype=None, denoise=denoise)
    assert torch.equal(again.samples, whole.samples)
    assert run(own, on).trajectory is None


def test_a_trajectory_is_of_the_library_of_the_run():
    """Numpy states of a run in numpy."""
    path = run("ddim", trajectory=True, dtype=np.float64).trajectory
    assert type(path.states) is type(path.x0) is np.ndarray


# --- what it may do


@pytest.mark.parametrize(("own", "on"), [("heun-edm", "edm"), ("rvv", "psld")])
def test_a_state_that_a_callback_returns_is_what_the_run_goes_on_with(own, on):
    """The rest of the run is the run from that state, bit for bit, for a scheme that remembers nothing.

    rvv calls the network at the end of a step and again at the start of the next one.
    """
    event = (3,) if on == "edm" else (2, 3)
    mine = torch.randn(5, *event, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kept = mine.clone()

    def callback(progress):
        if progress.step == 1:
            return mine[progress.samples]

    result = run(own, on, callback, trajectory=True)
    times = result.program.times
    rest = run(own, on, start=kept, grid=times[2:], steps=None, shape=None, dtype=None)
    assert torch.equal(result.samples, rest.samples)
    assert torch.equal(result.trajectory.states[2], kept)
    assert torch.equal(mine, kept)
    assert result.provenance["callback"] == "changed states"


@pytest.mark.parametrize("own", ["dpmpp-2m", "unipc", "ipndm", "sde-dpmpp-2m", "em"])
def test_the_history_of_a_run_outlives_a_change_of_its_state(own):
    """With a network that looks at the time alone, all evaluations stay the same: the ends differ as the states did.

    The linear part of a step on EDM is the identity for schemes that freeze the noise, and s'/s for those that freeze
    the data: the factor is read off two other changes of the state.
    """

    def changed(by):
        network = Network(lambda z, t: torch.sin(t)[:, None].expand(z.shape) * 1.0, "noise")
        callback = None if by is None else lambda p: p.state + by if p.step == 1 else None
        return run(own, callback=callback, network=network).samples

    plain, zero, one, two = (changed(by) for by in (None, 0.0, 1.0, 2.0))
    assert torch.equal(plain, zero)
    np.testing.assert_allclose(two - plain, 2 * (one - plain), rtol=0, atol=200 * EPS * float(plain.abs().max() + 80))
    assert float((one - plain).abs().min()) > 1e-6


def test_a_callback_may_end_a_run_and_keep_what_is_done():
    """Each tile ends where it is told, and the result says where that was."""

    def callback(progress):
        if progress.step == (1 if 0 in progress.samples else 2):
            return STOP

    whole = run("dpmpp-2m", trajectory=True).trajectory
    result = run("dpmpp-2m", callback=callback, trajectory=True)
    assert result.done.tolist() == [2, 2, 2, 3, 3] == result.provenance["done"]
    assert torch.equal(result.samples[:3], whole.states[2, :3])
    assert torch.equal(result.samples[3:], whole.states[3, 3:])
    assert result.trajectory.states.isfinite().all(-1).tolist() == [[True] * 5] * 3 + [[False] * 3 + [True] * 2] + [
        [False] * 5
    ]
    assert result.trajectory.x0.isfinite().all(-1).sum().item() == 3 * 2 + 2 * 3
    assert result.finite.all()


@pytest.mark.parametrize(("own", "on"), [("ddim", "edm"), ("rvv", "psld")])
def test_a_run_that_ends_with_a_data_prediction_does_so_where_it_is_stopped(own, on):
    """With denoise=True the samples are data predictions, also of the tiles that a callback ends."""
    shown = []

    def callback(progress):
        shown.append(progress.x0)
        return STOP if progress.step == 1 else None

    result = run(own, on, callback, denoise=True)
    assert torch.equal(result.samples, torch.cat([shown[1], shown[3]]))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda state: 3, "the callback returned an int after step 0; return None to go on"),
        (lambda state: state.numpy(), "the callback returned a ndarray after step 0"),
        (lambda state: state[:1], r"returned shape \(1, 3\) and dtype torch.float64 after step 0; .* \(3, 3\)"),
        (
            lambda state: state.long(),
            r"and dtype torch.int64 after step 0; .* dtype torch.float64\.$",
        ),
        (lambda state: state.to("meta"), "returned a state on meta after step 0; return it on cpu"),
    ],
)
def test_a_callback_that_returns_something_else_is_told_what_to_return(answer, words):
    """In one sentence, at its first step."""
    with pytest.raises(InputError, match=words):
        run("ddim", callback=lambda progress: answer(progress.state))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"callback": 3}, "callback is an int; give a function of a Progress"),
        ({"trajectory": "steps"}, "trajectory = 'steps' is neither True nor False"),
        ({"grad": 1}, "grad = 1 is neither True nor False"),
    ],
)
def test_what_is_no_callback_and_no_switch_is_refused(changes, words):
    """In one sentence, before the run."""
    with pytest.raises(InputError, match=words):
        run("ddim", **changes)


def test_a_state_of_another_floating_dtype_is_taken_in_that_of_the_run():
    """The state never changes its dtype."""
    ours = run("ddim", callback=lambda progress: progress.state.float())
    assert ours.samples.dtype == torch.float64
    assert torch.equal(ours.samples, ours.samples.float().double())


def test_a_run_that_a_callback_spoils_is_not_replayed():
    """The replay would not meet the callback's states: the sentence says where to look."""
    with pytest.raises(NonFiniteError, match=r"sample 0 \(seed 0\).* since the callback changed its states"):
        run("ddim", callback=lambda progress: progress.state * float("nan"))


def test_inpainting_keeps_the_known_part():
    """A state whose known half is put back after each step ends with that half, and the other one is drawn to it."""
    known = torch.tensor([0.5, -0.25, 0.125], dtype=torch.float64)

    def callback(progress):
        state = progress.state
        state[:, :2] = known[:2]
        return state

    samples = run("dpmpp-2m", callback=callback).samples
    assert torch.equal(samples[:, :2], known[:2].expand(5, 2))
    assert torch.equal(samples[:, 2], run("dpmpp-2m").samples[:, 2])  # coordinates of this law are independent


def test_a_callback_cannot_touch_what_the_run_remembers():
    """The data prediction it is shown is not the one that the next steps extrapolate from."""

    def callback(progress):
        progress.x0.fill_(torch.nan)

    assert torch.equal(run("dpmpp-2m", callback=callback).samples, run("dpmpp-2m").samples)


def test_a_callback_may_return_an_array_that_it_writes_into_again():
    """What it returns is copied: the state of a step outlives the next answer."""
    buffer = torch.zeros(5, 3, dtype=torch.float64)

    def callback(progress):
        buffer.copy_(progress.state)
        return buffer

    ours = run("dpmpp-2m", callback=callback, trajectory=True, batch=None)
    assert torch.equal(ours.trajectory.states, run("dpmpp-2m", trajectory=True).trajectory.states)


def test_a_network_sees_whole_tiles_after_a_callback_has_changed_one():
    """The last tile is filled up again: one size of batch, from the first call to the last."""
    sizes = []

    def function(z, t):
        sizes.append(len(z))
        return z * 0.5

    run("ddim", callback=lambda progress: progress.state, network=Network(function, "data"))
    assert sizes == [3] * 8
