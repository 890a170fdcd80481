"""How long a scheme takes to become a program of 1000 steps, next to as many small matrix products: read the ratios.

The baseline is what is done with the coefficients at least: 1000 blocks of 2 x 2 multiplied, and made Python floats.
"""

import numpy as np
import pytest

from numtoolkit import grid, process
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme
from tests.support.tiers import breadth

STEPS = 1000

pytestmark = pytest.mark.benchmark(group=f"lowering {STEPS} steps")


def test_blocks(benchmark):
    """The measure of lowering: numpy alone."""
    blocks = np.random.default_rng(0).standard_normal((STEPS, 2, 2))
    benchmark(lambda: (blocks @ blocks).tolist())


@pytest.mark.parametrize("rule", breadth(["quadratic", "uniform"], lambda rule: rule == "quadratic"))
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ddim", "edm"),
        ("rk4", "vp"),
        ("deis-tab", "vp-cosine"),
        ("conjugate-optimal", "psld"),
        ("gddim-pc", "psld"),
        ("cvv", "psld"),
        ("gframe-abm", "psld"),
    ],
)
def test_lowering(benchmark, text, name, rule):
    """Closed forms, many rows, quadratures, choices per step, time-ordered flows; with steps that need a long mesh."""
    own, law = scheme(text), process(name)
    times = grid(rule, law, STEPS)
    benchmark(lower, own, law, times)
