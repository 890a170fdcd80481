"""Modified equations of splittings and of Runge-Kutta schemes are the published ones, term by term."""

from __future__ import annotations

from fractions import Fraction as F

import pytest

from numtoolkit import Param, local_error, modified_equation, runge_kutta, symbol
from numtoolkit.errors import InputError
from numtoolkit.symbolic.lyndon import bracket, expanded, lyndon_words, show_bracket
from numtoolkit.symbolic.splittings import splitting
from tests.support import tableaus
from tests.support.tableaus import book, plain
from tests.support.tiers import breadth

BCH = {  # `reference-values` 33
    "A": 1, "B": 1, "[A,B]": F(1, 2), "[A,[A,B]]": F(1, 12), "[[A,B],B]": F(1, 12), "[A,[[A,B],B]]": F(1, 24),
    "[A,[A,[A,[A,B]]]]": F(-1, 720), "[A,[A,[[A,B],B]]]": F(1, 180), "[[A,[A,B]],[A,B]]": F(1, 360),
    "[A,[[[A,B],B],B]]": F(1, 180), "[[A,B],[[A,B],B]]": F(1, 120), "[[[[A,B],B],B],B]": F(-1, 720),
}  # fmt: skip
STRANG = {  # `reference-values` 32
    "A": 1, "B": 1, "[A,[A,B]]": F(1, 12), "[[A,B],B]": F(-1, 24),
    "[A,[A,[A,[A,B]]]]": F(-1, 720), "[A,[A,[[A,B],B]]]": F(1, 180), "[[A,[A,B]],[A,B]]": F(1, 360),
    "[A,[[[A,B],B],B]]": F(-7, 1440), "[[A,B],[[A,B],B]]": F(-1, 480), "[[[[A,B],B],B],B]": F(7, 5760),
}  # fmt: skip


@pytest.mark.parametrize(("word", "expected"), [("A B", BCH), ("B/2 A B/2", STRANG)])
def test_modified_equations_of_splittings_to_order_5(word, expected):
    """Baker, Campbell and Hausdorff's series, and the symmetric one, which has odd orders alone."""
    assert {c.tree: c.value for c in modified_equation(word, 5).terms} == expected


def test_the_modified_equation_of_strang_is_the_textbook_one():
    """A + B + h^2 (-1/24 [A,[A,B]] + 1/12 [[A,B],B]) + ..."""
    found = modified_equation("A/2 B A/2", 4)
    assert {c.tree: c.value for c in found.terms} == {"A": 1, "B": 1, "[A,[A,B]]": F(-1, 24), "[[A,B],B]": F(1, 12)}
    assert r"h^{2}\,\bigl(- \frac{1}{24}\,[A,[A,B]] + \frac{1}{12}\,[[A,B],B]\bigr)" in found.latex()
    assert r"  & A + B \\" in found.latex()
    assert repr(found) == "<ModifiedEquation of A/2 B A/2 to h^3: 4 terms>"


def exponential(terms, letters, degree):
    """The words of the exponential of a Lie series, to a degree."""
    series = {}
    for word, value in terms.items():
        for own, c in expanded(word, letters).items():
            series[own] = series.get(own, 0) + value * c
    total, power = {(): F(1)}, {(): F(1)}
    for k in range(1, degree + 1):
        grown = {}
        for u, a in power.items():
            for v, b in series.items():
                if len(u) + len(v) <= degree:
                    grown[u + v] = grown.get(u + v, 0) + a * b / k
        power = grown
        for word, value in power.items():
            total[word] = total.get(word, 0) + value
    return total


@pytest.mark.parametrize("degree", breadth([6, 9], lambda degree: degree == 6))
def test_the_exponential_of_a_modified_equation_is_the_step(degree):
    """Every word to its order has the coefficient that the product of the flows gives it."""
    own = splitting("1/3*A B/2 2/3*A B/2")
    by_text = {c.tree: c.value for c in modified_equation(own, degree).terms}
    words = {show_bracket(bracket(word, own.letters)): word for n in range(1, degree + 1)
             for word in lyndon_words(own.letters, n)}  # fmt: skip
    terms = {words[text]: value for text, value in by_text.items()}
    found = exponential(terms, own.letters, degree)
    assert len(found) == 2 ** (degree + 1) - 1
    assert all(own.coefficients(word)[-1] == value for word, value in found.items())


C2 = symbol("c2")
TWO_STAGES = runge_kutta([0, C2], [[], [C2]], [1 - 1 / (2 * C2), 1 / (2 * C2)])


@pytest.mark.parametrize(
    ("letters", "numbers", "at"),
    [
        ("a*A b*B a*A", "2/5*A 3/7*B 2/5*A", {"a": F(2, 5), "b": F(3, 7)}),
        (
            plain("letters", TWO_STAGES, params=(Param("c2", F(1, 2)),)),
            plain("numbers", runge_kutta([0, "2/3"], [[], ["2/3"]], ["1/4", "3/4"])),
            {"c2": F(2, 3)},
        ),
    ],
    ids=["splitting", "tableau"],
)
def test_modified_equations_in_letters_are_those_in_numbers(letters, numbers, at):
    """What is computed in rational functions and in whole numbers is the same, term by term."""
    general, own = modified_equation(letters, 5), modified_equation(numbers, 5)
    expected = {c.tree: general.field.at(c.value, at) for c in general.terms}
    assert {c.tree: c.value for c in own.terms} == {tree: value for tree, value in expected.items() if value}
    assert len(own.terms) > 5


TREES = ("N e", "N e'[N e]", "N e''[N e, N e]", "N e'[N e'[N e]]", "N e'''[N e, N e, N e]",
         "N e''[N e, N e'[N e]]", "N e'[N e''[N e, N e]]", "N e'[N e'[N e'[N e]]]")  # fmt: skip
SYMMETRIES = (1, 1, 2, 1, 6, 1, 2, 1)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (runge_kutta([0], [[]], [1]), (1, "-1/2", "1/6", "1/3", 0, "-1/12", "-1/6", "-1/4")),
        (runge_kutta([0, "1/2"], [[], ["1/2"]], [0, 1]), (1, 0, "-1/12", "-1/6", 0, 0, "1/8", "1/8")),
    ],
    ids=("euler", "midpoint"),
)
def test_modified_equations_of_runge_kutta_schemes(step, expected):
    """`reference-values` 29: explicit Euler and explicit midpoint, each coefficient over the symmetry of its tree."""
    found = {c.tree: c.value for c in modified_equation(plain("own", step), 4).terms}
    wanted = {tree: F(value) / own for tree, value, own in zip(TREES, expected, SYMMETRIES, strict=True)}
    assert found == {tree: value for tree, value in wanted.items() if value}


def test_the_modified_equation_of_a_scheme_begins_with_its_local_error():
    """To its order p the equation is the exact one, and at h^p it has the local error of the step."""
    found = modified_equation(book("rk4", tableaus.RK4), 5)
    assert [c.tree for c in found.terms if c.order <= 4] == ["N e"]
    timeless = [(c.tree, c.value) for c in local_error(book("rk4", tableaus.RK4)).terms if "_t" not in c.tree]
    assert [(c.tree, c.value) for c in found.terms if c.order == 5] == timeless
    assert len(timeless) == 9


def test_a_tableau_of_decimals_has_the_modified_equation_of_its_numbers():
    """Tsit5: what is left to h^4 is within its digits 0; its leading error is the sixth power's."""
    found = modified_equation(book("tsit5", tableaus.TSIT5), 6)
    low = [found.field.size(c.value) for c in found.terms if 1 < c.order < 6]
    high = [found.field.size(c.value) for c in found.terms if c.order == 6]
    assert max(low) < F(1, 10**12) < F(1, 10**6) < max(high)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("res-2s", 3), "row out of res-2s is no flow of one part"),
        (("rvv", 3), "row Z3 of rvv is no flow of one part"),
        (("A B", 11), "the order of a modified equation = 11 is no whole number from 1 to 10; give one."),
        ((plain("late", runge_kutta([0, "1/3"], [[], ["1/2"]], [0, 1])), 3), "the network is told other times in late"),
    ],
    ids=("exponential", "reuse", "order", "time"),
)
def test_what_has_no_modified_equation_here_is_refused(given, sentence):
    """One sentence on what it is."""
    with pytest.raises(InputError) as refused:
        modified_equation(*given)
    assert str(refused.value).startswith(sentence)
