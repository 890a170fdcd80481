"""`defects`: what each step of a run misses, as numbers and as a picture."""

from __future__ import annotations

import argparse
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
    number,
    numbers,
    progress,
    report,
    schemes,
    wrapped,
)
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.measure.step_defects import StepDefects

FOOT = """\
What each step misses from the exact state at its start, root mean square over the law: of each block of the state, \
and over the deviation of the exact law at its end, which is of one measure along the run."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_process(parser)
    parser.add_argument("--law", required=True, metavar="L", help="a law, or FILE.npz; a Gaussian one exactly")
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    add_grid(parser)
    parser.add_argument("--nfe", required=True, metavar="N", help="network evaluations of a run")
    parser.add_argument("--seeds", metavar="0-63", help="one a sample, of a law that is not Gaussian; by default 64")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.laws import law_of
    from numtoolkit.measure.step_defects import check_defects, defects_of
    from numtoolkit.program.runs import program_of

    process, chosen = process_of(arguments.process), schemes(listed(arguments.schemes, "--schemes"))
    nfe, law = number(arguments.nfe, "--nfe", 1, MOST_NFE), law_of(arguments.law)
    seeds = None if arguments.seeds is None else numbers(arguments.seeds, "--seeds")
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure([""] * len(chosen))
    programs = [program_of(scheme, process, arguments.grid, nfe) for scheme in chosen]
    references = [check_defects(*own, law, seeds) for own in zip(chosen, programs, strict=True)]
    runs = list(zip(programs, references, strict=True))
    found = [defects_of(program, law, reference, seeds) for program, reference in progress(runs, "measuring")]
    records = [record for each in found for record in _records(each)]
    if path is not None:
        from numtoolkit.plots import defects_figure

        title = f"Where along a run are errors made, {arguments.grid}, NFE {nfe}?"
        keep(path, records, title, arguments.command, lambda: defects_figure(found, title))
    report(arguments, records, lambda: "\n".join([grid(records), "", *wrapped(FOOT)]))
    return 0


def _records(found: StepDefects) -> list[Record]:
    """A record a step, with what is missed over the deviation there as well."""
    names, relative = found.program.process.rows, found.state / found.deviation
    return [
        {"scheme": found.program.scheme} | row | {f"relative {name}": x for name, x in zip(names, own, strict=True)}
        for row, own in zip(found.table(), relative.tolist(), strict=True)
    ]


DEFECTS = Command("defects", "What each step of a run misses: where along it errors are made.", _arguments, _run)
