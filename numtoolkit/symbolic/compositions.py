"""Splittings of order 6 in real numbers: compositions of Strang's splitting, S(w1 h) S(w2 h) ... S(w2 h) S(w1 h).

Four conditions on the w make order 6, where a word at large has ten (Yoshida 1990; McLachlan 1995), and seven kicks are
the fewest that meet them. The real solutions are points: a search finds them in float64, and each is verified to be a
root of four of the ten conditions in a box that intervals show to have one (Krawczyk), with the other six 0 there as
far as the enclosure tells. That there are no others is not proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.faces import Face, Page, Table
from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.local_minimum import Polynomial, polynomial_of, root_near
from numtoolkit.symbolic.lyndon import in_brackets, lyndon_words
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.palindrome_schemes import scheme_of
from numtoolkit.symbolic.palindromes import LETTERS, Palindrome, defect

ORDER, KICKS = 6, 7
STARTS, STEPS = 400, 40  # random starts of the search, Gauss-Newton steps from each
SAME, MET = 1e-8, 1e-13  # how far roots are apart at least; what is left of the conditions at one


@dataclass(frozen=True)
class Composition(Face):
    """A splitting of order 6 with real lengths.

    family    the word
    weights   w1, w2, w3, w4 of Strang's splittings, enclosed
    lengths   of the flows, enclosed
    norm      Euclidean, of the coefficients of degree 7 in the Lyndon basis, to rounding
    """

    family: Palindrome
    weights: tuple[Interval, ...] = field(repr=False)
    lengths: dict[str, Interval] = field(repr=False)
    norm: float

    dimension = 0
    order = ORDER

    def __repr__(self) -> str:
        return f"<Composition of {KICKS} kicks, order {ORDER}: error {self.norm:.4g}>"

    def scheme(self, name: str = "", kick: int | None = None, frozen: str = "score", clock: str = "time") -> Scheme:
        """It as a scheme; name, kick, frozen and clock as of `PalindromeBranch.scheme`."""
        own = self.family
        return scheme_of(own.word, own.flows, self.lengths, ORDER, name, kick, frozen, clock)

    def record(self) -> dict[str, Any]:
        """Lengths as text, and the norm of the error."""
        return {"values": {name: _digits(own) for name, own in self.lengths.items()}, "error_norm": self.norm}

    def page(self) -> Page:
        """The weights and lengths, to 15 digits."""
        weights = [{"weight": f"w{i}", "value": _digits(own)} for i, own in enumerate(self.weights, 1)]
        lengths = [{"length": name, "value": _digits(own)} for name, own in self.lengths.items()]
        title = f"{self.family.word}, order {ORDER}, verified; the norm of the error of degree 7 is {self.norm:.6g}"
        tables = (Table.of("of Strang's splittings", weights, dict), Table.of("lengths of the flows", lengths, dict))
        return Page(title, (), tables)

    def latex(self) -> str:
        """The lengths, to 15 digits, as lines of an aligned display in LaTeX's mathematics mode."""
        lines = [rf"  {name[0]}_{{{name[1:]}}} &= {_digits(own)} \\" for name, own in self.lengths.items()]
        return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])


def _digits(own: Interval) -> str:
    return f"{float(own.centre):.15g}"


def compositions(family: Palindrome) -> list[Composition]:
    """The splittings of order 6 of a word of seven kicks, A or B first, the one of least error first.

    family   its word of 15 flows
    raises   InputError for another word
    cost     2 s
    """
    if len(family.flows) != 2 * KICKS + 1:
        raise InputError(
            f"order {ORDER} of splittings is that of compositions of {KICKS} kicks, and {family.word} has "
            f"{len(family.flows)} flows; give a word of {2 * KICKS + 1}."
        )
    count = (KICKS + 1) // 2
    numbers = Field([f"w{i}" for i in range(1, count + 1)])
    w = [numbers.symbols[f"w{i}"] for i in range(1, count + 1)]
    flows = [(letter, length) for (letter, _), length in zip(family.flows, strang(w, numbers.number(0)), strict=True)]
    words = [word for n in range(1, ORDER, 2) for word in lyndon_words(LETTERS, n)]
    conditions = [polynomial_of(defect(flows, word, numbers.number(1))) for word in words]
    found = [_verified(family, conditions, root) for root in _roots(conditions, count)]
    return sorted((own for own in found if own is not None), key=lambda own: own.norm)


def strang(w: Sequence[Any], zero: Any) -> list[Any]:
    """The lengths of the flows of S(w1) ... S(w2) S(w1), the outer part of S by halves; `zero` of their kind."""
    full = [*w, *w[-2::-1]]
    outer = [(one + other) * Fraction(1, 2) for one, other in zip([zero, *full], [*full, zero], strict=True)]
    return [length for pair in zip(outer, [*full, zero], strict=True) for length in pair][:-1]


def _roots(conditions: Sequence[Polynomial], count: int) -> list[Any]:
    """The real roots that Gauss-Newton steps find from random starts, each once."""
    draws, found = np.random.default_rng(0), list[Any]()
    for _ in range(STARTS):
        x = draws.uniform(-2, 2, size=count)
        for _ in range(STEPS):
            slopes = np.array([[d.value(x) for d in own.gradient] for own in conditions])
            step = np.linalg.lstsq(slopes, np.array([own.value(x) for own in conditions]), rcond=None)[0]
            x = x - step
            if not 1e-14 < np.abs(step).max() < 10:
                break
        met = np.abs(x).max() < 10 and max(abs(own.value(x)) for own in conditions) < MET
        if met and all(np.abs(x - other).max() > SAME for other in found):
            found.append(x)
    return found


def _verified(family: Palindrome, conditions: Sequence[Polynomial], root: Any) -> Composition | None:
    chosen = _independent(conditions, root)

    def system(x: Sequence[Any], at: Any) -> tuple[list[Any], list[list[Any]]]:
        return [at(own, x) for own in chosen], [[at(d, x) for d in own.gradient] for own in chosen]

    enclosed = root_near(system, root)
    if enclosed is None or not all(own.enclosed(enclosed).holds_zero for own in conditions):
        return None
    names = [name for _, name in family.flows]
    lengths = dict(zip(names, strang(enclosed, Interval.of(0)), strict=True))
    flows = [(letter, float(lengths[name].centre)) for letter, name in family.flows]
    error = in_brackets(lambda word: defect(flows, word, 1.0), LETTERS, ORDER + 1)
    norm = float(np.sqrt(sum(value**2 for value in error.values())))
    return Composition(family, tuple(enclosed), {name: lengths[name] for name in sorted(lengths)}, norm)


def _independent(conditions: Sequence[Polynomial], root: Any) -> list[Polynomial]:
    """As many conditions as symbols whose derivatives at a root are independent, those of lower order first."""
    chosen, directions = list[Polynomial](), list[Any]()
    for own in conditions:
        slope = np.array([d.value(root) for d in own.gradient])
        rest = slope - sum(((slope @ e) * e for e in directions), start=0 * slope)
        if np.linalg.norm(rest) > 1e-6 * np.linalg.norm(slope):
            chosen.append(own)
            directions.append(rest / np.linalg.norm(rest))
    return chosen
