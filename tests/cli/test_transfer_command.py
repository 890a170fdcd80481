"""`transfer` prints what each scale of the data becomes, and writes what it prints."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.files.storage import read_json

WORDS = ["transfer", "--process", "edm", "--grid", "rho(7)", "--nfe", "6", "--schemes", "ddim,heun-edm"]


def test_transfer_gives_a_record_for_each_scheme_and_scale(result):
    """The numbers of `numtoolkit.transfer`, at the scales given, each once, and at 25 of them by default."""
    records = result(*WORDS, "--scales", "2,0.1,2.0")
    assert [list(r) for r in records] == [["scheme", "nfe", "scale", "deviation", "mean"]] * 4
    for name, own in (("ddim", records[:2]), ("heun-edm", records[2:])):
        found = nt.transfer(name, "edm", "rho(7)", 6, [2, 0.1])
        assert [(r["scheme"], r["nfe"], r["scale"]) for r in own] == [(name, 6, 2), (name, 6, 0.1)]
        assert [r["deviation"] for r in own] == found.deviation.tolist()
        assert [r["mean"] for r in own] == found.mean.tolist()
    assert [r["scale"] for r in result(*WORDS)] == [*nt.transfer("ddim", "edm", "rho(7)", 6).scales] * 2


def test_transfer_prints_a_row_a_scale_and_a_column_a_scheme(run):
    """Signed numbers of three digits, and a sentence that says what they are."""
    code, out, err = run(*WORDS, "--scales", "2,0.1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["scale", "ddim", "heun-edm"]
    columns = [nt.transfer(name, "edm", "rho(7)", 6, [2, 0.1]).deviation for name in ("ddim", "heun-edm")]
    assert [line.split() for line in lines[2:4]] == [
        [scale, *(f"{column[i]:+.3g}" for column in columns)] for i, scale in enumerate(("2", "0.1"))
    ]
    assert "below 0 it is blur, above 0 noise" in " ".join(out.split())


@pytest.mark.parametrize("ending", [".json", ".csv", ".png", ".svg"])
def test_transfer_writes_what_it_prints(run, tmp_path, ending):
    """Every format, with the records beside a picture, and its title a question."""
    path = tmp_path / f"x{ending}"
    code, out, err = run(*WORDS, "--scales", "2,0.1,0.01", "--out", path, "--json")
    assert (code, err) == (0, f"wrote {path}\n")
    records = json.loads(out)
    if ending == ".csv":
        with path.open(newline="") as stream:
            assert list(csv.DictReader(stream)) == [{key: str(value) for key, value in r.items()} for r in records]
        return
    sidecar = read_json(path.with_suffix(".json"))
    assert (sidecar["data"], sidecar["title"]) == (records, "What becomes of each scale on edm, rho(7), NFE 6?")
    assert path.stat().st_size > 500


def test_a_run_that_overflows_is_null_and_noted(run, tmp_path):
    """JSON has no infinity: null, a sentence on stderr, exit status 0."""
    steps = nt.multistep([1], ["100000", "-99999"])
    own = write_scheme(tmp_path / "own.json", nt.Scheme("grows", "classical", "none", steps, "drift", "time"))
    words = ["transfer", "--process", "psld", "--grid", "uniform", "--nfe", "200", "--schemes", own, "--scales", "1"]
    code, out, err = run(*words, "--json")
    assert json.loads(out) == [{"scheme": "grows", "nfe": 200, "scale": 1, "deviation": None, "mean": None}]
    assert (code, err) == (0, "grows: the run left the finite numbers; give it more evaluations or a denser grid.\n")
    assert "+inf" in run(*words, "--out", tmp_path / "x.png")[1]


def test_a_spectrum_gives_law_errors_and_samples_their_power(run, result, tmp_path):
    """The integral of each scheme over the spectrum of a law; the power of samples over that of its data."""
    law = "anisotropic(dim=6, low=0.01)"
    errors = {
        name: nt.transfer(name, "edm", "rho(7)", 6).integral(nt.spectrum_of(law)) for name in ("ddim", "heun-edm")
    }
    records = result(*WORDS, "--scales", "1", "--spectrum", law)
    assert {r["scheme"]: r["law_error"] for r in records} == errors
    drawn = nt.sample("ddim", "edm", law, "rho(7)", 6, seeds=range(50), dtype=np.float64).samples
    np.savez(tmp_path / "drawn.npz", images=drawn)
    words = [*WORDS, "--scales", "1", "--spectrum", law, "--samples", tmp_path / "drawn.npz"]
    _, _, *rows = result(*words)
    assert rows == nt.power_ratio(drawn, nt.law_of(law).sample(2000, 0)).table()
    code, out, err = run(*words, "--out", tmp_path / "x.png")
    assert (code, err) == (0, f"wrote {tmp_path / 'x.png'}\n")
    assert f"ddim {errors['ddim']:.3g}, heun-edm" in " ".join(out.split())
    assert f"{rows[1]['ratio']:.3g}" in out
    assert run(*words[:-4], *words[-2:])[2] == (
        "numtoolkit: --samples are held against the data of a law; give it, --spectrum digits or FILE.npz.\n"
    )
