"""`defects` prints what each step of a run misses, and writes what it prints."""

from __future__ import annotations

import json

import pytest

import numtoolkit as nt
from numtoolkit.files.storage import read_json

WORDS = ["defects", "--process", "edm", "--law", "gaussian", "--grid", "rho(7)", "--nfe", "4"]


def test_defects_gives_a_record_for_each_scheme_and_step(result):
    """The numbers of `numtoolkit.step_defects`, and these over the deviation there; noise where some is drawn."""
    records = result(*WORDS, "--schemes", "heun-edm,em")
    found = [nt.step_defects(name, "edm", "gaussian", "rho(7)", 4) for name in ("heun-edm", "em")]
    assert [(r["scheme"], r["step"]) for r in records] == [*(("heun-edm", n) for n in range(2)),
                                                           *(("em", n) for n in range(4))]  # fmt: skip
    for own, rows in zip(found, (records[:2], records[2:]), strict=True):
        assert [r["x"] for r in rows] == own.state[:, 0].tolist()
        assert [r["relative x"] for r in rows] == (own.state / own.deviation)[:, 0].tolist()
        assert [r.get("noise x") for r in rows] == (own.noise[:, 0].tolist() if own.program.draws else [None] * 2)


@pytest.mark.parametrize("ending", [".json", ".png"])
def test_defects_writes_what_it_prints(run, tmp_path, ending):
    """With the records beside a picture, and its title a question; samples of a mixture by their seeds."""
    path = tmp_path / f"x{ending}"
    words = ["defects", "--process", "edm", "--law", "mixture(dim=2)", "--grid", "rho(7)", "--nfe", "2"]
    code, out, err = run(*words, "--schemes", "ddim", "--seeds", "3-4", "--out", path, "--json")
    assert (code, err) == (0, f"wrote {path}\n")
    sidecar, records = read_json(path.with_suffix(".json")), json.loads(out)
    assert (sidecar["data"], sidecar["title"]) == (records, "Where along a run are errors made, rho(7), NFE 2?")
    expected = nt.step_defects("ddim", "edm", "mixture(dim=2)", "rho(7)", 2, seeds=[3, 4])
    assert [r["x"] for r in records] == expected.state[:, 0].tolist()


def test_what_has_no_defects_is_said_before_others_are_computed(run):
    """Noise on a law that is not Gaussian, and seeds of one that is."""
    words = ["defects", "--process", "edm", "--law", "ring", "--grid", "rho(7)", "--nfe", "4", "--schemes", "ddim,em"]
    assert run(*words)[2].startswith("numtoolkit: em draws noise, and law ring(")
    assert run(*WORDS, "--schemes", "ddim", "--seeds", "0")[2].endswith("exact without samples; leave seeds out.\n")
