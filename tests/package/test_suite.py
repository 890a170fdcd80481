"""Rules of the suite itself: test names stand alone and are promises in words, and no test imports another."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache

import pytest

from numtoolkit.cli.output import width
from numtoolkit.schemes import catalogue
from tests.support.checkout import ROOT, imported_names
from tests.support.tiers import SAMPLE

# First words of a name that leans on the test above.
LEANING = re.compile(r"test_(its?|they|them|their|this|these|those|that|and|but|or|so|such|there|here|also|then)_")
MODULES = sorted((ROOT / "tests").rglob("*.py"))
TESTS = [path for path in MODULES if path.name.startswith("test_")]


@cache
def promises(source: str) -> tuple[tuple[str, str], ...]:
    """Test functions of a module, those of classes included: name, and first paragraph of the docstring."""
    return tuple(
        (node.name, (ast.get_docstring(node) or "").split("\n\n")[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def offences(source: str) -> list[str]:
    """Names and docstrings of tests that break a rule."""
    found = []
    for name, promise in promises(source):
        if not re.search(r"\w.*\.$", promise, re.DOTALL):
            found.append(f"{name} has no sentence for a docstring")
        if LEANING.match(name):
            found.append(f"{name} leans on a neighbour")
    return found


def imports_of_tests(source: str, package: str = "tests.room") -> list[str]:
    """What a module of the suite imports of it, except its support and its oracles."""
    inside = [name for name in imported_names(source, package) if name.split(".")[0] == "tests"]
    return [name for name in inside if name.split(".")[1:2] not in (["support"], ["oracles"])]


def test_every_test_has_a_name_that_stands_alone_and_a_sentence():
    """A failure's name and docstring must say what does not hold, without the file around them."""
    assert {path.name: lines for path in TESTS if (lines := offences(path.read_text(encoding="utf-8")))} == {}


def test_every_test_has_a_name_of_its_own():
    """A name that two files use says in neither of what it is the test."""
    names = Counter(name for path in TESTS for name, _ in promises(path.read_text(encoding="utf-8")))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_test_module_imports_another():
    """What tests share lies in tests/support, which imports no test either."""
    assert {path.name: names for path in MODULES if (names := imports_of_tests(path.read_text("utf-8")))} == {}
    assert [path.name for path in (ROOT / "tests" / "support").iterdir() if path.name.startswith("test_")] == []


@pytest.mark.parametrize(
    "source",
    [
        "def test_a(): pass",
        'def test_a(): "words"',
        'def test_they_are_of_phase_space(): "A sentence."',
        'class TestA:\n    def test_and_of_first_order(self): "A sentence."',
    ],
)
def test_the_check_of_names_and_docstrings_sees_each_offence(source):
    """No docstring, no sentence, a pronoun or a connective first, in a class too; a proper test passes."""
    assert offences(source)
    assert not offences('def test_steps_are_steps(): "A sentence."')


@pytest.mark.parametrize(
    "source",
    [
        "from tests.symbolic.test_orders import F",
        "import tests.symbolic.test_orders",
        "def f():\n    from ..symbolic.test_orders import F",
        "from .test_orders import F",
        "from tests import conftest",
    ],
)
def test_the_check_of_imports_sees_each_way_of_importing_a_test(source):
    """Absolute, relative, in a function, by the package; the support may be imported."""
    assert imports_of_tests(source)
    assert not imports_of_tests("from tests.support.checkout import ROOT")


def test_the_suite_runs_on_a_terminal_of_its_own_width():
    """80 columns whatever the terminal, so that no expectation of a printed page depends on it."""
    assert width() == 80


def test_the_sample_of_the_catalogue_has_every_family_and_structure():
    """What `make test` runs of the catalogue stands for the rest: see `tests.support.tiers`."""
    sample = [scheme for scheme in catalogue() if scheme.name in SAMPLE]
    assert {scheme.name for scheme in sample} == SAMPLE
    for structure in (
        lambda s: s.family,
        lambda s: s.frozen,
        lambda s: s.clock,
        lambda s: s.kind,
        lambda s: s.nfe_per_step > 2,
        lambda s: bool(s.fitted),
        lambda s: bool(s.steps.remainder),
        lambda s: bool(s.quantities),
        lambda s: (s.kind, bool(s.steps.inner.carry)),
    ):
        assert set(map(structure, catalogue())) == set(map(structure, sample))
