"""Schemes whose corrections are fitted: improved integration approximations (arXiv:2304.11328), and a closed-form one.

A fitted coefficient is a step quantity: a symbol in proofs; in runs 0, which leaves the base scheme, until a table of
`numtoolkit.fitting` gives it one value a step. Coefficients are relative: kappa_0 and kappa_1 extrapolate the data and
the noise that the base holds fixed over a step, D + kappa_0 (D - D') and e + kappa_1 (e - e') with D', e' those of the
step before; beta and gamma are added to the base's own weights. The paper's coefficients, for a step of EDM from noise
level s to t, are

    phi_0 = kappa_0 (1 - t/s)           phi_1 = kappa_1 (t - s)                iia-ddim, iia-spndm, iia-ipndm
    phi_0 = -kappa_0 (1 - t/s)          phi_1 = kappa_1 (1 - t/s)              iia-dpmpp-2m
    beta = beta (t - s)                                                        iia-ddim(guided)
    gamma_0 = (1 + gamma_0) (t - s)     gamma_k = gamma_k (t - s)              biia-edm
    beta^e_0 = (1 + beta_e0) (t - s)/s  beta^D_0 = (1/2 + beta_d0) (t - s)/t   iia-edm
    beta^e_k = beta_ek (t - s)/s_k      beta^D_k = beta_dk (t - s)/t_k         of the step from s_k to t_k, k steps back

and on another process these times alpha at the end of the step, in the frame z / alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.entries import ONE, ZERO, Entry, flow, integral, op, phi, symbol, symbols
from numtoolkit.declare.forms import check_declared, combine, evaluate, history, written
from numtoolkit.declare.runs import EXPONENTIAL_EULER, SINGLE
from numtoolkit.declare.scheme import END_LEVEL, LENGTH, LEVEL, Scheme, StepQuantity
from numtoolkit.declare.steps import Item, Row, Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.problem.rules import gaussian_bend
from numtoolkit.schemes.commons import SIGMA_DATA
from numtoolkit.schemes.multistep import FIRST
from numtoolkit.schemes.noise_polynomials import EQUAL_STEPS

r0, fall, kappa_0, kappa_1 = symbol("r0"), symbol("fall"), symbol("kappa_0"), symbol("kappa_1")
HALF = Fraction(1, 2)
IIA = "arXiv:2304.11328"
FALL = StepQuantity("fall", END_LEVEL / LEVEL, "the noise level at the end of the step over that at its start")
MOST = 3  # earlier steps that iia-edm and biia-edm can use

Shares = Mapping[str, Fraction | int]  # evaluation -> its share of a mean


def fitted(
    name: str,
    base: str,
    steps: Steps,
    coefficients: Sequence[str],
    source: str,
    frozen: str = "noise",
    clock: str = "noise-level",
) -> Scheme:
    """A scheme `name` of given steps and source with fitted coefficients, which is its base where they are 0.

    coefficients    names of the step quantities that a table gives
    frozen, clock   what it holds fixed over a step, and in which variable
    """
    used = set().union(*(symbols(entry) for step in steps.distinct for _, entry in step.entries()))
    return Scheme(
        name,
        family="fitted",
        source=source,
        steps=replace(steps, final_to_zero=EXPONENTIAL_EULER),
        frozen=frozen,
        clock=clock,
        kinds="scalar",
        quantities=(FALL,) if fall.name in used else (),
        fitted=tuple(coefficients),
        base=base,
    )


# --- data and noise extrapolated from the step before


HERE: tuple[Item, ...] = (evaluate("E0"), combine("Y0", 0, y=1))  # the state under a name that can be carried


def transfer(name: str, noise: Shares, state: str = "Y0", origin: Entry = ZERO) -> Row:
    """The row `name`: DDIM from `state` at abscissa `origin` to the step's end, its noise a mean of evaluations."""
    weights = {source: share * integral(origin, 1) for source, share in noise.items()}
    return combine(name, 1, **{state: flow(origin, 1)}, **weights)


def extrapolated(now: Shares, before: Shares, keep: int) -> Step:
    """The DDIM step with the noise e = `now`, its data x - s e and its noise extrapolated from those a step earlier.

    T0 and T1 are the transfers to the end of the step, at noise level t, from here and from the state Y1 a step earlier
    with the noise e' = `before`: T0 - T1 = alpha (D - D' + t (e - e')). A step from s to t weighs the data by
    alpha (1 - t/s), and the noise by alpha (t - s), which is phi_1.
    keep   how many of the carried rows and evaluations the next step is handed
    """
    data, noise = kappa_0 * (1 - fall), kappa_0 * fall + kappa_1
    shares = {source: now.get(source, 0) - before.get(source, 0) for source in {**now, **before}}
    items = [
        *HERE,
        transfer("T0", now),
        transfer("T1", before, "Y1", -r0),
        combine("out", 1, T0=1 + data, T1=-data, **{source: w * noise * phi(1) for source, w in shares.items()}),
    ]
    return written(items, "out", carried(keep))


def carried(keep: int) -> dict[str, str]:
    """What a step hands on: its start as the state Y1 of the step before, and `keep` of its evaluations."""
    return {"Y1": "Y0"} | {f"E{j + 1}": f"E{j}" for j in range(keep)}


PLAIN = written([*HERE, transfer("out", {"E0": 1})], "out", carried(1))


def extrapolated_data(kappa: Entry) -> Step:
    """The DDIM step with the data D + kappa (D - D')."""
    return history([(1 + kappa) * phi(1), -kappa * phi(1)], keep=1)


@lru_cache
def iia_ddim(variant: str = "two") -> Scheme:
    """IIA-DDIM: the data (variant one), the data and the noise (two) extrapolated, or the noise scaled (guided)."""
    if variant == "one":
        step = extrapolated_data(kappa_0)
        own = fitted("iia-ddim", "ddim", Steps(step, (FIRST,)), ["kappa_0"], f"{IIA}, IIA-DDIM", "data", "log-snr")
    elif variant == "two":
        step = extrapolated({"E0": 1}, {"E1": 1}, keep=1)
        own = fitted("iia-ddim", "ddim", Steps(step, (PLAIN,)), ["kappa_0", "kappa_1"], f"{IIA}, IIA-DDIM")
    elif variant == "guided":
        step = written([evaluate("E0"), combine("out", 1, y=flow(), E0=(1 + symbol("beta")) * phi(1))], "out")
        own = fitted("iia-ddim", "ddim", Steps(step), ["beta"], f"{IIA}, IIA-DDIM with classifier-free guidance")
    else:
        raise InputError(f"iia-ddim({variant}) is not declared; use one, two or guided.")
    return own.with_structure(variant)


def adams_shares(order: int, first: int = 0) -> Shares:
    """Adams-Bashforth shares for equal steps, of the evaluation `first` steps back and those before it."""
    weights = EQUAL_STEPS[order - 1]
    return {f"E{first + j}": Fraction(w, sum(weights)) for j, w in enumerate(weights)}


def evaluated_ahead(state: str) -> tuple[Item, ...]:
    """An evaluation at the end of the DDIM step from a state."""
    return transfer("P", {"E0": 1}, state), evaluate("EP0", "P", 1)


IIA_SPNDM = fitted(
    "iia-spndm",
    "spndm",
    Steps(
        extrapolated(adams_shares(2), adams_shares(2, 1), keep=2),
        (
            written(
                [*HERE, *evaluated_ahead("Y0"), transfer("out", {"E0": HALF, "EP0": HALF})],
                "out",
                carried(1) | {"EP1": "EP0"},
            ),
            extrapolated(adams_shares(2), {"E1": HALF, "EP1": HALF}, keep=2),
        ),
        remainder=SINGLE,
    ),
    ["kappa_0", "kappa_1"],
    f"{IIA}, IIA-SPNDM",
)
IIA_IPNDM = fitted(
    "iia-ipndm",
    "ipndm(4)",
    Steps(
        extrapolated(adams_shares(4), adams_shares(4, 1), keep=4),
        (PLAIN, *(extrapolated(adams_shares(q), adams_shares(q - 1, 1), keep=q) for q in (2, 3, 4))),
    ),
    ["kappa_0", "kappa_1"],
    f"{IIA}, IIA-IPNDM",
)

TWO_POINT_FITTED = written(
    [
        evaluate("E0"),
        combine(
            "out",
            1,
            y=flow() + kappa_0 * (flow() - flow(L=op("F"))),
            E0=(1 + 1 / (2 * r0) + kappa_1) * phi(1),
            E1=-phi(1) / (2 * r0),
        ),
    ],
    "out",
    {"E1": "E0"},
)
# On EDM the first correction is -kappa_0 (1 - t/s) z, the second kappa_1 (1 - t/s) D.
IIA_DPMPP_2M = fitted(
    "iia-dpmpp-2m",
    "dpmpp-2m",
    Steps(TWO_POINT_FITTED, (FIRST,)),
    ["kappa_0", "kappa_1"],
    f"{IIA}, IIA-DPM-Solver++",
    "data",
    "log-snr",
)


# --- Heun in the noise level, with its slopes and those of earlier steps weighed anew


def weighed_heun(shares: Sequence[tuple[Entry, Entry]], keep: int) -> Step:
    """The Heun step with the given shares of the noises at the start and the end of this step, the one before, ..."""
    weights = {f"E{j}": first * phi(1) for j, (first, _) in enumerate(shares)}
    weights |= {f"EP{j}": second * phi(1) for j, (_, second) in enumerate(shares)}
    carry = {f"{kind}{j + 1}": f"{kind}{j}" for j in range(keep) for kind in ("E", "EP")}
    return written([evaluate("E0"), *evaluated_ahead("y"), combine("out", 1, y=flow(), **weights)], "out", carry)


def heun_family(
    name: str, r: int, kinds: Sequence[str], shares: Callable[[int], tuple[Entry, Entry]], source: str
) -> Scheme:
    """Heun's step, then steps with as much history as there is, up to r earlier steps: the scheme `name` from `source`.

    kinds    what the coefficients are called, a name for each
    shares   of the noises at the start and the end of the step j steps back
    """
    check_declared(name, r, MOST, low=0, letter="r")
    plain = weighed_heun([(ONE / 2, ONE / 2)], keep=min(1, r))
    steps = [weighed_heun([shares(j) for j in range(k + 1)], keep=min(k + 1, r)) for k in range(r + 1)]
    names = [f"{kind}{j}" for j in range(r + 1) for kind in kinds]
    run = Steps(steps[r], (plain, *steps[1:r]), remainder=SINGLE)
    return fitted(name, "heun-edm", run, names, source).with_structure(str(r))


def mean_slope(j: int) -> tuple[Entry, Entry]:
    """gamma_j (e + e')/2 for the noises e, e' at the start and end of the step j steps back; 1 + gamma_0 for this."""
    share = (symbol(f"gamma_{j}") + (0 if j else 1)) / 2
    return share, share


def slope_parts(j: int) -> tuple[Entry, Entry]:
    """beta_ej e + beta_dj (e' - e), with 1 + beta_e0 and 1/2 + beta_d0 for this step."""
    first, change = symbol(f"beta_e{j}") + (0 if j else 1), symbol(f"beta_d{j}") + (0 if j else HALF)
    return first - change, change


@lru_cache
def biia_edm(r: int = 1) -> Scheme:
    """BIIA-EDM(r): Heun with its mean slope and those of r earlier steps weighed anew; the first step is Heun's own."""
    return heun_family("biia-edm", r, ["gamma_"], mean_slope, f"{IIA}, BIIA-EDM, Algorithm 2")


@lru_cache
def iia_edm(r: int = 1) -> Scheme:
    """IIA-EDM(r): Heun with both parts of its slope, and of r earlier ones, weighed anew; the first is Heun's own."""
    return heun_family("iia-edm", r, ["beta_e", "beta_d"], slope_parts, f"{IIA}, IIA-EDM, Lemma 1")


# --- the two-step scheme that is exact on one Gaussian


GAUSS_FIT_2M = Scheme(
    "gauss-fit-2m",
    family="fitted",
    source="new here: iia-ddim(one) in closed form, exact on N(mean, sigma_data^2) from exact states",
    steps=Steps(extrapolated_data(symbol("bend") / (2 * r0)), (FIRST,), final_to_zero=EXPONENTIAL_EULER),
    frozen="data",
    clock="log-snr",
    kinds="scalar",
    params=(SIGMA_DATA,),
    quantities=(
        StepQuantity(
            "bend",
            gaussian_bend,
            "2 r0 times the extrapolated share that makes the step exact on the Gaussian law",
            expansion=1 + LENGTH * symbol("bend"),
        ),
    ),
)

FITTED = (iia_ddim, biia_edm, iia_edm, IIA_SPNDM, IIA_IPNDM, IIA_DPMPP_2M, GAUSS_FIT_2M)
