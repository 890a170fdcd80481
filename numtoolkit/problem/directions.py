"""Directions of data in groups, of which each goes its own way, and noise levels that differ by direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from numtoolkit.arrays import Floats, library
from numtoolkit.errors import InputError


@dataclass(frozen=True, eq=False)
class Directions:
    """Groups of directions of samples, or of the last axes of them: what stands before these, channels, repeats them.

    event         shape of the last axes, of d coordinates
    multiplicity  (n,), how many directions each group has, d in all
    basis         (d, d), orthonormal columns: the directions of the groups in order, coordinates in C order
    digest        the word that names them
    """

    event: tuple[int, ...]
    multiplicity: Floats
    basis: Floats
    digest: str
    mean: ClassVar[Floats] = np.ones(())  # the constant source of a run in them

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directions) and (self.digest, self.event) == (other.digest, other.event)

    def __hash__(self) -> int:
        return hash((self.digest, self.event))

    def __repr__(self) -> str:
        return f"<Directions of {self.event} in {len(self.multiplicity)} groups>"

    @property
    def groups(self) -> Any:
        """(d,), the group of each direction."""
        return np.repeat(np.arange(len(self.multiplicity)), self.multiplicity.astype(np.int64))

    def check(self, event: Sequence[int]) -> None:
        """raises   InputError for samples of a shape `event` whose last axes are others"""
        if tuple(event)[-len(self.event) :] != self.event:
            raise InputError(
                f"{self.digest} is of samples whose last axes are {self.event}, and here they have shape "
                f"{tuple(event)}; give the size of such data."
            )

    def over(self, event: Sequence[int]) -> Directions:
        """Those of whole samples of a shape, each group with the directions that it has in every channel.

        raises   InputError for samples of other last axes
        """
        self.check(event)
        times = math.prod(event) // math.prod(self.event)
        if times == 1:
            return self
        order = np.argsort(np.tile(self.groups, times), kind="stable")
        basis: Floats = np.asarray(np.kron(np.eye(times), self.basis)[:, order], dtype=np.float64)
        return Directions(tuple(event), self.multiplicity * times, basis, self.digest)

    def scaled(self, factors: Floats, array: Any) -> Any:
        """Samples whose part in every group is taken a number of times.

        factors  (n,), one a group
        array    (batch, *event), numpy or torch
        cost     two products with the basis
        """
        self.check(array.shape[1:])
        xp = library(array)
        each, basis = factors[self.groups], self.basis
        if xp is not np:
            each, basis = (xp.as_tensor(np.array(own), dtype=array.dtype, device=array.device) for own in (each, basis))
        else:
            each, basis = (own.astype(array.dtype, copy=False) for own in (each, basis))
        rows = array.reshape(-1, len(basis))
        return ((rows @ basis) * each @ basis.T).reshape(array.shape)


@dataclass(frozen=True, eq=False)
class Levels:
    """Noise levels of an observation y = x_0 + n that differ by direction: n has the deviation s_i in those of group i.

    directions  in which the noise is independent
    values      (n,), one a group
    """

    directions: Directions
    values: Floats
