"""A run in which every sample has steps of its own, and what no run with adaptive steps can take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from numtoolkit.arrays import join, library, quiet
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.models.by_reference import network_of
from numtoolkit.models.calls import call_of
from numtoolkit.models.conditions import conditions_of
from numtoolkit.problem.grids import resolved
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import Program
from numtoolkit.program.runs import NOTHING_LEFT, program_of
from numtoolkit.sampling.adaptive import Adaptive, AdaptiveGrid, ends_of, find
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.samples import Samples, bar_of, check_update, fitting, kept, provenance, update_of
from numtoolkit.sampling.state import finite_rows, origin
from numtoolkit.schemes import scheme as scheme_of


def own_steps(
    scheme: Any,
    process: Any,
    network: Any,
    grid: Any,
    own: Adaptive,
    seeds: Any,
    start: Any,
    conditions: Any,
    shape: Any,
    dtype: Any,
    device: Any,
    update: str,
    denoise: bool,
    progress: bool | None,
    on_nonfinite: str,
    into: Any,
) -> Samples:
    """The run of `sample` in which every sample has steps of its own.

    own   the settings of its steps
    scheme, process, network, grid, seeds, start, conditions, shape, dtype, device, update, denoise, progress,
    on_nonfinite, into   as of `sample`; of the grid the ends matter
    raises   InputError for what cannot be used as given; NonFiniteError naming the sample
    cost     a call of the network with one sample for each evaluation
    """
    called, declared, on = network_of(network), scheme_of(scheme), process_of(process)
    ends, to_zero = ends_of(grid, on)
    if denoise and to_zero:
        raise InputError(NOTHING_LEFT)
    begin = origin(on, ends[0], seeds, start, shape, dtype, device, called.shape)
    check_update(update, begin)
    combine, path = update_of(update, begin, 1, draws=False)
    told, samples = conditions_of(conditions, len(begin)), fitting(into, begin, denoise)
    finite = library(begin.like).ones(len(begin), dtype=library(begin.like).bool, device=begin.like.device)
    programs, grids = list[Program](), list[AdaptiveGrid]()
    with quiet(begin.like), bar_of(len(begin), declared.spec, "sample", progress) as bar:
        for i in range(len(begin)):
            call = call_of(called, on, None if told is None else told.rows([i]))
            at = begin.blocks([i])
            try:
                found, state = find(declared, on, called.predicts, call, at, ends, to_zero, own, combine)
            except NonFiniteError as lost:
                if on_nonfinite == "raise":
                    raise NonFiniteError(f"sample {i}: {lost}") from None
                found, state = AdaptiveGrid(np.array(ends), 0, 0, np.full(1, np.nan)), [block * np.nan for block in at]
            grids.append(found)
            program = program_of(declared, on, found.times, predicts=called.predicts, denoise=denoise)
            programs.append(program)
            if denoise:
                state = run(replace(program, steps=program.steps[-1:]), call, state, None, combine)
            tile = join(state)
            finite[i : i + 1] = finite_rows(tile)
            samples = kept(samples, slice(i, i + 1), tile, len(begin))
            bar.update()
    nfe = [found.evaluations + denoise for found in grids]
    most = max(range(len(grids)), key=lambda i: len(grids[i].times))
    done = np.array([len(found.times) - 1 + denoise for found in grids])
    facts = provenance(
        scheme, network, called, begin, programs[most],
        {
            "grid": resolved(grid) if isinstance(grid, str) else "own points",
            "times": [found.times.tolist() for found in grids],
            "plan": programs[most].plan,
            "strength": None,
            "conditions": None if told is None else told.about(),
            "update": path.said,
            "denoise": denoise,
            "batch": 1,
            "callback": None,
            "done": None,
            "adaptive": own.about(grids),
        },
    )  # fmt: skip
    steps = len(grids[most].times) - 1
    return Samples(samples, finite, max(nfe), steps, done, None, programs[most], facts, tuple(grids))


def check_adaptive(own: Adaptive, scheme: Any, process: Any, grid: Any, given: dict[str, Any]) -> None:
    """Checks that a run may have adaptive steps.

    own      their settings
    scheme, process, grid   as of `sample`
    given    other arguments of it by name, None where they are left out
    raises   InputError for what does not go with them
    """
    if isinstance(scheme, Program):
        raise InputError(f"the program of {scheme.scheme} fixes its steps already; leave adaptive out.")
    for name, value in (("process", process), ("grid", grid)):
        if value is None:
            raise InputError(f"a run needs a {name}; give one, as an object or by name.")
    told = {name for name, value in given.items() if value is not None}
    if told & {"steps", "strength"}:
        name = min(told & {"steps", "strength"})
        raise InputError(f"{name} counts the steps of a grid, which adaptive has yet to find; leave {name} out.")
    if own.pilot and told & {"start", "conditions"}:
        name = min(told & {"start", "conditions"})
        raise InputError(
            f"the pilot run knows nothing of your {name}; give Adaptive(..., pilot=0), or find a grid by "
            f"adaptive_grid({name}=) and give that as grid."
        )
    if not own.pilot and told & {"nfe", "callback", "trajectory", "grad"}:
        name = min(told & {"nfe", "callback", "trajectory", "grad"})
        raise InputError(f"steps of each sample's own, pilot = 0, do not go with {name}; leave one of them out.")
