"""What the engines derived of each catalogued scheme, kept so that listing the catalogue computes nothing anew.

`facts.json` is written by `numtoolkit list --refresh`, and a test holds it against a fresh derivation.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.files.storage import read_json
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
