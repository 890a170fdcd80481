"""Fitted schemes for tests: every family, tables of given coefficients, and each fit computed once."""

from __future__ import annotations

from functools import cache

import numpy as np

from numtoolkit.files.fitted_coefficients import FittedStep
from numtoolkit.fitting import FittedCoefficients, fit
from numtoolkit.fitting.least_squares import CALIBRATION
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import anisotropic
from numtoolkit.problem.processes import EDM, VP, CosineVP, RectifiedFlow
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme

PROCESSES = [EDM(), VP(), CosineVP(), RectifiedFlow()]
FAMILIES = ["iia-ddim(one)", "iia-ddim(two)", "iia-ddim(guided)", "biia-edm(0)", "biia-edm(2)", "iia-edm(0)",
            "iia-edm(1)", "iia-edm(2)", "iia-spndm", "iia-ipndm", "iia-dpmpp-2m"]  # fmt: skip
WIDE = anisotropic(16)
OFF_CENTRE = Gaussian([3.0, -4.0], [[0.25, 0.12], [0.12, 0.1]])


def table_of(declared, process, times, values):
    """A table with the given values by name; a number stands for every step."""
    columns = [np.broadcast_to(values.get(name, 0.0), len(times) - 1) for name in declared.fitted]
    steps = tuple(
        FittedStep(float(times[n]), float(times[n + 1]), tuple(float(c[n]) for c in columns), 1, 0.0, 0.0)
        for n in range(len(times) - 1)
    )
    return FittedCoefficients(declared.spec, declared.base, process.spec, "test", "test", declared.fitted, steps, {})


def lowered(spec, process, times, **values):
    declared = scheme(spec)
    table = table_of(declared, process, times, values) if values else None
    return lower(declared if table is None else declared.with_table(table), process, times)


@cache
def fitted(spec, law, steps, seeds=CALIBRATION, substeps=10, points="rho(7)"):
    return fit(spec, "edm", law, points, steps=steps, seeds=seeds, substeps=substeps)
