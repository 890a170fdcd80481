"""Coefficients that differ by direction of the data: a scheme that is told a spectrum is a family of scalar programs.

One program a group of directions, all with the same instructions and the same calls of the network: `merged` writes
them as one, whose coefficients hold one number a group where the programs differ, and `mode` takes that of one group
out again. Arrays run through it as `numtoolkit.program.directional` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import Affine, Block, Draw, Instruction, Modal, Program, ProgramStep

Groups = NDArray[np.int64] | None  # of a batch of directions: the group of a spectrum that each is of
ALIKE = 1e-6  # of variances of groups that a direction may lie across: those that rounding tells apart

# --- one program of many


def merged(scheme: str, spectrum: Spectrum, modes: Sequence[Program]) -> Program:
    """The run that takes every group of directions as its own program does.

    scheme    its specification
    spectrum  whose groups they are
    modes     a program a group: of the same instructions, whose coefficients may differ
    """
    first = modes[0]
    if all(own is first for own in modes):
        steps = first.steps
    else:
        columns = zip(*(own.steps for own in modes), strict=True)
        steps = tuple(_step(column) for column in columns)
    return replace(first, scheme=scheme, steps=steps, spectrum=spectrum)


def _step(column: Sequence[ProgramStep]) -> ProgramStep:
    rows = zip(*(step.instructions for step in column), strict=True)
    return replace(column[0], instructions=tuple(map(_instruction, rows)))


def _instruction(row: Sequence[Instruction]) -> Instruction:
    first = row[0]
    if isinstance(first, Affine):
        own = [dict(each.terms) for each in row]  # type: ignore[union-attr]  # they are of the same instructions
        terms: dict[str, Block] = {}
        for source in dict.fromkeys(source for each in own for source in each):
            blocks = [each.get(source) for each in own]
            some = next(block for block in blocks if block is not None)
            none = tuple(tuple(0.0 for _ in line) for line in some)
            terms[source] = _block([none if block is None else block for block in blocks])
        return Affine(first.name, tuple(terms.items()))
    if isinstance(first, Draw):
        return replace(first, factor=_block([each.factor for each in row]))  # type: ignore[union-attr]
    if first.moves is None:
        return first
    return replace(first, moves=_block([each.moves for each in row]))  # type: ignore[union-attr, misc]


def _block(blocks: Sequence[Block]) -> Block:
    return tuple(tuple(map(_number, zip(*lines, strict=True))) for lines in zip(*blocks, strict=True))


def _number(values: Sequence[Any]) -> float | Modal:
    return values[0] if all(value == values[0] for value in values) else Modal(values)


def mode(program: Program, group: int) -> Program:
    """The program of one group of directions, an ordinary one.

    program  of a scheme that was told a spectrum; any other is its own
    group    its number in the spectrum
    """
    if program.spectrum is None:
        return program

    def of(block: Block) -> Block:
        return tuple(tuple(c[group] if isinstance(c, Modal) else c for c in line) for line in block)

    def alone(i: Instruction) -> Instruction:
        if isinstance(i, Affine):
            own = ((source, of(block)) for source, block in i.terms)
            return Affine(i.name, tuple(term for term in own if np.any(term[1])))
        if isinstance(i, Draw):
            return replace(i, factor=of(i.factor))
        return i if i.moves is None else replace(i, moves=of(i.moves))

    steps = (replace(step, instructions=tuple(map(alone, step.instructions))) for step in program.steps)
    return replace(program, steps=tuple(steps), spectrum=None)


def check_alike(program: Program) -> None:
    """raises   InputError for a program whose coefficients differ by direction"""
    if program.spectrum is not None:
        raise InputError(
            f"the coefficients of {program.scheme} differ by direction of the data, and here all are one; measure it "
            "by samples or moments, or take one group of them, numtoolkit.program.modal.mode(program, group)."
        )


def blocks_at(block: Block, groups: Groups) -> Floats:
    """A block in some directions.

    block    (rows, columns), of numbers of which some are one a group
    groups   (*batch,), the group that each direction is of; None for a program without a spectrum
    returns  (*batch, rows, columns), or (rows, columns) where no number differs by group
    """
    if groups is None or not any(isinstance(c, Modal) for line in block for c in line):
        return np.array(block)
    shape = (*groups.shape, len(block), len(block[0]))
    found = np.empty(shape)
    for i, line in enumerate(block):
        for j, c in enumerate(line):
            found[..., i, j] = np.array(c)[groups] if isinstance(c, Modal) else c
    return found


def groups_of(spectrum: Spectrum, basis: Floats | None, directions: int) -> NDArray[np.int64]:
    """The group of a spectrum that each direction of a law lies in, (directions,).

    basis    (d, directions), orthonormal columns; None for those of the coordinates
    raises   InputError for directions that lie across groups: what a run does to them is no matter of each by itself
    """
    own = spectrum.basis
    counts = spectrum.multiplicity.astype(np.int64)
    if len(counts) == 1:
        return np.zeros(directions, dtype=np.int64)
    if counts.sum() != directions:
        raise InputError(
            f"the spectrum {spectrum.digest} has {counts.sum():g} directions and the law {directions}; give one of it."
        )
    groups = np.repeat(np.arange(len(counts)), counts)
    if own is None and basis is None:
        return groups
    axes = np.eye(directions) if basis is None else basis
    power = (axes if own is None else own.T @ axes) ** 2
    shares = np.zeros((len(counts), directions))
    np.add.at(shares, groups[: len(power)], power)
    if len(power) < directions:
        shares[-1] += 1 - power.sum(axis=0)
    middle = spectrum.values @ shares
    if ((np.subtract.outer(spectrum.values, middle) ** 2 * shares).sum(axis=0) > (ALIKE * middle) ** 2).any():
        raise InputError(
            f"the directions of the law are not those of the spectrum {spectrum.digest}, so that a run mixes them; "
            "measure it by samples, or give the spectrum of the law."
        )
    return shares.argmax(axis=0)
