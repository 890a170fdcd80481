"""A scheme that freezes the noise over steps in the noise level, written as one that freezes the data in log-SNR.

In x = z / alpha the noise is (Y - D) / s, and s falls as exp(-c h) over a step of log-SNR h with L = -1. So

    -(s_a - s_b) e_i = (flow(c_i, a) - flow(c_i, b)) (D_i - Y_i),    flow(c_i, a) - flow(c_i, b) = flow(c_i, a) h phi_1,

which turns every row into one of states and data predictions (Lemma 1 of arXiv:2304.11328 for Heun's method). It is
what the stiff order conditions of such a scheme are about.
"""

from __future__ import annotations

from dataclasses import replace

from numtoolkit.declare.entries import ONE, ZERO, Entry, Flow, Int, Product, Quotient, Sum, flow, integral
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import START, Eval, Row, Step
from numtoolkit.errors import InputError
from numtoolkit.problem.clocks import LOG_SNR
from numtoolkit.problem.frozen import FROZEN_DATA
from numtoolkit.symbolic.stiff import applies


def data_form(scheme: Scheme) -> Scheme:
    """The scheme with its inner step in data form.

    raises   InputError for schemes that freeze anything but the noise in the noise level, with stages inside the step,
             history, or weights that vary over the step: in log-SNR those are no polynomials
    """
    inner = scheme.steps.inner
    if scheme.clock is not scheme.frozen.data_clock or inner.needs or inner.noises:
        raise InputError(
            f"scheme {scheme.name} has no data form here; it must freeze the noise over noise-level steps."
        )
    declared = scheme.exact.inner
    evaluations = {item.name: item for item in declared.items if isinstance(item, Eval)}
    if any(item.at not in (ZERO, ONE) for item in evaluations.values()):
        raise InputError(f"scheme {scheme.name} has no data form here; its stages must lie at the ends of the step.")
    items = tuple(_row(item, evaluations) if isinstance(item, Row) else item for item in declared.items)
    step = Step(items, declared.out)
    return replace(
        scheme, steps=replace(scheme.steps, inner=step, final_to_zero=None), frozen=FROZEN_DATA, clock=LOG_SNR
    )


def stiff_form(scheme: Scheme) -> Scheme | None:
    """The scheme itself, or in data form, where stiff order has a meaning."""
    if applies(scheme):
        return scheme
    try:
        return data_form(scheme)
    except InputError:
        return None


def _row(row: Row, evaluations: dict[str, Eval]) -> Row:
    terms: dict[str, Entry] = {}
    for source, entry in row.terms:
        own = evaluations.get(source)
        if own is None:
            terms[source] = terms.get(source, ZERO) + _scalar(entry, Flow)[0]  # z / alpha has no linear part
            continue
        factor, window = _scalar(entry, Int)
        assert isinstance(window, Int)
        if len(window.weight) != 1:
            raise InputError(f"row {row.name}: a weight that varies over the step is no polynomial in log-SNR.")
        factor = factor * window.weight[0]
        a, b, c = window.a, window.b, own.at
        terms[source] = terms.get(source, ZERO) + factor * flow(c, a) * integral(a, b)
        terms[own.of] = terms.get(own.of, ZERO) - factor * (flow(c, a) - flow(c, b))
    order = [START, *(name for name in terms if name != START)]
    return Row(row.name, row.at, tuple((name, terms[name]) for name in order if name in terms))


def _scalar(entry: Entry, kind: type[Entry]) -> tuple[Entry, Entry]:
    """(scalar, block) of an entry that is a scalar times one block of that kind."""
    if isinstance(entry, kind):
        return ONE, entry
    if isinstance(entry, Quotient):
        factor, block = _scalar(entry.top, kind)
        return factor / entry.bottom, block
    if isinstance(entry, Product):
        *factors, last = entry.args
        factor, block = _scalar(last, kind)
        for scalar in factors:
            factor = factor * scalar
        return factor, block
    if isinstance(entry, Sum):
        raise InputError(f"entry {entry} is a sum; write one window for each evaluation.")
    raise InputError(f"entry {entry} is no {kind.__name__} times a scalar.")
