"""The transfer function of long runs: T = limit + coefficient / steps^order, from the derived defects of a scheme.

On Gaussian data one step misses of the covariance P of its law h^(order + 1) E + ..., E a sum of words in the operators
of the equation (`numtoolkit.symbolic.marginal`). What is missed is carried to the end by the exact flow, or by the mean
of the reference SDE, X: with a' the data row of X(end) X(u)^-1, and u as a function of x = n / steps on the grid,

    variance at the end = that of the exact flow + steps^-order * int (du/dx)^order a' E a du + ...

Starting and final steps of a lower order are few, and add h^(their order + 1) a' E a each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.entries import Op, symbols, walk
from numtoolkit.declare.scheme import LENGTH, LEVEL, Scheme
from numtoolkit.declare.steps import INNER, Place
from numtoolkit.errors import InputError, brief, whole
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.transfer import SCALES, scales_of
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.operators import OPERATORS, L
from numtoolkit.problem.predictions import SCORE
from numtoolkit.problem.problem import Operator, Problem
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import problem_of
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.expansions import NotAnalysedError
from numtoolkit.symbolic.marginal import Graded, MarginalDefects, marginal_order, transposed
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import SeriesExpansion
from numtoolkit.symbolic.steps_back import StepInClock, expansion_of, field_of, scalars_of
from numtoolkit.symbolic.weak import HIGHEST, Defects, defects

FINE = 768  # steps of the finer of two quadratures
PANEL = 8  # of its steps: over so many an operator is a polynomial
NODES = 12  # of that polynomial
MOST = 1000  # scales, which the memory takes
GENERIC = (Fraction(4, 5), Fraction(9, 7), Fraction(5, 8), Fraction(7, 6))  # step ratios of no grid in particular
EQUAL = (Fraction(1),)
RATIO = re.compile(r"r\d+")


@dataclass(frozen=True, eq=False)
class TransferSeries:
    """T(s0) of a run of many whole steps: limit + coefficient / steps^order, and higher powers.

    scheme, process, grid   by their specifications
    order        with which the law of the run converges on Gaussian data
    scales       (n,), deviations of the data
    limit        (n,), T of the exact flow from the law that runs start from: 0 but for what the prior misses at T
    coefficient  (n,); 0 says that the order is higher there
    doubt        (n,), an estimate of what quadrature leaves open of it
    mean_limit, mean_coefficient   (n,), the same of the multiplier of the mean
    """

    scheme: str
    process: str
    grid: str
    order: int
    scales: Floats = field(repr=False)
    limit: Floats = field(repr=False)
    coefficient: Floats = field(repr=False)
    doubt: Floats = field(repr=False)
    mean_limit: Floats = field(repr=False)
    mean_coefficient: Floats = field(repr=False)

    def __repr__(self) -> str:
        run = f"{brief(self.scheme, 80)} on {brief(self.process, 80)}, {brief(self.grid, 40)}"
        low, high = self.coefficient.min(), self.coefficient.max()
        return f"<TransferSeries {run}: {low:+.3g} to {high:+.3g} over steps^{self.order}>"

    def at(self, steps: int) -> Floats:
        """The first two terms of T at a number of whole steps, (n,)."""
        found: Floats = self.limit + self.coefficient / whole("steps", steps, high=MOST_NFE) ** self.order
        return found


def transfer_series(scheme: str | Scheme, process: str | Process, grid: str, scales: Any = SCALES) -> TransferSeries:
    """T(s0) of runs of many steps from the defects that are derived of a scheme: what `transfer` tends to.

    scheme   by name or as an object, deterministic or not, free parameters at their values or defaults
    process  by name or as an object
    grid     a name with parameters, "quadratic": times at n steps are a smooth function of n / steps; above time 0
    scales   (n,), deviations of the data, as for `transfer`, at most 1000
    returns  `TransferSeries`
    raises   InputError for a scheme that is not analysed: with coefficients that only a grid gives or that a fit gave,
             with a window of tau, or of an order that it has on equal steps alone; and for other grids
    cost     that of the proofs, 0.01 to 10 s, and 0.1 to 2 s for two quadratures of 768 and 384 steps; no evaluations
    """
    own, on, chosen = scheme_of(scheme), process_of(process), scales_of(scales, MOST)
    if not isinstance(grid, str):
        raise InputError("a series in the number of steps needs a grid of any number of them; give its name.")
    if grid_of(grid, on, 2)[-1] == 0:
        raise InputError(f"grid {grid} ends at time 0 with a step that never is short; take one that ends above.")
    bound = own.agreed.bind(**own.agreed.parameters())
    if bound.fitted or bound.tau_between:
        kept = "coefficients that were fitted to one grid" if bound.fitted else "a window in which tau acts"
        raise NotAnalysedError(f"scheme {own.spec} has {kept}, so it has no series in the steps; take its transfer.")
    problem = problem_of(bound, on)
    found = [_missed_at(StepInClock(bound, place=place)) for place in _places(bound)]
    order = min(each.order - (each.frame.place == INNER) for each in found)
    sums = [_summed(found, order, problem, grid, steps, chosen) for steps in (FINE // 2, FINE)]
    ends = _Ends(*((16 * fine - coarse) / 15 for coarse, fine in zip(sums[0].ends, sums[1].ends, strict=True)))
    variance, mean = ((4 * fine - coarse) / 3 for coarse, fine in zip(sums[0].inner, sums[1].inner, strict=True))
    edge, edge_mean = (2 * fine - coarse for coarse, fine in zip(sums[0].edges, sums[1].edges, strict=True))
    doubt = np.abs(sums[1].inner[0] - sums[0].inner[0]) + np.abs(edge - sums[1].edges[0])
    per = 2 * np.sqrt(ends.variance * ends.exact)
    return TransferSeries(
        own.spec,
        on.spec,
        grid,
        order,
        chosen,
        np.sqrt(ends.variance / ends.exact) - 1,
        (variance + edge) / per,
        doubt / per,
        ends.mean / ends.exact_mean - 1,
        (mean + edge_mean) / ends.exact_mean,
    )


def _places(scheme: Scheme) -> Iterator[Place]:
    """The places of a run whose steps fall in length."""
    yield from (place for place, _ in scheme.steps.places() if place[0] in ("start", "inner", "final"))


@dataclass(frozen=True)
class _Missed:
    """What a step misses of mean and covariance: its words, and the power of h at which a marginal misses some."""

    frame: StepInClock
    first: int
    order: int
    field: Field
    mean: Any
    covariance: Any


def _missed_at(frame: StepInClock) -> _Missed:
    """On steps that tend to equal ones.

    A noisy step with history has a history that its own steps drew: their joint law is off by h^2 for a history that
    acts with h, and comes in with h^3.
    """
    scheme, first = frame.scheme, 1
    while not _misses(frame, found := defects(frame, first, _ratios(frame, first, EQUAL))):
        first += 1
        if first > HIGHEST + 1:
            raise NotAnalysedError(
                f"scheme {scheme.spec} is of order {HIGHEST} and more on Gaussian laws, beyond which it is not "
                "analysed; take its transfer."
            )
    if first > 1 and _misses(frame, defects(frame, first - 1, _ratios(frame, first - 1, GENERIC))):
        raise NotAnalysedError(
            f"scheme {scheme.spec} is of order {first - 1} where steps are equal alone, so its error hangs on how fast "
            "they change; take its transfer."
        )
    order = first if scheme.kind == "ode" else marginal_order(scheme, frame.place) + 1
    if scheme.kind == "sde" and frame.step.needs and order > 2:
        raise NotAnalysedError(
            f"scheme {scheme.spec} draws its history by its own steps, whose joint law is off at the order of the "
            "error, so that is not one of single steps; take its transfer."
        )
    if order > first:
        found = defects(frame, order, _ratios(frame, order, EQUAL))
    field, mean, covariance, _ = found
    return _Missed(frame, first, order, field, mean, covariance)


def _misses(frame: StepInClock, found: Defects) -> bool:
    """Whether a transition misses something, to the order to which its defects were looked at."""
    field, mean, covariance, _ = found
    return any(map(field.surely, (*mean.values(), *covariance.values())))


def _ratios(frame: StepInClock, depth: int, ratios: tuple[Fraction, ...]) -> dict[str, Fraction]:
    names = sorted(name for name in scalars_of(frame, depth) if RATIO.fullmatch(name))
    return {name: ratios[int(name[1:]) % len(ratios)] for name in names}


# --- a run on a fine grid


class _Ends(NamedTuple):
    """Of each scale: the variance and the mean of the exact flow at the end from the start of runs, and the exact ones.

    variance, exact, mean, exact_mean   (d,)
    """

    variance: Floats
    exact: Floats
    mean: Floats
    exact_mean: Floats


@dataclass(frozen=True)
class _Sums:
    """What defects come to at the end, times the steps to the power of the order: of the variance and the mean.

    inner, edges   of inner steps, and of starting and final ones; (d,) each
    """

    inner: tuple[Floats, Floats]
    edges: tuple[Floats, Floats]
    ends: _Ends


def _summed(found: list[_Missed], order: int, problem: Problem, grid: str, steps: int, scales: Floats) -> _Sums:
    run = Fine(problem, grid_of(grid, problem.process, steps), scales, *reference_of(found[0].frame))
    inner, edges = ([np.zeros(len(scales)), np.zeros(len(scales))] for _ in range(2))
    for each in found:
        kind, index = each.frame.place
        if each.order - (kind == "inner") > order:
            continue
        defects = _Given(each.frame, each.order, run)
        *_, (mean, covariance) = defects.missed(each.field, each.mean, each.covariance, each.first)
        weight = (run.h**each.order * float(steps) ** order)[:, None]
        variance = weight * np.einsum("ndi,ndij,ndj->nd", run.adjoint, covariance * defects.scale(2), run.adjoint)
        moved = weight * np.einsum("ndi,ndi->nd", run.adjoint, (mean * defects.scale(1))[..., 0])
        last = len([place for place in _places(each.frame.scheme) if place[0] == "final"])
        where = {"inner": slice(None), "start": index, "final": steps - last + index}[kind]
        for total, own in zip(inner if kind == "inner" else edges, (variance, moved), strict=True):
            total += own[where].sum(axis=0) if kind == "inner" else own[where]
    return _Sums((inner[0], inner[1]), (edges[0], edges[1]), run.ends)


def reference_of(frame: StepInClock) -> tuple[float, bool]:
    """The noise of the SDE that short steps follow, over the forward noise, and whether it is that of all steps."""
    entry = frame.scalar(frame.scheme.reference)
    field = Field(symbols(entry) | {LENGTH.name}, balls=frame.scheme.balls)
    limit = field.expression(field.powers(field.scalar(entry), LENGTH.name, 1)[0])
    if names := {str(symbol) for symbol in getattr(limit, "free_symbols", ())}:
        raise NotAnalysedError(_unknown(frame, names))
    return float(limit), not symbols(entry)


def _unknown(frame: StepInClock, names: set[str]) -> str:
    return (
        f"the error of scheme {frame.scheme.spec} hangs on {', '.join(sorted(names))}, of which no more is known than "
        "that it is bounded, so it has no series in the steps; take its transfer."
    )


class Fine:
    """A fine grid, seen from the middles of its steps in the clock of a problem.

    h        (n,), lengths; adjoint (n, d, k), the data row of the exact flow from there to the end
    P, m     (n, d, k, k) and (n, d, k, 1), covariance and mean of the exact flow from the start of runs, data of mean 1
    """

    def __init__(self, problem: Problem, times: Floats, scales: Floats, reference: float, steady: bool) -> None:
        self.problem, self.times, self.variances, self.reference = problem, times, scales**2, reference
        self.edges = problem.u(times)
        self.h = np.diff(self.edges)
        self.middle = problem.t(self.edges[:-1] + self.h / 2)
        process, d, k = problem.process, len(scales), problem.process.blocks
        halves = np.stack([times[:-1], self.middle, times[1:]], axis=1)
        first, second = (self._propagators(halves[:, i], halves[:, i + 1]) for i in range(2))
        before = np.broadcast_to(np.eye(k), (d, k, k))
        X = np.empty((len(self.h), d, k, k))
        for n in range(len(self.h)):
            X[n] = first[n] @ before
            before = second[n] @ X[n]
        self.adjoint = np.empty((len(self.h), d, k))
        row = np.broadcast_to(np.eye(k)[0], (d, 1, k))
        for n in reversed(range(len(self.h))):
            row = row @ second[n]
            self.adjoint[n] = row[:, 0]
            row = row @ first[n]
        (e0,), (P0,) = self._marginal(times[:1])
        from_prior = times[0] >= process.T
        gap = np.broadcast_to(process.prior(), P0.shape) - P0 if from_prior else np.zeros_like(P0)
        off = -e0 if from_prior else np.zeros_like(e0)
        e, P = self._marginal(self.middle)
        self.P: Floats
        self.m: Floats
        self.P, self.m = (P + X @ gap @ transposed(X), e + X @ off) if steady else (P, e)
        (e1,), (P1,) = self._marginal(times[-1:])
        last, last_mean = P1 + before @ gap @ transposed(before), e1 + before @ off
        self.ends = _Ends(last[:, 0, 0], P1[:, 0, 0], last_mean[:, 0, 0], e1[:, 0, 0])

    def _marginal(self, t: Floats) -> tuple[Floats, Floats]:
        """Mean (n, d, k, 1) for data of mean 1, and covariance (n, d, k, k), of the exact law."""
        e, sigma = self.problem.process.kernel(t)
        outer = e[:, :, None] * e[:, None, :]
        mean = np.broadcast_to(e[:, None, :, None], (len(t), len(self.variances), e.shape[1], 1))
        return mean, self.variances[:, None, None] * outer[:, None] + sigma[:, None]

    def _drift(self, t: Floats) -> Floats:
        """The drift (n, d, k, k) of the centred reference SDE per unit of process time, which runs down."""
        process = self.problem.process
        pull = process.diffusion(t)[:, None] @ np.linalg.inv(self._marginal(t)[1])
        return -process.drift(t)[:, None] - (1 + self.reference) / 2 * pull

    def _propagators(self, start: Floats, end: Floats) -> Floats:
        """Of the exact flow, (n, d, k, k), by Magnus' method of order 4 in the logarithm of time."""
        length = np.log(start / end)
        nodes = [np.sqrt(start * end) * np.exp(length * x / np.sqrt(12)) for x in (1, -1)]
        A, B = (self._drift(t) * (t * length)[:, None, None, None] for t in nodes)
        return _exponential((A + B) / 2 + np.sqrt(3) / 12 * (B @ A - A @ B))

    def jets(self, values: Callable[[Floats], Floats], count: int) -> Graded:
        """The first `count` jets in the clock, at the middles, of a function (t (n,)) -> (n, ...)."""
        nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        low, high = self.edges[:-1:PANEL], self.edges[PANEL::PANEL]
        centre, half = (low + high) / 2, (high - low) / 2
        t = self.problem.t((centre[:, None] + half[:, None] * nodes).ravel())
        at = values(t)
        at = at.reshape(len(centre), NODES, *at.shape[1:])
        panel = np.arange(len(self.h)) // PANEL
        x = ((self.edges[:-1] + self.h / 2) - centre[panel]) / half[panel]
        fit = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, NODES - 1))
        found, scale = [], np.ones_like(x)
        for j in range(count):
            rows = np.polynomial.chebyshev.chebvander(x, NODES - 1)[:, : NODES - j] @ _derivative(j) @ fit
            found.append(np.einsum("nq,nq...->n...", rows / scale[:, None], at[panel]))
            scale = scale * half[panel] * (j + 1)
        return found


def _derivative(j: int) -> Floats:
    """The matrix that takes Chebyshev coefficients to those of the derivative number j."""
    return np.asarray(np.polynomial.chebyshev.chebder(np.eye(NODES), j), np.float64)


def _exponential(A: Floats) -> Floats:
    """exp of matrices (..., k, k), k at most 2."""
    if A.shape[-1] == 1:
        return np.exp(A)
    half = np.trace(A, axis1=-2, axis2=-1)[..., None, None] / 2
    B = A - half * np.eye(2)
    root = np.sqrt(-np.linalg.det(B).astype(complex))[..., None, None]
    ratio = np.where(np.abs(root) < 1e-8, 1, np.sinh(root) / np.where(root == 0, 1, root))
    found: Floats = np.exp(half) * (np.cosh(root) * np.eye(2) + ratio * B).real
    return found


@dataclass(frozen=True)
class _Given(MarginalDefects):
    """The letters of a step on a fine run of Gaussian data: float64, one problem a step and a scale."""

    run: Fine

    @cached_property
    def reading(self) -> SeriesExpansion:
        """How the scheme's operators become letters."""
        own = field_of(self.frame, self.order, _ratios(self.frame, self.order, EQUAL))
        return expansion_of(self.frame.scheme, own, self.order)

    @cached_property
    def letters(self) -> Mapping[str, Graded]:
        """Jets of the operators, (n, 1 or d, k, width) each; P and m alone are asked for at their first."""
        run, problem = self.run, self.run.problem
        steps = [step for _, step in self.frame.scheme.steps.places()]
        entries = [entry for step in steps for _, entry in step.entries()]
        used = [op for entry in entries for node in walk(entry) if isinstance(node, Op) for _, op, _ in node.terms]
        operators: dict[str, Operator] = {op.name: op for op in (*used, *map(OPERATORS.get, "LNQF")) if op is not None}

        def jets(values: Callable[[Floats], Floats], power: int) -> Graded:
            return run.jets(lambda t: values(t) * self.scale(power, t), self.order + 1)

        def operator(own: Operator) -> Callable[[Floats], Floats]:
            return lambda t: problem.operator(own, t)[:, None]

        powers = {"N": -1, "Q": -2}
        found = {name: jets(operator(own), powers.get(name, 0)) for name, own in operators.items()}
        found["J"], found["j"] = jets(lambda t: self._network(t)[0], 1), jets(lambda t: self._network(t)[1], 0)
        return found | {"P": [run.P * self.scale(-2)], "m": [run.m * self.scale(-1)]}

    def scale(self, power: int, t: Floats | None = None) -> Floats:
        """A power of alpha at times t, or at the middles, where words are of z / alpha, which has no linear part; or 1.

        returns  (n, 1, 1, 1)
        """
        times, problem = self.run.middle if t is None else t, self.run.problem
        moved = L.name in self.reading.absent and not problem.frozen.whole and problem.scalar is not None
        alpha = problem.scalar.alpha(times) if moved and problem.scalar else np.ones_like(times)
        found: Floats = (alpha**power)[:, None, None, None]
        return found

    def _network(self, t: Floats) -> tuple[Floats, Floats]:
        """Slope (n, d, width, k) and offset (n, d, width, 1) of the frozen quantity, for data of mean 1."""
        problem, (e, P) = self.run.problem, self.run._marginal(t)
        gain = np.linalg.inv(P)
        of_state, of_score = (block[:, None] for block in problem.freeze(SCORE, t))
        return of_state - of_score @ gain, of_score @ gain @ e

    def number(self, field: Field, value: Any) -> Any:
        expression = field.expression(value)
        names = {str(symbol) for symbol in getattr(expression, "free_symbols", ())}
        if unknown := names - {LEVEL.name}:
            raise NotAnalysedError(_unknown(self.frame, unknown))
        if not names:
            return float(expression)
        import sympy

        level = self.run.problem.process.level(self.run.middle)[:, None, None, None]
        return sympy.lambdify([sympy.Symbol(LEVEL.name)], expression)(level)
