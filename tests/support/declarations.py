"""Declarations that tests write out: textbook forms, and the slips of public ports."""

from dataclasses import replace
from fractions import Fraction as F

import numpy as np

from numtoolkit.declare.entries import adams, phi
from numtoolkit.declare.forms import history, past
from numtoolkit.declare.runs import filled
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.declare.steps import Steps
from numtoolkit.schemes import scheme

HALF, THIRD, TWO_THIRDS = F(1, 2), F(1, 3), F(2, 3)
# Members of families that the catalogue shows at their defaults, with bound parameters here and there.
MEMBERS = (
    "exp-adams(6)", "unipc(4)", "unipc(3, variant=bh1)", "deis-tab(5)", "ipndm(2)", "sa-solver(4, tau=1/2)",
    "gframe-ab(5)", "gframe-abm(5)", "gframe-abm(3, tau=1/2, mean=1/10)", "gddim(4)", "gddim-pc(4)", "iia-edm(3)",
    "biia-edm(3)", "iia-ddim(one)", "iia-ddim(guided)", "roba(tbar)", "roba(amp, part=m)", "coba(tbar, part=m)",
    "lambda-ddim-1(B=optimal)", "lambda-ddim-1(shift=3/2, B=beta)", "lambda-ddim-2(B=optimal)",
    "lambda-ddim-2(B=time, skip=mm)", "res-3s(c2=1/3)", "heun-edm-churn(churn=10, s_noise=1.003)",
    "dpm2-ancestral(eta=1/2)", "rbf-solver(4, predictor=rbf)", "stork-2(frozen=noise, substeps=3)",
)  # fmt: skip


def on_its_own_network(own):
    """The scheme on networks that return what it freezes: the rows of its programs are those that are declared."""

    def itself(problem, network, t):
        n, k = len(t), problem.width
        return np.zeros((n, k, problem.process.blocks)), np.broadcast_to(np.eye(k), (n, k, k))

    return replace(own, frozen=replace(own.frozen, of_network=itself))


def exponential(name, c, A, b, claim=1):
    """A test declaration in log-SNR; the first column of each row fills up to c_i phi_1(c_i), b up to phi_1."""
    return Scheme(name, "test", "test", filled(c, A, b), "data", "log-snr", claims=Claims(claim))


def res_3s(c2, c3):
    return scheme("res-3s").bind(c2=c2, c3=c3)


def gamma_form(c2, c3, exponent):
    """gamma, b_2 and b_3 of RES-3S; public ports have c3^3 in gamma for c3^2 (exponential-iia.md 3.3, 3.8)."""
    gamma = (3 * c3**exponent - 2 * c3) / (c2 * (2 - 3 * c2))
    return gamma, gamma * phi(2) / (gamma * c2 + c3), phi(2) / (gamma * c2 + c3)


def wrong_gamma(c2, c3):
    gamma, *b = gamma_form(c2, c3, 3)
    A = [[], [gamma * c2 * phi(2, c2) + c3**2 / c2 * phi(2, c3)]]
    return exponential("res-3s-wrong-gamma", [0, c2, c3], A, b)


WRONG_GAMMA = wrong_gamma(THIRD, TWO_THIRDS)


def dpmpp_3s_taylor(r1, r2):
    """DPM-Solver++(3S) of type taylor (exponential-iia.md 3.3)."""
    b = [(r2 * phi(2) - 2 * phi(3)) / (r1 * (r2 - r1)), (2 * phi(3) - r1 * phi(2)) / (r2 * (r2 - r1))]
    return exponential("dpmpp-3s-taylor", [0, r1, r2], [[], [r2**2 / r1 * phi(2, r2)]], b)


def multistep(name, weights):
    start = tuple(history(adams(past(k + 1)), k + 1) for k in range(len(weights) - 1))
    return Scheme(name, "test", "test", Steps(history(weights, len(weights) - 1), start), "data", "log-snr")


def res4lyf_3m(exponent):
    """RES4LYF's res_3m: the weights of RES-3S, with its gamma, at two nodes of the past (exponential-iia.md 2.4)."""
    _, c2, c3 = past(3)
    _, b2, b3 = gamma_form(c2, c3, exponent)
    return multistep(f"res_3m-exponent-{exponent}", [phi(1) - b2 - b3, b2, b3])


def predictor(name):
    """The predictor of a scheme that corrects, on its own."""
    member = scheme(name)
    return replace(member, steps=replace(member.steps, inner=replace(member.steps.inner, out="P")))
