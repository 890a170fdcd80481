"""Mutants of a scheme: each entry with one typical slip, for tests that every slip is noticed."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from numtoolkit.declare.entries import Entry, Int, integral, number, rebuild, walk
from numtoolkit.declare.scheme import Eval, Item, Noise, Row, Scheme, Step
from numtoolkit.errors import InputError

NUDGE = number(Fraction(1_000_001, 1_000_000))


def mutants(scheme: Scheme) -> Iterator[tuple[str, Scheme | None]]:
    """(name of the slip, scheme with it) for every layout, every entry and every kind of slip.

    None stands for a scheme that is refused when it is declared.
    """
    for field in ("start", "step", "last", "to_zero"):
        found = getattr(scheme, field)
        layouts = found if isinstance(found, tuple) else () if found is None else (found,)
        for i, layout in enumerate(layouts):
            for name, changed in layout_mutants(layout):
                value = (*layouts[:i], changed, *layouts[i + 1 :]) if isinstance(found, tuple) else changed
                yield f"{field} {i}: {name}", declared(scheme, **{field: value})
    for i, (m, j) in enumerate((m, j) for m, run in enumerate(scheme.fill) for j in range(len(run))):
        run = scheme.fill[m]
        for name, changed in layout_mutants(run[j]):
            fill = (*scheme.fill[:m], (*run[:j], changed, *run[j + 1 :]), *scheme.fill[m + 1 :])
            yield f"fill {i}: {name}", declared(scheme, fill=fill)


def declared(scheme: Scheme, **changes: Any) -> Scheme | None:
    try:
        return replace(scheme, **changes)
    except InputError:
        return None


def layout_mutants(layout: Step) -> Iterator[tuple[str, Step]]:
    for i, item in enumerate(layout.items):
        for name, changed in item_mutants(item, layout):
            yield f"{item.name} {name}", replace(layout, items=(*layout.items[:i], changed, *layout.items[i + 1 :]))


def item_mutants(item: Item, layout: Step) -> Iterator[tuple[str, Item]]:
    if isinstance(item, Eval):
        yield "told half a step late", replace(item, network_time=item.network_time + number("1/2"))
        return
    if isinstance(item, Noise):
        for name, entry in (("scaled", NUDGE * item.covariance), ("doubled", 2 * item.covariance)):
            yield name, replace(item, covariance=entry)
        return
    terms = item.terms
    for j, (source, entry) in enumerate(terms):
        for name, changed in entry_mutants(entry):
            yield f"<- {source} {name}", with_terms(item, terms, j, (source, changed))
        yield f"<- {source} dropped", with_terms(item, terms, j, None)
    values = [j for j, (source, _) in enumerate(terms) if is_value(source, layout)]
    for j, k in pairwise(values):
        if terms[j][1] != terms[k][1]:
            swapped = list(terms)
            swapped[j], swapped[k] = (terms[j][0], terms[k][1]), (terms[k][0], terms[j][1])
            yield f"{terms[j][0]} and {terms[k][0]} swapped", replace(item, terms=tuple(swapped))
        shifted = list(terms)
        extra = integral() / 1_000_000
        shifted[j] = (terms[j][0], terms[j][1] + extra)
        shifted[k] = (terms[k][0], terms[k][1] - extra)
        yield f"weight moved from {terms[k][0]} to {terms[j][0]}", replace(item, terms=tuple(shifted))


def is_value(source: str, layout: Step) -> bool:
    """Whether a source is an evaluation: of this step, or carried."""
    items = {item.name: item for item in layout.items}
    return source[0] == "E" and not isinstance(items.get(source), Row)


def entry_mutants(entry: Entry) -> Iterator[tuple[str, Entry]]:
    yield "sign", -entry
    yield "scaled", NUDGE * entry
    if any(isinstance(node, Int) for node in walk(entry)):
        yield "phi index", raise_weights(entry)


def raise_weights(entry: Entry) -> Entry:
    """Every integral with its weight multiplied by the abscissa: phi_k becomes k phi_{k+1}."""
    if isinstance(entry, Int):
        return replace(entry, weight=(number(0), *entry.weight))
    return rebuild(entry, raise_weights)  # type: ignore[no-any-return]


def with_terms(row: Row, terms: tuple[tuple[str, Entry], ...], j: int, term: tuple[str, Entry] | None) -> Row:
    kept = () if term is None else (term,)
    return replace(row, terms=(*terms[:j], *kept, *terms[j + 1 :]))
