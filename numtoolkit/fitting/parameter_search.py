"""The scalar parameter of a scheme (c2, shift, lambda_s, sigma_data) that makes a stated error least at each budget.

For a Gaussian law the error is exact: in law the Wasserstein-2 distance of the final law, along paths the root mean
square of run minus exact flow over all normal starts, relative to that of the exact end points, both of the data part.
For other laws, and for a network of one's own, it is that of `numtoolkit.measure.error_curve`, over seeds. Which of the
two it is follows from scheme and process as there: the law comes first in phase space and of stochastic schemes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from numtoolkit import schemes
from numtoolkit.arrays import Floats
from numtoolkit.declare.scheme import Param, Scheme
from numtoolkit.errors import InputError, counted, real, several
from numtoolkit.laws import Gaussian
from numtoolkit.measure import affine_map, error_curve
from numtoolkit.measure.curves import KIND_OF, PATH, metric_of
from numtoolkit.measure.flows import law_propagators
from numtoolkit.models.by_reference import law_or_network
from numtoolkit.problem import processes
from numtoolkit.problem.processes import Process
from numtoolkit.program.program import Program, lower
from numtoolkit.program.runs import times_of
from numtoolkit.sampling.state import start_factor

DIGITS = 6  # of a found value, which is an exact number that a person can write

Record = dict[str, Any]


def search(
    scheme: str | Scheme,
    process: str | Process,
    network: Any,
    grid: str | Sequence[float] | Floats,
    nfe: Iterable[int],
    parameter: str,
    *,
    bounds: tuple[float, float] | None = None,
    seeds: Iterable[int] | None = None,
    metric: str | None = None,
    **own: Any,
) -> list[Record]:
    """For each budget of evaluations, the value of a parameter with the least error, by Brent's bounded method.

    scheme, process, network, grid, nfe   as for `numtoolkit.error_curve`; a network of one's own is judged by its flow
    parameter   one of the scheme's, by name
    bounds   by default the parameter's own range; one local minimum between them is found
    seeds    of the error, for a law that is not Gaussian; by default those of `error_curve`
    metric   "path" or "law"; None is the one that comes first
    own      shape, dtype, device, tolerance and tile of a network of one's own, as for `error_curve`
    returns  a record {scheme, parameter, value, nfe, steps, objective, error, default, default_error} a budget;
             `scheme` is bound to the value, which is the one it had where the bounds hold it and nothing better
    raises   InputError for an unknown parameter or bounds out of its range, and as `error_curve` and `times_of` do
    cost     some 30 runs a budget; for a Gaussian law without samples, milliseconds a run
    """
    declared, on = schemes.scheme(scheme), processes.process(process)
    law = law_or_network(network)
    param = _param(declared, parameter)
    low, high = _bounds(declared, param, bounds)
    drawn = None if seeds is None else several("seeds", seeds)
    default = declared.parameters()[parameter]
    records = []
    for budget in several("nfe", nfe):
        times = times_of(declared, on, grid, nfe=budget)
        objective = _Objective(declared, parameter, law, on, times, budget, drawn, metric, own)
        best = objective.minimum(low, high)
        value = min((default, best) if low <= default <= high else (best,), key=objective)
        records.append(
            {
                "scheme": declared.bind(**{parameter: value}).spec,
                "parameter": parameter,
                "value": float(value),
                "nfe": budget,
                "steps": len(times) - 1,
                "objective": objective.name,
                "error": objective(value),
                "default": float(default),
                "default_error": objective(default),
            }
        )
    return records


class _Objective:
    """The error as a function of the parameter; infinite where a run leaves the finite numbers."""

    def __init__(
        self, scheme: Scheme, parameter: str, law: Any, process: Process, times: Floats, nfe: int, seeds: Any,
        metric: str | None, own: dict[str, Any],
    ) -> None:  # fmt: skip
        self.scheme, self.parameter, self.law, self.process = scheme, parameter, law, process
        self.times, self.nfe, self.seeds, self.own = times, nfe, seeds, own
        leading = metric_of(scheme, process, law, metric)
        self.metric = KIND_OF[leading]
        self.exact = leading == PATH and isinstance(law, Gaussian)
        self.name = "relative-rms of all starts" if self.exact else leading

    def __call__(self, value: Fraction) -> float:
        bound = self.scheme.bind(**{self.parameter: value})
        if self.exact:
            assert isinstance(self.law, Gaussian)
            error = gaussian_error(lower(bound, self.process, self.times, nfe=self.nfe), self.law)
        else:
            of = (bound, self.process, self.law, self.times, [self.nfe], self.seeds)
            (record,) = error_curve(*of, metric=self.metric, **self.own)
            error = math.inf if record["error"] is None else record["error"]
        return error if math.isfinite(error) else math.inf

    def minimum(self, low: float, high: float) -> Fraction:
        from scipy.optimize import minimize_scalar

        options = {"xatol": (high - low) * 10.0**-DIGITS}
        solution = minimize_scalar(lambda x: self(_short(x)), bounds=(low, high), method="bounded", options=options)
        return _short(solution.x)


def gaussian_error(program: Program, law: Gaussian) -> float:
    """Root mean square of a run minus the exact flow over all normal starts, relative to that of the exact end points.

    Of the data part; from the run's affine map, without samples.
    raises   InputError for a program that draws noise
    """
    process, t0, t1 = program.process, program.steps[0].start, program.steps[-1].end
    mean = law.eigen()[2]
    R, r = affine_map(program, law)
    E = law_propagators(process, law, t0, t1)
    first, last = process.kernel(np.array([t0, t1]))[0]
    e = mean[:, None] * (last - E @ first)  # the exact end point is E start + e
    factor = start_factor(process, t0)

    def square(linear: Floats, shift: Floats) -> float:
        return float(np.sum((linear @ factor)[:, 0] ** 2) + np.sum(shift[:, 0] ** 2))

    return math.sqrt(square(R - E, r - e) / square(E, e))


def _short(value: float) -> Fraction:
    return Fraction(f"{value:.{DIGITS}g}")


def _param(scheme: Scheme, name: str) -> Param:
    for param in scheme.params:
        if isinstance(name, str) and param.name == name:
            return param
    has = ", ".join(p.name for p in scheme.params)
    raise InputError(f"{scheme.spec} has no parameter {name!r}; {f'it has {has}' if has else 'it has none'}.")


def _bounds(scheme: Scheme, param: Param, bounds: tuple[float, float] | None) -> tuple[float, float]:
    if bounds is None:
        if param.low is None or param.high is None:
            raise InputError(f"{param.name} of {scheme.name} has no range of its own; give bounds, low and high.")
        return float(param.low), float(param.high)
    ends = [real("bounds", end) for end in several("bounds", bounds)]
    if len(ends) != 2:
        raise InputError(f"bounds has {counted(len(ends), 'number')}; give low and high.")
    low, high = ends
    if not -math.inf < low < high < math.inf:
        raise InputError(f"the bounds {low:g} and {high:g} of {param.name} leave nothing to search; give low < high.")
    for end in ends:
        if end != param.low:  # which an open range lacks, and the method never asks for
            param.check(scheme.name, Fraction(end))
    return low, high
