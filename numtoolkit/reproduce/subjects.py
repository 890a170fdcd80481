"""What experiments measure, and how a cell names it: schemes, processes, laws, trained networks, references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from numtoolkit import references
from numtoolkit.declare import scheme_file
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, choice
from numtoolkit.files.storage import Where, checksum
from numtoolkit.laws import Imperfect, law_of
from numtoolkit.laws.named import is_law
from numtoolkit.measure.curves import OWN_SAMPLES, SAMPLES
from numtoolkit.models.by_reference import checkpoint_of, law_or_network
from numtoolkit.models.network import Network
from numtoolkit.problem.processes import process as process_of
from numtoolkit.schemes import is_declared_here
from numtoolkit.schemes import scheme as scheme_of

DTYPE = "float64"  # that networks compute in here: what a machine rounds otherwise stays below what is kept of a result
CLAIMED = ("family", "source", "aliases")  # fields of a declaration that change no verdict
DTYPES = (DTYPE, "float32")  # a sixth of the cost, where that is too much; results are known to `work.ROUGH`
TILE = 128  # samples that they see at once, which decides nothing but the time it takes


def scheme_at(text: str) -> Scheme:
    """The scheme of a specification, `text`; one of the catalogue is read once, a file anew."""
    return scheme_of(text) if any(part in text for part in (".json", ".npz", ":")) else _catalogued(text)


_catalogued = lru_cache(maxsize=1024)(scheme_of)
_digest = lru_cache(maxsize=1024)(scheme_file.digest)
_is_declared_here = lru_cache(maxsize=1024)(is_declared_here)


def scheme_facts(text: str, without: tuple[str, ...] = scheme_file.WORDS) -> dict[str, str]:
    """What names a scheme in a cell: its resolved specification, or its file, and the digest of its declaration.

    text      its specification
    without   fields of the declaration that the digest leaves out
    """
    scheme = scheme_at(text)
    named = scheme.table is None and scheme.spectrum is None and _is_declared_here(scheme)
    return {"scheme": scheme.spec if named else text, "scheme_sha256": _digest(scheme, without)}


def law_and_process(process: str, law: str) -> dict[str, Any]:
    """What names both in a cell, of their specifications `process` and `law`."""
    return {"process": process_name(process), **resolved_law(law)}


def process_name(process: str) -> str:
    """What names a process in a cell, of its specification."""
    return process if references.is_reference(process) else process_of(process).spec


def sources_of(*texts: str) -> dict[str, dict[str, str] | None]:
    """The key `sources` of a cell: the digest of the file behind each reference among the specifications.

    texts   of a scheme, a process and a law, of which the last ones may be left out
    """
    read: tuple[Callable[[str], Any], ...] = (scheme_at, process_of, law_or_network)
    for reader, text in zip(read, texts, strict=False):
        if references.is_reference(text):
            reader(text)  # taken now, so that its digest is known
    taken = {text: references.digest_of(text) for text in texts if references.is_reference(text)}
    return {"sources": {text: sha256 for text, sha256 in taken.items() if sha256 is not None} or None}


def unchanged(scheme: str, scheme_sha256: str, without: tuple[str, ...] = scheme_file.WORDS) -> Scheme:
    """The scheme of a cell.

    scheme, scheme_sha256, without   as of `scheme_facts`
    raises   InputError for one that has changed since
    """
    found = scheme_at(scheme)
    if _digest(found, without) != scheme_sha256:
        raise InputError(f"scheme {scheme!r} has changed since its results were asked for; run again.")
    return found


def resolved_law(law: str) -> dict[str, str | None]:
    """What names a law in a cell, `law` and `law_sha256`: with every parameter, or as a file and the digest of it.

    law      a specification; a trained network, network:NAME or FILE.safetensors, which is named as a file is; or a
             reference to either, whose digest is among the sources of the cell
    """
    file = checkpoint_of(law) or (law if law.endswith(".npz") else None)
    if file is not None:
        return {"law": law, "law_sha256": _sha256_of(file)}
    return {"law": law if references.is_reference(law) else _law_name(law), "law_sha256": None}


@lru_cache(maxsize=64)
def law_at(law: str, law_sha256: str | None, network_error: float = 0.0, dtype: str = DTYPE) -> Any:
    """The law of a cell, or its network, one object each, so that its exact flows are found again.

    law, law_sha256   as `resolved_law` returns them
    network_error     as of `numtoolkit.reproduce.work.curve_cell`
    dtype             of DTYPES, that a trained network computes in
    raises            InputError for a file that has changed since, for a network that is to be wrong by an error, and
                      for another dtype than DTYPE of what is no trained network
    """
    checkpoint = checkpoint_of(law)
    if law_sha256 is not None and _sha256_of(checkpoint or law) != law_sha256:
        raise InputError(f"law {law!r} has changed since its results were asked for; run again.")
    if checkpoint is not None:
        return Network.load(checkpoint, dtype=choice("dtype", dtype, DTYPES))
    if dtype != DTYPE:
        raise InputError(f"dtype = {dtype!r} is of a trained network, and {law!r} is none; drop it.")
    found = law_or_network(law)
    if not network_error:
        return found
    if not is_law(found):
        raise InputError(
            f"network_error = {network_error} is of the exact network of a law, and {law!r} is none; drop it."
        )
    return Imperfect(found, network_error)


def guided(network: Any, scale: float) -> Any:
    """A network guided away from what it says of no class; itself for scale 1, and a law.

    network   as `law_at` returns it
    scale     as of `numtoolkit.Network.guided`
    """
    return network if scale == 1 else network.guided(scale)


def conditions_of(classes: int, count: int) -> list[int]:
    """The classes that samples 0 .. count - 1 are of: in turn, so that all are as frequent.

    classes, count   of classes, and of samples
    """
    return [k % classes for k in range(count)]


def usual_samples(law: str) -> Mapping[str, int]:
    """How many samples each metric takes of a law, or of a network, whose flow costs more."""
    return OWN_SAMPLES if is_network(law) else SAMPLES


def is_network(law: str) -> bool:
    """Whether a specification of a law is that of a network, which is no exact one."""
    return checkpoint_of(law) is not None or (references.is_reference(law) and not is_law(law_at(law, None)))


@lru_cache(maxsize=64)
def _law_name(law: str) -> str:
    return law_of(law).name


def _sha256_of(file: Where) -> str:
    try:
        return checksum(file)
    except OSError as error:
        raise InputError(f"cannot read {str(file)!r}: {error.strerror}; give another.") from None
