"""Maps and moments of whole runs on a Gaussian are those of the loop and of its samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.errors import InputError
from numtoolkit.laws.named import mixture
from numtoolkit.measure import (
    Normal,
    affine_map,
    exact_marginal,
    kl,
    moments,
    wasserstein2,
)
from numtoolkit.measure import distances as measures
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP, RectifiedFlow
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import STEP, normals
from numtoolkit.schemes import catalogue, scheme
from tests.support.gaussian_runs import IDS, PROCESSES, ROTATED, in_basis, network, starts
from tests.support.tiers import breadth

# the map and the moments of a run


@pytest.mark.parametrize(
    ("predicts", "process"),
    breadth(
        (
            pytest.param(predicts, process, id=f"{predicts}-{name}")
            for predicts in ("data", "noise", "score", "flow")
            for name, process in zip(IDS, PROCESSES, strict=True)
        ),
        lambda predicts, process: predicts == "data" or (predicts, process.name) in (("noise", "vp"), ("flow", "edm")),
    ),
)
def test_the_affine_map_of_every_deterministic_run_is_what_the_loop_computes(process, predicts):
    """R z + r is the end of the run, for every ODE scheme, process and prediction of the network."""
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
    """Mean R m + r and covariance R C R', from any normal start."""
    program = lower(scheme("euler"), process, grid("uniform", process, 7))
    start = exact_marginal(process, ROTATED, process.T)
    R, r = affine_map(program, ROTATED)
    found = moments(program, law=ROTATED, start=start)
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
    """Mean, covariance and independence across directions, within five standard errors of 20000 samples."""
    n = 20_000
    program = lower(scheme(name), process, grid("log-snr" if process.blocks == 1 else "quadratic", process, 12))

    def noise(step, slot):
        return list(np.moveaxis(normals(range(n), STEP + slot, step, (process.blocks, 3)), 1, 0))

    z = in_basis(ROTATED, run(program, network(program, ROTATED), starts(process, (3,), n), noise))
    exact = moments(program, law=ROTATED)
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
    """EDM, VP and flow are one equation in x = z / alpha.

    exponential-iia.md 1.1: with x = z / alpha and s = sigma / alpha only the grid of noise levels matters.
    """
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
    """Moments at t = 0 are those of the data, up to the error of the steps."""
    program = lower(scheme("res-2s"), EDM(), grid("rho(7, zero=1)", EDM(), 200))
    final = moments(program, law=ROTATED, start=exact_marginal(EDM(), ROTATED, 80.0))
    data = exact_marginal(EDM(), ROTATED, 0.0)
    assert wasserstein2(final, data) < 1e-4  # (L/N)^2 / 48 of exponential-iia.md 6.3 is 5e-5 at this grid
    np.testing.assert_allclose(data.covariance[:, 0, 0], ROTATED.variances, rtol=1e-15)


def test_moments_refuse_what_has_no_affine_network():
    """A mixture has no affine denoiser, and a run that draws noise is no map."""
    program = lower(scheme("em"), VP(), grid("uniform", VP(), 3))
    with pytest.raises(InputError, match="not Gaussian"):
        moments(program, law=mixture())
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
    """W2 and KL by blocks are those of the whole covariance, written out."""
    rng = np.random.default_rng(seed)
    p, q = random_normal(rng, d, k), random_normal(rng, d, k)
    # The random blocks are as singular as chance makes them; KL divides by the smaller eigenvalue of q.
    worst = max(np.linalg.cond(law.covariance).max() for law in (p, q))
    assert wasserstein2(p, q) == pytest.approx(measures.wasserstein2_gaussian(*whole(p), *whole(q)), rel=1e-9)
    assert kl(p, q) == pytest.approx(measures.kl_gaussian(*whole(p), *whole(q)), rel=1e-9 + 1e-13 * worst)
    assert wasserstein2(p, p) < 1e-13 * (1 + np.abs(p.covariance).max() * d * k)
    assert kl(p, Normal(q.mean, 0 * q.covariance)) == math.inf


@pytest.mark.parametrize("process", [VP(), PSLD()], ids=lambda p: p.name)
def test_a_reference_law_off_centre_moves_a_rotated_law_as_the_loop_does(process):
    """The constant of a program has another coordinate in each direction of the eigenbasis."""
    program = lower(scheme("gframe-ab(2, mean=1/10)"), process, grid("uniform", process, 5))
    _, shift = affine_map(program, ROTATED)
    end = run(program, network(program, ROTATED), [np.zeros((1, 3))] * process.blocks)
    np.testing.assert_allclose(shift, in_basis(ROTATED, end)[0], rtol=0, atol=1e-11)


def test_the_marginal_of_a_block_is_its_own():
    """Mean and variance of the momentum, one pair a direction."""
    joint = Normal(np.array([[1.0, 2.0]]), np.array([[[4.0, 1.0], [1.0, 9.0]]]))
    assert (joint.block(1).mean.item(), joint.block(1).covariance.item()) == (2.0, 9.0)
