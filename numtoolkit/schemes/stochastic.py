"""Stochastic schemes in image space: ancestral forms, and exponential integrators of the reverse SDE."""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import ZERO, adams, number, phi, symbol
from numtoolkit.declare.forms import ancestral, check_declared, history, noisy, tableau
from numtoolkit.declare.runs import BEFORE_ZERO, EXPONENTIAL_EULER, adams_moulton, ends, multistep, one_step, structure
from numtoolkit.declare.scheme import LENGTH, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.problem.rules import ancestral_abscissa
from numtoolkit.schemes.multistep import FIRST, solver_weights
from numtoolkit.schemes.one_step import DPMPP_2S

d = symbol("d")
TAU = Param("tau", Fraction(1), Fraction(0), open=True, meaning="noise of the SDE, 1 the reverse SDE")
WINDOW = (
    Param("s_min", Fraction(1, 20), Fraction(0), meaning="lowest noise level at which tau acts"),
    Param("s_max", Fraction(1), Fraction(0), meaning="highest noise level at which tau acts"),
)
ETA = Param("eta", Fraction(1), Fraction(0), Fraction(1), meaning="share of the ancestral noise; 0 is deterministic")
# s_down = s' sqrt(1 - eta^2 (s^2 - s'^2) / s^2), and the noise level falls by a share of the order of the step
DOWN = StepQuantity(
    "d",
    ancestral_abscissa,
    "the abscissa the flow goes down to, from where noise leads back up to 1",
    expansion=1 + symbol("eta") ** 2 * (1 + LENGTH * d),
)


def ancestral_scheme(
    name: str,
    step: Step,
    frozen: str,
    clock: str,
    source: str,
    start: tuple[Step, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Scheme:
    """A deterministic scheme with forward noise after each step: the scheme `name` from `source`, with aliases.

    step, start     of the deterministic run; step ratios are those of the whole steps
    frozen, clock   what it holds fixed over a step, and in which variable
    """
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


def reverse_sde(
    name: str,
    flow: Steps,
    frozen: str,
    order: int,
    source: str,
    aliases: tuple[str, ...] = (),
    to_zero: Step = EXPONENTIAL_EULER,
) -> Scheme:
    """A run of the flow made one of the reverse SDE, with exact noise; a step to t = 0 is DDIM's and ends without it.

    name, source, aliases   of the scheme
    flow, frozen            steps of the probability flow, and what they hold fixed
    order                   the weak order that is claimed
    to_zero                 that step to t = 0, where the flow has one
    """
    steps = noisy(flow)
    return Scheme(
        name,
        family="exponential SDE",
        source=source,
        steps=steps if flow.final_to_zero is None else replace(steps, final_to_zero=to_zero),
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
    one_step(EXPONENTIAL_EULER),
    "data",
    1,
    "arXiv:2211.01095 appendix B, SDE-DPM-Solver++1",
    aliases=("sde-dpm-solver++1",),
)
# Frozen noise counts twice in the reverse SDE: without what is drawn the step itself would end at 2 D - x, not at D.
SEEDS_1 = reverse_sde(
    "seeds-1",
    one_step(EXPONENTIAL_EULER),
    "noise",
    1,
    "arXiv:2305.14267 eq. 16; SDE-DPM-Solver-1",
    to_zero=tableau([0], [[]], [phi(1) / 2]),
)


@lru_cache
def sde_dpmpp_2m(*, ending: str = "full") -> Scheme:
    """SDE-DPM-Solver++(2M); ending as in `numtoolkit.declare.runs`."""
    scheme = reverse_sde(
        "sde-dpmpp-2m",
        multistep(solver_weights(1), 2, ending=ending),
        "data",
        2,
        "arXiv:2211.01095 appendix B, SDE-DPM-Solver++(2M)",
        aliases=("sde-dpm-solver++2m",),
    )
    return scheme.with_structure(**ends("raised", ending))


@lru_cache
def sa_solver(
    p: int = 1,
    c: int = 0,
    *,
    tau: Fraction = Fraction(1),
    s_min: Fraction | None = None,
    s_max: Fraction | None = None,
    ending: str = "ddim",
) -> Scheme:
    """SA-Solver with p-step predictor and c-step corrector, c = p where 0 (arXiv:2309.05019 Algorithm 1).

    The corrector reuses the noise of the predictor; its evaluation, at the predicted state, is kept. Orders are raised
    at the start; the last step is of first order and only predicts, so N steps take N evaluations: at full order a long
    last step blows up (the authors' code lowers several, ending = lower). tau = 0 is a scheme of the probability flow.

    s_min, s_max   given together: tau acts between these noise levels, and is 0 in steps that start outside them
    ending         as in `numtoolkit.declare.runs`
    raises         InputError for a p or c that there is not, or a window that is half given or empty
    """
    window = [level for level in (s_min, s_max) if level is not None]
    if window and (len(window) == 1 or not tau or window[0] >= window[1]):
        raise InputError(
            f"sa-solver(s_min = {s_min}, s_max = {s_max}): give the noise levels s_min < s_max between which tau acts, "
            "both, with a tau that is not 0."
        )
    check_declared("sa-solver", p, 4, letter="p")
    check_declared("sa-solver", c, 4, low=0, letter="c")
    steps, noise = adams_moulton(p, c or p, ending, BEFORE_ZERO), symbol("tau")
    if tau:  # a step to t = 0 is infinitely long: it ends without noise
        steps = replace(noisy(steps), final_to_zero=steps.final_to_zero)
    scheme = Scheme(
        "sa-solver",
        family="exponential SDE",
        source="arXiv:2309.05019 Algorithm 1",
        steps=steps,
        frozen="data",
        clock="log-snr",
        kinds="scalar",
        tau=noise if tau else 0,
        tau_between=("s_min", "s_max") if window else (),
        reference=noise**2 if tau else ZERO,
        params=(*((TAU,) if tau else ()), *(WINDOW if window else ())),
        claims=Claims(sde_weak=2) if tau else Claims(classical=(c or p) + 1),
    )
    shape = [str(p), *([str(c)] if c not in (0, p) else [])]
    made = scheme.with_structure(*shape, **structure(ending=(ending, "ddim"), tau=(str(tau) if not tau else "1", "1")))
    given = {"tau": tau if tau not in (0, 1) else None, "s_min": s_min, "s_max": s_max}
    return made.bind(**{name: value for name, value in given.items() if value is not None})


STOCHASTIC = (EULER_ANCESTRAL, DPM2_ANCESTRAL, RES_2M_ANCESTRAL, SDE_DPMPP_1, SEEDS_1, sde_dpmpp_2m, sa_solver)
