"""The entry language: what may stand in a scheme's declaration.

Scalars are integers, rationals, named parameters and step quantities (the step ratios r0, r1, ...).
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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from itertools import groupby
from typing import Any, Union

Scalarlike = Union["Entry", int, Fraction]


@dataclass(frozen=True)
class Op:
    """A linear combination of named block operators of the problem, each possibly cut to one state row.

    terms: ((scalar, name, row), ...), row "" for the whole operator, "x" or "m" for one row of a phase space.
    The names are those of `numtoolkit.problem.problem.Problem.operator`.
    """

    terms: tuple[tuple[Entry, str, str], ...] = ()

    def __add__(self, other: Op) -> Op:
        return Op(self.terms + other.terms)

    def __neg__(self) -> Op:
        return -1 * self

    def __sub__(self, other: Op) -> Op:
        return self + -other

    def __rmul__(self, factor: Scalarlike) -> Op:
        return Op(tuple((_entry(factor) * c, name, row) for c, name, row in self.terms))

    def row(self, row: str) -> Op:
        """The same operator with every other state row set to zero."""
        return Op(tuple((c, name, row) for c, name, _ in self.terms))

    def __str__(self) -> str:
        return _added([_weighed(c, f"{name}.{row}" if row else name) for c, name, row in self.terms]) or "0"


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
    """Base of the language: supports + - * / with entries and exact numbers."""

    def __add__(self, other: Scalarlike) -> Entry:
        return sum_of((self, _entry(other)))

    def __radd__(self, other: Scalarlike) -> Entry:
        return _entry(other) + self

    def __neg__(self) -> Entry:
        return Const(Fraction(-1)) * self

    def __sub__(self, other: Scalarlike) -> Entry:
        return self + -_entry(other)

    def __rsub__(self, other: Scalarlike) -> Entry:
        return _entry(other) + -self

    def __mul__(self, other: Scalarlike) -> Entry:
        if isinstance(other, Op):
            return NotImplemented
        return product_of((self, _entry(other)))

    def __rmul__(self, other: Scalarlike) -> Entry:
        return _entry(other) * self

    def __truediv__(self, other: Scalarlike) -> Entry:
        return _quotient(self, _entry(other))

    def __rtruediv__(self, other: Scalarlike) -> Entry:
        return _entry(other) / self

    def __pow__(self, power: int) -> Entry:
        return product_of((self,) * power)


@dataclass(frozen=True)
class Const(Entry):
    """An exact rational number (times the identity where a block is asked for)."""

    value: Fraction

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Symbol(Entry):
    """A named scalar: a parameter of the scheme, or a step quantity such as the ratio r0 = h_{n-1}/h_n."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Sum(Entry):
    args: tuple[Entry, ...]

    def __str__(self) -> str:
        return _added(map(str, self.args))


@dataclass(frozen=True)
class Product(Entry):
    args: tuple[Entry, ...]

    def __str__(self) -> str:
        sign, args = ("-", self.args[1:]) if self.args[0] == MINUS else ("", self.args)
        texts: list[str] = []
        for factor, run in groupby(args):
            power = len(list(run))
            kinds = (Sum, Quotient) if texts or power > 1 else (Sum,)  # a/b*c is (a/b)*c
            texts.append(_held(factor, *kinds) + (f"^{power}" if power > 1 else ""))
        return sign + "*".join(texts)


@dataclass(frozen=True)
class Quotient(Entry):
    """An entry over a scalar."""

    top: Entry
    bottom: Entry

    def __str__(self) -> str:
        top = _held(self.top, Sum)
        return f"{f'({top})' if top[0] == '-' else top}/{_held(self.bottom, Sum, Product, Quotient)}"


@dataclass(frozen=True)
class Flow(Entry):
    L: Op
    a: Entry
    b: Entry

    def __str__(self) -> str:
        return f"Flow({self.L}; {self.a}, {self.b})"


@dataclass(frozen=True)
class Int(Entry):
    """`weight` holds the coefficients of w(c) = weight[0] + weight[1] c + ..., c the abscissa in the step."""

    L: Op
    N: Op
    weight: tuple[Entry, ...]
    a: Entry
    b: Entry

    def __str__(self) -> str:
        return f"Int({self.L}, {self.N}; {', '.join(map(str, self.weight))}; {self.a}, {self.b})"


@dataclass(frozen=True)
class Cov(Entry):
    L: Op
    G: Op
    a: Entry
    b: Entry

    def __str__(self) -> str:
        return f"Cov({self.L}, {self.G}; {self.a}, {self.b})"


@dataclass(frozen=True)
class At(Entry):
    X: Op
    c: Entry

    def __str__(self) -> str:
        return f"At({self.X}; {self.c})"


@dataclass(frozen=True)
class Phi(Entry):
    """h phi_k(c h L) N in a row that ends at abscissa d: the integral over [d - c, d] in `window`."""

    k: int
    c: Entry

    def __str__(self) -> str:
        return f"phi({self.k}, {self.c})"

    def window(self, d: Entry) -> Entry:
        """int_{d-c}^{d} Flow(L, s, d) N(s) (s - (d - c))^(k-1)/(k-1)! du / c^k.

        It is h phi_k(c h L) N where L and N are constant.
        """
        start, power, factorial = d - self.c, self.k - 1, 1
        weight: tuple[Entry, ...] = (ONE,)
        for j in range(power):
            weight = _times_linear(weight, -start)
            factorial *= j + 1
        return Int(L, N, weight, start, d) / (factorial * self.c**self.k)


ZERO, ONE, MINUS = Const(Fraction(0)), Const(Fraction(1)), Const(Fraction(-1))


def _entry(value: Scalarlike) -> Entry:
    if isinstance(value, Entry):
        return value
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        return Const(Fraction(value))
    raise TypeError(f"an entry is exact: got {value!r}, use Fraction or a parameter instead of a float")


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
    constant = Fraction(1)
    for arg in args:
        for part in arg.args if isinstance(arg, Product) else (arg,):
            if isinstance(part, Const):
                constant *= part.value
            else:
                flat.append(part)
    if not constant:
        return ZERO
    if constant != 1 or not flat:
        flat.insert(0, Const(constant))
    return flat[0] if len(flat) == 1 else Product(tuple(flat))


def _quotient(top: Entry, bottom: Entry) -> Entry:
    if isinstance(bottom, Const):
        if not bottom.value:
            raise ZeroDivisionError("a scheme's entry divides by zero")
        return Const(1 / bottom.value) * top
    return top if top == ZERO else Quotient(top, bottom)


def _times_linear(poly: tuple[Entry, ...], shift: Entry) -> tuple[Entry, ...]:
    """The coefficients of poly(c) * (c + shift)."""
    low = (*(p * shift for p in poly), ZERO)
    high = (ZERO, *poly)
    return tuple(p + q for p, q in zip(low, high, strict=True))


def op(name: str) -> Op:
    """The problem's operator of that name: L, N, G, F, O, R or B (see `numtoolkit.problem.problem`)."""
    return Op(((ONE, name, ""),))


L, N, G = op("L"), op("N"), op("G")
NONE = Op()


def number(text: int | str | Fraction) -> Const:
    """An exact constant, for example number("2/3")."""
    return Const(Fraction(text))


def symbol(name: str) -> Symbol:
    """A named scalar of a declaration."""
    return Symbol(name)


def flow(a: Scalarlike = 0, b: Scalarlike = 1, L: Op = L) -> Flow:
    """The linear flow over part of a step, by default the whole."""
    return Flow(L, _entry(a), _entry(b))


def integral(a: Scalarlike = 0, b: Scalarlike = 1, weight: tuple[Scalarlike, ...] = (1,), L: Op = L, N: Op = N) -> Int:
    """The weight of an evaluation in the variation of constants formula over [a, b]."""
    return Int(L, N, tuple(_entry(w) for w in weight), _entry(a), _entry(b))


def phi(k: int, c: Scalarlike = 1) -> Phi:
    """h phi_k(c h L) N as the coefficient of an evaluation, k >= 1."""
    return Phi(k, _entry(c))


def at(X: Op, c: Scalarlike = 0) -> At:
    """h X frozen at abscissa c."""
    return At(X, _entry(c))


def covariance(a: Scalarlike = 0, b: Scalarlike = 1, L: Op = L, G: Op = G) -> Cov:
    """The covariance of the exact noise of dz = L z du + G dW over [a, b]."""
    return Cov(L, G, _entry(a), _entry(b))


def lagrange(nodes: tuple[Scalarlike, ...]) -> tuple[tuple[Entry, ...], ...]:
    """Coefficients in the abscissa of the Lagrange polynomials on the nodes, one tuple a node."""
    points = tuple(_entry(node) for node in nodes)
    basis = []
    for j, own in enumerate(points):
        poly: tuple[Entry, ...] = (ONE,)
        scale: Entry = ONE
        for k, other in enumerate(points):
            if k != j:
                poly, scale = _times_linear(poly, -other), scale * (own - other)
        basis.append(tuple(p / scale for p in poly))
    return tuple(basis)


def adams(nodes: tuple[Scalarlike, ...], a: Scalarlike = 0, b: Scalarlike = 1) -> tuple[Entry, ...]:
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
        return _entry(values[entry.name]) if entry.name in values else entry
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
    yield entry
    if isinstance(entry, Op):
        for c, _, _ in entry.terms:
            yield from walk(c)
    elif is_dataclass(entry):
        for f in fields(entry):
            value = getattr(entry, f.name)
            for child in value if isinstance(value, tuple) else (value,):
                if isinstance(child, (Entry, Op)):
                    yield from walk(child)


def symbols(entry: Any) -> set[str]:
    """The names of the scalars an entry depends on."""
    return {node.name for node in walk(entry) if isinstance(node, Symbol)}


def rescale(entry: Any, origin: Scalarlike, scale: Scalarlike) -> Any:
    """The entry of a step whose abscissa c lies at origin + scale c of another step.

    This is how a step is written in the clock of its successor (origin -r0, scale r0) or on a churned window.
    """
    o, s = _entry(origin), _entry(scale)

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
