"""The stability function of a method as a formula: R(z, w), its poles, stable intervals, sectors and order, exactly.

On the test equation dx/du = (z + w) x / h a scheme treats z as linear and w through its network; z = 0 is the classical
one (`numtoolkit.symbolic.amplification`). A step of one step multiplies x by R(z, w); one with history has roots zeta of
a polynomial, one of which is near exp(z + w). Methods that are no schemes here, since they are implicit, are given by
their numbers: a tableau A, b has R(w) = det(I - w A + w 1 b') / det(I - w A) (Hairer & Wanner 1996, IV.3 (3.3)), a
multistep method rho(zeta) = w sigma(zeta).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import cached_property
from itertools import count
from math import factorial
from numbers import Rational
from typing import Any

from numtoolkit.declare.entries import balls
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, counted, real, several
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.algebraic import Algebraic, exact_numbers, norm, rational_where_all_are
from numtoolkit.symbolic.amplification import Amplification, amplification, formula
from numtoolkit.symbolic.condition import aligned, weighted
from numtoolkit.symbolic.line_numbers import Formula
from numtoolkit.symbolic.sectors import RIGHT, Angle, bounded_on_the_left, sector_of_function, sector_of_locus
from numtoolkit.symbolic.unit_circle import (
    End,
    Polynomial,
    characteristic,
    common,
    derivative,
    divided,
    in_open_disc,
    on_circle,
    on_imaginary_axis,
    on_negative_axis,
    stable_to,
    trimmed,
)

AXES = {"real": on_negative_axis, "imaginary": on_imaginary_axis}
MOST_STAGES, MOST_STEPS = 20, 20
DIGITS = 50  # to which a pole is looked up among those of the norm


@dataclass(frozen=True, eq=False)
class StabilityFunction:
    """What a step makes of the test equation: det(zeta - M(w)), or its one root R, roots zeta = 0 left out.

    Of a scheme whose z is a letter the intervals and A-, A(alpha)- and L-stability are those in w at z = 0; at another
    z ask `at(z)`.

    name          of the method
    z             h L, None where it is a letter
    coefficients  [j][i] of zeta^j w^i: rational or algebraic numbers, elements of `field` where z is a letter; rational
                  numbers of 30 digits where `exact` is False at a given z
    exact         whether they are the numbers themselves
    """

    name: str
    z: Fraction | None
    coefficients: Sequence[Polynomial] = dataclass_field(repr=False)
    exact: bool
    field: Formula | None = dataclass_field(default=None, repr=False)
    scheme: Scheme | None = dataclass_field(default=None, repr=False)
    amplification: Amplification | None = dataclass_field(default=None, repr=False)

    def __repr__(self) -> str:
        at = f"{self._head}, h L = {self.z}" if self.z else self._head
        return f"<StabilityFunction of {brief(self.name, 100)}: {at}>"

    @property
    def _head(self) -> str:
        letters = "z, w" if self.z is None else "w"
        return f"R({letters})" if self.steps < 2 else f"P(zeta, {letters}) of degree {self.steps}"

    @property
    def steps(self) -> int:
        """How many values a step hands on, one of one-step methods: the degree in zeta."""
        return max(len(self.coefficients) - 1, 1)

    # --- the formula

    @cached_property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """The coefficients [j][i] of zeta^j w^i as sympy expressions, in z where it is a letter."""
        import sympy

        if self.scheme is not None and self.z:
            rows = StabilityFunction.of(self.scheme, None).rows
            at = sympy.Rational(self.z.numerator, self.z.denominator)
            return tuple(tuple(c.subs(sympy.Symbol("z"), at) for c in row) for row in rows)
        return tuple(tuple(map(self._expression, row)) for row in self.coefficients)

    def _expression(self, c: Any) -> Any:
        import sympy

        if self.field is not None:
            return self.field.expression(c)
        return c.expression if isinstance(c, Algebraic) else sympy.Rational(c.numerator, c.denominator)

    @property
    def characteristic(self) -> Any:
        """The polynomial in zeta, zeta - R of an explicit one-step scheme, as a sympy expression in zeta, w and z."""
        import sympy

        zeta = sympy.Symbol("zeta")
        return sum(self._in_w(row) * zeta**j for j, row in enumerate(self.rows))

    @staticmethod
    def _in_w(row: Sequence[Any]) -> Any:
        import sympy

        return sum(c * sympy.Symbol("w") ** i for i, c in enumerate(row))

    @property
    def R(self) -> Any:
        """The growth of a one-step method as a sympy expression in w and z; InputError for one with history."""
        return self.numerator / self.denominator

    @property
    def numerator(self) -> Any:
        """P of R = P/Q without common factors, as a sympy expression; InputError for a method with history."""
        return -self._in_w(self._one_step[0])

    @property
    def denominator(self) -> Any:
        """Q of R = P/Q, 1 at w = 0; InputError for a method with history."""
        return self._in_w(self._one_step[1])

    @property
    def _one_step(self) -> Sequence[Sequence[Any]]:
        if self.steps > 1:
            raise InputError(f"{self.name} hands on {self.steps} values and has no R; read its characteristic.")
        return self.rows if len(self.rows) > 1 else ((0,), *self.rows)

    @property
    def poles(self) -> tuple[Any, ...]:
        """Where R is infinite, or a root zeta: numbers of sympy, as often as their multiplicity."""
        import sympy

        last = trimmed(list(self.coefficients[-1]))
        if len(last) < 2:
            return ()
        rational = [sympy.Rational(c.numerator, c.denominator) for c in reversed(norm(last))]
        roots = sympy.Poly(rational, sympy.Symbol("w")).all_roots()
        if not any(isinstance(c, Algebraic) for c in last):
            return tuple(roots)
        near = [sympy.N(c, DIGITS) for c in reversed(self.rows[-1])]

        def size(root: Any) -> Any:
            return abs(sympy.Poly(near, sympy.Symbol("w")).eval(sympy.N(root, DIGITS)))

        return tuple(sorted(roots, key=size)[: len(last) - 1])

    # --- at a value of z

    def at(self, z: Fraction | float | str) -> StabilityFunction:
        """The same at a given z, a number read as the rational that it is, or a text such as "-1/3".

        raises   InputError for a method given by its numbers, which has z = 0 alone
        """
        if self.scheme is None:
            if _rational("z", z):
                raise InputError(f"z = {z} has no meaning for {self.name}, which treats nothing as linear; take z = 0.")
            return self
        return StabilityFunction.of(self.scheme, _rational("z", z))

    @cached_property
    def classical(self) -> StabilityFunction:
        """The same at z = 0: the classical stability function or polynomial."""
        return self if self.z is not None else self.at(0)

    @classmethod
    def of(cls, scheme: Scheme, z: Fraction | None) -> StabilityFunction:
        """That of a scheme, as `stability_function`."""
        if z is None:
            rows, numbers = formula(scheme)
            exact = not any(balls(entry) for _, entry in scheme.agreed.steps.inner.entries())
            padded = [row or [numbers.number(0)] for row in rows]
            return cls(scheme.spec, None, padded, exact, numbers, scheme)
        found = amplification(scheme, z)
        rows = [list(row) or [Fraction(0)] for row in found.coefficients]
        return cls(scheme.spec, z, rows, found.exact, None, scheme, found)

    # --- where it is stable

    def interval(self, axis: str) -> End:
        """Where stability ends along an axis of w, from 0 on, an algebraic number with its polynomial where `exact`.

        axis     real: w in [-r, 0]; imaginary: w in [-r, r] i. What the digits of a scheme's numbers allow to be 0 is 0
        raises   InputError for another axis
        """
        if axis not in AXES:
            raise InputError(f"axis {axis!r} is none of w here; use {' or '.join(AXES)}.")
        own = self.classical
        rows = own.amplification.along(AXES[axis]) if own.amplification else AXES[axis](own.coefficients)
        return stable_to(rows, own.exact)

    @cached_property
    def real(self) -> End:
        """The largest r with all w in [-r, 0] stable."""
        return self.interval("real")

    @cached_property
    def imaginary(self) -> End:
        """The largest r with all w in [-r, r] i stable."""
        return self.interval("imaginary")

    @property
    def zero_stable(self) -> bool:
        """Whether at w = 0 no root lies outside the unit disc, and those on the circle are simple; z = 0 for a letter."""
        own = self.classical
        circle = on_circle([row[0] if row else Fraction(0) for row in own.coefficients])
        return circle is not None and len(common(circle, derivative(circle))) < 2

    @cached_property
    def alpha(self) -> Angle | None:
        """The largest angle of A(alpha)-stability, None where there is none; exact, as the cosine it has says.

        A method whose roots grow without bound, as of every explicit one, has none.
        """
        own = self.classical
        top, highest = max(map(len, map(trimmed, own.coefficients))), len(trimmed(own.coefficients[-1]))
        if top > highest and highest < 2:
            return None
        if own.steps > 1:
            rho, sigma = ([row[i] if len(row) > i else Fraction(0) for row in own.coefficients] for i in (0, 1))
            return sector_of_locus(rho, [-c for c in sigma])
        if len(own.coefficients) < 2:
            return RIGHT
        P, Q = own.coefficients
        return sector_of_function([-c for c in P], Q)

    @property
    def A_stable(self) -> bool:
        """Whether all w with Re w <= 0 are stable, exactly."""
        own = self.classical
        if own.steps > 1 or len(own.coefficients) < 2:
            return self.alpha == RIGHT
        P, Q = own.coefficients
        return bounded_on_the_left([-c for c in P], Q)

    @property
    def L_stable(self) -> bool:
        """Whether it is A-stable and all roots tend to 0 as w grows."""
        rows = list(map(trimmed, self.classical.coefficients))
        return len(rows[-1]) > max(map(len, rows[:-1]), default=0) and self.A_stable

    # --- how well it approximates the exponential

    @cached_property
    def _defect(self) -> tuple[int, dict[tuple[int, int], Fraction]] | None:
        """p + 1, and the terms of that degree of exp(z + w) less the principal root, by powers of z and w."""
        if self.z or not self.exact:
            return None
        at_one = self._taylor(0, lambda j: j)
        if not at_one or at_one[0]:
            return None  # 1 is no simple root at z = w = 0
        degree, terms = None, {}
        for b in count():
            if degree is not None and b > degree:
                return degree, {at: c / at_one[1] for at, c in terms.items()}
            found = self._taylor(b, lambda j: 1)
            if found and (degree is None or found[0] + b <= degree):
                terms = terms if degree == found[0] + b else {}
                degree, terms[found[0], b] = found[0] + b, found[1]
        raise AssertionError

    def _taylor(self, b: int, weight: Any) -> tuple[int, Any] | None:
        """n and c of the lowest term c z^n w^b of the sum of weight(j) times row j at zeta = exp(z + w); None of 0."""
        total = self.field.number(0) if self.field else Fraction(0)
        for j, row in enumerate(self.coefficients):
            own = sum((c * Fraction(j ** (b - i), factorial(b - i)) for i, c in enumerate(row[: b + 1])), start=total * 0)
            total = total + own * weight(j) * (self.field.grown(j) if self.field else 1)
        if not total:
            return None
        return self.field.leading(total) if self.field else (0, total)

    @property
    def order(self) -> int | None:
        """p where exp(z + w) less the principal root is of degree p + 1 in z and w; None where numbers are no exact ones.

        It is the order on linear equations with constant coefficients: that of a scheme is no higher.
        """
        return self._defect[0] - 1 if self._defect else None

    @property
    def error(self) -> Any:
        """The terms of degree p + 1 of exp(z + w) less the principal root, exact minus numerical; None likewise."""
        import sympy

        if self._defect is None:
            return None
        z, w = sympy.symbols("z w")
        terms = (self._constant(c) * z**a * w**b for (a, b), c in self._defect[1].items())
        return sympy.factor(sum(terms))

    @staticmethod
    def _constant(c: Any) -> Any:
        import sympy

        return c.expression if isinstance(c, Algebraic) else sympy.Rational(c.numerator, c.denominator)

    # --- what it makes of the linear part; where z is a letter

    def _letter(self, what: str) -> Formula:
        if self.field is None:
            raise InputError(f"{what} of {self.name} is asked at a given z; take the function whose z is a letter.")
        return self.field

    @property
    def L_exact(self) -> bool:
        """Whether exp(z) is a root where w = 0: the linear part is solved exactly; InputError at a given z."""
        field = self._letter("exactness")
        return not sum((row[0] * field.grown(j) for j, row in enumerate(self.coefficients)), start=field.number(0))

    @property
    def limit(self) -> Any:
        """What R, or the polynomial in zeta, tends to for z -> -oo at a fixed w; oo where it grows; InputError at a z."""
        import sympy

        rows = self._limits()
        if any(c is None for row in rows for c in row):
            return sympy.oo
        zeta = sympy.Symbol("zeta")
        found = [self._in_w([self._constant(c) for c in row]) for row in rows]
        return -found[0] if self.steps < 2 else sum(own * zeta**j for j, own in enumerate(found))

    @property
    def L_damped(self) -> bool:
        """Whether all roots tend to 0 for z -> -oo at a fixed w; InputError at a given z."""
        return not any(c is None or c for row in self._limits()[:-1] for c in row)

    def _limits(self) -> list[list[Fraction | None]]:
        field = self._letter("limit")
        return [[field.far_left(c) for c in row] for row in self.coefficients]

    # --- on paper

    def table(self) -> list[dict[str, object]]:
        """What there is to say: each property `of` the method, its `value`, and of numbers the `exact` one as text."""
        growth = self.R if self.steps < 2 else self.characteristic
        rows = [_row(self._head.partition(" of ")[0], str(growth))]
        if self.order is not None:
            rows += [_row("order on linear equations", self.order), _row("exact minus numerical", str(self.error))]
        if self.field is not None:
            rows += [_row("w = 0 is exact", self.L_exact), _row("limit for z -> -oo", str(self.limit))]
        at = "" if self.scheme is None else f" at h L = {self.z or 0}"
        rows += [_row(f"{axis} interval{at}", *_shown(self.interval(axis))) for axis in AXES]
        if self.steps > 1:
            rows.append(_row(f"zero-stable{at}", self.zero_stable))
        if self.poles:
            rows.append(_row("poles", ", ".join(str(pole) for pole in self.poles)))
        alpha = self.alpha
        rows += [_row(f"A-stable{at}", self.A_stable), _row(f"L-stable{at}", self.L_stable)]
        if alpha is not None:
            rows.append(_row("A(alpha), degrees", alpha.degrees, f"cos: {_shown(alpha.cosine)[1]}"))
        return rows

    def latex(self) -> str:
        """R, or the polynomial in zeta, as an aligned display in LaTeX's mathematics mode, a power of w or zeta a line."""
        import sympy

        letters = "z, w" if self.z is None else "w"
        if self.steps < 2 and self.denominator != 1:
            head, lines = "R", [f"& {sympy.latex(self.R)}"]
        elif self.steps < 2:
            head, lines = "R", [f"& {weighted(-c, _power('w', i))}" for i, c in enumerate(self._one_step[0]) if c != 0]
        else:
            head, letters = "P", rf"\zeta, {letters}"
            rows = [(j, self._in_w(row)) for j, row in reversed(list(enumerate(self.rows)))]
            lines = ["& " + weighted(own, _power(r"\zeta", j)) for j, own in rows if own != 0]
        lines = lines or ["& 0"]
        lines[0] = f"{head}({letters}) &= " + lines[0].removeprefix("& ").removeprefix("+ ")
        return aligned(f"{self.name}: stability function", lines)

    def _repr_latex_(self) -> str:
        return "$\\displaystyle\n" + self.latex().partition("\n")[2] + "\n$"


def _row(of: str, value: object, exact: str | None = None) -> dict[str, object]:
    return {"of": of, "value": value, "exact": exact}


def _shown(end: End) -> tuple[object, str | None]:
    """An end as a number, and as an algebraic one in text."""
    import sympy

    if not end.polynomial:
        return (end.value if end.value < float("inf") else "no bound"), None
    root = end.number
    if not root.has(sympy.CRootOf):
        return end.value, str(root)
    return end.value, f"root of {sympy.Poly(end.polynomial[::-1], sympy.Symbol('r')).as_expr()}"


def _power(letter: str, n: int) -> str:
    return "" if not n else letter if n == 1 else f"{letter}^{{{n}}}"


def stability_function(
    scheme: Scheme | str | None = None,
    *,
    z: Fraction | float | str | None = None,
    A: Sequence[Sequence[Any]] | None = None,
    b: Sequence[Any] | None = None,
    rho: Sequence[Any] | None = None,
    sigma: Sequence[Any] | None = None,
    name: str = "",
) -> StabilityFunction:
    """The stability function of a scheme's inner step, or of a method given by its numbers, as a formula.

    scheme       or its name; fitted coefficients are 0, parameters bound or default
    z            h L at which it is asked, read as a rational number; by default it is a letter
    A, b         instead a Runge-Kutta tableau, explicit or not: s rows of s numbers, and s weights. Numbers are exact: a
                 Fraction, a text such as "1/3", `sqrt`, or algebraic numbers of sympy, all of one field
    rho, sigma   instead a multistep method rho(zeta) = w sigma(zeta): rational coefficients of zeta^0, zeta^1, ..., as
                 many of each
    name         of such a method
    raises       InputError as `numtoolkit.symbolic.amplification.amplification`; for a scheme that gives no rational
                 function of z and exponentials, unless z is given; for numbers that are not exact, or of another shape
    cost         0.01 to 0.3 s; what is asked of it 1 to 300 ms, an angle below 90 degrees up to some seconds
    """
    given = [what for what, own in (("scheme", scheme), ("A and b", A), ("rho and sigma", rho)) if own is not None]
    if len(given) != 1 or (A is None) != (b is None) or (rho is None) != (sigma is None):
        raise InputError("a stability function is that of one method; give a scheme, or A and b, or rho and sigma.")
    if scheme is not None:
        return StabilityFunction.of(scheme_of(scheme), None if z is None else _rational("z", z))
    if z is not None and _rational("z", z):
        raise InputError(f"z = {z} has no meaning for a method of numbers, which treats nothing as linear; leave it out.")
    if not isinstance(name, str):
        raise InputError(f"name = {name!r} is no text; give one.")
    if A is not None:
        rows = _of_tableau(several("A", A), several("b", b))
        return StabilityFunction(name or f"tableau of {counted(len(several('A', A)), 'stage')}", Fraction(0), rows, True)
    rows = _of_multistep(several("rho", rho), several("sigma", sigma))
    return StabilityFunction(name or f"method of {counted(len(rows) - 1, 'step')}", Fraction(0), rows, True)


def _rational(name: str, value: object) -> Fraction:
    if isinstance(value, Rational) and not isinstance(value, bool):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, str):
        (found,) = exact_numbers([(name, value)])
        return Fraction(found)
    return Fraction(real(name, value))


def _of_tableau(A: list[Any], b: list[Any]) -> list[Polynomial]:
    """The coefficients of Q zeta - P of a tableau, P and Q without common factors."""
    s, rows = len(b), [several(f"A[{i}]", row) for i, row in enumerate(A)]
    if not 0 < s <= MOST_STAGES or len(rows) != s or any(len(row) != s for row in rows):
        shape = f"{counted(len(rows), 'row')} of {', '.join(str(len(row)) for row in rows[:MOST_STAGES]) or 'no'} numbers"
        raise InputError(
            f"A has {shape} and b has {counted(s, 'weight')}; give s rows of s numbers and s weights, "
            f"s = 1 to {MOST_STAGES}."
        )
    named = [(f"A[{i}][{j}]", x) for i, row in enumerate(rows) for j, x in enumerate(row)]
    found = exact_numbers([*named, *((f"b[{j}]", x) for j, x in enumerate(b))])
    matrix, weights = [found[i * s : (i + 1) * s] for i in range(s)], found[s * s :]
    Q = _reversed_characteristic(matrix)
    P = _reversed_characteristic([[a - w for a, w in zip(row, weights, strict=True)] for row in matrix])
    shared = common(P, Q)
    P, Q = divided(P, shared)[0], divided(Q, shared)[0]
    return [rational_where_all_are([-c / Q[0] for c in P]), rational_where_all_are([c / Q[0] for c in Q])]


def _reversed_characteristic(matrix: list[list[Any]]) -> Polynomial:
    """det(I - w A)."""
    found = characteristic([[[x] for x in row] for row in matrix], Fraction(1))
    return trimmed([c[0] if c else Fraction(0) for c in reversed(found)])


def _of_multistep(rho: list[Any], sigma: list[Any]) -> list[Polynomial]:
    """The coefficients of rho - w sigma, the highest of rho 1, roots zeta = 0 left out."""
    if not 1 < len(rho) <= MOST_STEPS + 1 or len(sigma) != len(rho):
        raise InputError(
            f"rho has {counted(len(rho), 'coefficient')} and sigma {len(sigma)}; give as many of each, "
            f"2 to {MOST_STEPS + 1}, those of zeta^0, zeta^1, ..."
        )
    values = exact_numbers([(f"{what}[{j}]", x) for what, own in (("rho", rho), ("sigma", sigma)) for j, x in enumerate(own)])
    if any(isinstance(x, Algebraic) for x in values):
        raise InputError("rho and sigma have irrational coefficients; give rational ones.")
    highest = values[len(rho) - 1]
    if not highest or not any(values[len(rho) :]):
        raise InputError("rho has no highest coefficient, or sigma none at all; give a method that moves the state.")
    rows = [[a / highest, -b / highest] for a, b in zip(values[: len(rho)], values[len(rho) :], strict=True)]
    return rows[next(j for j, row in enumerate(rows) if any(row)) :]
