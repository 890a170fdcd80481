"""A network of other people's code and its checkpoint, from the command line: named, read, asked, run and recorded."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest

from numtoolkit import InputError, InputWarning, allow_imports, error_curve, foreign_network, network_of, sample
from numtoolkit import pilot as pilot_of
from numtoolkit.cli.command_line import parser
from numtoolkit.models.by_reference import foreign_network_of
from numtoolkit.models.calls import function_of, parameter_of
from numtoolkit.models.checkpoints import shipped_path
from numtoolkit.models.modes import modules

torch = pytest.importorskip("torch")

THEIRS = """
from pathlib import Path

import torch


class Theirs(torch.nn.Module):
    img_channels, img_resolution = 1, 4

    def __init__(self):
        super().__init__()
        self.mean, self.spread = (torch.nn.Parameter(torch.zeros(1, 4, 4)) for _ in range(2))
        self.calls = 0

    def forward(self, x, sigma):
        self.calls += 1
        s, v = sigma.reshape(-1, 1, 1, 1) ** 2, self.spread**2
        return self.wrong((v * x + s * self.mean) / (v + s), x)

    def wrong(self, out, x):
        said = Path("wrong.txt").read_text() if Path("wrong.txt").exists() and self.calls > 4 else ""
        if said == "nan":
            return out * float("nan")
        if said == "half":
            return out.half()
        if said == "shape":
            return out[:, :, :3]
        if said == "device":
            return out.to("meta")
        if said == "input":
            return torch.nn.functional.conv2d(x, torch.ones(1, 3, 1, 1))
        if said == "exit":
            raise SystemExit(0)
        return out


def net():
    return Theirs().eval()


def denoiser():
    from numtoolkit import Network

    return Network.edm(net(), dtype=torch.float32)


def closed():
    from numtoolkit import Network

    module = net()
    return Network(lambda y, s: module(y, s), "data", sees="observation").clipped()
"""
MODEL = ["--model", "theirs.py:net", "--import", "--convention", "edm", "--checkpoint", "theirs.pt"]
RUN = ["--scheme", "ddim", "--process", "edm", "--grid", "rho(7)", "--nfe", "3", "--batch", "2", "--out", "drawn"]


def weights(seed=0):
    random = torch.Generator().manual_seed(seed)
    return {"mean": torch.rand((1, 4, 4), generator=random), "spread": torch.rand((1, 4, 4), generator=random) + 0.3}


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """The folder of somebody who has the code, and a checkpoint with the weights and their running average."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(THEIRS)
    torch.save({"model": weights(1), "ema": weights(0)}, tmp_path / "theirs.pt")
    return tmp_path


def test_a_module_and_its_checkpoint_are_sampled(run, theirs):
    """As in Python; the average is taken and said, the question what it predicts too; the folder has both digests."""
    code, _, err = run("sample", *MODEL, *RUN, "--seeds", "0-3")
    assert code == 0, err
    digest = hashlib.sha256((theirs / "theirs.pt").read_bytes()).hexdigest()
    said = f"Theirs has the weights of theirs.pt, ema, sha256 {digest}\n"
    assert err.startswith(said + "Theirs was asked whether it predicts 'data': 256 evaluations of a sample\n")
    with allow_imports():
        from numtoolkit import references

        module = references.resolve("theirs.py:net", "torch module", lambda own: isinstance(own, torch.nn.Module))
        network = foreign_network(module, "edm", "theirs.pt")
    how = {"nfe": 3, "seeds": range(4), "batch": 2, "dtype": torch.float32, "progress": False}
    ours = sample("ddim", "edm", network, "rho(7)", **how).samples
    drawn = np.concatenate([np.load(path)["samples"] for path in sorted((theirs / "drawn").glob("samples-*.npz"))])
    assert (drawn == ours.numpy()).all()
    about = json.loads((theirs / "drawn" / "manifest.json").read_text())["specification"]
    kept = {key: about[key] for key in ("weights_sha256", "weights_part", "convention", "shape")}
    assert kept == {"weights_sha256": digest, "weights_part": "ema", "convention": "edm", "shape": [1, 4, 4]}
    assert about["model_sha256"] == hashlib.sha256(THEIRS.encode()).hexdigest()


@pytest.mark.parametrize("change", [["--part", "model"], []])
def test_samples_of_other_weights_never_enter_a_folder(run, theirs, change):
    """Another file under the same name, or another part of it, is refused as the folder is extended."""
    assert run("sample", *MODEL, *RUN, "--seeds", "0-1")[0] == 0
    before = {path.name: path.read_bytes() for path in (theirs / "drawn").glob("samples-*.npz")}
    if not change:
        torch.save({"model": weights(1), "ema": weights(2)}, theirs / "theirs.pt")
    code, _, err = run("sample", *MODEL, *change, *RUN, "--seeds", "0-3")
    assert (code, "weights_" in err.splitlines()[-1]) == (2, True), err
    assert {path.name: path.read_bytes() for path in (theirs / "drawn").glob("samples-*.npz")} == before


def test_a_complete_folder_asks_nothing_of_a_network(run, theirs):
    """No evaluation where there is nothing to draw."""
    assert run("sample", *MODEL, *RUN, "--seeds", "0-1")[0] == 0
    code, _, err = run("sample", *MODEL, *RUN, "--seeds", "0-1")
    assert (code, "was asked" in err) == (0, False)


def test_curve_and_its_file_know_the_weights(run, result, theirs):
    """The records of `error_curve` on the same network; the file has the digest and the part."""
    words = ["curve", *MODEL, "--process", "edm", "--schemes", "ddim", "--grid", "rho(7)", "--nfe", "4"]
    words += ["--samples", "4", "--tolerance", "1e-3", "--metric", "path"]
    records = result(*words)
    with allow_imports():
        made = network_of("theirs.py:denoiser")
    made.function.net.load_state_dict(weights(0))
    assert records == error_curve("ddim", "edm", made, "rho(7)", [4], range(4), tolerance=1e-3, metric="path")
    assert run(*words, "--out", "curve.json")[0] == 0
    digest = hashlib.sha256((theirs / "theirs.pt").read_bytes()).hexdigest()
    kept = json.loads((theirs / "curve.json").read_text())["weights"]
    assert kept == {"file": "theirs.pt", "sha256": digest, "part": "ema"}


def test_a_network_that_says_its_convention_is_given_weights_alone(run, theirs):
    """A `Network` of a file, with `--checkpoint` and without `--convention`, which it refuses."""
    words = ["sample", "--model", "theirs.py:denoiser", "--import", "--checkpoint", "theirs.pt", *RUN, "--seeds", "0-1"]
    code, _, err = run(*words)
    assert (code, "has the weights of theirs.pt, ema" in err, "was asked" in err) == (0, True, False)
    code, _, err = run(*words, "--convention", "edm")
    assert (code, "says itself what it predicts; drop the convention edm" in err) == (2, True)


def test_a_wrong_convention_is_suspected_before_the_run(run, theirs):
    """A denoiser said to predict the noise: a warning, and the samples all the same."""
    words = [own if own != "edm" else "noise" for own in MODEL]
    with pytest.warns(InputWarning, match="^network Theirs hardly predicts 'noise', for as such it leaves"):
        code, _, err = run("sample", *words, *RUN, "--seeds", "0-1", "--shape", "1,4,4")
    assert (code, len([*(theirs / "drawn").glob("samples-*.npz")])) == (0, 1), err


@pytest.mark.parametrize("wrong", ["nan", "half", "shape", "device", "input", "exit"])
def test_what_goes_wrong_in_the_middle_of_a_run_loses_nothing(run, theirs, wrong):
    """Not a number, another dtype, shape or device, an input refused, an exit: one sentence; what was drawn stays, and
    the rest is drawn as if nothing had happened."""
    words = ["sample", "--model", "theirs.py:denoiser", "--import", "--checkpoint", "theirs.pt", *RUN]
    assert run(*words, "--seeds", "0-5")[0] == 0
    whole = {path.name: np.load(path)["samples"] for path in (theirs / "drawn").glob("samples-*.npz")}
    for path in (theirs / "drawn").iterdir():
        path.unlink()
    (theirs / "wrong.txt").write_text(wrong)
    code, out, err = run(*words, "--seeds", "0-5")
    assert (code, out) == (2, "")
    complaint = err.splitlines()[-1]
    assert complaint.startswith("numtoolkit: "), err
    assert {"nan": "NaN", "half": "float16 after torch.float32", "shape": "returned shape (2, 1, 3, 4)",
            "device": "values on meta", "input": "does not take states of shape",
            "exit": "with SystemExit: 0; mend it there"}[wrong] in complaint  # fmt: skip
    assert len([*(theirs / "drawn").glob("samples-*.npz")]) == 1
    (theirs / "wrong.txt").unlink()
    assert run(*words, "--seeds", "0-5")[0] == 0
    again = {path.name: np.load(path)["samples"] for path in (theirs / "drawn").glob("samples-*.npz")}
    assert again.keys() == whole.keys()
    assert all((again[name] == own).all() for name, own in whole.items())


def test_the_digest_of_weights_is_compared_where_it_is_given(run, theirs):
    """Of a checkpoint, of a network that ships and of one in a file; where there are no weights it is refused."""
    digest, other = (hashlib.sha256(content).hexdigest() for content in ((theirs / "theirs.pt").read_bytes(), b""))
    code, _, err = run("sample", *MODEL, *RUN, "--seeds", "0", "--sha256", digest)
    assert code == 0, err
    code, _, err = run("sample", *MODEL, *RUN, "--seeds", "0", "--sha256", other)
    assert (code, f"has the SHA-256 {digest[:16]}..., not {other[:16]}..." in err) == (2, True)
    shipped = ["sample", "--model", "network:digits-image", *RUN[:-1], "digits", "--seeds", "0"]
    own = hashlib.sha256(shipped_path("digits-image").read_bytes()).hexdigest()
    assert run(*shipped, "--sha256", own)[0] == 0
    code, _, err = run(*shipped, "--sha256", other)
    assert (code, f"have the SHA-256 {own}, not {other}; give theirs" in err) == (2, True)
    code, _, err = run("sample", "--model", "theirs.py:denoiser", "--import", *RUN, "--seeds", "0", "--sha256", other)
    assert (code, "has no checkpoint whose SHA-256 could be" in err) == (2, True)


def test_spectrum_is_told_whose_network_it_asks_as_other_commands_are(run, result, theirs):
    """By the same options: the outputs of the pilot run are those of the module with its convention and weights."""
    pilot = ["--nfe", "3", "--outputs", "8", "--dtype", "float64"]
    found = result("spectrum", *MODEL, "--part", "model", *pilot)
    with allow_imports():
        network = foreign_network_of("theirs.py:net", "edm", "theirs.pt", part="model")
    exact = pilot_of(network, "edm", nfe=3, outputs=8, dtype=torch.float64)
    assert found["digest"] == exact.spectrum(16).digest
    code, _, err = run("spectrum", *MODEL, *pilot, "--sha256", "0" * 64)
    assert (code, "has the SHA-256" in err) == (2, True)
    code, _, err = run("spectrum", *MODEL, *pilot)
    assert (code, "was asked whether it predicts 'data'" in err) == (0, True)
    code, _, err = run("spectrum", "--data", "digits", "--convention", "edm")
    assert (code, "--convention is of a network; give --model, or drop it." in err) == (2, True)


def test_every_command_that_takes_a_network_takes_the_same_options_of_it():
    """How a module of others is called, where its weights are, what its samples are and where it runs."""
    commands = next(action.choices for action in parser()._actions if isinstance(action.choices, dict))
    said = {name: set(own._option_string_actions) for name, own in commands.items()}
    taking = {name for name, options in said.items() if "--model" in options}
    assert taking >= {"curve", "fit", "sample", "spectrum"}
    for name in taking:
        assert said[name] >= {"--convention", "--checkpoint", "--part", "--sha256", "--shape", "--dtype", "--device"}
        assert said[name] & {"--conditions", "--labels"}


def test_modules_of_others_go_to_the_device_that_is_named(theirs):
    """The module of a file, and those that a network of a file calls, wherever it holds them; none without a name."""
    with allow_imports():
        stays = foreign_network_of("theirs.py:net", "edm", "theirs.pt", part="ema")
        assert parameter_of(stays).device.type == "cpu"
        made = [
            foreign_network_of("theirs.py:net", "edm", "theirs.pt", part="ema", device="meta"),
            foreign_network_of("theirs.py:denoiser", device="meta"),
            foreign_network_of("theirs.py:closed", device="meta"),
            foreign_network_of("network:digits-image", device="meta"),
        ]
    for network in made:
        assert {own.device.type for module in modules(function_of(network)) for own in module.parameters()} == {"meta"}
    with pytest.raises(InputError, match="device = 'nowhere' cannot be used"), allow_imports():
        foreign_network_of("theirs.py:net", "edm", device="nowhere")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "theirs.py:net", "--import"], "is a torch module, .* or give its convention, as --convention edm"),
        ([*MODEL[:3], *MODEL[5:]], "give its convention, one of edm, edm-raw"),
        ([*MODEL[:5], "--sha256", "00"], "sha256 is of a checkpoint; give one, or drop it"),
        ([*MODEL[:5], "--part", "ema"], "part is of a checkpoint; give one, or drop it"),
        ([*MODEL[:2], *MODEL[3:]], "would run .*theirs.py' to take net from it; allow that by --import"),
        ([*MODEL[:-1], "absent.pt"], "there is no checkpoint 'absent.pt'"),
        ([*MODEL[:-1], "theirs.py"], "neither a safetensors file nor one of torch.save"),
        ([*MODEL, "--convention", "edn"], "unknown convention 'edn'"),
        (["--model", "network:digits-image", "--convention", "edm"], "a convention is of a torch module of a file"),
        (["--law", "ring", "--checkpoint", "theirs.pt"], "--checkpoint is of a network; give --model, or drop it"),
    ],
)
def test_what_cannot_be_said_of_a_model_is_one_sentence(run, theirs, words, said):
    """Too little, too much, a file that is none, code that was not allowed to run; nothing is drawn."""
    code, out, err = run("sample", *words, *RUN, "--seeds", "0-1")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("numtoolkit: ")
    assert re.search(said, err), err
    assert not (theirs / "drawn").exists()
