"""Checkpoints come back as they were written, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from numtoolkit import InputError, Network, StorageError, error_curve, network_of, process, sample
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.checkpoints import FORMAT, KEY, TRAINING, read_checkpoint, write_checkpoint
from tests.support.checkpoints import written

OWN = Blueprint("mlp", (2, 3), "edm", "data", 0.5, 16, 1, classes=3)


def test_a_checkpoint_comes_back_as_it_was_written(tmp_path):
    """Facts and tensors, bit for bit, and the same bytes once more."""
    path = written(tmp_path / "x.safetensors", OWN)
    facts, tensors = read_checkpoint(path)
    assert facts["blueprint"]["width"] == 16
    assert tensors.keys() == load_file(path).keys()
    assert all(torch.equal(own, load_file(path)[name]) for name, own in tensors.items())
    assert written(tmp_path / "y.safetensors", OWN).read_bytes() == path.read_bytes()


def test_every_bit_of_a_checkpoint_counts(tmp_path):
    """A flipped bit anywhere, in the header, the facts or the weights, is refused in one sentence."""
    path = written(tmp_path / "x.safetensors", OWN)
    content = path.read_bytes()
    for place in [*range(0, 400, 23), *range(400, len(content), 211), len(content) - 1]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(StorageError, match=r"^cannot load .*\.$"):
            Network.load(path)


def test_truncated_and_foreign_files_are_refused(tmp_path):
    """Cut anywhere, empty, of another program, of another kind, absent, a folder: one sentence with what to do."""
    path = written(tmp_path / "x.safetensors", OWN)
    content = path.read_bytes()
    for length in (0, 4, 8, 100, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(StorageError, match="fetch or train it again"):
            Network.load(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(StorageError, match="no key 'numtoolkit'"):
        Network.load(path)
    write_checkpoint(path, {"weight": torch.zeros(3)}, {"format": TRAINING})
    with pytest.raises(StorageError, match=f"its format is '{TRAINING}'"):
        Network.load(path)
    for other in (tmp_path / "absent.safetensors", tmp_path):
        with pytest.raises(StorageError, match="not a file"):
            Network.load(other)


def test_facts_and_weights_that_do_not_belong_together_are_refused(tmp_path):
    """With a digest of their own: another shape, dtype, name or value of weights; a blueprint that is none."""
    path = tmp_path / "x.safetensors"
    for changed, said in (
        ({"raw": torch.zeros(2)}, "without a place for the weights 'raw'"),
        ({"last.layers.0.bias": torch.zeros(2)}, r"'last.layers.0.bias' are \[2\] of float32"),
        ({"last.layers.0.bias": torch.zeros(6, dtype=torch.int32)}, r"\[6\] of int32"),
        ({"last.layers.0.bias": torch.full((6,), torch.inf)}, "not finite"),
    ):
        written(path, OWN, **changed)
        with pytest.raises(StorageError, match=said):
            Network.load(path)
    for key, value, said in (
        ("width", 10**9, "width"),
        ("process", "mine.py:P", "cannot read"),
        ("predicts", "velocity", "lacks the weights|not defined|last"),
        ("architecture", "unet", "lacks the weights|has a blueprint|weights"),
        ("shape", "2", "no list"),
        ("secret", 1, "unknown key"),
    ):
        facts = {"format": FORMAT, "blueprint": {**asdict(OWN), "shape": [2, 3], key: value}}
        if key == "predicts":
            facts["blueprint"]["process"] = "psld"
        write_checkpoint(path, read_checkpoint(written(tmp_path / "y.safetensors", OWN))[1], facts)
        with pytest.raises(StorageError, match=said):
            Network.load(path)


def test_a_loaded_network_is_the_same_in_numpy_and_torch_and_in_each_dtype(tmp_path):
    """float64 answers agree to rounding, float32 to its own; bfloat16 answers in the dtype of the state."""
    path = written(tmp_path / "x.safetensors", OWN)
    y = np.random.default_rng(0).normal(size=(4, 2, 3))
    double = Network.load(path, dtype="float64")
    own = double(y, 0.3)
    assert own.dtype == np.float64
    assert np.abs(double(torch.from_numpy(y), 0.3).numpy() - own).max() < 1e-14
    single = Network.load(path)(y, 0.3)
    assert 1e-9 < np.abs(single - own).max() < 1e-5
    coarse = Network.load(path, dtype="bfloat16")(torch.from_numpy(y), 0.3)
    assert coarse.dtype == torch.float64
    assert 1e-4 < np.abs(coarse.numpy() - own).max() < 0.2
    with pytest.raises(InputError, match="none that a network computes in"):
        Network.load(path, dtype="int8")
    with pytest.raises(InputError, match="device = 'tpux' cannot be used"):
        Network.load(path, device="tpux")


def test_labels_are_told_and_wrong_ones_refused(tmp_path):
    """A class of each sample, None of any; another count, range, dtype or shape is refused in a sentence."""
    path = written(tmp_path / "x.safetensors", OWN)
    network = Network.load(path)
    how = {"scheme": "ddim", "process": "vp", "grid": "log-snr", "nfe": 3, "seeds": range(2)}
    free, first, both = (sample(network=network, conditions=c, **how).samples for c in (None, [0, 0], [0, 1]))
    assert torch.equal(first[0], both[0])
    assert not torch.equal(first[1], both[1])
    assert not torch.equal(free, first)
    guided = network.guided(2.0, None)
    assert sample(network=guided, conditions=[0, 1], **how).samples.shape == (2, 2, 3)
    for wrong, said in (([0, 3], "0 to 2"), ([-1, 0], "0 to 2"), ([0.5, 1.0], "whole number"), ([[0], [1]], "whole")):
        with pytest.raises(InputError, match=said):
            sample(network=network, conditions=np.array(wrong), **how)
    plain = written(tmp_path / "y.safetensors", Blueprint("mlp", (2, 3), "edm", "data", 0.5, 16, 1))
    with pytest.raises(InputError, match="leave conditions out"):
        sample(network=Network.load(plain), conditions=[0, 1], **how)


def test_a_network_is_refused_states_of_another_shape_or_process(tmp_path):
    """Channels, and the process of a network that sees states; an observer runs on every process."""
    path = written(tmp_path / "x.safetensors", OWN)
    network = Network.load(path)
    with pytest.raises(InputError, match=r"\[1, 2, 3\] is given \[1, 3, 3\]"):
        network(np.zeros((4, 3, 3)), 0.3)
    for each in ("edm", "vp", "flow", "psld", "sd"):
        assert sample("ddim", each, network, "log-snr", 2, seeds=[0]).samples.shape[-2:] == (2, 3)
    own = Blueprint("mlp", (2, 3), "psld(beta_min=4,beta_max=4)", "noise", 0.5, 16, 1)
    network = Network.load(written(tmp_path / "y.safetensors", own))
    assert network.on(process("psld(beta_min=4,beta_max=4,t_min=0.01)"))
    with pytest.raises(InputError, match="was trained on process psld"):
        sample("rvv", "psld", network, "quadratic", 2, seeds=[0])


def test_a_checkpoint_is_a_network_wherever_one_is_named(tmp_path):
    """By its path in Python, in an error curve with the dtype it says, and not without its ending."""
    path = written(tmp_path / "x.safetensors", Blueprint("mlp", (2,), "edm", "data", 0.5, 16, 1))
    assert network_of(str(path)).name == "x"
    curve = error_curve("ddim", "edm", str(path), "rho(7)", [4], range(4), metric="path", tolerance=1e-4)
    assert curve[0]["error"] > 0
    with pytest.raises(InputError, match="unknown shipped network 'nothing'"):
        network_of("network:nothing")
    with safe_open(path, framework="pt") as opened:
        assert json.loads(opened.metadata()[KEY])["format"] == FORMAT


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 4)])
@pytest.mark.parametrize(("process_name", "predicts", "blocks"), [("edm", "data", 1), ("psld", "noise", 2)])
def test_a_unet_takes_pictures_of_any_channels(tmp_path, shape, process_name, predicts, blocks):
    """Grey and coloured ones, in image and in phase space, out as they came in; a batch is its samples one by one."""
    own = Blueprint("unet", shape, process_name, predicts, 0.5, 16, 3)
    network = Network.load(written(tmp_path / "x.safetensors", own), dtype="float64")
    z = np.random.default_rng(0).normal(size=(3, *([2] if blocks == 2 else []), *shape))
    out = network(z, 0.3)
    assert out.shape == z.shape
    assert (
        np.abs(np.concatenate([network(z[i : i + 1], 0.3) for i in range(3)]) - out).max() < 1e-12 * np.abs(out).max()
    )
    with pytest.raises(InputError, match="multiples of 16"):
        Blueprint("unet", shape, process_name, predicts, 0.5, 16, 5)
