"""Runs on a blurring process: a scalar program a frequency, which share their calls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError
from numtoolkit.laws import Empirical, Gaussian, GaussianMixture, law_of
from numtoolkit.laws.spectra import spectrum_of
from numtoolkit.measure import exact_marginal, moments
from numtoolkit.measure.eigen import eigen_on
from numtoolkit.measure.flows import exact_flow
from numtoolkit.measure.gaussian_moments import affine_map
from numtoolkit.problem.blurring import Blurring
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import CosineVP
from numtoolkit.program.canonical import canonical
from numtoolkit.program.modal import mode
from numtoolkit.program.program import lower
from numtoolkit.sampling.runner import sample
from numtoolkit.sampling.starts import start_noise
from numtoolkit.schemes import scheme

BLURRED = Blurring(3, sigma_blur=2.0)
NATURAL = law_of("natural(size=3)")
TIMES = grid("log-snr", BLURRED, 4)
RGB = Gaussian(np.random.default_rng(1).normal(size=(2, 3, 3)), 0.25)  # of two channels, isotropic


@pytest.mark.parametrize("text", ["dpmpp-2m", "heun-edm", "gframe-ab(2)", "sde-dpmpp-2m", "unipc(2)"])
@pytest.mark.parametrize("predicts", ["data", "noise"])
def test_each_frequency_goes_as_by_the_scalar_process_alone(text, predicts):
    """Coefficient by coefficient, the same numbers: schemes that ask at the times of the grid keep their own clocks."""
    program = lower(scheme(text), BLURRED, TIMES, predicts)
    assert program.process is BLURRED
    for group in (0, 3, len(BLURRED.modes) - 1):
        assert mode(program, group).steps == lower(scheme(text), BLURRED.modes[group], TIMES, predicts).steps


def test_frequencies_agree_on_the_times_within_a_step():
    """A scheme that asks there has the clock of the first frequency, on which nothing changes but rounding."""
    own = scheme("res-2s")
    program = lower(own, BLURRED, TIMES)
    alone = lower(own, BLURRED.modes[0], TIMES)
    assert canonical(mode(program, 0)).gap(canonical(alone)) < 1e-12
    assert program.nfe == alone.nfe


def test_without_blur_a_run_is_that_of_the_cosine_process_bit_for_bit():
    """No coefficient differs by frequency then."""
    own = scheme("dpmpp-2m")
    program, alone = (lower(own, on, TIMES) for on in (Blurring(3, sigma_blur=0), CosineVP()))
    assert program.steps == alone.steps
    found, expected = (sample(each, network=NATURAL, seeds=range(2), dtype=np.float64) for each in (program, alone))
    np.testing.assert_allclose(found.samples, expected.samples, atol=1e-12)


@pytest.mark.parametrize("text", ["gframe-abm(2)", "gframe-ab(1, tau=1)"])
def test_the_frame_is_exact_on_the_law_that_it_is_told_in_every_frequency(text):
    """Of isotropic data with channels by sigma_data and mean 0, and of natural images by their spectrum."""
    isotropic = Gaussian(np.zeros((2, 3, 3)), 0.25)
    told = scheme(text).with_spectrum(spectrum_of(NATURAL))
    for own, law in ((scheme(text), isotropic), (told, NATURAL)):
        program = lower(own, BLURRED, TIMES)
        found = moments(program, law=law, start=exact_marginal(BLURRED, law, BLURRED.T))
        exact = exact_marginal(BLURRED, law, float(TIMES[-1]))
        np.testing.assert_allclose(found.covariance, exact.covariance, rtol=1e-11)
        np.testing.assert_allclose(found.mean, exact.mean, atol=1e-12)


@pytest.mark.parametrize("law", [NATURAL, RGB], ids=["natural", "channels"])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_blurring_run_on_arrays_is_the_affine_map_of_each_direction(law, library):
    """With the exact network, whose noise differs by direction."""
    dtype = np.float64 if library == "numpy" else pytest.importorskip("torch").float64
    program = lower(scheme("dpmpp-2m"), BLURRED, TIMES)
    found = np.asarray(sample(program, network=law, seeds=range(3), dtype=dtype).samples).reshape(3, -1)
    start = start_noise(BLURRED, range(3), law.shape, dtype=np.float64).reshape(3, -1)
    basis = eigen_on(BLURRED, law).basis
    R, r = affine_map(program, law)
    np.testing.assert_allclose(found, (start @ basis * R[:, 0, 0] + r[:, 0]) @ basis.T, atol=1e-11)


def test_laws_see_noise_that_differs_by_direction():
    """Of a Gaussian by the formula in pixels, so that of a mixture of one component; of three points by their odds."""
    z, t = np.random.default_rng(2).normal(size=(4, 3, 3)), 0.4
    y, levels = BLURRED.observe([z], t)
    basis, s = BLURRED.directions.basis, levels.values[BLURRED.directions.groups]
    noise, C = (basis * s**2) @ basis.T, NATURAL.covariance()
    expected = (y.reshape(4, 9) @ np.linalg.solve(C + noise, C)).reshape(y.shape)
    np.testing.assert_allclose(NATURAL.denoise(y, levels), expected, atol=1e-12)
    one = GaussianMixture(None, np.zeros((1, 3, 3)), C[None])
    np.testing.assert_allclose(one.denoise(y, levels), expected, atol=1e-12)
    images = np.random.default_rng(3).normal(size=(3, 3, 3))
    gaps = y.reshape(4, 1, 9) - images.reshape(1, 3, 9)
    odds = np.exp(-np.einsum("nki,ij,nkj->nk", gaps, np.linalg.inv(noise), gaps) / 2)
    means = np.tensordot(odds / odds.sum(1, keepdims=True), images, 1)
    np.testing.assert_allclose(Empirical(images).denoise(y, levels), means, atol=1e-11)


def test_the_exact_flow_of_blurring_is_that_of_each_frequency():
    """In closed form of a Gaussian, and by integration of the same law as a mixture of one component; to 0 as well."""
    start = start_noise(BLURRED, range(2), (3, 3), dtype=np.float64)
    one = GaussianMixture(None, np.zeros((1, 3, 3)), NATURAL.covariance()[None])
    for end in (0.01, 0.0):
        found, exact = (exact_flow(BLURRED, law, [start], BLURRED.T, end)[0] for law in (one, NATURAL))
        np.testing.assert_allclose(found, exact, atol=1e-8)


def test_orders_hold_on_natural_images_that_blur():
    """On Gaussian data, whose flow is exact: DDIM falls as 1/N, dpmpp-2m as 1/N^2, the frame as 1/N^3."""
    law, own = law_of("natural(size=2)"), Blurring(2, sigma_blur=0.7)
    for text, order in (("ddim", 1), ("dpmpp-2m", 2), ("gframe-abm(2)", 3)):
        errors = [
            r["error"] for r in nt.error_curve(text, own, law, "log-snr", [80, 160, 320], range(4), metric="path")
        ]
        assert all(abs(np.log2(a / b) - order) < 0.35 for a, b in pairwise(errors)), (text, errors)


@pytest.mark.parametrize("predicts", ["noise", "score", "velocity"])
def test_what_a_network_predicts_in_pixels_is_read_in_every_frequency(predicts):
    """The exact network of a law, converted by hand in the cosines, runs as that which predicts data."""
    groups, basis = BLURRED.directions.groups, BLURRED.directions.basis

    def network(z, t):
        data = NATURAL.denoise(*BLURRED.observe([z], t)).reshape(len(z), -1) @ basis
        at = np.array([t])
        alpha, sigma = (np.array([own(m)[0] for m in BLURRED.modes])[groups] for own in (
            lambda m: m.alpha(at), lambda m: m.sigma(at)
        ))  # fmt: skip
        eps = (z.reshape(len(z), -1) @ basis - alpha * data) / sigma
        out = {"noise": eps, "score": -eps / sigma, "velocity": alpha * eps - sigma * data}[predicts]
        return (out @ basis.T).reshape(z.shape)

    given = nt.Network(network, predicts, time="float")
    run = {"seeds": range(2), "shape": (3, 3), "dtype": np.float64, "trajectory": True}
    found = sample("dpmpp-2m", BLURRED, given, "log-snr", 5, denoise=True, **run)
    exact = sample("dpmpp-2m", BLURRED, nt.Network.of(NATURAL), "log-snr", 5, denoise=True, **run)
    np.testing.assert_allclose(found.samples, exact.samples, atol=1e-5)
    np.testing.assert_allclose(found.trajectory.x0, exact.trajectory.x0, atol=1e-3)


def test_what_blurring_cannot_be_asked_is_said_in_one_sentence():
    """What is of one process, of one noise level, or of directions that frequencies mix."""
    law = NATURAL
    turned = Gaussian(np.zeros((3, 3)), np.diag(np.arange(1.0, 10.0)))  # of pixels
    own = nt.Network(lambda y, s: y, "data", sees="observation")
    refused = {
        "stability": lambda: nt.stability("ddim", process=BLURRED, size=4),
        "transfer": lambda: nt.transfer("ddim", BLURRED, "log-snr", 4, [1.0]),
        "condition": lambda: nt.condition("ddim", BLURRED, "log-snr", 4),
        "defects": lambda: nt.step_defects("ddim", BLURRED, law, "log-snr", 3),
        "other times": lambda: nt.program_of("heun-edm-churn(40)", BLURRED, "log-snr", 4),
        "phase space": lambda: nt.program_of("rvv", BLURRED, "log-snr", 4),
        "other directions": lambda: nt.moments("ddim", BLURRED, turned, "log-snr", 4),
        "other spectrum": lambda: lower(scheme("gframe-ab(2)").with_spectrum(spectrum_of(turned)), BLURRED, TIMES),
        "other size": lambda: sample("ddim", BLURRED, law_of("natural(size=4)"), "log-snr", 4, seeds=[0]),
        "observation": lambda: sample("ddim", BLURRED, own, "log-snr", 4, seeds=[0], shape=(3, 3)),
        "data noised": lambda: nt.add_noise(BLURRED, np.ones((1, 3, 3)), 0.5, [0]),
    }
    for what, asked in refused.items():
        with pytest.raises(InputError) as refusal:
            asked()
        assert "\n" not in str(refusal.value), what
        assert str(refusal.value).endswith("."), what
