"""Samples as pictures of 8 bits, as tools that judge image models read them: PNG by seed, or .npz of many."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, StorageError, choice
from numtoolkit.files.storage import read_npz, sweep, write, write_npz

FOLDER, FORMATS = "pictures", ("png", "npz")
COLOURS = {1: 0, 3: 2}  # channels, and what PNG calls them: grey, RGB
_NAME = re.compile(r"(?:pictures-)?([0-9]+)\.(?:png|npz)")

Tile = tuple[Sequence[int], NDArray[Any]]


def is_picture(shape: Sequence[int]) -> bool:
    """Whether a sample of that `shape` is a picture: (H, W), or (C, H, W) with 1 or 3 channels."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in COLOURS)


def check_picture(shape: Sequence[int]) -> None:
    """raises InputError for the shape of a sample that is no picture, as `is_picture` says"""
    if not is_picture(shape):
        raise InputError(
            f"a sample of shape {tuple(shape)} is no picture; give samples (H, W) or (C, H, W) of 1 or 3 channels."
        )


def pixels(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Samples (n, H, W) or (n, C, H, W) near [-1, 1] as pixels (n, H, W, C) from 0 to 255.

    floor(127.5 x + 128), cut off at both ends, the inverse of k / 127.5 - 1 (Karras et al. 2022, their generate.py)
    raises   InputError for another shape
    """
    check_picture(samples.shape[1:])
    images = samples[:, None] if samples.ndim == 3 else samples
    return np.moveaxis((images * 127.5 + 128).clip(0, 255).astype(np.uint8), 1, -1)


def png(image: NDArray[np.uint8]) -> bytes:
    """A PNG file (ISO/IEC 15948) of pixels (H, W, C), C = 1 or 3, of 8 bits, its rows unfiltered, without a date."""
    high, wide, channels = image.shape
    rows = np.concatenate([np.zeros((high, 1), np.uint8), image.reshape(high, -1)], axis=1)
    header = struct.pack(">2I5B", wide, high, 8, COLOURS[channels], 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(rows.tobytes(), 6), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts.items()
    )


def write_pictures(folder: Path, kind: str, seeds: Iterable[int], tiles: Iterable[Tile]) -> None:
    """The pictures of samples, those written anew that are not in a folder yet, were damaged, or are of other samples.

    folder   into which they go: "png", 000000.png by seed; "npz", pictures-00000000.npz by the first seed of each
             tile, with arr_0, pixels (n, H, W, C), and seeds (n,)
    seeds    of the samples that are wanted, whose pictures this run alone writes: temporary files of these were left by
             killed ones
    tiles    (seeds, samples) of each, samples (n, H, W) or (n, C, H, W) near [-1, 1]; an archive holds a whole tile
    raises   InputError for what is no picture or no such kind, StorageError where they cannot be written
    cost     one tile in memory
    """
    choice("kind of pictures", kind, FORMATS)
    wanted = set(seeds)
    sweep(folder, lambda name: (found := _NAME.fullmatch(name)) is not None and int(found[1]) in wanted)
    for own, samples in tiles:
        images = pixels(samples)
        if kind == "npz":
            path = folder / f"pictures-{own[0]:08d}.npz"
            arrays: dict[str, NDArray[Any]] = {"arr_0": images, "seeds": np.array(own, np.int64)}
            if not _holds(path, arrays):
                write_npz(path, arrays)
            continue
        for seed, image in zip(own, images, strict=True):
            path, content = folder / f"{seed:06d}.png", png(image)
            if seed in wanted and (not path.is_file() or path.read_bytes() != content):
                write(path, content)


def _holds(path: Path, arrays: dict[str, NDArray[Any]]) -> bool:
    """Whether a file is an archive of these arrays and no others."""
    try:
        there = read_npz(path)
    except StorageError:
        return False
    return there.keys() == arrays.keys() and all(np.array_equal(there[key], own) for key, own in arrays.items())
