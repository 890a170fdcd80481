"""The trees of the stiff order conditions, and how they are written.

A tree is (powers, children): a weight, that many factors c, and at least one child, which is a stage defect psi_j, by
its number j >= 2, or such a tree below a weight a of the stage. A defect weighs j, a factor c and an inner weight 1
(Luan & Ostermann 2014, section 3; `mathematics.md` 4.3): 0, 1, 3, 8, 19, 47, 114 trees of order 2, 3, ..., 8 below a
weight b, beside the defect psi_p itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

Tree = tuple[int, tuple[Any, ...]]
INDICES = "ijklmnpq"


def roots(p: int) -> Iterator[Tree]:
    """The trees of order p below a weight."""
    for powers in range(p - 2):
        yield from ((powers, children) for children in _children(p - 1 - powers, p))


def _children(total: int, below: int) -> Iterator[tuple[Any, ...]]:
    """Non-empty multisets of children of that total weight; each child weighs less than `below`."""
    kinds = [child for w in range(2, below) for child in _of_weight(w)]

    def choose(left: int, first: int) -> Iterator[tuple[Any, ...]]:
        if left == 0:
            yield ()
        for i in range(first, len(kinds)):
            w = _child_weight(kinds[i])
            if w <= left:
                yield from ((kinds[i], *rest) for rest in choose(left - w, i))

    yield from choose(total, 0)


def _of_weight(w: int) -> list[Any]:
    return [w, *roots(w)]


def _child_weight(child: Any) -> int:
    if isinstance(child, int):
        return child
    powers, children = child
    return 1 + int(powers) + sum(map(_child_weight, children))


def show(tree: Tree, weight: str = "b") -> str:
    """A tree for people: "b c psi2", "b (a psi2)", sums over the stages understood; `weight` stands at its root."""
    powers, children = tree
    parts = [weight, *(["c" if powers == 1 else f"c^{powers}"] if powers else [])]
    parts += [f"psi{child}" if isinstance(child, int) else f"({show(child, 'a')})" for child in children]
    return " ".join(parts)


def latex(tree: Tree) -> str:
    r"""The same in LaTeX with its sums: \sum_{i,j} b_{i}\,a_{ij}\,\psi_{2,j}."""
    numbers = count()

    def factors(tree: Tree, weight: str) -> list[str]:
        own = INDICES[next(numbers)]
        powers, children = tree
        parts = [f"{weight}{own}}}", *([f"c_{{{own}}}" + (f"^{{{powers}}}" if powers > 1 else "")] if powers else [])]
        for child in children:
            parts += [rf"\psi_{{{child},{own}}}"] if isinstance(child, int) else factors(child, f"a_{{{own}")
        return parts

    product = r"\,".join(factors(tree, "b_{"))
    return rf"\sum_{{{','.join(INDICES[: next(numbers)])}}} {product}"
