"""What objects show of themselves in a notebook: a page as HTML, formulas as LaTeX.

A page is plain data: a title, facts and tables. In HTML it has no style, script or identifier of its own, so that it
looks as the notebook around it does; all texts are escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from numtoolkit.errors import counted

MOST_ROWS = 100  # of a table that are shown


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
    def of(caption: str, records: Sequence[Mapping[str, object]], formulas: tuple[str, ...] = ()) -> Table:
        """The table of records with the same keys, which name its columns; `caption` and `formulas` as its own."""
        columns = tuple(records[0]) if records else ()
        rows = tuple(tuple("" if record[c] is None else str(record[c]) for c in columns) for record in records)
        return Table(caption, columns, rows, formulas)


@dataclass(frozen=True)
class Page:
    """A title; facts as (what, sentence), without those that have no sentence; tables, without those that are empty."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()

    def __repr__(self) -> str:
        return f"<Page of {counted(len(self.tables), 'table')}>"


def html(page: Page) -> str:
    """A page as a section of HTML: a heading, a list of its facts, its tables to `MOST_ROWS` rows each."""
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

    left = len(table.rows) - MOST_ROWS
    caption = table.caption + (f"; the first {MOST_ROWS}, {left} more are in its table()" if left > 0 else "")
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    yield f"<table><caption>{escape(caption)}</caption>"
    yield f"<thead><tr>{head}</tr></thead><tbody>"
    for row in table.rows[:MOST_ROWS]:
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

    def _repr_html_(self) -> str:
        return html(self.page())

    def _repr_latex_(self) -> str:
        lines = (line for line in self.latex().split("\n") if not line.startswith("%"))
        return "\n".join(["$\\displaystyle", *lines, "$"])
