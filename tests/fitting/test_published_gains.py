"""What a fit gains on the ring of eight is what the published table says (exponential-iia.md 7.4)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from numtoolkit import Network
from numtoolkit.laws.named import ring
from numtoolkit.measure import exact_flow
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.sampling.noise import START, normals
from numtoolkit.schemes import scheme
from tests.support.fitted_schemes import fitted
from tests.support.tiers import breadth


@cache
def defect(spec, steps, substeps=0):
    """Mean over 512 held-out starts of |D(x_N) - D(x exact)|/sqrt(d) at t = 0.002, grid rho 7."""
    law, seeds = ring(), range(512)
    z = normals(seeds, START, 0, (1, 2))[:, 0] * 80.0
    declared = scheme(spec)
    if substeps != 0:
        declared = declared.with_table(fitted(spec, law, steps, substeps=substeps))
    end = run(lower(declared, EDM(), grid("rho(7)", EDM(), steps)), Network.of(law).on(EDM()), [z])[0]
    exact = exact_ends()
    gap = law.denoise(end, 0.002) - law.denoise(exact, 0.002)
    return float(np.mean(np.linalg.norm(gap, axis=1)) / np.sqrt(2))


@cache
def exact_ends():
    return exact_flow(EDM(), ring(), [normals(range(512), START, 0, (1, 2))[:, 0] * 80.0], 80, 0.002)[0]


@pytest.mark.parametrize(
    ("spec", "substeps", "stages", "row"),
    breadth(
        [
            ("ddim", 0, 1, (0.087, 0.060, 0.036, 0.017)),
            ("dpmpp-2m", 0, 1, (0.112, 0.129, 0.048, 0.0070)),
            ("res-2m", 0, 1, (0.217, 0.210, 0.074, 0.0093)),
            ("iia-ddim(two)", 3, 1, (0.055, 0.037, 0.022, 0.0077)),
            ("iia-ddim(two)", 10, 1, (0.054, 0.032, 0.020, 0.0057)),
            ("iia-ddim(two)", None, 1, (0.054, 0.031, 0.020, 0.0053)),
            ("iia-ddim(one)", None, 1, (0.049, 0.031, 0.020, 0.0058)),
            ("biia-edm(1)", 3, 2, (0.152, 0.121, 0.019, 0.0028)),
            ("iia-edm(1)", 3, 2, (0.152, 0.123, 0.017, 0.0026)),
            ("iia-edm(1)", 10, 2, (0.018, 0.0083, 0.0052, 0.0015)),
            ("iia-edm(1)", None, 2, (0.0064, 0.0034, 0.0053, 0.0015)),
        ],
        lambda spec, substeps, *rest: spec in ("dpmpp-2m", "iia-ddim(one)"),
    ),
)
def test_defects_on_the_ring_are_those_of_the_published_table(spec, substeps, stages, row):
    """Every scheme and fit at four budgets, within 15 %.

    NFE 7, 9, 13 and 25, the final denoise counted. The table's starts are others: 512 of them, of which few decide
    the mean, spread it by 5 to 10 %.
    """
    found = [defect(spec, (nfe - 1) // stages, substeps) for nfe in (7, 9, 13, 25)]
    assert found == pytest.approx(row, rel=0.15)


def test_more_substeps_and_more_freedom_help_where_they_are_said_to():
    """iia-edm gains on Heun, more so with 10 substeps than 3; iia-ddim beats ddim and the two-step schemes."""
    for steps in (3, 4, 6):
        heun = defect("heun-edm", steps)
        assert defect("iia-edm(1)", steps, 10) < defect("iia-edm(1)", steps, 3) < heun / 4
    for steps in (6, 8, 12):
        assert defect("iia-ddim(two)", steps, 10) < min(defect(s, steps) for s in ("ddim", "dpmpp-2m", "res-2m"))
