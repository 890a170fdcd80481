"""Pictures of results: a figure answers the question in its title, and shows what it is given; it computes nothing.

Figures are made without pyplot (no window, no global state) in the style of `numtoolkit.mplstyle`, and written by
`numtoolkit.storage.write_figure`, the same bytes for the same figure. Needs the extra `plots`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError
from numtoolkit.stability import Region

Record = Mapping[str, Any]

STYLE = Path(__file__).with_name("numtoolkit.mplstyle")
MOST_CURVES = 8  # in one panel; more cannot be told apart
MARKERS = "os^Dv*PX"  # with the line styles, what tells curves apart in grey
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
METRICS = {
    "relative-rms": "RMS error relative to the exact flow",
    "wasserstein-2": "Wasserstein-2 distance to the exact law",
    "sliced-wasserstein-2": "sliced Wasserstein-2 distance to the exact law",
}


def stability_figure(regions: Sequence[Region], title: str) -> Any:
    """Where each scheme is stable: its contour radius = 1, one panel for each thing held fixed.

    regions  as `numtoolkit.stability.regions` returns them, at most 8 schemes a panel
    """
    panels = {name: [r for r in regions if r.panel == name] for name in dict.fromkeys(r.panel for r in regions)}
    _check_count("stability figure", max(map(len, panels.values()), default=0))
    looks = {region.scheme: i for members in panels.values() for i, region in enumerate(members)}
    with _style():
        figure = _figure(title, width=max(1.0 + 2.75 * len(panels), 5.0), height=4.0)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (name, members) in zip(axes, panels.items(), strict=True):
            _frame(ax, members[0], name)
            for region in members:
                _boundary(ax, region, _look(looks[region.scheme]))
        handles = {handle.get_label(): handle for ax in axes for handle in ax.get_lines()}
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=min(len(handles), 5))
    return figure


def _frame(ax: Any, region: Region, name: str) -> None:
    ax.set(title=name, xlabel=region.x_label, ylabel=region.y_label)
    if region.logarithmic:
        ax.set(xscale="log", yscale="log")
        ax.contourf(region.x, region.y, np.isnan(region.radius), levels=[0.5, 1.5], colors=["#e6e6e6"])
        ax.text(0.04, 0.94, "no such step", transform=ax.transAxes, va="top", color="0.45")
    else:
        ax.set_aspect("equal")


def _boundary(ax: Any, region: Region, look: dict[str, Any]) -> None:
    ax.plot([], [], label=region.scheme, **look)
    if np.nanmin(region.radius) <= 1 < np.nanmax(region.radius):
        ax.contour(region.x, region.y, region.radius, levels=[1.0], colors=look["color"],
                   linewidths=look["linewidth"], linestyles=[look["linestyle"]])  # fmt: skip


def curve_figure(records: Sequence[Record], title: str, slopes: Sequence[int] = (1, 2, 3)) -> Any:
    """Error against evaluations, one curve a scheme, on logarithmic axes.

    records  with `scheme, nfe, metric, error`, as `curve --json` prints them; infinite errors are left out
    slopes   drawn as guides: where errors of orders 1, 2, 3 would fall
    """
    schemes = list(dict.fromkeys(r["scheme"] for r in records))
    _check_count("error curve", len(schemes))
    with _style():
        figure = _figure(title, width=7.2, height=4.2)
        ax = figure.subplots()
        ends = {}
        for i, scheme in enumerate(schemes):
            points = sorted((r["nfe"], r["error"]) for r in records if r["scheme"] == scheme and r["error"])
            nfe, error = np.array(points).T
            (handle,) = ax.plot(nfe, error, marker=MARKERS[i], label=scheme, **_look(i))
            ends[scheme] = handle, error[-1]
        _log_axes(ax, sorted({r["nfe"] for r in records}))
        ax.set(xlabel="network evaluations (NFE)", ylabel=METRICS.get(records[0]["metric"], records[0]["metric"]))
        _guides(ax, slopes)
        handles = [handle for handle, _ in sorted(ends.values(), key=lambda end: -end[1])]
        figure.legend(handles=handles, loc="outside right upper", title="worst to best at the right")
    return figure


def _log_axes(ax: Any, ticks: Sequence[int]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    ax.set(xscale="log", yscale="log")
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())


def _guides(ax: Any, slopes: Sequence[int]) -> None:
    """Short lines of slope -p in the lower left corner, where falling curves leave room."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    x = left * (right / left) ** np.array([0.03, 0.25])
    y = low * (high / low) ** 0.33
    for p in slopes:
        fall = y * (x / x[0]) ** -p
        ax.plot(x, fall, color="0.45", linewidth=0.9, zorder=1)
        ax.annotate(f"order {p}", (x[1], fall[1]), (3, 0), textcoords="offset points", va="center", color="0.35")
    ax.set(xlim=(left, right), ylim=(low, high))


def image_grid(panels: Mapping[str, NDArray[Any]], title: str, columns: int = 8) -> Any:
    """Sampled images side by side, one panel for each way of sampling them.

    panels   caption -> (n, height, width) in [-1, 1] (beyond is clipped), n a multiple of `columns`
    """
    with _style():
        figure = _figure(title, width=3.3 * len(panels) + 0.2, height=4.1)
        for ax, (caption, images) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            n, height, width = images.shape
            padded = np.pad(images, ((0, 0), (0, 1), (0, 1)), constant_values=1.0)
            tiles = padded.reshape(n // columns, columns, height + 1, width + 1).swapaxes(1, 2)
            ax.imshow(tiles.reshape(n // columns * (height + 1), columns * (width + 1)), vmin=-1, vmax=1)
            ax.set_title(caption, fontsize=9)
            ax.set_axis_off()
    return figure


@contextmanager
def _style() -> Iterator[None]:
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise InputError("figures need matplotlib, which is not installed; pip install 'numtoolkit[plots]'.") from None
    with matplotlib.rc_context(fname=STYLE):
        yield


def _figure(title: str, width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _look(i: int) -> dict[str, Any]:
    """Colour, dashes and width of the i-th curve; later ones are thinner, so that equal curves show each other."""
    return {"color": f"C{i}", "linestyle": LINES[i % len(LINES)], "linewidth": 2.8 - 0.22 * i}


def _check_count(what: str, curves: int) -> None:
    if not 1 <= curves <= MOST_CURVES:
        raise InputError(f"a {what} of {curves} curves cannot be read; give 1 to {MOST_CURVES}.")
