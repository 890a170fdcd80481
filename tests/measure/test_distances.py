"""Distances against closed forms, intervals that cover, moments that merge."""

from __future__ import annotations

import functools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from numtoolkit.errors import InputError
from numtoolkit.measure.distances import (
    Moments,
    frechet,
    kl_gaussian,
    relative_rms,
    sliced_squares,
    sliced_wasserstein,
    wasserstein2_gaussian,
    wasserstein2_marginals,
)

EPS = np.finfo(np.float64).eps


def covariance(rng: np.random.Generator, d: int) -> np.ndarray:
    """Random, with eigenvalues from about 0.5 to 20."""
    root = rng.standard_normal((d, d))
    return root @ root.T + 0.5 * np.eye(d)


def test_relative_error_is_that_of_its_definition():
    """RMS and median of distances over the RMS of the exact values, whatever their scale."""
    exact = np.array([[3.0, 4.0], [0.0, 5.0], [5.0, 0.0]])
    samples = exact + np.array([[0.1, -0.1], [1.0, 1.0], [0.0, 0.0]])
    scale = math.sqrt(75 / 6)
    error = relative_rms(samples, exact)
    assert error.rms == pytest.approx(math.sqrt((0.01 + 1.0) * 2 / 6) / scale, rel=8 * EPS, abs=0)
    assert error.median == pytest.approx(0.1 / scale, rel=100 * EPS, abs=0)  # 3.1 - 3 has lost 5 bits
    assert relative_rms(exact, exact) == (0.0, 0.0, 0.0, 0.0)
    assert relative_rms(1e5 * samples, 1e5 * exact) == pytest.approx(error, rel=100 * EPS, abs=0)


def test_relative_error_shows_a_run_that_blew_up():
    """One infinite sample makes the RMS infinite and leaves the median; NaN stays NaN."""
    exact = np.ones((3, 2, 2))
    samples = exact.copy()
    samples[1] = np.inf
    assert relative_rms(samples, exact)[:2] == (math.inf, 0.0)
    samples[1] = 1e200
    assert relative_rms(samples, exact)[:2] == (math.inf, 0.0)
    samples[1] = np.nan
    assert math.isnan(relative_rms(samples, exact).rms)


def test_the_interval_of_a_relative_error_is_the_jackknife_of_its_logarithm():
    """One sample after the other is left out by hand; one sample, or one with all the error, has no interval."""
    rng = np.random.default_rng(5)
    exact = rng.standard_normal((12, 3))
    samples = exact + 0.1 * rng.standard_normal((12, 3)) * rng.exponential(size=(12, 1))
    error = relative_rms(samples, exact)
    without = [relative_rms(np.delete(samples, i, 0), np.delete(exact, i, 0)).rms for i in range(12)]
    spread = student.ppf(0.975, 11) * math.sqrt(11 * np.var(np.log(without)))
    # Sums less a term lose some digits against sums without it.
    assert math.log(error.high / error.rms) == pytest.approx(spread, rel=1e-10)
    assert error.low * error.high == pytest.approx(error.rms**2, rel=1e-12)
    assert math.isnan(relative_rms(samples[:1], exact[:1]).high)
    samples[1:] = exact[1:]
    assert math.isnan(relative_rms(samples, exact).high)


@pytest.mark.check
def test_the_interval_of_a_relative_error_covers_it():
    """Of 64 samples whose squared errors spread by a factor e, 92 % of the intervals hold the truth, as it says."""
    rng, exact, covered = np.random.default_rng(0), np.ones((64, 1)), 0
    for _ in range(2000):
        squares = np.exp(rng.standard_normal((64, 1)))
        error = relative_rms(exact + np.sqrt(squares), exact)
        covered += error.low <= math.exp(1 / 4) <= error.high
    assert covered / 2000 == pytest.approx(0.92, abs=0.02)  # three standard errors of 2000 trials


def test_distances_accept_numbers_diagonals_matrices_and_tensors():
    """One covariance in every spelling has one distance.

    W2 between N(1, 4) and N(4, 1) on the line: 3^2 + (2 - 1)^2; thrice that in three dimensions.
    """
    one, three = math.sqrt(10.0), math.sqrt(30.0)
    assert wasserstein2_gaussian(1.0, 4.0, 4.0, 1.0) == pytest.approx(one, rel=4 * EPS, abs=0)
    for first in (4.0, np.full(3, 4.0), 4 * np.eye(3)):
        for second in (1.0, np.ones(3), np.eye(3)):
            assert wasserstein2_gaussian(np.ones(3), first, np.full(3, 4.0), second) == pytest.approx(
                three, rel=4 * EPS, abs=0
            )
    assert frechet(np.ones(3), 4.0, np.full(3, 4.0), 1.0) == pytest.approx(30.0, rel=8 * EPS, abs=0)
    torch = pytest.importorskip("torch")
    tensors = torch.ones(3, dtype=torch.bfloat16), torch.tensor(4.0), torch.full((3,), 4), torch.ones(3)
    assert wasserstein2_gaussian(*tensors) == pytest.approx(three, rel=4 * EPS, abs=0)


@given(st.integers(0, 10**6))
def test_full_distance_is_the_trace_formula(seed):
    """tr C1 + tr C2 - 2 tr (C1^1/2 C2 C1^1/2)^1/2 (Dowson & Landau 1982), where nothing cancels."""
    rng = np.random.default_rng(seed)
    C1, C2, gap = covariance(rng, 4), 0.05 * covariance(rng, 4), rng.standard_normal(4)
    root = functools.partial(np.einsum, "ij,j,kj->ik")
    values, vectors = np.linalg.eigh(C1)
    half = root(vectors, np.sqrt(values), vectors)
    cross = np.sqrt(np.linalg.eigvalsh(half @ C2 @ half)).sum()
    square = gap @ gap + np.trace(C1) + np.trace(C2) - 2 * cross
    # Roots of eigenvalues of condition number up to 1e3, and the traces are a few times their difference.
    assert wasserstein2_gaussian(gap, C1, np.zeros(4), C2) == pytest.approx(math.sqrt(square), rel=1e4 * EPS, abs=0)
    assert frechet(gap, C1, np.zeros(4), C2) == pytest.approx(square, rel=1e4 * EPS, abs=0)


@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9, 1e-12])
def test_nearby_laws_are_told_apart(step):
    """N(0, C) and N(0, (1 + step)^2 C) are step sqrt(tr C) apart; the trace formula would drown that in 1e-8."""
    C = covariance(np.random.default_rng(0), 6)
    want = step * math.sqrt(np.trace(C))
    got = wasserstein2_gaussian(np.zeros(6), (1 + step) ** 2 * C, np.zeros(6), C)
    # A root of C is known to eps |C| / sqrt(smallest eigenvalue), here under 30 eps.
    assert got == pytest.approx(want, rel=1e-12, abs=100 * EPS * math.sqrt(np.trace(C)))


def test_singular_covariances_have_a_distance_and_no_divergence():
    """W2 is finite between laws on lines, KL infinite as soon as one of the covariances is singular."""
    flat = np.diag([1.0, 0.0])
    # Two segments at right angles: nothing correlates, so the traces add.
    crossed = wasserstein2_gaussian(np.zeros(2), flat, np.zeros(2), np.diag([0.0, 1.0]))
    assert crossed == pytest.approx(math.sqrt(2), rel=4 * EPS, abs=0)
    turned = np.full((2, 2), 0.5)  # the same segment turned by 45 degrees: 2 - 2 cos 45
    oblique = wasserstein2_gaussian(np.zeros(2), flat, np.zeros(2), turned)
    # The eigenvalue 0 is known to eps, its root to sqrt(eps), whose square counts.
    assert oblique == pytest.approx(math.sqrt(2 - math.sqrt(2)), rel=16 * EPS, abs=0)
    assert kl_gaussian(np.zeros(2), flat, np.zeros(2), 1.0) == math.inf
    assert kl_gaussian(np.zeros(2), 1.0, np.zeros(2), flat) == math.inf


@given(st.integers(0, 10**6))
def test_marginals_add_up_to_the_diagonal_law(seed):
    """W2 of independent coordinates is the root of the sum of their squares, over stacks of laws."""
    rng = np.random.default_rng(seed)
    means, variances = rng.standard_normal((2, 7, 5)), rng.uniform(0, 3, (2, 7, 5))
    stacked = wasserstein2_marginals(means[0], variances[0], means[1], variances[1])
    assert stacked.shape == (7,)
    for i, distance in enumerate(stacked):
        single = wasserstein2_gaussian(means[0, i], variances[0, i], means[1, i], variances[1, i])
        assert distance == pytest.approx(single, rel=8 * EPS, abs=0)
    assert wasserstein2_marginals(1.0, 4.0, 4.0, 1.0) == pytest.approx(math.sqrt(10.0), rel=4 * EPS, abs=0)
    assert wasserstein2_marginals(means[0], 1.0, means[0] + 2, 1.0) == pytest.approx(
        2 * math.sqrt(5), rel=16 * EPS, abs=0
    )


@given(st.integers(0, 10**6), st.sampled_from(["diagonal", "mixed", "full"]))
def test_divergence_matches_forty_digits(seed, kind):
    """KL of random Gaussians against its formula in 40 digits, diagonal, full and mixed; 0 on equal laws."""
    rng = np.random.default_rng(seed)
    C1, C2 = (covariance(rng, 3) for _ in range(2))
    C1 = np.diag(np.diag(C1)) if kind != "full" else C1
    C2 = np.diag(np.diag(C2)) if kind == "diagonal" else C2
    m1, m2 = rng.standard_normal((2, 3))
    with mp.workdps(40):
        A, B, gap = mp.matrix(C1.tolist()), mp.matrix(C2.tolist()), mp.matrix(m1.tolist()) - mp.matrix(m2.tolist())
        inverse = B**-1
        trace = sum((inverse * A)[i, i] for i in range(3))
        exact = float((trace - 3 + (gap.T * inverse * gap)[0] + mp.log(mp.det(B) / mp.det(A))) / 2)
    # Condition numbers reach 1e2 each, and terms of size up to 40 are summed.
    assert kl_gaussian(m1, C1, m2, C2) == pytest.approx(exact, rel=1e4 * EPS, abs=0)
    assert kl_gaussian(m1, C1, m1, C1) <= 1e4 * EPS**2 * 3  # second order in the error of a relative variance


@pytest.mark.parametrize("step", [1e-2, 1e-5, 1e-8])
def test_divergence_of_nearby_laws_keeps_its_digits(step):
    """Laws a relative 1e-8 apart have a KL of 1e-16 that is right in every digit their variances have."""
    C = covariance(np.random.default_rng(0), 6)
    exact = float(6 * (mp.mpf(1) * 2 * step + mp.mpf(step) ** 2 - 2 * mp.log1p(mp.mpf(step))) / 2)
    got = kl_gaussian(np.zeros(6), (1 + step) ** 2 * C, np.zeros(6), C)
    # A relative variance 1 + 2 step is known to 100 eps, hence its excess to 50 eps / step.
    assert got == pytest.approx(exact, rel=100 * EPS / step + 1e-12, abs=0)
    diagonal = kl_gaussian(np.zeros(6), 0.7 * (1 + step) ** 2, np.zeros(6), 0.7)
    assert diagonal == pytest.approx(exact, rel=4 * EPS / step, abs=0)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 60), (35, 22)])
def test_sliced_distance_on_the_line_is_the_optimal_plan(n, m):
    """In one dimension every direction is the line, and the plan may be solved as a linear programme."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, 1)), 2 * rng.standard_normal((m, 1)) + 1
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    marginals = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    plan = linprog(((x - y.T) ** 2).ravel(), A_eq=np.vstack([rows, columns]), b_eq=marginals, method="highs")
    assert sliced_wasserstein(x, y, 20).value == pytest.approx(
        math.sqrt(plan.fun), rel=1e-7, abs=0
    )  # HiGHS stops at 1e-7


def test_sliced_distance_knows_shifts_and_ignores_order():
    """A shift is a shift in every direction, a permutation none; the seed of the directions is part of the value."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2, 2))
    shift = rng.standard_normal((2, 2))
    moved = sliced_wasserstein(x, x + shift, 4000)
    # A shift moves direction u by u' shift, whose mean square is |shift|^2 / d, here with 4000 directions.
    assert moved.low <= np.linalg.norm(shift) / 2 <= moved.high
    assert moved.value == pytest.approx(np.linalg.norm(shift) / 2, rel=0.05, abs=0)
    assert sliced_wasserstein(x, x).value == 0.0
    one, other = (sliced_wasserstein(a, x + shift, 64) for a in (x, x[rng.permutation(200)]))
    assert one.value == pytest.approx(other.value, rel=100 * EPS, abs=0)
    assert sliced_wasserstein(x, x + shift, 64, seed=1) != one
    assert sliced_wasserstein(x, x + shift, 64) == one


def test_what_a_shift_adds_to_a_squared_distance_is_told_from_what_both_sets_share():
    """On the line d^2 + 2 d (difference of the means), whose chance is that of the means alone; 0 for no shift."""
    rng, shift = np.random.default_rng(3), 0.2
    exact, y = rng.standard_normal((100, 1)), rng.standard_normal((160, 1))
    own = sliced_squares(exact, y)
    assert sliced_squares(exact, y).beyond(own)[:3] == (0, 0, 0)
    excess = sliced_squares(exact + shift, y).beyond(own)
    gap = exact.mean() - y.mean()
    assert excess.value == pytest.approx(shift**2 + 2 * shift * gap, rel=1e-9)  # linear in means: nothing to correct
    # By hand: the same groups are left out of both sets, samples in their order.
    left = [np.delete(exact, np.s_[g::20]).mean() - np.delete(y, np.s_[g::20]).mean() for g in range(20)]
    error = student.ppf(0.975, 19) * math.sqrt(19 * np.var(2 * shift * np.array(left)))
    assert (excess.high - excess.low) / 2 == pytest.approx(error, rel=1e-9)
    assert (excess.high + excess.low) / 2 == pytest.approx(excess.value, rel=1e-12)


def test_what_blur_takes_from_a_squared_distance_has_no_bias_of_order_one_over_n():
    """Of N(0, 1) and N(0, s^2) it is (1 - s)^2. Sets of 100 give less: the narrow one lies closer to its law."""
    rng, s = np.random.default_rng(4), 0.5
    drawn = [(rng.standard_normal((100, 1)), rng.standard_normal((100, 1))) for _ in range(200)]
    pairs = [(sliced_squares(s * x, y, 20), sliced_squares(x, y, 20)) for x, y in drawn]
    plain, mended = (
        np.array(each) - (1 - s) ** 2
        for each in zip(*((own.value - exact.value, own.beyond(exact).value) for own, exact in pairs), strict=True)
    )
    errors = plain.std() / math.sqrt(len(plain)), mended.std() / math.sqrt(len(mended))
    assert plain.mean() < -3 * errors[0]
    assert abs(mended.mean()) < 3 * errors[1]


def test_groups_of_the_jackknife_hold_each_class_as_often_as_others():
    """Ten points that take turns, those of the other set in another order: the distance is 0 whichever group is out."""
    points = np.random.default_rng(0).standard_normal((10, 3))
    labels = np.arange(200) % 10, (np.arange(200) + 8) % 10
    x, y = (points[own] for own in labels)
    assert sliced_squares(x, y, labels=labels).root[:3] == pytest.approx((0, 0, 0), abs=1e-7)
    lined_up = sliced_squares(x, y).root  # each group is of one point, and not that of the other set
    assert lined_up.value == pytest.approx(0, abs=1e-7)
    assert lined_up.high > 0.1


def test_blocks_of_directions_do_not_change_a_sliced_distance(monkeypatch):
    """Directions are projected block by block to bound memory; the value is that of all at once."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 3)), rng.standard_normal((70, 3))
    whole = sliced_wasserstein(x, y, 41)
    monkeypatch.setattr("numtoolkit.measure.distances._BLOCK", 70 * 9)
    assert sliced_wasserstein(x, y, 41) == pytest.approx(whole, rel=1e3 * EPS, abs=0)


def test_the_interval_of_a_sliced_distance_covers_that_of_the_laws():
    """N(0, I) and N(shift, 1.69 I) in three dimensions: the squared distance is |shift|^2 / 3 + 0.3^2."""
    truth, covered = math.sqrt(0.25 / 3 + 0.09), 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((300, 3)), [0.5, 0, 0] + 1.3 * rng.standard_normal((200, 3))
        interval = sliced_wasserstein(x, y, 40, seed)
        assert interval.low <= interval.value <= interval.high
        covered += interval.low <= truth <= interval.high
    # 95 of 100 are meant; the finite-sample bias costs some. Fewer than 85 would be 4.6 standard errors away.
    assert covered >= 85


def test_the_interval_of_a_sliced_distance_is_that_of_a_mean_where_it_is_one():
    """From the point 0 of the line the squared distance is a mean square: Student's interval of 20 group means."""
    x, point = np.random.default_rng(0).uniform(1, 2, (60, 1)), np.zeros((60, 1))
    means = np.mean(x.reshape(3, 20) ** 2, axis=0)
    half = student.ppf(0.975, 19) * means.std(ddof=1) / math.sqrt(20)
    value, low, high, _ = sliced_wasserstein(x, point, 20)
    assert [value**2, low**2, high**2] == pytest.approx(means.mean() + half * np.array([0, -1, 1]), rel=1e-12)
    far = point.copy()
    far[0] = 1  # group means 1/3, 0, ..., 0, of mean 1/60, which is also their standard error
    interval = sliced_wasserstein(far, point, 20)
    assert interval[:3] == pytest.approx(np.sqrt(np.array([1, 0, 1 + student.ppf(0.975, 19)]) / 60), rel=1e-12)


@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_moments_of_a_stream_are_those_of_one_pass(seed, sizes):
    """Batches merged in turn have mean and covariance of the whole, though the mean is 1e6 deviations away."""
    rng = np.random.default_rng(seed)
    batches = [1e6 + rng.standard_normal((size, 2, 2)) for size in [*sizes, 2]]
    stream = functools.reduce(Moments.merge, map(Moments.of, batches))
    rows = np.concatenate(batches).reshape(-1, 4)
    assert stream.count == len(rows)
    # Means of numbers of size 1e6 carry an error of a few eps 1e6, which enters the scatter times its size.
    np.testing.assert_allclose(stream.mean, rows.mean(0), rtol=8 * EPS)
    for ddof in (0, 1):
        np.testing.assert_allclose(stream.covariance(ddof), np.cov(rows.T, ddof=ddof), rtol=0, atol=64 * EPS * 1e6)


def test_moments_of_half_precision_are_gathered_in_double():
    """float16 rows lose nothing further when they are summed."""
    rows = np.random.default_rng(0).standard_normal((5000, 3)).astype(np.float16)
    merged = Moments.of(rows[:1]).merge(Moments.of(rows[1:]))
    assert merged.mean.dtype == merged.scatter.dtype == np.float64
    np.testing.assert_allclose(merged.covariance(), np.cov(rows.T.astype(np.float64)), rtol=0, atol=100 * EPS)
    assert Moments.of([1.0, 2.0, 4.0]).covariance() == pytest.approx(np.array([[7 / 3]]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: relative_rms(np.zeros((2, 3)), np.ones((3, 2))), "differ in shape"),
        (lambda: relative_rms(1.0, 1.0), "paired"),
        (lambda: relative_rms(np.ones((2, 3)), np.zeros((2, 3))), "zero throughout"),
        (lambda: relative_rms(np.ones(2), np.array([1.0, np.nan])), "exact holds NaN"),
        (lambda: relative_rms(np.ones(2, complex), np.ones(2)), "samples has dtype complex128"),
        (lambda: wasserstein2_gaussian(np.zeros(2), 1.0, np.zeros(3), 1.0), "differ in shape"),
        (lambda: wasserstein2_gaussian(np.zeros(2), np.ones(3), np.zeros(2), 1.0), "covariance1 has shape"),
        (lambda: frechet(0.0, 1.0, 0.0, -1.0), "covariance2 holds the negative variance -1"),
        (
            lambda: kl_gaussian(np.zeros(2), [[1, 2], [2, 1]], np.zeros(2), 1.0),
            "covariance1 has the negative eigenvalue",
        ),
        (lambda: kl_gaussian(np.zeros(2), [[1, 2], [2]], np.zeros(2), 1.0), "rectangular"),
        (lambda: wasserstein2_marginals(np.zeros(2), 1.0, np.zeros(3), 1.0), "broadcast"),
        (lambda: wasserstein2_marginals(0.0, -1.0, 0.0, 1.0), "negative"),
        (lambda: wasserstein2_marginals(0.0, 1.0, math.nan, 1.0), "mean2 holds NaN"),
        (lambda: sliced_wasserstein(np.ones((19, 2)), np.ones((20, 2))), "x has shape"),
        (lambda: sliced_wasserstein(np.ones((20, 2)), np.ones((20, 3))), "two shapes"),
        (lambda: sliced_wasserstein(np.ones((20, 2)), np.ones((20, 2)), 19), "projections = 19"),
        (lambda: sliced_wasserstein(np.ones((20, 2)), np.ones((20, 2)), seed=-1), "seed = -1"),
        (lambda: Moments.of(np.full((2, 2), np.inf)), "infinity"),
        (lambda: Moments.of(np.ones((1, 2))).covariance(), "add samples"),
        (lambda: Moments.of(np.ones((1, 2))).merge(Moments.of(np.ones((1, 3)))), "do not merge"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    """Each sentence names the argument and what is wrong with it."""
    with pytest.raises(InputError, match=message):
        call()
