"""The exact engine: moments and maps of whole runs, the probability flow, and error curves."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import Empirical, Gaussian, GaussianMixture
from numtoolkit.laws.named import digits, mixture
from numtoolkit.measure import (
    Normal,
    affine_map,
    curves,
    error_curve,
    exact_flow,
    exact_marginal,
    gaussian_flow,
    kl,
    moments,
    wasserstein2,
)
from numtoolkit.measure import distances as measures
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP, Process, RectifiedFlow
from numtoolkit.program.program import Program, lower
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, STEP, normals
from numtoolkit.schemes import catalogue, scheme

PROCESSES: tuple[Process, ...] = (VP(), EDM(), RectifiedFlow(), PSLD(), PSLD(beta_min=4, beta_max=12))
IDS = [f"{p.name}-{getattr(p, 'beta_max', '')}" for p in PROCESSES]
# Rotated, anisotropic and off centre, so that a wrong basis, gain or mean shows.
ROTATED = Gaussian([0.3, -0.5, 0.1], [[0.25, 0.12, -0.02], [0.12, 0.1, 0.0], [-0.02, 0.0, 0.05]])


def network(program: Program, law):
    """The law as the network the program calls, whatever that predicts."""
    from numtoolkit.problem.predictions import convert

    def call(z, t):
        data = law.denoise(*program.process.observe(z, t))
        P, Q = (block[0] for block in convert("data", program.network, program.process, np.array([t])))
        return [sum(P[i, j] * z[j] for j in range(len(z))) + Q[i, 0] * data for i in range(len(P))]

    return call


def starts(process: Process, shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    """Normal noise with the covariance of the prior, one array a state block."""
    xi = normals(range(count), START, 0, (process.blocks, *shape))
    return list(np.tensordot(np.linalg.cholesky(process.prior()), np.moveaxis(xi, 1, 0), 1))


def in_basis(law: Gaussian, blocks) -> np.ndarray:
    """State blocks (n, d) in the eigenbasis, (n, d, k)."""
    basis = law.eigen()[0]
    return np.stack([z if basis is None else z @ basis for z in blocks], axis=-1)


# the map and the moments of a run


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
@pytest.mark.parametrize("predicts", ["data", "noise", "score", "flow"])
def test_the_affine_map_of_every_deterministic_run_is_what_the_loop_computes(process, predicts):
    z = starts(process, ROTATED.shape, 5)
    times = grid("uniform", process, 6)
    for each in catalogue():
        if each.kind == "ode" and process.name in each.processes:
            program = lower(each, process, times, network=predicts)
            R, r = affine_map(program, ROTATED)
            expected = np.einsum("dij,ndj->ndi", R, in_basis(ROTATED, z)) + r
            found = in_basis(ROTATED, run(program, network(program, ROTATED), z))
            # The same products in another order: a few hundred roundings of the largest state and coefficient met
            # (1e3 and 1e4 for "flow" and "score" at the noisy end of the processes).
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max(), err_msg=each.name)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_moments_of_a_deterministic_run_are_those_of_its_map(process):
    program = lower(scheme("euler"), process, grid("uniform", process, 7))
    start = exact_marginal(process, ROTATED, process.T)
    R, r = affine_map(program, ROTATED)
    found = moments(program, ROTATED, start)
    np.testing.assert_allclose(found.mean, np.einsum("dij,dj->di", R, start.mean) + r, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.covariance, R @ start.covariance @ np.swapaxes(R, 1, 2), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "process"),
    [
        ("em", VP()),
        ("heun-edm-churn", EDM()),
        ("em", RectifiedFlow(T=0.9)),
        ("robab", PSLD()),
        ("sscs", PSLD(beta_min=4, beta_max=12)),
    ],
)
def test_moments_agree_with_samples_of_the_run(name, process):
    n = 20_000
    program = lower(scheme(name), process, grid("log-snr" if process.blocks == 1 else "quadratic", process, 12))

    def noise(step, slot):
        return list(np.moveaxis(normals(range(n), STEP + slot, step, (process.blocks, 3)), 1, 0))

    z = in_basis(ROTATED, run(program, network(program, ROTATED), starts(process, (3,), n), noise))
    exact = moments(program, ROTATED)
    spread = z - exact.mean
    variances = np.einsum("dii->di", exact.covariance)
    # 5 standard errors of a mean and of a normal covariance, for 20 numbers: fails once in 1e5 programs, and
    # the noise is fixed, so it never fails by chance once it has passed.
    assert np.all(np.abs(spread.mean(0)) < 5 * np.sqrt(variances / n))
    scatter = np.einsum("ndi,ndj->dij", spread, spread) / n
    error = np.sqrt((variances[:, :, None] * variances[:, None, :] + exact.covariance**2) / n)
    assert np.all(np.abs(scatter - exact.covariance) < 5 * error)
    # Different eigen-directions stay independent.
    across = np.einsum("ni,nj->ij", spread[:, 0], spread[:, 1]) / n
    assert np.all(np.abs(across) < 5 * np.sqrt(np.outer(variances[0], variances[1]) / n))


@pytest.mark.parametrize("name", ["ddim", "heun-edm", "res-2s(c2=1/3)", "dpmpp-2m", "res-2m", "unipc(2)"])
def test_a_scheme_in_noise_level_is_one_scheme_on_every_scalar_process(name):
    # exponential-iia.md 1.1: with x = z / alpha and s = sigma / alpha only the grid of noise levels matters.
    levels = np.geomspace(40, 0.01, 9)
    maps = []
    for process in (EDM(), VP(), RectifiedFlow()):
        times = process.time_of_noise_level(levels)
        R, r = affine_map(lower(scheme(name), process, times), ROTATED)
        alpha = process.alpha(times[[0, -1]])
        maps.append(np.concatenate([R.ravel() * alpha[0], r.ravel()]) / alpha[1])
    # alpha at noise level 40 is 1/40: some hundred roundings, and t(s) of the flow is only known to eps.
    np.testing.assert_allclose(maps[1], maps[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(maps[2], maps[0], rtol=0, atol=1e-12)


def test_a_run_to_noise_level_zero_ends_in_the_data_space():
    program = lower(scheme("res-2s"), EDM(), grid("rho(7, zero=1)", EDM(), 200))
    final = moments(program, ROTATED, exact_marginal(EDM(), ROTATED, 80.0))
    data = exact_marginal(EDM(), ROTATED, 0.0)
    assert wasserstein2(final, data) < 1e-4  # (L/N)^2 / 48 of exponential-iia.md 6.3 is 5e-5 at this grid
    np.testing.assert_allclose(data.covariance[:, 0, 0], ROTATED.variances, rtol=1e-15)


def test_moments_refuse_what_has_no_affine_network():
    program = lower(scheme("em"), VP(), grid("uniform", VP(), 3))
    with pytest.raises(InputError, match="not Gaussian"):
        moments(program, mixture())
    with pytest.raises(InputError, match="draws noise"):
        affine_map(program, ROTATED)


# distances of laws


def random_normal(rng: np.random.Generator, d: int, k: int) -> Normal:
    A = rng.standard_normal((d, k, k)) * np.exp(rng.uniform(-2, 1, (d, 1, 1)))
    return Normal(rng.standard_normal((d, k)), A @ np.swapaxes(A, 1, 2))


def whole(law: Normal) -> tuple[np.ndarray, np.ndarray]:
    """Mean (dk,) and block-diagonal covariance (dk, dk)."""
    d, k = law.mean.shape
    covariance = np.zeros((d, k, d, k))
    covariance[np.arange(d), :, np.arange(d), :] = law.covariance
    return law.mean.ravel(), covariance.reshape(d * k, d * k)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 2))
def test_distances_are_those_of_the_block_diagonal_law(seed, d, k):
    rng = np.random.default_rng(seed)
    p, q = random_normal(rng, d, k), random_normal(rng, d, k)
    # The random blocks are as singular as chance makes them; KL divides by the smaller eigenvalue of q.
    worst = max(np.linalg.cond(law.covariance).max() for law in (p, q))
    assert wasserstein2(p, q) == pytest.approx(measures.wasserstein2_gaussian(*whole(p), *whole(q)), rel=1e-9)
    assert kl(p, q) == pytest.approx(measures.kl_gaussian(*whole(p), *whole(q)), rel=1e-9 + 1e-13 * worst)
    assert wasserstein2(p, p) < 1e-13 * (1 + np.abs(p.covariance).max() * d * k)
    assert kl(p, Normal(q.mean, 0 * q.covariance)) == math.inf


# the exact flow


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_gaussian_flow_carries_marginals_into_marginals(process):
    law = Gaussian(np.array([0.3, -1.0, 0.0]), np.array([1e-3, 0.25, 4.0]))
    for t0, t1 in [(process.T, process.t_min), (process.T, process.T / 2), (process.T / 10, process.t_min)]:
        X = gaussian_flow(process, law.variances, t0, t1)
        before, after = (exact_marginal(process, law, t).covariance for t in (t0, t1))
        # The integrator's relative 1e-12 a step, a few dozen steps.
        np.testing.assert_allclose(X @ before @ np.swapaxes(X, 1, 2), after, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_general_flow_of_a_gaussian_is_the_linear_map(process):
    z = starts(process, ROTATED.shape, 6)
    one = GaussianMixture([1.0], ROTATED.mean[None], ROTATED.covariance()[None])
    linear = exact_flow(process, ROTATED, z, process.T, process.t_min)
    solved = exact_flow(process, one, z, process.T, process.t_min)
    for a, b in zip(linear, solved, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)  # the default tolerance 1e-10 over some dozens of steps
    if process.blocks == 1:
        (linear,), (solved,) = (exact_flow(process, law, z, process.T, 0.0) for law in (ROTATED, one))
        np.testing.assert_allclose(linear, solved, rtol=0, atol=1e-9)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
@pytest.mark.parametrize("law", [mixture(dim=2, components=4), digits(count=40)], ids=["mixture", "digits"])
def test_two_tolerances_of_the_flow_agree(process, law):
    z = starts(process, law.shape, 8)
    usual, strict = (exact_flow(process, law, z, process.T, process.t_min, tol, tol / 10) for tol in (1e-10, 1e-12))
    # Measured 1e-11 (scalar) and 1e-10 (phase space) RMS; a start near a separatrix may be some times worse.
    assert np.sqrt(np.mean((usual[0] - strict[0]) ** 2)) < 1e-9


@pytest.mark.parametrize("process", PROCESSES[:4], ids=IDS[:4])
def test_flows_compose(process):
    law = mixture(dim=2, components=4)
    z = starts(process, law.shape, 4)
    middle = process.T / 5
    there = exact_flow(process, law, exact_flow(process, law, z, process.T, middle), middle, process.t_min)
    np.testing.assert_allclose(there[0], exact_flow(process, law, z, process.T, process.t_min)[0], rtol=0, atol=2e-9)


@pytest.mark.parametrize("process", PROCESSES[:3], ids=IDS[:3])
def test_the_flow_of_a_data_set_ends_on_its_images(process):
    law = digits(count=60)
    end = exact_flow(process, law, starts(process, law.shape, 12), process.T, 0.0)[0]
    nearest = np.abs(end[:, None] - law.images).max(axis=(2, 3)).min(axis=1)
    assert nearest.max() < 1e-12


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_flow_into_one_point_is_a_straight_line_in_noise_level(process):
    # With all mass in one point the score is Sigma^-1 (e x_0 - z): Gaussian data of variance 0.
    point = Empirical(np.array([[0.7, -0.2]]))
    z = starts(process, point.shape, 3)
    found = exact_flow(process, point, z, process.T, process.t_min)
    expected = exact_flow(process, Gaussian([0.7, -0.2], 0.0), z, process.T, process.t_min)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    if process.blocks == 1:
        assert exact_flow(process, point, z, process.T, 0.0)[0] == pytest.approx(
            np.tile([0.7, -0.2], (3, 1)), abs=1e-14
        )


def test_a_denoiser_that_is_not_finite_stops_the_flow():
    broken = mixture(dim=2)
    object.__setattr__(broken, "denoise", lambda y, sigma: y * np.nan)
    for process in (VP(), PSLD()):
        with pytest.raises(NonFiniteError, match="check the law"):
            exact_flow(process, broken, starts(process, (2,), 3), 1.0, 0.5)


def test_the_flow_keeps_its_start_and_refuses_times_out_of_order():
    z = starts(PSLD(), (2,), 3)
    copies = [block.copy() for block in z]
    exact_flow(PSLD(), mixture(dim=2, components=2), z, 1.0, 0.5)
    assert all(np.array_equal(a, b) for a, b in zip(z, copies, strict=True))
    for t0, t1 in [(0.1, 0.2), (0.1, 0.1), (0.1, -0.1), (0.1, np.nan)]:
        with pytest.raises(InputError, match="t0"):
            exact_flow(VP(), ROTATED, z[:1], t0, t1)
    with pytest.raises(InputError, match="NaN"):
        exact_flow(VP(), ROTATED, [np.full((1, 2), np.nan)], 1.0, 0.5)
    for process in (VP(), PSLD()):
        with pytest.raises(NonFiniteError, match="smaller states"):
            exact_flow(process, mixture(dim=2), [np.full((1, 2), 1e200)] * process.blocks, 1.0, 0.5)


# error curves


def test_a_curve_of_an_ode_scheme_is_its_error_to_the_flow_from_the_same_start():
    process, law = VP(), mixture(dim=2, components=4)
    (record,) = error_curve(scheme("dpmpp-2m"), process, law, "rho(7)", [10], seeds=range(5))
    z = starts(process, law.shape, 5)
    program = lower(scheme("dpmpp-2m"), process, grid("rho(7)", process, 10))
    exact = exact_flow(process, law, z, process.T, process.t_min)[0]
    gap = run(program, network(program, law), z)[0] - exact
    scale = np.sqrt(np.mean(exact**2))
    assert record["error"] == pytest.approx(np.sqrt(np.mean(gap**2)) / scale, rel=1e-12)
    assert record["median"] == pytest.approx(np.median(np.sqrt(np.mean(gap**2, axis=1))) / scale, rel=1e-12)
    assert {k: record[k] for k in ("scheme", "nfe", "steps", "metric")} == {
        "scheme": "dpmpp-2m",
        "nfe": 10,
        "steps": 10,
        "metric": "relative-rms",
    }


@pytest.mark.parametrize("process", PROCESSES[:4], ids=IDS[:4])
@pytest.mark.parametrize(
    "law", [ROTATED, mixture(dim=2, components=4), digits(count=40)], ids=["gauss", "mix", "digits"]
)
def test_errors_fall_along_the_curve_on_every_law(process, law):
    name = "dpmpp-2m" if process.blocks == 1 else "rse"
    curve = error_curve(scheme(name), process, law, "quadratic", [20, 80, 320], seeds=range(16))
    errors = [record["median"] for record in curve]  # the mean of a data set's law is ruled by its separatrices
    assert errors[0] > 1.5 * errors[1] > 2.25 * errors[2]
    json.dumps(curve, allow_nan=False)


def test_a_curve_of_an_sde_scheme_on_a_gaussian_needs_no_samples():
    process = PSLD()
    (record,) = error_curve(scheme("roba"), process, ROTATED, "quadratic", [50])
    final = moments(lower(scheme("roba"), process, grid("quadratic", process, 50)), ROTATED).block(0)
    exact = exact_marginal(process, ROTATED, process.t_min).block(0)
    root = np.sqrt(final.covariance) - np.sqrt(exact.covariance)
    assert record["error"] == pytest.approx(math.hypot(*root.ravel(), *(final.mean - exact.mean).ravel()), rel=1e-12)
    assert (record["metric"], record["median"]) == ("wasserstein2", None)


@pytest.mark.parametrize(("name", "process"), [("em", VP()), ("sscs", PSLD())])
def test_a_curve_of_an_sde_scheme_on_another_law_has_an_interval_and_a_floor(name, process):
    law = mixture(dim=2, components=4)
    curve = error_curve(scheme(name), process, law, "quadratic", [3, 100], seeds=range(600))
    for record in curve:
        assert record["metric"] == "sliced-wasserstein"
        assert 0 <= record["low"] <= record["error"] <= record["high"]
    assert curve[0]["low"] > 2 * curve[0]["floor"]  # three steps are seen to be wrong
    assert curve[1]["error"] < 2 * curve[1]["floor"]  # a hundred look like another exact set


def test_budgets_that_cannot_be_spent_are_reported_and_the_others_run():
    bare = replace(scheme("heun-edm"), fill=())
    curve = error_curve(bare, EDM(), ROTATED, "rho(7, zero=1)", [10, 11, 0], seeds=range(4))
    assert [record["error"] is None for record in curve] == [True, False, True]
    assert [record["steps"] for record in curve] == [None, 6, None]
    assert curve[0]["why"] == "scheme heun-edm cannot spend 10 evaluations; the nearest it can are 9, 11."
    assert "why" not in curve[1]


def test_curves_say_how_they_fill_a_budget():
    curve = error_curve(scheme("heun-edm"), EDM(), ROTATED, "rho(7, zero=1)", [10, 11], seeds=range(4))
    assert [record["plan"] for record in curve] == ["4 steps of 2 evaluations, 2 of 1", None]
    assert [record["steps"] for record in curve] == [6, 6]


def test_runs_and_coefficients_that_overflow_are_reported():
    for shift, steps, why in [(10**4, 100, "finite numbers"), (10**6, None, "not finite")]:
        (record,) = error_curve(scheme(f"lambda-ddim-1({shift})"), VP(), ROTATED, "uniform", [100], seeds=range(2))
        assert (record["error"], record["median"], record["steps"]) == (None, None, steps)
        assert why in record["why"]


def test_a_grid_of_own_points_starts_from_the_marginal_there():
    points = np.linspace(0.1, 0.05, 41)
    exact, unspendable = error_curve(scheme("em"), VP(), ROTATED, points, [40, 41])
    assert exact["error"] < 5e-3  # N(0, 1) there would be some 0.5 away
    assert "steps" in unspendable["why"]
    (sampled,) = error_curve(scheme("em"), VP(), mixture(dim=2, components=4), points, [40], seeds=range(400))
    assert sampled["error"] < 2 * sampled["floor"]


def test_the_sets_behind_a_floor_have_noise_of_their_own():
    # At noise level 10 the law itself is invisible: two sets of 100 are some 10 / sqrt(100) apart, not 0.
    (record,) = error_curve(scheme("em"), EDM(), mixture(dim=2), [80.0, 40.0, 10.0], [2], seeds=range(100))
    assert 0.5 < record["floor"] < 4


def test_the_flow_is_solved_once_for_all_schemes_and_budgets(monkeypatch):
    calls = []
    monkeypatch.setattr(curves, "exact_flow", lambda *args: calls.append(args) or exact_flow(*args))
    law = mixture(dim=2, components=3, seed=5)
    for name in ("ddim", "res-2m"):
        error_curve(scheme(name), VP(), law, "log-snr", [5, 9], seeds=range(3))
    assert len(calls) == 1


def test_a_scheme_on_a_process_it_is_not_declared_on_is_refused():
    with pytest.raises(InputError, match="psld"):
        error_curve(scheme("res-2s"), PSLD(), ROTATED, "uniform", [10])
    with pytest.raises(InputError, match="quadratik"):
        error_curve(scheme("ddim"), VP(), ROTATED, "quadratik", [10])
