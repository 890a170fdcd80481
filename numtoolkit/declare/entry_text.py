"""Entries read from text: the inverse of `str(entry)`. A small grammar is parsed and nothing is evaluated.

    sum       [-] term, more of them joined by + and -
    term      factor, more of them joined by * and /, from left to right; a leading - is of the whole term
    factor    atom, or atom ^ power
    atom      a whole number, the name of a scalar, (sum), or one of `FORMS`: Flow(X; a, b), sqrt(2) ...
    operator  0, or a sum of terms that end in the name of an operator: L, 2*shift*unit_beta, N.m for one row of N

What the text combines is combined by the arithmetic of `numtoolkit.declare.entries`, so that 2*(a*3) reads as 6*a.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn

from numtoolkit.declare.entries import (
    NONE,
    ZERO,
    At,
    Ball,
    Const,
    Cov,
    Entry,
    Flow,
    Int,
    Op,
    Phi,
    Symbol,
    ball,
    op,
    product_of,
    sqrt,
    sum_of,
    walk,
)
from numtoolkit.declare.numbers import HUGE, TINY
from numtoolkit.errors import InputError, typed, unknown

ROWS = ("x", "m")
LONGEST, DEEPEST, MOST_DIGITS = 20_000, 20, 350  # characters of an entry, parentheses inside one another, of a number
MOST_DIVISIONS, MOST_POWER, LARGEST = 6, 99, 20_000  # of one term, of one factor, nodes that powers make

_TOKEN = re.compile(r"(?P<whole>[0-9]+)|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<mark>[-+*/^(),;.])|(?P<end>\Z)")
_SPACE = re.compile(r"[ \t\n]*")


def parse_entry(text: str) -> Entry:
    """The entry that a text stands for, with parse_entry(str(entry)) == entry.

    raises   InputError, one sentence that quotes the place, for whatever is outside the grammar or its limits
    """
    if not isinstance(text, str):
        raise InputError(f"{text!r} is {typed(text)}; write an entry as text.")
    if len(text) > LONGEST:
        raise InputError(f"the entry {_shown(text)} has {len(text)} characters; write at most {LONGEST}.")
    parser = _Parser(text)
    entry = parser.sum()
    if parser.token.kind != "end":
        parser.refuse("end the entry before it")
    for node in walk(entry):
        if isinstance(node, (Const, Ball)):
            size = abs(node.value if isinstance(node, Const) else node.centre)
            if size and not TINY < size < HUGE:
                raise InputError(f"a number in the entry {_shown(text)} has no float64; give one of a usual size.")
    return entry


class _Token(NamedTuple):
    kind: str  # whole, name, mark or end
    text: str
    start: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while not found or found[-1].kind != "end":
        place = _SPACE.match(text, place).end()  # type: ignore[union-attr]  # it matches everywhere
        match = _TOKEN.match(text, place)
        if match is None:
            raise InputError(
                f"cannot read {_shown(text[place:])} in the entry {_shown(text)}; use + - * / ^ and names."
            )
        found.append(_Token(str(match.lastgroup), match[0], place))
        place = match.end()
    return found


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


class _Parser:
    """A text with the place that is read next; every method reads on from there.

    blocks   forms read so far, so that a place for a scalar can tell that it holds none
    room     nodes that powers may still make
    """

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.next = text, _tokens(text), 0
        self.depth = self.blocks = 0
        self.room = LARGEST

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def refuse(self, remedy: str) -> NoReturn:
        """raises   InputError at the token that is next"""
        rest = self.text[self.token.start :]
        if not rest:
            raise InputError(f"the entry {_shown(self.text)} ends too early; {remedy}.")
        raise InputError(f"cannot read {_shown(rest)} in the entry {_shown(self.text)}; {remedy}.")

    def taken(self, *marks: str) -> str:
        """The next token if it is one of these marks, else nothing."""
        if self.token.kind != "mark" or self.token.text not in marks:
            return ""
        self.next += 1
        return self.tokens[self.next - 1].text

    def demand(self, mark: str) -> None:
        if not self.taken(mark):
            self.refuse(f"write {mark!r} before it" if self.token.text else f"add {mark!r}")

    def whole(self, most: int = 10**MOST_DIGITS) -> int:
        kind, text, _ = self.token
        if kind != "whole" or len(text) > MOST_DIGITS or int(text) > most:
            named = f"{MOST_DIGITS} digits" if most == 10**MOST_DIGITS else str(most)
            self.refuse(f"write a whole number of at most {named}")
        self.next += 1
        return int(text)

    # --- sums, terms, factors

    def sum(self) -> Entry:
        return sum_of(tuple(self.terms(self.term)))

    def terms(self, term: Callable[[], Any]) -> list[Any]:
        """Terms with their signs."""
        found = [-term() if self.taken("-") else term()]
        while sign := self.taken("+", "-"):
            found.append(-term() if sign == "-" else term())
        return found

    def term(self) -> Entry:
        return self.factors(lambda: False)

    def factors(self, ended: Callable[[], bool]) -> Entry:
        """The product of the factors before the end of a term, or before a place where `ended` says so."""
        found: list[Entry] = []
        divisions, mark = 0, "*"
        while mark and not (mark == "*" and ended()):
            if mark == "*":
                found.append(self.factor())
            else:
                divisions += 1
                found = [self.divided(product_of(tuple(found)), divisions)]
            mark = self.taken("*", "/")
        return product_of(tuple(found))

    def divided(self, top: Entry, divisions: int) -> Entry:
        """`top` over the next factor."""
        place = self.next
        bottom = self.scalar(self.factor)
        if bottom == ZERO or divisions > MOST_DIVISIONS:
            self.next = place
            self.refuse("divide by something else" if bottom == ZERO else f"divide at most {MOST_DIVISIONS} times")
        return top / bottom

    def factor(self) -> Entry:
        base = self.atom()
        if not self.taken("^"):
            return base
        power = self.whole(MOST_POWER)
        self.room -= power * sum(1 for _ in walk(base))
        if self.room < 0 or isinstance(base, Const):
            self.refuse("write numbers without powers" if self.room >= 0 else "write smaller powers before it")
        return base**power

    def atom(self) -> Entry:
        kind, text, _ = self.token
        if kind == "whole":
            return Const(Fraction(self.whole()))
        if kind == "name":
            self.next += 1
            return self.form(text) if self.taken("(") else Symbol(text)
        if not self.taken("("):
            self.refuse("write a number, a name or a parenthesis")
        return self.closed(self.sum)

    def closed(self, read: Callable[[], Any]) -> Any:
        """What `read` finds up to the parenthesis that closes."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse(f"write at most {DEEPEST} parentheses inside one another")
        found = read()
        self.demand(")")
        self.depth -= 1
        return found

    # --- forms, and what stands in them

    def form(self, name: str) -> Entry:
        if name not in FORMS:
            raise unknown("form of an entry", name, FORMS)
        _, groups, build = FORMS[name]
        entry: Entry = self.closed(lambda: build(*self.groups(groups)))
        self.blocks += isinstance(entry, BLOCKS)
        return entry

    def groups(self, groups: Sequence[Sequence[Kind]]) -> Iterator[Any]:
        """The values of groups that semicolons part, commas inside."""
        for i, group in enumerate(groups):
            for j, kind in enumerate(group):
                if i or j:
                    self.demand("," if j else ";")
                yield kind(self)

    def scalar(self, read: Callable[[], Entry] | None = None) -> Entry:
        """An entry (what `read` finds, by default a sum) that holds no block."""
        place, before = self.next, self.blocks
        entry = (read or self.sum)()
        if self.blocks > before:
            self.next = place
            self.refuse("write a scalar there, without blocks")
        return entry

    def scalars(self) -> tuple[Entry, ...]:
        found = [self.scalar()]
        while self.taken(","):
            found.append(self.scalar())
        return tuple(found)

    def number(self) -> Fraction:
        """A number, with its sign and denominator."""
        sign = -1 if self.taken("-") else 1
        top = sign * self.whole()
        if not self.taken("/"):
            return Fraction(top)
        place, bottom = self.next, self.whole()
        if not bottom:
            self.next = place
            self.refuse("divide by something else")
        return Fraction(top, bottom)

    def operator(self) -> Op:
        if self.token.text == "0" and self.after(1).text in (",", ";"):
            self.next += 1
            return NONE
        return sum(self.terms(self.weighed), start=NONE)

    def weighed(self) -> Op:
        """A term of an operator: scalars, then its name."""
        coefficient = self.scalar(lambda: self.factors(self.at_operator))
        if not self.at_operator():
            self.refuse("end the term before it in the name of an operator")
        found = op(self.token.text)
        self.next += 1
        if not self.taken("."):
            return coefficient * found
        row = self.token.text
        if row not in ROWS:
            self.refuse(f"write a row of the state, {' or '.join(ROWS)}")
        self.next += 1
        return coefficient * found.row(row)

    def at_operator(self) -> bool:
        """Whether the next name is the last word of a term, but for the row that may follow it."""
        return self.token.kind == "name" and self.after(1).text in (*".+-,;)", "")

    def after(self, count: int) -> _Token:
        return self.tokens[min(self.next + count, len(self.tokens) - 1)]


Kind = Callable[[_Parser], Any]  # reads one value of a form
OPERATOR, SCALAR, SCALARS = _Parser.operator, _Parser.scalar, _Parser.scalars
WHOLE, NUMBER = _Parser.whole, _Parser.number


class Form(NamedTuple):
    """How a form is written, what stands in its groups, and what makes the entry of it."""

    pattern: str
    groups: Sequence[Sequence[Kind]]
    build: Callable[..., Entry]


BLOCKS = (Flow, Int, Cov, At, Phi)
FORMS = {
    "Flow": Form("Flow(X; a, b)", ((OPERATOR,), (SCALAR, SCALAR)), Flow),
    "Int": Form("Int(X, M; w0, w1, ...; a, b)", ((OPERATOR, OPERATOR), (SCALARS,), (SCALAR, SCALAR)), Int),
    "Cov": Form("Cov(X, M; a, b)", ((OPERATOR, OPERATOR), (SCALAR, SCALAR)), Cov),
    "At": Form("At(X; c)", ((OPERATOR,), (SCALAR,)), At),
    "phi": Form("phi(k, c)", ((WHOLE, SCALAR),), Phi),
    "ball": Form("ball(centre, radius)", ((NUMBER, NUMBER),), ball),
    "sqrt": Form("sqrt(n)", ((NUMBER,),), sqrt),
}
