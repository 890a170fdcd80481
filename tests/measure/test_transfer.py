"""What a run makes of each scale of the data, and what it costs a spectrum of them, without samples."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.laws import Gaussian
from numtoolkit.measure import exact_marginal, moments, wasserstein2
from numtoolkit.measure.transfer import SCALES
from numtoolkit.problem.processes import EDM, VP

COARSE = [2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]
# T on psld, grid quadratic, NFE 50, at these scales, to the digits that are printed.
PHASE_SPACE = {
    "euler": "1.1 1.3 1.5 1.9 2.3 2.7 3.3 3.8",
    "ddim": "-.03 .10 .12 .00 -.04 .01 .09 .13",
    "nvv": "-.00 .04 -.01 -.03 .03 .16 .47 .81",
    "rvv": ".01 .02 -.02 -.07 -.09 -.12 -.10 -.03",
    "cvv": ".01 .02 -.04 -.18 -.26 -.31 -.35 -.34",
    "gddim(2)": "-.03 -.02 -.02 -.03 -.03 -.03 -.02 -.02",
    "gframe-abm(2, sigma_data=1/2)": ".002 .001 .000 .001 .003 .004 .003 .003",
    "em": ".01 .02 .03 .04 .06 .09 .15 .21",
    "sscs": "-.03 -.00 -.02 -.07 -.10 -.10 -.05 .01",
    "noba": ".04 -.07 -.21 -.37 -.46 -.48 -.43 -.42",
    "roba": ".01 -.04 -.12 -.21 -.27 -.29 -.28 -.27",
    "roba(lambda_s=2)": ".02 -.04 -.10 -.17 -.18 -.12 -.02 .02",
    "coba": ".03 -.16 -.27 -.35 -.38 -.37 -.36 -.37",
    "gframe-ab(2, tau=1)": ".02 .01 .00 -.01 -.01 -.01 -.00 .02",
}
# On edm, NFE 10, at the ends of these scales.
IMAGES = {
    ("ddim", "rho(7)"): "-.21 -.39",
    ("dpmpp-2m", "rho(7)"): ".12 -.17",
    ("heun", "rho(7)"): ".5 3.3",
    ("ipndm(3)", "rho(7)"): ".016 -.13",
    ("ipndm(3)", "log-snr"): ".012 .009",
}
BLOWS_UP = nt.Scheme(
    "blows-up", "classical", "none: a growth of 1e5 a step", nt.multistep([1], ["100000", "-99999"]), "drift", "time"
)


def printed(texts: str, found: np.ndarray) -> str:
    """The values with as many decimals as those printed have, in their way of writing."""
    shown = (f"{x:.{len(text.partition('.')[2])}f}" for text, x in zip(texts.split(), found, strict=True))
    return " ".join(text if abs(float(text)) >= 1 else text.replace("0.", ".", 1) for text in shown)


@pytest.mark.parametrize("scheme", PHASE_SPACE)
def test_what_published_schemes_make_of_scales_in_phase_space(scheme):
    """Blur of the splittings, noise of Euler and nvv, at eight scales; signs of zero apart."""
    found = nt.transfer(scheme, "psld", "quadratic", 50, COARSE).deviation
    assert printed(PHASE_SPACE[scheme], found).replace("-.00", ".00") == PHASE_SPACE[scheme].replace("-.00", ".00")


@pytest.mark.parametrize(("scheme", "grid"), IMAGES)
def test_what_published_schemes_make_of_the_largest_and_the_smallest_scale_of_images(scheme, grid):
    """DDIM blurs, Heun adds noise, ipndm on log-SNR does neither, with ten evaluations."""
    found = nt.transfer(scheme, "edm", grid, 10, [2, 0.01]).deviation
    assert printed(IMAGES[scheme, grid], found) == IMAGES[scheme, grid]


@pytest.mark.parametrize("process", [EDM(), VP()], ids=lambda p: p.name)
@pytest.mark.parametrize("begin", [1.0, 0.3], ids=["prior", "below T"])
def test_ddim_multiplies_each_scale_by_what_its_formula_says(process, begin):
    """In x = z / alpha a step is x' = (s'/s) x + (1 - s'/s) D, from the prior at T, from the exact marginal below."""
    times = np.linspace(begin * process.T, process.t_min, 9)
    alpha = process.alpha(times)
    s = process.level(times)
    scales = np.array(SCALES)
    start = np.sqrt(process.prior()[0, 0]) / alpha[0] if begin == 1 else np.hypot(scales, s[0])
    slope, shift = np.ones_like(scales), np.zeros_like(scales) if begin == 1 else np.ones_like(scales)
    for now, after in pairwise(s):
        ratio, gain = after / now, scales**2 / (scales**2 + now**2)
        step = ratio + (1 - ratio) * gain
        slope, shift = step * slope, step * shift + (1 - ratio) * (1 - gain)
    found = nt.transfer("ddim", process, times, scales=scales)
    # Some ten roundings a step, of the variance and of the mean.
    np.testing.assert_allclose(found.deviation, slope * start / np.hypot(scales, s[-1]) - 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.mean, shift - 1, rtol=0, atol=1e-12)


def test_a_program_is_measured_as_the_names_it_was_made_of():
    """The same numbers of a program, and to rounding whatever its network predicts; it says what it is of."""
    named = nt.transfer("roba", "psld", "quadratic", 9, COARSE)
    own = nt.transfer(nt.program_of("roba", "psld", "quadratic", 9), scales=COARSE)
    assert np.array_equal(named.deviation, own.deviation)
    assert np.array_equal(named.mean, own.mean)
    score = nt.transfer(nt.program_of("roba", "psld", "quadratic", 9, predicts="score"), scales=COARSE)
    np.testing.assert_allclose(score.deviation, named.deviation, rtol=0, atol=1e-9)
    assert (own.scheme, own.process, own.nfe, own.scales.tolist()) == ("roba", "psld", 9, COARSE)


def test_the_multiplier_of_the_mean_is_free_of_what_the_scheme_adds():
    """A reference law off centre moves the end by a constant, which is in no mean of the data."""
    run = ("gframe-ab(2, mean=1)", "vp", "uniform", 5)
    found = nt.transfer(*run, scales=[0.5]).mean
    ends = [moments(*run[:2], Gaussian([m], [0.25]), *run[2:]).mean.item() for m in (0.0, 2.0)]
    alpha = VP().alpha(np.array([VP().t_min])).item()
    assert abs(ends[0]) > 1e-3
    assert found == pytest.approx((ends[1] - ends[0]) / 2 / alpha - 1, abs=1e-12)


def test_the_best_conjugation_of_phase_space_is_nearer_to_the_path_and_not_in_law():
    """At 48 evaluations less than half the path error of B = 0, and nearer in law only with some hundred."""
    law = Gaussian([0.0], [0.25])
    paths = {}
    for name in ("conjugate-optimal", "ddim"):
        (record,) = nt.error_curve(name, "psld", law, "quadratic", [48], metric="path")
        paths[name] = record["path"]
    assert paths["conjugate-optimal"] < 0.4 * paths["ddim"]
    for nfe, nearer in ((24, False), (48, False), (192, False), (768, True)):
        best, none = (abs(nt.transfer(name, "psld", "quadratic", nfe, [0.5]).deviation[0]) for name in paths)
        assert bool(best < 0.9 * none) is nearer


@pytest.mark.parametrize("scheme", ["rvv", "roba", "gframe-ab(2, mean=1)"])
def test_the_integral_over_a_spectrum_is_the_distance_of_the_laws(scheme):
    """As many directions of each variance as said, in the Wasserstein-2 distance of moments and marginal."""
    variances, counts = [1.0, 0.04, 0.0], [1, 3, 2]
    law = Gaussian(np.zeros(6), np.repeat(variances, counts))
    end = moments(scheme, "psld", law, "quadratic", 8).block(0)
    program = nt.program_of(scheme, "psld", "quadratic", 8)
    exact = exact_marginal(program.process, law, program.times[-1]).block(0)
    found = nt.transfer(program).integral((variances, counts))
    assert found == pytest.approx(wasserstein2(end, exact), rel=1e-12)
    assert found > 1e-3


def test_the_integral_of_a_centred_run_is_the_weighted_sum_of_its_squares():
    """(T(s0) d)^2 by multiplicity, d the deviation that a direction should have; weights need not be whole."""
    scales, weights = np.array([2.0, 0.5, 0.01]), np.array([0.2, 0.3, 0.5])
    found = nt.transfer("dpmpp-2m", "edm", "rho(7)", 7, scales)
    should = np.hypot(scales, EDM().t_min)
    expected = math.sqrt(weights @ (found.deviation * should) ** 2)
    assert found.integral((scales**2, weights)) == pytest.approx(expected, rel=1e-12)


def test_a_search_in_law_on_a_gaussian_makes_the_integral_of_its_spectrum_least():
    """The error of the value found is the integral of its run, and that of the default is no smaller."""
    variances, counts = [1.0, 0.01], [1, 3]
    law, run = Gaussian(np.zeros(4), np.repeat(variances, counts)), ("quadratic", 12)
    (found,) = nt.search("roba", "psld", law, run[0], [run[1]], "lambda_s", bounds=(1.0, 3.0))
    best, default = (
        nt.transfer(name, "psld", *run).integral((variances, counts)) for name in (found["scheme"], "roba")
    )
    assert found["error"] == pytest.approx(best, rel=1e-12)
    assert best < default


def test_a_run_that_overflows_has_no_finite_transfer():
    """Infinity at every scale and in the integral, without a warning."""
    found = nt.transfer(BLOWS_UP, "psld", "uniform", 200, [1, 0.1])
    assert np.isposinf([found.deviation, found.mean]).all()
    assert math.isinf(found.integral(([1], [1])))


@pytest.mark.parametrize(
    ("scales", "sentence"),
    [
        ([1, 0], "scales from 0 to 1 are out of range; give deviations of the data from 1e-09 to 1e"),
        ([1e10], "out of range"),
        ([[1.0]], r"scales has shape \(1, 1\); give a list"),
        (1.0, r"scales has shape \(\); give a list"),
    ],
)
def test_scales_that_are_none_are_refused(scales, sentence):
    """Zero, beyond the digits of float64, a matrix, a number."""
    with pytest.raises(nt.InputError, match=sentence):
        nt.transfer("ddim", "edm", "rho(7)", 5, scales)


@pytest.mark.parametrize(
    ("spectrum", "sentence"),
    [
        ([1, 2, 3], "is no spectrum; give"),
        (([1, 2], [1]), "differ in shape; give"),
        (([-1], [1]), "values of a spectrum hold -1 to -1; give"),
        (([1], [-2]), "multiplicity of a spectrum hold -2 to -2; give"),
    ],
)
def test_a_spectrum_that_is_none_is_refused(spectrum, sentence):
    """No pair, another length, something negative."""
    with pytest.raises(nt.InputError, match=sentence):
        nt.transfer("ddim", "edm", "rho(7)", 5).integral(spectrum)
