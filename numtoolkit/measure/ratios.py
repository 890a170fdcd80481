"""Runs beside one another from the same starts: how many times the error of one along paths is that of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.laws.named import is_law
from numtoolkit.measure.curves import PATH, error_by
from numtoolkit.measure.distances import Ratio, ratio
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.measure.own_networks import own_network
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.processes import Process
from numtoolkit.program.runs import program_of

LEAST = 1e-24  # square of an error that counts as none: what the exact flow is good to


def error_ratios(
    runs: Sequence[tuple[Any, str]],
    process: Process,
    network: Any,
    nfe: int,
    seeds: Sequence[int],
    conditions: Sequence[int] | None = None,
    tile: int | None = None,
) -> list[Ratio | None]:
    """The errors along paths of the first run over those of each other.

    runs        deterministic schemes, each with the specification of its grid
    process     of all
    network     a law, for its exact network, or a network of one's own
    nfe         evaluations of each run
    seeds       one a sample
    conditions  of one's own network, one a sample; None for none
    tile        samples that it sees at once
    returns     one for each run but the first; None where the budget cannot be spent or a run leaves the finite numbers
    cost        nfe evaluations a run, and the flow, which is kept as for `numtoolkit.error_curve`
    """
    told = None if conditions is None else Conditions(list(conditions))
    law = network if is_law(network) else None
    predicts = DATA if law is not None else network.predicts
    subject = (
        ExactNetwork(law, process) if law is not None else own_network(network, process, conditions=told, tile=tile)
    )

    def squares(scheme: Any, grid: str) -> Floats | None:
        try:
            program = program_of(scheme, process, grid, nfe, predicts=predicts)
        except InputError:
            return None
        found = error_by(PATH, subject, program, tuple(seeds)).parts
        assert isinstance(found, np.ndarray)  # as along paths they are
        return np.maximum(found, LEAST) if np.isfinite(found).all() else None

    kept: dict[tuple[Any, str], Floats | None] = {}
    for run in runs:
        if run not in kept:
            kept[run] = squares(*run)
    first, *others = (kept[run] for run in runs)
    return [None if first is None or own is None else ratio(first, own) for own in others]
