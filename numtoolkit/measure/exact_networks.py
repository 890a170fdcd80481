"""A law as error curves see it: runs on its exact network, where its flow ends, and samples of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from numtoolkit.arrays import Floats, lower_factor
from numtoolkit.laws import Law
from numtoolkit.laws.law import along
from numtoolkit.measure.distances import Labels, Moments, Squares, frechet, sliced_wasserstein
from numtoolkit.measure.flows import exact_flow
from numtoolkit.problem.processes import Process
from numtoolkit.program.program import Program
from numtoolkit.program.walk import Blocks
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, normals
from numtoolkit.sampling.state import Origin, coloured, origin

Seeds = tuple[int, ...]


@dataclass(frozen=True)
class Ends:
    """Where a flow takes the starts of runs: the data part, and how well and at what cost it is known.

    data         float64 (n, *event)
    evaluations  of a network of one's own, that a sample cost
    error        estimated, relative RMS; None for an exact network, whose flow is known to 1e-9 or so
    """

    data: Floats = field(repr=False)
    evaluations: int | None = None
    error: float | None = None


@dataclass(frozen=True)
class Target:
    """A law at the end of runs, as samples.

    samples  float64 (n, *event)
    floor    sliced Wasserstein distance of two independent sets of as many samples
    mean, covariance   (d,) and (d, d); None for no more samples than coordinates
    frechet_floor      Frechet distance of as many samples
    exact    of the ends of the flow from the starts of runs, where `samples` are from others
    labels   of the samples of a run and of `samples`, where they are conditioned
    """

    samples: Floats = field(repr=False)
    floor: float
    mean: Floats | None = field(default=None, repr=False)
    covariance: Floats | None = field(default=None, repr=False)
    frechet_floor: float | None = None
    exact: Squares | None = field(default=None, repr=False)
    labels: Labels = field(default=(None, None), repr=False)


@dataclass(frozen=True, eq=False)
class ExactNetwork:
    """A law and a process."""

    law: Law
    process: Process

    def __post_init__(self) -> None:
        if self.process.directions is not None:
            along(self.law, self.process.directions)  # which refuses a law that it mixes

    def run(self, program: Program, seeds: Seeds) -> Floats:
        """The data part of the final states of a run, (len(seeds), *law.shape)."""
        first = program.steps[0].start

        def network(z: Blocks, t: float) -> Blocks:
            # without guidance both outputs agree
            return [self.law.denoise(*self.process.observe(z, t))] * (1 + program.both)

        noise = _origin(self.process, self.law, first, seeds).noise(range(len(seeds)))
        final: Floats = run(program, network, self.start(first, seeds), noise)[0]
        return final

    def start(self, t: float, seeds: Seeds) -> Blocks:
        """Where runs begin: noise at T, samples of the marginal below it."""
        return _start(self.process, self.law, t, seeds)

    def ends(self, t0: float, t1: float, seeds: Seeds) -> Ends:
        """Where the flow takes the starts of the seeds from time t0 by time t1."""
        return Ends(_flow_end(self.process, self.law, t0, t1, seeds))  # type: ignore[arg-type]  # laws hash by identity

    def target(self, t0: float, t1: float, seeds: Seeds) -> Target:
        """As many samples of the marginal at time t1 as seeds, independent of the runs from time t0."""
        return _marginal_samples(self.process, self.law, t1, seeds)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def _flow_end(process: Process, law: Law, t0: float, t1: float, seeds: Seeds) -> Floats:
    return exact_flow(process, law, _start(process, law, t0, seeds), t0, t1)[0]


@lru_cache(maxsize=8)
def _marginal_samples(process: Process, law: Law, t: float, seeds: Seeds) -> Target:
    exact, other = (noised(process, law, t, seeds, part)[0] for part in (1, 2))
    floor = sliced_wasserstein(exact, other).value
    if len(seeds) <= exact[0].size:
        return Target(exact, floor)

    def signal(rows: Floats) -> Floats:
        found: Floats = process.signal(rows.reshape(-1, *law.shape), t)[0]
        return found.reshape(rows.shape)

    mean = signal(law.mean.reshape(1, -1))[0]
    covariance = signal(signal(law.covariance()).T) + process.noise(t)[0, 0] * np.eye(len(mean))
    drawn = Moments.of(exact)
    return Target(exact, floor, mean, covariance, frechet(drawn.mean, drawn.covariance(), mean, covariance))


def _origin(process: Process, law: Law, t: float, seeds: Seeds) -> Origin:
    return origin(process, t, seeds, None, law.shape, np.float64, None)


def _start(process: Process, law: Law, t: float, seeds: Seeds) -> Blocks:
    if t < process.T:
        return noised(process, law, t, seeds, 0)
    return _origin(process, law, t, seeds).blocks(range(len(seeds)))


def noised(process: Process, law: Law, t: float, seeds: Seeds, part: int) -> Blocks:
    """Samples of the marginal at t; parts are independent of one another and of the noise of runs.

    process, law   any
    t              a process time
    seeds          one a sample
    part           which of the independent sets: 0, 1, ...
    returns        k blocks (n, *law.shape), float64
    """
    xi = normals(seeds, START, 1 + part, (process.blocks, *law.shape))
    noise = coloured(lower_factor(process.noise(t)[None])[0], np.moveaxis(xi, 1, 0))
    data = law.sample(len(seeds), part)
    return [mean + block for mean, block in zip(process.signal(data, t), noise, strict=True)]
