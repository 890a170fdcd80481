"""P2.4 (arXiv:2402.07211): when are reduced splittings stable?

For Gaussian data a step is a matrix P(h, t) on position and momentum, with the score S = -V_t^-1 z. Let g = dm/ds = g_x
x + g_m m be the drift of the momentum while sampling, b = beta/2 and k = 1/M. At Gamma = 0, where naive and reduced
splitting are one,

    det P = 1 + h g_m,      tr P = 2 + h g_m - h^2 b k g_x,

and by the conditions |tr P| <= 1 + det P <= 2 of Jury the steps are stable up to the root of

    4 + 2 h g_m - h^2 b k g_x = 0,      h*(t) = (g_m + (g_m^2 + 4 b k g_x)^(1/2)) / (b k g_x).

It has two regimes. Far from the data g_m is small and h* is that of an oscillator, 2/(b sqrt(k)), 1/4 on PSLD and CLD:
at t = 1 no step of these schemes may be longer. Near the data the momentum is stiff, g_m falls to -beta nu/(2 gamma) +
beta nu/2, and h* is near 2/|g_m|, but for the first, explicit kick there is no step that long: it would end below t =
0. What meets the stiffness is the last kick of `rvv`, which is told the time at the end: its longest stable step is
shorter than the way to the data where the naive scheme has none. Reuse of the score changes h* by a part in a thousand
at Gamma = 0.01.

A run of stable steps may still be lost and one with an unstable step be good: steps differ, their matrices do not
commute and are far from normal. The last table has both, the fewest steps of a grid that are all stable, and the fewest
with which runs have an error below 1. On the uniform grid `rvv` takes an unstable last step for many numbers of steps,
which is a factor once and no harm, while the naive schemes need twice the steps at which all of theirs are stable. On
the quadratic grid, whose steps are long where h* is, the two come near each other. What one step and whole runs do at
every scale of the data is drawn in `figures/stability-diffusion-phase-space.png` and
`figures/stability-runs-phase-space.png`.

**Open:** a bound for products of such steps: a norm in which all of them contract at once is not known. For nonlinear
scores h* with the curvature of the score in place of V^-1 says what a step does, not what a run does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.questions.common import Curve, Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import error_curve, frozen_eigenvalues, grid, law_of, process, scheme
from numtoolkit.arrays import Floats
from numtoolkit.measure.single_steps import process_radius, stable_step

SCHEMES = "nse", "rse", "nvv", "rvv-unshifted", "rvv", "roba", "robab"
TIMES, SCALE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), 0.5
LAWS, STEPS = ("mixture()", "natural(components=16)", "digits"), (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
MOST, LOST = 100, 1.0
LONGEST, FEWEST = (
    "h*(t) of steps from t on PSLD, data of deviation 0.5; none where every step down to t_min is stable",
    "Fewest steps that are all stable, and with which runs have an RMS error along paths below 1 on three laws",
)


def statement() -> list[str]:
    """The closed form against the engine that searches longest steps; stiffness; what reuse changes."""
    on, start = process("cld"), np.array([0.2, 0.3, 0.5, 1.0])
    off = [
        np.abs(stable_step(own, on, s0**2, start) / closed_form("cld", s0, start) - 1).max()
        for own in ("nse", "rse")
        for s0 in (0.25, 0.5)
    ]
    said = [
        derived(
            max(off) < 1e-9,
            "On CLD, Gamma = 0, the longest stable steps of nse and rse are the root of 4 + 2 h g_m - h^2 b k g_x, at "
            "four times, for data of deviation 0.25 and 0.5.",
        )
    ]
    far = stable_step("rse", process("psld"), SCALE**2, np.array([1.0]))[0]
    said.append(derived(abs(4 * far - 1) < 1e-4, "At t = 1 it is 2/(b sqrt(k)) = 1/4 on PSLD too, to 1e-4."))
    psld = process("psld")
    stiff = drift("psld", SCALE, np.array([1e-9]))[0, 1, 1]
    beta, nu, gamma = psld.beta_max, psld.nu, psld.gamma  # type: ignore[attr-defined]
    said.append(
        derived(
            abs(stiff / (beta * nu / 2 * (1 - 1 / gamma)) - 1) < 1e-5,
            "g_m falls to (beta nu/2)(1 - 1/gamma) as t falls to 0, -385 on PSLD.",
        )
    )
    last = drift("psld", SCALE, np.array([psld.t_min]))[0, 1, 1]
    said.append(
        derived(
            f"{last:.3g}" == "-212" and 1 + last * (psld.T - psld.t_min) / 100 < -1,
            "At t_min it is -212: the last kick of rvv, half of one of 50 uniform steps, alone has a factor below -1.",
        )
    )
    score = frozen_eigenvalues("lambda-ddim-1(0)", "psld", SCALE**2, [0.001, 0.01, 0.05, 1.0])[:, 0].real
    said.append(
        derived(
            [f"{x:.3g}" for x in score] == ["-228", "-52.8", "-21", "-16"],
            "The score part of that alone has -228, -52.8, -21 and -16 at t = 0.001, 0.01, 0.05 and 1.",
        )
    )
    pairs = [(stable_step(one, psld, SCALE**2, start), stable_step(other, psld, SCALE**2, start)) for one, other in
             (("nse", "rse"), ("nvv", "rvv-unshifted"), ("noba", "roba"))]  # fmt: skip
    reuse = max(
        np.abs(a[finite] / b[finite] - 1).max() for a, b in pairs for finite in [np.isfinite(a) & np.isfinite(b)]
    )
    said.append(
        derived(reuse < 2e-3, "Reuse of the score moves h* by less than 0.2 % on PSLD, in three pairs of schemes.")
    )
    return said


def drift(name: str, scale: float, t: Floats) -> Floats:
    """The matrices (n, 2, 2) of the probability flow while sampling, per unit of process time, exact scores."""
    on = process(name)
    e, sigma = on.kernel(t)
    V = sigma + scale**2 * e[:, :, None] * e[:, None, :]
    found: Floats = -on.drift(t) - on.diffusion(t) @ np.linalg.inv(V) / 2
    return found


def closed_form(name: str, scale: float, t: Floats) -> Floats:
    """h* at Gamma = 0."""
    matrix, bk = drift(name, scale, t), process(name).drift(t)[:, 0, 1]
    g_x, g_m = matrix[:, 1, 0], matrix[:, 1, 1]
    found: Floats = (g_m + np.sqrt(g_m**2 + 4 * bk * g_x)) / (bk * g_x)
    return found


def limits(own: str) -> Record:
    """h* of a scheme at TIMES."""
    found = stable_step(own, process("psld"), SCALE**2, np.array(TIMES))
    return {"scheme": own} | {
        f"t = {t:g}": float(h) if np.isfinite(h) else None for t, h in zip(TIMES, found, strict=True)
    }


def all_stable(own: str, on: str) -> int | None:
    """The fewest steps from 2 to MOST of a grid, each of spectral radius at most 1."""
    for n in range(2, MOST + 1):
        times = grid(on, process("psld"), n)
        if process_radius(own, process("psld"), SCALE**2, times[:-1], times[1:]).max() <= 1 + 1e-9:
            return n
    return None


def fewest(own: str, on: str, law: Any) -> int | None:
    """The fewest of STEPS from which on no error is as large as LOST."""
    each = scheme(own).nfe_per_step
    budgets = [n * each for n in STEPS]
    errors = [row["error"] for row in error_curve(own, "psld", law, on, budgets, metric="path")]
    lost = [n for n, e in zip(STEPS, errors, strict=True) if e is None or e >= LOST]
    later = [n for n in STEPS if n > max(lost, default=0)]
    return later[0] if later else None


def numbers(quick: bool = False) -> Tables:
    """Frozen steps and whole runs, of deterministic schemes."""
    ode = [own for own in SCHEMES if scheme(own).kind == "ode"]
    laws = {} if quick else {name: law_of(name) for name in LAWS}
    runs = [
        {"scheme": own, "grid": on, "all stable": all_stable(own, on)}
        | {name: fewest(own, on, law) for name, law in laws.items()}
        for own in ode
        for on in ("uniform", "quadratic")
    ]
    return {LONGEST: [limits(own) for own in (SCHEMES[:2] if quick else SCHEMES)]} | ({} if quick else {FEWEST: runs})


def picture(tables: Tables) -> Any:
    """Longest steps over time, and those that grids take."""
    rows = [
        {"scheme": row["scheme"], "t": t, "h": row[f"t = {t:g}"]} for row in tables[LONGEST] for t in TIMES
        if row["scheme"] in ("rse", "nvv", "rvv", "roba", "robab")
    ]  # fmt: skip
    curves = series(rows, "scheme", "t", "h")
    psld = process("psld")
    for on in ("uniform", "quadratic"):
        times = grid(on, psld, 20)
        curves.append(Curve(f"steps of 20 {on}", times[:-1].tolist(), (-np.diff(times)).tolist(), marked=False))
    panel = Panel("PSLD, data of deviation 0.5", curves, "time t at the start of the step", "longest stable step in t",
                  "xy", limits=(1e-3, 1.0))  # fmt: skip
    return panels_figure([panel], "How long may a step be, and how long are those of the grids?")
