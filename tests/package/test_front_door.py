"""The names of the package are there when they are asked for, not loaded before, and stay what they are."""

from __future__ import annotations

import subprocess
import sys

from tests.support.checkout import ROOT


def test_the_package_loads_its_names_when_they_are_asked_for():
    """`import numtoolkit` loads neither numpy nor torch; every name of `__all__` is there, and no other."""
    code = (
        "import sys, numtoolkit; assert not {'numpy', 'torch'} & set(sys.modules); numtoolkit.sample; "
        "assert 'torch' not in sys.modules; assert set(numtoolkit.__all__) <= set(dir(numtoolkit)); "
        "[getattr(numtoolkit, name) for name in numtoolkit.__all__]; numtoolkit.absent"
    )
    run_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run_.stderr.endswith("AttributeError: module 'numtoolkit' has no attribute 'absent'\n")


# Prints a line for every exported name that is a submodule's, or that another object holds once all modules are loaded.
SHADOWED = """
import pkgutil
from importlib import import_module
import numtoolkit

packages = ["numtoolkit"] + [m.name for m in pkgutil.walk_packages(numtoolkit.__path__, "numtoolkit.") if m.ispkg]
exported = {
    (package, name): getattr(import_module(package), name)
    for package in packages
    for name in getattr(import_module(package), "__all__", ())
}
modules = [m.name for m in pkgutil.walk_packages(numtoolkit.__path__, "numtoolkit.")]
for name in modules:
    if not name.endswith(".__main__"):
        import_module(name)
for (package, name), value in exported.items():
    if f"{package}.{name}" in modules:
        print(f"{package}.{name} is exported and a submodule")
    if getattr(import_module(package), name) is not value:
        print(f"{package}.{name} is another object once all modules are loaded")
print(f"{len(packages)} packages, {len(modules)} modules, {len(exported)} names")
"""


def test_no_exported_name_is_shadowed_by_a_submodule():
    """Importing `a.b` binds `b` in `a`: an exported function of that name would become a module."""
    done = subprocess.run([sys.executable, "-c", SHADOWED], cwd=ROOT, capture_output=True, text=True)
    *offences, counts = done.stdout.splitlines()
    assert offences == [], done.stderr
    assert all(int(word) > 5 for word in counts.split() if word.isdigit())
