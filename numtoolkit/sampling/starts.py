"""Where runs start, as calls: the start noise of seeds, and data with the noise of a time added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from numtoolkit.arrays import Array, join
from numtoolkit.errors import InputError, whole
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.sampling.state import origin


def start_noise(
    process: str | Process,
    seeds: Iterable[int],
    shape: int | Sequence[int],
    t: float | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    """The start that `numtoolkit.sample` draws for these seeds, bit for bit, in public layout.

    process   by name or as an object
    seeds     one integer a sample
    shape     of one sample, without the batch
    t         the process time at which the run begins: by default T, where it is drawn from the prior; below T from
              N(0, Sigma_t)
    dtype, device   as of `sample`: torch.float32 on "cpu" by default, in numpy for a numpy dtype
    returns   (len(seeds), *shape), or (len(seeds), 2, *shape) in phase space
    raises    InputError for what `sample` refuses, and for a time outside [0, T]
    cost      10 to 60 ns a number on one core
    """
    own = process_of(process)
    begin = origin(own, own.T if t is None else _time(own, t), seeds, None, shape, dtype, device)
    return join(begin.blocks(range(len(begin))))


def add_noise(process: str | Process, x0: Array, t: float, seeds: Iterable[int], *, draw: int = 0) -> Array:
    """A sample of z_t | x_0 of the process's kernel: e_t x0 + L_t n, L_t L_t' = Sigma_t, n that of the seeds.

    With draw=0 it is what `sample(..., start=x0, strength=...)` starts from, bit for bit.
    process   by name or as an object
    x0        data (batch, *event): numpy or torch, floating, of any device; kept unchanged
    t         the process time, from 0 to T
    seeds     one integer a sample
    draw      which noise of the seeds: another whole number is another noise, and none of them is one that a run draws
              in its steps, so that the known part of an image may be noised anew after each of them
    returns   (batch, *event), or (batch, 2, *event) in phase space, of the dtype and device of x0
    raises    InputError for what `sample` refuses, and for a time outside [0, T]
    """
    own = process_of(process)
    begin = origin(own, _time(own, t), seeds, x0, None, None, None, noised=True)
    return join(begin.blocks(range(len(begin)), whole("draw", draw, 0, 2**32 - 1)))


def _time(process: Process, t: Any) -> float:
    try:
        own = float(t)
    except (TypeError, ValueError):
        own = float("nan")
    if not 0 <= own <= process.T * (1 + 1e-12):
        raise InputError(f"t = {t!r} is no time of process {process.name}; give one number from 0 to {process.T:g}.")
    return own
