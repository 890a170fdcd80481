"""Runs of schedulers of diffusers and functions of k-diffusion: as their users call them, or on given noise levels.

They are called as their pipelines and scripts call them, in their dtype, and evaluations are counted as the network is
called. A run begins at noise times its own first noise level, as runs of ours do, unless it is told another start;
where it begins above or below T, what it is held to begins there too.
"""

from __future__ import annotations

import logging
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.measure.peer_clocks import CLOCKS, Clock
from numtoolkit.measure.peers import DIFFUSERS, REMEDY, Peer
from numtoolkit.problem.processes import Process, ScalarProcess

Denoiser = Callable[[Floats, float], Floats]  # (y, s) -> what a network takes for x_0 given y = x_0 + s n
Start = Callable[[float], Floats]  # a noise level s -> y = x / alpha there, (n, *event)


@dataclass(frozen=True)
class Run:
    """A run of a peer.

    level        noise level sigma / alpha of its start
    ends         float64 (n, *event), as the library returns them
    scaled       whether its states are x / alpha, and not x
    evaluations  of the network
    """

    level: float
    ends: Floats = field(repr=False)
    scaled: bool
    evaluations: int


def run_peer(
    own: Peer,
    denoise: Denoiser,
    process: Process,
    start: Start,
    steps: int,
    levels: Floats | None = None,
    seed: int | None = None,
) -> Run:
    """A run as its users call it; or, with `levels`, its integrator alone.

    own       the peer
    denoise   a network, asked for its data prediction at noise levels sigma / alpha
    process   scalar, whose table of noise levels or whose ends the peer is told
    start     where it begins at a noise level
    steps     that it is asked for
    levels    (steps + 1,) falling noise levels sigma / alpha to take in place of its own, in float64, the last one may
              be 0
    seed      of the noise that it draws by itself, as its library draws it; None: a function of k-diffusion gets none
    returns   ends that are not finite for a run that leaves the finite numbers
    raises    InputError for options that it does not take; what the library raises of a run
    """
    assert isinstance(process, ScalarProcess)
    with _hushed(seed):
        if own.tells:
            return _scheduled(own, denoise, process, start, steps, levels)
        return _called(own, denoise, process, start, steps, levels, seed is not None)


def steps_within(own: Peer, process: Process, nfe: int, levels_of: Callable[[int], Floats] | None = None) -> int:
    """The most steps that take no more than `nfe` evaluations; 0 where none do.

    own, process   as of `run_peer`
    levels_of      the levels of so many steps, for an integrator alone
    cost           some runs of one number, whose network is nothing
    """

    def evaluations(steps: int) -> int:
        try:
            levels = None if levels_of is None else levels_of(steps)
            found = run_peer(own, lambda y, s: 0 * y, process, lambda s: np.zeros((1, 1)), steps, levels)
        except InputError:
            raise
        except Exception:  # steps that a library cannot take, which a run then says of the budget
            return steps
        return found.evaluations

    if evaluations(nfe) <= nfe:  # as most do, one a step
        return nfe
    return bisect_right(range(1, nfe), nfe, key=evaluations)


@contextmanager
def _hushed(seed: int | None) -> Iterator[None]:
    """Without what other libraries warn of, with torch's own stream of chance left as it was, and here from a seed."""
    import torch

    log = logging.getLogger(DIFFUSERS)
    before = log.level
    with warnings.catch_warnings(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        torch.manual_seed(seed or 0)
        try:
            yield
        finally:
            log.setLevel(before)


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"{name} cannot be imported: {error}; {REMEDY}.") from None


class _Network:
    """A network as torch sees it, that counts its calls."""

    def __init__(self, denoise: Denoiser) -> None:
        self.denoise, self.calls = denoise, 0

    def data(self, y: Any, s: float) -> Any:
        """The data prediction at y = x / alpha, a tensor of any dtype."""
        import torch

        self.calls += 1
        found = self.denoise(y.detach().numpy().astype(np.float64), s)
        return torch.from_numpy(np.ascontiguousarray(found)).to(y.dtype)


# --- k-diffusion


def _called(
    own: Peer,
    denoise: Denoiser,
    process: ScalarProcess,
    start: Start,
    steps: int,
    levels: Floats | None,
    draws: bool,
) -> Run:
    import torch

    sampling = _module("k_diffusion.sampling")
    function, network = getattr(sampling, own.name), _Network(denoise)
    takes = signature(function).parameters
    for option in own.options:
        if option not in takes:
            raise InputError(f"{own.name} takes no {option}; it takes {', '.join(takes)}.")
    low, high = process.noise_level(np.array([process.t_min, process.T])).tolist()
    told: tuple[Any, ...]
    if "n" in takes:  # which lays its own levels
        if levels is not None:
            raise InputError(f"{own.name} lays its own noise levels; leave it out of integrators on given ones.")
        dtype, first, told = torch.float32, high, (low, high, steps)
    elif levels is not None:
        dtype, first, told = torch.float64, float(levels[0]), (torch.from_numpy(levels),)
    else:
        sigmas = _own_levels(own, process, steps, low, high)
        dtype, first, told = torch.float32, float(sigmas[0]), (sigmas,)
    options = dict(own.options)
    if "noise_sampler" in takes and not draws:  # whose tree would be the dearest part of a run
        options["noise_sampler"] = lambda *_: 0.0

    def model(x: Any, sigma: Any, **_: Any) -> Any:
        return network.data(x, float(sigma.reshape(-1)[0]))

    ends = function(model, torch.from_numpy(start(first)).to(dtype), *told, disable=True, **options)
    return Run(first, ends.numpy().astype(np.float64), True, network.calls)


def _own_levels(own: Peer, process: ScalarProcess, steps: int, low: float, high: float) -> Any:
    """The levels that users of k-diffusion lay, float32 (steps + 1,), the last 0."""
    import torch

    if own.levels == "table":
        table = process.noise_level(np.arange(1.0, process.T + 1))
        external = _module("k_diffusion.external")
        return external.DiscreteSchedule(torch.from_numpy(table).float(), quantize=False).get_sigmas(steps)
    lay = getattr(_module("k_diffusion.sampling"), f"get_sigmas_{own.levels}")
    return lay(steps, sigma_min=low, sigma_max=high)


# --- diffusers


def _scheduled(
    own: Peer, denoise: Denoiser, process: ScalarProcess, start: Start, steps: int, levels: Floats | None
) -> Run:
    import torch

    kind, clock_of = getattr(_module("diffusers"), own.name), CLOCKS[own.tells]
    takes, by_step = signature(kind.__init__).parameters, signature(kind.step).parameters
    for option in own.options:
        if option not in takes and option not in by_step:
            raise InputError(f"{own.name} takes no {option}; it takes {', '.join(list(takes)[1:])}.")
    of_model = {key: value for key, value in clock_of.of_model(process).items() if key in takes}
    scheduler = kind(**of_model | {key: value for key, value in own.options.items() if key in takes})
    options = {key: value for key, value in own.options.items() if key not in takes}
    scheduler.set_timesteps(steps)
    clock, network = clock_of(process, scheduler), _Network(denoise)
    if levels is not None:
        _laid(own, clock, levels)
    first = clock.first()
    scaled = float(getattr(scheduler, "init_noise_sigma", 1.0)) > 1
    scale = getattr(scheduler, "scale_model_input", lambda x, t: x)
    dtype = torch.float32 if levels is None else torch.float64
    x = torch.from_numpy(start(first) * (1.0 if scaled else clock.alpha(first))).to(dtype)
    for t in scheduler.timesteps:
        x = scheduler.step(clock.answer(network.data, scale(x, t), float(t)), t, x, **options).prev_sample
    return Run(first, x.numpy().astype(np.float64), scaled, network.calls)


def _laid(own: Peer, clock: Clock, levels: Floats) -> None:
    """Put levels in place of a scheduler's own, and the times of all but the last, not rounded."""
    import torch

    scheduler = clock.scheduler
    if len(getattr(scheduler, "sigmas", ())) != len(levels) or len(scheduler.timesteps) != len(levels) - 1:
        raise InputError(f"{own.name} has no noise level for each step; leave it out of integrators on given ones.")
    scheduler.sigmas = torch.from_numpy(clock.sigmas(levels.copy()))
    scheduler.timesteps = torch.tensor([clock.time(s) for s in levels[:-1]], dtype=torch.float64)
