"""gDDIM (arXiv:2206.05564): Adams schemes in process time for the noise of phase space, in the factor R of `noise-r`.

R is the factor of the noise covariance that the flow of a point mass carries along, so that for such data the frozen
eps = R^-1 (z - e x_0) is constant and every step is exact. The Cholesky factor turns against R by some
10 radians from t = 0.001 to 1.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from numtoolkit.declare.entries import adams
from numtoolkit.declare.forms import check_declared, past
from numtoolkit.declare.runs import adams_moulton_again, ends, multistep
from numtoolkit.declare.scheme import Claims, Scheme

HIGHEST = 4
SOURCE = "arXiv:2206.05564, deterministic gDDIM"


@lru_cache
def gddim(k: int = 2, *, opening: str = "raised", ending: str = "full") -> Scheme:
    """Adams-Bashforth with k evaluations; opening and ending as in `numtoolkit.declare.runs`."""
    check_declared("gddim", k, HIGHEST)
    scheme = Scheme(
        "gddim",
        family="gDDIM",
        source=f"{SOURCE}, multistep predictor",
        steps=multistep(lambda q: adams(past(q)), k, opening, ending),
        frozen="noise-r",
        clock="time",
        kinds="phase space",
        claims=Claims(classical=k),
    )
    return scheme.with_structure(str(k), **ends(opening, ending))


@lru_cache
def gddim_pc(k: int = 2) -> Scheme:
    """gddim(k) corrected with k + 1 evaluations, the corrected state evaluated again: two evaluations a step.

    Orders are raised at the start; the last step only predicts, so N steps take 2 N - 1 evaluations.
    """
    check_declared("gddim-pc", k, HIGHEST)
    return replace(
        gddim(k),
        name="gddim-pc",
        source=f"{SOURCE}, predictor-corrector",
        steps=adams_moulton_again(k),
        claims=Claims(classical=k + 1),
    )


GDDIM = (gddim, gddim_pc)
