"""Exponential Runge-Kutta schemes of three and more stages, and the noise forms of DPM-Solver, all in log-SNR."""

from collections.abc import Callable
from fractions import Fraction

from numtoolkit.declare.entries import ZERO as NONE
from numtoolkit.declare.entries import N, at, flow, integral, phi, symbol
from numtoolkit.declare.forms import companion, corrector, tableau
from numtoolkit.declare.runs import B4, C4, KROGSTAD, filled, one_step, three_stages
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.declare.steps import Row, Step
from numtoolkit.schemes.commons import with_endings
from numtoolkit.schemes.one_step import DPMPP_2S, FIRST_ORDER

HALF, THIRD, TWO_THIRDS = Fraction(1, 2), Fraction(1, 3), Fraction(2, 3)
r1, r2, c2, c3 = symbol("r_1"), symbol("r_2"), symbol("c2"), symbol("c3")


def exponential(
    name: str,
    step: Step,
    claims: Claims,
    source: str,
    params: tuple[Param, ...] = (),
    frozen: str = "data",
    companions: tuple[Row, ...] = (),
) -> Scheme:
    """An exponential Runge-Kutta scheme in log-SNR: its name, step, claims, source, params and companions.

    frozen   what it holds fixed over a step
    """
    return Scheme(
        name,
        family="exponential",
        source=source,
        steps=one_step(step),
        frozen=frozen,
        clock="log-snr",
        kinds="scalar",
        params=params,
        claims=claims,
        companions=companions,
    )


RES_3S = exponential(
    "res-3s",
    three_stages(c2, c3),
    Claims(classical=3, stiff_weak=3, companion=4),
    "arXiv:2308.02157 Table 3; Hochbruck & Ostermann 2005 eq. 5.9",
    (
        Param("c2", HALF, Fraction(0), Fraction(1), open=True, meaning="abscissa of the second stage, not 2/3"),
        Param("c3", Fraction(1), Fraction(0), Fraction(1), open=True, meaning="abscissa of the third stage"),
    ),
    companions=corrector(3),
)

THREE_STAGE = filled([0, r1, r2], [[], [r2**2 / r1 * phi(2, r2)]], [NONE, phi(2) / r2])
NODES = (
    Param("r_1", THIRD, Fraction(0), Fraction(1), open=True, meaning="abscissa of the second stage"),
    Param("r_2", TWO_THIRDS, Fraction(0), Fraction(1), open=True, free=False, meaning="of the third, 2/3 for order 3"),
)
DPMPP_3S = exponential("dpmpp-3s", THREE_STAGE, Claims(classical=3), "arXiv:2211.01095, singlestep order 3", NODES)
DPM_SOLVER_3 = exponential(
    "dpm-solver-3",
    THREE_STAGE,
    Claims(classical=3, companion=2),
    "arXiv:2206.00927 Algorithm 2, its companion that of DPM-Solver-23 in appendix C",
    NODES,
    "noise",
    (companion(E0=(1 - 1 / (2 * r1)) * phi(1), E1=phi(1) / (2 * r1)),),
)
DPM_SOLVER_2 = exponential(
    "dpm-solver-2",
    DPMPP_2S.steps.inner,
    Claims(classical=2, companion=1),
    "arXiv:2206.00927 Algorithm 1, its companion that of DPM-Solver-12 in appendix C",
    DPMPP_2S.params,
    "noise",
    FIRST_ORDER,
)

COX_MATTHEWS = "Cox & Matthews 2002"
ETD3RK = exponential(
    "etd3rk",
    filled([0, HALF, 1], [[], [2 * phi(1)]], [4 * phi(2) - 8 * phi(3), 4 * phi(3) - phi(2)]),
    Claims(classical=3, stiff_strong=2),
    f"{COX_MATTHEWS} eqs. 23-25",
)
ETD4RK = exponential(
    "etd4rk",
    tableau(
        C4,
        [
            [],
            [phi(1, HALF) / 2],
            [NONE, phi(1, HALF) / 2],
            [flow(HALF, 1) * integral(0, HALF) - phi(1, HALF) / 2, NONE, phi(1, HALF)],
        ],
        [phi(1) - 3 * phi(2) + 4 * phi(3), *B4],
    ),
    Claims(classical=4, stiff_strong=2),
    f"{COX_MATTHEWS} eqs. 26-29",
)
KROGSTAD_4 = exponential(
    "krogstad-4",
    KROGSTAD,
    Claims(classical=4, stiff_strong=3),
    "Krogstad 2005 eq. 51; Hochbruck & Ostermann 2005 eq. 5.16",
)
STREHMEL_WEINER_4 = exponential(
    "strehmel-weiner-4",
    filled(
        C4,
        [[], [phi(2, HALF) / 2], [-2 * phi(2), 4 * phi(2)]],
        [NONE, 4 * phi(2) - 8 * phi(3), 4 * phi(3) - phi(2)],
    ),
    Claims(classical=4, stiff_strong=3),
    "Strehmel & Weiner 1992; Hochbruck & Ostermann 2005 eq. 5.18",
)
a52 = phi(2, HALF) / 2 - phi(3) + phi(2) / 4 - phi(3, HALF) / 2
HOCHBRUCK_OSTERMANN_4 = exponential(
    "hochbruck-ostermann-4",
    filled(
        [0, HALF, HALF, 1, HALF],
        [[], [phi(2, HALF)], [phi(2), phi(2)], [a52, a52, phi(2, HALF) / 4 - a52]],
        [NONE, NONE, 4 * phi(3) - phi(2), 4 * phi(2) - 8 * phi(3)],
    ),
    Claims(classical=4, stiff_strong=3, stiff_weak=4),
    "Hochbruck & Ostermann 2005 eq. 5.19",
)
LAWSON_2 = exponential(
    "lawson-2",
    tableau([0, HALF], [[], [flow(0, HALF) * at(N, 0) / 2]], [NONE, flow(HALF, 1) * at(N, HALF)]),
    Claims(classical=2),
    "Lawson 1967, of the midpoint rule",
)
LAWSON_4 = exponential(
    "lawson-4",
    tableau(
        C4,
        [
            [],
            [flow(0, HALF) * at(N, 0) / 2],
            [NONE, at(N, HALF) / 2],
            [NONE, NONE, flow(HALF, 1) * at(N, HALF)],
        ],
        [flow() * at(N, 0) / 6, flow(HALF, 1) * at(N, HALF) / 3, flow(HALF, 1) * at(N, HALF) / 3, at(N, 1) / 6],
    ),
    Claims(classical=4),
    "Lawson 1967, of the classical Runge-Kutta scheme",
)

EXPONENTIAL: tuple[Callable[..., Scheme], ...] = tuple(
    with_endings(scheme)
    for scheme in (
        RES_3S,
        DPMPP_3S,
        DPM_SOLVER_2,
        DPM_SOLVER_3,
        ETD3RK,
        ETD4RK,
        KROGSTAD_4,
        STREHMEL_WEINER_4,
        HOCHBRUCK_OSTERMANN_4,
        LAWSON_2,
        LAWSON_4,
    )
)
