"""Phase-space steps in drift and score: what trees and words are for 2 x 2 blocks, exact in a few letters.

In the clock of the step, with b = beta/2 per unit of it (1/2 in the natural clock), for position x and momentum m,

    dx = f = b (Gamma x - m/M + q Gamma S^x),      dm = g = b (x + nu m + q M nu S^m),      q = 1 + tau^2

(`psld.md` 1.4; q = 1 is the probability flow). The score S is any smooth one: Sx_xm is the derivative of its part S^x
along x and m, Sx_s the one along the clock. In words the score is affine, S = J z + j, with Jx_m and, along the clock,
Jx_sm. beta is constant, and the state has one component: of several, derivatives act on what stands right of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations_with_replacement, product
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.declare.entries import Const
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.problem.kinds import PHASE_SPACE
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import CovarianceSeries, Letter, Series, Word
from numtoolkit.symbolic.trees import StateSeries, Tree

Block = NDArray[Any]  # of elements of a field: a vector (2,) or a matrix (2, 2)
ROWS = PHASE_SPACE.rows
GIVEN = ("b", "Gamma", "nu", "M", "x", "m", "f", "g")
GREEK = {"Gamma": r"\Gamma", "nu": r"\nu"}


def derivative(part: str, time: int = 0, along: str = "") -> str:
    """The name of a derivative of a `part` of the score, such as Sx or jm: `time` times by the clock, then `along`."""
    return f"{part}_{'s' * time}{along}" if time or along else part


def latex_name(name: str) -> str:
    r"""A letter in LaTeX: \Gamma, S^{x}_{xm}."""
    head, _, index = name.partition("_")
    if head[0] not in "SJj":
        return GREEK.get(name, name)
    return f"{head[0]}^{{{head[1:]}}}" + (f"_{{{index}}}" if index else "")


@dataclass(frozen=True)
class Blocks:
    """The blocks of the equation of a scheme.

    scheme  a splitting in phase space that freezes the score, or a scheme that freezes the whole drift there
    order   how many derivatives of the score may occur together
    numbers the field of the coefficients
    raises  InputError for other schemes
    """

    scheme: Scheme
    order: int
    numbers: Field

    def __post_init__(self) -> None:
        own = self.scheme
        if PHASE_SPACE not in own.kinds or not (own.frozen.whole or own.frozen.fixed_forcing):
            held = f"freezes {own.frozen.name} on {' and '.join(kind.name for kind in own.kinds)} processes"
            raise InputError(
                f"scheme {own.spec} {held}; take one that freezes the score or the drift in a phase space."
            )
        if not isinstance(own.exact_scalar(own.tau), Const):
            raise InputError(f"scheme {own.spec} has tau = {own.tau}; bind it to a number.")

    @cached_property
    def field(self) -> Field:
        """The field of all letters."""
        count = range(self.order + 1)
        scores = {
            derivative(f"S{row}", time, "".join(along))
            for row, time, n in product(ROWS, count, count)
            for along in combinations_with_replacement(ROWS, n)
        }
        jets = {derivative(f"J{row}", time, column) for row, time, column in product(ROWS, count, ROWS)}
        offsets = {derivative(f"j{row}", time) for row, time in product(ROWS, count)}
        return Field({*GIVEN, *scores, *jets, *offsets, *self.numbers.names})

    def _named(self, *names: str) -> Block:
        return np.array([self.field.symbols[name] for name in names], dtype=object)

    @cached_property
    def drift(self) -> Block:
        """The linear drift while sampling, without the score."""
        b, Gamma, nu, M = self._named("b", "Gamma", "nu", "M")
        return np.array([[b * Gamma, -b / M], [b, b * nu]], dtype=object)

    @cached_property
    def noise(self) -> Block:
        """The rate of the forward noise, 2 b diag(Gamma, M nu)."""
        b, Gamma, nu, M = self._named("b", "Gamma", "nu", "M")
        zero = self.field.number(0)
        return np.array([[2 * b * Gamma, zero], [zero, 2 * b * M * nu]], dtype=object)

    @cached_property
    def gain(self) -> Block:
        """What multiplies the score, q/2 times the rate of the forward noise."""
        tau = self.scheme.exact_scalar(self.scheme.tau)
        assert isinstance(tau, Const)
        return self.noise * ((1 + tau.value**2) / 2)

    @cached_property
    def _letters(self) -> dict[str, Block]:
        zero, one = self.field.number(0), self.field.number(1)
        unit = np.array([[one, zero], [zero, one]], dtype=object)
        prior = np.array([[one, zero], [zero, 1 / self.field.symbols["M"]]], dtype=object)
        return {
            "": unit,
            "L": self.drift,
            "Q": self.noise,
            "N": unit if self.scheme.frozen.whole else self.gain,
            "O": self.drift * -unit,
            "R": self.drift - self.gain @ prior,
        }

    def letter(self, letter: Letter) -> Block:
        """One letter of a word as a matrix, cut to a row where it names one; of j the vector that it is."""
        name, row, jet = letter
        if name in ("J", "j"):
            parts = [[derivative(f"{name}{own}", jet, column) for column in (ROWS if name == "J" else ("",))]
                     for own in ROWS]  # fmt: skip
            found = np.array([self._named(*names) for names in parts]) * Fraction(1, factorial(jet))
            if self.scheme.frozen.whole:
                found = self.gain @ found + (self.drift if name == "J" and not jet else 0)
        elif name not in self._letters:
            raise InputError(f"the operator {name} of {self.scheme.spec} has no 2 x 2 form here; take form trees.")
        else:
            found = self._letters[name] * (not jet)
        return found if not row else found * np.array([[int(own == row)] for own in ROWS])

    def word(self, word: Word) -> Block:
        """The product of the letters of a word."""
        result = self._letters[""]
        for letter in word:
            result = result @ self.letter(letter)
        return result

    def moments(self, mean: Series, covariance: CovarianceSeries) -> tuple[Block, Block, Block]:
        """What acts on the state, what is added to it, and what is added to its covariance, of sums of words."""
        R, Q, r = self._letters[""] * 0, self._letters[""] * 0, self._letters[""][:, :1] * 0
        for word, value in mean.items():
            own = self.word(word) * self._value(value)
            R, r = (R, r + own) if word and word[-1][0] == "j" else (R + own, r)
        for (left, rate, right), value in covariance.items():
            Q = Q + self.word((*left, rate)) @ self.word(right).T * self._value(value)
        return R, r[:, 0], Q

    def vector(self, terms: StateSeries) -> Block:
        """A sum of trees as its two rows; S^x and S^m themselves are written with f and g."""
        total = self._letters[""][0] * 0
        for (word, leaf), value in terms.items():
            total = total + self.word(word) @ self._leaf(leaf) * self._value(value)
        return total

    def _leaf(self, leaf: Any) -> Block:
        return self._tree(leaf) if leaf else self._named("x", "m")

    def _tree(self, tree: Tree) -> Block:
        time, children = tree
        inner = [self.word(word) @ self._leaf(leaf) for word, leaf in children]
        total = self._letters[""][0] * 0
        for parts in product(range(2), repeat=len(children)):
            value = self._frozen(time, parts)
            for own, part in zip(inner, parts, strict=True):
                value = value * own[part]
            total = total + value
        return total

    def _frozen(self, time: int, parts: tuple[int, ...]) -> Block:
        """A derivative of what is frozen, the score or the drift."""
        along = "".join(ROWS[part] for part in sorted(parts))
        if time or parts:
            score = self._named(*(derivative(f"S{row}", time, along) for row in ROWS))
        else:
            rest = self._named("f", "g") - self.drift @ self._named("x", "m")
            score = np.array([rest[i] / self.gain[i, i] for i in range(2)], dtype=object)
        if not self.scheme.frozen.whole:
            return score
        linear = self.drift @ self._named("x", "m") if not along else self.drift[:, parts[0]] if not along[1:] else 0
        return self.gain @ score + (0 if time else linear)

    def _value(self, value: Any) -> Any:
        return value if isinstance(value, Fraction) else self.field.scalar(self.numbers.entry(value))
