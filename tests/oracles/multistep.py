"""Multistep formulas: past evaluations as history, with how a run opens and ends; predictor-correctors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import erfc

from tests.oracles.common import Formula, gauss, lagrange, order, phi, spent
from tests.oracles.levels import (
    Abscissae,
    Frame,
    Line,
    Path,
    data_in_log_snr,
    filling,
    gaussian_frame,
    in_levels,
    krogstad,
    noise_in,
)

# x at t from x at levels[0]: the order of the step is the number of values it is given, the newest first
Rule = Callable[[Any, float, Sequence[float], Sequence[Any]], Any]


def multistep(
    line: Line, frame: Frame, rule: Rule, k: int, opening: str = "raised", ending: str = "full"
) -> Iterator[Any]:
    """A run of order k, one evaluation a step.

    A step to t = 0 is of first order unless the ending is zero. A Runge-Kutta opening takes Krogstad's steps, whose
    first evaluations are the history. A run too short to open and to end has its orders rise as far as its end lets it.
    """
    x, N = line.x, line.run.N
    if ending in ("lower", "ddim") and N < k - 1 + {"lower": k - 1, "ddim": min(1, k - 1)}[ending]:
        opening = "raised"
    levels: list[float] = []
    values: list[Any] = []
    for n, s, t in line.steps():
        levels, values = [s, *levels], [frame.quantity(x, s), *values]
        if opening == "runge-kutta" and n < k - 1 and t > 0:
            x = krogstad(Abscissae(frame, s, t, Path(line, frame, n, s).noise), x)
        else:
            rises = "raised" if opening == "raised" else "first"
            q = 1 if t == 0 and ending != "zero" else order(n, N, k, rises, ending)
            x = with_noise(line, frame, rule(x, t, levels[:q], values[:q]), n, s, t)
        yield x


def predictor_corrector(
    line: Line,
    frame_at: Callable[[float], Frame],
    predict: Rule,
    correct: Callable[[Any, float, Sequence[float], Sequence[Any], Any], Any],
    k: int,
    ending: str,
) -> Iterator[Any]:
    """PEC: predict, evaluate there, correct with that value, keep it as history; the last step only predicts.

    frame_at  the frame of a step, by the level it starts at
    """
    x, N = line.x, line.run.N
    levels, values = [line.s[0]], [frame_at(line.s[0]).quantity(x, line.s[0])]
    for n, s, t in line.steps():
        frame = frame_at(s)
        q = 1 if t == 0 and ending != "zero" else order(n, N, k, "raised", ending)
        known = levels[:q], values[:q]
        ahead = with_noise(line, frame, predict(x, t, *known), n, s, t)
        if n == N - 1:
            x = ahead
        else:
            new = frame.quantity(ahead, t)
            x = with_noise(line, frame, correct(x, t, *known, new), n, s, t)
            levels, values = [t, *levels], [new, *values]
        yield x


def with_noise(line: Line, frame: Frame, x: Any, n: int, s: float, t: float) -> Any:
    """x with the noise of the frame over step n, if there is any."""
    deviation = frame.deviation(s, t)
    return x + deviation * line.xi(n) if deviation else x


# --- the data in log-SNR


def dpm_solver_pp(second_difference: float) -> Rule:
    """LuChengTHU/dpm-solver, multistep_dpm_solver_{second,third}_update, dpmsolver++ with solver_type dpmsolver.

    second_difference  1 as that code has it in the third update, 2 as its Taylor expansion asks
    """

    def rule(x: Any, t: float, levels: Sequence[float], m: Sequence[Any]) -> Any:
        if t == 0:
            return m[0]
        h, phi_1 = np.log(levels[0] / t), t / levels[0] - 1
        euler = t / levels[0] * x - phi_1 * m[0]
        if len(m) == 1:
            return euler
        r0 = np.log(levels[1] / levels[0]) / h
        D1_0 = (m[0] - m[1]) / r0
        if len(m) == 2:
            return euler - 0.5 * phi_1 * D1_0
        r1 = np.log(levels[2] / levels[1]) / h
        D1_1 = (m[1] - m[2]) / r1
        D1 = D1_0 + r0 / (r0 + r1) * (D1_0 - D1_1)
        D2 = (D1_0 - D1_1) / (r0 + r1)
        phi_2 = phi_1 / h + 1
        phi_3 = phi_2 / h - 0.5
        return euler + phi_2 * D1 - second_difference * phi_3 * D2

    return rule


def res(x: Any, t: float, levels: Sequence[float], D: Sequence[Any]) -> Any:
    """arXiv:2308.02157 code entry 2ab, and its completion to order 3 (exponential-iia.md 3.4)."""
    if t == 0:
        return D[0]
    h = np.log(levels[0] / t)
    c = [np.log(levels[0] / level) / h for level in levels]
    weights = [0.0, 0.0, 0.0]
    if len(D) == 2:
        weights[1] = phi(2, -h) / c[1]
    if len(D) == 3:
        weights[1] = (2 * phi(3, -h) - c[2] * phi(2, -h)) / (c[1] * (c[1] - c[2]))
        weights[2] = (2 * phi(3, -h) - c[1] * phi(2, -h)) / (c[2] * (c[2] - c[1]))
    weights[0] = phi(1, -h) - weights[1] - weights[2]
    return np.exp(-h) * x + h * sum(w * value for w, value in zip(weights, D, strict=False))


def dpm_solver(x: Any, t: float, levels: Sequence[float], m: Sequence[Any]) -> Any:
    """LuChengTHU/dpm-solver, multistep_dpm_solver_{second,third}_update, algorithm_type dpmsolver: on the noise."""
    if t == 0:
        return x - levels[0] * m[0]
    h = np.log(levels[0] / t)
    phi_1 = np.expm1(h)
    ddim = x - t * phi_1 * m[0]
    if len(m) == 1:
        return ddim
    r0 = np.log(levels[1] / levels[0]) / h
    D1_0 = (m[0] - m[1]) / r0
    if len(m) == 2:
        return ddim - 0.5 * t * phi_1 * D1_0
    r1 = np.log(levels[2] / levels[1]) / h
    D1_1 = (m[1] - m[2]) / r1
    D1 = D1_0 + r0 / (r0 + r1) * (D1_0 - D1_1)
    D2 = (D1_0 - D1_1) / (r0 + r1)
    phi_2 = phi_1 / h - 1
    phi_3 = phi_2 / h - 0.5
    return ddim - t * phi_2 * D1 - t * phi_3 * D2


def in_log_snr(rule: Rule, k: int, of_noise: Rule | None = None) -> Formula:
    """A multistep run of order k on the data, in log-SNR; `of_noise` is the rule on the noise, where there is one."""

    def formula(line: Line, frozen: str = "data", opening: str = "raised", ending: str = "full") -> Iterator[Any]:
        if frozen == "noise":
            assert of_noise is not None
            yield from multistep(line, noise_in(line, "log-snr"), of_noise, k, opening, ending)
        else:
            yield from multistep(line, data_in_log_snr(line), rule, k, opening, ending)

    formula.__doc__ = rule.__doc__
    return in_levels(formula)


def adams_in(frame: Frame) -> Rule:
    """The Adams-Bashforth step of a frame."""
    return lambda x, t, levels, values: frame.adams(x, levels[0], t, levels, values)


def moulton_in(frame: Frame) -> Callable[[Any, float, Sequence[float], Sequence[Any], Any], Any]:
    """The Adams-Moulton step of a frame, its new value at t."""
    return lambda x, t, levels, values, new: frame.adams(x, levels[0], t, [t, *levels], [new, *values])


def exp_adams(line: Line, k: int, frozen: str = "data", opening: str = "raised", ending: str = "full") -> Iterator[Any]:
    """Hochbruck & Ostermann 2011 eq. 2.4: the data interpolated in lambda.

    On the noise it is arXiv:2204.13902 eqs. 14-15 in log rho: C_j = int l_j(log rho) drho, DEIS's logrho in diffusers.
    """
    frame = data_in_log_snr(line) if frozen == "data" else noise_in(line, "log-snr")
    yield from multistep(line, frame, adams_in(frame), k, opening, ending)


def rbf_solver(
    line: Line, p: int, predictor: str = "adams", ending: str = "lower", shape_p: float = 1.0, shape_c: float = 1.0
) -> Iterator[Any]:
    """scpark20/RBF-Solver, get_next_sample of rbf_solver.py, its names kept (arXiv:2603.13330); exp(log_shape) = shape.

    Its code lowers orders at the end where the run reaches order p before; others fall as UniPC's do.
    """

    def get_coefficients(lambda_s: float, lambda_t: float, lambdas: Any, beta: float) -> Any:
        n, middle = len(lambdas), lambdas + 1 / (2 * beta**2)
        upper, lower = beta * (middle - lambda_t), beta * (middle - lambda_s)
        # int exp(l - beta^2 (l - l_j)^2) dl, completed to a square
        height = np.exp(lambdas + 1 / (4 * beta**2)) * np.sqrt(np.pi) / (2 * beta)
        integral1, integral2 = height * (erfc(upper) - erfc(lower)), np.exp(lambda_t) - np.exp(lambda_s)
        kernel_aug = 1 - np.eye(n + 1)
        kernel_aug[:n, :n] = np.exp(-(beta**2) * (lambdas[:, None] - lambdas) ** 2)
        return np.linalg.solve(kernel_aug, np.append(integral1, integral2))[:n]

    def get_next_sample(x: Any, s: float, t: float, levels: Sequence[float], hist: Sequence[Any], shape: float) -> Any:
        lambdas, h = -np.log(levels), np.log(s / t)
        coefficients = get_coefficients(-np.log(s), -np.log(t), lambdas, 1 / (shape * h))
        return t / s * x + t * sum(c * value for c, value in zip(coefficients, hist, strict=True))

    def predict(x: Any, t: float, levels: Sequence[float], hist: Sequence[Any]) -> Any:
        if t == 0:
            return hist[0]
        if predictor == "adams":
            return frame.adams(x, levels[0], t, levels, hist)
        return get_next_sample(x, levels[0], t, levels, hist, shape_p)

    def correct(x: Any, t: float, levels: Sequence[float], hist: Sequence[Any], new: Any) -> Any:
        return get_next_sample(x, levels[0], t, [t, *levels], [new, *hist], shape_c)

    frame = data_in_log_snr(line)
    yield from predictor_corrector(line, lambda s: frame, predict, correct, p, ending)


def unipc(line: Line, p: int, variant: str = "bh2", ending: str = "lower") -> Iterator[Any]:
    """wl-zhao/UniPC, multistep_uni_pc_bh_update with predict_x0 (arXiv:2302.04867 Algorithms 5-8), its names kept."""
    frame = data_in_log_snr(line)

    def parts(x: Any, t: float, levels: Sequence[float], m: Sequence[Any]) -> Any:
        """x_t_, the differences D1s, R, b and B_h of the code."""
        h = np.log(levels[0] / t)
        rks = [np.log(levels[0] / level) / h for level in levels[1:]]
        D1s = [(value - m[0]) / rk for value, rk in zip(m[1:], rks, strict=True)]
        hh = -h
        h_phi_1 = np.expm1(hh)
        B_h = hh if variant == "bh1" else h_phi_1
        R, b, h_phi_k, factorial = [], [], h_phi_1 / hh - 1, 1
        for i in range(1, len(m) + 1):
            R.append(np.array([*rks, 1.0]) ** (i - 1))
            b.append(h_phi_k * factorial / B_h)
            factorial *= i + 1
            h_phi_k = h_phi_k / hh - 1 / factorial
        return t / levels[0] * x - h_phi_1 * m[0], D1s, np.array(R), np.array(b), B_h

    def predict(x: Any, t: float, levels: Sequence[float], m: Sequence[Any]) -> Any:
        if t == 0:
            return m[0]
        start, D1s, R, b, B_h = parts(x, t, levels, m)
        rhos = [0.5] if len(m) == 2 else np.linalg.solve(R[:-1, :-1], b[:-1])
        return start - B_h * sum((rho * D for rho, D in zip(rhos, D1s, strict=True)), 0.0 * x)

    def correct(x: Any, t: float, levels: Sequence[float], m: Sequence[Any], new: Any) -> Any:
        start, D1s, R, b, B_h = parts(x, t, levels, m)
        rhos = [0.5] if len(m) == 1 else np.linalg.solve(R, b)
        return start - B_h * sum(rho * D for rho, D in zip(rhos, [*D1s, new - m[0]], strict=True))

    yield from predictor_corrector(line, lambda s: frame, predict, correct, p, ending)


# --- the noise in the noise level and in process time

ADAMS: dict[int, list[float]] = {
    1: [1],
    2: [3 / 2, -1 / 2],
    3: [23 / 12, -16 / 12, 5 / 12],
    4: [55 / 24, -59 / 24, 37 / 24, -9 / 24],
}


def deis_tab(line: Line, k: int, opening: str = "raised", ending: str = "full") -> Iterator[Any]:
    """arXiv:2204.13902 eqs. 14-15: C_j = int l_j(t) (ds/dt) dt, l_j of degree k in process time."""
    frame = noise_in(line, "time")
    yield from multistep(line, frame, adams_in(frame), k + 1, opening, ending)


def deis_rhoab(line: Line, k: int, opening: str = "raised", ending: str = "full") -> Iterator[Any]:
    """arXiv:2204.13902 section 3.3; linear_multistep_coeff of k-diffusion: the integral of l_j over [s, t] in s."""

    def rule(x: Any, t: float, levels: Sequence[float], eps: Sequence[Any]) -> Any:
        whole = np.inf  # one panel is exact for polynomials
        return x + sum(gauss(lagrange(levels, j), levels[0], t, whole) * e for j, e in enumerate(eps))

    yield from multistep(line, noise_in(line, "noise-level"), rule, k + 1, opening, ending)


def gradient_estimation(line: Line, gamma: float, opening: str = "raised", ending: str = "full") -> Iterator[Any]:
    """arXiv:2306.04848 Algorithm 2: x + (t - s) (gamma eps + (1 - gamma) eps'), the first step with eps alone."""

    def rule(x: Any, t: float, levels: Sequence[float], eps: Sequence[Any]) -> Any:
        mean = eps[0] if len(eps) == 1 else gamma * eps[0] + (1 - gamma) * eps[1]
        return x + (t - levels[0]) * mean

    yield from multistep(line, noise_in(line, "noise-level"), rule, 2, opening, ending)


def transfer(x: Any, t: float, levels: Sequence[float], eps: Sequence[Any]) -> Any:
    """x + (t - s) e~, e~ the Adams-Bashforth mean for equal steps (arXiv:2202.09778 eq. 12; 2204.13902 H.2)."""
    return x + (t - levels[0]) * sum(w * e for w, e in zip(ADAMS[len(eps)], eps, strict=True))


def ipndm(line: Line, k: int, opening: str = "raised", ending: str = "full") -> Iterator[Any]:
    """arXiv:2204.13902 appendix H.2: the weights of equal steps on whatever grid."""
    yield from multistep(line, noise_in(line, "noise-level"), transfer, k, opening, ending)


def pseudo(line: Line, clock: str, warm_up: Callable[[Line, Any, float, float], Any], m: int, k: int) -> Iterator[Any]:
    """A run of k - 1 warm-up steps of m evaluations each, then `transfer`; all history is evaluated at states.

    A budget too small for the warm-up is spent in whole steps of it and one of fewer evaluations.
    """
    x, frame = line.x, noise_in(line, clock)
    levels: list[float] = []
    values: list[Any] = []
    short = line.run.nfe is not None and line.run.nfe < m * (k - 1) + line.run.to_zero
    counts = spent(line.run, m) if short else [m] * (k - 1) + [1] * line.run.N
    for n, s, t in line.steps():
        if n < k - 1 and counts[n] < m and t > 0:
            x = filling(frame, counts[n], x, s, t)
        else:
            levels, values = [s, *levels][:k], [line.noise(x, s), *values][:k]
            if t == 0:
                x = line.data(x, s)
            else:
                x = warm_up(line, x, s, t) if n < k - 1 else transfer(x, t, levels, values)
        yield x


def pseudo_runge_kutta(line: Line, x: Any, s: float, t: float) -> Any:
    """arXiv:2202.09778 eq. 13: four noises, each transferred from x, their Runge-Kutta mean transferred to t."""
    middle = float(line.run.process.noise_level(np.array([(line.time(s) + line.time(t)) / 2]))[0])
    e1 = line.noise(x, s)
    e2 = line.noise(x + (middle - s) * e1, middle)
    e3 = line.noise(x + (middle - s) * e2, middle)
    e4 = line.noise(x + (t - s) * e3, t)
    return x + (t - s) * (e1 + 2 * e2 + 2 * e3 + e4) / 6


def mean_of_two(line: Line, x: Any, s: float, t: float) -> Any:
    """arXiv:2202.09778, S-PNDM (eq. 20): the mean of the noise here and that at the end of DDIM's step."""
    e1 = line.noise(x, s)
    return x + (t - s) * (e1 + line.noise(x + (t - s) * e1, t)) / 2


def pndm(line: Line) -> Iterator[Any]:
    """arXiv:2202.09778 Algorithm 2, F-PNDM; the middle of a warm-up step is that of process time."""
    yield from pseudo(line, "time", pseudo_runge_kutta, 4, 4)


def spndm(line: Line) -> Iterator[Any]:
    """arXiv:2202.09778, S-PNDM."""
    yield from pseudo(line, "noise-level", mean_of_two, 2, 2)


# --- the Gaussian frame


def gframe_ab(
    line: Line,
    k: int,
    sigma_data: float,
    mean: float,
    tau: float = 0.0,
    opening: str = "raised",
    ending: str = "zero",
) -> Iterator[Any]:
    """gaussian-frame.md: Adams-Bashforth in theta for u, with the exact noise of the frame."""
    frame = gaussian_frame(line, sigma_data, mean, tau)
    yield from multistep(line, frame, adams_in(frame), k, opening, ending)


def gframe_abm(
    line: Line, k: int, sigma_data: float, mean: float, tau: float = 0.0, ending: str = "zero"
) -> Iterator[Any]:
    """gaussian-frame.md: the same, corrected with the value at the predicted state; the noise of both is one."""
    frame = gaussian_frame(line, sigma_data, mean, tau)
    yield from predictor_corrector(line, lambda s: frame, adams_in(frame), moulton_in(frame), k, ending)


MULTISTEP: dict[str, Formula] = {
    "dpmpp-2m": in_log_snr(dpm_solver_pp(1), 2, dpm_solver),
    "dpmpp-3m": in_log_snr(dpm_solver_pp(1), 3, dpm_solver),
    "dpmpp-3m-corrected": in_log_snr(dpm_solver_pp(2), 3),
    "res-2m": in_log_snr(res, 2),
    "res-3m": in_log_snr(res, 3),
    "exp-adams": in_levels(exp_adams),
    "unipc": in_levels(unipc),
    "rbf-solver": in_levels(rbf_solver),
    "deis-tab": in_levels(deis_tab),
    "deis-rhoab": in_levels(deis_rhoab),
    "ipndm": in_levels(ipndm),
    "gradient-estimation": in_levels(gradient_estimation),
    "pndm": in_levels(pndm),
    "spndm": in_levels(spndm),
    "gframe-ab": in_levels(gframe_ab),
    "gframe-abm": in_levels(gframe_abm),
}
