"""`recommend` names a scheme and a grid, says what it cannot tell apart, and prints the command that runs them."""

from __future__ import annotations

import csv
import json
import shlex

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.files.storage import write_npz

FEW = ["--schemes", "ddim,unipc(2)", "--grids", "rho(7),spectral({spectrum})", "--seeds", "0-19"]


def test_of_nothing_known_recommend_says_what_was_judged(run, result, tmp_path):
    """The records of `judged`; what is of a subject is refused without one."""
    assert result("recommend", "--nfe", "5,20", "--process", "flow")["records"] == nt.judged("flow", [5, 20])
    code, out, _ = run("recommend", "--nfe", "8", "--dynamics", "sde", "--out", str(tmp_path / "a.csv"))
    assert code == 0
    assert "gframe-ab(2, tau=1, spectrum=pilot)" in out
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3
    for words in (["--seeds", "0-3"], ["--regret"], ["--keep", "a.npz"], ["--shape", "3"]):
        code, _, err = run("recommend", "--nfe", "8", *words)
        assert (code, f"{words[0]} is of what is judged; give --model, --data, --outputs or --law" in err) == (2, True)


def test_recommend_prints_the_command_that_runs_what_it_names(run, result, tmp_path, monkeypatch):
    """The pilot run is counted, the records are those of Python, and the command fills a folder with samples."""
    monkeypatch.chdir(tmp_path)
    words = ["recommend", "--model", "natural(size=2)", "--nfe", "5,8", *FEW, "--keep", "outputs.npz"]
    found = result(*words, "--save", "own.npz")
    same = nt.recommend(
        nt.network_of("natural(size=2)"),
        "edm",
        [5, 8],
        schemes=["ddim", "unipc(2)"],
        grids=["rho(7)", "spectral({spectrum})"],
        seeds=range(20),
    )
    assert found["records"] == same.table("own.npz")
    assert (found["nfe_pilot"], found["metric"], found["process"]) == (48, "relative-rms", "edm")
    assert found["spectrum"] == nt.Spectrum.load("own.npz").digest
    assert nt.law("proxy(of=outputs.npz)").mean.shape == (2, 2)
    commands = {nfe: shlex.split(found["commands"][nfe]) for nfe in ("5", "8")}
    for nfe, command in commands.items():
        assert command[command.index("--nfe") + 1] == nfe
        assert command[command.index("--scheme") + 1] == same.best(int(nfe))["scheme"]
    code, _, err = run(*commands["8"][1:])
    assert (code, "samples" in [path.name for path in tmp_path.iterdir()]) == (0, True), err


def test_the_spectrum_is_kept_unasked_only_where_the_command_needs_it(run, tmp_path, monkeypatch):
    """By the word that names it; what was not judged is said on stderr."""
    monkeypatch.chdir(tmp_path)
    line = ["recommend", "--law", "natural(size=4)", "--nfe", "6", "--schemes", "unipc(2)", "--seeds", "0-9"]
    code, out, err = run(*line, "--grids", "rho(7),ays(sdxl)")
    assert (code, list(tmp_path.iterdir()), err) == (0, [], "")
    assert out.startswith("Judged along paths on natural(size=4")
    assert "--law 'natural(size=4)'" in out
    line[line.index("6")] = "1"
    code, out, err = run(*line, "--grids", "spectral({spectrum}),rho(7, zero=1)")
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("spectrum-")
    assert err.splitlines()[0] == f"wrote {kept.name}"
    assert "not judged at 1: grid rho with zero=1 and 1 step has no inner step" in err
    assert f"--grid 'spectral({kept.name})'" in out
    assert "the first of 1 pairs is told from every other" in out


def test_recommend_reads_data_and_outputs_and_writes_files(run, result, tmp_path, monkeypatch):
    """Data leave what is held out, outputs may be a folder that `sample` filled; records, a table and a picture."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).normal(size=(80, 2, 2)).astype(np.float32)
    write_npz(tmp_path / "own.npz", {"images": images})
    few = {"schemes": ["ddim", "unipc(2)"], "grids": ["rho(7)", "spectral({spectrum})"], "seeds": range(20)}
    tail = ["--nfe", "5", *FEW, "--save", "s.npz"]
    by_data = result("recommend", "--data", "own.npz", *tail, "--out", "kept.csv")
    held = images[np.arange(80) % 8 != 7]
    assert by_data["records"] == nt.recommend(held, "edm", 5, **few).table("s.npz")
    with open("kept.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 4
    by_outputs = result("recommend", "--outputs", "own.npz", *tail, "--out", "kept.png", "--process", "vp")
    assert by_outputs["records"] == nt.recommend(images[:64], "vp", 5, **few).table("s.npz")
    assert json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))["data"] == by_outputs["records"]
    assert (tmp_path / "kept.png").stat().st_size > 10_000
    assert "--model MODEL" in by_outputs["commands"]["5"]
    drawn = ["sample", "--law", "gaussian(dim=3)", "--scheme", "ddim", "--process", "edm", "--nfe", "3"]
    assert run(*drawn, "--seeds", "0-69", "--out", "drawn")[0] == 0
    folder = result("recommend", "--outputs", "drawn", *tail)
    assert folder["law"] == "proxy of 64 samples"


@pytest.mark.check
def test_regret_is_printed_where_all_pairs_are_run_on_the_network(run, result, tmp_path, monkeypatch):
    """One row a budget, and the same in JSON."""
    monkeypatch.chdir(tmp_path)
    words = ["recommend", "--model", "gaussian(dim=2)", "--nfe", "5", *FEW, "--regret", "--save", "s.npz"]
    (own,) = result(*words)["regret"]
    assert own["regret"] >= 1
    assert own["pairs"] == 4
    code, out, err = run(*words)
    assert code == 0, err
    assert "On the network, where all pairs were run:" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--law", "gaussian", "--keep", "o.npz"], "--keep is of the outputs of a pilot run"),
        (["--law", "gaussian", "--regret"], "--regret is of a network"),
        (["--law", "gaussian", "--convention", "edm"], "--convention is of a network"),
        (["--law", "gaussian", "--dtype", "float32"], "--dtype is of a network"),
        (["--law", "gaussian", "--schemes", "ddim,"], "--schemes 'ddim,' has an empty place"),
        (["--outputs", "none.npz"], "none.npz"),
    ],
)
def test_what_is_said_of_no_network_is_refused(words, sentence, run, tmp_path, monkeypatch):
    """One sentence, and exit status 2."""
    monkeypatch.chdir(tmp_path)
    code, _, err = run("recommend", "--nfe", "5", *words)
    assert (code, sentence in err) == (2, True), err
