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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import factorial
from typing import Any

from numtoolkit.declare.entries import ONE, ZERO, At, Entry, Flow, Int, Product, Quotient, Sum
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Item, Noise, Row
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.symbolic.condition import Condition, record
from numtoolkit.symbolic.exponential_polynomials import Exponents, ExpPoly, added, exponent, expression, product
from numtoolkit.symbolic.history import History
from numtoolkit.symbolic.numbers import Field, UndecidedError
from numtoolkit.symbolic.series import LENGTH, SeriesExpansion, powers_of_h
from numtoolkit.symbolic.steps_back import StepInClock, covariant, field_of
from numtoolkit.symbolic.stiff_trees import latex, roots, show

HIGHEST = 5
Combination = tuple[Entry, tuple[tuple[int, Entry], ...]]  # factor on the state at the start, weights on nodes


@dataclass(frozen=True)
class StiffOrder:
    """Stiff orders, each 0 if even psi_1 does not vanish.

    doubt    how large conditions may be that are taken to hold
    failing  the conditions of the next order that do not hold, by the names that claims have for the three orders;
             none where the search ended first
    show     what makes a text of the value of one
    """

    strong: int
    commuting: int
    weak: int
    doubt: Fraction = Fraction(0)
    failing: dict[str, tuple[Condition, ...]] = field(default_factory=dict, repr=False)
    show: Callable[[Condition], str] = field(default=str, repr=False, compare=False)

    def table(self) -> list[dict[str, object]]:
        """The failing conditions as kind, order, tree, value."""
        return [
            {"kind": kind, **record(condition.order, condition.tree, self.show(condition))}
            for kind, conditions in self.failing.items()
            for condition in conditions
        ]


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
    conditions = StiffConditions(scheme, highest)
    (strong, open_), (commuting, shared) = (_last(conditions, highest, shared=own) for own in (False, True))
    # what holds identically holds at z = 0, but its powers of h may be in the way
    known = 0 if LENGTH in conditions.field.names else strong
    weak, at_zero = _last(conditions, min(strong + 1, highest), known, weak=True)
    if weak <= strong:
        weak, at_zero = strong, at_zero if weak == strong else open_
    failing = {"stiff_strong": open_, "stiff_commuting": shared, "stiff_weak": at_zero}
    return StiffOrder(strong, commuting, weak, conditions.doubt, failing, conditions.text)


def _last(conditions: StiffConditions, highest: int, known: int = 0, **kind: bool) -> tuple[int, tuple[Condition, ...]]:
    """The highest order whose conditions hold, beyond a known one, and those of the next order that do not."""
    found: list[Condition] = []
    first = highest + 1
    for q in range(known + 1, highest + 1):
        if q <= first:
            found += conditions.failing(q, **kind)
            first = min([first, *(c.order for c in found)])
    return first - 1, tuple(c for c in found if c.order == first)


def in_phi_functions(condition: Condition, numbers: Field, variables: Sequence[str]) -> Any:
    """A stiff condition's value as a sympy expression, with the field of its `numbers` and the variables z1, ..."""
    if condition.edges is None:
        return expression(condition.value, numbers, variables)
    return expression(condition.edges, numbers, variables).subs(dict.fromkeys(variables, variables[0]))


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


class StiffConditions:
    """The stiff order conditions of a scheme, evaluated as exponential polynomials."""

    def __init__(self, scheme: Scheme, highest: int = HIGHEST) -> None:
        self.scheme = scheme = scheme.agreed
        depth = max(highest - 2, 0) if scheme.steps.inner.needs else 0
        frame, stages = StepInClock(scheme), _Stages()
        self.variables = tuple(f"z{i}" for i in range(1, max(highest, 2)))
        self.field = field_of(frame, depth, variables=self.variables)
        self.b = stages.values(frame, depth)[frame.step.out]
        self.nodes = stages.nodes
        self.doubt = Fraction(0)
        self._cache: dict[Any, ExpPoly] = {}

    def __repr__(self) -> str:
        return f"<StiffConditions of {brief(self.scheme.spec, 100)}: {counted(len(self.nodes), 'node')}>"

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
            return added([self.read(arg, z) for arg in entry.args])
        if isinstance(entry, Product):
            result: ExpPoly = {(): self.field.number(1)}
            for arg in entry.args:
                result = product(result, self.read(arg, z))
            return result
        if isinstance(entry, Quotient):
            bottom = self.field.divisor(entry)
            return {key: value / bottom for key, value in self.read(entry.top, z).items()}
        if isinstance(entry, Flow):
            return {exponent(z, scalar(entry.b) - scalar(entry.a)): self.field.number(1)}
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
        return added([{exponent(z, b - a): at_a}, {(): -at_b}])

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
            self._cache[key] = added(parts)
        return self._cache[key]

    def _abscissa(self, index: int, power: int) -> Any:
        c = self.field.scalar(self.nodes[index].c)
        return c**power if power else self.field.number(1)

    def failing(self, p: int, shared: bool = False, weak: bool = False) -> Iterator[Condition]:
        """The conditions of order p that do not hold, as far as the digits of the scheme's numbers say.

        shared, weak   as in `listed`
        """
        hold, left = True, list[Any]()
        for condition in self.listed(p, shared, weak):
            if self.differs(condition.value):
                hold = False
                yield condition
            left += condition.value.values()
        if hold:
            self.doubt = max([self.doubt, *map(self.field.size, left)])

    def differs(self, function: ExpPoly) -> bool:
        """Whether a function is surely not 0: a factor is not, and its exponential is none of the others."""
        factors = [own for own, factor in function.items() if self.field.surely(factor)]
        if factors and not any(all(self._apart(own, other) for other in function if other != own) for own in factors):
            raise UndecidedError("exponentials may coincide within the digits that are given; give more of them.")
        return bool(factors)

    def _apart(self, own: Exponents, other: Exponents) -> bool:
        left, right, zero = dict(own), dict(other), self.field.number(0)
        return any(self.field.surely(left.get(z, zero) - right.get(z, zero)) for z in left.keys() | right.keys())

    def listed(self, p: int, shared: bool = False, weak: bool = False) -> Iterator[Condition]:
        """Every condition of order p, its value a function that must vanish; of order p + k if it comes with h^k.

        shared  one z for all edges; weak  psi_p and the weights b at z = 0
        """
        for condition in self._listed(p, shared, weak):
            yield replace(condition, order=p + self._power(condition.value))

    def _listed(self, p: int, shared: bool, weak: bool) -> Iterator[Condition]:
        yield Condition(p, f"psi{p}", self._at_zero(p) if weak else self.psi(p), rf"\psi_{{{p}}}")
        if p == 1:
            yield Condition(1, "psi0", self._flow_defect(Node(ONE, ZERO, self.b[0], (), exact=False)), r"\psi_{0}")
        if p == 2:
            for index, node in enumerate(self.nodes):
                if not node.exact:
                    for j, value in ((1, self.stage_psi(1, index)), (0, self._flow_defect(node))):
                        yield Condition(2, f"psi{j} of stage {index + 1}", value, rf"\psi_{{{j},{index + 1}}}")
        for tree in roots(p):
            value = self._tree(self.b[1], *tree, list(self.variables), shared, weak)
            apart = self._tree(self.b[1], *tree, list(self.variables), False, weak) if shared and value else None
            yield Condition(p, show(tree), value, latex(tree), apart)

    def values(self, p: int, shared: bool = False, weak: bool = False) -> Iterator[ExpPoly]:
        """The functions of order p that must vanish; shared and weak as in `listed`."""
        return (condition.value for condition in self.listed(p, shared, weak))

    def text(self, condition: Condition) -> str:
        """A condition's value in phi functions of z1, z2, ... = h L on the edges: "phi2(z1) - phi1(z1)/2"."""
        return str(in_phi_functions(condition, self.field, self.variables))

    def _power(self, function: ExpPoly) -> int:
        """The power of h that a function comes with, from step quantities; 0 where h is in an exponent."""
        names, powers = self.field.names, self.field.powers
        if LENGTH not in names or not function or any(powers(c, LENGTH, 2)[1] for key in function for _, c in key):
            return 0
        return min(next(powers_of_h(self.field, value, HIGHEST), (HIGHEST, None))[0] for value in function.values())

    def _flow_defect(self, node: Node) -> ExpPoly:
        """exp((c - origin) z) minus the row's own factor on the state."""
        exact = {exponent("z1", self.field.scalar(node.c) - self.field.scalar(node.origin)): self.field.number(1)}
        return added([exact, {key: -value for key, value in self.read(node.flow, "z1").items()}])

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
            value = product(value, {(): self._abscissa(index, powers)})
            for child in children:
                value = product(value, self._child(child, index, fresh, shared))
            total.append(value)
        return added(total)

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


def _horner(poly: list[Any], at: Any) -> Any:
    result = poly[-1]
    for coefficient in reversed(poly[:-1]):
        result = result * at + coefficient
    return result
