"""Linear stability of the equation that occurs, read from a scheme's declaration with a linear network put in.

    test equation   dz/du = L z + (w/h) z with h L fixed and the complex w free: what a run over equal steps of log-SNR
                    solves where the data prediction is D = omega x in x = z / alpha. Then h L = -q h and w = q h omega,
                    so w = omega at h L = -1. A scheme that freezes the noise meets the same equation, in its own way:
                    e = (x - D)/s, s falling over the step (`numtoolkit.symbolic.amplification`)
    process         the process itself with Gaussian data of a given variance: a step from time t of length h
    planes          what a step or a run makes of each scale of the data, over what it should (`measure.planes`)

Additive noise does not move the matrix, so radius <= 1 is also mean-square stability. History is that of equal steps
and carries evaluations of the same equation, so the test equation serves multistep schemes.

A lowered run has a radius as well, with the coefficients of its grid: `program_radius`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, choice, real, several, whole
from numtoolkit.measure.planes import (
    BUDGETS,
    DIFFUSION,
    MEAN_SQUARE,
    RUN,
    SCALE_FREE,
    Plane,
    check_plane,
    check_runs,
    program_plane,
    run_plane,
    step_plane,
)
from numtoolkit.measure.single_steps import process_radius, spectral_radius, stable_step
from numtoolkit.problem.kinds import PHASE_SPACE, SCALAR
from numtoolkit.problem.processes import EDM, PSLD, Floats, Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.matrices import step_maps
from numtoolkit.program.program import Program
from numtoolkit.program.walk import evaluations
from numtoolkit.schemes import scheme as read
from numtoolkit.symbolic.stability_function import StabilityFunction, stability_function
from numtoolkit.symbolic.unit_circle import End

MOST_POINTS = 4000  # of a map, along each axis
MOST_WINDOW = 300.0  # of |w| in an order star, beyond which exp(-w) is no float64
MOST_VARIANCE = 1e12  # of data: beyond it float64 has no digits left for the noise
WINDOW = (-5.0, 3.0, 4.0)  # of maps of the test equation: Re w from, to, and the largest |Im w|
TEST, STEP = "test", "step"
KINDS = (TEST, STEP, DIFFUSION, MEAN_SQUARE, RUN)
GRID = "log-snr"  # of whole runs


@dataclass(frozen=True, eq=False)
class Region:
    """One scheme on the test equation with h L = linear: x, y (ny, nx) are Re w, Im w; stable where radius <= 1.

    star    whether `radius` is over |exp(h L + w)|, the growth of the exact solution: an order star
    """

    scheme: str
    linear: float
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    radius: Floats = field(repr=False)
    star: bool = False

    @property
    def panel(self) -> str:
        """What is held fixed."""
        return f"order star at h L = {self.linear:g}" if self.star else f"h L = {self.linear:g}"


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


def linear_radius(scheme: str | Scheme, linear: float, w: NDArray[Any]) -> Floats:
    """Largest growth |zeta| of a step on the test equation with h L = linear, for every w (n,), real or complex.

    Fitted coefficients are 0. The shift of a conjugate scheme is per step.
    raises   InputError as `numtoolkit.symbolic.amplification.amplification`, or for coefficients beyond float64
    cost     (400 x 200) w: 20 ms, with one carried evaluation too; 0.4 s with two, 0.8 s with three
    """
    return _growth(stability_function(scheme, z=linear), w)


def _growth(function: StabilityFunction, w: NDArray[Any]) -> Floats:
    """The same of a stability function at a given z; inf at a pole."""
    try:
        rows = [[float(c) for c in row] for row in function.coefficients]
    except OverflowError:
        raise InputError(
            f"a step of {function.name} at h L = {float(function.z or 0):g} grows beyond float64; take a shorter one."
        ) from None
    values = np.array([np.polynomial.polynomial.polyval(w, row) for row in rows[:-1]])
    if len(rows[-1]) > 1:
        highest = np.polynomial.polynomial.polyval(w, rows[-1])
        values = values / np.where(highest == 0, 1e-300, highest)
    if len(values) < 2:  # a number, or nothing that is handed on
        return np.abs(values).sum(axis=0) if len(values) else np.zeros(np.shape(w))
    if len(values) == 2:
        root = np.sqrt(values[1] ** 2 - 4 * values[0] + 0j)
        return np.maximum(np.abs(values[1] + root), np.abs(values[1] - root)) / 2
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
    return stability_function(scheme, z=linear).interval(axis)


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


def real_interval(scheme: str | Scheme, linear: float | Fraction = 0) -> float:
    """The largest r with the test equation stable for all w in [-r, 0] at h L = linear; inf where nothing bounds it."""
    return stable_interval(scheme, linear).value


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


def stability(
    scheme: str | Scheme | StabilityFunction | Program,
    process: str | Process | None = None,
    variance: float = 0.25,
    *,
    kind: str | None = None,
    linear: Sequence[float] = (0.0, -1.0, -2.0),
    grid: str = GRID,
    nfe: Sequence[int] = BUDGETS,
    size: int = 400,
) -> tuple[Region, ...] | tuple[StepLimit] | tuple[Plane]:
    """Where a scheme is stable, and what it makes of every scale of the data.

    scheme    or its name; the stability function of a method that is none, which has a map at h L = 0 alone; or a
              Program, stability(program), whose one run is mapped along its steps, relative to the exact law after each
    kind      test         regions of the test equation, one for each value of h L
              step         the longest stable steps on a process
              diffusion    one step in the plane of its length and the scale of the data over the noise: the deviation
                           it makes of the exact one, over the exact one after it (`numtoolkit.measure.planes`)
              mean-square  the variance that one step with noise leads to there, over the exact one
              run          whole runs, by evaluations and scale of the data, relative to the exact law
              By default the test equation, for schemes that carry evaluations and for deterministic ones of scalar
              processes that have no step quantities but ratios, where no process is given; else step
    process   by default PSLD for schemes that run in a phase space, else EDM; of a plane EDM for schemes that run
              there, without its ends but for whole runs
    variance  of one coordinate of the data, on a process
    linear    values of h L, one map each
    grid      the name of that of whole runs
    nfe       their budgets, two at least
    size      points along each axis of a map, 2 at least; a fifth as many on a process
    raises    InputError for unknown schemes and kinds, a variance or size of no meaning, a scheme with history whose
              longest step is asked for, or with history and a coefficient that only a grid gives on the test equation,
              and one without noise in the mean square
    """
    size, variance = whole("size", size, 2, MOST_POINTS), real("variance", variance, 0, MOST_VARIANCE)
    linear = [real("linear", x) for x in several("linear", linear)]
    if isinstance(scheme, Program):
        if process is not None or kind not in (None, RUN):
            raise InputError(
                f"the program of {scheme.scheme} is one run on its own process; leave process and kind out."
            )
        return (program_plane(scheme, max(size // 5, 2)),)
    if isinstance(scheme, StabilityFunction):
        if scheme.scheme is None:
            if process is None and (kind is None or choice("kind of stability", kind, KINDS) == TEST):
                return (_map(scheme, 0.0, size, WINDOW),)
            raise InputError(f"{scheme.name} is a method of numbers and runs on no process; leave both out.")
        scheme = scheme.scheme
    declared = read(scheme)
    kind, process = _kind(declared, process, kind)
    if kind == TEST:
        return tuple(_map(stability_function(declared, z=x), x, size, WINDOW) for x in linear)
    points, panel = max(size // 5, 2), _panel(declared, process, variance, kind, grid)
    if kind == RUN:
        return (run_plane(declared, process or _default(declared, kind), grid, nfe, points, panel),)
    if kind != STEP:
        own = declared.agreed.unfitted()
        return (step_plane(own, process or _free(declared), variance, points, kind, panel),)
    on = process or _default(declared, kind)
    t = np.geomspace(2 * on.t_min, on.T, points)
    return (StepLimit(declared.spec, panel, t, stable_step(declared, on, variance, t), t - on.t_min),)


def _default(scheme: Scheme, kind: str) -> Process:
    other = SCALAR not in scheme.kinds if kind != STEP else PHASE_SPACE in scheme.kinds
    return PSLD() if other else EDM()


def _free(scheme: Scheme) -> Process:
    return SCALE_FREE if SCALAR in scheme.kinds else PSLD()


def _kind(scheme: Scheme, process: str | Process | None, kind: str | None) -> tuple[str, Process | None]:
    """What is measured, and the process that was given."""
    given = None if process is None else process_of(process)
    if kind is not None:
        if choice("kind of stability", kind, KINDS) == TEST and given is not None:
            raise InputError(f"the test equation is no process, but {given.spec} is given; leave it out, or the kind.")
        return kind, given
    alike = scheme.kind == "ode" and not scheme.quantities
    on_test = given is None and (bool(scheme.steps.inner.carry) or (SCALAR in scheme.kinds and alike))
    return TEST if on_test else STEP, given


def _panel(scheme: Scheme, process: Process | None, variance: float, kind: str, grid: str = GRID) -> str:
    on, data = (process or _default(scheme, kind)).name, f"data variance {variance:g}"
    if kind == STEP:
        return f"{on}, {'probability flow' if scheme.kind == 'ode' else 'reverse SDE'}, {data}"
    worst = ", worst direction" * (kind == DIFFUSION and (process or _free(scheme)).blocks > 1)
    return f"{on}, {grid}" if kind == RUN else f"{on}, {data}{worst}"


def panels_of(
    schemes: Sequence[str | Scheme],
    linear: Sequence[float],
    process: Process | None = None,
    variance: float = 0.25,
    kind: str | None = None,
    grid: str = GRID,
    nfe: Sequence[int] = BUDGETS,
) -> list[str]:
    """The panels of a figure of the `stability` of schemes, one a curve, before they are computed.

    linear, process, variance, kind, grid, nfe   as of `stability`, which refuses what this refuses
    cost     milliseconds a scheme
    """
    found = []
    for scheme in schemes:
        declared = read(scheme)
        own, on = _kind(declared, process, kind)
        if own == TEST:
            found += [region.panel for region in stability(declared, kind=TEST, linear=linear, size=2)]
            continue
        if own == STEP:
            at = on or _default(declared, own)
            process_radius(declared, at, variance, np.array([at.T]), np.array([at.t_min]))
        elif own == RUN:
            check_runs(declared, on or _default(declared, own), grid, nfe)
        else:
            check_plane(declared, on or _free(declared), variance, own)
        found.append(_panel(declared, on, variance, own, grid))
    return found


def order_star(
    scheme: str | Scheme | StabilityFunction, linear: float = 0.0, *, size: int = 400, window: Sequence[float] = WINDOW
) -> Region:
    """The growth of a step over that of the exact solution, |R exp(-h L - w)|: an order star where it is above 1.

    At h L = 0 the origin is the meeting point of p + 1 sectors of growth above 1, p the order, and as many below; every
    bounded finger above 1 holds a pole (Wanner, Hairer & Norsett 1978, Order stars and stability theorems). Of a scheme
    with history the largest root is taken, which is the principal one near the origin.
    scheme    or its name, or the stability function of a method that is none, whose z is then `linear`
    linear    h L; size  points along each axis, 2 at least
    window    Re w from, to, and the largest |Im w|
    raises    InputError as `numtoolkit.symbolic.stability_function.stability_function`, or for a window without a size
    cost      (400 x 400) w: 20 ms a one-step scheme, 0.3 s with one carried evaluation, and reading the scheme
    """
    given, linear, size = several("window", window), real("linear", linear), whole("size", size, 2, MOST_POINTS)
    if len(given) != 3:
        raise InputError(f"window has {len(given)} numbers; give three: Re w from, to, and the largest |Im w|.")
    left, right, top = (real("window", x, -MOST_WINDOW, MOST_WINDOW) for x in given)
    if not (left < right and top > 0):
        raise InputError(f"window {tuple(given)} is empty; give Re w from, to, and the largest |Im w|, above 0.")
    own = scheme.at(linear) if isinstance(scheme, StabilityFunction) else stability_function(scheme, z=linear)
    return _map(own, linear, size, (left, right, top), star=True)


def _map(
    function: StabilityFunction, linear: float, size: int, window: tuple[float, float, float], star: bool = False
) -> Region:
    """Computed for Im w >= 0 and mirrored: coefficients are real."""
    half = np.linspace(0.0, window[2], max(size // 2, 2))
    x, upper = np.meshgrid(np.linspace(*window[:2], size), half)
    radius = _growth(function, (x + 1j * upper).ravel()).reshape(x.shape) * (np.exp(-x - linear) if star else 1)
    x, y, radius = (np.vstack([below[::-1], above]) for below, above in ((x, x), (-upper, upper), (radius, radius)))
    return Region(function.name, linear, x, y, radius, star)
