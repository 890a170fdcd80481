"""What becomes of each scale of the data, and where the data have any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.errors import InputError
from numtoolkit.measure.transfer import Transfer
from numtoolkit.plots.curves import LARGEST
from numtoolkit.plots.looks import looks_of
from numtoolkit.plots.sheet import CURVES, all_of, check_count, literal, sheet, styled
from numtoolkit.problem.spectrum import Spectrum, spectrum_from

LINEAR = 0.01  # of transfer functions: smaller values are drawn on a linear scale


def transfer_figure(
    transfers: Sequence[Transfer], title: str, spectrum: Spectrum | str | tuple[Any, Any] | None = None
) -> Any:
    """What each run makes of the deviation of each scale of the data: above the zero line it is noise, below it blur.

    One line a run, from the largest scale to the smallest, on an axis that is logarithmic on both sides of 0.

    transfers  as `numtoolkit.transfer` returns them, at most 8; a process or evaluations that differ are named
    title      the question that the figure answers
    spectrum   of a data set, as `numtoolkit.spectrum_of` makes it, its file, or (variances, multiplicities): below, how
               many of its directions have each scale
    """
    transfers = all_of("transfers", transfers, "deviation", "transfer")
    check_count(len(transfers), CURVES)
    counts = None if spectrum is None else _directions(spectrum)
    with styled():
        from matplotlib.ticker import MaxNLocator

        figure = sheet(title, width=6.2, height=4.0 if counts is None else 5.2)
        ax, *below = figure.subplots(
            1 if counts is None else 2, sharex=True, squeeze=False, height_ratios=None if counts is None else [3, 1]
        )[:, 0]
        ax.set(xscale="log")
        (below[0] if below else ax).set_xlabel("scale of the data: its deviation in one direction")
        for own in below:
            assert counts is not None
            own.stairs(*counts, fill=True, color="0.6")
            own.set_ylabel("directions")
            own.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        ax.set(ylabel="\u2190 blur   deviation over the exact one, less 1   noise \u2192")
        ax.axhline(0, color="0.35", linewidth=0.9, linestyle=":")
        labels = _labels(transfers)
        for label, look, each in zip(labels, looks_of(labels), transfers, strict=True):
            order = np.argsort(each.scales)
            drawn = np.where(np.isfinite(each.deviation), each.deviation, np.nan)
            ax.plot(each.scales[order], drawn[order], markersize=3, label=label, **look)
        _signed_axis(ax)
        ax.invert_xaxis()
        literal(ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0)))
    return figure


def _directions(spectrum: Spectrum | str | tuple[Any, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """How many directions of a spectrum lie in each tenth of a decade of scales, and the ends of these."""
    given = spectrum_from(spectrum)
    varies = given.values > 0
    scales = np.sqrt(given.values[varies])
    if not len(scales):
        raise InputError("the spectrum has no direction of a variance above 0; give one of data that vary.")
    first, last = np.floor(10 * np.log10(scales.min())), np.ceil(10 * np.log10(scales.max()))
    edges = 10 ** (np.arange(first, max(last, first + 1) + 1) / 10)
    places = np.searchsorted(edges, scales, side="right").clip(1, len(edges) - 1) - 1
    return np.bincount(places, given.multiplicity[varies], len(edges) - 1), edges


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
