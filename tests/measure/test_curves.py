"""Error curves measure against the exact flow or law, and say why a budget was not measured."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws.named import digits, mixture
from numtoolkit.measure import (
    error_curve,
    exact_flow,
    exact_marginal,
    exact_networks,
    moments,
)
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from tests.support.gaussian_runs import IDS, PROCESSES, ROTATED, network, starts
from tests.support.tiers import breadth


def test_a_curve_is_of_64_samples_unless_seeds_are_given():
    """Seeds 0 to 63, against the exact flow, also where a law beside is told by more."""
    law = mixture(dim=1, components=1)
    of = (scheme("ddim"), EDM(), law, "rho(7)", [3])
    (given,), (own,) = (error_curve(*of, seeds, metric="path") for seeds in (range(64), None))
    assert own == given
    ((both,), (of_1024,)) = (error_curve(*of, seeds) for seeds in (None, range(1024)))
    assert (both["path"], both["law"]) == (given["error"], of_1024["law"])


def test_a_curve_of_an_ode_scheme_is_its_error_to_the_flow_from_the_same_start():
    """Relative RMS and median of ends against the exact flow, both from normals of the same seeds."""
    process, law = VP(), mixture(dim=2, components=4)
    (record,) = error_curve(scheme("dpmpp-2m"), process, law, "rho(7)", [10], seeds=range(5))
    z = starts(process, law.shape, 5)
    program = lower(scheme("dpmpp-2m"), process, grid("rho(7)", process, 10))
    exact = exact_flow(process, law, z, process.T, process.t_min)[0]
    gap = run(program, network(program, law), z)[0] - exact
    scale = np.sqrt(np.mean(exact**2))
    assert record["error"] == pytest.approx(np.sqrt(np.mean(gap**2)) / scale, rel=1e-12)
    assert record["median"] == pytest.approx(np.median(np.sqrt(np.mean(gap**2, axis=1))) / scale, rel=1e-12)
    assert {k: record[k] for k in ("scheme", "nfe", "steps", "metric")} == {
        "scheme": "dpmpp-2m",
        "nfe": 10,
        "steps": 10,
        "metric": "relative-rms",
    }


@pytest.mark.parametrize(
    "process", breadth(PROCESSES[:4], lambda process: process.name in ("edm", "psld")), ids=IDS[:4]
)
@pytest.mark.parametrize(
    "law",
    breadth([ROTATED, mixture(dim=2, components=4), digits(count=40)], lambda law: law is ROTATED or law.shape == (2,)),
    ids=["gauss", "mix", "digits"],
)
def test_errors_fall_along_the_curve_on_every_law(process, law):
    """Four times the steps leave less than two thirds, on a Gaussian, a mixture and a data set, in plain numbers."""
    name = "dpmpp-2m" if process.blocks == 1 else "rse"
    curve = error_curve(scheme(name), process, law, "quadratic", [20, 80, 320], range(16), metric="path")
    errors = [record["median"] for record in curve]  # the mean of a data set's law is ruled by its separatrices
    assert errors[0] > 1.5 * errors[1] > 2.25 * errors[2]
    json.dumps(curve, allow_nan=False)


def test_a_curve_of_an_sde_scheme_on_a_gaussian_needs_no_samples():
    """The error is W2 between exact moments of the data part, with no median."""
    process = PSLD()
    (record,) = error_curve(scheme("roba"), process, ROTATED, "quadratic", [50])
    final = moments(lower(scheme("roba"), process, grid("quadratic", process, 50)), law=ROTATED).block(0)
    exact = exact_marginal(process, ROTATED, process.t_min).block(0)
    root = np.sqrt(final.covariance) - np.sqrt(exact.covariance)
    assert record["error"] == pytest.approx(math.hypot(*root.ravel(), *(final.mean - exact.mean).ravel()), rel=1e-12)
    assert (record["metric"], record["median"]) == ("wasserstein2", None)


@pytest.mark.parametrize(("name", "process"), [("em", VP()), ("sscs", PSLD())])
def test_a_curve_of_an_sde_scheme_on_another_law_has_an_interval_and_a_floor(name, process):
    """Sliced W2 with its interval; the floor is what two exact sets differ by."""
    law = mixture(dim=2, components=4)
    curve = error_curve(scheme(name), process, law, "quadratic", [3, 100], seeds=range(600))
    for record in curve:
        assert record["metric"] == "sliced-wasserstein"
        assert 0 <= record["low"] <= record["error"] <= record["high"]
    assert curve[0]["low"] > 2 * curve[0]["floor"]  # three steps are seen to be wrong
    assert curve[1]["error"] < 2 * curve[1]["floor"]  # a hundred look like another exact set


def test_budgets_that_cannot_be_spent_are_reported_and_the_others_run():
    """Budgets no plan spends have a reason in place of an error; what is no budget is refused."""
    bare = replace(scheme("heun-edm"), steps=replace(scheme("heun-edm").steps, remainder=()))
    curve = error_curve(bare, EDM(), ROTATED, "rho(7, zero=1)", [10, 11], seeds=range(4))
    assert [record["error"] is None for record in curve] == [True, False]
    assert [record["steps"] for record in curve] == [None, 6]
    assert curve[0]["why"] == "scheme heun-edm cannot spend 10 evaluations; the nearest it can are 9, 11."
    assert "why" not in curve[1]
    with pytest.raises(InputError, match="nfe = 0 is no whole number from 1"):
        error_curve(bare, EDM(), ROTATED, "rho(7, zero=1)", [10, 0], seeds=range(4))


def test_curves_say_how_they_fill_a_budget():
    """The plan in words where steps differ, nothing where they are alike."""
    curve = error_curve(scheme("heun-edm"), EDM(), ROTATED, "rho(7, zero=1)", [10, 11], seeds=range(4))
    assert [record["plan"] for record in curve] == ["4 steps of 2 evaluations, 2 of 1", None]
    assert [record["steps"] for record in curve] == [6, 6]


def test_runs_and_coefficients_that_overflow_are_reported():
    """A run that leaves the finite numbers is a record with a reason, not an exception or an infinity."""
    for shift, steps, why in [(10**4, 100, "finite numbers"), (10**6, None, "not finite")]:
        (record,) = error_curve(scheme(f"lambda-ddim-1({shift})"), VP(), ROTATED, "uniform", [100], seeds=range(2))
        assert (record["error"], record["median"], record["steps"]) == (None, None, steps)
        assert why in record["why"]


def test_a_grid_of_own_points_starts_from_the_marginal_there():
    """A grid that begins below T starts from the exact marginal at its first point, not from the prior."""
    points = np.linspace(0.1, 0.05, 41)
    exact, unspendable = error_curve(scheme("em"), VP(), ROTATED, points, [40, 41])
    assert exact["error"] < 5e-3  # N(0, 1) there would be some 0.5 away
    assert "steps" in unspendable["why"]
    (sampled,) = error_curve(scheme("em"), VP(), mixture(dim=2, components=4), points, [40], seeds=range(400))
    assert sampled["error"] < 2 * sampled["floor"]


def test_the_sets_behind_a_floor_have_noise_of_their_own():
    """The two exact sets are drawn independently.

    At noise level 10 the law itself is invisible: two sets of 100 are some 10 / sqrt(100) apart, not 0.
    """
    (record,) = error_curve(scheme("em"), EDM(), mixture(dim=2), [80.0, 40.0, 10.0], [2], seeds=range(100))
    assert 0.5 < record["floor"] < 4


def test_the_flow_is_solved_once_for_all_schemes_and_budgets(monkeypatch):
    """The exact ends depend on law, process, seeds and grid ends alone, and are kept."""
    calls = []
    monkeypatch.setattr(exact_networks, "exact_flow", lambda *args: calls.append(args) or exact_flow(*args))
    law = mixture(dim=2, components=3, seed=5)
    for name in ("ddim", "res-2m"):
        error_curve(scheme(name), VP(), law, "log-snr", [5, 9], seeds=range(3))
    assert len(calls) == 1


def test_a_curve_refuses_an_undeclared_process_and_an_unknown_grid():
    """The process or the grid is named."""
    with pytest.raises(InputError, match="psld"):
        error_curve(scheme("res-2s"), PSLD(), ROTATED, "uniform", [10])
    with pytest.raises(InputError, match="quadratik"):
        error_curve(scheme("ddim"), VP(), ROTATED, "quadratik", [10])


def test_a_curve_ends_where_its_grid_does():
    """The exact flow is followed to the last of one's own points: 40 steps of Heun's method are near it."""
    (record,) = error_curve(scheme("heun-edm"), EDM(), mixture(dim=1, components=1), np.geomspace(80, 1, 41), [80])
    assert record["error"] < 1e-2
