"""Stochastic schemes in image space: ancestral forms, and exponential integrators of the reverse SDE."""

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import ONE, ZERO, Entry, adams, covariance, flow, number, phi, symbol
from numtoolkit.declare.forms import ancestral, check_declared, combine, evaluate, history, noisy, tableau, written
from numtoolkit.declare.runs import (
    BEFORE_ZERO,
    EXPONENTIAL_EULER,
    HALF,
    adams_moulton,
    ends,
    multistep,
    one_step,
    structure,
)
from numtoolkit.declare.scheme import LENGTH, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Noise, Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.problem.rules import (
    ancestral_abscissa,
    brownian_share,
    extended_abscissa,
    extended_bend,
    extended_slope,
)
from numtoolkit.schemes.commons import check_choice
from numtoolkit.schemes.exponential import NODES, THREE_STAGE
from numtoolkit.schemes.multistep import FIRST, FORMS, adams_weights, solver_weights
from numtoolkit.schemes.one_step import DPMPP_2S

d, r0, r1 = symbol("d"), symbol("r0"), symbol("r1")
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
DPMPP_2S_ANCESTRAL = ancestral_scheme(
    "dpmpp-2s-ancestral", DPMPP_2S.steps.inner, "data", "log-snr", "k-diffusion, of arXiv:2211.01095 Algorithm 1"
)
RES_2M_ANCESTRAL = ancestral_scheme(
    "res-2m-ancestral",
    history(adams((0, -symbol("r0") / d)), keep=1),
    "data",
    "log-snr",
    "arXiv:2308.02157 in multistep form; ComfyUI res_multistep_ancestral",
    start=(FIRST,),
)

kappa, mu = symbol("kappa"), symbol("mu")
EXTENDED = (
    StepQuantity("d", extended_abscissa, DOWN.sentence, expansion=d),
    StepQuantity(
        "kappa",
        extended_slope,
        "the weight of data that change linearly, over that of data that do not",
        r"\kappa",
        HALF + LENGTH * kappa,
    ),
    StepQuantity(
        "mu",
        extended_bend,
        "the weight of data that change quadratically, over that of data that do not",
        r"\mu",
        Fraction(1, 3) + LENGTH * mu,
    ),
)


@lru_cache
def er_sde(k: int = 3) -> Scheme:
    """ER-SDE-Solver-k: ancestral steps whose noise its noise scale x (exp(x^0.3) + 10) says (arXiv:2309.06169).

    The data prediction is a polynomial of degree k - 1 in the noise level. ER-SDE-Solver-3 takes a difference quotient
    of neighbours for the first derivative beside the second one, where its slope at the step start is asked for.
    """
    check_declared("er-sde", k, 3)

    def weights(q: int) -> list[Entry]:
        slope, bend = kappa / r0 if q > 1 else ZERO, mu / (r0 + r1) if q > 2 else ZERO
        newest, oldest = bend / r0, bend / r1
        return [w * phi(1) for w in (1 + slope + newest, -slope - newest - oldest, oldest)[:q]]

    flow = multistep(weights, k)
    scheme = Scheme(
        "er-sde",
        family="ancestral",
        source="arXiv:2309.06169, VP and VE ER-SDE-Solver-1 to 3 with noise scale 5",
        steps=replace(flow.map(lambda _, step: ancestral(step, d)), final_to_zero=EXPONENTIAL_EULER),
        frozen="data",
        clock="noise-level",
        kinds="scalar",
        reference=d - 1,
        quantities=EXTENDED[:k],
        claims=Claims(sde_weak=1),
    )
    return scheme.with_structure(str(k))


# Frozen noise counts twice in the reverse SDE: without what is drawn its own step would end at 2 D - x, not at D.
TO_ZERO = {"data": EXPONENTIAL_EULER, "noise": tableau([0], [[]], [phi(1) / 2])}


def reverse_sde(
    name: str,
    flow: Steps,
    frozen: str,
    claims: Claims,
    source: str,
    aliases: tuple[str, ...] = (),
    params: tuple[Param, ...] = (),
    tau: Entry = ONE,
) -> Scheme:
    """A run of the flow made one of the reverse SDE, with exact noise; a step to t = 0 is DDIM's and ends without it.

    name, claims, source, aliases   of the scheme
    flow, frozen, params            steps of the probability flow, what they hold fixed, and their parameters
    tau                             of the SDE, 1 or a parameter
    """
    check_choice(name, "frozen", frozen, FORMS)
    steps = noisy(flow)
    to_zero = TO_ZERO[frozen]
    return Scheme(
        name,
        family="exponential SDE",
        source=source,
        steps=steps if flow.final_to_zero is None else replace(steps, final_to_zero=to_zero),
        frozen=frozen,
        clock="log-snr",
        kinds="scalar",
        tau=tau,
        reference=tau**2,
        params=params,
        claims=claims,
        aliases=aliases,
    )


SDE_DPMPP_1 = reverse_sde(
    "sde-dpmpp-1",
    one_step(EXPONENTIAL_EULER),
    "data",
    Claims(sde_weak=1),
    "arXiv:2211.01095 appendix B, SDE-DPM-Solver++1",
    aliases=("sde-dpm-solver++1",),
)
SEEDS_1 = reverse_sde(
    "seeds-1",
    one_step(EXPONENTIAL_EULER),
    "noise",
    Claims(sde_weak=1),
    "arXiv:2305.14267 eq. 16; SDE-DPM-Solver-1",
)


@lru_cache
def seeds_2(*, frozen: str = "noise", ending: str = "full") -> Scheme:
    """SEEDS-2: DPM-Solver-2 of the reverse SDE, its noises parts of one path; with frozen = data as ports write it.

    ending   as in `numtoolkit.declare.runs`, full, lower or none
    """
    flow = one_step(DPMPP_2S.steps.inner, ending=ending)
    source = "arXiv:2305.14267, SEEDS-2"
    scheme = reverse_sde("seeds-2", flow, frozen, Claims(sde_weak=1), source, params=DPMPP_2S.params)
    return scheme.with_structure(**structure(frozen=(frozen, "noise"), ending=(ending, "full")))


NODES_IN_ORDER = tuple(
    replace(node, low=low, high=high, open=not low)
    for node, low, high in zip(NODES, (Fraction(0), HALF), (HALF, Fraction(1)), strict=True)
)


@lru_cache
def seeds_3(*, frozen: str = "noise", ending: str = "full") -> Scheme:
    """SEEDS-3: DPM-Solver-3 of the reverse SDE, its noises parts of one path; with frozen = data as ports write it.

    ending   as in `numtoolkit.declare.runs`, full, lower or none
    """
    flow = one_step(THREE_STAGE, ending=ending)
    source = "arXiv:2305.14267, SEEDS-3"
    scheme = reverse_sde("seeds-3", flow, frozen, Claims(sde_weak=1), source, params=NODES_IN_ORDER)
    return scheme.with_structure(**structure(frozen=(frozen, "noise"), ending=(ending, "full")))


w, c2 = symbol("w"), symbol("c2")
SHARE = StepQuantity(
    "w",
    brownian_share,
    "how much of the stage's noise is in that of the step, both from one Brownian path in the noise level",
    expansion=1 + LENGTH * w,
)
TWO_DRAWS = written(
    [
        evaluate("E0"),
        Noise("xi1", covariance(0, c2)),
        combine("Y1", c2, y=flow(0, c2), E0=c2 * phi(1, c2), xi1=1),
        evaluate("E1", "Y1", c2),
        Noise("xi2", (1 - w**2) * covariance() + w**2 * covariance(c2, 1)),
        combine("out", 1, y=flow(), E0=(1 - 1 / (2 * c2)) * phi(1), E1=phi(1) / (2 * c2), xi1=w * flow(c2, 1), xi2=1),
    ],
    "out",
)
DPMPP_SDE = Scheme(
    "dpmpp-sde",
    family="exponential SDE",
    source="k-diffusion, of arXiv:2211.01095 Algorithm 1, with its Brownian tree and eta = 1",
    steps=Steps(TWO_DRAWS, final_to_zero=EXPONENTIAL_EULER, remainder=noisy(one_step(DPMPP_2S.steps.inner)).remainder),
    frozen="data",
    clock="log-snr",
    kinds="scalar",
    tau=1,
    reference=number(1),
    params=DPMPP_2S.params,
    quantities=(SHARE,),
    claims=Claims(sde_weak=1),
    aliases=("dpmpp-2s-sde",),
)


@lru_cache
def sde_dpmpp_2m(*, solver: str = "midpoint", ending: str = "full") -> Scheme:
    """SDE-DPM-Solver++(2M).

    The eta of k-diffusion is tau^2.
    solver   midpoint: half a difference quotient; heun: its integral, as in variation of constants (k-diffusion's)
    ending   as in `numtoolkit.declare.runs`
    """
    check_choice("sde-dpmpp-2m", "solver", solver, ("midpoint", "heun"))
    scheme = reverse_sde(
        "sde-dpmpp-2m",
        multistep(solver_weights(1) if solver == "midpoint" else adams_weights, 2, ending=ending),
        "data",
        Claims(sde_weak=2),
        "arXiv:2211.01095 appendix B, SDE-DPM-Solver++(2M)",
        ("sde-dpm-solver++2m", "dpmpp-2m-sde"),
        (TAU,),
        symbol("tau"),
    )
    return scheme.with_structure(**structure(solver=(solver, "midpoint")), **ends("raised", ending))


@lru_cache
def sde_dpmpp_3m(*, ending: str = "full") -> Scheme:
    """SDE-DPM-Solver++(3M) of k-diffusion: its second step is that of solver = heun, its others those of dpmpp-3m.

    The eta of k-diffusion is tau^2.
    ending   as in `numtoolkit.declare.runs`
    """
    steps = multistep(lambda q: adams_weights(q) if q < 3 else solver_weights(1)(q), 3, ending=ending)
    source = "k-diffusion, of arXiv:2211.01095 in multistep order 3"
    claims = Claims(sde_weak=3, refuted=("sde_weak",))
    aliases = ("dpmpp-3m-sde",)
    scheme = reverse_sde("sde-dpmpp-3m", steps, "data", claims, source, aliases, (TAU,), symbol("tau"))
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


STOCHASTIC = (
    *(EULER_ANCESTRAL, DPM2_ANCESTRAL, DPMPP_2S_ANCESTRAL, RES_2M_ANCESTRAL, er_sde),
    *(SDE_DPMPP_1, SEEDS_1, seeds_2, seeds_3, DPMPP_SDE, sde_dpmpp_2m, sde_dpmpp_3m, sa_solver),
)
