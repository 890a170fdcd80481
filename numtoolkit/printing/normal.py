"""Entries sorted out for printing: sums of block words with scalar coefficients, windows as phi functions.

A scalar is a Laurent polynomial in the named scalars, square roots and decimals, sums in denominators being atoms. A
polynomial weight w over a window [a, d] that ends where its row does is expanded about a, w(c) = sum_j w_j (c - a)^j,
so that

    Int(L, N, w, a, d) = sum_j j! w_j (d - a)^(j+1) phi_{j+1}((d - a) h L) h N        for constant L, N,

and every such integral is printed as the right side says, a flow to d as phi_0, the exponential. What stands to the
right of a flow in a product ends where the flow starts. In a tableau h and N are left out, in a row they are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from itertools import chain
from math import comb, factorial, gcd, lcm
from typing import TypeGuard, Union

from numtoolkit.declare.entries import (
    NONE,
    At,
    Ball,
    Const,
    Cov,
    Entry,
    Flow,
    Int,
    Op,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    op,
)
from numtoolkit.declare.numbers import decimal

Factor = Union[str, "Scalar"]  # the name or digits of a scalar, or a sum with whole coprime coefficients
Monomial = tuple[tuple[Factor, int], ...]  # (factor, power), in order of appearance


@dataclass(frozen=True)
class Scalar:
    """A sum of monomials with rational coefficients, none of them zero; equality does not see the order."""

    terms: tuple[tuple[Monomial, Fraction], ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scalar) and _unordered(self) == _unordered(other)

    def __hash__(self) -> int:
        return hash(_unordered(self))

    def __add__(self, other: Scalar) -> Scalar:
        total: dict[frozenset[tuple[Factor, int]], tuple[Monomial, Fraction]] = {}
        for monomial, value in self.terms + other.terms:
            first, sum_so_far = total.get(frozenset(monomial), (monomial, Fraction(0)))
            total[frozenset(monomial)] = (first, sum_so_far + value)
        return Scalar(tuple((monomial, value) for monomial, value in total.values() if value))

    def __mul__(self, other: Scalar) -> Scalar:
        products = [Scalar(((_times(m, n), v * w),)) for m, v in self.terms for n, w in other.terms]
        return sum(products, start=ZERO)

    def __neg__(self) -> Scalar:
        return monomial({}, -1) * self

    def __sub__(self, other: Scalar) -> Scalar:
        return self + -other

    def __pow__(self, power: int) -> Scalar:
        return reduce(Scalar.__mul__, [self] * power, ONE)

    def inverse(self) -> Scalar:
        """1 / self: monomial and content cleared, what is left of a sum kept as one factor with whole coefficients."""
        shared = {f: min(dict(m).get(f, 0) for m, _ in self.terms) for m, _ in self.terms for f, _ in m}
        values = [value for _, value in sorted(self.terms, key=_simplest_first)]
        content = Fraction(gcd(*(v.numerator for v in values)), lcm(*(v.denominator for v in values)))
        outer = monomial(
            {factor: -power for factor, power in shared.items()}, 1 / (-content if values[0] < 0 else content)
        )
        rest = Scalar(tuple(sorted((self * outer).terms, key=_simplest_first)))
        return outer if rest == ONE else outer * monomial({rest: -1})

    def factored(self) -> Scalar:
        """The same with a sum kept as one factor."""
        return self.inverse().inverse() if self.terms else self


def _simplest_first(term: tuple[Monomial, Fraction]) -> tuple[int, str]:
    return sum(power for _, power in term[0]), str(term[0])


def monomial(powers: Mapping[Factor, int], value: int | Fraction = 1) -> Scalar:
    """A rational number times powers of factors."""
    return Scalar(((tuple((f, power) for f, power in powers.items() if power), Fraction(value)),)) if value else ZERO


def _unordered(scalar: Scalar) -> frozenset[tuple[frozenset[tuple[Factor, int]], Fraction]]:
    return frozenset((frozenset(monomial), value) for monomial, value in scalar.terms)


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for factor, power in right:
        powers[factor] = powers.get(factor, 0) + power
    return tuple((factor, power) for factor, power in powers.items() if power)


ZERO = Scalar(())
ONE = monomial({})


def shared(values: Sequence[Scalar]) -> Scalar:
    """The monomial that stands in every term of the scalars, above or below the line in all of them."""
    terms = [(dict(m), value) for scalar in values for m, value in scalar.terms]
    powers: dict[Factor, int] = {}
    for factor in terms[0][0]:
        found = [m.get(factor, 0) for m, _ in terms]
        powers[factor] = max(min(found), 0) + min(max(found), 0)
    top, bottom = gcd(*(v.numerator for _, v in terms)), gcd(*(v.denominator for _, v in terms))
    return monomial(powers, Fraction(top, bottom))


@dataclass(frozen=True)
class Phi:
    """h phi_k(c h L) N, as it weighs an evaluation over the last part c of its row; for k = 0 exp(c h L) alone."""

    k: int
    c: Scalar
    L: Op
    N: Op


@dataclass(frozen=True)
class Group:
    """A sum that is one factor of a product of blocks."""

    words: tuple[tuple[tuple[Block, ...], Scalar], ...] = field(repr=False)


Block = Phi | Flow | At | Cov | Int | Group | Op
Normal = dict[tuple[Block, ...], Scalar]  # block words, read like matrix products, with their coefficients


def normal(entry: Entry, end: Entry) -> Normal:
    """An entry of a row at abscissa `end`, as coefficients of block words; () is the word of a scalar."""
    if isinstance(entry, Const):
        return {(): monomial({}, entry.value)} if entry.value else {}
    if isinstance(entry, (Symbol, Root)):
        return {(): monomial({str(entry): 1})}
    if isinstance(entry, Ball):
        return {(): monomial({decimal(abs(entry.centre), entry.radius): 1}, 1 if entry.centre >= 0 else -1)}
    if isinstance(entry, Sum):
        return _total([normal(arg, end) for arg in entry.args])
    if isinstance(entry, Product):
        return _chain(entry.args, end)
    if isinstance(entry, Quotient):
        bottom = entry.bottom.args if isinstance(entry.bottom, Product) else (entry.bottom,)
        inverse = reduce(Scalar.__mul__, [scalar(part).inverse() for part in bottom])
        return {word: value * inverse for word, value in normal(entry.top, end).items()}
    if isinstance(entry, (Flow, Int)) and scalar(entry.b) == scalar(end):
        return {(Phi(0, _length(entry), entry.L, NONE),): ONE} if isinstance(entry, Flow) else _window(entry)
    if isinstance(entry, At) and len(entry.X.terms) == 1:
        coefficient, name, row = entry.X.terms[0]
        return {(At(op(name).row(row), entry.c),): scalar(coefficient)}
    if isinstance(entry, (Flow, At, Cov, Int)):
        return {(entry,): ONE}
    raise TypeError(f"an entry of a scheme holds no {type(entry).__name__}")


def is_weight(block: Block) -> TypeGuard[Phi]:
    """Whether a block stands for h phi_k(c h L) N, k >= 1."""
    return isinstance(block, Phi) and block.k > 0


def written_out(words: Normal) -> Normal:
    """The words with the h and the N of every weight written beside its phi function; an N common to all comes last."""
    written: Normal = {}
    for word, value in words.items():
        blocks = ((replace(block, N=NONE), block.N) if is_weight(block) else (block,) for block in word)
        written[tuple(chain.from_iterable(blocks))] = value * monomial({"h": sum(map(is_weight, word))})
    last = {word[-1] if word else None for word in written}
    operator = next(iter(last), None)
    if len(last) != 1 or len(written) == 1 or not isinstance(operator, Op):
        return written
    outer = shared(list(written.values()))
    inner = tuple((word[:-1], value * outer.inverse()) for word, value in written.items())
    return {(Group(inner), operator): outer}


def scalar(entry: Entry) -> Scalar:
    """An entry without blocks."""
    words = normal(entry, entry)
    if words.keys() - {()}:
        raise TypeError(f"{entry} is a block where a scalar is needed")
    return words.get((), ZERO)


def _chain(factors: Sequence[Entry], end: Entry) -> Normal:
    total: Normal = {(): ONE}
    for factor in factors:
        total = _multiply(total, normal(factor, end))
        end = factor.a if isinstance(factor, Flow) else end
    return total


def _length(entry: Flow | Int) -> Scalar:
    return (scalar(entry.b) - scalar(entry.a)).factored()


def _window(entry: Int) -> Normal:
    start, length = scalar(entry.a), _length(entry)
    weights = [scalar(weight) for weight in entry.weight]
    words: Normal = {}
    for j in range(len(weights)):
        moved = sum((monomial({}, comb(i, j)) * weights[i] * start ** (i - j) for i in range(j, len(weights))), ZERO)
        value = monomial({}, factorial(j)) * length ** (j + 1) * moved
        if value != ZERO:
            words[(Phi(j + 1, length, entry.L, entry.N),)] = value
    return words


def _total(parts: list[Normal]) -> Normal:
    total: Normal = {}
    for part in parts:
        for word, value in part.items():
            total[word] = total.get(word, ZERO) + value
    return {word: value for word, value in total.items() if value != ZERO}


def _multiply(left: Normal, right: Normal) -> Normal:
    if left.keys() - {()} and right.keys() - {()}:
        left, right = _grouped(left), _grouped(right)
    return _total([{u + v: p * q} for u, p in left.items() for v, q in right.items()])


def _grouped(words: Normal) -> Normal:
    return words if len(words) == 1 else {(Group(tuple(words.items())),): ONE}
