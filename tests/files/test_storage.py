"""Files are written whole or not at all, depend on their content alone, and are read with suspicion."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.errors import InputError, StorageError
from numtoolkit.files import storage
from tests.support.checkout import ROOT


def refuses(match, function, *arguments):
    """Assert that the call is refused with one sentence of that kind."""
    with pytest.raises(StorageError, match=match) as found:
        function(*arguments)
    assert "\n" not in str(found.value)
    assert str(found.value).endswith(".")


# --- writing


def test_a_file_is_replaced_and_folders_are_made(tmp_path):
    """The new content alone remains, text or bytes, in a folder made for it."""
    path = tmp_path / "a" / "b" / "file.txt"
    assert storage.write(path, "old") == path
    storage.write(path, b"new\xff")
    assert path.read_bytes() == b"new\xff"
    assert os.listdir(path.parent) == ["file.txt"]


def test_new_files_have_the_permissions_that_open_gives(tmp_path):
    """A file written by rename is no stricter than one written by `open`: the umask rules."""
    storage.write(tmp_path / "ours", "")
    (tmp_path / "theirs").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, step, failure):
    """A full disk or Ctrl-C, at the flush or at the rename: the old content stays and nothing beside it."""
    path = tmp_path / "file"
    storage.write(path, "old")

    def fail(*arguments):
        raise failure

    monkeypatch.setattr(os, step, fail)
    if isinstance(failure, OSError):
        refuses("cannot write .*file': no space left on device; name another place", storage.write, path, "new")
    else:
        with pytest.raises(KeyboardInterrupt):
            storage.write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


WRITER = """
import sys
from numtoolkit.files.storage import write
for i in range(10**9):
    write(sys.argv[1], bytes([i % 256]) * 2_000_000)
    if i == 0: print(flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_writer_leaves_a_whole_file_and_its_litter_is_swept(tmp_path):
    """kill -9 at any moment leaves one whole content; partial files are swept, unless so young that one writes them."""
    path, rng = tmp_path / "file", random.Random(0)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
        content = path.read_bytes()
        assert len(content) == 2_000_000
        assert len(set(content)) == 1
    names = {"file", ".file.01234567.partial", ".theirs.partial"}
    for name in names:
        (tmp_path / name).touch()
    storage.folder(tmp_path)
    assert set(os.listdir(tmp_path)) >= names  # young: another writer may be at it
    for litter in tmp_path.glob(".*.partial"):
        os.utime(litter, (0, 0))
    storage.folder(tmp_path)
    assert set(os.listdir(tmp_path)) == {"file", ".theirs.partial"}  # which is no name of ours


def test_a_locked_folder_has_one_writer_and_no_litter(tmp_path):
    """Another is refused until the first is done; a temporary file in it, however young, has no writer any more."""
    (tmp_path / ".file.01234567.partial").touch()
    with storage.locked(tmp_path) as path:
        assert (path, os.listdir(tmp_path)) == (tmp_path, [])
        refuses("another run writes to .*; wait until it ends", storage.locked(tmp_path).__enter__)
    with storage.locked(tmp_path):
        pass


def test_a_writer_that_waits_has_the_folder_after_the_other(tmp_path):
    """A second process that waits writes only when the first is done."""
    program = (
        "import sys; from numtoolkit.files import storage\n"
        "print('asks', flush=True)\n"
        "with storage.locked(sys.argv[1], wait=True) as path:\n"
        "    print([p.name for p in path.iterdir()], flush=True)"
    )
    with storage.locked(tmp_path):
        words = [sys.executable, "-c", program, str(tmp_path)]
        other = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "asks\n"
        (tmp_path / "first").touch()
    assert other.communicate()[0] == "['first']\n"


def test_a_writer_that_waits_asks_the_system_to_wait(tmp_path, monkeypatch):
    """One that does not asks once, and is told at once."""
    asked = []
    monkeypatch.setattr(storage.fcntl, "flock", lambda handle, how: asked.append(how))
    for wait in (True, False):
        with storage.locked(tmp_path, wait=wait):
            pass
    assert asked == [storage.fcntl.LOCK_EX, storage.fcntl.LOCK_EX | storage.fcntl.LOCK_NB]


def test_a_claim_is_of_one_worker_and_of_the_file_that_others_see(tmp_path, monkeypatch):
    """Who gets the lock of a claim that was taken away in between has nothing."""
    path, flock = tmp_path / "result", storage.fcntl.flock
    with storage.claimed(path) as first, storage.claimed(path) as second, storage.claimed(tmp_path / "x") as third:
        assert (first, second, third) == (True, False, True)

    def taken_away(handle, how):
        os.remove(tmp_path / "result.claim")
        flock(handle, how)

    def renewed(handle, how):
        taken_away(handle, how)
        (tmp_path / "result.claim").touch()

    for meanwhile in (taken_away, renewed):
        with monkeypatch.context() as between:
            between.setattr(storage.fcntl, "flock", meanwhile)
            with storage.claimed(path) as own:
                assert not own
    refuses("cannot write '.*result.claim'", storage.claimed(tmp_path / "absent" / "result").__enter__)


def test_a_worker_that_waits_for_a_claim_gets_it(tmp_path, monkeypatch):
    """It asks the system to wait, and asks again where the file that it waited for was taken away meanwhile."""
    path, flock, asked = tmp_path / "result", storage.fcntl.flock, []

    def taken_away_once(handle, how):
        if not asked:
            os.remove(tmp_path / "result.claim")
        asked.append(how)
        flock(handle, how)

    monkeypatch.setattr(storage.fcntl, "flock", taken_away_once)
    with storage.claimed(path, wait=True) as own:
        assert own
    assert asked == [storage.fcntl.LOCK_EX] * 2
    assert list(tmp_path.iterdir()) == []


def test_an_array_of_a_file_is_read_and_nothing_else(tmp_path):
    """An .npy file of numbers; not a pickle, nor one that was cut."""
    np.save(tmp_path / "x.npy", np.arange(6.0).reshape(2, 3))
    assert storage.read_npy(tmp_path / "x.npy").tolist() == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    for name in ("x.npy", "o.npy", "absent.npy"):
        refuses(f"cannot read '.*{name}'", storage.read_npy, tmp_path / name)


@pytest.mark.parametrize("failure", [OSError(errno.ENOLCK, "No locks available"), None])
def test_a_system_without_locks_is_written_to_all_the_same(tmp_path, monkeypatch, failure):
    """There a young temporary file may have a writer, and stays."""
    (tmp_path / ".file.01234567.partial").touch()

    class Fcntl:
        LOCK_EX = LOCK_NB = 0

        @staticmethod
        def flock(*arguments):
            raise failure

    monkeypatch.setattr(storage, "fcntl", Fcntl if failure else None)
    with storage.locked(tmp_path):
        assert os.listdir(tmp_path) == [".file.01234567.partial"]
    with storage.claimed(tmp_path / "file") as own:
        assert own
        assert ".file.01234567.partial" in os.listdir(tmp_path)


def test_places_that_cannot_be_written_are_named(tmp_path):
    """Each sentence names the path and what the system says of it."""
    (tmp_path / "file").write_text("kept")
    refuses("cannot write '.*file/x': .*; name another place", storage.write, tmp_path / "file" / "x", "")
    refuses("cannot write '.*': is a directory", storage.write, tmp_path, "")
    refuses("names no file", storage.write, "", "")
    refuses("file name too long", storage.write, tmp_path / ("x" * 300), "")
    refuses("null", storage.write, "a\0b", "")
    refuses("cannot use the folder '.*file'", storage.folder, tmp_path / "file")
    refuses("cannot use the folder '.*file/x'", storage.folder, tmp_path / "file" / "x")
    refuses("'' names no folder; name one", storage.folder, "")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_without_permission_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    """Permission is asked for when a folder is opened, not when the first result is ready.

    Asked of the system rather than tried with chmod, which does not stop root.
    """
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    refuses("permission denied; name another", storage.folder, tmp_path)


# --- JSON and CSV

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(plain)
def test_json_is_read_back_as_written_and_is_ascii(tmp_path_factory, value):
    """Any plain value comes back equal; ASCII alone travels through every terminal and editor."""
    path = storage.write_json(tmp_path_factory.mktemp("json") / "x.json", value)
    assert storage.read_json(path) == value
    assert path.read_bytes().isascii()


def test_numpy_values_exact_numbers_and_paths_become_plain():
    """Fractions stay exact, as text; arrays, numpy scalars and paths become what JSON has for them."""
    value = {"a": np.float64(0.5), "b": np.arange(2), "c": Fraction(1, 3), "d": Path("x"), "e": np.bool_(True)}
    assert json.loads(storage.json_text(value)) == {"a": 0.5, "b": [0, 1], "c": "1/3", "d": "x", "e": True}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("-inf")])
def test_json_refuses_nan_and_infinity_and_keeps_the_old_file(tmp_path, value):
    """JSON has no such values: writing one is an error that leaves the file as it was."""
    path = storage.write_json(tmp_path / "x.json", 1)
    with pytest.raises(ValueError, match="JSON"):
        storage.write_json(path, [value])
    assert storage.read_json(path) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"NaN", b"[Infinity]", b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000, b"1" * 5000, b"\x00"],
    ids=["empty", "open", "nan", "infinity", "twins", "not utf-8", "deep", "huge", "null"],
)
def test_json_that_cannot_be_trusted_is_refused(tmp_path, content):
    """Broken, ambiguous or hostile content is a sentence with a remedy, never a wrong value or a crash."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    refuses("cannot read '.*x.json': .*; remove it or give another", storage.read_json, path)


def test_absent_and_oversized_json_is_refused(tmp_path, monkeypatch):
    """A file larger than any of ours is not read into memory."""
    refuses("no such file", storage.read_json, tmp_path / "absent.json")
    path = storage.write_json(tmp_path / "x.json", [1, 2, 3])
    monkeypatch.setattr(storage, "JSON_LIMIT", 5)
    refuses("larger", storage.read_json, path)


def test_csv_has_a_column_for_every_key():
    """Keys of any record make a column, None an empty cell, commas and quotes are quoted."""
    text = storage.csv_text([{"a": 1, "b": None}, {"a": 'x,"y', "c": 0.1}])
    assert text == 'a,b,c\n1,,\n"x,""y",,0.1\n'
    assert storage.csv_text([]) == "\n"


# --- arrays


def test_archives_are_read_back_and_hold_no_date(tmp_path):
    """Names, dtypes and values come back, numpy reads the file too, and its bytes do not depend on the hour."""
    arrays = {"x": np.arange(6.0).reshape(2, 3), "seeds": np.array([1, 2]), "name": np.array("digits")}
    path = storage.write_npz(tmp_path / "x.npz", arrays)
    found = storage.read_npz(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    with np.load(path) as theirs:  # numpy's own reader agrees
        np.testing.assert_array_equal(theirs["x"], arrays["x"])
    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_an_archive_is_written_piece_by_piece(tmp_path):
    """No second copy of the arrays is made: 64 MB take numpy's buffer of 16 MiB and what it is made to bytes in."""
    array = np.zeros(8_000_000)
    tracemalloc.start()
    storage.write_npz(tmp_path / "x.npz", {"x": array})
    storage.checksum(tmp_path / "x.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.2 * (16 << 20)


@given(st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path_factory, place, flip):
    """No changed byte of an archive yields a changed array.

    Bytes of the directory that nobody reads, such as attributes, may change without harm; no array ever does.
    """
    path = storage.write_npz(tmp_path_factory.mktemp("npz") / "x.npz", {"x": np.arange(20.0)})
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= flip
    path.write_bytes(content)
    try:
        found = storage.read_npz(path)
    except StorageError:
        return
    assert all(np.array_equal(array, np.arange(20.0)) for array in found.values())


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_an_archive(tmp_path_factory, content):
    """Random bytes are refused with a StorageError, whatever zipfile or numpy makes of them."""
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    path.write_bytes(content)
    with pytest.raises(StorageError):
        storage.read_npz(path)


def test_pickles_are_neither_written_nor_read(tmp_path):
    """An archive that could run code when read does not exist for us."""
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        storage.write_npz(tmp_path / "x.npz", {"x": np.array([{}], dtype=object)})
    np.savez(tmp_path / "y.npz", x=np.array([{}], dtype=object))
    refuses("cannot read", storage.read_npz, tmp_path / "y.npz")


# --- pictures


@pytest.mark.parametrize("ending", list(storage.PICTURES))
def test_a_picture_is_the_same_bytes_when_drawn_again(tmp_path, ending):
    """No date and no random identifiers in any format, so that figures can be compared and committed."""
    from matplotlib.figure import Figure

    def draw(name):
        figure = Figure()
        figure.subplots().plot([0, 1], [0, 1], label="line")
        return storage.write_figure(tmp_path / f"{name}{ending}", figure).read_bytes()

    assert draw("a") == draw("b")
    assert not any(word in draw("a") for word in (b"dc:date", b"CreationDate", b"Software"))


def test_a_picture_of_unknown_ending_is_refused(tmp_path):
    """The sentence lists the endings there are."""
    with pytest.raises(InputError, match=r"cannot draw 'x\.bmp'; end its name in \.png, \.svg, \.pdf"):
        storage.write_figure(tmp_path / "x.bmp", None)
