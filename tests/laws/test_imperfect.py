"""A network that is wrong by a known amount: how much, where, and that its flow is one that errors can be held to."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import sample
from numtoolkit.errors import InputError
from numtoolkit.laws import Imperfect, Rough, law_of
from numtoolkit.measure import error_curve

LAW = law_of("mixture(dim=16, seed=4)")


@pytest.mark.parametrize("sigma", [0.01, 0.3, 5.0])
def test_a_network_is_wrong_by_its_size_times_the_posterior_deviation(sigma):
    """RMS over 4000 points of the noised law: the field is of size 1, to within its own fluctuation."""
    y = LAW.sample(4000, 1) + sigma * np.random.default_rng(0).standard_normal((4000, 16))
    wrong = Imperfect(LAW, 0.1).denoise(y, sigma) - LAW.denoise(y, sigma)
    posterior = np.sqrt(LAW.variance) * sigma / np.hypot(np.sqrt(LAW.variance), sigma)
    # 32 waves of variance 2/32 times sin^2 = 1/2: each coordinate's mean square is chi-square with some 16 degrees
    assert np.sqrt(np.mean(wrong**2)) == pytest.approx(0.1 * posterior, rel=0.25)
    np.testing.assert_allclose(Imperfect(LAW, 0.2).denoise(y, sigma) - LAW.denoise(y, sigma), 2 * wrong, atol=1e-14)


def test_an_error_of_size_nothing_is_the_law_itself():
    """Moments and samples are those of the law, whatever the size."""
    y = LAW.sample(5, 0)
    np.testing.assert_array_equal(Imperfect(LAW, 0.0).denoise(y, 0.5), LAW.denoise(y, 0.5))
    wrong = Imperfect(LAW, 0.1)
    np.testing.assert_array_equal(wrong.sample(5, 0), y)
    np.testing.assert_array_equal(wrong.covariance(), LAW.covariance())
    assert (wrong.shape, wrong.variance) == (LAW.shape, LAW.variance)
    assert repr(wrong) == f"<Imperfect {LAW.name}, network wrong by 0.1>"


def test_a_level_for_each_sample_is_that_of_each():
    """As a law takes them."""
    y, wrong = LAW.sample(3, 0), Imperfect(LAW, 0.1)
    levels = np.array([0.1, 1.0, 3.0])
    each = np.concatenate([wrong.denoise(y[i : i + 1], float(s)) for i, s in enumerate(levels)])
    np.testing.assert_allclose(wrong.denoise(y, levels), each, rtol=1e-12)


def test_fields_of_two_seeds_are_different_and_of_one_the_same():
    """The seed decides the field."""
    y = LAW.sample(3, 0)
    first, again, other = (Imperfect(LAW, 0.1, seed).denoise(y, 0.5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.check
def test_errors_of_schemes_fall_to_the_flow_of_the_wrong_network():
    """With order 2, below the distance of that flow from the exact one: it is the scheme that is measured."""
    coarse, fine = (r["error"] for r in error_curve("heun-edm", "edm", Imperfect(LAW, 0.1), "rho(7)", [80, 160]))
    assert coarse / fine == pytest.approx(4, rel=0.2)


def test_a_rough_network_is_wrong_by_its_size_at_each_level():
    """That of the levels it is told, in between linear in log s, below the first proportional to s; at 0 the state."""
    rough = Rough(LAW, [0.1, 1.0, 10.0], [0.02, 0.04, 0.1])
    sizes = rough.size(np.array([0.01, 0.1, np.sqrt(0.1), 10.0, 50.0]))
    np.testing.assert_allclose(sizes, [0.002, 0.02, 0.03, 0.1, 0.1], rtol=1e-12)
    for sigma, size in ((0.01, 0.002), (30.0, 0.1)):
        y = LAW.sample(4000, 1) + sigma * np.random.default_rng(0).standard_normal((4000, 16))
        wrong = rough.denoise(y, sigma) - LAW.denoise(y, sigma)
        assert np.sqrt(np.mean(wrong**2)) == pytest.approx(size, rel=0.25)
    np.testing.assert_array_equal(rough.denoise(y, 0.0), y)
    later = rough.denoise(y, 60.0) - LAW.denoise(y, 60.0)
    assert np.sqrt(np.mean((later - wrong) ** 2)) > 0.03, "it goes on changing at high noise"
    for levels, own in (([1.0, 0.5], [1.0, 1.0]), ([0.0, 0.5], [1.0, 1.0]), ([0.1, 0.5], [1.0]), ([0.1], [-1.0])):
        with pytest.raises(InputError, match="levels \\(n,\\) that rise"):
            Rough(LAW, levels, own)


@pytest.mark.parametrize("make", [lambda law: Imperfect(law, 0.1), lambda law: Rough(law, [0.1, 1.0], [0.2, 0.1])])
def test_a_wrong_denoiser_takes_tensors_of_any_dtype_as_laws_do(make):
    """And gives them back in theirs; a run draws the same of both libraries."""
    torch = pytest.importorskip("torch")
    wrong = make(LAW)
    y = LAW.sample(3, 0).astype(np.float32)
    told = wrong.denoise(torch.from_numpy(y), torch.tensor(0.5))
    assert told.dtype == torch.float32
    np.testing.assert_allclose(told.numpy(), wrong.denoise(y, 0.5), rtol=0, atol=1e-6)
    assert wrong.denoise(y, 0.5).dtype == np.float32
    np.testing.assert_allclose(told.numpy(), wrong.denoise(y.astype(np.float64), 0.5), rtol=0, atol=1e-6)
    assert sample("ddim", "edm", wrong, "rho(7)", 3, seeds=range(2)).samples.dtype == torch.float32
