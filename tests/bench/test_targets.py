"""The tasks of an analyst side by side with NodePy and kauri, in one run: a table of times, targets and ratios.

A target is how long a task may take here, in milliseconds of one core that is otherwise idle; the table says where it
is missed, and by how much. Modes: exact (fractions, square roots, polynomials) and float. Nothing is asserted of time.

Two are missed for what stands below them. Of the import of the symbolic core numpy takes 70 to 95: an axis is one
object with what proofs and what runs ask of it, and declarations, which proofs read, name axes. Of a declared scheme of
13 stages, 3.5 go to its declaration and checks, and the rest to its 3360 terms with time; the same residuals without
declaration and time leaves stand in the rows before it.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

import numtoolkit as nt
from numtoolkit.declare.entries import number, sqrt
from numtoolkit.measure.stability import stability, stable_interval
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.modified_equation import modified_equation
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.rooted_trees import FOREST
from numtoolkit.symbolic.runge_kutta import Tableau
from tests.support import tableaus
from tests.support.other_packages import for_kauri, hushed, nodepy_methods, residuals, tableau
from tests.support.tableaus import book
from tests.support.timing import Task, least

pytestmark = pytest.mark.check  # the other packages alone take ten seconds

TIMES = 5  # ours is the least of so many; another package, slower, is timed once
Row = tuple[str, str, float, float, str, float]  # task, mode, ours, target, whose other, its; milliseconds


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    """The rows of the table, printed when all are there."""
    rows: list[Row] = []
    yield rows
    lines = [f"{'task':56}{'mode':6}{'ms':>8}{'target':>8}  {'':7}{'beside':24}{'ms':>10}{'ratio':>9}"]
    for task, mode, ours, target, name, theirs in rows:
        missed = f"{ours / target:.1f} x" if ours > target else "met"
        other = f"{name:24}{theirs:10.1f}{theirs / ours:9.0f}" if name else ""
        lines.append(f"{task:56}{mode:6}{ours:8.2f}{target:8.0f}  {missed:7}{other}".rstrip())
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", "", *lines, sep="\n")


def imported(*statements: str) -> float:
    """Milliseconds of processor time of statements in a fresh interpreter that keeps its byte code."""
    lines = ["import time", "start = time.process_time()", *statements, "print(1e3 * (time.process_time() - start))"]
    folder = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    runs = (subprocess.run(command, env=os.environ | folder, check=True, capture_output=True) for _ in range(TIMES))
    return min(float(run.stdout) for run in runs)


def beside(task: Task, other: Task | None = None) -> tuple[float, float]:
    """Milliseconds of ours and of the other's."""
    ours = least(task, TIMES)
    with hushed():
        return ours, least(other, 1) if other else math.nan


def rkf78() -> tuple[list[list[Fraction]], list[Fraction]]:
    """A and b of the thirteen stages, A square."""
    _, A, b = tableaus.RKF78
    return [[*map(Fraction, row), *[Fraction(0)] * (13 - len(row))] for row in A], list(map(Fraction, b))


def of_nodepy(A: list[list[Fraction]], b: list[Fraction], exact: bool = True) -> Any:
    """NodePy's method with these numbers."""
    import numpy as np
    import sympy
    from nodepy.runge_kutta_method import ExplicitRungeKuttaMethod

    def read(x: Fraction) -> Any:
        return sympy.Rational(x.numerator, x.denominator) if exact else float(x)

    kind = object if exact else float
    return ExplicitRungeKuttaMethod(np.array([[read(a) for a in row] for row in A], dtype=kind),
                                    np.array([read(x) for x in b], dtype=kind))  # fmt: skip


def gauss_3() -> Tableau:
    """The three stages of order 6, in Q(sqrt 15)."""
    r = sqrt(15)
    A = [
        ["5/36", number("2/9") - r / 15, number("5/36") - r / 30],
        [number("5/36") + r / 24, "2/9", number("5/36") - r / 24],
        [number("5/36") + r / 30, number("2/9") + r / 15, "5/36"],
    ]
    return tableau(A, ["5/18", "4/9", "5/18"])


def norms(own: Tableau, *orders: int) -> list[Any]:
    """The squares of the error norms of some orders."""
    values = residuals(own, max(orders))
    return [sum(v * v for t, v in values.items() if FOREST.trees[t].weight == n and v) for n in orders]


def unknown(stages: int, accelerate: bool) -> Tableau:
    """An explicit tableau all of whose weights are unknown."""
    names = [f"b{i}" for i in range(stages)] + [f"a{i}_{j}" for i in range(stages) for j in range(i)]
    field = Field(names, accelerate)
    rows = tuple({j: field.symbols[f"a{i}_{j}"] for j in range(i)} for i in range(stages))
    times = tuple(sum(row.values(), start=field.number(0)) for row in rows)
    b = {i: field.symbols[f"b{i}"] for i in range(stages)}
    return Tableau(field, rows, times, b, field.number(1), field.number(0))


def kauris_weights(stages: int, highest: int) -> None:
    """The same weights as sympy expressions, expanded."""
    import kauri

    for n in range(1, highest + 1):
        for tree in kauri.trees_of_order(n):
            kauri.rk_symbolic_weight(tree, stages, explicit=True).expand()


def kauris_equation(highest: int) -> None:
    """The modified equation of RK4 at every tree, in fractions."""
    import kauri

    _, A, b = tableaus.RK4
    rows = [[*map(Fraction, row), *[Fraction(0)] * (4 - len(row))] for row in A]
    exact = kauri.Map(lambda tree: Fraction(1, tree.factorial()))
    weights = kauri.RK(rows, list(map(Fraction, b))).elementary_weights_map()
    own = weights ^ (exact & kauri.Map(kauri.cem.antipode))
    for n in range(1, highest + 1):
        for t in FOREST.of_weight(n):
            if FOREST.trees[t].timeless == t:
                own(for_kauri(t))


def nodepys_check(exact: bool) -> None:
    """The order of RKF78 and, in floats, its residuals of order 9."""
    method = of_nodepy(*rkf78(), exact=exact)
    method.order(mode="exact" if exact else "float")
    if not exact:
        method.error_coeffs(9)


def drawn_by_us() -> None:
    """The region of RK4, drawn."""
    from matplotlib import pyplot

    pyplot.close(nt.stability_figure(stability("rk4", linear=[0.0]), "rk4"))


def drawn_by_nodepy() -> None:
    """The same by NodePy."""
    from matplotlib import pyplot

    nodepy_methods()["RK44"].plot_stability_region(N=400)
    pyplot.close("all")


SPLITTING = " ".join(f"{x.lower()}{i}*{x}" for i in range(1, 6) for x in "AB")
TASKS: dict[str, tuple[str, int, Task, str, Task | None]] = {  # mode, target, ours, whose other and what it does of it
    "order and 486 residuals to order 9, 13 stages": (
        "exact", 5, lambda: list(tableau(*rkf78()).listed(9)), "NodePy, the order alone", partial(nodepys_check, True),
    ),
    "the same, the other in floats": (
        "float", 5, lambda: list(tableau(*rkf78()).listed(9)), "NodePy", partial(nodepys_check, False),
    ),
    "the same of a declared scheme, 3360 terms with time": (
        "exact", 5, lambda: order(book("rkf78", tableaus.RKF78), highest=9), "", None,
    ),
    "order and two error norms of Gauss 3 in Q(sqrt 15)": (
        "exact", 30, lambda: norms(gauss_3(), 7, 8), "NodePy, the order alone",
        lambda: nodepy_methods()["GL3"].order(mode="exact"),
    ),
    "modified equation of RK4 to order 9": (
        "exact", 50, lambda: modified_equation("rk4", 9), "kauri, to order 7", partial(kauris_equation, 7),
    ),
    "conditions of 8 unknown stages to order 6, flint": (
        "exact", 50, lambda: list(unknown(8, True).listed(6)), "kauri, to order 4", partial(kauris_weights, 8, 4),
    ),
    "the same without flint": ("exact", 1000, lambda: list(unknown(8, False).listed(6)), "", None),
    "conditions of a splitting of 10 unknown flows, order 6": (
        "exact", 50, lambda: nt.conditions(SPLITTING, 6, "lie"), "", None,
    ),
    "modified equation of Strang's splitting to degree 9": (
        "exact", 50, lambda: modified_equation("B/2 A B/2", 9), "", None,
    ),
    "stable real interval, 13 stages": (
        "exact", 50, lambda: stable_interval(book("rkf78", tableaus.RKF78)), "NodePy",
        lambda: of_nodepy(*rkf78()).real_stability_interval(),
    ),
    "stable imaginary interval, 13 stages": (
        "exact", 50, lambda: stable_interval(book("rkf78", tableaus.RKF78), axis="imaginary"), "NodePy",
        lambda: of_nodepy(*rkf78()).imaginary_stability_interval(),
    ),
    "stability region, 400 x 400": ("float", 50, lambda: stability("rk4", linear=[0.0]), "", None),
    "the same, drawn": ("float", 50, drawn_by_us, "NodePy", drawn_by_nodepy),
}  # fmt: skip


def test_import_of_the_symbolic_core(benchmark: Any, table: list[Row]) -> None:
    """Without sympy, torch and matplotlib, which it does not load, in a fresh interpreter."""
    ours = imported("import numtoolkit.symbolic.classical")
    for name, statement in (("NodePy", "from nodepy import rk"), ("kauri", "import kauri")):
        table.append(("import of the symbolic core", "", ours, 100, name, imported(statement)))
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("task", TASKS)
def test_task_beside_other_packages(benchmark: Any, table: list[Row], task: str) -> None:
    """Ours a few times, the other once beside it."""
    mode, target, own, name, other = TASKS[task]
    own()  # sympy and matplotlib are loaded once
    ours, theirs = beside(own, other)
    table.append((task, mode, ours, target, name, theirs))
    benchmark.pedantic(own, rounds=1)
