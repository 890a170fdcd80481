"""What objects show of themselves in a notebook: HTML that is whole, escaped and without style, LaTeX that renders."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from numtoolkit import (
    conditions,
    derive,
    exponential_rk,
    local_error,
    modified_equation,
    verify,
)
from numtoolkit.faces import MOST_ROWS, Page, Table, html
from numtoolkit.schemes import scheme
from tests.support.tiers import breadth

ELEMENTS = {"section", "h4", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "code"}
MADE = {
    "conditions": lambda: conditions("dpmpp-2s", 2, "stiff_strong"),
    "conditions in law": lambda: conditions("em", 2, "sde_weak"),
    "conditions of a splitting": lambda: conditions("a1*A b1*B a2*A b1*B a1*A", 3, "lie"),
    "derivation": lambda: derive(exponential_rk(2), 2, "stiff_weak"),
    "derivation of several branches": lambda: derive("explicit-runge-kutta(3)", 3),
    "derivation without a member": lambda: derive(exponential_rk(2), 3, "stiff_strong"),
    "branch": lambda: derive(exponential_rk(2), 2, "stiff_strong").branches[0],
    "palindrome": lambda: derive("A B A B A B A", 4),
    "least error": lambda: derive("A B A B A B A", 4).least_error(),
    "palindrome without a member": lambda: derive("A B A", 4),
    "local error": lambda: local_error("res-2s"),
    "local error in brackets": lambda: local_error("B/2 A B/2", "brackets"),
    "local error in blocks": lambda: local_error("rvv", "blocks"),
    "modified equation": lambda: modified_equation("A/2 B A/2", 5),
    "modified equation in trees": lambda: modified_equation("euler", 4),
    "verdict": lambda: verify("dpmpp-2m"),
    "verdict in law": lambda: verify("em"),
    "verdict that fails": lambda: verify("roba(lambda_s=2)"),
}
FIRST = {"conditions", "derivation", "palindrome", "local error", "modified equation", "verdict"}


class Reading(HTMLParser):
    """The elements of a page, whether they are closed in turn, its cells by row and all its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.found, self.rows, self.text = [], set(), [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert attributes == ([("scope", "col")] if tag == "th" else [])
        self.open.append(tag)
        self.found.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.mark.parametrize("kind", breadth(list(MADE), FIRST.__contains__))
def test_every_page_is_whole_and_says_what_its_table_does(kind):
    """Elements close in turn, are those of a plain page, and every cell of the page's tables stands in the HTML."""
    made = MADE[kind]()
    page, found = made.page(), Reading(made._repr_html_())
    assert not found.open
    assert found.found <= ELEMENTS
    assert page.title in found.text
    expected = [row for table in page.tables if table.rows for row in (table.columns, *table.rows)]
    assert [tuple(row) for row in found.rows] == expected
    assert all(said in found.text for _, said in page.facts)
    assert expected or page.facts


@pytest.mark.parametrize("kind", breadth(list(MADE), FIRST.__contains__))
def test_every_formula_of_a_face_renders(kind):
    """matplotlib's parser of mathematics takes each line of the display, whose environments close."""
    from matplotlib.mathtext import MathTextParser

    text = MADE[kind]()._repr_latex_()
    assert text.startswith("$\\displaystyle\n")
    assert text.endswith("\n$")
    assert "%" not in text
    assert text.count(r"\begin{") == text.count(r"\end{")
    parser = MathTextParser("path")
    for line in text.split("\n")[1:-1]:
        if line.startswith((r"\begin", r"\end")) or line.strip() == r"\hline":
            continue
        for cell in line.removesuffix(r"\\").split("&"):
            plain = cell.replace(r"\text{}", "").replace(r"\Bigl", "").replace(r"\Bigr", "")
            plain = plain.replace(r"\bigl", "").replace(r"\bigr", "").strip()
            if plain:
                parser.parse(f"${plain}$")


def test_texts_of_a_page_are_escaped():
    """A name with brackets, quotes and ampersands stays text wherever it stands."""
    wild = "<script>alert('&')</script>"
    text = html(Page(wild, ((wild, wild),), (Table(wild, (wild,), ((wild,),), (wild,)),)))
    found = Reading(text)
    assert found.found <= ELEMENTS
    assert "<script" not in text
    assert found.text.count(wild) == 6


def test_a_long_table_is_cut_and_says_so():
    """A notebook is not filled with thousands of rows; how many are left out stands in the caption."""
    made = []

    def record(n):
        made.append(n)
        return {"n": n}

    found = Reading(html(Page("long", (), (Table.of("numbers", range(MOST_ROWS + 7), record),))))
    assert found.rows == [["n"], *([str(i)] for i in range(MOST_ROWS))]
    assert len(made) == MOST_ROWS
    assert f"the first {MOST_ROWS}, 7 more in table()" in found.text
    assert "more" not in Table.of("numbers", range(MOST_ROWS), record).caption


def test_formulas_of_more_lines_than_a_screen_has_are_left_to_the_page():
    """Conditions to order 8, 200 of them, are shown as a table that is cut, and as LaTeX where it is asked for."""
    many, few = conditions("rk4", 8), conditions("rk4", 4)
    assert many._repr_latex_() is None
    assert few._repr_latex_() is not None
    assert len(Reading(many._repr_html_()).rows) == MOST_ROWS + 1
    assert many.latex().count("&= 0") == len(many) == 200


def test_an_empty_table_and_an_unsaid_fact_are_left_out():
    """Nothing stands for what there is not."""
    text = html(Page("empty", (("what", ""),), (Table.of("none", [], dict),)))
    assert text == "<section>\n<h4>empty</h4>\n</section>"


def test_a_verdict_is_an_array_of_claimed_and_derived_orders():
    """In LaTeX, a kind of order a line, those apart that nothing is said of."""
    lines = verify(scheme("res-2s")).latex().split("\n")
    assert lines[0] == "% res-2s: proved"
    assert lines[4] == r"  \text{classical} & \text{2} & \text{2} \\"
    assert len(lines) == 10
    assert lines[8].startswith(r"  \text{companion} & \text{3} & \text{3}")
