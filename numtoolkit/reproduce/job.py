"""The main job: every experiment of a folder, to figures, tables and the data behind them.

Results depend on the experiments and on the versions of the packages alone: they hold no dates and no timings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from numtoolkit.files.storage import locked, write, write_figure, write_json
from numtoolkit.files.versions import versions
from numtoolkit.references import origins_in, records
from numtoolkit.reproduce.kinds import Experiment, Result, read_experiments

PACKAGES = ("numpy", "scipy", "sympy", "matplotlib", "scikit-learn")  # that decide the results
PICTURES = (".png", ".svg")


def reproduce(
    experiments: Path, out: Path, quick: bool = False, progress: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Run every experiment of a folder, one after the other, and return the files written.

    experiments  folder of TOML files (see `numtoolkit.reproduce.kinds`), all read and checked before the first runs
    out          folder of the results, made if absent: NAME.json with the data, the experiment, the command and the
                 versions; then NAME.png and NAME.svg, or NAME.md; last an index, README.md. Each is replaced whole
    quick        fewer evaluations and samples: the same files, marked as quick
    progress     told what runs now
    raises       InputError for an experiment that cannot be used, StorageError for a folder that cannot be written to
    cost         about a minute on one core, a third of it when quick
    """
    plans = read_experiments(experiments)
    command = "numtoolkit reproduce --quick" if quick else "numtoolkit reproduce"
    written: list[Path] = []
    pages = [f"# Results\n\nWritten by `{command}`, from the files of the same names in `{experiments.name}/`.\n"]
    with locked(out):
        for i, (name, (table, experiment)) in enumerate(plans.items(), 1):
            progress(f"{i}/{len(plans)} {name}")
            with _one_thread():
                result = experiment.run(quick)
            facts = {"title": experiment.title, "command": command, "experiment": table, "versions": versions(PACKAGES)}
            facts |= records(origins_in(table))
            written.append(write_json(out / f"{name}.json", facts | {"data": result.data}))
            if result.figure is not None:
                figure = result.figure()
                written += [write_figure(out / f"{name}{suffix}", figure) for suffix in PICTURES]
            if result.table:
                written.append(write(out / f"{name}.md", _page(name, experiment, result)))
            pages.append(_page(name, experiment, result))
        return [*written, write(out / "README.md", "\n".join(pages))]


def _one_thread() -> AbstractContextManager[Any]:
    """Matrix products here are small: more threads take longer, and sum in an order of their own."""
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn
    except ModuleNotFoundError:
        return nullcontext()
    return threadpool_limits(1)


def _page(name: str, experiment: Experiment, result: Result) -> str:
    title, caption, file = _untagged(experiment.title), _untagged(experiment.caption.strip()), quote(name)
    picture = title.replace("[", r"\[").replace("]", r"\]")
    shown = result.table or f"![{picture}]({file}.png)"
    parts = [f"## {title}", shown, caption, f"Data: [{name}.json]({file}.json)"]
    return "\n\n".join(filter(None, parts)) + "\n"


def _untagged(text: str) -> str:
    """Markdown in which nothing opens a tag of HTML."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
