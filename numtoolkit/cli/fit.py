"""`fit`: coefficients of a fitted scheme, or the best value of a parameter, for one law, process and grid."""

from __future__ import annotations

import argparse
import math
from typing import Any

from numtoolkit.cli.networks import add_network, network_from, process_from, weights_of
from numtoolkit.cli.output import (
    Command,
    add_json,
    destination,
    grid,
    note,
    number,
    numbers,
    report,
)
from numtoolkit.declare.scheme_file import FORMAT as SCHEME
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.errors import InputError
from numtoolkit.files.fitted_coefficients import FORMAT as FITTED
from numtoolkit.files.fitted_coefficients import write_fitted_coefficients
from numtoolkit.files.storage import write_json
from numtoolkit.files.versions import versions
from numtoolkit.limits import MOST, MOST_NFE
from numtoolkit.references import origins
from numtoolkit.references import records as references
from numtoolkit.schemes import is_declared_here
from numtoolkit.schemes import scheme as scheme_of

BATCH, SUBSTEPS = 200, 10


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scheme", required=True, metavar="S", help="of the family 'fitted', or any with --search")
    add_network(parser)
    parser.add_argument("--nfe", required=True, metavar="N", help="evaluations of a run; with --search also 5,10,20")
    parser.add_argument("--process", metavar="P", help="by default that of the network, or the scheme's first")
    parser.add_argument("--grid", metavar="G", default="log-snr", help="by default log-snr")
    parser.add_argument("--out", metavar="FILE", help="the table, .json: a scheme to every other command")
    table = parser.add_argument_group("least squares")
    table.add_argument("--batch", metavar="N", help=f"starts, or 'infinite' for a Gaussian law; by default {BATCH}")
    table.add_argument("--substeps", metavar="M", help=f"of the target, or 'exact' for the flow; by default {SUBSTEPS}")
    table.add_argument("--ridge", type=float, metavar="R", help="by default 0")
    table.add_argument("--cut", type=float, metavar="C", help="of singular values, relative; by default 1e-4")
    search = parser.add_argument_group("search")
    search.add_argument("--search", metavar="NAME", help="a parameter of the scheme, to find the best value of")
    search.add_argument("--low", type=float, metavar="X", help="by default the parameter's own least value")
    search.add_argument("--metric", choices=("path", "law"), help="of the error; by default the one that comes first")
    search.add_argument("--high", type=float, metavar="X", help="by default the parameter's own greatest value")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.search is not None:
        return _search(arguments)
    if arguments.low is not None or arguments.high is not None:
        raise InputError("--low and --high bound a search; name its parameter with --search, or drop them.")
    if arguments.metric is not None or arguments.tolerance is not None:
        raise InputError("--metric and --tolerance are of a search; name its parameter with --search, or drop them.")
    from numtoolkit.fitting import fit
    from numtoolkit.fitting.least_squares import CALIBRATION, CUT

    scheme, (network, numbers_in) = scheme_of(arguments.scheme), network_from(arguments)
    process = process_from(arguments, network, scheme)
    nfe = number(arguments.nfe, "--nfe", 1, MOST_NFE)
    batch = _unless(arguments.batch, "infinite", "--batch", BATCH)
    seeds = None if batch is None else range(CALIBRATION.start, CALIBRATION.start + batch)
    substeps = _unless(arguments.substeps, "exact", "--substeps", SUBSTEPS)
    path = None if arguments.out is None else destination(arguments.out, (".json",), (FITTED, SCHEME))
    cut = CUT if arguments.cut is None else arguments.cut
    ridge = 0.0 if arguments.ridge is None else arguments.ridge
    how: dict[str, Any] = {"seeds": seeds, "substeps": substeps, "ridge": ridge, "cut": cut}
    if arguments.law is None:
        how |= {"dtype": None, **numbers_in}
    table = fit(scheme, process, network, arguments.grid, nfe=nfe, **how)
    if path is not None:
        if is_declared_here(scheme):
            note(f"wrote {write_fitted_coefficients(path, table)}")
        else:  # a table alone says by name what it is for
            note(f"wrote {write_scheme(path, scheme.with_table(table))}")
    records = [
        {"t": step.start, "to": step.end, **dict(zip(table.names, step.values, strict=True)), "rank": step.rank,
         "base residual": step.base_residual if step.rank else None, "residual": step.residual if step.rank else None}
        for step in table.steps
    ]  # fmt: skip
    named = {"scheme": table.scheme, "base": table.base, "process": table.process, "network": table.network}
    report(
        arguments,
        {
            **named,
            "about": dict(table.about),
            "sha256": table.digest,
            "steps": records,
            **references(origins()),
            **weights_of(network),
        },
        lambda: grid(records),
    )
    return 0


def _search(arguments: argparse.Namespace) -> int:
    from numtoolkit.fitting import search

    for option in ("batch", "substeps", "ridge", "cut"):
        if getattr(arguments, option) is not None:
            raise InputError(f"--{option} is of a least-squares fit; drop it or --search.")
    scheme, (network, numbers_in) = scheme_of(arguments.scheme), network_from(arguments)
    process = process_from(arguments, network, scheme)
    budgets = numbers(arguments.nfe, "--nfe", 1, MOST_NFE)
    if (arguments.low is None) != (arguments.high is None):
        raise InputError("--low and --high bound a search together; give both or neither.")
    bounds = None if arguments.low is None else (arguments.low, arguments.high)
    path = None if arguments.out is None else destination(arguments.out, (".json",), (FITTED,))
    how = {"bounds": bounds, "metric": arguments.metric, **numbers_in}
    records = search(scheme, process, network, arguments.grid, budgets, arguments.search, **how)
    records = [{k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in r.items()} for r in records]
    if path is not None:
        named = "model" if arguments.law is None else "law"
        facts: dict[str, Any] = {named: network.name, "process": process.spec, "grid": arguments.grid}
        facts |= weights_of(network)
        note(f"wrote {write_json(path, {**facts, **references(origins()), 'versions': versions(), 'data': records})}")
    report(arguments, records, lambda: grid(records, optional=("parameter", "objective", "steps", "default")))
    return 0


def _unless(text: str | None, word: str, option: str, default: int) -> int | None:
    """A whole number, or None for the word that stands for no number."""
    return default if text is None else None if text == word else number(text, option, 1, MOST)


FIT = Command("fit", "Fit the coefficients of a scheme, or search for a parameter of it.", _arguments, _run)
