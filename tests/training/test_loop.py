"""A training run descends, goes on after a kill to the same bits, and leaves a network that can be loaded."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from numtoolkit import InputError, Network, NonFiniteError, StorageError, sample
from numtoolkit.models.architectures import raw_module
from numtoolkit.models.checkpoints import read_checkpoint
from numtoolkit.problem.processes import process as process_of
from numtoolkit.training import loop
from numtoolkit.training.data import data_of
from numtoolkit.training.loop import computed_in, rate, train
from numtoolkit.training.objective import Mesh, mesh
from numtoolkit.training.recipe import Recipe, recipe_of


@pytest.fixture
def saved_often(monkeypatch):
    """The curve has a point every five steps, and a state is kept after each."""
    monkeypatch.setattr(loop, "WINDOW", 5)
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1.0)


def test_training_descends(tiny, tmp_path, saved_often):
    """In 100 steps on two lines the loss falls from that of the Gaussian law, 1, held out as well."""
    found = train(replace(tiny, steps=100, rate=5e-3, dropout=0.0, batch=128), tmp_path / "x.safetensors")
    losses = [float(line.split(",")[1]) for line in found.curve.read_text().splitlines()[1:]]
    assert len(losses) == 20
    assert np.mean(losses[:2]) > 0.95
    assert np.mean(losses[-10:]) < 0.94
    assert found.loss < 0.9


@pytest.mark.check
def test_long_training_leaves_a_network_told_its_classes(tiny, tmp_path):
    """After 300 steps on two crossing lines it beats the linear denoiser, and each class is drawn on its own line."""
    found = train(replace(tiny, steps=300, width=32, rate=1e-2, dropout=0.0, batch=64), tmp_path / "lines.safetensors")
    assert found.loss < 0.7
    assert max(found.judgement.ratios[:3]) < 0.8
    network = Network.load(found.path)
    assert (network.shape, network.predicts.name, network.name) == ((2,), "data", "lines")
    run = sample("heun-edm", "edm", network, "rho(7)", 39, seeds=range(40), conditions=[0, 1] * 20)
    x = run.samples.numpy()
    slopes = [(x[k::2, 0] * x[k::2, 1]).sum() / (x[k::2, 0] ** 2).sum() for k in (0, 1)]
    assert slopes == pytest.approx([-0.5, 0.5], abs=0.15)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_run_goes_on_to_the_same_bits(tiny, tmp_path, saved_often):
    """Killed after 15 of 20 steps, before the state of that step was kept: checkpoint and curve are the same bytes."""
    whole = train(tiny, tmp_path / "whole.safetensors")
    killed = tmp_path / "killed.safetensors"
    child = os.fork()
    if not child:
        train(tiny, killed, show=lambda step, loss: os._exit(9) if step == 15 else None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not killed.exists()
    with pytest.raises(StorageError, match="--resume"):
        train(tiny, killed)
    with pytest.raises(StorageError, match="another recipe"):
        train(replace(tiny, seed=1), killed, resume=True)
    steps = []
    again = train(tiny, killed, resume=True, show=lambda step, loss: steps.append(step))
    assert steps == [15, 20]
    assert again.path.read_bytes() == whole.path.read_bytes()
    assert again.curve.read_bytes() == whole.curve.read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*training*")) == []
    with pytest.raises(StorageError, match="leave --resume out"):
        train(tiny, killed, resume=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_is_killed_at_once_goes_on_after_its_first_step(tiny, tmp_path, monkeypatch):
    """Half a minute before another state is due: the losses of the steps since are summed anew, to the same bits."""
    monkeypatch.setattr(loop, "WINDOW", 5)
    whole, killed = train(tiny, tmp_path / "whole.safetensors"), tmp_path / "killed.safetensors"
    child = os.fork()
    if not child:
        train(tiny, killed, show=lambda step, loss: os._exit(9))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    facts, _ = read_checkpoint(loop.kept_path(killed), loop.TRAINING)
    assert (facts["step"], facts["curve"]) == (1, [])
    again = train(tiny, killed, resume=True)
    assert again.path.read_bytes() == whole.path.read_bytes()
    assert again.curve.read_bytes() == whole.curve.read_bytes()


def test_a_run_in_pieces_ends_with_the_same_bits(tiny, tmp_path, monkeypatch):
    """Stopped at its second step, where its time is over, it keeps its state; the last piece writes all."""
    monkeypatch.setattr(loop, "WINDOW", 5)
    whole, pieces = (tmp_path / f"{name}.safetensors" for name in ("whole", "pieces"))
    train(tiny, whole)
    asked = count()  # a second each time: at the begin, in a step, and when the state of the first step was kept
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: float(next(asked))))
    number = -(-tiny.steps // 2)
    given = [train(tiny, pieces, resume=n > 0, seconds=2.0) for n in range(number)]
    assert [found is None for found in given] == [True] * (number - 1) + [False]
    assert pieces.read_bytes() == whole.read_bytes()
    assert pieces.with_suffix(".csv").read_bytes() == whole.with_suffix(".csv").read_bytes()
    assert not loop.kept_path(pieces).exists()


@pytest.mark.parametrize(
    ("kind", "able", "dtype"),
    [
        ("cpu", {"avx512_bf16": True}, "bfloat16"),
        ("cpu", {"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
        ("cpu", {"avx512_f": True}, "float32"),
        ("mps", {"avx512_bf16": True}, "float32"),
    ],
)
def test_steps_compute_in_bfloat16_where_the_device_has_instructions_for_it(monkeypatch, kind, able, dtype):
    """A CPU with those of AVX-512 or AMX does; one that would emulate them and other devices compute in float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert computed_in(kind) == dtype


def test_a_batch_is_computed_in_the_dtype_of_the_device(tiny, monkeypatch):
    """In bfloat16 the layers round to 8 bits: the loss is near that in float32, and is no bit pattern of it."""
    data = data_of(tiny.data)
    own = tiny.blueprint(data)
    at = Mesh(*(torch.as_tensor(part, dtype=torch.float32) for part in mesh(own, tiny.levels)))
    found = []
    for dtype in ("float32", "bfloat16"):
        monkeypatch.setattr(loop, "computed_in", lambda kind, dtype=dtype: dtype)
        torch.manual_seed(0)
        raw = raw_module(own)
        torch.nn.init.ones_(raw.last.layers[0].weight)
        value = loop._batch_loss(raw, replace(tiny, dropout=0.0), at, torch.from_numpy(data.train), None)
        found.append(float(value.detach()))
    assert found[1] != found[0]
    assert found[1] == pytest.approx(found[0], rel=0.02)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_goes_on_in_the_dtype_that_it_was_begun_in(tiny, tmp_path, saved_often, monkeypatch):
    """On a device of the other dtype one sentence says so and the state is kept; the checkpoint records the dtype."""
    path = tmp_path / "x.safetensors"
    monkeypatch.setattr(loop, "computed_in", lambda kind: "bfloat16")
    child = os.fork()
    if not child:
        train(tiny, path, show=lambda step, loss: os._exit(9) if step == 15 else None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.setattr(loop, "computed_in", lambda kind: "float32")
    with pytest.raises(StorageError, match="computed in bfloat16, but the device 'cpu' here computes in float32"):
        train(tiny, path, resume=True)
    monkeypatch.setattr(loop, "computed_in", lambda kind: "bfloat16")
    facts, _ = read_checkpoint(train(tiny, path, resume=True).path)
    assert facts["computed_in"] == "bfloat16"


def test_pictures_are_turned_into_eight_orientations_equally_often():
    """Of 4000 turned copies of one picture without symmetry each of the eight takes 500, within 6 deviations."""
    picture = torch.arange(9.0).reshape(1, 3, 3)
    torch.manual_seed(0)
    turned = loop._turned(picture.expand(4000, 1, 3, 3))
    alike = [
        int((turned == torch.rot90(own, k, (-2, -1))).flatten(1).all(1).sum())
        for own in (picture, picture.mT)
        for k in range(4)
    ]
    assert sum(alike) == 4000
    assert max(abs(count - 500) for count in alike) < 6 * math.sqrt(4000 * 7 / 64)


def test_training_turns_what_its_recipe_says(tiny, tmp_path):
    """With `turns` a step sees other pictures and leaves other weights; what is no square picture is refused."""
    path = tmp_path / "own.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 255, (32, 3, 4, 4), dtype=np.uint8))
    own = replace(tiny, data=str(path), labels=False, steps=2)
    losses = [train(replace(own, turns=turns), tmp_path / "x.safetensors").loss for turns in (False, True)]
    assert losses[0] != losses[1]
    with pytest.raises(InputError, match=r"of shape \[2\] are no square pictures"):
        train(replace(tiny, turns=True), tmp_path / "x.safetensors")


def test_training_is_a_function_of_its_recipe_and_leaves_the_generators_alone(tiny, tmp_path):
    """Whatever torch drew before, the checkpoint is the same; what torch draws after is what it would have drawn."""
    torch.manual_seed(1)
    first = train(replace(tiny, steps=3), tmp_path / "a" / "x.safetensors")
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    second = train(replace(tiny, steps=3), tmp_path / "b" / "x.safetensors")
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize(
    ("process", "predicts", "skip"),
    [
        ("psld", "noise-skip", "none"),
        ("cld", "noise", "gaussian"),
        ("flow", "flow", "gaussian"),
        ("vp", "noise", "none"),
    ],
)
def test_every_objective_trains_a_network_that_runs_on_its_process(tiny, tmp_path, process, predicts, skip):
    """Both outputs in a phase space, one elsewhere; the stored network runs there, and is refused elsewhere."""
    own = replace(tiny, process=process, predicts=predicts, skip=skip, labels=False, steps=2)
    network = Network.load(train(own, tmp_path / "x.safetensors").path)
    run = sample("ddim", process, network, "log-snr", 4, seeds=range(2))
    assert run.samples.shape == ((2, 2, 2) if process in ("psld", "cld") else (2, 2))
    network.on(replace(network.process, t_min=0.01))
    for other in ("vp(beta_max=12)", "psld(gamma=0.5)"):
        with pytest.raises(InputError, match=f"was trained on process {process} and is asked on"):
            network.on(process_of(other))


def test_a_unet_is_trained_on_pictures_told_their_classes(tiny, tmp_path):
    """Three steps move it from the Gaussian law, in image and in phase space."""
    path = tmp_path / "own.npz"
    images = np.random.default_rng(0).integers(0, 255, (32, 3, 4, 4), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(32) % 2)
    for process, predicts in (("edm", "data"), ("psld", "noise")):
        own = replace(tiny, data=str(path), architecture="unet", depth=2, process=process, predicts=predicts, steps=3)
        network = Network.load(train(own, tmp_path / "x.safetensors").path)
        run = sample("ddim", process, network, "log-snr", 2, seeds=range(2), conditions=[0, 1])
        assert run.samples.shape == ((2, 2, 3, 4, 4) if process == "psld" else (2, 3, 4, 4))
        k = 2 if process == "psld" else 1
        told = [network.function.raw(torch.ones(1, k, 3, 4, 4), torch.zeros(1), torch.tensor([c])) for c in (0, 1)]
        assert (told[0] - told[1]).abs().max() > 0


def test_two_outputs_of_one_target_are_trained_apart(tiny, tmp_path):
    """With a Gaussian skip both outputs of a phase space learn one function, in weights of their own."""
    own = replace(tiny, process="psld", predicts="noise", labels=False, steps=20)
    network = Network.load(train(own, tmp_path / "x.safetensors").path)
    first, last = network.function.raw(torch.ones(4, 2, 2), torch.zeros(4), None).unbind(1)
    assert (first - last).abs().max() > 1e-4


def test_a_loss_that_leaves_the_finite_numbers_is_said(tiny, tmp_path, saved_often, monkeypatch):
    """One sentence with the step and the rate; no checkpoint is written."""
    monkeypatch.setattr(loop, "rate", lambda recipe, step: math.inf)
    with pytest.raises(NonFiniteError, match=r"the loss is nan before step 5; give a lower rate than 0\.001"):
        train(tiny, tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_the_rate_rises_and_falls_to_nothing():
    """Linear over the warm-up, then half a cosine."""
    own = Recipe("digits", "edm", "data", "mlp", 16, 1, 100, warmup=9, rate=0.5)
    assert rate(own, 0) == pytest.approx(0.05)
    assert rate(own, 50) == pytest.approx(0.25)
    assert rate(own, 99) < 2e-4


def test_recipes_that_ship_are_read_and_others_refused(tmp_path):
    """Each of the file builds its network on its data; a wrong key, value or name meets one sentence."""
    for name in ("digits-image", "digits-class", "digits-psld", "digits-flow"):
        own = recipe_of(name)
        assert own.blueprint(data_of(own.data)).shape == (8, 8)
    path = tmp_path / "own.toml"
    good = (
        'data = "digits"\nprocess = "edm"\npredicts = "data"\narchitecture = "mlp"\nwidth = 16\ndepth = 1\nsteps = 3\n'
    )
    path.write_text(good)
    assert recipe_of(str(path)).steps == 3
    path.write_text(good.replace('"mlp"', '"unet"').replace("depth = 1", "depth = 6"))
    assert recipe_of(str(path)).depth == 6
    with pytest.raises(InputError, match="multiples of 32"):
        recipe_of(str(path)).blueprint(data_of("digits"))
    for line, said in (
        ("width = 20", "multiple of 8"),
        ('predicts = "velocity"\nprocess = "psld"', "not defined"),
        ("levels = [1.0]", "two numbers"),
        ("levels = [1.0, 0.0]", "one > 0"),
        ('stored = "int8"', "stored weights"),
        ('skip = "some"', "skip"),
        ('process = "mine.py:P"', "cannot read"),
        ("stepz = 4", "did you mean steps"),
        ("steps = 0", "whole number from 1"),
        ("dropout = 1.0", "dropout"),
    ):
        changed = {row.split(" = ")[0] for row in line.split("\n")}
        kept = [row for row in good.splitlines() if row.split(" = ")[0] not in changed]
        path.write_text("\n".join([*kept, line]))
        with pytest.raises(InputError, match=said):
            recipe_of(str(path))
    path.write_text("=")
    with pytest.raises(StorageError, match="cannot read"):
        recipe_of(str(path))
    with pytest.raises(InputError, match="did you mean digits-image"):
        recipe_of("digit-image")
