"""Laws that have a spectrum: photographs' power law, proxies of samples, and the Gaussian of a spectrum in a file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

import numtoolkit as nt
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.storage import write_npz
from numtoolkit.laws import Gaussian, GaussianMixture
from numtoolkit.laws.files import gaussian_of
from numtoolkit.problem.spectrum import Spectrum

SAMPLES = np.random.default_rng(3).normal(size=(5, 2, 2)) * [[2.0, 0.5], [1.0, 0.1]] + 0.3
TURN, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(4, 4)))


def as_full(law):
    """The mixture with a covariance matrix for each component, as `GaussianMixture` takes them."""
    own = (law.bases[0] * law.variances[0]) @ law.bases[0].T
    return GaussianMixture(law.weights, law.means, np.broadcast_to(own, (len(law.means), *own.shape)))


def test_natural_images_have_the_power_law_in_their_cosines():
    """k^-exponent for the frequency k in half periods, that of 1 for the brightness, and the deviation of a pixel."""
    k = np.hypot(*np.meshgrid(np.arange(6), np.arange(6))).clip(1)
    for exponent in (1.0, 3.0):
        law = nt.law(f"natural(size=6, exponent={exponent}, std=0.4)")
        waves = dctn(np.eye(36).reshape(36, 6, 6), axes=(1, 2), norm="ortho").reshape(36, 36)
        found = np.diag(waves.T @ law.covariance() @ waves).reshape(6, 6)
        np.testing.assert_allclose(found / found[0, 1], k**-exponent, rtol=1e-12)
        assert law.variance == pytest.approx(0.16, rel=1e-12)


def test_natural_images_are_drawn_along_their_cosines():
    """Equal variances leave the axes of a covariance to the processor; these are told, so that draws are the same."""
    law, many = nt.law("natural(size=4)"), nt.law("natural(size=4, components=3, share=0.5, seed=7)")
    waves = dctn(np.eye(16).reshape(16, 4, 4), axes=(1, 2), norm="ortho").reshape(16, 16)
    normals = law.sample(3, 7).reshape(3, 16) @ waves / np.sqrt(np.diag(waves.T @ law.covariance() @ waves))
    plain = Gaussian(np.zeros(16), 1.0).sample(3, 7)
    np.testing.assert_allclose(normals, plain, atol=1e-12)
    np.testing.assert_allclose(many.means, np.sqrt(0.5) * law.sample(3, 7), rtol=1e-14)


def test_the_spectrum_of_a_gaussian_law_has_the_axes_that_the_law_is_drawn_along():
    """Two cosines of an image share a variance: a rank that parts them leaves one of them out, not a mixture."""
    law = nt.law("natural(size=4)")
    told = nt.spectrum_of(law, rank=1)
    assert told.values[0] == pytest.approx(np.sort(law.variances)[-2], rel=1e-12)
    overlap = np.abs(told.basis.T @ law.basis)
    assert np.sort(overlap, axis=None)[-2:] == pytest.approx([0, 1], abs=1e-12)
    (record,) = nt.error_curve(nt.scheme("gframe-ab(2, tau=1)").with_spectrum(told), "edm", law, "spectral", [4])
    assert record["metric"] == "wasserstein2"  # each direction by itself


def test_modes_of_natural_images_leave_their_spectrum_as_it_is_on_average():
    """With components the covariance is that of the Gaussian, within what 300 draws of its centres tell."""
    one, many = nt.law("natural(size=4)"), nt.law("natural(size=4, components=300, seed=2)")
    assert np.abs(many.covariance() - one.covariance()).max() < 0.3 * one.covariance().max()
    assert many.variance == pytest.approx(one.variance, rel=0.1)
    drawn = many.sample(4000, 0).reshape(4000, -1)
    exact = many.covariance()
    assert np.abs(np.cov(drawn, rowvar=False) - exact).max() < 0.1 * exact.max()


@pytest.mark.parametrize(
    "text",
    [
        "natural(size=3, components=4, seed=1)",
        "natural(size=3, components=4, share=0)",
        "proxy(of=anisotropic, count=3)",
        GaussianMixture.shared(SAMPLES[:, 0], [0.4, 0.1], np.eye(2)),
        GaussianMixture.shared(SAMPLES, [0.4, 0.1, 0.1, 0.1], TURN),
        GaussianMixture.shared(SAMPLES, [0.1, 0.1, 0.1, 0.1], TURN),
    ],
)
def test_a_mixture_of_one_shared_covariance_is_the_mixture_of_equal_ones(text):
    """Moments, denoiser in numpy and torch, and the draws of a seed; centres lie outside what leads the basis too."""
    law = nt.law(text)
    full = as_full(law)
    np.testing.assert_allclose(law.covariance(), full.covariance(), atol=1e-13)
    assert law.variance == pytest.approx(full.variance, rel=1e-13)
    y = np.random.default_rng(0).normal(size=(7, *law.shape))
    for sigma in (0.01, 0.3, 30.0):
        np.testing.assert_allclose(law.denoise(y, sigma), full.denoise(y, sigma), atol=1e-11)
        np.testing.assert_allclose(law.denoise(torch.tensor(y), sigma).numpy(), law.denoise(y, sigma), atol=1e-13)
    centred = law.sample(4000, 1) - law.sample(2, 1)[0]
    np.testing.assert_allclose(centred[0], 0, atol=1e-14)
    exact = law.covariance()
    found = np.cov(centred.reshape(4000, -1), rowvar=False)
    np.testing.assert_allclose(found, exact, atol=0.12 * exact.max())  # five deviations of 4000 products


def test_a_proxy_law_has_the_modes_and_the_covariance_of_its_samples(tmp_path):
    """Centres sqrt(share) of the way from the mean, the rest of the covariance about each, a little spread out."""
    path = write_npz(tmp_path / "outputs.npz", {"images": SAMPLES})
    law = nt.law(f"proxy(of={path}, count=4, share=0.64)")
    rows = SAMPLES[:4].reshape(4, 4)
    mean, covariance = rows.mean(axis=0), np.cov(rows, rowvar=False, bias=True)
    w = np.trace(covariance) / 4
    np.testing.assert_allclose(law.means.reshape(4, 4), mean + 0.8 * (rows - mean), atol=1e-14)
    within = 0.36 * (0.95 * covariance + 0.05 * w * np.eye(4)) + 0.0004 * w * np.eye(4)
    np.testing.assert_allclose(law.covariance(), 0.64 * covariance + within, atol=1e-14)
    assert law.variance == pytest.approx(w * 1.0004, rel=1e-12)
    assert nt.law(law.name).name == law.name, "the name is a specification, with the digest of the samples"
    write_npz(path, {"images": SAMPLES[::-1]})
    with pytest.raises(StorageError, match=r"gives sha256-.* now, not sha256-.*; give the file of then"):
        nt.law(law.name)
    with pytest.raises(StorageError, match="holds 5 images; give count=5"):
        nt.law(f"proxy(of={path})")


@pytest.mark.parametrize(
    "spectrum",
    [
        Spectrum(np.full((2, 2), 0.3), [4.0, 1.0, 0.5], [1, 1, 2], TURN[:, :2]),
        Spectrum(np.full((2, 2), 0.3), [4.0, 0.5], [1, 3]),
        Spectrum(0.3, [4.0, 0.5], [1, 3]),
    ],
)
def test_the_file_of_a_spectrum_is_the_gaussian_law_of_it(spectrum, tmp_path):
    """Its mean, its eigenvalues, and its directions where it has a basis."""
    law = nt.law(str(spectrum.save(tmp_path / "s.npz")))
    assert isinstance(law, Gaussian)
    assert np.unique(law.mean) == [0.3]
    values = np.repeat(spectrum.values, spectrum.multiplicity.astype(int))
    np.testing.assert_allclose(np.linalg.eigvalsh(law.covariance())[::-1], values, atol=1e-13)
    if spectrum.basis is not None:
        led = law.covariance() @ spectrum.basis
        np.testing.assert_allclose(led, spectrum.basis * values[:2], atol=1e-13)
        np.testing.assert_allclose(nt.spectrum_of(law).reduced(2).values, spectrum.values, atol=1e-13)


@pytest.mark.parametrize(
    ("variances", "basis"), [([1.0, 1.0], np.eye(3)), ([1.0, 1.0, -1.0], np.eye(3)), (np.ones(3), np.ones((3, 3)))]
)
def test_what_is_no_shared_covariance_is_refused(variances, basis):
    """Variances of another number, a negative one, a basis that is none."""
    with pytest.raises(InputError, match=r"variances \(3,\) >= 0 and an orthonormal basis"):
        GaussianMixture.shared(np.zeros((2, 3)), variances, basis)


def test_laws_of_parts_of_directions_and_proxies_of_no_images_are_refused(tmp_path):
    """A multiplicity of a half, a file without images, weighted or wide ones, one sample, another kind of share."""
    with pytest.raises(InputError, match="a law has whole directions"):
        gaussian_of(Spectrum(0.0, [1.0], [0.5]))
    path = Spectrum(0.0, [1.0]).save(tmp_path / "s.npz")
    for key, arrays in (
        ("weights", {"images": np.eye(3), "weights": np.array([0.5, 0.5, 0.0])}),
        ("wide", {"images": np.zeros((3, 4097))}),
    ):
        np.savez(tmp_path / f"{key}.npz", **arrays)
    for text, sentence in (
        (f"proxy(of={path})", "holds no images"),
        (f"proxy(of={tmp_path / 'weights.npz'}, count=2)", "images of several weights"),
        (f"proxy(of={tmp_path / 'wide.npz'}, count=2)", "have 4097 coordinates; a proxy takes 4096"),
        ("proxy(of=gaussian, count=1)", "count = 1 is no whole number"),
        ("proxy(of=gaussian, share=1.5)", "share = 1.5 is no number"),
        ("natural(size=1)", "size = 1 is no whole number"),
    ):
        with pytest.raises((InputError, StorageError), match=sentence):
            nt.law(text)
