"""Images drawn for experiments: the makers of such cells, and what these compute."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, join, split
from numtoolkit.declare.scheme import Scheme
from numtoolkit.files.result_store import Cell
from numtoolkit.laws import Law
from numtoolkit.measure import exact_flow
from numtoolkit.measure.own_networks import OwnNetwork, own_network
from numtoolkit.models.conditions import Conditions
from numtoolkit.models.network import Network
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import lower
from numtoolkit.program.runs import times_of
from numtoolkit.reproduce.subjects import (
    conditions_of,
    guided,
    law_and_process,
    law_at,
    scheme_facts,
    sources_of,
    unchanged,
)
from numtoolkit.sampling.state import origin


def picture_cell(
    process: str,
    law: str,
    count: int,
    exact: bool,
    scheme: str = "",
    grid: str = "",
    nfe: int = 0,
    classes: int = 0,
    guidance: float = 1.0,
) -> Cell:
    """Images drawn by a scheme, or without one the ends of the exact flow.

    process, law, grid   specifications
    count    of images; the starts are those of the seeds 0 .. count - 1
    exact    say which images are not where the exact flow ends
    scheme   its specification, "" for the exact flow
    nfe      evaluations
    classes, guidance   as of `numtoolkit.reproduce.kinds.Samples`
    """
    about = law_and_process(process, law) | {"count": count} | sources_of(scheme, process, law)
    about |= {"classes": classes or None, "guidance": None if guidance == 1 else guidance}
    if not scheme:
        return Cell.of("exact-pictures", **about)
    return Cell.of("pictures", **about, **scheme_facts(scheme), grid=resolved(grid), nfe=nfe, exact=exact)


def pictures_of(data: Mapping[str, Any]) -> Floats:
    """The images of a result in [-1, 1], (count, height, width) or (count, 3, height, width).

    data   the result of a `picture_cell`
    """
    return np.array(data["images"]) / 127.5 - 1


def _starts(process: Process, law: Law, count: int) -> list[Floats]:
    seeds = range(count)
    return origin(process, process.T, seeds, None, law.shape, np.float64, None).blocks(seeds)


@lru_cache(maxsize=4)
def _law_ends(process: Process, law: Law, count: int) -> Floats:
    """Where the exact flow takes the starts 0 .. count - 1."""
    return exact_flow(process, law, _starts(process, law, count), process.T, process.t_min)[0]


def _subject(process: Process, law: Law | Network, count: int, classes: int, guidance: float) -> Law | OwnNetwork:
    """What pictures are drawn with: a law by its exact network, or a network, told classes in turn and guided."""
    if not isinstance(law, Network):
        return law
    told = Conditions(conditions_of(classes, count)) if classes else None
    return own_network(guided(law, guidance), process, conditions=told)


def _ends(process: Process, subject: Law | OwnNetwork, count: int) -> Floats:
    if isinstance(subject, OwnNetwork):
        return subject.ends(process.T, process.t_min, tuple(range(count))).data
    return _law_ends(process, subject, count)  # type: ignore[arg-type]  # laws hash by identity


def draw_exactly(
    process: str, law: str, count: int, law_sha256: str | None = None, classes: int = 0, guidance: float = 1.0
) -> dict[str, Any]:
    """The result of a cell without a scheme.

    process, law, count, law_sha256, classes, guidance   its data, as `picture_cell` makes them
    """
    at = process_of(process)
    return {"images": _levels(_ends(at, _subject(at, law_at(law, law_sha256), count, classes, guidance), count))}


def draw(
    process: str,
    law: str,
    count: int,
    scheme: str,
    scheme_sha256: str,
    grid: str,
    nfe: int,
    exact: bool,
    law_sha256: str | None = None,
    classes: int = 0,
    guidance: float = 1.0,
) -> dict[str, Any]:
    """The result of a cell with a scheme.

    process, law, count, scheme, scheme_sha256, grid, nfe, exact, law_sha256, classes, guidance   its data, as
             `picture_cell` makes them
    """
    found, at = unchanged(scheme, scheme_sha256), process_of(process)
    on = _subject(at, law_at(law, law_sha256), count, classes, guidance)
    drawn = _drawn_by_network if isinstance(on, OwnNetwork) else _drawn_by_law
    about, images = drawn(found, at, on, grid, nfe, count)
    astray = np.zeros(count, bool)
    if exact and found.kind == "ode":
        ends = _ends(at, on, count)
        variance = np.mean(np.var(ends, axis=0)) if isinstance(on, OwnNetwork) else on.variance
        distance = np.sqrt(np.mean((images - ends).reshape(count, -1) ** 2, axis=1))
        astray = ~(distance < np.sqrt(variance) / 2)
    return {**about, "astray": astray.tolist(), "images": _levels(images)}


def _drawn_by_law(
    scheme: Scheme, at: Process, law: Any, grid: str, nfe: int, count: int
) -> tuple[dict[str, Any], Floats]:
    from numtoolkit.sampling.runner import sample

    drawn = sample(scheme, at, law, grid, nfe, seeds=range(count),
                   start=join(_starts(at, law, count)), progress=False, on_nonfinite="mark")  # fmt: skip
    blocks = split(drawn.samples, at.blocks)
    left = _left_to_denoise(at, law, blocks, float(drawn.program.times[-1]))
    return {"nfe": drawn.nfe, "noise_left": left}, blocks[0]


def _drawn_by_network(
    scheme: Scheme, at: Process, own: Any, grid: str, nfe: int, count: int
) -> tuple[dict[str, Any], Floats]:
    program = lower(scheme, at, times_of(scheme, at, grid, nfe=nfe), own.network.predicts, nfe)
    own.check(program)
    return {"nfe": program.nfe}, own.run(program, tuple(range(count)))


def _levels(images: Floats) -> list[Any]:
    """Levels 0 .. 255, as they are drawn, of images in [-1, 1]; what is not finite is white."""
    levels = np.clip(np.nan_to_num((images + 1) * 127.5, nan=255.0), 0, 255)
    return list(np.rint(levels).astype(int).tolist())


def _left_to_denoise(process: Process, law: Law, blocks: list[Floats], t: float) -> float | None:
    """RMS over samples and coordinates of what the exact denoiser would still take away at time t."""
    if t == 0:
        return 0.0
    left = float(np.sqrt(np.mean((blocks[0] - law.denoise(*process.observe(blocks, t))) ** 2)))
    return left if math.isfinite(left) else None
