"""gDDIM: schemes that freeze the noise in the factor a point mass carries along, their orders and their cost."""

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
from numtoolkit.problem.processes import CLD, PSLD, VP
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Call, lower
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, normals
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.verdict import verify
from tests.support.tiers import breadth

PHASE = (PSLD(), PSLD(beta_min=4, beta_max=12), CLD())
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


# the schemes


@named(PHASE)
@pytest.mark.parametrize("text", MEMBERS)
def test_gddim_carries_a_point_mass_exactly(text, process):
    """What it freezes is constant there: R R^-1, up to the magnified roundings of extrapolation."""
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
def test_the_first_member_of_gddim_holds_data_and_noise(process):
    """z' = e' D + R' R^-1 (z - e D), step by step on a mixture."""
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
    """Against quadrature of the equation with a polynomial through past values, k = 1 and 3."""
    process, times = PSLD(beta_min=4, beta_max=12), np.array([0.9, 0.7, 0.56, 0.4, 0.3, 0.2])
    exact = by_hand(process, times, k, corrected=name == "gddim-pc")
    np.testing.assert_allclose(ends(f"{name}({k})", process, times), exact, rtol=0, atol=1e-10)


@named(PHASE)
def test_gddim_is_the_first_member_of_the_gaussian_frame_for_a_small_sigma_data(process):
    """gddim(1) and gframe-ab(1) differ by (sigma_data / s)^2 alone."""
    times = np.array([0.5, 0.3, 0.12, 0.05])
    frame = ends("gframe-ab(1, sigma_data=1e-5)", process, times)
    np.testing.assert_allclose(ends("gddim(1)", process, times), frame, rtol=0, atol=1e-6)  # (1e-5 / s)^2, s from 0.01


class Turned(PSLD):
    """PSLD whose factor starts turned by one radian."""

    def moving_root(self, t):
        c, s = np.cos(1), np.sin(1)
        return super().moving_root(t) @ np.array([[c, -s], [s, c]])


@pytest.mark.parametrize("text", ["gddim(1)", "gddim(3)", "gddim-pc(2)"])
def test_gddim_does_not_depend_on_where_its_factor_starts(text):
    """A factor turned by one radian gives the same runs: only R R^-1 counts."""
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
    breadth(
        [
            *(("gddim(1)", 1, 1), ("gddim(2)", 2, 2), ("gddim(3)", 3, 2), ("gddim(4)", 4, 2)),
            *(("gddim-pc(1)", 2, 2), ("gddim-pc(2)", 3, 3), ("gddim-pc(3)", 4, 3)),
        ],
        lambda text, *orders: text in ("gddim(3)", "gddim-pc(2)"),
    ),
)
def test_orders_of_gddim_are_proved_and_those_of_its_whole_runs_measured(text, inner, whole):
    """The first-order start costs long members their order, in the proof and in the slope."""
    found = verify(scheme(text))
    assert (found.derived["classical"], found.run, found.verdict) == (inner, whole, "proved")
    process, law = PSLD(beta_min=4, beta_max=12, T=0.3, t_min=0.05), Gaussian(0.3, 0.25)  # it moves from the start on
    coarse, fine = (error(text, process, law, steps) for steps in (512, 1024))
    assert abs(np.log2(coarse / fine) - whole) < 0.05


def test_the_order_of_the_longest_corrector_is_proved():
    """gddim-pc(4) is of order 5 at step ratios 2, 3 and 5."""
    assert order(scheme("gddim-pc(4)"), ratios={"r0": 2, "r1": 3, "r2": 5}).p == 5


def test_proofs_read_the_linear_part_as_the_forward_drift():
    """Written with F in place of L the step has its order: the engine knows that L = -F here."""
    F = op("F")
    row = combine("out", 1, y=flow(L=F), E0=integral(L=F))
    assert order(replace(scheme("gddim(1)"), steps=written([evaluate("E0"), row], "out"))).p == 1


# what they cost, and what they refuse


def test_a_step_of_the_corrector_costs_two_evaluations_but_the_last():
    """At the state and at the prediction; 27 evaluations are the 14 steps of arXiv:2206.05564."""
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
def test_gddim_refuses_parameters_that_are_not_declared(text, says):
    """Other values of k than 1 to 4 are refused, and a tau."""
    with pytest.raises(InputError, match=says):
        scheme(text)


def test_gddim_is_refused_on_a_scalar_process():
    """The sentence names the processes that gddim runs on."""
    with pytest.raises(InputError, match="it runs on phase space processes"):
        lower(scheme("gddim"), VP(), grid("uniform", VP(), 5))


def test_specifications_of_gddim_read_back():
    """The specification of a member is the text it was made from."""
    assert [scheme(text).spec for text in MEMBERS] == [*MEMBERS]
