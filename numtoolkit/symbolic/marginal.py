"""Order in law of the marginal, exact on affine scores: a step from the exact marginal law, against that at its end.

The flow and every reverse SDE of a process have the same marginals, so a scheme may keep them to an order beyond that
of its transition: noise added back by the forward law and taken out by the flow changes none. This is the order that an
error curve shows.

For Gaussian data the marginal is N(m, P), with m' = F m and P' = F P + P F' - Q in the clock (F the forward drift, Q
the rate of its noise), and the score is -P^-1 (z - m), hence

    L + N J = F - (q/2) Q P^-1,      N j = (q/2) Q P^-1 m,      q = 1 + tau^2,

which ties the letters of `numtoolkit.symbolic.weak`. With D and E what a step misses of R and Q there and Phi the exact
flow, it misses D m + d of the mean and D P Phi' + Phi P D' + D P D' + E of the covariance, and by those ties both may
vanish to a higher order than D, d and E.

Whether they do is decided at one point: jets of F, Q and the other letters, P(0), m(0) and all parameters are drawn as
whole numbers up to 2^31, in what structure is known of them, and the rest is solved for. Coefficients of powers of h
are polynomials in them of a degree below 100, over a denominator that is not 0; one that is not the zero polynomial
vanishes at a point so drawn with a chance below 100 / 2^31 (Schwartz 1980, Zippel 1979). A problem that has more
structure than the letters may show a higher order, never a lower one.

A step with history begins from the exact joint law of the states before it along the reference SDE. The scheme draws
these by its own transition, whose order is one of theirs too; they enter with a factor h, so that no more than one
order beyond that of the transition is claimed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import INNER, Place
from numtoolkit.problem.kinds import PHASE_SPACE
from numtoolkit.problem.operators import L as LINEAR
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import LENGTH, CovarianceSeries, Letter, Series, SeriesExpansion, Word, powers_of_h
from numtoolkit.symbolic.series import weight as word_weight
from numtoolkit.symbolic.steps_back import StepInClock, expansion_of, scalars_of
from numtoolkit.symbolic.weak import HIGHEST, defects, exact_jets, first_defects, triple_weight

Matrix = NDArray[Any]  # exact numbers
Graded = list[Matrix]  # by the power of h
Missed = tuple[Matrix, Matrix]  # of the mean and of the covariance
LARGEST = 2**31


def marginal_order(scheme: Scheme, place: Place = INNER, highest: int = HIGHEST, seed: int = 0) -> int:
    """The order in law of a step of a stochastic scheme from the exact marginal, for Gaussian data.

    place    of the step in `Scheme.steps`
    highest  order that is tried
    seed     of the point at which it is decided
    raises   InputError for deterministic schemes
    cost     little beside `weak_order` where that is its value, else as much again at the next order
    """
    frame = StepInClock(scheme, place=place)
    first, found = first_defects(frame, highest)
    order = first - 1
    while order < highest:
        wanted = order + 1
        drawn = Drawn(frame, wanted, seed)
        field, mean, covariance, _ = found if wanted == first else defects(frame, wanted, drawn.numbers)
        missed = drawn.missed(field, mean, covariance, first)
        if any(part.any() for parts in missed for part in parts):
            break
        order = wanted
    return min(order, first) if frame.step.needs else order


@dataclass(frozen=True)
class MarginalDefects(ABC):
    """What a step misses of a marginal, to some order in h, where its letters have values.

    frame   of the step
    order   the highest power of h that is asked for
    Matrices may have further axes in front: one problem each.
    """

    frame: StepInClock
    order: int

    @property
    @abstractmethod
    def reading(self) -> SeriesExpansion:
        """How the scheme's operators become letters."""

    @property
    @abstractmethod
    def letters(self) -> Mapping[str, Graded]:
        """The jets of every letter, and those of the marginal: P its covariance, m its mean."""

    @abstractmethod
    def number(self, field: Field, value: Any) -> Any:
        """A coefficient, an element of a field without h, as a number."""

    @property
    def one(self) -> Matrix:
        """The identity."""
        return np.eye(self.letters["P"][0].shape[-1], dtype=int)

    def letter(self, letter: Letter) -> Matrix:
        """One letter of a word."""
        name, row, jet = letter
        block = self.letters[name][jet]
        return block if not row else block * np.array([[int(own == row)] for own in PHASE_SPACE.rows])

    def word(self, word: Word) -> Matrix:
        """The product of the letters of a word."""
        result = self.one
        for letter in word:
            result = result @ self.letter(letter)
        return result

    def missed(self, field: Field, mean: Series, covariance: CovarianceSeries, first: int) -> Iterator[Missed]:
        """What a step misses of mean and covariance, by power of h, from what it misses as a transition.

        field   of the coefficients; mean, covariance   as `weak.defects` gives them, up to `order`
        first   the lowest power of h there: the exact flow is needed to the order beyond it
        """
        D, d, E = self.moments(field, mean, covariance)
        flow, P, m = self.flow(self.order - first), self.letters["P"][0], self.letters["m"][0]
        for n in range(self.order + 1):
            turned = _times(D, [P @ transposed(own) for own in flow], n)
            squared = _times(D, [P @ transposed(own) for own in D], n)
            yield D[n] @ m + d[n], turned + transposed(turned) + squared + E[n]

    def flow(self, order: int) -> Graded:
        """The exact flow of the reference SDE, by power of h, to that order, then zeros."""
        reading = replace(self.reading, order=order)
        drift, _, _ = exact_jets(self.frame, reading)
        zero, one = reading.field.number(0), reading.field.number(1)
        return self.moments(reading.field, reading.flow(drift, zero, one))[0]

    def moments(
        self, field: Field, mean: Series, covariance: CovarianceSeries | None = None
    ) -> tuple[Graded, Graded, Graded]:
        """(R, r, Q) by power of h of series in words: what acts on the state, what is added to it, the covariance.

        field   of the coefficients; mean, covariance   as `weak.defects` has them
        """
        R, r, Q = ([self.one[:, :columns] * 0 for _ in range(self.order + 1)]
                   for columns in (len(self.one), 1, len(self.one)))  # fmt: skip
        for word, value in mean.items():
            self._add(r if word and word[-1][0] == "j" else R, field, value, word_weight(word), self.word(word))
        for triple, value in (covariance or {}).items():
            left, rate, right = triple
            block = self.word((*left, rate)) @ transposed(self.word(right))
            self._add(Q, field, value, triple_weight(triple), block)
        return R, r, Q

    def _add(self, total: Graded, field: Field, value: Any, weight: int, block: Matrix) -> None:
        for more, c in powers_of_h(field, value, self.order - weight):
            total[weight + more] = total[weight + more] + self.number(field, c) * block


@dataclass(frozen=True)
class Drawn(MarginalDefects):
    """A problem drawn at random for the letters of a step: all its numbers are exact."""

    seed: int

    @cached_property
    def reading(self) -> SeriesExpansion:
        """How the scheme's operators become letters."""
        field = Field(scalars_of(self.frame, self.order), values=self.numbers)
        return expansion_of(self.frame.scheme, field, self.order)

    @cached_property
    def numbers(self) -> dict[str, Fraction]:
        """A number for every scalar of the step."""
        names = scalars_of(self.frame, self.order) - {LENGTH}
        return {name: Fraction(self._random(name).randrange(1, LARGEST)) for name in names}

    def number(self, field: Field, value: Any) -> Any:
        return value if isinstance(value, Fraction) else field.at(value, self.numbers | {LENGTH: Fraction(0)})

    def _random(self, name: str) -> Random:
        return Random(f"{self.seed} {name}")

    @property
    def blocks(self) -> int:
        """Those of the state: a problem with two has those with one among it."""
        return 2 if PHASE_SPACE in self.frame.scheme.kinds else 1

    def _jets(self, name: str, columns: int) -> Graded:
        """Jets of a letter of which nothing is known but whether it is zero, fixed or diagonal."""
        random, k = self._random(name), self.blocks
        keep = np.eye(k, dtype=int) if name in self.reading.diagonal else np.ones((k, columns), dtype=int)
        drawn = [np.array([[Fraction(random.randrange(1, LARGEST)) for _ in range(columns)] for _ in range(k)]) * keep
                 for _ in range(self.order + 1)]  # fmt: skip
        known = 0 if name in self.reading.absent else 1 if name in self.reading.steady else self.order + 1
        return [jet if j < known else jet * 0 for j, jet in enumerate(drawn)]

    @cached_property
    def letters(self) -> dict[str, Graded]:
        """The jets of every letter, and those of the marginal: P its covariance, m its mean."""
        scheme, k = self.frame.scheme, self.blocks
        linear = LINEAR.name
        drift = linear if scheme.frozen.of_score else "F"
        found = {name: self._jets(name, k) for name in (drift, "N", "Q")}
        F, N = found[drift], found["N"]
        Q = found["Q"] = [(jet + jet.T) for jet in found["Q"]]
        root, one = self._jets("P", k)[0], np.eye(k, dtype=object) * Fraction(1)
        P, m = [root @ root.T + one], [self._jets("m", 1)[0]]
        for n in range(self.order):
            flowed = _times(F, P, n)
            P.append((flowed + flowed.T - Q[n]) / Fraction(n + 1))
            m.append(_times(F, m, n) / Fraction(n + 1))
        tau = self.reading.field.scalar(self.frame.scalar(scheme.tau))
        pulled = _solved(P, [jet.T * ((1 + tau**2) / 2) for jet in Q])  # P^-1 Q q / 2
        toward = [jet.T for jet in pulled]
        score = [F[n] - toward[n] for n in range(self.order + 1)]  # what L + N J is
        if scheme.frozen.of_score or linear in self.reading.absent + self.reading.steady:
            L = found.setdefault(linear, self._jets(linear, k))
            J = _solved(N, [score[n] - L[n] for n in range(self.order + 1)])
        else:
            J = self._jets("J", k)
            found[linear] = [score[n] - _times(N, J, n) for n in range(self.order + 1)]
        j = _solved(N, [_times(toward, m, n) for n in range(self.order + 1)])
        return found | {"J": J, "j": j, "P": P, "m": m}

    def letter(self, letter: Letter) -> Matrix:
        if letter[0] not in self.letters:
            self.letters[letter[0]] = self._jets(letter[0], self.blocks)
        return super().letter(letter)


def transposed(block: Matrix) -> Matrix:
    """The transposes of the matrices in the last two axes."""
    return np.swapaxes(block, -1, -2)


def _times(left: Graded, right: Graded, n: int) -> Matrix:
    """The coefficient of h^n of a product."""
    return sum(left[i] @ right[n - i] for i in range(n + 1))  # type: ignore[return-value]


def _solved(A: Graded, B: Graded) -> Graded:
    """X with A X = B as power series, A regular at 0."""
    inverse = _inverse(A[0])
    X: Graded = []
    for n, own in enumerate(B):
        known = sum((A[i] @ X[n - i] for i in range(1, n + 1)), start=own * 0)
        X.append(inverse @ (own - known))
    return X


def _inverse(A: Matrix) -> Matrix:
    if len(A) == 1:
        return 1 / A
    (a, b), (c, d) = A
    return np.array([[d, -b], [-c, a]]) / (a * d - b * c)
