"""What the tests of the runner share: the catalogue as cases, a network, starts and noises, and a run in one call."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from numtoolkit import process
from numtoolkit.problem.grids import grid
from numtoolkit.program.program import lower
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.loop import plain, run
from numtoolkit.schemes import catalogue, scheme
from tests.support.tiers import in_sample

STEPS, BATCH = 6, 5
GRIDS = {
    "vp": "log-snr",
    "vp-cosine": "log-snr",
    "edm": "rho",
    "flow": "angle",
    "psld": "quadratic",
    "cld": "quadratic",
}
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
EPS = np.finfo(float).eps


@cache
def cases(keep=lambda own: True):
    """Every scheme of the catalogue on each of its processes, the conjugate ones also with a shift."""
    specs = [(own, own.spec) for own in catalogue() if keep(own)]
    specs += [(own, f"{own.name}(shift=1/3)") for own, _ in specs if any(p.name == "shift" for p in own.params)]
    return tuple(
        pytest.param(scheme(text), process(name), id=f"{text}-{name}") for own, text in specs for name in own.processes
    )


def at_first(own, law):
    """Whether a case is that of a scheme, as it is by default, on the first of its processes."""
    return law.name == own.processes[0] and not own.values


def stands_for_its_structure(own, law):
    """Whether a case is such a one of a scheme that stands for others."""
    return in_sample(own) and at_first(own, law)


def is_ode(own):
    return own.kind == "ode"


def cubic(z, t):
    """A bounded data prediction of comparisons, sums and products only; z is (batch, 4), or (batch, 2, 4) on PSLD."""
    x = (z if z.ndim == 2 else z[:, 0] - z[:, 1] * 0.25).clip(-3.0, 3.0)
    return x * 0.5 - x * x * x * 0.0625 + t[:, None].clip(0.0, 1.0) * 0.125


class Linear(torch.nn.Linear):
    """A module as networks are: of the state and the time."""

    def forward(self, z, t):
        return super().forward(z)


def normal(law, seed, event=(4,)):
    """Standard normal numpy blocks of a batch on a process."""
    return list(np.random.default_rng(seed).standard_normal((law.blocks, BATCH, *event)))


def tensors(blocks):
    return [torch.from_numpy(block.copy()) for block in blocks]


def program_of(own, law, predicts="data", steps=STEPS):
    return lower(own, law, grid(GRIDS[law.name], law, steps), predicts)


def answering(program, call):
    """A network's call as the program makes it: where it takes two outputs, both are the one that there is."""
    return (lambda row, t: [*call(row, t)] * 2) if program.both else call


def answered(own, network):
    """The network itself, or guided nowhere for a scheme that takes two outputs: then they agree, of one call each."""
    return network.guided(2, network, interval=(1e8, 1e9)) if own.both else network


def follow(own, law, network, start, turn=lambda blocks: blocks, **keywords):
    """The end of a run from `start` with fixed normals, each passed through `turn`."""
    program = program_of(own, law, network.predicts)
    return run(
        program,
        answering(program, network.on(law)),
        start,
        lambda step, slot: turn(normal(law, [step, slot])),
        **keywords,
    )


def gap_over_bound(terms, update=fused):
    """|update - plain| over n eps sum |c a| of the dtype, at worst; half precisions round each coefficient as well."""
    dtype = terms[0][1].dtype
    sides = 2 if dtype.itemsize == 2 else 1
    size = sum(abs(c) * a.double().abs() for c, a in terms)
    gap = (update(terms).double() - plain(terms).double()).abs()
    bound = sides * len(terms) * torch.finfo(dtype).eps * size + torch.finfo(dtype).tiny
    return float((gap / bound).max())
