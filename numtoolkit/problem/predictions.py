"""What a network predicts, and the affine maps between predictions.

Every prediction is an affine function of the state z and the score S of the marginal law, and back:

    S = P z + Q out        out = P' z + Q' S          (blocks over the k state parts)

    score       S, k outputs
    noise       S = -L^-T out, L L' = Sigma_t lower Cholesky (one block: out = -sigma S); k outputs
    noise-r     the same with R_t for L, R R' = Sigma_t, R' = (F + G G' Sigma_t^-1 / 2) R (gDDIM); two blocks
    noise-skip  S = C_skip z - L^-T out, C_skip = -1 / Sigma_mm, the noise that a skip leaves; two blocks
    data        out = E[x_0 | z], S = -Sigma_t^-1 (z - e_t out); 1 output
    velocity    out = alpha eps - sigma x_0 (Salimans & Ho 2022); one block
    flow        out = dz/dt of the probability flow, F z - G G' S / 2; k outputs

One more affine function of the state and the data prediction D is frozen by schemes, though no network predicts it:

    residual  u = (D - D_g) / c, D_g and c^2 the posterior mean and variance under the Gaussian law N(0, sigma_data^2 I)

A phase-space score has k outputs of which the law fixes only one (the posterior mean): turning it into `data` takes the
information-weighted mean, which is exact for an exact score.
"""

from __future__ import annotations

import numpy as np

from numtoolkit.errors import InputError, unknown
from numtoolkit.problem.processes import PSLD, Floats, Process

PREDICTIONS = ("data", "noise", "noise-r", "noise-skip", "score", "velocity", "flow")
OF_SCORE = ("noise", "noise-r", "score")  # the score times a matrix: frozen, they leave the linear part F


def outputs(prediction: str, process: Process) -> int:
    """How many blocks a network of that prediction returns."""
    if prediction not in PREDICTIONS:
        raise unknown("prediction", prediction, PREDICTIONS)
    if prediction == "velocity" and process.blocks > 1:
        raise InputError(
            f"prediction 'velocity' is not defined on process {process.name}; use data, noise, score or flow."
        )
    if prediction in ("noise-r", "noise-skip") and process.blocks == 1:
        raise InputError(f"prediction {prediction!r} is that of a phase space; on process {process.name} use noise.")
    return 1 if prediction == "data" else process.blocks


def to_score(prediction: str, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P, Q), (n, k, k) and (n, k, q), with S = P z + Q out at the times t (n,)."""
    outputs(prediction, process)
    e, sigma = process.kernel(t)
    none, eye = np.zeros_like(sigma), np.broadcast_to(np.eye(process.blocks), sigma.shape)
    if prediction == "score":
        return none, eye
    if prediction in ("noise", "noise-r"):
        return none, -_inverse(np.swapaxes(_root(prediction, process, t), 1, 2))
    if prediction == "noise-skip":
        return skip(sigma) * eye, -_inverse(np.swapaxes(_root(prediction, process, t), 1, 2))
    if prediction == "data":
        return -_inverse(sigma), _inverse(sigma) @ e[:, :, None]
    if prediction == "velocity":
        alpha, std = e[:, 0, None, None], np.sqrt(sigma)
        scale = alpha**2 + std**2
        return -1 / scale * eye, -alpha / (std * scale)
    if not process.diffusion(t)[0].diagonal().all():
        raise InputError(
            f"prediction 'flow' does not determine the score on process {process.name}, whose position has no noise; "
            "use data, noise or score."
        )
    half = _inverse(process.diffusion(t) / 2)
    return half @ process.drift(t), -half


def from_score(prediction: str, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P', Q'), (n, q, k) each, with out = P' z + Q' S at the times t (n,)."""
    outputs(prediction, process)
    e, sigma = process.kernel(t)
    none, eye = np.zeros_like(sigma), np.broadcast_to(np.eye(process.blocks), sigma.shape)
    if prediction == "score":
        return none, eye
    if prediction in ("noise", "noise-r"):
        return none, -np.swapaxes(_root(prediction, process, t), 1, 2)
    if prediction == "noise-skip":
        root = np.swapaxes(_root(prediction, process, t), 1, 2)
        return skip(sigma) * root, -root
    if prediction == "data":
        gain = np.linalg.solve(sigma, e[:, :, None])
        row = np.swapaxes(gain, 1, 2) / (e[:, None, :] @ gain)
        return row, row @ sigma
    if prediction == "velocity":
        alpha, std = e[:, 0, None, None], np.sqrt(sigma)
        return -std / alpha * eye, -std / alpha * (alpha**2 + std**2)
    return process.drift(t), -process.diffusion(t) / 2


def convert(source: str, target: str, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P, Q) with target = P z + Q source at the times t (n,): exactly (0, 1) when nothing changes."""
    if source == target:
        q, n = outputs(source, process), len(t)
        return np.zeros((n, q, process.blocks)), np.broadcast_to(np.eye(q), (n, q, q))
    P, Q = to_score(source, process, t)
    back_z, back_s = from_score(target, process, t)
    return back_z + back_s @ P, back_s @ Q


def residual(process: Process, t: Floats, sigma_data: float) -> tuple[Floats, Floats]:
    """(P, Q), (n, 1, k) and (n, 1, 1), with u = P z + Q D: D_g = c^2 a' z for a = Sigma^-1 e."""
    a, c = _posterior(process, t, sigma_data)
    return -c[:, None, None] * a[:, None, :], 1 / c[:, None, None]


def residual_to_score(process: Process, t: Floats, sigma_data: float) -> tuple[Floats, Floats]:
    """(P, Q) with S = P z + Q u = -V^-1 z + c a u, V = Sigma + sigma_data^2 e e' the covariance of the Gaussian law."""
    e, sigma = process.kernel(t)
    a, c = _posterior(process, t, sigma_data)
    return -_inverse(sigma + sigma_data**2 * e[:, :, None] * e[:, None, :]), (c[:, None] * a)[:, :, None]


def deviation(process: Process, t: Floats, sigma_data: float) -> Floats:
    """c, the posterior deviation of a coordinate under the Gaussian law, (n,): sigma_data s / hypot(sigma_data, s)."""
    s = process.level(t)
    return np.asarray(sigma_data * s / np.hypot(sigma_data, s), dtype=np.float64)


def _posterior(process: Process, t: Floats, sigma_data: float) -> tuple[Floats, Floats]:
    e, sigma = process.kernel(t)
    return (_inverse(sigma) @ e[:, :, None])[:, :, 0], deviation(process, t, sigma_data)


def skip(sigma: Floats) -> Floats:
    """C_skip of `noise-skip`, -1 over the momentum variance of the kernel, (n, 1, 1) (PSLD's first mixed score)."""
    return -1 / sigma[:, -1:, -1:]


def _root(prediction: str, process: Process, t: Floats) -> Floats:
    """The factor of Sigma_t that a noise refers to."""
    if prediction == "noise-r" and isinstance(process, PSLD):
        return process.moving_root(t)
    return np.asarray(np.linalg.cholesky(process.kernel(t)[1]), dtype=np.float64)


def _inverse(blocks: Floats) -> Floats:
    return np.asarray(np.linalg.inv(blocks), dtype=np.float64)
