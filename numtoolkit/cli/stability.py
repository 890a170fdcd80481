"""`stability`: where schemes are stable, as numbers and as a picture."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Sequence
from itertools import groupby
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
    width,
    wrapped,
)
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.measure.stability import Region, StepLimit
    from numtoolkit.symbolic.stability_function import StabilityFunction

LINEAR = (0.0, -1.0, -2.0)  # values of h L that stability is measured at
STAR = (-6.0, 6.0, 6.0)  # the window of an order star
TIMES = 6  # at which the longest stable steps on a process are listed
VARIANCE = 0.25  # of the data, where stability is that of a process

EXTENT = "steps of u' = L u + (w/h) u are stable for all w in [-extent, 0]."
EQUATION = """\
With z = h L, u' = L u + (w/h) u is what a run meets over steps of |h L| in log-SNR (half as long for the reverse SDE) \
where the data prediction is D = w x/|h L|, x = z/alpha, whether a scheme freezes data or noise. Where it freezes the \
whole drift, u' is the drift; in the Gaussian frame h L is a factor exp(h L) of each step in the angle."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schemes", nargs="+", metavar="SCHEME", help="at most 8")
    parser.add_argument("--out", metavar="FILE", help="draw it: .png, .svg or .pdf; else the formula is printed")
    parser.add_argument("--order-star", action="store_true", help="draw the growth over that of the exact solution")
    parser.add_argument("--process", metavar="P", help="steps on this process, instead of the test equation")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    chosen = schemes(arguments.schemes)
    process = process_of(arguments.process) if arguments.process else None
    if arguments.order_star and (process is not None or not arguments.out):
        why = "is one of the test equation; leave --process out" if process else "is a picture; say where by --out FILE"
        raise InputError(f"--order-star {why}.")
    if process is None and not arguments.out:
        formulas = _formulas(chosen)
        report(arguments, formulas, lambda: _pages(formulas))
        return 0
    return _measured(arguments, chosen, process)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.13g}" if isinstance(value, float) else str(value)


def _measured(arguments: argparse.Namespace, chosen: Sequence[Scheme], process: Process | None) -> int:
    """How far each scheme is stable, drawn where --out says so."""
    from numtoolkit.measure.stability import order_star, panels_of, stability

    path = destination(arguments.out, tuple(PICTURES)) if arguments.out else None
    if path is not None:
        from numtoolkit.plots import check_figure, stability_figure

        check_figure(panels_of(chosen, LINEAR, process, VARIANCE))
    maps: list[Sequence[Region | StepLimit]] = [
        [order_star(scheme, x, window=STAR) for x in LINEAR]
        if arguments.order_star
        else stability(scheme, process, VARIANCE, linear=LINEAR)
        for scheme in progress(chosen, "mapping")
    ]
    names = ", ".join(scheme.spec for scheme in chosen)
    title = f"Where steps of {names} " + ("grow faster than exp" if arguments.order_star else "are stable")
    records = [
        record
        for scheme, members in zip(chosen, maps, strict=True)
        for member, x in zip(members, LINEAR, strict=False)
        for record in _extents(scheme, member, x)
    ]
    if path is not None:
        drawn = [member for members in maps for member in members]
        keep(path, records, title, arguments.command, lambda: stability_figure(drawn, title))
    report(arguments, records, lambda: _listing(records))
    return 0


def _formulas(chosen: Sequence[Scheme]) -> list[Record]:
    """What the stability function of each scheme says, a property a record."""
    return [
        {"scheme": scheme.spec, **row} for scheme in progress(chosen, "deriving") for row in _function(scheme).table()
    ]


def _function(scheme: Scheme) -> StabilityFunction:
    """That of every z, or, where it is no rational function of z and exponentials, at z = 0."""
    from numtoolkit.symbolic.stability_function import stability_function

    try:
        return stability_function(scheme)
    except InputError:
        return stability_function(scheme, z=0)


def _pages(formulas: Sequence[Record]) -> str:
    """A scheme a paragraph, a property a line."""
    wide, lines = max(len(r["of"]) for r in formulas), []
    for name, own in groupby(formulas, key=lambda r: r["scheme"]):
        lines += ["", name]
        for r in own:
            text = _text(r["value"])
            text += f"  ({r['exact']})" if r["exact"] not in (None, text) else ""
            first, later = f"  {r['of']:{wide}}  ", " " * (wide + 4)
            lines += textwrap.wrap(text, width(), initial_indent=first, subsequent_indent=later)
    return "\n".join([*lines[1:], "", *wrapped(EQUATION)])


def _listing(records: Sequence[Record]) -> str:
    table = grid([r | {"extent": _extent(r["extent"])} for r in records])
    drawn = any(r["on"].startswith("h L") for r in records)
    return "\n".join([table, "", *wrapped(f"h L: {EXTENT} {EQUATION}")] if drawn else [table])


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


STABILITY = Command("stability", "Where schemes are stable, as formulas or as a picture.", _arguments, _run)
