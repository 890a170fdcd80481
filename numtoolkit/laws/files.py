"""Laws from .npz files, read as if they came from a stranger."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from numtoolkit.errors import InputError, StorageError
from numtoolkit.laws.empirical import Empirical
from numtoolkit.laws.gaussian import Gaussian, GaussianMixture
from numtoolkit.laws.law import Law

SIZE_LIMIT = 2 << 30  # bytes, of the file and of what it unpacks to

_MIXTURE = {"means", "covariances"}
_EMPIRICAL = {"images"}


def load(path: str | os.PathLike[str]) -> Law:
    """The law stored in an .npz file, as written by numpy.savez.

    keys    means (K, *shape) and covariances (see `GaussianMixture`), with weights (K,) or equal ones if
            absent; a single mean gives a `Gaussian`.  Or images (N, *shape), likewise with or without
            weights (N,): `Empirical`
    errors  StorageError, one sentence, for whatever is wrong with the file: absent, over 2 GiB (also
            unpacked), no zip archive, damaged (every checksum is verified), pickled, keys missing or unknown,
            arrays empty, complex, not finite or of shapes that do not fit, weights negative or not summing
            to 1 within 1e-6, covariances not symmetric or not positive semidefinite
    cost    twice the size of the file in memory
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError("it is not a file")
        with path.open("rb") as stream:
            return _law(_arrays(stream), f"file {path.name}")
    except Exception as error:  # the one boundary where foreign bytes are parsed: zipfile and numpy raise a dozen types
        reason = str(error).split("\n")[0].rstrip(". ") or type(error).__name__
        if isinstance(error, zipfile.BadZipFile):
            reason += "; give an archive that numpy.savez wrote"
        raise StorageError(f"cannot load a law from {str(path)!r}: {reason}.") from error


def _arrays(stream: IO[bytes]) -> dict[str, np.ndarray]:
    """The arrays of an .npz archive by key; zipfile verifies every checksum, which numpy.load may skip."""
    if os.fstat(stream.fileno()).st_size > SIZE_LIMIT:
        raise InputError("it is larger than 2 GiB; store fewer images or float32")
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > SIZE_LIMIT:
            raise InputError("it unpacks to more than 2 GiB; store fewer images or float32")
        if len({member.filename for member in members}) < len(members):
            raise InputError("it holds two arrays of one name; save it again with numpy.savez")
        return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}


def _array(content: bytes) -> np.ndarray:
    buffer = io.BytesIO(content)
    array = np.lib.format.read_array(buffer, allow_pickle=False)
    if buffer.tell() < len(content):
        raise InputError("an array is shorter than its bytes; save it again with numpy.savez")
    return array


def _law(arrays: dict[str, np.ndarray], name: str) -> Law:
    keys = set(arrays) - {"weights"}
    if keys not in (_MIXTURE, _EMPIRICAL):
        found = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"its keys are {found}; give means and covariances, or images, with or without weights")
    weights = arrays.get("weights")
    if keys == _EMPIRICAL:
        return Empirical(arrays["images"], weights, name)
    law = GaussianMixture(weights, arrays["means"], arrays["covariances"], name)
    if len(law.means) > 1:
        return law
    covariances = arrays["covariances"]
    return Gaussian(law.means[0], covariances[0] if covariances.ndim else covariances, name)
