"""Checks of what laws and measures are made of: real arrays, probabilities, covariances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from numtoolkit.arrays import Floats, eigen, host
from numtoolkit.errors import InputError


def real(name: str, value: Any, dtype: Any = np.float64, finite: bool = True) -> npt.NDArray[Any]:
    """value as a read-only array of its own and of that dtype.

    errors   InputError, calling it `name`, unless it is non-empty, real and, where `finite` asks for it, finite
    """
    array = host(name, value)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} has dtype {array.dtype}; give real numbers.")
    if array.size == 0:
        raise InputError(f"{name} is empty (shape {array.shape}); give at least one entry.")
    with np.errstate(over="ignore"):  # longdouble values beyond float64 become inf and are refused below
        array = np.array(array, dtype=dtype, order="C")
    if finite and not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity; give finite numbers.")
    array.flags.writeable = False
    return array


def probabilities(name: str, value: Any, count: int) -> Floats:
    """(count,) weights >= 0, scaled to sum to 1; a `value` of None means equal ones.

    errors   InputError, calling them `name`, for a negative weight, another shape, and a sum off by over 1e-6
    """
    weights = real(name, np.full(count, 1.0) / count if value is None else value)
    if weights.shape != (count,):
        raise InputError(f"{name} has shape {weights.shape}; give {count} numbers, one for each entry.")
    if weights.min() < 0:
        raise InputError(f"{name} holds the negative value {weights.min():g}; give probabilities.")
    if abs(weights.sum() - 1) > 1e-6:
        raise InputError(f"{name} sums to {weights.sum():.9g}, not 1; divide it by its sum.")
    return real(name, weights / weights.sum())


def spectrum(name: str, covariance: Any, shape: tuple[int, ...]) -> tuple[Floats | None, Floats]:
    """(basis, variances) with covariance = basis diag(variances) basis'; basis None if it is the identity.

    covariance  number (isotropic), `shape` (diagonal) or (d, d) (full, coordinates flattened in C order)
    basis       (d, d) orthogonal, eigenvectors in columns; variances (d,) >= 0
    errors      InputError, calling it `name`, unless symmetric and positive semidefinite up to d eps |C|, eps of the
                dtype given, so that a covariance estimated in float32 passes; negative rounding becomes 0
    """
    matrix = real(name, covariance)
    d = math.prod(shape)
    if matrix.shape not in ((), shape, (d, d)):
        raise InputError(f"{name} has shape {matrix.shape}; give a number, {shape} (diagonal) or {(d, d)} (full).")
    if matrix.shape == (d, d) and matrix.shape != shape and np.array_equal(matrix, np.diag(np.diag(matrix))):
        matrix = np.diag(matrix)
    if matrix.shape != (d, d) or matrix.shape == shape:
        if matrix.min() < 0:
            raise InputError(f"{name} holds the negative variance {matrix.min():g}; give variances >= 0.")
        return None, real(name, np.broadcast_to(matrix.ravel(), d))
    given = host(name, covariance).dtype
    tolerance = d * float(np.finfo(given if given.kind == "f" else np.float64).eps) * float(np.abs(matrix).max())
    if np.abs(matrix - matrix.T).max() > tolerance:
        raise InputError(f"{name} is not symmetric; average it with its transpose.")
    variances, basis = eigen((matrix + matrix.T) / 2)
    if variances[0] < -tolerance:
        raise InputError(f"{name} has the negative eigenvalue {variances[0]:.3g}; give a positive semidefinite matrix.")
    return real(name, basis), real(name, np.maximum(variances, 0.0))
