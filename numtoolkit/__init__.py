"""numtoolkit: integrators of diffusion generative models, declared once, proved, measured exactly, and run.

    from numtoolkit import Network, sample
    network = Network(model, predicts="noise", clock=lambda t: 1000 * t)
    sample(network, "dpmpp-2m", process="vp", grid="log-snr", nfe=20, seeds=range(16), shape=(3, 32, 32)).samples

The names below are loaded when they are first asked for: importing numtoolkit loads nothing else.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from numtoolkit.moved import Moved

if TYPE_CHECKING:
    from numtoolkit.declare.entries import number, phi, sqrt, symbol
    from numtoolkit.declare.forms import linear_multistep, runge_kutta, tableau, word
    from numtoolkit.declare.scheme import Claims, Param, Scheme
    from numtoolkit.declare.steps import Steps
    from numtoolkit.errors import InputError, InputWarning, NonFiniteError, NumtoolkitError, StorageError
    from numtoolkit.laws import law_of
    from numtoolkit.measure.curves import error_curve
    from numtoolkit.models.network import Network
    from numtoolkit.plots import curve_figure
    from numtoolkit.problem.grids import grid
    from numtoolkit.problem.processes import process
    from numtoolkit.program.walk import Stepper
    from numtoolkit.sampling.runner import Samples, sample, stepper
    from numtoolkit.schemes import catalogue, scheme
    from numtoolkit.symbolic.assumptions import simplifying_assumptions
    from numtoolkit.symbolic.conditions import conditions
    from numtoolkit.symbolic.local_error import local_error
    from numtoolkit.symbolic.modified_equation import modified_equation
    from numtoolkit.symbolic.verdict import verify

__version__ = "0.1.0"
__all__ = [
    "Claims",
    "InputError",
    "InputWarning",
    "Network",
    "NonFiniteError",
    "NumtoolkitError",
    "Param",
    "Samples",
    "Scheme",
    "Stepper",
    "Steps",
    "StorageError",
    "catalogue",
    "conditions",
    "curve_figure",
    "error_curve",
    "grid",
    "law_of",
    "linear_multistep",
    "local_error",
    "modified_equation",
    "number",
    "phi",
    "process",
    "runge_kutta",
    "sample",
    "scheme",
    "simplifying_assumptions",
    "sqrt",
    "stepper",
    "symbol",
    "tableau",
    "verify",
    "word",
]

_HOMES = {
    "Claims": "numtoolkit.declare.scheme",
    "InputError": "numtoolkit.errors",
    "InputWarning": "numtoolkit.errors",
    "Network": "numtoolkit.models.network",
    "NonFiniteError": "numtoolkit.errors",
    "NumtoolkitError": "numtoolkit.errors",
    "Param": "numtoolkit.declare.scheme",
    "Samples": "numtoolkit.sampling.runner",
    "Scheme": "numtoolkit.declare.scheme",
    "Stepper": "numtoolkit.program.walk",
    "Steps": "numtoolkit.declare.steps",
    "StorageError": "numtoolkit.errors",
    "catalogue": "numtoolkit.schemes",
    "conditions": "numtoolkit.symbolic.conditions",
    "curve_figure": "numtoolkit.plots",
    "error_curve": "numtoolkit.measure.curves",
    "grid": "numtoolkit.problem.grids",
    "law_of": "numtoolkit.laws",
    "linear_multistep": "numtoolkit.declare.forms",
    "local_error": "numtoolkit.symbolic.local_error",
    "modified_equation": "numtoolkit.symbolic.modified_equation",
    "number": "numtoolkit.declare.entries",
    "phi": "numtoolkit.declare.entries",
    "process": "numtoolkit.problem.processes",
    "runge_kutta": "numtoolkit.declare.forms",
    "sample": "numtoolkit.sampling.runner",
    "scheme": "numtoolkit.schemes",
    "simplifying_assumptions": "numtoolkit.symbolic.assumptions",
    "sqrt": "numtoolkit.declare.entries",
    "stepper": "numtoolkit.sampling.runner",
    "symbol": "numtoolkit.declare.entries",
    "tableau": "numtoolkit.declare.forms",
    "verify": "numtoolkit.symbolic.verdict",
    "word": "numtoolkit.declare.forms",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _FrontDoor(ModuleType):
    """The package as a module whose exported names stay what they are.

    Python binds a submodule to its package as it is imported: without this, the old path `numtoolkit.scheme` would take
    the place of the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
sys.meta_path.append(Moved())
