"""The arrays of a run: their public layout, where samples begin, and which noise each one sees.

Public arrays are (batch, *event), or (batch, k, *event) where a process has k > 1 state blocks; the loop works on
lists of k blocks (batch, *event). Numpy arrays and torch tensors are treated alike; torch is loaded only if asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, Floats, dtype_of, is_floating, library, lower_factor, split
from numtoolkit.errors import InputError, brief, counted, typed
from numtoolkit.problem.processes import Process
from numtoolkit.program.walk import Blocks, Normals, plain
from numtoolkit.sampling import noise
from numtoolkit.sampling.noise import Keys


def finite_rows(array: Array) -> Array:
    """(batch,) booleans, on the array's device: whether every number of a sample is finite."""
    return library(array).isfinite(array).reshape(len(array), -1).all(1)


@dataclass(frozen=True, eq=False)
class SeededNormals:
    """Standard normal blocks of a batch, a function of its seeds and of (step, slot): plain data, which may be pickled.

    keys   of the samples; shape, (k, *event) of one sample; like, an array of the library, dtype and device
    compiled   whether torch compiles them
    """

    keys: Keys
    shape: tuple[int, ...]
    like: Array
    compiled: bool = False

    def __call__(self, step: int, slot: int) -> Blocks:
        return self.drawn(noise.STEP + slot, step)

    def drawn(self, purpose: int, step: int) -> Blocks:
        """The blocks of one of the purposes of `numtoolkit.sampling.noise`."""
        xi = noise.normals(self.keys, purpose, step, self.shape, self.like, self.compiled)
        return [xi[:, j] for j in range(self.shape[0])]


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the samples of a run begin and which noise each of them sees.

    seeds   one integer a sample; None when `start` is given and nothing is drawn
    start   public layout; None when it is drawn
    like    an empty array of the library, dtype and device of the run
    event   shape of one state block of one sample
    factor  (k, k), lower triangular: drawn samples start as factor times standard normals
    mean    None; or (k,), and `start` is data x_0, (batch, *event): samples start as mean x_0 plus what is drawn
    """

    seeds: tuple[int, ...] | None
    start: Array | None
    like: Array
    event: tuple[int, ...]
    factor: Floats
    mean: Floats | None = None

    def __repr__(self) -> str:
        return f"<Origin of {counted(len(self), 'sample')} of shape {self.event}>"

    def __len__(self) -> int:
        return len(self.start) if self.seeds is None else len(self.seeds)  # type: ignore[arg-type]

    def blocks(self, rows: Sequence[int], draw: int = 0) -> Blocks:
        """The start blocks of the samples `rows`, a copy of what was given, or noise number `draw` of their seeds."""
        own = None if self.start is None else self.start[rows]
        if own is not None and self.mean is None:
            return split(own, len(self.factor))
        drawn = coloured(self.factor, self._normals(rows).drawn(noise.START, draw))
        return drawn if own is None or self.mean is None else moved(self.mean, own, drawn)

    def noise(self, rows: Sequence[int], compiled: bool = False) -> Normals | None:
        """The noise of the samples `rows`: a function of (step, slot), which may be pickled, or None without seeds.

        compiled   whether torch compiles it
        """
        return None if self.seeds is None else self._normals(rows, compiled)

    def _normals(self, rows: Sequence[int], compiled: bool = False) -> SeededNormals:
        seeds = self.seeds or ()
        keys = noise.keys([seeds[i] for i in rows], self.like)
        return SeededNormals(keys, (len(self.factor), *self.event), self.like, compiled)


def origin(
    process: Process,
    first: float,
    seeds: Any,
    start: Any,
    shape: Any,
    dtype: Any,
    device: Any,
    needed: Any = None,
    noised: bool = False,
) -> Origin:
    """The checked origin of a run of a process that starts at the process time `first`.

    seeds, start, shape, dtype, device   as for `numtoolkit.sample`, whose run it is
    noised   `start` holds data, of which the run starts at samples of z_t | x_0, t = first
    needed   event shape the network is made for, or None; also the event shape when nothing else gives one
    raises   InputError for anything that is missing, given twice, or of a wrong shape, dtype or device
    """
    factor, mean = start_factor(process, first), None
    own = None if seeds is None else seeds_of(seeds)
    if start is None:
        if own is None:
            raise InputError("a run needs seeds to draw its start from or a start; give seeds=range(n) or start=array.")
        event = _event(needed if shape is None else shape)
        found = Origin(own, None, _empty(dtype, device), event, factor)
    else:
        given = [n for n, v in (("shape", shape), ("dtype", dtype), ("device", device)) if v is not None]
        if given:
            raise InputError(f"start already fixes {given[0]}; convert start or drop {given[0]}=.")
        array = _start(start, process, 1 if noised else process.blocks)
        if noised:
            if own is None:
                raise InputError("noise is added to a start by seeds; give one integer for each of its samples.")
            mean, factor = kernel_factor(process, first)
        if own is not None and len(own) != len(array):
            raise InputError(
                f"start holds {len(array)} samples but there are {len(own)} seeds; give one seed a sample."
            )
        event = tuple(array.shape[1 + (process.blocks > 1 and not noised) :])
        found = Origin(own, array, array[:0], event, factor, mean)
    if needed is not None and found.event != tuple(needed):
        raise InputError(f"samples have shape {found.event} but the network takes {tuple(needed)}; make them agree.")
    return found


def start_factor(process: Process, first: float) -> Floats:
    """(k, k), lower triangular: a run from time `first` starts as this factor times standard normals."""
    covariance = process.prior() if first >= process.T * (1 - 1e-12) else process.noise(first)
    return lower_factor(covariance[None])[0]


def kernel_factor(process: Process, t: float) -> tuple[Floats, Floats]:
    """(e (k,), L (k, k) lower triangular) with z_t | x_0 = e x_0 + L n, n normal, at the time t of a process."""
    e, sigma = process.kernel(np.array([t]))
    return e[0], lower_factor(sigma)[0]


def moved(mean: Floats, x0: Array, blocks: Blocks) -> Blocks:
    """mean_i x0 + block i, for the state blocks (batch, *event) of which there are as many as entries of mean (k,)."""
    return [plain([(m, x0), (1.0, block)]) if m else block for m, block in zip(mean.tolist(), blocks, strict=True)]


def coloured(factor: Floats, normals: Sequence[Array]) -> Blocks:
    """Blocks of noise with the covariance of a factor (k, k), from as many blocks of standard normals."""
    rows = [[(c, normals[j]) for j, c in enumerate(row) if c] for row in factor.tolist()]
    return [plain(terms or [(0.0, normals[0])]) for terms in rows]


def seeds_of(seeds: Any) -> tuple[int, ...]:
    """The seeds of a list or range; InputError for none, for what is no seed, and for a set, which has no order."""
    if isinstance(seeds, (Set, Mapping)):
        raise InputError(
            f"seeds = {brief(repr(seeds))} has no order, but sample i is that of seed i; give a list, sorted(seeds)."
        )
    if isinstance(seeds, (str, bytes)) or not isinstance(seeds, Iterable):
        raise InputError(f"seeds = {seeds!r} is not a list of integers; give one seed a sample, such as range(16).")
    listed = list(seeds)
    if not listed:
        raise InputError("seeds is empty; give one seed a sample, such as range(16).")
    noise.words(listed, noise.START, 0, 0)  # refuses what is no seed
    return tuple(map(int, listed))


def _event(shape: Any) -> tuple[int, ...]:
    axes = (shape,) if isinstance(shape, Integral) else shape
    if axes is None:
        raise InputError("the shape of a sample is unknown; give shape=, such as (3, 32, 32), without the batch.")
    if not isinstance(axes, (tuple, list)) or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and int(n) > 0 for n in axes
    ):
        raise InputError(f"shape = {shape!r} is not the shape of a sample; give positive whole numbers, (3, 32, 32).")
    return tuple(map(int, axes))


def _start(start: Any, process: Process, k: int) -> Array:
    """The given start, checked: (batch, *event), or (batch, k, *event) of k blocks."""
    if library(start) is None:
        raise InputError(f"start is {typed(start)}; give a torch tensor or a numpy array.")
    if not is_floating(start):
        raise InputError(f"start has dtype {start.dtype}; convert it to a real floating dtype, such as float32.")
    shape = tuple(start.shape)
    if k > 1 and (len(shape) < 2 or shape[1] != k):
        parts = ", ".join(process.rows)
        raise InputError(
            f"start has shape {shape}, but process {process.name} needs (batch, {k}, ...): {parts} on axis 1."
        )
    if not shape or math.prod(shape) == 0:
        raise InputError(f"start has shape {shape}, which holds no sample; give (batch, ...) with at least one.")
    return start


def _empty(dtype: Any, device: Any) -> Array:
    """An empty array of the dtype and on the device; by default a float32 torch tensor on the CPU.

    A name is that of a dtype of torch, and with "numpy." before it of numpy.
    """
    own = _named(dtype) if isinstance(dtype, str) else dtype
    if own is None or type(own).__module__ == "torch":
        like = _empty_tensor(own, device)
    elif device is not None:
        raise InputError(f"dtype = {dtype!r} with device = {device!r} is no run in torch; give a torch dtype.")
    else:
        try:
            like = np.empty(0, dtype=own)
        except TypeError:
            raise InputError(f"dtype = {dtype!r} is unknown; give a dtype of torch or numpy.") from None
    if not is_floating(like):
        raise InputError(f"samples cannot have dtype {like.dtype}; give a real floating dtype, such as float32.")
    return like


def _named(name: str) -> Any:
    home, _, own = name.rpartition(".")
    xp = {"numpy": lambda: np, "": _torch, "torch": _torch}.get(home, lambda: None)()
    try:
        return xp.empty(0, dtype=dtype_of(own, xp)).dtype
    except (AttributeError, TypeError):
        raise InputError(
            f"dtype = {name!r} is unknown; give the name of a dtype of torch, float32, or of numpy, numpy.float64."
        ) from None


def _torch() -> Any:
    try:
        import torch
    except ModuleNotFoundError:
        raise InputError(
            "sampling in torch needs torch; pip install 'numtoolkit[torch]', or run in numpy with dtype=numpy.float64."
        ) from None
    return torch


def _empty_tensor(dtype: Any, device: Any) -> Array:
    torch = _torch()
    try:
        return torch.empty(0, dtype=dtype or torch.float32, device="cpu" if device is None else device)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:  # of no device, or none here
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"samples cannot be on device {device!r}: {reason}; give a device that torch has here."
        ) from None
