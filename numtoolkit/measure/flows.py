"""The probability flow dz/dt = F z - G G' S / 2 to rounding or nearly so, S the score of a law or of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.entries import flow
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import Gaussian, Law
from numtoolkit.measure.eigen import eigen_on
from numtoolkit.problem.clocks import TIME
from numtoolkit.problem.frozen import RESIDUAL
from numtoolkit.problem.predictions import DATA, Prediction, convert, to_score
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import PSLD, Process, ScalarProcess
from numtoolkit.program.evaluator import Evaluator

Denoiser = Callable[[Floats, float], Floats]  # (y, s) -> the posterior mean of x_0 given y = x_0 + s n
Call = Callable[[list[Floats], float], list[Floats]]  # (state blocks, time) -> what a network predicts, in blocks

LOST = "the exact flow leaves the finite numbers; start from smaller states or check the law or network."
NEAR_ZERO = 1e-7  # noise level, in deviations of the law, from which the denoiser finishes a flow to noise level 0
NEAR_END = 1e-8  # the same in phase space, as a share of T: lower, CLD's inverse covariance has no digits left
NETWORK_VARIANCE = 0.25  # of the frame in which a network's flow is integrated; it decides the cost alone


def exact_flow(
    process: Process,
    law: Law,
    start: Sequence[Floats],
    t0: float,
    t1: float,
    rtol: float = 1e-10,
    atol: float = 1e-11,
) -> list[Floats]:
    """Where the probability flow takes states at time t0 by time t1.

    law      Gaussian: the linear map of `gaussian_flow`; any other: Dormand-Prince 8(5,3) on the whole batch
    start    k arrays (batch, *law.shape) of float64, kept unchanged
    t1       below t0, may be 0; or above it, from the data to noise
    rtol, atol  of the integrator (RMS over the batch), in the frame below; unused for a Gaussian law
    returns  k arrays like `start`
    raises   InputError for times out of order or a start that is not finite; NonFiniteError for a denoiser that is not
    cost     for a law that is not Gaussian some 500 to 2000 denoiser calls on the batch

    A scalar process is integrated in w = (z / alpha - m) / sqrt(v + s^2), m and v the law's mean and mean variance: for
    a Gaussian of that variance w is constant, so at high noise there is little to do. Its clock log s has the slope
    dw / d log s = (D_g - D) / sqrt(v + s^2), D_g the Gaussian's denoiser, which nothing divides by s. Phase space is
    integrated in log t; at time 0 the position is good to some 1e-9 / v where the law is smooth with variance v, and to
    rounding where it is points. Of a process with many modes each has its own frame, in the clock of the first.
    """
    _check(start, t0, t1)
    if process.directions is not None:
        return [_of_modes(process, law, start[0], t0, t1, rtol, atol)]
    if isinstance(law, Gaussian):
        return _linear(process, law, start, t0, t1)
    if isinstance(process, ScalarProcess):
        s0, s1 = process.noise_level(np.array([t0, t1]))
        v = law.variance or 1.0  # any variance makes a frame; a law of one point has none
        last = s1 if t1 > 0 else NEAR_ZERO * min(np.sqrt(v), s0)
        y = _scalar(law.denoise, law.mean, v, start[0] / process.alpha(np.array([t0])), s0, last, rtol, atol)
        # Below NEAR_ZERO a flow into a density moves by s^2 score / 2 and one into a point runs straight to it: D to
        # 1e-14.
        return [process.alpha(np.array([t1])) * (y if t1 > 0 else law.denoise(y, float(last)))]

    def exact(z: list[Floats], t: float) -> list[Floats]:
        return [law.denoise(*process.observe(z, t))]

    last = t1 if t1 > 0 else min(NEAR_END * process.T, t0 / 2)
    z = _phase_space(process, exact, DATA, start, t0, last, rtol, atol)
    if t1 > 0:
        return z
    kicked = z[1] - _slope(process, exact, DATA, np.stack(z), last)[1]  # Euler's step to 0, good for the momentum alone
    return [*exact(z, last), kicked]


def network_flow(
    process: Process, call: Call, predicts: Prediction, start: Sequence[Floats], t0: float, t1: float, tolerance: float
) -> list[Floats]:
    """Where the probability flow of a network on a process takes states at time t0 by time t1.

    By Dormand-Prince 8(5,3), in the variables of `exact_flow`.
    call      (k state blocks, time) -> the blocks of what it predicts; asked at times between t0 and t1 alone
    predicts  the prediction; in phase space all of its score counts, not only the part that a law would fix
    start     k arrays (batch, *event) of float64, kept unchanged
    t1        above 0, below t0 or above it
    tolerance relative, of the integrator (RMS over the batch), a tenth of it absolute, in the frame of `exact_flow`
              with mean 0 and variance NETWORK_VARIANCE
    returns   k arrays like `start`
    raises    as `exact_flow`
    """
    _check(start, t0, t1)
    if t1 <= 0:
        raise InputError("a network has no flow to noise level 0, where it is not asked; end at a time above 0.")
    if not isinstance(process, ScalarProcess):
        return _phase_space(process, call, predicts, start, t0, t1, tolerance, tolerance / 10)
    low, high = sorted((t0, t1))

    def denoise(y: Floats, s: float) -> Floats:
        t = np.clip(process.time_of_noise_level(np.array([s])), low, high)
        z = process.alpha(t) * y
        P, Q = (block.item() for block in convert(predicts, DATA, process, t))
        data: Floats = P * z + Q * call([z], float(t[0]))[0]
        return data

    s0, s1 = process.noise_level(np.array([t0, t1]))
    alpha0, alpha1 = process.alpha(np.array([t0, t1]))
    return [alpha1 * _scalar(denoise, 0.0, NETWORK_VARIANCE, start[0] / alpha0, s0, s1, tolerance, tolerance / 10)]


def _check(start: Sequence[Floats], t0: float, t1: float) -> None:
    if not (t0 > t1 >= 0 or t1 > t0 > 0):
        raise InputError(
            f"the flow runs from t0 = {t0:g} to t1 = {t1:g}; give t0 > t1 >= 0, or t1 > t0 > 0 for the way to noise."
        )
    if not all(np.isfinite(z).all() for z in start):
        raise InputError("the start of the flow holds NaN or infinity; give finite states.")


def gaussian_flow(process: Process, variances: Floats, t0: float, t1: float, reference: float = 0.0) -> Floats:
    """Propagators (d, k, k) of the centred flow z - e_t m of a process, from time t0 to t1, for Gaussian data.

    variances   (d,), of the data along the eigen-directions of their covariance
    reference   r, for the mean of the SDE of the same marginals whose noise is r times the forward one: 0 is the flow,
                1 the reverse SDE

    One block: sqrt(V_1 / V_0), V_t = v e_t^2 + Sigma_t. Otherwise dX/dt = (F + (1 + r) G G' V_t^-1 / 2) X, which has no
    elementary solution, in sqrt(t) by Dormand-Prince 8(5,3) to a relative 1e-12. Only the flow into a point, v = 0, is
    singular at time 0: it is R_1 R_0^-1 with the moving root R of Sigma.
    """
    if isinstance(process, ScalarProcess):
        return _scalar_flow(process, variances, np.array([t0]), np.array([t1]), reference)[:, None, None]
    k = process.blocks
    shape = (len(variances), k, k)
    into_points = (variances == 0) & (t1 == 0)
    regular = np.where(into_points, 1.0, variances)

    def slope(root_t: float, X: Floats) -> Floats:
        t = np.array([root_t**2])
        e, sigma = process.kernel(t)
        V = regular[:, None, None] * np.outer(e[0], e[0]) + sigma
        K = process.drift(t) + (1 + reference) * process.diffusion(t) @ np.linalg.inv(V) / 2
        return 2 * root_t * (K @ X.reshape(shape)).ravel()

    identity = np.broadcast_to(np.eye(k), shape).ravel()
    X: Floats = _solve(slope, np.sqrt(t0), np.sqrt(t1), identity, 1e-12, 1e-14).reshape(shape)
    if isinstance(process, PSLD) and into_points.any():
        # At time 0 all the noise is that of m, one entry of Sigma and one of its root R_1: in the column of m, but in
        # that of x where x has no noise of its own (Gamma = 0) and so moves with m.
        held = np.linalg.inv(process.moving_root(np.array([t0])))[0, 1 if process.Gamma else 0]
        X[into_points] = np.outer([0, np.sqrt(process.gamma / process.inverse_mass)], held)
    return X


def gaussian_flows(process: Process, variance: float, start: Floats, end: Floats, reference: Floats) -> Floats:
    """`gaussian_flow` for data of one variance between many pairs of times at once, (n, k, k).

    variance     of the data, above 0
    start, end   (n,), process times above 0, start >= end
    reference    (n,), r, as of `gaussian_flow`; in a phase space of few values
    cost         of a phase space 0.6 ms a pair: the flow of its Gaussian frame, which is that of this equation
    """
    if isinstance(process, ScalarProcess):
        return _scalar_flow(process, np.array(variance), start, end, reference)[:, None, None]
    found = np.broadcast_to(np.eye(process.blocks), (len(start), process.blocks, process.blocks)).copy()
    for r in np.unique(reference):
        own = np.flatnonzero((reference == r) & (start > end))
        frame = Problem(process, RESIDUAL, TIME, tau=float(np.sqrt(r)), sigma_data=float(np.sqrt(variance)))
        pairs = np.stack([start[own], end[own]], axis=1).ravel()
        found[own] = Evaluator(frame, pairs, 2 * np.arange(len(own)), {}).block(flow())
    return found


def _scalar_flow(process: ScalarProcess, variances: Floats, t0: Floats, t1: Floats, reference: Any) -> Floats:
    """The propagators of one block, whose arguments broadcast."""
    spread = [np.hypot(process.alpha(t) * np.sqrt(variances), process.sigma(t)) for t in (t0, t1)]
    ratio = spread[1] / spread[0]
    found: Floats = ratio * (ratio * process.alpha(t0) / process.alpha(t1)) ** reference
    return found


@lru_cache(maxsize=8)
def law_propagators(process: Process, law: Gaussian, t0: float, t1: float) -> Floats:
    """`gaussian_flow` of a process from time t0 to t1 along the eigen-directions of a law, (d, k, k), read-only.

    The last few are kept; a law is another where it is another object.
    """
    X = gaussian_flow(process, law.eigen()[1], t0, t1)
    X.flags.writeable = False
    return X


def _linear(process: Process, law: Gaussian, start: Sequence[Floats], t0: float, t1: float) -> list[Floats]:
    basis = law.eigen()[0]
    e = process.kernel(np.array([t0, t1]))[0]
    centred = np.stack([z - e[0, i] * law.mean for i, z in enumerate(start)], axis=-1)
    flat = centred.reshape(len(start[0]), -1, len(start))
    into = flat if basis is None else np.einsum("ji,bjk->bik", basis, flat)
    moved = np.einsum("dij,bdj->bdi", law_propagators(process, law, t0, t1), into)
    back = moved if basis is None else np.einsum("ij,bjk->bik", basis, moved)
    return [back[:, :, i].reshape(z.shape) + e[1, i] * law.mean for i, z in enumerate(start)]


def _of_modes(process: Process, law: Law, start: Floats, t0: float, t1: float, rtol: float, atol: float) -> Floats:
    """The state at the time t1 of a process that takes directions apart, each a scalar process."""
    modes = [mode for mode in process.modes if isinstance(mode, ScalarProcess)]

    def at(t: float) -> tuple[Floats, Floats]:
        """alpha and s in each direction."""
        both = [(mode.alpha(np.array([t]))[0], mode.noise_level(np.array([t]))[0]) for mode in modes]
        alpha, level = np.array(both)[own].T
        return alpha, level

    if isinstance(law, Gaussian):
        basis, variances, mean, own = eigen_on(process, law)
        assert basis is not None
        (a0, s0), (a1, s1) = at(t0), at(t1)
        deviation = np.sqrt(variances)
        width = a1 * np.hypot(deviation, s1) / (a0 * np.hypot(deviation, s0))
        moved = a1 * mean + width * (start.reshape(len(start), -1) @ basis - a0 * mean)
        return (moved @ basis.T).reshape(start.shape)
    assert process.directions is not None
    whole = process.directions.over(law.shape)
    basis, own, v = whole.basis, whole.groups, law.variance or 1.0
    mean = law.mean.ravel() @ basis
    first = modes[0]
    last = t1 if t1 > 0 else float(first.time_of_noise_level(np.array([NEAR_ZERO * min(np.sqrt(v), 1.0)]))[0])

    def data(offset: Floats, t: float) -> Floats:
        z = ((mean + offset) * at(t)[0] @ basis.T).reshape(start.shape)
        found: Floats = law.denoise(*process.observe([z], t))
        return found.reshape(len(z), -1) @ basis

    def slope(log_s: float, flat: Floats) -> Floats:
        t = first.time_of_noise_level(np.exp(np.array([log_s])))
        width = np.hypot(np.sqrt(v), at(float(t[0]))[1])
        rate = np.array([mode.log_rates(t)[1][0] for mode in modes])[own] / first.log_rates(t)[1]
        offset = width * flat.reshape(len(start), -1)
        return (rate * (v / width**2 * offset - (data(offset, float(t[0])) - mean)) / width).ravel()

    (a0, s0), (a1, s1) = at(t0), at(last)
    w = (start.reshape(len(start), -1) @ basis / a0 - mean) / np.hypot(np.sqrt(v), s0)
    a, b = np.log(first.noise_level(np.array([t0, last]))).tolist()
    offset = np.hypot(np.sqrt(v), s1) * _solve(slope, a, b, w.ravel(), rtol, atol).reshape(w.shape)
    end = data(offset, last) if t1 == 0 else a1 * (mean + offset)
    return (end @ basis.T).reshape(start.shape)


def _scalar(
    denoise: Denoiser, mean: Floats | float, v: float, y: Floats, s0: float, s1: float, rtol: float, atol: float
) -> Floats:
    """z / alpha at the noise level s1, from y at s0, both above 0."""

    def slope(log_s: float, flat: Floats) -> Floats:
        s = float(np.exp(log_s))
        width = np.hypot(np.sqrt(v), s)
        offset = width * flat.reshape(y.shape)
        return ((v / width**2 * offset - (denoise(mean + offset, s) - mean)) / width).ravel()

    w = (y - mean) / np.hypot(np.sqrt(v), s0)
    w = _solve(slope, np.log(s0), np.log(s1), w.ravel(), rtol, atol).reshape(y.shape)
    end: Floats = mean + np.hypot(np.sqrt(v), s1) * w
    return end


def _phase_space(
    process: Process,
    call: Call,
    predicts: Prediction,
    start: Sequence[Floats],
    t0: float,
    t1: float,
    rtol: float,
    atol: float,
) -> list[Floats]:
    """The state at the time t1 > 0."""
    shape = (len(start), *start[0].shape)

    def slope(log_t: float, flat: Floats) -> Floats:
        return _slope(process, call, predicts, flat.reshape(shape), float(np.exp(log_t))).ravel()

    return list(_solve(slope, np.log(t0), np.log(t1), np.stack(start).ravel(), rtol, atol).reshape(shape))


def _slope(process: Process, call: Call, predicts: Prediction, z: Floats, t: float) -> Floats:
    """dz / d log t of the flow, z the stacked blocks."""
    at = np.array([t])
    P, Q = (block[0] for block in to_score(predicts, process, at))
    half = process.diffusion(at)[0] / 2
    out = np.stack(call(list(z), t))
    rate: Floats = np.tensordot(process.drift(at)[0] - half @ P, z, 1) - np.tensordot(half @ Q, out, 1)
    return t * rate


def _solve(
    slope: Callable[[float, Floats], Floats], a: float, b: float, start: Floats, rtol: float, atol: float
) -> Any:
    from scipy.integrate import solve_ivp

    def checked(clock: float, state: Floats) -> Floats:  # the integrator would search for a step for ever
        if not (np.isfinite(clock) and np.isfinite(state).all()):
            raise NonFiniteError(LOST)
        return slope(clock, state)

    with np.errstate(all="ignore"):
        solution = solve_ivp(checked, (a, b), start, method="DOP853", rtol=rtol, atol=atol)
    if not solution.success:
        raise NonFiniteError(LOST)
    return solution.y[:, -1]
