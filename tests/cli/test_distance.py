"""What `distance` reads: folders, archives, laws, moments; and what it prints."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.storage import read_npz, write_npz
from numtoolkit.laws import law_of
from numtoolkit.measure.distances import frechet
from numtoolkit.measure.features import features_of
from numtoolkit.measure.frechet import frechet_distance, gathered, moments_file
from numtoolkit.measure.sample_sets import pieces
from tests.support.command_line import SAMPLE, drawn
from tests.support.laws import normal


def test_folders_archives_and_laws_are_sets_of_samples(result, tmp_path):
    """What `sample` filled, as its own files and as an archive; 8 bits as x / 127.5 - 1; a law drawn by its name."""
    result(*SAMPLE, "--seeds", "0-49", "--batch", "9", "--out", tmp_path / "drawn")
    rows = np.stack([own for _, own in sorted(drawn(tmp_path / "drawn").items())])
    assert np.array_equal(np.concatenate(list(pieces(tmp_path / "drawn"))), rows)
    for key in ("samples", "images", "arr_0"):
        write_npz(tmp_path / "x.npz", {key: rows})
        assert np.array_equal(np.concatenate(list(pieces(str(tmp_path / "x.npz")))), rows)
    bits = np.arange(256, dtype=np.uint8).reshape(-1, 2, 2)
    assert np.array_equal(next(pieces(bits)), bits / 127.5 - 1)
    assert np.array_equal(np.concatenate(list(pieces("ring", 3))), law_of("ring").sample(10_000, 3))


def test_files_of_laws_are_drawn_from(tmp_path):
    """A spectrum as its Gaussian; images with weights, which are no sample as they are, by these."""
    x = normal(50, 0)
    file = str(numtoolkit.spectrum_of(x).save(tmp_path / "s.npz"))
    assert np.array_equal(np.concatenate(list(pieces(file))), law_of(file).sample(10_000, 0))
    write_npz(tmp_path / "w.npz", {"images": x, "weights": np.eye(50)[7]})
    assert np.unique(np.concatenate(list(pieces(str(tmp_path / "w.npz")))), axis=0).tolist() == [x[7].tolist()]


def test_of_a_phase_space_the_positions_are_compared(result, tmp_path):
    """The first block of each state."""
    words = ["sample", "--law", "ring", "--scheme", "rvv", "--process", "psld", "--grid", "quadratic", "--nfe", "4"]
    result(*words, "--seeds", "0-9", "--out", tmp_path)
    states = np.stack([own for _, own in sorted(drawn(tmp_path).items())])
    assert states.shape == (10, 2, 2)
    assert np.array_equal(next(pieces(tmp_path)), states[:, 0])


def test_a_damaged_or_foreign_file_of_a_folder_is_refused(result, tmp_path):
    """A set with some samples left out, or of two runs, would be another set."""
    result(*SAMPLE, "--seeds", "0-3", "--batch", "2", "--out", tmp_path / "a")
    result(*SAMPLE, "--law", "gaussian(dim=2)", "--seeds", "4-5", "--batch", "2", "--out", tmp_path / "b")
    (tmp_path / "b" / "samples-00000004.npz").rename(tmp_path / "a" / "samples-00000004.npz")
    with pytest.raises(StorageError, match="is damaged, or of another run than the files before it"):
        list(pieces(tmp_path / "a"))
    own = tmp_path / "a" / "samples-00000000.npz"
    write_npz(own, read_npz(own) | {"samples": np.zeros((2, 2))})
    with pytest.raises(StorageError, match=r"samples-00000000\.npz' is damaged"):
        list(pieces(tmp_path / "a"))


def test_a_folder_that_lacks_a_file_of_its_manifest_is_refused(run, result, tmp_path):
    """The rest would be counted as all, without a word; drawn again it is the same set."""
    words = [*SAMPLE, "--seeds", "0-49", "--batch", "10", "--out", tmp_path]
    result(*words)
    whole = np.concatenate(list(pieces(tmp_path)))
    (tmp_path / "samples-00000020.npz").unlink()
    code, out, err = run("distance", tmp_path, "ring")
    assert (code, out) == (2, "")
    said = f"{str(tmp_path / 'samples-00000020.npz')!r} is gone, which manifest.json names; run the command that filled"
    assert said in err
    result(*words)
    assert np.array_equal(np.concatenate(list(pieces(tmp_path))), whole)


def test_given_moments_are_exact(run, tmp_path):
    """mu and sigma of others, or of --moments, add no bias: the line is through the sizes of the other set alone."""
    x, y = normal(60, 0), normal(5000, 1, 1.5)
    np.savez(tmp_path / "y.npz", x=y)
    with pytest.raises(InputError, match=r"the keys of .* are x; give samples, images or arr_0"):
        frechet_distance(x, tmp_path / "y.npz")
    np.savez(tmp_path / "y.npz", samples=y)
    words = ["distance", str(tmp_path / "y.npz"), "gaussian(dim=4)", "--moments", str(tmp_path / "moments.npz")]
    assert run(*words)[0] == 0
    kept = read_npz(tmp_path / "moments.npz")
    np.testing.assert_allclose(kept["mu"], y.mean(0), rtol=1e-12)
    np.testing.assert_allclose(kept["sigma"], np.cov(y.T), rtol=1e-11, atol=1e-15)
    assert kept["count"] == 5000
    assert "count" not in moments_file(gathered(tmp_path / "moments.npz", features_of("pixels")))
    found = frechet_distance(x, tmp_path / "moments.npz")
    assert found.value == pytest.approx(frechet_distance(x, y).value, rel=1e-10)
    assert found.counts == (60, None)
    without = [frechet(*(f(np.delete(x, np.s_[g::20], 0).T) for f in (lambda a: a.mean(1), np.cov)),
                       y.mean(0), np.cov(y.T)) for g in range(20)]  # fmt: skip
    assert found.limit == pytest.approx(20 * found.value - 19 * np.mean(without), rel=1e-9)
    with pytest.raises(InputError, match="both sets are moments"):
        frechet_distance(tmp_path / "moments.npz", tmp_path / "moments.npz")


def test_the_command_says_what_the_function_does(result, run, tmp_path):
    """A row a space, in JSON the numbers of `frechet_distance`."""
    np.savez(tmp_path / "x.npz", samples=normal(60, 0))
    np.savez(tmp_path / "y.npz", samples=normal(70, 1))
    paths = [tmp_path / "x.npz", tmp_path / "y.npz"]
    rows = result("distance", *paths, "--features", "pixels,projection(dim=2)")
    for row, space in zip(rows, ("pixels", "projection(dim=2)"), strict=True):
        found = numtoolkit.frechet_distance(*paths, space)
        assert (row["features"], row["n"], row["m"]) == (space, 60, 70)
        assert [row[key] for key in ("distance", "limit", "low", "high")] == [
            found.value, found.limit, found.low, found.high
        ]  # fmt: skip
    assert "95 % interval" in run("distance", *paths)[1]
    for words, said in (
        ([*paths, "--features", "pixels,projection(2)", "--moments", tmp_path / "m.npz"], "names 2; give one"),
        ([tmp_path, paths[1]], "is no folder that sample filled, for it has no manifest.json; name another"),
        ([*paths, "--moments", "m.txt"], "--moments 'm.txt' ends in .txt; end it in .npz"),
        ([paths[0], "ring"], "the sets have 4 and 2 dimensions in pixels; give samples of one shape"),
        (["nowhere", paths[1]], "is no set of samples; give a folder"),
    ):
        code, _, err = run("distance", *words)
        assert code == 2
        assert said in err
