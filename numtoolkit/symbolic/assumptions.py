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
from itertools import count
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.classical import tableau
from numtoolkit.symbolic.runge_kutta import Tableau


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
    own = tableau(scheme_of(scheme))
    most = 2 * len(own.A)

    def held(defects: Iterator[Any]) -> int:
        for k, defect in zip(range(most), defects, strict=False):
            if own.field.surely(defect):
                return k
        return most

    stages = tuple(held(_stage_defects(own, i)) for i in range(len(own.A)))
    columns = tuple(held(_column_defects(own, j)) for j in range(len(own.A)))
    return Assumptions(held(_weight_defects(own)), min(stages), min(columns), stages, columns)


def _weight_defects(own: Tableau) -> Iterator[Any]:
    return (sum(b * _power(own.times[i], k - 1) for i, b in own.b.items()) - Fraction(1, k) for k in count(1))


def _stage_defects(own: Tableau, i: int) -> Iterator[Any]:
    for k in count(1):
        reached = sum(a * _power(own.times[j], k - 1) for j, a in own.A[i].items())
        yield reached - _power(own.times[i], k) * Fraction(1, k)


def _column_defects(own: Tableau, j: int) -> Iterator[Any]:
    for k in count(1):
        used = sum(b * _power(own.times[i], k - 1) * own.A[i][j] for i, b in own.b.items() if j in own.A[i])
        yield used - own.b.get(j, 0) * (1 - _power(own.times[j], k)) * Fraction(1, k)


def _power(c: Any, k: int) -> Any:
    return c**k if k else 1
