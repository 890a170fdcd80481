"""Sets of samples, a piece at a time: arrays, folders that `sample` filled, archives, and laws."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import host, library
from numtoolkit.errors import InputError, StorageError, brief
from numtoolkit.files.sample_folder import MANIFEST, read_tiles
from numtoolkit.files.storage import read_json, read_npz
from numtoolkit.laws.named import is_law, is_named, law_of
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import is_spectrum

KEYS = ("samples", "images", "arr_0")  # of an archive
DRAWN = 10_000  # samples of a law
PIECE = 4096  # samples of a piece of an array


def pieces(samples: Any, seed: int = 0) -> Iterator[NDArray[Any]]:
    """Arrays (n, *shape), one after the other, which together are a set of samples near [-1, 1].

    samples  an array or tensor (n, *shape); the path of a folder that `sample` filled, of whose samples in a phase
             space the positions are taken, or of an .npz file with `samples`, `images` or `arr_0`; a law, as an object
             or by name, of which 10,000 samples are drawn. Whole numbers of 8 bits become x / 127.5 - 1
    seed     of the samples of a law
    raises   InputError for what is none of these, StorageError for files that are damaged
    cost     of a folder one file in memory, of anything else all of it
    """
    if isinstance(samples, (str, os.PathLike)) and os.path.isdir(samples):
        yield from _of_folder(Path(samples))
        return
    array = _array(samples, seed)
    if not array.ndim or not len(array):
        raise InputError(f"a set of samples has shape {array.shape}; give samples (n, *shape).")
    for first in range(0, len(array), PIECE):
        piece = array[first : first + PIECE]
        yield piece / 127.5 - 1 if piece.dtype == np.uint8 else piece


def first_of(samples: Any, count: int) -> NDArray[Any]:
    """The first `count` samples of a set, or all where there are fewer; `samples` as of `pieces`, which it reads."""
    taken, left = [], count
    for piece in pieces(samples):
        taken.append(piece[:left])
        left -= len(taken[-1])
        if not left:
            break
    return np.concatenate(taken)


def _array(samples: Any, seed: int) -> NDArray[Any]:
    if isinstance(samples, (str, os.PathLike)) and str(samples).lower().endswith(".npz"):
        arrays = read_npz(samples)
        found = next((key for key in KEYS if key in arrays), None)
        if found is not None and "weights" not in arrays:
            return arrays[found]
        if not ({"means", "weights"} & arrays.keys() or is_spectrum(arrays)):
            there = ", ".join(sorted(arrays)) or "none"
            raise InputError(f"the keys of {brief(str(samples))!r} are {there}; give samples, images or arr_0.")
    if is_law(samples) or isinstance(samples, str):
        if isinstance(samples, str) and not is_named(samples):
            raise InputError(
                f"{brief(samples)!r} is no set of samples; give a folder that sample filled, FILE.npz, or a law."
            )
        return law_of(samples).sample(DRAWN, seed)
    if library(samples) is None and not isinstance(samples, (list, tuple)):
        raise InputError(f"{brief(repr(samples))} is no set of samples; give an array (n, *shape), a path or a law.")
    return host("samples", samples)


def _of_folder(path: Path) -> Iterator[NDArray[Any]]:
    if not (path / MANIFEST).is_file():
        raise StorageError(f"{str(path)!r} is no folder that sample filled, for it has no {MANIFEST}; name another.")
    record = read_json(path / MANIFEST)
    said = record.get("specification") if isinstance(record, dict) else None
    if not isinstance(said, dict) or not isinstance(said.get("process"), str):
        raise StorageError(f"{str(path / MANIFEST)!r} is no manifest of samples; name another folder.")
    in_phase_space = not said.get("denoise") and process_of(said["process"]).blocks == 2
    for samples in read_tiles(path):
        yield samples[:, 0] if in_phase_space else samples
