"""Intervals: what is known of a number that was given to some digits, through every sum and product.

Both ends are whole multiples of 2^-`BITS`, rounded outwards: the number lies between them whatever was computed.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import isqrt
from typing import Any

BITS = 256
UNIT = 1 << BITS


def bits(size: Fraction) -> int | None:
    """The largest k with size <= 2^-k, None for the size 0."""
    return (1 / size).__floor__().bit_length() - 1 if size else None


class Interval:
    """Every number from low to high, both in units of 2^-BITS.

    It mixes with whole numbers and fractions by + - * / **; it is false only where it holds nothing but 0.
    """

    __slots__ = ("high", "low")

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    @staticmethod
    def of(centre: Fraction | int, radius: Fraction | int = 0) -> Interval:
        """The numbers that are no farther than `radius` from a centre."""
        return Interval(_floor(Fraction(centre) - radius), -_floor(Fraction(-centre) - radius))

    @staticmethod
    def root(square: int) -> Interval:
        """The square root of a whole number."""
        low = isqrt(square * UNIT**2)
        return Interval(low, low + (low**2 != square * UNIT**2))

    def __repr__(self) -> str:
        return f"{float(self.centre):.6g} +- {float(self.radius):.2g}"

    @property
    def centre(self) -> Fraction:
        """The number in the middle."""
        return Fraction(self.low + self.high, 2 * UNIT)

    @property
    def radius(self) -> Fraction:
        """How far its ends are from the middle."""
        return Fraction(self.high - self.low, 2 * UNIT)

    @property
    def size(self) -> Fraction:
        """The largest absolute value."""
        return Fraction(max(-self.low, self.high), UNIT)

    @property
    def holds_zero(self) -> bool:
        """Whether the number may be 0."""
        return self.low <= 0 <= self.high

    def _other(self, value: Any) -> Interval | None:
        if isinstance(value, Interval):
            return value
        return Interval.of(value) if isinstance(value, (int, Fraction)) else None

    def __add__(self, value: Any) -> Interval:
        other = self._other(value)
        return NotImplemented if other is None else Interval(self.low + other.low, self.high + other.high)

    __radd__ = __add__

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, value: Any) -> Interval:
        return self + -value

    def __rsub__(self, value: Any) -> Interval:
        return -self + value

    def __mul__(self, value: Any) -> Interval:
        if isinstance(value, Fraction) and value.denominator == 1:
            value = value.numerator
        if isinstance(value, int):
            low, high = self.low * value, self.high * value
            return Interval(low, high) if value >= 0 else Interval(high, low)
        other = self._other(value)
        if other is None:
            return NotImplemented
        ends = (self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high)
        return Interval(min(ends) >> BITS, -(-max(ends) >> BITS))

    __rmul__ = __mul__

    def __truediv__(self, value: Any) -> Interval:
        if not isinstance(value, Interval):
            return self * (Fraction(1) / value)
        if value.holds_zero:
            raise ZeroDivisionError("division by a number that may be 0")
        ends = (Fraction(UNIT, value.low), Fraction(UNIT, value.high))
        return self * Interval(_floor(min(ends)), -_floor(-max(ends)))

    def __rtruediv__(self, value: Any) -> Interval:
        return Interval.of(value) / self

    def __pow__(self, power: int) -> Interval:
        return reduce(lambda product, own: product * own, [self] * power, Interval.of(1))

    def __bool__(self) -> bool:
        return bool(self.low or self.high)

    def __eq__(self, value: object) -> bool:
        if isinstance(value, Interval):
            return (self.low, self.high) == (value.low, value.high)
        return self.low == self.high and self.centre == value

    def __hash__(self) -> int:
        return hash(self.centre if self.low == self.high else (self.low, self.high))


def _floor(value: Fraction) -> int:
    """The largest multiple of the unit that is no larger."""
    return value.numerator * UNIT // value.denominator
