"""Time grids: float64 process times from where sampling starts to where it ends, falling, or rising for inversion.

A grid is a name with parameters (`uniform`, `rho(7)`, `log-snr`, `trailing(shift=3)`, `ays(sdxl)`) or own points, as
process times or as `sigmas((14.6, 2.1, 0))`. Its rule is in `grid_rules`. Besides its own parameters every named grid
takes

    zero      1: the last step goes to t = 0; 0: it ends at t_min. By default 1 for grids of the points of a table
              (linspace, leading, trailing, simple, beta, linear-quadratic), as in their libraries, and 0 for others.
              A grid from T to t_min has its last step apart then, the N - 1 before it going to t_min, as k-diffusion's
    rising    1: the same times turned round, from the data to noise

and what `Warp` does to its times: shift, mu, tokens, kind and terminal. In phase space `angle` has its last step apart
too; on a scalar process it reaches 0 by its own rule.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from numtoolkit.arrays import host
from numtoolkit.errors import InputError, unknown, whole
from numtoolkit.problem.grid_rules import GIVEN, SPANS, STARTS, WHOLE, shifted, spectrum_at
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import PILOT, Spectrum, spectrum_from
from numtoolkit.spec_text import Spec, parse

MOST_STEPS = 1_000_000
KINDS = ("exponential", "linear")  # of a shift that follows the resolution, time_shift_type of diffusers


@dataclass(frozen=True)
class Warp:
    """What may be done to the times of any grid: x = t / T goes to k x / (k x + 1 - x).

    shift     k itself (Esser et al. 2024, SD3)
    mu        k = exp(mu) (FLUX), or mu where `kind` is linear
    tokens    of an image, whose mu is linear in their number: base_shift 0.5 at 256 and max_shift 1.15 at 4096; others
              as (tokens, base_shift, max_shift) or (tokens, base_shift, max_shift, base_tokens, max_tokens)
    kind      exponential or linear, time_shift_type of diffusers
    terminal  the last time above 0 is stretched to it, in T, at the same T (LTX's shift_terminal)
    """

    shift: float = 1.0
    mu: float | None = None
    tokens: tuple[float, ...] = ()
    kind: str = "exponential"
    terminal: float = 0.0

    def __post_init__(self) -> None:
        if (self.shift != 1) + (self.mu is not None) + bool(self.tokens) > 1:
            raise InputError("shift, mu and tokens each say how the times of a grid are shifted; give one of them.")
        if self.kind not in KINDS:
            raise unknown("kind of shift", self.kind, KINDS)
        if not 0 <= self.terminal < 1:
            raise InputError(f"terminal = {self.terminal:g} is out of range; it must satisfy 0 <= terminal < 1.")
        if not 1e-3 <= self.factor <= 1e3:
            raise InputError(f"the times of a grid are shifted by {self.factor:g}; give a shift from 0.001 to 1000.")

    @property
    def factor(self) -> float:
        """k."""
        mu = self.mu if not self.tokens else _mu(*self.tokens)
        if mu is None:
            return self.shift
        return float(np.exp(np.clip(mu, -99, 99))) if self.kind == "exponential" else mu

    def __call__(self, times: Floats, T: float) -> Floats:
        """The times of a grid of a process that ends at T, warped."""
        moved = times if self.factor == 1 else shifted(times, self.factor, T)
        if not self.terminal:
            return moved
        left = 1 - moved / T
        stretched = T * (1 - left * (1 - self.terminal) / left[moved > 0][-1])
        return np.where(moved > 0, stretched, 0.0)


def _mu(*given: float) -> float:
    """mu of an image by its number of tokens."""
    standard = (4096.0, 0.5, 1.15, 256.0, 4096.0)
    if len(given) not in (1, 3, 5):
        raise InputError(f"tokens has {len(given)} values; give tokens, (tokens, base_shift, max_shift) or 5.")
    count, low, high, first, last = (*given, *standard[len(given) :])
    if not (first < last and count > 0):
        raise InputError(f"tokens = {count:g} of {first:g} to {last:g} is out of range; give a positive number.")
    return low + (high - low) * (count - first) / (last - first)


# --- named grids


class Rule(NamedTuple):
    """A named grid: its rule, how its times are laid out, and the default of zero."""

    times: Callable[..., Floats]
    lay: Callable[..., Floats]
    zero: int


def _span(rule: Callable[..., Floats], process: Process, steps: int, zero: int, **own: Any) -> Floats:
    inner = steps - zero
    t = rule(process, np.arange(inner + 1) / inner, **own)
    t[0], t[-1] = process.T, process.t_min
    return np.append(t, 0.0) if zero else t


def _starts(rule: Callable[..., Floats], process: Process, steps: int, zero: int, **own: Any) -> Floats:
    starts = rule(process, steps, **own)
    if (np.diff(starts) >= 0).any():
        raise InputError(f"a grid of {steps} steps meets a point of its table twice; ask for fewer steps.")
    if not zero and starts[-1] <= process.t_min:  # there is no step from t_min to t_min
        return rule(process, steps + 1, **own)
    return np.append(starts, 0.0 if zero else process.t_min)


def _whole(rule: Callable[..., Floats], process: Process, steps: int, zero: int, **own: Any) -> Floats:
    return rule(process, steps, **own, zero=zero)


def _given(rule: Callable[..., Floats], process: Process, steps: int, zero: int, **own: Any) -> Floats:
    return rule(process, steps, **own)


GRIDS: dict[str, Rule] = {
    **{name: Rule(rule, _span, 0) for name, rule in SPANS.items()},
    **{name: Rule(rule, _starts, 1) for name, rule in STARTS.items()},
    **{name: Rule(rule, _whole, 0) for name, rule in WHOLE.items()},
    **{name: Rule(rule, _given, 0) for name, rule in GIVEN.items()},
}
# Names in use for a grid with some of its parameters fixed.
ALIASES = {
    "logsnr": "log-snr",
    "exponential": "log-snr",
    "lu": "log-snr",
    "beta-sigmas": "beta-levels",
    "karras": "rho",
    "equal-angle": "angle",
    "linear": "uniform",
    "shift": "linspace(round=0)",
    "flow-match": "linspace(round=0)",
    "normal": "linspace(round=0)",
    "sgm-uniform": "linspace(round=0, drop=1)",
    "ddim-uniform": "leading(offset=1)",
    "align-your-steps": "ays",
}


def grid(
    text: str | Spec | Sequence[float] | Floats | None = None,
    process: str | Process | None = None,
    steps: int | None = None,
    *,
    sigmas: Any = None,
    spectrum: Spectrum | str | tuple[Any, Any] | None = None,
) -> Floats:
    """The N + 1 process times of a grid, float64, strictly falling, or strictly rising for inversion.

    text     a specification such as "rho(7)" or "trailing(shift=3)", or own points, checked and returned as float64
    process  the times are those of, by name or as an object; of one with many modes they are those of its first
    steps    N >= 1; only for named grids
    sigmas   levels of one's own in place of text, as libraries call them: sigma / alpha, on flow t; the last may be 0
    spectrum of the data, as an object, its file, or (variances, multiplicities), for a grid that is laid by one and
             does not name it itself, "spectral" or "tangent"
    raises   InputError for unknown names, values out of range, too few points, points that turn or repeat
    """
    if process is None:
        raise InputError("the times of a grid are those of a process; give one, such as 'edm'.")
    on = process_of(process).modes[0]
    if (text is None) == (sigmas is None):
        raise InputError("a grid is given by a name, by its times or by sigmas; give one of them.")
    if text is None:
        levels = _numbers("sigmas", sigmas)
        return _own(GIVEN["sigmas"](on, len(levels) - 1, tuple(levels.tolist())), on, steps)
    if isinstance(text, (str, Spec)):
        return _named(parse(text), on, steps, {} if spectrum is None else {"spectrum": spectrum_from(spectrum)})
    if spectrum is not None:
        raise InputError("times of one's own follow no spectrum; name the grid that does, 'spectral', or drop it.")
    return _own(text, on, steps)


def knows_length(text: str | Spec) -> bool:
    """Whether a named grid holds points of one's own, so that it needs no number of steps."""
    return GRIDS[_resolved(parse(text))[0]].lay is _given


def asks_spectrum(text: Any) -> bool:
    """Whether a grid is a named one that is laid by a spectrum of the data and does not say which.

    text   a specification; times of one's own ask for nothing
    """
    if not isinstance(text, (str, Spec)):
        return False
    name, spec = _resolved(parse(text))
    own = _parameters(GRIDS[name])
    return "spectrum" in own and "spectrum" not in spec.arguments(_signature(GRIDS[name]), f"grid {spec.name}")


def without_pilot(text: Any) -> Spec | None:
    """A named grid that is to follow the spectrum of a pilot run, "spectral(spectrum=pilot)", without saying so.

    text     any grid
    returns  the specification less its spectrum, of which `asks_spectrum` is true; None for any other grid
    """
    if not isinstance(text, (str, Spec)):
        return None
    _, spec = _resolved(parse(text))
    named = tuple(pair for pair in spec.named if pair != ("spectrum", PILOT))
    unnamed = spec.positional[1:] if spec.positional[:1] == (PILOT,) else spec.positional
    bare = replace(spec, positional=unnamed, named=named)
    return None if bare == spec else bare


def resolved(text: str) -> str:
    """The specification of a grid with the digest of the spectrum in a file that it names; any other as it is.

    raises   InputError for an unknown grid, StorageError for a file that cannot be read
    """
    name, spec = _resolved(parse(text))
    if "digest" not in _parameters(GRIDS[name]):
        return text
    values = spec.arguments(_signature(GRIDS[name]), f"grid {spec.name}")
    if not isinstance(values.get("spectrum"), str) or values["spectrum"] == PILOT or values.get("digest"):
        return text
    return f"{text.rstrip()[:-1]}, digest={spectrum_at(str(values['spectrum'])).digest})"


def _named(given: Spec, process: Process, steps: int | None, told: dict[str, object]) -> Floats:
    name, spec = _resolved(given)
    rule = GRIDS[name]
    own = _parameters(rule)
    values = spec.arguments(_signature(rule), f"grid {given.name}")
    for key in told:
        if key not in own or key in values:
            has = "is told its own" if key in values else "follows none"
            raise InputError(f"grid {given.name} {has}; drop {key}, or name 'spectral'.")
    values |= told
    for key, parameter in own.items():
        if parameter.default is parameter.empty and key not in values:
            file = f" or {given.name}(FILE.npz)" if key == "spectrum" else ""
            raise InputError(f"grid {given.name} needs its {key}; write {given.name}((10, 2, 0.5)){file}.")
    if rule.lay is _given:
        points = len(values["values"])  # type: ignore[arg-type]
        if points < 2:
            raise InputError(f"grid {given.name} has {points} values; give at least 2.")
        steps = points - 1 if steps is None else steps
    if steps is None or (isinstance(steps, int) and steps == 0):
        raise InputError(f"grid {given.name} with {steps} steps is too short; ask for at least 1 step.")
    count = whole(f"the number of steps of grid {given.name}", steps, 1, MOST_STEPS)
    zero, rising = _flag(given, values, "zero", rule.zero), _flag(given, values, "rising", 0)
    if rule.lay is _span and count <= zero:
        raise InputError(f"grid {given.name} with zero=1 and 1 step has no inner step; ask for at least 2 steps.")
    warp = Warp(**{key: value for key, value in values.items() if key in _WARP})  # type: ignore[arg-type]
    laid = rule.lay(rule.times, process, count, zero, **{key: value for key, value in values.items() if key in own})
    times = warp(laid, process.T)
    return _own(times[::-1] if rising else times, process, None)


def _resolved(spec: Spec) -> tuple[str, Spec]:
    """The name of a grid in GRIDS, and the specification with what an alias fixes unless it is given."""
    name = spec.name.replace("_", "-")
    alias = parse(ALIASES.get(name, name))
    if alias.name not in GRIDS:
        raise unknown("grid", spec.name, [*GRIDS, *ALIASES])
    given = dict(spec.named)
    fixed = tuple((key, value) for key, value in alias.named if key not in given)
    return alias.name, Spec(alias.name, spec.positional, (*fixed, *spec.named))


def _parameters(rule: Rule) -> dict[str, inspect.Parameter]:
    """The parameters that a rule has of its own."""
    own = list(inspect.signature(rule.times).parameters.items())[2:]
    return {name: parameter for name, parameter in own if name != "zero"}


_WARP = dict(inspect.signature(Warp).parameters)
_ZERO = inspect.Parameter("zero", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="int")
_RISING = inspect.Parameter("rising", inspect.Parameter.KEYWORD_ONLY, annotation="int")


def _signature(rule: Rule) -> inspect.Signature:
    """Of a named grid: its own parameters, then what every grid takes; own points say themselves where they end."""
    own = _parameters(rule)
    warp = [each.replace(kind=each.KEYWORD_ONLY) for name, each in _WARP.items() if name not in own]
    free = [each.replace(default=None) for each in (*own.values(), *([] if rule.lay is _given else [_ZERO]))]
    return inspect.Signature([*free, _RISING, *warp])


def _flag(given: Spec, values: dict[str, object], key: str, default: int) -> int:
    value = values.get(key, default)
    if value not in (0, 1):
        meaning = "1 to end at t = 0, or 0" if key == "zero" else "1 for times from the data to noise, or 0"
        raise InputError(f"grid {given.name}: {key} = {value} is out of range; give {meaning}.")
    return int(str(value))


# --- own points


def _numbers(name: str, points: Any) -> Floats:
    values = host(name, points)
    if values.ndim != 1 or len(values) < 2 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{name} is a list of at least 2 numbers, got shape {values.shape} of {values.dtype}; give one."
        )
    return values.astype(np.float64)


def _own(points: Sequence[float] | Floats, process: Process, steps: int | None) -> Floats:
    t = host("a grid", points)
    if t.ndim != 1 or len(t) < 2 or t.dtype.kind not in "fiu":
        raise InputError(f"a grid is a list of at least 2 times, got shape {t.shape} of {t.dtype}; give T, ..., t_min.")
    t = t.astype(np.float64)
    if steps is not None and len(t) != steps + 1:
        raise InputError(f"the grid has {len(t) - 1} steps but {steps} were asked for; drop one of the two.")
    if not np.all(np.isfinite(t)):
        raise InputError(f"grid point {int(np.argmin(np.isfinite(t)))} is {t[~np.isfinite(t)][0]}; give finite times.")
    falls = t[0] >= t[-1]
    wrong = np.flatnonzero(np.diff(t) >= 0 if falls else np.diff(t) <= 0)
    if len(wrong):
        i = int(wrong[0])
        way = "fall strictly" if falls else "rise strictly from the data to noise"
        raise InputError(f"grid times must {way}, but point {i + 1} is {t[i + 1]:g} after {t[i]:g}; sort or drop it.")
    lowest, highest = (t[-1], t[0]) if falls else (t[0], t[-1])
    if lowest < 0:
        raise InputError(
            f"the grid {'ends' if falls else 'starts'} at time {lowest:g}, but no time is below that of the data; "
            f"{'end' if falls else 'start'} it at 0 or above."
        )
    if highest > process.T * (1 + 1e-12):
        verb = "start" if falls else "end"
        limit = f"beyond T = {process.T:g} of process {process.name}"
        raise InputError(f"the grid {verb}s at {highest:g}, {limit}; {verb} at or below T.")
    return t
