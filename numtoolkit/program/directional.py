"""Runs on arrays whose coefficients differ by direction of the data: what `Arrays` is for all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from numtoolkit.arrays import library
from numtoolkit.declare.steps import START
from numtoolkit.errors import InputError, counted
from numtoolkit.problem.directions import Directions
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.program import Affine, Draw, Modal
from numtoolkit.program.walk import Blocks, Normals, Update, drawn, plain


class Directional:
    """The algebra of such a run.

    What all directions share goes through `update` as in any run. What some differ by is added in the coordinates of
    the basis, in the dtype of the state, by a product with the basis for each such term of a row and one back, of 2 d r
    operations a sample each, d coordinates and r columns. Their last bits may depend on the batch and on the library.

    directions  in whose groups the coefficients are, of samples or of each of their channels
    like        a state block (batch, *event), for shape, dtype and device
    normals, update   as of `Arrays`
    raises    InputError for samples of other coordinates than the spectrum is of
    """

    def __init__(
        self, directions: Spectrum | Directions, like: Any, normals: Normals | None = None, update: Update = plain
    ) -> None:
        self.normals, self.update, self._like = normals, update, like
        event, counts, spectrum = tuple(like.shape[1:]), directions.multiplicity, directions
        size, groups = int(np.prod(event)), len(counts)
        if isinstance(directions, Directions):
            directions.check(event)
            size = len(directions.basis)
        elif (groups > 1 and counts.sum() != size) or spectrum.mean.size not in (1, size):
            raise InputError(
                f"the spectrum {spectrum.digest} is of {counts.sum():g} directions, and a sample of shape {event} has "
                f"{counted(size, 'coordinate')}; give the spectrum of such data."
            )
        led = size if spectrum.basis is None else spectrum.basis.shape[1]
        self._basis = None if spectrum.basis is None else self._array(spectrum.basis)
        self._groups = np.repeat(np.arange(groups), counts.astype(np.int64))[:led]
        self._rest = None if led == size else groups - 1  # the group of what the basis leaves
        self._vectors: dict[int, Any] = {}
        self._size = size
        mean = self._array(spectrum.mean.reshape(event) if spectrum.mean.ndim else spectrum.mean)
        self.one: Blocks = [library(like).broadcast_to(mean, like.shape)]

    def combine(self, row: Affine, n: int, names: Mapping[str, Blocks]) -> Blocks:
        """Each block of the `row`, summed over `names`; `n` does not matter."""
        lines = zip(*(block for _, block in row.terms), strict=True)
        found = [
            self._sum(
                (c, names[source][j])
                for (source, _), part in zip(row.terms, line, strict=True)
                for j, c in enumerate(part)
            )
            for line in lines
        ]
        return found or [self._like * 0.0 for _ in names[START]]

    def draw(self, noise: Draw, n: int, names: Mapping[str, Blocks]) -> Blocks:
        """The `noise` from the normals of step `n`; `names` do not matter."""
        xi = drawn(self.normals, n, noise.slot)
        return [self._sum((c, xi[j]) for j, c in enumerate(line)) for line in noise.factor]

    def _sum(self, terms: Iterable[tuple[Any, Any]]) -> Any:
        shared, led = [], None
        for c, array in terms:
            if isinstance(c, Modal):
                own = self._coordinates(array) * self._vector(c)
                led = own if led is None else led + own
                c = 0.0 if self._rest is None else c[self._rest]
            if c:
                shared.append((c, array))
        total = self.update(shared) if shared else self._like * 0.0
        return total if led is None else total + self._back(led)

    def _coordinates(self, array: Any) -> Any:
        flat = array.reshape(-1, self._size)
        return flat if self._basis is None else flat @ self._basis

    def _back(self, led: Any) -> Any:
        return (led if self._basis is None else led @ self._basis.T).reshape(self._like.shape)

    def _vector(self, c: Modal) -> Any:
        """What a coefficient is in each coordinate of the basis, less what the rest has."""
        if id(c) not in self._vectors:  # the program keeps it, and so its number
            rest = 0.0 if self._rest is None else c[self._rest]
            self._vectors[id(c)] = self._array((np.array(c) - rest)[self._groups])
        return self._vectors[id(c)]

    def _array(self, values: Any) -> Any:
        xp, like = library(self._like), self._like
        if xp is np:
            return np.asarray(values, dtype=like.dtype)
        return xp.as_tensor(np.array(values), dtype=like.dtype, device=like.device)
