"""Order conditions become equations coefficient by coefficient, in functions that are independent of each other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F

import pytest

from numtoolkit.declare.entries import ONE, flow, number, phi, sqrt, substitute
from numtoolkit.errors import InputError
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.derivation import derive
from numtoolkit.symbolic.equations import conditions_of, equations
from numtoolkit.symbolic.exponential_polynomials import in_phi
from numtoolkit.symbolic.families import embedded
from numtoolkit.symbolic.stiff import StiffConditions


@pytest.mark.parametrize("c", [F(1), F(1, 2)])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_phi_function_is_one_term(k, c):
    """phi_k(c z) is itself, whatever powers of z its exponential form holds."""
    own = StiffConditions(scheme("ddim"), 2)
    function = own.read(phi(k, number(c)).window(ONE), "z1")
    assert in_phi(function, own.field, ("z1",)) == {(("z1", k, own.field.number(c)),): 1}


def test_an_exponential_and_a_number_are_terms_of_their_own():
    """exp(z) is phi_0, and what is left at z^0 is a number."""
    own = StiffConditions(scheme("ddim"), 2)
    function = own.read(flow() + 2, "z1")
    assert in_phi(function, own.field, ("z1",)) == {(("z1", 0, own.field.number(1)),): 1, (): 2}


def test_a_condition_asks_one_equation_of_each_phi_function():
    """Those of order 2 of two stages: psi_2 in phi_1, phi_2 and phi_3, and what they stand at is in their names."""
    asked = equations(*conditions_of(derive("exponential-rk(2)", 1).family, 2, "stiff_strong"))[1]
    assert [each.tree for each in asked if each.tree.startswith("psi2")] == [
        "psi2 at phi1(z1)", "psi2 at phi2(z1)", "psi2 at phi3(z1)",
    ]  # fmt: skip


def test_roots_among_the_numbers_are_refused():
    """The derivation is over the rational numbers."""
    with pytest.raises(InputError, match="square roots among its numbers"):
        derive(embedded(rooted()), 2, "stiff_strong")


def rooted():
    """A scheme of two stages with an irrational node."""
    own = scheme("res-2s")
    inner = own.steps.inner.map(lambda entry: substitute(entry, {"c2": sqrt("1/2")}))
    return replace(own, name="rooted", steps=inner, params=())
