"""CFG++ (arXiv:2406.08070) and its forms in ComfyUI: G the guided data prediction, U the unguided one.

In x and s, where DDIM's step is x' = G + t/s (x - G), CFG++ takes back the noise of the unguided prediction,
x' = G + t/s (x - U) (Algorithm 2 of the paper; sample_euler_cfg_pp). The others are as k_diffusion/sampling.py of
ComfyUI has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.oracles.common import Formula, phi, spent
from tests.oracles.levels import Line, in_levels
from tests.oracles.stochastic import ancestral_levels


def plus_plus(x: Any, s: float, t: float, guided: Any, unguided: Any) -> Any:
    """The step of the paper from level s to t."""
    return guided + t / s * (x - unguided)


def ddim(line: Line) -> Iterator[Any]:
    """sample_euler_cfg_pp."""
    x = line.x
    for _, s, t in line.steps():
        x = plus_plus(x, s, t, line.data(x, s), line.unguided(x, s))
        yield x


def dpmpp_2m(line: Line) -> Iterator[Any]:
    """sample_dpmpp_2m_cfg_pp: the history is unguided, its difference quotient that of guided and unguided."""
    x, old, last = line.x, None, 0.0
    for _, s, t in line.steps():
        guided, unguided = line.data(x, s), line.unguided(x, s)
        mix = -t / s * unguided
        if old is not None and t > 0:
            h = np.log(s / t)
            mix = mix + (1 - t / s) / (2 * last / h) * (guided - old)
        x = guided + mix + t / s * x
        old, last = unguided, np.log(s / t) if t > 0 else 0.0
        yield x


def res_2m(line: Line) -> Iterator[Any]:
    """sample_res_multistep_cfg_pp: all that is weighed is unguided, from a start moved by guidance."""
    x, old, last = line.x, None, 0.0
    for _, s, t in line.steps():
        guided, unguided = line.data(x, s), line.unguided(x, s)
        if old is None or t == 0:
            x = plus_plus(x, s, t, guided, unguided)
        else:
            h = np.log(s / t)
            b2 = phi(2, -h) / (-last / h)
            x = t / s * (x + guided - unguided) + h * ((phi(1, -h) - b2) * unguided + b2 * old)
        old, last = unguided, np.log(s / t) if t > 0 else 0.0
        yield x


def euler_ancestral(line: Line, eta: float) -> Iterator[Any]:
    """sample_euler_ancestral_cfg_pp."""
    x = line.x
    for n, s, t in line.steps():
        down, up = ancestral_levels(s, t, eta)
        x = plus_plus(x, s, down, line.data(x, s), line.unguided(x, s))
        if up:
            x = x + up * line.xi(n)
        yield x


def dpmpp_2s_ancestral(line: Line, eta: float, c2: float) -> Iterator[Any]:
    """sample_dpmpp_2s_ancestral_cfg_pp, its r = 1/2 any c2 as in DPM-Solver++(2S)."""
    x, counts = line.x, spent(line.run, 2)
    for n, s, t in line.steps():
        down, up = ancestral_levels(s, t, eta)
        guided, unguided = line.data(x, s), line.unguided(x, s)
        if down == 0 or counts[n] < 2:
            x = plus_plus(x, s, down, guided, unguided)
        else:
            moved, middle = x + guided - unguided, s * (down / s) ** c2
            stage = middle / s * moved + (1 - middle / s) * guided
            mean = guided + (line.data(stage, middle) - guided) / (2 * c2)
            x = down / s * moved + (1 - down / s) * mean
        if up:
            x = x + up * line.xi(n)
        yield x


def gradient_estimation(line: Line, gamma: float) -> Iterator[Any]:
    """sample_gradient_estimation_cfg_pp: the noise that is extrapolated is unguided; none of it at t = 0."""
    x, old = line.x, None
    for _, s, t in line.steps():
        guided, unguided = line.data(x, s), line.unguided(x, s)
        noise = (x - unguided) / s
        x = guided + t * noise
        if old is not None and t > 0:
            x = x + (gamma - 1) * (noise - old) * (t - s)
        old = noise
        yield x


CFG_PLUS_PLUS: dict[str, Formula] = {
    "ddim-cfgpp": in_levels(ddim),
    "dpmpp-2m-cfgpp": in_levels(dpmpp_2m),
    "res-2m-cfgpp": in_levels(res_2m),
    "gradient-est-cfgpp": in_levels(gradient_estimation),
    "euler-ancestral-cfgpp": in_levels(euler_ancestral),
    "dpmpp-2sa-cfgpp": in_levels(dpmpp_2s_ancestral),
}
