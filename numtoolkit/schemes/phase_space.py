"""Phase-space splittings and stochastic schemes on PSLD (arXiv:2310.07894, arXiv:2402.07211), and Euler-Maruyama.

Letters as in `numtoolkit.scheme.word`. The papers number their schemes in words; the updates are those of the
published algorithms with the score as the frozen quantity.
"""

from fractions import Fraction

from numtoolkit.entries import Op, at, flow, integral, number, op, symbol
from numtoolkit.problem import FROZEN_DRIFT
from numtoolkit.scheme import Claims, Layout, Noise, Param, Scheme
from numtoolkit.schemes.forms import combine, evaluate, word

PHASE = ("psld",)
lambda_s = symbol("lambda_s")


def ode(name: str, text: str, source: str, aliases: tuple[str, ...] = ()) -> Scheme:
    """A deterministic splitting of the probability flow."""
    return Scheme(
        name,
        family="phase-space splitting",
        source=source,
        step=word(text),
        frozen="score",
        processes=PHASE,
        claims=Claims(classical=1),
        aliases=aliases,
    )


def sde(
    name: str, layout: Layout, source: str, params: tuple[Param, ...] = (), aliases: tuple[str, ...] = ()
) -> Scheme:
    """A stochastic splitting of the reverse SDE."""
    return Scheme(
        name,
        family="stochastic splitting",
        source=source,
        step=layout,
        frozen="score",
        processes=PHASE,
        tau=1,
        reference=number(1),
        params=params,
        claims=Claims(sde_weak=1),
        aliases=aliases,
    )


NSE = ode("nse", "S0 B S0 A", "arXiv:2310.07894, naive symplectic Euler")
RSE = ode("rse", "S0 B A", "arXiv:2310.07894, reduced symplectic Euler")
NVV = ode("nvv", "S0 B/2 S0 A S0 B/2", "arXiv:2310.07894, naive velocity Verlet")
RVV = ode("rvv", "S0 B/2 A S1 B/2", "arXiv:2310.07894, reduced velocity Verlet", aliases=("sps-d",))


def scaled_position(X: Op) -> Op:
    """The `rate` reading of lambda_s: position noise of variance 1 - exp(-lambda_s h beta Gamma)."""
    return lambda_s * X.row("x") + X.row("m")


LAMBDA_S = Param(
    "lambda_s",
    Fraction(1),
    Fraction(0),
    free=False,
    meaning="rate of the position noise; the law is kept only at 1",
)

SSCS = sde("sscs", word("L/2 S0 K L/2"), "arXiv:2112.07068 Algorithm 1; arXiv:2303.01748")
NOBA = sde("noba", word("O S0 B S0 A"), "arXiv:2402.07211, naive OBA")
ROBA = sde("roba", word("O S0 B A", scaled_position), "arXiv:2402.07211, reduced OBA", (LAMBDA_S,), ("sps-s",))
ROBAB = sde("robab", word("O S0 B/2 A S1 B/2"), "arXiv:2402.07211, reduced OBAB")

EM = Scheme(
    "em",
    family="classical",
    source="Maruyama 1955; Kloeden & Platen 1992 eq. 10.2.1",
    step=Layout(
        (evaluate("E0"), Noise("xi", at(op("G"))), combine("out", 1, y=flow(), E0=integral(), xi=1)),
        "out",
    ),
    frozen=FROZEN_DRIFT,
    clock="time",
    tau=1,
    reference=number(1),
    claims=Claims(sde_weak=1, sde_strong=1),
    aliases=("euler-maruyama",),
)

PHASE_SPACE = (NSE, RSE, NVV, RVV, EM, SSCS, NOBA, ROBA, ROBAB)
