"""Coefficients that differ by direction of the data: a family of scalar programs, of a spectrum or of many modes.

A scheme that is told a spectrum is one, and so is any scheme on a process that takes directions apart. One program a
group of directions, all with the same instructions and the same calls of the network: `merged` writes
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
from numtoolkit.problem.directions import Directions
from numtoolkit.problem.processes import Process
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import Affine, Block, Draw, Instruction, Modal, Program, ProgramStep

Groups = NDArray[np.int64] | None  # of a batch of directions: the group of a spectrum that each is of
ALONE = 1e-9  # of variances: what rounding leaves of one between directions
ALIKE = 1e-6  # of variances of groups that a direction may lie across: those that rounding tells apart

# --- one program of many


def merged(scheme: str, directions: Spectrum | Directions, modes: Sequence[Program]) -> Program:
    """The run that takes every group of directions as its own program does.

    scheme      its specification
    directions  whose groups they are
    modes       a program a group: of the same instructions, whose coefficients may differ
    raises      InputError where they ask the network at different times
    """
    first = modes[0]
    if all(own is first for own in modes):
        steps = first.steps
    else:
        columns = zip(*(own.steps for own in modes), strict=True)
        steps = tuple(merged_step(column) for column in columns)
    return replace(first, scheme=scheme, steps=steps, directions=directions)


def merged_step(column: Sequence[ProgramStep]) -> ProgramStep:
    """One step of many, a `column` of those of the groups, as `merged` makes it."""
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
    times = {each.time for each in row}  # type: ignore[union-attr]
    if len(times) > 1:
        raise InputError(
            f"the directions ask the network at different times, {min(times):.6g} to {max(times):.6g}, where one call "
            "is to serve them all; take a scheme that asks at the times of the grid, such as ipndm(3) or sde-dpmpp-2m."
        )
    if first.moves is None:
        return first
    return replace(first, moves=_block([each.moves for each in row]))  # type: ignore[union-attr, misc]


def _block(blocks: Sequence[Block]) -> Block:
    return tuple(tuple(map(_number, zip(*lines, strict=True))) for lines in zip(*blocks, strict=True))


def _number(values: Sequence[Any]) -> float | Modal:
    return values[0] if all(value == values[0] for value in values) else Modal(values)


def mode(program: Program, group: int) -> Program:
    """The program of one group of directions, an ordinary one.

    program  one whose coefficients may differ by group; any other is its own
    group    its number
    """
    if program.directions is None:
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
    process = program.modes[group] if program.modes else program.process
    return replace(program, process=process, steps=tuple(steps), directions=None, modes=())


def check_alike(program: Program) -> None:
    """raises   InputError for a program whose coefficients differ by direction"""
    if program.directions is not None:
        raise InputError(
            f"the coefficients of {program.scheme} differ by direction of the data, and here all are one; measure it "
            "by samples or moments, or take one group of them, numtoolkit.program.modal.mode(program, group)."
        )


def apart(directions: Directions, covariance: Floats, what: str) -> tuple[Floats, Floats]:
    """Where a covariance is diagonal within directions that a process takes apart: the basis (d, d), variances (d,).

    directions  over whole samples; those found stand in the order of its groups, each within its own
    covariance  (d, d), of data
    what        of which data, in a refusal
    raises      InputError for one that joins directions of different groups, which a run would mix
    cost        the eigenvalues of a block for each group
    """
    joined, groups = directions.basis.T @ covariance @ directions.basis, directions.groups
    if np.abs(joined[groups[:, None] != groups]).max(initial=0.0) > ALONE * joined.diagonal().max():
        raise InputError(
            f"the covariance of {what} joins frequencies that process {directions.digest} takes apart, so that a run "
            "mixes them; give natural(...), an isotropic law, or a spectrum of cosines, spectrum_of(data, dct=True)."
        )
    basis, variances = directions.basis.copy(), np.empty(len(groups))
    for group in range(len(directions.multiplicity)):
        mine = groups == group
        values, axes = np.linalg.eigh(joined[np.ix_(mine, mine)])
        variances[mine], basis[:, mine] = np.maximum(values, 0.0), directions.basis[:, mine] @ axes
    return basis, variances


def refined(spectrum: Spectrum, process: Process) -> tuple[Spectrum, NDArray[np.int64]]:
    """A spectrum in groups of which each is one of a process with many modes too.

    returns   it, and the number of the mode of each group (n,); as it is, and zeros, on a process with one
    raises    InputError for a spectrum that joins what the process takes apart
    """
    if process.directions is None:
        return spectrum, np.zeros(len(spectrum.values), dtype=np.int64)
    whole = process.directions.over(spectrum.mean.shape or process.directions.event)
    size, own, counts = len(whole.basis), spectrum.basis, spectrum.multiplicity.astype(np.int64)
    if counts.sum() != size:
        raise InputError(
            f"the spectrum {spectrum.digest} has {spectrum.directions:g} directions and an image of process "
            f"{process.spec} {size}; give that of such images."
        )
    each = np.repeat(spectrum.values, counts)
    led = np.eye(size) if own is None else own
    rest = each[-1] if led.shape[1] < size else 0.0
    covariance = (led * (each[: led.shape[1]] - rest)) @ led.T + rest * np.eye(size)
    basis, variances = apart(whole, covariance, f"the spectrum {spectrum.digest}")
    modes = whole.groups
    new = np.diff(modes, prepend=-1) != 0
    new |= np.abs(np.diff(variances, prepend=0.0)) > ALIKE * np.maximum(variances, variances.max() * ALIKE)
    places = np.cumsum(new) - 1
    multiplicity = np.bincount(places)
    values = np.bincount(places, variances) / multiplicity
    found = replace(spectrum, values=values, multiplicity=multiplicity, basis=basis)
    return found, modes[np.flatnonzero(new)]


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
