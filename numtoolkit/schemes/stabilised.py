"""STORK-2: the sub-steps of a stabilised Runge-Kutta step, their evaluations a Taylor polynomial through past ones.

One evaluation a step. The sub-steps are those of the Runge-Kutta-Gegenbauer step of order 2 (Skaras, Saxton, Meyer &
Aslam 2021), whose stability polynomial is wide on the negative real axis. How much of that is left depends on what the
Taylor polynomial is of. Of the velocity no sub-step reads the one before it: the step is a quadrature, and as stable as
a multistep scheme. Of the noise the linear part still goes from sub-step to sub-step.

STORK-4 is not declared: its code exchanges the start and the first sub-step of ROCK4, and is off by 0.1 per cent of a
constant velocity with 50 sub-steps, by 2 with 9, however many steps there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import ONE, Entry, L, N, at, number, phi, symbol
from numtoolkit.declare.forms import check_whole, combine, evaluate, written
from numtoolkit.declare.runs import EXPONENTIAL_EULER, multistep, structure
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.declare.steps import Item, Row, Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.schemes.commons import check_choice

r0, r1 = symbol("r0"), symbol("r1")
MOST = 100  # sub-steps


def _share(j: int) -> Fraction:
    """b_j: on y' = L y the sub-step Y_j is 1 - b_j C_j(1) + b_j C_j(1 + w h L) of y, C_j Gegenbauer's (3/2)."""
    if j < 2:
        return Fraction(1, 1 + 2 * j)
    return Fraction(4 * (j - 1) * (j + 4), 3 * j * (j + 1) * (j + 2) * (j + 3))


def _width(s: int) -> Fraction:
    """w: the scale of z = h L in s sub-steps."""
    return Fraction(6, (s + 4) * (s - 1))


def recurrence(s: int, j: int) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """Weights of the sub-step j >= 2 of s: of Y_(j-1), Y_(j-2), h times the slope there and h times that at the start.

    What is left of 1 is the weight of the state at the start (Skaras, Saxton, Meyer & Aslam 2021, RKG2,
    doi:10.1016/j.jcp.2020.109879).
    """
    before = Fraction(2 * j + 1, j) * _share(j) / _share(j - 1)
    last = -Fraction(j + 1, j) * _share(j) / _share(j - 2)
    slope = before * _width(s)
    return before, last, slope, -slope * (1 - Fraction(j * (j + 1), 2) * _share(j - 1))


def _gegenbauer(s: int, j: int) -> Fraction:
    return Fraction(6 if j == 1 else (j - 1) * (j + 4), (s - 1) * (s + 4))


def _legendre(s: int, j: int) -> Fraction:
    return Fraction(4, 3 * (s - 1) * (s + 2)) if j == 1 else Fraction((j - 1) * (j + 2), (s - 1) * (s + 2))


# (s, j) -> the abscissa of Y_j, j = 1, ..., s - 1: that of these sub-steps, and what shipped code takes for it
NODES: dict[str, Callable[[int, int], Fraction]] = {"gegenbauer": _gegenbauer, "legendre": _legendre}


def moments(s: int, nodes: str, degree: int) -> tuple[Fraction, ...]:
    """What a step of s sub-steps makes of slopes 1, c, ..., c^degree at abscissa c, over h: those of its quadrature.

    nodes   one of `NODES`: where slopes are taken
    """

    def moment(k: int) -> Fraction:
        first = Fraction(k == 0)  # c^k at the start of the step
        before, now = Fraction(0), _width(s) * first
        for j in range(2, s + 1):
            mu, nu, there, start = recurrence(s, j)
            before, now = now, mu * now + nu * before + there * NODES[nodes](s, j - 1) ** k + start * first
        return now

    return tuple(map(moment, range(degree + 1)))


def velocity_weights(s: int, nodes: str, taylor: int) -> Callable[[int], Sequence[Entry]]:
    """Those of the step whose slopes are a Taylor polynomial through past ones, by how many of these there are.

    s, nodes   sub-steps, and which of `NODES` they take
    taylor     the degree of the polynomial, 1 or 2
    returns    (q) -> weights of the step that has q evaluations, the newest first

    The first step is Euler's. The first derivative is the difference quotient of neighbours or, at degree 2, that of
    three equally distant ones, and the second that of three. The second step of degree 2 is 3/2 h E0 - 1/2 r0 h E1.
    """
    _, a, b = moments(s, nodes, 2)

    def weights(q: int) -> Sequence[Entry]:
        if q == 1:
            return [phi(1)]
        if taylor == 1:
            return [(1 + a / r0) * phi(1), -a / r0 * phi(1)]
        if q == 2:
            return [Fraction(3, 2) * phi(1), -r0 / 2 * phi(1)]
        slope = (3 * a / (2 * r0), -2 * a / r0, a / (2 * r0))
        bend = (b / (r0 * (r0 + r1)), -b / (r0 * r1), b / (r1 * (r0 + r1)))
        return [(unit + one + two) * phi(1) for unit, one, two in zip((1, 0, 0), slope, bend, strict=True)]

    return weights


def noise_step(s: int, nodes: str) -> Step:
    """The step of s sub-steps of the drift, its noise a line through that of the start and of the step before.

    nodes   one of `NODES`: where the drift is taken
    """

    def row(j: int, into: str) -> Row:
        if j == 1:
            return combine(into, _gegenbauer(s, 1), y=1 + _width(s) * at(L), E0=_width(s) * at(N))
        mu, nu, slope, first = map(number, recurrence(s, j))
        c = NODES[nodes](s, j - 1)
        terms: dict[str, Entry] = {f"Y{j - 1}": mu + slope * at(L, c)}
        if j > 2:
            terms[f"Y{j - 2}"] = nu
        rest = 1 - mu - nu if j > 2 else 1 - mu  # Y0 is y
        terms["y"] = rest + first * at(L)
        terms["E0"] = slope * (1 + c / r0) * at(N, c) + first * at(N)
        terms["E1"] = -slope * c / r0 * at(N, c)
        return combine(into, ONE if j == s else _gegenbauer(s, j), **terms)

    items: list[Item] = [evaluate("E0"), *(row(j, "out" if j == s else f"Y{j}") for j in range(1, s + 1))]
    return written(items, "out", {"E1": "E0"})


EULER_OF_DRIFT = written([evaluate("E0"), combine("out", 1, y=1 + at(L), E0=at(N))], "out", {"E1": "E0"})


def _of_velocity(s: int, nodes: str, taylor: int) -> Steps:
    return multistep(velocity_weights(s, nodes, taylor), taylor + 1, ending="zero", endings=("zero",))


def _of_noise(s: int, nodes: str, taylor: int) -> Steps:
    return Steps(noise_step(s, nodes), (EULER_OF_DRIFT,), final_to_zero=EXPONENTIAL_EULER)


# By what is extrapolated: the highest degree, and (sub-steps, nodes, degree) -> the steps
FORMS: dict[str, tuple[int, Callable[[int, str, int], Steps]]] = {"drift": (2, _of_velocity), "noise": (1, _of_noise)}


@lru_cache
def stork_2(taylor: int = 1, *, frozen: str = "drift", nodes: str = "legendre", substeps: int = 50) -> Scheme:
    """STORK-2 with a Taylor polynomial of that degree in process time (arXiv:2505.24210; ZT220501/STORK, diffusers).

    Of the velocity (frozen = drift, flow matching) a step is y + h (v + a h v' + b h^2 v''/2), a and b the first
    moments of its quadrature: 1/2 and some 1/4 at its own abscissae, where degree 1 is Adams-Bashforth's order 2
    whatever the sub-steps are. Shipped code takes those of the Legendre polynomials of the same degree instead: a is
    0.4896 of 50 sub-steps, 0.4174 of 4, and the order 1. Its degree 3 adds numbers of different units and is left out.

    taylor     degree of the polynomial, 1 or 2
    frozen     drift, or noise: degree 1, the drift at every sub-step with the noise extrapolated, as the authors'
               rkg2_approx begins
    nodes      legendre, or gegenbauer: those of the sub-steps
    substeps   of a step, 2 to 100
    raises     InputError for a member that there is not
    """
    check_choice("stork-2", "frozen", frozen, tuple(FORMS))
    check_choice("stork-2", "nodes", nodes, tuple(NODES))
    check_whole("substeps", substeps, 2, MOST)
    highest, form = FORMS[frozen]
    if not 1 <= taylor <= highest:
        known = " or ".join(str(degree) for degree in range(1, highest + 1))
        raise InputError(f"stork-2({taylor}, frozen={frozen}) is not declared; use taylor = {known}.")
    exact = nodes == "gegenbauer" and taylor == 1
    scheme = Scheme(
        "stork-2",
        family="stabilised",
        source="arXiv:2505.24210, STORK-2; ZT220501/STORK",
        steps=form(substeps, nodes, taylor),
        frozen=frozen,
        clock="time",
        kinds="scalar",
        claims=Claims(classical=2, refuted=() if exact else ("classical",)),
    )
    chosen = structure(frozen=(frozen, "drift"), nodes=(nodes, "legendre"), substeps=(str(substeps), "50"))
    return scheme.with_structure(str(taylor), **chosen)


STABILISED = (stork_2,)
