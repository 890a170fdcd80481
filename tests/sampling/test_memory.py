"""A run needs its result and one tile, or one tile where the result goes elsewhere; what was done is not lost."""

from __future__ import annotations

import tracemalloc
import weakref

import numpy as np
import pytest
import torch

from numtoolkit import Network, sample
from numtoolkit.cli import main
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import law_of

DIM, BATCH = 64, 500
RUN = {"process": "vp", "grid": "uniform", "nfe": 3, "dtype": np.float64, "batch": BATCH}
SHORT = {"process": "vp", "grid": "uniform", "steps": 2, "seeds": range(10), "shape": (3,), "batch": 4}
HALF = Network(lambda z, t: z * 0.5, "data")


def peak(work, *arguments, **keywords):
    """The most bytes that Python and numpy held at once beyond what they held before, and what `work` gave."""
    tracemalloc.start()
    try:
        given = work(*arguments, **keywords)
        return tracemalloc.get_traced_memory()[1], given
    finally:
        tracemalloc.stop()


def drawn(n, **keywords):
    """n samples of a Gaussian."""
    return sample("ddim", network=Network.of(law_of(f"gaussian(dim={DIM})")), seeds=range(n), **RUN, **keywords)


# Beside arrays a seed is an int in two lists, of 8 bytes of reference each and 32 of the number, and one flag.
BESIDE = 2 * (8 + 32) + 1


@pytest.mark.check
def test_a_run_needs_its_result_and_one_tile(tmp_path):
    """50,000 samples in tiles of 500: the result is there once, and the peak of a run of one tile comes on top."""
    drawn(BATCH)  # what is kept between runs, such as what was imported, is there now
    tile, _ = peak(drawn, BATCH)
    most, run = peak(drawn, 50_000)
    assert run.samples.nbytes == 50_000 * DIM * 8
    assert most < run.samples.nbytes + 1.5 * tile + 50_000 * BESIDE


@pytest.mark.check
def test_a_run_into_a_file_needs_one_tile(tmp_path):
    """The same samples into a memory map: the result is nowhere in memory, and bit for bit the same."""
    drawn(BATCH)
    tile, _ = peak(drawn, BATCH)
    into = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(50_000, DIM))
    most, run = peak(drawn, 50_000, into=into)
    assert run.samples is into
    assert most < 1.5 * tile + 50_000 * BESIDE
    np.testing.assert_array_equal(into, drawn(50_000).samples)


@pytest.mark.check
def test_the_command_needs_one_tile(tmp_path, capsys):
    """50,000 samples into a folder: besides a tile, and the file that is made of it, only its seeds are held.

    A file is a tile of 256 kB, once as an array, as the bytes that are hashed, in the archive and as what is written.
    """

    def command(n):
        words = f"sample --law gaussian(dim={DIM}) --scheme ddim --process vp --grid uniform --nfe 3 --batch {BATCH}"
        assert main([*words.split(), "--seeds", f"0-{n - 1}", "--out", str(tmp_path / str(n))]) == 0

    command(BATCH)
    tile, _ = peak(drawn, BATCH)
    most, _ = peak(command, 50_000)
    kept = 5 * 60  # of a seed in the lists and sets of the command, the run and the folder
    assert most < 1.5 * tile + 6 * BATCH * DIM * 8 + 50_000 * (BESIDE + kept)
    assert most < 50_000 * DIM * 8  # one result


def test_an_evaluation_is_let_go_before_the_next():
    """Of a scheme without history no output of the network lives when the network is called again, bar or no bar."""
    outputs, living = [], []

    def network(z, t):
        living.append(sum(ref() is not None for ref in outputs))
        own = z * 0.5
        outputs.append(weakref.ref(own))
        return own

    sample("ddim", network=Network(network, "data"), **SHORT)
    assert living == [0] * 6


@pytest.mark.check
def test_pictures_and_distances_of_many_samples_need_one_file(tmp_path, capsys, monkeypatch):
    """50,000 pictures, and their distance from given moments: one file, moments, and the seeds."""
    monkeypatch.setattr("numtoolkit.measure.frechet.BLOCK", BATCH * DIM)
    np.savez(tmp_path / "given.npz", mu=np.zeros(DIM), sigma=np.eye(DIM))

    def command(n):
        words = f"sample --law digits(count=2) --scheme ddim --process vp --grid uniform --nfe 1 --batch {BATCH}"
        more = ["--pictures", "npz", "--seeds", f"0-{n - 1}", "--out", str(tmp_path / str(n))]
        assert main([*words.split(), *more]) == 0
        assert main(["distance", str(tmp_path / str(n)), str(tmp_path / "given.npz")]) == 0

    command(BATCH + 1)  # what is kept between runs, such as what was imported, is there now
    few, _ = peak(command, BATCH)
    most, _ = peak(command, 50_000)
    kept = 5 * 60  # of a seed in the lists and sets of the command, the run and the folder
    assert most < few + 50_000 * (BESIDE + kept)
    assert most < 50_000 * DIM * 8  # one result


# --- where samples go


@pytest.mark.parametrize("like", [np.zeros, torch.zeros])
@pytest.mark.parametrize("batch", [3, 4, 10, 16])
def test_samples_are_put_where_they_are_wanted(like, batch):
    """An array of numpy or torch holds what a run without it returns, on whatever process, denoised or not."""
    dtype = {np.zeros: np.float32, torch.zeros: torch.float32}[like]
    phase = {"process": "psld"}
    for keywords, shape in (({}, (10, 3)), (phase, (10, 2, 3)), (phase | {"denoise": True}, (10, 3))):
        network = Network(lambda z, t: z[:, 0] * 0.5, "data") if "process" in keywords else HALF
        how = SHORT | {"dtype": dtype, "batch": batch} | keywords
        into = like(shape, dtype=dtype)
        run = sample("rvv" if "process" in keywords else "ddim", network=network, into=into, **how)
        assert run.samples is into
        again = sample("rvv" if "process" in keywords else "ddim", network=network, **how)
        np.testing.assert_array_equal(np.asarray(into), np.asarray(again.samples))
        assert run.finite.tolist() == again.finite.tolist() == [True] * 10


def test_a_run_in_torch_may_go_to_the_host():
    """Into a numpy array, and into anything that takes slices, which gets host arrays."""

    class Store(dict):
        def __setitem__(self, own, samples):
            super().__setitem__((own.start, own.stop), samples)

    into, store = np.zeros((10, 3), np.float32), Store()
    wanted = sample("ddim", network=HALF, **SHORT).samples
    sample("ddim", network=HALF, into=into, **SHORT)
    run = sample("ddim", network=HALF, into=store, **SHORT)
    assert repr(run) == "<Samples of ddim: 10 in a Store, 2 evaluations in 2 steps, none lost>"
    np.testing.assert_array_equal(into, wanted.numpy())
    assert list(store) == [(0, 4), (4, 8), (8, 10)]
    assert all(type(part) is np.ndarray for part in store.values())
    np.testing.assert_array_equal(np.concatenate(list(store.values())), into)


def failing(after, with_):
    """A network that does `with_` to its output from a call on."""
    calls = []

    def network(z, t):
        calls.append(t)
        return with_(z) if len(calls) > after else z * 0.5

    return Network(network, "data")


def test_tiles_before_a_failure_stay_where_they_were_put():
    """An exception or a number that is not finite in the third tile leaves two, and nothing of the third."""

    def stop(z):
        raise KeyboardInterrupt

    wanted = sample("ddim", network=HALF, **SHORT).samples
    for with_, error in ((stop, KeyboardInterrupt), (lambda z: z * float("nan"), NonFiniteError)):
        into = torch.full((10, 3), 7.0)
        with pytest.raises(error, match=r"^(sample 8 \(seed 8\).*|)$"):
            sample("ddim", network=failing(2 * 2, with_), into=into, **SHORT)
        assert torch.equal(into[:8], wanted[:8])
        assert (into[8:] == 7.0).all()


def test_marked_samples_are_put_with_the_others():
    """With "mark" every tile is put, and `finite` says which samples are good."""
    into = torch.zeros(10, 3)
    run = sample("ddim", network=failing(2 * 2, lambda z: z * float("nan")), into=into, on_nonfinite="mark", **SHORT)
    assert run.finite.tolist() == [True] * 8 + [False] * 2
    assert into.isfinite().all(1).tolist() == run.finite.tolist()


@pytest.mark.parametrize(
    ("into", "keywords", "words"),
    [
        (torch.zeros(9, 3), {}, r"into has shape \(9, 3\) and dtype float32; give \(10, 3\) of float32\.$"),
        (torch.zeros(10, 3, dtype=torch.float64), {}, r"and dtype float64; give \(10, 3\) of float32\.$"),
        (np.zeros((10, 3), int), {}, r"and dtype int64; give \(10, 3\) of float32\.$"),
        (3, {}, r"into is an int, which stores no samples; give an array of shape \(10, 3\)\.$"),
        (torch.zeros(10, 3), {"dtype": np.float32}, "into is a torch tensor, but the run is in numpy"),
    ],
)
def test_what_cannot_hold_the_samples_is_refused_before_the_run(into, keywords, words):
    """In one sentence, before the network is called."""

    def never(z):
        raise AssertionError

    with pytest.raises(InputError, match=words):
        sample("ddim", network=failing(0, never), into=into, **SHORT | keywords)
