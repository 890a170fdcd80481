"""What was computed before, kept in the user's cache folder; losing it costs time and nothing else.

The folder is $NUMTOOLKIT_CACHE, else $XDG_CACHE_HOME/numtoolkit, else ~/.cache/numtoolkit.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from numtoolkit.errors import StorageError
from numtoolkit.files.storage import folder, json_text, parse_json, read_json, write_json


def cache_folder(environment: Mapping[str, str] | None = None) -> Path | None:
    """The folder, which need not be there; None where nothing says where it is.

    environment   variables by name, by default those of this process; a variable that is empty counts as none, and so
                  does an XDG_CACHE_HOME that is no absolute path, as the XDG Base Directory Specification says
    """
    known = os.environ if environment is None else environment
    own, shared = known.get("NUMTOOLKIT_CACHE", ""), known.get("XDG_CACHE_HOME", "")
    try:
        if own:
            return Path(own).expanduser()
        return (Path(shared) if os.path.isabs(shared) else Path("~/.cache").expanduser()) / "numtoolkit"
    except RuntimeError:  # there is no home
        return None


def cached(kind: str, key: str, compute: Callable[[], Any]) -> Any:
    """The plain value that was kept under a key, or what `compute` gives, which is kept then.

    kind     of value, the name of its folder
    key      says all that decides the value
    compute  gives the value, plain data for JSON
    returns  the value as JSON reads it, the same whether it was kept or not. A file that cannot be read, is damaged or
             is of another key is replaced; where none can be written, nothing is kept
    """
    place = cache_folder()
    path = None if place is None else place / kind / f"{_digest(key)}.json"
    kept = _read(path, key)
    if kept is not None:
        return kept["value"]
    value = parse_json(json_text(compute()))
    if path is not None:
        with suppress(StorageError):
            folder(path.parent)
            write_json(path, _sealed(key, value))
    return value


def _read(path: Path | None, key: str) -> dict[str, Any] | None:
    """The record in a file, if it is whole and of the key."""
    if path is None:
        return None
    try:
        record = read_json(path)
    except StorageError:
        return None
    whole = isinstance(record, dict) and "value" in record and record == _sealed(key, record["value"])
    return record if whole else None


def _sealed(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "sha256": _digest(json.dumps([key, value])), "value": value}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
