"""Runs on a rotated, anisotropic Gaussian off centre, in its eigenbasis, on a process of each kind."""

from __future__ import annotations

import numpy as np

from numtoolkit.laws import Gaussian
from numtoolkit.problem.predictions import convert
from numtoolkit.problem.processes import EDM, PSLD, VP, Process, RectifiedFlow
from numtoolkit.program.program import Program
from numtoolkit.sampling.noise import START, normals

PROCESSES: tuple[Process, ...] = (VP(), EDM(), RectifiedFlow(), PSLD(), PSLD(beta_min=4, beta_max=12))
IDS = [f"{p.name}-{getattr(p, 'beta_max', '')}" for p in PROCESSES]
# Rotated, anisotropic and off centre, so that a wrong basis, gain or mean shows.
ROTATED = Gaussian([0.3, -0.5, 0.1], [[0.25, 0.12, -0.02], [0.12, 0.1, 0.0], [-0.02, 0.0, 0.05]])


def network(program: Program, law):
    """The law as the network the program calls, whatever that predicts; two outputs agree."""

    def call(z, t):
        data = law.denoise(*program.process.observe(z, t))
        P, Q = (block[0] for block in convert("data", program.network, program.process, np.array([t])))
        out = [sum(P[i, j] * z[j] for j in range(len(z))) + Q[i, 0] * data for i in range(len(P))]
        return out * (1 + program.both)

    return call


def starts(process: Process, shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    """Normal noise with the covariance of the prior, one array a state block."""
    xi = normals(range(count), START, 0, (process.blocks, *shape))
    return list(np.tensordot(np.linalg.cholesky(process.prior()), np.moveaxis(xi, 1, 0), 1))


def in_basis(law: Gaussian, blocks) -> np.ndarray:
    """State blocks (n, d) in the eigenbasis, (n, d, k)."""
    basis = law.eigen()[0]
    return np.stack([z if basis is None else z @ basis for z in blocks], axis=-1)
