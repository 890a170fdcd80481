"""Counter-based normal noise: a function of (seed of the sample, purpose, step) and of nothing else.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2,
3).  Its key is the 64-bit seed of one sample, low word first; its counter is (block, purpose, step, 0); a
block is four words of 32 bits.  The words are therefore the same integers for every split of a batch, number
of processes, library and device; the normals made of them are equal for every split, and equal to rounding
elsewhere.

On the host numpy computes the integers, for torch as well: it multiplies them in half of torch's time. What may
round, the logarithm and the cosine and sine, is of the library that is asked for.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import cast, is_floating, library
from numtoolkit.errors import InputError, counted, typed, whole

# Purposes: the initial state, and the first noise of a step; noise j of a step is STEP + j.
START, STEP = 0, 1

_MASK = 0xFFFFFFFF
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10

_BLOCKS_ON_HOST = 2**16  # arrays of 512 kB: near the cache of a core, and long beside the cost of a call
_BLOCKS_ELSEWHERE = 2**20  # which occupy an accelerator


class Keys(NamedTuple):
    """The seeds of samples as Philox keys, low and high words, int64 (samples, 1) where the noise is computed: in numpy
    on the host."""

    low: Any
    high: Any

    def __repr__(self) -> str:
        return f"<Keys of {counted(len(self.low), 'sample')}>"


def keys(seeds: Iterable[int], like: Any = None) -> Keys:
    """Seeds checked and put on the device of `like` once, for many draws without another transfer."""
    xp, _, device = _backend(like)
    whole = _checked(seeds)[:, None]
    halves = (half.astype(np.int64) for half in (whole & _MASK, whole >> 32))
    return Keys(*(half if _on_host(device) else xp.asarray(half, device=device) for half in halves))


def normals(
    seeds: Iterable[int] | Keys,
    purpose: int,
    step: int,
    shape: int | Sequence[int],
    like: Any = None,
    compiled: bool = False,
) -> Any:
    """Independent standard normal numbers for each sample: Box and Muller (1958) on uniforms of 53 bits.

    seeds    one integer in [0, 2**64) for each sample, or their `keys`; equal seeds give equal noise
    purpose  START, or STEP + j for noise j of a step; below 2**32
    step     number of the step, from 0; below 2**32
    shape    of one sample; a longer shape begins with the numbers of a shorter one, both read flat
    like     None, or a floating numpy array or torch tensor that gives library, device and dtype
    compiled   whether torch is to compile it, for a `like` of torch where it can (`numtoolkit.sampling.compiled`): from
             the same integers, in float64 within 4 units in the last place of what it is else, and of other splits
    returns  (len(seeds), *shape), computed in float64 and rounded once to the dtype of `like`; bit-equal
             however the seeds are split, and in float64 within 4 units in the last place of numpy's on torch
    raises   InputError for a seed, purpose, step, shape or `like` that is not as said
    cost     on one core 5 to 7 times torch.randn in float32, compiled 2 times, where a draw has 100,000 numbers; and
             10 MB beside the result, on a device 150 MB
    """
    axes = [_word("axis of the shape", n) for n in (shape if isinstance(shape, Iterable) else [shape])]
    xp, dtype, device = _backend(like)
    if like is not None and not is_floating(like):
        raise InputError(f"normal noise cannot be {dtype}; give a floating array as `like`, or None.")
    if compiled and xp is np:
        raise InputError("noise is compiled in torch alone; give a torch tensor as `like`, or leave compiled out.")
    placed = seeds if isinstance(seeds, Keys) else keys(seeds, like)
    out = xp.empty((len(placed.low), math.prod(axes)), dtype=dtype, device=device)
    for part, counter, key in _passes(out, 2, placed, purpose, step):
        if compiled:
            _interleave(part, _kernel()(*(_of(xp, word) for word in (*counter, *key))))
        else:
            _interleave(part, _box_muller([_of(xp, u) for u in _uniforms(philox(counter, key))], xp))
    return out.reshape(len(placed.low), *axes)


def words(seeds: Iterable[int], purpose: int, step: int, count: int, like: Any = None) -> Any:
    """The integers in [0, 2**32) behind the noise, int64 of shape (len(seeds), count).

    Two numbers of `normals` take four of them.  `like` gives library and device, its dtype does not matter;
    seeds, purpose and step are as in `normals`.
    """
    xp, _, device = _backend(like)
    placed = keys(seeds, like)
    out = xp.empty((len(placed.low), _word("count of words", count)), dtype=xp.int64, device=device)
    for part, counter, key in _passes(out, 4, placed, purpose, step):
        _interleave(part, [_of(xp, word) for word in philox(counter, key)])
    return out


def philox(counter: Sequence[Any], key: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
    """Philox4x32-10: the four words of a block, from a counter of four words and a key of two (section 3.3).

    The words are ints in [0, 2**32), or all of them int64 arrays or tensors of such values, which broadcast together; a
    word of one value has axes of length 1, for an array without axes may not overflow.
    """
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for n in range(_ROUNDS):
        # After two rounds all words have the shape of the block, and what is new may be written over.
        xor = operator.xor if n < 2 else operator.ixor
        # A product may wrap to a negative int64, but its 64 bits are right. Its low word is masked where it is last
        # used: one mask then serves for it, and for the sign of the high word beside it.
        low0, low1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c2 = xor(xor(low1 >> 32, c1), k0), xor(xor(low0 >> 32, c3), k1)
        c0 &= _MASK
        c2 &= _MASK
        c1, c3 = low1, low0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1 & _MASK, c2, c3 & _MASK


def _passes(out: Any, per_block: int, placed: Keys, purpose: int, step: int) -> Iterator[tuple[Any, Any, Any]]:
    """Views of `out`, pass after pass, each with counter and key of the blocks that fill it, of the library of keys."""
    xp, device = library(placed.low), placed.low.device
    one = [
        xp.full((1, 1), word, dtype=xp.int64, device=device)
        for word in (_word("purpose", purpose), _word("step", step), 0)
    ]
    blocks = _word("count of blocks", -(-out.shape[1] // per_block))
    most = _BLOCKS_ON_HOST if xp is np else _BLOCKS_ELSEWHERE
    wide = max(1, min(blocks, most))
    tall = most // wide
    for row, first in product(range(0, len(placed.low), tall), range(0, blocks, wide)):
        last, key = min(first + wide, blocks), [half[row : row + tall] for half in placed]
        index = xp.arange(first, last, dtype=xp.int64, device=device)[None, :]
        yield out[row : row + tall, per_block * first : per_block * last], (index, *one), key


@cache
def _kernel() -> Any:
    """What torch compiles of a pass: counter and key, tensors, to its two columns of normals."""
    import torch

    def columns(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any]:
        return _box_muller(_uniforms(philox((c0, c1, c2, c3), (k0, k1))), torch)

    return torch.compile(columns, dynamic=True)


def _box_muller(uniforms: Sequence[Any], xp: Any) -> tuple[Any, Any]:
    """Two columns of normals from two of uniforms, over which it writes."""
    radius, angle = uniforms
    xp.log(radius, out=radius)
    radius *= -2.0
    xp.sqrt(radius, out=radius)
    angle *= 2.0 * math.pi
    return radius * xp.cos(angle), radius * xp.sin(angle)


def _uniforms(block: Sequence[Any]) -> list[Any]:
    """The two uniforms that the four words of a block are."""
    return [_uniform(block[0], block[1]), _uniform(block[2], block[3])]


def _uniform(first: Any, second: Any) -> Any:
    """53 bits of two words as multiples of 2**-53 in (0, 1]: never 0, whose logarithm is infinite."""
    bits = first << 21
    bits += second >> 11
    bits += 1
    out = cast(bits, library(bits).float64)
    out *= 2.0**-53
    return out


def _interleave(part: Any, columns: Sequence[Any]) -> None:
    """Fill each row of `part` with a0, b0, ..., a1, b1, ... of the columns a, b, ..., as far as it goes."""
    for i, column in enumerate(columns):
        places = part[:, i :: len(columns)]
        places[...] = column[:, : places.shape[1]]


def _of(xp: Any, array: Any) -> Any:
    """An array in a library: one of numpy is in torch the same memory."""
    return array if library(array) is xp else xp.from_numpy(array)


def _on_host(device: Any) -> bool:
    """Whether numpy computes the integers for a device."""
    return str(device) == "cpu"


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
