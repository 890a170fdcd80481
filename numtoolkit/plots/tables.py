"""Orders and errors as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from numtoolkit.plots.curves import LABELS, _error, kind_of, measure_of
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

    Each with a row a scheme and a column a budget, empty where a run overflows.

    records  as `numtoolkit.measure.error_curve` returns them
    """
    from tabulate import tabulate

    budgets = sorted({r["nfe"] for r in records})
    headers = ["scheme", *(f"NFE {nfe}" for nfe in budgets)]
    parts = []
    for kind in dict.fromkeys([*map(kind_of, records), "path", "law"]):
        own = [r for r in records if kind == kind_of(r) or _error(r, kind) is not None]
        errors = {(r["scheme"], r["nfe"]): _error(r, kind) for r in own}
        for measure in dict.fromkeys(measure_of(r, kind) for r in own):
            schemes = dict.fromkeys(r["scheme"] for r in own if measure_of(r, kind) == measure)
            cells = [[errors.get((scheme, nfe)) for nfe in budgets] for scheme in schemes]
            texts = [["" if e is None else f"{e:.1e}" for e in row] for row in cells]
            rows = [[f"`{scheme}`", *row] for scheme, row in zip(schemes, texts, strict=True)]
            text = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
            parts.append(f"{LABELS[measure]}:\n\n{text}")
    return "\n\n".join(parts)


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
