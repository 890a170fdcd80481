"""The user's cache: in the folder the environment names, never believed blindly, never missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from numtoolkit.files import storage
from numtoolkit.files.user_cache import cache_folder, cached


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache of this test."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def counting(values):
    """A function that gives these values in turn."""
    left = iter(values)
    return lambda: next(left)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NUMTOOLKIT_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ({"NUMTOOLKIT_CACHE": "~/own"}, "/home/me/own"),
        ({"NUMTOOLKIT_CACHE": "", "XDG_CACHE_HOME": "/xdg"}, "/xdg/numtoolkit"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/numtoolkit"),
        ({}, "/home/me/.cache/numtoolkit"),
    ],
)
def test_the_folder_is_where_the_environment_says(monkeypatch, environment, expected):
    """numtoolkit's own variable first, then the user's cache; an empty or relative one counts as none."""
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder(environment) == Path(expected)


def test_a_value_is_computed_once_for_each_key(folder):
    """The value that was kept comes back as JSON reads it, the first time too; another key or kind has its own."""
    compute = counting([{"a": (1, 2)}, 2, 3])
    assert cached("facts", "one", compute) == cached("facts", "one", compute) == {"a": [1, 2]}
    assert cached("facts", "two", compute) == 2
    assert cached("other", "one", compute) == 3
    assert sorted(path.parent.name for path in folder.rglob("*.json")) == ["facts", "facts", "other"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path, other: path.write_bytes(path.read_bytes()[:-5]),
        lambda path, other: path.write_bytes(b""),
        lambda path, other: path.write_bytes(b"\x00\xff"),
        lambda path, other: path.write_text(path.read_text().replace('"value": 1', '"value": 7')),
        lambda path, other: path.write_text("[]"),
        lambda path, other: path.write_text(json.dumps({"key": "one", "sha256": "", "value": 7})),
        lambda path, other: path.write_text(json.dumps({"key": "one"})),
        lambda path, other: path.write_bytes(other.read_bytes()),
        lambda path, other: (path.unlink(), path.mkdir()),
    ],
    ids=["cut", "empty", "noise", "changed", "list", "unsealed", "without", "another's", "folder"],
)
def test_a_damaged_file_is_computed_anew(folder, damage):
    """Cut, changed, of another key or no file at all: nothing of it is believed, and the value is there again."""
    cached("facts", "one", lambda: 1)
    (path,) = folder.rglob("*.json")
    cached("facts", "two", lambda: 2)
    (other,) = set(folder.rglob("*.json")) - {path}
    damage(path, other)
    assert cached("facts", "one", lambda: 3) == 3
    if path.is_file():
        assert cached("facts", "one", lambda: 4) == 3


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    """A file in the place of the folder, a full disk, no home: the value is computed each time."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    assert [cached("facts", "one", counting([value])) for value in (1, 2)] == [1, 2]
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "full"))
    with monkeypatch.context() as full:
        full.setattr(storage.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert cached("facts", "one", lambda: 1) == 1
    assert list((tmp_path / "full").rglob("*.json")) == []
    monkeypatch.delenv("NUMTOOLKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    assert cache_folder() is None
    assert [cached("facts", "one", counting([value])) for value in (1, 2)] == [1, 2]
