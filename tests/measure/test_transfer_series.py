"""What the transfer function tends to as steps grow many: derived from the defects of a scheme, and measured."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.measure.flows import gaussian_flow
from numtoolkit.measure.transfer_series import Fine
from numtoolkit.problem.processes import EDM, PSLD
from numtoolkit.program.program import problem_of
from tests.support.tiers import breadth

SCALES = [1.0, 0.5, 0.25, 0.05]
RUNS = [
    ("ddim", "edm", "rho(7)"),
    ("rvv", "psld", "quadratic"),
    ("em", "vp", "log-snr"),
    ("heun", "edm", "rho(7)"),
    ("euler", "vp", "log-snr"),
    ("dpmpp-2m", "vp", "log-snr"),
    ("dpmpp-3m", "vp", "log-snr"),
    ("res-2s", "vp", "log-snr"),
    ("res-3s", "vp", "log-snr"),
    ("rk4", "edm", "rho(7)"),
    ("gframe-ab(2, mean=1)", "vp", "log-snr"),
    ("ddim", "psld", "quadratic"),
    ("nvv", "cld", "quadratic"),
    ("cvv", "psld", "quadratic"),
    ("gddim(2)", "psld", "quadratic"),
    ("em", "psld", "quadratic"),
    ("sscs", "psld", "quadratic"),
    ("sscs-midpoint", "psld", "quadratic"),
    ("roba", "psld", "quadratic"),
    ("coba", "psld", "quadratic"),
    ("euler-ancestral", "edm", "log-snr"),
    ("sde-dpmpp-1", "vp", "log-snr"),
    ("res-2m-ancestral", "vp", "log-snr"),
]


@pytest.mark.parametrize(("scheme", "process", "grid"), breadth(RUNS, lambda *run: run in RUNS[:4]))
def test_a_long_run_has_the_transfer_that_the_defects_of_its_steps_say(scheme, process, grid):
    """Of the variance and the mean, in images and phase space, with noise and history; the start of a run too."""
    run = (scheme, process, grid)
    found = nt.transfer_series(*run, scales=SCALES)
    steps = {1: 2000, 2: 500, 3: 200}.get(found.order, 100)
    runs = [(n, nt.transfer(*run, scales=SCALES, steps=n)) for n in (steps, 2 * steps)]
    for part, limit, coefficient in (
        ("deviation", found.limit, found.coefficient),
        ("mean", found.mean_limit, found.mean_coefficient),
    ):
        short, long = ((getattr(own, part) - limit) * n**found.order for n, own in runs)
        # The next power of 1 / steps is taken out, that after it is left: some (10 / steps)^2 of the error.
        tolerance = 2e-3 * np.abs(2 * long - short).max() + 1e-6
        np.testing.assert_allclose(coefficient, 2 * long - short, rtol=2e-3, atol=tolerance)


def test_ddim_in_steps_of_log_snr_has_the_coefficient_of_its_formula():
    """A step is off by -a (1 - a) h^2 / 2 in log z, a = s^2 / (v + s^2), whose integral is elementary."""
    process = EDM()
    found = nt.transfer_series("ddim", process, "log-snr", SCALES)
    first, last = (s**2 / (np.array(SCALES) ** 2 + s**2) for s in (process.T, process.t_min))
    expected = -np.log(process.T / process.t_min) / 4 * (first - last)
    # relative to the run from the exact marginal; that from the prior begins some v / T^2 of it off
    np.testing.assert_allclose(found.coefficient, expected, rtol=2e-4)
    np.testing.assert_allclose(found.limit, process.T / np.hypot(SCALES, process.T) - 1, atol=1e-12)
    assert (found.order, found.doubt.max() < 1e-6) == (1, True)


def test_what_two_terms_leave_falls_with_one_power_more():
    """Four times as little at twice the steps, of a scheme of order 1."""
    found = nt.transfer_series("ddim", "edm", "rho(7)", [0.5])
    left = [nt.transfer("ddim", "edm", "rho(7)", scales=[0.5], steps=n).deviation - found.at(n) for n in (400, 800)]
    assert left[0] / left[1] == pytest.approx(4, rel=0.02)


def test_what_is_missed_in_phase_space_is_carried_to_the_end_by_the_flow():
    """The data row of the flow from the middles of steps, against that of an adaptive integrator."""
    process, scales = PSLD(), np.array([0.5, 0.01])
    run = Fine(problem_of(nt.scheme("rvv"), process), nt.grid("quadratic", process, 384), scales, 0.0, True)
    for n in (0, 100, 350):
        exact = gaussian_flow(process, scales**2, run.middle[n], process.t_min)[:, 0]
        np.testing.assert_allclose(run.adjoint[n], exact, rtol=0, atol=1e-6 * np.abs(exact).max())


@pytest.mark.check
def test_the_noise_that_gives_a_mode_its_variance_grows_from_1_as_the_defect_says():
    """lambda_s^2 = 1 + kappa / steps: the variance is affine in it, so kappa is the defect over the slope."""
    scales, run = [0.25, 0.5, 1.0], ("psld", "quadratic")

    def variance(name, steps):
        return (1 + nt.transfer(name, *run, scales=scales, steps=steps).deviation) ** 2

    slopes = [variance("roba(amp, lambda_s=2)", n) - variance("roba(amp)", n) for n in (1600, 3200)]
    slope = (2 * slopes[1] - slopes[0]) / 3  # by lambda_s^2, which is 4 and 1 there, as steps grow many
    kappa = -2 * nt.transfer_series("roba(amp)", *run, scales).coefficient / slope
    # to half a unit of the last digit printed, and what the slope lacks of its limit
    np.testing.assert_allclose(kappa, [312.81, 433.34, 373.54], rtol=4e-5)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (0.25, [4.27, 2.71, 2.03, 1.60]),
        (0.5, [4.92, 3.13, 2.31, 1.78]),
        (1.0, [4.15, 2.84, 2.15, 1.69]),
        (2.0, [None, None, None, 0.76]),
    ],
)
def test_two_transfers_give_the_noise_that_gives_a_mode_its_variance(scale, expected):
    """lambda_s at 20, 50, 100, 200 steps from the affine variance; a run that is to match finds it, or is refused."""
    for steps, value in zip((20, 50, 100, 200), expected, strict=True):

        def deviation(lambda_s, steps=steps):
            run = f"roba(amp, lambda_s={lambda_s})"
            return nt.transfer(run, "psld", "quadratic", scales=[scale], steps=steps).deviation.item()

        none, one = ((1 + deviation(x)) ** 2 for x in (0, 1))
        square = (1 - none) / (one - none)
        matched = f"roba(amp, lambda_s=matched, sigma_data={scale})", "psld", "quadratic"
        if value is None:
            assert square < 0
            with pytest.raises(nt.InputError, match="no real lambda_s"):
                nt.program_of(*matched, steps=steps)
        else:
            assert square**0.5 == pytest.approx(value, abs=0.0051)
            assert abs(deviation(square**0.5)) < 1e-9
            found = nt.scheme(nt.program_of(*matched, steps=steps).scheme)
            assert float(dict(found.values)["lambda_s"]) == pytest.approx(square**0.5, rel=1e-10)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (("ipndm(3)", "edm", "rho(7)"), "is of order 2 where steps are equal alone"),
        (("heun-edm-churn", "edm", "rho(7)"), "hangs on a, of which no more is known"),
        (("gframe-ab(2, tau=1)", "psld", "quadratic"), "draws its history by its own steps"),
        (("iia-ddim", "edm", "rho(7)"), "has coefficients that were fitted to one grid"),
        (("sa-solver(2, tau=1, s_min=0.05, s_max=2)", "edm", "rho(7)"), "has a window in which tau acts"),
        (("ddim", "edm", "rho(7, zero=1)"), "ends at time 0 with a step that never is short"),
        (("ddim", "edm", [3.0, 2.0, 1.0]), "needs a grid of any number of them; give its name"),
        (("ddim", "edm", "rho(7)", np.ones(1001)), "give a list of at most 1000 deviations"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_has_no_series_in_the_steps_is_refused(run, sentence):
    """Orders that hang on the grid, numbers of which nothing is known, history that is drawn, fits, windows, zero."""
    with pytest.raises(nt.InputError, match=sentence):
        nt.transfer_series(*run)
