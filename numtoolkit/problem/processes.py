"""Diffusion processes: dz = F(t) z dt + G(t) dW forward in the time t, and their perturbation kernels.

A process acts on k state blocks as (k x k) (x) I_d: k = 1 for VP, EDM and the flow, k = 2 for phase space, z = (x, m).
All times are float64 arrays (n,) of the process time t, small at the data; blocks come back as (n, k, k) or (n, k).
The kernel is z_t | x_0 ~ N(e_t x_0, Sigma_t); a network that is exact for a law needs nothing else (`observe`).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from numtoolkit import references
from numtoolkit.errors import InputError, brief, unknown
from numtoolkit.problem.blurring import Blurring, Dissipation
from numtoolkit.problem.kinds import Floats, PhaseSpaceProcess, Process, ScalarProcess
from numtoolkit.problem.phase_space import CLD, PSLD
from numtoolkit.problem.scalar import EDM, VP, CosineVP, RectifiedFlow
from numtoolkit.problem.schedule_files import is_file, of_config, of_file, table_of
from numtoolkit.problem.tabulated import SCHEDULES, Table, Tabulated
from numtoolkit.spec_text import Spec, parse

PROCESSES: dict[str, type[Process]] = {p.name: p for p in (VP, CosineVP, EDM, RectifiedFlow, PSLD, CLD)}
# Of images, each frequency by itself, and one frequency alone
OF_IMAGES: dict[str, type[Process]] = {p.name: p for p in (Blurring, Dissipation)}
ALIASES = {"sd": "scaled-linear", "ddpm": "linear", "squaredcos-cap-v2": "squared-cosine"}


def process(
    text: str | os.PathLike[str] | Spec | Process | Mapping[str, Any] | None = None,
    *,
    alphas_cumprod: Any = None,
    betas: Any = None,
    sigmas: Any = None,
    scaling: str = "vp",
) -> Process:
    """A process from its name with optional parameters, or from the table a network was trained with.

    text      "psld", "vp(beta_max=12)", "sd", "blurring(size=16)", "table(FILE.npz)"; the path of an .npz file with one
              of the arrays below, or of a scheduler_config.json of diffusers, or that as a dictionary; "FILE.py:NAME"
              or "MODULE:NAME", a process, or a class or function that makes one, where
              `numtoolkit.references.allow_imports` lets it be run; a Process comes back as it is
    alphas_cumprod, betas, sigmas   one of them in place of text: (N,), array-like or a tensor, point i being time
              i + 1; sigmas are sigma / alpha, k-diffusion's
    scaling   of such a table: "vp", alpha^2 + sigma^2 = 1, or "ve", alpha = 1
    raises    InputError for unknown names (nearest matches named), unknown parameters, values out of range and what is
              no table; StorageError for a file that cannot be read
    """
    tables = {"alphas_cumprod": alphas_cumprod, "betas": betas, "sigmas": sigmas}
    given = {form: table for form, table in tables.items() if table is not None}
    if len(given) + (text is not None) != 1:
        raise InputError(
            f"a process is a name or one table, but {_listed(text, given)} given; give one of {', '.join(tables)}."
        )
    for form, table in given.items():
        return Table.of(form, table, scaling)
    if scaling != "vp":
        raise InputError(f"scaling = {scaling!r} is of a table given beside it; write it into {text!r}.")
    return _of_text(text)


def _listed(text: Any, given: Mapping[str, Any]) -> str:
    names = [*([brief(repr(text))] if text is not None else []), *given]
    return f"{' and '.join(names)} are" if names else "nothing is"


def _of_text(text: Any) -> Process:
    if isinstance(text, Process):
        return text
    if isinstance(text, Mapping):
        return of_config(text)
    if references.is_reference(text):
        return _own(text)
    if is_file(text):
        return of_file(text)
    spec = parse(text)
    known: dict[str, Any] = {**PROCESSES, **OF_IMAGES, **SCHEDULES, "table": _table}
    name = spec.name.replace("_", "-")
    name = ALIASES.get(name, name)
    if name not in known:
        raise unknown("process", spec.name, [*known, *ALIASES])
    made: Process = known[name](**spec.arguments(inspect.signature(known[name]), f"process {spec.name}"))
    return made


def _own(reference: str) -> Process:
    """The process that a reference names; its parameters are the fields of a dataclass."""
    found: Process = references.resolve(reference, "process", lambda value: isinstance(value, Process))
    if not is_dataclass(found):
        raise InputError(f"process {reference!r} is no dataclass; write @dataclass(frozen=True) above its class.")
    return found


def _table(file: str = "", digest: str = "", *, scaling: str = "vp") -> Table:
    """A table by its file; one that was given as an array has only a digest to be known by."""
    if not is_file(file):
        raise InputError(
            f"process table{f'({file})' if file else ''} is known by its digest alone; give the table itself, "
            "process(betas=...), or its file, table(FILE.npz)."
        )
    return table_of(file, scaling, digest)


__all__ = [
    "CLD",
    "EDM",
    "OF_IMAGES",
    "PROCESSES",
    "PSLD",
    "SCHEDULES",
    "VP",
    "Blurring",
    "CosineVP",
    "Dissipation",
    "Floats",
    "PhaseSpaceProcess",
    "Process",
    "RectifiedFlow",
    "ScalarProcess",
    "Table",
    "Tabulated",
    "process",
]
