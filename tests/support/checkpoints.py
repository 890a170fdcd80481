"""Checkpoints of networks that were never trained."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from numtoolkit.files.storage import plain
from numtoolkit.models.blueprint import Blueprint
from numtoolkit.models.checkpoints import FORMAT, write_checkpoint


def written(path: Path, own: Blueprint, **changed: Any) -> Path:
    """A checkpoint of the blueprint with random weights, the same in every call, but for those that are given."""
    import torch

    from numtoolkit.models.architectures import raw_module

    random = torch.Generator().manual_seed(0)
    weights = raw_module(own).state_dict()
    tensors = {name: torch.randn(weight.shape, generator=random) / 3 for name, weight in weights.items()}
    return write_checkpoint(path, tensors | changed, {"format": FORMAT, "blueprint": plain(asdict(own))})
