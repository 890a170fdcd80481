"""The injected noise that gives the data their variance: lambda_s of a run, where a scheme leaves it to be matched.

On Gaussian data of deviation s0 the variance at the end of a run is a function of lambda_s that the moments of the run
give exactly; in the reading `amp` it is affine in its square,

    c(lambda_s) = c0 + lambda_s^2 (c1 - c0),      lambda_s^2 = (exact variance - c0) / (c1 - c0).

It repairs the variance at that deviation alone: on a law of many scales, and beyond second moments, it is a choice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from fractions import Fraction

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.program.matrices import gaussian_networks, laws_along, step_maps
from numtoolkit.program.program import lower

DIGITS = 12  # of lambda_s that the program of a run, and its specification, say
MOST = 1e8  # of lambda_s^2 that is tried: in the readings rate and tbar the injected variance has a limit


def resolved(scheme: Scheme, process: Process, times: Floats, nfe: int | None = None) -> Scheme:
    """The scheme of one run, its lambda_s a number: the variance at the end is the exact one at scheme.matched.

    scheme, process, times, nfe   as of `numtoolkit.program.program.lower`
    returns  the scheme with lambda_s bound, to 12 digits
    raises   InputError where no real lambda_s does that, as where a run without injected noise ends too wide
    cost     that of the moments of four runs, in the readings rate and tbar of some ten
    """
    from scipy.optimize import brentq

    assert scheme.matched is not None
    own, scale = replace(scheme, matched=None), float(scheme.matched)
    process.check_one_mode("a matched lambda_s")
    exact = _exact(process, scale, times[-1:])[0, 0, 0]

    def excess(square: float) -> float:
        """Of the variance at the end, relative to the exact one."""
        return variance_at_end(_with(own, square), process, times, scale, nfe) / exact - 1

    least, high = excess(0.0), 1.0
    while least <= 0 and excess(high) < 0 and high < MOST:
        high *= 16
    if not (least <= 0 <= excess(high)):
        how = "too narrow, whatever is injected" if least <= 0 else "too wide, even if nothing is injected"
        raise InputError(
            f"scheme {scheme.spec}: no real lambda_s gives data of deviation {scale:g} their variance in "
            f"{len(times) - 1} steps, whose end is {how}; take another number of steps, grid or sigma_data."
        )
    return _with(own, brentq(excess, 0.0, high, xtol=1e-14), DIGITS)


def _with(scheme: Scheme, square: float, digits: int = 17) -> Scheme:
    return scheme.bind(lambda_s=Fraction(f"{square**0.5:.{digits}g}"))


def variance_at_end(scheme: Scheme, process: Process, times: Floats, scale: float, nfe: int | None = None) -> float:
    """The variance of the data block at the end of a run on Gaussian data of one deviation, with the exact network.

    scheme, process, times, nfe   as of `numtoolkit.program.program.lower`
    scale    deviation of the data
    returns  nan or inf where the run overflows
    """
    program, one = lower(scheme, process, times, nfe=nfe), np.ones(1)
    start = _exact(process, scale, times[:1]) if times[0] < process.T else process.prior()[None]
    networks = gaussian_networks(program, one * scale**2, 0 * one)
    maps = step_maps(program, networks.__getitem__, one)
    with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
        ((_, covariance),) = deque(laws_along(maps, np.zeros((1, process.blocks)), start), maxlen=1)
    return float(covariance[0, 0, 0])


def _exact(process: Process, scale: float, t: Floats) -> Floats:
    """The covariance (1, k, k) of Gaussian data of one deviation at time t (1,)."""
    e, sigma = process.kernel(t)
    return scale**2 * e[:, :, None] * e[:, None, :] + sigma
