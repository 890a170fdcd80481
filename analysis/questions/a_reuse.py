"""Ablation of reuse (arXiv:2310.07894, arXiv:2402.07211): how much does a score change where it is used again?

A reduced splitting evaluates the network once for a kick B of the momentum and the move A of the position after it.
What it neglects is the change of the score over the kick, when the momentum alone has moved. Of any smooth score that
is h S_m g to first order, g = dm/ds, of Gaussian data exactly. Here the network is asked again at the state where its
output is reused, along runs of the naive splitting, which does so anyway.

**The output is not nearly the same.** Over a kick the noise prediction changes by 0.3 to 0.5 of its size at 24
evaluations, 0.15 to 0.24 at 50 and 0.04 to 0.06 at 200, of laws narrow and wide and of networks alike, and falls as the
step does. So it is not because scores change little that reuse is harmless. It is because the position sees the score
through b Gamma alone, whatever the law: reuse changes dx/ds by 0.0003 to 0.002 of its size at 50 evaluations.

**On trained networks it changes more**: 0.003 to 0.005 with `rvv`, 0.017 to 0.03 with `roba`, about ten times what it
does on laws, while their output changes as much as those of laws do. The score of the position is l11 e^x + l12 e^m of
the two outputs, with numbers that grow near the data. By the kick an exact network changes the two terms against each
other, a trained one does not (the last table). At 24 evaluations it is 0.04 to 0.06 of the slope with `roba`, and reuse
is no longer free.

What a Verlet step does ask anew, after the position has moved, changes by a fifth more than what it reuses to twice as
much. There the momentum takes the score, with b M nu, and nothing makes the change small. The time of the end, which
`rvv` and `robab` tell the network in place of that of the start, is worth half to nine tenths of a kick.

**Open:** whether samples tell what reuse costs on networks. Processes with a Gamma near 1 are in P2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from analysis.questions.common import Record, Tables, derived, panel_each, panels_figure
from numtoolkit import Scheme, law_of, local_error, network_of, process, scheme, stepper, word
from numtoolkit.arrays import Floats, host
from numtoolkit.problem.predictions import convert
from numtoolkit.schemes.phase_space import CONJUGATION

GRID, BUDGETS = "quadratic", (24, 50, 100, 200)
NAIVE = {"rse": "nse", "rvv": "nvv", "cse": "S0 B S0 A", "cvv": "S0 B/2 S0 A S0 B/2", "roba": "noba", "rbao": "nbao",
         "robab": "nobab"}  # fmt: skip
SUBJECTS = {
    "gaussian(dim=8, std=0.25)": 64,
    "natural()": 64,
    "mixture()": 64,
    "network:digits-psld": 64,
    "network:patches-psld": 8,
}  # and how many starts
FEW = "rse", "rvv", "roba"  # on the network whose evaluations are dear
CHANGE = (
    "Change of the noise prediction over its size, mean of the steps of a run, quadratic grid: over the kick, where "
    "the reduced scheme reuses it, over the move, where it does not, and by the time of the end in place of the start; "
    "and what the reuse changes of dx/ds, over its size"
)
PARTS = (
    "The change of the score of the position over a kick of noba, 50 steps, mean of those that start in a range of t: "
    "of its two terms, of their sum, and the sum over the larger"
)
RANGES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.0)


class Asked(NamedTuple):
    """An evaluation of a run: its step, the state (2, n, d), the time told, and the noise prediction (2, n, d)."""

    step: int
    state: Floats
    time: float
    noise: Floats


def naive(reduced: str) -> Scheme:
    """The splitting that asks the network at each substep where a reduced one does not."""
    text = NAIVE[reduced]
    if text.islower():
        return scheme(text)
    own = scheme(reduced)
    return replace(own, name=f"{reduced}-naive", steps=replace(own.steps, inner=word(text, conjugation=CONJUGATION)))


def statement() -> list[str]:
    """What reuse leaves out, by the engine of local errors and along a run on Gaussian data."""
    import sympy

    b, Gamma, g, slope = sympy.symbols("b Gamma g Sx_m")
    errors = (local_error(name, "blocks").part("") for name in ("nse", "rse"))
    left = sympy.expand(next(errors) - next(errors))
    law, on = law_of("gaussian(dim=8, std=0.25)"), process("psld")
    off = []
    for first, second in steps_of(asked("nse", law, 20, range(4))):
        t = np.array([first.time])
        e, sigma = on.kernel(t)
        S_m = -np.linalg.inv(sigma[0] + law.variance * np.outer(e[0], e[0]))[:, 1]
        moved = second.state[1] - first.state[1]
        told = np.einsum("i,nd->ind", S_m, moved)
        change = score(second) - score(first)
        off.append(float(np.abs(change - told).max() / np.abs(change).max()))
    return [
        derived(
            left == sympy.Matrix([b * Gamma * slope * g, 0]),
            "What reuse leaves out of a step of symplectic Euler is (b Gamma h) (h S^x_m g) in the position: b Gamma h "
            "times the change of the score over the kick, to first order in that.",
        ),
        derived(
            max(off) < 1e-4,
            "Along a run of nse on Gaussian data the score changes over a kick by S_m times what the momentum moves, "
            "to 1e-4.",
        ),
    ]


def asked(own: str | Scheme, subject: Any, steps: int, seeds: Sequence[int], late: bool = False) -> list[Asked]:
    """All evaluations of a run; with `late`, after the last one of a step the same state told the time of its end."""
    network, on = network_of(subject), process("psld")
    call = network.on(on)
    run = stepper(own, on, network, GRID, steps=steps, seeds=seeds)
    found: list[Asked] = []

    def ask(time: float) -> Any:
        output = call(run.row, time)
        P, Q = (each[0] for each in convert(network.predicts, "noise", on, np.array([time])))
        state, own_output = (flat(blocks) for blocks in (run.row, output))
        noise = np.einsum("ij,jnd->ind", P, state) + np.einsum("ij,jnd->ind", Q, own_output)
        found.append(Asked(run.step, state, time, noise))
        return output

    while not run.done:
        step = run.step
        answer = ask(run.time)
        end = run.program.steps[step].end
        last = len([i for i in found if i.step == step]) == run.program.nfe // steps
        if late and last:
            ask(end)
        run.send(answer)
    return found


def flat(blocks: Sequence[Any]) -> Floats:
    """Blocks as (blocks, n, d), float64 on the host."""
    arrays = [host("a block", block).astype(np.float64) for block in blocks]
    return np.stack([each.reshape(len(each), -1) for each in arrays])


def steps_of(found: Sequence[Asked]) -> list[list[Asked]]:
    """The evaluations of each step."""
    steps: dict[int, list[Asked]] = {}
    for own in found:
        steps.setdefault(own.step, []).append(own)
    return list(steps.values())


def score(own: Asked) -> Floats:
    """The score (2, n, d) of an evaluation."""
    P, Q = (each[0] for each in convert("noise", "score", process("psld"), np.array([own.time])))
    return np.einsum("ij,jnd->ind", P, own.state) + np.einsum("ij,jnd->ind", Q, own.noise)


def size(values: Floats) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def slope_change(first: Asked, second: Asked, noisy: bool) -> float:
    """Of dx/ds at the second state, by the score of the first in place of its own, over its size.

    noisy   of the reverse SDE, which takes the score twice as the flow does
    """
    on, share = process("psld"), 1.0 if noisy else 0.5
    t = np.array([second.time])
    F, G2 = on.drift(t)[0], share * on.diffusion(t)[0]
    own = score(second)
    slope = np.einsum("j,jnd->nd", G2[0], own) - np.einsum("j,jnd->nd", F[0], second.state)
    return size(np.einsum("j,jnd->nd", G2[0], score(first) - own)) / size(slope)


def measured(subject: str, reduced: str, nfe: int) -> Record:
    """Changes along a run of the naive scheme with the steps that the reduced one has of a budget."""
    each = scheme(reduced).nfe_per_step
    verlet = each == 2
    steps = steps_of(asked(naive(reduced), subject, nfe // each, range(SUBJECTS[subject]), late=verlet))

    def change(first: int, second: int) -> float:
        return float(np.mean([size(own[second].noise - own[first].noise) / size(own[first].noise) for own in steps]))

    noisy = scheme(reduced).kind == "sde"
    return {
        "data": subject,
        "scheme": reduced,
        "NFE": nfe,
        "kick, reused": change(0, 1),
        "move, asked anew": change(1, 2) if verlet else None,
        "time": change(2, 3) if verlet else None,
        "dx/ds by reuse": float(np.mean([slope_change(own[0], own[1], noisy) for own in steps])),
    }


def parts(subject: str) -> list[Record]:
    """What the two outputs add to the change of the score of the position, by time."""
    kicks = [own[:2] for own in steps_of(asked("noba", subject, 50, range(SUBJECTS[subject])))]
    rows = []
    for high, low in pairwise(RANGES):
        found = []
        for first, second in kicks:
            if low < first.time <= high:
                Q = convert("noise", "score", process("psld"), np.array([first.time]))[1][0, 0]
                terms = [Q[i] * (second.noise[i] - first.noise[i]) for i in (0, 1)]
                found.append([size(terms[0]), size(terms[1]), size(terms[0] + terms[1])])
        x, m, both = np.mean(found, axis=0).tolist()
        rows.append({"data": subject, "t": f"{high:g} to {low:g}", "l11 e^x": x, "l12 e^m": m, "sum": both,
                     "over the larger": both / max(x, m)})  # fmt: skip
    return rows


def numbers(quick: bool = False) -> Tables:
    """Changes along runs, and how they fall with the evaluations."""
    rows = [
        measured(subject, reduced, nfe)
        for subject in (list(SUBJECTS)[:1] if quick else SUBJECTS)
        for reduced in (FEW[:1] if quick else FEW if subject.endswith("patches-psld") else NAIVE)
        for nfe in (BUDGETS[:1] if quick else BUDGETS)
    ]
    if quick:
        return {CHANGE: rows}
    return {CHANGE: rows, PARTS: [row for subject in SUBJECTS for row in parts(subject)]}


def picture(tables: Tables) -> Any:
    """What changes over the kick, and of the slope of the position, by evaluations, a panel a law or network."""
    rows = [row for row in tables[CHANGE] if row["scheme"] in FEW]
    inside = [row | {"is": row["scheme"], "y": row["kick, reused"]} for row in rows]
    inside += [
        row | {"is": f"{row['scheme']}, slope of the position", "y": row["dx/ds by reuse"]}
        for row in rows
        if row["scheme"] in ("rvv", "roba")
    ]
    shown = [name for name in SUBJECTS if name != "natural()"]
    panels = panel_each(
        inside,
        "data",
        shown,
        ("is", "NFE", "y"),
        "network evaluations (NFE)",
        "relative change by the kick",
        limits=(1e-5, 1.0),
        ticks=BUDGETS,
    )
    return panels_figure(panels, "How much does a score change where it is used again, and what does that change?")
