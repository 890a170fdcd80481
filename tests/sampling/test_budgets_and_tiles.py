"""A run has the times that its budget takes, and its network sees tiles of one size."""

from __future__ import annotations

import pytest

from numtoolkit import Network, process, sample
from numtoolkit.errors import InputError
from numtoolkit.program.runs import times_of
from numtoolkit.schemes import scheme


def test_a_grid_to_noise_level_zero_has_the_steps_that_spend_the_budget_there():
    """Heun's method spends six evaluations in 3 steps of two, but on the way to zero in 2, 2, 1 and 1."""
    own, on = scheme("heun-edm"), process("edm")
    assert len(times_of(own, on, "rho(7)", nfe=6)) == 3 + 1
    assert len(times_of(own, on, "rho(7, zero=1)", nfe=6)) == 4 + 1


def test_own_points_must_be_as_many_as_the_budget_takes_steps():
    """Refused before a network is called."""
    with pytest.raises(InputError, match="3 evaluations in 3 steps, but the grid has 2"):
        times_of(scheme("ddim"), process("edm"), [80.0, 1.0, 0.1], nfe=3)


def test_a_network_sees_batches_of_one_size():
    """The last tile is filled up, and what fills it is dropped."""
    sizes = []

    def network(z, t):
        sizes.append(len(z))
        return z * 0.5

    result = sample(
        "ddim",
        network=Network(network, "data"),
        process="vp",
        grid="uniform",
        steps=2,
        seeds=range(10),
        shape=3,
        batch=4,
    )
    assert (sizes, len(result.samples)) == ([4] * 6, 10)
