"""Local errors as trees, brackets and blocks are the published ones, term by term."""

from __future__ import annotations

from fractions import Fraction as F
from math import factorial

import pytest
import sympy

from numtoolkit import local_error
from numtoolkit.errors import InputError
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.condition import in_order
from numtoolkit.symbolic.weak import weak_order
from tests.support.tiers import breadth

b, Gamma, nu, M, f, g = sympy.symbols("b Gamma nu M f g")
Sx_s, Sx_x, Sx_m, Sm_s, Sm_x, Sm_m = sympy.symbols("Sx_s Sx_x Sx_m Sm_s Sm_x Sm_m")

# psld.md 3.2, with k = 1/M
f_x, f_m, f_s = b * Gamma * (1 + Sx_x), b * (Gamma * Sx_m - 1 / M), b * Gamma * Sx_s
g_x, g_m, g_s = b * (1 + M * nu * Sm_x), b * nu * (1 + M * Sm_m), b * M * nu * Sm_s
X2, M2 = f_s + f_x * f + f_m * g, g_s + g_x * f + g_m * g
POSITION = -b * Gamma / 2 * (f + Sx_s + Sx_x * f + Sx_m * g)
DETERMINISTIC = {
    "euler": (-X2 / 2, -M2 / 2),
    "nse": (f_m * g - X2 / 2, -M2 / 2),
    "rse": (-b / M * g - X2 / 2, -M2 / 2),
    "nvv": (-(f_s + f_x * f) / 2, -g_s / 2 - g_m * g / 4),
    "rvv": (POSITION, -g_m * g / 4),
    "rvv-unshifted": (POSITION, -g_s / 2 - g_m * g / 4),
}


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_blocks_of_deterministic_splittings_are_the_published_ones(name):
    """psld.md 3.2, for every smooth score and in every letter."""
    found = local_error(name, "blocks")
    assert found.order == 2
    assert [sympy.expand(value) for value in found.part("") - sympy.Matrix(DETERMINISTIC[name])] == [0, 0]


def test_reusing_the_score_is_neutral_to_the_first_power_of_gamma():
    """psld.md 3.2: NSE - RSE = b Gamma S^x_m g in the position, and nothing in the momentum."""
    gap = local_error("nse", "blocks").part("") - local_error("rse", "blocks").part("")
    assert [sympy.expand(value) for value in gap] == [b * Gamma * Sx_m * g, 0]


def square(text):
    """A matrix of letters."""
    return sympy.Matrix(2, 2, sympy.symbols(text))


def defect(name):
    """psld.md 3.4: the coefficient of h^2 of the covariance, for a covariance C before the step."""
    J, slope = square("Jx_x Jx_m Jm_x Jm_m"), square("Jx_sx Jx_sm Jm_sx Jm_sm")
    Q = 2 * b * sympy.diag(Gamma, M * nu)
    C = sympy.Matrix([["c11", "c12"], ["c12", "c22"]])
    minus_F = b * sympy.Matrix([[Gamma, -1 / M], [1, nu]])
    K, turn, OU = minus_F + Q * J, Q * slope, -b * sympy.diag(Gamma, nu)
    x, m = sympy.diag(1, 0), sympy.diag(0, 1)
    Al, As, B = x * (minus_F - OU), x * Q * J, m * (minus_F - OU + Q * J)
    A = Al + As
    Fa = minus_F - Q * sympy.diag(1, 1 / M)
    Sp = K - Fa

    def sym(X):
        return X + X.T

    first = K * C + C * K.T + Q
    exact = (sym(turn * C) + K * first + first * K.T) / 2
    oba = sym((A + B) * Q) + sym(OU * Q) / 2
    early, late = OU * OU / 2 + (A + B) * OU, OU * OU / 2 + OU * (A + B)
    P2, W2 = {
        "em": (0 * Q, 0 * Q),
        "sscs": ((Fa * Fa + Fa * Sp + Sp * Fa) / 2, sym(K * Q) / 2),
        "noba": (early + A * B, oba),
        "roba": (early + Al * B, oba),
        "nbao": (late + A * B, sym(OU * Q) / 2),
        "rbao": (late + Al * B, sym(OU * Q) / 2),
        "nobab": (early + (A * B + B * A) / 2 + B * B / 4, oba),
        "robab": (early + (Al * B + B * A) / 2 + B * B / 4 + m * turn / 2, oba),
    }[name]
    return C, sym(P2 * C) + K * C * K.T + W2 - exact


STOCHASTIC = ("em", "sscs", "noba", "roba", "nbao", "rbao", "nobab", "robab")


@pytest.mark.parametrize("name", breadth(STOCHASTIC, lambda name: name == "robab"))
def test_blocks_of_stochastic_splittings_are_the_published_ones(name):
    """psld.md 3.4, in every letter: the matrix on the state and the noise make the defect of the covariance."""
    found = local_error(name, "blocks")
    C, expected = defect(name)
    mean = found.part("mean")
    gap = (mean * C + C * mean.T + found.part("noise") - expected).applyfunc(sympy.expand)
    assert (found.order, gap) == (2, sympy.zeros(2))


def test_the_score_part_alone_is_wrong_in_sscs():
    """psld.md 3.4: SSCS misses -(1/2) (Sp^2 + K') of the state, nothing of the noise, and likewise of the mean."""
    J, slope = square("Jx_x Jx_m Jm_x Jm_m"), square("Jx_sx Jx_sm Jm_sx Jm_sm")
    Q, found = 2 * b * sympy.diag(Gamma, M * nu), local_error("sscs", "blocks")
    Sp = Q * J + Q * sympy.diag(1, 1 / M)
    assert (found.part("mean") + (Sp**2 + Q * slope) / 2).applyfunc(sympy.expand) == sympy.zeros(2)
    assert found.part("noise") == sympy.zeros(2)
    offset, moved = (sympy.Matrix(sympy.symbols(names)) for names in ("jx jm", "jx_s jm_s"))
    assert (found.part("offset") + (Sp * Q * offset + Q * moved) / 2).applyfunc(sympy.expand) == sympy.zeros(2, 1)


def test_trees_of_the_conjugate_euler_step_are_the_published_error():
    """psld.md 3.2: -(1/2) (B^2 + B K - F B + N De), K = F + N eb, De = eb' + eb K, in matrices that do not commute.

    Time runs backward while sampling: L = -F, what multiplies the noise is -N, and eb falls by eb'; B is constant.
    """
    F_, N_, B_, eb, slope = sympy.symbols("F N B eb deb", commutative=False)
    letters = {"L": -F_, "N": -N_, "ones": B_}
    found = local_error("lambda-ddim-2")
    own = order(scheme("lambda-ddim-2"))

    def value(term):
        word, leaf = term
        result = sympy.Integer(1)
        for name, _, jet in word:
            result = result * (letters[name] if not jet or name != "ones" else 0)
        if not leaf:
            return result
        time, children = leaf
        return result * (-slope if time else eb) * (value(children[0]) if children else 1)

    total = sum(own.field.expression(c).subs("shift", 1) * value(term) for term, c in own.residuals.items())
    K = F_ + N_ * eb
    expected = -(B_ * B_ + B_ * K - F_ * B_ + N_ * (slope + eb * K)) / 2
    assert sympy.expand(total - expected) == 0
    assert (found.order, len(found.terms)) == (2, len(own.residuals))


def test_blocks_of_a_scheme_of_second_order():
    """Heun's method misses (F_ss + F_xx [f, f]) / 12 of the whole drift F, among others; F has b Gamma S^x in x.

    SSCS with a midpoint rule is told the middle of the step: it misses 1/4 - 1/3 of N J2, J2 half the derivative J_ss.
    """
    found = local_error("heun", "blocks")
    row = sympy.expand(found.part("")[0])
    assert found.order == 3
    assert [row.coeff(sympy.Symbol(name)) for name in ("Sx_ss", "Sx_xx")] == [b * Gamma / 12, b * Gamma * f**2 / 12]
    mean = local_error("sscs-midpoint", "blocks").part("mean")
    assert sympy.expand(mean[0, 0]).coeff(sympy.Symbol("Jx_ssx")) == -b * Gamma / 12


# trees on one Gaussian

u, J, c2 = sympy.symbols("u J c2")
ALONG = J / (J + (1 - J) * sympy.exp(-2 * u))  # dJ/dlambda = 2 J (1 - J)


def data_in_log_snr():
    """N and the slope of what is frozen, in the state that the linear part leaves alone, exp(lambda) x; s = 1."""
    return sympy.exp(u), ALONG * sympy.exp(-u)


def noise_in_log_snr():
    """Likewise; no drift acts but by the noise, and L = 0."""
    return -sympy.exp(-u), (1 - ALONG) * sympy.exp(u)


def noise_in_level():
    """Likewise, in the noise level: a step h of log-SNR is one of h there."""
    level, v = 1 - u, J / (1 - J)
    return sympy.Integer(-1), level / (v + level**2)


CONSTANTS = [  # exponential-iia.md 6.3: c(J) of the local error h^(p+1) G' c(J), exact minus numerical
    ("ddim", noise_in_log_snr, None),
    ("res-2s", data_in_log_snr, F(1, 6) - c2 / 4 + (c2 - F(1, 2)) * J),
    ("dpmpp-2s", data_in_log_snr, F(1, 4) - c2 / 4 + (c2 - F(1, 2)) * J),
    ("heun-edm", noise_in_level, -(1 - J) / 2),
    ("dpm-solver-2(c2=1/2)", noise_in_log_snr, sympy.Rational(-1, 8)),
    ("res-2m", data_in_log_snr, F(5, 12) * (1 - 3 * J)),
    ("dpmpp-2m", data_in_log_snr, F(5, 12) * (1 - 3 * J) + F(1, 12)),
    ("dpmpp-3m", data_in_log_snr, (1 - 3 * J) / 12),
    ("deis-rhoab(1)", noise_in_level, F(5, 4) * (1 - J)),
]


def on_a_gaussian(found, equation):
    """The terms of a local error where what is frozen is a(u) times the state, which is 1."""
    forcing, slope = equation()
    jets = [forcing.diff(u, j).subs(u, 0) / factorial(j) for j in range(4)]
    slopes = [slope.diff(u, j).subs(u, 0) for j in range(4)]

    def value(term):
        word, leaf = term
        if any(name == "L" for name, _, _ in word):
            return 0
        time, children = leaf
        if len(children) > 1:
            return 0
        own = slopes[time] * (value(children[0]) if children else 1)
        for name, row, jet in word:
            assert (name, row) == ("N", "")
            own = own * jets[jet]
        return own

    equal = dict.fromkeys(("r0", "r1"), 1)
    return sum(found.field.expression(c).subs(equal) * value(term) for term, c in found.residuals.items())


FIRST = ("ddim", "dpmpp-2s", "heun-edm", "dpmpp-2m")


@pytest.mark.parametrize(
    ("name", "equation", "constant"),
    breadth(CONSTANTS, lambda name, *rest: name in FIRST),
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_trees_on_one_gaussian_give_the_published_constants(name, equation, constant):
    """exponential-iia.md 6.2, 6.3: numerical minus exact is -G' c(J), G' = J (1 - J) x, at equal steps.

    Of DDIM it is -q (1 - q)/2 h^2 (`reference-values` 42).
    """
    found = order(scheme(name))
    if constant is None:
        constant = sympy.Rational(1, 2)
    gap = on_a_gaussian(found, equation) + constant * J * (1 - J)
    assert sympy.simplify(gap) == 0


def test_trees_are_the_first_residuals_of_the_order():
    """The terms of form trees are those that `order` finds, with their values."""
    for name in ("dpmpp-2s", "rvv", "rk4"):
        found, own = local_error(name), order(scheme(name))
        assert found.order == own.p + 1
        assert found.table() == own.table()
        assert [c.value for c in found.terms] != []
    law = weak_order(scheme("roba"))
    assert in_order(local_error("roba").table()) == law.residuals


# brackets


@pytest.mark.parametrize(
    ("word", "degree", "expected"),
    [
        ("B/2 A B/2", 3, {"[A,[A,B]]": F(1, 12), "[[A,B],B]": F(-1, 24)}),
        ("A/2 B A/2", 3, {"[A,[A,B]]": F(-1, 24), "[[A,B],B]": F(1, 12)}),
        ("A B", 2, {"[A,B]": F(1, 2)}),
        ("A@0 B@0", 2, {"[A,B]": F(1, 2), "[A,T]": F(1, 2), "[B,T]": F(1, 2)}),
        ("nse", 2, {"[A,B]": F(-1, 2), "[A,T]": F(1, 2), "[B,T]": F(1, 2)}),
        ("nvv", 2, {"[A,T]": F(1, 2), "[B,T]": F(1, 2)}),
    ],
)
def test_brackets_of_splittings(word, degree, expected):
    """`reference-values` 32, 33; NSE is the kick B before A, both told the time of the start, NVV is symmetric in both.

    exp(h A) exp(h B) exp(h T) - exp(h (A + B + T)) = h^2/2 ([A, B] + [A, T] + [B, T]) + ...
    """
    found = local_error(word, "brackets")
    assert (found.order, {c.tree: c.value for c in found.terms}) == (degree, expected)
    assert found.square == sum(value**2 for value in expected.values())


def test_faces_of_local_errors():
    """In a line at the prompt, as LaTeX for a paper; the letters of blocks as they are written by hand."""
    rvv, strang = local_error("rvv", "blocks"), local_error("B/2 A B/2", "brackets")
    assert repr(rvv) == "<LocalError of rvv: h^2, 2 terms>"
    assert rvv.table()[1] == {"order": 2, "tree": "m", "value": "-b*g*nu*(M*Sm_m + 1)/4"}
    assert r"x &= - \frac{\Gamma b \left(S^{x}_{m} g + S^{x}_{s} + S^{x}_{x} f + f\right)}{2}\,h^{2} \\" in rvv.latex()
    assert strang.latex().split("\n")[2:4] == [
        r"  & h^{3} \Bigl( \frac{1}{12}\,[A,[A,B]] \\",
        r"  & - \frac{1}{24}\,[[A,B],B] \Bigr) + O(h^{4}) \\",
    ]
    assert r"\frac{3 c_{2} - 2}{12}\,N\,e_{tt} \\" in local_error("dpmpp-2s").latex()
    assert rvv.square is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("res-2s", "blocks"), "scheme res-2s freezes data on scalar processes; take one that freezes the score"),
        (("ddim", "blocks"), "scheme ddim freezes noise on scalar and phase space processes; take one"),
        (("cvv", "blocks"), "scheme cvv freezes noise on phase space processes; take one"),
        (("rvv", "brackets"), "row Z3 of rvv is no flow of one part"),
        (("A B", "trees"), "the splitting 'A B' has a local error in brackets alone, not trees."),
        (("A", "brackets"), "A is exact to degree 9, beyond which it is not analysed."),
        (("rvv", "words"), "unknown form of a local error 'words'; known: blocks, brackets, trees."),
    ],
)
def test_forms_that_a_scheme_has_none_of_are_refused(given, sentence):
    """One sentence on what it is, and what has that form."""
    with pytest.raises(InputError) as refused:
        local_error(*given)
    assert str(refused.value).startswith(sentence)


def test_parts_that_a_form_does_not_have_are_refused():
    """Trees have no matrix."""
    with pytest.raises(InputError, match="the local error in trees has no part 'mean'; form blocks has them"):
        local_error("em").part("mean")
