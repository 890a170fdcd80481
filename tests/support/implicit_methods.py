"""Implicit methods of the literature: tableaus (A, b) of exact numbers, and multistep methods (rho, sigma)."""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial
from typing import Any

import sympy

from tests.support.tableaus import rows

Tableau = tuple[list[list[Any]], list[Any]]
Multistep = tuple[list[Fraction], list[Fraction]]

_3, _6, _15 = sympy.sqrt(3), sympy.sqrt(6), sympy.sqrt(15)
Q = sympy.Rational
GAMMA_2 = 1 - sympy.sqrt(2) / 2  # of the L-stable SDIRK of two stages (Alexander 1977)
GAMMA_3 = (3 + _3) / 6  # of that of order 3 (Norsett 1974, Crouzeix 1975)

GAUSS_2 = ([[Q(1, 4), Q(1, 4) - _3 / 6], [Q(1, 4) + _3 / 6, Q(1, 4)]], [Q(1, 2), Q(1, 2)])
GAUSS_3 = (
    [
        [Q(5, 36), Q(2, 9) - _15 / 15, Q(5, 36) - _15 / 30],
        [Q(5, 36) + _15 / 24, Q(2, 9), Q(5, 36) - _15 / 24],
        [Q(5, 36) + _15 / 30, Q(2, 9) + _15 / 15, Q(5, 36)],
    ],
    ["5/18", "4/9", "5/18"],
)
RADAU_IIA_3 = (
    [
        [(88 - 7 * _6) / 360, (296 - 169 * _6) / 1800, (-2 + 3 * _6) / 225],
        [(296 + 169 * _6) / 1800, (88 + 7 * _6) / 360, (-2 - 3 * _6) / 225],
        [(16 - _6) / 36, (16 + _6) / 36, Q(1, 9)],
    ],
    [(16 - _6) / 36, (16 + _6) / 36, Q(1, 9)],
)
# Each with the degrees (k, j) of the Pade approximant that it has (Hairer & Wanner 1996, IV.5 table 5.13).
PADE: dict[str, tuple[Tableau, int, int]] = {
    "implicit Euler": (([[1]], [1]), 0, 1),
    "Gauss 1": ((rows("1/2"), [1]), 1, 1),
    "Gauss 2": (GAUSS_2, 2, 2),
    "Gauss 3": (GAUSS_3, 3, 3),
    "Radau IA 2": ((rows("1/4 -1/4", "1/4 5/12"), "1/4 3/4".split()), 1, 2),
    "Radau IIA 2": ((rows("5/12 -1/12", "3/4 1/4"), "3/4 1/4".split()), 1, 2),
    "Radau IIA 3": (RADAU_IIA_3, 2, 3),
    "Lobatto IIIA 2": ((rows("0 0", "1/2 1/2"), "1/2 1/2".split()), 1, 1),
    "Lobatto IIIA 3": ((rows("0 0 0", "5/24 1/3 -1/24", "1/6 2/3 1/6"), "1/6 2/3 1/6".split()), 2, 2),
    "Lobatto IIIB 3": ((rows("1/6 -1/6 0", "1/6 1/3 0", "1/6 5/6 0"), "1/6 2/3 1/6".split()), 2, 2),
    "Lobatto IIIC 2": ((rows("1/2 -1/2", "1/2 1/2"), "1/2 1/2".split()), 0, 2),
    "Lobatto IIIC 3": ((rows("1/6 -1/3 1/6", "1/6 5/12 -1/12", "1/6 2/3 1/6"), "1/6 2/3 1/6".split()), 1, 3),
}


def pade(k: int, j: int) -> tuple[list[Fraction], list[Fraction]]:
    """P and Q of the Pade approximant of exp, of degrees k and j (Hairer & Wanner 1996, IV.3 theorem 3.11)."""

    def half(n: int, other: int, sign: int) -> list[Fraction]:
        top = factorial(n)
        return [
            Fraction(top * factorial(n + other - i) * sign**i, factorial(n + other) * factorial(i) * factorial(n - i))
            for i in range(n + 1)
        ]

    return half(k, j, 1), half(j, k, -1)


def sdirk_2(gamma: Any) -> Tableau:
    """The two stages with one diagonal entry that are of order 2 and stiffly accurate."""
    return [[gamma, 0], [1 - gamma, gamma]], [1 - gamma, gamma]


def sdirk_3(gamma: Any) -> Tableau:
    """The two stages of order 3 for gamma = (3 +- sqrt(3))/6."""
    return [[gamma, 0], [1 - 2 * gamma, gamma]], [Q(1, 2), Q(1, 2)]


def bdf(k: int) -> Multistep:
    """Backward differences: the sum over m = 1..k of nabla^m / m (Hairer, Norsett & Wanner 1993, III.1 (1.22'))."""
    rho = [Fraction(0)] * (k + 1)
    for m in range(1, k + 1):
        for i in range(m + 1):
            rho[k - i] += Fraction((-1) ** i * comb(m, i), m)
    return rho, [Fraction(0)] * k + [Fraction(1)]


def adams(k: int, implicit: bool) -> Multistep:
    """The weights of the polynomial through k evaluations, and the new one where it is implicit, from the moments."""
    nodes = list(range(1 - k, 2 if implicit else 1))
    matrix = sympy.Matrix([[Q(node) ** i for node in nodes] for i in range(len(nodes))])
    weights = matrix.LUsolve(sympy.Matrix([Q(1, i + 1) for i in range(len(nodes))]))
    sigma = [Fraction(int(x.p), int(x.q)) for x in weights] + [Fraction(0)] * (not implicit)
    return [Fraction(0)] * (k - 1) + [Fraction(-1), Fraction(1)], sigma
