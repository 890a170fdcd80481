"""Every denoiser keeps dtype, library, rows and finite numbers, and refuses what it cannot denoise."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws.law import denoised
from tests.support.laws import EPS, noisy, random_mixture


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_at_zero_noise_the_result_is_a_copy_of_y(law, dtype):
    """E[x0 | y] = y at sigma = 0, in the dtype of y and in memory of its own."""
    y = noisy(law, 6, 0.5).astype(dtype)
    for sigma in (0, 0.0, np.zeros(6), np.float64(0)):
        clean = law.denoise(y, sigma)
        assert clean.dtype == dtype
        assert np.array_equal(clean, y)
        assert not np.shares_memory(clean, y)


def test_each_row_has_its_own_level(law):
    """A vector of levels denoises every row as a call with its level alone does."""
    y, sigma = noisy(law, 5, 0.5), np.array([0.0, 0.1, 1.0, 0.0, 30.0])
    rows = np.concatenate([law.denoise(y[i : i + 1], s) for i, s in enumerate(sigma)])
    np.testing.assert_allclose(law.denoise(y, sigma), rows, rtol=0, atol=1e3 * EPS)


def test_at_infinite_noise_the_result_is_the_mean(law):
    """At sigma = 1e5 a denoiser says the mean, up to the Taylor bound of the law's radius."""
    x = law.sample(4, 0)
    radius = max(np.abs(law.sample(200, 1) - law.mean).max(), np.abs(x - law.mean).max())
    # D = mean + Cov (y - mean) / sigma^2 + ..., and |Cov| <= d radius^2; 1e5 is far beyond every law here.
    tolerance = x[0].size * radius**3 / 1e10 + 8 * EPS * (np.abs(law.mean).max() + radius)
    np.testing.assert_allclose(law.denoise(x, 1e5) - law.mean, np.zeros(x.shape), rtol=0, atol=2 * tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("sigma", [1e-6, 1e-2, 0.5, 80.0, 1e5])
def test_single_precision_is_kept_finite_and_near(law, sigma, dtype):
    """float16 and float32 keep their dtype, never overflow, and err by their own rounding."""
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
    """No state, however far from the law, makes a quotient 0 / 0."""
    for far in (1e5, 1e9):
        assert np.isfinite(law.denoise(np.full((2, *law.shape), far, dtype), sigma)).all()


def test_nan_stays_in_its_row(law):
    """One bad sample of a batch does not spoil the others."""
    y = noisy(law, 3, 0.5)
    y[1] = np.nan
    clean = law.denoise(y, 0.5)
    assert np.isnan(clean[1]).all()
    assert np.isfinite(clean[[0, 2]]).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_denoisers_say_the_same_in_torch_and_numpy(law, dtype):
    """Dtype, device and shape are kept, half precisions work in float32, and the values are numpy's to rounding."""
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
    """Autograd agrees with finite differences, also after constants were placed in inference mode."""
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
    """Shape, dtype and level are checked before anything is computed, and named."""
    with pytest.raises(InputError, match=message):
        random_mixture(0).denoise(y, sigma)


@pytest.mark.parametrize("sigma", [0.5, np.array([0.1, 0.2, 0.3, 0.4, 0.5])], ids=["one", "each"])
def test_a_batch_in_tiles_is_the_batch(sigma):
    """Rows and levels go to the kernel together, two at a time and one at the end."""
    y, sizes = np.arange(10.0).reshape(5, 2), []

    def kernel(rows, level):
        sizes.append(len(rows))
        return rows * level

    np.testing.assert_array_equal(denoised(kernel, y, sigma, (2,), tile=2), denoised(kernel, y, sigma, (2,)))
    assert sizes == [2, 2, 1, 5]


def test_a_law_answers_in_double_whatever_it_was_asked_before(law):
    """What it keeps for one dtype is not taken for another, nor that of another law."""
    y = noisy(law, 3, 0.5)
    asked, fresh = copy.deepcopy(law), copy.deepcopy(law)
    asked.denoise(y.astype(np.float32), 0.5)
    np.testing.assert_array_equal(asked.denoise(y, 0.5), fresh.denoise(y, 0.5))
