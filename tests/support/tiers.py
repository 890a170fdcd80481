"""The tiers of the suite: what `make test` runs of a breadth of cases, what `make check`, what `make check-long`."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

# A scheme of every family and of every structure that a promise may turn on: stages, history, a word, a reused
# evaluation, each kind of step beside the inner one, noise, quantities of the grid, fitted coefficients.
SAMPLE = frozenset(
    "heun em ddim res-2s etd3rk heun-edm heun-edm-churn dpmpp-2m unipc ipndm res-2m-ancestral seeds-2 "
    "sde-dpmpp-2m dpmpp-2m-cfgpp rvv sscs lambda-ddim-1 cse gddim-pc gframe-ab iia-ddim "
    "stork-2".split()
)
Case = type(pytest.param())


def in_sample(scheme: Any, *rest: object) -> bool:
    """Whether a case is of a scheme that stands for the others of its structure."""
    return scheme.name in SAMPLE


def breadth(
    cases: Iterable[Any], some: Callable[..., bool] = in_sample, more: Callable[..., bool] = lambda *values: True
) -> list[Any]:
    """The cases as parameters: those that are not `some(*values)` are marked `check`, or `long` if not even `more`."""
    params = [case if isinstance(case, Case) else pytest.param(*_values(case)) for case in cases]
    return [p if some(*p.values) else p._replace(marks=(*p.marks, _mark(more(*p.values)))) for p in params]


def _mark(soon: bool) -> pytest.MarkDecorator:
    return pytest.mark.check if soon else pytest.mark.long


def _values(case: object) -> tuple[object, ...]:
    return case if isinstance(case, tuple) else (case,)
