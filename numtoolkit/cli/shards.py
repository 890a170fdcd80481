"""Shards: the parts of a job that several processes do, as an option says them, or torchrun by its environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from numtoolkit.errors import InputError

MOST_PARTS = 10**4
Shard = tuple[int, int]  # (i, n): the i-th of n, from 1


def shard_of(text: str) -> Shard:
    """The shard that --shard says.

    raises   InputError for another text than I/N, and for an I that is not among the N
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts <= MOST_PARTS:
        raise InputError(f"--shard {text[:60]!r} is no part of a whole; give 2/3 for the second of three, at most "
                         f"{MOST_PARTS}.")  # fmt: skip
    return part, parts


def shard_of_torchrun(environment: Mapping[str, str] = os.environ) -> Shard | None:
    """The shard of a process that torchrun started, by RANK and WORLD_SIZE; None of any other, and of one process.

    raises   InputError where they are no rank among so many processes
    """
    rank, size = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
    if not rank or not size or size == "1":
        return None
    try:
        part, parts = int(rank) + 1, int(size)
    except ValueError:
        part, parts = 0, 0
    if not 1 <= part <= parts <= MOST_PARTS:
        raise InputError(
            f"the environment has RANK {rank[:20]!r} of WORLD_SIZE {size[:20]!r}, which is no process of torchrun; "
            "unset them, or give --shard 1/1."
        )
    return part, parts


def take_local_gpu(device: str | None, environment: Mapping[str, str] = os.environ) -> None:
    """Let torch's "cuda" be the GPU that torchrun numbers by LOCAL_RANK, before anything is put there."""
    rank = environment.get("LOCAL_RANK", "")
    if device == "cuda" and rank.isdecimal():
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_device(int(rank) % torch.cuda.device_count())


def dealt(seeds: Sequence[int], batch: int, shard: Shard) -> list[int]:
    """The seeds of a shard: of the tiles of all seeds every n-th, so that no tile depends on how many shards there are.

    seeds, batch   all of them, in order, and how many make a tile
    """
    part, parts = shard
    firsts = range((part - 1) * batch, len(seeds), parts * batch)
    return [seed for first in firsts for seed in seeds[first : first + batch]]
