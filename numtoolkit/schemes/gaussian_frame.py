"""The Gaussian frame: Adams schemes for what a network knows beyond a Gaussian law N(mean, sigma_data^2 I) of the data.

With D_g and c^2 the posterior mean and variance under that law, V its covariance at time t and u = (D - D_g) / c,

    S = -V^-1 (z - e mean) + c a u,      a = Sigma^-1 e,

so that L = F - (q/2) Q V^-1 and N = (q/2) Q a c. Where the data are that law u = 0 and every step is exact, whatever
the grid. Nodes are polynomial in theta = arctan(s / sigma_data), s the effective noise level: the weights are smooth
down to noise level 0, where a run may end. On a scalar process z / sqrt(V) moves by u alone, d(z / sqrt V) = -u dtheta,
and u is the output of EDM's preconditioned network (arXiv:2206.00364 eq. 7).

In a phase space the score of two free outputs is no such sum: it has a part g w beside it, across a, with e' g = 0 and
g' Sigma g = 1. Both u and w = g' (z + Sigma S) are held and N = (q/2) Q [c a, g], so that runs converge to the flow of
the network itself. Of a data prediction w = 0, whatever the law.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import symbol
from numtoolkit.declare.forms import check_declared, noisy
from numtoolkit.declare.runs import adams_bashforth, adams_moulton, structure
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.declare.steps import Steps
from numtoolkit.schemes.commons import MEAN, SIGMA_DATA

HIGHEST = 5
tau = symbol("tau")
TAU = Param("tau", Fraction(1), Fraction(0), open=True, meaning="noise of the SDE, 1 the reverse SDE")
SOURCE = "new here; its first-order member is gDDIM (arXiv:2206.05564) as sigma_data tends to 0"


@lru_cache
def gframe_ab(
    k: int = 2,
    sigma_data: Fraction = SIGMA_DATA.default,
    mean: Fraction = MEAN.default,
    tau: Fraction = Fraction(0),
    *,
    opening: str = "raised",
    ending: str = "zero",
) -> Scheme:
    """Adams-Bashforth of order k in theta, started with the orders below.

    With tau > 0 it is an SDE with the exact noise of its linear part: of weak order 2, and for k >= 3 with no other
    error of third order than one proportional to tau^2. tau = 1 is the stochastic conjugate integrator, and called
    conjugate-sde(k).
    sigma_data, mean   of the Gaussian law whose flow is exact; opening and ending as in `numtoolkit.declare.runs`
    """
    check_declared("gframe-ab", k, HIGHEST)
    claims = Claims(sde_weak=min(k, 2)) if tau else Claims(classical=k)
    steps = adams_bashforth(k, opening, ending)
    return _member("gframe-ab", k, steps, claims, sigma_data, mean, tau, opening, ending)


@lru_cache
def gframe_abm(
    k: int = 2,
    sigma_data: Fraction = SIGMA_DATA.default,
    mean: Fraction = MEAN.default,
    tau: Fraction = Fraction(0),
    *,
    ending: str = "zero",
) -> Scheme:
    """gframe-ab(k) corrected with the evaluation at the predicted state, which is kept: order k + 1 at the same cost.

    Orders are raised at the start; the last step only predicts, so N steps take N evaluations. On equal steps in theta
    the predicted states are those of gframe-ab(k + 1).
    sigma_data, mean, tau, ending   as in `gframe_ab`
    """
    check_declared("gframe-abm", k, HIGHEST)
    claims = Claims(sde_weak=2) if tau else Claims(classical=k + 1)
    return _member("gframe-abm", k, adams_moulton(k, k, ending), claims, sigma_data, mean, tau, "raised", ending)


def _member(
    name: str,
    k: int,
    steps: Steps,
    claims: Claims,
    sigma_data: Fraction,
    mean: Fraction,
    noise: Fraction,
    opening: str,
    ending: str,
) -> Scheme:
    """The steps of a run as a scheme with its parameters bound."""
    steps = noisy(steps) if noise else steps
    scheme = Scheme(
        name,
        family="Gaussian frame",
        source=SOURCE,
        steps=steps,
        frozen="residual",
        clock="angle",
        tau=tau if noise else 0,
        reference=tau**2 if noise else Scheme.reference,
        params=(SIGMA_DATA, MEAN, *((TAU,) if noise else ())),
        claims=claims,
    )
    given = {"sigma_data": sigma_data, "mean": mean} | ({"tau": noise} if noise else {})
    defaults = {p.name: p.default for p in (SIGMA_DATA, MEAN)}
    made = structure(opening=(opening, "raised"), ending=(ending, "zero"))
    return scheme.with_structure(str(k), **made).bind(**{n: v for n, v in given.items() if v != defaults.get(n)})


GAUSSIAN_FRAME = (gframe_ab, gframe_abm)
