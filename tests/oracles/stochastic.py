"""Stochastic formulas: churn and ancestral steps of k-diffusion, exponential integrators of the reverse SDE.

The noise of a step is its deviation times the normals of the step, so that two runs agree path by path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.oracles.common import Formula, phi, spent
from tests.oracles.levels import Frame, Line, data_in_log_snr, in_levels
from tests.oracles.multistep import predictor_corrector
from tests.oracles.runge_kutta import Step, ddim, dpm_solver_2, heun_edm, res_2s

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


def sde_dpmpp_2m(line: Line, ending: str = "full") -> Iterator[Any]:
    """arXiv:2211.01095 appendix B: the same with D + (D - D')/(2 r0), r0 the step before over this, in lambda."""
    yield from _sde_dpmpp(line, 2, ending)


def _sde_dpmpp(line: Line, k: int, ending: str) -> Iterator[Any]:
    z, before = line.run.start, None
    for n, s, t in line.steps():
        D = line.data(z / line.alpha[n], s)
        if t == 0:
            yield D
            return
        sigma_s, sigma_t, h = line.alpha[n] * s, line.alpha[n + 1] * t, np.log(s / t)
        first = k == 1 or before is None or (ending in ("lower", "ddim") and n == line.run.N - 1)
        mean = D if first else D + (D - before) * h / (2 * np.log(line.s[n - 1] / s))
        z = sigma_t / sigma_s * np.exp(-h) * z - line.alpha[n + 1] * np.expm1(-2 * h) * mean
        z = z + sigma_t * np.sqrt(-np.expm1(-2 * h)) * line.xi(n)
        before = D
        yield z / line.alpha[n + 1]


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
    "res-2m-ancestral": in_levels(res_2m_ancestral),
    "sde-dpmpp-1": in_levels(sde_dpmpp_1),
    "sde-dpmpp-2m": in_levels(sde_dpmpp_2m),
    "seeds-1": in_levels(seeds_1),
    "sa-solver": in_levels(sa_solver),
}
