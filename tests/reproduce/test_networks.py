"""Experiments take a trained network where they take a law."""

from __future__ import annotations

import pytest

from numtoolkit import allow_imports, error_curve, network_of
from numtoolkit.errors import InputError
from numtoolkit.files.result_store import Cell
from numtoolkit.files.storage import checksum, read_json
from numtoolkit.measure.curves import OWN_SAMPLES
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.network import Network
from numtoolkit.reproduce import work
from numtoolkit.reproduce.job import reproduce
from numtoolkit.reproduce.subjects import law_at
from tests.support.checkpoints import written

CURVE = """
kind = "curve"
title = "How does a network fare?"
process = "{process}"
law = "own.safetensors"
grid = "rho(7)"
schemes = ["ddim"]
nfe = [4, 6]
samples = 4
"""


def test_a_trained_network_is_measured_in_an_experiment(tmp_path, monkeypatch):
    """The errors are those of `error_curve` in float64, and a file that has changed is another cell."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "own.safetensors", Blueprint("mlp", (2,), "edm", "data", 0.5, 16, 1))
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "a.toml").write_text(CURVE.format(process="edm"))
    reproduce(folder, tmp_path / "out")
    found = read_json(tmp_path / "out" / "a.json")["data"]
    double = Network.load(path, dtype="float64")
    expected = error_curve("ddim", "edm", double, "rho(7)", [4, 6], range(4))
    assert [row["path"] for row in found] == pytest.approx([row["path"] for row in expected], rel=1e-5)
    cell = work.curve_cell("ddim", "edm", "own.safetensors", ["rho(7)"], [4])
    assert cell.data["law_sha256"] == checksum(path)
    assert cell.data["seeds"] == OWN_SAMPLES
    written(path, Blueprint("mlp", (2,), "edm", "data", 0.4, 16, 1))
    law_at.cache_clear()  # another process would not know the network that the file held
    with pytest.raises(InputError, match=r"law 'own\.safetensors' has changed since its results were asked for"):
        work.compute(Cell.of("curve", **cell.data))


NET = """
from numtoolkit import Network, law

EXACT = law("gaussian(dim=2)")
NET = Network(lambda z, t: 0.8 * EXACT.denoise(z, t), "data", shape=(2,))
"""


def test_a_network_of_a_file_is_measured_in_an_experiment(tmp_path, monkeypatch):
    """By FILE.py:NAME, where imports are allowed; its digest decides the cell."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(NET)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "a.toml").write_text(
        CURVE.format(process="edm").replace("own.safetensors", "mine.py:NET")
    )
    with pytest.raises(InputError, match="would run"):
        reproduce(tmp_path / "experiments", tmp_path / "out")
    with allow_imports():
        reproduce(tmp_path / "experiments", tmp_path / "out")
        cell = work.curve_cell("ddim", "edm", "mine.py:NET", ["rho(7)"], [4])
        expected = error_curve("ddim", "edm", network_of("mine.py:NET"), "rho(7)", [4, 6], range(4))
        with pytest.raises(InputError, match=r"network_error = 0\.1 is of the exact network of a law"):
            law_at("mine.py:NET", None, 0.1)
    found = read_json(tmp_path / "out" / "a.json")["data"]
    assert [row["path"] for row in found] == pytest.approx([row["path"] for row in expected], rel=1e-5)
    assert cell.data["seeds"] == OWN_SAMPLES
    assert cell.data["sources"] == {"mine.py:NET": checksum(tmp_path / "mine.py")}


def test_a_network_of_another_process_is_refused_before_anything_runs(tmp_path, monkeypatch):
    """The experiment is read whole first, and the network says where it was trained."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "own.safetensors", Blueprint("mlp", (2,), "vp", "noise", 0.5, 16, 1))
    folder = tmp_path / "experiments"
    folder.mkdir()
    (folder / "a.toml").write_text(CURVE.format(process="edm"))
    with pytest.raises(InputError, match="was trained on process vp and is asked on edm"):
        reproduce(folder, tmp_path / "out")
    (folder / "a.toml").write_text(CURVE.format(process="vp").replace("own.safetensors", "absent.safetensors"))
    with pytest.raises(InputError, match=r"cannot read 'absent\.safetensors'"):
        reproduce(folder, tmp_path / "out")
