"""The entry language: what may stand in a scheme's declaration.

Scalars are numbers, named parameters and step quantities (the step ratios r0, r1, ...). A number is rational, the root
of one, or a ball, of which no more is known than the digits that were given (`numtoolkit.declare.numbers`).
Block coefficients are built from four primitives over the clock u = u_n + c h of a step, c its abscissa:

    Flow(L, a, b)          propagator of dz/du = L(u) z from abscissa a to b
    Int(L, N, w, a, b)     int_a^b Flow(L, s, b) N(s) w(s) du(s), w a polynomial in the abscissa
    Cov(L, G, a, b)        int_a^b Flow(L, s, b) G G'(s) Flow(L, s, b)' |du(s)|, the covariance of a noise
    At(X, c)               h X(c), an operator frozen at c: the kick of an Euler sub-step

`Phi(k, c)` is sugar for h phi_k(c h L) N. Entries are plain frozen objects with + - * /; they compute nothing.
Two readers give them meaning: `numtoolkit.symbolic.series` (exact, truncated in h) and `numtoolkit.program.evaluator`
(float64, vectorised over a grid). A product acts like a matrix product: the right factor first.
`str` of an entry says all of it, and `numtoolkit.declare.entry_text` reads it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from itertools import groupby
from math import factorial
from typing import Any, Union

from numtoolkit.declare.numbers import ball_of, decimal, root_of, roots_times
from numtoolkit.errors import InputError, brief
from numtoolkit.problem import axes
from numtoolkit.problem.problem import Operator

Scalarlike = Union["Entry", int, Fraction, float, str]
HIGHEST_PHI = 20

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Op:
    """A linear combination of named block operators of the problem, each possibly cut to one state row.

    terms: ((scalar, operator, row), ...), row "" for the whole operator, "x" or "m" for one row of a phase space.
    """

    terms: tuple[tuple[Entry, Operator, str], ...] = ()

    def __add__(self, other: Op) -> Op:
        return Op(self.terms + other.terms)

    def __neg__(self) -> Op:
        return -1 * self

    def __sub__(self, other: Op) -> Op:
        return self + -other

    def __rmul__(self, factor: Scalarlike) -> Op:
        scale = as_scalar(factor)
        return Op(tuple((scale * c, name, row) for c, name, row in self.terms))

    def row(self, row: str) -> Op:
        """The same operator with every other state row set to zero."""
        return Op(tuple((c, name, row) for c, name, _ in self.terms))

    def __repr__(self) -> str:
        return f"<Op {brief(str(self), 100)}>"

    def __str__(self) -> str:
        terms = [(c, f"{each.name}.{row}" if row else each.name) for c, each, row in self.terms]
        return _added(_weighed(c, letter) for c, letter in terms) or "0"


def _weighed(coefficient: Entry, letter: str) -> str:
    """A multiple of an operator."""
    if coefficient in (ONE, MINUS):
        return letter if coefficient == ONE else f"-{letter}"
    return f"{_held(coefficient, Sum)}*{letter}"


def _added(terms: Iterable[str]) -> str:
    return " + ".join(terms).replace("+ -", "- ")


def _held(entry: Entry, *kinds: type) -> str:
    """The text of an entry, in parentheses if it is of these kinds."""
    return f"({entry})" if isinstance(entry, kinds) else str(entry)


@dataclass(frozen=True)
class Entry:
    """Base of the language: supports + - * / ** with entries and plain numbers."""

    def __repr__(self) -> str:
        return f"<Entry {brief(str(self), 100)}>"

    def __add__(self, other: Scalarlike) -> Entry:
        return sum_of((self, as_entry(other)))

    def __radd__(self, other: Scalarlike) -> Entry:
        return as_entry(other) + self

    def __neg__(self) -> Entry:
        return MINUS * self

    def __sub__(self, other: Scalarlike) -> Entry:
        return self + -as_entry(other)

    def __rsub__(self, other: Scalarlike) -> Entry:
        return as_entry(other) + -self

    def __mul__(self, other: Scalarlike) -> Entry:
        if isinstance(other, Op):
            return NotImplemented
        return product_of((self, as_entry(other)))

    def __rmul__(self, other: Scalarlike) -> Entry:
        return as_entry(other) * self

    def __truediv__(self, other: Scalarlike) -> Entry:
        return _quotient(self, as_entry(other))

    def __rtruediv__(self, other: Scalarlike) -> Entry:
        return as_entry(other) / self

    def __pow__(self, power: int) -> Entry:
        if not isinstance(power, int) or isinstance(power, bool):
            raise InputError(f"the power {power!r} of {self} is no whole number; write roots of numbers with sqrt.")
        return product_of((self,) * power) if power >= 0 else ONE / product_of((self,) * -power)


@dataclass(frozen=True, repr=False)
class Const(Entry):
    """An exact rational number (times the identity where a block is asked for)."""

    value: Fraction

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"number {self.value}, exact"


@dataclass(frozen=True, repr=False)
class Root(Entry):
    """The square root of a whole number above 1 that has no square factors."""

    square: int

    def __str__(self) -> str:
        return f"sqrt({self.square})"

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Ball(Entry):
    """One number of which only a ball about `centre` is known; equal balls are the same number. Runs take the centre.

    What is proved of it holds for every number of the ball, or as far as the ball lets one tell.
    """

    centre: Fraction
    radius: Fraction

    def __str__(self) -> str:
        return f"ball({self.centre}, {self.radius})"

    def __repr__(self) -> str:
        return f"{decimal(self.centre, self.radius)} +- {float(self.radius):.2g}"


@dataclass(frozen=True, repr=False)
class Symbol(Entry):
    """A named scalar: a parameter of the scheme, or a step quantity such as the ratio r0 = h_{n-1}/h_n."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, repr=False)
class Sum(Entry):
    """A sum of entries, all blocks or all scalars."""

    args: tuple[Entry, ...]

    def __str__(self) -> str:
        return _added(map(str, self.args))


@dataclass(frozen=True, repr=False)
class Product(Entry):
    """A product of entries, blocks in the order they are applied from the right."""

    args: tuple[Entry, ...]

    def __str__(self) -> str:
        sign, args = ("-", self.args[1:]) if self.args[0] == MINUS else ("", self.args)
        texts: list[str] = []
        for factor, run in groupby(args):
            power = len(list(run))
            kinds = (Sum, Quotient) if texts or power > 1 else (Sum,)  # a/b*c is (a/b)*c
            texts.append(_held(factor, *kinds) + (f"^{power}" if power > 1 else ""))
        return sign + "*".join(texts)


@dataclass(frozen=True, repr=False)
class Quotient(Entry):
    """An entry over a scalar."""

    top: Entry
    bottom: Entry

    def __str__(self) -> str:
        top = _held(self.top, Sum)
        return f"{f'({top})' if top[0] == '-' else top}/{_held(self.bottom, Sum, Product, Quotient)}"


@dataclass(frozen=True, repr=False)
class Flow(Entry):
    """The flow of dz/du = L z from abscissa a to b of the step."""

    L: Op
    a: Entry
    b: Entry

    def __str__(self) -> str:
        return f"Flow({self.L}; {self.a}, {self.b})"


@dataclass(frozen=True, repr=False)
class Int(Entry):
    """`weight` holds the coefficients of w(c) = weight[0] + weight[1] c + ..., c the abscissa in the step."""

    L: Op
    N: Op
    weight: tuple[Entry, ...]
    a: Entry
    b: Entry

    def __str__(self) -> str:
        return f"Int({self.L}, {self.N}; {', '.join(map(str, self.weight))}; {self.a}, {self.b})"


@dataclass(frozen=True, repr=False)
class Cov(Entry):
    """The covariance of the noise of rate G over [a, b], flowed to b by L."""

    L: Op
    G: Op
    a: Entry
    b: Entry

    def __str__(self) -> str:
        return f"Cov({self.L}, {self.G}; {self.a}, {self.b})"


@dataclass(frozen=True, repr=False)
class At(Entry):
    """h X(c): an operator at abscissa c, times the length of the step."""

    X: Op
    c: Entry

    def __str__(self) -> str:
        return f"At({self.X}; {self.c})"


@dataclass(frozen=True, repr=False)
class Phi(Entry):
    """h phi_k(c h L) N in a row that ends at abscissa d: the integral over [d - c, d] in `window`."""

    k: int
    c: Entry

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or isinstance(self.k, bool) or not 1 <= self.k <= HIGHEST_PHI:
            raise InputError(f"phi({self.k!r}) weighs no evaluation; use phi(k) with k = 1 to {HIGHEST_PHI}.")
        if self.c == ZERO:
            raise InputError(f"phi({self.k}, 0) is over a window of no length; give c other than 0.")

    def __str__(self) -> str:
        return f"phi({self.k}, {self.c})"

    def window(self, d: Entry) -> Entry:
        """int_{d-c}^{d} Flow(L, s, d) N(s) (s - (d - c))^(k-1)/(k-1)! du / c^k.

        It is h phi_k(c h L) N where L and N are constant.
        """
        start = d - self.c
        weight: tuple[Entry, ...] = (ONE,)
        for _ in range(self.k - 1):
            weight = _times_linear(weight, -start)
        return Int(L, N, weight, start, d) / (factorial(self.k - 1) * self.c**self.k)


ZERO, ONE, MINUS = Const(Fraction(0)), Const(Fraction(1)), Const(Fraction(-1))


def as_entry(value: Scalarlike) -> Entry:
    """An entry as it is, a plain number as the entry that it is.

    raises   InputError for what is no number
    """
    return value if isinstance(value, Entry) else number(value)


def as_scalar(value: Scalarlike) -> Entry:
    """The same for a place where a block has no meaning."""
    entry = as_entry(value)
    if is_block(entry):
        raise InputError(f"{entry} is a block where a scalar is needed; give a number, a parameter or a step ratio.")
    return entry


def sum_of(args: tuple[Entry, ...]) -> Entry:
    """The sum of entries, like terms collected; ZERO of none."""
    like: dict[Entry, Fraction] = {}
    for arg in args:
        for part in arg.args if isinstance(arg, Sum) else (arg,):
            coefficient, base = _split(part)
            like[base] = like.get(base, Fraction(0)) + coefficient
    terms = tuple(product_of((Const(c), base)) for base, c in like.items() if c)
    if any(isinstance(term, Sum) for term in terms):  # a sum that had a factor before
        return sum_of(terms)
    return terms[0] if len(terms) == 1 else Sum(terms) if terms else ZERO


def _split(entry: Entry) -> tuple[Fraction, Entry]:
    """The rational factor of an entry and the rest."""
    if isinstance(entry, Const):
        return entry.value, ONE
    if isinstance(entry, Product) and isinstance(entry.args[0], Const):
        return entry.args[0].value, product_of(entry.args[1:])
    return Fraction(1), entry


def product_of(args: tuple[Entry, ...]) -> Entry:
    """The product of entries in their order, numbers collected in front; ONE of none."""
    flat: list[Entry] = []
    constant, root = Fraction(1), 1
    for arg in args:
        for part in arg.args if isinstance(arg, Product) else (arg,):
            if isinstance(part, Const):
                constant *= part.value
            elif isinstance(part, Root):
                outside, root = roots_times(root, part.square)
                constant *= outside
            else:
                flat.append(part)
    if not constant:
        return ZERO
    if root != 1:
        flat.insert(0, Root(root))
    if constant != 1 or not flat:
        flat.insert(0, Const(constant))
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _quotient(top: Entry, bottom: Entry) -> Entry:
    if bottom == ZERO or (isinstance(bottom, Ball) and abs(bottom.centre) <= bottom.radius):
        raise InputError(f"the entry {top} is divided by {bottom}; divide by a number that is surely not 0.")
    if isinstance(bottom, Const):
        return Const(1 / bottom.value) * top
    if isinstance(bottom, Root):
        return Const(Fraction(1, bottom.square)) * bottom * top
    if is_block(bottom):
        raise InputError(f"the entry {top} is divided by {bottom}, a block; divide by scalars.")
    return top if top == ZERO else Quotient(top, bottom)


def _times_linear(poly: tuple[Entry, ...], shift: Entry) -> tuple[Entry, ...]:
    """The coefficients of poly(c) * (c + shift)."""
    low = (*(p * shift for p in poly), ZERO)
    high = (ZERO, *poly)
    return tuple(p + q for p, q in zip(low, high, strict=True))


def op(operator: str | Operator) -> Op:
    """An operator of the problem, by its name (`numtoolkit.problem.operators`) or as an object of one's own.

    raises   InputError, with the nearest names, for an unknown name
    """
    return Op(((ONE, axes.operator(operator), ""),))


L, N, G = op("L"), op("N"), op("G")
NONE = Op()


def number(value: int | Fraction | float | str) -> Const | Ball:
    """A number, exact where it can be: an integer, a Fraction, text, or a float (`numtoolkit.declare.numbers`).

    number("2/3") and number(0.25) are exact, number("0.161") is 0.161 +- 0.0005.
    raises   InputError for what is no number, nan and infinity among it
    """
    return ball(*ball_of(value))


def ball(centre: int | Fraction, radius: int | Fraction) -> Const | Ball:
    """A number of which a ball is known; exact if the radius is 0."""
    if radius < 0:
        raise InputError(f"ball({centre}, {radius}) has a negative radius; give one of at least 0.")
    return Ball(Fraction(centre), Fraction(radius)) if radius else Const(Fraction(centre))


def sqrt(value: int | Fraction | float | str) -> Entry:
    """The root of an exact number: rational for a square, else a rational multiple of the root of a whole number.

    raises   InputError for a negative number, a ball, or a number with too many digits
    """
    square = number(value)
    if isinstance(square, Ball):
        raise InputError(f"sqrt({value}) is of the ball {square!r}; give an exact number or the digits of the root.")
    outside, inside = root_of(square.value)
    return Const(outside) if inside == 1 else Const(outside) * Root(inside)


def symbol(name: str) -> Symbol:
    """A named scalar of a declaration: a parameter or a step quantity, r0, r1, ... being the step ratios.

    raises   InputError for a name that is no word
    """
    if not isinstance(name, str) or not _WORD.fullmatch(name):
        raise InputError(f"{name!r} is no name of a scalar; use a word of letters, digits and _, such as c2.")
    return Symbol(name)


def flow(a: Scalarlike = 0, b: Scalarlike = 1, L: Op = L) -> Flow:
    """The flow of L over a part [a, b] of a step, by default the whole."""
    return Flow(L, as_scalar(a), as_scalar(b))


def integral(a: Scalarlike = 0, b: Scalarlike = 1, weight: Sequence[Scalarlike] = (1,), L: Op = L, N: Op = N) -> Int:
    """The weight of an evaluation in the variation of constants formula over [a, b]: int Flow(L) N w du."""
    if not weight:
        raise InputError("the polynomial weight of an integral has no coefficient; give at least one.")
    return Int(L, N, tuple(map(as_scalar, weight)), as_scalar(a), as_scalar(b))


def phi(k: int, c: Scalarlike = 1) -> Phi:
    """h phi_k(c h L) N as the coefficient of an evaluation, k >= 1."""
    return Phi(k, as_scalar(c))


def at(X: Op, c: Scalarlike = 0) -> At:
    """h X frozen at abscissa c."""
    return At(X, as_scalar(c))


def covariance(a: Scalarlike = 0, b: Scalarlike = 1, L: Op = L, G: Op = G) -> Cov:
    """The covariance of the exact noise of dz = L z du + G dW over [a, b]."""
    return Cov(L, G, as_scalar(a), as_scalar(b))


def lagrange(nodes: Sequence[Scalarlike]) -> tuple[tuple[Entry, ...], ...]:
    """Coefficients in the abscissa of the Lagrange polynomials on the nodes, one tuple a node.

    raises   InputError for a node that stands twice
    """
    points = tuple(map(as_scalar, nodes))
    if len(set(points)) < len(points):
        raise InputError(f"the nodes {', '.join(map(str, points))} hold one twice; give each once.")
    basis = []
    for j, own in enumerate(points):
        poly: tuple[Entry, ...] = (ONE,)
        scale: Entry = ONE
        for k, other in enumerate(points):
            if k != j:
                poly, scale = _times_linear(poly, -other), scale * (own - other)
        basis.append(tuple(p / scale for p in poly))
    return tuple(basis)


def adams(nodes: Sequence[Scalarlike], a: Scalarlike = 0, b: Scalarlike = 1) -> tuple[Entry, ...]:
    """Exponential Adams weights: int over [a, b] of each Lagrange polynomial on the nodes."""
    return tuple(integral(a, b, weight) for weight in lagrange(nodes))


def expand_phi(entry: Entry, d: Entry) -> Entry:
    """The entry with every Phi written as the integral it stands for in a row that ends at abscissa d."""
    if isinstance(entry, Phi):
        return entry.window(d)
    return rebuild(entry, lambda child: expand_phi(child, d))


def substitute(entry: Any, values: Mapping[str, Scalarlike]) -> Any:
    """The entry (or operator) with some symbols replaced by exact numbers or other scalars."""
    if isinstance(entry, Symbol):
        return as_entry(values[entry.name]) if entry.name in values else entry
    return rebuild(entry, lambda child: substitute(child, values))


def rebuild(entry: Any, change: Any) -> Any:
    """The entry with `change` applied to each direct child, renormalised by the arithmetic above."""
    if isinstance(entry, Op):
        return Op(tuple((change(c), name, row) for c, name, row in entry.terms))
    if isinstance(entry, Sum):
        return sum_of(tuple(change(arg) for arg in entry.args))
    if isinstance(entry, Product):
        return product_of(tuple(change(arg) for arg in entry.args))
    if isinstance(entry, Quotient):
        return _quotient(change(entry.top), change(entry.bottom))
    if isinstance(entry, Int):
        return Int(change(entry.L), change(entry.N), tuple(change(w) for w in entry.weight),
                   change(entry.a), change(entry.b))  # fmt: skip
    if is_dataclass(entry):
        changes = {f.name: change(getattr(entry, f.name)) for f in fields(entry)
                   if isinstance(getattr(entry, f.name), (Entry, Op))}  # fmt: skip
        return replace(entry, **changes) if changes else entry  # type: ignore[type-var]
    return entry


def walk(entry: Any) -> Iterator[Any]:
    """Every node of an entry, depth first, operators included."""
    left = [entry]
    while left:
        node = left.pop()
        yield node
        if isinstance(node, Op):
            left += [c for c, _, _ in reversed(node.terms)]
        elif isinstance(node, Entry):
            for value in reversed(vars(node).values()):
                if isinstance(value, tuple):
                    left += reversed(value)
                elif isinstance(value, (Entry, Op)):
                    left.append(value)


def operators(entry: Any) -> set[Operator]:
    """The operators an entry names."""
    return {operator for node in walk(entry) if isinstance(node, Op) for _, operator, _ in node.terms}


def is_block(entry: Entry) -> bool:
    """Whether an entry is more than a scalar."""
    return any(isinstance(node, (Flow, Int, Cov, At, Phi)) for node in walk(entry))


def balls(entry: Entry) -> set[Ball]:
    """The numbers in an entry that are not exact."""
    return {node for node in walk(entry) if isinstance(node, Ball)}


def symbols(entry: Any) -> set[str]:
    """The names of the scalars an entry depends on."""
    return {node.name for node in walk(entry) if isinstance(node, Symbol)}


def rescale(entry: Any, origin: Scalarlike, scale: Scalarlike) -> Any:
    """The entry of a step whose abscissa c lies at origin + scale c of another step.

    This is how a step is written in the clock of its successor (origin -r0, scale r0) or on a churned window.
    """
    o, s = as_entry(origin), as_entry(scale)

    def move(c: Entry) -> Entry:
        return o + s * c

    if isinstance(entry, Flow):
        return Flow(entry.L, move(entry.a), move(entry.b))
    if isinstance(entry, Cov):
        return Cov(entry.L, entry.G, move(entry.a), move(entry.b))
    if isinstance(entry, At):
        return s * At(entry.X, move(entry.c))
    if isinstance(entry, Int):
        return Int(entry.L, entry.N, _compose(entry.weight, -o / s, 1 / s), move(entry.a), move(entry.b))
    return rebuild(entry, lambda child: rescale(child, o, s))


def _compose(poly: tuple[Entry, ...], shift: Entry, slope: Entry) -> tuple[Entry, ...]:
    """The coefficients of poly(shift + slope c), by Horner's rule."""
    result: tuple[Entry, ...] = (poly[-1],)
    for coefficient in reversed(poly[:-1]):
        low = (*(p * shift for p in result), ZERO)
        high = (ZERO, *(p * slope for p in result))
        result = tuple(p + q for p, q in zip(low, high, strict=True))
        result = (result[0] + coefficient, *result[1:])
    return result
