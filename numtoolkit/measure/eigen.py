"""The eigen-directions of a Gaussian law, each within one of the groups that a process takes apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats
from numtoolkit.laws import Gaussian
from numtoolkit.problem.processes import Process
from numtoolkit.program.modal import apart


class Eigen(NamedTuple):
    """Directions in which a law and a process both are diagonal.

    basis      (d, d), in columns; None for the coordinates
    variances  (d,), of the law
    mean       (d,), its coordinates
    modes      (d,), the number in `process.modes` of the process of each
    """

    basis: Floats | None
    variances: Floats
    mean: Floats
    modes: NDArray[np.int64]


def eigen_on(process: Process, law: Gaussian) -> Eigen:
    """Those of a law on a process: on one that takes no directions apart the eigenbasis of the law.

    raises   InputError for a law whose covariance joins directions that the process takes apart
    cost     of a process with many modes, the eigenvalues of a block for each
    """
    if process.directions is None:
        basis, variances, mean = law.eigen()
        return Eigen(basis, variances, mean, np.zeros(variances.size, dtype=np.int64))
    own = process.directions.over(law.shape)
    basis, variances = apart(own, law.covariance(), f"law {law.name}")
    return Eigen(basis, variances, basis.T @ law.mean.ravel(), own.groups)
