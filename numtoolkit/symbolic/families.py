"""Families of schemes whose weights are unknowns, for `derive` to determine.

A family is a scheme: each unknown is a parameter of it that no order condition has fixed yet, so that all that reads a
scheme reads a family. Its other parameters, nodes c2, c3, ..., and step ratios are generic: an answer is for all their
values but those that it excludes, and special values, such as nodes that coincide, make another family.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from typing import Any

from numtoolkit.declare.entries import (
    ONE,
    ZERO,
    Const,
    Entry,
    Scalarlike,
    Symbol,
    as_scalar,
    flow,
    phi,
    sum_of,
    symbol,
    symbols,
)
from numtoolkit.declare.forms import (
    check_whole,
    combine,
    evaluate,
    history,
    predict_correct,
    runge_kutta,
    tableau,
    written,
)
from numtoolkit.declare.runs import adams_bashforth, adams_moulton_again, one_step
from numtoolkit.declare.scheme import Param, Scheme
from numtoolkit.declare.steps import START, Eval, Steps
from numtoolkit.errors import InputError, brief, counted, flag, several, unknown
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.spec_text import Spec, hyphened, parse

MOST_STAGES, MOST_PAST, HIGHEST_PHI = 6, 6, 8


@dataclass(frozen=True)
class Part:
    """The unknown factor of one function in a weight: phi_k(c z) h N, or h N itself with k = 0.

    unknown       its name, that of the weight first: a32_1 is of a32
    row, source   the row of the step and the evaluation that the weight stands for
    """

    unknown: str
    row: str
    source: str
    k: int
    c: Entry = ONE

    @property
    def weight(self) -> str:
        """The name of the weight."""
        return self.unknown.partition("_")[0]


@dataclass(frozen=True)
class Family(Scheme):
    """A scheme some of whose parameters are unknowns; its other parameters, such as nodes, are generic.

    unknowns   their names, those that a solution is to keep free last
    parts      where they stand
    """

    unknowns: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    def __repr__(self) -> str:
        generic = f", for every {', '.join(self.generic)}" if self.generic else ""
        return f"<Family {brief(self.spec, 100)}: {counted(len(self.unknowns), 'unknown')}{generic}>"

    __hash__ = Scheme.__hash__

    @property
    def generic(self) -> tuple[str, ...]:
        """The parameters that are no unknowns."""
        return tuple(param.name for param in self.params if param.name not in self.unknowns)


# --- one-step schemes


def exponential_rk(stages: int, nodes: Sequence[Scalarlike] | None = None, phis: int = 3) -> Family:
    """Explicit exponential Runge-Kutta schemes that freeze the data, in log-SNR.

    b_i is a sum of b{i}_{k} phi_k(z) and a_ij one of a{i}{j}_{k} phi_k(c_i z) and a{i}{j}_{k}_{l} phi_k(c_l z), c_l the
    earlier nodes that differ, k = 1 to `phis` (Hochbruck & Ostermann 2005, section 4).
    stages   their number, 1 to 6
    nodes    their abscissae, the first one 0: rational numbers or symbols; by default 0 and the symbols c2, c3, ...
    phis     the highest phi_k of a weight, 1 to 8
    raises   InputError for another number of stages or phis, or nodes that are not explicit abscissae
    """
    check_whole("stages", stages, 1, MOST_STAGES)
    check_whole("phis", phis, 1, HIGHEST_PHI)
    c = _nodes(stages, nodes)
    parts: list[Part] = []

    def weight(name: str, row: str, source: str, points: Sequence[tuple[Entry, str]]) -> Entry:
        own = [Part(f"{name}_{k}{tail}", row, source, k, d) for d, tail in points for k in range(1, phis + 1)]
        parts.extend(own)
        return _total(own)

    b = [weight(f"b{i}", "out", f"E{i - 1}", [(ONE, "")]) for i in range(1, stages + 1)]
    rows: list[list[Entry]] = [[]]
    for i in range(2, stages + 1):
        earlier = {c[j - 1]: f"_{j}" for j in range(i - 1, 1, -1) if c[j - 1] != c[i - 1]}
        points = [(c[i - 1], ""), *reversed(earlier.items())]
        rows.append([weight(f"a{i}{j}", f"Y{i - 1}", f"E{j - 1}", points) for j in range(1, i)])
    chosen = _chosen(stages, nodes, c) | ({} if phis == 3 else {"phis": str(phis)})
    return _family("exponential-rk", one_step(tableau(c, rows, b)), parts, _abscissae(c), chosen)


def explicit_runge_kutta(stages: int, nodes: Sequence[Scalarlike] | None = None) -> Family:
    """Explicit Runge-Kutta schemes that freeze the drift, in process time; `runge_kutta` writes one from its numbers.

    The first weight of each row is its node less the others, so that rows sum to their nodes.
    stages, nodes   as of `exponential_rk`
    raises   InputError for another number of stages, or nodes that are not explicit abscissae
    """
    check_whole("stages", stages, 1, MOST_STAGES)
    c = _nodes(stages, nodes)
    parts = [Part(f"b{i}", "out", f"E{i - 1}", 0) for i in range(1, stages + 1)]
    parts += [Part(f"a{i}{j}", f"Y{i - 1}", f"E{j - 1}", 0) for i in range(2, stages + 1) for j in range(2, i)]
    names = {(part.row, part.source): symbol(part.unknown) for part in parts}
    A: list[list[Entry]] = [[]]
    for i in range(1, stages):
        row = [names[f"Y{i}", f"E{j}"] for j in range(1, i)]
        A.append([c[i] - sum(row, start=ZERO), *row])
    step = runge_kutta(c, A, [names["out", f"E{i}"] for i in range(stages)])
    chosen = _chosen(stages, nodes, c)
    return _family("explicit-runge-kutta", one_step(step), parts, _abscissae(c), chosen, frozen="drift", clock="time")


def _nodes(stages: int, given: Sequence[Scalarlike] | None) -> list[Entry]:
    if given is None:
        return [ZERO, *(symbol(f"c{i}") for i in range(2, stages + 1))]
    nodes = [_node(c) for c in several("nodes", given)]
    if len(nodes) != stages or nodes[0] != ZERO or ZERO in nodes[1:]:
        said = brief(", ".join(map(str, nodes)))
        raise InputError(
            f"nodes = {said} are no abscissae of {counted(stages, 'stage')}; give one a stage, the first one 0 and no "
            "other."
        )
    return nodes


def _node(given: Scalarlike) -> Entry:
    """A node: a rational number or a symbol, that also as text."""
    entry = symbol(given) if isinstance(given, str) and given[:1].isalpha() else as_scalar(given)
    if not isinstance(entry, (Const, Symbol)):
        raise InputError(f"the node {given} is not rational; give a rational number or a symbol such as c2.")
    return entry


def _abscissae(nodes: Sequence[Entry]) -> list[Param]:
    """The parameters that the symbols among the nodes are, spread over the step."""
    spread = max(len(nodes) - 1, 2)
    found = {str(c): Fraction(i, spread) for i, c in enumerate(nodes) if symbols(c)}
    return [Param(name, value, Fraction(0), open=True, meaning="abscissa of a stage") for name, value in found.items()]


def _chosen(stages: int, given: Sequence[Scalarlike] | None, nodes: Sequence[Entry]) -> dict[str, str]:
    return {"stages": str(stages)} | ({} if given is None else {"nodes": f"({', '.join(map(str, nodes))})"})


# --- schemes with a history


def exponential_adams(k: int, corrector: bool = False) -> Family:
    """Exponential multistep schemes that weigh the last k evaluations, one a step, with any step ratios.

    The weight of the evaluation j - 1 steps back is a sum of b{j}_{i} phi_i(z) (Hochbruck & Ostermann 2011, section 2).
    Starting steps are those of `adams_bashforth` and, with a corrector, `adams_moulton_again`.
    k          1 to 6
    corrector  whether the state so predicted, with weights p{j}_{i}, is evaluated and corrected by the values from
               before and, with the weight b0_{i}, this new one; it is then evaluated again
    raises     InputError for another k
    """
    check_whole("k", k, 1, MOST_PAST)
    phis = k + flag("corrector", corrector)
    chosen = {"k": str(k)} | ({"corrector": "true"} if corrector else {})
    b = {f"E{j - 1}": _phis(f"b{j}", "out", f"E{j - 1}", phis) for j in range(1, k + 1)}
    if not corrector:
        steps = replace(adams_bashforth(k), inner=history([_total(own) for own in b.values()], keep=k - 1))
        return _family("exponential-adams", steps, list(chain(*b.values())), [], chosen)
    b["EP"] = _phis("b0", "out", "EP", phis)
    p = {f"E{j - 1}": _phis(f"p{j}", "P", f"E{j - 1}", phis) for j in range(1, k + 1)}
    inner = predict_correct([_total(own) for own in p.values()], [_total(own) for own in b.values()], k - 1, first=True)
    carry = tuple(pair for pair in inner.carry if pair[1] != "EP")
    steps = replace(adams_moulton_again(k), inner=replace(inner, carry=carry))
    return _family("exponential-adams", steps, list(chain(*p.values(), *b.values())), [], chosen)


def embedded(scheme: Scheme | str, history: int = 1, phis: int = 3) -> Family:
    """A companion of a one-step scheme: another new state from the evaluations that a run makes anyway.

    The companion weighs those of the step by e{i}_{k} phi_k(z), i = 1, 2, ..., that at the state which the scheme goes
    to, which the next step begins with, by n_{k}, and those at the starts of the `history` steps before by h{j}_{k}.
    As a scheme of its own it runs on from the companion; the difference of both states estimates the error.
    scheme   a deterministic scheme without history that runs on the exact flow of its linear part, or its name
    history  how many steps before, 0 to 6
    phis     the highest phi_k of a weight, 1 to 8
    raises   InputError for another scheme
    """
    own = scheme_of(scheme)
    check_whole("history", history, 0, MOST_PAST)
    check_whole("phis", phis, 1, HIGHEST_PHI)
    step = own.steps.inner
    first = next((item.name for item in step.items if isinstance(item, Eval) and item.of == START), None)
    if step.needs or step.noises or first is None or not own.clock.constant_linear:
        raise InputError(
            f"{own.spec} has no companion here; give a deterministic one-step scheme in log-SNR that begins with an "
            "evaluation of the state."
        )
    evaluations = [item for item in step.items if isinstance(item, Eval)]
    back = [f"H{j}" for j in range(1, history + 1)]
    parts = [_phis(f"h{j}", "companion", name, phis) for j, name in enumerate(back, 1)]
    parts += [_phis(f"e{i}", "companion", item.name, phis) for i, item in enumerate(evaluations, 1)]
    parts += [_phis("n", "companion", "EN", phis)]
    terms = {group[0].source: _total(group) for group in parts}
    items = [*step.items, evaluate("EN", step.out, 1), combine("companion", 1, **{START: flow()}, **terms)]
    handed = dict(zip(back, [first, *back], strict=False))
    inner = written(items, "companion", handed)
    start = tuple(replace(step, carry=tuple(handed.items())[: n + 1]) for n in range(history))
    steps = Steps(inner, start, final_to_zero=own.steps.final_to_zero)
    chosen = {"scheme": own.spec, "history": str(history)} | ({} if phis == 3 else {"phis": str(phis)})
    family_ = _family("embedded", steps, list(chain(*parts)), own.params, chosen, own.frozen.name, own.clock.name)
    return replace(family_, values=own.values)


def _phis(weight: str, row: str, source: str, highest: int) -> list[Part]:
    """The parts of one weight of a new state."""
    return [Part(f"{weight}_{k}", row, source, k) for k in range(1, highest + 1)]


def _total(parts: Sequence[Part]) -> Entry:
    """The weight that they make."""
    return sum_of(tuple(symbol(part.unknown) * phi(part.k, part.c) for part in parts))


def _family(
    name: str,
    steps: Steps,
    parts: Sequence[Part],
    params: Sequence[Param],
    chosen: dict[str, str],
    frozen: Any = "data",
    clock: Any = "log-snr",
) -> Family:
    """A family from its steps, unknowns, generic parameters and the arguments that made it."""
    return Family(
        name,
        family="derived",
        source="unknown weights",
        steps=steps,
        frozen=frozen,
        clock=clock,
        kinds="scalar",
        params=(*params, *(Param(part.unknown, Fraction(0)) for part in parts)),
        structure=tuple(chosen.items()),
        unknowns=tuple(part.unknown for part in parts),
        parts=tuple(parts),
    )


# --- by name

FAMILIES: dict[str, Callable[..., Family]] = {
    "exponential-rk": exponential_rk,
    "explicit-runge-kutta": explicit_runge_kutta,
    "exponential-adams": exponential_adams,
    "embedded": embedded,
}


def family(text: str | Spec | Family) -> Family:
    """A family from its name with parameters: "exponential-rk(stages=4, nodes=(0, 1/2, 1/2, 1))"; a family as it is.

    raises   InputError for an unknown name, with the nearest, and for parameters that it does not have
    """
    if isinstance(text, Family):
        return text
    spec = parse(text)
    name = hyphened(spec.name)
    if name not in FAMILIES:
        raise unknown("family", name, FAMILIES)
    make = FAMILIES[name]
    known = list(inspect.signature(make).parameters)
    if len(spec.positional) > len(known):
        raise InputError(f"{name} takes {counted(len(known), 'parameter')}, got {len(spec.positional)}.")
    given = dict(zip(known, spec.positional, strict=False))
    for key, value in spec.named:
        if key not in known or key in given:
            wrong = "is given twice; give it once" if key in given else f"is no parameter; it has {', '.join(known)}"
            raise InputError(f"{name}: {key} {wrong}.")
        given[key] = value
    needed = [key for key, p in inspect.signature(make).parameters.items() if p.default is p.empty]
    missing = [key for key in needed if key not in given]
    if missing:
        raise InputError(f"{name} needs {', '.join(missing)}; write {name}({needed[0]}=...).")
    return make(**{key: _argument(value) for key, value in given.items()})


def _argument(value: object) -> object:
    """A value of a specification as an argument: whole numbers as int, true and false as bool."""
    if isinstance(value, tuple):
        return tuple(map(_argument, value))
    if isinstance(value, Fraction) and value.denominator == 1:
        return int(value)
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
