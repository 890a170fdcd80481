"""What to take before anything is measured: a rule and a published default, as they were judged blind.

The rule and its figures are those of `experiments/judging.toml`, which `python analysis/judging.py keep` writes
into `judged.json` once it has been run: of every group its rows, its default and how the two compare on networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from numtoolkit.errors import choice, several, whole
from numtoolkit.files.storage import read_json
from numtoolkit.limits import MOST_NFE
from numtoolkit.measure.candidates import SCALE, SPECTRUM
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import PILOT

KEPT = Path(__file__).with_name("judged.json")
DEVIATION = "0.5"  # of data of which nothing is known, where a grid is told one
LEADING = {"ode": "path", "sde": "law"}  # quantity that ratios are of


@cache
def _kept() -> dict[str, Any]:
    found: dict[str, Any] = read_json(KEPT)
    return found


def judged(
    process: str | Process = "edm", nfe: int | Iterable[int] = (5, 8, 10, 15, 20, 30, 50, 100), dynamics: str = "ode"
) -> list[dict[str, Any]]:
    """The scheme and grid for a network of which nothing is known, and for one that a pilot run is spent on.

    process   of whose kind they are
    nfe       budgets of network evaluations
    dynamics  "ode", or "sde" for schemes with noise
    returns   two records a budget, {nfe, known, scheme, grid, quantity, judged_at, mean, least, most, ahead, of}:
              `known` is "a pilot run", whose spectrum scheme and grid are told ("spectrum=pilot"), with the geometric
              mean over the judged networks of its errors over those of the other, the least and the most of them, and
              in how many it was ahead, at the largest judged budget that is not above it, or the least one; or
              "nothing", with None for these
    raises    InputError for a process, a budget or a dynamics that there is not
    """
    on, group = process_of(process), choice("dynamics", dynamics, tuple(LEADING))
    asked = several("nfe", nfe) if isinstance(nfe, Iterable) else [nfe]
    (own,) = (g for g in _kept()["groups"] if (g["kind"], g["dynamics"]) == (on.kind.name, group))
    return [record for each in asked for record in _records(own, whole("nfe", each, 1, MOST_NFE))]


def _records(own: dict[str, Any], nfe: int) -> list[dict[str, Any]]:
    row = [r for r in own["rule"] if r["first"] <= nfe][-1]
    quantity = LEADING[own["dynamics"]]
    over = {int(n): ratios for n, ratios in own["over"][quantity].items()}
    at = max((n for n in over if n <= nfe), default=min(over))
    told = {
        "quantity": quantity, "judged_at": at, "mean": math.exp(sum(map(math.log, over[at])) / len(over[at])),
        "least": min(over[at]), "most": max(over[at]), "ahead": sum(ratio <= 1 for ratio in over[at]),
        "of": len(over[at]),
    }  # fmt: skip
    pilot = {"nfe": nfe, "known": "a pilot run", **_pair(row)} | told
    return [pilot, {"nfe": nfe, "known": "nothing", **_pair(own["default"])} | dict.fromkeys(told)]


def _pair(row: dict[str, str]) -> dict[str, str]:
    return {key: row[key].replace(SCALE, DEVIATION).replace(SPECTRUM, PILOT) for key in ("scheme", "grid")}
