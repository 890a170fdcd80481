"""The stability theorem of conjugate steps beside the steps that are run: published eigenvalues, closed forms, gaps."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from numtoolkit import conjugate_stability, conjugate_steps, frozen_eigenvalues
from numtoolkit.declare.entries import ONE, ZERO, At, Flow, Int, L, N
from numtoolkit.errors import InputError
from numtoolkit.measure.conjugate_steps import conjugate_frame, evaluator_of, literal_gap, longest_by, phi_gap
from numtoolkit.measure.single_steps import exact_slope, process_radius, stable_step
from numtoolkit.problem.processes import CLD, PSLD, VP
from numtoolkit.program.program import problem_of
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.conjugate_stability import conjugation
from tests.support.tiers import breadth

VARIANCE = 0.25
TIMES = (1e-3, 0.01, 0.05, 1.0)
PUBLISHED = [(-228, -0.16), (-52.8, -0.16), (-21.0, -0.15), (-16.0, -0.04)]  # psld.md 3.1, to the digits it gives


def test_frozen_eigenvalues_on_psld_are_the_published_ones():
    """Of (1/2) G G' times the Hessian of log p_t, s0 = 1/2; all below 0, the larger one by 401 as t falls to 0."""
    found = frozen_eigenvalues("lambda-ddim-1", "psld", VARIANCE, TIMES)
    assert not found.imag.any()
    for values, expected in zip(found.real, PUBLISHED, strict=True):
        np.testing.assert_allclose(values, expected, rtol=5e-3, atol=5e-3)
    limit = frozen_eigenvalues("lambda-ddim-1", PSLD(t_min=1e-7), VARIANCE, [1e-7])[0, 0].real
    assert limit == pytest.approx(-8 * 4.01 / (2 * 0.04), rel=1e-3)


@pytest.mark.parametrize("process", [PSLD(), CLD(), PSLD(beta_min=4, beta_max=12)], ids=lambda p: p.spec)
def test_frozen_eigenvalues_are_those_of_the_noise_times_the_hessian(process):
    """By the covariance of the marginal law; doubled where the reverse SDE is run, its drift where that is frozen."""
    t = np.array([0.05, 0.3, 1.0])
    e, sigma = process.kernel(t)
    hessian = -np.linalg.inv(sigma + VARIANCE * e[:, :, None] * e[:, None, :])
    noise = process.diffusion(t) / 2
    for name, matrices in (
        ("lambda-ddim-1", noise @ hessian),
        ("coba", 2 * noise @ hessian),
        ("rvv", noise @ hessian),
        ("lambda-ddim-2(shift=3)", noise @ hessian - 3 * np.ones((2, 2))),
        ("euler", noise @ hessian - process.drift(t)),
    ):
        expected = np.linalg.eigvals(matrices)
        found = frozen_eigenvalues(name, process, VARIANCE, t)
        np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["lambda-ddim-1", "lambda-ddim-2", "coba"])
def test_frozen_eigenvalues_are_roots_of_the_theorems_polynomial(name):
    """The formula of the proof at the numbers of a process: l of det(l - (N E - B)) with N E of the run."""
    shift, t, process = 4.0, np.array([0.2]), PSLD()
    e, sigma = process.kernel(t)
    hessian = -np.linalg.inv(sigma + VARIANCE * e[:, :, None] * e[:, None, :])
    K = (process.diffusion(t) / 2 @ hessian)[0] * (2 if name == "coba" else 1)
    numbers = dict(zip(sympy.symbols("k_xx k_xm k_mx k_mm"), K.ravel(), strict=True)) | {sympy.Symbol("shift"): shift}
    roots = sympy.Poly(conjugate_stability(name).characteristic.subs(numbers), sympy.Symbol("l")).nroots()
    found = frozen_eigenvalues(f"{name}(shift=4)", process, VARIANCE, t)[0]
    np.testing.assert_allclose(sorted(found.real), sorted(map(float, roots)), rtol=1e-9)


def test_lambda_above_0_makes_the_theorems_step_shorter():
    """2 / (|lb| + lambda) at every time, lb the most negative eigenvalue; a step of 0 where one is moved above 0."""
    lb = frozen_eigenvalues("lambda-ddim-1", "psld", VARIANCE, [0.1, 1.0]).real[:, 0]
    for lam in (0, 4, 9):
        values = frozen_eigenvalues(f"lambda-ddim-1(shift={lam})", "psld", VARIANCE, [0.1, 1.0])
        np.testing.assert_allclose(longest_by(values), 2 / (lam - lb), rtol=1e-9)


@pytest.mark.check
def test_an_eigenvalue_above_0_leaves_the_theorem_no_step():
    """lambda below the least |lb|: 0, and no gap over a step without length."""
    (own,) = conjugate_steps("lambda-ddim-1(shift=-4)", "psld", VARIANCE, [1.0])
    assert (own.theorem, own.gap) == (0, None)


def test_the_longest_step_of_eigenvalues_is_where_the_circle_is_met():
    """|1 + h l| = 1 at -2 Re l / |l|^2 of the worst one; 0 bounds nothing, and what grows leaves no step."""
    values = np.array([[-2 + 1j, -0.5], [-1, 0], [0, 0], [1j, -1], [-3, 0.1]], dtype=complex)
    h = longest_by(values)
    np.testing.assert_allclose(h, [0.8, 2, np.inf, 0, 0])
    assert abs(1 + h[0] * values[0, 0]) == pytest.approx(1)


def test_the_step_of_zhat_on_vp_is_the_one_of_its_closed_phi():
    """B = 0: zhat = exp(b/2) z and Phi = sqrt(exp(b) - 1), so its factor is 1 + (Phi' - Phi) E / A; psld.md 2.4."""
    process, start, end = VP(), np.array([0.9]), np.array([0.4])
    b = [-2 * process.log_alpha(t) for t in (start, end)]
    (before, after), A = (np.sqrt(np.expm1(own)) for own in b), np.exp(b[0] / 2)
    E = exact_slope(problem_of(scheme("lambda-ddim-1"), process), VARIANCE, start)[:, 0, 0]
    frame = conjugate_frame(scheme("lambda-ddim-1"), process)
    radius = process_radius("lambda-ddim-1", process, VARIANCE, start, end, frame)
    np.testing.assert_allclose(radius, abs(1 + (after - before) * E / A), rtol=1e-12)
    beta = -2 * process.log_rates(start)[0]
    slope = A * beta / (2 * process.sigma(start))  # Phi', the forward derivative
    gap = phi_gap("lambda-ddim-1", process, start, end)
    np.testing.assert_allclose(gap, abs((before - after) / ((start - end) * slope) - 1), rtol=1e-11)


@pytest.mark.parametrize(
    "name",
    breadth(
        ["lambda-ddim-2(shift=4)", "lambda-ddim-1(shift=4)", "lambda-ddim-1(skip=mm, shift=2)"],
        lambda name: name == "lambda-ddim-2(shift=4)",
    ),
)
def test_the_difference_of_phi_over_a_step_is_the_integral_of_its_derivative(name):
    """A' = A W and Phi' = -A N by scipy on PSLD, A = I at the start of the step."""
    own, process, start, end = scheme(name), PSLD(), 0.6, 0.45
    at = np.array([start, end])
    evaluator = evaluator_of(own, process, at[:1], at[1:])
    W = L + conjugation(own.steps.inner)

    def blocks(s):
        local = evaluator_of(own, process, np.array([s]), np.array([s / 2]))
        return local.block(At(W, ZERO))[0] / (s / 2), local.block(At(N, ZERO))[0] / (s / 2)

    def slope(s, state):
        A, (w, n) = state[:4].reshape(2, 2), blocks(s)
        return np.concatenate([(A @ w).ravel(), (-A @ n).ravel()])

    start_state = np.concatenate([np.eye(2).ravel(), np.zeros(4)])
    run = solve_ivp(slope, (start, end), start_state, rtol=1e-10, atol=1e-12).y[:, -1]
    A, Phi = run[:4].reshape(2, 2), run[4:].reshape(2, 2)
    flow = evaluator.block(Flow(W, ZERO, ONE))[0]
    integral = evaluator.block(Int(W, N, (ONE,), ZERO, ONE))[0]
    np.testing.assert_allclose(np.linalg.inv(flow), A, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.linalg.solve(flow, integral), Phi, rtol=1e-6, atol=1e-8)
    held = (start - end) * blocks(start)[1]
    gap = phi_gap(own, process, at[:1], at[1:])[0]
    assert gap == pytest.approx(np.linalg.norm(Phi - held) / np.linalg.norm(held), rel=1e-6)


@pytest.mark.parametrize("name", ["lambda-ddim-2(shift=3)", "lambda-ddim-1(skip=mm, shift=2)"])
def test_what_the_theorem_leaves_out_of_a_run_are_the_words_of_the_proof(name):
    """(h^2/2) (N1 E - (L + B) N E): the step of zhat at h = 1e-4 less the bracket, N1 by a difference of N."""
    own, process, t, h = scheme(name), PSLD(), np.array([0.4]), 1e-4
    found = {" ".join(f"{n}{j or ''}" for n, _, j in word): step - bracket
             for word, step, bracket, _ in conjugate_stability(own).words if step - bracket}  # fmt: skip
    assert set(found) == {"N1 J", "L N J", f"{'ones' if 'ddim-2' in name else 'unit'} N J"}
    problem, B, zhat = problem_of(own, process), conjugation(own.steps.inner), conjugate_frame(own, process)
    seen = {}

    def frame(start, end, matrices):
        seen["zhat"] = zhat(start, end, matrices)[0]
        return matrices

    process_radius(own, process, VARIANCE, t, t - h, frame)

    def block(X, at):
        return evaluator_of(own, process, np.array([at]), np.array([at - h])).block(At(X, ZERO))[0] / h

    E, n, w = exact_slope(problem, VARIANCE, t)[0], block(N, t[0]), block(L + B, t[0])
    rate = (block(N, t[0] - h) - block(N, t[0] + h)) / (2 * h)
    left = (seen["zhat"] - np.eye(2) - h * (n @ E - block(B, t[0]))) / h**2
    expected = (rate - w @ n) @ E / 2
    np.testing.assert_allclose(left, expected, atol=20 * h * np.abs(expected).max())


def test_the_gap_of_phi_falls_with_the_step_and_is_large_at_the_theorems():
    """Of first order in h; at the step that the theorem allows on PSLD it is 0.8 of h Phi' itself."""
    h = np.array([1e-3, 1e-4])
    gap = phi_gap("lambda-ddim-1", "psld", np.full(2, 0.5), 0.5 - h)
    assert gap[0] / gap[1] == pytest.approx(10, rel=0.02)
    t = np.array([0.1, 0.2, 0.5, 1.0])
    longest = longest_by(frozen_eigenvalues("lambda-ddim-1", "psld", VARIANCE, t))
    found = phi_gap("lambda-ddim-1", "psld", t, np.maximum(t - longest, 1e-3))
    np.testing.assert_allclose(found, [0.807, 0.785, 0.821, 0.822], atol=2e-3)


def test_the_exponential_of_the_integral_is_the_map_where_it_commutes_alone():
    """A constant W, and one that is a number; C_skip, or ones beside a rising beta, are not (psld.md 3.1)."""
    for name, process in (("lambda-ddim-1(3)", "psld"), ("lambda-ddim-2(3)", "psld"), ("lambda-ddim-2(3)", "vp")):
        assert literal_gap(name, process) < 1e-12
    assert literal_gap("lambda-ddim-2(2)", "psld(beta_min=4, beta_max=12)") > 0.05
    # printed as 0.42; trapezoids of 2000 steps are good to a part in 1e4 of the integral
    assert literal_gap("lambda-ddim-1(skip=mm)", "psld") == pytest.approx(0.42, rel=0.02)


MEASURED = [  # scheme, t, by the theorem, of zhat, of the state
    ("lambda-ddim-1", 1.0, 0.1247, np.inf, 0.000962),
    ("lambda-ddim-1", 0.5, 0.1238, np.inf, 0.0246),
    ("lambda-ddim-1", 0.1, 0.1007, np.inf, 0.0882),
    ("lambda-ddim-1(shift=4)", 1.0, 0.0998, 0.3799, 0.1016),
    ("lambda-ddim-2(shift=4)", 1.0, 0.0953, 0.1324, 0.0563),
    ("cvv", 1.0, 0.1247, 0.1985, 0.1706),
    ("coba", 1.0, 0.0623, 0.1025, 0.0857),
]


@pytest.mark.parametrize(
    ("name", "t", *("theorem", "zhat", "state")), breadth(MEASURED, lambda name, t, *rest: (name, t) == MEASURED[0][:2])
)
def test_the_theorems_step_on_psld_is_neither_that_of_zhat_nor_of_the_state(name, t, theorem, zhat, state):
    """Measured, data variance 1/4: at t = 1 and B = 0 the theorem allows 0.1247, zhat any step, the state 0.001."""
    (own,) = conjugate_steps(name, "psld", VARIANCE, [t])
    np.testing.assert_allclose([own.theorem, own.zhat, own.state], [theorem, zhat, state], rtol=4e-3)


@pytest.mark.parametrize("process", breadth(["psld", "cld", "vp"], lambda name: name == "vp"))
def test_where_nothing_is_conjugated_or_integrated_the_three_steps_are_one(process):
    """Euler's step freezes the drift, L = 0: theorem, zhat and state agree, and h Phi' is the difference of Phi."""
    for own in conjugate_steps("euler", process, VARIANCE, [0.1, 0.3]):
        assert own.gap == 0
        longest = own.t - (PSLD() if process != "vp" else VP()).t_min
        theorem = own.theorem if own.theorem < longest else np.inf
        np.testing.assert_allclose([own.zhat, own.state], theorem, rtol=1e-6)


@pytest.mark.check
def test_steps_in_other_coordinates_leave_those_of_the_state_alone():
    """The state's column is `stable_step`, whatever else is asked for."""
    (own,) = conjugate_steps("cse(shift=4)", "psld", VARIANCE, [0.7])
    assert own.state == stable_step("cse(shift=4)", PSLD(), VARIANCE, 0.7)
    assert own.record()["t"] == 0.7
    assert own.record()["eigenvalues"] == list(own.eigenvalues)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scheme": "dpmpp-2m", "process": "vp"}, "carries evaluations between steps"),
        ({"t": []}, "holds no time"),
        ({"t": [1e-3]}, "a step from t_min = 0.001 has no length"),
        ({"t": [2.0]}, "t = 2.0 is no finite number >= 0.001 and <= 1"),
        ({"variance": -1}, "variance = -1"),
        ({"process": "vp", "scheme": "cvv"}, "is not defined on process 'vp'"),
    ],
)
def test_what_has_no_conjugate_step_is_refused(given, said):
    """Schemes with history, times without a step, values of no meaning."""
    with pytest.raises(InputError, match=said):
        conjugate_steps(**{"scheme": "lambda-ddim-1"} | given)
