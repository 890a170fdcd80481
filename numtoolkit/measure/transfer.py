"""The transfer function of a run: what a scheme makes of each scale of the data, exactly and without samples.

With Gaussian data the network is affine, so that a run is linear in every direction of the data by itself. In one of
deviation s0 its data part ends with a deviation, and with a multiple of the mean, which are compared with the exact
ones,

    T(s0) = (deviation at the end) / (deviation it should have) - 1,     and the same for the multiplier of the mean.

T < 0 is blur, T > 0 is noise, at that scale. Path errors do not tell them in phase space, where the flow turns near T:
a wrong phase is far from the path and does not change the law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.laws import Gaussian
from numtoolkit.laws.checks import real
from numtoolkit.measure.gaussian_moments import Normal, end_laws, wasserstein2
from numtoolkit.problem.processes import Process
from numtoolkit.problem.spectrum import Spectrum, spectrum_from
from numtoolkit.program.modal import check_alike
from numtoolkit.program.program import Program
from numtoolkit.program.runs import program_of

SCALES = (
    *(10.0, 7.0, 5.0, 3.0, 2.0, 1.5),
    *(1.0, 0.7, 0.5, 0.3, 0.2, 0.15),
    *(0.1, 0.07, 0.05, 0.03, 0.02, 0.015),
    *(0.01, 0.007, 0.005, 0.003, 0.002, 0.0015, 0.001),
)
RANGE = 1e-9, 1e9  # of scales: beyond it float64 cannot tell data from noise, or noise from data
MOST_SCALES = 100_000


@dataclass(frozen=True, eq=False)
class Transfer:
    """What one run makes of data of each scale.

    program    the run
    scales     (n,), deviations of the data
    deviation  (n,), T: the deviation of the data part at the end over the exact one, less 1; inf where a run overflows
    mean       (n,), the same of the mean: what a mean of 1 of the data adds to that at the end, over the exact number,
               less 1
    """

    program: Program = field(repr=False)
    scales: Floats
    deviation: Floats
    mean: Floats

    @property
    def scheme(self) -> str:
        """The specification of the scheme."""
        return self.program.scheme

    @property
    def process(self) -> str:
        """The specification of the process."""
        return self.program.process.spec

    @property
    def nfe(self) -> int:
        """Network evaluations of the run."""
        return self.program.nfe

    def __repr__(self) -> str:
        run = f"{brief(self.scheme, 80)} on {brief(self.process, 80)}, NFE {self.nfe}"
        low, high = self.deviation.min(), self.deviation.max()
        return f"<Transfer {run}: {low:+.2g} to {high:+.2g} over {counted(len(self.scales), 'scale')}>"

    def integral(self, spectrum: Spectrum | str | tuple[Any, Any]) -> float:
        """The law error on data of a spectrum: the Wasserstein-2 distance of the data part from the exact one.

        Its square is the sum of (T(s0) d)^2 over the directions, d the deviation that each should have, and of the
        squared mean of schemes that add one of their own, as `gframe-ab(mean=1)`. It is computed at the scales of the
        spectrum, not interpolated. `numtoolkit.search` in law, on a Gaussian of this spectrum, makes it least.

        spectrum  of Gaussian data of mean 0, as `numtoolkit.spectrum_of` makes it; its file; or (variances (n,),
                  multiplicities (n,)) alone. Multiplicities need not be whole: where they sum to 1 it is the root of
                  the mean square over directions
        returns   in units of the data; inf where the run overflows
        raises    InputError for what is no spectrum, StorageError for a file that holds none
        cost      that of `transfer` at n scales
        """
        given = spectrum_from(spectrum)
        law = Gaussian(np.zeros(len(given.values)), given.values)
        with np.errstate(all="ignore"):
            ends, exact = (_repeated(own, given.multiplicity) for own in end_laws(self.program, law))
        finite = np.isfinite(ends.covariance).all() and np.isfinite(ends.mean).all()
        return wasserstein2(ends, exact) if finite else float("inf")


def transfer(
    scheme: str | Scheme | Program,
    process: str | Process | None = None,
    grid: str | Sequence[float] | Floats | None = None,
    nfe: int | None = None,
    scales: Any = SCALES,
    *,
    steps: int | None = None,
) -> Transfer:
    """What a run makes of data of each scale, with the exact network: T(s0) and the same of the mean.

    Runs start from N(0, process.prior()), or from the exact marginal where the grid starts below T.

    scheme, process, grid, nfe, steps   as of `numtoolkit.program_of`, by name or as objects; or a Program alone,
             transfer(program, scales=...), whatever it predicts, drawing noise or not
    scales   (n,), deviations s0 of the data, from 1e-9 to 1e9; by default 25 from 10 to 0.001
    returns  `Transfer`; its `integral` is the law error of a spectrum
    raises   InputError for what cannot be used as given, and for a scheme that was told a spectrum, to which not all
             directions of one scale are alike
    cost     no evaluations; milliseconds for 50 steps and 25 scales
    """
    chosen = scales_of(scales)
    program = program_of(scheme, process, grid, nfe, steps=steps)
    check_alike(program)
    n = len(chosen)
    law = Gaussian(np.repeat([0.0, 1.0], n), np.tile(chosen**2, 2))  # the mean of a run is affine in that of the data
    with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
        ends, exact = end_laws(program, law)
        deviation = np.sqrt(ends.covariance[:n, 0, 0] / exact.covariance[:n, 0, 0]) - 1
        mean = (ends.mean[n:, 0] - ends.mean[:n, 0]) / exact.mean[n:, 0] - 1
    return Transfer(program, chosen, *(np.where(np.isfinite(own), own, np.inf) for own in (deviation, mean)))


def scales_of(scales: Any, most: int = MOST_SCALES) -> Floats:
    """Deviations of the data (n,), checked.

    raises   InputError for what is no list of at most so many, and for numbers out of range
    """
    chosen: Floats = real("scales", scales)
    if chosen.ndim != 1 or len(chosen) > most:
        raise InputError(f"scales has shape {chosen.shape}; give a list of at most {most} deviations.")
    if chosen.min() < RANGE[0] or chosen.max() > RANGE[1]:
        raise InputError(
            f"scales from {chosen.min():g} to {chosen.max():g} are out of range; give deviations of the data from "
            f"{RANGE[0]:g} to {RANGE[1]:g}."
        )
    return chosen


def _repeated(law: Normal, multiplicities: Floats) -> Normal:
    """The law of one direction for each, whose distance from another is that of all the directions it stands for."""
    return Normal(law.mean * np.sqrt(multiplicities)[:, None], law.covariance * multiplicities[:, None, None])
