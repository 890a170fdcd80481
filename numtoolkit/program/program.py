"""The run program: a scheme lowered on a grid to an ordered list of float64 instructions, the waist of the toolkit.

Every engine that runs (numpy, torch, exact moments) reads this one object; proofs and the regions of stability read
the declared steps. Coefficients are exact entries read in float64 once, before a run starts, and kept as Python floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from numtoolkit.arrays import lower_factor
from numtoolkit.declare.entries import ZERO, Entry
from numtoolkit.declare.scheme import END_LEVEL, LEVEL, Scheme, StepQuantity
from numtoolkit.declare.steps import START, Eval, Noise, Row, Step
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.problem.directions import Directions
from numtoolkit.problem.frozen import projects
from numtoolkit.problem.predictions import Prediction, prediction
from numtoolkit.problem.problem import Clock, Problem
from numtoolkit.problem.processes import Floats, PhaseSpaceProcess, Process
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.budget import plan
from numtoolkit.program.evaluator import Evaluator, Indices
from numtoolkit.program.folding import Conversion, Folder, Terms

CONSTANT = "1"  # the source that is 1 everywhere, or the mean of the data under a scheme that is told a spectrum


class Modal(tuple[float, ...]):
    """A coefficient that differs by direction of the data: one number a group of them."""

    __slots__ = ()

    def __neg__(self) -> Modal:
        return Modal(-c for c in self)


TOGETHER = 4096  # steps of all groups of a spectrum that are lowered at once, for the memory of their quadrature
Block = tuple[tuple[Any, ...], ...]  # rows of a small matrix over state or output blocks: floats, or `Modal`


@dataclass(frozen=True)
class Affine:
    """name = sum of block * source over earlier names and the constant "1"."""

    name: str
    terms: tuple[tuple[str, Block], ...]

    def __repr__(self) -> str:
        return f"<Affine {brief(f'{self.name} = {_combination(self.terms)}', 200)}>"


@dataclass(frozen=True)
class Call:
    """name = network(row `of`, process time `time`).

    moves  None where rows read `of` itself; else what a change of it, by whoever calls the network, is in the output
    """

    name: str
    of: str
    time: float
    moves: Block | None = None


@dataclass(frozen=True)
class Draw:
    """name = factor times standard normals, the noise of this slot of the step."""

    name: str
    slot: int
    factor: Block


Instruction = Affine | Call | Draw


@dataclass(frozen=True)
class ProgramStep:
    """One step from process time `start` to `end`: instructions, the new state's name, (new, old) carried names."""

    start: float
    end: float
    instructions: tuple[Instruction, ...]
    out: str
    carry: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        names = brief(", ".join(i.name for i in self.instructions), 150)
        return f"<ProgramStep t = {self.start:.6g} to {self.end:.6g}, to {self.out}: {names}>"


@dataclass(frozen=True)
class Program:
    """A whole run. `network` is the prediction its calls expect; `nfe` counts them.

    both      whether its calls return two such predictions, the blocks of the guided and then those of the unguided one
    projects  a sentence, where the run follows another flow than that of a network of such outputs (`projection`)
    directions  in whose groups coefficients may differ (`Modal`): the spectrum that its scheme was told, whose mean is
                the constant source then, or the directions of a process that takes them apart
    modes       the process of each of these groups, where they are not all that of the run
    """

    scheme: str
    process: Process
    network: Prediction
    steps: tuple[ProgramStep, ...]
    both: bool = False
    projects: str | None = None
    directions: Spectrum | Directions | None = None
    modes: tuple[Process, ...] = ()

    def __repr__(self) -> str:
        spent = f"{counted(self.nfe, 'evaluation')} of {self.network.name} in {counted(len(self.steps), 'step')}"
        return f"<Program {brief(self.scheme, 80)} on {brief(self.process.spec, 80)}: {spent}>"

    @property
    def spectrum(self) -> Spectrum | None:
        """That which its scheme was told, None for none."""
        return self.directions if isinstance(self.directions, Spectrum) else None

    @property
    def nfe(self) -> int:
        """Network evaluations of the run."""
        return sum(isinstance(i, Call) for step in self.steps for i in step.instructions)

    @property
    def draws(self) -> bool:
        """Whether the run draws noise."""
        return any(isinstance(i, Draw) for step in self.steps for i in step.instructions)

    @property
    def plan(self) -> str:
        """How the steps spend the evaluations: "2 steps of 2 evaluations, 1 of 1"."""
        counts = [sum(isinstance(i, Call) for i in step.instructions) for step in self.steps]
        runs = [(count, len(list(group))) for count, group in groupby(counts)]
        count, steps = runs[0]
        head = f"{counted(steps, 'step')} of {counted(count, 'evaluation')}"
        return ", ".join([head, *(f"{steps} of {count}" for count, steps in runs[1:])])

    @property
    def times(self) -> Floats:
        """The N + 1 process times of the grid, falling."""
        return np.array([self.steps[0].start, *(step.end for step in self.steps)])

    @cached_property
    def lives(self) -> tuple[frozenset[str], ...]:
        """For each evaluation, in order, the names known before it that are read after it, in its step or a later one.

        The row that it is taken at is among them only if it is read again, or if a change of it, by whoever calls the
        network, would be.
        """
        found: list[frozenset[str]] = []
        wanted: set[str] = {START}  # after a step, by the names of the next one
        for step in reversed(self.steps):
            wanted = {step.out} | {old for new, old in step.carry if new in wanted}
            for i in reversed(step.instructions):
                wanted.discard(i.name)
                if isinstance(i, Affine):
                    wanted.update(source for source, _ in i.terms)
                elif isinstance(i, Call):
                    found.append(frozenset(wanted | {i.of} if i.moves else wanted))
                    wanted.add(i.of)
        return tuple(reversed(found))

    def text(self) -> str:
        """The run as a person reads it: one line an instruction, blocks with six digits."""
        spent = f"{counted(self.nfe, 'evaluation')} of {self.network.name}"
        lines = [f"{self.scheme} on {self.process.spec}, {spent}: {self.plan}"]
        lines += [] if self.projects is None else [self.projects]
        for n, step in enumerate(self.steps):
            lines.append(f"step {n}: t = {step.start:.6g} -> {step.end:.6g}")
            for i in step.instructions:
                if isinstance(i, Affine):
                    lines.append(f"  {i.name} = {_combination(i.terms)}")
                elif isinstance(i, Call):
                    lines.append(f"  {i.name} = network({i.of}, t = {i.time:.6g})")
                else:
                    lines.append(f"  {i.name} = {_show(i.factor)} normal({i.slot})")
            kept = "".join(f", {new} <- {old}" for new, old in step.carry)
            lines.append(f"  y <- {step.out}{kept}")
        return "\n".join(lines)


def _combination(terms: tuple[tuple[str, Block], ...]) -> str:
    return " + ".join(f"{_show(block)} {source}" for source, block in terms).replace("+ -", "- ") or "0"


def _show(block: Block) -> str:
    if len(block) == 1 and len(block[0]) == 1:
        return _digits(block[0][0])
    return "[" + "; ".join(" ".join(map(_digits, row)) for row in block) + "]"


def _digits(number: float | Modal) -> str:
    """Six digits; of one that differs by group its least and largest value."""
    return f"{min(number):.6g}...{max(number):.6g}" if isinstance(number, Modal) else f"{number:.6g}"


def problem_of(scheme: Scheme, process: Process) -> Problem:
    """The problem a scheme integrates on a process.

    raises   InputError when the scheme is not declared for its kind, the process is not as its kind says, or the scheme
             was told a spectrum: then there is one problem a group of directions, those of `scheme.mode`. So is there
             one for each mode of a process that has many. And where lambda_s is matched to runs, of which none is here
    """
    if scheme.matched is not None:
        raise InputError(
            f"scheme {scheme.spec} has a lambda_s for each run, and there is no run here; give it a number."
        )
    if scheme.spectrum is not None:
        raise InputError(
            f"scheme {scheme.spec} was told a spectrum and has one problem for each group of its directions; take one "
            "of them, scheme.mode(group), or the scheme with a sigma_data alone."
        )
    if isinstance(process, PhaseSpaceProcess):
        process.check_noises()
    _check_kind(scheme, process)
    process.check_one_mode("the problem of a scheme")
    law = {name: float(value) for name, value in scheme.parameters().items() if name in ("sigma_data", "mean")}
    return Problem(process, scheme.frozen, scheme.clock.on(process), float(scheme.tau_value), **law)


def check_defined(scheme: Scheme, process: Process) -> None:
    """raises   InputError for a scheme that does not run on the process, as `problem_of` says"""
    _check_kind(scheme, process)
    problem_of(replace(scheme, spectrum=None, matched=None), process.modes[0])


def _check_kind(scheme: Scheme, process: Process) -> None:
    if process.kind not in scheme.kinds:
        known = " and ".join(kind.name for kind in scheme.kinds)
        raise InputError(
            f"scheme {scheme.spec} is not defined on process {process.name!r}, a {process.kind.name} process; it "
            f"runs on {known} processes."
        )


def projection(problem: Problem, network: Prediction) -> str | None:
    """What is to be said of runs on a network of that prediction where what is frozen keeps too little of its outputs.

    returns  a sentence without a stop, or None where they converge to what the network itself says
    """
    if not projects(problem, network):
        return None
    outs = counted(network.outputs(problem.process), "output")
    return (
        f"projects the {outs} of the network to {problem.frozen.name}: another flow than the network's own, unless one "
        "data prediction makes them all"
    )


def lower(
    scheme: Scheme, process: Process, times: Floats, network: str | Prediction = "data", nfe: int | None = None
) -> Program:
    """Lower a scheme on a grid to a run program.

    times    N + 1 process times as `numtoolkit.problem.grids.grid` returns them; rising ones take data back to noise
    network  what the network to be called predicts; the conversion to the frozen quantity becomes part of the program
    nfe      None for whole steps; else the run is that of `numtoolkit.program.budget.planned`, which must have N steps
    raises   InputError for a process the scheme is not declared on, or a coefficient that is not finite
    cost     no evaluations; milliseconds for a thousand steps, and as much again for each group of a spectrum and each
             mode of a process

    Each mode of a process that has many is integrated in its own clock if the network is told the times of the grid
    alone; a scheme that asks it within its steps, where modes must agree on the time, has the clock of the first mode.
    """
    if scheme.matched is not None:
        from numtoolkit.program.matched import resolved  # which lowers the scheme at values of lambda_s

        return lower(resolved(scheme, process, times, nfe), process, times, network, nfe)
    told, many = scheme.told, process.directions
    if told is None and many is None:
        return _lowered(scheme, process, times, network, nfe)[0]
    from numtoolkit.program.modal import merged, refined  # which merges what is made here

    _check_kind(scheme, process)
    within = many is not None and any(step.within for step in scheme.steps.distinct)
    if told is None:
        assert many is not None
        groups: Spectrum | Directions = many
        clock = scheme.clock.of_first(process) if within else None
        places = np.arange(len(process.modes))
        made = [_lowered(scheme, mode, times, network, nfe, clock=clock)[0] for mode in process.modes]
    else:
        groups, places = refined(told, process)
        own = replace(scheme, spectrum=groups)
        alone, size = own.mode(0), max(1, TOGETHER // len(times))
        clock = alone.clock.of_first(process) if within else None
        of_group: dict[int, Program] = {}
        for place in np.unique(places):
            mine = np.flatnonzero(places == place)
            sigmas, which = np.unique(own.deviations[mine], return_inverse=True)
            found = list[Program]()
            for first in range(0, len(sigmas), size):
                some = sigmas[first : first + size]
                found += _lowered(alone, process.modes[place], times, network, nfe, some, clock)
            for group, index in zip(mine.tolist(), which.tolist(), strict=True):
                of_group[group] = found[index]
        made = [of_group[group] for group in range(len(places))]
    program = merged(scheme.spec, groups, made)
    return program if many is None else replace(program, process=process, modes=tuple(process.modes[m] for m in places))


def _lowered(
    scheme: Scheme,
    process: Process,
    times: Floats,
    network: str | Prediction,
    nfe: int | None,
    sigmas: Floats | None = None,
    clock: Clock | None = None,
) -> list[Program]:
    """The program of a scheme; or of each that has one of some sigma_data in place of its own, all at once.

    clock   in place of that of the scheme
    """
    problem, predicts = problem_of(scheme, process), prediction(network)
    problem = problem if clock is None else replace(problem, clock=clock)
    many = 1 if sigmas is None else len(sigmas)
    _check_rising(scheme, times)
    run = plan(scheme, times, nfe)
    steps: list[list[ProgramStep]] = [[] for _ in range(many)]
    alike = [*zip(run, taus(scheme, problem, times), strict=True)]
    for (step, tau), stretch in groupby(range(len(run)), alike.__getitem__):  # equal steps in a row at once
        index, own = np.array([*stretch]), replace(problem, tau=tau)
        if sigmas is not None:
            own, index = replace(own, sigma_data=np.repeat(sigmas, len(index))), np.tile(index, many)
        try:
            made = _lower_step(scheme, step, own, times, index, predicts, scheme.both)
            for place, mine in enumerate(steps):
                mine += made[place * len(made) // many : (place + 1) * len(made) // many]
        except np.linalg.LinAlgError:
            if times[-1] == 0:
                raise InputError(
                    f"scheme {scheme.spec} has no step to t = 0 on process {process.spec}, whose noise is singular "
                    "there; end the grid at a time above 0."
                ) from None
            raise InputError(
                f"scheme {scheme.spec}: float64 cannot invert the noise of process {process.spec} on this grid; "
                "choose parameters of the process nearer the defaults."
            ) from None
    said = projection(problem, predicts)
    programs = [Program(scheme.spec, process, predicts, tuple(mine), scheme.both, said) for mine in steps]
    program = programs[0]
    fitted = program.nfe if scheme.table is None else scheme.table.about.get("nfe", program.nfe)
    if fitted != program.nfe:  # the same grid, but another end
        raise InputError(
            f"the table of {scheme.name} was fitted for runs of {fitted} evaluations, not of {program.nfe}; give "
            f"nfe = {fitted} or fit anew."
        )
    return programs


def lower_last(scheme: Scheme, step: Step, problem: Problem, times: Floats, network: Prediction) -> ProgramStep:
    """The last step between some times, as `lower` makes it in a run on all of them.

    scheme, step  of a flow, without fitted coefficients, and a step of it
    problem       of `problem_of`
    times         the last times of a run, as many as the ratios of the step reach back and one more
    network       what the network to be called predicts
    raises        InputError for a coefficient that is not finite
    """
    (last,) = _lower_step(scheme, step, problem, times, np.array([len(times) - 2]), network, scheme.both)
    return last


def _check_rising(scheme: Scheme, times: Floats) -> None:
    """raises InputError on a rising grid for a scheme that draws noise, and for one that starts at the data itself"""
    if times[-1] < times[0]:
        return
    if scheme.kind == "sde":
        raise InputError(
            f"scheme {scheme.spec} draws noise, which a rising grid cannot take back; invert with a scheme of the "
            "probability flow, such as res-2s."
        )
    if times[0] == 0:
        raise InputError("a rising grid that starts at t = 0 has no noise to scale up; start it above, as at t_min.")


def taus(scheme: Scheme, problem: Problem, times: Floats) -> list[float]:
    """tau of each step of a run: that of the problem, or 0 where the step starts outside the scheme's `tau_between`.

    scheme, problem   any, and what it integrates
    times             N + 1 process times, falling
    """
    acts = np.full(len(times) - 1, True)
    if scheme.tau_between:
        level, values = problem.process.level(times[:-1]), scheme.parameters()
        low, high = (float(values[name]) for name in scheme.tau_between)
        acts = (low <= level) & (level <= high)
    return [float(tau) for tau in np.where(acts, problem.tau, 0.0)]


def step_quantities(
    scheme: Scheme, problem: Problem, times: Floats, index: Indices, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Values of the step ratios r0, r1, ... and of the scheme's own step quantities.

    scheme   any
    problem  that it integrates
    times    N + 1 process times, falling
    index    (n,), the steps asked for
    values   its parameters, and the number `steps` of the run where that is not the one of the times
    returns  by name, (n,) each; nan for a ratio to a step before the first
    """
    u = problem.u(times)
    with np.errstate(invalid="ignore"):
        h = np.diff(u)
    found: dict[str, Any] = {}
    for j in range(len(scheme.steps.start)):
        with np.errstate(divide="ignore", invalid="ignore"):
            found[f"r{j}"] = np.where(index > j, h[np.maximum(index - 1 - j, 0)] / h[index], np.nan)
    for quantity in scheme.quantities:
        with np.errstate(divide="ignore", invalid="ignore"):  # a final step to t = 0 may be infinitely long
            found[quantity.name] = step_quantity(quantity, problem, times, index, {"steps": len(times) - 1, **values})
    for name in scheme.fitted:
        found[name] = (
            np.zeros(len(index))
            if scheme.table is None
            else scheme.table.column(name, problem.process.spec, times)[index]
        )
    return found


def step_quantity(
    quantity: StepQuantity, problem: Problem, times: Floats, index: Indices, values: Mapping[str, Any]
) -> Floats:
    """The values (n,) of one step quantity by its rule: a function, or an entry in the noise levels of the steps.

    problem, times, index   as in `step_quantities`
    values                  the scheme's parameters, and the number `steps` of the run
    """
    if not isinstance(quantity.rule, Entry):
        found: Floats = quantity.rule(problem, times, index, values)
        return found
    level = problem.process.level(times)
    levels = {LEVEL.name: level[index], END_LEVEL.name: level[index + 1]}
    return Evaluator(problem, times, index, {**values, **levels}).scalar(quantity.rule)


def _lower_step(
    scheme: Scheme, step: Step, problem: Problem, times: Floats, index: Indices, network: Prediction, both: bool
) -> list[ProgramStep]:
    values: dict[str, Any] = dict(scheme.parameters())
    if not isinstance(problem.sigma_data, float):
        values["sigma_data"] = problem.sigma_data
    evaluator = Evaluator(problem, times, index, values | step_quantities(scheme, problem, times, index, values))
    columns: list[list[Instruction]] = []
    names, handed_on = Folder(), {old for _, old in step.carry}
    slot = 0
    for item in step.items:
        if isinstance(item, Row):
            terms = names.row(item.name, _row(item, step, problem, evaluator))
            columns.append(_affine(scheme, item.name, terms, times, index))
        elif isinstance(item, Noise):
            factor = lower_factor(evaluator.block(item.covariance))
            _check_finite(scheme, item.name, factor, times, index)
            columns.append([Draw(item.name, slot, block) for block in _floats(factor)])
            slot += 1
        else:
            told = evaluator.time(item.network_time)
            conversion = _conversion(item, step, problem, network, told, both)
            if conversion is None:
                columns.append([Call(item.name, item.of, t) for t in told.tolist()])
                continue
            moves = [None] * len(index) if conversion.moves is None else _floats(conversion.moves)
            columns.append([Call(conversion.raw, item.of, t, own) for t, own in zip(told.tolist(), moves, strict=True)])
            for output, name in enumerate(item.names):
                own = _output(conversion, output, both)
                row = _affine(scheme, name, names.convert(name, own), times, index)
                if name in handed_on:
                    columns.append(row)
    rows = zip(*columns, strict=True)
    return [
        ProgramStep(float(times[n]), float(times[n + 1]), tuple(row), step.out, step.carry)
        for n, row in zip(index, rows, strict=True)
    ]


def _row(row: Row, step: Step, problem: Problem, evaluator: Evaluator) -> list[tuple[str, Floats]]:
    """The terms of a row. A reference law with a mean moves the states: the row is one of z - e_t mean throughout."""
    terms = [(source, evaluator.block(entry)) for source, entry in row.terms]
    if problem.mean:
        place = {START: ZERO} | {item.name: item.at for item in step.items if isinstance(item, Row)}
        moved = [blocks @ problem.moved_mean(evaluator.time(place[s])) for s, blocks in terms if s in place]
        terms.append((CONSTANT, problem.moved_mean(evaluator.time(row.at)) - sum(moved)))
    return terms


def _conversion(
    item: Eval, step: Step, problem: Problem, network: Prediction, told: Floats, both: bool
) -> Conversion | None:
    """What the frozen quantity is of the output of a network told the times `told`; None for the output itself."""
    P, Q = problem.freeze(network, told)
    offset = {CONSTANT: problem.offset(told)} if problem.mean else {}
    moved = P.any() or any(blocks.any() for blocks in offset.values())
    if not both and not moved and Q.shape[1] == Q.shape[2] and (Q == np.eye(Q.shape[1])).all():
        return None
    read = {START, step.out, *(old for _, old in step.carry)}
    read |= {source for row in step.items if isinstance(row, Row) for source, _ in row.terms}
    write_out = not both and problem.scalar is not None and problem.frozen.of_score and item.of not in read
    return Conversion(item.of, f"{item.name}.{network.name}", P, Q, offset, write_out)


def _output(conversion: Conversion, output: int, both: bool) -> Conversion:
    """That of one output of a network which returns the blocks of both, the guided ones (0) first, or of one alone."""
    if not both:
        return conversion
    none = np.zeros_like(conversion.Q)
    return replace(conversion, Q=np.concatenate([none, conversion.Q] if output else [conversion.Q, none], axis=2))


def _affine(scheme: Scheme, name: str, terms: Terms, times: Floats, index: Indices) -> list[Instruction]:
    for source, blocks in terms.items():
        _check_finite(scheme, f"{name} <- {source}", blocks, times, index)
    columns = [_pairs(source, blocks) for source, blocks in terms.items()]
    rows = zip(*columns, strict=True) if columns else [()] * len(index)
    return [Affine(name, tuple(filter(None, row))) for row in rows]


def _pairs(source: str, blocks: Floats) -> list[tuple[str, Block] | None]:
    """The terms of a source, one a step: None where the block is 0, one object where all are the same."""
    once = bool((blocks == blocks[0]).all())
    own = blocks[:1] if once else blocks
    kept = np.any(own, axis=(1, 2))
    pairs = [(source, block) if nonzero else None for block, nonzero in zip(_floats(own), kept.tolist(), strict=True)]
    return pairs * len(blocks) if once else pairs


def _floats(blocks: Floats) -> list[Block]:
    n, rows, width = blocks.shape
    each = map(tuple, blocks.reshape(n * rows, width).tolist())
    return list(zip(*[each] * rows, strict=True))


def _check_finite(scheme: Scheme, where: str, blocks: Floats, times: Floats, index: Indices) -> None:
    bad = np.flatnonzero(~np.isfinite(blocks).all(axis=(1, 2)))
    if len(bad):
        n = int(index[bad[0]])
        raise InputError(
            f"scheme {scheme.spec}: coefficient {where} of step {n} (t = {times[n]:g} to {times[n + 1]:g}) is not "
            "finite; take smaller steps there or end the grid at a time above 0."
        )
