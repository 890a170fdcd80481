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
    keep,
    numbers,
    progress,
    report,
    schemes,
    wrapped,
)
from numtoolkit.cli.output import (
    grid as table,
)
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.measure.planes import Plane
    from numtoolkit.measure.stability import Region, StepLimit

LINEAR = (0.0, -1.0, -2.0)  # values of h L that stability is measured at
TIMES = 6  # at which the longest stable steps on a process are listed
VARIANCE = 0.25  # of the data, where stability is that of a process
EVALUATIONS = "evaluations"  # how a row of whole runs begins
SHOWN = (0.1, 1.0, 10.0)  # scales at which planes are listed

FOOT = """\
h L: steps of u' = L u + (w/h) u are stable for all w in [-extent, 0]. It is what a run meets over steps of |h L| in \
log-SNR (half as long for the reverse SDE) where the data prediction is D = w x/|h L|, x = z/alpha, whether a scheme \
freezes data or noise. Where it freezes the whole drift, u' is the drift; in the Gaussian frame h L is a factor \
exp(h L) of each step in the angle."""
TITLES = {
    "diffusion": "What one step of {} makes of each scale of the data",
    "mean-square": "Which variance steps of {} lead to",
    "run": "What runs of {} make of each scale of the data",
}
NEAR = """\
Within 5 %: what the scheme makes of data of this scale (of a step: their deviation over the noise level it starts at; \
of a run: their deviation) is so near the exact one, for all steps up to the extent, or all budgets from it on."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schemes", nargs="+", metavar="SCHEME", help="at most 8")
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture: .png, .svg or .pdf")
    parser.add_argument("--process", metavar="P", help="steps on this process, instead of the test equation")
    parser.add_argument("--kind", metavar="K", help="test, step, diffusion, mean-square or run: what is mapped")
    parser.add_argument("--grid", metavar="G", help="of whole runs, --kind run; by default log-snr")
    parser.add_argument("--nfe", metavar="5,10", help="evaluations of whole runs; by default 4 to 50")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.planes import BUDGETS, RUN
    from numtoolkit.measure.stability import GRID, panels_of, stability
    from numtoolkit.plots import check_figure, stability_figure

    chosen, kind = schemes(arguments.schemes), arguments.kind
    for option in ("grid", "nfe"):
        if getattr(arguments, option) is not None and kind != RUN:
            raise InputError(f"--{option} is of whole runs; add --kind run, or leave it out.")
    nfe = BUDGETS if arguments.nfe is None else numbers(arguments.nfe, "--nfe", 1, MOST_NFE)
    grid = GRID if arguments.grid is None else arguments.grid
    process = process_of(arguments.process) if arguments.process else None
    path = destination(arguments.out, tuple(PICTURES))
    check_figure(panels_of(chosen, LINEAR, process, VARIANCE, kind, grid, nfe))
    maps: list[Sequence[Region | StepLimit | Plane]] = [
        stability(scheme, process, VARIANCE, kind=kind, linear=LINEAR, grid=grid, nfe=nfe)
        for scheme in progress(chosen, "mapping")
    ]
    title = TITLES.get(kind, "Where steps of {} are stable").format(", ".join(scheme.spec for scheme in chosen))
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
    rows = table([r | {"extent": _extent(r["of"], r["extent"])} for r in records])
    feet = {"h L": FOOT, "within": NEAR}
    feet = {word: foot for word, foot in feet.items() if any(word in r["on"] + r["of"] for r in records)}
    return "\n".join([rows, *(line for foot in feet.values() for line in ("", *wrapped(foot)))])


def _extents(scheme: Scheme, member: Region | StepLimit | Plane, linear: float) -> list[Record]:
    """How far stability reaches: along the negative axis of w on the test equation, in t on a process, in a plane."""
    from numtoolkit.measure.planes import RUN, Plane
    from numtoolkit.measure.stability import Region, real_interval

    if isinstance(member, Plane):
        what = EVALUATIONS if member.kind == RUN else "step"
        extents = [(f"{what} within 5 %, scale {scale:g}", member.reach(scale)) for scale in SHOWN]
    elif isinstance(member, Region):
        extents = [("w in [-extent, 0]", real_interval(scheme, linear))]
    else:
        some = range(0, len(member.t), max(len(member.t) // TIMES, 1))
        extents = [(f"step from t = {member.t[i]:.3g}", float(member.h[i])) for i in some]
    names = {"scheme": member.scheme, "on": member.panel}
    return [names | {"of": what, "extent": value if math.isfinite(value) else None} for what, value in extents]


def _extent(of: str, value: float | None) -> float | str:
    none = "not yet" if of.startswith(EVALUATIONS) else "no bound"
    return none if value is None else value


STABILITY = Command("stability", "Where schemes are stable, as a picture.", _arguments, _run)
