"""The rules of step quantities by name: scalars of a step that a grid gives, beside its step ratios r0, r1, ...

A rule is called with the problem, the grid's process times (N + 1,), indices (n,) of steps, and the values of the
scheme's parameters and the number `steps` of the run; it gives a float64 array (n,). A scheme on disk says the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.problem.conjugation import best_place, best_shift
from numtoolkit.problem.operators import ONES, PLACES, UNIT
from numtoolkit.problem.problem import Problem, Rule
from numtoolkit.problem.processes import Floats

Indices = NDArray[np.signedinteger]
Values = Mapping[str, Any]


def churn_abscissa(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """a >= 0 with the noise level at abscissa -a raised by 1 + min(S_churn/N, sqrt(cap) - 1) inside [S_min, S_max].

    problem, t, index, values   as every rule takes them
    """
    process = problem.process
    level, u = process.level(t)[index], problem.u(t)
    gain = min(float(values["churn"]) / values["steps"], float(values["cap"]) ** 0.5 - 1)
    inside = (level >= float(values["s_min"])) & (level <= float(values["s_max"]))
    raised = process.time_of_level(np.where(inside, 1 + gain, 1.0) * level)
    moved = (u[index] - problem.u(raised)) / (u[index + 1] - u[index])
    return np.where(inside & (gain > 0), moved, 0.0)  # exactly 0: noise is the root of a difference from it


def ancestral_abscissa(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """d >= 1 where the noise level has fallen to s_down, s_down^2 = s'^2 - eta^2 s'^2 (s^2 - s'^2) / s^2.

    problem, t, index, values   as every rule takes them
    """
    process = problem.process
    level = process.level(t)
    s, end = level[index], level[index + 1]
    up = np.minimum(end, float(values["eta"]) * end * np.sqrt((s - end) * (s + end)) / s)
    down = process.time_of_level(np.sqrt((end - up) * (end + up)))
    u = problem.u(t)
    moved = (problem.u(down) - u[index]) / (u[index + 1] - u[index])
    return np.where(up > 0, moved, 1.0)  # exactly 1: noise is the root of a difference from it


def inverse_length(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """1 / h, h the length of the step in the clock of the problem: what it weighs does not fall with the step.

    problem, t, index, values   as every rule takes them
    """
    u = problem.u(t)
    return np.asarray(1 / (u[index + 1] - u[index]), dtype=np.float64)


def mean_time_over_step(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """w = tbar / (t - t'), tbar the middle of the step: the window of the clock that the `tbar` reading damps over.

    problem, t, index, values   as every rule takes them
    """
    return (t[index] + t[index + 1]) / 2 / (t[index] - t[index + 1])


def gaussian_bend(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """2 r0 kappa_0, with kappa_0 such that the step is exact on N(mean, sigma_data^2), from exact states; 1 at h = 0.

    With m = sqrt(v + s^2) the flow is x - mean ~ m and D - mean ~ v/m. Exactness asks for
    kappa_0 (1 - s1/s) (v/m - v/m') = m1 - (v + s s1)/m, the prime a step earlier, 1 at the end of the step. Both
    differences are written so that no digit is lost.

    problem, t, index, values   as every rule takes them
    """
    level, sigma = problem.process.level(t), np.float64(values["sigma_data"])
    s0, s, s1 = (level[n] for n in (np.maximum(index - 1, 0), index, index + 1))
    m0, m, m1 = (np.hypot(sigma, own) for own in (s0, s, s1))
    turn = (s - s1) * s / (m * m1 + sigma**2 + s * s1)
    kappa = turn * m0 * (m0 + m) / ((s0 - s) * (s0 + s))
    return np.asarray(2 * kappa * np.log(s0 / s) / np.log(s / s1))


def _levels(problem: Problem, t: Floats, index: Indices) -> tuple[Floats, Floats]:
    """The noise levels at the start and end of steps, (n,) each."""
    level = problem.process.level(t)
    return level[index], level[index + 1]


def brownian_share(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """w: how much of a stage's noise is in that of the step, where both come from one Brownian path in the noise level.

    From level s over r at abscissa c2 to s', noise of deviation s' sqrt(s^2 - s'^2)/s times W(s, s')/sqrt(s - s'), and
    the same with r for s': s'/r sqrt((s + s')/(s + r)) of one is in the other, w times what the reverse SDE leaves of
    it, s'^2/r^2. It is 1 at h = 0.

    problem, t, index, values   as every rule takes them
    """
    s, end = _levels(problem, t, index)
    stage = s ** (1 - float(values["c2"])) * end ** float(values["c2"])
    return np.asarray(stage / end * np.sqrt((s + end) / (s + stage)), dtype=np.float64)


def _log_scale(s: Floats) -> Floats:
    """log of x (exp(x^0.3) + 10), the noise scale of ER-SDE-Solver (arXiv:2309.06169, SDE_5), without overflow."""
    return np.asarray(np.log(s) + np.logaddexp(s**0.3, np.log(10)), dtype=np.float64)


def extended_abscissa(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
    """d >= 1 where the noise level has fallen by the ratio of the noise scales of ER-SDE-Solver (arXiv:2309.06169).

    problem, t, index, values   as every rule takes them
    """
    s, end = _levels(problem, t, index)
    down, u = problem.process.time_of_level(s * np.exp(_log_scale(end) - _log_scale(s))), problem.u(t)
    return np.asarray((problem.u(down) - u[index]) / (u[index + 1] - u[index]), dtype=np.float64)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


def _extended_mean(power: int) -> Rule:
    """(power + 1) int_0^1 c^power g(c) dc of ER-SDE-Solver, c the abscissa in the noise level, f its noise scale.

    g = (1 - f(s')/f(s_c)) / (1 - f(s')/f(s)) is 1 - c as steps fall in length. The integral is over log s_c, smooth in
    steps of any ratio; published code takes rectangles.
    """

    def rule(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
        s, end = (level[:, None] for level in _levels(problem, t, index))
        width = np.log(s / end) / 2
        at = end * np.exp(width * (1 + _NODES))
        g = np.expm1(_log_scale(end) - _log_scale(at)) / np.expm1(_log_scale(end) - _log_scale(s))
        c = (s - at) / (s - end)
        weights = _WEIGHTS * width * at / (s - end)
        return np.asarray((power + 1) * np.sum(weights * c**power * g, axis=1), dtype=np.float64)

    rule.__name__ = f"extended_mean({power})"
    rule.__doc__ = _extended_mean.__doc__
    return rule


extended_slope, extended_bend = _extended_mean(0), _extended_mean(1)

PANELS = 2  # of a step, for integrals to rounding of Gaussians as narrow as a tenth of it


def rbf_weight(of: str, q: int, j: int) -> Rule:
    """The weight of one of the values that RBF-Solver interpolates by Gaussians and a constant (arXiv:2603.13330).

    In abscissae c of the step, x_k those of the values, the interpolant sum_k m_k exp(-((c - x_k)/shape)^2) + m has
    sum_k m_k = 0 and goes through the values; its mean over the step with the weight exp(-(1 - c) h), h in log-SNR, is
    a sum of the values with weights of sum 1. Where there are not q values of the past, nan.

    of      predictor: of the values at 0 and q - 1 abscissae of the past, its width the parameter shape_p
            corrector: of those and the value at 1, its width shape_c
    q, j    the j-th value before the one at 0, j >= 1; 0 is that at 1
    """

    def rule(problem: Problem, t: Floats, index: Indices, values: Values) -> Floats:
        u, found = problem.u(t), np.full(len(index), np.nan)
        ready = (index >= q - 1) & np.isfinite(u[index + 1])
        here = index[ready]
        start, h = u[here], u[here + 1] - u[here]
        nodes = [(u[here - k] - start) / h for k in range(q)] + [np.ones(len(here))] * (of == "corrector")
        weights = _gaussian_weights(np.stack(nodes, axis=1), h, float(values["shape_" + of[0]]))
        found[ready] = weights[:, j or q]
        return found

    rule.__name__ = f"rbf_weight({of}, {q}, {j})"
    rule.__doc__ = rbf_weight.__doc__
    return rule


def _gaussian_weights(nodes: Floats, h: Floats, shape: float) -> Floats:
    """(n, k) weights of the values at the abscissae `nodes` (n, k) of steps of log-SNR h (n,), of sum 1."""
    c = ((np.arange(PANELS)[:, None] + (1 + _NODES) / 2) / PANELS).ravel()
    density = np.tile(_WEIGHTS, PANELS) * np.exp(-np.outer(h, 1 - c))
    means = np.exp(-(((c - nodes[:, :, None]) / shape) ** 2)) @ density[:, :, None]
    n, k = nodes.shape
    system, right = np.ones((n, k + 1, k + 1)), np.ones((n, k + 1, 1))
    system[:, :k, :k] = np.exp(-(((nodes[:, :, None] - nodes[:, None, :]) / shape) ** 2))
    system[:, k, k] = 0
    right[:, :k] = means / density.sum(axis=1)[:, None, None]
    return np.asarray(np.linalg.solve(system, right)[:, :k, 0], dtype=np.float64)


RBF_ORDERS = range(1, 5)
RBF_PLACES = [
    *(("predictor", q, j) for q in RBF_ORDERS for j in range(1, q)),
    *(("corrector", q, j) for q in RBF_ORDERS for j in range(q)),
]
RBF = {place: rbf_weight(*place) for place in RBF_PLACES}

RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        *(churn_abscissa, ancestral_abscissa, mean_time_over_step, gaussian_bend, brownian_share),
        *(extended_abscissa, extended_slope, extended_bend, inverse_length),
        *RBF.values(),
    )
}
RULES |= {f"best_place({place.name})": best_place(place.name) for place in PLACES}
RULES |= {f"best_shift({matrix.name})": best_shift(matrix) for matrix in (UNIT, ONES)}

# The parameters that a rule reads
NEEDS = {
    "churn_abscissa": ("churn", "cap", "s_min", "s_max"),
    "ancestral_abscissa": ("eta",),
    "gaussian_bend": ("sigma_data",),
    "brownian_share": ("c2",),
} | {rule.__name__: (f"shape_{of[0]}",) for (of, _, _), rule in RBF.items()}
