"""The splitting of order 4 whose error has the least norm: proved for up to one free parameter, else a local minimum.

Of a family of one parameter the critical points of the norm are roots of a polynomial, which are isolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.faces import Face, Page, Table
from numtoolkit.symbolic.enclosures import polynomial_at, real_roots
from numtoolkit.symbolic.intervals import BITS, UNIT, Interval
from numtoolkit.symbolic.lyndon import Word, in_brackets
from numtoolkit.symbolic.palindrome_schemes import scheme_of
from numtoolkit.symbolic.palindromes import HIGHEST, LETTERS, Palindrome, PalindromeBranch, defect


@dataclass(frozen=True)
class LeastError(Face):
    """The splitting of an order 4 whose error has the least norm.

    family    the word
    square    the square of the Euclidean norm of the six coefficients of degree 5 in the Lyndon basis, enclosed
    lengths   those of its flows, enclosed
    proved    that no real splitting of the word has a smaller norm than the lower end of `square`
    """

    family: Palindrome
    square: Interval
    lengths: dict[str, Interval]
    proved: bool

    def __repr__(self) -> str:
        return f"<LeastError {self.norm:.4g}, {'proved' if self.proved else 'a local minimum'}>"

    @property
    def norm(self) -> float:
        """The norm itself, to rounding."""
        return float(self.square.centre) ** 0.5

    def scheme(self, name: str = "", kick: int | None = None, frozen: str = "score", clock: str = "time") -> Scheme:
        """It as a scheme; name, kick, frozen and clock as of `PalindromeBranch.scheme`."""
        own = self.family
        return scheme_of(own.word, own.flows, self.lengths, HIGHEST, name, kick, frozen, clock)

    def page(self) -> Page:
        """The norm and the lengths, to 15 digits."""
        how = "proved to be the least" if self.proved else "a local minimum that is verified, the lowest of a search"
        title = f"the norm of the error of degree 5 is {self.norm:.6g}, {how}"
        records = [{"length": name, "value": _digits(own)} for name, own in self.lengths.items()]
        return Page(title, (), (Table.of("lengths of the flows", records, dict, ("length", "value")),))

    def latex(self) -> str:
        """The lengths, to 15 digits, as lines of an aligned display in LaTeX's mathematics mode."""
        lines = [rf"  {name[0]}_{{{name[1:]}}} &= {_digits(own)} \\" for name, own in self.lengths.items()]
        return "\n".join([r"\begin{aligned}", *lines, r"\end{aligned}"])


def _digits(own: Interval) -> str:
    return f"{float(own.centre):.15g}"


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
    return LeastError(family, Interval(low, square.high), lengths, proved=True)


def _minima(branch: PalindromeBranch) -> list[tuple[Interval, dict[str, Interval]]]:
    if not branch.dimension:
        return [(error_square(branch.family, point), point) for point in branch.points()]
    return _Curve(branch).minima()


def _searched(family: Palindrome) -> LeastError:
    """The lowest local minimum that is found."""
    from numtoolkit.symbolic.local_minimum import local_minimum, polynomial_of

    numbers, conditions = family.conditions(HIGHEST)
    flows = [(letter, numbers.symbols[name]) for letter, name in family.flows]
    squares = [polynomial_of(own) for own in error_brackets(flows, numbers.number(1)).values()]
    least = local_minimum(squares, [polynomial_of(own.value) for own in conditions], len(numbers.names))
    return LeastError(family, least.square, dict(zip(numbers.names, least.point, strict=True)), proved=False)


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
    return in_brackets(lambda word: defect(flows, word, one), LETTERS, 5)


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
        critical = real_roots(self._critical())
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
        A, B, C = (polynomial_at(own, p) for own in (self.A, self.B, self.C))
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
        poles = [root for root in real_roots(self.A) if (sign * polynomial_at(self.B, root)).low > 0]
        cuts = sorted([*real_roots(self.D), *poles], key=lambda own: own.centre)
        cuts = [own for i, own in enumerate(cuts) if not i or cuts[i - 1].high < own.low]
        for low, high in zip([None, *cuts], [*cuts, None], strict=True):
            if polynomial_at(self.D, _inside(low, high)).low > 0:
                yield low, high


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
