"""The stability theorem of conjugate steps is what declared steps are to first order, and its limits are exact."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import pytest
import sympy

from numtoolkit import conjugate_stability, scheme
from numtoolkit.declare.entries import NONE, L, at, flow, integral, op, symbol
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue
from numtoolkit.symbolic.conjugate_limits import limits
from numtoolkit.symbolic.conjugate_stability import conjugation
from numtoolkit.symbolic.series import weight
from tests.support.tiers import breadth

WITHOUT_HISTORY = [own for own in catalogue() if not own.agreed.unfitted().steps.inner.carry]
SHIFTED = symbol("shift") * op("unit")
k_xx, k_xm, k_mx, k_mm, shift, x = sympy.symbols("k_xx k_xm k_mx k_mm shift l")
K = sympy.Matrix([[k_xx, k_xm], [k_mx, k_mm]])


def words(name):
    return {" ".join(f"{n}{j or ''}{'.' * bool(r)}{r}" for n, r, j in word): values
            for word, *values in conjugate_stability(name).words}  # fmt: skip


@pytest.mark.parametrize("own", breadth(WITHOUT_HISTORY), ids=lambda own: own.name)
def test_every_step_without_history_is_the_theorems_to_first_order(own):
    """I + h (N E - B) in the coordinates of zhat, for every shift; where noise is added back, it is refused."""
    if own.kind == "sde" and own.tau == 0:
        with pytest.raises(InputError, match="as where noise is added; take one that is"):
            conjugate_stability(own)
        return
    found = conjugate_stability(own)
    first = [(step, theorem) for word, step, theorem, _ in found.words if weight(word) == 1]
    assert first
    assert all(step == theorem for step, theorem in first)
    assert found.holds_to in (1, None)


def test_the_conjugate_step_has_the_second_order_that_a_calculation_by_hand_gives():
    """(h^2/2) (N' - (L + B) N) E with A' = A (L + B): what Phi' h leaves of the difference of Phi, with a full B."""
    found = words("conjugate-optimal")
    places = ("xx", "xm", "mx", "mm")
    b = {place: found[place][0] for place in places}
    assert {name: values[:2] for name, values in found.items() if name in (*places, "N J")} == {"N J": [1, 1]} | {
        place: [b[place], b[place]] for place in places
    }
    second = {name: values[0] for name, values in found.items() if values[0] != values[1]}
    assert second == {"N1 J": F(1, 2), "L N J": F(-1, 2)} | {f"{place} N J": b[place] / 2 for place in places}
    assert conjugate_stability("conjugate-optimal").holds_to == 1


@pytest.mark.parametrize("name", ["lambda-ddim-1", "lambda-ddim-2(B=time)", "conjugate-optimal", "cse", "cvv", "coba"])
def test_b_is_of_second_order_in_the_coordinates_of_the_state(name):
    """There a step is I + h (L + N E) for every B: the theorem's eigenvalues are not those of the state."""
    state = {word: values[2] for word, values in words(name).items()}
    first = {
        word: value for word, value in state.items() if len(word.replace(" J", "").split()) == 1 and "1" not in word
    }
    assert {word.partition(".")[0].split()[0] for word, value in first.items() if value} == {"L", "N"}
    assert all(value in (0, 1) for value in first.values())


def test_an_evaluation_at_the_end_of_a_step_sees_the_network_of_that_time():
    """cvv: half of the momentum kick is told t', so that E' enters beside E; cse tells both kicks the start."""
    assert words("cvv")["N.m J1"] == [F(1, 2), 0, F(1, 2)]
    assert not any("J1" in word for word in words("cse"))
    assert words("res-2s(c2=1/3)")["N J1"][0] == F(1, 2)  # b2 c2 at first order


def test_the_corollary_shifts_every_eigenvalue_by_lambda():
    """For B = lambda I det(l - K + B) is that of K at l + lambda; |1 + h (lb - lambda)| = 1 at 2/(|lb| + lambda)."""
    for name in ("lambda-ddim-1", "lambda-ddim-1(B=beta)", "cse", "coba"):
        found = conjugate_stability(name)
        assert found.shift == shift
        own = K.charpoly(x).as_expr().subs(x, x + shift)
        assert sympy.expand(found.characteristic - own) == 0
    lb = sympy.Symbol("lb", positive=True)
    assert sympy.simplify(1 + 2 / (lb + shift) * (-lb - shift)) == -1
    assert conjugate_stability("lambda-ddim-1(shift=1/2)").shift == F(1, 2)
    assert conjugate_stability("ddim").shift == 0


def test_the_matrix_of_ones_has_no_such_corollary():
    """lambda-DDIM-II moves (1, 1) by 2 lambda and (1, -1) by nothing, where N E has these directions, else neither."""
    found = conjugate_stability("lambda-ddim-2")
    assert found.shift is None
    assert found.matrix == K - shift * sympy.ones(2)
    along = {k_xx: -5, k_mm: -5, k_xm: 1, k_mx: 1}
    assert set(sympy.roots(found.characteristic.subs(along), x)) == {-4 - 2 * shift, -sympy.Integer(6)}
    across = found.characteristic.subs({k_xx: -5, k_mm: -1, k_xm: 0, k_mx: 0})
    assert sympy.expand(across - (x + 5 + shift) * (x + 1 + shift) + shift**2) == 0


def test_the_theorems_eigenvalues_are_those_of_lambda_less_b_in_the_eigenvectors():
    """det(l - (Lambda - U^-1 B U)) is det(l - (N E - B)) where N E = U Lambda U^-1, on matrices that do not commute."""
    U, eigenvalues = sympy.Matrix([[1, 2], [3, 5]]), sympy.diag(-7, -sympy.Rational(1, 3))
    values = dict(zip(K, U * eigenvalues * U.inv(), strict=True))
    found = conjugate_stability("lambda-ddim-2(shift=3/2)")
    theirs = eigenvalues - U.inv() * sympy.Rational(3, 2) * sympy.ones(2) * U
    assert sympy.expand(found.characteristic.subs(values) - theirs.charpoly(x).as_expr()) == 0


@pytest.mark.parametrize("number", range(4))
def test_each_limit_of_the_theorem_is_an_exact_counterexample(number):
    """Rational steps of spectral radius below 1, and a witness above it."""
    own = limits()[number]
    assert own.holds
    assert own == conjugate_stability("ddim").counterexamples[number]
    radii, size = [
        ((F(1, 2), F(1, 2)), (247 + 4 * sympy.sqrt(3774) / 1) / 100),
        ((0,), 3),
        ((F(3, 4),), sympy.sqrt((163201 + 401 * sympy.sqrt(165601)) / 12800)),
        ((F(1, 2),), (24 + sympy.sqrt(601)) / 10),
    ][number]
    assert own.radii == radii
    assert sympy.simplify(own.size - size) == 0
    assert not replace(own, witness=own.steps[0], measure="radius").holds
    assert not replace(own, steps=(own.witness,), measure="radius").holds or own.measure == "norm"


def test_brackets_of_the_counterexamples_are_those_of_gaussian_laws():
    """D^-1 (P - I) is symmetric and negative definite: noise times the Hessian of a Gaussian log-density."""
    run, _, norm, state = limits()
    for D, step in ((sympy.eye(2), run.steps[0]), (sympy.eye(2), run.steps[1]), (sympy.diag(1, 400), norm.steps[0])):
        S = D.inv() * (step - sympy.eye(2))
        assert S == S.T
        assert (-S).is_positive_definite
    shear = sympy.Matrix([[1, 10], [0, 1]])
    assert run.witness == run.steps[0] * shear * run.steps[1] * shear**-1
    assert state.witness == shear * state.steps[0]
    assert norm.size > 5


@pytest.mark.parametrize(
    ("name", "B"),
    [
        ("lambda-ddim-1", "shift*unit"),
        ("lambda-ddim-2(B=beta)", "shift*ones_beta"),
        ("conjugate-optimal", "b_xx*xx + b_xm*xm + b_mx*mx + b_mm*mm"),
        ("cse", "shift*unit"),
        ("cvv", "shift*unit"),
        ("coba", "shift*unit"),
        ("sscs", "0"),
        ("euler", "0"),
        ("res-2s", "0"),
    ],
)
def test_the_conjugation_of_a_step_is_read_from_its_rows(name, B):
    """What rows flow by beside the equation and take back by Euler, the halves of a kick added up."""
    assert str(conjugation(scheme(name).steps.inner)) == B


def test_only_what_the_flow_has_as_well_is_a_conjugation():
    """A kick of Euler's beside a flow without it, as of a drift frozen at the start, conjugates nothing."""
    row = combine("out", 1, y=flow() * (1 - at(SHIFTED)), E0=integral())
    assert conjugation(written([evaluate("E0"), row], "out")) == NONE
    own = combine("out", 1, y=flow(L=L + SHIFTED) * (1 - at(SHIFTED) / 2), E0=integral(L=L + SHIFTED))
    assert str(conjugation(written([evaluate("E0"), own], "out"))) == "1/2*shift*unit"


def test_a_step_whose_conjugation_is_not_taken_back_is_refused():
    """Half of B taken back leaves a step that is none of the equation to first order."""
    half = combine("out", 1, y=flow(L=L + SHIFTED) * (1 - at(SHIFTED) / 2), E0=integral(L=L + SHIFTED))
    own = replace(scheme("lambda-ddim-1"), steps=written([evaluate("E0"), half], "out"))
    with pytest.raises(InputError, match=r"not 1 \+ h \(L \+ N E\) to first order"):
        conjugate_stability(own)
    with pytest.raises(InputError, match="dpmpp-2m carries evaluations between steps"):
        conjugate_stability("dpmpp-2m")
    with pytest.raises(InputError, match="does not run in a phase space"):
        _ = conjugate_stability("res-2s").characteristic


def test_the_stability_theorem_has_its_faces():
    """A statement, a table of words, LaTeX with the bound of the corollary."""
    found = conjugate_stability("lambda-ddim-1")
    assert repr(found) == "<StabilityTheorem of lambda-ddim-1, B = shift*unit: to h^1, 3 words of h^2 left out>"
    assert "eigenvalue l of N E - B" in found.statement
    assert {"order": 2, "word": "L N E", "step": "-1/2", "theorem": "0", "state": "1/2"} in found.table()
    assert r"(\ldots) &= N_{1}\,E - L\,N\,E - \lambda\,I\,N\,E" in found.latex()
    assert r"h &\le 2 \big/ \bigl(|\lambda_b| + \lambda\bigr)" in found._repr_latex_()
    assert r"\lambda_b|" not in conjugate_stability("lambda-ddim-2").latex()
    assert "(|\\lambda_b| \\bigr)" in conjugate_stability("ddim").latex()
    assert repr(conjugate_stability("euler")) == "<StabilityTheorem of euler, B = 0: to h^2>"
