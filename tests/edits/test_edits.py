"""Every edit of the machinery in tests/edits/*.toml is seen by a test that names what it breaks."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.support.checkout import ROOT
from tests.support.edits import Edit, Server, edits

EDITS = tuple(edits())
EVERY = 3  # of the edits `make check` tries; `make check-long` tries the others
FAILED = 1  # pytest's exit status where a test failed; 2 to 5 are for what could not be run


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(edit, id=f"{n}-{edit.file}", marks=pytest.mark.long if n % EVERY else pytest.mark.check)
        for n, edit in enumerate(EDITS)
    ],
)
def test_each_edit_of_the_machinery_is_seen_by_the_tests_it_names(edit: Edit, server: Server, record_property: Any):
    """With the edit in place one of the named tests fails: none of them looks away."""
    code, said = server.ask(edit.order())
    record_property("slips", {f"edits of the machinery: {'seen' if code == FAILED else 'alive'}": 1})
    assert code == FAILED, f"{edit.text} was not seen by {', '.join(edit.tests)}:\n{said}"


@pytest.mark.check
@pytest.mark.parametrize(
    ("new", "test", "status"),
    [
        ("_BLOCK = 4 * 2**20", "test_moments_of_half_precision_are_gathered_in_double", 0),
        ("_BLOCK = 1 / 0", "test_moments_of_half_precision_are_gathered_in_double", 2),
        ("_BLOCK = 1", "test_that_is_not_there", 4),
    ],
)
def test_what_is_not_seen_or_cannot_be_run_is_told_from_a_failure(new: str, test: str, status: int, server: Server):
    """The same number in other words, a module that cannot be imported, a test that there is not."""
    edit = Edit("measure/distances.py", "_BLOCK = 1 << 22", new, (f"measure/test_distances.py::{test}",))
    assert server.ask(edit.order())[0] == status


@cache
def functions(path: str) -> set[str]:
    """The test functions of a module."""
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def faults(edit: Edit) -> Iterator[str]:
    """What is wrong with a row of the list."""
    if edit.source.count(edit.old) != 1:
        yield f"what it replaces stands {edit.source.count(edit.old)} times"
    if edit.new == edit.old:
        yield "it changes nothing"
    if not edit.tests:
        yield "it names no test"
    for test in edit.tests:
        path, _, name = test.partition("::")
        if name.split("[")[0] not in functions(path):
            yield f"there is no test {test}"


def test_each_edit_fits_the_code_and_names_tests_that_there_are():
    """A list that code has left behind says so at once, and no edit stands twice."""
    assert {edit.text: found for edit in EDITS if (found := list(faults(edit)))} == {}
    assert [edit for edit, count in Counter(edit.text for edit in EDITS).items() if count > 1] == []
    assert len(EDITS) >= 300
