"""Where a run left the finite numbers: it is replayed with a look at every value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numtoolkit.errors import NonFiniteError
from numtoolkit.program.program import Affine, Draw, Program
from numtoolkit.program.walk import Algebra, Blocks, NetworkCall, Normals, Update, Walk, arrays_of
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

    program, network, start, normals, update   those of the run, as `sampling.loop.run` takes them
    cost   one more run of the batch, and a look at every value of the sample
    """
    if not _finite(start, row):
        return NonFiniteError(f"{who} is not finite in its start; give finite start values.")
    try:
        walk = Walk(program, list(start), _Finite(arrays_of(program, start, normals, update), row))
        while walk.call is not None:
            output = list(network(walk.row, walk.time))
            if not _finite(output, row):
                raise _Lost(
                    walk.step,
                    f"evaluation {walk.call.name}",
                    f"told t = {walk.time:.6g}, the network returned NaN or infinity for a finite input; mend the "
                    "network there",
                )
            walk.send(output)
    except _Lost as lost:
        step = program.steps[lost.step]
        window = f"of step {lost.step} (t = {step.start:.6g} to {step.end:.6g})"
        return NonFiniteError(f"{who} leaves the finite numbers in {lost.stage} {window}: {lost.reason}.")
    return NonFiniteError(
        f"{who} is not finite, but was when the run was repeated; the network is not a function of its input and time."
    )


class _Lost(Exception):
    """The first value that is not finite: the number of its step, what it is, and why."""

    def __init__(self, step: int, stage: str, reason: str) -> None:
        super().__init__(step, stage, reason)
        self.step, self.stage, self.reason = step, stage, reason


@dataclass(frozen=True)
class _Finite:
    """The algebra of a run whose values are looked at: sample `row` is finite in each, or the walk ends there."""

    of: Algebra[Blocks]
    row: int

    @property
    def one(self) -> Blocks:
        return self.of.one

    def combine(self, row: Affine, n: int, names: Mapping[str, Blocks]) -> Blocks:
        return self._seen(self.of.combine(row, n, names), n, f"row {row.name}")

    def draw(self, noise: Draw, n: int, names: Mapping[str, Blocks]) -> Blocks:
        return self._seen(self.of.draw(noise, n, names), n, f"noise {noise.name}")

    def _seen(self, value: Blocks, n: int, stage: str) -> Blocks:
        if not _finite(value, self.row):
            raise _Lost(n, stage, "a number outgrows the dtype; take a wider dtype or more steps")
        return value


def _finite(blocks: Sequence[Any], row: int) -> bool:
    return all(bool(finite_rows(block[row : row + 1])[0]) for block in blocks)
