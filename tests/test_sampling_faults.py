"""What a run says of a network that fails, of input it cannot use, and of its progress."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import NAMED
from numtoolkit.program.walk import evaluations, plain
from numtoolkit.sampling.locate import first_nonfinite
from numtoolkit.schemes import scheme
from tests.sampling_cases import BATCH, GRIDS, Linear, cases, cubic, normal, program_of

# --- what is not finite ----------------------------------------------------------------------------------------------


POISONED = Network(lambda z, t: torch.where((t[:, None] < 10) & (z == 0), float("nan"), z * 0.5), "data")


def marked_run(zero, own="heun-edm", seeds=range(100, 105), **keywords):
    """Five samples on EDM; those listed have a coordinate at 0, where the network returns NaN below t = 10."""
    start = torch.ones(5, 4)
    start[zero, 1] = 0.0
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
    assert marked.samples[[1, 4]].isfinite().sum() == 6


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


@pytest.mark.parametrize("batch", [None, 2])
def test_the_replay_draws_the_noise_of_the_run(batch):
    """A network that fails on states only this noise reaches: found again where it failed."""
    failed = []

    def function(z, t):
        far = (z[:, 0].abs() > 2.5).any(1, keepdim=True)
        failed.extend((float(t[0]), bool(row)) for row in far)
        return torch.where(far, float("nan"), z[:, 0] * 0.5)

    keywords = {"process": "psld", "grid": "uniform", "steps": 8, "seeds": range(BATCH), "shape": 4, "batch": batch}
    marked = sample(Network(function, "data"), "roba", on_nonfinite="mark", **keywords)
    first, size = int(marked.finite.int().argmin()), batch or BATCH
    tile = failed[first // size * size * 8 : (first // size + 1) * size * 8]
    when = next(t for t, far in tile[first % size :: size] if far)
    with pytest.raises(NonFiniteError, match=rf"^sample {first} \(seed {first}\).* told t = {when:.6g}, "):
        sample(Network(function, "data"), "roba", **keywords)


@pytest.mark.parametrize(("own", "law"), cases())
def test_a_replay_finds_the_evaluation_at_which_a_network_failed(own, law):
    """Step and told time of the one evaluation that returned NaN are in the message, on every scheme and process."""
    program, network, calls = program_of(own, law), Network(cubic, "data").on(law), itertools.count()
    wanted = evaluations(program)
    fails = len(wanted) // 2

    def failing(row, t):
        output = network(row, t)
        if next(calls) == fails:
            output[0][2] = np.nan
        return output

    error = first_nonfinite(
        program, failing, normal(law, 0), lambda step, slot: normal(law, [step, slot]), plain, 2, "sample 2"
    )
    assert f"of step {wanted[fails].step} (" in str(error)
    assert f"told t = {wanted[fails].time:.6g}, the network returned NaN" in str(error)


def test_a_noise_that_is_not_finite_is_found_where_it_was_drawn():
    """The message names the noise, not the row that used it."""
    law = process("psld")
    error = first_nonfinite(
        program_of(scheme("roba"), law),
        Network(cubic, "data").on(law),
        normal(law, 0),
        lambda step, slot: [block * (np.inf if step == 3 else 1.0) for block in normal(law, [step, slot])],
        plain,
        0,
        "sample 0",
    )
    assert str(error).startswith("sample 0 leaves the finite numbers in noise xi1 of step 3 (t = ")


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


def test_progress_shows_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    sample(Network(lambda z, t: z, "data"), "ddim", process="vp", grid="uniform", steps=3, seeds=[1], shape=2)
    assert "3/3" in sys.stderr.getvalue()


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
        (EYE, "ddim", drawn(grid=[1.0, 0.5], steps=None, nfe=3), ["3 evaluations in 3 steps", "has 1"]),
        (EYE, "ddim", drawn(steps=None), ["steps or nfe"]),
        (EYE, "ddim", drawn(nfe=4), ["steps or nfe"]),
        (EYE, "ddim", drawn(steps=2.5), ["steps = 2.5"]),
        (EYE, "ddim", drawn(steps=0), ["steps = 0"]),
        (EYE, replace(scheme("heun-edm"), fill=()), drawn(steps=None, nfe=7), ["heun-edm", "7", "6", "8"]),
        (EYE, "heun-edm", drawn(steps=None, nfe=1, denoise=True), ["nfe = 1", "denoising", "at least 2"]),
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
        (Network(Linear(2, 2).bfloat16(), "noise"), "ddim", drawn(), ["Linear", "bfloat16", "float32"]),
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
