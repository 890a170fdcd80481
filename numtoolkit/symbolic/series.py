"""The exact reader of the entry language: every entry as a truncated series in h over words of non-commuting letters.

An operator X(u_n + c h) = sum_j X_j (c h)^j is a letter (name, row, j) for each jet X_j; a word is a product of
letters, the rightmost acting first. Under the integrals of an entry each letter brings one power of h, so a letter
weighs j + 1. Coefficients are iterated integrals of monomials, in Q or in Q(parameters, step ratios).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, TypeVar

from numtoolkit.declare.entries import ZERO, At, Cov, Entry, Flow, Int, Op, Product, Quotient, Sum
from numtoolkit.declare.scheme import LENGTH as STEP_LENGTH
from numtoolkit.errors import InputError
from numtoolkit.problem.operators import Q
from numtoolkit.symbolic.expansions import NotAnalysedError
from numtoolkit.symbolic.numbers import Field

Letter = tuple[str, str, int]  # operator, row ("" for all), jet
Word = tuple[Letter, ...]
Series = dict[Word, Any]
CovarianceSeries = dict[tuple[Word, Letter, Word], Any]  # word G word'
Polynomial = list[Any]  # coefficients in the abscissa, lowest first

LENGTH = STEP_LENGTH.name  # the length of the step, a symbol of the coefficients
WEIGHTLESS = ("J", "j", "g")  # jets outside an integral (affine network, noise amplitude): no power of h of their own


Key = TypeVar("Key")


@cache
def weight(word: Word) -> int:
    """The power of h a word comes with."""
    return sum(jet + (name not in WEIGHTLESS) for name, _, jet in word)


@dataclass(frozen=True)
class Jet:
    """One choice under an integral: coefficient, the letters it puts into the word, the power of the abscissa."""

    coefficient: Any
    letters: Word
    power: int


@dataclass(frozen=True)
class SeriesExpansion:
    """How operator names become letters.

    field   the coefficients
    order   words heavier than this are dropped
    rows    if given, an operator that is not cut to one row is the sum over these rows
    absent  operators that are zero in this problem
    steady  operators whose jets beyond the first vanish
    rename  name -> (factor, name), to express one operator through another
    diagonal  letters of operators whose row r reads component r alone, on every process
    """

    field: Field
    order: int
    rows: tuple[str, ...] = ("",)
    absent: tuple[str, ...] = ()
    steady: tuple[str, ...] = ()
    rename: tuple[tuple[str, Any, str], ...] = ()
    diagonal: tuple[str, ...] = ()

    def vanishes(self, word: Word) -> bool:
        """Whether a word is zero on every process: its letter X.r, X diagonal, stands left of some Y.r', r' not r."""
        return bool(self.diagonal) and any(
            name in self.diagonal and row and other and row != other for (name, row, _), (_, other, _) in pairwise(word)
        )

    def letters(self, X: Op) -> list[tuple[Any, str, str]]:
        """(coefficient, name, row) of an operator, like terms collected."""
        renamed = {old: (factor, new) for old, factor, new in self.rename}
        collected: dict[tuple[str, str], Any] = {}
        for scalar, operator, row in X.terms:
            factor, letter = renamed.get(operator.name, (self.field.number(1), operator.name))
            if letter in self.absent:
                continue
            for part in (row,) if row else self.rows:
                old = collected.get((letter, part), self.field.number(0))
                collected[letter, part] = old + self.field.scalar(scalar) * factor
        return [(c, name, row) for (name, row), c in collected.items() if c]

    def jets(self, X: Op) -> list[Jet]:
        """Every letter of an operator up to the order."""
        if X not in self._jets:
            self._jets[X] = [
                Jet(c, ((name, row, j),), j)
                for c, name, row in self.letters(X)
                for j in range(1 if name in self.steady else self.order)
            ]
        return self._jets[X]

    @cached_property
    def _jets(self) -> dict[Op, list[Jet]]:
        return {}

    # entries

    def read(self, entry: Entry) -> Series:
        """The series of a block entry; a scalar stands for that multiple of the identity."""
        if isinstance(entry, Sum):
            total: Series = {}
            for arg in entry.args:
                add(total, self.read(arg))
            return total
        if isinstance(entry, Product):
            result = self.read(entry.args[-1])
            for arg in reversed(entry.args[:-1]):
                result = multiply(self.read(arg), result, self.order)
            return result
        if isinstance(entry, Quotient):
            bottom = self.field.divisor(entry)
            return {word: c / bottom for word, c in self.read(entry.top).items()}
        if isinstance(entry, Flow):
            return self.flow(self.jets(entry.L), self.field.scalar(entry.a), self.field.scalar(entry.b))
        if isinstance(entry, Int):
            scalars = [self.field.scalar(w) for w in entry.weight]
            a, b = self.field.scalar(entry.a), self.field.scalar(entry.b)
            return self.integral(self.jets(entry.L), self.jets(entry.N), scalars, a, b)
        if isinstance(entry, At):
            c = self.field.scalar(entry.c)
            frozen = {jet.letters: jet.coefficient * (c**jet.power if jet.power else 1) for jet in self.jets(entry.X)}
            return {word: value for word, value in frozen.items() if value}
        value = self.field.scalar(entry)
        return {(): value} if value else {}

    def flow(self, L: Sequence[Jet], a: Any, b: Any) -> Series:
        """The flow of L, given as jets, from abscissa a to b: each word's iterated integral."""
        return self._grow(L, [((), [self.field.number(1)])], a, b)

    def integral(self, L: Sequence[Jet], N: Sequence[Jet], weights: Polynomial, a: Any, b: Any) -> Series:
        """int_a^b Flow(L, s, b) N(s) w(s) ds over [a, b] in the abscissa, L and N as jets, `weights` those of w."""
        seeds = [
            (
                jet.letters,
                self._primitive([jet.coefficient * w for w in [*[self._zero] * jet.power, *weights]], a),
            )
            for jet in N
            if weight(jet.letters) <= self.order
        ]
        return self._grow(L, seeds, a, b)

    @property
    def _zero(self) -> Any:
        return self.field.number(0)

    def _grow(self, L: Sequence[Jet], seeds: list[tuple[Word, Polynomial]], a: Any, b: Any) -> Series:
        """Words of L-letters put on the left of the seeds, whose polynomials are functions of the upper limit."""
        words: Series = {}
        while seeds:
            grown = []
            for word, poly in seeds:
                put(words, word, _value(poly, b))
                for jet in L:
                    longer = jet.letters + word
                    if weight(longer) <= self.order:
                        shifted = [jet.coefficient * p for p in [*[self._zero] * jet.power, *poly]]
                        grown.append((longer, self._primitive(shifted, a)))
            seeds = grown
        return words

    def _primitive(self, poly: Polynomial, a: Any) -> Polynomial:
        """The antiderivative that vanishes at a."""
        raised = [self._zero] + [p / self.field.number(i + 1) if p else p for i, p in enumerate(poly)]
        raised[0] = -_value(raised, a)
        return raised

    def tails(self, L: Sequence[Jet], b: Any) -> list[tuple[Word, Polynomial]]:
        """Flow from s to b as words with polynomials in the lower limit s."""
        words: list[tuple[Word, Polynomial]] = []
        seeds: list[tuple[Word, Polynomial]] = [((), [self.field.number(1)])]
        while seeds:
            words += seeds
            grown = []
            for word, poly in seeds:
                for jet in L:
                    longer = word + jet.letters
                    if weight(longer) < self.order:
                        shifted = [-jet.coefficient * p for p in [*[self._zero] * jet.power, *poly]]
                        grown.append((longer, self._primitive(shifted, b)))
            seeds = grown
        return words

    def covariance(self, entry: Entry) -> CovarianceSeries:
        """The series of a noise's covariance."""
        if isinstance(entry, Sum):
            total: CovarianceSeries = {}
            for arg in entry.args:
                add(total, self.covariance(arg))
            return total
        if isinstance(entry, Product):
            scale = self.field.number(1)
            for arg in entry.args[:-1]:
                scale = scale * self.field.scalar(arg)
            return {key: scale * c for key, c in self.covariance(entry.args[-1]).items()}
        if isinstance(entry, Cov):
            a, b = self.field.scalar(entry.a), self.field.scalar(entry.b)
            found = self.spread(self.jets(entry.L), self.jets(entry.G), a, b)
            return {key: -c for key, c in found.items()} if _backward(entry) else found
        if isinstance(entry, At):
            return {((), jet[0], ()): c for jet, c in self.read(entry).items()}
        if entry == ZERO:  # scaled by a parameter that is 0
            return {}
        raise InputError(f"noise covariance {entry} must be a Cov or a frozen operator, times scalars.")

    def spread(
        self, L: Sequence[Jet], G: Sequence[Jet], a: Any, b: Any, R: Sequence[Jet] | None = None
    ) -> CovarianceSeries:
        """int_a^b Flow(L, s, b) G(s) Flow(R, s, b)' ds over [a, b], L, G and R given as jets; R is L unless given."""
        total: CovarianceSeries = {}
        tails = self.tails(L, b)
        for left, p in tails:
            for right, q in tails if R is None else self.tails(R, b):
                for jet in G:
                    if weight(left) + weight(right) + weight(jet.letters) <= self.order:
                        poly = [jet.coefficient * x for x in [*[self._zero] * jet.power, *_times(p, q)]]
                        put(total, (left, jet.letters[0], right), _value(self._primitive(poly, a), b))
        return total


def _backward(entry: Cov) -> bool:
    """Whether a window runs against the clock: noise of the forward process (Q) is added back."""
    return all(operator is Q for _, operator, _ in entry.G.terms)


def put(total: dict[Any, Any], key: Any, value: Any) -> None:
    """total[key] += value in place, a zero dropped."""
    summed = total[key] + value if key in total else value
    if summed:
        total[key] = summed
    elif key in total:
        del total[key]


def add(total: dict[Any, Any], more: Mapping[Any, Any]) -> None:
    """total += more in place, zeros dropped."""
    for key, value in more.items():
        put(total, key, value)


def pairs(
    left: Mapping[Word, Any], right: Mapping[Key, Any], order: int, weigh: Callable[[Key], int]
) -> Iterator[tuple[Word, Any, Key, Any]]:
    """(u, a, v, b) for the words u of `left` and keys v of `right` that weigh no more than `order` together.

    left, right   their values are the coefficients a and b
    weigh         the weight of a key of `right`, which is put in with its like: what is too heavy is never tried
    """
    graded: list[list[tuple[Key, Any]]] = [[] for _ in range(order + 1)]
    for v, b in right.items():
        if (own := weigh(v)) <= order:
            graded[own].append((v, b))
    for u, a in left.items():
        for lighter in graded[: max(order + 1 - weight(u), 0)]:
            for v, b in lighter:
                yield u, a, v, b


def powers_of_h(field: Field, value: Any, highest: int) -> Iterator[tuple[int, Any]]:
    """What a coefficient is by power of h, from h^0 to h^highest, zeros left out: the power and a value without h.

    field    of the coefficient, the element `value` of it
    raises   NotAnalysedError for one that does not stay bounded as h falls
    """
    if LENGTH not in field.names or not value:
        if value:
            yield (0, value)
        return
    try:
        powers = field.powers(value, LENGTH, highest + 1)
    except InputError as reason:
        raise NotAnalysedError(f"a coefficient of its error, {reason}") from None
    yield from ((k, c) for k, c in enumerate(powers) if c)


def show_power(power: int) -> str:
    """Powers of h in front of a word, for people."""
    return "" if not power else "h " if power == 1 else f"h^{power} "


def latex_power(power: int) -> str:
    """The same in LaTeX."""
    return "" if not power else r"h\," if power == 1 else rf"h^{{{power}}}\,"


def show_letter(letter: Letter) -> str:
    """A letter for people: "L", "N1" of a jet, "N.x" of a row."""
    name, row, jet = letter
    return f"{name}{jet or ''}{'.' + row if row else ''}"


def latex_letter(letter: Letter) -> str:
    """The same in LaTeX, jet and row as indices."""
    name, row, jet = letter
    index = ",".join([*([str(jet)] if jet else []), *([row] if row else [])])
    return f"{name}_{{{index}}}" if index else name


def multiply(left: Series, right: Series, order: int) -> Series:
    """The words of the product `left` times `right` that are no heavier than `order`."""
    if left.keys() == {()}:  # a multiple of the identity
        return {word: left[()] * b for word, b in right.items() if weight(word) <= order}
    product: Series = {}
    for u, a, v, b in pairs(left, right, order, weight):
        put(product, u + v, a * b)
    return product


def _value(poly: Polynomial, at: Any) -> Any:
    result = poly[-1]
    for coefficient in reversed(poly[:-1]):
        result = result * at + coefficient
    return result


def _times(p: Polynomial, q: Polynomial) -> Polynomial:
    product = [p[0] * q[0] * 0] * (len(p) + len(q) - 1)
    for i, x in enumerate(p):
        for j, y in enumerate(q):
            if x and y:
                product[i + j] = product[i + j] + x * y
    return product
