"""Coefficients from data: tables of fitted schemes by least squares, and the best value of a scheme's parameter."""

from numtoolkit.files.fitted_coefficients import FittedCoefficients, read_fitted_coefficients, write_fitted_coefficients
from numtoolkit.fitting.batches import coefficient_spread
from numtoolkit.fitting.least_squares import fit
from numtoolkit.fitting.parameter_search import search
from numtoolkit.moved import names_of

__all__ = [
    "FittedCoefficients",
    "coefficient_spread",
    "fit",
    "read_fitted_coefficients",
    "search",
    "write_fitted_coefficients",
]

__getattr__ = names_of(__name__)
