"""Real algebraic numbers with their order: elements of a field Q(theta), theta at its place on the line.

They go where fractions go, in polynomials, in Sturm's sequences and in the recursion of Schur and Cohn: an element is 0
only if its coefficients are, else a bracket of theta that is narrow enough tells its sign. What isolates roots takes
rational polynomials: the norm of a polynomial, the product of its conjugates, has all roots that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import total_ordering
from typing import Any

from numtoolkit.declare.entries import as_scalar, balls
from numtoolkit.declare.numbers import ball_of
from numtoolkit.errors import InputError, brief
from numtoolkit.symbolic.numbers import Field

HIGHEST = 24  # degree of a field
DIGITS = 50  # to which a root of a polynomial is looked up among those of its norm
FINEST = 2000  # halvings of the bracket of theta: an element of usual size differs from 0 long before


class RealField:
    """Q(theta) as sympy's field `domain`, and a bracket of theta, which narrows as signs ask for it."""

    def __init__(self, domain: Any) -> None:
        import sympy

        self.domain = domain
        minimal = sympy.Poly(domain.mod.to_list(), sympy.Symbol("x"), domain="QQ")
        self._minimal = [_fraction(c) for c in minimal.all_coeffs()]
        near = Fraction(str(sympy.N(domain.to_sympy(domain.unit), 60)))
        brackets = [
            (Fraction(str(a)), Fraction(str(b))) for (a, b), _ in minimal.intervals(eps=sympy.Rational(1, 10**9))
        ]
        self.low, self.high = min(brackets, key=lambda own: abs(own[0] + own[1] - 2 * near))

    def __repr__(self) -> str:
        return f"<RealField {brief(str(self.domain), 200)}>"

    def halve(self) -> None:
        """Half of the bracket of theta."""
        middle = (self.low + self.high) / 2
        left, there = _horner(self._minimal, self.low), _horner(self._minimal, middle)
        if left and there:
            self.low, self.high = (self.low, middle) if (left < 0) != (there < 0) else (middle, self.high)
        else:
            self.low = self.high = self.low if not left else middle


@total_ordering
class Algebraic:
    """An element of a `RealField`, its `value` that of sympy; + - * / and order with fractions and with each other."""

    __slots__ = ("field", "value")

    def __init__(self, field: RealField, value: Any) -> None:
        self.field, self.value = field, value

    def __repr__(self) -> str:
        return brief(str(self.expression), 200)

    @property
    def expression(self) -> Any:
        """The number as a sympy expression."""
        return self.field.domain.to_sympy(self.value)

    def _other(self, other: Any) -> Any:
        if isinstance(other, Algebraic):
            return other.value
        fraction = Fraction(other)
        domain = self.field.domain
        return domain.convert(domain.dom(fraction.numerator, fraction.denominator), domain.dom)

    def _of(self, value: Any) -> Algebraic:
        return Algebraic(self.field, value)

    def __add__(self, other: Any) -> Algebraic:
        return self._of(self.value + self._other(other))

    __radd__ = __add__

    def __neg__(self) -> Algebraic:
        return self._of(-self.value)

    def __sub__(self, other: Any) -> Algebraic:
        return self._of(self.value - self._other(other))

    def __rsub__(self, other: Any) -> Algebraic:
        return self._of(self._other(other) - self.value)

    def __mul__(self, other: Any) -> Algebraic:
        return self._of(self.value * self._other(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Algebraic:
        return self._of(self.value / self._other(other))

    def __rtruediv__(self, other: Any) -> Algebraic:
        return self._of(self._other(other) / self.value)

    def __pow__(self, n: int) -> Algebraic:
        return self._of(self.value**n)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return not self - other

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Any) -> bool:
        return (self - other).sign < 0

    def __abs__(self) -> Algebraic:
        return -self if self.sign < 0 else self

    def __float__(self) -> float:
        return float(self.expression)

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        if not self:
            return 0
        powers = [_fraction(c) for c in self.value.to_list()]
        for _ in range(FINEST):
            low, high = range_of(powers, self.field.low, self.field.high)
            if low > 0 or high < 0:
                return 1 if low > 0 else -1
            self.field.halve()
        raise InputError(f"the sign of {self!r} is not known after {FINEST} halvings; take simpler numbers.")


def _fraction(c: Any) -> Fraction:
    return Fraction(int(c.numerator), int(c.denominator))


def _horner(highest_first: Sequence[Fraction], at: Fraction) -> Fraction:
    total = Fraction(0)
    for c in highest_first:
        total = total * at + c
    return total


def range_of(highest_first: Sequence[Fraction], low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds of a polynomial, its coefficients `highest_first`, on the bracket from `low` to `high`."""
    least = most = Fraction(0)
    for c in highest_first:
        ends = least * low, least * high, most * low, most * high
        least, most = min(ends) + c, max(ends) + c
    return least, most


def norm(polynomial: Sequence[Any]) -> list[Fraction]:
    """The product of the conjugates of a polynomial, lowest coefficient first; itself where it is rational."""
    import sympy

    field = next((c.field for c in polynomial if isinstance(c, Algebraic)), None)
    if field is None:
        return list(polynomial)
    zero = Algebraic(field, field.domain.zero)
    values = [(zero + c).value for c in reversed(polynomial)]
    found = sympy.Poly.from_list(values, sympy.Symbol("r"), domain=field.domain).norm()
    return [_fraction(c) for c in reversed(found.all_coeffs())]


def complex_roots(polynomial: Sequence[Any]) -> tuple[Any, ...]:
    """The roots of a polynomial, lowest coefficient first, the highest not 0: sympy's, as often as their multiplicity.

    Of one with irrational coefficients those of the roots of its norm at which it is 0, to `DIGITS`.
    """
    import sympy

    if len(polynomial) < 2:
        return ()
    rational = [sympy.Rational(c.numerator, c.denominator) for c in reversed(norm(polynomial))]
    roots = sympy.Poly(rational, sympy.Symbol("x")).all_roots()
    near = [sympy.N(c.expression if isinstance(c, Algebraic) else c, DIGITS) for c in reversed(polynomial)]

    def size(root: Any) -> Any:
        return abs(sympy.Poly(near, sympy.Symbol("x")).eval(sympy.N(root, DIGITS)))

    return tuple(roots if len(roots) < len(polynomial) else sorted(roots, key=size)[: len(polynomial) - 1])


def rational_where_all_are(values: Sequence[Any]) -> list[Any]:
    """The numbers as fractions, if they all are rational."""
    fractions = [_as_fraction(x) for x in values]
    return list(values) if None in fractions else fractions


def _as_fraction(x: Any) -> Fraction | None:
    if not isinstance(x, Algebraic):
        return Fraction(x)
    powers = x.value.to_list()
    return None if len(powers) > 1 else _fraction(powers[0]) if powers else Fraction(0)


def square_roots(squares: Iterable[int]) -> dict[int, Any]:
    """The square roots of some whole numbers as elements of one field, by their squares."""
    import sympy

    known = sorted(squares)
    return dict(zip(known, exact_numbers([(str(n), sympy.sqrt(n)) for n in known]), strict=True))


def exact_numbers(values: Sequence[tuple[str, object]]) -> list[Any]:
    """Real numbers as fractions, or as elements of one field where some are irrational.

    values   each with what it is called: an integer, a Fraction, a text such as "1/3", `numtoolkit.sqrt` and what is
             made of it, or an algebraic number of sympy, CRootOf from sympy 1.14 on
    raises   InputError for any other, a decimal and a float that is none of these among them
    """
    import sympy
    from sympy.polys.constructor import construct_domain
    from sympy.polys.polyerrors import NotAlgebraic, PolynomialError

    read = [_expression(name, value) for name, value in values]
    if all(x.is_Rational for x in read):
        return [Fraction(int(x.p), int(x.q)) for x in read]
    try:
        domain, found = construct_domain(read, extension=True, field=True)
        if not domain.is_AlgebraicField:
            raise NotAlgebraic(domain)
    except (NotAlgebraic, NotImplementedError, PolynomialError, sympy.SympifyError):
        unread = next(name for name, x in zip((name for name, _ in values), read, strict=True) if not x.is_Rational)
        raise InputError(f"{unread} and its like are no algebraic numbers of one field; give rationals.") from None
    if domain.mod.degree() > HIGHEST:
        raise InputError(
            f"the irrational numbers among {values[0][0]} and its like lie in a field of degree {domain.mod.degree()}; "
            f"give such of one of degree {HIGHEST} at most."
        )
    field = RealField(domain)
    return [Algebraic(field, x) for x in found]


def _expression(name: str, value: object) -> Any:
    """A number as sympy's."""
    import sympy

    if isinstance(value, sympy.Basic):
        if not (isinstance(value, sympy.Expr) and value.is_number and value.is_extended_real and value.is_finite):
            raise InputError(f"{name} = {brief(str(value))} is no real number; give one.")
        balls_of = {x: ball_of(float(x)) for x in value.atoms(sympy.Float)}
        if any(radius for _, radius in balls_of.values()):
            raise InputError(f"{name} = {brief(str(value))} is a decimal; give an exact number, such as 1/3.")
        return value.xreplace({x: sympy.Rational(c.numerator, c.denominator) for x, (c, _) in balls_of.items()})
    try:
        entry = as_scalar(value)  # type: ignore[arg-type]
        if balls(entry):
            raise InputError(f"{name} = {brief(str(value))} is a decimal; give an exact number, such as 1/3.")
        return Field().expression(Field().scalar(entry))
    except InputError as error:
        if str(error).startswith(name):
            raise
        raise InputError(f"{name}: {error}") from None
