"""The Frechet distance of two sets: streamed, without the leading term of its bias, in the spaces that are named."""

from __future__ import annotations

import math

import numpy as np
import pytest

import numtoolkit
from numtoolkit.errors import InputError, InputWarning
from numtoolkit.laws import law_of
from numtoolkit.measure.distances import Moments, frechet
from numtoolkit.measure.features import features_of
from numtoolkit.measure.frechet import frechet_distance, gathered
from tests.support.laws import normal


def test_the_distance_is_that_of_the_moments_of_all_samples():
    """Gathered in groups and pieces it is that of the moments at once, to rounding of the merges."""
    x, y = normal(5000, 0), normal(4501, 1, 1.2, 0.1)  # 4501: the groups differ, and the last piece is one sample
    found = frechet_distance(x, y)
    ours = (np.mean(x, 0), np.cov(x.T), np.mean(y, 0), np.cov(y.T))
    assert found.value == pytest.approx(frechet(*ours), rel=1e-11)
    assert (found.counts, found.dimension) == ((5000, 4501), 4)


def test_sample_i_is_in_group_i_mod_twenty_wherever_pieces_are_cut(monkeypatch):
    """So that sorted sets have groups alike, and a file more or less changes no group."""
    x = normal(97, 0)
    wanted = [Moments.of(x[g::20]) for g in range(20)]
    monkeypatch.setattr("numtoolkit.measure.sample_sets.PIECE", 7)
    monkeypatch.setattr("numtoolkit.measure.frechet.BLOCK", 4 * 11)
    for own, group in zip(gathered(x, features_of("pixels")).groups, wanted, strict=True):
        assert own.count == group.count
        np.testing.assert_allclose(own.mean, group.mean, rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(own.scatter, group.scatter, rtol=1e-12, atol=1e-14)


def test_the_limit_is_the_line_through_two_sizes():
    """20 F - 19 times the mean of F without a group, left out of both sets by hand; the interval is Student's."""
    x, y = normal(60, 0), normal(80, 1, 1.5)

    def between(keep):
        rows = [own[[i for i in range(len(own)) if keep(i % 20)]] for own in (x, y)]
        return frechet(rows[0].mean(0), np.cov(rows[0].T), rows[1].mean(0), np.cov(rows[1].T))

    without = np.array([between(lambda g, left=left: g != left) for left in range(20)])
    found = frechet_distance(x, y)
    assert found.limit == pytest.approx(20 * found.value - 19 * without.mean(), rel=1e-9)
    error = 2.0930240544083096 * math.sqrt(19 * without.var())
    assert (found.low, found.high) == pytest.approx((found.limit - error, found.limit + error), rel=1e-9)


def test_the_limit_has_lost_the_bias_of_few_samples():
    """Of one law 16 pairs of 64 samples in 8 dimensions: on average far below the distance, and 0 within its spread."""
    found = [frechet_distance(normal(64, 2 * s, dim=8), normal(64, 2 * s + 1, dim=8)) for s in range(16)]
    values, limits = (np.array([getattr(own, name) for own in found]) for name in ("value", "limit"))
    assert abs(limits.mean()) < 0.15 * values.mean()
    assert abs(limits.mean()) < 4 * limits.std() / math.sqrt(16)


@pytest.mark.check
def test_the_interval_of_the_limit_covers_the_distance_of_the_laws():
    """Of 150 pairs of 320 and 200 samples of Gaussians 95 % or more of the intervals hold W2^2 of the laws."""
    deviations = np.geomspace(1, 0.1, 4)
    truth = 4 * 0.1**2 + ((0.2 * deviations) ** 2).sum()
    found = [frechet_distance(normal(320, 2 * s), normal(200, 2 * s + 1, 1.2, 0.1)) for s in range(150)]
    covered = np.mean([own.low <= truth <= own.high for own in found])
    assert covered > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 150)
    assert np.mean([own.limit for own in found]) == pytest.approx(truth, rel=0.05)


def test_few_samples_for_the_dimensions_are_warned_of():
    """Where a set without a group does not span the space the next terms matter; below 40 samples it is refused."""
    with pytest.warns(InputWarning, match="40 samples hardly fill the 40 dimensions of pixels"):
        frechet_distance(normal(40, 0, dim=40), normal(99, 1, dim=40))
    with pytest.raises(InputError, match="a set has 39 samples, too few"):
        frechet_distance(normal(39, 0), normal(99, 1))


# --- feature spaces


def test_a_projection_is_orthonormal_and_of_its_seed():
    """The same directions for every piece, others of another seed; distances of all directions are those of pixels."""
    x, y = normal(50, 0), normal(50, 1, 2.0)
    basis = features_of("projection(3, seed=5)")(np.eye(4))
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-14)
    assert np.array_equal(features_of("projection(3, seed=5)")(np.eye(4)), basis)
    assert not np.allclose(features_of("projection(3)")(np.eye(4)), basis)
    turned, plain = (frechet_distance(x, y, space) for space in ("projection(4)", "pixels"))
    assert turned.value == pytest.approx(plain.value, rel=1e-11)
    with pytest.raises(InputError, match="samples of 4 numbers have no 5 orthogonal directions"):
        features_of("projection(5)")(x)


@pytest.mark.check
def test_the_hidden_layer_of_a_network_is_what_its_last_one_is_given():
    """Its output is a linear map of the features and a scale of the input; other samples and networks are refused."""
    network = numtoolkit.Network.shipped("digits-image")
    space = features_of("hidden(digits-image, level=0.3)")
    images = law_of("digits").sample(400, 0)
    inside = space(images)
    raw = network.function.raw.last.layers[0]
    weights, bias = (own.detach().double().numpy() for own in (raw.weight, raw.bias))
    out = network(images.astype(np.float32), 0.3).reshape(400, -1)
    scale, *_ = np.linalg.lstsq(
        np.stack([images.ravel(), (inside @ weights.T + bias).ravel()], 1), out.ravel(), rcond=None
    )
    fitted = scale[0] * images.reshape(400, -1) + scale[1] * (inside @ weights.T + bias)
    np.testing.assert_allclose(fitted, out, atol=1e-4)
    for text, words in (("hidden(digits-flow)", "sees states of its process"), ("hidden(nope)", "nope")):
        with pytest.raises(InputError, match=words):
            features_of(text)
    with pytest.raises(InputError, match=r"takes samples of \(8, 8\), not \(4,\)"):
        space(normal(5, 0))


@pytest.mark.check
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TorchScript's own
def test_a_torchscript_file_is_given_pictures_where_it_may_run(tmp_path):
    """Grey ones as RGB of 8 bits; before it is allowed, and for another file, there is a sentence."""
    torch = pytest.importorskip("torch")

    class Means(torch.nn.Module):
        def forward(self, images: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            assert images.dtype == torch.uint8
            return images.to(torch.float32).mean([2, 3]) if return_features else images.to(torch.float32)

    path = str(tmp_path / "means.pt")
    torch.jit.save(torch.jit.script(Means()), path)
    with pytest.raises(InputError, match="would run that file; allow it by --import"):
        features_of(path)
    (tmp_path / "other.pt").write_bytes(b"x")
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4)) / 127.5 - 1
    with numtoolkit.allow_imports():
        found = features_of(path)(images)
        with pytest.raises(InputError, match="give a TorchScript file"):
            features_of(str(tmp_path / "other.pt"))
        with pytest.raises(InputError, match="is no picture"):
            features_of(path)(normal(5, 0))
    means = ((images + 1) * 127.5).mean((1, 2))
    np.testing.assert_allclose(found, np.stack([means] * 3, 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ("inception", "Inception does not come with the package; give its TorchScript file"),
        ("pixel", "unknown feature space 'pixel'; did you mean pixels"),
        ("projection(0)", "dim = 0 is no whole number from 1 to 4096"),
        (3, "features are an int; give a name"),
        (lambda x: x[:1], r"of 50 samples have shape \(1, 4\); give \(n, d\)"),
    ],
)
def test_features_that_there_are_not_are_refused(features, words):
    """Each in one sentence, with what to do."""
    with pytest.raises(InputError, match=words):
        frechet_distance(normal(50, 0), normal(50, 1), features)
