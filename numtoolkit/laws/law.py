"""What every law offers, and what its denoisers and samplers share.

For a linear diffusion z_t | x0 ~ N(e_t x0, Sigma_t) with k blocks the posterior mean of x0 depends on z_t
only through y = e' Sigma^-1 z / (e' Sigma^-1 e) = x0 + sigma n, with sigma = (e' Sigma^-1 e)^(-1/2) and n
standard normal.  A law therefore needs nothing but the scalar denoiser E[x0 | y], whatever the process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from numtoolkit.arrays import Array, Floats, cast, is_floating, library
from numtoolkit.errors import InputError, typed, whole
from numtoolkit.problem.directions import Directions, Levels

TILE_BYTES = 64 << 20  # largest temporary of one tile

ALIKE = 1e-9  # of variances: what rounding leaves of one beside the diagonal

_ALONG: WeakKeyDictionary[Any, dict[Directions, tuple[Directions, Any]]] = WeakKeyDictionary()
_PLACED: WeakKeyDictionary[Any, dict[tuple[str, Any, str], tuple[Any, ...]]] = WeakKeyDictionary()


class Law(Protocol):
    """A law of data x0 with a closed-form denoiser."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one x0; d is the product of its entries."""

    @property
    def name(self) -> str:
        """Where the law comes from, for provenance."""

    @property
    def mean(self) -> Floats:
        """E[x0], float64 of shape `shape`."""

    @property
    def variance(self) -> float:
        """Mean over the coordinates of Var[x0], the square of EDM's sigma_data."""

    def covariance(self) -> Floats:
        """Cov[x0] with the coordinates flattened in C order, float64 (d, d)."""

    def denoise(self, y: Array, sigma: Array | float | Levels) -> Array:
        """E[x0 | y = x0 + sigma n] for y (batch, *shape); see `denoised`."""

    def sample(self, n: int, seed: int) -> Floats:
        """n independent x0, float64 (n, *shape); sample(m, seed) is the start of sample(n, seed) if m < n."""


def denoised(
    kernel: Callable[[Array, Array], Array],
    y: Array,
    sigma: Array | float | Levels,
    shape: tuple[int, ...],
    tile: int | None = None,
    law: Any = None,
) -> Array:
    """kernel(rows, level) on the flattened batch, in the type, dtype and device of y.

    kernel  maps rows (n, d) and level (1, 1) or (n, 1) > 0, both of the working dtype, to means (n, d)
    y       (batch, *shape), numpy array or torch tensor of a floating dtype; float16 is worked in float32
    sigma   number >= 0, or array or tensor of shape () or (batch,); where it is 0 the result is y. Or `Levels`, of
            noise that differs by direction
    tile    largest number of rows given to the kernel at once; None for all
    law     whose the kernel is; at `Levels` that of `law.along(basis)`, its `posterior_mean`, at level (1, d)
    errors  InputError for another shape or dtype, and for a sigma that is negative or not finite (a sigma on
            a device is not read back and is trusted); NaN in y stays NaN in its row
    """
    xp = library(y)
    if xp is None:
        raise InputError(f"y is {typed(y)}; give a numpy array or a torch tensor.")
    if not is_floating(y):
        raise InputError(f"y has dtype {y.dtype}; give a real floating dtype.")
    if y.ndim == 0 or tuple(y.shape[1:]) != shape:
        expected = ", ".join(["batch", *map(str, shape)])
        raise InputError(f"y has shape {tuple(y.shape)}, but the law needs ({expected}).")
    batch = y.shape[0]
    rows = cast(y.reshape(batch, math.prod(shape)), xp.promote_types(y.dtype, xp.float32))
    if isinstance(sigma, Levels):
        directions, own = along(law, sigma.directions)
        (basis,) = placed(own, rows, lambda move: (move(directions.basis),), "basis")
        level = alike(sigma.values[directions.groups], rows)[None, :]
        means = _worked(own.posterior_mean, rows @ basis, level, tile) @ basis.T
    else:
        means = _worked(kernel, rows, _column(sigma, rows), tile)
    return cast(means, y.dtype).reshape(y.shape)


def _worked(kernel: Callable[[Array, Array], Array], rows: Array, level: Array, tile: int | None) -> Array:
    """kernel(rows, level) tile by tile, and the rows themselves where the level is 0."""
    xp, batch = library(rows), len(rows)
    positive = level > 0
    safe = xp.where(positive, level, 1.0)
    step = tile or max(batch, 1)
    parts = [
        kernel(rows[i : i + step], safe if len(safe) == 1 else safe[i : i + step])
        for i in range(0, max(batch, 1), step)
    ]
    means = parts[0] if len(parts) == 1 else xp.concatenate(parts)
    return xp.where(positive, means, rows)


def along(law: Any, directions: Directions) -> tuple[Directions, Any]:
    """The directions over whole samples of a law, and the law of the coordinates in their basis, made once.

    raises   InputError for a law that does not say its law in other coordinates, and for one whose covariances are not
             diagonal in them
    """
    store = _ALONG.setdefault(law, {})
    if directions not in store:
        if not callable(getattr(law, "along", None)):
            raise InputError(
                f"law {law.name} has no denoiser for noise that differs by direction, as of {directions.digest}; give "
                "a Gaussian, a mixture or a data set."
            )
        own = directions.over(law.shape)
        store[directions] = own, law.along(own.basis)
    return store[directions]


def variances_along(law: Any, covariance: Floats, basis: Floats) -> Floats:
    """The variances (d,) of a covariance (d, d) of a law along the columns of a basis.

    raises   InputError where it is not diagonal there
    """
    turned = basis.T @ covariance @ basis
    variances = np.maximum(turned.diagonal(), 0.0)
    if np.abs(turned - np.diag(turned.diagonal())).max() > ALIKE * variances.max():
        raise InputError(
            f"law {law.name} is not diagonal in the directions whose noise differs, so it has no denoiser in closed "
            "form there; give natural(...), an isotropic law or a data set."
        )
    return variances


def placed(law: Law, rows: Array, build: Callable[[Callable[[Any], Array]], tuple[Any, ...]], what: str = "") -> Any:
    """build(move), made once per law, library, dtype and device; move takes a host array to where rows is.

    what    of the law is built, where it is not all that its denoiser needs
    Kept outside the law, which so stays frozen and pickles small, and dropped with it.
    """
    xp = library(rows)
    key = (xp.__name__, rows.dtype, str(rows.device) + what)
    store = _PLACED.setdefault(law, {})
    if key not in store:
        if xp is np:
            store[key] = build(lambda array: np.asarray(array, dtype=rows.dtype))
        else:
            with xp.inference_mode(False):  # else constants first used in inference mode could never see autograd
                store[key] = build(lambda array: xp.tensor(array, dtype=rows.dtype, device=rows.device))
    return store[key]


def streams(n: int, seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    """Generators of choices and of normals for n samples: two, so that neither shifts when n changes."""
    whole("n", n)
    choices, normals = np.random.Generator(np.random.Philox(whole("seed", seed, 0))).spawn(2)
    return choices, normals


def freeze(law: object, **fields: Any) -> None:
    """Set the fields of a frozen law while it is made."""
    for name, value in fields.items():
        object.__setattr__(law, name, value)


def alike(values: Floats, like: Array) -> Array:
    """An array of the host in the library and dtype, and on the device, of another."""
    xp = library(like)
    return values.astype(like.dtype) if xp is np else xp.tensor(values, dtype=like.dtype, device=like.device)


def _column(sigma: Array | float, rows: Array) -> Array:
    """sigma as (1, 1) or (batch, 1) beside rows."""
    xp = library(rows)
    if isinstance(sigma, int | float):
        column = xp.full((), sigma, dtype=rows.dtype, device=rows.device)
        sound = 0 <= sigma < math.inf
    elif xp is not np and library(sigma) is xp:
        column = sigma.to(rows)
        sound = sigma.device.type != "cpu" or bool(((sigma >= 0) & (sigma < math.inf)).all())
    else:
        host = np.asarray(sigma)
        column = alike(host, rows)
        sound = bool(((host >= 0) & (host < math.inf)).all())
    if column.shape not in ((), (len(rows),)):
        raise InputError(
            f"sigma has shape {tuple(column.shape)}; give a number, or one for each of the {len(rows)} rows."
        )
    if not sound:
        raise InputError(f"sigma = {sigma} is not finite and >= 0; give standard deviations of the noise.")
    return column.reshape(-1, 1)
