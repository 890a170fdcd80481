"""Files written whole or not at all, with bytes that depend on what they hold alone.

A writer fills a temporary file in the target's own folder, syncs it and renames it over the target: a kill,
a full disk or a crash leaves the old file or the new one. No date, machine or user enters a file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
import secrets
import stat
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

try:
    import fcntl
except ModuleNotFoundError:  # not a system of the Unix kind
    fcntl = None  # type: ignore[assignment]

from numtoolkit.errors import InputError, StorageError, typed

Where = str | os.PathLike[str]

PICTURES = {  # matplotlib metadata that would change from day to day, by file name ending
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.partial")  # names of the temporary files
STALE_SECONDS = 3600  # a temporary file this old was left by a killed writer
JSON_LIMIT = 256 << 20  # bytes; larger files are refused before they are parsed
NPZ_LIMIT = 2 << 30  # bytes, of the file and of what it unpacks to


def folder(path: Where) -> Path:
    """The folder, made with its parents if absent, cleared of old temporary files that killed writers left.

    errors   StorageError if it has no name, cannot be made or cannot be written to
    """
    if not str(path):
        raise StorageError("'' names no folder; name one, '.' for the one you are in.")
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        sweep(path, age=STALE_SECONDS)
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot use the folder {str(path)!r}: {_reason(error)}; name another.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"cannot write to the folder {str(path)!r}: permission denied; name another.")
    return path


@contextmanager
def locked(path: Where, wait: bool = False, shared: bool = False) -> Iterator[Path]:
    """The folder, as `folder` makes it, with this writer alone in it until the context ends.

    The lock is the system's and lies on the folder itself: it ends with the process, however that ends, and leaves no
    file. What temporary files there are then were left by killed writers. A file system without locks gives none.

    path     of the folder
    wait     until another run that holds it ends
    shared   with other writers that share it, in place of alone: temporary files may be theirs, and stay

    errors   StorageError while another run holds it, unless it is waited for, and as `folder`
    """
    path = folder(path)
    if fcntl is None or not hasattr(os, "O_DIRECTORY"):
        yield path
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if _locks(handle, path, how | (0 if wait else fcntl.LOCK_NB)) and not shared:
            sweep(path)
        yield path
    finally:
        os.close(handle)


def _locks(handle: int, path: Path, how: int) -> bool:
    """Whether the system locks the folder for this run; it may know no locks."""
    try:
        fcntl.flock(handle, how)
    except BlockingIOError:
        raise StorageError(f"another run writes to {str(path)!r}; wait until it ends, or name another.") from None
    except OSError:
        return False
    return True


@contextmanager
def claimed(path: Where, wait: bool = False) -> Iterator[bool]:
    """Whether this worker alone may make the file at `path`, until the context ends.

    The claim is a lock of the system on the file PATH.claim beside it, which goes when the context ends. A worker that
    dies leaves that file without the lock, and the next one takes it over. Temporary files of `path` that are there
    when a claim is taken were left by killed writers, and go. A file system without locks gives a claim to everybody.

    wait     until no other worker has the claim

    errors   StorageError where the claim cannot be written
    """
    path = Path(path)
    if fcntl is None:
        yield True
        return
    claim = path.with_name(f"{path.name}.claim")
    handle, taken = _asked(claim, wait)
    try:
        if taken:
            sweep(path.parent, lambda name: name == path.name)
        try:
            yield taken is not False
        finally:
            if taken is not False:
                claim.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _asked(claim: Path, wait: bool) -> tuple[int, bool | None]:
    """The open file of a claim, and whether it is this worker's, as `_taken` says."""
    while True:
        try:
            handle = os.open(claim, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StorageError(f"cannot write {str(claim)!r}: {_reason(error)}; name another place.") from error
        taken = _taken(handle, claim, wait)
        if not wait or taken is not False:
            return handle, taken
        os.close(handle)


def _taken(handle: int, claim: Path, wait: bool) -> bool | None:
    """Whether the system gives this worker the claim, on the file that others see; None where it knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    try:
        return os.path.samestat(os.fstat(handle), os.stat(claim))
    except FileNotFoundError:  # its worker ended in between, and took it away
        return False


def tidy(claims: Iterable[Path]) -> None:
    """Remove claims whose workers have died.

    claims   their files, PATH.claim
    """
    for claim in claims:
        with claimed(claim.with_suffix("")):
            pass


def sweep(path: Path, mine: Callable[[str], bool] = lambda name: True, age: float = -math.inf) -> None:
    """Remove temporary files that killed writers left in a folder.

    path     of the folder
    mine     whether a file of that name is one that this writer alone writes
    age      in seconds, above which they are taken for such
    """
    for litter in path.glob(".*.partial"):
        with suppress(FileNotFoundError):  # its writer has just put it in its place
            own = PARTIAL.fullmatch(litter.name) and mine(litter.name[1:].rsplit(".", 2)[0])
            if own and time.time() - litter.stat().st_mtime > age:
                litter.unlink()


def write(path: Where, content: bytes | str | Callable[[IO[bytes]], None]) -> Path:
    """The file at `path` with that content (text as UTF-8), replaced in one move; folders are made as needed.

    content  or a function that writes it to a stream, piece by piece

    errors   StorageError, one sentence; a file that was there before is then untouched
    """
    path = Path(path)
    if not path.name:
        raise StorageError(f"cannot write {str(path)!r}: it names no file; name one.")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as stream:
            if callable(content):
                content(stream)
            else:
                stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
        _sync(path.parent)
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot write {str(path)!r}: {_reason(error)}; name another place.") from error
    finally:
        with suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)
    return path


def _sync(path: Path) -> None:
    """Make a rename survive a power cut, where folders can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    reason = said.split("\n")[0].rstrip(". ") or type(error).__name__
    return reason[:1].lower() + reason[1:]


def set_aside(path: Path) -> Path:
    """The file under another name, PATH.aside or with a number, which none has had before.

    errors   StorageError if it cannot be moved
    """
    names = (path.with_suffix(f".aside{n or ''}") for n in count())
    aside = next(name for name in names if not name.exists())
    try:
        return path.rename(aside)
    except OSError as error:
        raise StorageError(f"cannot move {str(path)!r} aside: {error.strerror}; remove it.") from error


def checksum(path: Where) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- JSON and CSV


def json_text(value: Any) -> str:
    """JSON, in ASCII, of plain data, numpy values, exact numbers (as text) and paths; keys keep their order.

    errors   ValueError for NaN and infinity, which JSON does not have: say null and why
    """
    return json.dumps(value, allow_nan=False, indent=1, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, (Fraction, Path)):
        return str(value)
    raise TypeError(f"{typed(value)} is no JSON value")


def plain(value: Any) -> Any:
    """The value as it is when it is read from a JSON file.

    errors   as `json_text`
    """
    return parse_json(json_text(value))


def write_json(path: Where, value: Any) -> Path:
    """`json_text` of the value, written as `write` does."""
    return write(path, json_text(value))


def read_json(path: Where) -> Any:
    """The value in a JSON file, read as if it came from a stranger.

    errors   StorageError for a file that is absent, no file, too large, not JSON, or that holds NaN or one key twice
    """
    try:
        about = os.stat(path)
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise ValueError("it is a pipe or a device")  # reading it could wait or go on for ever
        content = Path(path).read_bytes() if about.st_size <= JSON_LIMIT else b""
        if not content:
            raise ValueError("it is empty or larger than 256 MiB")
        return parse_json(content)
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"cannot read {str(path)!r}: {_reason(error)}; remove it or give another.") from error


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text.

    errors   ValueError or RecursionError for what is not JSON, nested without end, or holds NaN or one key twice
    """
    return json.loads(content, parse_constant=_no_constant, object_pairs_hook=_no_twins)


def json_format(path: Where) -> str:
    """What a JSON file says its format is; nothing if it does not, or cannot be read."""
    try:
        record = read_json(path)
    except StorageError:
        return ""
    return str(record.get("format", "")) if isinstance(record, dict) else ""


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("it holds a key twice")
    return dict(pairs)


def csv_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV with a header line of all their keys; None and a missing key are empty fields."""
    stream = io.StringIO()
    keys = dict.fromkeys(key for record in records for key in record)
    writer = csv.DictWriter(stream, fieldnames=keys, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


# --- arrays and pictures


def write_npz(path: Where, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """An .npz archive, stored uncompressed and without dates, written as `write` does.

    errors   ValueError for arrays of objects
    cost     at most 16 MiB beside the arrays
    """
    objects = [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]
    if objects:
        raise ValueError(f"array {objects[0]!r} holds Python objects")

    def fill(stream: IO[bytes]) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            for name, array in arrays.items():
                member = zipfile.ZipInfo(f"{name}.npy")
                member.file_size = np.asarray(array).nbytes  # it tells zipfile how long a size takes
                with archive.open(member, "w") as part:
                    np.lib.format.write_array(part, np.asarray(array), allow_pickle=False)

    return write(path, fill)


def read_npz(path: Where) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz archive by key, every checksum verified, nothing unpickled.

    errors   StorageError for whatever is wrong with the file: absent, no archive, over 2 GiB (also unpacked), damaged,
             pickled, two arrays of one key, an array that does not fill its bytes
    cost     twice the size of the file in memory
    """
    try:
        if not os.path.isfile(path):
            raise ValueError("it is not a file")
        if os.path.getsize(path) > NPZ_LIMIT:
            raise ValueError("it is larger than 2 GiB")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > NPZ_LIMIT:
                raise ValueError("it unpacks to more than 2 GiB")
            if len({member.filename for member in members}) < len(members):
                raise ValueError("it holds two arrays of one name")
            return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    except Exception as error:  # the one boundary where these bytes are parsed: zipfile and numpy raise a dozen types
        raise StorageError(f"cannot read {str(path)!r}: {_reason(error)}; remove it or give another.") from error


def read_npy(path: Where) -> NDArray[Any]:
    """The array of an .npy file, nothing unpickled.

    errors   StorageError for whatever is wrong with the file: absent, over 2 GiB, pickled, not of the bytes it says
    """
    try:
        if not os.path.isfile(path):
            raise ValueError("it is not a file")
        if os.path.getsize(path) > NPZ_LIMIT:
            raise ValueError("it is larger than 2 GiB")
        return _array(Path(path).read_bytes())
    except Exception as error:  # the same boundary as of archives: numpy raises a dozen types
        raise StorageError(f"cannot read {str(path)!r}: {_reason(error)}; remove it or give another.") from error


def _array(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.tell() < len(content):
        raise ValueError("an array is shorter than its bytes")
    return array


def write_figure(path: Where, figure: Any) -> Path:
    """A matplotlib figure as .png, .svg or .pdf by its name's ending, written as `write` does.

    errors   InputError for another ending
    """
    from matplotlib import style

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in PICTURES:
        raise InputError(f"cannot draw {path.name!r}; end its name in {', '.join(PICTURES)}.")
    stream = io.BytesIO()
    with style.context(["default", {"svg.hashsalt": "numtoolkit"}]):  # and not what a person's matplotlibrc says
        figure.savefig(stream, format=suffix[1:], metadata=PICTURES[suffix])
    return write(path, stream.getvalue())
