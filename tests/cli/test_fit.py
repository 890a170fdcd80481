"""`numtoolkit fit` writes coefficients that are a scheme everywhere."""

from __future__ import annotations

import json

import numpy as np

from numtoolkit import Network, sample
from numtoolkit.cli import main
from numtoolkit.fitting import read_fitted_coefficients
from numtoolkit.laws.named import ring


def test_a_fitted_file_is_a_scheme_in_every_command(tmp_path, capsys, monkeypatch):
    """Curve, verify, show and sample take the file for a scheme, and refuse it on another process."""
    monkeypatch.setenv("COLUMNS", "120")
    path = str(tmp_path / "t.json")
    line = ["fit", "--scheme", "iia-edm(1)", "--law", "ring", "--process", "edm", "--grid", "rho(7)", "--nfe", "8"]
    assert main([*line, "--batch", "50", "--substeps", "exact", "--out", path, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    table = read_fitted_coefficients(path)
    assert shown["sha256"] == table.digest
    assert table.about["batch"] == 50
    assert table.about["target"] == "exact flow"
    assert [step["beta_d0"] for step in shown["steps"]] == [step.values[1] for step in table.steps]
    run_on = ["--process", "edm", "--law", "ring", "--grid", "rho(7)", "--nfe", "8"]
    assert main(["curve", "--schemes", f"heun-edm,{path}", *run_on, "--json"]) == 0
    heun, own = json.loads(capsys.readouterr().out)
    assert own["error"] < heun["error"] / 10
    assert main(["verify", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["steps"][1]["beta_d0"] == table.steps[1].values[1]
    assert main(["verify", path]) == 0
    assert "each step's defects" in capsys.readouterr().out
    assert main(["show", path, "--nfe", "8", "--process", "edm", "--grid", "rho(7)"]) == 0
    assert f"table={table.digest[:12]}" in capsys.readouterr().out
    assert main(["show", path]) == 0
    assert "beta_d1; 0 without a table, which is heun-edm" in capsys.readouterr().out
    run_elsewhere = [*line[3:5], "--scheme", path, "--grid", "rho(7)", "--nfe", "8", "--process", "vp"]
    assert main(["sample", *run_elsewhere, "--seeds", "0-3", "--out", str(tmp_path / "s")]) == 2
    assert "fitted on process edm, not vp" in capsys.readouterr().err
    samples = sample(
        path, network=Network.of(ring()), process="edm", grid="rho(7)", nfe=8, seeds=range(3), dtype=np.float64
    )
    assert samples.provenance["scheme"] == f"iia-edm(1, table={table.digest[:12]})"


def test_fit_takes_infinite_batches_and_searches_a_parameter(tmp_path, capsys):
    """A Gaussian needs no samples; options of a fit and of a search do not mix, each refused in one line."""
    out = tmp_path / "s.json"
    base = ["fit", "--law", "anisotropic", "--process", "edm", "--nfe", "6"]
    assert main([*base, "--scheme", "iia-ddim(one)", "--batch", "infinite"]) == 0
    assert "kappa_0" in capsys.readouterr().out
    assert main([*base, "--scheme", "res-2s", "--search", "c2", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())["data"]
    for words in (
        ["--scheme", "res-2s", "--search", "c2", "--batch", "3"],
        ["--scheme", "res-2s", "--search", "c2", "--low", "0.2"],
        ["--scheme", "iia-ddim", "--low", "0.2"],
        ["--scheme", "iia-ddim", "--batch", "none"],
        ["--scheme", "iia-ddim", "--out", str(tmp_path / "t.txt")],
        ["--scheme", "ddim"],
    ):
        assert main([*base, *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1
