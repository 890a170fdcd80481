"""`curve`: error against network evaluations, as numbers and as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

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


def _arguments(parser: argparse.ArgumentParser) -> None:
    processes = f"{', '.join([*PROCESSES, *SCHEDULES, *ALIASES])}; or a table, FILE.npz, or a scheduler_config.json"
    parser.add_argument("--process", required=True, metavar="P", help=processes)
    parser.add_argument(
        "--law", required=True, metavar="L", help="a name, 'mixture(dim=8)' or 'digits', or an .npz file"
    )
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    grids = f"{', '.join([*GRIDS, *OTHER_GRIDS])}; with parameters, 'rho(7)', 'trailing(shift=3)'"
    parser.add_argument("--grid", required=True, metavar="G", help=grids)
    parser.add_argument("--nfe", required=True, metavar="5,10,20", help="budgets of network evaluations")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument("--seeds", metavar="0-63", help="one a sample; by default as many as the metric needs")
    drawn.add_argument("--samples", metavar="N", help="the seeds 0 to N - 1")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.laws import law_of
    from numtoolkit.measure import error_curve
    from numtoolkit.measure.curves import check_samples, metric_of

    process, law = process_of(arguments.process), law_of(arguments.law)
    chosen = schemes(listed(arguments.schemes, "--schemes"))
    budgets, seeds = numbers(arguments.nfe, "--nfe", 1, MOST_NFE), _seeds(arguments)
    grid_of(arguments.grid, process, 2)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure(metric_of(scheme, law) for scheme in chosen)
    for scheme in chosen:
        problem_of(scheme, process)
        if seeds is not None:
            check_samples(scheme, law, len(seeds))
    records: list[Record] = []
    for scheme in progress(chosen, "measuring"):
        records += error_curve(scheme, process, law, arguments.grid, budgets, seeds)
    if all(record["error"] is None for record in records):
        raise InputError(f"nothing was measured: {records[0]['why']}")
    if path is not None:
        _keep(path, records, f"{law.name} on {process.spec}, grid {arguments.grid}", arguments.command)
    shown = [{key: value for key, value in record.items() if key != "why"} for record in _planned(records)]
    report(arguments, records, lambda: grid(_without_empty(shown), optional=("floor", "high", "low")))
    for record in records:
        if "why" in record:
            note(f"{record['scheme']} at {record['nfe']}: {record['why']}")
    return 0


def _seeds(arguments: argparse.Namespace) -> list[int] | None:
    if arguments.samples is not None:
        return list(range(number(arguments.samples, "--samples", 1, MOST)))
    return None if arguments.seeds is None else numbers(arguments.seeds, "--seeds")


def _planned(records: list[Record]) -> list[Record]:
    """The records with words for an ordinary plan beside others."""
    filled = any(record["plan"] for record in records)
    return [record | {"plan": record["plan"] or "whole steps" if filled else None} for record in records]


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


CURVE = Command("curve", "Error against network evaluations on a law whose network is exact.", _arguments, _run)
