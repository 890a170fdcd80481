"""I.2 (arXiv:2304.11328): does the fit of coefficients extend to other solvers, and what does it do to their order?

It extends to every scheme whose step is linear in the numbers that are fitted: the equations stay those of least
squares. A coefficient stands in the local error with the power of h that its quantity has, so a base of order p keeps
its order exactly if a coefficient that meets a tree of weight w is O(h^(p + 1 - w)); the table of derived residuals
has the weights. Least squares see to that by themselves: the fitted step is never farther from its target than the
base step, in mean square over the batch, and the base step is O(h^(p + 1)) away.

So the fit also *raises* the order where a coefficient can cancel what the base misses, but only as far as its target
does. One history coefficient makes DDIM the exponential Adams step of order 2, kappa_0 = 1 / (2 r0), r0 the step
before over this one; with M substeps of DDIM as the target it tends to (1 - 1/M) / (2 r0), and what is left of the
first-order error is 1/M of it.

Two quantities become collinear as steps get short: for iia-ddim(two) only kappa_0 + kappa_1 is decided at leading
order. Each of the two then grows as 1/h while their sum does not, and whatever is added to one evaluation, such as
the error of a network, is amplified by them. The cut of small singular values is what holds them: where it takes
effect, both are half of the sum.

**Open:** how large such coefficients may be for a network of a given error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import conditions, error_curve, fit, law_of, program_of, scheme, verify

LAWS = "mixture()", "natural(components=16)", "student"
STEPS, SUBSTEPS = (8, 16, 32, 64, 128), (2, 5, 10)
BATCH, SEEDS = range(1_000_000, 1_000_100), range(64)
SCHEMES = "iia-edm(0)", "iia-ddim(one)", "iia-ddim(two)"
SIZES = "Median size over steps of the fitted coefficients on equal steps of log-SNR, and errors of fitted run and base"
TARGETS = "The coefficient of iia-ddim(one) by substeps M of its target, 64 steps, median over steps"


def statement() -> list[str]:
    """The residuals in the coefficients, and what a target of M substeps makes of one of them."""
    import sympy

    heun, one, two = (_residuals(name) for name in SCHEMES)
    kappa, r0, M = sympy.symbols("kappa_0 r0 M")
    (raised,), (short,) = (sympy.solve(one["N e_t"] + left, kappa) for left in (0, 1 / (2 * M)))
    said = [
        derived(
            verify("heun-edm").derived["classical"] == 2 and heun == {"N e": sympy.Symbol("beta_e0"),
                                                                      "N e'[N e]": sympy.Symbol("beta_d0")},
            "iia-edm(0) misses beta_e0 h N e + beta_d0 h^2 N e'[N e] beside what its base of order 2 misses: order 2 "
            "is kept if and only if beta_e0 = O(h^2) and beta_d0 = O(h).",
        ),
        derived(
            set(one) == {"N e_t", "N e'[N e]"} and raised == 1 / (2 * r0),
            "iia-ddim(one) misses (2 kappa_0 r0 - 1)/2 h^2 of both trees of weight 2: order 1 is kept by every bounded "
            "kappa_0, and order 2 is reached at kappa_0 = 1/(2 r0) + O(h).",
        ),
        derived(
            sympy.simplify(short - (1 - 1 / M) / (2 * r0)) == 0,
            "M equal substeps of an order-1 base miss 1/M of what one step does, h^2/(2 M): a step that is fitted to "
            "them has kappa_0 = (1 - 1/M)/(2 r0) + O(h).",
        ),
        derived(
            bool(two) and all(sympy.diff(own, "kappa_0") == sympy.diff(own, "kappa_1") != 0 for own in two.values()),
            "iia-ddim(two): both trees of weight 2 see kappa_0 + kappa_1 alone.",
        ),
    ]  # fmt: skip
    for name in ("biia-edm(1)", "iia-dpmpp-2m", "iia-spndm", "iia-ipndm"):
        own = conditions(name, 1, "classical")
        lightest = {row["tree"]: row["value"] for row in own.table() if row["order"] == 1 and row["value"] != "0"}
        left = " and ".join(f"{value} of {tree}" for tree, value in lightest.items()) or "nothing"
        said.append(derived(own.met == (0 if lightest else 1), f"{name} misses at weight 1: {left}."))
    return said


def _residuals(name: str) -> dict[str, Any]:
    """What a fitted scheme misses at weights 1 and 2, by tree, where it is not 0."""
    import sympy

    rows = conditions(name, 2, "classical").table()
    return {str(row["tree"]): sympy.sympify(row["value"]) for row in rows if row["value"] != "0"}


def numbers(quick: bool = False) -> Tables:
    """Coefficients and errors as steps get short, and coefficients by target."""
    steps = STEPS[:2] if quick else STEPS
    laws = LAWS[:1] if quick else LAWS
    sizes = [size(name, law, n) for name in SCHEMES for law in laws for n in steps]
    targets = [target(law, M) for law in laws for M in (SUBSTEPS[:1] if quick else (*SUBSTEPS, None))]
    return {SIZES: sizes, TARGETS: targets}


def size(name: str, law: str, steps: int) -> Record:
    """One fit and one run of it."""
    table = fit(name, "edm", law, "log-snr", steps=steps, seeds=BATCH)
    own = scheme(name).with_table(table)
    nfe = program_of(own, "edm", "log-snr", steps=steps).nfe
    errors = [error_curve(run, "edm", law_of(law), "log-snr", [nfe], SEEDS, metric="path")[0]["error"]
              for run in (own, table.base)]  # fmt: skip
    values = np.array([step.values for step in table.steps if step.rank])
    row: Record = {"scheme": name, "law": law, "steps": steps}
    row |= {f"c{i}": float(np.median(np.abs(column))) for i, column in enumerate(values.T)}
    row["sum"] = float(np.median(np.abs(values.sum(axis=1)))) if name == "iia-ddim(two)" else None
    return row | {"error": errors[0], "error of the base": errors[1]}


def target(law: str, substeps: int | None) -> Record:
    """The fitted coefficient for one target."""
    table = fit("iia-ddim(one)", "edm", law, "log-snr", steps=64, seeds=BATCH, substeps=substeps)
    found = float(np.median([step.values[0] for step in table.steps if step.rank]))
    limit = 0.5 * (1 - 1 / substeps) if substeps else 0.5
    return {"law": law, "M": substeps or "exact flow", "kappa_0": found, "(1 - 1/M) / 2": limit}


def picture(tables: Tables) -> Any:
    """How coefficients and errors fall."""
    rows = [row for row in tables[SIZES] if row["scheme"] == "iia-edm(0)"]
    named = [row | {"what": f"{name}, {row['law']}", "y": row[key]} for key, name in
             (("c0", "beta_e0"), ("c1", "beta_d0")) for row in rows]  # fmt: skip
    errors = [row | {"what": f"{what}, {row['law']}", "y": row[key]} for key, what in
              (("error", "iia-edm(0)"), ("error of the base", "heun-edm")) for row in rows]  # fmt: skip
    two = [row | {"what": f"{name}, {row['law']}", "y": row[key]} for key, name in (("c0", "kappa_0"), ("sum", "sum"))
           for row in tables[SIZES] if row["scheme"] == "iia-ddim(two)"]  # fmt: skip
    return panels_figure(
        [
            Panel("Heun: coefficients, as h^2 and h", series(named, "what", "steps", "y"), "steps", "median size",
                  ticks=STEPS),
            Panel("Heun: error along paths", series(errors, "what", "steps", "y"), "steps", "relative RMS error",
                  ticks=STEPS),
            Panel("iia-ddim(two): one of two, and the sum", series(two, "what", "steps", "y"), "steps",
                  "median size", ticks=STEPS),
        ],
        "Do fitted coefficients leave a solver its order?",
    )  # fmt: skip
