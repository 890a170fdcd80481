"""Stability maps are read from the declarations: they reproduce the known stability functions and intervals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.declare.entries import number
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Eval
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure import Normal, moments
from numtoolkit.measure.stability import (
    Region,
    StepLimit,
    extents,
    linear_radius,
    process_radius,
    program_radius,
    real_interval,
    regions,
    stable_step,
)
from numtoolkit.phi_functions import phi
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PROCESSES, PSLD
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import catalogue, scheme
from tests.support.tiers import breadth

GRID = np.add.outer(1j * np.linspace(-3, 3, 7), np.linspace(-4, 2, 7)).ravel()
VARIANCE = 0.25


def roots(*coefficients: object) -> np.ndarray:
    """Largest modulus of the roots of a polynomial whose coefficients (highest first) may be arrays over GRID."""
    table = np.broadcast_arrays(*(np.asarray(c, dtype=complex) for c in coefficients), GRID)[:-1]
    return np.array([np.abs(np.roots(row)).max() for row in np.transpose(table)])


# One-step formulae from Hochbruck & Ostermann 2010, section 2.3; Adams characteristic polynomials from the textbooks.
# UniPC-2 evaluates only predictions: P_{n+1} - P_n with y eliminated is Adams-Bashforth 3 at L = 0.
FORMULAE = [
    ("euler", 0.0, np.abs(1 + GRID)),
    ("euler", -0.7, np.abs(1 - 0.7 + GRID)),
    ("ddim", -0.7, np.abs(np.exp(-0.7) + phi(1, -0.7) * GRID)),
    ("heun-edm", 0.0, np.abs(1 + GRID + GRID**2 / 2)),
    ("res-2s(c2=1/3)", 0.0, np.abs(1 + GRID + GRID**2 / 2)),
    (
        "res-2s(c2=1/3)",
        -2.0,
        np.abs(
            np.exp(-2.0)
            + (phi(1, -2.0) - 3 * phi(2, -2.0)) * GRID
            + 3 * phi(2, -2.0) * GRID * (np.exp(-2 / 3) + phi(1, -2 / 3) / 3 * GRID)
        ),
    ),
    ("res-2m", 0.0, roots(1, -(1 + 1.5 * GRID), GRID / 2)),
    (
        "res-2m",
        -1.0,
        roots(1, -(np.exp(-1.0) + (phi(1, -1.0) + phi(2, -1.0)) * GRID), phi(2, -1.0) * GRID),
    ),
    ("dpmpp-2m", -1.0, roots(1, -(np.exp(-1.0) + 1.5 * phi(1, -1.0) * GRID), phi(1, -1.0) / 2 * GRID)),
    ("unipc(2)", 0.0, roots(1, -(1 + 23 / 12 * GRID), 16 / 12 * GRID, -5 / 12 * GRID)),
]


@pytest.mark.parametrize(("name", "linear", "expected"), FORMULAE)
def test_the_test_equation_has_the_textbook_radius(name: str, linear: float, expected: np.ndarray) -> None:
    """The amplification of y' = (L + w) y is that of stability functions and characteristic polynomials.

    Roots of cubics are conditioned like eps^(1/3) only at triple roots, which the grid avoids: 1e-10 is ample.
    """
    np.testing.assert_allclose(linear_radius(name, linear, GRID), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "linear", "length"),
    [
        ("euler", 0.0, 2),
        ("euler", -1.5, 0.5),
        ("euler", -2.0, 0),
        ("ddim", -2.0, (1 + np.exp(-2.0)) / phi(1, -2.0)),
        ("heun-edm", 0.0, 2),
        ("res-2s", 0.0, 2),
        ("res-2m", 0.0, 1),
        ("unipc(2)", 0.0, 6 / 11),
        ("res-3m", 0.0, 6 / 11),
        ("exp-adams(4)", 0.0, 3 / 10),
        pytest.param("exp-adams(5)", 0.0, 90 / 551, marks=pytest.mark.check),
        pytest.param("exp-adams(6)", 0.0, 5 / 57, marks=pytest.mark.check),
        ("res-3s", 0.0, 2.512745326618329),
        ("rk4", 0.0, 2.785293563405282),
        ("lawson-4", 0.0, 2.785293563405282),
    ],
)
def test_real_intervals_are_the_known_ones(name: str, linear: float, length: float) -> None:
    """The length of the stable interval on the negative axis, from closed forms.

    A radius up to ROUNDING = 1e-12 above 1 counts as stable; the boundary is crossed at a slope of order 1 or more.
    """
    assert real_interval(name, linear) == pytest.approx(length, abs=1e-11)


def test_rk4_is_stable_on_the_imaginary_axis_up_to_two_root_two() -> None:
    """Just inside the edge no point grows; a relative 1e-6 beyond it one does.

    `reference-values` 12: 2 sqrt 2, beyond which |R|^2 - 1 = y^6 (y^2 - 8)/576.
    """
    edge = 2 * np.sqrt(2)
    inside = linear_radius("rk4", 0.0, 1j * np.linspace(0, edge * (1 - 1e-9), 50))
    assert inside.max() <= 1 + 1e-15
    assert linear_radius("rk4", 0.0, np.array([1j * edge * (1 + 1e-6)]))[0] > 1


def test_extents_are_those_of_every_test_that_has_a_meaning() -> None:
    """Test equation for exponential and classical schemes, a PSLD step in phase space, none where noise is churned."""
    assert extents("dpmpp-2m") == {f"h L = {x}": real_interval("dpmpp-2m", x) for x in (0, -1)}
    assert extents("nse") == {"PSLD step": stable_step("nse", PSLD(), VARIANCE, 1.0)}
    assert list(extents("em")) == ["h L = 0", "h L = -1", "PSLD step"]
    assert extents("sscs") == {"PSLD step": np.inf}
    assert extents("iia-edm") == extents("heun-edm")
    assert extents("heun-edm-churn") == extents("dpm2-ancestral") == {}


@given(linear=st.floats(-3, 0), shift=st.fractions(-2, 2, max_denominator=9))
def test_conjugation_moves_linear_part_and_kick_together(linear: float, shift: Fraction) -> None:
    """The exponential takes the shift and the Euler kick takes it back.

    y' = e^(x + b) (1 - b) y + phi_1(x + b) w y with b = h times the shift.
    """
    z = linear + float(shift)
    expected = np.abs(np.exp(z) * (1 - float(shift)) + phi(1, z) * GRID)
    found = linear_radius(scheme("lambda-ddim-1").bind(shift=shift), linear, GRID)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


ONE_STEP = [(s, name) for s in catalogue() for name in s.processes if not s.steps.inner.carry and not s.quantities]
# No scheme of the catalogue tells its network another time than that of the state; this one does.
NSE = scheme("nse").steps.inner
LATE = tuple(replace(i, network_time=number("1/2")) if isinstance(i, Eval) else i for i in NSE.items)
MISTOLD = replace(scheme("nse"), name="mistold", steps=replace(NSE, items=LATE))
CASES = [*ONE_STEP, (MISTOLD, "psld")]


@pytest.mark.parametrize(("declared", "process_name"), CASES, ids=lambda x: getattr(x, "name", x))
def test_the_process_radius_is_that_of_the_run_program(declared: Scheme, process_name: str) -> None:
    """Mean propagation through lowered one-step programs is another reader of the same declaration."""
    process = PROCESSES[process_name]()
    k, law = process.blocks, Gaussian(np.zeros(1), VARIANCE)
    start = process.T * np.array([1.0, 0.6, 0.2, 0.05])
    end = start * np.array([0.9, 0.5, 0.95, 0.4])
    expected = []
    for times in np.stack([start, end], axis=1):
        program = lower(declared, process, times)
        columns = [moments(program, law, Normal(unit[None], np.zeros((1, k, k)))).mean[0] for unit in np.eye(k)]
        expected.append(np.abs(np.linalg.eigvals(np.transpose(columns))).max())
    # Both read the same float64 entries; only the order of a few small products differs.
    np.testing.assert_allclose(
        process_radius(declared, process, VARIANCE, start, end), expected, rtol=1e-12, atol=1e-15
    )


UNIT_STEPS = np.exp(3.0 - np.arange(13))  # noise levels of EDM, log-SNR steps of 1
SLOPES = np.array([-1.5, -2.0, -3.0, 0.5 + 2j])  # of D in the state


def test_the_growth_of_heun_with_a_linear_network_is_that_of_its_run() -> None:
    """A step of Heun in the noise level multiplies the state by 1.456, 2.362, 4.988, as a run of it measures."""
    program = lower(scheme("heun-edm"), EDM(), UNIT_STEPS)
    found = program_radius(program, lambda t: SLOPES[:3, None, None], step=6)
    np.testing.assert_allclose(found, [1.456, 2.362, 4.988], atol=5e-4)
    np.testing.assert_allclose(program_radius(program, lambda t: SLOPES[:3, None, None]), found**12, rtol=1e-12)


@pytest.mark.parametrize("name", ["ddim", "res-2s", "dpmpp-2m", "res-3m", "unipc", "exp-adams(4)"])
def test_a_step_of_a_program_in_log_snr_has_the_radius_of_the_test_equation(name: str) -> None:
    """Frozen data over unit steps of log-SNR is the test equation with h L = -1 and w the slope, history included."""
    program = lower(scheme(name), EDM(), UNIT_STEPS)
    found = program_radius(program, lambda t: SLOPES[:, None, None], step=6)
    np.testing.assert_allclose(found, linear_radius(name, -1.0, SLOPES), rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "on"), [("dpmpp-2m", "vp"), ("sde-dpmpp-2m", "flow"), ("gddim(2)", "psld"), ("roba", "psld")]
)
def test_the_radius_of_a_run_is_that_of_the_map_the_loop_computes(name: str, on: str) -> None:
    """Basis vectors through the loop, noise left out, give the same eigenvalues, for a slope that turns with t."""
    process = PROCESSES[on]()
    k = process.blocks
    program = lower(scheme(name), process, grid("quadratic", process, 7), "data")

    def slope(t: float) -> np.ndarray:
        return np.array([[0.4 + t, -0.3 + 0.2j * t][:k]])

    none = [np.zeros(k)] * k
    columns = run(
        program, lambda row, t: [sum(s * b for s, b in zip(slope(t)[0], row, strict=True))], [*np.eye(k)],
        lambda step, slot: none,
    )  # fmt: skip
    expected = np.abs(np.linalg.eigvals(np.array(columns))).max()
    assert program_radius(program, slope) == pytest.approx(expected, rel=1e-12)


def test_a_step_that_takes_other_names_than_it_hands_on_has_no_radius() -> None:
    """The first step of a multistep scheme makes its history, so no power of it has a meaning."""
    program = lower(scheme("dpmpp-2m"), EDM(), UNIT_STEPS)
    with pytest.raises(
        InputError, match=r"^step 0 of dpmpp-2m takes 1 blocks and hands on 2; take an inner step of it"
    ):
        program_radius(program, lambda t: np.ones((1, 1)), step=0)


def test_phase_space_steps_are_stable_up_to_the_angle_two_at_equilibrium() -> None:
    """Limits of the splittings at T from the theory of the oscillator.

    At T the state is within 1e-4 of equilibrium, where the flow turns at beta / 2 sqrt(1/M) = 8 rad per unit of
    time: symplectic Euler and Verlet are stable up to angle 2. The reverse SDE is critically damped with the double
    rate beta (Gamma + nu) / 4 = 8.04, so Euler-Maruyama is stable up to 2 / 8.04.
    """
    process = PSLD()
    for name in ("nse", "rse", "nvv", "rvv"):
        assert stable_step(name, process, VARIANCE, 1.0) == pytest.approx(2 / 8, rel=1e-3)
    assert stable_step("em", process, VARIANCE, 1.0) == pytest.approx(2 / 8.04, rel=1e-3)
    # Explicit Euler turns outwards by (8 h)^2 / 2 a step, against which a damping of order 1e-4 h is soon nothing.
    assert stable_step("euler", process, VARIANCE, 1.0) < 1e-4
    assert np.isinf(stable_step("sscs", process, VARIANCE, [0.1, 1.0])).all()  # never unstable


@pytest.mark.parametrize("name", ["nse", "rvv", "roba", "lambda-ddim-2(shift=2)"])
def test_a_limit_of_stability_is_sharp(name: str) -> None:
    """A relative 1e-6 below the limit the radius is at most 1, as much above it more than 1."""
    t, process = np.array([0.3, 0.5, 0.8]), PSLD()
    h = stable_step(name, process, VARIANCE, t)
    below, above = (process_radius(name, process, VARIANCE, t, t - factor * h) for factor in (1 - 1e-6, 1 + 1e-6))
    assert np.all(below <= 1)
    assert np.all(above > 1)


@pytest.mark.parametrize("declared", breadth(catalogue()), ids=lambda s: s.name)
def test_every_scheme_has_a_map(declared: Scheme) -> None:
    """Regions or step limits without NaN for every scheme of the catalogue."""
    for found in regions(declared, size=10):
        values = found.radius if isinstance(found, Region) else found.h
        assert not np.isnan(values).any()


def test_maps_are_symmetric_and_cover_their_axes() -> None:
    """Radii at w and its conjugate agree bit for bit, and each point is what `linear_radius` says."""
    maps = regions("res-2m", size=40)
    assert [region.panel for region in maps] == ["h L = 0", "h L = -1", "h L = -2"]
    for region in maps:
        np.testing.assert_array_equal(region.radius, region.radius[::-1])
        np.testing.assert_array_equal(region.y, -region.y[::-1])
        i, j = 30, 17
        assert isinstance(region, Region)
        w = np.array([region.x[i, j] + 1j * region.y[i, j]])
        assert region.radius[i, j] == linear_radius("res-2m", region.linear, w)[0]


def test_phase_space_and_stochastic_schemes_are_mapped_on_a_process() -> None:
    """On PSLD or EDM by default, or on the process given; the panel says which."""
    (phase,) = regions("roba", size=40)
    assert isinstance(phase, StepLimit)
    assert phase.panel == "psld, reverse SDE, data variance 0.25"
    assert np.all((phase.h <= phase.longest) | np.isinf(phase.h))
    (churn,) = regions("heun-edm-churn", size=40)
    assert isinstance(churn, StepLimit)
    assert churn.panel.startswith("edm")
    assert np.isinf(churn.h).all()  # Heun in the noise level never grows on a Gaussian
    (other,) = regions("ddim", process=EDM(), size=40)
    assert other.panel == "edm, probability flow, data variance 0.25"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: regions("res-2n"), "did you mean"),
        (lambda: regions("dpmpp-2m", process=EDM()), "carries evaluations"),
        (lambda: regions("nse", process=EDM()), "it runs on phase space processes"),
        (lambda: linear_radius("roba", 0.0, GRID), "no meaning on the test equation"),
    ],
)
def test_what_cannot_be_mapped_is_said_in_one_sentence(call: object, words: str) -> None:
    """Unknown names, history on a process and words on the test equation each have their reason."""
    with pytest.raises(InputError, match=words):
        call()  # type: ignore[operator]
