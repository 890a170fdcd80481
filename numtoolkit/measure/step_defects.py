"""The local error along a run, step by step, on a law: what each step makes of the exact states before it.

A step is given the exact state at its start, and the history that steps from exact states hand on; its defect is what
comes out less where the exact dynamics take that state. It is what `numtoolkit.local_error` is the first power of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.laws import Gaussian, Law, law_of
from numtoolkit.measure.exact_networks import noised
from numtoolkit.measure.flows import exact_flow, gaussian_flow
from numtoolkit.measure.gaussian_moments import Normal, constants, exact_marginal
from numtoolkit.measure.transfer_series import reference_of
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.matrices import Matrices, Matrix, draws_of, gaussian_networks
from numtoolkit.program.program import CONSTANT, Program, ProgramStep
from numtoolkit.program.runs import program_of
from numtoolkit.program.walk import Blocks, Walk, arrays_of, follow, handed
from numtoolkit.sampling.state import seeds_of
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.marginal import transposed
from numtoolkit.symbolic.steps_back import StepInClock

SAMPLES = 64  # of a law that is not Gaussian, unless seeds are given


@dataclass(frozen=True, eq=False)
class StepDefects:
    """Numerical minus exact, for each step of a run from exact states.

    program  the run, n steps
    law      by its name
    state    (n, k), the root mean square over the law and its coordinates of what a step misses of each block of the
             state; of a stochastic scheme, of its mean
    noise    (n, k), what it misses of the variance of each block given the state, the mean over coordinates; 0 for a
             deterministic scheme
    deviation (n, k), of each block of the exact state at the end of the step: what is over it is of one measure along
             the run, as a flow takes what is missed along with the state
    mean, offset, covariance   of a Gaussian law, (n, d, k, k), (n, d, k), (n, d, k, k) in the eigenbasis of the law:
             what it misses of the matrix on the state, of what is added to it, and of the covariance of that; else None
    """

    program: Program = field(repr=False)
    law: str
    state: Floats = field(repr=False)
    noise: Floats = field(repr=False)
    deviation: Floats = field(repr=False)
    mean: Floats | None = field(default=None, repr=False)
    offset: Floats | None = field(default=None, repr=False)
    covariance: Floats | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        run = f"{brief(self.program.scheme, 80)} on {brief(self.program.process.spec, 80)}, law {brief(self.law, 60)}"
        return f"<StepDefects {run}: {counted(len(self.state), 'step')}, up to {self.state.max():.2g}>"

    def table(self) -> list[dict[str, float | int]]:
        """A record a step: its number, times, and what it misses of each block, and of its variance where it draws."""
        names, times = self.program.process.rows, self.program.times.tolist()
        columns = dict(zip(names, self.state.T.tolist(), strict=True))
        if self.program.draws:
            columns |= {f"noise {name}": own for name, own in zip(names, self.noise.T.tolist(), strict=True)}
        return [
            {"step": n, "t": times[n], "to": times[n + 1], **{name: own[n] for name, own in columns.items()}}
            for n in range(len(self.state))
        ]


def step_defects(
    scheme: str | Scheme,
    process: str | Process,
    law: Any,
    grid: str | Sequence[float] | Floats,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    seeds: Iterable[int] | None = None,
) -> StepDefects:
    """What every step of a run misses from the exact state at its start, on a law and with its exact network.

    States have the exact marginal of the law at each time. History is what the steps before hand on from exact states,
    so that of a multistep scheme too the defect is that of one step.
    scheme, process, grid, nfe, steps   as of `numtoolkit.program_of`
    law      exactly, of a Gaussian one; else, of deterministic schemes, on samples that the adaptive flow takes along
    seeds    of these samples, one a sample; by default 0..63
    returns  `StepDefects`
    raises   InputError for a grid that rises or ends at time 0; and for a stochastic scheme on a law that is not
             Gaussian, with history, or with noise that depends on the length of the step
    cost     of a Gaussian law one exact flow a step, some ms; else some 500 to 2000 denoiser calls a step
    """
    own, on, data = scheme_of(scheme), process_of(process), law_of(law)
    program = program_of(own, on, grid, nfe, steps=steps)
    return defects_of(program, data, check_defects(own, program, data, seeds), seeds)


def defects_of(program: Program, law: Law, reference: float, seeds: Iterable[int] | None = None) -> StepDefects:
    """The same of a run, after `check_defects`.

    program, law, seeds   the run; law and seeds as of `step_defects`
    reference             what `check_defects` returns
    """
    if isinstance(law, Gaussian):
        return _exactly(program, law, reference)
    return on_samples(program, law, tuple(range(SAMPLES)) if seeds is None else seeds_of(seeds))


def check_defects(scheme: Scheme, program: Program, law: Law, seeds: Iterable[int] | None = None) -> float:
    """The noise of the SDE that the steps of a scheme follow, over the forward noise.

    scheme, program   what is run, and the run
    law, seeds        as of `step_defects`
    raises            InputError as `step_defects`, before anything is computed
    """
    if seeds is not None and isinstance(law, Gaussian):
        raise InputError(f"law {law.name} is Gaussian, whose defects are exact without samples; leave seeds out.")
    if not program.times[0] > program.times[-1] > 0:
        raise InputError("defects are those of steps towards the data; give a grid that falls and ends above time 0.")
    if scheme.kind == "ode":
        return 0.0
    if not isinstance(law, Gaussian):
        raise InputError(
            f"{scheme.spec} draws noise, and law {law.name} has no transition in closed form; take a Gaussian law."
        )
    return _reference(scheme)


def _reference(scheme: Scheme) -> float:
    """The same of a stochastic scheme."""
    agreed = scheme.agreed.bind(**scheme.agreed.parameters())
    reference, steady = reference_of(StepInClock(agreed))
    if not steady or agreed.tau_between or any(step.carry for step in agreed.steps.distinct):
        raise InputError(
            f"{scheme.spec} has history or noise that is another one in each step, so no step of it has one exact "
            "counterpart; take its moments."
        )
    return reference


def _exactly(program: Program, law: Gaussian, reference: float) -> StepDefects:
    """A walk whose columns are the state at the start of a step, its normals, and 1."""
    process, times, k = program.process, program.times.tolist(), program.process.blocks
    _, variances, mean = law.eigen()
    algebra, marginals = Matrices(k, *constants(program, law)), [exact_marginal(process, law, t) for t in times]
    found: list[tuple[Floats, Floats, Floats]] = []

    def hand(n: int, step: ProgramStep, names: dict[str, Matrix]) -> dict[str, Matrix]:
        flow = gaussian_flow(process, variances, times[n], times[n + 1], reference)
        before, after = marginals[n], marginals[n + 1]
        out, shift = names[step.out], after.mean - _on(flow, before.mean)
        normals = out[..., k:-1]
        spread = normals @ transposed(normals) - after.covariance + flow @ before.covariance @ transposed(flow)
        found.append((out[..., :k] - flow, out[..., -1] - shift, spread if program.draws else 0 * spread))
        kept = handed(n, step, names)
        following = program.steps[n + 1 : n + 2]
        begun = algebra.begin({START: k}, [draw for own in following for draw in draws_of(n + 1, own)])
        back = np.linalg.inv(flow)
        for name in kept.keys() - {START, CONSTANT}:  # what it was of the state before it is of the state now
            begun[name] = np.zeros((*kept[name].shape[:-1], algebra.columns))
            begun[name][..., :k] = slope = kept[name][..., :k] @ back
            begun[name][..., -1] = kept[name][..., -1] - _on(slope, shift)
        return begun

    networks = gaussian_networks(program, variances, mean)

    def network(row: Matrix, t: float) -> Matrix:
        slope, offset = networks[t]
        output = slope @ row
        output[..., -1] += offset
        return output

    start = algebra.begin({START: k}, draws_of(0, program.steps[0]))[START]
    follow(Walk(program, start, algebra, hand), network)
    R, r, E = (np.stack(parts) for parts in zip(*found, strict=True))
    state = np.stack([_size(*own) for own in zip(R, r, marginals[:-1], strict=True)])
    drawn = np.einsum("ndii->ni", E) / len(variances)
    return StepDefects(program, law.name, state, drawn, deviations(program, law), R, r, E)


def deviations(program: Program, law: Law) -> Floats:
    """The deviation (n, k) of each block of the exact state at the ends of the steps of a run.

    program, law   any
    """
    e, sigma = program.process.kernel(program.times[1:])
    found: Floats = np.sqrt(law.variance * e**2 + np.diagonal(sigma, axis1=1, axis2=2))
    return found


def _size(R: Floats, r: Floats, law: Normal) -> Floats:
    """The root mean square (k,) of R z + r, z of the law, over its directions."""
    squares = np.einsum("dij,djk,dik->di", R, law.covariance, R) + (_on(R, law.mean) + r) ** 2
    found: Floats = np.sqrt(squares.mean(axis=0))
    return found


def _on(matrix: Floats, vector: Floats) -> Floats:
    return (matrix @ vector[..., None])[..., 0]


def on_samples(program: Program, law: Law, seeds: tuple[int, ...]) -> StepDefects:
    """The defects of a deterministic run on samples of a law, which are put back on the exact flow after each step.

    program, law   any
    seeds          one a sample
    """
    process, times = program.process, program.times.tolist()
    exact, sizes = noised(process, law, times[0], seeds, 0), []

    def hand(n: int, step: ProgramStep, names: dict[str, Blocks]) -> dict[str, Blocks]:
        nonlocal exact
        exact = exact_flow(process, law, exact, times[n], times[n + 1])
        sizes.append([np.sqrt(np.mean((own - to) ** 2)) for own, to in zip(names[step.out], exact, strict=True)])
        return handed(n, step, names) | {START: exact}

    def network(z: Blocks, t: float) -> Blocks:
        return [law.denoise(*process.observe(z, t))] * (1 + program.both)

    follow(Walk(program, exact, arrays_of(program, exact), hand), network)
    state = np.array(sizes)
    return StepDefects(program, law.name, state, np.zeros_like(state), deviations(program, law))
