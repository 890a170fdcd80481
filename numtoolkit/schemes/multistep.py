"""Multistep schemes in log-SNR: weights on past evaluations, with their starting and final steps."""

from functools import lru_cache

from numtoolkit.entries import N, adams, at, phi, symbol
from numtoolkit.errors import InputError
from numtoolkit.scheme import Claims, Layout, Scheme
from numtoolkit.schemes.forms import history, past, predict_correct
from numtoolkit.schemes.one_step import EXPONENTIAL_EULER, IMAGE

r0 = symbol("r0")
FIRST = history([phi(1)], keep=1)

DPMPP_2M = Scheme(
    "dpmpp-2m",
    family="exponential multistep",
    source="arXiv:2211.01095 Algorithm 2",
    start=(FIRST,),
    step=history([(1 + 1 / (2 * r0)) * phi(1), -phi(1) / (2 * r0)], keep=1),
    frozen="data",
    clock="log-snr",
    processes=IMAGE,
    to_zero=EXPONENTIAL_EULER,
    claims=Claims(classical=2),
    aliases=("dpm-solver-pp-2m", "unip-2"),
)

RES_2M = Scheme(
    "res-2m",
    family="exponential multistep",
    source="arXiv:2308.02157 code entry 2ab; exponential Adams-Bashforth, Hochbruck & Ostermann 2011 eq. 2.4",
    start=(FIRST,),
    step=history(adams(past(2)), keep=1),
    frozen="data",
    clock="log-snr",
    processes=IMAGE,
    to_zero=EXPONENTIAL_EULER,
    claims=Claims(classical=2, stiff_strong=2, stiff_commuting=2, stiff_weak=2),
    aliases=("exp-adams-2",),
)


@lru_cache
def unipc(p: int = 2, variant: str = "bh2") -> Scheme:
    """UniPC of order p (arXiv:2302.04867 Algorithms 5-8), predictor and corrector as in the authors' code.

    The first step predicts and corrects with one node less; the last step only predicts, to order 1.
    variant  bh1 or bh2: what the closed halves (p = 2 predictor, p = 1 corrector) multiply, h or the integral.
    """
    if p != 2 or variant not in ("bh1", "bh2"):
        raise InputError(f"unipc(p={p}, variant={variant}) is not declared; use p = 2 with variant bh1 or bh2.")
    half = (phi(1) if variant == "bh2" else at(N, 1)) / 2
    first = predict_correct([phi(1)], [phi(1) - half, half], keep=1, first=True)
    step = predict_correct([phi(1) + half / r0, -half / r0], adams((*past(2), 1)), keep=1, first=False)
    last = Layout(EXPONENTIAL_EULER.items[1:], "out")
    return Scheme(
        "unipc",
        family="exponential multistep",
        source="arXiv:2302.04867 Algorithms 5-8",
        start=(first,),
        step=step,
        last=(last,),
        frozen="data",
        clock="log-snr",
        processes=IMAGE,
        claims=Claims(classical=3),
        structure=(("", str(p)), *((("variant", variant),) if variant != "bh2" else ())),
    )


MULTISTEP = (DPMPP_2M, RES_2M, unipc)
