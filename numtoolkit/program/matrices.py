"""A program as matrices: every value is an affine function of what is not known, one column an unknown.

With a network that is affine in the state, a whole run is a product of small matrices, one a step: `step_maps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.declare.steps import START
from numtoolkit.problem.predictions import convert
from numtoolkit.problem.processes import Floats
from numtoolkit.program.modal import Groups, blocks_at, check_alike
from numtoolkit.program.program import CONSTANT, Affine, Draw, Program, ProgramStep
from numtoolkit.program.walk import Walk, evaluations, handed

Matrix = NDArray[Any]  # float64, or complex128 where the network is
AffineNetwork = Callable[[float], tuple[Matrix, Matrix]]  # told time -> slope (*batch, q, k) and offset (*batch, q)


class Matrices:
    """The algebra of affine maps: values (*batch, rows, columns) over the columns (unknowns, normals, 1).

    k       blocks of a state
    field   (*batch,), the constant source in every member of the batch
    groups  (*batch,), the group of the spectrum of the program that a member is of; None without a spectrum
    """

    def __init__(self, k: int, field: Floats, groups: Groups = None) -> None:
        self.k, self.field, self.groups = k, field, groups
        self.one: Matrix = field
        self.width = self.columns = 0  # of the unknowns alone; of all
        self._normals: dict[tuple[int, int], int] = {}

    def begin(self, unknowns: Mapping[str, int], draws: Iterable[tuple[int, int]] = ()) -> dict[str, Matrix]:
        """New columns: the unknowns by name, each with its rows as unit columns, and the constant.

        draws  (step, slot) of the normals that are drawn from now on, k columns each
        """
        self.width = sum(unknowns.values())
        self._normals = {draw: self.width + self.k * j for j, draw in enumerate(dict.fromkeys(draws))}
        self.columns = self.width + self.k * len(self._normals) + 1
        self.one = self._zeros(1)
        self.one[..., 0, -1] = self.field
        unit = np.broadcast_to(np.eye(self.width, self.columns), (*self.field.shape, self.width, self.columns))
        names, first = {CONSTANT: self.one}, 0
        for name, rows in unknowns.items():
            names[name] = unit[..., first : first + rows, :]
            first += rows
        return names

    def combine(self, row: Affine, n: int, names: Mapping[str, Matrix]) -> Matrix:
        """The `row` over `names`, in the columns of now; `n` does not matter."""
        rows = len(row.terms[0][1]) if row.terms else self.k
        own = ((blocks_at(block, self.groups), source) for source, block in row.terms)
        return sum((blocks @ names[source] for blocks, source in own), self._zeros(rows))

    def draw(self, noise: Draw, n: int, names: Mapping[str, Matrix]) -> Matrix:
        """The factor of the `noise` in the columns of step `n` and its slot; `names` do not matter."""
        value, first = self._zeros(self.k), self._normals[n, noise.slot]
        value[..., first : first + self.k] = blocks_at(noise.factor, self.groups)
        return value

    def _zeros(self, rows: int) -> Matrix:
        return np.zeros((*self.field.shape, rows, self.columns))


def draws_of(n: int, step: ProgramStep) -> list[tuple[int, int]]:
    """(step, slot) of every noise of step number n."""
    return [(n, i.slot) for i in step.instructions if isinstance(i, Draw)]


def step_maps(
    program: Program, network: AffineNetwork, field: Floats, groups: Groups = None
) -> Iterator[tuple[Matrix, Matrix, Matrix]]:
    """(A, B, c) of each step, which hands on A (what it inherits) + B normals + c: the state, then carried names.

    The last step of a program hands on the state alone.
    program  whose steps they are
    network  what it calls, affine in the state
    field    (*batch,), the constant source: ones, or the coordinates of the constant field
    groups   (*batch,), the group of directions of each member, for a program with a spectrum
    returns  A (*batch, handed, inherited), B (*batch, handed, k draws), c (*batch, handed)
    raises   InputError for a program with a spectrum and no groups
    cost     one product of such small matrices an instruction
    """
    if groups is None:
        check_alike(program)
    algebra, last = Matrices(program.process.blocks, field, groups), len(program.steps) - 1
    found: list[tuple[Matrix, Matrix, Matrix]] = []

    def hand(n: int, step: ProgramStep, names: dict[str, Matrix]) -> dict[str, Matrix]:
        kept = handed(n, step, names)
        del kept[CONSTANT]
        rows = np.concatenate([kept[START]] if n == last else list(kept.values()), axis=-2)
        found.append((rows[..., : algebra.width], rows[..., algebra.width : -1], rows[..., -1]))
        draws = [] if n == last else draws_of(n + 1, program.steps[n + 1])
        return algebra.begin({name: value.shape[-2] for name, value in kept.items()}, draws)

    begun = algebra.begin({START: algebra.k}, draws_of(0, program.steps[0]))
    walk = Walk(program, begun[START], algebra, hand)
    while not walk.done:
        yield from found
        found.clear()
        slope, offset = network(walk.time)
        output = slope @ walk.row
        output[..., -1] += offset
        walk.send(output)
    yield from found


def laws_along(
    maps: Iterable[tuple[Matrix, Matrix, Matrix]], mean: Floats, covariance: Floats
) -> Iterator[tuple[Floats, Floats]]:
    """Mean (*batch, handed) and covariance of what each step hands on, for a state of that law at the start.

    maps               of `step_maps`
    mean, covariance   (*batch, k) and (*batch, k, k)
    """
    for linear, noise, shift in maps:
        mean = (linear @ mean[..., None])[..., 0] + shift
        covariance = linear @ covariance @ np.swapaxes(linear, -1, -2) + noise @ np.swapaxes(noise, -1, -2)
        yield mean, covariance


def gaussian_networks(
    program: Program, variances: Floats, mean: Floats, groups: Groups = None
) -> dict[float, tuple[Floats, Floats]]:
    """For every told time (slope (d, q, k), offset (d, q)) with network output = slope z + offset, in d directions.

    z says about x_0 what y = e' Sigma^-1 z / I says, I = e' Sigma^-1 e, a normal with mean x_0 and variance 1 / I; so
    E[x_0 | z] = m + g (y - m) with g = v / (v + 1 / I).

    program           whose network it is, exact for data N(mean, variances) in independent directions; two outputs
                      of it agree, as there is no guidance
    variances, mean   (d,) each
    groups            (d,), the group that each direction is of, where these have processes of their own
    """
    if groups is not None and program.modes:
        parts = []
        for own in (groups == group for group in np.unique(groups)):
            alone = replace(program, process=program.modes[groups[own][0]], modes=())
            parts.append((own, gaussian_networks(alone, variances[own], mean[own])))
        told = parts[0][1]
        slopes, offsets = ([_dealt([(own, part[t][i]) for own, part in parts]) for t in told] for i in (0, 1))
        return dict(zip(told, zip(slopes, offsets, strict=True), strict=True))
    process = program.process
    times = np.unique([evaluation.time for evaluation in evaluations(program)])
    e, sigma = process.kernel(times)
    weights = np.linalg.solve(sigma, e[:, :, None])[:, :, 0]
    information = np.einsum("ni,ni->n", e, weights)
    row = weights / information[:, None]
    gain = variances / (variances + 1 / information[:, None])
    P, Q = convert("data", program.network, process, times)
    slope = P[:, None] + gain[:, :, None, None] * (Q * row[:, None, :])[:, None]
    offset = ((1 - gain) * mean)[:, :, None] * Q[:, None, :, 0]
    if program.both:
        slope, offset = (np.concatenate([own, own], axis=2) for own in (slope, offset))
    return {float(t): (slope[n], offset[n]) for n, t in enumerate(times)}


def _dealt(parts: Sequence[tuple[NDArray[np.bool_], Floats]]) -> Floats:
    """Each part (its directions, .) where its directions stand, (d, .)."""
    found = np.empty((len(parts[0][0]), *parts[0][1].shape[1:]))
    for own, part in parts:
        found[own] = part
    return found
