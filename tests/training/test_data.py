"""Data are read whole, split by one rule, and refused in a sentence where they are none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from numtoolkit.errors import InputError, StorageError
from numtoolkit.laws.named import digits as law_of_digits
from numtoolkit.problem.cosines import cosine_basis
from numtoolkit.training.data import EVERY, data_of


def test_digits_are_those_of_the_law_with_every_eighth_held_out():
    """Both parts together are the 1797 images of the law, with their ten classes, and deviation that of the law."""
    data = data_of("digits")
    images = law_of_digits().images
    assert np.array_equal(data.held, images[EVERY - 1 :: EVERY].astype(np.float32))
    assert len(data.train) + len(data.held) == len(images) == 1797
    assert (data.shape, data.classes, len(data.held_labels)) == ((8, 8), 10, len(data.held))
    assert data.deviation == pytest.approx(np.sqrt(law_of_digits().variance), rel=0.01)


def test_patches_that_are_held_out_share_no_pixel_with_others():
    """Either picture is cut into thirds, and each of them at one row: a patch is of one part alone."""
    data = data_of("patches(size=8, stride=64)")
    assert data.shape == (3, 8, 8)
    assert data.held.min() >= -1
    assert data.train.max() <= 1
    folder = Path(find_spec("sklearn").origin).parent / "datasets" / "images"
    firsts = iter(zip(data.train[:: len(data.train) // 6], data.held[:: len(data.held) // 6], strict=True))
    for name in ("china.jpg", "flower.jpg"):
        parts = np.moveaxis(np.asarray(Image.open(folder / name)) / 127.5 - 1, 2, 0).astype(np.float32)
        rows = parts.shape[1] // 3
        for first in (0, rows, 2 * rows):
            edge = first + int(rows * 0.75)
            trained, held = next(firsts)
            assert np.array_equal(trained, parts[:, first : first + 8, :8])
            assert np.array_equal(held, parts[:, edge : edge + 8, :8])
    columns = len(range(0, 633, 64))
    assert len(data.train) == 6 * columns * len(range(0, 99, 64))  # 106 of the 142 rows of a third
    assert len(data.held) == 6 * columns


def test_portrait_is_the_picture_of_matplotlib_and_terrain_its_heights():
    """Cut and held out as the patches are, by thirds; heights lie between -1 and 1, without a channel."""
    folder = Path(find_spec("matplotlib").origin).parent / "mpl-data" / "sample_data"
    picture = np.asarray(Image.open(folder / "grace_hopper.jpg")).astype(np.float32)
    data = data_of("portrait(size=8, stride=64)")
    assert data.shape == (3, 8, 8)
    np.testing.assert_allclose(data.train[0], np.moveaxis(picture[:8, :8], 2, 0) / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(data.held[0], np.moveaxis(picture[150:158, :8], 2, 0) / 127.5 - 1, atol=1e-6)
    heights = np.load(folder / "jacksboro_fault_dem.npz")["elevation"]
    data = data_of("terrain(size=8, stride=1)")
    assert data.shape == (8, 8)
    low, high = float(data.train.min()), float(data.train.max())
    assert (min(low, float(data.held.min())), max(high, float(data.held.max()))) == (-1.0, 1.0)
    scaled = 2 * (heights[:8, :8].astype(float) - heights.min()) / (int(heights.max()) - int(heights.min())) - 1
    np.testing.assert_allclose(data.train[0], scaled, atol=1e-6)


def test_leaves_have_the_spectrum_of_photographs():
    """Power falls as k^-2 over the cosines, within a half, and the law has no direction: its mean picture is grey."""
    data = data_of("leaves(size=16, count=4096)")
    waves, frequency = cosine_basis((16, 16))
    power = np.diag(waves.T @ data.covariance @ waves)
    inside = (frequency >= 2) & (frequency <= 12)
    slope = np.polyfit(np.log(frequency[inside]), np.log(power[inside]), 1)[0]
    assert -2.5 < slope < -1.5
    assert np.abs(data.mean).max() < 0.1
    assert not np.array_equal(data.train, data_of("leaves(size=16, count=4096, seed=1)").train)


def test_shapes_of_a_class_are_alike_in_what_they_cover():
    """Six classes, all drawn; figure and ground are apart by 0.4 and more, and a bar covers less than a disc."""
    data = data_of("shapes(size=16, count=2048)")
    assert data.classes == 6
    assert len(set(data.train_labels.tolist())) == len(set(data.held_labels.tolist())) == 6
    middle = data.train[:, 8, 8] - data.train[:, 0, 0]
    discs = data.train_labels == 0
    assert np.abs(middle[discs]).min() > 0.1
    covered = [np.mean(abs(data.train - data.train[:, :1, :1])[data.train_labels == k] > 0.4) for k in range(6)]
    assert covered[0] > 1.5 * covered[5]


@pytest.mark.parametrize("text", ["portrait(size=3)", "terrain(stride=0)", "leaves(count=15)", "shapes(seed=-1)"])
def test_data_by_name_refuse_parameters_out_of_range(text):
    """The sentence names the parameter."""
    with pytest.raises(InputError, match=text.partition("(")[2].partition("=")[0]):
        data_of(text)


def test_a_folder_of_pictures_and_folders_for_classes_are_data(tmp_path):
    """Grey pictures are (H, W), coloured ones (3, H, W), 0 is -1 and 255 is 1; a folder each is a class each."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for n in range(8):
            pixels = np.full((4, 6), 0 if name == "a" else 255, np.uint8)
            pixels[0, 0] = 16 * n
            Image.fromarray(pixels).save(tmp_path / name / f"{n}.png")
    data = data_of(str(tmp_path))
    assert (data.shape, data.classes) == ((4, 6), 2)
    assert data.held_labels.tolist() == [0, 1]
    assert data.train[0, 1, 1] == -1
    assert data.train[-1, 1, 1] == 1
    Image.new("RGB", (6, 4)).save(tmp_path / "a" / "8.png")
    with pytest.raises(InputError, match="2 shapes"):
        data_of(str(tmp_path))
    (tmp_path / "b" / "9.png").write_bytes(b"no picture")
    with pytest.raises(StorageError, match="cannot read the picture"):
        data_of(str(tmp_path))


def test_arrays_of_8_bits_are_scaled_and_wrong_ones_refused(tmp_path):
    """Whole numbers of 8 bits become x / 127.5 - 1; floats of that size, few samples and odd labels are no data."""
    path = tmp_path / "own.npz"

    def kept(**arrays):
        np.savez(path, **arrays)
        return str(path)

    images = np.arange(32, dtype=np.uint8).reshape(16, 2) * 8
    assert data_of(kept(images=images)).train.max() == np.float32(29 * 8 / 127.5 - 1)
    for wrong in (
        {"images": images.astype(float)},
        {"images": images[:8]},
        {"pixels": images},
        {"images": images, "labels": np.arange(16) - 1},
        {"images": images, "labels": np.arange(15)},
        {"images": images, "labels": np.zeros(16)},
        {"images": np.full((16, 2), np.nan)},
        {"images": np.zeros((16, 2))},
        {"images": np.zeros(16)},
    ):
        with pytest.raises(InputError, match="data"):
            data_of(kept(**wrong))
    with pytest.raises(InputError, match="did you mean digits"):
        data_of("digit")
    with pytest.raises(StorageError, match=r"there is no folder 'pictures/mine'; name one of pictures, or FILE\.npz\."):
        data_of("pictures/mine")
