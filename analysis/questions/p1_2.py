"""P1.2 (arXiv:2310.07894): which B_t is best, and does it exist?

A conjugate Euler step with B held over it misses, where the data are Gaussian and the frozen noise is e = E z,

    -(h^2/2) [B^2 - B K + L B + N DE] z,      K = L + N E,      DE the change of E along the flow,

so the best B solves a matrix Riccati equation, and what is left is of order h^3: a scheme of one evaluation and of
order 2 where the data are the law it is told. It is `conjugate-optimal(sigma_data=, mean=)`, and
`lambda-ddim-1(B=optimal)` with multiples of the identity. Solutions are B = Y X^-1 for an invariant subspace, spanned
by (X, Y), of the matrix [[-K, I], [-N DE, -L]].

In a phase space that matrix is real, 4 x 4, and has a real invariant subspace of two dimensions always: its eigenvalues
are real or come in pairs, and two real ones, or a pair, are always to be had. So there is a real solution but for
isolated times, at which X is singular. On a scalar process the equation is a quadratic for one number, with the
discriminant (L - K)^2 (1 - 4 SNR), SNR = alpha^2 s0^2 / sigma^2: no B is best for all data once the noise is less than
twice the data. There the nearest real B leaves part of the error, and the order is 1.

The best B is the best for short steps. At ten evaluations it is far worse than B = 0 on all laws of the table, since B
enters as I - h B, which is no flow: it grows where the exponential does not. It is ahead of B = 0 from some tens on,
and never ahead of what does without B. For the Gaussian part that B makes up for can be taken out whole, with its
time-ordered flow (C_skip = -V^-1, `gframe-ab(1)`): then nothing is missed where the data are Gaussian, and long steps
stay stable.

**Open:** a B for laws that are no Gaussian; there is one for the second moments of the law, which is this one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from analysis.questions.common import Record, Tables, derived, panel_each, panels_figure
from numtoolkit import error_curve, law_of, local_error, process, scheme
from numtoolkit.arrays import Floats
from numtoolkit.problem.conjugation import riccati, terms
from numtoolkit.problem.problem import Problem
from numtoolkit.program.program import problem_of

BRACKET = {  # of lambda-ddim-1, B = shift unit, as words; unit1 is the change of the unit in time, which is 0
    "unit unit y": "-shift**2/2", "unit L y": "shift/2", "unit N e": "shift/2", "L unit y": "-shift/2",
    "unit1 y": "shift/2", "N e_t": "-1/2", "N e'[L y]": "-1/2", "N e'[N e]": "-1/2",
}  # fmt: skip
TIMES, SCALES, ZERO = np.linspace(0.01, 1.0, 400), (0.1, 0.5, 2.0), 1e-10
LAWS, BUDGETS = ("mixture()", "natural(components=16)", "digits"), (10, 20, 50, 100, 200)
TOLD = (
    "conjugate-optimal({})",
    "lambda-ddim-2(B=optimal, {})",
    "ddim",
    "lambda-ddim-2(1)",
    "gddim(1)",
    "gframe-ab(1, {})",
)
OWN = 50, 100, 200, 400
ROOTS, RUNS, BLIND = (
    "Times of 400 from 0.01 to 1 at which a real B leaves nothing at h^2, data of deviation s0",
    "RMS error along paths on N(0, 0.5^2), quadratic grid, each step of one evaluation",
    "RMS error along paths on PSLD, quadratic grid, told mean and deviation of the data",
)


def statement() -> list[str]:
    """The bracket by the engine of local errors; its roots on both kinds of process."""
    found = local_error("lambda-ddim-1")
    said = [
        derived(
            found.order == 2 and {row["tree"]: row["value"] for row in found.table()} == BRACKET,
            "A step of lambda-ddim-1, B = shift I, misses -(h^2/2) [B^2 - B (L + N e') + L B + N De] and B'/2 h^2, "
            "of which B' = 0 over a step.",
        )
    ]
    left = [left_of(problem("psld", s0)) for s0 in SCALES]
    said.append(
        derived(
            all((own < ZERO).all() for own in left),
            "On PSLD a real 2 x 2 B makes the bracket 0 at each of 400 times, for data of deviation 0.1, 0.5 and 2.",
        )
    )
    gaps = [np.abs(discriminant(problem("vp", s0)) / (1 - 4 * snr("vp", s0)) - 1).max() for s0 in SCALES]
    said.append(
        derived(
            max(gaps) < 1e-9, "On VP the discriminant of the bracket is (L - K)^2 (1 - 4 SNR) at each of those times."
        )
    )
    real = [(left_of(problem("vp", s0)) < ZERO) == (snr("vp", s0) <= 1 / 4) for s0 in SCALES]
    said.append(
        derived(all(map(np.all, real)), "So a B on VP that makes it 0 is there where SNR <= 1/4, and only there.")
    )
    rate = [row["order"] for row in runs() if row["scheme"] == "conjugate-optimal" and row["process"] == "psld"]
    said.append(derived(abs(rate[0] - 2) < 0.1, "Runs on PSLD are of order 2 on the law that they are told."))
    return said


def problem(name: str, scale: float) -> Problem:
    """What conjugate-optimal integrates, for data of one deviation."""
    return replace(problem_of(scheme("conjugate-optimal"), process(name)), sigma_data=scale)


def left_of(own: Problem) -> Floats:
    """The norm of the bracket that the best B leaves, over that of B = 0, at TIMES."""
    K, L, M = terms(own, TIMES)
    B = riccati(K, L, M)
    rest: Floats = np.linalg.norm(B @ B - B @ K + L @ B + M, axis=(1, 2)) / np.linalg.norm(M, axis=(1, 2))
    return rest


def discriminant(own: Problem) -> Floats:
    """Of the bracket on a scalar process as a quadratic in B, over (L - K)^2."""
    K, L, M = (each[:, 0, 0] for each in terms(own, TIMES))
    return 1 - 4 * M / (L - K) ** 2


def snr(name: str, scale: float) -> Floats:
    """alpha^2 s0^2 / sigma^2 at TIMES."""
    e, sigma = process(name).kernel(TIMES)
    found: Floats = e[:, 0] ** 2 * scale**2 / sigma[:, 0, 0]
    return found


def roots() -> list[Record]:
    """How often there is a B that leaves nothing."""
    return [
        {"process": name, "s0": s0, "real roots": int((left_of(problem(name, s0)) < ZERO).sum()),
         "SNR <= 1/4": int((snr(name, s0) <= 1 / 4).sum()) if name == "vp" else None}
        for name in ("psld", "vp")
        for s0 in SCALES
    ]  # fmt: skip


def runs() -> list[Record]:
    """Errors and their order on the law that schemes are told."""
    rows = []
    for name in ("psld", "vp"):
        for own in ("conjugate-optimal", "ddim"):
            found = error_curve(own, name, "gaussian(mean=0)", "quadratic", OWN, metric="path")
            errors = [row["error"] for row in found]
            order = float(np.log2(errors[-2] / errors[-1]))
            rows.append(
                {"process": name, "scheme": own} | dict(zip(map(steps, OWN), errors, strict=True)) | {"order": order}
            )
    return rows


def steps(n: int) -> str:
    """The head of a column."""
    return f"n = {n}"


def numbers(quick: bool = False) -> Tables:
    """Schemes that know two numbers of the data, and some that know none."""
    rows = []
    for name in LAWS[: 1 if quick else None]:
        law = law_of(name)
        told = f"sigma_data={np.sqrt(law.variance):.4f}, mean={law.mean.mean():.4f}"
        for text in TOLD:
            found = error_curve(text.format(told), "psld", law, "quadratic", BUDGETS, metric="path")
            short = text.replace(", {}", "").replace("({})", "")
            rows += [{"data": name, "scheme": short, "NFE": row["nfe"], "error": row["error"]} for row in found]
    return {ROOTS: roots(), RUNS: runs(), BLIND: rows}


def picture(tables: Tables) -> Any:
    """Errors against evaluations, a panel a law."""
    panels = panel_each(
        tables[BLIND], "data", LAWS, ("scheme", "NFE", "error"),
        "network evaluations (NFE)", "RMS error relative to the exact flow", limits=(1e-3, 20.0), ticks=BUDGETS,
    )  # fmt: skip
    return panels_figure(panels, "Is the best B better, and than what?")
