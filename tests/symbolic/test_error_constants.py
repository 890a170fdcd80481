"""Error constants are those of the textbooks, and those added up by hand."""

from fractions import Fraction as F

import numpy as np
import pytest

from numtoolkit.declare.entries import adams
from numtoolkit.declare.forms import past
from numtoolkit.errors import InputError
from numtoolkit.problem.clocks import CLOCKS
from numtoolkit.problem.frozen import FROZEN
from numtoolkit.problem.operators import OPERATORS
from numtoolkit.problem.problem import Problem
from numtoolkit.problem.processes import CLD, PSLD
from numtoolkit.program.program import problem_of
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.error_norm import error_constant
from numtoolkit.symbolic.weak import weak_order
from tests.support.declarations import multistep


def test_adams_bashforth_error_constants():
    """`reference-values` 25: 1/2, 5/12, 3/8, 251/720 (exact minus numerical; a tree's own factor is 1/k!)."""
    for k, constant in enumerate((F(1, 2), F(5, 12), F(3, 8), F(251, 720)), 1):
        member = multistep(f"ab{k}", adams(past(k))) if k > 1 else scheme("ddim")
        found = order(member)
        value = next(v for term, v in found.residuals.items() if term == ((("N", "", 0),), (k, ())))
        number = found.field.expression(value)
        assert F(str(number.subs({f"r{j}": 1 for j in range(k)}))) == -constant


EQUAL = {f"r{j}": F(1) for j in range(6)}


def quadrature(name, k):
    """The residual of the k-th time derivative of the network, at equal steps."""
    member = scheme(name)
    return order(member.bind(**member.parameters()), ratios=EQUAL).residuals[(("N", "", 0),), (k, ())]


def test_longer_adams_error_constants():
    """`reference-values` 25, 26, at equal steps: Adams-Bashforth k = 5, 6; Adams-Moulton k = 1, 2, 3 as corrector."""
    assert [quadrature(f"exp-adams({k})", k) for k in (5, 6)] == [F(-95, 288), F(-19087, 60480)]
    assert [quadrature(f"gframe-abm({k})", k + 1) for k in (1, 2, 3)] == [F(1, 12), F(1, 24), F(19, 720)]


# the error constant


@pytest.mark.parametrize(
    ("name", "power", "residuals"),
    [
        ("heun", 3, ["1/12", "-1/6", "1/6", "1/12", "-1/6"]),
        # order 2 with -(3 r0 + 2)/12 five times, twice that once, and -1/12 twice, at r0 = 1
        ("dpmpp-2m", 3, ["-5/12"] * 5 + ["-5/6"] + ["-1/12"] * 2),
        # mean: J J y, J1 y, J j and j1; covariance: J Q, Q J' and Q1, all half missing
        ("em", 2, ["-1/2"] * 7),
    ],
)
def test_error_constants_by_hand(name, power, residuals):
    """The square is the sum of squares of the residuals of the first order missed, listed here."""
    found = error_constant(scheme(name))
    assert (found.order, found.square) == (power, sum(F(value) ** 2 for value in residuals))
    assert found.value == pytest.approx(float(found.square) ** 0.5)


def test_the_error_constant_of_rk4_holds_the_classical_one():
    """`reference-values` 12: sqrt(1745)/2880 over the nine trees without time derivatives, of the 37."""
    found = order(scheme("rk4")).residuals

    def steady(tree):
        return tree[0] == 0 and all(steady(child[1]) for child in tree[1])

    classical = [value for (_, tree), value in found.items() if steady(tree)]
    assert len(classical) == 9
    assert sum(value**2 for value in classical) == F(1745, 2880**2)
    assert error_constant(scheme("rk4")).square == sum(value**2 for value in found.values())


@pytest.mark.parametrize(
    ("name", "square"),
    [("roba", "39/2"), ("nbao", "41/2"), ("robab", "27/2"), ("noba", "37/2"), ("rbao", "39/2"), ("nobab", "25/2")],
)
def test_words_that_vanish_on_every_phase_space_are_not_counted(name, square):
    """O, N and Q are diagonal: a row of one of them reads nothing of what moves the other row alone."""
    assert error_constant(scheme(name)).square == F(square)
    trees = {str(row["tree"]) for row in weak_order(scheme(name)).residuals}
    assert trees
    assert not [
        tree for tree in trees for pair in ("O.x L.m", "O.m L.x", "O.x O.m", "O.x Q.m", "O.x N.m") if pair in tree
    ]
    assert any("L.x O.x" in tree or "O.x L.x" in tree or "L.m O.x" in tree for tree in trees)


@pytest.mark.parametrize("process", [PSLD(), PSLD(beta_min=4, beta_max=12), CLD(), CLD(gamma=0.1)], ids=repr)
def test_operators_that_proofs_take_for_diagonal_are(process):
    """At all times, in float64 to the last bit: N of the score and of the drift, and others whatever is frozen."""
    times = np.linspace(process.t_min, process.T, 7)
    seen = set()
    for frozen in (FROZEN[name] for name in ("score", "drift", "noise")):
        problem = Problem(process, frozen, CLOCKS["time"])
        for operator in OPERATORS.values():
            blocks = problem.operator(operator, times)
            assert not operator.diagonal(frozen) or not (blocks * (1 - np.eye(2))).any(), (operator, frozen)
            seen |= {operator.name} if operator.diagonal(frozen) else set()
    assert {"O", "N", "Q", "G", "unit", "unit_beta", "xx", "mm"} <= seen
    assert not seen & {"L", "F", "R", "ones", "xm"}


def test_a_process_whose_noises_are_joined_is_refused():
    """What proofs take for granted is looked at before each run."""

    class Joined(PSLD):
        name = "joined"

        def diffusion(self, t):
            return super().diffusion(t) + 0.01

    with pytest.raises(InputError, match="process joined: the noises of its position and momentum are not independent"):
        problem_of(scheme("roba"), Joined())


def test_error_constants_where_the_declaration_alone_does_not_settle_them():
    """Equal steps, default parameters, coefficients 0; none where a quantity of the grid decides."""
    assert error_constant(scheme("ipndm")).square == 0  # the equal-step weights on equal steps
    assert error_constant(scheme("iia-edm")) == error_constant(scheme("heun-edm"))  # not fitted
    assert error_constant(scheme("res-2s")) == error_constant(scheme("res-2s(c2=1/2)"))
    assert error_constant(scheme("res-2s")) != error_constant(scheme("res-2s(c2=1)"))
    for name in ("heun-edm-churn", "euler-ancestral", "gauss-fit-2m"):
        assert error_constant(scheme(name)) is None
