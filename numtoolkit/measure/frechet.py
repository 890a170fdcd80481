"""Frechet distance of two sets of samples in a feature space, freed of the leading term of its bias.

Moments of N samples set the distance too high by c / N in the leading order (Chong & Forsyth 2020, arXiv:1911.07023,
who extrapolate a line in 1 / N to N = infinity). All samples and all but one of 20 groups are two such N, a twentieth
apart; the mean over the groups of the lines through both is the delete-a-group jackknife (Shao & Tu 1995, "The
Jackknife and Bootstrap", section 2.1), which brings an interval with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, brief, warn
from numtoolkit.files.storage import read_npz
from numtoolkit.measure.distances import GROUPS, LEVEL, Moments, frechet, jackknifed
from numtoolkit.measure.features import Features, features_of
from numtoolkit.measure.sample_sets import pieces

BLOCK = 1 << 22  # numbers of features that wait until moments are made of them
STATISTICS = {"mu", "sigma"}  # keys of a file of moments, as EDM, pytorch-fid and torch-fidelity have them


@dataclass(frozen=True)
class FrechetDistance:
    """A Frechet distance in the convention of FID, the square of Wasserstein-2 between Gaussians of the moments.

    value        of the moments of all samples, too high by c / N in the leading order
    limit        without that term: what it tends to as N grows. Where both laws are one, it is as often below 0
    low, high    95 % interval of the limit, which falls where it lies
    counts       of the samples of both sets; None of moments that were given
    dimension    of the feature space
    features     its name
    """

    value: float
    limit: float
    low: float
    high: float
    counts: tuple[int | None, int | None]
    dimension: int
    features: str

    level = LEVEL

    def __repr__(self) -> str:
        found = f"{self.value:.4g}, without bias {self.limit:.4g} in [{self.low:.4g}, {self.high:.4g}]"
        return f"<FrechetDistance in {brief(self.features, 80)}: {found}>"


@dataclass(frozen=True)
class Gathered:
    """Moments of a set in groups, of which each is left out in turn; of given moments one that stays."""

    groups: tuple[Moments, ...]
    given: bool = False

    @cached_property
    def all(self) -> Moments:
        """Moments of all samples."""
        return reduce(Moments.merge, self.groups)

    def without(self, group: int) -> Moments:
        """Moments of all samples but those of a group."""
        return self.all if self.given else reduce(Moments.merge, self.groups[:group] + self.groups[group + 1 :])


def frechet_distance(x: Any, y: Any, features: Any = "pixels") -> FrechetDistance:
    """Frechet distance of two sets of samples in a feature space, and what it tends to with more samples.

    x, y      arrays or tensors (n, *shape); paths of folders that `sample` filled, or of .npz files with `samples`,
              `images`, `arr_0`, or the moments `mu` (d,) and `sigma` (d, d), which are taken as exact; laws, as objects
              or by name, of which 10,000 samples are drawn, others of y than of x; or what `gathered` made of either
    features  "pixels", "projection(dim=64, seed=0)", "hidden(digits-image, level=0.1)", FILE.pt or a function of arrays
              (`numtoolkit.measure.features.features_of`)
    returns   the distance, its limit and an interval of that
    raises    InputError for sets of fewer than 40 samples, or of two dimensions; StorageError for damaged files;
              warns, by an InputWarning, where a set has hardly more samples than dimensions, so that the leading term
              is not all of the bias
    cost      the features of each sample once; 21 distances of Gaussians of dimension d, of order d^3 each; memory of
              one file, of 32 MB of features and of 22 covariances a set
    """
    space = features_of(features)
    first, second = gathered(x, space, 0), gathered(y, space, 1)
    sizes = first.all.mean.size, second.all.mean.size
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the sets have {sizes[0]} and {sizes[1]} dimensions in {space.name}; give samples of one shape."
        )
    value = _between(first.all, second.all)
    left_out = np.array([_between(first.without(g), second.without(g)) for g in range(GROUPS)])
    sets = [own for own in (first, second) if not own.given]
    if not sets:
        raise InputError(
            "both sets are moments, which have no samples; numtoolkit.measure.distances.frechet is theirs."
        )
    counts = [own.all.count for own in sets]
    dimension = sizes[0]
    if min(counts) * (GROUPS - 1) / GROUPS <= dimension + 1:
        warn(
            f"{min(counts)} samples hardly fill the {dimension} dimensions of {space.name}, so that the limit keeps "
            "some of the bias; give twice as many samples as dimensions, or a projection."
        )
    limit, low, high, _ = jackknifed(value, left_out)
    known = tuple(None if own.given else own.all.count for own in (first, second))
    return FrechetDistance(value, limit, low, high, known, dimension, space.name)  # type: ignore[arg-type]


def gathered(samples: Any, features: Features, seed: int = 0) -> Gathered:
    """Moments of a set in a feature space, sample i in group i mod 20, a piece at a time.

    samples, features   as of `frechet_distance`, or what was gathered already
    seed                of the samples of a law
    raises              as there
    """
    given = samples if isinstance(samples, Gathered) else _given(samples)
    if given is not None:
        return given
    groups: list[Moments | None] = [None] * GROUPS
    waiting: list[Floats] = []
    seen = 0
    for piece in pieces(samples, seed):
        waiting.append(features(piece))
        if sum(rows.size for rows in waiting) >= BLOCK:
            seen = _merge(groups, waiting, seen)
    seen = _merge(groups, waiting, seen)
    whole = [group for group in groups if group is not None]
    if seen < 2 * GROUPS:
        raise InputError(f"a set has {seen} samples, too few for moments with an interval; give {2 * GROUPS} or more.")
    return Gathered(tuple(whole))


def _merge(groups: list[Moments | None], waiting: list[Floats], seen: int) -> int:
    """Put the rows that wait into their groups, after `seen` others; how many there are then."""
    if not waiting:
        return seen
    try:
        rows = np.concatenate(waiting)
    except ValueError:
        raise InputError("a set has features of several lengths; give samples of one shape.") from None
    waiting.clear()
    for g in range(GROUPS):
        own = rows[(g - seen) % GROUPS :: GROUPS]
        if len(own):
            there, new = groups[g], Moments.of(own)
            groups[g] = new if there is None else there.merge(new)
    return seen + len(rows)


def _given(samples: Any) -> Gathered | None:
    """The moments of a file that holds them."""
    if not isinstance(samples, (str, os.PathLike)) or not str(samples).lower().endswith(".npz"):
        return None
    arrays = read_npz(samples)
    if not arrays.keys() >= STATISTICS:
        return None
    mean, covariance = (np.asarray(arrays[key], np.float64) for key in ("mu", "sigma"))
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
        raise InputError(f"mu {mean.shape} and sigma {covariance.shape} are no moments; give (d,) and (d, d).")
    return Gathered((Moments(2, mean, covariance),), given=True)  # the scatter of two is their covariance


def _between(x: Moments, y: Moments) -> float:
    return frechet(x.mean, x.covariance(), y.mean, y.covariance())


def moments_file(found: Gathered) -> dict[str, Floats]:
    """What a file of the moments holds: mu (d,), sigma (d, d), unbiased, and the count of samples where it is known."""
    every = found.all
    known = {} if found.given else {"count": np.array(float(every.count))}
    return {"mu": every.mean, "sigma": every.covariance()} | known
