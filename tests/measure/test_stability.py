"""Stability maps are read from the declarations: they reproduce the known stability functions and intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.declare.entries import number
from numtoolkit.declare.runs import adams_bashforth
from numtoolkit.declare.scheme import Param, Scheme
from numtoolkit.declare.steps import Eval
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure import Normal, moments
from numtoolkit.measure.single_steps import process_radius, stable_step
from numtoolkit.measure.stability import (
    Region,
    StepLimit,
    extents,
    linear_radius,
    program_radius,
    real_interval,
    stability,
    stable_interval,
)
from numtoolkit.phi_functions import phi
from numtoolkit.problem.frozen import DRIFT, RESIDUAL
from numtoolkit.problem.grids import grid
from numtoolkit.problem.kinds import SCALAR
from numtoolkit.problem.processes import EDM, PROCESSES, PSLD
from numtoolkit.program.program import Program, ProgramStep, lower, problem_of, step_quantities
from numtoolkit.program.walk import Stepper, handed
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.amplification import Amplification, amplification
from tests.support.tiers import breadth, in_sample

GRID = np.add.outer(1j * np.linspace(-3, 3, 7), np.linspace(-4, 2, 7)).ravel()
VARIANCE = 0.25


def roots(*coefficients: object) -> np.ndarray:
    """Largest modulus of the roots of a polynomial whose coefficients (highest first) may be arrays over GRID."""
    table = np.broadcast_arrays(*(np.asarray(c, dtype=complex) for c in coefficients), GRID)[:-1]
    return np.array([np.abs(np.roots(row)).max() for row in np.transpose(table)])


# One-step formulae from Hochbruck & Ostermann 2010, section 2.3; Adams characteristic polynomials from the textbooks.
# UniPC-2 evaluates only predictions: P_{n+1} - P_n with y eliminated is Adams-Bashforth 3 at L = 0.
# What freezes the noise e = (x - D)/s = (1 - w) x/s at h L = -1 goes by dx = e ds over noise levels s = exp(-c).
NOISE = 1 - GRID
FALL, HALF_FALL = np.exp(-1.0) - 1, np.exp(-0.5) - 1
AHEAD = 1 + FALL * NOISE  # Euler's step in the noise level
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
    ("heun-edm", -1.0, np.abs(1 + FALL / 2 * NOISE * (1 + np.e * AHEAD))),
    ("dpm-solver-2", -1.0, np.abs(1 + FALL * NOISE * np.exp(0.5) * (1 + HALF_FALL * NOISE))),
    # The noise a step back is over e times the level; weights of a line through both, the step before e times as long.
    ("spndm", -1.0, roots(1, -(1 + 1.5 * FALL * NOISE), FALL / 2 * NOISE / np.e)),
    (
        "deis-rhoab(1)",
        -1.0,
        roots(1, -(1 + FALL * NOISE * (1 + 1 / (2 * np.e))), FALL * NOISE / (2 * np.e) / np.e),
    ),
    # The reverse SDE: h L = -1 is half as long a step in log-SNR, over which dx = 2 e ds.
    ("seeds-1", -1.0, np.abs(1 + 2 * HALF_FALL * NOISE)),
]


@pytest.mark.parametrize(("name", "linear", "expected"), FORMULAE)
def test_the_test_equation_has_the_textbook_radius(name: str, linear: float, expected: np.ndarray) -> None:
    """The amplification of y' = (L + w) y is that of stability functions and characteristic polynomials.

    Roots of cubics are conditioned like eps^(1/3) only at triple roots, which the grid avoids: 1e-10 is ample.
    """
    np.testing.assert_allclose(linear_radius(name, linear, GRID), expected, rtol=1e-10, atol=1e-10)


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

    In the noise level L = 0 and x' = e^b (1 - b) x + phi_1(b) (x + phi_1(z) (z + w) x - x), b the shift over the step
    and phi_1(z) (z + w) what the frozen noise moves. At b = 0 this is e^z + phi_1(z) w.
    """
    b = float(shift)
    expected = np.abs(np.exp(b) * (1 - b) + phi(1, b) * phi(1, linear) * (linear + GRID))
    found = linear_radius(scheme("lambda-ddim-1").bind(shift=shift), linear, GRID)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


ONE_STEP = [(s, name) for s in catalogue() for name in s.processes if not s.steps.inner.carry and not s.quantities]
# No scheme of the catalogue tells its network another time than that of the state; this one does.
NSE = scheme("nse").steps.inner
LATE = tuple(replace(i, network_time=number("1/2")) if isinstance(i, Eval) else i for i in NSE.items)
MISTOLD = replace(scheme("nse"), name="mistold", steps=replace(NSE, items=LATE))
CASES = [*ONE_STEP, (MISTOLD, "psld")]


@pytest.mark.parametrize(
    ("declared", "process_name"),
    breadth(CASES, lambda declared, _: in_sample(declared) or declared is MISTOLD),
    ids=lambda x: getattr(x, "name", x),
)
def test_the_process_radius_is_that_of_the_run_program(declared: Scheme, process_name: str) -> None:
    """Mean propagation through lowered one-step programs is another reader of the same declaration."""
    process = PROCESSES[process_name]()
    k, law = process.blocks, Gaussian(np.zeros(1), VARIANCE)
    start = process.T * np.array([1.0, 0.6, 0.2, 0.05])
    end = start * np.array([0.9, 0.5, 0.95, 0.4])
    expected = []
    for times in np.stack([start, end], axis=1):
        program = lower(declared, process, times)
        columns = [
            moments(program, law=law, start=Normal(unit[None], np.zeros((1, k, k)))).mean[0] for unit in np.eye(k)
        ]
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


def test_a_tau_that_acts_between_two_noise_levels_acts_there_alone() -> None:
    """Steps that start outside [1/2, 2] are those of the probability flow, the others those of the reverse SDE."""
    window = (Param("s_min", Fraction(1, 2)), Param("s_max", Fraction(2)))
    sde = scheme("sde-dpmpp-1")
    own = replace(sde, name="own", params=window, tau_between=("s_min", "s_max"))
    start = np.array([4.0, 1.0, 0.1])
    expected = [process_radius(alike, EDM(), VARIANCE, start, start / 2) for alike in ("dpmpp-1", sde)]
    assert not np.isclose(*expected).any()
    found = process_radius(own, EDM(), VARIANCE, start, start / 2)
    np.testing.assert_allclose(found, np.where([False, True, False], expected[1], expected[0]), rtol=1e-14)


def states_of(program: Program, slope: Callable[[float], Any]) -> list[np.ndarray]:
    """The states of a run from ones at the ends of its steps, noise 0, the network slope(t) times the state."""
    found = [np.ones(len(SLOPES), complex)]

    def hand(n: int, step: ProgramStep, names: dict[str, Any]) -> dict[str, Any]:
        found.append(names[step.out][0])
        return handed(n, step, names)

    run = Stepper(program, found, lambda step, slot: [np.zeros(len(SLOPES))], hand=hand)
    while not run.done:
        run.send([slope(run.time) * run.row[0]] * (1 + program.both))
    return found


def obey(found: Amplification, declared: Scheme, w: np.ndarray, states: Sequence[np.ndarray]) -> bool:
    """Whether the states at the ends of inner steps obey the recurrence of the characteristic polynomial.

    By the theorem of Cayley and Hamilton they do, whatever is handed on, after as many steps as there are roots 0. The
    sum of terms as large as `size` vanishes to their rounding, which some ten coefficients a step bring with them.
    """
    rows = found.coefficients
    terms = [np.polynomial.polynomial.polyval(w, [float(c) for c in row]) for row in rows]
    zeros = 1 + len(declared.steps.inner.carry) - (len(terms) - 1)
    first, last = len(declared.steps.start) + zeros, len(states) - len(declared.steps.final)
    assert last - first - len(terms) + 1 >= 6
    for n in range(first, last - len(terms) + 1):
        parts = [term * states[n + j] for j, term in enumerate(terms)]
        size = sum(map(np.abs, parts))
        if (np.abs(sum(parts)) > 1e-13 * size).any():
            return False
    return True


IMAGE_SPACE = [s for s in catalogue() if SCALAR in s.kinds and not s.of_grid]
FOLLOWED = [s for s in IMAGE_SPACE if s.frozen not in (DRIFT, RESIDUAL)]


@pytest.mark.parametrize("linear", [-1.0, -0.25])
@pytest.mark.parametrize("declared", FOLLOWED, ids=lambda s: s.name)
def test_twelve_real_steps_grow_as_the_stability_function_says(declared: Scheme, linear: float) -> None:
    """Equal steps in log-SNR on EDM with D = omega x, noise left out, history included, for every image-space scheme.

    Steps of q h = 1 and 1/4, where w = omega and omega/4.
    """
    q = 1 + float(declared.tau_value) ** 2
    levels = np.exp(linear / q * np.arange(-6, 7 + len(declared.steps.start) + len(declared.steps.final)))
    program = lower(declared, EDM(), levels)
    states = states_of(program, lambda t: SLOPES)
    assert obey(amplification(declared, linear), declared, -linear * SLOPES, states)
    if not declared.steps.inner.carry:
        growth = np.abs(states[12] / states[0])
        np.testing.assert_allclose(growth, linear_radius(declared, linear, -linear * SLOPES) ** 12, rtol=1e-12)


NOISED = [s for s in catalogue() if SCALAR in s.kinds and s.of_grid in ({"a"}, {"d"})]


@pytest.mark.parametrize("declared", NOISED, ids=lambda s: s.name)
def test_twelve_real_steps_with_noise_added_back_grow_as_the_stability_function_says(declared: Scheme) -> None:
    """Over equal steps of log-SNR every step goes as far back or down as any other; draws are 0.

    Churn acts at every noise level. The closed forms of `gauss-fit-2m` and `conjugate-optimal` differ between
    steps, and so does the noise scale of `er-sde`.
    """
    own = declared.bind(s_min=Fraction(0), s_max=Fraction(1000)) if "a" in declared.of_grid else declared
    levels = np.exp(-np.arange(-6.0, 7 + len(own.steps.start)))
    problem, index = problem_of(own, EDM()), np.arange(len(levels) - 1)
    quantities = step_quantities(own, problem, levels, index, own.parameters())
    (name,) = own.of_grid
    np.testing.assert_allclose(quantities[name], quantities[name][0], rtol=1e-13)
    assert abs(quantities[name][0] - (name == "d")) > 0.01  # it acts
    found = amplification(own, -1, {name: float(quantities[name][0])})
    states = states_of(lower(own, EDM(), levels), lambda t: SLOPES)
    assert obey(found, own, SLOPES, states)


@pytest.mark.parametrize("name", ["euler", "heun", "em"])
def test_twelve_real_steps_that_freeze_the_drift_grow_as_the_stability_function_says(name: str) -> None:
    """Equal steps of time on EDM with D = (1 - mu t/q) x, for which dx/dt = mu x, from L + w = -mu dt."""
    declared, times, mu = scheme(name), np.linspace(10.0, 4.0, 13), np.array([1.0, 3.0, 6.0, 2.0 + 1j])
    q = 1 + float(declared.tau_value) ** 2
    program = lower(declared, EDM(), times)
    states = states_of(program, lambda t: 1 - mu * t / q)
    growth = linear_radius(name, -1.0, 1 - mu / 2)
    np.testing.assert_allclose(np.abs(states[12] / states[0]), growth**12, rtol=1e-12)


@pytest.mark.parametrize("name", ["gframe-ab", "gframe-abm", "gframe-ab(3)"])
@pytest.mark.parametrize("linear", [0.0, -1.0])
def test_twelve_real_steps_of_the_frame_grow_as_the_stability_function_says(name: str, linear: float) -> None:
    """Equal steps of the angle on EDM where the residual (D - D_g)/c is w z / (dtheta sqrt(V)), V = deviation^2.

    D_g = (data / deviation)^2 z and c = data t / deviation. z / sqrt(V) then moves by it alone, as at h L = 0; at
    another h L the linear part is the factor exp(h L) of a step.
    """
    declared, data = scheme(name), 0.5
    angle = np.linspace(1.4, 0.2, 14 + len(declared.steps.start))
    step = angle[0] - angle[1]
    levels = data * np.tan(angle)

    def slope(t: float) -> np.ndarray:
        deviation = np.hypot(data, t)
        residual = SLOPES / step / deviation
        return (data / deviation) ** 2 + residual * data * t / deviation

    states = states_of(lower(declared, EDM(), levels), slope)
    moved = [x * np.exp(linear * n) / np.hypot(data, s) for n, (x, s) in enumerate(zip(states, levels, strict=True))]
    assert obey(amplification(declared, linear), declared, SLOPES, moved)


@pytest.mark.parametrize("tau", ["0", "1/2"])
@pytest.mark.parametrize("frozen", ["data", "noise", "score"])
@pytest.mark.parametrize("clock", ["log-snr", "noise-level", "time"])
def test_twelve_real_steps_of_any_prediction_and_clock_grow_as_the_function_says(
    frozen: str, clock: str, tau: str
) -> None:
    """Two-step Adams weights vary over the step; of data in the noise level their integral is a logarithm.

    A step of log-SNR is as long as 1 + tau^2 makes h L one half.
    """
    half = number(tau)
    own = Scheme(
        "own",
        "test",
        "test",
        adams_bashforth(2),
        frozen=frozen,
        clock=clock,
        kinds="scalar",
        tau=half,
        reference=half**2,
    )
    step = 0.5 / (1 + float(own.tau_value) ** 2)
    program = lower(own, EDM(), np.exp(step * np.arange(6.0, -9.0, -1)))
    assert obey(amplification(own, -0.5), own, SLOPES / 2, states_of(program, lambda t: SLOPES))


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
    assert 0 < stable_step("euler", process, VARIANCE, 1.0) < 1e-4
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
    """Regions or step limits without NaN, but for schemes with history that have a coefficient of the grid."""
    if declared.of_grid and declared.steps.inner.carry:
        with pytest.raises(InputError, match="has a coefficient that a grid alone gives"):
            stability(declared, size=10)
        return
    for found in stability(declared, size=10):
        values = found.radius if isinstance(found, Region) else found.h
        assert not np.isnan(values).any()


def test_maps_are_symmetric_and_cover_their_axes() -> None:
    """Radii at w and its conjugate agree bit for bit, and each point is what `linear_radius` says."""
    maps = stability("res-2m", size=40)
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
    (phase,) = stability("roba", size=40)
    assert isinstance(phase, StepLimit)
    assert phase.panel == "psld, reverse SDE, data variance 0.25"
    assert np.all((phase.h <= phase.longest) | np.isinf(phase.h))
    (churn,) = stability("heun-edm-churn", size=40)
    assert isinstance(churn, StepLimit)
    assert churn.panel.startswith("edm")
    assert np.isinf(churn.h).all()  # Heun in the noise level never grows on a Gaussian
    (other,) = stability("ddim", process=EDM(), size=40)
    assert other.panel == "edm, probability flow, data variance 0.25"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stability("res-2n"), "did you mean"),
        (lambda: stability("dpmpp-2m", process=EDM()), "carries evaluations"),
        (lambda: stability("ddim", "edm", variance=-1), "variance = -1 is no finite number >= 0"),
        (lambda: stability("ddim", "edm", variance=float("nan")), "variance = nan is no finite number >= 0"),
        (lambda: stability("ddim", size=0), "size = 0 is no whole number from 2"),
        (lambda: stability("nse", process=EDM()), "it runs on phase space processes"),
        (lambda: linear_radius("roba", 0.0, GRID), "no meaning on the test equation"),
        (lambda: linear_radius("heun-edm", -1000.0, GRID), "grows beyond float64"),
        (lambda: real_interval("gauss-fit-2m"), "a coefficient that a grid alone gives, bend"),
        (lambda: stable_interval("rk4", axis="diagonal"), "real or imaginary"),
    ],
)
def test_what_cannot_be_mapped_is_said_in_one_sentence(call: object, words: str) -> None:
    """Unknown names, history on a process and words on the test equation each have their reason."""
    with pytest.raises(InputError, match=words):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("spec", ["heun-edm", "euler-churn(churn=1/4)", "heun-edm-churn(churn=1/4)", "res-2s"])
def test_the_radius_of_a_step_on_a_process_is_that_of_a_run_of_that_step(spec):
    """Its churn is what S_churn is for one step, not for a run of another length."""
    start, end, variance = 5.0, 2.0, 0.25
    program = lower(scheme(spec), EDM(), np.array([start, end]))
    expected = program_radius(program, lambda t: [[variance / (variance + t**2)]])
    found = process_radius(spec, EDM(), variance, np.array([start]), np.array([end]))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
