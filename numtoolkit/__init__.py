"""numtoolkit: integrators of diffusion generative models, declared once, proved, measured exactly, and run.

    from numtoolkit import Network, sample
    network = Network(model, predicts="noise", clock=lambda t: 1000 * t)
    sample(network, "dpmpp-2m", process="vp", grid="log-snr", nfe=20, seeds=range(16), shape=(3, 32, 32)).samples

The names below are loaded when they are first asked for: importing numtoolkit loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numtoolkit.laws import law_of
    from numtoolkit.models.network import Network
    from numtoolkit.problem.grids import grid
    from numtoolkit.problem.processes import process
    from numtoolkit.program.walk import Stepper
    from numtoolkit.sampling.runner import Samples, sample, stepper
    from numtoolkit.schemes import catalogue

__version__ = "0.1.0"
__all__ = ["Network", "Samples", "Stepper", "catalogue", "grid", "law_of", "process", "sample", "stepper"]

_HOMES = {
    "Network": "numtoolkit.models.network",
    "Samples": "numtoolkit.sampling.runner",
    "Stepper": "numtoolkit.program.walk",
    "catalogue": "numtoolkit.schemes",
    "grid": "numtoolkit.problem.grids",
    "law_of": "numtoolkit.laws",
    "process": "numtoolkit.problem.processes",
    "sample": "numtoolkit.sampling.runner",
    "stepper": "numtoolkit.sampling.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
