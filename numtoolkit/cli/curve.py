"""`curve`: error against network evaluations, as numbers and as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from numtoolkit.cli.networks import add_network, network_from, numbers_of
from numtoolkit.cli.output import (
    Command,
    Record,
    add_json,
    destination,
    grid,
    listed,
    note,
    number,
    numbers,
    progress,
    report,
    schemes,
    write_sidecar,
)
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES, csv_text, write, write_figure
from numtoolkit.limits import MOST, MOST_NFE
from numtoolkit.problem.grids import ALIASES as OTHER_GRIDS
from numtoolkit.problem.grids import GRIDS
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.processes import ALIASES, PROCESSES, SCHEDULES
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import problem_of

# Columns of the table that go first where it is wider than the terminal.
OPTIONAL = ("frechet_floor", "frechet", "reference_error", "reference_nfe", "high", "low", "floor", "median")


def _arguments(parser: argparse.ArgumentParser) -> None:
    processes = f"{', '.join([*PROCESSES, *SCHEDULES, *ALIASES])}; or a table, FILE.npz, or a scheduler_config.json"
    parser.add_argument("--process", required=True, metavar="P", help=processes)
    add_network(parser)
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    grids = f"{', '.join([*GRIDS, *OTHER_GRIDS])}; with parameters, 'rho(7)', 'trailing(shift=3)'"
    parser.add_argument("--grid", required=True, metavar="G", help=grids)
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

    process, network, numbers_in = process_of(arguments.process), network_from(arguments), numbers_of(arguments)
    chosen, metric = schemes(listed(arguments.schemes, "--schemes")), arguments.metric
    budgets, seeds = numbers(arguments.nfe, "--nfe", 1, MOST_NFE), _seeds(arguments)
    grid_of(arguments.grid, process, 2)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure(metric_of(scheme, process, network, metric) for scheme in chosen)
    for scheme in chosen:
        problem_of(scheme, process)
        metric_of(scheme, process, network, metric)
        if seeds is not None:
            check_samples(scheme, process, network, len(seeds), metric)
    records: list[Record] = []
    for scheme in progress(chosen, "measuring"):
        records += error_curve(scheme, process, network, arguments.grid, budgets, seeds, metric=metric, **numbers_in)
    if all(record["error"] is None for record in records):
        raise InputError(f"nothing was measured: {records[0]['why']}")
    if path is not None:
        _keep(path, records, f"{network.name} on {process.spec}, grid {arguments.grid}", arguments.command)
    report(arguments, records, lambda: grid(_without_empty(_shown(records)), optional=OPTIONAL))
    for record in records:
        if "why" in record:
            note(f"{record['scheme']} at {record['nfe']}: {record['why']}")
    return 0


def _seeds(arguments: argparse.Namespace) -> list[int] | None:
    if arguments.samples is not None:
        return list(range(number(arguments.samples, "--samples", 1, MOST)))
    return None if arguments.seeds is None else numbers(arguments.seeds, "--seeds")


def _shown(records: list[Record]) -> list[Record]:
    """The records as a table shows them: words for an ordinary plan beside others, and no error twice."""
    filled = any(record["plan"] for record in records)
    again = [kind for kind in ("path", "law") if all(r.get(kind) in (None, r["error"]) for r in records)]
    hidden = {"why", "path_low", "path_high", "law_low", "law_high", *again}
    return [
        {key: value for key, value in record.items() if key not in hidden}
        | {"plan": record["plan"] or "whole steps" if filled else None}
        for record in records
    ]


def _without_empty(records: list[Record]) -> list[Record]:
    """The records with the same keys, those that are empty throughout left out."""
    keys = dict.fromkeys(key for record in records for key in record)
    used = [key for key in keys if any(record.get(key) is not None for record in records)]
    return [{key: record.get(key) for key in used} for record in records]


def _keep(path: Path, records: list[Record], title: str, command: str) -> None:
    """Write the records, or their picture with the records beside it in a .json file of its name."""
    ending = path.suffix.lower()
    if ending == ".csv":
        write(path, csv_text(_without_empty(records)))
    else:
        write_sidecar(path, records, title, command)
        if ending in PICTURES:
            from numtoolkit.plots import curve_figure

            write_figure(path, curve_figure(records, title))
    note(f"wrote {path}")


CURVE = Command("curve", "Error against network evaluations, of a law or of a network of your own.", _arguments, _run)
