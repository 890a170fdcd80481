"""Experiments take a trained network where they take a law."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from numtoolkit import allow_imports, error_curve, network_of, sample
from numtoolkit.errors import InputError
from numtoolkit.files.result_store import Cell
from numtoolkit.files.storage import checksum, read_json
from numtoolkit.files.versions import versions
from numtoolkit.measure.curves import OWN_SAMPLES
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.network import Network
from numtoolkit.reproduce import work
from numtoolkit.reproduce.job import reproduce
from numtoolkit.reproduce.kinds import Errors, Panel, Samples
from numtoolkit.reproduce.subjects import law_at
from numtoolkit.schemes import catalogue
from numtoolkit.schemes import scheme as scheme_of
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
    assert read_json(tmp_path / "out" / "a.json")["versions"]["torch"] == versions(["torch"])["torch"]


SHRUNK = """
from numtoolkit import Network


def shrunk(z, t, label=None):
    centre = -3.0 if label is None else label[:, None, None] * 1.0
    return centre + (z - centre) / (1 + 4 * t[:, None, None] ** 2)


NET = Network(shrunk, "data", shape=(4, 4), name="shrunk")
"""


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.py").write_text(SHRUNK)
    with allow_imports():
        yield


def test_every_scheme_is_judged_on_a_guided_network_under_its_classes(labelled):
    """In turn over the samples and those of the reference, guided away from none, and told the moments of the data."""
    about = {"process": "edm", "law": "labels.py:NET", "grid": "rho(7)", "nfe": (6,), "samples": 40, "reference": 20}
    question = Errors("t", **about, classes=3, guidance=2.0, deviation=0.75, mean=-0.25)
    cells = {cell.data["scheme"]: cell for cell in question.cells(False, {})}
    assert len(cells) == len([s for s in catalogue() if "edm" in s.processes])
    assert "gframe-ab(2, sigma_data=3/4, mean=-1/4)" in cells
    how = {"reference": range(40, 60), "conditions": [k % 3 for k in range(60)], "dtype": "float64"}
    network = network_of("labels.py:NET").guided(2.0)
    for scheme in ("ddim", "ddim-cfgpp"):
        found = work.curve_records(scheme, work.compute(cells[scheme]))[0]
        (expected,) = error_curve(scheme, "edm", network, "rho(7)", [6], range(40), **how)
        for key in ("path", "law", "law_low", "floor", "excess_low"):
            assert found[key] == pytest.approx(expected[key], rel=1e-5)


def test_budgets_that_are_added_compute_no_other_anew(labelled, monkeypatch):
    """Their results are cells of their own, and stand in the table where they belong; a quick run has none of them."""
    monkeypatch.setattr(Errors, "_members", lambda self: [scheme_of("ddim"), scheme_of("euler")])
    about = ("t", "edm", "labels.py:NET", "rho(7)")
    before, question = Errors(*about, (4, 10), samples=40), Errors(*about, (4, 10), samples=40, further=((2, 6), (3,)))
    cells = question.cells(False, {})
    assert cells[:2] == before.cells(False, {})
    assert [cell.data["nfe"] for cell in cells] == [[4, 10]] * 2 + [[2, 6]] * 2 + [[3]] * 2
    assert question.cells(True, {}) == before.cells(True, {})
    found = question.run(quick=False)
    assert [(row["scheme"], row["nfe"]) for row in found.data] == list(product(["ddim", "euler"], [2, 3, 4, 6, 10]))
    whole = Errors(*about, (2, 3, 4, 6, 10), samples=40).run(quick=False)
    assert (found.data, found.table) == (whole.data, whole.table)
    for wrong, said in (((4,),), "nfe holds 4 twice"), (((2,), ()), "holds no budgets"), (((0,),), "holds no budgets"):
        with pytest.raises(InputError, match=said):
            Errors(*about, (4, 10), further=wrong)


def test_images_of_a_network_are_those_of_its_runs_beside_its_own_flow(labelled):
    """Told classes in turn and guided; at several budgets a row a panel, at the end of which its flow ends."""
    panels = (Panel("ddim", "rho(7)"), Panel("em", "rho(7)"))
    about = {"process": "edm", "law": "labels.py:NET", "nfe": (2, 40), "panels": panels, "count": 8, "exact": True}
    question = Samples("t", **about, classes=2, guidance=1.5)
    found = question.run(quick=False)
    few, *others = (row.get("astray") for row in found.data)
    assert few > 0
    assert others == [0, None, None]  # noise has no end to miss
    axes = found.figure().axes
    said = [ax.get_title("left").splitlines()[1] for ax in axes]
    assert said[:3] == [
        f"2 evaluations; {few} of 8 astray",
        "40 evaluations; 0 of 8 astray",
        "where the exact flow ends",
    ]
    assert said[3:] == ["2 evaluations", "40 evaluations", "where the exact flow ends"]
    network = network_of("labels.py:NET").guided(1.5)
    how = {"seeds": range(8), "conditions": [k % 2 for k in range(8)], "dtype": "float64"}
    drawn = sample("ddim", "edm", network, "rho(7)", 40, **how).samples.numpy()
    shown, flow = (np.asarray(ax.images[0].get_array()) for ax in axes[1:3])
    for i, image in enumerate(drawn):
        tile = np.s_[:4, 6 * i : 6 * i + 4]
        np.testing.assert_allclose(shown[tile], np.clip(image, -1, 1), atol=0.5 / 127.5 + 1e-6)
        np.testing.assert_allclose(flow[tile], np.clip(image, -1, 1), atol=0.1)  # the order is 1, of 40 steps


def test_an_experiment_says_what_a_network_computes_in(tmp_path, monkeypatch):
    """In float32 its errors are those of that network, by its own flow; cells in float64 do not name it."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "own.safetensors", Blueprint("mlp", (2,), "edm", "data", 0.5, 16, 1))
    question = Errors("t", "edm", "own.safetensors", "rho(7)", (40,), samples=40, dtype="float32")
    rough = next(cell for cell in question.cells(False, {}) if cell.data["scheme"] == "exp-adams(4)")
    plain = work.curve_cell("exp-adams(4)", "edm", "own.safetensors", ["rho(7)"], [40], 40)
    assert rough == Cell.of("curve", **plain.data, dtype="float32")
    assert "dtype" not in plain.data
    (found,) = work.curve_records("exp-adams(4)", work.compute(rough))
    (expected,) = error_curve("exp-adams(4)", "edm", Network.load(path), "rho(7)", [40], range(40), dtype="float64")
    assert [found[key] for key in ("path", "law")] == work.rounded([expected[key] for key in ("path", "law")])


def test_what_an_experiment_tells_a_law_or_a_network_is_checked_before_anything_runs(labelled):
    """What is of networks with classes, and sizes that could not be read."""
    about = {"process": "edm", "law": "digits(count=20)", "grid": "rho(7)", "nfe": (6,)}
    with pytest.raises(InputError, match=r"reference = 40 is of a network, and 'digits\(count=20\)' is a law"):
        Errors("t", **about, reference=40)
    with pytest.raises(InputError, match=r"classes = 3 are told to a network, and digits.* is a law"):
        Errors("t", **about, classes=3)
    with pytest.raises(InputError, match=r"dtype = 'float32' is of a trained network, and 'labels\.py:NET' is none"):
        Errors("t", **about | {"law": "labels.py:NET"}, dtype="float32")
    with pytest.raises(InputError, match=r"dtype = 'float32' is of a trained network, and 'digits.*' is none; drop it"):
        Errors("t", **about, dtype="float32")
    with pytest.raises(InputError, match="unknown dtype 'float16'; did you mean float64"):
        Errors("t", **about | {"law": "network:digits-image"}, dtype="float16")
    with pytest.raises(InputError, match="guidance = 2 is away from no class; give the number of classes"):
        Errors("t", **about | {"law": "labels.py:NET"}, guidance=2.0)
    with pytest.raises(InputError, match="39 samples are too few for sliced-wasserstein of em; give 40"):
        Errors("t", **about | {"law": "labels.py:NET"}, samples=39)
    with pytest.raises(InputError, match="9 panels side by side cannot be read"):
        Samples("t", "edm", "labels.py:NET", tuple(range(4, 12)), (Panel("ddim", "rho(7)"),), count=8, exact=True)


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
