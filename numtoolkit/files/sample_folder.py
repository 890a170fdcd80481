"""A folder of samples that can be filled in any number of runs: one specification, files of samples, a manifest.

Every file says which seeds it holds, which specification and versions made it, and the checksum of all that; so what is
complete is read from the files themselves, and a run that was killed anywhere goes on where it stopped.
`manifest.json` repeats it for people and says which files there should be, with the checksum of each. It is written
before the first samples are, when the folder is opened and when it is closed.

A file that is damaged, changed, of another run, or holds what cannot be is set aside under another name, with a
sentence, and what is missing then is drawn again.

Several runs may fill a folder at once, each a shard of it: files of one tile size are the same whichever of them draws
them. Whoever opens or closes the folder merges what the others have written into the manifest, one at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, StorageError, brief, counted
from numtoolkit.files.storage import (
    checksum,
    claimed,
    json_text,
    locked,
    read_json,
    read_npz,
    set_aside,
    tidy,
    write,
    write_npz,
)

MANIFEST = "manifest.json"
PATTERN = "samples-*.npz"
KEYS = {"samples", "seeds", "specification", "about", "sha256"}  # of the arrays of a file

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class File:
    """A complete file: the seeds of its samples, in order, its checksum, and facts of the run that wrote it."""

    seeds: tuple[int, ...] = field(repr=False)
    sha256: str
    about: Facts = field(repr=False)


@dataclass(frozen=True)
class SampleFolder:
    """The complete samples in a folder that is open, to this run alone or to the shards of one.

    specification  what decides the samples, plain data; another one never enters the folder
    about          further facts of this run for the manifest, such as versions of packages
    shape, dtype   of one sample, the dtype by its name
    shared         whether other shards may write to it meanwhile
    files, seeds   those whose samples are there, as far as is known here
    """

    path: Path
    specification: Facts
    about: Facts
    shape: tuple[int, ...]
    dtype: str
    shared: bool = False
    files: dict[str, File] = field(default_factory=dict)
    seeds: set[int] = field(default_factory=set)

    def __repr__(self) -> str:
        held = f"{counted(len(self.seeds), 'sample')} in {counted(len(self.files), 'file')}"
        return f"<SampleFolder {brief(str(self.path), 200)}: {held}>"

    @classmethod
    @contextmanager
    def open(
        cls,
        path: Path,
        specification: Facts,
        about: Facts,
        shape: tuple[int, ...],
        dtype: str,
        warn: Callable[[str], None] = lambda line: None,
        shard: tuple[int, int] | None = None,
    ) -> Iterator[SampleFolder]:
        """The folder, made if absent, with every file in it checked to its last byte; a context, which locks it.

        path           of the folder
        specification  what decides the samples; `about` are further facts of this run for the manifest
        shape, dtype   of one sample, the dtype by its name, "float64"
        warn           told of a file that is set aside, and of one that is gone
        shard          (i, n), the i-th of n runs that may have it open at once; None, one that has it alone
        raises   StorageError if it cannot be written to, is open elsewhere, or holds anything of another specification
        """
        with _alone(path) if shard is None else _among_shards(path, *shard):
            held = cls(path, specification, about, shape, dtype, shard is not None)
            with held._manifest_alone():
                held._take_up(warn)
            try:
                yield held
            finally:
                with held._manifest_alone():
                    if held.shared:
                        held._take_up(warn)
                    elif held.files:
                        held._write_manifest()

    def missing(self, wanted: Iterable[int]) -> list[int]:
        """The wanted seeds whose samples are not there, in order."""
        return [seed for seed in wanted if seed not in self.seeds]

    def add(self, seeds: Sequence[int], samples: NDArray[Any]) -> None:
        """Write the samples (len(seeds), *shape) of seeds that were missing, as one file.

        A file that a run of other shards has written meanwhile stays as it is.
        raises   InputError for what no later run would take up, StorageError where it cannot be written
        """
        with claimed(self.path / _name(seeds), wait=True) if self.shared else nullcontext():
            self._add(seeds, samples)

    def read(self, seeds: Sequence[int]) -> NDArray[Any]:
        """The samples of these seeds, in their order.

        raises   StorageError for a file that has changed since it was checked
        """
        rows: dict[int, NDArray[Any]] = {}
        for own, samples in self.tiles(seeds):
            rows |= dict(zip(own, samples, strict=True))
        return np.stack([rows[seed] for seed in seeds])

    def tiles(self, seeds: Iterable[int]) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
        """The seeds and samples of each file that holds some of these seeds, one file in memory at a time.

        raises   StorageError for a file that has changed since it was checked
        """
        wanted = set(seeds)
        for name, file in sorted(self.files.items()):
            if not wanted.isdisjoint(file.seeds):
                samples = read_npz(self.path / name)["samples"]
                if checksum(self.path / name) != file.sha256:
                    raise StorageError(f"{str(self.path / name)!r} has changed while it was open; run again.")
                yield file.seeds, samples

    def _enter(self, name: str, file: File) -> None:
        self.files[name] = file
        self.seeds.update(file.seeds)

    def _manifest_alone(self) -> AbstractContextManager[object]:
        """While no other shard writes the manifest, or sets a file aside."""
        return claimed(self.path / MANIFEST, wait=True) if self.shared else nullcontext()

    def _add(self, seeds: Sequence[int], samples: NDArray[Any]) -> None:
        path, own = self.path / _name(seeds), np.array(seeds, np.int64)
        about = json.dumps(self.about)
        if self.shared and path.exists() and path.name not in self.files:
            there = self._judged(path, None)
            if isinstance(there, File) and there.seeds == tuple(seeds):
                return self._enter(path.name, there)
        fault = "is there already" if path.exists() else self._fault(path.name, samples, own)
        if fault:
            raise InputError(f"a file of samples {fault}; add samples of this folder that it lacks.")
        if not self.files:
            with self._manifest_alone():
                if not (self.shared and (self.path / MANIFEST).exists()):  # another shard's, which says more
                    self._write_manifest()
        sealed = _seal(samples, own, self._digest, about)
        write_npz(path, {"samples": samples, "seeds": own, "specification": np.array(self._digest),
                         "about": np.array(about), "sha256": np.array(sealed)})  # fmt: skip
        self._enter(path.name, File(tuple(seeds), checksum(path), self.about))

    @property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self.specification, sort_keys=True).encode()).hexdigest()

    def _take_up(self, warn: Callable[[str], None]) -> None:
        """Every file that can be trusted and is not taken up yet, those of the manifest first; the others set aside."""
        listed = self._listed()
        for name in sorted(listed.keys() - {path.name for path in self.path.glob(PATTERN)}):
            warn(f"{self.path / name} is gone; what is missing is drawn again")
        there = (path for path in self.path.glob(PATTERN) if path.name not in self.files)
        for path in sorted(there, key=lambda path: (path.name not in listed, path.name)):
            found = self._judged(path, listed.get(path.name))
            if isinstance(found, File):
                self._enter(path.name, found)
            else:
                aside = set_aside(path)
                warn(f"{path} {found}; it is now {aside.name}, and what is missing is drawn again")
        if self.files or listed:
            self._write_manifest()

    def _listed(self) -> dict[str, File]:
        """The files that the manifest names; those without one, if all are of this specification, name themselves."""
        if (self.path / MANIFEST).exists():
            manifest = read_json(self.path / MANIFEST)
            self._compare(manifest)
            return _files(manifest)
        for path in self.path.glob(PATTERN):
            if self._stranger(path):
                raise StorageError(
                    f"{str(self.path)!r} holds samples of another run without its {MANIFEST}; name another folder."
                )
        return {}

    def _stranger(self, path: Path) -> bool:
        try:
            return str(read_npz(path)["specification"]) != self._digest
        except (StorageError, KeyError):
            return False  # of nobody: it will be set aside

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

    def _judged(self, path: Path, listed: File | None) -> File | str:
        """What a file holds, or why it is not taken up: `listed` is what the manifest says of it."""
        try:
            arrays, sha256 = read_npz(path), checksum(path)
            own, samples, seeds = str(arrays["specification"]), arrays["samples"], arrays["seeds"]
            about = listed.about if listed is not None else {}
            if own != self._digest:
                return "is of another run"
            if listed is not None and listed.sha256 != sha256:
                return f"is not the file that {MANIFEST} names"
            if arrays.keys() == KEYS:
                if not _is_whole(arrays):
                    return "does not hold what was written"
                about = json.loads(str(arrays["about"]))
            elif listed is None:
                return "says neither what wrote it nor its checksum"
        except (OSError, KeyError, ValueError):
            return "is damaged"
        return self._fault(path.name, samples, seeds) or File(tuple(seeds.tolist()), sha256, about)

    def _fault(self, name: str, samples: NDArray[Any], seeds: NDArray[Any]) -> str:
        """Why samples and seeds cannot be a file of this folder under a name; nothing if they can."""
        own = set(seeds.tolist()) if seeds.ndim == 1 and seeds.dtype == np.int64 else set()
        if not own or len(own) < len(seeds) or min(own) < 0:
            return "holds no list of different seeds"
        if samples.shape != (len(seeds), *self.shape) or samples.dtype != self.dtype:
            return f"holds {samples.dtype} of shape {samples.shape}, not {self.dtype} of ({len(seeds)}, *{self.shape})"
        if not np.isfinite(samples).all():
            return "holds numbers that are not finite"
        if name != _name(seeds.tolist()):
            return f"has not the name of its first seed, {_name(seeds.tolist())}"
        twice = self.seeds & own
        return f"holds seed {min(twice)}, which another file holds" if twice else ""

    def _write_manifest(self) -> None:
        """Keep it as it is where nothing has changed."""
        runs: list[Facts] = []
        files = {}
        for name, file in sorted(self.files.items()):
            if file.about not in runs:
                runs.append(file.about)
            files[name] = {"seeds": spans(file.seeds), "sha256": file.sha256, "run": runs.index(file.about)}
        text = json_text({"specification": self.specification, "runs": runs or [self.about], "files": files})
        path = self.path / MANIFEST
        if not path.exists() or path.read_bytes() != text.encode():
            write(path, text)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """The folder for this run alone; what claims there are were left by shards that died."""
    with locked(path):
        tidy(path.glob("*.claim"))
        yield


@contextmanager
def _among_shards(path: Path, part: int, parts: int) -> Iterator[None]:
    """The folder with other shards in it, none of them this one, and no run that has it alone."""
    with locked(path, shared=True), claimed(path / f"shard-{part}-of-{parts}") as own:
        if not own:
            raise StorageError(
                f"another run draws shard {part}/{parts} into {str(path)!r}; wait until it ends, or name another."
            )
        tidy(path.glob(f"{PATTERN}.claim"))
        yield


def read_tiles(path: Path) -> Iterator[NDArray[Any]]:
    """The samples of a folder, one file in memory at a time, in the order of first seeds; it may be filled meanwhile.

    path     of the folder, which is only read
    raises   StorageError where it holds none or lacks one that its manifest names, and for a file that is damaged,
             changed or of another run than the first
    """
    digest, there = None, sorted(path.glob(PATTERN))
    listed = _files(read_json(path / MANIFEST)) if (path / MANIFEST).exists() else {}
    gone = sorted(listed.keys() - {file.name for file in there})
    if gone:
        raise StorageError(
            f"{str(path / gone[0])!r} is gone, which {MANIFEST} names; run the command that filled the folder again, "
            "which draws what is missing."
        )
    for file in there:
        arrays = read_npz(file)
        if arrays.keys() != KEYS:
            raise StorageError(f"{str(file)!r} holds no samples that say what wrote them; draw them again.")
        own = str(arrays["specification"])
        digest = own if digest is None else digest
        if own != digest or not _is_whole(arrays):
            raise StorageError(
                f"{str(file)!r} is damaged, or of another run than the files before it; run the command that filled "
                "the folder again, which sets it aside."
            )
        yield arrays["samples"]
    if digest is None:
        raise StorageError(f"{str(path)!r} holds no samples; name a folder that `numtoolkit sample` filled.")


def _files(manifest: dict[str, Any]) -> dict[str, File]:
    """The files of a manifest; in an old one facts of the last run stand for those of all."""
    old = {key: value for key, value in manifest.items() if key not in ("specification", "files")}
    found = {}
    try:
        for name, file in manifest["files"].items():
            about = manifest["runs"][file["run"]] if "run" in file else old
            found[name] = File((), str(file["sha256"]), dict(about))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise StorageError(f"{MANIFEST} does not name its files; remove it, and what is complete is found.") from None
    return found


def _name(seeds: Sequence[int]) -> str:
    """The name of the file of these seeds."""
    return f"samples-{seeds[0]:08d}.npz"


def _is_whole(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the arrays of a file, all of `KEYS`, are those that were written together."""
    texts = (str(arrays[key]) for key in ("specification", "about"))
    return str(arrays["sha256"]) == _seal(arrays["samples"], arrays["seeds"], *texts)


def _seal(samples: NDArray[Any], seeds: NDArray[Any], *texts: str) -> str:
    """SHA-256 of arrays, with their dtypes and shapes, and texts."""
    parts = [f"{array.dtype.str}{array.shape}" for array in (samples, seeds)]
    digest = hashlib.sha256(json.dumps([*parts, *texts]).encode())
    for array in (samples, seeds):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def spans(seeds: Iterable[int]) -> str:
    """Whole numbers in order as "0-63,70,80-95"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
