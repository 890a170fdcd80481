"""kauri and we on rooted trees: elementary weights, products and inverses of B-series, modified equations."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest

from numtoolkit.symbolic.modified_equation import logarithm
from numtoolkit.symbolic.rooted_trees import FOREST
from tests.support import tableaus
from tests.support.other_packages import for_kauri, residuals, tableau

pytestmark = pytest.mark.check

HIGHEST = 7  # nodes
RADAU = ([["5/12", "-1/12"], ["3/4", "1/4"]], ["3/4", "1/4"])
LOBATTO = ([["1/6", "-1/3", "1/6"], ["1/6", "5/12", "-1/12"], ["1/6", "2/3", "1/6"]], ["1/6", "2/3", "1/6"])
METHODS = {
    "midpoint": ([["1/2"]], ["1"]),
    "radau-2": RADAU,
    "lobatto-3": LOBATTO,
    **{
        name: (A, b) for name, (_, A, b) in {"rk4": tableaus.RK4, "dp5": tableaus.DP5, "nssp": tableaus.NSSP_32}.items()
    },
}


def numbers(name):
    """A and b of a method in fractions, A square."""
    A, b = METHODS[name]
    rows = [[*map(Fraction, row), *[Fraction(0)] * (len(b) - len(row))] for row in A]
    return rows, list(map(Fraction, b))


def trees(highest):
    """The trees without time to a number of nodes."""
    return [t for n in range(1, highest + 1) for t in FOREST.of_weight(n) if FOREST.trees[t].timeless == t]


def weights(A, b, highest):
    """The elementary weights that our residuals come from."""
    found = residuals(tableau(A, b), highest)
    return {t: v * FOREST.trees[t].symmetry + Fraction(1, FOREST.trees[t].density) for t, v in found.items()}


def kauris(name):
    """The elementary weights of a method as a map of kauri."""
    from kauri import RK

    return RK(*numbers(name)).elementary_weights_map()


def values(own, highest):
    """A map of kauri at every tree."""
    return {t: own(for_kauri(t)) for t in trees(highest)}


def test_rooted_trees_are_kauris():
    """As many of each number of nodes, with their densities and symmetries, to 9 nodes."""
    from kauri import trees_of_order

    for n in range(1, 10):
        own = {for_kauri(t).sorted(): FOREST.trees[t] for t in trees(n) if FOREST.trees[t].weight == n}
        assert own.keys() == {tree.sorted() for tree in trees_of_order(n)}
        assert all((t.factorial(), t.sigma()) == (tree.density, tree.symmetry) for t, tree in own.items())


@pytest.mark.parametrize("name", METHODS)
def test_elementary_weights_are_kauris(name):
    """Every tree, in fractions, of explicit and implicit methods."""
    assert weights(*numbers(name), HIGHEST) == values(kauris(name), HIGHEST)


@pytest.mark.parametrize(("first", "second"), list(product(("midpoint", "rk4", "radau-2"), repeat=2)))
def test_a_step_after_another_has_kauris_product_of_their_b_series(first, second):
    """The tableau of both steps in one against the product over all cuts of a tree."""
    (A, b), (B, d) = numbers(first), numbers(second)
    both = [[*row, *[Fraction(0)] * len(d)] for row in A] + [[*b, *row] for row in B]
    assert weights(both, [*b, *d], HIGHEST) == values(kauris(first) * kauris(second), HIGHEST)


@pytest.mark.parametrize("name", METHODS)
def test_the_step_back_has_kauris_antipode_of_the_b_series(name):
    """The tableau of the inverse step, A - e b and -b, against the sum over all cuts with their signs."""
    A, b = numbers(name)
    back = [[a - w for a, w in zip(row, b, strict=True)] for row in A]
    assert weights(back, [-w for w in b], HIGHEST) == values(kauris(name) ** -1, HIGHEST)


@pytest.mark.parametrize("name", METHODS)
def test_modified_equations_are_kauris(name):
    """The logarithm by cuts of single edges against the convolution with the inverse of the exact series."""
    from kauri import Map, cem

    exact = Map(lambda tree: Fraction(1, tree.factorial()))
    theirs = values(kauris(name) ^ (exact & Map(cem.antipode)), HIGHEST - 1)
    assert logarithm(tableau(*numbers(name)), HIGHEST - 1) == theirs
