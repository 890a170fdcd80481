"""The names of the package are there when they are asked for, not loaded before, and stay what they are."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
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
    with pytest.raises(nt.InputError, match="3 is an int; write NAME"):
        nt.error_curve("ddim", "edm", 3, "rho(7)", [5])


def test_a_program_stands_for_what_it_was_made_of():
    """A run, its moments and its program are those of the names; what the program fixes is not given twice."""
    names = "ddim", "edm", "gaussian(dim=2)"
    made = nt.program_of("ddim", "edm", "rho(7)", 5)
    assert made.nfe == 5
    assert nt.program_of(made) is made
    by_name, by_program = nt.moments(*names, "rho(7)", 5), nt.moments(made, law=names[2])
    assert (by_name.mean == by_program.mean).all()
    assert (by_name.covariance == by_program.covariance).all()
    run = {"seeds": range(3), "dtype": np.float64}
    drawn = nt.sample(*names, "rho(7)", 5, **run)
    assert (nt.sample(made, network=names[2], **run).samples == drawn.samples).all()
    both = [nt.sample(made, network=names[2], denoise=True, **run), nt.sample(*names, "rho(7)", 6, denoise=True, **run)]
    assert both[0].nfe == both[1].nfe == 6
    assert (both[0].samples == both[1].samples).all()
    noisy = nt.Network(lambda z, t: z, "noise")
    for call, sentence in [
        (lambda: nt.sample(made, network=noisy, **run), "for a network that predicts 'data', not 'noise'"),
        (lambda: nt.sample(made, "edm", noisy, **run), "fixes process already; leave process out"),
        (lambda: nt.moments(made, law=names[2], nfe=5), "fixes nfe already"),
        (lambda: nt.sample("ddim", "edm", noisy, **run), "needs a grid"),
        (lambda: nt.sample("ddim", None, noisy, "rho(7)", 5, **run), "needs a process"),
        (lambda: nt.sample("ddim", "edm", grid="rho(7)", nfe=5, **run), "needs a network"),
        (lambda: nt.sample("ddim", "edm", 3, "rho(7)", 5, **run), "network is an int; wrap it"),
        (lambda: nt.sample(nt.program_of("ddim", "edm", "rho(7, zero=1)", 5), network=names[2],
                           denoise=True, **run), "nothing is left to denoise"),
    ]:  # fmt: skip
        with pytest.raises(nt.InputError, match=sentence):
            call()


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
