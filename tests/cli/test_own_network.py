"""`curve` and `fit` measure a network of one's own against its own flow."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from numtoolkit import Network, error_curve, fit, sample, scheme, search
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.fitting.least_squares import CALIBRATION
from numtoolkit.laws.named import mixture

LAW = mixture(dim=2, components=3)
MODEL = ["--model", "theirs.py:NET", "--process", "edm", "--grid", "rho(7)"]


@pytest.fixture
def network(monkeypatch):
    """The network that the reference of MODEL stands for, in torch or numpy."""
    pytest.importorskip("torch")
    own = Network(LAW.denoise, "data", sees="observation", time="float", shape=(2,), name="theirs")
    named = {"theirs.py:NET": own}  # by what the command line alone asks, so that no other module keeps it
    monkeypatch.setattr("numtoolkit.models.by_reference.foreign_network_of", lambda text, **said: named[text])
    return own


def test_curve_measures_a_network_against_its_own_flow(run, result, network, tmp_path):
    """The records of `error_curve`, with what the reference cost; a table and a picture that name the network."""
    words = ["curve", *MODEL, "--schemes", "ddim,dpmpp-2m", "--nfe", "6,9", "--samples", "5", "--tolerance", "1e-6"]
    records = result(*words)
    expected = [
        error_curve(s, "edm", network, "rho(7)", [6, 9], range(5), tolerance=1e-6) for s in ("ddim", "dpmpp-2m")
    ]
    assert records == [record for curve in expected for record in curve]
    assert all(record["reference_nfe"] > 50 for record in records)
    code, out, err = run(*words, "--out", tmp_path / "x.csv")
    assert (code, err) == (0, f"wrote {tmp_path / 'x.csv'}\n")
    assert "relative-rms" in out
    assert (tmp_path / "x.csv").read_text().splitlines()[0].endswith("path,reference_nfe,reference_error")
    run(*words, "--out", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["title"] == "theirs on edm, grid rho(7)"


def test_what_projects_two_outputs_says_so_in_every_command(run, result, monkeypatch, tmp_path):
    """`show`, `sample` with its manifest and `curve`: of a scheme that freezes the data, and of no other."""
    own = Network(lambda z, t: -z, "score", time="float", shape=(2,), name="theirs")
    monkeypatch.setattr("numtoolkit.models.by_reference.foreign_network_of", lambda text, **said: own)
    held = write_scheme(tmp_path / "held.json", replace(scheme("gframe-ab(1)"), name="held", frozen="data"))
    said = (
        "projects the 2 outputs of the network to data: another flow than the network's own, unless one data "
        "prediction makes them all"
    )
    of = ["--model", "theirs.py:NET", "--process", "psld", "--grid", "quadratic", "--nfe", "3"]
    for text, name, expected in ((str(held), "held(1)", said), ("gframe-ab(1)", "gframe-ab(1)", None)):
        assert result("show", text)["projects"] == (expected and f"on psld it {expected}")
        assert (said in " ".join(run("show", text)[1].split())) == bool(expected)
        words = ["sample", *of, "--scheme", text, "--seeds", "0-1", "--out", tmp_path / name]
        assert (f"{name} {said}\n" in run(*words)[2]) == bool(expected)
        assert result(*words).get("projects") == expected
        manifest = json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))
        assert [about.get("projects") for about in manifest["runs"]] == [expected]
        drawn = sample(text, "psld", own, "quadratic", 3, seeds=[0], shape=2, dtype=np.float64)
        assert drawn.provenance.get("projects") == drawn.program.projects == expected
        assert (f"\n{said}\n" in drawn.program.text()) == bool(expected)
        words = ["curve", *of, "--schemes", text, "--samples", "2", "--metric", "path", "--tolerance", "1e-4"]
        code, out, err = run(*words)
        assert (code, "projects" in out, f"{name} {said}\n" in err) == (0, False, bool(expected))
        assert [record.get("projects") for record in result(*words)] == [expected]


def test_curve_says_where_the_reference_blurs_an_error(run, network):
    """The remark stands below the table, as that of a budget that could not be spent."""
    words = ["curve", *MODEL, "--schemes", "dpmpp-2m", "--nfe", "60", "--samples", "4", "--tolerance", "0.01"]
    code, out, err = run(*words, "--metric", "path")
    assert code == 0
    assert "why" not in out
    assert err.startswith("dpmpp-2m at 60: the path error is below 10 times that of the reference, ")


def test_fit_takes_a_network_for_coefficients_and_for_a_search(result, network):
    """The same numbers as in Python: `fit` in the network's dtype, `search` by its own error."""
    words = [
        "fit",
        *MODEL,
        "--scheme",
        "iia-ddim",
        "--nfe",
        "5",
        "--batch",
        "8",
        "--substeps",
        "4",
        "--dtype",
        "float64",
    ]
    import torch

    seeds = range(CALIBRATION.start, CALIBRATION.start + 8)
    table = fit("iia-ddim", "edm", network, "rho(7)", 5, seeds=seeds, substeps=4, dtype=torch.float64)
    assert result(*words)["sha256"] == table.digest
    of = ["fit", *MODEL, "--scheme", "res-2s", "--nfe", "6", "--search", "c2", "--tolerance", "1e-5"]
    assert result(*of) == search("res-2s", "edm", network, "rho(7)", [6], "c2", tolerance=1e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--law", "ring", "--tolerance", "1e-3"], "--tolerance is of a network; give --model, or drop it."),
        (["--law", "ring", "--shape", "2"], "--shape is of a network; give --model, or drop it."),
        ([], "one of the arguments --law --model is required"),
        (["--law", "ring", "--model", "x"], "not allowed with argument"),
        ([*MODEL[:2], "--shape", "2,x"], "--shape 'x' is not one whole number"),
        ([*MODEL[:2], "--shape", "3"], "(3,) but the network takes (2,)"),
        ([*MODEL[:2], "--tile", "0"], "--tile 0 is out of range"),
        ([*MODEL[:2], "--tolerance", "1"], "must satisfy 0 < tolerance < 1"),
        ([*MODEL[:2], "--device", "nowhere"], "samples cannot be on device 'nowhere'"),
        ([*MODEL[:2], "--schemes", "em", "--samples", "39"], "39 samples are too few"),
        (["--law", "ring", "--schemes", "em", "--metric", "path"], "em draws noise, so no path is its own"),
    ],
)
def test_what_curve_cannot_use_of_a_network_is_one_sentence(run, network, words, sentence):
    """Before anything is measured, with the option by name."""
    code, out, err = run("curve", *MODEL[2:], "--schemes", "ddim", "--nfe", "5", *words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("numtoolkit") or err.startswith("usage")


def test_fit_refuses_what_is_of_a_search_alone(run, network):
    """A fit of coefficients has neither a metric nor a flow to be followed."""
    for option in (["--metric", "law"], ["--tolerance", "1e-3"]):
        code, _, err = run("fit", *MODEL, "--scheme", "iia-ddim", "--nfe", "5", *option)
        assert (code, err.count("\n")) == (2, 1)
        assert "are of a search" in err


def test_the_table_of_a_curve_shows_no_error_twice(run):
    """In phase space the path stands beside the law that leads; a stochastic scheme has the law alone."""
    words = ["curve", "--process", "psld", "--law", "gaussian", "--schemes", "rvv,roba", "--grid", "quadratic"]
    head, _, first, second = run(*words, "--nfe", "20")[1].splitlines()
    assert head.split() == ["scheme", "nfe", "steps", "metric", "error", "median", "path"]
    assert (len(first.split()), len(second.split())) == (7, 5)
    (head, *_) = run(*words[:5], "--schemes", "roba", "--grid", "quadratic", "--nfe", "20")[1].splitlines()
    assert head.split() == ["scheme", "nfe", "steps", "metric", "error"]


def test_curve_measures_one_kind_of_error_on_request(result):
    """`--metric path` and `--metric law` are those of the two, the other left out."""
    words = [
        "curve",
        "--process",
        "psld",
        "--law",
        "gaussian",
        "--schemes",
        "rvv",
        "--grid",
        "quadratic",
        "--nfe",
        "20",
    ]
    (both,) = result(*words)
    for kind, other in (("path", "law"), ("law", "path")):
        (one,) = result(*words, "--metric", kind)
        assert (one["error"], one[kind], one[other]) == (both[kind], both[kind], None)
    assert np.isfinite(both["path"])
