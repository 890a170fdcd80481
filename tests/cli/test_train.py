"""`train` writes a checkpoint that every command takes for a network."""

from __future__ import annotations

import json

import numpy as np
import pytest

RECIPE = """
data = "own.npz"
process = "psld"
predicts = "noise"
architecture = "mlp"
width = 16
depth = 1
steps = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a recipe and its data."""
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", images=np.random.default_rng(0).normal(size=(64, 4, 4)).astype(np.float32))
    (tmp_path / "own.toml").write_text(RECIPE)
    return tmp_path


def test_a_network_is_trained_and_sampled_from_the_command_line(run, result, folder):
    """The judgement is printed; the sample folder records the checkpoint's checksum, and runs on its process."""
    code, out, err = run("train", "own.toml", "--out", "net.safetensors")
    assert (code, err) == (0, "wrote net.safetensors\nwrote net.csv\n")
    assert "held_out_loss" in out
    assert out.splitlines()[-7].split()[-1] == "ratio"
    record = result("train", "own.toml", "--out", "again.safetensors", "--steps", "1")
    assert (record["steps"], record["parameters"], len(record["judgement"])) == (1, 3432, 5)
    assert not record["passed"]
    words = ["sample", "--model", "net.safetensors", "--scheme", "rvv", "--grid", "quadratic", "--nfe", "4"]
    result(*words, "--seeds", "0-1", "--out", "drawn")
    about = json.loads((folder / "drawn" / "manifest.json").read_text())["specification"]
    assert (about["model"], about["process"], len(about["model_sha256"])) == ("net", "psld", 64)


def test_a_training_that_stops_for_its_time_says_how_to_go_on(run, result, folder, monkeypatch):
    """--minutes is a limit in minutes; the state of a run that met it is kept, and that is no failure."""
    given = []
    monkeypatch.setattr("numtoolkit.training.loop.train", lambda *words, seconds, **rest: given.append(seconds))
    code, out, _ = run("train", "own.toml", "--out", "net.safetensors", "--minutes", "9")
    assert (code, out) == (0, "stopped after 9 minutes; go on with --resume\n")
    assert result("train", "own.toml", "--out", "net.safetensors", "--minutes", "2")["stopped"]
    run("train", "own.toml", "--out", "net.safetensors")
    assert given == [540, 120, float("inf")]


def test_train_refuses_what_it_cannot_use_in_one_sentence(run, folder):
    """A name, an ending, a number, a device, a state that is not there."""
    for words, said in (
        (["digit-image", "--out", "x.safetensors"], "did you mean digits-image"),
        (["own.toml", "--out", "x.pt"], "end it in .safetensors"),
        (["own.toml", "--out", "x.safetensors", "--steps", "0"], "--steps 0 is out of range"),
        (["own.toml", "--out", "x.safetensors", "--device", "tpux"], "device = 'tpux' cannot be used"),
        (["own.toml", "--out", "x.safetensors", "--resume"], "leave --resume out"),
    ):
        code, out, err = run("train", *words)
        assert (code, out) == (2, "")
        assert said in err
        assert len(err.splitlines()) == 1


def test_a_training_that_came_to_its_end_is_not_begun_anew_by_resume(run, folder):
    """--resume after the end says that the checkpoint is complete, and leaves it; of other steps it is not."""
    run("train", "own.toml", "--out", "net.safetensors")
    before = (folder / "net.safetensors").read_bytes()
    code, _, err = run("train", "own.toml", "--out", "net.safetensors", "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert "'net.safetensors' is complete, of this recipe; leave --resume out to train it anew" in err
    assert (folder / "net.safetensors").read_bytes() == before
    assert "there is no" in run("train", "own.toml", "--out", "net.safetensors", "--resume", "--steps", "4")[2]
