"""The runner: what runs is the program, the same numbers in numpy and torch, for every split, dtype and rerun."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from numtoolkit import Network, process, sample
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.grids import grid
from numtoolkit.laws import NAMED, Empirical, Gaussian
from numtoolkit.program import Call, evaluations, lower
from numtoolkit.sampling import noise
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.locate import unrolled
from numtoolkit.sampling.loop import plain, run
from numtoolkit.sampling.runner import denoising
from numtoolkit.sampling.state import join, split
from numtoolkit.schemes import catalogue, scheme

STEPS, BATCH = 6, 5
GRIDS = {"vp": "log-snr", "edm": "rho", "flow": "angle", "psld": "quadratic"}
CASES = [
    pytest.param(scheme(text), process(name), id=f"{text}-{name}")
    for own in catalogue()
    for text in ([own.spec] if own.family != "conjugate" else [own.spec, f"{own.name}(shift=1/3)"])
    for name in own.processes
]
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def times_of(law, steps=STEPS):
    return grid(GRIDS[law.name], law, steps)


def event_of(law, *event):
    """Public shape of one sample."""
    return event if law.blocks == 1 else (law.blocks, *event)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def cubic(z, t):
    """A data prediction of additions and multiplications only, told the time; z (batch, ...) of either library."""
    x = z if z.ndim == 2 else z[:, 0] - z[:, 1] * 0.25
    return x * 0.5 - x * x * x * 0.001 + t[:, None] * 0.125


def both(law, blocks):
    """Numpy blocks, and the same numbers as tensors."""
    return blocks, [torch.from_numpy(block.copy()) for block in blocks]


def drawn(law, seed, like):
    """Standard normals of (step, slot), the same numbers in numpy and torch."""

    def at(step, slot):
        blocks = split(normal(*event_of(law, BATCH, 4) if law.blocks == 1 else (BATCH, 2, 4), seed=[seed, step, slot]), law.blocks)
        return both(law, blocks)[like is torch]

    return at
