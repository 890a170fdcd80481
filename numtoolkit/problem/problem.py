"""The problem a scheme is run on: process x dynamics x frozen quantity x clock, and what a value of each axis gives.

In a clock u that increases while sampling the equation is

    dz = (F z + (q/2) Q S) du + tau dW_Q,      q = 1 + tau^2,

F the forward drift and Q = G G' the covariance rate, both per unit of u; q = 1 is the probability flow, q = 2 the
reverse SDE. With the frozen quantity e, S = P z + P_e e, this reads dz = (L z + N e) du + noise.

A `Clock`, an `Operator` and a `Frozen` quantity are each one object that knows its float64 blocks, its closed forms
where there are such, its letters for proofs and how it is printed. The values in use lie in `clocks`, `operators` and
`frozen`; one more is one more object, here or in a person's own file, and no other room asks for its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from numtoolkit.problem.kinds import EVERY_KIND, AxisValue, Floats, Kind, Process, ScalarProcess
from numtoolkit.problem.predictions import SCORE, Prediction
from numtoolkit.problem.spectrum import Spectrum

# (problem, grid times, step indices, parameter values and the `steps` of the run) -> float64 array, one value a step
Rule = Callable[..., Any]


@dataclass(frozen=True, eq=False, repr=False)
class Clock(AxisValue):
    """A variable that increases while sampling: the nodes and polynomial weights of a scheme are placed in it.

    letter, sentence   how it is printed, and what it is
    u                  (problem, times t) -> u(t)
    t                  (problem, u) -> t, the inverse
    rate               (problem, t) -> |dt/du|
    kinds              the kinds of process it exists on
    constant_linear    whether exponential schemes have a constant linear part in it: stiff order has a meaning there
    of                 for a clock that is another one on each process: (process) -> that clock; u, t, rate are its own
    told               (spectrum) -> the clock that stands for it where a scheme is told the spectrum of the data; None
                       for one that does not follow the data
    smooth             a clock of the same problem in which this one is smooth from the data to the prior, for
                       quadrature; None for that of the frozen quantity
    fall               (s, h) -> 1 - s_end / s, s and s_end the noise levels at the ends of a step of length h, by the
                       arithmetic of s and h alone, a series to h^9 where it is none in closed form; None where it is of
                       first order and no more is said
    """

    name: str
    letter: str
    sentence: str
    u: Callable[[Problem, Floats], Floats]
    t: Callable[[Problem, Floats], Floats]
    rate: Callable[[Problem, Floats], Floats]
    kinds: tuple[Kind, ...] = EVERY_KIND
    constant_linear: bool = False
    of: Callable[[Process], Clock] | None = None
    told: Callable[[Spectrum], Clock] | None = None
    smooth: Clock | None = None
    fall: Callable[[Any, Any], Any] | None = None

    def on(self, process: Process) -> Clock:
        """The clock that this one is on a process."""
        return self if self.of is None else self.of(process)

    def of_first(self, process: Process) -> Clock:
        """The clock of the first mode of a process, for problems of all its modes: they have its times in common."""
        own, first = self.on(process.modes[0]), process.modes[0]

        def there(reading: Callable[[Problem, Floats], Floats]) -> Callable[[Problem, Floats], Floats]:
            return lambda problem, t: reading(replace(problem, process=first), t)

        return replace(own, u=there(own.u), t=there(own.t), rate=there(own.rate), constant_linear=False, fall=None)

    def __repr__(self) -> str:
        return f"<clock {self.name}: {self.sentence}>"


@dataclass(frozen=True, eq=False, repr=False)
class Operator(AxisValue):
    """A linear operator on the state, per unit of the clock, as entries name it.

    letter, latex, sentence   how it is printed, and what it is
    blocks      (problem, times t (n,)) -> (n, k, k), or (n, k, width) for what multiplies the frozen quantity
    log_flow    (problem, times start, end (n,)) -> int over the clock on a scalar process, None if not in closed form
    per         (problem) -> the clock per unit of which it is one fixed matrix on a phase space, None if there is none
    line        (linear part, frozen quantity) -> its value on the test equation, None where it has no meaning there
    kinds       the kinds of process it exists on
    diagonal    (frozen quantity) -> whether it is diagonal on every phase space: its row x reads component x alone
    """

    name: str
    sentence: str
    blocks: Callable[[Problem, Floats], Floats]
    log_flow: Callable[[Problem, Floats, Floats], Floats | None] = lambda problem, start, end: None
    per: Callable[[Problem], Clock | None] = lambda problem: None
    line: Callable[[Any, Frozen], Any] | None = None
    latex: str = ""
    kinds: tuple[Kind, ...] = EVERY_KIND
    diagonal: Callable[[Frozen], bool] = lambda frozen: False

    def __repr__(self) -> str:
        return f"<operator {self.name}: {self.sentence}>"


@dataclass(frozen=True)
class Letters:
    """What proofs may take of the operators: those that are zero, and those that do not change over a step."""

    absent: tuple[str, ...] = ()
    steady: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """What a scheme takes from the test equation dx/dc = z x + w x, over which the noise level s falls as exp(z c / q).

    linear    1 where it treats z x as its linear part, 0 where that is a part of what it freezes
    power     it freezes (z x + w x - linear z x) / s^power
    of_level  whether abscissae are those of s itself, else they are of log-SNR, or of a clock in which z is constant
    """

    linear: int = 1
    power: int = 0
    of_level: bool = False


@dataclass(frozen=True, eq=False)
class Window:
    """A window [a, b] of the steps of a run, as closed forms read it: arrays (n,), one value a step.

    h, a, b      length of the step in the clock, abscissae of the window
    start, end   process times at a and b
    weights      coefficients in the abscissa of the weight under the integral
    """

    problem: Problem
    h: Floats
    a: Floats
    b: Floats
    start: Floats
    end: Floats
    weights: tuple[Floats, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Frozen(AxisValue):
    """What a scheme holds fixed over a step: an affine function e of the state and the network's output.

    sentence     what it is
    width        (process) -> its number of blocks
    to_score     (problem, times t (n,)) -> (P (n, k, k), P_e (n, k, width)), the score being S = P z + P_e e
    of_network   (problem, what the network predicts, t) -> (P (n, width, k), Q (n, width, outputs)), e = P z + Q out
    kinds        the kinds of process it exists on
    whole        whether it is the whole right-hand side: L = 0, N = 1
    of_score     whether it is the score times a matrix: L is the forward drift F
    fixed_forcing  whether N is one fixed matrix per unit of the integral of beta on a phase space
    diagonal     whether N is diagonal on every phase space
    log_flow     (problem, times start, end) -> int L du on a scalar process, None where not in closed form
    window       (Window) -> int_a^b Flow(L, s, b) N(s) w(s) du (n,) on a scalar process, None likewise
    covariance   (Window) -> int_a^b Flow(L, s, b)^2 G(s) du (n,) on a scalar process, None likewise
    smooth       a clock in which L and N are smooth from the data to the prior, for quadrature; None for the kind's own
    offset       (problem, t) -> what a mean of the reference law adds to e (n, width, 1), None for the generic formula
    letters      (clock, kinds of process) -> what proofs may take of L and N there
    line         (clock) -> what schemes that freeze it there take from the test equation of stability; by default
                 constant coefficients
    data_clock   a clock in which schemes that freeze it are, row by row, ones that freeze the data in log-SNR
    """

    name: str
    sentence: str
    width: Callable[[Process], int]
    to_score: Callable[[Problem, Floats], tuple[Floats, Floats]]
    of_network: Callable[[Problem, Prediction, Floats], tuple[Floats, Floats]]
    kinds: tuple[Kind, ...] = EVERY_KIND
    whole: bool = False
    of_score: bool = False
    fixed_forcing: bool = False
    diagonal: bool = False
    log_flow: Callable[[Problem, Floats, Floats], Floats | None] = lambda problem, start, end: None
    window: Callable[[Window], Floats | None] = lambda window: None
    covariance: Callable[[Window], Floats | None] = lambda window: None
    smooth: Clock | None = None
    offset: Callable[[Problem, Floats], Floats | None] = lambda problem, t: None
    letters: Callable[[Clock, tuple[Kind, ...]], Letters] = lambda clock, kinds: Letters()
    line: Callable[[Clock], Line] = lambda clock: Line()
    data_clock: Clock | None = None

    def __repr__(self) -> str:
        return f"<frozen quantity {self.name}: {self.sentence}>"


@dataclass(frozen=True)
class Problem:
    """process, frozen quantity, clock, dynamics tau (0 flow, 1 reverse SDE).

    sigma_data  of the Gaussian law that the residual, the clock `angle` and the best conjugations refer to; or (n,), of
                several such laws, one a step, where n steps are looked at together: `sigma_at` is that at a time
    mean        of that law, one number for all coordinates: the operators are those of z - e_t mean
    """

    process: Process
    frozen: Frozen
    clock: Clock
    tau: float = 0.0
    sigma_data: float | Floats = 0.5
    mean: float = 0.0

    @property
    def q(self) -> float:
        """1 + tau^2, the factor of the score term."""
        return 1 + self.tau**2

    @property
    def scalar(self) -> ScalarProcess | None:
        """The process where it has one state block."""
        return self.process if isinstance(self.process, ScalarProcess) else None

    @cached_property
    def width(self) -> int:
        """Blocks of the frozen quantity."""
        return self.frozen.width(self.process)

    def sigma_at(self, t: Floats) -> Any:
        """sigma_data at each of the times t, which are as many for each step, all of a step together."""
        own = self.sigma_data
        return own if isinstance(own, float) else np.repeat(own, t.size // len(own)).reshape(t.shape)

    def u(self, t: Floats) -> Floats:
        """The clock at process times t."""
        return self.clock.u(self, t)

    def t(self, u: Floats) -> Floats:
        """Process times at clock values u."""
        return self.clock.t(self, u)

    def rate(self, t: Floats) -> Floats:
        """|dt/du| at process times t."""
        return self.clock.rate(self, t)

    def freeze(self, network: Prediction, t: Floats) -> tuple[Floats, Floats]:
        """(P, Q) with e = P z + Q out for a network of that prediction told the times t (n,)."""
        return self.frozen.of_network(self, network, t)

    def moved_mean(self, t: Floats) -> Floats:
        """e_t mean, (n, k, 1): where the forward flow takes the mean."""
        return self.mean * self.process.kernel(t)[0][:, :, None]

    def offset(self, t: Floats) -> Floats:
        """What the mean adds to P z + Q out of `freeze`, (n, width, 1): z - e_t mean stands for z, at one score."""
        closed = self.frozen.offset(self, t)
        return -self.freeze(SCORE, t)[0] @ self.moved_mean(t) if closed is None else closed

    def operator(self, operator: Operator, t: Floats) -> Floats:
        """An operator per unit of the clock at the times t (n,), as (n, k, k) or (n, k, width)."""
        return operator.blocks(self, t)

    def log_flow(self, operator: Operator, start: Floats, end: Floats) -> Floats | None:
        """int of an operator of a scalar process from time `start` to `end`, (n,); None where not in closed form."""
        return operator.log_flow(self, start, end)

    def constant(self, operator: Operator) -> bool:
        """Whether an operator of a phase space is one fixed matrix in this clock."""
        per = None if self.scalar is not None else operator.per(self)
        return per is not None and self._proportional(per)

    def _proportional(self, clock: Clock) -> bool:
        """Whether this clock is another one but for a factor."""
        if clock is self.clock:
            return True
        ends = np.array([self.process.t_min, (self.process.t_min + self.process.T) / 3, self.process.T])
        ratio = self.rate(ends) / clock.rate(self, ends)
        return bool(np.ptp(ratio) <= 1e-15 * np.abs(ratio).max())
