"""Runs of other libraries' samplers and of ours against where the flow of a network takes their starts, or in law.

Without noise a run is held to the flow from its own start, along paths, and in law. A run that draws noise has no path
of its own, and is held to the law alone. Theirs draw it as their library does, from one seed a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.measure.curves import OVERFLOW, Subject
from numtoolkit.measure.distances import RelativeError, Squares, relative_rms, relative_squares, sliced_squares
from numtoolkit.measure.exact_networks import ExactNetwork, Seeds
from numtoolkit.measure.flows import exact_flow
from numtoolkit.measure.peer_calls import Denoiser, Start, run_peer, steps_within
from numtoolkit.measure.peers import Peer
from numtoolkit.problem.processes import EDM, ScalarProcess
from numtoolkit.program.program import Program
from numtoolkit.sampling.state import start_factor

NEAR = 1e-4  # relative, of the start of a run on a network to that of the flow that is kept: float32 lays levels


@dataclass(frozen=True)
class Beside:
    """The errors of a run.

    law          sliced Wasserstein distance to as many exact samples, squared, as the jackknife takes it
    floor        that distance of two exact sets
    evaluations  that the run took
    path         errors along paths; None of a run that draws noise
    squares      of these, (n,), as `numtoolkit.measure.distances.relative_squares` has them
    """

    law: Squares = field(repr=False)
    floor: float
    evaluations: int
    path: RelativeError | None = None
    squares: Floats | None = field(default=None, repr=False)


def measured(
    subject: Subject, ends: Floats, exact: Floats | None, t_end: float, seeds: Seeds, evaluations: int
) -> Beside:
    """The errors of a run.

    subject      a network on a scalar process
    ends, exact  (n, *event) of the run, and of the flow from the same starts; None for a run that draws noise
    t_end        process time of both, 0 for data
    seeds        of the starts
    evaluations  that it took
    raises       NonFiniteError for ends that are not finite
    """
    if not np.isfinite(ends).all():
        raise NonFiniteError(OVERFLOW)
    target = subject.target(subject.process.T, t_end, seeds)
    law = sliced_squares(ends, target.samples, labels=target.labels)
    if exact is None:
        return Beside(law, target.floor, evaluations)
    return Beside(law, target.floor, evaluations, relative_rms(ends, exact), relative_squares(ends, exact)[0])


def own_run(subject: Subject, program: Program, seeds: Seeds, to_data: bool) -> Beside:
    """The errors of a run of ours.

    subject   a network on a scalar process, and a program on that
    seeds     one a sample
    to_data   whether it is held to the data, wherever it ends; else to its own end
    raises    NonFiniteError for a run that leaves the finite numbers
    """
    t0, t1 = program.steps[0].start, 0.0 if to_data else program.steps[-1].end
    with np.errstate(all="ignore"):
        ends = subject.run(program, seeds)
    exact = None if program.draws else subject.ends(t0, t1, seeds).data
    return measured(subject, ends, exact, t1, seeds, program.nfe)


def peer_run(
    own: Peer,
    subject: Subject,
    nfe: int,
    seeds: Seeds,
    times_of: Callable[[int], Floats] | None = None,
    draws: bool = False,
) -> Beside:
    """The errors of a run of a peer that takes no more than `nfe` evaluations.

    own        the peer
    subject    a network on a scalar process
    seeds      one a sample, the first of them that of the noise of a run
    times_of   None for a run as its users call it, held to the data; or the times of so many steps of a grid, for its
               integrator alone, held to the flow at the end of these
    draws      whether it draws noise, and is held to the law alone
    raises     InputError for a budget that allows no step; NonFiniteError for a run that leaves the finite numbers;
               what the library raises of a run
    """
    process = subject.process
    assert isinstance(process, ScalarProcess)

    def levels_of(steps: int) -> Floats:
        assert times_of is not None
        return process.noise_level(times_of(steps))

    laid = None if times_of is None else levels_of
    steps = steps_within(own, process, nfe, laid)
    if not steps:
        raise InputError(f"{own.name} takes more than {nfe} evaluations for one step; give it more.")
    levels, seed = None if laid is None else laid(steps), seeds[0] if draws else None
    found = run_peer(own, _denoiser(subject), process, _start(subject, seeds), steps, levels, seed)
    t_end = 0.0 if times_of is None else float(times_of(steps)[-1])
    alpha = float(process.alpha(np.array([t_end]))[0]) if found.scaled else 1.0
    exact = None if draws else _exact(subject, found.level, t_end, seeds)
    return measured(subject, alpha * found.ends, exact, t_end, seeds, found.evaluations)


def _noise(subject: Subject, seeds: Seeds) -> Floats:
    """What runs of ours start from at T, standard normal."""
    T = subject.process.T
    start: Floats = subject.start(T, seeds)[0]
    return start / float(start_factor(subject.process, T)[0, 0])


def _denoiser(subject: Subject) -> Denoiser:
    if isinstance(subject, ExactNetwork):
        return subject.law.denoise
    process = subject.process
    assert isinstance(process, ScalarProcess)

    def denoise(y: Floats, s: float) -> Floats:
        t = np.clip(process.time_of_noise_level(np.array([s])), process.t_min, process.T)
        return subject.data([process.alpha(t) * y], float(t[0]))

    return denoise


def _start(subject: Subject, seeds: Seeds) -> Start:
    """Where runs begin at a noise level: at it times noise, but on a network below T where its flow is by then."""

    def start(level: float) -> Floats:
        t = _below(subject, level)
        if t is None:
            return level * _noise(subject, seeds)
        assert isinstance(subject.process, ScalarProcess)
        at: Floats = subject.start(t, seeds)[0]
        return at / subject.process.alpha(np.array([t]))

    return start


def _below(subject: Subject, level: float) -> float | None:
    """The process time of a noise level of a network that is below that of T; None for that itself, and on a law.

    raises   InputError for one above it, which nothing of the network is known of
    """
    process = subject.process
    assert isinstance(process, ScalarProcess)
    first = float(process.noise_level(np.array([process.T]))[0])
    if isinstance(subject, ExactNetwork) or abs(level - first) <= NEAR * first:
        return None
    if level > first:
        raise InputError(
            f"a run starts at noise level {level:.4g}, and the flow of the network at {first:.4g}; leave it out."
        )
    return float(process.time_of_noise_level(np.array([level]))[0])


@lru_cache(maxsize=16)
def _exact(subject: Subject, level: float, t_end: float, seeds: Seeds) -> Floats:
    """Where the flow takes starts at a noise level by process time t_end."""
    process = subject.process
    assert isinstance(process, ScalarProcess)
    alpha, s_end = (float(own(np.array([t_end]))[0]) for own in (process.alpha, process.noise_level))
    if isinstance(subject, ExactNetwork):
        y = exact_flow(EDM(), subject.law, [level * _noise(subject, seeds)], level, s_end)[0]
        return alpha * y
    t = _below(subject, level)
    return subject.ends(process.T if t is None else t, t_end, seeds).data
