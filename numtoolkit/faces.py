"""What objects show of themselves in a notebook: a page as HTML, formulas as LaTeX.

A page is plain data: a title, facts and tables. In HTML it has no style, script or identifier of its own, so that it
looks as the notebook around it does; all texts are escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeVar

from numtoolkit.errors import counted

MOST_ROWS = 100  # that are shown of a table, and lines of formulas
Item = TypeVar("Item")


@dataclass(frozen=True)
class Table:
    """Cells of text below the names of their columns.

    rows      a tuple of cells each
    formulas  the columns that hold formulas, which are set as code
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    formulas: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Table of {', '.join(self.columns)}: {counted(len(self.rows), 'row')}>"

    @staticmethod
    def of(
        caption: str,
        items: Sequence[Item],
        record: Callable[[Item], Mapping[str, object]],
        formulas: tuple[str, ...] = (),
    ) -> Table:
        """The table of what `record` makes of the first `MOST_ROWS` of the items; its keys name the columns.

        caption, formulas   as its own; how many items are left out is added to the caption
        """
        records = [record(item) for item in items[:MOST_ROWS]]
        left = len(items) - len(records)
        columns = tuple(records[0]) if records else ()
        rows = tuple(tuple("" if own[c] is None else str(own[c]) for c in columns) for own in records)
        return Table(
            caption + (f"; the first {MOST_ROWS}, {left} more in table()" if left else ""), columns, rows, formulas
        )


@dataclass(frozen=True)
class Page:
    """A title; facts as (what, sentence), without those that have no sentence; tables, without those that are empty."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()

    def __repr__(self) -> str:
        return f"<Page of {counted(len(self.tables), 'table')}>"


def html(page: Page) -> str:
    """A page as a section of HTML: a heading, a list of its facts, its tables."""
    lines = ["<section>", f"<h4>{escape(page.title)}</h4>"]
    facts = [f"<dt>{escape(what)}</dt><dd>{escape(said)}</dd>" for what, said in page.facts if said]
    lines += ["<dl>", *facts, "</dl>"] if facts else []
    for table in page.tables:
        lines += _table(table) if table.rows else []
    return "\n".join([*lines, "</section>"])


def _table(table: Table) -> Iterable[str]:
    def cell(column: str, content: str) -> str:
        inner = f"<code>{escape(content)}</code>" if column in table.formulas and content else escape(content)
        return f"<td>{inner}</td>"

    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    yield f"<table><caption>{escape(table.caption)}</caption>"
    yield f"<thead><tr>{head}</tr></thead><tbody>"
    for row in table.rows:
        yield f"<tr>{''.join(map(cell, table.columns, row))}</tr>"
    yield "</tbody></table>"


class Face:
    """An object that shows itself in a notebook by its page, and in LaTeX by its formulas."""

    def page(self) -> Page:
        """What it shows."""
        raise NotImplementedError

    def latex(self) -> str:
        """Its formulas in LaTeX's mathematics mode; lines that begin with % are comments."""
        raise NotImplementedError

    @property
    def lines(self) -> int:
        """How many lines of formulas it has, 1 where they are few."""
        return 1

    def _repr_html_(self) -> str:
        return html(self.page())

    def _repr_latex_(self) -> str | None:
        if self.lines > MOST_ROWS:
            return None  # the page alone is shown
        kept = (line for line in self.latex().split("\n") if not line.startswith("%"))
        return "\n".join(["$\\displaystyle", *kept, "$"])
