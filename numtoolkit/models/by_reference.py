"""What a run takes for a network: objects, names of laws, and what a file or module of one's own holds."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from numtoolkit import references
from numtoolkit.errors import InputError, brief, typed
from numtoolkit.laws.named import NAMED, is_law, is_named, law_of
from numtoolkit.models.calls import function_of
from numtoolkit.models.checkpoints import device_of, load, shipped_path
from numtoolkit.models.diffusers_folder import is_folder, read_folder
from numtoolkit.models.foreign import CONVENTIONS, foreign_network, with_weights
from numtoolkit.models.modes import modules
from numtoolkit.models.network import Network
from numtoolkit.spec_text import Spec

SHIPPED = "network:"  # before the name of a network that comes with the package


def network_of(network: Any) -> Any:
    """What a run calls: a `Network`, or the exact one of a law, as an object or by name.

    network   a `Network`, or what else has a callable `on(process)`; a law, or its specification, "mixture(dim=2)"; or
              "network:NAME", one that comes with the package, or the path of a checkpoint, FILE.safetensors; or
              that of a folder with a model of diffusers, as `numtoolkit.models.diffusers_folder` reads it; or
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
        made = references.resolve(
            network, "network", lambda own: _is_network(own) or is_law(own) or _is_module(own), _made
        )
        if _is_module(made):
            raise InputError(
                f"{network!r} is a torch module, which does not say what it predicts; wrap it as "
                "numtoolkit.Network(net, predicts=...), or give its convention, as --convention edm."
            )
        return made
    return read_folder(network) if is_folder(network) else network


def foreign_network_of(
    text: str,
    convention: str | None = None,
    checkpoint: str | None = None,
    *,
    process: Any = None,
    part: str | None = None,
    sha256: str | None = None,
    device: str | None = None,
) -> Any:
    """What a run calls, by name and by what is said of it: a module of a file with its convention and weights.

    What lets code be run stays apart from what is read as data: FILE.py is run where `allow_imports` lets it, the
    checkpoint never is.
    text        "FILE.py:NAME" or "MODULE:NAME": a torch module, or a function that makes one, which needs a convention;
                or a `Network` of one, which says its own. Without convention, checkpoint and part whatever `network_of`
                reads
    convention, checkpoint, process, part   as of `numtoolkit.models.foreign.foreign_network`
    sha256      that the checkpoint must have, also that of a network that ships, FILE.safetensors and a folder
    device      of torch, to which the modules of the network are moved, as far as `numtoolkit.models.modes.modules`
                finds them; None leaves them where they are
    raises      InputError for what says too much or too little of a network, and as `network_of` and `foreign_network`
    """
    made = _said(text, convention, checkpoint, process, part, sha256)
    for module in modules(function_of(made)) if device is not None else ():
        module.to(device_of(device))
    return made


def _said(
    text: str, convention: str | None, checkpoint: str | None, process: Any, part: str | None, sha256: str | None
) -> Any:
    """The network of `foreign_network_of`, its modules where they are."""
    if convention is checkpoint is part is None:
        made = network_of(text)
        _check_digest(made, text, sha256)
        return made
    if not references.is_reference(text):
        said = "convention" if convention is not None else "checkpoint" if checkpoint is not None else "part"
        raise InputError(f"a {said} is of a torch module of a file, FILE.py:NAME, and {text!r} is none; drop it.")
    if checkpoint is None and (part or sha256) is not None:
        raise InputError(f"{'part' if part is not None else 'sha256'} is of a checkpoint; give one, or drop it.")
    made = references.resolve(text, "torch module", lambda own: _is_network(own) or _is_module(own))
    if _is_network(made) and convention is not None:
        raise InputError(f"{text!r} is a network that says itself what it predicts; drop the convention {convention}.")
    if _is_network(made):
        return with_weights(made, str(checkpoint), part, sha256)
    if convention is None:
        raise InputError(
            f"{text!r} is a torch module, which does not say what it predicts; give its convention, one of "
            f"{', '.join(CONVENTIONS)}."
        )
    return foreign_network(made, convention, checkpoint, process=process, part=part, sha256=sha256)


def _check_digest(network: Any, text: str, sha256: str | None) -> None:
    """raises InputError unless the network has weights of a file with that digest, None for any"""
    if sha256 is None:
        return
    own = getattr(network, "weights", None)
    if own is None:
        raise InputError(f"{text!r} has no checkpoint whose SHA-256 could be {brief(sha256, 20)}; drop it.")
    if own["sha256"] != sha256.lower():
        raise InputError(
            f"the weights of {text!r} have the SHA-256 {own['sha256']}, not {brief(sha256, 70)}; give theirs, or the "
            "file that is meant."
        )


def _is_network(value: object) -> bool:
    """Whether a run takes it for a network: see `numtoolkit.sampling.runner.sample`."""
    return callable(getattr(value, "on", None))


def _is_module(value: object) -> bool:
    """Whether it is a module of torch, which is not loaded for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def _made(entry: Any, spec: Spec) -> Any:
    """What a function makes of the values; a network that was not wrapped is told from a function that makes one."""
    if inspect.isfunction(entry) and list(inspect.signature(entry).parameters)[:2] in (["z", "t"], ["x", "t"]):
        raise InputError(
            f"{spec.name} is a function of (z, t), which does not say what it predicts; wrap it as "
            f"numtoolkit.Network({spec.name}, predicts=...)."
        )
    return references.called(entry, spec)
