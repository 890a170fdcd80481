"""Mutants of a scheme: each entry, abscissa and name of each step with one typical slip."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count, pairwise

from numtoolkit.declare.entries import Const, Entry, Int, as_entry, integral, number, rebuild, walk
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Item, Noise, Place, Row, Step
from numtoolkit.errors import InputError

NUDGE = number(Fraction(1_001, 1_000))
SMALL = Fraction(1, 1_000)
NUMBERS = 4  # of an entry that are moved, the first and the last among them
LATE = number("1/2")


@dataclass(frozen=True)
class Mutant:
    """A scheme with a slip in the step at a place; None stands for one that is refused as it is declared."""

    place: Place
    slip: str
    scheme: Scheme | None

    def __str__(self) -> str:
        return f"{self.place[0]} {self.place[1]}: {self.slip}"


def mutants(scheme: Scheme) -> Iterator[Mutant]:
    """Every slip in every step of a scheme."""
    for place, step in scheme.steps.places():
        for slip, changed in step_mutants(step):
            yield Mutant(place, slip, _declared(scheme, place, changed))


def _declared(scheme: Scheme, place: Place, changed: Step) -> Scheme | None:
    try:
        return replace(scheme, steps=scheme.steps.map(lambda at, own: changed if at == place else own))
    except InputError:
        return None


def step_mutants(step: Step) -> Iterator[tuple[str, Step]]:
    for i, item in enumerate(step.items):
        for slip, changed in item_mutants(item, step):
            yield f"{item.name} {slip}", replace(step, items=(*step.items[:i], changed, *step.items[i + 1 :]))
    for j, k in pairwise(range(len(step.carry))):
        (a, x), (b, y) = step.carry[j], step.carry[k]
        yield (
            f"{a} and {b} handed on the wrong way round",
            replace(step, carry=(*step.carry[:j], (a, y), (b, x), *step.carry[k + 1 :])),
        )


def item_mutants(item: Item, step: Step) -> Iterator[tuple[str, Item]]:
    if isinstance(item, Eval):
        yield "told half a step late", replace(item, network_time=item.network_time + LATE)
        yield "told half a step early", replace(item, network_time=item.network_time - LATE)
        others = [START, *(row.name for row in step.items[: step.items.index(item)] if isinstance(row, Row))]
        for other in others:
            if other != item.of:
                yield f"taken at {other}", replace(item, of=other)
        return
    if isinstance(item, Noise):
        yield "scaled", replace(item, covariance=NUDGE * item.covariance)
        yield "doubled", replace(item, covariance=2 * item.covariance)
        for slip, entry in moved_numbers(item.covariance):
            yield slip, replace(item, covariance=entry)
        return
    terms = item.terms
    for j, (source, entry) in enumerate(terms):
        for slip, changed in entry_mutants(entry):
            yield f"<- {source} {slip}", with_terms(item, terms, j, (source, changed))
        yield f"<- {source} dropped", with_terms(item, terms, j, None)
    values = [j for j, (source, _) in enumerate(terms) if is_value(source, step)]
    for j, k in pairwise(values):
        (a, x), (b, y) = terms[j], terms[k]
        if x != y:
            yield f"{a} and {b} swapped", replace(item, terms=_put(terms, {j: (a, y), k: (b, x)}))
        extra = SMALL * integral()
        yield f"weight moved from {b} to {a}", replace(item, terms=_put(terms, {j: (a, x + extra), k: (b, y - extra)}))


def _put(terms: tuple[tuple[str, Entry], ...], new: dict[int, tuple[str, Entry]]) -> tuple[tuple[str, Entry], ...]:
    return tuple(new.get(j, term) for j, term in enumerate(terms))


def is_value(source: str, step: Step) -> bool:
    """Whether a source is an evaluation: of this step, or carried."""
    items = {item.name: item for item in step.items}
    return source[0] == "E" and not isinstance(items.get(source), Row)


def entry_mutants(entry: Entry) -> Iterator[tuple[str, Entry]]:
    yield "sign", -entry
    yield "scaled", NUDGE * entry
    if any(isinstance(node, Int) for node in walk(entry)):
        yield "phi index", raise_weights(entry)
    yield from moved_numbers(entry)


def moved_numbers(entry: Entry) -> Iterator[tuple[str, Entry]]:
    """The entry with one of its numbers, ends of windows among them, too large by 1: NUMBERS of them at most."""
    total = sum(isinstance(node, Const) for node in walk(entry))
    chosen = range(total) if total <= NUMBERS else [round(i * (total - 1) / (NUMBERS - 1)) for i in range(NUMBERS)]
    for n in chosen:
        places = count()

        def change(node: Entry, n: int = n, places: Iterator[int] = places) -> Entry:
            if isinstance(node, Const):
                return as_entry(node.value + 1) if next(places) == n else node
            return rebuild(node, lambda child: change(child, n, places))  # type: ignore[no-any-return]

        try:
            moved = change(entry)
        except InputError:  # a denominator that is 0
            continue
        if moved != entry:
            yield f"number {n + 1} too large by 1", moved


def raise_weights(entry: Entry) -> Entry:
    """Every integral with its weight multiplied by the abscissa: phi_k becomes k phi_{k+1}."""
    if isinstance(entry, Int):
        return replace(entry, weight=(number(0), *entry.weight))
    return rebuild(entry, raise_weights)  # type: ignore[no-any-return]


def with_terms(row: Row, terms: tuple[tuple[str, Entry], ...], j: int, term: tuple[str, Entry] | None) -> Row:
    kept = () if term is None else (term,)
    return replace(row, terms=(*terms[:j], *kept, *terms[j + 1 :]))
