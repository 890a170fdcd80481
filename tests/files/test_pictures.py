"""Samples become pictures of 8 bits without loss, in files that other programs read."""

from __future__ import annotations

import io

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.files.pictures import check_picture, pixels, png, write_pictures
from numtoolkit.files.storage import read_npz


def test_pixels_are_the_inverse_of_the_scale_of_the_data():
    """k / 127.5 - 1 comes back as k for each k of 8 bits, rounded values too; beyond -1 and 1 all is cut off."""
    k = np.arange(256).reshape(1, 16, 16)
    for dtype in (np.float64, np.float32):
        data = (k / 127.5 - 1).astype(dtype)
        assert np.array_equal(pixels(data)[..., 0], k)
        assert np.array_equal(pixels(data + dtype(0.49 / 127.5))[..., 0], k)
    assert pixels(np.array([[[-9.0, 9.0]]])).ravel().tolist() == [0, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_is_read_back_by_others(channels):
    """Pillow finds every pixel where it was."""
    image = pytest.importorskip("PIL.Image")
    drawn = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    read = np.asarray(image.open(io.BytesIO(png(drawn))))
    assert np.array_equal(read if channels == 3 else read[..., None], drawn)


def test_pictures_are_written_by_seed_or_as_one_archive(tmp_path):
    """000042.png of seed 42; arr_0 (n, H, W, C) of 8 bits; one that is no picture of its sample is drawn anew."""
    samples = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 5)).astype(np.float32)
    one = [42, 1_000_000], [([42, 1_000_000], samples)]
    write_pictures(tmp_path, "png", *one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000042.png", "1000000.png"]
    assert (tmp_path / "1000000.png").read_bytes() == png(pixels(samples)[1])
    write_pictures(tmp_path, "npz", *one)
    arrays = read_npz(tmp_path / "pictures-00000042.npz")
    assert arrays["arr_0"].dtype == np.uint8
    assert arrays["arr_0"].shape == (2, 4, 5, 3)
    assert np.array_equal(arrays["arr_0"], pixels(samples))
    assert arrays["seeds"].tolist() == [42, 1_000_000]
    whole = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "000042.png").write_bytes(png(pixels(samples)[1]))
    (tmp_path / "pictures-00000042.npz").write_bytes(whole["pictures-00000042.npz"][:-9])
    before = (tmp_path / "1000000.png").stat().st_mtime_ns
    litter = [f".{name}.0123abcd.partial" for name in ("000042.png", "pictures-00000042.npz", "000043.png")]
    for name in litter:
        (tmp_path / name).touch()
    write_pictures(tmp_path, "png", *one)
    write_pictures(tmp_path, "npz", *one)
    assert {name: (tmp_path / name).read_bytes() for name in whole} == whole
    assert (tmp_path / "1000000.png").stat().st_mtime_ns == before  # it was one, and is left alone
    write_pictures(tmp_path, "npz", one[0], [(one[0], -samples)])
    assert np.array_equal(read_npz(tmp_path / "pictures-00000042.npz")["arr_0"], pixels(-samples))
    assert [path.name for path in tmp_path.glob("*.partial")] == litter[2:]  # of a seed that another may be writing
    write_pictures(tmp_path / "few", "png", [42], one[1])
    assert [path.name for path in (tmp_path / "few").iterdir()] == ["000042.png"]  # none but those that are wanted


@pytest.mark.parametrize("shape", [(4,), (2, 4, 4), (4, 4, 3), (1, 1, 4, 4), ()])
def test_what_is_no_picture_is_refused(shape):
    """A row, two channels, channels last: in one sentence."""
    with pytest.raises(InputError, match="is no picture; give samples"):
        check_picture(shape)
