"""Rooted trees with time leaves as whole numbers, by increasing weight: each a tree with one more child at its root.

A node may have any number of time leaves beside its children: 1, 2, 5, 13, 37, 108, 332 trees of weight 1, 2, ...
Every tree arises once, as (rest, child) with `child` no smaller than those that `rest` has. Density, symmetry and
elementary weight then follow from those of the two parts (`mathematics.md` 4.2; Butcher 2016, section 304).
"""

from __future__ import annotations

from dataclasses import dataclass

from numtoolkit.symbolic.trees import Tree

TIME = 0  # the leaf that stands for time: a child, and no tree
NODE = 1  # the tree of one node


@dataclass(frozen=True, slots=True)
class Rooted:
    """One tree.

    weight           nodes and time leaves
    rest, child      the numbers of its two parts; (TIME, TIME) of the single node
    children         the numbers of all children of the root, in order
    density          gamma: the exact solution's elementary weight is 1 / gamma
    symmetry         sigma: the order of its group of symmetries, time leaves included
    timeless         the number of the tree with a node in place of each time leaf
    """

    weight: int
    rest: int
    child: int
    children: tuple[int, ...]
    density: int
    symmetry: int
    timeless: int


class Forest:
    """Every tree to some weight, in a list by number that grows when it is asked for heavier ones.

    twins   the trees that are the same without time, by the number of that one
    """

    def __init__(self) -> None:
        leaf = Rooted(1, TIME, TIME, (), 1, 1, NODE)
        self.trees = [leaf, leaf]
        self.starts = [0, NODE]  # the first number of each weight; TIME is listed apart
        self.twins = {NODE: [NODE]}
        self._numbers: dict[tuple[int, ...], int] = {(): NODE}
        self._shapes: dict[int, Tree] = {NODE: (0, ())}

    def __repr__(self) -> str:
        return f"<Forest of {len(self.trees) - 1} trees, to weight {self.highest}>"

    @property
    def highest(self) -> int:
        """The weight it has grown to."""
        return len(self.starts) - 1

    def of_weight(self, weight: int) -> range:
        """The numbers of the trees of a weight."""
        while self.highest < weight:
            self._grow()
        end = self.starts[weight + 1] if weight < self.highest else len(self.trees)
        return range(self.starts[weight], end)

    def _grow(self) -> None:
        weight = self.highest + 1
        found: list[tuple[tuple[int, ...], int, int]] = []
        for child_weight in range(1, weight):
            own = self.of_weight(child_weight)
            for child in (TIME, *own) if child_weight == 1 else own:
                for rest in self.of_weight(weight - child_weight):
                    children = self.trees[rest].children
                    if not children or children[-1] <= child:
                        found.append(((*children, child), rest, child))
        first = len(self.trees)
        self.starts.append(first)
        numbers = self._numbers
        numbers |= {children: first + i for i, (children, _, _) in enumerate(found)}
        for children, rest, child in found:
            timeless = tuple(sorted(self.trees[c].timeless for c in children))
            left, right = self.trees[rest], self.trees[child]
            density = left.density * right.density * weight // left.weight
            symmetry = left.symmetry * right.symmetry * children.count(child)
            self.trees.append(Rooted(weight, rest, child, children, density, symmetry, numbers[timeless]))
            self.twins.setdefault(numbers[timeless], []).append(numbers[children])

    def number(self, children: tuple[int, ...]) -> int:
        """The number of the tree with these children at its root, a tree no heavier than it has grown to."""
        return self._numbers[tuple(sorted(children))]

    def shape(self, number: int) -> Tree:
        """A tree as the general engine writes it: time derivatives, and children under the word N."""
        if number not in self._shapes:
            children = self.trees[number].children
            terms = sorted(((("N", "", 0),), self.shape(child)) for child in children if child != TIME)
            self._shapes[number] = (children.count(TIME), tuple(terms))
        return self._shapes[number]


FOREST = Forest()
