"""A store of results: each computed once, by whoever comes first, and never taken for what it is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from numtoolkit.errors import StorageError
from numtoolkit.files import storage
from numtoolkit.files.result_store import DIGITS, Cell, Store
from tests.support.checkout import ROOT

CELL = Cell.of("square", x=3, told=None)
VERSIONS = {"numpy": "2.0"}


@pytest.fixture
def store(tmp_path):
    lines = []
    return Store(tmp_path / "store", VERSIONS, lines.append), lines


def square(cell):
    return {"value": cell.data["x"] ** 2}


def test_a_cell_is_its_kind_and_its_data_in_any_order():
    """The address is the hash of both; nothing is said by a value that is None."""
    assert Cell.of("a", x=1, y=[2.5]) == Cell.of("a", y=[2.5], x=1, z=None)
    cells = [Cell.of("a", x=1), Cell.of("b", x=1), Cell.of("a", x=2), Cell.of("a", y=1), Cell.of("a", x="1")]
    assert len({cell.digest for cell in cells}) == len(cells)
    assert CELL.data == {"x": 3}
    assert CELL.address == f"square/{CELL.digest[:DIGITS]}.json"
    with pytest.raises(ValueError, match="JSON"):
        Cell.of("a", x=float("nan"))


def test_a_result_is_computed_once_and_found_by_any_store(store, tmp_path):
    """It says what it is of and what computed it; nothing else is left in the folder."""
    kept, calls = store[0], []
    for _ in range(2):
        assert kept.compute(CELL, lambda cell: calls.append(cell) or square(cell))
    assert calls == [CELL]
    found = Store(tmp_path / "store", {"numpy": "3.0"}).find(Cell.of("square", x=3))
    assert (found.data, found.versions) == ({"value": 9}, VERSIONS)
    assert os.listdir(tmp_path / "store" / "square") == [CELL.address.split("/")[1]]
    assert kept.find(Cell.of("square", x=4)) is None


def record_of(path):
    return json.loads(path.read_text())


def edited(**change):
    return lambda path: path.write_text(json.dumps(record_of(path) | change))


def of_another(path):
    """The result of another cell under the name of this one, seal and all."""
    other = Store(path.parents[2] / "other", VERSIONS)
    other.compute(Cell.of("square", x=4), square)
    path.write_bytes((other.path / Cell.of("square", x=4).address).read_bytes())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "is damaged"),
        (lambda path: path.write_text(""), "is damaged"),
        (lambda path: path.write_text("[1]"), "is no result"),
        (edited(format="numtoolkit result 0"), "is no result"),
        (edited(data={"value": 10}), "does not hold what was written"),
        (edited(versions={"numpy": "1.0"}), "does not hold what was written"),
        (edited(sha256="0"), "does not hold what was written"),
        (edited(kind="cube"), "is the result of something else"),
        (of_another, "is the result of something else"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_trusted_is_set_aside_and_computed_anew(store, spoil, words):
    """One sentence says so; what it held is kept under another name."""
    kept, lines = store
    kept.compute(CELL, square)
    path = kept.path / CELL.address
    whole = path.read_bytes()
    spoil(path)
    spoiled = path.read_bytes()
    assert kept.find(CELL) is None
    assert path.read_bytes() == spoiled  # who only looks moves nothing
    assert kept.compute(CELL, square)
    assert path.read_bytes() == whole
    assert path.with_suffix(".aside").read_bytes() == spoiled
    (line,) = lines
    assert re.fullmatch(rf".*{words}; it is now .*\.aside, and is computed anew", line)


def test_a_failure_leaves_the_cell_to_others(store):
    """No claim stays, and nothing is written."""
    kept = store[0]

    def failing(cell):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kept.compute(CELL, failing)
    assert os.listdir(kept.path / "square") == []
    assert kept.compute(CELL, square)


def test_what_another_worker_is_at_is_passed_by(store):
    """The claim of one keeps the other from computing, and goes with it."""
    kept, seen = store[0], []

    def meanwhile(cell):
        seen.append(kept.compute(cell, square))
        return square(cell)

    assert kept.compute(CELL, meanwhile)
    assert seen == [None]
    assert kept.find(CELL).data == {"value": 9}


@pytest.mark.skipif(storage.fcntl is None, reason="needs locks")
def test_the_claim_of_a_dead_worker_is_taken_over(store):
    """Killed in the middle of its work, with half a file written: the next one computes, and its litter is gone."""
    kept = store[0]
    program = (
        "import os, sys; from pathlib import Path; from numtoolkit.files.result_store import Cell, Store\n"
        "def die(cell):\n"
        "    path = Path(sys.argv[1]) / cell.address\n"
        "    path.with_name(f'.{path.name}.01234567.partial').write_text('half')\n"
        "    os._exit(9)\n"
        "Store(Path(sys.argv[1]), {}).compute(Cell.of('square', x=3), die)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(kept.path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    name = CELL.address.split("/")[1]
    assert set(os.listdir(kept.path / "square")) == {f"{name}.claim", f".{name}.01234567.partial"}
    assert kept.compute(CELL, square)
    assert os.listdir(kept.path / "square") == [name]


@pytest.mark.skipif(storage.fcntl is None, reason="needs locks")
def test_claims_of_dead_workers_are_tidied_and_those_of_living_ones_stay(store):
    """A result that was written before its worker died would keep its claim for ever."""
    kept = store[0]
    kept.compute(CELL, square)
    dead = kept.path / f"{CELL.address}.claim"
    dead.touch()

    def meanwhile(cell):
        kept.tidy()
        return {"claims": [path.name for path in kept.path.glob("*/*.claim")]}

    other = Cell.of("square", x=5)
    kept.compute(other, meanwhile)
    assert kept.find(other).data == {"claims": [f"{other.address.split('/')[1]}.claim"]}
    assert list(kept.path.glob("*/*.claim")) == []


def test_results_that_nobody_asks_for_are_named(store):
    """Every file of a result but those of the cells given."""
    kept = store[0]
    cells = [Cell.of(kind, x=x) for kind in ("square", "other") for x in (1, 2)]
    for cell in cells:
        kept.compute(cell, square)
    assert kept.others(cells[:3]) == [kept.path / cells[3].address]
    assert set(kept.others()) == {kept.path / cell.address for cell in cells}


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    """Before anything is computed."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot use the folder"):
        Store(tmp_path / "file", {}).compute(CELL, None)
