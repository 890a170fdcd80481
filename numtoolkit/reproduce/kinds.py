"""What an experiment is: a table of a few strict keys that says what to compute and which question the picture answers.

A file NAME.toml holds `kind` and the fields of the class of that kind below, nothing else. All specifications in it are
read when it is, so that a slip is found before anything runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from numtoolkit import plots
from numtoolkit.arrays import Floats, join, split
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, StorageError, brief, unknown, whole
from numtoolkit.laws import Law, law_of
from numtoolkit.limits import MOST, MOST_NFE
from numtoolkit.measure import stability
from numtoolkit.measure.curves import KIND_OF, check_samples, metrics_of
from numtoolkit.problem.grids import grid as grid_of
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.program import lower, problem_of
from numtoolkit.program.runs import times_of
from numtoolkit.schemes import catalogue
from numtoolkit.schemes import scheme as scheme_of

FARTHEST, LEAST_VARIANCE = 100.0, 1e-6  # of h L, beyond which float64 ends; of the variance of data, and its inverse
STEEPEST = 20  # order drawn as a guide
MOST_IMAGES = 1024  # of a panel
DIGITS = 6  # of measured numbers: machines and thread counts differ in the last bits, not in these
LONGEST_TITLE = 200  # characters
COLUMNS = 8  # of a panel of images
QUICK_NFE, QUICK_SEEDS, QUICK_SIZE = 24, 32, 100  # what a quick run cuts down to


@dataclass(frozen=True)
class Result:
    """What an experiment found: plain data, rounded, and what draws a figure, or a table in Markdown."""

    data: list[dict[str, Any]] = field(repr=False)
    figure: Callable[[], Any] | None = field(default=None, repr=False)
    table: str = field(default="", repr=False)


class _Question:
    """What the kinds of experiments share."""

    title: str

    def run(self, quick: bool) -> Result:
        """Compute what is asked; `quick` with fewer samples, points or budgets, the same tables and figures."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {brief(self.title, 200)}>"


@dataclass(frozen=True, repr=False)
class Orders(_Question):
    """The order table of the whole catalogue, derived and claimed."""

    title: str
    caption: str = ""

    def run(self, quick: bool) -> Result:
        from numtoolkit.symbolic.verdict import verify

        rows = []
        for scheme in catalogue():
            verdict = verify(scheme)
            row = {"scheme": scheme.spec, "family": scheme.family, "nfe_per_step": scheme.nfe_per_step}
            rows.append(
                row | {name: getattr(verdict, name) for name in ("claimed", "derived", "run", "verdict", "holds", "ok")}
            )
        return Result(rows, table=plots.order_table(rows))


@dataclass(frozen=True, repr=False)
class Stability(_Question):
    """Where schemes are stable: on the test equation at values of h L, or on a process with data of some variance."""

    title: str
    schemes: tuple[str, ...]
    caption: str = ""
    linear: tuple[float, ...] = (0.0, -1.0, -2.0)
    process: str = ""
    variance: float = 0.25

    def __post_init__(self) -> None:
        _check(self.schemes, self.process)
        for x in _several("linear", self.linear):
            _within("linear", x, -FARTHEST, FARTHEST)
        _within("variance", self.variance, LEAST_VARIANCE, 1 / LEAST_VARIANCE)
        process = process_of(self.process) if self.process else None
        panels = stability.panels_of(self.schemes, self.linear, process, self.variance)
        plots.check_figure(panels)

    def run(self, quick: bool) -> Result:
        process = process_of(self.process) if self.process else None
        size = QUICK_SIZE if quick else 400
        maps = [
            (name, member)
            for name in self.schemes
            for member in stability.stability(name, process, self.variance, linear=self.linear, size=size)
        ]
        rows: list[dict[str, Any]] = []
        for name, member in maps:
            row = {"scheme": member.scheme, "panel": member.panel}
            if isinstance(member, stability.StepLimit):
                rows.append(row | {"t": member.t.tolist(), "longest_stable_step": [_finite(h) for h in member.h]})
            else:
                rows.append(row | {"real_interval": _finite(stability.real_interval(name, member.linear))})
        members = [member for _, member in maps]
        return Result(rounded(rows), lambda: plots.stability_figure(members, self.title))


@dataclass(frozen=True, repr=False)
class Curve(_Question):
    """Error against evaluations. `samples` is the number of seeds, 0 for as many as the metric needs; `show` says what
    is drawn, `QUANTITIES` of the records, a panel each; `slopes` are the orders drawn as guides.
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
        _check(self.schemes, self.process, self.law, self.grid)
        _check_budgets(self.nfe)
        whole("samples", self.samples, 0, MOST)
        for quantity in _several("show", self.show):
            if quantity not in plots.QUANTITIES:
                raise unknown("quantity", quantity, plots.QUANTITIES)
        for slope in self.slopes:
            whole("slopes", slope, 0, STEEPEST)
        chosen, process, law = [scheme_of(text) for text in self.schemes], process_of(self.process), law_of(self.law)
        for scheme in chosen if self.samples else ():
            check_samples(scheme, process, law, self.samples)
        plots.check_figure([panel for s in chosen for panel in _panels(metrics_of(s, process, law), self.show)])
        _check_any_runs(chosen, process, self.grid, self.nfe)

    def run(self, quick: bool) -> Result:
        count = max(self.samples // 4, QUICK_SEEDS) if quick else self.samples
        records = _errors([scheme_of(name) for name in self.schemes], self, quick, range(count) if count else None)
        return Result(records, lambda: plots.curve_figure(records, self.title, self.show, self.slopes))


@dataclass(frozen=True, repr=False)
class Errors(_Question):
    """The errors of every scheme of the catalogue that runs on a process, at a few budgets, as a table."""

    title: str
    process: str
    law: str
    grid: str
    nfe: tuple[int, ...]
    caption: str = ""

    def __post_init__(self) -> None:
        _check(("euler",), self.process, self.law, self.grid)
        _check_budgets(self.nfe)
        process = process_of(self.process)
        _check_any_runs([s for s in catalogue() if process.kind in s.kinds], process, self.grid, self.nfe)

    def run(self, quick: bool) -> Result:
        kind = process_of(self.process).kind
        records = _errors([scheme for scheme in catalogue() if kind in scheme.kinds], self, quick)
        return Result(records, table=plots.error_table(records))


@dataclass(frozen=True)
class Panel:
    """One way of sampling: a scheme on a grid."""

    scheme: str
    grid: str


@dataclass(frozen=True, repr=False)
class Samples(_Question):
    """Images drawn from the same starts at equal evaluations; with `exact`, beside the ends of the exact flow."""

    title: str
    process: str
    law: str
    nfe: int
    panels: tuple[Panel, ...]
    caption: str = ""
    count: int = 64
    exact: bool = False

    def __post_init__(self) -> None:
        process = process_of(self.process)
        _check([panel.scheme for panel in _several("panels", self.panels)], self.process, self.law, repeated=True)
        plots.check_figure(map(str, range(len(self.panels) + self.exact)))
        whole("nfe", self.nfe, 1, MOST_NFE)
        for panel in self.panels:
            scheme = scheme_of(panel.scheme)
            lower(scheme, process, times_of(scheme, process, panel.grid, nfe=self.nfe), nfe=self.nfe)
        if len(law_of(self.law).shape) != 2 or not 1 <= self.count <= MOST_IMAGES or self.count % COLUMNS:
            raise InputError(
                f"law {self.law}, count {self.count}: give a law of images and a multiple of {COLUMNS} up to "
                f"{MOST_IMAGES}."
            )

    def run(self, quick: bool) -> Result:
        from numtoolkit.measure import exact_flow
        from numtoolkit.sampling.runner import sample
        from numtoolkit.sampling.state import origin

        process, law, seeds = process_of(self.process), law_of(self.law), range(self.count)
        start = origin(process, process.T, seeds, None, law.shape, np.float64, None).blocks(seeds)
        truth = exact_flow(process, law, start, process.T, process.t_min)[0] if self.exact else None
        pictures = {} if truth is None else {"exact flow": (truth, np.zeros(self.count, bool))}
        rows = []
        for panel in self.panels:
            drawn = sample(panel.scheme, process, law, panel.grid, self.nfe, seeds=seeds,
                           start=join(start), progress=False, on_nonfinite="mark")  # fmt: skip
            blocks = split(drawn.samples, process.blocks)
            left = _left_to_denoise(process, law, blocks, float(drawn.program.times[-1]))
            row: dict[str, Any] = {"scheme": panel.scheme, "grid": panel.grid, "nfe": drawn.nfe, "noise_left": left}
            text = f"{panel.scheme}, grid {panel.grid}\n" + (
                "not finite" if left is None else f"RMS noise left {left:.2g}"
            )
            astray = np.zeros(self.count, bool)
            if truth is not None:
                distance = np.sqrt(np.mean((blocks[0] - truth).reshape(self.count, -1) ** 2, axis=1))
                astray = ~(distance < np.sqrt(law.variance) / 2)
                row["astray"] = int(astray.sum())
                text = f"{text}; {astray.sum()} of {self.count} astray"
            pictures[text] = blocks[0], astray
            rows.append(row)
        return Result(rounded(rows), lambda: plots.image_grid(pictures, self.title, COLUMNS))


Experiment = Orders | Stability | Errors | Curve | Samples
KINDS: dict[str, type[Experiment]] = {
    "orders": Orders, "stability": Stability, "errors": Errors, "curve": Curve, "samples": Samples,
}  # fmt: skip


def read_experiments(folder: Path) -> dict[str, tuple[dict[str, Any], Experiment]]:
    """name -> (the table of the file, the experiment) of every TOML file in a folder, by kind and then by name.

    raises   InputError, naming the file and the key, for a folder without experiments and for one that cannot be used;
             StorageError for a file that is not TOML
    """
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(
            f"there are no experiments (*.toml) in {str(folder)!r}; run from the root of the repository, or name one."
        )
    experiments = {path.stem: _read(path) for path in paths}
    order = list(KINDS.values())
    return dict(sorted(experiments.items(), key=lambda item: (order.index(type(item[1][1])), item[0])))


def _read(path: Path) -> tuple[dict[str, Any], Experiment]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"cannot read {str(path)!r}: {error}; mend or remove it.") from None
    try:
        kind = str(raw.get("kind", ""))
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        if path.stem.lower() == "readme":
            raise InputError("its results would take the name of the index; name it after its question.")
        found = _build(KINDS[kind], {key: value for key, value in raw.items() if key != "kind"}, f"kind {kind}")
        _check_title(found.title)
        return raw, found
    except InputError as error:
        raise InputError(f"experiment {str(path)!r}: {error}") from None


def _check_title(title: str) -> None:
    if not title.strip() or not title.isprintable() or len(title) > LONGEST_TITLE:
        raise InputError(
            f"title = {brief(repr(title))} is no line of 1 to {LONGEST_TITLE} printable characters; give one."
        )


def _build(kind: type[Any], table: Any, what: str) -> Any:
    hints = get_type_hints(kind)
    if not isinstance(table, dict):
        raise InputError(f"{what} = {table!r} is no table; give one with the keys {', '.join(hints)}.")
    for key in table:
        if key not in hints:
            raise unknown("key", key, hints)
    for needed in fields(kind):
        if needed.default is MISSING and needed.name not in table:
            raise InputError(f"{what} needs the key {needed.name!r}; add it.")
    return kind(**{key: _value(value, hints[key], key) for key, value in table.items()})


def _value(value: Any, kind: Any, what: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{what} = {value!r} is no list; give one.")
        return tuple(_value(item, get_args(kind)[0], what) for item in value)
    if is_dataclass(kind):
        return _build(kind, value, what)  # type: ignore[arg-type]
    if kind is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is not kind:
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{what} = {brief(repr(value))} is not {names[kind]}; give one.")
    if kind is float and not isfinite(value):
        raise InputError(f"{what} = {value} is no finite number; give one.")
    return value


def _check(
    schemes: Sequence[str], process: str, law: str | None = None, grid: str | None = None, repeated: bool = False
) -> None:
    """Read every specification once, where there is one; schemes may be `repeated`."""
    if not schemes:
        raise InputError("there are no schemes; name at least one.")
    chosen = [scheme_of(text) for text in schemes]
    if not repeated:
        _several("schemes", [scheme.spec for scheme in chosen])
    if process:
        for scheme in chosen:
            problem_of(scheme, process_of(process))
    if grid is not None:
        grid_of(grid, process_of(process), 8)
    if law is not None:
        law_of(law)


def _check_budgets(nfe: tuple[int, ...]) -> None:
    if not nfe or min(nfe) < 1:
        raise InputError(f"nfe = {list(nfe)} holds no budgets; give whole numbers from 1.")
    for budget in _several("nfe", nfe):
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


def _several(what: str, values: Sequence[Any]) -> Sequence[Any]:
    """The values, of which there is one at least and none twice."""
    if not values:
        raise InputError(f"{what} is an empty list; give at least one.")
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise InputError(f"{what} holds {twice[0]} twice; give it once.")
    return values


def _within(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{what} = {value} is out of range; give a number from {low:g} to {high:g}.")


def _errors(schemes: list[Scheme], of: Curve | Errors, quick: bool, seeds: range | None = None) -> list[dict[str, Any]]:
    from numtoolkit.measure import error_curve

    process, law = process_of(of.process), law_of(of.law)
    nfe = [n for n in of.nfe if n <= QUICK_NFE or n == min(of.nfe)] if quick else of.nfe
    curves = (error_curve(scheme, process, law, of.grid, nfe, seeds) for scheme in schemes)
    return rounded([record for curve in curves for record in curve])


def rounded(value: Any) -> Any:
    """Plain data with every float at DIGITS significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _left_to_denoise(process: Process, law: Law, blocks: list[Floats], t: float) -> float | None:
    """RMS over samples and coordinates of what the exact denoiser would still take away at time t."""
    if t == 0:
        return 0.0
    return _finite(np.sqrt(np.mean((blocks[0] - law.denoise(*process.observe(blocks, t))) ** 2)))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
