"""Splittings of phase space, step by step as arXiv:2310.07894, arXiv:2402.07211 and arXiv:2112.07068 write them.

z = (x, m) and S = (S^x, S^m). A step takes the process, the score S(z, t), the state, the times t and u of its start
and end, h, and draw(i), the i-th normals of the step, where it has noise. q = 1 is the probability flow, q = 2 the
reverse SDE. psld.md names sections of the specification; h is the integral of beta, its b h is h / 2.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import expm

from tests.oracles.classical import BOGACKI_SHAMPINE, DORMAND_PRINCE, explicit, rules
from tests.oracles.common import Run, spent
from tests.oracles.langevin import Langevin, apply, carried, inverse_turned, lower_factor, nodes, score, turned

# --- splittings: psld.md 2.1 to 2.3, q = 1 for the probability flow, q = 2 beside O


def kick_x(p, z, S, h, q):
    """A: x moves with m and the score held; q = 2 also undoes the damping of O."""
    x, m = z
    return np.stack([x + h / 2 * (q * p.Gamma * (x + S[0]) - p.k * m), m])


def kick_m(p, z, S, h, q):
    """B: m moves with x and the score held."""
    x, m = z
    return np.stack([x, m + h / 2 * (x + q * p.nu * (m + p.M * S[1]))])


def forward_euler(p, s, z, t, h, q):
    """z + drift over h, the score told t: psld.md 1.4."""
    (x, m), (Sx, Sm) = z, s(z, t)
    half = h / 2
    return np.stack([
        x + half * (p.Gamma * x - p.k * m + q * p.Gamma * Sx),
        m + half * (x + p.nu * m + q * p.M * p.nu * Sm),
    ])  # fmt: skip


def nse(p, s, z, t, u, h):
    """Each kick with a score of its own, told the start."""
    z = kick_m(p, z, s(z, t), h, 1)
    return kick_x(p, z, s(z, t), h, 1)


def rse(p, s, z, t, u, h):
    """Both kicks with the first score."""
    S = s(z, t)
    return kick_x(p, kick_m(p, z, S, h, 1), S, h, 1)


def nvv(p, s, z, t, u, h):
    """B, A, B with scores of their own, all told the start."""
    z = kick_m(p, z, s(z, t), h / 2, 1)
    z = kick_x(p, z, s(z, t), h, 1)
    return kick_m(p, z, s(z, t), h / 2, 1)


def rvv(p, s, z, t, u, h, told=None):
    """The first score for B and A; the last B with one told the end, or `told`."""
    S = s(z, t)
    z = kick_x(p, kick_m(p, z, S, h / 2, 1), S, h, 1)
    return kick_m(p, z, s(z, u if told is None else told), h / 2, 1)


def rvv_unshifted(p, s, z, t, u, h):
    """The last score told the start as well."""
    return rvv(p, s, z, t, u, h, told=t)


def damped(p, z, h, xi, variance=None):
    """O: both variables damped exactly; `variance` of their noises, by default what keeps N(0, diag(1, M))."""
    own = kept_variance(p, h) if variance is None else variance
    return np.stack([
        np.exp(-h * p.Gamma / 2) * z[0] + np.sqrt(own[0]) * xi[0],
        np.exp(-h * p.nu / 2) * z[1] + np.sqrt(own[1]) * xi[1],
    ])  # fmt: skip


def kept_variance(p, h):
    """Of the noises in x and m that keep N(0, diag(1, M)) through O."""
    return 1 - np.exp(-h * p.Gamma), p.M * (1 - np.exp(-h * p.nu))


def injected(p, t, u, h, reading, lambda_s, part):
    """psld.md 2.3: the readings of lambda_s, which enters the noise of x, or of m; tbar is in units of beta's mean."""
    longer = {"rate": h, "tbar": (t + u) / 2 * h / (t - u)}.get(reading)
    kept = kept_variance(p, h)
    own = kept_variance(p, lambda_s * longer) if longer is not None else tuple(lambda_s**2 * v for v in kept)
    return (own[0], kept[1]) if part == "x" else (kept[0], own[1])


def noba(p, s, z, t, u, h, draw):
    """O, B, A with scores of their own."""
    z = damped(p, z, h, draw(0))
    z = kick_m(p, z, s(z, t), h, 2)
    return kick_x(p, z, s(z, t), h, 2)


def roba(p, s, z, t, u, h, draw, reading="rate", *, lambda_s=1.0, part="x"):
    """O, then B and A with one score."""
    z = damped(p, z, h, draw(0), injected(p, t, u, h, reading, lambda_s, part))
    S = s(z, t)
    return kick_x(p, kick_m(p, z, S, h, 2), S, h, 2)


def nbao(p, s, z, t, u, h, draw):
    """B, A with scores of their own, then O."""
    z = kick_m(p, z, s(z, t), h, 2)
    z = kick_x(p, z, s(z, t), h, 2)
    return damped(p, z, h, draw(0))


def rbao(p, s, z, t, u, h, draw):
    """B and A with one score, then O."""
    S = s(z, t)
    return damped(p, kick_x(p, kick_m(p, z, S, h, 2), S, h, 2), h, draw(0))


def nobab(p, s, z, t, u, h, draw):
    """O, B, A, B with scores of their own, all told the start."""
    z = damped(p, z, h, draw(0))
    z = kick_m(p, z, s(z, t), h / 2, 2)
    z = kick_x(p, z, s(z, t), h, 2)
    return kick_m(p, z, s(z, t), h / 2, 2)


def robab(p, s, z, t, u, h, draw):
    """O, then B and A with one score, the last B with one told the end."""
    z = damped(p, z, h, draw(0))
    S = s(z, t)
    z = kick_x(p, kick_m(p, z, S, h / 2, 2), S, h, 2)
    return kick_m(p, z, s(z, u), h / 2, 2)


def em(p, s, z, t, u, h, draw):
    """In process time: h is beta(t) (t - u)."""
    h = p.beta(t) * (t - u)
    deviation = np.sqrt(h * np.diag(p.unit_Q))
    return forward_euler(p, s, z, t, h, 2) + np.einsum("i,i...->i...", deviation, draw(0))


def analytic(p, z, h, xi):
    """arXiv:2112.07068 Algorithm 1: the linear SDE at equilibrium over h, exactly."""
    A = np.array([[-p.Gamma, -p.k], [1, -p.nu]]) / 2
    x, w = legendre.leggauss(12)
    flows = np.stack([expm(h * (c + 1) / 2 * A) for c in x])
    noise = np.einsum("sij,s->ij", carried(flows, p.unit_Q), w / 2) * h
    return apply(expm(h * A), z) + apply(lower_factor(noise), xi)


def score_step(p, z, at, S, h):
    """z + h Q (S + z / equilibrium variance), the right-hand side at the state `at`."""
    return z + h * apply(p.unit_Q, S + np.stack([at[0], p.k * at[1]]))


def sscs(p, s, z, t, u, h, draw):
    """psld.md 2.1; told the start of the step, as the authors' code is."""
    z = analytic(p, z, h / 2, draw(0))
    return analytic(p, score_step(p, z, z, s(z, t), h), h / 2, draw(1))


def sscs_midpoint(p, s, z, t, u, h, draw):
    """psld.md 3.4: the score step by the midpoint rule, told the middle of the step."""
    middle = middle_time(p, t, u)
    z = analytic(p, z, h / 2, draw(0))
    half = score_step(p, z, z, s(z, middle), h / 2)
    return analytic(p, score_step(p, z, half, s(half, middle), h), h / 2, draw(1))


def middle_time(p, t, u):
    """Where half of the integral of beta over a step is behind."""
    b, slope = (p.elapsed(t) + p.elapsed(u)) / 2, p.beta_max - p.beta_min
    return b / p.beta_min if slope == 0 else (np.sqrt(p.beta_min**2 + 2 * slope * b) - p.beta_min) / slope


# --- conjugate splittings: psld.md 2.5, e frozen, shift lambda per unit of process time


def noise_of(p, S, t):
    """e with S = -L^-T e."""
    return -apply(turned(p.noise_factor(t)), S)


def conjugate_kick(p, z, e, t, u, q, shift, row):
    """B (row m) or A (row x) over [u, t]: factors f = exp(lambda (s - u) + q b c (s - u)), c the damping of the row.

    The Euler step that takes lambda back is one in the integral of beta: lambda / beta at its start, times h.
    """
    s, w = nodes(u, t)
    own, other = (0, 1) if row == "x" else (1, 0)
    damping, coupling = (p.Gamma, -p.k) if row == "x" else (p.nu, 1.0)
    h = p.elapsed(t) - p.elapsed(u)

    def factor(s):
        return np.exp(shift * (s - u) + q * damping / 2 * (p.elapsed(s) - p.elapsed(u)))

    weights = w * factor(s) * p.beta(s) / 2
    noise = q * p.unit_Q[own, own] * inverse_turned(p.noise_factor(s))[:, own]
    moved = factor(t) * (1 - shift * h / p.beta(t)) * z[own] + coupling * weights.sum() * z[other]
    moved = moved - np.tensordot(weights @ noise, e, 1)
    return np.stack([moved, z[1]] if row == "x" else [z[0], moved])


def cse(p, s, z, t, u, h, shift=0.0, q=1):
    """B and A with the same e."""
    e = noise_of(p, s(z, t), t)
    return conjugate_kick(p, conjugate_kick(p, z, e, t, u, q, shift, "m"), e, t, u, q, shift, "x")


def cvv(p, s, z, t, u, h, shift=0.0):
    """B over the first half, A, both with the first e; B over the second half, told the end."""
    e, middle = noise_of(p, s(z, t), t), middle_time(p, t, u)
    z = conjugate_kick(p, z, e, t, middle, 1, shift, "m")
    z = conjugate_kick(p, z, e, t, u, 1, shift, "x")
    return conjugate_kick(p, z, noise_of(p, s(z, u), u), middle, u, 1, shift, "m")


def coba(p, s, z, t, u, h, draw, reading="rate", *, shift=0.0, lambda_s=1.0, part="x"):
    """O, then B and A with the e after it."""
    z = damped(p, z, h, draw(0), injected(p, t, u, h, reading, lambda_s, part))
    return cse(p, s, z, t, u, h, shift, q=2)


def euler(p, s, z, t, u, h):
    """In process time."""
    return forward_euler(p, s, z, t, p.beta(t) * (t - u), 1)


def heun(p, s, z, t, u, h):
    """The mean of the slopes at both ends."""
    first = euler(p, s, z, t, u, h) - z
    return z + (first + forward_euler(p, s, z + first, u, p.beta(u) * (t - u), 1) - z - first) / 2


# name: (the step, those of 1, 2, ... evaluations for the rest of a budget); the last ones draw noise
FLOW = {
    "euler": (euler,),
    "heun": (heun, euler),
    "nse": (nse, rse),
    "rse": (rse,),
    "nvv": (nvv, rse, rvv),
    "rvv": (rvv, rse),
    "rvv-unshifted": (rvv_unshifted, rse),
    "cse": (cse,),
    "cvv": (cvv, cse),
}
REVERSE = {
    "em": (em,),
    "sscs": (sscs,),
    "sscs-midpoint": (sscs_midpoint, sscs),
    "noba": (noba, roba),
    "roba": (roba,),
    "nbao": (nbao, rbao),
    "rbao": (rbao,),
    "nobab": (nobab, roba, robab),
    "robab": (robab, roba),
    "coba": (coba,),
}


def splitting(inner, *shorter, q):
    """The formula of runs: whole steps, a shorter one for what they leave of a budget, the denoising step to t = 0.

    Where a run of Heun's ends in lower order, two steps of Euler's stand for its last step; one does in an odd budget.
    """

    def formula(run, *arguments, ending="full", **parameters):
        p, z = Langevin.of(run.process), np.asarray(run.start)
        to_zero = run.times[-1] == 0
        left = 0 if run.nfe is None else (run.nfe - to_zero) % (len(shorter) + 1)
        whole = len(run.times) - 1 - to_zero - bool(left)
        steps = [*[inner] * whole, *([shorter[left - 1]] if left else [])]
        if ending == "lower":
            lower = 2 if run.nfe is None else 2 - run.nfe % 2
            steps = [*[inner] * (len(run.times) - 1 - lower), *shorter * (lower - to_zero)]

        def s(z, t):
            return score(p, run.network(z, t), z, t)

        for n, (t, u) in enumerate(pairwise(run.times)):
            h = p.elapsed(t) - p.elapsed(u)
            if n == len(steps):  # psld.md 2.6: z + t drift, with the half or the full score and no noise
                z = forward_euler(p, s, z, t, p.beta(t) * t if inner in IN_TIME else h, q)
            elif q == 1:
                z = steps[n](p, s, z, t, u, h, *arguments, **parameters)
            elif steps[n] is inner:
                z = inner(p, s, z, t, u, h, lambda slot, n=n: run.normals(n, slot), *arguments, **parameters)
            else:
                z = steps[n](p, s, z, t, u, h, lambda slot, n=n: run.normals(n, slot))
            yield z

    return formula


IN_TIME = (euler, heun, em)
SPLITTINGS = {name: splitting(*steps, q=1) for name, steps in FLOW.items()}
SPLITTINGS |= {name: splitting(*steps, q=2) for name, steps in REVERSE.items()}


def pair(whole):
    """The rule that an embedded pair goes on with, in process time; the step to t = 0 is Euler's."""

    def formula(run):
        p, z = Langevin.of(run.process), np.asarray(run.start)
        counts = spent(Run(run.process, run.network, run.times, z, nfe=run.nfe), len(whole[0]))

        def rate(z, t):
            return z - forward_euler(p, lambda z, t: score(p, run.network(z, t), z, t), z, t, p.beta(t), 1)

        for t, u, rule in zip(run.times[:-1], run.times[1:], rules(counts, whole), strict=True):
            z = explicit(rate, z, t, u - t, rule)
            yield z

    return formula


SPLITTINGS |= {"bs32": pair(BOGACKI_SHAMPINE), "dopri5": pair(DORMAND_PRINCE)}
