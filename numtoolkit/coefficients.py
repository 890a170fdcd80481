"""The float64 reader of the entry language: every entry of a layout, vectorised over the steps of a grid.

Closed forms where there are any (scalar flows, phi functions, exponentials of fixed blocks), Gauss-Legendre
quadrature of smooth integrands otherwise, and a time-ordered flow for blocks that do not commute with themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.entries import (
    At,
    Const,
    Cov,
    Entry,
    Flow,
    Int,
    Op,
    Product,
    Quotient,
    Sum,
    Symbol,
    op,
)
from numtoolkit.entries import (
    L as LINEAR,
)
from numtoolkit.entries import (
    N as FORCING,
)
from numtoolkit.errors import InputError
from numtoolkit.phi import (
    covariance_integral,
    expm,
    matrix_window_integral,
    scaled_window_integral,
    window_integral,
)
from numtoolkit.problem import FROZEN_DRIFT, Problem
from numtoolkit.processes import Floats

Indices = NDArray[np.signedinteger]

PANELS, NODES = 4, 20  # 1e-15 on every integrand of the catalogue over steps of up to 4 in log-SNR


class Reader:
    """Reads entries for the steps `index` of the grid `t` (N + 1 process times, falling).

    symbols: values of the parameters (numbers) and step quantities (arrays (n,)). Blocks come back as (n, k, k) or
    (n, k, width); `scalar` as (n,).
    """

    def __init__(self, problem: Problem, t: Floats, index: Indices, symbols: Mapping[str, Any]) -> None:
        self.problem, self.symbols = problem, symbols
        self.start, self.end = t[index], t[index + 1]
        self.u0 = problem.u(self.start)
        self.h = problem.u(self.end) - self.u0
        self.n, self.k = len(index), problem.process.blocks

    def scalar(self, entry: Entry) -> Floats:
        """A scalar entry, (n,)."""
        value = self._value(entry)
        if value.ndim != 1:
            raise InputError(f"entry {entry} is a block where a scalar is needed.")
        return value

    def block(self, entry: Entry) -> Floats:
        """An entry as blocks; a scalar stands for that multiple of the identity."""
        return self._block(self._value(entry))

    def time(self, c: Entry) -> Floats:
        """Process times at abscissa c: the grid's own at 0 and 1."""
        at = self.scalar(c)
        with np.errstate(invalid="ignore"):
            inner = self.problem.t(self.u0 + at * self.h)
        return np.where(at == 0, self.start, np.where(at == 1, self.end, inner))

    def _block(self, value: Floats) -> Floats:
        return value[:, None, None] * np.eye(self.k) if value.ndim == 1 else value

    def _value(self, entry: Entry) -> Floats:
        if isinstance(entry, Const):
            return np.full(self.n, float(entry.value))
        if isinstance(entry, Symbol):
            if entry.name not in self.symbols:
                raise InputError(f"symbol {entry.name!r} has no value; give it as a parameter of the scheme.")
            return np.broadcast_to(np.asarray(self.symbols[entry.name], dtype=np.float64), (self.n,))
        if isinstance(entry, Sum):
            return self._sum([self._value(arg) for arg in entry.args])
        if isinstance(entry, Product):
            return self._product([self._value(arg) for arg in entry.args])
        if isinstance(entry, Quotient):
            top = self._value(entry.top)
            return top / self.scalar(entry.bottom).reshape((-1,) + (1,) * (top.ndim - 1))
        if isinstance(entry, Flow):
            return self._flow(entry)
        if isinstance(entry, Int):
            return self._int(entry)
        if isinstance(entry, Cov):
            return self._cov(entry)
        if isinstance(entry, At):
            return self.h[:, None, None] * self._matrix(entry.X, self.time(entry.c))
        raise InputError(f"entry {entry} has no float64 reading here.")

    def _sum(self, values: list[Floats]) -> Floats:
        if any(v.ndim == 3 for v in values):
            values = [self._block(v) for v in values]
        return sum(values[1:], start=values[0])

    def _product(self, values: list[Floats]) -> Floats:
        result = values[0]
        for value in values[1:]:
            if result.ndim == value.ndim:
                result = result * value if result.ndim == 1 else result @ value
            else:
                result = result[:, None, None] * value if result.ndim == 1 else result * value[:, None, None]
        return result

    # operators

    def _matrix(self, X: Op, t: Floats, each: int = 1) -> Floats:
        """An operator at the times t ((n * each,), `each` times a step) as blocks, rows cut."""
        total: Any = 0.0
        for coefficient, name, row in X.terms:
            factor = np.repeat(self.scalar(coefficient), each)[:, None, None]
            total = total + factor * self._cut(self.problem.operator(name, t), name, row)
        if isinstance(total, float):
            return np.zeros((len(t), self.k, self.k))
        return total

    def _cut(self, blocks: Floats, name: str, row: str) -> Floats:
        if not row:
            return blocks
        rows = self.problem.process.rows
        if row not in rows:
            raise InputError(
                f"process {self.problem.process.name} has no state part {row!r}; it has {', '.join(rows)}."
            )
        kept = np.zeros_like(blocks)
        i = rows.index(row)
        kept[:, i] = blocks[:, i]
        return kept

    def _constant(self, X: Op) -> bool:
        return all(self.problem.constant(name) for _, name, _ in X.terms)

    # flows

    def _log_flow(self, X: Op, start: Floats, end: Floats, each: int = 1) -> Floats:
        total = np.zeros_like(start)
        for coefficient, name, _ in X.terms:
            total += np.repeat(self.scalar(coefficient), each) * self.problem.log_flow(name, start, end)
        return total

    def _flow(self, entry: Flow) -> Floats:
        if self.problem.scalar is not None:
            with np.errstate(over="ignore"):
                return np.exp(self._log_flow(entry.L, self.time(entry.a), self.time(entry.b)))[:, None, None]
        width = (self.scalar(entry.b) - self.scalar(entry.a)) * self.h
        if self._constant(entry.L):
            return _exponential(width[:, None, None] * self._matrix(entry.L, self.start))
        return self._transport(
            entry.L, entry.a, entry.b, start=np.broadcast_to(np.eye(self.k), (self.n, self.k, self.k))
        )

    # integrals

    def _int(self, entry: Int) -> Floats:
        a, b = self.scalar(entry.a), self.scalar(entry.b)
        weight = [self.scalar(w) for w in entry.weight]
        problem, process = self.problem, self.problem.scalar
        if process is None:
            if not self._constant(entry.L):
                return self._transport(entry.L, entry.a, entry.b, entry.N, weight)
            if self._constant(entry.N):
                A = self.h[:, None, None] * self._matrix(entry.L, self.start)
                return matrix_window_integral(A, a, b, weight) @ (
                    self.h[:, None, None] * self._matrix(entry.N, self.start)
                )
            return self._quadrature(entry, weight)
        if (entry.L, entry.N) == (LINEAR, FORCING):
            scale = process.alpha(self.time(entry.b))
            if (problem.frozen, problem.clock) == ("data", "log-snr"):
                return (scale * scaled_window_integral(-problem.q * self.h, a, b, weight))[:, None, None]
            if problem.frozen == "noise" and len(weight) == 1:  # in any clock, and down to noise level 0
                fall = process.noise_level(self.time(entry.a)) - process.noise_level(self.time(entry.b))
                return (-problem.q * scale * fall * weight[0])[:, None, None]
            if (problem.frozen, problem.clock) == ("noise", "log-snr"):
                sigma = scale * process.noise_level(self.time(entry.b))
                return (-problem.q * sigma * self.h * window_integral(self.h, a, b, weight))[:, None, None]
            if (problem.frozen, problem.clock) == ("noise", "noise-level"):
                return (-problem.q * scale * self.h * window_integral(0.0, a, b, weight))[:, None, None]
            if problem.frozen == FROZEN_DRIFT:
                return (self.h * window_integral(0.0, a, b, weight))[:, None, None]
        return self._quadrature(entry, weight)

    def _nodes(self, a: Entry, b: Entry) -> tuple[Floats, Floats, Floats]:
        """Times (n, m), their abscissae and the clock weights du of a quadrature over [a, b].

        The variable is the log-SNR of a scalar process and the square root of time of a phase space: in these the
        operators are smooth from the data to the prior.
        """
        problem, start, end = self.problem, self.time(a), self.time(b)
        points, weights = np.polynomial.legendre.leggauss(NODES)
        fraction = (np.add.outer(np.arange(PANELS), (points + 1) / 2) / PANELS).ravel()
        if problem.scalar is not None:
            x0, x1 = problem.process.clock("log-snr", start), problem.process.clock("log-snr", end)
            t = problem.process.time("log-snr", x0[:, None] + np.outer(x1 - x0, fraction))
            jacobian = problem.process.rate("log-snr", t) / problem.process.rate(problem.clock, t)
        else:
            x0, x1 = np.sqrt(start), np.sqrt(end)
            root = x0[:, None] + np.outer(x1 - x0, fraction)
            t = root**2
            jacobian = -2 * root / problem.process.rate(problem.clock, t)
        c = (problem.u(t) - self.u0[:, None]) / self.h[:, None]
        du = (x1 - x0)[:, None] * np.tile(weights / (2 * PANELS), PANELS) * jacobian
        return t, c, du

    def _flow_to_end(self, L: Op, t: Floats, end: Floats) -> Floats:
        """Flow from the node times t (n, m) to the times `end` (n,), (n, m, k, k)."""
        m = t.shape[1]
        ends = np.repeat(end, m)
        if self.problem.scalar is not None:
            return np.exp(self._log_flow(L, t.ravel(), ends, m)).reshape(self.n, m, 1, 1)
        width = self.problem.u(ends) - self.problem.u(t.ravel())
        fixed = np.repeat(self._matrix(L, self.start), m, axis=0)
        return _exponential(width[:, None, None] * fixed).reshape(self.n, m, self.k, self.k)

    def _quadrature(self, entry: Int, weight: list[Floats]) -> Floats:
        t, c, du = self._nodes(entry.a, entry.b)
        forcing = self._matrix(entry.N, t.ravel(), t.shape[1]).reshape(*t.shape, self.k, -1)
        polynomial = sum(w[:, None] * c**j for j, w in enumerate(weight))
        return np.einsum(
            "nm,nmij,nmjq->niq", du * polynomial, self._flow_to_end(entry.L, t, self.time(entry.b)), forcing
        )

    def _cov(self, entry: Cov) -> Floats:
        process = self.problem.scalar
        a, b = self.scalar(entry.a), self.scalar(entry.b)
        if process is not None:
            if (entry.L, entry.G) == (op("F"), op("Q")):  # alpha_b^2 |s_b^2 - s_a^2|
                start, end = self.time(entry.a), self.time(entry.b)
                s0, s1 = process.noise_level(start), process.noise_level(end)
                return (process.alpha(end) ** 2 * np.abs(s1 - s0) * (s1 + s0))[:, None, None]
            t, _, du = self._nodes(entry.a, entry.b)
            flow = self._flow_to_end(entry.L, t, self.time(entry.b))[:, :, 0, 0]
            rate = self._matrix(entry.G, t.ravel(), t.shape[1]).reshape(t.shape)
            return np.sum(np.abs(du) * flow**2 * rate, axis=1)[:, None, None]
        if self._constant(entry.L) and self._constant(entry.G):
            h = self.h[:, None, None]
            area = covariance_integral(
                h * self._matrix(entry.L, self.start), h * self._matrix(entry.G, self.start), a, b
            )
            return np.sign(b - a)[:, None, None] * area
        return self._transport(entry.L, entry.a, entry.b, entry.G, [np.ones(self.n)], symmetric=True)

    def _transport(
        self,
        L: Op,
        a: Entry,
        b: Entry,
        forcing: Op | None = None,
        weight: list[Floats] | None = None,
        start: Floats | None = None,
        symmetric: bool = False,
    ) -> Floats:
        """X(b) of dX/du = L X (+ X L') + N w from X(a) = `start`, all steps in one Dormand-Prince run to 1e-12."""
        from scipy.integrate import solve_ivp

        first, width = self.scalar(a), self.scalar(b) - self.scalar(a)
        shape = (
            self.n,
            self.k,
            self.k if forcing is None or symmetric else self._matrix(forcing, self.start).shape[2],
        )
        orientation = np.abs(width) if symmetric else width
        rhs = _right_hand_side(self, L, forcing, weight, first, width, orientation, shape, symmetric)
        initial = np.zeros(shape) if start is None else start
        solution = solve_ivp(rhs, (0.0, 1.0), initial.ravel(), method="DOP853", rtol=1e-12, atol=1e-14)
        return solution.y[:, -1].reshape(shape)


def _right_hand_side(
    reader: Reader,
    L: Op,
    forcing: Op | None,
    weight: list[Floats] | None,
    first: Floats,
    width: Floats,
    orientation: Floats,
    shape: tuple[int, ...],
    symmetric: bool,
) -> Callable[[float, Floats], Floats]:
    def rhs(fraction: float, flat: Floats) -> Floats:
        c = first + fraction * width
        t = reader.problem.t(reader.u0 + c * reader.h)
        X = flat.reshape(shape)
        moved = reader._matrix(L, t) @ X
        if symmetric:
            moved = moved + np.swapaxes(moved, 1, 2)
        slope = (width * reader.h)[:, None, None] * moved
        if forcing is not None and weight is not None:
            scale = orientation * reader.h * sum(w * c**j for j, w in enumerate(weight))
            slope = slope + scale[:, None, None] * reader._matrix(forcing, t)
        return slope.ravel()

    return rhs


def _exponential(A: Floats) -> Floats:
    """exp of stacked blocks; for 2 x 2 exp(m)(cosh(w) I + sinh(w)/w (A - m I)), m half the trace (Cayley-Hamilton)."""
    if A.shape[-1] != 2:
        return expm(A)
    m = (A[..., 0, 0] + A[..., 1, 1]) / 2
    rest = A - m[..., None, None] * np.eye(2)
    square = rest[..., 0, 0] ** 2 + rest[..., 0, 1] * rest[..., 1, 0]
    w = np.sqrt(np.abs(square))
    real = square >= 0
    even = np.where(real, np.cosh(np.where(real, w, 0)), np.cos(w))
    odd = np.where(
        w < 1e-4,
        1 + square / 6,
        np.where(real, np.sinh(np.where(real, w, 0)), np.sin(w)) / np.where(w == 0, 1, w),
    )
    return np.exp(m)[..., None, None] * (even[..., None, None] * np.eye(2) + odd[..., None, None] * rest)
