"""`curve`: error against network evaluations, as numbers and as a picture."""

from __future__ import annotations

import argparse
from typing import Any

from numtoolkit.cli.networks import add_network, network_from, weights_of
from numtoolkit.cli.output import (
    Command,
    Record,
    add_grid,
    add_json,
    add_process,
    destination,
    grid,
    keep,
    listed,
    note,
    number,
    numbers,
    progress,
    report,
    schemes,
    without_empty,
)
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST, MOST_NFE
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import check_defined
from numtoolkit.program.runs import laid

# Columns of the table that go first where it is wider than the terminal.
OPTIONAL = ("frechet_floor", "frechet", "reference_error", "reference_nfe", "high", "low", "floor", "median")


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_process(parser)
    add_network(parser)
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    add_grid(parser)
    parser.add_argument("--nfe", required=True, metavar="5,10,20", help="budgets of network evaluations")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument("--seeds", metavar="0-63", help="one a sample; by default as many as the metric needs")
    drawn.add_argument("--samples", metavar="N", help="the seeds 0 to N - 1")
    parser.add_argument("--metric", choices=("path", "law"), help="measure that alone, by default both")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure import error_curve
    from numtoolkit.measure.curves import check_samples, metric_of

    process, (network, numbers_in) = process_of(arguments.process), network_from(arguments)
    chosen, metric = schemes(listed(arguments.schemes, "--schemes")), arguments.metric
    budgets, seeds = numbers(arguments.nfe, "--nfe", 1, MOST_NFE), _seeds(arguments)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure(metric_of(scheme, process, network, metric) for scheme in chosen)
    for scheme in chosen:
        check_defined(scheme, process)
        laid(scheme, process, arguments.grid, 2)
        metric_of(scheme, process, network, metric)
        if seeds is not None:
            check_samples(scheme, process, network, len(seeds), metric)
    records: list[Record] = []
    for scheme in progress(chosen, "measuring"):
        records += error_curve(scheme, process, network, arguments.grid, budgets, seeds, metric=metric, **numbers_in)
    if all(record["error"] is None for record in records):
        raise InputError(f"nothing was measured: {records[0]['why']}")
    if path is not None:
        title = f"{network.name} on {process.spec}, grid {arguments.grid}"
        keep(path, records, title, arguments.command, lambda: _drawn(records, title), weights_of(network))
    report(arguments, records, lambda: grid(without_empty(_shown(records)), optional=OPTIONAL))
    for record in records:
        if "why" in record:
            note(f"{record['scheme']} at {record['nfe']}: {record['why']}")
    for line in dict.fromkeys(f"{r['scheme']} {r['projects']}" for r in records if "projects" in r):
        note(line)
    return 0


def _drawn(records: list[Record], title: str) -> Any:
    from numtoolkit.plots import curve_figure

    return curve_figure(records, title)


def _seeds(arguments: argparse.Namespace) -> list[int] | None:
    if arguments.samples is not None:
        return list(range(number(arguments.samples, "--samples", 1, MOST)))
    return None if arguments.seeds is None else numbers(arguments.seeds, "--seeds")


def _shown(records: list[Record]) -> list[Record]:
    """The records as a table shows them: words for an ordinary plan beside others, and no error twice."""
    filled = any(record["plan"] for record in records)
    again = [kind for kind in ("path", "law") if all(r.get(kind) in (None, r["error"]) for r in records)]
    hidden = {"why", "projects", "path_low", "path_high", "law_low", "law_high", *again}
    return [
        {key: value for key, value in record.items() if key not in hidden}
        | {"plan": record["plan"] or "whole steps" if filled else None}
        for record in records
    ]


CURVE = Command("curve", "Error against network evaluations, of a law or of a network of your own.", _arguments, _run)
