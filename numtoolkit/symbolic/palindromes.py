"""Splittings that read the same from both ends: their order conditions, solved in real numbers, and their least error.

A word such as "A B A B A B A" stands for the flows exp(a1 h A) exp(b1 h B) exp(a2 h A) ..., the length of each the one
of its mirror image. Even orders come with the odd ones before them, so the conditions are those of
Lyndon words of odd length: the coefficient of a word w in the product is 1/|w|! (Auzinger, Herfort, Hofstaetter & Koch
2016; McLachlan 1995). Values are algebraic numbers: rational in one or two unknowns that an equation binds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, reduce
from itertools import pairwise
from math import factorial, isqrt
from typing import Any

from numtoolkit.errors import InputError, brief, counted, whole
from numtoolkit.faces import Face, Page, Table
from numtoolkit.symbolic.condition import Condition
from numtoolkit.symbolic.intervals import BITS, UNIT, Interval
from numtoolkit.symbolic.lyndon import Word, in_brackets, lyndon_words
from numtoolkit.symbolic.numbers import Field, Ratio
from numtoolkit.symbolic.solve import Contradiction, Solution, solve

LETTERS = ("A", "B")
LONGEST = 13  # flows of a word
HIGHEST = 4  # orders
NARROW = Fraction(1, 2**120)  # how narrow the enclosures of roots are


@dataclass(frozen=True)
class Palindrome:
    """A palindromic word of flows of two parts, their lengths unknown."""

    word: str

    def __repr__(self) -> str:
        return f"<Palindrome {self.word}: {counted(len(self.unknowns), 'unknown')}>"

    @property
    def spec(self) -> str:
        """Its word."""
        return f"palindrome({self.word})"

    @cached_property
    def flows(self) -> tuple[tuple[str, str], ...]:
        """(letter, name of its length) of each flow, the first one first."""
        letters = self.word.split()
        half = letters[: (len(letters) + 1) // 2]
        names = [f"{letter.lower()}{half[: i + 1].count(letter)}" for i, letter in enumerate(half)]
        mirrored = [*names, *names[: len(letters) // 2][::-1]]
        return tuple(zip(letters, mirrored, strict=True))

    @property
    def unknowns(self) -> tuple[str, ...]:
        """The lengths, those in the middle first: the outer ones stay free."""
        return tuple(dict.fromkeys(name for _, name in self.flows))[::-1]

    def conditions(self, order: int) -> tuple[Field, list[Condition]]:
        """The conditions of an order in the field of the lengths, that each is met where its value is 0."""
        numbers = Field(self.unknowns)
        flows = [(letter, numbers.symbols[name]) for letter, name in self.flows]
        words = [word for n in range(1, order + 1, 2) for word in lyndon_words(LETTERS, n)]
        return numbers, [Condition(len(word), "".join(word), _defect(flows, word, numbers.number(1))) for word in words]


def palindrome(word: str) -> Palindrome:
    """The splittings of a word of letters A and B that reads the same from both ends, "A B A", with real lengths.

    raises   InputError for another word
    """
    letters = word.split() if isinstance(word, str) else []
    if set(letters) != set(LETTERS) or letters != letters[::-1] or len(letters) > LONGEST:
        raise InputError(
            f"{brief(repr(word))} is no palindrome of A and B of at most {LONGEST} flows; write one such as 'A B A'."
        )
    if any(one == other for one, other in pairwise(letters)):
        raise InputError(f"{brief(repr(word))} has the same letter twice in a row, which is one flow; write it once.")
    return Palindrome(" ".join(letters))


@dataclass(frozen=True)
class PalindromeBranch(Face):
    """Splittings of an order: lengths in those left free, which the polynomials `open` bind.

    numbers, solution   the field of the values, and the values in it
    """

    family: Palindrome
    order: int
    numbers: Field = field(repr=False)
    solution: Solution = field(repr=False)

    def __repr__(self) -> str:
        return f"<PalindromeBranch of {self.family.word}: {counted(self.dimension, 'free parameter')}>"

    @property
    def free(self) -> tuple[str, ...]:
        """The lengths that the others are given in."""
        return self.solution.free

    @cached_property
    def open(self) -> tuple[Any, ...]:
        """The polynomials in these that must vanish, as sympy's."""
        import sympy

        symbols = [sympy.Symbol(name) for name in self.free]
        found = [sympy.Poly(self.numbers.expression(Ratio(f, f**0)), *symbols) for f in self.solution.open]
        if len(symbols) == 1 and len(found) > 1:
            found = [reduce(sympy.gcd, found)]
        return tuple(own.primitive()[1] for own in found)

    @property
    def dimension(self) -> int:
        """How many parameters are free."""
        return len(self.free) - len(self.open)

    @property
    def empty(self) -> bool:
        """Whether the polynomials have no root in common."""
        return any(own.is_ground for own in self.open)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The other lengths, as sympy expressions; where one length is left, as polynomials of it."""
        import sympy

        found = {name: sympy.factor(self.numbers.expression(own)) for name, own in self.solution.values.items()}
        if len(self.free) != 1 or not self.open:
            return found
        (modulus,) = self.open
        x = modulus.gen
        for name, own in found.items():
            top, bottom = (sympy.Poly(part, x, domain="QQ") for part in sympy.fraction(sympy.together(own)))
            inverse = sympy.invert(bottom, modulus.set_domain("QQ"))
            found[name] = (top * inverse).rem(modulus.set_domain("QQ")).as_expr()
        return found

    def points(self) -> list[dict[str, Interval]]:
        """The real members of a branch without a free parameter: each length enclosed.

        raises   InputError for a branch with free parameters
        """
        if self.dimension:
            raise InputError(f"the splittings {self.family.word} have free parameters; ask for the one of least error.")
        if not self.free:
            return [self.lengths({})]
        return [self.lengths({self.free[0]: root}) for root in _real_roots(self.open[0])]

    def lengths(self, free: Mapping[str, Interval]) -> dict[str, Interval]:
        """Every length, where those left `free` are given."""
        others = {name: _at(own, self.numbers, free) for name, own in self.solution.values.items()}
        known = {**free, **others}
        return {name: known[name] for name in sorted(known)}

    def page(self) -> Page:
        """Its lengths, what binds those left free, and the real members where these are isolated."""
        own = self.record()
        facts = (("free", ", ".join(self.free)), ("0 =", "; ".join(own["open"])))
        tables = [values_table(own["values"])]
        if not self.dimension:
            points = [{name: f"{float(x.centre):.15g}" for name, x in point.items()} for point in self.points()]
            tables.append(Table.of(counted(len(points), "real member"), points, dict))
        return Page(f"{self.family.word}, order {self.order}", facts, tuple(tables))

    def latex(self) -> str:
        """The lengths as lines of an aligned display in LaTeX's mathematics mode, and what binds the free ones."""
        import sympy

        lines = [rf"  {sympy.latex(sympy.Symbol(name))} &= {sympy.latex(own)} \\" for name, own in self.values.items()]
        lines += [rf"  0 &= {sympy.latex(own.as_expr())} \\" for own in self.open]
        return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])

    def record(self) -> dict[str, Any]:
        """Values, free lengths, what binds them and what must not be 0, as text."""
        values = {name: str(own) for name, own in self.values.items()}
        nonzero = [self.numbers.text(Ratio(f, f**0)) for f in self.solution.nonzero]
        return {"values": values, "free": list(self.free), "open": [str(f.as_expr()) for f in self.open],
                "nonzero": nonzero}  # fmt: skip


def values_table(values: Mapping[str, str]) -> Table:
    """The values of what a branch determines."""
    names = ("unknown", "value")
    return Table.of("what is determined", list(values.items()), lambda pair: dict(zip(names, pair, strict=True)), names)


def branches(family: Palindrome, order: int) -> tuple[list[PalindromeBranch], Condition | None]:
    """Every branch of the splittings of an order, and, where there is none, a condition that cannot hold.

    family, order   the word, and an order from 1 to 4
    """
    whole("the order of a splitting to derive", order, 1, HIGHEST)
    numbers, asked = family.conditions(order)
    outcomes = list(solve(numbers, [(each.order, each.value.top) for each in asked], family.unknowns))
    found = [PalindromeBranch(family, order, numbers, own) for own in outcomes if isinstance(own, Solution)]
    found = [branch for branch in found if not branch.empty]
    if found:
        return found, None
    failed = next((own for own in outcomes if isinstance(own, Contradiction)), None)
    witness = asked[-1] if failed is None else asked[failed.equation]
    left = witness.value if failed is None else failed.left(witness.value)
    return [], Condition(witness.order, witness.tree, numbers.entry(left))


# --- the least error


@dataclass(frozen=True)
class LeastError:
    """The splitting of an order 4 whose error has the least norm.

    square    the square of the Euclidean norm of the six coefficients of degree 5 in the Lyndon basis, enclosed
    lengths   those of its flows, enclosed
    proved    that no real splitting of the word has a smaller norm than the lower end of `square`
    """

    square: Interval
    lengths: dict[str, Interval]
    proved: bool

    def __repr__(self) -> str:
        return f"<LeastError {self.norm:.4g}, {'proved' if self.proved else 'a local minimum'}>"

    @property
    def norm(self) -> float:
        """The norm itself, to rounding."""
        return float(self.square.centre) ** 0.5


def least_error(found: Sequence[PalindromeBranch]) -> LeastError:
    """The least error of the splittings in the branches of order 4 of one word, proved for up to one free parameter.

    Isolated splittings are compared. In a family of one parameter the critical points of the norm are roots of a
    polynomial, which are isolated, and the norm is shown to fall from its ends towards the outermost of them. Of more
    parameters it is the lowest local minimum that a search from random starts finds, verified to be one.
    cost     2 s for one parameter, half a minute for two and three
    raises   InputError for another order, and where nothing is proved
    """
    family = found[0].family
    if found[0].order != HIGHEST:
        raise InputError(f"the error that is minimised is that of order 4, not {found[0].order}; derive order 4.")
    if max(branch.dimension for branch in found) > 1:
        return _searched(family)
    enclosed = [pair for branch in found for pair in _minima(branch)]
    square, lengths = min(enclosed, key=lambda pair: pair[0].centre)
    low = min(own.low for own, _ in enclosed)
    return LeastError(Interval(low, square.high), lengths, proved=True)


def _minima(branch: PalindromeBranch) -> list[tuple[Interval, dict[str, Interval]]]:
    if not branch.dimension:
        return [(error_square(branch.family, point), point) for point in branch.points()]
    return _Curve(branch).minima()


def _searched(family: Palindrome) -> LeastError:
    """The lowest local minimum that is found."""
    from numtoolkit.symbolic.local_minimum import Polynomial, local_minimum

    numbers, conditions = family.conditions(HIGHEST)
    flows = [(letter, numbers.symbols[name]) for letter, name in family.flows]
    values = [*error_brackets(flows, numbers.number(1)).values(), *(condition.value for condition in conditions)]
    polynomials = []
    for value in values:
        (bottom,) = value.bottom.to_dict().values()
        terms = ((tuple(map(int, e)), Fraction(int(c), int(bottom))) for e, c in value.top.to_dict().items())
        polynomials.append(Polynomial(tuple(terms)))
    least = local_minimum(polynomials[: -len(conditions)], polynomials[-len(conditions) :], len(numbers.names))
    return LeastError(least.square, dict(zip(numbers.names, least.point, strict=True)), proved=False)


def error_square(family: Palindrome, lengths: Mapping[str, Interval]) -> Interval:
    """The square of the norm of the error of degree 5 of a splitting with given lengths."""
    flows = [(letter, lengths[name]) for letter, name in family.flows]
    total = Interval.of(0)
    for value in error_brackets(flows, Interval.of(1)).values():
        total = total + value * value
    return Interval(max(total.low, 0), total.high)


def error_brackets(flows: Sequence[tuple[str, Any]], one: Any) -> dict[Word, Any]:
    """The error of degree 5 of a splitting of order 4 in the basis of Lyndon brackets, by standard factorisation.

    flows   (letter, length) of each; one  the number 1 of their kind
    """
    return in_brackets(lambda word: _defect(flows, word, one), LETTERS, 5)


class _Curve:
    """A family of one parameter: of its two free lengths p and q, F(p, q) = 0 is quadratic in q.

    It has two parts, s = 1 and -1: q = 2 C / (s sqrt(D) - B) where F = A q^2 + B q + C and D = B^2 - 4 A C.
    """

    def __init__(self, branch: PalindromeBranch) -> None:
        import sympy

        self.branch = branch
        quadratic = [name for name in branch.free for f in branch.open if f.degree(sympy.Symbol(name)) == 2]
        if len(branch.free) != 2 or not quadratic:
            raise InputError(f"the splittings {branch.family.word} are no curve that is quadratic in a length.")
        (binding,) = branch.open
        q = sympy.Symbol(quadratic[0])
        (p,) = (sympy.Symbol(name) for name in branch.free if name != quadratic[0])
        self.p, self.q, self.binding = p, q, binding.as_expr()
        powers = [sympy.Poly(self.binding, q).coeff_monomial(q**i) for i in range(3)]
        self.C, self.B, self.A = (sympy.Poly(own, p) for own in powers)
        self.D = self.B**2 - 4 * self.A * self.C

    def minima(self) -> list[tuple[Interval, dict[str, Interval]]]:
        """The norm at every point where it may be least.

        Between the ends of a part and the outermost critical points it is monotone; that it falls from there is seen
        at one point in between.
        """
        critical = _real_roots(self._critical())
        found = []
        for sign in (1, -1):
            for low, high in self._stretches(sign):
                inside = [root for root in critical if _between(low, root, high)]
                own = [(self.square(root, sign), self.lengths(root, sign)) for root in inside]
                if not own:
                    raise InputError("a part of the family has no least error, or none is found.")
                ends = [_inside(low, inside[0]), _inside(inside[-1], high)]
                for outer, end in zip((own[0], own[-1]), ends, strict=True):
                    if self.square(end, sign).low <= outer[0].high:
                        raise InputError("the error is not seen to rise towards the ends of the family.")
                found += own
        return found

    def lengths(self, p: Interval, sign: int) -> dict[str, Interval]:
        """All lengths at a point."""
        A, B, C = (_polynomial_at(own, p) for own in (self.A, self.B, self.C))
        q = 2 * C / (sign * _root(B * B - 4 * A * C) - B)
        return self.branch.lengths({str(self.p): p, str(self.q): q})

    def square(self, p: Interval, sign: int) -> Interval:
        """The square of the norm at a point."""
        return error_square(self.branch.family, self.lengths(p, sign))

    def _critical(self) -> Any:
        """A polynomial in p whose roots hold every critical point of the norm on the curve (Lagrange, eliminated)."""
        import sympy

        numbers = self.branch.numbers
        known = {name: numbers.expression(own) for name, own in self.branch.solution.values.items()}
        flows = [
            (letter, sympy.Poly(known.get(name, sympy.Symbol(name)), self.p, self.q, domain="QQ"))
            for letter, name in self.branch.family.flows
        ]
        one = sympy.Poly(1, self.p, self.q, domain="QQ")
        norm = sum((own**2 for own in error_brackets(flows, one).values()), start=one * 0)
        F = sympy.Poly(self.binding, self.p, self.q, domain="QQ")
        across = norm.diff(self.q) * F.diff(self.p) - norm.diff(self.p) * F.diff(self.q)
        return sympy.Poly(sympy.resultant(across.as_expr(), F.as_expr(), self.q), self.p)

    def _stretches(self, sign: int) -> Iterator[tuple[Interval | None, Interval | None]]:
        """Where a part has real points, cut at its poles: intervals of p, None for an end at infinity."""
        poles = [root for root in _real_roots(self.A) if (sign * _polynomial_at(self.B, root)).low > 0]
        cuts = sorted([*_real_roots(self.D), *poles], key=lambda own: own.centre)
        cuts = [own for i, own in enumerate(cuts) if not i or cuts[i - 1].high < own.low]
        for low, high in zip([None, *cuts], [*cuts, None], strict=True):
            if _polynomial_at(self.D, _inside(low, high)).low > 0:
                yield low, high


# --- words


def _defect(flows: Sequence[tuple[str, Any]], word: Word, one: Any) -> Any:
    """The coefficient of a word in a product of flows less that in the exact one: a^k/k! for each run of k letters."""
    own = [one, *[one * 0] * len(word)]
    for letter, length in flows:
        grown = list(own)
        for i, share in enumerate(own):
            for k in range(1, len(own) - i):
                if word[i + k - 1] != letter:
                    break
                share = share * length * Fraction(1, k)
                grown[i + k] = grown[i + k] + share
        own = grown
    return own[-1] - one * Fraction(1, factorial(len(word)))


# --- enclosures


def _real_roots(f: Any) -> list[Interval]:
    """The real roots of a polynomial of sympy in one symbol, each once, narrowly enclosed, the lowest first."""
    import sympy

    if f.is_ground:
        return []
    eps = sympy.Rational(NARROW.numerator, NARROW.denominator)
    found = sympy.Poly(sympy.Poly(f, f.gen, domain="QQ").sqf_part()).intervals(eps=eps)
    ends = [(Fraction(int(a.p), int(a.q)), Fraction(int(b.p), int(b.q))) for (a, b), _ in found]
    return [Interval.of((a + b) / 2, (b - a) / 2) for a, b in ends]


def _polynomial_at(f: Any, at: Interval) -> Interval:
    """A polynomial of sympy in one symbol at an interval, by Horner's rule."""
    total = Interval.of(0)
    for c in f.all_coeffs():
        total = total * at + Fraction(int(c.p), int(c.q))
    return total


def _at(value: Any, numbers: Field, at: Mapping[str, Interval]) -> Interval:
    """An element of a field at intervals for its symbols."""

    def polynomial(f: Any) -> Interval:
        total = Interval.of(0)
        for powers, c in f.to_dict().items():
            term = Interval.of(int(c))
            for name, e in zip(numbers.variables, powers, strict=True):
                term = term * at[name] ** int(e) if e else term
            total = total + term
        return total

    return polynomial(value.top) / polynomial(value.bottom)


def _root(square: Interval) -> Interval:
    """The square root of positive numbers."""
    if square.low < 0:
        raise InputError("a square root is not surely real at a point of the family.")
    return Interval(isqrt(square.low << BITS), isqrt(square.high << BITS) + 1)


def _between(low: Interval | None, own: Interval, high: Interval | None) -> bool:
    return (low is None or low.high < own.low) and (high is None or own.high < high.low)


def _inside(low: Interval | None, high: Interval | None) -> Interval:
    """A number between two, None for one at infinity."""
    if low is None or high is None:
        beyond = 0 if low is None else low.high + UNIT
        return _point(beyond if high is None else high.low - UNIT)
    return _point((low.high + high.low) // 2)


def _point(units: int) -> Interval:
    return Interval(units, units)
