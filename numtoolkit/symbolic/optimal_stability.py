"""Optimal stability polynomials: the longest step that is stable for a given set of eigenvalues, and a scheme with it.

R(z) = sum_j a_j z^j of degree s with a_j = 1/j! to the order p, such that |R(h l)| <= 1 for all eigenvalues l and h is
as large as can be (Ketcheson & Ahmadi 2012, Optimal stability polynomials for numerical integration of initial value
problems, algorithm 1). For one h the least max |R| is a convex problem in second-order cones; h is halved. Polynomials
come as rational numbers, and are judged again in these (`numtoolkit.symbolic.least_deviation` finds them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial, lcm
from numbers import Complex

import numpy as np
from numpy.typing import ArrayLike

from numtoolkit.declare.forms import runge_kutta
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.errors import InputError, brief, choice, counted, real, several, text, typed, whole
from numtoolkit.symbolic.least_deviation import Deviation, Points, along
from numtoolkit.symbolic.unit_circle import SIGNS, Polynomial, add, times

MOST_STAGES = 40
HIGHEST = 4  # order
HIGHEST_SCHEME = 2  # that a chain of stages has whatever the equation is
MOST_EIGENVALUES = 4000
SMALLEST, LARGEST = 1e-100, 1e100  # of eigenvalues; smaller ones count as 0
SEGMENTS = {"real": -1.0, "imaginary": 1j}  # the eigenvalues from 0 to this, and their conjugates
DEEPEST = 60  # halvings of a segment
EXCESS = range(40, 9, -1)  # k of the 2^-k that max |R| - 1 is tried to be below


@dataclass(frozen=True)
class OptimalPolynomial:
    """R(z) = sum_j a_j z^j, stable for its eigenvalues to the step h.

    spectrum      "real", [-1, 0], "imaginary", [-i, i], or how many eigenvalues
    stages, order its degree s and p
    h             the step, exact: |R(h l)| <= 1 + excess for every eigenvalue l
    coefficients  a_0, ..., a_s, exact; a_j = 1/j! to the order
    excess        proved in rational numbers: 0, or a power of 1/2; on an axis for every point of the segment
    """

    spectrum: str
    stages: int
    order: int
    h: Fraction = dataclass_field(repr=False)
    coefficients: tuple[Fraction, ...] = dataclass_field(repr=False)
    excess: Fraction = dataclass_field(repr=False)

    def __repr__(self) -> str:
        over = f", |R| <= 1 + {float(self.excess):.1g}" if self.excess else ""
        head = f"order {self.order} in {counted(self.stages, 'stage')}, {self.spectrum}"
        return f"<OptimalPolynomial of {head}: h = {float(self.h):.6g}{over}>"

    def value(self, z: complex) -> complex:
        """R(z), summed in rational numbers."""
        re, im = _horner(self.coefficients, Fraction(float(np.real(z))), Fraction(float(np.imag(z))))
        return complex(float(re), float(im))

    @property
    def over_square(self) -> float:
        """h over s^2: 2 of the real axis at order 1, some 0.814 at order 2."""
        return float(self.h) / self.stages**2

    def scheme(self, name: str = "") -> Scheme:
        """An explicit Runge-Kutta scheme with this stability polynomial, each stage from the one before it alone.

        Y_i = y + c_i h f(Y_(i-1)), y' = y + h f(Y_(s-1)), c_(s-j) = a_(j+1) / a_j: two registers. Rounding of a stage
        is not damped as by a recurrence of three terms, and grows with many stages.
        name     by default optimal-s-p
        raises   InputError beyond order 2, which the chain has for linear equations alone, or where an a_j is 0
        """
        if self.order > HIGHEST_SCHEME:
            raise InputError(
                f"a chain of stages is of order {HIGHEST_SCHEME} at most, not {self.order}; take order 1 or 2."
            )
        if not all(self.coefficients):
            raise InputError(f"{self!r} has a coefficient 0, where a chain of stages ends; take other stages.")
        c = [self.coefficients[j + 1] / self.coefficients[j] for j in range(self.stages - 1, 0, -1)]
        rows = [[], *([Fraction(0)] * i + [own] for i, own in enumerate(c))]
        weights = [Fraction(0)] * (self.stages - 1) + [Fraction(1)]
        return Scheme(
            text("name", name) or f"optimal-{self.stages}-{self.order}",
            family="optimal",
            source="Ketcheson & Ahmadi 2012, algorithm 1",
            steps=runge_kutta([Fraction(0), *c], rows, weights),
            frozen="drift",
            clock="time",
            claims=Claims(classical=self.order),
        )

    def table(self) -> list[dict[str, object]]:
        """j, a_j as a decimal, and a_j j!, which is 1 to the order."""
        return [{"j": j, "a": float(a), "over exp": float(a * factorial(j))} for j, a in enumerate(self.coefficients)]

    def latex(self) -> str:
        """R(z), coefficients to six digits."""
        import sympy

        z = sympy.Symbol("z")
        shown = [sympy.Rational(a.numerator, a.denominator) if j <= self.order else sympy.Float(float(a), 6)
                 for j, a in enumerate(self.coefficients)]  # fmt: skip
        terms = " + ".join(sympy.latex(a * z**j) for j, a in enumerate(shown)).replace("+ -", "- ")
        return f"R(z) = {terms}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def optimal_stability_polynomial(eigenvalues: str | ArrayLike, stages: int, order: int = 1) -> OptimalPolynomial:
    """The polynomial of that degree and order with the longest step that is stable for a set of eigenvalues.

    eigenvalues  "real" or "imaginary", the segments [-1, 0] and [-i, i]; or numbers (n,), real or complex, none with a
                 positive real part, to which their conjugates are added. Of a run give those of each step times its
                 length
    stages       the degree s, 1 to 40
    order        p, 1 to 4 and at most s
    returns      h and exact coefficients, certified: |R| <= 1 + excess is proved in rational numbers. No longer step is
                 found by halving; where the set holds all between 0 and each l, as segments do, there is none
    raises       InputError for other values, a set that so many stages make stable at every step, or at none
    cost         0.3 to 1 s for 5 stages, 1 to 5 s for 20
    """
    s, p = whole("stages", stages, 1, MOST_STAGES), whole("order", order, 1, HIGHEST)
    if p > s:
        raise InputError(f"a polynomial of {counted(s, 'stage')} has order {s} at most, not {p}; take more stages.")
    points, segment = _points(eigenvalues, s)
    size = float(np.abs(points).max())
    problem = Deviation(points / size, s, p, bool(segment))
    found = problem.longest()
    h, coefficients = Fraction(found) / Fraction(size), problem.exact(found)
    name = segment or counted(len(points), "eigenvalue")
    excess = _excess_on_axis(coefficients, h, segment) if segment else _excess(coefficients, h, points)
    return OptimalPolynomial(name, s, p, h, coefficients, excess)


def _points(eigenvalues: object, stages: int) -> tuple[Points, str]:
    """Eigenvalues of the upper half plane, 0 left out, and the name of the segment they stand for."""
    if isinstance(eigenvalues, str):
        segment = choice("set of eigenvalues", eigenvalues, SEGMENTS)
        return along(SEGMENTS[segment], 8 * stages), segment
    given = eigenvalues.tolist() if isinstance(eigenvalues, np.ndarray) else eigenvalues
    points = np.array([_eigenvalue(value) for value in several("eigenvalues", given)], dtype=np.complex128)
    count = np.count_nonzero(np.abs(points) > SMALLEST)
    if not 0 < count <= len(points) <= MOST_EIGENVALUES:
        raise InputError(
            f"{counted(len(points), 'eigenvalue')}, {count} of them not 0, set no step; give 1 to {MOST_EIGENVALUES}."
        )
    if (points.real > 0).any():
        grows = points[points.real.argmax()]
        raise InputError(f"the eigenvalue {grows} has a real part above 0, and grows in every step; leave it out.")
    upper = np.unique(points.real + 1j * np.abs(points.imag))
    return upper[np.abs(upper) > SMALLEST], ""


def _eigenvalue(value: object) -> complex:
    if isinstance(value, bool) or not isinstance(value, Complex):
        raise InputError(f"the eigenvalue {brief(repr(value))} is {typed(value)} and no number; give numbers (n,).")
    re, im = (real("an eigenvalue's part", part, -LARGEST, LARGEST) for part in (value.real, value.imag))
    return complex(re, im)


# what is proved


def _excess(coefficients: Sequence[Fraction], h: Fraction, points: Points) -> Fraction:
    """The least of 0 and the powers of 1/2 that max |R(h l)| - 1 is not above at any of the points l."""
    squares = []
    for point in points:
        re, im = _horner(coefficients, h * Fraction(point.real), h * Fraction(point.imag))
        squares.append(re**2 + im**2)
    return _first(lambda excess: max(squares) <= (1 + excess) ** 2, len(coefficients) - 1)


def _excess_on_axis(coefficients: Sequence[Fraction], h: Fraction, segment: str) -> Fraction:
    """The same at every point of [-h, 0] or [0, i h]."""
    scaled = [a * h**j for j, a in enumerate(coefficients)]
    if segment == "real":
        on_axis = [-a if j % 2 else a for j, a in enumerate(scaled)]
        square = times(on_axis, on_axis)
    else:
        parts = [[a * SIGNS[j % 4] if j % 2 == odd else Fraction(0) for j, a in enumerate(scaled)] for odd in (0, 1)]
        square = add(*(times(part, part) for part in parts))
    left = [-c for c in square]

    def holds(excess: Fraction) -> bool:
        own = [(1 + excess) ** 2 + left[0], *left[1:]]
        return positive(own[next(i for i, c in enumerate(own) if c) :])

    return _first(holds, len(coefficients) - 1)


def _first(holds: Callable[[Fraction], bool], s: int) -> Fraction:
    for excess in (Fraction(0), *(Fraction(1, 2**k) for k in EXCESS)):
        if holds(excess):
            return excess
    raise InputError(f"{counted(s, 'stage')} take more digits than float64 has; take fewer.")


def positive(p: Polynomial) -> bool:
    """Whether a rational polynomial is above 0 on [0, 1]: halved until its coefficients in Bernstein's basis are.

    One that falls to some 2^-`DEEPEST` above 0 counts as one that does not.
    """
    n = len(p) - 1
    scale = lcm(*(comb(n, j) for j in range(n + 1))) * lcm(*(c.denominator for c in p))
    inner = [int(c * scale) // comb(n, j) for j, c in enumerate(p)]
    todo = [(0, [sum(comb(i, j) * inner[j] for j in range(i + 1)) for i in range(n + 1)])]
    while todo:
        depth, row = todo.pop()
        if min(row) > 0:
            continue
        if row[0] <= 0 or row[-1] <= 0 or depth == DEEPEST:
            return False
        left, right = [], []
        for k in range(n + 1):  # de Casteljau at the middle, times 2^n
            left.append(row[0] << (n - k))
            right.append(row[-1] << (n - k))
            row = [a + b for a, b in pairwise(row)]
        todo += [(depth + 1, left), (depth + 1, right[::-1])]
    return True


def _horner(coefficients: Sequence[Fraction], re: Fraction, im: Fraction) -> tuple[Fraction, Fraction]:
    a, b = Fraction(0), Fraction(0)
    for c in reversed(coefficients):
        a, b = a * re - b * im + c, a * im + b * re
    return a, b
