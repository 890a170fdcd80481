"""Multistep schemes in log-SNR: weights on past evaluations, with their starting and final steps."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import ZERO, Entry, N, adams, at, flow, phi, symbol
from numtoolkit.declare.forms import check_declared, combine, corrector, history, past, predict_correct, written
from numtoolkit.declare.runs import HALF, ends, multistep, predicted, predictor_corrector, structure
from numtoolkit.declare.scheme import LENGTH, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Row, Steps
from numtoolkit.errors import InputError, counted
from numtoolkit.problem.rules import RBF, RBF_ORDERS
from numtoolkit.schemes.commons import check_choice

r0, r1 = symbol("r0"), symbol("r1")


FORMS = ("data", "noise")  # which prediction a multistep scheme holds fixed
ESTIMATED = 3  # the highest order of a member with companions, those of one above being proved in seconds


def in_log_snr(
    name: str,
    steps: Steps,
    claims: Claims,
    source: str,
    aliases: tuple[str, ...] = (),
    frozen: str = "data",
    params: tuple[Param, ...] = (),
    quantities: tuple[StepQuantity, ...] = (),
    companions: tuple[Row, ...] = (),
) -> Scheme:
    """A multistep scheme in log-SNR: its name, steps, claims, source, aliases, params, step quantities and companions.

    frozen   what it holds fixed over a step, one of `FORMS`
    """
    check_choice(name, "frozen", frozen, FORMS)
    return Scheme(
        name,
        family="exponential multistep",
        source=source,
        steps=steps,
        frozen=frozen,
        clock="log-snr",
        kinds="scalar",
        params=params,
        quantities=quantities,
        claims=claims,
        aliases=aliases,
        companions=companions,
    )


def adams_weights(q: int) -> tuple[Entry, ...]:
    """Those of the exponential Adams-Bashforth step of order q."""
    return adams(past(q))


def solver_weights(second_difference: int) -> Callable[[int], Sequence[Entry]]:
    """Those of DPM-Solver++ of orders 1 to 3: a difference quotient weighted phi_1 / 2, and a three-point step.

    Variation of constants asks for twice phi_3 in the three-point step; the shipped DPM-Solver++(3M) takes it once.
    """

    def weights(q: int) -> Sequence[Entry]:
        if q < 3:
            return [phi(1)] if q == 1 else [(1 + 1 / (2 * r0)) * phi(1), -phi(1) / (2 * r0)]
        x2, x3 = -r0, -(r0 + r1)
        b2 = (second_difference * phi(3) - x3 * phi(2)) / (x2 * (x2 - x3))
        b3 = (second_difference * phi(3) - x2 * phi(2)) / (x3 * (x3 - x2))
        return [phi(1) - b2 - b3, b2, b3]

    return weights


FIRST = history([phi(1)], keep=1)  # the first step of a scheme with one value of history


@lru_cache
def dpmpp_2m(*, frozen: str = "data", opening: str = "raised", ending: str = "full") -> Scheme:
    """DPM-Solver++(2M); with frozen = noise DPM-Solver(2M).

    opening, ending   as in `numtoolkit.declare.runs`
    """
    steps = multistep(solver_weights(1), 2, opening, ending)
    source = "arXiv:2211.01095 Algorithm 2"
    claims = Claims(classical=2, companion=3)
    scheme = in_log_snr("dpmpp-2m", steps, claims, source, ("unip-2",), frozen, companions=corrector(2))
    return scheme.with_structure(**structure(frozen=(frozen, "data")), **ends(opening, ending))


@lru_cache
def dpmpp_3m(*, frozen: str = "data", opening: str = "raised", ending: str = "full") -> Scheme:
    """DPM-Solver++(3M) as its code and every port ship it, of order 2; with frozen = noise DPM-Solver(3M).

    opening, ending   as in `numtoolkit.declare.runs`
    """
    steps = multistep(solver_weights(1), 3, opening, ending)
    source = "arXiv:2211.01095, multistep order 3 as its code and every port ship it"
    claims = Claims(classical=3, refuted=("classical",))
    scheme = in_log_snr("dpmpp-3m", steps, claims, source, frozen=frozen)
    return scheme.with_structure(**structure(frozen=(frozen, "data")), **ends(opening, ending))


@lru_cache
def dpmpp_3m_corrected(*, opening: str = "raised", ending: str = "full") -> Scheme:
    """DPM-Solver++(3M) with the second difference at its full weight."""
    steps = multistep(solver_weights(2), 3, opening, ending)
    source = "arXiv:2211.01095 with the second difference at its full weight"
    scheme = in_log_snr("dpmpp-3m-corrected", steps, Claims(classical=3), source)
    return scheme.with_structure(**ends(opening, ending))


@lru_cache
def res_2m(*, opening: str = "raised", ending: str = "full") -> Scheme:
    """The multistep form of RES of order 2."""
    source = "arXiv:2308.02157 code entry 2ab; exponential Adams-Bashforth, Hochbruck & Ostermann 2011 eq. 2.4"
    steps, claims = multistep(adams_weights, 2, opening, ending), Claims(2, 2, 2, 2, companion=3)
    scheme = in_log_snr("res-2m", steps, claims, source, companions=corrector(2))
    return scheme.with_structure(**ends(opening, ending))


@lru_cache
def res_3m(*, opening: str = "raised", ending: str = "full") -> Scheme:
    """The multistep form of RES of order 3."""
    source = "arXiv:2308.02157 completed to order 3; Hochbruck & Ostermann 2011"
    steps, claims = multistep(adams_weights, 3, opening, ending), Claims(3, 3, 3, 3, companion=4)
    scheme = in_log_snr("res-3m", steps, claims, source, companions=corrector(3))
    return scheme.with_structure(**ends(opening, ending))


@lru_cache
def exp_adams(k: int = 4, *, frozen: str = "data", opening: str = "raised", ending: str = "full") -> Scheme:
    """Exponential Adams-Bashforth of order k (Hochbruck & Ostermann 2011 eq. 2.4).

    frozen            data; noise: DEIS with polynomials in log rho, rho the noise level (the logrho of ports)
    opening, ending   as in `numtoolkit.declare.runs`
    """
    check_declared("exp-adams", k, 6)
    check_choice("exp-adams", "frozen", frozen, FORMS)
    companions = corrector(k) if k <= ESTIMATED else ()
    beside = k + 1 if companions else None
    source, claims = {
        "data": ("Hochbruck & Ostermann 2011 eq. 2.4; Norsett 1969", Claims(k, k, k, k, companion=beside)),
        "noise": ("arXiv:2204.13902 eqs. 14-15 with polynomials in log rho", Claims(classical=k, companion=beside)),
    }[frozen]
    steps = multistep(adams_weights, k, opening, ending)
    scheme = in_log_snr("exp-adams", steps, claims, source, frozen=frozen, companions=companions)
    return scheme.with_structure(str(k), **structure(frozen=(frozen, "data")), **ends(opening, ending))


@lru_cache
def unipc(p: int = 2, variant: str = "bh2", *, ending: str = "lower") -> Scheme:
    """UniPC of order p (arXiv:2302.04867 Algorithms 5-8), predictor and corrector as in the authors' code.

    The order is raised at the start and lowered at the end, where the last step only predicts.
    variant  bh1 or bh2: what the closed halves (p = 2 predictor, p = 1 corrector) multiply, h or the integral.
    ending   lower, as in the authors' code, full, ddim or none: see `numtoolkit.declare.runs`
    """
    if not 1 <= p <= 4 or variant not in ("bh1", "bh2"):
        raise InputError(f"unipc({p}, variant={variant}) is not declared; use p = 1 to 4 with variant bh1 or bh2.")
    half = (phi(1) if variant == "bh2" else at(N, 1)) / 2

    def predictor(q: int) -> tuple[Entry, ...]:
        return (phi(1) + half / r0, -half / r0) if q == 2 else adams(past(q))

    def corrector(q: int) -> tuple[Entry, ...]:
        return (phi(1) - half, half) if q == 1 else adams((*past(q), 1))

    steps = [predict_correct(predictor(q), corrector(q), keep=p - 1, first=q == 1) for q in range(1, p + 1)]
    if p == 1:
        steps.append(predict_correct(predictor(1), corrector(1), keep=0, first=False))
    last = [
        written([combine("out", 1, y=flow(), **{f"E{j}": w for j, w in enumerate(predictor(q))})], "out")
        for q in range(1, p + 1)
    ]
    run = predictor_corrector(steps, last, ending)
    scheme = in_log_snr("unipc", run, Claims(classical=p + 1), "arXiv:2302.04867 Algorithms 5-8")
    return scheme.with_structure(str(p), **structure(variant=(variant, "bh2"), ending=(ending, "lower")))


def rbf_quantity(of: str, q: int, j: int) -> StepQuantity:
    """The weight of a value in the predictor or corrector of RBF-Solver, over the sum of its weights.

    q, j   of order q, the value j steps back; 0 is the new one
    """
    own = symbol(f"{of[0]}{q}_{j}")
    # both ends of a short step weigh alike, whatever the width
    known = HALF + LENGTH * own if (of, q) == ("corrector", 1) else own
    value = f"{counted(j, 'step')} back" if j else "at the predicted state"
    sentence = f"the weight of the value {value} in the {of} of order {q}, over that of all"
    return StepQuantity(own.name, RBF[of, q, j], sentence, f"{of[0]}_{{{q},{j}}}", known)


def rbf_weights(quantities: Sequence[StepQuantity]) -> tuple[Entry, ...]:
    """Those of E0 and the other values in a predictor or corrector of RBF-Solver, a new value last, of sum phi_1."""
    others = [symbol(quantity.name) for quantity in quantities]
    return tuple(w * phi(1) for w in (1 - sum(others, start=ZERO), *others))


def _width(of: str) -> Param:
    low, high = Fraction(1, 10), Fraction(20)
    return Param(f"shape_{of[0]}", Fraction(1), low, high, meaning=f"width of the {of}'s Gaussians, in steps")


@lru_cache
def rbf_solver(p: int = 3, *, predictor: str = "adams", ending: str = "lower") -> Scheme:
    """RBF-Solver of order p: the data interpolated by Gaussians in log-SNR, predicted and corrected.

    Widths are parameters, over the length of the step; the paper fits one a step, its code without fitted ones predicts
    by Adams-Bashforth and corrects with width 1. Wide ones tend to exponential Adams methods of order p and p + 1. A
    width that is kept makes constants exact, and no more: order 1, and 2 of p = 1, whose two nodes lie alike.
    predictor  adams, or rbf with a width of its own
    ending     as in `numtoolkit.declare.runs`; orders fall to 1 as in the authors' code where the run reaches order p
    """
    check_declared("rbf-solver", p, RBF_ORDERS[-1], letter="p")
    check_choice("rbf-solver", "predictor", predictor, ("adams", "rbf"))
    orders = range(1, p + 1)
    ahead = {q: [rbf_quantity("predictor", q, j) for j in range(1, q)] for q in orders if predictor == "rbf"}
    back = {q: [rbf_quantity("corrector", q, j) for j in (*range(1, q), 0)] for q in orders}
    predict = {q: rbf_weights(ahead[q]) if ahead else adams_weights(q) for q in orders}
    steps = [predict_correct(predict[q], rbf_weights(back[q]), keep=p - 1, first=q == 1) for q in orders]
    if p == 1:
        steps.append(predict_correct(predict[1], rbf_weights(back[1]), keep=0, first=False))
    run = predictor_corrector(steps, [predicted(predict[q]) for q in orders], ending)
    scheme = in_log_snr(
        "rbf-solver",
        run,
        Claims(classical=1),
        "arXiv:2603.13330; scpark20/RBF-Solver",
        params=tuple(_width(of) for of in ("predictor", "corrector") if of == "corrector" or any(ahead.values())),
        quantities=tuple(quantity for q in orders for quantity in (*ahead.get(q, ()), *back[q])),
    )
    return scheme.with_structure(str(p), **structure(predictor=(predictor, "adams"), ending=(ending, "lower")))


MULTISTEP = (dpmpp_2m, res_2m, res_3m, dpmpp_3m, dpmpp_3m_corrected, exp_adams, unipc, rbf_solver)
