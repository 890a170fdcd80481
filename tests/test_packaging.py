"""numtoolkit ships itself alone, starts light, and its rooms import downwards only."""

from __future__ import annotations

import ast
import email
import importlib.util
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "numtoolkit"

# From low to high: a module may import its own room and the rooms before it. Only the package's front doors,
# `__init__.py` and `__main__.py`, reach everywhere.
ROOMS = (
    "errors", "arrays", "spec_text", "files", "phi_functions", "problem", "declare", "schemes", "program", "laws",
    "symbolic", "printing", "sampling", "models", "measure", "fitting", "plots", "reproduce", "cli",
)  # fmt: skip
FRONT_DOORS = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
HEAVY = {"matplotlib", "scipy", "sklearn", "sympy", "torch"}


# --- rooms --------------------------------------------------------------------------------------------------


def imported_names(source: str, package: str) -> Iterator[str]:
    """Absolute dotted names that `source`, a module of `package`, imports at any depth.

    `from a import b` yields `a.b`, since b may be a module; lazy imports and those for type checking count.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(relative, package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


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
    assert bool(offences(line, PACKAGE / module)) is offends


# --- start-up -----------------------------------------------------------------------------------------------

RUN_COMMAND = """
import runpy, sys
sys.argv = ["numtoolkit", {argument!r}]
try:
    runpy.run_module("numtoolkit", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
"""


@pytest.mark.parametrize(
    "code",
    ["import numtoolkit", RUN_COMMAND.format(argument="--help"), RUN_COMMAND.format(argument="list")],
    ids=["import", "--help", "list"],
)
def test_start_up_loads_no_heavy_library(code):
    report = "\nimport sys; print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "numtoolkit" in run.stderr.split()
    assert HEAVY.isdisjoint(run.stderr.split())


# --- the wheel ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built by its backend without a package index in a fraction of a second."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    """The wheel's METADATA as a message."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_wheel_holds_the_package_alone(wheel, metadata):
    info = f"numtoolkit-{metadata['Version']}.dist-info"
    assert {name.split("/")[0] for name in wheel.namelist()} == {"numtoolkit", info}
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_wheel_holds_the_whole_package(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_wheel_installs_without_torch_and_bounds_from_below_only(metadata):
    needs = metadata.get_all("Requires-Dist")
    core = {re.match(r"[\w-]+", need)[0] for need in needs if "extra ==" not in need}
    assert core == {"numpy", "scipy", "sympy", "tabulate", "tqdm"}
    # Before the marker, a requirement on another project is its name and one lower bound.
    bounds = [need.partition(";")[0].strip() for need in needs]
    others = [bound for bound in bounds if not bound.startswith("numtoolkit[")]
    assert [bound for bound in others if not re.fullmatch(r"[\w-]+>=[\d.]+", bound)] == []


def test_wheel_version_is_that_of_the_package_and_of_the_citation(metadata):
    import numtoolkit

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert metadata["Version"] == numtoolkit.__version__
    assert f"\nversion: {numtoolkit.__version__}\n" in citation
