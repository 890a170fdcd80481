"""Laws of every scheme as it runs: affine maps of the data, linear networks, networks that return zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from numtoolkit import Network, sample
from numtoolkit.laws import Empirical, Gaussian
from tests.support.sampling_cases import (
    EPS,
    GRIDS,
    at_first,
    cases,
    follow,
    is_ode,
    normal,
    stands_for_its_structure,
)
from tests.support.tiers import breadth


def largest(sizes):
    """A watch that records the size of the state."""
    return lambda n, step, state, latest: sizes.append(max(float(np.abs(block).max()) for block in state))


def rounding(law, sizes, trips=1):
    """What a run may miss its own exact arithmetic by: at most 6 x 30 roundings of numbers as large as its largest
    state (1000 eps is 5 times that), magnified at most as the flow of z / alpha is on the way to the data, or, in a
    phase space, as the noise is by the factor L_t of Sigma_t that turns it into a score and back; `trips` times in a
    step that corrects with the noise at its own prediction and is then evaluated again."""
    ends = np.array([law.t_min, law.T])
    gain = np.divide(*law.alpha(ends)) if law.blocks == 1 else np.sqrt(np.linalg.cond(law.kernel(ends)[1][0]))
    return 1000 * EPS * max(sizes) * gain**trips


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_affine_maps_of_the_data_are_affine_maps_of_the_samples(own, law):
    """Rotated data, rotated noise: rotated samples; on EDM, where the mean does not move, shifted ones too.

    A scheme with a Gaussian law of its own is shifted with the mean of that law: see test_gframe.
    """
    rng = np.random.default_rng(5)
    Q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    # Lawson's schemes miss a constant: psi_1 != 0
    shifts = (
        law.name == "edm"
        and own.frozen.name != "residual"
        and not own.name.startswith("lawson")
        and own.family != "conjugate"
    )
    d = rng.standard_normal(4) * shifts
    root = rng.standard_normal((4, 4)) / 4
    mean, covariance = rng.standard_normal(4) * shifts, root @ root.T
    sizes = []
    here = follow(own, law, Network.of(Gaussian(mean, covariance)), normal(law, 0), watch=largest(sizes))
    there = follow(
        own,
        law,
        Network.of(Gaussian(Q @ mean + d, Q @ covariance @ Q.T)),
        [block @ Q.T + d for block in normal(law, 0)],
        turn=lambda blocks: [block @ Q.T for block in blocks],
    )
    for ours, theirs in zip(here, there, strict=True):
        within = rounding(law, sizes, trips=2 if own.name == "gddim-pc" else 1)
        np.testing.assert_allclose(ours @ Q.T + d, theirs, rtol=0, atol=within)


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_a_linear_network_makes_a_linear_run(own, law):
    """S(x + a y) = S(x) + a S(y) with the noises combined alike."""
    network = Network(lambda z, t: (z if z.ndim == 2 else z[:, 0] + z[:, 1] * 0.25) * 0.3, "data", time="float")
    x, y, a, sizes = normal(law, 1), normal(law, 2), 1.75, []

    def end(start, scale):
        turn = lambda blocks: [scale * block for block in blocks]  # noqa: E731
        return follow(own, law, network, start, turn=turn, watch=largest(sizes))

    together = end([p + a * q for p, q in zip(x, y, strict=True)], 1 + a)
    for ours, p, q in zip(together, end(x, 1.0), end(y, 1.0), strict=True):
        np.testing.assert_allclose(ours, p + a * q, rtol=0, atol=rounding(law, sizes))


def keeps_the_linear_part(own):
    """Not the conjugate splittings, whose rows flow one after the other, nor Lawson's schemes, for which psi_1 != 0.

    Nor a conjugation that is not 0, whose flow takes back by an Euler step what it adds.
    """
    others = ("cse", "cvv", "lawson", "conjugate-optimal")
    return is_ode(own) and own.frozen.name in ("data", "noise") and not own.name.startswith(others)


LINEAR = [case for case in cases(keeps_the_linear_part) if "shift" not in case.id]
# PNDM's weights (55, -59, 37, -9)/24 on steps of several e-folds magnify roundings more than the flow itself does
ONE_BLOCK = [
    case for case in LINEAR if case.values[1].blocks == 1 and case.id != "pndm-flow"
]  # with data 0 they are exact only there


@pytest.mark.parametrize(
    ("own", "law", "predicts"),
    breadth(
        (
            pytest.param(*case.values, predicts, id=f"{case.id}-{predicts}")
            for predicts, some in (("noise", LINEAR), ("data", ONE_BLOCK))
            for case in some
        ),
        lambda own, law, predicts: at_first(own, law),
    ),
)
def test_a_network_that_returns_zero_leaves_the_exact_linear_flow(own, law, predicts):
    """Noise 0 keeps z / alpha, data 0 keeps z / sigma; on PSLD noise 0 leaves the drift's propagator."""
    start, ends = normal(law, 3), np.array([law.T, law.t_min])
    end = follow(own, law, Network(lambda z, t: z * 0.0, predicts), start)
    if law.blocks > 1:
        first, last = law.propagator(ends)
        exact = np.einsum("ij,jbe->ibe", last @ np.linalg.inv(first), np.stack(start))
    else:
        scale = law.alpha(ends) if predicts == "noise" else law.sigma(ends)
        exact = np.stack(start) * scale[1] / scale[0]
    np.testing.assert_allclose(
        np.stack(end), exact, rtol=0, atol=rounding(law, [np.abs(start).max(), np.abs(exact).max()])
    )


def test_denoising_a_point_mass_returns_the_point():
    """The data prediction of a single image is that image, whatever the state: exact, in every process."""
    image = np.linspace(-1, 1, 6).reshape(2, 3)
    for law in GRIDS:
        result = sample(
            "euler",
            network=Network.of(Empirical(image[None])),
            process=law,
            grid=GRIDS[law],
            nfe=4,
            seeds=range(3),
            denoise=True,
        )
        assert result.nfe == 4
        assert result.steps == 3
        assert result.program.times[-1] == 0
        assert result.samples.shape == (3, 2, 3)
        assert torch.equal(result.samples, torch.tensor(image, dtype=torch.float32).expand(3, 2, 3))
