"""Ratios of errors from the same starts: what they are, and that their intervals cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numtoolkit.laws import law_of
from numtoolkit.measure import error_curve
from numtoolkit.measure.distances import ratio
from numtoolkit.measure.ratios import error_ratios
from numtoolkit.problem.processes import process

SEEDS = range(50, 82)


def test_ratios_are_those_of_the_errors_of_curves():
    """RMS and median of the first run over those of each other; a run beside itself is 1 without doubt."""
    law, on = law_of("ring"), process("edm")
    runs = [("ddim", "rho(7)"), ("dpmpp-2m", "log-snr"), ("ddim", "rho(7)")]
    other, same = error_ratios(runs, on, law, 6, SEEDS)
    one, two = (error_curve(scheme, on, law, grid, [6], SEEDS)[0] for scheme, grid in runs[:2])
    assert other.rms == pytest.approx(one["path"] / two["path"], rel=1e-9)
    assert other.median == pytest.approx(one["median"] / two["median"], rel=1e-9)
    assert same == (1.0,) * 6


def test_a_run_that_cannot_be_had_has_no_ratio():
    """A budget that a scheme cannot spend, of the first run or of another."""
    runs = [("ddim", "rho(7)"), ("ddim", "rho(7, zero=1)")]
    assert error_ratios(runs, process("edm"), law_of("ring"), 1, SEEDS) == [None]
    assert error_ratios(runs[::-1], process("edm"), law_of("ring"), 1, SEEDS) == [None]


def test_intervals_of_paired_ratios_cover_what_the_starts_share():
    """Factors from start to start that both runs have leave the ratio as it is known: 95 % of 80 sets."""
    rng = np.random.default_rng(0)
    hits, widths = np.zeros(2), []
    for _ in range(80):
        common = rng.normal(0, 0.7, 128)
        first, second = np.exp(common + rng.normal(0, 0.3, (2, 128)))
        found, apart = ratio(4 * first, second), ratio(4 * first, rng.permutation(second))
        hits += [found.low <= 2 <= found.high, found.median_low <= 2 <= found.median_high]
        widths.append([math.log(own.high / own.low) for own in (found, apart)])
        widths[-1] += [math.log(own.median_high / own.median_low) for own in (found, apart)]
    paired, unpaired, of_medians, of_unpaired_medians = np.median(widths, axis=0)
    assert paired < 0.6 * unpaired
    assert of_medians < 0.8 * of_unpaired_medians
    assert (hits / 80 > 0.87).all()  # three deviations of 80 below 0.95
