"""Cells of runs of other libraries' samplers beside ours: their errors, and those of ours over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, NonFiniteError, brief
from numtoolkit.files.result_store import Cell
from numtoolkit.laws.named import is_law
from numtoolkit.measure.curves import Subject
from numtoolkit.measure.distances import ratio
from numtoolkit.measure.exact_networks import ExactNetwork, Seeds
from numtoolkit.measure.own_networks import own_network
from numtoolkit.measure.peer_runs import Beside, own_run, peer_run
from numtoolkit.measure.peers import Peer, lacking, peer
from numtoolkit.measure.ratios import LEAST
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.runs import program_of, times_of
from numtoolkit.reproduce.ratios import Pair
from numtoolkit.reproduce.subjects import (
    DTYPE,
    TILE,
    law_and_process,
    law_at,
    scheme_at,
    scheme_facts,
    sources_of,
    unchanged,
)

OURS = ""  # in place of the name of a peer
LAW = ("law", "law_low", "law_high")  # an error in law, or one over another, and its interval


def peers_cell(
    ours: Mapping[int, Pair],
    process: str,
    law: str,
    samples: int,
    first: int,
    dtype: str,
    sampler: str,
    version: str,
    alone: bool,
    draws: bool = False,
) -> Cell:
    """The errors of a peer, and those of ours over them; or of ours.

    ours      scheme and grid by budget
    process, law, dtype   as of `numtoolkit.reproduce.work.curve_cell`
    samples   number of seeds, from `first` on
    sampler   a peer, "" for ours
    version   of its library
    alone     whether it is given the levels of our grids
    draws     whether runs draw noise, and are held to the law alone
    """
    pairs = list(dict.fromkeys(ours.values()))
    sources: dict[str, str] = {}
    for scheme, _ in pairs:
        sources |= sources_of(scheme, process, law)["sources"] or {}
    return Cell.of(
        "peers",
        sampler=sampler or None,
        version=version or None,
        alone=alone or None,
        draws=draws or None,
        pairs=[scheme_facts(scheme) | {"grid": resolved(grid)} for scheme, grid in pairs],
        nfe=list(ours),
        ours=[pairs.index(pair) for pair in ours.values()],
        **law_and_process(process, law),
        sources=sources or None,
        samples=samples,
        first=first or None,
        dtype=None if dtype == DTYPE else dtype,
    )


def against(
    pairs: Sequence[Mapping[str, str]],
    nfe: Sequence[int],
    ours: Sequence[int],
    process: str,
    law: str,
    samples: int,
    first: int = 0,
    dtype: str = DTYPE,
    law_sha256: str | None = None,
    sampler: str = OURS,
    version: str = "",
    alone: bool = False,
    draws: bool = False,
) -> list[dict[str, Any]]:
    """The result of a `peers_cell`, a record a budget; a run that was not to be had says `why`.

    pairs    scheme, its digest and grid of each; ours are the places in it of those of each budget `nfe`
    process, law, law_sha256   as `numtoolkit.reproduce.subjects.law_and_process` names them
    samples, first, dtype, sampler, version, alone, draws   as of `peers_cell`
    raises   InputError where the library is not installed in that version
    """
    other = peer(sampler) if sampler else None
    if other is not None and (said := lacking(other.library, version)):
        raise InputError(said)
    subject, seeds = _subject(process, law, law_sha256, dtype, samples, first), tuple(range(first, first + samples))
    return [
        _record(subject, pairs[place], budget, seeds, other, alone, draws)
        for budget, place in zip(nfe, ours, strict=True)
    ]


def able(data: Mapping[str, Any]) -> bool:
    """Whether what computes the cell of some `data` is installed here."""
    return "sampler" not in data or not lacking(peer(data["sampler"]).library, data["version"])


def _record(
    subject: Subject, pair: Mapping[str, str], nfe: int, seeds: Seeds, other: Peer | None, alone: bool, draws: bool
) -> dict[str, Any]:
    own = _ours(subject, pair["scheme"], pair["scheme_sha256"], pair["grid"], nfe, seeds, not alone)
    if other is None:
        return {"nfe": nfe} | (_told(own) if isinstance(own, Beside) else {"why": own})

    def times(steps: int) -> Floats:
        return times_of(scheme_at(pair["scheme"]), subject.process, pair["grid"], steps=steps)

    try:
        found = peer_run(other, subject, nfe, seeds, times if alone else None, draws)
    except NonFiniteError as lost:
        return {"nfe": nfe, "why": str(lost)}
    except InputError:
        raise
    except Exception as refusal:  # what a library raises of a budget is a result of it
        return {"nfe": nfe, "why": f"{type(refusal).__name__}: {brief(str(refusal), 160)}"}
    return {"nfe": nfe} | _told(found) | {"over": _over(own, found) if isinstance(own, Beside) else None}


def _over(own: Beside, found: Beside) -> dict[str, float | None]:
    """The error of ours over that of a peer from the same starts: along paths, or in law of runs that have none."""
    if own.squares is None or found.squares is None:
        return _finite(dict(zip(LAW, own.law.over(found.law), strict=False)))
    return _finite(ratio(np.maximum(own.squares, LEAST), np.maximum(found.squares, LEAST))._asdict())


@lru_cache(maxsize=64)  # of all peers on a subject
def _ours(
    subject: Subject, scheme: str, scheme_sha256: str, grid: str, nfe: int, seeds: Seeds, to_data: bool
) -> Beside | str:
    """The errors of ours, or why it has none."""
    predicts = DATA if isinstance(subject, ExactNetwork) else subject.network.predicts
    try:
        program = program_of(unchanged(scheme, scheme_sha256), subject.process, grid, nfe, predicts=predicts)
        return own_run(subject, program, seeds, to_data)
    except (InputError, NonFiniteError) as refusal:
        return str(refusal)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: float(value) if math.isfinite(value) else None for key, value in values.items()}


def _told(own: Beside) -> dict[str, Any]:
    """The errors of a run as they stand in a record."""
    along = {} if own.path is None else {key: getattr(own.path, key) for key in ("rms", "low", "high", "median")}
    return (
        _finite({"error" if key == "rms" else key: value for key, value in along.items()})
        | _finite(dict(zip(LAW, own.law.root, strict=False)) | {"floor": own.floor})
        | {"evaluations": own.evaluations}
    )


@lru_cache(maxsize=4)
def _subject(process: str, law: str, law_sha256: str | None, dtype: str, samples: int, first: int) -> Subject:
    """One object for all cells on it, so that its flows are found again."""
    on = law_at(law, law_sha256, 0.0, dtype)
    if is_law(on):
        return ExactNetwork(on, process_of(process))
    reference = tuple(range(first + samples, first + 2 * samples))
    return own_network(on, process_of(process), tile=TILE, reference=reference)
