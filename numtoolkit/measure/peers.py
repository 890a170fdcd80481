"""Samplers of diffusers and k-diffusion on a law's exact network or one of one's own: as they are used, or on levels.

Neither library is a dependency, and none of their code is here: their schedulers and functions are called as their
pipelines and scripts call them, in their dtype, and evaluations are counted as the network is called. Every run begins
at the same noise times its own first noise level, as runs of ours do; theirs begin up to 1e-4 further out.

A scheduler tells a network its time in one of three ways:

    table   the timesteps 0 .. 999 of the betas that it was made for, to be answered by the noise
    edm     c_noise = log(sigma) / 4 of a network preconditioned as by Karras et al. (2022), to be answered by its raw
            output
    angle   t with sigma = sin(pi t / 2) and alpha its cosine, to be answered by the velocity; it starts at alpha = 0

Functions of k-diffusion tell the noise level, to be answered by the data.
"""

from __future__ import annotations

import logging
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module, metadata
from inspect import signature
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError, NonFiniteError, unknown
from numtoolkit.measure.curves import OVERFLOW, Subject
from numtoolkit.measure.distances import relative_rms, relative_squares, sliced_squares
from numtoolkit.measure.exact_networks import ExactNetwork, Seeds
from numtoolkit.measure.flows import exact_flow
from numtoolkit.problem.processes import EDM, Process, ScalarProcess, Tabulated
from numtoolkit.program.program import Program
from numtoolkit.sampling.state import start_factor
from numtoolkit.spec_text import Value, parse

Denoiser = Callable[[Floats, float], Floats]  # (y, s) -> what a network takes for x_0 given y = x_0 + s n

DIFFUSERS, K_DIFFUSION = "diffusers", "k-diffusion"
TABLE, IN_EDM, ANGLE = "table", "edm", "angle"
SCHEDULERS = {  # of diffusers, and how each tells the time
    "DDIMScheduler": TABLE,
    "DEISMultistepScheduler": TABLE,
    "DPMSolverMultistepScheduler": TABLE,
    "DPMSolverSinglestepScheduler": TABLE,
    "EDMDPMSolverMultistepScheduler": IN_EDM,
    "EDMEulerScheduler": IN_EDM,
    "EulerDiscreteScheduler": TABLE,
    "HeunDiscreteScheduler": TABLE,
    "IPNDMScheduler": ANGLE,
    "KDPM2DiscreteScheduler": TABLE,
    "LMSDiscreteScheduler": TABLE,
    "PNDMScheduler": TABLE,
    "UniPCMultistepScheduler": TABLE,
}
FUNCTIONS = (  # of k_diffusion.sampling that draw no noise, or none with eta = 0
    "sample_dpm_2", "sample_dpm_fast", "sample_dpmpp_2m", "sample_dpmpp_2m_sde", "sample_dpmpp_2s_ancestral",
    "sample_dpmpp_3m_sde", "sample_euler", "sample_heun", "sample_lms",
)  # fmt: skip
LEVELS = ("exponential", "karras", "polyexponential", "table")  # of k-diffusion: get_sigmas_*; DiscreteSchedule's own
KNOWN = {name.lower(): name for name in (*SCHEDULERS, *FUNCTIONS)}
LEAST_ALPHA = 1e-6  # below which a start is noise alone, and its noise level is told as that of this alpha
NEAR = 1e-4  # relative, of the start of a run on a network to that of the flow that is kept: float32 lays levels
TRUTHS = {"true": True, "false": False}
REMEDY = "pip install 'numtoolkit[peers]' 'setuptools<81'"  # whose pkg_resources a part of k-diffusion imports


@dataclass(frozen=True)
class Peer:
    """A sampler of another library.

    name     of its class or function
    options  of the class when it is made, of the function when it is called
    levels   of LEVELS, of k-diffusion
    """

    name: str
    options: dict[str, Any] = field(hash=False)
    levels: str = "karras"

    @property
    def library(self) -> str:
        """Which it is of, as pip calls it."""
        return DIFFUSERS if self.name in SCHEDULERS else K_DIFFUSION

    @property
    def tells(self) -> str:
        """How a scheduler tells the time; "" for a function."""
        return SCHEDULERS.get(self.name, "")

    def runs_on(self, process: Process) -> bool:
        """Whether networks on a process are told what it tells: on EDM noise levels, on a table its timesteps."""
        kinds = {TABLE: (Tabulated,), IN_EDM: (EDM,)}.get(self.tells, (EDM, Tabulated))
        return isinstance(process, kinds)


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


def peer(text: str) -> Peer:
    """A peer from its name with options: "UniPCMultistepScheduler(solver_order=3)", "sample_heun(levels=exponential)".

    text     the name of a class of SCHEDULERS or of a function of FUNCTIONS, in either case, and what it is given
    raises   InputError for another name, and an option that is not named
    """
    spec = parse(text)
    if spec.name not in KNOWN:
        raise unknown("peer", spec.name, KNOWN.values())
    if spec.positional:
        raise InputError(f"{text!r} has an option without a name; write name=value.")
    options = {key: _plain(value) for key, value in spec.named}
    levels = options.pop("levels", "karras") if KNOWN[spec.name] in FUNCTIONS else "karras"
    if levels not in LEVELS:
        raise unknown("levels", str(levels), LEVELS)
    return Peer(KNOWN[spec.name], options, levels)


def _plain(value: Value) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, str):
        return TRUTHS.get(value, value)
    return int(value) if value.denominator == 1 else float(value)


def lacking(library: str, version: str) -> str:
    """What is to be installed before a library runs in a version, as a sentence; "" where it is there.

    library   diffusers or k-diffusion
    version   that is meant
    """
    try:
        found = metadata.version(library)
    except metadata.PackageNotFoundError:
        return f"this runs {library} {version}, which is not installed; {REMEDY}."
    return "" if found == version else f"this runs {library} {version}, and {found} is installed; change it."


def run_peer(
    own: Peer, denoise: Denoiser, process: Process, z: Floats, steps: int, levels: Floats | None = None
) -> Run:
    """A run as its users call it; or, with `levels`, its integrator alone.

    own       the peer
    denoise   a network, asked for its data prediction at noise levels sigma / alpha
    process   scalar, whose table of noise levels or whose ends the peer is told
    z         (n, *event), standard normal
    steps     that it is asked for
    levels    (steps + 1,) falling noise levels sigma / alpha to take in place of its own, in float64, the last one may
              be 0
    returns   ends that are not finite for a run that leaves the finite numbers
    raises    InputError for options that it does not take; what the library raises of a run
    """
    assert isinstance(process, ScalarProcess)
    with _hushed():
        return (_scheduled if own.tells else _called)(own, denoise, process, z, steps, levels)


def steps_within(own: Peer, process: Process, nfe: int, levels_of: Callable[[int], Floats] | None = None) -> int:
    """The most steps that take no more than `nfe` evaluations; 0 where none do.

    own, process   as of `run_peer`
    levels_of      the levels of so many steps, for an integrator alone
    cost           some runs of one number, whose network is nothing
    """

    def evaluations(steps: int) -> int:
        try:
            levels = None if levels_of is None else levels_of(steps)
            found = run_peer(own, lambda y, s: 0 * y, process, np.zeros((1, 1)), steps, levels)
        except InputError:
            raise
        except Exception:  # steps that a library cannot take, which a run then says of the budget
            return steps
        return found.evaluations

    if evaluations(nfe) <= nfe:  # as most do, one a step
        return nfe
    return bisect_right(range(1, nfe), nfe, key=evaluations)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without what other libraries warn of, with torch's own stream of chance left as it was."""
    import torch

    log = logging.getLogger(DIFFUSERS)
    before = log.level
    with warnings.catch_warnings(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
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


def _called(own: Peer, denoise: Denoiser, process: ScalarProcess, z: Floats, steps: int, levels: Floats | None) -> Run:
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
    if "noise_sampler" in takes:  # of no noise, whose tree would be the dearest part of a run
        options["noise_sampler"] = lambda *_: 0.0

    def model(x: Any, sigma: Any, **_: Any) -> Any:
        return network.data(x, float(sigma.reshape(-1)[0]))

    start = torch.from_numpy(first * z).to(dtype)
    ends = function(model, start, *told, disable=True, **options)
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
    own: Peer, denoise: Denoiser, process: ScalarProcess, z: Floats, steps: int, levels: Floats | None
) -> Run:
    import torch

    kind = getattr(_module("diffusers"), own.name)
    takes = signature(kind.__init__).parameters
    for option in own.options:
        if option not in takes:
            raise InputError(f"{own.name} takes no {option}; it takes {', '.join(list(takes)[1:])}.")
    scheduler = kind(**_betas(process) if own.tells == TABLE else {}, **own.options)
    scheduler.set_timesteps(steps)
    tells = _TELLS[own.tells](scheduler, process)
    if levels is not None:
        _laid(own, scheduler, levels, tells)
    network = _Network(denoise)
    first = _first_level(scheduler, tells)
    scaled = float(scheduler.init_noise_sigma) > 1  # whose state is x / alpha
    dtype = torch.float32 if levels is None else torch.float64
    x = torch.from_numpy(z * (first if scaled else first / np.hypot(1.0, first))).to(dtype)
    for t in scheduler.timesteps:
        answer = tells.answer(network, scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(answer, t, x).prev_sample
    return Run(first, x.numpy().astype(np.float64), scaled, network.calls)


def _betas(process: ScalarProcess) -> dict[str, Any]:
    """Those that the model was trained with, whatever a scheduler has by default: as `from_config` takes them."""
    a = 1 / (1 + process.noise_level(np.arange(1.0, process.T + 1)) ** 2)
    return {"trained_betas": (1 - a / np.append(1.0, a[:-1])).tolist(), "num_train_timesteps": len(a)}


def _first_level(scheduler: Any, tells: _Tells) -> float:
    sigmas = getattr(scheduler, "sigmas", None)
    own = tells.level(float(scheduler.timesteps[0]))
    return own if sigmas is None or isinstance(tells, _Angle) else float(sigmas[0])


def _laid(own: Peer, scheduler: Any, levels: Floats, tells: _Tells) -> None:
    """Put levels in place of a scheduler's own, and the times of all but the last, not rounded."""
    import torch

    if len(getattr(scheduler, "sigmas", ())) != len(levels) or len(scheduler.timesteps) != len(levels) - 1:
        raise InputError(f"{own.name} has no noise level for each step; leave it out of integrators on given ones.")
    scheduler.sigmas = torch.from_numpy(levels.copy())
    scheduler.timesteps = torch.tensor([tells.time(s) for s in levels[:-1]], dtype=torch.float64)


@dataclass(frozen=True)
class _Tells:
    """How a scheduler tells the time to a network, and what it wants as an answer."""

    scheduler: Any
    process: ScalarProcess

    def level(self, t: float) -> float:
        """Noise level sigma / alpha at a time that is told."""
        raise NotImplementedError

    def time(self, s: float) -> float:
        """The time that is told at a noise level."""
        raise NotImplementedError

    def answer(self, network: _Network, x: Any, t: float) -> Any:
        """What the network answers to a scaled state at a time."""
        raise NotImplementedError


class _Table(_Tells):
    def level(self, t: float) -> float:
        return float(self.process.noise_level(np.clip([t + 1.0], self.process.t_min, self.process.T))[0])

    def time(self, s: float) -> float:
        return float(self.process.time_of_noise_level(np.array([s]))[0]) - 1

    def answer(self, network: _Network, x: Any, t: float) -> Any:
        s = self.level(t)
        y = x * float(np.hypot(1.0, s))
        return (y - network.data(y, s)) / s


class _Preconditioned(_Tells):
    def level(self, t: float) -> float:
        return float(np.exp(4 * t))

    def time(self, s: float) -> float:
        return float(np.log(s) / 4)

    def answer(self, network: _Network, x: Any, t: float) -> Any:
        s, data = self.level(t), float(self.scheduler.config.sigma_data)
        root = float(np.hypot(s, data))
        y = x * root
        return (network.data(y, s) - (data / root) ** 2 * y) * root / (s * data)


class _Angle(_Tells):
    def _alpha(self, t: float) -> float:
        return max(float(np.cos(np.pi * t / 2)), LEAST_ALPHA)

    def level(self, t: float) -> float:
        return float(np.sqrt(1 - self._alpha(t) ** 2)) / self._alpha(t)

    def time(self, s: float) -> float:
        return float(np.arctan(s) * 2 / np.pi)

    def answer(self, network: _Network, x: Any, t: float) -> Any:
        alpha, s = self._alpha(t), self.level(t)
        y = x / alpha
        data = network.data(y, s)
        return alpha * (y - data) / s - alpha * s * data


_TELLS: dict[str, type[_Tells]] = {TABLE: _Table, IN_EDM: _Preconditioned, ANGLE: _Angle}


# --- what they are measured against


@dataclass(frozen=True)
class Beside:
    """A run against where the flow of the network takes its starts: along paths, and in law.

    squares      of the errors along paths, (n,), as `numtoolkit.measure.distances.relative_squares` has them
    error        RMS of them; low and high are its 95 % interval over starts
    median       error of the median sample
    law          sliced Wasserstein distance to as many exact samples, with its interval law_low, law_high
    floor        that of two exact sets
    evaluations  that the run took
    """

    squares: Floats = field(repr=False)
    error: float
    low: float
    high: float
    median: float
    law: float
    law_low: float
    law_high: float
    floor: float
    evaluations: int


def measured(subject: Subject, ends: Floats, exact: Floats, t_end: float, seeds: Seeds, evaluations: int) -> Beside:
    """The errors of a run.

    subject      a network on a scalar process
    ends, exact  (n, *event) of the run, and of the flow from the same starts
    t_end        process time of both, 0 for data
    seeds        of the starts
    evaluations  that it took
    raises       NonFiniteError for ends that are not finite
    """
    if not np.isfinite(ends).all():
        raise NonFiniteError(OVERFLOW)
    error, target = relative_rms(ends, exact), subject.target(subject.process.T, t_end, seeds)
    law = sliced_squares(ends, target.samples, labels=target.labels).root
    return Beside(relative_squares(ends, exact)[0], error.rms, error.low, error.high, error.median, law.value, law.low,
                  law.high, target.floor, evaluations)  # fmt: skip


def own_run(subject: Subject, program: Program, seeds: Seeds, to_data: bool) -> Beside:
    """The errors of a run of ours.

    subject   a network on a scalar process, and a program on that
    seeds     one a sample
    to_data   whether it is held to the data, wherever it ends; else to the flow at its own end
    raises    NonFiniteError for a run that leaves the finite numbers
    """
    t0, t1 = program.steps[0].start, 0.0 if to_data else program.steps[-1].end
    with np.errstate(all="ignore"):
        ends = subject.run(program, seeds)
    return measured(subject, ends, subject.ends(t0, t1, seeds).data, t1, seeds, program.nfe)


def peer_run(
    own: Peer, subject: Subject, nfe: int, seeds: Seeds, times_of: Callable[[int], Floats] | None = None
) -> Beside:
    """The errors of a run of a peer that takes no more than `nfe` evaluations.

    own        the peer
    subject    a network on a scalar process
    seeds      one a sample
    times_of   None for a run as its users call it, held to the data; or the times of so many steps of a grid, for its
               integrator alone, held to the flow at the end of these
    raises     InputError for a budget that allows no step; NonFiniteError for a run that leaves the finite numbers;
               what the library raises of a run
    """
    process = subject.process
    assert isinstance(process, ScalarProcess)

    def levels_of(steps: int) -> Floats:
        assert times_of is not None
        return process.noise_level(times_of(steps))

    laid = None if times_of is None else levels_of
    steps = steps_within(own, process, nfe, laid)
    if not steps:
        raise InputError(f"{own.name} takes more than {nfe} evaluations for one step; give it more.")
    z = _noise(subject, seeds)
    found = run_peer(own, _denoiser(subject), process, z, steps, None if laid is None else laid(steps))
    t_end = 0.0 if times_of is None else float(times_of(steps)[-1])
    alpha = float(process.alpha(np.array([t_end]))[0]) if found.scaled else 1.0
    exact = _exact(subject, found.level, t_end, seeds)
    return measured(subject, alpha * found.ends, exact, t_end, seeds, found.evaluations)


def _noise(subject: Subject, seeds: Seeds) -> Floats:
    """What runs of ours start from at T, standard normal."""
    T = subject.process.T
    start: Floats = subject.start(T, seeds)[0]
    return start / float(start_factor(subject.process, T)[0, 0])


def _denoiser(subject: Subject) -> Denoiser:
    if isinstance(subject, ExactNetwork):
        return subject.law.denoise
    process = subject.process
    assert isinstance(process, ScalarProcess)

    def denoise(y: Floats, s: float) -> Floats:
        t = np.clip(process.time_of_noise_level(np.array([s])), process.t_min, process.T)
        return subject.data([process.alpha(t) * y], float(t[0]))

    return denoise


@lru_cache(maxsize=16)
def _exact(subject: Subject, level: float, t_end: float, seeds: Seeds) -> Floats:
    """Where the flow takes starts at a noise level by process time t_end."""
    process = subject.process
    assert isinstance(process, ScalarProcess)
    alpha, s_end = (float(own(np.array([t_end]))[0]) for own in (process.alpha, process.noise_level))
    if isinstance(subject, ExactNetwork):
        y = exact_flow(EDM(), subject.law, [level * _noise(subject, seeds)], level, s_end)[0]
        return alpha * y
    first = float(process.noise_level(np.array([process.T]))[0])
    if abs(level - first) > NEAR * first:
        raise InputError(
            f"a run starts at noise level {level:.4g}, and the flow of the network at {first:.4g}; leave it out."
        )
    return subject.ends(process.T, t_end, seeds).data
