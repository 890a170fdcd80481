"""Derivatives along paths of Gaussian data, in exact numbers."""

from __future__ import annotations

import pytest
import sympy

from numtoolkit.errors import InputError
from numtoolkit.symbolic.gaussian_path import largest_slope, path_derivative

J = sympy.Symbol("J", positive=True)
RATIOS = {2: 1 - 3 * J, 3: 1 - 12 * J + 15 * J**2, 4: 1 - 39 * J + 135 * J**2 - 105 * J**3}


@pytest.mark.parametrize("order", RATIOS)
def test_derivatives_of_a_gaussian_path_are_polynomials_times_the_first(order: int) -> None:
    """They are those that the recursion P' -> 2 J (1 - J) P' + (1 - 3 J) P gives, and of the noise with 1 - J for J."""
    ratio = path_derivative("data", order) / path_derivative("data")
    assert sympy.simplify(ratio - RATIOS[order]) == 0
    noise = path_derivative("noise", order).subs(J, 1 - J)
    assert sympy.simplify(noise - (-1) ** order * path_derivative("data", order)) == 0


def test_the_steepest_gaussian_path_has_a_slope_free_of_the_variance() -> None:
    """2 / (3 sqrt 3) in log-SNR of either prediction; in the noise level 1, at its end."""
    bound = 2 / (3 * sympy.sqrt(3))
    assert largest_slope("data") == (bound, sympy.Rational(1, 3))
    assert largest_slope("noise") == (bound, sympy.Rational(2, 3))
    assert largest_slope("slope") == (1, 1)


def test_a_path_derivative_of_another_quantity_is_refused() -> None:
    """One sentence names what there is; of the slope in s there is one derivative."""
    with pytest.raises(InputError, match="score"):
        path_derivative("score")
    with pytest.raises(InputError, match="order = 2"):
        path_derivative("slope", 2)
