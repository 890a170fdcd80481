"""What a declaration must satisfy to mean anything, checked when a scheme is made.

A proof is about what stands in the rows. What does not stand there (a parameter that nothing uses, an evaluation that
is thrown away, a claim of another kind of order) would be proved along with them, so it is refused here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from numtoolkit.declare.companions import paired
from numtoolkit.declare.entries import (
    ONE,
    ZERO,
    At,
    Const,
    Cov,
    Entry,
    Int,
    Phi,
    Product,
    Quotient,
    Sum,
    is_block,
    operators,
    symbols,
)
from numtoolkit.declare.steps import START, Eval, Item, Noise, Row, Step, Steps
from numtoolkit.errors import InputError, counted, typed
from numtoolkit.problem.kinds import EVERY_KIND, SCALAR, Kind
from numtoolkit.problem.problem import Clock, Frozen, Operator
from numtoolkit.spec_text import parse

if TYPE_CHECKING:
    from numtoolkit.declare.scheme import Param, Scheme, StepQuantity

OF_LAW = ("sigma_data", "mean")  # parameters that the problem itself reads
RATIO = re.compile(r"r[0-9]+")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
ITEM = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*")
# Letters of printed and proved forms, and what rules of step quantities find beside the parameters
TAKEN = re.compile(r"h|y|z[0-9]*|steps|Flow|Int|Cov|At|phi|ball|sqrt")


def check(scheme: Scheme) -> None:
    """raises   InputError for a declaration that has no meaning: one sentence, the scheme's name first"""
    try:
        _check_text(scheme)
        steps = scheme.steps
        if not isinstance(steps, Steps):
            raise InputError(f"steps = {steps!r} are no Steps; write a step with numtoolkit.declare.forms.")
        for (kind, index), step in steps.places():
            _check_step(step, f"{kind} step" + f" {index + 1}" * (kind not in ("inner", "final_to_zero")))
        own = {id(step): step for _, step in steps.places()}  # each once: they are many and long
        used = {key: set().union(*map(symbols, _entries(step))) for key, step in own.items()}
        _check_rows(scheme)
        of_companions = (symbols(entry) for row in scheme.companions for entry in row.scalars)
        _check_scalars(scheme, set().union(*used.values(), *of_companions))
        _check_claims(scheme)
        _check_companions(scheme)
        for run in steps.runs():
            _check_sources(run)
            _check_ratios([used[id(step)] for step in run], len(steps.start))
        for step in own.values():
            _check_used(step)
        for count, run in enumerate(steps.remainder, 1):
            spent = sum(step.evaluations for step in run)
            if spent != count:
                raise InputError(f"remainder {count} spends {spent} evaluations; give one of {count}.")
        if not steps.inner.evaluations:
            raise InputError("its inner step calls no network; evaluate once at least.")
        if scheme.kind == "ode" and any(step.noises for step in own.values()):
            raise InputError("it draws noise but follows the probability flow; give the SDE it follows as reference.")
        _check_kinds(scheme)
    except InputError as refusal:
        raise InputError(f"scheme {scheme.name}: {refusal}") from None


def _once(what: str, names: Iterable[str]) -> None:
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise InputError(f"{what} {doubled[0]!r} stands twice; give each a name of its own.")


# --- axes


def _axes(scheme: Scheme) -> list[tuple[str, Clock | Frozen | Operator]]:
    """What a scheme does with each value of an axis that it needs."""
    used = set().union(*(operators(entry) for step in scheme.steps.distinct for _, entry in step.entries()))
    operating = [("uses", operator) for operator in sorted(used, key=lambda operator: operator.name)]
    return [("freezes", scheme.frozen), ("runs in clock", scheme.clock), *operating]


def _check_kinds(scheme: Scheme) -> None:
    for kind in scheme.kinds:
        for what, value in _axes(scheme):
            if kind not in value.kinds:
                raise InputError(
                    f"it {what} {value.name}, which a {kind.name} process does not have; leave {kind.name} out of its "
                    "kinds."
                )


def kinds_of(scheme: Scheme) -> tuple[Kind, ...]:
    """The kinds of process that have the clock, the frozen quantity and the operators of a scheme.

    raises   InputError where there is none
    """
    needed = _axes(scheme)
    kinds = tuple(kind for kind in EVERY_KIND if all(kind in value.kinds for _, value in needed))
    if not kinds:
        narrow = " and ".join(f"{what} {value.name}" for what, value in needed if value.kinds != EVERY_KIND)
        raise InputError(f"scheme {scheme.name}: it {narrow}, which no one kind of process has; choose another.")
    return kinds


# --- names and claims


def _check_text(scheme: Scheme) -> None:
    for what in ("name", "family", "source"):
        value = getattr(scheme, what)
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"its {what} is {value!r}; write a text that is not empty.")
    for what in ("params", "quantities", "aliases", "fitted", "tau_between", "companions"):
        value = getattr(scheme, what)
        if not isinstance(value, tuple):
            raise InputError(f"{what} = {value!r} is {typed(value)}; write a tuple, of one as (x,).")
    for name in (scheme.name, *scheme.aliases):
        if not _readable(name):
            raise InputError(
                f"the name {name!r} cannot be read back; write small letters, digits and _ . + -, a letter first."
            )
    _once("the name", (scheme.name, *scheme.aliases))


def _readable(name: object) -> bool:
    try:
        return isinstance(name, str) and parse(name).name == name and not name.endswith(".json")
    except InputError:
        return False


def _check_claims(scheme: Scheme) -> None:
    from numtoolkit.declare.scheme import Claims  # which imports this module

    if not isinstance(scheme.claims, Claims):
        raise InputError(f"claims = {scheme.claims!r} are no Claims; write Claims(classical=2), for example.")
    claims = {name: value for name, value in vars(scheme.claims).items() if name != "refuted" and value is not None}
    for name, value in claims.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InputError(f"the claim {name} = {value!r} is no order; give a whole number, or None for no claim.")
        if name.startswith("sde") != (scheme.kind == "sde"):
            follows = "the probability flow" if scheme.kind == "ode" else "an SDE"
            raise InputError(f"it claims {name} but follows {follows}; claim orders of that.")
    refuted = scheme.claims.refuted
    if not isinstance(refuted, tuple):
        raise InputError(f"refuted = {refuted!r} is no tuple of names of claims; write refuted=({refuted!r},).")
    for name in refuted:
        if name not in claims:
            known = f"it claims {', '.join(claims)}" if claims else "it claims nothing"
            raise InputError(f"refuted names {name!r}, which it does not claim; {known}.")
    _once("the refuted claim", refuted)


# --- parameters and step quantities


def _check_scalars(scheme: Scheme, in_steps: set[str]) -> None:
    from numtoolkit.declare.scheme import Param, StepQuantity  # which imports this module

    if not isinstance(scheme.reference, Entry) or is_block(scheme.reference):
        raise InputError(f"reference = {scheme.reference!r} is no scalar entry; write one such as number(1).")
    for param in scheme.params:
        if not isinstance(param, Param):
            kind = type(param).__name__
            raise InputError(f"params holds {param!r}, a {kind}; write params=(Param(name, default, ...),).")
        _check_param(param)
    for quantity in scheme.quantities:
        if not isinstance(quantity, StepQuantity) or not (callable(quantity.rule) or isinstance(quantity.rule, Entry)):
            raise InputError(
                f"quantities holds {quantity!r}; write StepQuantity(name, rule), rule a function or an entry."
            )
    rules = [quantity.name for quantity in scheme.quantities]
    names = [*(p.name for p in scheme.params), *rules, *scheme.fitted]
    for name in names:
        if not isinstance(name, str) or not WORD.fullmatch(name):
            raise InputError(f"{name!r} is no name of a scalar; use a word of letters, digits and _, such as c2.")
        if RATIO.fullmatch(name) or TAKEN.fullmatch(name):
            has = "a step ratio" if RATIO.fullmatch(name) else "taken by the notation"
            raise InputError(f"the name {name!r} is {has}; give the scalar another.")
    _once("the scalar", names)
    known = {param.name for param in scheme.params}
    for quantity in scheme.quantities:
        _check_quantity(quantity, known)
    if scheme.tau_between and (len(scheme.tau_between) != 2 or not set(scheme.tau_between) <= known):
        raise InputError(
            f"tau_between = {scheme.tau_between!r} is no pair of parameters; name those of the lowest and highest "
            "noise level at which tau acts."
        )
    if scheme.tau_between and (scheme.tau == 0 or scheme.kinds != (SCALAR,)):
        raise InputError(
            "tau_between is for a tau that is not 0 on scalar processes; leave it out, or add kinds='scalar'."
        )
    used = in_steps | symbols(scheme.reference) | symbols(scheme.tau) | {*scheme.tau_between}
    unknown = sorted(name for name in used - {*names} if not RATIO.fullmatch(name))
    if unknown:
        raise InputError(f"{unknown[0]!r} is neither a parameter nor a step quantity; declare it.")
    # a rule may read any parameter; a bound one, or a quantity of a fitted family, may have dropped out of the rows
    read = {*OF_LAW, *dict(scheme.values), *(names if rules else ())}
    for what, own in (
        ("the parameter", [p.name for p in scheme.params if p.name not in read]),
        ("the step quantity", [] if scheme.base else rules),
        ("the fitted quantity", scheme.fitted),
    ):
        unused = [name for name in own if name not in used]
        if unused:
            raise InputError(f"{what} {unused[0]!r} is never used; use it or leave it out.")
    scheme.tau_value  # noqa: B018  # which refuses what is no number


def _check_quantity(quantity: StepQuantity, parameters: set[str]) -> None:
    """The scalars that a rule and an expansion read are there, `parameters` among them."""
    from numtoolkit.declare.scheme import END_LEVEL, LENGTH, LEVEL  # which imports this module

    levels = {LEVEL.name, END_LEVEL.name}
    if isinstance(quantity.rule, Entry):
        if doubled := sorted(levels & parameters):
            raise InputError(
                f"{doubled[0]!r} is a noise level in the rule of {quantity.name}; give the parameter another name."
            )
        what = f"parameters and {' and '.join(sorted(levels))}, the noise levels at the start and end of the step"
        _check_reads(f"the rule of {quantity.name}", quantity.rule, parameters | levels, what)
    if quantity.expansion is not None:
        what = f"parameters, step ratios, {LENGTH} and {quantity.name}, here a bounded number"
        own = {LENGTH.name, quantity.name}
        _check_reads(f"the expansion of {quantity.name}", quantity.expansion, parameters | own, what, RATIO)


def _check_reads(where: str, entry: object, known: set[str], what: str, or_like: re.Pattern[str] | None = None) -> None:
    """An entry is a scalar that reads nothing but `known` names and those of a pattern; `what` says which these are."""
    if not isinstance(entry, Entry) or is_block(entry):
        raise InputError(f"{where} is {entry!r}, no scalar entry; write one such as 1 + symbol('h').")
    unknown = sorted(name for name in symbols(entry) - known if not (or_like and or_like.fullmatch(name)))
    if unknown:
        raise InputError(f"{where} reads {unknown[0]!r}; it may read {what}.")


def _check_param(param: Param) -> None:
    for what in ("default", "low", "high"):
        value = getattr(param, what)
        exact = isinstance(value, (int, Fraction)) and not isinstance(value, bool)
        if not exact and (what == "default" or value is not None):
            raise InputError(f"the {what} {value!r} of parameter {param.name!r} is not exact; write Fraction(1, 2).")
    if param.low is not None and param.high is not None and param.low >= param.high:
        raise InputError(f"parameter {param.name!r} runs from {param.low} to {param.high}; give low < high.")
    param.check("parameter", Fraction(param.default))


def _entries(step: Step) -> Iterator[Entry]:
    """Every entry of a step, abscissae included."""
    for item in step.items:
        if isinstance(item, Row):
            yield from (item.at, *(entry for _, entry in item.terms))
        elif isinstance(item, Eval):
            yield from (item.at, item.network_time)
        else:
            yield item.covariance


# --- steps


def _check_step(step: Step, where: str) -> None:
    if not isinstance(step, Step):
        raise InputError(f"{where} is {step!r}, no Step; write one with numtoolkit.declare.forms.")
    try:
        _once("the name", [name for item in step.items for name in _names(item)])
        _once("the carried name", [new for new, _ in step.carry])
        for item in step.items:
            _check_item(item)
        _check_out(step)
    except InputError as refusal:
        raise InputError(f"{where}: {refusal}") from None


def _names(item: Item) -> tuple[str, ...]:
    return item.names if isinstance(item, Eval) else (item.name,)


def _check_item(item: Item) -> None:
    for name in _names(item):
        if not isinstance(name, str) or not ITEM.fullmatch(name) or name == START:
            raise InputError(f"{name!r} is no name of a row, evaluation or noise; use a word other than {START}.")
    scalars = {} if isinstance(item, Noise) else {"abscissa": item.at}
    if isinstance(item, Eval):
        scalars["network time"] = item.network_time
    for what, entry in scalars.items():
        if not isinstance(entry, Entry) or is_block(entry):
            raise InputError(f"the {what} of {item.name} is {entry}, no scalar; give a number or a parameter.")
    if isinstance(item, Row):
        if not item.terms:
            raise InputError(f"the row {item.name} has no terms; combine something.")
        _once(f"in the row {item.name} the source", [source for source, _ in item.terms])
    if isinstance(item, Noise) and not _holds(item.covariance, (Cov, At)):
        raise InputError(
            f"the covariance {item.covariance} of noise {item.name} does not grow with the step; write covariance() or "
            "at(G), times scalars."
        )


def _check_out(step: Step) -> None:
    out = next((item for item in step.items if item.name == step.out), None)
    if out is None and step.out == START and not step.items:
        raise InputError("it has no items; combine a new state.")
    if not isinstance(out, Row):
        raise InputError(f"its new state {step.out!r} is no row of it; name one as out.")
    if isinstance(out.at, Const) and out.at != ONE:
        raise InputError(f"its new state {step.out} is at abscissa {out.at}; a step ends at 1.")


def _check_used(step: Step) -> None:
    """Every evaluation and noise reaches the new state or the next step."""
    used = {step.out, *(old for _, old in step.carry)}
    for item in reversed(step.items):
        if isinstance(item, Row):
            used |= {source for source, _ in item.terms} if item.name in used else set()
        elif isinstance(item, Eval) and item.unguided and item.unguided not in used:
            raise InputError(
                f"the unguided output {item.unguided} of {item.name} is never used; use it or leave it out."
            )
        elif not used & {*_names(item)}:
            kind = "evaluation" if isinstance(item, Eval) else "noise"
            raise InputError(f"the {kind} {item.name} of a step is never used; use it or leave it out.")
        elif isinstance(item, Eval):
            used.add(item.of)


def _holds(entry: Entry, blocks: tuple[type, ...]) -> bool:
    """Whether every term of an entry has a factor that is one of these blocks."""
    if isinstance(entry, Sum):
        return all(_holds(arg, blocks) for arg in entry.args)
    if isinstance(entry, Product):
        return any(_holds(arg, blocks) for arg in entry.args)
    return _holds(entry.top, blocks) if isinstance(entry, Quotient) else isinstance(entry, blocks)


def _has(entry: Any, blocks: tuple[type, ...]) -> bool:
    """Whether some factor of an entry is one of these blocks."""
    if isinstance(entry, (Sum, Product)):
        return any(_has(arg, blocks) for arg in entry.args)
    return _has(entry.top, blocks) if isinstance(entry, Quotient) else isinstance(entry, blocks)


# --- runs


def _check_sources(run: Sequence[Step]) -> None:
    """States, evaluations and noises are taken for what they are, also where a step before hands them on."""
    handed: dict[str, type] = {}
    for step in run:
        lost = sorted(step.needs - handed.keys())
        if lost and any(item.name == lost[0] for item in step.items):
            raise InputError(f"a step uses {lost[0]} before it is made; put it first.")
        if lost:
            raise InputError(f"a step uses {', '.join(lost)}, which the step before does not hand on.")
        kinds = {START: Row} | handed
        for item in step.items:
            if isinstance(item, Row):
                for source, entry in item.terms:
                    check_weight(f"{item.name} <- {source}", entry, evaluation=kinds.get(source) is Eval)
            if isinstance(item, Eval) and kinds.get(item.of, Row) is not Row:
                raise InputError(f"{item.name} evaluates {item.of}, which is no state; evaluate a row or {START}.")
            kinds |= dict.fromkeys(_names(item), type(item))
        handed = {new: kinds[old] for new, old in step.carry}


def check_weight(where: str, entry: Entry, evaluation: bool) -> None:
    """Checks the weight `entry` that stands at `where` in a step; `evaluation` says what it weighs.

    raises   InputError for a weight of an evaluation without h N, or of a state or noise with it
    """
    if evaluation and entry != ZERO and not _holds(entry, (Int, Phi, At)):
        weight = f"({entry})" if isinstance(entry, Sum) else str(entry)
        raise InputError(
            f"{where}: {weight} times an evaluation lacks h N; write {weight}*phi(1) or {weight}*at(N), and a tableau "
            "of plain numbers with runge_kutta."
        )
    if not evaluation and _has(entry, (Int, Phi)):
        raise InputError(f"{where}: {entry} weighs evaluations, not a state or a noise; write flow() or a scalar.")


def _check_rows(scheme: Scheme) -> None:
    for row in scheme.companions:
        if not isinstance(row, Row) or row.at != ONE:
            raise InputError(f"companions holds {row!r}; write rows that end at abscissa 1, as companion() does.")


def _check_companions(scheme: Scheme) -> None:
    """Runs that make the companions are runs like others."""
    if not scheme.companions:
        if scheme.claims.companion is not None:
            raise InputError(f"it claims companion = {scheme.claims.companion}, but declares no companions; do.")
        return
    if scheme.fitted or scheme.both:
        what = "is fitted to a grid" if scheme.fitted else "takes two outputs of an evaluation"
        raise InputError(f"it declares companions but {what}, and is not estimated; leave them out.")
    if scheme.kind == "sde":
        raise InputError("it declares companions but follows an SDE, whose steps are not estimated; leave them out.")
    for corrected in (False, True):
        steps = paired(scheme.steps, scheme.companions, corrected)
        for (kind, _), step in steps.places():
            _check_step(step, f"{kind} step with its companion")
        for run in steps.runs():
            _check_sources(run)
            _check_ratios([set().union(*map(symbols, _entries(step))) for step in run], len(steps.start))
        if any(not step.evaluations for step in (*steps.start, steps.inner)):
            raise InputError("a companion of it weighs no evaluation of its own step; weigh one at least.")


def _check_ratios(run: Sequence[set[str]], history: int) -> None:
    """r0 is the ratio to the step before, which a first step has not; `run` holds the scalars of each step of one."""
    for n, used in enumerate(run):
        reach = max((int(name[1:]) for name in used if RATIO.fullmatch(name)), default=-1)
        if reach >= min(n, history):
            raise InputError(
                f"step {n + 1} of a run uses r{reach}, the ratio to a step that it has not behind it; start with "
                f"{counted(reach + 1, 'step')} without it."
            )
