"""How long a scheme takes to become a program of 1000 steps, next to as many small matrix products: read the ratios.

The baseline is what is done with the coefficients at least: 1000 blocks of 2 x 2 multiplied, and made Python floats.
"""

import numpy as np
import pytest

from numtoolkit import grid, process
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme

STEPS = 1000

pytestmark = pytest.mark.benchmark(group=f"lowering {STEPS} steps")


def test_blocks(benchmark):
    """The measure of lowering: numpy alone."""
    blocks = np.random.default_rng(0).standard_normal((STEPS, 2, 2))
    benchmark(lambda: (blocks @ blocks).tolist())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ddim", "edm"),
        ("unipc(3)", "vp"),
        ("deis-tab", "vp"),
        ("gddim(3)", "psld"),
        ("gframe-abm(2)", "psld"),
        ("conjugate-optimal", "psld"),
        ("lambda-ddim-1(skip=mm)", "psld"),
    ],
)
def test_lowering(benchmark, text, name):
    """Closed forms, quadratures, time-ordered flows and choices per step."""
    own, law = scheme(text), process(name)
    times = grid("quadratic", law, STEPS)
    benchmark(lower, own, law, times)
