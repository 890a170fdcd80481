"""Blurring diffusion: heat in the cosines of images, each frequency a scalar process of its own."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.problem.blurring import Blurring, Dissipation
from numtoolkit.problem.cosines import cosine_basis
from numtoolkit.problem.directions import Directions
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import CosineVP, process

TIMES = np.linspace(1e-3, 0.999, 9)
BLURRED = Blurring((2, 3), sigma_blur=1.5, d_min=0.01)


def test_each_frequency_dissipates_at_the_rate_of_heat():
    """alpha of the cosine (i, j) is a ((1 - d_min) exp(-pi^2 (i^2/H^2 + j^2/W^2) tau) + d_min), sigma that of all."""
    base, heat = CosineVP(), (1.5 * np.sin(np.pi * TIMES / 2) ** 2) ** 2 / 2
    expected = {}
    for i in range(2):
        for j in range(3):
            rate = np.pi**2 * (i**2 / 4 + j**2 / 9)
            expected.setdefault(round(rate, 9), base.alpha(TIMES) * (0.99 * np.exp(-rate * heat) + 0.01))
    assert len(BLURRED.modes) == len(expected)
    for mode, (_, alpha) in zip(BLURRED.modes, sorted(expected.items()), strict=True):
        np.testing.assert_allclose(mode.alpha(TIMES), alpha, rtol=1e-14)
        np.testing.assert_allclose(mode.sigma(TIMES), base.sigma(TIMES), rtol=1e-13)


def test_groups_of_blurring_are_cosines_of_equal_rate():
    """Waves (i, j) and (j, i) of square images go together; the basis is that of the cosines, reordered."""
    own = Blurring(3)
    assert own.directions.multiplicity.tolist() == [1, 2, 1, 2, 2, 1]  # 0, 1, 2, 4, 5, 8
    waves, _ = cosine_basis((3, 3))
    power = (own.directions.basis.T @ waves) ** 2
    np.testing.assert_allclose(power, np.rint(power), atol=1e-12)
    first = own.directions.basis[:, 0]
    np.testing.assert_allclose(first, np.full(9, 1 / 3), rtol=1e-13)


@pytest.mark.parametrize("mode", BLURRED.modes, ids=lambda mode: f"{mode.rate:.3g}")
def test_the_time_of_a_level_of_a_frequency_is_its_inverse(mode):
    """To rounding, as are the rates by differences; level 0 is at time 0."""
    np.testing.assert_allclose(mode.time_of_noise_level(mode.noise_level(TIMES)), TIMES, rtol=1e-14)
    assert mode.time_of_noise_level(np.zeros(1)) == 0
    t, h = TIMES[1:-1], 1e-5
    for found, of in zip(mode.log_rates(t), (mode.log_alpha, lambda t: np.log(mode.noise_level(t))), strict=True):
        np.testing.assert_allclose(found, (of(t + h) - of(t - h)) / (2 * h), rtol=1e-6)


def test_without_blur_every_frequency_is_the_cosine_process_bit_for_bit():
    """alpha, s, their rates and times."""
    base, s = CosineVP(), np.array([0.0, 1e-3, 1.0, 50.0])
    for mode in Blurring(3, sigma_blur=0).modes:
        for name in ("log_alpha", "noise_level"):
            np.testing.assert_array_equal(getattr(mode, name)(TIMES), getattr(base, name)(TIMES))
        np.testing.assert_array_equal(np.stack(mode.log_rates(TIMES)), np.stack(base.log_rates(TIMES)))
        np.testing.assert_array_equal(mode.time_of_noise_level(s), base.time_of_noise_level(s))


def test_grids_of_blurring_are_those_of_the_cosine_process():
    """Times are common to all frequencies, and laid by the first."""
    for text in ("log-snr", "rho(7)", "uniform", "angle(0.5)"):
        np.testing.assert_array_equal(grid(text, BLURRED, 5), grid(text, CosineVP(), 5))


def test_channels_repeat_the_directions_of_an_image():
    """An image whose part in each group is scaled is that of each of its channels; other images are refused."""
    x = np.random.default_rng(0).normal(size=(2, 4, 2, 3))
    factors = np.arange(1.0, 1 + len(BLURRED.modes))
    found = BLURRED.directions.scaled(factors, x)
    np.testing.assert_allclose(found[:, 1], BLURRED.directions.scaled(factors, x[:, 1]), atol=1e-14)
    whole = BLURRED.directions.over((4, 2, 3))
    assert isinstance(whole, Directions)
    np.testing.assert_allclose(whole.scaled(factors, x), found, atol=1e-13)
    with pytest.raises(InputError, match="last axes are"):
        BLURRED.directions.scaled(factors, x[:, :, :1])


def test_a_blurring_process_is_known_by_its_text():
    """Its specification reads back to an equal process."""
    for text in ("blurring(size=16)", "blurring(size=(2, 3), sigma_blur=1.5)", "blurring"):
        own = process(text)
        assert process(own.spec) == own
        assert process(own.modes[-1].spec) == own.modes[-1]
    assert process("blurring(8)").size == process("blurring(size=(8, 8))").size == 8
    assert isinstance(process("dissipation(rate=2)"), Dissipation)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("blurring(size=0)", "no size of images"),
        ("blurring(size=(2, 2, 2))", "no size of images"),
        ("blurring(size=65)", "at most 4096 pixels"),
        ("blurring(size=1.5)", "not an integer"),
        ("blurring(sigma_blur=-1)", "0 <= sigma_blur"),
        ("blurring(d_min=0)", "d_min <= 1"),
        ("blurring(T=1)", "0 < T < 1"),
        ("dissipation(rate=20)", "rate <= 2 pi"),
    ],
)
def test_what_is_no_blur_is_refused(text, match):
    """Sizes, widths and what is left of a signal out of range: one sentence each."""
    with pytest.raises(InputError, match=match):
        process(text)


@pytest.mark.parametrize("name", ["drift", "diffusion", "kernel", "level", "time_of_level"])
def test_what_every_frequency_has_of_its_own_is_no_matter_of_the_process(name):
    """There is no one drift, kernel or noise level, and who asks for it is told so."""
    with pytest.raises(InputError, match="every frequency has its own"):
        getattr(BLURRED, name)(TIMES)
