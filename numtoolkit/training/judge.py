"""How a network is judged that has no closed form: on data held out, beside the best linear denoiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, cholesky, host
from numtoolkit.errors import InputError, text, whole
from numtoolkit.models.by_reference import network_of
from numtoolkit.models.calls import call_of, placed, takes
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.predictions import DATA, convert, prediction
from numtoolkit.problem.processes import process as process_of
from numtoolkit.sampling.noise import START, normals
from numtoolkit.training.data import Data, data_of

SHARES = (0.1, 0.18, 0.32, 0.56, 1.0)  # of the deviation of the data: the noise levels that are asked
GAIN = 0.2  # by which a network that ships is better than the linear denoiser, at every one of these levels
TILE = 512
MOST_COPIES = 1024  # of a sample, which are held at once


@dataclass(frozen=True)
class Judgement:
    """Mean squares of x_0 - D on data held out, a number for each noise level.

    levels   noise levels s
    network  of the network's data prediction
    linear   of the best linear denoiser of the mean and covariance of the data trained on, at the same states
    """

    levels: tuple[float, ...]
    network: tuple[float, ...]
    linear: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Network over linear: below 1 it knows more of the data than their covariance."""
        return tuple(own / other for own, other in zip(self.network, self.linear, strict=True))

    @property
    def passed(self) -> bool:
        """Whether it is better by `GAIN` at every level."""
        return max(self.ratios) <= 1 - GAIN


def judge(network: Any, data: Data | str, copies: int = 4, seed: int = 0) -> Judgement:
    """The data prediction of a network on the data held out, at `SHARES` of their deviation as noise levels.

    network  a `Network` of any prediction, or what names one, "network:digits-image", on its own process, or on EDM if
             it says none; with conditions if its function takes a third argument and the data have labels
    data     which it was trained on a part of; or by name, as `numtoolkit.training.data.data_of` reads it
    copies   noises of each sample
    seed     of the noise
    raises   InputError for a network of another shape, and what is no network or no data
    cost     5 copies len(data.held) evaluations
    """
    whole("copies", copies, 1, MOST_COPIES)
    network = network_of(network)
    data = data if isinstance(data, Data) else data_of(text("data", data))
    if network.shape is not None and tuple(network.shape) != data.shape:
        raise InputError(
            f"network {network.name} takes samples of shape {network.shape}, not {data.shape}; give its data."
        )
    process = process_of("edm") if getattr(network, "process", None) is None else network.process
    x0 = np.repeat(data.held.astype(np.float64), copies, 0)
    told = data.held_labels is not None and takes(network, Conditions([0]))
    labels = np.repeat(data.held_labels, copies, 0) if told else None  # type: ignore[arg-type]
    levels = tuple(share * data.deviation for share in SHARES)
    noise = normals([seed], START, 0, (len(x0), process.blocks, *data.shape))[0]
    own: list[float] = []
    linear: list[float] = []
    for t in process.time_of_level(np.array(levels)):
        e, sigma = process.kernel(np.array([t]))
        root = cholesky(sigma)[0]
        blocks = [e[0, j] * x0 + sum(root[j, i] * noise[:, i] for i in range(j + 1)) for j in range(process.blocks)]
        y, s = process.observe(blocks, float(t))
        for squares, denoised in (
            (own, _data_prediction(network, process, blocks, float(t), labels)),
            (linear, _linear(data, y, s)),
        ):
            squares.append(float(np.mean((x0 - denoised) ** 2)))
    return Judgement(levels, tuple(own), tuple(linear))


def _data_prediction(network: Any, process: Any, blocks: list[Floats], t: float, labels: Any) -> Floats:
    """E[x_0 | z] as the network has it, float64 (batch, *shape), tile by tile."""
    like = placed(network)
    P, Q = (part[0] for part in convert(prediction(network.predicts), DATA, process, np.array([t])))
    parts = []
    for first in range(0, len(blocks[0]), TILE):
        place = slice(first, first + TILE)
        told = None if labels is None else Conditions(labels[place])
        out = call_of(network, process, told)([like(block[place]) for block in blocks], t)
        terms = [c * block[place] for c, block in zip(P[0], blocks, strict=True)]
        terms += [c * host("output", block).astype(np.float64) for c, block in zip(Q[0], out, strict=True)]
        parts.append(sum(terms))
    return np.concatenate(parts)


def _linear(data: Data, y: Floats, s: float) -> Floats:
    """mu + C (C + s^2)^-1 (y - mu), the best linear denoiser of the law with that mean and covariance."""
    gain = np.linalg.solve(data.covariance + s**2 * np.eye(len(data.covariance)), data.covariance)
    return data.mean + ((y - data.mean).reshape(len(y), -1) @ gain).reshape(y.shape)
