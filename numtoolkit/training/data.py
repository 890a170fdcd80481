"""Data to train on, apart from data held out: what ships with other packages, is drawn by a seed, or is one's own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, StorageError, unknown, whole
from numtoolkit.files.storage import read_npz
from numtoolkit.spec_text import parse
from numtoolkit.training import drawn

EVERY = 8  # the last of so many samples is held out
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
STRIPES, BAND = 3, 0.25  # of a photograph, one below the other; share of each, at its lower edge, that is held out

Labels = NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Data:
    """What is trained on and what is held out, near [-1, 1].

    name                      a specification, or the path
    train, held               (N, *shape), (M, *shape), float32
    train_labels, held_labels (N,), (M,), whole numbers from 0, or None
    """

    name: str
    train: NDArray[np.float32]
    held: NDArray[np.float32]
    train_labels: Labels = None
    held_labels: Labels = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.train.shape[1:]

    @property
    def classes(self) -> int:
        """Number of labels, 0 where there are none."""
        return 0 if self.train_labels is None else int(self.train_labels.max()) + 1

    @cached_property
    def mean(self) -> Floats:
        """Of the samples trained on, float64 (*shape)."""
        return self.train.mean(0, dtype=np.float64)

    @cached_property
    def covariance(self) -> Floats:
        """Of the samples trained on, flattened, float64 (d, d)."""
        flat = (self.train - self.mean).reshape(len(self.train), -1)
        return flat.T @ flat / len(flat)

    @cached_property
    def deviation(self) -> float:
        """Root of the mean variance of a coordinate, EDM's sigma_data."""
        return float(np.sqrt(np.trace(self.covariance) / len(self.covariance)))


def digits() -> Data:
    """The 1797 handwritten 8x8 digits that ship with scikit-learn, with their classes; every eighth is held out."""
    table = np.loadtxt(_of_scikit_learn("data/digits.csv.gz"), delimiter=",")
    return _alternating("digits", table[:, :64].reshape(-1, 8, 8) / 8 - 1, table[:, 64].astype(np.int64))


def patches(size: int = 16, stride: int = 4) -> Data:
    """Patches (3, size, size) of the two photographs that ship with scikit-learn.

    The lower quarter of each third of either photograph is held out: no patch trained on shares a pixel with one that
    is held out, and sky, leaves and petals are on both sides.

    ranges  size 4..32, stride 1..64
    errors  InputError if scikit-learn or Pillow is not installed
    """
    pictures = [_picture(_of_scikit_learn(f"images/{name}")) for name in ("china.jpg", "flower.jpg")]
    return _in_patches("patches", pictures, size, stride)


def portrait(size: int = 12, stride: int = 4) -> Data:
    """Patches (3, size, size) of the photograph that ships with matplotlib, held out as those of `patches`.

    ranges  size 4..32, stride 1..64
    errors  InputError if matplotlib or Pillow is not installed
    """
    return _in_patches("portrait", [_picture(_of_matplotlib("grace_hopper.jpg"))], size, stride)


def terrain(size: int = 8, stride: int = 2) -> Data:
    """Patches (size, size) of the map of heights that ships with matplotlib, lowest -1 and highest 1, held out alike.

    ranges  size 4..32, stride 1..64
    errors  InputError if matplotlib is not installed
    """
    heights = read_npz(str(_of_matplotlib("jacksboro_fault_dem.npz")))["elevation"].astype(np.float64)
    scaled = 2 * (heights - heights.min()) / np.ptp(heights) - 1
    return _in_patches("terrain", [scaled.astype(np.float32)], size, stride)


def leaves(size: int = 16, count: int = 8192, seed: int = 0) -> Data:
    """Pictures (size, size) of dead leaves (`numtoolkit.training.drawn`), every eighth held out.

    ranges  size 4..32, count 16..65536, seed >= 0
    """
    name = _drawn("leaves", size, count, seed)
    return _alternating(name, drawn.leaves(size, count, seed))


def shapes(size: int = 12, count: int = 8192, seed: int = 0) -> Data:
    """Pictures (size, size) of one figure each, of six classes (`numtoolkit.training.drawn`), every eighth held out.

    ranges  size 4..32, count 16..65536, seed >= 0
    """
    name = _drawn("shapes", size, count, seed)
    return _alternating(name, *drawn.shapes(size, count, seed))


NAMED: dict[str, Callable[..., Data]] = {
    "digits": digits,
    "patches": patches,
    "portrait": portrait,
    "terrain": terrain,
    "leaves": leaves,
    "shapes": shapes,
}


def data_of(text: str) -> Data:
    """Data by name, "digits" or "patches(size=16)", or from the path of an .npz file or of a folder.

    text    an .npz file has `images` (N, *shape) and, if there are classes, `labels` (N,), whole numbers from 0; a
            folder holds pictures of one size, or a folder of such for each class. Whole numbers of 8 bits become
            x / 127.5 - 1. Every eighth sample is held out
    raises  InputError for an unknown name and for what are no data, StorageError for a file that cannot be read
    """
    if text.endswith(".npz"):
        return _of_arrays(text, read_npz(text))
    if os.path.isdir(text):
        return _of_folder(Path(text))
    if "/" in text.partition("(")[0]:
        raise StorageError(f"there is no folder {text!r}; name one of pictures, or FILE.npz.")
    spec = parse(text)
    if spec.name not in NAMED:
        raise unknown("data", spec.name, [*NAMED, "FILE.npz", "FOLDER"])
    values: dict[str, Any] = spec.arguments(inspect.signature(NAMED[spec.name]), f"data {spec.name}")
    return NAMED[spec.name](**values)


def _of_scikit_learn(name: str) -> Path:
    return _of_package("sklearn", f"datasets/{name}", "scikit-learn", "data")


def _of_matplotlib(name: str) -> Path:
    return _of_package("matplotlib", f"mpl-data/sample_data/{name}", "matplotlib", "plots")


def _of_package(module: str, name: str, package: str, extra: str) -> Path:
    found = find_spec(module)
    path = Path(found.origin).parent / name if found and found.origin else None
    if path is None or not path.is_file():
        raise InputError(f"the data {Path(name).name!r} come with {package}; pip install 'numtoolkit[{extra}]'.")
    return path


def _of_arrays(name: str, arrays: dict[str, NDArray[Any]]) -> Data:
    if not {"images"} <= set(arrays) <= {"images", "labels"}:
        there = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"data {name!r} have the keys {there}; give images, with labels or without.")
    return _alternating(name, arrays["images"], arrays.get("labels"))


def _of_folder(path: Path) -> Data:
    inside = sorted(own for own in path.iterdir() if own.is_dir())
    files = [_pictures_in(own) for own in inside] or [_pictures_in(path)]
    if not all(files):
        raise InputError(f"data {str(path)!r}: a folder there has no pictures; give {', '.join(PICTURES)}.")
    labels = np.repeat(np.arange(len(files)), [len(own) for own in files]) if inside else None
    pictures = [_picture(file) for own in files for file in own]
    shapes = {picture.shape for picture in pictures}
    if len(shapes) > 1:
        raise InputError(f"data {str(path)!r} have pictures of {len(shapes)} shapes; give all one size and mode.")
    return _alternating(str(path), np.stack(pictures), labels)


def _pictures_in(path: Path) -> list[Path]:
    return sorted(own for own in path.iterdir() if own.suffix.lower() in PICTURES)


def _picture(path: Path) -> NDArray[np.float32]:
    """(3, H, W) of a picture in colours, (H, W) of one in greys, in [-1, 1]."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise InputError("pictures are read by Pillow; pip install pillow.") from None
    try:
        with Image.open(path) as opened:
            grey = opened.mode in ("L", "1")
            pixels = np.asarray(opened.convert("L" if grey else "RGB"))
    except Exception as error:  # of Pillow, which raises a dozen types
        reason = str(error).split("\n")[0].rstrip(".")
        raise StorageError(f"cannot read the picture {str(path)!r}: {reason}; remove it.") from None
    return _near_one(pixels if grey else np.moveaxis(pixels, 2, 0))


def _near_one(values: NDArray[Any]) -> NDArray[np.float32]:
    return (values / 127.5 - 1 if values.dtype == np.uint8 else values).astype(np.float32)


def _in_patches(name: str, pictures: list[NDArray[np.float32]], size: int, stride: int) -> Data:
    """The patches of pictures (C, H, W) or (H, W); the lower quarter of each third of every picture is held out."""
    whole("size", size, 4, 32)
    whole("stride", stride, 1, 64)
    train, held = [], []
    for picture in pictures:
        rows = picture.shape[-2] // STRIPES
        edge = int(rows * (1 - BAND))
        for first in range(0, rows * STRIPES, rows):
            train.append(_cut(picture[..., first : first + edge, :], size, stride))
            held.append(_cut(picture[..., first + edge : first + rows, :], size, max(stride, size // 2)))
    return Data(f"{name}(size={size}, stride={stride})", np.concatenate(train), np.concatenate(held))


def _drawn(name: str, size: int, count: int, seed: int) -> str:
    """The specification of pictures drawn by a seed, its values checked."""
    whole("size", size, 4, 32)
    whole("count", count, 2 * EVERY, 1 << 16)
    whole("seed", seed, 0, 2**63)
    return f"{name}(size={size}, count={count}, seed={seed})"


def _cut(picture: NDArray[np.float32], size: int, stride: int) -> NDArray[np.float32]:
    """The patches of a picture (C, H, W) or (H, W), (N, C, size, size) or (N, size, size)."""
    if min(picture.shape[-2:]) < size:
        raise InputError(
            f"size = {size} is larger than the part held out, {picture.shape[-2]} rows; give a smaller one."
        )
    views = np.lib.stride_tricks.sliding_window_view(picture, (size, size), axis=(-2, -1))[
        ..., ::stride, ::stride, :, :
    ]
    views = np.moveaxis(views, 0, 2) if picture.ndim == 3 else views
    return np.ascontiguousarray(views.reshape(-1, *picture.shape[:-2], size, size))


def _alternating(name: str, images: NDArray[Any], labels: NDArray[Any] | None = None) -> Data:
    """The samples with every eighth held out, checked.

    raises   InputError for arrays that are no data: few, not finite, all alike, of 8-bit size in floats, or labels that
             are no whole numbers from 0, one a sample
    """
    if images.ndim < 2 or images.dtype.kind not in "fu" or len(images) < 2 * EVERY or not images.size:
        raise InputError(
            f"data {name!r} have images of shape {images.shape} and {images.dtype}; give (N, *shape) of a floating "
            f"dtype or of 8 bits, at least {2 * EVERY}."
        )
    values = _near_one(images)
    if not np.isfinite(values).all() or np.abs(values).max() > 100 or values.min() == values.max():
        raise InputError(
            f"data {name!r} go from {values.min():g} to {values.max():g}, but networks expect data near 1; give "
            "finite numbers in [-1, 1]."
        )
    if labels is not None:
        good = labels.shape == (len(images),) and labels.dtype.kind in "iu" and labels.min() >= 0
        if not good or labels.max() >= len(images):
            raise InputError(f"data {name!r} have labels that are no classes; give one whole number from 0 a sample.")
    out = np.arange(len(values)) % EVERY == EVERY - 1
    kinds = (None, None) if labels is None else (labels[~out].astype(np.int64), labels[out].astype(np.int64))
    return Data(name, values[~out], values[out], *kinds)
