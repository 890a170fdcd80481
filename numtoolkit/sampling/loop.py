"""The loop that runs a program on arrays: numpy or torch, the same code and, in float64 on the CPU, the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numtoolkit.declare.steps import START
from numtoolkit.program.program import Program, ProgramStep
from numtoolkit.program.walk import Blocks, NetworkCall, Normals, Stepper, Update, follow, handed, plain


class Evaluated(NamedTuple):
    """An evaluation of the network: the blocks of the row it was taken at, the time it was told, its output blocks."""

    row: Blocks
    time: float
    output: Blocks


# After each step: (step number, step, new state, the latest evaluation) -> the state to go on with; None for that one
Watch = Callable[[int, ProgramStep, Blocks, Evaluated | None], Blocks | None]


class Stopped(Exception):
    """Raised by a watch that ends a run after the step it was shown: `state` is what the run ends with."""

    def __init__(self, state: Blocks) -> None:
        super().__init__()
        self.state = state


def run(
    program: Program,
    network: NetworkCall,
    start: Sequence[Any],
    normals: Normals | None = None,
    update: Update = plain,
    watch: Watch | None = None,
) -> Blocks:
    """The state after the last step.

    network  called `program.nfe` times with the state blocks of a row and the process time it is told
    start    one array a state block, all of one shape; kept unchanged
    normals  needed by programs that draw noise
    update   computes a row of the program; `plain` sums its terms one by one
    watch    called after each step with its number, the step, the new state and the latest evaluation. It may return
             another state, with which the run goes on: what a step hands on besides, evaluations and earlier states,
             stays as it was. It may raise `Stopped`
    returns  blocks of the same shape, dtype and device as `start`
    """
    if watch is None:
        end = follow(Stepper(program, start, normals, update), network)
        return list(end)
    latest: list[Evaluated] = []

    def evaluated(row: Blocks, time: float) -> Blocks:
        latest.clear()  # while the network runs, the evaluation before is let go
        output = network(row, time)
        latest.append(Evaluated(row, time, output))
        return output

    def hand(n: int, step: ProgramStep, names: dict[str, Blocks]) -> dict[str, Blocks]:
        kept = handed(n, step, names)
        changed = watch(n, step, kept[START], latest[0] if latest else None)
        return kept if changed is None else kept | {START: changed}

    try:
        end = follow(Stepper(program, start, normals, update, hand), evaluated)
    except Stopped as stopped:
        end = stopped.state
    return list(end)
