"""A printed scheme says what the declaration says: what is printed is read back and computed with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import expm

from numtoolkit import printing
from numtoolkit.declare.entries import Int, L, N, integral, number, phi, symbol, symbols
from numtoolkit.declare.forms import history, past, tableau
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Noise, Row, Step, Steps
from numtoolkit.printing import pages
from numtoolkit.printing.normal import scalar
from numtoolkit.printing.styles import TEXT, Latex
from numtoolkit.problem.frozen import FROZEN_DATA
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.problem import Frozen
from numtoolkit.program.evaluator import Evaluator
from numtoolkit.schemes import catalogue, scheme
from tests.support.tiers import breadth, in_sample

SPECS = [
    *(member.spec for member in catalogue()),
    "res-2s(c2=1/3)",
    "unipc(2, variant=bh1)",
    "roba(lambda_s=2)",
    "lambda-ddim-2(shift=-1/2)",
    "heun-edm-churn(s_noise=3/2)",
]
RENDERED = {"res-2s", "unipc", "sscs", "gddim-pc", "gframe-ab"}
SOME_OF_ALL = breadth(SPECS, lambda spec: in_sample(scheme(spec)))

# Generic blocks that do not commute, constant over the step: every printed formula is then exact.
BLOCKS = {
    operator: np.random.Generator(np.random.Philox(seed)).normal(size=(2, 2))
    for seed, operator in enumerate(OPERATORS.values())
}
LENGTH = 0.7  # of the step


@dataclass(frozen=True)
class _State:
    blocks: int = 2
    rows: tuple[str, ...] = ("x", "m")
    name: str = "generic"


@dataclass(frozen=True)
class _Problem:
    """A stand-in for a problem with those blocks, in the clock u = -t."""

    frozen: Frozen = FROZEN_DATA
    process: _State = _State()
    scalar: None = None

    def u(self, t):
        return -t

    def t(self, u):
        return -u

    def constant(self, operator):
        return True

    def operator(self, operator, t):
        block = {"L": np.zeros((2, 2)), "N": np.eye(2)}.get(operator.name) if self.frozen.whole else None
        return np.broadcast_to(BLOCKS[operator] if block is None else block, (len(t), 2, 2))


class Block:
    """A 2 x 2 matrix as printed text computes with it; numbers beside it are multiples of the identity."""

    def __init__(self, matrix):
        self.matrix = np.asarray(matrix, dtype=float)

    def _other(self, other):
        return other.matrix if isinstance(other, Block) else other * np.eye(2)

    def __add__(self, other):
        return Block(self.matrix + self._other(other))

    def __sub__(self, other):
        return Block(self.matrix - self._other(other))

    def __rsub__(self, other):
        return Block(self._other(other) - self.matrix)

    def __mul__(self, other):
        return Block(self.matrix @ self._other(other))

    def __rmul__(self, other):
        return Block(self._other(other) @ self.matrix)

    def __truediv__(self, other):
        return Block(self.matrix / other)

    def __neg__(self):
        return Block(-self.matrix)

    def __call__(self, abscissa):
        return self

    __radd__ = __add__

    @property
    def x(self):
        return Block(np.diag([1.0, 0.0]) @ self.matrix)

    @property
    def m(self):
        return Block(np.diag([0.0, 1.0]) @ self.matrix)


def function(k):
    """phi_k(X) by an augmented exponential (Al-Mohy & Higham 2011, theorem 2.1)."""

    def evaluate(X):
        big = np.zeros((2 * k + 2, 2 * k + 2))
        big[:2, :2], big[:2, 2:4] = X.matrix, np.eye(2)
        big[2:-2, 4:] = np.eye(2 * k - 2)
        return Block(expm(big)[:2, -2:])

    return evaluate


MEANING = {
    **{operator.name: Block(matrix) for operator, matrix in BLOCKS.items()},
    "h": LENGTH,
    "z": Block(LENGTH * BLOCKS[OPERATORS["L"]]),
    "exp": lambda X: Block(expm(X.matrix)),
    **{f"phi{k}": function(k) for k in range(1, 5)},
}


def values(member):
    """A number for every scalar of a scheme: as bound, else some."""
    names = sorted(
        set().union(*(symbols(e) for layout in member.steps.distinct for item in layout.items for e in entries(item)))
    )
    return {name: 0.3 + 0.17 * i for i, name in enumerate(names)} | {name: float(v) for name, v in member.values}


def entries(item):
    """Every entry of a row, an evaluation or a noise."""
    if isinstance(item, Row):
        return [item.at, *(entry for _, entry in item.terms)]
    return [item.covariance] if isinstance(item, Noise) else [item.at, item.network_time]


def computed(text, numbers):
    """What printed text evaluates to, as a 2 x 2 matrix."""
    source = text.replace("^", "**") or "1"
    value = eval(source, {"__builtins__": {}}, MEANING | numbers)  # only text this package printed
    return value.matrix if isinstance(value, Block) else value * np.eye(2)


def reader(member, numbers):
    return Evaluator(_Problem(member.frozen), np.array([LENGTH, 0.0]), np.array([0]), numbers)


@pytest.mark.parametrize("spec", SOME_OF_ALL)
def test_printed_coefficients_are_those_of_the_declaration(spec):
    """Each printed coefficient, computed with blocks that do not commute, is the entry to 1e-9."""
    member = scheme(spec)
    numbers = values(member)
    terms = [
        (f"{title}: {row.name} <- {source}", row.at, entry)
        for title, layout in printing.sections(member)
        for row in layout.items
        if isinstance(row, Row)
        for source, entry in row.terms
    ]
    for where, at, entry in terms:
        exact = reader(member, numbers).block(entry)[0]
        text = TEXT.factor(*(pages._plain(e, member) for e in (entry, at)))
        # Both sides are sums of a few products of matrices and quotients of size 1, up to 1e4 with small
        # denominators: 1e-9 is beyond their rounding and far below any change of an entry.
        np.testing.assert_allclose(computed(text, numbers), exact, rtol=1e-9, atol=1e-9, err_msg=f"{where} = {text}")


@pytest.mark.parametrize("spec", SOME_OF_ALL)
def test_bound_parameters_are_put_in_and_free_ones_named(spec):
    """A number that was bound stands in every row, and its name nowhere but in the list of parameters."""
    member = scheme(spec)
    page = printing.text(member) + printing.latex(member)
    lines = "\n".join(row["is"] for _, layout in printing.sections(member) for row in printing.rows(member, layout))
    for name, value in member.values:
        assert not re.search(rf"\b{name}\b", lines)
        assert f"{name} = {value}" in page


# --- the page


@pytest.mark.parametrize("spec", SOME_OF_ALL)
@pytest.mark.parametrize("width", [80, 100])
def test_the_page_states_the_facts_and_keeps_to_its_width(spec, width):
    """Name, family, source, aliases, processes, cost, derived orders and every row, within the width."""
    member = scheme(spec)
    page = printing.text(member, "classical 1", width)
    assert max(map(len, page.split("\n"))) <= width
    joined = " ".join(page.split())
    for fact in (member.spec, member.family, " ".join(member.source.split()), *member.aliases, *member.processes):
        assert fact in joined
    assert f"{member.nfe_per_step} a step" in joined
    assert "derived classical 1" in joined
    for layout in member.steps.distinct:
        for item in layout.items:
            name = "y'" if item.name == layout.out else item.name
            assert re.search(rf"{re.escape(name)} {'~' if isinstance(item, Noise) else '='} ", page)


def test_the_legend_explains_the_symbols_in_use_alone():
    """No phi on a page without phi, no Ornstein-Uhlenbeck block where no word has one."""
    assert "phi_k" not in printing.text(scheme("sscs"))
    assert "R is the reverse drift" in printing.text(scheme("sscs"))
    assert "Ornstein" not in printing.text(scheme("sscs"))
    assert "r0 = " in printing.text(scheme("res-2m"))
    assert "z = h*L" not in printing.text(scheme("euler"))


def test_a_told_time_that_differs_from_the_abscissa_is_printed():
    """Text and LaTeX both say what time the network is told."""
    from dataclasses import replace

    member = scheme("ddim")
    late = replace(member.steps.inner.items[0], network_time=number("1/2"))
    told = replace(member, steps=replace(member.steps.inner, items=(late, *member.steps.inner.items[1:])))
    assert "E0 = noise(y; told 1/2)" in printing.text(told)
    assert r"\mathrm{noise}(y_{n}; \mathrm{told} \frac{1}{2})" in printing.latex(told)


def test_the_tableau_of_res_2s_is_that_of_the_paper():
    """The LaTeX of its tableau is the array printed there.

    ArXiv:2308.02157 Table 3; phi_{1,2} is phi_1(c_2 z).
    """
    assert r"""\begin{array}{c|cc}
  0 &  &  \\
  c_{2} & c_{2}\,\varphi_{1}(c_{2}\,z) &  \\
  \hline
   & \varphi_{1}(z) - \frac{1}{c_{2}}\,\varphi_{2}(z) & \frac{1}{c_{2}}\,\varphi_{2}(z) \\
\end{array}""" in printing.latex(scheme("res-2s"))


@pytest.mark.parametrize("spec", SOME_OF_ALL)
def test_an_entry_of_a_tableau_times_what_its_heading_says_is_the_coefficient(spec):
    """h N, h where the whole drift is frozen, or nothing: the heading is true of every entry of every tableau."""
    member, scales = scheme(spec), {"h*N": LENGTH * BLOCKS[OPERATORS["N"]], "h": LENGTH * np.eye(2), "": np.eye(2)}
    numbers = values(member)
    for _, layout in printing.sections(member):
        table = pages.tableau(member, layout)
        if table is None:
            continue
        scale = scales[pages.multiplied(table, member)]
        for (_, row), (_, *cells) in zip(table.lines, pages._cells(table, member, TEXT), strict=True):
            for name, cell in zip(table.columns, cells, strict=True):
                exact = reader(member, numbers).block(dict(row.terms)[name])[0] if cell else np.zeros((2, 2))
                np.testing.assert_allclose(computed(cell, numbers) @ scale if cell else exact, exact, atol=1e-9)


@pytest.mark.parametrize(
    ("spec", "row", "heading"),
    [
        ("ddim", "y' = exp(z) y + h*phi1(z)*N E0", "tableau, each entry times h*N"),
        (
            "res-2s",
            "y' = exp(z) y + h*(phi1(z) - phi2(z)/c2)*N E0 + h*phi2(z)*N/c2 E1",
            "tableau, each entry times h*N",
        ),
        ("cvv", "+ h*phi1(h*(L.m + shift*unit.m)/2)*N.m/2 E1", None),
        ("lawson-2", "exp(z/2)*h*N(0)/2 E0", "tableau\n"),
        ("heun", "y' = y + h/2 E0 + h/2 E1", "each entry times h\n"),
        ("euler", "y' = y + h E0", "each entry times h\n"),
    ],
)
def test_a_row_writes_h_and_n_and_a_tableau_says_what_it_leaves_out(spec, row, heading):
    """Where a row is read as it stands it is the step: h phi_k(c h L) N before an evaluation, h where N = 1."""
    page = printing.text(scheme(spec))
    assert row in page
    assert ("tableau" not in page) if heading is None else (heading in page)


def test_the_tableau_of_a_multistep_scheme_lists_past_nodes():
    """The node -r0 of the evaluation before has a row and a column."""
    page = printing.text(scheme("res-2m"))
    assert (
        """tableau, each entry times h*N
      | E0                    E1
    0 |
  -r0 |
  ----+----------------------------------
      | phi1(z) + phi2(z)/r0  -phi2(z)/r0
"""
        in page
    )


def test_a_tableau_too_wide_for_the_page_is_stacked():
    """Its entries stand below one another on a narrow page and beside one another on a wide one."""
    assert "    1 | E0: (1 + 1/(2*r0))*phi1(z)\n      | E1: -phi1(z)/(2*r0)\n" in printing.text(scheme("unipc"))
    assert "| E0  " in printing.text(scheme("unipc"), width=200)


def test_records_give_each_row_its_abscissa():
    """rvv calls the network at 0 and 1 and has its half step at 1/2."""
    records = printing.rows(scheme("rvv"), scheme("rvv").steps.inner)
    assert [(r["at"], r["name"]) for r in records] == [
        ("0", "E0"),
        ("1/2", "Z2"),
        ("1", "Z3"),
        ("1", "E1"),
        ("1", "y'"),
    ]


def test_classical_schemes_are_printed_without_a_linear_part():
    """euler reads y + h E0, its whole drift being the network."""
    assert [row["is"] for row in printing.rows(scheme("euler"), scheme("euler").steps.inner)] == [
        "drift(y)",
        "y + h E0",
    ]


def test_a_weight_that_is_nothing_without_a_linear_part_is_left_out():
    """phi1 - 2 phi2 is nothing where L is 0: a row is printed without it, and is 0 where nothing else stands in it."""
    items = tableau([0, "1/2"], [[], [phi(1, "1/2")]], [phi(1) - 2 * phi(2), phi(1)]).items
    last = items[-1]
    alone = Row("alone", number(1), tuple(term for term in last.terms if term[0] == "E0"))
    step = Step((*items, alone), last.name)
    drawn = [pages._statement(item, step, scheme("euler"), TEXT)[3] for item in (last, alone)]
    assert drawn == [["y", "+ h E1"], ["0"]]


def test_carried_evaluations_stand_where_the_history_was():
    """The columns E0, E1, E2 of a three-step scheme stand at the nodes of `past(3)`."""
    three = [phi(1), phi(1), phi(1)]
    first, second = history(three[:1], keep=1), history(three[:2], keep=2)
    member = Scheme("three", "test", "test", Steps(history(three, keep=2), (first, second)), "data", "log-snr")
    table = pages.tableau(member, member.steps.inner)
    found = dict(zip(table.columns, (c for c, _ in table.lines), strict=False))
    expected = dict(zip(("E0", "E1", "E2"), past(3), strict=True))
    assert {name: scalar(c) for name, c in found.items()} == {name: scalar(c) for name, c in expected.items()}


# --- entries


def test_weights_become_phi_functions_wherever_the_window_starts():
    """Any polynomial weight on any window ending at its row is phi functions, of the same value."""
    a, d = symbol("a"), number(1)
    for entry in (integral(-a, 1, (2, 3)), phi(3, 1 + a).window(d), integral(a, 1, (0, 1, symbol("c2")))):
        text = TEXT.entry(entry, d)
        assert "phi" in text
        assert "Int" not in text
        numbers = {"a": 0.25, "c2": 0.3}
        exact = reader(scheme("ddim"), numbers).block(entry)[0]
        found = LENGTH * computed(text, numbers) @ BLOCKS[OPERATORS["N"]]  # an entry of a tableau multiplies h N
        np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-12)
    assert TEXT.entry(phi(3, 1 + a).window(d), d) == "phi3((1 + a)*z)"
    assert TEXT.entry(integral(0, 1, (0, 0, 1)), d) == "2*phi3(z)"
    assert TEXT.entry(integral(0, Fraction(1, 2)), number("1/2")) == "phi1(z/2)/2"


def test_an_integral_that_ends_before_its_row_is_printed_as_an_integral():
    """What no phi function says is written out as an integral."""
    early = Int(L, N, (number(1), symbol("c2")), number(0), number("1/2"))
    assert TEXT.entry(early, number(1)) == "Int(L, N; 1 s^0 + c2 s^1; 0, 1/2)"
    assert Latex().entry(early, number(1)) == r"\mathrm{Int}_{L, N}(1 s^0 + c_{2} s^1; 0, \frac{1}{2})"


@pytest.mark.parametrize(
    ("entry", "text", "latex"),
    [
        (symbol("c2") / symbol("c2"), "1", "1"),
        (-symbol("r0") / -symbol("r0"), "1", "1"),
        (1 / (-symbol("r0") * (-symbol("r0") - 1)), "1/(r0*(1 + r0))", r"\frac{1}{r_{0}\,\left(1 + r_{0}\right)}"),
        (1 - 1 / (2 * symbol("c2")), "1 - 1/(2*c2)", r"1 - \frac{1}{2\,c_{2}}"),
        (symbol("lambda_s") ** 2 / 3, "lambda_s^2/3", r"\frac{\lambda_{s}^{2}}{3}"),
        (number("1/2") + symbol("a") / 2, "(1 + a)/2", r"\frac{1 + a}{2}"),
        (symbol("a") - symbol("a"), "0", "0"),
    ],
)
def test_scalars_are_printed_in_lowest_terms(entry, text, latex):
    """Quotients are cancelled, signs pulled out, and 0 and 1 seen, in text and LaTeX."""
    assert (TEXT.entry(entry, number(1)), Latex().entry(entry, number(1))) == (text, latex)


@pytest.mark.parametrize(
    ("name", "latex"),
    [("c2", "c_{2}"), ("lambda_s", r"\lambda_{s}"), ("s_noise", r"s_{\mathrm{noise}}"), ("shift", r"\mathrm{shift}"),
     ("xi", r"\xi"), ("xi4", r"\xi_{4}"), ("EP", "E_{P}"), ("Y1", "Y_{1}"), ("r10", "r_{10}"), ("a", "a"),
     ("s_min_2", r"\mathrm{s\_min\_2}")],
)  # fmt: skip
def test_names_become_symbols_with_indices(name, latex):
    """Digits and words after a letter become indices, Greek names Greek letters."""
    assert Latex().name(name) == latex


# --- LaTeX


@pytest.mark.parametrize("spec", breadth(SPECS, lambda spec: scheme(spec).name in RENDERED))
def test_every_formula_is_latex_that_renders(spec):
    """matplotlib's parser of mathematics takes every row and cell of every scheme."""
    from matplotlib.mathtext import MathTextParser

    member = scheme(spec)
    parser = MathTextParser("path")
    for _, layout in printing.sections(member):
        for row in printing.rows(member, layout):
            parser.parse(f"${row['latex']}$")
        table = pages.tableau(member, layout)
        for line in pages._cells(table, member, Latex()) if table else ():
            for cell in filter(None, line):
                parser.parse(f"${cell}$")


@pytest.mark.parametrize("spec", SOME_OF_ALL)
def test_arrays_are_closed_and_their_lines_are_of_one_length(spec):
    """Braces balance, every layout and companion has one array, and its lines have as many cells as columns."""
    page, own = printing.latex(scheme(spec)), scheme(spec)
    assert page.count("{") == page.count("}")
    assert page.count(r"\begin{") == page.count(r"\end{") == len(own.steps.distinct) + len(own.companions)
    for columns, body in re.findall(r"\\begin{array}{c\|(c+)}\n(.*?)\\end{array}", page, re.DOTALL):
        lines = [line for line in body.split("\n") if line.strip() and r"\hline" not in line]
        assert {line.count("&") for line in lines} == {len(columns)}


def test_a_step_quantity_is_explained_where_its_scheme_is_printed():
    """Every one of the catalogue has a sentence, which `show` prints after its name; LaTeX prints its letter."""
    for own in (own for own in catalogue() if own.quantities):
        text = " ".join(printing.text(own).split())
        for quantity in own.quantities:
            assert quantity.sentence
            assert f"quantity {quantity.name}: {quantity.sentence}" in text
    assert "B_{xm}" in printing.latex(scheme("conjugate-optimal"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("gauss-fit-2m", "as h falls it is 1 + h*bend, bend there a number that stays bounded"),
        ("iia-ddim", "fall = s_end/s, s and s_end the noise levels at the start and end of the step"),
        ("conjugate-optimal", "it stays bounded as h falls"),
    ],
)
def test_a_step_quantity_is_printed_with_what_proofs_take_it_for(spec, words):
    """Its expansion, or the rule from which that is derived."""
    assert words in " ".join(printing.text(scheme(spec)).split())
