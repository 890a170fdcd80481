"""The schemes of phase space that solve the linear part exactly: conjugate integrators, gDDIM and the Gaussian frame.

Between calls each holds some quantity, or a polynomial through its values, and solves dz/dt = -W z - N e for the rest:

    z' = U(t) z - int_t'^t U N e ds,     U' = U W,  U(t') = 1      (psld.md 2.4)
"""

from __future__ import annotations

from itertools import combinations, pairwise
from math import factorial

import numpy as np
from scipy.optimize import brentq

from tests.oracles.langevin import (
    Langevin,
    apply,
    blocks,
    flow_into,
    inverse_turned,
    lower_factor,
    nodes,
    score,
    solved,
    turned,
)

# --- conjugate integrators, psld.md 2.4: S = C_skip z - L^-T e, B a multiple of a fixed matrix or the best one

MATRIX = {"lambda-ddim-1": np.eye(2), "lambda-ddim-2": np.ones((2, 2))}


def conjugate(run, B, skip="none", mean=0.0):
    """z' = U(t) (1 - (t - t') B) z - (int U N) e about the mean, B(step start) -> t -> (..., 2, 2)."""
    p, z = Langevin.of(run.process), np.asarray(run.start)

    def C_skip(t):
        return blocks(-1 / p.covariance(t)[..., 1, 1] if skip == "mm" else 0 * t) * np.eye(2)

    for t, u in pairwise(run.times):
        own = (lambda s: 0 * blocks(s)) if u == 0 else B(p, C_skip, t)  # the step to t = 0 has no B
        moved = z - mean_of(p, t, mean, z)
        e = -apply(turned(p.noise_factor(t)), score(p, run.network(z, t), z, t) - apply(C_skip(t), moved))
        s, w = nodes(u, t)
        U, whole = flow_into(lambda s, own=own: own(s) - p.F(s) + p.Q(s) @ C_skip(s) / 2, u, t)
        c = np.einsum("n,nij,njk->ik", w, U, p.Q(s) @ inverse_turned(p.noise_factor(s)) / 2)
        moved = apply(whole @ (np.eye(2) - (t - u) * own(t)), moved) - apply(c, e)
        z = moved + mean_of(p, u, mean, z)
        yield z


def mean_of(p, t, mean, z):
    """Where the forward flow takes the mean of the data, like z."""
    return np.multiply.outer(p.mean(t) * mean, np.ones(np.shape(z)[1:]))


def ddim(run):
    """The noise is held and all of the linear part solved: B = 0."""
    return conjugate(run, lambda p, C_skip, t: lambda s: 0 * blocks(s))


def lambda_ddim(matrix):
    """B = shift times the matrix; times beta, times t, or with the shift of the least local error."""

    def formula(run, *, shift=0.0, B="constant", skip="none", sigma_data=0.5, mean=0.0):
        def constant(p, C_skip, t):
            if B == "optimal":
                best = best_multiple(matrix, *local_error(p, C_skip, t, sigma_data))
                return lambda s: blocks(0 * s) + best * matrix
            unit = {"constant": lambda s: 1 + 0 * s, "beta": p.beta, "time": lambda s: s}[B]
            return lambda s: blocks(shift * unit(s)) * matrix

        return conjugate(run, constant, skip, mean)

    return formula


def conjugate_optimal(run, *, sigma_data=0.5, mean=0.0):
    """psld.md 5.2: the B that leaves a Gaussian law of the data no error of second order."""

    def B(p, C_skip, t):
        best = smallest_root(*local_error(p, C_skip, t, sigma_data))
        return lambda s: blocks(0 * s) + best

    return conjugate(run, B, mean=mean)


def local_error(p, C_skip, t, sigma_data):
    """(K, F~, N De) of psld.md 3.2: a step misses (h^2 / 2)(B^2 + B K - F~ B + N De) z on data N(0, sigma_data^2).

    e = eb z with eb = L' (V^-1 + C_skip), F~ = F - Q C_skip / 2, N = Q L^-T / 2, K = F~ + N eb, De = eb' + eb K.
    """
    t = np.float64(t)
    S, dS, L, F, Q = p.covariance(t), p.covariance_rate(t), p.noise_factor(t), p.F(t), p.Q(t)
    inner = np.linalg.solve(L, dS) @ inverse_turned(L)
    dL = L @ (np.tril(inner) - np.diag(np.diag(inner)) / 2)  # of Cholesky's factor
    e = p.mean(t)
    V_inverse = np.linalg.inv(S + sigma_data**2 * np.outer(e, e))
    V = np.linalg.inv(V_inverse)
    dV_inverse = -V_inverse @ (F @ V + V @ F.T + Q) @ V_inverse
    skip = C_skip(t)
    dskip = np.eye(2) * skip[0, 0] ** 2 * dS[1, 1]  # of -1 / Sigma_mm where that is split off
    eb, N = L.T @ (V_inverse + skip), Q @ np.linalg.inv(L).T / 2
    linear = F - Q @ skip / 2
    K = linear + N @ eb
    return K, linear, N @ (dL.T @ (V_inverse + skip) + L.T @ (dV_inverse + dskip) + eb @ K)


def best_multiple(X, K, F, rest):
    """The lambda that makes lambda^2 X^2 + lambda (X K - F X) + rest least, in the Frobenius norm; of two the smaller.

    The square of the norm is a quartic; its flat places are roots of a cubic.
    """
    parts = [X @ X, X @ K - F @ X, rest]
    quartic = np.zeros(5)
    for i, one in enumerate(parts):
        for j, other in enumerate(parts):
            quartic[i + j] += np.sum(one * other)
    flat = np.roots(np.polyder(quartic))
    real = flat[np.abs(flat.imag) <= 1e-9 * np.abs(flat)].real
    value = np.polyval(quartic, real)
    return min(real[value <= value.min() + 1e-9 * abs(value.min())], key=abs)


def smallest_root(K, F, rest):
    """The real B of least norm with B^2 + B K - F B + rest = 0, from invariant planes of [[K, 1], [-rest, F]]."""
    _, vectors = np.linalg.eig(np.block([[K, np.eye(2)], [-rest, F]]))
    found = [vectors[2:, own] @ np.linalg.inv(vectors[:2, own]) for own in map(list, combinations(range(4), 2))]
    return min((B.real for B in found if np.abs(B.imag).max() <= 1e-9 * np.abs(B).max()), key=np.linalg.norm)


# --- polynomials through past values


class Held:
    """What a multistep scheme holds, about the mean of a law, and the steps that it makes of it.

    linear, forcing   of dz/dt = linear z + forcing e; quantity, e of the network's outputs; clock, that of the nodes
    """

    mean, tau = 0.0, 0.0

    def __init__(self, run):
        self.p, self.run = Langevin.of(run.process), run
        self.known = {}

    def pieces(self, t, u):
        """(U(t), nodes s, -w U N, lower factor of the noise) of the step from t to u."""
        if (t, u) not in self.known:
            s, w = nodes(u, t)
            U, whole = flow_into(lambda s: -self.linear(s), u, t)
            noise = np.einsum("n,nij,njk,nlk->il", self.tau**2 * w, U, self.p.Q(s), U)
            self.known[t, u] = whole, s, -blocks(w) * (U @ self.forcing(s, t, u)), lower_factor(noise)
        return self.known[t, u]

    def evaluate(self, z, t):
        return self.quantity(self.run.network(z, t), z, t)

    def solution(self, z, t, u, polynomials, values, xi=None):
        """The state at u with e = sum of polynomials (functions of the clock) times values."""
        whole, s, weights, factor = self.pieces(t, u)
        moved = apply(whole, z - mean_of(self.p, t, self.mean, z)) + mean_of(self.p, u, self.mean, z)
        for polynomial, value in zip(polynomials, values, strict=True):
            moved = moved + apply(np.einsum("n,nij->ij", polynomial(self.clock(s)), weights), value)
        return moved if xi is None else moved + apply(factor, xi)

    def adams(self, z, t, u, at, values, xi=None):
        """The polynomial through values at the times `at`."""
        known = [self.clock(own) for own in at]
        return self.solution(z, t, u, [lagrange(known, j) for j in range(len(known))], values, xi)

    def krogstad(self, z, t, u):
        """arXiv:math/0504466's ETDRK4-B, tableau of Krogstad 2005: the state, and the first of its four evaluations."""
        start, h = self.clock(t), self.clock(u) - self.clock(t)
        middle = self.time(start + h / 2)

        def phi(j, c=1.0):  # h phi_j(c h L) N = (1 / c) int_0^c exp((c - r) h L) N (r / c)^(j - 1) / (j - 1)! dr h
            return lambda x: ((x - start) / (c * h)) ** (j - 1) / factorial(j - 1) / c

        def weighed(*terms):
            return lambda x: sum(number * phi(x) for number, phi in terms)

        E0 = self.evaluate(z, t)
        E1 = self.evaluate(self.solution(z, t, middle, [weighed((1 / 2, phi(1, 1 / 2)))], [E0]), middle)
        rows = [weighed((1 / 2, phi(1, 1 / 2)), (-1, phi(2, 1 / 2))), phi(2, 1 / 2)]
        E2 = self.evaluate(self.solution(z, t, middle, rows, [E0, E1]), middle)
        rows = [weighed((1, phi(1)), (-2, phi(2))), weighed((2, phi(2)))]
        E3 = self.evaluate(self.solution(z, t, u, rows, [E0, E2]), u)
        rows = [weighed((1, phi(1)), (-3, phi(2)), (4, phi(3))), weighed((2, phi(2)), (-4, phi(3)))]
        rows += [rows[1], weighed((-1, phi(2)), (4, phi(3)))]
        return self.solution(z, t, u, rows, [E0, E1, E2, E3]), E0


def lagrange(known, j):
    """The polynomial that is 1 at known[j] and 0 at the others."""

    def basis(x):
        return np.prod([(x - own) / (known[j] - own) for i, own in enumerate(known) if i != j], axis=0) + 0 * x

    return basis


class RotatedNoise(Held):
    """gDDIM (arXiv:2206.05564): e = -R' S with R' = (F + Q Sigma^-1 / 2) R, R R' = Sigma; nodes in process time.

    Only R R^-1 counts: R starts as the Cholesky factor at the first time, and is carried down.
    """

    def __init__(self, run):
        super().__init__(run)
        self.factors = {run.times[0]: self.p.noise_factor(run.times[0])}

    def carried(self, t, u):
        """R at the nodes of a step from t, and at u."""
        R, last = flow_into(lambda s: turned(self.rate(s)), t, u)
        return turned(R)[::-1] @ self.factor(t), last.T @ self.factor(t)

    def rate(self, t):
        return self.p.F(t) + self.p.Q(t) @ np.linalg.inv(self.p.covariance(t)) / 2

    def factor(self, t):
        if t not in self.factors:
            self.factors[t] = self.carried(min(own for own in self.factors if own > t), t)[1]
        return self.factors[t]

    def linear(self, t):
        return self.p.F(t)

    def forcing(self, s, t, u):
        return self.p.Q(s) @ inverse_turned(self.carried(t, u)[0]) / 2

    def quantity(self, out, z, t):
        return -apply(self.factor(t).T, score(self.p, out, z, t))

    def clock(self, t):
        return t

    def time(self, x):
        return x


class Residual(Held):
    """gaussian-frame.md: S = -V^-1 (z - e mean) + K u, K = [c a, g], a = Sigma^-1 e_t; nodes in the angle.

    g is what Gram and Schmidt leave of the momentum beside a, in the metric of Sigma: a network of two free outputs
    needs it, and the score of any data prediction has none of it.
    tau  of the SDE: the score counts (1 + tau^2) / 2 and the noise is tau sqrt(Q) dw
    """

    def __init__(self, run, sigma_data, mean, tau):
        super().__init__(run)
        self.v, self.mean, self.tau = sigma_data**2, mean, tau

    def law(self, t):
        """(V, K): V of the law at t, c^2 = v / (1 + v e' a) the variance of x_0 given z under it."""
        e, S = self.p.mean(t), self.p.covariance(t)
        a = solved(S, e)
        V = S + self.v * e[..., :, None] * e[..., None, :]
        information = np.einsum("...i,...i->...", e, a)
        g = np.array([0.0, 1.0]) - a * (e[..., 1] / information)[..., None]
        unit = np.einsum("...i,...ij,...j->...", g, S, g) ** -0.5
        return V, np.stack([a * np.sqrt(self.v / (1 + self.v * information))[..., None], g * unit[..., None]], -1)

    def linear(self, t):
        return self.p.F(t) + (1 + self.tau**2) / 2 * self.p.Q(t) @ np.linalg.inv(self.law(t)[0])

    def forcing(self, s, t, u):
        return -(1 + self.tau**2) / 2 * self.p.Q(s) @ self.law(s)[1]

    def quantity(self, out, z, t):
        V, K = self.law(t)
        own = score(self.p, out, z, t) + apply(np.linalg.inv(V), z - mean_of(self.p, t, self.mean, z))
        return apply(np.linalg.inv(K), own)

    def clock(self, t):
        return np.arctan(self.p.noise_level(t) / np.sqrt(self.v))

    def time(self, x):
        ends = self.run.times[-1], self.run.times[0]
        return brentq(lambda t: self.clock(t) - x, *ends, xtol=1e-17, rtol=1e-15)


def order(n, N, k, opening="raised", ending="full"):
    """Of step n of N: 1, 2, ... as the history grows, or 1 until it is there; falling to 1 at the end, or 1 at the end.

    A step to t = 0 is of order 1 except where a run ends in order k there (`ending=zero`).
    """
    own = min(n + 1, k) if opening == "raised" else k if n >= k - 1 else 1
    return min(own, {"lower": N - n, "ddim": max(1, k * (N - 1 - n))}.get(ending, k))


def bashforth(held, k, opening, ending):
    """Adams-Bashforth; a run too short to open and to end has its orders rise as far as its end lets them."""
    run, z, values = held.run, np.asarray(held.run.start), []
    times, N = run.times, len(run.times) - 1
    opening = "raised" if N < k - 1 + {"lower": k - 1, "ddim": 1}.get(ending, 0) else opening
    for n, (t, u) in enumerate(pairwise(times)):
        xi = run.normals(n, 0) if held.tau else None
        if opening == "runge-kutta" and n < k - 1:
            z, value = held.krogstad(z, t, u)
            values = [value, *values]
        else:
            values = [held.evaluate(z, t), *values]
            own = 1 if u == 0 and ending != "zero" else order(n, N, k, opening, ending)
            z = held.adams(z, t, u, times[n : n - own : -1] if n >= own else times[n::-1], values[:own], xi)
        yield z


def moulton(held, k, ending):
    """Predict, evaluate, correct with the new value, which is kept as evaluated; the last step predicts (order k)."""
    run, z, values = held.run, np.asarray(held.run.start), []
    times, N = run.times, len(run.times) - 1
    for n, (t, u) in enumerate(pairwise(times)):
        xi = run.normals(n, 0) if held.tau else None
        values = values or [held.evaluate(z, t)]
        own = min(k, N) if n == N - 1 and ending != "lower" else order(n, N, k, ending=ending)
        own = 1 if n == N - 1 and (ending == "ddim" or (u == 0 and ending != "zero")) else own
        own = min(own, len(values))
        at = [times[n - j] for j in range(own)]
        predicted = held.adams(z, t, u, at, values[:own], xi)
        if n == N - 1:
            yield predicted
            return
        own = min(n + 1, k, N - n) if ending == "lower" else min(n + 1, k)
        values = [held.evaluate(predicted, u), *values]
        at = [u, *(times[n - j] for j in range(own))]
        z = held.adams(z, t, u, at, values[: own + 1], xi)
        yield z


def moulton_again(held, k):
    """Predict, evaluate, correct, evaluate the corrected state; the last step of an odd budget only predicts.

    On the way to t = 0, where nothing can be evaluated, an even budget begins with a step of order 1.
    """
    run, z, values = held.run, np.asarray(held.run.start), []
    times, N = run.times, len(run.times) - 1
    even = run.nfe is not None and run.nfe % 2 == 0
    apart = even and times[-1] == 0
    for n, (t, u) in enumerate(pairwise(times)):
        values = [held.evaluate(z, t), *values]
        own = min(k, len(values))
        at = [times[n - j] for j in range(own)]
        predicted = held.adams(z, t, u, at, values[:own])
        if (apart and n == 0) or (n == N - 1 and (apart or not even)):
            z, values = predicted, []
        else:
            z = held.adams(z, t, u, [u, *at], [held.evaluate(predicted, u), *values[:own]])
        yield z


def gddim(run, k=2, *, opening="raised", ending="full"):
    return bashforth(RotatedNoise(run), k, opening, ending)


def gddim_pc(run, k=2):
    return moulton_again(RotatedNoise(run), k)


def gframe_ab(run, k=2, *, sigma_data=0.5, mean=0.0, tau=0.0, opening="raised", ending="zero"):
    return bashforth(Residual(run, sigma_data, mean, tau), k, opening, ending)


def gframe_abm(run, k=2, *, sigma_data=0.5, mean=0.0, tau=0.0, ending="zero"):
    return moulton(Residual(run, sigma_data, mean, tau), k, ending)


EXACT = {
    "ddim": ddim,
    "conjugate-optimal": conjugate_optimal,
    "gddim": gddim,
    "gddim-pc": gddim_pc,
    "gframe-ab": gframe_ab,
    "gframe-abm": gframe_abm,
}
EXACT |= {name: lambda_ddim(matrix) for name, matrix in MATRIX.items()}
