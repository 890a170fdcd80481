"""Stiff order of exponential schemes: defects psi as exact functions of z = h L, and the order conditions on them.

For constant L and N = 1 every entry is a sum of rational functions of z times exponentials exp(c z); exponentials with
different exponents are linearly independent over the rational functions, so an identity in z is decided exactly.
Conditions (Hochbruck & Ostermann 2005; Luan & Ostermann 2014; `mathematics.md` 4.3): psi_j for each order j, and trees
whose root is a weight b, whose inner nodes are stages, and whose leaves are stage defects or powers of the abscissa.

strong     identically, each edge with an operator of its own, hence a z of its own
commuting  identically in one z: enough when L is a number, as in log-SNR for scalar processes
weak       the conditions of the last order with psi_p and b taken at z = 0
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial
from typing import Any

from numtoolkit.declare.entries import ONE, ZERO, At, Entry, Flow, Int, Product, Quotient, Sum
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Item, Noise, Row
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.symbolic.history import History
from numtoolkit.symbolic.numbers import UndecidedError
from numtoolkit.symbolic.series import LENGTH, SeriesExpansion, powers_of_h
from numtoolkit.symbolic.steps_back import StepInClock, covariant, field_of

HIGHEST = 5
Exponents = tuple[tuple[str, Any], ...]  # ((variable, exponent), ...): the factor exp(sum exponent * variable)
ExpPoly = dict[Exponents, Any]  # exponential -> rational function of the variables
Combination = tuple[Entry, tuple[tuple[int, Entry], ...]]  # factor on the state at the start, weights on nodes
VARIABLES = tuple(f"z{i}" for i in range(1, HIGHEST + 1))


@dataclass(frozen=True)
class StiffOrder:
    """Stiff orders, each 0 if even psi_1 does not vanish, and how large conditions may be that are taken to hold."""

    strong: int
    commuting: int
    weak: int
    doubt: Fraction = Fraction(0)


@dataclass(frozen=True)
class Node:
    """An evaluation: where it is, where its row takes the state from, the row's factor on that and weights on nodes."""

    c: Entry
    origin: Entry
    flow: Entry
    weights: tuple[tuple[int, Entry], ...] = field(repr=False)
    exact: bool  # taken at an exact state: no defect


def applies(scheme: Scheme) -> bool:
    """Whether stiff order has a meaning: a deterministic exponential scheme in a clock that makes L constant."""
    return scheme.kind == "ode" and scheme.clock.constant_linear and covariant(scheme.agreed.exact.inner)


def stiff_order(scheme: Scheme, highest: int = HIGHEST) -> StiffOrder:
    """Strong, commuting and weak stiff order of the inner step, parameters and step ratios symbolic.

    scheme   one for which `applies` is true
    raises   UndecidedError where the digits of its numbers leave the answer open
    cost     0.05 to 0.5 s; no network calls
    """
    conditions = Conditions(scheme, highest)
    strong, commuting = (_last(conditions, highest, shared=shared) for shared in (False, True))
    # what holds identically holds at z = 0, but its powers of h may be in the way
    known = 0 if LENGTH in conditions.field.names else strong
    weak = _last(conditions, min(strong + 1, highest), known, weak=True)
    return StiffOrder(strong, commuting, max(strong, weak), conditions.doubt)


def _last(conditions: Conditions, highest: int, known: int = 0, **kind: bool) -> int:
    """The highest order whose conditions hold, beyond a known one: one of order q times h^k fails at order q + k."""
    failing = highest + 1
    for q in range(known + 1, highest + 1):
        for function in conditions.failing(q, **kind) if q < failing else ():
            failing = min(failing, q + conditions.power(function))
            if failing == q:
                break
    return failing - 1


class _Stages(History[Combination]):
    """Rows with the rows in between multiplied out; each evaluation that matters becomes a node."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._exact: dict[tuple[int, str], Combination] = {}

    def start(self, frame: StepInClock) -> Combination:
        return ONE, ()

    def exact(self, frame: StepInClock, item: Item) -> Combination:
        assert isinstance(item, Eval)
        key = frame.back, item.name
        if key not in self._exact:
            self._exact[key] = self._node(Node(item.at, item.at, ONE, (), exact=True))
        return self._exact[key]

    def combine(self, frame: StepInClock, row: Row, terms: Sequence[tuple[Entry, Combination]]) -> Combination:
        flow: Entry = ZERO
        weights: dict[int, Entry] = {}
        for entry, (inner, inherited) in terms:
            flow = flow + entry * inner
            for index, weight in inherited:
                weights[index] = weights.get(index, ZERO) + entry * weight
        return flow, tuple(weights.items())

    def evaluate(self, frame: StepInClock, item: Eval, state: Combination) -> Combination:
        if item.of == START:
            return self.exact(frame, item)
        return self._node(Node(item.at, frame.origin, *state, exact=False))

    def draw(self, frame: StepInClock, noise: Noise) -> Combination:
        raise InputError(f"scheme {frame.scheme.name} draws noise; it has no stiff order.")

    def _node(self, node: Node) -> Combination:
        self.nodes.append(node)
        return ZERO, ((len(self.nodes) - 1, ONE),)


class Conditions:
    """The stiff order conditions of a scheme, evaluated as exponential polynomials."""

    def __init__(self, scheme: Scheme, highest: int = HIGHEST) -> None:
        self.scheme = scheme = scheme.agreed
        depth = max(highest - 2, 0) if scheme.steps.inner.needs else 0
        frame, stages = StepInClock(scheme), _Stages()
        self.field = field_of(frame, depth, variables=VARIABLES)
        self.b = stages.values(frame, depth)[frame.step.out]
        self.nodes = stages.nodes
        self.doubt = Fraction(0)
        self._cache: dict[Any, ExpPoly] = {}

    def __repr__(self) -> str:
        return f"<Conditions of {brief(self.scheme.spec, 100)}: {counted(len(self.nodes), 'node')}>"

    # entries as exponential polynomials

    def read(self, entry: Entry, z: str) -> ExpPoly:
        """A weight divided by h (a flow as it is) for constant L with h L = z and N = 1."""
        key = (entry, z)
        if key not in self._cache:
            self._cache[key] = self._read(entry, z)
        return self._cache[key]

    def _read(self, entry: Entry, z: str) -> ExpPoly:
        scalar = self.field.scalar
        if isinstance(entry, Sum):
            return _sum([self.read(arg, z) for arg in entry.args])
        if isinstance(entry, Product):
            result: ExpPoly = {(): self.field.number(1)}
            for arg in entry.args:
                result = _product(result, self.read(arg, z))
            return result
        if isinstance(entry, Quotient):
            bottom = self.field.divisor(entry)
            return {key: value / bottom for key, value in self.read(entry.top, z).items()}
        if isinstance(entry, Flow):
            return {_exponent(z, scalar(entry.b) - scalar(entry.a)): self.field.number(1)}
        if isinstance(entry, Int):
            return self._integral([scalar(w) for w in entry.weight], scalar(entry.a), scalar(entry.b), z)
        if isinstance(entry, At):
            return {(): self.field.number(1)}
        value = scalar(entry)
        return {(): value} if value else {}

    def _integral(self, weight: list[Any], a: Any, b: Any, z: str) -> ExpPoly:
        """int_a^b exp((b - s) z) w(s) ds by parts: sum_i [exp((b-a) z) w^(i)(a) - w^(i)(b)] / z^(i+1)."""
        variable = self.field.symbols[z]
        at_a, at_b, power = self.field.number(0), self.field.number(0), variable
        while weight:
            at_a, at_b = at_a + _horner(weight, a) / power, at_b + _horner(weight, b) / power
            power = power * variable
            weight = [w * (i + 1) for i, w in enumerate(weight[1:])]
        return _sum([{_exponent(z, b - a): at_a}, {(): -at_b}])

    # defects and conditions

    def psi(self, j: int, z: str = "z1") -> ExpPoly:
        """psi_j(z) = phi_j(z) - sum b_i c_i^(j-1)/(j-1)!."""
        return self._defect(j, ZERO, ONE, self.b[1], z)

    def stage_psi(self, j: int, index: int, z: str = "z1") -> ExpPoly:
        """psi_{j,i}(z) of the node i = `index`, zero for an evaluation at an exact state."""
        node = self.nodes[index]
        return {} if node.exact else self._defect(j, node.origin, node.c, node.weights, z)

    def _defect(self, j: int, a: Entry, b: Entry, weights: tuple[tuple[int, Entry], ...], z: str) -> ExpPoly:
        key = (j, a, b, weights, z)
        if key not in self._cache:
            number = self.field.number(Fraction(1, factorial(j - 1)))
            power = [self.field.number(0)] * (j - 1) + [number]
            parts = [self._integral(power, self.field.scalar(a), self.field.scalar(b), z)]
            for index, entry in weights:
                scale = -number * self._abscissa(index, j - 1)
                parts.append({key: scale * value for key, value in self.read(entry, z).items()})
            self._cache[key] = _sum(parts)
        return self._cache[key]

    def _abscissa(self, index: int, power: int) -> Any:
        c = self.field.scalar(self.nodes[index].c)
        return c**power if power else self.field.number(1)

    def failing(self, p: int, shared: bool = False, weak: bool = False) -> Iterator[ExpPoly]:
        """The conditions of order p that do not hold, as far as the digits of the scheme's numbers say.

        shared, weak   as in `values`
        """
        hold, left = True, list[Any]()
        for function in self.values(p, shared, weak):
            if self._differs(function):
                hold = False
                yield function
            left += function.values()
        if hold:
            self.doubt = max([self.doubt, *map(self.field.size, left)])

    def _differs(self, function: ExpPoly) -> bool:
        """Whether a function is surely not 0: a factor is not, and its exponential is none of the others."""
        factors = [own for own, factor in function.items() if self.field.surely(factor)]
        if factors and not any(all(self._apart(own, other) for other in function if other != own) for own in factors):
            raise UndecidedError("exponentials may coincide within the digits that are given; give more of them.")
        return bool(factors)

    def _apart(self, own: Exponents, other: Exponents) -> bool:
        left, right, zero = dict(own), dict(other), self.field.number(0)
        return any(self.field.surely(left.get(z, zero) - right.get(z, zero)) for z in left.keys() | right.keys())

    def values(self, p: int, shared: bool = False, weak: bool = False) -> Iterator[ExpPoly]:
        """Every condition of order p as a function that must vanish.

        shared  one z for all edges; weak  psi_p and the weights b at z = 0
        """
        pure = self.psi(p)
        yield self._at_zero(p) if weak else pure
        if p == 2:
            for index, node in enumerate(self.nodes):
                yield from () if node.exact else (self.stage_psi(1, index), self._flow_defect(node))
        if p == 1:
            yield self._flow_defect(Node(ONE, ZERO, self.b[0], (), exact=False))
        for powers, children in _roots(p):
            yield self._tree(self.b[1], powers, children, list(VARIABLES), shared, weak)

    def power(self, function: ExpPoly) -> int:
        """The power of h that a function comes with, from step quantities; 0 where h is in an exponent."""
        names, powers = self.field.names, self.field.powers
        if LENGTH not in names or any(powers(c, LENGTH, 2)[1] for key in function for _, c in key):
            return 0
        return min(next(powers_of_h(self.field, value, HIGHEST), (HIGHEST, None))[0] for value in function.values())

    def _flow_defect(self, node: Node) -> ExpPoly:
        """exp((c - origin) z) minus the row's own factor on the state."""
        exact = {_exponent("z1", self.field.scalar(node.c) - self.field.scalar(node.origin)): self.field.number(1)}
        return _sum([exact, {key: -value for key, value in self.read(node.flow, "z1").items()}])

    def _tree(
        self,
        weights: tuple[tuple[int, Entry], ...],
        powers: int,
        children: tuple[Any, ...],
        fresh: list[str],
        shared: bool = False,
        weak: bool = False,
    ) -> ExpPoly:
        """sum_i weight_i(z) c_i^powers prod(children at i), every edge with the next fresh variable."""
        z = fresh[0] if shared else fresh.pop(0)
        total: list[ExpPoly] = []
        state = list(fresh)
        for index, entry in weights:
            fresh[:] = state
            value: ExpPoly = {(): self.taylor(entry)[0]} if weak else self.read(entry, z)
            value = _product(value, {(): self._abscissa(index, powers)})
            for child in children:
                value = _product(value, self._child(child, index, fresh, shared))
            total.append(value)
        return _sum(total)

    def _child(self, child: Any, index: int, fresh: list[str], shared: bool) -> ExpPoly:
        if isinstance(child, int):
            return self.stage_psi(child, index, fresh[0] if shared else fresh.pop(0))
        powers, children = child
        return self._tree(self.nodes[index].weights, powers, children, fresh, shared)

    # values at z = 0

    def taylor(self, entry: Entry, degree: int = 0) -> list[Any]:
        """Taylor coefficients in z, to that degree, of a weight divided by h."""
        series = SeriesExpansion(self.field, degree + 1, steady=("L", "N")).read(entry)
        forced = (("N", "", 0),)
        return [series.get((("L", "", 0),) * m + forced, self.field.number(0)) for m in range(degree + 1)]

    def psi_taylor(self, j: int, degree: int = 0) -> list[Any]:
        """Taylor coefficients in z, to that degree, of psi_j."""
        total = [self.field.number(Fraction(1, factorial(m + j))) for m in range(degree + 1)]
        scale = self.field.number(Fraction(1, factorial(j - 1)))
        for index, entry in self.b[1]:
            c = self._abscissa(index, j - 1) * scale
            total = [t - c * w for t, w in zip(total, self.taylor(entry, degree), strict=True)]
        return total

    def _at_zero(self, j: int) -> ExpPoly:
        value = self.psi_taylor(j)[0]
        return {(): value} if value else {}

    # numbers

    def evaluate(self, function: ExpPoly, values: Mapping[str, Fraction | int]) -> float:
        """A function's value for exact values of z1, ... and of the symbols, exact but for the exponentials."""
        import sympy

        exact = {name: sympy.Rational(Fraction(value)) for name, value in values.items()}
        total = sympy.Integer(0)
        for exponents, factor in function.items():
            power = sum((self.field.expression(c) * sympy.Symbol(z) for z, c in exponents), start=sympy.Integer(0))
            total += self.field.expression(factor).subs(exact) * sympy.exp(power.subs(exact))
        return float(total.evalf(30))


def _roots(p: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Trees of order p below a weight: (powers of c, children); a child is a defect's j or such a tree."""
    for powers in range(p - 2):
        yield from ((powers, children) for children in _children(p - 1 - powers, p))


def _children(total: int, below: int) -> Iterator[tuple[Any, ...]]:
    """Non-empty multisets of children of that total weight; each child weighs less than `below`."""
    kinds = [child for w in range(2, below) for child in _of_weight(w)]

    def choose(left: int, first: int) -> Iterator[tuple[Any, ...]]:
        if left == 0:
            yield ()
        for i in range(first, len(kinds)):
            w = _child_weight(kinds[i])
            if w <= left:
                yield from ((kinds[i], *rest) for rest in choose(left - w, i))

    yield from choose(total, 0)


def _of_weight(w: int) -> list[Any]:
    return [w, *_roots(w)]


def _child_weight(child: Any) -> int:
    if isinstance(child, int):
        return child
    powers, children = child
    return 1 + int(powers) + sum(map(_child_weight, children))


def _exponent(z: str, c: Any) -> Exponents:
    return ((z, c),) if c else ()


def _sum(parts: list[ExpPoly]) -> ExpPoly:
    total: ExpPoly = {}
    for part in parts:
        for key, value in part.items():
            summed = total[key] + value if key in total else value
            if summed:
                total[key] = summed
            else:
                total.pop(key, None)
    return total


def _product(left: ExpPoly, right: ExpPoly) -> ExpPoly:
    found: list[ExpPoly] = []
    for u, a in left.items():
        for v, b in right.items():
            exponents = dict(u)
            for z, c in v:
                exponents[z] = exponents[z] + c if z in exponents else c
            found.append({tuple(sorted(((z, c) for z, c in exponents.items() if c), key=lambda e: e[0])): a * b})
    return _sum(found)


def _horner(poly: list[Any], at: Any) -> Any:
    result = poly[-1]
    for coefficient in reversed(poly[:-1]):
        result = result * at + coefficient
    return result
