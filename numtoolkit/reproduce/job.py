"""The main job: experiments, to results that are kept, and from these to figures, tables and the data behind them.

An experiment asks for cells (`numtoolkit.files.result_store`), whose results lie in `cells/` of the folder of figures.
What is there is not computed again, so that a job that was killed goes on where it stopped, several jobs on one folder
share the work, and pictures are drawn anew from results that are years old. Files depend on the experiments and on the
versions of the packages alone: they hold no dates and no timings.
"""

from __future__ import annotations

import random
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from numtoolkit import references
from numtoolkit.errors import InputError, StorageError, whole
from numtoolkit.files.result_store import Cell, Kept, Store
from numtoolkit.files.storage import csv_text, folder, locked, plain, read_json, write, write_figure, write_json
from numtoolkit.files.versions import versions
from numtoolkit.reproduce.reading import KINDS, Plan, rank, read_experiments
from numtoolkit.reproduce.subjects import is_network
from numtoolkit.reproduce.work import WORK, compute, difference
from numtoolkit.reproduce.workers import MOST_WORKERS, POLL_SECONDS, Executor, executor

PACKAGES = ("numpy", "scipy", "sympy", "scikit-learn")  # that decide the results
OF_NETWORKS = ("torch",)  # that decide those of networks as well
DRAWING = ("matplotlib", "tabulate")  # that decide what they look like
PICTURES = (".png", ".svg")
CELLS = "cells"  # the folder of results in that of the figures
INDEX = "README.md"


@dataclass(frozen=True)
class Checked:
    """Results that were computed again: those of the cells, and a sentence for each that is another one now."""

    cells: list[Cell] = field(repr=False)
    differ: list[str]


@dataclass(frozen=True)
class Progress:
    """What is told of a job while it runs.

    say    a line: an experiment that is written, a file that is set aside
    count  how many of the results that are known to be wanted are there, and how many are wanted
    """

    say: Callable[[str], None] = lambda line: None
    count: Callable[[int, int], None] = lambda done, wanted: None


SILENT = Progress()


def reproduce(
    experiments: Path,
    out: Path,
    chosen: Sequence[str] = (),
    *,
    quick: bool = False,
    workers: int = 1,
    cluster: str | None = None,
    shard: tuple[int, int] = (1, 1),
    from_nothing: bool = False,
    pdf: bool = False,
    progress: Progress = SILENT,
) -> list[Path]:
    """Compute what is missing of the results of experiments, and draw them; the files written.

    experiments  folder of TOML files (see `numtoolkit.reproduce.reading`), all read and checked before the first runs
    out          folder of the results, made if absent: NAME.json with the data, the experiment, the command and the
                 versions; NAME.png, NAME.svg and, where the data are records, NAME.csv; NAME.md, or both; README.md,
                 the index of all experiments there. Each is replaced whole, as soon as its results are complete.
                 Results lie in `cells/`
    chosen       names of experiments in the folder, or paths of others; none for all of the folder
    quick        fewer evaluations and samples: the same files, marked as quick
    workers      processes of this machine that compute; 1 for this one
    cluster      address of a Dask cluster whose workers compute in place of them
    shard        (i, n): compute the i-th of n parts of the cells alone, and draw what is complete
    from_nothing remove the results there are first
    pdf          draw NAME.pdf too
    progress     told what happens
    raises       InputError for an experiment that cannot be used, StorageError for a folder that cannot be written to
    cost         of the experiments of the repository, from nothing on one core, about ten minutes for those on laws and
                 half an hour for those on networks of patches; a minute to draw
    """
    whole("workers", workers, 1, MOST_WORKERS)
    whole("shard", shard[0], 1, whole("shard", shard[1]))
    plans = read_experiments(experiments, chosen)
    written: list[Path] = []
    with executor(workers, cluster) as execute:
        job = _Job(_store(out, progress), plans, quick, partial(_is_of, shard))
        if from_nothing:
            job.stale.update(job.store.others())
            if not chosen:
                _remove(job.stale)
        job.store.tidy()
        job.missing()
        progress.count(*job.tally())
        for plan, complete in job.run(execute, progress.count):
            progress.say(f"{complete}/{len(plans)} {plan.name}")
            written += _write(out, plan, quick, job.found, pdf)
    return [*written, out / INDEX] if written else []


def check(
    experiments: Path,
    out: Path,
    chosen: Sequence[str] = (),
    *,
    quick: bool = False,
    count: int = 12,
    seed: int = 0,
    workers: int = 1,
    cluster: str | None = None,
    progress: Progress = SILENT,
) -> Checked:
    """Compute some results again and compare them, to the digits that `numtoolkit.reproduce.work.CHECKED` states.

    experiments, out, chosen, quick, workers, cluster, progress   as for `reproduce`
    count    how many results, all if there are fewer; those of libraries that are not installed are not among them
    seed     of the choice
    returns  what was computed again, and how each result that is another one now differs
    cost     that of `count` cells: seconds each
    """
    plans = read_experiments(experiments, chosen)
    job = _Job(_store(out, progress), plans, quick)
    job.missing()
    kept = sorted((cell for cell in job.found if WORK[cell.kind].able(cell.data)), key=lambda cell: cell.digest)
    sample = random.Random(whole("seed", seed, 0)).sample(kept, min(whole("count", count), len(kept)))
    differ = {}
    with executor(workers, cluster) as execute:
        for i, (cell, again) in enumerate(execute(_again, sample), 1):
            progress.count(i, len(sample))
            if found := difference(cell, job.found[cell].data, again):
                differ[cell] = f"{out / CELLS / cell.address} is not reproduced: {found}; it is {cell.text}"
    return Checked(sample, [differ[cell] for cell in sample if cell in differ])


def strangers(experiments: Path, out: Path, remove: bool = False) -> list[Path]:
    """The files of results that no experiment of a folder asks for, be it since a scheme or an experiment has changed.

    experiments, out   as for `reproduce`
    remove             them too
    """
    plans = read_experiments(experiments)
    job = _Job(_store(out, SILENT), plans)
    job.missing()
    found = job.store.others(cell for cells in job.cells for cell in cells)
    if remove:
        _remove(found)
    return found


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_of(shard: tuple[int, int], cell: Cell) -> bool:
    """Whether a cell is of the i-th of n parts."""
    part, parts = shard
    return int(cell.digest, 16) % parts == part - 1


def _store(out: Path, progress: Progress) -> Store:
    return Store(folder(out) / CELLS, versions(PACKAGES), progress.say)


def _versions(cell: Cell) -> dict[str, str]:
    """Those of what decides the result of a cell."""
    law = cell.data.get("law")
    return versions((*PACKAGES, *(OF_NETWORKS if law is not None and is_network(law) else WORK[cell.kind].packages)))


class _Job:
    """The cells of some experiments, and the results that were found so far."""

    def __init__(
        self, store: Store, plans: Sequence[Plan], quick: bool = False, mine: Callable[[Cell], bool] = lambda cell: True
    ) -> None:
        self.store, self.plans, self.quick, self.mine = store, plans, quick, mine
        self.found: dict[Cell, Kept] = {}
        self.cells: list[list[Cell]] = [[] for _ in plans]  # of each plan, as far as they are known
        self.stale: set[Path] = set()  # files that are no results of this job, and go when their cells are known

    def lacking(self, i: int) -> list[Cell]:
        """The cells of the i-th plan whose results are not there; none where it is complete."""
        while True:
            lacking = [cell for cell in self.cells[i] if not self._has(cell)]
            if lacking:
                return lacking
            found = {cell: kept.data for cell, kept in self.found.items()}
            cells = self.plans[i].experiment.cells(self.quick, found)
            if cells == self.cells[i]:
                return []
            self.cells[i] = cells
            old = self.stale & {self.store.path / cell.address for cell in cells}
            _remove(old)
            self.stale -= old

    def missing(self) -> list[Cell]:
        """The cells that are known to be wanted, and whose results are not there."""
        return [cell for i in range(len(self.plans)) for cell in self.lacking(i)]

    def run(
        self, execute: Executor, count: Callable[[int, int], None] = lambda done, wanted: None
    ) -> Iterator[tuple[Plan, int]]:
        """Compute what nobody else is at, until all is there; each plan as it is complete, and how many are.

        A part of the cells alone: until all of that are there.
        """
        pending = list(range(len(self.plans)))

        def completed(among: Iterable[int]) -> Iterator[tuple[Plan, int]]:
            for i in list(among):
                if not self.lacking(i):
                    pending.remove(i)
                    count(*self.tally())
                    yield self.plans[i], len(self.plans) - len(pending)

        fill = partial(_filled, self.store.path.absolute(), versions((*PACKAGES, *OF_NETWORKS)))
        yield from completed(pending)
        while cells := dict.fromkeys(cell for i in pending for cell in self.lacking(i) if self.mine(cell)):
            worked = False
            for cell, (kept, said) in execute(fill, cells):
                for line in said:
                    self.store.warn(line)
                if kept is not None:
                    self.store.keep(cell, kept)
                    self.found[cell], worked = kept, True
                    count(*self.tally())
                    yield from completed(i for i in pending if cell in self.cells[i])
            yield from completed(pending)
            if not worked:  # others are at all of them
                time.sleep(POLL_SECONDS)

    def _has(self, cell: Cell) -> bool:
        if cell not in self.found and (kept := self.store.find(cell)) is not None:
            self.found[cell] = kept
        return cell in self.found

    def tally(self) -> tuple[int, int]:
        """How many results are there of those that are known to be wanted, and how many these are."""
        wanted = {cell for cells in self.cells for cell in cells}
        return len(wanted & self.found.keys()), len(wanted)


# --- what workers do


def _filled(path: Path, of: Mapping[str, str], cell: Cell) -> tuple[Kept | None, list[str]]:
    """The result of a cell, computed unless it is there, and what there is to say of it.

    path     of the store
    of       versions of whoever asks, so that a worker on another machine computes the same
    """
    own = _versions(cell)
    for package, version in own.items():
        if of[package] != version:
            raise InputError(f"a worker has {package} {version}, and this machine {of[package]}; install the same.")
    said: list[str] = []
    return Store(path, own, said.append).compute(cell, compute), said


def _again(cell: Cell) -> Any:
    """The result of a cell, whatever is kept."""
    return plain(compute(cell))


# --- what is written


def _write(out: Path, plan: Plan, quick: bool, found: dict[Cell, Kept], pdf: bool) -> list[Path]:
    """The files of an experiment, and the index."""
    name, data = plan.name, {cell: kept.data for cell, kept in found.items()}
    cells = plan.experiment.cells(quick, data)
    result = plan.experiment.result(quick, data)
    command = shlex.join(["numtoolkit", "reproduce", *plan.words, *(["--quick"] if quick else [])])
    records = result.data if result.figure and _are_records(result.data) else []
    suffixes = [
        *(PICTURES if result.figure else ()),
        *([".csv"] if records else ()),
        *([".md"] if result.table else ()),
    ]
    facts = {
        "title": plan.experiment.title,
        "command": command,
        "experiment": plan.table,
        "files": [f"{name}{suffix}" for suffix in suffixes],
        "versions": _merged([found[cell] for cell in cells]),
        "drawn": {package: version for package, version in versions(DRAWING).items() if package in DRAWING},
        "cells": [cell.address for cell in cells],
        **references.records(references.origins_in(plan.table)),
        "data": result.data,
    }
    figure = result.figure() if result.figure else None
    with locked(out, wait=True):
        written = [write_json(out / f"{name}.json", facts)]
        drawn = (*PICTURES, *([".pdf"] if pdf else ()))
        written += [write_figure(out / f"{name}{suffix}", figure) for suffix in drawn if figure is not None]
        if records:
            written.append(write(out / f"{name}.csv", csv_text(records)))
        if result.table:
            written.append(write(out / f"{name}.md", _page(name, facts, result.table)))
        write(out / INDEX, _index(out))
    return written


def _are_records(data: Any) -> bool:
    """Whether plain data are a table: dictionaries of texts, numbers and truths."""
    return isinstance(data, list) and all(
        isinstance(row, dict) and not any(isinstance(value, dict | list) for value in row.values()) for row in data
    )


def _merged(results: Sequence[Kept]) -> dict[str, str]:
    """The versions that computed some results: all of them, where they are several."""
    names = dict.fromkeys(name for kept in results for name in kept.versions)
    return {name: ", ".join(sorted({kept.versions.get(name, "unknown") for kept in results})) for name in names}


def _index(out: Path) -> str:
    """The page of all experiments whose data lie in the folder."""
    found = {}
    for path in out.glob("*.json"):
        with suppress(StorageError):
            record = read_json(path)
            if _is_written_here(record):
                found[path.stem] = record
    order = sorted(found, key=lambda name: rank(found[name]["experiment"], name))
    pages = ["# Results\n\nEach is made by the command under it from the experiment that its data name.\n"]
    return "\n".join([*pages, *(_entry(out, name, found[name]) for name in order)])


def _is_written_here(record: Any) -> bool:
    """Whether a file holds the data of an experiment, and not something else of that folder's owner."""
    kinds = {"title": str, "command": str, "experiment": dict, "files": list, "cells": list}
    if not isinstance(record, dict) or not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        return False
    experiment = record["experiment"]
    return experiment.get("kind") in KINDS and isinstance(experiment.get("caption", ""), str)


def _entry(out: Path, name: str, record: dict[str, Any]) -> str:
    """What the index says of an experiment: its page if it is a table alone, or its picture."""
    table = out / f"{name}.md"
    if record["files"] == [table.name] and table.exists():
        return table.read_text(encoding="utf-8")
    return _page(name, record)


def _page(name: str, record: dict[str, Any], table: str = "") -> str:
    """What there is to see of an experiment, under its title: the picture, the caption and the table."""
    title, caption = (_untagged(text) for text in (record["title"], record["experiment"].get("caption", "").strip()))
    file, words = quote(name), title.replace("[", r"\[").replace("]", r"\]")
    picture = f"![{words}]({file}.png)" if f"{name}.png" in record["files"] else ""
    tables = f"Tables: [{name}.md]({file}.md). " if f"{name}.md" in record["files"] and not table else ""
    csv = f", [{name}.csv]({file}.csv)" if f"{name}.csv" in record["files"] else ""
    data = f"{tables}Data: [{name}.json]({file}.json){csv}, by `{_untagged(record['command'])}`."
    parts = [f"## {title}", picture or table, caption, table if picture else "", data]
    return "\n\n".join(filter(None, parts)) + "\n"


def _untagged(text: str) -> str:
    """Markdown in which nothing opens a tag of HTML."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
