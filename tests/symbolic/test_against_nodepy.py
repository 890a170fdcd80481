"""NodePy and we on every Runge-Kutta method that it knows: orders, residuals of all trees, error norms, stability.

Where verdicts differ a table says who is right, and a computation that is neither's says why.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import pytest

from numtoolkit.measure.stability import stable_interval
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.rooted_trees import FOREST, NODE
from tests.support import tableaus
from tests.support.other_packages import hushed, nodepy_methods, of_nodepy, plain, residuals, tableau
from tests.support.tableaus import book

pytestmark = pytest.mark.check

HIGHEST = 9  # orders
EPS = 2.0**-53
ROUNDING = Fraction(1, 10**14)  # NodePy takes smaller residuals for 0

EXPLICIT = """FE SSP22star SSP22 Heun22 SSP33 Heun33 NSSP32 NSSP33 SSP43 SSP104 Lambert65 MTE22 Mid22 RK44 BuRK65
    Fehlberg45 Fehlberg43 Merson43 Söderlind43 Soderlind43 Zonneveld43 Tsit5 CK5 HH5 HH5S DP5 CMR6 BS3 BS5 SS3 PD8 SSP75
    SSP85 SSP95 SSP54 SSP53 SSP63""".split()
IMPLICIT = """BE LobattoIIIC4 LobattoIIIC3 LobattoIIIC2 LobattoIIIA2 LobattoIIIA3 RadauIIA2 RadauIIA3 SDIRK54 SDIRK23
    SDIRK34 TR-BDF2 GL2 GL3""".split()
EXPLICIT += [f"{name} embedded" for name in """SSP33 SSP43 SSP104 Fehlberg45 Fehlberg43 Merson43 Söderlind43 Soderlind43
    Zonneveld43 Tsit5 CK5 HH5 HH5S DP5 CMR6 BS3 BS5 SS3 PD8""".split()]  # fmt: skip
DECIMALS = "SSP22star Tsit5 CMR6 PD8 SSP75 SSP85 SSP95 SSP54 SSP53 SSP63".split()  # rounded tables
DECIMALS += [f"{name} embedded" for name in ("SSP33", "Tsit5", "CMR6", "PD8")]
EXACT = [name for name in EXPLICIT if name not in DECIMALS]

# Orders: ours of the decimals that were printed, and NodePy's of the floats that it has of them. It takes 1e-14 for 0,
# and the weights of Tsit5, of size 10, leave more than that; of SSP53 it has ten digits.
ORDERS = {"Tsit5": (5, 4), "SSP53": (3, 0)}
PRINTED = {"Tsit5": book("tsit5", tableaus.TSIT5), "SSP53": tableaus.ssp_53()}

# Imaginary intervals: ours and NodePy's, and the order p of the method. It looks for roots of |R(iy)|^2 - 1, whose
# lowest coefficients, 0 by the order, are rounding errors of either sign: so it stops at 0 where there is an interval,
# or finds roots that there are not.
IMAGINARY = {
    "PD8": (0, 0.1054575576, 8),
    "SSP54": (3.2783555976, 3.87315e-4, 4),
    "Tsit5": (0.477978868882, 0, 5),
    "CMR6": (2.60926772655, 0, 6),
    "SSP53": (2.6951728, 1.35475e-4, 3),
    "CMR6 embedded": (1.4931506018, 0, 5),
}


def ours(name):
    """A method of NodePy as our tableau."""
    _, A, b = plain(nodepy_methods()[name])
    return tableau(A, b)


def found_order(own, rounding=0):
    """The order to which all residuals vanish, those not larger than `rounding` too."""
    size = own.field.size
    for number, value in residuals(own, HIGHEST).items():
        if size(value) > rounding and (rounding or own.field.surely(value)):
            return FOREST.trees[number].weight - 1
    return HIGHEST


def test_every_method_of_nodepy_is_looked_at():
    """The lists of this file are what NodePy has, by their kind."""
    kinds = {name: method.is_explicit() for name, method in nodepy_methods().items()}
    assert kinds == dict.fromkeys(EXPLICIT, True) | dict.fromkeys(IMPLICIT, False)


@pytest.mark.parametrize("name", EXPLICIT + IMPLICIT)
def test_orders_are_nodepys(name):
    """The order of every method: exact numbers exactly, others to their digits or to the rounding of NodePy."""
    with hushed():
        theirs = nodepy_methods()[name].order(mode="float" if name in (*DECIMALS, "SDIRK34") else "exact")
    if name in ORDERS:
        assert theirs in ORDERS[name]  # which of the two hangs on how a machine sums what is left
    else:
        own = [found_order(ours(name), rounding) for rounding in ([0, ROUNDING] if name in DECIMALS else [0])]
        assert theirs in own


@pytest.mark.parametrize("name", ORDERS)
def test_where_orders_differ_the_digits_of_the_table_decide(name):
    """What is left of the order's conditions is more than NodePy allows, and nothing beside what the next order leaves.

    The decimals as they were printed allow all of it to be 0, so the order is ours.
    """
    p = ORDERS[name][0]
    assert order(PRINTED[name]).p == p
    field, left = ours(name).field, residuals(ours(name), p + 1)
    sizes = [max(field.size(v) for t, v in left.items() if FOREST.trees[t].weight == n) for n in range(1, p + 2)]
    assert ROUNDING < max(sizes[:p]) < Fraction(1, 10**9) < Fraction(1, 10**5) < sizes[p]


@pytest.mark.parametrize("name", EXPLICIT + IMPLICIT)
def test_residuals_of_all_trees_are_nodepys(name):
    """Every tree to two orders beyond the method's, within what the rounding of NodePy's float64 sums may be.

    That is an eps for each operation on the largest path: stages times weight, of the sum with all terms positive.
    """
    method = nodepy_methods()[name]
    _, A, b = plain(method)
    own = tableau(A, b)
    highest = min(max(found_order(own, ROUNDING), 1) + 2, HIGHEST - 1)
    values = residuals(own, highest)
    large = absolute(own, highest)
    with hushed():
        import nodepy.rooted_trees

        floats = method.__num__()
        trees = [tree for n in range(2, highest + 1) for tree in nodepy.rooted_trees.list_trees(n)]
        theirs = {of_nodepy(str(tree)): float(floats.error_coefficient(tree)) for tree in trees}
    theirs[NODE] = float(sum(floats.b)) - 1  # of which NodePy makes a vector
    assert theirs.keys() == values.keys()
    for number, value in values.items():
        tree = FOREST.trees[number]
        bound = 4 * len(A) * tree.weight * EPS * (large[number] + 1 / tree.density) / tree.symmetry
        assert abs(float(own.field.interval(value).centre) - theirs[number]) <= bound, (tree, theirs[number])


def absolute(own, highest):
    """The weights of trees without time with all numbers taken positive, in float64, by number."""
    A = [{j: float(own.field.size(a)) for j, a in row.items()} for row in own.A]
    g = {}
    for number in residuals(own, highest):
        g[number] = [1.0] * len(A)
        for child in FOREST.trees[number].children:
            inner = [sum(a * g[child][j] for j, a in row.items()) for row in A]
            g[number] = [x * y for x, y in zip(g[number], inner, strict=True)]
    return {number: sum(float(own.field.size(w)) * g[number][j] for j, w in own.b.items()) for number in g}


@pytest.mark.parametrize("name", EXACT)
def test_error_norms_are_nodepys_exactly(name):
    """Squares of the norms of the two leading orders and their largest residuals, in rationals."""
    method, own = nodepy_methods()[name], ours(name)
    with hushed():
        metrics = method.error_metrics()
    p = found_order(own)
    values = residuals(own, p + 2)
    for n, norm, largest in ((p + 1, *metrics[:2]), (p + 2, *metrics[2:4])):
        mine = [value for number, value in values.items() if FOREST.trees[number].weight == n]
        assert sum(v**2 for v in mine) == Fraction(str(norm**2))
        assert max(map(abs, mine)) == Fraction(str(largest))


@pytest.mark.parametrize("name", EXPLICIT)
def test_stable_intervals_are_nodepys(name):
    """Both axes, to the digits of its float64 roots; where they differ, the values of the table."""
    method = nodepy_methods()[name]
    own = scheme_of(name)
    with hushed():
        theirs = [float(method.real_stability_interval()), float(method.imaginary_stability_interval())]
    mine = [stable_interval(own, axis=axis).value for axis in ("real", "imaginary")]
    assert mine[0] == pytest.approx(theirs[0], rel=1e-9)
    if name in IMAGINARY:
        assert (mine[1], theirs[1]) == (pytest.approx(IMAGINARY[name][0]), pytest.approx(IMAGINARY[name][1], rel=1e-4))
    else:
        assert mine[1] == pytest.approx(theirs[1], rel=1e-9)


def scheme_of(name):
    """An explicit method of NodePy as a scheme, of its floats or, where these are too few digits, as it was printed."""
    if name == "SSP53":
        return PRINTED[name]
    c, A, b = plain(nodepy_methods()[name])
    return book("own", (c, [row[:i] for i, row in enumerate(A)], b))


@pytest.mark.parametrize("name", IMAGINARY)
def test_where_imaginary_intervals_differ_the_lowest_term_decides(name):
    """|R(iy)|^2 - 1 in rationals, the coefficients that the order fixes set to 1/k!: negative to our end, then not."""
    own, _, p = IMAGINARY[name]
    gap = growth(name, p)
    assert all(gap(Fraction(k, 1000) * Fraction(own)) < 0 for k in range(1, 1000) if own)
    assert all(gap(Fraction(own) * (1 + Fraction(k, 1000)) + Fraction(k, 10**4) * (not own)) > 0 for k in range(1, 9))


def growth(name, p):
    """y -> |R(iy)|^2 - 1 of a method with the floats that NodePy has, exactly, R to z^p that of the exponential."""
    method = nodepy_methods()[name]
    A = [[Fraction(float(a)) for a in row] for row in method.A]
    powers, vector = [Fraction(1)], [Fraction(1)] * len(A)
    for _ in A:
        powers.append(sum(Fraction(float(b)) * v for b, v in zip(method.b, vector, strict=True)))
        vector = [sum(a * v for a, v in zip(row, vector, strict=True)) for row in A]
    powers[: p + 1] = [Fraction(1, factorial(k)) for k in range(p + 1)]

    def gap(y):
        even = sum(c * (-1) ** (k // 2) * y**k for k, c in enumerate(powers) if k % 2 == 0)
        odd = sum(c * (-1) ** (k // 2) * y**k for k, c in enumerate(powers) if k % 2)
        return even**2 + odd**2 - 1

    return gap
