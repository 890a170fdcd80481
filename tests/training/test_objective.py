"""What training regresses on is what its module says: exact on Gaussian laws, for every prediction on every process."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from numtoolkit.arrays import cholesky
from numtoolkit.laws import Gaussian
from numtoolkit.models.blueprint import Blueprint, scales
from numtoolkit.problem.predictions import convert
from numtoolkit.training.objective import Mesh, loss, mesh, times

DEVIATION, LEVELS = 0.54, (-1.0, 1.6)
ALL = [
    ("edm", "data"), ("edm", "noise"), ("vp", "noise"), ("vp", "velocity"), ("flow", "flow"), ("flow(T=1)", "flow"),
    ("psld", "noise"), ("psld", "noise-skip"), ("psld", "score"), ("psld", "data"), ("cld", "noise"),
]  # fmt: skip


def blueprint(process, predicts, skip="gaussian"):
    return Blueprint("mlp", (2,), process, predicts, DEVIATION, 16, 1, skip=skip)


@pytest.mark.parametrize(("process", "predicts"), ALL)
def test_the_regression_of_a_gaussian_law_has_variance_1_and_knows_nothing_of_the_state(process, predicts):
    """With a Gaussian skip the target has deviation 1 at every time, and no covariance with the network's input."""
    at = mesh(blueprint(process, predicts), LEVELS, 64)
    v = DEVIATION**2
    assert at.A**2 * v + (at.B**2).sum(-1) == pytest.approx(np.ones(at.A.shape), abs=1e-9)
    with_state = v * at.A[:, :, None] * at.E[:, None, :] + at.B @ np.swapaxes(at.R, 1, 2)
    assert np.abs(with_state).max() < 1e-9
    # and the blocks of the input have deviation 1
    assert v * at.E**2 + (at.R**2).sum(-1) == pytest.approx(np.ones(at.E.shape), abs=1e-12)


@pytest.mark.parametrize(("process", "predicts"), ALL)
@pytest.mark.parametrize("skip", ["gaussian", "none"])
def test_the_loss_of_an_exact_network_is_its_closed_form(process, predicts, skip):
    """On a Gaussian law of its own mean and variance the loss is the mean conditional variance of the target.

    That is A A' v + B B' - C W^-1 C' for the covariances C of target and input and W of the input. The mean of squares
    of n normal numbers has the relative deviation sqrt(2 / n), and it is held to six of them.
    """
    own, variance, mean = blueprint(process, predicts, skip), 0.09, 0.7
    at, count = mesh(own, LEVELS, 32), 4096
    law = Gaussian(np.full(2, mean), variance)
    A, B, E, R = (np.asarray(part) for part in (at.A, at.B, at.E, at.R))
    C = variance * A[:, :, None] * E[:, None, :] + B @ np.swapaxes(R, 1, 2)
    W = variance * E[:, :, None] * E[:, None, :] + R @ np.swapaxes(R, 1, 2)
    own_part = C @ np.linalg.solve(W, np.swapaxes(C, 1, 2))
    left = variance * A**2 + (B**2).sum(-1) - np.diagonal(own_part, axis1=1, axis2=2)
    t = times(own, LEVELS, 32)
    scaled = scales(own, t)

    def raw(x, level, labels):
        """The exact network in place of a trained one: F = (out - skip z) / outer at the one time of the batch."""
        n = int(np.argmin(abs(at.level - float(level[0]))))
        blocks = [x[:, j].numpy() / scaled.inner[n, j] for j in range(x.shape[1])]
        data = law.denoise(*own.on.observe(blocks, float(t[n])))
        P, Q = (part[0] for part in convert("data", predicts, own.on, t[n : n + 1]))
        out = [sum(c * z for c, z in zip(P[i], blocks, strict=True)) + Q[i, 0] * data for i in range(len(P))]
        skips = [sum(c * z for c, z in zip(row, blocks, strict=True)) for row in scaled.skip[n]]
        return torch.from_numpy(np.stack([(o - s) / c for o, s, c in zip(out, skips, scaled.outer[n], strict=True)], 1))

    torch.manual_seed(0)
    for n in (0, 16, 31):
        rows = Mesh(*(torch.from_numpy(np.repeat(part[n : n + 1], count, 0)) for part in at))
        x0 = torch.from_numpy(law.sample(count, n))
        found = float(loss(raw, rows, x0, torch.randn(count, E.shape[1], 2, dtype=torch.float64)))
        assert found == pytest.approx(left[n].mean(), rel=6 * math.sqrt(2 / (2 * count)), abs=1e-12)


def test_scales_of_data_on_edm_are_those_of_karras():
    """c_skip, c_out, c_in and c_noise of table 1 of Karras et al. (2022)."""
    s = np.array([0.002, 0.3, 80.0])
    found = scales(blueprint("edm", "data"), s)
    both = np.hypot(DEVIATION, s)
    assert found.skip[:, 0, 0] == pytest.approx((DEVIATION / both) ** 2, rel=1e-12)
    assert found.outer[:, 0] == pytest.approx(s * DEVIATION / both, rel=1e-12)
    assert found.inner[:, 0] == pytest.approx(1 / both, rel=1e-12)
    assert found.level == pytest.approx(np.log(s) / 4)


def test_without_a_skip_the_target_of_the_noise_is_the_noise():
    """A = 0 and B = 1 for the noise of every process; PSLD's mixed score is eps - L' z / Sigma_mm."""
    for process in ("vp", "psld", "cld"):
        at = mesh(blueprint(process, "noise", "none"), LEVELS, 16)
        assert np.abs(at.A).max() < 1e-9
        assert at.B == pytest.approx(np.broadcast_to(np.eye(at.B.shape[1]), at.B.shape), abs=1e-9)
    own = blueprint("psld", "noise-skip", "none")
    at, t = mesh(own, LEVELS, 16), times(own, LEVELS, 16)
    e, sigma = own.on.kernel(t)
    back = np.swapaxes(cholesky(sigma), 1, 2) / sigma[:, 1:, 1:]
    assert at.A == pytest.approx(-(back @ e[:, :, None])[:, :, 0], rel=1e-9)
    assert at.B == pytest.approx(np.eye(2) - back @ cholesky(sigma), rel=1e-9, abs=1e-9)


def test_times_are_quantiles_of_the_noise_level_or_uniform():
    """Half of the levels are below exp(mean), the others above; of no levels the times are evenly spaced."""
    own = blueprint("psld", "noise")
    levels = own.on.level(times(own, (-1.0, 0.7), 1000))
    assert np.log(levels).mean() == pytest.approx(-1.0, abs=1e-3)
    assert np.log(levels).std() == pytest.approx(0.7, abs=0.01)
    t = times(own, (), 100)
    assert np.diff(t) == pytest.approx(np.full(99, (own.on.T - own.on.t_min) / 100))
    far = times(own, (50.0, 1.0), 4)  # cut at the end of the process
    assert far == pytest.approx(np.full(4, own.on.T))
