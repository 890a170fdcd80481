"""Steps that a run finds itself: as long as the distance of its new states from their companions allows.

The companion of a step (`numtoolkit.declare.companions`) differs from its new state by the local error of one of them.
A step is taken if that is within a tolerance, and tried again, shorter, if not. All samples of a batch that step
together would depend on one another: either every sample has steps of its own, or a few others, the pilot run, find the
grid that all of them then take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, Floats, host, quiet
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START
from numtoolkit.errors import InputError, NonFiniteError, counted, real, typed, whole
from numtoolkit.limits import MOST_NFE
from numtoolkit.models.by_reference import network_of
from numtoolkit.models.calls import call_of
from numtoolkit.models.conditions import conditions_of
from numtoolkit.problem import axes
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.grids import knows_length
from numtoolkit.problem.predictions import prediction
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.budget import planned
from numtoolkit.program.program import CONSTANT, Affine, Call, ProgramStep, lower_last, problem_of
from numtoolkit.program.walk import Arrays, Blocks, NetworkCall, Update, plain
from numtoolkit.sampling.state import origin
from numtoolkit.schemes import scheme as scheme_of

PILOT = 2**32  # the first seed of pilot runs, apart from those that people give
FIRST = 20  # the first step that is tried, as a part of the whole way in the clock
SAFETY, LEAST, LARGEST = 0.9, 0.2, 5.0  # of the next step over the last one
SMALLEST = 1e-10  # error that the controller knows, over the tolerance: steps without one grow all the same
INTEGRAL, PROPORTIONAL = 0.3, 0.4  # gains of the controller PI.3.4 over the order of the estimate


@dataclass(frozen=True)
class Adaptive:
    """How the steps of a run are found, for `sample` and `adaptive_grid`.

    tolerance  of the estimated error of a step, over the larger size of each number before and after it
    absolute   of the error beside that; None: the tolerance itself, for data of a size of about 1
    pilot      samples of the pilot run, whose steps all samples take; 0: every sample has steps of its own
    seed       of the first sample of the pilot run; those of the others follow
    most       evaluations that finding them may take, of the pilot run or of each sample

    The error of a step is the root mean square of (new - companion) / (absolute + tolerance max(|old|, |new|)) over all
    numbers of the samples that step together, and at most 1. The next step is the last one times 0.9 e^(-0.7/k)
    e_before^(0.4/k), k the order of the estimate, at least 1/5 and at most 5 (Gustafsson 1991; PI.3.4 of Soederlind
    2003, Digital filters in adaptive time-stepping), in log-SNR on a scalar process and else in its own clock.
    raises     InputError for numbers out of range
    """

    tolerance: float
    absolute: float | None = None
    pilot: int = 16
    seed: int = PILOT
    most: int = 10_000

    def __post_init__(self) -> None:
        real("tolerance", self.tolerance, 1e-14, 1.0)
        if self.absolute is not None:
            real("absolute", self.absolute, 0.0)
        whole("pilot", self.pilot, 0, 4096)
        whole("seed", self.seed, 0, 2**63)
        whole("most", self.most, 1, MOST_NFE)

    @property
    def floor(self) -> float:
        """The absolute tolerance."""
        return self.tolerance if self.absolute is None else self.absolute

    def about(self, found: Sequence[AdaptiveGrid]) -> dict[str, Any]:
        """The settings and what finding the grids took, ready for JSON."""
        spent = {"evaluations": [own.evaluations for own in found], "rejected": [own.rejected for own in found]}
        return {**asdict(self), **spent}


@dataclass(frozen=True, eq=False)
class AdaptiveGrid:
    """The times that a run has found.

    times        float64 (N + 1,), falling: a grid for runs of the scheme, or for any other
    evaluations  of the run that found them, those of rejected steps included
    rejected     steps that were tried and not taken
    errors       (N,) of the steps over the tolerance; not a number for those that were not estimated: one to t = 0, and
                 all of a grid that was spread anew
    """

    times: Floats
    evaluations: int
    rejected: int
    errors: Floats = field(repr=False)

    def __repr__(self) -> str:
        steps = counted(len(self.times) - 1, "step")
        return f"<AdaptiveGrid of {steps}: {counted(self.evaluations, 'evaluation')}, {self.rejected} rejected>"


def adaptive_of(given: Any) -> Adaptive | None:
    """The settings that a tolerance alone stands for; None stays None.

    raises   InputError for anything else
    """
    if given is None or isinstance(given, Adaptive):
        return given
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise InputError(f"adaptive = {given!r} is {typed(given)}; give a tolerance, such as 1e-3, or an Adaptive.")
    return Adaptive(float(given))


def adaptive_grid(
    scheme: str | Scheme,
    process: str | Process,
    network: Any,
    adaptive: float | Adaptive,
    grid: str | Sequence[float] | Floats = "log-snr",
    nfe: int | None = None,
    *,
    start: Array | None = None,
    conditions: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: Any = None,
) -> AdaptiveGrid:
    """The grid that the pilot run of a scheme on a network finds: its own samples step together.

    scheme      of the flow, with companions: res-2s, dpm-solver-2, heun-edm, res-2m, ...; or what such a one is
                `corrected()` to
    process, network, shape, dtype, device   as of `numtoolkit.sample`
    adaptive    the tolerance, or all of `Adaptive`
    grid        whose ends are those of the run: its other times do not matter. A step to t = 0 is the scheme's own, and
                is not estimated
    nfe         None for the times as they were found; else they are spread anew over as many steps as spend exactly so
                many evaluations, as dense here and there as they were
    start       states of the pilot run at the first time, (batch, *event); by default it draws them
    conditions  of its samples, one a sample
    returns     times for `numtoolkit.sample(grid=)`, the same on every machine up to rounding
    raises      InputError for a scheme without companions, for what `sample` refuses, and where `most` evaluations do
                not reach the end; NonFiniteError where no step is short enough
    cost        its evaluations, of a batch of `pilot` samples; all numbers are read back after each step
    """
    own, declared, on = adaptive_of(adaptive), scheme_of(scheme), process_of(process)
    if own is None:
        raise InputError("adaptive = None is no tolerance; give one, such as 1e-3, or an Adaptive.")
    if start is None and not own.pilot:
        raise InputError("pilot = 0 leaves the pilot run no samples; give at least 1, or start=.")
    ends, to_zero = ends_of(grid, on)
    called = network_of(network)
    seeds = None if start is not None else range(own.seed, own.seed + own.pilot)
    begin = origin(on, ends[0], seeds, start, shape, dtype, device, called.shape)
    call = call_of(called, on, conditions_of(conditions, len(begin)))
    found, _ = find(declared, on, called.predicts, call, begin.blocks(range(len(begin))), ends, to_zero, own)
    if nfe is None:
        return found
    count = len(planned(declared, whole("nfe", nfe, 1, MOST_NFE), to_zero))
    times = spread(found.times, on, count)
    return AdaptiveGrid(times, found.evaluations, found.rejected, np.full(count, np.nan))


def ends_of(grid: Any, process: Process) -> tuple[tuple[float, float], bool]:
    """The first and the last time above 0 of a grid, and whether it goes on to 0.

    raises   InputError for a rising grid, and one that has no way between them
    """
    short = isinstance(grid, str) and not knows_length(grid)
    times = grid_of(grid, process, 3 if short else None)
    above = times[times > 0]
    if times[0] < times[-1] or len(above) < 2:
        raise InputError("adaptive steps lead from noise to data; give a falling grid with two times above 0 at least.")
    return (float(above[0]), float(above[-1])), len(above) < len(times)


def spread(times: Floats, process: Process, steps: int) -> Floats:
    """As many steps between the same ends, as dense as `times` are: their clock is linear between the old points.

    times    falling; a last one of 0 stays apart, as the end of a step of its own
    process  of these times
    steps    how many there are to be
    """
    to_zero = bool(times[-1] == 0)
    old, count = (times[:-1], steps - 1) if to_zero else (times, steps)
    if count < 1:
        raise InputError(f"a grid of {counted(steps, 'step')} to t = 0 has no step before the last; ask for more.")
    u = np.interp(np.linspace(0, len(old) - 1, count + 1), np.arange(len(old)), _clock(process, old))
    found = _time(process, u)
    found[0], found[-1] = old[0], old[-1]
    return np.append(found, 0.0) if to_zero else found


def find(
    scheme: Scheme,
    process: Process,
    predicts: Any,
    call: NetworkCall,
    start: Blocks,
    ends: tuple[float, float],
    to_zero: bool,
    own: Adaptive,
    update: Update = plain,
) -> tuple[AdaptiveGrid, Blocks]:
    """The times that some samples find which step together, and the states that they come to.

    scheme, process   of which `predicts` is what the network `call` returns
    start             their states at the first time
    ends, to_zero     of `ends_of`
    own, update       settings, and how rows are summed
    """
    pair = scheme.paired
    if scheme.quantities:
        raise InputError(f"the coefficients of {scheme.spec} are those of a whole grid; take another scheme.")
    problem, given = problem_of(pair, process), prediction(predicts)
    claims = [p for p in (scheme.claims.classical, scheme.claims.companion) if p is not None]
    k = min(claims, default=1) + 1
    opening, beside = pair.steps.start, scheme.companions
    x, last = _clock(process, np.array(ends)).tolist()
    if not np.isfinite(x):
        raise InputError(f"the clock of {process.spec} is infinite at t = {ends[0]:g}; begin at a lower time.")
    times, errors, spent, rejected, before = [ends[0]], list[float](), 0, 0, 1.0
    h, shortest = (last - x) / FIRST, (last - x) * 1e-12
    names: dict[str, Blocks] = {START: start, CONSTANT: Arrays.one}
    with quiet(start[0]):
        while times[-1] != ends[1]:
            if h < shortest:
                raise NonFiniteError(
                    f"adaptive steps of {scheme.spec} fall below {shortest:.1g} at t = {times[-1]:.6g}: its states are "
                    "not finite or not smooth there; mend the network, or give a larger tolerance."
                )
            left = last - x
            h = left if h >= left else min(h, left / 2)
            x_end = x + h
            end = ends[1] if h == left else float(_time(process, np.array([x_end]))[0])
            n = len(errors)
            layout = opening[n] if n < len(opening) else pair.steps.inner
            tail = np.array([*times[-len(opening) - 1 :], end])
            step = lower_last(pair, layout, problem, tail, given)
            made, calls = _made(step, names, call, update)
            spent += calls
            if spent > own.most:
                raise InputError(
                    f"adaptive steps of {scheme.spec} are at t = {times[-1]:.6g} after {own.most} evaluations; give a "
                    "larger tolerance or more of them, most=."
                )
            error = _error(names[START], made[step.out], made[beside[min(n, len(beside) - 1)].name], own)
            if error <= 1:
                times.append(end)
                errors.append(error)
                names = {START: made[step.out], CONSTANT: Arrays.one} | {new: made[old] for new, old in step.carry}
                error = max(error, SMALLEST)
                ratio = SAFETY * error ** (-(INTEGRAL + PROPORTIONAL) / k) * before ** (PROPORTIONAL / k)
                x, before, h = x_end, error, h * min(max(ratio, LEAST), LARGEST)
            else:
                rejected += 1
                names |= {i.name: made[i.name] for i in step.instructions if isinstance(i, Call) and i.of == START}
                h *= max(SAFETY * error ** (-1 / k), LEAST) if np.isfinite(error) else LEAST
        state = names[START]
        if to_zero:
            final = scheme.steps.final_to_zero
            if final is None or not final.needs <= names.keys():
                raise InputError(f"scheme {scheme.spec} has no step of its own to t = 0; end the grid above 0.")
            step = lower_last(scheme, final, problem, np.array([times[-1], 0.0]), given)
            made, calls = _made(step, names, call, update)
            times, errors, spent, state = [*times, 0.0], [*errors, np.nan], spent + calls, made[step.out]
    return AdaptiveGrid(np.array(times), spent, rejected, np.array(errors)), state


def _made(
    step: ProgramStep, names: dict[str, Blocks], call: NetworkCall, update: Update
) -> tuple[dict[str, Blocks], int]:
    """Every value of a step that is tried, and how many evaluations it takes: those of its start are not made twice."""
    made, calls, arrays = dict(names), 0, Arrays(update=update)
    for i in step.instructions:
        if isinstance(i, Affine):
            made[i.name] = arrays.combine(i, 0, made)
        elif isinstance(i, Call) and not (i.of == START and i.name in names):
            made[i.name], calls = list(call(made[i.of], i.time)), calls + 1
    return made, calls


def _error(old: Blocks, new: Blocks, companion: Blocks, own: Adaptive) -> float:
    """The estimated error of a step over the tolerance; on the host, where both libraries sum alike."""
    total, count = 0.0, 0
    for own_blocks in zip(old, new, companion, strict=True):
        a, b, c = (host("state", block).astype(np.float64) for block in own_blocks)
        scaled = (b - c) / (own.floor + own.tolerance * np.maximum(np.abs(a), np.abs(b)))
        total, count = total + float((scaled**2).sum()), count + scaled.size
    return float(np.sqrt(total / count))


def _clock(process: Process, t: Floats) -> Floats:
    """The clock that steps are proposed in, rising."""
    return axes.problem(process, "noise", "natural").u(t)


def _time(process: Process, u: Floats) -> Floats:
    return axes.problem(process, "noise", "natural").t(u)
