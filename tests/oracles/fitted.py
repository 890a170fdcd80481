"""Improved integration approximations (arXiv:2304.11328): formulas of the paper with coefficients given per step.

Coefficients here are the paper's phi, beta and gamma, made of the relative ones that a table holds; x = z/alpha, where
phi_i0 and phi_i1 of the z form are divided by alpha at the end of the step (exponential-iia.md 4.2, 6.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.oracles.common import Formula, spent
from tests.oracles.levels import Line, in_levels
from tests.oracles.multistep import ADAMS


def coefficient(line: Line, name: str, n: int) -> float:
    """The value of a coefficient in step n, 0 without a table."""
    table = line.run.table
    return float(table[name][n]) if name in table else 0.0


def corrected(line: Line, n: int, s: float, t: float) -> tuple[float, float]:
    """phi_i0 = kappa_0 (1 - t/s) and phi_i1 = kappa_1 (t - s)."""
    return coefficient(line, "kappa_0", n) * (1 - t / s), coefficient(line, "kappa_1", n) * (t - s)


def iia_ddim(line: Line, variant: str = "two") -> Iterator[Any]:
    """IIA-DDIM: D + t eps, plus phi_i0 (D - D') + phi_i1 (eps - eps'), or beta_i eps where guided."""
    x, before = line.x, None
    for n, s, t in line.steps():
        D, eps = line.data(x, s), line.noise(x, s)
        x = D + t * eps
        if variant == "guided" and t > 0:
            x = x + coefficient(line, "beta", n) * (t - s) * eps
        elif before is not None and t > 0:
            phi_0, phi_1 = corrected(line, n, s, t)
            x = x + phi_0 * (D - before[0]) + (phi_1 * (eps - before[1]) if variant == "two" else 0.0)
        before = D, eps
        yield x


def noise_means(line: Line, k: int, warm_up: bool) -> Iterator[Any]:
    """z' = alpha' X + sigma' e~ + phi_i0 (X - X') + phi_i1 (e~ - e~') with X = x - s e~ and the noise mean e~.

    k        of the Adams-Bashforth mean e~, lower while the history grows
    warm_up  whether the first e~ is the mean of the noise here and at the end of DDIM's step, not the noise
    """
    x, before = line.x, None
    values: list[Any] = []
    single = warm_up and line.run.nfe is not None and line.run.nfe == line.run.N  # a budget without the second value
    for n, s, t in line.steps():
        eps = line.noise(x, s)
        values = [eps, *values][:k]
        if t == 0:
            x = x - s * eps
        else:
            mean = sum(w * e for w, e in zip(ADAMS[len(values)], values, strict=True))
            if warm_up and n == 0 and not single:
                mean = (eps + line.noise(x + (t - s) * eps, t)) / 2
            X = x - s * mean
            x = X + t * mean
            if before is not None:
                phi_0, phi_1 = corrected(line, n, s, t)
                x = x + phi_0 * (X - before[0]) + phi_1 * (mean - before[1])
            before = X, mean
        yield x


def iia_spndm(line: Line) -> Iterator[Any]:
    """IIA-SPNDM: e~ = (3 eps - eps')/2 after the start of S-PNDM."""
    yield from noise_means(line, 2, warm_up=True)


def iia_ipndm(line: Line) -> Iterator[Any]:
    """IIA-IPNDM: the four-term e~, started with fewer terms."""
    yield from noise_means(line, 4, warm_up=False)


def iia_dpmpp_2m(line: Line) -> Iterator[Any]:
    """IIA-DPM-Solver++: DPM-Solver++(2M) + phi_i0 x + phi_i1 D, with -kappa_0 and kappa_1 times 1 - t/s for the two."""
    x, before = line.x, None
    for n, s, t in line.steps():
        D = line.data(x, s)
        if t == 0:
            x = D
        elif before is None:
            x = t / s * x + (1 - t / s) * D
        else:
            r0 = np.log(line.s[n - 1] / s) / np.log(s / t)
            phi_0, phi_1 = (sign * coefficient(line, f"kappa_{j}", n) * (1 - t / s) for j, sign in enumerate((-1, 1)))
            two_point = t / s * x + (1 - t / s) * (D + (D - before) / (2 * r0))
            x = two_point + phi_0 * x + phi_1 * D
        before = D
        yield x


def biia_edm(line: Line, r: int = 1) -> Iterator[Any]:
    """BIIA-EDM, Algorithm 2: x + (t - s) sum_k gamma_ik Delta_(i-k), Delta_j = (d_j + d'_(j+1))/2; Heun's is first."""
    x, counts = line.x, spent(line.run, 2)
    slopes: list[Any] = []
    for n, s, t in line.steps():
        d = line.noise(x, s)
        if t == 0 or counts[n] == 1:
            x = x + (t - s) * d
        else:
            slopes = [(d + line.noise(x + (t - s) * d, t)) / 2, *slopes]
            if n == 0:
                x = x + (t - s) * slopes[0]
            else:
                gammas = [coefficient(line, f"gamma_{k}", n) + (k == 0) for k in range(min(n, r) + 1)]
                x = x + (t - s) * sum(gamma * slope for gamma, slope in zip(gammas, slopes, strict=False))
        yield x


def iia_edm(line: Line, r: int = 1) -> Iterator[Any]:
    """IIA-EDM, Lemma 1: x + sum_k beta^e_ik (x_(i-k) - D_(i-k)) + beta^D_ik (D_(i-k) - D'_(i-k+1)).

    beta^e_ik = (beta_ek + [k = 0]) (t - s)/s_(i-k), beta^D_ik = (beta_dk + [k = 0]/2) (t - s)/t_(i-k): s and t without
    index are of this step, which they scale, s_(i-k) and t_(i-k) of the step k back; D' lies at the end of DDIM's step,
    and its noise is d' = (x' - D')/t with x' = D + t d, so that D - D' = t (d' - d).
    """
    x, counts = line.x, spent(line.run, 2)
    parts: list[tuple[float, float, Any, Any]] = []
    for n, s, t in line.steps():
        D = line.data(x, s)
        if t == 0 or counts[n] == 1:
            x = D + t / s * (x - D)
        else:
            ahead = line.data(D + t / s * (x - D), t)
            parts = [(s, t, x - D, D - ahead), *parts]
            for k, (s_k, t_k, residual, change) in enumerate(parts[: (min(n, r) if n else 0) + 1]):
                first, second = (coefficient(line, f"beta_{kind}{k}", n) if n else 0.0 for kind in "ed")
                x = x + (first + (k == 0)) * (t - s) / s_k * residual
                x = x + (second + (k == 0) / 2) * (t - s) / t_k * change
        yield x


def gauss_fit_2m(line: Line, sigma_data: float) -> Iterator[Any]:
    """exponential-iia.md 6.4: phi_i0 = (m' - (v + s t)/m)/(v/m - v/m_before), m = sqrt(v + s^2), in 40 digits."""
    x, before = line.x, None
    for n, s, t in line.steps():
        D = line.data(x, s)
        x = D + t / s * (x - D)
        if before is not None and t > 0:
            with mp.workdps(40):
                v = mpf(sigma_data) ** 2
                last, here, end = (mp.sqrt(v + mpf(level) ** 2) for level in (line.s[n - 1], s, t))
                phi_0 = float((end - (v + mpf(s) * mpf(t)) / here) / (v / here - v / last))
            x = x + phi_0 * (D - before)
        before = D
        yield x


FITTED: dict[str, Formula] = {
    "iia-ddim": in_levels(iia_ddim),
    "iia-spndm": in_levels(iia_spndm),
    "iia-ipndm": in_levels(iia_ipndm),
    "iia-dpmpp-2m": in_levels(iia_dpmpp_2m),
    "biia-edm": in_levels(biia_edm),
    "iia-edm": in_levels(iia_edm),
    "gauss-fit-2m": in_levels(gauss_fit_2m),
}
