"""Splittings that read the same from both ends: their order conditions, solved in real numbers.

A word such as "A B A B A B A" stands for the flows exp(a1 h A) exp(b1 h B) exp(a2 h A) ..., the length of each the one
of its mirror image. Even orders come with the odd ones before them, so the conditions are those of
Lyndon words of odd length: the coefficient of a word w in the product is 1/|w|! (Auzinger, Herfort, Hofstaetter & Koch
2016; McLachlan 1995). Values are algebraic numbers: rational in one or two unknowns that an equation binds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, reduce
from itertools import pairwise
from math import factorial
from typing import Any

from numtoolkit.declare.numbers import ball_of
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, counted, whole
from numtoolkit.faces import Face, Page, Table
from numtoolkit.symbolic.condition import Condition
from numtoolkit.symbolic.enclosures import real_roots, value_at
from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.lyndon import Word, lyndon_words
from numtoolkit.symbolic.numbers import Field, Ratio
from numtoolkit.symbolic.solve import Contradiction, Solution, solve

LETTERS = ("A", "B")
LONGEST = 15  # flows of a word
SOLVED = 13  # of one whose conditions are solved
HIGHEST = 4  # orders of such


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
        return numbers, [Condition(len(word), "".join(word), defect(flows, word, numbers.number(1))) for word in words]


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
        return [self.lengths({self.free[0]: root}) for root in real_roots(self.open[0])]

    def scheme(
        self,
        name: str = "",
        member: int = 1,
        kick: int | None = None,
        frozen: str = "score",
        clock: str = "time",
        **given: Any,
    ) -> Scheme:
        """A member as a scheme: A flows the linear part of the equation exactly, B kicks by the network.

        name     of it, by default the word
        member   which real member, from 1, where numbers do not tell: they are sorted by the length that is left
        kick     order of the rule that takes the flow of B, 2, 4 or 6; by default that of the word. One of order 1 is
                 refused (`numtoolkit.symbolic.palindrome_schemes` says why)
        frozen, clock   whose linear part A is: score in time on every process; data in log-snr, which is not stiff, on
                 scalar ones
        given    exact numbers for all lengths left free but those that polynomials bind
        returns  a scheme with as many evaluations a step as kicks times stages; lengths that are not rational are known
                 to 24 digits, and its order is proved within these
        raises   InputError for other lengths, and where there is no such real member
        """
        from numtoolkit.symbolic.palindrome_schemes import scheme_of

        lengths = self._member(member, {key: ball_of(value) for key, value in given.items()})
        return scheme_of(self.family.word, self.family.flows, lengths, self.order, name, kick, frozen, clock)

    def _member(self, member: int, given: Mapping[str, tuple[Fraction, Fraction]]) -> dict[str, Interval | Fraction]:
        """The lengths of a member: exact where polynomials bind none, and enclosed else."""
        import sympy

        wanted = self.dimension
        if len(given) != wanted or not given.keys() <= set(self.free) or any(radius for _, radius in given.values()):
            has = f"exact numbers for {wanted} of {', '.join(self.free)}" if wanted else "no lengths, which are known"
            raise InputError(f"the splittings {self.family.word} of order {self.order} take {has}; give those.")
        exact = {key: centre for key, (centre, _) in given.items()}
        if not self.open:
            at = {sympy.Symbol(key): sympy.Rational(x.numerator, x.denominator) for key, x in exact.items()}
            found = {key: sympy.nsimplify(own.subs(at)) for key, own in self.values.items()}
            if not all(own.is_Rational for own in found.values()):
                raise InputError(f"the lengths given make a length of {self.family.word} infinite; give others.")
            return {**exact, **{key: Fraction(int(own.p), int(own.q)) for key, own in found.items()}}
        enclosed = {key: Interval.of(x) for key, x in exact.items()}
        (left,) = (key for key in self.free if key not in exact)
        bound = [own.eval({sympy.Symbol(k): sympy.Rational(x.numerator, x.denominator) for k, x in exact.items()})
                 if exact else own for own in self.open]  # fmt: skip
        roots = real_roots(sympy.Poly(reduce(sympy.gcd, [sympy.Poly(own, sympy.Symbol(left)) for own in bound])))
        if not 1 <= member <= len(roots):
            has = counted(len(roots), "real member")
            raise InputError(
                f"the splittings {self.family.word} have {has} there, not a member {member}; give another."
            )
        return dict(self.lengths({**enclosed, left: roots[member - 1]}))

    def lengths(self, free: Mapping[str, Interval]) -> dict[str, Interval]:
        """Every length, where those left `free` are given."""
        others = {name: value_at(own, self.numbers, free) for name, own in self.solution.values.items()}
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
    if len(family.flows) > SOLVED:
        raise InputError(f"{family.word} has more than {SOLVED} flows, which are for order 6; derive that, or fewer.")
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


def defect(flows: Sequence[tuple[str, Any]], word: Word, one: Any) -> Any:
    """The coefficient of a word in a product of flows less that in the exact one: a^k/k! for each run of k letters.

    flows   (letter, length) of each; one  the number 1 of their kind
    """
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
