"""One order condition, as every engine lists it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Condition:
    """What a scheme must meet to be of an order: `value` is 0.

    order   which order asks for it
    tree    the tree or word that it belongs to, for people
    value   numerical minus exact (of stiff conditions exact minus numerical, as they are printed), exact: an element of
            the field of its engine, or an exponential polynomial over it; 0 or empty where it holds identically
    tex     the tree in LaTeX
    """

    order: int
    tree: str
    value: Any
    tex: str = field(default="", repr=False, compare=False)


def in_order(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Records of order and tree, lower orders and simpler trees first."""
    return sorted(rows, key=lambda row: (row["order"], len(str(row["tree"])), str(row["tree"])))


def record(order: int, tree: str, value: str) -> dict[str, object]:
    """A condition as data: its `order`, its `tree` and its `value` as text."""
    return {"order": order, "tree": tree, "value": value}
