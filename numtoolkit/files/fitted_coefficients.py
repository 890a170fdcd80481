"""Tables of fitted coefficients: one value a step, good for one scheme on one grid of one process.

A table is a small JSON file, one record a step, that names what it was fitted for and carries its own digest.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, StorageError, brief, counted
from numtoolkit.files.storage import Where, read_json, write_json

FORMAT = "numtoolkit fitted coefficients 1"
CLOSE = 1e-9  # relative; grids made on different machines differ in the last digits only

Fact = str | int | float


@dataclass(frozen=True)
class FittedStep:
    """A step from process time `start` to `end`.

    values         of the table's names; 0 where the step has no such coefficient
    rank           directions of the coefficients that the batch tells apart
    base_residual  root mean square a coordinate of fine target minus base step, over the batch
    residual       that of fine target minus fitted step
    """

    start: float
    end: float
    values: tuple[float, ...]
    rank: int
    base_residual: float
    residual: float


@dataclass(frozen=True)
class FittedCoefficients:
    """Values of the fitted step quantities `names` of a scheme, and what they were fitted for.

    scheme, base, process, grid  specifications; `grid` is for people, the times of the steps are what counts
    network                      name of the network
    about                        how it was fitted: batch, target, ridge, cut
    """

    scheme: str
    base: str
    process: str
    grid: str
    network: str
    names: tuple[str, ...]
    steps: tuple[FittedStep, ...]
    about: Mapping[str, Fact]

    def __repr__(self) -> str:
        size = f"{counted(len(self.names), 'coefficient')}, {counted(len(self.steps), 'step')}"
        return f"<FittedCoefficients {brief(self.scheme, 80)} on {brief(self.process, 80)}: {size}>"

    @property
    def times(self) -> Floats:
        """The N + 1 process times of the grid."""
        return np.array([self.steps[0].start, *(step.end for step in self.steps)])

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of everything the table holds."""
        return hashlib.sha256(json.dumps(_record(self), sort_keys=True).encode()).hexdigest()

    def column(self, name: str, process: str, times: Floats) -> Floats:
        """The values of the quantity `name` at every step of a run at the N + 1 process times `times`, (N,).

        raises   InputError for a run on another process or grid than the table was fitted for
        """
        own = self.times
        if process != self.process:
            raise InputError(
                f"the table of {self.scheme} was fitted on process {self.process}, not {process}; fit anew."
            )
        if len(times) != len(own) or not np.allclose(times, own, rtol=CLOSE, atol=0):
            fitted, asked = (f"of {len(t) - 1} steps from t = {t[0]:g} to {t[-1]:g}" for t in (own, times))
            if fitted == asked:
                n = int(np.flatnonzero(~np.isclose(times, own, rtol=CLOSE, atol=0))[0])
                fitted, asked = (f"whose point {n} is t = {t[n]:g}" for t in (own, times))
            raise InputError(
                f"the table of {self.scheme} was fitted on grid {self.grid} {fitted}, not on one {asked}; fit anew."
            )
        return np.array([step.values[self.names.index(name)] for step in self.steps])


def write_fitted_coefficients(path: Where, table: FittedCoefficients) -> Path:
    """The table as a JSON file, written whole or not at all."""
    return write_json(path, record_of(table))


def read_fitted_coefficients(path: Where) -> FittedCoefficients:
    """The table in a file.

    raises   StorageError for a file that cannot be read, is no table, or was changed since it was written
    """
    return table_of(read_json(path), repr(str(path)))


def table_of(record: Any, what: str) -> FittedCoefficients:
    """The table that a record holds; `what` names the record where it is refused.

    raises   StorageError for one that is no table, or was changed since it was written
    """
    try:
        table = _table(record)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise StorageError(f"{what} is no table of fitted coefficients: {reason}; give one that fit wrote.") from None
    if record != record_of(table):
        raise StorageError(f"{what} was changed since it was written: its sha256 does not match; fit it anew.")
    return table


def record_of(table: FittedCoefficients) -> dict[str, Any]:
    """The table as plain data, as its file holds it."""
    return {"format": FORMAT, **_record(table), "sha256": table.digest}


def _record(table: FittedCoefficients) -> dict[str, Any]:
    """The table as plain data, the coefficients of a step beside its times."""
    steps = []
    for step in table.steps:
        record = asdict(step)
        values = dict(zip(table.names, record.pop("values"), strict=True))
        steps.append({"start": record.pop("start"), "end": record.pop("end"), **values, **record})
    texts = {key: getattr(table, key) for key in ("scheme", "base", "process", "grid", "network")}
    return {**texts, "about": dict(table.about), "names": list(table.names), "steps": steps}


def _table(record: Any) -> FittedCoefficients:
    """What a file holds; KeyError, TypeError or ValueError where it is no table."""
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"it does not say {FORMAT!r}")
    texts = {key: _text(record, key) for key in ("scheme", "base", "process", "grid", "network")}
    about, names, rows = record["about"], record["names"], record["steps"]
    if not (isinstance(about, dict) and all(isinstance(value, Fact) for value in about.values())):
        raise ValueError("about holds more than facts")
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise ValueError("names is no list of names")
    if not (isinstance(rows, list) and rows):
        raise ValueError("steps is no list of steps")
    steps = tuple(_step(row, names) for row in rows)
    ends = [steps[0].start, *(step.end for step in steps)]
    if any(a != step.start for a, step in zip(ends, steps, strict=False)) or not (np.diff(ends) < 0).all():
        raise ValueError("its times do not fall from step to step")
    return FittedCoefficients(**texts, names=tuple(names), steps=steps, about=about)


def _step(row: Any, names: list[str]) -> FittedStep:
    numbers = {key: _number(row, key) for key in ("start", "end", "rank", "base_residual", "residual")}
    return FittedStep(
        float(numbers["start"]),
        float(numbers["end"]),
        tuple(float(_number(row, name)) for name in names),
        int(numbers["rank"]),
        float(numbers["base_residual"]),
        float(numbers["residual"]),
    )


def _text(record: dict[str, Any], key: str) -> str:
    if not isinstance(record[key], str):
        raise ValueError(f"{key} is no text")
    return str(record[key])


def _number(row: dict[str, Any], key: str) -> float:
    value = row[key]
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{key} = {value!r} is no number")
    return value
