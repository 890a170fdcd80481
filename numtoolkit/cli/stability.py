"""`stability`: where schemes are stable, as numbers and as a picture."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from numtoolkit.cli.output import (
    Command,
    Record,
    add_json,
    destination,
    grid,
    keep,
    progress,
    report,
    schemes,
    wrapped,
)
from numtoolkit.declare.scheme import Scheme
from numtoolkit.files.storage import PICTURES
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.measure.stability import Region, StepLimit

LINEAR = (0.0, -1.0, -2.0)  # values of h L that stability is measured at
TIMES = 6  # at which the longest stable steps on a process are listed
VARIANCE = 0.25  # of the data, where stability is that of a process

FOOT = """\
h L: steps of u' = L u + (w/h) u are stable for all w in [-extent, 0]. It is what a run meets over steps of |h L| in \
log-SNR (half as long for the reverse SDE) where the data prediction is D = w x/|h L|, x = z/alpha, whether a scheme \
freezes data or noise. Where it freezes the whole drift, u' is the drift; in the Gaussian frame h L is a factor \
exp(h L) of each step in the angle."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schemes", nargs="+", metavar="SCHEME", help="at most 8")
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--process", metavar="P", help="steps on this process, instead of the test equation")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.stability import panels_of, stability
    from numtoolkit.plots import check_figure, stability_figure

    chosen = schemes(arguments.schemes)
    process = process_of(arguments.process) if arguments.process else None
    path = destination(arguments.out, tuple(PICTURES))
    check_figure(panels_of(chosen, LINEAR, process, VARIANCE))
    maps: list[Sequence[Region | StepLimit]] = [
        stability(scheme, process, VARIANCE, linear=LINEAR) for scheme in progress(chosen, "mapping")
    ]
    title = f"Where steps of {', '.join(scheme.spec for scheme in chosen)} are stable"
    records = [
        record
        for scheme, members in zip(chosen, maps, strict=True)
        for member, x in zip(members, LINEAR, strict=False)
        for record in _extents(scheme, member, x)
    ]
    drawn = [member for members in maps for member in members]
    keep(path, records, title, arguments.command, lambda: stability_figure(drawn, title))
    report(arguments, records, lambda: _listing(records))
    return 0


def _listing(records: Sequence[Record]) -> str:
    table = grid([r | {"extent": _extent(r["extent"])} for r in records])
    drawn = any(r["on"].startswith("h L") for r in records)
    return "\n".join([table, "", *wrapped(FOOT)] if drawn else [table])


def _extents(scheme: Scheme, member: Region | StepLimit, linear: float) -> list[Record]:
    """How far stability reaches: along the negative axis of w on the test equation, in t on a process."""
    from numtoolkit.measure.stability import Region, real_interval

    if isinstance(member, Region):
        extents = [("w in [-extent, 0]", real_interval(scheme, linear))]
    else:
        some = range(0, len(member.t), max(len(member.t) // TIMES, 1))
        extents = [(f"step from t = {member.t[i]:.3g}", float(member.h[i])) for i in some]
    names = {"scheme": member.scheme, "on": member.panel}
    return [names | {"of": what, "extent": value if math.isfinite(value) else None} for what, value in extents]


def _extent(value: float | None) -> float | str:
    return "no bound" if value is None else value


STABILITY = Command("stability", "Where schemes are stable, as a picture.", _arguments, _run)
