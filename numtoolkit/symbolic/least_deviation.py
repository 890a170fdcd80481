"""The polynomial of a degree and order that deviates least from 0 on eigenvalues, in float64, and its longest step.

For one step h the least max |R(h l)| is a convex problem in second-order cones, solved by Newton's method along the
central path; h is halved. Polynomials are written in a basis that is orthonormal on the eigenvalues, made by Arnoldi's
recurrence (Brubeck, Nakatsukasa & Trefethen 2021, Vandermonde with Arnoldi), which no number of stages spoils.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import factorial

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, counted
from numtoolkit.symbolic.unit_circle import Polynomial, add

TOLERANCE = 1e-11  # of max |R| while h is sought
STEP_BACK = 1e-8  # relative, from the h that is found to the one given, where |R| is below 1 by more than rounding
HIGH, NEAREST = 1e6, 1e-4  # of h times the largest eigenvalue: no longer one is sought, no shorter one is told from 0
ROUNDS, NEWTON, SHORTEST, GAP = 12, 100, 1e-9, 1e-12
WIDTHS = (1e-3, 1e-5, 1e-7, *[1e-10] * ROUNDS)  # relative, to which h is halved: coarse while places are missing
Points = NDArray[np.complex128]


class Deviation:
    """The least max |R| on eigenvalues, of modulus up to 1, for the polynomials of degree s and order p.

    R = V c with the basis V of the recurrence; c = fixed + free w meets the order at a step h.
    points     eigenvalues of the upper half plane, none 0
    s, p       degree and order
    segment    whether the last of the points stands for all that lies between it and 0
    """

    def __init__(self, points: Points, s: int, p: int, segment: bool) -> None:
        self.points, self.s, self.p, self.segment = points, s, p, segment
        more = along(points[np.abs(points).argmax()], 2 * s + 2)  # a few points span too little
        self.basis = _recurrence(np.concatenate([points, more]), s)
        self.taylor = _taylor(*self.basis)
        low = np.array([[float(row[j]) for row in self.taylor] for j in range(p + 1)])
        self.low, self.free = low, np.linalg.svd(low)[2][p + 1 :].T
        self.w = np.zeros(s - p)
        self.V = _values(points, *self.basis)
        self.seen = set(range(0, len(points), max(len(points) // (4 * s), 1)))  # who is minded; others as they miss

    def add(self, points: Points) -> None:
        """More eigenvalues, which are minded."""
        self.seen |= set(range(len(self.V), len(self.V) + len(points)))
        self.V = np.concatenate([self.V, _values(points, *self.basis)])

    def fixed(self, h: float) -> NDArray[np.float64]:
        """The shortest c that meets the order."""
        powers = np.array([h**j / factorial(j) for j in range(self.p + 1)])
        return np.asarray(np.linalg.lstsq(self.low / powers[:, None], np.ones(self.p + 1), rcond=None)[0])

    def least(self, h: float, enough: float) -> tuple[float, NDArray[np.float64]]:
        """(max |R|, c) as soon as it is at most `enough`, or surely above; else of the least one to some 1e-12.

        What is least on a few eigenvalues is so on all where they do not exceed it; those that do join them.
        """
        start = self.fixed(h)
        while True:
            worst = self._least(start, enough)
            c = start + self.free @ self.w
            size = np.abs(self.V @ c)
            missed = [i for i in np.argsort(size)[: -4 * self.s : -1].tolist() if size[i] > max(worst, enough)]
            if worst > enough or not set(missed) - self.seen:
                return float(size.max()), c
            self.seen |= set(missed)

    def _least(self, start: NDArray[np.float64], enough: float) -> float:
        """max |R| on the eigenvalues that are minded, by Newton's method along the central path of min r, |R_i| <= r.

        That is t r - sum_i log(r^2 - |R_i|^2), whose minimum is within 2 n / t of the least r (Boyd & Vandenberghe
        2004, 11.2 and 11.6.2).
        """
        V = self.V[sorted(self.seen)]
        A = np.concatenate([part for part in (V.real, V.imag) if part.any()])  # squared, they add up to |R|^2
        free, offset, n = A @ self.free, A @ start, len(V)
        worst = _largest(offset + free @ self.w, n)
        r, t = 1.5 * worst, n / worst
        while self.w.size and worst > enough:
            for _ in range(NEWTON):
                self.w, r, left = _newton(offset + free @ self.w, free, n, self.w, r, t)
                worst = _largest(offset + free @ self.w, n)
                if left < 0.05 or worst <= enough:
                    break
            if (left < 0.05 and r - 2 * n / t > enough) or 2 * n / t < GAP:
                break
            t *= 10
        return worst

    def tops(self, h: float, enough: float) -> Points:
        """The places between 0 and the last eigenvalue where |R| is above `enough`, as large as anywhere near."""
        _, c = self.least(h, enough)
        end, count = complex(self.points[-1]), 40 * self.s

        def size(angles: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.abs(_values(_at_angles(end, angles), *self.basis) @ c)

        angles = np.linspace(0, np.pi, count + 1)
        own = size(angles)
        near = np.concatenate([[0.0], own, [0.0]])
        found = angles[(own >= near[:-2]) & (own >= near[2:]) & (own > 0.99)]
        for width in (np.pi / count, np.pi / count / 64):  # the top of a parabola, and of one through nearer points
            left, middle, right = (size(found + shift) for shift in (-width, 0.0, width))
            bend = left - 2 * middle + right
            found = found + np.where(bend < 0, width * (left - right) / np.where(bend < 0, 2 * bend, 1), 0.0)
        return _at_angles(end, found)[(size(found) > enough) & (found > 0)]

    def longest(self) -> float:
        """The h of eigenvalues of modulus up to 1, by halving; on a segment places where |R| is largest join them."""
        enough = 1 + TOLERANCE
        low, high = 0.0, 1.0
        while self.least(high, enough)[0] <= enough:
            low, high = high, 2 * high
            if high > HIGH:
                raise InputError(
                    f"{counted(self.s, 'stage')} make {counted(len(self.points), 'eigenvalue')} stable at every "
                    "step; take fewer stages or more eigenvalues."
                )
        for width in WIDTHS if self.segment else WIDTHS[-1:]:
            while high - low > width * high:
                middle = (low + high) / 2
                low, high = (middle, high) if self.least(middle, enough)[0] <= enough else (low, middle)
            if low < NEAREST:
                raise InputError(
                    f"no step of order {self.p} in {counted(self.s, 'stage')} is stable there; take more stages."
                )
            tops = self.tops(low, enough) if self.segment else self.points[:0]
            if not tops.size and width == WIDTHS[-1]:
                break
            self.add(tops)
            back = width
            while self.least(low, enough)[0] > enough:
                low, high, back = (1 - back) * low, low, 2 * back
        found = low * (1 - STEP_BACK)
        for _ in range(ROUNDS if self.segment else 0):
            tops = self.tops(found, 1.0)
            if not tops.size:
                break
            self.add(tops)
        return found

    def exact(self, h: float) -> tuple[Fraction, ...]:
        """a_0, ..., a_s of the polynomial that is stable for h, rounded; those to the order are 1/j!.

        The numbers of the recurrence and the coefficients in the basis are taken for the rationals that they are.
        """
        _, c = self.least(h, 1.0)
        bits = 64 + 4 * self.s
        found = []
        for j in range(self.s + 1):
            own = sum((Fraction(float(value)) * row[j] for value, row in zip(c, self.taylor, strict=True)), Fraction(0))
            found.append(Fraction(1, factorial(j)) if j <= self.p else _rounded(own / Fraction(h) ** j, bits))
        return tuple(found)


def along(end: complex, count: int) -> Points:
    """Points between 0 and an eigenvalue, Chebyshev's, 0 left out."""
    return _at_angles(end, np.linspace(0, np.pi, count + 1)[1:])


def _at_angles(end: complex, angles: NDArray[np.float64]) -> Points:
    """Points between 0, at the angle 0, and an eigenvalue, at pi; beyond they come back."""
    return np.asarray(end * (1 - np.cos(angles)) / 2 + 0j)


def _largest(value: NDArray[np.float64], n: int) -> float:
    """max |R| of real parts and, below them, imaginary ones."""
    return float(np.sqrt(np.square(value.reshape(-1, n)).sum(axis=0).max()))


def _newton(
    value: NDArray[np.float64], free: NDArray[np.float64], n: int, w: NDArray[np.float64], r: float, t: float
) -> tuple[NDArray[np.float64], float, float]:
    """One step of Newton's method with halvings: (w, r, the square of its decrement)."""
    size = np.square(value.reshape(-1, n)).sum(axis=0)
    d = r * r - size
    both = (value[:, None] * free).reshape(-1, n, w.size).sum(axis=0)  # half the slope of |R|^2
    weights = np.tile(1 / d, len(value) // n)
    slope = np.append(2 * (1 / d) @ both, t - 2 * r * (1 / d).sum())
    bend = np.zeros((w.size + 1, w.size + 1))
    bend[:-1, :-1] = 2 * free.T @ (weights[:, None] * free) + 4 * both.T @ (both / (d * d)[:, None])
    bend[:-1, -1] = bend[-1, :-1] = -4 * r * (1 / (d * d)) @ both
    bend[-1, -1] = (4 * r * r / (d * d) - 2 / d).sum()
    scale = 1 / np.sqrt(np.diag(bend))
    step = -scale * np.linalg.lstsq(scale[:, None] * bend * scale, scale * slope, rcond=1e-16)[0]
    left = float(-slope @ step)

    def height(length: float) -> float:
        top = r + length * step[-1]
        room = top * top - np.square((value + length * (free @ step[:-1])).reshape(-1, n)).sum(axis=0)
        return t * (top - r) - float(np.log(room / d).sum()) if top > 0 and (room > 0).all() else np.inf

    length = 1.0
    while not np.isfinite(height(1.4 * length)) and length > SHORTEST:  # to stay off the boundary
        length /= 2
    while height(length) > -0.1 * length * left and length > SHORTEST:
        length /= 2
    return (w + length * step[:-1], r + length * step[-1], left) if length > SHORTEST else (w, r, 0.0)


def _rounded(value: Fraction, bits: int) -> Fraction:
    """The nearest binary fraction with so many digits."""
    if not value:
        return value
    scale = bits + value.denominator.bit_length() - value.numerator.bit_length()
    unit = Fraction(2) ** scale
    return Fraction(round(value * unit)) / unit


# the basis: q_0 = 1, l q_k = sum_i rises[k][i] q_i + norms[k] q_(k+1)


def _recurrence(points: Points, s: int) -> tuple[list[list[float]], list[float]]:
    """The numbers of the recurrence whose polynomials are orthonormal on the points and their conjugates."""
    q = [np.ones(len(points), complex)]
    rises: list[list[float]] = []
    norms: list[float] = []
    for _ in range(s):
        new, rise = points * q[-1], np.zeros(len(q))
        for _ in range(2):  # twice is enough
            own = np.array([(np.conj(v) * new).real.mean() for v in q])
            new = new - own @ np.array(q)
            rise += own
        norms.append(float(np.sqrt((np.abs(new) ** 2).mean())))
        rises.append(rise.tolist())
        q.append(new / norms[-1])
    return rises, norms


def _values(points: Points, rises: Sequence[Sequence[float]], norms: Sequence[float]) -> Points:
    """The basis at points, (n, s + 1)."""
    q = [np.ones(len(points), complex)]
    for rise, norm in zip(rises, norms, strict=True):
        q.append((points * q[-1] - sum(c * v for c, v in zip(rise, q, strict=True))) / norm)
    return np.array(q).T


def _taylor(rises: Sequence[Sequence[float]], norms: Sequence[float]) -> list[list[Fraction]]:
    """The coefficients of each polynomial of the basis, exactly those of the recurrence."""
    q = [[Fraction(1)]]
    for rise, norm in zip(rises, norms, strict=True):
        new: Polynomial = [Fraction(0), *q[-1]]
        for c, own in zip(rise, q, strict=True):
            new = add(new, [-Fraction(c) * value for value in own])
        q.append([value / Fraction(norm) for value in new])
    return [[*row, *[Fraction(0)] * (len(rises) + 1 - len(row))] for row in q]
