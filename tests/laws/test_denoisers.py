"""Denoisers are exact: against integrals, forty digits, brute force and each other."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.laws import NAMED, Empirical, Gaussian, GaussianMixture
from tests.support.laws import EPS, noisy, random_images, random_mixture
from tests.support.tiers import breadth


@pytest.mark.parametrize("sigma", breadth([1e-3, 0.1, 1.0, 50.0], lambda sigma: sigma == 1))
@pytest.mark.parametrize("name", ["gaussian", "two-modes"])
def test_denoiser_is_the_quotient_of_two_integrals(name, sigma):
    """E[x0 | y] by 30-digit quadrature of its definition, on one Gaussian and on two modes."""
    law = NAMED[name]()
    weights, means, variances = (
        ([1.0], law.mean[None], law.variances[None]) if name == "gaussian" else (law.weights, law.means, law.variances)
    )
    for y in (-0.9, 0.02, 0.7):
        with mp.workdps(30):

            def density(x, y=y):
                prior = sum(
                    w * mp.npdf(x, m, mp.sqrt(v)) for w, m, v in zip(weights, means[:, 0], variances[:, 0], strict=True)
                )
                return prior * mp.npdf(y, x, sigma)

            # Break points where the integrand can peak: beside y and beside each mean, in units of its width.
            cuts = {mp.mpf(y) + k * sigma for k in (-12, -3, 0, 3, 12)}
            cuts |= {
                mp.mpf(m) + k * mp.sqrt(v)
                for m, v in zip(means[:, 0], variances[:, 0], strict=True)
                for k in (-14, -3, 0, 3, 14)
            }
            cuts = sorted(cuts)
            exact = mp.quad(lambda x: x * density(x), cuts) / mp.quad(density, cuts)
        # Numbers are of size 1; exponents (y - m)^2 / (v + sigma^2) < 100 pass their rounding on to the shares.
        assert law.denoise(np.array([[y]]), sigma)[0, 0] == pytest.approx(float(exact), abs=100 * EPS)


@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("sigma", [1e-6, 1e-2, 0.3, 10.0, 1e5])
def test_rotated_mixture_matches_forty_digits_near_and_far(sigma, scale):
    """No digit is lost at noise levels from 1e-6 to 1e5 and states from 1 to 1e6."""
    law = random_mixture(3)
    mixture_covariances = (law.bases * law.variances[:, None, :]) @ law.bases.transpose(0, 2, 1)
    y = scale * np.array([0.3, -0.5, 0.8])
    with mp.workdps(40):
        logs, means, quads = [], [], []
        for w, m, C in zip(law.weights, law.means, mixture_covariances, strict=True):
            total = mp.matrix(C.tolist()) + mp.mpf(sigma) ** 2 * mp.eye(3)
            gap = mp.matrix(y.tolist()) - mp.matrix(m.tolist())
            white = mp.lu_solve(total, gap)
            quads.append((gap.T * white)[0])
            logs.append(mp.log(w) - quads[-1] / 2 - mp.log(mp.det(total)) / 2)
            means.append(mp.matrix(m.tolist()) + mp.matrix(C.tolist()) * white)
        shares = [mp.exp(value - max(logs)) for value in logs]
        shares = [share / sum(shares) for share in shares]
        exact = np.array([float(sum(r * m[i] for r, m in zip(shares, means, strict=True))) for i in range(3)])
        contested = float(sum(r * (1 - r) for r in shares))
        spread = max(float(mp.norm(a - b)) for a in means for b in means)
    # Gains carry a few eps times the condition number of a covariance, (0.35 / 0.1)^2 = 12; exponents carry as many
    # eps of their size, which move the mean only as far as components are contested.
    size = np.abs(exact).max() + np.abs(law.means).max()
    tolerance = 50 * EPS * (size + float(max(quads)) * contested * spread)
    np.testing.assert_allclose(law.denoise(y[None], sigma)[0], exact, rtol=0, atol=tolerance)


@given(st.integers(0, 10**6), st.floats(0.02, 20.0))
def test_denoisers_obey_tweedies_formula(seed, sigma):
    """E[x0 | y] = y + sigma^2 grad log p(y), the gradient by complex steps, which lose no digits to subtraction."""
    law = random_mixture(seed)
    covariances = (law.bases * law.variances[:, None, :]) @ law.bases.transpose(0, 2, 1) + sigma**2 * np.eye(3)
    inverses, logdets = np.linalg.inv(covariances), np.linalg.slogdet(covariances)[1]

    def log_density(z):
        gaps = z - law.means
        exponents = np.log(law.weights) - 0.5 * np.einsum("ki,kij,kj->k", gaps, inverses, gaps) - 0.5 * logdets
        top = exponents.real.max()
        return top + np.log(np.exp(exponents - top).sum())

    y = noisy(law, 1, sigma, seed)[0]
    gradient = [log_density(y + 1e-100j * e).imag / 1e-100 for e in np.eye(3)]
    # log p has terms of size < 100 whose rounding enters the shares; sigma^2 grad log p is of size |y| + 1.
    np.testing.assert_allclose(
        law.denoise(y[None], sigma)[0],
        y + sigma**2 * np.array(gradient),
        rtol=0,
        atol=1e3 * EPS * (np.abs(y).max() + 1),
    )


@pytest.mark.parametrize("sigma", [1e-3, 1e-2, 0.1, 1.0, 80.0, 1e4])
def test_data_set_matches_brute_force_to_the_rounding_of_y(sigma):
    """The blocked evaluation is the sum over all images in long double, halfway between images too."""
    images = random_images(200, (64,))
    rng = np.random.default_rng(1)
    pairs = images[rng.integers(0, 200, (2, 20))]
    halfway = pairs.mean(0)
    halfway[5:] += sigma**2 * rng.standard_normal((15, 1)) * (pairs[0] - pairs[1])[5:] / 40
    y = np.concatenate([images[:20] + sigma * rng.standard_normal((20, 64)), halfway])
    got = Empirical(images).denoise(y, sigma)
    exact, slack = [], []
    for row in y.astype(np.longdouble):
        exponents = -((row - images) ** 2).sum(1) / (2 * np.longdouble(sigma) ** 2)
        shares = np.exp(exponents - exponents.max())
        shares /= shares.sum()
        exact.append(shares @ images)
        slack.append(np.sqrt(shares @ ((images - exact[-1]) ** 2).sum(1)))
    # An inner product of 64 terms errs by sqrt(64) eps |y| |x|, rarely more; an exponent by that over sigma^2, and
    # the mean by the error of an exponent times the posterior deviation. |x| is 4.6 here, and 8 at the most.
    size = np.linalg.norm(y, axis=1) + 8
    bound = 8 * EPS * (8 * size * 8 / sigma**2 * np.array(slack, float) + 8)
    assert np.all(np.linalg.norm(got - np.array(exact, float), axis=1) <= bound)


@given(st.integers(0, 10**6), st.floats(1e-4, 1e4), st.sampled_from(["number", "diagonal", "full"]))
def test_mixture_of_one_is_the_gaussian(seed, sigma, kind):
    """One component in any spelling of its covariance is the Gaussian, in denoiser and moments."""
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((4, 4))
    covariance = {"number": 0.7, "diagonal": rng.uniform(0, 2, (2, 2)), "full": root @ root.T}[kind]
    mean = rng.standard_normal((2, 2))
    one, many = Gaussian(mean, covariance), GaussianMixture([1.0], mean[None], np.asarray(covariance)[None])
    y = noisy(one, 5, sigma, seed)
    # The mixture projects y and its mean apart, so they differ by the rounding of two products of length 4.
    np.testing.assert_allclose(
        many.denoise(y, sigma), one.denoise(y, sigma), rtol=0, atol=32 * EPS * (np.abs(y).max() + 4)
    )
    np.testing.assert_allclose(many.covariance(), one.covariance(), rtol=0, atol=32 * EPS * one.covariance().max())
    assert many.variance == pytest.approx(one.variance, rel=8 * EPS, abs=0)


@given(st.integers(0, 10**6), st.floats(0.01, 100.0))
def test_denoising_commutes_with_rotation_and_shift(seed, sigma):
    """Turned and shifted data have turned and shifted predictions."""
    rng = np.random.default_rng(seed)
    law, turn, shift = (
        random_mixture(seed),
        np.linalg.qr(rng.standard_normal((3, 3)))[0],
        rng.standard_normal(3),
    )
    bases = turn @ law.bases
    covariances = (bases * law.variances[:, None, :]) @ bases.transpose(0, 2, 1)
    moved = GaussianMixture(law.weights, law.means @ turn.T + shift, covariances)
    y = noisy(law, 4, sigma, seed)
    # Eigenvectors of the turned covariance are new, with condition number 12; exponents are below 100.
    tolerance = 1e3 * EPS * (np.abs(y).max() + np.abs(shift).max() + 1)
    np.testing.assert_allclose(
        moved.denoise(y @ turn.T + shift, sigma),
        law.denoise(y, sigma) @ turn.T + shift,
        rtol=0,
        atol=tolerance,
    )


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_data_set_is_the_mixture_without_width(sigma):
    """A data set is the limit of mixtures, approached linearly in their variance."""
    images, weights = random_images(), np.random.default_rng(1).dirichlet(np.ones(60))
    data, points = Empirical(images, weights), GaussianMixture(weights, images, 0.0)
    y = noisy(data, 30, sigma)
    # Exponents reach |y - x|^2 / sigma^2 < 40 / sigma^2, and their rounding moves a mean of size 1.
    np.testing.assert_allclose(
        data.denoise(y, sigma), points.denoise(y, sigma), rtol=0, atol=40 * EPS * (4 + 4 / sigma**2)
    )
    np.testing.assert_allclose(data.mean, points.mean, rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(data.covariance(), points.covariance(), rtol=0, atol=8 * EPS)
    assert data.variance == pytest.approx(points.variance, rel=32 * EPS, abs=0)
    smaller = [
        np.abs(GaussianMixture(weights, images, c).denoise(y, sigma) - data.denoise(y, sigma)).max()
        for c in (1e-4, 1e-6)
    ]
    assert smaller[1] == pytest.approx(
        smaller[0] / 100, rel=0.1, abs=0
    )  # the limit is approached linearly in the variance


def test_entries_of_weight_zero_do_not_matter():
    """Weight 0 is as good as absence, in data sets and in mixtures."""
    images, keep = random_images(), np.arange(60) % 3 > 0
    weights = keep / keep.sum()
    y = noisy(Empirical(images), 9, 0.4)
    # Another centre and other tiles: a few eps of exponents of size 4 / 0.4^2.
    np.testing.assert_allclose(
        Empirical(images, weights).denoise(y, 0.4),
        Empirical(images[keep]).denoise(y, 0.4),
        rtol=0,
        atol=500 * EPS,
    )
    some = GaussianMixture(weights[keep], images[keep], 0.1)
    np.testing.assert_allclose(
        GaussianMixture(weights, images, 0.1).denoise(y, 0.4), some.denoise(y, 0.4), rtol=0, atol=500 * EPS
    )


@pytest.mark.parametrize("tile", [1, 7, 59, 60, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_and_order_of_data_and_batch_change_only_rounding(tile, dtype):
    """Tiles of any size, shuffled images and shuffled rows give the same predictions to rounding."""
    images = random_images()
    y = noisy(Empirical(images), 31, 0.3).astype(dtype)
    whole = Empirical(images).denoise(y, 0.3)
    order, shuffled = np.random.default_rng(2).permutation(31), np.random.default_rng(3).permutation(60)
    tolerance = 100 * np.finfo(dtype).eps * 4 / 0.3**2  # exponents up to |x| |y| / sigma^2
    np.testing.assert_allclose(Empirical(images, tile=tile).denoise(y, 0.3), whole, rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        Empirical(images[shuffled], tile=tile).denoise(y[order], 0.3), whole[order], rtol=0, atol=tolerance
    )
    np.testing.assert_allclose(Empirical(images, tile=tile).denoise(y[:5], 0.3), whole[:5], rtol=0, atol=tolerance)


def test_a_batch_larger_than_a_tile_is_denoised_as_a_whole_one(monkeypatch):
    """Rows with levels of their own are split with them."""
    law = random_mixture(1)
    y, sigma = noisy(law, 50, 0.3), np.linspace(0.0, 2.0, 50)
    whole = law.denoise(y, sigma)
    monkeypatch.setattr("numtoolkit.laws.gaussian.TILE_BYTES", 7 * 8 * law.variances.size)
    np.testing.assert_allclose(law.denoise(y, sigma), whole, rtol=0, atol=100 * EPS)
