"""I.1 (arXiv:2304.11328): how does the fit of coefficients do under other noise functions alpha and sigma?

As under one. In z / alpha the flow and every step of these schemes depend on s = sigma / alpha alone, so with the
relative coefficients that a table holds a run on any scalar process is alpha times the run on EDM over the same
levels s; the coefficients of the paper differ from these by alpha at the end of the step. Fitted to the exact flow,
or to a target whose substeps lie at the same levels, the tables are one table.

What breaks this is the target. Its substeps are equal in process time, which no two processes have at the same
levels, so a target of M substeps is another one on each process, and the coefficients differ by what it misses.
Equal in the noise level itself, as on EDM, they are the worst of the four here: the last of them is by far the longest
in log s. Which process does better is a matter of the grid of the *target* alone.

**Open:** nothing for networks that are functions of (z / alpha, s); a network trained in one process is another
network than one trained in another.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import catalogue, fit, process, program_of
from numtoolkit.fitting import FittedCoefficients
from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map

PROCESSES = "edm", "vp", "vp-cosine", "flow"
LAWS = "mixture()", "natural(components=16)", "student"
LEVELS = np.geomspace(50.0, 0.02, 9)
SUBSTEPS, BATCH = (1, 2, 3, 5, 10, 20, 50), range(1_000_000, 1_000_016)
EXACT = "Largest difference of coefficients from those on EDM, 8 equal steps of log-SNR from s = 50 to 0.02, exact flow"
TARGET = "Largest difference of coefficients from those of the exact flow, by the substeps M of the target"


def statement() -> list[str]:
    """Runs with one table on all processes are one run, and fits of infinite batches one table."""
    law = Gaussian(np.zeros(4), [1e-3, 0.1, 0.5, 2.0])
    fitted = [own for own in catalogue() if own.fitted]
    runs = tables = 0.0
    for own in fitted:
        maps = []
        for name in PROCESSES:
            times = times_of(name)
            drawn = np.random.default_rng(0)
            table = fit(own, name, law, times, seeds=None, substeps=None)
            values = tuple(replace(step, values=tuple(drawn.normal(size=len(table.names)).tolist()))
                           for step in table.steps)  # fmt: skip
            program = program_of(own.with_table(replace(table, steps=values)), name, times)
            first, last = process(name).alpha(times[[0, -1]])
            maps.append((affine_map(program, law)[0][:, 0, 0] * first / last, _values(table)))
        runs = max(runs, *(float(np.abs(one / maps[0][0] - 1).max()) for one, _ in maps))
        if own.name == "iia-ddim":
            tables = max(tables, *(float(np.abs(found - maps[0][1]).max()) for _, found in maps))
    names = ", ".join(own.spec for own in fitted)
    return [
        derived(
            runs < 1e-7,
            f"With one table, drawn at random, the runs of {names} on {', '.join(PROCESSES[1:])} over the same levels "
            "s are alpha times the run on EDM, to 7 digits.",
        ),
        derived(
            tables < 1e-7,
            "Fitted on the infinite batch to the exact flow, the tables of iia-ddim on all of them are one, "
            "to 7 digits.",
        ),
    ]


def times_of(name: str, levels: Any = LEVELS) -> Any:
    """The process times of the noise levels."""
    return process(name).time_of_level(levels)


def _values(table: FittedCoefficients) -> Any:
    return np.array([step.values for step in table.steps])


def numbers(quick: bool = False) -> Tables:
    """Coefficients of one batch on every process, by the target."""
    laws = LAWS[:1] if quick else LAWS
    exact = [_exact(law, name) for law in laws for name in PROCESSES[1:]]
    found = [by_target(law, name, M) for law in laws for name in (PROCESSES[:2] if quick else PROCESSES)
             for M in (SUBSTEPS[:1] if quick else SUBSTEPS)]  # fmt: skip
    return {EXACT: exact, TARGET: found}


@lru_cache
def table_of(law: str, name: str, substeps: int | None) -> FittedCoefficients:
    """A fit of iia-ddim(one) at the common levels."""
    return fit("iia-ddim(one)", name, law, times_of(name), seeds=BATCH, substeps=substeps)


def _exact(law: str, name: str) -> Record:
    here, there = (_values(table_of(law, at, None)) for at in (name, PROCESSES[0]))
    return {"law": law, "process": name, "below 1e-7": bool(np.abs(here - there).max() < 1e-7)}


def by_target(law: str, name: str, M: int) -> Record:
    """What a target of M substeps, equal in the time of a process, does."""
    apart = np.abs(_values(table_of(law, name, M)) - _values(table_of(law, PROCESSES[0], None)))
    return {"law": law, "process": name, "M": M, "difference": float(apart.max())}


def picture(tables: Tables) -> Any:
    """Distance of the coefficients from those of the exact flow by substeps, a panel a law."""
    rows = tables[TARGET]
    return panels_figure(
        [
            Panel(law, series([row for row in rows if row["law"] == law], "process", "M", "difference"), "substeps M",
                  "largest distance from the exact flow's", ticks=SUBSTEPS)
            for law in dict.fromkeys(row["law"] for row in rows)
        ],
        "Do fitted coefficients depend on alpha and sigma, or on the substeps of their target?",
    )  # fmt: skip
