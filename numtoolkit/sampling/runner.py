"""The public way to sample: a scheme on a process and a grid, run on a network in torch or numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, Floats, join, library, quiet, readable
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, NonFiniteError, choice, flag, typed, warn, whole
from numtoolkit.limits import MOST
from numtoolkit.models.by_reference import network_of
from numtoolkit.models.calls import call_of
from numtoolkit.models.conditions import Conditions, conditions_of
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import Program
from numtoolkit.program.rounding import warning
from numtoolkit.program.runs import program_of, times_of
from numtoolkit.program.walk import NetworkCall, Stepper, Update
from numtoolkit.sampling.adaptive import Adaptive, adaptive_grid, adaptive_of
from numtoolkit.sampling.compiled import Compilation
from numtoolkit.sampling.locate import first_nonfinite
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.own_steps import check_adaptive, own_steps
from numtoolkit.sampling.samples import (
    NetworkLike,
    Samples,
    bar_of,
    check_update,
    fitting,
    joined,
    kept,
    provenance,
    update_of,
)
from numtoolkit.sampling.state import Origin, finite_rows, origin
from numtoolkit.sampling.watching import Callback, Trajectory, Watching
from numtoolkit.schemes import scheme as scheme_of

NONFINITE = ("raise", "mark")


def sample(
    scheme: str | Scheme | Program,
    process: str | Process | None = None,
    network: Any = None,
    grid: str | Sequence[float] | Floats | None = None,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    adaptive: float | Adaptive | None = None,
    seeds: Sequence[int] | range | None = None,
    start: Array | None = None,
    strength: float | None = None,
    conditions: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: Any = None,
    update: str = "plain",
    denoise: bool = False,
    batch: int | None = None,
    progress: bool | None = None,
    callback: Callback | None = None,
    trajectory: bool = False,
    grad: bool = False,
    on_nonfinite: str = "raise",
    into: Any = None,
) -> Samples:
    """Run a scheme on a network, from noise or from a given start to the end of the grid.

    scheme, process, grid   as objects or specifications, "res-2s(c2=1/3)", "edm", "rho(7)"; or in place of the three a
                  Program alone, of `numtoolkit.program_of`
    network       a `Network`; or a law, as an object or by name, for its exact one
    nfe, steps    of a named grid, one of the two: nfe is the exact number of evaluations, the denoising one included;
                  what whole steps leave of it is spent by the scheme's `steps.remainder`, and `provenance` says how
    adaptive      None; or a tolerance of the error of a step, or all of an `Adaptive`, for a scheme with companions.
                  `grid` gives the ends alone. A pilot run on samples of its own finds the times (`adaptive_grid`), over
                  which an `nfe` is spread; with Adaptive(..., pilot=0) every sample finds its own,
                  in a tile of its own, with which callback, trajectory, grad and nfe do not go
    seeds         one integer a sample. Sample i, its start and all its noise, depends on seeds[i] alone
    start         the state at the first time of the grid, (batch, *event), or (batch, 2, *event) on PSLD, never
                  changed; else drawn from the process's prior, or from N(0, Sigma_t) where the grid begins at t < T
    strength      None; or in (0, 1], and `start` is data (batch, *event), images to be drawn anew: of the N steps of
                  the grid the last k = int(strength N) are taken, as diffusers counts them, and the run begins with
                  what `numtoolkit.add_noise` makes of `start` at grid time N - k, by the seeds. nfe and steps are those
                  of the whole grid, of which k whole steps are spent
    conditions    one entry a sample, indexed like seeds: an array, a tensor or a list, which the network gets as a
                  third argument, or a dict of such, which it gets by name. Each tile sees its own rows, filled up as it
                  is, on the run's device; dtypes stay. Of a list of numbers, of arrays of one shape or of lists of
                  numbers of one shape the network sees one array, of any other the list
    shape, dtype, device   of one drawn sample; torch.float32 on "cpu" unless given, in numpy for a numpy dtype. A name
                  is one of torch, "float64", or "numpy.float64"
    update        "plain": arithmetic with the same bits for numpy and torch in float64 on the CPU, and for every batch;
                  "fused": fewer passes, within the bound of `numtoolkit.sampling.fused` a row (torch only);
                  "compiled": within it too; where torch can compile, rows in one pass for tiles of 2**21 numbers or
                  more, and noise from 2**15 on, the same to 4 ulp in float64; else fused. `provenance` says what was
                  compiled. The first run compiles for tens of seconds
    denoise       end with one more evaluation, at the grid's last time, and return its data prediction (batch, *event)
    batch         samples at a time, by default all; the last tile is filled up, so that a network, which may round
                  differently for another size, sees one size only, and gives the same bits for the same `batch`
    progress      a bar on stderr: None where stderr is a terminal, True always, False never
    callback      called after every step of every tile with a `Progress`: step, time, which samples, their state and
                  data prediction. It returns None; or a state like the one it was shown, with which the run goes on
                  (what a multistep scheme remembers stays: its earlier evaluations, at the states they were taken at);
                  or `numtoolkit.STOP`, which ends the run of this tile and keeps its state, with `denoise` its latest
                  data prediction
    trajectory    True: the result holds the states at every time of the grid, and the data predictions between them,
                  2 steps + 1 times the memory of the samples, and as much again while more tiles than one are joined
    grad          True: the run is recorded as the caller's torch records it, by autograd or under torch.func (vmap, jvp
                  over the weights of the network), which keeps what all evaluations keep. Nothing is read back: what is
                  not finite is marked, not raised
    on_nonfinite  "raise", or "mark" to return what came out with `finite` saying which samples are good
    into          where samples go, tile by tile, as into[first:last] = samples of the tile: an array of the result's
                  shape and dtype, such as a memory map or a tensor, or whatever stores host arrays that it is given so,
                  such as an empty list, which then holds one a sample.
                  It is what the result holds as `samples`. Tiles that were done stay in it if a later one fails; with
                  "raise" none that is not finite gets there, for which each tile waits for the device
    raises        InputError for what cannot be used as given; NonFiniteError naming step, stage, time and sample;
                  warns, by an InputWarning, of a run that loses more than two digits of a dtype below float64
    cost          nfe evaluations of each tile; nothing is read back from the device before the end, unless `into` is
                  given. Memory of the samples and of one tile; of one tile alone where `into` keeps none
    """
    choice("on_nonfinite", on_nonfinite, NONFINITE)
    if not (progress is None or isinstance(progress, bool)):
        raise InputError(f"progress = {progress!r} is {typed(progress)}; give True, False or None.")
    if callback is not None and not callable(callback):
        raise InputError(f"callback is {typed(callback)}; give a function of a Progress, or leave it out.")
    for name, value in (("trajectory", trajectory), ("grad", grad)):
        flag(name, value)
    found, named, pilot = adaptive_of(adaptive), grid, None
    if found is not None:
        check_adaptive(found, scheme, process, grid, {
            "steps": steps, "nfe": nfe, "start": start, "strength": strength, "conditions": conditions,
            "callback": callback, "trajectory": trajectory or None, "grad": grad or None, "batch": batch,
        })  # fmt: skip
        if not found.pilot:
            return own_steps(
                scheme, process, network, grid, found, seeds, start, conditions, shape, dtype, device, update, denoise,
                progress, on_nonfinite, into,
            )  # fmt: skip
        assert process is not None
        assert grid is not None
        assert not isinstance(scheme, Program)
        left = nfe - denoise if isinstance(nfe, int) else nfe
        pilot = adaptive_grid(scheme, process, network, found, grid, left, shape=shape, dtype=dtype, device=device)
        grid = pilot.times
    own, begin, program, spectrum = _prepared(
        scheme, process, network, grid, steps, nfe, seeds, start, strength, shape, dtype, device, update, denoise,
        conditions,
    )  # fmt: skip
    if grad:
        _check_grad(begin, update, into)
    told = conditions_of(conditions, len(begin))
    alike = None if told is not None else _call(own, program, None, ())
    size = len(begin) if batch is None else whole("batch", batch, high=MOST)
    combine, path = update_of(update, begin, size, program.draws)
    samples, xp = fitting(into, begin, denoise), library(begin.like)
    finite = xp.ones(len(begin), dtype=xp.bool, device=begin.like.device)
    whole_run = len(program.steps)
    done, tiles, paths, changed = np.broadcast_to(np.int64(whole_run), len(begin)), [], [], False
    reads = on_nonfinite == "raise" and not grad and readable(finite)
    with quiet(begin.like, grad), bar_of(-(-len(begin) // size) * whole_run, program.scheme, "step", progress) as bar:
        for rows, count in _tiles(len(begin), size):
            place, at = slice(rows[0], rows[0] + count), begin.blocks(rows)
            watch = Watching(program, whole_run - denoise, range(len(begin))[place], at, bar, callback, trajectory)
            call = alike or _call(own, program, told, rows)
            tile = join(run(program, call, at, begin.noise(rows, path.noise), combine, watch))[:count]
            if watch.done < whole_run:
                done = done.copy()
                done[place] = watch.done
            if trajectory:
                paths.append(watch.trajectory())
            changed |= watch.changed
            if grad:
                tiles.append(tile)
                continue
            finite[place] = finite_rows(tile)
            if into is not None and reads and not bool(finite[place].all()):
                break
            samples = kept(samples, place, tile, len(begin))
        if grad:
            samples = joined(tiles, 0)
            finite = finite_rows(samples)
        if reads and not bool(finite.all()):
            bad = np.flatnonzero(~np.array(finite.tolist())).tolist()
            rows, _ = list(_tiles(len(begin), size))[bad[0] // size]
            raise _lost(program, alike or _call(own, program, told, rows), begin, (combine, path), rows, bad, changed)
    times = program.times[:-1] if denoise else program.times
    facts = provenance(
        scheme, network, own, begin, program,
        {
            "grid": resolved(named) if isinstance(named, str) else "own points",
            "times": times.tolist(),
            "plan": program.plan,
            "strength": strength,
            "conditions": None if told is None else told.about(),
            "update": path.said,
            "denoise": denoise,
            "batch": size,
            "callback": None if callback is None else "changed states" if changed else "looked on",
            "done": None if (done == whole_run).all() else done.tolist(),
            "adaptive": None if found is None or pilot is None else found.about((pilot,)),
        },
        spectrum,
    )  # fmt: skip
    states = Trajectory(times, *(joined(parts, 1) for parts in zip(*paths, strict=True))) if trajectory else None
    grids = None if pilot is None else (pilot,)
    return Samples(samples, finite, program.nfe, len(times) - 1, done, states, program, facts, grids)


def stepper(
    scheme: str | Scheme | Program,
    process: str | Process | None = None,
    network: Any = None,
    grid: str | Sequence[float] | Floats | None = None,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    seeds: Sequence[int] | range | None = None,
    start: Array | None = None,
    strength: float | None = None,
    conditions: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: Any = None,
    update: str = "plain",
    denoise: bool = False,
) -> Stepper:
    """The run of `sample` on the whole batch, before its first evaluation: it may be stopped anywhere and continued.

        call = network.on(process("vp"))  # on(process("vp"), run.conditions, both=True): told them, and for CFG++
        run = stepper("sa-solver(2)", "vp", network, "log-snr", 20, seeds=range(16), shape=(3, 32, 32))
        while not run.done:
            run.send(call(run.row, run.time))
        run.state

    Stopped, pickled or copied, and continued, a run keeps its history and its place in the noise (`Stepper`); calls of
    `sample` on pieces of the grid do not: each is a run of its own, and draws its noise from the first step on.
    scheme, process, network, grid, nfe, steps, seeds, start, strength, shape, dtype, device, update, denoise   as of
             `sample`
    conditions   as of `sample`, one a sample: checked against the samples and the network, and kept with the run, as
             `run.conditions`, for the call of the network
    raises   InputError for what cannot be used as given
    """
    own, begin, program, _ = _prepared(
        scheme, process, network, grid, steps, nfe, seeds, start, strength, shape, dtype, device, update, denoise,
        conditions,
    )  # fmt: skip
    rows, told = list(range(len(begin))), conditions_of(conditions, len(begin))
    if told is not None:
        _call(own, program, told, rows)  # which refuses what it cannot be told
    combine, path = update_of(update, begin, len(rows), program.draws)
    return Stepper(program, begin.blocks(rows), begin.noise(rows, path.noise), combine, conditions=told)


def _prepared(
    scheme: Any,
    process: Any,
    network: Any,
    grid: Any,
    steps: int | None,
    nfe: int | None,
    seeds: Any,
    start: Any,
    strength: float | None,
    shape: Any,
    dtype: Any,
    device: Any,
    update: str,
    denoise: bool,
    conditions: Any,
) -> tuple[NetworkLike, Origin, Program, Spectrum | None]:
    """The arguments of a run checked and read: network, origin, the program of it all, the spectrum of a pilot run."""
    from numtoolkit.sampling.pilot import piloted  # which samples

    called: NetworkLike = network_of(network)
    scheme, grid, spectrum = piloted(
        scheme, process, network, grid, conditions, shape=shape, dtype=dtype, device=device
    )
    if strength is not None:
        if start is None:
            raise InputError("strength says how far a start is noised; give start=, data (batch, ...), or drop it.")
        grid, nfe, steps = _last_steps(strength, scheme, process, grid, nfe, steps, denoise, spectrum), None, None
    program = program_of(
        scheme, process, grid, nfe, steps=steps, predicts=called.predicts, denoise=denoise, spectrum=spectrum
    )
    first, last = program.steps[0].start, program.steps[-1].end
    if start is None and first < last:
        raise InputError("a rising grid takes samples of the data back to noise; give them as start.")
    begin = origin(program.process, first, seeds, start, shape, dtype, device, called.shape, strength is not None)
    if begin.seeds is None and program.draws:
        raise InputError(
            f"scheme {program.scheme} draws noise; give seeds, one integer for each of the {len(begin)} samples."
        )
    check_update(update, begin)
    told = warning(program, str(begin.like.dtype), library(begin.like).finfo(begin.like.dtype).eps / 2)
    if told is not None:
        warn(told)
    return called, begin, program, spectrum


def _last_steps(
    strength: Any, scheme: Any, process: Any, grid: Any, nfe: Any, steps: Any, denoise: bool, spectrum: Spectrum | None
) -> Floats:
    """The times of a run that takes the share `strength` of the steps of a grid, the last ones."""
    if isinstance(scheme, Program):
        raise InputError(f"the program of {scheme.scheme} fixes its grid already; leave strength out.")
    if isinstance(strength, bool) or not isinstance(strength, (int, float)) or not 0 < strength <= 1:
        raise InputError(f"strength = {strength!r} is no share of the grid; give a number above 0, up to 1.")
    if process is None:
        raise InputError("a run needs a process; give one, as an object or by name.")
    times = times_of(scheme_of(scheme), process_of(process), grid, steps, nfe, denoise, spectrum)
    if times[0] < times[-1]:
        raise InputError("strength noises data to the time where a run begins, and a rising grid ends there; drop it.")
    whole_grid = len(times) - 1
    taken = int(whole_grid * strength)
    if not taken:
        raise InputError(
            f"strength = {strength:g} takes no step of a grid of {whole_grid}; give at least {1 / whole_grid:.3g}."
        )
    return times[whole_grid - taken :]


def _call(network: NetworkLike, program: Program, conditions: Conditions | None, rows: Sequence[int]) -> NetworkCall:
    """The network as a tile of the samples `rows` calls it."""
    return call_of(network, program.process, None if conditions is None else conditions.rows(rows), program.both)


def _tiles(n: int, size: int) -> Iterator[tuple[list[int], int]]:
    """(sample indices, how many of them count): always `size` indices, the last one repeated as often as needed."""
    for first in range(0, n, size):
        rows = list(range(first, min(first + size, n)))
        yield rows + [rows[-1]] * (size - len(rows)), len(rows)


def _check_grad(begin: Origin, update: str, into: Any) -> None:
    """raises InputError for what cannot be recorded"""
    if library(begin.like) is np:
        raise InputError("grad=True records a run in torch, but this one is in numpy; give a torch dtype or start.")
    if update != "plain":
        raise InputError(f"update {update!r} sums in place, which cannot be recorded; use 'plain' with grad=True.")
    if into is not None:
        raise InputError("into stores samples, and a store records nothing; leave it out with grad=True.")


def _lost(
    program: Program,
    network: NetworkCall,
    begin: Origin,
    update: tuple[Update, Compilation],
    rows: Sequence[int],
    bad: Sequence[int],
    changed: bool,
) -> Exception:
    """The error of a run that left the finite numbers in the samples `bad`, after a replay of the first one's tile.

    A run in which a callback has `changed` states is not replayed.
    """
    first = bad[0]
    seed = "" if begin.seeds is None else f" (seed {begin.seeds[first]})"
    others = f", the first of {len(bad)} lost among {len(begin)}," if len(bad) > 1 else ""
    who = f"sample {first}{seed}{others}"
    if changed:
        return NonFiniteError(
            f"{who} is not finite; the run is not replayed, since the callback changed its states: look at those it is "
            "shown, and at those it returns."
        )
    (combine, path), at = update, begin.blocks(rows)
    noise = begin.noise(rows, path.noise)
    return first_nonfinite(program, network, at, noise, combine, rows.index(first), who)
