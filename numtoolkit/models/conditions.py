"""Conditions: what a network is told of each sample beside its state and the time, such as labels or embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Array, host, library
from numtoolkit.errors import InputError, counted, typed

Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # what follows z and t: by place, by name


@dataclass(frozen=True, eq=False)
class Conditions:
    """What each sample of a batch is conditioned on, or what one thing all samples are conditioned on.

    given  one entry a sample along the first axis of an array or tensor, or in a list; or a dict of such, by the name
           that the network knows each by. Of a list of numbers, of arrays of one shape or of lists of numbers of one
           shape the network sees one array, of any other the list
    same   whether `given` is instead one entry that stands for every sample: a number, an array, None, anything
    """

    given: Any
    same: bool = False

    def __repr__(self) -> str:
        return f"<Conditions: {'one of all samples' if self.same else counted(len(self), 'sample')}>"

    def __post_init__(self) -> None:
        if self.same:
            return
        values = self.given.values() if isinstance(self.given, dict) else [self.given]
        if not values:
            raise InputError("conditions is an empty dict; give one entry a sample under each name, or leave it out.")
        for value in values:
            _length(value)
        lengths = {name: _length(value) for name, value in self._named().items()}
        if len({*lengths.values()}) > 1:
            said = ", ".join(f"{length} of {name}" for name, length in lengths.items())
            raise InputError(f"conditions hold {said}; give one of each a sample.")

    def __len__(self) -> int:
        return _length(next(iter(self._named().values())))

    def rows(self, rows: Sequence[int]) -> Conditions:
        """Those of the samples `rows`, in that order; of arrays a copy."""
        if self.same:
            return self
        cut = {name: _rows(value, rows) for name, value in self._named().items()}
        return Conditions(cut if isinstance(self.given, dict) else cut["conditions"])

    def beside(self, seen: Array) -> Arguments:
        """What a network is given after the batch `seen` and its time: arrays in its library and on its device.

        raises   InputError for another number of samples
        """
        if not self.same and len(self) != len(seen):
            raise InputError(
                f"there are conditions of {counted(len(self), 'sample')} for a batch of {len(seen)}; give one a sample."
            )
        put = _repeated if self.same else _put
        named = {name: put(value, seen) for name, value in self._named().items()}
        return ((), named) if isinstance(self.given, dict) else ((named["conditions"],), {})

    def about(self) -> dict[str, Any]:
        """What it is, ready for JSON: by name the size, and the SHA-256 of numbers and texts, None of other things."""
        return {name: _about(value) for name, value in self._named().items()}

    def labels(self) -> NDArray[np.int64] | None:
        """(samples,), whole numbers in the order of their first sample, one for those that are told the same.

        None where one entry stands for every sample.
        """
        if self.same:
            return None
        told = zip(*([_told(entry) for entry in value] for value in self._named().values()), strict=True)
        known: dict[tuple[str | bytes, ...], int] = {}
        return np.array([known.setdefault(entry, len(known)) for entry in told], dtype=np.int64)

    def _named(self) -> dict[str, Any]:
        return self.given if isinstance(self.given, dict) else {"conditions": self.given}


def conditions_of(given: Any, count: int) -> Conditions | None:
    """What was given as conditions of a batch of `count` samples, checked; None stays None.

    raises   InputError for what is neither an array, a list nor a dict of such, or has another length
    """
    if given is None:
        return None
    own = given if isinstance(given, Conditions) else Conditions(given)
    if not own.same and len(own) != count:
        raise InputError(f"there are {len(own)} conditions for {counted(count, 'sample')}; give one a sample.")
    return own


def _length(value: Any) -> int:
    if library(value) is None and (isinstance(value, (str, bytes, dict)) or not isinstance(value, Sequence)):
        raise InputError(f"conditions hold {typed(value)}; give an array or a list with one entry a sample.")
    if library(value) is not None and not value.ndim:
        raise InputError("conditions hold an array of one number without an axis; give one entry a sample.")
    return len(value)


def _rows(value: Any, rows: Sequence[int]) -> Any:
    return value[list(rows)] if library(value) is not None else [value[i] for i in rows]


def _put(value: Any, seen: Array) -> Any:
    """What is or makes an array, in the library of `seen` and on its device, else the list; its dtype is its own."""
    stacked = value if library(value) is not None else _stacked(value)
    if stacked is None:
        return value
    if library(seen) is np:
        return host("conditions", stacked)
    return library(seen).as_tensor(stacked, device=seen.device)


def _stacked(entries: Sequence[Any]) -> Any:
    """A list that makes one array of numbers: as it is, of arrays of one shape as an array; None for any other."""
    libraries = {library(entry) for entry in entries}
    if libraries and None not in libraries:
        alike = len(libraries) == 1 and len({(tuple(entry.shape), entry.dtype) for entry in entries}) == 1
        return libraries.pop().stack(list(entries)) if alike else None
    if not all(isinstance(entry, Number | list | tuple) for entry in entries):
        return None
    try:
        kind = np.array(entries).dtype.kind
    except ValueError:  # of several lengths
        return None
    return list(entries) if kind in "biufc" else None


def _repeated(value: Any, seen: Array) -> Any:
    """One entry as often as `seen` has samples; None, for a network that is told of no condition, as it is."""
    if value is None:
        return None
    if library(value) is None:
        return _put([value] * len(seen), seen)
    one = _put(value, seen)
    shape = (len(seen), *one.shape)
    return np.broadcast_to(one, shape) if library(one) is np else one.expand(shape)


def _told(entry: Any) -> str | bytes:
    """What tells an entry from others."""
    return repr(entry) if library(entry) is None else host("conditions", entry).tobytes()


def _about(value: Any) -> dict[str, Any]:
    digest = hashlib.sha256()
    if library(value) is not None:
        own = np.ascontiguousarray(host("conditions", value))
        digest.update(f"{own.dtype.str}{own.shape}".encode() + own.tobytes())
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest.hexdigest()}
    entries = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    plain = all(entry is None or isinstance(entry, (str, bytes, int, float)) for entry in entries)
    digest.update(repr(entries).encode())
    return {"entries": len(entries), "sha256": digest.hexdigest() if plain else None}
