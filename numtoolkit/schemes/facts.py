"""What the engines derived of schemes, kept so that listing them computes nothing anew.

`facts.json` has the catalogue. It is written by `numtoolkit list --refresh`, and a test holds it against a fresh
derivation. What is derived of any other scheme is kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numtoolkit import __version__
from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.errors import InputError
from numtoolkit.files.storage import checksum, json_text, parse_json, read_json
from numtoolkit.files.user_cache import cached
from numtoolkit.schemes import catalogue

PATH = Path(__file__).with_name("facts.json")

Record = dict[str, Any]
UNKNOWN: Record = {
    "derived": dict.fromkeys(ORDERS),
    "verdict": "not analysed",
    "holds": "",
    "error_order": None,
    "error_term": {},
    "error_constant": None,
    "stable": {},
}


@cache
def facts() -> dict[str, Record]:
    """By name, a record of

    derived, verdict, holds     as `numtoolkit.symbolic.verdict` finds them
    error_order, error_term     the power of h of the first residuals, and these: tree -> exact value
    error_constant              {order, value, square} of `numtoolkit.symbolic.error_norm`, or None
    stable                      `numtoolkit.measure.stability.extents`, None where there is no bound
    """
    records: dict[str, Record] = read_json(PATH)
    return records


def derived(scheme: Scheme) -> Record:
    """The record of a catalogued scheme with no parameter bound; UNKNOWN for any other."""
    return facts().get(scheme.name, UNKNOWN) if scheme in catalogue() else UNKNOWN


def known(scheme: Scheme, derive: Callable[[Scheme], Record]) -> Record:
    """The record of any scheme: that of the catalogue, or one that was derived before, or is derived now.

    derive   derives it: `numtoolkit.measure.facts.derive`
    cost     that of `derive` the first time, of reading a file later; of a scheme that JSON cannot hold, for an axis or
             a rule of its own, that of `derive` every time
    """
    if scheme in catalogue():
        return derived(scheme)
    try:
        content = scheme.to_json()
    except InputError:
        record: Record = parse_json(json_text(derive(scheme)))
        return record
    # The committed table stands for the engines: a checkout whose engines find something else derives anew.
    key = {"scheme": hashlib.sha256(content.encode()).hexdigest(), "numtoolkit": __version__, "facts": checksum(PATH)}
    record = cached("facts", json.dumps(key), lambda: derive(scheme))
    return record
