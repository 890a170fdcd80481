"""Orders and errors as tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from numtoolkit.plots.curves import FLOORS, LABELS, ends_of, error_of, kind_of, measure_of, within_floor
from numtoolkit.plots.sheet import Record

ORDERS = {  # columns of the order table
    "classical": "classical",
    "stiff_strong": "stiff",
    "stiff_commuting": "stiff, commuting",
    "stiff_weak": "stiff, weak",
    "sde_weak": "in law",
    "sde_marginal": "in law, marginal",
    "sde_strong": "along paths",
}


def order_table(rows: Sequence[Record]) -> str:
    """The orders of schemes as a Markdown table: derived, with the claim in brackets where it is another number.

    rows  with `scheme, nfe_per_step, claimed, derived, run, run_marginal, verdict, holds`, as `verify --json` has them
    """
    from tabulate import tabulate

    def cell(row: Record, order: str) -> str:
        derived, claimed = row["derived"][order], row["claimed"][order]
        text = "" if derived is None else str(derived)
        return text if claimed in (None, derived) else f"{text or '?'} (claimed {claimed})"

    def whole_run(row: Record) -> str:
        run, marginal = row["run"], row["run_marginal"]
        return "" if run is None else f"{run}" if marginal in (None, run) else f"{run}, marginal {marginal}"

    table = [
        [
            f"`{row['scheme']}`",
            row["nfe_per_step"],
            *(cell(row, order) for order in ORDERS),
            whole_run(row),
            row["verdict"],
            row["holds"],
        ]
        for row in rows
    ]
    headers = ["scheme", "NFE a step", *ORDERS.values(), "whole run", "verdict", "holds for"]
    return str(tabulate(table, headers, tablefmt="github", disable_numparse=True))


def error_table(records: Sequence[Record]) -> str:
    """Errors as Markdown, a table for those along paths and one for those in law, that which leads first.

    Each with a row a scheme and a column a budget: the error, and half its 95 % interval in percent of it where it has
    one. The smallest of a column is bold. What samples do not tell from two exact sets (`within_floor`) stands in
    brackets, and where there are such none is the smallest. Empty cells are accounted for below.

    records  as `numtoolkit.measure.error_curve` returns them
    """
    from tabulate import tabulate

    budgets = sorted({r["nfe"] for r in records})
    headers = ["scheme", *(f"NFE {nfe}" for nfe in budgets)]
    parts = []
    for kind in dict.fromkeys([*map(kind_of, records), "path", "law"]):
        own = [r for r in records if kind == kind_of(r) or error_of(r, kind) is not None]
        for measure in dict.fromkeys(measure_of(r, kind) for r in own):
            members = {(r["scheme"], r["nfe"]): r for r in own if measure_of(r, kind) == measure}
            least = {nfe: _least([r for (_, n), r in members.items() if n == nfe], kind) for nfe in budgets}
            rows = [
                [f"`{scheme}`", *(_error_cell(members.get((scheme, nfe)), kind, least[nfe]) for nfe in budgets)]
                for scheme in dict.fromkeys(scheme for scheme, _ in members)
            ]
            floors = {nfe: r["floor"] for (_, nfe), r in members.items() if r.get("floor") is not None}
            if floors and measure in FLOORS:
                rows.append(["two exact sets", *(f"{floors[n]:.1e}" if n in floors else "" for n in budgets)])
            text = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
            parts.append(f"{LABELS[measure]}:\n\n{text}")
    return "\n\n".join(parts + _refusals(records))


def _least(records: Sequence[Record], kind: str) -> float:
    """The smallest error of a column; NaN where there is none, or some are not told from two exact sets."""
    errors = [error for r in records if (error := error_of(r, kind)) is not None]
    return min(errors) if errors and not any(within_floor(r, kind) for r in records) else math.nan


def _error_cell(record: Record | None, kind: str, least: float) -> str:
    error = None if record is None else error_of(record, kind)
    if record is None or error is None:
        return ""
    ends = ends_of(record, kind)
    text = f"{error:.1e}" + (f" ±{(ends[1] - ends[0]) / error / 2:.0%}" if ends and error > 0 else "")
    return f"({text})" if within_floor(record, kind) else f"**{text}**" if error == least else text


def _refusals(records: Sequence[Record]) -> list[str]:
    """Why there is no error where there is none: each reason once, with its schemes and their budgets."""
    reasons: dict[str, dict[str, list[int]]] = {}
    for r in records:
        if r["error"] is None and r.get("why"):
            reasons.setdefault(r["why"], {}).setdefault(r["scheme"], []).append(r["nfe"])
    lines = []
    for why, schemes in reasons.items():
        alike: dict[str, list[str]] = {}
        for scheme, budgets in schemes.items():
            alike.setdefault(", ".join(map(str, budgets)), []).append(f"`{scheme}`")
        lines.append("; ".join(f"{', '.join(names)} at NFE {nfe}" for nfe, names in alike.items()) + f": {why}")
    return ["No error:\n\n" + "\n".join(f"- {line}" for line in lines)] if lines else []


def found_steps_table(records: Sequence[Record]) -> str:
    """Errors along paths as Markdown: a table by budgets, and one by tolerances, with the evaluations they took.

    records  {scheme, nfe, error}, those of runs with steps of each sample's own with a tolerance, and `own`
    """
    from tabulate import tabulate

    def table(own: bool, key: str, title: str) -> str:
        chosen = [r for r in records if r["own"] == own]
        columns = sorted({r[key] for r in chosen}, reverse=own)
        errors = {(r["scheme"], r[key]): r for r in chosen}

        def cell(record: Record | None) -> str:
            if record is None or record.get("error") is None:
                return ""
            return f"{record['nfe']:.0f}: {record['error']:.1e}" if own else f"{record['error']:.1e}"

        rows = [
            [name, *(cell(errors.get((name, x))) for x in columns)]
            for name in dict.fromkeys(r["scheme"] for r in chosen)
        ]
        return str(tabulate(rows, [title, *(f"{x:g}" for x in columns)], tablefmt="github", disable_numparse=True))

    parts = []
    if any(not r["own"] for r in records):
        parts.append(f"{LABELS['relative-rms']}:\n\n{table(False, 'nfe', 'evaluations')}")
    if any(r["own"] for r in records):
        parts.append(f"Evaluations of a sample, on average, and that error:\n\n{table(True, 'tolerance', 'tolerance')}")
    return "\n\n".join(parts)
