"""gDDIM: the factor R_t that a point mass carries along, the schemes that freeze the noise in it, what they cost."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from numtoolkit.declare.entries import flow, integral, op
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure import affine_map, gaussian_flow
from numtoolkit.problem.grids import grid
from numtoolkit.problem.predictions import convert, from_score, to_score
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import CLD, PSLD, VP
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Call, lower
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, normals
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.verdict import verify

PHASE = (PSLD(), PSLD(beta_min=4, beta_max=12), CLD())
# theta over wide ranges of what the processes allow, where its series needs the most terms or turns the most
EXTREME = (
    *(PSLD(beta_min=0.1, beta_max=20, nu=30, gamma=10, t_min=1e-6), PSLD(beta_min=1e-3, beta_max=100, t_min=1e-6)),
    *(PSLD(Gamma=1e-6, t_min=1e-6), PSLD(Gamma=3.9, T=10), CLD(gamma=1e-4, t_min=1e-4)),
)
MEMBERS = ("gddim(1)", "gddim(2)", "gddim(3)", "gddim(4)", "gddim-pc(1)", "gddim-pc(2)", "gddim-pc(3)")
MIXTURE = mixture(dim=2, components=4)
named = partial(pytest.mark.parametrize, "process", ids=lambda process: process.spec)


def starts(process, count=5):
    xi = normals(range(count), START, 0, (2, *MIXTURE.shape))
    return list(np.tensordot(np.linalg.cholesky(process.prior()), np.moveaxis(xi, 1, 0), 1))


def ends(text, process, times):
    """Where the runs of five starts on the mixture end, (2, 5, 2)."""
    network = lambda z, t: [MIXTURE.denoise(*process.observe(z, t))]  # noqa: E731
    return np.stack(run(lower(scheme(text), process, times), network, starts(process)))


# the factor


@named([*PHASE, *EXTREME])
def test_the_factor_is_one_of_the_noise_covariance(process):
    t = np.geomspace(process.t_min, process.T, 50)
    R, sigma = process.moving_root(t), process.kernel(t)[1]
    scale = np.sqrt(sigma.diagonal(axis1=1, axis2=2))
    error = (R @ np.swapaxes(R, 1, 2) - sigma) / scale[:, :, None] / scale[:, None, :]
    np.testing.assert_allclose(error, 0, atol=10 * 2.2e-16)


@named([*PHASE, *EXTREME])
def test_the_flow_of_a_point_mass_carries_it_along(process):
    """R' = (F + G G' Sigma^-1 / 2) R: the propagator between any two times is R R^-1."""
    t = np.geomspace(process.T, process.t_min, 4)
    R = process.moving_root(t)
    for n in range(3):
        exact = gaussian_flow(process, np.zeros(1), t[n], t[n + 1])[0]
        found = R[n + 1] @ np.linalg.inv(R[n])
        # the integration is to 1e-12 relative a step, and there are more steps the more it turns
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-10 * np.abs(exact).max())


def test_the_cholesky_factor_turns_against_it():
    # psld.md 7.2: R^-1 L is a rotation, its angle from t = 0.001 on to two digits; 8 radians a unit of time beyond 0.3
    t = np.geomspace(1e-3, 1, 601)
    turn = np.linalg.solve(PSLD().moving_root(t), np.linalg.cholesky(PSLD().kernel(t)[1]))
    np.testing.assert_allclose(turn[:, 0, 0], turn[:, 1, 1], atol=1e-12)
    angle = np.unwrap(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
    found = np.interp(np.log([0.01, 0.05, 0.1, 0.3, 1]), np.log(t), angle - angle[0])
    np.testing.assert_allclose(found, [0.86, 2.2, 3.0, 4.9, 10.5], rtol=0.011)  # half a unit of the second digit
    assert abs((angle[-1] - np.interp(np.log(0.5), np.log(t), angle)) / 0.5 - 8) < 0.05


def test_it_starts_at_time_zero_as_the_cholesky_factor():
    """... with an angle as sqrt(t), also at times far below t_min, which own grids may have."""
    t = np.array([1e-12, 1e-10, 1e-8])
    turn = np.linalg.solve(PSLD().moving_root(t), np.linalg.cholesky(PSLD().kernel(t)[1]))
    angle = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
    np.testing.assert_allclose(angle / angle[0], [1, 10, 100], rtol=1e-3)
    assert 0 < angle[2] < 0.01


@named(PHASE)
def test_frozen_it_leaves_the_forward_drift(process):
    problem, t = Problem(process, "noise-r", "time"), np.array([0.9, 0.1, 0.004])
    np.testing.assert_array_equal(problem.operator("L", t), -process.drift(t))
    expected = -process.diffusion(t) @ np.linalg.inv(np.swapaxes(process.moving_root(t), 1, 2)) / 2
    np.testing.assert_allclose(problem.operator("N", t), expected, rtol=1e-13)
    assert problem.constant("L") == (process.beta_min == process.beta_max)
    assert Problem(process, "noise-r", "beta").constant("L")
    assert not Problem(process, "noise-r", "beta").constant("N")


def test_the_prediction_is_the_noise_of_an_exact_score():
    process, t, n = PSLD(), np.array([0.02]), np.array([0.4, -1.1])
    e, sigma = (part[0] for part in process.kernel(t))
    R = process.moving_root(t)[0]
    z = 0.7 * e + R @ n
    score = -np.linalg.solve(sigma, z - 0.7 * e)
    P, Q = from_score("noise-r", process, t)
    np.testing.assert_allclose(P[0] @ z + Q[0] @ score, n, rtol=1e-11)
    P, Q = to_score("noise-r", process, t)
    np.testing.assert_allclose(P[0] @ z + Q[0] @ n, score, rtol=1e-11)
    P, Q = convert("data", "noise-r", process, t)
    np.testing.assert_allclose(P[0] @ z + 0.7 * Q[0][:, 0], n, rtol=1e-11)


def test_on_one_block_it_is_refused():
    with pytest.raises(InputError, match="on process vp use noise"):
        convert("data", "noise-r", VP(), np.array([0.5]))


# the schemes


@named(PHASE)
@pytest.mark.parametrize("text", MEMBERS)
def test_a_point_mass_flows_exactly(text, process):
    steps, within = (4, 1e-12) if text == "gddim(1)" else (20, 1e-9)
    times = grid("quadratic", process, steps)
    R, r = affine_map(lower(scheme(text), process, times), Gaussian(0.3, 0.0))
    root, e = process.moving_root(times[[0, -1]]), process.kernel(times[[0, -1]])[0]
    exact = root[1] @ np.linalg.inv(root[0])
    # The flow to the data multiplies roundings of the first steps by 1e2, their coefficients being that large; where
    # eps is evaluated further times in between, extrapolation over long steps makes that 1e5 (and 1e7 in 4 steps).
    np.testing.assert_allclose(R[0], exact, rtol=0, atol=within)
    np.testing.assert_allclose(r[0], 0.3 * (e[1] - exact @ e[0]), rtol=0, atol=within)


@named(PHASE)
def test_the_first_member_holds_data_and_noise(process):
    times = np.array([0.5, 0.3, 0.12, 0.05])
    z, R, e = np.stack(starts(process)), process.moving_root(times), process.kernel(times)[0]
    for n in range(3):
        D = MIXTURE.denoise(*process.observe(list(z), float(times[n])))
        eps = np.tensordot(np.linalg.inv(R[n]), z - np.multiply.outer(e[n], D), 1)
        z = np.multiply.outer(e[n + 1], D) + np.tensordot(R[n + 1], eps, 1)
    np.testing.assert_allclose(ends("gddim(1)", process, times), z, rtol=0, atol=1e-12)


def by_hand(process, times, k, corrected):
    """z' = F z + G G' R^-T eps / 2 with eps the polynomial in time through its last values, by quadrature."""
    points, weights = np.polynomial.legendre.leggauss(40)

    def eps(z, t):
        R, e = process.moving_root(np.array([t]))[0], process.kernel(np.array([t]))[0][0]
        D = MIXTURE.denoise(*process.observe(list(z), t))
        return np.tensordot(np.linalg.inv(R), z - np.multiply.outer(e, D), 1)

    def moved(z, a, b, known):
        s = a + (b - a) * (points + 1) / 2
        to_end = process.propagator(np.array([b])) @ np.linalg.inv(process.propagator(s))
        rate = to_end @ process.diffusion(s) @ np.swapaxes(np.linalg.inv(process.moving_root(s)), 1, 2) / 2
        (flow,) = process.propagator(np.array([b])) @ np.linalg.inv(process.propagator(np.array([a])))
        z = np.tensordot(flow, z, 1)
        for own, value in known:
            basis = np.prod([(s - other) / (own - other) for other, _ in known if other != own], axis=0)
            z = z + np.tensordot(np.einsum("s,sij->ij", (b - a) / 2 * weights * basis, rate), value, 1)
        return z

    z, known = np.stack(starts(process)), []
    for a, b in pairwise(times):
        known = [(a, eps(z, a)), *known][:k]
        end = moved(z, a, b, known)
        if corrected and b != times[-1]:
            end = moved(z, a, b, [(b, eps(end, b)), *known])
        z = end
    return z


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("name", ["gddim", "gddim-pc"])
def test_nodes_are_in_process_time_and_corrected_states_evaluated_again(name, k):
    process, times = PSLD(beta_min=4, beta_max=12), np.array([0.9, 0.7, 0.56, 0.4, 0.3, 0.2])
    exact = by_hand(process, times, k, corrected=name == "gddim-pc")
    np.testing.assert_allclose(ends(f"{name}({k})", process, times), exact, rtol=0, atol=1e-10)


@named(PHASE)
def test_it_is_the_first_member_of_the_gaussian_frame_for_a_small_sigma_data(process):
    times = np.array([0.5, 0.3, 0.12, 0.05])
    frame = ends("gframe-ab(1, sigma_data=1e-5)", process, times)
    np.testing.assert_allclose(ends("gddim(1)", process, times), frame, rtol=0, atol=1e-6)  # (1e-5 / s)^2, s from 0.01


class Turned(PSLD):
    """PSLD whose factor starts turned by one radian."""

    def moving_root(self, t):
        c, s = np.cos(1), np.sin(1)
        return super().moving_root(t) @ np.array([[c, -s], [s, c]])


@pytest.mark.parametrize("text", ["gddim(1)", "gddim(3)", "gddim-pc(2)"])
def test_the_factor_may_start_anywhere(text):
    times, law = grid("quadratic", PSLD(), 12), Gaussian([0.3, -0.5], [0.25, 0.02])
    here, there = (affine_map(lower(scheme(text), process, times), law) for process in (PSLD(), Turned()))
    np.testing.assert_allclose(here[0], there[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(here[1], there[1], rtol=0, atol=1e-12)


def error(text, process, law, steps):
    times = grid("quadratic", process, steps)
    R, r = affine_map(lower(scheme(text), process, times), law)
    exact = gaussian_flow(process, law.variances, times[0], times[-1])
    first, last = process.kernel(times[[0, -1]])[0]
    return np.linalg.norm(np.append(R - exact, r - 0.3 * (last - exact @ first)))


@pytest.mark.parametrize(
    ("text", "inner", "whole"),
    [
        *(("gddim(1)", 1, 1), ("gddim(2)", 2, 2), ("gddim(3)", 3, 2), ("gddim(4)", 4, 2)),
        *(("gddim-pc(1)", 2, 2), ("gddim-pc(2)", 3, 3), ("gddim-pc(3)", 4, 3)),
    ],
)
def test_orders_are_proved_and_those_of_whole_runs_measured(text, inner, whole):
    found = verify(scheme(text))
    assert (found.derived["classical"], found.run, found.verdict) == (inner, whole, "proved")
    process, law = PSLD(beta_min=4, beta_max=12, T=0.3, t_min=0.05), Gaussian(0.3, 0.25)  # it moves from the start on
    coarse, fine = (error(text, process, law, steps) for steps in (512, 1024))
    assert abs(np.log2(coarse / fine) - whole) < 0.05


def test_the_order_of_the_longest_corrector_is_proved():
    assert order(scheme("gddim-pc(4)"), ratios={"r0": 2, "r1": 3, "r2": 5}).p == 5


def test_proofs_read_the_linear_part_as_the_forward_drift():
    F = op("F")
    row = combine("out", 1, y=flow(L=F), E0=integral(L=F))
    assert order(replace(scheme("gddim(1)"), step=written([evaluate("E0"), row], "out"))).p == 1


# what they cost, and what they refuse


def test_a_step_of_the_corrector_costs_two_evaluations_but_the_last():
    for text in ("gddim-pc(1)", "gddim-pc(2)", "gddim-pc(4)"):
        for steps in (4, 5, 14):
            program = lower(scheme(text), CLD(), grid("quadratic", CLD(), steps))
            assert program.nfe == evaluations(scheme(text), steps) == 2 * steps - 1
            states = [i.of for step in program.steps for i in step.instructions if isinstance(i, Call)]
            assert states == ["y", "P"] * (steps - 1) + ["y"]
        assert len(planned(scheme(text), 27)) == 14  # of the paper
    assert evaluations(scheme("gddim(3)"), 14) == 14


@pytest.mark.parametrize(
    ("text", "says"),
    [("gddim(0)", "k = 1 to 4"), ("gddim-pc(5)", "k = 1 to 4"), ("gddim(2, tau=1)", "gddim has no parameter 'tau'")],
)
def test_they_refuse_what_is_not_declared(text, says):
    with pytest.raises(InputError, match=says):
        scheme(text)


def test_they_are_of_phase_space():
    with pytest.raises(InputError, match="it runs on psld, cld"):
        lower(scheme("gddim"), VP(), grid("uniform", VP(), 5))


def test_specifications_read_back():
    assert [scheme(text).spec for text in MEMBERS] == [*MEMBERS]
