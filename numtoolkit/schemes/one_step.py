"""One-step schemes: exponential Runge-Kutta in log-SNR, Heun in the noise level, classical Euler and Heun."""

from fractions import Fraction

from numtoolkit.declare.entries import phi, symbol
from numtoolkit.declare.forms import churned, companion, corrector, tableau
from numtoolkit.declare.runs import EXPONENTIAL_EULER, one_step, two_stages
from numtoolkit.declare.scheme import Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Step, Steps
from numtoolkit.problem.rules import churn_abscissa
from numtoolkit.schemes.commons import STAGE, with_endings

c2, a = symbol("c2"), symbol("a")
DDIM = Scheme(
    "ddim",
    family="exponential",
    source="arXiv:2010.02502 eq. 12; exponential Euler, arXiv:2308.02157",
    steps=Steps(EXPONENTIAL_EULER, final_to_zero=EXPONENTIAL_EULER),
    frozen="noise",
    clock="natural",
    claims=Claims(classical=1, stiff_strong=1, stiff_commuting=1, stiff_weak=1),
    aliases=("dpm-solver-1", "dpmpp-1", "exponential-euler"),
)

RES_2S = Scheme(
    "res-2s",
    family="exponential",
    source="arXiv:2308.02157 Table 3; Hochbruck & Ostermann 2005 eq. 5.3",
    steps=one_step(two_stages(c2)),
    frozen="data",
    clock="log-snr",
    kinds="scalar",
    params=(STAGE,),
    claims=Claims(classical=2, stiff_strong=2, stiff_commuting=2, stiff_weak=2, companion=3),
    companions=corrector(2),
)

DPMPP_2S = Scheme(
    "dpmpp-2s",
    family="exponential",
    source="arXiv:2211.01095 Algorithm 1; Hochbruck & Ostermann 2005 eq. 5.4",
    steps=one_step(tableau([0, c2], [[], [c2 * phi(1, c2)]], [(1 - 1 / (2 * c2)) * phi(1), phi(1) / (2 * c2)])),
    frozen="data",
    clock="log-snr",
    kinds="scalar",
    params=(STAGE,),
    claims=Claims(classical=2, stiff_weak=2, companion=3),
    aliases=("dpm-solver-pp-2s",),
    companions=corrector(2),
)

FIRST_ORDER = (companion(E0=phi(1)),)  # Euler's step in the same clock
HEUN_EDM_STEP = tableau([0, 1], [[], [phi(1)]], [phi(1) / 2, phi(1) / 2])

HEUN_EDM = Scheme(
    "heun-edm",
    family="sigma",
    source="arXiv:2206.00364 Algorithm 1",
    steps=one_step(HEUN_EDM_STEP),
    frozen="noise",
    clock="noise-level",
    kinds="scalar",
    claims=Claims(classical=2, companion=1),
    companions=FIRST_ORDER,
)
# The noise level rises by its share churn/N, of the order of a step
UP = StepQuantity(
    "a",
    churn_abscissa,
    "how far back the added noise leads, in steps: to abscissa -a",
    expansion=symbol("churn") * a,
)


def churned_scheme(
    name: str,
    step: Step,
    frozen: str,
    clock: str,
    source: str,
    own: tuple[Param, ...] = (),
    cap: Fraction = Fraction(2),
    window: tuple[Fraction, Fraction] = (Fraction(1, 20), Fraction(50)),
) -> Scheme:
    """A one-step scheme `name` of the flow after noise is added back, as EDM does it (arXiv:2206.00364 Algorithm 2).

    step, frozen, clock   of the scheme of the flow, with its own parameters `own`; source is where it is from
    cap, window           defaults: the largest rise of the squared noise level, between which levels
    """
    inflation = symbol("s_noise") ** 2
    return Scheme(
        name,
        family="churned",
        source=source,
        steps=Steps(
            churned(step, a, inflation),
            final_to_zero=EXPONENTIAL_EULER,
            remainder=((churned(EXPONENTIAL_EULER, a, inflation),),) if step.evaluations > 1 else (),
        ),
        frozen=frozen,
        clock=clock,
        kinds="scalar",
        reference=a,
        params=(
            *own,
            Param("churn", Fraction(40), Fraction(0), meaning="S_churn"),
            Param("cap", cap, Fraction(1), meaning="most that churn may raise the squared noise level by"),
            Param("s_min", window[0], Fraction(0), meaning="lowest noise level that is churned"),
            Param("s_max", window[1], Fraction(0), meaning="highest noise level that is churned"),
            Param("s_noise", Fraction(1), Fraction(0), free=False, meaning="inflation of the noise; 1 keeps the law"),
        ),
        quantities=(UP,),
        claims=Claims(sde_weak=1),
    )


EULER_CHURN = churned_scheme(
    "euler-churn", EXPONENTIAL_EULER, "noise", "noise-level", "arXiv:2206.00364 Algorithm 2 without its correction"
)
DPM2_CHURN = churned_scheme(
    "dpm2-churn",
    DPMPP_2S.steps.inner,
    "noise",
    "log-snr",
    "arXiv:2206.00927 Algorithm 1, noise added as in arXiv:2206.00364; k-diffusion",
    DPMPP_2S.params,
)
HEUN_EDM_CHURN = churned_scheme("heun-edm-churn", HEUN_EDM_STEP, "noise", "noise-level", "arXiv:2206.00364 Algorithm 2")
RES_2S_CHURN = churned_scheme(
    "res-2s-churn",
    RES_2S.steps.inner,
    "data",
    "log-snr",
    "arXiv:2308.02157 Algorithm 2, stochastic; cap and window as in its code",
    RES_2S.params,
    cap=Fraction(6, 5),
    window=(Fraction(0), Fraction(1_000_000)),
)

EULER = Scheme(
    "euler",
    family="classical",
    source="Euler's method on the probability flow in process time",
    steps=Steps(EXPONENTIAL_EULER, final_to_zero=EXPONENTIAL_EULER),
    frozen="drift",
    clock="time",
    claims=Claims(classical=1),
)

HEUN = Scheme(
    "heun",
    family="classical",
    source="Heun's method on the probability flow in process time",
    steps=one_step(HEUN_EDM_STEP),
    frozen="drift",
    clock="time",
    claims=Claims(classical=2, companion=1),
    companions=FIRST_ORDER,
)

ONE_STEP = (
    *(EULER, with_endings(HEUN), DDIM, EULER_CHURN, with_endings(HEUN_EDM), HEUN_EDM_CHURN),
    *(with_endings(RES_2S), RES_2S_CHURN, with_endings(DPMPP_2S), DPM2_CHURN),
)
