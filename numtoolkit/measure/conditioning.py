"""The condition number of A_t, by which a conjugate scheme changes variables, over a run.

A conjugate scheme integrates A_t z, where A' = A (B - F + G G' C_skip / 2) in forward time (arXiv:2310.07894); B = 0 is
the exponential scheme itself. A matrix in front of A changes nothing in the scheme, so that A_t is told apart by where
it is the identity: here at the end of the run, at the data. Then A_t is the flow of L + B from t to there, in the order
of time, and its condition number says by how much the change of variables can magnify an error that is small in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.entries import ONE, ZERO, Flow, walk
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Row, Step
from numtoolkit.errors import InputError, brief
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.budget import plan
from numtoolkit.program.evaluator import Evaluator
from numtoolkit.program.program import problem_of, step_quantities, taus
from numtoolkit.program.runs import times_of
from numtoolkit.schemes import scheme as read


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The condition numbers, in the spectral norm, of the change of variables of a conjugate scheme over one run.

    t      (N + 1,), the times of the grid
    whole  (N + 1,), of A_t, which is the identity at the last of them: 1 there
    step   (N,), of A at the start of each step over that at its end: what one step of its own sees
    """

    scheme: str
    process: str
    t: Floats = field(repr=False)
    whole: Floats = field(repr=False)
    step: Floats = field(repr=False)

    @property
    def largest(self) -> float:
        """Of A_t over the run."""
        return float(self.whole.max())

    def __repr__(self) -> str:
        run = f"{brief(self.scheme, 80)} on {brief(self.process, 80)}, {len(self.step)} steps"
        return f"<Conditioning {run}: up to {self.largest:.3g}, {self.step.max():.3g} a step>"


def condition(
    scheme: str | Scheme,
    process: str | Process,
    grid: str | Sequence[float] | Floats,
    nfe: int | None = None,
    *,
    steps: int | None = None,
) -> Conditioning:
    """How well conditioned the change of variables of a conjugate or exponential scheme is over a run.

    scheme   whose steps multiply the state by one flow over the whole step, as `lambda-ddim-1` and `ddim` do
    process, grid, nfe, steps   as of `numtoolkit.program_of`, by name or as objects
    returns  condition numbers of A_t and of single steps; 1 on scalar processes, where A_t is a number
    raises   InputError for another scheme, a grid that ends at t = 0, and for what cannot be used as given
    cost     no evaluations; milliseconds
    """
    declared, on = read(scheme), process_of(process)
    times = times_of(declared, on, grid, steps, nfe)
    if not times[-1]:
        raise InputError("the grid ends at t = 0, where the change of variables may have no end; stop it above 0.")
    flows = _flows(declared, on, times, nfe)
    whole = [np.eye(on.blocks)]
    for flow in flows[::-1]:
        whole.append(whole[-1] @ flow)
    return Conditioning(
        declared.spec, on.spec, times, np.linalg.cond(np.array(whole[::-1])), np.linalg.cond(np.array(flows))
    )


def _flows(scheme: Scheme, process: Process, times: Floats, nfe: int | None) -> list[Any]:
    """The flow of each step, (k, k)."""
    problem, values, run = problem_of(scheme, process), scheme.parameters(), plan(scheme, times, nfe)
    alike = list(zip(run, taus(scheme, problem, times), strict=True))
    found: list[Any] = []
    for (step, tau), stretch in groupby(range(len(run)), alike.__getitem__):
        own, index = replace(problem, tau=tau), np.array([*stretch])
        evaluator = Evaluator(own, times, index, values | step_quantities(scheme, own, times, index, values))
        found += list(evaluator.block(_flow(scheme, step)))
    return found


def _flow(scheme: Scheme, step: Step) -> Flow:
    """The one flow over the whole step by which the new state is made of the old."""
    (out,) = (item for item in step.items if isinstance(item, Row) and item.name == step.out)
    flows = {part for source, entry in out.terms if source == START for part in walk(entry) if isinstance(part, Flow)}
    whole = [flow for flow in flows if (flow.a, flow.b) == (ZERO, ONE)]
    if len(flows) != 1 or not whole:
        raise InputError(
            f"scheme {scheme.spec} multiplies the state by no single flow over the step, so it changes no variables; "
            "give a conjugate or exponential one, such as 'lambda-ddim-1'."
        )
    return whole[0]
