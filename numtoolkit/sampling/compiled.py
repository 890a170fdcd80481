"""What of a run torch may compile: rows of three terms or more, each in one pass over memory, and the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from numtoolkit.errors import warn
from numtoolkit.sampling.fused import fused

# On a processor rows of fewer terms or numbers take longer compiled than fused; `make bench` shows it.
TERMS, NUMBERS = 3, 2**21
DRAWN = 2**15  # numbers a draw from which compiled noise is several times faster


def compiled(terms: Sequence[tuple[float, Any]]) -> Any:
    """c_1 a_1 + c_2 a_2 + ... of torch tensors: each read once, the result written once.

    Within the bound of `fused`, which it is for a row of two terms, and for arrays that do not lie in one piece. What
    is left beside whole vectors may round differently, so that the bits of a sample may depend on its batch.
    """
    arrays = [array for _, array in terms]
    if len(terms) < TERMS or not all(hasattr(array, "is_contiguous") and array.is_contiguous() for array in arrays):
        return fused(terms)
    flat = _kernel()([c for c, _ in terms], [array.view(-1) for array in arrays])
    return flat.view(arrays[0].shape)


@dataclass(frozen=True)
class Compilation:
    """What of a run is compiled, its rows and its noise, and how it is written down; one thing throughout a run."""

    rows: bool
    noise: bool
    said: str


def compilation_of(numbers: int, draws: bool, device: Any) -> Compilation:
    """What update "compiled" is for a run.

    numbers  of a block of a tile; draws, whether the run draws noise; device, of torch
    returns  nothing is compiled, and the rows are fused, where little is gained or torch compiles nothing
    cost     the first time, the compilation of a row and of the noise, some ten seconds each
    """
    rows, noise = numbers >= NUMBERS, draws and numbers >= DRAWN
    if not (rows or noise):
        return Compilation(
            False, False, f"fused: compiled are rows from {NUMBERS} numbers a tile on, noise from {DRAWN}"
        )
    if (failure := _failure(device.type)) is not None:
        warn(
            f"torch compiles nothing for {device.type} here ({failure}), so the run takes the fused update; install a "
            "C++ compiler, or give update='fused'."
        )
        return Compilation(False, False, "fused: nothing compiles here")
    return Compilation(rows, noise, "compiled" if rows else "fused, noise compiled")


@cache
def _kernel() -> Any:
    import torch

    return torch.compile(_combined, dynamic=True)


def _combined(coefficients: list[float], arrays: list[Any]) -> Any:
    total = coefficients[0] * arrays[0]
    for c, array in zip(coefficients[1:], arrays[1:], strict=True):
        total = total + c * array
    return total


@cache
def _failure(device: str) -> str | None:
    """The name of the error that compiling for a kind of device raises, None where it works."""
    import torch

    try:
        _kernel()([0.5, 0.25, 0.125], list(torch.ones(TERMS, 64, device=device)))
    except Exception as error:  # of the compiler, its driver or the linker: whatever it is, nothing compiles
        return type(error).__name__
    return None
