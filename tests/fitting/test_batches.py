"""The spread of fitted coefficients over batches."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.fitting import coefficient_spread, fit
from numtoolkit.laws import Gaussian, law_of


@pytest.mark.parametrize("mean", [0.0, 60.0])
def test_the_spread_of_coefficients_over_batches_is_that_of_batches(mean: float) -> None:
    """Of 60 batches of 40 samples the deviation of each is known to a tenth: within three of those."""
    law = Gaussian([mean, 0.0], [0.01, 1.0])
    found = coefficient_spread("iia-ddim(one)", "edm", law, "rho(7)", steps=4, substeps=None).deviation[1:]
    tables = [fit("iia-ddim(one)", "edm", law, "rho(7)", steps=4, substeps=None, seeds=range(40 * i, 40 * (i + 1)))
              for i in range(60)]  # fmt: skip
    values = np.array([[step.values for step in table.steps] for table in tables])[:, 1:]
    np.testing.assert_allclose(values.std(axis=0, ddof=1) * 40**0.5, found, rtol=0.3)


def test_directions_of_one_variance_are_as_many_samples() -> None:
    """Four times each direction halves the deviation, and with one variance alone there is none."""
    few, many = (
        coefficient_spread(
            "iia-ddim(one)", "edm", Gaussian(np.zeros(2 * d), np.repeat([0.01, 1.0], d)), "rho(7)", steps=3
        )
        for d in (1, 4)
    )
    np.testing.assert_allclose(few.deviation, 2 * many.deviation, rtol=1e-5)
    assert few.deviation[1:].min() > 1e-4
    alone = coefficient_spread("iia-ddim(one)", "edm", "gaussian", "rho(7)", steps=3)
    assert alone.deviation.max() < 1e-9


def test_a_law_without_a_spread_in_closed_form_is_refused() -> None:
    """One sentence: the law, and what to do."""
    with pytest.raises(InputError, match="is not Gaussian, so batches have no spread"):
        coefficient_spread("iia-ddim(one)", "edm", law_of("ring"), "rho(7)", steps=3)
