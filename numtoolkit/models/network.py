"""Networks as schemes use them: what they predict, how they are told the time, and how often they were called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from numtoolkit.arrays import Array, is_floating, join, library, split
from numtoolkit.errors import InputError, brief, counted, typed, unknown
from numtoolkit.laws import Law, law_of
from numtoolkit.models.calls import refusal
from numtoolkit.models.conditions import Arguments, Conditions
from numtoolkit.models.wrappers import Wrappable
from numtoolkit.problem.predictions import DATA, Prediction, outputs, prediction
from numtoolkit.problem.processes import Process
from numtoolkit.program.walk import Blocks, NetworkCall

SIGHTS = ("state", "observation")


@dataclass(eq=False)
class Network(Wrappable):
    """A network as schemes use it: function(z, t) -> what it predicts, on numpy arrays or torch tensors.

    function  z is (batch, *event), or (batch, 2, *event) on PSLD, of the run's device and of `dtype`; the result has
              z's shape, but (batch, *event) for predicts="data", and is a new array at each call (schemes keep it).
              With conditions it is function(z, t, conditions), or function(z, t, **conditions) of a dict
    predicts  by its name or as an object, as in `numtoolkit.problem.predictions`: "data", "noise", "score" ...
    sees      "state", or "observation": function(y, s) with y = x_0 + s n in place of z and s in place of the time,
              the denoiser of Karras et al. (2022), which so runs on every process; it predicts data
    clock     host function of the process time (or of s) to the number the network wants, such as lambda t: 1000 * t
    time      how it is told: None, (batch,) of z's dtype; a floating dtype, (batch,) of that; "float", a Python float
    dtype     what the network computes in, such as torch.bfloat16; None for that of the state, which it never changes
    shape     event shape it takes, if it is known
    learned_variance  whether the function returns twice the channels, (batch, 2 C, ...), the prediction and then what
              interpolates the variance of a step of Nichol & Dhariwal (arXiv:2102.09672 eq. 15), which no scheme here
              uses: that half is dropped
    calls     how often `function` was called: once an evaluation of a tile of the batch
    raises    InputError for an unknown prediction, and where it is called for an output that is not as said
    """

    function: Callable[..., Any]
    predicts: Prediction
    sees: str = field(default="state", kw_only=True)
    clock: Callable[[float], float] | None = field(default=None, kw_only=True)
    time: Any = field(default=None, kw_only=True)
    dtype: Any = field(default=None, kw_only=True)
    shape: tuple[int, ...] | None = field(default=None, kw_only=True)
    learned_variance: bool = field(default=False, kw_only=True)
    name: str = field(default="", kw_only=True)
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"a network is a function of (z, t), not {typed(self.function)}; give a callable.")
        if self.clock is not None and not callable(self.clock):
            raise InputError(
                f"clock = {self.clock!r} is no function; give one of the process time, such as lambda t: 1000 * t."
            )
        self.predicts = prediction(self.predicts)
        if self.sees not in SIGHTS:
            raise unknown("sight of a network", self.sees, SIGHTS)
        if self.sees == "observation" and self.predicts is not DATA:
            raise InputError(f"a network that sees an observation predicts 'data', not {self.predicts.name!r}; say so.")
        self.name = self.name or getattr(self.function, "__name__", type(self.function).__name__)

    def __repr__(self) -> str:
        return f"<Network {brief(self.name, 100)}: predicts {self.predicts}, {counted(self.calls, 'call')} so far>"

    @classmethod
    def of(cls, law: Law) -> Network:
        """The exact network of a law of `numtoolkit.laws`, on every process."""
        if not callable(getattr(law, "denoise", None)):
            raise InputError(f"{typed(law)} is no law; give one of numtoolkit.laws, which has a denoiser.")
        return cls(law.denoise, DATA, sees="observation", time="float", shape=law.shape, name=law.name)

    def on(self, process: Process, conditions: Any = None) -> NetworkCall:
        """The network as the loop calls it on a process: (state blocks, process time) -> output blocks.

        conditions  of the batch it will be called with, as of `numtoolkit.sample`; moved to its device once
        raises      InputError when the prediction is not defined on the process, or the function takes other arguments
        """
        q = outputs(self.predicts, process)
        given = conditions if conditions is None or isinstance(conditions, Conditions) else Conditions(conditions)
        unfit = refusal(self, given)
        if unfit is not None:
            remedy = "give conditions=" if given is None else "leave conditions out, or wrap it"
            raise InputError(f"network {self.name} {unfit}; {remedy}.")
        moved: list[Arguments] = [] if given is not None else [((), {})]

        def evaluate(blocks: Blocks, t: float) -> Blocks:
            seen, told = (join(blocks), t) if self.sees == "state" else process.observe(blocks, t)
            if given is not None and not moved:
                moved.append(given.beside(seen))
            return split(self(seen, told, tuple(blocks[0].shape if q == 1 else seen.shape), moved[0]), q)

        return evaluate

    def __call__(self, z: Array, t: float, shape: tuple[int, ...] | None = None, beside: Arguments = ((), {})) -> Array:
        """One counted evaluation at the process time t; the output has `shape` (by default z's) and z's dtype.

        beside   what the function is given after z and t: by place and by name, as `Conditions.beside` makes it
        """
        seen, told = self._input(z, t)
        self.calls += 1
        try:
            out = self.function(seen, told, *beside[0], **beside[1])
        except RuntimeError as error:
            misfit = self._misfit(seen)
            if misfit is None:
                raise
            raise misfit from error
        needed = tuple(z.shape) if shape is None else shape
        if self.learned_variance:
            out = self._mean(out, needed)
        self._check(out, seen, needed)
        return _cast(out, z.dtype)

    def _input(self, z: Array, t: float) -> tuple[Array, Any]:
        told = t if self.clock is None else self.clock(t)
        try:
            seen = z if self.dtype is None else _cast(z, self.dtype)
            if self.time == "float":
                return seen, told
            return seen, library(seen).full((len(seen),), told, dtype=self.time or seen.dtype, device=seen.device)
        except TypeError:
            raise InputError(
                f"network {self.name} has dtype={self.dtype} and time={self.time!r}, which {typed(z)} cannot "
                "have; give dtypes of its library, or time='float'."
            ) from None

    def _mean(self, out: Any, shape: tuple[int, ...]) -> Any:
        """The first half of the channels of an output.

        raises   InputError for another shape than twice the channels of `shape`
        """
        twice = (*shape[:1], 2 * shape[1], *shape[2:]) if len(shape) > 1 else ()
        if library(out) is not None and tuple(out.shape) != twice:
            raise InputError(
                f"network {self.name} returned shape {tuple(out.shape)}, but with learned_variance {twice} is needed, "
                "twice the channels; leave learned_variance out if it returns the prediction alone."
            )
        return out if library(out) is None else out[:, : shape[1]]

    def _check(self, out: Any, seen: Array, shape: tuple[int, ...]) -> None:
        who = f"network {self.name}"
        if library(out) is not library(seen):
            raise InputError(f"{who} returned {typed(out)} for {typed(seen)}; return one like its input.")
        if tuple(out.shape) != shape:
            wider = out.ndim == len(shape) > 1 and out.shape[1] > shape[1]
            cut = f", for example out[:, :{shape[1]}] or learned_variance=True" if wider else ""
            raise InputError(
                f"{who} returned shape {tuple(out.shape)} where predicts={self.predicts.name!r} needs {shape}; "
                f"return the prediction alone{cut}."
            )
        if not is_floating(out):
            raise InputError(f"{who} returned dtype {out.dtype}; return a real floating dtype.")
        if out.device != seen.device:
            raise InputError(f"{who} returned values on {out.device} for input on {seen.device}; keep the device.")

    def _misfit(self, seen: Array) -> InputError | None:
        """What torch leaves unnamed when a module and its input differ in device or dtype."""
        parameters = getattr(self.function, "parameters", None)
        for own in parameters() if callable(parameters) else ():
            if own.device != seen.device:
                return InputError(
                    f"network {self.name} has parameters on {own.device} but the samples are on {seen.device}; "
                    "move one of them."
                )
            if own.dtype != seen.dtype:
                return InputError(
                    f"network {self.name} has parameters of {own.dtype} but is given {seen.dtype}; "
                    f"wrap it as Network(..., dtype={own.dtype})."
                )
        return None


def network_of(network: Any) -> Any:
    """What a run calls: a `Network`, or the exact one of a law, from an object or from the name of a law.

    network   a `Network`, or what else has a callable `on(process)`; a law, or its specification, "mixture(dim=2)"
    raises    InputError for what is neither, and as `law_of` does
    """
    if callable(getattr(network, "on", None)):
        return network
    if isinstance(network, str) or callable(getattr(network, "denoise", None)):
        return Network.of(law_of(network))
    if network is None:
        raise InputError("a run needs a network; give a numtoolkit.Network, or a law for its exact one.")
    raise InputError(
        f"network is {typed(network)}; wrap it as numtoolkit.Network(function, predicts=...), or give a law."
    )


def _cast(array: Array, dtype: Any) -> Array:
    if array.dtype == dtype:
        return array
    return array.astype(dtype) if hasattr(array, "astype") else array.to(dtype)
