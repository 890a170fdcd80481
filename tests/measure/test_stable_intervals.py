"""Stable intervals on the axes of w are roots of polynomials, isolated: the known ones come out to all digits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.declare.entries import number
from numtoolkit.declare.forms import runge_kutta
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.steps import Step
from numtoolkit.measure.stability import linear_radius, real_interval, stable_interval
from numtoolkit.phi_functions import phi
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.unit_circle import End
from tests.support.tableaus import ssp_53


def classical(step: Step) -> Scheme:
    """A step of numbers as a scheme in process time."""
    return Scheme("own", "test", "test", step, frozen="drift", clock="time")


@pytest.mark.parametrize(
    ("name", "linear", "length"),
    [
        ("euler", 0, 2),
        ("euler", -1.5, 0.5),
        ("euler", -2, 0),
        ("ddim", -2, (1 + np.exp(-2.0)) / phi(1, -2.0)),
        ("heun-edm", 0, 2),
        ("heun-edm", -1, 2 / np.expm1(1.0)),  # R = 1 where w - 1 = -(1 + 1/e) / phi_1(-1)
        ("res-2s(c2=1/1000)", 0, 2),
        ("res-2s(c2=1e-14)", 0, 2),
        ("res-2s(c2=1e-29)", 0, 2),
        ("res-2s(c2=1e-29)", -1, np.expm1(1.0)),  # c2 -> 0: R = 1/e + w phi_1 + w (w - 1) phi_2 is 1 at w = 1 - e
        # Long steps: R = w phi_1 but for exp(h L), and exp(-h L) w (1 + w/1000)/2000 where the noise is frozen.
        ("ddim", -1000, 1000),
        ("heun-edm", -1000, 0),
        ("res-2m", 0, 1),
        ("unipc(2)", 0, 6 / 11),
        ("res-3m", 0, 6 / 11),
        ("exp-adams(4)", 0, 3 / 10),
        pytest.param("exp-adams(5)", 0, 90 / 551, marks=pytest.mark.check),
        pytest.param("exp-adams(6)", 0, 5 / 57, marks=pytest.mark.check),
        ("res-3s", 0, 2.512745326618329),
        ("rk4", 0, 2.785293563405282),
        ("lawson-4", 0, 2.785293563405282),
    ],
)
def test_real_intervals_are_the_known_ones(name: str, linear: float, length: float) -> None:
    """The stable interval on the negative axis, from closed forms and `reference-values` 12, 13 and 25, to all digits.

    The closed forms on the right are float64 themselves.
    """
    assert real_interval(name, linear) == pytest.approx(length, rel=1e-15, abs=0)


@given(c2=st.fractions(0, 1).filter(bool))
def test_two_stages_of_order_two_are_stable_to_two_whatever_their_node(c2: Fraction) -> None:
    """At h L = 0 the step is 1 + w + w^2/2 for every c2, so the end is the root of r - 2."""
    assert stable_interval(scheme("res-2s").bind(c2=c2)) == End(2.0, (-2, 1))


TAYLOR = [  # reference-values 13: real and imaginary intervals of the Taylor polynomials of degree 1 to 9
    (2, 0),
    (2, 0),
    (2.512745326618329, 1.732050807568877),
    (2.785293563405282, 2.828427124746190),
    (3.217047866640106, 0),
    (3.553441258462305, 0),
    (3.954129730631186, 1.764421324553417),
    (4.313627227774381, 3.395140220574925),
    (4.700827255520586, 0),
]


@pytest.mark.parametrize("degree", range(1, 10))
def test_intervals_of_taylor_polynomials_are_the_known_ones(degree: int) -> None:
    """Stages nested like Horner's rule have the Taylor polynomial of exp; both ends are algebraic numbers.

    The published numbers have 16 digits.
    """
    c = [Fraction(1, degree + 1 - i) if i else Fraction(0) for i in range(degree)]
    A = [[Fraction(0)] * (i - 1) + [c[i]] if i else [] for i in range(degree)]
    own = classical(runge_kutta(c, A, [Fraction(0)] * (degree - 1) + [Fraction(1)]))
    for axis, expected in zip(("real", "imaginary"), TAYLOR[degree - 1], strict=True):
        end = stable_interval(own, axis=axis)
        assert end.value == pytest.approx(expected, rel=1e-15, abs=0)
        assert abs(np.polynomial.polynomial.polyval(end.value, end.polynomial)) <= 1e-15 * sum(
            abs(c) * end.value**i for i, c in enumerate(end.polynomial)
        )


PUBLISHED = {  # members of pairs, with the real and imaginary intervals of reference-values 14, 16 and 17
    "dormand-prince-5": (
        "0 1/5 3/10 4/5 8/9 1",
        """1/5
        3/40 9/40
        44/45 -56/15 32/9
        19372/6561 -25360/2187 64448/6561 -212/729
        9017/3168 -355/33 46732/5247 49/176 -5103/18656""",
        "35/384 0 500/1113 125/192 -2187/6784 11/84",
        (3.306567892634946, 0.997189008632530),
    ),
    "fehlberg-5": (
        "0 1/4 3/8 12/13 1 1/2",
        """1/4
        3/32 9/32
        1932/2197 -7200/2197 7296/2197
        439/216 -8 3680/513 -845/4104
        -8/27 2 -3544/2565 1859/4104 -11/40""",
        "16/135 0 6656/12825 28561/56430 -9/50 2/55",
        (3.677706621321896, 0),
    ),
    "fehlberg-4": (
        "0 1/4 3/8 12/13 1",
        """1/4
        3/32 9/32
        1932/2197 -7200/2197 7296/2197
        439/216 -8 3680/513 -845/4104""",
        "25/216 0 1408/2565 2197/4104 -1/5",
        (3.020017543970503, 0),
    ),
    "fehlberg-8": (  # without the stage that only the other member of the pair weighs
        "0 2/27 1/9 1/6 5/12 1/2 5/6 1/6 2/3 1/3 0 1",
        """2/27
        1/36 1/12
        1/24 0 1/8
        5/12 0 -25/16 25/16
        1/20 0 0 1/4 1/5
        -25/108 0 0 125/108 -65/27 125/54
        31/300 0 0 0 61/225 -2/9 13/900
        2 0 0 -53/6 704/45 -107/9 67/90 3
        -91/108 0 0 23/108 -976/135 311/54 -19/60 17/6 -1/12
        3/205 0 0 0 0 -6/41 -3/205 -3/41 3/41 6/41
        -1777/4100 0 0 -341/164 4496/1025 -289/82 2193/4100 51/82 33/164 12/41 1""",
        "0 0 0 0 0 34/105 9/35 9/35 9/280 9/280 41/840 41/840",
        (5.00758884894057, 2.36515761405798),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_intervals_of_published_pairs_are_the_known_ones(name: str) -> None:
    """To the 15 digits that are published."""
    c, A, b, expected = PUBLISHED[name]
    own = classical(runge_kutta(c.split(), [[], *(row.split() for row in A.split("\n"))], b.split()))
    found = [stable_interval(own, axis=axis).value for axis in ("real", "imaginary")]
    assert found == pytest.approx(expected, rel=2e-15, abs=0)


def test_coefficients_that_the_digits_allow_to_vanish_do() -> None:
    """Tsitouras' scheme of order 5 from its decimals is stable to .47797886888 i, as the scheme they stand for.

    reference-values 18: 11 digits are stable. Read as exact numbers, the decimals leave 1e-16 y^2 in |R(iy)|^2 - 1,
    whose sign would end the interval near 0.
    """
    c = "0 161/1000 327/1000 9/10 0.9800255409045097 1"
    A = """161/1000
        -0.008480655492356989 0.335480655492357
        2.8971530571054935 -6.359448489975075 4.3622954328695815
        5.325864828439257 -11.748883564062828 7.4955393428898365 -0.09249506636175525
        5.86145544294642 -12.92096931784711 8.159367898576159 -0.071584973281401 -0.028269050394068383"""
    b = "0.09646076681806523 1/100 0.4798896504144996 1.379008574103742 -3.290069515436081 2.324710524099774"

    def interval(read: Callable[[str], Any]) -> End:
        rows = [[], *([read(x) for x in row.split()] for row in A.split("\n"))]
        step = runge_kutta([read(x) for x in c.split()], rows, [read(x) for x in b.split()])
        return stable_interval(classical(step), axis="imaginary")

    assert interval(number).value == pytest.approx(0.477978868882763, rel=1e-11)
    assert interval(Fraction).value < 1e-6


def test_a_state_that_is_kept_to_the_digits_of_a_scheme_is_kept() -> None:
    """SSP(5,3) in printed decimals mixes states with weights whose sum is 1 only within the last digit.

    The ends of its intervals are where R that is 1 at 0 leaves the circle: seen on both sides by the map in float64.
    """
    scheme = ssp_53()
    for axis, direction in (("real", -1), ("imaginary", 1j)):
        end = stable_interval(scheme, axis=axis).value
        inside, outside = linear_radius(scheme, 0.0, np.array([end - 1e-3, end + 1e-3]) * direction)
        assert 0.9 < inside < 1 < outside
    assert stable_interval(scheme).value == pytest.approx(6.2136118, abs=1e-7)


def test_an_unstable_window_of_a_thousandth_is_seen() -> None:
    """R - 1 = r (1 - r)(r - 1001/1000) 1000/1001 on w = -r: stable to 1, and again beyond the window."""
    b = Fraction(1000, 1001)
    a = Fraction(2001, 1000) * b  # R = 1 + w + a w^2 + b w^3
    own = classical(runge_kutta([0, b / a, a], [[], [b / a], [0, a]], [0, 0, 1]))
    assert stable_interval(own) == End(1.0, (-1, 1))
    r = np.array([0.9999, 1.0005, 1.002])
    np.testing.assert_array_equal(linear_radius(own, 0.0, -r) > 1, [False, True, False])


def test_rk4_is_stable_on_the_imaginary_axis_up_to_two_root_two() -> None:
    """Just inside the edge no point grows; a relative 1e-6 beyond it one does.

    `reference-values` 12: 2 sqrt 2, beyond which |R|^2 - 1 = y^6 (y^2 - 8)/576.
    """
    edge = 2 * np.sqrt(2)
    inside = linear_radius("rk4", 0.0, 1j * np.linspace(0, edge * (1 - 1e-9), 50))
    assert inside.max() <= 1 + 1e-15
    assert linear_radius("rk4", 0.0, np.array([1j * edge * (1 + 1e-6)]))[0] > 1
