"""Ablation of RES (arXiv:2308.02157): what does it cost to violate one of its order conditions?

Each variant is RES of two or three stages with one number changed, so that one condition fails and the others hold.
What fails decides, in the order of its weight: psi_1 = 0, the sum of the weights, costs everything; psi_1 = 0 of the
stage and psi_2 = 0 at z = 0 cost the second order, and show where steps are short; psi_2 = 0 for all z while it holds
at 0, which is what DPM-Solver++(2S) violates, leaves the order and costs a factor. Of three stages the misprint of
gamma, with an exponent 3 for 2, costs the third order. At a few evaluations the order of the harm is another one: the
stage costs most, and a sum of weights that is off by two in a hundred is not yet seen. On the mixture with a wide
spectrum a few starts in sixty-four end in another mode than the exact flow takes them to, and these are what the mean
then shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from analysis.questions.common import Record, Tables, derived, panel_each, panels_figure, subject_of
from numtoolkit import Claims, Scheme, conditions, error_curve, phi, scheme
from numtoolkit.declare.forms import tableau
from numtoolkit.declare.runs import filled
from numtoolkit.schemes.exponential import exponential

SUBJECTS = "mixture()", "natural(components=16)", "network:digits-image"
NFE, SEEDS = (12, 24, 48, 96), range(64)
HALF, THIRD, QUARTERS = Fraction(1, 2), Fraction(1, 3), Fraction(3, 4)
LESS = Fraction(9, 10)  # of the number that is changed
ORDERS = {"res-2s": 2, "psi_2 but at 0": 2, "psi_2": 1, "psi_1 of the stage": 1, "psi_1": 0, "res-3s": 3, "b psi_2": 2,
          "gamma misprinted": 2}  # fmt: skip
ERRORS = "Error along paths, log-SNR"


def two(name: str, b1: Any = 0, b2: Any = 1, a: Any = 1) -> Scheme:
    """RES of two stages, c2 = 1/2, with b1 more by a share of phi_1, and b2 and a21 times a number."""
    second = b2 * 2 * phi(2)
    step = tableau([0, HALF], [[], [a * HALF * phi(1, HALF)]], [(1 + b1) * phi(1) - second, second])
    return exponential(name, step, Claims(), "this page")


def three(name: str, power: int = 2, a: Any = 1) -> Scheme:
    """RES of three stages, c = 0, 1/3, 3/4, with a power in gamma, and a32 times a number."""
    gamma = (3 * QUARTERS**power - 2 * QUARTERS) / (THIRD * (2 - 3 * THIRD))
    b3 = phi(2) / (gamma * THIRD + QUARTERS)
    a32 = a * (gamma * THIRD * phi(2, THIRD) + QUARTERS**2 / THIRD * phi(2, QUARTERS))
    return exponential(name, filled([0, THIRD, QUARTERS], [[], [a32]], [gamma * b3, b3]), Claims(), "this page")


def variants() -> dict[str, Scheme]:
    """Each by what it violates."""
    return {
        "res-2s": scheme("res-2s"),
        "psi_2 but at 0": scheme("dpmpp-2s"),
        "psi_2": two("psi-2", b2=LESS),
        "psi_1 of the stage": two("stage", a=LESS),
        "psi_1": two("psi-1", b1=Fraction(1, 50)),
        "res-3s": three("whole"),
        "b psi_2": three("b-psi-2", a=LESS),
        "gamma misprinted": three("misprint", power=3),
    }


def statement() -> list[str]:
    """The order of each variant, and the strong conditions of the next order that it violates."""
    said = []
    for name, own in variants().items():
        order, strong = conditions(own, 3, "classical").met, conditions(own, 3, "stiff_strong")
        failing = ", ".join(term.tree for term in strong.failing if term.order == strong.met + 1)
        holds = order == ORDERS[name] and bool(failing)
        said.append(derived(holds, f"{name}: order {order}, strong {strong.met}, where {failing} is not 0."))
    return said


def numbers(quick: bool = False) -> Tables:
    """Errors of every variant."""
    names, subjects = (list(variants())[:2], SUBJECTS[:1]) if quick else (list(variants()), SUBJECTS)
    return {ERRORS: [row for subject in subjects for name in names for row in errors(subject, name, NFE)]}


def errors(subject: str, name: str, nfe: Sequence[int]) -> list[Record]:
    """One variant on one subject."""
    found = error_curve(variants()[name], "edm", subject_of(subject), "log-snr", nfe, SEEDS, metric="path")
    return [{"subject": subject, "violates": name, "NFE": row["nfe"], "error": row["error"]} for row in found]


def picture(tables: Tables) -> Any:
    """Errors, a panel a subject."""
    rows = tables[ERRORS]
    panels = panel_each(
        rows,
        "subject",
        SUBJECTS,
        ("violates", "NFE", "error"),
        "network evaluations (NFE)",
        "relative RMS error",
        ticks=NFE,
    )
    return panels_figure(panels, "What does it cost RES to violate one condition?")
