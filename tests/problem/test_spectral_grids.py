"""Grids that know the spectrum of the data: their two ends in closed form, their clock, and what they make least."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError, StorageError
from numtoolkit.problem.grids import grid, resolved
from numtoolkit.problem.processes import process
from numtoolkit.problem.spectral_clocks import LevelClock, Modes, spectral_density
from numtoolkit.problem.spectrum import Spectrum

WIDE = Spectrum(0.0, np.geomspace(1e-4, 1, 16))
ON = ["edm", "vp", "flow(T=1)", "sd", "psld", "cld"]


@pytest.mark.parametrize("on", ON)
@pytest.mark.parametrize("zero", [0, 1])
def test_of_isotropic_data_the_spectral_grid_is_the_angle_grid(on, zero):
    """One variance: the clock is arctan(s / deviation), up to a factor, on every process, with and without t = 0."""
    own = process(on)
    for power, steps in ((1, 2), (1.4, 9)):
        angle = grid(f"angle(0.3, {power}, zero={zero})", own, steps)
        found = grid(f"spectral((0.09, 0.09), power={power}, eps=0, zero={zero})", own, steps)
        np.testing.assert_allclose(found, angle, rtol=1e-13)
    tangent = grid(f"tangent((0.09), zero={zero})", own, 9)
    np.testing.assert_allclose(tangent, grid(f"angle(0.3, zero={zero})", own, 9), rtol=1e-12)


@pytest.mark.parametrize("q", [2, 4, 8])
def test_of_as_many_directions_as_a_photograph_has_the_spectral_grid_is_that_of_log_snr(q):
    """n ~ 1 / s^2 directions a log-scale, over all scales of the process and beyond, whatever the order.

    What is missing beyond falls as e^(-q x), x = 14 here; a lattice of a quarter leaves e^(-pi^2 4) of its spacing.
    """
    scales = np.arange(np.log(0.002) - 14, np.log(80) + 14, 0.2)
    photograph = Spectrum(0.0, np.exp(2 * scales), np.exp(-2 * (scales - scales[-1])) * 1e-18)
    found = nt.grid(f"spectral(q={q}, power=1, eps=0, floor=0)", "edm", 12, spectrum=photograph)
    np.testing.assert_allclose(found, grid("log-snr", "edm", 12), rtol=1e-11)


def test_density_for_finer_structure_alone_is_that_of_log_snr():
    """A spectral grid whose eps is far above the density of the data has equal steps of log s inside its window."""
    found = nt.grid("spectral(power=1, eps=1000)", "edm", 8, spectrum=WIDE)
    np.testing.assert_allclose(found, grid("log-snr", "edm", 8), rtol=1e-2)
    levels = nt.grid("spectral(power=1, eps=1000)", "edm(T=1000)", 8, spectrum=WIDE)
    assert levels[1] < 80, "above the window there is almost no density, so one step crosses it"


@pytest.mark.parametrize("process", ["edm", "flow"])
def test_a_spectral_grid_has_equal_steps_of_its_clock_by_an_independent_quadrature(process):
    """Of the sum in the documentation, by the trapezoidal rule on a fine mesh, with the defaults written out."""
    steps, q, on = 10, 4, nt.process(process)
    values = np.maximum(WIDE.values, (0.05 * WIDE.deviation) ** 2)
    x = np.linspace(np.log(1e-7), np.log(1000), 800_001)
    s = np.exp(x)
    rho = sum(v * (s * np.sqrt(v) / (s**2 + v)) ** q for v in values) ** (1 / q)
    first, last = on.level(np.array([on.T, on.t_min]))
    density = rho / rho.max() + 0.1 * ((s > last) & (s < min(first, 80)))
    total = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(x))])
    times = nt.grid("spectral", process, steps, spectrum=WIDE)
    clock = np.interp(np.log(on.level(times)), x, total) ** (1 / (1.2 + 1 / steps))
    np.testing.assert_allclose(np.diff(clock), np.diff(clock).mean(), rtol=1e-4)
    told = nt.grid("spectral(q=4, power=1.3, eps=0.1, floor=0.05)", process, steps, spectrum=WIDE)
    assert times.tolist() == told.tolist()


def test_a_clock_and_its_inverse_agree_far_beyond_the_data():
    """From levels far below every scale to infinity, to rounding of the level."""
    clock = LevelClock.of(spectral_density(Modes.of(WIDE, 0.05), 4), *Modes.of(WIDE, 0.05).ends)
    x = np.linspace(-60, 15, 301)
    np.testing.assert_allclose(clock.inverse(clock(x)), x, atol=1e-9)
    ends = clock(np.array([-np.inf, np.inf]))
    assert ends[0] == 0
    low, high = np.exp(clock.inverse(ends))
    assert (low == 0, high > 1e12) == (True, True)


def divergence(times, spectrum):
    """Kullback-Leibler, of what DDIM makes on EDM of Gaussian data, over all directions."""
    ratio = nt.transfer("ddim", "edm", times, scales=np.sqrt(spectrum.values)).deviation
    return float(spectrum.multiplicity @ (((1 + ratio) ** 2 - 1) / 2 - np.log1p(ratio)))


def test_ddim_has_its_least_divergence_on_the_tangent_grid():
    """On Gaussian data of a wide spectrum, to leading order: less than on others and on grids moved from it."""
    steps = 200
    tangent = nt.grid("tangent", "edm", steps, spectrum=WIDE)
    least = divergence(tangent, WIDE)
    for text in ("log-snr", f"angle({WIDE.deviation})", "rho(7)"):
        other = grid(text, "edm", steps)
        assert least < divergence(other, WIDE)
        # the divergence is convex in the density: the way to any other grid begins upwards
        assert least < divergence(np.exp(0.9 * np.log(tangent) + 0.1 * np.log(other)), WIDE)
    assert least < divergence(nt.grid("spectral(eps=0, power=1)", "edm", steps, spectrum=WIDE), WIDE)


def test_directions_weigh_in_the_tangent_grid_by_the_error_that_is_left_in_them():
    """Fifty narrow ones beside a wide one take fewer steps each than it does, and less than their number says."""
    few = Spectrum(0.0, [1e-4, 1.0], [50, 1])
    modes, steps = Modes.of(few, 0.0), 200
    plain = LevelClock.of(lambda x: np.sqrt(np.exp(2 * modes.log_rates(x)) @ modes.counts), *modes.ends)
    ends = plain(np.log(np.array([80, 0.002])))
    by_number = np.exp(plain.inverse(np.linspace(*ends, steps + 1)))
    by_number[0], by_number[-1] = 80, 0.002
    tangent = nt.grid("tangent", "edm", steps, spectrum=few)
    assert divergence(tangent, few) < 0.95 * divergence(by_number, few)
    for way in (0.9, 1.1):  # least between and beyond them
        assert divergence(tangent, few) < divergence(np.exp(way * np.log(tangent) + (1 - way) * np.log(by_number)), few)


def test_a_file_says_the_spectrum_to_a_grid_wherever_a_grid_is_named(tmp_path, monkeypatch):
    """As the object does, and as its variances do; with a digest it must be that spectrum still."""
    monkeypatch.chdir(tmp_path)
    WIDE.save("wide.npz")
    times = nt.grid("spectral", "edm", 6, spectrum=WIDE)
    assert grid("spectral(spectrum=wide.npz)", "edm", 6).tolist() == times.tolist()
    assert resolved("spectral(wide.npz, q=4)") == f"spectral(wide.npz, q=4, digest={WIDE.digest})"
    assert grid(resolved("spectral(wide.npz)"), "edm", 6).tolist() == times.tolist()
    for text in ("rho(7)", "spectral((1, 0.5))", resolved("tangent(wide.npz)")):
        assert resolved(text) == text
    run = nt.program_of("heun-edm", "edm", "spectral(wide.npz)", 11)
    assert run.times.tolist() == grid("spectral(wide.npz)", "edm", 6).tolist()
    drawn = nt.sample("ddim", "edm", "gaussian(dim=2)", "spectral(wide.npz)", 3, seeds=[0], dtype=np.float64)
    assert drawn.provenance["grid"] == f"spectral(wide.npz, digest={WIDE.digest})"
    Spectrum(0.0, [1.0]).save("wide.npz")
    with pytest.raises(StorageError, match=r"holds the spectrum sha256-.* now, not"):
        grid(f"spectral(wide.npz, digest={WIDE.digest})", "edm", 6)


@pytest.mark.parametrize(
    ("text", "spectrum", "sentence"),
    [
        ("spectral", None, r"grid spectral needs its spectrum; write .* or spectral\(FILE\.npz\)"),
        ("spectral((0, 0))", None, "no direction of a variance above 0"),
        ("spectral((1, -1))", None, "values of a spectrum hold -1 to 1"),
        ("spectral((1), q=0.5)", None, "q = 0.5 is out of range"),
        ("spectral((1), power=0)", None, "power = 0.0 is out of range"),
        ("spectral((1), eps=-1)", None, "eps = -1.0 is out of range"),
        ("spectral((1), floor=2)", None, "floor = 2.0 is out of range"),
        ("spectral((1))", WIDE, "grid spectral is told its own; drop spectrum"),
        ("rho(7)", WIDE, "grid rho follows none; drop spectrum"),
        ([80.0, 1.0], WIDE, "times of one's own follow no spectrum"),
    ],
)
def test_spectra_that_lay_no_grid_are_refused(text, spectrum, sentence):
    """None, one without variance, parameters out of range, two at once, and one told to a grid that takes none."""
    with pytest.raises(InputError, match=sentence):
        grid(text, "edm", None if isinstance(text, list) else 4, spectrum=spectrum)
