"""Derivations find the published schemes, all of them where a family has several, and say what is in the way of others.

The questions and answers are those of `derivation.md`: Hochbruck & Ostermann 2005, sections 4 and 5, for stages;
Hochbruck & Ostermann 2011 for Adams methods; Hairer, Norsett & Wanner 1993, II.1, for plain Runge-Kutta schemes.
"""

from __future__ import annotations

from fractions import Fraction as F
from functools import cache

import pytest

from numtoolkit.declare.entries import symbol
from numtoolkit.errors import InputError
from numtoolkit.schemes import scheme
from numtoolkit.symbolic import derivation
from numtoolkit.symbolic.derivation import derive as derive_anew
from numtoolkit.symbolic.families import embedded, explicit_runge_kutta, exponential_adams, exponential_rk
from numtoolkit.symbolic.stiff import StiffConditions
from numtoolkit.symbolic.verdict import verify
from tests.support.declarations import HALF, THIRD, WRONG_GAMMA
from tests.support.derivations import directions

derive = cache(derive_anew)  # families hash by their arguments
KUTTA = (0, HALF, HALF, 1)
FIVE = (*KUTTA, HALF)


def values(branch):
    """The values of a branch that are not 0, as text."""
    return {name: text for name, text in branch.record()["values"].items() if text != "0"}


# --- exponential Runge-Kutta schemes


def test_two_stages_of_strong_order_2_are_res_2s():
    """One answer for every c2, none of it free."""
    found = derive(exponential_rk(2), 2, "stiff_strong")
    (branch,) = found.branches
    assert branch.free == ()
    assert values(branch) == {"b1_1": "1", "b1_2": "-1/c2", "b2_2": "1/c2", "a21_1": "c2"}
    assert branch.nonzero == (symbol("c2"),)
    assert branch.member(scheme("res-2s(c2=1/3)")) == {"c2": THIRD}
    assert found.member(scheme("dpmpp-2s")) is None
    assert found.witness is None


def test_two_stages_of_weak_order_2_hold_the_forms_of_dpm_solver():
    """Two free parameters; those of DPM-Solver++(2S) are 0, and 3, 0 at c2 = 1/3 are those of RES-2S."""
    (branch,) = derive(exponential_rk(2), 2, "stiff_weak").branches
    assert branch.free == ("b2_2", "b2_3")
    assert branch.member(scheme("dpmpp-2s(c2=1/3)")) == {"c2": THIRD, "b2_2": F(0), "b2_3": F(0)}
    assert branch.member(scheme("res-2s(c2=1/3)")) == {"c2": THIRD, "b2_2": F(3), "b2_3": F(0)}
    assert branch.member(scheme("ddim")) is None


def test_two_stages_have_no_order_3_and_the_witness_holds_no_unknown():
    """The chain of three evaluations is -1/6 whatever the weights are."""
    found = derive(exponential_rk(2), 3, "classical")
    assert found.branches == ()
    assert (found.witness.order, found.witness.tree, str(found.witness.value)) == (3, "N e'[N e'[N e]]", "-1/6")
    assert repr(found) == ("<Derivation of exponential-rk(stages=2), classical order 3: none, N e'[N e'[N e]] is -1/6>")


def test_three_stages_of_weak_order_3_are_one_branch_with_two_free_parameters():
    """a32 is the published one, and RES-3S and DPM-Solver++(3S) are the slice without phi1 and phi3 in b2 and b3."""
    (branch,) = derive(exponential_rk(3), 3, "stiff_weak").branches
    assert branch.free == ("b3_2", "b3_3")
    a32 = {name: text for name, text in values(branch).items() if name.startswith("a32")}
    assert a32 == {"a32_2": "c3**2/c2", "a32_2_2": "-c3*(3*c3 - 2)/(3*c2 - 2)"}  # gamma c2 = c3 (3 c3 - 2)/(2 - 3 c2)
    assert {str(entry) for entry in branch.nonzero} == {"c2", "c3", "c2 - c3", "3*c2 - 2"}
    for published in ("res-3s", "res-3s(c2=1/3, c3=3/4)", "dpmpp-3s"):
        member = branch.scheme(**branch.member(scheme(published)))
        rows = {name: StiffConditions(member, 2).taylor(entry, 2) for name, entry in enumerate_b(member)}
        assert rows == {
            name: StiffConditions(member, 2).taylor(entry, 2) for name, entry in enumerate_b(scheme(published))
        }
        assert branch.member(scheme(published))["b3_3"] == 0
    assert branch.member(WRONG_GAMMA) is None


def enumerate_b(own):
    """The weights of a scheme's new state, its parameters at their values."""
    return enumerate(dict(StiffConditions(own.bind(**own.parameters()), 2).b[1]).values())


@pytest.mark.parametrize("kind", ["stiff_strong", "stiff_commuting"])
def test_three_stages_have_no_strong_order_3(kind):
    """Nor where the linear part is a number: the defect of a stage is in the way."""
    found = derive(exponential_rk(3), 3, kind)
    assert found.branches == ()
    assert found.witness.tree.startswith("b psi2 at ")


def test_four_stages_of_strong_order_3_hold_the_published_ones():
    """Eight free parameters at the nodes of Kutta, six in the last row, two in b: Krogstad and Strehmel-Weiner."""
    found = derive(exponential_rk(4, KUTTA), 3, "stiff_strong")
    (branch,) = found.branches
    assert branch.free == ("b3_2", "b3_3", "a43_1", "a43_2", "a43_3", "a43_1_2", "a43_2_2", "a43_3_2")
    krogstad = branch.member(scheme("krogstad-4"))
    assert krogstad == dict.fromkeys(branch.free, F(0)) | {"b3_2": F(2), "b3_3": F(-4), "a43_2": F(2)}
    assert branch.member(scheme("strehmel-weiner-4")) is not None
    assert found.member(scheme("etd4rk")) is None
    assert directions(branch, krogstad) == len(branch.free)


def test_four_stages_at_the_nodes_of_kutta_have_no_weak_order_4():
    """A condition on psi3 of the stages is left."""
    found = derive("exponential-rk(stages=4, nodes=(0, 1/2, 1/2, 1))", 4, "stiff_weak")
    assert found.branches == ()
    assert found.witness.order == 4


@pytest.mark.check
def test_four_stages_with_symbolic_nodes_of_strong_order_3():
    """Two branches that exclude each other: b4 holds phi2, or it does not."""
    found = derive(exponential_rk(4), 3, "stiff_strong")
    assert [len(branch.free) for branch in found.branches] == [11, 10]
    general, special = found.branches
    assert symbol("b4_2") in general.nonzero
    assert special.values["b4_2"] == derivation.ZERO
    for branch in found.branches:
        excluded = {str(entry) for entry in branch.nonzero}
        assert {"c2", "c3", "c2 - c3"} <= excluded
    assert directions(general, general.member(general.random_member())) == 11


@pytest.mark.long
def test_five_stages_of_weak_order_4_hold_the_scheme_of_hochbruck_and_ostermann():
    """Its branch has eight free parameters, the largest eleven, of 66 unknowns."""
    found = derive(exponential_rk(5, FIVE), 4, "stiff_weak")
    assert len(found.family.unknowns) == 66
    assert [len(branch.free) for branch in found.branches] == [11, 10, 10, 9, 9, 9, 9, 8]
    branch, point = found.member(scheme("hochbruck-ostermann-4"))
    assert len(branch.free) == 8
    assert (point["a53_2_4"], point["a32_2"], point["b5_3"]) == (F(1, 4), F(1), F(-8))
    largest = found.branches[0]
    drawn = largest.random_member()
    assert directions(largest, largest.member(drawn)) == 11


# --- plain Runge-Kutta schemes


def test_four_stages_of_order_4_at_the_nodes_of_kutta_are_a_family_of_one_parameter():
    """Hairer, Norsett & Wanner 1993, II.1 (case II of Kutta): the classical scheme is where a43 is 1."""
    (branch,) = derive(explicit_runge_kutta(4, KUTTA), 4).branches
    assert values(branch) == {
        "b1": "1/6", "b2": "-(a43 - 2)/3", "b3": "a43/3", "b4": "1/6", "a32": "1/(2*a43)", "a42": "1 - a43",
    }  # fmt: skip
    assert branch.nonzero == (symbol("a43"),)
    assert verify(branch.scheme(a43=1)).derived["classical"] == 4


def test_three_stages_of_order_3_are_the_family_of_the_book():
    """Two nodes give everything (Hairer, Norsett & Wanner 1993, II.1, exercise 3)."""
    (branch,) = derive("explicit-runge-kutta(3)", 3).branches
    assert values(branch)["a32"] == "c3*(c2 - c3)/(c2*(3*c2 - 2))"
    assert branch.free == ()
    heun = branch.scheme(c2="1/3", c3="2/3")
    assert verify(heun).derived["classical"] == 3


def test_fewer_stages_than_the_order_are_too_few():
    """The witness is the chain that needs one stage more."""
    witness = derive("explicit-runge-kutta(stages=3)", 4).witness
    assert (witness.tree, str(witness.value)) == ("N e'[N e'[N e'[N e]]]", "-1/24")


# --- schemes with a history


@pytest.mark.parametrize(
    "k", [2, 3, *(pytest.param(k, marks=pytest.mark.check) for k in (4, 5)), pytest.param(6, marks=pytest.mark.long)]
)
def test_exponential_adams_is_the_only_scheme_of_its_order(k):
    """For every step ratio; order k + 1 has no scheme of one evaluation a step and k values."""
    found = derive(exponential_adams(k), k, "stiff_strong")
    (branch,) = found.branches
    assert (branch.free, branch.nonzero) == ((), ())
    assert branch.member(scheme(f"exp-adams({k})")) == {}
    above = derive(exponential_adams(k), k + 1, "stiff_strong")
    assert above.witness.tree == f"psi{k + 1} at phi{k + 1}(z1)"


@pytest.mark.parametrize("k", [1, 2, pytest.param(3, marks=pytest.mark.check)])
def test_an_adams_corrector_is_the_only_one_of_one_order_more(k):
    """It weighs the value at the predicted state, and the predictor that it needs is the Adams one."""
    (branch,) = derive(exponential_adams(k, corrector=True), k + 1, "stiff_strong").branches
    assert branch.free == ()
    predictor = derive(exponential_adams(k), k, "stiff_strong").branches[0]
    for name, text in values(predictor).items():
        assert values(branch)["p" + name[1:]] == text
    assert derive(exponential_adams(k, corrector=True), k + 2, "stiff_strong").branches == ()


def test_the_companion_of_res_2s_takes_one_value_of_the_step_before():
    """None of order 3 weighs the step's own values; with one before it is Adams-Moulton, which leaves out the stage."""
    none = derive(embedded("res-2s", history=0), 3, "stiff_strong")
    assert none.witness.tree == "psi3 at phi3(z1)"
    (branch,) = derive(embedded("res-2s"), 3, "stiff_strong").branches
    moulton = derive(exponential_adams(2, corrector=True), 3, "stiff_strong").branches[0]
    renamed = {"h1": "b2", "e1": "b1", "n": "b0"}
    assert values(branch) == {
        f"{own}_{k}": values(moulton)[f"{its}_{k}"]
        for own, its in renamed.items()
        for k in (1, 2, 3)
        if f"{its}_{k}" in values(moulton)
    }
    assert verify(branch.scheme(c2=1)).derived["stiff_strong"] == 3
    bound = derive(embedded("res-2s(c2=1/3)"), 3, "stiff_strong").branches[0]
    assert values(bound) == values(branch)
    assert verify(bound.scheme()).ok


# --- what a derivation is


def test_a_branch_gives_schemes_that_are_proved():
    """With its parameters free, with some set, with all set."""
    (branch,) = derive(exponential_rk(2), 2, "stiff_weak").branches
    for given in ({}, {"c2": "2/3"}, {"c2": 1, "b2_2": "1/2", "b2_3": -1}):
        own = branch.scheme("mine", **given)
        found = verify(own)
        assert (own.name, found.ok, found.derived["stiff_weak"]) == ("mine", True, 2)
        assert {param.name for param in own.params} == {"c2", "b2_2", "b2_3"} - set(given)


def test_what_a_branch_excludes_is_refused():
    """Coinciding nodes, a parameter that is determined, a number that is not exact."""
    (branch,) = derive(exponential_rk(3), 3, "stiff_weak").branches
    with pytest.raises(InputError, match=r"c2 = 1/2, c3 = 1/2 of .* makes c2 - c3 = 0, which is excluded"):
        branch.scheme(c2="1/2", c3="1/2")
    with pytest.raises(InputError, match="b2_1 is determined of this branch"):
        branch.scheme(b2_1=1)
    with pytest.raises(InputError, match=r"c2 = 0\.3 is not exact"):
        branch.scheme(c2="0.3")


def test_defaults_of_a_derived_scheme_are_allowed():
    """c2 = 2/3 is excluded, and so no default of a scheme at c3 = 1/2 or of one with four stages is."""
    (branch,) = derive("exponential-rk(stages=3, nodes=(0, 2/3, c3))", 2, "stiff_strong").branches
    assert verify(branch.scheme()).ok
    (branch,) = derive(exponential_rk(3), 3, "stiff_weak").branches
    own = branch.scheme(c3="1/2")
    assert own.parameters()["c2"] not in (F(1, 2), F(2, 3))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (("exponential-kr(2)", 2), "unknown family 'exponential-kr'; did you mean exponential-rk"),
        (("exponential-rk(2)", 2, "strong"), "unknown kind of order 'strong'"),
        (("exponential-rk(2)", 0), "the order to derive = 0 is no whole number"),
        (("exponential-rk(2, nodes=(0, 0))", 2), "are no abscissae of 2 stages"),
        (("exponential-rk(2, nodes=(0, 1, 1))", 2), "are no abscissae of 2 stages"),
        (("exponential-rk(9)", 2), "stages = 9 is no whole number from 1 to 6"),
        (("exponential-rk", 2), r"exponential-rk needs stages; write exponential-rk\(stages=...\)"),
        (("exponential-rk(2, node=3)", 2), "node is no parameter; it has stages, nodes, phis"),
        (("explicit-runge-kutta(2)", 2, "stiff_strong"), "has no stiff order"),
        ((embedded("res-2s"), 3, "lie"), "unknown kind of order 'lie'"),
    ],
)
def test_what_cannot_be_derived_is_refused_in_a_sentence(asked, sentence):
    """Families, kinds, orders, nodes."""
    with pytest.raises(InputError, match=sentence):
        derive(*asked)


def test_a_companion_is_of_a_one_step_scheme_in_log_snr():
    """One with a history or another clock is refused."""
    for name in ("res-2m", "heun-edm", "euler-ancestral"):
        with pytest.raises(InputError, match="has no companion here"):
            embedded(name)


def test_each_branch_is_verified_again(monkeypatch):
    """A member that verdicts find wanting is no answer."""
    monkeypatch.setattr(derivation, "verify", lambda member: verify(scheme("roba(lambda_s=2)")))
    with pytest.raises(AssertionError, match="is not of the order asked"):
        derive_anew("exponential-rk(2)", 2, "stiff_strong")


def test_weights_are_printed_in_phi_functions():
    """As LaTeX for a notebook."""
    found = derive(exponential_rk(2), 2, "stiff_strong")
    line = r"b_{2} &= \frac{\varphi_{2}{\left(z \right)}}{c_{2}} \\"
    assert line in found.latex()
    assert found._repr_latex_() == f"$\\displaystyle\n{found.latex()}\n$"
    assert derive(exponential_rk(2), 3, "classical").latex() == r"\text{N e'[N e'[N e]]} = - \frac{1}{6} \neq 0"


def test_a_derivation_shows_what_it_found():
    """In a line."""
    found = derive(exponential_rk(2), 2, "stiff_weak")
    assert repr(found) == ("<Derivation of exponential-rk(stages=2), stiff weak order 2: 1 branch, 2 free parameters>")
    assert repr(found.branches[0]) == "<Branch of exponential-rk(stages=2): 2 free parameters>"
    assert repr(exponential_rk(2)) == "<Family exponential-rk(stages=2): 9 unknowns, for every c2>"
