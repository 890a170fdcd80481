"""The spectrum of a law or of a data set: in how many directions they have which scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, eigen
from numtoolkit.errors import InputError, flag
from numtoolkit.laws.checks import real
from numtoolkit.laws.gaussian import Gaussian
from numtoolkit.laws.law import Law
from numtoolkit.laws.named import is_law, law_of
from numtoolkit.limits import MOST_COORDINATES
from numtoolkit.problem.cosines import cosine_basis
from numtoolkit.problem.spectrum import Spectrum

EPS = float(np.finfo(np.float64).eps)
FEWEST = 2  # samples, which have a covariance


def spectrum_of(data: Any, rank: int | None = None, dct: bool = False) -> Spectrum:
    """The spectrum of data: the eigenvalues and eigenvectors of their covariance, or its bands of frequency.

    data     a law, by name too, "digits" or "FILE.npz"; or an array (n, *event) of a data set
    rank     None for every direction; or that of the leading ones, beside which all others are one isotropic group, of
             their mean variance
    dct      True: the directions are those of the discrete cosine transform over the last two axes, or the last of
             signals, a group for each whole frequency in half periods over the longer side, of the mean variance there
    returns  eigenvalues largest first, one direction each; those of a covariance that are rounding are 0. Bands lowest
             frequency first
    raises   InputError for data of more than 4096 coordinates, or of fewer than two samples, and for rank beside dct
    cost     that of the eigenvalues of a matrix as large as a sample has coordinates, or the samples are many
    """
    flag("dct", dct)
    if dct and rank is not None:
        raise InputError(f"rank = {rank} counts eigenvectors, and dct groups by frequency; give one of them.")
    if isinstance(data, str) or is_law(data):
        law = law_of(data)
        _check_size(math.prod(law.shape))
        mean, source = law.mean, law.name
        found = _banded(mean, law.covariance(), source) if dct else _principal(mean, *_eigen_of(law), source)
    else:
        rows = real("data", data)
        if rows.ndim < 2 or len(rows) < FEWEST:
            raise InputError(
                f"data of shape {rows.shape} have no covariance; give (n, *event) of at least two samples."
            )
        mean, source = rows.mean(axis=0), f"{len(rows)} samples"
        _check_size(mean.size)
        spread = (rows - mean).reshape(len(rows), -1) / math.sqrt(len(rows))
        if dct:
            found = _banded(mean, spread.T @ spread, source)
        elif len(rows) > mean.size:
            found = _principal(mean, *eigen(spread.T @ spread), source)
        else:
            _, deviations, axes = np.linalg.svd(spread, full_matrices=False)
            found = _principal(mean, deviations[::-1] ** 2, axes[::-1].T, source)
    return found if rank is None else found.reduced(rank)


def _eigen_of(law: Law) -> tuple[Floats, Floats]:
    """As `eigen` of its covariance; of a Gaussian law along its own axes, a choice where variances are equal."""
    if not isinstance(law, Gaussian):
        return eigen(law.covariance())
    order = np.argsort(law.variances, kind="stable")
    return law.variances[order], (np.eye(law.mean.size) if law.basis is None else law.basis)[:, order]


def _principal(mean: Floats, rising: Floats, axes: Floats, source: str) -> Spectrum:
    """Of eigenvalues that rise and the eigenvectors in columns: those that are no rounding, and what is left."""
    values = rising[::-1]
    values = values * (values > mean.size * EPS * values[0])
    left = mean.size - len(values)
    counts = np.append(np.ones(len(values)), [left] if left else [])
    return Spectrum(mean, np.append(values, [0.0] if left else []), counts, axes[:, ::-1], source)


def _banded(mean: Floats, covariance: Floats, source: str) -> Spectrum:
    """Of a covariance: the mean variance of the cosines of each whole frequency."""
    if not mean.ndim:
        raise InputError("data of one number have no frequencies; give signals or images, or leave dct out.")
    waves, frequency = cosine_basis(mean.shape)
    each = np.rint(frequency)
    order = np.argsort(each, kind="stable")
    _, places, counts = np.unique(each, return_inverse=True, return_counts=True)
    variances = np.einsum("ik,ij,jk->k", waves, covariance, waves, optimize=True)
    values = np.maximum(np.bincount(places, variances), 0) / counts
    return Spectrum(mean, values, counts, waves[:, order], source)


def _check_size(coordinates: int) -> None:
    if coordinates > MOST_COORDINATES:
        raise InputError(
            f"data of {coordinates} coordinates are too many; give at most {MOST_COORDINATES}, as smaller images."
        )
