"""A scheme as data: its steps, its axes, parameters and claims. `numtoolkit.declare.forms` writes the usual steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.declare import checks
from numtoolkit.declare.companions import paired
from numtoolkit.declare.entries import ONE, ZERO, Ball, Const, Entry, balls, number, substitute, symbol, symbols
from numtoolkit.declare.steps import Row, Step, Steps
from numtoolkit.errors import InputError, brief, counted
from numtoolkit.files.fitted_coefficients import FittedCoefficients
from numtoolkit.problem import axes
from numtoolkit.problem.clocks import NATURAL
from numtoolkit.problem.kinds import Kind
from numtoolkit.problem.problem import Clock, Frozen, Rule
from numtoolkit.problem.processes import PROCESSES
from numtoolkit.problem.spectral_clocks import FLOOR
from numtoolkit.problem.spectrum import NO_PILOT, PILOT, Spectrum


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
        """The value, where the parameter may have it; `scheme` names the scheme in the sentence of a refusal.

        raises   InputError for a value outside the range
        """
        below = self.low is not None and (value <= self.low if self.open else value < self.low)
        if below or (self.high is not None and value > self.high):
            low = "" if self.low is None else f"{self.low} {'<' if self.open else '<='} "
            high = "" if self.high is None else f" <= {self.high}"
            raise InputError(
                f"{scheme}: {self.name} = {value} is out of range; it must satisfy {low}{self.name}{high}."
            )
        return value


# What entries about step quantities may name: the length of the step, and the noise levels at its start and end
LENGTH, LEVEL, END_LEVEL = symbol("h"), symbol("s"), symbol("s_end")


@dataclass(frozen=True)
class StepQuantity:
    """A named scalar of a step that the grid gives, beside its step ratios r0, r1, ...

    rule       what computes it for a run: a function, of which those of `numtoolkit.problem.rules` have names that
               files give, or an entry in the noise levels `s` and `s_end` at the start and end of the step
    sentence   what it is
    letter     how LaTeX prints it, by default its name
    expansion  what it is as the step falls in length, which proofs take for it: an entry in that length `h` (in the
               scheme's clock), in parameters and step ratios, and in its own name, which stands there for a number that
               stays bounded while a grid is refined everywhere alike. 1 + h*bend is 1 and something of first order.
               That of a rule that is an entry is derived. None: nothing is known, and nothing is proved
    """

    name: str
    rule: Rule | Entry
    sentence: str = ""
    letter: str = ""
    expansion: Entry | None = None


@dataclass(frozen=True)
class Claims:
    """Published orders, None where nothing is claimed. `refuted` says openly which ones do not hold.

    sde_weak      in law, of the transition: the law of a step from any state, against that of the SDE
    sde_marginal  in law, of the marginal: of a step from the exact marginal law at its start, against that at its end.
                  It is what an error curve shows, and never below sde_weak
    companion     classical, of the run that goes on from the companions of the scheme in place of its own new states
    """

    classical: int | None = None
    stiff_strong: int | None = None
    stiff_commuting: int | None = None
    stiff_weak: int | None = None
    sde_weak: int | None = None
    sde_marginal: int | None = None
    sde_strong: int | None = None
    companion: int | None = None
    refuted: tuple[str, ...] = ()


MATCHED = "lambda_s", "matched"  # the parameter that may be matched, and the word that asks for it
ORDERS = tuple(f.name for f in fields(Claims) if f.name != "refuted")


Given = TypeVar("Given")
Kept = TypeVar("Kept")


class Read(Generic[Given, Kept]):
    """A field of a dataclass that is read when it is set: given as a name or an object, kept as the object."""

    def __init__(self, read: Callable[[Given], Kept], *default: Kept) -> None:
        self.read, self.default = read, default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Kept:
        if instance is not None:
            kept: Kept = instance.__dict__[self.name]
            return kept
        if self.default:
            return self.default[0]
        raise AttributeError(self.name)  # how a descriptor says that the field has no default

    def __set__(self, instance: Any, value: Given | Kept) -> None:
        instance.__dict__[self.name] = self.read(value)  # type: ignore[arg-type]  # what was kept reads as itself


def _steps(given: Steps | Step) -> Steps:
    return Steps(given) if isinstance(given, Step) else given


@dataclass(frozen=True)
class Scheme:
    """A declared scheme.

    steps      those of a run; a `Step` alone stands for a run of nothing else
    frozen     what is held over a step, by its name or as an object (`numtoolkit.problem.frozen`)
    clock      of the nodes and polynomial weights, likewise (`numtoolkit.problem.clocks`); natural is the process's own
    kinds      of process it runs on, "scalar", "phase space" or both; by default those that have its axes
    tau        dynamics of the operators L, N, G: 0 the probability flow, 1 the reverse SDE; a number or a parameter
    tau_between  two parameters: tau acts in steps that start between these noise levels, and is 0 in the others
    reference  tau^2 of the SDE whose law the scheme follows (a scalar entry; churn makes it a step quantity)
    params     named scalars; sigma_data and mean are those of the Gaussian law that the residual, the angle and
               optimal conjugations refer to
    values     parameters bound so far; unbound ones stay symbols in proofs and take their defaults in runs
    quantities named scalars of a step that a grid gives, other than its ratios r0, r1, ...
    fitted     step quantities whose values a table gives; without one they are 0, which leaves the scheme named `base`
    companions second new states that estimate the error of a step (`numtoolkit.declare.companions`): of the first step,
               the second, ..., the last of them of all further ones; a run makes none unless it is asked to
    spectrum   of the data, which a scheme with sigma_data was told in its place (`with_spectrum`); "pilot" where a run
               of the network is to find it
    matched    the deviation of the data at which lambda_s of each run is what makes its variance exact
               (`with_matched`); None where lambda_s is a parameter like others
    """

    name: str
    family: str
    source: str
    steps: Read[Steps | Step, Steps] = Read(_steps)
    frozen: Read[str | Frozen, Frozen] = Read(axes.frozen)
    clock: Read[str | Clock, Clock] = Read(axes.clock, NATURAL)
    kinds: Read[str | Iterable[str | Kind], tuple[Kind, ...]] = Read(axes.kinds, ())
    tau: int | Entry = 0
    tau_between: tuple[str, ...] = ()
    reference: Entry = ZERO
    params: tuple[Param, ...] = ()
    quantities: tuple[StepQuantity, ...] = ()
    claims: Claims = field(default_factory=Claims)
    aliases: tuple[str, ...] = ()
    values: tuple[tuple[str, Fraction], ...] = ()
    structure: tuple[tuple[str, str], ...] = ()
    fitted: tuple[str, ...] = ()
    base: str = ""
    table: FittedCoefficients | None = None
    companions: tuple[Row, ...] = ()
    spectrum: Spectrum | str | None = None
    matched: Fraction | None = None

    def __post_init__(self) -> None:
        checks.check(self)
        if not self.kinds:
            object.__setattr__(self, "kinds", checks.kinds_of(self))

    def __repr__(self) -> str:
        return f"<Scheme {brief(self.spec, 100)}: {self.family}, {counted(self.nfe_per_step, 'evaluation')} a step>"

    def __hash__(self) -> int:
        return hash((self.name, self.structure, self.values))  # the rows are many, the name tells schemes apart

    @property
    def kind(self) -> str:
        """What its orders mean: "ode" where it follows the flow, reference 0, and "sde" else."""
        return "ode" if self.reference == ZERO else "sde"

    @property
    def processes(self) -> tuple[str, ...]:
        """The names of the processes in use that are of its kinds; one of a person's own runs it as well."""
        return tuple(name for name, process in PROCESSES.items() if process.kind in self.kinds)

    @property
    def nfe_per_step(self) -> int:
        """Network evaluations of an inner step."""
        return self.steps.inner.evaluations

    @property
    def of_grid(self) -> set[str]:
        """Coefficients of the unfitted inner step that a grid alone gives, its step ratios apart: noise added back.

        What two outputs of an evaluation differ by has none.
        """
        used = set().union(*(symbols(entry) for _, entry in self.agreed.unfitted().steps.inner.entries()))
        return used & {quantity.name for quantity in self.quantities}

    @property
    def spec(self) -> str:
        """The name with its bound parameters, as the command line reads it; a table is named by its digest."""
        given = [value if key == "" else f"{key}={value}" for key, value in self.structure]
        given += [f"{name}={value}" for name, value in self.values]
        given += [] if self.matched is None else [f"{MATCHED[0]}={MATCHED[1]}", f"sigma_data={self.matched}"]
        given += [] if self.table is None else [f"table={self.table.digest[:12]}"]
        given += [] if self.spectrum is None else [f"spectrum={getattr(self.spectrum, 'digest', self.spectrum)}"]
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
        if self.matched is not None and MATCHED[0] in given:
            raise InputError(f"{self.spec} has a lambda_s for each run, so that it takes no number; drop one of them.")
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

    @property
    def told(self) -> Spectrum | None:
        """The spectrum that it was told, None for none.

        raises   InputError where that of a pilot run is to be told still
        """
        if isinstance(self.spectrum, str):
            raise InputError(f"{self.spec}: {NO_PILOT}")
        return self.spectrum

    def with_spectrum(self, spectrum: Spectrum | str) -> Scheme:
        """The scheme told the spectrum of the data in place of one deviation and one mean.

        Each group of directions is taken as by the scheme with its deviation for sigma_data, and all about the mean of
        the spectrum (`mode`); nodes stand in one clock that follows the whole spectrum where the scheme has the angle.
        spectrum   of the data; or "pilot", which `numtoolkit.sample` finds by a run of the network and tells
        raises     InputError for a scheme that knows no law of the data, or was told one of its values
        """
        known, said = {p.name for p in self.params}, [name for name in checks.OF_LAW if name in dict(self.values)]
        if "sigma_data" not in known:
            raise InputError(
                f"{self.name} knows no law of the data, so it takes no spectrum; give it to its grid: "
                "spectral(spectrum=FILE.npz)."
            )
        if isinstance(spectrum, str) and spectrum != PILOT:
            raise InputError(f"spectrum = {spectrum!r} is none; give a Spectrum, or {PILOT!r}.")
        if said:
            raise InputError(f"{self.spec} is told {' and '.join(said)}, which its spectrum says; drop {said[0]}.")
        return replace(self, spectrum=spectrum)

    def with_matched(self, sigma_data: Fraction = Fraction(1, 2)) -> Scheme:
        """The scheme with lambda_s chosen for each run, when it is prepared (`numtoolkit.program.matched`).

        Proofs take it to be 1, which it tends to as steps grow many.
        sigma_data   deviation of the data at which the variance at the end of a run is to be exact
        raises       InputError for a scheme without lambda_s or with a value of it, and for a deviation not above 0
        """
        if MATCHED[0] not in {p.name for p in self.params}:
            raise InputError(f"{self.name} has no lambda_s to match; take one that has, such as roba.")
        if MATCHED[0] in dict(self.values):
            raise InputError(f"{self.spec} has a lambda_s, which nothing then matches; drop one of them.")
        if sigma_data <= 0:
            raise InputError(f"{self.name}: sigma_data = {sigma_data} is no deviation of data; give one above 0.")
        return replace(self, matched=Fraction(sigma_data))

    @property
    def deviations(self) -> Floats:
        """What stands for sigma_data in each group of directions of its spectrum, (n,).

        They are at least `FLOOR` times that of a coordinate.
        raises   InputError for a scheme that was told no spectrum
        """
        if self.told is None:
            raise InputError(f"{self.spec} was told no spectrum; tell it one, with_spectrum.")
        return np.sqrt(self.told.floored(FLOOR))

    def mode(self, group: int) -> Scheme:
        """What it is in one group of directions of its spectrum: a scheme with sigma_data, in the clock of them all.

        group    its number
        returns  a scheme whose mean of 1 stands for the coordinates of the mean of the spectrum
        raises   InputError for a scheme that was told no spectrum
        """
        sigma_data, spectrum = Fraction(float(self.deviations[group])), self.told
        assert spectrum is not None
        clock = self.clock if self.clock.told is None else self.clock.told(spectrum)
        centred = spectrum.mean.any() and any(p.name == "mean" for p in self.params)
        bare = replace(self, spectrum=None, clock=clock)
        return bare.bind(sigma_data=sigma_data, **({"mean": Fraction(1)} if centred else {}))

    def unfitted(self) -> Scheme:
        """The scheme with every fitted step quantity 0: its base, in its own rows."""
        if not self.fitted:
            return self
        zeros = dict.fromkeys(self.fitted, 0)
        steps = self.steps.map(lambda _, step: step.map(lambda entry: substitute(entry, zeros)))
        return replace(self, steps=steps, fitted=(), table=None)

    @property
    def paired(self) -> Scheme:
        """The scheme with its companions made beside the new states, as rows of their names.

        raises   InputError for a scheme without companions
        """
        return self._with_steps(self.name, corrected=False)

    def corrected(self) -> Scheme:
        """The scheme that goes on from its companions, of their order: the new state of each step is corrected.

        returns  a scheme of its own, named so, whose companion is the state before it is corrected. N whole steps take
                 no evaluation more: those at new states, before they are corrected, are what the next steps begin with
        raises   InputError for a scheme without companions
        """
        return self._with_steps(f"{self.name}-corrected", corrected=True)

    def _with_steps(self, name: str, corrected: bool) -> Scheme:
        if not self.companions:
            raise InputError(
                f"scheme {self.spec} declares no companion, which estimates its error; take one that does, such as "
                "res-2s, or declare companions= of it."
            )
        steps, out = paired(self.steps, self.companions, corrected), self.steps.inner.out
        claims = Claims(classical=self.claims.companion) if corrected else Claims()
        kept = corrected and any(item.name == out for item in steps.inner.items)
        before = (Row("before", ONE, ((out, ONE),)),) if kept else ()
        used = set().union(*(symbols(entry) for step in steps.distinct for i in step.items for entry in i.scalars))
        params = tuple(p for p in self.params if p.name in used or self.quantities or p.name in checks.OF_LAW)
        values = tuple(pair for pair in self.values if any(p.name == pair[0] for p in params))
        return replace(
            self, name=name, steps=steps, params=params, values=values, claims=claims, companions=before, aliases=()
        )

    def parameters(self) -> dict[str, Fraction]:
        """Every parameter's value: bound or default."""
        return {p.name: p.default for p in self.params} | dict(self.values)

    @cached_property
    def exact(self) -> Steps:
        """The steps as proofs read them: free parameters that are not bound stay symbols."""
        return self.steps.map(lambda _, step: step.map(self.exact_scalar))

    @property
    def both(self) -> bool:
        """Whether its evaluations have two outputs, a guided and an unguided one."""
        return any(step.both for step in self.steps.distinct)

    @cached_property
    def agreed(self) -> Scheme:
        """The scheme where both outputs of each evaluation agree: what is proved of it; itself where there is one."""
        if not self.both:
            return self
        steps = self.steps.map(lambda _, step: step.agreed())
        used = set().union(*(symbols(entry) for step in steps.distinct for i in step.items for entry in i.scalars))
        used |= symbols(self.reference)
        return replace(self, steps=steps, quantities=tuple(own for own in self.quantities if own.name in used))

    @cached_property
    def balls(self) -> frozenset[Ball]:
        """The numbers of its steps, and of its dynamics, that are known to some digits only."""
        items = [item for _, step in self.exact.places() for item in step.items]
        entries = [self.exact_scalar(self.tau), self.exact_scalar(self.reference)]
        known = (own for quantity in self.quantities for own in (quantity.rule, quantity.expansion))
        entries += [self.exact_scalar(entry) for entry in known if isinstance(entry, Entry)]
        entries += [self.exact_scalar(entry) for row in self.companions for entry in row.scalars]
        return frozenset().union(*map(balls, entries), *(balls(entry) for item in items for entry in item.scalars))

    def exact_scalar(self, entry: Entry | int) -> Entry:
        """An entry as proofs read it, for example `tau` or `reference`."""
        values = {p.name: p.default for p in self.params if not p.free} | dict(self.values)
        exact: Entry = entry if isinstance(entry, Entry) else number(entry)
        return substitute(exact, values) if values else exact

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
