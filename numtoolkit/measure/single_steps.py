"""Single steps of a scheme as matrices, read from its declaration with a linear network put in.

    one_step_matrices   of any network that is linear in the state
    exact_steps         on a process with Gaussian data and its exact network, many steps at once, of any lengths

A step takes the state and what it inherits, and hands on the same of the next: one square matrix. Noise does not move
it, and comes as a factor beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.arrays import Floats, cholesky, lower_factor
from numtoolkit.declare.entries import Entry
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Noise, Row, Step
from numtoolkit.declare.walk import Values
from numtoolkit.errors import InputError
from numtoolkit.measure.flows import gaussian_flows
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

    k               blocks of the state
    linear (n, B, B), noise (n, B, k noises)
    before, after   (n, B, B), the units of what a step takes and of what it hands on: the lower factor of the
                    covariance of the state, in which its exact law is 1; of a carried value what the exact flow makes
                    it of the state, and beside that its deviation. Exact steps turn the state, and leave nothing beside
    law             (n, B, m), what exact paths hand a step: a factor of the joint law of the state and the carried
                    values along the flow, or the SDE that the scheme follows
    """

    k: int
    linear: Floats = field(repr=False)
    noise: Floats = field(repr=False)
    before: Floats = field(repr=False)
    after: Floats = field(repr=False)
    law: Floats = field(repr=False)

    @property
    def relative(self) -> tuple[Floats, Floats]:
        """(linear, noise) in their units before and after."""
        own, drawn = np.split(
            np.linalg.solve(self.after, np.concatenate([self.linear @ self.before, self.noise], axis=2)),
            [self.linear.shape[2]],
            axis=2,
        )
        return own, drawn

    @property
    def ends(self) -> Floats:
        """A factor (n, k, m + normals) of the law of the state at the end, from exact paths and in units of theirs."""
        k = self.k
        made = np.concatenate([self.linear[:, :k] @ self.law, self.noise[:, :k]], axis=2)
        found: Floats = np.linalg.solve(self.after[:, :k, :k], made)
        return found


def exact_steps(scheme: Scheme, process: Process, variance: float, times: Floats) -> Steps:
    """Inner steps of a scheme on a process, data N(., variance), with the exact network.

    Fitted coefficients are 0, tau acts where it does. Step quantities (churn) are those of a run of that one step.

    variance  of one coordinate of the data
    times     (n, m + 2): the times from which the m = `history` of the scheme steps before start, then start and end
    raises    InputError for a scheme that is not declared on the process
    cost      in a phase space two flows, with noise three, of 0.6 ms for each value that a step inherits
    """
    problem, n = problem_of(scheme, process), len(times)
    grid, index = times.ravel(), times.shape[1] * np.arange(n) + times.shape[1] - 2
    acting = np.array(taus(scheme, problem, grid))
    parts, order = [], []
    for tau in dict.fromkeys(acting[index].tolist()):
        own = np.flatnonzero(acting[index] == tau)
        run = _Run(scheme, replace(problem, tau=tau), variance, grid, index[own], acting == problem.tau)
        parts.append(run.steps())
        order.append(own)
    back = np.argsort(np.concatenate(order))
    return Steps(process.blocks, *(np.concatenate(own)[back] for own in zip(*parts, strict=True)))


class _Kept(NamedTuple):
    """A value that a step takes, as exact states make it: slope (n, q, k) times the state at the times t (n,).

    reference   (n,), the noise of the SDE that the step in which it is made follows, over the forward noise
    """

    t: Floats
    slope: Floats
    reference: Floats


@dataclass(frozen=True)
class _Run:
    """The steps `index` of the times t of a scheme, tau as the problem has it; acts (N,), where it is the scheme's."""

    scheme: Scheme
    problem: Problem
    variance: float
    t: Floats
    index: Indices
    acts: NDArray[np.bool_]

    def steps(self) -> tuple[Floats, ...]:
        """The fields of `Steps` after the first."""
        step, evaluator = self.scheme.steps.inner, self._evaluator(0)
        linear, noise = one_step_matrices(
            step,
            evaluator,
            self.problem.width,
            lambda item: exact_slope(self.problem, self.variance, evaluator.time(item.network_time)),
        )
        origins = [origin(step, name) for name, _ in step.carry]
        inherited, handed = ([self._kept(item, back - ago) for item, back in origins] for ago in (0, 1))
        before, after = self._units(evaluator.start, inherited), self._units(evaluator.end, handed)
        k, sizes = self.problem.process.blocks, [own.slope.shape[1] for own in inherited]
        for first, size in zip(np.cumsum([k, *sizes]), sizes, strict=False):
            place = slice(first, first + size)
            rows = [np.diagonal(units[:, place, place], axis1=1, axis2=2) for units in (before, after)]
            gone = (rows[0] == 0) | (rows[1] == 0)  # it is 0 on the exact flow, and stays what it is
            for units, own in zip((before, after), rows, strict=True):
                units[:, place, place] = np.where(gone, 1, own)[:, :, None] * np.eye(size)
        flows = not any(own.reference.any() for own in inherited)  # whose paths the units have followed already
        law = before[:, :, :k] if flows else self._law(evaluator.start, inherited)
        n = len(self.index)
        return tuple(np.broadcast_to(own, (n, *own.shape[1:])) for own in (linear, noise, before, after, law))

    def _evaluator(self, ago: int) -> Evaluator:
        return step_evaluator(self.scheme, self.problem, self.t, self.index - ago)

    def _kept(self, item: Row | Eval | None, ago: int) -> _Kept:
        """The value of an item of the step so many steps ago."""
        evaluator = self._evaluator(ago)
        reference = np.where(self.acts[self.index - ago], evaluator.scalar(self.scheme.reference), 0)
        if isinstance(item, Eval):
            at = evaluator.time(item.network_time)
            return _Kept(at, exact_slope(self.problem, self.variance, at), reference)
        at = evaluator.start if item is None else evaluator.time(item.at)
        return _Kept(at, np.broadcast_to(np.eye(evaluator.k), (len(at), evaluator.k, evaluator.k)), reference)

    def _units(self, at: Floats, kept: Sequence[_Kept]) -> Floats:
        """The units (n, B, B) of a state at the times `at` and of what is kept beside it."""
        k, spread = self.problem.process.blocks, cholesky(self._covariance(at))
        units = np.zeros((len(at), *(2 * [k + sum(own.slope.shape[1] for own in kept)])))
        units[:, :k, :k], first = spread, k
        for own in kept:
            size = own.slope.shape[1]
            flow = gaussian_flows(self.problem.process, self.variance, own.t, at, np.zeros(len(at)))
            units[:, first : first + size, :k] = own.slope @ np.linalg.solve(flow, spread)
            squares = np.einsum("nij,njl,nil->ni", own.slope, self._covariance(own.t), own.slope)
            units[:, first : first + size, first : first + size] = np.sqrt(squares)[:, :, None] * np.eye(size)
            first += size
        return units

    def _law(self, start: Floats, kept: Sequence[_Kept]) -> Floats:
        """A factor (n, B, m) of the joint law of the state at the start and of what is kept, along exact paths.

        A path goes back by the transition that Bayes' rule makes of its own: z there is J z here and independent noise.
        """
        process, spread = self.problem.process, cholesky(self._covariance(start))
        k, here, back = process.blocks, start, np.broadcast_to(np.eye(process.blocks), spread.shape)
        rows, path = [spread, *(own.slope for own in kept)], back @ spread
        for place in np.argsort([own.t.mean() for own in kept]).tolist():  # from the youngest on
            own = kept[place]
            flow = gaussian_flows(process, self.variance, own.t, here, own.reference)
            V, new = self._covariance(here), self._covariance(own.t)
            J = new @ np.swapaxes(np.linalg.solve(V, flow), 1, 2)
            drawn = np.where((own.reference == 0)[:, None, None], 0, new - J @ V @ np.swapaxes(J, 1, 2))
            path, here = np.concatenate([J @ path, lower_factor(drawn)], axis=2), own.t
            rows[1 + place] = own.slope @ path
        wide = k * (1 + len(kept))
        return np.concatenate([np.pad(row, ((0, 0), (0, 0), (0, wide - row.shape[2]))) for row in rows], axis=1)

    def _covariance(self, t: Floats) -> Floats:
        e, sigma = self.problem.process.kernel(t)
        return self.variance * e[:, :, None] * e[:, None, :] + sigma


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
            f"scheme {declared.spec} carries evaluations between steps, and steps of one length in t are no powers of "
            "one matrix on a process; take kind = 'diffusion', or leave the process out for the test equation."
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
