"""Splittings as words: a step as a composition of flows, and its coefficients in non-commuting letters.

Letters are Lie derivatives of the parts of the equation, so the leftmost exponential of a product is the flow that
comes first: "B A" is exp(h B) exp(h A), and the exact step is exp(h (A + B)). Where parts change with time there is one
more letter T = d/dt, and the exact step is exp(h (A + B + T)): a part that is frozen at abscissa c acts after as much
of T as moves the clock to c, one that follows the clock is exp(a h (A + T)) (`mathematics.md` 4.4; Suzuki 1993).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import factorial, lcm
from typing import Any

from numtoolkit.declare.entries import (
    ONE,
    At,
    Cov,
    Entry,
    Flow,
    L,
    N,
    Op,
    Product,
    at,
    number,
    symbol,
    symbols,
)
from numtoolkit.declare.forms import ANALYTIC, KICKS
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Noise, Row
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.symbolic.lyndon import Word
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.steps_back import StepInClock

TIME = "T"
_TOKEN = re.compile(r"(?:(?P<factor>[A-Za-z0-9_/]+)\*)?(?P<letter>[A-SU-Z])(?:/(?P<parts>[1-9][0-9]{0,5}))?"
                    r"(?:@(?P<clock>[0-9/]+)(?P<moving>\+)?)?")  # fmt: skip


@dataclass(frozen=True)
class SubFlow:
    """The flow of one part over a length, in steps.

    letter   of the part
    length   a number or an entry in parameters
    clock    the abscissa of the time that the part is told; None for a part that does not change with time
    moving   whether time runs on from there as the part flows, so that it follows its own time
    """

    letter: str
    length: Entry
    clock: Entry | None = None
    moving: bool = False


@dataclass(frozen=True)
class Splitting:
    """A step as a composition of flows, the first one first."""

    name: str
    flows: tuple[SubFlow, ...]

    def __repr__(self) -> str:
        return f"<Splitting {brief(self.name, 100)}: {counted(len(self.flows), 'flow')}>"

    @cached_property
    def letters(self) -> tuple[str, ...]:
        """Its letters in the order of the alphabet, T last, where it is told the time."""
        own = sorted({flow.letter for flow in self.flows})
        return (*own, TIME) if any(flow.clock is not None for flow in self.flows) else tuple(own)

    @cached_property
    def field(self) -> Field:
        """The field of its lengths and abscissae."""
        entries = [flow.length for flow in self.flows] + [flow.clock for flow in self.flows if flow.clock is not None]
        return Field(set().union(*map(symbols, entries)))

    @cached_property
    def exponents(self) -> tuple[tuple[frozenset[str], Any], ...]:
        """(letters, a) of each factor exp(a h (sum of letters)), those of time in between."""
        found: list[tuple[frozenset[str], Any]] = []
        now = self.field.number(0)

        def moved(to: Any) -> None:
            if to - now:
                found.append((frozenset({TIME}), to - now))

        for flow in self.flows:
            length = self.field.scalar(flow.length)
            letters = {flow.letter}
            if flow.clock is not None:
                moved(self.field.scalar(flow.clock))
                now = self.field.scalar(flow.clock)
                if flow.moving:
                    letters, now = {flow.letter, TIME}, now + length
            found.append((frozenset(letters), length))
        if TIME in self.letters:
            moved(self.field.number(1))
        return tuple(found)

    @cached_property
    def symmetric(self) -> bool:
        """Whether it is its own adjoint: conditions of even order then follow from those of odd order."""
        return self.exponents == self.exponents[::-1]

    def _scale(self, n: int) -> int:
        """d such that d^k times a coefficient of a word of k letters, k to n, is whole, in the logarithm too; else 0.

        A run a^k / k!, and a product of k coefficients over k, hold no prime p beyond its power k - 1.
        """
        lengths = [a for _, a in self.exponents]
        rational = all(isinstance(a, Fraction) for a in lengths)
        return lcm(*range(1, n + 1), 1) * lcm(*(a.denominator for a in lengths)) if rational else 0

    def coefficients(self, word: Word, start: int = 0) -> list[Any]:
        """The coefficients, without powers of h, of word[start:start], word[start:start + 1], ... in the step."""
        d = self._scale(len(word) - start)
        found = self._coefficients(word, start, d)
        return [Fraction(value, d**k) for k, value in enumerate(found)] if d else found

    def _coefficients(self, word: Word, start: int, d: int) -> list[Any]:
        """The same, each times d for each of its letters unless d is 0.

        Each factor takes up a run of its letters: a^k / k! of a run of k (`mathematics.md` 4.4).
        """
        one, zero = (1, 0) if d else map(self.field.number, (1, 0))
        own: list[Any] = [one] + [zero] * (len(word) - start)
        for letters, a in self.exponents:
            grown, length = list(own), int(a * d) if d else a
            for i, value in enumerate(own):
                share = value
                for k in range(1, len(own) - i):
                    if not value or word[start + i + k - 1] not in letters:
                        break
                    share = share * length // k if d else share * length * Fraction(1, k)
                    grown[i + k] = grown[i + k] + share
            own = grown
        return own

    def defect(self, word: Word) -> Any:
        """The coefficient of a word, numerical minus exact."""
        return self.coefficients(word)[-1] - Fraction(1, factorial(len(word)))

    def logarithm(self, word: Word) -> Any:
        """The coefficient of a word in the logarithm of the step: sum over its cuts into k parts of (-1)^(k+1) / k."""
        n = len(word)
        d = self._scale(n)
        rows = [self._coefficients(word, i, d) for i in range(n)]
        zero = 0 if d else self.field.number(0)
        total = self.field.number(0)
        parts = rows[0]  # by how much of the word is cut into k parts
        for k in range(1, n + 1):
            total = total + parts[n] * Fraction((-1) ** (k + 1), k)
            parts = [
                sum((parts[i] * rows[i][j - i] for i in range(k, j) if parts[i]), start=zero) if j > k else zero
                for j in range(n + 1)
            ]
        return total / d**n if d else total


def splitting(text: str) -> Splitting:
    """A splitting from its word, flows in turn: "B/2 A B/2", "a1*A b1*B a2*A b1*B a1*A", "B/2@0 A@1/2 B/2@1".

    A flow is a letter, T apart; before it a number or a parameter and *, or behind it / and a number, its length in
    steps, 1 unless given; behind @ the abscissa of the time at which it is frozen, or, with a + at the end, from which
    it follows the time.
    raises   InputError for another text
    """
    tokens = text.split() if isinstance(text, str) else []
    matches = [_TOKEN.fullmatch(token) for token in tokens]
    if not tokens or not all(matches):
        wrong = next((token for token, match in zip(tokens, matches, strict=True) if match is None), text)
        raise InputError(f"{wrong!r} is no flow of a splitting; write words such as 'B/2 A B/2' or 'a1*A b1*B@1/2'.")

    def scalar(own: str) -> Entry:
        return symbol(own) if own[0].isalpha() else number(own)

    flows = []
    for match in matches:
        assert match is not None
        length = scalar(match["factor"] or "1") / int(match["parts"] or 1)
        clock = None if match["clock"] is None else number(match["clock"])
        flows.append(SubFlow(match["letter"], length, clock, bool(match["moving"])))
    return Splitting(" ".join(tokens), tuple(flows))


def is_splitting(text: object) -> bool:
    """Whether a text is the word of a splitting, and not the name of a scheme."""
    return isinstance(text, str) and bool(text.split()) and all(map(_TOKEN.fullmatch, text.split()))


def splitting_of(scheme: Scheme) -> Splitting:
    """The flows that the inner step of a declared splitting is made of, each letter that of `declare.forms.word`.

    A kick is an Euler step of its part, and stands here for that part's flow: what the Euler steps leave besides is in
    the classical order alone. The clock is what the network is told.
    raises   InputError for a step that is no composition of such, as where a kick reuses a call from before another
    """
    frame = StepInClock(scheme)
    flows = list(_flows(scheme, frame))[::-1]
    return Splitting(scheme.spec, tuple(flows))


def _flows(scheme: Scheme, frame: StepInClock) -> Iterator[SubFlow]:
    """The flows of a step, the last one first."""
    items = {item.name: item for item in frame.step.items}
    parts = {part.terms[0][1].name: part for part in ANALYTIC.values()}
    analytic = {
        term.L
        for item in items.values()
        if isinstance(item, Row)
        for _, term in item.terms
        if isinstance(term, Flow) and term.L in parts.values()
    }
    rest = L
    for part in ANALYTIC.values():
        rest = rest - part if part in analytic else rest
    state = frame.step.out
    while state != START:
        row = items[state]
        assert isinstance(row, Row)
        terms = dict(row.terms)
        before = [name for name in terms if name == START or isinstance(items.get(name), Row)]
        others = [items.get(name) for name in terms if name not in before]
        found = _flow(terms, before[0], others, rest) if len(before) == 1 and len(others) == 1 else None
        if found is None:
            raise InputError(
                f"row {row.name} of {scheme.spec} is no flow of one part: it is none of the letters of a splitting, or "
                "reuses a call that was made before another one moved the state; take a splitting with a call a kick."
            )
        yield found
        (state,) = before


def _flow(terms: dict[str, Entry], before: str, others: list[Any], rest: Op) -> SubFlow | None:
    """A row as the flow of a letter from the row before it."""
    (other,) = others
    block = terms[before]
    if isinstance(other, Noise) and terms[other.name] == ONE and isinstance(block, Flow):
        letter = next((name for name, part in ANALYTIC.items() if part == block.L), "")
        exact = isinstance(other.covariance, Cov) and (other.covariance.L, other.covariance.a, other.covariance.b) == (
            block.L, block.a, block.b,
        )  # fmt: skip
        return SubFlow(letter, block.b - block.a) if letter and exact else None
    if isinstance(other, Eval) and other.of == before:
        for letter, row in KICKS.items():
            drift, score = (rest.row(row), N.row(row)) if row else (rest, N)
            kick = terms[other.name]
            length, own = (
                (kick.args[0], kick.args[1]) if isinstance(kick, Product) and len(kick.args) == 2 else (ONE, kick)
            )
            if isinstance(own, At) and own.X == score and block == 1 + length * at(drift, own.c):
                return SubFlow(letter, length, other.network_time)
    return None
