"""What every oracle is given: a run as a published formula sees it, and the quadrature it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Network = Callable[[Any, float], Any]
Formula = Callable[..., Iterator[Any]]


def no_normals(step: int, slot: int) -> Any:
    """The normals of a run that draws none."""
    raise AssertionError(f"the formula draws noise {slot} in step {step}, but there are no normals")


@dataclass(frozen=True)
class Run:
    """A run: what is integrated, from where, at which times and with which noise.

    process  alpha(t), noise_level(t), kernel(t) and so on, of float64 arrays (n,)
    network  (z, t) -> D, the data prediction, float64 of the shape of z; z as `start`
    times    (N + 1,) process times, falling; the last may be 0
    start    the state at times[0]: an array (n,) on a scalar process, (2, n) in phase space
    normals  (step, slot) -> standard normals of the shape of `start`
    nfe      the budget of evaluations, None for whole steps
    table    fitted coefficients by name, (N,) each, one number a step
    unguided (z, t) -> the data prediction without guidance, for formulas that take both; `network` is then the guided
    """

    process: Any
    network: Network
    times: Floats
    start: Any
    normals: Callable[[int, int], Any] = no_normals
    nfe: int | None = None
    table: Mapping[str, Floats] = field(default_factory=dict)
    unguided: Network | None = None

    @property
    def N(self) -> int:
        """Steps of the run."""
        return len(self.times) - 1

    @property
    def to_zero(self) -> bool:
        """Whether the last step goes to t = 0."""
        return bool(self.times[-1] == 0)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def gauss(f: Callable[[Floats], Floats], a: float, b: float, longest: float = 1.0) -> float:
    """int_a^b f by 24-point Gauss-Legendre on panels no longer than `longest`."""
    panels = max(1, int(np.ceil(abs(b - a) / longest)))
    edges = np.linspace(a, b, panels + 1)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    return float(np.sum(half * _WEIGHTS * f(middle + half * _NODES)))


@cache
def phi(k: int, z: float) -> float:
    """phi_k(z) = int_0^1 e^((1 - r) z) r^(k - 1) / (k - 1)! dr, k >= 1, from its definition."""
    return gauss(lambda r: np.exp((1 - r) * z) * r ** (k - 1), 0, 1, 1 / (1 + abs(z))) / factorial(k - 1)


def lagrange(nodes: Sequence[float], j: int) -> Callable[[Floats], Floats]:
    """The polynomial that is 1 at nodes[j] and 0 at the others, as a product."""

    def basis(c: Floats) -> Floats:
        value = np.ones_like(c)
        for i, node in enumerate(nodes):
            if i != j:
                value = value * (c - node) / (nodes[j] - node)
        return value

    return basis


def order(n: int, N: int, k: int, opening: str = "raised", ending: str = "full") -> int:
    """The order of step n of N of a multistep run of order k, by how it opens and ends.

    raised: 1, 2, ... as the history grows; first: 1 until it is there; lower: falls to 1 over the last steps
    (lower_order_final of DPM-Solver and UniPC: min(k, n + 1, N - n)); ddim: 1 in the last step
    """
    own = min(n + 1, k) if opening == "raised" else k if n >= k - 1 else 1
    if ending == "lower":
        own = min(own, N - n)
    return 1 if ending == "ddim" and n == N - 1 else own


def spent(run: Run, m: int, ending: str = "full") -> list[int]:
    """The evaluations of every step of a run of a one-step scheme of m evaluations.

    A step to t = 0 is DDIM's and takes one. What whole steps leave of a budget is spent by one step of fewer
    evaluations, before the one to t = 0. Where the run ends in lower order its last whole step is split into one of
    m - 1 evaluations and one of 1 (two of 1 where m = 2), as DPM-Solver's singlestep orders are: 3, ..., 3, 2, 1.
    """
    zero = run.to_zero
    if ending == "lower" and m > 1:
        lowered = [m - 1, 1]
        if run.nfe is None:
            return [*[m] * (run.N - 2), *lowered][-run.N :]
        whole, rest = divmod(run.nfe, m)
        if not rest:
            return [*[m] * (whole - 1), *lowered]
        return [*[m] * whole, *([rest - 1] if rest > 1 else []), 1] if zero else [*[m] * whole, rest]
    end = [1] if zero else []
    if run.nfe is None:
        return [*[m] * (run.N - len(end)), *end]
    whole, rest = divmod(run.nfe - len(end), m)
    return [*[m] * whole, *([rest] if rest else []), *end]
