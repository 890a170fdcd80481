"""Fitted families are proved with their coefficients as symbols, and tables with theirs as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM
from numtoolkit.schemes import catalogue, scheme
from numtoolkit.symbolic.verdict import verify
from tests.support.fitted_schemes import FAMILIES, table_of
from tests.support.same_run import clock_steps, ratios

# --- proofs


def test_a_fitted_scheme_claims_nothing_and_its_family_is_proved():
    """Residuals hold the coefficients as letters, whose zeros are the conditions of order."""
    for member in catalogue():
        if member.fitted:
            verdict = verify(member)
            assert (verdict.verdict, verdict.ok) == ("not analysed", True)
            assert verdict.derived["classical"] < 2
            assert verdict.residuals
    assert verify(scheme("iia-ddim(one)")).residuals[0]["value"] == "(2*kappa_0*r0 - 1)/2"
    assert verify(scheme("biia-edm")).residuals == [{"order": 1, "tree": "N e", "value": "gamma_0 + gamma_1"}]


@pytest.mark.parametrize("spec", FAMILIES)
def test_the_family_at_zero_has_the_order_of_its_base(spec):
    """Orders, and in the same clock every residual, are those of the base."""
    base, zero = verify(scheme(scheme(spec).base)), verify(scheme(spec).unfitted())
    assert zero.derived["classical"] == base.derived["classical"]
    if scheme(scheme(spec).base).clock == scheme(spec).clock:
        assert zero.residuals == base.residuals


def test_defects_of_a_table_are_the_residuals_with_its_numbers():
    """Step by step on its own grid, from the coefficients and step ratios there."""
    times = grid("rho(7)", EDM(), 6)
    h, s = clock_steps(EDM(), times)
    declared = scheme("iia-ddim(one)")
    exact = verify(declared.with_table(table_of(declared, EDM(), times, {"kappa_0": 1 / (2 * ratios(h))})))
    assert [step["N e_t"] for step in exact.steps] == pytest.approx([-1 / 2, 0, 0, 0, 0, 0], abs=1e-13)
    declared = scheme("iia-ddim(two)")
    values = {"kappa_0": np.linspace(0, 1, 6), "kappa_1": np.linspace(-1, 2, 6)}
    found = verify(declared.with_table(table_of(declared, EDM(), times, values))).steps
    assert [step["kappa_1"] for step in found] == pytest.approx(values["kappa_1"])
    r, fall = ratios(np.diff(s)), s[1:] / s[:-1]
    data = values["kappa_0"] * ((1 - fall) * (r + r**2 / 2) + fall * r)
    expected = (data + values["kappa_1"] * r - 1 / 2)[1:]
    assert [step["N e'[N e]"] for step in found][1:] == pytest.approx(expected)
    assert [(row["step"], row["t"], row["to"]) for row in found] == [(n, times[n], times[n + 1]) for n in range(6)]
    # a grid that ends at noise level 0: its last step is the base's
    to_zero = table_of(declared, EDM(), grid("rho(7, zero=1)", EDM(), 6), values)
    assert len(verify(declared.with_table(to_zero)).steps) == 5
