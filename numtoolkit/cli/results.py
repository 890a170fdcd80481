"""`curve` and `stability`: what schemes do, as numbers and as pictures."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numtoolkit.cli.output import (
    MOST,
    MOST_NFE,
    Command,
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
    versions,
)
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES, csv_text, write, write_figure, write_json
from numtoolkit.problem.grids import GRIDS
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.processes import PROCESSES
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.measure.stability import Region, StepLimit

LINEAR = (0.0, -1.0, -2.0)  # values of h L that stability is measured at
TIMES = 6  # at which the longest stable steps on a process are listed
VARIANCE = 0.25  # of the data, where stability is that of a process

Record = dict[str, Any]


# --- curve


def _curve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--process", required=True, metavar="P", help=", ".join(PROCESSES))
    parser.add_argument(
        "--law", required=True, metavar="L", help="a name, 'mixture(dim=8)' or 'digits', or an .npz file"
    )
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    parser.add_argument("--grid", required=True, metavar="G", help=f"{', '.join(GRIDS)}; with parameters, rho(7)")
    parser.add_argument("--nfe", required=True, metavar="5,10,20", help="budgets of network evaluations")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    drawn = parser.add_mutually_exclusive_group()
    drawn.add_argument("--seeds", metavar="0-63", help="one a sample; by default as many as the metric needs")
    drawn.add_argument("--samples", metavar="N", help="the seeds 0 to N - 1")
    add_json(parser)


def _curve(arguments: argparse.Namespace) -> int:
    from numtoolkit.laws import law_of
    from numtoolkit.measure import error_curve

    process, law = process_of(arguments.process), law_of(arguments.law)
    chosen = schemes(listed(arguments.schemes, "--schemes"))
    budgets, seeds = numbers(arguments.nfe, "--nfe", 1, MOST_NFE), _seeds(arguments)
    grid_of(arguments.grid, process, 2)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out else None
    records: list[Record] = []
    for scheme in progress(chosen, "measuring"):
        records += error_curve(scheme, process, law, arguments.grid, budgets, seeds)
    if all(record["error"] is None for record in records):
        raise InputError(f"nothing was measured: {records[0]['why']}")
    for record in records:
        if "why" in record:
            note(f"{record['scheme']} at {record['nfe']}: {record['why']}")
    shown = [{key: value for key, value in record.items() if key != "why"} for record in _planned(records)]
    report(arguments, records, lambda: grid(_without_empty(shown), optional=("floor", "high", "low")))
    if path is not None:
        _keep(path, records, f"{law.name} on {process.spec}, grid {arguments.grid}", arguments.command)
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
        if ending in PICTURES:
            from numtoolkit.plots import curve_figure

            write_figure(path, curve_figure(records, title))
        _sidecar(path, records, title, command)
    note(f"wrote {path}")


def _sidecar(path: Path, records: list[Record], title: str, command: str) -> None:
    write_json(path.with_suffix(".json"), {"title": title, "command": command, "versions": versions(), "data": records})


# --- stability


def _stability_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schemes", nargs="+", metavar="SCHEME", help="at most 8")
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--process", metavar="P", help="steps on this process, instead of the test equation")
    add_json(parser)


def _stability(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.stability import regions
    from numtoolkit.plots import stability_figure

    chosen = schemes(arguments.schemes)
    process = process_of(arguments.process) if arguments.process else None
    path = destination(arguments.out, tuple(PICTURES))
    found: list[Sequence[Region | StepLimit]] = [
        regions(scheme, LINEAR, process, VARIANCE) for scheme in progress(chosen, "mapping")
    ]
    title = f"Where steps of {', '.join(scheme.spec for scheme in chosen)} are stable"
    write_figure(path, stability_figure([region for own in found for region in own], title))
    records = [
        record
        for scheme, own in zip(chosen, found, strict=True)
        for member, x in zip(own, LINEAR, strict=False)
        for record in _extents(scheme, member, x)
    ]
    _sidecar(path, records, title, arguments.command)
    note(f"wrote {path}")
    report(arguments, records, lambda: grid([r | {"extent": _extent(r["extent"])} for r in records]))
    return 0


def _extents(scheme: Scheme, member: Region | StepLimit, linear: float) -> list[Record]:
    """How far stability reaches: along the negative axis of w on the test equation, in t on a process."""
    from numtoolkit.measure.stability import Region, real_interval

    if isinstance(member, Region):
        found = [("w in [-extent, 0]", real_interval(scheme, linear))]
    else:
        some = range(0, len(member.t), max(len(member.t) // TIMES, 1))
        found = [(f"step from t = {member.t[i]:.3g}", float(member.h[i])) for i in some]
    named = {"scheme": member.scheme, "on": member.panel}
    return [named | {"of": what, "extent": value if math.isfinite(value) else None} for what, value in found]


def _extent(value: float | None) -> float | str:
    return "no bound" if value is None else value


CURVE = Command("curve", "Error against network evaluations on a law whose network is exact.", _curve_arguments, _curve)
STABILITY = Command("stability", "Where schemes are stable, as a picture.", _stability_arguments, _stability)
