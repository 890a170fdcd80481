"""The same schemes in several panels: each has the records of its own curve, and steps that a run finds beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from numtoolkit.errors import InputError
from numtoolkit.fitting import fit
from numtoolkit.measure import error_curve
from numtoolkit.reproduce.kinds import Errors
from numtoolkit.reproduce.panels import METRICS, Panels, View
from numtoolkit.schemes import catalogue, scheme
from tests.support.shipped import shipped

pytest.importorskip("matplotlib")

VIEWS = (
    View("paths", "edm", "gaussian", "log-snr", adaptive=True, samples=4),
    View("law", "edm", "gaussian", "rho(7)", "law", nfe=(6,)),
)
PANELS = Panels("Where?", ("ddim", "heun-edm"), (4, 8), VIEWS, adaptive="bs32", tolerances=(0.1,))


def test_a_panel_has_the_curves_of_its_view() -> None:
    """On its law, grid and budgets, by its metric; the legend names every scheme once, and found steps in black."""
    result = PANELS.run(quick=False)
    for view in VIEWS:
        for name in PANELS.schemes:
            own = [r for r in result.data if (r["panel"], r["scheme"]) == (view.name, name)]
            curve = error_curve(name, view.process, view.law, view.grid, view.nfe or PANELS.nfe,
                                range(4) if view.samples else None, metric=view.metric)  # fmt: skip
            assert [(r["nfe"], r["metric"]) for r in own] == [(r["nfe"], r["metric"]) for r in curve]
            assert [r["error"] for r in own] == pytest.approx([r["error"] for r in curve], rel=1e-5)
    found = [r for r in result.data if r.get("own")]
    assert [(r["panel"], r["scheme"]) for r in found] == [("paths", "bs32, own steps")]
    figure = result.figure()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ddim", "heun-edm", "bs32, own steps"]
    first, second = figure.axes
    assert [line.get_color() for line in first.get_lines()][2] == "black"
    assert (first.get_title("left"), second.get_ylabel()) == ("paths", "Wasserstein-2 distance")


def test_panels_that_cannot_be_drawn_are_refused_as_they_are_read() -> None:
    """Found steps in law, without a scheme that can, of one without companions; a stochastic scheme along paths."""
    for own, sentence in [
        ({"views": (replace(VIEWS[1], adaptive=True),)}, "view 'law' has no run that finds its steps"),
        ({"adaptive": ""}, "view 'paths' has no run that finds its steps"),
        ({"adaptive": "em"}, "em declares no companion"),
        ({"schemes": ("em",)}, "em draws noise"),
        ({"views": (replace(VIEWS[0], schemes=("res-2s",)),)}, "view 'paths' shows res-2s, which is none of the sch"),
        ({"views": (replace(VIEWS[1], reference=40),)}, "view 'law' has a reference"),
        ({"substeps": 0}, "substeps = 0"),
        ({"schemes": ("ddim",) * 2}, "schemes holds ddim twice"),
        ({"views": (replace(VIEWS[0], metric="time"),)}, "unknown metric 'time'"),
        ({"views": VIEWS[:1] * 2}, "views holds paths twice"),
    ]:
        with pytest.raises(InputError, match=sentence):
            replace(PANELS, **own)


def test_a_view_shows_what_it_asks_for_of_results_that_hold_more() -> None:
    """Path, median or law, with the interval and floor of that alone, whichever of them leads."""
    views = tuple(View(metric, "psld", "mixture(dim=2)", "quadratic", metric, nfe=(6,)) for metric in METRICS)
    panels = replace(PANELS, schemes=("rvv",), views=views, adaptive="")
    both = {"steps": 3, "error": 0.2, "law": 0.2, "low": 0.1, "high": 0.3, "floor": 0.05, "median": 0.7, "path": 0.9,
            "path_low": 0.8, "path_high": 1.0}  # fmt: skip
    columns = {key: [value] for key, value in both.items()}
    kept = {"metric": "sliced-wasserstein", "nfe": [6], "curves": [columns]}
    records = {r["panel"]: r for r in panels.result(False, dict.fromkeys(panels.cells(False, {}), kept)).data}
    keys = ("metric", "error", "low", "high", "steps")
    assert [[records[name][key] for key in keys] for name in METRICS] == [
        ["relative-rms", 0.9, 0.8, 1.0, 3],
        ["median", 0.7, None, None, 3],
        ["sliced-wasserstein", 0.2, 0.1, 0.3, 3],
    ]
    assert [records[name].get("floor") for name in METRICS] == [None, None, 0.05]


def test_views_of_a_network_are_of_results_that_tables_of_errors_ask_for_too() -> None:
    """In path and in law: nothing is computed twice."""
    pytest.importorskip("torch")
    told = {"nfe": (6, 9), "samples": 40, "reference": 40, "dtype": "float32"}
    views = tuple(View(kind, "edm", "network:digits-image", "rho(7)", kind, **told) for kind in METRICS)
    asked = replace(PANELS, schemes=("ddim", "res-2s"), views=views).cells(False, {})
    table = Errors("t", "edm", "network:digits-image", "rho(7)", **told).cells(False, {})
    assert len(set(asked)) == 2
    assert set(asked) <= set(table)


def test_fitted_schemes_have_coefficients_of_each_budget_and_law() -> None:
    """Those of a fit on other samples; a budget without any says why it has no error."""
    panels = replace(PANELS, schemes=("iia-ddim(two)",), views=VIEWS[1:], nfe=(4,), substeps=3, adaptive="")
    panels = replace(panels, views=(replace(VIEWS[1], nfe=(1, 4, 6)),))
    none, *found = panels.run(quick=False).data
    assert none["error"] is None
    assert "has a coefficient" in none["why"]
    for record in found:
        own = scheme("iia-ddim(two)")
        table = fit(own, "edm", "gaussian", "rho(7)", record["nfe"], substeps=3)
        (exact,) = error_curve(own.with_table(table), "edm", "gaussian", "rho(7)", [record["nfe"]], metric="law")
        assert record["error"] == pytest.approx(exact["error"], rel=1e-5)


@pytest.mark.check
def test_every_scheme_of_the_papers_stands_in_a_figure_of_its_paper() -> None:
    """And they do so on every kind of law and network, from 5 evaluations to 1000, beside steps that a run finds."""
    drawn = [plan.experiment for plan in shipped() if isinstance(plan.experiment, Panels)]
    for paper in ("2310.07894", "2402.07211", "2308.02157", "2304.11328"):
        shown = {scheme(name).name for own in drawn if paper in own.caption for name in own.schemes}
        assert not [own.name for own in catalogue() if f"arXiv:{paper}" in own.source and own.name not in shown], paper
    views = [view for own in drawn for view in own.views]
    laws = {view.law.split("(")[0].removeprefix("experiments/laws/") for view in views}
    assert laws >= {"gaussian", "anisotropic", "mixture", "natural", "digits", "patches-8.npz", "network:digits-image",
                    "network:digits-psld", "network:patches-image", "network:patches-psld"}  # fmt: skip
    assert {view.metric for view in views} == set(METRICS)
    assert any(view.adaptive for view in views)
    assert {min(min(view.nfe, default=5) for view in views), max(max(view.nfe, default=5) for view in views)} == {
        5,
        1000,
    }
