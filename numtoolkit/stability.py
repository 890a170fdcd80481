"""Linear stability, read numerically from a scheme's declaration: its rows, with a linear network substituted.

Two kinds of maps, both of the spectral radius of the one-step matrix over (state, carried evaluations):

    test equation   dz/du = L z + e, e = w z / h, on one scalar block with h L = x fixed and the complex w = h de/dz
                    free; for a scheme that freezes the whole drift, e = (L + w / h) z, which is the same equation
    process         the process itself with Gaussian data of a given variance: a step from time t of length h

Additive noise does not move the matrix, so radius <= 1 is also mean-square stability. History is that of equal steps
and carries evaluations of the same equation (the companion matrix), so the test equation serves multistep schemes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from numtoolkit.coefficients import Reader
from numtoolkit.errors import InputError
from numtoolkit.problem import FROZEN_DRIFT, Problem
from numtoolkit.processes import EDM, PSLD, Floats, Process
from numtoolkit.program import problem_of
from numtoolkit.scheme import START, Eval, Layout, Row, Scheme
from numtoolkit.schemes import scheme as read

ROUNDING = 1e-12  # a radius this close to 1 counts as 1

Slope = Callable[[Eval], NDArray[Any]]  # an evaluation -> d(frozen quantity)/d(state there), (n or 1, width, k)


@dataclass(frozen=True, eq=False)
class Region:
    """A map of the spectral radius of one scheme.

    panel       what is held fixed; regions of one panel share their axes and may be drawn together
    x, y        coordinates (ny, nx) of the points, with their labels, both logarithmic or both linear
    radius      (ny, nx); the scheme is stable where it is <= 1
    """

    scheme: str
    panel: str
    x: Floats
    y: Floats
    radius: Floats
    x_label: str
    y_label: str
    logarithmic: bool


@dataclass(frozen=True)
class _Line:
    """The scalar block of the test equation, as a reader of entries sees it."""

    name: str = "test equation"
    blocks: int = 1
    rows: tuple[str, ...] = ("x",)


@dataclass(frozen=True)
class LinearEquation:
    """dz/du = x z + e, steps of length 1 in u = -t: stands in for a `Problem` in a `Reader`."""

    linear: float
    frozen: str
    process: _Line = _Line()
    scalar: None = None  # blocks are read as constant matrices, not by the closed forms of a process

    def u(self, t: Floats) -> Floats:
        return -t

    def t(self, u: Floats) -> Floats:
        return -u

    def constant(self, name: str) -> bool:
        return True

    def operator(self, name: str, t: Floats) -> Floats:
        values = {"L": 0.0 if self.frozen == FROZEN_DRIFT else self.linear, "N": 1.0, "unit": 1.0, "ones": 1.0}
        if name not in values:
            raise InputError(f"operator {name} has no meaning on the test equation; name a process instead.")
        return np.full((len(t), 1, 1), values[name])


def one_step_matrix(layout: Layout, reader: Reader, width: int, slope: Slope) -> NDArray[Any]:
    """The matrices (n, B, B) that take (state, carried evaluations) through a step whose network is linear.

    Basis vectors are fed through the rows in order; noises contribute nothing.
    """
    k, carried = reader.k, [new for new, _ in layout.carry]
    basis = np.eye(k + width * len(carried))[None]
    names: dict[str, NDArray[Any]] = {START: basis[:, :k]}
    for i, name in enumerate(carried):
        names[name] = basis[:, k + i * width : k + (i + 1) * width]
    for item in layout.items:
        if isinstance(item, Row):
            names[item.name] = sum(reader.block(e) @ names[s] for s, e in item.terms if s in names)
        elif isinstance(item, Eval):
            names[item.name] = slope(item) @ names[item.of]
    rows = [names[layout.out], *(names[old] for _, old in layout.carry)]
    n = max(map(len, rows))
    return np.concatenate([np.broadcast_to(row, (n, *row.shape[1:])) for row in rows], axis=1)


def linear_radius(scheme: str | Scheme, linear: float, w: NDArray[Any]) -> Floats:
    """Spectral radius of one step on the test equation with h L = linear, for every w (n,), real or complex.

    Step ratios are 1. A shift of a conjugate scheme is in units of 1 / h.
    cost     (400 x 200) w: 10 ms a one-step scheme, 0.15 s with one carried evaluation, 0.5 s with two
    """
    declared = read(scheme)
    ratios = {f"r{j}": 1.0 for j in range(len(declared.start))}
    problem = cast(Problem, LinearEquation(linear, declared.frozen))
    reader = Reader(problem, np.array([1.0, 0.0]), np.array([0]), declared.parameters() | ratios)
    e = (linear + w if declared.frozen == FROZEN_DRIFT else w)[:, None, None]
    return spectral_radius(one_step_matrix(declared.step, reader, 1, lambda item: e))


def process_radius(scheme: str | Scheme, process: Process, variance: float, start: Floats, end: Floats) -> Floats:
    """Spectral radius of single steps from the times `start` to `end` (n,), data N(., variance), exact network.

    Step quantities (churn) are those of a run of that one step.
    raises   InputError for a scheme with history, whose steps on a process are no powers of one matrix
    """
    declared = read(scheme)
    if declared.step.carry:
        raise InputError(f"scheme {declared.name} carries evaluations between steps; use its test equation.")
    problem = problem_of(declared, process)
    values = declared.parameters()
    quantities: dict[str, Any] = {
        name: np.array(
            [rule(problem, np.array(ends), np.array([0]), values)[0] for ends in zip(start, end, strict=True)]
        )
        for name, rule in declared.quantities
    }
    pairs = np.stack([start, end], axis=1).ravel()
    reader = Reader(problem, pairs, 2 * np.arange(len(start)), values | quantities)

    def slope(item: Eval) -> Floats:
        told = reader.time(item.told)
        e, sigma = process.kernel(told)
        marginal = variance * e[:, :, None] * e[:, None, :] + sigma
        posterior = variance * np.swapaxes(np.linalg.solve(marginal, e[:, :, None]), 1, 2)  # d E[x_0 | z] / dz
        P, Q = problem.freeze("data", told)
        return P + Q @ posterior

    return spectral_radius(one_step_matrix(declared.step, reader, problem.width, slope))


def spectral_radius(matrices: NDArray[Any]) -> Floats:
    """Largest modulus of the eigenvalues of stacked matrices (n, B, B)."""
    return cast(Floats, np.abs(np.linalg.eigvals(matrices)).max(axis=-1))


def regions(
    scheme: str | Scheme,
    linear: Sequence[float] = (0.0, -1.0, -2.0),
    process: Process | None = None,
    variance: float = 0.25,
    size: int = 400,
) -> tuple[Region, ...]:
    """Stability maps of a scheme: the test equation for deterministic schemes of scalar processes, else a process.

    linear    values of h L, one map each
    process   map this process instead of the test equation (its default where there is no choice: PSLD, else EDM)
    variance  of one coordinate of the data, for maps on a process
    size      points along each axis, but an eighth of them along the time axis of a process
    raises    InputError for unknown schemes, and for a scheme with history on a process
    """
    declared = read(scheme)
    if process is None and declared.kind == "ode" and "vp" in declared.processes:
        return tuple(_linear_map(declared, x, size) for x in linear)
    if process is None:
        process = PSLD() if "psld" in declared.processes else EDM()
    return (_process_map(declared, process, variance, size),)


def _linear_map(scheme: Scheme, linear: float, size: int) -> Region:
    """Computed for Im w >= 0 and mirrored: coefficients are real."""
    half = np.linspace(0.0, 3.5, max(size // 2, 2))
    x, upper = np.meshgrid(np.linspace(-5.0, 2.5, size), half)
    radius = linear_radius(scheme, linear, (x + 1j * upper).ravel()).reshape(x.shape)
    x, y, radius = (np.vstack([below[::-1], above]) for below, above in ((x, x), (-upper, upper), (radius, radius)))
    return Region(scheme.spec, f"h L = {linear:g}", x, y, radius, "Re w,  w = h de/dz", "Im w", False)


def _process_map(scheme: Scheme, process: Process, variance: float, size: int) -> Region:
    """Rows are fractions of the time left to t_min, so that every point is a step there is."""
    times = np.geomspace(2 * process.t_min, process.T, max(size // 8, 8))
    t, fraction = np.meshgrid(times, np.geomspace(1e-3, 1.0, size))
    h = fraction * (t - process.t_min)
    radius = process_radius(scheme, process, variance, t.ravel(), (t - h).ravel()).reshape(t.shape)
    dynamics = "probability flow" if scheme.kind == "ode" else "reverse SDE"
    panel = f"{process.name}, {dynamics}, data variance {variance:g}"
    return Region(
        scheme.spec, panel, t, h, radius, "process time t at the start of the step", "step length h in t", True
    )


def real_interval(scheme: str | Scheme, linear: float = 0.0) -> float:
    """The largest r with the test equation stable for all w in [-r, 0] at h L = linear; inf beyond 1000."""
    return _extent(lambda s: linear_radius(scheme, linear, -s), 1e3, np.inf)


def stable_step(scheme: str | Scheme, process: Process, variance: float, t: float) -> float:
    """The length below which every step from time t is stable on a process; all of t - t_min if none is unstable."""
    longest = t - process.t_min

    def radius(h: Floats) -> Floats:
        start = np.full_like(h, t)
        return process_radius(scheme, process, variance, start, np.maximum(start - h, process.t_min))

    return _extent(radius, longest, longest)


def _extent(radius: Callable[[Floats], Floats], top: float, otherwise: float) -> float:
    """Where `radius` first exceeds 1 on (0, top], 0 if below a millionth of it: a scan, narrowed to the last digits."""
    points = np.geomspace(1e-6 * top, top, 2000)
    while True:
        unstable = radius(points) > 1 + ROUNDING
        first = int(np.argmax(unstable))
        if not unstable[first]:
            return otherwise
        if first == 0:
            return 0.0
        low, high = points[first - 1], points[first]
        if high - low <= 1e-13 * high:
            return float(low)
        points = np.linspace(low, high, 33)
