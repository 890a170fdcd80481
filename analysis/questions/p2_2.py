"""P2.2 (arXiv:2402.07211): what are the splittings of models that have a position alone?

Without a momentum nothing is left to be moved in turn: the kick B has no row, and A is the whole equation. What can be
split is the linear drift from the score, dz = L z du + N e du. Its letters are the exact flow of L and a kick by N e,
and the words are few; each is declared here as a scheme of numtoolkit and handed to its engine of orders.

- *Lie*, the score integrated with the noise e held: z' = Phi z + int Phi N e. It is DDIM, by local error and by runs.
- *Lie* with a kick of length h: order 1, and besides what DDIM misses it misses the change of N.
- *Strang*, half a flow, a kick, half a flow, one evaluation a step: order 1, whichever time the score is told. Told the
  middle it takes the change of e in time out, and leaves N e'[N e]: the kick itself is an Euler step.
- *Strang* with the kick by the explicit midpoint rule, two evaluations, told the middle: order 2. Told the start: 1.

So a symmetric word is of order 2 where its letters are, and the letter that is not is the score; the same holds of
`sscs` in phase space, and `sscs-midpoint` repairs it in the same way. At equal evaluations the splittings of order 1
are far behind DDIM, since a kick of N e over the step is the Euler step of what DDIM integrates exactly. That of order
2 is unstable at few evaluations, comes up to DDIM at some hundred, and stays behind the schemes of order 2 that
integrate the kick too.

**Open:** nothing that is new to position-only models; splittings with a score that is exactly solvable are not known.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from analysis.questions.common import Tables, derived, panel_each, panels_figure
from numtoolkit import Claims, Scheme, error_curve, law_of, local_error, number, transfer, verify
from numtoolkit.declare.entries import N, at, flow, integral
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.declare.steps import Eval, Item

HALF = Fraction(1, 2)
OTHERS = "ddim", "heun-edm", "res-2s"
LAWS, BUDGETS = ("mixture()", "natural(components=16)", "ring"), (10, 20, 40, 80, 160)
BLIND = "RMS error along paths on VP, log-SNR grid"


def declared(name: str, items: list[Item], frozen: str = "score") -> Scheme:
    """A step of items as a scheme on processes of a position alone."""
    steps = written(items, "out")
    return Scheme(name, "splitting", "here", steps, frozen=frozen, kinds="scalar", claims=Claims(classical=1))


def strang(name: str, told: str, stages: int) -> Scheme:
    """Half a flow of L, a kick by one or two evaluations told the abscissa `told`, half a flow."""
    kick = at(N, HALF)
    items: list[Item] = [combine("Z1", HALF, y=flow(0, HALF)), Eval("E0", "Z1", number("1/2"), number(told))]
    if stages == 2:
        items += [combine("Y", HALF, Z1=1, E0=kick / 2), Eval("E1", "Y", number("1/2"), number(told))]
    items += [combine("Z2", HALF, Z1=1, **{f"E{stages - 1}": kick}), combine("out", 1, Z2=flow(HALF, 1))]
    return declared(name, items)


LIE = declared("lie", [evaluate("E0"), combine("out", 1, y=flow(), E0=integral())], frozen="noise")
KICKED = declared("lie-kicked", [evaluate("E0"), combine("Z", 0, y=1, E0=at(N)), combine("out", 1, Z=flow())])
START, MIDDLE = strang("strang-told-start", "0", 1), strang("strang-told-middle", "1/2", 1)
TWICE, TWICE_START = strang("strang-midpoint", "1/2", 2), strang("strang-midpoint-told-start", "0", 2)


def statement() -> list[str]:
    """Orders and local errors of the words."""
    gaps = [
        np.abs(transfer(LIE, "vp", on, 12, scales=[0.1, 0.5, 2.0]).deviation - own).max()
        for on in ("log-snr", "uniform", "quadratic")
        for own in [transfer("ddim", "vp", on, 12, scales=[0.1, 0.5, 2.0]).deviation]
    ]
    same = terms(LIE) == terms("ddim") and max(gaps) < 1e-12
    said = [
        derived(same, "Lie splitting with the noise held is ddim: the same local error, and the same runs to 1e-12.")
    ]
    euler = {"N e_t": "-1/2", "N e'[N e]": "-1/2"}
    for own, expected, sentence in (
        (KICKED, {"N1 e": "-1/2"} | euler, "with a kick misses -(N' e + N e_t + N e'[N e])/2"),
        (START, euler, "by Strang, told the start, misses -(N e_t + N e'[N e])/2"),
        (MIDDLE, {"N e'[N e]": "-1/2"}, "by Strang, told the middle, misses -N e'[N e]/2"),
        (TWICE_START, {"N e_t": "-1/2"}, "by Strang with a midpoint kick, told the start, misses -N e_t/2"),
    ):
        said.append(derived(terms(own) == expected, f"Splitting {sentence} at h^2, so that it is of order 1."))
    orders = (
        verify(TWICE).derived["classical"],
        verify("sscs").derived["sde_weak"],
        verify("sscs-midpoint").derived["sde_weak"],
    )
    said.append(
        derived(
            orders == (2, 1, 2),
            "Strang with a midpoint kick told the middle is of order 2; so is sscs, in law, with one.",
        )
    )
    return said


def terms(own: Scheme | str) -> dict[str, str]:
    """The terms of a local error of order 2."""
    found = local_error(own)
    return {str(row["tree"]): str(row["value"]) for row in found.table()} if found.order == 2 else {}


def numbers(quick: bool = False) -> Tables:
    """Each word and three schemes that integrate what a kick freezes."""
    rows = []
    for name in LAWS[: 1 if quick else None]:
        law = law_of(name)
        for own in (KICKED, START, MIDDLE, TWICE, *OTHERS):
            found = error_curve(own, "vp", law, "log-snr", BUDGETS, metric="path")
            label = own if isinstance(own, str) else own.name
            rows += [{"data": name, "scheme": label, "NFE": row["nfe"], "error": row["error"]} for row in found]
    return {BLIND: rows}


def picture(tables: Tables) -> Any:
    """Errors against evaluations, a panel a law."""
    panels = panel_each(
        tables[BLIND], "data", LAWS, ("scheme", "NFE", "error"),
        "network evaluations (NFE)", "RMS error relative to the exact flow", ticks=BUDGETS,
    )  # fmt: skip
    return panels_figure(panels, "Which splittings are there without a momentum, and what do they give?")
