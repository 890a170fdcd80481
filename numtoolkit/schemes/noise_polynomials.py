"""Schemes that interpolate the noise prediction in time or in the noise level: DEIS, iPNDM, PNDM, LMS, Runge-Kutta."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import ZERO, Entry, adams, flow, integral, phi, symbol
from numtoolkit.declare.forms import check_declared, combine, evaluate, history, past, tableau, written
from numtoolkit.declare.runs import BEFORE_ZERO, ENDINGS, EXPONENTIAL_EULER, REMAINDER, SINGLE, ends, multistep
from numtoolkit.declare.scheme import Claims, Param, Scheme
from numtoolkit.declare.steps import Item, Step, Steps

HIGHEST_DEGREE = 5  # of DEIS

# Adams-Bashforth weights for equal steps, orders 1 to 4 (Hairer, Norsett & Wanner 1993, III.1)
EQUAL_STEPS = ((1,), (3, -1), (23, -16, 5), (55, -59, 37, -9))


def noise_multistep(
    name: str, steps: Steps, claims: Claims, source: str, clock: str = "noise-level", params: tuple[Param, ...] = ()
) -> Scheme:
    """A multistep scheme that freezes the noise: its name, steps, claims, source, clock and params."""
    return Scheme(
        name,
        family="noise polynomial",
        source=source,
        steps=steps,
        frozen="noise",
        clock=clock,
        kinds="scalar",
        params=params,
        claims=claims,
    )


def _polynomial(
    name: str, k: int, clock: str, source: str, opening: str, ending: str, endings: Sequence[str]
) -> Scheme:
    check_declared(name, k, HIGHEST_DEGREE, low=0)
    steps = multistep(lambda q: adams(past(q)), k + 1, opening, ending, endings)
    scheme = noise_multistep(name, steps, Claims(classical=k + 1), source, clock)
    return scheme.with_structure(str(k), **ends(opening, ending))


@lru_cache
def deis_tab(k: int = 3, *, opening: str = "raised", ending: str = "full") -> Scheme:
    """DEIS-tAB(k): the noise as a polynomial of degree k in process time (arXiv:2204.13902 eq. 14).

    opening, ending   as in `numtoolkit.declare.runs`; not zero, since on VP ds/dt is infinite at t = 0
    """
    source = "arXiv:2204.13902 eq. 14, tAB-DEIS"
    return _polynomial("deis-tab", k, "time", source, opening, ending, BEFORE_ZERO)


@lru_cache
def deis_rhoab(k: int = 3, *, opening: str = "raised", ending: str = "full") -> Scheme:
    """DEIS-rhoAB(k): the noise as a polynomial of degree k in the noise level; LMS(k + 1) and variable-step iPNDM.

    k-diffusion's LMS goes to noise level 0 at full order: ending = zero.
    opening, ending   as in `numtoolkit.declare.runs`
    """
    source = "arXiv:2204.13902 section 3.3, rhoAB-DEIS; LMS of k-diffusion"
    return _polynomial("deis-rhoab", k, "noise-level", source, opening, ending, ENDINGS)


def equal_step_weights(k: int) -> list[Entry]:
    """Adams-Bashforth weights of equal steps, order k."""
    total = sum(EQUAL_STEPS[k - 1])
    return [Fraction(w, total) * integral() for w in EQUAL_STEPS[k - 1]]


@lru_cache
def ipndm(k: int = 4, *, opening: str = "raised", ending: str = "full") -> Scheme:
    """iPNDM(k): Adams-Bashforth weights of equal steps on whatever grid (arXiv:2204.13902 appendix H.2).

    Order 1 for arbitrary step ratios; 2, for every k >= 2, when they tend to 1 as the grid is refined.
    opening, ending   as in `numtoolkit.declare.runs`
    """
    check_declared("ipndm", k, 4)
    claims = Claims(classical=k, refuted=("classical",) if k > 1 else ())
    steps = multistep(equal_step_weights, k, opening, ending, ENDINGS)
    scheme = noise_multistep("ipndm", steps, claims, "arXiv:2204.13902 appendix H.2")
    return scheme.with_structure(str(k), **ends(opening, ending))


@lru_cache
def gradient_estimation(*, opening: str = "raised", ending: str = "full") -> Scheme:
    """Gradient estimation: the noise extrapolated by gamma, whatever the step ratio (arXiv:2306.04848 Algorithm 2).

    gamma = 1 is DDIM, gamma = 1 + 1/(2 r0) would be of order 2; the paper's code goes to level 0 at full order, ending
    = zero, ports by DDIM.
    opening, ending   as in `numtoolkit.declare.runs`
    """
    gamma = symbol("gamma")

    def weights(q: int) -> list[Entry]:
        return [phi(1)] if q == 1 else [gamma * phi(1), (1 - gamma) * phi(1)]

    steps = multistep(weights, 2, opening, ending, ENDINGS)
    own = Param("gamma", Fraction(2), meaning="weight of the newest noise; the one before it has 1 - gamma")
    source, claims = "arXiv:2306.04848 Algorithm 2", Claims(classical=1)
    scheme = noise_multistep("gradient-estimation", steps, claims, source, params=(own,))
    return scheme.with_structure(**ends(opening, ending))


def pseudo_runge_kutta(kept: int) -> Step:
    """The warm-up step of PNDM: four evaluations, their Runge-Kutta mean transferred as one noise."""
    half = Fraction(1, 2)
    items: list[Item] = [
        evaluate("E0"),
        combine("Y1", half, y=flow(0, half), E0=integral(0, half)),
        evaluate("S1", "Y1", half),
        combine("Y2", half, y=flow(0, half), S1=integral(0, half)),
        evaluate("S2", "Y2", half),
        combine("Y3", 1, y=flow(), S2=integral()),
        evaluate("S3", "Y3", 1),
        combine("out", 1, y=flow(), E0=integral() / 6, S1=integral() / 3, S2=integral() / 3, S3=integral() / 6),
    ]
    return written(items, "out", {f"E{j + 1}": f"E{j}" for j in range(kept)})


PNDM = noise_multistep(
    "pndm",
    Steps(
        history(equal_step_weights(4), keep=3),
        tuple(pseudo_runge_kutta(kept) for kept in (1, 2, 3)),
        final_to_zero=EXPONENTIAL_EULER,
        remainder=REMAINDER[:3],
    ),
    Claims(classical=4, refuted=("classical",)),
    "arXiv:2202.09778 Algorithm 2",
    "time",
)

MEAN_OF_TWO = written(
    [
        evaluate("E0"),
        combine("P", 1, y=flow(), E0=integral()),
        evaluate("EP", "P", 1),
        combine("out", 1, y=flow(), E0=integral() / 2, EP=integral() / 2),
    ],
    "out",
    {"E1": "E0"},
)

SPNDM = noise_multistep(
    "spndm",
    Steps(history(equal_step_weights(2), keep=1), (MEAN_OF_TWO,), final_to_zero=EXPONENTIAL_EULER, remainder=SINGLE),
    Claims(classical=2, refuted=("classical",)),
    "arXiv:2202.09778, S-PNDM",
)

HALF_STEP = phi(1, Fraction(1, 2)) / 2
MIDPOINT = tableau([0, Fraction(1, 2)], [[], [HALF_STEP]], [ZERO, phi(1)])
KUTTA_3 = tableau(
    [0, Fraction(1, 2), 1], [[], [HALF_STEP], [-phi(1), 2 * phi(1)]], [phi(1) / 6, 2 * phi(1) / 3, phi(1) / 6]
)
RK4 = Scheme(
    "rk4",
    family="sigma",
    source="Kutta 1901, in the noise level",
    steps=Steps(
        tableau(
            [0, Fraction(1, 2), Fraction(1, 2), 1],
            [[], [HALF_STEP], [ZERO, HALF_STEP], [ZERO, ZERO, phi(1)]],
            [phi(1) / 6, phi(1) / 3, phi(1) / 3, phi(1) / 6],
        ),
        final_to_zero=EXPONENTIAL_EULER,
        remainder=(*SINGLE, (MIDPOINT,), (KUTTA_3,)),
    ),
    frozen="noise",
    clock="noise-level",
    kinds="scalar",
    claims=Claims(classical=4),
)

NOISE_POLYNOMIALS = (deis_tab, deis_rhoab, ipndm, gradient_estimation, PNDM, SPNDM, RK4)
