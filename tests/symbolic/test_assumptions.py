"""Simplifying assumptions of tableaus are those of the literature."""

from __future__ import annotations

from fractions import Fraction as F

import pytest

from numtoolkit import Param, runge_kutta, simplifying_assumptions, symbol
from numtoolkit.errors import InputError
from tests.support import tableaus
from tests.support.tableaus import book, plain


@pytest.mark.parametrize(
    ("tableau", "p", "r", "stages"),
    [
        (tableaus.RK4, 4, 1, (8, 1, 1, 2)),
        (tableaus.KUTTA_3_8, 4, 1, (8, 1, 1, 1)),
        (tableaus.DP5, 5, 1, (12, 1, 3, 3, 3, 3)),
        (tableaus.RKF45, 5, 0, (12, 1, 3, 3, 3, 3)),
        (tableaus.COOPER_VERNER, 8, 1, (22, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4)),
    ],
    ids=("rk4", "3/8", "dp5", "rkf45", "cooper-verner"),
)
def test_assumptions_of_published_tableaus(tableau, p, r, stages):
    """B to the order; D(1) of all but Fehlberg's (Hairer, Norsett & Wanner II.1, II.5); C(1) of all, more later.

    By hand: a43 c3 = 1/2 at the last stage of RK4; a32 c2^2 = 9/1000 = c3^3/3 at the third of DP5. The first stage, the
    state itself, has every C.
    """
    found = simplifying_assumptions(book("own", tableau))
    assert (found.B, found.C, found.D) == (p, 1, r)
    assert found.stages == stages
    assert found.order == min(p, r + 2)


def test_assumptions_of_unknown_weights_hold_identically_or_not_at_all():
    """b2 c2 = 1/2 makes B(2) for every c2, c2 is its row's sum, and D(1) holds for c2 = 1 alone."""
    c2 = symbol("c2")
    step = runge_kutta([0, c2], [[], [c2]], [1 - 1 / (2 * c2), 1 / (2 * c2)])
    params = (Param("c2", F(1, 2), F(0), F(1), open=True),)
    own = plain("own", step, params=params)
    found = simplifying_assumptions(own)
    assert (found.B, found.C, found.D, found.order) == (2, 1, 0, 2)
    assert simplifying_assumptions(own.bind(c2=F(1))).D == 1
    assert repr(found) == "<Assumptions B(2), C(1), D(0)>"


def test_what_is_no_tableau_of_numbers_has_no_assumptions():
    """An exponential scheme and one with history are refused by a sentence."""
    for name in ("res-2s", "dpmpp-2m"):
        with pytest.raises(InputError, match=f"the step of {name} is no plain Runge-Kutta step; take a scheme"):
            simplifying_assumptions(name)
