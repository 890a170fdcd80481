"""What a step makes of a linear network: its characteristic polynomial on the test equation, exact in h L = z and w.

The test equation is the one that occurs in a scalar process over equal steps of log-SNR where the data prediction is
linear. In x = z_t / alpha it is, over the step,

    dx/dc = z x + w x,      z = -q h,  w = q h omega,  D = omega x,      q = 1 + tau^2, h the step in log-SNR

and the noise level falls as s = exp(z c / q). A scheme takes from it what it freezes: the data as they are, the noise
e = (x - D)/s; each `Frozen` says how (`Frozen.line`). A step in the noise level or in time is one of EDM, where t = s:
abscissa c is at s = 1 + c (exp(z/q) - 1), and r0, r1, ... are the ratios that equal steps of log-SNR have there. What
freezes the whole drift has the equation of that drift, dx/du = (L + w/h) x in its own clock; the Gaussian frame one in
its angle, in which the linear part is an integrating factor whatever it is. Else coefficients are constant over a step.

At z = 0 these are all the classical test equation dx/du = (w/h) x, and numbers stay rational.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, prod
from typing import Any

from numtoolkit.declare.entries import (
    At,
    Ball,
    Const,
    Entry,
    Flow,
    Int,
    Op,
    Product,
    Quotient,
    Root,
    Sum,
    Symbol,
    balls,
    walk,
)
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Noise, Row, Step
from numtoolkit.declare.walk import Values
from numtoolkit.errors import InputError, brief
from numtoolkit.problem.kinds import SCALAR
from numtoolkit.problem.operators import L, N
from numtoolkit.problem.problem import Line, Operator
from numtoolkit.symbolic.algebraic import square_roots
from numtoolkit.symbolic.line_numbers import Digits, Formula, Irrational, Numbers, Rational
from numtoolkit.symbolic.unit_circle import Polynomial, add, characteristic, times, trimmed

MOST_ROOTS = 3  # whose field is of degree 8
LONGEST = 10**6  # |h L| of a step
FEWEST, MOST = 60, 8000  # digits
AGREED = 10**30  # a number is known to this part of it
NOTHING = 10**45  # and is 0 if it may be, and is below this part of the largest
BEYOND = 10**330  # what is below its inverse is 0: float64 has no such numbers
HALF = Fraction(1, 2)
Coefficients = tuple[tuple[Any, ...], ...]
Vector = list[Polynomial]  # over (state, carried names)


@dataclass(frozen=True)
class Amplification:
    """det(zeta - M(w)) of the map M of a step over (state, carried values), roots zeta = 0 left out.

    coefficients   [j][i] of zeta^j w^i, the highest j monic; rational or algebraic, or rational of 30 digits
    linear         h L
    exact          whether they are the numbers themselves
    within         what is known of them where the scheme holds numbers of some digits, as intervals
    """

    scheme: str
    linear: Fraction
    coefficients: Coefficients = field(repr=False)
    exact: bool
    within: Sequence[Polynomial] = field(default=(), repr=False)

    def along(self, axis: Callable[[Sequence[Sequence[Any]]], list[Polynomial]]) -> list[Polynomial]:
        """The polynomial in zeta and r along an axis of w; a coefficient that the digits allow to be 0 is 0.

        Where they allow a step to keep the state at w = 0, zeta = 1, it does.
        """
        if not self.within:
            return axis(self.coefficients)
        rows = [list(row) for row in self.coefficients]
        if _may_vanish(sum(row[0] for row in self.within if row)):
            rows[0][0] = -sum((row[0] for row in rows[1:] if row), Fraction(0))
        pairs = zip(axis(rows), axis(self.within), strict=True)
        return [
            [Fraction(0) if _may_vanish(ends) else c for c, ends in zip(row, within, strict=True)]
            for row, within in pairs
        ]


def _may_vanish(interval: Any) -> bool:
    ends = Digits.ends(interval)
    return ends is not None and ends[0] <= 0 <= ends[1]


def amplification(
    scheme: Scheme, linear: Fraction | float, quantities: Mapping[str, Fraction | float] | None = None
) -> Amplification:
    """That of the inner step of a scheme, fitted coefficients 0, parameters bound or default, balls at their centre.

    linear      h L, read as the rational number it is
    quantities  values of step quantities that a grid alone gives, where it gives every step the same
    raises      InputError for an operator, row or step quantity without a meaning there, or numbers that cancel so much
                that thousands of digits do not settle them
    cost        milliseconds; no network calls
    """
    if not -LONGEST <= linear <= LONGEST:
        raise InputError(
            f"h L = {brief(str(linear))} is no number that a step can have; give a finite one, {LONGEST} at most."
        )
    z, within = Fraction(linear), None
    given = {name: Fraction(value) for name, value in (quantities or {}).items()}
    if any(balls(entry) for _, entry in scheme.agreed.steps.inner.entries()):
        within = _characteristic(scheme, Digits(FEWEST, z, spread=True), given)
    if not z:
        try:
            numbers = Rational({} if within else _roots(scheme))
            return _amplification(scheme, z, _characteristic(scheme, numbers, given), within)
        except Irrational:
            pass
    digits = FEWEST
    while digits <= MOST:
        settled = _settled(_characteristic(scheme, Digits(digits, z), given))
        if settled is not None:
            return _amplification(scheme, z, settled, within, exact=False)
        digits *= 2
    raise InputError(f"scheme {scheme.spec} at h L = {linear} cancels {MOST} digits; take a shorter step.")


def _roots(scheme: Scheme) -> dict[int, Any]:
    """The square roots in a step without history by their squares, where there are few."""
    step = scheme.agreed.steps.inner
    squares = {node.square for _, entry in step.entries() for node in walk(entry) if isinstance(node, Root)}
    return {} if step.carry or len(squares) > MOST_ROOTS else square_roots(squares)


def _amplification(
    scheme: Scheme, z: Fraction, rows: list[Polynomial], within: list[Polynomial] | None, exact: bool = True
) -> Amplification:
    kept = _kept(rows)
    known = [row[: len(own)] for row, own in zip(within[len(rows) - len(kept) :], kept, strict=True)] if within else ()
    return Amplification(scheme.spec, z, tuple(map(tuple, kept)), exact and not within, known)


def _kept(rows: list[Polynomial]) -> list[Polynomial]:
    """Coefficients [j][i] without the roots zeta = 0, and without powers of w that are 0 throughout."""
    first = next(j for j, row in enumerate(rows) if any(row))
    return [trimmed(row) or row[:1] for row in rows[first:]]


def formula(scheme: Scheme) -> tuple[list[Polynomial], Formula]:
    """The coefficients [j][i] of zeta^j w^i in the same as functions of z = h L, and their field; parameters at values.

    raises   InputError where they are no rational functions of z and exponentials exp(c z), c rational
    cost     0.01 to 0.3 s
    """
    first = Formula()
    _characteristic(scheme, first, {})
    numbers = Formula(first.asked)
    return _kept(_characteristic(scheme, numbers, {})), numbers


def internal(scheme: Scheme) -> tuple[dict[str, Polynomial], Formula]:
    """What a unit put into each row of a step adds to the new state, as polynomials in w over the field of `formula`.

    raises, cost   as `formula`
    """
    _, numbers = formula(scheme)
    return _OnLine(scheme.agreed.unfitted(), numbers, {}).responses(), numbers


def _settled(rows: Sequence[Polynomial]) -> list[list[Fraction]] | None:
    """The middles of intervals; 0 of those about 0 that are nothing beside the largest; None if one is too wide."""
    ends = [Digits.ends(c) for row in rows for c in row]
    bounded = [interval for interval in ends if interval is not None]
    if len(bounded) < len(ends):
        return None
    least = max(max(-low, high) for low, high in bounded) / NOTHING

    def middle(low: Fraction, high: Fraction) -> Fraction | None:
        size = max(-low, high)
        if size * BEYOND < 1 or (low <= 0 <= high and size <= least):
            return Fraction(0)
        return (low + high) / 2 if (high - low) * AGREED <= abs(low + high) else None

    middles = [middle(*interval) for interval in bounded]
    told = iter(c for c in middles if c is not None)
    return None if None in middles else [[next(told) for _ in row] for row in rows]


def _characteristic(scheme: Scheme, numbers: Numbers, given: Mapping[str, Fraction]) -> list[Polynomial]:
    """The coefficients in zeta of det(zeta - M(w)), polynomials in w; `given` are step quantities."""
    reader = _OnLine(scheme.agreed.unfitted(), numbers, given)
    return characteristic(reader.step_matrix(), numbers.number(1))


class _OnLine:
    """The reader of entries on the test equation: every block is one number.

    Over a step the noise level is exp(fall c) in log-SNR, and 1 + c (exp(fall) - 1) where abscissae are of the level.
    """

    def __init__(self, scheme: Scheme, numbers: Numbers, given: Mapping[str, Fraction]) -> None:
        unknown = sorted(scheme.of_grid - given.keys())
        if unknown:
            raise InputError(
                f"scheme {scheme.spec} has a coefficient that a grid alone gives, {', '.join(unknown)}; it has no test "
                "equation, name a process instead."
            )
        self.scheme, self.numbers = scheme, numbers
        self.line = scheme.frozen.line(scheme.clock) if SCALAR in scheme.kinds else Line()
        q = 1 + scheme.tau_value**2
        self.fall = numbers.z / numbers.number(q)
        self.linear = numbers.z * self.line.linear  # the linear part that the scheme treats as such
        self.falling = self.line.linear * q  # the power of the noise level that it is the flow of
        self.bent = numbers.exp(self.fall) - 1 if self.line.of_level else numbers.number(0)
        ratio = numbers.exp(-self.fall) if self.line.of_level else numbers.number(1)
        self.values = {name: numbers.number(value) for name, value in {**scheme.parameters(), **given}.items()}
        longer = numbers.number(1)
        for j in range(len(scheme.steps.start)):
            longer = longer * ratio
            self.values[f"r{j}"] = longer

    # entries

    def read(self, entry: Entry) -> Any:
        """An entry as the number that it is."""
        numbers = self.numbers
        if isinstance(entry, Const):
            return numbers.number(entry.value)
        if isinstance(entry, Root):
            return numbers.power(numbers.number(entry.square), HALF)
        if isinstance(entry, Ball):
            return numbers.ball(entry.centre, entry.radius)
        if isinstance(entry, Symbol):
            if entry.name not in self.values:
                raise InputError(f"symbol {entry.name!r} has no value; give it as a parameter of the scheme.")
            return self.values[entry.name]
        if isinstance(entry, Sum):
            return sum((self.read(arg) for arg in entry.args), start=numbers.number(0))
        if isinstance(entry, Product):
            return prod((self.read(arg) for arg in entry.args), start=numbers.number(1))
        if isinstance(entry, Quotient):
            return self.read(entry.top) / self.read(entry.bottom)
        if isinstance(entry, Flow):
            return self._flow(entry.L, self.read(entry.a), self.read(entry.b))
        if isinstance(entry, Int):
            weight = [self.read(w) for w in entry.weight]
            a, b = self.read(entry.a), self.read(entry.b)
            terms = [self._integral(entry.L, *term, weight, a, b) for term in self._forcing(entry.N)]
            return sum(terms, start=numbers.number(0))
        if isinstance(entry, At):
            c = self.read(entry.c)
            parts = [size * self._level(c, power) for size, power in self._forcing(entry.X)]
            return sum(parts, start=numbers.number(0))
        raise InputError(f"entry {entry} has no reading on the test equation.")

    def _flow(self, X: Op, a: Any, b: Any) -> Any:
        rate, power = self._linear(X)
        return self.numbers.exp(rate * (b - a)) * self._level(b, power) / self._level(a, power)

    def _linear(self, X: Op) -> tuple[Any, Fraction]:
        """A linear operator as a rate that does not change over the step, and a power of the level that it flows as."""
        rate, power = self.numbers.number(0), Fraction(0)
        for coefficient, operator, row in X.terms:
            self._check_row(row)
            if operator is L and self.line.of_level and self.falling:
                if not isinstance(coefficient, Const):
                    raise InputError(f"{coefficient}*L has no flow on the test equation here; take a whole multiple.")
                power += coefficient.value * self.falling
            else:
                rate = rate + self.read(coefficient) * self._value(operator)
        return rate, power

    def _forcing(self, X: Op) -> list[tuple[Any, Fraction]]:
        """(size, power of the level) of the terms of an operator per unit of abscissa."""
        found = []
        for coefficient, operator, row in X.terms:
            self._check_row(row)
            size, power = self.read(coefficient) * self._value(operator), Fraction(0)
            if operator is N:
                power += self.line.power
            if operator in (L, N) and self.line.of_level:  # d(log-SNR) is that of the level over the level
                size, power = size * self.numbers.moment(0, self.fall), power - 1
            found.append((size, power))
        return found

    def _value(self, operator: Operator) -> Any:
        if operator.line is None:
            raise InputError(f"operator {operator.name} has no meaning on the test equation; name a process instead.")
        value = operator.line(self.linear, self.scheme.frozen)
        return self.numbers.number(Fraction(value)) if isinstance(value, (int, float)) else value

    def _check_row(self, row: str) -> None:
        if row not in ("", *SCALAR.rows):
            raise InputError(f"the test equation has no state part {row!r}; name a process instead.")

    def _level(self, c: Any, power: Fraction) -> Any:
        """A power of the noise level at abscissa c, that at the start of the step being 1."""
        if not power:
            return self.numbers.number(1)
        if self.line.of_level:
            return self.numbers.power(1 + c * self.bent, power)
        return self.numbers.exp(self.fall * self.numbers.number(power) * c)

    def _integral(self, X: Op, size: Any, power: Fraction, weight: list[Any], a: Any, b: Any) -> Any:
        """int_a^b Flow(X, s, b) size level(s)^power w(s) ds, s the abscissa."""
        rate, own = self._linear(X)
        if not self.line.of_level:
            moved = rate - self.fall * self.numbers.number(power)
            return size * self._level(b, power) * self._window(moved, weight, a, b)
        left = power - own
        if not left or self.bent == 0:
            return size * self._level(b, own) * self._window(rate, weight, a, b)
        if rate != 0:
            raise InputError("the integral of an exponential over a power of the noise level has no closed form here.")
        return size * self._level(b, own) * self._level_window(left, weight, a, b)

    def _window(self, x: Any, weight: list[Any], a: Any, b: Any) -> Any:
        """int_a^b e^(x (b - s)) w(s) ds, in r = (b - s)/(b - a)."""
        width, total = b - a, self.numbers.number(0)
        for j, w in enumerate(weight):
            for i in range(j + 1):
                total += w * comb(j, i) * b ** (j - i) * (-width) ** i * self.numbers.moment(i, x * width)
        return width * total

    def _level_window(self, power: Fraction, weight: list[Any], a: Any, b: Any) -> Any:
        """int_a^b level^power w(s) ds, in the level itself: s = (level - 1) / bent."""
        start, end, total = 1 + a * self.bent, 1 + b * self.bent, self.numbers.number(0)
        for j, w in enumerate(weight):
            for i in range(j + 1):
                n = power + i + 1
                grown = (
                    (self.numbers.power(end, n) - self.numbers.power(start, n)) / self.numbers.number(n)
                    if n
                    else self.numbers.log(end / start)
                )
                total += w * comb(j, i) * (-1) ** (j - i) * grown / self.bent ** (j + 1)
        return total

    # rows: values are vectors over (state, carried names) of polynomials in w

    def step_matrix(self) -> list[Vector]:
        """The rows of M(w). A carried evaluation is handed on in units of the next step, where the level is 1 again."""
        step = self.scheme.steps.inner
        carried = [new for new, _ in step.carry]
        evaluations = _evaluations(step)
        values = Values(step, _Rows(self, [START, *carried]))
        again = self._level(self.numbers.number(1), Fraction(self.line.power))
        rows = [values[step.out]]
        for new, old in step.carry:
            factor = again if new in evaluations else self.numbers.number(1)
            rows.append([[factor * c for c in polynomial] for polynomial in values[old]])
        return rows

    def responses(self) -> dict[str, Polynomial]:
        """What a unit put into each row but the last one adds to the new state."""
        step = self.scheme.steps.inner
        rows = [item.name for item in step.items if isinstance(item, Row) and item.name != step.out]
        basis = [START, *(new for new, _ in step.carry), *rows]
        found = Values(step, _Rows(self, basis, disturbed=frozenset(rows)))[step.out]
        return dict(zip(rows, found[len(basis) - len(rows) :], strict=True))

    def slope(self, item: Eval) -> Polynomial:
        """The frozen quantity over the state where it is taken, as a polynomial in w."""
        share = self.numbers.number(1) / self._level(self.read(item.network_time), Fraction(self.line.power))
        return [(self.numbers.z - self.linear) * share, share]


def _evaluations(step: Step) -> set[str]:
    """The carried names that stand for evaluations."""
    found = {item.name for item in step.items if isinstance(item, Eval)}
    for _ in step.carry:  # a name may be handed on under another one, step after step
        found |= {new for new, old in step.carry if old in found}
    return found


@dataclass(frozen=True)
class _Rows:
    """The algebra of a step whose network is linear; a row that is `disturbed` has a unit of its own name in it."""

    reader: _OnLine
    basis: list[str]
    disturbed: frozenset[str] = frozenset()

    def begin(self, name: str) -> Vector:
        one = self.reader.numbers.number(1)
        return [[one] if name == own else [] for own in self.basis]

    def combine(self, row: Row, terms: Sequence[tuple[Entry, Vector]]) -> Vector:
        total: Vector = self.begin(row.name) if row.name in self.disturbed else [[] for _ in self.basis]
        for entry, value in terms:
            factor = [self.reader.read(entry)]
            total = [add(t, times(factor, v)) for t, v in zip(total, value, strict=True)]
        return total

    def evaluate(self, item: Eval, state: Vector) -> Vector:
        slope = self.reader.slope(item)
        return [times(slope, polynomial) for polynomial in state]

    def draw(self, noise: Noise) -> Vector:
        return [[] for _ in self.basis]
