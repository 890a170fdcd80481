"""`spectrum` prints how wide data are, keeps it for grids and laws, and draws it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.files.storage import read_json, write_npz
from numtoolkit.problem.spectrum import Spectrum

LAW = "anisotropic(dim=30, low=0.01)"


def test_spectrum_keeps_what_a_grid_and_a_law_are_told_by_the_file(result, run, tmp_path, monkeypatch):
    """The same spectrum as in Python, whose file is a spectrum, a law, and the word of a grid on the command line."""
    monkeypatch.chdir(tmp_path)
    found = result("spectrum", "--law", LAW, "--rank", "2", "--save", "s.npz")
    exact = nt.spectrum_of(LAW, rank=2)
    assert (found["digest"], found["source"], found["nfe_pilot"]) == (exact.digest, exact.source, 0)
    assert [group["directions"] for group in found["groups"]] == [1, 1, 28]
    np.testing.assert_allclose([group["variance"] for group in found["groups"]], exact.values)
    assert found["groups"][-1]["share"] == pytest.approx(1)
    assert result("spectrum", "--file", "s.npz") == found
    assert result("spectrum", "--file", "s.npz", "--rank", "1")["groups"][1]["directions"] == 29
    words = ["--process", "edm", "--schemes", "ddim", "--nfe", "5"]
    (record,) = result("transfer", *words, "--grid", "spectral(s.npz)", "--scales", "1", "--spectrum", "s.npz")
    direct = nt.transfer("ddim", "edm", nt.grid("spectral", "edm", 5, spectrum=exact), scales=[1.0])
    assert record["deviation"] == direct.deviation[0]
    assert record["law_error"] == pytest.approx(direct.integral(exact), rel=1e-9)


def test_spectrum_prints_the_leading_groups_and_what_the_others_have(run):
    """Twenty rows, and a line on the rest; bands of frequency in their order."""
    code, out, err = run("spectrum", "--law", LAW)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{nt.law(LAW).name}: 30 directions, sigma_data 0.")
    assert lines[2].split() == ["group", "directions", "deviation", "variance", "share"]
    assert [line.split()[0] for line in lines[4:24]] == [str(i) for i in range(1, 21)]
    assert "and 10 further groups of deviations 0.204 to 0.1" in out
    assert lines[-1] == nt.spectrum_of(LAW).digest
    code, out, _ = run("spectrum", "--law", "natural(size=4)", "--dct")
    assert [line.split()[1] for line in out.splitlines()[-7:-2]] == ["1", "3", "4", "5", "3"]


def test_spectrum_of_a_network_is_that_of_its_pilot_run(result, tmp_path):
    """By seeds of its own; the evaluations are counted, and the process is that of the network."""
    kept = tmp_path / "outputs.npz"
    words = ["--model", "gaussian(dim=3)", "--nfe", "5", "--outputs", "20", "--rank", "1", "--keep", kept]
    found, exact = result("spectrum", *words), nt.pilot("gaussian(dim=3)", "edm", nfe=5, outputs=20)
    assert (found["digest"], found["source"]) == (exact.spectrum(1).digest, exact.source)
    assert (found["nfe_pilot"], len(found["groups"])) == (5, 2)
    law = nt.law(f"proxy(of={kept}, count=20)")
    np.testing.assert_allclose(law.mean, exact.outputs.mean(axis=0), atol=1e-14)


def test_spectrum_of_data_to_train_on_leaves_what_is_held_out(result, tmp_path):
    """Seven eighths of the samples of a file."""
    images = np.random.default_rng(0).normal(size=(16, 2, 2))
    path = write_npz(tmp_path / "own.npz", {"images": images.astype(np.float32)})
    found = result("spectrum", "--data", str(path))
    kept = images.astype(np.float32)[np.arange(16) % 8 != 7]
    assert found["digest"] == nt.spectrum_of(kept).digest
    assert found["source"] == f"{path}, 14 samples"


def test_a_folder_of_samples_belongs_to_the_spectrum_that_its_grid_followed(run, tmp_path, monkeypatch):
    """Called again with the same file it is complete; with another spectrum in that file it is refused."""
    monkeypatch.chdir(tmp_path)
    Spectrum(0.0, [1.0, 0.01]).save("s.npz")
    words = [
        "sample",
        "--law",
        "gaussian(dim=2)",
        "--scheme",
        "ddim",
        "--process",
        "edm",
        "--nfe",
        "3",
        "--seeds",
        "0-3",
    ]
    words += ["--grid", "spectral(s.npz)", "--out", "drawn"]
    assert [run(*words)[0] for _ in range(2)] == [0, 0]
    Spectrum(0.0, [2.0, 0.01]).save("s.npz")
    code, _, err = run(*words)
    assert (code, "grid" in err) == (2, True)


@pytest.mark.parametrize("ending", [".json", ".csv", ".png"])
def test_spectrum_writes_a_record_a_group_and_draws_them(run, tmp_path, ending):
    """Every format, with the records beside a picture, and its title a question."""
    path = tmp_path / f"x{ending}"
    code, out, err = run("spectrum", "--law", "anisotropic(dim=3)", "--out", path, "--json")
    assert (code, err) == (0, f"wrote {path}\n")
    records = json.loads(out)["groups"]
    if ending == ".csv":
        with path.open(newline="") as stream:
            assert list(csv.DictReader(stream)) == [{key: str(value) for key, value in r.items()} for r in records]
        return
    sidecar = read_json(path.with_suffix(".json"))
    assert sidecar["data"] == records
    assert sidecar["title"].startswith("How wide are the data, and where do steps belong? anisotropic(")
    assert path.stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--law", LAW, "--nfe", "5"], "--nfe is of the pilot run of a network; give --model, or drop it"),
        (["--law", LAW, "--keep", "o.npz"], "--keep is of the outputs of a pilot run"),
        (["--law", LAW, "--shape", "3"], "--shape is of a network"),
        (["--model", "gaussian(dim=2)", "--dct"], "--dct groups what data have"),
        (["--file", "s.npz", "--dct"], "--dct is of data"),
        (["--file", "s.npz", "--rank", "4"], "rank = 4 is no whole number from 0 to 3"),
        (["--law", LAW, "--save", "s.json"], "--save 's.json' ends in .json; end it in .npz"),
        (["--model", "gaussian(dim=2)", "--keep", "o.txt"], "--keep 'o.txt' ends in .txt; end it in .npz"),
        (["--model", "gaussian(dim=2)", "--outputs", "1"], "outputs = 1 is no whole number"),
    ],
)
def test_options_of_spectrum_that_do_not_go_together_are_refused(run, words, sentence, tmp_path, monkeypatch):
    """Those of a pilot run beside data, bands of a file, another ending: one sentence, exit status 2."""
    monkeypatch.chdir(tmp_path)
    Spectrum(0.0, [1.0, 0.5, 0.25]).save("s.npz")
    code, out, err = run("spectrum", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
