"""Spectra of data, and the power of samples over that of data by frequency."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

import numtoolkit as nt
from numtoolkit.laws import Empirical, Gaussian
from numtoolkit.laws.named import digits, mixture

SIDE = 8
AXIS = np.fft.fftfreq(SIDE, 1 / SIDE)
RADIUS = np.hypot(*np.meshgrid(AXIS, AXIS))
POWER = 1 / (1 + np.rint(RADIUS)) ** 2  # one variance a whole frequency, as of data the same everywhere


def stationary():
    """Images with that power spectrum, the same around every pixel."""
    waves = np.fft.fft(np.eye(SIDE), norm="ortho")
    basis = np.kron(waves, waves)
    covariance = (basis.conj().T * POWER.ravel()) @ basis
    return Gaussian(np.full((SIDE, SIDE), 0.3), covariance.real)


def test_the_spectrum_of_a_law_is_that_of_its_covariance():
    """Largest first, one direction each; by name too, and of a data set as of its array."""
    found = nt.spectrum_of("anisotropic(dim=3, low=0.01, high=1.0)")
    np.testing.assert_allclose(found.values, [1, 0.1, 0.01], rtol=1e-12)
    assert (found.multiplicity.tolist(), found.source) == ([1, 1, 1], "anisotropic(dim=3, low=0.01, high=1.0)")
    law = mixture(dim=4)
    assert nt.spectrum_of(law).deviation == pytest.approx(law.variance**0.5, rel=1e-12)
    images = digits(count=50).sample(30, 0)
    of_law, of_array = nt.spectrum_of(Empirical(images)), nt.spectrum_of(images)
    np.testing.assert_allclose(np.repeat(of_array.values, of_array.multiplicity.astype(int)), of_law.values, atol=1e-12)
    np.testing.assert_allclose(nt.spectrum_of(torch.tensor(images)).values, of_array.values, atol=1e-12)


@pytest.mark.parametrize("count", [5, 40])
def test_mean_basis_and_values_of_a_spectrum_are_those_of_the_covariance(count):
    """B diag(v) B' again, of fewer samples than coordinates and of more; with a rank the rest has what is left."""
    rows = np.random.default_rng(0).normal(size=(count, 2, 4)) * np.arange(1, 9).reshape(2, 4)
    covariance = np.cov(rows.reshape(count, -1), rowvar=False, bias=True)
    found = nt.spectrum_of(rows)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-14)
    led = found.basis * found.values[: found.basis.shape[1]]
    np.testing.assert_allclose(led @ found.basis.T, covariance, atol=1e-12)
    two = nt.spectrum_of(rows, rank=2)
    assert (two.multiplicity.tolist(), two.values[:2].tolist()) == ([1, 1, 6], found.values[:2].tolist())
    assert two.deviation == pytest.approx(np.trace(covariance / 8) ** 0.5, rel=1e-12)


@pytest.mark.parametrize("shape", [(6,), (8, 4), (3, 4, 4)])
def test_bands_of_cosines_have_the_variance_of_each_whole_frequency(shape):
    """Of data that are cosines of known variances, a group a frequency; their basis, and a deviation that stays."""
    rng = np.random.default_rng(0)
    sides = shape[-2:]
    index = np.meshgrid(*[np.arange(side) * max(sides) / side for side in sides], indexing="ij")
    frequency = np.broadcast_to(np.rint(np.sqrt(sum(axis**2 for axis in index))), shape)
    axes = tuple(range(-len(sides), 0))
    rows = idctn(rng.normal(size=(4000, *shape)) / (1 + frequency), axes=axes, norm="ortho")
    found = nt.spectrum_of(rows, dct=True)
    whole = np.unique(frequency)
    assert found.multiplicity.tolist() == [(frequency == k).sum() for k in whole]
    np.testing.assert_allclose(found.values, (1 + whole) ** -2, rtol=0.12)  # four deviations of 4000 squares: 9 %
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(rows[0].size), atol=1e-13)
    first = dctn(rows - found.mean, axes=axes, norm="ortho").reshape(4000, -1)[
        :, np.argsort(frequency.ravel(), kind="stable")
    ]
    np.testing.assert_allclose(np.abs((rows - found.mean).reshape(4000, -1) @ found.basis), np.abs(first), atol=1e-10)
    assert found.deviation == pytest.approx(nt.spectrum_of(rows).deviation, rel=1e-12)


def test_a_pilot_run_of_few_outputs_knows_no_more_directions_than_they_span():
    """Three outputs in eight dimensions span two, whatever the rank; the six others have no variance."""
    found = nt.pilot("gaussian(dim=8)", "edm", nfe=5, outputs=3, dtype=np.float64).spectrum()
    assert found.multiplicity.sum() == 8
    assert (np.repeat(found.values, found.multiplicity.astype(int)) > 0).sum() == 2


@pytest.mark.parametrize("process", ["edm", "psld"])
def test_a_pilot_run_finds_the_spectrum_of_what_a_network_draws(process):
    """That of its outputs, by seeds; of an exact network that of the law, as far as 400 of them tell."""
    law = Gaussian(np.array([0.3, -0.2, 0.1]), np.diag([1.0, 0.1, 0.01]))
    run = nt.pilot(law, process, nfe=30, outputs=400, dtype=np.float64)
    found = run.spectrum(rank=2)
    assert (found.nfe_pilot, found.multiplicity.tolist(), run.outputs.shape) == (30, [1, 1, 1], (400, 3))
    np.testing.assert_allclose(found.values, [1, 0.1, 0.01], rtol=0.25)
    np.testing.assert_allclose(found.mean, law.mean, atol=0.2)
    assert found.source.startswith("400 outputs of gaussian by ")
    again = nt.pilot(law, process, nfe=30, outputs=400, dtype=np.float64).spectrum(2)
    other = nt.pilot(law, process, nfe=30, outputs=400, dtype=np.float64, seed=1).spectrum(2)
    assert (again.digest == found.digest, other.digest == found.digest) == (True, False)


def test_what_rounding_leaves_of_a_direction_is_nothing():
    """Data in a plane have two directions, whatever their basis; the others are 0, and not 1e-17."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    rows = np.random.default_rng(1).normal(size=(50, 2)) @ basis[:2]
    assert (nt.spectrum_of(rows).values > 0).tolist() == [True, True, False, False, False, False]


def test_the_spectrum_of_a_law_gives_its_law_error():
    """The integral of a transfer over it is the distance of the moments of the run from the law."""
    law = Gaussian(np.zeros(3), np.diag([1.0, 0.5, 0.1]) + 0.05)
    found = nt.transfer("dpmpp-2m", "edm", "rho(7)", 7).integral(nt.spectrum_of(law))
    (record,) = nt.error_curve("dpmpp-2m", "edm", law, "rho(7)", [7], metric="law")
    assert found == pytest.approx(record["law"], rel=1e-9)


def test_powers_are_those_of_the_fourier_modes_of_the_data():
    """Of exact draws the power at each frequency is the variance there, and that of a factor is its square."""
    data = stationary().sample(4000, 0)
    found = nt.power_ratio(0.3 + 0.5 * (data - 0.3), data)
    assert found.frequency.tolist() == [0, 1, 2, 3, 4]
    expected = [POWER[np.rint(RADIUS) == k].mean() for k in range(5)]
    np.testing.assert_allclose(found.data, expected, rtol=0.1)
    offset = 0.25 * (data - 0.3).mean(axis=0)  # of the mean of so many draws from 0.3, which both share
    np.testing.assert_allclose(found.ratio, 0.25, rtol=5 * np.abs(offset).max())
    assert [*found.table()[0]] == ["frequency", "ratio", "low", "high"]


def test_the_power_of_drawn_samples_is_that_which_the_transfer_says():
    """(1 + T)^2 at the scale of each frequency, in an interval for each, of samples and of independent data."""
    law, run = stationary(), ("ddim", "edm", "rho(7)", 6)
    drawn = nt.sample(*run[:2], law, *run[2:], seeds=range(600), dtype=np.float64).samples
    found = nt.power_ratio(drawn, law.sample(600, 1))
    scales = 1 / (1 + found.frequency)
    exact = (1 + nt.transfer(*run, scales).deviation) ** 2
    assert ((found.low < exact) & (exact < found.high)).sum() >= 4
    assert (found.high < 1).all()  # blur, by far more than chance
    assert (found.high / found.low < 1.6).all()


def test_intervals_hold_the_truth_as_often_as_they_say():
    """19 of 20, of pairs of sets of one law, whose ratio is 1: of 500 that are nearly independent 455 to 490."""
    law = stationary()
    held = 0
    for trial in range(100):
        found = nt.power_ratio(law.sample(60, 2 * trial), law.sample(80, 2 * trial + 1))
        held += int(((found.low < 1) & (found.high > 1)).sum())
    assert 455 <= held <= 490


@pytest.mark.parametrize("shape", [(7,), (3, 6, 4), (2, 3, 5)])
def test_signals_channels_and_oblong_images_have_whole_frequencies_of_the_longer_side(shape):
    """Up to the largest at which there is a coefficient; channels are averaged over."""
    data = np.random.default_rng(0).normal(size=(2000, *shape))
    found = nt.power_ratio(2 * data, data)
    assert found.frequency[-1] == max(shape[-2:]) // 2
    np.testing.assert_allclose(found.data, 1, rtol=0.15)
    np.testing.assert_allclose(found.ratio, 4, rtol=0.02)


def test_a_wave_over_the_shorter_side_has_the_frequency_that_it_has_over_the_longer_one():
    """One period over 4 pixels of an image of 8 x 4 is two over 8."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(200, 8, 4))
    wave = np.cos(2 * np.pi * np.arange(4) / 4) * rng.normal(size=(200, 1, 1))
    assert nt.power_ratio(data + 3 * wave, data).ratio.argmax() == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: nt.power_ratio(np.ones((3, 4, 4)), np.ones((3, 4, 5))), "are no two sets of one event"),
        (lambda: nt.power_ratio(np.ones((1, 4)), np.ones((3, 4))), "are no two sets of one event"),
        (lambda: nt.power_ratio(np.ones((3, 4)), np.ones((3, 4))), "data have no power at frequency 0"),
        (lambda: nt.spectrum_of(np.ones(3)), "have no covariance; give"),
        (lambda: nt.spectrum_of(np.ones((2, 65, 64))), "data of 4160 coordinates are too many"),
        (lambda: nt.spectrum_of("digits", rank=3, dct=True), "rank = 3 counts eigenvectors"),
        (lambda: nt.spectrum_of(np.ones(5)[:, None][:, 0:0]), "is empty"),
        (lambda: nt.pilot("gaussian(dim=2)", "edm", outputs=1), "outputs = 1 is no whole number"),
    ],
)
def test_what_has_no_spectrum_is_refused(call, sentence):
    """Other events, one sample, no variation, too many coordinates."""
    with pytest.raises(nt.InputError, match=sentence):
        call()
