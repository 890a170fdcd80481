"""How wide data are, and how dense that asks the steps of a run to be at each noise level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numtoolkit.errors import InputError, typed
from numtoolkit.plots.sheet import CURVES, check_count, literal, look_of, sheet, styled
from numtoolkit.problem.spectral_clocks import FLOOR, Modes, Q, spectral_density
from numtoolkit.problem.spectrum import Spectrum, spectrum_from

LEVELS = np.geomspace(0.002, 80, 400)


def spectrum_figure(spectra: Mapping[str, Any], title: str) -> Any:
    """The deviation of each direction of some data, and below the density of steps of the grid `spectral` over log s.

    Dotted is the density for isotropic data of the same deviation, that of the grid `angle`; `log-snr` has a level one.
    spectra  by the name in the legend: a `Spectrum` each, its file, or (variances, multiplicities); at most 8
    title    the question that the figure answers
    raises   InputError for what is no spectrum, and for one without variance
    """
    if not isinstance(spectra, Mapping):
        raise InputError(f"spectra is {typed(spectra)}; give each by its name, as {{'digits': spectrum}}.")
    check_count(len(spectra), CURVES)
    found = {str(name): spectrum_from(own) for name, own in spectra.items()}
    with styled():
        figure = sheet(title, width=6.2, height=5.6)
        ax, below = figure.subplots(2)
        ax.set(xscale="log", yscale="log", xlabel="direction, the widest first", ylabel="deviation of the data")
        below.set(xscale="log", xlabel="noise level s", ylabel="steps per log s, over the most")
        below.invert_xaxis()
        for i, (name, own) in enumerate(found.items()):
            look = look_of(i)
            ax.plot(*_ranks(own), label=name, **look)
            below.plot(LEVELS, _density(own), label=name, **look)
            isotropic = Spectrum(np.zeros(()), np.array([own.deviation**2]))
            below.plot(LEVELS, _density(isotropic), color=look["color"], linestyle=":", linewidth=1.2)
        below.set_ylim(0, 1.05)
        below.plot([], [], color="0.3", linestyle=":", linewidth=1.2, label="the same if\nisotropic")
        handles, labels = below.get_legend_handles_labels()
        literal(ax.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.0, 1.0)))
    return figure


def _ranks(spectrum: Spectrum) -> tuple[Any, Any]:
    """The first and last direction of each group, widest first, and their deviation; those without any end the line."""
    order = np.argsort(-spectrum.values, kind="stable")
    ends = np.cumsum(spectrum.multiplicity[order])
    starts = ends - spectrum.multiplicity[order] + np.minimum(1, spectrum.multiplicity[order])
    deviations = np.sqrt(spectrum.values[order])
    drawn = np.where(deviations > 0, deviations, np.nan)
    return np.stack([starts, ends], axis=1).ravel(), np.repeat(drawn, 2)


def _density(spectrum: Spectrum) -> Any:
    return spectral_density(Modes.of(spectrum, FLOOR), Q)(np.log(LEVELS))
