"""The judgement of a network is that of its data prediction, beside the best linear denoiser."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import InputError, Network
from numtoolkit.laws import Empirical, Gaussian
from numtoolkit.problem.predictions import convert
from numtoolkit.problem.processes import process as process_of
from numtoolkit.training.data import Data
from numtoolkit.training.judge import Judgement, judge

RANDOM = np.random.default_rng(0)
AXES = RANDOM.normal(size=(3, 3))
GAUSSIAN = Data("gaussian", *((RANDOM.normal(size=(n, 3)) @ AXES).astype(np.float32) for n in (4000, 400)))
TWO = Data("two", *(RANDOM.choice([-1.0, 1.0], (n, 1)).astype(np.float32) for n in (400, 400)))


def test_the_exact_network_of_the_training_covariance_is_the_linear_denoiser():
    """Its numbers are those of the linear denoiser to rounding, and it does not pass."""
    law = Gaussian(GAUSSIAN.mean, GAUSSIAN.covariance)
    found = judge(Network.of(law), GAUSSIAN)
    assert found.ratios == pytest.approx(np.ones(5), rel=1e-10)
    assert not found.passed
    assert found.levels[-1] == pytest.approx(GAUSSIAN.deviation)


@pytest.mark.parametrize(
    ("process", "predicts"), [("vp", "noise"), ("flow", "flow"), ("psld", "noise"), ("cld", "noise-skip")]
)
def test_a_prediction_is_judged_by_the_data_prediction_that_it_is(process, predicts):
    """On two points, where the exact denoiser is tanh: the same numbers, whatever it predicts."""
    own = process_of(process)
    law = Empirical(np.array([[-1.0], [1.0]]))

    def function(z, t):
        blocks = [z] if own.blocks == 1 else [z[:, 0], z[:, 1]]
        P, Q = (part[0] for part in convert("data", predicts, own, np.array([t])))
        data = law.denoise(*own.observe(blocks, t))
        out = [sum(c * z for c, z in zip(P[i], blocks, strict=True)) + Q[i, 0] * data for i in range(len(P))]
        return out[0] if len(out) == 1 else np.stack(out, 1)

    network = Network(function, predicts, time="float", shape=(1,), process=process)
    found, exact = judge(network, TWO), judge(Network.of(law), TWO)
    assert exact.ratios[0] < 1e-6
    if own.blocks == 1:  # the same noise at the same levels
        assert found.network == pytest.approx(exact.network, rel=1e-9, abs=1e-12)
    assert found.network[3:] == pytest.approx(exact.network[3:], rel=0.2)
    y = 1 + found.levels[-1] * np.random.default_rng(1).normal(size=100_000)
    assert found.network[-1] == pytest.approx(np.mean((1 - np.tanh(y / found.levels[-1] ** 2)) ** 2), rel=0.2)


def test_a_network_passes_if_it_gains_at_every_level():
    """At 0.8 of the linear denoiser or below; one level above it is enough to fail."""
    linear = (1.0, 2.0, 3.0)
    assert Judgement((0.1, 0.2, 0.3), (0.79, 1.59, 0.5), linear).passed
    assert not Judgement((0.1, 0.2, 0.3), (0.79, 1.61, 0.5), linear).passed


def test_the_judge_refuses_data_of_another_shape():
    """The network says its shape, and so do the data."""
    with pytest.raises(InputError, match="takes samples of shape"):
        judge(Network.of(Gaussian(np.zeros(2), 1.0)), GAUSSIAN)
