"""Steps that runs find themselves beside those of a grid: errors against evaluations, as a figure and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numtoolkit import plots
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, choice, whole
from numtoolkit.files.result_store import Cell
from numtoolkit.limits import MOST
from numtoolkit.measure.curves import PATH, check_samples
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
)
from numtoolkit.reproduce.subjects import law_at, resolved_law, scheme_at
from numtoolkit.sampling.adaptive import Adaptive

SAID = {work.GRID: "{grid}", work.PILOT: "pilot grid", work.OWN: "own steps"}


@dataclass(frozen=True)
class Way:
    """A scheme, and where its steps come from.

    scheme      its specification
    steps       grid: of the grid of the experiment; pilot: of a pilot run, spread over each budget; own: of each sample
    corrected   whether it goes on from its companions
    """

    scheme: str
    steps: str
    corrected: bool = False

    @property
    def declared(self) -> Scheme:
        """The scheme that runs."""
        own = scheme_at(self.scheme)
        return own.corrected() if self.corrected else own

    def label(self, grid: str) -> str:
        """What tables and figures call it; `grid` is that of the experiment."""
        return f"{self.declared.spec}, {SAID[self.steps].format(grid=grid)}"


@dataclass(frozen=True, repr=False)
class FoundSteps(Question):
    """Errors along paths against evaluations, of schemes on a grid, on that of a pilot run, and on their own.

    nfe          budgets, of ways on a grid and on that of a pilot run
    tolerances   of runs with steps of each sample's own, whose evaluations are means over samples, rejected steps
                 among them
    pilot        the tolerance of pilot runs, whose own evaluations are not counted
    """

    title: str
    process: str
    law: str
    grid: str
    ways: tuple[Way, ...]
    nfe: tuple[int, ...]
    tolerances: tuple[float, ...]
    caption: str = ""
    pilot: float = 1e-3
    samples: int = 64

    def __post_init__(self) -> None:
        process = process_of(self.process)
        check([way.scheme for way in distinct("ways", self.ways)], self.process, self.law, self.grid, repeated=True)
        check_budgets(self.nfe)
        whole("samples", self.samples, 1, MOST)
        for tolerance in (self.pilot, *distinct("tolerances", self.tolerances)):
            Adaptive(tolerance)
        for way in self.ways:
            choice("steps", way.steps, tuple(SAID))
            if way.steps != work.GRID and not way.declared.companions:
                raise InputError(f"scheme {way.scheme} declares no companion to find its steps by; take grid for it.")
            check_samples(way.declared, process, law_at(*resolved_law(self.law).values()), self.samples, "path")
        plots.check_figure([PATH] * len(self.ways))

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each way."""
        samples = max(self.samples // 4, min(QUICK_SEEDS, self.samples)) if quick else self.samples
        budgets = budgets_of(self.nfe, quick)
        tolerances = sorted(self.tolerances, reverse=True)[: 2 if quick else None]
        asked: Mapping[str, Any] = {
            work.GRID: {"nfe": budgets},
            work.PILOT: {"nfe": budgets, "tolerances": [self.pilot]},
            work.OWN: {"tolerances": tolerances},
        }
        about = (self.process, self.law, self.grid, samples)
        return [work.found_steps_cell(way.scheme, way.corrected, way.steps, *about, **asked[way.steps])
                for way in self.ways]  # fmt: skip

    def result(self, quick: bool, found: Found) -> Result:
        """A figure, and a table."""
        records = []
        for way, cell in zip(self.ways, self.cells(quick, found), strict=True):
            named = {"scheme": way.label(self.grid), "metric": PATH, "own": way.steps == work.OWN}
            records += [named | record for record in found[cell]]
        drawn = [record | {"nfe": round(record["nfe"])} for record in records]
        ticks = sorted({record["nfe"] for record in drawn if not record["own"]}) or None

        def figure() -> Any:
            return plots.curve_figure(drawn, self.title, slopes=(), ticks=ticks)

        return Result(records, figure, plots.found_steps_table(records))
