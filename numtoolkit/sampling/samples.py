"""What a run returns and what it is made of: samples, where they go, what is written down of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from numtoolkit import references
from numtoolkit.arrays import Array, host, library
from numtoolkit.errors import InputError, brief, choice, counted, typed
from numtoolkit.files.versions import versions
from numtoolkit.problem.predictions import Prediction, prediction
from numtoolkit.problem.processes import Process
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import Program
from numtoolkit.program.walk import NetworkCall, Update, plain
from numtoolkit.sampling.adaptive import AdaptiveGrid
from numtoolkit.sampling.compiled import Compilation, compilation_of, compiled
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.state import Origin
from numtoolkit.sampling.watching import Trajectory
from numtoolkit.schemes import scheme as scheme_of

ABOUT = ("digest", "source", "nfe_pilot")  # of a spectrum, in what a run says of itself
UPDATES: dict[str, Update] = {"plain": plain, "fused": fused, "compiled": compiled}


class NetworkLike(Protocol):
    """What a run needs of a network: `numtoolkit.Network` provides it."""

    @property
    def predicts(self) -> str | Prediction:
        """A prediction of `numtoolkit.problem.predictions`."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The event shape it takes, if it is known."""

    @property
    def name(self) -> str:
        """For provenance and messages."""

    def on(self, process: Process) -> NetworkCall:
        """The network as the loop calls it; one that takes conditions has them as a second argument, `conditions`."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What a run returns.

    samples     (batch, *event), or (batch, 2, *event) on PSLD unless denoised; numpy or torch as the run was
    finite      (batch,) booleans beside it: which samples are finite throughout
    nfe         network evaluations of a whole run, the denoising one included
    steps       steps of the grid
    done        (batch,) whole numbers: the steps behind each sample, the denoising one included; all of them unless a
                callback ended the run of its tile, and then sample i is at `program.times[done[i]]`
    trajectory  its states at every time, where they were asked for; else None
    program     what was run, coefficient by coefficient
    provenance  everything else that decides the numbers, ready for JSON
    adaptive    None; or the grids that were found: that of the pilot run, or one a sample, of which nfe, steps and
                program are then those with the most steps
    """

    samples: Array
    finite: Array
    nfe: int
    steps: int
    done: NDArray[np.int64]
    trajectory: Trajectory | None
    program: Program
    provenance: dict[str, Any]
    adaptive: tuple[AdaptiveGrid, ...] | None = None

    def __repr__(self) -> str:
        lost = int((~self.finite).sum())
        shape = getattr(self.samples, "shape", None)  # which a store of one's own need not know
        what = f"{len(self.finite)} in {typed(self.samples)}" if shape is None else f"{tuple(shape)}"
        size = f"{what}, {counted(self.nfe, 'evaluation')} in {counted(self.steps, 'step')}"
        return f"<Samples of {brief(self.program.scheme, 100)}: {size}, {lost or 'none'} lost>"


def provenance(
    scheme: Any,
    network: Any,
    own: NetworkLike,
    begin: Origin,
    program: Program,
    said: dict[str, Any],
    spectrum: Spectrum | None = None,
) -> dict[str, Any]:
    """What decides the numbers of a run, ready for JSON.

    scheme, network   as they were given
    own               the network that was called
    begin, program    where it began, and what was run
    said              all else, of how it was to go and went: "strength" among it
    spectrum          that its grid was told, None for that of its program
    """
    weights, told = getattr(own, "weights", None), spectrum or program.spectrum
    return {
        "scheme": program.scheme,
        "process": program.process.spec,
        "network": own.name,
        **({} if weights is None else {"weights": weights}),
        "predicts": prediction(own.predicts).name,
        **({} if program.projects is None else {"projects": program.projects}),
        **({} if told is None else {"spectrum": {name: getattr(told, name) for name in ABOUT}}),
        "output": [*own.about(program)] if hasattr(own, "about") else [],
        "seeds": None if begin.seeds is None else list(begin.seeds),
        "start": "drawn" if begin.start is None else "given" if said["strength"] is None else "noised",
        "shape": list(begin.event),
        "dtype": str(begin.like.dtype),
        "device": str(begin.like.device),
        **said,
        "versions": versions(("numpy",) if library(begin.like) is np else ("numpy", "torch")),
        **references.records(_taken(scheme, program.process, own, network)),
    }


def _taken(scheme: Any, process: Process, network: NetworkLike, given: Any) -> list[references.Reference]:
    """What of a run was taken by reference; the law of an exact network is known by the reference that was given."""
    declared = scheme if isinstance(scheme, Program) else scheme_of(scheme)
    origins = [*map(references.origin_of, (declared, process, network)), *references.origins_in([given])]
    return [own for i, own in enumerate(origins) if own is not None and own not in origins[:i]]


def check_update(update: str, begin: Origin) -> None:
    """raises InputError for an update that there is not, or not for the arrays of a run"""
    choice("update", update, UPDATES)
    if update != "plain" and library(begin.like) is np:
        raise InputError(f"update {update!r} works on torch tensors; use 'plain' for numpy arrays.")


def update_of(update: str, begin: Origin, size: int, draws: bool) -> tuple[Update, Compilation]:
    """The update that a run takes throughout, and what of it is compiled.

    update, begin   as checked; size, of its tiles; draws, whether it draws noise
    """
    if update != "compiled":
        return UPDATES[update], Compilation(False, False, update)
    path = compilation_of(size * math.prod(begin.event), draws, begin.like.device)
    return UPDATES["compiled" if path.rows else "fused"], path


def fitting(into: Any, begin: Origin, denoise: bool) -> Any:
    """What samples are to be put into, or None.

    into, denoise   as of `sample`, begin where its samples begin
    raises          InputError where its shape, dtype or library cannot be theirs
    """
    blocks = () if denoise or len(begin.factor) == 1 else (len(begin.factor),)
    shape, dtype = (len(begin), *blocks, *begin.event), str(begin.like.dtype).removeprefix("torch.")
    if into is None:
        return None
    if type(into) is dict or not callable(getattr(into, "__setitem__", None)):
        raise InputError(f"into is {typed(into)}, which stores no samples; give an array of shape {shape}.")
    if isinstance(into, list) and len(into) not in (0, len(begin)):
        raise InputError(f"into is a list of {len(into)} for {counted(len(begin), 'sample')}; give an empty one.")
    its = tuple(getattr(into, "shape", shape)), str(getattr(into, "dtype", dtype)).removeprefix("torch.")
    if its != (shape, dtype):
        raise InputError(f"into has shape {its[0]} and dtype {its[1]}; give {shape} of {dtype}.")
    if library(into) not in (None, np, library(begin.like)):
        raise InputError("into is a torch tensor, but the run is in numpy; give a numpy array or start a run in torch.")
    return into


def kept(samples: Any, own: slice, tile: Array, n: int) -> Any:
    """What holds the `n` samples, made with the first tile where there is nothing yet, with this tile in its place.

    samples   that, None before the first tile
    own       the place of the `tile`
    """
    if samples is None and len(tile) == n:
        return tile
    if samples is None:
        samples = library(tile).empty((n, *tile.shape[1:]), dtype=tile.dtype, device=tile.device)
    samples[own] = tile if library(samples) is library(tile) else host("samples", tile)
    return samples


def joined(tiles: Sequence[Array], axis: int) -> Array:
    """Arrays of all tiles as one, which lie one after the other on the axis of the batch."""
    return tiles[0] if len(tiles) == 1 else library(tiles[0]).concatenate(tiles, axis)


def bar_of(total: int, of: str, unit: str, progress: bool | None) -> Any:
    """A bar on stderr that is updated `total` times, once a `unit`, titled `of`; `progress` as of `sample`."""
    from tqdm import tqdm

    # None: tqdm hides itself where stderr is no terminal; it is no stream at all where it was closed.
    hidden = sys.stderr is None or (None if progress is None else not progress)
    return tqdm(total=total, desc=of, unit=unit, disable=hidden)
