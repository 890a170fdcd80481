"""`conditions` lists what a scheme must meet, as text, LaTeX, a Python function or data."""

from __future__ import annotations

from fractions import Fraction

import pytest

from numtoolkit.symbolic.conditions import conditions


def test_conditions_are_listed_by_order_with_what_must_be_0(run):
    """Trees that hold have 0; those that do not have their values in phi functions."""
    code, out, err = run("conditions", "res-2s", "--order", 3, "--kind", "stiff-strong")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert text.startswith(
        "res-2s: the 7 conditions to stiff strong order 3, 5 of which hold, all to order 2; for every"
    )
    assert "order 2 psi2 0 psi1 of stage 2 0 psi0 of stage 2 0 order 3 psi3 -c2*phi2(z1)/2 + phi3(z1)" in text


def test_open_conditions_alone_are_listed_where_they_are_asked_for(run):
    """`--open` leaves out what holds, and says so."""
    out = " ".join(run("conditions", "dpmpp-2s", "--order", 3, "--open")[1].split())
    assert out.startswith("dpmpp-2s: the 8 conditions to classical order 3 that do not hold, all to order 2")
    assert "order 2" not in out.partition("what must be 0")[2]


def test_conditions_as_data_are_those_of_python(result):
    """The record has each condition's order, tree and value, the unknowns, and the order to which all hold."""
    record = result("conditions", "dpmpp-2s", "--order", 3)
    found = conditions("dpmpp-2s", 3)
    assert record["conditions"] == found.table()
    assert (record["met"], record["unknowns"], record["holds"]) == (2, ["c2"], "every smooth law")


def test_the_word_of_a_splitting_is_a_scheme_for_kind_lie(run):
    """A palindrome with free lengths: the Python function that is printed has its equations."""
    code, out, _ = run("conditions", "a1*A b1*B a1*A", "--order", 3, "--kind", "lie", "--python")
    names: dict = {}
    exec(out, names)
    assert code == 0
    assert names["conditions"](a1=Fraction(1, 2), b1=Fraction(1)) == [0, 0, Fraction(-1, 24), Fraction(1, 12)]


def test_conditions_as_latex_are_those_of_python(run, result):
    """The same lines, as text and in a record."""
    out = run("conditions", "em", "--order", 2, "--kind", "sde_weak", "--latex")[1]
    assert out.rstrip("\n") == conditions("em", 2, "sde_weak").latex()
    record = result("conditions", "em", "--order", 2, "--kind", "sde_weak", "--latex")
    assert record == {"scheme": "em", "latex": out.rstrip("\n")}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("rk4", "--order", 5, "--kind", "sde"), "unknown kind of conditions 'sde'; did you mean sde_weak?"),
        (("rk4",), "the following arguments are required: --order"),
        (("rk4", "--order", 11), "--order 11 is out of range; give whole numbers from 1 to 10."),
        (("rk4", "--order", 2, "--latex", "--python"), "--latex and --python are two forms of one list"),
        (("em", "--order", 2), "scheme em draws noise; it has conditions of kind sde_weak, not classical."),
    ],
)
def test_what_cannot_be_listed_is_refused(run, words, sentence):
    """Exit status 2 and one sentence."""
    code, out, err = run("conditions", *words)
    assert (code, out) == (2, "")
    assert sentence in err
