"""Order conditions as equations in the unknowns of a family: what vanishes for every z, coefficient by coefficient.

A stiff condition is a function of z. The functions phi_k(c z) with different c and k are independent of each other and
of the powers of z, so each of their coefficients has to vanish by itself (Hochbruck & Ostermann 2005, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.symbolic.condition import Condition
from numtoolkit.symbolic.conditions import conditions
from numtoolkit.symbolic.exponential_polynomials import PhiFactor, in_phi
from numtoolkit.symbolic.numbers import Field, Ratio, Surd


def conditions_of(scheme: Scheme, order: int, kind: str) -> tuple[Field, tuple[str, ...], list[Condition]]:
    """The order conditions of a scheme to an order of a kind, the field of their values, and the variables z in it.

    Those without derivatives in time come first of an order.
    raises   InputError for a scheme without orders of the kind
    """
    found = conditions(scheme, order, kind)
    listed = sorted(found, key=lambda c: (c.order, "_t" in c.tree)) if kind == "classical" else list(found)
    return found.field, found.variables, listed


def equations(elements: Field, variables: Sequence[str], listed: Sequence[Condition]) -> tuple[Field, list[Condition]]:
    """What conditions ask of the unknowns: each coefficient that must vanish, in the field without the variables.

    elements, variables, listed   the field of their values, the z in it, and the conditions themselves
    returns                       that field, and each coefficient as a condition, named by what it stands at
    """
    numbers = Field(set(elements.names) - set(variables))
    found = []
    for condition in listed:
        function = condition.value if isinstance(condition.value, dict) else {(): condition.value}
        for factors, value in in_phi(function, elements, variables).items():
            at = "".join(f" {_shown(factor, elements)}" for factor in factors)
            tree = f"{condition.tree} at{at}" if at else condition.tree
            found.append(Condition(condition.order, tree, _moved(value, elements, numbers)))
    return numbers, found


def _moved(value: Any, elements: Field, numbers: Field) -> Any:
    """An element in which some symbols do not stand, in the field without these."""
    kept = [elements.variables.index(name) for name in numbers.variables]

    def moved(f: Any) -> Any:
        return numbers.polynomial({tuple(powers[i] for i in kept): c for powers, c in f.to_dict().items()})

    if isinstance(value, Surd):
        raise InputError("a scheme with square roots among its numbers has no derivation here; take a rational one.")
    return Ratio(moved(value.top), moved(value.bottom)) if isinstance(value, Ratio) else numbers.number(value)


def _shown(factor: PhiFactor, elements: Field) -> str:
    z, k, c = factor
    if c is None:
        return f"{z}^{k}"
    scale = elements.text(c)
    return f"phi{k}({z})" if c == 1 else f"phi{k}({f'({scale})' if ' ' in scale else scale}*{z})"
