"""Planes of stability are what closed forms, lowered runs and the stationary laws of the theory say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure import Normal, exact_marginal, gaussian_flow, moments
from numtoolkit.measure.planes import Plane, stationary_covariance
from numtoolkit.measure.single_steps import exact_steps, history
from numtoolkit.measure.stability import stability
from numtoolkit.measure.step_defects import step_defects
from numtoolkit.measure.transfer import transfer
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PROCESSES, VP
from numtoolkit.program.program import lower
from numtoolkit.program.runs import program_of
from numtoolkit.schemes import catalogue, scheme
from tests.support.tiers import breadth

SIZE = 40  # planes of 8 x 8


def plane(
    name: str | Scheme, process: str | EDM | VP | None = None, variance: float = 0.25, kind: str = "diffusion"
) -> Plane:
    """The one plane of a scheme."""
    (found,) = stability(name, process, variance, kind=kind, size=SIZE)
    assert isinstance(found, Plane)
    return found


def level(y: np.ndarray, h: np.ndarray, back: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(s, sqrt(1 + s^2), gain) of data of deviation 1, `back` steps before the start of a step of the plane."""
    s = np.exp(back * h) / y[:, None]
    return s, np.sqrt(1 + s**2), 1 / (1 + s**2)


def ddim(y: np.ndarray, h: np.ndarray) -> np.ndarray:
    """x' = e^-h x + (1 - e^-h) D over sqrt((1 + s'^2)/(1 + s^2)), D = x/(1 + s^2)."""
    (_, V, gain), (_, after, _) = level(y, h, 0), level(y, h, -1)
    return (np.exp(-h) + (1 - np.exp(-h)) * gain) * V / after


def two_step(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The larger root of z^2 = now z + before: both values in units of the exact law."""
    root = np.sqrt(now**2 + 4 * before + 0j)
    return np.maximum(abs(now + root), abs(now - root)) / 2


def dpmpp_2m(y: np.ndarray, h: np.ndarray) -> np.ndarray:
    """x' = e^-h x + (1 - e^-h)(3/2 D - 1/2 D_1): D_1 goes by gain sqrt(V) of a step ago."""
    (_, V, gain), (_, after, _), (_, V1, gain1) = level(y, h, 0), level(y, h, -1), level(y, h, 1)
    half = (1 - np.exp(-h)) / 2
    return two_step((np.exp(-h) + 3 * half * gain) * V / after, -half * gain1 * V1 / after)


def spndm(y: np.ndarray, h: np.ndarray) -> np.ndarray:
    """x' = x + (s' - s)(3/2 e - 1/2 e_1), e = (x - D)/s: e_1 goes by (1 - gain) sqrt(V)/s of a step ago."""
    (s, V, gain), (end, after, _), (s1, V1, gain1) = level(y, h, 0), level(y, h, -1), level(y, h, 1)
    fall = (end - s) / 2
    return two_step((1 + 3 * fall * (1 - gain) / s) * V / after, -fall * (1 - gain1) / s1 * V1 / after)


def ipndm_3(y: np.ndarray, h: np.ndarray) -> np.ndarray:
    """x' = x + (s' - s)(23 e - 16 e_1 + 5 e_2)/12, whatever the steps; each e in units of its own exact one."""
    end, after, _ = level(y, h, -1)
    units = []
    for back in range(3):
        s, V, gain = level(y, h, back)
        units.append((1 - gain) * V / s)
    s, V, _ = level(y, h, 0)
    weights = [(end - s) / 12 * c * unit / after for c, unit in zip((23, -16, 5), units, strict=True)]
    rows = np.stack([-weights[2], -weights[1], -weights[0] - V / after, np.ones_like(s)])
    return np.array([[abs(np.roots(rows[::-1, i, j])).max() for j in range(len(h))] for i in range(len(y))])


def reverse_euler(y: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, C) of x' = e^-2h x + (1 - e^-2h) D + s' sqrt(1 - e^-2h) n, the exponential Euler step of the reverse SDE."""
    (_, V, gain), (end, after, _) = level(y, h, 0), level(y, h, -1)
    left = np.exp(-2 * h)
    return (left + (1 - left) * gain) * V / after, end * np.sqrt(1 - left) / after


@pytest.mark.parametrize("on", [None, "edm", "vp", "flow"])
def test_one_step_of_ddim_is_its_closed_form_on_every_scalar_process(on: str | None) -> None:
    """In x = z / alpha they are one step, whatever the variance of the data; levels beyond a process are left out."""
    found = plane("ddim", on, 0.25 if on else 4.0)
    expected = ddim(found.y, found.x)
    known = ~np.isnan(found.value)
    np.testing.assert_allclose(found.value[known], expected[known], rtol=1e-9 if on == "flow" else 1e-12)
    assert known.all() if on is None else known.any() and not known.all()


@pytest.mark.parametrize(("name", "formula"), [("dpmpp-2m", dpmpp_2m), ("spndm", spndm), ("ipndm(3)", ipndm_3)])
def test_a_multistep_scheme_has_the_larger_root_in_units_of_the_exact_law(
    name: str, formula: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> None:
    """Carried data and carried noise each go by their own exact value, which changes from step to step."""
    found = plane(name)
    # The larger root of a double one is conditioned like the square root of rounding, and none is near here.
    np.testing.assert_allclose(found.value, formula(found.y, found.x), rtol=1e-9)


@pytest.mark.parametrize("name", ["gframe-ab", "gframe-abm", "gauss-fit-2m"])
def test_schemes_that_are_exact_on_a_gaussian_law_are_1_all_over_its_plane(name: str) -> None:
    """Their residual is 0 there, so that what they carry of it has no unit of its own; on other data they are not 1."""
    np.testing.assert_allclose(plane(name).value, 1, rtol=1e-9)
    assert abs(plane(name, variance=1.0).value - 1).max() > 1e-3


def test_history_beside_noise_is_that_of_exact_paths_of_the_reverse_sde() -> None:
    """x' = e^-2h x + (1 - e^-2h)(3/2 D - 1/2 D_1) + noise: x_1 is x and independent forward noise, so they share V."""
    found = plane("sde-dpmpp-2m")
    (_, V, gain), (end, after, _), (_, V1, gain1) = (level(found.y, found.x, back) for back in (0, -1, 1))
    left = np.exp(-2 * found.x)
    now, before = left + 1.5 * (1 - left) * gain, -(1 - left) / 2 * gain1
    made = (now**2 + 2 * now * before) * V**2 + before**2 * V1**2 + end**2 * (1 - left)
    assert (two_step(now * V / after, before * V1 / after) < np.sqrt(made) / after).all()  # no root is larger
    np.testing.assert_allclose(found.value, np.sqrt(made) / after, rtol=1e-9)


HISTORIES = [
    ("sde-dpmpp-2m", "edm", 2),
    ("er-sde(3)", "edm", 2),
    ("res-2m-ancestral", "edm", 1),
    ("sa-solver(2, tau=1/2)", "edm", 2),
    ("gddim(2)", "psld", 2),
    ("gframe-ab(3)", "psld", 3),
    ("gframe-ab(2, tau=1)", "psld", 2),
]


@pytest.mark.parametrize(("name", "on", "order"), HISTORIES)
def test_a_step_from_exact_paths_departs_from_1_by_a_power_of_its_length(name: str, on: str, order: int) -> None:
    """With the history of another SDE than the scheme's, or of another time, the power would be less."""
    declared, process, h = scheme(name), PROCESSES[on](), np.array([[0.02], [0.04]])
    levels = np.exp(h * (history(declared) - np.arange(history(declared) + 2)))
    times = process.time_of_level(levels.ravel()).reshape(levels.shape)
    short, long = np.linalg.norm(exact_steps(declared, process, 1.0, times).ends, 2, axis=(1, 2)) - 1
    # The next power of h adds 0.04 of its relative size, twice that of the last step that starts the history.
    assert np.log2(long / short) == pytest.approx(order + 1, abs=0.2)


@pytest.mark.parametrize("name", ["gddim(2)", "gddim-pc(2)", "gframe-ab(2)"])
def test_a_step_with_history_in_phase_space_is_the_lowered_one_from_exact_states(name: str) -> None:
    """Another reader: what a run misses in its second step, beside the exact flow, in units of the exact law."""
    process, law = PROCESSES["psld"](), Gaussian(np.zeros(1), 1.0)
    times = process.time_of_level(np.exp(-0.3 * np.arange(4)))
    missed = step_defects(name, process, law, times).mean
    assert missed is not None
    R = missed[1, 0] + gaussian_flow(process, np.ones(1), times[1], times[2])[0]
    before, after = (np.linalg.cholesky(exact_marginal(process, law, t).covariance[0]) for t in times[1:3])
    (found,) = exact_steps(scheme(name), process, 1.0, times[None, :3]).ends[:, :, :2]
    np.testing.assert_allclose(found, np.linalg.solve(after, R @ before), rtol=0, atol=1e-11)


def test_history_that_is_exact_has_root_1_in_phase_space() -> None:
    """GDDIM is exact for data that are a point: what it carries is what the flow makes it, however that turns."""
    found = plane("gddim(2)", "psld", 1e-6)
    assert found.y[0] == 0.01
    np.testing.assert_allclose(found.value[0, :3], 1, rtol=1e-5)
    assert (found.value[0, 3:6] > 1.2).all()  # a history of long steps grows, as that of frozen noise does in one block


def test_a_carried_state_goes_by_its_own_deviation() -> None:
    """Without its coefficients iia-spndm, which carries the state of a step ago, is spndm."""
    np.testing.assert_allclose(plane("iia-spndm").value, plane("spndm").value, rtol=1e-12)
    own = scheme("iia-spndm").unfitted()
    steps = exact_steps(own, EDM(), 0.25, 2.0 ** np.arange(history(own), -2, -1)[None])  # the step from 1 to 1/2
    for units, s in ((steps.before, 2.0), (steps.after, 1.0)):
        np.testing.assert_allclose(units[0, 1, :2], np.hypot(0.5, s), rtol=1e-14)


@pytest.mark.parametrize("name", ["sde-dpmpp-1", "euler-ancestral"])
def test_the_reverse_sde_by_exponential_euler_has_its_closed_variances(name: str) -> None:
    """One step from the exact law, M^2 + C^2, and what steps come to, C^2 / (1 - M^2); ancestral Euler is that step."""
    found, led = plane(name), plane(name, kind="mean-square")
    M, C = reverse_euler(found.y, found.x)
    np.testing.assert_allclose(found.value, np.hypot(M, C), rtol=1e-11)
    # 1 - M^2 is 1e-5 where the data are far above the noise.
    np.testing.assert_allclose(led.value, C**2 / (1 - M**2), rtol=1e-9)


def test_euler_maruyama_has_the_stationary_variance_of_an_ornstein_uhlenbeck_process() -> None:
    """dz = -k z dt + sqrt(2 k) dW, k = beta/2, by steps of h: variance 1/(1 - h k/2), without bound from h k = 2 on."""
    process = VP(beta_min=20.0, beta_max=20.0)  # data of variance 1 stay so
    found = plane("em", process, 1.0, "mean-square")
    levels = 1 / found.y[:, None]
    t, end = (np.log1p(own**2) / 20 for own in (levels, levels * np.exp(-found.x)))
    k, known = 10 * (t - end), ~np.isnan(found.value)
    assert (k[known] > 2).any()
    assert (k[known] < 1).any()
    with np.errstate(divide="ignore"):
        expected = np.where(k < 2, 1 / (1 - k / 2), np.inf)[known]
    np.testing.assert_allclose(found.value[known], expected, rtol=1e-9)


def test_baoab_keeps_the_stationary_position_and_errs_in_momentum() -> None:
    """On q' = p, p' = -q - g p + sqrt(2 g) w': variances 1 and 1 - h^2/4, whatever the friction; none from h = 2 on."""
    linear, noise = [], []
    for h, g in [(0.5, 1.0), (1.5, 0.1), (2.5, 1.0)]:
        B, A = np.array([[1, 0], [-h / 2, 1]]), np.array([[1, h / 2], [0, 1]])
        left = np.exp(-g * h)
        linear.append(B @ A @ np.diag([1, left]) @ A @ B)
        noise.append(B @ A @ np.array([[0], [np.sqrt(1 - left**2)]]))
    found = stationary_covariance(np.array(linear), np.array(noise))
    expected = [np.diag([1, 1 - h**2 / 4]) for h in (0.5, 1.5)]
    np.testing.assert_allclose(found[:2], expected, rtol=0, atol=1e-13)
    assert np.isinf(found[2]).all()


ONE_STEP = [(s, on) for s in catalogue() for on in ("edm", "psld") if on in s.processes and not s.steps.inner.carry]


def lowered(declared: Scheme, on: str, y: float, h: float) -> Callable[[np.ndarray], np.ndarray]:
    """Covariance -> covariance of one lowered step of a plane, both in units of the exact law."""
    process, law, s = PROCESSES[on](), Gaussian(np.zeros(1), 0.25), 0.5 / y
    times = process.time_of_level(np.array([s, s * np.exp(-h)]))
    program = lower(declared, process, times)
    before, after = (np.linalg.cholesky(exact_marginal(process, law, t).covariance) for t in times)
    none = np.zeros((1, process.blocks))

    def step(P: np.ndarray) -> np.ndarray:
        end = moments(program, law=law, start=Normal(none, before @ P @ before.mT)).covariance
        return np.linalg.solve(after, np.linalg.solve(after, end).mT)[0]

    return step


@pytest.mark.parametrize(("declared", "on"), breadth(ONE_STEP), ids=lambda x: getattr(x, "name", x))
def test_planes_of_one_step_are_the_moments_of_lowered_steps(declared: Scheme, on: str) -> None:
    """Another reader of the declaration: exact law in, covariance out; and the covariance that the step keeps."""
    declared = declared.agreed
    found = plane(declared, on)
    led = plane(declared, on, kind="mean-square") if declared.kind == "sde" else None
    for i, j in [(3, 1), (4, 5), (2, 3)]:
        step, unit = lowered(declared, on, found.y[i], found.x[j]), np.eye(PROCESSES[on]().blocks)
        once = np.linalg.eigvalsh(step(unit))[-1]
        assert found.value[i, j] == pytest.approx(np.sqrt(once), rel=1e-10)
        if led is not None and np.isfinite(led.value[i, j]):
            drawn = step(0 * unit)
            columns = [(step(np.outer(a, b)) - drawn).ravel() for a in unit for b in unit]
            kept = np.linalg.solve(np.eye(unit.size) - np.array(columns).T, drawn.ravel())
            assert led.value[i, j] == pytest.approx(kept[0], rel=1e-7)


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun-edm", 2), ("res-2s", 2)])
def test_one_step_departs_from_1_by_a_power_of_its_length(name: str, order: int) -> None:
    """Twice as long a step of order p errs 2^(p+1) times as much; steps of 3/80 and 3/40 show it to 5 %."""
    (found,) = stability(name, kind="diffusion", size=400)
    assert isinstance(found, Plane)
    row = abs(np.log(found.y) - np.log(0.3)).argmin()
    first, second = abs(found.value[row, :2] - 1)
    assert np.log2(second / first) == pytest.approx(order + 1, abs=0.07)


@pytest.mark.parametrize("name", ["ddim", "heun-edm", "res-2s"])
def test_a_run_multiplies_what_its_steps_make(name: str) -> None:
    """From N(0, T^2), which is narrower than the exact law, to the end: one factor a step of the plane."""
    times, process = grid("rho(7)", EDM(), 9), EDM()
    linear, noise = exact_steps(scheme(name), process, 0.25, np.stack([times[:-1], times[1:]], axis=1)).relative
    assert noise.shape[2] == 0
    start = times[0] / np.hypot(times[0], 0.5)
    (found,) = 1 + transfer(lower(scheme(name), process, times), scales=[0.5]).deviation
    assert start * abs(linear.prod()) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(("name", "on"), [("dpmpp-2m", "edm"), ("gddim", "psld"), ("sscs", "psld")])
def test_the_plane_of_runs_is_that_of_their_transfer_functions(name: str, on: str) -> None:
    """1 + T at each budget, from the least on, those that are asked for twice once."""
    (found,) = stability(name, on, kind="run", grid="quadratic", nfe=(9, 5, 9), size=SIZE)
    assert isinstance(found, Plane)
    assert found.x.tolist() == [5, 9]
    for column, budget in enumerate((5, 9)):
        expected = 1 + transfer(name, on, "quadratic", budget, found.y).deviation
        np.testing.assert_array_equal(found.value[:, column], expected)


@pytest.mark.parametrize(("name", "on"), [("dpmpp-2m", "edm"), ("sscs", "psld"), ("heun-edm", "vp")])
def test_a_program_is_mapped_along_its_steps(name: str, on: str) -> None:
    """From the prior on; at the end it is the transfer function, after two steps that of a run of a shorter grid."""
    program = program_of(name, on, "quadratic", 6)
    (found,) = stability(program, size=SIZE)
    assert isinstance(found, Plane)
    assert (found.kind, found.panel, found.x[-1] - found.x[0]) == ("along", f"{on}, NFE 6", 6)
    np.testing.assert_allclose(found.value[:, -1], 1 + transfer(program, scales=found.y).deviation, rtol=1e-14)
    process = program.process
    exact = exact_marginal(process, Gaussian(np.zeros(SIZE // 5), found.y**2), process.T).covariance[:, 0, 0]
    np.testing.assert_allclose(found.value[:, 0], np.sqrt(process.prior()[0, 0] / exact), rtol=1e-14)
    begun = lower(scheme(name), process, program.times[:3])
    place = found.x.tolist().index(begun.nfe)
    np.testing.assert_allclose(found.value[:, place], 1 + transfer(begun, scales=found.y).deviation, rtol=1e-12)


def test_the_reach_of_a_plane_is_where_it_ceases_to_be_near_1() -> None:
    """Steps up to it, budgets from it on; what is beyond the process counts for nothing."""
    x = np.array([1.0, 2.0, 3.0, 4.0])
    value = np.array([[1.0, 1.04, 0.9, 1.0], [1.0, 1.0, 0.98, np.nan], [np.inf, 1.0, 1.0, 1.0]])
    steps = Plane("a", "diffusion", "", x, np.array([0.1, 1.0, 10.0]), value)
    assert [steps.reach(y) for y in (0.1, 1.2, 10)] == [2, np.inf, 0]
    assert steps.reach(0.1, 0.1001) == np.inf
    runs = replace(steps, kind="run")
    assert [runs.reach(y) for y in (0.1, 1.2, 10)] == [4, 1, 2]
    assert replace(runs, value=value[:, ::-1]).reach(10) == np.inf


def test_churn_is_left_out_where_it_adds_no_noise() -> None:
    """Below s_min = 0.05 the step of heun-edm-churn is that of heun-edm, which comes to no variance."""
    led = plane("heun-edm-churn", kind="mean-square")
    silent = 0.5 / led.y < 0.05
    assert silent.any()
    np.testing.assert_array_equal(np.isnan(led.value), np.broadcast_to(silent[:, None], led.value.shape))
    np.testing.assert_allclose(plane("heun-edm-churn").value[silent], plane("heun-edm").value[silent], rtol=1e-12)


@pytest.mark.parametrize("declared", breadth(catalogue()), ids=lambda s: s.name)
def test_every_scheme_has_a_plane(declared: Scheme) -> None:
    """No cell is negative, those left out are beyond a process, with history and noise too."""
    found = plane(declared)
    known = ~np.isnan(found.value)
    phase_space = "edm" not in declared.processes
    assert found.panel == ("psld, data variance 0.25, worst direction" if phase_space else "edm, data variance 0.25")
    assert known.all() or phase_space
    assert (found.value[known] > 0).all()
    if declared.kind == "sde" and declared.steps.inner.carry:
        assert (plane(declared, kind="mean-square").value > 0).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stability("ddim", kind="plane"), "unknown kind of stability 'plane'"),
        (lambda: stability("ddim", kind="mean-square"), "ddim draws no noise, so its variance comes to 0"),
        (lambda: stability("ddim", variance=0, kind="diffusion"), "variance = 0 leaves no scale"),
        (lambda: stability("ddim", kind="run", grid=[1.0, 0.5]), "has a length of its own"),
        (lambda: stability("ddim", kind="run", nfe=[0]), "nfe = 0 is no whole number from 1"),
        (lambda: stability("ddim", kind="run", nfe=[8, 8]), r"nfe = \[8, 8\] spans no plane"),
        (lambda: stability("ddim", kind="run", grid="ray", nfe=(4, 5)), "unknown grid 'ray'"),
        (lambda: stability("nse", "edm", kind="diffusion"), "it runs on phase space processes"),
        (lambda: stability("ddim", "edm", kind="test"), "the test equation is no process, but edm is given"),
        (lambda: stability("nse", kind="test"), "no state part 'm'"),
        (lambda: plane("ddim").reach(-1.0), "y = -1.0 is no finite number"),
    ],
)
def test_what_has_no_plane_is_said_in_one_sentence(call: Callable[[], object], words: str) -> None:
    """Kinds, schemes of the other sort, grids and budgets that mean nothing."""
    with pytest.raises(InputError, match=words):
        call()
