"""A stability function on paper: the table of all that is known of it, and its formula in LaTeX."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from numtoolkit.symbolic.condition import aligned, weighted
from numtoolkit.symbolic.unit_circle import End

if TYPE_CHECKING:
    from numtoolkit.symbolic.stability_function import StabilityFunction

Row = dict[str, object]


def table(function: StabilityFunction) -> list[Row]:
    """Each property `of` a method, its `value`, and of numbers the `exact` one as text."""
    growth = function.R if function.steps < 2 else function.characteristic
    rows = [_row(function.head.partition(" of ")[0], str(growth))]
    if function.order is not None:
        rows += [_row("order on linear equations", function.order), _row("exact less numerical", str(function.error))]
    if function.field is not None:
        rows += [_row("w = 0 is exact", function.L_exact), _row("limit for z -> -oo", str(function.limit))]
    at = "" if function.scheme is None else f" at h L = {function.z or 0}"
    for axis in ("real", "imaginary"):
        rows.append(_row(f"{axis} interval{at}", *_shown(getattr(function, axis))))
    if function.steps > 1:
        rows.append(_row(f"zero-stable{at}", function.zero_stable))
    if function.poles:
        rows.append(_row("poles", ", ".join(map(str, function.poles))))
    rows += [_row(f"A-stable{at}", function.A_stable), _row(f"L-stable{at}", function.L_stable)]
    if function.alpha is not None:
        rows.append(_row("A(alpha), degrees", function.alpha.degrees, f"cosine: {_shown(function.alpha.cosine)[1]}"))
    return rows


def _row(of: str, value: object, exact: str | None = None) -> Row:
    return {"of": of, "value": value, "exact": exact}


def _shown(end: End) -> tuple[object, str | None]:
    """An end as a number, and as an algebraic one in text."""
    import sympy

    if not end.polynomial:
        return (end.value if isfinite(end.value) else "no bound"), None
    root = end.number
    if not root.has(sympy.CRootOf):
        return end.value, str(root)
    return end.value, f"root of {sympy.Poly(end.polynomial[::-1], sympy.Symbol('r')).as_expr()}"


def latex(function: StabilityFunction) -> str:
    """R, or the polynomial in zeta, as an aligned display, a power of w or zeta a line."""
    import sympy

    letters = "z, w" if function.z is None else "w"
    if function.steps > 1:
        head, letters = "P", rf"\zeta, {letters}"
        rows = [(j, function.in_w(row)) for j, row in reversed(list(enumerate(function.rows)))]
        terms = [weighted(own, _power(r"\zeta", j)) for j, own in rows if own != 0]
    elif function.denominator != 1:
        head, terms = "R", [sympy.latex(function.R)]
    else:
        head, terms = "R", [weighted(-c, _power("w", i)) for i, c in enumerate(function.one_step[0]) if c != 0]
    first, *others = terms or ["0"]
    lines = [f"{head}({letters}) &= {first.removeprefix('+ ')}", *(rf"& \quad {own}" for own in others)]
    return aligned(f"{function.name}: stability function", lines)


def _power(letter: str, n: int) -> str:
    return "" if not n else letter if n == 1 else f"{letter}^{{{n}}}"
