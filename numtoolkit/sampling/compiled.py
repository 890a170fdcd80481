"""The compiled update of the loop: a row of three terms or more in one pass over memory, where torch can compile it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from numtoolkit.errors import warn
from numtoolkit.sampling.fused import fused

# On a processor rows of fewer terms or numbers take longer compiled than fused; `make bench` shows it.
TERMS, NUMBERS = 3, 2**21


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


def path_of(numbers: int, device: Any) -> str:
    """What update "compiled" is for a run, so that it is one thing throughout: "compiled", or "fused" and why.

    numbers  of a block of a tile; device, of torch
    cost     the first time on a device, the compilation of one row, some ten seconds
    """
    if numbers < NUMBERS:
        return f"fused: compiled from {NUMBERS} numbers a tile on"
    if (failure := _failure(device.type)) is not None:
        warn(
            f"torch compiles nothing for {device.type} here ({failure}), so the run takes the fused update; install a "
            "C++ compiler, or give update='fused'."
        )
        return "fused: nothing compiles here"
    return "compiled"


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
