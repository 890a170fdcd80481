"""P2.3 (arXiv:2402.07211): what does reusing a score cancel, and is that why reduced splittings are better?

*Reduced* splittings make one evaluation of the score serve both the kick of the momentum and the move of the position
that follows it. The paper says that this cancels terms of the local error. It does so for every smooth score, and what
it cancels is small: b Gamma S^x_m g h^2 in the position, where b = beta/2, S^x is the score of the position, S^x_m its
slope in the momentum and g = dm/ds. Gamma is 0.01 where the papers run, and the position sees the score through Gamma
alone. Nothing changes in the momentum, and nothing in the noise of the stochastic ones.

So reuse saves an evaluation and is otherwise neutral, as the tables show at equal steps. What makes the reduced
velocity Verlet better on laws that are wide is another part of it: its last kick is told the time at which the step
ends, not that at which it starts, which takes the term g_s/2 of the momentum out, the change of the drift in time.
Either may be had without the other.

**Open:** whether the position row matters for pictures at a Gamma that a network is trained for; the papers' networks
are at 0.005 to 0.02.
"""

from __future__ import annotations

from typing import Any

from analysis.questions.common import Panel, Record, Tables, derived, panels_figure, series
from numtoolkit import error_curve, law_of, local_error, scheme

PAIRS = {"nse": "rse", "nvv": "rvv-unshifted", "rvv-unshifted": "rvv", "noba": "roba", "nbao": "rbao"}
WHAT = {"rvv-unshifted": "told the time at the end", "": "reused score"}
LAWS = "mixture()", "natural(components=16)", "digits"
STEPS = 50
GAMMAS = 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0
ERRORS, FALL = "Errors on the quadratic grid, at equal steps", "RMS error as Gamma grows, mixture(), 50 steps"


def statement() -> list[str]:
    """Differences of derived local errors, as matrices in drift and score."""
    import sympy

    b, Gamma, M, nu, g, slope, moving = sympy.symbols("b Gamma M nu g Sx_m Sm_s")

    def difference(one: str, other: str, part: str = "") -> Any:
        errors = (local_error(name, "blocks").part(part) for name in (one, other))
        return sympy.expand(next(errors) - next(errors))

    said = [
        derived(
            difference("nse", "rse") == sympy.Matrix([b * Gamma * slope * g, 0]),
            "The local error of nse less that of rse is b Gamma S^x_m g h^2 in the position and 0 in the momentum.",
        ),
        derived(
            difference("nvv", "rvv-unshifted") == sympy.Matrix([b * Gamma * slope * g / 2, 0]),
            "With velocity Verlet it is half of that: nvv less rvv without its shift in time.",
        ),
        derived(
            difference("rvv", "rvv-unshifted") == sympy.Matrix([0, b * nu * M * moving / 2]),
            "The shift in time of rvv adds (b nu M/2) S^m_s h^2 to the momentum, which is g_s/2 and cancels its term.",
        ),
    ]
    for naive, reduced in (("noba", "roba"), ("nbao", "rbao")):
        mean, offset, noise = (difference(naive, reduced, part) for part in ("mean", "offset", "noise"))
        rows = [*mean[0, :], offset[0]]
        only = not any((*mean[1, :], offset[1], *noise)) and all(entry.subs(Gamma, 0) == 0 for entry in rows)
        said.append(
            derived(
                only and any(rows),
                f"{naive} and {reduced} differ at h^2 in the position row of their mean alone, by a multiple of Gamma, "
                "and not in their noise.",
            )
        )
    return said


def errors(one: str, law: Any, process: str = "psld") -> Record:
    """The error of a scheme and of the one with one thing changed, at equal steps: along paths, with noise in law."""
    pair, measured = (one, PAIRS[one]), "path" if scheme(one).kind == "ode" else "law"
    found = [
        error_curve(name, process, law, "quadratic", [STEPS * scheme(name).nfe_per_step], metric=measured)[0]["error"]
        for name in pair
    ]
    what = WHAT.get(one, WHAT[""])
    return {"scheme": one, "changed": pair[1], "what": what, "error in": measured, "error": found[0], "then": found[1]}


def numbers(quick: bool = False) -> Tables:
    """At equal steps, so that what is compared is the reuse alone."""
    laws = {text: law_of(text) for text in LAWS[: 1 if quick else None]}
    found = [{"data": text} | errors(one, law) for text, law in laws.items() for one in PAIRS]
    fall = [
        {"Gamma": Gamma} | errors(one, laws[LAWS[0]], f"psld(Gamma={Gamma}, nu={Gamma + 4})")
        for Gamma in (GAMMAS[1:2] if quick else GAMMAS)
        for one in ("nse", "nvv", "rvv-unshifted")
    ]
    return {ERRORS: found, FALL: fall}


def picture(tables: Tables) -> Any:
    """The change that each makes, over Gamma."""
    rows = [
        row | {"is": f"{row['scheme']} to {row['changed']}", "ratio": abs(row["then"] / row["error"] - 1)}
        for row in tables[FALL]
    ]
    curves = series(rows, "is", "Gamma", "ratio")
    panel = Panel(
        "mixture(), 50 steps, quadratic grid", curves, "Gamma of the process", "relative change of the RMS error"
    )
    return panels_figure([panel], "What does the reuse of a score change, and what the shift in time?")
