"""The same schemes in several panels: each has the records of its own curve, and steps that a run finds beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from numtoolkit.errors import InputError
from numtoolkit.measure import error_curve
from numtoolkit.reproduce.panels import Panels, View

pytest.importorskip("matplotlib")

VIEWS = (
    View("paths", "edm", "gaussian", "log-snr", adaptive=True, samples=4),
    View("law", "edm", "gaussian", "rho(7)", "law", (6,)),
)
PANELS = Panels("Where?", ("ddim", "heun-edm"), (4, 8), VIEWS, adaptive="bs32", tolerances=(0.1,))


def test_a_panel_has_the_curves_of_its_view() -> None:
    """On its law, grid and budgets, by its metric; the legend names every scheme once, and found steps in black."""
    result = PANELS.run(quick=False)
    for view in VIEWS:
        for scheme in PANELS.schemes:
            own = [r for r in result.data if (r["panel"], r["scheme"]) == (view.name, scheme)]
            curve = error_curve(scheme, view.process, view.law, view.grid, view.nfe or PANELS.nfe,
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
        ({"schemes": ("ddim",) * 2}, "schemes holds ddim twice"),
        ({"views": (replace(VIEWS[0], metric="time"),)}, "unknown metric 'time'"),
        ({"views": VIEWS[:1] * 2}, "views holds paths twice"),
    ]:
        with pytest.raises(InputError, match=sentence):
            replace(PANELS, **own)
