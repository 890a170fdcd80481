"""Every public definition says what it is, and a function of several parameters what each of them is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "numtoolkit"
FEW = 2  # parameters that the first sentence alone may explain

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def definitions(tree: ast.Module) -> Iterator[tuple[str, Definition, ast.ClassDef | None]]:
    """(dotted name, node, class of a method) of the module and of every public class, function and method in it.

    Left out are names that start with _ and what stands in such, and functions inside functions.
    """
    yield "", tree, None

    def walk(body: list[ast.stmt], prefix: str, owner: ast.ClassDef | None):
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                yield prefix + node.name, node, owner
                if isinstance(node, ast.ClassDef):
                    yield from walk(node.body, f"{prefix}{node.name}.", node)

    yield from walk(tree.body, "", None)


def parameters(node: Definition) -> list[str]:
    """The names of a function's parameters, self and cls apart."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    given = node.args
    several = [given.vararg, given.kwarg]
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *(arg for arg in several if arg is not None)]
    return [arg.arg for arg in named if arg.arg not in ("self", "cls")]


Classes = dict[str, ast.ClassDef]


def classes(tree: ast.Module) -> Classes:
    """The classes of a module by name."""
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def told_by_a_base(method: str, owner: ast.ClassDef, known: Classes) -> bool:
    """Whether a base class, at any distance, says what the method does."""
    bases = [known[base.id] for base in owner.bases if isinstance(base, ast.Name) and base.id in known]
    return any(
        any(isinstance(m, ast.FunctionDef) and m.name == method and ast.get_docstring(m) for m in base.body)
        or told_by_a_base(method, base, known)
        for base in bases
    )


def lacks(source: str, known: Classes) -> list[str]:
    """What the definitions of a module leave unsaid, `known` being the classes they may derive from."""
    missing = []
    tree = ast.parse(source)
    for name, node, owner in definitions(tree):
        text, names = ast.get_docstring(node), parameters(node)
        if not text:
            if owner is None or not told_by_a_base(name.rpartition(".")[2], owner, known | classes(tree)):
                missing.append(f"{name or 'the module'} has no docstring")
        elif len(names) > FEW:
            missing += [f"{name} does not name {own}" for own in names if not re.search(rf"\b{own}\b", text)]
    return missing


MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
KNOWN: Classes = {}
for _path in MODULES.values():
    KNOWN |= classes(ast.parse(_path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", MODULES)
def test_every_public_definition_says_what_it_is_and_names_its_parameters(module):
    """A docstring for each, with every parameter by name where there are three or more.

    A method that does what its base class says it does may leave it to the base class.
    """
    missing = lacks(MODULES[module].read_text(encoding="utf-8"), KNOWN)
    assert missing == []


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("x = 1", ["the module has no docstring"]),
        ('"""m"""\ndef f(a): pass', ["f has no docstring"]),
        ('"""m"""\ndef _f(a): pass', []),
        ('"""m"""\ndef f(a, b): "f of both."', []),
        ('"""m"""\ndef f(a, b, *c, d): "f of a and c, not of bd."', ["f does not name b", "f does not name d"]),
        ('"""m"""\nclass C:\n    "C"\n    def g(self): pass\n    def __len__(self): pass', ["C.g has no docstring"]),
        ('"""m"""\nclass _C:\n    def g(self): pass', []),
        ('"""m"""\nclass A:\n "A"\n def g(self): "g"\nclass B(A):\n "B"\n def g(self): pass', []),
        ('"""m"""\nclass A:\n "A"\n def f(self): "f"\nclass B(A):\n "B"\n def g(self): pass', ["B.g has no docstring"]),
        ('"""m"""\ndef f(a):\n    "f"\n    def inner(x): pass', []),
    ],
)
def test_the_check_sees_what_is_left_unsaid(source, missing):
    """Modules, functions, methods; parameters as whole words; nothing private, nothing nested."""
    assert lacks(source, {}) == missing
