"""Samplers of diffusers and k-diffusion by name: which there are, what they are told, and where they run.

Neither library is a dependency, and none of their code is here: `numtoolkit.measure.peer_calls` calls their schedulers
and functions as their pipelines and scripts do, `numtoolkit.measure.peer_runs` measures what comes of it. Functions of
k-diffusion tell a network its noise level, to be answered by the data; how a scheduler of diffusers tells it the time,
and what it wants for an answer, is the business of `numtoolkit.measure.peer_clocks`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from numtoolkit.errors import InputError, unknown
from numtoolkit.problem.processes import EDM, Process, RectifiedFlow, Tabulated
from numtoolkit.spec_text import Value, parse

DIFFUSERS, K_DIFFUSION = "diffusers", "k-diffusion"
TABLE, IN_EDM, ANGLE, STRAIGHT = "table", "edm", "angle", "straight"
SCHEDULERS = {  # of diffusers, and how each tells the time
    "DDIMScheduler": TABLE,
    "DDPMScheduler": TABLE,
    "DEISMultistepScheduler": TABLE,
    "DPMSolverMultistepScheduler": TABLE,
    "DPMSolverSDEScheduler": TABLE,
    "DPMSolverSinglestepScheduler": TABLE,
    "EDMDPMSolverMultistepScheduler": IN_EDM,
    "EDMEulerScheduler": IN_EDM,
    "EulerAncestralDiscreteScheduler": TABLE,
    "EulerDiscreteScheduler": TABLE,
    "FlowMatchEulerDiscreteScheduler": STRAIGHT,
    "FlowMatchHeunDiscreteScheduler": STRAIGHT,
    "HeunDiscreteScheduler": TABLE,
    "IPNDMScheduler": ANGLE,
    "KDPM2AncestralDiscreteScheduler": TABLE,
    "KDPM2DiscreteScheduler": TABLE,
    "LMSDiscreteScheduler": TABLE,
    "PNDMScheduler": TABLE,
    "SASolverScheduler": TABLE,
    "UniPCMultistepScheduler": TABLE,
}
ON_STRAIGHT_PATHS = "use_flow_sigmas"  # an option of schedulers that are else told of a table
FUNCTIONS = (  # of k_diffusion.sampling
    "sample_dpm_2", "sample_dpm_2_ancestral", "sample_dpm_fast", "sample_dpmpp_2m", "sample_dpmpp_2m_sde",
    "sample_dpmpp_2s_ancestral", "sample_dpmpp_3m_sde", "sample_dpmpp_sde", "sample_euler", "sample_euler_ancestral",
    "sample_heun", "sample_lms",
)  # fmt: skip
LEVELS = ("exponential", "karras", "polyexponential", "table")  # of k-diffusion: get_sigmas_*; DiscreteSchedule's own
KNOWN = {name.lower(): name for name in (*SCHEDULERS, *FUNCTIONS)}
TRUTHS = {"true": True, "false": False}
# k-diffusion asks for dctorch, and that for a numpy below 2, which it runs without; the extra holds what both import.
REMEDY = "pip install 'numtoolkit[peers]' and then pip install --no-deps k-diffusion dctorch 'setuptools<81'"


@dataclass(frozen=True)
class Peer:
    """A sampler of another library.

    name     of its class or function
    options  of the class when it is made or of its step, of the function when it is called
    levels   of LEVELS, of k-diffusion
    """

    name: str
    options: dict[str, Any] = field(hash=False)
    levels: str = "karras"

    @property
    def library(self) -> str:
        """Which it is of, as pip calls it."""
        return DIFFUSERS if self.name in SCHEDULERS else K_DIFFUSION

    @property
    def tells(self) -> str:
        """How a scheduler tells the time; "" for a function."""
        return STRAIGHT if self.options.get(ON_STRAIGHT_PATHS) else SCHEDULERS.get(self.name, "")

    def runs_on(self, process: Process) -> bool:
        """Whether networks on a process are told what it tells: on EDM noise levels, on a table its timesteps."""
        kinds = {TABLE: (Tabulated,), IN_EDM: (EDM,), STRAIGHT: (RectifiedFlow,)}.get(self.tells, (EDM, Tabulated))
        return isinstance(process, kinds)


def peer(text: str) -> Peer:
    """A peer from its name with options: "UniPCMultistepScheduler(solver_order=3)", "sample_heun(levels=exponential)".

    text     the name of a class of SCHEDULERS or of a function of FUNCTIONS, in either case, and what it is given
    raises   InputError for another name, and an option that is not named
    """
    spec = parse(text)
    if spec.name not in KNOWN:
        raise unknown("peer", spec.name, KNOWN.values())
    if spec.positional:
        raise InputError(f"{text!r} has an option without a name; write name=value.")
    options = {key: _plain(value) for key, value in spec.named}
    levels = options.pop("levels", "karras") if KNOWN[spec.name] in FUNCTIONS else "karras"
    if levels not in LEVELS:
        raise unknown("levels", str(levels), LEVELS)
    return Peer(KNOWN[spec.name], options, levels)


def _plain(value: Value) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, str):
        return TRUTHS.get(value, value)
    return int(value) if value.denominator == 1 else float(value)


def lacking(library: str, version: str) -> str:
    """What is to be installed before a library runs in a version, as a sentence; "" where it is there.

    library   diffusers or k-diffusion
    version   that is meant
    """
    try:
        found = metadata.version(library)
    except metadata.PackageNotFoundError:
        return f"this runs {library} {version}, which is not installed; {REMEDY}."
    return "" if found == version else f"this runs {library} {version}, and {found} is installed; change it."
