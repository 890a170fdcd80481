"""Ablation of time grids (all four papers): which grid is best for which scheme, and is it the one the papers take?

Five grids each: the uniform one, which is the poor schedule of the RES paper on EDM, rho(2) or the quadratic one of the
PSLD papers, rho(3), rho(7), which the EDM, RES and IIA papers take, and log-SNR.

**On EDM it is.** Of five schemes at 8 to 20 evaluations rho(7) has the least error in the geometric mean over laws and
networks, but for the two-stage exponential ones at 8, where log-SNR is ahead by 2 and 11 %. For a single law or network
it may be far from the best: on the narrow law and the mixture log-SNR is ahead for most; on the network of photographs
rho(3) is for some, and log-SNR has up to three times the error of rho(7). So laws do not tell on which side of rho(7)
the best grid of a network lies.

**On PSLD it nearly is.** With noise the quadratic grid is within 15 % of the best, rho(3) or rho(7), in the mean, and
13 to 47 % behind on the narrow law at 20. Of the flow the longest step decides, which must not be longer than is
stable: at 20 evaluations log-SNR is best in the mean, whose longest step is shorter, `cvv` has 7 times its error on the
quadratic grid, and rho(7) is lost. On the networks the quadratic grid is best for `rvv`, or level.

**RES is not more robust to a poor schedule** than DPM-Solver++ in what the schedule costs it: from rho(7) to the
uniform grid the error of `res-2s` grows by a larger factor than that of `dpmpp-2s` in 12 of 15 rows. It is still ahead
on the uniform grid, where both have errors above a quarter but on the narrow law. Heun's step and IIA on it lose far
more, by factors from 10 to 390: coefficients that are fitted mend no step that is too long.

What is told by samples on PSLD, of the mixture and the networks, stands on a floor of 0.1 to 0.2 of the deviation with
noise, so that it says little from 50 evaluations on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.questions.common import (
    Curve,
    Panel,
    Record,
    Tables,
    derived,
    law_errors,
    panels_figure,
    subject_of,
)
from numtoolkit import error_curve, fit, grid, network_of, process, scheme
from numtoolkit.measure.single_steps import stable_step

IMAGE = ("uniform", "rho(2)", "rho(3)", "rho(7)", "log-snr")
PHASE = ("uniform", "quadratic", "rho(3)", "rho(7)", "log-snr")
LABELS = "uniform", "rho(2) or quadratic", "rho(3)", "rho(7)", "log-snr"  # of both
PUBLISHED = {"edm": "rho(7)", "psld": "quadratic"}
SCHEMES = {
    "edm": ("ddim", "heun-edm", "dpmpp-2s", "res-2s", "iia-edm(1)"),
    "psld": ("em", "sscs", "rvv", "cvv", "roba", "robab"),
}
GRIDS, BUDGETS = {"edm": IMAGE, "psld": PHASE}, {"edm": (8, 12, 20), "psld": (20, 50, 100)}
LAWS = {"gaussian(dim=8, std=0.25)": 64, "natural()": 64, "mixture()": 512}
NETWORKS = {
    "edm": {"network:digits-image": 64, "network:patches-image": 24},
    "psld": {"network:digits-psld": 128, "network:patches-psld": 40},
}  # and how many starts
DEAR = {"network:patches-image": SCHEMES["edm"][:4], "network:patches-psld": ("rvv",)}  # whose evaluations take longest
ERRORS = {
    "edm": "EDM: error along paths by grid",
    "psld": "PSLD: error in law over the deviation of the data by grid; by samples but for the two Gaussian laws",
}
PRICE = (
    "Geometric means over laws and networks: the best grid, the error on that of the papers over it, and the most that "
    "this is over the best of one of them"
)
POOR = "EDM: error on the uniform grid, equal steps in the noise level, over that on rho(7)"


def statement() -> list[str]:
    """What the grids have in common."""
    edm, psld = process("edm"), process("psld")
    off = np.abs(grid("rho(1)", edm, 20) - grid("uniform", edm, 20)).max() / edm.T
    near = grid("rho(1000)", edm, 20) / grid("log-snr", edm, 20) - 1
    longest = {spacing: float(-np.diff(grid(spacing, psld, 10)).min()) for spacing in PHASE}
    stable = {own: float(stable_step(own, psld, 0.25, 1.0)) for own in ("cvv", "rvv")}
    ordered = ["uniform", "log-snr", "cvv", "quadratic", "rho(3)", "rvv", "rho(7)"]
    both = longest | stable
    return [
        derived(off < 1e-12, "On EDM the uniform grid is rho(1), equal steps in the noise level."),
        derived(
            np.abs(near).max() < 0.02,
            "log-snr is the limit of rho(k) for large k: rho(1000) is within 2 % of it.",
        ),
        derived(
            sorted(both, key=both.__getitem__) == ordered,
            "On PSLD the longest of 10 steps is "
            + ", ".join(f"{longest[spacing]:.2g} ({spacing})" for spacing in ordered if spacing in longest)
            + f"; from t = 1 steps are stable up to {stable['cvv']:.2g} (cvv) and {stable['rvv']:.2g} (rvv).",
        ),
    ]


def subjects(on: str) -> dict[str, int]:
    """Laws and networks on a process, and how many starts."""
    return LAWS | NETWORKS[on]


def errors(on: str, name: str, own: str, nfe: int) -> Record:
    """One row: errors by grid, and the best."""
    found: dict[str, float | None] = {spacing: error(on, name, own, spacing, nfe) for spacing in GRIDS[on]}
    best = min(found, key=lambda spacing: np.inf if found[spacing] is None else found[spacing])
    return {"data": name, "scheme": own, "NFE": nfe} | found | {"best": best}


def error(on: str, name: str, own: str, spacing: str, nfe: int) -> float | None:
    """Along paths on EDM, in law on PSLD; None of a run that is lost."""
    seeds = range(subjects(on)[name])
    if on == "psld":
        return law_errors(own, on, name, spacing, [nfe], seeds)[0]
    declared = scheme(own)
    if declared.fitted:
        steps = nfe // declared.nfe_per_step
        declared = declared.with_table(fit(own, on, network_of(name), spacing, steps=steps))
    return error_curve(declared, on, subject_of(name), spacing, [nfe], seeds, metric="path")[0]["error"]


def price(on: str, own: str, nfe: int, rows: Sequence[Record]) -> Record:
    """The best grid of a scheme at one budget, and what that of the papers costs."""
    mine = [row for row in rows if row["scheme"] == own and row["NFE"] == nfe]
    means = {spacing: mean_of(mine, spacing) for spacing in GRIDS[on]}
    best, paper = min(means, key=means.__getitem__), PUBLISHED[on]
    most = max(np.inf if row[paper] is None else row[paper] / row[row["best"]] for row in mine)
    return {"process": on, "scheme": own, "NFE": nfe, "best": best, "papers": paper,
            "over the best": means[paper] / means[best], "most": float(most)}  # fmt: skip


def mean_of(rows: Sequence[Record], spacing: str) -> float:
    """The geometric mean of the errors on a grid; inf where one is lost."""
    return float(np.exp(np.mean([np.inf if row[spacing] is None else np.log(row[spacing]) for row in rows])))


def poor(name: str, rows: Sequence[Record]) -> list[Record]:
    """What a poor grid costs each scheme on EDM."""
    return [
        {"data": name, "NFE": nfe}
        | {
            row["scheme"]: None if row["uniform"] is None else row["uniform"] / row["rho(7)"]
            for row in rows
            if row["data"] == name and row["NFE"] == nfe
        }
        for nfe in BUDGETS["edm"]
    ]


def numbers(quick: bool = False) -> Tables:
    """Errors by grid, and what the grids of the papers cost."""
    if quick:
        return {ERRORS[on]: [errors(on, "natural()", SCHEMES[on][0], BUDGETS[on][0])] for on in GRIDS}
    tables = {
        ERRORS[on]: [
            errors(on, name, own, nfe)
            for name in subjects(on)
            for own in DEAR.get(name, SCHEMES[on])
            for nfe in BUDGETS[on]
        ]
        for on in GRIDS
    }
    prices = [price(on, own, nfe, tables[ERRORS[on]]) for on in GRIDS for own in SCHEMES[on] for nfe in BUDGETS[on]]
    image = tables[ERRORS["edm"]]
    return {PRICE: prices, POOR: [row for name in subjects("edm") for row in poor(name, image)]} | tables


DRAWN = {"heun-edm": "edm", "res-2s": "edm", "rvv": "psld", "roba": "psld"}


def picture(tables: Tables) -> Any:
    """Errors over those on the best grid, a panel a scheme."""
    panels = []
    for own, on in DRAWN.items():
        curves = []
        for place, spacing in enumerate(GRIDS[on]):
            y = []
            for nfe in BUDGETS[on]:
                mine = [row for row in tables[ERRORS[on]] if row["scheme"] == own and row["NFE"] == nfe]
                y.append(mean_of(mine, spacing) / min(mean_of(mine, other) for other in GRIDS[on]))
            curves.append(Curve(LABELS[place], BUDGETS[on], y))
        x, what = "network evaluations (NFE)", "error over that on the best grid"
        panels.append(Panel(f"{own} on {on.upper()}", curves, x, what, limits=(0.9, 300.0), ticks=BUDGETS[on]))
    return panels_figure(panels, "Which grid is best for which scheme? Geometric means over laws and networks")
