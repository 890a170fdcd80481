"""Figures show what they are given, say what they show, and are the same bytes every time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.files.storage import write_figure
from numtoolkit.measure.planes import Plane
from numtoolkit.measure.stability import Region, order_star, stability
from numtoolkit.measure.step_defects import step_defects
from numtoolkit.measure.transfer import Transfer, transfer
from numtoolkit.plots import (
    LABELS,
    contest_figure,
    curve_figure,
    defects_figure,
    error_table,
    families_figure,
    image_grid,
    order_table,
    spectrum_figure,
    stability_figure,
    transfer_figure,
)
from numtoolkit.problem.processes import PSLD
from numtoolkit.program.runs import program_of

pytest.importorskip("matplotlib")


def record(scheme: str, nfe: int, error: float | None, metric: str = "relative-rms", **more: Any) -> dict[str, Any]:
    return {"scheme": scheme, "nfe": nfe, "steps": nfe, "metric": metric, "error": error, "median": None} | more


CURVES = [record(name, n, c / n**p) for name, c, p in (("a", 1, 1), ("b", 9, 2)) for n in (5, 10, 20)]


STARS = [order_star("rk4", size=40), order_star("rk4", -1, size=40), order_star("ddim", -1, size=40)]


def figures() -> list[Any]:
    tiles = np.linspace(-1, 1, 8 * 12).reshape(8, 3, 4)
    return [
        curve_figure(CURVES, "title"),
        image_grid({"left": (tiles, np.arange(8) % 3 == 0)}, "title", columns=4),
        stability_figure([*stability("ddim", size=40), *stability("res-2m", size=40), *STARS], "title"),
        stability_figure([*stability("nse", size=40), *stability("sscs", size=40)], "title"),
        stability_figure([*stability("em", kind="mean-square", size=20)], "title"),
        transfer_figure([transfer(name, "edm", "rho(7)", 6) for name in ("ddim", "dpmpp-2m")], "title"),
        defects_figure([step_defects(name, "edm", "gaussian", "rho(7)", 6) for name in ("ddim", "em")], "title"),
    ]


@pytest.mark.check
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_figure_is_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    """Curves, images and stability drawn twice, as PNG and SVG."""
    for i, pair in enumerate(zip(figures(), figures(), strict=True)):
        first, second = (write_figure(tmp_path / f"{i}{j}{suffix}", f).read_bytes() for j, f in enumerate(pair))
        assert first == second
        assert len(first) > 3000


def test_a_page_of_few_images_is_no_taller_than_they_are() -> None:
    """Two rows of eight take a quarter of the height of eight rows, and more rows no more than these."""
    heights = [
        image_grid({"left": (np.zeros((8 * rows, 6, 6)), np.zeros(8 * rows, bool))}, "title").get_size_inches()[1]
        for rows in (2, 8, 16)
    ]
    assert heights == pytest.approx([3.2 / 4 + 0.65, 3.85, 3.85])


def test_a_figure_does_not_depend_on_the_settings_of_a_person(tmp_path: Path) -> None:
    """Whatever a matplotlibrc says while it is drawn and written, it is the same bytes."""
    from matplotlib import rc_context

    plain = write_figure(tmp_path / "plain.png", curve_figure(CURVES, "title")).read_bytes()
    for own in ({"lines.dash_capstyle": "round", "xtick.labelsize": 5.0}, {"savefig.dpi": 50, "svg.fonttype": "none"}):
        with rc_context(own):
            figure = curve_figure(CURVES, "title")
            assert write_figure(tmp_path / "own.png", figure).read_bytes() == plain


def test_every_figure_has_a_title_and_labelled_axes() -> None:
    """Only axes of images stand without labels, and those that share theirs."""
    for figure in figures():
        assert figure.get_suptitle() == "title"
        for ax in figure.axes:
            assert ax.images or figure.get_supxlabel() or (ax.get_xlabel() and ax.get_ylabel())


def test_curves_hold_the_records_and_the_legend_is_ordered_like_their_ends() -> None:
    """The lines are the records, told apart by marker and dash as well as colour."""
    (ax,) = curve_figure(CURVES, "t", slopes=()).axes
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["b"].get_xydata(), [[5, 9 / 25], [10, 9 / 100], [20, 9 / 400]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert lines["a"].get_marker() != lines["b"].get_marker()
    assert lines["a"].get_linestyle() != lines["b"].get_linestyle()


def test_guides_have_the_slopes_they_name() -> None:
    """The guide "order p" falls as n^-p."""
    (ax,) = curve_figure(CURVES, "t", slopes=(1, 3)).axes
    guides = [line.get_xydata() for line in ax.get_lines() if not line.get_label()[0].isalpha()]
    for p, points in zip((1, 3), guides, strict=True):
        (x0, y0), (x1, y1) = points
        assert np.log(y1 / y0) / np.log(x1 / x0) == pytest.approx(-p)
    assert [note.get_text() for note in ax.texts] == ["order 1", "order 3"]


def test_guides_end_within_the_axes_where_errors_hardly_fall() -> None:
    """The steepest is above the lower edge, its name too, and all are below the curve that begins beside them."""
    flat = [record("a", n, 1.0 - n / 100) for n in (5, 10, 20)]
    (ax,) = curve_figure(flat, "t", slopes=(1, 3)).axes
    assert min(note.xy[1] for note in ax.texts) > ax.get_ylim()[0]
    curve, *guides = (line.get_ydata() for line in ax.get_lines())
    assert max(map(max, guides)) < min(curve)


def test_metrics_and_quantities_get_a_panel_each_and_missing_errors_none() -> None:
    """Errors of two measures never share an axis; the floor is drawn where there is one, and each interval."""
    records = [
        *(record("a", n, 1 / n, median=0.5 / n) for n in (5, 10)),
        record("a", 20, None),
        *(record("c", n, 1 / n, "sliced-wasserstein", low=0.5 / n, high=2 / n, floor=0.01) for n in (5, 10)),
    ]
    panels = curve_figure(records, "t", ("error", "median"), ()).axes
    assert [ax.get_ylabel().split()[0] for ax in panels] == ["RMS", "sliced", "median"]
    np.testing.assert_array_equal(panels[2].get_lines()[0].get_xydata(), [[5, 0.1], [10, 0.05]])
    assert [text.get_text() for text in panels[1].get_legend().get_texts()] == ["c", "two exact sets"]
    (bars,) = panels[1].collections
    np.testing.assert_allclose(bars.get_segments(), [[[n, 0.5 / n], [n, 2 / n]] for n in (5, 10)])


def test_law_and_path_get_a_panel_each_with_their_own_intervals() -> None:
    """Whichever leads: the interval of the other is beside it, and stochastic schemes share the panel of the law."""
    led = {"low": 0.1, "high": 0.3, "path": 2.0, "path_low": 1.5, "path_high": 2.5, "law": 0.2}
    records = [record("a", 5, 0.2, "wasserstein2", **led), record("em", 5, 0.4, "wasserstein2", law=0.4, path=None)]
    law, path = curve_figure(records, "t", ("law", "path"), ()).axes
    assert [ax.get_ylabel().split()[0] for ax in (law, path)] == ["Wasserstein-2", "RMS"]
    assert [line.get_label() for line in law.get_lines()] == ["a", "em"]
    assert [line.get_label() for line in path.get_lines()] == ["a"]
    for ax, bar in ((law, [[5, 0.1], [5, 0.3]]), (path, [[5, 1.5], [5, 2.5]])):
        np.testing.assert_allclose(ax.collections[0].get_segments(), [bar])


def test_lost_runs_leave_the_axes_and_not_the_others_unreadable() -> None:
    """Errors of 1e9 go over the edge of the axis, which ends at 10."""
    (ax,) = curve_figure([*CURVES, record("lost", 5, 1e9), record("lost", 10, 1e4)], "t").axes
    assert ax.get_ylim()[1] == 10


def test_the_drawn_boundary_of_stability_is_the_contour() -> None:
    """For Euler the circle of radius 1 about -1, to the square of the mesh."""
    (ax,) = stability_figure([r for r in stability("euler") if r.linear == 0], "t").axes
    (contour,) = ax.collections
    (path,) = contour.get_paths()
    distance = np.abs(path.vertices @ [1, 1j] + 1)
    # Linear interpolation between grid points 8 / 399 apart errs by an eighth of the square, times the curvature 1.
    np.testing.assert_allclose(distance, 1, atol=(8 / 399) ** 2)


def test_an_order_star_alone_is_grey_where_it_is_above_one_and_several_are_lines() -> None:
    """The panel says which; the axes are the window of the star, and the edge is the contour of growth 1."""
    alone, pair = stability_figure(STARS, "title").axes
    assert [ax.texts[0].get_text() for ax in (alone, pair)] == [
        "grey: grows faster than exp",
        "lines: grows as exp does",
    ]
    assert (len(pair.texts), len(alone.collections), len(pair.collections)) == (1, 2, 2)
    assert alone.get_xlim() == (-5, 3)
    assert alone.get_title(loc="left") == "order star at h L = 0"
    grey, _ = alone.collections
    inside = grey.get_paths()[0]
    assert inside.contains_point((-4.9, 0.0))  # R grows as w^4 there, and exp falls
    assert not inside.contains_point((2.9, 0.0))  # exp is above its Taylor polynomial


def test_a_scheme_whose_boundary_is_not_in_the_window_is_said_to_have_none() -> None:
    """Stable everywhere or nowhere in it: nothing is drawn, and the legend says so."""
    x, y = np.meshgrid(np.linspace(-5, 3, 9), np.linspace(-4, 4, 9))
    inside = Region("inside", 0.0, x, y, np.full(x.shape, 0.5))
    crossing = Region("crossing", 0.0, x, y, np.abs(x))
    (ax,) = stability_figure([inside, crossing, Region("outside", 0.0, x, y, np.full(x.shape, 2.0))], "t").axes
    assert [line.get_label() for line in ax.get_lines()] == ["inside (no bound)", "crossing", "outside (no bound)"]
    assert len(ax.collections) == 1


def test_step_limits_are_drawn_where_they_are_finite() -> None:
    """A scheme without bound is named so in the legend."""
    limits = [*stability("nse", process=PSLD(), size=40), *stability("sscs", process=PSLD(), size=40)]
    flow, sde = stability_figure(limits, "t").axes
    (line,) = flow.get_lines()
    drawn = np.isfinite(line.get_ydata())
    np.testing.assert_array_equal(line.get_ydata()[drawn], limits[0].h[np.isfinite(limits[0].h)])
    assert sde.get_lines()[0].get_label() == "sscs (no bound)"


def test_a_plane_is_drawn_in_bands_about_1_with_what_grows_hatched() -> None:
    """A panel a scheme, the line of 1 where it is crossed and not where all is exact; grey and hatches are named."""
    x, y = np.linspace(0.1, 3, 30), np.geomspace(0.01, 100, 20)
    value = np.exp(np.add.outer(np.linspace(-1, 1, 20), x - 1.5))
    crossed = Plane("crossed", "diffusion", "edm", x, y, value)
    rounded = 1 + 1e-15 * (-1.0) ** np.add.outer(np.arange(20), np.arange(30))
    exact = Plane("exact", "diffusion", "edm", x, y, rounded)
    grown = Plane("grown", "diffusion", "edm", x, y, np.where(value > 4, np.inf, value))
    ended = Plane("ended", "diffusion", "edm", x, y, np.where(value < 0.2, np.nan, value))
    figure = stability_figure([crossed, exact, grown, ended], "t")
    *panels, bar = figure.axes
    assert [ax.get_title(loc="left") for ax in panels] == ["crossed", "exact", "grown", "ended"]
    assert [len(ax.collections) for ax in panels] == [2, 1, 3, 2]  # bands, the line of 1, hatches
    first, _, third, _ = panels
    (line,) = first.collections[1].get_paths()
    across = np.interp(np.log(line.vertices[:, 1]), np.log(y), np.linspace(-1, 1, 20)) + line.vertices[:, 0] - 1.5
    # Interpolated are values, not their logarithms, 2/19 apart, in y, not in its logarithm, 9.2/19 apart.
    np.testing.assert_allclose(across, 0, atol=(2 / 19) ** 2 / 8 + (9.2 / 19) ** 2 / 8 * 2 / 9.2)
    assert third.collections[2].hatches == ["////"]
    assert "hatched: grows without bound    grey: beyond" in figure.get_supxlabel()
    assert "(edm)" in figure.get_supxlabel()
    assert "1" in [label.get_text() for label in bar.get_yticklabels()]
    alone = stability_figure([crossed], "t")
    assert "hatched" not in alone.get_supxlabel()
    other = replace(exact, panel="psld, data variance 4")
    assert stability_figure([crossed, other], "t").axes[1].get_title(loc="left") == "exact\npsld\ndata variance 4"


def test_the_words_beside_a_row_of_planes_stand_inside_the_figure_and_apart() -> None:
    """Of two planes with all signs: the long label of the axis does not meet the title, no line is cut."""
    x, y = np.linspace(0.1, 3, 4), np.geomspace(0.01, 100, 4)
    value = np.ones((4, 4))
    value[0, 0], value[1, 1] = np.inf, np.nan
    figure = stability_figure([Plane(name, "diffusion", "edm", x, y, value) for name in ("em", "sscs")], "Which?")
    figure.draw_without_rendering()
    boxes = [own.get_window_extent() for own in (figure._suptitle, figure._supxlabel, figure._supylabel)]
    for box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert not boxes[2].overlaps(boxes[0])
    assert not boxes[2].overlaps(boxes[1])


def test_bands_of_planes_are_pixels_and_hatches_have_corners_alone(tmp_path: Path) -> None:
    """The labels and lines of a picture in SVG stay what they are; a straight edge takes no more than its ends."""
    x, y = np.linspace(0.1, 3, 30), np.geomspace(0.01, 100, 20)
    value = np.where(np.multiply.outer(np.arange(20) < 9, np.arange(30) >= 12), np.inf, 1.2)
    figure = stability_figure([Plane("grown", "diffusion", "edm", x, y, value)], "t")
    bands, hatches = figure.axes[0].collections
    assert bands.get_rasterized()
    (path,) = hatches.get_paths()
    corners = path.vertices[path.codes != path.CLOSEPOLY]
    assert len(corners) == 6  # where it starts, and a rectangle whose corner between the points of the map is cut
    assert set(corners[:, 0].round(9)) == {*x[[11, 12]].mean(keepdims=True).round(9), *x[[12, -1]].round(9)}
    text = write_figure(tmp_path / "x.svg", figure).read_text()
    assert text.count("<image") == 1
    assert "<!-- grown -->" in text


def test_a_program_is_drawn_by_the_evaluations_it_has_spent() -> None:
    """Runs of the same budget share the axis, whatever their steps cost."""
    planes = [stability(program_of(name, "edm", "rho(7)", 8), size=20)[0] for name in ("ddim", "heun-edm")]
    figure = stability_figure(planes, "t")
    assert [ax.get_xlim() for ax in figure.axes[:2]] == [(0, 8)] * 2
    assert figure.get_supxlabel().startswith("evaluations of the run so far    (edm, NFE 8)")
    assert figure.axes[-1].get_ylabel().startswith("deviation so far")


def test_defects_are_stairs_over_the_noise_levels_of_their_steps() -> None:
    """Over the deviation at the end of a step; the noise of a stochastic scheme is a thin line, and rounding none."""
    exact = step_defects("gframe-ab(1)", "edm", "gaussian(mean=0)", "rho(7)", 3)
    found = [step_defects(name, "edm", "gaussian", "rho(7)", 6) for name in ("ddim", "em")]
    figure = defects_figure([*found, *[step_defects("ddim", "psld", "gaussian", "quadratic", 3)], exact], "t")
    first, position, momentum, last = figure.axes
    assert [ax.get_title(loc="left").split("\n")[1] for ax in figure.axes] == ["edm", "psld, x", "psld, m", "edm"]
    ddim, em, noise = first.get_lines()
    assert [line.get_label() for line in (ddim, em, noise)] == ["ddim", "em", "em, noise"]
    for line, own in ((ddim, found[0].state), (em, found[1].state), (noise, np.sqrt(np.abs(found[1].noise)))):
        expected = (own / found[0].deviation)[:, 0]
        assert list(line.get_xdata()) == found[0].program.times.tolist()
        np.testing.assert_array_equal(line.get_ydata(), [*expected, expected[-1]])
        assert line.get_drawstyle() == "steps-post"
    assert noise.get_linewidth() < em.get_linewidth()
    assert first.get_xlim()[0] > first.get_xlim()[1]
    assert position.get_lines()[0].get_ydata()[0] != momentum.get_lines()[0].get_ydata()[0]
    assert np.isnan(last.get_lines()[0].get_ydata()).all()
    with pytest.raises(InputError, match="9 curves"):
        defects_figure([found[0]] * 9, "t")


def test_planes_of_two_kinds_share_no_figure() -> None:
    """Their axes are others, and so are those of regions; nine panels are too many."""
    one, run = stability("ddim", kind="diffusion", size=10), stability("ddim", "edm", kind="run", nfe=(4, 5), size=10)
    with pytest.raises(InputError, match="planes of diffusion and run have other axes"):
        stability_figure([*one, *run], "t")
    with pytest.raises(InputError, match="draw one kind at a time"):
        stability_figure([*one, *stability("ddim", size=10)], "t")
    with pytest.raises(InputError, match="9 panels"):
        stability_figure([*one] * 9, "t")


def test_tiles_are_laid_out_in_reading_order_and_marked_ones_framed() -> None:
    """White between tiles, a frame around the marked one."""
    images = np.arange(6, dtype=float).reshape(6, 1, 1) * np.ones((6, 3, 4)) / 6
    (ax,) = image_grid({"x": (images, np.arange(6) == 5)}, "t", columns=3).axes
    shown = np.asarray(ax.images[0].get_array())
    assert shown.shape == (2 * 5, 3 * 6)
    np.testing.assert_array_equal(shown[5:8, 6:10], images[4])
    assert shown[3, 0] == 1  # white between the tiles
    (frame,) = ax.patches
    assert frame.get_bbox().bounds == (11, 4, 5, 4)


def test_panels_stand_in_rows_and_colours_stay_what_they_are() -> None:
    """Row by row, with nothing in the last places; of three channels the middle of each pixel is that of its image."""
    grey = np.linspace(-1, 1, 4 * 6).reshape(4, 2, 3)
    colour = np.stack([grey, -grey, 0 * grey], 1)
    panels = {"a": (colour, np.zeros(4, bool)), "b": (grey, np.zeros(4, bool)), "c": (grey, np.zeros(4, bool))}
    first, second, third, none = image_grid(panels, "t", columns=2, across=2).axes
    assert [ax.get_title("left") for ax in (first, second, third)] == ["a", "b", "c"]
    assert not none.get_visible()
    assert first.get_position().y0 > third.get_position().y0
    shown = np.asarray(first.images[0].get_array())
    assert shown.shape == (2 * 4, 2 * 5, 3)
    np.testing.assert_allclose(shown[4:6, 5:8], np.moveaxis(colour[3], 0, -1) / 2 + 0.5, atol=1e-12)
    np.testing.assert_array_equal(shown[2, 0], 1)
    with pytest.raises(InputError, match="9 rows of panels cannot be read"):
        image_grid({str(i): panels["a"] for i in range(9)}, "t", columns=2, across=1)


def test_the_order_table_shows_derived_orders_and_claims_that_differ() -> None:
    """One row of Markdown a scheme, empty where an order has no meaning."""
    orders = ("classical", "stiff_strong", "stiff_commuting", "stiff_weak", "sde_weak", "sde_marginal", "sde_strong")
    none = dict.fromkeys(orders)
    orders_of = {
        "derived": none | {"classical": 3, "stiff_weak": 2},
        "claimed": none | {"classical": 2, "stiff_weak": 2},
    }
    row = {"scheme": "s", "nfe_per_step": 2, "verdict": "higher", "holds": "general", "run": 2} | orders_of
    for marginal, shown in ((None, "2"), (2, "2"), (3, "2, marginal 3")):
        table = order_table([row | {"run_marginal": marginal}])
        cells = [cell.strip() for cell in table.splitlines()[-1].split("|")[1:-1]]
        assert cells == ["`s`", "2", "3 (claimed 2)", "", "", "2", "", "", "", shown, "higher", "general"]


def test_the_law_beside_a_path_is_named_by_how_it_was_measured() -> None:
    """By samples where there is a floor, exactly where there is none: two panels, never one."""
    sampled = record("a", 5, 0.5, path=0.5, law=0.2, law_low=0.1, law_high=0.3, floor=0.05)
    records = [sampled, record("b", 5, 0.5, path=0.5, law=0.1)]
    panels = curve_figure(records, "t", ("law",), ()).axes
    assert [ax.get_ylabel() for ax in panels] == [LABELS["sliced-wasserstein"], LABELS["wasserstein2"]]


def table_of(records: list[dict[str, Any]]) -> list[str | list[str]]:
    """What an error table holds: its headings, and the cells of its rows."""
    lines = [line for line in error_table(records).splitlines() if line and not line.startswith(("|-", "| scheme"))]
    return [[cell.strip() for cell in line.split("|")[1:-1]] if line.startswith("|") else line for line in lines]


def test_the_error_table_leaves_unspent_budgets_empty() -> None:
    """Each budget has a column, with two digits or empty."""
    rows = table_of([record("a", 5, 0.25), record("a", 10, None), record("b", 5, 3.0), record("b", 10, 3e-7)])
    assert rows == [LABELS["relative-rms"] + ":", ["`a`", "**2.5e-01**", ""], ["`b`", "3.0e+00", "**3.0e-07**"]]


def test_the_error_table_says_why_there_is_no_error() -> None:
    """Each reason once, with the schemes and budgets it is of."""
    lost, refused = {"why": "it was lost."}, {"why": "it was refused."}
    rows = table_of([
        record("a", 5, 0.5), record("a", 10, None, **lost), record("b", 5, None, **lost), record("b", 10, None, **lost),
        record("c", 5, None, **refused), record("c", 10, None, **lost),
    ])  # fmt: skip
    assert rows[-3:] == [
        "No error:", "- `a`, `c` at NFE 10; `b` at NFE 5, 10: it was lost.", "- `c` at NFE 5: it was refused."
    ]  # fmt: skip


def test_the_error_table_brackets_what_is_not_told_from_exact_samples() -> None:
    """By the excess where there is one, else by the interval; then no error of that budget is the smallest."""
    sampled = {"metric": "sliced-wasserstein", "floor": 0.1}
    near = record("a", 5, 0.2, **sampled, low=0.05, high=0.35), record("b", 5, 0.5, **sampled, low=0.4, high=0.6)
    law = LABELS["sliced-wasserstein"] + ":"
    floor = ["two exact sets", "1.0e-01"]
    assert table_of(near) == [law, ["`a`", "(2.0e-01 ±75%)"], ["`b`", "5.0e-01 ±20%"], floor]
    clear = [{**near[0], "excess_low": 1e-3}, {**near[1], "excess_low": 0.1}]
    assert table_of(clear) == [law, ["`a`", "**2.0e-01 ±75%**"], ["`b`", "5.0e-01 ±20%"], floor]
    below = [{**near[0], "excess_low": 1e-3}, {**near[1], "excess_low": -1e-3}]
    assert table_of(below) == [law, ["`a`", "2.0e-01 ±75%"], ["`b`", "(5.0e-01 ±20%)"], floor]


def test_the_best_of_each_family_stands_before_all_other_schemes() -> None:
    """By the geometric mean over budgets, in which a lost run counts; in law all errors below the floor are one."""
    records = [
        record("a", 5, 0.4), record("a", 10, 0.1), record("b", 5, 0.3), record("b", 10, 0.2),
        record("c", 5, 0.01), record("c", 10, None), record("d", 5, 0.001), record("d", 10, 0.001),
    ]  # fmt: skip
    (ax,) = families_figure(records, {"a": "one", "c": "one", "b": "two"}, "t", {"b": "B"}).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["B, two", "a, one"]
    assert len([line for line in ax.lines if line.get_color() == "0.8"]) == 4
    law = [record(s, 5, e, "sliced-wasserstein", floor=0.1, low=e, high=e) for s, e in (("a", 0.02), ("b", 0.01))]
    (ax,) = families_figure(law, {"a": "one", "b": "one"}, "t").axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a, one", "two exact sets"]


def test_the_error_table_of_the_law_holds_every_scheme_and_that_of_the_path_its_own() -> None:
    """What leads first: in law deterministic and stochastic schemes are compared by one measure."""
    by_law = [
        record("rvv", 5, 0.2, "wasserstein2", path=3.0, law=0.2),
        record("em", 5, 0.4, "wasserstein2", path=None, law=0.4),
    ]
    law = [LABELS["wasserstein2"] + ":", ["`rvv`", "**2.0e-01**"], ["`em`", "4.0e-01"]]
    path = [LABELS["relative-rms"] + ":", ["`rvv`", "**3.0e+00**"]]
    assert table_of(by_law) == [*law, *path]
    by_path = [record("rvv", 5, 3.0, path=3.0, law=0.2), by_law[1]]
    assert table_of(by_path) == [*path, *law]


def test_transfers_are_drawn_from_large_scales_to_small_with_a_line_at_zero() -> None:
    """One line a run through its numbers, whatever their order; noise is up, blur down, and both have room."""
    first, second = (transfer(name, "edm", "rho(7)", 10, [0.01, 2, 0.1]) for name in ("ddim", "heun"))
    (ax,) = transfer_figure([first, second], "t").axes
    zero, *lines = ax.get_lines()
    assert list(zero.get_ydata()) == [0, 0]
    assert [line.get_label() for line in lines] == ["ddim", "heun"]
    for line, each in zip(lines, (first, second), strict=True):
        assert list(line.get_xdata()) == [0.01, 0.1, 2]
        assert list(line.get_ydata()) == each.deviation[[0, 2, 1]].tolist()
    left, right = ax.get_xlim()
    low, high = ax.get_ylim()
    assert (left > right, ax.get_xscale(), ax.get_yscale()) == (True, "log", "symlog")
    assert low < min(first.deviation) < 0 < max(second.deviation) < high
    assert ax.get_ylabel().index("blur") < ax.get_ylabel().index("noise")
    for values in ([-0.1, -0.2], [0.1, 0.2]):
        one_sided = Transfer(first.program, np.array([1.0, 0.1]), np.array(values), np.zeros(2))
        low, high = transfer_figure([one_sided], "t").axes[0].get_ylim()
        assert (low <= -0.02, high >= 0.02) == (True, True)


def test_the_spectrum_of_data_stands_below_the_transfer_on_the_same_scales() -> None:
    """Each direction is counted in the tenth of a decade of its scale; those without variance are in none."""
    found = transfer("ddim", "edm", "rho(7)", 10, [0.01, 2, 0.1])
    variances, counts = np.array([4.0, 0.01, 0.0102, 0.0]), np.array([1, 2, 3, 5])
    ax, below = transfer_figure([found], "t", (variances, counts)).axes
    assert (ax.get_xlabel(), below.get_ylabel()) == ("", "directions")
    (stairs,) = below.patches
    heights, edges, _ = stairs.get_data()
    assert heights.sum() == 6
    for scale, count in ((2.0, 1), (0.1005, 5)):
        place = np.flatnonzero((edges[:-1] <= scale) & (scale < edges[1:]))
        assert heights[place].tolist() == [count]
    assert below.get_xlim() == ax.get_xlim()


def test_transfers_that_differ_in_more_than_the_scheme_say_in_what() -> None:
    """Processes and evaluations stand in the legend where there are several; a run that overflows has no line."""
    runs = [transfer("ddim", process, "rho(7)", nfe, [1]) for process, nfe in (("edm", 3), ("edm", 4), ("flow", 4))]
    lost = Transfer(runs[0].program, np.array([1.0, 2.0]), np.full(2, np.inf), np.zeros(2))
    _, *lines = transfer_figure([*runs, lost], "t").axes[0].get_lines()
    assert [line.get_label() for line in lines[:3]] == [
        "ddim on edm, NFE 3", "ddim on edm, NFE 4", "ddim on flow, NFE 4",
    ]  # fmt: skip
    assert np.isnan(lines[3].get_ydata()).all()


def test_a_spectrum_is_drawn_by_direction_above_the_density_of_its_steps() -> None:
    """Groups as wide as they have directions, none without variance; dotted, what angle has for that deviation."""
    wide = ([4.0, 0.01, 0.0], [1, 3, 2])
    ax, below = spectrum_figure({"wide": wide, "plain": ([0.25], [4])}, "t").axes
    line, plain = ax.get_lines()
    assert line.get_xdata().tolist() == [1, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(line.get_ydata(), [2, 2, 0.1, 0.1, np.nan, np.nan])
    assert (plain.get_xdata().tolist(), plain.get_ydata().tolist()) == ([1, 4], [0.5, 0.5])
    solid, dotted, own, isotropic, _ = below.get_lines()
    s = solid.get_xdata()
    np.testing.assert_allclose(isotropic.get_ydata(), 2 * s * 0.5 / (s**2 + 0.25), rtol=1e-12)
    np.testing.assert_allclose(own.get_ydata(), isotropic.get_ydata(), rtol=1e-12)
    assert solid.get_ydata()[np.argmin(abs(s - 0.1))] > 1.2 * dotted.get_ydata()[np.argmin(abs(s - 0.1))]
    left, right = below.get_xlim()
    assert left > right
    assert [own.get_text() for own in ax.get_legend().get_texts()] == ["wide", "plain", "the same if\nisotropic"]
    for spectra, sentence in (
        ([], "give each by its name"),
        ({}, "0 curves"),
        ({"none": ([0.0], [1])}, "data that vary"),
    ):
        with pytest.raises(InputError, match=sentence):
            spectrum_figure(spectra, "t")


def test_too_many_curves_are_refused() -> None:
    """Nine curves cannot be told apart and none is no figure: both are refused."""
    with pytest.raises(InputError, match="9 curves of one panel cannot be read; give 1 to 8"):
        curve_figure([record(str(i), 5, 1.0) for i in range(9)], "t")
    with pytest.raises(InputError, match="0 panels"):
        curve_figure([record("a", 5, None)], "t")
    flat = np.zeros((2, 2))
    with pytest.raises(InputError, match="9 curves"):
        stability_figure([Region(str(i), 0.0, flat, flat, flat) for i in range(9)], "t")
    with pytest.raises(InputError, match="9 curves"):
        transfer_figure([transfer("ddim", "edm", "rho(7)", 3, [1])] * 9, "t")


def test_without_matplotlib_a_sentence_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the extra to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"pip install 'numtoolkit\[plots\]'"):
        curve_figure(CURVES, "t")


def test_errors_of_a_contest_below_its_floor_are_drawn_there() -> None:
    """What the exact flow cannot tell from 0 stands at one height; what was lost is left out."""
    rows = [
        {"case": "a", "side": "x", "nfe": n, "error": e, "median": e} for n, e in ((5, 1.0), (9, 1e-20), (12, None))
    ]
    for line in contest_figure(rows, "Who?", ["x"], 1e-12).axes[0].get_lines():
        np.testing.assert_array_equal(line.get_ydata(), [1.0, 1e-12, np.nan])


def test_a_side_of_a_contest_without_errors_is_a_dashed_line_with_a_name() -> None:
    """Such as the distance of two exact sets, which no run has; the others are named once, by their solid lines."""
    rows = [{"case": "a", "side": side, "nfe": n, "error": None if side == "floor" else 1.0, "median": 0.1}
            for side in ("x", "floor") for n in (5, 9)]  # fmt: skip
    figure = contest_figure(rows, "Who?", ["x", "floor"], 1e-12, "distance")
    lines = [line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")]
    assert [(line.get_label(), line.get_linestyle()) for line in lines] == [("x", "-"), ("floor", "--")]
    assert figure.axes[0].get_ylabel() == "distance"
