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

Each is one `Prediction`; one of a person's own is one more, given wherever a name is.

A phase-space score has k outputs of which the law fixes only one (the posterior mean): turning it into `data` takes the
information-weighted mean, which is exact for an exact score.

One more affine function is frozen by schemes, though no network predicts it, the residual over the Gaussian law
N(0, sigma_data^2 I), whose score is -V^-1 z with V = Sigma + sigma_data^2 e e':

    S = -V^-1 z + c a u + g w        u = (D - D_g) / c        w = g' (z + Sigma S)

D is the data prediction, D_g and c^2 its mean and variance under that law, a = Sigma^-1 e, and g, in phase space alone,
the noise of unit variance that shows no data: e' g = 0 and g' Sigma g = 1. The columns c a and g are at right angles in
the metric of Sigma, so that any score is such a sum. As Sigma S + z = e D for a score that has a data prediction, w is
how far a score of two free outputs is from having one, in units of the noise, whatever the law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numtoolkit.arrays import cholesky, inverse
from numtoolkit.errors import InputError, unknown
from numtoolkit.problem.kinds import (
    EVERY_KIND,
    PHASE_SPACE,
    SCALAR,
    AxisValue,
    Floats,
    Kind,
    PhaseSpaceProcess,
    Process,
)
from numtoolkit.spec_text import hyphened

Maps = Callable[[Process, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(AxisValue):
    """What a network returns: an affine function of the state and the score.

    sentence    what it is
    outputs     (process) -> how many blocks it has
    to_score    (process, times t (n,)) -> (P (n, k, k), Q (n, k, outputs)) with S = P z + Q out
    from_score  (process, t) -> (P' (n, outputs, k), Q' (n, outputs, k)) with out = P' z + Q' S
    kinds       the kinds of process it is defined on
    """

    name: str
    sentence: str
    outputs: Callable[[Process], int]
    to_score: Maps
    from_score: Maps
    kinds: tuple[Kind, ...] = EVERY_KIND

    def check(self, process: Process) -> None:
        """raises InputError where it is not defined on the process"""
        if process.kind not in self.kinds:
            others = ", ".join(p.name for p in PREDICTIONS.values() if process.kind in p.kinds)
            raise InputError(
                f"prediction {self.name!r} is not defined on process {process.name}, a {process.kind.name} process; "
                f"use {others}."
            )

    def __repr__(self) -> str:
        return f"<prediction {self.name}: {self.sentence}>"


def prediction(text: str | Prediction) -> Prediction:
    """A prediction by its name or that of diffusers (`ALIASES`), with _ for -; a Prediction comes back as it is.

    raises   InputError for an unknown name
    """
    if isinstance(text, Prediction):
        return text
    known = PREDICTIONS | {name: PREDICTIONS[own] for name, own in ALIASES.items()}
    name = hyphened(text) if isinstance(text, str) else text
    if not isinstance(name, str) or name not in known:
        raise unknown("prediction", text, known)
    return known[name]


def outputs(predicts: str | Prediction, process: Process) -> int:
    """How many blocks a network of that prediction returns."""
    asked = prediction(predicts)
    asked.check(process)
    return asked.outputs(process)


def to_score(predicts: str | Prediction, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P, Q), (n, k, k) and (n, k, q), with S = P z + Q out, `predicts` naming out, at times t (n,) of a process."""
    asked = prediction(predicts)
    asked.check(process)
    return asked.to_score(process, t)


def from_score(predicts: str | Prediction, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P', Q'), (n, q, k) each, with out = P' z + Q' S, `predicts` naming out, at the times t (n,) of a process."""
    asked = prediction(predicts)
    asked.check(process)
    return asked.from_score(process, t)


def convert(source: str | Prediction, target: str | Prediction, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P, Q) with target = P z + Q source at the times t (n,) of a process: exactly (0, 1) when nothing changes."""
    given, asked = prediction(source), prediction(target)
    if given is asked:
        q, n = outputs(given, process), len(t)
        return np.zeros((n, q, process.blocks)), np.broadcast_to(np.eye(q), (n, q, q))
    P, Q = to_score(given, process, t)
    back_z, back_s = from_score(asked, process, t)
    return back_z + back_s @ P, back_s @ Q


# --- the predictions in use


def _every_block(process: Process) -> int:
    return process.blocks


def _no_shift(process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(0, 1) blocks (n, k, k)."""
    n, k = len(t), process.blocks
    return np.zeros((n, k, k)), np.broadcast_to(np.eye(k), (n, k, k))


def _by_root(root: Callable[[Process, Floats], Floats]) -> tuple[Maps, Maps]:
    """Both maps of S = -root^-T out."""

    def to(process: Process, t: Floats) -> tuple[Floats, Floats]:
        return _no_shift(process, t)[0], -inverse(_turned(root(process, t)))

    def back(process: Process, t: Floats) -> tuple[Floats, Floats]:
        return _no_shift(process, t)[0], -_turned(root(process, t))

    return to, back


def _cholesky(process: Process, t: Floats) -> Floats:
    return cholesky(process.kernel(t)[1])


def _moving_root(process: Process, t: Floats) -> Floats:
    assert isinstance(process, PhaseSpaceProcess)
    return process.moving_root(t)


def _skip_to_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    sigma, (_, eye) = process.kernel(t)[1], _no_shift(process, t)
    return skip(sigma) * eye, -inverse(_turned(_cholesky(process, t)))


def _skip_from_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    root = _turned(_cholesky(process, t))
    return skip(process.kernel(t)[1]) * root, -root


def _data_to_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    e, sigma = process.kernel(t)
    return -inverse(sigma), inverse(sigma) @ e[:, :, None]


def _data_from_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    e, sigma = process.kernel(t)
    gain = inverse(sigma) @ e[:, :, None]
    row = np.swapaxes(gain, 1, 2) / (e[:, None, :] @ gain)
    return row, row @ sigma


def _velocity_to_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    e, sigma = process.kernel(t)
    alpha, std = e[:, 0, None, None], np.sqrt(sigma)
    scale = alpha**2 + std**2
    return -1 / scale * _no_shift(process, t)[1], -alpha / (std * scale)


def _velocity_from_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    e, sigma = process.kernel(t)
    alpha, std = e[:, 0, None, None], np.sqrt(sigma)
    return -std / alpha * _no_shift(process, t)[1], -std / alpha * (alpha**2 + std**2)


def _flow_to_score(process: Process, t: Floats) -> tuple[Floats, Floats]:
    if not process.diffusion(t)[0].diagonal().all():
        raise InputError(
            f"prediction 'flow' does not determine the score on process {process.name}, whose position has no noise; "
            "use data, noise or score."
        )
    half = inverse(process.diffusion(t) / 2)
    return half @ process.drift(t), -half


SCORE = Prediction("score", "the score S of the marginal law", _every_block, _no_shift, _no_shift)
NOISE = Prediction(
    "noise", "the noise, -L' S with the Cholesky factor L of the kernel", _every_block, *_by_root(_cholesky)
)
NOISE_R = Prediction(
    "noise-r",
    "the noise, -R' S with gDDIM's factor R of the kernel",
    _every_block,
    *_by_root(_moving_root),
    (PHASE_SPACE,),
)
NOISE_SKIP = Prediction(
    "noise-skip",
    "the noise that the skip connection -z / Sigma_mm leaves",
    _every_block,
    _skip_to_score,
    _skip_from_score,
    (PHASE_SPACE,),
)
DATA = Prediction("data", "the posterior mean of the data", lambda process: 1, _data_to_score, _data_from_score)
VELOCITY = Prediction(
    "velocity", "alpha eps - sigma x_0", _every_block, _velocity_to_score, _velocity_from_score, (SCALAR,)
)
FLOW = Prediction(
    "flow",
    "dz/dt of the probability flow",
    _every_block,
    _flow_to_score,
    lambda process, t: (process.drift(t), -process.diffusion(t) / 2),
)

# Their names in diffusers (prediction_type)
ALIASES = {"epsilon": "noise", "sample": "data", "v-prediction": "velocity", "flow-prediction": "flow"}
PREDICTIONS = {each.name: each for each in (DATA, NOISE, NOISE_R, NOISE_SKIP, SCORE, VELOCITY, FLOW)}


# --- a Gaussian law of the data


def residual(process: Process, t: Floats, sigma_data: float | Floats) -> tuple[Floats, Floats]:
    """(P, Q), (n, 1, k) and (n, 1, 1), with u = P z + Q D: D_g = c^2 a' z for a = Sigma^-1 e.

    At the times t (n,) of a process, D_g and c those of the law N(0, sigma_data^2 I), sigma_data a number or (n,).
    """
    a, c = _posterior(process, t, sigma_data)
    return -c[:, None, None] * a[:, None, :], 1 / c[:, None, None]


def residual_to_score(process: Process, t: Floats, sigma_data: float | Floats) -> tuple[Floats, Floats]:
    """(P, Q) with S = P z + Q u = -V^-1 z + c a u, V = Sigma + sigma_data^2 e e' the covariance of the Gaussian law.

    At the times t (n,) of a process, (n, k, k) and (n, k, 1), the law N(0, sigma_data^2 I).
    """
    e, sigma = process.kernel(t)
    a, c = _posterior(process, t, sigma_data)
    V = sigma + np.reshape(sigma_data, (-1, 1, 1)) ** 2 * e[:, :, None] * e[:, None, :]
    return -inverse(V), (c[:, None] * a)[:, :, None]


def complement(process: Process, t: Floats) -> Floats:
    """g, (n, k, k - 1), at the times t (n,) of a process: e' g = 0, g' Sigma g = 1, g_m > 0; of one block none.

    No digit cancels down to t = 0, where g = (0, Sigma_mm^-1/2): e_x > 0 > e_m and Sigma_xm >= 0 in what is summed.
    """
    if process.blocks == 1:
        return np.empty((len(t), 1, 0))
    e, sigma = process.kernel(t)
    across = np.stack([-e[:, 1], e[:, 0]], axis=1)[:, :, None]
    found: Floats = across / np.sqrt(_turned(across) @ sigma @ across)
    return found


def beyond_data(predicts: str | Prediction, process: Process, t: Floats) -> tuple[Floats, Floats]:
    """(P, Q), (n, k - 1, k) and (n, k - 1, q), with w = P z + Q out, `predicts` naming out; exactly 0 for `data`.

    At the times t (n,) of a process.
    """
    asked, g = prediction(predicts), _turned(complement(process, t))
    if asked is DATA:
        return np.zeros((len(t), g.shape[1], process.blocks)), np.zeros((len(t), g.shape[1], 1))
    P, Q = to_score(asked, process, t)
    row = g @ process.kernel(t)[1]
    return g + row @ P, row @ Q


def deviation(process: Process, t: Floats, sigma_data: float | Floats) -> Floats:
    """c, the posterior deviation of a coordinate under the Gaussian law, (n,): sigma_data s / hypot(sigma_data, s).

    At the times t (n,) of a process, s its level there.
    """
    s = process.level(t)
    return np.asarray(sigma_data * s / np.hypot(sigma_data, s), dtype=np.float64)


def _posterior(process: Process, t: Floats, sigma_data: float | Floats) -> tuple[Floats, Floats]:
    e, sigma = process.kernel(t)
    return (inverse(sigma) @ e[:, :, None])[:, :, 0], deviation(process, t, sigma_data)


def skip(sigma: Floats) -> Floats:
    """C_skip of `noise-skip`, -1 over the momentum variance of the kernel, (n, 1, 1) (PSLD's first mixed score)."""
    return -1 / sigma[:, -1:, -1:]


def _turned(blocks: Floats) -> Floats:
    return np.swapaxes(blocks, 1, 2)
