"""A person's own scheme, process, law or network, from a Python file, in every command that takes one."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.files.storage import read_json
from tests.support.command_line import drawn
from tests.support.own_files import MINE, mine

EXPERIMENT = """
kind = "curve"
title = "Which falls faster?"
process = "{own}:SHIFTED"
law = "{own}:law(2)"
grid = "log-snr"
schemes = ["ddim", "{own}:family(3)"]
nfe = [6, 10]
"""
OTHER = """
from dataclasses import replace

OTHER = replace(RES, clock="natural")
"""


@pytest.fixture
def own(tmp_path):
    """The file, in a folder with a colon and a space in its name."""
    (tmp_path / "my files: 1").mkdir()
    return mine(tmp_path / "my files: 1")


@pytest.fixture
def digest(own):
    """The SHA-256 of the file."""
    return hashlib.sha256(own.read_bytes()).hexdigest()


def commands(own, tmp_path):
    """A command line of each command that takes a reference, which succeeds where it may be taken."""
    run = ["--process", f"{own}:SHIFTED", "--law", f"{own}:law", "--nfe", "4"]
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "own.toml").write_text(EXPERIMENT.format(own=own), encoding="utf-8")
    return {
        "list": ["list", f"{own}:family(3)"],
        "show": ["show", f"{own}:RES(c2=1/3)"],
        "verify": ["verify", f"{own}:RES"],
        "stability": ["stability", f"{own}:RES", "--out", tmp_path / "s.svg"],
        "curve": ["curve", *run, "--schemes", f"ddim,{own}:RES", "--grid", "log-snr", "--out", tmp_path / "c.json"],
        "sample": ["sample", *run, "--scheme", f"{own}:RES", "--seeds", "0-3", "--out", tmp_path / "samples"],
        "fit": ["fit", *run, "--scheme", "iia-ddim", "--batch", "20", "--out", tmp_path / "fitted.json"],
        "reproduce": ["reproduce", "--quick", "--experiments", tmp_path / "experiments", "--out", tmp_path / "figures"],
    }


def test_every_command_runs_a_file_only_where_it_is_told_to(run, own, tmp_path):
    """Without --import one sentence names file, name and remedy, and nothing is run; with it the command succeeds."""
    pytest.importorskip("matplotlib")
    lines = commands(own, tmp_path)
    for name, words in lines.items():
        code, out, err = run(*words)
        assert (code, out) == (2, ""), name
        assert f"would run '{own}' to take " in err, name
        assert "allow that by --import" in err, name
        assert "this file was run" not in err, name
    del lines["reproduce"]  # which the test of its results runs
    for name, words in lines.items():
        code, out, err = run(*words, "--import")
        assert code == 0, (name, err)
        assert "this file was run" not in out, name


def test_results_name_the_declared_scheme_and_the_reference_beside_it(run, result, own, digest, tmp_path):
    """Records of verify, show and list, sidecars of curves and the note on stderr: name, reference, checksum."""
    text = f"{own}:RES(c2=1/3)"
    told = {"name": "my-res(c2=1/3)", "reference": text, "sha256": digest}
    for words in (["verify", text], ["list", text]):
        (record,) = result(*words, "--import")
        assert (record["scheme"], record["from"]) == ("my-res(c2=1/3)", told)
    record = result("show", text, "--import")
    assert (record["scheme"], record["from"]) == ("my-res(c2=1/3)", told)
    assert run("verify", text, "--import")[2] == f"my-res(c2=1/3) is {text}, sha256 {digest[:12]}\n"
    words = ["curve", "--process", "vp", "--law", "gaussian", "--grid", "log-snr", "--nfe", "4"]
    assert run(*words, "--schemes", f"ddim,{text}", "--out", tmp_path / "c.json", "--import")[0] == 0
    sidecar = read_json(tmp_path / "c.json")
    assert sidecar["references"] == [told]
    assert {record["scheme"] for record in sidecar["data"]} == {"ddim", "my-res(c2=1/3)"}
    assert run(*words, "--schemes", "ddim", "--out", tmp_path / "d.json", "--import")[0] == 0
    assert "references" not in read_json(tmp_path / "d.json")
    assert "from" not in result("verify", "ddim", "--import")[0]


def test_reproduce_names_what_each_experiment_took(result, own, digest, tmp_path):
    """The result file of an experiment holds the references in it, and that of another none of them."""
    pytest.importorskip("matplotlib")
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "own.toml").write_text(EXPERIMENT.format(own=own), encoding="utf-8")
    plain = (
        EXPERIMENT.replace("{own}:SHIFTED", "vp").replace("{own}:law(2)", "gaussian").replace("{own}:family(3)", "em")
    )
    (folder / "plain.toml").write_text(plain, encoding="utf-8")
    result("reproduce", "--quick", "--import", "--experiments", folder, "--out", tmp_path / "figures")
    found = read_json(tmp_path / "figures" / "own.json")["references"]
    assert {record["reference"] for record in found} == {f"{own}:{name}" for name in ("SHIFTED", "law(2)", "family(3)")}
    assert {record["sha256"] for record in found} == {digest}
    assert "references" not in read_json(tmp_path / "figures" / "plain.json")


def test_a_folder_of_samples_says_which_file_made_it_and_takes_no_other(run, result, own, digest, tmp_path):
    """The checksum decides the samples: with another content the folder is refused, with the same it is completed."""
    words = ["sample", "--law", f"{own}:law", "--scheme", f"{own}:RES", "--process", f"{own}:SHIFTED", "--nfe", "4"]
    words += ["--import", "--out", tmp_path / "samples", "--seeds"]
    assert result(*words, "0-3")["new"] == 4
    manifest = read_json(tmp_path / "samples" / "manifest.json")
    said = manifest["specification"]
    assert (said["scheme"], said["process"]) == ("my-res", "my-vp(beta_max=12.0)")
    assert said["law_sha256"] == said["scheme_sha256"] == said["process_sha256"] == digest
    assert {record["reference"] for record in manifest["runs"][0]["references"]} == {words[2], words[4], words[6]}
    assert result(*words, "0-5")["new"] == 2
    own.write_text(MINE + "\n", encoding="utf-8")
    code, out, err = run(*words, "0-7")
    assert (code, out) == (2, "")
    assert f"holds samples with law_sha256 '{digest}'" in err


def test_sample_draws_from_a_network_of_ones_own(run, result, own, digest, tmp_path):
    """The samples of `numtoolkit.sample` on it; the folder names network and checksum, and asks for a shape once."""
    words = ["sample", "--scheme", "dpmpp-2m", "--process", "vp", "--nfe", "5", "--seeds", "0-3", "--import"]
    assert result(*words, "--model", f"{own}:NET", "--out", tmp_path / "a")["new"] == 4
    with nt.allow_imports():
        network = nt.network_of(f"{own}:NET")
    arguments = {"process": "vp", "grid": "log-snr", "nfe": 5, "seeds": range(4), "dtype": np.float64, "batch": 64}
    direct = nt.sample("dpmpp-2m", network=network, **arguments).samples
    np.testing.assert_array_equal(np.stack([drawn(tmp_path / "a")[seed] for seed in range(4)]), direct)
    said = read_json(tmp_path / "a" / "manifest.json")["specification"]
    assert (said["model"], said["model_sha256"], said["shape"]) == ("network", digest, [2])
    assert "law" not in said
    assert result(*words, "--model", f"{own}:BARE", "--shape", "2", "--out", tmp_path / "b")["new"] == 4
    np.testing.assert_array_equal(drawn(tmp_path / "b")[3], direct[3])
    assert result(*words, "--model", f"{own}:scaled(by=2)", "--out", tmp_path / "c")["new"] == 4
    for model, more, sentence in (
        ("BARE", [], "network network does not say the shape of a sample; add --shape"),
        ("NET", ["--shape", "3"], "network network takes samples of shape (2,), not (3,); drop --shape"),
        ("NET", ["--law", "ring"], "argument --law: not allowed with argument --model"),
        ("BARE", ["--shape", "2,x"], "--shape 'x' is not one whole number"),
        ("network", [], "wrap it as numtoolkit.Network(network, predicts=...)"),
    ):
        code, out, err = run(*words, "--model", f"{own}:{model}", *more, "--out", tmp_path / "d")
        assert (code, out) == (2, ""), model
        assert sentence in err


MODULE = """
import torch

import numtoolkit as nt


class Net(torch.nn.Linear):
    def forward(self, z, t):
        return super().forward(z)


NET = nt.Network(Net(2, 2).eval(), "data", shape=(2,)).clipped(3)
BARE = nt.Network(lambda z, t: torch.tanh(z), "data", shape=(2,))
"""


def test_sample_runs_a_torch_module_where_its_parameters_are(result, tmp_path):
    """In torch, on their device and in their dtype, of a wrapped module too; the folder says so."""
    file = tmp_path / "module.py"
    file.write_text(MODULE, encoding="utf-8")
    words = ["sample", "--scheme", "ddim", "--process", "edm", "--nfe", "3", "--seeds", "0-3", "--import"]
    words += ["--model", f"{file}:NET", "--out", tmp_path / "a"]
    assert result(*words)["new"] == 4
    said = read_json(tmp_path / "a" / "manifest.json")["specification"]
    assert (said["dtype"], said["device"]) == ("float32", "cpu")
    assert drawn(tmp_path / "a")[0].dtype == np.float32
    assert result(*words, "--dtype", "float32", "--device", "cpu")["new"] == 0


def test_a_function_of_torch_that_is_given_numpy_arrays_is_told_of_device(run, result, tmp_path):
    """It names its line and --device cpu, which runs it."""
    file = tmp_path / "module.py"
    file.write_text(MODULE, encoding="utf-8")
    words = ["sample", "--scheme", "ddim", "--process", "edm", "--nfe", "3", "--seeds", "0-3", "--import"]
    words += ["--model", f"{file}:BARE", "--out", tmp_path / "a"]
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "fails at line 13" in err
    assert "it is given numpy arrays: mend it there, or add --device cpu for tensors." in err
    assert result(*words, "--device", "cpu", "--out", tmp_path / "b")["new"] == 4


def test_what_a_network_raises_in_a_run_is_told_with_its_line(run, own, tmp_path):
    """Exit code 2 and one sentence, not the traceback of a fault of numtoolkit."""
    words = ["sample", "--scheme", "ddim", "--process", "vp", "--nfe", "5", "--seeds", "0-3", "--import"]
    code, out, err = run(*words, "--model", f"{own}:FAILS", "--out", tmp_path / "a")
    line = MINE.split("\n").index('    raise RuntimeError("no weights")') + 1
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"numtoolkit: '{own}:FAILS' fails at line {line} of '{own}' with RuntimeError: no weights; mend it there."
    )


def test_different_schemes_of_one_name_are_refused_together(run, result, own):
    """No result could tell them apart; one scheme twice is one."""
    own.write_text(MINE + OTHER, encoding="utf-8")
    code, out, err = run("verify", f"{own}:RES", f"{own}:OTHER", "--import")
    assert (code, out) == (2, "")
    assert "2 different schemes are called my-res; rename one, or say what made it by with_structure." in err
    assert len(result("verify", f"{own}:RES", f"{own}:RES()", "--import")) == 1


def test_a_module_of_the_working_folder_is_taken_by_its_name(run, result, tmp_path, monkeypatch):
    """Inside a package, and where the path does not hold the working folder, as that of the installed command."""
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "__init__.py").touch()
    mine(tmp_path / "mypackage", "inner.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert "would run" in run("verify", "mypackage.inner:RES")[2]
    assert "mypackage" not in sys.modules
    try:
        assert result("verify", "mypackage.inner:RES", "--import")[0]["from"]["reference"] == "mypackage.inner:RES"
    finally:
        for name in ("mypackage.inner", "mypackage"):
            del sys.modules[name]


def test_files_of_data_need_no_permission(result, own, tmp_path):
    """A scheme as JSON and a law as arrays execute nothing: they are read without --import."""
    result("show", f"{own}:RES", "--import", "--out", tmp_path / "res.json")
    np.savez(tmp_path / "law.npz", means=np.zeros((1, 2)), covariances=np.ones(1))
    assert result("verify", tmp_path / "res.json")[0]["scheme"] == "my-res"
    words = ["curve", "--process", "vp", "--grid", "log-snr", "--nfe", "4", "--law", tmp_path / "law.npz"]
    assert result(*words, "--schemes", tmp_path / "res.json")[0]["scheme"] == "my-res"
