"""A network of one's own as error curves see it: its probability flow, followed once and kept, and runs on it.

The flow is integrated by Dormand-Prince 8(5,3) with its state in float64 on the host; the network computes in its own
dtype, on its own device. Tiles of samples are kept in the user's cache folder as they come, so that a run that was
killed goes on where it was. What decides the numbers decides the name of an entry: what the network answers on fixed
probes, what the process is at fixed times, the ends, the seeds of the tile, the tolerance and the dtypes.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Array, Floats, cast, dtype_of, host, library, quiet
from numtoolkit.errors import InputError, real, whole
from numtoolkit.files.storage import json_text
from numtoolkit.files.user_cache import kept_arrays
from numtoolkit.measure.distances import Moments, frechet, relative_rms, sliced_squares
from numtoolkit.measure.exact_networks import Ends, Seeds, Target
from numtoolkit.measure.flows import network_flow
from numtoolkit.models.calls import call_of, parameter_of
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.predictions import DATA, convert, outputs, prediction
from numtoolkit.problem.processes import Process
from numtoolkit.program.program import Program
from numtoolkit.program.walk import Blocks, NetworkCall
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.state import Origin, origin

TOLERANCE = 1e-8  # of the flow of a network that computes in float64
ROUNDINGS = 16  # units of rounding of another, its tolerance: below, an integrator follows the rounding
COARSEST = 3e-3  # tolerance that is asked of any network: what 16 bits round averages out over the steps
TIGHTER, CHECKED = 10, 8  # by how much, and on how many samples, a second run says how well the flow is known
TILE = 64  # samples that the network sees at once
MOST = 20_000  # evaluations of one tile
PROBES, PROBE_SEEDS = 3, (0, 1)  # times and starts at which a network is asked who it is
KEPT = 256  # tiles that are remembered without the folder
FORMAT = 1  # of entries, raised when what is kept under one key changes

_REMEMBERED: dict[str, tuple[Blocks, int]] = {}


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A network on a process, and in which numbers it runs.

    network    what has `on`, `predicts`, `name` and `shape`, such as a `numtoolkit.Network`
    like       an empty array of the library, dtype and device of the state of runs
    event      shape of one block of one sample
    inner      dtype that the network is given
    tolerance  relative, of its flow
    tile       samples at once
    conditions  one a sample of the seeds that it is asked of, or of the first of these, and then of the reference; None
                for none
    reference   seeds of the samples that stand for its law; none for those that it is asked of
    """

    network: Any
    process: Process
    like: Array = field(repr=False)
    event: tuple[int, ...]
    inner: Any
    tolerance: float
    tile: int
    conditions: Conditions | None = field(default=None, repr=False)
    reference: Seeds = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """That of the network."""
        return str(self.network.name)

    def call(self, rows: Sequence[int], both: bool = False) -> NetworkCall:
        """The network as the loop calls it, in its own dtype; state and answer in that of the state.

        rows   the samples of the batch, whose conditions it is told
        both   for its guided and its unguided prediction
        """
        own = call_of(self.network, self.process, self._told(rows), both)

        def answer(blocks: Blocks, t: float) -> Blocks:
            out = own([cast(block, self.inner) for block in blocks], t)
            return [cast(block, self.like.dtype) for block in out]

        return answer

    def check(self, program: Program) -> None:
        """Refuse, by an InputError, a program that takes what the network does not tell."""
        self.call((0,), program.both)

    def run(self, program: Program, seeds: Seeds) -> Floats:
        """The data part of the final states of a run, (len(seeds), *event) on the host, from `start`."""
        first, parts = program.steps[0].start, []
        for rows in _tiles(len(seeds), self.tile):
            own = seeds[rows.start : rows.stop]
            begin, call = self._origin(first, own), self.call(rows, program.both)
            from_prior = self._from_prior(first)
            start = begin.blocks(range(len(own))) if from_prior else self._placed(self._start(first, own, rows))
            with quiet(self.like):
                parts.append(host("samples", run(program, call, start, begin.noise(range(len(own))))[0]))
        return np.concatenate(parts).astype(np.float64)

    def start(self, t: float, seeds: Seeds) -> Blocks:
        """Where runs begin, float64 on the host: noise at T, below it where the network's flow takes that by time t."""
        return self._start(t, seeds, range(len(seeds)))

    def _start(self, t: float, seeds: Seeds, rows: range) -> Blocks:
        if self._from_prior(t):
            drawn = self._origin(t, seeds).blocks(range(len(seeds)))
            return [host("a start", block).astype(np.float64) for block in drawn]
        return self._flow(self.process.T, t, seeds, self.tolerance, rows.start)[0]

    def ends(self, t0: float, t1: float, seeds: Seeds) -> Ends:
        """Where the flow takes the starts of the seeds at time t0 by time t1, and how well that is known.

        At noise level 0, where the network is not asked, it ends with the data prediction at t_min.
        cost   evaluations of the flow of every tile, and of a second one of CHECKED samples, unless they are kept
        """
        blocks, evaluations = self._flow(t0, t1, seeds, self.tolerance)
        few = seeds[:CHECKED]
        closer, _ = self._flow(t0, t1, few, self.tolerance / TIGHTER)
        return Ends(blocks[0], evaluations, relative_rms(blocks[0][: len(few)], closer[0]).rms)

    def target(self, t0: float, t1: float, seeds: Seeds) -> Target:
        """The ends at t1 of the flow from starts at t0, as samples of a law: of the reference, else of the seeds.

        The floor is the distance of the ends of the seeds from those of the reference; without one it is told by halves
        of the ends, as distances of two sets fall with the number of samples as its root, and their squares as itself.
        """
        return _target(self, t0, t1, seeds)

    def _flow(self, t0: float, t1: float, seeds: Seeds, tolerance: float, first: int = 0) -> tuple[Blocks, int]:
        """(blocks at t1, evaluations a sample) from the starts at t0, tile by tile; `first` is the first sample."""
        from tqdm import tqdm

        tiles = list(_tiles(len(seeds), self.tile))
        bar = tqdm(tiles, f"flow of {self.name}", disable=True if sys.stderr is None else None, leave=False)
        parts = [
            self._tile(t0, t1, seeds[own.start : own.stop], tolerance, range(first + own.start, first + own.stop))
            for own in bar
        ]
        blocks = [np.concatenate(own) for own in zip(*(blocks for blocks, _ in parts), strict=True)]
        spent = sum(count * len(own) for own, (_, count) in zip(tiles, parts, strict=True))
        return blocks, round(spent / len(seeds))

    def _tile(self, t0: float, t1: float, seeds: Seeds, tolerance: float, rows: range) -> tuple[Blocks, int]:
        told = self._told(rows)
        about = {} if told is None else {"conditions": told.about()}
        asked = {"t0": t0, "t1": t1, "seeds": list(seeds), "tolerance": tolerance}
        key = json_text({**self._identity, **asked, **about})
        if key not in _REMEMBERED:

            def computed() -> dict[str, Any]:
                blocks, evaluations = self._followed(t0, t1, self._start(t0, seeds, rows), tolerance, rows)
                return {"ends": np.stack(blocks), "evaluations": np.array(evaluations)}

            kept = kept_arrays("flows", key, computed)
            while len(_REMEMBERED) >= KEPT:
                del _REMEMBERED[next(iter(_REMEMBERED))]
            _REMEMBERED[key] = list(kept["ends"]), int(kept["evaluations"])
        return _REMEMBERED[key]

    def _told(self, rows: Sequence[int]) -> Conditions | None:
        return None if self.conditions is None else self.conditions.rows(rows)

    def _labels(self, rows: range) -> NDArray[np.int64] | None:
        found = None if self.conditions is None else self.conditions.labels()
        return None if found is None else found[rows.start : rows.stop]

    def data(self, blocks: Blocks, t: float) -> Floats:
        """Its data prediction at states of the host, (n, *event), at a time where it is asked."""
        with quiet(self.like):
            out = self.call(range(len(blocks[0])))(self._placed(blocks), t)
        answer = [host("an answer", block).astype(np.float64) for block in out]
        return self._as_data(blocks, answer, t)

    def _as_data(self, blocks: Blocks, answer: Blocks, t: float) -> Floats:
        P, Q = (block[0, 0] for block in convert(prediction(self.network.predicts), DATA, self.process, np.array([t])))
        found: Floats = np.tensordot(P, np.stack(blocks), 1) + np.tensordot(Q, np.stack(answer), 1)
        return found

    def _followed(self, t0: float, t1: float, start: Blocks, tolerance: float, rows: range) -> tuple[Blocks, int]:
        spent, own = 0, self.call(rows)

        def call(blocks: Blocks, t: float) -> Blocks:
            nonlocal spent
            spent += 1
            if spent > MOST:
                raise InputError(
                    f"the flow of network {self.name} takes more than {MOST} evaluations at tolerance {tolerance:g} "
                    f"and is at t = {t:.3g}: its answers are rougher than that; give a larger tolerance."
                )
            with quiet(self.like):
                return [host("an answer", out).astype(np.float64) for out in own(self._placed(blocks), t)]

        predicts, last = prediction(self.network.predicts), t1 if t1 > 0 else min(self.process.t_min, t0)
        blocks = list(start) if last == t0 else network_flow(self.process, call, predicts, start, t0, last, tolerance)
        if t1 == 0:
            blocks = [self._as_data(blocks, call(blocks, last), last)]
        return blocks, spent

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What tells this network on this process from every other."""
        times = np.geomspace(self.process.T, self.process.t_min, PROBES)
        answers = hashlib.sha256()
        for t in times.tolist():
            first, second = (self._probed(t) for _ in range(2))
            apart, size = (np.sqrt(np.mean(x**2)) for x in (first - second, first))
            if apart > self.tolerance * size:
                raise InputError(
                    f"network {self.name} gives two answers to one question at t = {t:.3g}, so it has no flow; take "
                    "the chance out of it, as model.eval() does."
                )
            answers.update(first.tobytes())
        about = hashlib.sha256()
        for part in (*self.process.kernel(times), self.process.drift(times), self.process.diffusion(times)):
            about.update(part.tobytes())
        return {
            "format": FORMAT,
            "network": self.name,
            "predicts": prediction(self.network.predicts).name,
            "answers": answers.hexdigest(),
            "process": f"{self.process.spec} {about.hexdigest()}",
            "shape": list(self.event),
            "dtypes": [str(self.like.dtype), str(self.inner)],
        }

    def _probed(self, t: float) -> Floats:
        begin = self._origin(t, PROBE_SEEDS)
        rows = [0] * len(PROBE_SEEDS) if self.conditions is None else [0, len(self.conditions) - 1]
        with quiet(self.like):
            out = self.call(rows)(begin.blocks(range(len(begin))), t)
        return np.stack([host("an answer", block).astype(np.float64) for block in out])

    def _origin(self, t: float, seeds: Seeds) -> Origin:
        device = None if library(self.like) is np else self.like.device
        return origin(self.process, t, seeds, None, self.event, self.like.dtype, device)

    def _placed(self, blocks: Sequence[Floats]) -> Blocks:
        """Blocks of the host where the state of runs is."""
        xp, like = library(self.like), self.like
        if xp is np:
            return [block.astype(like.dtype) for block in blocks]
        return [xp.as_tensor(block, dtype=like.dtype, device=like.device) for block in blocks]

    def _from_prior(self, t: float) -> bool:
        return t >= self.process.T


@lru_cache(maxsize=4)  # of all budgets of a curve
def _target(own: OwnNetwork, t0: float, t1: float, seeds: Seeds) -> Target:
    ends, n = own._flow(t0, t1, seeds, own.tolerance)[0][0], len(seeds)
    if own.reference:
        samples = own._flow(t0, t1, own.reference, own.tolerance, n)[0][0]
        labels = own._labels(range(n)), own._labels(range(n, n + len(samples)))
        one, other, larger, halves = ends, samples, 1, labels
    else:
        samples, larger, labels = ends, 2, (own._labels(range(n)),) * 2
        one, other = np.array_split(ends, 2)
        halves = own._labels(range(len(one))), own._labels(range(len(one), n))
    squares, d = sliced_squares(one, other, labels=halves), samples[0].size
    floor = squares.root.value / math.sqrt(larger)
    target = Target(samples, floor, exact=squares if own.reference else None, labels=labels)
    if len(samples) <= d:
        return target
    every, first, second = (Moments.of(part) for part in (samples, one, other))
    enough = min(len(one), len(other)) > d
    between = frechet(first.mean, first.covariance(), second.mean, second.covariance()) / larger if enough else None
    return replace(target, mean=every.mean, covariance=every.covariance(), frechet_floor=between)


def own_network(
    network: Any,
    process: Process,
    shape: Any = None,
    dtype: Any = None,
    device: Any = None,
    tolerance: float | None = None,
    tile: int | None = None,
    conditions: Conditions | None = None,
    reference: Seeds = (),
) -> OwnNetwork:
    """A network on a process, in the numbers it allows.

    shape      of a sample, where the network does not say it
    dtype      of the state: float64 unless given, in torch unless a numpy dtype is
    device     by default that of the network's parameters, else "cpu"
    tolerance  of its flow, relative; by default TOLERANCE, or ROUNDINGS units of rounding of its dtype if that is more,
               but no more than COARSEST
    tile       samples that it sees at once, by default TILE
    conditions  one a sample, and then one a sample of the reference
    reference   seeds of the samples that stand for its law; none for those that it is asked of
    raises     InputError for what cannot be used as given, and for a network that answers in no dtype it was offered
    cost       one or two evaluations of one sample
    """
    outputs(network.predicts, process)
    parameter = parameter_of(network)
    if device is None and parameter is not None and (dtype is None or type(dtype).__module__ == "torch"):
        device = parameter.device
    begin = origin(process, process.T, PROBE_SEEDS[:1], None, shape, dtype, device, network.shape)
    like = begin.like
    if dtype is None and like.device.type != "mps":  # which knows no float64
        like = like.double()
    offered = [like.dtype]
    if parameter is not None and parameter.dtype.is_floating_point:
        offered.insert(0, parameter.dtype)
    if library(like) is not np:
        offered.append(library(like).float32)
    if tolerance is not None and not 0 < real("tolerance", tolerance) < 1:
        raise InputError(f"tolerance = {tolerance} is out of range; it must satisfy 0 < tolerance < 1.")
    size = TILE if tile is None else whole("tile", tile)
    casts = getattr(network, "dtype", None)  # it sees to its dtype by itself
    if conditions is not None and any("sha256" in own and own["sha256"] is None for own in conditions.about().values()):
        raise InputError(
            "conditions hold objects that nothing tells from others, and the flow of a network is kept by what it was "
            "told; give arrays, numbers or texts."
        )
    found = OwnNetwork(network, process, like, begin.event, like.dtype, 0.0, size, conditions, reference)
    found = found if casts is not None else _answering(found, list(dict.fromkeys(offered)))
    rounding = ROUNDINGS * _rounding(like, found.inner if casts is None else casts)
    return replace(found, tolerance=tolerance or max(TOLERANCE, min(rounding, COARSEST)))


def _answering(network: OwnNetwork, offered: Sequence[Any]) -> OwnNetwork:
    """The network in the first of the dtypes that it answers in."""
    refusal: Exception | None = None
    for inner in offered:
        able = replace(network, inner=inner)
        try:
            able._probed(network.process.T)
            return able
        except (RuntimeError, InputError) as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _rounding(like: Array, inner: Any) -> float:
    """The unit of rounding of what a network sees."""
    xp = library(like)
    return max(float(xp.finfo(dtype_of(dtype, xp)).eps) for dtype in (like.dtype, inner))


def _tiles(n: int, size: int) -> Iterator[range]:
    for first in range(0, n, size):
        yield range(first, min(first + size, n))
