"""What all figures share: their style, their sheet, the look of a curve, and what they refuse to show.

Figures are made without pyplot (no window, no global state) in the style of `numtoolkit.mplstyle`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from numtoolkit.errors import InputError, brief, several, text
from numtoolkit.plots.looks import LINES

Record = Mapping[str, Any]
STYLE = Path(__file__).with_name("numtoolkit.mplstyle")
MOST_CURVES = 8  # in one panel, and panels; more cannot be told apart
CURVES, PANELS = "curves of one panel", "panels side by side"
ROOM, SMALL = 0.105, 0.15  # of the axis of evaluations, between two numbers; of that of a small panel
MARKERS = "os^Dv*PX"


def check_figure(panels: Iterable[str] = ("",)) -> None:
    """Refuse a figure that could not be drawn, before anything is computed for it.

    panels   the panel of each of its curves
    raises   InputError without matplotlib, and for panels or curves of one that are more than can be told apart
    """
    loaded()
    curves = Counter(panels)
    check_count(len(curves), PANELS)
    check_count(max(curves.values(), default=0), CURVES)


def all_of(name: str, values: Any, attribute: str, source: str) -> list[Any]:
    """The `values` of an argument `name`, each with the `attribute` that those of the function `source` have."""
    listed = several(name, values)
    for value in listed:
        if not hasattr(value, attribute):
            raise InputError(f"{name} hold {brief(repr(value))}; give what numtoolkit.{source} returns.")
    return listed


def records_of(records: Any) -> list[Record]:
    """The records, each of which is one of an error curve; InputError for others."""
    listed = several("records", records)
    for record in listed:
        if not (isinstance(record, Mapping) and {"scheme", "nfe", "metric"} <= set(record)):
            raise InputError(f"records hold {brief(repr(record))}; give what numtoolkit.error_curve returns.")
    return listed


def loaded() -> Any:
    """matplotlib; InputError where it is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise InputError("figures need matplotlib, which is not installed; pip install 'numtoolkit[plots]'.") from None
    return matplotlib


@contextmanager
def styled() -> Iterator[None]:
    """A context in the style of the package, whatever a person's matplotlibrc says."""
    loaded()
    from matplotlib import style

    with style.context(["default", STYLE]):  # and not what a person's matplotlibrc says
        yield


def sheet(title: str, width: float, height: float) -> Any:
    """A figure `width` by `height` inches under its title, as it is written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(fill(text("title", title), int(10.5 * width)), x=0.01, ha="left", parse_math=False)
    return figure


def literal(legend: Any) -> None:
    """Names as they are: a dollar sign in one opens no formula."""
    for own in legend.get_texts():
        own.set_parse_math(False)


def look_of(i: int) -> dict[str, Any]:
    """Colour, dashes and width of the i-th curve of a figure that is not of schemes; later ones are thinner."""
    from matplotlib import rcParams

    color = rcParams["axes.prop_cycle"].by_key()["color"][i]
    return {"color": color, "linestyle": LINES[i % len(LINES)], "linewidth": 2.8 - 0.22 * i}


def check_count(count: int, what: str, most: int = MOST_CURVES) -> None:
    """InputError unless `count` of `what` can be told apart, at `most`."""
    if not 1 <= count <= most:
        raise InputError(f"{count} {what} cannot be read; give 1 to {most}.")


def nfe_ticks(ax: Any, ticks: Sequence[int], room: float = ROOM) -> None:
    """The logarithmic x-axis of `ax`, of evaluations: a line at each of `ticks`, and a number where there is `room`."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    numbers, last, width = [""] * len(ticks), np.inf, max(ticks) / min(ticks)
    for i in sorted(range(len(ticks)), key=lambda i: -ticks[i]):  # the largest stays, and what is far enough from it
        if np.log(last / ticks[i]) >= room * np.log(width):
            numbers[i], last = str(ticks[i]), ticks[i]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FixedFormatter(numbers))
