"""Diffusion processes: dz = F(t) z dt + G(t) dW forward in the time t, and their perturbation kernels.

A process acts on k state blocks as (k x k) (x) I_d: k = 1 for VP, EDM and the flow, k = 2 for phase space, z = (x, m).
All times are float64 arrays (n,) of the process time t, small at the data; blocks come back as (n, k, k) or (n, k).
The kernel is z_t | x_0 ~ N(e_t x_0, Sigma_t); a network that is exact for a law needs nothing else (`observe`).
"""

from __future__ import annotations

import inspect

from numtoolkit.errors import unknown
from numtoolkit.problem.kinds import Floats, PhaseSpaceProcess, Process, ScalarProcess
from numtoolkit.problem.phase_space import CLD, PSLD
from numtoolkit.problem.scalar import EDM, VP, CosineVP, RectifiedFlow
from numtoolkit.spec_text import Spec, parse

PROCESSES: dict[str, type[Process]] = {p.name: p for p in (VP, CosineVP, EDM, RectifiedFlow, PSLD, CLD)}


def process(text: str | Spec | Process) -> Process:
    """A process from its name with optional parameters: "psld", "vp(beta_max=12)"; a Process comes back as it is.

    raises   InputError for unknown names (nearest matches named), unknown parameters and values out of range
    """
    if isinstance(text, Process):
        return text
    spec = parse(text)
    if spec.name not in PROCESSES:
        raise unknown("process", spec.name, PROCESSES)
    kind = PROCESSES[spec.name]
    return kind(**spec.arguments(inspect.signature(kind), f"process {spec.name}"))


__all__ = [
    "CLD",
    "EDM",
    "PROCESSES",
    "PSLD",
    "VP",
    "CosineVP",
    "Floats",
    "PhaseSpaceProcess",
    "Process",
    "RectifiedFlow",
    "ScalarProcess",
    "process",
]
