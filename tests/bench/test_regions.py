"""How long a region of stability takes, 400 by 400 points, once what it imports is loaded; the target is 50 ms."""

import pytest

from numtoolkit.measure.stability import stability
from numtoolkit.plots import boundary
from tests.support.tiers import breadth

TARGET = 0.05  # seconds


@pytest.mark.parametrize("linear", [0.0, -1.0])
@pytest.mark.parametrize("name", breadth(["rk4", "etd4rk", "dpmpp-2m", "res-3m"], lambda name: name == "dpmpp-2m"))
def test_region_with_its_boundary(benchmark, capsys, name, linear):
    """The test equation of one-step schemes and of one and two evaluations of history, and the contour drawn."""
    boundary(stability(name, linear=(linear,), size=8)[0])
    benchmark.pedantic(lambda: boundary(stability(name, linear=(linear,))[0]), rounds=5)
    if benchmark.disabled:
        return
    median = benchmark.stats.stats.median
    with capsys.disabled():
        print(f"\n{name} at h L = {linear:g}: {median * 1e3:.0f} ms, {TARGET / median:.1f} times the target's speed")


@pytest.mark.parametrize(("name", "on"), [("res-2s", "edm"), ("dpmpp-2m", "edm"), ("rvv", "psld")])
def test_plane_of_one_step(benchmark, name, on):
    """A diffusion plane of 80 by 80 steps, each of its own length and start."""
    benchmark.pedantic(stability, (name, on), {"kind": "diffusion"}, rounds=3)
