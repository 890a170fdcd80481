"""Scalar processes in x = z / alpha against the noise level s = sigma / alpha, where all of them are one equation.

z = alpha x_0 + sigma n is x = x_0 + s n, and the flow is dx/ds = eps = (x - D)/s on every process: a formula in s of
EDM's paper is one for VP and for the straight path at the same levels. Reverse SDEs of noise tau multiply the right
side by q = 1 + tau^2 and add tau sqrt(2 s) dW.

A `Frame` writes that equation as dx/ds = (linear in x) + K E with a quantity E that a scheme interpolates in a clock c,

    x(t) - m = flow(s, t) (x(s) - m) + int_s^t kernel(r, t) E(r) dr,

the variation of constants of Hochbruck & Ostermann 2010 (Acta Numerica, eq. 2.2). All integrals are quadratures over
log s, where every kernel of image space is smooth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from typing import Any

import numpy as np

from tests.oracles.common import Floats, Formula, Network, Run, gauss, lagrange

NOTHING = 42.0  # log s falls by this much on the way to s = 0: e^-42 is 6e-19


@dataclass(frozen=True)
class Line:
    """A run on a scalar process in x and s."""

    run: Run

    @cached_property
    def s(self) -> list[float]:
        """(N + 1,) noise levels."""
        return self.run.process.noise_level(self.run.times).tolist()

    @cached_property
    def alpha(self) -> list[float]:
        """(N + 1,) scales of the data."""
        return self.run.process.alpha(self.run.times).tolist()

    @property
    def x(self) -> Any:
        """The start."""
        return self.run.start / self.alpha[0]

    def time(self, s: float) -> float:
        """The process time of a noise level."""
        return float(self.run.process.time_of_noise_level(np.array([s]))[0])

    def data(self, x: Any, s: float) -> Any:
        """D(x, s)."""
        return self._called(self.run.network, x, s)

    def unguided(self, x: Any, s: float) -> Any:
        """The data prediction without guidance."""
        assert self.run.unguided is not None
        return self._called(self.run.unguided, x, s)

    def _called(self, network: Network, x: Any, s: float) -> Any:
        t = self.time(s)
        return network(float(self.run.process.alpha(np.array([t]))[0]) * x, t)

    def noise(self, x: Any, s: float) -> Any:
        """eps(x, s) = (x - D)/s."""
        return (x - self.data(x, s)) / s

    def steps(self) -> Iterator[tuple[int, float, float]]:
        """(n, s, t) of every step from noise level s to t."""
        yield from zip(range(self.run.N), self.s, self.s[1:], strict=False)

    def xi(self, n: int, slot: int = 0) -> Any:
        """The normals of step n, of its first noise unless `slot` says which."""
        return self.run.normals(n, slot)


def in_levels(formula: Callable[..., Iterator[Any]]) -> Formula:
    """A formula of a `Line` that yields x as one of a `Run` that yields z = alpha x."""

    @wraps(formula)
    def of_run(run: Run, *arguments: Any, **parameters: Any) -> Iterator[Any]:
        line = Line(run)
        for n, x in enumerate(formula(line, *arguments, **parameters), 1):
            yield line.alpha[n] * x

    return of_run


# --- frames -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """A linear part, a quantity E, and the clock in which polynomials interpolate it.

    quantity  (x, s) -> E
    clock     s -> c, and `level` its inverse
    flow      (s, t) -> the factor of x - origin; kernel (r, t) -> K at level r flowed to t, per ds
    deviation (s, t) -> that of the noise of the linear part over the step
    """

    quantity: Callable[[Any, float], Any]
    clock: Callable[[Any], Any]
    level: Callable[[float], float]
    flow: Callable[[float, float], float]
    kernel: Callable[[Floats, float], Floats]
    deviation: Callable[[float, float], float] = lambda s, t: 0.0
    origin: float = 0.0

    def integral(self, weight: Callable[[Floats], Floats], s: float, t: float) -> float:
        """int_s^t kernel(r, t) weight(c(r)) dr."""
        end = np.log(t) if t else np.log(s) - NOTHING

        def integrand(log_r: Floats) -> Floats:
            r = np.exp(log_r)
            return self.kernel(r, t) * weight(self.clock(r)) * r

        return gauss(integrand, float(np.log(s)), float(end))

    def adams(self, x: Any, s: float, t: float, levels: Sequence[float], values: Sequence[Any]) -> Any:
        """x at t, E replaced by the polynomial through its values at some levels (Hochbruck & Ostermann 2011).

        A step to t = 0 that is infinitely long in the clock forgets x, and has the one value.
        """
        if self.flow(s, t) == 0:
            (only,) = values
            return only
        nodes = [float(self.clock(np.asarray(level))) for level in levels]
        moved = self.origin + self.flow(s, t) * (x - self.origin)
        return moved + sum(self.integral(lagrange(nodes, j), s, t) * E for j, E in enumerate(values))


def data_in_log_snr(line: Line, tau: float = 0.0) -> Frame:
    """dx/dlambda = q (D - x), polynomials in lambda = -log s (exponential-iia.md 1.1; arXiv:2309.05019 eq. 14)."""
    q = 1 + tau**2
    return Frame(
        line.data,
        clock=lambda s: -np.log(s),
        level=lambda c: float(np.exp(-c)),
        flow=lambda s, t: (t / s) ** q,
        kernel=lambda r, t: -q / r * (t / r) ** q,
        deviation=lambda s, t: t * np.sqrt(-np.expm1(2 * tau**2 * np.log(t / s))) if t else 0.0,
    )


def noise_in(line: Line, clock: str) -> Frame:
    """dx = eps ds, polynomials in log-snr, in the noise-level or in process time (arXiv:2204.13902 eqs. 11, 14)."""
    process = line.run.process
    forth, back = {
        "log-snr": (lambda s: -np.log(s), lambda c: float(np.exp(-c))),
        "noise-level": (lambda s: s, lambda c: c),
        "time": (
            lambda s: process.time_of_noise_level(np.atleast_1d(s)).reshape(np.shape(s)),
            lambda c: float(process.noise_level(np.array([c]))[0]),
        ),
    }[clock]
    return Frame(line.noise, forth, back, flow=lambda s, t: 1.0, kernel=lambda r, t: np.ones_like(r))


def reverse_noise(line: Line) -> Frame:
    """dx = 2 eps ds + sqrt(2 s) dW, polynomials in log-snr (arXiv:2305.14267)."""
    return replace(
        noise_in(line, "log-snr"),
        kernel=lambda r, t: 2 * np.ones_like(r),
        deviation=lambda s, t: np.sqrt((s - t) * (s + t)),
    )


def gaussian_frame(line: Line, sigma_data: float, mean: float, tau: float = 0.0) -> Frame:
    """The frame of the law N(m, v): u = (D - D_g)/c, polynomials in theta = arctan(s / sqrt(v)) (gaussian-frame.md).

    With D_g = m + v (x - m)/(v + s^2) and c = s sqrt(v/(v + s^2)) the equation dx/ds = q (x - D)/s reads
    dx/ds = q s (x - m)/(v + s^2) - q sqrt(v/(v + s^2)) u, whose linear part flows by ((v + t^2)/(v + s^2))^(q/2).
    """
    v, q = sigma_data**2, 1 + tau**2

    def residual(x: Any, s: float) -> Any:
        return (line.data(x, s) - mean - v * (x - mean) / (v + s**2)) / (s * np.sqrt(v / (v + s**2)))

    def flow(s: Any, t: Any) -> Any:
        return ((v + t**2) / (v + s**2)) ** (q / 2)

    return Frame(
        residual,
        clock=lambda s: np.arctan(s / sigma_data),
        level=lambda c: float(sigma_data * np.tan(c)),
        flow=flow,
        kernel=lambda r, t: -q * np.sqrt(v / (v + r**2)) * flow(r, t),
        deviation=lambda s, t: float(np.sqrt((v + t**2) * (1 - ((v + t**2) / (v + s**2)) ** tau**2))),
        origin=mean,
    )


@dataclass(frozen=True)
class Path:
    """The noise of a frame over step n from level s, drawn up to one level after the other."""

    line: Line
    frame: Frame
    n: int
    s: float
    drawn: list[tuple[float, Any]] = field(default_factory=list)

    def noise(self, t: float) -> Any:
        """What is at level t: what the flow leaves of that at the level before, and new noise."""
        if not self.drawn or self.drawn[-1][0] != t:
            before, there = self.drawn[-1] if self.drawn else (self.s, 0.0)
            deviation = self.frame.deviation(before, t)
            new = deviation * self.line.xi(self.n, len(self.drawn)) if deviation else 0.0
            self.drawn.append((t, self.frame.flow(before, t) * there + new))
        return self.drawn[-1][1]


# --- steps that fill a budget or open a run ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Abscissae:
    """A step from s to t of a frame by abscissae 0 to 1 in its clock; `noise` is what it leaves at a level."""

    frame: Frame
    s: float
    t: float
    noise: Callable[[float], Any] = lambda level: 0.0

    def level(self, c: float) -> float:
        """The noise level at abscissa c."""
        first, last = (float(self.frame.clock(np.asarray(r))) for r in (self.s, self.t))
        return self.s if c == 0 else self.t if c == 1 else self.frame.level(first + c * (last - first))

    def moved(self, x: Any, c: float) -> Any:
        """x flowed to abscissa c by the linear part alone, and its noise."""
        level, origin = self.level(c), self.frame.origin
        return origin + self.frame.flow(self.s, level) * (x - origin) + self.noise(level)

    def weight(self, p: Callable[[Floats], Floats], a: float, b: float) -> float:
        """int_a^b of the kernel to abscissa b times p(c)."""
        first, last = (float(self.frame.clock(np.asarray(r))) for r in (self.s, self.t))
        return self.frame.integral(lambda c: p((c - first) / (last - first)), self.level(a), self.level(b))

    def quantity(self, x: Any, c: float) -> Any:
        """E at the state x of abscissa c."""
        return self.frame.quantity(x, self.level(c))


def one(c: Floats) -> Floats:
    """The weight 1."""
    return np.ones_like(c)


def euler(at: Abscissae, x: Any) -> Any:
    """E held fixed: DDIM."""
    return at.moved(x, 1) + at.weight(one, 0, 1) * at.quantity(x, 0)


def two_stages(at: Abscissae, x: Any, c2: float = 0.5) -> Any:
    """E a line through its values at 0 and c2: RES-2S (Hochbruck & Ostermann 2005 eq. 5.3)."""
    first = at.quantity(x, 0)
    second = at.quantity(at.moved(x, c2) + at.weight(one, 0, c2) * first, c2)
    return at.moved(x, 1) + at.weight(one, 0, 1) * first + at.weight(lambda c: c / c2, 0, 1) * (second - first)


def three_stages(at: Abscissae, x: Any, c2: float = 0.5, c3: float = 1.0) -> Any:
    """RES-3S (Hochbruck & Ostermann 2005 eq. 5.9, with 2 (gamma c2 + c3) = 3 (gamma c2^2 + c3^2)).

    c phi_2(c z) of a row that ends at c3 is the integral of a line over [c3 - c, c3], 0 at its start and 1 at its end;
    where kernels are not those of fixed operators this says which part of the step it is over.
    """

    def ramp(c: float) -> float:
        return at.weight(lambda r: (r - c3 + c) / c, c3 - c, c3)

    gamma = (3 * c3**2 - 2 * c3) / (c2 * (2 - 3 * c2))
    first = at.quantity(x, 0)
    second = at.quantity(at.moved(x, c2) + at.weight(one, 0, c2) * first, c2) - first
    a32 = gamma * ramp(c2) + c3 / c2 * ramp(c3)
    third = at.quantity(at.moved(x, c3) + at.weight(one, 0, c3) * first + a32 * second, c3) - first
    slope = (gamma * second + third) / (gamma * c2 + c3)
    return at.moved(x, 1) + at.weight(one, 0, 1) * first + at.weight(lambda c: c, 0, 1) * slope


def krogstad(at: Abscissae, x: Any) -> Any:
    """Krogstad 2005 eq. 51: every row integrates a polynomial of the stages so far, N1 + c N' + c^2/2 N''."""
    N1 = at.quantity(x, 0)
    N2 = at.quantity(at.moved(x, 0.5) + at.weight(one, 0, 0.5) * N1, 0.5)
    N3 = at.quantity(
        at.moved(x, 0.5) + at.weight(one, 0, 0.5) * N1 + at.weight(lambda c: 4 * c, 0, 0.5) * (N2 - N1), 0.5
    )
    N4 = at.quantity(at.moved(x, 1) + at.weight(one, 0, 1) * N1 + at.weight(lambda c: 2 * c, 0, 1) * (N3 - N1), 1)
    slope, bend = -3 * N1 + 2 * N2 + 2 * N3 - N4, 4 * (N1 - N2 - N3 + N4)
    linear, square = at.weight(lambda c: c, 0, 1), at.weight(lambda c: c**2 / 2, 0, 1)
    return at.moved(x, 1) + at.weight(one, 0, 1) * N1 + linear * slope + square * bend


FILLING = {1: euler, 2: two_stages, 3: three_stages, 4: krogstad}  # by evaluations


def filling(frame: Frame, count: int, x: Any, s: float, t: float) -> Any:
    """The step that spends `count` evaluations left of a budget, from s to t in a frame."""
    return FILLING[count](Abscissae(frame, s, t), x)
