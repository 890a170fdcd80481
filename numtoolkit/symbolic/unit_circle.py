"""Where the roots zeta of a polynomial with coefficients polynomial in w leave the unit disc, w moving along an axis.

For real coefficients a root reaches the circle only where P(1) = 0, P(-1) = 0 or the product of 1 - zeta_i zeta_j over
the pairs i < j is 0, which is the inner determinant of Jury's test (Jury 1964, Theory and application of the
z-transform method, section 3.4). The real roots in w of these three polynomials are isolated (Vincent, Akritas and
Strzebonski, by sympy); between two of them as many roots lie inside as at any one point, where the recursion of Schur
and Cohn counts in rational numbers. So no interval is too small to be seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from math import lcm
from typing import Any

import numpy as np

Polynomial = list[Any]  # lowest coefficient first; [] is 0
Bracket = tuple[Fraction, Fraction]

DIGITS = 25  # to which an end is refined, relative
SIGNS = (1, 1, -1, -1)  # of the real part of i^n for even n, of the imaginary part for odd n
ROUNDING = 1e-12  # a radius this close to 1 counts as 1, where roots stay on the circle for all w


# --- polynomials and matrices of them


def add(p: Polynomial, q: Polynomial) -> Polynomial:
    """p + q."""
    return [a if b is None else b if a is None else a + b for a, b in zip_longest(p, q)]


def times(p: Polynomial, q: Polynomial) -> Polynomial:
    """p q; factors of 0 cost nothing."""
    if not p or not q:
        return []
    product = [p[0] * 0] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            if x and y:
                product[i + j] = product[i + j] + x * y
    return product


def value(p: Polynomial, at: Any) -> Any:
    """p(at)."""
    total = at * 0
    for c in reversed(p):
        total = total * at + c
    return total


def characteristic(matrix: Sequence[Sequence[Polynomial]], one: Any) -> list[Polynomial]:
    """The coefficients in zeta, lowest first, of det(zeta - M), by the recursion of Faddeev and LeVerrier.

    matrix  of polynomials over a field of characteristic 0
    one     of that field
    """
    n = len(matrix)
    found: list[Polynomial] = [[one]]
    current: list[list[Polynomial]] = [[[] for _ in range(n)] for _ in range(n)]
    for k in range(1, n + 1):
        shifted = [[add(p, found[-1]) if i == j else p for j, p in enumerate(row)] for i, row in enumerate(current)]
        current = [[_dot(row, [line[j] for line in shifted]) for j in range(n)] for row in matrix]
        trace: Polynomial = []
        for i in range(n):
            trace = add(trace, current[i][i])
        found.append([-c / k for c in trace])
    return found[::-1]


def _dot(row: Sequence[Polynomial], column: Sequence[Polynomial]) -> Polynomial:
    total: Polynomial = []
    for p, q in zip(row, column, strict=True):
        total = add(total, times(p, q))
    return total


# --- the axis


@dataclass(frozen=True)
class End:
    """Where a stable interval ends: 0, a root of a polynomial, or nowhere.

    value       to the last digit of float64; inf where nothing bounds it
    polynomial  integers, lowest coefficient first, irreducible over the rationals, whose root it is; () for infinity
                and where coefficients are known to digits only
    """

    value: float
    polynomial: tuple[int, ...] = ()


def on_negative_axis(coefficients: Sequence[Sequence[Any]]) -> list[Polynomial]:
    """[j][i] of zeta^j w^i as a polynomial in r, w = -r."""
    return [[-c if i % 2 else c for i, c in enumerate(row)] for row in coefficients]


def on_imaginary_axis(coefficients: Sequence[Sequence[Any]]) -> list[Polynomial]:
    """P(zeta, i y) P(zeta, -i y), a real polynomial in zeta and y whose roots zeta are those of both factors."""
    parts = [[[c * SIGNS[i % 4] * (i % 2 == odd) for i, c in enumerate(row)] for row in coefficients] for odd in (0, 1)]
    product: list[Polynomial] = [[] for _ in range(2 * len(coefficients) - 1)]
    for rows in parts:  # the square of the real and of the imaginary part
        for j, p in enumerate(rows):
            for k, q in enumerate(rows):
                product[j + k] = add(product[j + k], times(p, q))
    return product


def stable_to(rows: Sequence[Polynomial], exact: bool) -> End:
    """The largest r such that no root zeta lies outside the unit disc at any point of (0, r).

    It passes points where roots touch the circle, as long as none is outside before and after.
    rows    [j][i] of zeta^j r^i, rational, the highest j monic
    exact   whether these are the numbers themselves; else roots nearer than a part of 10^-25 count as one
    cost    milliseconds for a few steps of history
    """
    one = Fraction(1)
    tests = [_at(rows, one), _at(rows, -one), _pairs(rows)]
    inside = _inside if all(map(any, tests)) else _inside_or_on
    roots = _Roots.of([test for test in tests if any(test)])
    for n in range(len(roots.brackets) + 1):
        if not inside([value(row, roots.gap(n)) for row in rows]) and (exact or roots.apart(n)):
            return roots.end(n - 1, exact)
    return End(math.inf)


def _at(rows: Sequence[Polynomial], zeta: Fraction) -> Polynomial:
    total: Polynomial = []
    for j, row in enumerate(rows):
        total = add(total, [c * zeta**j for c in row])
    return total


def _pairs(rows: Sequence[Polynomial]) -> Polynomial:
    """The product of 1 - zeta_i zeta_j over i < j, for a monic polynomial of degree k: det(X - Y) of k - 1 rows.

    X = (a_k a_k-1 ... a_2; 0 a_k ... a_3; ...; 0 ... 0 a_k), Y = (0 ... 0 a_0; ... a_0 a_1; ...; a_0 a_1 ... a_k-2).
    """
    k = len(rows) - 1
    size = range(k - 1)

    def entry(i: int, j: int) -> Polynomial:
        upper = list(rows[k - j + i]) if j >= i else []
        low = i + j - (k - 2)
        return add(upper, [-c for c in rows[low]]) if low >= 0 else upper

    return _determinant([[entry(i, j) for j in size] for i in size])


def _determinant(matrix: Sequence[Sequence[Polynomial]]) -> Polynomial:
    """A positive multiple of that of a matrix of rational polynomials, over the integers (Bareiss, by sympy)."""
    from sympy import ZZ
    from sympy.polys.matrices import DomainMatrix

    if not matrix:
        return [Fraction(1)]
    ring = ZZ.poly_ring("r")
    scale = _denominator(c for row in matrix for p in row for c in p)
    rows = [[ring.ring.from_dict({(i,): int(c * scale) for i, c in enumerate(p) if c}) for p in row] for row in matrix]
    found = DomainMatrix(rows, (len(rows), len(rows)), ring).det().to_dict()
    return [Fraction(int(found.get((i,), 0))) for i in range(max((i for (i,) in found), default=-1) + 1)]


def _denominator(numbers: Iterable[Fraction]) -> int:
    return lcm(*(c.denominator for c in numbers))


def _inside(p: Sequence[Fraction]) -> bool:
    """Whether all roots lie inside the unit disc: the recursion of Schur and Cohn, in rational numbers."""
    while len(p) > 1:
        low, high = p[0], p[-1]
        if abs(low) >= abs(high):
            return False
        p = [high * c - low * d for c, d in zip(p[1:], p[-2::-1], strict=True)]
        p = [c / p[-1] for c in p]
    return True


def _inside_or_on(p: Sequence[Fraction]) -> bool:
    """The same where roots stay on the circle for all w, as far as float64 tells."""
    return bool(np.abs(np.roots([float(c) for c in reversed(p)])).max(initial=0.0) <= 1 + ROUNDING)


@dataclass
class _Roots:
    """The positive roots of some polynomials in brackets, in order; a bracket without length is a root itself.

    polynomial, derivative   their product without powers of r and without double roots, integers, and its derivative
    """

    polynomial: list[int]
    derivative: list[int]
    brackets: list[Bracket]

    @staticmethod
    def of(polynomials: Sequence[Polynomial]) -> _Roots:
        """Isolated by sympy."""
        import sympy

        product: Polynomial = [Fraction(1)]
        for p in polynomials:
            product = times(product, p[next(i for i, c in enumerate(p) if c) :])
        scale = _denominator(product)
        whole = [int(c * scale) for c in product]
        free = sympy.Poly(whole[::-1], sympy.Symbol("r"), domain="ZZ").sqf_part()
        integers = [int(c) for c in reversed(free.all_coeffs())]
        brackets = [(Fraction(str(a)), Fraction(str(b))) for (a, b), _ in free.intervals(inf=0)]
        return _Roots(integers, [i * c for i, c in enumerate(integers)][1:], brackets)

    def _halve(self, n: int) -> None:
        """Half of a bracket; just right of its lower end, which may be the root before it, the sign is known."""
        low, high = self.brackets[n]
        middle = (low + high) / 2
        there = value(self.polynomial, middle)
        left = value(self.polynomial, low) or value(self.derivative, low)
        low, high = (middle, middle) if not there else (low, middle) if left * there < 0 else (middle, high)
        self.brackets[n] = low, high

    def gap(self, n: int) -> Fraction:
        """A point between root n - 1 and root n, of the positive axis if one of them is not there."""
        if n == len(self.brackets):
            return self.brackets[-1][1] + 1 if n else Fraction(1)
        while self._below(n) >= self.brackets[n][0]:
            self._halve(n)
            if n:
                self._halve(n - 1)
        return (self._below(n) + self.brackets[n][0]) / 2

    def _below(self, n: int) -> Fraction:
        return self.brackets[n - 1][1] if n else Fraction(0)

    def _refine(self, n: int) -> None:
        while (self.brackets[n][1] - self.brackets[n][0]) * 10**DIGITS > self.brackets[n][1]:
            self._halve(n)

    def apart(self, n: int) -> bool:
        """Whether the roots on both sides of a gap are more than rounding apart."""
        if not 0 < n < len(self.brackets):
            return True
        self._refine(n)
        self._refine(n - 1)
        low, high = self.brackets[n - 1][0], self.brackets[n][1]
        return (high - low) * 10**DIGITS > 4 * high

    def end(self, n: int, exact: bool) -> End:
        """Root n as the end of an interval, 0 before the first."""
        if n < 0:
            return End(0.0, (0, 1) if exact else ())
        self._refine(n)
        low, high = self.brackets[n]
        return End(float((low + high) / 2), self._factor(low, high) if exact else ())

    def _factor(self, low: Fraction, high: Fraction) -> tuple[int, ...]:
        """The irreducible factor that has the root in a bracket."""
        import sympy

        whole = sympy.Poly(self.polynomial[::-1], sympy.Symbol("r"), domain="ZZ")
        factors = [[int(c) for c in reversed(p.all_coeffs())] for p, _ in whole.factor_list()[1]]
        return next(tuple(p) for p in factors if value(p, low) * value(p, high) <= 0)
