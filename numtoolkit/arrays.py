"""Arrays of numpy and torch treated alike, and factors of covariances."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError

Array = Any  # a numpy array or a torch tensor
Floats = NDArray[np.float64]


# --- which library


def library(array: Any) -> Any:
    """The library an array belongs to: numpy, torch, or None when it belongs to neither. Never loads torch."""
    if isinstance(array, np.ndarray):
        return np
    torch = sys.modules.get("torch")  # whoever holds a tensor has loaded it
    return torch if torch is not None and isinstance(array, torch.Tensor) else None


def is_floating(array: Array) -> bool:
    """Whether an array holds real floating numbers."""
    return bool(array.dtype.kind == "f" if library(array) is np else array.dtype.is_floating_point)


def quiet(like: Array) -> AbstractContextManager[Any]:
    """No autograd in torch, no overflow warnings in numpy: what is not finite is reported at the end of a run."""
    xp = library(like)
    return np.errstate(over="ignore", invalid="ignore") if xp is np else xp.no_grad()


def host(name: str, value: Any) -> NDArray[Any]:
    """A numpy array of what is array-like; tensors of any device are brought to the host, bfloat16 as float32.

    raises   InputError, naming the value, for rows of several lengths
    """
    if library(value) not in (np, None):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    try:
        return np.asarray(value)
    except (ValueError, TypeError):
        raise InputError(f"{name} is no rectangular array; give rows of one length.") from None


# --- factors of covariances


def lower_factor(covariance: Floats) -> Floats:
    """The lower-triangular A with A A' = covariance, for stacked positive semidefinite blocks (n, k, k).

    Unlike that of numpy it takes singular blocks: rows of zeros stay rows of zeros, rounding below zero becomes zero.
    """
    factor = np.zeros_like(covariance)
    k = covariance.shape[-1]
    for i in range(k):
        for j in range(i + 1):
            rest = covariance[:, i, j] - np.einsum("nl,nl->n", factor[:, i, :j], factor[:, j, :j])
            if i == j:
                factor[:, i, i] = np.sqrt(np.maximum(rest, 0))
            else:
                factor[:, i, j] = np.divide(rest, factor[:, j, j], out=np.zeros_like(rest), where=factor[:, j, j] > 0)
    return factor


def principal_factor(covariance: Floats) -> Floats:
    """The A with A A' = covariance whose columns are the principal axes, each of the length of its deviation.

    covariance   stacked positive semidefinite blocks (..., k, k); rounding below zero becomes zero
    """
    variances, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(variances, 0))[..., None, :]
