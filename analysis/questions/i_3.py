"""I.3 (arXiv:2304.11328): how large do the batch and the number of substeps M have to be?

**Batch.** On Gaussian data the whole fit, of all steps, asks of its batch the means of n_k and n_k^2 alone, n_k the
normals of the starts in the directions of the data. So one vector, of starts at n_k = 1, gives the coefficients of
the infinite batch where the mean is 0, and over batches of B samples a coefficient has the variance C / B, C = sum_k
(2 (dc/dS_k)^2 + (dc/dM_k)^2), the slopes those in the second and first moments. It falls with the number of
directions too: d equal directions are as good as d samples. What decides is how far quantities are collinear: C of
two quantities is hundreds of times that of one. A run feels little of this, from a handful of starts on: what a batch
leaves undecided are combinations of coefficients that hardly move a state.

Laws that are not Gaussian have no such form, but the same root, which under heavy tails takes larger batches to show.

**Substeps.** The target of M substeps of a base of order p lies M^-p of the base's own miss from the exact flow, once
its substeps are short. While they are long M is to be large: it is the length of a *substep* that has to be small, so
M is to grow as the steps of the run do. Where the base is unstable at long steps, as Heun is, M = 3 leaves a target
that is itself off.

**Open:** batches for data whose posterior has heavy tails, and images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import error_curve, fit, law_of, network_of, program_of, scheme, verify
from numtoolkit.fitting import coefficient_spread
from numtoolkit.laws import Gaussian

GRID, STEPS = "rho(7)", 6
BATCHES, REPEATS = (10, 40, 160), 40
GAUSSIAN = "anisotropic", "natural(size=4)"
OTHERS = "mixture()", "natural(components=16)", "student(freedom=2.2)"
RUNS = *OTHERS[:2], "network:digits-image"
SIZES, SUBSTEPS = (3, 10, 30, 100, 300), (1, 2, 3, 5, 10, 20, 50)
SPREAD = "Deviation of a coefficient over 40 batches of B samples, times the root of B, at the step where it is largest"
ERRORS = "Error along paths of other starts by the batch, 6 steps, target of 10 substeps"
TARGETS = "Error along paths, and distance of the coefficients from those of the exact flow, by substeps M, 6 steps"


def statement() -> list[str]:
    """The vector that is the infinite batch, what more directions are worth, and the orders of the targets."""
    law = law_of("anisotropic")
    whole = _values(fit("iia-edm(1)", "edm", law, GRID, steps=STEPS, seeds=None))
    vector = _values(fit("iia-edm(1)", "edm", law, GRID, steps=STEPS, start=80.0 * np.ones((1, 16))))
    alone = coefficient_spread("iia-ddim(one)", "edm", "gaussian(mean=0)", GRID, steps=STEPS).deviation
    few, many = (coefficient_spread("iia-ddim(one)", "edm", _repeated(copies), GRID, steps=STEPS).deviation
                 for copies in (1, 4))  # fmt: skip
    orders = [verify(base).derived["classical"] for base in ("ddim", "heun-edm")]
    return [
        derived(
            float(np.abs(whole - vector).max()) < 1e-9,
            "One start at the deviation of the noise in every direction gives the coefficients of the infinite batch "
            "to 9 digits (centred Gaussian data, iia-edm(1)).",
        ),
        derived(
            float(alone.max()) < 1e-9,
            "Where all directions have one variance and the mean is 0 a single quantity is fitted without spread, by "
            "any batch.",
        ),
        derived(
            np.allclose(few, 2 * many, rtol=1e-5) and float(few.max()) > 0,
            "Every direction four times halves the deviation: C is C_1 / d.",
        ),
        derived(
            orders == [1, 2],
            "The bases of iia-ddim and iia-edm are of orders 1 and 2: targets miss 1/M and 1/M^2 of what a "
            "short step does.",
        ),
    ]


def _repeated(copies: int) -> Any:
    """Three variances in so many directions each."""
    variances = np.repeat([0.01, 0.1, 1.0], copies)
    return Gaussian(np.zeros(len(variances)), variances)


def _values(table: Any) -> Any:
    return np.array([step.values for step in table.steps])


def numbers(quick: bool = False) -> Tables:
    """Spread over batches, errors by batch, errors by target."""
    if quick:
        return {SPREAD: [spread("iia-ddim(one)", GAUSSIAN[0])], ERRORS: [by_batch("iia-ddim(two)", RUNS[0], SIZES[0])]}
    spreads = [spread(name, law) for law in GAUSSIAN + OTHERS for name in ("iia-ddim(one)", "iia-ddim(two)")]
    batches = [by_batch(name, law, B) for law in RUNS for name in ("iia-ddim(two)", "iia-edm(1)") for B in SIZES]
    targets = [by_target(name, law, M) for law in OTHERS for name in ("iia-ddim(one)", "iia-edm(0)") for M in SUBSTEPS]
    return {SPREAD: spreads, ERRORS: batches, TARGETS: targets}


def spread(name: str, law: str) -> Record:
    """Coefficients of many batches, at the step and of the coefficient that varies most with the largest batch."""
    found = {}
    for B in BATCHES:
        tables = [fit(name, "edm", law, GRID, steps=STEPS, seeds=range(1_000_000 + B * i, 1_000_000 + B * (i + 1)))
                  for i in range(REPEATS)]  # fmt: skip
        found[B] = np.std([_values(table) for table in tables], axis=0, ddof=1) * np.sqrt(B)
    exact = coefficient_spread(name, "edm", law, GRID, steps=STEPS).deviation if law in GAUSSIAN else None
    at = np.unravel_index(np.argmax(found[BATCHES[-1]] if exact is None else exact), found[BATCHES[-1]].shape)
    row: Record = {"law": law, "scheme": name, "step": int(at[0])}
    row |= {f"B = {B}": float(own[at]) for B, own in found.items()}
    return row | {"in closed form": None if exact is None else float(exact[at])}


def by_batch(name: str, law: str, B: int) -> Record:
    """The error of a run whose coefficients are those of one batch."""
    table = fit(name, "edm", network_of(law), GRID, steps=STEPS, seeds=range(1_000_000, 1_000_000 + B))
    return {"law": law, "scheme": name, "B": B, "error": _error(name, table, law)}


def _error(name: str, table: Any, law: str) -> float:
    own = scheme(name).with_table(table)
    nfe = program_of(own, "edm", GRID, steps=STEPS).nfe
    on = network_of(law) if law.startswith("network") else law
    (row,) = error_curve(own, "edm", on, GRID, [nfe], range(256), metric="path")
    return float(row["error"])


def by_target(name: str, law: str, M: int) -> Record:
    """The error of a run, and how far its coefficients are from those of the exact flow."""
    exact, table = (fit(name, "edm", law, GRID, steps=STEPS, substeps=own) for own in (None, M))
    apart = float(np.abs(_values(table) - _values(exact)).max())
    return {"law": law, "scheme": name, "M": M, "error": _error(name, table, law), "coefficients": apart}


def picture(tables: Tables) -> Any:
    """Errors by batch and by target."""
    batches = [row | {"what": f"{row['scheme']}, {row['law']}"} for row in tables[ERRORS]]
    targets = [row | {"what": f"{row['scheme']}, {row['law']}"} for row in tables[TARGETS]]
    return panels_figure(
        [
            Panel("error by batch", series(batches, "what", "B", "error"), "samples B", "relative RMS error",
                  ticks=SIZES),
            Panel("error by target", series(targets, "what", "M", "error"), "substeps M", "relative RMS error",
                  ticks=SUBSTEPS),
            Panel("coefficients by target", series(targets, "what", "M", "coefficients"), "substeps M",
                  "largest distance from the exact flow's", ticks=SUBSTEPS),
        ],
        "How many samples, and how many substeps, do fitted coefficients take?",
    )  # fmt: skip
