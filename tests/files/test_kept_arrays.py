"""Arrays that were computed are kept in the user's cache, which is never trusted or needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from numtoolkit.files import user_cache as cache
from numtoolkit.files.storage import write_npz


class Computed:
    """Something that is costly: it counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"x": np.arange(3.0)}


def entries(place: Path) -> list[Path]:
    return sorted(place.rglob("*.npz"))


def test_what_was_computed_is_kept_by_its_key(tmp_path, monkeypatch):
    """The same bits the second time, without asking; another key or another kind is another entry."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path))
    compute = Computed()
    for key, kind, times in (("a", "k", 1), ("a", "k", 1), ("b", "k", 2), ("a", "other", 3)):
        np.testing.assert_array_equal(cache.kept_arrays(kind, key, compute)["x"], np.arange(3.0))
        assert compute.times == times
    assert len(entries(tmp_path)) == 3


@pytest.mark.parametrize("harm", ["cut", "flipped", "of another key", "of no key", "a folder"])
def test_an_entry_that_cannot_be_trusted_is_computed_anew_and_replaced(tmp_path, monkeypatch, harm):
    """Cut short, with a bit flipped, put under another name, without a key, or no file at all."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path))
    compute = Computed()
    cache.kept_arrays("k", "a", compute)
    (path,) = entries(tmp_path)
    content = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(content[:-40])
    elif harm == "flipped":
        content[content.index(np.arange(3.0).tobytes())] ^= 1
        path.write_bytes(content)
    elif harm == "of another key":
        cache.kept_arrays("k", "b", compute)
        next(other for other in entries(tmp_path) if other != path).replace(path)
        compute.times = 1
    elif harm == "of no key":
        write_npz(path, {"x": np.zeros(3)})
    else:
        path.unlink()
        path.mkdir()
    np.testing.assert_array_equal(cache.kept_arrays("k", "a", compute)["x"], np.arange(3.0))
    assert compute.times == 2
    cache.kept_arrays("k", "a", compute)
    assert compute.times == (3 if harm == "a folder" else 2)


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path, monkeypatch):
    """It is computed each time; nothing is kept, nothing is said."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "file"))
    compute = Computed()
    for times in (1, 2):
        cache.kept_arrays("k", "a", compute)
        assert compute.times == times
