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
from numtoolkit.problem.spectrum import Spectrum, is_spectrum

_MIXTURE = {"means", "covariances"}
_EMPIRICAL = {"images"}


def load(path: str | os.PathLike[str]) -> Law:
    """The law stored in an .npz file, as written by numpy.savez.

    keys    means (K, *shape) and covariances (see `GaussianMixture`), with weights (K,) or equal ones if
            absent; a single mean gives a `Gaussian`.  Or images (N, *shape), likewise with or without
            weights (N,): `Empirical`.  Or those of a spectrum, as `numtoolkit spectrum` writes it: the `Gaussian` of it
    errors  StorageError, one sentence, for a file that is no sound archive (`numtoolkit.files.storage.read_npz`) and
            for arrays that are no law: keys missing or unknown, arrays empty, complex, not finite or of shapes that do
            not fit, weights negative or not summing to 1 within 1e-6, covariances not symmetric or not positive
            semidefinite
    cost    twice the size of the file in memory
    """
    arrays = read_npz(path)
    name = f"file {Path(path).name}"
    if is_spectrum(arrays):
        return gaussian_of(Spectrum.load(path), name)
    try:
        return _law(arrays, name)
    except InputError as error:
        raise StorageError(f"cannot load a law from {str(path)!r}: {str(error).rstrip('.')}.") from None


def gaussian_of(spectrum: Spectrum, name: str = "gaussian") -> Gaussian:
    """The Gaussian law of a spectrum; without a basis its directions are those of the coordinates.

    name     of the law
    raises   InputError for a spectrum whose multiplicities are not whole, which no law has
    """
    counts = spectrum.multiplicity.astype(np.int64)
    if (counts != spectrum.multiplicity).any():
        raise InputError("a law has whole directions, and the spectrum has parts of some; give whole multiplicities.")
    each = np.repeat(spectrum.values, counts)
    mean = spectrum.mean if spectrum.mean.ndim else np.full(len(each), float(spectrum.mean))
    if spectrum.basis is None:
        return Gaussian(mean, each.reshape(mean.shape), name)
    rest = each[-1]  # of the directions that the basis leaves
    led = each[: spectrum.basis.shape[1]] - rest
    return Gaussian(mean, (spectrum.basis * led) @ spectrum.basis.T + rest * np.eye(len(each)), name)


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
