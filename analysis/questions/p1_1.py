"""P1.1 (arXiv:2310.07894): what is a conjugate integrator of the reverse SDE?

Conjugation removes a linear part of the equation that is integrated and flows it exactly. With noise the linear part
has an exact transition as well: a flow and a covariance. So take, in the notation of the paper, C_skip = -V^-1 with V
the covariance of the process for Gaussian data N(m, v), C_out the rest of the score, B = 0, and for A_t not the
exponential of an integral but the solution of its equation, because the linear parts of two times do not commute. A
step is then

    z' = Phi z + sum_j w_j u_j + xi,      xi ~ N(0, Cov),

with Phi the time-ordered flow of L = F - (1 + tau^2)/2 G G' V^-1, the weights w_j those of an Adams polynomial through
the last k values of what is left of the score, and Cov = tau^2 int Phi(end, s) G G' Phi(end, s)' ds. It is the frame of
`gframe-ab` with tau = 1, by the name `conjugate-sde(k, sigma_data=, mean=)`, and runs on every process that is
declared, PSLD, CLD, VP and VE.

What it gains is in the tables. Where the data are N(m, v) it is exact in law, on whatever grid. On laws that are not,
conjugate-sde(1) is nearer to the exact law than the papers' stochastic splittings at every budget, and conjugate-sde(2)
from 20 evaluations on, where the steps are laid in its own clock, the angle: on the quadratic grid its polynomial is
extrapolated over long first steps.

**Open:** that the weak order is 2 for scores that are not affine. The conditions are proved for affine ones, where the
order is decided by words in the operators; order 1 follows for every smooth score, since the conditions of that order
see the score by its value. For order 2 and a nonlinear score one needs the conditions of stochastic trees, or a theorem
on frozen coefficients; the errors below fall as if it held.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import (
    error_curve,
    grid,
    law_of,
    local_error,
    moments,
    process,
    program_of,
    scheme,
    spectrum_of,
    transfer,
    verify,
)
from numtoolkit.declare.entries import ONE, covariance, flow
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Noise, Row, Step
from numtoolkit.laws import Gaussian
from numtoolkit.measure import exact_marginal

ORDERS = 1, 2, 3, 4, 5
PROCESSES = "psld", "cld", "vp", "edm"
SPECTRA, MODES, BUDGETS = ("natural(components=16)", "digits"), "mixture(dim=1, components=3)", (10, 20, 50)
SEEDS, FLOOR = range(16384), "two exact sets"
OTHERS = "em", "roba", "roba(amp, lambda_s=matched, sigma_data={s})", "sscs"
OWN = "conjugate-sde(1, sigma_data={s}, mean={m})", "conjugate-sde(2, sigma_data={s}, mean={m})"
PAPERS, ANGLE = "quadratic", "angle({s}, power=1.4)"
EXACT, BLIND = (
    "Data N(0.3, 0.5^2), 6 steps of no order in length: mean and covariance at the end",
    "Wasserstein-2 distance from the exact law on PSLD, exactly on Gaussians and else by 16384 samples, in deviations",
)


def statement() -> list[str]:
    """What a step is without its evaluations, and the orders of runs."""
    own = [scheme(f"conjugate-sde({k})") for k in ORDERS]
    bare = all(is_linear_sde(step) for each in own for _, step in each.steps.places())
    said = [
        derived(
            bare,
            "Without its evaluations each step of conjugate-sde(k), k = 1 to 5, starting steps among them, is "
            "y' = Flow(L) y + xi, xi ~ Cov(L, G): the exact transition of dz = L z du + G dW.",
        ),
        derived(
            all(row["exact to 1e-13"] for row in exactness()),
            "Mean and covariance of runs on an irregular grid are the exact ones for data N(m, v), to 1e-13.",
        ),
    ]
    orders = {k: verify(each).derived["sde_weak"] for k, each in zip(ORDERS, own, strict=True)}
    said.append(
        derived(
            orders == {k: min(k, 2) for k in ORDERS},
            "The weak order is min(k, 2) for affine scores, by all words of the operators; 1 for every smooth score.",
        )
    )
    left = local_error(with_tau(own[2]))
    said.append(
        derived(
            left.order == 3 and all(left.expression(c).subs("tau", 0) == 0 for c in left.terms),
            f"For k = 3 all that is missed at h^3 is {left.terms[0].tree}, a multiple of tau^2: how noise drawn in the "
            "last step bends the score that the next one extrapolates.",
        )
    )
    return said


def with_tau(own: Scheme) -> Scheme:
    """The scheme with tau left open."""
    return replace(own, values=tuple(pair for pair in own.values if pair[0] != "tau"))


def is_linear_sde(step: Step) -> bool:
    """Whether the new state is that of the linear SDE but for evaluations."""
    evaluations = {item.name for item in step.items if isinstance(item, Eval)} | set(step.needs)
    noises = {item.name: item.covariance for item in step.items if isinstance(item, Noise)}
    (out,) = (item for item in step.items if isinstance(item, Row) and item.name == step.out)
    rest = {name: entry for name, entry in out.terms if name not in evaluations}
    drawn = [name for name in rest if name in noises]
    return (
        rest.keys() - drawn == {START}
        and rest[START] == flow()
        and [(rest[name], noises[name]) for name in drawn] == [(ONE, covariance())]
    )


def exactness() -> list[Record]:
    """Runs that start from the exact marginal: what the prior misses at T is not the scheme's.

    From k = 3 on the weights of old values are large on such a grid, and amplify the rounding of a residual that is 0.
    """
    law, rows = Gaussian(np.array([0.3]), 0.25), []
    for name in PROCESSES:
        on = process(name)
        times = grid("uniform", on, 40)[[0, 3, 4, 11, 12, 29, 40]]
        for k in (1, 2):
            program = program_of(f"conjugate-sde({k}, mean=3/10)", on, times)
            found = moments(program, law=law, start=exact_marginal(on, law, times[0]))
            exact = exact_marginal(on, law, times[-1])
            off = max(np.abs(found.mean - exact.mean).max(), np.abs(found.covariance - exact.covariance).max())
            rows.append({"process": name, "k": k, "exact to 1e-13": bool(off < 1e-13)})
    return rows


def blind(name: str) -> list[Record]:
    """Errors in law, each scheme on the grid of its papers or in its own clock, told mean and deviation of the data."""
    law, gaussian, rows = law_of(name), name in SPECTRA, []
    mean = 0.0 if gaussian else float(law.mean.mean())  # a spectrum is that of centred data
    told = {"s": f"{np.sqrt(law.variance):.4f}", "m": f"{mean:.4f}"}
    spectrum = spectrum_of(law) if gaussian else None
    size = float(np.sqrt(law.variance * law.mean.size))
    for text, on in [*((each, PAPERS) for each in OTHERS), *((each, ANGLE) for each in OWN)]:
        run = text.format(**told), "psld", on.format(**told)
        if spectrum is not None:
            errors = [transfer(*run, nfe).integral(spectrum) / size for nfe in BUDGETS]
        else:
            found = error_curve(*run[:2], law, run[2], BUDGETS, seeds=SEEDS, metric="law")
            errors = [row["error"] / size for row in found]
        short = text.split(", sigma_data")[0].split("(sigma_data")[0] + ")" * ("sigma_data" in text)
        data = f"Gaussian, spectrum of {name}" if gaussian else name
        rows += [{"data": data, "scheme": short, "NFE": n, "error": e} for n, e in zip(BUDGETS, errors, strict=True)]
    if not gaussian:
        rows.append({"data": name, "scheme": FLOOR, "error": found[0]["floor"] / size})
    return rows


def numbers(quick: bool = False) -> Tables:
    """Two spectra, of which a frame with one deviation knows the mean, and a mixture of three modes."""
    names = SPECTRA[:1] if quick else (*SPECTRA, MODES)
    return {BLIND: [row for name in names for row in blind(name)], EXACT: exactness()}


def picture(tables: Tables) -> Any:
    """Errors against evaluations, a panel a law."""
    rows, panels = [row for row in tables[BLIND] if "NFE" in row], []
    floors = {row["data"]: row["error"] for row in tables[BLIND] if "NFE" not in row}
    for name in dict.fromkeys(row["data"] for row in rows):
        own, floor = series([row for row in rows if row["data"] == name], "scheme", "NFE", "error"), floors.get(name)
        title = name.replace(", ", "\n", 1) if floor is None else f"{name}\n(dotted: two exact sets)"
        y = "distance from the exact law, in deviations"
        panels.append(Panel(title, own, "network evaluations (NFE)", y, "xy", floor, ticks=BUDGETS))
    return panels_figure(panels, "What does a conjugate integrator with noise gain over the papers' splittings?")
