"""One scheme on VP, EDM and the straight path is one scheme in other variables; and schemes within schemes."""

from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, moments
from numtoolkit.measure.gaussian_moments import Normal
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP, CosineVP, RectifiedFlow
from numtoolkit.program.canonical import canonical
from numtoolkit.program.program import lower
from numtoolkit.schemes import catalogue, scheme
from tests.support.same_run import ROUNDINGS, assert_same_run, clock_steps
from tests.support.tiers import breadth

LAW = Gaussian(np.array([0.3, -0.5]), np.array([0.25, 0.02]))
# a start well inside the levels that are churned, whose upper end 50 a rounding would put on either side
LEVELS = grid("rho(5)", EDM(T=40, t_min=0.02), 12)
# in these clocks z / alpha obeys one equation whatever the process; process time is another polynomial variable on each
SHARED = ("log-snr", "noise-level", "natural", "angle")


def shared(kind):
    return [m for m in catalogue() if m.kind == kind and "edm" in m.processes and m.clock.name in SHARED]


def whole_run(member, process):
    """(R, r) of the run as a map of z / alpha, at the noise levels of one EDM grid."""
    times = process.time_of_noise_level(LEVELS)
    R, r = affine_map(lower(member, process, times), LAW)
    alpha = process.alpha(times)
    return R[:, 0, 0] * alpha[0] / alpha[-1], r[:, 0] / alpha[-1]


@pytest.mark.parametrize("member", shared("ode"), ids=lambda m: m.name)
@pytest.mark.parametrize(
    "process",
    breadth([VP(), CosineVP(T=0.99), RectifiedFlow()], lambda process: process.name == "flow"),
    ids=lambda p: p.name,
)
def test_a_run_is_the_same_on_every_scalar_process(member, process):
    """At the same noise levels, as a map of z / alpha, to 1e3 roundings."""
    there, here = whole_run(member, EDM()), whole_run(member, process)
    # 1e3 roundings of numbers as large as the map; time_of_noise_level costs a few more digits near t = 1
    scale = 1e-11 * max(1.0, *(float(np.abs(part).max()) for part in there))
    np.testing.assert_allclose(here[0], there[0], rtol=0, atol=scale)
    np.testing.assert_allclose(here[1], there[1], rtol=0, atol=scale)


def law_of_a_run(member, process):
    """Mean and variance of the end of the run in z / alpha, from one law of z / alpha at its start."""
    times = process.time_of_noise_level(LEVELS)
    alpha = process.alpha(times)
    start = Normal(alpha[0] * np.array([[0.1], [-20.0]]), alpha[0] ** 2 * np.array([[[900.0]], [[1600.0]]]))
    end = moments(lower(member, process, times), law=LAW, start=start)
    return end.mean / alpha[-1], end.covariance / alpha[-1] ** 2


@pytest.mark.parametrize("member", shared("sde"), ids=lambda m: m.name)
@pytest.mark.parametrize("process", [VP(), CosineVP(T=0.99), RectifiedFlow()], ids=lambda p: p.name)
def test_a_noisy_run_has_the_same_law_on_every_scalar_process(member, process):
    """Mean and covariance of z / alpha from one start, to 1e-13."""
    for here, there in zip(law_of_a_run(member, process), law_of_a_run(member, EDM()), strict=True):
        # some tens of roundings; time_of_noise_level costs a few digits near t = 1
        np.testing.assert_allclose(here, there, rtol=1e-13, atol=0)


INCLUDED = [
    ("etd2rk", "res-2s(c2=1)"),
    ("res-3s(c2=1/3, c3=2/3)", "dpmpp-3s"),
    ("exp-adams(1)", "ddim"),
    ("exp-adams(2)", "res-2m"),
    ("exp-adams(3)", "res-3m"),
    ("deis-rhoab(0)", "ddim"),
    ("deis-tab(0)", "ddim"),
    ("ipndm(1)", "ddim"),
    ("dpm2-karras", "dpm-solver-2"),
    ("lambda-ddim-1(0)", "ddim"),
    ("lambda-ddim-2(0)", "ddim"),
]


@pytest.mark.parametrize(("special", "general"), INCLUDED, ids=lambda name: name)
def test_a_scheme_contains_another(special, general):
    """Parameters at special values give the map of the other scheme."""
    process = VP(t_min=0.01)
    times = grid("quadratic", process, 9)
    ours, theirs = (affine_map(lower(scheme(name), process, times), LAW) for name in (special, general))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["lambda-ddim-1(0)", "lambda-ddim-2(0)"])
def test_conjugation_by_zero_is_the_exponential_euler_step_in_phase_space(name):
    """lambda = 0 leaves ddim with the Cholesky noise of PSLD."""
    times = grid("quadratic", PSLD(), 9)
    ours, theirs = (affine_map(lower(scheme(own), PSLD(), times), LAW) for own in (name, "ddim"))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-11)


# --- schemes as others write them (exponential-iia.md 2.3, 3.1, 8): the same coefficients, not only a close run

SCALAR = [EDM(), VP(), CosineVP(T=0.99), RectifiedFlow()]


@pytest.mark.parametrize("process", SCALAR, ids=lambda p: p.name)
def test_res_3s_at_a_third_and_two_thirds_is_the_shipped_three_stage_scheme(process):
    """The same rows as dpmpp-3s(1/3, 2/3), not only a close run."""
    times = grid("log-snr", process, 7)
    assert_same_run(*(lower(scheme(n), process, times) for n in ("res-3s(c2=1/3, c3=2/3)", "dpmpp-3s(1/3, 2/3)")))


def noise_scales(process, t):
    """alpha, sigma at times t."""
    alpha = process.alpha(t)
    return alpha, alpha * process.noise_level(t)


def assert_states(program, states):
    """What each call is given, and the final state, are these rows of (start, values of the network)."""
    form = canonical(program)
    rows = np.array([*form.rows, form.final])[:, 0, :-1]
    np.testing.assert_allclose(rows, states, rtol=0, atol=ROUNDINGS * np.abs(rows).max())


@pytest.mark.parametrize("process", SCALAR, ids=lambda p: p.name)
@pytest.mark.parametrize("r1", [Fraction(1, 2), Fraction(1, 3)])
def test_res_2s_is_the_taylor_branch_of_dpm_solver(r1, process):
    """The program is the port's formula, state by state, as a map of all evaluations.

    LuChengTHU/dpm-solver, singlestep_dpm_solver_second_update, dpmsolver++ with solver_type "taylor".
    """
    times = grid("rho(7)", process, 6)
    program = lower(scheme(f"res-2s(c2={r1})"), process, times)
    h, _ = clock_steps(process, times)
    told = canonical(program).times
    (alpha, sigma), (alpha_1, sigma_1) = noise_scales(process, times), noise_scales(process, told[1::2])
    x, *m = np.eye(1 + program.nfe)
    states = []
    for n in range(len(h)):
        m_s, m_s1, phi_1 = m[2 * n], m[2 * n + 1], np.expm1(-h[n])
        x_s1 = sigma_1[n] / sigma[n] * x - alpha_1[n] * np.expm1(-float(r1) * h[n]) * m_s
        states += [x, x_s1]
        x = sigma[n + 1] / sigma[n] * x - alpha[n + 1] * phi_1 * m_s
        x = x + alpha[n + 1] / float(r1) * (phi_1 / h[n] + 1) * (m_s1 - m_s)
    assert_states(program, [*states, x])


@pytest.mark.parametrize("process", SCALAR, ids=lambda p: p.name)
def test_res_2m_is_the_taylor_branch_of_dpm_solver(process):
    """The program is the port's formula, state by state, as a map of all evaluations.

    The same file, multistep_dpm_solver_second_update, dpmsolver++ with solver_type "taylor".
    """
    times = grid("rho(7)", process, 6)
    program = lower(scheme("res-2m"), process, times)
    (h, _), (alpha, sigma) = clock_steps(process, times), noise_scales(process, times)
    x, *m = np.eye(1 + program.nfe)
    states = []
    for n in range(len(h)):
        phi_1, r0 = np.expm1(-h[n]), h[n - 1] / h[n]
        slope = (m[n] - m[n - 1]) / r0 if n else 0 * x
        states.append(x)
        x = sigma[n + 1] / sigma[n] * x - alpha[n + 1] * (phi_1 * m[n] - (phi_1 / h[n] + 1) * slope)
    assert_states(program, [*states, x])


@pytest.mark.parametrize("process", SCALAR, ids=lambda p: p.name)
def test_heun_is_what_lemma_1_of_iia_says(process):
    """EDM's Heun step is the formula of the lemma, state by state, on every scalar process.

    In x = z / alpha from noise level s to t: x = (t/s) x + (1 - t/s) D + (s - t)/(2 t) (D' - D).
    """
    times = grid("rho(7)", process, 6)
    program, alpha = lower(scheme("heun-edm"), process, times), process.alpha(times)
    _, s = clock_steps(process, times)
    z, *data = np.eye(1 + program.nfe)
    states = []
    for n in range(len(s) - 1):
        D, ahead, fall = data[2 * n], data[2 * n + 1], s[n + 1] / s[n]
        ddim = fall * z / alpha[n] + (1 - fall) * D
        states += [z, alpha[n + 1] * ddim]
        z = alpha[n + 1] * (ddim + (1 / fall - 1) / 2 * (ahead - D))
    assert_states(program, [*states, z])
