"""Where schemes are stable: regions and their boundaries, longest steps, order stars, planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError
from numtoolkit.measure.planes import ALONG, DIFFUSION, MEAN_SQUARE, RUN, Plane
from numtoolkit.measure.stability import WINDOW, Region, StepLimit
from numtoolkit.plots.looks import lines_of
from numtoolkit.plots.sheet import (
    CURVES,
    PANELS,
    all_of,
    check_count,
    literal,
    loaded,
    nfe_ticks,
    sheet,
    styled,
)

BANDS = (0.25, 0.5, 0.67, 0.8, 0.9, 0.95, 0.99, 1.01, 1.05, 1.1, 1.25, 1.5, 2.0, 4.0)  # of planes, about 1
AROUND = (0.99, 1.01)  # of them, the middle one: exact to a hundredth
FLAT = 1e-12  # of planes: a value this near 1 is 1
PLANES = {  # what their values are
    DIFFUSION: "one step over the exact one\n\u2190 too little    too much \u2192",
    MEAN_SQUARE: "variance led to over the exact one\n\u2190 too little    too much \u2192",
    RUN: "deviation at the end over the exact one\n\u2190 blur    noise \u2192",
    ALONG: "deviation so far over the exact one\n\u2190 blur    noise \u2192",
}
AXES = {  # what lies along the horizontal one
    DIFFUSION: "length of the step in log-SNR",
    MEAN_SQUARE: "length of the step in log-SNR",
    RUN: "network evaluations (NFE)",
    ALONG: "evaluations of the run so far",
}


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
    loaded()
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
    regions = all_of("regions", regions, "panel", "stability")
    if any(isinstance(region, Plane) for region in regions):
        return _planes(regions, title)
    panels = {name: [r for r in regions if r.panel == name] for name in dict.fromkeys(r.panel for r in regions)}
    check_count(max(map(len, panels.values()), default=0), CURVES)
    shared = len({tuple(r.scheme for r in members) for members in panels.values()}) == 1
    with styled():
        height = 4.0 if shared else 3.7 + 0.2 * max(map(len, panels.values()))
        figure = sheet(title, width=max(0.9 + 2.9 * len(panels), 5.0), height=height)
        explained: list[tuple[str, ...]] = []
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (name, members) in zip(axes, panels.items(), strict=True):
            ax.set_title("\n".join(name.rsplit(", ", 1)), parse_math=False)
            for member, look in zip(members, lines_of([own.scheme for own in members]), strict=True):
                if isinstance(member, StepLimit):
                    _limit(ax, member, look)
                elif isinstance(member, Region) and member.star:
                    _star(ax, member, look, alone=len(members) == 1)
                else:
                    _contour(ax, boundary(member) if isinstance(member, Region) else member, look)
            schemes = tuple(member.scheme for member in members)
            if not shared and schemes not in explained:
                literal(ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.17)))
            explained.append(schemes)
        if shared:
            literal(figure.legend(handles=axes[0].get_lines(), loc="outside lower center", ncols=4))
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
    check_count(len(planes), PANELS)
    shared, columns = len({plane.panel for plane in planes}) == 1, min(len(planes), 4)
    rows = -(-len(planes) // columns)
    kind = planes[0].kind
    with styled():
        width, height = max(1.6 + 2.3 * columns, 5.0), 1.2 + (2.2 if shared else 2.4) * rows
        figure = sheet(title, width, height)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for ax, plane in zip(axes.ravel(), planes, strict=False):
            drawn = _plane(ax, plane)
            lines = [plane.scheme] if shared else [plane.scheme, *plane.panel.rsplit(", ", 1)]
            ax.set_title("\n".join(lines), parse_math=False)
        for ax in axes.ravel()[len(planes) :]:
            ax.set_visible(False)
        values = np.concatenate([plane.value.ravel() for plane in planes])
        signs = ["black line: exact = 1"] + ["hatched: grows without bound"] * bool(np.isinf(values).any())
        signs += ["grey: beyond the ends of the process, or without noise"] * bool(np.isnan(values).any())
        figure.supxlabel(
            AXES[kind] + f"    ({planes[0].panel})" * shared + "\n" + fill("    ".join(signs), int(14 * width)),
            fontsize=9,
        )
        of = (
            "deviation of the data"
            if kind in (RUN, ALONG)
            else "deviation of the data over the noise level at the start"
        )
        figure.supylabel(fill(of, int(11 * height)), fontsize=9)
        ticks = [band for band in (*BANDS, 1.0) if band not in AROUND]
        bar = figure.colorbar(drawn, ax=axes, ticks=ticks, aspect=30)
        bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
        bar.set_label(PLANES[kind])
        bar.ax.axhline(1.0, color="black", linewidth=0.8)
    return figure


def _plane(ax: Any, plane: Plane) -> Any:
    """The bands of a plane, and the line of 1 where it is crossed.

    Bands are pixels in a vector format too, where their paths would be most of the file; hatches have corners alone.
    """
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    ax.set(yscale="log", facecolor="#dcdcdc", xlim=(plane.x[0], plane.x[-1]), ylim=(plane.y[0], plane.y[-1]))
    ax.grid(False)
    ax.minorticks_off()
    if plane.kind == ALONG:
        ax.xaxis.get_major_locator().set_params(integer=True)
    if plane.kind == RUN:
        ax.set_xscale("log")
        ends = [int(plane.x[0]), int(plane.x[-1])]
        nfe_ticks(ax, [n for n in (5, 10, 20, 50, 100, 200, 500) if ends[0] <= n <= ends[1]] or ends)
    colors = colormaps["RdBu_r"].resampled(len(BANDS) + 1)
    value = np.ma.masked_invalid(np.clip(plane.value, BANDS[0] / 2, BANDS[-1] * 2))
    drawn = ax.contourf(plane.x, plane.y, value, BANDS, cmap=colors, norm=BoundaryNorm(BANDS, colors.N, extend="both"),
                        extend="both", rasterized=True)  # fmt: skip
    off = _off(value - 1)
    if off.min() < 0 < off.max():
        ax.contour(plane.x, plane.y, off, [0.0], colors="black", linewidths=0.8)
    if np.isinf(plane.value).any():
        hatched = ax.contourf(plane.x, plane.y, np.isinf(plane.value), [0.5, 1.5], colors="none", hatches=["////"])
        hatched.set_paths([_corners(path) for path in hatched.get_paths()])
    return drawn


def _corners(path: Any) -> Any:
    """A path of straight lines without the points in the middle of those along an axis."""
    (before, here, after), line = (path.vertices[i : len(path) - 2 + i] for i in range(3)), path.LINETO
    straight = ((before == here) & (here == after)).any(axis=1) & (path.codes[1:-1] == line) & (path.codes[2:] == line)
    kept = np.concatenate([[True], ~straight, [True]])
    return type(path)(path.vertices[kept], path.codes[kept])


def _off(off: Any) -> Any:
    """Distances from 1 whose zeros are crossings: where one is 0, it is the mean around; left out if that is 0 too."""
    around = np.pad(off.filled(0), 1, "reflect", reflect_type="odd")
    rows, columns = off.shape
    mean = sum(around[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
    near = np.abs(off.filled(1)) < FLAT
    return np.ma.masked_array(np.where(near, mean, off), off.mask | (near & (np.abs(mean) < FLAT)))
