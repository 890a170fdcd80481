"""What can be known without sampling: Gaussian moments through a program, the exact probability flow, error curves."""

from numtoolkit.measure.curves import error_curve
from numtoolkit.measure.flows import exact_flow, gaussian_flow
from numtoolkit.measure.gaussian_moments import Normal, affine_map, exact_marginal, kl, moments, wasserstein2

__all__ = [
    "Normal",
    "affine_map",
    "error_curve",
    "exact_flow",
    "exact_marginal",
    "gaussian_flow",
    "kl",
    "moments",
    "wasserstein2",
]
