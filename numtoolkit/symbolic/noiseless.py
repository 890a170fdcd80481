"""Stochastic schemes whose noise vanishes, as the schemes of the probability flow that they are then.

A bound parameter may take all noise out of a step: eta = 0 leaves an ancestral scheme its flow, churn = 0 a churned
one. Such a scheme is proved as what it is: of order p it is of order p in law too, since a step moves every law as the
flow does but for h^(p+1). With its noise scaled by 0 alone (s_noise = 0, churn > 0) it is no scheme of the flow: it
goes up by a h and down by (1 + a) h with nothing put in between, and has the score counted 1 + a times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from numtoolkit.declare.entries import (
    ONE,
    ZERO,
    Entry,
    Flow,
    Product,
    Quotient,
    Scalarlike,
    Sum,
    balls,
    rebuild,
    substitute,
    symbols,
)
from numtoolkit.declare.scheme import LENGTH, Claims, Scheme
from numtoolkit.declare.steps import Eval, Item, Row, Step
from numtoolkit.symbolic.expansions import expansion
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import SeriesExpansion
from numtoolkit.symbolic.steps_back import step_symbols


def without_noise(scheme: Scheme) -> Scheme | None:
    """The scheme of the flow that a stochastic one is with its bound parameters, None where it is none.

    raises   NotAnalysedError for a step quantity of which nothing is known
    """
    known: dict[str, Scalarlike] = {**dict(scheme.values), **_settled(scheme)}
    tau, reference = (substitute(scheme.exact_scalar(entry), known) for entry in (scheme.tau, scheme.reference))
    steps = [_plain(step, known) for _, step in scheme.exact.places()]
    quiet = all(_vanishes(noise.covariance) for step in steps for noise in step.noises)
    return _of_flow(scheme, known) if quiet and tau == reference == ZERO else None


def outside_window(scheme: Scheme) -> Scheme:
    """What a scheme with `tau_between` is in the steps in which tau does not act: tau is 0, and so is its noise."""
    return _of_flow(scheme, dict.fromkeys(symbols(scheme.tau) if isinstance(scheme.tau, Entry) else (), ZERO))


def _settled(scheme: Scheme) -> dict[str, Entry]:
    """The step quantities that bound parameters leave one value, whatever the step: d = 1 where eta = 0."""
    found = {quantity.name: expansion(scheme, quantity) for quantity in scheme.quantities}
    return {name: entry for name, entry in found.items() if not symbols(entry) & {LENGTH.name, *found}}


def _plain(step: Step, known: Mapping[str, Scalarlike]) -> Step:
    """A step with some scalars put in, flows over no time left out."""
    return step.map(lambda entry: _short(substitute(entry, known)))


def _short(entry: Entry) -> Entry:
    if isinstance(entry, Flow):
        return ONE if entry.a == entry.b else entry
    short: Entry = rebuild(entry, _short) if isinstance(entry, (Sum, Product, Quotient)) else entry
    return short


def _vanishes(covariance: Entry) -> bool:
    """Whether a covariance is 0: its first term is, in which no two of its parts are alike."""
    parts = covariance.args if isinstance(covariance, Sum) else (covariance,)
    reading = SeriesExpansion(Field(symbols(covariance), balls=balls(covariance)), 1)
    return not any(reading.covariance(part) for part in parts)


def _of_flow(scheme: Scheme, known: Mapping[str, Scalarlike]) -> Scheme:
    """The scheme with scalars put in, its noises left out, and what no step uses any more."""
    steps = scheme.exact.map(lambda _, step: _without(_plain(step, known)))
    used = set().union(*(step_symbols(step) for step in steps.distinct))
    return replace(
        scheme,
        steps=steps,
        tau=0,
        tau_between=(),
        reference=ZERO,
        params=tuple(p for p in scheme.params if p.name in used),
        values=(),
        quantities=tuple(quantity for quantity in scheme.quantities if quantity.name in used),
        claims=Claims(),
    )


def _without(step: Step) -> Step:
    """A step without its noises, and without rows that only repeat an earlier one."""
    same = {noise.name: "" for noise in step.noises}
    items: list[Item] = []
    for item in step.items:
        if isinstance(item, Eval):
            items.append(replace(item, of=same.get(item.of, item.of)))
        elif isinstance(item, Row):
            terms = tuple((same.get(source, source), entry) for source, entry in item.terms if same.get(source) != "")
            if len(terms) == 1 and terms[0][1] == ONE:
                same[item.name] = terms[0][0]
            else:
                items.append(replace(item, terms=terms))
    carry = tuple((new, same.get(old, old)) for new, old in step.carry)
    return Step(tuple(items), same.get(step.out, step.out), carry)
