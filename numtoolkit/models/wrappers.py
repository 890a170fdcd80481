"""Networks with a changed output: guided by a second prediction, clipped or thresholded in data prediction.

A wrapper is a network as runs take it. One evaluation of it is one of a run's `nfe`, whatever it calls inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from numtoolkit.arrays import Array, library
from numtoolkit.errors import InputError, real, several
from numtoolkit.models.calls import call_of, takes
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.predictions import DATA, Prediction, convert, outputs, prediction
from numtoolkit.problem.processes import Process
from numtoolkit.program.program import Program
from numtoolkit.program.walk import Blocks, NetworkCall, evaluations


class Wrappable:
    """A network whose output may be changed: it has `predicts`, `shape`, `name`, `calls` and `on`."""

    def guided(
        self,
        scale: float,
        negative: Any = None,
        *,
        interval: tuple[float, float] | None = None,
        rescale: float = 0.0,
    ) -> Guided:
        """The network guided away from its prediction without the condition: out = u + scale (c - u).

        c is the prediction with the condition of each sample and u that with `negative`. Both are of one state, of
        which every prediction is the same affine function of the data prediction, so that it does not matter in which
        of them they are combined. scale = 1 is the network itself.
        scale     the weight w of arXiv:2207.12598 in the form u + w (c - u); there it is called 1 + w
        negative  what stands in place of each sample's condition: a label, an embedding or a text that all samples
                  share, a dict of such by name, or None, which the function gets as it is, under each name where the
                  conditions are a dict; or another network, which has the conditions too if it takes them (a weaker
                  one: autoguidance, arXiv:2406.02507)
        interval  (low, high): guided where low < sigma/alpha <= high, in all other places the network with its
                  condition alone (arXiv:2404.07724)
        rescale   phi of arXiv:2305.08891 eqs. 15-16: out is multiplied by phi std(c)/std(out) + 1 - phi, the standard
                  deviations over all numbers of a sample. It is not affine: it acts on what the network predicts
        raises    InputError for a number out of range, or a network of another prediction
        cost      two calls of the network an evaluation where it is guided, each on the whole tile, and one elsewhere
        """
        return Guided(self, scale, negative, interval, rescale)

    def clipped(self, limit: float = 1.0) -> Changed:
        """The network with its data prediction clipped to [-limit, limit], whatever it predicts itself.

        raises   InputError unless limit > 0
        cost     two more passes over the output
        """
        _positive("limit", limit)
        return Changed(self, lambda data: data.clip(-limit, limit), {"clipped": limit})

    def thresholded(self, quantile: float = 0.995, limit: float = 1.0) -> Changed:
        """The network with its data prediction thresholded dynamically (arXiv:2205.11487 section 2.3).

        In each sample s is that quantile of the absolute numbers, and not below `limit`: they are clipped to [-s, s]
        and multiplied by limit / s.
        quantile  from 0 to 1, linear between the order statistics
        limit     what the numbers of the data stay within
        raises    InputError for a number out of range
        cost      the numbers of each sample are sorted
        """
        if not 0 < real("quantile", quantile, 0, 1):
            raise InputError(f"quantile = {quantile} is out of range; it must satisfy 0 < quantile <= 1.")
        _positive("limit", limit)
        said = {"thresholded": quantile, "limit": limit}
        return Changed(self, lambda data: _thresholded(data, quantile, limit), said)


@dataclass(eq=False)
class _Wrapper(Wrappable):
    """A network around another one, which it is in all that does not concern its output."""

    network: Any

    @property
    def predicts(self) -> Prediction:
        """What the network predicts."""
        return prediction(self.network.predicts)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The event shape the network takes, if it is known."""
        shape: tuple[int, ...] | None = self.network.shape
        return shape

    @property
    def name(self) -> str:
        """That of the network."""
        return str(self.network.name)

    @property
    def weights(self) -> dict[str, str] | None:
        """What the weights of the network were read from."""
        own: dict[str, str] | None = getattr(self.network, "weights", None)
        return own

    @property
    def calls(self) -> int:
        """How often the network's function was called."""
        return int(self.network.calls)


@dataclass(eq=False)
class Guided(_Wrapper):
    """A network guided by a second prediction; `Wrappable.guided` makes it and says what each field is."""

    scale: float
    negative: Any
    interval: tuple[float, float] | None
    rescale: float

    def __post_init__(self) -> None:
        real("scale", self.scale)
        real("rescale", self.rescale, 0, 1)
        if self.interval is not None and not _increasing(self.interval):
            raise InputError(
                f"interval = {self.interval!r} is empty; give noise levels 0 <= low < high of sigma/alpha."
            )
        if self.by_network and prediction(self.negative.predicts) is not self.predicts:
            raise InputError(
                f"network {self.name} predicts {self.predicts.name!r} but {self.negative.name}, which guides it, "
                f"{prediction(self.negative.predicts).name!r}; guide by one of the same prediction."
            )

    def __repr__(self) -> str:
        return f"<{self.network!r}, guided with scale {self.scale:g}>"

    @property
    def by_network(self) -> bool:
        """Whether another network guides it, not another condition."""
        return callable(getattr(self.negative, "on", None))

    @property
    def calls(self) -> int:
        """How often a function was called, that of the network or that which guides it."""
        other = self.negative if self.by_network and self.negative is not self.network else None
        return super().calls + (0 if other is None else int(other.calls))

    def on(self, process: Process, conditions: Any = None, both: bool = False) -> NetworkCall:
        """The guided network as the loop calls it on a process.

        conditions  of the batch, as of `Network.on`
        both        return the blocks of the guided prediction and after them those of the unguided one, u; where it is
                    not guided both are that with the condition
        """
        one = call_of(self.network, process, conditions)
        other = self._other(process, conditions)

        def evaluate(blocks: Blocks, t: float) -> Blocks:
            with_condition = one(blocks, t)
            if not self._acts(process, t) or (self.scale == 1 and not both):
                return [*with_condition, *with_condition] if both else with_condition
            without = other(blocks, t)
            guided = [u + (c - u) * self.scale for c, u in zip(with_condition, without, strict=True)]
            if self.rescale:
                guided = _rescaled(guided, with_condition, self.rescale)
            return [*guided, *without] if both else guided

        return evaluate

    def about(self, program: Program) -> Iterator[dict[str, Any]]:
        """What was done to the network in the run of a program, innermost first, ready for JSON."""
        yield from _about(self.network, program)
        told = {"by": self.negative.name} if self.by_network else Conditions(self.negative, same=True).about()
        acts = [self._acts(program.process, e.time) for e in evaluations(program)]
        twice = sum(acts) if program.both or self.scale != 1 else 0
        yield {
            "guided": self.scale,
            "negative": told,
            "interval": None if self.interval is None else list(self.interval),
            "rescale": self.rescale,
            "network_calls": len(acts) + twice,  # a sample
        }

    def _other(self, process: Process, conditions: Any) -> NetworkCall:
        """What predicts without the condition."""
        if not self.by_network:
            given = conditions.given if isinstance(conditions, Conditions) else conditions
            named = self.negative is None and isinstance(given, dict)
            return call_of(
                self.network, process, Conditions(dict.fromkeys(given) if named else self.negative, same=True)
            )
        own = conditions if conditions is not None and takes(self.negative, conditions) else None
        return call_of(self.negative, process, own)

    def _acts(self, process: Process, t: float) -> bool:
        if self.interval is None:
            return True
        low, high = self.interval
        return bool(low < process.level(np.array([t]))[0] <= high)


@dataclass(eq=False)
class Changed(_Wrapper):
    """A network whose data prediction is passed through `change`, in whatever prediction it is written.

    network  which predicts anything; out becomes out + Q (D' - D), D the data prediction, D' the changed one
    change   (batch, *event) -> the same
    said     what it is, ready for JSON
    """

    change: Callable[[Array], Array]
    said: dict[str, Any]

    def __repr__(self) -> str:
        return f"<{self.network!r}, {', '.join(f'{name} {value:g}' for name, value in self.said.items())}>"

    def on(self, process: Process, conditions: Any = None, both: bool = False) -> NetworkCall:
        """The network with the changed output as the loop calls it on a process.

        conditions  of the batch, as of `Network.on`
        both        of the guided network inside: both of its outputs are changed
        """
        call = call_of(self.network, process, conditions, both)
        q = outputs(self.predicts, process)

        def changed(blocks: Blocks, out: Blocks, t: float) -> Blocks:
            if self.predicts is DATA:
                return [self.change(out[0])]
            P, Q = (X[0].tolist() for X in convert(self.predicts, DATA, process, np.array([t])))
            back = convert(DATA, self.predicts, process, np.array([t]))[1][0, :, 0].tolist()
            data = sum(c * x for c, x in [*zip(P[0], blocks, strict=True), *zip(Q[0], out, strict=True)])
            by = self.change(data) - data
            return [x + by * c for x, c in zip(out, back, strict=True)]

        def evaluate(blocks: Blocks, t: float) -> Blocks:
            out = call(blocks, t)
            return [x for first in range(0, len(out), q) for x in changed(blocks, out[first : first + q], t)]

        return evaluate

    def about(self, program: Program) -> Iterator[dict[str, Any]]:
        """What was done to the network in the run of a program, innermost first, ready for JSON."""
        yield from _about(self.network, program)
        yield dict(self.said)


def _about(network: Any, program: Program) -> Iterator[dict[str, Any]]:
    yield from network.about(program) if hasattr(network, "about") else ()


def _increasing(interval: Any) -> bool:
    """Whether it is a pair of noise levels, 0 <= low < high; the upper one may be infinite."""
    levels = [
        level if level == math.inf else real("a level of interval", level) for level in several("interval", interval)
    ]
    return len(levels) == 2 and 0 <= levels[0] < levels[1]


def _positive(name: str, value: float) -> None:
    if real(name, value) <= 0:
        raise InputError(f"{name} = {value} is out of range; give a number > 0.")


def _rescaled(out: Blocks, like: Blocks, phi: float) -> Blocks:
    """`out` times phi std(like) / std(out) + 1 - phi, a factor for each sample (arXiv:2305.08891 eqs. 15-16).

    It is 1 for a sample whose numbers are all the same, which has no deviation.
    """
    n, size = len(out[0]), sum(math.prod(block.shape[1:]) for block in out)
    if size < 2:
        raise InputError("rescale compares deviations over the numbers of a sample, which has one; leave rescale out.")
    wanted, has, xp = _deviation(like), _deviation(out), library(out[0])
    factor = xp.where(has > 0, wanted, 1.0) / xp.where(has > 0, has, 1.0) * phi + (1 - phi)
    return [block * _narrow(factor, block).reshape(n, *[1] * (block.ndim - 1)) for block in out]


def _deviation(blocks: Blocks) -> Array:
    """(batch,), the standard deviation over all numbers of a sample, but for a factor that all samples share."""
    xp, n = library(blocks[0]), len(blocks[0])
    numbers = xp.concatenate([block.reshape(n, -1) for block in blocks], 1)
    return (xp.asarray(numbers, dtype=xp.float32) if numbers.dtype.itemsize < 4 else numbers).std(1)


def _narrow(factor: Array, like: Array) -> Array:
    return library(like).asarray(factor, dtype=like.dtype)


def _thresholded(data: Array, quantile: float, limit: float) -> Array:
    numbers = abs(data.reshape(len(data), -1))
    ordered = np.sort(numbers, axis=1) if library(data) is np else numbers.sort(1).values
    place = quantile * (ordered.shape[1] - 1)
    below, part = math.floor(place), place - math.floor(place)
    above = min(below + 1, ordered.shape[1] - 1)
    s = (ordered[:, below] * (1 - part) + ordered[:, above] * part).clip(limit).reshape(-1, *[1] * (data.ndim - 1))
    low, high = -s, s
    clipped = np.clip(data, low, high) if library(data) is np else data.clamp(low, high)
    return clipped * (limit / s)
