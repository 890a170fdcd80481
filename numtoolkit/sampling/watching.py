"""What is seen of a run on its way: its states, and the callback, which may change the state or end the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, Floats, cast, copied, is_floating, join, library, split
from numtoolkit.errors import InputError, counted, typed
from numtoolkit.problem.predictions import DATA, convert
from numtoolkit.program.program import Program, ProgramStep
from numtoolkit.program.runs import denoising_of
from numtoolkit.program.walk import Blocks, Stepper, follow, plain
from numtoolkit.sampling.loop import Evaluated, Stopped


class Stop:
    """The type of STOP."""

    def __repr__(self) -> str:
        return "STOP"


STOP = Stop()  # what a callback returns to end the run after the step it was shown


@dataclass(frozen=True, eq=False)
class Progress:
    """What a callback is shown after a step.

    step     the number of the step that is done, from 0
    steps    how many the run has, with the denoising one
    time     the process time at the end of the step, which `state` is at
    samples  which samples of the batch these are: a tile of it
    state    in public layout, (tile, *event), or (tile, 2, *event) on PSLD: a copy
    """

    step: int
    steps: int
    time: float
    samples: range
    state: Array
    _x0: Callable[[], Array | None] = field(repr=False)

    @cached_property
    def x0(self) -> Array | None:
        """The latest data prediction, (tile, *event), converted from what the network returned where that is another.

        It is E[x_0 | z] at the row of the latest evaluation, which lies within the step or at its start; None before
        the first one. Costs nothing unless it is asked for.
        """
        return self._x0()

    def __repr__(self) -> str:
        size = counted(len(self.samples), "sample")
        return f"<Progress: step {self.step} of {self.steps} is done, at t = {self.time:.6g}, {size}>"


Callback = Callable[[Progress], Any]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The states of a run at every time of its grid.

    times   (N + 1,), from the first time to the last
    states  (N + 1, batch, *event), or (N + 1, batch, 2, *event) on PSLD: the first is the start; not a number after the
            step at which a callback ended the run
    x0      (N, batch, *event): the latest data prediction when each step is done, as `Progress.x0`
    """

    times: Floats
    states: Array
    x0: Array

    def __repr__(self) -> str:
        return f"<Trajectory of {counted(len(self.x0), 'step')}: states of shape {tuple(self.states.shape)}>"


class Watching:
    """The watch of one tile, for `numtoolkit.sampling.loop.run`.

    program   what is run, and how many of its `steps` are of the grid: the denoising one is not
    tile      which samples of the batch count in it; it may hold more, the last one repeated
    start     its start blocks
    bar       updated after each step
    callback  or None
    keeps     whether states are kept
    done      how many steps are behind it; changed, whether the callback has changed a state
    """

    def __init__(
        self, program: Program, steps: int, tile: range, start: Blocks, bar: Any, callback: Callback | None, keeps: bool
    ) -> None:
        self.program, self.steps, self.tile, self.bar, self.callback = program, steps, tile, bar, callback
        self.keeps, self.done, self.changed = keeps, 0, False
        self._padded = [*range(len(tile)), *[len(tile) - 1] * (len(start[0]) - len(tile))]
        self._states: list[Array] = [self._public(start)] if keeps else []
        self._x0s: list[Array | None] = []

    def __call__(self, n: int, step: ProgramStep, state: Blocks, latest: Evaluated | None) -> Blocks | None:
        self.bar.update()
        self.done = n + 1
        answer = None
        if self.callback is not None:
            shown = copied(self._public(state))
            total = len(self.program.steps)
            answer = self.callback(Progress(n, total, step.end, self.tile, shown, lambda: self._x0(latest)))
        changed = None if answer is None or answer is STOP else self._taken(answer, n, state)
        self.changed |= changed is not None
        if self.keeps and n < self.steps:
            self._states.append(self._public(state if changed is None else changed))
            self._x0s.append(self._x0(latest))
        if answer is STOP:
            raise Stopped(self._end(n, state, latest))
        return changed

    def trajectory(self) -> tuple[Array, Array]:
        """The states (N + 1, tile, ...) and data predictions (N, tile, *event) of the tile, where they are kept."""
        first, missing = self._states[0], self.steps - len(self._x0s)
        xp, blank = library(first), first if len(self.program.process.rows) == 1 else first[:, 0]
        x0s = [xp.full_like(blank, np.nan) if x0 is None else x0 for x0 in [*self._x0s, *[None] * missing]]
        return xp.stack([*self._states, *[xp.full_like(first, np.nan)] * missing]), xp.stack(x0s)

    def _public(self, blocks: Blocks) -> Array:
        return join(blocks)[: len(self.tile)]

    def _x0(self, latest: Evaluated | None) -> Array | None:
        return None if latest is None else data_prediction(self.program, latest)[: len(self.tile)]

    def _taken(self, answer: Any, n: int, state: Blocks) -> Blocks:
        """The blocks of the state that the callback returned, a copy as large as the tile."""
        wanted = self._public(state)
        if library(answer) is not library(wanted):
            raise InputError(
                f"the callback returned {typed(answer)} after step {n}; return None to go on, a state like the one it "
                "was shown, or numtoolkit.STOP."
            )
        if answer.shape != wanted.shape or not is_floating(answer):
            raise InputError(
                f"the callback returned shape {tuple(answer.shape)} and dtype {answer.dtype} after step {n}; return "
                f"a state of shape {tuple(wanted.shape)} and dtype {wanted.dtype}."
            )
        if answer.device != wanted.device:
            raise InputError(
                f"the callback returned a state on {answer.device} after step {n}; return it on {wanted.device}."
            )
        return split(cast(answer[self._padded], wanted.dtype), len(state))

    def _end(self, n: int, state: Blocks, latest: Evaluated | None) -> Blocks:
        """What a run ends with that is stopped after step n: its state, or the data prediction that was asked for."""
        if len(self.program.steps) == self.steps or n == self.steps:
            return state
        if latest is None:
            raise InputError("a run that is to end with a data prediction was stopped before its first evaluation.")
        return [data_prediction(self.program, latest)]


def data_prediction(program: Program, latest: Evaluated) -> Array:
    """E[x_0 | z] at the row of an evaluation of a run, (tile, *event): the network's output, converted; a new array.

    cost   a pass over the output and each block of the row; the coefficients are read in float64 on the host
    """
    if program.modes and program.network is not DATA:  # in each group of directions by itself
        last = replace(program, steps=(denoising_of(program, latest.time),))
        return follow(Stepper(last, latest.row), lambda row, t: latest.output)[0]
    P, Q = convert(program.network, DATA, program.process, np.array([latest.time]))
    terms = [*zip(P[0, 0].tolist(), latest.row, strict=True), *zip(Q[0, 0].tolist(), latest.output, strict=True)]
    own = [(c, array) for c, array in terms if c]
    return copied(own[0][1]) if len(own) == 1 and own[0][0] == 1 else plain(own)
