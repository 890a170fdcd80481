"""`list`, `show` and `verify`: the catalogue, one scheme of it, and what is proved."""

from __future__ import annotations

import argparse
import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from numtoolkit import printing
from numtoolkit.cli.output import (
    MOST_NFE,
    Command,
    add_json,
    destination,
    grid,
    note,
    number,
    progress,
    report,
    schemes,
    width,
)
from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.declare.scheme_file import FORMAT as SCHEME
from numtoolkit.declare.scheme_file import write_scheme
from numtoolkit.errors import InputError
from numtoolkit.files.storage import write_json
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import Program, lower
from numtoolkit.schemes import catalogue, facts, names_in_use
from numtoolkit.schemes import scheme as scheme_of

SOME = 6  # residuals printed of each of several schemes
WIDE = 120  # columns, from which on references in rows are longer
LONGEST = {True: (31, " ..."), False: (19, "")}  # characters of a reference, and its end; `show` prints it in full

HOLDS = {"general": "every law", "gaussian": "Gaussian laws", "sampled": "every law, some step ratios"}
TESTS = ("h L = 0", "h L = -1")  # the test equations of the column "stable"

FOOT = """\
NFE: evaluations a step.
derived: the order of a step, proved; stiff: strong, commuting, weak order. Of an SDE the order in law.
error constant: norm of the residuals of the first order missed, numerical minus exact, at equal steps and default \
parameters, fitted coefficients 0; 0 where equal steps have a higher order. Of an SDE: that of mean and covariance on \
affine scores. It compares schemes of one family that freeze the same quantity in the same clock.
stable: the r to which steps of u' = L u + (w/h) u are stable for all w in [-r, 0], at h L = 0 and at h L = -1.
PSLD step: the longest stable one from T = 1 with data variance 1/4, where the exact probability flow only turns.
Empty: it depends on the grid (noise added back, a closed form), or has no meaning for the scheme."""


def orders(found: Mapping[str, int | None]) -> str:
    """Orders in a cell: "2, stiff 2 1 2" (strong, commuting, weak), "weak 1, strong 1", "-" for none."""
    text = {key: "-" if found.get(key) is None else str(found[key]) for key in ORDERS}
    stiff = " ".join(text[key] for key in ORDERS if key.startswith("stiff"))
    parts = [text["classical"], f"stiff {stiff}", f"weak {text['sde_weak']}", f"strong {text['sde_strong']}"]
    return ", ".join(part for part in parts if any(map(str.isdigit, part))) or "-"


# --- list


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument("--refresh", action="store_true", help="derive the derived columns anew, and keep them")


def _list(arguments: argparse.Namespace) -> int:
    if arguments.refresh:
        refresh()
    records = [_entry(scheme) for scheme in catalogue()]
    report(arguments, records, lambda: _listing(records))
    return 0


def _entry(scheme: Scheme) -> dict[str, Any]:
    known = facts.derived(scheme)
    return {
        "name": scheme.name,
        "scheme": scheme.spec,
        "family": scheme.family,
        "kind": scheme.kind,
        "processes": list(scheme.processes),
        "nfe_per_step": scheme.nfe_per_step,
        "claimed": {key: getattr(scheme.claims, key) for key in ORDERS},
        "reference": scheme.source,
        "aliases": list(scheme.aliases),
        "names_in_use": {name: own for name, own in names_in_use().items() if own.split("(")[0] == scheme.name},
        "frozen": scheme.frozen,
        "clock": scheme.clock,
        "parameters": [p.name for p in scheme.params],
        **known,
    }


def _listing(records: list[dict[str, Any]]) -> str:
    longest, end = LONGEST[width() >= WIDE]
    rows = [
        {
            "scheme": r["scheme"],
            "kind": r["kind"],
            "family": r["family"],
            "processes": " ".join(r["processes"]),
            "freezes": r["frozen"] + ("" if r["clock"] == "natural" else f" in {r['clock']}"),
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
    also = {name: r["name"] for r in records for name in r["aliases"]}
    names = ", ".join(f"{name} = {own}" for name, own in sorted({**also, **names_in_use()}.items()))
    foot = [line for part in (*FOOT.split("\n"), f"Other names: {names}.") for line in wrapped(part)]
    return "\n".join([text, "", *foot])


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, width(), subsequent_indent="  ", break_on_hyphens=False)


def constant(found: Mapping[str, Any] | None) -> str:
    """An error constant in a cell: "0.312 h^3", its order left out where it is 0."""
    return "" if found is None else f"{found['value']:.3g} h^{found['order']}" if found["value"] else "0"


def reach(extent: float | None, digits: str) -> str:
    return "any" if extent is None else format(extent, digits)


def derived_facts(known: Mapping[str, Any]) -> list[str]:
    """What a record has of orders, error constant and stability, in words."""
    stable = ", ".join(f"{reach(extent, '.4g')} ({on})" for on, extent in known["stable"].items())
    error = constant(known["error_constant"])
    found = [printing.claims(known["derived"]), error and f"error constant {error}", stable and f"stable to {stable}"]
    return [fact for fact in found if fact]


def error_term(order: int | None, residuals: Mapping[str, str]) -> str:
    """The first of the residuals, simplest trees first, in a cell."""
    if not residuals:
        return ""
    tree, value = next(iter(residuals.items()))
    short = value if len(value) <= 24 else f"({len(value)} characters)"
    return f"h^{order} {short} {tree}" + (f" + {len(residuals) - 1} more" if len(residuals) > 1 else "")


def refresh() -> None:
    """Derive what is known of every scheme of the catalogue and write `table.json`."""
    write_json(facts.PATH, {scheme.name: derive(scheme) for scheme in progress(catalogue(), "proving")})
    facts.facts.cache_clear()


def derive(scheme: Scheme) -> facts.Record:
    """What the table keeps of a scheme, derived now."""
    from numtoolkit.measure.stability import extents
    from numtoolkit.symbolic.error_norm import error_constant
    from numtoolkit.symbolic.verdict import verify

    found, known = verify(scheme), error_constant(scheme)
    return {
        "derived": found.derived,
        "verdict": found.verdict,
        "holds": found.holds,
        "error_order": found.residuals[0]["order"] if found.residuals else None,
        "error_term": {r["tree"]: r["value"] for r in found.residuals},
        "error_constant": known and {"order": known.order, "value": rounded(known.value), "square": str(known.square)},
        "stable": {on: rounded(extent) for on, extent in extents(scheme).items()},
    }


def rounded(value: float) -> float | None:
    """Four digits, which any machine computes alike; None for infinity."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


# --- show


def _show_arguments(parser: argparse.ArgumentParser) -> None:
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


def _show(arguments: argparse.Namespace) -> int:
    scheme = scheme_of(arguments.scheme)
    if arguments.nfe is None and (arguments.process or arguments.grid):
        raise InputError("--process and --grid print a run, whose length is missing; add --nfe N.")
    if arguments.nfe is not None and arguments.latex:
        raise InputError("--latex prints the declaration, --nfe a run; give one of them.")
    if arguments.out is not None:
        note(f"wrote {write_scheme(destination(arguments.out, ('.json',), (SCHEME,)), scheme)}")
    if arguments.nfe is not None:
        from numtoolkit.sampling.runner import times_of

        process = process_of(arguments.process or scheme.processes[0])
        nfe = number(arguments.nfe, "--nfe", 1, MOST_NFE)
        times = times_of(scheme, process, arguments.grid or "log-snr", nfe=nfe)
        program = lower(scheme, process, times, nfe=nfe)
        report(arguments, _run_record(program), program.text)
    elif arguments.latex:
        latex = printing.latex(scheme)
        report(arguments, {"scheme": scheme.spec, "latex": latex}, lambda: latex)
    else:
        known = facts.derived(scheme)
        line = "; ".join(derived_facts(known))
        report(arguments, _declaration(scheme), lambda: printing.text(scheme, line, width()))
    return 0


def _declaration(scheme: Scheme) -> dict[str, Any]:
    values = scheme.parameters()
    return {
        **_entry(scheme),
        "parameters": [
            {"name": p.name, "value": values[p.name], "low": p.low, "high": p.high, "meaning": p.meaning}
            for p in scheme.params
        ],
        "layouts": {title: printing.rows(scheme, layout) for title, layout in printing.sections(scheme)},
    }


def _run_record(program: Program) -> dict[str, Any]:
    """The lowered run: blocks as lists of rows, each instruction with its kind."""
    steps = [
        asdict(step) | {"instructions": [{"kind": type(i).__name__.lower(), **asdict(i)} for i in step.instructions]}
        for step in program.steps
    ]
    named = {"scheme": program.scheme, "process": program.process.spec, "network": program.network}
    return {**named, "nfe": program.nfe, "plan": program.plan, "steps": steps}


# --- verify


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("schemes", metavar="SCHEME", nargs="*", help="free parameters stay symbolic")
    parser.add_argument("--all", action="store_true", help="the whole catalogue")
    add_json(parser)


def _verify(arguments: argparse.Namespace) -> int:
    from numtoolkit.symbolic.verdict import verify

    if bool(arguments.schemes) == arguments.all:
        raise InputError("verify needs to know what: name schemes, or give --all alone.")
    chosen = catalogue() if arguments.all else schemes(arguments.schemes)
    records = [asdict(verify(scheme)) for scheme in progress(chosen, "proving")]
    report(arguments, records, lambda: _verdicts(records))
    failed = [r["scheme"] for r in records if not r["ok"]]
    if failed:
        note(f"numtoolkit: a claim failed for {', '.join(failed)}.")
    return 1 if failed else 0


def _verdicts(records: list[dict[str, Any]]) -> str:
    rows = [
        {
            "scheme": r["scheme"],
            "claimed": orders(r["claimed"]),
            "derived": orders(r["derived"]),
            "whole run": r["run"] if r["filled"] in (None, r["run"]) else f"{r['run']}, filled {r['filled']}",
            "verdict": r["verdict"] + ("" if r["ok"] else ", NOT AS CLAIMED"),
            "holds for": HOLDS.get(r["holds"], ""),
        }
        for r in records
    ]
    parts = [
        grid(rows, optional=("holds for",)),
        "",
        "stiff: strong, commuting, weak order.",
        "whole run: a step of order p at its start or end leaves it at p + 1.",
        "filled: of a run that ends with steps that fill its budget.",
    ]
    for r in records:
        parts += ["", *_residuals(r["scheme"], r["residuals"], None if len(records) == 1 else SOME)]
        parts += ["", f"{r['scheme']}: each step's defects, by tree", grid(r["steps"])] if r["steps"] else []
    return "\n".join(parts)


def _residuals(name: str, residuals: list[dict[str, Any]], most: int | None) -> list[str]:
    if not residuals:
        return [f"{name}: no residual."]
    shown = residuals[:most]
    wide = max(len(r["tree"]) for r in shown)
    lines = [f"{name}: local error of order {residuals[0]['order']}, numerical minus exact"]
    for r in shown:
        first, later = f"  {r['tree']:{wide}}  ", " " * (wide + 4)
        lines += textwrap.wrap(r["value"], width(), initial_indent=first, subsequent_indent=later)
    left = len(residuals) - len(shown)
    return [*lines, f"  and {left} more; verify it alone to see them"] if left else lines


LIST = Command("list", "Every scheme of the catalogue, with claimed and derived orders.", _list_arguments, _list)
SHOW = Command("show", "A scheme as it is declared, as LaTeX, or as it runs.", _show_arguments, _show)
VERIFY = Command("verify", "Prove or refute the claimed orders of schemes.", _verify_arguments, _verify)
