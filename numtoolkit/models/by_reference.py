"""Networks by reference: what a Python file or module of one's own holds under a name."""

from __future__ import annotations

import inspect
from typing import Any

from numtoolkit import references
from numtoolkit.errors import InputError
from numtoolkit.models.network import Network
from numtoolkit.spec_text import Spec


def network_of(text: str | Network) -> Network:
    """A network from "FILE.py:NAME" or "MODULE:NAME": a `Network`, or a function that makes one, of values or of none.

    text     or a network, which comes back as it is
    raises   InputError where `numtoolkit.references.allow_imports` does not let the file be run, and as
             `numtoolkit.references.resolve`
    cost     what the file does as it is run, such as reading weights
    """
    if _is_network(text):
        return text  # type: ignore[return-value]  # which is no text
    if not references.is_reference(text):
        raise InputError(
            f"{text!r} is no network; give a numtoolkit.Network, or FILE.py:NAME or MODULE:NAME that holds one."
        )
    return references.resolve(text, "network", _is_network, _made)


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
