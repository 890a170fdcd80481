"""The loop that runs a program on arrays: numpy or torch, the same code and, in float64 on the CPU, the same bits.

State, evaluations and noise are lists of blocks, one array a state part or network output. Coefficients are Python
floats, which keep the dtype of the arrays; nothing is read back from a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numtoolkit.declare.steps import START
from numtoolkit.program.program import CONSTANT, Affine, Block, Call, Draw, Program, ProgramStep

Blocks = list[Any]
NetworkCall = Callable[[Blocks, float], Blocks]  # (state blocks, process time) -> output blocks
Normals = Callable[[int, int], Blocks]  # (step, slot) -> one standard normal array a state block
Update = Callable[[Sequence[tuple[float, Any]]], Any]  # [(coefficient, array), ...] -> their combination
Watch = Callable[[int, ProgramStep, Blocks], None]  # after each step: (step number, step, new state)


def plain(terms: Sequence[tuple[float, Any]]) -> Any:
    """c_1 a_1 + c_2 a_2 + ... in that order, every product and sum rounded: the bits do not depend on the library."""
    total: Any = None
    for coefficient, array in terms:
        product = array if coefficient == 1.0 else array * coefficient
        total = product if total is None else total + product
    return total


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
    returns  blocks of the same shape, dtype and device as `start`
    """
    state: Blocks = list(start)
    carried: dict[str, Blocks] = {}
    for n, step in enumerate(program.steps):
        names = advance(step, n, {START: state, CONSTANT: [1.0], **carried}, network, normals, update)
        state = names[step.out]
        carried = {new: names[old] for new, old in step.carry}
        if watch is not None:
            watch(n, step, state)
    return state


def advance(
    step: ProgramStep,
    n: int,
    names: dict[str, Blocks],
    network: NetworkCall,
    normals: Normals | None = None,
    update: Update = plain,
) -> dict[str, Blocks]:
    """Every name of step number n: those it starts from, "y" and what is carried, and those of its instructions."""
    known, state = dict(names), names[START]
    for instruction in step.instructions:
        if isinstance(instruction, Affine):
            value = _combine(instruction.terms, known, update, state)
        elif isinstance(instruction, Call):
            value = list(network(known[instruction.of], instruction.time))
        else:
            value = _draw(instruction, n, normals, update, state)
        known[instruction.name] = value
    return known


def _combine(terms: Sequence[tuple[str, Block]], names: dict[str, Blocks], update: Update, like: Blocks) -> Blocks:
    rows = len(terms[0][1]) if terms else len(like)
    return [
        _row(
            [(c, names[source][j]) for source, block in terms for j, c in enumerate(block[i]) if c],
            update,
            like,
        )
        for i in range(rows)
    ]


def _draw(draw: Draw, n: int, normals: Normals | None, update: Update, like: Blocks) -> Blocks:
    if normals is None:
        raise ValueError("the program draws noise; pass normals.")
    xi = normals(n, draw.slot)
    return [_row([(c, xi[j]) for j, c in enumerate(row) if c], update, like) for row in draw.factor]


def _row(terms: Sequence[tuple[float, Any]], update: Update, like: Blocks) -> Any:
    return update(terms) if terms else like[0] * 0.0
