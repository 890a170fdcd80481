"""The stability function of a method as a formula: R(z, w), its poles, stable intervals, sectors and order, exactly.

On the test equation dx/du = (z + w) x / h a scheme treats z as linear and w through its network; z = 0 is the classical
one (`numtoolkit.symbolic.amplification`). A one-step method multiplies x by R(z, w); one with history has the roots
zeta of a polynomial, one of which is near exp(z + w). Implicit methods, which are no schemes here, are given by their
numbers (`numtoolkit.symbolic.methods`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from fractions import Fraction
from functools import cached_property
from numbers import Rational
from typing import Any

from numtoolkit.declare.entries import balls
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, counted, real, several, text
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.algebraic import Algebraic, complex_roots, exact_numbers
from numtoolkit.symbolic.amplification import Amplification, amplification, formula, internal
from numtoolkit.symbolic.growth import defect
from numtoolkit.symbolic.line_numbers import Formula
from numtoolkit.symbolic.methods import Tableau, of_multistep, of_tableau, responses, tableau
from numtoolkit.symbolic.sectors import RIGHT, Angle, bounded_on_the_left, sector_of_function, sector_of_locus
from numtoolkit.symbolic.unit_circle import (
    End,
    Polynomial,
    common,
    derivative,
    on_circle,
    on_imaginary_axis,
    on_negative_axis,
    stable_to,
    trimmed,
)

SHOWN = 20  # digits of a coefficient that is known to some digits
AXES = {"real": on_negative_axis, "imaginary": on_imaginary_axis}


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
    tableau: Tableau | None = dataclass_field(default=None, repr=False)

    def __repr__(self) -> str:
        at = f"{self.head}, h L = {self.z}" if self.z else self.head
        return f"<StabilityFunction of {brief(self.name, 100)}: {at}>"

    @property
    def head(self) -> str:
        """What it is and of which letters: "R(z, w)"."""
        letters = "z, w" if self.z is None else "w"
        return f"R({letters})" if self.steps < 2 else f"P(zeta, {letters}) of degree {self.steps}"

    @property
    def steps(self) -> int:
        """How many values a step hands on, one of one-step methods: the degree in zeta."""
        return max(len(self.coefficients) - 1, 1)

    # --- the formula

    @cached_property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """The coefficients [j][i] of zeta^j w^i as sympy expressions, in z where it is a letter, else at it.

        They are decimals where a scheme holds such, or gives no function of z and exponentials.
        """
        import sympy

        if self.scheme is not None and self.z:
            try:
                rows = StabilityFunction.of(self.scheme, None).rows
            except InputError:
                return tuple(tuple(map(self._expression, row)) for row in self.coefficients)
            at = sympy.Rational(self.z.numerator, self.z.denominator)
            return tuple(tuple(c.subs(sympy.Symbol("z"), at) for c in row) for row in rows)
        return tuple(tuple(map(self._expression, row)) for row in self.coefficients)

    def _expression(self, c: Any) -> Any:
        import sympy

        if self.field is not None:
            return self.field.expression(c)
        if isinstance(c, Algebraic):
            return c.expression
        rational = sympy.Rational(c.numerator, c.denominator)
        return rational if self.exact else sympy.Float(rational, SHOWN)

    @property
    def characteristic(self) -> Any:
        """The polynomial in zeta, zeta - R of an explicit one-step scheme, as a sympy expression in zeta, w and z."""
        import sympy

        zeta = sympy.Symbol("zeta")
        return sum(self.in_w(row) * zeta**j for j, row in enumerate(self.rows))

    @staticmethod
    def in_w(row: Sequence[Any]) -> Any:
        """The polynomial in w with these coefficients, sympy expressions."""
        import sympy

        return sum(c * sympy.Symbol("w") ** i for i, c in enumerate(row))

    @property
    def R(self) -> Any:
        """The growth of a one-step method as a sympy expression in w and z; InputError for one with history."""
        return self.numerator / self.denominator

    @property
    def numerator(self) -> Any:
        """P of R = P/Q without common factors, as a sympy expression; InputError for a method with history."""
        return -self.in_w(self.one_step[0])

    @property
    def denominator(self) -> Any:
        """Q of R = P/Q, 1 at w = 0; InputError for a method with history."""
        return self.in_w(self.one_step[1])

    @property
    def one_step(self) -> Sequence[Sequence[Any]]:
        """The coefficients of -P and Q as sympy expressions; InputError for a method with history."""
        if self.steps > 1:
            raise InputError(f"{self.name} hands on {self.steps} values and has no R; read its characteristic.")
        return self.rows if len(self.rows) > 1 else ((0,), *self.rows)

    @property
    def poles(self) -> tuple[Any, ...]:
        """Where R is infinite, or a root zeta: numbers of sympy, as often as their multiplicity."""
        return complex_roots(trimmed(list(self.coefficients[-1])))

    @cached_property
    def internal(self) -> dict[str, Any]:
        """What a unit of rounding in each stage adds to the new state, by its name: a sympy expression in w and z.

        The internal stability functions (Verwer, Hundsdorfer & Sommeijer 1990); of a tableau w b' (I - w A)^-1, Y0 the
        first stage. InputError at a given z other than 0, and for a multistep method of numbers, which has no stages.
        """
        if self.scheme is not None:
            if self.z is not None:
                raise InputError(f"internal functions of {self.name} are those of every z; take the one that has it.")
            found, numbers = internal(self.scheme)
            return {name: self.in_w(list(map(numbers.expression, row))) for name, row in found.items()}
        if self.tableau is None:
            raise InputError(f"{self.name} has no stages; take the function of a scheme or a tableau.")
        ratios = enumerate(responses(*self.tableau))
        return {f"Y{i}": self._polynomial(P) / self._polynomial(Q) for i, (P, Q) in ratios}

    def _polynomial(self, own: Polynomial) -> Any:
        return self.in_w(list(map(self._constant, own)))

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
        return stable_to(rows, own.exact, doubled=axis == "imaginary")

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
        """Whether at w = 0 no root lies outside the unit disc, and those on the circle are simple."""
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
    def _defect(self) -> tuple[int, dict[tuple[int, int], Any]] | None:
        return defect(self.coefficients, self.field) if self.exact and not self.z else None

    @property
    def order(self) -> int | None:
        """p where exp(z + w) less the principal root is of degree p + 1 in z and w; None where numbers are not exact.

        It is the order on linear equations with constant coefficients, at z = 0 on the classical one: the order of a
        scheme is no higher.
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
        """What R, or the polynomial in zeta, tends to for z -> -oo, w fixed; oo where it grows; InputError at a z."""
        import sympy

        rows = self._limits()
        if any(c is None for row in rows for c in row):
            return sympy.oo
        zeta = sympy.Symbol("zeta")
        found = [self.in_w([self._constant(c) for c in row]) for row in rows]
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
        from numtoolkit.symbolic.stability_page import table

        return table(self)

    def latex(self) -> str:
        """R, or the polynomial in zeta, as an aligned display in LaTeX's mathematics mode, a power a line."""
        from numtoolkit.symbolic.stability_page import latex

        return latex(self)

    def _repr_latex_(self) -> str:
        return "$\\displaystyle\n" + self.latex().partition("\n")[2] + "\n$"


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
    A, b         instead a Runge-Kutta tableau, explicit or not: s rows of s numbers, and s weights. Numbers are exact:
                 a Fraction, a text such as "1/3", `sqrt`, or algebraic numbers of sympy, all of one field
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
        raise InputError(
            f"z = {z} has no meaning for a method of numbers, which treats nothing as linear; leave it out."
        )
    text("name", name)
    if A is not None:
        own = tableau(several("A", A), several("b", b))
        title = name or f"tableau of {counted(len(own[1]), 'stage')}"
        return StabilityFunction(title, Fraction(0), of_tableau(*own), True, tableau=own)
    rows = of_multistep(several("rho", rho), several("sigma", sigma))
    return StabilityFunction(name or f"method of {counted(len(rows) - 1, 'step')}", Fraction(0), rows, True)


def _rational(name: str, value: object) -> Fraction:
    if isinstance(value, Rational) and not isinstance(value, bool):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, str):
        (found,) = exact_numbers([(name, value)])
        return Fraction(found)
    return Fraction(real(name, value))
