"""The rules of named grids: where the times of a grid lie, each with its source. `grids` reads their names.

Four sorts, by what the second argument is and what the end is:

    SPANS    rule(process, fraction): times at fractions 0 .. 1 of the way from T to t_min
    STARTS   rule(process, steps): the times at which steps start, points of the table a network was trained with; the
             last step goes to 0, or to t_min
    WHOLE    rule(process, steps, zero): all steps + 1 times
    GIVEN    rule(process, steps, values): a person's own

A process without a table is read as one of POINTS points, equally spaced in its time up to T, as libraries discretise
flow models. What is done to the times of any grid is in `grids.Warp`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from numtoolkit.errors import InputError, unknown
from numtoolkit.problem.kinds import Floats, Process, ScalarProcess
from numtoolkit.problem.published_levels import AYS_MODELS, ays_levels, gits_levels
from numtoolkit.problem.scalar import RectifiedFlow
from numtoolkit.problem.spectral_clocks import FLOOR, LevelClock, Modes, Q, spectral_density, tangent_density
from numtoolkit.problem.spectrum import NO_PILOT, PILOT, Spectrum
from numtoolkit.problem.tabulated import Tabulated

Fractions = Floats  # i / N for i = 0..N
POINTS = 1000  # of a process without a table
CLOSE = 1e-6  # relative: published levels have that many digits
COARSEST = 80.0  # level above which a spectral grid keeps no density for what the covariance does not show


def shifted(times: Floats, factor: float, T: float) -> Floats:
    """k x / (k x + 1 - x) of x = t / T: on the straight path the noise level times k (Esser et al. 2024, eq. 23).

    times    any, from 0 to T, which stay; T of the process
    factor   k > 0
    """
    x = times / T
    return T * (factor * x / (factor * x + (1 - x)))


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(
            f"grid {name} = {value} is out of range; it must satisfy {low} <= {name.split()[-1]} <= {high}."
        )


def _ends(process: Process) -> tuple[float, float]:
    level = process.level(np.array([process.T, process.t_min]))
    return float(level[0]), float(level[1])


# --- from T to t_min


def uniform(process: Process, fraction: Fractions) -> Floats:
    """Equal steps in process time."""
    return process.T + (process.t_min - process.T) * fraction


def quadratic(process: Process, fraction: Fractions) -> Floats:
    """t = t_min + (T - t_min)(1 - i/N)^2, dense near the data (PSLD code)."""
    return process.t_min + (process.T - process.t_min) * (1 - fraction) ** 2


def rho(process: Process, fraction: Fractions, rho: float = 7.0) -> Floats:
    """Equal steps in s^(1/rho) (Karras et al. 2022, eq. 5; k-diffusion's karras); in t^(1/rho) for a phase space.

    process   the times are those of
    fraction  0 to 1, how far along the grid each point lies
    """
    _between("rho: rho", rho, 0.05, 1000)
    if not isinstance(process, ScalarProcess):
        first, last = process.T ** (1 / rho), process.t_min ** (1 / rho)
        return (first + fraction * (last - first)) ** rho
    high, low = _ends(process)
    first, last = high ** (1 / rho), low ** (1 / rho)
    return process.time_of_level((first + fraction * (last - first)) ** rho)


def log_snr(process: Process, fraction: Fractions) -> Floats:
    """Equal steps in log s (Lu et al. 2022; k-diffusion's exponential)."""
    high, low = np.log(_ends(process))
    return process.time_of_level(np.exp(high + fraction * (low - high)))


def polyexponential(process: Process, fraction: Fractions, rho: float = 1.0) -> Floats:
    """log s falls as (1 - i/N)^rho (k-diffusion).

    process   the times are those of
    fraction  0 to 1, how far along the grid each point lies
    rho       above 1 puts more of the points near the data
    """
    _between("polyexponential: rho", rho, 0.05, 1000)
    high, low = np.log(_ends(process))
    return process.time_of_level(np.exp((1 - fraction) ** rho * (high - low) + low))


def kl_optimal(process: Process, fraction: Fractions) -> Floats:
    """Equal steps in arctan s (Sabour et al. 2024, 3.1; ComfyUI's kl_optimal)."""
    high, low = np.arctan(_ends(process))
    return process.time_of_level(np.tan((1 - fraction) * high + fraction * low))


def beta_levels(process: Process, fraction: Fractions, alpha: float = 0.6, beta: float = 0.6) -> Floats:
    """s at quantiles of a Beta law between its ends (diffusers' use_beta_sigmas).

    process      the times are those of
    fraction     0 to 1, how far along the grid each point lies
    alpha, beta  of the law
    """
    high, low = _ends(process)
    return process.time_of_level(low + _beta_quantiles(1 - fraction, alpha, beta) * (high - low))


def _beta_quantiles(share: Floats, alpha: float, beta: float) -> Floats:
    from scipy.special import betaincinv

    _between("beta: alpha", alpha, 0.05, 100)
    _between("beta: beta", beta, 0.05, 100)
    return np.asarray(betaincinv(alpha, beta, share), dtype=np.float64)


# --- points of a table


def _points(process: Process) -> int:
    return len(process.log_levels) if isinstance(process, Tabulated) else POINTS


def _times(process: Process, k: Floats) -> Floats:
    """The times of the points k = 0 .. N - 1, or between them."""
    return process.T * ((k + 1) / _points(process))


def _rounded(process: Process, k: Floats, wanted: int) -> Floats:
    """Whole points, where there is a table and they are wanted."""
    _between("of points: round", wanted, 0, 1)
    return np.round(k) if wanted and isinstance(process, Tabulated) else k


def linspace(process: Process, steps: int, shift: float = 1.0, round: int = 1, drop: int = 0) -> Floats:
    """Equal steps from the last point of a table to the first (DDIM, DDPM; FlowMatchEuler and flow models of ComfyUI).

    process  the times are those of
    steps    how many points
    shift    of the grid: the first point is shifted here already, so twice in all, as in diffusers and ComfyUI
    round    1 for whole points of a table, 0 for fractions (ComfyUI's normal; k-diffusion; Euler of diffusers, which
             interpolates sigma instead of its logarithm there)
    drop     1 to leave out the last of steps + 1 points (DPM-Solver and UniPC of diffusers, ComfyUI's sgm_uniform)
    """
    _between("linspace: drop", drop, 0, 1)
    count = _points(process)
    first = 0.0 if shift == 1 else count * float(shifted(np.array(1 / count), shift, 1.0)) - 1
    k = np.linspace(first, count - 1, steps + drop)[::-1][:steps] if steps + drop > 1 else np.array([count - 1.0])
    return _times(process, _rounded(process, k, round))


def leading(process: Process, steps: int, offset: int = 0, drop: int = 0) -> Floats:
    """Every (N // steps)-th point from the first (diffusers' leading; ComfyUI's ddim_uniform with offset = 1).

    process  the times are those of
    steps    how many points; ComfyUI takes further ones where N does not divide by them
    offset   steps_offset of diffusers, 1 for Stable Diffusion
    drop     1 to leave out the lowest of steps + 1 points (DPM-Solver and UniPC of diffusers)
    """
    _between("leading: offset", offset, 0, POINTS)
    _between("leading: drop", drop, 0, 1)
    stride = _points(process) // (steps + drop)
    return _times(process, np.arange(steps + drop, dtype=np.float64)[::-1][:steps] * stride + offset)


def trailing(process: Process, steps: int, round: int = 1) -> Floats:
    """Equal steps down from the last point (Lin et al. 2023, table 2); 1, 1 - 1/n, .., 1/n on flow, as FLUX has.

    process  the times are those of
    steps    how many points
    round    1 for whole points of a table, 0 for fractions
    """
    count = _points(process)
    return _times(process, _rounded(process, count - np.arange(steps, dtype=np.float64) * (count / steps), round) - 1)


def simple(process: Process, steps: int) -> Floats:
    """Every (N / steps)-th point from the last, rounded up (ComfyUI)."""
    count = _points(process)
    return _times(process, count - 1 - np.floor(np.arange(steps) * (count / steps)))


def beta(process: Process, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Floats:
    """Points at quantiles of a Beta law (Lee et al. 2407.12173; ComfyUI), which drops points that are met twice.

    process      the times are those of
    steps        how many points
    alpha, beta  of the law
    """
    share = 1 - np.arange(steps) / steps
    return _times(process, np.round(_beta_quantiles(share, alpha, beta) * (_points(process) - 1)))


def linear_quadratic(process: Process, steps: int, threshold: float = 0.025, linear: int = 0) -> Floats:
    """Sigma falls from its largest linearly by `threshold` of it, then along a parabola to 0 (Mochi; ComfyUI).

    process    the times are those of; sigma is t on flow, the noise level elsewhere
    steps      how many
    threshold  what the linear part falls by, of 1
    linear     its steps, at most all but one; 0 for half of all
    """
    _between("linear-quadratic: threshold", threshold, 1e-6, 1 - 1e-6)
    _between("linear-quadratic: linear", linear, 0, POINTS)
    inner = min(linear or steps // 2, steps - 1)
    i = np.arange(steps)
    slope, rest = threshold / max(inner, 1), steps - inner
    bend = (1 - threshold - slope * rest) * (np.maximum(i - inner, 0) / rest) ** 2
    return _time_of_sigma(process, (1 - slope * i - bend) * _sigma(process, process.T))


def _sigma(process: Process, t: float) -> float:
    """What libraries call sigma: the time of the straight path, the noise level elsewhere."""
    return t if isinstance(process, RectifiedFlow) else float(process.level(np.array([t]))[0])


def _time_of_sigma(process: Process, sigmas: Floats) -> Floats:
    return sigmas if isinstance(process, RectifiedFlow) else _time_of_level(process, sigmas)


def _time_of_level(process: Process, levels: Floats) -> Floats:
    """T for levels that are above its own by rounding."""
    top = process.level(np.array([process.T]))[0]
    near = (levels > top) & (levels < top * (1 + CLOSE))
    return process.time_of_level(np.where(near, top, levels))


# --- all times at once


def angle(process: Process, steps: int, sigma_data: float = 0.5, power: float = 1.0, zero: int = 0) -> Floats:
    """Equal steps in theta^(1/power), theta = arctan(s / sigma_data); to 0: theta_n = theta_0 (1 - n/N)^power.

    process     the times are those of; in phase space the step to 0 is one apart
    steps       how many
    sigma_data  of the angle
    power       above 1 puts more of the points near the data
    zero        1 for a grid that ends at t = 0, 0 for t_min
    """
    if not sigma_data > 0:
        raise InputError(f"grid angle: sigma_data = {sigma_data} is out of range; it must be positive.")
    _between("angle: power", power, 0.05, 1000)
    return _even(process, steps, lambda s: np.arctan(s / sigma_data), lambda u: sigma_data * np.tan(u), power, zero)


def spectral(
    process: Process,
    steps: int,
    spectrum: str | tuple[float, ...],
    q: float = Q,
    power: float | None = None,
    eps: float | None = None,
    floor: float = FLOOR,
    digest: str = "",
    zero: int = 0,
) -> Floats:
    """Equal steps in the clock of the data's spectrum (`numtoolkit.problem.spectral_clocks`), to a power.

    tau = (integral of rho / max rho + eps over log s from 0)^(1/power) with rho = (sum v omega^q)^(1/q) and
    omega = s sqrt(v) / (s^2 + v). Of one variance it is `angle` with its deviation for sigma_data; of n ~ 1 / s^2
    directions a log-scale, as photographs have, `log-snr`.

    process   the times are those of; in phase space s is the effective noise level, and the step to 0 is one apart
    steps     how many, N
    spectrum  of the data: a file that `numtoolkit spectrum` wrote, or variances, one a direction
    q         twice the order of the local error where errors of steps add up as independent ones, once where not
    power     above 1 puts more of the points near the data; by default 1.2 + 1 / N
    eps       density between the levels at t_min and at T, at most 80, for what is finer than the covariance and for
              networks that are told log s, over the largest; by default 0.01 min(N, 15)
    floor     of a deviation, in that of a coordinate
    digest    of the spectrum in an earlier specification, which a file has to have still
    zero      1 for a grid that ends at t = 0, 0 for t_min
    """
    power = 1.2 + 1 / steps if power is None else power
    eps = 0.01 * min(steps, 15) if eps is None else eps
    _between("spectral: q", q, 1, 100)
    _between("spectral: power", power, 0.05, 1000)
    _between("spectral: eps", eps, 0, 1000)
    _between("spectral: floor", floor, 0, 1)
    modes = Modes.of(spectrum_at(spectrum, digest), floor)
    rho = spectral_density(modes, q)
    high, low = _ends(process)
    bottom, top = float(np.log(low)), float(np.log(min(high, COARSEST)))
    ends = min(modes.ends[0], bottom), max(modes.ends[1], top)
    clock = LevelClock.of(lambda x: rho(x) + eps * ((bottom < x) & (x < top)), *ends, (bottom, top))
    return _of_clock(process, steps, clock, power, zero)


def tangent(process: Process, steps: int, spectrum: str | tuple[float, ...], digest: str = "", zero: int = 0) -> Floats:
    """The grid of least Kullback-Leibler divergence of DDIM on Gaussian data, to leading order in 1 / steps.

    Of one variance v the levels are sqrt(v) times tangents of equal steps in the angle, the tangent law of Sun, Poor &
    Zhang (2601.13602), who minimise that divergence; of several `numtoolkit.problem.spectral_clocks.tangent_density`.

    process           the times are those of; in phase space s is the effective noise level, and the step to 0 is apart
    steps             how many
    spectrum, digest  as of grid spectral
    zero              1 for a grid that ends at t = 0, 0 for t_min
    """
    modes = Modes.of(spectrum_at(spectrum, digest), 0.0)
    high, low = np.log(_ends(process))
    density = tangent_density(modes, -np.inf if zero and isinstance(process, ScalarProcess) else low, high)
    return _of_clock(process, steps, LevelClock.of(density, *modes.ends), 1.0, zero)


def _of_clock(process: Process, steps: int, clock: LevelClock, power: float, zero: int) -> Floats:
    return _even(process, steps, lambda s: clock(np.log(s)), lambda u: np.exp(clock.inverse(u)), power, zero)


def _even(
    process: Process,
    steps: int,
    clock: Callable[[Floats], Floats],
    inverse: Callable[[Floats], Floats],
    power: float,
    zero: int,
) -> Floats:
    """Equal steps in clock^(1/power), the clock a function of the level that is 0 at 0, `inverse` the level at it."""
    if zero and not isinstance(process, ScalarProcess):  # there the times of a level are those from t_min on
        if steps == 1:
            raise InputError("a grid of 1 step to t = 0 has no step before the last; ask for at least 2 steps.")
        return np.append(_even(process, steps - 1, clock, inverse, power, 0), 0.0)
    fraction = np.arange(steps + 1) / steps
    high, low = clock(np.array(_ends(process))) ** (1 / power)
    root = high * (1 - fraction) + (0.0 if zero else low) * fraction
    t = process.time_of_level(inverse(root**power))
    t[0], t[-1] = process.T, 0.0 if zero else process.t_min
    return t


def spectrum_at(given: str | tuple[float, ...] | Spectrum, digest: str = "") -> Spectrum:
    """The spectrum that a grid is told: an object, a file, or variances, one a direction.

    digest   that it has to have, "" for any
    raises   InputError for no variances, StorageError for a file that holds none, or another one
    """
    if isinstance(given, Spectrum):
        return given
    if isinstance(given, tuple):
        return Spectrum(np.zeros(()), np.array(given))
    if given == PILOT:
        raise InputError(NO_PILOT)
    return Spectrum.load(given, digest)


def ays(process: Process, steps: int, model: str = "sd1", zero: int = 0) -> Floats:
    """Align Your Steps (Sabour et al. 2404.14507, tables of 10 steps; log-linear for other numbers, as published).

    process  the times are those of; the levels are those of Stable Diffusion, for SVD those of edm(T=700)
    steps    how many
    model    sd1, sdxl or svd
    zero     1 for 0 in place of the last level, as ComfyUI has it
    """
    if model not in AYS_MODELS:
        raise unknown("model of grid ays", model, AYS_MODELS)
    return _of_levels(process, ays_levels(model), steps, zero)


def gits(process: Process, steps: int, coeff: float = 1.2, zero: int = 0) -> Floats:
    """Geometry-inspired time schedules (Chen et al. 2405.11326) of Stable Diffusion 1.5, as ComfyUI has them.

    process  the times are those of
    steps    2 to 20 as published; log-linear from 20 for more
    coeff    0.8 to 1.5 by 0.05: the more, the more points near the data
    zero     1 for 0 in place of the last level, as ComfyUI has it
    """
    return _of_levels(process, gits_levels(coeff, steps), steps, zero)


def _of_levels(process: Process, levels: Floats, steps: int, zero: int) -> Floats:
    times = _time_of_level(process, interpolated(levels, steps + 1))
    return np.append(times[:-1], 0.0) if zero else times


def interpolated(levels: Floats, count: int) -> Floats:
    """As many positive levels: those given, or log-linear between them."""
    if len(levels) == count:
        return levels
    at = np.linspace(0, 1, count), np.linspace(0, 1, len(levels))
    return np.exp(np.interp(*at, np.log(levels)))


def sigmas(process: Process, steps: int, values: tuple[float, ...]) -> Floats:
    """Levels of one's own, as libraries call them: sigma / alpha, on flow t; a last 0 is the end at the data.

    process  the times are those of
    steps    how many; log-linear between the levels above 0 where they are of another number
    values   the levels
    """
    levels = np.array(values)
    if not (np.isfinite(levels).all() and (levels[:-1] > 0).all() and levels[-1] >= 0):
        raise InputError(f"grid sigmas has the levels {_listed(levels)}; give positive ones, the last perhaps 0.")
    kept = levels[levels > 0]
    inner = interpolated(kept, steps + 1 - (len(levels) - len(kept)))
    return np.append(_time_of_sigma(process, inner), levels[len(kept) :])


def times(process: Process, steps: int, values: tuple[float, ...]) -> Floats:
    """Process times of one's own, linear between them where they are of another number.

    process  the times are those of
    steps    how many
    values   the times
    """
    if len(values) == steps + 1:
        return np.array(values)
    return np.interp(np.linspace(0, 1, steps + 1), np.linspace(0, 1, len(values)), values)


def _listed(levels: Sequence[float] | Floats) -> str:
    shown = ", ".join(f"{level:g}" for level in levels[:4])
    return f"({shown}, ...)" if len(levels) > 4 else f"({shown})"


SPANS: dict[str, Callable[..., Floats]] = {
    "uniform": uniform,
    "quadratic": quadratic,
    "rho": rho,
    "log-snr": log_snr,
    "polyexponential": polyexponential,
    "kl-optimal": kl_optimal,
    "beta-levels": beta_levels,
}
STARTS: dict[str, Callable[..., Floats]] = {
    "linspace": linspace,
    "leading": leading,
    "trailing": trailing,
    "simple": simple,
    "beta": beta,
    "linear-quadratic": linear_quadratic,
}
WHOLE: dict[str, Callable[..., Floats]] = {
    "angle": angle,
    "spectral": spectral,
    "tangent": tangent,
    "ays": ays,
    "gits": gits,
}
GIVEN: dict[str, Callable[..., Floats]] = {"sigmas": sigmas, "times": times}
