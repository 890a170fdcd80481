"""Versions of what computes a result, for the files that keep it."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import cache

from numtoolkit import __version__

PACKAGES = ("numpy", "scipy", "sympy", "python-flint", "torch", "matplotlib", "scikit-learn", "tabulate", "tqdm")


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of numtoolkit, of Python and of the named packages, "not installed" where there is none.

    packages  by default all that numtoolkit uses; a result names those alone that decide it
    """
    return {"numtoolkit": __version__, "python": platform.python_version(), **{name: _of(name) for name in packages}}


@cache
def _of(package: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
