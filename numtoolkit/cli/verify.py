"""`verify`: what is proved of schemes."""

from __future__ import annotations

import argparse
import textwrap
from dataclasses import asdict
from itertools import groupby
from typing import Any

from numtoolkit.cli.cells import orders
from numtoolkit.cli.output import Command, add_json, grid, note, progress, report, schemes, show, taken_from, width
from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue

LAW = (
    "weak: order in law of the transition, from any state; marg., where that is another: of the marginal, from an "
    "exact one, on Gaussian laws, which error curves show."
)
SOME = 6  # residuals printed of each of several schemes


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schemes", metavar="SCHEME", nargs="*", help="free parameters stay symbolic")
    parser.add_argument("--all", action="store_true", help="the whole catalogue")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.symbolic.verdict import verify

    if bool(arguments.schemes) == arguments.all:
        raise InputError("verify needs to know what: name schemes, or give --all alone.")
    chosen = catalogue() if arguments.all else schemes(arguments.schemes)
    records = [asdict(verify(scheme)) | taken_from(scheme) for scheme in progress(chosen, "proving")]
    report(arguments, records, lambda: _verdicts(records))
    open_ = {r["scheme"]: r["verdict"] == "not analysed" for r in records if not r["ok"]}
    for what, names in (
        ("a claim failed for", [name for name, unknown in open_.items() if not unknown]),
        ("nothing is proved of a claim of", [name for name, unknown in open_.items() if unknown]),
    ):
        if names:
            note(f"numtoolkit: {what} {', '.join(names)}.")
    return 1 if open_ else 0


def _verdicts(records: list[dict[str, Any]]) -> str:
    from numtoolkit.symbolic.verdict import HOLDS, in_words

    rows = [
        {
            "scheme": r["scheme"],
            "claimed": orders(r["claimed"]),
            "derived": orders(r["derived"]),
            "whole run": _whole(r),
            "verdict": in_words(r["verdict"], r["within"]) + ("" if r["ok"] else ", NOT AS CLAIMED"),
            "holds for": HOLDS[r["holds"]],
        }
        for r in records
    ]
    parts = [
        grid(rows, optional=("holds for",)),
        "",
        "stiff: strong, commuting, weak order.",
        *textwrap.wrap(LAW, width()),
        "whole run: a step of order p at its start or end leaves it at p + 1.",
        "filled: of a run that ends with steps that fill its budget.",
    ]
    beside = [r for r in records if r["derived"]["companion"] is not None]
    orders_beside = (f"{r['scheme']} {r['derived']['companion']} (claimed {r['claimed']['companion']})" for r in beside)
    parts += textwrap.wrap(f"companions, which estimate errors: {', '.join(orders_beside)}.", width()) if beside else []
    for r in records:
        parts += ["", *textwrap.wrap(f"{r['scheme']}: {r['why']}", width())] if r["why"] else []
        parts += ["", *textwrap.wrap(f"{r['scheme']}: {r['where']}", width())] if r["where"] else []
        parts += ["", *textwrap.wrap(_digits(r), width())] if r["within"] is not None else []
        if r["holds"]:
            most = None if len(records) == 1 else SOME
            parts += ["", *_residuals(r["scheme"], "local error", r["residuals"], most)]
            for kind, failing in groupby(r["stiff_residuals"], key=lambda own: own["kind"]):
                what = f"what fails of {kind.replace('_', ' ')}"
                parts += ["", *_residuals(r["scheme"], what, list(failing), most, "exact minus numerical")]
        parts += ["", f"{r['scheme']}: each step's defects, by tree", grid(r["steps"])] if r["steps"] else []
    return "\n".join(parts)


def _whole(record: dict[str, Any]) -> str:
    """The order of a whole run in a cell."""
    run, marginal, filled = record["run"], record["run_marginal"], record["filled"]
    parts = [show(run)]
    parts += [f"marg. {marginal}"] if marginal not in (None, run) else []
    return ", ".join(parts + ([f"filled {filled}"] if filled not in (None, run) else []))


def _digits(record: dict[str, Any]) -> str:
    """What the digits of a scheme's numbers leave open, and how well each order holds."""
    tolerances = ", ".join(f"{p} to {size:.1e}" for p, size in record["tolerances"].items() if size)
    left = f"{record['scheme']}: what its digits leave open is below 2^-{record['within']} and taken for 0"
    return f"{left}; order {tolerances}." if tolerances else f"{left}."


def _residuals(
    name: str, what: str, residuals: list[dict[str, Any]], most: int | None, sign: str = "numerical minus exact"
) -> list[str]:
    if not residuals:
        return [f"{name}: no residual."]
    shown = residuals[:most]
    wide = max(len(r["tree"]) for r in shown)
    lines = [f"{name}: {what} of order {residuals[0]['order']}, {sign}"]
    for r in shown:
        first, later = f"  {r['tree']:{wide}}  ", " " * (wide + 4)
        lines += textwrap.wrap(r["value"], width(), initial_indent=first, subsequent_indent=later)
    left = len(residuals) - len(shown)
    return [*lines, f"  and {left} more; verify it alone to see them"] if left else lines


VERIFY = Command("verify", "Prove or refute the claimed orders of schemes.", _arguments, _run)
