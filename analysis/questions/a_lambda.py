"""Ablation of lambda and lambda_s (arXiv:2310.07894, arXiv:2402.07211): which are best at how many evaluations?

The papers search both for every budget and print neither. lambda acts at the second power of a step, so that every
value is consistent and the best one tends to a number that need not be 0; lambda_s acts at the first, so that the best
one tends to 1 (below).

**lambda.** In law the best one of lambda-DDIM is 0.6 to 1.4 at 20 evaluations and 0.2 to 0.3 at 50, above 0 as the
papers say; of the values tried on the mixture and both networks it is 0.5 at 20. What it does there is to keep steps
from growing. On the wide law it falls below 0 from 100 evaluations on, and gains 4 % at 100 and 35 % at 800; on the
narrow one it stays at 0.2 to 0.4. That II is the better one of the two is so along paths, by a factor of 1.4 to 3.4
but for 20 evaluations on the wide law, and with a lambda of about 2 that does not fall; in law I is, at every budget
of both laws.

The best lambda of CVV is below 0 in law at every budget, and along paths near -6, where it has at most a twentieth of
the error of lambda = 0 from 50 evaluations on, on the narrow law, and a tenth to a seventh on the wide one. Near there,
at -b nu/3, steps at t = T neither grow nor decay to second order (`a_stable`).

**lambda_s.** As a rate the best one of ROBA is 18 at 20 evaluations, 7.4 at 50, 4.2 at 100 and 1.4 at 800, and nearly
the same on one scale and on a wide spectrum. In the reading with the mean time tbar, with no factor h in the noise, it
is 1.8, 0.48 and 0.15 at 50, 100 and 200 on one scale; it falls with the second power of the evaluations from 50 to 100
alone, and ever less later, for lambda_s tbar is the rate times the length of a step, and the rate tends to 1. At its
best this reading leaves as much as the rate does on one scale, and on the wide law 1.6 times as much at 50 evaluations
and 3.8 times at 800.

**Is a search worth it?** It divides the error of ROBA by 4 to 10 from 20 to 100 evaluations, after which ROBA is ahead
of `sscs`, which has nothing to search, by a factor of two or three on one scale and by 11 to 17 % on the wide law.
`conjugate-sde(2)`, which is told the deviation of the data and nothing else, has half of what is then left at 50
evaluations on the wide law and a quarter at 100, and is behind at 20. On networks 40 and 256 samples do not tell one
lambda_s of ROBA from another.

Where the best one is 6 by tbar or -8 or 8 it is the last that was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from analysis.questions.common import (
    Panel,
    Record,
    Tables,
    derived,
    deviation_of,
    law_errors,
    panels_figure,
    series,
    subject_of,
)
from numtoolkit import error_curve, local_error, scheme, transfer

GRID, BUDGETS = "quadratic", (20, 50, 100, 200, 400, 800)
LAWS = "gaussian(dim=8, std=0.25)", "natural()"  # one scale, and a wide spectrum
SHIFTS = (-8, -6, -4, -2, -1, -0.5, 0, 0.5, 1, 2, 4, 8)
FLOWS = {own: f"{own}(shift={{:g}})" for own in ("lambda-ddim-1", "lambda-ddim-2", "cvv")}
RATES, MEANS = (1, 1.5, 2, 3, 4, 6, 9, 12, 16, 25), (0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.7, 1, 1.5, 2.5, 4, 6)
NOISES = {
    "roba": ("roba(lambda_s={:g})", RATES),
    "roba(tbar)": ("roba(tbar, lambda_s={:g})", MEANS),
    "coba(tbar)": ("coba(tbar, lambda_s={:g})", MEANS),
}
FREE = "gddim(2)", "sscs", "conjugate-sde(2, sigma_data={:.4f})"  # told the deviation of the data, or nothing
FEW = {  # by subject: starts, budgets, and what is tried there
    "mixture()": (512, (20, 50, 100)),
    "network:digits-psld": (256, (20, 50, 100)),
    "network:patches-psld": (40, (20, 50)),
}
TRIED = {"lambda-ddim-2": (FLOWS["lambda-ddim-2"], (-1, 0, 0.5, 1, 2)), "roba": (NOISES["roba"][0], (1, 2, 4, 9, 16))}
BEST = "The best lambda (default 0) and lambda_s (default 1) on Gaussian laws, errors over the deviation of the data"
POWER = "The power of the evaluations with which the best lambda_s falls, from one budget to the next"
REST = "Error in law over the deviation of the data with the best of them, and of schemes that have none"
SAMPLED = "Error in law by samples over the deviation of the data, and values whose 95 % interval holds the least error"


def best(error: Callable[[float], float], tried: Sequence[float]) -> tuple[float, float]:
    """Where an error is least, to three digits, and that: a scan of what is tried, refined about its least."""
    scan = [error(x) for x in tried]
    i = int(np.argmin(scan))
    bounds = tried[max(i - 1, 0)], tried[min(i + 1, len(tried) - 1)]
    found = float(f"{minimize_scalar(error, bounds=bounds, method='bounded', options={'xatol': 1e-3}).x:.3g}")
    return min((error(found), found), (scan[i], float(tried[i])))[::-1]


def error_in(what: str, text: str, name: str, nfe: int) -> Callable[[float], float]:
    """The error of a scheme by its parameter, in law or along paths; inf of a run that is lost."""

    def of(value: float) -> float:
        own = text.format(value)
        if what == "law":
            found = law_errors(own, "psld", name, GRID, [nfe])[0]
        else:
            found = error_curve(own, "psld", subject_of(name), GRID, [nfe], metric="path")[0]["error"]
        return np.inf if found is None else float(found)

    return of


def statement() -> list[str]:
    """At which power of h each parameter acts."""
    said = []
    for name in FLOWS:
        rows = local_error(name).table()
        moved = [row for row in rows if "shift" in str(row["value"])]
        said.append(
            derived(
                local_error(name).order == 2 and bool(moved) and len(moved) < len(rows),
                f"lambda of {name} acts at h^2 and not at h, where {len(rows) - len(moved)} of {len(rows)} terms have "
                "none of it: every lambda is consistent, and the best one need not tend to 0.",
            )
        )
    free = scheme("roba")
    (term,) = local_error(replace(free, params=tuple(replace(p, free=True) for p in free.params))).table()
    said.append(
        derived(
            term["order"] == 1 and term["value"] == "lambda_s - 1",
            "lambda_s of roba acts at h, as lambda_s - 1: the best one tends to 1.",
        )
    )
    ratios = {name: added(name, 1600) / added(name, 800) for name in ("roba", "roba(tbar)")}
    said.append(
        derived(
            abs(ratios["roba"] - 1) < 0.02 and abs(ratios["roba(tbar)"] / 2 - 1) < 0.02,
            "The variance that lambda_s = 1 adds at the end is the same at 800 and 1600 steps, to 2 %, of roba, and "
            "twice as much of roba(tbar).",
        )
    )
    return said


def added(name: str, steps: int) -> float:
    """The variance at the end, over the exact one, of a scheme with lambda_s = 1 less that with 0, data N(0, 1/4)."""
    opened = "roba(" if name == "roba" else "roba(tbar, "
    with_it, without = (
        (1 + transfer(f"{opened}lambda_s={x})", "psld", GRID, scales=[0.5], steps=steps).deviation[0]) ** 2
        for x in (1, 0)
    )
    return float(with_it - without)


def tuned(name: str, own: str, what: str, nfe: int) -> Record:
    """The best parameter of a scheme on one law at one budget, refined."""
    text, tried = (FLOWS[own], SHIFTS) if own in FLOWS else NOISES[own]
    error = error_in(what, text, name, nfe)
    at, least = best(error, tried)
    default = error(0.0 if own in FLOWS else 1.0)
    return {"data": name, "scheme": own, "error in": what, "NFE": nfe, "default": finite(default), "best": at,
            "least error": least}  # fmt: skip


def finite(error: float) -> float | None:
    """An error, None of a run that is lost."""
    return error if np.isfinite(error) else None


def powers(rows: Sequence[Record]) -> list[Record]:
    """How the best lambda_s falls with the evaluations."""
    found = []
    for name in LAWS:
        for own in NOISES:
            at = {row["NFE"]: row["best"] for row in rows if row["data"] == name and row["scheme"] == own}
            found.append(
                {"data": name, "scheme": own}
                | {f"{a} to {b}": -float(np.log(at[b] / at[a]) / np.log(b / a)) for a, b in pairwise(BUDGETS)}
            )
    return found


def without(name: str, nfe: int) -> list[Record]:
    """Errors of schemes that have neither."""
    told = [text.format(deviation_of(name)) for text in FREE]
    return [{"data": name, "scheme": own, "NFE": nfe, "error": law_errors(own, "psld", name, GRID, [nfe])[0]}
            for own in told]  # fmt: skip


def sampled(name: str, own: str, nfe: int) -> Record:
    """Errors in law by samples, and which values are as good as the best."""
    text, tried = TRIED[own]
    unit = deviation_of(name)
    rows = {
        x: error_curve(text.format(x), "psld", subject_of(name), GRID, [nfe], range(FEW[name][0]), metric="law")[0]
        for x in tried
    }
    least = min(row["error"] for row in rows.values() if row["error"] is not None)
    good = [f"{x:g}" for x, row in rows.items() if row["error"] is not None and row["low"] <= least]
    return {"data": name, "scheme": own, "NFE": nfe} | {
        f"{x:g}": None if row["error"] is None else row["error"] / unit for x, row in rows.items()
    } | {"floor": rows[tried[0]]["floor"] / unit, "as good": ", ".join(good)}  # fmt: skip


def numbers(quick: bool = False) -> Tables:
    """Best values on Gaussian laws, exactly, what they are worth, and the same by samples."""
    if quick:
        return {BEST: [tuned(LAWS[0], "roba", "law", BUDGETS[0])], REST: without(LAWS[0], BUDGETS[0])}
    kinds = [(own, what) for own in FLOWS for what in ("law", "path")] + [(own, "law") for own in NOISES]
    rows = [tuned(name, own, what, nfe) for name in LAWS for own, what in kinds for nfe in BUDGETS]
    free = [row for name in LAWS for nfe in BUDGETS for row in without(name, nfe)]
    few = {
        f"{SAMPLED}, {own}": [sampled(name, own, nfe) for name, (_, budgets) in FEW.items() for nfe in budgets]
        for own in TRIED
    }
    return {BEST: rows, POWER: powers(rows), REST: free} | few


def picture(tables: Tables) -> Any:
    """Best values by evaluations, and what they are worth beside schemes that have none."""
    rows = tables[BEST]
    shifts = [
        row | {"is": f"{row['scheme']}, {row['error in']}"}
        for row in rows
        if row["data"] == LAWS[1] and row["scheme"] in ("lambda-ddim-1", "lambda-ddim-2")
    ]
    scales = [
        row | {"is": f"{row['scheme']}, {'one scale' if row['data'] == LAWS[0] else 'wide'}"}
        for row in rows
        if row["scheme"] in NOISES
    ]
    least = [
        {"is": f"{row['scheme']}, tuned", "NFE": row["NFE"], "error": row["least error"]}
        for row in rows
        if row["data"] == LAWS[1] and row["error in"] == "law" and row["scheme"] in ("lambda-ddim-2", "cvv", "roba")
    ]
    least += [{"is": row["scheme"], "NFE": row["NFE"], "error": row["error"]} for row in tables[REST]
              if row["data"] == LAWS[1]]  # fmt: skip
    x = "network evaluations (NFE)"
    return panels_figure(
        [
            Panel("best lambda, natural()", series(shifts, "is", "NFE", "best"), x, "lambda", "x", 0.0, ticks=BUDGETS),
            Panel("best lambda_s, in law", series(scales, "is", "NFE", "best"), x, "lambda_s", level=1.0,
                  ticks=BUDGETS),
            Panel("what is left, natural()", series(least, "is", "NFE", "error"), x, "error in law over the deviation",
                  ticks=BUDGETS, limits=(1e-4, 1.0)),
        ],
        "PSLD, quadratic grid: which lambda and lambda_s are best, and is a search worth it?",
    )  # fmt: skip
