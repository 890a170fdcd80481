"""lambda_s=matched: the noise of a run that gives Gaussian data of one deviation their variance."""

from __future__ import annotations

import pytest

import numtoolkit as nt

RUN = "psld", "quadratic"
SHORT = nt.grid("quadratic", nt.process("psld"), 40)[10:]


@pytest.mark.parametrize("name", ["roba(", "roba(amp, ", "roba(tbar, ", "coba(shift=1, "])
@pytest.mark.parametrize("grid", ["quadratic", "uniform(zero=1)"])
def test_a_run_with_matched_noise_ends_with_the_variance_of_the_data(name, grid):
    """In each reading of lambda_s, to what its 12 digits leave, at the deviation asked for and at no other."""
    matched = f"{name}lambda_s=matched, sigma_data=0.4)"
    found = nt.transfer(matched, "psld", grid, scales=[0.4, 0.2], steps=60).deviation
    assert abs(found[0]) < 1e-9
    assert abs(found[1]) > 1e-4


def test_a_run_with_matched_noise_says_which_it_was():
    """Its program names the number; a short grid of one's own, which begins at the exact marginal, has another."""
    whole = nt.scheme(nt.program_of("roba(lambda_s=matched)", *RUN, steps=20).scheme)
    part = nt.scheme(nt.program_of("roba(lambda_s=matched)", "psld", SHORT).scheme)
    assert whole.matched is part.matched is None
    assert dict(whole.values)["lambda_s"] != dict(part.values)["lambda_s"]
    assert abs(nt.transfer(part, "psld", SHORT, scales=[0.5]).deviation[0]) < 1e-9


@pytest.mark.parametrize("text", ["roba(amp, lambda_s=matched, sigma_data=1/4)", "coba(shift=1, lambda_s=matched)"])
def test_a_scheme_that_is_to_match_its_noise_is_read_back(text):
    """From its specification and from its file."""
    own = nt.scheme(text)
    assert nt.scheme(own.spec) == own
    assert nt.Scheme.from_json(own.to_json()) == own


REFUSED = {
    "roba(lambda_s=matched, lambda_s=1)": "has a lambda_s, which nothing then matches",
    "roba(lambda_s=matched, sigma_data=0)": "is no deviation of data; give one above 0",
    "rbao(lambda_s=matched)": "rbao has no lambda_s to match",
    "roba(lambda_s=matched, sigma_data=2)": "2 their variance in 20 steps, whose end is too wide, even if nothing is",
    "roba(part=m, lambda_s=matched, sigma_data=1/1000)": "whose end is too narrow, whatever is injected",
}


@pytest.mark.parametrize("text", REFUSED)
def test_noise_that_cannot_be_matched_is_refused(text):
    """Each by what hinders it: a number beside, no deviation, no such noise, no real solution."""
    with pytest.raises(nt.InputError, match=REFUSED[text]):
        nt.program_of(text, *RUN, steps=20)


def test_what_is_asked_of_a_step_alone_takes_a_number():
    """A longest stable step and a series in the steps belong to no one run, whose lambda_s could be taken."""
    with pytest.raises(nt.InputError, match="there is no run here; give it a number"):
        nt.stability("roba(lambda_s=matched)", "psld")
    with pytest.raises(nt.InputError, match="so that it takes no number"):
        nt.transfer_series("roba(lambda_s=matched)", *RUN)
