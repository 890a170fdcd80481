"""A run that leaves the finite numbers is traced to its step, stage, time and sample."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample
from numtoolkit.errors import NonFiniteError
from numtoolkit.program.walk import evaluations, plain
from numtoolkit.sampling.locate import first_nonfinite
from numtoolkit.schemes import scheme
from tests.support.sampling_cases import (
    BATCH,
    answering,
    at_first,
    cases,
    cubic,
    normal,
    program_of,
    stands_for_its_structure,
)
from tests.support.tiers import breadth

POISONED = Network(lambda z, t: torch.where((t[:, None] < 10) & (z == 0), float("nan"), z * 0.5), "data")


def marked_run(zero, own="heun-edm", seeds=range(100, 105), **keywords):
    """Five samples on EDM; those listed have a coordinate at 0, where the network returns NaN below t = 10."""
    start = torch.ones(5, 4)
    start[zero, 1] = 0.0
    return sample(
        own, network=POISONED, process="edm", grid=[80.0, 20.0, 5.0, 1.0], start=start, seeds=seeds, **keywords
    )


@pytest.mark.parametrize("update", ["plain", "fused"])
@pytest.mark.parametrize("batch", [None, 2, 3, 4])
def test_a_nan_is_traced_to_its_step_stage_time_and_sample(batch, update):
    """The error names sample, seed, stage, step and told time, for any split of the batch and either update."""
    with pytest.raises(NonFiniteError) as caught:
        marked_run([3], batch=batch, update=update)
    assert str(caught.value) == (
        "sample 3 (seed 103) leaves the finite numbers in evaluation E1.data of step 1 (t = 20 to 5): told t = 5, the "
        "network returned NaN or infinity for a finite input; mend the network there."
    )
    with pytest.raises(
        NonFiniteError, match=r"^sample 1 \(seed 101\), the first of 2 lost among 5, leaves .* of step 1"
    ):
        marked_run([1, 4], batch=batch, update=update)


def test_marked_runs_return_the_good_samples_unchanged():
    """With "mark" lost samples are flagged; the others keep their bits."""
    good, marked = marked_run([]), marked_run([1, 4], on_nonfinite="mark")
    assert good.finite.tolist() == [True] * 5
    assert marked.finite.tolist() == [True, False, True, True, False]
    assert torch.equal(marked.samples[marked.finite], good.samples[marked.finite])
    assert marked.samples[[1, 4]].isfinite().sum() == 6


def test_a_momentum_that_is_lost_is_found_though_its_position_is_finite():
    """Every block of the state is looked at."""
    start = np.ones((2, 2, 3))
    start[1, 1, 0] = np.inf
    network = Network(lambda z, t: z[:, 0] * 0.0, "data")
    with pytest.raises(NonFiniteError, match=r"^sample 1 is not finite in its start; "):
        sample("nse", network=network, process="psld", grid="uniform", steps=2, start=start)


def test_ways_to_leave_the_finite_numbers_are_told_apart():
    """An infinite start, an overflow of the dtype and a network that fails at random have sentences of their own."""
    keywords = {"process": "vp", "grid": "uniform", "steps": 4}
    zero = Network(lambda z, t: z * 0.0, "noise")
    with pytest.raises(NonFiniteError, match=r"^sample 1 is not finite in its start; "):
        sample("ddim", network=zero, start=np.array([[1.0], [np.inf]]), **keywords)
    with pytest.raises(NonFiniteError, match=r"^sample 0 leaves .* in row out of step 0 .* outgrows the dtype; "):
        sample("ddim", network=zero, start=torch.full((1, 2), 6e4, dtype=torch.float16), **keywords)
    turns = itertools.count()
    fickle = Network(lambda z, t: z * (np.nan if next(turns) == 2 else 0.0), "noise")
    with pytest.raises(NonFiniteError, match=r"^sample 0 is not finite, but was when the run was repeated; "):
        sample("ddim", network=fickle, start=np.ones((1, 2)), **keywords)


@pytest.mark.parametrize("batch", [None, 2])
def test_the_replay_draws_the_noise_of_the_run(batch):
    """A network that fails on states only this noise reaches: found again where it failed."""
    failed = []

    def function(z, t):
        far = (z[:, 0].abs() > 2.5).any(1, keepdim=True)
        failed.extend((float(t[0]), bool(row)) for row in far)
        return torch.where(far, float("nan"), z[:, 0] * 0.5)

    keywords = {"process": "psld", "grid": "uniform", "steps": 8, "seeds": range(BATCH), "shape": 4, "batch": batch}
    marked = sample("roba", network=Network(function, "data"), on_nonfinite="mark", **keywords)
    first, size = int(marked.finite.int().argmin()), batch or BATCH
    tile = failed[first // size * size * 8 : (first // size + 1) * size * 8]
    when = next(t for t, far in tile[first % size :: size] if far)
    with pytest.raises(NonFiniteError, match=rf"^sample {first} \(seed {first}\).* told t = {when:.6g}, "):
        sample("roba", network=Network(function, "data"), **keywords)


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_a_replay_finds_the_evaluation_at_which_a_network_failed(own, law):
    """Step and told time of the one evaluation that returned NaN are in the message, on every scheme and process."""
    program, calls = program_of(own, law), itertools.count()
    network = answering(program, Network(cubic, "data").on(law))
    wanted = evaluations(program)
    fails = len(wanted) // 2

    def failing(row, t):
        output = network(row, t)
        if next(calls) == fails:
            output[0][2] = np.nan
        return output

    error = first_nonfinite(
        program, failing, normal(law, 0), lambda step, slot: normal(law, [step, slot]), plain, 2, "sample 2"
    )
    assert f"of step {wanted[fails].step} (" in str(error)
    assert f"told t = {wanted[fails].time:.6g}, the network returned NaN" in str(error)


def test_a_noise_that_is_not_finite_is_found_where_it_was_drawn():
    """The message names the noise, not the row that used it."""
    law = process("psld")
    error = first_nonfinite(
        program_of(scheme("roba"), law),
        Network(cubic, "data").on(law),
        normal(law, 0),
        lambda step, slot: [block * (np.inf if step == 3 else 1.0) for block in normal(law, [step, slot])],
        plain,
        0,
        "sample 0",
    )
    assert str(error).startswith("sample 0 leaves the finite numbers in noise xi1 of step 3 (t = ")
