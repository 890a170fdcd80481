"""The loop that runs a program on arrays: numpy or torch, the same code and, in float64 on the CPU, the same bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numtoolkit.declare.steps import START
from numtoolkit.program.program import Program, ProgramStep
from numtoolkit.program.walk import Blocks, Hand, NetworkCall, Normals, Stepper, Update, follow, handed, plain

Watch = Callable[[int, ProgramStep, Blocks], None]  # after each step: (step number, step, new state)


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
    watch    called after each step with its number, the step and the new state
    returns  blocks of the same shape, dtype and device as `start`
    """
    hand: Hand[Blocks] = handed if watch is None else _shown(watch)
    state = follow(Stepper(program, start, normals, update, hand), network)
    return list(state)


def _shown(watch: Watch) -> Hand[Blocks]:
    def hand(n: int, step: ProgramStep, names: dict[str, Blocks]) -> dict[str, Blocks]:
        kept = handed(n, step, names)
        watch(n, step, kept[START])
        return kept

    return hand
