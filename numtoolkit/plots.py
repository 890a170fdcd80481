"""Pictures of results: a figure answers the question in its title, and shows what it is given; it computes nothing.

Figures are made without pyplot (no window, no global state) in the style of `numtoolkit.mplstyle`, and written by
`numtoolkit.files.storage.write_figure`, the same bytes for the same figure. Needs the extra `plots`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError, brief, choice, real, several, text, typed, whole
from numtoolkit.measure.planes import DIFFUSION, MEAN_SQUARE, RUN, Plane
from numtoolkit.measure.stability import WINDOW, Region, StepLimit
from numtoolkit.measure.transfer import Transfer, checked_spectrum

Record = Mapping[str, Any]

STYLE = Path(__file__).with_name("numtoolkit.mplstyle")
MOST_CURVES = 8  # in one panel, and panels; more cannot be told apart
CURVES, PANELS = "curves of one panel", "panels side by side"
MARKERS = "os^Dv*PX"  # with the line styles, what tells curves apart in grey
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
ORDERS = {  # columns of the order table
    "classical": "classical",
    "stiff_strong": "stiff",
    "stiff_commuting": "stiff, commuting",
    "stiff_weak": "stiff, weak",
    "sde_weak": "in law",
    "sde_marginal": "in law, marginal",
    "sde_strong": "along paths",
}
LARGEST = 10.0  # errors beyond are off the axes: the run is lost, by how much says nothing
LINEAR = 0.01  # of transfer functions: smaller values are drawn on a linear scale
BANDS = (0.25, 0.5, 0.67, 0.8, 0.9, 0.95, 0.99, 1.01, 1.05, 1.1, 1.25, 1.5, 2.0, 4.0)  # of planes, about 1
AROUND = (0.99, 1.01)  # of them, the middle one: exact to a hundredth
FLAT = 1e-12  # of planes: a value this near 1 is 1
PLANES = {  # what their values are
    DIFFUSION: "\u2190 too little    one step over the exact one    too much \u2192",
    MEAN_SQUARE: "\u2190 too little    variance led to over the exact one    too much \u2192",
    RUN: "\u2190 blur    deviation at the end over the exact one    noise \u2192",
}
GAP = 2  # white pixels between image tiles
FRAME: dict[str, Any] = {"fill": False, "color": "#e76300", "linewidth": 1.2}
QUANTITIES = ("error", "median", "path", "law", "frechet")  # of records, which curves can be of
LABELS = {  # of metrics, and of quantities that are of no metric
    "relative-rms": "RMS error relative to the exact flow",
    "wasserstein2": "Wasserstein-2 distance to the exact law",
    "sliced-wasserstein": "sliced Wasserstein distance to the exact law",
    "median": "median error relative to the exact flow",
    "frechet": "Frechet distance to the exact law",
}
FLOORS = {"sliced-wasserstein": "floor", "frechet": "frechet_floor"}  # of measures by samples, what two exact sets have


@dataclass(frozen=True, eq=False)
class Boundary:
    """Where one scheme ceases to be stable on the test equation, to 4 decimals of w, in the window of `stability`.

    panel   what is held fixed
    lines   each (n, 2), Re w and Im w; none where the window has no boundary
    """

    scheme: str
    panel: str
    lines: tuple[NDArray[Any], ...] = field(repr=False)


def boundary(region: Region) -> Boundary:
    """The contour radius = 1 of a region, interpolated between its points. Needs the extra `plots`."""
    _matplotlib()
    from contourpy import contour_generator

    lines: Any = contour_generator(region.x, region.y, region.radius).lines(1.0)
    return Boundary(region.scheme, region.panel, tuple(np.round(line, 4) for line in lines))


def stability_figure(regions: Sequence[Region | Boundary | StepLimit | Plane], title: str) -> Any:
    """Where each scheme is stable: inside its contour radius = 1, or below its longest step; or planes of schemes.

    One panel for each thing held fixed (`panel` of the regions); an order star that is alone in its panel is grey. Of
    planes one panel for each, in bands about 1, the line of 1 drawn, hatched where it grows without bound, grey where
    there is nothing.

    regions  as `stability` and `order_star` return them, or boundaries of them, at most 8 schemes a panel; or at most 8
             planes of one kind
    """
    regions = _all_of("regions", regions, "panel", "stability")
    if any(isinstance(region, Plane) for region in regions):
        return _planes(regions, title)
    panels = {name: [r for r in regions if r.panel == name] for name in dict.fromkeys(r.panel for r in regions)}
    _check_count(max(map(len, panels.values()), default=0), CURVES)
    shared = len({tuple(r.scheme for r in members) for members in panels.values()}) == 1
    with _style():
        height = 4.0 if shared else 3.7 + 0.2 * max(map(len, panels.values()))
        figure = _figure(title, width=max(0.9 + 2.9 * len(panels), 5.0), height=height)
        explained: list[tuple[str, ...]] = []
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (name, members) in zip(axes, panels.items(), strict=True):
            ax.set_title("\n".join(name.rsplit(", ", 1)), parse_math=False)
            for i, member in enumerate(members):
                if isinstance(member, StepLimit):
                    _limit(ax, member, _look(i))
                elif isinstance(member, Region) and member.star:
                    _star(ax, member, _look(i), alone=len(members) == 1)
                else:
                    _contour(ax, boundary(member) if isinstance(member, Region) else member, _look(i))
            schemes = tuple(member.scheme for member in members)
            if not shared and schemes not in explained:
                _literal(ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.17)))
            explained.append(schemes)
        if shared:
            _literal(figure.legend(handles=axes[0].get_lines(), loc="outside lower center", ncols=4))
    return figure


def _star(ax: Any, region: Region, look: dict[str, Any], alone: bool) -> None:
    """The boundary of an order star; where it grows more than the exact solution is grey, if it is `alone`."""
    if alone:
        ax.contourf(region.x, region.y, region.radius, levels=[1.0, np.inf], colors=["#e0e0e0"])
    if not ax.texts:
        words = "grey: grows faster than exp" if alone else "lines: grows as exp does"
        ax.text(0.04, 0.04, words, transform=ax.transAxes, color="0.35")
    _contour(ax, boundary(region), look)
    ax.set(xlim=(region.x.min(), region.x.max()), ylim=(region.y.min(), region.y.max()))


def _contour(ax: Any, edge: Boundary, look: dict[str, Any]) -> None:
    from matplotlib.collections import LineCollection

    ax.set(xlabel="Re w in u' = L u + (w/h) u", ylabel="Im w", aspect="equal")
    ax.set(xlim=(WINDOW[0], WINDOW[1]), ylim=(-WINDOW[2], WINDOW[2]))
    if not ax.texts:
        ax.text(0.04, 0.04, "stable inside", transform=ax.transAxes, color="0.35")
    ax.plot([], [], label=edge.scheme if edge.lines else f"{edge.scheme} (no bound)", **look)
    if edge.lines:
        ax.add_collection(LineCollection(edge.lines, **look), autolim=False)


def _limit(ax: Any, limit: StepLimit, look: dict[str, Any]) -> None:
    low, high = limit.t[0], limit.t[-1]
    bounded = np.isfinite(limit.h)
    ax.plot(limit.t, np.where(bounded, limit.h, np.nan),
            label=limit.scheme if bounded.any() else f"{limit.scheme} (no bound)", **look)  # fmt: skip
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    ax.set(xlabel="time t at the start of the step", ylabel="longest stable step h in t")
    if not ax.collections:
        ax.fill_between(limit.t, limit.longest, high, color="#e6e6e6")
        ax.text(0.04, 0.94, "longer than t allows", transform=ax.transAxes, va="top", color="0.35")


def _planes(planes: Sequence[Plane], title: str) -> Any:
    kinds = {getattr(plane, "kind", "test") for plane in planes}
    if len(kinds) > 1:
        raise InputError(f"planes of {' and '.join(sorted(kinds))} have other axes; draw one kind at a time.")
    _check_count(len(planes), PANELS)
    shared, columns = len({plane.panel for plane in planes}) == 1, min(len(planes), 4)
    rows = -(-len(planes) // columns)
    run = planes[0].kind == RUN
    with _style():
        figure = _figure(title, width=max(1.6 + 2.3 * columns, 5.0), height=1.2 + (2.2 if shared else 2.4) * rows)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for ax, plane in zip(axes.ravel(), planes, strict=False):
            drawn = _plane(ax, plane)
            lines = [plane.scheme] if shared else [plane.scheme, *plane.panel.rsplit(", ", 1)]
            ax.set_title("\n".join(lines), parse_math=False)
        for ax in axes.ravel()[len(planes) :]:
            ax.set_visible(False)
        on = "network evaluations (NFE)" if run else "length of the step in log-SNR"
        values = np.concatenate([plane.value.ravel() for plane in planes])
        signs = ["black line: exact = 1"] + ["hatched: grows without bound"] * bool(np.isinf(values).any())
        signs += ["grey: beyond the ends of the process, or without noise"] * bool(np.isnan(values).any())
        figure.supxlabel(on + f"    ({planes[0].panel})" * shared + "\n" + "    ".join(signs), fontsize=9)
        of = "deviation of the data" if run else "deviation of the data over the noise level at the start"
        figure.supylabel(of, fontsize=9)
        ticks = [band for band in (*BANDS, 1.0) if band not in AROUND]
        bar = figure.colorbar(drawn, ax=axes, ticks=ticks, aspect=30)
        bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
        bar.set_label(PLANES[planes[0].kind])
        bar.ax.axhline(1.0, color="black", linewidth=0.8)
    return figure


def _plane(ax: Any, plane: Plane) -> Any:
    """The bands of a plane, and the line of 1 where it is crossed."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    ax.set(yscale="log", facecolor="#dcdcdc", xlim=(plane.x[0], plane.x[-1]), ylim=(plane.y[0], plane.y[-1]))
    ax.grid(False)
    if plane.kind == RUN:
        ax.set_xscale("log")
        _nfe_ticks(ax, [n for n in (5, 10, 20, 50, 100, 200, 500) if plane.x[0] <= n <= plane.x[-1]])
    colors = colormaps["RdBu_r"].resampled(len(BANDS) + 1)
    value = np.ma.masked_invalid(np.clip(plane.value, BANDS[0] / 2, BANDS[-1] * 2))
    drawn = ax.contourf(plane.x, plane.y, value, BANDS, cmap=colors, norm=BoundaryNorm(BANDS, colors.N, extend="both"),
                        extend="both")  # fmt: skip
    off = _off(value - 1)
    if off.min() < 0 < off.max():
        ax.contour(plane.x, plane.y, off, [0.0], colors="black", linewidths=0.8)
    if np.isinf(plane.value).any():
        ax.contourf(plane.x, plane.y, np.isinf(plane.value), [0.5, 1.5], colors="none", hatches=["////"])
    return drawn


def _off(off: Any) -> Any:
    """Distances from 1 whose zeros are crossings: where one is 0, it is the mean around; left out if that is 0 too."""
    around = np.pad(off.filled(0), 1, "reflect", reflect_type="odd")
    rows, columns = off.shape
    mean = sum(around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
    near = np.abs(off.filled(1)) < FLAT
    return np.ma.masked_array(np.where(near, mean, off), off.mask | (near & (np.abs(mean) < FLAT)))


def curve_figure(
    records: Sequence[Record], title: str, quantities: Sequence[str] = ("error",), slopes: Sequence[int] = (1, 2, 3)
) -> Any:
    """Error against evaluations on logarithmic axes, one curve a scheme, one panel for each quantity and its measure.

    Intervals are drawn where records have them, and for measures by samples the floor of two exact sets.

    records     as `numtoolkit.measure.error_curve` returns them; those without an error are left out
    title       the question that the figure answers
    quantities  of `QUANTITIES`: "error", the leading one of each scheme; "path", "law"; "median" of the samples
    slopes      drawn as guides: how errors of orders 1, 2, 3 fall
    """
    records, quantities = _records(records), several("quantities", quantities)
    for quantity in quantities:
        choice("quantity", quantity, QUANTITIES)
    guides = [real("slopes", slope, 0, 20) for slope in several("slopes", slopes)]
    panels: dict[str, list[tuple[Record, str]]] = {}
    for quantity in quantities:
        for r in records:
            if r.get(quantity) is not None:
                panels.setdefault(measure_of(r, quantity), []).append((r, quantity))
    _check_count(len(panels), PANELS)
    with _style():
        figure = _figure(title, width=1.2 + 5.0 * len(panels), height=4.0)
        for ax, (measure, members) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
        ):
            _check_count(len({r["scheme"] for r, _ in members}), CURVES)
            _curves(ax, members, measure)
            _log_axes(ax, sorted({r["nfe"] for r in records}))
            ax.set(xlabel="network evaluations (NFE)", ylabel=LABELS.get(measure, measure))
            if measure not in FLOORS:  # where errors level off, no slope is theirs
                _guides(ax, guides)
    return figure


def measure_of(record: Record, quantity: str) -> str:
    """What a quantity of a record of an error curve is measured by, a key of LABELS."""
    if quantity == "error" or quantity == _kind(record):
        return str(record["metric"])
    if quantity == "law":
        return "sliced-wasserstein" if "floor" in record else "wasserstein2"
    return "relative-rms" if quantity == "path" else quantity


def _kind(record: Record) -> str:
    """Whether the error of a record is that of the path or of the law."""
    return "path" if record["metric"] == "relative-rms" else "law"


def _error(record: Record, kind: str) -> float | None:
    """The error of a record along paths or in law."""
    return record["error"] if kind == _kind(record) else record.get(kind)


def _ends_of(record: Record, quantity: str) -> tuple[float, float] | None:
    """The interval of a quantity of a record."""
    own = "" if quantity in ("error", _kind(record)) else f"{quantity}_"
    low, high = record.get(f"{own}low"), record.get(f"{own}high")
    return None if low is None or high is None else (low, high)


def _curves(ax: Any, records: Sequence[tuple[Record, str]], measure: str) -> None:
    ends = []
    for i, scheme in enumerate(dict.fromkeys(r["scheme"] for r, _ in records)):
        look = _look(i)
        members = sorted(((r, q) for r, q in records if r["scheme"] == scheme), key=lambda own: own[0]["nfe"])
        nfe, error = [r["nfe"] for r, _ in members], [r[quantity] for r, quantity in members]
        (line,) = ax.plot(nfe, error, marker=MARKERS[i], label=scheme, **look)
        known = [(n, *own) for n, own in zip(nfe, (_ends_of(*member) for member in members), strict=True) if own]
        if known:
            ax.vlines(*zip(*known, strict=True), color=look["color"], linewidth=0.8)
        ends.append((error[-1], line))
    handles = [line for _, line in sorted(ends, key=lambda end: -end[0])]
    floors = [r[FLOORS[measure]] for r, _ in records if measure in FLOORS and r.get(FLOORS[measure]) is not None]
    if floors:
        handles.append(ax.axhline(floors[0], color="0.35", linewidth=0.9, linestyle=":", label="two exact sets"))
    _literal(ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0)))


def _log_axes(ax: Any, ticks: Sequence[int]) -> None:
    ax.set(xscale="log", yscale="log")
    ax.set_ylim(top=min(ax.get_ylim()[1], LARGEST))
    _nfe_ticks(ax, ticks)


def _nfe_ticks(ax: Any, ticks: Sequence[int]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())


def _guides(ax: Any, slopes: Sequence[float]) -> None:
    """Short lines of slope -p in the lower left corner, where falling curves leave room."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    x = left * (right / left) ** np.array([0.03, 0.25])
    y = low * (high / low) ** 0.33
    for p in slopes:
        fall = y * (x / x[0]) ** -p
        ax.plot(x, fall, color="0.45", linewidth=0.9, zorder=1)
        ax.annotate(f"order {p:g}", (x[1], fall[1]), (3, 0), textcoords="offset points", va="center", color="0.35")
    ax.set(xlim=(left, right), ylim=(low, high))


def transfer_figure(transfers: Sequence[Transfer], title: str, spectrum: tuple[Any, Any] | None = None) -> Any:
    """What each run makes of the deviation of each scale of the data: above the zero line it is noise, below it blur.

    One line a run, from the largest scale to the smallest, on an axis that is logarithmic on both sides of 0.

    transfers  as `numtoolkit.transfer` returns them, at most 8; a process or evaluations that differ are named
    title      the question that the figure answers
    spectrum   (variances, multiplicities) of a data set, as `numtoolkit.spectrum_of` returns them: below, how many of
               its directions have each scale
    """
    transfers = _all_of("transfers", transfers, "deviation", "transfer")
    _check_count(len(transfers), CURVES)
    counts = None if spectrum is None else _directions(spectrum)
    with _style():
        figure = _figure(title, width=6.2, height=4.0 if counts is None else 5.2)
        ax, *below = figure.subplots(
            1 if counts is None else 2, sharex=True, squeeze=False, height_ratios=None if counts is None else [3, 1]
        )[:, 0]
        ax.set(xscale="log")
        (below[0] if below else ax).set_xlabel("scale of the data: its deviation in one direction")
        for own in below:
            assert counts is not None
            own.stairs(*counts, fill=True, color="0.6")
            own.set_ylabel("directions")
        ax.set(ylabel="\u2190 blur   deviation over the exact one, less 1   noise \u2192")
        ax.axhline(0, color="0.35", linewidth=0.9, linestyle=":")
        for i, (label, each) in enumerate(zip(_labels(transfers), transfers, strict=True)):
            order = np.argsort(each.scales)
            drawn = np.where(np.isfinite(each.deviation), each.deviation, np.nan)
            ax.plot(each.scales[order], drawn[order], marker=MARKERS[i], markersize=3, label=label, **_look(i))
        _signed_axis(ax)
        ax.invert_xaxis()
        _literal(ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0)))
    return figure


def _directions(spectrum: tuple[Any, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """How many directions of a spectrum lie in each tenth of a decade of scales, and the ends of these."""
    variances, multiplicities = checked_spectrum(spectrum)
    scales = np.sqrt(variances[variances > 0])
    if not len(scales):
        raise InputError("the spectrum has no direction of a variance above 0; give one of data that vary.")
    first, last = np.floor(10 * np.log10(scales.min())), np.ceil(10 * np.log10(scales.max()))
    edges = 10 ** (np.arange(first, max(last, first + 1) + 1) / 10)
    places = np.searchsorted(edges, scales, side="right").clip(1, len(edges) - 1) - 1
    return np.bincount(places, multiplicities[variances > 0], len(edges) - 1), edges


def _labels(transfers: Sequence[Transfer]) -> list[str]:
    """The scheme of each, with what tells those of one figure apart beside it."""
    processes, budgets = ({getattr(each, name) for each in transfers} for name in ("process", "nfe"))
    return [
        each.scheme + f" on {each.process}" * (len(processes) > 1) + f", NFE {each.nfe}" * (len(budgets) > 1)
        for each in transfers
    ]


def _signed_axis(ax: Any) -> None:
    """A vertical axis that is logarithmic on both sides of 0, with room on each."""
    from matplotlib.ticker import FuncFormatter

    low, high = ax.get_ylim()
    ax.set_yscale("symlog", linthresh=LINEAR)
    ax.set_ylim(min(1.5 * low, -2 * LINEAR), min(max(1.5 * high, 2 * LINEAR), LARGEST))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}" if value else "0"))


def image_grid(panels: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], title: str, columns: int = 8) -> Any:
    """Sampled images side by side, one panel for each way of sampling them.

    title    the question that the figure answers
    panels   caption -> images (n, height, width) in [-1, 1] (beyond is clipped), n a multiple of `columns`, and (n,)
             booleans: which of them get a frame
    """
    from matplotlib.patches import Rectangle

    if not isinstance(panels, Mapping):
        raise InputError(f"panels is {typed(panels)}; give a mapping from captions to (images, framed).")
    _check_count(len(panels), PANELS)
    for caption, panel in panels.items():
        _check_images(caption, panel, whole("columns", columns, 1, 1024))
    with _style():
        figure = _figure(title, width=3.2 * len(panels) + 0.2, height=3.85)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (caption, (images, framed)) in zip(axes, panels.items(), strict=True):
            n, height, width = images.shape
            padded = np.pad(images, ((0, 0), (0, GAP), (0, GAP)), constant_values=1.0)
            tiles = padded.reshape(n // columns, columns, height + GAP, width + GAP).swapaxes(1, 2)
            ax.imshow(tiles.reshape(n // columns * (height + GAP), columns * (width + GAP)), vmin=-1, vmax=1)
            for i in np.flatnonzero(framed):
                corner = i % columns * (width + GAP) - 1, i // columns * (height + GAP) - 1
                ax.add_patch(Rectangle(corner, width + 1, height + 1, clip_on=False, **FRAME))
            ax.set_title(caption, fontsize=9, parse_math=False)
            ax.set_axis_off()
    return figure


def contest_figure(records: Sequence[Record], title: str, sides: Sequence[str], floor: float) -> Any:
    """Error against evaluations of the sides of a contest, a panel a case: mean solid, a median dashed.

    records  with `case, side, nfe, error, median`; one without an error is left out
    title    the question that the figure answers
    sides    their names
    floor    errors below are drawn there
    """
    cases = list(dict.fromkeys(r["case"] for r in records))
    rows = -(-len(cases) // 4)
    with _style():
        figure = _figure(title, width=11.0, height=0.9 + 2.2 * rows)
        axes = figure.subplots(rows, 4, squeeze=False).ravel()
        for ax, case in zip(axes, cases, strict=False):
            for i, side in enumerate(sides):
                own = [r for r in records if (r["case"], r["side"]) == (case, side)]
                for key, line in (("error", "-"), ("median", "--")):
                    error = [np.nan if r.get(key) is None else max(r[key], floor) for r in own]
                    label = side if key == "error" else None
                    ax.plot([r["nfe"] for r in own], error, line, color=_look(i)["color"], label=label)
            ax.set(xscale="log", yscale="log", xlabel="network evaluations (NFE)", ylabel="relative error")
            ax.set_title(case, fontsize=9, parse_math=False)
            _nfe_ticks(ax, sorted({r["nfe"] for r in records}))
        for ax in axes[len(cases) :]:
            ax.set_visible(False)
        handles, labels = axes[0].get_legend_handles_labels()
        _literal(figure.legend(handles, labels, loc="outside lower center", ncols=len(sides)))
    return figure


def order_table(rows: Sequence[Record]) -> str:
    """The orders of schemes as a Markdown table: derived, with the claim in brackets where it is another number.

    rows  with `scheme, nfe_per_step, claimed, derived, run, run_marginal, verdict, holds`, as `verify --json` has them
    """
    from tabulate import tabulate

    def cell(row: Record, order: str) -> str:
        derived, claimed = row["derived"][order], row["claimed"][order]
        text = "" if derived is None else str(derived)
        return text if claimed in (None, derived) else f"{text or '?'} (claimed {claimed})"

    def whole_run(row: Record) -> str:
        run, marginal = row["run"], row["run_marginal"]
        return "" if run is None else f"{run}" if marginal in (None, run) else f"{run}, marginal {marginal}"

    table = [
        [
            f"`{row['scheme']}`",
            row["nfe_per_step"],
            *(cell(row, order) for order in ORDERS),
            whole_run(row),
            row["verdict"],
            row["holds"],
        ]
        for row in rows
    ]
    headers = ["scheme", "NFE a step", *ORDERS.values(), "whole run", "verdict", "holds for"]
    return str(tabulate(table, headers, tablefmt="github", disable_numparse=True))


def error_table(records: Sequence[Record]) -> str:
    """Errors as Markdown, a table for those along paths and one for those in law, that which leads first.

    Each with a row a scheme and a column a budget, empty where a run overflows.

    records  as `numtoolkit.measure.error_curve` returns them
    """
    from tabulate import tabulate

    budgets = sorted({r["nfe"] for r in records})
    headers = ["scheme", *(f"NFE {nfe}" for nfe in budgets)]
    parts = []
    for kind in dict.fromkeys([*map(_kind, records), "path", "law"]):
        own = [r for r in records if kind == _kind(r) or _error(r, kind) is not None]
        errors = {(r["scheme"], r["nfe"]): _error(r, kind) for r in own}
        for measure in dict.fromkeys(measure_of(r, kind) for r in own):
            schemes = dict.fromkeys(r["scheme"] for r in own if measure_of(r, kind) == measure)
            cells = [[errors.get((scheme, nfe)) for nfe in budgets] for scheme in schemes]
            texts = [["" if e is None else f"{e:.1e}" for e in row] for row in cells]
            rows = [[f"`{scheme}`", *row] for scheme, row in zip(schemes, texts, strict=True)]
            text = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
            parts.append(f"{LABELS[measure]}:\n\n{text}")
    return "\n\n".join(parts)


def check_figure(panels: Iterable[str] = ("",)) -> None:
    """Refuse a figure that could not be drawn, before anything is computed for it.

    panels   the panel of each of its curves
    raises   InputError without matplotlib, and for panels or curves of one that are more than can be told apart
    """
    _matplotlib()
    curves = Counter(panels)
    _check_count(len(curves), PANELS)
    _check_count(max(curves.values(), default=0), CURVES)


def _check_images(caption: object, panel: Any, columns: int) -> None:
    shapes = [getattr(array, "shape", None) for array in panel] if isinstance(panel, tuple | list) else []
    images = shapes[0] if len(shapes) == 2 else None
    if not isinstance(caption, str) or images is None or len(images) != 3 or shapes[1] != images[:1]:
        raise InputError(
            f"panel {brief(repr(caption))} is no caption with images (n, height, width) and frames (n,); give them."
        )
    if not images[0] or images[0] % columns:
        raise InputError(f"panel {caption!r} has {images[0]} images; give a multiple of the {columns} columns.")


def _all_of(name: str, values: Any, attribute: str, source: str) -> list[Any]:
    """The values, each of which has the attribute that those of the function `source` have."""
    listed = several(name, values)
    for value in listed:
        if not hasattr(value, attribute):
            raise InputError(f"{name} hold {brief(repr(value))}; give what numtoolkit.{source} returns.")
    return listed


def _records(records: Any) -> list[Record]:
    listed = several("records", records)
    for record in listed:
        if not (isinstance(record, Mapping) and {"scheme", "nfe", "metric"} <= set(record)):
            raise InputError(f"records hold {brief(repr(record))}; give what numtoolkit.error_curve returns.")
    return listed


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise InputError("figures need matplotlib, which is not installed; pip install 'numtoolkit[plots]'.") from None
    return matplotlib


@contextmanager
def _style() -> Iterator[None]:
    _matplotlib()
    from matplotlib import style

    with style.context(["default", STYLE]):  # and not what a person's matplotlibrc says
        yield


def _figure(title: str, width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(fill(text("title", title), int(10.5 * width)), x=0.01, ha="left", parse_math=False)
    return figure


def _literal(legend: Any) -> None:
    """Names as they are: a dollar sign in one opens no formula."""
    for own in legend.get_texts():
        own.set_parse_math(False)


def _look(i: int) -> dict[str, Any]:
    """Colour, dashes and width of the i-th curve; later ones are thinner, so that equal curves show each other."""
    from matplotlib import rcParams

    color = rcParams["axes.prop_cycle"].by_key()["color"][i]
    return {"color": color, "linestyle": LINES[i % len(LINES)], "linewidth": 2.8 - 0.22 * i}


def _check_count(count: int, what: str) -> None:
    if not 1 <= count <= MOST_CURVES:
        raise InputError(f"{count} {what} cannot be read; give 1 to {MOST_CURVES}.")
