"""`conditions`: every order condition of a scheme, whether it holds or not."""

from __future__ import annotations

import argparse
import textwrap
from itertools import groupby
from typing import Any

from numtoolkit.cli.output import Command, add_json, number, report, width
from numtoolkit.errors import InputError

MOST_ORDER = 10


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scheme",
        metavar="SCHEME",
        help="a name with optional parameters, or FILE.json; free parameters are unknowns. With --kind lie also a word "
        "of flows, 'B/2 A B/2', 'a1*A b1*B a2*A'",
    )
    parser.add_argument("--order", metavar="N", required=True, help="list them to this order")
    parser.add_argument(
        "--kind",
        metavar="K",
        default="classical",
        help="classical (the default), stiff_strong, stiff_commuting, stiff_weak, sde_weak or lie",
    )
    parser.add_argument("--open", action="store_true", help="those alone that do not hold")
    form = parser.add_argument_group("in another form, instead of text")
    form.add_argument("--latex", action="store_true", help="lines of an aligned display")
    form.add_argument("--python", action="store_true", help="a function of the unknowns that lists what must be 0")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.symbolic.conditions import conditions

    if arguments.latex and arguments.python:
        raise InputError("--latex and --python are two forms of one list; give one of them.")
    order = number(arguments.order, "--order", 1, MOST_ORDER)
    found = conditions(arguments.scheme, order, arguments.kind.replace("-", "_"))
    found = found.open() if arguments.open else found
    if arguments.latex or arguments.python:
        form = "latex" if arguments.latex else "python"
        text = found.latex() if arguments.latex else found.python()
        report(arguments, {"scheme": found.scheme, form: text}, lambda: text)
        return 0
    record = {
        "scheme": found.scheme,
        "kind": found.kind,
        "order": found.order,
        "met": found.met,
        "open": len(found.failing),
        "unknowns": list(found.unknowns),
        "holds": found.holds,
        "conditions": found.table(),
    }
    report(arguments, record, lambda: _lines(record, arguments.open))
    return 0


def _lines(record: dict[str, Any], open_: bool) -> str:
    """Conditions by order, each with what must be 0."""
    rows = record["conditions"]
    kind, name, order = record["kind"].replace("_", " "), record["scheme"], record["order"]
    if open_:
        title = f"{name}: the {len(rows)} conditions to {kind} order {order} that do not hold"
    else:
        held = len(rows) - record["open"]
        title = f"{name}: the {len(rows)} conditions to {kind} order {order}, {held} of which hold"
    lines = textwrap.wrap(f"{title}, all to order {record['met']}; for {record['holds']}", width())
    lines += ["", "tree, and what must be 0"] if rows else []
    wide = max((len(row["tree"]) for row in rows), default=0)
    for n, own in groupby(rows, key=lambda row: int(row["order"])):
        lines += ["", f"order {n}"]
        for row in own:
            first, later = f"  {row['tree']:{wide}}  ", " " * (wide + 4)
            lines += textwrap.wrap(row["value"], width(), initial_indent=first, subsequent_indent=later)
    return "\n".join(lines)


CONDITIONS = Command("conditions", "Every order condition of a scheme, whether it holds or not.", _arguments, _run)
