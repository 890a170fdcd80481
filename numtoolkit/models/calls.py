"""How a run calls a network: on a process, told the conditions of a batch, for one output or for two."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from numtoolkit.arrays import Array, library
from numtoolkit.errors import InputError
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.processes import Process
from numtoolkit.program.walk import NetworkCall


def call_of(network: Any, process: Process, conditions: Any = None, both: bool = False) -> NetworkCall:
    """What a run calls on a batch: a `network` with `on(process)`, on that process.

    conditions  of the batch, as of `numtoolkit.sample`, or None
    both        whether an evaluation returns the guided and after it the unguided prediction
    raises      InputError for a network that takes no conditions, or has no unguided prediction
    """
    accepts = inspect.signature(network.on).parameters
    if conditions is not None and "conditions" not in accepts:
        raise InputError(f"network {network.name} takes no conditions; leave them out, or wrap it as a Network.")
    if both and "both" not in accepts:
        raise InputError(
            f"the scheme takes the unguided prediction too, which network {network.name} does not tell apart; give "
            "network.guided(scale, negative)."
        )
    given = {} if conditions is None else {"conditions": conditions}
    call: NetworkCall = network.on(process, **given, **({"both": True} if both else {}))
    return call


def takes(network: Any, conditions: Any) -> bool:
    """Whether a network may be called with the conditions (None for without), as far as its function says.

    network   a `numtoolkit.Network`, or a wrapper of one
    """
    return refusal(network, conditions) is None


def refusal(network: Any, conditions: Any) -> str | None:
    """Why the function of a network cannot be called as (z, t, conditions), or (z, t) for None; None where it can."""
    function = function_of(network)
    given = conditions.given if isinstance(conditions, Conditions) else conditions
    by_name = given if isinstance(given, dict) else {}
    by_place = () if conditions is None or isinstance(given, dict) else (None,)
    try:
        accepts = inspect.signature(getattr(function, "forward", function))
    except (TypeError, ValueError):  # of one that does not say what it takes
        return None
    try:
        accepts.bind(None, None, *by_place, **by_name)
    except TypeError as error:
        called = ", ".join(["z, t", *(["condition"] if by_place else []), *(f"{name}=" for name in by_name)])
        return f"cannot be called as ({called}): {error}"
    return None


def parameter_of(network: Any) -> Any:
    """The first parameter of the torch module that a network calls, which has its device and dtype; None without one.

    network   a `numtoolkit.Network`, or a wrapper of one
    """
    parameters = getattr(function_of(network), "parameters", None)
    return next(iter(parameters()), None) if callable(parameters) else None


def placed(network: Any) -> Callable[[Array], Array]:
    """What brings a host array to where the parameters of a network are, in their dtype where a state may have it.

    network   as of `parameter_of`; arrays of one without parameters stay as they are
    """
    parameter = parameter_of(network)
    if parameter is None:
        return lambda array: array
    xp = library(parameter)
    wide = parameter.dtype if parameter.dtype.itemsize >= 4 else xp.float32
    return lambda array: xp.as_tensor(array, dtype=wide, device=parameter.device)


def function_of(network: Any) -> Any:
    """What a network calls, whatever it is wrapped in; None of one that does not say it."""
    while not hasattr(network, "function") and hasattr(network, "network"):
        network = network.network
    return getattr(network, "function", None)
