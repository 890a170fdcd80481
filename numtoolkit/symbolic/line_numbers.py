"""The numbers that entries are on the test equation: rational at z = h L = 0, else intervals or functions of z.

`Rational`  fractions and some roots. Any exponential but exp(0) is `Irrational`
`Digits`    mpmath's intervals, as fine as is asked for
`Formula`   rational functions of z and X = exp(z / d), which decides every identity: z and X are independent
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import count
from math import factorial, lcm
from typing import Any, Protocol

from numtoolkit.errors import InputError

LARGE = 20  # |x| from which e^x - 1 is divided by x


class Irrational(Exception):
    """What was asked for is no rational number."""


class Numbers(Protocol):
    """A field that knows some exponentials; its elements support + - * / and == with each other and with integers."""

    z: Any

    def number(self, value: Fraction | int) -> Any:
        """A rational as an element."""

    def ball(self, centre: Fraction, radius: Fraction) -> Any:
        """A number of which a ball is known."""

    def power(self, x: Any, n: Fraction) -> Any:
        """x^n."""

    def exp(self, x: Any) -> Any:
        """e^x."""

    def log(self, x: Any) -> Any:
        """The logarithm of a positive number."""

    def moment(self, i: int, x: Any) -> Any:
        """int_0^1 e^(x r) r^i dr."""


def _by_parts(numbers: Numbers, i: int, x: Any) -> Any:
    """int_0^1 e^(x r) r^i dr for x other than 0."""
    last = numbers.exp(x)
    total = (last - 1) / x
    for j in range(1, i + 1):
        total = (last - j * total) / x
    return total


class Rational:
    """Fractions, at z = 0, and the square roots that are given, by their squares."""

    z = Fraction(0)

    def __init__(self, roots: Mapping[int, Any] | None = None) -> None:
        self.roots = roots or {}

    def number(self, value: Fraction | int) -> Fraction:
        """It is one."""
        return Fraction(value)

    def ball(self, centre: Fraction, radius: Fraction) -> Fraction:
        """The centre of one."""
        return centre

    def power(self, x: Any, n: Fraction) -> Any:
        """Of a whole power, of 1, or a root that is given."""
        if x == 1:
            return x
        if n == Fraction(1, 2) and x in self.roots:
            return self.roots[x]
        if n.denominator > 1:
            raise Irrational
        return x**n.numerator

    def exp(self, x: Fraction) -> Fraction:
        """Of 0."""
        if x:
            raise Irrational
        return Fraction(1)

    def log(self, x: Fraction) -> Fraction:
        """Of 1."""
        if x != 1:
            raise Irrational
        return Fraction(0)

    def moment(self, i: int, x: Fraction) -> Fraction:
        """At x = 0."""
        if x:
            raise Irrational
        return Fraction(1, i + 1)


class Digits:
    """Intervals that surely hold the number, about `digits` digits fine, for z as given.

    spread   whether balls are intervals as wide as they are, else their centres
    """

    def __init__(self, digits: int, z: Fraction, spread: bool = False) -> None:
        from mpmath.ctx_iv import MPIntervalContext  # type: ignore[import-untyped]

        self.context: Any = MPIntervalContext()
        self.context.dps = digits
        self.z, self.spread = self.number(z), spread
        self._moments: dict[tuple[int, Any], Any] = {}

    def number(self, value: Fraction | int) -> Any:
        """The interval about it."""
        return self.context.mpf(value.numerator) / value.denominator

    def ball(self, centre: Fraction, radius: Fraction) -> Any:
        """All of it or its centre."""
        return self.number(centre) + (self.number(radius) * self.context.mpf([-1, 1]) if self.spread else 0)

    def power(self, x: Any, n: Fraction) -> Any:
        """x^n for a positive x, or a whole n."""
        return x**n.numerator if n.denominator == 1 else self.exp(self.number(n) * self.log(x))

    def exp(self, x: Any) -> Any:
        """e^x."""
        return self.context.exp(x)

    def log(self, x: Any) -> Any:
        """The logarithm of a positive number."""
        return self.context.log(x)

    def moment(self, i: int, x: Any) -> Any:
        """By parts where x is large, else by the series, since parts divide by x."""
        if (i, x) not in self._moments:
            self._moments[i, x] = _by_parts(self, i, x) if abs(x).a > LARGE else self._series(i, x)
        return self._moments[i, x]

    def _series(self, i: int, x: Any) -> Any:
        """sum_k x^k / (k! (k + i + 1))."""
        total, term, k = self.number(0), self.number(1), 0
        while k < 2 * abs(x).b or abs(term).b > self.context.eps:
            total = total + term / (k + i + 1)
            k += 1
            term = term * x / k
        rest = 2 * abs(term).b  # each further term is at most half the one before
        return total + self.context.mpf([-rest, rest])

    @staticmethod
    def ends(x: Any) -> tuple[Fraction, Fraction] | None:
        """The ends of an interval, None of one without bound: what divides by a number that may be 0."""
        from mpmath.libmp import finf, fnan, fninf, to_rational  # type: ignore[import-untyped]

        if any(end in (finf, fnan, fninf) for end in x._mpi_):
            return None
        low, high = (Fraction(*map(int, to_rational(end))) for end in x._mpi_)
        return low, high


class Formula:
    """Rational functions of z and X = exp(z / d) over the rationals; `exponents` are the c that exp(c z) is asked for.

    A first pass with d = 1 finds these: `asked` holds them.
    """

    def __init__(self, exponents: Iterable[Fraction] = ()) -> None:
        from sympy import QQ

        self.d = lcm(*(c.denominator for c in exponents))
        self.asked: set[Fraction] = set()
        self._field = QQ.frac_field("z", "X")
        self.z, self._X = self._field.gens

    def number(self, value: Fraction | int) -> Any:
        """The constant function."""
        return self._field(value.numerator) / value.denominator

    def ball(self, centre: Fraction, radius: Fraction) -> Any:
        """The centre of one."""
        return self.number(centre)

    def power(self, x: Any, n: Fraction) -> Any:
        """Of a whole power."""
        if n.denominator > 1:
            raise InputError(f"the power {n} of a function of z is no rational function; give z a value.")
        return x**n.numerator

    def exp(self, x: Any) -> Any:
        """e^x for x = c z, c rational."""
        c = self._multiple(x)
        self.asked.add(c)
        return self._X ** int(c * self.d)

    def log(self, x: Any) -> Any:
        """Of no function but 1."""
        if x != 1:
            raise InputError("a logarithm of the noise level is no rational function of exponentials; give z a value.")
        return self.number(0)

    def moment(self, i: int, x: Any) -> Any:
        """By parts."""
        return _by_parts(self, i, x) if x else self.number(Fraction(1, i + 1))

    def expression(self, value: Any) -> Any:
        """A function of the sympy symbol z, factored."""
        import sympy

        z, X = sympy.symbols("z X")
        return sympy.factor(value.as_expr()).subs(X, sympy.exp(z / self.d))

    def grown(self, n: int) -> Any:
        """e^(n z)."""
        return self._X ** (n * self.d)

    def leading(self, value: Any) -> tuple[int, Fraction]:
        """n and c of a function other than 0 that is c z^n and higher powers of z about 0."""
        (n, top), (m, bottom) = self._lowest(value.numer), self._lowest(value.denom)
        return n - m, top / bottom

    def _lowest(self, polynomial: Any) -> tuple[int, Fraction]:
        """The same of a polynomial in z and X: in that of exp(z/d) every exponential counts."""
        terms = [(a, Fraction(m, self.d), _fraction(c)) for (a, m), c in polynomial.terms()]
        for n in count():
            total = sum((c * rate ** (n - a) / factorial(n - a) for a, rate, c in terms if a <= n), Fraction(0))
            if total:
                return n, total
        raise AssertionError

    def far_left(self, value: Any) -> Fraction | None:
        """The limit for z -> -infinity, where X falls faster than any power of z grows; None where there is none."""
        if not value:
            return Fraction(0)
        (m, a, top), (n, b, bottom) = self._slowest(value.numer), self._slowest(value.denom)
        if (m, -a) == (n, -b):
            return top / bottom
        return Fraction(0) if (m, -a) > (n, -b) else None

    @staticmethod
    def _slowest(polynomial: Any) -> tuple[int, int, Fraction]:
        """Power of X, power of z and coefficient of the term that is the largest far on the left."""
        (a, m), c = min(polynomial.terms(), key=lambda term: (term[0][1], -term[0][0]))
        return m, a, _fraction(c)

    def _multiple(self, x: Any) -> Fraction:
        c = x / self.z
        if c.numer.is_ground and c.denom.is_ground:
            return _fraction(c.numer.LC / c.denom.LC)
        raise InputError(f"exp({x}) is no power of exp(z); give z a value.")


def _fraction(c: Any) -> Fraction:
    return Fraction(int(c.numerator), int(c.denominator))
