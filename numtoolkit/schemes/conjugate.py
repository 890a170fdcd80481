"""Conjugate integrators: the exponential Euler step with another linear operator (arXiv:2310.07894).

B is a constant, a function of time, or chosen per step so that the step is best on a Gaussian law of the data
(`numtoolkit.problem.conjugation`). The frozen noise may be that which is left of C_skip z at sampling time; L + B then
does not commute with itself, and its flow is the time-ordered one, not the exponential of an integral.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import NONE, Op, op, symbol
from numtoolkit.declare.forms import conjugate_euler
from numtoolkit.declare.runs import EXPONENTIAL_EULER
from numtoolkit.declare.scheme import Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Steps
from numtoolkit.errors import InputError
from numtoolkit.problem.conjugation import best_place, best_shift
from numtoolkit.problem.operators import OPERATORS, PLACES
from numtoolkit.schemes.commons import MEAN, SHIFT, SIGMA_DATA

SHIFT_BETA = Param("shift", Fraction(0), meaning="lambda of the conjugation, per unit of the integral of beta")
SHIFT_TIME = Param("shift", Fraction(0), meaning="lambda of the conjugation at t = 1, per unit of process time")
LAW = (SIGMA_DATA, MEAN)
BEST = "makes the error of order h^2 on the Gaussian law least"


def conjugate(
    name: str,
    B: Op,
    source: str,
    params: tuple[Param, ...],
    quantities: tuple[StepQuantity, ...] = (),
    skip: str = "none",
) -> Scheme:
    """The conjugate Euler scheme `name` of an operator B, from `source`, with its params and step quantities.

    skip   as in `lambda_ddim_1`
    """
    if skip not in ("none", "mm"):
        raise InputError(f"{name}(skip={skip}) is not declared; use skip = none or mm.")
    return Scheme(
        name,
        family="conjugate",
        source=source,
        steps=Steps(conjugate_euler(B), final_to_zero=EXPONENTIAL_EULER if skip == "none" else None),
        frozen="noise" if skip == "none" else "noise-skip",
        clock="time",
        kinds=("scalar", "phase space") if skip == "none" else "phase space",
        params=params,
        quantities=quantities,
        claims=Claims(classical=1),
    )


def lambda_ddim(name: str, matrix: str, source: str, shift: Fraction | None, B: str, skip: str) -> Scheme:
    """The scheme `name` of B = shift times a fixed matrix, from `source`.

    matrix   the name of an operator per unit of process time
    shift    None leaves it open; B and skip are those of `lambda_ddim_1`
    raises   InputError for a B or skip that there is not, or a shift where B chooses it
    """
    lam = symbol("shift")
    if B == "constant":
        scheme = conjugate(name, lam * op(matrix), source, (SHIFT,), skip=skip)
    elif B == "beta":
        scheme = conjugate(name, lam * op(f"{matrix}_beta"), source, (SHIFT_BETA,), skip=skip)
    elif B == "time":
        scheme = conjugate(name, lam * op(f"{matrix}_time"), source, (SHIFT_TIME,), skip=skip)
    elif B != "optimal":
        raise InputError(f"{name}(B={B}) is not declared; use B = constant, beta, time or optimal.")
    elif shift is not None:
        raise InputError(f"{name}(B=optimal) chooses its shift at each step; leave shift = {shift} out.")
    else:
        rule, sentence = best_shift(OPERATORS[matrix]), f"the multiple of {matrix} that {BEST}"
        best = StepQuantity("shift", rule, sentence, expansion=lam)  # of the time alone: it stays bounded
        scheme = conjugate(name, lam * op(matrix), source, LAW, (best,), skip)
    given = {"B": B} if B != "constant" else {}
    scheme = scheme.with_structure(**given, **({"skip": skip} if skip != "none" else {}))
    return scheme if shift is None else scheme.bind(shift=shift)


@lru_cache
def lambda_ddim_1(shift: Fraction | None = None, B: str = "constant", skip: str = "none") -> Scheme:
    """B = shift times the identity; shift = 0 is DDIM.

    B     constant: per unit of process time; beta: per unit of the integral of beta, shift beta(t) in time; time:
          shift t, which falls to 0 at the data; optimal: the shift of each step is the one that makes its error of
          order h^2 on N(mean, sigma_data^2 I) least
    skip  mm: C_skip = -1 / Sigma_mm is split off the score of a phase space; the network stays what it is
    """
    return lambda_ddim("lambda-ddim-1", "unit", "arXiv:2310.07894, lambda-DDIM-I", shift, B, skip)


@lru_cache
def lambda_ddim_2(shift: Fraction | None = None, B: str = "constant", skip: str = "none") -> Scheme:
    """B = shift times the matrix of ones; B, shift and skip as in `lambda_ddim_1`."""
    return lambda_ddim("lambda-ddim-2", "ones", "arXiv:2310.07894, lambda-DDIM-II", shift, B, skip)


# The full matrix that leaves a step on N(mean, sigma_data^2 I) no error of second order: a run is of order 2 there. On
# a scalar process, where this is lambda-ddim-1(B=optimal), there is one at high noise only (on VP while SNR <= 1/4);
# below, B makes that error least: runs of order 1, two thirds of the error of B = 0 on VP. In phase space it is nearer
# to the path from 24 evaluations on, and no nearer in law than B = 0 below some hundred: what it takes out first is an
# error of the phase, which no sample shows.
CONJUGATE_OPTIMAL = conjugate(
    "conjugate-optimal",
    sum((symbol(f"b_{place.name}") * op(place) for place in PLACES), NONE),
    "new here: arXiv:2310.07894 with the B that makes its error of order h^2 on a Gaussian law least",
    LAW,
    tuple(
        StepQuantity(
            f"b_{p.name}",
            best_place(p.name),
            f"place {p.name} of the matrix that {BEST}",
            f"B_{{{p.name}}}",
            expansion=symbol(f"b_{p.name}"),  # of the time alone
        )
        for p in PLACES
    ),
)

CONJUGATE = (lambda_ddim_1, lambda_ddim_2, CONJUGATE_OPTIMAL)
