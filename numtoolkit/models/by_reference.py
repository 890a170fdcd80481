"""What a run takes for a network: objects, names of laws, and what a file or module of one's own holds."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from numtoolkit import references
from numtoolkit.errors import InputError, typed
from numtoolkit.laws.named import NAMED, is_law, is_named, law_of
from numtoolkit.models.checkpoints import load, shipped_path
from numtoolkit.models.network import Network
from numtoolkit.spec_text import Spec

SHIPPED = "network:"  # before the name of a network that comes with the package


def network_of(network: Any) -> Any:
    """What a run calls: a `Network`, or the exact one of a law, as an object or by name.

    network   a `Network`, or what else has a callable `on(process)`; a law, or its specification, "mixture(dim=2)"; or
              "network:NAME", one that comes with the package, or the path of a checkpoint, FILE.safetensors; or
              "FILE.py:NAME", "MODULE:NAME" of either, or of a function that makes one, of values or of none
    raises    InputError for what is none of these, where `numtoolkit.references.allow_imports` does not let the file
              be run, and as `numtoolkit.references.resolve` and `numtoolkit.law_of`
    cost      what the file does as it is run, such as reading weights
    """
    network = _taken(network)
    if _is_network(network):
        return network
    if isinstance(network, str) and not is_named(network):
        raise InputError(
            f"{network!r} is no network; give a numtoolkit.Network, network:NAME, FILE.safetensors, or FILE.py:NAME or "
            f"MODULE:NAME that holds one, or a law for its exact one: {', '.join(sorted(NAMED))}, PATH.npz."
        )
    if isinstance(network, str) or is_law(network):
        return Network.of(law_of(network))
    if network is None:
        raise InputError("a run needs a network; give a numtoolkit.Network, or a law for its exact one.")
    raise InputError(
        f"network is {typed(network)}; wrap it as numtoolkit.Network(function, predicts=...), or give a law."
    )


def checkpoint_of(network: object) -> Path | None:
    """The file of what a text names as a trained network, network:NAME or FILE.safetensors; None of anything else.

    raises    InputError for a name that no network that comes with the package has
    """
    text = network.strip() if isinstance(network, str) else ""
    if text.startswith(SHIPPED):
        return shipped_path(text.removeprefix(SHIPPED))
    return Path(text) if text.endswith(".safetensors") else None


def law_or_network(network: Any) -> Any:
    """What is measured: a law, whose network is exact, or a network of one's own, as `network_of` reads them.

    network   as for `network_of`
    raises    as `network_of`
    """
    network = _taken(network)
    return network if _is_network(network) else law_of(network)


def _taken(network: Any) -> Any:
    """What a reference is to, and what a text names as a trained network; anything else as it is."""
    checkpoint = checkpoint_of(network)
    if checkpoint is not None:
        return load(checkpoint)
    if references.is_reference(network):
        return references.resolve(network, "network", lambda own: _is_network(own) or is_law(own), _made)
    return network


def _is_network(value: object) -> bool:
    """Whether a run takes it for a network: see `numtoolkit.sampling.runner.sample`."""
    return callable(getattr(value, "on", None))


def _made(entry: Any, spec: Spec) -> Any:
    """What a function makes of the values; a network that was not wrapped is told from a function that makes one."""
    if inspect.isfunction(entry) and list(inspect.signature(entry).parameters)[:2] in (["z", "t"], ["x", "t"]):
        raise InputError(
            f"{spec.name} is a function of (z, t), which does not say what it predicts; wrap it as "
            f"numtoolkit.Network({spec.name}, predicts=...)."
        )
    return references.called(entry, spec)
