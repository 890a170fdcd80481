"""Embedded Runge-Kutta pairs on the probability flow in process time: what an adaptive solver of any ODE does of it.

RK45 of scipy, MATLAB and torchdiffeq is `dopri5`, by which arXiv:2011.13456 measured what a sample costs, and RK23 is
`bs32`. Both are baselines of adaptive runs, and no more: they know neither the linear part of the equation nor its
clock. On a mixture with steps of each sample's own, an error of about 2 % takes bs32 25 evaluations, dopri5 43, and
res-2s with its companion 19; from errors of 1e-3 on the order 5 repays itself (`figures/found-steps-mixture.md`).

The last stage of both is the new state, whose evaluation begins the next step (FSAL): their companions weigh it as EN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numtoolkit.declare.companions import NEXT
from numtoolkit.declare.entries import as_scalar, phi
from numtoolkit.declare.forms import companion, runge_kutta
from numtoolkit.declare.runs import SINGLE, one_step
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.schemes.noise_polynomials import KUTTA_3, MIDPOINT, RK4

# What fills a budget: Euler's method and those of Kutta. Five evaluations gain no order over four, and are two steps.
FILLING = (*SINGLE, (MIDPOINT,), (KUTTA_3,), (RK4.steps.inner,), (KUTTA_3, MIDPOINT))


def pair(
    name: str,
    source: str,
    tableau: tuple[Sequence[Any], Sequence[Sequence[Any]], Sequence[Any]],
    beside: Sequence[Any],
    orders: tuple[int, int],
    aliases: tuple[str, ...] = (),
) -> Scheme:
    """An embedded pair of the whole drift in process time, with `name` and `aliases`, from `source`.

    tableau   abscissae c, rows A and weights b of the stages before the new state
    beside    weights of the companion, of these stages and, last, of the evaluation at the new state
    orders    of the new state and of the companion
    """
    names = [*(f"E{j}" for j in range(len(beside) - 1)), NEXT]
    weights = {name: as_scalar(weight) * phi(1) for name, weight in zip(names, beside, strict=True)}
    return Scheme(
        name,
        family="classical",
        source=source,
        steps=one_step(runge_kutta(*tableau), FILLING),
        frozen="drift",
        clock="time",
        claims=Claims(classical=orders[0], companion=orders[1]),
        aliases=aliases,
        companions=(companion(**weights),),
    )


BS32 = pair(
    "bs32",
    "Bogacki & Shampine 1989",
    ([0, "1/2", "3/4"], [[], ["1/2"], [0, "3/4"]], ["2/9", "1/3", "4/9"]),
    ["7/24", "1/4", "1/3", "1/8"],
    (3, 2),
    ("rk23", "bosh3"),
)
DOPRI5 = pair(
    "dopri5",
    "Dormand & Prince 1980, RK5(4)7M; arXiv:2011.13456 appendix D.4",
    (
        [0, "1/5", "3/10", "4/5", "8/9", 1],
        [
            [],
            ["1/5"],
            ["3/40", "9/40"],
            ["44/45", "-56/15", "32/9"],
            ["19372/6561", "-25360/2187", "64448/6561", "-212/729"],
            ["9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"],
        ],
        ["35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84"],
    ),
    ["5179/57600", 0, "7571/16695", "393/640", "-92097/339200", "187/2100", "1/40"],
    (5, 4),
    ("rk45",),
)

EMBEDDED_PAIRS = (BS32, DOPRI5)
