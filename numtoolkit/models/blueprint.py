"""What a trained network is rebuilt from, and how its inputs and outputs are scaled: plain data, without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, choice, real, several, text, whole
from numtoolkit.problem.predictions import DATA, Prediction, outputs, prediction, residual_to_score
from numtoolkit.problem.processes import PROCESSES, Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.spec_text import parse

ARCHITECTURES, SKIPS = ("mlp", "unet"), ("gaussian", "none")
WIDEST, DEEPEST, LARGEST, MOST_CLASSES = 4096, 64, 1 << 20, 1 << 16  # of networks that a file may ask for


@dataclass(frozen=True)
class Blueprint:
    """What a network is rebuilt from, but for its weights.

    architecture  of `numtoolkit.models.architectures`: "mlp", or "unet" for pictures, whose sides halve depth - 1 times
    shape         of one sample, (C, H, W), or (H, W) for one channel; any for "mlp"
    process       that it was trained on, a specification
    predicts      the name of a prediction. One of "data" on a process with one block sees an observation, and so runs
                  on every process; any other runs on its own process alone
    deviation     of the data, as of EDM (sigma_data): the inputs are scaled to unit deviation by it
    width, depth  numbers of channels and of blocks, or resolutions of "unet"
    dropout       share of the channels inside each block that a step of training drops
    classes       of the labels that it is told; 0 for none
    skip          "gaussian", what is trained being what the Gaussian law of that deviation leaves; "none", the output
    raises        InputError for a value out of range, and a prediction that is not defined on the process
    """

    architecture: str
    shape: tuple[int, ...]
    process: str
    predicts: str
    deviation: float
    width: int
    depth: int
    dropout: float = 0.0
    classes: int = 0
    skip: str = "gaussian"

    def __post_init__(self) -> None:
        choice("architecture", self.architecture, ARCHITECTURES)
        for extent in several("shape", self.shape):
            whole("shape", extent, 1, LARGEST)
        if not self.shape or math.prod(self.shape) > LARGEST:
            raise InputError(f"shape = {list(self.shape)} has no number or more than {LARGEST}; give a smaller one.")
        outputs(self.predicts, self.on)
        choice("skip", self.skip, SKIPS)
        if not real("deviation", self.deviation, 0) > 0:
            raise InputError(f"deviation = {self.deviation} is that of a point; give a number > 0.")
        whole("width", self.width, 16, WIDEST)
        if self.width % 8:
            raise InputError(f"width = {self.width} is no multiple of 8, in which channels are normalised; give one.")
        whole("depth", self.depth, 1, DEEPEST)
        real("dropout", self.dropout, 0, 0.9)
        whole("classes", self.classes, 0, MOST_CLASSES)
        if self.architecture == "unet":
            self._check_sides()

    def _check_sides(self) -> None:
        """raises InputError for a shape that is no picture, or whose sides cannot be halved often enough"""
        part = 2 ** (self.depth - 1)
        if len(self.shape) not in (2, 3) or any(side % part for side in self.shape[-2:]):
            raise InputError(
                f"shape = {list(self.shape)} is no picture whose sides are multiples of {part}, as a unet of depth "
                f"{self.depth} halves them; give another depth, or 'mlp'."
            )

    @property
    def on(self) -> Process:
        """The process it was trained on."""
        return _process(self.process)

    @property
    def prediction(self) -> Prediction:
        """What it predicts."""
        return prediction(self.predicts)

    @property
    def sees_observation(self) -> bool:
        """Whether it sees an observation, x_0 + s n, and not a state of its process."""
        return self.prediction is DATA and self.on.blocks == 1


@lru_cache
def _process(specification: str) -> Process:
    """A process that is declared here, for a file must not make another be run; InputError for any other."""
    choice("process", parse(text("process", specification)).name, PROCESSES)
    return process_of(specification)


class Scales(NamedTuple):
    """out = skip z + outer F(inner z, level), F the trained function of k blocks with q outputs, at times (n,).

    inner  (n, k): a block of Gaussian data of that deviation comes in with deviation 1
    level  (n,): log(s) / 4 of the noise level s, as EDM tells the noise
    skip   (n, q, k)
    outer  (n, q)
    """

    inner: Floats
    level: Floats
    skip: Floats
    outer: Floats


def scales(own: Blueprint, t: Floats) -> Scales:
    """How a network is scaled at the times t (n,).

    With skip "gaussian" each of the q functions predicts the residual u = (D - D_g) / c that frames freeze too, D_g and
    c the posterior mean and deviation of the law N(0, deviation^2 I): a prediction is affine in the score, which is
    S = -V^-1 z + c a u. On EDM, of data, skip, outer, inner and level are c_skip, c_out, c_in and c_noise of Karras et
    al. (2022, table 1); in a phase space it is the mixed score with C_skip = -V^-1, V the covariance of z by that law.
    """
    process, n = own.on, len(t)
    e, sigma = process.kernel(t)
    inner = 1 / np.sqrt(own.deviation**2 * e**2 + np.diagonal(sigma, axis1=1, axis2=2))
    level = np.log(process.level(t)) / 4
    if own.skip == "none":
        q = outputs(own.predicts, process)
        return Scales(inner, level, np.zeros((n, q, process.blocks)), np.ones((n, q)))
    by_state, by_score = own.prediction.from_score(process, t)
    P, Q = residual_to_score(process, t, own.deviation)
    return Scales(inner, level, by_state + by_score @ P, (by_score @ Q)[:, :, 0])
