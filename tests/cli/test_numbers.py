"""Methods written out in numbers, and polynomials of the longest stable step, on the command line."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from numtoolkit import stability_function
from numtoolkit.files.storage import write_npz
from numtoolkit.problem.processes import EDM
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.optimal_stability import optimal_stability_polynomial
from numtoolkit.symbolic.verdict import verify

RK4 = "runge-kutta(A=((), (1/2), (0, 1/2), (0, 0, 1)), b=(1/6, 1/3, 1/3, 1/6))"
BDF_3 = "multistep(rho=(-2/11, 9/11, -18/11, 1), sigma=(0, 0, 0, 6/11))"


def test_a_tableau_of_numbers_is_a_scheme_wherever_a_name_is():
    """Its order is derived, its steps are those of its square tableau too, and its specification makes it again."""
    own = scheme(RK4)
    assert verify(own).derived["classical"] == 4
    assert scheme(own.spec) == own
    full = "runge-kutta(A=((0,0,0,0), (1/2,0,0,0), (0,1/2,0,0), (0,0,1,0)), b=(1/6,1/3,1/3,1/6))"
    times = np.array([3.0, 1.0, 0.5])
    assert lower(scheme(full), EDM(), times).steps == lower(own, EDM(), times).steps


def test_stability_takes_tableaus_and_multistep_methods_as_numbers(result):
    """An implicit tableau and BDF3, beside a scheme: what `stability_function` says of the same numbers."""
    middle = "runge-kutta(A=((1/4), (1/2, 1/2)), b=(2/3, 1/3))"  # no two of its numbers may be exchanged
    rows = result("stability", middle, BDF_3, "ddim")
    value = {(row["scheme"], row["of"]): row["value"] for row in rows}
    assert {name for name, _ in value} == {middle, BDF_3, "ddim"}
    bdf = stability_function(rho=["-2/11", "9/11", "-18/11", 1], sigma=[0, 0, 0, "6/11"])
    assert value[BDF_3, "A(alpha), degrees"] == pytest.approx(bdf.alpha.degrees)
    assert value[BDF_3, "order on linear equations"] == 3  # with rho and sigma exchanged the angle is the same
    own = stability_function(A=[["1/4", 0], ["1/2", "1/2"]], b=["2/3", "1/3"])
    assert value[middle, "R(w)"] == str(own.R)


@pytest.mark.check
def test_derive_finds_the_polynomial_of_the_longest_stable_step(run, result, tmp_path):
    """Of the real axis, and of eigenvalues in a file; what it writes is a scheme that is proved."""
    path, points = tmp_path / "mine.json", tmp_path / "points.npz"
    code, out, err = run("derive", "optimal(real, stages=3)", "--order", 1, "--out", path)
    assert (code, err) == (0, f"wrote {path}\n")
    assert out.startswith("optimal(real, stages=3), order 1: stable to h = 17.99")
    assert verify(scheme(str(path))).verdict == "proved"
    eigenvalues = np.array([-1.0, -0.3 + 0.4j])
    write_npz(points, {"eigenvalues": eigenvalues})
    found = result("derive", f"optimal({points}, stages=2)", "--order", 2)
    same = optimal_stability_polynomial(eigenvalues, 2, 2)
    assert (Fraction(found["h"]), found["coefficients"]) == (same.h, list(map(str, same.coefficients)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["stability", "runge-kutta(A=((1/2)))"],
            "runge-kutta is given by A and b; write runge-kutta(A=((), (1/2)), b",
        ),
        (["stability", "runge-kutta(A=1, b=(1))"], "runge-kutta: A = 1 is no list in parentheses; write one."),
        (["stability", "multistep(rho=(1, 1))"], "multistep is given by rho and sigma; write multistep(rho=(-1, 1)"),
        (["stability", "multistep(rho=(1, 1), sigma=(1))"], "rho has 2 coefficients and sigma 1; give as many of each"),
        (["verify", "runge-kutta(A=((1/2)), b=(1))"], "A[0][0] = 1/2: stage 0 uses itself; give an explicit tableau."),
        (["verify", "multistep(rho=(-1, 1), sigma=(0, 1))"], "multistep of numbers is no scheme but what `numtoolkit"),
        (["verify", "runge-kutta(A=((), (x)), b=(0, 1))"], "cannot read the number 'x'"),
        (
            ["derive", "optimal(real)", "--order", 1],
            "optimal is of a spectrum and stages; write optimal(real, stages=5)",
        ),
        (["derive", "optimal(real, stages=2)", "--order", 1, "--set", "a=1"], "--set is of families of weights; leave"),
        (["derive", "optimal(left, stages=2)", "--order", 1], "unknown set of eigenvalues 'left'"),
    ],
)
def test_methods_of_numbers_that_cannot_be_read_are_refused(run, words, said):
    """In one sentence, with what to write."""
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"numtoolkit: {said}")
