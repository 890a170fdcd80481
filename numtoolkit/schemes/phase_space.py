"""Phase-space splittings and stochastic schemes on PSLD (arXiv:2310.07894, arXiv:2402.07211), and Euler-Maruyama.

Letters as in `numtoolkit.declare.scheme.word`. The papers number their schemes in words; the updates are those of the
published algorithms with the score as the frozen quantity.
"""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import Entry, L, N, at, covariance, flow, integral, number, op, symbol
from numtoolkit.declare.forms import combine, evaluate, word, written
from numtoolkit.declare.runs import EXPONENTIAL_EULER
from numtoolkit.declare.scheme import LENGTH, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Eval, Item, Noise, Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.problem.rules import mean_time_over_step
from numtoolkit.schemes.commons import SHIFT

# The denoising step of the papers' code, from the last time to t = 0, one evaluation: an Euler step of the whole drift
# without noise, z + t drift(z, t) where beta is constant. The scheme's own drift makes it the half score for the
# probability flow and the full score for the reverse SDE, whose noise nothing would take out again.
DENOISE = word("S0 K")
lambda_s = symbol("lambda_s")


def splitting(step: Step, *remainder: Step) -> Steps:
    """A run of one step, with steps of 1, 2, ... evaluations for the rest of a budget."""
    return Steps(step, final_to_zero=DENOISE, remainder=tuple((each,) for each in remainder))


def ode(name: str, text: str, source: str, *remainder: str, aliases: tuple[str, ...] = ()) -> Scheme:
    """A deterministic splitting of the probability flow, `name` from `source`, its word in `text`.

    remainder   words of 1, 2, ... evaluations, which fill its budget
    aliases     other names of it
    """
    return Scheme(
        name,
        family="phase-space splitting",
        source=source,
        steps=splitting(word(text), *map(word, remainder)),
        frozen="score",
        kinds="phase space",
        claims=Claims(classical=1),
        aliases=aliases,
    )


def sde(name: str, step: Step, source: str, *remainder: str) -> Scheme:
    """A stochastic splitting `name` of the reverse SDE from `source`, a step.

    remainder   words of 1, 2, ... evaluations, which fill its budget
    """
    return Scheme(
        name,
        family="stochastic splitting",
        source=source,
        steps=splitting(step, *map(word, remainder)),
        frozen="score",
        kinds="phase space",
        tau=1,
        reference=number(1),
        claims=Claims(sde_weak=1),
    )


EULER_WORD, VERLET_WORD = "S0 B A", "S0 B/2 A S1 B/2"
P1 = "arXiv:2310.07894"
NSE = ode("nse", "S0 B S0 A", f"{P1}, naive symplectic Euler", EULER_WORD)
RSE = ode("rse", EULER_WORD, f"{P1}, reduced symplectic Euler")
NVV = ode("nvv", "S0 B/2 S0 A S0 B/2", f"{P1}, naive velocity Verlet", EULER_WORD, VERLET_WORD)
RVV = ode("rvv", VERLET_WORD, f"{P1}, reduced velocity Verlet", EULER_WORD, aliases=("sps-d",))
RVV_UNSHIFTED = ode("rvv-unshifted", "S0 B/2 A S0 B/2", f"{P1}, reduced velocity Verlet without time shift", EULER_WORD)


LAMBDA_S = Param(
    "lambda_s",
    Fraction(1),
    Fraction(0),
    free=False,
    meaning="scale of the injected noise, 1 keeps the law",
)

MIDDLE = StepQuantity(
    "w",
    mean_time_over_step,
    "the middle of the step over its length, in process time",
    expansion=symbol("w") / LENGTH,
)


def injected(reading: str, part: str) -> Entry:
    """The covariance of the noise of O with lambda_s in one part of the state, in each reading of the papers.

    rate  1 - exp(-lambda_s h beta Gamma); amp  lambda_s^2 (1 - exp(-h beta Gamma))
    tbar  1 - exp(-lambda_s tbar beta Gamma), tbar = (t + t')/2, with no factor h: not consistent for any lambda_s
    """
    own, rest = (part, "m") if part == "x" else (part, "x")
    O, noise = op("O"), op("G")  # noqa: E741
    kept = covariance(0, 1, O, noise.row(rest))
    if reading == "rate":
        return covariance(0, 1, lambda_s * O.row(own) + O.row(rest), lambda_s * noise.row(own) + noise.row(rest))
    if reading == "amp":
        return covariance(0, 1, O, lambda_s**2 * noise.row(own)) + kept
    return covariance(1 - symbol("w"), 1, lambda_s * O.row(own), lambda_s * noise.row(own)) + kept


def oba(name: str, reading: str, part: str, step: Step, params: tuple[Param, ...]) -> Scheme:
    """An OBA step with lambda_s in the noise of one part of the state: the scheme `name` of `step` with params.

    The published formula of lambda_s could not be recovered; `injected` lists the readings of it.
    reading, part   as in `injected`
    """
    if reading not in ("rate", "amp", "tbar") or part not in ("x", "m"):
        raise InputError(f"{name}({reading}, {part}) is not declared; use rate, amp or tbar, with part x or m.")
    noise, *rest = step.items
    scheme = Scheme(
        name,
        family="stochastic splitting",
        source=f"{P2}, reduced OBA",
        steps=splitting(replace(step, items=(Noise(noise.name, injected(reading, part)), *rest))),
        frozen="score",
        kinds="phase space",
        tau=1,
        reference=number(1),
        params=params,
        quantities=(MIDDLE,) if reading == "tbar" else (),
        claims=Claims(sde_weak=1, refuted=("sde_weak",) if reading == "tbar" else ()),
        aliases=("sps-s",),
    )
    named = {"part": part} if part != "x" else {}
    return scheme.with_structure(*([reading] if reading != "rate" or named else []), **named)


@lru_cache
def roba(reading: str = "rate", part: str = "x") -> Scheme:
    """Reduced OBA (SPS-S) with lambda_s in the position noise, or, part = m, in that of the momentum."""
    return oba("roba", reading, part, word(OBA), (LAMBDA_S,))


STRANG = "L/2 S0 K L/2"
SSCS = sde("sscs", word(STRANG), "arXiv:2112.07068 Algorithm 1; arXiv:2303.01748")
P2 = "arXiv:2402.07211"
OBA, BAO, OBAB = "O S0 B A", "S0 B A O", "O S0 B/2 A S1 B/2"
NOBA = sde("noba", word("O S0 B S0 A"), f"{P2}, naive OBA", OBA)
NBAO = sde("nbao", word("S0 B S0 A O"), f"{P2}, naive BAO", BAO)
RBAO = sde("rbao", word(BAO), f"{P2}, reduced BAO")
NOBAB = sde("nobab", word("O S0 B/2 S0 A S0 B/2"), f"{P2}, naive OBAB", OBA, OBAB)
ROBAB = sde("robab", word(OBAB), f"{P2}, reduced OBAB", OBA)


def sscs_midpoint() -> Scheme:
    """SSCS with the score step by the explicit midpoint rule, told the middle of the step."""
    half, rest = Fraction(1, 2), L - op("R")
    kick, score = at(rest, half), at(N, half)
    items: list[Item] = [
        Noise("xi1", covariance(0, half, op("R"))),
        combine("Z1", half, y=flow(0, half, op("R")), xi1=1),
        Eval("E0", "Z1", number("1/2"), number("1/2")),
        combine("Y", half, Z1=1 + kick / 2, E0=score / 2),
        Eval("E1", "Y", number("1/2"), number("1/2")),
        combine("Z2", half, Z1=1, Y=kick, E1=score),
        Noise("xi2", covariance(half, 1, op("R"))),
        combine("Z3", 1, Z2=flow(half, 1, op("R")), xi2=1),
    ]
    source = "SSCS (arXiv:2112.07068) with a second-order score step; new here"
    scheme = sde("sscs-midpoint", written(items, "Z3"), source, STRANG)
    return replace(scheme, claims=Claims(sde_weak=2))


SSCS_MIDPOINT = sscs_midpoint()

# Conjugate splittings: the rows of each kick flow exactly, with the Cholesky noise frozen (arXiv:2310.07894)
shift = symbol("shift")
CONJUGATION = shift * op("unit")


def conjugate_splitting(name: str, text: str, *remainder: str, aliases: tuple[str, ...] = ()) -> Scheme:
    """The splitting `name` of the word in `text`, its kicks conjugate flows of the shift lambda.

    remainder   words of 1, 2, ... evaluations, which fill its budget
    aliases     other names of it
    """
    return Scheme(
        name,
        family="conjugate",
        source=f"{P1}, conjugate splitting",
        steps=splitting(*(word(each, conjugation=CONJUGATION) for each in (text, *remainder))),
        frozen="noise",
        kinds="phase space",
        params=(SHIFT,),
        claims=Claims(classical=1),
        aliases=aliases,
    )


CSE = conjugate_splitting("cse", EULER_WORD)
CVV = conjugate_splitting("cvv", VERLET_WORD, EULER_WORD, aliases=("csps-d",))


@lru_cache
def coba(reading: str = "rate", part: str = "x") -> Scheme:
    """Conjugate OBA (CSPS-S): `roba` with conjugate flows for its kicks, and the Cholesky noise frozen."""
    return replace(
        oba("coba", reading, part, word(OBA, conjugation=CONJUGATION), (SHIFT, LAMBDA_S)),
        family="conjugate",
        source=f"{P1}, conjugate splitting",
        frozen="noise",
        aliases=("csps-s",),
    )


EM = Scheme(
    "em",
    family="classical",
    source="Maruyama 1955; Kloeden & Platen 1992 eq. 10.2.1",
    steps=Steps(
        Step((evaluate("E0"), Noise("xi", at(op("G"))), combine("out", 1, y=flow(), E0=integral(), xi=1)), "out"),
        final_to_zero=EXPONENTIAL_EULER,  # with L = 0 the same step without its noise, as `DENOISE` is
    ),
    frozen="drift",
    clock="time",
    tau=1,
    reference=number(1),
    claims=Claims(sde_weak=1, sde_strong=1),
    aliases=("euler-maruyama",),
)

PHASE_SPACE = (
    *(NSE, RSE, NVV, RVV, RVV_UNSHIFTED, CSE, CVV),
    *(EM, SSCS, SSCS_MIDPOINT, NOBA, roba, NBAO, RBAO, NOBAB, ROBAB, coba),
)
