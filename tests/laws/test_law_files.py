"""Laws are read from files without trust."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from numtoolkit.errors import StorageError
from numtoolkit.laws import Gaussian, load
from tests.support.laws import EPS, noisy, random_mixture

BAD = {  # arrays that are no law, and a word of the reason
    "nothing": ({}, "keys are none"),
    "no covariances": ({"means": np.zeros((2, 3))}, "keys are means"),
    "unknown key": ({"images": np.zeros((2, 3)), "labels": np.zeros(2)}, "labels"),
    "both kinds": (
        {"means": np.zeros((1, 2)), "covariances": np.ones(1), "images": np.zeros((1, 2))},
        "keys",
    ),
    "covariances of other length": (
        {"means": np.zeros((2, 3)), "covariances": np.ones((3, 3))},
        "3 entries for 2",
    ),
    "covariances of other shape": ({"means": np.zeros((2, 3)), "covariances": np.ones((2, 2, 2))}, "shape"),
    "scalar means": ({"means": np.array(1.0), "covariances": np.array(1.0)}, "single number"),
    "NaN": ({"means": np.full((1, 2), np.nan), "covariances": np.ones(1)}, "NaN"),
    "infinite variance": ({"means": np.zeros((1, 2)), "covariances": np.array([np.inf])}, "infinity"),
    "negative variance": (
        {"means": np.zeros((2, 2)), "covariances": np.array([1.0, -1.0])},
        "negative variance",
    ),
    "asymmetric": (
        {"means": np.zeros((1, 2)), "covariances": np.array([[[1, 0.1], [0, 1]]])},
        "not symmetric",
    ),
    "indefinite": ({"means": np.zeros((1, 2)), "covariances": np.array([[[1.0, 2], [2, 1]]])}, "eigenvalue"),
    "negative weight": ({"images": np.zeros((2, 3)), "weights": np.array([1.5, -0.5])}, "negative value"),
    "weights off by 1e-5": (
        {"images": np.zeros((2, 3)), "weights": np.array([0.5, 0.50001])},
        "divide it by its sum",
    ),
    "weights of other length": ({"images": np.zeros((2, 3)), "weights": np.ones(3) / 3}, "give 2 numbers"),
    "empty": ({"images": np.zeros((0, 3))}, "empty"),
    "empty events": ({"means": np.zeros((2, 0)), "covariances": np.ones(2)}, "empty"),
    "complex": ({"images": np.zeros((2, 3), complex)}, "complex"),
    "boolean": ({"images": np.zeros((2, 3), bool)}, "bool"),
    "text": ({"images": np.array(["a", "b"])}, "real numbers"),
    "pickled": ({"images": np.array([{}, {}])}, "allow_pickle"),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_are_no_law_are_refused_in_one_sentence(kind, tmp_path):
    """Keys, shapes, values and dtypes: each sentence names the file and the array that is wrong."""
    arrays, message = BAD[kind]
    path = tmp_path / "law.npz"
    np.savez(path, **arrays)
    with pytest.raises(StorageError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_laws_come_back_from_files(tmp_path):
    """Every form of covariance, weights and images that `load` knows is the law that was saved."""
    path = tmp_path / "law.npz"
    mixture, rng = random_mixture(2), np.random.default_rng(0)
    covariances = (mixture.bases * mixture.variances[:, None, :]) @ mixture.bases.transpose(0, 2, 1)
    y = noisy(mixture, 4, 0.5)
    np.savez_compressed(path, weights=mixture.weights, means=mixture.means, covariances=covariances)
    np.testing.assert_allclose(load(path).denoise(y, 0.5), mixture.denoise(y, 0.5), rtol=0, atol=1e3 * EPS)
    np.savez(path, means=mixture.means[:1], covariances=covariances[:1])
    single = load(path)
    assert isinstance(single, Gaussian)
    np.testing.assert_allclose(single.covariance(), covariances[0], rtol=0, atol=8 * EPS)
    np.savez(path, means=mixture.means[:1], covariances=np.array(0.1))
    assert np.array_equal(load(path).covariance(), 0.1 * np.eye(3))
    np.savez(path, means=mixture.means, covariances=np.array(0.1))
    assert np.array_equal(load(path).weights, np.full(3, 1 / 3))
    images = rng.uniform(-1, 1, (5, 2, 2)).astype(np.float32)
    np.savez(path, images=images)
    assert load(path).images.dtype == np.float32
    assert np.array_equal(load(path).images, images)


def test_hostile_and_foreign_files_are_refused(tmp_path, monkeypatch):
    """Absent, empty, truncated, random and oversized files are refused before they are unpacked."""
    path = tmp_path / "law.npz"
    for missing in (path, tmp_path):
        with pytest.raises(StorageError, match="not a file"):
            load(missing)
    for content in (b"", b"PK", b"not a zip", bytes(10_000), np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        with pytest.raises(StorageError, match="zip"):
            load(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(StorageError, match="zip"):
        load(path)
    np.savez_compressed(path, images=np.zeros((1000, 1000)))  # 8 MB in 8 kB
    monkeypatch.setattr("numtoolkit.files.storage.NPZ_LIMIT", 1 << 20)
    with pytest.raises(StorageError, match="unpacks"):
        load(path)
    monkeypatch.setattr("numtoolkit.files.storage.NPZ_LIMIT", 100)
    with pytest.raises(StorageError, match="larger"):
        load(path)


def test_headers_that_lie_are_refused(tmp_path):
    """An array header that promises another size than its bytes, or a name twice, is no array."""
    path = tmp_path / "law.npz"
    huge, long, short = "(10000000000, 3)", "(1, 3)" + 20_000 * " ", "(1, 3)"
    for shape, message in ((huge, "cannot read"), (long, "load securely"), (short, "shorter than its bytes")):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(48)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(StorageError, match=message) as caught:
            load(path)
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("images.npy", content)
    with pytest.raises(StorageError, match="two arrays of one name"):
        load(path)


def test_no_flipped_bit_loads_as_another_law(tmp_path):
    """A bit flipped anywhere in a file is refused or without effect."""
    path = tmp_path / "law.npz"
    np.savez(path, weights=np.array([0.25, 0.75]), means=np.array([[0.5], [1.5]]), covariances=np.array([1.0, 2.0]))
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            law = load(path)
        except StorageError:
            refused += 1
        else:
            assert np.array_equal(law.weights, [0.25, 0.75])
            assert np.array_equal(law.means, [[0.5], [1.5]])
            assert np.array_equal(law.variances, [[1.0], [2.0]])
    assert refused > len(sound) / 2  # arrays, names and sizes; the rest is time stamps, versions and attributes
