"""A local minimum of a sum of squares of polynomials under polynomial equations, found in float64 and verified.

What is found is verified with intervals: the equations of Lagrange have one solution in a small box (Krawczyk 1969;
Rump 2010, section 13), and there the second derivative is positive along all that the equations leave free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.errors import InputError
from numtoolkit.symbolic.intervals import Interval

Floats = np.ndarray[Any, np.dtype[np.float64]]
Matrix = list[list[Interval]]
System = Callable[[Sequence[Any], Any], tuple[list[Any], list[list[Any]]]]

STARTS, WIDTH = 120, Fraction(1, 10**11)  # random starts of the search, the radius of the box that is verified
NARROWED = 3  # how often: each time by the width of the first box
STIFF = 1  # the weight of the equations beside the second derivative


@dataclass(frozen=True)
class Polynomial:
    """A polynomial with rational coefficients, by its exponents."""

    terms: tuple[tuple[tuple[int, ...], Fraction], ...]

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats]:
        powers = np.array([exponents for exponents, _ in self.terms], dtype=float).reshape(len(self.terms), -1)
        return powers, np.array([float(c) for _, c in self.terms])

    def value(self, x: Floats) -> float:
        """At a point."""
        if not self.terms:
            return 0.0
        powers, coefficients = self._arrays
        return float(coefficients @ np.prod(x**powers, axis=1))

    def enclosed(self, x: Sequence[Interval]) -> Interval:
        """At intervals."""
        total = Interval.of(0)
        for exponents, c in self.terms:
            term = Interval.of(c)
            for own, e in zip(x, exponents, strict=True):
                term = term * own**e if e else term
            total = total + term
        return total

    def derivative(self, i: int) -> Polynomial:
        """By the symbol i."""
        lowered = (((*e[:i], e[i] - 1, *e[i + 1 :]), c * e[i]) for e, c in self.terms if e[i])
        return Polynomial(tuple(lowered))

    @cached_property
    def gradient(self) -> list[Polynomial]:
        """The derivatives."""
        return [self.derivative(i) for i in range(len(self.terms[0][0]))] if self.terms else []

    @cached_property
    def hessian(self) -> list[list[Polynomial]]:
        """The second ones."""
        return [[own.derivative(j) for j in range(len(self.gradient))] for own in self.gradient]


@dataclass(frozen=True)
class Minimum:
    """A local minimum: where, and the sum of squares, both enclosed."""

    point: list[Interval]
    square: Interval


def polynomial_of(value: Any) -> Polynomial:
    """An element `value` of a field of symbols whose denominator is a number."""
    (bottom,) = value.bottom.to_dict().values()
    terms = ((tuple(map(int, e)), Fraction(int(c), int(bottom))) for e, c in value.top.to_dict().items())
    return Polynomial(tuple(terms))


def local_minimum(squares: Sequence[Polynomial], equations: Sequence[Polynomial], count: int) -> Minimum:
    """The lowest local minimum that a search finds of sum p^2 over `squares` where the `equations` hold, verified.

    count    of symbols
    raises   InputError where none is found that can be verified
    """
    from scipy.optimize import minimize

    def logarithm(x: Floats) -> tuple[float, Floats]:
        values = np.array([p.value(x) for p in squares])
        slopes = np.array([[d.value(x) for d in p.gradient] for p in squares])
        square = float(values @ values)
        return float(np.log(square)), 2 * values @ slopes / square

    def misses(x: Floats) -> Floats:
        return np.array([g.value(x) for g in equations])

    def slopes(x: Floats) -> Floats:
        return np.array([[d.value(x) for d in g.gradient] for g in equations])

    constraint = {"type": "eq", "fun": misses, "jac": slopes}
    draws = np.random.default_rng(0)
    found = []
    for _ in range(STARTS):
        x = draws.normal(0.2, 0.4, size=count)
        for _ in range(20):  # onto the equations
            x = x - np.linalg.lstsq(slopes(x), misses(x), rcond=None)[0]
        end = minimize(logarithm, x, jac=True, constraints=[constraint], method="SLSQP", options={"maxiter": 200})
        if np.abs(misses(end.x)).max() < 1e-6:
            found.append((float(end.fun), end.x))
    for _, x in sorted(found, key=lambda own: own[0]):
        least = verified(squares, equations, x)
        if least is not None:
            return least
    raise InputError("no local minimum was found that can be verified.")


def _system(
    squares: Sequence[Polynomial], equations: Sequence[Polynomial], x: Any, multipliers: Any, at: Any
) -> tuple[list[Any], list[list[Any]], list[list[Any]], list[list[Any]]]:
    """Lagrange's equations, their matrix, and its blocks H and J, where `at` evaluates a polynomial at x."""
    n = len(x)
    e = [at(p, x) for p in squares]
    de = [[at(d, x) for d in p.gradient] for p in squares]
    g = [at(p, x) for p in equations]
    J = [[at(d, x) for d in p.gradient] for p in equations]
    slope = [
        sum((e[k] * de[k][i] for k in range(len(e))), start=e[0] * 0)
        + sum((multipliers[k] * J[k][i] for k in range(len(g))), start=e[0] * 0)
        for i in range(n)
    ]
    H = [
        [
            sum((de[k][i] * de[k][j] + e[k] * at(p.hessian[i][j], x) for k, p in enumerate(squares)), start=e[0] * 0)
            + sum((multipliers[k] * at(p.hessian[i][j], x) for k, p in enumerate(equations)), start=e[0] * 0)
            for j in range(n)
        ]
        for i in range(n)
    ]
    zero = e[0] * 0
    matrix = [[*H[i], *(J[k][i] for k in range(len(g)))] for i in range(n)]
    matrix += [[*J[k], *[zero] * len(g)] for k in range(len(g))]
    return [*slope, *g], matrix, H, J


def verified(squares: Sequence[Polynomial], equations: Sequence[Polynomial], x: Floats) -> Minimum | None:
    """The local minimum near a point, None if it is not seen to be one.

    squares, equations, x   as of `local_minimum`, and the point
    """

    def evaluate(p: Polynomial, own: Any) -> float:
        return p.value(np.array(own))

    J = np.array([[d.value(x) for d in g.gradient] for g in equations])
    slope = np.array([p.value(x) for p in squares]) @ np.array([[d.value(x) for d in p.gradient] for p in squares])
    z = np.concatenate([x, np.linalg.lstsq(J.T, -slope, rcond=None)[0]])
    n = len(x)
    for _ in range(8):
        residual, matrix, _, _ = _system(squares, equations, list(z[:n]), list(z[n:]), evaluate)
        z = z - np.linalg.solve(np.array(matrix), np.array(residual))

    def lagrange(own: Sequence[Any], at: Any) -> tuple[list[Any], list[list[Any]]]:
        return _system(squares, equations, own[:n], own[n:], at)[:2]

    inner = root_near(lagrange, z)
    if inner is None:
        return None
    _, _, H, slopes = _system(squares, equations, inner[:n], inner[n:], Polynomial.enclosed)
    if not _positive(H, slopes):
        return None
    values = [p.enclosed(inner[:n]) for p in squares]
    return Minimum(inner[:n], sum((own * own for own in values), start=Interval.of(0)))


def root_near(system: System, z: Floats) -> list[Interval] | None:
    """The one root of as many equations as symbols in a small box about a point, enclosed; None if it is not seen.

    system   (x, at) -> the equations and the matrix of their derivatives, where `at` evaluates a polynomial at x
    z        (n,) float64, the root to rounding
    """

    def evaluate(p: Polynomial, own: Any) -> float:
        return p.value(np.array(own))

    box = [Interval.of(Fraction(float(own)), WIDTH) for own in z]
    inverse = _exact(np.linalg.inv(np.array(system(list(z), evaluate)[1])))
    rest = _times(inverse, system(box, Polynomial.enclosed)[1])
    for _ in range(NARROWED):
        middle = [Interval.of(own.centre) for own in box]
        residual, _ = system(middle, Polynomial.enclosed)
        inner = []
        for i in range(len(z)):
            step = sum((inverse[i][j] * residual[j] for j in range(len(z))), start=Interval.of(0))
            parts = (((1 if i == j else 0) - rest[i][j]) * (box[j] - middle[j]) for j in range(len(z)))
            inner.append(middle[i] - step + sum(parts, start=Interval.of(0)))
        if not all(b.low < own.low and own.high < b.high for own, b in zip(inner, box, strict=True)):
            return None
        box = inner
    return box


def _positive(H: Matrix, J: Matrix) -> bool:
    """Whether H + k J'J is positive definite: Gershgorin's circles of what Cholesky makes nearly the unit matrix."""
    n = len(H)
    M = [
        [H[i][j] + STIFF * sum((row[i] * row[j] for row in J), start=Interval.of(0)) for j in range(n)]
        for i in range(n)
    ]
    centre = np.array([[float(own.centre) for own in row] for row in M])
    try:
        W = _exact(np.linalg.inv(np.linalg.cholesky((centre + centre.T) / 2)))
    except np.linalg.LinAlgError:
        return False
    near = _times(_times(W, M), [list(row) for row in zip(*W, strict=True)])
    return all(
        near[i][i].low > sum(max(-near[i][j].low, near[i][j].high) for j in range(n) if j != i) for i in range(n)
    )


def _exact(matrix: Floats) -> Matrix:
    return [[Interval.of(Fraction(float(own))) for own in row] for row in matrix]


def _times(left: Matrix, right: Matrix) -> Matrix:
    columns = list(zip(*right, strict=True))
    return [
        [sum((a * b for a, b in zip(row, column, strict=True)), start=Interval.of(0)) for column in columns]
        for row in left
    ]
