"""Integer polynomials in several variables, in plain Python: what the rational functions of proofs are made of.

They answer to the same calls as python-flint's, which take their place where it is installed. A monomial is one integer
that holds an exponent of `BITS` bits for each variable, the first variable highest: monomials multiply by adding their
integers, and compare as in the lexicographic order.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import gcd

from numtoolkit.errors import brief, counted

BITS = 16
MASK = 2**BITS - 1
TRIALS = 6  # of the heuristic gcd, before sympy is asked


class Ring:
    """The integer polynomials in the variables `names`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.shifts = tuple(BITS * i for i in reversed(range(len(names))))

    def __repr__(self) -> str:
        return f"<Ring of {counted(len(self.names), 'variable')}>"

    @staticmethod
    @cache
    def get(names: tuple[str, ...]) -> Ring:
        """The ring of these variables, one object for all."""
        return Ring(names)

    def constant(self, value: int) -> Polynomial:
        """A whole number as a polynomial."""
        return Polynomial(self, {0: value} if value else {})

    def of(self, terms: Mapping[tuple[int, ...], int]) -> Polynomial:
        """The polynomial with these coefficients by exponents."""
        packed = {sum(e << s for e, s in zip(powers, self.shifts, strict=True)): int(c) for powers, c in terms.items()}
        return Polynomial(self, packed)

    def gens(self) -> tuple[Polynomial, ...]:
        """The variables themselves."""
        return tuple(Polynomial(self, {1 << shift: 1}) for shift in self.shifts)


class Polynomial:
    """A polynomial of a ring, as whole coefficients by monomial, none of them 0."""

    __slots__ = ("packed", "ring")

    def __init__(self, ring: Ring, packed: Mapping[int, int]) -> None:
        self.ring, self.packed = ring, packed

    def __repr__(self) -> str:
        texts = []
        for powers, c in sorted(self.to_dict().items(), reverse=True):
            factors = [f"{x}^{e}" if e > 1 else x for x, e in zip(self.ring.names, powers, strict=True) if e]
            texts.append("*".join([*([str(c)] if abs(c) != 1 or not factors else []), *factors]))
            texts[-1] = f"-{texts[-1]}" if c == -1 and factors else texts[-1]
        return brief(" + ".join(texts).replace("+ -", "- ") or "0", 300)

    def to_dict(self) -> dict[tuple[int, ...], int]:
        """Coefficients by exponents, one of them for each variable."""
        return {tuple(m >> shift & MASK for shift in self.ring.shifts): c for m, c in self.packed.items()}

    def leading_coefficient(self) -> int:
        """The coefficient of the highest monomial, 0 of none."""
        return self.packed[max(self.packed)] if self.packed else 0

    def is_constant(self) -> bool:
        """Whether it is a number."""
        return not self.packed or (len(self.packed) == 1 and 0 in self.packed)

    def __bool__(self) -> bool:
        return bool(self.packed)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Polynomial):
            return self.packed == other.packed
        return self.packed == ({0: other} if other else {})

    def __hash__(self) -> int:
        return hash(frozenset(self.packed.items()))

    def __neg__(self) -> Polynomial:
        return Polynomial(self.ring, {m: -c for m, c in self.packed.items()})

    def __add__(self, other: Polynomial | int) -> Polynomial:
        total = dict(self.packed)
        more = other.packed if isinstance(other, Polynomial) else {0: other} if other else {}
        for m, c in more.items():
            summed = total.get(m, 0) + c
            if summed:
                total[m] = summed
            else:
                del total[m]
        return Polynomial(self.ring, total)

    __radd__ = __add__

    def __sub__(self, other: Polynomial | int) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial | int) -> Polynomial:
        if isinstance(other, int):
            return Polynomial(self.ring, {m: c * other for m, c in self.packed.items()} if other else {})
        few, many = (self.packed, other.packed) if len(self.packed) < len(other.packed) else (other.packed, self.packed)
        if len(few) == 1:
            ((m, c),) = few.items()
            return Polynomial(self.ring, {m + n: c * d for n, d in many.items()})
        total: dict[int, int] = {}
        for m, c in few.items():
            for n, d in many.items():
                total[m + n] = total.get(m + n, 0) + c * d
        return Polynomial(self.ring, {m: c for m, c in total.items() if c})

    __rmul__ = __mul__

    def __pow__(self, power: int) -> Polynomial:
        result = self.ring.constant(1)
        for _ in range(power):
            result = result * self
        return result

    def __floordiv__(self, other: Polynomial) -> Polynomial:
        """The quotient by a polynomial that divides it."""
        quotient = self.divided(other)
        assert quotient is not None
        return quotient

    def divided(self, other: Polynomial) -> Polynomial | None:
        """The quotient, or None if `other` does not divide it."""
        rest, quotient = dict(self.packed), {}
        highest, shifts = max(other.packed), self.ring.shifts
        leading = other.packed[highest]
        while rest:
            m = max(rest)
            factor, remainder = divmod(rest[m], leading)
            shift = m - highest
            if remainder or any((m >> s & MASK) < (highest >> s & MASK) for s in shifts):
                return None
            quotient[shift] = factor
            for n, d in other.packed.items():
                left = rest.get(shift + n, 0) - factor * d
                if left:
                    rest[shift + n] = left
                else:
                    del rest[shift + n]
        return Polynomial(self.ring, quotient)

    def gcd(self, other: Polynomial) -> Polynomial:
        """The greatest common divisor, its leading coefficient positive."""
        if not self.packed or not other.packed:
            left = self if self.packed else other
            return left if left.leading_coefficient() >= 0 else -left
        number = gcd(*self.packed.values(), *other.packed.values())
        if self.is_constant() or other.is_constant():
            return Polynomial(self.ring, {0: number})
        low = sum(min(m >> s & MASK for p in (self, other) for m in p.packed) << s for s in self.ring.shifts)
        common = Polynomial(self.ring, {low: number})
        if len(self.packed) == 1 or len(other.packed) == 1:
            return common
        return common * _primitive_gcd(self._primitive(), other._primitive())

    def _primitive(self) -> Polynomial:
        """The polynomial without its whole and its monomial factor, the leading coefficient positive."""
        number = gcd(*self.packed.values())
        number = number if self.leading_coefficient() > 0 else -number
        low = sum(min(m >> s & MASK for m in self.packed) << s for s in self.ring.shifts)
        return Polynomial(self.ring, {m - low: c // number for m, c in self.packed.items()})

    def _has(self, shift: int) -> bool:
        return any(m >> shift & MASK for m in self.packed)


def _primitive_gcd(p: Polynomial, q: Polynomial) -> Polynomial:
    """The gcd of two polynomials without whole and monomial factors."""
    if p == q:
        return p
    if not any(p._has(s) and q._has(s) for s in p.ring.shifts):
        return p.ring.constant(1)
    return _known_gcd(p, q)


@cache
def _known_gcd(p: Polynomial, q: Polynomial) -> Polynomial:
    used = tuple(s for s in p.ring.shifts if p._has(s) or q._has(s))
    found = _heuristic(p, q, used)
    return _by_sympy(p, q) if found is None else found._primitive()


def _heuristic(p: Polynomial, q: Polynomial, shifts: tuple[int, ...]) -> Polynomial | None:
    """The gcd of polynomials in the variables at `shifts`, whole factors included; None where it is not found.

    Both are taken at a large whole number in place of one variable, their gcd is found, and its coefficients are
    written in the base of that number again: what then divides both is the gcd (Char, Geddes & Gonnet 1989).
    """
    if not p or not q:
        return None
    number = gcd(*p.packed.values(), *q.packed.values())
    if not shifts:
        return p.ring.constant(number)
    point = 2 * min(max(map(abs, p.packed.values())), max(map(abs, q.packed.values()))) + 29
    for _ in range(TRIALS):
        below = _heuristic(_at(p, shifts[-1], point), _at(q, shifts[-1], point), shifts[:-1])
        if below is not None:
            candidate = _digits(below, shifts[-1], point)
            whole = gcd(*candidate.packed.values())
            candidate = Polynomial(p.ring, {m: c // whole for m, c in candidate.packed.items()})
            if p.divided(candidate) is not None and q.divided(candidate) is not None:
                return Polynomial(p.ring, {m: c * number for m, c in candidate.packed.items()})
        point = 2 * point + 1
    return None


def _at(p: Polynomial, shift: int, point: int) -> Polynomial:
    """A polynomial with a whole number in place of one variable."""
    total: dict[int, int] = {}
    for m, c in p.packed.items():
        power = m >> shift & MASK
        rest = m - (power << shift)
        total[rest] = total.get(rest, 0) + c * point**power
    return Polynomial(p.ring, {m: c for m, c in total.items() if c})


def _digits(p: Polynomial, shift: int, point: int) -> Polynomial:
    """The polynomial of which `p` is the value at `point`, its coefficients smaller than half of that."""
    terms: dict[int, int] = {}
    for m, c in p.packed.items():
        power = 0
        while c:
            digit = (c + point // 2) % point - point // 2
            if digit:
                terms[m + (power << shift)] = digit
            c, power = (c - digit) // point, power + 1
    return Polynomial(p.ring, terms)


def _by_sympy(p: Polynomial, q: Polynomial) -> Polynomial:
    from sympy import ZZ

    ring = ZZ.poly_ring(*p.ring.names).ring
    found = ring.from_dict(p.to_dict()).gcd(ring.from_dict(q.to_dict()))
    return p.ring.of(found.to_dict())._primitive()
