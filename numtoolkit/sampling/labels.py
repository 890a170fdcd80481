"""Labels of many samples, one for each seed, whatever else is drawn."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import whole
from numtoolkit.sampling.noise import words

LABEL = 2**32 - 1  # the purpose of a label's word of noise, apart from those of the run
MOST_CLASSES = 2**16


def random_labels(seeds: Iterable[int], classes: int) -> NDArray[np.int64]:
    """A class for each sample, a function of its seed alone: floor(classes w / 2^32), w a word of its own noise.

    seeds    one integer in [0, 2**64) for each sample
    classes  how many, up to 65536; each has its share of the seeds to classes / 2^32
    returns  (len(seeds),), from 0 to classes - 1
    raises   InputError for what is no seed, or no such number
    """
    count = whole("classes", classes, 1, MOST_CLASSES)
    labels: NDArray[np.int64] = words(seeds, LABEL, 0, 1)[:, 0] * count >> 32
    return labels
