"""Stochastic schemes in image space: ancestral forms, and exponential integrators of the reverse SDE."""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import adams, number, symbol
from numtoolkit.declare.forms import (
    adams_moulton,
    ancestral,
    check_declared,
    history,
    noisy,
)
from numtoolkit.declare.scheme import Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Step, Steps
from numtoolkit.problem.rules import ancestral_abscissa
from numtoolkit.schemes.multistep import FIRST, two_point
from numtoolkit.schemes.one_step import DPMPP_2S, EXPONENTIAL_EULER

d = symbol("d")
ETA = Param("eta", Fraction(1), Fraction(0), Fraction(1), meaning="share of the ancestral noise; 0 is deterministic")
DOWN = StepQuantity("d", ancestral_abscissa, "the abscissa the flow goes down to, from where noise leads back up to 1")


def ancestral_scheme(
    name: str,
    step: Step,
    frozen: str,
    clock: str,
    source: str,
    start: tuple[Step, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Scheme:
    """A deterministic scheme with forward noise after each step; step ratios are those of the whole steps."""
    return Scheme(
        name,
        family="ancestral",
        source=source,
        steps=Steps(
            ancestral(step, d),
            tuple(ancestral(first, d) for first in start),
            final_to_zero=EXPONENTIAL_EULER,
            remainder=((ancestral(EXPONENTIAL_EULER, d),),) if step.evaluations > 1 else (),
        ),
        frozen=frozen,
        clock=clock,
        kinds="scalar",
        reference=d - 1,
        params=(ETA, *(p for p in DPMPP_2S.params if step is DPMPP_2S.steps.inner)),
        quantities=(DOWN,),
        claims=Claims(sde_weak=1),
        aliases=aliases,
    )


EULER_ANCESTRAL = ancestral_scheme(
    "euler-ancestral",
    EXPONENTIAL_EULER,
    "noise",
    "noise-level",
    "arXiv:2006.11239 Algorithm 2; arXiv:2010.02502 eq. 16; k-diffusion",
    aliases=("ddpm", "ddim-eta"),
)
DPM2_ANCESTRAL = ancestral_scheme(
    "dpm2-ancestral", DPMPP_2S.steps.inner, "noise", "log-snr", "k-diffusion, of arXiv:2206.00927"
)
RES_2M_ANCESTRAL = ancestral_scheme(
    "res-2m-ancestral",
    history(adams((0, -symbol("r0") / d)), keep=1),
    "data",
    "log-snr",
    "arXiv:2308.02157 in multistep form; ComfyUI res_multistep_ancestral",
    start=(FIRST,),
)


def reverse_sde(name: str, flow: Steps, frozen: str, order: int, source: str, aliases: tuple[str, ...] = ()) -> Scheme:
    """A run of the flow made one of the reverse SDE, with exact noise."""
    return Scheme(
        name,
        family="exponential SDE",
        source=source,
        steps=replace(noisy(flow), final_to_zero=EXPONENTIAL_EULER),
        frozen=frozen,
        clock="log-snr",
        kinds="scalar",
        tau=1,
        reference=number(1),
        claims=Claims(sde_weak=order),
        aliases=aliases,
    )


SDE_DPMPP_1 = reverse_sde(
    "sde-dpmpp-1",
    Steps(EXPONENTIAL_EULER),
    "data",
    1,
    "arXiv:2211.01095 appendix B, SDE-DPM-Solver++1",
    aliases=("sde-dpm-solver++1",),
)
SEEDS_1 = reverse_sde("seeds-1", Steps(EXPONENTIAL_EULER), "noise", 1, "arXiv:2305.14267 eq. 16; SDE-DPM-Solver-1")
SDE_DPMPP_2M = reverse_sde(
    "sde-dpmpp-2m",
    Steps(two_point(keep=1), (FIRST,)),
    "data",
    2,
    "arXiv:2211.01095 appendix B, SDE-DPM-Solver++(2M)",
    aliases=("sde-dpm-solver++2m",),
)


@lru_cache
def sa_solver(p: int = 1) -> Scheme:
    """SA-Solver with p-step predictor and corrector (arXiv:2309.05019 Algorithm 1) for a constant tau.

    The corrector reuses the noise of the predictor; its evaluation, at the predicted state, is kept. Orders are raised
    at the start, and the last step only predicts, so N steps take N evaluations.
    """
    check_declared("sa-solver", p, 4, letter="p")
    tau = symbol("tau")
    scheme = Scheme(
        "sa-solver",
        family="exponential SDE",
        source="arXiv:2309.05019 Algorithm 1",
        # the step to t = 0 is infinitely long: it ends without noise
        steps=replace(noisy(adams_moulton(p)), final_to_zero=Step(EXPONENTIAL_EULER.items[1:], "out")),
        frozen="data",
        clock="log-snr",
        kinds="scalar",
        tau=tau,
        reference=tau**2,
        params=(Param("tau", Fraction(1), Fraction(0), open=True, meaning="noise of the SDE, 1 the reverse SDE"),),
        claims=Claims(sde_weak=2),
    )
    return scheme.with_structure(str(p))


STOCHASTIC = (EULER_ANCESTRAL, DPM2_ANCESTRAL, RES_2M_ANCESTRAL, SDE_DPMPP_1, SEEDS_1, SDE_DPMPP_2M, sa_solver)
