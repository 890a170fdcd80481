"""A scheme as data: layouts of rows, parameters, claims. `numtoolkit.declare.forms` writes layouts for the usual forms.

A layout is one step: an ordered tuple of rows, evaluations and noises. A `Row` is an affine combination of earlier
names; the state at the start of the step is "y"; names carried over from the step before are declared by `carry`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from itertools import chain

from numtoolkit.declare.entries import (
    ZERO,
    Const,
    Entry,
    number,
    rescale,
    substitute,
    symbols,
)
from numtoolkit.errors import InputError
from numtoolkit.files.fitted_coefficients import FittedCoefficients
from numtoolkit.problem.problem import Rule

START = "y"


@dataclass(frozen=True)
class Row:
    """name = sum of entry * source; `at` is the abscissa of the state it approximates."""

    name: str
    at: Entry
    terms: tuple[tuple[str, Entry], ...]


@dataclass(frozen=True)
class Eval:
    """name = the frozen quantity at the row `of`, a state at abscissa `at`; the network is told the time at `told`."""

    name: str
    of: str
    at: Entry
    network_time: Entry


@dataclass(frozen=True)
class Noise:
    """name = a normal draw, independent of all others, with the given covariance."""

    name: str
    covariance: Entry


Item = Row | Eval | Noise


@dataclass(frozen=True)
class Step:
    """One step: items in order, the row that is the new state, (new name, old name) pairs carried to the next step."""

    items: tuple[Item, ...]
    out: str
    carry: tuple[tuple[str, str], ...] = ()

    @property
    def needs(self) -> set[str]:
        """Names the step takes over from the step before it."""
        known, needed = {START}, set()
        for item in self.items:
            used = [s for s, _ in item.terms] if isinstance(item, Row) else [item.of] if isinstance(item, Eval) else []
            needed |= set(used) - known
            known.add(item.name)
        return needed | {old for _, old in self.carry if old not in known} | ({self.out} - known)

    @property
    def evaluations(self) -> int:
        return sum(isinstance(item, Eval) for item in self.items)

    @property
    def noises(self) -> tuple[Noise, ...]:
        return tuple(item for item in self.items if isinstance(item, Noise))

    def map(self, change: Callable[[Entry], Entry], place: Callable[[Entry], Entry] | None = None) -> Step:
        """The layout with `change` applied to every entry, and `place` (by default the same) to every abscissa."""
        put = place or change

        def item(i: Item) -> Item:
            if isinstance(i, Row):
                return Row(i.name, put(i.at), tuple((s, change(e)) for s, e in i.terms))
            if isinstance(i, Eval):
                return Eval(i.name, i.of, put(i.at), put(i.network_time))
            return Noise(i.name, change(i.covariance))

        return replace(self, items=tuple(item(i) for i in self.items))

    def moved(self, origin: Entry, scale: Entry) -> Step:
        """The step whose abscissa c lies at origin + scale c of another step."""
        return self.map(lambda entry: rescale(entry, origin, scale), lambda c: origin + scale * c)

    def entries(self) -> list[tuple[str, Entry]]:
        """(where, entry) for every block entry, noise covariances included."""
        rows = [(f"{i.name} <- {s}", e) for i in self.items if isinstance(i, Row) for s, e in i.terms]
        return rows + [(f"cov {i.name}", i.covariance) for i in self.noises]


@dataclass(frozen=True)
class Param:
    """A named scalar a user may set: exact default and range (None is unbounded; `open` excludes the lower end).

    Proofs keep a `free` parameter symbolic and take the others, which one value alone makes consistent, at their
    default.
    """

    name: str
    default: Fraction
    low: Fraction | None = None
    high: Fraction | None = None
    open: bool = False
    meaning: str = ""
    free: bool = True

    def check(self, scheme: str, value: Fraction) -> Fraction:
        below = self.low is not None and (value <= self.low if self.open else value < self.low)
        if below or (self.high is not None and value > self.high):
            low = "" if self.low is None else f"{self.low} {'<' if self.open else '<='} "
            high = "" if self.high is None else f" <= {self.high}"
            raise InputError(
                f"{scheme}: {self.name} = {value} is out of range; it must satisfy {low}{self.name}{high}."
            )
        return value


@dataclass(frozen=True)
class Claims:
    """Published orders, None where nothing is claimed. `refuted` says openly which the engines contradict."""

    classical: int | None = None
    stiff_strong: int | None = None
    stiff_commuting: int | None = None
    stiff_weak: int | None = None
    sde_weak: int | None = None
    sde_strong: int | None = None
    refuted: tuple[str, ...] = ()


ORDERS = tuple(f.name for f in fields(Claims) if f.name != "refuted")


@dataclass(frozen=True)
class Scheme:
    """A declared scheme.

    frozen     what is held over a step: a prediction of `numtoolkit.problem.predictions`, "residual" or "drift"
    clock      of the nodes and polynomial weights; "natural" is the process's own
    tau        dynamics of the operators L, N, G: 0 the probability flow, 1 the reverse SDE; a number or a parameter
    reference  tau^2 of the SDE whose law the scheme follows (a scalar entry; churn makes it a step quantity)
    start, last  layouts of the first and final steps; to_zero is the final step of a grid that ends at t = 0, where the
               data have no noise: in place of the last one, the inner layout itself where any step can end there
    fill       runs of 1, 2, ... evaluations that need no history: they end a run whose whole steps leave as many of the
               budget, and stand for one too short for start and last
    params     named scalars; sigma_data and mean are those of the Gaussian law that the residual, the angle and
               optimal conjugations refer to
    values     parameters bound so far; unbound ones stay symbols in proofs and take their defaults in runs
    quantities rules for step quantities other than the ratios r0, r1, ...
    fitted     step quantities whose values a table gives; without one they are 0, which leaves the scheme named `base`
    """

    name: str
    family: str
    source: str
    step: Step
    frozen: str
    clock: str = "natural"
    processes: tuple[str, ...] = ("vp", "vp-cosine", "edm", "flow", "psld", "cld")
    start: tuple[Step, ...] = ()
    last: tuple[Step, ...] = ()
    to_zero: Step | None = None
    fill: tuple[tuple[Step, ...], ...] = ()
    tau: int | Entry = 0
    reference: Entry = ZERO
    params: tuple[Param, ...] = ()
    quantities: tuple[tuple[str, Rule], ...] = ()
    claims: Claims = field(default_factory=Claims)
    aliases: tuple[str, ...] = ()
    values: tuple[tuple[str, Fraction], ...] = ()
    structure: tuple[tuple[str, str], ...] = ()
    fitted: tuple[str, ...] = ()
    base: str = ""
    table: FittedCoefficients | None = None

    def __post_init__(self) -> None:
        known = {p.name for p in self.params} | {name for name, _ in self.quantities} | {*self.fitted}
        for layout in self.layouts:
            for name in set().union(*(symbols(e) for _, e in layout.entries())) - known:
                if not re.fullmatch(r"r\d", name):
                    raise InputError(f"scheme {self.name}: {name!r} is neither a parameter nor a step quantity.")
        final = () if self.to_zero is None else (self.to_zero,)
        for last in (self.last, (*self.last[:-1], *final) if final else self.last):
            self._check_handing((*self.start, self.step, self.step, *last))
        for count, run in enumerate(self.fill, 1):
            self._check_handing(run)
            spent = sum(layout.evaluations for layout in run)
            if spent != count:
                raise InputError(f"scheme {self.name}: fill {count} spends {spent} evaluations; give one of {count}.")

    def _check_handing(self, run: tuple[Step, ...]) -> None:
        handed: set[str] = set()
        for layout in run:
            if layout.needs - handed:
                lost = ", ".join(sorted(layout.needs - handed))
                raise InputError(f"scheme {self.name}: a step uses {lost}, which the step before does not hand on.")
            handed = {name for name, _ in layout.carry}

    def __hash__(self) -> int:
        return hash((self.name, self.structure, self.values))  # the rows are many, the name tells schemes apart

    @property
    def kind(self) -> str:
        return "ode" if self.reference == ZERO else "sde"

    @property
    def layouts(self) -> tuple[Step, ...]:
        """Every layout once, in the order of a run, those of `fill` at the end."""
        final = () if self.to_zero is None else (self.to_zero,)
        return tuple(dict.fromkeys((*self.start, self.step, *self.last, *final, *chain(*self.fill))))

    @property
    def nfe_per_step(self) -> int:
        return self.step.evaluations

    @property
    def of_grid(self) -> set[str]:
        """Coefficients of the unfitted inner step that a grid alone gives, its step ratios apart: noise added back."""
        used = set().union(*(symbols(entry) for _, entry in self.unfitted().step.entries()))
        return used & {name for name, _ in self.quantities}

    @property
    def spec(self) -> str:
        """The name with its bound parameters, as the command line reads it; a table is named by its digest."""
        given = [value if key == "" else f"{key}={value}" for key, value in self.structure]
        given += [f"{name}={value}" for name, value in self.values]
        given += [] if self.table is None else [f"table={self.table.digest[:12]}"]
        return f"{self.name}({', '.join(given)})" if given else self.name

    def with_structure(self, *positional: str, **named: str) -> Scheme:
        """The scheme as a member of a family: the arguments that made it, for its specification."""
        return replace(self, structure=(*(("", value) for value in positional), *named.items()))

    def bind(self, **given: Fraction) -> Scheme:
        """The scheme with parameters set to exact values."""
        known = {p.name: p for p in self.params}
        for name in given:
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise InputError(f"{self.name} has no parameter {name!r}; {has}.")
        checked = {name: known[name].check(self.name, Fraction(value)) for name, value in given.items()}
        return replace(self, values=tuple((dict(self.values) | checked).items()))

    def with_table(self, table: FittedCoefficients) -> Scheme:
        """The scheme with the values of its fitted step quantities.

        raises   InputError for a table fitted for another scheme, base or set of quantities
        """
        bare = replace(self, table=None)
        if (table.scheme, table.base, table.names) != (bare.spec, self.base, self.fitted):
            raise InputError(
                f"the table holds {', '.join(table.names)} of {table.scheme} on {table.base}, which {bare.spec} cannot "
                "take; fit one for it."
            )
        return replace(bare, table=table)

    def unfitted(self) -> Scheme:
        """The scheme with every fitted step quantity 0: its base, in its own rows."""
        zeros = dict.fromkeys(self.fitted, 0)
        start, last = (tuple(x.map(lambda e: substitute(e, zeros)) for x in own) for own in (self.start, self.last))
        step = self.step.map(lambda entry: substitute(entry, zeros))
        return replace(self, start=start, step=step, last=last, fitted=(), table=None)

    def parameters(self) -> dict[str, Fraction]:
        """Every parameter's value: bound or default."""
        return {p.name: p.default for p in self.params} | dict(self.values)

    def exact(self, layout: Step | None = None) -> Step:
        """A layout (by default the inner step) as proofs read it: free parameters that are not bound stay symbols."""
        return (layout or self.step).map(self.exact_scalar)

    def exact_scalar(self, entry: Entry | int) -> Entry:
        """An entry as proofs read it, for example `tau` or `reference`."""
        values = {p.name: p.default for p in self.params if not p.free} | dict(self.values)
        result: Entry = substitute(entry, values) if isinstance(entry, Entry) else number(entry)
        return result

    def to_json(self) -> str:
        """The scheme as the text of a JSON file, which `from_json` reads to an equal scheme.

        raises   InputError for a step quantity whose rule is not one of `numtoolkit.problem.rules.RULES`
        """
        from numtoolkit.declare.scheme_file import to_json

        return to_json(self)

    @staticmethod
    def from_json(text: str | bytes) -> Scheme:
        """The scheme that `to_json` wrote; nothing in the text is executed.

        raises   InputError, one sentence, for text that is damaged, changed, or says what no scheme can say
        """
        from numtoolkit.declare.scheme_file import from_json

        return from_json(text)

    @property
    def tau_value(self) -> Fraction:
        """tau as runs read it."""
        value = substitute(self.exact_scalar(self.tau), self.parameters())
        if not isinstance(value, Const):
            raise InputError(f"scheme {self.name}: tau = {value} is neither a number nor a parameter.")
        return value.value
