"""Mutants of a scheme: each entry with one typical slip, for tests that every slip is noticed."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from numtoolkit.declare.entries import Entry, Int, integral, number, rebuild, walk
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Eval, Item, Noise, Place, Row, Step, Steps
from numtoolkit.errors import InputError
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.weak import weak_order

NUDGE = number(Fraction(1_000_001, 1_000_000))


def mutants(scheme: Scheme) -> Iterator[tuple[Place, str, Scheme | None]]:
    """(place, name of the slip, scheme with it) for every step, every entry and every kind of slip.

    None stands for a scheme that is refused when it is declared.
    """
    for place, step in scheme.steps.places():
        for name, changed in step_mutants(step):
            steps = scheme.steps.map(lambda at, own, place=place, changed=changed: changed if at == place else own)
            yield place, f"{place[0]} {place[1]}: {name}", declared(scheme, steps)


def declared(scheme: Scheme, steps: Steps) -> Scheme | None:
    try:
        return replace(scheme, steps=steps)
    except InputError:
        return None


def step_mutants(step: Step) -> Iterator[tuple[str, Step]]:
    for i, item in enumerate(step.items):
        for name, changed in item_mutants(item, step):
            yield f"{item.name} {name}", replace(step, items=(*step.items[:i], changed, *step.items[i + 1 :]))


def item_mutants(item: Item, step: Step) -> Iterator[tuple[str, Item]]:
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
    values = [j for j, (source, _) in enumerate(terms) if is_value(source, step)]
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


def is_value(source: str, step: Step) -> bool:
    """Whether a source is an evaluation: of this step, or carried."""
    items = {item.name: item for item in step.items}
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


def places(scheme):
    """Those whose order an engine derives: a step to t = 0 with history, or of order 0, is held by its formula."""
    return [
        at
        for at, step in scheme.steps.places()
        if not (at[0] == "final_to_zero" and (step.needs or said(scheme, at)[0] == 0))
    ]


def of_step(scheme, place):
    """What the engines say of a step; of a fitted scheme, whose free coefficients leave little order, also at 0."""
    return [said(own, place) for own in ((scheme, scheme.unfitted()) if scheme.fitted else (scheme,))]


def said(scheme, place):
    """Its order and exact residuals, or the reason why they refuse it."""
    try:
        if StepInClock(scheme, place=place).declared.noises:
            law = weak_order(scheme, place)
            return law.weak, tuple((row["tree"], row["value"]) for row in law.residuals)
        found = order(scheme, place)
        # a hash of the exact value: equal values of different fields have equal hashes
        return found.p, frozenset((term, hash(value)) for term, value in found.residuals.items())
    except (InputError, ZeroDivisionError) as refusal:
        return str(refusal)
