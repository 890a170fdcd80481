"""A scheme as JSON: plain data, exact numbers and entries as text, rules by name. Reading it executes nothing.

Each part of a scheme has a `Form`, which writes it as plain data and reads it back; `FIELDS` has those of a scheme. A
record says its format, the version that wrote it and the SHA-256 of all the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit import __version__
from numtoolkit.declare.entries import Entry, operators
from numtoolkit.declare.entry_text import MOST_DIGITS, parse_entry
from numtoolkit.declare.scheme import END_LEVEL, LEVEL, ORDERS, Claims, Param, Scheme, StepQuantity
from numtoolkit.declare.steps import Eval, Item, Noise, Row, Step, Steps
from numtoolkit.errors import InputError, StorageError, typed, unknown
from numtoolkit.files import fitted_coefficients
from numtoolkit.files.fitted_coefficients import FittedCoefficients
from numtoolkit.files.storage import Where, json_text, parse_json, read_json, write
from numtoolkit.problem.clocks import CLOCKS
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.kinds import KINDS
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.rules import NEEDS, RULES
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.spec_text import HUGE

KIND = "numtoolkit scheme"
FORMAT = f"{KIND} 1"
WORDS = ("family", "source", "aliases", "claims", "companions")  # fields that change no run
LONGEST, HIGHEST = 2000, 99  # characters of a text, whole numbers: orders, steps


def to_json(scheme: Scheme) -> str:
    """The scheme as the text of its file, which `from_json` reads to an equal scheme.

    raises   InputError for an axis value or a rule of one's own, which has no name in use, and for whatever
             `from_json` would refuse
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
    shown = f"{typed(value)}" if isinstance(value, (dict, list)) else repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return InputError(f"{where} is {shown}, not {wanted}; write the scheme anew.")


def one_of(kind: str, names: Collection[str]) -> Form:
    """One of some names; `kind` says of what."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise _wrong(where, value, f"the name of a {kind}")
        if value not in names:
            raise InputError(f"{where}: {unknown(kind, value, names)}")
        return value

    return Form(str, read)


def named(kind: str, table: Mapping[str, Any], home: str) -> Form:
    """An object of some kind as its name in a table of those in use, called `home`; any other is refused."""
    names = one_of(kind, table)

    def write(part: Any) -> str:
        _check_in_use(kind, part, table, home)
        return str(part.name)

    return Form(write, lambda value, where: table[names.read(value, where)])


def _check_in_use(kind: str, part: Any, table: Mapping[str, Any], home: str) -> None:
    if table.get(part.name) != part:
        raise InputError(f"the {kind} {part.name} is not among those in use, whose names files give; add it to {home}.")


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


def record(
    build: Callable[..., Any], *, later: Collection[str] = (), unsaid: Collection[str] = (), **forms: Form
) -> Form:
    """An object that `build` makes of these fields, as JSON's object of the same keys, all of them and no other.

    forms   of the fields
    later   keys that files of earlier versions lack: the field is then as `build` has it by default
    unsaid  such keys that are left out where the field is None, so that what says nothing of it stays the same text
    """

    def read(value: Any, where: str) -> Any:
        lacking = [key for key in (*later, *unsaid) if isinstance(value, dict) and key not in value]
        given = _keys(value, where, [key for key in forms if key not in lacking])
        return build(**{key: forms[key].read(given[key], f"{where}.{key}") for key in given})

    def write(part: Any) -> dict[str, Any]:
        said = {key: getattr(part, key) for key in forms}
        return {key: forms[key].write(own) for key, own in said.items() if own is not None or key not in unsaid}

    return Form(write, read)


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


def _entry_text(entry: Entry) -> str:
    for operator in operators(entry):
        _check_in_use("operator", operator, OPERATORS, "numtoolkit.problem.operators.OPERATORS")
    return str(entry)


def _rule(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return RULE_ENTRY.read(value, where)
    return OLD_RULES[value] if isinstance(value, str) and value in OLD_RULES else RULES[RULE_NAME.read(value, where)]


def _rule_text(rule: Any) -> Any:
    return RULE_ENTRY.write(rule) if isinstance(rule, Entry) else _rule_name(rule)


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


def _spectrum_record(spectrum: Spectrum) -> dict[str, Any]:
    arrays = {key: np.asarray(getattr(spectrum, key)).tolist() for key in ARRAYS}
    return arrays | {"source": spectrum.source, "nfe_pilot": spectrum.nfe_pilot}


def _spectrum(value: Any, where: str) -> Spectrum:
    own = _keys(value, where, (*ARRAYS, "source", "nfe_pilot"))
    try:
        return Spectrum(**own)
    except (InputError, TypeError, ValueError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(f"{where} is no spectrum: {reason}; write the scheme anew.") from None


def _item(value: Any, where: str) -> Item:
    if not (isinstance(value, dict) and isinstance(value.get("kind"), str)):
        raise _wrong(where, value, "an object with a kind")
    kind = one_of("kind of item", ITEMS).read(value["kind"], f"{where}.kind")
    own: Item = ITEMS[kind][1].read({key: part for key, part in value.items() if key != "kind"}, where)
    return own


def _item_record(item: Item) -> dict[str, Any]:
    kind, form = next((kind, form) for kind, (own, form) in ITEMS.items() if isinstance(item, own))
    return {"kind": kind, **form.write(item)}


ARRAYS = ("mean", "values", "multiplicity", "basis")  # of a spectrum


def _text(value: Any, where: str) -> str:
    if not (isinstance(value, str) and len(value) <= LONGEST and value.isprintable()):
        raise _wrong(where, value, "a printable text")
    return value


# --- the forms of a scheme

TEXT, WHOLE, TRUTH = Form(str, _text), Form(int, _whole), Form(bool, _truth)
NUMBER, ENTRY = Form(str, _number), Form(_entry_text, _entry)
RULE_NAME = one_of("rule", RULES)
OLD_RULES = {"fall_of_noise": END_LEVEL / LEVEL}  # names of earlier versions, and what they stood for
RULE_ENTRY = Form(
    lambda rule: {"entry": ENTRY.write(rule)},
    lambda value, where: ENTRY.read(_keys(value, where, ("entry",))["entry"], f"{where}.entry"),
)
RULE = Form(_rule_text, _rule)
ROW = record(Row, name=TEXT, at=ENTRY, terms=pairs(TEXT, ENTRY))
ITEMS: dict[str, tuple[type[Item], Form]] = {
    "row": (Row, ROW),
    "evaluation": (
        Eval,
        record(Eval, later=("unguided",), name=TEXT, of=TEXT, at=ENTRY, network_time=ENTRY, unguided=TEXT),
    ),
    "noise": (Noise, record(Noise, name=TEXT, covariance=ENTRY)),
}
STEP = record(Step, items=many(Form(_item_record, _item)), out=TEXT, carry=pairs(TEXT, TEXT))
PARAM = record(
    Param, name=TEXT, default=NUMBER, low=maybe(NUMBER), high=maybe(NUMBER), open=TRUTH, meaning=TEXT, free=TRUTH
)
QUANTITY = record(
    StepQuantity, later=("expansion",), name=TEXT, rule=RULE, sentence=TEXT, letter=TEXT, expansion=maybe(ENTRY)
)
CLAIMS = record(
    Claims,
    later=("sde_marginal",),
    unsaid=("companion",),
    **dict.fromkeys(ORDERS, maybe(WHOLE)),
    refuted=many(one_of("claim", ORDERS)),
)
TAU = Form(
    lambda tau: ENTRY.write(tau) if isinstance(tau, Entry) else tau,
    lambda value, where: (WHOLE if isinstance(value, int) else ENTRY).read(value, where),
)
TABLE = Form(fitted_coefficients.record_of, _table)
SPECTRUM = Form(
    lambda told: told if isinstance(told, str) else _spectrum_record(told),
    lambda value, where: TEXT.read(value, where) if isinstance(value, str) else _spectrum(value, where),
)


def _places(steps: Sequence[Step]) -> dict[str, Form]:
    """The fields of `Steps`, each step as its number among the distinct ones."""

    def read(value: Any, where: str) -> Step:
        number = _whole(value, where)
        if number >= len(steps):
            raise _wrong(where, value, f"the number of a step, from 0 to {len(steps) - 1}")
        return steps[number]

    step = Form(lambda own: steps.index(own), read)
    return {
        "inner": step,
        "start": many(step),
        "final": many(step),
        "final_to_zero": maybe(step),
        "remainder": many(many(step)),
    }


def _steps_record(steps: Steps) -> dict[str, Any]:
    """The distinct steps, and where each of them stands."""
    distinct = steps.distinct
    own = {key: form.write(getattr(steps, key)) for key, form in _places(distinct).items()}
    return {"distinct": [STEP.write(step) for step in distinct], **own}


def _steps(value: Any, where: str) -> Steps:
    given = _keys(value, where, ("distinct", *_places(())))
    places = _places(many(STEP).read(given["distinct"], f"{where}.distinct"))
    return Steps(**{key: form.read(given[key], f"{where}.{key}") for key, form in places.items()})


FIELDS = {
    "name": TEXT,
    "family": TEXT,
    "source": TEXT,
    "frozen": named("frozen quantity", FROZEN, "numtoolkit.problem.frozen.FROZEN"),
    "clock": named("clock", CLOCKS, "numtoolkit.problem.clocks.CLOCKS"),
    "kinds": many(named("kind of process", KINDS, "numtoolkit.problem.kinds.KINDS")),
    "tau": TAU,
    "tau_between": many(TEXT),
    "reference": ENTRY,
    "params": many(PARAM),
    "values": pairs(TEXT, NUMBER),
    "quantities": many(QUANTITY),
    "claims": CLAIMS,
    "aliases": many(TEXT),
    "structure": pairs(TEXT, TEXT),
    "fitted": many(TEXT),
    "base": TEXT,
    "table": maybe(TABLE),
    "steps": Form(_steps_record, _steps),
    "companions": many(ROW),
    "spectrum": maybe(SPECTRUM),
    "matched": maybe(NUMBER),
}
UNSAID = (
    "companions",
    "spectrum",
    "matched",
)  # fields left out where they are empty, as in earlier files


# --- records


def _record(scheme: Scheme) -> dict[str, Any]:
    own = _fields(scheme)
    content = {"format": FORMAT, "numtoolkit": __version__, **own}
    return content | {"sha256": _digest(content)}


def _fields(scheme: Scheme, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a scheme as plain data."""
    own = {key: getattr(scheme, key) for key in FIELDS if key not in without}
    return {key: FIELDS[key].write(value) for key, value in own.items() if value or key not in UNSAID}


def digest(scheme: Scheme, without: Collection[str] = WORDS) -> str:
    """SHA-256, in hexadecimal, of a declaration as a file has it: of what a run of it does, by default.

    without  fields of the record that say nothing of it
    raises   InputError for an axis value or a rule of one's own, which has no name in use
    """
    try:
        return _digest(_fields(scheme, without))
    except InputError as error:
        raise InputError(f"a result of scheme {scheme.name} cannot be kept: {error}") from None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _scheme(record: Any) -> Scheme:
    """The scheme of a record; InputError where it is damaged, or says what no scheme can."""
    _check_whole(record)
    fields = {key: form for key, form in FIELDS.items() if key not in UNSAID or key in record}
    given = _keys(record, "the record", ("format", "numtoolkit", *fields, "sha256"))
    TEXT.read(given["numtoolkit"], "numtoolkit")
    own = {key: form.read(given[key], key) for key, form in fields.items()}
    _check_values(own["params"], own["values"], own["name"])
    _check_rules(own["params"], own["quantities"])
    table, spectrum, matched = own.pop("table"), own.pop("spectrum", None), own.pop("matched", None)
    scheme = Scheme(**own)
    scheme = scheme if spectrum is None else scheme.with_spectrum(spectrum)
    scheme = scheme if matched is None else scheme.with_matched(matched)
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


def _check_rules(params: Sequence[Param], quantities: Sequence[StepQuantity]) -> None:
    known = {param.name for param in params}
    for quantity in quantities:
        if isinstance(quantity.rule, Entry):
            continue
        rule = _rule_name(quantity.rule)
        for need in NEEDS.get(rule, ()):
            if need not in known:
                raise InputError(
                    f"{quantity.name} = {rule} needs the parameter {need}, which is not there; declare it."
                )
