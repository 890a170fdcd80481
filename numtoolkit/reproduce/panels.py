"""The same schemes on several laws, grids and processes: errors against evaluations, a panel each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from numtoolkit import plots
from numtoolkit.errors import InputError, choice, whole
from numtoolkit.files.result_store import Cell
from numtoolkit.limits import MOST
from numtoolkit.measure.curves import PATH, check_samples, metric_of
from numtoolkit.plots.sheet import CURVES, check_count
from numtoolkit.problem.processes import process as process_of
from numtoolkit.reproduce import work
from numtoolkit.reproduce.kinds import QUICK_NFE, QUICK_SEEDS, Found, Question, Result, check, check_budgets, distinct
from numtoolkit.reproduce.subjects import is_network, law_at, resolved_law, scheme_at
from numtoolkit.sampling.adaptive import Adaptive

METRICS = ("path", "law")


@dataclass(frozen=True)
class View:
    """A panel.

    name      its title
    law       a law, or a network as of `numtoolkit.reproduce.kinds.Curve`
    metric    path or law
    nfe       budgets, those of the experiment where there are none
    samples   number of seeds, 0 for as many as the metric needs
    adaptive  whether the run that finds its own steps stands beside the others
    """

    name: str
    process: str
    law: str
    grid: str
    metric: str = "path"
    nfe: tuple[int, ...] = ()
    samples: int = 0
    adaptive: bool = False


@dataclass(frozen=True, repr=False)
class Panels(Question):
    """How do a few schemes fare everywhere? See the head of this file.

    schemes     at most 8
    views       at most 16
    adaptive    a scheme with a companion, whose steps each sample finds by itself, along paths
    tolerances  of these runs
    slopes      orders drawn as guides
    """

    title: str
    schemes: tuple[str, ...]
    nfe: tuple[int, ...]
    views: tuple[View, ...]
    caption: str = ""
    adaptive: str = ""
    tolerances: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
    slopes: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        plots.check_figure()
        check_count(len(distinct("schemes", self.schemes)), CURVES)
        check_budgets(self.nfe)
        distinct("views", [view.name for view in self.views])
        for tolerance in distinct("tolerances", self.tolerances):
            Adaptive(tolerance)
        if self.adaptive and not scheme_at(self.adaptive).companions:
            raise InputError(f"scheme {self.adaptive} declares no companion to find its steps by; take another.")
        for view in self.views:
            check(self.schemes, view.process, view.law, view.grid)
            choice("metric", view.metric, METRICS)
            whole("samples", view.samples, 0, MOST)
            if view.nfe:
                check_budgets(view.nfe)
            if view.adaptive and (not self.adaptive or view.metric != "path" or is_network(view.law)):
                raise InputError(f"view {view.name!r} has no run that finds its steps; it needs a path, and a law.")
            law, process = law_at(*resolved_law(view.law).values()), process_of(view.process)
            for scheme in map(scheme_at, self.schemes):
                metric_of(scheme, process, law, view.metric)
                if view.samples:
                    check_samples(scheme, process, law, view.samples, view.metric)

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
                records += [{"panel": view.name} | record for record in curve]
        return Result(records, partial(plots.panels_figure, records, self.title, self.slopes))

    def _views(self, quick: bool) -> tuple[View, ...]:
        return self.views[:2] if quick else self.views

    def _runs(self, view: View, quick: bool) -> Iterator[tuple[str, bool, Cell]]:
        """(scheme, whether it finds its steps, cell)."""
        nfe = [n for n in view.nfe or self.nfe if not quick or n <= QUICK_NFE or n == min(view.nfe or self.nfe)]
        count = max(view.samples // 4, QUICK_SEEDS) if quick and view.metric == "path" else view.samples
        for scheme in self.schemes:
            cell = work.curve_cell(scheme, view.process, view.law, [view.grid], nfe, count, metric=view.metric)
            yield scheme, False, cell
        if view.adaptive:
            tolerances = sorted(self.tolerances, reverse=True)[: 2 if quick else None]
            how = (view.process, view.law, view.grid, count or QUICK_SEEDS)
            yield (
                self.adaptive,
                True,
                work.found_steps_cell(self.adaptive, False, work.OWN, *how, tolerances=tolerances),
            )
