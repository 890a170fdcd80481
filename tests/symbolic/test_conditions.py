"""Lists of order conditions: as many as there are trees and words, exact in their unknowns, and what orders follow."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F
from itertools import accumulate

import pytest
import sympy

from numtoolkit import Param, conditions, phi, runge_kutta, sqrt, symbol, tableau
from numtoolkit.declare.entries import L, N, at
from numtoolkit.declare.forms import combine, evaluate, written
from numtoolkit.declare.scheme import ORDERS, Scheme
from numtoolkit.declare.steps import Eval
from numtoolkit.errors import InputError
from numtoolkit.phi_functions import phi as phi_of
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.conditions import KINDS
from numtoolkit.symbolic.splittings import splitting, splitting_of
from numtoolkit.symbolic.stiff import StiffConditions, stiff_order
from numtoolkit.symbolic.verdict import verify
from tests.support import tableaus
from tests.support.declarations import exponential
from tests.support.tableaus import book, plain
from tests.support.tiers import breadth


def unknown(*names):
    """Parameters of which nothing is known."""
    return tuple(Param(name, F(1, 3)) for name in names)


def counts(listed, keep=lambda condition: True):
    """How many conditions of order 1, 2, ... there are."""
    return [sum(c.order == n and keep(c) for c in listed) for n in range(1, listed.order + 1)]


def no_time(condition):
    """Whether a tree has no derivative in time."""
    return "_t" not in condition.tree


TREES = [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]
TIMED = [1, 2, 5, 13, 37, 108, 332, 1042]
TWO_COLOURS = [2, 4, 14, 52, 214, 916, 4116]

two_rows = Scheme(
    "two-rows",
    "test",
    "test",
    written(
        [
            evaluate("E0"),
            combine("Y", 0, y=1, E0=at(N.row("x"))),
            evaluate("E1", "Y"),
            combine("out", 1, Y=1, E1=at(N.row("m"))),
        ],
        "out",
    ),
    frozen="drift",
    clock="time",
    kinds="phase space",
)


def late(own):
    """The scheme with a network that is told another time than that of the row."""
    items = (replace(i, network_time=i.at / 3) if isinstance(i, Eval) else i for i in own.steps.inner.items)
    return replace(own, steps=replace(own.steps.inner, items=tuple(items)))


@pytest.mark.parametrize(
    ("own", "order", "expected", "keep"),
    breadth(
        [
            (scheme("rk4"), 10, TREES, None),
            (late(plain("late", runge_kutta([0, "1/2"], [[], ["1/2"]], [0, 1]))), 8, TIMED, None),
            (scheme("res-2s"), 7, TIMED, no_time),
            (scheme("res-2s"), 8, TIMED, no_time),
            (two_rows, 6, TWO_COLOURS, no_time),
            (two_rows, 7, TWO_COLOURS, no_time),
        ],
        lambda own, order, *rest: (own.name, order) not in (("res-2s", 8), (two_rows.name, 7)),
    ),
    ids=lambda x: getattr(x, "name", None),
)
def test_classical_conditions_are_as_many_as_trees(own, order, expected, keep):
    """`reference-values` 1, 4, 5: rooted trees; with time leaves; exponential ones; of two colours, one a row."""
    assert counts(conditions(own, order), keep or (lambda condition: True)) == expected[:order]


def test_stiff_conditions_are_as_many_as_their_trees_to_order_8():
    """`reference-values` 6: 1, 2, 4, 9, 20, 48, 115 of orders 2 to 8, 16 to order 5 and 36 to order 6."""
    found = counts(conditions("ddim", 8, "stiff_strong"))[1:]
    assert found == [1, 2, 4, 9, 20, 48, 115]
    assert list(accumulate(found))[3:5] == [16, 36]


def test_lie_conditions_are_as_many_as_lyndon_words():
    """`reference-values` 7 to 9: two letters, cumulative; three, the time among them; four; palindromes."""
    assert list(accumulate(counts(conditions("A B", 10, "lie")))) == [2, 3, 5, 8, 14, 23, 41, 71, 127, 226]
    assert counts(conditions("A@0 B@0", 7, "lie")) == [3, 3, 8, 18, 48, 116, 312]
    assert counts(conditions("A B C D", 5, "lie")) == [4, 6, 20, 60, 204]
    assert list(accumulate(counts(conditions("A/2 B A/2", 10, "lie"))))[1::2] == [2, 4, 10, 28, 84]


def test_conditions_in_law_are_every_word_to_their_order():
    """Euler and Maruyama with the whole drift J z + j: all words of order 2 miss half of the exact ones, 1 none.

    The exact mean is z + h (J z + j) + h^2/2 (J1 z + J J z + j1 + J j), its covariance Q + h/2 (Q1 + J Q + Q J').
    """
    found = conditions("em", 2, "sde_weak")
    first, second = ([c for c in found if c.order == n] for n in (1, 2))
    assert {c.tree: c.value for c in first} == {"N J y": 0, "N j": 0, "Q": 0}
    words = ("N J1 y", "N J N J y", "N j1", "N J N j", "Q1", "N J Q", "Q J' N'")
    assert {c.tree: c.value for c in second} == dict.fromkeys(words, F(-1, 2))
    assert found.holds == "affine scores"


# values


def test_conditions_of_unknown_weights_are_the_equations_of_the_book():
    """Hairer, Norsett & Wanner II.1: sum b = 1, b2 c2 = 1/2, b2 c2^2 = 1/3, and 1/6 without a term to meet it."""
    b1, b2, c2 = map(symbol, ("b1", "b2", "c2"))
    own = plain("two-stage", runge_kutta([0, c2], [[], [c2]], [b1, b2]), params=unknown("b1", "b2", "c2"))
    found = conditions(own, 3)
    assert [(c.order, c.tree, sympy.expand(found.expression(c) - sympy.sympify(value))) for c, value in zip(
        found, ("b1 + b2 - 1", "b2*c2 - 1/2", "b2*c2**2/2 - 1/6", "-1/6"), strict=True
    )] == [(1, "N e", 0), (2, "N e'[N e]", 0), (3, "N e''[N e, N e]", 0), (3, "N e'[N e'[N e]]", 0)]  # fmt: skip
    assert found.unknowns == ("b1", "b2", "c2")
    assert found.met == 0


def test_conditions_of_unknown_exponential_weights_are_functions_of_z():
    """With b2 = p phi1 + q phi2 order 2 asks for phi2 - c2 (p phi1 + q phi2) = 0, at z = 0 for 1/2 = c2 (p + q/2)."""
    c2, p, q = map(symbol, ("c2", "p", "q"))
    b2 = p * phi(1) + q * phi(2)
    steps = tableau([0, c2], [[], [c2 * phi(1, c2)]], [phi(1) - b2, b2])
    own = Scheme("own", "test", "test", steps, "data", "log-snr", params=unknown("c2", "p", "q"))
    strong, weak = (conditions(own, 2, kind) for kind in ("stiff_strong", "stiff_weak"))
    assert [c.tree for c in strong] == ["psi1", "psi0", "psi2", "psi1 of stage 2", "psi0 of stage 2"]
    assert [c.tree for c in strong.failing] == ["psi2"]
    phi1, phi2 = (sympy.Function(f"phi{k}")(sympy.Symbol("z1")) for k in (1, 2))
    names = dict(zip(("c2", "p", "q"), sympy.symbols("c2 p q"), strict=True))
    expected = phi2 - names["c2"] * (names["p"] * phi1 + names["q"] * phi2)
    assert sympy.expand(strong.expression(strong.failing[0]) - expected) == 0
    (at_zero,) = weak.failing
    half = sympy.Rational(1, 2)
    expected = half - names["c2"] * (names["p"] + names["q"] * half)
    assert sympy.expand(weak.expression(at_zero) - expected) == 0


def test_three_kicks_of_order_4_are_those_of_forest_and_ruth():
    """`derivation.md`: with b1 = 2 a1, b2 = 1 - 4 a1 all conditions are multiples of a1^3 - a1^2 + a1/4 - 1/48."""
    found = conditions("a1*A b1*B a2*A b2*B a2*A b1*B a1*A", 4, "lie")
    a1 = sympy.Symbol("a1")
    own = {"a2": sympy.Rational(1, 2) - a1, "b1": 2 * a1, "b2": 1 - 4 * a1}
    values = [sympy.expand(found.expression(c).subs(own)) for c in found]
    assert values[:2] == [0, 0]
    assert all(value and sympy.rem(value, a1**3 - a1**2 + a1 / 4 - sympy.Rational(1, 48)) == 0 for value in values[2:])


@pytest.mark.parametrize(
    ("word", "met"),
    [
        ("A/2@0 B@0 A/2@0", 1),
        ("A/2@1/2 B@1/2 A/2@1/2", 2),
        ("B/2@0 A@1/2 B/2@1", 2),
        ("B/2@0 A@1/2 B/2@0", 1),
        ("A/2@0+ B@0+ A/2@1/2+", 2),
        ("A/2@0+ B@0+ A/2@0+", 1),
    ],
)
def test_the_time_that_a_part_is_told_is_in_the_conditions(word, met):
    """`reference-values` 37: Strang's splitting with parts frozen in time, or following it over their own windows."""
    assert conditions(word, 3, "lie").met == met


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("nse", "B@0 A@0"),
        ("nvv", "B/2@0 A@0 B/2@0"),
        ("noba", "O B@0 A@0"),
        ("nbao", "B@0 A@0 O"),
        ("nobab", "O B/2@0 A@0 B/2@0"),
        ("sscs", "L/2 K@0 L/2"),
    ],
)
def test_the_flows_of_a_declared_splitting_are_read_off_its_step(name, word):
    """Kicks with a call of their own, parts that are exact in law, and the time that the network is told."""
    assert splitting_of(scheme(name)).flows == splitting(word).flows
    assert conditions(name, 3, "lie").items == conditions(word, 3, "lie").items


def test_a_kick_with_another_linear_part_is_no_flow_of_its_letter():
    """NSE with the drift of the momentum counted twice is no composition of the letters."""
    own = scheme("nse")
    call, kick, *rest = own.steps.inner.items
    twice = replace(kick, terms=(("y", 1 + 2 * at(L.row("m"))), *kick.terms[1:]))
    wrong = replace(own, steps=replace(own.steps.inner, items=(call, twice, *rest)))
    assert kick.terms[0] == ("y", 1 + at(L.row("m")))
    with pytest.raises(InputError, match="row Z2 of nse is no flow of one part"):
        splitting_of(wrong)


@pytest.mark.parametrize("word", ["", "A T", "a", "A/0", "A*2", "A@x", "2 A"])
def test_words_that_are_no_splittings_are_refused(word):
    """The sentence names the flow that cannot be read."""
    with pytest.raises(InputError, match=r"is no flow of a splitting; write words such as 'B/2 A B/2'"):
        splitting(word)


# what follows


SOME = {"ddim", "res-2s", "dpmpp-2m", "heun-edm", "rk4", "rvv", "sscs", "em", "gauss-fit-2m"}


@pytest.mark.parametrize("member", breadth(catalogue(), lambda own: own.name in SOME), ids=lambda own: own.name)
def test_the_order_to_which_all_conditions_hold_is_the_derived_one(member):
    """Of every kind of order; a kind that a scheme has no order of is refused, and nobody is asked for another."""
    derived = verify(member)
    for kind in KINDS.keys() & set(ORDERS):
        p = derived.derived[kind]
        if p is None:
            with pytest.raises(InputError, match=r"ask for|it has conditions"):
                conditions(member, 1, kind)
        elif kind != "classical" or derived.holds != "sampled":  # with symbols for step ratios that takes minutes
            if p:
                assert conditions(member, p, kind).met == p
            if p < 5:
                assert conditions(member, p + 1, kind).met < p + 1


def test_weak_conditions_are_the_strong_ones_but_for_the_last_order():
    """To order 4 the conditions of order 3, of which ETD4RK fails one, stand with z, and those of order 4 without."""
    weak, strong = (conditions("etd4rk", 4, f"stiff_{kind}") for kind in ("weak", "strong"))
    assert [c for c in weak if c.order < 4] == [c for c in strong if c.order < 4]
    assert [c.tree for c in weak.failing if c.order < 4] == ["b psi2"]
    weak, strong = (conditions("krogstad-4", 4, f"stiff_{kind}") for kind in ("weak", "strong"))
    assert [c.tree for c in weak.failing] == ["b psi3", "b (a psi2)"]
    assert [c.tree for c in strong.failing] == ["psi4", "b psi3", "b (a psi2)"]


def test_a_condition_that_comes_with_a_power_of_h_is_one_of_a_higher_order():
    """psi2 of gauss-fit-2m is -bend h/2 at z = 0: weak order 2 does not ask for it, weak order 3 does."""
    assert [c.tree for c in conditions("gauss-fit-2m", 2, "stiff_weak")] == ["psi1", "psi0"]
    engine = StiffConditions(scheme("gauss-fit-2m"), 3)
    assert [(c.order, engine.text(c)) for c in engine.failing(2, weak=True)] == [(3, "-bend*h/2")]


def test_a_condition_in_one_z_is_written_with_the_functions_of_its_edges():
    """Commuting b psi2 of DPM-Solver++(2S) is c2/2 phi1(z) phi2(c2 z), and as a sum of exponentials the same."""
    found = conditions("dpmpp-2s", 3, "stiff_commuting")
    own = found[-1]
    assert (own.tree, found.text(own)) == ("b psi2", "c2*phi1(z1)*phi2(c2*z1)/2")
    engine = StiffConditions(scheme("dpmpp-2s"), 3)
    z, c2 = F(-3, 4), F(1, 3)
    value = engine.evaluate(own.value, {"z1": z, "c2": c2})
    assert value == pytest.approx(float(c2) / 2 * phi_of(1, float(z)) * phi_of(2, float(c2 * z)), rel=1e-14)


def test_verify_names_the_stiff_conditions_that_fail_first():
    """DPM-Solver++(2S) fails of strong order 2 by psi2 alone, and its weak order ends with b psi2 at z = 0."""
    found = verify(scheme("dpmpp-2s")).stiff_residuals
    of = {kind: [(r["order"], r["tree"], r["value"]) for r in found if r["kind"] == kind] for kind in ORDERS}
    assert of["stiff_strong"] == of["stiff_commuting"] == [(2, "psi2", "-phi1(z1)/2 + phi2(z1)")]
    weak = [(3, "psi3", "-(3*c2 - 2)/12"), (3, "b psi2", "c2*phi2(c2*z2)/2")]
    assert stiff_order(scheme("dpmpp-2s")).weak == 2
    engine = StiffConditions(scheme("dpmpp-2s"), 3)
    assert [(c.order, c.tree, engine.text(c)) for c in engine.failing(3, weak=True)] == weak
    assert of["stiff_weak"] == []  # to order 2, one above the strong one, nothing fails


# faces


def test_the_python_of_conditions_computes_their_values():
    """The source that `python` writes gives what the conditions are, exactly where they are rational."""
    a, b1, b2 = map(symbol, ("a", "b1", "b2"))
    own = plain("own", runge_kutta([0, a], [[], [a]], [b1, b2]), params=unknown("a", "b1", "b2"))
    found, names = conditions(own, 4), {}
    exec(found.python(), names)
    values = names["conditions"](a=F(1, 3), b1=F(2, 5), b2=F(3, 7))
    at_point = {"a": F(1, 3), "b1": F(2, 5), "b2": F(3, 7)}
    assert values == [found.field.at(c.value, at_point) for c in found]
    assert all(isinstance(value, F) for value in values)
    stiff = conditions("dpmpp-2s", 3, "stiff_strong")
    exec(stiff.python(), names)
    values = names["conditions"](z1=-0.5, z2=-0.25, c2=0.5)
    trees = [c.tree for c in stiff]
    assert values[trees.index("psi2")] == pytest.approx(phi_of(2, -0.5) - phi_of(1, -0.5) / 2, rel=1e-14)
    expected = phi_of(1, -0.5) * phi_of(2, -0.125) / 4
    assert values[trees.index("b psi2")] == pytest.approx(expected, rel=1e-14)


def test_conditions_of_decimals_and_roots_have_the_same_faces():
    """Tsit5 holds within its digits to order 5: intervals in a table, their centres in LaTeX and Python; roots stay."""
    found, names = conditions(book("tsit5", tableaus.TSIT5), 6), {}
    assert found.met == 5
    assert all(c.order == 6 for c in found.failing)
    assert " +- " in found.table()[0]["value"]
    exec(found.python(), names)
    assert max(abs(value) for c, value in zip(found, names["conditions"](), strict=True) if c.order < 6) < 1e-13
    assert max(map(len, found.latex().split("\n"))) < 120
    root = 1 / sqrt(2)
    own = conditions(exponential("own", [0, root], [[]], [phi(2) / root], 2), 3, "stiff_strong")
    assert [own.text(c) for c in own.failing] == [
        "-sqrt(2)*phi2(z1)/4 + phi3(z1)",
        "sqrt(2)*phi2(z1)*phi2(sqrt(2)*z2/2)/2",
    ]


def test_values_for_step_ratios_take_their_symbols_away():
    """At equal steps the conditions of a multistep scheme have no unknown left; its order is the same."""
    found = conditions("exp-adams(3)", 4, ratios={"r0": F(1), "r1": F(1)})
    assert (found.unknowns, found.met) == ((), 3)
    assert conditions("exp-adams(3)", 4).unknowns == ("r0", "r1")


def test_faces_of_conditions_name_trees_and_values():
    """A table for people, LaTeX for a paper; the object itself is shown in a line."""
    found = conditions("krogstad-4", 4, "stiff_weak")
    assert repr(found) == "<Conditions of krogstad-4 to stiff weak order 4: 15, 2 of them open>"
    assert found.table()[-2]["tree"] == "b (a psi2)"
    lines = found.latex().split("\n")
    assert lines[1] == r"\begin{aligned}"
    assert any(r"\sum_{i,j} b_{i}\,a_{ij}\,\psi_{2,j} &: &" in line and r"\varphi_{2}" in line for line in lines)
    assert len(lines) == len(found) + 3
    assert r"N\,e''[N\,e, N\,e] &: & - \frac{1}{6} &= 0 \\" in conditions("euler", 3).latex()
    assert r"Q\,J^{\top}\,N^{\top} &: & - \frac{1}{2} &= 0 \\" in conditions("em", 2, "sde_weak").latex()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("rk4", 11), "conditions of classical order 11 are not analysed; ask for orders to 10."),
        (("res-2s", 9), "conditions of res-2s above order 8 are not analysed"),
        (("rk4", 0), "the order of conditions = 0 is no whole number >= 1; give one."),
        (("rk4", 3, "strong"), "unknown kind of conditions 'strong'; did you mean stiff_strong?"),
        (("em", 2), "scheme em draws noise; it has conditions of kind sde_weak, not classical."),
        (("ddim", 2, "sde_weak"), "scheme ddim is deterministic; it has conditions of kind classical"),
        (("heun", 2, "stiff_strong"), "scheme heun has no stiff order"),
        (("rvv", 2, "lie"), "row Z3 of rvv is no flow of one part"),
        (("A B", 2), "the splitting 'A B' has conditions of kind lie alone, not classical; ask for those."),
        (("roba", 7, "sde_weak"), "conditions of sde weak order 7 are not analysed; ask for orders to 6."),
    ],
)
def test_what_has_no_such_conditions_is_refused(given, sentence):
    """One sentence: what it is, and what to ask for."""
    with pytest.raises(InputError) as refused:
        conditions(*given)
    assert str(refused.value).startswith(sentence)


def test_a_scheme_without_its_noise_has_the_conditions_of_the_flow():
    """`churn=0` leaves Heun's method, of order 2; it has none in law of its own."""
    assert conditions("heun-edm-churn(churn=0)", 3).met == 2
    with pytest.raises(InputError, match="is deterministic; it has conditions of kind classical"):
        conditions("heun-edm-churn(churn=0)", 2, "sde_weak")


def test_conditions_of_a_wrong_scheme_fail_where_it_is_wrong():
    """A weight one per cent off fails the sum of the weights, and with it everything after."""
    own = exponential("own", [0, F(1, 2)], [[]], [phi(2) * F(201, 100)], 2)
    assert conditions(own, 2).met == 1
    assert [c.tree for c in conditions(own, 2, "stiff_strong").failing] == ["psi2"]
