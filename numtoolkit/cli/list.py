"""`list`: every scheme of the catalogue."""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import Any

from numtoolkit.cli.cells import constant, entry, error_term, orders, reach
from numtoolkit.cli.output import Command, add_json, grid, progress, report, width, wrapped
from numtoolkit.schemes import catalogue, names_in_use

WIDE = 120  # columns, from which on references in rows are longer
LONGEST = {True: (31, " ..."), False: (19, "")}  # characters of a reference, and its end; `show` prints it in full
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
    add_json(parser)
    parser.add_argument("--refresh", action="store_true", help="derive the derived columns anew, and keep them")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.refresh:
        from numtoolkit.measure.facts import refresh

        refresh(progress(catalogue(), "proving"))
    records = [entry(scheme) for scheme in catalogue()]
    report(arguments, records, lambda: _listing(records))
    return 0


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
    names = ", ".join(f"{name} = {spec}" for name, spec in sorted({**aliases, **names_in_use()}.items()))
    foot = [line for part in (*FOOT.split("\n"), f"Other names: {names}.") for line in wrapped(part)]
    return "\n".join([text, "", *foot])


LIST = Command("list", "Every scheme of the catalogue, with claimed and derived orders.", _arguments, _run)
