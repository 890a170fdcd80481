"""The package's own polynomials: the laws of a ring, and the divisors that sympy finds."""

from __future__ import annotations

import operator
import random

import pytest
import sympy

from numtoolkit.symbolic import polynomials
from numtoolkit.symbolic.numbers import Field
from numtoolkit.symbolic.polynomials import Ring

NAMES = ("c2", "r0", "r1")
RING = Ring.get(NAMES)
SYMPY = sympy.ZZ.poly_ring(*NAMES).ring


def drawn(source, terms=4, degree=3):
    """A random polynomial, and the same in sympy."""
    exponents = [tuple(source.randint(0, degree) for _ in NAMES) for _ in range(terms)]
    chosen = {powers: source.choice([-7, -2, -1, 1, 3, 12]) for powers in exponents}
    return RING.of(chosen), SYMPY.from_dict(chosen)


def same(own, other):
    """Whether a polynomial is that of sympy."""
    return own.to_dict() == {powers: int(c) for powers, c in other.to_dict().items()}


def test_own_polynomials_add_multiply_and_divide_as_those_of_sympy():
    """Sums, products, powers and exact quotients; what does not divide has no quotient."""
    source = random.Random(1)
    for _ in range(60):
        (p, x), (q, y) = drawn(source), drawn(source, terms=3)
        assert same(p + q, x + y)
        assert same(p * q, x * y)
        assert same(p + -p, x - x)
        assert same(p * 3, x * 3)
        assert same(q**3, y**3)
        assert (p * q) // q == p
        assert (p * q).leading_coefficient() == int((x * y).LC)
        assert (p * q + RING.constant(1)).divided(q) is None or q.is_constant()


@pytest.mark.parametrize("trials", [polynomials.TRIALS, 0])
def test_common_divisors_are_those_of_sympy(trials, monkeypatch):
    """For products with a common factor, whole, monomial or neither; and where the heuristic gives up at once."""
    monkeypatch.setattr(polynomials, "TRIALS", trials)
    polynomials._known_gcd.cache_clear()
    source = random.Random(2)
    for _ in range(60):
        (p, x), (q, y), (r, z) = drawn(source, degree=2), drawn(source, 3, 2), drawn(source, 2, 1)
        expected = (x * z).gcd(y * z)
        assert same((p * r).gcd(q * r), expected if expected.LC > 0 else -expected)
    six, four = (RING.gens()[0] * n for n in (6, 4))
    assert six.gcd(four) == RING.gens()[0] * 2
    assert RING.constant(0).gcd(-six) == six
    polynomials._known_gcd.cache_clear()


def test_rational_functions_are_those_of_sympy_with_and_without_the_accelerator():
    """Random expressions in three symbols have sympy's numerator and denominator, coprime, the leading sign above."""
    source = random.Random(3)
    fields = (Field(NAMES), Field(NAMES, accelerate=False))
    exact = sympy.ZZ.frac_field(*NAMES)
    known = [(*(field.symbols[name] for field in fields), x) for name, x in zip(NAMES, exact.field.gens, strict=True)]
    known += [(*(field.number(n) for field in fields), exact(n)) for n in (1, -2, 3)]
    for _ in range(400):
        left, right = source.sample(known, 2)
        act = source.choice([operator.add, operator.sub, operator.mul, operator.truediv])
        if act is operator.truediv and not right[2]:
            continue
        fast, plain, x = map(act, left, right)
        sign = -1 if x.denom.LC < 0 else 1
        for own in (fast, plain):
            assert {k: int(c) for k, c in own.top.to_dict().items()} == dict((sign * x.numer).to_dict())
            assert {k: int(c) for k, c in own.bottom.to_dict().items()} == dict((sign * x.denom).to_dict())
        if len(x.numer) + len(x.denom) < 14:
            known.append((fast, plain, x))
    assert [fields[0].text(own) for own, _, _ in known[-12:]] == [fields[1].text(own) for _, own, _ in known[-12:]]


def test_a_polynomial_shows_itself_as_it_is_written():
    """Highest monomial first, in the manner of the entries, and cut where it is long."""
    c2, r0, _ = RING.gens()
    assert repr(c2 * c2 * 3 + -r0 + RING.constant(-2)) == "3*c2^2 - r0 - 2"
    assert repr(RING.constant(0)) == "0"
    assert repr(RING) == "<Ring of 3 variables>"
    assert len(repr((c2 + r0 + RING.constant(1)) ** 20)) <= 300
