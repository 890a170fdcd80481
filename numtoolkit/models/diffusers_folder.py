"""Models of diffusers by their folder: config.json, the weights, and the scheduler_config.json that says the rest.

    unet/config.json, unet/diffusion_pytorch_model.safetensors, and scheduler/scheduler_config.json beside or inside

The class that the config names is one of the installed diffusers; nothing of the folder is run, and nothing fetched.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError, StorageError, brief, unknown
from numtoolkit.files.storage import Where, checksum, read_json
from numtoolkit.models.network import Network
from numtoolkit.models.weights import give_weights
from numtoolkit.problem.schedule_files import of_config

CONFIG, SCHEDULER, PIPELINE = "config.json", "scheduler_config.json", "model_index.json"
MODELS = "unet", "transformer"  # folders of a pipeline that hold its network
FILES = "safetensors", "fp16.safetensors", "bin"  # endings of the weights, the first that is there


def is_folder(text: object) -> bool:
    """Whether a text is a folder that holds a model of diffusers, or a pipeline with one."""
    return (
        isinstance(text, str)
        and os.path.isdir(text)
        and any((Path(text) / own).is_file() for own in (CONFIG, PIPELINE))
    )


def read_folder(path: Where) -> Network:
    """The network of a folder, of the dtype of its class, in evaluation mode, on the process of its scheduler.

    path     of the model, or of a pipeline with a folder `unet` or `transformer`
    returns  a `Network` whose `weights` say what was read, "config" the digest of the config
    raises   InputError where diffusers is not installed, has no such model, or the scheduler is one of another
             convention; StorageError for a file that is absent or damaged
    """
    folder = _model_folder(Path(path))
    scheduler = read_json(_scheduler(folder))
    config = read_json(folder / CONFIG)
    made = Network.diffusers(_module(folder, config), scheduler, process=_process(folder, scheduler), **_known(config))
    made.weights = give_weights(made.function.net, _weights(folder)) | {"config": checksum(folder / CONFIG)}  # type: ignore[attr-defined]
    return made


def _model_folder(path: Path) -> Path:
    if (path / CONFIG).is_file():
        return path
    found = [path / own for own in MODELS if (path / own / CONFIG).is_file()]
    if len(found) != 1:
        raise StorageError(f"{str(path)!r} is a pipeline with {len(found)} networks; give the folder of one.")
    return found[0]


def _scheduler(folder: Path) -> Path:
    """Where the scheduler of a model says its schedule: in its folder, or in that of the pipeline."""
    places = folder / SCHEDULER, folder / "scheduler" / SCHEDULER, folder.parent / "scheduler" / SCHEDULER
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise StorageError(
            f"no {SCHEDULER} lies in {str(folder)!r} or beside it, and nothing else says what the model predicts; put "
            "it there, or wrap the model in a file of your own by Network.diffusers(module, predicts=...)."
        )
    return found


def _weights(folder: Path) -> Path:
    found = next((own for own in (folder / f"diffusion_pytorch_model.{end}" for end in FILES) if own.is_file()), None)
    if found is None:
        raise StorageError(
            f"{str(folder)!r} holds no diffusion_pytorch_model.{FILES[0]}; save the model in one file, by "
            "save_pretrained(folder, max_shard_size='4GB')."
        )
    return found


def _module(folder: Path, config: Any) -> Any:
    """The module of a config, its weights still at random."""
    try:
        diffusers = import_module("diffusers")
    except ImportError:
        raise InputError(
            f"the model in {str(folder)!r} is one of diffusers; pip install 'numtoolkit[diffusers]'."
        ) from None
    import torch

    name = config.get("_class_name") if isinstance(config, dict) else None
    kind = getattr(diffusers, name, None) if isinstance(name, str) and name.isidentifier() else None
    if not isinstance(kind, type) or not issubclass(kind, torch.nn.Module):
        models = [own for own in dir(diffusers) if own.endswith(("Model", "Transformer2DModel"))]
        raise unknown(f"model of diffusers in {str(folder / CONFIG)!r}", name, models)
    try:
        return kind.from_config(config)  # type: ignore[attr-defined]
    except Exception as error:  # whatever a config makes of the class
        reason = brief(" ".join(str(error).split()).rstrip("."), 200)
        raise InputError(f"{name} cannot be made of {str(folder / CONFIG)!r}: {reason}; mend the config.") from None


def _process(folder: Path, scheduler: Any) -> Any:
    try:
        return of_config(scheduler)
    except InputError as error:
        raise InputError(f"{str(_scheduler(folder))!r}: {error}") from None


def _known(config: dict[str, Any]) -> dict[str, Any]:
    """What the config says of a sample: its shape, and whether the network returns a learned variance too."""
    channels, size = config.get("in_channels"), config.get("sample_size")
    sides = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, list) else None
    known: dict[str, Any] = {"name": str(config["_class_name"])}
    if isinstance(channels, int) and sides is not None:
        known["shape"] = (channels, *sides)
    if isinstance(channels, int) and config.get("out_channels") == 2 * channels:
        known["learned_variance"] = True
    return known
