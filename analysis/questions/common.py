"""What the scripts of the open questions share: how a statement counts as derived, and the form of their pictures.

A script is a module of this folder. Its docstring asks the question in its first paragraph and answers it in the
others, in Markdown; numbers are left to its tables. It has

    statement()               sentences, each from `derived`: what an engine of the package finds when it is asked
    numbers(quick=False)      {caption: rows}, rows flat records; quick: fewer rows, each of them one of the whole
    picture(tables)           a figure of nothing but what the tables hold
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from numtoolkit import InputError, Scheme, error_curve, law_of, network_of, scheme
from numtoolkit.plots.looks import PLACES, looks_of
from numtoolkit.plots.sheet import CURVES, MARKERS, PANELS, check_count, literal, look_of, nfe_ticks, sheet, styled
from numtoolkit.training.data import data_of

Record = dict[str, Any]
Tables = dict[str, list[Record]]


def derived(holds: bool, sentence: str) -> str:
    """The sentence, where an engine found that it holds.

    raises   RuntimeError where it does not: the page would claim what nothing derives
    """
    if not holds:
        raise RuntimeError(f"this is not derived: {sentence}")
    return sentence


@dataclass(frozen=True)
class Curve:
    """Points of one line; y is None where there is nothing to draw. `marked` draws the points themselves."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    marked: bool = True


@dataclass(frozen=True)
class Panel:
    """Curves over common axes.

    x, y         what lies along them
    logarithmic  which of them, "x", "y", "xy" or ""
    level        where a dotted line marks what is exact
    limits       lowest and highest y shown
    ticks        where a logarithmic x has its numbers, as of steps or evaluations
    """

    title: str
    curves: Sequence[Curve]
    x: str
    y: str
    logarithmic: str = "xy"
    level: float | None = None
    limits: tuple[float, float] | None = None
    ticks: Sequence[int] = ()


def panels_figure(panels: Sequence[Panel], title: str) -> Any:
    """Panels side by side in the style of the package, each with its legend below it, or one for all alike."""
    check_count(len(panels), PANELS)
    labels = [tuple(curve.label for curve in panel.curves) for panel in panels]
    shared = len(set(labels)) == 1
    with styled():
        rows = max(map(len, labels))
        figure = sheet(title, width=max(1.0 + 3.5 * len(panels), 5.5), height=3.6 + 0.2 * (2 if shared else rows))
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, panel in zip(axes, panels, strict=True):
            check_count(len(panel.curves), CURVES)
            _draw(ax, panel)
            if not shared:
                literal(ax.legend(loc="upper left", bbox_to_anchor=(0.0, -0.17)))
        if shared:
            literal(figure.legend(handles=axes[0].get_lines()[:rows], loc="outside lower center", ncols=min(rows, 4)))
    return figure


def _draw(ax: Any, panel: Panel) -> None:
    ax.set_title(panel.title, parse_math=False)
    ax.set(xlabel=panel.x, ylabel=panel.y)
    for name in panel.logarithmic:
        ax.set(**{f"{name}scale": "log"})
    for curve, look in zip(panel.curves, looks([curve.label for curve in panel.curves]), strict=True):
        y = [float("nan") if value is None else value for value in curve.y]
        ax.plot(curve.x, y, label=curve.label, **(look if curve.marked else look | {"marker": None}))
    if panel.level is not None:
        ax.axhline(panel.level, color="0.35", linewidth=0.9, linestyle=":")
    if panel.ticks:
        nfe_ticks(ax, panel.ticks)
    if panel.limits is not None:
        ax.set_ylim(*panel.limits)


def looks(labels: Sequence[str]) -> list[dict[str, Any]]:
    """How curves are drawn: schemes as in every figure, where any of the labels is one."""
    names = [name_of(label) for label in labels]
    if any(name in PLACES for name in names):
        return looks_of(names)
    return [look_of(i) | {"marker": MARKERS[i]} for i in range(len(labels))]


def name_of(label: str) -> str:
    """The name of the scheme that a label begins with, or the label itself."""
    try:
        return scheme(label.partition("(")[0]).name
    except InputError:
        return label


def panel_each(
    rows: Sequence[Mapping[str, Any]], key: str, values: Sequence[str], of: tuple[str, str, str], *axes: str, **how: Any
) -> list[Panel]:
    """A panel for each value of the column `key`: `of` is as for `series`, `axes` and `how` as for `Panel`."""
    return [Panel(value, series([row for row in rows if row[key] == value], *of), *axes, **how) for value in values]


@cache
def subject_of(name: str) -> Any:
    """A law by name, or the network that a name beginning so means: one object, whose exact flow is followed once."""
    return network_of(name) if name.startswith("network") else law_of(name)


@cache
def deviation_of(name: str) -> float:
    """Of a coordinate of the data of a law, or of the data that a network was trained on, on average."""
    if name.startswith("network"):
        return data_of(name.removeprefix("network:").partition("-")[0]).deviation
    return float(np.sqrt(subject_of(name).variance))


def law_errors(
    own: str | Scheme, process: str, name: str, grid: Any, nfe: Iterable[int], seeds: Iterable[int] | None = None
) -> list[float | None]:
    """Errors in law over the deviation of the data, one a budget; None where a run is lost.

    own, process, grid, nfe, seeds   as of `error_curve`
    name     of the law or network, as of `subject_of`
    returns  of a Gaussian law the W2 distance of a coordinate on average, exactly; else the sliced W2 distance
    """
    found = error_curve(own, process, subject_of(name), grid, nfe, seeds, metric="law")
    size, deviation = int(np.prod(subject_of(name).shape)), deviation_of(name)
    units = [deviation * (size**0.5 if row["metric"] == "wasserstein2" else 1.0) for row in found]
    return [None if row["error"] is None else row["error"] / unit for row, unit in zip(found, units, strict=True)]


def series(rows: Sequence[Mapping[str, Any]], label: str, x: str, y: str, marked: bool = True) -> list[Curve]:
    """Rows as curves of y over x, one for each value of the column `label`, in the order of the table."""
    names = dict.fromkeys(row[label] for row in rows)
    own = {name: [row for row in rows if row[label] == name] for name in names}
    return [Curve(str(name), [r[x] for r in some], [r[y] for r in some], marked) for name, some in own.items()]
