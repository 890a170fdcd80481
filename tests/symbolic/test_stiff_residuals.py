"""Residuals of the stiff order conditions are the published ones: in numbers, in closed form, in their first term."""

from fractions import Fraction as F
from itertools import islice
from math import factorial

import pytest
import sympy

from numtoolkit.declare.entries import ZERO, flow, phi
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.data_form import data_form
from numtoolkit.symbolic.stiff import StiffConditions, stiff_order
from tests.support.declarations import (
    HALF,
    THIRD,
    TWO_THIRDS,
    WRONG_GAMMA,
    dpmpp_3s_taylor,
    exponential,
    predictor,
    res4lyf_3m,
    res_3s,
    wrong_gamma,
)

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
    """Seven residuals of 14 schemes have the six printed decimals."""
    member, expected = PSI[name]
    conditions = StiffConditions(member, highest=4)
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
    """The residuals are the published formulas for every step, abscissa and step ratio."""
    member, *formulas = CLOSED[name]
    conditions, h = StiffConditions(member, highest=3), sympy.Symbol("h")
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
    ahead, corrected = (StiffConditions(x, highest=2) for x in (predictor(f"unipc({p})"), scheme(f"unipc({p})")))
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
    conditions = StiffConditions(scheme(name), highest=4)
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
    conditions, h = StiffConditions(scheme(member), highest=4), F(1, 10**6)
    at = {name: F(1) for name in conditions.field.names} | {"c2": F(2, 7), "c3": F(4, 5), "z1": -h}
    found = conditions.evaluate(condition(conditions, name.removeprefix("weak "), name.startswith("weak")), at)
    first = closed(printed).subs({"h": sympy.Rational(h), "c2": sympy.Rational(2, 7)})
    # the next term is a few h of the first
    assert found / float(first) == pytest.approx(1, rel=1e-5)


def test_leading_stiff_residuals():
    """exponential-iia.md 2.3 and 2.4, z = -h: DPM++2S psi_2 = h/12, DPM++2M psi_2 = h/12, psi_3 = 1/6 + r0/4.

    EDM's Heun scheme, which freezes the noise in the noise level, has psi_2 = -5h/12, psi_3 = -1/12 in data form.
    """
    heun = StiffConditions(data_form(scheme("heun-edm")))
    assert heun.psi_taylor(2, 1) == [0, F(5, 12)]
    assert heun.psi_taylor(3) == [F(-1, 12)]
    assert stiff_order(data_form(scheme("heun-edm"))).weak == 2
    for name in ("dpmpp-2s", "dpmpp-2m"):
        assert StiffConditions(scheme(name)).psi_taylor(2, 1) == [0, F(-1, 12)]
    for name in ("dpmpp-2m", "res-2m"):
        conditions = StiffConditions(scheme(name))
        r = conditions.field.symbols["r0"]
        assert conditions.psi_taylor(3) == [(2 + 3 * r) / 12]
    assert StiffConditions(scheme("res-2s")).psi(2) == {}


@pytest.mark.parametrize(("order", "count"), [(3, 2), (4, 4), (5, 9)])
def test_stiff_conditions_are_as_many_as_their_trees(order, count):
    """Counted by hand.

    Of order 5: psi_5 itself; below a weight psi_4, the three trees of order 4 and psi_2 twice; with a factor c the two
    of order 3; with c^2 psi_2.
    """
    assert len(list(StiffConditions(scheme("krogstad-4")).values(order))) == count


def test_conditions_that_hold_where_operators_commute_may_fail_elsewhere():
    """b_2 = 0, b_3 and b_4 are orders 2 and 3, and the defects of the stages are b_4 and -b_3.

    So b_3(z1) b_4(z2) - b_4(z1) b_3(z2), the tree of order 3, vanishes for z1 = z2 alone.
    """
    half = F(1, 2)
    b3, b4 = 4 * phi(2) - 8 * phi(3), 4 * phi(3) - phi(2)
    rows = [[], [2 * (phi(2, half) / 4 - b4)], [2 * (phi(2) + b3), ZERO]]
    found = stiff_order(exponential("crossed", [0, half, half, 1], rows, [ZERO, b3, b4]))
    assert (found.strong, found.commuting, found.weak) == (2, 3, 2)


def test_an_entry_is_another_function_on_each_edge():
    """exp(z1) is not exp(z2)."""
    conditions = StiffConditions(scheme("ddim"))
    one, two = (conditions.read(flow(), z) for z in ("z1", "z2"))
    number = conditions.field.number(1)
    assert (one, two) == ({(("z1", number),): number}, {(("z2", number),): number})
