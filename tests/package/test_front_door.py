"""The names of the package are there when they are asked for, not loaded before, and stay what they are."""

from __future__ import annotations

import subprocess
import sys

import pytest

import numtoolkit as nt
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


def test_names_are_taken_where_objects_are():
    """An error curve of names is that of the objects they stand for; what is no law is refused by a sentence."""
    names = "ddim", "edm", "mixture(dim=2)"
    law = nt.law_of(names[2])
    objects = nt.scheme(names[0]), nt.process(names[1]), law
    assert nt.error_curve(*names, "rho(7)", [5], range(4)) == nt.error_curve(*objects, "rho(7)", [5], range(4))
    assert nt.law_of(law) is law
    with pytest.raises(nt.InputError, match="3 is a int; write NAME"):
        nt.error_curve("ddim", "edm", 3, "rho(7)", [5])


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
