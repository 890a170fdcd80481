"""Networks of other people's code as functions of (z, t): what they are called with, and what they hand back."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

from numtoolkit.arrays import Array, library
from numtoolkit.errors import InputError, typed


class Around:
    """A function around a network of other people's code, `net`, whose parameters it shows."""

    net: Any

    def parameters(self) -> Iterator[Any]:
        """Those of the torch module that it calls; none of one that is no module."""
        own = self.net
        while isinstance(own, partial):
            own = own.func
        found = getattr(own, "parameters", None)
        yield from found() if callable(found) else ()


@dataclass(frozen=True, eq=False)
class EDMDenoiser(Around):
    """net(x, sigma, class_labels) -> D of Karras et al. (2022) and its code (NVlabs/edm), as a function of (y, s).

    net     a preconditioned network
    labels  None; a class by its number, where net.label_dim says of how many; or one row of labels for all samples
    """

    net: Any
    labels: Any

    def __call__(self, y: Array, s: Array, labels: Any = None) -> Any:
        given = self._row(y) if labels is None else labels
        return self.net(y, s) if given is None else self.net(y, s, given)

    def _row(self, y: Array) -> Any:
        """The labels (1, classes) beside y."""
        if self.labels is None:
            return None
        xp = library(y)
        if isinstance(self.labels, Integral):
            classes = getattr(self.net, "label_dim", 0)
            chosen = int(self.labels)
            if not 0 <= chosen < classes:
                raise InputError(f"labels = {chosen} is no class of a network with {classes}; give one from 0 on.")
            row = xp.zeros((1, classes), dtype=xp.float32, device=y.device)
            row[:, chosen] = 1
            return row
        row = xp.asarray(self.labels, device=y.device)
        if row.ndim > 2 or (row.ndim == 2 and len(row) != 1):
            raise InputError(
                f"labels have shape {tuple(row.shape)}, but one row is for all samples; give one, (1, classes) or a "
                "class number."
            )
        return row.reshape(1, -1)


@dataclass(frozen=True, eq=False)
class EDMRaw(EDMDenoiser):
    """F(x, c_noise, class_labels), the network inside EDMPrecond of that code, as the denoiser that it stands in.

    D = c_skip y + c_out F(c_in y, c_noise), table 1 of Karras et al. (2022), the coefficients in float64 on the host.
    sigma_data  that it was trained with
    """

    sigma_data: float

    def __call__(self, y: Array, s: float, labels: Any = None) -> Any:
        xp, total = library(y), math.hypot(s, self.sigma_data)
        noise = xp.full((len(y),), math.log(s) / 4, dtype=y.dtype, device=y.device)
        inner = super().__call__(y * (1 / total), noise, labels)
        return y * (self.sigma_data / total) ** 2 + inner * (s * self.sigma_data / total)


@dataclass(frozen=True, eq=False)
class OnChannels(Around):
    """net(u, t) of states whose blocks lie one after the other on the channel axis, as a function of (z, t).

    net     u is (batch, 2 C, ...), x before m; it returns as many channels, as the networks of PSLD do, or C, those of
            m, as the networks of CLD do: the block of x is 0 then
    data    whether it returns the data prediction, C channels
    """

    net: Any
    data: bool

    def __call__(self, z: Array, t: Any, *more: Any, **named: Any) -> Any:
        if z.ndim < 3:
            raise InputError(
                f"a state of shape {tuple(z.shape)} has no blocks with channels, (batch, 2, C, ...); give a process of "
                "phase space and a shape that begins with the channels."
            )
        batch, blocks, channels, *rest = z.shape
        out = self.net(z.reshape(batch, blocks * channels, *rest), t, *more, **named)
        xp = library(out)
        if self.data or xp is None or out.ndim != z.ndim - 1:
            return out
        if out.shape[1] == channels:
            return xp.stack((xp.zeros_like(out), out), 1)
        return out.reshape(batch, blocks, -1, *rest)


@dataclass(frozen=True, eq=False)
class DiffusersModule(Around):
    """net(z, timestep=t).sample, as models of diffusers are called, as a function of (z, t).

    net     the module; it may return a tuple that begins with the sample
    """

    net: Any

    @property
    def __signature__(self) -> inspect.Signature:
        """(z, t) and what else the module takes by name, so that a run can tell what it needs."""
        own: Any = self.net
        bound = {"timestep"}
        while isinstance(own, partial):
            own, bound = own.func, bound | own.keywords.keys()
        _, *rest = inspect.signature(getattr(own, "forward", own)).parameters.values()
        first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in ("z", "t")]
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        named = [
            p.replace(kind=inspect.Parameter.KEYWORD_ONLY) if p.kind in kinds else p
            for p in rest
            if p.name not in bound and p.kind is not inspect.Parameter.VAR_POSITIONAL
        ]
        return inspect.Signature([*first, *named])

    def __call__(self, z: Array, t: Any, **named: Any) -> Any:
        out = self.net(z, timestep=t, **named)
        if isinstance(out, tuple):
            return out[0]
        return getattr(out, "sample", out)


def scheduler_says(scheduler: Any) -> tuple[str | None, float | None]:
    """What a scheduler of diffusers says of the networks it is for: the prediction, and what time 1 is told as.

    scheduler  an object with a `config`, such a mapping, or None, which says nothing
    returns    the name of the prediction; and the number of timesteps where the time is that of a flow, None where it
               is counted in points of a table
    raises     InputError for what is no scheduler, and for one that scales what its network is given (EDM)
    """
    if scheduler is None:
        return None, None
    config = getattr(scheduler, "config", scheduler)
    if not isinstance(config, Mapping):
        raise InputError(f"scheduler is {typed(scheduler)}; give a scheduler of diffusers, or its config as a dict.")
    if "sigma_data" in config:
        raise InputError(
            "the scheduler scales the input and output of its network by sigma_data; write the denoiser as a function "
            "of (y, s) and wrap it by Network.edm."
        )
    kind = str(config.get("_class_name", type(scheduler).__name__))
    said = config.get("prediction_type", "flow_prediction" if kind.startswith("FlowMatch") else None)
    if said is None:
        raise InputError(f"the config of {kind} names no prediction_type; give predicts=.")
    steps = config.get("num_train_timesteps", 1000)
    return said, float(steps) if said == "flow_prediction" else None
