"""Where a run left the finite numbers: it is replayed with a look at every value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numtoolkit.declare.steps import START
from numtoolkit.errors import NonFiniteError
from numtoolkit.program.program import Call, Draw, Instruction, Program, ProgramStep
from numtoolkit.sampling.loop import Blocks, NetworkCall, Normals, Update, run
from numtoolkit.sampling.state import finite_rows


def first_nonfinite(
    program: Program,
    network: NetworkCall,
    start: Sequence[Any],
    normals: Normals | None,
    update: Update,
    row: int,
    who: str,
) -> NonFiniteError:
    """The error that says at which step, stage and time sample `row` of the batch, called `who`, was lost.

    cost   one more run of the batch, and a look at every value of the sample
    """
    if not _finite(start, row):
        return NonFiniteError(f"{who} is not finite in its start; give finite start values.")
    single, where = unrolled(program)

    def look(i: int, step: ProgramStep, value: Blocks) -> None:
        n, instruction = where[i]
        if not _finite(value, row):
            raise NonFiniteError(f"{who} leaves the finite numbers {_place(n, step, instruction)}.")

    def same(i: int, slot: int) -> Blocks:
        return normals(where[i][0], slot)  # type: ignore[misc]  # programs that draw have normals

    try:
        run(single, network, start, same, update, look)
    except NonFiniteError as error:
        return error
    return NonFiniteError(
        f"{who} is not finite, but was when the run was repeated; the network is not a function of its input and time."
    )


def unrolled(program: Program) -> tuple[Program, list[tuple[int, Instruction | None]]]:
    """The run with a step for every instruction, so that a watch of the loop sees each value; and (step, instruction).

    Each new step hands on every name so far, the state "y" included; one without an instruction ends each old step.
    """
    steps: list[ProgramStep] = []
    where: list[tuple[int, Instruction | None]] = []
    for n, step in enumerate(program.steps):
        known = [START, *(name for name, _ in (program.steps[n - 1].carry if n else ()))]
        for instruction in step.instructions:
            known.append(instruction.name)
            carry = tuple((name, name) for name in known)
            steps.append(replace(step, instructions=(instruction,), out=instruction.name, carry=carry))
            where.append((n, instruction))
        steps.append(replace(step, instructions=()))
        where.append((n, None))
    return replace(program, steps=tuple(steps)), where


def _finite(blocks: Sequence[Any], row: int) -> bool:
    return all(bool(finite_rows(block[row : row + 1])[0]) for block in blocks)


def _place(n: int, step: ProgramStep, instruction: Instruction | None) -> str:
    window = f"of step {n} (t = {step.start:.6g} to {step.end:.6g})"
    if isinstance(instruction, Call):
        return (
            f"in evaluation {instruction.name} {window}: told t = {instruction.time:.6g}, the network returned NaN or "
            "infinity for a finite input; mend the network there"
        )
    stage = "the state" if instruction is None else instruction.name
    kind = "noise" if isinstance(instruction, Draw) else "row"
    return f"in {kind} {stage} {window}: a number outgrows the dtype; take a wider dtype or more steps"
