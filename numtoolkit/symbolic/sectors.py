"""A-stability and the angle of A(alpha)-stability, exactly: the cosine of the angle is an algebraic number.

A function R = P/Q    E = |Q|^2 - |P|^2 on the ray w = -r exp(i beta), a polynomial in r and c = cos beta, decides: R is
                      bounded by 1 on all rays up to alpha if no E(., c) with c > cos alpha is negative. One becomes so
                      only where two of its roots in r meet, or one comes from 0 or infinity: at a root in c of its
                      discriminant, or of its lowest or highest coefficient.
A multistep method    w = rho/sigma at zeta = exp(i theta) is where a root lies on the circle. In x = cos theta it is
                      (N + i sin theta M)/|sigma|^2 with polynomials N, M, so that cos^2 of the angle to the negative
                      axis is N^2/(N^2 + (1 - x^2) M^2), largest at an algebraic x.

Sources: Hairer & Wanner 1996, IV.3 (3.8) for E, V.2 for root loci; Widlund 1967 for A(alpha).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import acos, degrees
from typing import Any

from numtoolkit.symbolic.algebraic import Algebraic, range_of
from numtoolkit.symbolic.unit_circle import (
    End,
    Polynomial,
    Roots,
    add,
    common,
    derivative,
    divided,
    in_open_disc,
    on_imaginary_axis,
    on_negative_axis,
    times,
    trimmed,
    value,
)

ONE = Fraction(1)


@dataclass(frozen=True)
class Angle:
    """The largest alpha with all w inside |arg(-w)| < alpha stable.

    cosine   of it, an algebraic number with its polynomial; 0 where the whole left half plane is stable
    """

    cosine: End

    @property
    def degrees(self) -> float:
        """The angle in degrees."""
        return degrees(acos(self.cosine.value))


RIGHT = Angle(End(0.0, (0, 1)))


def never_negative(polynomial: Polynomial) -> bool:
    """Whether a polynomial is nowhere negative on the positive axis: its sign at a point between any two roots."""
    if not any(polynomial):
        return True
    roots = Roots.of([polynomial])
    return all(value(polynomial, roots.gap(n)) >= 0 for n in range(len(roots.brackets) + 1))


def in_left_half_plane(polynomial: Polynomial) -> bool:
    """Whether all roots have negative real parts: Routh's table, whose first column has then one sign."""
    own = trimmed(polynomial)
    upper, lower = own[::-1][::2], own[::-1][1::2]
    while lower:
        if not lower[0] or (upper[0] > 0) != (lower[0] > 0):
            return False
        factor, padded = upper[0] / lower[0], [*lower[1:], *[lower[0] * 0] * len(upper)]
        upper, lower = lower, [a - factor * b for a, b in zip(upper[1:], padded, strict=False)]
    return True


# --- rational functions


def e_polynomial(P: Polynomial, Q: Polynomial) -> Polynomial:
    """|Q(iy)|^2 - |P(iy)|^2 as a polynomial in y."""
    lowest, _, highest = on_imaginary_axis([P, Q])
    return add(highest, [-c for c in lowest])


def bounded_on_the_left(P: Polynomial, Q: Polynomial) -> bool:
    """Whether |P/Q| <= 1 for all Re w <= 0, P and Q without common factors: on the axis, and no pole on the left."""
    mirrored = [-c if i % 2 else c for i, c in enumerate(Q)]
    return never_negative(e_polynomial(P, Q)) and in_left_half_plane(mirrored)


def sector_of_function(P: Polynomial, Q: Polynomial) -> Angle | None:
    """That in which |P/Q| <= 1, P and Q without common factors; None if there is none.

    cost   milliseconds where it is the half plane, 0.1 to 5 s else, by the discriminant
    """
    import sympy

    if bounded_on_the_left(P, Q):
        return RIGHT
    own, bound = on_negative_axis([P, Q])
    if not never_negative(add(times(bound, bound), [-c for c in times(own, own)])):
        return None
    r, c = sympy.symbols("r c")
    rows = [_on_ray(P, Q, k) for k in range(2 * max(len(P), len(Q)) - 1)]
    whole = _bivariate(rows, r, c).sqf_part()
    coefficients = [p for p in whole.as_poly(r).all_coeffs() if p]
    critical = [whole.discriminant(), coefficients[0], coefficients[-1]]
    roots = _below_one([sympy.Poly(p, c) for p in critical])
    for n in reversed(range(len(roots.brackets) + 1)):
        point = roots.gap(n) if n < len(roots.brackets) else _before_one(roots)
        if not never_negative([value(row, point) for row in rows]):
            return Angle(roots.end(n, True)) if n < len(roots.brackets) else None
    raise AssertionError("a function that is bounded in every sector is bounded on the half plane")


def _on_ray(P: Polynomial, Q: Polynomial, power: int) -> Polynomial:
    """The coefficient of r^power in |Q|^2 - |P|^2 at w = -r exp(i beta), a polynomial in cos beta."""
    chebyshev: list[Polynomial] = [[ONE], [Fraction(0), ONE]]
    total: Polynomial = []
    for p, sign in ((Q, (-1) ** power), (P, -((-1) ** power))):
        for j in range(max(power - len(p) + 1, 0), min(power, len(p) - 1) + 1):
            k = abs(power - 2 * j)
            while len(chebyshev) <= k:
                chebyshev.append(add([0, *(2 * x for x in chebyshev[-1])], [-x for x in chebyshev[-2]]))
            total = add(total, [sign * p[j] * p[power - j] * x for x in chebyshev[k]])
    return total


def _bivariate(rows: list[Polynomial], r: Any, c: Any) -> Any:
    """A rational polynomial in r and c of sympy from coefficients [r][c]; the norm of one with irrational ones."""
    import sympy

    terms = {(i, j): x for i, row in enumerate(rows) for j, x in enumerate(row) if x}
    field = next((x.field for x in terms.values() if isinstance(x, Algebraic)), None)
    if field is None:
        rational = {at: sympy.Rational(x.numerator, x.denominator) for at, x in terms.items()}
        return sympy.Poly(rational, r, c, domain="QQ")
    zero = Algebraic(field, field.domain.zero)
    return sympy.Poly({at: (zero + x).value for at, x in terms.items()}, r, c, domain=field.domain).norm()


def _below_one(polynomials: list[Any]) -> Roots:
    """The roots in (0, 1) of polynomials of sympy."""
    lists = [[Fraction(int(x.p), int(x.q)) for x in reversed(p.all_coeffs())] for p in polynomials if not p.is_zero]
    for n, p in enumerate(lists):
        while len(p) > 1 and not value(p, ONE):
            p = divided(p, [-ONE, ONE])[0]
        lists[n] = p
    roots = Roots.of(lists)
    for n in range(len(roots.brackets)):
        while roots.brackets[n][0] <= 1 <= roots.brackets[n][1]:
            roots.halve(n)
    roots.brackets = [own for own in roots.brackets if own[1] < 1]
    return roots


def _before_one(roots: Roots) -> Fraction:
    """A point between the last root and 1."""
    return ((roots.brackets[-1][1] if roots.brackets else Fraction(0)) + 1) / 2


# --- multistep methods

CIRCLE: Polynomial = [Fraction(0), Fraction(2), Fraction(-1)]  # sin^2 theta in y = 1 - cos theta


def sector_of_locus(rho: Polynomial, sigma: Polynomial) -> Angle | None:
    """That of the method rho(zeta) = w sigma(zeta), rational; None if there is none.

    In a sector without a branch of the locus as many roots lie inside the disc as at w = -1. A method that is not
    zero-stable has none, since w = 0 is a point of its edge.
    cost   10 to 300 ms, by the number of steps
    """
    if not in_open_disc(trimmed(add(rho, sigma))):  # at w = -1, on no branch of the locus unless there is no sector
        return None
    N, M = _locus(rho, sigma)
    if not any(N):
        return RIGHT
    shared = common(N, M)
    n, m = divided(N, shared)[0], divided(M, shared)[0]
    fall = times(CIRCLE, times(m, m))  # over n^2 the square of the tangent
    turning = add(times(derivative(fall), n), [-2 * c for c in times(fall, derivative(n))])
    roots = Roots.of([p for p in (turning, N, [Fraction(-2), ONE]) if any(p)])
    last = next(i for i in range(len(roots.brackets)) if _is_root(roots, i, [Fraction(-2), ONE]))
    ends = {e for i in range(last + 1) if value(N, roots.gap(i)) < 0 for e in (i - 1, i) if e >= 0}
    candidates = [e for e in ends if not _is_root(roots, e, n)]
    at_one = n[0] and value(N, roots.gap(0)) < 0  # a method with rho(1) other than 0
    if at_one or any(_is_root(roots, e, fall) for e in candidates):
        return None  # on the negative axis itself
    if not candidates:
        return RIGHT
    square, whole = times(n, n), add(times(n, n), fall)
    sizes = {e: _quotient(square, whole, roots, e) for e in candidates}
    best = max(candidates, key=lambda e: sizes[e])
    return Angle(_root_of_quotient(square, whole, list(roots.factor(best)), sizes[best]))


def _locus(rho: Polynomial, sigma: Polynomial) -> tuple[Polynomial, Polynomial]:
    """N and M with rho conj(sigma) = N + i sin theta M on the circle, polynomials in y = 1 - cos theta."""
    x: Polynomial = [ONE, -ONE]
    size = max(len(rho), len(sigma))
    first, second = [[ONE], x], [[], [ONE]]  # T_k and U_k-1
    for own in (first, second):
        while len(own) < size:
            own.append(add([2 * c for c in times(x, own[-1])], [-c for c in own[-2]]))
    N: Polynomial = []
    M: Polynomial = []
    for j, a in enumerate(rho):
        for k, b in enumerate(sigma):
            N = add(N, [a * b * c for c in first[abs(j - k)]])
            M = add(M, [(a * b if j > k else -a * b) * c for c in second[abs(j - k)]])
    return trimmed(N), trimmed(M)


def _is_root(roots: Roots, n: int, polynomial: Polynomial) -> bool:
    """Whether root n is one of a rational polynomial: whether its factor divides it."""
    factor = [Fraction(c) for c in roots.factor(n)]
    return not divided(polynomial, factor)[1]


def _quotient(top: Polynomial, bottom: Polynomial, roots: Roots, n: int) -> tuple[Fraction, Fraction]:
    """Bounds of a positive quotient at root n."""
    roots.refine(n)
    while True:
        (a, b), (c, d) = range_of(top[::-1], *roots.brackets[n]), range_of(bottom[::-1], *roots.brackets[n])
        if c > 0:
            return max(a, Fraction(0)) / d, b / c
        roots.halve(n)


def _root_of_quotient(top: Polynomial, bottom: Polynomial, factor: list[int], near: tuple[Fraction, Fraction]) -> End:
    """The root of a quotient at a root y of a factor, as a number with its polynomial; `near` are bounds of the square.

    Its polynomial divides the resultant in y of the factor and top - c^2 bottom.
    """
    import sympy

    y, c = sympy.symbols("y c")

    def expression(p: Polynomial) -> Any:
        return sum(sympy.Rational(x.numerator, x.denominator) * y**i for i, x in enumerate(map(Fraction, p)))

    found = sympy.Poly(sympy.resultant(expression(factor), expression(top) - c**2 * expression(bottom), y), c)
    roots = Roots.of([[Fraction(int(x.p), int(x.q)) for x in reversed(found.all_coeffs())]])
    for n in range(len(roots.brackets)):
        roots.refine(n)
        low, high = roots.brackets[n]
        if low**2 <= near[1] and near[0] <= high**2:
            return roots.end(n, True)
    raise AssertionError("the resultant has the quotient as a root")
