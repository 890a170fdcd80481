"""The fused update is within a bound of the plain one, in every row of every scheme."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit import Network, sample
from numtoolkit.laws import NAMED
from numtoolkit.sampling.fused import fused
from tests.support.sampling_cases import (
    EPS,
    FLOATS,
    STEPS,
    at_first,
    cases,
    cubic,
    follow,
    gap_over_bound,
    normal,
    tensors,
)
from tests.support.tiers import breadth


@given(
    st.lists(st.floats(-4, 4, width=32).filter(lambda c: abs(c) > 1e-3), min_size=1, max_size=6),
    st.integers(0, 2**31),
    st.sampled_from(FLOATS),
)
def test_fused_is_within_its_bound_of_plain_and_changes_nothing(coefficients, seed, dtype):
    """Any terms in any dtype: within n eps of the sum of absolute terms, and no argument is written to."""
    generator = torch.Generator().manual_seed(seed)
    arrays = [torch.randn(3, 37, generator=generator, dtype=torch.float64).to(dtype) for _ in coefficients]
    terms = list(zip([1.0, *coefficients[1:]] if seed % 2 else coefficients, arrays, strict=True))
    before = [array.clone() for array in arrays]
    assert gap_over_bound(terms) <= 1
    assert fused(terms).dtype == dtype
    assert all(map(torch.equal, arrays, before))


@pytest.mark.parametrize(("own", "law"), breadth(cases(), at_first))
def test_fused_is_within_its_bound_in_every_row_of_every_scheme(own, law):
    """The same bound on the rows of real runs, whose terms cancel as they do there."""
    worst = []

    def update(terms):
        worst.append(gap_over_bound(terms))
        return fused(terms)

    follow(own, law, Network(cubic, "data"), tensors(normal(law, 0)), turn=tensors, update=update)
    assert len(worst) >= STEPS
    assert max(worst) <= 1


def test_fused_runs_end_within_a_few_ulp_of_plain_ones():
    """Rows differ by at most 3 eps of their terms' size, which never exceeds that of the start, 400 after 4 sigma; the
    flow of 20 steps contracts, so that is the total too, with room for the sum over the steps (2 is measured)."""
    keywords = {"process": "edm", "grid": "rho", "steps": 20, "seeds": range(8), "dtype": torch.float64}
    network = Network.of(NAMED["gaussian"](dim=16))
    for own in ("dpmpp-2m", "heun-edm", "unipc"):
        ends = [sample(own, network=network, update=update, **keywords).samples for update in ("plain", "fused")]
        assert 0 < float((ends[0] - ends[1]).abs().max()) < 3 * EPS * 400
