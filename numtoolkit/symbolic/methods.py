"""Methods given by their numbers, explicit or not: tableaus and multistep methods, and what becomes of w in them.

A tableau A, b has R(w) = det(I - w A + w 1 b') / det(I - w A), and a unit of rounding in stage i adds
w b' (I - w A)^-1 e_i = det(I - w A + w e_i b') / det(I - w A) - 1 to the new state (Hairer & Wanner 1996, IV.3 (3.3)).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from numtoolkit.errors import InputError, counted, several
from numtoolkit.symbolic.algebraic import Algebraic, exact_numbers, rational_where_all_are
from numtoolkit.symbolic.unit_circle import Polynomial, add, common, divided, trimmed

MOST_STAGES, MOST_STEPS = 20, 20
Tableau = tuple[list[list[Any]], list[Any]]


def tableau(A: list[Any], b: list[Any]) -> Tableau:
    """The numbers of a tableau, of one field.

    raises   InputError for another shape, and as `numtoolkit.symbolic.algebraic.exact_numbers`
    """
    s, rows = len(b), [several(f"A[{i}]", row) for i, row in enumerate(A)]
    if not 0 < s <= MOST_STAGES or len(rows) != s or any(len(row) != s for row in rows):
        shape = (
            f"{counted(len(rows), 'row')} of {', '.join(str(len(row)) for row in rows[:MOST_STAGES]) or 'no'} numbers"
        )
        raise InputError(
            f"A has {shape} and b has {counted(s, 'weight')}; give s rows of s numbers and s weights, "
            f"s = 1 to {MOST_STAGES}."
        )
    named = [(f"A[{i}][{j}]", x) for i, row in enumerate(rows) for j, x in enumerate(row)]
    found = exact_numbers([*named, *((f"b[{j}]", x) for j, x in enumerate(b))])
    return [found[i * s : (i + 1) * s] for i in range(s)], found[s * s :]


def of_tableau(A: list[list[Any]], b: list[Any]) -> list[Polynomial]:
    """The coefficients of Q zeta - P, P and Q without common factors."""
    Q = _reversed_characteristic(A)
    P = _reversed_characteristic([_less(row, b) for row in A])
    shared = common(P, Q)
    P, Q = divided(P, shared)[0], divided(Q, shared)[0]
    return [rational_where_all_are([-c / Q[0] for c in P]), rational_where_all_are([c / Q[0] for c in Q])]


def responses(A: list[list[Any]], b: list[Any]) -> list[tuple[Polynomial, Polynomial]]:
    """What a unit in each stage adds to the new state, as P and Q without common factors."""
    Q, found = _reversed_characteristic(A), []
    for i in range(len(b)):
        moved = _reversed_characteristic([_less(row, b) if j == i else row for j, row in enumerate(A)])
        P = trimmed(add(moved, [-c for c in Q]))
        shared = common(P, Q)
        found.append((divided(P, shared)[0], divided(Q, shared)[0]))
    return found


def _less(row: list[Any], b: list[Any]) -> list[Any]:
    return [a - w for a, w in zip(row, b, strict=True)]


def _reversed_characteristic(matrix: list[list[Any]]) -> Polynomial:
    """det(I - w A): the characteristic polynomial, its highest coefficient first."""
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    flat, size = [x for row in matrix for x in row], len(matrix)
    field = next((x.field for x in flat if isinstance(x, Algebraic)), None)
    if field is None:
        values, domain = [QQ(x.numerator, x.denominator) for x in flat], QQ
    else:
        values, domain = [(Algebraic(field, field.domain.zero) + x).value for x in flat], field.domain
    found = DomainMatrix([values[i * size : (i + 1) * size] for i in range(size)], (size, size), domain).charpoly()
    return trimmed([Algebraic(field, c) if field else Fraction(int(c.numerator), int(c.denominator)) for c in found])


def of_multistep(rho: list[Any], sigma: list[Any]) -> list[Polynomial]:
    """The coefficients of rho - w sigma, the highest of rho 1, roots zeta = 0 left out.

    raises   InputError for lists of another length, coefficients that are not rational, and no method at all
    """
    if not 1 < len(rho) <= MOST_STEPS + 1 or len(sigma) != len(rho):
        raise InputError(
            f"rho has {counted(len(rho), 'coefficient')} and sigma {len(sigma)}; give as many of each, "
            f"2 to {MOST_STEPS + 1}, those of zeta^0, zeta^1, ..."
        )
    values = exact_numbers(
        [(f"{what}[{j}]", x) for what, own in (("rho", rho), ("sigma", sigma)) for j, x in enumerate(own)]
    )
    if any(isinstance(x, Algebraic) for x in values):
        raise InputError("rho and sigma have irrational coefficients; give rational ones.")
    highest = values[len(rho) - 1]
    if not highest or not any(values[len(rho) :]):
        raise InputError("rho has no highest coefficient, or sigma none at all; give a method that moves the state.")
    rows = [[a / highest, -b / highest] for a, b in zip(values[: len(rho)], values[len(rho) :], strict=True)]
    return rows[next(j for j, row in enumerate(rows) if any(row)) :]
