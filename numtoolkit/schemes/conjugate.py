"""Conjugate integrators: the exponential Euler step with another linear operator (arXiv:2310.07894)."""

from fractions import Fraction

from numtoolkit.entries import op, symbol
from numtoolkit.scheme import Claims, Param, Scheme
from numtoolkit.schemes.forms import conjugate_euler
from numtoolkit.schemes.one_step import EXPONENTIAL_EULER

shift = symbol("shift")
SHIFT = Param("shift", Fraction(0), meaning="lambda of the conjugation, per unit of process time")


def lambda_ddim(name: str, B: str, source: str) -> Scheme:
    """B = shift times a fixed matrix per unit of process time; shift = 0 is DDIM."""
    return Scheme(
        name,
        family="conjugate",
        source=source,
        step=conjugate_euler(shift * op(B)),
        frozen="noise",
        clock="time",
        processes=("vp", "vp-cosine", "psld", "cld"),
        params=(SHIFT,),
        to_zero=EXPONENTIAL_EULER,
        claims=Claims(classical=1),
    )


LAMBDA_DDIM_1 = lambda_ddim("lambda-ddim-1", "unit", "arXiv:2310.07894, lambda-DDIM-I")
LAMBDA_DDIM_2 = lambda_ddim("lambda-ddim-2", "ones", "arXiv:2310.07894, lambda-DDIM-II")

CONJUGATE = (LAMBDA_DDIM_1, LAMBDA_DDIM_2)
