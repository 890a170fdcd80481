"""Cells of runs beside one another: the errors along paths of one over those of others, from the same starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numtoolkit.files.result_store import Cell
from numtoolkit.laws.named import is_law
from numtoolkit.measure.ratios import error_ratios
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.processes import process as process_of
from numtoolkit.reproduce.subjects import (
    DTYPE,
    TILE,
    conditions_of,
    guided,
    law_and_process,
    law_at,
    scheme_facts,
    sources_of,
    unchanged,
)

Pair = tuple[str, str]  # a scheme and a grid


def ratios_cell(
    runs: Mapping[int, Sequence[Pair]],
    process: str,
    law: str,
    samples: int,
    first: int = 0,
    classes: int = 0,
    guidance: float = 1.0,
    dtype: str = DTYPE,
) -> Cell:
    """How the first of some pairs compares with the others, budget by budget.

    runs     for each budget pairs of specifications, the first of which is compared with each other
    process, law   specifications
    samples  number of seeds, from `first` on
    classes, guidance, dtype   as of `numtoolkit.reproduce.kinds.Errors`
    """
    pairs = list(dict.fromkeys(pair for own in runs.values() for pair in own))
    sources: dict[str, str] = {}
    for scheme, _ in pairs:
        sources |= sources_of(scheme, process, law)["sources"] or {}
    return Cell.of(
        "ratios",
        pairs=[scheme_facts(scheme) | {"grid": resolved(grid)} for scheme, grid in pairs],
        nfe=list(runs),
        runs=[[pairs.index(pair) for pair in own] for own in runs.values()],
        **law_and_process(process, law),
        sources=sources or None,
        samples=samples,
        first=first or None,
        classes=classes or None,
        guidance=None if guidance == 1 else guidance,
        dtype=None if dtype == DTYPE else dtype,
    )


def compared(
    pairs: Sequence[Mapping[str, str]],
    nfe: Sequence[int],
    runs: Sequence[Sequence[int]],
    process: str,
    law: str,
    samples: int,
    first: int = 0,
    classes: int = 0,
    guidance: float = 1.0,
    dtype: str = DTYPE,
    law_sha256: str | None = None,
) -> list[list[dict[str, float | None] | None]]:
    """The result of a `ratios_cell`: the fields of a `Ratio` for each budget and each other run.

    pairs   scheme, its digest and grid of each; runs are the places in it of those of each budget `nfe`
    process, law, law_sha256   as `numtoolkit.reproduce.subjects.law_and_process` names them
    samples, first, classes, guidance, dtype   as of `ratios_cell`
    """
    on = guided(law_at(law, law_sha256, 0.0, dtype), guidance)
    made = [(unchanged(pair["scheme"], pair["scheme_sha256"]), pair["grid"]) for pair in pairs]
    how: dict[str, Any] = {} if is_law(on) else {"tile": TILE}
    how |= {"conditions": conditions_of(classes, samples)} if classes else {}
    seeds = range(first, first + samples)
    found = []
    for budget, own in zip(nfe, runs, strict=True):
        ratios = error_ratios([made[i] for i in own], process_of(process), on, budget, seeds, **how)
        found.append([None if one is None else _plain(one._asdict()) for one in ratios])
    return found


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: float(value) if math.isfinite(value) else None for key, value in values.items()}
