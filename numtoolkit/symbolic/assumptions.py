"""The simplifying assumptions B(p), C(q), D(r) of a plain Runge-Kutta step (Butcher 1964; Hairer & Wanner 1996, IV.5).

    B(p)  sum_i b_i c_i^(k-1) = 1/k                         for k = 1..p
    C(q)  sum_j a_ij c_j^(k-1) = c_i^k / k                  for k = 1..q, at every stage i
    D(r)  sum_i b_i c_i^(k-1) a_ij = b_j (1 - c_j^k) / k    for k = 1..r, at every stage j

B(p), C(q), D(r) with p <= q + r + 1 and p <= 2 q + 2 make a scheme of order p; explicit ones, of C(1) at their second
stage, have orders beyond that. c is the time that the network is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from operator import mul
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.classical import plain_tableau
from numtoolkit.symbolic.steps_back import StepInClock


@dataclass(frozen=True)
class Assumptions:
    """How far each assumption holds identically, as far as the digits of the scheme's numbers say.

    B, C, D   the highest p, q and r; at most twice the number of stages
    stages    of every stage the highest q with which C holds there, likewise
    columns   of every stage the highest r with which D holds there
    """

    B: int
    C: int
    D: int
    stages: tuple[int, ...]
    columns: tuple[int, ...]

    def __repr__(self) -> str:
        return f"<Assumptions B({self.B}), C({self.C}), D({self.D})>"

    @property
    def order(self) -> int:
        """The order that they imply; a scheme may have a higher one."""
        return min(self.B, self.C + self.D + 1, 2 * self.C + 2)


def simplifying_assumptions(scheme: Scheme | str) -> Assumptions:
    """How far B, C and D hold for the inner step of a scheme, unbound parameters symbolic.

    raises   InputError for a step that is no plain Runge-Kutta step: frozen drift, or frozen noise in the noise level
    cost     milliseconds; no network calls
    """
    scheme = scheme_of(scheme)
    own = plain_tableau(StepInClock(scheme))
    if own is None:
        raise InputError(
            f"the step of {scheme.spec} is no plain Runge-Kutta step; take a scheme that freezes the drift, or the "
            "noise in the noise level, without history."
        )
    most = 2 * len(own.A)
    powers = [list(accumulate([c] * most, mul, initial=own.field.number(1))) for c in own.times]

    def held(defects: Iterator[Any]) -> int:
        return next((k for k, defect in enumerate(defects) if own.field.surely(defect)), most)

    def weights() -> Iterator[Any]:
        for k in range(1, most + 1):
            yield sum(b * powers[i][k - 1] for i, b in own.b.items()) - Fraction(1, k)

    def stage(i: int) -> Iterator[Any]:
        for k in range(1, most + 1):
            yield sum(a * powers[j][k - 1] for j, a in own.A[i].items()) - powers[i][k] * Fraction(1, k)

    def column(j: int) -> Iterator[Any]:
        for k in range(1, most + 1):
            used = sum(b * powers[i][k - 1] * own.A[i][j] for i, b in own.b.items() if j in own.A[i])
            yield used - own.b.get(j, 0) * (1 - powers[j][k]) * Fraction(1, k)

    count = range(len(own.A))
    stages, columns = tuple(held(stage(i)) for i in count), tuple(held(column(j)) for j in count)
    return Assumptions(held(weights()), min(stages), min(columns), stages, columns)
