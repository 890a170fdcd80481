"""One order condition, as every engine lists it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numtoolkit.symbolic.intervals import Interval
from numtoolkit.symbolic.numbers import Field

DIGITS = 6  # that are printed of a number which is no exact one


@dataclass(frozen=True)
class Condition:
    """What a scheme must meet to be of an order: `value` is 0.

    order   which order asks for it
    tree    the tree or word that it belongs to, for people
    value   numerical minus exact (of stiff conditions exact minus numerical, as they are printed), exact: an element of
            the field of its engine, or an exponential polynomial over it; 0 or empty where it holds identically
    tex     the tree in LaTeX
    edges   of a stiff condition in one z the function with a z for each edge of its tree, which is shorter to write
    """

    order: int
    tree: str
    value: Any
    tex: str = field(default="", repr=False, compare=False)
    edges: Any = field(default=None, repr=False, compare=False)


def in_order(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Records of order and tree, lower orders and simpler trees first."""
    return sorted(rows, key=lambda row: (row["order"], len(str(row["tree"])), str(row["tree"])))


def record(order: int, tree: str, value: str) -> dict[str, object]:
    """A condition as data: its `order`, its `tree` and its `value` as text."""
    return {"order": order, "tree": tree, "value": value}


# LaTeX


def factored(field: Field, value: Any) -> Any:
    """A `value` of a field as a factored sympy expression, one of which an interval is known as a float in it."""
    import sympy

    if isinstance(value, Interval):
        return sympy.Float(float(value.centre), DIGITS)
    return sympy.factor(field.expression(value, decimals=True))


def weighted(expression: Any, tex: str, names: Mapping[Any, str] | None = None) -> str:
    r"""A sympy expression times what `tex` says, with its sign: "+ A", "- \frac{1}{2}\,A", "+ \left(a + b\right)\,A".

    expression, names   the factor, and those of its symbols that are printed otherwise than spelt
    """
    import sympy

    negative = expression.could_extract_minus_sign()
    size = -expression if negative else expression
    text = sympy.latex(size, symbol_names=dict(names or {}))
    text = rf"\left({text}\right)" if size.is_Add else text
    return ("- " if negative else "+ ") + r"\,".join(part for part in ("" if size == 1 and tex else text, tex) if part)


def aligned(title: str, lines: Sequence[str]) -> str:
    """Lines of an aligned display in LaTeX's mathematics mode, below a comment."""
    return "\n".join([f"% {title}", r"\begin{aligned}", *(rf"  {line} \\" for line in lines), r"\end{aligned}"])
