"""RBF-Solver: its weights between two limits, and the numbers that its authors' code printed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from numtoolkit.declare.runs import adams_moulton
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.problem.processes import EDM
from numtoolkit.program.program import lower, problem_of, step_quantities
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.verdict import verify
from tests.support.same_run import gap

LEVELS = np.array([5, 3, 1.5, 1, 0.5, 0.3, 0.1, 0.06])


ON = EDM(T=5, t_min=0.06)


# What the methods of RBFSolver printed (scpark20/RBF-Solver, ddpm_and_guided-diffusion/samplers/rbf_solver.py at
# 982581b, without its casts to float32) on the noise levels above from (3.5, -6), where the data prediction at level s
# is tanh(0.8 x/(1 + s) + 0.3). (order, width of the predictor or None for Adams, of the corrector) -> the end.
PRINTED = {
    (1, None, "1"): [0.708020956898443, -0.037160302313367165],
    (1, "3/2", "1/2"): [0.7080643085472742, -0.036115681603617264],
    (2, None, "1"): [0.7102639636381638, 0.03761257426110127],
    (2, "3/2", "1/2"): [0.7089053609699589, -0.005581564433350075],
    (3, None, "1"): [0.7102350972493325, 0.03948025289158838],
    (3, "3/2", "1/2"): [0.7086847897655806, -0.012460393039241083],
    (4, None, "1"): [0.7102725050270506, 0.04065167470151092],
    (4, "3/2", "1/2"): [0.708637697389245, -0.013452035141016547],
}


@pytest.mark.parametrize(("order", "ahead", "back"), PRINTED)
def test_a_run_of_rbf_solver_is_what_its_authors_code_printed(order, ahead, back):
    """At its own widths, 1 after Adams, and at two others: to the digits that its closed form loses."""
    widths = {"shape_c": Fraction(back)} | ({} if ahead is None or order == 1 else {"shape_p": Fraction(ahead)})
    own = scheme(f"rbf-solver({order}, predictor={'adams' if ahead is None else 'rbf'})").bind(**widths)
    program = lower(own, ON, LEVELS)
    end = run(program, lambda z, t: [np.tanh(0.8 * z[0] / (1 + t) + 0.3)], [np.array([3.5, -6.0])])
    np.testing.assert_allclose(end[0], PRINTED[order, ahead, back], rtol=0, atol=1e-11)


@pytest.mark.parametrize("predictor", ["adams", "rbf"])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_wide_gaussians_tend_to_exponential_adams_methods(p, predictor):
    """Of orders p and p + 1: what is left falls as the square of the width, fourfold where it is doubled."""
    own = scheme(f"rbf-solver({p}, predictor={predictor})")
    adams = Scheme("abm", "t", "t", adams_moulton(p, ending="lower"), "data", "log-snr", kinds="scalar")
    widths = [{param.name: Fraction(width) for param in own.params} for width in (5, 10, 20)]
    narrow, middle, wide = (gap(lower(own.bind(**width), ON, LEVELS), lower(adams, ON, LEVELS)) for width in widths)
    assert narrow < 0.15
    assert narrow / middle == pytest.approx(4, abs=0.6)
    assert middle / wide == pytest.approx(4, abs=0.15)


def test_narrow_gaussians_leave_the_mean_of_the_values():
    """Each Gaussian is seen by its own value alone, so what they weigh falls with their width: a tenth times sqrt(pi).

    The density of the mean over a step is h/(1 - exp(-h)) at most.
    """
    own, index = scheme("rbf-solver(3, predictor=rbf)").bind(shape_p="1/10", shape_c="1/10"), np.arange(2, 7)
    found = step_quantities(own, problem_of(own, ON), LEVELS, index, own.parameters())
    h = np.log(LEVELS[index] / LEVELS[index + 1])
    most = np.sqrt(np.pi) / 10 * h / -np.expm1(-h)
    for name, count in (("p3_1", 3), ("p3_2", 3), ("c3_0", 4), ("c3_1", 4), ("c3_2", 4)):
        assert (np.abs(found[name] - 1 / count) <= most).all(), name
    assert (found["c3_0"] - 1 / 4 > 0.01).all()  # half of its Gaussian lies in the step


def test_a_weight_is_there_once_its_values_are():
    """That of order q from step q - 1 on, a finite number; a step to t = 0, infinitely long, has none."""
    own = scheme("rbf-solver(3, predictor=rbf)")
    times = np.append(LEVELS, 0.0)
    found = step_quantities(own, problem_of(own, ON), times, np.arange(8), own.parameters())
    for quantity in own.quantities:
        order = int(quantity.name[1])
        expected = [order - 1 <= n < 7 for n in range(8)]
        np.testing.assert_array_equal(np.isfinite(found[quantity.name]), expected)


def test_at_a_width_that_is_kept_the_order_is_1_and_2_of_two_nodes():
    """Constants alone are exact; two nodes at both ends of the step lie alike, and their weights tend to 1/2."""
    assert [verify(scheme(f"rbf-solver({p})")).run for p in (1, 2)] == [2, 1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rbf-solver(5)", r"rbf-solver\(5\) is not declared; use p = 1 to 4"),
        ("rbf-solver(predictor=gauss)", "use predictor = adams or rbf"),
        ("rbf-solver(shape_c=21)", "shape_c = 21 is out of range; it must satisfy 1/10 <= shape_c <= 20"),
        ("rbf-solver(shape_p=1)", "has no parameter 'shape_p'"),
    ],
)
def test_a_wrong_use_is_answered_in_one_sentence(text, sentence):
    """Order, predictor, width, and the width of a predictor that has none."""
    with pytest.raises(InputError, match=sentence):
        scheme(text)
