"""Laws denoise, sample and report moments exactly; files are read without trust."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.errors import InputError, StorageError
from numtoolkit.laws import NAMED, Empirical, Gaussian, GaussianMixture, load, named

EPS = np.finfo(np.float64).eps
needs_data = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn's data are not here")


def random_mixture(seed: int, components: int = 3, dim: int = 3) -> GaussianMixture:
    return NAMED["mixture"](dim=dim, components=components, seed=seed)


def random_images(count: int = 60, shape: tuple[int, ...] = (3, 4), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape))


def every_law() -> list:
    """One law of each kind: full, diagonal, mixed, isotropic, degenerate, weighted data in several tiles."""
    rng = np.random.default_rng(5)
    weights = rng.dirichlet(np.ones(60))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    full = (turn * [0.0, 0.1, 0.5, 2.0]) @ turn.T
    return [
        Gaussian(np.arange(4.0), (full + full.T) / 2, "full"),
        Gaussian(np.zeros((2, 2)), np.array([[0.0, 1.0], [0.5, 2.0]]), "diagonal"),
        Gaussian(0.3, 0.25, "scalar event"),
        random_mixture(0),
        GaussianMixture(
            [0.5, 0.0, 0.5], rng.standard_normal((3, 4)), np.array([np.diag([0, 1, 2, 3]), np.eye(4), full + full.T])
        ),
        GaussianMixture([0.2, 0.8], rng.standard_normal((2, 2, 2)), rng.uniform(0, 1, (2, 2, 2)), "diagonals"),
        NAMED["ring"](),
        Empirical(random_images(), weights, tile=7),
    ]


@pytest.fixture(params=every_law(), ids=lambda law: law.name)
def law(request):
    return request.param


def noisy(law, count: int, sigma: float, seed: int = 0) -> np.ndarray:
    x = law.sample(count, seed)
    return x + sigma * np.random.default_rng(seed + 1).standard_normal(x.shape)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0, 50.0])
@pytest.mark.parametrize("name", ["gaussian", "two-modes"])
def test_denoiser_is_the_quotient_of_two_integrals(name, sigma):
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
def test_tweedie(seed, sigma):
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


def test_a_batch_larger_than_a_tile_is_the_same(monkeypatch):
    law = random_mixture(1)
    y, sigma = noisy(law, 50, 0.3), np.linspace(0.0, 2.0, 50)
    whole = law.denoise(y, sigma)
    monkeypatch.setattr("numtoolkit.laws.gaussian.TILE_BYTES", 7 * 8 * law.variances.size)
    np.testing.assert_allclose(law.denoise(y, sigma), whole, rtol=0, atol=100 * EPS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_at_zero_noise_the_result_is_y_and_its_own(law, dtype):
    y = noisy(law, 6, 0.5).astype(dtype)
    for sigma in (0, 0.0, np.zeros(6), np.float64(0)):
        clean = law.denoise(y, sigma)
        assert clean.dtype == dtype
        assert np.array_equal(clean, y)
        assert not np.shares_memory(clean, y)


def test_each_row_has_its_own_level(law):
    y, sigma = noisy(law, 5, 0.5), np.array([0.0, 0.1, 1.0, 0.0, 30.0])
    rows = np.concatenate([law.denoise(y[i : i + 1], s) for i, s in enumerate(sigma)])
    np.testing.assert_allclose(law.denoise(y, sigma), rows, rtol=0, atol=1e3 * EPS)


def test_at_infinite_noise_the_result_is_the_mean(law):
    x = law.sample(4, 0)
    radius = max(np.abs(law.sample(200, 1) - law.mean).max(), np.abs(x - law.mean).max())
    # D = mean + Cov (y - mean) / sigma^2 + ..., and |Cov| <= d radius^2; 1e5 is far beyond every law here.
    tolerance = x[0].size * radius**3 / 1e10 + 8 * EPS * (np.abs(law.mean).max() + radius)
    np.testing.assert_allclose(law.denoise(x, 1e5) - law.mean, np.zeros(x.shape), rtol=0, atol=2 * tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("sigma", [1e-6, 1e-2, 0.5, 80.0, 1e5])
def test_single_precision_is_kept_finite_and_near(law, sigma, dtype):
    y = noisy(law, 20, min(sigma, 80.0)).astype(dtype)
    got, exact = law.denoise(y, sigma), law.denoise(y.astype(np.float64), sigma)
    assert got.dtype == dtype
    assert np.isfinite(got).all()
    # Rounding of the result, and of exponents of size (|y| / sigma)^2 ~ 20 in float32 where components compete.
    tolerance = np.finfo(dtype).eps * (np.abs(exact).max() + 1) + 200 * np.finfo(np.float32).eps * (np.abs(y).max() + 4)
    np.testing.assert_allclose(got.astype(np.float64), exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize("sigma", [1e-6, 1e5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_away_points_stay_finite(law, sigma, dtype):
    for far in (1e5, 1e9):
        assert np.isfinite(law.denoise(np.full((2, *law.shape), far, dtype), sigma)).all()


def test_nan_stays_in_its_row(law):
    y = noisy(law, 3, 0.5)
    y[1] = np.nan
    clean = law.denoise(y, 0.5)
    assert np.isnan(clean[1]).all()
    assert np.isfinite(clean[[0, 2]]).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_torch_equals_numpy(law, dtype):
    torch = pytest.importorskip("torch")
    y = torch.tensor(noisy(law, 20, 0.5)).to(getattr(torch, dtype))
    sigma = torch.linspace(0, 3, 20)
    working = torch.promote_types(y.dtype, torch.float32)
    want = law.denoise(y.to(working).numpy(), sigma.numpy().astype(np.float64))
    got = law.denoise(y, sigma)
    assert got.dtype == y.dtype
    assert got.device == y.device
    assert got.shape == y.shape
    # Two exponential functions and two orders of summation on exponents up to 100, then the last rounding.
    tolerance = 200 * torch.finfo(working).eps * 5 + torch.finfo(y.dtype).eps * 5
    np.testing.assert_allclose(got.double().numpy(), want, rtol=0, atol=tolerance)
    assert torch.equal(law.denoise(y, 0.7), law.denoise(y, torch.full((20,), 0.7, dtype=working)))
    assert law.denoise(y[:0], 0.7).shape == (0, *law.shape)


def test_denoisers_can_be_differentiated_in_y_and_sigma(law):
    torch = pytest.importorskip("torch")
    law = copy.copy(law)  # without constants placed by earlier tests
    y = torch.tensor(noisy(law, 2, 0.5))
    with torch.inference_mode():
        law.denoise(y, 0.5)  # constants first placed here must serve autograd later
    rows = y.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: law.denoise(v, 0.5), (rows,))
    assert torch.autograd.gradcheck(
        lambda s: law.denoise(y, s), (torch.full((2,), 0.5, dtype=torch.float64, requires_grad=True),)
    )


def test_samples_have_the_moments_of_the_law(law):
    n = 20_000
    x = law.sample(n, 7).reshape(n, -1)
    gaps = x - law.mean.ravel()
    # 6 standard errors, taken from the sample itself; the 1e-12 is for directions without variance.
    assert np.all(np.abs(gaps.mean(0)) <= 6 * gaps.std(0) / math.sqrt(n) + 1e-12)
    products = gaps[:, :, None] * gaps[:, None, :]
    assert np.all(np.abs(products.mean(0) - law.covariance()) <= 6 * products.std(0) / math.sqrt(n) + 1e-12)
    assert law.variance == pytest.approx(np.trace(law.covariance()) / x.shape[1], rel=1e-12, abs=0)


def test_samples_are_prefixes_functions_of_the_seed_and_float64(law):
    x = law.sample(9, 4)
    assert x.dtype == np.float64
    assert x.shape == (9, *law.shape)
    assert np.array_equal(law.sample(5, 4), x[:5])
    assert not np.array_equal(law.sample(9, 5), x)


def test_eigen_rebuilds_the_covariance():
    full, diagonal = every_law()[:2]
    basis, variances, mean = full.eigen()
    np.testing.assert_allclose(basis * variances @ basis.T, full.covariance(), rtol=0, atol=4 * EPS)
    np.testing.assert_allclose(basis @ mean, full.mean, rtol=0, atol=16 * EPS)
    assert diagonal.eigen()[0] is None
    assert np.array_equal(diagonal.covariance(), np.diag([0.0, 1.0, 0.5, 2.0]))
    assert Gaussian([0.0, 0.0], np.diag([1.0, 2.0])).basis is None


def test_estimates_in_single_precision_are_laws():
    """A covariance of rank 3 in 8 dimensions and weights, both computed in float32, are off by its rounding."""
    x = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)
    rounded = np.cov(x.T, dtype=np.float32)
    assert np.linalg.eigvalsh(rounded.astype(np.float64))[0] < 0
    law = Gaussian(np.zeros(8), rounded)
    assert law.variances.min() == 0
    np.testing.assert_allclose(law.covariance(), rounded, rtol=0, atol=8 * np.finfo(np.float32).eps * rounded.max())
    with pytest.raises(InputError, match="negative eigenvalue"):
        Gaussian(np.zeros(8), rounded.astype(np.float64) - 1e-5 * np.eye(8))
    assert Empirical(x, [0.25, 0.25, 0.25, 0.2500005]).weights.sum() == pytest.approx(1, abs=4 * EPS)


def test_covariance_of_a_mixture_is_within_plus_between():
    rng = np.random.default_rng(0)
    weights, means, root = np.array([0.2, 0.3, 0.5]), rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    covariances = np.array([np.diag([0.0, 1.0, 2.0]), root @ root.T, np.eye(3)])  # diagonal ones beside a full one
    spread = means - weights @ means
    within, between = np.tensordot(weights, covariances, 1), (spread.T * weights) @ spread
    law = GaussianMixture(weights, means, covariances)
    np.testing.assert_allclose(law.covariance(), within + between, rtol=0, atol=32 * EPS)
    np.testing.assert_allclose(law.mean, weights @ means, rtol=0, atol=4 * EPS)


def test_laws_own_their_arrays_and_are_frozen():
    images = random_images()
    law = Empirical(images)
    before = law.denoise(images[:3], 0.2)
    images[:] = 7
    assert np.array_equal(law.denoise(random_images()[:3], 0.2), before)
    with pytest.raises(ValueError, match="read-only"):
        law.images[0] = 1
    with pytest.raises(AttributeError):
        law.name = "other"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_laws_say_what_they_are(name):
    if name == "digits" and find_spec("sklearn") is None:
        pytest.skip("scikit-learn's data are not here")
    law = NAMED[name]()
    assert law.name.startswith(name + "(")
    assert 0.1 < math.sqrt(law.variance) < 1
    assert law.denoise(law.sample(2, 0), 0.5).shape == (2, *law.shape)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian", {"dim": 0}),
        ("gaussian", {"dim": 2.0}),
        ("gaussian", {"std": -0.1}),
        ("gaussian", {"mean": math.nan}),
        ("anisotropic", {"low": 2.0, "high": 1.0}),
        ("anisotropic", {"dim": True}),
        ("mixture", {"seed": -1}),
        ("mixture", {"components": "4"}),
        ("two-modes", {"weight": 1.1}),
        ("ring", {"modes": 0}),
        ("digits", {"count": 1798}),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters):
    with pytest.raises(InputError, match=next(iter(parameters))):
        NAMED[name](**parameters)


@needs_data
def test_digits_are_those_of_scikit_learn_without_importing_it():
    code = (
        "import sys; from numtoolkit.laws import NAMED; law = NAMED['digits'](); "
        "heavy = {'sklearn', 'scipy', 'torch', 'sympy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    law = NAMED["digits"]()
    assert law.images.shape == (1797, 8, 8)
    assert (law.images.min(), law.images.max()) == (-1.0, 1.0)
    assert np.array_equal(8 * (law.images[0, 0] + 1), [0, 0, 5, 13, 9, 1, 0, 0])  # the first row of the file
    assert np.array_equal(NAMED["digits"](count=5).images, law.images[:5])


def test_digits_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setattr(named, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"numtoolkit\[data\]"):
        NAMED["digits"]()


@pytest.mark.parametrize(
    ("y", "sigma", "message"),
    [
        (np.zeros((2, 4)), 1.0, "shape"),
        (np.zeros(3), 1.0, "shape"),
        (np.zeros((2, 3), int), 1.0, "dtype"),
        (np.zeros((2, 3), complex), 1.0, "dtype"),
        ([[0.0, 0.0, 0.0]], 1.0, "list"),
        (np.zeros((2, 3)), -1.0, "sigma = -1.0"),
        (np.zeros((2, 3)), math.nan, "sigma = nan"),
        (np.zeros((2, 3)), math.inf, "sigma = inf"),
        (np.zeros((2, 3)), np.array([1.0, -1.0]), "sigma"),
        (np.zeros((2, 3)), np.ones(3), "sigma has shape"),
    ],
)
def test_inputs_that_cannot_be_denoised_are_refused(y, sigma, message):
    with pytest.raises(InputError, match=message):
        random_mixture(0).denoise(y, sigma)


BAD = {  # arrays that are no law, and a word of the reason
    "nothing": ({}, "keys are none"),
    "no covariances": ({"means": np.zeros((2, 3))}, "keys are means"),
    "unknown key": ({"images": np.zeros((2, 3)), "labels": np.zeros(2)}, "labels"),
    "both kinds": (
        {"means": np.zeros((1, 2)), "covariances": np.ones(1), "images": np.zeros((1, 2))},
        "keys",
    ),
    "covariances of other length": (
        {"means": np.zeros((2, 3)), "covariances": np.ones((3, 3))},
        "3 entries for 2",
    ),
    "covariances of other shape": ({"means": np.zeros((2, 3)), "covariances": np.ones((2, 2, 2))}, "shape"),
    "scalar means": ({"means": np.array(1.0), "covariances": np.array(1.0)}, "single number"),
    "NaN": ({"means": np.full((1, 2), np.nan), "covariances": np.ones(1)}, "NaN"),
    "infinite variance": ({"means": np.zeros((1, 2)), "covariances": np.array([np.inf])}, "infinity"),
    "negative variance": (
        {"means": np.zeros((2, 2)), "covariances": np.array([1.0, -1.0])},
        "negative variance",
    ),
    "asymmetric": (
        {"means": np.zeros((1, 2)), "covariances": np.array([[[1, 0.1], [0, 1]]])},
        "not symmetric",
    ),
    "indefinite": ({"means": np.zeros((1, 2)), "covariances": np.array([[[1.0, 2], [2, 1]]])}, "eigenvalue"),
    "negative weight": ({"images": np.zeros((2, 3)), "weights": np.array([1.5, -0.5])}, "negative value"),
    "weights off by 1e-5": (
        {"images": np.zeros((2, 3)), "weights": np.array([0.5, 0.50001])},
        "divide it by its sum",
    ),
    "weights of other length": ({"images": np.zeros((2, 3)), "weights": np.ones(3) / 3}, "give 2 numbers"),
    "empty": ({"images": np.zeros((0, 3))}, "empty"),
    "empty events": ({"means": np.zeros((2, 0)), "covariances": np.ones(2)}, "empty"),
    "complex": ({"images": np.zeros((2, 3), complex)}, "complex"),
    "boolean": ({"images": np.zeros((2, 3), bool)}, "bool"),
    "text": ({"images": np.array(["a", "b"])}, "real numbers"),
    "pickled": ({"images": np.array([{}, {}])}, "allow_pickle"),
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_are_no_law_are_refused_in_one_sentence(kind, tmp_path):
    arrays, message = BAD[kind]
    path = tmp_path / "law.npz"
    np.savez(path, **arrays)
    with pytest.raises(StorageError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_laws_come_back_from_files(tmp_path):
    path = tmp_path / "law.npz"
    mixture, rng = random_mixture(2), np.random.default_rng(0)
    covariances = (mixture.bases * mixture.variances[:, None, :]) @ mixture.bases.transpose(0, 2, 1)
    y = noisy(mixture, 4, 0.5)
    np.savez_compressed(path, weights=mixture.weights, means=mixture.means, covariances=covariances)
    np.testing.assert_allclose(load(path).denoise(y, 0.5), mixture.denoise(y, 0.5), rtol=0, atol=1e3 * EPS)
    np.savez(path, means=mixture.means[:1], covariances=covariances[:1])
    single = load(path)
    assert isinstance(single, Gaussian)
    np.testing.assert_allclose(single.covariance(), covariances[0], rtol=0, atol=8 * EPS)
    np.savez(path, means=mixture.means[:1], covariances=np.array(0.1))
    assert np.array_equal(load(path).covariance(), 0.1 * np.eye(3))
    np.savez(path, means=mixture.means, covariances=np.array(0.1))
    assert np.array_equal(load(path).weights, np.full(3, 1 / 3))
    images = rng.uniform(-1, 1, (5, 2, 2)).astype(np.float32)
    np.savez(path, images=images)
    assert load(path).images.dtype == np.float32
    assert np.array_equal(load(path).images, images)


def test_hostile_and_foreign_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "law.npz"
    for missing in (path, tmp_path):
        with pytest.raises(StorageError, match="not a file"):
            load(missing)
    for content in (b"", b"PK", b"not a zip", bytes(10_000), np.random.default_rng(0).bytes(5000)):
        path.write_bytes(content)
        with pytest.raises(StorageError, match="zip"):
            load(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(StorageError, match="zip"):
        load(path)
    np.savez_compressed(path, images=np.zeros((1000, 1000)))  # 8 MB in 8 kB
    monkeypatch.setattr("numtoolkit.files.storage.NPZ_LIMIT", 1 << 20)
    with pytest.raises(StorageError, match="unpacks"):
        load(path)
    monkeypatch.setattr("numtoolkit.files.storage.NPZ_LIMIT", 100)
    with pytest.raises(StorageError, match="larger"):
        load(path)


def test_headers_that_lie_are_refused(tmp_path):
    path = tmp_path / "law.npz"
    huge, long, short = "(10000000000, 3)", "(1, 3)" + 20_000 * " ", "(1, 3)"
    for shape, message in ((huge, "cannot read"), (long, "load securely"), (short, "shorter than its bytes")):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(48)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(StorageError, match=message) as caught:
            load(path)
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("images.npy", content)
    with pytest.raises(StorageError, match="two arrays of one name"):
        load(path)


def test_no_flipped_bit_loads_as_another_law(tmp_path):
    path = tmp_path / "law.npz"
    np.savez(path, weights=np.array([0.25, 0.75]), means=np.array([[0.5], [1.5]]), covariances=np.array([1.0, 2.0]))
    sound, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            law = load(path)
        except StorageError:
            refused += 1
        else:
            assert np.array_equal(law.weights, [0.25, 0.75])
            assert np.array_equal(law.means, [[0.5], [1.5]])
            assert np.array_equal(law.variances, [[1.0], [2.0]])
    assert refused > len(sound) / 2  # arrays, names and sizes; the rest is time stamps, versions and attributes
