"""A folder of samples can be filled in any number of runs, and never mixes two specifications."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.cli.output import numbers
from numtoolkit.errors import StorageError
from numtoolkit.files.sample_folder import SampleFolder, spans
from numtoolkit.files.storage import read_json, write_npz

SPECIFICATION = {"scheme": "ddim", "nfe": 10}


def rows(seeds):
    """What stands for the samples of these seeds."""
    return np.array([[seed, seed**2] for seed in seeds], dtype=float)


def fill(path, seeds, warn=lambda line: None):
    """Add the missing ones of these seeds, and return them."""
    kept = SampleFolder.open(path, SPECIFICATION, {"versions": {}}, warn)
    missing = kept.missing(seeds)
    if missing:
        kept.add(missing, rows(missing))
    np.testing.assert_array_equal(kept.read(list(seeds)), rows(seeds))
    return missing


def test_a_specification_is_the_same_in_any_order_of_its_keys(tmp_path):
    """What is there is complete for it, and not damaged."""
    fill(tmp_path, [0, 1])
    turned, warned = dict(reversed(SPECIFICATION.items())), []
    assert SampleFolder.open(tmp_path, turned, {}, warned.append).missing([0, 1, 2]) == [2]
    assert warned == []


def test_missing_samples_alone_are_added_and_all_are_read_back_in_order(tmp_path):
    """Seeds drawn before are not drawn again; the manifest lists each file with its seeds as spans."""
    assert fill(tmp_path, [3, 1, 2]) == [3, 1, 2]
    assert fill(tmp_path, [2, 5, 3]) == [5]
    assert fill(tmp_path, [5, 1]) == []
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["specification"] == SPECIFICATION
    assert {name: file["seeds"] for name, file in manifest["files"].items()} == {
        "samples-00000003.npz": "3,1-2",
        "samples-00000005.npz": "5",
    }


def test_another_specification_is_refused_and_changes_nothing(tmp_path):
    """The difference is named, and every file of the folder keeps its bytes."""
    fill(tmp_path, [1])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(StorageError, match=r"holds samples with nfe 10, not 11; name another folder\.$"):
        SampleFolder.open(tmp_path, SPECIFICATION | {"nfe": 11}, {})
    with pytest.raises(StorageError, match=r"holds samples with grid None, not 'rho'"):
        SampleFolder.open(tmp_path, SPECIFICATION | {"grid": "rho"}, {})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_samples_that_never_reached_the_manifest_are_found(tmp_path):
    """A run killed between samples and manifest has lost nothing: the archives know their seeds."""
    fill(tmp_path, [1, 2])
    manifest = (tmp_path / "manifest.json").read_bytes()
    fill(tmp_path, [7])
    (tmp_path / "manifest.json").write_bytes(manifest)  # as if killed between the two files
    assert fill(tmp_path, [1, 2, 7]) == []


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign", "keyless"])
def test_a_damaged_file_is_moved_aside_and_drawn_again(tmp_path, damage):
    """Cut, flipped, of another run or without its digest: the bytes are kept as .damaged and said so."""
    fill(tmp_path, [1, 2])
    fill(tmp_path, [3])
    path = tmp_path / "samples-00000001.npz"
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-40])
    elif damage == "flip":
        content[150] ^= 1
        path.write_bytes(content)
    else:
        digest = {"specification": np.array("another")} if damage == "foreign" else {}
        write_npz(path, {"samples": rows([1, 2]), "seeds": np.array([1, 2]), **digest})
    broken, warnings = path.read_bytes(), []
    assert fill(tmp_path, [1, 2, 3], warnings.append) == [1, 2]
    assert path.with_suffix(".damaged").read_bytes() == broken
    assert warnings == [f"{path} is damaged; it is now samples-00000001.damaged, and its samples are drawn again"]


@pytest.mark.parametrize("manifest", ["[]", "{}", "{", '{"specification": 3}'])
def test_a_folder_with_a_foreign_manifest_is_refused(tmp_path, manifest):
    """A manifest that is none of ours is never overwritten."""
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(StorageError):
        SampleFolder.open(tmp_path, SPECIFICATION, {})


def test_samples_without_a_manifest_are_refused(tmp_path):
    """Archives whose specification is unknown are neither mixed nor overwritten."""
    fill(tmp_path, [1])
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(StorageError, match=r"without a manifest\.json"):
        SampleFolder.open(tmp_path, SPECIFICATION, {})


def test_an_opened_folder_stays_empty_until_samples_come(tmp_path):
    """Opening writes nothing, so that a refused run leaves nothing behind."""
    SampleFolder.open(tmp_path / "new", SPECIFICATION, {})
    assert list((tmp_path / "new").iterdir()) == []


@given(st.lists(st.integers(0, 50), unique=True, min_size=1))
def test_spans_are_read_back(seeds):
    """What `spans` writes the command line reads: "3,1-2" is the seeds 3, 1, 2, in this order."""
    assert numbers(spans(seeds), "--seeds") == seeds


def test_a_specification_that_says_less_is_another_one(tmp_path):
    """What the folder knows of its samples and the run does not is named."""
    fill(tmp_path, [0])
    with pytest.raises(StorageError, match="holds samples with nfe 10, not None"):
        SampleFolder.open(tmp_path, {"scheme": "ddim"}, {})
