"""`show`: one scheme as it is declared, as LaTeX, or as it runs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from numtoolkit import printing
from numtoolkit.cli.cells import derived_facts, entry
from numtoolkit.cli.output import Command, add_json, destination, note, number, report, taken_from, width
from numtoolkit.declare.entries import Entry
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.scheme_file import FORMAT as SCHEME
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.errors import InputError
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import Program, lower
from numtoolkit.schemes import facts
from numtoolkit.schemes import scheme as scheme_of


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scheme", metavar="SCHEME", help="a name with optional parameters, 'res-2s(c2=1/3)', or FILE.json"
    )
    parser.add_argument("--latex", action="store_true", help="its tableau, or its rows, as LaTeX")
    parser.add_argument("--out", metavar="FILE", help="also write it, .json: a scheme to every other command")
    run = parser.add_argument_group("as it runs", "the coefficients of a run, instead of the declaration")
    run.add_argument("--nfe", metavar="N", help="evaluations of the run")
    run.add_argument("--process", metavar="P", help="by default the first it is declared on")
    run.add_argument("--grid", metavar="G", help="by default log-snr")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    scheme = scheme_of(arguments.scheme)
    if arguments.nfe is None and (arguments.process or arguments.grid):
        raise InputError("--process and --grid print a run, whose length is missing; add --nfe N.")
    if arguments.nfe is not None and arguments.latex:
        raise InputError("--latex prints the declaration, --nfe a run; give one of them.")
    if arguments.out is not None:
        note(f"wrote {write_scheme(destination(arguments.out, ('.json',), (SCHEME,)), scheme)}")
    if arguments.nfe is not None:
        from numtoolkit.program.runs import times_of

        process = process_of(arguments.process or scheme.processes[0])
        nfe = number(arguments.nfe, "--nfe", 1, MOST_NFE)
        times = times_of(scheme, process, arguments.grid or "log-snr", nfe=nfe)
        program = lower(scheme, process, times, nfe=nfe)
        report(arguments, _run_record(program) | taken_from(scheme), program.text)
    elif arguments.latex:
        latex = printing.latex(scheme)
        report(arguments, {"scheme": scheme.spec, "latex": latex}, lambda: latex)
    else:
        line = "; ".join(derived_facts(facts.derived(scheme)))
        report(arguments, _declaration(scheme) | taken_from(scheme), lambda: printing.text(scheme, line, width()))
    return 0


def _declaration(scheme: Scheme) -> dict[str, Any]:
    values = scheme.parameters()
    return {
        **entry(scheme),
        "parameters": [
            {"name": p.name, "value": values[p.name], "low": p.low, "high": p.high, "meaning": p.meaning}
            for p in scheme.params
        ],
        "quantities": [
            {
                "name": q.name,
                "sentence": q.sentence,
                "rule": str(q.rule) if isinstance(q.rule, Entry) else None,
                "expansion": q.expansion and str(q.expansion),
            }
            for q in scheme.quantities
        ],
        "projects": printing.projected(scheme),
        "layouts": {title: printing.rows(scheme, step) for title, step in printing.sections(scheme)},
        "companions": {title: printing.rows(scheme, step) for title, step in printing.companions(scheme)},
    }


def _run_record(program: Program) -> dict[str, Any]:
    """The lowered run: blocks as lists of rows, each instruction with its kind."""
    steps = [
        asdict(step) | {"instructions": [{"kind": type(i).__name__.lower(), **asdict(i)} for i in step.instructions]}
        for step in program.steps
    ]
    names = {"scheme": program.scheme, "process": program.process.spec, "network": program.network.name}
    return {**names, "nfe": program.nfe, "plan": program.plan, "steps": steps}


SHOW = Command("show", "A scheme as it is declared, as LaTeX, or as it runs.", _arguments, _run)
