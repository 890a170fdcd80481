"""numtoolkit: integrators of diffusion generative models, declared once, proved, measured exactly, and run.

    from numtoolkit import Network, sample
    network = Network(model, predicts="noise", clock=lambda t: 1000 * t)
    sample("dpmpp-2m", "vp", network, "log-snr", 20, seeds=range(16), shape=(3, 32, 32)).samples

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
    from numtoolkit.declare.forms import companion, multistep, runge_kutta, tableau, word
    from numtoolkit.declare.scheme import Claims, Param, Scheme
    from numtoolkit.declare.steps import Steps
    from numtoolkit.errors import InputError, InputWarning, NonFiniteError, NumtoolkitError, StorageError
    from numtoolkit.fitting import fit, search
    from numtoolkit.laws.named import law, law_of
    from numtoolkit.measure.conditioning import condition
    from numtoolkit.measure.conjugate_steps import conjugate_steps, frozen_eigenvalues
    from numtoolkit.measure.curves import error_curve
    from numtoolkit.measure.frechet import frechet_distance
    from numtoolkit.measure.gaussian_moments import moments
    from numtoolkit.measure.judged import judged
    from numtoolkit.measure.recommendation import recommend
    from numtoolkit.measure.spectra import power_ratio
    from numtoolkit.measure.stability import order_star, stability
    from numtoolkit.measure.step_defects import step_defects
    from numtoolkit.measure.transfer import transfer
    from numtoolkit.measure.transfer_series import transfer_series
    from numtoolkit.models.by_reference import network_of
    from numtoolkit.models.foreign import foreign_network
    from numtoolkit.models.network import Network
    from numtoolkit.models.suspicion import suspicion
    from numtoolkit.plots import (
        curve_figure,
        defects_figure,
        image_grid,
        spectrum_figure,
        stability_figure,
        transfer_figure,
    )
    from numtoolkit.problem.grids import grid
    from numtoolkit.problem.processes import process
    from numtoolkit.problem.spectrum import Spectrum
    from numtoolkit.program.runs import program_of
    from numtoolkit.program.walk import Stepper
    from numtoolkit.references import allow_imports
    from numtoolkit.sampling.adaptive import Adaptive, adaptive_grid
    from numtoolkit.sampling.runner import sample, stepper
    from numtoolkit.sampling.samples import Samples
    from numtoolkit.sampling.starts import add_noise, start_noise
    from numtoolkit.sampling.watching import STOP, Progress, Trajectory
    from numtoolkit.schemes import catalogue, scheme
    from numtoolkit.symbolic.assumptions import simplifying_assumptions
    from numtoolkit.symbolic.conditions import conditions
    from numtoolkit.symbolic.conjugate_stability import conjugate_stability
    from numtoolkit.symbolic.derivation import derive
    from numtoolkit.symbolic.families import embedded, explicit_runge_kutta, exponential_adams, exponential_rk
    from numtoolkit.symbolic.local_error import local_error
    from numtoolkit.symbolic.modified_equation import modified_equation
    from numtoolkit.symbolic.optimal_stability import optimal_stability_polynomial
    from numtoolkit.symbolic.palindromes import palindrome
    from numtoolkit.symbolic.stability_function import stability_function
    from numtoolkit.symbolic.stationary import stationary_bias
    from numtoolkit.symbolic.verdict import verify
    from numtoolkit.training.front import train
    from numtoolkit.training.judge import judge

__version__ = "0.1.0"
__all__ = [
    "STOP",
    "Adaptive",
    "Claims",
    "InputError",
    "InputWarning",
    "Network",
    "NonFiniteError",
    "NumtoolkitError",
    "Param",
    "Progress",
    "Samples",
    "Scheme",
    "Spectrum",
    "Stepper",
    "Steps",
    "StorageError",
    "Trajectory",
    "adaptive_grid",
    "add_noise",
    "allow_imports",
    "catalogue",
    "companion",
    "condition",
    "conditions",
    "conjugate_stability",
    "conjugate_steps",
    "curve_figure",
    "defects_figure",
    "derive",
    "embedded",
    "error_curve",
    "explicit_runge_kutta",
    "exponential_adams",
    "exponential_rk",
    "fit",
    "foreign_network",
    "frechet_distance",
    "frozen_eigenvalues",
    "grid",
    "image_grid",
    "judge",
    "judged",
    "law",
    "law_of",
    "local_error",
    "modified_equation",
    "moments",
    "multistep",
    "network_of",
    "number",
    "optimal_stability_polynomial",
    "order_star",
    "palindrome",
    "phi",
    "pilot",
    "power_ratio",
    "process",
    "program_of",
    "recommend",
    "runge_kutta",
    "sample",
    "scheme",
    "search",
    "simplifying_assumptions",
    "spectrum_figure",
    "spectrum_of",
    "sqrt",
    "stability",
    "stability_figure",
    "stability_function",
    "start_noise",
    "stationary_bias",
    "step_defects",
    "stepper",
    "suspicion",
    "symbol",
    "tableau",
    "train",
    "transfer",
    "transfer_figure",
    "transfer_series",
    "verify",
    "word",
]

_HOMES = {
    "Adaptive": "numtoolkit.sampling.adaptive",
    "Claims": "numtoolkit.declare.scheme",
    "InputError": "numtoolkit.errors",
    "InputWarning": "numtoolkit.errors",
    "Network": "numtoolkit.models.network",
    "NonFiniteError": "numtoolkit.errors",
    "NumtoolkitError": "numtoolkit.errors",
    "Param": "numtoolkit.declare.scheme",
    "Progress": "numtoolkit.sampling.watching",
    "STOP": "numtoolkit.sampling.watching",
    "Samples": "numtoolkit.sampling.samples",
    "Scheme": "numtoolkit.declare.scheme",
    "Spectrum": "numtoolkit.problem.spectrum",
    "Stepper": "numtoolkit.program.walk",
    "Steps": "numtoolkit.declare.steps",
    "StorageError": "numtoolkit.errors",
    "Trajectory": "numtoolkit.sampling.watching",
    "adaptive_grid": "numtoolkit.sampling.adaptive",
    "add_noise": "numtoolkit.sampling.starts",
    "allow_imports": "numtoolkit.references",
    "catalogue": "numtoolkit.schemes",
    "companion": "numtoolkit.declare.forms",
    "condition": "numtoolkit.measure.conditioning",
    "conditions": "numtoolkit.symbolic.conditions",
    "conjugate_stability": "numtoolkit.symbolic.conjugate_stability",
    "conjugate_steps": "numtoolkit.measure.conjugate_steps",
    "curve_figure": "numtoolkit.plots",
    "defects_figure": "numtoolkit.plots",
    "derive": "numtoolkit.symbolic.derivation",
    "embedded": "numtoolkit.symbolic.families",
    "error_curve": "numtoolkit.measure.curves",
    "explicit_runge_kutta": "numtoolkit.symbolic.families",
    "exponential_adams": "numtoolkit.symbolic.families",
    "exponential_rk": "numtoolkit.symbolic.families",
    "fit": "numtoolkit.fitting",
    "foreign_network": "numtoolkit.models.foreign",
    "frechet_distance": "numtoolkit.measure.frechet",
    "frozen_eigenvalues": "numtoolkit.measure.conjugate_steps",
    "grid": "numtoolkit.problem.grids",
    "image_grid": "numtoolkit.plots",
    "judge": "numtoolkit.training.judge",
    "judged": "numtoolkit.measure.judged",
    "law": "numtoolkit.laws.named",
    "law_of": "numtoolkit.laws.named",
    "local_error": "numtoolkit.symbolic.local_error",
    "modified_equation": "numtoolkit.symbolic.modified_equation",
    "moments": "numtoolkit.measure.gaussian_moments",
    "multistep": "numtoolkit.declare.forms",
    "network_of": "numtoolkit.models.by_reference",
    "number": "numtoolkit.declare.entries",
    "optimal_stability_polynomial": "numtoolkit.symbolic.optimal_stability",
    "order_star": "numtoolkit.measure.stability",
    "palindrome": "numtoolkit.symbolic.palindromes",
    "phi": "numtoolkit.declare.entries",
    "pilot": "numtoolkit.sampling.pilot",
    "power_ratio": "numtoolkit.measure.spectra",
    "process": "numtoolkit.problem.processes",
    "program_of": "numtoolkit.program.runs",
    "recommend": "numtoolkit.measure.recommendation",
    "runge_kutta": "numtoolkit.declare.forms",
    "sample": "numtoolkit.sampling.runner",
    "scheme": "numtoolkit.schemes",
    "search": "numtoolkit.fitting",
    "simplifying_assumptions": "numtoolkit.symbolic.assumptions",
    "spectrum_figure": "numtoolkit.plots",
    "spectrum_of": "numtoolkit.laws.spectra",
    "sqrt": "numtoolkit.declare.entries",
    "stability": "numtoolkit.measure.stability",
    "stability_figure": "numtoolkit.plots",
    "stability_function": "numtoolkit.symbolic.stability_function",
    "start_noise": "numtoolkit.sampling.starts",
    "stationary_bias": "numtoolkit.symbolic.stationary",
    "step_defects": "numtoolkit.measure.step_defects",
    "stepper": "numtoolkit.sampling.runner",
    "suspicion": "numtoolkit.models.suspicion",
    "symbol": "numtoolkit.declare.entries",
    "tableau": "numtoolkit.declare.forms",
    "train": "numtoolkit.training.front",
    "transfer": "numtoolkit.measure.transfer",
    "transfer_figure": "numtoolkit.plots",
    "transfer_series": "numtoolkit.measure.transfer_series",
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
