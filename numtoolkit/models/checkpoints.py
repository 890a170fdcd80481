"""Checkpoints: weights in a safetensors file, with what the network is rebuilt from and a digest of all of it.

The metadata of the file have one key, `numtoolkit`, with a JSON text: the format, the facts, and the SHA-256 of these
and of every tensor, its name, dtype, shape and bytes. A file is read as if it came from a stranger; nothing in it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError, StorageError, unknown
from numtoolkit.files.storage import Where, checksum, parse_json, write
from numtoolkit.files.tables import filled
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.network import Network

FORMAT, TRAINING = "numtoolkit network 1", "numtoolkit training 2"
KEY = "numtoolkit"  # of the metadata
LIMIT = 4 << 30  # bytes of a file
SHIPPED = Path(__file__).parent / "shipped"

Facts = dict[str, Any]


def write_checkpoint(path: Where, tensors: Mapping[str, Any], facts: Facts) -> Path:
    """A file with the tensors and facts about them, replaced in one move.

    path     of the file
    tensors  of torch by name
    facts    of plain data, with the key "format"
    raises   StorageError where it cannot be written, InputError where safetensors is not installed
    """
    torch_files = _library().torch
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = facts | {"sha256": _digest(kept, facts)}
    return write(path, torch_files.save(kept, {KEY: json.dumps(said, allow_nan=False)}))


def read_checkpoint(path: Where, kind: str = FORMAT) -> tuple[Facts, dict[str, Any]]:
    """The facts and the tensors of a file, on the CPU.

    kind     the format it must have
    raises   StorageError, one sentence, for a file that is absent, truncated or no safetensors file, was not written
             here, has another format, or was changed since
    cost     the file is read once, and its size held in memory
    """
    package = _library()
    try:
        if not os.path.isfile(path):
            raise ValueError("it is not a file")
        if os.path.getsize(path) > LIMIT:
            raise ValueError("it is larger than 4 GiB")
        with package.safe_open(path, framework="pt") as opened:
            said = (opened.metadata() or {}).get(KEY)
            tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}
        facts = _read_facts(said, kind)
        if facts.pop("sha256", None) != _digest(tensors, facts):
            raise ValueError("its digest is not that of its weights and facts, so it was damaged or changed")
    except (OSError, ValueError, RecursionError, package.SafetensorError) as error:
        reason = str(error).split("\n")[0].rstrip(". ")
        raise StorageError(f"cannot load {str(path)!r}: {reason}; fetch or train it again.") from None
    return facts, tensors


def load(path: Where, dtype: str = "float32", device: str = "cpu") -> Network:
    """The network of a checkpoint.

    path, dtype, device   as of `Network.load`, which this is
    """
    facts, tensors = read_checkpoint(path)
    number, place = _floating(dtype), device_of(device)
    try:
        own = filled(Blueprint, facts.get("blueprint"), "blueprint")
        network = rebuilt(own, tensors, Path(path).name.removesuffix(".safetensors"), number, place)
    except InputError as error:
        raise StorageError(f"cannot load {str(path)!r}: {str(error).rstrip('.')}; fetch or train it again.") from None
    network.weights = {"file": Path(path).name, "sha256": checksum(path)}
    return network


def rebuilt(own: Blueprint, tensors: Mapping[str, Any], name: str, dtype: Any, device: Any) -> Network:
    """The network of a blueprint with its weights, in evaluation mode.

    own            the blueprint
    tensors        the weights by name, floating and finite, of the shapes that the blueprint says
    name           of the network
    dtype, device  of torch, of the weights and of what it computes in
    raises         InputError, naming the weights, where they are not those of the blueprint
    """
    import torch

    from numtoolkit.models.architectures import raw_module, trained

    with torch.device("meta"):
        raw = raw_module(own)
    wrong = _misfit({name: tuple(tensor.shape) for name, tensor in raw.state_dict().items()}, tensors)
    if wrong is not None:
        raise InputError(f"{wrong}; give those of its blueprint.")
    raw.load_state_dict({name: tensor.to(device, dtype) for name, tensor in tensors.items()}, assign=True)
    module = trained(own, raw).eval().requires_grad_(False)
    sight: dict[str, Any] = {"sees": "observation"} if own.sees_observation else {"process": own.on}
    numbers = str(dtype).removeprefix("torch.")
    return Network(module, own.prediction, time="float", dtype=numbers, shape=own.shape, name=name, **sight)


def shipped_path(name: str) -> Path:
    """The file of a network that the package brings along; InputError for an unknown name."""
    known = sorted(path.name.removesuffix(".safetensors") for path in SHIPPED.glob("*.safetensors"))
    if name not in known:
        raise unknown("shipped network", name, known)
    return SHIPPED / f"{name}.safetensors"


def _read_facts(said: str | None, kind: str) -> Facts:
    """The facts of a file; ValueError for one that says none, or is of another kind."""
    if said is None:
        raise ValueError(f"its metadata have no key {KEY!r}, so that nothing says what network its weights are of")
    facts = parse_json(said)
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != kind:
        raise ValueError(f"its format is {found!r}, not {kind!r}")
    return dict(facts)


def _misfit(wanted: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Any]) -> str | None:
    """What is wrong with the tensors of a file as the weights of its blueprint."""
    import torch

    for name in sorted({*wanted, *tensors}):
        if name not in tensors or name not in wanted:
            said = "lacks the weights" if name in wanted else "has a blueprint without a place for the weights"
            return f"it {said} {name!r}"
        tensor = tensors[name]
        if tuple(tensor.shape) != wanted[name] or not tensor.is_floating_point():
            found = f"{list(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
            return f"its weights {name!r} are {found}, but the blueprint needs floating {list(wanted[name])}"
        if not bool(torch.isfinite(tensor).all()):
            return f"its weights {name!r} are not finite"
    return None


def _floating(dtype: Any) -> Any:
    """The dtype of torch by its name, or as it is; InputError for one that networks do not compute in."""
    import torch

    known = {str(own).removeprefix("torch."): own for own in (torch.float64, torch.float32, torch.bfloat16)}
    name = str(dtype).removeprefix("torch.")
    if name not in known:
        raise InputError(f"dtype = {dtype!r} is none that a network computes in; give one of {', '.join(known)}.")
    return known[name]


def device_of(device: Any) -> Any:
    """The device of torch; InputError for one that it does not have here."""
    import torch

    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(f"device = {device!r} cannot be used: {reason}; give 'cpu', or one that torch has.") from None
    return place


def _digest(tensors: Mapping[str, Any], facts: Facts) -> str:
    """SHA-256 of facts and tensors, in the order of their names."""
    import torch

    found = hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _library() -> Any:
    """The package safetensors, with its part for torch."""
    try:
        import safetensors
        import safetensors.torch  # which imports torch
    except ModuleNotFoundError:
        raise InputError("networks are kept in safetensors files; pip install 'numtoolkit[torch]'.") from None
    return safetensors
