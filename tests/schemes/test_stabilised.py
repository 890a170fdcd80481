"""STORK-2: what its sub-steps leave of a step, and the numbers that its authors' code printed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.special import eval_gegenbauer

from numtoolkit.declare.runs import adams_bashforth
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.problem.processes import RectifiedFlow
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from numtoolkit.schemes.stabilised import MOST, NODES, moments, recurrence
from tests.support.same_run import assert_same_run

HALF = Fraction(1, 2)


@pytest.mark.parametrize("substeps", [2, 3, 7, 50, MOST])
def test_sub_steps_at_their_own_abscissae_integrate_lines_exactly(substeps):
    """The first moment is 1/2; at those that shipped code takes it is less, and rises with the sub-steps."""
    assert moments(substeps, "gegenbauer", 1) == (1, HALF)
    total, mean = moments(substeps, "legendre", 1)
    assert total == 1
    assert mean < HALF
    assert substeps == 2 or mean > moments(substeps - 1, "legendre", 1)[1]


@pytest.mark.parametrize("substeps", [2, 5, 12])
def test_the_abscissae_are_those_of_the_sub_steps(substeps):
    """c_j is what the sub-steps make of the slope 1, exactly; shipped code has other ones."""
    before, now = Fraction(0), Fraction(6, (substeps + 4) * (substeps - 1))
    own = [now]
    for j in range(2, substeps + 1):
        mu, nu, slope, first = recurrence(substeps, j)
        before, now = now, mu * now + nu * before + slope + first
        own.append(now)
    assert own == [*(NODES["gegenbauer"](substeps, j) for j in range(1, substeps)), 1]
    assert all(NODES["legendre"](substeps, j) < c for j, c in enumerate(own[:-1], 1))


@pytest.mark.parametrize("substeps", [2, 13, 50])
def test_of_the_velocity_at_degree_1_is_adams_bashforth_of_order_2_whatever_the_sub_steps(substeps):
    """The same steps, not only a close run: nothing is left of sub-steps that nothing depends on."""
    own = scheme(f"stork-2(nodes=gegenbauer, substeps={substeps})")
    theirs = Scheme("ab2", "t", "t", adams_bashforth(2), "drift", "time", kinds="scalar")
    times = np.linspace(1, 0.1, 8) ** 2
    assert_same_run(*(lower(each, RectifiedFlow(T=1), times) for each in (own, theirs)))


@pytest.mark.parametrize("substeps", [2, 5, 20])
def test_between_sub_steps_the_linear_part_goes_by_a_gegenbauer_polynomial(substeps):
    """R(z) = 1 - b C(1) + b C(1 + w z), at most 1 in size from z = -2/w = -(s + 4)(s - 1)/3 to 0."""
    w = 6 / ((substeps + 4) * (substeps - 1))
    z = np.linspace(-2 / w, 0, 301)
    last, now = np.ones_like(z), 1 + w * z
    for j in range(2, substeps + 1):
        mu, nu, slope, first = map(float, recurrence(substeps, j))
        last, now = now, (mu + slope * z) * now + nu * last + 1 - mu - nu + first * z
    b = w**-2 / (15 * eval_gegenbauer(substeps - 2, 3.5, 1.0))  # R''(0) = 1, and C'' is 15 times that polynomial
    rise = eval_gegenbauer(substeps, 1.5, 1 + w * z) - eval_gegenbauer(substeps, 1.5, 1.0)
    np.testing.assert_allclose(now, 1 + b * rise, rtol=0, atol=1e-12)
    assert np.abs(now).max() <= 1 + 1e-12


# What step_flow_matching_2 of the authors' STORKScheduler.py printed (ZT220501/STORK, the file at fd991ca with start
# and degree 1 of that at 6e1c87c, all in float64): 6 steps with shift 3 from (0.7, -1.3), where the network returns
# sin(2 x) + cos(3 t) x. (sub-steps, degree) -> the end.
LEVELS = [1.0, 0.9233425414463544, 0.8189233279231888, 0.6683266932888092, 0.43222506407426325, 0.00892857175920678, 0]
PRINTED = {
    (5, 1): [0.005687601469287003, -1.3611400573250938],
    (50, 1): [0.003341389095853929, -1.3241857909867631],
    (5, 2): [0.060188191396912775, -1.0942347130007133],
    (50, 2): [0.07522976605034627, -0.980959825954252],
}


@pytest.mark.parametrize(("substeps", "taylor"), PRINTED)
def test_a_run_of_stork_is_what_its_authors_code_printed(substeps, taylor):
    """On an uneven grid to t = 0, to roundings of its 50 sub-steps."""
    program = lower(scheme(f"stork-2({taylor}, substeps={substeps})"), RectifiedFlow(T=1), np.array(LEVELS), "flow")
    end = run(program, lambda z, t: [np.sin(2 * z[0]) + np.cos(3 * t) * z[0]], [np.array([0.7, -1.3])])
    np.testing.assert_allclose(end[0], PRINTED[substeps, taylor], rtol=1e-12)


REFUSED = [
    ("stork-2(3)", r"stork-2\(3, frozen=drift\) is not declared; use taylor = 1 or 2"),
    ("stork-2(2, frozen=noise)", r"stork-2\(2, frozen=noise\) is not declared; use taylor = 1\."),
    ("stork-2(substeps=1)", "substeps = 1 is no whole number from 2 to 100; give one"),
    ("stork-2(frozen=data)", "use frozen = drift or noise"),
    ("stork-2(nodes=chebyshev)", "use nodes = gegenbauer or legendre"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_a_member_that_there_is_not_is_refused_with_those_that_there_are(text, sentence):
    """Degree, sub-steps, what is frozen, abscissae."""
    with pytest.raises(InputError, match=sentence):
        scheme(text)
