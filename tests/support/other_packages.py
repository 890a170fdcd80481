"""NodePy and kauri as oracles: their methods and trees, read as ours. Each is imported where it is first asked for.

`make setup` installs both (the extra `oracles`); the package itself needs neither.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any

from numtoolkit.declare.entries import ZERO, Const, Entry, number, sqrt
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.rooted_trees import FOREST
from numtoolkit.symbolic.runge_kutta import Tableau

Plain = tuple[list[Any], list[list[Any]], list[Any]]  # c, A and b


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Without what another package warns of and prints."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


# --- tableaus


@cache
def nodepy_methods() -> dict[str, Any]:
    """Every Runge-Kutta method that NodePy knows by name, of a pair each of both."""
    with hushed():
        from nodepy import runge_kutta_method

        found = runge_kutta_method.loadRKM()
        pairs = {name: method for name, method in found.items() if hasattr(method, "embedded_method")}
        embedded = {f"{name} embedded": method.embedded_method for name, method in pairs.items()}
        return {**found, **{name: method.main_method for name, method in pairs.items()}, **embedded}


def entry(value: Any) -> Entry:
    """A number of NodePy: exact as a sum of rationals and roots, else known to its digits.

    These are those of a float, or, where it was written with 12 to 15 of them, those that were written.
    """
    import sympy

    if not isinstance(value, sympy.Basic) or value.is_Float:
        text = repr(float(value))
        return number(
            text if 12 <= sum(map(str.isdigit, text.lstrip("-0."))) <= 15 and "e" not in text else float(value)
        )
    total: Entry = ZERO
    for term, c in sympy.expand(sympy.radsimp(value)).as_coefficients_dict().items():
        share = Fraction(int(c.p), int(c.q))
        if not (term**2).is_Integer:
            return number(str(sympy.N(value, 30)))
        total = total + (share if term == 1 else share * sqrt(int(term**2)))
    return total


def plain(method: Any) -> Plain:
    """c, A and b of a method of NodePy, what is zero as 0."""

    def read(value: Any) -> Any:
        found = entry(value)
        return 0 if found == ZERO else found

    A = [[read(a) for a in row] for row in method.A]
    return [read(c) for c in method.c], A, [read(b) for b in method.b]


def tableau(A: list[list[Any]], b: list[Any]) -> Tableau:
    """Any Runge-Kutta method, implicit ones too, for an equation without time."""
    field = Field()
    rows = [[field.scalar(_entry(a)) for a in row] for row in A]
    return Tableau(
        field,
        tuple({j: a for j, a in enumerate(row) if a} for row in rows),
        tuple(sum(row, start=field.number(0)) for row in rows),
        {j: own for j, own in enumerate(field.scalar(_entry(x)) for x in b) if own},
        field.number(1),
        field.number(0),
    )


def _entry(value: Any) -> Entry:
    return value if isinstance(value, Entry) else Const(Fraction(value))


def residuals(own: Tableau, highest: int) -> dict[int, Any]:
    """Weight less 1/gamma over sigma of the trees without time to a weight, by number."""
    return {number: value for number, value in own.listed(highest) if FOREST.trees[number].timeless == number}


# --- trees


def of_nodepy(tree: str) -> int:
    """The number of a tree of NodePy, such as '{T^2{T}}': T a leaf, braces a node about its children."""
    stack: list[list[int]] = [[]]
    i = 0
    while i < len(tree):
        if tree[i] == "{":
            stack.append([])
        elif tree[i] == "^":
            end = i + 1
            while end < len(tree) and tree[end].isdigit():
                end += 1
            stack[-1] += [stack[-1][-1]] * (int(tree[i + 1 : end]) - 1)
            i = end - 1
        else:
            done = tuple(stack.pop()) if tree[i] == "}" else ()
            stack[-1].append(FOREST.number(done))
        i += 1
    ((found,),) = stack
    return found


def for_kauri(number: int) -> Any:
    """A tree without time as kauri's."""
    from kauri import Tree

    def nested(tree: int) -> list[Any]:
        return [nested(child) for child in FOREST.trees[tree].children]

    return Tree(nested(number))
