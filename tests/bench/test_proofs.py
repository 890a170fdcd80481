"""How long a proof takes: every order and residual of one scheme, parameters and step ratios symbolic."""

import pytest

from numtoolkit.schemes import scheme
from numtoolkit.symbolic.verdict import verify


@pytest.mark.parametrize("name", ["ddim", "heun-edm", "res-2s", "dpmpp-2m", "unipc", "rvv", "robab", "krogstad-4"])
def test_proof(benchmark, name):
    """A whole verdict a scheme: orders, residuals and ends, with parameters and ratios as letters."""
    member = scheme(name)
    verify(member)  # sympy, which prints residuals, is loaded once
    benchmark.pedantic(verify, (member,), rounds=5)
