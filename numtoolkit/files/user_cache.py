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

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import StorageError
from numtoolkit.files.storage import folder, json_text, parse_json, read_json, read_npz, write_json, write_npz

Arrays = Mapping[str, NDArray[Any]]

KEY = "key"  # the array of an entry that says what it is of


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
    return _kept(
        (kind, key, ".json"),
        _read,
        lambda: parse_json(json_text(compute())),
        lambda path, value: write_json(path, _sealed(key, value)),
    )


def kept_arrays(kind: str, key: str, compute: Callable[[], Arrays]) -> Arrays:
    """The arrays that were kept under a key, or those that `compute` gives, which are kept then.

    kind     of entry, the name of its folder
    key      says all that decides the arrays
    compute  gives arrays by name, none of them called "key"
    returns  the arrays by name. An entry that cannot be read, is damaged or is of another key is replaced; where none
             can be written, nothing is kept
    """
    return _kept(
        (kind, key, ".npz"),
        _read_arrays,
        compute,
        lambda path, arrays: write_npz(path, {**arrays, KEY: np.array(key)}),
    )


def _kept(
    of: tuple[str, str, str],
    read: Callable[[Path, str], tuple[Any] | None],
    compute: Callable[[], Any],
    store: Callable[[Path, Any], object],
) -> Any:
    """What `read` finds in the file of a (kind, key, ending), or what `compute` gives, which `store` puts there."""
    (kind, key, ending), place = of, cache_folder()
    path = None if place is None else place / kind / f"{_digest(key)}{ending}"
    found = None if path is None else read(path, key)
    if found is not None:
        return found[0]
    value = compute()
    if path is not None:
        with suppress(StorageError):
            folder(path.parent)
            store(path, value)
    return value


def _read(path: Path, key: str) -> tuple[Any] | None:
    """The value in a file, if it is whole and of the key."""
    try:
        record = read_json(path)
    except StorageError:
        return None
    whole = isinstance(record, dict) and "value" in record and record == _sealed(key, record["value"])
    return (record["value"],) if whole else None


def _read_arrays(path: Path, key: str) -> tuple[Arrays] | None:
    """The arrays in a file, if it is whole and of the key."""
    try:
        arrays = read_npz(path)
    except StorageError:
        return None
    own = arrays.pop(KEY, None)
    return (arrays,) if own is not None and own.shape == () and str(own) == key else None


def _sealed(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "sha256": _digest(json.dumps([key, value])), "value": value}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
