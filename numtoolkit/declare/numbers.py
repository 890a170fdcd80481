"""Plain numbers as a declaration takes them: exact, or known to lie in a ball about a centre.

2, Fraction(2, 3), "2/3"        exact
0.5, 2.5                        exact: a float that is a multiple of 2^-20 is taken for the number that was meant
0.1                             a ball of half an ulp: the number that was meant lies in it
"0.161", "1e-3"                 decimal text: a ball of half a unit in its last digit
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from math import gcd, isfinite, isqrt, ulp
from numbers import Rational

from numtoolkit.errors import InputError

FINEST, LARGEST = 2**20, 2**20  # a float is exact if it is a multiple of 1/FINEST, of size LARGEST at most
# Sizes of numbers other than 0: each has a float64 to compute with
TINY, HUGE = Fraction(1, 2**1000), Fraction(2**1000)
LONGEST = 300  # characters of a number
MOST = 10**15  # of p q, for the root of p/q: its square factors are found by division

_EXACT = re.compile(r"[+-]?[0-9]+(/[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def ball_of(value: object) -> tuple[Fraction, Fraction]:
    """(centre, radius) of what a number given in Python is known to be; the radius is 0 for an exact one.

    value    an integer, a Fraction, a float, or text: "2/3", "0.161"
    raises   InputError for anything else, nan and infinity among it
    """
    if isinstance(value, str):
        centre, radius = _text(value)
    elif isinstance(value, Rational) and not isinstance(value, bool):
        centre, radius = Fraction(int(value.numerator), int(value.denominator)), Fraction(0)  # of numpy too
    elif isinstance(value, float):
        centre, radius = _float(value)
    else:
        kind = type(value).__name__
        raise InputError(
            f"{_shown(value)}, a {kind}, is no number of a declaration; give an integer, a Fraction, a float or a text."
        )
    if centre and not TINY < abs(centre) < HUGE:
        raise InputError(f"the number {_shown(value)} has no float64 to compute with; give one of a usual size, or 0.")
    return centre, radius


def _float(value: float) -> tuple[Fraction, Fraction]:
    if not isfinite(value):
        raise InputError(f"{value!r} is no number of a declaration; give a finite one.")
    centre = Fraction(value)
    exact = FINEST % centre.denominator == 0 and abs(centre) <= LARGEST
    return centre, Fraction(0) if exact else Fraction(ulp(value)) / 2


def _text(given: str) -> tuple[Fraction, Fraction]:
    text = given.strip()
    readable = len(text) <= LONGEST
    if readable and _EXACT.fullmatch(text):
        top, _, bottom = text.partition("/")
        if bottom and not int(bottom):
            raise InputError(f"the number {_shown(given)} divides by zero; give another denominator.")
        return Fraction(int(top), int(bottom or 1)), Fraction(0)
    if readable and _DECIMAL.fullmatch(text):
        digits, _, power = text.lower().partition("e")
        unit = Fraction(10) ** (int(power or 0) - len(digits.partition(".")[2]))
        return Fraction(text), unit / 2
    raise InputError(f'cannot read the number {_shown(given)}; write "2", "2/3", or a decimal such as "0.161".')


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def decimal(centre: Fraction, radius: Fraction) -> str:
    """The centre of a ball to the digits that are known: the last one is in doubt by about half a unit."""
    places = 0
    while Fraction(10) ** -places > 2 * radius:
        places += 1
    while Fraction(10) ** (1 - places) <= 2 * radius:
        places -= 1
    digits = round(centre * Fraction(10) ** places)
    return str(Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -places)))


def root_of(square: Fraction) -> tuple[Fraction, int]:
    """(a, n) with sqrt(square) = a sqrt(n), n a whole number without square factors.

    raises   InputError for a negative number, or one with too many digits to find its square factors
    """
    if square < 0:
        raise InputError(f"sqrt({square}) is not real; take the root of a number that is not negative.")
    if not square:
        return Fraction(0), 1
    rest = square.numerator * square.denominator
    if rest > MOST:
        raise InputError(f"sqrt({_shown(square)}) has too many digits; numerator times denominator may be {MOST:.0e}.")
    outside, inside, p = 1, 1, 2
    while p**3 <= rest:
        while rest % p**2 == 0:
            rest, outside = rest // p**2, outside * p
        if rest % p == 0:
            rest, inside = rest // p, inside * p
        p += 1
    whole = isqrt(rest)  # of what has at most two prime factors left
    outside, inside = (outside * whole, inside) if whole**2 == rest else (outside, inside * rest)
    return Fraction(outside, square.denominator), inside


def roots_times(m: int, n: int) -> tuple[int, int]:
    """(a, k) with sqrt(m) sqrt(n) = a sqrt(k), for numbers without square factors."""
    common = gcd(m, n)
    return common, (m // common) * (n // common)
