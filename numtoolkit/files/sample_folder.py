"""A folder of samples that can be filled in any number of runs: one specification, files of samples, a manifest.

Every file says which seeds it holds and which specification made it, so what is complete is read from the files
themselves; `manifest.json` repeats it for people, with a checksum of each file. A damaged file is moved aside and its
seeds are drawn again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import StorageError, brief, counted
from numtoolkit.files.storage import checksum, folder, read_json, read_npz, write_json, write_npz

MANIFEST = "manifest.json"
PATTERN = "samples-*.npz"


@dataclass(frozen=True)
class File:
    """A complete file: the seeds of its samples, in order, and its checksum."""

    seeds: tuple[int, ...] = field(repr=False)
    sha256: str


@dataclass(frozen=True)
class SampleFolder:
    """The complete samples in a folder.

    specification  what decides the samples, plain data; another one never enters the folder
    about          further facts for the manifest, such as versions of packages
    """

    path: Path
    specification: Mapping[str, Any]
    about: Mapping[str, Any]
    files: dict[str, File] = field(default_factory=dict)

    def __repr__(self) -> str:
        held = f"{counted(len(self.seeds), 'sample')} in {counted(len(self.files), 'file')}"
        return f"<SampleFolder {brief(str(self.path), 200)}: {held}>"

    @classmethod
    def open(
        cls,
        path: Path,
        specification: Mapping[str, Any],
        about: Mapping[str, Any],
        warn: Callable[[str], None] = lambda line: None,
    ) -> SampleFolder:
        """The folder, made if absent, with every file in it checked to its last byte.

        path           of the folder
        specification  what decides the samples; `about` are further facts for the manifest
        warn           told of a damaged file, which is moved aside
        raises   StorageError if it cannot be written to, or holds anything of another specification
        """
        folder(path)
        held = cls(path, specification, about)
        if (path / MANIFEST).exists():
            held._compare(read_json(path / MANIFEST))
        elif any(path.glob(PATTERN)):
            raise StorageError(f"{str(path)!r} holds samples without a {MANIFEST}; name another folder.")
        for file in sorted(path.glob(PATTERN)):
            held._admit(file, warn)
        if held.files:
            held._write_manifest()
        return held

    @property
    def seeds(self) -> set[int]:
        """The seeds whose samples are there."""
        return {seed for file in self.files.values() for seed in file.seeds}

    def missing(self, wanted: Iterable[int]) -> list[int]:
        """The wanted seeds whose samples are not there, in order."""
        there = self.seeds
        return [seed for seed in wanted if seed not in there]

    def add(self, seeds: Sequence[int], samples: NDArray[Any]) -> None:
        """Write the samples (len(seeds), *event) of seeds that were missing, as one file."""
        name = f"samples-{seeds[0]:08d}.npz"
        arrays = {"samples": samples, "seeds": np.array(seeds, np.int64), "specification": np.array(self._digest)}
        write_npz(self.path / name, arrays)
        self.files[name] = File(tuple(seeds), checksum(self.path / name))
        self._write_manifest()

    def read(self, seeds: Sequence[int]) -> NDArray[Any]:
        """The samples of these seeds, in their order."""
        wanted = set(seeds)
        rows: dict[int, NDArray[Any]] = {}
        for name, file in self.files.items():
            if wanted & set(file.seeds):
                rows |= dict(zip(file.seeds, read_npz(self.path / name)["samples"], strict=True))
        return np.stack([rows[seed] for seed in seeds])

    @property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self.specification, sort_keys=True).encode()).hexdigest()

    def _compare(self, manifest: Any) -> None:
        there = manifest.get("specification") if isinstance(manifest, dict) else None
        if not isinstance(there, dict):
            raise StorageError(f"{str(self.path / MANIFEST)!r} is no manifest of samples; name another folder.")
        for key in {**self.specification, **there}:
            ours, theirs = self.specification.get(key), there.get(key)
            if ours != theirs:
                raise StorageError(
                    f"{str(self.path)!r} holds samples with {key} {theirs!r}, not {ours!r}; name another folder."
                )

    def _admit(self, file: Path, warn: Callable[[str], None]) -> None:
        try:
            arrays = read_npz(file)
            seeds = tuple(int(seed) for seed in arrays["seeds"])
            whole = len(arrays["samples"]) == len(seeds) and str(arrays["specification"]) == self._digest
        except (StorageError, KeyError, TypeError):
            whole = False
        if whole:
            self.files[file.name] = File(seeds, checksum(file))
        else:
            file.rename(file.with_suffix(".damaged"))
            warn(f"{file} is damaged; it is now {file.with_suffix('.damaged').name}, and its samples are drawn again")

    def _write_manifest(self) -> None:
        files = {name: {"seeds": spans(f.seeds), "sha256": f.sha256} for name, f in sorted(self.files.items())}
        write_json(self.path / MANIFEST, {"specification": self.specification, **self.about, "files": files})


def spans(seeds: Iterable[int]) -> str:
    """Whole numbers in order as "0-63,70,80-95"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
