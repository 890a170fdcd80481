"""The best operator B of a conjugate Euler step, where the data are Gaussian.

In a clock u with dz/du = L z + N e and data N(mean, sigma_data^2 I) the frozen quantity is e = E(u) z (z - e_t mean for
z throughout), and a step of length h with B held constant misses the exact flow by

    -(h^2 / 2) [B^2 - B K + L B + N DE] z,      K = L + N E,      DE = dE/du + E K.

`shift_of` minimises that bracket over the multiples of a fixed matrix, `riccati` makes it zero with a full matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import cholesky, inverse, remembered
from numtoolkit.problem.frozen import FROZEN_NOISE_SKIP
from numtoolkit.problem.operators import L as L_PART
from numtoolkit.problem.operators import N as N_PART
from numtoolkit.problem.predictions import skip
from numtoolkit.problem.problem import Operator, Problem, Rule
from numtoolkit.problem.processes import Floats

TIE = 1e-12  # brackets this close to one another, in units of the largest square of a shift in question, are equal


def terms(problem: Problem, t: Floats) -> tuple[Floats, Floats, Floats]:
    """(K, L, N DE) at the times t (n,), (n, k, k) each, with sigma_data of the problem and the noise frozen.

    With V, Sigma the covariances of the law and of the kernel and L L' = Sigma the frozen noise is E = L' C, where
    C = V^-1, or V^-1 + C_skip I where C_skip z is split off first. V and Sigma follow X' = F X + X F' + G G' in forward
    time and dL = L tril(L^-1 Sigma' L^-T), the diagonal halved: no difference quotients.
    """
    process = problem.process
    e, sigma = process.kernel(t)
    eye = np.eye(process.blocks)
    F, Q = process.drift(t), process.diffusion(t)
    V = sigma + np.reshape(problem.sigma_at(t), (-1, 1, 1)) ** 2 * e[:, :, None] * e[:, None, :]
    sigma_rate, V_rate = (F @ X + _turned(F @ X) + Q for X in (sigma, V))
    root, C = cholesky(sigma), inverse(V)
    back = inverse(root)
    change = back @ sigma_rate @ _turned(back)
    root_rate = root @ (np.tril(change) - eye * change / 2)
    C_rate = -C @ V_rate @ C
    if problem.frozen is FROZEN_NOISE_SKIP:
        C = C + skip(sigma) * eye
        C_rate = C_rate + skip(sigma) ** 2 * sigma_rate[:, -1:, -1:] * eye
    E, E_rate = _turned(root) @ C, _turned(root_rate) @ C + _turned(root) @ C_rate
    L, N = problem.operator(L_PART, t), problem.operator(N_PART, t)
    K = L + N @ E
    return K, L, N @ (E @ K - problem.rate(t)[:, None, None] * E_rate)


def shift_of(K: Floats, L: Floats, M: Floats, unit: Floats) -> Floats:
    """The shifts (n,) that minimise the Frobenius norm of the bracket, M = N DE, for B = shift unit, unit (n, k, k).

    K, L   linear parts of the flow that is conjugated, and of the dynamics, (n, k, k)
    The square is a quartic in the shift, which is flat at the roots of a cubic; of equal minima the one nearest 0 is
    taken.
    """
    parts = unit @ unit, L @ unit - unit @ K, M  # of shift^2, shift and 1
    product = [[np.einsum("nij,nij->n", X, Y) for Y in parts] for X in parts]
    lower = -2 * product[0][1] * 3, -2 * (2 * product[0][2] + product[1][1]), -2 * product[1][2]
    slope = np.zeros((len(K), 3, 3))  # companion matrix of the derivative
    slope[:, 1:, :2] = np.eye(2)
    slope[:, 0] = np.stack(lower, axis=1) / (4 * product[0][0])[:, None]
    flat = np.linalg.eigvals(slope)
    shift = np.where(flat.imag == 0, flat.real, np.nan)
    powers = np.stack([shift**2, shift, np.ones_like(shift)])
    size = np.linalg.norm(np.einsum("pnr,pnij->nrij", powers, np.stack(parts)), axis=(2, 3))
    equal = TIE * np.nanmax(shift**2 * np.sqrt(product[0][0])[:, None], axis=1, keepdims=True)
    nearness = np.where(size <= np.nanmin(size, axis=1, keepdims=True) + equal, np.abs(shift), np.inf)
    return shift[np.arange(len(shift)), nearness.argmin(axis=1)]


def riccati(K: Floats, L: Floats, M: Floats) -> Floats:
    """The smallest real B (n, k, k) with B^2 - B K + L B + M = 0, a Riccati equation (Frobenius norm).

    B = Y X^-1 where (X, Y) spans a k-dimensional invariant subspace of [[-K, I], [-M, -L]], real if its eigenvalues are
    closed under conjugation. A phase space always has one of those, with X regular but for isolated times; a scalar
    process has none where the quadratic has no real root, and there the bracket is made as small as it gets.
    """
    n, k, _ = K.shape
    eye = np.broadcast_to(np.eye(k), K.shape)
    values, vectors = np.linalg.eig(np.block([[-K, eye], [-M, -L]]))
    best = shift_of(K, L, M, eye)[:, None, None] * eye
    size = np.full(n, np.inf)
    for chosen in combinations(range(2 * k), k):
        own = values[:, chosen]
        real = (np.sort(own) == np.sort(own.conj())).all(axis=1)
        X, Y = np.split(vectors[:, :, chosen], 2, axis=1)
        real &= np.linalg.cond(X) < 1 / np.finfo(float).eps
        B = np.linalg.solve(_turned(np.where(real[:, None, None], X, eye)), _turned(Y))
        norm = np.where(real, np.linalg.norm(B, axis=(1, 2)), np.inf)
        best = np.where((norm < size)[:, None, None], _turned(B).real, best)
        size = np.minimum(norm, size)
    return best


@remembered
def _best(problem: Problem, t: Floats) -> Floats:
    return riccati(*terms(problem, t))


@cache
def best_place(name: str) -> Rule:
    """The step quantity that is one place of the best full matrix: xx, xm, mx or mm."""

    def rule(problem: Problem, t: Floats, index: Any, values: Mapping[str, Any]) -> Floats:
        rows = problem.process.rows
        if not set(name) <= set(rows):
            return np.zeros(len(index))
        return _best(problem, t[index])[:, rows.index(name[0]), rows.index(name[1])]

    return rule


@cache
def best_shift(operator: Operator) -> Rule:
    """The step quantity that is the best shift of one of the problem's operators."""

    def rule(problem: Problem, t: Floats, index: Any, values: Mapping[str, Any]) -> Floats:
        start = t[index]
        return shift_of(*terms(problem, start), problem.operator(operator, start))

    return rule


def _turned(blocks: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(blocks, 1, 2)
