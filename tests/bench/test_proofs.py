"""How long a proof takes: whole verdicts of the catalogue, plain Runge-Kutta tableaus next to NodePy's exact check."""

from __future__ import annotations

from time import perf_counter

import pytest

from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.stability_function import stability_function
from numtoolkit.symbolic.verdict import verify
from tests.support import tableaus
from tests.support.implicit_methods import bdf
from tests.support.other_packages import hushed, nodepy_methods, plain
from tests.support.tableaus import book
from tests.support.tiers import breadth

TIMES = 3  # each table of ours is read anew and timed so often, the best counts; NodePy, slower, once


VERDICTS = ["ddim", "heun-edm", "res-2s", "dpmpp-2m", "unipc", "rvv", "robab", "krogstad-4"]


@pytest.mark.parametrize("name", breadth(VERDICTS, lambda name: name in ("ddim", "res-2s", "rvv")))
def test_proof(benchmark, name):
    """A whole verdict a scheme: orders, residuals and ends, with parameters and ratios as letters."""
    member = scheme(name)
    verify(member)  # sympy, which prints residuals, is loaded once
    benchmark.pedantic(verify, (member,), rounds=5)


@pytest.mark.parametrize("name", breadth(["RK4", "DP5", "RKF78", "COOPER_VERNER", "TSIT5"], lambda name: name == "DP5"))
def test_proof_of_a_tableau(benchmark, name):
    """Order and every residual of a tableau: in rationals, in Q(sqrt 21), in published decimals."""
    tableau = getattr(tableaus, name)
    order(book("warm", tableau))
    benchmark.pedantic(order, setup=lambda: ((book(name.lower(), tableau),), {}), rounds=5)


@pytest.mark.parametrize("axis", ["real", "imaginary"])
def test_certified_interval_of_thirteen_stages(benchmark, axis):
    """The end as an algebraic number from the stability function of RKF78: reference-values 17."""
    c, A, b = tableaus.RKF78
    function = stability_function(A=[[*row, *[0] * (len(c) - len(row))] for row in A], b=b)
    end = benchmark(function.interval, axis)
    assert end.value == pytest.approx({"real": 5.00758884894057, "imaginary": 2.36515761405798}[axis])
    assert end.polynomial


def test_stability_function_of_thirteen_stages(benchmark):
    """R of RKF78 from its printed numbers."""
    c, A, b = tableaus.RKF78
    rows = [[*row, *[0] * (len(c) - len(row))] for row in A]
    assert benchmark(stability_function, A=rows, b=b).order == 8


def test_angle_of_the_sixth_backward_difference(benchmark):
    """A(17.84) of BDF6 with its cosine."""
    rho, sigma = bdf(6)
    angle = benchmark(lambda: stability_function(rho=rho, sigma=sigma).alpha)
    assert angle.degrees == pytest.approx(17.8397777922)


@pytest.mark.check
def test_orders_of_every_explicit_method_of_nodepy(benchmark, capsys):
    """How many times faster than NodePy's exact check; `tests/symbolic/test_against_nodepy.py` compares the orders."""
    tables, lines = [], []
    for name, method in nodepy_methods().items():
        if not method.is_explicit():
            continue
        c, A, b = plain(method)
        tables.append((c, [row[:i] for i, row in enumerate(A)], b))
        with hushed():
            start = perf_counter()
            theirs = method.order(mode="exact")
            slow = perf_counter() - start
        fast = timed(tables[-1], theirs or None)
        lines.append(f"{name:12} order {theirs}: {1e3 * fast:8.2f} ms   NodePy {slow / fast:7.1f} times")
    with capsys.disabled():
        print("", *lines, sep="\n")
    benchmark.pedantic(lambda: [order(book("own", table)) for table in tables], rounds=1)


def timed(table, claim):
    """The shortest time that the order of a tableau took, read anew each time."""
    times = []
    for _ in range(TIMES):
        own = book("own", table, claim)
        start = perf_counter()
        order(own)
        times.append(perf_counter() - start)
    return min(times)
