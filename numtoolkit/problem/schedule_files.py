"""Processes from files that people have: a table in an .npz archive, a scheduler_config.json of diffusers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numtoolkit.errors import InputError, StorageError, brief, typed
from numtoolkit.files.storage import read_json, read_npz
from numtoolkit.problem.kinds import Process
from numtoolkit.problem.scalar import EDM, RectifiedFlow
from numtoolkit.problem.tabulated import FORMS, SCHEDULES, Table

Where = str | os.PathLike[str]

# beta_schedule of diffusers, and the process of that name here
BETA_SCHEDULES = {
    "linear": "linear",
    "scaled_linear": "scaled-linear",
    "squaredcos_cap_v2": "squared-cosine",
    "sigmoid": "sigmoid",
}
# Keys that change the process in ways that are not served, and their values that do not
UNCHANGED: dict[str, tuple[Any, ...]] = {
    "snr_shift_scale": (None, 1, 1.0),
    "timestep_type": (None, "discrete"),
    "invert_sigmas": (None, False),
}


def is_file(text: Any) -> bool:
    """Whether a text or path names a file that holds a process."""
    return isinstance(text, (str, os.PathLike)) and Path(text).suffix.lower() in (".npz", ".json")


def of_file(path: Where) -> Process:
    """The process of a table in an .npz file, or of a scheduler_config.json; errors as `table_of` and `of_config`."""
    if Path(path).suffix.lower() == ".npz":
        return table_of(path)
    config = read_json(path)
    try:
        return of_config(config)
    except InputError as error:
        raise StorageError(f"cannot take a process from {str(path)!r}: {str(error).rstrip('.')}.") from None


def table_of(path: Where, scaling: str = "vp", digest: str = "") -> Table:
    """The process of the one table that an .npz file holds under alphas_cumprod, betas or sigmas.

    path      of the file
    scaling   as `Tabulated` has it
    digest    of the table in an earlier specification, "sha256-..."; "" for none
    raises    StorageError for a file that cannot be read, holds none or several of these, or changed since the digest;
              InputError for values that are no table
    """
    arrays = read_npz(path)
    forms = [form for form in FORMS if form in arrays]
    if len(forms) != 1:
        there = ", ".join(sorted(arrays)) or "none"
        raise StorageError(f"cannot take a process from {str(path)!r}: its keys are {there}; give one of {_either()}.")
    table = Table.of(forms[0], arrays[forms[0]], scaling, os.fspath(path))
    if digest and digest != table.digest:
        raise StorageError(f"{str(path)!r} holds {table.digest} now, not {digest}; give the file of then, or drop it.")
    return table


def _either() -> str:
    *first, last = FORMS
    return f"{', '.join(first)} or {last}"


def of_config(config: Any) -> Process:
    """The process of a scheduler_config.json of diffusers, as a dictionary; spacing and shift are of the grid.

    Flow schedulers give flow(T=1), those of EDM (sigma_min, sigma_max, no betas) edm. All else is a table of betas.
    raises   InputError, naming the key, for what is missing or not served
    """
    if not isinstance(config, Mapping):
        raise InputError(f"a scheduler config is a dictionary, not {typed(config)}; give one.")
    for key, served in UNCHANGED.items():
        if config.get(key) not in served:
            raise InputError(f"{key} = {config[key]!r} is not served; give the process itself, as a table or by name.")
    if _is_flow(config):
        return RectifiedFlow(T=1.0)
    if config.get("trained_betas") is not None:
        if config.get("rescale_betas_zero_snr"):
            raise InputError("rescale_betas_zero_snr of trained_betas is not served; give alphas_cumprod as a table.")
        return Table.of("betas", config["trained_betas"])
    if "beta_schedule" in config:
        return _of_betas(config)
    if "sigma_min" in config and "sigma_max" in config:
        return EDM(T=_number(config, "sigma_max"), t_min=_number(config, "sigma_min"))
    raise InputError(
        f"_class_name = {config.get('_class_name')!r} has no beta_schedule, no sigma_min and is no flow; give the "
        "process by name."
    )


def _is_flow(config: Mapping[str, Any]) -> bool:
    said = config.get("prediction_type") == "flow_prediction" or config.get("use_flow_sigmas") is True
    return said or str(config.get("_class_name", "")).startswith("FlowMatch")


def _of_betas(config: Mapping[str, Any]) -> Process:
    name = config["beta_schedule"]
    if name not in BETA_SCHEDULES:
        known = ", ".join(BETA_SCHEDULES)
        raise InputError(f"beta_schedule = {brief(repr(name))} is not served; those that are: {known}.")
    parameters: dict[str, Any] = {"N": _number(config, "num_train_timesteps", int)}
    if BETA_SCHEDULES[name] != "squared-cosine":  # it has no ends of its own
        parameters |= {key: _number(config, key) for key in ("beta_start", "beta_end")}
    if config.get("rescale_betas_zero_snr"):
        parameters["rescale"] = 1
    return SCHEDULES[BETA_SCHEDULES[name]](**parameters)


def _number(config: Mapping[str, Any], key: str, kind: type = float) -> Any:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, kind)):
        raise InputError(f"{key} = {brief(repr(value))} is no number; a saved scheduler_config.json has one.")
    return kind(value)
