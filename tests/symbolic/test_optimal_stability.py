"""Optimal stability polynomials are the known ones, proved stable in rational numbers, and run as schemes."""

from __future__ import annotations

from fractions import Fraction as F
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import sympy

from numtoolkit import frozen_eigenvalues, optimal_stability_polynomial, verify
from numtoolkit.errors import InputError
from numtoolkit.measure.stability import real_interval
from numtoolkit.symbolic.amplification import amplification
from numtoolkit.symbolic.optimal_stability import _excess, _excess_on_axis, positive
from tests.support.tiers import breadth

z = sympy.Symbol("z")
segment = cache(optimal_stability_polynomial)


@pytest.mark.parametrize("s", breadth([2, 3, 1, 5, 10, 20], lambda s: s == 2))
def test_on_the_real_axis_first_order_gives_chebyshevs_polynomials(s):
    """T_s(1 + z/s^2), stable to 2 s^2 (Franklin 1959), proved on the whole segment."""
    found = segment("real", s, 1)
    assert float(found.h) == pytest.approx(2 * s**2, rel=1e-7)
    assert found.h < 2 * s**2
    assert found.excess == 0
    exact = sympy.Poly(sympy.chebyshevt(s, 1 + z / s**2), z).all_coeffs()[::-1]
    np.testing.assert_allclose([float(a) for a in found.coefficients], [float(a) for a in exact], rtol=2e-5)
    assert found.coefficients[:2] == (1, 1)
    assert found.over_square == pytest.approx(2, rel=1e-7)


SECOND = [(2, 2.0), (3, 6.2608), (4, 12.0468), (5, 19.457), (10, 81.112), (20, 327.67)]


@pytest.mark.parametrize(("s", "h"), breadth(SECOND, lambda s, h: s == 3))
def test_on_the_real_axis_second_order_reaches_0_81_of_the_square_of_the_stages(s, h):
    """The published steps (van der Houwen 1996), and s - 1 alternations, which no better polynomial could cross."""
    found = segment("real", s, 2)
    assert float(found.h) == pytest.approx(h, rel=2e-5)
    assert found.excess == 0
    assert found.coefficients[:3] == (1, 1, F(1, 2))
    x = np.cos(np.linspace(0, np.pi, 4000 * s + 1))[::-1] / 2 - 0.5  # from -1 to 0
    values = [found.value(float(found.h) * v).real for v in x[::40]]
    signs = [round(v) for v in values if abs(v) > 1 - 1e-3][:-1]  # 0 itself apart
    alternations = 1 + sum(a != b for a, b in pairwise(signs))
    assert alternations >= s - 1


@pytest.mark.parametrize(("p", "h"), [(1, 2), (2, 2), (3, 2.512745326618329), (4, 2.785293563405282)])
def test_a_degree_equal_to_the_order_leaves_the_taylor_polynomial(p, h):
    """Its real interval is the known one (Hairer & Wanner 1996, IV.2)."""
    found = segment("real", p, p)
    assert float(found.h) == pytest.approx(h, rel=2e-8)
    assert found.coefficients == tuple(F(1, int(sympy.factorial(j))) for j in range(p + 1))


IMAGINARY = [(2, 1, 1.0), (3, 2, 2.0), (4, 1, 3.0), (3, 1, 2.0), (5, 2, 4.0), (4, 2, 8**0.5), (8, 1, 7.0), (7, 2, 6.0)]


@pytest.mark.parametrize(("s", "p", "h"), breadth(IMAGINARY, lambda s, p, h: (s, p) == (3, 2)))
def test_on_the_imaginary_axis_the_step_is_the_known_one(s, p, h):
    """s - 1 at order 1, and at order 2 where s is odd (Kinnmark & Gray 1984); that of RK4 in four stages."""
    found = segment("imaginary", s, p)
    assert float(found.h) == pytest.approx(h, rel=5e-5)
    assert found.excess < 1e-9


@pytest.mark.check
def test_on_a_disc_the_step_is_the_number_of_stages():
    """|1 + z| <= 1 to order 1: (1 + z/s)^s is the one polynomial with h = s (Jeltsch & Nevanlinna 1978)."""
    found = optimal_stability_polynomial(-1 + np.exp(1j * np.linspace(0, 2 * np.pi, 41)), 3)
    assert float(found.h) == pytest.approx(3, rel=1e-6)
    np.testing.assert_allclose([float(a) for a in found.coefficients], [1, 1, 1 / 3, 1 / 27], rtol=1e-4)


def test_the_spectrum_of_a_diffusion_run_gets_a_longer_step_than_rk4s_and_it_is_stable():
    """Frozen eigenvalues of the flow on PSLD, data variance 1/4: 0.0131 with RK4's polynomial, 0.0333 with the best."""
    eigenvalues = frozen_eigenvalues("euler", "psld", 0.25, np.geomspace(1e-3, 1, 40)).ravel()
    found, rk4 = (optimal_stability_polynomial(eigenvalues, 4, order) for order in (2, 4))
    assert float(found.h) == pytest.approx(0.03328, rel=1e-3)
    assert float(rk4.h) == pytest.approx(0.013148, rel=1e-3)
    assert max(abs(found.value(float(found.h) * value)) for value in eigenvalues) <= 1 + 1e-9
    assert found.excess < 1e-10
    assert max(abs(found.value(1.001 * float(found.h) * value)) for value in eigenvalues) > 1


@pytest.mark.parametrize("seed", breadth(range(3), lambda seed: seed == 0))
def test_the_step_for_scattered_eigenvalues_is_the_best_of_a_scan(seed):
    """Two stages leave one number free: no a_2 on a fine grid has a longer step."""
    rng = np.random.default_rng(seed)
    eigenvalues = -rng.random(60) + 1j * rng.normal(size=60)
    found = optimal_stability_polynomial(eigenvalues, 2)
    h = float(found.h)
    a2 = np.linspace(0, 3, 6001)[:, None]
    largest = [np.abs(1 + t * eigenvalues + a2 * (t * eigenvalues) ** 2).max(axis=1).min() for t in (h, 1.002 * h)]
    assert largest[0] <= 1 + 1e-3 * h
    assert largest[1] > 1
    assert found.excess == 0


@pytest.mark.check
def test_units_conjugates_and_zeros_do_not_matter():
    """Eigenvalues twice as large halve the step; half of a pair stands for both; 0 is stable whatever the step."""
    some = np.array([-3.0, -1 + 1j, -0.2 - 0.5j])
    own = optimal_stability_polynomial(some, 2)
    for other, factor in ((2 * some, 2), (np.concatenate([some, some.conj()]), 1), ([0, *some.tolist()], 1)):
        found = optimal_stability_polynomial(other, 2)
        assert float(found.h) * factor == pytest.approx(float(own.h), rel=1e-7)
    assert own.spectrum == "3 eigenvalues"


@pytest.mark.parametrize(("s", "p"), breadth([(3, 2), (4, 2), (3, 1)], lambda s, p: (s, p) == (3, 2)))
def test_the_scheme_of_a_polynomial_has_it_for_its_stability_function(s, p):
    """R exactly, the order claimed, and the interval that the step is, by the engine of all schemes."""
    found = segment("real", s, p)
    own = found.scheme()
    assert tuple(-c for c in amplification(own, 0).coefficients[0]) == found.coefficients  # of zeta - R(w)
    verdict = verify(own)
    assert (verdict.derived["classical"], verdict.ok, own.nfe_per_step) == (p, True, s)
    assert real_interval(own) == pytest.approx(float(found.h), rel=1e-7)
    assert real_interval(own) >= float(found.h)
    assert own.spec == f"optimal-{s}-{p}"


def test_the_excess_is_judged_in_rational_numbers():
    """Of 1 + z + z^2/2 to h = 2 none, to 2.0005 some; of RK4 on the imaginary axis none to 2.8, some to 2.8285."""
    heun, rk4 = [F(1), F(1), F(1, 2)], [F(1), F(1), F(1, 2), F(1, 6), F(1, 24)]
    assert _excess(heun, F(2), np.array([-1.0 + 0j, -0.5])) == 0
    assert _excess_on_axis(heun, F(2) - F(1, 10**6), "real") == 0
    long = F(20005, 10000)
    assert long**2 / 2 - long <= _excess(heun, long, np.array([-1 + 0j])) <= F(1, 1024)
    assert long**2 / 2 - long <= _excess_on_axis(heun, long, "real") <= F(1, 1024)
    assert _excess_on_axis(rk4, F(28, 10), "imaginary") == 0
    assert 0 < _excess_on_axis(rk4, F(28285, 10000), "imaginary")
    assert _excess(rk4, F(28, 10), np.array([1j, 0.5j])) == 0
    with pytest.raises(InputError, match="take more digits than float64 has"):
        _excess(heun, F(3), np.array([-1 + 0j]))


@pytest.mark.parametrize(
    ("p", "holds"),
    [
        ([F(1, 4) + F(1, 10**9), -1, 1], True),  # (x - 1/2)^2 and a little
        ([F(1, 9) + F(1, 10**9), -F(2, 3), 1], True),  # (x - 1/3)^2 and a little
        ([F(1, 9) - F(1, 10**9), -F(2, 3), 1], False),
        ([F(1, 4), -1, 1], False),
        ([1, -3, F(9, 4)], False),  # (1 - 3 x / 2)^2
        ([1, -1], False),  # 0 at the end
        ([0, 1], False),
        ([1], True),
        ([2, -1, 0, 0, F(-1, 2)], True),
    ],
)
def test_positivity_on_an_interval_is_decided_exactly(p, holds):
    """By Bernstein coefficients of halved intervals; a double root counts as a fault, as rounding would make it one."""
    assert positive([F(c) for c in p]) is holds


def test_optimal_polynomials_have_their_faces():
    """A repr with the step, a table against the exponential, LaTeX to six digits, values exact beyond float64."""
    found = segment("real", 2, 1)
    assert repr(found) == "<OptimalPolynomial of order 1 in 2 stages, real: h = 8>"
    assert found.table()[2] == {"j": 2, "a": pytest.approx(0.125), "over exp": pytest.approx(0.25)}
    assert found.latex().startswith("R(z) = 1 + z + 0.125 z^{2}")
    assert found._repr_latex_() == f"$\\displaystyle {found.latex()}$"
    assert found.value(2 + 1j) == pytest.approx(1 + (2 + 1j) + (2 + 1j) ** 2 / 8)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("real", 2, 3), "has order 2 at most, not 3"),
        (("real", 41, 1), "stages = 41"),
        (("complex", 2, 1), "unknown set of eigenvalues 'complex'"),
        (([1.0, -1.0], 2, 1), "has a real part above 0"),
        (([0.0], 2, 1), "1 eigenvalue, 0 of them not 0, set no step"),
        (([], 2, 1), "0 eigenvalues, 0 of them not 0, set no step"),
        ((["a"], 2, 1), "the eigenvalue 'a' is a str and no number"),
        (([float("nan")], 2, 1), "no finite number"),
        (([-1.0], 2, 1), "2 stages make 1 eigenvalue stable at every step"),
        (("imaginary", 1, 1), "no step of order 1 in 1 stage is stable there"),
    ],
)
def test_what_has_no_optimal_polynomial_is_refused(given, said):
    """Orders, stages and eigenvalues of no meaning, sets that bound no step, sets that allow none."""
    with pytest.raises(InputError, match=said):
        optimal_stability_polynomial(*given)


def test_a_chain_of_stages_is_refused_beyond_order_2():
    """There it had the order for linear equations alone."""
    with pytest.raises(InputError, match="a chain of stages is of order 2 at most, not 3"):
        segment("real", 3, 3).scheme()
