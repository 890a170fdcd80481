"""Noise depends on seed, purpose and step only: one for every split and library, normal and independent."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.errors import InputError
from numtoolkit.sampling.noise import START, STEP, normals, philox, words

# Known answers of the Random123 distribution (kat_vectors, philox4x32 with 10 rounds): counter, key, output.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]

SIX_SIGMA = 2e-9  # the two-sided probability of a deviation of six standard deviations

seeds_in_range = st.integers(0, 2**64 - 1)
words_in_range = st.integers(0, 2**32 - 1)


def parse(text):
    return [int(word, 16) for word in text.split()]


def as_int(x):
    return x


def as_numpy(x):
    return np.array([[x]], dtype=np.int64)


def as_torch(x):
    return pytest.importorskip("torch").tensor([[x]])


def like_torch(dtype="float64", device="cpu"):
    torch = pytest.importorskip("torch")
    return torch.empty(0, dtype=getattr(torch, dtype), device=device)


def ulps(value, reference):
    return np.abs(value - reference) / np.spacing(np.abs(reference))


@pytest.mark.parametrize("make", [as_int, as_numpy, as_torch])
@pytest.mark.parametrize(("counter", "key", "output"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(make, counter, key, output):
    """The three known answers of the Random123 distribution, in integers, numpy and torch."""
    result = philox([make(word) for word in parse(counter)], [make(word) for word in parse(key)])
    assert [int(np.asarray(word).item()) for word in result] == parse(output)


@given(seeds_in_range, words_in_range, words_in_range)
def test_words_are_philox_blocks_under_the_documented_key_and_counter(seed, purpose, step):
    """Key: both halves of the seed; counter: block, purpose, step, 0."""
    key = seed % 2**32, seed // 2**32
    expected = [word for block in range(3) for word in philox((block, purpose, step, 0), key)]
    assert words([seed], purpose, step, 11).tolist() == [expected[:11]]


def test_normals_are_box_muller_of_the_words():
    """53 bits each of two words make a radius and an angle, cosine before sine."""
    w = words([5, 2**63 + 1], STEP, 7, 400).reshape(2, 100, 4)
    for seed, blocks in zip([5, 2**63 + 1], w.tolist(), strict=True):
        expected = []
        for w0, w1, w2, w3 in blocks:
            u, v = (((a << 21) + (b >> 11) + 1) / 2**53 for a, b in ((w0, w1), (w2, w3)))
            radius = math.sqrt(-2 * math.log(u))
            expected += [radius * math.cos(2 * math.pi * v), radius * math.sin(2 * math.pi * v)]
        # One ulp each for log, sqrt, cosine or sine and product, by two libraries.
        assert ulps(normals([seed], STEP, 7, 200)[0], np.array(expected)).max() <= 4


@given(st.lists(seeds_in_range, min_size=1, max_size=6), words_in_range, words_in_range, st.integers(0, 40))
def test_words_are_the_same_integers_in_numpy_and_torch(seeds, purpose, step, count):
    """int64 of 32 bits, bit for bit, for any seeds, purpose and step."""
    ours = words(seeds, purpose, step, count)
    theirs = words(seeds, purpose, step, count, like=like_torch("float32"))
    assert ours.dtype == np.int64
    assert ours.shape == (len(seeds), count)
    np.testing.assert_array_equal(ours, theirs.numpy())


def test_normals_agree_to_four_ulp_in_numpy_and_torch():
    """Two libraries' log, sqrt, cosine and sine are all that differs."""
    ours = normals(range(100), STEP, 3, (50, 20))
    theirs = normals(range(100), STEP, 3, (50, 20), like=like_torch())
    assert theirs.shape == ours.shape == (100, 50, 20)
    # As above; 3 are seen in five million numbers.
    assert ulps(theirs.numpy(), ours).max() <= 4


@pytest.mark.gpu
def test_noise_on_cuda_is_that_of_numpy():
    """Words are equal, normals within 8 ulp of the CPU's."""
    like = like_torch("float64", "cuda")
    seeds = [0, 1, 2**32, 2**64 - 1, *range(500)]
    np.testing.assert_array_equal(words(seeds, 9, 2**31, 999, like=like).cpu(), words(seeds, 9, 2**31, 999))
    drawn = normals(seeds, STEP, 3, 999, like=like)
    assert drawn.device.type == "cuda"
    # CUDA documents log and sincos to 1 and 2 ulp, twice as loose as the processor libraries.
    assert ulps(drawn.cpu().numpy(), normals(seeds, STEP, 3, 999)).max() <= 8


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 15, 16, 31, 64, 333, 3072])
def test_a_batch_may_be_split_in_any_way_bit_for_bit(library, size):
    """The noise of a sample does not know its batch, in numpy and torch, at any size."""
    like = None if library == "numpy" else like_torch()
    seeds = [11, 3, 3, 2**64 - 1, 0, *range(100, 130)]
    whole = np.asarray(normals(seeds, STEP, 4, size, like=like))
    for parts in ([1] * len(seeds), [4, 30, 1], [17, 18]):
        split = np.split(np.array(seeds, dtype=np.uint64), np.cumsum(parts)[:-1])
        drawn = np.concatenate([np.asarray(normals(part, STEP, 4, size, like=like)) for part in split])
        np.testing.assert_array_equal(drawn, whole)
    assert (whole[1] == whole[2]).all()


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_a_large_draw_is_that_of_its_samples_and_prefixes(library):
    """Passes inside a draw cannot be seen from outside.

    300 000 numbers of a sample and 20 000 samples both take several passes inside.
    """
    like = None if library == "numpy" else like_torch()
    long = np.asarray(normals([7, 8], START, 0, 300_000, like=like))
    wide = np.asarray(normals(range(20_000), START, 0, 15, like=like))
    np.testing.assert_array_equal(wide[7:9], long[:, :15])
    for count in (1, 2, 99, 262_144, 262_145, 299_999):
        np.testing.assert_array_equal(np.asarray(normals([8], START, 0, count, like=like))[0], long[1, :count])
    far = words([8], START, 0, 600_000)[0, 4 * 140_000 :][:4]
    assert far.tolist() == list(philox((140_000, START, 0, 0), (8, 0)))


def test_a_longer_shape_begins_with_the_numbers_of_a_shorter_one():
    """Any shape of n numbers is the first n, so that an image and its flat vector have one noise."""
    flat = normals([1, 2], STEP, 5, 60)
    for shape in (7, (7,), [3, 4], (2, 3, 5), (), (0, 4)):
        drawn = normals([1, 2], STEP, 5, shape)
        assert drawn.shape == (2, *np.atleast_1d(np.array(shape, dtype=int)))
        np.testing.assert_array_equal(drawn.reshape(2, -1), flat[:, : drawn[0].size])


def test_noise_takes_library_dtype_and_rounding_from_its_example():
    """Normals are computed in float64 and rounded once to the dtype of `like`."""
    exact = normals([1, 2], STEP, 0, 9)
    for dtype in ("float16", "float32", "float64"):
        ours = normals([1, 2], STEP, 0, 9, like=np.empty(3, dtype))
        np.testing.assert_array_equal(ours, exact.astype(dtype), strict=True)
        theirs = normals([1, 2], STEP, 0, 9, like=like_torch(dtype))
        assert theirs.dtype == like_torch(dtype).dtype
        np.testing.assert_allclose(theirs.numpy(), exact, rtol=np.finfo(dtype).eps)
    assert normals([], STEP, 0, (3, 2)).shape == (0, 3, 2)


def test_noise_depends_on_each_of_seed_purpose_and_step():
    """Calls that differ in one of the three share no word of 32 bits.

    Neighbours in every argument, and pairs that a sum or an exclusive or of arguments would confuse.
    """
    calls = [(s, p, n) for s in (0, 1, 2, 3, 2**32, 2**32 + 1, 2**63) for p in range(4) for n in range(4)]
    drawn = np.concatenate([words([s], p, n, 8) for s, p, n in calls])
    assert len(np.unique(drawn, axis=0)) == len(calls)
    assert len(np.unique(drawn)) == drawn.size  # 896 words of 32 bits repeat one with probability 1e-4


# Statistics of a fixed draw: each bound is six standard deviations of the statistic for independent normals.
SAMPLES, NUMBERS = 400, 2500


@pytest.fixture(scope="module")
def draw():
    return normals(range(SAMPLES), STEP, 0, NUMBERS)


def test_moments_are_those_of_the_normal_distribution(draw):
    """The first four moments of a million normals, within six standard errors."""
    count = draw.size
    # The variances of x, x^2, x^3 and x^4 are 1, 2, 15 and 96.
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((draw**power).mean() - moment) <= 6 * math.sqrt(variance / count)


def test_the_distribution_of_the_noise_is_normal(draw):
    """Kolmogorov-Smirnov on all, cosines, sines and first numbers, and the share beyond four deviations."""
    assert scipy.stats.kstest(draw.ravel(), "norm").pvalue > SIX_SIGMA
    for parity in (0, 1):  # cosine and sine
        assert scipy.stats.kstest(draw[:, parity::2].ravel(), "norm").pvalue > SIX_SIGMA
    # The first numbers of all samples are as normal as those of one sample.
    assert scipy.stats.kstest(draw[:, 0], "norm").pvalue > SIX_SIGMA
    # Tails: the share beyond four standard deviations is 6.3e-5, of a million numbers.
    share = 2 * scipy.stats.norm.sf(4)
    assert abs((abs(draw) > 4).sum() - share * draw.size) <= 6 * math.sqrt(share * draw.size)


def test_each_bit_of_the_words_is_fair():
    """32 bits are each 1 half of the time, and the top byte is uniform."""
    drawn = words(range(SAMPLES), STEP, 0, 250)
    for bit in range(32):
        assert abs((drawn >> bit & 1).mean() - 0.5) <= 6 * 0.5 / math.sqrt(drawn.size)
    counts = np.bincount((drawn >> 24).ravel(), minlength=256)
    assert scipy.stats.chisquare(counts).pvalue > SIX_SIGMA


def test_neighbours_are_independent(draw):
    """Next number, block, seed, step, slot and purpose: neither values nor squares correlate."""
    following = {
        "the next number": (draw[:, :-1], draw[:, 1:]),
        "the number after": (draw[:, :-2], draw[:, 2:]),
        "the next block": (draw[:, :-4], draw[:, 4:]),
        "the next seed": (draw[:-1], draw[1:]),
        "the next step": (draw, normals(range(SAMPLES), STEP, 1, NUMBERS)),
        "the next noise of the step": (draw, normals(range(SAMPLES), STEP + 1, 0, NUMBERS)),
        "the start": (draw, normals(range(SAMPLES), START, 0, NUMBERS)),
        "the seed of the high word": (draw, normals(range(2**32, 2**32 + SAMPLES), STEP, 0, NUMBERS)),
    }
    for name, (x, y) in following.items():
        # Products of independent x and y have variance 1; those of x^2 - 1 and y^2 - 1 have variance 4.
        assert abs((x * y).mean()) <= 6 / math.sqrt(x.size), name
        assert abs(((x**2 - 1) * (y**2 - 1)).mean()) <= 12 / math.sqrt(x.size), name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: normals([-1], STEP, 0, 3), "seed = -1 "),
        (lambda: normals([2**64], STEP, 0, 3), "18446744073709551616"),
        (lambda: normals([1.0], STEP, 0, 3), "seed = 1.0 "),
        (lambda: normals([True], STEP, 0, 3), "seed = True "),
        (lambda: normals(["1"], STEP, 0, 3), "seed = '1' "),
        (lambda: normals(5.0, STEP, 0, 3), "seed = 5.0 "),
        (lambda: normals([1], -1, 0, 3), "purpose = -1 "),
        (lambda: normals([1], STEP, 2**32, 3), "step = 4294967296 "),
        (lambda: normals([1], STEP, 0.5, 3), "step = 0.5 "),
        (lambda: normals([1], STEP, 0, (3, -1)), "axis of the shape = -1 "),
        (lambda: normals([1], STEP, 0, 2.5), "axis of the shape = 2.5 "),
        (lambda: words([1], STEP, 0, -2), "count of words = -2 "),
        (lambda: normals([1], STEP, 0, 3, like=np.empty(2, int)), "int64"),
        (lambda: normals([1], STEP, 0, 3, like=like_torch("int64")), "int64"),
        (lambda: normals([1], STEP, 0, 3, like=[1.0]), "list"),
        (lambda: normals([1], STEP, 0, 3, compiled=True), "compiled in torch alone"),
    ],
)
def test_noise_refuses_seeds_steps_and_shapes_out_of_range(call, message):
    """The refusal names the argument and its value, in one sentence."""
    with pytest.raises(InputError, match=message):
        call()
