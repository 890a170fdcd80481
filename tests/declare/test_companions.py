"""Companions: what a scheme may declare of them, and which runs make them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from numtoolkit import Claims, companion, phi, program_of, sample, symbol
from numtoolkit.declare.companions import NEXT
from numtoolkit.declare.entries import adams, flow
from numtoolkit.declare.forms import combine, corrector, past
from numtoolkit.declare.runs import EXPONENTIAL_EULER
from numtoolkit.declare.scheme import Scheme
from numtoolkit.declare.scheme_file import digest
from numtoolkit.declare.steps import Row
from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.derivation import derive
from numtoolkit.symbolic.families import embedded
from numtoolkit.symbolic.verdict import SAMPLED, verify
from tests.support.mutants import item_mutants

WITH = tuple(own for own in catalogue() if own.companions)
RES = scheme("res-2s")


def test_a_run_makes_no_companion_unless_it_is_asked_to():
    """The program of a scheme is what it is without them, coefficient by coefficient; so is the key of its results."""
    for own in WITH:
        bare = replace(own, companions=(), claims=replace(own.claims, companion=None))
        assert program_of(own, "edm", "log-snr", steps=6).steps == program_of(bare, "edm", "log-snr", steps=6).steps
        assert digest(own) == digest(bare)
        assert '"companions"' in own.to_json()
        assert not {'"companion":', '"companions":'} & set(bare.to_json().split())


def test_a_scheme_with_companions_is_read_from_the_file_it_was_written_to():
    """Equal, companions and claim among what is compared; a file without them is one of an earlier version."""
    for own in WITH:
        assert Scheme.from_json(own.to_json()) == own


def test_the_companion_that_res_2s_declares_is_the_one_that_is_derived():
    """Of order 3 in the strong sense with one value of history, and no other: coefficient by coefficient on a grid."""
    (branch,) = derive(embedded("res-2s"), 3, "stiff_strong").branches
    found = next(i for i in branch.scheme(c2=Fraction(1, 2)).steps.inner.items if i.name == "companion")
    own = replace(RES, companions=(RES.companions[0], found))
    declared, derived = (program_of(one.paired, "edm", "rho(7)", steps=6) for one in (RES, own))
    for step, other in zip(declared.steps, derived.steps, strict=True):
        row, its = ({s: b[0][0] for s, b in one.instructions[-1].terms} for one in (step, other))
        assert row == pytest.approx(its, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(
    "own",
    [
        pytest.param(own, marks=pytest.mark.long if own.claims.companion > 3 else pytest.mark.check, id=own.spec)
        for own in WITH
        if own.claims.companion > 1
    ],
)
def test_every_slip_in_a_companion_is_seen(own, record_property):
    """A mutant of the last companion is refused, the same row in float64, or misses the order that it claims."""
    row, alive = own.companions[-1], []

    def lowered(one):
        return program_of(one.paired, one.processes[0], "log-snr", steps=6).steps

    for slip, changed in item_mutants(row, own.paired.steps.inner):
        try:
            mutant = replace(own, companions=(*own.companions[:-1], changed))
        except InputError:
            continue
        if lowered(mutant) == lowered(own):  # the flow of a linear part that is 0, however long
            continue
        if order(mutant.corrected(), ratios=SAMPLED).p >= own.claims.companion:
            alive.append(slip)
    record_property("slips", {"slips in companions: alive": len(alive)})
    assert alive == []


def test_the_corrector_is_adams_moulton_on_the_last_steps():
    """Its weights are those of `adams` on -(r0 + r1), -r0, 0 and 1, each of the evaluation at its node."""
    nodes = (*past(3), 1)
    row = dict(corrector(3)[-1].terms)
    assert [row[name] for name in ("E0", "H1", "H2", NEXT)] == list(adams(nodes))
    assert [len(each.terms) for each in corrector(3)] == [3, 4, 5]


def test_a_wrong_order_of_a_companion_is_refuted():
    """Claimed one too high it is missed, one too low exceeded; what is derived stands beside it."""
    own = scheme("dpm-solver-2")
    for claimed, said in ((2, "refuted"), (0, "higher")):
        found = verify(replace(own, claims=replace(own.claims, companion=claimed)))
        assert (found.verdict, found.derived["companion"], found.ok) == (said, 1, said == "higher")


def test_companions_of_first_order_are_euler_steps():
    """To the letter: an order of 1 alone would let a slip in phi_1 pass."""
    first = [row for own in WITH if own.claims.companion == 1 for row in own.companions]
    assert len(first) == 3
    assert {row.terms for row in first} == {EXPONENTIAL_EULER.items[-1].terms}


@pytest.mark.parametrize("name", ["res-2s", "res-2m", pytest.param("res-3s", marks=pytest.mark.check)])
def test_a_corrected_run_takes_no_evaluation_more(name):
    """N steps of it cost what N steps of the scheme do, to t = 0 as well; its own companion is what was corrected."""
    own = scheme(name)
    for count in (4, 7):
        for grid in ("log-snr", "log-snr(zero=1)"):
            plain, better = (program_of(one, "edm", grid, steps=count).nfe for one in (own, own.corrected()))
            assert better == plain
    assert [row.terms[0][0] for row in own.corrected().companions] == [own.steps.inner.out]


def test_the_corrected_res_2s_is_of_strong_order_3():
    """With two evaluations a step, though none of them is at the corrected state."""
    found = verify(RES.corrected())
    assert (found.derived["classical"], found.derived["stiff_strong"], found.run) == (3, 3, 3)
    assert RES.corrected().nfe_per_step == RES.nfe_per_step
    assert verify(replace(RES, companions=RES.companions[:1], claims=Claims(companion=2))).derived["companion"] == 2


def test_a_companion_of_lower_order_makes_a_run_without_what_it_does_not_need():
    """That of DPM-Solver-12 runs as DDIM does, one evaluation a step and no parameter."""
    lower = scheme("dpm-solver-2(c2=1/3)").corrected()
    assert (lower.nfe_per_step, lower.params, lower.companions) == (1, (), ())
    mine, ddim = (
        sample(one, "edm", "two-modes", "rho(7)", steps=5, seeds=[0], dtype=np.float64).samples
        for one in (lower, "ddim")
    )
    assert abs(mine - ddim).max() < 1e-13


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"companions": ()}, "claims companion = 3, but declares no companions"),
        ({"companions": [*RES.companions]}, "write a tuple"),
        ({"companions": ("E0",)}, "write rows that end at abscissa 1"),
        ({"companions": (combine("companion", "1/2", y=flow(0, Fraction(1, 2))),)}, "rows that end at abscissa 1"),
        ({"companions": (companion(E7=phi(1)),)}, "uses E7, which the step before does not hand on"),
        ({"companions": (companion(E0=1),)}, "lacks h N"),
        ({"companions": (companion(E0=symbol("c9") * phi(1)),)}, "'c9' is neither a parameter nor a step quantity"),
        ({"companions": RES.companions[1:]}, "the ratio to a step that it has not behind it|does not hand on"),
        ({"companions": (Row("out", RES.companions[0].at, RES.companions[0].terms),)}, "'out' stands twice"),
    ],
)
def test_a_companion_without_meaning_is_refused(given, said):
    """One sentence with the scheme's name: what it weighs is there, once, with h N, in a step that ends."""
    with pytest.raises(InputError, match=said):
        replace(RES, **given)


def test_companions_are_of_deterministic_steps_that_begin_with_an_evaluation():
    """Noise has no estimate here, and a step that takes its first evaluation over has no place for the next."""
    with pytest.raises(InputError, match="follows an SDE"):
        replace(scheme("res-2s-churn"), companions=(companion(E0=phi(1)),))
    with pytest.raises(InputError, match="begins with no evaluation of the state"):
        replace(scheme("unipc"), companions=(companion(E0=phi(1) - phi(2), **{NEXT: phi(2)}),))
    with pytest.raises(InputError, match="declares no companion"):
        scheme("ddim").corrected()
    with pytest.raises(InputError, match="k = 0 is no whole number"):
        corrector(0)


def test_a_printed_scheme_says_its_companions():
    """As text with their legend, as LaTeX, each titled with the steps whose it is."""
    from numtoolkit import printing

    text = printing.text(RES)
    assert "companion of step 1" in text
    assert "companion of step 2 and further ones" in text
    assert "EN is the evaluation at the new state" in text
    assert printing.latex(RES).count(r"\mathrm{companion}") == 2
    assert [title for title, _ in printing.companions(scheme("heun"))] == ["companion"]
