"""Stationary laws of Langevin splittings in a harmonic well are those of the literature, and what long runs come to."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from numtoolkit import number, stationary_bias
from numtoolkit.errors import InputError
from numtoolkit.symbolic.splittings import Splitting, SubFlow, splitting

x, e, g = sympy.symbols("x e g")
KEPT = 1 - x**2 / 4
# (word, omega^2 <q q>/T, omega <q p>/T, <p p>/T): Leimkuhler & Matthews 2013, table of exact rational identities
IDENTITIES = [
    ("BAOAB", 1, 0, KEPT),
    ("ABOBA", 1, 0, 1 / KEPT),
    ("OBABO", 1 / KEPT, 0, 1),
    ("OABAO", KEPT, 0, 1),
    ("BAOA", 1, x / 2, 1),
]
# the same to second order in h: what gamma stands in
EXPANSIONS = [
    ("AOBOA", [0, 0, g**2 / 8], [0, 0, 0], [0, 0, sympy.Rational(1, 4)]),
    ("BOAOB", [0, 0, (g**2 + 2) / 8], [0, 0, -g / 4], [0, 0, 0]),
    ("BAO", [0, -g / 2, (g**2 + 1) / 4], [0, sympy.Rational(1, 2), -g / 2], [0, 0, sympy.Rational(1, 4)]),
    ("ABO", [0, g / 2, (g**2 + 1) / 4], [0, -sympy.Rational(1, 2), 0], [0, 0, sympy.Rational(1, 4)]),
]


def zero(expression: object) -> bool:
    return sympy.simplify(expression) == 0


@pytest.mark.parametrize(("word", *"qcp"), IDENTITIES, ids=[row[0] for row in IDENTITIES])
def test_symmetric_splittings_have_the_published_stationary_laws(word, q, c, p):
    """Rational in h with gamma dropping out: the position of BAOAB is exact, the momentum of OBABO is."""
    found = stationary_bias(word)
    assert all(map(zero, found.covariance - sympy.Matrix([[q, c], [c, p]])))
    assert [found.exact(name) for name in ("qq", "qp", "pp")] == [q == 1, c == 0, p == 1]


@pytest.mark.parametrize(("word", *"qcp"), EXPANSIONS, ids=[row[0] for row in EXPANSIONS])
def test_biases_with_damping_in_them_expand_as_published(word, q, c, p):
    """In omega h with g = gamma / omega, to second order; the order is that of the first power there is."""
    found = stationary_bias(word)
    for name, expected in (("qq", q), ("qp", c), ("pp", p)):
        assert all(map(zero, np.subtract(found.series(name, 2), expected)))
    assert found.order == (1 if word in ("BAO", "ABO") else 2)


def test_the_position_of_aoboa_is_the_hyperbolic_cosine_of_the_damping():
    """cosh(gamma h / 2) exactly, in e = exp(-gamma h / 2), and to every power of h."""
    found = stationary_bias("AOBOA")
    assert zero(found.expression("qq") - (e + 1 / e) / 2)
    terms = [(g / 2) ** k / sympy.factorial(k) if k and k % 2 == 0 else 0 for k in range(9)]
    assert all(map(zero, np.subtract(found.series("qq", 8), terms)))


@pytest.mark.parametrize("word", ["BAOAB", "O B A", "A/2 O/3 B O/3 A/2 O/3", "2/3*A B/2 O 1/3*A B/2"])
def test_closed_forms_are_what_long_runs_come_to(word):
    """The formula at numbers, the linear system in float64, and the covariance of 4000 steps from nothing."""
    found, own, damping = stationary_bias(word), 0.7, 1.3
    closed = found.covariance.subs({x: own, e: sympy.exp(-sympy.Float(damping * own, 30) / found.root)})
    np.testing.assert_allclose(np.array(closed, dtype=float), found.at(own, damping), rtol=0, atol=1e-12)
    R, Q = found._numbers(own, damping)
    now = start = np.array([[2.0, 0.3], [0.3, 0.5]])
    for steps in range(1, 4001):
        now = R @ now @ R.T + Q
        if steps == 3:
            np.testing.assert_allclose(found.after(3, own, damping, start), now, rtol=0, atol=1e-12)
    np.testing.assert_allclose(now, found.at(own, damping), rtol=0, atol=1e-12)


def test_a_step_of_baoab_is_the_product_of_its_flows():
    """R and Q by hand: each flow a matrix, O's noise 1 - exp(-gamma h) on the momentum."""
    R, Q = stationary_bias("BAOAB")._numbers(0.5, 2.0)
    A, B = np.array([[1, 0.25], [0, 1]]), np.array([[1, 0], [-0.25, 1]])
    keep = np.exp(-1.0)
    np.testing.assert_allclose(R, B @ A @ np.diag([1, keep]) @ A @ B, rtol=1e-14)
    spread = B @ A @ np.diag([0, 1 - keep**2]) @ A.T @ B.T
    np.testing.assert_allclose(Q, spread, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("word", ["BAOAB", "ABOBA", "OBABO", "BAO", "A/3 B O/2 2/3*A O/2"])
def test_a_run_of_steps_is_known_by_trace_and_determinant(word):
    """The determinant is exp(-gamma h) for every word; by both, seven steps are a recursion of numbers."""
    found, x, rate = stationary_bias(word), 0.7, 1.3
    damped = np.exp(-rate * x / found.root)
    trace, det = (float(own.subs({"x": x, "e": damped})) for own in found.characteristic)
    assert found.characteristic[1] == sympy.Symbol("e") ** found.root
    s = [0.0, 1.0]
    while len(s) < 8:
        s.append(trace * s[-1] - det * s[-2])
    R, start = s[7] * found._numbers(x, rate)[0] - det * s[6] * np.eye(2), np.diag([2.0, 0.5])
    P = found.at(x, rate)
    np.testing.assert_allclose(found.after(7, x, rate, start), P + R @ (start - P) @ R.T, rtol=0, atol=1e-14)


def test_a_word_in_short_is_that_with_its_lengths():
    """Letters that stand n times are of length 1/n; a splitting is read as its word is."""
    for long in ("B/2 A/2 O A/2 B/2", splitting("B/2 A/2 O A/2 B/2")):
        assert stationary_bias(long) == stationary_bias("BAOAB")
    assert stationary_bias("BAOAB").word == "B/2 A/2 O A/2 B/2"


def test_stationary_laws_have_their_faces():
    """A table of entries, LaTeX with the letters said, a repr with the order of the bias."""
    found = stationary_bias("BAOAB")
    assert repr(found) == "<StationaryBias of B/2 A/2 O A/2 B/2: bias h^2>"
    assert found.table()[2] == {"entry": "pp", "value": "-(x - 2)*(x + 2)/4", "exact": False, "bias": "-x**2/4"}
    assert r"\langle p^2\rangle/T &= - \frac{\left(x - 2\right) \left(x + 2\right)}{4}" in found.latex()
    assert r"\eta = e^{-\gamma h/2}" in found._repr_latex_()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("euler", "'euler' is no splitting"),
        ("", "'' is no splitting"),
        ("B A C", "the letter C is no flow of Langevin's equation"),
        ("B A/2 O", "the lengths of A sum to 1/2"),
        ("a1*A B O", "a length a1 or a time of its own"),
        ("A B@0 O", "or a time of its own"),
        ("AB", "leaves no law as it is"),
        ("BO", "leaves no law as it is"),
        ("A B O/65 64/65*O", "common denominator 130"),
    ],
)
def test_what_has_no_stationary_law_is_refused(word, said):
    """Other words, letters and lengths, and splittings whose energy nothing dissipates."""
    with pytest.raises(InputError, match=said):
        stationary_bias(word)


def test_a_damping_backwards_is_refused():
    """Its noise would have a negative variance, whatever comes after it."""
    backwards = [
        SubFlow(letter, number(length)) for letter, length in (("A", 1), ("B", 1), ("O", "3/2"), ("O", "-1/2"))
    ]
    with pytest.raises(InputError, match="O of negative length draws no noise"):
        stationary_bias(Splitting("own", tuple(backwards)))


def test_numbers_are_refused_where_steps_are_not_stable():
    """BAOAB is stable to omega h = 2; its formula has a value beyond, which is no law."""
    found = stationary_bias("BAOAB")
    assert found.at(1.99, 1.0)[0, 0] == pytest.approx(1, abs=1e-9)
    with pytest.raises(InputError, match="not stable; take shorter ones"):
        found.at(2.01, 1.0)
    with pytest.raises(InputError, match="start"):
        found.after(3, 1.0, 1.0, [[1.0]])
    with pytest.raises(InputError, match="no entry of a stationary law"):
        found.exact("xx")
