"""Random labels: a function of the seed, each class as often as any other."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.sampling.labels import random_labels
from numtoolkit.sampling.noise import philox


def test_a_random_label_is_a_function_of_its_seed():
    """That of a seed alone is that among others, and its word is apart from those of the run: purpose 2^32 - 1."""
    seeds = [7, 0, 2**64 - 1, 10**12]
    together = random_labels(seeds, 10)
    assert together.tolist() == [random_labels([seed], 10)[0] for seed in seeds]
    word = philox((0, 2**32 - 1, 0, 0), (7, 0))[0]
    assert together[0] == word * 10 // 2**32
    assert random_labels(seeds, 1).tolist() == [0] * 4


def test_random_labels_have_every_class_as_often():
    """Of 100,000 seeds each of ten classes has 10,000, within five deviations of a binomial count."""
    counts = np.bincount(random_labels(range(100_000), 10), minlength=10)
    assert len(counts) == 10
    assert abs(counts - 10_000).max() < 5 * np.sqrt(100_000 * 0.1 * 0.9)


@pytest.mark.parametrize("classes", [0, 2**16 + 1, 2.5, True])
def test_a_number_of_classes_that_there_is_not_is_refused(classes):
    """In one sentence."""
    with pytest.raises(InputError, match=r"classes = .* is no whole number from 1 to 65536"):
        random_labels([0], classes)
