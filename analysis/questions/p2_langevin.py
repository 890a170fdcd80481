"""P2, beside its questions (arXiv:2402.07211): which bias do Langevin splittings have, at rest and after n steps?

The letters of the papers' stochastic splittings are those of molecular dynamics: A moves the position, B kicks the
momentum, O damps it with exact noise. In a harmonic well a step of any word is z' = R z + N(0, Q), with entries in x =
omega h and e = exp(-gamma h/n), and leaves N(0, P) as it is, three rational functions (`stationary_bias`). After n
steps from a covariance S it is at

    P + R^n (S - P) (R^n)',      R^n = s_n R - det s_(n-1) I,      s_(n+1) = tr s_n - det s_(n-1),  s_0 = 0, s_1 = 1,

where trace and determinant of R are in closed form as well (`StationaryBias.characteristic`, `.after`). The bias of a
run is this less the exact law at time n h. It has two parts: what is left when the start is forgotten, and what is
wrong on the way; a word without a bias at rest, as BAOAB in the position, has the second part alone.

The determinant is exp(-gamma h) for every word, so all forget a start at one rate while they oscillate. The symmetric
ones share the trace as well, and with it the frequency, which without damping is high by a share x^2/24. A sampler of
diffusion models is never long at one noise level, so that for it both parts count: a word that is exact at rest is not
so on the way.

**Open:** the same in closed form for the schedule of a diffusion model; there are exact moments of runs (`moments`,
`transfer`), not formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import stationary_bias
from numtoolkit.arrays import Floats
from numtoolkit.phi_functions import expm

WORDS = "BAOAB", "ABOBA", "OBABO", "OABAO", "BAO"
WELLS = (
    ("weak damping", 0.5, 0.2),
    ("critical damping", 0.5, 2.0),
    ("long steps", 1.2, 1.0),
)  # name, omega h, gamma/omega
COUNTS = 1, 2, 3, 5, 8, 12, 20, 50, 200
TICKS = 1, 2, 5, 12, 20, 50, 200
DIGITS = 9  # of biases; what is below is rounding
START = np.diag([4.0, 1.0])  # twice as wide as the well leaves the position
REST, WAY = (
    "At rest: omega^2 <q^2>/T and <p^2>/T, 1 exactly",
    "After n steps of h from a position twice as wide: omega^2 <q^2>/T less its exact value at time n h",
)


def statement() -> list[str]:
    """The closed forms as `stationary_bias` has them."""
    import sympy

    x, e = sympy.symbols("x e")
    found = {word: stationary_bias(word) for word in WORDS}
    rest = {"BAOAB": ("qq", 1, "pp", 1 - x**2 / 4), "ABOBA": ("qq", 1, "pp", 1 / (1 - x**2 / 4)),
            "OBABO": ("qq", 1 / (1 - x**2 / 4), "pp", 1), "OABAO": ("qq", 1 - x**2 / 4, "pp", 1)}  # fmt: skip
    said = [
        derived(
            all(sympy.simplify(found[word].expression(name) - value) == 0 for name, value in ((one, a), (two, b))),
            f"{word} leaves omega^2 <q^2>/T = {a} and <p^2>/T = {b}, whatever the damping.",
        )
        for word, (one, a, two, b) in rest.items()
    ]
    said.append(
        derived(
            all(own.characteristic[1] == e**own.root for own in found.values()),
            "The determinant of R is exp(-gamma h) for each of the words.",
        )
    )
    shared = found["BAOAB"].characteristic[0]
    said.append(
        derived(
            all(sympy.simplify(found[word].characteristic[0] - shared) == 0 for word in rest)
            and sympy.simplify(shared - (1 - x**2 / 2) * (1 + e**2)) == 0,
            "The trace is (1 - x^2/2) (1 + exp(-gamma h)) for the four symmetric ones, which so oscillate alike.",
        )
    )
    gap = max(np.abs(run(word, h, rate, n) - found[word].after(n, h, rate, START)).max()
              for word in WORDS for _, h, rate in WELLS for n in (1, 5, 50))  # fmt: skip
    said.append(derived(gap < 1e-12, "P + R^n (S - P) (R^n)' is what n steps one after the other make, to 1e-12."))
    return said


def run(word: str, h: float, rate: float, steps: int) -> Floats:
    """The covariance after some steps of exact flows, one after the other."""
    count = {letter: word.count(letter) for letter in "ABO"}
    P = START.copy()
    for letter in word * steps:
        length = h / count[letter]
        keep = np.exp(-rate * length)
        flow = {"A": [[1, length], [0, 1]], "B": [[1, 0], [-length, 1]], "O": [[1, 0], [0, keep]]}[letter]
        P = np.array(flow) @ P @ np.array(flow).T
        P[1, 1] += (1 - keep**2) * (letter == "O")
    return P


def exact(t: float, rate: float) -> Floats:
    """The covariance of the equation itself at time t, in units of 1/omega."""
    E = expm(t * np.array([[0.0, 1.0], [-1.0, -rate]]))
    found: Floats = np.eye(2) + E @ (START - np.eye(2)) @ E.T
    return found


def way(name: str, h: float, rate: float) -> list[Record]:
    """The bias of the position along runs."""
    rows = []
    for word in WORDS:
        own = stationary_bias(word)
        bias = {
            f"n = {n}": round(float(own.after(n, h, rate, START)[0, 0] - exact(n * h, rate)[0, 0]), DIGITS) + 0.0
            for n in COUNTS
        }
        rows.append({"well": name, "omega h": h, "gamma/omega": rate, "word": word} | bias)
    return rows


def numbers(quick: bool = False) -> Tables:
    """Three wells: weak damping, critical damping, and steps of more than a radian."""
    wells = WELLS[:1] if quick else WELLS
    rest = [
        {"well": name, "word": word, "position": float(P[0, 0]), "momentum": float(P[1, 1])}
        for name, h, rate in wells
        for word in WORDS
        for P in [stationary_bias(word).at(h, rate)]
    ]
    return {REST: rest, WAY: [row for well in wells for row in way(*well)]}


def picture(tables: Tables) -> Any:
    """The bias of the position over steps, a panel a well."""
    panels = []
    for name, h, rate in WELLS:
        rows = [
            {"word": row["word"], "n": n, "bias": row[f"n = {n}"]}
            for row in tables[WAY]
            if row["well"] == name
            for n in COUNTS
        ]
        title = f"{name}\nomega h = {h:g}, gamma/omega = {rate:g}"
        y = "omega^2 <q^2>/T less the exact value"
        panels.append(Panel(title, series(rows, "word", "n", "bias"), "steps", y, "x", 0.0, ticks=TICKS))
    return panels_figure(panels, "Which bias has a Langevin splitting on the way to its rest?")
