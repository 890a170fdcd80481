"""One-step formulas: exponential Runge-Kutta schemes in log-SNR, Runge-Kutta schemes in the noise level."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.oracles.common import Formula, phi, spent
from tests.oracles.levels import Frame, Line, data_in_log_snr, filling, in_levels, noise_in

Step = Callable[..., Any]  # (line, x, s, t, parameters) -> x at t


def noise_in_log_snr(line: Line) -> Frame:
    """The frame of DPM-Solver."""
    return noise_in(line, "log-snr")


def noise_in_level(line: Line) -> Frame:
    """The frame of EDM."""
    return noise_in(line, "noise-level")


def one_step(step: Step, evaluations: int, frame: Callable[[Line], Frame]) -> Formula:
    """A run of one step; a step to s = 0 is DDIM's, x = D.

    frame  of the steps that spend what whole steps leave of a budget
    """

    def formula(line: Line, ending: str = "full", **parameters: float) -> Iterator[Any]:
        x, counts = line.x, spent(line.run, evaluations, ending)
        for n, s, t in line.steps():
            if t == 0:
                x = line.data(x, s)
            elif counts[n] == evaluations:
                x = step(line, x, s, t, **parameters)
            else:
                x = filling(frame(line), counts[n], x, s, t)
            yield x

    formula.__doc__ = step.__doc__
    return in_levels(formula)


def ddim(line: Line, x: Any, s: float, t: float) -> Any:
    """arXiv:2010.02502 eq. 12 (sigma = 0): x + (t - s) eps."""
    return x + (t - s) * line.noise(x, s)


def heun_edm(line: Line, x: Any, s: float, t: float) -> Any:
    """arXiv:2206.00364 Algorithm 1, lines 3-8."""
    d = line.noise(x, s)
    ahead = line.noise(x + (t - s) * d, t)
    return x + (t - s) * (d + ahead) / 2


def rk4(line: Line, x: Any, s: float, t: float) -> Any:
    """Kutta 1901, of dx/ds = eps."""
    h = t - s
    k1 = line.noise(x, s)
    k2 = line.noise(x + h / 2 * k1, s + h / 2)
    k3 = line.noise(x + h / 2 * k2, s + h / 2)
    k4 = line.noise(x + h * k3, t)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def rk4_filling(line: Line, count: int, x: Any, s: float, t: float) -> Any:
    """Euler's method, the explicit midpoint rule and Kutta's third-order rule (Hairer et al. 1993, II.1)."""
    h = t - s
    k1 = line.noise(x, s)
    if count == 1:
        return x + h * k1
    k2 = line.noise(x + h / 2 * k1, s + h / 2)
    if count == 2:
        return x + h * k2
    k3 = line.noise(x - h * k1 + 2 * h * k2, t)
    return x + h / 6 * (k1 + 4 * k2 + k3)


def rk4_run(line: Line) -> Iterator[Any]:
    """Kutta 1901 in the noise level, budgets filled by the Runge-Kutta rules of fewer stages."""
    x, counts = line.x, spent(line.run, 4)
    for n, s, t in line.steps():
        x = rk4(line, x, s, t) if counts[n] == 4 else rk4_filling(line, counts[n], x, s, t)
        yield x


# --- two and three stages in log-SNR


def res_2s(line: Line, x: Any, s: float, t: float, c2: float) -> Any:
    """arXiv:2308.02157 Table 3, weights phi_1 - phi_2/c2 and phi_2/c2 at -h."""
    h = np.log(s / t)
    middle = s * np.exp(-c2 * h)
    first = line.data(x, s)
    second = line.data(np.exp(-c2 * h) * x - np.expm1(-c2 * h) * first, middle)
    b2 = phi(2, -h) / c2
    return np.exp(-h) * x + h * ((phi(1, -h) - b2) * first + b2 * second)


def dpmpp_2s(line: Line, x: Any, s: float, t: float, c2: float) -> Any:
    """arXiv:2211.01095 Algorithm 1, r = c2: u, then D = (1 - 1/(2 r)) D(x) + D(u)/(2 r)."""
    h = np.log(s / t)
    first = line.data(x, s)
    u = np.exp(-c2 * h) * x - np.expm1(-c2 * h) * first
    mean = (1 - 1 / (2 * c2)) * first + line.data(u, s * np.exp(-c2 * h)) / (2 * c2)
    return t / s * x - np.expm1(-h) * mean


def dpm_solver_2(line: Line, x: Any, s: float, t: float, c2: float) -> Any:
    """arXiv:2206.00927 Algorithm 4 (Algorithm 1 at r = 1/2), sigma (e^h - 1) = alpha (s - t) written out."""
    h = np.log(s / t)
    middle = s * np.exp(-c2 * h)
    first = line.noise(x, s)
    u = x - middle * np.expm1(c2 * h) * first
    return x - t * np.expm1(h) * (first + (line.noise(u, middle) - first) / (2 * c2))


def dpm_solver_3(line: Line, x: Any, s: float, t: float, r_1: float, r_2: float) -> Any:
    """arXiv:2206.00927 Algorithm 2, DPM-Solver-3, in its own order of lines."""
    h = np.log(s / t)
    s1, s2 = s * np.exp(-r_1 * h), s * np.exp(-r_2 * h)
    eps = line.noise(x, s)
    u1 = x - s1 * np.expm1(r_1 * h) * eps
    D1 = line.noise(u1, s1) - eps
    u2 = x - s2 * np.expm1(r_2 * h) * eps - s2 * r_2 / r_1 * (np.expm1(r_2 * h) / (r_2 * h) - 1) * D1
    D2 = line.noise(u2, s2) - eps
    return x - t * np.expm1(h) * eps - t / r_2 * (np.expm1(h) / h - 1) * D2


def dpmpp_3s(line: Line, x: Any, s: float, t: float, r_1: float, r_2: float) -> Any:
    """LuChengTHU/dpm-solver, singlestep_dpm_solver_third_update, dpmsolver++ with solver_type dpmsolver."""
    h = np.log(s / t)
    phi_11, phi_12, phi_1 = np.expm1(-r_1 * h), np.expm1(-r_2 * h), np.expm1(-h)
    phi_22, phi_2 = phi_12 / (r_2 * h) + 1, phi_1 / h + 1
    s1, s2 = s * np.exp(-r_1 * h), s * np.exp(-r_2 * h)
    m = line.data(x, s)
    m1 = line.data(s1 / s * x - phi_11 * m, s1)
    m2 = line.data(s2 / s * x - phi_12 * m + r_2 / r_1 * phi_22 * (m1 - m), s2)
    return t / s * x - phi_1 * m + 1 / r_2 * phi_2 * (m2 - m)


# --- tableaus of phi functions, first columns filled


def exponential_rk(
    line: Line, x: Any, s: float, t: float, c: Sequence[float], A: Callable[..., Any], b: Callable[..., Any]
) -> Any:
    """X_i = e^(-c_i h) x + h sum a_ij D_j, x' = e^-h x + h sum b_i D_i (Hochbruck & Ostermann 2005 eq. 2.3).

    The values beside the first come as differences from it, so that rows sum to c_i phi_1(c_i) and phi_1.
    A, b   (i, p) and (p) -> the weights of the stages 2, 3, ..., p(k, c) being phi_k(-c h)
    """
    h = np.log(s / t)

    def p(k: int, node: float = 1.0) -> float:
        return phi(k, -node * h)

    first = line.data(x, s)
    differences: list[Any] = []
    for i, node in enumerate(c[1:], 1):
        own = sum((a * d for a, d in zip(A(i, p), differences, strict=True)), 0.0)
        stage = np.exp(-node * h) * x - np.expm1(-node * h) * first + h * own
        differences.append(line.data(stage, s * np.exp(-node * h)) - first)
    own = sum((w * d for w, d in zip(b(p), differences, strict=True)), 0.0)
    return np.exp(-h) * x - np.expm1(-h) * first + h * own


def res_3s(line: Line, x: Any, s: float, t: float, c2: float, c3: float) -> Any:
    """arXiv:2308.02157 Table 3; Hochbruck & Ostermann 2005 eq. 5.9, gamma from 2 (gamma c2 + c3) = 3 (...)."""
    gamma = (3 * c3**2 - 2 * c3) / (2 * c2 - 3 * c2**2)

    def A(i: int, p: Any) -> list[float]:
        return [] if i == 1 else [gamma * c2 * p(2, c2) + c3**2 / c2 * p(2, c3)]

    def b(p: Any) -> list[float]:
        return [gamma * p(2) / (gamma * c2 + c3), p(2) / (gamma * c2 + c3)]

    return exponential_rk(line, x, s, t, [0, c2, c3], A, b)


def krogstad_4(line: Line, x: Any, s: float, t: float) -> Any:
    """Hochbruck & Ostermann 2005 eq. 5.16 (Krogstad 2005)."""

    def A(i: int, p: Any) -> list[float]:
        return [[], [p(2, 0.5)], [0, 2 * p(2)]][i - 1]

    return exponential_rk(line, x, s, t, [0, 0.5, 0.5, 1], A, cox_matthews_weights)


def cox_matthews_weights(p: Any) -> list[float]:
    """Of the stages 2, 3, 4 of Cox & Matthews' and Krogstad's fourth-order schemes (eqs. 5.15, 5.16)."""
    return [2 * p(2) - 4 * p(3), 2 * p(2) - 4 * p(3), 4 * p(3) - p(2)]


def strehmel_weiner_4(line: Line, x: Any, s: float, t: float) -> Any:
    """Hochbruck & Ostermann 2005 eq. 5.18."""

    def A(i: int, p: Any) -> list[float]:
        return [[], [p(2, 0.5) / 2], [-2 * p(2), 4 * p(2)]][i - 1]

    def b(p: Any) -> list[float]:
        return [0, 4 * p(2) - 8 * p(3), 4 * p(3) - p(2)]

    return exponential_rk(line, x, s, t, [0, 0.5, 0.5, 1], A, b)


def hochbruck_ostermann_4(line: Line, x: Any, s: float, t: float) -> Any:
    """Hochbruck & Ostermann 2005 eq. 5.19."""

    def A(i: int, p: Any) -> list[float]:
        a52 = p(2, 0.5) / 2 - p(3) + p(2) / 4 - p(3, 0.5) / 2
        return [[], [p(2, 0.5)], [p(2), p(2)], [a52, a52, p(2, 0.5) / 4 - a52]][i - 1]

    def b(p: Any) -> list[float]:
        return [0, 0, 4 * p(3) - p(2), 4 * p(2) - 8 * p(3)]

    return exponential_rk(line, x, s, t, [0, 0.5, 0.5, 1, 0.5], A, b)


# --- Cox and Matthews in their own closed forms, u' = c u + F with c = -1; brackets lose some h^-3 roundings


def etd3rk(line: Line, u: Any, s: float, t: float) -> Any:
    """Cox & Matthews 2002 eqs. 23-25."""
    h, c = np.log(s / t), -1.0
    E, half = np.exp(c * h), np.exp(c * h / 2)
    F_u = line.data(u, s)
    F_a = line.data(u * half + (half - 1) * F_u / c, s * half)
    F_b = line.data(u * E + (E - 1) * (2 * F_a - F_u) / c, t)
    first = -4 - h * c + E * (4 - 3 * h * c + h**2 * c**2)
    second = 4 * (2 + h * c + E * (-2 + h * c))
    third = -4 - 3 * h * c - h**2 * c**2 + E * (4 - h * c)
    return u * E + (first * F_u + second * F_a + third * F_b) / (h**2 * c**3)


def etd4rk(line: Line, u: Any, s: float, t: float) -> Any:
    """Cox & Matthews 2002 eqs. 26-29."""
    h, c = np.log(s / t), -1.0
    E, half = np.exp(c * h), np.exp(c * h / 2)
    F_u = line.data(u, s)
    a = u * half + (half - 1) * F_u / c
    F_a = line.data(a, s * half)
    F_b = line.data(u * half + (half - 1) * F_a / c, s * half)
    F_c = line.data(a * half + (half - 1) * (2 * F_b - F_u) / c, t)
    first = -4 - h * c + E * (4 - 3 * h * c + h**2 * c**2)
    middle = 2 * (2 + h * c + E * (-2 + h * c))
    last = -4 - 3 * h * c - h**2 * c**2 + E * (4 - h * c)
    return u * E + (first * F_u + middle * (F_a + F_b) + last * F_c) / (h**2 * c**3)


# --- Lawson: a classical rule of v = e^(lambda - lambda_n) x, dv/dlambda = e^(lambda - lambda_n) D


def _lawson(line: Line, s: float) -> Callable[[float, Any], Any]:
    """The right side of v' at lambda_n + r."""
    return lambda r, v: np.exp(r) * line.data(np.exp(-r) * v, s * np.exp(-r))


def lawson_2(line: Line, x: Any, s: float, t: float) -> Any:
    """Lawson 1967: the explicit midpoint rule of v."""
    h, f = np.log(s / t), _lawson(line, s)
    return np.exp(-h) * (x + h * f(h / 2, x + h / 2 * f(0, x)))


def lawson_4(line: Line, x: Any, s: float, t: float) -> Any:
    """Lawson 1967: the classical Runge-Kutta rule of v."""
    h, f = np.log(s / t), _lawson(line, s)
    k1 = f(0, x)
    k2 = f(h / 2, x + h / 2 * k1)
    k3 = f(h / 2, x + h / 2 * k2)
    k4 = f(h, x + h * k3)
    return np.exp(-h) * (x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))


RUNGE_KUTTA: dict[str, Formula] = {
    "ddim": one_step(ddim, 1, noise_in_level),
    "heun-edm": one_step(heun_edm, 2, noise_in_level),
    "rk4": in_levels(rk4_run),
    "res-2s": one_step(res_2s, 2, data_in_log_snr),
    "dpmpp-2s": one_step(dpmpp_2s, 2, data_in_log_snr),
    "dpm-solver-2": one_step(dpm_solver_2, 2, noise_in_log_snr),
    "dpm-solver-3": one_step(dpm_solver_3, 3, noise_in_log_snr),
    "dpmpp-3s": one_step(dpmpp_3s, 3, data_in_log_snr),
    "res-3s": one_step(res_3s, 3, data_in_log_snr),
    "etd3rk": one_step(etd3rk, 3, data_in_log_snr),
    "etd4rk": one_step(etd4rk, 4, data_in_log_snr),
    "krogstad-4": one_step(krogstad_4, 4, data_in_log_snr),
    "strehmel-weiner-4": one_step(strehmel_weiner_4, 4, data_in_log_snr),
    "hochbruck-ostermann-4": one_step(hochbruck_ostermann_4, 5, data_in_log_snr),
    "lawson-2": one_step(lawson_2, 2, data_in_log_snr),
    "lawson-4": one_step(lawson_4, 4, data_in_log_snr),
}
