"""Steps as data: rows, evaluations and noises in order, and the steps that make a run.

A `Row` is an affine combination of earlier names; the state at the start of the step is "y"; names carried over from
the step before are declared by `carry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from numtoolkit.declare.entries import ONE, ZERO, Entry, rescale
from numtoolkit.errors import brief, counted

START = "y"


@dataclass(frozen=True)
class Row:
    """name = sum of entry * source; `at` is the abscissa of the state it approximates."""

    name: str
    at: Entry
    terms: tuple[tuple[str, Entry], ...]

    def __repr__(self) -> str:
        return f"<Row {brief(f'{self.name} = ' + ' + '.join(f'({e}) {s}' for s, e in self.terms), 200)}>"

    @property
    def scalars(self) -> tuple[Entry, ...]:
        """Every entry, the abscissa included."""
        return (self.at, *(entry for _, entry in self.terms))


@dataclass(frozen=True)
class Eval:
    """name = the frozen quantity at the row `of`, a state at abscissa `at`; the network is told the time at
    `network_time`.

    unguided  the name of a second output: what the network predicts without guidance, where `name` is what it predicts
              with it; "" for a scheme that knows of one output only
    """

    name: str
    of: str
    at: Entry
    network_time: Entry
    unguided: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Those of its outputs."""
        return (self.name, self.unguided) if self.unguided else (self.name,)

    @property
    def scalars(self) -> tuple[Entry, ...]:
        """Every entry: its two times."""
        return self.at, self.network_time


@dataclass(frozen=True)
class Noise:
    """name = a normal draw, independent of all others, with the given covariance."""

    name: str
    covariance: Entry

    @property
    def scalars(self) -> tuple[Entry, ...]:
        """Every entry: the covariance."""
        return (self.covariance,)


Item = Row | Eval | Noise


@dataclass(frozen=True)
class Step:
    """One step: items in order, the row that is the new state, (new name, old name) pairs carried to the next step."""

    items: tuple[Item, ...]
    out: str
    carry: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"<Step to {self.out}: {brief(', '.join(item.name for item in self.items), 200)}>"

    @property
    def needs(self) -> set[str]:
        """Names the step takes over from the step before it."""
        known, needed = {START}, set()
        for item in self.items:
            used = [s for s, _ in item.terms] if isinstance(item, Row) else [item.of] if isinstance(item, Eval) else []
            needed |= set(used) - known
            known |= set(item.names) if isinstance(item, Eval) else {item.name}
        return needed | {old for _, old in self.carry if old not in known} | ({self.out} - known)

    @property
    def evaluations(self) -> int:
        """How many evaluations the step makes."""
        return sum(isinstance(item, Eval) for item in self.items)

    @property
    def within(self) -> bool:
        """Whether a network is told a time that is neither the start nor the end of the step."""
        return any(isinstance(item, Eval) and item.network_time not in (ZERO, ONE) for item in self.items)

    @property
    def noises(self) -> tuple[Noise, ...]:
        """The noises the step draws, in order."""
        return tuple(item for item in self.items if isinstance(item, Noise))

    def map(self, change: Callable[[Entry], Entry], place: Callable[[Entry], Entry] | None = None) -> Step:
        """The step with `change` applied to every entry, and `place` (by default the same) to every abscissa."""
        put = place or change

        def item(i: Item) -> Item:
            if isinstance(i, Row):
                return Row(i.name, put(i.at), tuple((s, change(e)) for s, e in i.terms))
            if isinstance(i, Eval):
                return replace(i, at=put(i.at), network_time=put(i.network_time))
            return Noise(i.name, change(i.covariance))

        return replace(self, items=tuple(item(i) for i in self.items))

    @property
    def both(self) -> bool:
        """Whether an evaluation of it has two outputs."""
        return any(isinstance(item, Eval) and bool(item.unguided) for item in self.items)

    def agreed(self) -> Step:
        """The step where the two outputs of each evaluation agree, without the rows that only repeat another then."""
        same = {i.unguided: i.name for i in self.items if isinstance(i, Eval) and i.unguided}
        items: list[Item] = []
        for item in self.items:
            if isinstance(item, Row):
                terms: dict[str, Entry] = {}
                for source, entry in item.terms:
                    own = same.get(source, source)
                    terms[own] = terms[own] + entry if own in terms else entry
                kept = tuple((source, entry) for source, entry in terms.items() if entry != ZERO)
                if len(kept) == 1 and kept[0][1] == ONE and item.name != self.out:
                    same[item.name] = kept[0][0]
                else:
                    items.append(replace(item, terms=kept))
            elif isinstance(item, Eval):
                items.append(replace(item, of=same.get(item.of, item.of), unguided=""))
            else:
                items.append(item)
        return Step(tuple(items), self.out, tuple((new, same.get(old, old)) for new, old in self.carry))

    def moved(self, origin: Entry, scale: Entry) -> Step:
        """The step whose abscissa c lies at origin + scale c of another step."""
        return self.map(lambda entry: rescale(entry, origin, scale), lambda c: origin + scale * c)

    def entries(self) -> list[tuple[str, Entry]]:
        """(where, entry) for every block entry, noise covariances included."""
        rows = [(f"{i.name} <- {s}", e) for i in self.items if isinstance(i, Row) for s, e in i.terms]
        return rows + [(f"cov {i.name}", i.covariance) for i in self.noises]


# Which step of a run: ("start", i), ("inner", 0), ("final", i), ("final_to_zero", 0), ("remainder", i)
Place = tuple[str, int]
INNER: Place = ("inner", 0)


@dataclass(frozen=True)
class Steps:
    """The steps of a run, by the place they stand in.

    inner          every step that has no other place
    start          the first ones: they make the history that inner ones take over
    final          the last ones
    final_to_zero  the last step of a grid that ends at t = 0, where the data have no noise: in place of the last of
                   `final`, the inner step itself where any step can end there; None where no step can
    remainder      runs of 1, 2, ... evaluations that need no history: they end a run whose whole steps leave as many of
                   the budget, and stand for one too short for start and final
    """

    inner: Step
    start: tuple[Step, ...] = ()
    final: tuple[Step, ...] = ()
    final_to_zero: Step | None = None
    remainder: tuple[tuple[Step, ...], ...] = ()

    def __repr__(self) -> str:
        ends = f"{len(self.start)} first, {len(self.final)} last, {len(self.remainder)} for the rest of a budget"
        return f"<Steps {counted(self.inner.evaluations, 'evaluation')} each, {ends}>"

    def places(self) -> Iterator[tuple[Place, Step]]:
        """Every step with its place, in the order of a run; those of `remainder` one run after the other."""
        yield from ((("start", i), step) for i, step in enumerate(self.start))
        yield INNER, self.inner
        yield from ((("final", i), step) for i, step in enumerate(self.final))
        if self.final_to_zero is not None:
            yield ("final_to_zero", 0), self.final_to_zero
        yield from ((("remainder", i), step) for i, step in enumerate(chain(*self.remainder)))

    def at(self, place: Place) -> Step:
        """The step at a place."""
        return dict(self.places())[place]

    @property
    def distinct(self) -> tuple[Step, ...]:
        """Every step once, in the order of a run."""
        return tuple(dict.fromkeys(step for _, step in self.places()))

    def map(self, change: Callable[[Place, Step], Step]) -> Steps:
        """The run with `change(place, step)` for each step."""
        changed = {place: change(place, step) for place, step in self.places()}
        remainder, first = [], 0
        for run in self.remainder:
            remainder.append(tuple(changed["remainder", first + i] for i in range(len(run))))
            first += len(run)
        return Steps(
            changed[INNER],
            tuple(changed["start", i] for i in range(len(self.start))),
            tuple(changed["final", i] for i in range(len(self.final))),
            changed.get(("final_to_zero", 0)),
            tuple(remainder),
        )

    def runs(self) -> Iterator[tuple[Step, ...]]:
        """Short runs in which every step stands beside those it can follow."""
        to_zero = () if self.final_to_zero is None else (self.final_to_zero,)
        for end in dict.fromkeys((self.final, (*self.final[:-1], *to_zero) if to_zero else self.final)):
            yield (*self.start, self.inner, self.inner, *end)
        yield from self.remainder
