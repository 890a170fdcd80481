"""The modified equation of a scheme: that whose exact flow, at least as a series in h, a step of the scheme is.

A splitting is the exponential of a Lie series, its logarithm in words, written in the brackets of Lyndon words. A plain
Runge-Kutta step is a B-series a(t) over rooted trees, and its equation has the coefficients

    b(t) = a(t) - sum_{j=2..|t|} D_j(t) / j!,   D_1 = b,   D_j(t) = sum over edges of t of D_{j-1}(root part) b(rest)

(Hairer, Lubich & Wanner 2006, IX.9; `mathematics.md` 4.2), since each derivative along the equation cuts one edge.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import cache
from math import factorial, lcm
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, counted, whole
from numtoolkit.faces import Face, Page, Table
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.classical import conditions_of, plain_tableau
from numtoolkit.symbolic.condition import Condition, aligned, factored, record, weighted
from numtoolkit.symbolic.lyndon import bracket, in_brackets, show_bracket
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.rooted_trees import FOREST
from numtoolkit.symbolic.runge_kutta import DRIFT, Tableau
from numtoolkit.symbolic.splittings import Splitting, is_splitting, splitting, splitting_of
from numtoolkit.symbolic.steps_back import StepInClock

HIGHEST = 10


@dataclass(frozen=True)
class ModifiedEquation(Face):
    """The right side of the equation: the sum of h^(order - 1) value * tree over its terms, to an order.

    scheme   whose it is
    order    the highest of its terms
    terms    trees or brackets, lower orders first, those with the value 0 left out
    field    of the values
    """

    scheme: str
    order: int
    terms: tuple[Condition, ...] = dataclass_field(repr=False)
    field: Field = dataclass_field(repr=False, compare=False)

    def __repr__(self) -> str:
        return (
            f"<ModifiedEquation of {brief(self.scheme, 100)} to h^{self.order - 1}: {counted(len(self.terms), 'term')}>"
        )

    def table(self) -> list[dict[str, object]]:
        """Order, tree and value of each term."""
        return [self._record(term) for term in self.terms]

    def _record(self, term: Condition) -> dict[str, object]:
        return record(term.order, term.tree, self.field.text(term.value))

    def page(self) -> Page:
        """Its terms."""
        title = f"{self.scheme}: modified equation to h^{self.order - 1}"
        caption = "the sum of h^(order - 1) value tree over:"
        return Page(title, (), (Table.of(caption, self.terms, self._record, ("tree", "value")),))

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self.terms)

    def latex(self) -> str:
        """The right side as an aligned display in LaTeX's mathematics mode, a power of h a line."""
        lines = []
        for n in sorted({c.order for c in self.terms}):
            power = "" if n == 1 else "h" if n == 2 else f"h^{{{n - 1}}}"
            own = (weighted(factored(self.field, c.value), c.tex) for c in self.terms if c.order == n)
            inner = " ".join(own).removeprefix("+ ")
            lines.append(rf"& + {power}\,\bigl({inner}\bigr)" if power else f"& {inner}")
        return aligned(f"{self.scheme}: modified equation to h^{self.order - 1}", lines)


def modified_equation(scheme: Scheme | Splitting | str, order: int) -> ModifiedEquation:
    """The modified equation of the inner step of a splitting or a plain Runge-Kutta scheme, to h^(order - 1).

    scheme   or its name, or a splitting or its word, "B/2 A B/2" (`numtoolkit.symbolic.splittings.splitting`)
    order    of the trees and brackets, 1 to 10
    raises   InputError for a scheme that is neither, or whose network is not told the row sums of its tableau
    cost     0.01 s to order 5, 0.2 to 0.5 s to order 9 in numbers, more with symbols; no network calls
    """
    whole("the order of a modified equation", order, 1, HIGHEST)
    if is_splitting(scheme):
        scheme = splitting(str(scheme))
    if not isinstance(scheme, Splitting):
        scheme = scheme_of(scheme)
        found = plain_tableau(StepInClock(scheme))
        if found is not None:
            return _of_tableau(scheme.spec, found, order)
        scheme = splitting_of(scheme)
    terms = []
    for degree in range(1, order + 1, 2 if scheme.symmetric else 1):
        for word, value in in_brackets(scheme.logarithm, scheme.letters, degree).items():
            text = show_bracket(bracket(word, scheme.letters))
            terms.append(Condition(degree, text, value, text))
    return ModifiedEquation(scheme.name, order, tuple(terms), scheme.field)


def _of_tableau(name: str, own: Tableau, order: int) -> ModifiedEquation:
    sums = (sum(row.values()) - time for row, time in zip(own.A, own.times, strict=True))
    if any(map(own.field.surely, sums)):
        raise InputError(
            f"the network is told other times in {name} than the row sums of its tableau; take a scheme without time."
        )
    values = logarithm(own, order)
    graded = {n: {(DRIFT, FOREST.shape(t)): values[t] * Fraction(1, FOREST.trees[t].symmetry)
                  for t in FOREST.of_weight(n) if values.get(t)} for n in range(1, order + 1)}  # fmt: skip
    return ModifiedEquation(name, order, tuple(conditions_of(graded)), own.field)


def logarithm(own: Tableau, order: int) -> dict[int, Any]:
    """The coefficients b(t) of trees without time, by number, to a weight `order`, of a tableau `own`.

    Those of rational numbers are found in whole ones, b(t) d^|t|: a product of j coefficients over j! holds no prime p
    beyond its power j - 1, and d every prime to the order.
    """
    numbers = [*own.b.values(), *(a for row in own.A for a in row.values())]
    rational = all(isinstance(a, Fraction) for a in numbers)
    d = lcm(*range(1, order + 1)) * lcm(*(a.denominator for a in numbers)) if rational else 0
    b: dict[int, Any] = {}
    powers: list[dict[int, Any]] = [b]  # D_1, D_2, ...
    zero = 0 if d else own.field.number(0)
    for number, defect in own.listed(order):
        tree = FOREST.trees[number]
        if tree.timeless != number:
            continue
        value = defect * tree.symmetry + Fraction(1, tree.density)
        value = int(value * d**tree.weight) if d else value
        for j in range(2, tree.weight + 1):
            if len(powers) < j:
                powers.append({})
            lower = powers[j - 2]
            along = sum(
                (lower[root] * b[rest] * count for (root, rest), count in cuts(number).items() if lower.get(root)),
                start=zero,
            )
            powers[j - 1][number] = along
            value = value - (along // factorial(j) if d else along * Fraction(1, factorial(j)))
        b[number] = value
    return {number: Fraction(value, d ** FOREST.trees[number].weight) for number, value in b.items()} if d else b


@cache
def cuts(number: int) -> Counter[tuple[int, int]]:
    """What a tree without time falls into where one edge is cut: (root part, rest), with how many edges do so."""
    found: Counter[tuple[int, int]] = Counter()
    children = FOREST.trees[number].children
    for i, child in enumerate(children):
        others = children[:i] + children[i + 1 :]
        found[FOREST.number(others), child] += 1
        for (root, rest), count in cuts(child).items():
            found[FOREST.number((*others, root)), rest] += count
    return found
