"""Gaussian laws through a run program: means and covariances in float64, without sampling.

The network of a Gaussian law is affine in the state, so every step of a program is an affine map of what it inherits
and of the normals it draws. In the eigenbasis of the law's covariance the d coordinates are independent: a step is d
small matrices (`numtoolkit.program.matrices`), and a run is their product.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numtoolkit.arrays import principal_factor
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, counted
from numtoolkit.laws import Gaussian, Law, law_of
from numtoolkit.measure.distances import kl_factors, wasserstein2_factors
from numtoolkit.measure.eigen import eigen_on
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.program.matrices import gaussian_networks, laws_along, step_maps
from numtoolkit.program.modal import Groups, groups_of
from numtoolkit.program.program import Program
from numtoolkit.program.runs import program_of


@dataclass(frozen=True)
class Normal:
    """Independent normal vectors of k state blocks, one for each of d eigen-directions of a law.

    mean (d, k), covariance (d, k, k)
    """

    mean: Floats
    covariance: Floats

    def __repr__(self) -> str:
        d, k = self.mean.shape
        return f"<Normal of {counted(k, 'block')} in {counted(d, 'direction')}>"

    def block(self, i: int) -> Normal:
        """The marginal law of state block i (0 is the data part), k = 1."""
        return Normal(self.mean[:, i : i + 1], self.covariance[:, i : i + 1, i : i + 1])


def exact_marginal(process: Process, law: Law, t: float) -> Normal:
    """The law of z_t for Gaussian data: mean e_t m, covariance v e_t e_t' + Sigma_t, in the eigenbasis of the data.

    Block 0 at t = 0 is the data law itself, on every process. On one that takes directions apart the basis is that of
    `eigen_on`.
    """
    own, at = eigen_on(process, _gaussian(law)), np.array([t])
    e, sigma = (
        np.stack([part[0] for part in parts])[own.modes]
        for parts in zip(*(mode.kernel(at) for mode in process.modes), strict=True)
    )
    return Normal(own.mean[:, None] * e, own.variances[:, None, None] * (e[:, :, None] * e[:, None, :]) + sigma)


def wasserstein2(p: Normal, q: Normal) -> float:
    """Wasserstein-2 distance of the joint laws."""
    return wasserstein2_factors(p.mean - q.mean, principal_factor(p.covariance), principal_factor(q.covariance))


def kl(p: Normal, q: Normal) -> float:
    """KL(p || q) of the joint laws in nats; inf if a covariance is singular."""
    return kl_factors(p.mean - q.mean, principal_factor(p.covariance), principal_factor(q.covariance))


def moments(
    scheme: str | Scheme | Program,
    process: str | Process | None = None,
    law: Any = None,
    grid: str | Sequence[float] | Floats | None = None,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    start: Normal | None = None,
) -> Normal:
    """The law of the final state of a run whose network is exact for a Gaussian law.

    scheme, process, grid, nfe, steps   as of `numtoolkit.program_of`, by name or as objects: moments(scheme, process,
             law, grid, nfe), or moments(program, law=law) of a Program, drawing noise or not, whatever it predicts
    law      `numtoolkit.laws.Gaussian`, or its specification
    start    law of the state at the start of the program; None is N(0, process.prior()) in every coordinate
    returns  Normal in the eigenbasis of the law, on a process that takes directions apart in that of `eigen_on`
    raises   InputError for a law that is not Gaussian, or whose directions a run mixes
    cost     O(steps * d) small matrix products in float64; about 50 us a step up to d = 64
    """
    program = program_of(scheme, process, grid, nfe, steps=steps)
    return _last(_laws(program, _gaussian(law_of(law)), start))


def _laws(program: Program, law: Law, start: Normal | None) -> Iterator[Normal]:
    """The law of the state at the start, then after each step that of it and of what is handed on beside it."""
    if start is None:
        d, k = _gaussian(law).variances.size, program.process.blocks
        start = Normal(np.zeros((d, k)), np.broadcast_to(program.process.prior(), (d, k, k)))
    yield start
    for mean, covariance in laws_along(_step_maps(program, law), start.mean, start.covariance):
        yield Normal(mean, covariance)


def _last(laws: Iterator[Normal]) -> Normal:
    return deque(laws, maxlen=1).pop()


def data_laws(program: Program, law: Law) -> list[tuple[Normal, Normal]]:
    """The law of the data block at the start and after each step of a run with an exact network, and what it should be.

    program, law   as of `end_laws`
    """
    found, times = _laws(program, law, _start(program, law)), program.times.tolist()
    return [(own.block(0), _exact(program, law, t)) for own, t in zip(found, times, strict=True)]


def end_laws(program: Program, law: Law) -> tuple[Normal, Normal]:
    """The law of the data block at the end of a run with an exact network, and the one that it should be.

    Runs start from N(0, process.prior()), or from the exact marginal where the times of the program begin below T.

    program, law   any run, and a Gaussian law
    raises         InputError for a law that is not Gaussian
    """
    found = _last(_laws(program, law, _start(program, law)))
    return found.block(0), _exact(program, law, float(program.times[-1]))


def _start(program: Program, law: Law) -> Normal | None:
    process, first = program.process, float(program.times[0])
    return exact_marginal(process, law, first) if first < process.T else None


def _exact(program: Program, law: Law, t: float) -> Normal:
    return exact_marginal(program.process, law, t).block(0)


def affine_map(program: Program, law: Law) -> tuple[Floats, Floats]:
    """(R (d, k, k), r (d, k)) with final state = R start + r, for a program that draws no noise and a Gaussian law.

    raises   InputError for a law that is not Gaussian or a program with noise; otherwise as `moments`
    """
    d, k = _gaussian(law).variances.size, program.process.blocks
    R, r = np.broadcast_to(np.eye(k), (d, k, k)), np.zeros((d, k))
    for linear, noise, shift in _step_maps(program, law):
        if noise.shape[2]:
            raise InputError(f"{program.scheme} draws noise, so its run is no fixed map; take its moments.")
        R, r = linear @ R, _apply(linear, r) + shift
    return R, r


def _gaussian(law: Law) -> Gaussian:
    if not isinstance(law, Gaussian):
        raise InputError(f"law {law.name} is not Gaussian, so it has no affine network; measure it by samples.")
    return law


def _apply(linear: Floats, vector: Floats) -> Floats:
    return (linear @ vector[:, :, None])[:, :, 0]


def _step_maps(program: Program, law: Law) -> Iterator[tuple[Floats, Floats, Floats]]:
    """The maps of the steps in the eigenbasis of the law, with its exact network."""
    own = _gaussian(law)
    _, variances, mean, _ = eigen_on(program.process, own)
    field, groups = constants(program, own)
    return step_maps(program, gaussian_networks(program, variances, mean, groups).__getitem__, field, groups)


def constants(program: Program, law: Gaussian) -> tuple[Floats, Groups]:
    """The constant source of a program in each eigen-direction of a law (d,), and the group that it is of.

    program  any; the constant source of one that was told a spectrum is the mean of that, and each direction of the law
             has to lie in one of its groups
    raises   InputError for a law whose directions lie across groups
    """
    basis, variances, _, modes = eigen_on(program.process, law)
    told = program.spectrum
    if told is None:
        field = np.ones(variances.size) if basis is None else basis.sum(axis=0)
        return field, None if program.directions is None else modes
    field = np.broadcast_to(told.mean.ravel(), variances.shape)
    return field if basis is None else field @ basis, groups_of(told, basis, variances.size)
