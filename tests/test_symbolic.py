"""The proof engines against known orders, published residuals and independent formulas."""

from dataclasses import replace
from fractions import Fraction as F
from itertools import islice
from math import factorial

import numpy as np
import pytest
import sympy

from numtoolkit.declare.entries import N, adams, phi
from numtoolkit.declare.forms import history, past
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.schemes.exponential import filled
from numtoolkit.symbolic.classical import order, residuals
from numtoolkit.symbolic.data_form import data_form
from numtoolkit.symbolic.error_norm import error_constant
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.series import SeriesExpansion
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.stiff import Conditions, applies, conditions_of_order, stiff_order
from numtoolkit.symbolic.trees import Exact
from numtoolkit.symbolic.verdict import verify
from numtoolkit.symbolic.weak import defects, weak_order

HALF, THIRD, TWO_THIRDS = F(1, 2), F(1, 3), F(2, 3)


def exponential(name, c, A, b, claim=1):
    """A test declaration in log-SNR; the first column of each row fills up to c_i phi_1(c_i), b up to phi_1."""
    return Scheme(name, "test", "test", filled(c, A, b), "data", "log-snr", claims=Claims(claim))


def res_3s(c2, c3):
    return scheme("res-3s").bind(c2=c2, c3=c3)


def gamma_form(c2, c3, exponent):
    """gamma, b_2 and b_3 of RES-3S; public ports have c3^3 in gamma for c3^2 (exponential-iia.md 3.3, 3.8)."""
    gamma = (3 * c3**exponent - 2 * c3) / (c2 * (2 - 3 * c2))
    return gamma, gamma * phi(2) / (gamma * c2 + c3), phi(2) / (gamma * c2 + c3)


def wrong_gamma(c2, c3):
    gamma, *b = gamma_form(c2, c3, 3)
    A = [[], [gamma * c2 * phi(2, c2) + c3**2 / c2 * phi(2, c3)]]
    return exponential("res-3s-wrong-gamma", [0, c2, c3], A, b)


WRONG_GAMMA = wrong_gamma(THIRD, TWO_THIRDS)


def dpmpp_3s_taylor(r1, r2):
    """DPM-Solver++(3S) of type taylor (exponential-iia.md 3.3)."""
    b = [(r2 * phi(2) - 2 * phi(3)) / (r1 * (r2 - r1)), (2 * phi(3) - r1 * phi(2)) / (r2 * (r2 - r1))]
    return exponential("dpmpp-3s-taylor", [0, r1, r2], [[], [r2**2 / r1 * phi(2, r2)]], b)


def multistep(name, weights):
    return Scheme(name, "test", "test", history(weights, len(weights) - 1), "data", "log-snr",
                  start=tuple(history(adams(past(k + 1)), k + 1) for k in range(len(weights) - 1)))  # fmt: skip


def res4lyf_3m(exponent):
    """RES4LYF's res_3m: the weights of RES-3S, with its gamma, at two nodes of the past (exponential-iia.md 2.4)."""
    _, c2, c3 = past(3)
    _, b2, b3 = gamma_form(c2, c3, exponent)
    return multistep(f"res_3m-exponent-{exponent}", [phi(1) - b2 - b3, b2, b3])


def predictor(name):
    """The predictor of a scheme that corrects, on its own."""
    member = scheme(name)
    return replace(member, step=replace(member.step, out="P"))


def test_every_claim_of_the_catalogue_is_what_the_engines_derive():
    for member in catalogue():
        verdict = verify(member)
        assert verdict.ok, verdict
        refuted = {name for name, own in verdict.claimed.items() if own is not None and verdict.derived[name] != own}
        assert refuted == set(member.claims.refuted), verdict


def test_the_order_of_a_whole_run_is_that_of_its_weakest_step():
    """A first-order step at the start or the end is an error of h^2 that nothing takes back."""
    assert {name: verify(scheme(name)).run for name in ("dpmpp-2m", "res-3m", "unipc", "exp-adams(4)", "etd4rk")} == {
        "dpmpp-2m": 2,
        "res-3m": 2,
        "unipc": 2,
        "exp-adams(4)": 2,
        "etd4rk": 4,
    }


def test_number_of_conditions():
    """Exponential (and non-autonomous) trees: 1, 2, 5, 13, 37, 108 an order; stiff conditions: 1, 2, 4, 9, 20, 48."""
    field = Field()
    reading = SeriesExpansion(field, 6, absent=("L",), steady=("N",))
    exact = Exact(field, [], reading.jets(N), 6)
    assert [len(terms) for terms in exact.terms[1:]] == [1, 2, 5, 13, 37, 108]
    assert [conditions_of_order(p) for p in range(2, 8)] == [1, 2, 4, 9, 20, 48]


@pytest.mark.parametrize(
    ("member", "classical", "strong", "weak"),
    [
        (scheme("res-2s(c2=1)"), 2, 2, 2),
        (scheme("dpmpp-2s"), 2, 1, 2),
        (scheme("etd3rk"), 3, 2, 2),
        (scheme("etd4rk"), 4, 2, 2),
        (scheme("krogstad-4"), 4, 3, 3),
        (scheme("strehmel-weiner-4"), 4, 3, 3),
        (scheme("hochbruck-ostermann-4"), 4, 3, 4),
        (scheme("lawson-4"), 4, 0, 1),
        (scheme("lawson-2"), 2, 0, 1),
        (res_3s(THIRD, TWO_THIRDS), 3, 2, 3),
        (scheme("dpmpp-3s(1/3, 2/3)"), 3, 2, 3),
        (scheme("dpmpp-3s(1/3, 1)"), 2, 2, 2),
        (dpmpp_3s_taylor(THIRD, TWO_THIRDS), 3, 2, 3),
        (res_3s(HALF, F(1)), 3, 2, 3),
        (scheme("res-3s"), 3, 2, 3),
        (WRONG_GAMMA, 2, 2, 2),
        (wrong_gamma(F(1), HALF), 2, 2, 2),
        (wrong_gamma(HALF, F(1)), 3, 2, 3),  # harmless only at c3 = 1
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_published_orders(member, classical, strong, weak):
    """`reference-values` 39, 40; RES-3S(1/3, 2/3) is DPM-Solver++(3S), which loses an order at c3 = 1."""
    assert order(member).p == classical
    stiff = stiff_order(member, highest=4)
    assert (stiff.strong, stiff.weak) == (strong, weak)
    assert stiff.strong <= stiff.commuting


def test_the_shipped_dpmpp_3m_is_second_order_and_doubling_one_weight_makes_it_third():
    assert order(scheme("dpmpp-3m")).p == 2
    assert order(scheme("dpmpp-3m-corrected")).p == 3
    assert Conditions(scheme("dpmpp-3m")).psi_taylor(3)[0] == F(1, 12)


PSI = {  # exponential-iia.md 2.4, at h = 1: psi_2, psi_3, psi_4, S2, S3, ba2, bc2
    "ddim": (scheme("ddim"), (0.367879, 0.132121, 0.034546, 0, 0, 0, 0)),
    "dpmpp-2s": (scheme("dpmpp-2s(c2=1/2)"), (0.051819, 0.053105, 0.021377, 0.067340, 0.011675, 0, 0.033670)),
    "res-2s": (scheme("res-2s(c2=1/2)"), (0, 0.040151, 0.019218, 0.078381, 0.013589, 0, 0.039190)),
    "dpmpp-2s 1": (scheme("dpmpp-2s(c2=1)"), (0.051819, -0.025910, -0.018131, 0.116272, 0.041758, 0, 0.116272)),
    "res-2s 1": (scheme("res-2s(c2=1)"), (0, -0.051819, -0.026767, 0.135335, 0.048604, 0, 0.135335)),
    "edm heun": (data_form(scheme("heun-edm")), (-0.491261, -0.297450, -0.108644, 0.316060, 0.113510, 0, 0.316060)),
    "res-3s 1/3": (res_3s(THIRD, TWO_THIRDS), (0, 0.009494, 0.007296, 0, 0.006691, 0.014866, 0)),
    "res-3s 1/2": (res_3s(HALF, F(1)), (0, 0.009494, 0.003889, 0, 0.000919, 0.020745, -0.026127)),
    "wrong gamma": (WRONG_GAMMA, (0, -0.113132, -0.033580, 0, 0.025854, 0.028132, 0.036688)),
    "etd3rk": (scheme("etd3rk"), (0, 0, -0.000858, 0.001725, 0.003495, 0.021630, -0.020357)),
    "etd4rk": (scheme("etd4rk"), (0, 0, -0.000858, -0.000726, 0.002883, -0.002712, -0.002418)),
    "krogstad": (scheme("krogstad-4"), (0, 0, -0.000858, 0, 0.003064, -0.003179, 0)),
    "strehmel-weiner": (scheme("strehmel-weiner-4"), (0, 0, -0.000858, 0, 0.003064, -0.003179, 0)),
    "hochbruck-ostermann": (scheme("hochbruck-ostermann-4"), (0, 0, -0.000858, 0, 0.002287, 0, 0)),
}


@pytest.mark.parametrize("name", PSI)
def test_stiff_residuals_at_unit_step(name):
    member, expected = PSI[name]
    conditions = Conditions(member, highest=4)
    at_one = dict.fromkeys(conditions.field.names, -1)

    def value(function):
        return conditions.evaluate(function, at_one)

    third, fourth = list(conditions.values(3, shared=True)), list(conditions.values(4, shared=True))
    found = [value(conditions.psi(2)), value(third[0]), value(fourth[0]), value(third[1]), *map(value, fourth[1:])]
    # the table prints six decimals
    assert found == pytest.approx(expected, abs=6e-7)


CLOSED = {  # exponential-iia.md 2.3: psi_2, psi_3, S2; 2.4, multistep: psi_2, psi_3; phi(k, c) is phi_k(-c h)
    "ddim": (scheme("ddim"), "phi(2)", "phi(3)", "0"),
    "res-2s": (scheme("res-2s"), "0", "phi(3) - c2*phi(2)/2", "c2*phi(2)*phi(2, c2)"),
    "dpmpp-2s": (scheme("dpmpp-2s"), "phi(2) - phi(1)/2", "phi(3) - c2*phi(1)/4", "c2/2*phi(1)*phi(2, c2)"),
    "edm heun": (
        data_form(scheme("heun-edm")),
        *("phi(2) - exp(h)*phi(1)/2", "phi(3) - exp(h)*phi(1)/4", "exp(h)*phi(1)*phi(2)/2"),
    ),
    "res-3s": (scheme("res-3s"), "0", "phi(3) - phi(2)/3", "0"),
    # (gamma c2^2 + c3^2)/(2 (gamma c2 + c3)) is 2/3 and 7/18
    "wrong gamma 1/3": (WRONG_GAMMA, "0", "phi(3) - 2*phi(2)/3", "0"),
    "wrong gamma 1": (wrong_gamma(F(1), HALF), "0", "phi(3) - 7*phi(2)/18", "0"),
    "dpmpp-3s": (scheme("dpmpp-3s"), "0", "phi(3) - phi(2)/3", "0"),
    "dpm-solver-3": (scheme("dpm-solver-3"), "0", "phi(3) - phi(2)/3", "0"),
    "dpmpp-3s 3/5": (scheme("dpmpp-3s(r_2=3/5)"), "0", "phi(3) - 3*phi(2)/10", "0"),
    "dpmpp-3s 1": (scheme("dpmpp-3s(r_2=1)"), "0", "phi(3) - phi(2)/2", "0"),
    "dpmpp-3s-taylor": (
        dpmpp_3s_taylor(THIRD, TWO_THIRDS),
        *("0", "0", "(2*phi(2)/3 - 2*phi(3))*phi(2, Rational(1, 3))"),
    ),
    "krogstad": (scheme("krogstad-4"), "0", "0", "0"),
    "strehmel-weiner": (scheme("strehmel-weiner-4"), "0", "0", "0"),
    "hochbruck-ostermann": (scheme("hochbruck-ostermann-4"), "0", "0", "0"),
    "etd3rk": (scheme("etd3rk"), "0", "0"),
    "etd4rk": (scheme("etd4rk"), "0", "0"),
    "dpmpp-2m": (scheme("dpmpp-2m"), "phi(2) - phi(1)/2", "phi(3) + r0*phi(1)/4"),
    "res-2m": (scheme("res-2m"), "0", "phi(3) + r0*phi(2)/2"),
    "unip-2 bh1": (predictor("unipc(2, variant=bh1)"), "phi(2) - 1/2", "phi(3) + r0/4"),
    "unip-2 bh2": (predictor("unipc(2)"), "phi(2) - phi(1)/2", "phi(3) + r0*phi(1)/4"),
    "unip-3": (predictor("unipc(3)"), "0", "0"),
    "unip-4": (predictor("unipc(4)"), "0", "0"),
    "unic-1 bh1": (scheme("unipc(1, variant=bh1)"), "phi(2) - 1/2", "phi(3) - 1/4"),
    "unic-1 bh2": (scheme("unipc(1)"), "phi(2) - phi(1)/2", "phi(3) - phi(1)/4"),
    "unic-2": (scheme("unipc(2)"), "0", "0"),
    "res-3m": (scheme("res-3m"), "0", "0"),
    "dpmpp-3m": (scheme("dpmpp-3m"), "0", "phi(3)/2"),
    "res_3m, exponent 2": (res4lyf_3m(2), "0", "phi(3) - phi(2)/3"),
}


def closed(text):
    """A formula of the spec in h and the symbols of a scheme."""
    h = sympy.Symbol("h")

    def phi_of(k, c=1):
        return sympy.exp(-c * h) if k == 0 else (phi_of(k - 1, c) - sympy.Rational(1, factorial(k - 1))) / (-c * h)

    return sympy.sympify(text, {"phi": phi_of})


# of the conditions of an order, in the order of exponential-iia.md 2.2
PLACES = {"psi2": (2, 0), "psi3": (3, 0), "psi4": (4, 0), "S2": (3, 1), "S3": (4, 1), "ba2": (4, 2), "bc2": (4, 3)}


def condition(conditions, name, weak=False):
    if name == "psi1":
        return conditions.psi(1)
    if name == "psi1 of a stage":
        return conditions.stage_psi(1, next(i for i, node in enumerate(conditions.nodes) if not node.exact))
    p, place = PLACES[name]
    return next(islice(conditions.values(p, shared=True, weak=weak), place, None))


@pytest.mark.parametrize("name", CLOSED)
def test_stiff_residuals_in_closed_form(name):
    """For every step, abscissa and step ratio."""
    member, *formulas = CLOSED[name]
    conditions, h = Conditions(member, highest=3), sympy.Symbol("h")
    assert conditions.psi(1) == {}
    for name, formula in zip(("psi2", "psi3", "S2"), formulas, strict=False):
        function = condition(conditions, name)
        value = sympy.S.Zero
        for powers, factor in function.items():
            exponent = sum((conditions.field.expression(c) for _, c in powers), start=sympy.S.Zero)
            value += conditions.field.expression(factor).subs("z1", -h) * sympy.exp(-h * exponent)
        assert sympy.cancel(sympy.expand(value - closed(formula))) == 0, formula


@pytest.mark.parametrize("p", [3, 4])
def test_unipc_solves_the_whole_system(p):
    """exponential-iia.md 2.4: psi_1 to psi_p vanish for the predictor, psi_1 to psi_{p+1} for the corrector."""
    ahead, corrected = (Conditions(x, highest=2) for x in (predictor(f"unipc({p})"), scheme(f"unipc({p})")))
    assert [bool(ahead.psi(j)) for j in range(1, p + 2)] == [False] * p + [True]
    assert [bool(corrected.psi(j)) for j in range(1, p + 3)] == [False] * (p + 1) + [True]


@pytest.mark.parametrize(
    ("name", "weak", "holds"),
    [
        ("krogstad-4", False, [False, False, False, True]),
        ("strehmel-weiner-4", False, [False, False, False, True]),
        ("hochbruck-ostermann-4", False, [False, False, True, True]),
        ("hochbruck-ostermann-4", True, [True, True, True, True]),
    ],
)
def test_which_conditions_of_order_4_hold(name, weak, holds):
    """exponential-iia.md 2.3: conditions 6 to 9, identically."""
    conditions = Conditions(scheme(name), highest=4)
    assert [not condition(conditions, own, weak) for own in ("psi4", "S3", "ba2", "bc2")] == holds


LEADING = [  # exponential-iia.md 2.3 and 2.4: first terms in h; "weak" has b at 0 in place of b
    ("ddim", "psi2", "1/2"),
    ("res-2s", "psi3", "1/6 - c2/4"),
    ("res-2s", "S2", "c2/4"),
    ("lawson-2", "psi1", "h**2/24"),
    ("lawson-2", "psi1 of a stage", "h/8"),
    ("lawson-2", "psi2", "h/12"),
    ("lawson-2", "psi3", "1/24"),
    ("lawson-2", "S2", "1/8"),
    ("lawson-4", "psi1", "-h**4/2880"),
    ("lawson-4", "psi1 of a stage", "h/8"),
    ("lawson-4", "psi2", "-h**3/720"),
    ("lawson-4", "psi3", "-h**2/480"),
    ("lawson-4", "S2", "h**2/192"),
    ("etd3rk", "S2", "13*h**2/2880"),
    ("etd3rk", "weak S2", "h/24"),
    ("etd4rk", "S2", "-h**2/576"),
    ("etd4rk", "weak S2", "h**2/576"),
    *(
        (name, *row)
        for name in ("krogstad-4", "strehmel-weiner-4")
        for row in (("S3", "h/192"), ("weak S3", "h/576"), ("ba2", "-h/144"), ("weak ba2", "h/288"))
    ),
    ("res-3s", "psi3", "h/72"),
    ("dpmpp-3s", "psi3", "h/72"),
    (dpmpp_3s_taylor(THIRD, TWO_THIRDS), "S2", "-h/72"),
    (WRONG_GAMMA, "psi3", "-1/6"),
    (wrong_gamma(F(1), HALF), "psi3", "-1/36"),
    ("res-3s(c2=1/2, c3=1)", "psi4", "h/180"),
    ("res-3s(c2=1/3, c3=2/3)", "psi4", "1/216"),
    *((f"{name}-4", "psi4", "-h/720") for name in ("krogstad", "strehmel-weiner", "hochbruck-ostermann")),
    ("etd3rk", "psi4", "-h/720"),
    ("etd4rk", "psi4", "-h/720"),
    (predictor("unipc(2, variant=bh1)"), "psi2", "-h/6"),
    ("unipc(1, variant=bh1)", "psi2", "-h/6"),
    ("unipc(1, variant=bh1)", "psi3", "-1/12"),
    ("unipc(1)", "psi2", "h/12"),
    ("unipc(1)", "psi3", "-1/12"),
    ("res-3m", "psi4", "3/8"),
    ("dpmpp-3m", "psi3", "1/12"),
    ("res-2m", "psi3", "5/12"),
    (res4lyf_3m(3), "psi3", "1/2"),
    (res4lyf_3m(2), "psi3", "h/72"),
]


@pytest.mark.parametrize(("member", "name", "printed"), LEADING, ids=lambda x: getattr(x, "name", x))
def test_first_terms_of_the_stiff_residuals(member, name, printed):
    """At equal steps, and at c2 = 2/7, c3 = 4/5 where the scheme has those."""
    conditions, h = Conditions(scheme(member), highest=4), F(1, 10**6)
    at = {name: F(1) for name in conditions.field.names} | {"c2": F(2, 7), "c3": F(4, 5), "z1": -h}
    found = conditions.evaluate(condition(conditions, name.removeprefix("weak "), name.startswith("weak")), at)
    first = closed(printed).subs({"h": sympy.Rational(h), "c2": sympy.Rational(2, 7)})
    # the next term is a few h of the first
    assert found / float(first) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_ipndm_loses_an_order_to_unequal_steps(k):
    """exponential-iia.md 2.4: for k = 2 the residual is (1 - r0)/2, exact minus numerical; it vanishes at r = 1."""
    found = order(scheme(f"ipndm({k})"))
    (residual,) = {found.field.expression(value) for value in found.residuals.values()}
    assert found.p == 1
    assert residual.subs({f"r{j}": 1 for j in range(k)}) == 0
    assert k > 2 or residual.equals(-(1 - sympy.Symbol("r0")) / 2)


def test_leading_stiff_residuals():
    """exponential-iia.md 2.3 and 2.4, z = -h: DPM++2S psi_2 = h/12, DPM++2M psi_2 = h/12, psi_3 = 1/6 + r0/4.

    EDM's Heun scheme, which freezes the noise in the noise level, has psi_2 = -5h/12, psi_3 = -1/12 in data form.
    """
    heun = Conditions(data_form(scheme("heun-edm")))
    assert heun.psi_taylor(2, 1) == [0, F(5, 12)]
    assert heun.psi_taylor(3) == [F(-1, 12)]
    assert stiff_order(data_form(scheme("heun-edm"))).weak == 2
    for name in ("dpmpp-2s", "dpmpp-2m"):
        assert Conditions(scheme(name)).psi_taylor(2, 1) == [0, F(-1, 12)]
    for name in ("dpmpp-2m", "res-2m"):
        conditions = Conditions(scheme(name))
        r = conditions.field.symbols["r0"]
        assert conditions.psi_taylor(3) == [(2 + 3 * r) / 12]
    assert Conditions(scheme("res-2s")).psi(2) == {}


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


DRAWN = {f"r{j}": F(r) for j, r in enumerate(["5/7", "9/4", "2/3", "8/5", "7/6", "3/11", "13/9", "4/5", "17/6", "6/5"])}


@pytest.mark.parametrize("p", [3, 4])
def test_the_order_of_unipc_at_step_ratios_drawn_at_random(p):
    member = scheme(f"unipc({p})")
    assert order(member, ratios=DRAWN).p == p + 1 == member.claims.classical


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


def test_error_constants_where_the_declaration_alone_does_not_settle_them():
    assert error_constant(scheme("ipndm")).square == 0  # the equal-step weights on equal steps
    assert error_constant(scheme("iia-edm")) == error_constant(scheme("heun-edm"))  # not fitted
    assert error_constant(scheme("res-2s")) == error_constant(scheme("res-2s(c2=1/2)"))
    assert error_constant(scheme("res-2s")) != error_constant(scheme("res-2s(c2=1)"))
    for name in ("heun-edm-churn", "euler-ancestral", "gauss-fit-2m"):
        assert error_constant(scheme(name)) is None


def test_without_the_accelerator_the_proofs_are_the_same(monkeypatch):
    import numtoolkit.symbolic.numbers as fields

    fast = [verify(scheme(name)) for name in ("res-2s", "dpmpp-2m")]
    monkeypatch.setattr(fields, "flint", None)
    assert [verify(scheme(name)) for name in ("res-2s", "dpmpp-2m")] == fast


def test_the_frame_of_the_linear_flow_loses_nothing():
    for name in ("ddim", "heun-edm", "res-2s(c2=1/3)", "dpmpp-2s(c2=1/2)", "res-2m"):
        frame = StepInClock(scheme(name))
        full = residuals(frame, 3, absorb_linear_flow=False)[1]
        short = residuals(frame, 3, absorb_linear_flow=True)[1]
        assert [bool(g) for g in full] == [bool(g) for g in short]
        # words without L keep their coefficient
        assert all(full[w].get(term) == value for w in range(4) for term, value in short[w].items())


def test_stiff_order_is_for_exponential_schemes_only():
    found = {m.family for m in catalogue() if applies(m)}
    assert found == {"exponential", "exponential multistep", "fitted"}


def test_wrong_parameters_are_refuted_with_their_residual():
    verdict = verify(scheme("roba(lambda_s=2)"))
    assert (verdict.verdict, verdict.ok, verdict.derived["sde_weak"]) == ("refuted", False, 0)
    assert verdict.residuals == [{"order": 1, "tree": "Q.x", "value": "1"}]
    typo = exponential("typo", [0, HALF], [[]], [phi(2) * F(201, 100)], 2)
    assert verify(typo).verdict == "refuted"
    assert verify(replace(typo, claims=Claims(2, refuted=("classical",)))).ok
    assert verify(replace(typo, claims=Claims(0))).verdict == "higher"


# phase space: local errors against hand-derived formulas (psld.md 3.2), on random rational data


class Score:
    """A random score S(s; x, m), affine in time and quadratic in the state; everything rational."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        self.rational = lambda *shape: np.array(
            [F(int(a), int(b)) for a, b in zip(draw.integers(-9, 10, 64), draw.integers(1, 8, 64), strict=True)], object
        )[: int(np.prod(shape))].reshape(shape)
        self.z, self.value, self.slope, self.time = (
            self.rational(2), self.rational(2), self.rational(2, 2), self.rational(2))  # fmt: skip
        Gamma, nu, k = F(1, 7), F(9, 2), F(5, 3)
        self.Gamma, self.nu, self.k, self.M = Gamma, nu, k, 1 / k
        self.L = np.array([[Gamma, -k], [F(1), nu]], object) / 2
        self.N = np.array([[Gamma, F(0)], [F(0), nu / k]], object) / 2

    def word(self, word, vector):
        for name, row, jet in reversed(word):
            assert jet == 0
            vector = getattr(self, name) @ vector
            if row:
                keep = 0 if row == "x" else 1
                vector = np.array([v if i == keep else F(0) for i, v in enumerate(vector)], object)
        return vector

    def term(self, term):
        word, leaf = term
        return self.word(word, self.tree(leaf) if leaf else self.z)

    def tree(self, tree):
        time, children = tree
        if (time, len(children)) == (0, 0):
            return self.value
        if (time, len(children)) == (1, 0):
            return self.time
        assert (time, len(children)) == (0, 1)
        return self.slope @ self.term(children[0])

    def freeze_the_drift(self):
        """Take the whole drift for the network, as euler does."""
        self.value, self.slope = self.L @ self.z + self.N @ self.value, self.L + self.N @ self.slope
        self.time, self.N = self.N @ self.time, np.diag([F(1), F(1)])

    def formulas(self):
        """psld.md 3.2 with b = 1/2, per unit of the integral of beta; numerical minus exact, coefficient of h^2."""
        b, (x, m), (Sx, Sm), (Sxs, Sms) = F(1, 2), self.z, self.value, self.time
        Gamma, nu, k, M = self.Gamma, self.nu, self.k, self.M
        (Sxx, Sxm), (Smx, Smm) = self.slope
        f, g = b * (Gamma * x - k * m + Gamma * Sx), b * (x + nu * m + M * nu * Sm)
        fx, fm, fs = b * Gamma * (1 + Sxx), b * (-k + Gamma * Sxm), b * Gamma * Sxs
        gx, gm, gs = b * (1 + M * nu * Smx), b * nu * (1 + M * Smm), b * M * nu * Sms
        X2, M2 = fs + fx * f + fm * g, gs + gx * f + gm * g
        along = Sxs + Sxx * f + Sxm * g
        return {
            "euler": (-X2 / 2, -M2 / 2),
            "nse": (fm * g - X2 / 2, -M2 / 2),
            "rse": (-b * k * g - X2 / 2, -M2 / 2),
            "nvv": (-(fs + fx * f) / 2, -gs / 2 - gm * g / 4),
            "rvv": (-b * Gamma / 2 * (f + along), -gm * g / 4),
            "rvv-unshifted": (-b * Gamma / 2 * (f + along), -gs / 2 - gm * g / 4),
        }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["euler", "nse", "rse", "nvv", "rvv", "rvv-unshifted"])
def test_local_errors_of_the_phase_space_splittings(name, seed):
    score = Score(seed)
    expected = score.formulas()[name]
    if name == "euler":
        score.freeze_the_drift()
    found = sum((v * score.term(term) for term, v in order(scheme(name)).residuals.items()), np.array([F(0), F(0)]))
    assert tuple(found) == expected


class AffineScore(Score):
    """Random rational blocks of the reverse SDE (psld.md 3.4), K = -F + Q J in reverse time."""

    def __init__(self, seed):
        super().__init__(seed)
        Gamma, nu, k = self.Gamma, self.nu, self.k
        diag = lambda a, b: np.array([[a, F(0)], [F(0), b]], object)  # noqa: E731
        self.Q = diag(Gamma, nu / k)
        self.N = self.Q
        self.O = -diag(Gamma, nu) / 2
        self.R = self.L - self.Q @ diag(F(1), k)
        self.J = [self.rational(2, 2), self.rational(2, 2)]
        root = self.rational(2, 2)
        self.C = root @ root.T

    def freeze_the_drift(self):
        """Take the whole drift for the network, as em does."""
        self.J = [self.L + self.Q @ self.J[0], self.Q @ self.J[1]]
        self.N = np.diag([F(1), F(1)])

    def matrix(self, word):
        result = np.array([[F(1), F(0)], [F(0), F(1)]], object)
        for name, row, jet in word:
            block = self.J[jet] if name == "J" else getattr(self, name)
            result = result @ (block if not row else self.cut(block, row))
        return result

    def cut(self, block, row):
        keep = self.rows(row)
        return np.array([[x * keep[i] for x in line] for i, line in enumerate(block)], object)

    def rows(self, row):
        return [F(row == "x"), F(row == "m")]

    def defect(self, mean, covariance):
        """The coefficient of h^2 of the covariance after a step from covariance C."""
        R2 = sum((c * self.matrix(w) for w, c in mean.items() if w[-1][0] != "j"), self.Q * 0)
        total = R2 @ self.C + self.C @ R2.T
        for (left, rate, right), c in covariance.items():
            if rate[2]:  # a time derivative of Q, which is constant
                continue
            Q = self.Q if not rate[1] else self.cut(self.Q, rate[1])
            total = total + c * self.matrix(left) @ Q @ self.matrix(right).T
        return total

    def formula(self, name):
        sym = lambda X: X + X.T  # noqa: E731
        K, Q, C, OU, J = self.L + self.Q @ self.J[0], self.Q, self.C, self.O, self.J[0]
        slope = self.Q @ self.J[1]
        Al, As = self.cut(self.L - OU, "x"), self.cut(Q @ J, "x")
        A, B = Al + As, self.cut(self.L - OU + Q @ J, "m")
        first = K @ C + C @ K.T + Q
        exact = (sym(slope @ C) + K @ first + first @ K.T) / 2
        Fa, Sp = self.R, K - self.R
        W = sym((A + B) @ Q) + sym(OU @ Q) / 2
        whole, late = OU @ OU / 2 + (A + B) @ OU, OU @ OU / 2 + OU @ (A + B)
        P2, W2 = {
            "em": (Q * 0, Q * 0),
            "sscs": ((Fa @ Fa + Fa @ Sp + Sp @ Fa) / 2, sym(K @ Q) / 2),
            "noba": (whole + A @ B, W),
            "roba": (whole + Al @ B, W),
            "nbao": (late + A @ B, sym(OU @ Q) / 2),
            "rbao": (late + Al @ B, sym(OU @ Q) / 2),
            "nobab": (whole + (A @ B + B @ A) / 2 + B @ B / 4, W),
            "robab": (whole + (Al @ B + B @ A) / 2 + B @ B / 4 + self.cut(slope, "m") / 2, W),
        }[name]
        return sym(P2 @ C) + K @ C @ K.T + W2 - exact


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["em", "sscs", "noba", "roba", "nbao", "rbao", "nobab", "robab"])
def test_covariance_defects_of_the_stochastic_splittings(name, seed):
    """psld.md 3.4, exactly, on random rational blocks and incoming covariance."""
    score = AffineScore(seed)
    expected = score.formula(name)
    if name == "em":
        score.freeze_the_drift()
    _, mean, covariance, _ = defects(StepInClock(scheme(name)), 2)
    assert (score.defect(mean, covariance) == expected).all()


def test_stochastic_residuals_name_the_defect():
    """psld.md 3.4: SSCS fails only through its score part, Euler and told the time of the start."""
    found = weak_order(scheme("sscs"))
    assert (found.weak, found.strong, found.general) == (1, 1, True)
    words = {str(row["tree"]): str(row["value"]) for row in found.residuals}
    assert words["N j1"] == "-1/2"
    assert words["N J N j"] == "-1/2"
