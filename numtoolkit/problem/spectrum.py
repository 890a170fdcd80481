"""Spectra of data: in how many directions the data have which variance, about which mean, and which directions.

A spectrum is what a grid, a clock or a reference law knows of the data. It is made by `numtoolkit.spectrum_of` from a
law or a data set, by `numtoolkit.pilot` from a run of the network itself, or read from a file.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, host
from numtoolkit.errors import InputError, StorageError, brief, counted, text, whole
from numtoolkit.files.storage import Where, read_npz, write_npz

LARGEST = 1e18  # of a variance or a multiplicity: float64 cannot tell the rest from it
NEEDED, OPTIONAL = {"mean", "values", "multiplicity"}, {"basis", "source", "nfe_pilot"}
PILOT = "pilot"  # stands for the spectrum of a run of the network itself, which is made when the network is there
NO_PILOT = (
    "spectrum = pilot is that of a run of the network, which there is none of here; keep it first, by `numtoolkit "
    "spectrum --model M --save FILE.npz`, and give spectrum=FILE.npz."
)
TOLERANCE = 1e-6  # of the products of basis vectors, which a file may keep in float32


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The mean of data, and in how many directions their covariance has which eigenvalue.

    mean          (*event) of the data; a number where only scales matter
    values        (n,), the variances: eigenvalues of the covariance, one a group of directions
    multiplicity  (n,), how many directions each group has; by default one. Without a basis it need not be whole
    basis         None, or (d, r), orthonormal columns: the directions of the groups in order, coordinates flattened in
                  C order. r is d, or what the last group leaves: its directions are then all those orthogonal to the
                  others, in which the data are isotropic
    source        what it is the spectrum of, in words
    nfe_pilot     evaluations of the network, of each sample, that finding it took
    raises        InputError for negative or infinite values, shapes that do not fit, and a basis that is none
    """

    mean: Floats
    values: Floats
    multiplicity: Any = None
    basis: Any = None
    source: str = ""
    nfe_pilot: int = 0

    def __post_init__(self) -> None:
        values = _numbers("values", self.values)
        counts = np.ones_like(values) if self.multiplicity is None else self.multiplicity
        counts = _numbers("multiplicity", counts)
        if values.ndim != 1 or values.shape != counts.shape:
            raise InputError(
                f"values {values.shape} and multiplicity {counts.shape} of a spectrum differ in shape; give (n,) each."
            )
        for name, own in (("values", values), ("multiplicity", counts)):
            if own.min() < 0 or own.max() > LARGEST:
                raise InputError(
                    f"{name} of a spectrum hold {own.min():g} to {own.max():g}; give numbers from 0 to {LARGEST:g}."
                )
        if not counts.any():
            raise InputError("multiplicity of a spectrum is 0 throughout; give at least one direction.")
        mean = _numbers("mean", self.mean)
        if mean.ndim and mean.size != counts.sum():
            raise InputError(
                f"the mean of a spectrum has {mean.size} coordinates, but its values stand for {counts.sum():g} "
                "directions; give as many."
            )
        basis = None if self.basis is None else _basis(self.basis, counts)
        text("source", self.source)
        whole("nfe_pilot", self.nfe_pilot, 0)
        for name, array in (("mean", mean), ("values", values), ("multiplicity", counts), ("basis", basis)):
            object.__setattr__(self, name, array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spectrum) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        top, low = self.values.max() ** 0.5, self.values.min() ** 0.5
        of = f" of {brief(self.source, 80)}" if self.source else ""
        groups = f" in {counted(len(self.values), 'group')}" if len(self.values) != self.directions else ""
        return f"<Spectrum{of}: {self.directions:g} directions{groups}, deviations {top:.3g} to {low:.3g}>"

    def floored(self, floor: float) -> Floats:
        """The values, none below that of a deviation of `floor` times `deviation`: (n,)."""
        return np.maximum(self.values, (floor * self.deviation) ** 2)

    @property
    def directions(self) -> float:
        """How many there are, the dimension of the data."""
        return float(self.multiplicity.sum())

    @property
    def deviation(self) -> float:
        """Root of the mean variance of a direction, which is that of a coordinate: EDM's sigma_data."""
        return math.sqrt(float(self.values @ self.multiplicity) / self.directions)

    @cached_property
    def digest(self) -> str:
        """The word that names mean, values, multiplicities and basis."""
        parts = [self.mean, self.values, self.multiplicity, *([] if self.basis is None else [self.basis])]
        content = b"".join(repr(part.shape).encode() + part.astype("<f8").tobytes() for part in parts)
        return f"sha256-{hashlib.sha256(content).hexdigest()[:16]}"

    def reduced(self, rank: int) -> Spectrum:
        """The leading `rank` directions, and all others as one group, isotropic with their mean variance.

        raises   InputError for a rank that leaves nothing, and for a spectrum of groups, which has no single directions
        """
        count = len(self.values)
        whole("rank", rank, 0, count)
        if rank == count:
            return self
        if (self.multiplicity[:rank] != 1).any():
            raise InputError(f"a spectrum of groups has no {rank} leading directions; take that of the data.")
        rest = self.multiplicity[rank:]
        mean = float(self.values[rank:] @ rest / rest.sum()) if rest.sum() else 0.0
        return replace(
            self,
            values=np.append(self.values[:rank], mean),
            multiplicity=np.append(self.multiplicity[:rank], rest.sum()),
            basis=None if self.basis is None or not rank else self.basis[:, :rank],
        )

    def save(self, path: Where) -> Path:
        """Write it as an .npz file, whole or not at all.

        raises   InputError for another ending, StorageError where it cannot be written
        """
        if Path(path).suffix.lower() != ".npz":
            raise InputError(f"a spectrum is kept in an .npz file, not {str(path)!r}; end its name in .npz.")
        arrays = {"mean": self.mean, "values": self.values, "multiplicity": self.multiplicity}
        if self.basis is not None:
            arrays["basis"] = self.basis
        return write_npz(path, arrays | {"source": np.array(self.source), "nfe_pilot": np.array(self.nfe_pilot)})

    @classmethod
    def load(cls, path: Where, digest: str = "") -> Spectrum:
        """The spectrum in an .npz file, read as if it came from a stranger.

        digest   that it had, "" for any
        raises   StorageError for a file that cannot be read, holds no spectrum, or another one than that
        """
        arrays = read_npz(path)
        if not is_spectrum(arrays):
            there = ", ".join(sorted(arrays)) or "none"
            raise StorageError(
                f"cannot read a spectrum from {str(path)!r}: its keys are {there}; give one that `numtoolkit spectrum` "
                "or Spectrum.save wrote."
            )
        try:
            found = cls(
                arrays["mean"],
                arrays["values"],
                arrays["multiplicity"],
                arrays.get("basis"),
                str(arrays.get("source", "")),
                int(arrays.get("nfe_pilot", 0)),
            )
        except (InputError, TypeError, ValueError) as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise StorageError(f"cannot read a spectrum from {str(path)!r}: {reason}.") from None
        if digest and digest != found.digest:
            raise StorageError(
                f"{str(path)!r} holds the spectrum {found.digest} now, not {digest}; give the file of then, or drop it."
            )
        return found


def is_spectrum(arrays: Any) -> bool:
    """Whether the keys of an archive are those of a spectrum."""
    return NEEDED <= set(arrays) <= NEEDED | OPTIONAL


def spectrum_from(given: Any) -> Spectrum:
    """A spectrum that was given: as an object, by its file, or as (variances, multiplicities) alone.

    raises   InputError for what is none, StorageError for a file that cannot be used
    """
    if isinstance(given, Spectrum):
        return given
    if isinstance(given, str | os.PathLike):
        return Spectrum.load(given)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(
            f"spectrum = {brief(repr(given))} is no spectrum; give a Spectrum, its file or (variances, multiplicities)."
        )
    return Spectrum(np.zeros(()), *given)


def _numbers(name: str, value: Any) -> Floats:
    """A read-only float64 copy; raises InputError for what is empty, not real or not finite."""
    array = host(f"{name} of a spectrum", value)
    if array.dtype.kind not in "fiu" or not array.size:
        raise InputError(f"{name} of a spectrum has shape {array.shape} of {array.dtype}; give real numbers.")
    found = np.array(array, dtype=np.float64, order="C")
    if not np.isfinite(found).all():
        raise InputError(f"{name} of a spectrum holds NaN or infinity; give finite numbers.")
    found.flags.writeable = False
    return found


def _basis(value: Any, counts: Floats) -> Floats:
    """The columns, checked against how many directions there are."""
    found = _numbers("basis", value)
    if (counts != np.rint(counts)).any():
        raise InputError("a spectrum with a basis counts directions; give whole multiplicities.")
    whole_basis, led = int(counts.sum()), int(counts[:-1].sum())
    if found.ndim != 2 or found.shape[0] != whole_basis or found.shape[1] not in (led, whole_basis):
        raise InputError(
            f"basis of a spectrum has shape {found.shape}; give {(whole_basis, whole_basis)}, or {(whole_basis, led)} "
            "without the directions of the last group."
        )
    if np.abs(found.T @ found - np.eye(found.shape[1])).max() > TOLERANCE:
        raise InputError("basis of a spectrum is not orthonormal; give eigenvectors of length 1 as its columns.")
    return found
