"""Stand-ins for diffusers and k-diffusion: steps of Euler that are called and told as theirs are."""

from __future__ import annotations

import itertools
import math
import sys
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

VERSIONS = {"diffusers": "0.1", "k-diffusion": "0.2"}


def sample_euler(model: Any, x: Any, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None,
                 s_churn: float = 0.0) -> Any:  # fmt: skip
    """One evaluation a step."""
    for s, following in itertools.pairwise(sigmas):
        x = x + (x - model(x, s * x.new_ones(len(x)))) / s * (following - s)
    return x


def sample_euler_ancestral(model: Any, x: Any, sigmas: Any, disable: Any = None, noise_sampler: Any = None) -> Any:
    """Euler's step to a lower level, and noise to the level itself: torch's, unless it is given some."""
    for s, following in itertools.pairwise(sigmas):
        up = following * (1 - following**2 / s**2).sqrt()
        down = (following**2 - up**2).sqrt()
        x = sample_euler(model, x, [s, down])
        x = x + up * (torch.randn_like(x) if noise_sampler is None else noise_sampler(s, following))
    return x


def sample_heun(model: Any, x: Any, sigmas: Any, disable: Any = None) -> Any:
    """Two, but for a step to 0."""
    ones = x.new_ones(len(x))
    for s, following in itertools.pairwise(sigmas):
        d = (x - model(x, s * ones)) / s
        y = x + d * (following - s)
        x = y if following == 0 else x + (d + (y - model(y, following * ones)) / following) / 2 * (following - s)
    return x


def sample_dpm_fast(model: Any, x: Any, sigma_min: float, sigma_max: float, n: int, disable: Any = None) -> Any:
    """Which lays its own levels."""
    return sample_euler(model, x, torch.tensor(np.geomspace(sigma_max, sigma_min, n + 1), dtype=x.dtype))


def get_sigmas_karras(n: int, sigma_min: float, sigma_max: float) -> Any:
    """Levels evenly spaced in the seventh root, then 0."""
    levels = np.linspace(sigma_max ** (1 / 7), sigma_min ** (1 / 7), n) ** 7
    return torch.tensor([*levels, 0.0], dtype=torch.float32)


@dataclass
class Scheduler:
    """Euler's step along sigma / alpha, of a state x or x / alpha, from noise, velocity or raw output."""

    init_noise_sigma: float = 1.0
    sigmas: Any = ()
    timesteps: Any = None
    config: Any = field(default_factory=lambda: SimpleNamespace(sigma_data=0.5))
    i: int = 0

    def scale_model_input(self, x: Any, t: Any) -> Any:
        """As the network wants it."""
        return x

    def ended(self, y: Any, noise: Any) -> Any:
        """The state y = x / alpha after a step."""
        self.i += 1
        return y + noise * (self.sigmas[self.i] - self.sigmas[self.i - 1])


class DDIMScheduler(Scheduler):
    """Of a table: the state is x."""

    def __init__(self, trained_betas: Any = None, num_train_timesteps: int = 1000) -> None:
        super().__init__()
        a = np.cumprod(1 - np.array(trained_betas))
        self.table = np.sqrt((1 - a) / a)

    def set_timesteps(self, n: int) -> None:
        """Whole ones, the first that of all noise; to 0."""
        told = np.linspace(len(self.table) - 1, 0, n).round()
        self.timesteps = torch.tensor(told)
        self.sigmas = torch.tensor([*np.interp(told, np.arange(len(self.table)), self.table), 0.0])

    def step(self, answer: Any, t: Any, x: Any, eta: float = 0.0) -> Any:
        """Of the noise; with `eta` it draws some, which is of no method."""
        alpha, following = (1 / math.hypot(1, s) for s in self.sigmas[self.i : self.i + 2])
        return SimpleNamespace(prev_sample=following * self.ended(x / alpha, answer) + eta * torch.randn_like(x))


class EDMEulerScheduler(Scheduler):
    """Of a preconditioned network: the state is x / alpha."""

    def __init__(self) -> None:
        super().__init__(init_noise_sigma=math.hypot(80, 1))

    def set_timesteps(self, n: int) -> None:
        """Of Karras' levels."""
        self.sigmas = get_sigmas_karras(n, 0.002, 80.0)
        self.timesteps = self.sigmas[:-1].log() / 4

    def scale_model_input(self, x: Any, t: Any) -> Any:
        """Of deviation 1."""
        return x / math.hypot(float(self.sigmas[self.i]), 0.5)

    def step(self, answer: Any, t: Any, x: Any) -> Any:
        """Of the raw output."""
        s = float(self.sigmas[self.i])
        data = 0.25 / (s**2 + 0.25) * x + s * 0.5 / math.hypot(s, 0.5) * answer
        return SimpleNamespace(prev_sample=self.ended(x, (x - data) / s))


class IPNDMScheduler(Scheduler):
    """Of angles: the state is x."""

    def __init__(self) -> None:
        super().__init__()

    def set_timesteps(self, n: int) -> None:
        """Equal angles, from alpha = 0."""
        self.timesteps = torch.linspace(1, 0, n + 1)[:-1]

    def step(self, answer: Any, t: Any, x: Any) -> Any:
        """DDIM: a rotation by the velocity."""
        angle = math.pi / 2 / len(self.timesteps)
        return SimpleNamespace(prev_sample=math.cos(angle) * x - math.sin(angle) * answer)


class FlowMatchEulerDiscreteScheduler:
    """Of straight paths: the state is x, which nothing scales."""

    def set_timesteps(self, n: int) -> None:
        """Equal times, from pure noise."""
        self.sigmas, self.i = torch.linspace(1, 0, n + 1), 0
        self.timesteps = 1000 * self.sigmas[:-1]

    def step(self, answer: Any, t: Any, x: Any) -> Any:
        """Along the velocity."""
        self.i += 1
        return SimpleNamespace(prev_sample=x + answer * (self.sigmas[self.i] - self.sigmas[self.i - 1]))


class PNDMScheduler(DDIMScheduler):
    """That raises."""

    def set_timesteps(self, n: int) -> None:
        """Whatever is asked."""
        raise ValueError("too few steps")


def installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str] = VERSIONS) -> None:
    """Let the stand-ins be found where the libraries would be, in some versions."""
    sampling = ModuleType("k_diffusion.sampling")
    for function in (sample_euler, sample_euler_ancestral, sample_heun, sample_dpm_fast, get_sigmas_karras):
        setattr(sampling, function.__name__, function)
    library = ModuleType("diffusers")
    schedulers = (DDIMScheduler, EDMEulerScheduler, FlowMatchEulerDiscreteScheduler, IPNDMScheduler, PNDMScheduler)
    for scheduler in schedulers:
        setattr(library, scheduler.__name__, scheduler)
    own = {"k_diffusion": ModuleType("k_diffusion"), "k_diffusion.sampling": sampling, "diffusers": library}
    for name, module in own.items():
        monkeypatch.setitem(sys.modules, name, module)
    absent(monkeypatch, versions)


def absent(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str] | None = None) -> None:
    """Let pip know of none of them but those of `versions`."""
    known, version = versions or {}, metadata.version

    def told(package: str) -> str:
        if package not in VERSIONS:
            return version(package)
        if package not in known:
            raise metadata.PackageNotFoundError(package)
        return known[package]

    monkeypatch.setattr(metadata, "version", told)
