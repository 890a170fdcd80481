"""Polynomial systems such as order conditions: solved one unknown at a time, branching where a factor may vanish.

An unknown x that stands in an equation A x + B = 0 is -B/A where A is not 0. First those are taken whose A holds no
unknown: order conditions on weights are such, for each phi_k one Vandermonde system. Then products are split, and last
branches are made on A itself. Generic symbols (nodes, step ratios) are independent: what vanishes for some values of
them only is taken not to vanish, and is part of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from math import gcd
from typing import Any

from numtoolkit.errors import counted
from numtoolkit.symbolic.numbers import Field, Ratio

FEW = 24  # of the shortest equations, among which one to branch on is looked for


@dataclass(frozen=True)
class Solution:
    """Values of unknowns in those left free and the generic symbols, where none of the polynomials `nonzero` vanishes.

    open   polynomials in the free unknowns that must vanish, and from which none is found rationally
    """

    values: dict[str, Any]
    free: tuple[str, ...]
    nonzero: tuple[Any, ...]
    open: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"<Solution: {counted(len(self.values), 'value')}, {len(self.free)} free>"


@dataclass(frozen=True)
class Contradiction:
    """An equation by its number that cannot hold where others do, so that no unknown is left in it but as a factor.

    left   what becomes of an element of the field there
    """

    equation: int
    left: Callable[[Any], Any] = field(repr=False)


def solve(
    numbers: Field, equations: Sequence[tuple[int, Any]], unknowns: Sequence[str]
) -> Iterator[Solution | Contradiction]:
    """Every branch of the solutions of a system, and the contradiction that each other branch ends in.

    numbers    the field of the coefficients, the unknowns among its symbols
    equations  polynomials that must vanish, numerators of that field, each with its order: lower ones are used first
    unknowns   in the order in which they are found; the last ones stay free
    cost       milliseconds where equations are linear in turn; else a branch for each product
    """
    solver = _Solver(numbers, tuple(unknowns))
    ranked = sorted(enumerate(equations), key=lambda own: own[1][0])
    solver.orders.update((number, order) for number, (order, _) in ranked)
    return solver.branches(_Branch(solver.distinct((number, f) for number, (_, f) in ranked)))


@dataclass(frozen=True, eq=False)
class _Equation:
    """A polynomial that must vanish, without factors that do not.

    number   that of the equation given that it comes from
    degrees  of the unknowns in it, by their index
    plain    an unknown that it is linear in with a factor that holds no unknown, if there is one
    """

    number: int
    f: Any
    length: int
    degrees: dict[int, int]
    plain: int | None

    @cached_property
    def linear(self) -> list[int]:
        """The unknowns that it is linear in."""
        return sorted(i for i, degree in self.degrees.items() if degree == 1)


@dataclass(frozen=True)
class _Branch:
    """What is left to solve, what is known: (index, top, bottom) of each unknown found, in order, and what is not 0."""

    equations: tuple[_Equation, ...]
    found: tuple[tuple[int, Any, Any], ...] = ()
    nonzero: tuple[Any, ...] = ()


@dataclass(frozen=True)
class _Solver:
    numbers: Field
    unknowns: tuple[str, ...]
    orders: dict[int, int] = field(default_factory=dict)  # of the equations by their numbers

    @cached_property
    def places(self) -> list[int]:
        """Where the unknowns stand among the variables of polynomials."""
        return [self.numbers.variables.index(name) for name in self.unknowns]

    @cached_property
    def index(self) -> dict[int, int]:
        """The unknown that stands at a place."""
        return {place: i for i, place in enumerate(self.places)}

    # branches

    def branches(self, branch: _Branch) -> Iterator[Solution | Contradiction]:
        """The branches of a system: none where what is not 0 turns out to be."""
        while all(branch.nonzero):
            wrong = min((e for e in branch.equations if not e.degrees), key=lambda e: e.number, default=None)
            if wrong is not None:
                yield Contradiction(wrong.number, self.at(self.values(branch)))
                return
            plain = min((e for e in branch.equations if e.plain is not None), key=self.rank, default=None)
            if plain is None:
                yield from self.branched(branch)
                return
            assert plain.plain is not None
            branch = self.without(branch, plain.plain, *self.split(plain.f, plain.plain))

    def branched(self, branch: _Branch) -> Iterator[Solution | Contradiction]:
        """A factor of a product vanishes or does not; else the factor A of an unknown does not or does."""
        equations = sorted((e for e in branch.equations if e.linear), key=lambda e: e.length)
        factor = self.smallest_factor(equations)
        if factor is not None:
            yield from self.branches(self.vanishing(branch, factor))
            yield from self.branches(self.apart(branch, factor))
        elif equations:
            choices = ((e, i, *self.split(e.f, i)) for e in equations[:FEW] for i in e.linear)
            equation, i, A, B = min(choices, key=lambda own: self.cost(own[2]))
            yield from self.branches(self.without(branch, i, A, B))
            others = ((e.number, e.f) for e in branch.equations if e is not equation)
            more = self.distinct([(equation.number, A), (equation.number, B), *others], branch.nonzero)
            yield from self.branches(_Branch(more, branch.found, branch.nonzero))
        else:
            yield self.solution(branch)

    def rank(self, equation: _Equation) -> tuple[int, int]:
        """By which an equation is chosen to be used: a low order, then a short one."""
        return self.orders[equation.number], equation.length

    def smallest_factor(self, equations: Sequence[_Equation]) -> Any:
        """The best factor to branch on of the shortest equations that are products of such with unknowns, else None."""
        for _, alike in groupby(equations, key=lambda e: e.length):
            found = []
            for equation in alike:
                for i in equation.linear:
                    common = self.common(*self.split(equation.f, i))
                    if self.held(common):
                        found.append(min(common, equation.f // common, key=self.cost))
            if found:
                return min(found, key=self.cost)
        return None

    def vanishing(self, branch: _Branch, factor: Any) -> _Branch:
        """The branch where a factor is 0."""
        number = next(e.number for e in branch.equations if _divides(factor, e.f))
        others = tuple(e for e in branch.equations if not _divides(factor, e.f))
        return _Branch((*self.distinct([(number, factor)], branch.nonzero), *others), branch.found, branch.nonzero)

    def apart(self, branch: _Branch, factor: Any) -> _Branch:
        """The branch where a factor is not 0."""
        nonzero = self.with_nonzero(branch.nonzero, factor)
        equations = self.distinct(((e.number, e.f) for e in branch.equations), nonzero)
        return _Branch(equations, branch.found, nonzero)

    def without(self, branch: _Branch, i: int, A: Any, B: Any) -> _Branch:
        """The branch with the unknown -B/A put in, A not 0."""
        nonzero: tuple[Any, ...] = ()
        for factor in self.with_nonzero(branch.nonzero, A):
            nonzero = self.with_nonzero(nonzero, self.put_in(factor, i, -B, A))
        new = [factor for factor in nonzero if factor not in branch.nonzero]
        kept, changed = [], []
        for e in branch.equations:
            if i in e.degrees or any(not _constant(e.f.gcd(factor)) for factor in new):
                changed.append((e.number, self.put_in(e.f, i, -B, A)))
            else:
                kept.append(e)
        known = {_key(e.f) for e in kept}
        fresh = (e for e in self.distinct(changed, nonzero) if _key(e.f) not in known)
        return _Branch((*kept, *fresh), (*branch.found, (i, -B, A)), nonzero)

    # polynomials

    def distinct(self, equations: Iterable[tuple[int, Any]], nonzero: Sequence[Any] = ()) -> tuple[_Equation, ...]:
        """The equations, as (number, polynomial), each once and without factors that are not 0; what is 0 left out."""
        kept: dict[Any, _Equation] = {}
        for number, given in equations:
            f = self.reduced(given, nonzero)
            if f and (key := _key(f)) not in kept:
                kept[key] = self.equation(number, f)
        return tuple(kept.values())

    def equation(self, number: int, f: Any) -> _Equation:
        """A polynomial with what is asked of it again and again."""
        degrees: dict[int, int] = {}
        mixed: set[int] = set()
        terms = f.to_dict()
        for exponents in terms:
            here = [(self.index[p], int(e)) for p, e in enumerate(exponents) if e and p in self.index]
            if len(here) > 1:
                mixed.update(i for i, _ in here)
            for i, e in here:
                degrees[i] = max(degrees.get(i, 0), e)
        plain = min((i for i, degree in degrees.items() if degree == 1 and i not in mixed), default=None)
        return _Equation(number, f, len(terms), degrees, plain)

    def held(self, f: Any) -> bool:
        """Whether any unknown stands in a polynomial."""
        return any(exponents[place] for exponents in f.to_dict() for place in self.places)

    def cost(self, f: Any) -> tuple[int, int, int]:
        """What one to branch on is chosen by: its last unknown, for the first ones stand in most equations; length."""
        terms = f.to_dict()
        last = max((i for i, place in enumerate(self.places) if any(powers[place] for powers in terms)), default=-1)
        return last, len(terms), sum(map(sum, terms))

    def by_power(self, f: Any, i: int) -> dict[int, Any]:
        """The coefficients of the powers of an unknown."""
        place = self.places[i]
        powers: dict[int, dict[tuple[int, ...], int]] = {}
        for exponents, c in f.to_dict().items():
            rest = (*exponents[:place], 0, *exponents[place + 1 :])
            powers.setdefault(int(exponents[place]), {})[rest] = c
        return {power: self.numbers.polynomial(terms) for power, terms in powers.items()}

    def split(self, f: Any, i: int) -> tuple[Any, Any]:
        """(A, B) of f = A x + B, x the unknown."""
        parts = self.by_power(f, i)
        return parts[1], parts.get(0, f * 0)

    @staticmethod
    def common(A: Any, B: Any) -> Any:
        """The common factor of A and B."""
        return A.gcd(B) if B else A

    def put_in(self, f: Any, i: int, top: Any, bottom: Any) -> Any:
        """The numerator of f where the unknown is top/bottom."""
        if not f:
            return f
        parts = self.by_power(f, i)
        degree = max(parts)
        return sum((part * top**power * bottom ** (degree - power) for power, part in parts.items()), start=f * 0)

    def reduced(self, f: Any, nonzero: Sequence[Any]) -> Any:
        """A polynomial without its factors that are not 0: whole numbers and those of `nonzero`."""
        if not f:
            return f
        for factor in filter(None, nonzero):
            while not _constant(common := f.gcd(factor)):
                f = f // common
        terms = {powers: int(c) for powers, c in f.to_dict().items()}
        content = gcd(*terms.values())
        if content > 1:
            f = self.numbers.polynomial({powers: c // content for powers, c in terms.items()})
        return -f if f.leading_coefficient() < 0 else f

    def with_nonzero(self, nonzero: tuple[Any, ...], more: Any) -> tuple[Any, ...]:
        """The factors that are not 0 with what is new in another one; 0 among them for a branch that there is not."""
        rest = self.reduced(more, nonzero)
        return nonzero if rest and _constant(rest) else (*nonzero, rest)

    # answers

    def values(self, branch: _Branch) -> dict[int, Any]:
        """The unknowns found, by their index, in those that are not: none holds one that was found before it."""
        values: dict[int, Any] = {}
        for i, top, bottom in reversed(branch.found):
            values[i] = self.value(top, values) / self.value(bottom, values)
        return values

    def at(self, values: Mapping[int, Any]) -> Callable[[Any], Any]:
        """What becomes of an element where unknowns have their values."""
        return lambda own: self.value(own.top, values) / self.value(own.bottom, values)

    def solution(self, branch: _Branch) -> Solution:
        """What a branch without equations that can be solved says."""
        values = self.values(branch)
        named = {self.unknowns[i]: values[i] for i in sorted(values)}
        free = tuple(name for name in self.unknowns if name not in named)
        return Solution(named, free, branch.nonzero, tuple(e.f for e in branch.equations))

    def value(self, f: Any, values: Mapping[int, Any]) -> Any:
        """A polynomial with unknowns at their values."""
        known = {self.places[i]: value for i, value in values.items()}
        plain: dict[tuple[tuple[int, int], ...], dict[tuple[int, ...], int]] = {}
        for exponents, c in f.to_dict().items():
            inner = tuple((p, int(e)) for p, e in enumerate(exponents) if e and p in known)
            outer = tuple(0 if p in known else e for p, e in enumerate(exponents))
            plain.setdefault(inner, {})[outer] = c
        one = f**0 if f else self.numbers.polynomial({(0,) * len(self.numbers.variables): 1})
        total: Any = Ratio(one * 0, one)
        for powers, terms in plain.items():
            product: Any = Ratio(self.numbers.polynomial(terms), one)
            for place, power in powers:
                product = product * known[place] ** power
            total = total + product
        return total


def _constant(f: Any) -> bool:
    return len(terms := f.to_dict()) == 1 and not any(next(iter(terms)))


def _divides(factor: Any, f: Any) -> bool:
    common = f.gcd(factor)
    return bool(common == factor or common == -factor)


def _key(f: Any) -> frozenset[tuple[Any, Any]]:
    return frozenset(f.to_dict().items())
