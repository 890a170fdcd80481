"""Every curve of a deterministic scheme has its error along paths and in law, each on its own terms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from numtoolkit import error_curve, program_of
from numtoolkit.errors import InputError
from numtoolkit.fitting import search
from numtoolkit.fitting.parameter_search import gaussian_error
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure import exact_marginal, moments, wasserstein2
from numtoolkit.measure.distances import Moments, frechet
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.problem.processes import EDM, PSLD, VP
from numtoolkit.sampling.runner import sample
from tests.support.tiers import breadth

# |T|, the relative error of the deviation of a mode of the given deviation, of PSLD on a quadratic grid with 50
# evaluations, to the two decimals that were computed apart from this package.
SCALES = (2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
TRANSFER = {
    "ddim": (0.03, 0.10, 0.12, 0.00, 0.04, 0.01, 0.09, 0.13),
    "nvv": (0.00, 0.04, 0.01, 0.03, 0.03, 0.16, 0.47, 0.81),
    "rvv": (0.01, 0.02, 0.02, 0.07, 0.10, 0.12, 0.10, 0.03),
    "cvv": (0.01, 0.02, 0.04, 0.18, 0.26, 0.31, 0.35, 0.34),
    "gddim(2)": (0.03, 0.03, 0.02, 0.03, 0.03, 0.03, 0.02, 0.02),
    "em": (0.01, 0.02, 0.03, 0.04, 0.06, 0.09, 0.15, 0.21),
    "roba": (0.01, 0.04, 0.12, 0.21, 0.27, 0.29, 0.28, 0.27),
}


@pytest.mark.parametrize("name", breadth(TRANSFER, lambda name: name in ("ddim", "em")))
def test_the_error_in_law_of_a_mode_is_that_of_its_deviation(name):
    """Over the deviation it should have, W2 of one mode is the size of the transfer function, deterministic or not."""
    process = PSLD()
    for s0, expected in zip(SCALES, TRANSFER[name], strict=True):
        law = Gaussian([0.0], [s0**2])
        (record,) = error_curve(name, process, law, "quadratic", [50], metric="law")
        deviation = math.sqrt(exact_marginal(process, law, process.t_min).covariance[0, 0, 0])
        assert record["law"] / deviation == pytest.approx(expected, abs=0.0055)  # half a unit of the table, and a tenth


def test_a_wrong_phase_is_an_error_of_the_path_and_not_of_the_law():
    """cvv and ddim are as far from the flow as a random phase, and 3.7 % and 12 % off in law; rvv is near in both.

    The error along paths of all starts is exact, and lies in the interval of 64.
    """
    law = Gaussian([0.0], [0.25])
    for name, path, in_law in (("cvv", 1.06, 0.037), ("ddim", 1.01, 0.12), ("rvv", 0.0905, 0.018)):
        (record,) = error_curve(name, "psld", law, "quadratic", [50])
        assert record["law"] / 0.5 == pytest.approx(in_law, rel=0.04)
        exact = gaussian_error(program_of(name, "psld", "quadratic", 50), law)
        assert exact == pytest.approx(path, rel=0.005)
        assert record["path_low"] < exact < record["path_high"]


@pytest.mark.parametrize(("process", "leading"), [(VP(), "path"), (PSLD(), "law")], ids=["scalar", "phase-space"])
def test_the_law_comes_first_in_phase_space_and_the_path_elsewhere(process, leading):
    """`error` and its metric are those of the leading one; both stand beside it, the law by exact moments."""
    law, grid = Gaussian([0.3, 0.0], [1.0, 0.04]), "quadratic"
    name = "dpmpp-2m" if process.blocks == 1 else "rvv"
    (record,) = error_curve(name, process, law, grid, [40])
    final = moments(name, process, law, grid, 40).block(0)
    assert record["law"] == wasserstein2(final, exact_marginal(process, law, process.t_min).block(0))
    (path,) = error_curve(name, process, law, grid, [40], metric="path")
    assert record["path"] == path["error"] != record["law"]
    assert record["error"] == record[leading]
    assert record["metric"] == {"path": "relative-rms", "law": "wasserstein2"}[leading]
    assert (record["low"] is None) == (leading == "law")  # moments know no chance
    assert (path["law"], path["median"]) == (None, record["median"])


def test_the_path_error_has_an_interval_over_its_samples():
    """Beside the error where the path leads, under its own name where it does not, and the same."""
    law = Gaussian([0.0], [0.25])
    of = ("rvv", "psld", law, "quadratic", [20])
    (both,), (alone,) = error_curve(*of), error_curve(*of, metric="path")
    assert 0 < alone["low"] < alone["error"] < alone["high"]
    assert (both["path_low"], both["path_high"]) == (alone["low"], alone["high"])


def test_a_law_by_samples_has_a_sliced_and_a_frechet_distance_with_their_floors():
    """Of the same samples as `sample` draws: moments against those of the exact marginal, two coordinates."""
    process, law, seeds = EDM(), mixture(dim=2, components=4), range(300)
    (record,) = error_curve("ddim", process, law, "rho(7)", [4], seeds)
    drawn = Moments.of(sample("ddim", process, law, "rho(7)", 4, seeds=seeds, dtype=np.float64).samples)
    covariance = law.covariance() + process.t_min**2 * np.eye(2)
    expected = frechet(drawn.mean, drawn.covariance(), law.mean, covariance)
    assert record["frechet"] == pytest.approx(expected, rel=1e-9)
    assert 0 < record["frechet_floor"] < record["frechet"] / 4  # four evaluations are seen to be few
    assert 0 < record["floor"] < record["law_low"] < record["law"] < record["law_high"]


def test_no_more_samples_than_coordinates_have_no_frechet_distance():
    """Their covariance is singular whatever the scheme does; the sliced distance is there."""
    (record,) = error_curve("ddim", "edm", mixture(dim=40), "rho(7)", [6], range(40), metric="law")
    assert record["law"] > 0
    assert "frechet" not in record
    target = ExactNetwork(mixture(dim=40), EDM()).target(80.0, 0.002, tuple(range(41)))
    assert target.frechet_floor > 0


def test_what_comes_second_needs_no_samples_and_what_leads_does():
    """With 19 samples of a mixture the path stands alone on EDM; on PSLD the law would lead, and says what it needs."""
    (record,) = error_curve("ddim", "edm", mixture(dim=2), "rho(7)", [6], range(19))
    assert (record["law"], record["error"] > 0) == (None, True)
    with pytest.raises(InputError, match=r"19 samples are too few for .* of rvv; give 20 or metric='path'\."):
        error_curve("rvv", "psld", mixture(dim=2), "quadratic", [6], range(19))


def test_a_metric_that_is_not_there_is_refused():
    """A stochastic scheme has no path of its own; a third kind of error has no name."""
    law = Gaussian([0.0], [0.25])
    with pytest.raises(InputError, match="em draws noise, so no path is its own; take metric='law'"):
        error_curve("em", "vp", law, "uniform", [6], metric="path")
    with pytest.raises(InputError, match="metric 'fid'"):
        error_curve("ddim", "vp", law, "uniform", [6], metric="fid")


def test_a_search_in_phase_space_makes_the_error_in_law_least():
    """The objective is what a curve leads with; the path on request."""
    law = Gaussian([0.0], [0.25])
    found = {}
    for metric in (None, "path"):
        (record,) = search("cse", "psld", law, "quadratic", [20], "shift", bounds=(-2.0, 2.0), metric=metric)
        found[metric] = record
        (curve,) = error_curve(record["scheme"], "psld", law, "quadratic", [20])
        exact = gaussian_error(program_of(record["scheme"], "psld", "quadratic", 20), law)
        assert record["error"] == (exact if metric else curve["law"])
    assert found[None]["objective"] == "wasserstein2"
    assert found["path"]["objective"] == "relative-rms of all starts"
