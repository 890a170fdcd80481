"""Single steps of a scheme as matrices, read from its declaration with a linear network put in.

    one_step_matrices   of any network that is linear in the state
    exact_steps         on a process with Gaussian data and its exact network, many steps at once, of any lengths

A step takes the state and what it inherits, and hands on the same of the next: one square matrix. Noise does not move
it, and comes as a factor beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.arrays import Floats, cholesky, lower_factor
from numtoolkit.declare.entries import Entry
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Noise, Row, Step
from numtoolkit.declare.walk import Values
from numtoolkit.errors import InputError
from numtoolkit.problem.predictions import DATA
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import Process
from numtoolkit.program.evaluator import Evaluator, Indices
from numtoolkit.program.program import problem_of, step_quantities, taus
from numtoolkit.schemes import scheme as read

ROUNDING = 1e-12  # a radius this close to 1 counts as 1
Slope = Callable[[Eval], NDArray[Any]]  # an evaluation -> d(frozen quantity)/d(state there), (n or 1, width, k)
Frame = Callable[[Floats, Floats, Floats], Floats]  # starts, ends (n,), matrices -> in other coordinates (n, k, k)


@dataclass(frozen=True)
class _LinearStep:
    """The algebra of a step whose network is linear: values (n or 1, rows, columns) over what is not known."""

    evaluator: Evaluator
    basis: dict[str, NDArray[Any]]  # of the state, of each carried name and of each noise
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
        return lower_factor(self.evaluator.block(noise.covariance)) @ self.basis[noise.name]


def one_step_matrices(step: Step, evaluator: Evaluator, width: int, slope: Slope) -> tuple[NDArray[Any], NDArray[Any]]:
    """(A (n, B, B), C (n, B, k noises)): (state, carried names) -> A (state, carried names) + C normals.

    Basis vectors are fed through the rows.
    step       of a scheme, whose network is linear
    evaluator  of its entries, for n steps
    width      blocks of an evaluation
    slope      what an evaluation is of the state it is taken at, (n or 1, width, k)
    """
    k = evaluator.k
    rows = {START: k} | {name: width if isinstance(origin(step, name)[0], Eval) else k for name, _ in step.carry}
    size = sum(rows.values())
    columns = rows | {item.name: k for item in step.items if isinstance(item, Noise)}
    unit, basis, first = np.eye(sum(columns.values()))[None], {}, 0
    for name, count in columns.items():
        basis[name] = unit[:, first : first + count]
        first += count
    values = Values(step, _LinearStep(evaluator, basis, slope))
    found = [values[step.out], *(values[old] for _, old in step.carry)]
    n = max(map(len, found))
    whole = np.concatenate([np.broadcast_to(row, (n, *row.shape[1:])) for row in found], axis=1)
    return whole[:, :, :size], whole[:, :, size:]


def origin(step: Step, name: str) -> tuple[Row | Eval | None, int]:
    """Where a value that a `step` inherits under a name was made: the item, None for the state, and how many steps ago.

    All steps before are like this one.
    """
    carry, items = dict(step.carry), {item.name: item for item in step.items}
    old, back = carry[name], 1
    while old in carry:
        old, back = carry[old], back + 1
    item = items.get(old)
    return item if isinstance(item, Row | Eval) else None, back


@dataclass(frozen=True, eq=False, repr=False)
class Steps:
    """n single steps on a process with the exact network: (state, carried) -> linear (state, carried) + noise normals.

    linear (n, B, B), noise (n, B, k noises)
    before, after   (n, B, B), block-diagonal: in units of them the exact law at the start and at the end of a step is
                    1, the lower factor of its covariance for the state, the deviation of a carried value for that
    """

    linear: Floats = field(repr=False)
    noise: Floats = field(repr=False)
    before: Floats = field(repr=False)
    after: Floats = field(repr=False)

    @property
    def relative(self) -> tuple[Floats, Floats]:
        """(linear, noise) in units of the exact law before and after: the exact flow is a rotation there, or 1."""
        own, drawn = np.split(
            np.linalg.solve(self.after, np.concatenate([self.linear @ self.before, self.noise], axis=2)),
            [self.linear.shape[2]],
            axis=2,
        )
        return own, drawn


def problem_on(scheme: Scheme, process: Process) -> Problem:
    """The problem that `exact_steps` of a scheme are of.

    raises   InputError for a scheme that is not declared on the process, or with history in a phase space
    """
    problem = problem_of(scheme, process)
    if scheme.steps.inner.carry and problem.scalar is None:
        raise InputError(
            f"scheme {scheme.spec} carries evaluations between steps, which have no units of their own in a phase "
            "space; measure whole runs of it."
        )
    return problem


def exact_steps(scheme: Scheme, process: Process, variance: float, times: Floats) -> Steps:
    """Inner steps of a scheme on a process, data N(., variance), with the exact network.

    Fitted coefficients are 0, tau acts where it does. Step quantities (churn) are those of a run of that one step.

    variance  of one coordinate of the data
    times     (n, m + 2): the times from which the m = `history` of the scheme steps before start, then start and end
    raises    InputError as `problem_on`
    """
    problem, n = problem_on(scheme, process), len(times)
    grid, index = times.ravel(), times.shape[1] * np.arange(n) + times.shape[1] - 2
    acting = np.array(taus(scheme, problem, grid))[index]
    parts, order = [], []
    for tau in dict.fromkeys(acting.tolist()):
        own = np.flatnonzero(acting == tau)
        parts.append(_exact_steps(scheme, replace(problem, tau=tau), variance, grid, index[own]))
        order.append(own)
    back = np.argsort(np.concatenate(order))
    joined = (np.concatenate(own)[back] for own in zip(*parts, strict=True))
    return Steps(*joined)


def _exact_steps(scheme: Scheme, problem: Problem, variance: float, t: Floats, index: Indices) -> tuple[Floats, ...]:
    """The fields of `Steps` of the steps `index` of the times t, tau as the problem has it."""
    step = scheme.steps.inner
    evaluator = step_evaluator(scheme, problem, t, index)
    linear, noise = one_step_matrices(
        step,
        evaluator,
        problem.width,
        lambda item: exact_slope(problem, variance, evaluator.time(item.network_time)),
    )
    k, n = problem.process.blocks, len(index)
    before, after = (np.zeros((n, linear.shape[1], linear.shape[1])) for _ in range(2))
    for units, at in ((before, evaluator.start), (after, evaluator.end)):
        e, sigma = problem.process.kernel(at)
        units[:, :k, :k] = cholesky(variance * e[:, :, None] * e[:, None, :] + sigma)
    for place, (name, _) in enumerate(step.carry, start=k):
        item, back = origin(step, name)
        made, new = (
            _deviation(problem, variance, item, step_evaluator(scheme, problem, t, index - ago))
            for ago in (back, back - 1)
        )
        gone = (made == 0) | (new == 0)  # it is 0 on the exact flow, and stays what it is
        before[:, place, place], after[:, place, place] = np.where(gone, 1, made), np.where(gone, 1, new)
    return tuple(np.broadcast_to(own, (n, *own.shape[1:])) for own in (linear, noise, before, after))


def history(scheme: Scheme) -> int:
    """How many steps before a step its coefficients, what it inherits, and the units of that, are made in."""
    step = scheme.steps.inner
    return len(scheme.steps.start) + max((origin(step, name)[1] for name, _ in step.carry), default=0)


def step_evaluator(scheme: Scheme, problem: Problem, t: Floats, index: Indices) -> Evaluator:
    """That of the steps `index` of the times t of a scheme on a problem, each as a run of one step."""
    values = scheme.parameters()
    return Evaluator(problem, t, index, values | step_quantities(scheme, problem, t, index, values | {"steps": 1}))


def exact_slope(problem: Problem, variance: float, t: Floats) -> Floats:
    """What the frozen quantity of a problem is of the state at the times t (n,), data N(., variance): (n, width, k)."""
    e, sigma = problem.process.kernel(t)
    marginal = variance * e[:, :, None] * e[:, None, :] + sigma
    posterior = variance * np.swapaxes(np.linalg.solve(marginal, e[:, :, None]), 1, 2)  # d E[x_0 | z] / dz
    P, Q = problem.freeze(DATA, t)
    return P + Q @ posterior


def _deviation(problem: Problem, variance: float, item: Row | Eval | None, evaluator: Evaluator) -> Floats:
    """The deviation (n,) of a value of a step on the exact law of a scalar process."""
    if item is None:
        at = evaluator.start
    else:
        at = evaluator.time(item.network_time if isinstance(item, Eval) else item.at)
    e, sigma = problem.process.kernel(at)
    spread = np.sqrt(variance * e[:, 0] ** 2 + sigma[:, 0, 0])
    if not isinstance(item, Eval):
        return spread
    return np.abs(exact_slope(problem, variance, at)[:, 0, 0]) * spread


def own_frame(start: Floats, end: Floats, matrices: Floats) -> Floats:
    """The coordinates of the state itself: the matrices of the steps from start to end as they are."""
    return matrices


def process_radius(
    scheme: str | Scheme, process: Process, variance: float, start: Floats, end: Floats, frame: Frame = own_frame
) -> Floats:
    """Spectral radius of single steps from the times `start` to `end` (n,), data N(., variance), exact network.

    Step quantities (churn) are those of a run of that one step, fitted coefficients are 0, tau acts where it does.
    scheme, process   what is run, without history
    frame    (start, end, the matrices of the steps) -> their matrices in the coordinates that are asked for
    raises   InputError for a scheme with history, whose steps on a process are no powers of one matrix
    """
    declared = read(scheme).agreed.unfitted()
    if declared.steps.inner.carry:
        raise InputError(
            f"scheme {declared.spec} carries evaluations between steps; leave the process out for its test equation."
        )
    steps = exact_steps(declared, process, variance, np.stack([start, end], axis=1))
    return spectral_radius(frame(start, end, steps.linear))


def spectral_radius(matrices: NDArray[Any]) -> Floats:
    """Largest modulus of the eigenvalues of stacked matrices (n, B, B)."""
    if matrices.shape[-1] == 1:
        alone: Floats = np.abs(matrices[..., 0, 0])
        return alone
    largest: Floats = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    return largest


def stable_step(scheme: str | Scheme, process: Process, variance: float, t: ArrayLike, frame: Frame = own_frame) -> Any:
    """The h below which every step from the times t, () or (n,), is stable on a process; inf where none is unstable.

    Found by a scan: an unstable window of h between two of its 400 points is not seen.
    scheme, process   the scheme or its specification, without history, and the process
    variance of one coordinate of the data
    frame    the coordinates of a step, as of `process_radius`
    cost     450 steps read for each time
    """
    start = np.atleast_1d(np.asarray(t, dtype=np.float64))

    def radius(h: Floats) -> Floats:
        begin = np.resize(start, h.shape)
        return process_radius(scheme, process, variance, begin, np.maximum(begin - h, process.t_min), frame)

    return _extent(radius, start - process.t_min).reshape(np.shape(t))[()]


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
