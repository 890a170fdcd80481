"""Kinds of experiments: which cells each asks for, and the figure or table that their results make.

All specifications of an experiment are read when it is made, so that a slip is found before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import chain, product
from typing import Any

import numpy as np

from numtoolkit import plots
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, real, unknown, whole
from numtoolkit.files.pictures import is_picture
from numtoolkit.files.result_store import Cell
from numtoolkit.files.storage import plain
from numtoolkit.laws import law_of
from numtoolkit.limits import MOST, MOST_NFE
from numtoolkit.measure import planes, stability
from numtoolkit.measure.curves import KIND_OF, OWN_FEWEST, SAMPLED_LAW, check_samples, metrics_of
from numtoolkit.measure.step_defects import SAMPLES, check_defects
from numtoolkit.models.network import Network
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import check_defined, lower
from numtoolkit.program.runs import laid, program_of, times_of
from numtoolkit.reproduce import pictures, work
from numtoolkit.reproduce.subjects import DTYPE, conditions_of, guided, law_at, resolved_law, scheme_at
from numtoolkit.schemes import catalogue
from numtoolkit.schemes import scheme as scheme_of

FARTHEST, LEAST_VARIANCE = 100.0, 1e-6  # of h L, beyond which float64 ends; of the variance of data, and its inverse
STEEPEST = 20  # order drawn as a guide
MOST_IMAGES = 1024  # of a panel
COLUMNS = 8  # of a panel of images
MAP, STEPS, PLANE = 200, 400, 300  # points along an axis of a map of stability; five times those of steps and planes
QUICK_NFE, QUICK_SEEDS, QUICK_SIZE, QUICK_SAMPLES = 24, 32, 100, 4  # what a quick run cuts down to
QUICK_BUDGETS = 2  # the same, where every scheme of the catalogue runs

Found = Mapping[Cell, Any]


@dataclass(frozen=True)
class Result:
    """What an experiment found: plain data, rounded, and what draws a figure, a table in Markdown, or both."""

    data: Any = field(repr=False)
    figure: Callable[[], Any] | None = field(default=None, repr=False)
    table: str = field(default="", repr=False)


class Question:
    """What the kinds of experiments share."""

    title: str
    caption: str

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """What must be computed, in the order of the result.

        quick   fewer samples, points or budgets, the same tables and figures
        found   results so far: once those of all cells returned before are there, further ones may follow from them
        """
        raise NotImplementedError

    def result(self, quick: bool, found: Found) -> Result:
        """What the results of all cells make."""
        raise NotImplementedError

    def run(self, quick: bool) -> Result:
        """The result, all cells computed here and kept nowhere."""
        found: dict[Cell, Any] = {}
        while missing := [cell for cell in self.cells(quick, found) if cell not in found]:
            found |= {cell: plain(work.compute(cell)) for cell in missing}
        return self.result(quick, found)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {brief(self.title, 200)}>"


@dataclass(frozen=True, repr=False)
class Orders(Question):
    """The order table of the whole catalogue, derived and claimed."""

    title: str
    caption: str = ""

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each scheme of the catalogue."""
        return [work.order_cell(scheme.spec) for scheme in catalogue()]

    def result(self, quick: bool, found: Found) -> Result:
        """A table."""
        rows = [found[cell] for cell in self.cells(quick, found)]
        return Result(rows, table=plots.order_table(rows))


@dataclass(frozen=True, repr=False)
class Stability(Question):
    """Where schemes are stable: on the test equation at values of h L, or on a process with data of some variance.

    `of` is the kind of `stability`, "" for its choice; `grid` and `nfe` are of whole runs.
    """

    title: str
    schemes: tuple[str, ...]
    caption: str = ""
    linear: tuple[float, ...] = (0.0, -1.0, -2.0)
    process: str = ""
    variance: float = 0.25
    of: str = ""
    grid: str = stability.GRID
    nfe: tuple[int, ...] = planes.BUDGETS

    def __post_init__(self) -> None:
        check(self.schemes, self.process)
        for x in distinct("linear", self.linear):
            real("linear", x, -FARTHEST, FARTHEST)
        real("variance", self.variance, LEAST_VARIANCE, 1 / LEAST_VARIANCE)
        process = process_of(self.process) if self.process else None
        check_budgets(self.nfe)
        about = self.linear, process, self.variance, self.of or None, self.grid, self.nfe
        plots.check_figure(stability.panels_of(self.schemes, *about))

    def _size(self) -> int:
        return PLANE if self.of in plots.PLANES else STEPS if self.process or self.of == stability.STEP else MAP

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each scheme."""
        size = QUICK_SIZE if quick else self._size()
        budgets = budgets_of(self.nfe, quick)
        least = sorted(self.nfe)[:2] if len(budgets) < 2 else budgets
        runs = {"grid": self.grid, "nfe": least} if self.of == planes.RUN else {}
        of = {"of": self.of} if self.of else {}
        return [
            work.stability_cell(name, self.linear, self.process, self.variance, size, **of, **runs)
            for name in self.schemes
        ]

    def result(self, quick: bool, found: Found) -> Result:
        """A figure."""
        rows = [row for cell in self.cells(quick, found) for row in found[cell]]
        drawn = ("x", "y", "value", "longest")
        data = [{key: value for key, value in row.items() if key not in drawn} for row in rows]
        return Result(data, lambda: plots.stability_figure(list(map(work.drawn_stability, rows)), self.title))


@dataclass(frozen=True, repr=False)
class Curve(Question):
    """Error against evaluations. `samples` is the number of seeds, 0 for as many as the metric needs; `show` says what
    is drawn, `QUANTITIES` of the records, a panel each; `slopes` are the orders drawn as guides. The law may also be a
    network, network:NAME, FILE.safetensors or one that a reference names, which is measured against its own flow.
    """

    title: str
    process: str
    law: str
    schemes: tuple[str, ...]
    grid: str
    nfe: tuple[int, ...]
    caption: str = ""
    samples: int = 0
    show: tuple[str, ...] = ("error",)
    slopes: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        check(self.schemes, self.process, self.law, self.grid)
        law, process = law_at(*resolved_law(self.law).values()), process_of(self.process)
        check_budgets(self.nfe)
        whole("samples", self.samples, 0, MOST)
        for quantity in distinct("show", self.show):
            if quantity not in plots.QUANTITIES:
                raise unknown("quantity", quantity, plots.QUANTITIES)
        for slope in self.slopes:
            whole("slopes", slope, 0, STEEPEST)
        chosen = [scheme_of(text) for text in self.schemes]
        for scheme in chosen if self.samples else ():
            check_samples(scheme, process, law, self.samples)
        plots.check_figure([panel for s in chosen for panel in _panels(metrics_of(s, process, law), self.show)])
        _check_any_runs(chosen, process, self.grid, self.nfe)

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each scheme."""
        count = max(self.samples // 4, QUICK_SEEDS) if quick else self.samples
        nfe = budgets_of(self.nfe, quick)
        return [work.curve_cell(name, self.process, self.law, [self.grid], nfe, count) for name in self.schemes]

    def result(self, quick: bool, found: Found) -> Result:
        """A figure."""
        records = _records(self.schemes, self.cells(quick, found), found)
        return Result(records, lambda: plots.curve_figure(records, self.title, self.show, self.slopes))


@dataclass(frozen=True, repr=False)
class Errors(Question):
    """The errors of every scheme of the catalogue that runs on a process, at a few budgets, as tables; and as a figure
    the best scheme of each family before all the others.

    further    budgets beside `nfe`, in lists whose results are kept apart: to add one computes no other anew
    law        a law; or a network, as of `Curve`, which is measured against its own flow
    samples    number of seeds, 0 for as many as each metric needs
    reference  of a network: how many further samples of its flow tell its law; 0 for the ends from the same starts
    deviation, mean   of the data, which schemes are told that ask for them; untold where the deviation is 0
    classes    of a network with labels: how many, of which the samples are in turn; 0 to tell it none
    guidance   of such a network: scale of its guidance away from no class, 1 for none
    dtype      that a trained network computes in, "float64" or "float32"; states and flow are float64 in either
    """

    title: str
    process: str
    law: str
    grid: str
    nfe: tuple[int, ...]
    caption: str = ""
    samples: int = 0
    reference: int = 0
    deviation: float = 0.0
    mean: float = 0.0
    classes: int = 0
    guidance: float = 1.0
    dtype: str = DTYPE
    further: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        plots.check_figure()
        check(("euler",), self.process, self.law, self.grid)
        for budgets in (self.nfe, *self.further, tuple(chain(self.nfe, *self.further))):
            check_budgets(budgets)
        law, process = law_at(**resolved_law(self.law), dtype=self.dtype), process_of(self.process)
        for name in ("samples", "reference"):
            whole(name, getattr(self, name), 0, MOST)
        for name in ("deviation", "mean"):
            real(name, getattr(self, name), -FARTHEST, FARTHEST)
        if self.reference and not isinstance(law, Network):
            raise InputError(f"reference = {self.reference} is of a network, and {self.law!r} is a law; drop it.")
        check_told(law, process, self.classes, self.guidance)
        if self.samples:
            check_samples(scheme_of("em"), process, law, self.samples)
        _check_any_runs(list(map(scheme_of, self.schemes)), process, self.grid, self.nfe)

    @property
    def schemes(self) -> list[str]:
        """Those of the catalogue that run on the process."""
        return [scheme.spec for scheme in self._members()]

    def _members(self) -> list[Scheme]:
        kind = process_of(self.process).kind
        told = {"sigma_data": self.deviation, "mean": self.mean} if self.deviation else {}
        exact = {name: Fraction(str(value)) for name, value in told.items()}
        return [
            scheme.bind(**{p.name: exact[p.name] for p in scheme.params if p.name in exact})
            for scheme in catalogue()
            if kind in scheme.kinds
        ]

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each list of budgets and scheme; of a quick run those of `nfe` alone."""
        lists = [budgets_of(self.nfe, True)[:QUICK_BUDGETS]] if quick else [self.nfe, *self.further]
        samples, reference = (fewer(n) if quick else n for n in (self.samples, self.reference))
        told: dict[str, Any] = {name: getattr(self, name) for name in ("classes", "guidance", "dtype")}
        return [
            work.curve_cell(scheme, self.process, self.law, [self.grid], nfe, samples, reference=reference, **told)
            for nfe, scheme in product(lists, self.schemes)
        ]

    def result(self, quick: bool, found: Found) -> Result:
        """Tables and a figure."""
        cells, schemes = self.cells(quick, found), self.schemes
        records = _records(schemes * (len(cells) // len(schemes)), cells, found)
        records.sort(key=lambda record: (schemes.index(record["scheme"]), record["nfe"]))
        members = [scheme for scheme in self._members() if not scheme.fitted]
        families = {scheme.spec: scheme.family for scheme in members}
        names = {scheme.spec: replace(scheme, values=()).spec for scheme in members}
        figure = partial(plots.families_figure, records, families, self.title, names)
        return Result(records, figure, plots.error_table(records))


@dataclass(frozen=True, repr=False)
class Defects(Question):
    """What each step of a run misses, of schemes at one budget, a panel a law. `samples` is the number of seeds of laws
    that are not Gaussian.
    """

    title: str
    process: str
    laws: tuple[str, ...]
    schemes: tuple[str, ...]
    grid: str
    nfe: int
    caption: str = ""
    samples: int = SAMPLES

    def __post_init__(self) -> None:
        process = process_of(self.process)
        check(self.schemes, self.process, None, self.grid)
        whole("nfe", self.nfe, 1, MOST_NFE)
        whole("samples", self.samples, 1, MOST)
        for law in map(law_of, distinct("laws", self.laws)):
            for scheme in map(scheme_of, self.schemes):
                check_defects(scheme, program_of(scheme, process, self.grid, self.nfe), law)
        panels = product(self.laws, range(process.blocks), self.schemes)
        plots.check_figure(f"{law} {block}" for law, block, _ in panels)

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each law and scheme."""
        count = min(self.samples, QUICK_SAMPLES) if quick else self.samples
        return [
            work.defects_cell(scheme, self.process, law, self.grid, self.nfe, count)
            for law, scheme in product(self.laws, self.schemes)
        ]

    def result(self, quick: bool, found: Found) -> Result:
        """A figure."""
        defects = [work.drawn_defects(cell, found[cell]) for cell in self.cells(quick, found)]
        rows = [{"scheme": own.program.scheme, "law": own.law, "steps": own.table()} for own in defects]
        return Result(rows, lambda: plots.defects_figure(defects, self.title))


@dataclass(frozen=True)
class Panel:
    """One way of sampling: a scheme on a grid."""

    scheme: str
    grid: str


@dataclass(frozen=True, repr=False)
class Samples(Question):
    """Images drawn from the same starts, by each panel at each budget; with `exact`, beside the ends of the exact flow.

    At one budget the panels stand side by side; at several each has a row. The law may be a network, as of `Curve`,
    with `classes` and `guidance` as of `Errors`.
    """

    title: str
    process: str
    law: str
    nfe: tuple[int, ...]
    panels: tuple[Panel, ...]
    caption: str = ""
    count: int = 64
    exact: bool = False
    classes: int = 0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        process = process_of(self.process)
        check([panel.scheme for panel in distinct("panels", self.panels)], self.process, self.law, repeated=True)
        check_budgets(self.nfe)
        plots.check_figure(map(str, range(self._across)))
        plots.check_figure(map(str, range(len(self.panels))))
        law = law_at(*resolved_law(self.law).values())
        check_told(law, process, self.classes, self.guidance)
        for panel, nfe in product(self.panels, self.nfe):
            scheme = scheme_of(panel.scheme)
            lower(scheme, process, times_of(scheme, process, panel.grid, nfe=nfe), nfe=nfe)
        if not is_picture(law.shape or ()) or not 1 <= self.count <= MOST_IMAGES or self.count % COLUMNS:
            raise InputError(
                f"law {self.law}, count {self.count}: give a law of images and a multiple of {COLUMNS} up to "
                f"{MOST_IMAGES}."
            )

    @property
    def _across(self) -> int:
        return (len(self.nfe) if len(self.nfe) > 1 else len(self.panels)) + self.exact

    def cells(self, quick: bool, found: Found) -> list[Cell]:
        """One for each panel and budget, and one for the exact flow."""
        about, told = (self.process, self.law, self.count, self.exact), (self.classes, self.guidance)
        drawn = [
            pictures.picture_cell(*about, panel.scheme, panel.grid, nfe, *told)
            for panel, nfe in product(self.panels, self.nfe)
        ]
        return [*([pictures.picture_cell(*about, "", "", 0, *told)] if self.exact else []), *drawn]

    def result(self, quick: bool, found: Found) -> Result:
        """A figure."""
        results = [found[cell] for cell in self.cells(quick, found)]
        none = np.zeros(self.count, bool)
        ends = pictures.pictures_of(results.pop(0)) if self.exact else None
        alone, rows = len(self.nfe) == 1, []
        shown = {"exact flow": (ends, none)} if alone and ends is not None else {}
        for (panel, nfe), drawn in zip(product(self.panels, self.nfe), results, strict=True):
            row = {"scheme": panel.scheme, "grid": panel.grid, "nfe": drawn["nfe"]}
            said = []
            if "noise_left" in drawn:
                left = row["noise_left"] = drawn["noise_left"]
                said = ["not finite" if left is None else f"RMS noise left {left:.2g}"]
            if self.exact and scheme_of(panel.scheme).kind == "ode":  # one that draws noise has no end to miss
                row["astray"] = sum(drawn["astray"])
                said.append(f"{row['astray']} of {self.count} astray")
            name = f"{panel.scheme}, grid {panel.grid}"
            caption = "; ".join(said if alone else [f"{nfe} evaluations", *said])
            shown[f"{name}\n{caption}"] = pictures.pictures_of(drawn), np.array(drawn["astray"])
            if ends is not None and not alone and nfe == self.nfe[-1]:
                shown[f"{name}\nwhere the exact flow ends"] = ends, none
            rows.append(row)
        return Result(rows, lambda: plots.image_grid(shown, self.title, COLUMNS, self._across))


def check_told(law: Any, process: Process, classes: int, guidance: float) -> None:
    """Refuse what a law is not told, or a network is not.

    law      a law or a network
    process  that it is asked on
    classes, guidance   as of `Errors`
    raises   InputError for either of a law, for guidance without classes, and as `numtoolkit.Network.on`
    """
    real("guidance", guidance, -FARTHEST, FARTHEST)
    if whole("classes", classes, 0, MOST) and not isinstance(law, Network):
        raise InputError(f"classes = {classes} are told to a network, and {law.name} is a law; drop them.")
    if guidance != 1 and not classes:
        raise InputError(f"guidance = {guidance:g} is away from no class; give the number of classes.")
    if classes:
        guided(law, guidance).on(process, conditions_of(classes, 1))


def fewer(samples: int) -> int:
    """Of so many samples in law, a quarter in a quick run, and still enough to tell a floor by halves.

    samples   that number
    """
    return min(samples, max(samples // 4, QUICK_SEEDS, OWN_FEWEST[SAMPLED_LAW]))


def budgets_of(nfe: Sequence[int], quick: bool) -> list[int]:
    """The budgets of a run, or of a quick one.

    nfe   all
    """
    return [n for n in nfe if n <= QUICK_NFE or n == min(nfe)] if quick else list(nfe)


def _records(schemes: Sequence[str], cells: Sequence[Cell], found: Found) -> list[dict[str, Any]]:
    """The records of the curves of schemes, one after the other."""
    curves = (work.curve_records(scheme, found[cell]) for scheme, cell in zip(schemes, cells, strict=True))
    return [record for curve in curves for record in curve]


def check(
    schemes: Sequence[str], process: str, law: str | None = None, grid: str | None = None, repeated: bool = False
) -> None:
    """Read every specification once, where there is one.

    schemes, process, law, grid   specifications; the process may be "" where nothing runs on one, the law a network
    repeated  schemes may be given twice
    raises    InputError for what cannot be read, and for a scheme that does not run on the process
    """
    if not schemes:
        raise InputError("there are no schemes; name at least one.")
    chosen = [scheme_at(text) for text in schemes]
    if not repeated:
        distinct("schemes", [scheme.spec for scheme in chosen])
    if process:
        for scheme in chosen:
            check_defined(scheme, process_of(process))
            if grid is not None:
                laid(scheme, process_of(process), grid, 8)
    if law is not None:
        found = law_at(*resolved_law(law).values())
        if isinstance(found, Network):
            found.on(process_of(process))


def check_budgets(nfe: tuple[int, ...]) -> None:
    """Refuse budgets that nothing can be measured at: none, none twice, whole numbers from 1."""
    if not nfe or min(nfe) < 1:
        raise InputError(f"nfe = {list(nfe)} holds no budgets; give whole numbers from 1.")
    for budget in distinct("nfe", nfe):
        whole("nfe", budget, 1, MOST_NFE)


def _check_any_runs(schemes: Sequence[Scheme], process: Process, grid: str, nfe: Sequence[int]) -> None:
    """One scheme at least can spend one of the budgets; what others cannot, the results say."""
    why = ""
    for scheme, budget in product(schemes, sorted(nfe)):
        try:
            lower(scheme, process, times_of(scheme, process, grid, nfe=budget), nfe=budget)
            return
        except InputError as refusal:
            why = why or str(refusal)
    raise InputError(f"no scheme can spend any of nfe = {list(nfe)}: {why}")


def _panels(metrics: Sequence[str], show: Sequence[str]) -> list[str]:
    """The panels that a scheme judged by some metrics, the leading one first, has a curve in."""
    of = {KIND_OF[metric]: metric for metric in metrics}
    measures = {"error": metrics[0], "median": "median" if "path" in of else None, "frechet": "frechet"} | of
    return [measure for quantity in show if (measure := measures.get(quantity)) is not None]


def distinct(what: str, values: Sequence[Any]) -> Sequence[Any]:
    """The values, of which there is one at least and none twice."""
    if not values:
        raise InputError(f"{what} is an empty list; give at least one.")
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise InputError(f"{what} holds {twice[0]} twice; give it once.")
    return values
