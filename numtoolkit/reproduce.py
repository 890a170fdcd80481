"""The main job: every experiment of a folder, to figures, tables and the data behind them.

An experiment is a TOML file: its name becomes that of its results, its `kind` says what is computed, its other keys
are the fields of the class of that kind below, and nothing else. Results depend on the experiments and on the versions
of the packages alone: they hold no dates and no timings, and measured numbers have DIGITS digits.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from numtoolkit import __version__, plots, stability
from numtoolkit.errors import InputError, StorageError, unknown
from numtoolkit.grids import grid as grid_of
from numtoolkit.laws import NAMED, Law, load
from numtoolkit.processes import Floats, Process, process as process_of
from numtoolkit.program import problem_of
from numtoolkit.schemes import catalogue, scheme as scheme_of
from numtoolkit.specs import parse
from numtoolkit.storage import folder, write, write_figure, write_json

DIGITS = 6
QUICK_NFE, QUICK_SEEDS, QUICK_SIZE = 24, 16, 100  # what --quick cuts down to
PACKAGES = ("numpy", "scipy", "sympy", "matplotlib", "scikit-learn")


@dataclass(frozen=True)
class Result:
    """What an experiment found: plain data, and a figure or a table in Markdown."""

    data: Any
    figure: Any = None
    table: str = ""


@dataclass(frozen=True)
class Orders:
    """The order table of the whole catalogue, derived and claimed."""

    title: str
    caption: str = ""

    def run(self, quick: bool) -> Result:
        from numtoolkit.symbolic.verify import verify

        verdicts = [(scheme, verify(scheme)) for scheme in catalogue()]
        rows = [{"scheme": scheme.spec, "family": scheme.family, "nfe_per_step": scheme.nfe_per_step,
                 "claimed": found.claimed, "derived": found.derived, "verdict": found.verdict,
                 "holds": found.holds, "ok": found.ok} for scheme, found in verdicts]  # fmt: skip
        return Result(rows, table=plots.order_table(rows))


@dataclass(frozen=True)
class Stability:
    """Regions of stability: on the test equation at the given h L, or on a process with data of the given variance."""

    title: str
    schemes: tuple[str, ...]
    caption: str = ""
    linear: tuple[float, ...] = (0.0, -1.0, -2.0)
    process: str = ""
    variance: float = 0.25
    times: tuple[float, ...] = (1.0, 0.5, 0.2)

    def __post_init__(self) -> None:
        _check(self.schemes, self.process or "vp", "gaussian", ())

    def run(self, quick: bool) -> Result:
        process = process_of(self.process) if self.process else None
        size = QUICK_SIZE if quick else 400
        maps = [stability.regions(name, self.linear, process, self.variance, size) for name in self.schemes]
        if process is None:
            rows = [{"scheme": name, "h L": x, "real_interval": _finite(stability.real_interval(name, x))}
                    for name in self.schemes for x in self.linear]  # fmt: skip
        else:
            rows = [{"scheme": name, "t": t, "stable_step": stability.stable_step(name, process, self.variance, t)}
                    for name in self.schemes for t in self.times]  # fmt: skip
        return Result(rows, plots.stability_figure([region for own in maps for region in own], self.title))


@dataclass(frozen=True)
class Curve:
    """Error against evaluations. samples 0 takes the number `error_curve` does; show is error, median or both."""

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
        _check(self.schemes, self.process, self.law, (self.grid,))

    def run(self, quick: bool) -> Result:
        from numtoolkit.exact import error_curve

        process, law = process_of(self.process), law_of(self.law)
        nfe = [n for n in self.nfe if n <= QUICK_NFE] if quick else self.nfe
        count = QUICK_SEEDS if quick else self.samples
        seeds = range(count) if count else None
        records = [
            record for name in self.schemes for record in error_curve(scheme_of(name), process, law, self.grid, nfe, seeds)
        ]
        return Result(records, plots.curve_figure(records, self.title, self.show, self.slopes))


@dataclass(frozen=True)
class Panel:
    """One way of sampling: a scheme on a grid."""

    scheme: str
    grid: str


@dataclass(frozen=True)
class Samples:
    """Samples from equal starts at equal evaluations; with `exact`, beside the ends of the exact flow."""

    title: str
    process: str
    law: str
    nfe: int
    panels: tuple[Panel, ...]
    caption: str = ""
    count: int = 64
    exact: bool = False

    def __post_init__(self) -> None:
        grids = tuple(panel.grid for panel in self.panels)
        _check(tuple(panel.scheme for panel in self.panels), self.process, self.law, grids)

    def run(self, quick: bool) -> Result:
        from numtoolkit.exact import exact_flow
        from numtoolkit.models.network import Network
        from numtoolkit.sampling.runner import sample
        from numtoolkit.sampling.state import join, origin, split

        process, law, seeds = process_of(self.process), law_of(self.law), range(self.count)
        begin = origin(process, process.T, seeds, None, law.shape, np.float64, None)
        start = begin.blocks(seeds)
        truth = exact_flow(process, law, start, process.T, process.t_min)[0] if self.exact else None
        pictures = {} if truth is None else {"exact flow": (truth, np.zeros(self.count, bool))}
        rows = []
        for panel in self.panels:
            found = sample(
                Network.of(law), panel.scheme, process=process, grid=panel.grid, nfe=self.nfe, seeds=seeds,
                start=join(start), progress=False, on_nonfinite="mark",
            )  # fmt: skip
            blocks = split(found.samples, process.blocks)
            left = _left_to_denoise(process, law, blocks, float(found.program.times[-1]))
            row: dict[str, Any] = {"scheme": panel.scheme, "grid": panel.grid, "nfe": found.nfe, "left": left}
            astray = np.zeros(self.count, bool)
            text = f"{panel.scheme}, grid {panel.grid}\nRMS noise left {left:.2g}"
            if truth is not None:
                distance = np.sqrt(np.mean((blocks[0] - truth).reshape(self.count, -1) ** 2, axis=1))
                astray = distance > np.sqrt(law.variance) / 2
                row["astray"] = int(astray.sum())
                text = f"{text}; {astray.sum()} of {self.count} astray"
            pictures[text] = blocks[0], astray
            rows.append(row)
        return Result(rows, plots.image_grid(pictures, self.title))


Experiment = Orders | Stability | Curve | Samples
KINDS: dict[str, type[Experiment]] = {"orders": Orders, "stability": Stability, "curve": Curve, "samples": Samples}


def reproduce(
    experiments: Path, out: Path, quick: bool = False, progress: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Run every experiment of a folder, in the order of their names, and return the files written.

    experiments  folder of TOML files, all of them read and checked before the first runs
    out          folder of the results, made if absent: NAME.png and NAME.svg or NAME.md, NAME.json with the data, the
                 experiment and the versions of the packages, and an index, README.md; each replaced whole
    quick        fewer evaluations and samples; the same files, marked as quick
    progress     told what runs now
    raises       InputError for an experiment that cannot be used, StorageError for a folder that cannot be written
    cost         one to two minutes on two cores, seconds when quick
    """
    plans = read_experiments(experiments)
    folder(out)
    command = "numtoolkit reproduce --quick" if quick else "numtoolkit reproduce"
    written: list[Path] = []
    pages = [f"# Results\n\nWritten by `{command}` from the files of the same names in `{experiments.name}/`.\n"]
    for i, (name, (raw, experiment)) in enumerate(plans.items(), 1):
        progress(f"{i}/{len(plans)} {name}")
        result = experiment.run(quick)
        pages.append(f"## {experiment.title}\n\n{experiment.caption}\n")
        if result.figure is not None:
            written += [write_figure(out / f"{name}.png", result.figure), write_figure(out / f"{name}.svg", result.figure)]
            pages.append(f"![{experiment.title}]({name}.png)\n")
        if result.table:
            written.append(write(out / f"{name}.md", f"# {experiment.title}\n\n{experiment.caption}\n\n{result.table}\n"))
            pages.append(f"{result.table}\n")
        pages.append(f"Data: [{name}.json]({name}.json)\n")
        sidecar = {"title": experiment.title, "command": command, "quick": quick, "experiment": raw,
                   "versions": versions(), "data": rounded(result.data)}  # fmt: skip
        written.append(write_json(out / f"{name}.json", sidecar))
    written.append(write(out / "README.md", "\n".join(pages)))
    return written


def read_experiments(experiments: Path) -> dict[str, tuple[dict[str, Any], Experiment]]:
    """name -> (the file's table, the experiment) of every TOML file in a folder, by name.

    raises   InputError, naming the file and the key, for a folder without experiments and for one that cannot be used
    """
    paths = sorted(experiments.glob("*.toml"))
    if not paths:
        raise InputError(
            f"there are no experiments in {str(experiments)!r}; run from the root of the repository or name their folder."
        )
    return {path.stem: _read(path) for path in paths}


def _read(path: Path) -> tuple[dict[str, Any], Experiment]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"cannot read {str(path)!r}: {str(error) or type(error).__name__}; mend it.") from None
    try:
        kind = raw.get("kind")
        if kind not in KINDS:
            raise unknown("kind", str(kind), KINDS)
        return raw, _build(KINDS[kind], {key: value for key, value in raw.items() if key != "kind"}, "it")
    except InputError as error:
        raise InputError(f"experiment {str(path)!r}: {error}") from None


def _build(kind: type[Any], table: Any, what: str) -> Any:
    hints = get_type_hints(kind)
    if not isinstance(table, dict):
        raise InputError(f"{what} is no table; give one with the keys {', '.join(hints)}.")
    for key in table:
        if key not in hints:
            raise unknown("key", key, [*hints, "kind"])
    for needed in fields(kind):
        if needed.default is MISSING and needed.name not in table:
            raise InputError(f"{what} has no {needed.name}; add the key.")
    return kind(**{key: _value(value, hints[key], key) for key, value in table.items()})


def _value(value: Any, kind: Any, what: str) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise InputError(f"{what} = {value!r} is no list; give one.")
        return tuple(_value(item, get_args(kind)[0], what) for item in value)
    if is_dataclass(kind):
        return _build(kind, value, what)  # type: ignore[arg-type]
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{what} = {value!r} is not {names[kind]}; give one.")
    return value


def _check(schemes: tuple[str, ...], process: str, law: str, grids: tuple[str, ...]) -> None:
    """Read every specification once, so that a slip is found before anything runs."""
    if not schemes:
        raise InputError("there are no schemes; name at least one.")
    chosen = process_of(process)
    law_of(law)
    for text in schemes:
        problem_of(scheme_of(text), chosen)
    for text in grids:
        grid_of(text, chosen, 8)


def law_of(text: str) -> Law:
    """A law from its name with optional parameters, "mixture(dim=8)", or from the path of an .npz file."""
    if text.endswith(".npz"):
        return load(text)
    spec = parse(text)
    if spec.name not in NAMED:
        raise unknown("law", spec.name, NAMED)
    return NAMED[spec.name](**spec.arguments(signature(NAMED[spec.name]), f"law {spec.name}"))


def _left_to_denoise(process: Process, law: Law, blocks: list[Floats], t: float) -> float | None:
    """RMS over samples and coordinates of what the exact denoiser would still take away at time t."""
    if t == 0:
        return 0.0
    return _finite(np.sqrt(np.mean((blocks[0] - law.denoise(*process.observe(blocks, t))) ** 2)))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def rounded(value: Any) -> Any:
    """Plain data with every float at DIGITS significant digits, which differ less between machines than bits do."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def versions() -> dict[str, str]:
    """Python, numtoolkit and those of PACKAGES that are installed."""
    found = {"python": platform.python_version(), "numtoolkit": __version__}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
