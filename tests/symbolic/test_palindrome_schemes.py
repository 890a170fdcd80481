"""Palindromes are schemes: A flows the linear part exactly, B kicks by the network, of the order of the word."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from numtoolkit import program_of
from numtoolkit.declare.compositions import RULES, composed
from numtoolkit.declare.entries import number
from numtoolkit.declare.scheme import Claims, Scheme
from numtoolkit.declare.scheme_file import from_json
from numtoolkit.errors import InputError
from numtoolkit.measure import error_curve
from numtoolkit.problem.processes import PSLD
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.derivation import derive
from numtoolkit.symbolic.verdict import verify
from tests.support.phase_runs import case_of, states_of_program
from tests.support.tableaus import book

THREE = "A B A B A B A"


@cache
def forest_and_ruth():
    """Three kicks of order 4."""
    return derive(THREE, 4).branches[0].scheme("forest-ruth")


@pytest.mark.parametrize("kick", RULES)
def test_the_rules_of_kicks_have_their_order(kick):
    """Each as a scheme of its own, in which time stands still: of an equation without time the order is that."""
    A, b = RULES[kick]
    c = [sum(map(number, row), start=number(0)) for row in A]
    assert order(book("kick", (c, A, b)), highest=kick + 1).p == kick


def test_a_palindrome_of_rational_lengths_is_proved():
    """Strang's splitting from either end, and one of five flows at a length of its own: of order 2, exactly."""
    for word, lengths in (("A B A", {}), ("B A B", {}), ("A B A B A", {"a1": "1/5"})):
        found = verify(derive(word, 2).branches[0].scheme(**lengths))
        assert (found.verdict, found.derived["classical"]) == ("proved", 2)


@pytest.mark.parametrize(
    ("frozen", "clock"), [("score", "time"), pytest.param("data", "log-snr", marks=pytest.mark.check)]
)
def test_forest_and_ruths_splitting_is_a_scheme_of_order_4(frozen, clock):
    """Within the digits of its lengths; from its file it is read as what it was."""
    own = derive(THREE, 4).branches[0].scheme("own", frozen=frozen, clock=clock)
    found = verify(own)
    assert (found.verdict, found.derived["classical"]) == ("within", 4)
    assert own.nfe_per_step == 12
    assert from_json(own.to_json()) == own


def test_a_step_of_a_palindrome_is_its_flows_in_turn():
    """On PSLD against an adaptive solver of each part: F z over what A takes, the score at a fixed time over B."""
    process, times = PSLD(), np.array([0.7, 0.695])
    case = case_of(forest_and_ruth(), process, times)
    (found,) = states_of_program(case)
    state, now, h = np.array(case.start), times[0], times[1] - times[0]
    lengths = derive(THREE, 4).branches[0].points()[0]
    factor = process.kernel

    def score(z, t):
        _, sigma = factor(np.array([t]))
        lower = np.linalg.cholesky(sigma[0])
        return -np.tensordot(np.linalg.inv(lower).T, case.network(z, t), 1)

    def along(rate, z, start, length):
        def flat(s, own):
            return rate(own.reshape(z.shape), start + s).ravel()

        return solve_ivp(flat, (0, length), z.ravel(), rtol=1e-12, atol=1e-13).y[:, -1].reshape(z.shape)

    def drift(z, t):
        return np.tensordot(process.drift(np.array([t]))[0], z, 1)

    for letter, name in derive(THREE, 4).family.flows:
        length = float(lengths[name].centre) * h
        if letter == "A":
            state, now = along(drift, state, now, length), now + length
        else:
            G2 = process.diffusion(np.array([now]))[0]
            state = along(lambda z, t, G2=G2, now=now: -np.tensordot(G2, score(z, now), 1) / 2, state, 0.0, length)
    assert np.abs(found - state).max() < 1e-6 * np.abs(found - case.start).max()


@pytest.mark.check
def test_errors_of_a_palindrome_fall_as_its_order_says():
    """Forest and Ruth's on PSLD, from 768 to 1536 evaluations by 2^4 or so."""
    errors = [
        r["error"] for r in error_curve(forest_and_ruth(), "psld", "gaussian", "quadratic", [1536, 3072], metric="path")
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.4)


def test_kicks_of_one_evaluation_leave_every_word_at_order_1():
    """Refused where a higher order is asked for; the sum of squares that they lack is seen in a word of theirs."""
    with pytest.raises(InputError, match=r"lack \(b1\^2 \+ b2\^2 \+ \.\.\.\)/2 of the word BB.*take kick = 4"):
        derive(THREE, 4).branches[0].scheme(kick=1)
    half = number("1/2")
    for lengths in (["1"], ["2", "-2", "1"], ["1/3", "1/3", "1/3"]):
        kicks = [("B", number(b), half) for b in lengths]
        step = composed([("A", half, half), *kicks, ("A", half, number(1))], 1)
        own = Scheme("euler-kicks", "palindrome", "-", step, frozen="score", clock="time", claims=Claims(classical=1))
        (residual,) = order(own).residuals.values()  # of N e'[N e], all of order 2
        assert residual == -sum(number(b).value ** 2 for b in lengths) / 2
    two = derive(THREE, 4).branches[0].scheme(kick=2)
    assert verify(two).derived["classical"] == 3  # kicks of order 2 lack a sum of cubes, and this word has none


@pytest.mark.check
def test_the_splitting_of_least_error_is_a_scheme():
    """Of four kicks; its lengths are those of the minimum."""
    least = derive("A B A B A B A B A", 4).least_error()
    own = least.scheme("least")
    assert verify(own).derived["classical"] == 4
    assert own.nfe_per_step == 16


@pytest.mark.long
def test_a_splitting_of_order_6_is_a_scheme_of_order_6():
    """Yoshida's A with Butcher's kicks of order 6: 49 evaluations a step."""
    own = derive(" ".join(["A", *["B A"] * 7]), 6).branches[0].scheme("yoshida-6")
    assert (own.nfe_per_step, verify(own).derived["classical"]) == (49, 6)


@pytest.mark.parametrize(
    ("word", "order", "given", "said"),
    [
        (THREE, 4, {"kick": 3}, "kick = 3 is no order of a rule of kicks; take 1, 2, 4, 6"),
        (THREE, 4, {"member": 2}, "have 1 real member there, not a member 2"),
        (THREE, 4, {"a1": 1}, "take no lengths, which are known"),
        ("A B A B A", 2, {}, "take exact numbers for 1 of a1; give those"),
        ("A B A B A", 2, {"a1": 0.1}, "take exact numbers for 1 of a1; give those"),
        ("A B A B A", 2, {"b7": 1}, "take exact numbers for 1 of a1; give those"),
    ],
)
def test_a_palindrome_is_no_scheme_of_what_is_missing(word, order, given, said):
    """In a sentence."""
    with pytest.raises(InputError, match=said):
        derive(word, order).branches[0].scheme(**given)


def test_a_rest_of_a_budget_is_spent_by_shorter_steps():
    """Every budget from one evaluation on; a step to t = 0 there is not."""
    for nfe in (1, 5, 11, 12, 14, 23):
        assert program_of(forest_and_ruth(), "edm", "log-snr", nfe).nfe == nfe
    with pytest.raises(InputError, match="has no step to t = 0"):
        program_of(forest_and_ruth(), "edm", "log-snr(zero=1)", 13)
