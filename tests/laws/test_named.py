"""Laws by name say what they are and refuse parameters out of range."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.stats import chi2, norm
from scipy.stats import t as t_law

from numtoolkit.errors import InputError
from numtoolkit.laws import NAMED, named

needs_data = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn's data are not here")


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_laws_say_what_they_are(name):
    """The name holds the parameters, and the scale is that of normalised data."""
    if name in ("digits", "proxy") and find_spec("sklearn") is None:
        pytest.skip("scikit-learn's data are not here")
    law = NAMED[name]()
    assert law.name.startswith(name + "(")
    assert 0.1 < math.sqrt(law.variance) < 1
    assert law.denoise(law.sample(2, 0), 0.5).shape == (2, *law.shape)


@pytest.mark.parametrize(
    ("text", "mean", "covariance"),
    [
        ("gaussian(dim=2, mean=0.5, std=0.3)", [0.5, 0.5], 0.09 * np.eye(2)),
        ("anisotropic(dim=3, low=0.01, high=1)", np.zeros(3), np.diag([0.01, 0.1, 1])),
        ("mixture(dim=3, components=4, low=0.2, high=0.2, spread=0)", np.zeros(3), 0.04 * np.eye(3)),
        ("two-modes(weight=0.4, separation=1.2, std=0.15)", [0.12], [[0.15**2 + 0.4 * 0.6 * 1.2**2]]),
        ("student(dim=2, std=0.3)", np.zeros(2), 0.09 * np.eye(2)),
        ("student(dim=2, std=1, exponent=1)", np.zeros(2), np.diag([4 / 3, 2 / 3])),
        ("points(count=1, dim=2, std=0)", np.zeros(2), np.zeros((2, 2))),
        ("ring(modes=8, radius=0.7, width=0.05)", np.zeros(2), (0.7**2 / 2 + 0.05**2) * np.eye(2)),
    ],
)
def test_a_named_law_has_the_moments_that_its_parameters_say(text, mean, covariance):
    """Deviations are deviations: each enters the covariance by its square."""
    law = named.law_of(text)
    np.testing.assert_allclose(law.mean, mean, rtol=0, atol=1e-15)
    np.testing.assert_allclose(law.covariance(), covariance, rtol=0, atol=1e-15)


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
        ("student", {"freedom": 2.0}),
        ("student", {"scales": 0}),
        ("low-rank", {"rank": 65}),
        ("low-rank", {"noise": -0.1}),
        ("points", {"count": 0}),
        ("digits", {"count": 1798}),
    ],
)
def test_parameters_of_a_law_out_of_range_are_refused(name, parameters):
    """The sentence names the parameter: size, sign, type or an order of two."""
    with pytest.raises(InputError, match=next(iter(parameters))):
        NAMED[name](**parameters)


def test_student_has_the_density_of_students_t_where_its_scales_are_many():
    """Within four deviations, to the part in 500 by which the cut of the tails shows there."""
    law = NAMED["student"](dim=1, freedom=4.0, std=0.5, scales=1024)
    deviations = np.sqrt(law.variances[:, 0])
    x = np.linspace(-2, 2, 13)
    density = norm.pdf(x[:, None], scale=deviations).mean(1)
    unit = np.median(deviations) * np.sqrt(chi2.ppf(0.5, 4) / 4)  # of the t law that has this median variance
    np.testing.assert_allclose(density, t_law.pdf(x, 4, scale=unit), rtol=2e-3)


def test_low_rank_data_lie_near_a_subspace_of_the_rank():
    """As many deviations as the rank stand out, the rest is the noise; the subspace is one of the seed."""
    law = NAMED["low-rank"](dim=12, rank=3, components=6, noise=0.01)
    deviations = np.sqrt(np.linalg.eigvalsh(law.covariance()))
    np.testing.assert_allclose(deviations[:9], 0.01, rtol=1e-9)
    assert deviations[9] > 0.3
    other = NAMED["low-rank"](dim=12, rank=3, components=6, noise=0.01, seed=1)
    assert np.abs(law.covariance() - other.covariance()).max() > 0.1


def test_points_are_drawn_once_and_each_is_as_likely():
    """A law of so many points of deviation std; those of a seed, and fewer are the first of more."""
    law, fewer = NAMED["points"](count=4000, dim=2, std=0.4), NAMED["points"](count=3, dim=2, std=0.4)
    assert np.array_equal(law.images[:3], fewer.images)
    assert np.ptp(law.weights) == 0
    assert law.variance == pytest.approx(0.16, rel=5 * np.sqrt(2 / 8000))  # five deviations of that estimate
    np.testing.assert_allclose(fewer.denoise(fewer.images, 1e-3), fewer.images, atol=1e-12)


@needs_data
def test_digits_are_scikit_learns_without_importing_scikit_learn():
    """The 1797 images are read from its data file, scaled to [-1, 1]; no heavy library is loaded for them."""
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
    """The sentence says which extra to install."""
    monkeypatch.setattr(named, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"numtoolkit\[data\]"):
        NAMED["digits"]()
