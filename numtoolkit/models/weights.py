"""Weights of other people's networks: read from their file as data, never as code, and given to a module by name.

A file is a safetensors file, or what torch.save wrote of a state dict, which `torch.load(weights_only=True)` reads. It
may hold them in dicts (`state_dict`, `model`, `ema`) and under prefixes (`module.`, `ema_score_fn.`): a part is where
every weight of the module lies, and no other. Of several the running average is taken; which it is stands in results.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError, StorageError, brief, counted, text, typed
from numtoolkit.files.storage import Where, checksum
from numtoolkit.models.checkpoints import KEY, LIMIT

DEEP = 4  # dicts within dicts that are looked into
SHOWN = 6  # parts that a sentence names
AVERAGES = {"ema", "shadow"}  # words in the name of a part that is a running average of the weights
WHOLE = "all of it"
MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # of a file that torch.save wrote before it wrote archives
HASH = "modelspec.hash_sha256"  # of the bytes behind the header, in the metadata of a safetensors file
SAVED = "load it once by the code that wrote it, torch.save(net.state_dict(), 'weights.pt'), and give that file"
EDM_SAVED = (
    'in a checkout of its code, once, python -c "import pickle, torch; '
    "torch.save(pickle.load(open('FILE', 'rb'))['ema'].state_dict(), 'weights.pt')\", and give weights.pt"
)


@dataclass(frozen=True)
class Part:
    """A part of a file that holds the weights of a module.

    name     where it lies, the names of dicts and the prefix with / between them: "state_dict/ema_score_fn"
    tensors  of torch by the names of the module
    """

    name: str
    tensors: Mapping[str, Any] = field(repr=False)

    @property
    def is_average(self) -> bool:
        """Whether its name says that it is a running average."""
        return bool(AVERAGES & {*re.split(r"[/._]", self.name.lower())})


def give_weights(module: Any, path: Where, part: str | None = None, sha256: str | None = None) -> dict[str, str]:
    """Give a torch module the weights of a file, in place, and put it into evaluation mode.

    module   a torch.nn.Module; its weights keep their dtype and device
    path     of the file
    part     where in the file the weights lie, by its name or the last word of it; None for the one that fits, and of
             several the running average
    sha256   that the file must have, in hexadecimal digits; None for any
    returns  {"file", "sha256", "part"}: the name of the file, its digest, and the part that was taken
    raises   StorageError, one sentence, for a file that is absent, larger than 4 GiB, truncated, damaged, has another
             digest, or holds what only running code could rebuild; InputError where no part of it or several fit
    cost     the file is read three times, and its size held in memory
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise InputError(f"{typed(module)} has no weights; give a torch.nn.Module beside a checkpoint.")
    digest = _digest(path, sha256)
    try:
        found = parts(read_tensors(path), module)
    except InputError as error:
        raise InputError(f"cannot take the weights of {str(path)!r}: {error}") from None
    chosen = _chosen(found, path, part)
    module.load_state_dict(dict(chosen.tensors))
    module.eval()
    return {"file": Path(path).name, "sha256": digest, "part": chosen.name}


def read_tensors(path: Where) -> Any:
    """What a file holds: dicts, lists, numbers and texts, and tensors on the CPU. Nothing in it is run.

    raises   StorageError, one sentence with what to do, for any other file
    """
    try:
        with open(path, "rb") as file:
            head = file.read(16)
        if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < LIMIT:
            return _of_safetensors(path)
        return _of_torch(path, head)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror or error}; give another file.") from None


def parts(held: Any, module: Any) -> list[Part]:
    """Every part of what a file holds that has each weight of a module, in its shape, and no other.

    raises   InputError where there is none, saying what the nearest one lacks
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found, near = [], (-1, "it holds no tensors by name")
    for where, named in _dicts(held):
        for prefix in _prefixes(named, wanted):
            own = {name.removeprefix(prefix): tensor for name, tensor in named.items() if name.startswith(prefix)}
            fault = _fault(own, module, wanted)
            if fault is None:
                found.append(Part("/".join([*where, *filter(None, [prefix.rstrip(".")])]) or WHOLE, own))
            near = max(near, (len(own.keys() & wanted.keys()), fault or ""))
    found += [Part(name, own) for name, own in _listed(held, module, found) if _fault(own, module, wanted) is None]
    if not found:
        raise InputError(f"it does not fit: {near[1]}; give the checkpoint of this module, or the module of this one.")
    return found


def _digest(path: Where, sha256: str | None) -> str:
    """The SHA-256 of the file, which must be the one that is asked for."""
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", text("sha256", sha256)):
        raise InputError(f"sha256 = {brief(sha256)!r} is no SHA-256; give its 64 hexadecimal digits.")
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"checkpoint is {typed(path)}; give the path of a file.")
    if not os.path.isfile(path):
        raise StorageError(f"there is no checkpoint {str(path)!r}; give a file.")
    if os.path.getsize(path) > LIMIT:
        raise StorageError(f"checkpoint {str(path)!r} is larger than 4 GiB; give one of the network alone.")
    try:
        own = checksum(path)
    except OSError as error:
        raise StorageError(f"cannot read {str(path)!r}: {error.strerror}; give another file.") from None
    if sha256 is not None and own != sha256.lower():
        raise StorageError(
            f"{str(path)!r} has the SHA-256 {own[:16]}..., not {sha256[:16].lower()}..., so it was damaged, changed or "
            "is another file; fetch it again, or give its own."
        )
    return own


# --- the two formats


def _of_safetensors(path: Where) -> dict[str, Any]:
    try:
        import safetensors
    except ModuleNotFoundError:
        raise InputError("safetensors files need safetensors; pip install 'numtoolkit[torch]'.") from None
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            said = opened.metadata() or {}
            if KEY in said:
                raise StorageError(
                    f"{str(path)!r} was written by numtoolkit and says of what network it is; give it as the model."
                )
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    except safetensors.SafetensorError as error:
        reason = str(error).split("\n")[0].rstrip(". ")
        raise StorageError(f"cannot load {str(path)!r}: {reason}; fetch it again.") from None
    told = said.get(HASH)
    if told is not None and told.lower().removeprefix("0x") != _behind_header(path):
        raise StorageError(
            f"cannot load {str(path)!r}: its weights do not have the digest that it says, so it was damaged or "
            "changed; fetch it again."
        )
    return tensors


def _behind_header(path: Where) -> str:
    """The SHA-256 of the tensors of a safetensors file, which lie behind its header."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _of_torch(path: Where, head: bytes) -> Any:
    """What torch.save wrote; its pickle is read by torch's own reader, which makes tensors and plain data alone."""
    import torch

    if head[:4] == b"PK\x03\x04":
        _check_archive(path)
    elif head[:1] != b"\x80":
        raise StorageError(
            f"cannot load {str(path)!r}: it is neither a safetensors file nor one of torch.save; give one of these."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a foreign file makes of the reader
        raise StorageError(_unreadable(path, str(error))) from None


def _check_archive(path: Where) -> None:
    """raises StorageError where an archive was cut, or a record of it has not the checksum that it says"""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        fault = None if damaged is None else f"{brief(damaged, 100)} has not the checksum of the archive"
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        fault = f"it is no whole archive ({brief(str(error).rstrip('. '), 100)})"
    if fault is not None:
        raise StorageError(f"cannot load {str(path)!r}: {fault}, so it was damaged, changed or cut; fetch it again.")


def _unreadable(path: Where, said: str) -> str:
    """The sentence for what torch's reader of weights alone refused."""
    content = Path(path).read_bytes()
    if b"torch_utils.persistence" in content:
        remedy = EDM_SAVED.replace("FILE", Path(path).name)
        return f"{str(path)!r} is a pickle of EDM's code, which would have to be run to read it; {remedy}."
    asked = re.search(r"GLOBAL ([\w.]+)", said)
    if asked is not None:
        return f"{str(path)!r} holds an object of {asked[1]}, which only running code could rebuild; {SAVED}."
    return f"cannot load {str(path)!r}: {_foreign(path, content)}."


def _foreign(path: Where, content: bytes) -> str:
    """What a file is that holds no weights, as far as it shows it, and what to do."""
    if content[:2] == b"PK":
        with zipfile.ZipFile(path) as archive:
            records = {name.rpartition("/")[2] for name in archive.namelist()}
        if "constants.pkl" in records:
            return f"it is a program of TorchScript, which would have to be run; {SAVED}"
        if "data.pkl" not in records:
            return "it is an archive without data.pkl, which torch.save did not write; give another file"
    elif not content.startswith(MAGIC):
        return f"it is a pickle that torch.save did not write, or was damaged; {SAVED}"
    return "it breaks off, or was changed; fetch it again"


# --- the parts


def _dicts(held: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The dicts that hold tensors by name, and where they lie."""
    if not isinstance(held, Mapping) or len(where) > DEEP:
        return
    tensors = {name: value for name, value in held.items() if isinstance(name, str) and hasattr(value, "data_ptr")}
    if tensors:
        yield where, tensors
    for name, value in held.items():
        yield from _dicts(value, (*where, str(name)))


def _prefixes(named: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What stands before the longest name of the module wherever a name of the file ends with it."""
    if not wanted:
        return []
    last = max(wanted, key=len)
    found = {name[: -len(last)] for name in named if name == last or name.endswith(f".{last}")}
    return sorted(found) or [""]


def _listed(held: Any, module: Any, found: list[Part]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The running averages that are kept as a list, in the order of the parameters (score_sde, CLD).

    found   parts by name, from the first of which come the buffers, which no average is made of
    """
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    buffers = {name: found[0].tensors[name] for name in module.state_dict().keys() - {*names}} if found else {}
    for where, values in _lists(held):
        if len(values) == len(names):
            yield where, dict(zip(names, values, strict=True)) | buffers


def _lists(held: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(held, Mapping) and len(where) <= DEEP:
        for name, value in held.items():
            if name == "shadow_params" and isinstance(value, list):
                yield "/".join([*where, "shadow_params"]), value
            yield from _lists(value, (*where, str(name)))


def _fault(own: Mapping[str, Any], module: Any, wanted: Mapping[str, tuple[int, ...]]) -> str | None:
    """What is wrong with tensors as the weights of the module."""
    lacking, more = sorted(wanted.keys() - own.keys()), sorted(own.keys() - wanted.keys())
    if lacking:
        has = ", ".join(more[:2]) or "no others"
        return f"it lacks the weights {lacking[0]!r} of {type(module).__name__}, and has {has}"
    if more:
        return f"{type(module).__name__} has no place for its weights {more[0]!r}"
    kinds = {name: tensor.is_floating_point() for name, tensor in module.state_dict().items()}
    for name, shape in wanted.items():
        tensor = own[name]
        if tuple(tensor.shape) != shape:
            return f"its weights {name!r} are {list(tensor.shape)}, but those of {type(module).__name__} {list(shape)}"
        if tensor.is_floating_point() != kinds[name]:
            return f"its weights {name!r} are of {str(tensor.dtype).removeprefix('torch.')}"
        if kinds[name] and not bool(tensor.isfinite().all()):
            return f"its weights {name!r} are not finite"
    return None


def _chosen(found: list[Part], path: Where, part: str | None) -> Part:
    names = ", ".join(own.name for own in found[:SHOWN])
    if part is not None and text("part", part):
        fitting = [own for own in found if part == own.name] or [
            own for own in found if part == own.name.rpartition("/")[2]
        ]
        if len(fitting) != 1:
            raise InputError(f"{str(path)!r} has no one part {brief(part)!r} that fits; those that do: {names}.")
        return fitting[0]
    averages = [own for own in found if own.is_average]
    if (len(found) > 1 and len(averages) != 1) or part == "":
        raise InputError(
            f"{str(path)!r} holds the weights in {counted(len(found), 'part')}, {names}; say by part= which are meant."
        )
    return averages[0] if len(found) > 1 else found[0]
