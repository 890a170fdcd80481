"""A scheme as JSON: plain data, exact numbers and entries as text, rules by name. Reading it executes nothing.

Each part of a scheme has a `Form`, which writes it as plain data and reads it back; `FIELDS` has those of a scheme. A
record says its format, the version that wrote it and the SHA-256 of all the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from numtoolkit import __version__
from numtoolkit.declare.entries import Entry, symbols, walk
from numtoolkit.declare.entry_text import BLOCKS, MOST_DIGITS, parse_entry
from numtoolkit.declare.scheme import ORDERS, Claims, Eval, Item, Noise, Param, Row, Scheme, Step
from numtoolkit.errors import InputError, StorageError, unknown
from numtoolkit.files import fitted_coefficients
from numtoolkit.files.fitted_coefficients import FittedCoefficients
from numtoolkit.files.storage import Where, json_text, parse_json, read_json, write
from numtoolkit.problem.predictions import PREDICTIONS
from numtoolkit.problem.problem import ANGLE, FROZEN_DRIFT, RESIDUAL
from numtoolkit.problem.processes import PROCESSES
from numtoolkit.problem.rules import NEEDS, RULES
from numtoolkit.spec_text import HUGE

KIND = "numtoolkit scheme"
FORMAT = f"{KIND} 1"
LONGEST, HIGHEST = 2000, 99  # characters of a text, orders that can be claimed
CLOCKS = ("natural", "time", "log-snr", "noise-level", "beta", ANGLE)
FROZEN = (*PREDICTIONS, FROZEN_DRIFT, RESIDUAL)


def to_json(scheme: Scheme) -> str:
    """The scheme as the text of its file, which `from_json` reads to an equal scheme.

    raises   InputError for a step quantity whose rule has no name, and for whatever `from_json` would refuse
    """
    try:
        text = json_text(_record(scheme))
        if _scheme(parse_json(text)) != scheme:
            raise InputError("it is not the same when it is read again; report this as a fault of numtoolkit.")
    except InputError as error:
        raise InputError(f"scheme {scheme.name} cannot be written as JSON: {error}") from None
    return text


def from_json(text: str | bytes) -> Scheme:
    """The scheme that `to_json` wrote.

    raises   InputError, one sentence, for text that is damaged, changed, or says what no scheme can say
    """
    try:
        return _scheme(parse_json(text))
    except (InputError, ValueError, RecursionError, TypeError) as error:
        reason = str(error) if isinstance(error, InputError) else f"it is not JSON ({error}); give what to_json wrote."
        raise InputError(f"this text holds no scheme that can be read: {reason}") from None


def scheme_of(record: Any, what: str) -> Scheme:
    """The scheme that a record holds; `what` names the record where it is refused.

    raises   StorageError where `from_json` would raise InputError
    """
    try:
        return _scheme(record)
    except InputError as error:
        raise StorageError(f"{what} holds no scheme that can be read: {error}") from None


def write_scheme(path: Where, scheme: Scheme) -> Path:
    """The scheme as a JSON file, written whole or not at all."""
    return write(path, to_json(scheme))


def read_scheme(path: Where) -> Scheme:
    """The scheme in a file.

    raises   StorageError for a file that cannot be read, holds no scheme, or was changed since it was written
    """
    return scheme_of(read_json(path), repr(str(path)))


# --- forms: how plain data and parts of a scheme become one another


@dataclass(frozen=True)
class Form:
    """write gives plain data; read(plain, where) undoes it, or raises InputError naming the place in the record."""

    write: Callable[[Any], Any]
    read: Callable[[Any, str], Any]


def _wrong(where: str, value: Any, wanted: str) -> InputError:
    shown = f"a {type(value).__name__}" if isinstance(value, (dict, list)) else repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return InputError(f"{where} is {shown}, not {wanted}; write the scheme anew.")


def text(wanted: str, pattern: str = "") -> Form:
    """A printable text, or one of a pattern."""

    def read(value: Any, where: str) -> str:
        if not (isinstance(value, str) and len(value) <= LONGEST and value.isprintable()):
            raise _wrong(where, value, wanted)
        if pattern and not re.fullmatch(pattern, value):
            raise _wrong(where, value, wanted)
        return value

    return Form(str, read)


def one_of(kind: str, names: Collection[str]) -> Form:
    """One of some names."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise _wrong(where, value, f"the name of a {kind}")
        if value not in names:
            raise InputError(f"{where}: {unknown(kind, value, names)}")
        return value

    return Form(str, read)


def many(form: Form) -> Form:
    """A tuple, as a list."""

    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong(where, value, "a list")
        return tuple(form.read(part, f"{where}[{i}]") for i, part in enumerate(value))

    return Form(lambda parts: [form.write(part) for part in parts], read)


def pairs(first: Form, second: Form) -> Form:
    """A tuple of pairs, as a list of lists of two."""

    def read(value: Any, where: str) -> tuple[Any, Any]:
        if not (isinstance(value, list) and len(value) == 2):
            raise _wrong(where, value, "a pair")
        return first.read(value[0], f"{where}[0]"), second.read(value[1], f"{where}[1]")

    return many(Form(lambda pair: [first.write(pair[0]), second.write(pair[1])], read))


def maybe(form: Form) -> Form:
    """None, as null, or what another form takes."""
    return Form(
        lambda part: None if part is None else form.write(part),
        lambda value, where: None if value is None else form.read(value, where),
    )


def record(build: Callable[..., Any], **forms: Form) -> Form:
    """An object of these fields, as JSON's object of the same keys, all of them and no other."""

    def read(value: Any, where: str) -> Any:
        given = _keys(value, where, forms)
        return build(**{key: form.read(given[key], f"{where}.{key}") for key, form in forms.items()})

    return Form(lambda part: {key: form.write(getattr(part, key)) for key, form in forms.items()}, read)


def _keys(value: Any, where: str, keys: Collection[str]) -> dict[str, Any]:
    """The value, if it is an object with these keys."""
    if not isinstance(value, dict):
        raise _wrong(where, value, "an object")
    for key in [*keys, *value]:
        if key not in value or key not in keys:
            says = f"lacks {key!r}" if key in keys else f"has {key[:40]!r}, which no scheme has"
            raise InputError(f"{where} {says}; write the scheme anew.")
    return value


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= HIGHEST:
        raise _wrong(where, value, f"a whole number from 0 to {HIGHEST}")
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, value, "true or false")
    return value


def _number(value: Any, where: str) -> Fraction:
    digits = rf"[0-9]{{1,{MOST_DIGITS}}}"
    if isinstance(value, str) and re.fullmatch(rf"-?{digits}(/0*[1-9][0-9]{{0,{MOST_DIGITS}}})?", value):
        number = Fraction(value)
        if not number or 1 < abs(number) * HUGE < HUGE**2:
            return number
    raise _wrong(where, value, 'an exact number as text, "-1/3", of a size from 1e-30 to 1e30')


@lru_cache(maxsize=1000)
def _parsed(value: str) -> Entry:
    return parse_entry(value)


def _entry(value: Any, where: str) -> Entry:
    if not isinstance(value, str):
        raise _wrong(where, value, "an entry as text")
    try:
        return _parsed(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _scalar(value: Any, where: str) -> Entry:
    entry = _entry(value, where)
    if any(isinstance(node, BLOCKS) for node in walk(entry)):
        raise _wrong(where, value, "a scalar")
    return entry


def _rule(value: Any, where: str) -> Any:
    return RULES[RULE_NAME.read(value, where)]


def _rule_name(rule: Any) -> str:
    for name, own in RULES.items():
        if own is rule:
            return name
    name = getattr(rule, "__qualname__", repr(rule))
    raise InputError(f"the rule {name} of a step quantity has no name; add it to numtoolkit.problem.rules.RULES.")


def _table(value: Any, where: str) -> FittedCoefficients:
    try:
        return fitted_coefficients.table_of(value, where)
    except StorageError as error:
        raise InputError(str(error)) from None


def _item(value: Any, where: str) -> Item:
    if not (isinstance(value, dict) and isinstance(value.get("kind"), str)):
        raise _wrong(where, value, "an object with a kind")
    kind = one_of("kind of item", ITEMS).read(value["kind"], f"{where}.kind")
    own: Item = ITEMS[kind][1].read({key: part for key, part in value.items() if key != "kind"}, where)
    return own


def _item_record(item: Item) -> dict[str, Any]:
    kind, form = next((kind, form) for kind, (own, form) in ITEMS.items() if isinstance(item, own))
    return {"kind": kind, **form.write(item)}


# --- the forms of a scheme

TEXT = text("a printable text")
SCHEME_NAME = text("the name of a scheme", r"[A-Za-z][A-Za-z0-9_.+-]*")
NAME = text("a name of letters, digits and _", r"[A-Za-z_][A-Za-z0-9_]*")
WHOLE, TRUTH = Form(int, _whole), Form(bool, _truth)
NUMBER, ENTRY, SCALAR = Form(str, _number), Form(str, _entry), Form(str, _scalar)
RULE_NAME = one_of("rule", RULES)
RULE = Form(_rule_name, _rule)
ITEMS: dict[str, tuple[type[Item], Form]] = {
    "row": (Row, record(Row, name=NAME, at=SCALAR, terms=pairs(NAME, ENTRY))),
    "evaluation": (Eval, record(Eval, name=NAME, of=NAME, at=SCALAR, network_time=SCALAR)),
    "noise": (Noise, record(Noise, name=NAME, covariance=ENTRY)),
}
STEP = record(Step, items=many(Form(_item_record, _item)), out=NAME, carry=pairs(NAME, NAME))
PARAM = record(
    Param, name=NAME, default=NUMBER, low=maybe(NUMBER), high=maybe(NUMBER), open=TRUTH, meaning=TEXT, free=TRUTH
)
CLAIMS = record(Claims, **dict.fromkeys(ORDERS, maybe(WHOLE)), refuted=many(one_of("claim", ORDERS)))
TAU = Form(
    lambda tau: SCALAR.write(tau) if isinstance(tau, Entry) else tau,
    lambda value, where: (WHOLE if isinstance(value, int) else SCALAR).read(value, where),
)
TABLE = Form(fitted_coefficients.record_of, _table)

FIELDS = {
    "name": SCHEME_NAME,
    "family": TEXT,
    "source": TEXT,
    "frozen": one_of("frozen quantity", FROZEN),
    "clock": one_of("clock", CLOCKS),
    "processes": many(one_of("process", PROCESSES)),
    "tau": TAU,
    "reference": SCALAR,
    "params": many(PARAM),
    "values": pairs(NAME, NUMBER),
    "quantities": pairs(NAME, RULE),
    "claims": CLAIMS,
    "aliases": many(SCHEME_NAME),
    "structure": pairs(TEXT, TEXT),
    "fitted": many(NAME),
    "base": TEXT,
    "table": maybe(TABLE),
}


def _places(steps: Sequence[Step]) -> dict[str, Form]:
    """The fields of a scheme that hold steps, each step as its number among the distinct ones."""

    def read(value: Any, where: str) -> Step:
        number = _whole(value, where)
        if number >= len(steps):
            raise _wrong(where, value, f"the number of a step, from 0 to {len(steps) - 1}")
        return steps[number]

    step = Form(lambda own: steps.index(own), read)
    return {"start": many(step), "step": step, "last": many(step), "to_zero": maybe(step), "fill": many(many(step))}


def _steps_record(scheme: Scheme) -> dict[str, Any]:
    """The distinct steps, and where each of them stands."""
    places = _places(scheme.layouts)
    own = {key: form.write(getattr(scheme, key)) for key, form in places.items()}
    return {"distinct": [STEP.write(step) for step in scheme.layouts], **own}


def _steps(value: Any, where: str) -> dict[str, Any]:
    given = _keys(value, where, ("distinct", *_places(())))
    places = _places(many(STEP).read(given["distinct"], f"{where}.distinct"))
    return {key: form.read(given[key], f"{where}.{key}") for key, form in places.items()}


# --- records


def _record(scheme: Scheme) -> dict[str, Any]:
    own = {key: form.write(getattr(scheme, key)) for key, form in FIELDS.items()}
    content = {"format": FORMAT, "numtoolkit": __version__, **own, "steps": _steps_record(scheme)}
    return content | {"sha256": _digest(content)}


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _scheme(record: Any) -> Scheme:
    """The scheme of a record; InputError where it is damaged, or says what no scheme can."""
    _check_whole(record)
    keys = ("format", "numtoolkit", *FIELDS, "steps", "sha256")
    given = _keys(record, "the record", keys)
    TEXT.read(given["numtoolkit"], "numtoolkit")
    own = {key: form.read(given[key], key) for key, form in FIELDS.items()}
    _check_values(own["params"], own["values"], own["name"])
    _check_rules(own["params"], given["quantities"])
    table = own.pop("table")
    scheme = Scheme(**own, **_steps(given["steps"], "steps"))
    _check_scalars(scheme)
    return scheme if table is None else scheme.with_table(table)


def _check_whole(record: Any) -> None:
    said = record.get("format") if isinstance(record, dict) else None
    if said != FORMAT:
        if isinstance(said, str) and re.fullmatch(rf"{KIND} [0-9]{{1,9}}", said):
            raise InputError(
                f"its format is {said!r}, and numtoolkit {__version__} reads {FORMAT!r}; take a newer one."
            )
        raise InputError(f"it does not say {FORMAT!r}; give what Scheme.to_json wrote.")
    try:
        whole = _digest({key: value for key, value in record.items() if key != "sha256"}) == record.get("sha256")
    except RecursionError:
        whole = False
    if not whole:
        raise InputError("it was changed since it was written: its sha256 does not match; write it anew.")


def _check_values(params: Sequence[Param], values: Sequence[tuple[str, Fraction]], name: str) -> None:
    known = {param.name: param for param in params}
    for key, value in values:
        if key not in known:
            raise InputError(f"values binds {key!r}, which is no parameter of {name}; write the scheme anew.")
        known[key].check(name, value)


def _check_rules(params: Sequence[Param], quantities: Sequence[tuple[str, str]]) -> None:
    known = {param.name for param in params}
    for key, rule in quantities:
        for need in NEEDS.get(rule, ()):
            if need not in known:
                raise InputError(f"{key} = {rule} needs the parameter {need}, which is not there; declare it.")


def _check_scalars(scheme: Scheme) -> None:
    """What a scheme does not check itself: the names in abscissae, tau and reference."""
    known = {p.name for p in scheme.params} | {name for name, _ in scheme.quantities} | {*scheme.fitted}
    found = [("reference", scheme.reference), ("tau", scheme.exact_scalar(scheme.tau))]
    for item in (item for step in scheme.layouts for item in step.items):
        found += [(f"the abscissa of {item.name}", item.at)] if isinstance(item, (Row, Eval)) else []
        found += [(f"the time told to {item.name}", item.network_time)] if isinstance(item, Eval) else []
    for place, entry in found:
        for name in sorted(symbols(entry) - known):
            if not re.fullmatch(r"r\d", name):
                raise InputError(f"{place} has {name!r}, which is neither a parameter nor a step quantity.")
