"""The local error of a scheme, numerical minus exact, at the first power of h where there is one.

trees     exact coefficients of rooted trees; of a stochastic scheme those of the words of mean and covariance
brackets  of a splitting, commutators of its letters in the basis of Lyndon words
blocks    of a phase-space scheme, its rows in drift and score; of a stochastic one matrices and a vector
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, choice, counted
from numtoolkit.faces import Face, Page, Table
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic import classical, weak
from numtoolkit.symbolic.condition import Condition, aligned, factored, record, weighted
from numtoolkit.symbolic.lyndon import bracket, in_brackets, show_bracket
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.splittings import Splitting, is_splitting, splitting, splitting_of
from numtoolkit.symbolic.steps_back import StepInClock

HIGHEST_BRACKETS = 9  # degree


PARTS = {"": "", "mean": "mean ", "offset": "mean ", "noise": "noise "}  # of form blocks: how their trees begin


@dataclass(frozen=True)
class LocalError(Face):
    """What a step is off by: h^order times the sum of value * tree over its terms, and higher powers.

    scheme   whose it is, and form: trees, brackets or blocks
    order    the power of h, one more than the order of the scheme
    terms    its conditions of that order that do not hold. In form blocks a tree is the row x or m, or, of a stochastic
             scheme, an entry of the matrix on the state (mean xm), of the vector added to it (mean x), or of the
             covariance (noise xm)
    field    of the values
    """

    scheme: str
    form: str
    order: int
    terms: tuple[Condition, ...] = dataclass_field(repr=False)
    field: Field = dataclass_field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<LocalError of {brief(self.scheme, 100)}: h^{self.order}, {counted(len(self.terms), 'term')}>"

    def expression(self, term: Condition) -> Any:
        """The value of a term as a sympy expression, factored."""
        return factored(self.field, term.value)

    def table(self) -> list[dict[str, object]]:
        """Order, tree and value of each term."""
        return [self._record(term) for term in self.terms]

    def _record(self, term: Condition) -> dict[str, object]:
        return record(term.order, term.tree, self.field.text(term.value))

    def page(self) -> Page:
        """Its terms."""
        title = f"{self.scheme}: local error h^{self.order}, numerical minus exact"
        return Page(
            title, (), (Table.of(counted(len(self.terms), "term"), self.terms, self._record, ("tree", "value")),)
        )

    def part(self, name: str) -> Any:
        """A part of form blocks as a sympy matrix, its rows x and m, multiplied out.

        name     "" for the step of a deterministic scheme; "mean", which acts on the state; "offset", which is added to
                 it; "noise", which is added to its covariance
        raises   InputError for another name or form
        """
        import sympy

        if self.form != "blocks" or name not in PARTS:
            raise InputError(f"the local error in {self.form} has no part {name!r}; form blocks has them.")
        head = PARTS[name]
        values = {c.tree: c.value for c in self.terms}
        columns = ("",) if name in ("", "offset") else ("x", "m")
        trees = [[f"{head}{row}{column}" for column in columns] for row in ("x", "m")]
        return sympy.Matrix([[self.field.expression(values[t]) if t in values else 0 for t in row] for row in trees])

    @property
    def square(self) -> Fraction | None:
        """The square of the Euclidean norm of the values; None where they are no rationals."""
        values = [condition.value for condition in self.terms]
        return sum((v**2 for v in values), Fraction(0)) if all(isinstance(v, Fraction) for v in values) else None

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self.terms)

    def latex(self) -> str:
        """The error as an aligned display in LaTeX's mathematics mode, a term a line."""
        from numtoolkit.symbolic.score_blocks import latex_name

        power, lines = f"h^{{{self.order}}}", []
        for c in self.terms:
            expression = self.expression(c)
            names = {x: latex_name(x.name) for x in expression.free_symbols}
            if self.form == "blocks":
                lines.append(f"{c.tex} &= {weighted(expression, power, names).removeprefix('+ ')}")
            else:
                lines.append(f"& {weighted(expression, c.tex)}")
        if lines and self.form != "blocks":
            lines[0] = lines[0].replace("& + ", "& ").replace("& ", rf"& {power} \Bigl( ", 1)
            lines[-1] += rf" \Bigr) + O(h^{{{self.order + 1}}})"
        return aligned(f"{self.scheme}: local error, numerical minus exact", lines)


def local_error(scheme: Scheme | Splitting | str, form: str = "trees") -> LocalError:
    """The leading local error of a scheme's inner step, numerical minus exact, unbound parameters symbolic.

    scheme   or its name; for brackets also a splitting or its word, "B/2 A B/2"
    form     trees, brackets or blocks
    raises   InputError for a form that the scheme has none of
    cost     that of its order and, for blocks, 0.05 to 0.5 s more; no network calls
    """
    choice("form of a local error", form, FORMS)
    if isinstance(scheme, Splitting) or is_splitting(scheme):
        own = scheme if isinstance(scheme, Splitting) else splitting(str(scheme))
        if form != "brackets":
            raise InputError(f"the splitting {own.name!r} has a local error in brackets alone, not {form}.")
        return _brackets_of(own)
    assert not isinstance(scheme, Splitting)
    return FORMS[form](scheme_of(scheme))


def _trees(scheme: Scheme) -> LocalError:
    if scheme.kind == "ode":
        found = classical.order(scheme)
        terms = tuple(classical.conditions_of({found.p + 1: found.residuals}))
        return LocalError(scheme.spec, "trees", found.p + 1, terms, found.field)
    p = weak.weak_order(scheme).weak
    field, listed = weak.listed(StepInClock(scheme), p + 1)
    return LocalError(scheme.spec, "trees", p + 1, tuple(c for c in listed if field.surely(c.value)), field)


def _of_splitting(scheme: Scheme) -> LocalError:
    return _brackets_of(splitting_of(scheme))


def _brackets_of(own: Splitting) -> LocalError:
    """Where the first degree does not vanish, the difference is a Lie element: its logarithm begins with it."""
    for degree in range(1, HIGHEST_BRACKETS + 1):
        found = in_brackets(own.defect, own.letters, degree)
        if found:
            terms = tuple(
                Condition(degree, text, value, text)
                for text, value in ((show_bracket(bracket(w, own.letters)), value) for w, value in found.items())
            )
            return LocalError(own.name, "brackets", degree, terms, own.field)
    raise InputError(f"{own.name} is exact to degree {HIGHEST_BRACKETS}, beyond which it is not analysed.")


def _blocks(scheme: Scheme) -> LocalError:
    from numtoolkit.symbolic.score_blocks import ROWS, Blocks

    if scheme.kind == "ode":
        found = classical.order(scheme)
        order, blocks = found.p + 1, Blocks(scheme, found.p, found.field)
        values = {row: (row, value) for row, value in zip(ROWS, blocks.vector(found.residuals), strict=True)}
    else:
        order = weak.weak_order(scheme).weak + 1
        field, mean, covariance, _ = weak.defects(StepInClock(scheme), order)
        blocks = Blocks(scheme, order - 1, field)
        R, r, Q = blocks.moments(mean, covariance)
        values = {}
        for i, row in enumerate(ROWS):
            values[f"mean {row}"] = rf"\mathrm{{mean}}_{{{row}}}", r[i]
            for j, column in enumerate(ROWS):
                values[f"mean {row}{column}"] = rf"\mathrm{{mean}}_{{{row}{column}}}", R[i, j]
                values[f"noise {row}{column}"] = rf"\mathrm{{noise}}_{{{row}{column}}}", Q[i, j]
    terms = tuple(Condition(order, tree, value, tex) for tree, (tex, value) in values.items() if value)
    return LocalError(scheme.spec, "blocks", order, terms, blocks.field)


FORMS: dict[str, Callable[[Scheme], LocalError]] = {"trees": _trees, "brackets": _of_splitting, "blocks": _blocks}
