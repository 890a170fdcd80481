"""Sums of exponentials exp(c z) times rational functions of z, in one or several z, and the same in phi functions.

Exponentials with different exponents are linearly independent over the rational functions, so a sum is zero only if
each factor is. In phi functions a sum without a pole at z = 0 has one form too, since

    exp(c z) / z^k = c^k phi_k(c z) + sum_{i<k} c^i z^(i-k) / i!      (Hochbruck & Ostermann 2010, eq. 2.11)

takes every power of z out of the denominators.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import factorial
from typing import Any

from numtoolkit.symbolic.numbers import Field, Surd

Exponents = tuple[tuple[str, Any], ...]  # ((variable, exponent), ...): the factor exp(sum exponent * variable)
ExpPoly = dict[Exponents, Any]  # exponential -> rational function of the variables
PhiFactor = tuple[str, int, Any]  # (variable z, k, c): phi_k(c z), or, with c None, z^k
PhiSum = dict[tuple[PhiFactor, ...], Any]  # product of such factors -> coefficient without the variables


def exponent(z: str, c: Any) -> Exponents:
    """exp(c z) as a key."""
    return ((z, c),) if c else ()


def added(parts: Iterable[ExpPoly]) -> ExpPoly:
    """The sum of the `parts`, zeros dropped."""
    found: ExpPoly = {}
    for part in parts:
        for key, value in part.items():
            summed = found[key] + value if key in found else value
            if summed:
                found[key] = summed
            else:
                found.pop(key, None)
    return found


def product(left: ExpPoly, right: ExpPoly) -> ExpPoly:
    """The product of two sums."""
    found: list[ExpPoly] = []
    for u, a in left.items():
        for v, b in right.items():
            exponents = dict(u)
            for z, c in v:
                exponents[z] = exponents[z] + c if z in exponents else c
            found.append({tuple(sorted(((z, c) for z, c in exponents.items() if c), key=lambda e: e[0])): a * b})
    return added(found)


def in_phi(function: ExpPoly, field: Field, variables: Sequence[str]) -> PhiSum:
    """A sum in phi functions, by products of them: coefficients hold none of the variables.

    function, field, variables   the sum, the field of its factors, and those of its symbols that it is a function of
    """
    left: dict[tuple[tuple[PhiFactor, ...], Exponents], Any] = {((), key): value for key, value in function.items()}
    for z in variables:
        found: dict[tuple[tuple[PhiFactor, ...], Exponents], Any] = {}
        for (factors, exponents), value in left.items():
            c = dict(exponents).get(z)
            rest = tuple(pair for pair in exponents if pair[0] != z)
            for power, coefficient in laurent(value, field, z).items():
                for own, scale in _terms(z, c, power):
                    key = ((*factors, *own), rest)
                    term = coefficient * scale
                    found[key] = found[key] + term if key in found else term
        left = {key: value for key, value in found.items() if value}
    return {factors: value for (factors, _), value in left.items()}


def _terms(z: str, c: Any, power: int) -> list[tuple[tuple[PhiFactor, ...], Any]]:
    """exp(c z) z^power, c None for no exponential, as (factors, scale)."""
    if c is None:
        return [(((z, power, None),) if power else (), 1)]
    if power >= 0:
        return [((*(((z, power, None),) if power else ()), (z, 0, c)), 1)]
    k = -power
    head = [(((z, i - k, None),), c**i * Fraction(1, factorial(i)) if i else 1) for i in range(k)]
    return [(((z, k, c),), c**k), *head]


def laurent(value: Any, field: Field, z: str) -> dict[int, Any]:
    """A factor as the coefficients of the powers of one variable, of which its denominator is a monomial.

    value, field, z   the factor, the field that it is an element of, and the variable
    """
    if isinstance(value, Surd):
        found: dict[int, dict[int, Any]] = {}
        for n, part in value.parts.items():
            for power, c in laurent(part, field, z).items():
                found.setdefault(power, {})[n] = c
        return {power: Surd.of(parts) for power, parts in found.items()}
    ((lowest, bottom),) = field.by_power(value.bottom, z).items()
    return {power - lowest: c / bottom for power, c in field.by_power(value.top, z).items()}


def expression(function: ExpPoly, field: Field, variables: Sequence[str]) -> Any:
    """A sum as a sympy expression in functions phi1, phi2, ... and exp; function, field, variables as for `in_phi`."""
    import sympy

    whole = sympy.Integer(0)
    for factors, value in in_phi(function, field, variables).items():
        term = sympy.factor(field.expression(value, decimals=True))
        for z, k, c in factors:
            variable = sympy.Symbol(z)
            if c is None:
                term = term * variable**k
            else:
                argument = sympy.factor(field.expression(c, decimals=True)) * variable
                term = term * (sympy.Function(f"phi{k}")(argument) if k else sympy.exp(argument))
        whole += term
    return whole
