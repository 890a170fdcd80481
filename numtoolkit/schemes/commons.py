"""What families of the catalogue share: parameters, and the endings of one-step schemes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from numtoolkit.declare.runs import HALF, one_step, structure
from numtoolkit.declare.scheme import Param, Scheme
from numtoolkit.errors import InputError

SIGMA_DATA = Param(
    "sigma_data", Fraction(1, 2), Fraction(0), open=True, meaning="deviation of a coordinate of the data"
)
MEAN = Param("mean", Fraction(0), meaning="mean of the data, one number for all coordinates")
STAGE = Param("c2", HALF, Fraction(0), Fraction(1), open=True, meaning="abscissa of the second stage")
SHIFT = Param("shift", Fraction(0), meaning="lambda of the conjugation, per unit of process time")


def check_choice(name: str, what: str, value: str, choices: Sequence[str]) -> None:
    """Checks a choice that makes the member of the family `name`; `what` is the argument, `choices` its values.

    raises   InputError for a value that is none of them
    """
    if value not in choices:
        raise InputError(f"{name}({what}={value}) is not declared; use {what} = {' or '.join(choices)}.")


def with_endings(scheme: Scheme) -> Callable[..., Scheme]:
    """A one-step scheme as a family: its members differ by their ending, full, lower or none."""

    @lru_cache
    def member(*, ending: str = "full") -> Scheme:
        steps = one_step(scheme.steps.inner, scheme.steps.remainder, ending)
        return replace(scheme, steps=steps).with_structure(**structure(ending=(ending, "full")))

    return member
