"""Samples of a law have its moments, and a law owns its arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws import Empirical, Gaussian, GaussianMixture
from tests.support.laws import EPS, every_law, random_images


def test_samples_have_the_moments_of_the_law(law):
    """Mean, covariance and total variance within six standard errors of 20000 samples."""
    n = 20_000
    x = law.sample(n, 7).reshape(n, -1)
    gaps = x - law.mean.ravel()
    # 6 standard errors, taken from the sample itself; the 1e-12 is for directions without variance.
    assert np.all(np.abs(gaps.mean(0)) <= 6 * gaps.std(0) / math.sqrt(n) + 1e-12)
    products = gaps[:, :, None] * gaps[:, None, :]
    assert np.all(np.abs(products.mean(0) - law.covariance()) <= 6 * products.std(0) / math.sqrt(n) + 1e-12)
    assert law.variance == pytest.approx(np.trace(law.covariance()) / x.shape[1], rel=1e-12, abs=0)


def test_samples_are_prefixes_functions_of_the_seed_and_float64(law):
    """Fewer samples are the first of more, another seed gives others, float64 whatever the law's dtype."""
    x = law.sample(9, 4)
    assert x.dtype == np.float64
    assert x.shape == (9, *law.shape)
    assert np.array_equal(law.sample(5, 4), x[:5])
    assert not np.array_equal(law.sample(9, 5), x)


def test_eigen_rebuilds_the_covariance():
    """Basis, variances and mean in the basis are the law again; diagonal laws need no basis."""
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
    """The law of total covariance, with diagonal components beside full ones."""
    rng = np.random.default_rng(0)
    weights, means, root = np.array([0.2, 0.3, 0.5]), rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    covariances = np.array([np.diag([0.0, 1.0, 2.0]), root @ root.T, np.eye(3)])  # diagonal ones beside a full one
    spread = means - weights @ means
    within, between = np.tensordot(weights, covariances, 1), (spread.T * weights) @ spread
    law = GaussianMixture(weights, means, covariances)
    np.testing.assert_allclose(law.covariance(), within + between, rtol=0, atol=32 * EPS)
    np.testing.assert_allclose(law.mean, weights @ means, rtol=0, atol=4 * EPS)


def test_laws_own_their_arrays_and_are_frozen():
    """The caller's arrays may change afterwards; those of the law cannot."""
    images = random_images()
    law = Empirical(images)
    before = law.denoise(images[:3], 0.2)
    images[:] = 7
    assert np.array_equal(law.denoise(random_images()[:3], 0.2), before)
    with pytest.raises(ValueError, match="read-only"):
        law.images[0] = 1
    with pytest.raises(AttributeError):
        law.name = "other"


@pytest.mark.parametrize("tile", [0, -1])
def test_a_data_set_is_taken_one_image_at_a_time_at_least(tile):
    """A tile of none is refused when the law is made, not when it is called."""
    with pytest.raises(InputError, match=f"tile = {tile} images at a time is too few"):
        Empirical(random_images(3), tile=tile)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixels_of_eight_bits_are_no_law(dtype):
    """Data from 0 to 255 are on another scale than the noise of any process."""
    pixels = np.array([[0, 12, 255], [3, 200, 9]], dtype)
    with pytest.raises(InputError, match=r"images go from 0 to 255, as pixels .*; give images / 127\.5 - 1\.$"):
        Empirical(pixels)
    Empirical(pixels / np.float32(127.5) - 1)
    Empirical(pixels * 2.0)


def test_an_image_without_weight_is_not_there():
    """Its logarithm is asked of nobody."""
    y = np.array([[0.3], [0.9]])
    got = Empirical([[0.0], [1.0], [5.0]], [0.5, 0.5, 0.0]).denoise(y, 0.4)
    np.testing.assert_allclose(got, Empirical([[0.0], [1.0]]).denoise(y, 0.4), rtol=1e-14)
