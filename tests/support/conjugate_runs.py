"""Runs of conjugate schemes on N(mean, 1/4): their largest error, and the blocks of each step."""

from __future__ import annotations

from functools import cache

import numpy as np

from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, gaussian_flow
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import CLD, PSLD, VP, CosineVP
from numtoolkit.program.program import Affine, lower
from numtoolkit.schemes import scheme

RISING = PSLD(beta_min=4, beta_max=12)
PHASE = (PSLD(), RISING, CLD())
SCALAR = (VP(), CosineVP())
ALL = (*SCALAR, *PHASE)
IDS = [p.spec for p in ALL]
CENTRED, OFF_CENTRE = 0.0, 0.3  # means of the data of psld.md 5.2 and 7.2


def starts(process):
    """The states of psld.md 7.1: (0,0), (1,0), (0,1); 0 and 1 on a scalar process."""
    return np.vstack([np.zeros(process.blocks), np.eye(process.blocks)])


@cache
def exact_ends(process, mean):
    X = gaussian_flow(process, np.array([0.25]), process.T, process.t_min)[0]
    first, last = process.kernel(np.array([process.T, process.t_min]))[0]
    return (starts(process) - mean * first) @ X.T + mean * last


def largest_error(name, process, mean, steps):
    """Of a component, on the quadratic grid and data N(mean, 1/4)."""
    R, r = affine_map(lower(scheme(name), process, grid("quadratic", process, steps)), Gaussian(mean, 0.25))
    return float(np.abs(starts(process) @ R[0].T + r[0] - exact_ends(process, mean)).max())


def norm(blocks):
    return np.linalg.norm(blocks, axis=(1, 2))


def left_over(B, K, L, M):
    """The bracket of the local error."""
    return B @ B - B @ K + L @ B + M


def factors(name, process, times, network="noise"):
    """The blocks on the state and on the network's output of each step."""
    program = lower(scheme(name), process, np.asarray(times), network)
    rows = [i for step in program.steps for i in step.instructions if isinstance(i, Affine) and i.name == "out"]
    return [tuple(np.array(dict(row.terms)[source]) for source in ("y", "E0")) for row in rows]
