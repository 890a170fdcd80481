"""Labels of the samples of a command: what a conditional network is told of each, found by its seed alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, StorageError, brief
from numtoolkit.files.storage import checksum, read_npy
from numtoolkit.models.calls import takes
from numtoolkit.spec_text import parse


@dataclass(frozen=True)
class Labels:
    """What is told of each seed.

    text   what they are, for the specification of samples
    of     seeds -> (len(seeds), ...)
    """

    text: str
    of: Callable[[Sequence[int]], NDArray[Any]]


def labels_from(text: str, network: Any, seeds: Sequence[int]) -> Labels:
    """The labels that --labels says.

    text      FILE.npy (N, ...) or FILE.txt, N whole numbers: entry k is that of seed k; or random(classes), or random
              for the classes that a network of `train` knows
    network   that is told them
    seeds     all that will be asked for
    raises    InputError for another text, for seeds that the file has no entry of, and for a network that is called
              without labels; StorageError for a file that cannot be read
    """
    if not takes(network, [0]):
        raise InputError(f"network {network.name} takes no labels; drop --labels.")
    if Path(text).suffix.lower() in (".npy", ".txt"):
        table = _table(text)
        if len(table) <= max(seeds):
            raise InputError(
                f"--labels {brief(text)} has {len(table)} entries, and none of seed {max(seeds)}; entry k is that of "
                "seed k, so give more, or other seeds."
            )
        return Labels(f"entries of the file {checksum(text)}", lambda own: table[np.array(own)])
    spec = parse(text)
    if spec.name != "random":
        raise InputError(f"--labels {brief(text)!r} is neither FILE.npy, FILE.txt nor random(classes); give one.")
    return _random(spec.exact(["classes"], "random"), network)


def _random(given: dict[str, Any], network: Any) -> Labels:
    from numtoolkit.sampling.labels import random_labels

    known = given.pop("classes", None)
    if given or (known is not None and known != int(known)):
        raise InputError("random takes the number of classes, a whole one; give random(10).")
    if known is None:
        blueprint = getattr(getattr(network, "function", None), "own", None)  # of a trained one
        known = getattr(blueprint, "classes", 0)
        if not known:
            raise InputError(f"network {network.name} does not say how many classes it knows; give random(10).")
    count = int(known)
    random_labels([0], count)  # which refuses a number out of range before the run
    return Labels(f"random({count})", lambda seeds: random_labels(seeds, count))


def _table(path: str) -> NDArray[Any]:
    """What a file says of the seeds 0, 1, ..."""
    if path.lower().endswith(".npy"):
        table = read_npy(path)
        if not table.ndim or table.dtype.kind not in "biuf":
            raise InputError(
                f"--labels {brief(path)} holds {table.dtype} of shape {table.shape}; give numbers (N, ...)."
            )
        return table
    try:
        return np.array([int(word) for word in Path(path).read_text(encoding="utf-8").split()], np.int64)
    except (OSError, ValueError, OverflowError) as error:
        raise StorageError(
            f"cannot read labels in {brief(path)!r}: {error}; write whole numbers, one a line."
        ) from None
