"""Exact numbers: Q, the rational functions over Q in the symbols of a scheme, and what square roots add to them.

Without symbols the numbers are Python fractions. With symbols they are quotients of polynomials, python-flint's where
it is installed, else our own. Where a scheme holds square roots, those are `Surd`s over either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache, reduce
from math import gcd, lcm
from typing import Any

from numtoolkit.declare.entries import (
    Ball,
    Const,
    Entry,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    product_of,
    sqrt,
    sum_of,
)
from numtoolkit.declare.numbers import decimal, roots_times
from numtoolkit.errors import InputError, brief
from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.polynomials import Ring

Coefficients = dict[tuple[int, ...], Interval]  # by the exponents of the symbols


@cache
def accelerator() -> Any:
    """python-flint, loaded when the first symbol asks for it, or None where it is not installed."""
    try:
        import flint
    except ImportError:
        return None
    return flint


class UndecidedError(InputError):
    """A question that the digits of a scheme's numbers leave open."""


class Field:
    """The field of a set of symbols. Elements support + - * / ** == bool hash with each other and with integers.

    Of a number that is known to some digits only there is an interval, or, among symbols, one more symbol: what holds
    for every value is exact then, and `surely` and `size` put its interval in its place. bool of an element says
    whether it is another one than 0, `surely` whether that is so of every number that the digits allow.

    accelerate  take python-flint where it is installed
    values      symbols that stand for a number
    balls       the numbers that are known to some digits
    """

    def __init__(
        self,
        symbols: Iterable[str] = (),
        accelerate: bool = True,
        values: Mapping[str, Fraction] | None = None,
        balls: Iterable[Ball] = (),
    ) -> None:
        self.names = tuple(sorted(set(symbols) - set(values or ())))
        self.balls = {str(ball): ball for ball in balls} if self.names else {}
        self.symbols: dict[str, Any] = {}
        self._number: Any = lambda q: q
        self._texts: dict[Any, str] = {}
        if self.names:
            flint: Any = accelerator() if accelerate else None
            fast = flint is not None
            names = self._variables = (*self.names, *sorted(self.balls))
            ring: Any = flint.fmpz_mpoly_ctx.get(names, flint.Ordering.lex) if fast else Ring.get(names)
            self._of: Callable[[dict[tuple[int, ...], int]], Any] = ring.from_dict if fast else ring.of
            one = ring.constant(1)
            self.symbols = {name: Ratio(x, one) for name, x in zip(names, ring.gens(), strict=True)}
            self._intervals = [
                Interval.of(self.balls[x].centre, self.balls[x].radius) for x in names[len(self.names) :]
            ]
            self._number = lambda q: Ratio(ring.constant(q.numerator), ring.constant(q.denominator))
        self.symbols |= {name: self.number(value) for name, value in (values or {}).items()}

    def __repr__(self) -> str:
        return f"<Field Q({brief(', '.join(self.names), 200)})>" if self.names else "<Field Q>"

    def number(self, value: Fraction | int) -> Any:
        """A rational as an element of the field."""
        return self._number(value if isinstance(value, Fraction) else Fraction(value))

    def scalar(self, entry: Entry) -> Any:
        """A scalar entry as an element of the field.

        raises   InputError for an entry that is a block, divides by what is or may be zero, or has a symbol that is
                 not of the field
        """
        if isinstance(entry, Const):
            return self.number(entry.value)
        if isinstance(entry, Root):
            return Surd({entry.square: self.number(1)})
        if isinstance(entry, Ball):
            return self.symbols[str(entry)] if self.names else Interval.of(entry.centre, entry.radius)
        if isinstance(entry, Symbol):
            if entry.name not in self.symbols:
                raise InputError(f"symbol {entry.name!r} stands in no entry of the step; leave it out elsewhere too.")
            return self.symbols[entry.name]
        if isinstance(entry, Sum):
            return sum((self.scalar(arg) for arg in entry.args), start=self.number(0))
        if isinstance(entry, Product):
            result = self.number(1)
            for arg in entry.args:
                result = result * self.scalar(arg)
            return result
        if isinstance(entry, Quotient):
            return self.scalar(entry.top) / self.divisor(entry)
        raise InputError(f"entry {entry} is a block where a scalar is needed.")

    def polynomial(self, terms: Mapping[tuple[int, ...], int]) -> Any:
        """The polynomial with these whole coefficients by the exponents of `variables`, as numerators here are."""
        return self._of(dict(terms))

    @property
    def variables(self) -> tuple[str, ...]:
        """What the polynomials of numerators and denominators are in: the symbols, and the numbers known to digits."""
        return self._variables if self.names else ()

    # one symbol apart

    def powers(self, value: Any, name: str, count: int) -> list[Any]:
        """The first `count` coefficients of the Taylor series of a value in the symbol `name`, which they lack.

        value    an element of the field
        raises   InputError for an element that is infinite where the symbol is 0
        """
        zero = self.number(0)
        if name not in self.names or isinstance(value, Fraction):
            return [value] + [zero] * (count - 1)
        if isinstance(value, Surd):
            parts = {n: self.powers(c, name, count) for n, c in value.parts.items()}
            return [Surd.of({n: own[k] for n, own in parts.items()}) for k in range(count)]
        top, bottom = (self.by_power(polynomial, name) for polynomial in (value.top, value.bottom))
        if 0 not in bottom:
            raise InputError(f"{self.text(value)} does not stay bounded as {name} falls to 0.")
        series: list[Any] = []
        for k in range(count):
            known = sum((bottom[i] * series[k - i] for i in range(1, k + 1) if i in bottom), start=zero)
            series.append((top.get(k, zero) - known) / bottom[0])
        return series

    def by_power(self, polynomial: Any, name: str) -> dict[int, Any]:
        """A `polynomial` of numerators and denominators as the coefficients of the powers of one symbol, its `name`."""
        own = self._variables.index(name)
        found: dict[int, Any] = {}
        for exponents, c in polynomial.to_dict().items():
            term = self.number(int(c))
            for i, (variable, e) in enumerate(zip(self._variables, exponents, strict=True)):
                term = term * self.symbols[variable] ** int(e) if e and i != own else term
            power = int(exponents[own])
            found[power] = found[power] + term if power in found else term
        return found

    def at(self, value: Any, numbers: Mapping[str, Fraction]) -> Any:
        """An element without symbols: the value for `numbers`, one for each symbol of the field.

        raises   UndecidedError for one with numbers that are known to some digits only
        """
        if isinstance(value, Fraction):
            return value
        if isinstance(value, Surd):
            return Surd.of({n: self.at(c, numbers) for n, c in value.parts.items()})
        if not self._exact(value):
            raise UndecidedError("numbers known to some digits only have no value at a point; give exact ones.")
        point = [numbers[name] for name in self.names]

        def evaluated(polynomial: Any) -> Fraction:
            total = Fraction(0)
            for exponents, c in polynomial.to_dict().items():
                term = Fraction(int(c))
                for x, e in zip(point, exponents, strict=True):
                    term = term * x ** int(e) if e else term
                total += term
            return total

        return evaluated(value.top) / evaluated(value.bottom)

    def entry(self, value: Any) -> Entry:
        """An element as an entry, over one denominator."""
        if isinstance(value, Fraction):
            return Const(value)
        if isinstance(value, Surd):
            return sum_of(tuple(self.entry(c) * sqrt(n) for n, c in value.parts.items()))

        def monomial(c: int, exponents: Any) -> Entry:
            powers = (self._named(x) ** int(e) for x, e in zip(self._variables, exponents, strict=True) if e)
            return product_of((Const(Fraction(c)), *powers))

        def polynomial(p: Any) -> Entry:
            return sum_of(tuple(monomial(int(c), exponents) for exponents, c in p.to_dict().items()))

        return polynomial(value.top) / polynomial(value.bottom)

    def _named(self, variable: str) -> Entry:
        return self.balls[variable] if variable in self.balls else Symbol(variable)

    def divisor(self, entry: Quotient) -> Any:
        """The element that a quotient divides by.

        raises   InputError where that is zero, UndecidedError where it may be
        """
        bottom = self.scalar(entry.bottom)
        if not bottom:
            raise InputError(f"the entry {entry} divides by zero; take other values of its scalars.")
        if not self.surely(bottom):
            raise UndecidedError(f"the entry {entry} may divide by zero within its digits; give more of them.")
        return bottom

    # what the digits leave open

    def surely(self, value: Any) -> bool:
        """Whether an element is not 0, whatever its numbers are within their digits.

        raises   UndecidedError for a quotient whose denominator may be 0
        """
        if not value or self._exact(value):
            return bool(value)
        return any(not top.holds_zero for top in self._enclosed(value))

    def size(self, value: Any) -> Fraction:
        """The largest absolute value that the coefficients of an element may have, as far as its digits say."""
        if isinstance(value, Fraction):
            return abs(value)
        return max((top.size for top in self._enclosed(value)), default=Fraction(0)) if value else Fraction(0)

    def interval(self, value: Any) -> Interval:
        """An element without symbols as an interval."""
        return sum(self._enclosed(value), start=Interval.of(0)) if value else Interval.of(0)

    def _exact(self, value: Any) -> bool:
        if isinstance(value, Surd):
            return all(map(self._exact, value.parts.values()))
        return not self.balls if isinstance(value, Ratio) else not isinstance(value, Interval)

    def _enclosed(self, value: Any) -> list[Interval]:
        """The coefficients of an element's numerator, its denominator brought to a largest coefficient of 1."""
        if isinstance(value, Interval):
            return [value]
        parts = value.parts if isinstance(value, Surd) else {1: value}
        fractions = [(Interval.root(n), *self._polynomials(part)) for n, part in parts.items()]
        bottom: Coefficients = {(0,) * len(self.names): Interval.of(1)}
        for _, _, below in fractions:
            bottom = _times(bottom, below)
        top: Coefficients = {}
        for i, (root, above, _) in enumerate(fractions):
            product = {powers: root * c for powers, c in above.items()}
            for j, (_, _, below) in enumerate(fractions):
                product = _times(product, below) if i != j else product
            for powers, c in product.items():
                top[powers] = top[powers] + c if powers in top else c
        largest = max((c for c in bottom.values() if not c.holds_zero), key=lambda c: c.size, default=None)
        if largest is None:
            raise UndecidedError("a denominator may be 0 within the digits that are given; give more of them.")
        return [c / largest for c in top.values()]

    def _polynomials(self, value: Any) -> tuple[Coefficients, Coefficients]:
        """Numerator and denominator in the symbols, their coefficients intervals."""
        if isinstance(value, Ratio):
            return self._in_symbols(value.top), self._in_symbols(value.bottom)
        one = (0,) * len(self.names)
        return {one: value if isinstance(value, Interval) else Interval.of(value)}, {one: Interval.of(1)}

    def _in_symbols(self, polynomial: Any) -> Coefficients:
        total: Coefficients = {}
        count = len(self.names)
        for powers, c in polynomial.to_dict().items():
            term = Interval.of(int(c))
            for interval, power in zip(self._intervals, powers[count:], strict=True):
                term = term * interval**power if power else term
            key = tuple(powers[:count])
            total[key] = total[key] + term if key in total else term
        return total

    # how elements are shown

    def expression(self, value: Any, decimals: bool = False) -> Any:
        """An element as a sympy expression over one denominator, numbers known to some digits at their centres.

        decimals   as symbols named by their digits instead
        """
        import sympy

        if isinstance(value, Surd):
            return sum(self.expression(c, decimals) * sympy.sqrt(n) for n, c in value.parts.items())
        if isinstance(value, Interval):
            return self.expression(value.centre)
        if isinstance(value, Fraction):
            return sympy.Rational(value.numerator, value.denominator)
        expression = value.expression(self._variables)
        shown = {
            name: sympy.Symbol(decimal(ball.centre, ball.radius)) if decimals else self.expression(ball.centre)
            for name, ball in self.balls.items()
        }
        return expression.subs({sympy.Symbol(name): own for name, own in shown.items()}) if shown else expression

    def text(self, value: Any) -> str:
        """An element as text, factored: "-(3*r0 + 2)/12"; an interval as "0.25 +- 1e-17"."""
        if isinstance(value, Fraction):
            return str(value)
        if not self.names and not self._exact(value):
            return repr(self.interval(value))
        if value not in self._texts:
            import sympy

            self._texts[value] = str(sympy.factor(self.expression(value, decimals=True)))
        return self._texts[value]


def _times(left: Coefficients, right: Coefficients) -> Coefficients:
    total: Coefficients = {}
    for u, a in left.items():
        for v, b in right.items():
            key = tuple(map(sum, zip(u, v, strict=True)))
            total[key] = total[key] + a * b if key in total else a * b
    return total


def over_one_denominator(*groups: Sequence[Any]) -> list[tuple[int, list[Any]]]:
    """(d, numbers) of each group, d times what they are: rationals as whole numbers, quotients of polynomials by whole
    numbers as polynomials. Where any group holds another kind, all are as they are, with d = 1.
    """
    values = [value for group in groups for value in group]
    if all(isinstance(value, Fraction) for value in values):
        parts = [[(value.numerator, value.denominator) for value in group] for group in groups]
    elif all(isinstance(value, Ratio) and value.bottom.is_constant() for value in values):
        parts = [[(value.top, int(value.bottom.leading_coefficient())) for value in group] for group in groups]
    else:
        return [(1, list(group)) for group in groups]
    common = [lcm(*(bottom for _, bottom in group)) for group in parts]
    return [(d, [top * (d // bottom) for top, bottom in group]) for d, group in zip(common, parts, strict=True)]


def divided(value: Any, divisor: int) -> Any:
    """A number over a whole one, where a whole `value` stands for the rational, a polynomial for its quotient by 1."""
    if isinstance(value, int):
        return Fraction(value, divisor)
    if isinstance(value, (Fraction, Ratio, Surd, Interval)):
        return value * Fraction(1, divisor)
    return Ratio.of(value, value**0 * divisor)


class Ratio:
    """A quotient of two coprime integer polynomials, the leading coefficient below positive: one form for a number."""

    __slots__ = ("_hash", "bottom", "top")

    def __init__(self, top: Any, bottom: Any) -> None:
        self.top, self.bottom = top, bottom
        self._hash: int | None = None

    @staticmethod
    def of(top: Any, bottom: Any) -> Ratio:
        """The quotient of any two polynomials."""
        common = top.gcd(bottom)
        if bottom.leading_coefficient() < 0:
            common = -common
        return Ratio(*_over(common, top, bottom))

    def __repr__(self) -> str:
        return brief(f"{self.top}" if self.bottom == 1 else f"({self.top})/({self.bottom})", 300)

    def _other(self, value: Any) -> Ratio:
        if isinstance(value, Ratio):
            return value
        exact = Fraction(value)
        one = self.bottom**0
        return Ratio(one * exact.numerator, one * exact.denominator)

    def __add__(self, value: Any) -> Ratio:
        """The sum: only what the denominators share can cancel (Knuth, Art of Computer Programming, 4.5.1)."""
        if isinstance(value, Surd):
            return NotImplemented
        other = self._other(value)
        if self.bottom == other.bottom:
            return Ratio.of(self.top + other.top, self.bottom)
        shared = self.bottom.gcd(other.bottom)
        own, foreign = _over(shared, self.bottom, other.bottom)
        top = self.top * foreign + other.top * own
        left, rest = _over(top.gcd(shared), top, shared)
        return Ratio(left, own * foreign * rest)

    __radd__ = __add__

    def __neg__(self) -> Ratio:
        return Ratio(-self.top, self.bottom)

    def __sub__(self, value: Any) -> Ratio:
        return self + -value

    def __rsub__(self, value: Any) -> Ratio:
        return -self + value

    def __mul__(self, value: Any) -> Ratio:
        """The product: numerators cancel across with the other's denominators only."""
        if isinstance(value, Surd):
            return NotImplemented
        other = self._other(value)
        top, bottom = _over(self.top.gcd(other.bottom), self.top, other.bottom)
        foreign, own = _over(other.top.gcd(self.bottom), other.top, self.bottom)
        return Ratio(top * foreign, bottom * own)

    __rmul__ = __mul__

    def __truediv__(self, value: Any) -> Ratio:
        if isinstance(value, Surd):
            return NotImplemented
        other = self._other(value)
        if not other:
            raise ZeroDivisionError("division by the zero function")
        return Ratio.of(self.top * other.bottom, self.bottom * other.top)

    def __rtruediv__(self, value: Any) -> Ratio:
        return self._other(value) / self

    def __pow__(self, power: int) -> Ratio:
        return Ratio(self.top**power, self.bottom**power)

    def __bool__(self) -> bool:
        return bool(self.top)

    def __eq__(self, value: object) -> bool:
        if not isinstance(value, (Ratio, int, Fraction)):
            return NotImplemented
        other = self._other(value)
        return bool(self.top == other.top and self.bottom == other.bottom)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((frozenset(self.top.to_dict().items()), frozenset(self.bottom.to_dict().items())))
        return self._hash

    def expression(self, names: tuple[str, ...]) -> Any:
        """The quotient as a sympy expression."""
        import sympy

        ring = sympy.QQ.poly_ring(*map(sympy.Symbol, names)).ring

        def polynomial(p: Any) -> Any:
            return ring.from_dict({exponents: sympy.QQ(int(c)) for exponents, c in p.to_dict().items()}).as_expr()

        return polynomial(self.top) / polynomial(self.bottom)


def _over(common: Any, *polynomials: Any) -> tuple[Any, ...]:
    """Polynomials over a common divisor."""
    return polynomials if common == 1 else tuple(p // common for p in polynomials)


class Surd:
    """sum of coefficient * sqrt(n) over whole n without square factors, coefficients in a field without roots.

    The roots of different n are linearly independent over such a field, so a number is 0 only if its coefficients are.
    The operations return a plain element of that field where no root is left.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: Mapping[int, Any]) -> None:
        self.parts = dict(parts)

    @staticmethod
    def of(parts: Mapping[int, Any]) -> Any:
        """The number with these coefficients, at least one of them given."""
        kept = {n: c for n, c in parts.items() if c}
        if kept.keys() <= {1}:
            return next(iter(kept.values() or parts.values()))
        return Surd(kept)

    def _parts(self, value: Any) -> dict[int, Any]:
        """The parts of a number, a plain one lifted into the field of the coefficients."""
        if isinstance(value, Surd):
            return value.parts
        own = next(iter(self.parts.values()))
        return {1: own / own * value}

    def __add__(self, value: Any) -> Any:
        total = dict(self.parts)
        for n, c in self._parts(value).items():
            total[n] = total[n] + c if n in total else c
        return Surd.of(total)

    __radd__ = __add__

    def __neg__(self) -> Surd:
        return Surd({n: -c for n, c in self.parts.items()})

    def __sub__(self, value: Any) -> Any:
        return self + -value

    def __rsub__(self, value: Any) -> Any:
        return -self + value

    def __mul__(self, value: Any) -> Any:
        total: dict[int, Any] = {}
        for m, a in self.parts.items():
            for n, b in self._parts(value).items():
                outside, k = roots_times(m, n)
                total[k] = total[k] + a * b * outside if k in total else a * b * outside
        return Surd.of(total)

    __rmul__ = __mul__

    def inverse(self) -> Any:
        """1 over the number: its norm over a field with one root less is inverted first.

        That root is of a number b that divides each n or has no factor in common with it.
        """
        b = reduce(lambda b, n: gcd(b, n) if gcd(b, n) > 1 else b, (n for n in self.parts if n > 1))
        conjugate = Surd({n: -c if n % b == 0 else c for n, c in self.parts.items()})
        norm = self * conjugate
        return conjugate * (norm.inverse() if isinstance(norm, Surd) else 1 / norm)

    def __truediv__(self, value: Any) -> Any:
        return self * (value.inverse() if isinstance(value, Surd) else Fraction(1) / value)

    def __rtruediv__(self, value: Any) -> Any:
        return self.inverse() * value

    def __pow__(self, power: int) -> Any:
        return reduce(lambda product, own: product * own, [self] * power, Fraction(1))

    def __bool__(self) -> bool:
        return True

    def __eq__(self, value: object) -> bool:
        return isinstance(value, Surd) and self.parts == value.parts

    def __hash__(self) -> int:
        return hash(frozenset(self.parts.items()))
