"""Stochastic formulas: churn and ancestral steps of k-diffusion, exponential integrators of the reverse SDE.

The noise of a step is its deviation times the normals of the step, so that two runs agree path by path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.oracles.common import Formula, gauss, order, phi, spent
from tests.oracles.levels import FILLING, Abscissae, Frame, Line, Path, data_in_log_snr, in_levels, reverse_noise
from tests.oracles.multistep import predictor_corrector
from tests.oracles.runge_kutta import Step, ddim, dpm_solver_2, dpmpp_2s, heun_edm, res_2s

# --- churn


def churned(step: Step, evaluations: int) -> Formula:
    """arXiv:2206.00364 Algorithm 2, lines 4-6, then `step` from the raised level; cap is the square of 1 + gamma.

    The catalogue ends at t = 0 by DDIM without churn; the authors' code would churn that step too, where its start lies
    between S_min and S_max.
    """

    def formula(
        line: Line, churn: float, cap: float, s_min: float, s_max: float, s_noise: float, **parameters: float
    ) -> Iterator[Any]:
        x, counts = line.x, spent(line.run, evaluations)
        for n, s, t in line.steps():
            if t == 0:
                yield line.data(x, s)
                return
            gamma = min(churn / line.run.N, np.sqrt(cap) - 1) if s_min <= s <= s_max else 0.0
            raised = s + gamma * s
            if gamma:
                x = x + np.sqrt(raised**2 - s**2) * s_noise * line.xi(n)
            own = step if counts[n] == evaluations else ddim
            x = own(line, x, raised, t, **(parameters if own is step else {}))
            yield x

    return in_levels(formula)


# --- ancestral steps


def ancestral_levels(s: float, t: float, eta: float) -> tuple[float, float]:
    """(sigma_down, sigma_up) of get_ancestral_step of k-diffusion."""
    up = min(t, eta * (t**2 * (s**2 - t**2) / s**2) ** 0.5)
    return (t**2 - up**2) ** 0.5, up


def ancestral(step: Step, evaluations: int) -> Formula:
    """sample_euler_ancestral and sample_dpm_2_ancestral of k-diffusion: a step to sigma_down, noise sigma_up."""

    def formula(line: Line, eta: float, **parameters: float) -> Iterator[Any]:
        x, counts = line.x, spent(line.run, evaluations)
        for n, s, t in line.steps():
            down, up = ancestral_levels(s, t, eta)
            if down == 0:
                x = line.data(x, s)
            elif counts[n] < evaluations:
                x = ddim(line, x, s, down)
            else:
                x = step(line, x, s, down, **parameters)
            if up:
                x = x + up * line.xi(n)
            yield x

    return in_levels(formula)


def res_2m_ancestral(line: Line, eta: float) -> Iterator[Any]:
    """RES-2M to sigma_down, then noise (exponential-iia.md 3.6).

    c2 lies where the last evaluation was made, one whole step back. ComfyUI's res_multistep_ancestral takes the length
    of the deterministic move before, from s_(n-1) to its sigma_down; the two are one for eta = 0.
    """
    x, before = line.x, None
    for n, s, t in line.steps():
        D = line.data(x, s)
        down, up = ancestral_levels(s, t, eta)
        if t == 0:
            x = D
        elif before is None:
            x = down / s * x + (1 - down / s) * D
        else:
            h, c2 = np.log(s / down), -np.log(line.s[n - 1] / s) / np.log(s / down)
            b2 = phi(2, -h) / c2
            x = np.exp(-h) * x + h * ((phi(1, -h) - b2) * D + b2 * before)
        x, before = x + (up * line.xi(n) if up else 0.0), D
        yield x


# --- exponential integrators of the reverse SDE


def sde_dpmpp_1(line: Line) -> Iterator[Any]:
    """arXiv:2211.01095 appendix B: sigma_t/sigma_s e^-h z + alpha_t (1 - e^-2h) D + sigma_t sqrt(1 - e^-2h) xi."""
    yield from _sde_dpmpp(line, 1, "full")


def sde_dpmpp_2m(line: Line, tau: float = 1.0, solver: str = "midpoint", ending: str = "full") -> Iterator[Any]:
    """arXiv:2211.01095 appendix B: the same with D + (D - D')/(2 r0), r0 the step before over this, in lambda.

    solver, tau   sample_dpmpp_2m_sde of k-diffusion, whose eta is tau^2
    """
    if tau == 1 and solver == "midpoint":
        yield from _sde_dpmpp(line, 2, ending)
    else:
        yield from _k_diffusion_sde(line, 2, tau**2, solver, ending)


def sde_dpmpp_3m(line: Line, tau: float = 1.0, ending: str = "full") -> Iterator[Any]:
    """sample_dpmpp_3m_sde of k-diffusion, whose eta is tau^2."""
    yield from _k_diffusion_sde(line, 3, tau**2, "heun", ending)


def _sde_dpmpp(line: Line, k: int, ending: str) -> Iterator[Any]:
    z, before = line.run.start, None
    for n, s, t in line.steps():
        D = line.data(z / line.alpha[n], s)
        if t == 0:
            yield D
            return
        sigma_s, sigma_t, h = line.alpha[n] * s, line.alpha[n + 1] * t, np.log(s / t)
        mean = D
        if order(n, line.run.N, k, "raised", ending) == 2:
            mean = D + (D - before) * h / (2 * np.log(line.s[n - 1] / s))
        z = sigma_t / sigma_s * np.exp(-h) * z - line.alpha[n + 1] * np.expm1(-2 * h) * mean
        z = z + sigma_t * np.sqrt(-np.expm1(-2 * h)) * line.xi(n)
        before = D
        yield z / line.alpha[n + 1]


def _k_diffusion_sde(line: Line, k: int, eta: float, solver: str, ending: str) -> Iterator[Any]:
    """sample_dpmpp_2m_sde and sample_dpmpp_3m_sde: exp(-h - eta h) x, past data by phi_2 or half the first weight.

    Without lower orders at the end, which are those of its own steps. phi_3, as it stands there, is half of what the
    Taylor expansion of the data asks for.
    """
    x = line.x
    data: list[Any] = []
    for n, s, t in line.steps():
        data = [line.data(x, s), *data]
        if t == 0:
            yield data[0]
            return
        h = np.log(s / t)
        h_eta = h * (1 + eta)
        x = np.exp(-h_eta) * x - np.expm1(-h_eta) * data[0]
        phi_2 = np.expm1(-h_eta) / h_eta + 1
        phi_3 = phi_2 / h_eta - 0.5
        q = order(n, line.run.N, k, "raised", ending)
        if q > 1:
            r0 = np.log(line.s[n - 1] / s) / h
            d1_0 = (data[0] - data[1]) / r0
        if q == 2:
            x = x + (phi_2 if solver == "heun" else -0.5 * np.expm1(-h_eta)) * d1_0
        if q == 3:
            r1 = np.log(line.s[n - 2] / line.s[n - 1]) / h
            d1_1 = (data[1] - data[2]) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            x = x + phi_2 * d1 - phi_3 * (d1_0 - d1_1) / (r0 + r1)
        x = x + t * np.sqrt(-np.expm1(-2 * h * eta)) * line.xi(n)
        yield x


def seeds_1(line: Line) -> Iterator[Any]:
    """arXiv:2305.14267 eq. 16: x_t = alpha_t/alpha_s x_s - 2 sigma_t (e^h - 1) eps + sigma_t sqrt(e^2h - 1) xi.

    The step to t = 0 is DDIM's.
    """
    z = line.run.start
    for n, s, t in line.steps():
        if t == 0:
            yield line.data(z / line.alpha[n], s)
            return
        sigma_t, h = line.alpha[n + 1] * t, np.log(s / t)
        eps = line.noise(z / line.alpha[n], s)
        z = line.alpha[n + 1] / line.alpha[n] * z - 2 * sigma_t * np.expm1(h) * eps
        z = z + sigma_t * np.sqrt(np.expm1(2 * h)) * line.xi(n)
        yield z / line.alpha[n + 1]


# --- stages, each with its own part of the noise


def seeds_2(line: Line, path: Path, x: Any, t: float, frozen: str, c2: float) -> Any:
    """arXiv:2305.14267, SEEDS-2 (its middle c2 = 1/2); on the data sample_seeds_2 of ComfyUI, solver_type phi_1."""
    s, h = path.s, np.log(path.s / t)
    middle = s * np.exp(-c2 * h)
    if frozen == "noise":
        first = line.noise(x, s)
        u = x - 2 * middle * np.expm1(c2 * h) * first + path.noise(middle)
        second = line.noise(u, middle)
        return x - 2 * t * np.expm1(h) * (first + (second - first) / (2 * c2)) + path.noise(t)
    first = line.data(x, s)
    u = np.exp(-2 * c2 * h) * x - np.expm1(-2 * c2 * h) * first + path.noise(middle)
    second = line.data(u, middle)
    mean = (1 - 1 / (2 * c2)) * first + second / (2 * c2)
    return np.exp(-2 * h) * x - np.expm1(-2 * h) * mean + path.noise(t)


def seeds_3(line: Line, path: Path, x: Any, t: float, frozen: str, r_1: float, r_2: float) -> Any:
    """arXiv:2305.14267, SEEDS-3; on the data sample_seeds_3 of ComfyUI."""
    s, h = path.s, np.log(path.s / t)
    s1, s2 = s * np.exp(-r_1 * h), s * np.exp(-r_2 * h)
    if frozen == "noise":
        first = line.noise(x, s)
        u1 = x - 2 * s1 * np.expm1(r_1 * h) * first + path.noise(s1)
        D1 = line.noise(u1, s1) - first
        slope = np.expm1(r_2 * h) / (r_2 * h) - 1
        u2 = x - 2 * s2 * (np.expm1(r_2 * h) * first + r_2 / r_1 * slope * D1) + path.noise(s2)
        D2 = line.noise(u2, s2) - first
        return x - 2 * t * (np.expm1(h) * first + (np.expm1(h) / h - 1) / r_2 * D2) + path.noise(t)
    first = line.data(x, s)
    u1 = np.exp(-2 * r_1 * h) * x - np.expm1(-2 * r_1 * h) * first + path.noise(s1)
    D1 = line.data(u1, s1) - first
    a32 = r_2 / r_1 * (np.expm1(-2 * r_2 * h) / (2 * r_2 * h) + 1)
    u2 = np.exp(-2 * r_2 * h) * x - np.expm1(-2 * r_2 * h) * first + a32 * D1 + path.noise(s2)
    D2 = line.data(u2, s2) - first
    b3 = (np.expm1(-2 * h) / (2 * h) + 1) / r_2
    return np.exp(-2 * h) * x - np.expm1(-2 * h) * first + b3 * D2 + path.noise(t)


def dpmpp_sde(line: Line, path: Path, x: Any, t: float, frozen: str, c2: float) -> Any:
    """sample_dpmpp_sde of k-diffusion, eta = 1, r = c2: two ancestral steps from x, by one Brownian path in sigma.

    Its BrownianTreeNoiseSampler gives (W(s) - W(t)) / sqrt(s - t).
    """
    s, n = path.s, path.n
    middle = s ** (1 - c2) * t**c2
    W_middle = np.sqrt(s - middle) * line.xi(n, 0)
    down, up = ancestral_levels(s, middle, 1.0)
    first = line.data(x, s)
    u = down / s * x + (1 - down / s) * first + up * W_middle / np.sqrt(s - middle)
    # deviation of what the second draw adds: sqrt(middle - t), whatever the first was
    W = W_middle + np.sqrt(middle - t) * line.xi(n, 1)
    down, up = ancestral_levels(s, t, 1.0)
    mean = (1 - 1 / (2 * c2)) * first + line.data(u, middle) / (2 * c2)
    return down / s * x + (1 - down / s) * mean + up * W / np.sqrt(s - t)


def in_stages(step: Callable[..., Any], evaluations: int, frozen_in: str) -> Formula:
    """A run of a stochastic one-step scheme; a step to t = 0 is DDIM's, what is left of a budget FILLING's with noise.

    frozen_in   what it holds fixed unless it is told
    """

    def formula(line: Line, frozen: str = frozen_in, ending: str = "full", **parameters: float) -> Iterator[Any]:
        x, counts = line.x, spent(line.run, evaluations, ending)
        frame = data_in_log_snr(line, 1.0) if frozen == "data" else reverse_noise(line)
        for n, s, t in line.steps():
            path = Path(line, frame, n, s)
            if t == 0:
                x = line.data(x, s)
            elif counts[n] == evaluations:
                x = step(line, path, x, t, frozen, **parameters)
            else:
                x = FILLING[counts[n]](Abscissae(frame, s, t, path.noise), x)
            yield x

    formula.__doc__ = step.__doc__
    return in_levels(formula)


def er_sde(line: Line, k: int) -> Iterator[Any]:
    """arXiv:2309.06169 Algorithms 1-3 with noise scale 5, vp_{1,2,3}_order of the authors' code in x = z / alpha.

    Their integrals are sums over 100 rectangles (200 in ComfyUI); these are converged.
    """

    def scale(r: Any) -> Any:
        return r * (np.exp(r**0.3) + 10)

    def integral(s: float, t: float, weight: Callable[[Any], Any]) -> float:
        """int_t^s weight / scale, over log r, where it is smooth."""
        return gauss(lambda c: weight(np.exp(c)) * np.exp(c) / scale(np.exp(c)), np.log(t), np.log(s))

    x = line.x
    data: list[Any] = []
    slopes: list[Any] = []
    for n, s, t in line.steps():
        data = [line.data(x, s), *data]
        if t == 0:
            yield data[0]
            return
        ratio, dt = scale(t) / scale(s), t - s
        x = ratio * x + (1 - ratio) * data[0]
        if min(k, n + 1) >= 2:
            whole = integral(s, t, lambda r: np.ones_like(r))
            slopes = [(data[0] - data[1]) / (s - line.s[n - 1]), *slopes]
            x = x + (dt + whole * scale(t)) * slopes[0]
        if min(k, n + 1) >= 3:
            first = integral(s, t, lambda r, s=s: r - s)
            bend = (slopes[0] - slopes[1]) / ((s - line.s[n - 2]) / 2)
            x = x + (dt**2 / 2 + first * scale(t)) * bend
        x = x + np.sqrt(t**2 - s**2 * ratio**2) * line.xi(n)
        yield x


def sa_solver(
    line: Line,
    p: int,
    c: int = 0,
    *,
    tau: float = 1.0,
    s_min: float = 0.0,
    s_max: float = np.inf,
    ending: str = "ddim",
) -> Iterator[Any]:
    """arXiv:2309.05019 Algorithm 1 with eqs. 14-17: p-step predictor, c-step corrector, tau of a step by its start."""
    moving, still = data_in_log_snr(line, tau), data_in_log_snr(line)

    def frame(s: float) -> Frame:
        return moving if s_min <= s <= s_max else still

    def predict(x: Any, t: float, levels: Sequence[float], D: Sequence[Any]) -> Any:
        return frame(levels[0]).adams(x, levels[0], t, levels[:p], D[:p])

    def correct(x: Any, t: float, levels: Sequence[float], D: Sequence[Any], new: Any) -> Any:
        used = c or p
        return frame(levels[0]).adams(x, levels[0], t, [t, *levels[:used]], [new, *D[:used]])

    yield from predictor_corrector(line, frame, predict, correct, max(p, c or p), ending)


STOCHASTIC: dict[str, Formula] = {
    "euler-churn": churned(ddim, 1),
    "heun-edm-churn": churned(heun_edm, 2),
    "dpm2-churn": churned(dpm_solver_2, 2),
    "res-2s-churn": churned(res_2s, 2),
    "euler-ancestral": ancestral(ddim, 1),
    "dpm2-ancestral": ancestral(dpm_solver_2, 2),
    "dpmpp-2s-ancestral": ancestral(dpmpp_2s, 2),
    "res-2m-ancestral": in_levels(res_2m_ancestral),
    "er-sde": in_levels(er_sde),
    "sde-dpmpp-1": in_levels(sde_dpmpp_1),
    "sde-dpmpp-2m": in_levels(sde_dpmpp_2m),
    "sde-dpmpp-3m": in_levels(sde_dpmpp_3m),
    "seeds-1": in_levels(seeds_1),
    "seeds-2": in_stages(seeds_2, 2, "noise"),
    "seeds-3": in_stages(seeds_3, 3, "noise"),
    "dpmpp-sde": in_stages(dpmpp_sde, 2, "data"),
    "sa-solver": in_levels(sa_solver),
}
