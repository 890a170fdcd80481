"""Multistep schemes in log-SNR: weights on past evaluations, with their starting and final steps."""

from dataclasses import replace
from functools import lru_cache

from numtoolkit.declare.entries import Entry, N, adams, at, phi, symbol
from numtoolkit.declare.forms import adams_bashforth, check_declared, history, past, predict_correct
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.declare.steps import Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.schemes.one_step import EXPONENTIAL_EULER

r0, r1 = symbol("r0"), symbol("r1")
FIRST = history([phi(1)], keep=1)


def multistep(name: str, steps: Steps, claims: Claims, source: str, aliases: tuple[str, ...] = ()) -> Scheme:
    return Scheme(
        name,
        family="exponential multistep",
        source=source,
        steps=replace(steps, final_to_zero=EXPONENTIAL_EULER),
        frozen="data",
        clock="log-snr",
        kinds="scalar",
        claims=claims,
        aliases=aliases,
    )


def two_point(keep: int) -> Step:
    """The DPM-Solver++(2M) step: the difference quotient weighted phi_1 / 2."""
    return history([(1 + 1 / (2 * r0)) * phi(1), -phi(1) / (2 * r0)], keep)


def three_point(second_difference: int) -> Step:
    """The three-point step; variation of constants asks for twice phi_3, the shipped DPM-Solver++(3M) takes it once."""
    x2, x3 = -r0, -(r0 + r1)
    b2 = (second_difference * phi(3) - x3 * phi(2)) / (x2 * (x2 - x3))
    b3 = (second_difference * phi(3) - x2 * phi(2)) / (x3 * (x3 - x2))
    return history([phi(1) - b2 - b3, b2, b3], keep=2)


DPMPP_2M = multistep(
    "dpmpp-2m", Steps(two_point(keep=1), (FIRST,)), Claims(classical=2), "arXiv:2211.01095 Algorithm 2", ("unip-2",)
)
RES_2M = multistep(
    "res-2m",
    adams_bashforth(2),
    Claims(classical=2, stiff_strong=2, stiff_commuting=2, stiff_weak=2),
    "arXiv:2308.02157 code entry 2ab; exponential Adams-Bashforth, Hochbruck & Ostermann 2011 eq. 2.4",
)
RES_3M = multistep(
    "res-3m",
    adams_bashforth(3),
    Claims(classical=3, stiff_strong=3, stiff_commuting=3, stiff_weak=3),
    "arXiv:2308.02157 completed to order 3; Hochbruck & Ostermann 2011",
)
DPMPP_3M = multistep(
    "dpmpp-3m",
    Steps(three_point(1), (FIRST, two_point(keep=2))),
    Claims(classical=3, refuted=("classical",)),
    "arXiv:2211.01095, multistep order 3 as its code and every port ship it",
)
DPMPP_3M_CORRECTED = multistep(
    "dpmpp-3m-corrected",
    Steps(three_point(2), (FIRST, two_point(keep=2))),
    Claims(classical=3),
    "arXiv:2211.01095 with the second difference at its full weight",
)


@lru_cache
def exp_adams(k: int = 4) -> Scheme:
    """Exponential Adams-Bashforth of order k (Hochbruck & Ostermann 2011 eq. 2.4), started with the orders below."""
    check_declared("exp-adams", k, 6)
    claims = Claims(k, k, k, k)
    source = "Hochbruck & Ostermann 2011 eq. 2.4; Norsett 1969"
    scheme = multistep("exp-adams", adams_bashforth(k), claims, source)
    return scheme.with_structure(str(k))


@lru_cache
def unipc(p: int = 2, variant: str = "bh2") -> Scheme:
    """UniPC of order p (arXiv:2302.04867 Algorithms 5-8), predictor and corrector as in the authors' code.

    The order is raised at the start and lowered at the end, where the last step only predicts.
    variant  bh1 or bh2: what the closed halves (p = 2 predictor, p = 1 corrector) multiply, h or the integral.
    """
    if not 1 <= p <= 4 or variant not in ("bh1", "bh2"):
        raise InputError(f"unipc({p}, variant={variant}) is not declared; use p = 1 to 4 with variant bh1 or bh2.")
    half = (phi(1) if variant == "bh2" else at(N, 1)) / 2

    def predictor(q: int) -> tuple[Entry, ...]:
        return (phi(1) + half / r0, -half / r0) if q == 2 else adams(past(q))

    def corrector(q: int) -> tuple[Entry, ...]:
        return (phi(1) - half, half) if q == 1 else adams((*past(q), 1))

    steps = [predict_correct(predictor(q), corrector(q), keep=p - 1, first=q == 1) for q in range(1, p + 1)]
    if p == 1:
        steps.append(predict_correct(predictor(1), corrector(1), keep=0, first=False))
    final = Step(EXPONENTIAL_EULER.items[1:], "out")

    def short(count: int) -> tuple[Step, ...]:
        """A whole run, too short to reach order p."""
        return (*(steps[min(n, count - 1 - n)] for n in range(count - 1)), final)

    scheme = Scheme(
        "unipc",
        family="exponential multistep",
        source="arXiv:2302.04867 Algorithms 5-8",
        steps=Steps(
            steps[-1],
            tuple(steps[:-1]),
            (*steps[-2:0:-1], final),
            remainder=((EXPONENTIAL_EULER,), *(short(count) for count in range(2, 2 * p - 2))),
        ),
        frozen="data",
        clock="log-snr",
        kinds="scalar",
        claims=Claims(classical=p + 1),
    )
    return scheme.with_structure(str(p), **({"variant": variant} if variant != "bh2" else {}))


MULTISTEP = (DPMPP_2M, RES_2M, RES_3M, DPMPP_3M, DPMPP_3M_CORRECTED, exp_adams, unipc)
