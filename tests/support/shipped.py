"""The experiments that ship, read once: that takes seconds."""

from functools import cache

from numtoolkit.reproduce.reading import Plan, read_experiments
from tests.support.checkout import ROOT


@cache
def shipped() -> tuple[Plan, ...]:
    """Every plan of `experiments/`."""
    return tuple(read_experiments(ROOT / "experiments"))
