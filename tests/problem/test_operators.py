"""Closed integrals of operators are those of their blocks."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.axes import problem
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.processes import EDM, VP, RectifiedFlow

START, END = np.array([0.9, 0.3]), np.array([0.6, 0.25])


@pytest.mark.parametrize("frozen", ["data", "noise", "residual", "drift"])
@pytest.mark.parametrize("process", [VP(), EDM(), RectifiedFlow()], ids=lambda p: p.name)
@pytest.mark.parametrize("clock", ["time", "log-snr"])
def test_the_closed_integral_of_an_operator_is_that_of_its_blocks(frozen, process, clock):
    """On a scalar process, for the reverse SDE at half strength, by 20 Gauss points in process time."""
    own = problem(process, frozen, clock, tau=0.5)
    points, weights = np.polynomial.legendre.leggauss(20)
    t = (START + END)[:, None] / 2 + (START - END)[:, None] / 2 * points
    closed = 0
    for operator in OPERATORS.values():
        found = own.log_flow(operator, START, END)
        if found is not None:
            blocks = own.operator(operator, t.ravel())[:, 0, 0] / own.rate(t.ravel())
            expected = (START - END) / 2 * (blocks.reshape(t.shape) @ weights)
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14, err_msg=operator.name)
            closed += 1
    assert closed >= 10
