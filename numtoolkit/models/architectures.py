"""Small networks of our own, and what makes one a prediction: modules of torch, loaded only where one is used.

An architecture is a module raw(x, level, labels) -> out: x (batch, k, *shape) the scaled blocks of the state, level
(batch,), labels (batch,) whole numbers or None, out (batch, q, *shape).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from numtoolkit.errors import InputError
from numtoolkit.models.blueprint import Blueprint, scales
from numtoolkit.problem.predictions import outputs

WAVES = 16  # frequencies that the noise level is told by
GROUPS = 8  # of channels of a picture, each normalised for itself


class _Told(nn.Module):
    """The noise level, and the label where there are classes, as (batch, width) numbers; `classes` stands for none."""

    def __init__(self, own: Blueprint, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(2 * WAVES, width), nn.Linear(width, width)
        # From zeros: no class is told from another before training, and to draw on the device "meta" loads a compiler.
        table = torch.zeros(own.classes + 1, width)
        self.label = nn.Embedding(len(table), width, _weight=table) if own.classes else None

    def forward(self, level: Tensor, labels: Tensor | None) -> Tensor:
        waves = 2 ** torch.linspace(-1, 4, WAVES, dtype=level.dtype, device=level.device)
        angle = level[:, None] * waves
        out = silu(self.inner(torch.cat([angle.cos(), angle.sin()], 1)))
        if self.label is not None:
            none = torch.full((len(level),), self.label.num_embeddings - 1, device=level.device)
            out = out + self.label(none if labels is None else labels)
        return silu(self.outer(out))


class _Block(nn.Module):
    """x + a function of x and of what is told, which is 0 before training; `layer` makes its two linear maps."""

    def __init__(self, width: int, told: int, dropout: float, layer: Any) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1 if layer is nn.Linear else GROUPS, width)  # all channels of an MLP at once
        self.first, self.last = layer(width, width), layer(width, width)
        self.told, self.dropout = nn.Linear(told, 2 * width), nn.Dropout(dropout)
        _zero(self.last)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.told(told).reshape(len(x), -1, *[1] * (x.ndim - 2)).chunk(2, 1)
        inside = self.first(self.norm(x) * (1 + scale) + shift)
        out: Tensor = x + self.last(self.dropout(silu(inside)))
        return out


class _Ends(nn.Module):
    """A last layer for each of q outputs, 0 before training; of several each has a block of its own before it.

    In a phase space what the outputs are to learn may be one function: in one layer they would stay one for ever.
    """

    def __init__(self, width: int, told: int, dropout: float, layer: Any, out: int, q: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer(width, out) for _ in range(q))
        self.blocks = nn.ModuleList(_Block(width, told, dropout, layer) for _ in range(q if q > 1 else 0))
        for last in self.layers:
            _zero(last)

    def forward(self, inside: Tensor, told: Tensor) -> Tensor:
        parts = [block(inside, told) for block in self.blocks] or [inside]
        return torch.stack([layer(part) for layer, part in zip(self.layers, parts, strict=True)], 1)


class MLP(nn.Module):
    """`depth` residual blocks of `width` channels over all the numbers of a sample at once."""

    def __init__(self, own: Blueprint, k: int, q: int) -> None:
        super().__init__()
        size, self.out = math.prod(own.shape), (q, *own.shape)
        self.told, told = _Told(own, own.width // 4), own.width // 4
        self.first = nn.Linear(k * size, own.width)
        self.last = _Ends(own.width, told, own.dropout, nn.Linear, size, q)
        self.blocks = nn.ModuleList(_Block(own.width, told, own.dropout, nn.Linear) for _ in range(own.depth))

    def forward(self, x: Tensor, level: Tensor, labels: Tensor | None) -> Tensor:
        """out of the scaled blocks x at the noise `level`, told `labels` or none of any."""
        told, inside = self.told(level, labels), self.first(x.flatten(1))
        for block in self.blocks:
            inside = block(inside, told)
        out: Tensor = self.last(inside, told)
        return out.reshape(len(x), *self.out)


class UNet(nn.Module):
    """A residual block down and one up at each of `depth` resolutions, with (1, 2, 3, ...) times `width` channels."""

    def __init__(self, own: Blueprint, k: int, q: int) -> None:
        super().__init__()
        self.out, channels = (q, *own.shape), own.shape[0] if len(own.shape) == 3 else 1
        self.told, told = _Told(own, 2 * own.width), 2 * own.width
        widths = [own.width * (i + 1) for i in range(own.depth)]
        self.first = _conv(k * channels, own.width)
        self.last = _Ends(own.width, told, own.dropout, _conv, channels, q)

        self.down, self.up = (
            nn.ModuleList(_Block(width, told, own.dropout, _conv) for width in widths) for _ in range(2)
        )
        self.middle = _Block(widths[-1], told, own.dropout, _conv)
        self.joined = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths)
        pairs = list(pairwise(widths))
        self.fall = nn.ModuleList(nn.Conv2d(wide, wider, 3, 2, 1) for wide, wider in pairs)
        self.rise = nn.ModuleList(_conv(wider, wide) for wide, wider in pairs)

    def forward(self, x: Tensor, level: Tensor, labels: Tensor | None) -> Tensor:
        """out of the scaled blocks x at the noise `level`, told `labels` or none of any."""
        told, kept = self.told(level, labels), []
        inside = self.first(x.reshape(len(x), -1, *x.shape[-2:]))
        for i, block in enumerate(self.down):
            inside = block(self.fall[i - 1](inside) if i else inside, told)
            kept.append(inside)
        inside = self.middle(inside, told)
        for i in reversed(range(len(kept))):
            inside = self.up[i](self.joined[i](torch.cat([inside, kept[i]], 1)), told)
            if i:
                inside = self.rise[i - 1](interpolate(inside, scale_factor=2))
        out: Tensor = self.last(inside, told)
        return out.reshape(len(x), *self.out)


def _conv(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1)


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def raw_module(own: Blueprint) -> nn.Module:
    """The untrained module of a blueprint, of the default dtype, on torch's default device."""
    made = MLP if own.architecture == "mlp" else UNet
    return made(own, own.on.blocks, outputs(own.predicts, own.on))


class Trained(nn.Module):
    """A raw module as a function (z, t) of a state and a process time, or of an observation and its noise level.

    z is (batch, *shape), or (batch, 2, *shape) in a phase space, a tensor of the dtype and device of the parameters, or
    a numpy array where these lie on the CPU; t is a float. The scales are computed on the host in float64.
    """

    def __init__(self, own: Blueprint, raw: nn.Module) -> None:
        super().__init__()
        self.own, self.raw = own, raw

    def forward(self, z: Any, t: float) -> Any:
        """The prediction at z, (batch, ...), and t."""
        return self._predicted(z, t, None)

    def _predicted(self, z: Any, t: float, labels: Any) -> Any:
        if isinstance(z, np.ndarray):
            with torch.no_grad():
                told = None if labels is None else torch.from_numpy(np.ascontiguousarray(labels))
                return self._predicted(torch.from_numpy(np.ascontiguousarray(z)), t, told).numpy()
        k = self.own.on.blocks
        blocks = self._checked(z if k > 1 else z[:, None])
        inner, level, skip, outer = (part[0].tolist() for part in scales(self.own, np.array([t])))
        x = torch.stack([blocks[:, j] * inner[j] for j in range(k)], 1)
        out = self.raw(x, torch.full((len(z),), level, dtype=z.dtype, device=z.device), labels)
        parts = [out[:, i] * outer[i] + sum(blocks[:, j] * skip[i][j] for j in range(k)) for i in range(out.shape[1])]
        return parts[0] if len(parts) == 1 else torch.stack(parts, 1)

    def _checked(self, blocks: Tensor) -> Tensor:
        needed = (self.own.on.blocks, *self.own.shape)
        if tuple(blocks.shape[1:]) != needed:
            has, wants = (list(shape) for shape in (blocks.shape[1:], needed))
            raise InputError(
                f"a network of blocks and samples {wants} is given {has}; give states of the process and shape "
                "that it was trained on."
            )
        return blocks


class Conditional(Trained):
    """One that is told a class of each sample, a whole number, or None of any."""

    def forward(self, z: Any, t: float, labels: Any = None) -> Any:
        """The prediction at z, (batch, ...), and t, with labels (batch,) or None."""
        return self._predicted(z, t, None if labels is None else self._read(labels))

    def _read(self, labels: Any) -> Any:
        """The labels, whole numbers; out of range they are refused where that needs no wait for a device."""
        whole = labels.dtype.kind in "iu" if isinstance(labels, np.ndarray) else not labels.dtype.is_floating_point
        if not whole or labels.ndim != 1:
            raise InputError(
                f"labels are {labels.dtype} of shape {tuple(labels.shape)}; give one whole number a sample."
            )
        if isinstance(labels, np.ndarray) or labels.device.type == "cpu":
            if len(labels) and not (0 <= int(labels.min()) and int(labels.max()) < self.own.classes):
                raise InputError(
                    f"labels go from {int(labels.min())} to {int(labels.max())}, but the network knows the classes 0 "
                    f"to {self.own.classes - 1}; give those, or None."
                )
        return labels


def trained(own: Blueprint, raw: nn.Module) -> Trained:
    """The raw module as a network calls it, told labels if the blueprint has classes."""
    return (Conditional if own.classes else Trained)(own, raw)
