"""The same schemes on several laws, grids and processes: errors against evaluations, a panel each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from numtoolkit import plots
from numtoolkit.errors import InputError, choice, whole
from numtoolkit.files.result_store import Cell
from numtoolkit.limits import MOST
from numtoolkit.measure.curves import PATH, check_samples, metrics_of
from numtoolkit.plots.curves import ends_of, error_of, measure_of
from numtoolkit.plots.sheet import CURVES, check_count
from numtoolkit.problem.processes import process as process_of
from numtoolkit.reproduce import work
from numtoolkit.reproduce.kinds import (
    QUICK_SEEDS,
    Found,
    Question,
    Result,
    budgets_of,
    check,
    check_budgets,
    distinct,
    fewer,
)
from numtoolkit.reproduce.subjects import DTYPE, is_network, law_at, resolved_law, scheme_at
from numtoolkit.sampling.adaptive import Adaptive

METRICS = ("path", "median", "law")
ALONE = 32  # samples that find their steps, each in a run of its own, where a view names no number
BESIDE = ("steps", "plan", "tolerance", "own", "why")  # of a record, whatever a view shows of it


@dataclass(frozen=True)
class View:
    """A panel.

    name      its title
    law       a law, or a network as of `numtoolkit.reproduce.kinds.Curve`, which is judged by all metrics at once, so
              that views share its results with one another and with an experiment of kind errors
    metric    path; median, that of the median sample; or law
    schemes   those of the experiment that it shows, all where there are none
    nfe       budgets, those of the experiment where there are none
    samples   number of seeds, 0 for as many as the metric needs
    reference, dtype   of a network, as of `numtoolkit.reproduce.kinds.Errors`
    adaptive  whether the run that finds its own steps stands beside the others
    """

    name: str
    process: str
    law: str
    grid: str
    metric: str = "path"
    schemes: tuple[str, ...] = ()
    nfe: tuple[int, ...] = ()
    samples: int = 0
    reference: int = 0
    dtype: str = DTYPE
    adaptive: bool = False

    @property
    def kind(self) -> str:
        """Whether its errors are those of the path or of the law."""
        return "law" if self.metric == "law" else "path"


@dataclass(frozen=True, repr=False)
class Panels(Question):
    """How do a few schemes fare everywhere? See the head of this file.

    schemes     at most 8; coefficients of fitted ones are fitted for each view and budget
    views       at most 16
    substeps    of the target of these fits
    adaptive    a scheme with a companion, whose steps each sample finds by itself, along paths
    tolerances  of these runs
    slopes      orders drawn as guides
    """

    title: str
    schemes: tuple[str, ...]
    nfe: tuple[int, ...]
    views: tuple[View, ...]
    caption: str = ""
    substeps: int = 10
    adaptive: str = ""
    tolerances: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    slopes: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        plots.check_figure()
        check_count(len(distinct("schemes", self.schemes)), CURVES)
        check_budgets(self.nfe)
        whole("substeps", self.substeps, 1, MOST)
        distinct("views", [view.name for view in self.views])
        for tolerance in distinct("tolerances", self.tolerances):
            Adaptive(tolerance)
        if self.adaptive and not scheme_at(self.adaptive).companions:
            raise InputError(f"scheme {self.adaptive} declares no companion to find its steps by; take another.")
        for view in self.views:
            self._check(view)

    def _check(self, view: View) -> None:
        network = is_network(view.law)
        for name in view.schemes:
            if name not in self.schemes:
                raise InputError(f"view {view.name!r} shows {name}, which is none of the schemes; add it there.")
        check(self._shown(view), view.process, view.law, view.grid)
        choice("metric", view.metric, METRICS)
        for name in ("samples", "reference"):
            whole(name, getattr(view, name), 0, MOST)
        if view.nfe:
            check_budgets(view.nfe)
        if view.adaptive and (not self.adaptive or view.metric == "law" or network):
            raise InputError(f"view {view.name!r} has no run that finds its steps; it needs a path, and a law.")
        if view.reference and not network:
            raise InputError(f"view {view.name!r} has a reference, which is of a network, and a law; drop it.")
        law, process = law_at(**resolved_law(view.law), dtype=view.dtype), process_of(view.process)
        for scheme in map(scheme_at, self._shown(view)):
            metrics_of(scheme, process, law, view.kind)
            if view.samples:
                check_samples(scheme, process, law, view.samples, view.kind)

    def _shown(self, view: View) -> tuple[str, ...]:
        return view.schemes or self.schemes

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """For each panel one a scheme, and one of found steps."""
        return [cell for view in self._views(quick) for _, _, cell in self._runs(view, quick)]

    def result(self, quick: bool, found: Found) -> Result:
        """A figure."""
        records = []
        for view in self._views(quick):
            for scheme, own, cell in self._runs(view, quick):
                if own:
                    named = {"scheme": f"{scheme}, own steps", "metric": PATH, "own": True}
                    curve = [named | record for record in found[cell]]
                else:
                    curve = work.curve_records(scheme, found[cell])
                records += [{"panel": view.name} | _judged(record, view) for record in curve]
        return Result(records, partial(plots.panels_figure, records, self.title, self.slopes))

    def _views(self, quick: bool) -> tuple[View, ...]:
        return self.views[:2] if quick else self.views

    def _runs(self, view: View, quick: bool) -> Iterator[tuple[str, bool, Cell]]:
        """(scheme, whether it finds its steps, cell)."""
        nfe, count, reference = budgets_of(view.nfe or self.nfe, quick), view.samples, view.reference
        if quick:
            count, reference = fewer(count or (QUICK_SEEDS if view.kind == "path" else 0)), fewer(reference)
        told: dict[str, Any] = {"reference": reference, "dtype": view.dtype}
        told["metric"] = None if is_network(view.law) else view.kind
        for scheme in self._shown(view):
            substeps = self.substeps if scheme_at(scheme).fitted else 0
            how = (view.process, view.law, [view.grid], nfe, count)
            yield scheme, False, work.curve_cell(scheme, *how, substeps=substeps, **told)
        if view.adaptive:
            tolerances = sorted(self.tolerances, reverse=True)[: 2 if quick else None]
            about = (view.process, view.law, view.grid, count or ALONE)
            yield (
                self.adaptive,
                True,
                work.found_steps_cell(self.adaptive, False, work.OWN, *about, tolerances=tolerances),
            )


def _judged(record: Mapping[str, Any], view: View) -> dict[str, Any]:
    """The record with what a view shows of it for its error, and nothing of what it does not show.

    record   of an error curve, or of a run that found its steps
    """
    kind = view.kind
    if view.metric == "median":
        error, measure, (low, high) = record.get("median"), "median", (None, None)
    else:
        error, measure = error_of(record, kind), measure_of(record, kind)
        low, high = ends_of(record, kind) or (None, None)
    shown = {key: record[key] for key in BESIDE if record.get(key) is not None}
    shown |= {"floor": record["floor"]} if kind == "law" and record.get("floor") is not None else {}
    return {"scheme": record["scheme"], "nfe": record["nfe"], "metric": measure, "error": error, "low": low,
            "high": high, **shown}  # fmt: skip
