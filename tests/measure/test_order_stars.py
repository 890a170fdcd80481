"""Order stars: where a step grows more than the exact solution, and what that says of its order and its poles."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError
from numtoolkit.measure.stability import order_star
from numtoolkit.symbolic.stability_function import stability_function
from tests.support.implicit_methods import PADE, bdf
from tests.support.tiers import breadth

KNOWN = {
    "euler": 1,
    "heun": 2,
    "res-3s": 3,
    "rk4": 4,
    "dpmpp-2m": 2,
    "unipc": 3,
}


def method(name):
    """A scheme, a tableau of `PADE`, or BDF3."""
    if name == "BDF 3":
        rho, sigma = bdf(3)
        return stability_function(rho=rho, sigma=sigma)
    if name in KNOWN:
        return name
    (A, b), _, _ = PADE[name]
    return stability_function(A=A, b=b, name=name)


@pytest.mark.parametrize(
    "name", breadth([*KNOWN, "Gauss 2", "Radau IIA 2", "BDF 3"], lambda name: name in ("rk4", "dpmpp-2m", "Gauss 2"))
)
def test_as_many_sectors_as_the_order_and_one_more_meet_at_the_origin(name):
    """On a small circle the growth over exp passes 1 twice for each of the p + 1 sectors above it."""
    own = method(name)
    size, half = 201, 0.05
    region = order_star(own, size=size, window=(-half, half, half))
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False) + 1e-3
    x, y = 0.8 * half * np.cos(angles), 0.8 * half * np.sin(angles)
    column = np.abs(region.x[0][:, None] - x).argmin(axis=0)
    row = np.abs(region.y[:, 0][:, None] - y).argmin(axis=0)
    above = region.radius[row, column] > 1
    order = KNOWN.get(name) or own.order
    assert int((above != np.roll(above, 1)).sum()) == 2 * (order + 1)
    assert region.panel == "order star at h L = 0"


@pytest.mark.parametrize("name", ["Gauss 1", "Gauss 2", "Radau IIA 2", "Lobatto IIIC 2"])
def test_the_star_of_an_a_stable_method_does_not_meet_the_axis(name):
    """On the imaginary axis exp has modulus 1, so that growth above 1 there is growth of R: there is none."""
    region = order_star(method(name), size=201, window=(-8, 8, 8))
    axis = np.abs(region.x[0]).argmin()
    assert region.x[0, axis] == 0
    assert region.radius[:, axis].max() <= 1 + 1e-12
    assert region.radius[:, region.x[0] > 4].max() < 1 or name != "Radau IIA 2"


def test_the_star_at_a_given_linear_part_is_the_growth_over_exp_of_both():
    """ddim at h L = -1: |1/e + (1 - 1/e) w| over exp(-1 + Re w)."""
    region = order_star("ddim", -1, size=11)
    w = region.x + 1j * region.y
    expected = np.abs(np.exp(-1) + (1 - np.exp(-1)) * w) / np.exp(region.x - 1)
    np.testing.assert_allclose(region.radius, expected, rtol=1e-13)
    assert (region.star, region.linear, region.scheme) == (True, -1.0, "ddim")


def test_at_a_pole_the_growth_is_beyond_all_numbers_and_the_map_goes_on():
    """1/(1 - w) has its pole on a point of this map: it is the largest there, and no number is nan."""
    region = order_star(method("implicit Euler"), size=9, window=(0, 2, 1))
    assert region.radius.argmax() in np.flatnonzero((region.x == 1) & (np.abs(region.y) == np.abs(region.y).min()))
    assert not np.isnan(region.radius).any()


def test_a_method_of_numbers_has_a_map_of_its_own_and_a_function_of_a_scheme_that_of_the_scheme():
    """Implicit Euler is unstable inside the circle of radius 1 about 1; on a process it has no steps."""
    (region,) = nt.stability(method("implicit Euler"), size=81)
    inside = np.abs(region.x + 1j * region.y - 1) < 1
    assert ((region.radius > 1) == inside).all()
    own, scheme = nt.stability(stability_function("ddim"), size=9), nt.stability("ddim", size=9)
    assert [(a.linear, a.radius.tolist()) for a in own] == [(b.linear, b.radius.tolist()) for b in scheme]
    with pytest.raises(InputError, match="runs on no process"):
        nt.stability(method("implicit Euler"), "edm")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scheme": "ddim", "window": (1, 2)}, "give three"),
        ({"scheme": "ddim", "window": (2, 1, 1)}, "is empty"),
        ({"scheme": "ddim", "window": (-1, 1, 0)}, "is empty"),
        ({"scheme": "ddim", "window": (-1e6, 1, 1)}, "window"),
        ({"scheme": "rvv"}, "no state part 'm'"),
        ({"scheme": stability_function(A=[[1]], b=[1]), "linear": -1}, "has no meaning"),
    ],
)
def test_what_has_no_order_star_is_refused_in_one_sentence(given, words):
    """A window without a size, a scheme without a test equation, a linear part that a method does not have."""
    with pytest.raises(InputError, match=words):
        nt.order_star(**given)
