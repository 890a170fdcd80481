"""`transfer`: what schemes make of each scale of the data, as numbers and as a picture."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    progress,
    report,
    schemes,
    wrapped,
)
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.measure.transfer import Transfer

FOOT = """\
The deviation of the data part at the end over the exact one, less 1, for Gaussian data of each scale and its exact \
network: below 0 it is blur, above 0 noise."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_process(parser)
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    add_grid(parser)
    parser.add_argument("--nfe", required=True, metavar="N", help="network evaluations of a run")
    parser.add_argument("--scales", metavar="1,0.1", help="deviations of the data; by default 25 from 10 to 0.001")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.curves import OVERFLOW
    from numtoolkit.measure.transfer import SCALES, transfer

    process, chosen = process_of(arguments.process), schemes(listed(arguments.schemes, "--schemes"))
    nfe = number(arguments.nfe, "--nfe", 1, MOST_NFE)
    scales = SCALES if arguments.scales is None else _scales(arguments.scales)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure([""] * len(chosen))
    found = [transfer(scheme, process, arguments.grid, nfe, scales) for scheme in progress(chosen, "measuring")]
    records = [record for each in found for record in _records(each)]
    if path is not None:
        from numtoolkit.plots import transfer_figure

        title = f"What becomes of each scale on {process.spec}, {arguments.grid}, NFE {nfe}?"
        keep(path, records, title, arguments.command, lambda: transfer_figure(found, title))
    report(arguments, records, lambda: _listing(found))
    for each in found:
        if not all(map(math.isfinite, each.deviation)):
            note(f"{each.scheme}: {OVERFLOW}")
    return 0


def _scales(text: str) -> list[float]:
    """The numbers of --scales, each of them once."""
    try:
        return list(dict.fromkeys(map(float, listed(text, "--scales"))))
    except ValueError:
        raise InputError(f"cannot read --scales {text[:60]!r}; write numbers separated by commas, 1,0.1.") from None


def _records(found: Transfer) -> list[Record]:
    named = {"scheme": found.scheme, "nfe": found.nfe}
    columns = {"scale": found.scales, "deviation": found.deviation, "mean": found.mean}
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [
        named | {key: value if math.isfinite(value) else None for key, value in zip(columns, row, strict=True)}
        for row in rows
    ]


def _listing(found: Sequence[Transfer]) -> str:
    """A row a scale, a column a scheme."""
    rows = [
        {"scale": scale} | {each.scheme: f"{each.deviation[i]:+.3g}" for each in found}
        for i, scale in enumerate(found[0].scales.tolist())
    ]
    return "\n".join([grid(rows), "", *wrapped(FOOT)])


TRANSFER = Command("transfer", "What schemes make of each scale of the data: blur or noise.", _arguments, _run)
