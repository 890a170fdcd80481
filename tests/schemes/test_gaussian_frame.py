"""The Gaussian frame: exact on its own law, proved orders, and the schemes it becomes at the ends of sigma_data."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian, GaussianMixture
from numtoolkit.laws.named import mixture
from numtoolkit.measure import affine_map, exact_flow, exact_marginal, gaussian_flow, moments
from numtoolkit.measure.flows import network_flow
from numtoolkit.problem.grids import grid
from numtoolkit.problem.predictions import DATA, PREDICTIONS, SCORE, complement, convert, to_score
from numtoolkit.problem.processes import CLD, EDM, PROCESSES, PSLD, VP, CosineVP, RectifiedFlow
from numtoolkit.program.budget import evaluations, planned
from numtoolkit.program.program import Affine, Call, lower, problem_of
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, normals
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.weak import weak_order
from tests.support.momentum import MOMENTUM
from tests.support.tiers import breadth

SCALAR = (VP(), CosineVP(), EDM(), RectifiedFlow())
PHASE = (PSLD(), PSLD(beta_min=4, beta_max=12), CLD())
ALL = (*SCALAR, *PHASE)
IDS = [p.spec for p in ALL]
MEMBERS = ("ab(1)", "ab(2)", "ab(3)", "abm(1)", "abm(2)", "abm(4)")
MIXTURE = mixture(dim=2, components=4)


def member(text, **parameters):
    """gframe-TEXT with parameters: member("ab(2)", mean=0.3)."""
    given = "".join(f", {name}={value}" for name, value in parameters.items())
    return scheme(f"gframe-{text[:-1]}{given})")


def network(process, law):
    return lambda z, t: [law.denoise(*process.observe(z, t))]


def starts(process, shape, count=5):
    xi = normals(range(count), START, 0, (process.blocks, *shape))
    return list(np.tensordot(np.linalg.cholesky(process.prior()), np.moveaxis(xi, 1, 0), 1))


def times_at(process, fractions):
    """Times at falling fractions of the way from t_min to T, in the square root of time; T first."""
    inner = sorted({round(f, 6) for f in fractions}, reverse=True)
    return np.array([process.T, *(process.t_min + (process.T - process.t_min) * f**2 for f in inner), process.t_min])


def largest_weight(program):
    blocks = (
        block for step in program.steps for i in step.instructions if isinstance(i, Affine) for _, block in i.terms
    )
    return max(abs(weight) for block in blocks for row in block for weight in row)


# exact on the law of reference

SOME = (EDM(), RectifiedFlow(), PSLD(beta_min=4, beta_max=12), CLD())  # both kinds of process, cheaply
fractions = st.lists(st.floats(0.05, 0.95), min_size=4, max_size=9, unique_by=lambda f: round(f, 2))


@settings(max_examples=8)
@given(fractions, st.sampled_from(SOME), st.sampled_from(MEMBERS), st.sampled_from(["1/2", "1/5", "2"]))
def test_the_reference_law_flows_exactly_on_any_grid(inner, process, text, sigma_data):
    """Any points, history and sigma_data: the residual that is extrapolated is 0 on the law of reference."""
    times, s = times_at(process, inner), float(Fraction(sigma_data))
    law = Gaussian(np.full(2, 0.3), s**2)
    program = lower(member(text, sigma_data=sigma_data, mean=0.3), process, times)
    R, r = affine_map(program, law)
    exact = gaussian_flow(process, law.variances, times[0], times[-1])
    first, last = process.kernel(times[[0, -1]])[0]
    # A residual is rounding of size eps, which weights on past steps far shorter than this one multiply: by 1e6
    # and more at these ratios and orders. The reference in phase space is an integration to 1e-12 relative.
    weights = (1e-12 if process.blocks == 1 else 1e-9) + 10 * 2.2e-16 * largest_weight(program)
    np.testing.assert_allclose(R, exact, rtol=0, atol=weights * max(1.0, np.abs(exact).max()))
    np.testing.assert_allclose(r, 0.3 * (last - exact @ first), rtol=0, atol=weights)


@pytest.mark.parametrize("process", ALL, ids=IDS)
@pytest.mark.parametrize("text", breadth(MEMBERS, lambda text: text == MEMBERS[-1]))
def test_the_reference_law_flows_exactly_to_rounding_on_the_angle_grid(process, text):
    """8 steps of every member carry its own law without error on every process."""
    times = grid("angle(power=1.2)", process, 8)
    R, _ = affine_map(lower(member(text), process, times), Gaussian(np.zeros(1), 0.25))
    exact = gaussian_flow(process, np.array([0.25]), times[0], times[-1])
    # 30 eps of a run of 8 steps; the reference in phase space is an integration to 1e-12 relative.
    np.testing.assert_allclose(R, exact, rtol=0, atol=30 * 2.2e-16 if process.blocks == 1 else 1e-12)


OUTPUTS = ["data", "noise", "noise-r", "noise-skip", "score", MOMENTUM]


@pytest.mark.parametrize("process", [PSLD(), CLD()], ids=lambda p: p.name)
@pytest.mark.parametrize("predicts", breadth(OUTPUTS, lambda output: output in ("noise-skip", MOMENTUM)), ids=str)
def test_the_reference_law_flows_exactly_whatever_two_outputs_are(process, predicts):
    """Data, noise or score, one output or two, with a mean and without: the residual of each is rounding."""
    if predicts is MOMENTUM and process.Gamma:
        return  # whose flow reads the score of the position too
    times = grid("angle(power=1.2)", process, 8)
    exact = gaussian_flow(process, np.array([0.25]), times[0], times[-1])
    first, last = process.kernel(times[[0, -1]])[0]
    for mean in (0.0, 0.3):
        program = lower(member("abm(3)", mean=mean), process, times, predicts)
        R, r = affine_map(program, Gaussian(np.full(1, mean), 0.25))
        # the reference is an integration to 1e-12 relative, of a map whose largest entry is about 1
        np.testing.assert_allclose(R, exact, rtol=0, atol=4e-12)
        np.testing.assert_allclose(r, mean * (last - exact @ first), rtol=0, atol=4e-12)


@settings(max_examples=25)
@given(fractions, st.sampled_from(SOME), st.sampled_from(MEMBERS), st.sampled_from(["1", "1/2", "1/5"]))
def test_the_reference_law_is_kept_in_law_by_the_sde(inner, process, text, tau):
    """With tau > 0 mean and covariance stay the exact marginals on any grid."""
    times, law = times_at(process, inner), Gaussian(np.full(2, 0.3), 0.25)
    found = moments(
        lower(member(text, mean=0.3, tau=tau), process, times), law=law, start=exact_marginal(process, law, times[0])
    )
    exact = exact_marginal(process, law, times[-1])
    # V' = Flow V Flow' + Cov: a hundred roundings, magnified as above by history weights on uneven steps
    np.testing.assert_allclose(found.mean, exact.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.covariance, exact.covariance, rtol=0, atol=1e-9)


@pytest.mark.parametrize("process", SCALAR, ids=IDS[:4])
@pytest.mark.parametrize("text", MEMBERS)
def test_a_run_of_the_frame_may_end_at_noise_level_zero(process, text):
    """The reference law arrives at the data themselves, by flow and by SDE."""
    law, times = Gaussian(np.full(1, -0.2), 0.25), grid("angle(0.5, 1.4, zero=1)", process, 7)
    R, r = affine_map(lower(member(text, mean=-0.2), process, times), law)
    (V,) = exact_marginal(process, law, process.T).covariance[:, 0, 0]
    np.testing.assert_allclose(R[0, 0, 0], 0.5 / np.sqrt(V), rtol=1e-13)
    np.testing.assert_allclose(r[0, 0], -0.2 * (1 - R[0, 0, 0] * process.alpha(times[:1])[0]), rtol=0, atol=1e-14)
    found = moments(
        lower(member(text, mean=-0.2, tau=1), process, times), law=law, start=exact_marginal(process, law, times[0])
    )
    np.testing.assert_allclose(found.covariance, 0.25, rtol=1e-13)


@pytest.mark.parametrize("process", ALL, ids=IDS)
def test_a_mean_shifts_the_run_of_the_frame(process):
    """With data, mean and start moved together (e_t d at time t) the samples move by the same."""
    own, d = MIXTURE, 0.7
    moved = GaussianMixture(
        own.weights, own.means + d, [b * v @ b.T for b, v in zip(own.bases, own.variances, strict=True)]
    )
    times = grid("angle", process, 9)
    z = starts(process, own.shape)
    first, last = process.kernel(times[[0, -1]])[0]
    here = run(lower(member("abm(2)"), process, times), network(process, own), z)
    start = [block + e * d for block, e in zip(z, first, strict=True)]
    there = run(lower(member("abm(2)", mean=d), process, times), network(process, moved), start)
    for i, (ours, theirs) in enumerate(zip(here, there, strict=True)):
        # rounding of states up to 80 (EDM), which the flow to the data divides by 100
        np.testing.assert_allclose(theirs, ours + last[i] * d, rtol=0, atol=1e-11)


@pytest.mark.parametrize("predicts", [p for p in PREDICTIONS if p not in ("noise-r", "noise-skip")])
def test_the_frame_freezes_every_prediction_about_its_mean(predicts):
    """Whatever the network predicts, the residual is taken about the mean of the reference law."""
    covariance = [[0.25, 0.12, 0.05], [0.12, 0.1, -0.02], [0.05, -0.02, 0.3]]  # eigenvectors in no symmetric matrix
    law, z = Gaussian([0.3, -0.5, 0.1], covariance), starts(VP(), (3,))
    program = lower(member("abm(2)", mean="-0.3"), VP(), grid("angle", VP(), 6), network=predicts)

    def call(blocks, t):
        P, Q = (block[0, 0, 0] for block in convert("data", predicts, VP(), np.array([t])))
        return [P * blocks[0] + Q * law.denoise(*VP().observe(blocks, t))]

    basis = law.eigen()[0]
    R, r = affine_map(program, law)  # in the eigenbasis the mean is no constant vector
    found = run(program, call, z)[0] @ basis
    np.testing.assert_allclose(found, np.einsum("dij,nd->nd", R, z[0] @ basis) + r[:, 0], rtol=0, atol=1e-9)


# proofs


@pytest.mark.parametrize("k", range(1, 6))
def test_the_order_of_the_predictor_of_the_frame_is_proved(k):
    """gframe-ab(k) is of order k, as claimed, for all step ratios."""
    assert order(member(f"ab({k})")).p == k == member(f"ab({k})").claims.classical


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_corrector_of_the_frame_adds_an_order(k):
    """gframe-abm(k) is of order k + 1, as claimed, for all step ratios."""
    assert order(member(f"abm({k})")).p == k + 1 == member(f"abm({k})").claims.classical


@pytest.mark.parametrize("k", [4, pytest.param(5, marks=pytest.mark.long)])
def test_the_order_of_abm_is_proved_at_ratios_drawn_at_random(k):
    """Where proofs with symbolic ratios take long, rational ratios of no relation stand for them."""
    values = ["3/2", "7/5", "11/6", "13/9", "5/3", "8/7", "17/11", "19/14", "23/15", "9/4"]
    assert order(member(f"abm({k})"), ratios={f"r{j}": Fraction(v) for j, v in enumerate(values)}).p == k + 1


@pytest.mark.long
def test_the_order_of_abm_4_is_proved_for_all_ratios():
    """gframe-abm(4) is proved to be of order 5 with the step ratios as symbols."""
    assert order(member("abm(4)")).p == 5


@pytest.mark.parametrize(("text", "weak"), [("ab(1)", 1), ("ab(2)", 2), ("ab(3)", 2), ("abm(1)", 2), ("abm(2)", 2)])
def test_the_order_in_law_of_the_frame_is_proved_for_every_tau(text, weak):
    """Longer members stop at order 2 by one term of the size of the noise."""
    own = replace(member(text, tau=1), values=())
    found = weak_order(own)
    assert found.weak == weak == own.claims.sde_weak
    if text in ("ab(3)", "abm(2)"):  # of third order but for one term, of the size of the noise
        assert {row["tree"] for row in found.residuals} == {"N J Q J' N'"}
        assert "tau" in str(found.residuals[0]["value"])


@pytest.mark.parametrize(("text", "tau", "slope"), [("ab(1)", 1, 1), ("ab(2)", 1, 2), ("abm(1)", "1/2", 2)])
@pytest.mark.parametrize("process", [VP(t_min=0.01), PSLD(t_min=0.1)], ids=["vp", "psld"])
def test_the_order_in_law_of_the_frame_is_measured(process, text, tau, slope):
    """Slopes of the gap in mean and covariance from 256 to 512 steps."""
    law = Gaussian([0.3, -0.5], [0.4, 0.05])
    exact, start = (exact_marginal(process, law, t) for t in (process.t_min, process.T))

    def gap(steps):
        found = moments(lower(member(text, tau=tau), process, grid("angle", process, steps)), law=law, start=start)
        return np.hypot(np.linalg.norm(found.mean - exact.mean), np.linalg.norm(found.covariance - exact.covariance))

    # the error constants of the next order are of the size of these: at 512 steps 0.1 is five times what they leave
    assert abs(np.log2(gap(256) / gap(512)) - slope) < 0.1


# special cases


@pytest.mark.parametrize("process", SCALAR, ids=IDS[:4])
@pytest.mark.parametrize(("sigma_data", "bound"), [("1e-7", 1e-8), ("1e8", 1e-7)])
def test_the_first_member_of_the_frame_is_ddim_at_both_ends_of_sigma_data(process, sigma_data, bound):
    """u is (D - mean) / sigma_data for small sigma_data and minus the noise for a large one, and both are DDIM."""
    times = np.linspace(process.T, 0.05 * process.T, 6)
    z, net = starts(process, (2,)), network(process, MIXTURE)
    exact = run(lower(scheme("ddim"), process, times), net, z)[0]
    found = run(lower(member("ab(1)", sigma_data=sigma_data), process, times), net, z)[0]
    # what is left is (sigma_data / s)^2 and (s / sigma_data)^2 for s in 0.01..1000, and roundings of c^-2
    np.testing.assert_allclose(found, exact, rtol=0, atol=bound * np.abs(exact).max())


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_large_sigma_data_makes_the_frame_deis_in_the_noise_level(k):
    """theta tends to s / sigma_data and u to minus the noise: rhoAB-DEIS(k - 1) of arXiv:2204.13902."""
    times, z, net = EDM().T * np.linspace(1, 0.1, 8) ** 2, starts(EDM(), (2,)), network(EDM(), MIXTURE)
    deis = run(lower(scheme(f"deis-rhoab({k - 1})"), EDM(), times), net, z)[0]
    frame = run(lower(member(f"ab({k})", sigma_data=10**7), EDM(), times), net, z)[0]
    np.testing.assert_allclose(frame, deis, rtol=0, atol=1e-7)  # (s / sigma_data)^2 and its roundings


def test_a_small_sigma_data_makes_the_frame_adams_in_the_inverse_noise_level():
    """theta tends to pi/2 - sigma_data / s: Adams-Bashforth for x / s, whose derivative by 1 / s is the denoiser."""
    s, z = EDM().T * np.linspace(1, 0.1, 8) ** 2, starts(EDM(), (2,))[0]
    w, rho, old = z / s[0], 1 / s, None
    for n in range(len(s) - 1):
        new, h = MIXTURE.denoise(w * s[n], float(s[n])), rho[n + 1] - rho[n]
        ratio = 0.0 if old is None else h / (rho[n] - rho[n - 1]) / 2
        w = w + h * ((1 + ratio) * new - ratio * (new if old is None else old))
        old = new
    found = run(lower(member("ab(2)", sigma_data="1e-6"), EDM(), s), network(EDM(), MIXTURE), [z])[0]
    np.testing.assert_allclose(found, w * s[-1], rtol=0, atol=1e-8)  # differences of theta lose 6 digits


def test_the_residual_of_the_frame_is_the_output_of_edms_network():
    """arXiv:2206.00364 table 1: D = c_skip x + c_out F."""
    s, sd = np.array([0.01, 0.5, 40.0]), 0.5
    c_skip, c_out = sd**2 / (s**2 + sd**2), s * sd / np.sqrt(s**2 + sd**2)
    P, Q = problem_of(member("ab(1)"), EDM()).freeze(DATA, s)
    np.testing.assert_allclose(P[:, 0, 0], -c_skip / c_out, rtol=1e-14)
    np.testing.assert_allclose(Q[:, 0, 0], 1 / c_out, rtol=1e-14)


@pytest.mark.parametrize("process", SCALAR, ids=IDS[:4])
def test_the_frame_on_one_block_is_classical_adams_in_the_angle(process):
    """z / sqrt(V) moves by u alone (TrigFlow's velocity), on every process."""
    times, law = grid("angle(0.5, 1.3, zero=1)", process, 6), MIXTURE
    level, alpha = process.noise_level(times), process.alpha(times)
    theta, scale = np.arctan(level / 0.5), alpha * np.hypot(0.5, level)
    (z,) = starts(process, law.shape)
    y, old = z / scale[0], None
    for n in range(6):
        x = y * scale[n] / alpha[n]
        skip, out = 0.25 / (0.25 + level[n] ** 2), 0.5 * level[n] / np.hypot(0.5, level[n])
        new = (law.denoise(x, float(level[n])) - skip * x) / out
        ratio = 0.0 if n == 0 else (theta[n] - theta[n + 1]) / (theta[n - 1] - theta[n]) / 2
        y = y + (theta[n] - theta[n + 1]) * ((1 + ratio) * new - ratio * (new if old is None else old))
        old = new
    found = run(lower(member("ab(2)"), process, times), network(process, law), [z])[0]
    np.testing.assert_allclose(found, y * scale[-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("text", ["ab(3)", "abm(2)"])
def test_the_frame_is_one_scheme_on_every_scalar_process(text):
    """The map of z / alpha depends on the noise levels alone."""
    levels, maps = np.append(np.geomspace(40, 0.05, 8), 0.0), []
    for process in (EDM(), VP(), RectifiedFlow()):
        times = process.time_of_noise_level(levels)
        R, r = affine_map(lower(member(text), process, times), Gaussian([0.3, -0.5], [0.3, 0.02]))
        maps.append(np.append(R * process.alpha(times[:1]), r))
    np.testing.assert_allclose(maps[1:], [maps[0]] * 2, rtol=0, atol=1e-12)


def test_the_first_corrector_of_the_frame_is_its_second_predictor_at_equal_angles():
    """Keeping the evaluation at the predicted state makes the predicted states those of Adams-Bashforth, k = 1."""
    times, z, net = grid("angle(zero=1)", EDM(), 10), starts(EDM(), (2,)), network(EDM(), MIXTURE)
    corrected, plain = (run(lower(member(text), EDM(), times), net, z)[0] for text in ("abm(1)", "ab(2)"))
    np.testing.assert_allclose(corrected, plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("process", PHASE, ids=IDS[4:])
def test_a_small_sigma_data_makes_the_first_member_of_the_frame_gddim(process):
    """arXiv:2206.05564: eps = R^-1 (z - e D) is held over the step, R' = (F + G G' Sigma^-1 / 2) R, R R' = Sigma."""
    times, (x, m) = np.array([0.5, 0.3, 0.12, 0.05]), starts(process, (2,))
    e, sigma = process.kernel(times)
    R = [np.linalg.cholesky(sigma[0])]
    tiny = 1e-5  # the flow of the reference law is that of R as its variance goes
    for a, b in pairwise(times):
        R.append(gaussian_flow(process, np.array([tiny**2]), a, b)[0] @ R[-1])
    for own, covariance in zip(R, sigma, strict=True):
        np.testing.assert_allclose(own @ own.T, covariance, rtol=0, atol=1e-9)
    z = np.stack([x, m])
    for n in range(3):
        D = MIXTURE.denoise(*process.observe(list(z), float(times[n])))
        eps = np.tensordot(np.linalg.inv(R[n]), z - np.multiply.outer(e[n], D), 1)
        z = np.multiply.outer(e[n + 1], D) + np.tensordot(R[n + 1], eps, 1)
    found = run(lower(member("ab(1)", sigma_data="1e-5"), process, times), network(process, MIXTURE), [x, m])
    np.testing.assert_allclose(np.stack(found), z, rtol=0, atol=1e-6)  # (sigma_data / s)^2, s from 0.01


def test_the_frame_converges_to_the_exact_flow_in_phase_space():
    """Order 3 of abm(2) on a mixture, with an error below 2e-5 at 320 steps."""
    process = PSLD()
    z = starts(process, MIXTURE.shape, 8)
    exact = np.stack(exact_flow(process, MIXTURE, z, process.T, process.t_min))
    coarse, fine = (
        np.abs(np.stack(run(lower(member("abm(2)"), process, times), network(process, MIXTURE), z)) - exact).max()
        for times in (grid("angle(0.5, 1.2)", process, n) for n in (160, 320))
    )
    assert abs(np.log2(coarse / fine) - 3) < 0.2  # the next order is a tenth of it there
    assert fine < 2e-5


# what it costs, and what it refuses


@pytest.mark.parametrize("text", MEMBERS)
@pytest.mark.parametrize("to_zero", [False, True])
def test_n_steps_of_the_frame_take_n_evaluations(text, to_zero):
    """Predictor and corrector alike, to t_min or to 0, where nothing is evaluated."""
    own = member(text)
    for n in (5, 8, 33):
        assert evaluations(own, n, to_zero) == n == len(planned(own, n, to_zero))
        program = lower(own, EDM(), grid(f"angle(zero={int(to_zero)})", EDM(), n))
        assert program.nfe == n
        assert min(i.time for s in program.steps for i in s.instructions if isinstance(i, Call)) > 0


def test_short_runs_of_the_predictor_take_the_history_at_hand():
    """Two steps of ab(4) take two evaluations."""
    times = grid("angle(zero=1)", EDM(), 2)
    assert lower(member("ab(4)"), EDM(), times).nfe == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gframe-ab(0)", "k = 1 to 5"),
        ("gframe-abm(6)", "k = 1 to 5"),
        ("gframe-ab(2, sigma_data=0)", "0 < sigma_data"),
        ("gframe-abm(2, tau=-1)", "0 < tau"),
        ("gframe-ab(2, mean=big)", "not a number"),
        ("gframe-ab(2, sigma=1)", "has no parameter"),
    ],
)
def test_the_frame_refuses_parameters_out_of_range(text, says):
    """The sentence has the range, or the parameter that does not exist."""
    with pytest.raises(InputError, match=says):
        scheme(text)


def test_specifications_of_the_frame_read_back():
    """With tau the scheme is an SDE scheme; it runs on every process."""
    for text in ("gframe-ab(3)", "gframe-abm(2, sigma_data=1/3, mean=-1/10)", "gframe-ab(2, tau=1/2)"):
        assert scheme(text).spec == text
    assert [scheme(text).kind for text in ("gframe-ab(2)", "gframe-ab(2, tau=1)")] == ["ode", "sde"]
    assert set(scheme("gframe-ab").processes) == set(PROCESSES)


def free_outputs(process, law, size):
    """The score of a law and a smooth field across the direction that data predictions make: g f, |f| <= size."""

    def call(z, t):
        at = np.array([t])
        P, Q = (block[0] for block in to_score("data", process, at))
        sigma = process.kernel(at)[1][0]
        x, m = (block / np.sqrt(0.25 + sigma[i, i]) for i, block in enumerate(z))
        field = size * np.sin(x - m + 1 + 2 * t)
        g = complement(process, at)[0, :, 0]
        own = np.tensordot(P, np.stack(z), 1) + np.multiply.outer(Q[:, 0], law.denoise(*process.observe(z, t)))
        return list(own + np.multiply.outer(g, field))

    return call


@pytest.mark.parametrize(("text", "slope"), breadth([("ab(2)", 2), ("abm(2)", 3)], lambda text, slope: slope == 3))
@pytest.mark.parametrize(
    "process",
    breadth([PSLD(t_min=0.05, T=0.4), CLD(t_min=0.05, T=0.4)], lambda process: process.name == "psld"),
    ids=lambda p: p.name,
)
def test_the_frame_follows_two_free_outputs_at_its_order(process, text, slope):
    """No floor on a network that is no data prediction: slopes to its own flow; one data prediction stays away."""
    law = Gaussian(np.zeros(2), 0.16)
    z, call = starts(process, law.shape, 4), free_outputs(process, law, 0.3)
    exact = np.stack(network_flow(process, call, SCORE, z, process.T, process.t_min, 1e-10))

    def error(own, steps):
        program = lower(own, process, grid("angle(0.5)", process, steps), "score")
        return np.abs(np.stack(run(program, call, z)) - exact).max()

    errors = [error(member(text), steps) for steps in (64, 128, 256)]
    assert np.abs(np.log2(errors[1] / errors[2]) - slope) < 0.15
    assert errors[2] < 1e-3
    held = replace(member(text), frozen="data")
    assert abs(error(held, 256) / error(held, 128) - 1) < 0.1
    assert error(held, 256) > 10 * errors[0]
