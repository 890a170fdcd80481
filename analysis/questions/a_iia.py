"""Ablation of IIA (arXiv:2304.11328): which part of the fit is it that helps, and does it carry over?

Of IIA-EDM on Heun's step: the weights of this step's two slopes alone (r = 0), those of one, two and three steps
before in addition, the mean slope alone (BIIA), and one set of weights for all steps, the mean of those of r = 0.
Most of the gain is that of the two weights of the step itself. One step of history adds some, most on the network;
two and three add nothing. One set of weights for all steps does as well on the network; on the
mixture, and on the images from eight steps on, it is worse than Heun's step: there the weights are not the same at all
noise levels. With a wide spectrum the gain is less, a quarter at most at twelve steps: two numbers a step cannot serve
many scales.

Tables that were fitted on one subject and used on another keep most of the gain over Heun: what they mend is the
length of the steps more than the data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from analysis.questions.common import Record, Tables, derived, panel_each, panels_figure, subject_of
from numtoolkit import error_curve, fit, network_of, program_of, scheme
from numtoolkit.files.fitted_coefficients import FittedCoefficients

SUBJECTS = "mixture()", "natural(components=16)", "network:digits-image"
GRID, STEPS, SEEDS = "rho(7)", (5, 6, 8, 12), range(64)
CARRIED = 6  # steps of the tables that are carried over
SCHEMES = "iia-edm(0)", "biia-edm(0)", "iia-edm(1)", "iia-edm(2)", "iia-edm(3)"
FIXED = "iia-edm(0), one set of weights"
PARTS = "Error along paths by what is fitted, target of 10 substeps"
OTHERS = "Error along paths of iia-edm(1), 6 steps, fitted on the subject of the row and used on that of the column"


def statement() -> list[str]:
    """What every variant is."""
    counts = {name: len(scheme(name).fitted) for name in SCHEMES}
    evaluations = {program_of(name, "edm", GRID, steps=6).nfe for name in (*SCHEMES, "heun-edm")}
    return [
        derived(
            list(counts.values()) == [2, 1, 4, 6, 8],
            f"Weights a step: {', '.join(f'{count} of {name}' for name, count in counts.items())}.",
        ),
        derived(len(evaluations) == 1, "All take the evaluations of heun-edm."),
    ]


def numbers(quick: bool = False) -> Tables:
    """Errors of every part on every subject, and of tables used elsewhere."""
    if quick:
        return {PARTS: [part(SUBJECTS[0], SCHEMES[0], STEPS[1])]}
    parts = [part(subject, name, n) for subject in SUBJECTS for name in ("heun-edm", FIXED, *SCHEMES) for n in STEPS]
    return {PARTS: parts, OTHERS: [carried(subject) for subject in (*SUBJECTS, "none: Heun")]}


def part(subject: str, name: str, steps: int) -> Record:
    """The error of one variant."""
    return {
        "subject": subject,
        "fitted": name,
        "steps": steps,
        "error": error(subject, table_of(subject, name, steps), steps),
    }


def table_of(subject: str, name: str, steps: int) -> FittedCoefficients | None:
    """The table of a variant, None of Heun's step itself."""
    if name == "heun-edm":
        return None
    table = fit("iia-edm(0)" if name == FIXED else name, "edm", network_of(subject), GRID, steps=steps)
    return constant(table) if name == FIXED else table


def constant(table: FittedCoefficients) -> FittedCoefficients:
    """One set of weights for all steps that have some."""
    some = [step for step in table.steps if step.rank]
    mean = tuple(np.mean([step.values for step in some], axis=0).tolist())
    return replace(table, steps=tuple(replace(step, values=mean) if step.rank else step for step in table.steps))


def error(subject: str, table: FittedCoefficients | None, steps: int) -> float | None:
    """Of a run of so many steps."""
    own = scheme("heun-edm") if table is None else scheme(table.scheme).with_table(table)
    nfe = program_of(own, "edm", GRID, steps=steps).nfe
    (row,) = error_curve(own, "edm", subject_of(subject), GRID, [nfe], SEEDS, metric="path")
    return row["error"]


def carried(subject: str) -> Record:
    """The errors of the table of one subject on all."""
    table = None if subject not in SUBJECTS else table_of(subject, "iia-edm(1)", CARRIED)
    return {"fitted on": subject} | {f"on {other}": error(other, table, CARRIED) for other in SUBJECTS}


def picture(tables: Tables) -> Any:
    """Errors by steps, a panel a subject."""
    rows = tables[PARTS]
    panels = panel_each(
        rows, "subject", SUBJECTS, ("fitted", "steps", "error"), "steps", "relative RMS error", ticks=STEPS
    )
    return panels_figure(panels, "Which part of the fit of IIA-EDM is it that helps?")
