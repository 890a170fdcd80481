"""CFG++ (arXiv:2406.08070): schemes that take the guided and the unguided output of each evaluation.

DDIM's step goes to the data prediction D and adds noise back, x' = alpha' D + sigma' (x - alpha D) / sigma. CFG++ goes
to the guided prediction D_g = D_u + w (D_c - D_u) and adds back the noise of the unguided one. In y = x / alpha and the
noise level s that is

    y' = D_g + (s'/s) (y - D_u) = (s'/s) (y + D_g - D_u) + (1 - s'/s) D_g,

DDIM's step from a start that is moved by D_g - D_u. So do ports with other schemes.

Where the two outputs agree this is the scheme without its ending -cfgpp, and what is proved is about that. Where they
differ each step moves by w (D_c - D_u), however short it is: the step from s to s' of ddim-cfgpp is that of DDIM with
classifier-free guidance of scale w / (1 - s'/s), which grows as 1/h. There is no flow that it follows as steps get
shorter: what it tends to, if at all, is where D_c = D_u. With w in proportion to the steps, w = k h in log-SNR, it
follows the flow guided with scale k.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from numtoolkit.declare.entries import N, at, symbol
from numtoolkit.declare.forms import moved_by_guidance
from numtoolkit.declare.runs import EXPONENTIAL_EULER, multistep, one_step
from numtoolkit.declare.scheme import END_LEVEL, LENGTH, LEVEL, Claims, Scheme, StepQuantity
from numtoolkit.declare.steps import Step, Steps
from numtoolkit.problem.rules import inverse_length
from numtoolkit.schemes.multistep import adams_weights, solver_weights
from numtoolkit.schemes.noise_polynomials import gradient_estimation
from numtoolkit.schemes.stochastic import DPMPP_2S_ANCESTRAL, EULER_ANCESTRAL

PER_LENGTH = StepQuantity("g", inverse_length, "1 over the length of the step", expansion=1 / LENGTH)
PER_FALL = StepQuantity(
    "g", LEVEL / (LEVEL - END_LEVEL), "the noise level over what it falls by", expansion=symbol("g") / LENGTH
)
PORT = "as ComfyUI writes it"


def _scheme(name: str, steps: Steps, order: int, source: str, aliases: tuple[str, ...]) -> Scheme:
    """A scheme of the flow with CFG++: its name, steps, classical order where outputs agree, source and aliases."""
    return Scheme(
        name,
        family="CFG++",
        source=source,
        steps=steps,
        frozen="data",
        clock="log-snr",
        kinds="scalar",
        quantities=(PER_LENGTH,),
        claims=Claims(classical=order),
        aliases=aliases,
    )


def _moved(steps: Steps, unguided: Callable[[Step], bool] = lambda step: False) -> Steps:
    """A run whose every step starts where guidance has moved it; the step to t = 0, which forgets its start, as it is.

    unguided   whether a step weighs the unguided output of the newest evaluation, and not the guided one
    """

    def change(place: tuple[str, int], step: Step) -> Step:
        if place[0] == "final_to_zero":
            return step
        return moved_by_guidance(step, symbol(PER_LENGTH.name) * at(N, 0), unguided(step))

    return steps.map(change)


DDIM_CFGPP = _scheme(
    "ddim-cfgpp",
    _moved(one_step(EXPONENTIAL_EULER)),
    1,
    "arXiv:2406.08070 Algorithm 2",
    ("ddim-cfg-pp", "euler-cfg-pp"),
)
DPMPP_2M_CFGPP = _scheme(
    "dpmpp-2m-cfgpp",
    _moved(multistep(solver_weights(1), 2)),
    2,
    f"arXiv:2406.08070 with DPM-Solver++(2M), {PORT}",
    ("dpmpp-2m-cfg-pp",),
)
RES_2M_CFGPP = _scheme(
    "res-2m-cfgpp",
    _moved(multistep(adams_weights, 2), lambda step: bool(step.needs)),
    2,
    f"arXiv:2406.08070 with the multistep form of RES, {PORT}",
    ("res-2m-cfg-pp", "res-multistep-cfg-pp"),
)


def _ancestral(base: Scheme, name: str, source: str) -> Scheme:
    """An ancestral scheme of the data prediction in log-SNR, with CFG++."""
    return replace(
        base,
        name=name,
        family="CFG++",
        source=source,
        steps=_moved(base.steps),
        frozen="data",
        clock="log-snr",
        quantities=(*base.quantities, PER_LENGTH),
        aliases=(f"{base.name}-cfg-pp",),
    )


EULER_ANCESTRAL_CFGPP = _ancestral(
    EULER_ANCESTRAL, "euler-ancestral-cfgpp", f"arXiv:2406.08070 with ancestral noise, {PORT}"
)
DPMPP_2S_ANCESTRAL_CFGPP = _ancestral(
    DPMPP_2S_ANCESTRAL, "dpmpp-2sa-cfgpp", f"arXiv:2406.08070 with DPM-Solver++(2S), {PORT}"
)

GRADIENT_ESTIMATION = gradient_estimation()
GRADIENT_ESTIMATION_CFGPP = replace(
    GRADIENT_ESTIMATION,
    name="gradient-est-cfgpp",
    family="CFG++",
    source=f"arXiv:2406.08070 with gradient estimation, {PORT}",
    steps=_moved(GRADIENT_ESTIMATION.steps, lambda step: True),
    quantities=(PER_FALL,),
    aliases=("gradient-estimation-cfg-pp",),
)

CFG_PLUS_PLUS = (
    *(DDIM_CFGPP, DPMPP_2M_CFGPP, RES_2M_CFGPP, GRADIENT_ESTIMATION_CFGPP),
    *(EULER_ANCESTRAL_CFGPP, DPMPP_2S_ANCESTRAL_CFGPP),
)
