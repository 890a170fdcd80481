"""Paths and names of 0.1.0 that lie elsewhere now. They work for one release, with one warning that names the new path.

MODULES are paths that are gone: `Moved`, which `import numtoolkit` adds to the importers of Python, answers for them
with a module that looks its names up where they lie. NAMES were renamed, or moved inside a package that kept its path;
such a package has `names_of(__name__)` for its `__getattr__`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES: dict[str, tuple[str, ...]] = {
    "coefficients": ("program.evaluator",),
    "entries": ("declare.entries",),
    "exact": ("measure",),
    "exact.curves": ("measure.curves",),
    "exact.flows": ("measure.flows",),
    "exact.moments": ("measure.gaussian_moments",),
    "experiments": ("reproduce.kinds", "reproduce.reading"),
    "grids": ("problem.grids", "problem.grid_rules"),
    "measures": ("measure.distances",),
    "phi": ("phi_functions",),
    "plans": ("program.budget",),
    "predictions": ("problem.predictions",),
    "processes": ("problem.processes",),
    "processes.base": ("problem.kinds",),
    "processes.phase_space": ("problem.phase_space",),
    "processes.scalar": ("problem.scalar",),
    "runs": ("files.sample_folder",),
    "scheme": ("declare.scheme", "declare.steps"),
    "schemes.conjugation": ("problem.conjugation",),
    "schemes.forms": ("declare.forms",),
    "schemes.table": ("schemes.facts",),
    "specs": ("spec_text",),
    "stability": ("measure.stability",),
    "storage": ("files.storage",),
    "symbolic.constant": ("symbolic.error_norm",),
    "symbolic.fields": ("symbolic.numbers",),
    "symbolic.fitted": ("symbolic.fitted_defects",),
    "symbolic.law": ("symbolic.weak",),
    "symbolic.unroll": ("symbolic.steps_back",),
    "symbolic.verify": ("symbolic.verdict",),
    "tables": ("files.fitted_coefficients",),
}
NAMES: dict[str, str] = {
    "coefficients.Reader": "program.evaluator.Evaluator",
    "entries.reframe": "declare.entries.rescale",
    "fitting.Table": "files.fitted_coefficients.FittedCoefficients",
    "fitting.read_table": "files.fitted_coefficients.read_fitted_coefficients",
    "fitting.write_table": "files.fitted_coefficients.write_fitted_coefficients",
    "plans.layouts": "program.budget.whole_steps",
    "problem.Problem": "problem.problem.Problem",
    "program.Affine": "program.program.Affine",
    "program.CONSTANT": "program.program.CONSTANT",
    "program.Call": "program.program.Call",
    "program.Draw": "program.program.Draw",
    "program.Instruction": "program.program.Instruction",
    "program.Program": "program.program.Program",
    "program.Step": "program.program.ProgramStep",
    "program.lower": "program.program.lower",
    "program.problem_of": "program.program.problem_of",
    "program.step_quantities": "program.program.step_quantities",
    "reproduce.reproduce": "reproduce.job.reproduce",
    "reproduce.versions": "files.versions.versions",
    "scheme.Layout": "declare.steps.Step",
    "stability.regions": "measure.stability.stability",
    "symbolic.law.LawOrder": "symbolic.weak.WeakOrder",
    "symbolic.law.law_order": "symbolic.weak.weak_order",
    "tables.Table": "files.fitted_coefficients.FittedCoefficients",
    "tables.read_table": "files.fitted_coefficients.read_fitted_coefficients",
    "tables.write_table": "files.fitted_coefficients.write_fitted_coefficients",
}
ROOT = __name__.partition(".")[0]


def _warn(old: str, new: Sequence[str]) -> None:
    now = " and ".join(f"{ROOT}.{path}" for path in new)
    text = f"{ROOT}.{old} is {now} now; import that, since the old path goes with the next release."
    warnings.warn(text, DeprecationWarning, stacklevel=3)  # importlib's own frames are not counted


def _object(path: str) -> Any:
    """What lies at "module.name", a path in the package."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"{ROOT}.{module}"), name)


def names_of(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package that kept its path, for the names that moved inside it."""
    inside = package.removeprefix(f"{ROOT}.")

    def find(name: str) -> Any:
        new = NAMES.get(f"{inside}.{name}")
        if new is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        _warn(f"{inside}.{name}", (new,))
        value = vars(sys.modules[package])[name] = _object(new)  # kept: the next look warns no more
        return value

    return find


class Moved:
    """An importer of the MODULES of a package that are gone, finder and loader in one.

    Not by inheritance: importlib.abc loads a dozen modules, a tenth of what the symbolic core takes to be loaded.
    """

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A spec for the name `fullname` of a module that is gone, None for any other; `path` and `target` as Python
        hands them."""
        package, _, old = fullname.partition(".")
        if package != ROOT or old not in MODULES:
            return None
        held_others = any(name.startswith(f"{old}.") for name in MODULES)
        return ModuleSpec(fullname, self, is_package=held_others)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """None: the module of a `spec` is an ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Fills `module` with the look-up of its names, and warns."""
        old = module.__name__.partition(".")[2]
        homes = MODULES[old]

        def find(name: str) -> Any:
            if not name.startswith("__"):
                if f"{old}.{name}" in NAMES:
                    return _object(NAMES[f"{old}.{name}"])
                for home in homes:
                    found = import_module(f"{ROOT}.{home}")
                    if hasattr(found, name):
                        return getattr(found, name)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        vars(module)["__getattr__"] = find
        _warn(old, homes)
