"""The rooms of the package import downwards only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import PACKAGE, imported_names

# From low to high: a module may import its own room and the rooms before it. Only the package's front doors,
# `__init__.py` and `__main__.py`, reach everywhere.
ROOMS = (
    "errors", "limits", "moved", "arrays", "spec_text", "faces", "references", "files", "phi_functions", "problem",
    "declare", "schemes", "program", "laws", "symbolic", "printing", "models", "sampling", "measure", "fitting",
    "plots", "training", "reproduce", "cli",
)  # fmt: skip
FRONT_DOORS = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")


def offences(source: str, path: Path) -> list[str]:
    """What `source`, standing at `path` inside the package, imports although it lies above its room."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    room, package = parts[0], ".".join(("numtoolkit", *parts[:-1]))
    if room not in ROOMS:
        return [f"{'/'.join(parts)} stands in no room of ROOMS"]
    below = ROOMS[: ROOMS.index(room) + 1]
    found = []
    for name in imported_names(source, package):
        top, _, inner = name.partition(".")
        allowed = inner == "__version__" or inner.partition(".")[0] in below
        if top == "numtoolkit" and not allowed:
            found.append(f"{'/'.join(parts)} imports {name}")
        if top == "torch" and room == "symbolic":
            found.append(f"{'/'.join(parts)} imports {name}, but proofs do without torch")
    return found


def test_rooms_import_downwards_only():
    """No module imports from a room above its own, in any way, at any depth; proofs do without torch."""
    modules = [path for path in PACKAGE.rglob("*.py") if path not in FRONT_DOORS]
    assert [line for path in modules for line in offences(path.read_text(encoding="utf-8"), path)] == []


@pytest.mark.parametrize(
    ("module", "line", "offends"),
    [
        ("schemes/words.py", "from numtoolkit.phi_functions import phi", False),
        ("schemes/words.py", "from numtoolkit.schemes import catalogue", False),
        ("schemes/words.py", "from . import catalogue", False),
        ("schemes/words.py", "from ..declare.entries import Flow", False),
        ("schemes/words.py", "import numpy, torch", False),
        ("errors.py", "from numtoolkit import __version__", False),
        ("schemes/words.py", "import numtoolkit.symbolic.trees", True),
        ("schemes/words.py", "from numtoolkit import phi, plots", True),
        ("schemes/words.py", "from ..symbolic.trees import trees", True),
        ("schemes/words.py", "def f():\n    from numtoolkit.cli import main", True),
        ("schemes/words.py", "import numtoolkit", True),
        ("cli/list.py", "from numtoolkit import sample", True),
        ("symbolic/trees.py", "def f():\n    import torch.nn", True),
        ("symbolic/trees.py", "from torch import nn", True),
        ("attic.py", "import numpy", True),
    ],
)
def test_the_room_check_sees_each_way_of_importing(module, line, offends):
    """Absolute, relative, in a function, of the whole package, from a room that does not exist."""
    assert bool(offences(line, PACKAGE / module)) is offends
