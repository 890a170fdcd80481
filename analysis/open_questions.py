"""Derive and measure what is known of the open questions of the papers, and write a page for each.

    python -m analysis.open_questions            # every module of analysis/questions
    python -m analysis.open_questions p1_1 r_1   # some
    python -m analysis.open_questions --kept     # pictures and pages anew, of the results that are kept

Of each question NAME: figures/questions/NAME.json, .png and .svg, the statements and tables and their picture, and
docs/questions/NAME.md, the docstring of its module with both; docs/questions/README.md is the index. How a module is
made stands in analysis/questions/common.py.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from numtoolkit.files.storage import read_json, write, write_figure, write_json
from numtoolkit.files.versions import versions
from numtoolkit.reproduce.job import DRAWING, PACKAGES, PICTURES

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS, KEPT, PAGES = ROOT / "analysis" / "questions", ROOT / "figures" / "questions", ROOT / "docs" / "questions"
INDEX = "README"
DIGITS = 4  # of numbers on a page


def names() -> list[str]:
    """The questions, in the order of the index."""
    return sorted(path.stem for path in SCRIPTS.glob("*_*.py"))


def question(name: str) -> ModuleType:
    """The module of a question."""
    return import_module(f"analysis.questions.{name}")


def asked(name: str) -> str:
    """Its first paragraph, in one line."""
    return " ".join((question(name).__doc__ or "").partition("\n\n")[0].split())


def command(name: str) -> str:
    """What makes its page."""
    return f"python -m analysis.open_questions {name}"


def answer(name: str) -> Path:
    """Derive and measure one question; the file written."""
    module = question(name)
    record = {
        "title": asked(name),
        "command": command(name),
        "versions": versions(PACKAGES + DRAWING),
        "statement": module.statement(),
        "tables": module.numbers(),
    }
    return write_json(KEPT / f"{name}.json", record)


def draw(name: str) -> list[Path]:
    """The pictures of a question, of what is kept."""
    figure = question(name).picture(kept(name)["tables"])
    return [write_figure(KEPT / f"{name}{suffix}", figure) for suffix in PICTURES]


def kept(name: str) -> dict[str, Any]:
    """What was found of a question."""
    return dict(read_json(KEPT / f"{name}.json"))


def page(name: str) -> str:
    """The page of a question, from its docstring and what is kept."""
    record, text = kept(name), (question(name).__doc__ or "").partition("\n\n")[2].strip()
    parts = [f"# {asked(name)}", text, "## Derived"]
    parts.append("\n".join(f"- {sentence}" for sentence in record["statement"]))
    parts += ["## Measured", f"![{asked(name)}](../../figures/questions/{name}.png)"]
    for caption, rows in record["tables"].items():
        parts += [f"{caption}:", table(rows)]
    parts.append(f"Made by `{command(name)}`; the numbers are in `figures/questions/{name}.json`.")
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Flat records as a table in Markdown: a column a key, empty where a record has none."""
    from tabulate import tabulate

    heads = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[cell(row.get(head)) for head in heads] for row in rows]
    return str(tabulate(cells, heads, tablefmt="github", disable_numparse=True))


def cell(value: Any) -> str:
    """A value of a table as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.{DIGITS}g}"
    return "" if value is None else str(value)


def index() -> str:
    """The list of the pages."""
    lines = [f"- [{asked(name)}]({name}.md)" for name in names() if (KEPT / f"{name}.json").exists()]
    head = (
        "# Questions that the papers leave open\n\nEach with what is derived of it here, numbers, and what stays open."
    )
    return "\n".join([head, "", *lines]) + "\n"


def pages() -> dict[str, str]:
    """Every page by its name, as kept results make it."""
    return {name: page(name) for name in names() if (KEPT / f"{name}.json").exists()} | {INDEX: index()}


def main(given: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; none for all")
    parser.add_argument("--kept", action="store_true", help="compute nothing")
    told = parser.parse_args(given)
    if unknown := set(told.names) - set(names()):
        parser.error(f"there is no question {', '.join(sorted(unknown))}; ask one of {', '.join(names())}.")
    for name in told.names or names():
        for path in [*([] if told.kept else [answer(name)]), *draw(name)]:
            print(path)
    for name, text in pages().items():
        print(write(PAGES / f"{name}.md", text))


if __name__ == "__main__":
    main()
