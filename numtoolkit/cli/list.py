"""`list`: every scheme of the catalogue, or the schemes that are named, and what they are chosen by."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from numtoolkit.cli.cells import constant, entry, error_term, orders, reach
from numtoolkit.cli.output import Command, add_json, grid, number, progress, report, schemes, taken_from, width, wrapped
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, unknown
from numtoolkit.problem.processes import process as process_of
from numtoolkit.schemes import catalogue, facts

WIDE = 120  # columns, from which on references in rows are longer
LONGEST = {True: (31, " ..."), False: (19, "")}  # characters of a reference, and its end; `show` prints it in full
HIGHEST = 99  # order that --order takes
TESTS = ("h L = 0", "h L = -1")  # the test equations of the column "stable"

FOOT = """\
NFE: evaluations a step.
derived: the order of a step, proved; stiff: strong, commuting, weak order. Of an SDE the order in law: weak, of the \
transition; marg., where that is another, of the marginal from an exact marginal, which error curves show.
error constant: norm of the residuals of the first order missed, numerical minus exact, at equal steps and default \
parameters, fitted coefficients 0; 0 where equal steps have a higher order. Of an SDE: that of mean and covariance on \
affine scores. It compares schemes of one family that freeze the same quantity in the same clock.
stable: the r to which steps of u' = L u + (w/h) u are stable for all w in [-r, 0], at h L = 0 and at h L = -1: what a \
run meets over log-SNR steps of 1 (1/2 for the reverse SDE) where the data prediction is D = w x, x = z/alpha, in \
noise as in data form.
PSLD step: the longest stable one from T = 1 with data variance 1/4, where the exact probability flow only turns.
Empty: it depends on the grid (noise added back, a closed form), or has no meaning for the scheme."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "schemes", metavar="SCHEME", nargs="*", help="by default the catalogue; else names, 'res-2s(c2=1/3)', FILE.json"
    )
    parser.add_argument("--process", metavar="P", help="only those that run on this process")
    parser.add_argument("--family", metavar="F", help="only those of this family")
    parser.add_argument("--order", metavar="N", help="only those whose derived order, of an SDE weak, is N or more")
    add_json(parser)
    parser.add_argument("--refresh", action="store_true", help="derive the derived columns anew, and keep them")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.refresh:
        if any((arguments.schemes, arguments.process, arguments.family, arguments.order)):
            raise InputError("--refresh derives the whole catalogue anew; give it alone.")
        from numtoolkit.measure.facts import refresh

        refresh(progress(catalogue(), "proving"))
    records = _records(arguments)
    report(arguments, records, lambda: _listing(records) if records else "No scheme is all of this.")
    return 0


def _records(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The records of the schemes that are asked for."""
    named = schemes(arguments.schemes) if arguments.schemes else catalogue()
    least = None if arguments.order is None else number(arguments.order, "--order", 0, HIGHEST)
    kind = None if arguments.process is None else process_of(arguments.process).kind
    family = _family(arguments.family, {scheme.family for scheme in (*catalogue(), *named)})
    chosen = [
        scheme
        for scheme in named
        if (kind is None or kind in scheme.kinds) and (family is None or scheme.family.lower() == family)
    ]
    listed = chosen if all(scheme in catalogue() for scheme in chosen) else progress(chosen, "proving")
    records = [entry(scheme, facts.known(scheme, _derive)) | taken_from(scheme) for scheme in listed]
    return [record for record in records if least is None or _order(record["derived"]) >= least]


def _family(given: str | None, known: set[str]) -> str | None:
    """The name of a family in lower case; None where none is asked for."""
    if given is None or given.lower() in {family.lower() for family in known}:
        return given and given.lower()
    raise unknown("family", given, known)


def _derive(scheme: Scheme) -> facts.Record:
    from numtoolkit.measure.facts import derive  # which loads the engines

    return derive(scheme)


def _order(derived: Mapping[str, int | None]) -> int:
    """The order that a scheme is chosen by: of the flow, or in law of an SDE; below any where none is derived."""
    return next((p for p in (derived["classical"], derived["sde_weak"]) if p is not None), -1)


def _listing(records: list[dict[str, Any]]) -> str:
    longest, end = LONGEST[width() >= WIDE]
    rows = [
        {
            "scheme": r["scheme"],
            "kind": r["kind"],
            "family": r["family"],
            "processes": " ".join(r["processes"]),
            "freezes": f"{r['frozen']} in {r['clock']}",
            "NFE": r["nfe_per_step"],
            "claimed": orders(r["claimed"]),
            "derived": orders(r["derived"]),
            "error\nconstant": constant(r["error_constant"]),
            "stable": ", ".join(reach(r["stable"][on], ".2f") for on in TESTS if on in r["stable"]),
            "PSLD\nstep": reach(r["stable"]["PSLD step"], ".2g") if "PSLD step" in r["stable"] else "",
            "error term": error_term(r["error_order"], r["error_term"]),
            "reference": textwrap.shorten(re.split("[;,]", r["reference"])[0], longest, placeholder=end),
        }
        for r in records
    ]
    text = grid(rows, optional=("error term", "processes", "family", "claimed", "freezes", "kind", "reference"))
    aliases = {name: r["name"] for r in records for name in r["aliases"]}
    in_use = {name: spec for r in records for name, spec in r["names_in_use"].items()}
    names = ", ".join(f"{name} = {spec}" for name, spec in sorted({**aliases, **in_use}.items()))
    foot = [line for part in (*FOOT.split("\n"), names and f"Other names: {names}.") for line in wrapped(part)]
    return "\n".join([text, "", *foot])


LIST = Command("list", "Every scheme, or those named, with claimed and derived orders.", _arguments, _run)
