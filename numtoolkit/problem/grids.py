"""Time grids: float64 process times, strictly falling from where sampling starts to where it ends.

A grid is a name with parameters (`uniform`, `quadratic`, `rho(7)`, `log-snr`, `angle(0.5)`) or the caller's own points.
Every named grid takes `zero=1`: its last step then goes to t = 0, the steps before it end at t_min; on a scalar process
`angle` reaches 0 by its own rule, no step set apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import numpy as np

from numtoolkit.errors import InputError, unknown
from numtoolkit.problem.processes import Floats, Process, ScalarProcess
from numtoolkit.spec_text import Spec, parse

Fractions = Floats  # i / N for i = 0..N


def _ends(process: Process) -> tuple[float, float]:
    level = process.level(np.array([process.T, process.t_min]))
    return float(level[0]), float(level[1])


def uniform(process: Process, fraction: Fractions) -> Floats:
    """Equal steps in process time."""
    return process.T + (process.t_min - process.T) * fraction


def quadratic(process: Process, fraction: Fractions) -> Floats:
    """t = t_min + (T - t_min)(1 - i/N)^2, dense near the data (PSLD code)."""
    return process.t_min + (process.T - process.t_min) * (1 - fraction) ** 2


def rho(process: Process, fraction: Fractions, rho: float = 7.0) -> Floats:
    """Equal steps in s^(1/rho) (Karras et al. 2022, eq. 5); in t^(1/rho) for a phase space.

    process   the times are those of
    fraction  0 to 1, how far along the grid each point lies
    """
    if not 0.05 <= rho <= 1000:
        raise InputError(f"grid rho: rho = {rho} is out of range; it must satisfy 0.05 <= rho <= 1000.")
    if not isinstance(process, ScalarProcess):
        first, last = process.T ** (1 / rho), process.t_min ** (1 / rho)
        return (first + fraction * (last - first)) ** rho
    high, low = _ends(process)
    first, last = high ** (1 / rho), low ** (1 / rho)
    return process.time_of_level((first + fraction * (last - first)) ** rho)


def log_snr(process: Process, fraction: Fractions) -> Floats:
    """Equal steps in log s."""
    high, low = np.log(_ends(process))
    return process.time_of_level(np.exp(high + fraction * (low - high)))


def angle(process: Process, fraction: Fractions, sigma_data: float = 0.5, power: float = 1.0, zero: int = 0) -> Floats:
    """Equal steps in theta^(1/power), theta = arctan(s / sigma_data); to 0: theta_n = theta_0 (1 - n/N)^power.

    process     the times are those of
    fraction    0 to 1, how far along the grid each point lies
    sigma_data  of the angle
    power       above 1 puts more of the points near the data
    zero        1 for a grid that ends at t = 0, 0 for t_min
    """
    if not sigma_data > 0:
        raise InputError(f"grid angle: sigma_data = {sigma_data} is out of range; it must be positive.")
    if not 0.05 <= power <= 1000:
        raise InputError(f"grid angle: power = {power} is out of range; it must satisfy 0.05 <= power <= 1000.")
    high, low = np.arctan(np.array(_ends(process)) / sigma_data) ** (1 / power)
    root = high * (1 - fraction) + (0.0 if zero else low) * fraction
    return process.time_of_level(sigma_data * np.tan(root**power))


GRIDS: dict[str, Callable[..., Floats]] = {
    "uniform": uniform,
    "quadratic": quadratic,
    "rho": rho,
    "log-snr": log_snr,
    "angle": angle,
}
ALIASES = {"logsnr": "log-snr", "karras": "rho", "equal-angle": "angle", "linear": "uniform"}


def grid(text: str | Spec | Sequence[float] | Floats, process: Process, steps: int | None = None) -> Floats:
    """The N + 1 process times of a grid, float64, strictly falling.

    text     a specification such as "rho(7)" or "rho(7, zero=1)", or own points, checked and returned as float64
    steps    N >= 1; only for named grids
    raises   InputError for unknown names, values out of range, too few points, points that do not fall strictly
    """
    if not isinstance(text, (str, Spec)):
        return _own(text, process, steps)
    spec = parse(text)
    name = ALIASES.get(spec.name, spec.name)
    if name not in GRIDS:
        raise unknown("grid", spec.name, [*GRIDS, *ALIASES])
    if steps is None or steps < 1:
        raise InputError(f"grid {spec.name} with {steps} steps is too short; ask for at least 1 step.")
    rule = GRIDS[name]
    signature = inspect.signature(rule)
    parameters = list(signature.parameters.values())[2:]
    takes_zero = "zero" in signature.parameters
    own = signature.replace(parameters=parameters if takes_zero else [*parameters, _ZERO])
    values = spec.arguments(own, f"grid {spec.name}")
    zero = int(str(values.get("zero", 0)))
    if zero not in (0, 1):
        raise InputError(f"grid {spec.name}: zero = {zero} is out of range; give 1 to end at t = 0, or 0.")
    # the times of a level are those from t_min on in phase space
    reaches_zero = takes_zero and isinstance(process, ScalarProcess)
    apart = bool(zero) and not reaches_zero
    inner = steps - 1 if apart else steps
    if inner < 1:
        raise InputError(f"grid {spec.name} with zero=1 and 1 step has no inner step; ask for at least 2 steps.")
    if apart or not takes_zero:
        values.pop("zero", None)
    t = rule(process, np.arange(inner + 1) / inner, **values)
    t[0], t[-1] = process.T, 0.0 if zero and not apart else process.t_min
    return _own(np.append(t, 0.0) if apart else t, process, None)


_ZERO = inspect.Parameter("zero", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=0, annotation="int")


def _own(points: Sequence[float] | Floats, process: Process, steps: int | None) -> Floats:
    t = np.asarray(points)
    if t.ndim != 1 or len(t) < 2 or t.dtype.kind not in "fiu":
        raise InputError(f"a grid is a list of at least 2 times, got shape {t.shape} of {t.dtype}; give T, ..., t_min.")
    t = t.astype(np.float64)
    if steps is not None and len(t) != steps + 1:
        raise InputError(f"the grid has {len(t) - 1} steps but {steps} were asked for; drop one of the two.")
    if not np.all(np.isfinite(t)):
        raise InputError(f"grid point {int(np.argmin(np.isfinite(t)))} is {t[~np.isfinite(t)][0]}; give finite times.")
    rises = np.flatnonzero(np.diff(t) >= 0)
    if len(rises):
        i = int(rises[0])
        raise InputError(
            f"grid times must fall strictly, but point {i + 1} is {t[i + 1]:g} after {t[i]:g}; sort or drop it."
        )
    if t[-1] < 0:
        raise InputError(
            f"the grid ends at time {t[-1]:g}, but no time is below that of the data; end it at 0 or above."
        )
    if t[0] > process.T * (1 + 1e-12):
        raise InputError(
            f"the grid starts at {t[0]:g}, beyond T = {process.T:g} of process {process.name}; start at or below T."
        )
    return t
