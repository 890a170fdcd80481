"""The best B of each step leaves the least local error, and is the published one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, gaussian_flow
from numtoolkit.problem import axes
from numtoolkit.problem.conjugation import riccati, shift_of, terms
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import PSLD, VP
from numtoolkit.program.program import lower, problem_of
from numtoolkit.schemes import scheme
from tests.support.conjugate_runs import (
    ALL,
    CENTRED,
    IDS,
    OFF_CENTRE,
    PHASE,
    SCALAR,
    factors,
    largest_error,
    left_over,
    norm,
)
from tests.support.printed import agrees_to_the_printed_digits
from tests.support.tiers import breadth

# B best per step


@pytest.mark.parametrize(("process", "skip"), [*((p, "none") for p in ALL), *((p, "mm") for p in PHASE)])
def test_the_best_b_minimises_the_local_error(process, skip):
    """One step of constant B against the exact flow: everything `terms` says, the derivative of E included."""
    t, h = np.array([0.4]), 1e-3
    K, L, M = terms(problem_of(scheme(f"lambda-ddim-1(B=optimal, skip={skip})"), process), t)
    for number, unit in ((1, np.eye(process.blocks)), (2, np.ones((process.blocks, process.blocks)))):
        expected = -left_over(1.5 * unit, K, L, M)[0] / 2
        found = []
        for step in (h, h / 2, h / 4):
            times = np.array([t[0], t[0] - step])
            program = lower(scheme(f"lambda-ddim-{number}(3/2, skip={skip})"), process, times)
            R, _ = affine_map(program, Gaussian(0.0, 0.25))
            found.append((R[0] - gaussian_flow(process, np.array([0.25]), *times)[0]) / step**2)
        extrapolated = (8 * found[2] - 6 * found[1] + found[0]) / 3
        # what is left is of order h^3 with |h K| = 1/50, and 1e-12 of the reference over h^2 / 16
        np.testing.assert_allclose(extrapolated, expected, rtol=0, atol=3e-5 * np.abs(expected).max())


numbers = st.floats(-5, 5).map(lambda x: round(x, 3))
pairs = st.tuples(*[st.tuples(numbers, numbers)] * 2).map(np.array)


@settings(max_examples=100)
@given(pairs, pairs, pairs)
def test_riccati_finds_a_solution_no_larger_than_a_given_one(B, K, L):
    """Random equations with a known real solution: one is found, of at most its norm, unless eigenvalues meet."""
    M = -left_over(B, K, L, np.zeros((2, 2)))
    found = riccati(K[None], L[None], M[None])
    scale = 1 + np.abs(B).max() ** 2 + np.abs(K).max() ** 2 + np.abs(L).max() ** 2
    # eigenvalues that meet are resolved to eps^(1/2); a solution so found solves to that accuracy
    solved = norm(left_over(found, K, L, M)) < 1e-6 * scale
    assert (solved & (norm(found) <= np.linalg.norm(B) * (1 + 1e-6) + 1e-6))[0] or _degenerate(K, L, M)


def _degenerate(K, L, M):
    """Whether eigenvalues of the pencil meet: then the subspaces are no longer told apart by their eigenvectors."""
    values = np.linalg.eigvals(np.block([[-K, np.eye(2)], [-M, -L]]))
    gaps = np.abs(values[:, None] - values)[~np.eye(4, dtype=bool)]
    return gaps.min() < 1e-5 * (1 + np.abs(values).max())


@settings(max_examples=100)
@given(pairs, pairs, pairs)
def test_no_other_shift_leaves_less(K, L, M):
    """Among 2000 shifts, and near the best, none leaves a smaller bracket, for both units."""
    for unit in (np.eye(2), np.ones((2, 2))):
        best = shift_of(K[None], L[None], M[None], unit[None])
        tried = np.append(np.linspace(-30, 30, 2001), best[0] + np.linspace(-1e-3, 1e-3, 21))
        least = norm(left_over(tried[:, None, None] * unit, K, L, M)).min()
        own = norm(left_over(best[:, None, None] * unit, K, L, M))[0]
        # the minima of two valleys may be equal to rounding, which squares of 30 magnify
        assert own <= least + 1e-9


@pytest.mark.parametrize("sigma_data", [0.05, 0.5, 1.0, 20.0])
@pytest.mark.parametrize("process", PHASE, ids=IDS[2:])
def test_a_phase_space_has_a_real_solution_at_every_step(process, sigma_data):
    """The least local error is 0 there, at narrow and wide data, to rounding."""
    t = grid("quadratic", process, 1000)
    K, L, M = terms(axes.problem(process, "noise", "time", sigma_data=sigma_data), t)
    # of rounding size, magnified by the condition of Sigma on cld, 1e5 at t_min
    assert (norm(left_over(riccati(K, L, M), K, L, M)) < 1e-10 * norm(M)).all()


def test_the_best_b_on_psld_is_the_printed_matrix():
    """At t = 1 it has the two printed digits.

    psld.md 5.2, at t = 1.
    """
    (B,) = riccati(*terms(axes.problem(PSLD(), "noise", "time"), np.array([1.0])))
    np.testing.assert_allclose(B, [[4.6, -9.3], [2.3, 1.2]], rtol=0, atol=0.05)


SECOND = {  # psld.md 5.2: quadratic grid, n = 50, 100, 200, 400
    "conjugate-optimal": ("2.4e-1", "5.2e-2", "1.2e-2", "3.0e-3"),
    "lambda-ddim-1(0)": ("9.3e-1", "4.3e-1", "2.0e-1", "9.7e-2"),
}


@pytest.mark.parametrize("name", SECOND)
def test_errors_of_the_best_b_on_its_own_law_are_the_printed_ones(name):
    """With the best B and without any the errors at four numbers of steps have the printed digits."""
    for steps, printed in zip((50, 100, 200, 400), SECOND[name], strict=True):
        found = largest_error(name, PSLD(), CENTRED, steps)
        assert agrees_to_the_printed_digits(found, printed), (steps, found, printed)


@pytest.mark.parametrize("mean", breadth([0, Fraction(3, 10)], bool))
@pytest.mark.parametrize("process", breadth(PHASE, lambda process: process.spec != "psld"), ids=IDS[2:])
def test_the_best_b_is_of_second_order_on_its_own_law_whatever_the_mean(process, mean):
    """Where nothing of order h^2 is left, the run gains an order."""
    text = f"conjugate-optimal(mean={mean})"
    coarse, fine = (largest_error(text, process, float(mean), steps) for steps in (400, 800))
    assert abs(np.log2(coarse / fine) - 2) < 0.05  # 2.03 at these steps, falling


def test_the_best_b_is_of_first_order_on_another_law():
    """A mean it is not told leaves the order of the step as declared."""
    coarse, fine = (largest_error("conjugate-optimal", PSLD(), OFF_CENTRE, steps) for steps in (400, 800))
    assert abs(np.log2(coarse / fine) - 1) < 0.15  # 1.09 at these steps, falling


def test_the_best_shift_on_vp_is_the_published_root_while_real():
    """psld.md 5.2: lambda = (beta / 4 v)(-1 + sqrt(1 - 4 SNR)), SNR = alpha^2 s0^2 / sigma^2, v the whole variance."""
    process, t = VP(), np.linspace(0.2, 1, 81)
    alpha, sigma = process.alpha(t), process.sigma(t)
    snr, v, beta = alpha**2 / 4 / sigma**2, alpha**2 / 4 + sigma**2, -2 * process.log_rates(t)[0]
    K, L, M = terms(axes.problem(process, "noise", "time"), t)
    B = riccati(K, L, M)[:, 0, 0]
    real = snr < 0.25
    assert 0.2 < t[real].min() < 0.3  # psld.md 7.5: t > 0.26
    expected = beta / (4 * v) * (-1 + np.sqrt(1 - 4 * np.where(real, snr, 0)))
    # near SNR = 1/4 the root moves like the square root of what rounds
    np.testing.assert_allclose(B[real], expected[real], rtol=1e-9)
    np.testing.assert_allclose(B[~real], (-beta / (4 * v))[~real], rtol=1e-9)  # the lowest point of the parabola
    np.testing.assert_allclose(shift_of(K, L, M, np.ones((81, 1, 1))), B, rtol=1e-6)


def test_on_vp_the_best_b_is_of_second_order_where_its_root_is_real():
    """At SNR below 1/4; below that time it still leaves 0.7 of the error of ddim at most."""
    early = VP(t_min=0.3)
    coarse, fine = (largest_error("conjugate-optimal", early, CENTRED, steps) for steps in (200, 400))
    assert abs(np.log2(coarse / fine) - 2) < 0.05
    for process in SCALAR:
        for steps in (10, 50, 400):
            assert largest_error("conjugate-optimal", process, CENTRED, steps) < 0.7 * largest_error(
                "ddim", process, CENTRED, steps
            )


@pytest.mark.parametrize("process", SCALAR, ids=IDS[:2])
def test_on_one_block_every_best_b_is_the_same(process):
    """Full, times 1 and times ones are one number on a scalar process."""
    times = grid("quadratic", process, 40)
    full, one, ones = (
        np.array([own[0, 0] for own, _ in factors(name, process, times)])
        for name in ("conjugate-optimal", "lambda-ddim-1(B=optimal)", "lambda-ddim-2(B=optimal)")
    )
    np.testing.assert_allclose(one, full, rtol=1e-6)  # the roots of a square are known to half the digits
    np.testing.assert_allclose(ones, full, rtol=1e-6)
