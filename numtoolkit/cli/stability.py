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
    keep,
    numbers,
    progress,
    report,
    schemes,
    width,
    wrapped,
)
from numtoolkit.cli.output import grid as table
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.schemes.of_numbers import EXAMPLES, TABLEAU, numbers_of, square
from numtoolkit.spec_text import parse

if TYPE_CHECKING:
    from numtoolkit.measure.planes import Plane
    from numtoolkit.measure.stability import Region, StepLimit
    from numtoolkit.symbolic.stability_function import StabilityFunction

LINEAR = (0.0, -1.0, -2.0)  # values of h L that stability is measured at
STAR = (-6.0, 6.0, 6.0)  # the window of an order star
TIMES = 6  # at which the longest stable steps on a process are listed
VARIANCE = 0.25  # of the data, where stability is that of a process
EVALUATIONS = "evaluations"  # how a row of whole runs begins
SHOWN = (0.1, 1.0, 10.0)  # scales at which planes are listed

EQUATION = """\
With z = h L, u' = L u + (w/h) u is what a run meets over steps of |h L| in log-SNR (half as long for the reverse SDE) \
where the data prediction is D = w x/|h L|, x = z/alpha, whether a scheme freezes data or noise. Where it freezes the \
whole drift, u' is the drift; in the Gaussian frame h L is a factor exp(h L) of each step in the angle."""
FOOT = f"h L: steps of u' = L u + (w/h) u are stable for all w in [-extent, 0]. {EQUATION}"
TITLE = "Where steps of {} are stable"
TITLES = {
    "diffusion": "What one step of {} makes of each scale of the data",
    "mean-square": "Which variance steps of {} lead to",
    "run": "What runs of {} make of each scale of the data",
}
NEAR = """\
Within 5 %: what the scheme makes of data of this scale (of a step: their deviation over the noise level it starts at; \
of a run: their deviation) is so near the exact one, for all steps up to the extent, or all budgets from it on."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "schemes",
        nargs="+",
        metavar="SCHEME",
        help="at most 8; without --out also runge-kutta(A=..., b=...) and multistep(rho=..., sigma=...)",
    )
    parser.add_argument("--out", metavar="FILE", help="draw it: .png, .svg or .pdf; else the formula is printed")
    parser.add_argument("--order-star", action="store_true", help="draw the growth over that of the exact solution")
    parser.add_argument("--process", metavar="P", help="steps on this process, instead of the test equation")
    parser.add_argument("--kind", metavar="K", help="test, step, diffusion, mean-square or run: what is mapped")
    parser.add_argument("--grid", metavar="G", help="of whole runs, --kind run; by default log-snr")
    parser.add_argument("--nfe", metavar="5,10", help="evaluations of whole runs; by default 4 to 50")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.planes import RUN
    from numtoolkit.measure.stability import TEST

    kind = arguments.kind
    process = process_of(arguments.process) if arguments.process else None
    for option in ("grid", "nfe"):
        if getattr(arguments, option) is not None and kind != RUN:
            raise InputError(f"--{option} is of whole runs; add --kind run, or leave it out.")
    on_test = process is None and kind in (None, TEST)
    if arguments.order_star and (arguments.out is None or not on_test):
        why = (
            "is a picture; say where by --out FILE"
            if on_test
            else "is one of the test equation; leave --process out, and another --kind"
        )
        raise InputError(f"--order-star {why}.")
    if on_test and arguments.out is None:
        formulas = [{"scheme": name, **row} for name, own in _functions(arguments.schemes) for row in own.table()]
        report(arguments, formulas, lambda: _pages(formulas))
        return 0
    return _measured(arguments, schemes(arguments.schemes), process)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.13g}" if isinstance(value, float) else str(value)


def _measured(arguments: argparse.Namespace, chosen: Sequence[Scheme], process: Process | None) -> int:
    """How far each scheme is stable, or good, drawn where --out says so."""
    from numtoolkit.measure.planes import BUDGETS
    from numtoolkit.measure.stability import GRID, order_star, panels_of, stability

    nfe = BUDGETS if arguments.nfe is None else numbers(arguments.nfe, "--nfe", 1, MOST_NFE)
    kind, grid = arguments.kind, GRID if arguments.grid is None else arguments.grid
    path = destination(arguments.out, tuple(PICTURES)) if arguments.out is not None else None
    if path is not None:
        from numtoolkit.plots import check_figure, stability_figure

        check_figure(panels_of(chosen, LINEAR, process, VARIANCE, kind, grid, nfe))
    maps: list[Sequence[Region | StepLimit | Plane]] = [
        [order_star(scheme, x, window=STAR) for x in LINEAR]
        if arguments.order_star
        else stability(scheme, process, VARIANCE, kind=kind, linear=LINEAR, grid=grid, nfe=nfe)
        for scheme in progress(chosen, "mapping")
    ]
    asked = "Where steps of {} grow faster than exp" if arguments.order_star else TITLES.get(kind, TITLE)
    title = asked.format(", ".join(scheme.spec for scheme in chosen))
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


def _functions(texts: Sequence[str]) -> list[tuple[str, StabilityFunction]]:
    """The stability functions of schemes, and of methods that are given by their numbers and may be none."""
    by_numbers = {text: own for text in texts if (own := _of_numbers(text)) is not None}
    chosen = schemes(text for text in texts if text not in by_numbers)
    return [*((scheme.spec, _function(scheme)) for scheme in progress(chosen, "deriving")), *by_numbers.items()]


def _of_numbers(text: str) -> StabilityFunction | None:
    """That of a tableau, explicit or not, or of a multistep method, written out in numbers; None of another text."""
    from numtoolkit.symbolic.stability_function import stability_function

    if not text.lower().lstrip().startswith(tuple(EXAMPLES)):
        return None
    spec = parse(text)
    if spec.name == TABLEAU:
        A, b = numbers_of(spec, "A", "b")
        return stability_function(A=square(A, len(b)), b=b, name=text)
    if spec.name in EXAMPLES:
        rho, sigma = numbers_of(spec, "rho", "sigma")
        return stability_function(rho=rho, sigma=sigma, name=text)
    return None


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


STABILITY = Command("stability", "Where schemes are stable, as formulas or as a picture.", _arguments, _run)
