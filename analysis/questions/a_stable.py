"""Ablation of conjugate splittings (arXiv:2310.07894): is what conjugates and splits also stable in longer steps?

The paper conjugates the kicks of a splitting (CSE, CVV, COBA), expects that both gains add up, and leaves the stability
of the combination open. At t = T, where the exact flow only turns and where the first steps of the quadratic grid are
the longest of all, both can be written down. With b = beta/2, k = 1/M, Gamma = 0 and lambda = 0 the longest stable
steps h* are the roots of

    nse, rse, nvv, rvv    k b^2 h^2 = 4                                       0.25
    cse                   k b h (e^(b nu h) - 1)/nu = 4                       0.13
    cvv                   k b h (e^(b nu h/2) - 1)/nu = 2                     0.17
    roba                  k b^2 h^2 = 2 (1 + e^(-b nu h))                     0.18
    coba                  k b h (e^(2 b nu h) - 1)/(2 nu) = 2 (1 + e^(-b nu h))   0.086

for conjugation replaces the length of a kick by an exponential of it, which is longer. **So conjugation takes a third
to a half of the stable step of a splitting away**, and the two do not add up. Splitting does help conjugation: the
plain conjugate step with B = 0 turns outwards there from a length of 0.001 on, and a split one does not up to its h*.

The sign of lambda decides more than its size. To second order in h the determinant of a step at T is

    cse   1 - h^2 lambda (lambda + b nu/2),         cvv   1 - (h^2/4) lambda (3 lambda + b nu),

so that a lambda below 0, down to -b nu/2 and -b nu/3, makes every step grow, short ones too, and a lambda above 0
makes them decay. That is what a lambda above 0 gives the plain conjugate step, which then has a limit at all; to the
split one it gives nothing, whose h* falls as lambda rises. Nor does conjugation help near the data: there h* of `cvv`
is that of `rvv`, and `cse` has a limit where `nse` has none.

In runs it is the same. On the quadratic grid `cvv` needs 12 steps where `rvv` needs 7 to 10, and `coba` twice the steps
of `roba` or more, on every law of the table and on the network; `cse` needs 16 to 20 and the plain conjugate step with
B = 0 20 to 30, of one evaluation each. On the uniform grid, whose steps at T are half as long, `cvv` is at most two
steps behind `rvv`. A step that grows is not lost for that: with lambda = -2 `cvv` grows at T at every length and needs
at most four steps more than with lambda = 0. With lambda = 2 it may need twice as many.

**Open:** bounds for products of such steps, as in P2.4; laws that are no Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq

from analysis.questions.common import Curve, Panel, Record, Tables, derived, law_errors, panels_figure, series
from analysis.questions.p2_4 import all_stable
from numtoolkit import grid, process, scheme
from numtoolkit.arrays import Floats
from numtoolkit.measure.single_steps import exact_steps, stable_step

VARIANCE, TIMES = 0.25, (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
SCHEMES = "nse", "nvv", "rvv", "cse", "cvv", "lambda-ddim-1(0)", "lambda-ddim-1(2)", "roba", "coba"
SHIFTED = "cse", "cvv", "coba", "lambda-ddim-1", "lambda-ddim-2"
SHIFTS = (-16, -12, -8, -6, -4, -2, -1, 0, 0.5, 1, 2, 4, 8)
RUNS = (
    *("nvv", "rvv", "cse", "cvv", "cvv(shift=2)", "cvv(shift=-2)"),
    *("lambda-ddim-1(0)", "lambda-ddim-1(2)", "roba", "coba"),
)
SUBJECTS = "gaussian(std=0.25)", "natural()", "mixture()", "network:digits-psld"
SHORTEST = 1e-4  # of h*: below it the growth of a step is rounding
STEPS, LOST = (3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 25, 30, 40), 0.5
SEEDS = range(256)
LONGEST = "h*(t) of steps from t on PSLD, data of deviation 0.5; none where every step down to t_min is stable"
BY_SHIFT = "h* at t = 1 by lambda, 0 where it is below 1e-4"
FEWEST = (
    "Fewest steps that are all stable, data of deviation 0.5, and from which on runs have an error in law below half "
    "of the deviation of the data"
)
ROOTS: dict[str, tuple[Callable[[float, float, float, float], float], str]] = {
    "nse": (lambda h, b, k, nu: k * b**2 * h**2 - 4, "k b^2 h^2 = 4"),
    "nvv": (lambda h, b, k, nu: k * b**2 * h**2 - 4, "k b^2 h^2 = 4"),
    "cse": (lambda h, b, k, nu: k * b * h * np.expm1(b * nu * h) / nu - 4, "k b h (e^(b nu h) - 1)/nu = 4"),
    "cvv": (lambda h, b, k, nu: k * b * h * np.expm1(b * nu * h / 2) / nu - 2, "k b h (e^(b nu h/2) - 1)/nu = 2"),
    "roba": (
        lambda h, b, k, nu: k * b**2 * h**2 - 2 * (1 + np.exp(-b * nu * h)),
        "k b^2 h^2 = 2 (1 + e^(-b nu h))",
    ),
    "coba": (
        lambda h, b, k, nu: k * b * h * np.expm1(2 * b * nu * h) / (2 * nu) - 2 * (1 + np.exp(-b * nu * h)),
        "k b h (e^(2 b nu h) - 1)/(2 nu) = 2 (1 + e^(-b nu h))",
    ),
}  # of h, b, k, nu; their text


def statement() -> list[str]:
    """The roots against the search for longest steps; determinants, exact and as series."""
    on: Any = process("cld")
    b, k, nu = on.beta_max / 2, float(on.drift(np.array([1.0]))[0, 0, 1]) / (on.beta_max / 2), on.nu
    said = []
    for name, (root, text) in ROOTS.items():
        closed = brentq(root, 1e-3, 1.0, args=(b, k, nu))
        found = float(stable_step(name, on, VARIANCE, on.T))
        said.append(
            derived(
                abs(found / closed - 1) < 1e-3,
                f"{name} at t = T on CLD is stable up to the root of {text}, h* = {closed:.4g}, to 1e-3.",
            )
        )
    return said + determinants(b, nu)


def determinants(b: float, nu: float) -> list[str]:
    """Those of steps at t = T with Gamma = 0, in closed form and to second order in h."""
    import sympy

    h, B, N, shift = sympy.symbols("h b nu lambda", real=True)

    def kick(length: Any, rest: Any) -> Any:
        """What a conjugate kick of a length makes of its own variable, whose linear drift is `rest`, at rest in law."""
        W = shift + rest
        return sympy.exp(length * W) * (1 - length * shift) - rest * (sympy.exp(length * W) - 1) / W

    move = kick(h, sympy.Integer(0))
    exact = {"cse": move * kick(h, B * N), "cvv": move * kick(h / 2, B * N) ** 2}
    series_of = {
        "cse": (1 - h**2 * shift * (shift + B * N / 2), "1 - h^2 lambda (lambda + b nu/2)"),
        "cvv": (1 - h**2 / 4 * shift * (3 * shift + B * N), "1 - (h^2/4) lambda (3 lambda + b nu)"),
    }
    said = []
    for name, determinant in exact.items():
        value, text = series_of[name]
        off = [
            abs(float(determinant.subs({h: own, B: b, N: nu, shift: each})) / step_determinant(name, each, own) - 1)
            for own in (0.02, 0.1)
            for each in (-3, 2)
        ]
        short = sympy.series(determinant, h, 0, 3).removeO()
        said.append(
            derived(
                max(off) < 1e-3 and sympy.simplify(short - value) == 0,
                f"The determinant of a step of {name} there, in closed form to 1e-3, is {text} to second order in h.",
            )
        )
    return said


def step_determinant(name: str, shift: float, h: float) -> float:
    """Of the step of a scheme from t = T on CLD."""
    on = process("cld")
    steps = exact_steps(scheme(f"{name}(shift={shift})"), on, VARIANCE, np.array([[on.T, on.T - h]]))
    return float(np.linalg.det(steps.linear[0]))


def limits(own: str) -> Record:
    """h* of a scheme at TIMES."""
    found: Floats = stable_step(own, process("psld"), VARIANCE, np.array(TIMES))
    return {"scheme": own} | {
        f"t = {t:g}": float(h) if np.isfinite(h) else None for t, h in zip(TIMES, found, strict=True)
    }


def shifted(shift: float) -> Record:
    """h* at t = 1 of conjugate schemes with one lambda."""
    found = {name: stable_step(f"{name}(shift={shift})", process("psld"), VARIANCE, 1.0) for name in SHIFTED}
    return {"lambda": shift} | {name: float(h) if h > SHORTEST else 0.0 for name, h in found.items()}


def fewest(own: str, on: str, name: str) -> int | None:
    """The fewest of STEPS from which on no error in law is as large as LOST."""
    each = scheme(own).nfe_per_step
    errors = law_errors(own, "psld", name, on, [n * each for n in STEPS], SEEDS)
    lost = [n for n, e in zip(STEPS, errors, strict=True) if e is None or e >= LOST]
    return next((n for n in STEPS if n > max(lost, default=0)), None)


def numbers(quick: bool = False) -> Tables:
    """Frozen steps, by time and by lambda, and whole runs."""
    if quick:
        return {LONGEST: [limits(SCHEMES[0])], BY_SHIFT: [shifted(SHIFTS[0])]}
    runs = [
        {"scheme": own, "evaluations a step": scheme(own).nfe_per_step, "grid": on, "all stable": all_stable(own, on)}
        | {name: fewest(own, on, name) for name in SUBJECTS}
        for own in RUNS
        for on in ("uniform", "quadratic")
    ]
    return {LONGEST: [limits(own) for own in SCHEMES], BY_SHIFT: [shifted(x) for x in SHIFTS], FEWEST: runs}


def picture(tables: Tables) -> Any:
    """Longest steps over time, beside those of a grid, and over lambda at t = 1."""
    rows = [
        {"scheme": row["scheme"], "t": t, "h": row[f"t = {t:g}"]}
        for row in tables[LONGEST]
        for t in TIMES
        if row["scheme"] not in ("nse", "lambda-ddim-1(2)")
    ]
    times = grid("quadratic", process("psld"), 12)
    steps = Curve("steps of 12 quadratic", times[:-1].tolist(), (-np.diff(times)).tolist(), marked=False)
    panels = []
    for title, noisy in (("flow, lambda = 0", False), ("reverse SDE, lambda = 0", True)):
        curves = series([row for row in rows if (row["scheme"] in ("roba", "coba")) == noisy], "scheme", "t", "h")
        x, y = "time t at the start of the step", "longest stable step in t"
        panels.append(Panel(title, [*curves, steps], x, y, "xy", limits=(1e-3, 1.0)))
    shifts = [
        {"scheme": name, "lambda": row["lambda"], "h": row[name]}
        for name in ("cse", "cvv", "lambda-ddim-1")
        for row in tables[BY_SHIFT]
        if row["lambda"] >= -8
    ]
    curves = series(shifts, "scheme", "lambda", "h")
    panels.append(Panel("at t = 1; dotted: nvv and rvv", curves, "lambda", y, "", 0.25, (0.0, 0.3)))
    return panels_figure(panels, "PSLD, data of deviation 0.5: does conjugation make the steps of a splitting longer?")
