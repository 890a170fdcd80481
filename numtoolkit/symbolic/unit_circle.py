"""Where the roots zeta of a polynomial with coefficients polynomial in w leave the unit disc, w moving along an axis.

For real coefficients a root reaches the circle only where P(1) = 0, P(-1) = 0 or the product of 1 - zeta_i zeta_j over
the pairs i < j is 0, which is the inner determinant of Jury's test (Jury 1964, Theory and application of the
z-transform method, section 3.4). The real roots in w of these three polynomials are isolated (Vincent, Akritas and
Strzebonski, by sympy); between two of them as many roots lie inside as at any one point, where the recursion of Schur
and Cohn counts in rational numbers. So no interval is too small to be seen. A root that goes through infinity, where
the highest coefficient in zeta moves with w, has passed the circle before.

Coefficients are rational or real algebraic numbers of one field (`numtoolkit.symbolic.algebraic`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise, zip_longest
from math import lcm
from typing import Any

import numpy as np

from numtoolkit.symbolic.algebraic import Algebraic, norm

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


def sign(p: Sequence[int], at: Fraction) -> int:
    """A whole number of the sign of p(at)."""
    total, power = 0, 1
    for c in reversed(p):
        total = total * at.numerator + c * power
        power *= at.denominator
    return total


def trimmed(p: Polynomial) -> Polynomial:
    """The same without zeros for the highest powers."""
    return p[: next((i + 1 for i in reversed(range(len(p))) if p[i]), 0)]


def derivative(p: Polynomial) -> Polynomial:
    """p'."""
    return [i * c for i, c in enumerate(p)][1:]


def divided(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Quotient and rest of p by q, over a field; the highest coefficient of q is not 0."""
    rest, quotient = trimmed(p), [q[-1] * 0] * max(len(p) - len(q) + 1, 0)
    while len(rest) >= len(q):
        shift, factor = len(rest) - len(q), rest[-1] / q[-1]
        quotient[shift] = factor
        rest = trimmed([c - factor * q[i - shift] if i >= shift else c for i, c in enumerate(rest[:-1])])
    return trimmed(quotient), rest


def common(p: Polynomial, q: Polynomial) -> Polynomial:
    """The greatest common divisor, monic; [] of two zeros."""
    p, q = trimmed(p), trimmed(q)
    while q:
        p, q = q, divided(p, q)[1]
    return [c / p[-1] for c in p]


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

    @property
    def number(self) -> Any:
        """The end itself as a number of sympy: in radicals up to degree 2, else CRootOf; oo, and a Float of digits."""
        import sympy

        if not self.polynomial:
            return sympy.Float(self.value, 17) if math.isfinite(self.value) else sympy.oo
        roots = sympy.Poly(self.polynomial[::-1], sympy.Symbol("r"), domain="ZZ").real_roots()
        return min(roots, key=lambda root: abs(float(root) - self.value))


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


def stable_to(rows: Sequence[Polynomial], exact: bool, doubled: bool = False) -> End:
    """The largest r such that no root zeta lies outside the unit disc at any point of (0, r).

    It passes points where roots touch the circle, as long as none is outside before and after.
    rows    [j][i] of zeta^j r^i, rational, or irrational of degree 2 in zeta at most
    doubled whether with each root its conjugate is another one, as `on_imaginary_axis` has it: one at 1 makes a pair
    exact   whether these are the numbers themselves; else roots nearer than a part of 10^-25 count as one
    cost    milliseconds for a few steps of history
    """
    tests, inside = _tests(rows, doubled), in_open_disc
    if not all(map(any, tests)):
        tests, inside = _tests_apart(rows), in_closed_disc if exact else _inside_or_on
    roots = Roots.of(tests)
    for n in range(len(roots.brackets) + 1):
        if not inside([value(row, roots.gap(n)) for row in rows]) and (exact or roots.apart(n)):
            return roots.end(n - 1, exact)
    return End(math.inf)


def _tests(rows: Sequence[Polynomial], doubled: bool) -> list[Polynomial]:
    """What is 0 wherever a root passes the circle."""
    return [_pairs(rows), *([] if doubled else [_at(rows, Fraction(1)), _at(rows, Fraction(-1))])]


def _tests_apart(rows: Sequence[Polynomial]) -> list[Polynomial]:
    """The same where 1/zeta is a root with some root zeta for all r: such roots leave the circle only where two meet.

    What P has in common with its reverse for all r holds them, and the discriminant of that says where two meet; the
    rest has no root at 1 or -1, and no pair with the product 1, for all r. Of irrational rows, of degree 2 in zeta at
    most, they are all of P and conjugates, which never part.
    """
    import sympy

    if any(isinstance(c, Algebraic) for row in rows for c in row):
        return []
    zeta, r = sympy.symbols("zeta r")
    terms = {
        (j, i): sympy.Rational(c.numerator, c.denominator) for j, row in enumerate(rows) for i, c in enumerate(row)
    }
    whole = sympy.Poly(terms, zeta, r, domain="QQ")
    low = min(j for j, row in enumerate(rows) if any(row))
    mirror = {(len(rows) - 1 + low - j, i): c for (j, i), c in terms.items() if j >= low}
    shared = whole.gcd(sympy.Poly(mirror, zeta, r, domain="QQ"))
    parted = sympy.Poly(shared.sqf_part().discriminant(), r)
    meeting = [Fraction(int(c.p), int(c.q)) for c in reversed(parted.all_coeffs())]
    rest = _rows_of(whole.quo(shared))
    return [test for test in (*_tests(rest, doubled=False), meeting) if any(test)]


def _rows_of(polynomial: Any) -> list[Polynomial]:
    """The coefficients [j][i] of a polynomial of sympy in zeta and r."""
    j, i = polynomial.degree_list()
    rows = [[Fraction(0)] * (i + 1) for _ in range(j + 1)]
    for (a, b), c in polynomial.terms():
        rows[a][b] = Fraction(int(c.p), int(c.q))
    return rows


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

    if len(matrix) < 2:
        return matrix[0][0] if matrix else [Fraction(1)]
    ring = ZZ.poly_ring("r")
    scale = _denominator(c for row in matrix for p in row for c in p)
    rows = [[ring.ring.from_dict({(i,): int(c * scale) for i, c in enumerate(p) if c}) for p in row] for row in matrix]
    found = DomainMatrix(rows, (len(rows), len(rows)), ring).det().to_dict()
    return [Fraction(int(found.get((i,), 0))) for i in range(max((i for (i,) in found), default=-1) + 1)]


def _denominator(numbers: Iterable[Fraction]) -> int:
    return lcm(*(c.denominator for c in numbers))


def in_open_disc(p: Sequence[Any]) -> bool:
    """Whether all roots lie inside the unit disc: the recursion of Schur and Cohn; the highest coefficient is not 0."""
    while len(p) > 1:
        low, high = p[0], p[-1]
        if abs(low) >= abs(high):
            return False
        p = [high * c - low * d for c, d in zip(p[1:], p[-2::-1], strict=True)]
        p = [c / p[-1] for c in p]
    return True


def on_circle(p: Polynomial) -> Polynomial | None:
    """The monic factor whose roots are those on the unit circle, where all others lie inside; None if one is outside.

    What p has in common with its reverse has the roots of which 1/zeta is one too. They lie on the circle if those of
    the polynomial in x = zeta + 1/zeta that it is, zeta = 1 and -1 left out, are real and in [-2, 2] (Sturm).
    """
    p = trimmed(list(p))
    p = p[next(i for i, c in enumerate(p) if c) :]
    shared = common(p, p[::-1])
    if not in_open_disc(divided(p, shared)[0]):
        return None
    rest = shared
    for sign in (1, -1):
        while len(rest) > 1 and not value(rest, Fraction(sign)):
            rest = divided(rest, [Fraction(-sign), Fraction(1)])[0]
    half = len(rest) // 2
    folded, powers = [rest[half]], [[Fraction(2)], [Fraction(0), Fraction(1)]]  # zeta^k + zeta^-k in x
    for k in range(1, half + 1):
        folded = add(folded, [rest[half + k] * c for c in powers[k]])
        powers.append(add([0, *powers[k]], [-c for c in powers[k - 1]]))
    free = divided(folded, common(folded, derivative(folded)))[0]
    return shared if _count(free, Fraction(-2), Fraction(2)) == len(free) - 1 else None


def in_closed_disc(p: Sequence[Any]) -> bool:
    """Whether no root lies outside the unit disc."""
    return on_circle(list(p)) is not None


def _count(p: Polynomial, low: Fraction, high: Fraction) -> int:
    """How many real roots a polynomial without double roots has in (low, high], by Sturm's sequence."""
    sequence = [trimmed(p), trimmed(derivative(p))]
    while sequence[-1]:
        sequence.append([-c for c in divided(sequence[-2], sequence[-1])[1]])

    def changes(at: Fraction) -> int:
        signs = [own > 0 for own in (value(q, at) for q in sequence[:-1]) if own]
        return sum(a != b for a, b in pairwise(signs))

    return changes(low) - changes(high)


def _inside_or_on(p: Sequence[Fraction]) -> bool:
    """The same where coefficients are known to digits, as far as float64 tells."""
    return bool(np.abs(np.roots([float(c) for c in reversed(p)])).max(initial=0.0) <= 1 + ROUNDING)


@dataclass
class Roots:
    """The positive roots of some polynomials in brackets, in order; a bracket without length is a root itself.

    polynomial, derivative   their product without powers of r and without double roots, integers, and its derivative
    """

    polynomial: list[int]
    derivative: list[int]
    brackets: list[Bracket]

    @staticmethod
    def of(polynomials: Sequence[Polynomial]) -> Roots:
        """Isolated by sympy, those of the norms, some of which are none of the polynomials themselves."""
        import sympy

        product: Polynomial = [Fraction(1)]
        for p in map(norm, polynomials):
            product = times(product, p[next(i for i, c in enumerate(p) if c) :])
        scale = _denominator(product)
        whole = [int(c * scale) for c in product]
        free = sympy.Poly(whole[::-1], sympy.Symbol("r"), domain="ZZ").sqf_part()
        integers = [int(c) for c in reversed(free.all_coeffs())]
        brackets = [(Fraction(str(a)), Fraction(str(b))) for (a, b), _ in free.intervals(inf=0)]
        return Roots(integers, [i * c for i, c in enumerate(integers)][1:], brackets)

    def halve(self, n: int) -> None:
        """Half of a bracket; just right of its lower end, which may be the root before it, the sign is known."""
        low, high = self.brackets[n]
        middle = (low + high) / 2
        there = sign(self.polynomial, middle)
        left = sign(self.polynomial, low) or sign(self.derivative, low)
        low, high = (middle, middle) if not there else (low, middle) if left * there < 0 else (middle, high)
        self.brackets[n] = low, high

    def gap(self, n: int) -> Fraction:
        """A point between root n - 1 and root n, of the positive axis if one of them is not there."""
        if n == len(self.brackets):
            return self.brackets[-1][1] + 1 if n else Fraction(1)
        while self._below(n) >= self.brackets[n][0]:
            self.halve(n)
            if n:
                self.halve(n - 1)
        return (self._below(n) + self.brackets[n][0]) / 2

    def _below(self, n: int) -> Fraction:
        return self.brackets[n - 1][1] if n else Fraction(0)

    def refine(self, n: int) -> None:
        """Bracket n to a part of 10^-25."""
        while (self.brackets[n][1] - self.brackets[n][0]) * 10**DIGITS > self.brackets[n][1]:
            self.halve(n)

    def apart(self, n: int) -> bool:
        """Whether the roots on both sides of a gap are more than rounding apart."""
        if not 0 < n < len(self.brackets):
            return True
        self.refine(n)
        self.refine(n - 1)
        low, high = self.brackets[n - 1][0], self.brackets[n][1]
        return (high - low) * 10**DIGITS > 4 * high

    def end(self, n: int, exact: bool) -> End:
        """Root n as the end of an interval, 0 before the first."""
        if n < 0:
            return End(0.0, (0, 1) if exact else ())
        self.refine(n)
        low, high = self.brackets[n]
        return End(float((low + high) / 2), self.factor(n) if exact else ())

    def factor(self, n: int) -> tuple[int, ...]:
        """The irreducible polynomial of root n, integers, lowest coefficient first."""
        self.gap(n), self.gap(n + 1)  # or an end may be the root beside it
        low, high = self.brackets[n]
        return next(tuple(p) for p in self._factors if value(p, low) * value(p, high) <= 0)

    @cached_property
    def _factors(self) -> list[list[int]]:
        import sympy

        whole = sympy.Poly(self.polynomial[::-1], sympy.Symbol("r"), domain="ZZ")
        return [[int(c) for c in reversed(p.all_coeffs())] for p, _ in whole.factor_list()[1]]
