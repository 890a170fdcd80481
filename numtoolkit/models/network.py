"""Networks as schemes use them: what they predict, how they are told the time, and how often they were called."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from operator import mul
from typing import Any

from numtoolkit.arrays import Array, cast, copied, dtype_of, is_floating, join, library, split
from numtoolkit.errors import InputError, brief, choice, counted, real, text, typed, warn
from numtoolkit.laws import Law
from numtoolkit.models.calls import refusal
from numtoolkit.models.conditions import Arguments, Conditions
from numtoolkit.models.conventions import DiffusersModule, EDMDenoiser, EDMRaw, OnChannels, scheduler_says
from numtoolkit.models.guard import Guard
from numtoolkit.models.modes import in_training
from numtoolkit.models.wrappers import Wrappable
from numtoolkit.problem.predictions import DATA, Prediction, outputs, prediction
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.walk import Blocks, NetworkCall

SIGHTS = ("state", "observation")


@dataclass(eq=False)
class Network(Wrappable):
    """A network as schemes use it: function(z, t) -> what it predicts, on numpy arrays or torch tensors.

    function  z is (batch, *event), or (batch, 2, *event) on PSLD, of the run's device and of `dtype`; the result has
              z's shape, but (batch, *event) for predicts="data". It may write into z, and into what it returned before:
              then it is given copies and its outputs are copied. With conditions it is function(z, t, conditions), or
              function(z, t, **conditions) of a dict
    predicts  by its name or as an object, as in `numtoolkit.problem.predictions`: "data", "noise", "score" ...
    sees      "state", or "observation": function(y, s) with y = x_0 + s n in place of z and s in place of the time,
              the denoiser of Karras et al. (2022), which so runs on every process; it predicts data
    clock     host function of the process time (or of s) to the number the network wants, such as lambda t: 1000 * t
    time      how it is told: a floating dtype or its name, (batch,) of that; "float", a Python float; None, (batch,) of
              z's dtype, but of float32 where that has fewer digits: bfloat16 knows 256 times between 0.5 and 1
    dtype     what the network computes in, such as torch.bfloat16 or "bfloat16"; None for that of the state, which it
              never changes
    shape     event shape it takes, if it is known
    process   the one whose states it was trained on, as an object or by name: it is refused on another one, wherever
              that ends; None if it is not said, or of no matter, as of a network that sees an observation
    learned_variance  whether the function returns twice the channels, (batch, 2 C, ...), the prediction and then what
              interpolates the variance of a step of Nichol & Dhariwal (arXiv:2102.09672 eq. 15), which no scheme here
              uses: that half is dropped
    weights   what its weights were read from, ready for JSON: "file", "sha256", "part"; None if it is not known
    calls     how often `function` was called: once an evaluation of a tile of the batch
    raises    InputError for an unknown prediction, and where it is called for an output that is not as said or of
              another dtype than at the call before, for a state whose shape its module does not take, or after it has
              written where that could not be foreseen (`numtoolkit.models.guard`)
    """

    function: Callable[..., Any]
    predicts: Prediction
    sees: str = field(default="state", kw_only=True)
    clock: Callable[[float], float] | None = field(default=None, kw_only=True)
    time: Any = field(default=None, kw_only=True)
    dtype: Any = field(default=None, kw_only=True)
    shape: tuple[int, ...] | None = field(default=None, kw_only=True)
    process: Process | None = field(default=None, kw_only=True)
    learned_variance: bool = field(default=False, kw_only=True)
    name: str = field(default="", kw_only=True)
    weights: dict[str, str] | None = field(default=None, kw_only=True)
    calls: int = field(default=0, init=False)
    _guard: Guard = field(default_factory=Guard, init=False, repr=False)
    _dtypes: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)  # returned, by that it was given

    def __post_init__(self) -> None:
        _check_callable(self.function, "function(z, t)")
        if self.clock is not None and not callable(self.clock):
            raise InputError(
                f"clock = {self.clock!r} is no function; give one of the process time, such as lambda t: 1000 * t."
            )
        self.predicts = prediction(self.predicts)
        self.process = None if self.process is None else process_of(self.process)
        choice("sight of a network", self.sees, SIGHTS)
        if self.sees == "observation" and self.predicts is not DATA:
            raise InputError(f"a network that sees an observation predicts 'data', not {self.predicts.name!r}; say so.")
        self.name = text("name", self.name) or getattr(self.function, "__name__", type(self.function).__name__)

    def __repr__(self) -> str:
        return f"<Network {brief(self.name, 100)}: predicts {self.predicts}, {counted(self.calls, 'call')} so far>"

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, dtype: str = "float32", device: str = "cpu") -> Network:
        """The network of a checkpoint that `numtoolkit train` wrote, in evaluation mode.

        path     of a .safetensors file. Nothing in it is run; what it says is checked, and its digest compared
        dtype    of the weights and of what it computes in: "float32", "float64" or "bfloat16"
        device   of the weights, that of the run they are for
        raises   StorageError, one sentence, for a file that is absent, truncated, damaged, changed since, or of other
                 people's networks (see `numtoolkit.models.checkpoints`); InputError where torch is not installed
        """
        from numtoolkit.models.checkpoints import load

        return load(path, dtype, device)

    @classmethod
    def shipped(cls, name: str, *, dtype: str = "float32", device: str = "cpu") -> Network:
        """A trained network that comes with the package, "digits-image"; by name it is "network:digits-image".

        name, dtype, device   dtype and device as of `load`
        raises   InputError for an unknown name, and as `load`
        """
        from numtoolkit.models.checkpoints import load, shipped_path

        return load(shipped_path(name), dtype, device)

    @classmethod
    def of(cls, law: Law) -> Network:
        """The exact network of a law of `numtoolkit.laws`, on every process."""
        if not callable(getattr(law, "denoise", None)):
            raise InputError(f"{typed(law)} is no law; give one of numtoolkit.laws, which has a denoiser.")
        return cls(law.denoise, DATA, sees="observation", time="float", shape=law.shape, name=law.name)

    @classmethod
    def edm(cls, net: Any, labels: Any = None, *, sigma_data: float | None = None, **keywords: Any) -> Network:
        """A network in the convention of Karras et al. (2022): net(x, sigma, class_labels) returns the denoised data.

        net      preconditioned, such as EDMPrecond of their code; it runs on every process
        labels   None; one class for all samples, by its number or as a row (1, classes). A third argument that a run
                 gives to the network goes before them
        sigma_data  that of a raw network, net(c_in x, c_noise, class_labels) -> F, as there is one inside EDMPrecond;
                 None for a preconditioned one
        keywords as of `Network`
        """
        _check_callable(net, "net(x, sigma, class_labels)")
        size = getattr(net, "img_channels", None), getattr(net, "img_resolution", None)
        known = {} if None in size else {"shape": (size[0], size[1], size[1])}
        given = {"name": type(net).__name__} | known | keywords
        if sigma_data is None:
            return cls(EDMDenoiser(net, labels), DATA, sees="observation", **given)
        if real("sigma_data", sigma_data) <= 0:
            raise InputError(f"sigma_data = {sigma_data} is the deviation of a point; give a number > 0.")
        return cls(EDMRaw(net, labels, sigma_data), DATA, sees="observation", **given | {"time": "float"})

    @classmethod
    def channels(cls, net: Any, predicts: str | Prediction = "noise", **keywords: Any) -> Network:
        """A network of a phase space that takes position and momentum behind one another on the channel axis.

        net      net(u, t), u = (batch, 2 C, *rest), as of PSLD and CLD; it returns 2 C channels, or C, the block of the
                 momentum, which is all that the noise of CLD drives: schemes that freeze the data prediction, which
                 takes both blocks, are not for it
        predicts by its name or as an object; their official networks predict the noise
        keywords as of `Network`
        """
        _check_callable(net, "net(u, t)")
        own = prediction(predicts)
        return cls(OnChannels(net, own is DATA), own, **{"name": type(net).__name__} | keywords)

    @classmethod
    def diffusers(cls, module: Any, scheduler: Any = None, **keywords: Any) -> Network:
        """A model of diffusers, called as module(z, timestep=t), whose result has a `.sample`.

        module    what else it needs, such as encoder_hidden_states, may be bound by functools.partial
        scheduler one of diffusers or its config: it says the prediction, and how the time is told. On a process from a
                  table, point i of which is time i + 1, that is t - 1; of a flow it is num_train_timesteps t, with t
                  from 0 to 1. Without it give predicts=, and clock= where the time is not told as of a table
        keywords  as of `Network`, before what the scheduler says; a pipeline that divides its timesteps, as that of
                  FLUX does, has clock=lambda t: t
        raises    InputError where nothing says what it predicts, or for a scheduler that scales its network
        """
        _check_callable(module, "module(z, timestep=t)")
        said, steps = scheduler_says(scheduler)
        predicts = keywords.pop("predicts", said)
        if predicts is None:
            raise InputError("nothing says what the module predicts; give its scheduler, or predicts=.")
        own = getattr(module, "func", module)  # of a partial
        given = {"name": type(own).__name__, "dtype": getattr(own, "dtype", None)}
        clock = _before if steps is None else partial(mul, steps)
        return cls(DiffusersModule(module), predicts, **given | {"clock": clock} | keywords)

    def on(self, process: Process, conditions: Any = None) -> NetworkCall:
        """The network as the loop calls it on a process: (state blocks, process time) -> output blocks.

        conditions  of the batch it will be called with, as of `numtoolkit.sample`; moved to its device once
        raises      InputError when the prediction is not defined on the process, the network was trained on another
                    one, or the function takes other arguments;
                    warns, by an InputWarning, of a torch module in training mode
        """
        self._check_process(process)
        if process.directions is not None and self.sees == "observation" and not _is_of_law(self.function):
            raise InputError(
                f"network {self.name} sees an observation of one noise level, and process {process.spec} has one for "
                "each frequency; give one that sees the state, trained on it."
            )
        q = outputs(self.predicts, process)
        module = in_training(self.function)
        if module is not None:
            told = f"network {self.name}: its module {module} is in training mode, in which dropout and batch "
            warn(f"{told}statistics make every run another; call .eval() on it.")
        given = conditions if conditions is None or isinstance(conditions, Conditions) else Conditions(conditions)
        unfit = refusal(self, given)
        if unfit is not None:
            asked = "give conditions=, or wrap it" if "missing" in unfit else "wrap it as a function of (z, t)"
            remedy = asked if given is None else "leave conditions out, or wrap it"
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
            out, lent = self._guard.call(f"network {self.name}", self.function, seen, told, *beside[0], **beside[1])
        except RuntimeError as error:
            misfit = self._misfit(seen, told) or self._misshapen(seen, error)
            if misfit is None:
                raise
            raise misfit from error
        needed = tuple(z.shape) if shape is None else shape
        if self.learned_variance:
            out, lent = self._mean(out, needed), True  # a part of what was returned
        self._check(out, seen, needed)
        own = cast(out, z.dtype)
        if own is not out:
            return own
        if lent:
            return copied(out)
        self._guard.keep(out)
        return out

    def _check_process(self, process: Process) -> None:
        own = self.process
        if own is None or process == own:
            return
        # A dataclass of the same type and parameters, but for its ends, has the same kernel at every time.
        if type(own) is not type(process) or replace(own, T=process.T, t_min=process.t_min) != process:  # type: ignore[type-var]
            raise InputError(
                f"network {self.name} was trained on process {own.spec} and is asked on {process.spec}; run it on its "
                "own, or train one that predicts 'data' in image space, which runs on every process."
            )

    def _input(self, z: Array, t: float) -> tuple[Array, Any]:
        told = t if self.clock is None else self.clock(t)
        try:
            xp = library(z)
            seen = z if self.dtype is None else cast(z, dtype_of(self.dtype, xp))
            if self.time == "float":
                return seen, told
            digits = xp.float32 if xp.finfo(seen.dtype).bits < 32 else seen.dtype
            return seen, xp.full((len(seen),), told, dtype=dtype_of(self.time or digits, xp), device=seen.device)
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
        before = self._dtypes.setdefault(seen.dtype, out.dtype)
        if before != out.dtype:
            raise InputError(
                f"{who} returned {out.dtype} after {before} for input of {seen.dtype}, at its call {self.calls}; "
                "return one dtype throughout."
            )
        if out.device != seen.device:
            raise InputError(f"{who} returned values on {out.device} for input on {seen.device}; keep the device.")

    def _misfit(self, seen: Array, told: Any) -> InputError | None:
        """What torch leaves unnamed when a module and its input or its time differ in device or dtype."""
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
            if self.time is None and getattr(told, "dtype", seen.dtype) != seen.dtype:
                return InputError(
                    f"network {self.name} of {own.dtype} fails when it is told its time in {told.dtype}; let it cast "
                    f"the time where it has used its digits, or wrap it as Network(..., time={own.dtype})."
                )
        return None

    def _misshapen(self, seen: Array, error: RuntimeError) -> InputError | None:
        """What torch says of a module that does not take the channels or sides of a state; None of other errors."""
        said = " ".join(str(error).split("\n")[0].split()).rstrip(".")
        if not hasattr(self.function, "parameters") or not re.search(r"channels|shape|size|dimension", said):
            return None
        return InputError(
            f"network {self.name} does not take states of shape {tuple(seen.shape)}: {brief(said, 200)}; give the "
            "shape and process that it was trained on."
        )


def _is_of_law(function: Any) -> bool:
    """Whether it is the denoiser of a law that takes directions apart."""
    return callable(getattr(getattr(function, "__self__", None), "along", None))


def _check_callable(function: Any, call: str) -> None:
    """raises InputError unless it can be called; `call` says how"""
    if not callable(function):
        raise InputError(f"a network is called as {call}, and {typed(function)} cannot be; give a callable.")


def _before(t: float) -> float:
    """The point of a table whose time is t."""
    return t - 1
