"""Linear stability of the equation that occurs, read from a scheme's declaration with a linear network put in.

    test equation   dz/du = L z + (w/h) z with h L fixed and the complex w free: what a run over equal steps of log-SNR
                    solves where the data prediction is D = omega x in x = z / alpha. Then h L = -q h and w = q h omega,
                    so w = omega at h L = -1. A scheme that freezes the noise meets the same equation, in its own way:
                    e = (x - D)/s, s falling over the step (`numtoolkit.symbolic.amplification`)
    process         the process itself with Gaussian data of a given variance: a step from time t of length h

Additive noise does not move the matrix, so radius <= 1 is also mean-square stability. History is that of equal steps
and carries evaluations of the same equation, so the test equation serves multistep schemes.

A lowered run has a radius as well, with the coefficients of its grid: `program_radius`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.declare.entries import Entry
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Noise, Row, Step
from numtoolkit.declare.walk import Values
from numtoolkit.errors import InputError, real, several, whole
from numtoolkit.problem.kinds import PHASE_SPACE, SCALAR
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import EDM, PSLD, Floats, Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.evaluator import Evaluator, Indices
from numtoolkit.program.matrices import step_maps
from numtoolkit.program.program import Program, problem_of, step_quantity, taus
from numtoolkit.program.walk import evaluations
from numtoolkit.schemes import scheme as read
from numtoolkit.symbolic.amplification import amplification
from numtoolkit.symbolic.unit_circle import End, on_imaginary_axis, on_negative_axis, stable_to

MOST_POINTS = 4000  # of a map, along each axis
MOST_VARIANCE = 1e12  # of data: beyond it float64 has no digits left for the noise
WINDOW = (-5.0, 3.0, 4.0)  # of maps of the test equation: Re w from, to, and the largest |Im w|
ROUNDING = 1e-12  # a radius this close to 1 counts as 1
AXES = {"real": on_negative_axis, "imaginary": on_imaginary_axis}
Slope = Callable[[Eval], NDArray[Any]]  # an evaluation -> d(frozen quantity)/d(state there), (n or 1, width, k)


@dataclass(frozen=True, eq=False)
class Region:
    """One scheme on the test equation with h L = linear: x, y (ny, nx) are Re w, Im w; stable where radius <= 1."""

    scheme: str
    linear: float
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    radius: Floats = field(repr=False)

    @property
    def panel(self) -> str:
        """What is held fixed."""
        return f"h L = {self.linear:g}"


@dataclass(frozen=True, eq=False)
class StepLimit:
    """The longest stable step h (n,) of one scheme from the times t (n,), inf where no step there is unstable.

    panel    what is held fixed
    longest  (n,), the longest step there is, t - t_min
    """

    scheme: str
    panel: str
    t: Floats = field(repr=False)
    h: Floats = field(repr=False)
    longest: Floats = field(repr=False)


@dataclass(frozen=True)
class _LinearStep:
    """The algebra of a step whose network is linear: values (n or 1, rows, B) over (state, carried evaluations)."""

    evaluator: Evaluator
    basis: dict[str, NDArray[Any]]  # of the state and of each carried name
    slope: Slope

    def begin(self, name: str) -> NDArray[Any]:
        return self.basis[name]

    def combine(self, row: Row, terms: Sequence[tuple[Entry, NDArray[Any]]]) -> NDArray[Any]:
        return sum(
            (self.evaluator.block(entry) @ value for entry, value in terms), start=np.zeros_like(self.basis[START])
        )

    def evaluate(self, item: Eval, state: NDArray[Any]) -> NDArray[Any]:
        return self.slope(item) @ state

    def draw(self, noise: Noise) -> NDArray[Any]:
        return np.zeros_like(self.basis[START])


def one_step_matrix(step: Step, evaluator: Evaluator, width: int, slope: Slope) -> NDArray[Any]:
    """The matrices (n, B, B) that take (state, carried evaluations) through a step whose network is linear.

    Basis vectors are fed through the rows; noises contribute nothing.
    step       of a scheme
    evaluator  of its entries, for n steps
    width      blocks of an evaluation
    slope      what an evaluation is of the state it is taken at, (n or 1, width, k)
    """
    k, carried = evaluator.k, [new for new, _ in step.carry]
    unit = np.eye(k + width * len(carried))[None]
    ends = range(k, unit.shape[1] + 1, width)
    basis = {START: unit[:, :k]} | {name: unit[:, end : end + width] for name, end in zip(carried, ends, strict=False)}
    values = Values(step, _LinearStep(evaluator, basis, slope))
    rows = [values[step.out], *(values[old] for _, old in step.carry)]
    n = max(map(len, rows))
    return np.concatenate([np.broadcast_to(row, (n, *row.shape[1:])) for row in rows], axis=1)


def linear_radius(scheme: str | Scheme, linear: float, w: NDArray[Any]) -> Floats:
    """Largest growth |zeta| of a step on the test equation with h L = linear, for every w (n,), real or complex.

    Fitted coefficients are 0. The shift of a conjugate scheme is per step.
    raises   InputError as `numtoolkit.symbolic.amplification.amplification`, or for coefficients beyond float64
    cost     (400 x 200) w: 50 ms a one-step scheme, 0.3 s with one carried evaluation, 1 s with two
    """
    found = amplification(read(scheme), linear)
    try:
        rows = [[float(c) for c in row] for row in found.coefficients]
    except OverflowError:
        raise InputError(
            f"a step of {found.scheme} at h L = {linear} grows beyond float64; take a shorter one."
        ) from None
    values = np.array([np.polynomial.polynomial.polyval(w, row) for row in rows[:-1]])
    if len(values) < 2:  # a number, or nothing that is handed on
        return np.abs(values).sum(axis=0) if len(values) else np.zeros(np.shape(w))
    companion = np.zeros((len(w), len(values), len(values)), values.dtype)
    companion[:, range(1, len(values)), range(len(values) - 1)] = 1
    companion[:, :, -1] = -values.T
    return spectral_radius(companion)


def stable_interval(scheme: str | Scheme, linear: float | Fraction = 0, axis: str = "real") -> End:
    """Where the test equation at h L = linear ceases to be stable along an axis of w, from 0 on.

    axis     real: w in [-r, 0]; imaginary: w in [-r, r] i
    returns  the end r, an algebraic number with its polynomial where coefficients are rational, as at h L = 0. What
             the digits of a scheme's numbers allow to be 0 is 0: it is that of the scheme they stand for
    raises   InputError as `numtoolkit.symbolic.amplification.amplification`, or for another axis
    cost     20 to 500 ms, most of it reading the scheme; the imaginary axis of six steps of history takes minutes
    """
    if axis not in AXES:
        raise InputError(f"axis {axis!r} is none of w here; use {' or '.join(AXES)}.")
    found = amplification(read(scheme), linear)
    return stable_to(found.along(AXES[axis]), found.exact)


def process_radius(scheme: str | Scheme, process: Process, variance: float, start: Floats, end: Floats) -> Floats:
    """Spectral radius of single steps from the times `start` to `end` (n,), data N(., variance), exact network.

    Step quantities (churn) are those of a run of that one step, fitted coefficients are 0, tau acts where it does.
    raises   InputError for a scheme with history, whose steps on a process are no powers of one matrix
    """
    declared = read(scheme).agreed.unfitted()
    if declared.steps.inner.carry:
        raise InputError(
            f"scheme {declared.spec} carries evaluations between steps; leave the process out for its test equation."
        )
    problem = problem_of(declared, process)
    pairs, index = np.stack([start, end], axis=1).ravel(), 2 * np.arange(len(start))
    acting = np.array(taus(declared, problem, pairs))[index]
    radius = np.empty(len(start))
    for tau in set(acting.tolist()):
        own = acting == tau
        radius[own] = _process_radius(declared, replace(problem, tau=tau), variance, pairs, index[own])
    return radius


def _process_radius(scheme: Scheme, problem: Problem, variance: float, t: Floats, index: Indices) -> Floats:
    """The same of the steps `index` of the times t, tau as the problem has it."""
    process, values = problem.process, scheme.parameters()
    run = values | {"steps": 1}
    quantities = {q.name: step_quantity(q, problem, t, index, run) for q in scheme.quantities}
    evaluator = Evaluator(problem, t, index, values | quantities)

    def slope(item: Eval) -> Floats:
        network_time = evaluator.time(item.network_time)
        e, sigma = process.kernel(network_time)
        marginal = variance * e[:, :, None] * e[:, None, :] + sigma
        posterior = variance * np.swapaxes(np.linalg.solve(marginal, e[:, :, None]), 1, 2)  # d E[x_0 | z] / dz
        P, Q = problem.freeze(DATA, network_time)
        return P + Q @ posterior

    return spectral_radius(one_step_matrix(scheme.steps.inner, evaluator, problem.width, slope))


def program_radius(program: Program, slope: Callable[[float], ArrayLike], step: int | None = None) -> Floats:
    """Spectral radius of a run whose network is linear, out = slope(t) z: of the map from the start to the final state.

    slope    told time -> (*batch, q, k), real or complex, for networks of `program.network`, q the blocks of
             one output or of both; noise does not move it
    step     instead the map of this step, over (state, carried values). It is no growth where these are handed on in
             units that change, as the noise is that a multistep scheme carries while the noise level falls
    returns  (*batch,)
    raises   InputError for a step that hands on other names than it takes, whose map has no eigenvalues
    """
    batch = np.shape(slope(evaluations(program)[0].time))[:-2]

    def network(t: float) -> tuple[NDArray[Any], NDArray[Any]]:
        own = np.asarray(slope(t))
        return own, np.zeros(own.shape[:-1])

    maps = [linear for linear, _, _ in step_maps(program, network, np.ones(batch))]
    if step is None:
        return spectral_radius(reduce(lambda before, own: own @ before, maps))
    *_, rows, columns = maps[step].shape
    if rows != columns:
        raise InputError(
            f"step {step} of {program.scheme} takes {columns} blocks and hands on {rows}; take an inner step of it."
        )
    return spectral_radius(maps[step])


def spectral_radius(matrices: NDArray[Any]) -> Floats:
    """Largest modulus of the eigenvalues of stacked matrices (n, B, B)."""
    largest: Floats = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    return largest


def real_interval(scheme: str | Scheme, linear: float | Fraction = 0) -> float:
    """The largest r with the test equation stable for all w in [-r, 0] at h L = linear; inf where nothing bounds it."""
    return stable_interval(scheme, linear).value


def stable_step(scheme: str | Scheme, process: Process, variance: float, t: ArrayLike) -> Any:
    """The h below which every step from the times t, () or (n,), is stable on a process; inf where none is unstable.

    Found by a scan: an unstable window of h between two of its 400 points is not seen.
    scheme   or its specification, without history
    variance of one coordinate of the data
    cost     450 steps read for each time
    """
    start = np.atleast_1d(np.asarray(t, dtype=np.float64))

    def radius(h: Floats) -> Floats:
        begin = np.resize(start, h.shape)
        return process_radius(scheme, process, variance, begin, np.maximum(begin - h, process.t_min))

    return _extent(radius, start - process.t_min).reshape(np.shape(t))[()]


def extents(scheme: str | Scheme) -> dict[str, float]:
    """How far a scheme is stable, where that has a meaning, by what it is measured on; inf where there is no bound.

    "h L = 0", "h L = -1"  `real_interval`, for schemes of scalar processes and those that carry evaluations
    "PSLD step"             the longest from its T with data variance 1/4, for schemes without history
    returns  nothing for a scheme with a coefficient that only a grid gives
    cost     0.05 to 1 s
    """
    declared = read(scheme).agreed
    if declared.of_grid:
        return {}
    found = {
        f"h L = {x}": real_interval(declared, x)
        for x in (0, -1)
        if declared.steps.inner.carry or SCALAR in declared.kinds
    }
    if PHASE_SPACE in declared.kinds and not declared.steps.inner.carry:
        process = PSLD()
        found["PSLD step"] = float(stable_step(declared, process, 0.25, process.T))
    return found


def _extent(radius: Callable[[Floats], Floats], top: Floats) -> Floats:
    """Where `radius` first exceeds 1 on (0, top], each: found by a scan and halved to the last digits.

    radius   of m x n points in one row, n fastest
    returns  (n,): 0 below a millionth of top, inf if the scan sees no excess
    """
    points = np.geomspace(1e-6, 1.0, 400)[:, None] * top

    def unstable(at: Floats) -> NDArray[np.bool_]:
        return radius(at.ravel()).reshape(at.shape) > 1 + ROUNDING

    scan = unstable(points)
    first = scan.argmax(axis=0)
    column = np.arange(len(top))
    low, high = points[np.maximum(first - 1, 0), column], points[first, column]
    for _ in range(50):
        middle = (low + high) / 2
        beyond = unstable(middle[None])[0]
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(scan.any(axis=0), np.where(first == 0, 0.0, low), np.inf)


def stability(
    scheme: str | Scheme,
    process: str | Process | None = None,
    variance: float = 0.25,
    *,
    linear: Sequence[float] = (0.0, -1.0, -2.0),
    size: int = 400,
) -> tuple[Region, ...] | tuple[StepLimit]:
    """Where a scheme is stable: on the test equation for schemes that carry evaluations and for deterministic ones of
    scalar processes that have no step quantities but ratios, else on a process.

    process   the longest stable steps on this process instead (its default where there is no choice: PSLD, else EDM)
    variance  of one coordinate of the data, on a process
    linear    values of h L, one map each
    size      points along each axis of a map, 2 at least; a fifth as many times on a process
    raises    InputError for unknown schemes, a variance or size of no meaning, and for a scheme with history on a
              process, or with history and a coefficient that only a grid gives
    """
    if isinstance(scheme, Program):
        raise InputError(
            f"the program of {scheme.scheme} has steps of one length each, and a map is over lengths; give its scheme, "
            "or take numtoolkit.measure.stability.program_radius of the program."
        )
    declared, size = read(scheme), whole("size", size, 2, MOST_POINTS)
    variance = real("variance", variance, 0, MOST_VARIANCE)
    linear = [real("linear", x) for x in several("linear", linear)]
    alike = declared.kind == "ode" and not declared.quantities
    if process is None and (declared.steps.inner.carry or (SCALAR in declared.kinds and alike)):
        return tuple(_linear_map(declared, x, size) for x in linear)
    process = (PSLD() if PHASE_SPACE in declared.kinds else EDM()) if process is None else process_of(process)
    t = np.geomspace(2 * process.t_min, process.T, max(size // 5, 2))
    limit = stable_step(declared, process, variance, t)
    return (StepLimit(declared.spec, _panel(declared, process, variance), t, limit, t - process.t_min),)


def _panel(scheme: Scheme, process: Process, variance: float) -> str:
    dynamics = "probability flow" if scheme.kind == "ode" else "reverse SDE"
    return f"{process.name}, {dynamics}, data variance {variance:g}"


def panels_of(
    schemes: Sequence[str | Scheme], linear: Sequence[float], process: Process | None = None, variance: float = 0.25
) -> list[str]:
    """The panels of a figure of the `stability` of schemes, one a curve, before they are computed.

    linear, process, variance   as of `stability`, which refuses what this refuses
    cost     milliseconds a scheme, 0.2 s where it chooses a process itself
    """
    if process is None:
        return [member.panel for scheme in schemes for member in stability(scheme, linear=linear, size=2)]
    for scheme in schemes:
        process_radius(scheme, process, variance, np.array([process.T]), np.array([process.t_min]))
    return [_panel(read(scheme), process, variance) for scheme in schemes]


def _linear_map(scheme: Scheme, linear: float, size: int) -> Region:
    """Computed for Im w >= 0 and mirrored: coefficients are real."""
    half = np.linspace(0.0, WINDOW[2], max(size // 2, 2))
    x, upper = np.meshgrid(np.linspace(*WINDOW[:2], size), half)
    radius = linear_radius(scheme, linear, (x + 1j * upper).ravel()).reshape(x.shape)
    x, y, radius = (np.vstack([below[::-1], above]) for below, above in ((x, x), (-upper, upper), (radius, radius)))
    return Region(scheme.spec, linear, x, y, radius)
