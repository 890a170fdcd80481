"""The float64 reader of the entry language: every entry of a step, vectorised over the steps of a grid.

Closed forms where there are any (scalar flows, phi functions, exponentials of fixed blocks), Gauss-Legendre
quadrature of smooth integrands otherwise; the time-ordered flow of blocks that do not commute with themselves is
collocated at the nodes of the quadrature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numtoolkit.declare.entries import (
    At,
    Ball,
    Const,
    Cov,
    Entry,
    Flow,
    Int,
    Op,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    op,
)
from numtoolkit.errors import InputError
from numtoolkit.phi_functions import covariance_integral, expm, matrix_window_integral
from numtoolkit.problem.clocks import SMOOTH_OF
from numtoolkit.problem.kinds import Floats
from numtoolkit.problem.operators import forward_noise
from numtoolkit.problem.problem import Problem, Window

LINEAR, FORCING, RATE = op("L"), op("N"), op("G")
FORWARD, FORWARD_RATE = op("F"), op("Q")

Indices = NDArray[np.signedinteger]

# Panels and Gauss points of a window. LONG: 1e-15 on every integrand of the catalogue over steps of up to 4 in log-SNR.
# SHORT in a step where the integral of L is at most GENTLE, so that its flow is near 1, and the last two Legendre
# coefficients of every operator are below RESOLVED of its largest value.
LONG, SHORT, GENTLE, RESOLVED = (4, 20), (1, 8), 0.25, 1e-11


class Mesh(NamedTuple):
    """Where a window is integrated: panels and points, times and abscissae (n, m), the clock weights du (n, m).

    seen   operators that have been asked for at its nodes, (n, m, k, width)
    """

    rule: tuple[int, int]
    t: Floats
    c: Floats
    du: Floats
    seen: dict[Op, Floats]

    def of(self, own: NDArray[np.bool_]) -> Mesh:
        """That of some of the steps."""
        seen = {X: values[own] for X, values in self.seen.items()}
        return Mesh(self.rule, self.t[own], self.c[own], self.du[own], seen)


class Evaluator:
    """Reads entries for the steps `index` of the grid `t` (N + 1 process times, falling).

    symbols: values of the parameters (numbers) and step quantities (arrays (n,)). Blocks come back as (n, k, k) or
    (n, k, width); `scalar` as (n,).
    """

    def __init__(self, problem: Problem, t: Floats, index: Indices, symbols: Mapping[str, Any]) -> None:
        self.problem, self.symbols, self.grid, self.index = problem, symbols, t, index
        self.start, self.end = t[index], t[index + 1]
        self.u0 = problem.u(self.start)
        self.h = problem.u(self.end) - self.u0
        self.n, self.k = len(index), problem.process.blocks
        self._meshes: dict[tuple[Entry, Entry, tuple[int, int]], Mesh] = {}
        self._short: dict[tuple[Entry | Op, ...], NDArray[np.bool_]] = {}
        self._parts: dict[bytes, Evaluator] = {}
        self._ordered: dict[tuple[Op, Entry, Entry, tuple[int, int]], tuple[Floats, Floats]] = {}
        self._weighed: dict[tuple[Op, Op, Entry, Entry], Floats] = {}

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
        times = np.where(at == 0, self.start, self.end)
        inner = (at != 0) & (at != 1)
        if inner.any():
            times[inner] = self.problem.t((self.u0 + at * self.h)[inner])
        return times

    def _block(self, value: Floats) -> Floats:
        return value[:, None, None] * np.eye(self.k) if value.ndim == 1 else value

    def _value(self, entry: Entry) -> Floats:
        if isinstance(entry, Const):
            return np.full(self.n, float(entry.value))
        if isinstance(entry, Root):
            return np.full(self.n, sqrt(entry.square))
        if isinstance(entry, Ball):
            return np.full(self.n, float(entry.centre))
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
        for coefficient, operator, row in X.terms:
            factor = np.repeat(self.scalar(coefficient), each)[:, None, None]
            total = total + factor * self._cut(self.problem.operator(operator, t), row)
        if isinstance(total, float):
            return np.zeros((len(t), self.k, self.k))
        return total

    def _cut(self, blocks: Floats, row: str) -> Floats:
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
        return all(self.problem.constant(operator) for _, operator, _ in X.terms)

    # flows

    def _closed_flow(self, X: Op, start: Floats, end: Floats, each: int = 1) -> Floats | None:
        """The flow of a scalar process between times (n * each,), None where an operator has no closed integral."""
        total = np.zeros_like(start)
        for coefficient, operator, _ in X.terms:
            integral = self.problem.log_flow(operator, start, end)
            if integral is None:
                return None
            total += np.repeat(self.scalar(coefficient), each) * integral
        with np.errstate(over="ignore"):
            return np.exp(total)

    def _flow(self, entry: Flow) -> Floats:
        if self.problem.scalar is not None:
            closed = self._closed_flow(entry.L, self.time(entry.a), self.time(entry.b))
            if closed is not None:
                return closed[:, None, None]
        elif self._constant(entry.L):
            width = (self.scalar(entry.b) - self.scalar(entry.a)) * self.h
            return _exponential(width[:, None, None] * self._matrix(entry.L, self.start))
        return self._integrated(entry, lambda mesh: self._ordered_flow(entry.L, entry.a, entry.b, mesh)[1], entry.L)

    # integrals

    def _window(self, a: Entry, b: Entry, weights: Sequence[Floats] = ()) -> Window:
        ends = self.scalar(a), self.scalar(b), self.time(a), self.time(b)
        return Window(self.problem, self.h, *ends, tuple(weights))

    def _int(self, entry: Int) -> Floats:
        weight = [self.scalar(w) for w in entry.weight]
        if self.problem.scalar is None:
            if self._constant(entry.L) and self._constant(entry.N):
                h, a, b = self.h[:, None, None], self.scalar(entry.a), self.scalar(entry.b)
                flow = matrix_window_integral(h * self._matrix(entry.L, self.start), a, b, weight)
                return flow @ (h * self._matrix(entry.N, self.start))
        elif (entry.L, entry.N) == (LINEAR, FORCING):
            closed = self.problem.frozen.window(self._window(entry.a, entry.b, weight))
            if closed is not None:
                return closed[:, None, None]
        return self._quadrature(entry, weight)

    def _integrated(self, entry: Flow | Int | Cov, on: Callable[[Mesh], Floats], L: Op, *others: Op) -> Floats:
        """An entry by its value `on` a mesh: in each step the short one, if it resolves L, its flow and the others."""
        short = self._resolved(entry.a, entry.b, L, *others)
        if short.all() or not short.any():
            return on(self._mesh(entry.a, entry.b, SHORT if short.all() else LONG))
        first, second = (self._part(own, entry.a, entry.b)._value(entry) for own in (short, ~short))
        value = np.empty((self.n, *first.shape[1:]))
        value[short], value[~short] = first, second
        return value

    def _part(self, own: NDArray[np.bool_], a: Entry, b: Entry) -> Evaluator:
        """The same for some of the steps, with what is known on the short mesh of the window [a, b]."""
        if own.tobytes() not in self._parts:
            symbols = {name: value[own] if np.ndim(value) else value for name, value in self.symbols.items()}
            problem, sigma = self.problem, self.problem.sigma_data
            if not isinstance(sigma, float):
                problem = replace(problem, sigma_data=sigma[own])
            self._parts[own.tobytes()] = Evaluator(problem, self.grid, self.index[own], symbols)
        part, key = self._parts[own.tobytes()], (a, b, SHORT)
        if key not in part._meshes:
            part._meshes[key] = self._meshes[key].of(own)
        return part

    def _resolved(self, a: Entry, b: Entry, L: Op, *others: Op) -> NDArray[np.bool_]:
        """Whether the short mesh of a window is enough for a flow and for other operators, (n,)."""
        if (a, b, L, *others) not in self._short:
            mesh = self._mesh(a, b, SHORT)
            values = [self._per_window(X, mesh).reshape(self.n, SHORT[1], -1) for X in (L, *others)]
            gentle = np.abs(values[0]).sum(axis=(1, 2)) <= GENTLE * SHORT[1]
            self._short[a, b, L, *others] = np.logical_and.reduce([gentle, *map(_resolved, values)])
        return self._short[a, b, L, *others]

    def _mesh(self, a: Entry, b: Entry, rule: tuple[int, int]) -> Mesh:
        if (a, b, rule) not in self._meshes:
            self._meshes[a, b, rule] = self._nodes(a, b, rule)
        return self._meshes[a, b, rule]

    def _on(self, X: Op, mesh: Mesh) -> Floats:
        """An operator at the nodes of a mesh, (n, m, k, width)."""
        if X not in mesh.seen:
            t = mesh.t
            mesh.seen[X] = self._matrix(X, t.ravel(), t.shape[1]).reshape(*t.shape, self.k, -1)
        return mesh.seen[X]

    def _per_window(self, X: Op, mesh: Mesh) -> Floats:
        """The same per unit of the panel that a node lies in."""
        panels, points = mesh.rule
        return self._on(X, mesh) * (mesh.du / np.tile(_collocation(points)[1], panels))[..., None, None]

    def _nodes(self, a: Entry, b: Entry, rule: tuple[int, int]) -> Mesh:
        """Gauss points are placed in a clock in which the operators are smooth from the data to the prior."""
        panels, points = rule
        problem, kind = self.problem, self.problem.process.kind
        smooth = problem.clock.smooth or problem.frozen.smooth
        if smooth is None or kind not in smooth.kinds:
            smooth = SMOOTH_OF[kind]
        fraction = (np.add.outer(np.arange(panels), _collocation(points)[0]) / panels).ravel()
        x0, x1 = smooth.u(problem, self.time(a)), smooth.u(problem, self.time(b))
        t = smooth.t(problem, x0[:, None] + np.outer(x1 - x0, fraction))
        c = (problem.u(t.ravel()).reshape(t.shape) - self.u0[:, None]) / self.h[:, None]
        du = np.outer(x1 - x0, np.tile(_collocation(points)[1], panels) / panels) * smooth.rate(problem, t)
        return Mesh(rule, t, c, du / problem.rate(t.ravel()).reshape(t.shape), {})

    def _flow_to_end(self, L: Op, a: Entry, b: Entry, mesh: Mesh) -> Floats:
        """Flow from the nodes of the window [a, b] to its end, (n, m, k, k)."""
        t = mesh.t
        m, end = t.shape[1], self.time(b)
        if self.problem.scalar is not None:
            closed = self._closed_flow(L, t.ravel(), np.repeat(end, m), m)
            return self._ordered_flow(L, a, b, mesh)[0] if closed is None else closed.reshape(self.n, m, 1, 1)
        if not self._constant(L):
            return self._ordered_flow(L, a, b, mesh)[0]
        width = self.problem.u(np.repeat(end, m)) - self.problem.u(t.ravel())
        fixed = np.repeat(self._matrix(L, self.start), m, axis=0)
        return _exponential(width[:, None, None] * fixed).reshape(self.n, m, self.k, self.k)

    def _ordered_flow(self, L: Op, a: Entry, b: Entry, mesh: Mesh) -> tuple[Floats, Floats]:
        """Time-ordered flow to the end of the window from each of its nodes (n, m, k, k) and from its start (n, k, k).

        It solves dX/du = -X L backwards from X = 1. In each panel X is the polynomial that does so at the nodes: linear
        equations for the values X_i = X_end + sum_j B_ij X_j M_j, B_ij the integral from node i of the Lagrange basis.
        """
        if (L, a, b, mesh.rule) not in self._ordered:
            panels, points = mesh.rule
            _, weights, B = _collocation(points)
            shape = (self.n, panels, points, self.k, self.k)
            M = self._per_window(L, mesh).reshape(shape)
            nodes, whole = np.empty(shape), np.broadcast_to(np.eye(self.k), (self.n, self.k, self.k))
            for panel in reversed(range(panels)):
                own = M[:, panel]
                coupling = np.einsum("ij,njab->nibja", B, own).reshape(self.n, points * self.k, points * self.k)
                known = np.tile(np.swapaxes(whole, 1, 2), (1, points, 1))  # transposed: equations act from the left
                solved = np.linalg.solve(np.eye(points * self.k) - coupling, known).reshape(shape[:1] + shape[2:])
                nodes[:, panel] = np.swapaxes(solved, 2, 3)
                whole = whole + np.einsum("j,njab,njbc->nac", weights, nodes[:, panel], own)
            self._ordered[L, a, b, mesh.rule] = nodes.reshape(self.n, -1, self.k, self.k), whole
        return self._ordered[L, a, b, mesh.rule]

    def _quadrature(self, entry: Int, weight: list[Floats]) -> Floats:
        key = entry.L, entry.N, entry.a, entry.b

        def on(mesh: Mesh) -> Floats:
            if key not in self._weighed:
                flow = self._flow_to_end(entry.L, entry.a, entry.b, mesh)
                self._weighed[key] = mesh.du[:, :, None, None] * (flow @ self._on(entry.N, mesh))
            weights = sum(w[:, None] * mesh.c**j for j, w in enumerate(weight))
            return np.einsum("nm,nmiq->niq", weights, self._weighed[key])

        return self._integrated(entry, on, entry.L, entry.N)

    def _cov(self, entry: Cov) -> Floats:
        if self.problem.scalar is None:
            if self._constant(entry.L) and self._constant(entry.G):
                h, a, b = self.h[:, None, None], self.scalar(entry.a), self.scalar(entry.b)
                L, G = h * self._matrix(entry.L, self.start), h * self._matrix(entry.G, self.start)
                return np.sign(b - a)[:, None, None] * covariance_integral(L, G, a, b)
        else:
            closed = self._closed_covariance(entry)
            if closed is not None:
                return closed[:, None, None]

        def on(mesh: Mesh) -> Floats:
            flow, rate = self._flow_to_end(entry.L, entry.a, entry.b, mesh), self._on(entry.G, mesh)
            return np.einsum("nm,nmij,nmjk,nmlk->nil", np.abs(mesh.du), flow, rate, flow, optimize=True)

        return self._integrated(entry, on, entry.L, entry.G)

    def _closed_covariance(self, entry: Cov) -> Floats | None:
        window = self._window(entry.a, entry.b)
        if (entry.L, entry.G) == (FORWARD, FORWARD_RATE):
            return forward_noise(window)
        return self.problem.frozen.covariance(window) if (entry.L, entry.G) == (LINEAR, RATE) else None


def _resolved(values: Floats) -> NDArray[np.bool_]:
    """Whether the last two Legendre coefficients of what has these values (n, points, .) are below RESOLVED, (n,)."""
    last, size = np.abs(_last_legendre(values.shape[1]) @ values), np.abs(values).max(axis=(1, 2), keepdims=True)
    return np.asarray((last <= RESOLVED * size).all(axis=(1, 2)))


@cache
def _last_legendre(count: int) -> Floats:
    """(2, count), the last two Legendre coefficients of the polynomial through values at the Gauss points."""
    points = np.polynomial.legendre.leggauss(count)[0]
    return np.asarray(np.linalg.inv(np.polynomial.legendre.legvander(points, count - 1))[-2:], dtype=np.float64)


@cache
def _collocation(count: int) -> tuple[Floats, Floats, Floats]:
    """Gauss-Legendre points and weights on [0, 1], and B_ij = int from point i to 1 of the Lagrange polynomial of j."""
    legendre = np.polynomial.legendre
    points, weights = legendre.leggauss(count)
    primitives = [legendre.legint(row, lbnd=-1) for row in np.eye(count)]
    tails = np.stack([legendre.legval(1.0, p) - legendre.legval(points, p) for p in primitives], axis=1)
    return (points + 1) / 2, weights / 2, tails @ np.linalg.inv(legendre.legvander(points, count - 1)) / 2


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
