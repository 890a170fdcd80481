"""Predictions are what they are called: known on a data set of one point, where data and noise are."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.problem.predictions import PREDICTIONS, convert, from_score, prediction, to_score
from numtoolkit.problem.processes import EDM, PSLD, VP, CosineVP, RectifiedFlow

TIMES = np.array([0.05, 0.4, 0.9])
POINT = 0.7  # where all data lie


def of_one_point(process):
    """State, score and every prediction (n, k or 1) at TIMES, from the point and standard normals (n, k)."""
    e, sigma = process.kernel(TIMES)
    noise = np.random.default_rng(0).standard_normal(e.shape)
    root = np.linalg.cholesky(sigma)
    deviation = np.einsum("nij,nj->ni", root, noise)
    z = POINT * e + deviation
    score = -np.einsum("nij,nj->ni", np.linalg.inv(sigma), deviation)
    flow = np.einsum("nij,nj->ni", process.drift(TIMES), z)
    known = {
        "data": np.full((len(TIMES), 1), POINT),
        "noise": noise,
        "score": score,
        "flow": flow - np.einsum("nij,nj->ni", process.diffusion(TIMES), score) / 2,
    }
    if process.blocks == 1:
        known["velocity"] = e * noise - np.sqrt(sigma[:, 0]) * POINT
    else:
        known["noise-r"] = np.linalg.solve(process.moving_root(TIMES), deviation[:, :, None])[:, :, 0]
        skipped = -z / sigma[:, 1, 1, None] - score  # what the skip -z / Sigma_mm leaves of the score
        known["noise-skip"] = np.einsum("nji,nj->ni", root, skipped)
    return z, score, known


def affine(blocks, z, value):
    P, Q = blocks
    return np.einsum("nij,nj->ni", P, z) + np.einsum("nij,nj->ni", Q, value)


@pytest.mark.parametrize(
    "process", [VP(), CosineVP(), EDM(), RectifiedFlow(), PSLD(), PSLD(beta_min=4, beta_max=12)], ids=lambda p: p.spec
)
def test_each_prediction_of_one_point_is_what_it_is_called(process):
    """Noise, velocity alpha eps - sigma x_0, flow F z - G G' S / 2 and the rest, and from each of them the others."""
    z, score, known = of_one_point(process)
    assert set(known) == {name for name, each in PREDICTIONS.items() if process.kind in each.kinds}
    for name, value in known.items():
        # 1e-9: the condition of Sigma in phase space, 1e5 at these times, on numbers of size 1e2
        np.testing.assert_allclose(affine(from_score(name, process, TIMES), z, score), value, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(affine(to_score(name, process, TIMES), z, value), score, rtol=1e-9, atol=1e-9)
        for other, asked in known.items():
            np.testing.assert_allclose(affine(convert(name, other, process, TIMES), z, value), asked, 1e-8, 1e-8)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("epsilon", "noise"), ("v_prediction", "velocity"), ("v-prediction", "velocity"), ("sample", "data"),
     ("flow_prediction", "flow"), ("Noise", "noise"), ("noise_r", "noise-r")],
)  # fmt: skip
def test_predictions_are_found_by_their_names_in_diffusers(theirs, ours):
    """prediction_type of its schedulers, read in either case and with _ for -."""
    assert prediction(theirs) is PREDICTIONS[ours]


def test_a_misspelt_prediction_of_diffusers_is_answered_with_the_nearest():
    """Its names count among those that match."""
    with pytest.raises(InputError, match="unknown prediction 'v_predicton'; did you mean v-prediction"):
        prediction("v_predicton")
