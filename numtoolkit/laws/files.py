"""Laws from .npz files, read as if they came from a stranger."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.storage import read_npz
from numtoolkit.laws.empirical import Empirical
from numtoolkit.laws.gaussian import Gaussian, GaussianMixture
from numtoolkit.laws.law import Law

_MIXTURE = {"means", "covariances"}
_EMPIRICAL = {"images"}


def load(path: str | os.PathLike[str]) -> Law:
    """The law stored in an .npz file, as written by numpy.savez.

    keys    means (K, *shape) and covariances (see `GaussianMixture`), with weights (K,) or equal ones if
            absent; a single mean gives a `Gaussian`.  Or images (N, *shape), likewise with or without
            weights (N,): `Empirical`
    errors  StorageError, one sentence, for a file that is no sound archive (`numtoolkit.files.storage.read_npz`) and
            for arrays that are no law: keys missing or unknown, arrays empty, complex, not finite or of shapes that do
            not fit, weights negative or not summing to 1 within 1e-6, covariances not symmetric or not positive
            semidefinite
    cost    twice the size of the file in memory
    """
    arrays = read_npz(path)
    try:
        return _law(arrays, f"file {Path(path).name}")
    except InputError as error:
        raise StorageError(f"cannot load a law from {str(path)!r}: {str(error).rstrip('.')}.") from None


def _law(arrays: dict[str, np.ndarray], name: str) -> Law:
    keys = set(arrays) - {"weights"}
    if keys not in (_MIXTURE, _EMPIRICAL):
        there = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"its keys are {there}; give means and covariances, or images, with or without weights")
    weights = arrays.get("weights")
    if keys == _EMPIRICAL:
        return Empirical(arrays["images"], weights, name)
    law = GaussianMixture(weights, arrays["means"], arrays["covariances"], name)
    if len(law.means) > 1:
        return law
    covariances = arrays["covariances"]
    return Gaussian(law.means[0], covariances[0] if covariances.ndim else covariances, name)
