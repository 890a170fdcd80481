"""What README of 0.1.0 told people to import still imports, says where it lies now, and hides nothing of today."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module
from types import ModuleType

import pytest

import numtoolkit
from numtoolkit.moved import MODULES, NAMES
from tests.support.checkout import ROOT

README = {
    "numtoolkit.entries": "phi symbol flow integral at covariance op",
    "numtoolkit.scheme": "Claims Param Scheme Row Eval Noise Layout START",
    "numtoolkit.schemes.forms": "tableau word conjugate_euler history past written",
    "numtoolkit.processes": "process PROCESSES VP CosineVP EDM RectifiedFlow PSLD CLD Process ScalarProcess",
    "numtoolkit.predictions": "PREDICTIONS convert to_score from_score",
    "numtoolkit.problem": "Problem",
    "numtoolkit.grids": "grid GRIDS rho angle",
    "numtoolkit.coefficients": "Reader",
    "numtoolkit.phi": "phi expm",
    "numtoolkit.plans": "plan planned evaluations",
    "numtoolkit.program": "lower Program Affine Call Draw Step problem_of",
    "numtoolkit.symbolic.verify": "verify Verdict",
    "numtoolkit.symbolic.law": "law_order LawOrder",
    "numtoolkit.tables": "Table FittedStep read_table write_table",
    "numtoolkit.fitting": "Table read_table write_table",
    "numtoolkit.measures": "relative_rms sliced_wasserstein frechet Moments",
    "numtoolkit.exact": "error_curve exact_flow moments wasserstein2 Normal",
    "numtoolkit.exact.moments": "affine_map kl",
    "numtoolkit.stability": "regions stable_step linear_radius",
    "numtoolkit.reproduce": "reproduce",
}
STILL = ("symbolic", "laws", "sampling", "models", "plots", "printing", "reproduce", "cli", "fitting", "schemes")


def forget(monkeypatch, old: str) -> None:
    """Lets the next import of an old path, or look at an old name, be the first one."""
    monkeypatch.delitem(sys.modules, f"numtoolkit.{old}", raising=False)
    package, _, name = old.rpartition(".")
    if package not in ("", *MODULES):
        monkeypatch.delitem(vars(import_module(f"numtoolkit.{package}")), name, raising=False)


@pytest.mark.parametrize("path", README)
def test_every_import_of_the_readme_of_0_1_0_works_with_a_warning(path, monkeypatch):
    """The names come with the old path, and the warning names the new one."""
    for old in (*MODULES, *NAMES):
        forget(monkeypatch, old)
    found: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match=r"numtoolkit\.[\w.]+ is numtoolkit\.[\w.]+ .*now; import that"):
        exec(f"from {path} import {', '.join(README[path].split())}", found)
    assert set(README[path].split()) < set(found)


@pytest.mark.parametrize("old", MODULES)
def test_a_moved_module_warns_once_where_it_is_imported(old, monkeypatch):
    """One warning for each import of the path, at the line of the import, and none from then on."""
    package = old.rpartition(".")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module(f"numtoolkit.{package}".rstrip("."))
    forget(monkeypatch, old)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(f"import numtoolkit.{old}\nimport numtoolkit.{old}", __file__, "exec"), {})
    assert [(w.category, w.filename, w.lineno) for w in caught] == [(DeprecationWarning, __file__, 1)]
    assert all(f"numtoolkit.{home}" in str(caught[0].message) for home in MODULES[old])


@pytest.mark.parametrize("old", NAMES)
def test_a_renamed_name_is_the_object_that_its_new_path_names(old, monkeypatch):
    """By the old path and the new one it is the same object, and a package that kept its path warns."""
    module, _, name = old.rpartition(".")
    home, _, now = NAMES[old].rpartition(".")
    forget(monkeypatch, module if module in MODULES else old)
    with pytest.warns(DeprecationWarning, match=r"now; import that"):
        found = getattr(import_module(f"numtoolkit.{module}"), name)
    assert found is getattr(import_module(f"numtoolkit.{home}"), now)


def test_a_path_that_was_not_moved_is_no_module():
    """Neither an unknown module nor an unknown name of a package or of an old path is found."""
    with pytest.raises(ModuleNotFoundError, match=r"numtoolkit\.attic"):
        import_module("numtoolkit.attic")
    for module in ("numtoolkit.program", "numtoolkit.fitting", "numtoolkit.problem", "numtoolkit.reproduce"):
        with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'absent'"):
            _ = import_module(module).absent
    with pytest.warns(DeprecationWarning, match="import that"), pytest.raises(ImportError, match="absent"):
        exec("import sys; sys.modules.pop('numtoolkit.scheme', None); from numtoolkit.scheme import absent")


def test_rooms_that_the_readme_of_0_1_0_named_are_there_or_moved():
    """No entry of the table stands for a module that exists, which would never be asked."""
    for room in STILL:
        assert import_module(f"numtoolkit.{room}").__file__
    modules = {path.relative_to(ROOT / "numtoolkit").with_suffix("") for path in ROOT.glob("numtoolkit/**/*.py")}
    existing = {".".join(path.parts).removesuffix(".__init__") for path in modules}
    assert existing.isdisjoint(MODULES)
    assert {home for homes in MODULES.values() for home in homes} <= existing


def test_an_old_path_takes_no_exported_name_away():
    """After `numtoolkit.scheme` and `numtoolkit.phi` are imported as modules, both are the functions still."""
    code = (
        "import warnings; warnings.simplefilter('ignore'); import numtoolkit; from numtoolkit.scheme import Scheme; "
        "import numtoolkit.phi, numtoolkit.stability, numtoolkit.measures; "
        "from numtoolkit import Scheme as S, scheme, phi; "
        "assert Scheme is S; assert scheme('ddim').name == 'ddim'; assert callable(phi) and numtoolkit.phi is phi; "
        "from numtoolkit.stability import regions; "
        "assert regions is numtoolkit.stability; assert numtoolkit.measures.frechet"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_exported_name_is_a_module():
    """What the front door exports is an object to use, whatever was imported before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for old in MODULES:
            import_module(f"numtoolkit.{old}")
    assert [name for name in numtoolkit.__all__ if isinstance(getattr(numtoolkit, name), ModuleType)] == []
