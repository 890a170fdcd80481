"""Dataclasses from tables of plain data, such as TOML and JSON hold, checked key by key."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from numtoolkit.errors import InputError, StorageError, brief, unknown
from numtoolkit.files.storage import Where

Made = TypeVar("Made")


def read_table(path: Where) -> dict[str, Any]:
    """The table of a TOML file.

    raises   StorageError for a file that cannot be read or is no TOML
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"cannot read {str(path)!r}: {error}; mend or remove it.") from None


def filled(kind: type[Made], table: Any, what: str) -> Made:
    """The dataclass `kind` of a table of its fields, each of the type that it is declared with.

    kind     of fields that are texts, numbers, truths, tuples of such, tables of them by key, or dataclasses; Any takes
             what a file can hold
    table    what a file says, key by key
    what     names it in refusals
    raises   InputError for another key, a missing one, and a value of another type
    """
    hints = get_type_hints(kind)
    if not isinstance(table, dict):
        raise InputError(f"{what} = {table!r} is no table; give one with the keys {', '.join(hints)}.")
    for key in table:
        if key not in hints:
            raise unknown("key", key, hints)
    for needed in fields(kind):  # type: ignore[arg-type]
        if needed.default is needed.default_factory is MISSING and needed.name not in table:
            raise InputError(f"{what} needs the key {needed.name!r}; add it.")
    return kind(**{key: _value(value, hints[key], key) for key, value in table.items()})


def _value(value: Any, kind: Any, what: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{what} = {value!r} is no list; give one.")
        return tuple(_value(item, get_args(kind)[0], what) for item in value)
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise InputError(f"{what} = {brief(repr(value))} is no table; give one.")
        return {key: _value(item, get_args(kind)[1], f"{what}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if is_dataclass(kind):
        return filled(kind, value, what)  # type: ignore[arg-type]
    if kind is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is not kind:
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{what} = {brief(repr(value))} is not {names[kind]}; give one.")
    if kind is float and not isfinite(value):
        raise InputError(f"{what} = {value} is no finite number; give one.")
    return value
