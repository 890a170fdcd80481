"""Maps of what a scheme makes of Gaussian data of every scale, relative to what it should: 1 where it is exact.

diffusion     one step, by its length h in log-SNR and by the deviation of the data over the noise level it starts at.
              An equal grid in log-SNR walks up a vertical line of this plane, from noise to data. The value is the
              deviation that the step makes of the exact one, over the exact one after it: |map of the step / exact map|
              where no noise is drawn, the norm of map and noise factor in units of the exact law else. In a phase space
              it is that of the worst direction: the exact flow is a rotation in those units, so that a wrong phase,
              which no law shows, does not count. A scheme with history takes, on equal steps, what exact paths hand it,
              of the flow or of the SDE that it follows; where the largest root of the matrix over state and carried
              values is larger, the value is that, since what is inherited grows by it. In one direction without noise
              that root says all
mean-square   one step that draws noise, in the same plane. Its noise is additive, and moves no matrix: the mean square
              is stable where the spectral radius of M (x) M, which is that of M squared, is below 1, and more is said
              by what it leads to, P = M P M' + C C'. The value is the variance of the data part that the step, repeated
              in units of the exact law as if these did not move, comes to, over the exact one; inf where it grows. On a
              stationary process this is the bias of the stationary variance. Where the data are far above the noise,
              runs do not come to it: there they forget more slowly than they move up. (In a phase space the units are
              the lower factors of covariances; other factors are other rotations.)
run           whole runs, by evaluations and by the deviation of the data: the deviation of the data part at the end
              over the exact one, 1 + T of `numtoolkit.transfer`
along         one run, a Program, by the evaluations it has spent: the deviation of the data part at the start and after
              each step over the exact one there
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, real, several, whole
from numtoolkit.laws import Gaussian
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.gaussian_moments import data_laws
from numtoolkit.measure.single_steps import ROUNDING, Steps, exact_steps, history, spectral_radius
from numtoolkit.measure.transfer import transfer
from numtoolkit.problem.processes import EDM, Process
from numtoolkit.program.program import Program, problem_of
from numtoolkit.program.runs import times_of
from numtoolkit.program.walk import evaluations

DIFFUSION, MEAN_SQUARE, RUN, ALONG = "diffusion", "mean-square", "run", "along"
LONGEST = 3.0  # step in log-SNR
RATIOS = (0.01, 100.0)  # of the deviation of the data over the noise level
SCALES = (0.01, 10.0)  # of the data of runs
BUDGETS = tuple(range(4, 52, 2))  # of runs
NEAR = 0.05  # how far from 1 a value counts as exact
SCALE_FREE = EDM(T=1e15, t_min=1e-9)  # no noise level of EDM is another than the next, so that its plane has no edge


@dataclass(frozen=True, eq=False)
class Plane:
    """What one scheme makes of every scale, over what it should: 1 is exact, below is blur, above is noise or growth.

    kind    "diffusion", "mean-square", "run" or "along"
    panel   what is held fixed
    x       (nx,), length of the step in log-SNR; evaluations of a run; those of one run so far, from 0
    y       (ny,), deviation of the data over the noise level at the start of the step; of the data of a run
    value   (ny, nx): inf where it grows without bound, nan beyond the ends of the process, and in the mean square where
            no noise is drawn
    """

    scheme: str
    kind: str
    panel: str
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    value: Floats = field(repr=False)

    def reach(self, y: float, near: float = NEAR) -> float:
        """The longest step, all shorter ones included, whose value is within `near` of 1, at the scale nearest to y.

        Of runs: the fewest evaluations, all more included. Along one run: the most evaluations, all fewer included.

        y, near   numbers, 0 or more
        returns   0 where the shortest step is not, inf where all of the map are; of runs inf where the longest is not
        raises    InputError for a y or near of no meaning
        """
        wanted = max(real("y", y, 0), self.y[0])
        row = np.abs(np.log(self.y / wanted)).argmin()
        known = ~np.isnan(self.value[row])
        x, good = self.x[known], np.abs(self.value[row, known] - 1) <= real("near", near, 0)
        if self.kind == RUN:
            bad = np.flatnonzero(~good)
            return float(x[0] if not len(bad) else x[bad[-1] + 1] if bad[-1] + 1 < len(x) else np.inf)
        bad = np.flatnonzero(~good)
        return float(np.inf if not len(bad) else x[bad[0] - 1] if bad[0] else 0)


def check_plane(scheme: Scheme, process: Process, variance: float, kind: str) -> None:
    """Refuse a plane of one step that has no meaning, before it is computed.

    scheme, process, variance, kind   as of `step_plane`
    raises   InputError for a scheme not declared on the process, or without noise in the mean square; and for a
             variance of 0
    """
    problem_of(scheme, process)
    if kind == MEAN_SQUARE and scheme.kind == "ode":
        raise InputError(f"scheme {scheme.spec} draws no noise, so its variance comes to 0; take kind = {DIFFUSION!r}.")
    if variance == 0:
        raise InputError("variance = 0 leaves no scale of the data to compare with the noise; give one above 0.")


def step_plane(scheme: Scheme, process: Process, variance: float, size: int, kind: str, panel: str) -> Plane:
    """The plane of one step of a scheme.

    process    on which levels outside its ends are left out: `SCALE_FREE` has none
    variance   of one coordinate of the data; the noise level at the start of a step follows from it and from y
    size       points along each axis
    kind       "diffusion", or "mean-square" for a scheme that draws noise
    panel      what is held fixed
    raises     InputError as `check_plane`
    cost       size^2 steps read at once: for 80 x 80 some 20 to 100 ms, in a phase space half a second, and 2 to 6 s
               with history there
    """
    check_plane(scheme, process, variance, kind)
    x, y = np.linspace(0, LONGEST, size + 1)[1:], np.geomspace(*RATIOS, size)
    before = history(scheme)
    start = np.sqrt(variance) / y[:, None]
    levels = start[:, :, None] * np.exp(x[:, None] * (before - np.arange(before + 2)))
    low, high = process.level(np.array([process.t_min, process.T]))
    inside = ((levels >= low * (1 - ROUNDING)) & (levels <= high * (1 + ROUNDING))).all(axis=2)
    value = np.full(inside.shape, np.nan)
    times = process.time_of_level(np.clip(levels[inside], low, high).ravel()).reshape(-1, before + 2)
    with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
        steps = exact_steps(scheme, process, variance, times)
        value[inside] = _growth(steps) if kind == DIFFUSION else _stationary(*steps.relative)
    return Plane(scheme.spec, kind, panel, x, y, value)


def _growth(steps: Steps) -> Floats:
    """What steps make (n,) of a deviation of 1, or their largest root, where they hand on more and that is larger.

    Of a number, which has one direction and draws nothing, it is the root. Beyond float64 it is inf.
    """
    own, ends = steps.relative[0], steps.ends
    finite = np.isfinite(own).all(axis=(1, 2)) & np.isfinite(ends).all(axis=(1, 2))
    own, ends = (np.where(np.expand_dims(finite, (1, 2)), part, 0) for part in (own, ends))
    found: Floats = np.linalg.norm(ends, 2, axis=(1, 2))
    if own.shape[1] > steps.k:
        root, number = spectral_radius(own), steps.k == 1 and not steps.noise.shape[2]
        found = root if number else np.maximum(found, root)
    return np.where(finite, found, np.inf)


def _stationary(linear: Floats, noise: Floats) -> Floats:
    """The variance (n,) of the data part that steps come to, inf where they grow, nan where they draw nothing."""
    found = stationary_covariance(linear, noise)[:, 0, 0]
    return np.where(noise.any(axis=(1, 2)), found, np.nan)


def stationary_covariance(linear: Floats, noise: Floats) -> Floats:
    """The P with P = M P M' + C C', (n, B, B), of z -> M z + C normals; inf where the spectral radius of M is not < 1.

    linear, noise   M (n, B, B) and C (n, B, normals)
    cost            a linear system of B^2 unknowns each
    """
    n, size, _ = linear.shape
    finite = np.isfinite(linear).all(axis=(1, 2)) & np.isfinite(noise).all(axis=(1, 2))
    known = np.where(np.expand_dims(finite, (1, 2)), linear, 0)
    stable = finite & (spectral_radius(known) < 1 - ROUNDING)
    M, C = (np.where(np.expand_dims(stable, (1, 2)), own, 0) for own in (linear, noise))
    square = np.einsum("nij,nkl->nikjl", M, M).reshape(n, size**2, size**2)
    drawn = (C @ np.swapaxes(C, 1, 2)).reshape(n, size**2, 1)
    P = np.linalg.solve(np.eye(size**2) - square, drawn).reshape(n, size, size)
    return np.where(np.expand_dims(stable, (1, 2)), P, np.inf)


def check_runs(scheme: Scheme, process: Process, grid: Any, nfe: Sequence[int]) -> list[int]:
    """The budgets of a plane of runs, each once and from the least on, before it is computed.

    scheme, process, grid, nfe   as of `run_plane`
    raises   InputError for less than two budgets, one that no run spends, a grid that is no name, and a scheme that is
             not declared on the process
    """
    if not isinstance(grid, str):
        raise InputError(f"grid = {brief(repr(grid))} has a length of its own; name a rule, such as 'log-snr'.")
    budgets = sorted({whole("nfe", budget, 1, MOST_NFE) for budget in several("nfe", nfe)})
    if len(budgets) < 2:
        raise InputError(f"nfe = {brief(repr(nfe))} spans no plane; give two budgets or more, or take transfer of one.")
    problem_of(scheme, process)
    for budget in budgets:
        times_of(scheme, process, grid, nfe=budget)
    return budgets


def run_plane(scheme: Scheme, process: Process, grid: Any, nfe: Sequence[int], size: int, panel: str) -> Plane:
    """The plane of whole runs of a scheme on a process and grid.

    grid    by name: it has as many steps as a budget pays for
    nfe     the budgets, two at least
    size    scales
    panel   what is held fixed
    raises  InputError as `check_runs`
    cost    that of `transfer`, for each budget
    """
    budgets, y = check_runs(scheme, process, grid, nfe), np.geomspace(*SCALES, size)
    columns = [1 + transfer(scheme, process, grid, budget, y).deviation for budget in budgets]
    return Plane(scheme.spec, RUN, panel, np.array(budgets, float), y, np.stack(columns, axis=1))


def program_plane(program: Program, size: int) -> Plane:
    """The plane of one run along its steps, by the scales of the data.

    program   any
    size      scales
    cost      that of `transfer`
    """
    each = np.bincount([own.step for own in evaluations(program)], minlength=len(program.steps))
    spent = np.concatenate([[0], each.cumsum()])
    last = np.diff(spent, append=spent[-1] + 1) > 0  # of the steps that end at as many evaluations
    y = np.geomspace(*SCALES, size)
    with np.errstate(all="ignore"):  # overflow is an answer here, not a fault
        laws = data_laws(program, Gaussian(np.zeros(size), y**2))
        columns = [np.sqrt((own.covariance / exact.covariance)[:, 0, 0]) for own, exact in laws]
    value = np.stack(columns, axis=1)
    panel = f"{program.process.name}, NFE {program.nfe}"
    value = np.where(np.isfinite(value), value, np.inf)[:, last]
    return Plane(program.scheme, ALONG, panel, spent[last].astype(float), y, value)
