"""Networks of other people by name of their convention: what is called how, and what it says, as a table.

    network = foreign_network(net, "edm", "cifar.safetensors")               # net(x, sigma) -> D(x; sigma)
    network = foreign_network(net, "psld", "psld.ckpt", process="psld(Gamma=0.02, nu=4.02)")

A row makes a `Network` of a module; adding one adds a convention. What a module returns, on which process and how it is
told the time cannot be read off its weights, so that somebody has to say it: `numtoolkit.models.suspicion` asks whether
it can be so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from numtoolkit.errors import InputError, choice, real, typed
from numtoolkit.files.storage import Where
from numtoolkit.models.calls import parameter_of
from numtoolkit.models.conventions import Around
from numtoolkit.models.network import Network
from numtoolkit.models.weights import give_weights
from numtoolkit.problem.predictions import prediction
from numtoolkit.problem.processes import process as process_of
from numtoolkit.spec_text import Spec, hyphened, parse

Make = Callable[..., Network]  # (net, process, values of the convention)


@dataclass(frozen=True)
class Convention:
    """How a network of other people is called, and what it returns.

    name      in a specification
    sentence  what it is, with the call
    make      (net, process or None, further values by name) -> `Network`; the further values are those of the name
    process   it was trained on where nothing else is said; None where that must be said, or is of no matter
    needs     whether the process must be said
    """

    name: str
    sentence: str
    make: Make
    process: str | None = None
    needs: bool = False

    def __repr__(self) -> str:
        return f"<convention {self.name}: {self.sentence}>"

    def network(self, net: Any, process: Any = None, values: Spec | None = None) -> Network:
        """The network that a module is.

        net, process   the module, and the process it was trained on, None for the usual one
        values         of the convention, as in its specification; None for the usual ones
        raises         InputError for values that it has not, and where the process must be said
        """
        on = process if process is not None else self.process
        if on is None and self.needs:
            raise InputError(
                f"convention {self.name} does not say on which process the network was trained; give process=, on the "
                "command line --process."
            )
        signature = inspect.signature(self.make)
        own = signature.replace(parameters=list(signature.parameters.values())[2:])
        given = {} if values is None else values.arguments(own, f"convention {self.name}")
        return self.make(net, None if on is None else process_of(on), **given)


def foreign_network(
    net: Any,
    convention: str = "edm",
    checkpoint: Where | None = None,
    *,
    process: Any = None,
    part: str | None = None,
    sha256: str | None = None,
) -> Network:
    """The network that a module of other people's code is.

    net         the module, such as an EDMPrecond; with a checkpoint it is given its weights, in place
    convention  its specification, a name of `CONVENTIONS` with its values: "edm", "edm-raw(sigma_data=0.5)", "psld"
    checkpoint  a file of its weights, as `numtoolkit.models.weights.give_weights` reads it; None where it has them
    process     it was trained on, as an object or by name; None for the usual one of the convention
    part        of the checkpoint, where several fit; sha256 that the checkpoint must have
    returns     a `Network` that computes in the dtype of the module, and whose `weights` say what was read
    raises      InputError for what does not fit together; StorageError for a file that is no checkpoint
    cost        that of reading the file
    """
    if not callable(net):
        raise InputError(f"{typed(net)} is no network; give a torch module, or what is called as one.")
    spec = parse(convention)
    name = hyphened(spec.name)
    row = CONVENTIONS[choice("convention", name, CONVENTIONS)]
    made = row.network(net, process, spec)
    parameter = parameter_of(made)
    if parameter is not None and made.dtype is None:
        made = replace(made, dtype=parameter.dtype)
    return made if checkpoint is None else with_weights(made, checkpoint, part, sha256)


def with_weights(network: Any, checkpoint: Where, part: str | None = None, sha256: str | None = None) -> Network:
    """A network whose module has the weights of a file, which its `weights` say.

    network   a `Network` of a torch module, which is given the weights in place
    checkpoint, part, sha256   as of `foreign_network`
    raises    InputError for a network that calls no module; as `give_weights`
    """
    if not isinstance(network, Network):
        raise InputError(f"{typed(network)} is not one network with weights; give a numtoolkit.Network of a module.")
    inner: Any = network.function
    while isinstance(inner, (Around, partial)):
        inner = inner.net if isinstance(inner, Around) else inner.func
    said = give_weights(inner, checkpoint, part, sha256)
    return replace(network, weights=said)


# --- the rows


def _edm(net: Any, process: Any) -> Network:
    return Network.edm(net)


def _edm_raw(net: Any, process: Any, sigma_data: float = 0.5) -> Network:
    return Network.edm(net, sigma_data=sigma_data)


def _state(name: str) -> Make:
    """A row for networks of a state that return a prediction of that name, told clock t + offset."""
    predicts = prediction(name)

    def make(
        net: Any, process: Any, clock: float = 1.0, offset: float = 0.0, learned_variance: bool = False
    ) -> Network:
        scale, shift = real("clock", clock), real("offset", offset)
        told = None if (scale, shift) == (1, 0) else partial(_told, scale, shift)
        return Network(net, predicts, process=process, clock=told, learned_variance=learned_variance)

    return make


def _told(scale: float, shift: float, t: float) -> float:
    return scale * t + shift


def _channels(predicts: str) -> Make:
    def make(net: Any, process: Any) -> Network:
        return Network.channels(net, predicts, process=process)

    return make


def _diffusers(net: Any, process: Any, predicts: str = "epsilon") -> Network:
    return Network.diffusers(net, {"prediction_type": hyphened(predicts).replace("-", "_")}, process=process)


_ROWS = (
    Convention("edm", "net(x, sigma) -> D(x; sigma), the class EDMPrecond and its like, on every process", _edm),
    Convention("edm-raw", "net(c_in x, log(sigma)/4) -> F, the network inside EDMPrecond, on every process", _edm_raw),
    Convention("psld", "net([x, m], t) -> the noise of both on 2 C channels", _channels("noise"), "psld"),
    Convention("psld-mixed", "the same with S = -z / Sigma_mm - L^-T out", _channels("noise-skip"), "psld"),
    Convention("cld", "net([x, v], t) -> the noise of v on C channels", _channels("noise"), "cld"),
    Convention("cld-mixed", "the same with S_v = -v / Sigma_vv - l out", _channels("noise-skip"), "cld"),
    Convention("diffusers", "net(z, timestep=t - 1).sample, on a process from a table", _diffusers, needs=True),
    *(
        Convention(name, f"net(z, clock t + offset) -> the {name} of a state", _state(name), needs=True)
        for name in ("data", "noise", "score", "velocity", "flow")
    ),
)
CONVENTIONS = {row.name: row for row in _ROWS}
