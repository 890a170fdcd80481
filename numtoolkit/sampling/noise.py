"""Counter-based normal noise: a function of (seed of the sample, purpose, step) and of nothing else.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2,
3).  Its key is the 64-bit seed of one sample, low word first; its counter is (block, purpose, step, 0); a
block is four words of 32 bits.  The words are therefore the same integers for every split of a batch, number
of processes, library and device; the normals made of them are equal for every split, and equal to rounding
elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import is_floating, library
from numtoolkit.errors import InputError, counted, typed, whole

# Purposes: the initial state, and the first noise of a step; noise j of a step is STEP + j.
START, STEP = 0, 1

_MASK = 0xFFFFFFFF
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10

_BLOCKS_PER_PASS = 2**17  # near the cache of a core, and still enough to occupy an accelerator


class Keys(NamedTuple):
    """The seeds of samples as Philox keys, low and high words, int64 (samples, 1) where the noise is wanted."""

    low: Any
    high: Any

    def __repr__(self) -> str:
        return f"<Keys of {counted(len(self.low), 'sample')}>"


def keys(seeds: Iterable[int], like: Any = None) -> Keys:
    """Seeds checked and put on the device of `like` once, for many draws without another transfer."""
    xp, _, device = _backend(like)
    whole = _checked(seeds)[:, None]
    return Keys(*(xp.asarray(half.astype(np.int64), device=device) for half in (whole & _MASK, whole >> 32)))


def normals(seeds: Iterable[int] | Keys, purpose: int, step: int, shape: int | Sequence[int], like: Any = None) -> Any:
    """Independent standard normal numbers for each sample: Box and Muller (1958) on uniforms of 53 bits.

    seeds    one integer in [0, 2**64) for each sample, or their `keys`; equal seeds give equal noise
    purpose  START, or STEP + j for noise j of a step; below 2**32
    step     number of the step, from 0; below 2**32
    shape    of one sample; a longer shape begins with the numbers of a shorter one, both read flat
    like     None, or a floating numpy array or torch tensor that gives library, device and dtype
    returns  (len(seeds), *shape), computed in float64 and rounded once to the dtype of `like`; bit-equal
             however the seeds are split, and in float64 within 4 units in the last place of numpy's on torch
    raises   InputError for a seed, purpose, step, shape or `like` that is not as said
    cost     10 to 60 ns a number on one core, and about 20 MB beside the result
    """
    axes = [_word("axis of the shape", n) for n in (shape if isinstance(shape, Iterable) else [shape])]
    xp, dtype, device = _backend(like)
    if like is not None and not is_floating(like):
        raise InputError(f"normal noise cannot be {dtype}; give a floating array as `like`, or None.")
    placed = seeds if isinstance(seeds, Keys) else keys(seeds, like)
    out = xp.empty((len(placed.low), math.prod(axes)), dtype=dtype, device=device)
    for part, block in _passes(out, 2, placed, purpose, step, xp):
        radius, angle = _uniform(block[0], block[1], xp), _uniform(block[2], block[3], xp)
        xp.log(radius, out=radius)
        radius *= -2.0
        xp.sqrt(radius, out=radius)
        angle *= 2.0 * math.pi
        _interleave(part, (radius * xp.cos(angle), radius * xp.sin(angle)), xp)
    return out.reshape(len(placed.low), *axes)


def words(seeds: Iterable[int], purpose: int, step: int, count: int, like: Any = None) -> Any:
    """The integers in [0, 2**32) behind the noise, int64 of shape (len(seeds), count).

    Two numbers of `normals` take four of them.  `like` gives library and device, its dtype does not matter;
    seeds, purpose and step are as in `normals`.
    """
    xp, _, device = _backend(like)
    placed = keys(seeds, like)
    out = xp.empty((len(placed.low), _word("count of words", count)), dtype=xp.int64, device=device)
    for part, block in _passes(out, 4, placed, purpose, step, xp):
        _interleave(part, block, xp)
    return out


def philox(counter: Sequence[Any], key: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10: the four words of a block, from a counter of four words and a key of two (section 3.3).

    A word is an int or an int64 array or tensor with values in [0, 2**32); all six broadcast together.
    """
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(_ROUNDS):
        # A product may wrap to a negative int64, but its 64 bits are right, and so is each half once masked.
        low0, low1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        high0, high1 = low0 >> 32, low1 >> 32
        low0 &= _MASK
        low1 &= _MASK
        high0 &= _MASK
        high1 &= _MASK
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def _passes(
    out: Any, per_block: int, placed: Keys, purpose: int, step: int, xp: Any
) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Views of `out`, pass after pass, each with the four words (rows, blocks) that fill it."""
    counter = _word("purpose", purpose), _word("step", step), 0
    blocks = _word("count of blocks", -(-out.shape[1] // per_block))
    wide = max(1, min(blocks, _BLOCKS_PER_PASS))
    tall = _BLOCKS_PER_PASS // wide
    for row, first in product(range(0, len(placed.low), tall), range(0, blocks, wide)):
        last, key = min(first + wide, blocks), [half[row : row + tall] for half in placed]
        index = xp.arange(first, last, dtype=xp.int64, device=out.device)[None, :]
        yield out[row : row + tall, per_block * first : per_block * last], philox((index, *counter), key)


def _uniform(first: Any, second: Any, xp: Any) -> Any:
    """53 bits of two words as multiples of 2**-53 in (0, 1]: never 0, whose logarithm is infinite."""
    out = xp.asarray((first << 21) + (second >> 11) + 1, dtype=xp.float64)
    out *= 2.0**-53
    return out


def _interleave(part: Any, columns: Sequence[Any], xp: Any) -> None:
    """Fill each row of `part` with a0, b0, ..., a1, b1, ... of the columns a, b, ..., as far as it goes."""
    part[...] = xp.stack(columns, -1).reshape(len(part), -1)[:, : part.shape[1]]


def _backend(like: Any) -> tuple[Any, Any, Any]:
    """(library, dtype, device) of an array, by default those of numpy in float64."""
    xp = np if like is None else library(like)
    if xp is None:
        raise InputError(f"noise can be like a numpy array or a torch tensor, not like {typed(like)}.")
    return xp, np.dtype(np.float64) if like is None else like.dtype, "cpu" if xp is np else like.device


def _checked(seeds: Iterable[int]) -> NDArray[np.uint64]:
    listed = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    return np.array([whole("seed", seed, 0, 2**64 - 1) for seed in listed], dtype=np.uint64)


def _word(name: str, value: Any) -> int:
    """A whole number that fits a word of the counter."""
    return whole(name, value, 0, 2**32 - 1)
