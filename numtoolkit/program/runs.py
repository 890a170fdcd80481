"""From names to a run: the times of a grid that spend a budget, and the program of a scheme on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START
from numtoolkit.errors import InputError, flag, whole
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem import grids
from numtoolkit.problem.predictions import DATA, Prediction, convert, prediction
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.budget import plan, planned
from numtoolkit.program.modal import merged_step
from numtoolkit.program.program import Affine, Block, Call, Instruction, Program, ProgramStep, lower
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.spec_text import Spec

NOTHING_LEFT = "the grid ends at noise level 0, where nothing is left to denoise; drop denoise or end it above 0."


def program_of(
    scheme: str | Scheme | Program,
    process: str | Process | None = None,
    grid: str | Sequence[float] | Floats | None = None,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    predicts: str | Prediction | None = None,
    denoise: bool = False,
    spectrum: Spectrum | None = None,
) -> Program:
    """The program of a run: what `numtoolkit.sample` runs and `numtoolkit.moments` measures, before any network.

    scheme, process, grid   as objects or specifications, "res-2s(c2=1/3)", "edm", "rho(7)"; or a Program alone, which
              comes back as it is
    nfe, steps   of a named grid, one of the two: nfe is the exact number of evaluations
    predicts  what the network to be called predicts; None is data, or that of the Program
    denoise   end with the step of `denoising`, whose evaluation `nfe` counts
    spectrum  of the data, for a grid that asks for one; by default that of the scheme
    returns   the coefficients of every step
    raises    InputError for what cannot be used as given, and for what a Program has fixed already
    cost      no evaluations; milliseconds for a thousand steps
    """
    if isinstance(scheme, Program):
        beside = {"process": process, "grid": grid, "nfe": nfe, "steps": steps}
        given = [name for name, value in beside.items() if value is not None]
        if given:
            raise InputError(f"the program of {scheme.scheme} fixes {given[0]} already; leave {given[0]} out.")
        if predicts is not None and predicts != scheme.network and predicts != scheme.network.name:
            raise InputError(
                f"the program of {scheme.scheme} is for a network that predicts {scheme.network.name!r}, not "
                f"{getattr(predicts, 'name', predicts)!r}; make it with predicts=."
            )
        return _denoised(scheme, denoise)
    for name, value in (("process", process), ("grid", grid)):
        if value is None:
            raise InputError(f"a run needs a {name}; give one, as an object or by name.")
    assert process is not None
    declared, diffusion = scheme_of(scheme), process_of(process)
    times = times_of(declared, diffusion, grid, steps, nfe, denoise, spectrum)
    budget = None if nfe is None else nfe - denoise
    return _denoised(lower(declared, diffusion, times, DATA if predicts is None else predicts, budget), denoise)


def _denoised(program: Program, denoise: bool) -> Program:
    if not denoise:
        return program
    if program.times[-1] == 0:
        raise InputError(NOTHING_LEFT)
    return replace(program, steps=(*program.steps, denoising_of(program, float(program.times[-1]))))


def denoising_of(program: Program, t: float) -> ProgramStep:
    """The step of `denoising` at time t for the network of a program, in every group of its directions."""
    own = [denoising(mode, program.network, t, program.both) for mode in program.modes or (program.process,)]
    return own[0] if len(own) == 1 else merged_step(own)


def laid(
    scheme: Scheme, process: Process, grid: Any, steps: int | None = None, spectrum: Spectrum | None = None
) -> Floats:
    """The times of a grid; if it is laid by a spectrum and names none, by the one given, by default the scheme's.

    scheme, process, grid, steps, spectrum   as of `times_of`
    raises   InputError, as `grids.grid` does
    """
    told = (spectrum or scheme.told) if grids.asks_spectrum(grid) else None
    return grids.grid(grid, process, steps, spectrum=told)


def times_of(
    scheme: Scheme,
    process: Process,
    grid: Any,
    steps: int | None = None,
    nfe: int | None = None,
    denoise: bool = False,
    spectrum: Spectrum | None = None,
) -> Floats:
    """The times of a run: a named grid with `steps`, or with as many steps as spend exactly `nfe`; or own points.

    A grid that is laid by a spectrum and does not say which, "spectral", follows that of the scheme.

    scheme   which spends the evaluations as `numtoolkit.program.budget.planned` says
    process  of the times; `grid` is a specification, or N + 1 times of its own
    steps    of a named grid, or `nfe`, its evaluations, of which `denoise` takes one
    spectrum of the data, for such a grid, in place of that of the scheme
    returns  float64 (N + 1,), strictly falling
    raises   InputError when neither or both are given, for a budget the scheme cannot spend, and as `grids.grid` does
    """
    flag("denoise", denoise)
    if denoise and isinstance(nfe, int) and nfe == 1:
        raise InputError("nfe = 1 leaves no evaluation but the denoising one; give at least 2.")
    budget = None if nfe is None else whole("nfe", nfe, high=MOST_NFE) - denoise
    if steps is not None:
        whole("steps", steps, high=MOST_NFE)
    if isinstance(grid, (str, Spec)):
        if steps is None and nfe is None and not grids.knows_length(grid):
            raise InputError("a named grid needs to know its length; give either steps or nfe.")
        if steps is not None and nfe is not None:
            raise InputError(f"steps = {steps} and nfe = {nfe} both say how long the grid is; give steps or nfe.")
        if budget is not None:
            to_zero = laid(scheme, process, grid, 2, spectrum)[-1] == 0
            try:
                steps = len(planned(scheme, budget, to_zero))
            except InputError as error:
                raise InputError(
                    f"{error} (Of nfe = {nfe} one is the denoising one.)" if denoise else str(error)
                ) from None
        times = laid(scheme, process, grid, steps, spectrum)
    else:
        times = grids.grid(grid, process, steps)
        plan(scheme, times, budget)
    return times


def denoising(process: Process, predicts: str | Prediction, t: float, both: bool = False) -> ProgramStep:
    """The step of a process from time t to noise level 0 that returns the data prediction of a network.

    One evaluation of a network that `predicts` this; the new state has one block.
    both   whether it returns the guided and the unguided prediction, of which the guided one is taken
    """
    given = prediction(predicts)
    P, Q = convert(given, DATA, process, np.array([t]))
    raw = f"denoised.{given.name}"
    instructions: tuple[Instruction, ...] = (Call("denoised", START, t),)
    if both:
        Q = np.concatenate([Q, np.zeros_like(Q)], axis=2)
    if both or given is not DATA:
        blocks: list[Block] = [tuple(map(tuple, X[0].tolist())) for X in (P, Q)]
        instructions = (
            Call(raw, START, t),
            Affine("denoised", tuple(pair for pair in zip((START, raw), blocks, strict=True) if np.any(pair[1]))),
        )
    return ProgramStep(t, 0.0, instructions, "denoised", ())
