"""Arrays of numpy and torch treated alike, and factors of covariances."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError

Array = Any  # a numpy array or a torch tensor
Floats = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])

KEPT, KEPT_TIMES = 8, 1 << 14  # answers that `remembered` keeps of a function, and the most times of one


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


def quiet(like: Array, grad: bool = False) -> AbstractContextManager[Any]:
    """No overflow warnings in numpy, where what is not finite is reported at the end of a run; in torch no autograd.

    like  an array of the library; grad, whether autograd in torch is left as it is
    """
    xp = library(like)
    if xp is np:
        return np.errstate(over="ignore", invalid="ignore")
    return nullcontext() if grad else xp.no_grad()


def readable(array: Array) -> bool:
    """Whether the host can read numbers of an array: not of one on meta, of a fake one, or inside torch.func."""
    if library(array) is np:
        return True
    if array.device.type == "meta" or type(array).__name__ == "FakeTensor":
        return False
    try:
        array.untyped_storage()
    except NotImplementedError:  # it stands for others
        return False
    return True


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


def dtype_of(dtype: Any, xp: Any) -> Any:
    """A dtype of a library, also by its name: "float32" is torch.float32 in torch, numpy.float32 in numpy.

    raises   TypeError for a name that the library does not have
    """
    if not isinstance(dtype, str):
        return dtype
    found = np.dtype(dtype) if xp is np else getattr(xp, dtype, None)
    if found is None:
        raise TypeError(dtype)
    return found


def cast(array: Array, dtype: Any) -> Array:
    """The array in a dtype of its library; as it is where it has that already."""
    if array.dtype == dtype:
        return array
    return array.astype(dtype) if library(array) is np else array.to(dtype)


def copied(array: Array) -> Array:
    """A copy of an array of either library, on its device; differentiable in torch."""
    return array.copy() if library(array) is np else array.clone()


class _Asked:
    """An object and an array of times, the same as another if the object is that one and the values are equal."""

    def __init__(self, own: Any, t: Floats) -> None:
        self.own, self.t = own, t
        self._values = id(own), t.dtype.str, t.shape, t.tobytes()

    def __hash__(self) -> int:
        return hash(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self._values == other._values


def remembered(function: Function) -> Function:
    """A pure function of an object and an array of times that keeps its last few answers, as read-only arrays.

    What belongs to one mesh is asked for by every operator on it.
    """

    @lru_cache(KEPT)
    def kept(asked: _Asked) -> Any:
        answer = function(asked.own, asked.t)
        for array in answer if isinstance(answer, tuple) else (answer,):
            array.flags.writeable = False
        return answer

    @wraps(function)
    def answered(own: Any, t: Floats) -> Any:
        return kept(_Asked(own, t)) if t.size <= KEPT_TIMES else function(own, t)

    return answered  # type: ignore[return-value]


# --- small blocks


def inverse(blocks: Floats) -> Floats:
    """The inverses of stacked blocks (n, k, k), in closed form for k up to 2.

    raises   LinAlgError for a block that is singular in float64, as numpy does
    """
    k = blocks.shape[-1]
    if k > 2:
        return np.asarray(np.linalg.inv(blocks), dtype=np.float64)
    if k == 1:
        determinant, adjugate = blocks, np.ones_like(blocks)
    else:
        (a, b), (c, d) = np.moveaxis(blocks, 0, 2)
        determinant = (a * d - b * c)[:, None, None]
        adjugate = np.moveaxis(np.array([[d, -b], [-c, a]]), 2, 0)
    if (determinant == 0).any():
        raise np.linalg.LinAlgError("Singular matrix")
    return np.asarray(adjugate / determinant)


# --- factors of covariances


def cholesky(covariance: Floats) -> Floats:
    """`lower_factor` of blocks (n, k, k) that have to be positive definite.

    raises   LinAlgError for a block that is not, in float64, as numpy does
    """
    factor = lower_factor(covariance)
    if not (np.diagonal(factor, axis1=1, axis2=2) > 0).all():
        raise np.linalg.LinAlgError("Matrix is not positive definite")
    return factor


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


def eigen(matrix: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues (d,), rising, and eigenvectors (d, d) in columns, of a symmetric matrix.

    Eigenvalues that are equal up to rounding share a space of which every basis is right, and which one comes depends
    on the processor. It is turned into that whose products with fixed normals are an upper triangle of positive
    diagonal: draws from a law with such a covariance, as the cosines of square images have, are then the same anywhere.
    """
    values, axes = np.linalg.eigh(matrix)
    d = len(values)
    apart = np.diff(values) > 8 * d * np.finfo(np.float64).eps * np.abs(values[[0, -1]]).max()
    ends = np.append(np.flatnonzero(apart) + 1, d)
    for start, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        if end - start > 1:
            own = axes[:, start:end]
            turn, triangle = np.linalg.qr(own.T @ np.random.Generator(np.random.Philox(0)).standard_normal(own.shape))
            axes[:, start:end] = own @ (turn * np.where(np.diag(triangle) < 0, -1, 1))
    return values, axes


def join(blocks: Sequence[Array]) -> Array:
    """The public layout of state blocks; a single block is returned as it is."""
    return blocks[0] if len(blocks) == 1 else library(blocks[0]).stack(tuple(blocks), 1)


def split(array: Array, k: int) -> list[Array]:
    """The k blocks of an array in public layout, as views."""
    return [array] if k == 1 else [array[:, j] for j in range(k)]
