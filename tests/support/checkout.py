"""Where the checkout lies, and what a module of it imports."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "numtoolkit"


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
