"""What the size of a batch does to fitted coefficients: their spread over batches, in closed form for Gaussian laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.fitted_coefficients import FittedCoefficients
from numtoolkit.fitting.least_squares import fit
from numtoolkit.laws import Gaussian, law_of
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.runs import times_of
from numtoolkit.sampling.state import start_factor
from numtoolkit.schemes import scheme as scheme_of

APART = 1e-3  # of the two moments that a slope is taken over


@dataclass(frozen=True, eq=False)
class CoefficientSpread:
    """Coefficients of batches of B samples: for large B normal about `table`, of deviations `deviation` / sqrt(B).

    table       of the infinite batch
    deviation   (steps, coefficients), 0 where a step has no such coefficient
    """

    table: FittedCoefficients
    deviation: Floats

    def __repr__(self) -> str:
        return f"<CoefficientSpread of {self.table!r}, up to {self.deviation.max():.2g} / sqrt(B)>"


def coefficient_spread(
    scheme: str | Scheme,
    process: str | Process,
    law: Any,
    grid: str | Sequence[float] | Floats,
    nfe: int | None = None,
    *,
    steps: int | None = None,
    **own: Any,
) -> CoefficientSpread:
    """How far coefficients of a batch lie from those of the infinite batch, on a Gaussian law.

    On it every state is affine in the normals n_k of its direction, so a fit asks of its batch the means of n_k and of
    n_k^2 alone, of all steps, later ones on states that earlier coefficients lead to among them. Over batches these are
    independent, of variances 1/B and 2/B, and a coefficient has the variance (1/B) sum_k (2 (dc/dS_k)^2 + (dc/dM_k)^2).

    scheme, process, grid, nfe, steps   as of `numtoolkit.fit`
    law      a Gaussian one, or its specification
    own      substeps, ridge and cut of the fit
    returns  `CoefficientSpread`
    raises   InputError for another law, and as `numtoolkit.fit`
    cost     4 fits on two points for each of d directions; equal ones are not told apart
    """
    declared, on, given = scheme_of(scheme), process_of(process), law_of(law)
    if not isinstance(given, Gaussian):
        raise InputError(f"law {given.name} is not Gaussian, so batches have no spread in closed form; repeat the fit.")
    _, variances, mean = given.eigen()
    plain = Gaussian(mean, variances, given.name)
    factor = start_factor(on, float(times_of(declared, on, grid, steps, nfe)[0]))[0, 0]

    def found(first: Floats, second: Floats) -> Floats:
        """Coefficients of two points whose mean and mean square in each direction are these."""
        half = np.sqrt(second - first**2)
        start = factor * np.stack([first + half, first - half])
        return _values(fit(declared, on, plain, grid, nfe, steps=steps, start=start, **own))

    none, one = np.zeros(len(variances)), np.ones(len(variances))
    squares = np.zeros_like(found(none, one))
    for apart in APART * np.eye(len(variances)):
        squares += 2 * ((found(none, one + apart) - found(none, one - apart)) / (2 * APART)) ** 2
        squares += ((found(apart, one) - found(-apart, one)) / (2 * APART)) ** 2
    table = fit(declared, on, given, grid, nfe, steps=steps, seeds=None, **own)
    return CoefficientSpread(table, np.sqrt(squares))


def _values(table: FittedCoefficients) -> Floats:
    return np.array([step.values for step in table.steps])
