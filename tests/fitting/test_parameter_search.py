"""A search finds the best value of a parameter, says of what it is the best, and never loses to the default."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from numtoolkit.errors import InputError
from numtoolkit.fitting import search
from numtoolkit.fitting.parameter_search import gaussian_error
from numtoolkit.laws.named import law_of, ring
from numtoolkit.measure import error_curve
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, PSLD, VP
from numtoolkit.program.program import lower
from numtoolkit.schemes import scheme
from tests.support.fitted_schemes import OFF_CENTRE, WIDE


@pytest.mark.parametrize(("points", "best"), [("log-snr", 1 / 3), ("rho(7)", 10 / 27)])
def test_the_best_stage_of_res_2s_on_a_gaussian_is_the_closed_form(points, best):
    """The stage that a search finds tends to the one theory says, on two kinds of grid.

    exponential-iia.md 6.3 (iii): c2* = (rho + 3)/(3 rho + 6), up to the next power of the step.
    """
    records = search("res-2s", "edm", law_of("gaussian(dim=1, mean=0)"), points, [64, 128, 256], "c2")
    gaps = [abs(record["value"] - best) for record in records]
    assert gaps[2] < gaps[1] < gaps[0] < 0.02
    assert gaps[2] < 0.004
    for record in records:
        assert record["error"] < 1e-3 * record["default_error"]
        assert record["objective"] == "relative-rms of all starts"


def test_the_exact_objective_is_the_sampled_one_of_many_starts():
    """The error of all starts, in closed form, is that of 20000 drawn ones.

    A start as near as EDM(T=2) is not forgotten: the mean of the law shows in every part of the error.
    """
    for spec, process in (("dpmpp-2m", EDM(T=2)), ("res-2s", VP()), ("nvv", PSLD())):
        times = grid("rho(7)", process, 8)
        exact = gaussian_error(lower(scheme(spec), process, times), OFF_CENTRE)
        nfe = lower(scheme(spec), process, times).nfe
        (sampled,) = error_curve(scheme(spec), process, OFF_CENTRE, times, [nfe], range(20_000), metric="path")
        # means of squares of 20000 normals in two dimensions: 1 % at three standard errors, twice
        assert sampled["error"] == pytest.approx(exact, rel=0.02)


def test_a_search_states_its_objective_and_never_loses():
    """The default is among the values compared, the result is a specification, and the measure is named."""
    kinds = {}
    for spec, name, law, process, bounds in [
        ("res-2s", "c2", ring(), "edm", None),
        ("gauss-fit-2m", "sigma_data", WIDE, "edm", (0.05, 2)),
        ("lambda-ddim-1", "shift", OFF_CENTRE, "vp", (-3, 3)),
        ("roba", "lambda_s", OFF_CENTRE, "psld", (0.5, 1.5)),
    ]:
        (record,) = search(spec, process, law, "rho(7)", [8], name, bounds=bounds)
        assert record["error"] <= record["default_error"]
        assert scheme(record["scheme"]).spec == record["scheme"]
        assert float(scheme(record["scheme"]).parameters()[name]) == record["value"]
        kinds[spec] = record["objective"]
    assert kinds["res-2s"] == "relative-rms"
    assert kinds["gauss-fit-2m"] == "relative-rms of all starts"
    assert kinds["roba"] == "wasserstein2"


def test_a_search_stays_within_its_bounds():
    """The value that a scheme has is no answer where the bounds leave it out, whatever its error."""
    bounds = (0.8, 1.0)  # c2 = 1/2 is better than any of these
    (record,) = search("res-2s", "edm", law_of("gaussian(dim=1, mean=0)"), "rho(7)", [16], "c2", bounds=bounds)
    assert bounds[0] <= record["value"] <= bounds[1]
    assert record["error"] > record["default_error"]


def test_a_search_that_finds_nothing_better_keeps_the_value_there_is(monkeypatch):
    """Where the method ends in a worse place, the result is the default and its error."""
    monkeypatch.setattr("scipy.optimize.minimize_scalar", lambda *_, **__: SimpleNamespace(x=0.95))
    (record,) = search("res-2s", "edm", law_of("gaussian(dim=1, mean=0)"), "rho(7)", [16], "c2")
    assert (record["value"], record["scheme"]) == (0.5, "res-2s(c2=1/2)")
    assert record["error"] == record["default_error"]


def test_a_search_refuses_what_it_cannot_use():
    """Each sentence names the parameter and the range that is missing or empty."""

    def refused(match, scheme, name, **more):
        with pytest.raises(InputError, match=match):
            search(scheme, "edm" if scheme != "lambda-ddim-1" else "vp", WIDE, "rho(7)", [8], name, **more)

    refused("has no parameter 'c3'; it has c2", "res-2s", "c3")
    refused("it has none", "ddim", "c2")
    refused("no range of its own", "lambda-ddim-1", "shift")
    refused("leave nothing to search", "res-2s", "c2", bounds=(0.5, 0.5))
    refused("no finite number", "res-2s", "c2", bounds=(0.5, float("nan")))
    refused("out of range", "res-2s", "c2", bounds=(0.5, 2))
