"""Schemes that a specification writes out in numbers: runge-kutta(A=((), (1/2)), b=(0, 1))."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from numtoolkit.declare.forms import runge_kutta
from numtoolkit.declare.runs import one_step
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.errors import InputError
from numtoolkit.spec_text import Spec, Value, show

TABLEAU = "runge-kutta"


def numbers_of(spec: Spec, *names: str) -> list[tuple[Any, ...]]:
    """The tuples of a specification by their names, in which nothing else stands.

    raises   InputError for a missing one, another, and one that is no tuple
    """
    given = dict(spec.named)
    if spec.positional or set(given) != set(names) or len(spec.named) != len(names):
        raise InputError(f"{spec.name} is given by {' and '.join(names)}; write {EXAMPLES[spec.name]}.")
    for name in names:
        if not isinstance(given[name], tuple):
            raise InputError(f"{spec.name}: {name} = {show(given[name])} is no list in parentheses; write one.")
    return [given[name] for name in names]  # type: ignore[misc]  # tuples


def square(rows: Sequence[Value], count: int) -> list[list[Any]]:
    """The rows of a tableau of `count` stages, those that are shorter filled with zeros."""
    listed: list[list[Any]] = [list(row) if isinstance(row, tuple) else [row] for row in rows]
    return [row + [Fraction(0)] * (count - len(row)) for row in listed]


def of_tableau(spec: Spec) -> Scheme:
    """An explicit Runge-Kutta scheme of the drift in process time, its abscissae the sums of its rows.

    spec     with A, a row a stage, zeros at its end left out or not, and b
    raises   InputError for a tableau that is not explicit, or of another shape
    """
    A, b = numbers_of(spec, "A", "b")
    rows = square(A, len(b))
    cut = [row[:i] if not any(row[i:]) else row for i, row in enumerate(rows)]
    c = [Fraction(0), *(sum((x for x in row if isinstance(x, Fraction)), Fraction(0)) for row in cut[1:])]
    own = Scheme(
        TABLEAU,
        family="classical",
        source="numbers of its specification",
        steps=one_step(runge_kutta(c, cut, b)),
        frozen="drift",
        clock="time",
        claims=Claims(),
    )
    return own.with_structure(A=show(A), b=show(b))


EXAMPLES = {TABLEAU: "runge-kutta(A=((), (1/2)), b=(0, 1))", "multistep": "multistep(rho=(-1, 1), sigma=(0, 1))"}
